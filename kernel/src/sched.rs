//! Who runs: a queue of runnable tasks and a time slice.

use crate::task::TaskId;
use alloc::collections::VecDeque;

/// The longest a task of nice 0 runs while others wait: 10 ms.
pub const SLICE: u64 = 10_000_000;

/// The longest a task of this niceness runs while others wait: each step of -1 gives an eighth
/// of the 0 slice more, each of +1 a twentieth less.
pub fn slice(nice: i8) -> u64 {
    let nice = i64::from(nice.clamp(-20, 19));
    let base = SLICE as i64;
    let slice = if nice < 0 {
        base - nice * (base / 8)
    } else {
        base - nice * (base / 20)
    };
    slice.unsigned_abs()
}

/// The run queue of the one CPU.
#[derive(Default)]
pub struct Sched {
    /// And since when each waits.
    queue: VecDeque<(TaskId, u64)>,
    /// Whose context the CPU has.
    pub current: Option<TaskId>,
    /// Whose FPU state the CPU has.
    pub fpu_owner: Option<TaskId>,
    /// When the current task's slice ends.
    pub slice_end: u64,
    /// When the current task was last given the CPU.
    pub since: u64,
    /// How often the CPU went from one task to another.
    pub switches: u64,
}

impl Sched {
    /// Adds a runnable task at the end. The queue never holds a task twice: callers add a task
    /// only when it becomes runnable.
    pub fn add(&mut self, task: TaskId) {
        self.queue.push_back((task, self.since));
    }

    /// Takes the task that waited longest, and since when it did.
    pub fn take(&mut self) -> Option<(TaskId, u64)> {
        self.queue.pop_front()
    }

    /// Who waits for the CPU, in turn. Tasks that have ended meanwhile are skipped when it is
    /// theirs.
    pub fn waiting(&self) -> impl Iterator<Item = TaskId> + '_ {
        self.queue.iter().map(|(task, _)| *task)
    }

    /// How many tasks run or want to.
    pub fn active(&self) -> usize {
        self.queue.len() + usize::from(self.current.is_some())
    }

    /// Whether somebody waits for the CPU.
    pub fn contended(&self) -> bool {
        !self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nicer_tasks_run_shorter() {
        assert_eq!(slice(0), SLICE);
        assert_eq!(slice(19), SLICE / 20);
        assert_eq!(slice(-20), SLICE * 7 / 2);
        assert!((-20..19).all(|n| slice(n) > slice(n + 1)));
    }
}
