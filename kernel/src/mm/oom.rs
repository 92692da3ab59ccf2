//! Killing for memory.

use crate::cgroup::{GroupId, Happened, Limits};
use crate::error::Stop;
use crate::machine::{Machine, PAGE};
use crate::task::{Process, ProcessId};
use crate::wait::{Pending, Restart};
use crate::{Cx, Kernel};
use alloc::vec::Vec;

/// Kills for memory: ends the process in `group` that has the most [`points`], at once, with all
/// that are to be killed together with it (`memory.oom.group`). Returns false when there is nobody
/// to kill.
pub fn oom_kill(k: &mut Kernel, m: &mut dyn Machine, group: GroupId) -> bool {
    k.groups.happened(group, Happened::Oom);
    let Some((id, points)) = victim(k, group) else {
        return false;
    };
    log::warn!(target: "memory", "{group:?} is out of memory: {id:?} with {points} points is killed");
    let together = group_of(k, id).and_then(|own| k.groups.killed_together(own, group));
    let Some(together) = together else {
        end(k, m, id, group);
        return true;
    };
    log::warn!(target: "memory", "all of {together:?} are killed with it");
    k.groups.happened(together, Happened::OomGroupKill);
    let mut all: Vec<ProcessId> = members(k, together).collect();
    all.sort_unstable();
    all.dedup();
    all.retain(|id| (k.tasks.processes.get(*id)).is_some_and(|process| !is_spared(process)));
    for id in all {
        end(k, m, id, group);
    }
    true
}

/// Ends one process for want of memory in `group`.
fn end(k: &mut Kernel, m: &mut dyn Machine, id: ProcessId, group: GroupId) {
    if let Some(own) = group_of(k, id) {
        k.groups.happened(own, Happened::OomKill);
    }
    if let Some(process) = k.tasks.processes.get_mut(id) {
        process.oom.killed_for = Some(group);
    }
    crate::task::exit::kill_now(k, m, id);
}

/// The group of a process: that of its first thread.
fn group_of(k: &Kernel, id: ProcessId) -> Option<GroupId> {
    let leader = k.tasks.leader(id)?;
    Some(k.tasks.tasks.get(leader)?.group.key())
}

/// Sets what a group may use at the most. When it uses more already, waits for what is being freed,
/// and then kills until it fits or there is nobody left.
///
/// # Errors
/// [`Stop::Wait`]: not there yet, to be called again.
pub fn set_max(k: &mut Kernel, cx: &mut Cx, group: GroupId, bytes: u64) -> Result<(), Stop> {
    let limits = Limits {
        memory: bytes,
        ..k.groups.limits(group)
    };
    k.groups.set_limits(group, limits);
    let fits = k.groups.usage(group).memory <= bytes;
    if !fits && (!k.work.is_empty() || oom_kill(k, cx.m, group)) {
        return Err(Stop::Wait(Pending::turn(Restart::NoIntr)));
    }
    Ok(())
}

/// The process with the most points in a group or below it.
fn victim(k: &Kernel, group: GroupId) -> Option<(ProcessId, i64)> {
    let mut worst = None;
    let most = pages_for(k, group);
    for id in members(k, group) {
        let points = (k.tasks.processes.get(id)).and_then(|process| points(k, process, most));
        if let Some(points) = points {
            if worst.is_none_or(|(_, most)| points > most) {
                worst = Some((id, points));
            }
        }
    }
    worst
}

/// The processes in a group or below it that may be killed for its memory, each once a thread.
fn members(k: &Kernel, top: GroupId) -> impl Iterator<Item = ProcessId> {
    let groups = core::iter::successors(Some(top), move |at| k.groups.next_below(top, *at));
    let tasks = groups.flat_map(|group| k.groups.tasks(group, None));
    let processes = tasks.filter_map(|task| Some(k.tasks.tasks.get(task)?.process));
    processes.filter(|id| {
        let process = k.tasks.processes.get(*id);
        process.is_some_and(|process| {
            let system_init = process.init_of.is_some() && process.container.is_none();
            process.ending.is_none() && !system_init
        })
    })
}

/// Whether it is never killed for memory.
fn is_spared(process: &Process) -> bool {
    const SPARED: i16 = -1000;
    process.oom.adjustment == SPARED
}

/// How many pages a group may have: those of its limit, or all that there are.
pub fn pages_for(k: &Kernel, group: GroupId) -> u64 {
    (k.groups.limits(group).memory / PAGE).min(k.frames.total() as u64)
}

/// How much a process deserves to be killed (`badness`) when there could be `most` pages. `None`
/// for who is spared or has no memory.
pub fn points(k: &Kernel, process: &Process, most: u64) -> Option<i64> {
    if is_spared(process) {
        return None;
    }
    let mut tasks = process.threads.iter().filter_map(|t| k.tasks.tasks.get(*t));
    let mm = tasks.find_map(|task| k.spaces.get(task.mm.as_ref()?.key()))?;
    Some(badness(mm.resident.all(), process.oom.adjustment, most))
}

/// Its pages, and for each thousandth of its adjustment (oom_score_adj) a thousandth of the `most`
/// pages that there could be.
fn badness(pages: u64, adjustment: i16, most: u64) -> i64 {
    let pages = i64::try_from(pages).unwrap_or(i64::MAX);
    let thousandth = i64::try_from(most / 1000).unwrap_or(i64::MAX);
    pages.saturating_add(i64::from(adjustment).saturating_mul(thousandth))
}

#[cfg(test)]
mod tests {
    use super::badness;

    #[test]
    fn who_has_most_is_killed_unless_adjusted() {
        // Pages and adjustment of some processes, and which of them is killed of 100,000 pages.
        let table: [(&[(u64, i16)], usize); 8] = [
            (&[(10, 0), (20, 0), (15, 0)], 1),
            (&[(10, 0), (10, 0)], 0),
            (&[(10, 1), (109, 0)], 0),
            (&[(10, 1), (111, 0)], 1),
            (&[(50_000, -500), (1, 0)], 1),
            (&[(50_002, -500), (1, 0)], 0),
            (&[(99_999, 0), (1, 1000)], 1),
            (&[(u64::MAX, -999), (90_000, 999)], 0),
        ];
        for (processes, killed) in table {
            let points = processes
                .iter()
                .map(|(pages, adj)| badness(*pages, *adj, 100_000));
            let mut worst = (0, i64::MIN);
            for (n, points) in points.enumerate() {
                if points > worst.1 {
                    worst = (n, points);
                }
            }
            assert_eq!(worst.0, killed, "{processes:?}");
        }
        assert_eq!(badness(u64::MAX, 1000, u64::MAX), i64::MAX);
        assert!(badness(0, -999, u64::MAX) < 0);
    }
}
