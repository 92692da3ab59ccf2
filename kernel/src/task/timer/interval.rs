//! The three interval timers of a process (setitimer(2), alarm(2)).

use super::Alarm;
use super::cpu::{Due, Meter};
use crate::Kernel;
use crate::task::signal::{self, SigInfo};
use crate::task::{Process, ProcessId, Tasks};
use linux_raw_sys::general as linux;

/// Which of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    /// ITIMER_REAL: real time, SIGALRM.
    Real,
    /// ITIMER_VIRTUAL: CPU time in user mode, SIGVTALRM.
    Virtual,
    /// ITIMER_PROF: all CPU time, SIGPROF.
    Prof,
}

impl Which {
    /// What it measures by CPU time, if it does.
    fn meter(self) -> Option<(Meter, Due)> {
        match self {
            Which::Real => None,
            Which::Virtual => Some((Meter::User, Due::Virtual)),
            Which::Prof => Some((Meter::All, Due::Prof)),
        }
    }
}

/// An interval timer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Interval {
    /// When it goes off, by its own clock.
    at: Option<u64>,
    /// Every how many nanoseconds then; 0 for once.
    every: u64,
    /// When it went off; it goes on when the signal is delivered.
    went_off: Option<u64>,
}

fn slot(process: &mut Process, which: Which) -> &mut Interval {
    let [real, by_user, by_all] = &mut process.itimers;
    match which {
        Which::Real => real,
        Which::Virtual => by_user,
        Which::Prof => by_all,
    }
}

/// The time of its clock.
fn clock(process: &Process, which: Which, now: u64) -> u64 {
    which
        .meter()
        .map_or(now, |(meter, _)| meter.of(process.times))
}

/// Nanoseconds until a timer goes off, and its interval; zeros when it is not set.
pub fn get(tasks: &mut Tasks, id: ProcessId, which: Which, now: u64) -> (u64, u64) {
    let Some(process) = tasks.processes.get_mut(id) else {
        return (0, 0);
    };
    let now = clock(process, which, now);
    let timer = slot(process, which);
    match (timer.at, timer.went_off) {
        (Some(at), _) => (at.saturating_sub(now).max(1), timer.every),
        (None, Some(_)) => (0, timer.every),
        (None, None) => (0, 0),
    }
}

/// Sets a timer to go off in `first` nanoseconds and then every `every`; 0 disarms it.
pub fn set(tasks: &mut Tasks, id: ProcessId, which: Which, now: u64, first: u64, every: u64) {
    let Some(process) = tasks.processes.get_mut(id) else {
        return;
    };
    let at = (first > 0).then(|| clock(process, which, now).saturating_add(first));
    let timer = Interval {
        at,
        every: if first > 0 { every } else { 0 },
        went_off: None,
    };
    let old = core::mem::replace(slot(process, which), timer).at;
    match which.meter() {
        Some((meter, due)) => process.alarms.exchange(meter, due, old, at),
        None => {
            let entry = |at| (at, Alarm::Interval(id));
            old.map(|at| tasks.alarms.remove(&entry(at)));
            at.map(|at| tasks.alarms.insert(entry(at)));
        }
    }
}

/// ITIMER_REAL goes off.
pub(super) fn go_off(k: &mut Kernel, id: ProcessId, at: u64) {
    let Some(process) = k.tasks.processes.get_mut(id) else {
        return;
    };
    let timer = slot(process, Which::Real);
    timer.at = None;
    timer.went_off = (timer.every > 0).then_some(at);
    signal::send_process(k, id, SigInfo::kernel(linux::SIGALRM));
}

/// A process gets a SIGALRM: its ITIMER_REAL goes on, at the next time that is still to come.
pub fn delivered(tasks: &mut Tasks, id: ProcessId, now: u64) {
    let Some(process) = tasks.processes.get_mut(id) else {
        return;
    };
    let timer = slot(process, Which::Real);
    if let Some(went_off) = timer.went_off.take() {
        let at = super::after(went_off, timer.every, now).1;
        timer.at = Some(at);
        tasks.alarms.insert((at, Alarm::Interval(id)));
    }
}

/// ITIMER_VIRTUAL or ITIMER_PROF goes off. One that is late by several intervals goes off once.
pub(super) fn go_off_by_cpu(k: &mut Kernel, id: ProcessId, which: Which) {
    let Some(process) = k.tasks.processes.get_mut(id) else {
        return;
    };
    let now = clock(process, which, 0);
    let timer = slot(process, which);
    let every = timer.every;
    let due = timer.at.take();
    let next = due
        .filter(|_| every > 0)
        .map(|at| super::after(at, every, now).1);
    timer.at = next;
    if let Some((meter, due)) = which.meter() {
        process.alarms.exchange(meter, due, None, next);
    }
    let signal = match which {
        Which::Virtual => linux::SIGVTALRM,
        _ => linux::SIGPROF,
    };
    signal::send_process(k, id, SigInfo::kernel(signal));
}
