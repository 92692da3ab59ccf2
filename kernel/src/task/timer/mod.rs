//! Timers: those of a process (`interval`), those that programs make (`posix`), and all that is
//! due by CPU time (`cpu`).
//!
//! A timer that repeats does so when its signal is delivered and not before: one whose signal is
//! blocked costs nothing, however short its interval. What it missed meanwhile is counted.

pub mod cpu;
pub mod interval;
pub mod posix;

use super::{ProcessId, Tasks, TimerId};
use crate::Kernel;

/// What goes off at a time of the monotonic clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Alarm {
    /// ITIMER_REAL of a process.
    Interval(ProcessId),
    /// A POSIX timer.
    Posix(TimerId),
}

/// Timers that go off in one trap at the most; the others follow in the next one.
const AT_ONCE: usize = 16;

/// When the next timer goes off; `u64::MAX` for never.
pub fn next_deadline(tasks: &Tasks) -> u64 {
    tasks.alarms.first().map_or(u64::MAX, |first| first.0)
}

/// Lets the timers that are due go off.
pub fn expire(k: &mut Kernel, now: u64) {
    for _ in 0..AT_ONCE {
        match k.tasks.alarms.first() {
            Some(&(at, _)) if at <= now => {}
            _ => break,
        }
        match k.tasks.alarms.pop_first() {
            Some((at, Alarm::Interval(process))) => interval::go_off(k, process, at),
            Some((_, Alarm::Posix(timer))) => posix::go_off(k, timer, now),
            None => break,
        }
    }
}

/// The how-manieth next time after `now` a timer that is due at `at` and then every `every`
/// nanoseconds goes off, and that time.
fn after(at: u64, every: u64, now: u64) -> (u64, u64) {
    let late = now.checked_sub(at).and_then(|by| by.checked_div(every));
    let missed = late.map_or(0, |times| times.saturating_add(1));
    (missed, at.saturating_add(missed.saturating_mul(every)))
}

/// A process ends: it has no timers any more.
pub fn end(k: &mut Kernel, process: ProcessId, now: u64) {
    posix::delete_all(k, process);
    interval::set(&mut k.tasks, process, interval::Which::Real, now, 0, 0);
    let alarms = k
        .tasks
        .processes
        .get_mut(process)
        .map(|p| core::mem::take(&mut p.alarms));
    cpu::dissolve(k, alarms.unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_missed_is_counted() {
        assert_eq!(after(100, 10, 50), (0, 100));
        assert_eq!(after(100, 10, 100), (1, 110));
        assert_eq!(after(100, 10, 109), (1, 110));
        assert_eq!(after(100, 10, 135), (4, 140));
        assert_eq!(after(100, 0, 135), (0, 100));
        assert_eq!(after(0, 1, u64::MAX), (u64::MAX, u64::MAX));
    }
}
