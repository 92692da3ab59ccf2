//! Killing for memory.

use crate::Kernel;
use crate::cgroup::GroupId;
use crate::machine::Machine;
use crate::task::{Process, ProcessId};

/// Kills for memory: ends the process in `group` that has the most [`points`], at once. Returns
/// false when there is nobody to kill.
pub fn oom_kill(k: &mut Kernel, m: &mut dyn Machine, group: GroupId) -> bool {
    let Some((process, points)) = victim(k, group) else {
        return false;
    };
    log::warn!(target: "memory", "{group:?} is out of memory: {process:?} with {points} points is killed");
    crate::task::exit::kill_now(k, m, process);
    true
}

/// The process with the most points in a group or below it.
fn victim(k: &Kernel, group: GroupId) -> Option<(ProcessId, i64)> {
    let mut worst = None;
    for (id, process) in k.tasks.processes.iter() {
        if !is_in(k, process, group) {
            continue;
        }
        if let Some(points) = points(k, process) {
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

/// How much a process deserves to be killed: its pages, and for each thousandth of its adjustment
/// (oom_score_adj) a thousandth of all memory. `None` for who is spared or has no memory.
pub fn points(k: &Kernel, process: &Process) -> Option<i64> {
    const SPARED: i16 = -1000;
    if process.oom.adjustment == SPARED {
        return None;
    }
    let mut tasks = process.threads.iter().filter_map(|t| k.tasks.tasks.get(*t));
    let mm = tasks.find_map(|task| k.spaces.get(task.mm.as_ref()?.key()))?;
    let pages = i64::try_from(mm.resident.all()).unwrap_or(i64::MAX);
    let thousandth = (k.frames.total() / 1000) as i64;
    let extra = i64::from(process.oom.adjustment).saturating_mul(thousandth);
    Some(pages.saturating_add(extra))
}
