//! Signals (signal(7)): what they are and how they wait. Sent in `send`, decided and delivered
//! in `deliver`, laid out for handlers in `frame`.

mod deliver;
pub mod frame;
mod send;

pub use deliver::{Delivered, bad_frame, deliver, set_action};
pub use send::{
    Target, allowed, broken_pipe, force, make_ready, send_from, send_group, send_process, send_task,
};

use super::{HandlersId, TaskId};
use crate::Kernel;
use crate::arena::{Arena, Held};
use crate::cgroup::{Charge, GroupId};
use crate::error::{Errno, Stop};
use crate::wait::Restart;
use alloc::boxed::Box;
use alloc::vec::Vec;
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
    /// The vector and error code of the exception behind a fault.
    pub trap: (u8, u64),
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

    /// The fields of a fault.
    pub fn fault(&self) -> super::FaultInfo {
        super::FaultInfo {
            vector: self.trap.0,
            error: self.trap.1,
            addr: self.addr,
        }
    }

    /// Whether it carries an address: raised by a fault.
    fn is_fault(&self) -> bool {
        self.code > 0 && self.code < code::KERNEL && bit(self.signal) & SYNCHRONOUS != 0
    }
}

/// A signal that waits.
#[derive(Debug)]
struct Queued {
    info: SigInfo,
    /// Real-time signals are paid for one by one.
    charge: Option<Charge>,
}

/// Bytes that one queued real-time signal costs.
const QUEUED_COST: u32 = core::mem::size_of::<Queued>() as u32;

/// Signals that wait to be delivered.
#[derive(Debug, Default)]
pub struct Signals {
    /// A bit for each: bit 0 is signal 1.
    pub set: u64,
    queue: Vec<Queued>,
}

impl Signals {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// None waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    fn push(&mut self, info: SigInfo, charge: Option<Charge>) {
        self.set |= bit(info.signal);
        self.queue.push(Queued { info, charge });
    }

    /// The next of `wanted` to deliver: faults first, then by number, then by age.
    fn next(&self, wanted: u64) -> Option<u32> {
        let here = self.set & wanted;
        let first = match here & SYNCHRONOUS {
            0 => here,
            synchronous => synchronous,
        };
        (first != 0).then(|| first.trailing_zeros() + 1)
    }

    fn take(&mut self, signal: u32) -> Option<Queued> {
        let mut of_signal = (self.queue.iter().enumerate()).filter(|q| q.1.info.signal == signal);
        let first = of_signal.next().map(|q| q.0);
        if of_signal.next().is_none() {
            self.set &= !bit(signal);
        }
        first.map(|at| self.queue.remove(at))
    }

    fn remove(&mut self, signals: u64) -> Vec<Queued> {
        self.set &= !signals;
        let (gone, rest) = core::mem::take(&mut self.queue)
            .into_iter()
            .partition(|q| bit(q.info.signal) & signals != 0);
        self.queue = rest;
        gone
    }
}

/// Forgets pending signals and gives their charges back.
pub fn discard(k: &mut Kernel, task: TaskId, signals: u64) {
    let mut gone = Vec::new();
    let mut process = None;
    if let Some(task) = k.tasks.tasks.get_mut(task) {
        gone = task.pending.remove(signals);
        process = Some(task.process);
    }
    if let Some(process) = process.and_then(|p| k.tasks.processes.get_mut(p)) {
        gone.append(&mut process.pending.remove(signals));
    }
    give_back(k, gone);
}

/// Empties a table of signals of a task or process that goes.
pub fn dissolve(k: &mut Kernel, mut signals: Signals) {
    let gone = signals.remove(u64::MAX);
    give_back(k, gone);
}

fn give_back(k: &mut Kernel, gone: Vec<Queued>) {
    for charge in gone.into_iter().filter_map(|q| q.charge) {
        k.groups.give_back(charge);
    }
}

