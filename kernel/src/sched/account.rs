//! Who had how much of the CPU.

use super::quota;
use crate::Kernel;
use crate::cgroup::GroupId;
use crate::cgroup::cpu::{Entity, Member, Times, Weight};
use linux_raw_sys::general as linux;

/// Which kind of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// In a program.
    User,
    /// In the kernel.
    System,
}

/// Charges the current task the time since the last account.
pub fn until(k: &mut Kernel, now: u64, mode: Mode) {
    let spent = now.saturating_sub(k.sched.since);
    k.sched.since = now;
    let current = k.sched.current.and_then(|id| k.tasks.tasks.get_mut(id));
    let Some(task) = current.filter(|_| spent > 0) else {
        return;
    };
    let of = |(user, system): &mut (u64, u64)| {
        let slot = match mode {
            Mode::User => user,
            Mode::System => system,
        };
        *slot = slot.saturating_add(spent);
    };
    of(&mut task.times);
    let is_nice = task.nice > 0;
    if let Some(process) = k.tasks.processes.get_mut(task.process) {
        of(&mut process.times);
    }
    let times = match mode {
        Mode::User => Times {
            user: spent,
            nice: if is_nice { spent } else { 0 },
            ..Times::default()
        },
        Mode::System => Times {
            system: spent,
            ..Times::default()
        },
    };
    k.load.user = k.load.user.saturating_add(times.user);
    k.load.system = k.load.system.saturating_add(times.system);
    k.sched.spent = k.sched.spent.and(times);
}

/// Charges what the current task has used to the groups that pay for it, and to the virtual times
/// of all that it runs in.
pub fn settle(k: &mut Kernel) {
    let spent = core::mem::take(&mut k.sched.spent);
    let Some(id) = k.sched.current.filter(|_| spent.total() > 0) else {
        return;
    };
    if let Some(group) = k.tasks.tasks.get(id).map(|t| t.group.key()) {
        pay(k, group, spent);
    }
    let mut place = k.sched.home.map(|home| (Member::Task(id), home));
    while let Some((member, group)) = place {
        let weight = weight(k, member);
        let time = entity(k, member).and_then(|entity| {
            entity.run(weight, spent.total());
            entity.time
        });
        if let Some(cpu) = k.groups.cpu_mut(group) {
            cpu.queue.follow(time);
        }
        let above = k.groups.parent(group);
        place = above.map(|above| (Member::Group(group), above));
    }
}

/// Charges time to a group and its ancestors.
fn pay(k: &mut Kernel, group: GroupId, spent: Times) {
    let now = k.sched.since;
    let mut next = Some(group);
    while let Some(group) = next {
        let Some(cpu) = k.groups.cpu_mut(group) else {
            break;
        };
        cpu.times = cpu.times.and(spent);
        if cpu.bandwidth.spend(spent.total(), now) {
            quota::throttled(k, group);
        }
        next = k.groups.parent(group);
    }
}

/// What a group and those below it have had until now, as far as it is accounted for.
pub fn times(k: &Kernel, group: GroupId) -> Times {
    let settled = k
        .groups
        .cpu(group)
        .map_or_else(Times::default, |cpu| cpu.times);
    let current = k.sched.current.and_then(|id| k.tasks.tasks.get(id));
    match current.is_some_and(|t| k.groups.within(t.group.key(), group)) {
        true => settled.and(k.sched.spent),
        false => settled,
    }
}

/// The place of a member among the others.
pub(super) fn entity(k: &mut Kernel, member: Member) -> Option<&mut Entity> {
    match member {
        Member::Task(task) => k.tasks.tasks.get_mut(task).map(|t| &mut t.share.entity),
        Member::Group(group) => k.groups.cpu_mut(group).map(|cpu| &mut cpu.entity),
    }
}

/// What it weighs.
pub(super) fn weight(k: &Kernel, member: Member) -> Weight {
    let weight = match member {
        Member::Task(task) => {
            let task = k.tasks.tasks.get(task);
            task.map(|t| match u32::from(t.policy) {
                linux::SCHED_IDLE => Weight::IDLE,
                _ => Weight::of_niceness(t.nice),
            })
        }
        Member::Group(group) => k.groups.cpu(group).map(|cpu| cpu.effective_weight()),
    };
    weight.unwrap_or_default()
}
