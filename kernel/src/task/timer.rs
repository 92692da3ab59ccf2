//! The real-time interval timer of a process (setitimer(2), alarm(2)).

use super::signal::{self, SigInfo};
use super::{ProcessId, Tasks};
use crate::Kernel;
use linux_raw_sys::general as linux;

/// Nanoseconds until the timer goes off, and its interval; zeros when it is not set.
pub fn get(tasks: &Tasks, process: ProcessId, now: u64) -> (u64, u64) {
    let timer = tasks.processes.get(process).and_then(|p| p.itimer);
    timer.map_or((0, 0), |(at, every)| (at.saturating_sub(now).max(1), every))
}

/// Sets it to go off in `first` nanoseconds and then every `every`; 0 disarms it.
pub fn set(tasks: &mut Tasks, id: ProcessId, now: u64, first: u64, every: u64) {
    let Some(process) = tasks.processes.get_mut(id) else {
        return;
    };
    if let Some((at, _)) = process.itimer.take() {
        tasks.timers.remove(&(at, id));
    }
    if first > 0 {
        let at = now.saturating_add(first);
        process.itimer = Some((at, every));
        tasks.timers.insert((at, id));
    }
}

/// When the next timer of any process goes off; `u64::MAX` for never.
pub fn next_deadline(tasks: &Tasks) -> u64 {
    tasks.timers.first().map_or(u64::MAX, |first| first.0)
}

/// Sends SIGALRM for every timer that is due. One that is late by several intervals goes off
/// once (setitimer(2)).
pub fn expire(k: &mut Kernel, now: u64) {
    while let Some(&(at, id)) = k.tasks.timers.first() {
        if at > now {
            break;
        }
        let timer = k.tasks.processes.get(id).and_then(|p| p.itimer);
        let every = timer.map_or(0, |t| t.1);
        let next = match now.saturating_sub(at).checked_rem(every) {
            Some(late) => every - late,
            None => 0,
        };
        set(&mut k.tasks, id, now, next, every);
        // Whatever the table said, this entry is done with.
        k.tasks.timers.remove(&(at, id));
        signal::send_process(k, id, SigInfo::kernel(linux::SIGALRM));
    }
}
