//! Killing for memory.

use crate::Kernel;
use crate::cgroup::GroupId;
use crate::machine::Machine;
use crate::task::{Process, ProcessId};

/// Kills for memory: ends the process in `group` that uses the most, at once. Returns false when
/// there is nobody to kill.
pub fn oom_kill(k: &mut Kernel, m: &mut dyn Machine, group: GroupId) -> bool {
    let Some((process, resident)) = victim(k, group) else {
        return false;
    };
    log::warn!(target: "memory", "{group:?} is out of memory: {process:?} with {resident} pages is killed");
    crate::task::exit::kill_now(k, m, process);
    true
}

/// The process with the most resident pages in a group or below it.
fn victim(k: &Kernel, group: GroupId) -> Option<(ProcessId, u64)> {
    let mut worst = None;
    for (id, process) in k.tasks.processes.iter() {
        if let Some(resident) = resident_in(k, process, group) {
            if worst.is_none_or(|(_, most)| resident > most) {
                worst = Some((id, resident));
            }
        }
    }
    worst
}

/// Resident pages of a process that may be killed for a group's memory.
fn resident_in(k: &Kernel, process: &Process, group: GroupId) -> Option<u64> {
    let system_init = process.init_of.is_some() && process.container.is_none();
    if process.ending.is_some() || system_init {
        return None;
    }
    let tasks = process.threads.iter().filter_map(|t| k.tasks.tasks.get(*t));
    tasks
        .filter(|task| k.groups.within(task.group.key(), group))
        .find_map(|task| Some(k.spaces.get(task.mm.as_ref()?.key())?.resident))
}
