//! Groups that have used up their quota, and when they get more.

use crate::Kernel;
use crate::cgroup::GroupId;

use super::tree;

/// Groups that get more in one trap; the others in the next one, which comes at once.
const AT_ONCE: usize = 32;

/// A group has nothing left.
pub(super) fn throttled(k: &mut Kernel, group: GroupId) {
    if let Some(cpu) = k.groups.cpu(group) {
        k.sched.refills.insert((cpu.bandwidth.ends(), group));
    }
    tree::blocked(k, group);
}

/// Gives more to those whose time has come.
pub fn refill(k: &mut Kernel, now: u64) {
    for _ in 0..AT_ONCE {
        match k.sched.refills.first() {
            Some(&(at, group)) if at <= now => relieve(k, (at, group), now),
            _ => return,
        }
    }
}

/// Looks whether a group that waits for its quota since before has any.
pub(super) fn relieve(k: &mut Kernel, waits: (u64, GroupId), now: u64) {
    k.sched.refills.remove(&waits);
    let group = waits.1;
    let Some(cpu) = k.groups.cpu_mut(group) else {
        return;
    };
    if !cpu.bandwidth.relieve(now) {
        let next = cpu.bandwidth.ends();
        k.sched.refills.insert((next, group));
    } else if !cpu.frozen {
        tree::unblocked(k, group);
    }
}
