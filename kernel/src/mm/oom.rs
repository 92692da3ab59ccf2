//! Killing for memory.

use crate::Kernel;
use crate::cgroup::GroupId;
use crate::machine::{Machine, PAGE};
use crate::task::{Process, ProcessId};

/// Kills for memory: ends the process in `group` that has the most [`points`], at once. Returns
/// false when there is nobody to kill.
pub fn oom_kill(k: &mut Kernel, m: &mut dyn Machine, group: GroupId) -> bool {
    let Some((id, points)) = victim(k, group) else {
        return false;
    };
    log::warn!(target: "memory", "{group:?} is out of memory: {id:?} with {points} points is killed");
    let payer = k.tasks.leader(id).and_then(|t| k.tasks.tasks.get(t));
    if let Some(payer) = payer.map(|task| task.group.key()) {
        k.groups.note_oom_kill(payer);
    }
    if let Some(process) = k.tasks.processes.get_mut(id) {
        process.oom.killed_for = Some(group);
    }
    crate::task::exit::kill_now(k, m, id);
    true
}

/// The process with the most points in a group or below it.
fn victim(k: &Kernel, group: GroupId) -> Option<(ProcessId, i64)> {
    let mut worst = None;
    let most = pages_for(k, group);
    for (id, process) in k.tasks.processes.iter() {
        if !is_in(k, process, group) {
            continue;
        }
        if let Some(points) = points(k, process, most) {
            if worst.is_none_or(|(_, most)| points > most) {
                worst = Some((id, points));
            }
        }
    }
    worst
}

/// Whether a process may be killed for a group's memory.
fn is_in(k: &Kernel, process: &Process, group: GroupId) -> bool {
    let system_init = process.init_of.is_some() && process.container.is_none();
    let mut tasks = process.threads.iter().filter_map(|t| k.tasks.tasks.get(*t));
    process.ending.is_none()
        && !system_init
        && tasks.any(|task| k.groups.within(task.group.key(), group))
}

/// How many pages a group may have: those of its limit, or all that there are.
pub fn pages_for(k: &Kernel, group: GroupId) -> u64 {
    (k.groups.limits(group).memory / PAGE).min(k.frames.total() as u64)
}

/// How much a process deserves to be killed: its pages, and for each thousandth of its adjustment
/// (oom_score_adj) a thousandth of the `most` pages that there could be. `None` for who is spared
/// or has no memory.
pub fn points(k: &Kernel, process: &Process, most: u64) -> Option<i64> {
    const SPARED: i16 = -1000;
    if process.oom.adjustment == SPARED {
        return None;
    }
    let mut tasks = process.threads.iter().filter_map(|t| k.tasks.tasks.get(*t));
    let mm = tasks.find_map(|task| k.spaces.get(task.mm.as_ref()?.key()))?;
    let pages = i64::try_from(mm.resident.all()).unwrap_or(i64::MAX);
    let thousandth = (most / 1000) as i64;
    let extra = i64::from(process.oom.adjustment).saturating_mul(thousandth);
    Some(pages.saturating_add(extra))
}
