//! Who runs: a queue of runnable tasks and a time slice.

use crate::task::TaskId;
use alloc::collections::VecDeque;

/// The longest a task runs while others wait: 10 ms.
pub const SLICE: u64 = 10_000_000;

/// The run queue of the one CPU.
#[derive(Default)]
pub struct Sched {
    queue: VecDeque<TaskId>,
    /// Whose context the CPU has.
    pub current: Option<TaskId>,
    /// Whose FPU state the CPU has.
    pub fpu_owner: Option<TaskId>,
    /// When the current task's slice ends.
    pub slice_end: u64,
    /// When the current task was last given the CPU.
    pub since: u64,
}

impl Sched {
    /// Adds a runnable task at the end. The queue never holds a task twice: callers add a task
    /// only when it becomes runnable.
    pub fn add(&mut self, task: TaskId) {
        self.queue.push_back(task);
    }

    /// Takes the task that waited longest.
    pub fn take(&mut self) -> Option<TaskId> {
        self.queue.pop_front()
    }

    /// Removes a task that stopped or ended.
    pub fn remove(&mut self, task: TaskId) {
        self.queue.retain(|t| *t != task);
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
