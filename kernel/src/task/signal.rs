//! Signals: sending, deciding, delivering (signal(7)).

use super::{SigInfo, TaskId};
use crate::{Cx, Kernel};

/// What delivering did to the task that was about to run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivered {
    /// Nothing, or a frame was built: it runs.
    Runs,
    /// It stopped or ended: somebody else runs.
    Gone,
}

/// Whether a signal waits that would interrupt this task's call: not blocked, not ignored.
pub fn interrupts(_k: &Kernel, _task: TaskId) -> bool {
    false
}

/// Delivers what is pending to `cx.task`, about to return to user mode: default actions, or a
/// frame for a handler. A call it was parked in ends with EINTR or is made again, by its restart
/// class.
pub fn deliver(_k: &mut Kernel, _cx: &mut Cx) -> Delivered {
    Delivered::Runs
}

/// Sends a signal that this thread caused itself by a fault: forced through masks and ignores.
pub fn force(_k: &mut Kernel, _cx: &mut Cx, _info: SigInfo) {}

/// The signal of a processor exception (signal(7); Intel SDM vol. 3, 6.15).
pub fn of_exception(vector: u8, _error: u64, rip: u64) -> SigInfo {
    let (signal, code) = match vector {
        0 => (8, 1),
        1 => (5, 2),
        3 => (5, 0x80),
        4 | 5 => (11, 0x80),
        6 => (4, 2),
        16 | 19 => (8, 7),
        17 => (7, 1),
        _ => (11, 0x80),
    };
    let addr = if code == 0x80 { 0 } else { rip };
    SigInfo {
        signal,
        code,
        addr,
        ..SigInfo::default()
    }
}
