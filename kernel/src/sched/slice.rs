//! How long the current task keeps the CPU.

use super::SLICE;
use super::account::{entity, settle, weight};
use crate::Kernel;
use crate::cgroup::GroupId;
use crate::cgroup::cpu::{Member, Weight};

/// When the current task, which has the CPU at `now`, must be looked at again: when its slice is
/// over and it or one of its groups has had as much as who waits beside it, or when a quota runs
/// out or is renewed. `u64::MAX` when nobody waits and nothing is limited.
pub(super) fn end(k: &mut Kernel, now: u64) -> u64 {
    k.sched.crowded = false;
    let mut end = u64::MAX;
    let task = k.sched.current.map(Member::Task);
    let mut place = task.zip(k.sched.home);
    while let Some((member, group)) = place {
        if let Some(even) = even_at(k, group, member, now) {
            let least = k.sched.picked.saturating_add(length(weight(k, member)));
            end = end.min(even.max(least));
        }
        place = k
            .groups
            .parent(group)
            .map(|above| (Member::Group(group), above));
    }
    end.min(quota_end(k, now))
}

/// How long somebody runs at the least. Who is light runs shorter, as it is rather the others' turn.
pub fn length(weight: Weight) -> u64 {
    weight.real_time(SLICE).clamp(SLICE / 8, SLICE)
}

/// When a member that runs will have had more than who is first in its queue.
fn even_at(k: &mut Kernel, group: GroupId, member: Member, now: u64) -> Option<u64> {
    let (first, _) = k.groups.cpu(group)?.queue.first()?;
    let time = entity(k, member)?.time?;
    match first.checked_sub(time) {
        None => Some(now),
        Some(left) => Some(now.saturating_add(weight(k, member).real_time(left))),
    }
}

/// When the quotas of those that pay for the current task must be looked at.
fn quota_end(k: &mut Kernel, now: u64) -> u64 {
    let payer = k.sched.current.and_then(|id| k.tasks.tasks.get(id));
    let mut next = payer.map(|t| t.group.key());
    let mut end = u64::MAX;
    while let Some(group) = next {
        if let Some(cpu) = k.groups.cpu_mut(group) {
            end = end.min(cpu.bandwidth.deadline(now));
        }
        next = k.groups.parent(group);
    }
    end
}

/// Until when the current task, about to run from `now` on, has the CPU.
pub fn until(k: &mut Kernel, now: u64) -> u64 {
    if core::mem::take(&mut k.sched.crowded) {
        settle(k);
        k.sched.until = end(k, now);
    }
    k.sched.until
}
