//! What tasks have used besides time (getrusage(2)).

use super::{ProcessId, TaskId, Tasks};
use crate::Kernel;
use crate::mm::Spaces;

/// Counts of a thread, of a process's ended threads, or of waited-for children.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Page faults; none ever waits for a disk.
    pub faults: u64,
    /// Times it gave the processor up to wait.
    pub waits: u64,
    /// Times it lost the processor at the end of its slice.
    pub losses: u64,
    /// The most pages that were resident at once.
    pub most_resident: u64,
}

impl Usage {
    /// Both together.
    pub fn and(self, other: Usage) -> Usage {
        Usage {
            faults: self.faults.saturating_add(other.faults),
            waits: self.waits.saturating_add(other.waits),
            losses: self.losses.saturating_add(other.losses),
            most_resident: self.most_resident.max(other.most_resident),
        }
    }
}

/// What a process has used so far, all of its threads together.
pub fn of_process(tasks: &Tasks, spaces: &Spaces, process: ProcessId) -> Usage {
    let ended = tasks
        .processes
        .get(process)
        .map_or_else(Usage::default, |p| p.usage);
    let threads = tasks.live_threads(process);
    threads.fold(ended, |sum, task| sum.and(of_task(tasks, spaces, task)))
}

/// What a thread has used so far; pages are those of its memory.
pub fn of_task(tasks: &Tasks, spaces: &Spaces, task: TaskId) -> Usage {
    let Some(task) = tasks.tasks.get(task) else {
        return Usage::default();
    };
    let mm = task.mm.as_ref().and_then(|mm| spaces.get(mm.key()));
    task.usage.and(Usage {
        most_resident: mm.map_or(0, |mm| mm.resident.peak),
        ..Usage::default()
    })
}

/// Keeps for its process what a task has used: it ends, or gets another memory.
pub fn keep(k: &mut Kernel, task: TaskId) {
    let used = of_task(&k.tasks, &k.spaces, task);
    let Some(task) = k.tasks.tasks.get_mut(task) else {
        return;
    };
    task.usage = Usage::default();
    if let Some(process) = k.tasks.processes.get_mut(task.process) {
        process.usage = process.usage.and(used);
    }
}