/// Takes a pending signal of `wanted` from a task's own queue, else from its process's.
pub fn take(k: &mut Kernel, task: TaskId, wanted: u64) -> Option<SigInfo> {
    let own = k.tasks.tasks.get_mut(task)?;
    let process = k.tasks.processes.get_mut(own.process)?;
    let queued = match own.pending.next(wanted) {
        Some(signal) => own.pending.take(signal),
        None => {
            let signal = process.pending.next(wanted)?;
            process.pending.take(signal)
        }
    }?;
    if let Some(charge) = queued.charge {
        k.groups.give_back(charge);
    }
    Some(queued.info)
}

/// What a process does about one signal (sigaction(2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Action {
    /// Address of the handler, or [`DEFAULT`], or [`IGNORE`].
    pub handler: u64,
    /// SA_* flags.
    pub flags: u64,
    /// Where the handler returns to (SA_RESTORER).
    pub restorer: u64,
    /// Blocked while the handler runs.
    pub mask: u64,
}

/// SIG_DFL.
pub const DEFAULT: u64 = 0;
/// SIG_IGN.
pub const IGNORE: u64 = 1;

/// The actions of a process, or of several that share them (CLONE_SIGHAND).
pub struct Handlers {
    actions: Box<[Action; LAST as usize]>,
}

impl Default for Handlers {
    fn default() -> Handlers {
        Handlers {
            actions: Box::new([Action::default(); LAST as usize]),
        }
    }
}

impl Handlers {
    /// The action for a signal.
    pub fn get(&self, signal: u32) -> Action {
        let index = signal.wrapping_sub(1) as usize;
        self.actions.get(index).copied().unwrap_or_default()
    }

    /// Changes the action for a signal.
    pub fn set(&mut self, signal: u32, action: Action) {
        if let Some(slot) = self.actions.get_mut(signal.wrapping_sub(1) as usize) {
            *slot = action;
        }
    }

    /// Signals that are ignored, and those that are caught: for /proc/PID/status.
    pub fn sets(&self) -> (u64, u64) {
        let with = |test: fn(u64) -> bool| {
            (1..=LAST)
                .filter(|s| test(self.get(*s).handler))
                .fold(0, |set, s| set | bit(s))
        };
        (with(|h| h == IGNORE), with(|h| h > IGNORE))
    }

    /// Execve keeps what is ignored; handlers are gone with the old program.
    fn for_new_program(&self) -> Handlers {
        let mut new = Handlers::default();
        for signal in (1..=LAST).filter(|s| self.get(*s).handler == IGNORE) {
            new.set(
                signal,
                Action {
                    handler: IGNORE,
                    ..Action::default()
                },
            );
        }
        new
    }
}

/// What a table of handlers costs.
const HANDLERS_COST: u32 =
    Arena::<HandlersId, Handlers>::COST + (core::mem::size_of::<Action>() * LAST as usize) as u32;

/// A fresh table of handlers, charged to `group`: a copy of `from`, or the defaults.
///
/// # Errors
/// No memory.
pub fn new_handlers(
    k: &mut Kernel,
    from: Option<HandlersId>,
    group: GroupId,
) -> Result<Held<HandlersId>, Stop> {
    let charge = k.groups.charge(group, HANDLERS_COST)?;
    let mut new = Handlers::default();
    if let Some(from) = from.and_then(|id| k.tasks.handlers.get(id)) {
        new.actions.copy_from_slice(&*from.actions);
    }
    Ok(k.tasks.handlers.insert(new, charge))
}

/// Prepares execve: a table for the new program. Commit with [`replace_handlers`].
///
/// # Errors
/// No memory.
pub fn handlers_for_exec(k: &mut Kernel, task: TaskId) -> Result<Held<HandlersId>, Stop> {
    let task = k.tasks.tasks.get(task).ok_or(Errno::ESRCH)?;
    let (group, old) = (task.group.key(), task.handlers.as_ref().map(Held::key));
    let held = new_handlers(k, None, group)?;
    let new = (old.and_then(|id| k.tasks.handlers.get(id))).map(Handlers::for_new_program);
    if let (Some(new), Some(slot)) = (new, k.tasks.handlers.get_mut(held.key())) {
        *slot = new;
    }
    Ok(held)
}

