//! Pid namespaces (pid_namespaces(7)). Their numbers are given out by `task::pid`.

use super::{PidNs, PidNsId};
use crate::Kernel;
use crate::arena::Held;
use crate::cgroup::GroupId;
use crate::error::{Errno, Stop};

/// How deep pid namespaces nest below the initial one (Linux's MAX_PID_NS_LEVEL).
pub const MAX_LEVEL: u32 = 32;

/// A new pid namespace nested in `parent`, paid for by `group`. Its first process becomes its
/// init.
///
/// # Errors
/// ENOSPC below [`MAX_LEVEL`]; EINVAL when `parent` is gone; no memory.
pub fn create(k: &mut Kernel, parent: PidNsId, group: GroupId) -> Result<Held<PidNsId>, Stop> {
    let level = k.ns.pid.get(parent).ok_or(Errno::EINVAL)?.level;
    let level = level.saturating_add(1);
    if level > MAX_LEVEL {
        return Err(Errno::ENOSPC.into());
    }
    let charge = super::charge::<PidNsId, PidNs>(k, group)?;
    let ns = PidNs {
        parent: k.ns.pid.hold(parent),
        level,
        inum: k.ns.next_inum(),
        ..PidNs::default()
    };
    Ok(k.ns.pid.insert(ns, charge))
}

/// Gives a reference back; the last one frees the namespace, and then maybe those around it.
pub fn release(k: &mut Kernel, held: Held<PidNsId>) {
    let mut next = Some(held);
    while let Some(held) = next {
        next = None;
        if let Some((ns, charge)) = k.ns.pid.release(held) {
            debug_assert!(
                ns.numbers.is_empty(),
                "a pid namespace went before its pids"
            );
            k.groups.give_back(charge);
            next = ns.parent;
        }
    }
}

/// Whether `inner` is `outer` or nested in it.
pub fn is_within(k: &Kernel, inner: PidNsId, outer: PidNsId) -> bool {
    let mut next = Some(inner);
    while let Some(id) = next {
        if id == outer {
            return true;
        }
        next =
            k.ns.pid
                .get(id)
                .and_then(|ns| ns.parent.as_ref())
                .map(Held::key);
    }
    false
}

/// The pid namespace a task is in: that of the innermost of its numbers.
pub fn of_task(k: &Kernel, task: crate::task::TaskId) -> Option<PidNsId> {
    of_task_in(&k.tasks, task)
}

/// [`of_task`], by the table of tasks alone.
pub fn of_task_in(tasks: &crate::task::Tasks, task: crate::task::TaskId) -> Option<PidNsId> {
    let pid = tasks.tasks.get(task)?.pid.key();
    Some(tasks.pids.get(pid)?.numbers.last()?.0)
}
