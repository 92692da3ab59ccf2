//! What tasks have done so far, as /proc tells (proc(5), io and schedstat).

use super::{TaskId, Tasks};

/// Calls and the bytes that they moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// Calls.
    pub calls: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What a task has done, or all of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// How often it got the CPU.
    pub turns: u64,
    /// Nanoseconds that it waited for the CPU.
    pub waited: u64,
    /// What it read, from whatever.
    pub read: Traffic,
    /// What it wrote.
    pub written: Traffic,
}

impl Traffic {
    /// Counts a call that moved so many bytes.
    pub fn count(&mut self, bytes: u64) {
        self.calls = self.calls.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

impl Tasks {
    /// Counts something that a task does, for itself and for its process.
    pub fn count(&mut self, task: TaskId, count: impl Fn(&mut Figures)) {
        let Some(task) = self.tasks.get_mut(task) else {
            return;
        };
        count(&mut task.figures);
        if let Some(process) = self.processes.get_mut(task.process) {
            count(&mut process.figures);
        }
    }
}