/// Commits execve: the new table, and no alternate stack.
pub fn replace_handlers(k: &mut Kernel, task: TaskId, new: Held<HandlersId>) {
    let old = match k.tasks.tasks.get_mut(task) {
        Some(task) => {
            task.altstack = super::AltStack::default();
            task.handlers.replace(new)
        }
        None => Some(new),
    };
    if let Some(old) = old {
        release_handlers(k, old);
    }
}

/// Gives a reference to a table of handlers back.
pub fn release_handlers(k: &mut Kernel, held: Held<HandlersId>) {
    if let Some((_, charge)) = k.tasks.handlers.release(held) {
        k.groups.give_back(charge);
    }
}

/// The action of a task's process for a signal.
pub fn action(k: &Kernel, task: TaskId, signal: u32) -> Action {
    let handlers = k.tasks.tasks.get(task).and_then(|t| t.handlers.as_ref());
    let handlers = handlers.and_then(|h| k.tasks.handlers.get(h.key()));
    handlers.map(|h| h.get(signal)).unwrap_or_default()
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

/// The signal of a processor exception (signal(7); Intel SDM vol. 3, 6.15).
pub fn of_exception(vector: u8, error: u64, rip: u64) -> SigInfo {
    let (signal, code) = match vector {
        0 => (linux::SIGFPE, 1),
        1 => (linux::SIGTRAP, 2),
        3 => (linux::SIGTRAP, code::KERNEL),
        4 | 5 => (linux::SIGSEGV, code::KERNEL),
        6 => (linux::SIGILL, 2),
        // Segment not present, stack segment: push with a stack pointer that is not canonical.
        11 | 12 => (linux::SIGBUS, code::KERNEL),
        16 | 19 => (linux::SIGFPE, 7),
        17 => (linux::SIGBUS, 1),
        _ => (linux::SIGSEGV, code::KERNEL),
    };
    let addr = if code == code::KERNEL { 0 } else { rip };
    SigInfo {
        signal,
        code,
        addr,
        trap: (vector, error),
        ..SigInfo::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(signal: u32, value: u64) -> SigInfo {
        SigInfo {
            value,
            ..SigInfo::kernel(signal)
        }
    }

    #[test]
    fn faults_come_first_then_the_lowest_then_the_oldest() {
        let mut signals = Signals::default();
        for (signal, value) in [(34, 1), (10, 0), (34, 2), (11, 0)] {
            signals.push(info(signal, value), None);
        }
        let mut order = Vec::new();
        while let Some(next) = signals.next(u64::MAX) {
            let queued = signals.take(next).unwrap();
            order.push((queued.info.signal, queued.info.value));
        }
        assert_eq!(order, [(11, 0), (10, 0), (34, 1), (34, 2)]);
        assert_eq!(signals.set, 0);
    }

    #[test]
    fn blocked_signals_wait() {
        let mut signals = Signals::default();
        signals.push(info(15, 0), None);
        assert_eq!(signals.next(!bit(15)), None);
        assert_eq!(signals.next(bit(15)), Some(15));
        assert_eq!(signals.remove(bit(15)).len(), 1);
        assert!(signals.is_empty());
        assert_eq!(signals.set, 0);
    }

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

    #[test]
    fn a_new_program_keeps_only_what_is_ignored() {
        let mut old = Handlers::default();
        old.set(
            2,
            Action {
                handler: IGNORE,
                mask: 7,
                ..Action::default()
            },
        );
        old.set(
            3,
            Action {
                handler: 0x1000,
                ..Action::default()
            },
        );
        assert_eq!(old.sets(), (bit(2), bit(3)));
        assert_eq!(old.for_new_program().sets(), (bit(2), 0));
        assert_eq!(old.for_new_program().get(2).mask, 0);
    }
}
