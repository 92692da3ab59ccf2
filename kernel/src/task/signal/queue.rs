//! Signals that wait: what they cost, and taking them out again.

use super::{SYNCHRONOUS, SigInfo, bit};
use crate::Kernel;
use crate::cgroup::Charge;
use crate::task::{ProcessId, TaskId, TimerId, timer};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// Who pays for a signal that waits.
#[derive(Debug)]
pub(super) enum Paid {
    /// Nobody: at most one of each standard signal waits.
    Nobody,
    /// The receiver's group and user: real-time signals are paid for one by one.
    By(Charge, u32),
    /// The timer that sent it.
    Timer(TimerId),
}

/// A signal that waits.
#[derive(Debug)]
struct Queued {
    info: SigInfo,
    paid: Paid,
}

/// Bytes that one queued real-time signal costs.
pub(super) const QUEUED_COST: u32 = core::mem::size_of::<Queued>() as u32;

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

    pub(super) fn push(&mut self, info: SigInfo, paid: Paid) {
        self.set |= bit(info.signal);
        self.queue.push(Queued { info, paid });
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
        let at = (self.queue.iter()).position(|q| q.info.signal == signal);
        let taken = at.map(|at| self.queue.remove(at));
        self.settle(signal);
        taken
    }

    fn take_of_timer(&mut self, timer: TimerId) {
        let of_timer = |q: &Queued| matches!(q.paid, Paid::Timer(id) if id == timer);
        if let Some(at) = self.queue.iter().position(of_timer) {
            let signal = self.queue.remove(at).info.signal;
            self.settle(signal);
        }
    }

    /// Clears the bit of a signal of which none waits any more.
    fn settle(&mut self, signal: u32) {
        if self.queue.iter().all(|q| q.info.signal != signal) {
            self.set &= !bit(signal);
        }
    }

    fn remove(&mut self, signals: u64) -> Vec<Queued> {
        if self.set & signals == 0 {
            return Vec::new();
        }
        self.set &= !signals;
        let (gone, rest) = core::mem::take(&mut self.queue)
            .into_iter()
            .partition(|q| bit(q.info.signal) & signals != 0);
        self.queue = rest;
        gone
    }
}

/// Forgets pending signals of a task and of its process.
pub fn discard(k: &mut Kernel, task: TaskId, signals: u64) {
    discard_own(k, task, signals);
    if let Some(process) = k.tasks.tasks.get(task).map(|t| t.process) {
        let process = k.tasks.processes.get_mut(process);
        let gone = process.map_or_else(Vec::new, |p| p.pending.remove(signals));
        give_back(k, gone);
    }
}

/// Forgets pending signals that are for this task alone.
pub(super) fn discard_own(k: &mut Kernel, task: TaskId, signals: u64) {
    let task = k.tasks.tasks.get_mut(task);
    let gone = task.map_or_else(Vec::new, |t| t.pending.remove(signals));
    give_back(k, gone);
}

/// Forgets the signal of a timer that is set anew or goes.
pub fn discard_of_timer(k: &mut Kernel, process: ProcessId, timer: TimerId) {
    if let Some(process) = k.tasks.processes.get_mut(process) {
        process.pending.take_of_timer(timer);
    }
    let threads: Vec<TaskId> = k.tasks.live_threads(process).collect();
    for thread in threads {
        if let Some(thread) = k.tasks.tasks.get_mut(thread) {
            thread.pending.take_of_timer(timer);
        }
    }
}

/// Empties a table of signals of a task or process that goes.
pub fn dissolve(k: &mut Kernel, mut signals: Signals) {
    let gone = signals.remove(u64::MAX);
    give_back(k, gone);
}

fn give_back(k: &mut Kernel, gone: Vec<Queued>) {
    for queued in gone {
        match queued.paid {
            Paid::Nobody => {}
            Paid::By(charge, uid) => {
                k.groups.give_back(charge);
                k.tasks.count_signal(uid, false);
            }
            Paid::Timer(timer) => timer::posix::forgotten(k, timer),
        }
    }
}

/// The signals that wait for a task or its process: a bit for each.
pub fn pending(k: &Kernel, id: TaskId) -> u64 {
    let Some(task) = k.tasks.tasks.get(id) else {
        return 0;
    };
    let process = k.tasks.processes.get(task.process);
    task.pending.set | process.map_or(0, |process| process.pending.set)
}

/// Takes a pending signal of `wanted` from a task's own queue, else from its process's. A timer
/// whose signal it is goes on from here.
pub fn take(k: &mut Kernel, id: TaskId, wanted: u64, now: u64) -> Option<SigInfo> {
    let task = k.tasks.tasks.get_mut(id)?;
    let owner = task.process;
    let process = k.tasks.processes.get_mut(owner)?;
    let (own, queued) = match task.pending.next(wanted) {
        Some(signal) => (true, task.pending.take(signal)),
        None => {
            let signal = process.pending.next(wanted)?;
            (false, process.pending.take(signal))
        }
    };
    let Queued { mut info, paid } = queued?;
    match paid {
        Paid::Nobody => {}
        Paid::By(charge, uid) => {
            k.groups.give_back(charge);
            k.tasks.count_signal(uid, false);
        }
        // si_overrun is where other signals have the sender's user.
        Paid::Timer(timer) => info.uid = timer::posix::delivered(k, timer, now),
    }
    if info.signal == linux::SIGALRM && !own {
        timer::interval::delivered(&mut k.tasks, owner, now);
    }
    Some(info)
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
            signals.push(info(signal, value), Paid::Nobody);
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
        signals.push(info(15, 0), Paid::Nobody);
        assert_eq!(signals.next(!bit(15)), None);
        assert_eq!(signals.next(bit(15)), Some(15));
        assert_eq!(signals.remove(bit(15)).len(), 1);
        assert!(signals.is_empty());
        assert_eq!(signals.set, 0);
    }

    #[test]
    fn only_the_signal_of_one_timer_is_taken_back() {
        use crate::arena::Key;
        let (one, two) = (TimerId::new(1, 0), TimerId::new(2, 0));
        let mut signals = Signals::default();
        signals.push(info(34, 1), Paid::Timer(one));
        signals.push(info(34, 2), Paid::Timer(two));
        signals.take_of_timer(one);
        assert_eq!((signals.len(), signals.set), (1, bit(34)));
        signals.take_of_timer(two);
        assert_eq!((signals.len(), signals.set), (0, 0));
    }
}
