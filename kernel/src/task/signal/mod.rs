//! Signals (signal(7)): what they are. Caused by the processor in `fault`, sent in `send`, waiting
//! in `queue`, decided by `handlers` and delivered in `deliver`, laid out for handlers in `frame`.

mod deliver;
pub mod fault;
pub mod frame;
mod handlers;
mod queue;
mod record;
mod send;

pub use deliver::{Delivered, bad_frame, deliver, set_action};
pub use handlers::{
    Action, DEFAULT, Handlers, IGNORE, action, handlers_for_exec, new_handlers, release_handlers,
    replace_handlers,
};
pub use queue::{Signals, discard, discard_of_timer, dissolve, pending, take};
pub use record::signalfd_siginfo;
pub use send::{
    Target, allowed, force, make_ready, send_from, send_group, send_process, send_self, send_task,
    send_timer,
};

use super::TaskId;
use crate::Kernel;
use crate::wait::Restart;
use linux_raw_sys::general as linux;

/// Signals are numbered 1 to 64.
pub const LAST: u32 = 64;

/// The first signal that queues: real-time signals.
pub const FIRST_REALTIME: u32 = 32;

/// The bit of a signal in a set; 0 for what is no signal.
pub const fn bit(signal: u32) -> u64 {
    if signal >= 1 && signal <= LAST {
        1 << (signal - 1)
    } else {
        0
    }
}

const fn set(signals: &[u32]) -> u64 {
    let mut all = 0;
    let mut i = 0;
    while i < signals.len() {
        all |= bit(signals[i]);
        i += 1;
    }
    all
}

/// Those that nobody can block, catch or ignore.
pub const UNBLOCKABLE: u64 = set(&[linux::SIGKILL, linux::SIGSTOP]);

/// Those whose default is to stop.
pub const STOPPING: u64 = set(&[
    linux::SIGSTOP,
    linux::SIGTSTP,
    linux::SIGTTIN,
    linux::SIGTTOU,
]);

/// Those whose default is nothing.
const IGNORED: u64 = set(&[
    linux::SIGCHLD,
    linux::SIGCONT,
    linux::SIGURG,
    linux::SIGWINCH,
]);

/// Those that a program causes by an instruction: delivered first.
const SYNCHRONOUS: u64 = set(&[
    linux::SIGSEGV,
    linux::SIGBUS,
    linux::SIGILL,
    linux::SIGTRAP,
    linux::SIGFPE,
    linux::SIGSYS,
]);

/// Codes of [`SigInfo`] (sigaction(2), si_code).
#[allow(missing_docs)] // as in siginfo.h
pub mod code {
    pub const USER: i32 = 0;
    pub const KERNEL: i32 = 0x80;
    pub const QUEUE: i32 = -1;
    pub const TIMER: i32 = -2;
    pub const MESGQ: i32 = -3;
    pub const TKILL: i32 = -6;
    pub const CLD_EXITED: i32 = 1;
    pub const CLD_KILLED: i32 = 2;
    pub const CLD_STOPPED: i32 = 5;
    pub const CLD_CONTINUED: i32 = 6;
}

/// Where a signal comes from (sigaction(2), siginfo_t).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct SigInfo {
    pub signal: u32,
    pub code: i32,
    pub errno: i32,
    pub pid: u32,
    pub uid: u32,
    /// si_status for SIGCHLD, si_value for queued signals.
    pub value: u64,
    /// si_addr for faults.
    pub addr: u64,
    /// si_utime and si_stime for SIGCHLD, in clock ticks.
    pub times: (u64, u64),
}

impl SigInfo {
    /// A signal from the kernel itself.
    pub fn kernel(signal: u32) -> SigInfo {
        SigInfo {
            signal,
            code: code::KERNEL,
            ..SigInfo::default()
        }
    }

    /// Whether it carries an address: raised by a fault.
    fn is_fault(&self) -> bool {
        self.code > 0 && self.code < code::KERNEL && bit(self.signal) & SYNCHRONOUS != 0
    }
}

/// Whether something waits that would interrupt this task's call.
pub fn interrupts(k: &Kernel, task: TaskId) -> bool {
    let Some(task) = k.tasks.tasks.get(task) else {
        return false;
    };
    let Some(process) = k.tasks.processes.get(task.process) else {
        return false;
    };
    let pending = task.pending.set | process.pending.set;
    if pending & bit(linux::SIGKILL) != 0 {
        return true;
    }
    if (task.call.as_ref()).is_some_and(|call| call.restart == Restart::Killable) {
        return false;
    }
    process.stop.is_some() || pending & !task.mask & !task.sigwait != 0
}

/// Sets a mask for the time of a call (sigsuspend, ppoll, pselect); returns the one to put back:
/// leave it in `Resume::saved_mask`, and call this again with it when the call ends by itself.
pub fn swap_mask(k: &mut Kernel, task: TaskId, mask: u64) -> u64 {
    match k.tasks.tasks.get_mut(task) {
        Some(task) => core::mem::replace(&mut task.mask, mask & !UNBLOCKABLE),
        None => 0,
    }
}

/// Signals whose default action is to dump core, besides ending the process (signal(7)). There are
/// no core files.
const DUMPING: u64 = bit(linux::SIGQUIT)
    | bit(linux::SIGILL)
    | bit(linux::SIGTRAP)
    | bit(linux::SIGABRT)
    | bit(linux::SIGBUS)
    | bit(linux::SIGFPE)
    | bit(linux::SIGSEGV)
    | bit(linux::SIGSYS)
    | bit(linux::SIGXCPU)
    | bit(linux::SIGXFSZ);

/// What the default action of a signal is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reaction {
    /// The process ends.
    End,
    /// The process stops.
    Stop,
    /// Nothing (SIGCONT has done its work when it was sent).
    Ignore,
}

/// The default action of a signal (signal(7)).
pub fn default_action(signal: u32) -> Reaction {
    let bit = bit(signal);
    if bit & IGNORED != 0 {
        Reaction::Ignore
    } else if bit & STOPPING != 0 {
        Reaction::Stop
    } else {
        Reaction::End
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_signal_7() {
        let of = |signal| default_action(signal);
        assert_eq!(of(linux::SIGTERM), Reaction::End);
        assert_eq!(of(linux::SIGCHLD), Reaction::Ignore);
        assert_eq!(of(linux::SIGCONT), Reaction::Ignore);
        assert_eq!(of(linux::SIGTSTP), Reaction::Stop);
        assert_eq!(of(linux::SIGSTKFLT), Reaction::End);
        assert_eq!(of(64), Reaction::End);
    }
}
