//! What can be set of a group's share of the CPU, and of a task's: for files and calls.

use super::{quota, tree};
use crate::Kernel;
use crate::cgroup::GroupId;
use crate::cgroup::cpu::bandwidth::{LEAST_QUOTA, Limit, MOST_QUOTA, PERIODS, Stats};
use crate::cgroup::cpu::{Cpu, Weight};
use crate::error::Errno;
use crate::task::TaskId;

/// How much a group weighs beside its siblings (`cpu.weight`, `cpu.weight.nice`).
///
/// # Errors
/// EINVAL for a group that is idle: its weight is fixed.
pub fn set_weight(k: &mut Kernel, group: GroupId, weight: Weight) -> Result<(), Errno> {
    if k.groups.cpu(group).is_some_and(|cpu| cpu.idle) {
        return Err(Errno::EINVAL);
    }
    change(k, group, |cpu| cpu.weight = weight);
    Ok(())
}

/// Whether a group gets only what nobody else wants (`cpu.idle`). When it no longer is, it has the
/// default weight.
pub fn set_idle(k: &mut Kernel, group: GroupId, idle: bool) {
    if k.groups.cpu(group).is_some_and(|cpu| cpu.idle != idle) {
        change(k, group, |cpu| {
            cpu.idle = idle;
            cpu.weight = Weight::default();
        });
    }
}

fn change(k: &mut Kernel, group: GroupId, set: impl FnOnce(&mut Cpu)) {
    tree::reweigh(k, group, |k| {
        if let Some(cpu) = k.groups.cpu_mut(group) {
            set(cpu);
        }
    });
}

/// How much a group may have at the most (`cpu.max`): nanoseconds of each period of so many, or
/// as much as there is.
///
/// # Errors
/// EINVAL for a period or a quota out of bounds, and a quota below the burst.
pub fn set_max(
    k: &mut Kernel,
    group: GroupId,
    quota: Option<u64>,
    period: u64,
) -> Result<(), Errno> {
    let burst = limit(k, group).burst;
    set_limit(
        k,
        group,
        Limit {
            quota,
            period,
            burst,
        },
    )
}

/// How many nanoseconds it may save up besides (`cpu.max.burst`).
///
/// # Errors
/// EINVAL for more than the quota.
pub fn set_burst(k: &mut Kernel, group: GroupId, burst: u64) -> Result<(), Errno> {
    let limit = limit(k, group);
    set_limit(k, group, Limit { burst, ..limit })
}

/// Sets both at once.
///
/// # Errors
/// As [`set_max`] and [`set_burst`].
pub fn set_limit(k: &mut Kernel, group: GroupId, limit: Limit) -> Result<(), Errno> {
    check(limit)?;
    super::account::settle(k);
    let now = k.sched.since;
    let Some(cpu) = k.groups.cpu_mut(group) else {
        return Ok(());
    };
    let waits = cpu.bandwidth.is_throttled().then(|| cpu.bandwidth.ends());
    cpu.bandwidth.set(limit, now);
    if let Some(until) = waits {
        quota::relieve(k, (until, group), now);
    }
    k.sched.crowded = true;
    Ok(())
}

/// Everything is as in a new group again; what it has had stays counted.
pub fn reset(k: &mut Kernel, group: GroupId) {
    change(k, group, |cpu| {
        (cpu.weight, cpu.idle) = (Weight::default(), false);
    });
    // There is nothing wrong with no limit.
    let _ = set_limit(k, group, Limit::default());
}

/// Whether a limit can be set.
///
/// # Errors
/// EINVAL when it cannot.
pub fn check(limit: Limit) -> Result<(), Errno> {
    let most = limit.quota.map_or(MOST_QUOTA, |quota| {
        quota.min(MOST_QUOTA.saturating_sub(limit.burst))
    });
    let possible = PERIODS.contains(&limit.period)
        && limit.burst <= most
        && limit
            .quota
            .is_none_or(|quota| (LEAST_QUOTA..=MOST_QUOTA).contains(&quota));
    possible.then_some(()).ok_or(Errno::EINVAL)
}

/// What a group may have at the most.
pub fn limit(k: &Kernel, group: GroupId) -> Limit {
    let cpu = k.groups.cpu(group);
    cpu.map_or_else(Limit::default, |cpu| cpu.bandwidth.limit())
}

/// What became of that until now.
pub fn stats(k: &Kernel, group: GroupId) -> Stats {
    let cpu = k.groups.cpu(group);
    cpu.map_or_else(Stats::default, |cpu| cpu.bandwidth.stats(k.sched.since))
}

/// Freezes a group and all below it, or lets them go on (`cgroup.freeze`). It holds from now on:
/// nobody in there executes an instruction or goes on with a call; a task that freezes itself
/// ends this call first. Who is killed ends all the same.
pub fn set_frozen(k: &mut Kernel, group: GroupId, frozen: bool) {
    let Some(cpu) = k.groups.cpu_mut(group) else {
        return;
    };
    let before = core::mem::replace(&mut cpu.frozen, frozen);
    match (before, frozen) {
        (false, true) => tree::blocked(k, group),
        (true, false) => tree::unblocked(k, group),
        _ => {}
    }
}

/// Whether a group is frozen, or one above it.
pub fn is_frozen(k: &Kernel, group: GroupId) -> bool {
    is_any(k, group, |cpu| cpu.frozen)
}

/// Whether nobody in a group may run: one above or it itself is frozen or has used up its quota.
pub fn is_kept_from_running(k: &Kernel, group: GroupId) -> bool {
    is_any(k, group, Cpu::is_blocked)
}

fn is_any(k: &Kernel, group: GroupId, is: impl Fn(&Cpu) -> bool) -> bool {
    let mut next = Some(group);
    while let Some(group) = next {
        if k.groups.cpu(group).is_some_and(&is) {
            return true;
        }
        next = k.groups.parent(group);
    }
    false
}

/// A task joins another group: `join` makes it a member there. It keeps what lead or debt it has
/// among the others.
pub fn moved(k: &mut Kernel, task: TaskId, join: impl FnOnce(&mut Kernel)) {
    tree::change_home(k, task, join);
}

/// A task's niceness or policy changes: `change` makes it so.
pub fn reweighed(k: &mut Kernel, task: TaskId, change: impl FnOnce(&mut Kernel)) {
    tree::change_home(k, task, change);
}

/// A task has got a signal to end by: it gets the CPU for that, whatever its group may.
pub fn doom(k: &mut Kernel, task: TaskId) {
    set_doomed(k, task, true);
}

/// A task was not ended by it after all: it waits in its group again.
pub fn spare(k: &mut Kernel, task: TaskId) {
    set_doomed(k, task, false);
}

fn set_doomed(k: &mut Kernel, task: TaskId, doomed: bool) {
    let share = k.tasks.tasks.get(task).map(|t| t.share);
    if share.is_none_or(|share| share.doomed == doomed) {
        return;
    }
    tree::change_home(k, task, |k| {
        if let Some(task) = k.tasks.tasks.get_mut(task) {
            task.share.doomed = doomed;
        }
    });
}
