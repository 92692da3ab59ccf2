//! Timers that are files (timerfd_create(2)).
//!
//! A timer that went off is not set again before somebody looks: what it missed is then counted
//! by a division, so that a short interval costs nothing while nobody reads.

use super::Event;
use crate::error::Errno;
use crate::fs::{FileId, Fs};
use crate::wait::{WaitKey, Waits};

/// A timer.
#[derive(Debug, Default)]
pub struct Timer {
    /// CLOCK_*, as it was made.
    pub clock: u32,
    /// TFD_TIMER_* flags that it was set with.
    pub flags: u32,
    setting: Setting,
    /// Went off, and was not set again since.
    fired: bool,
    /// How often it went off since it was last read or set.
    ticks: u64,
}

/// When a timer goes off; all zeros when it is not set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Setting {
    /// First: monotonic nanoseconds; `None` for never.
    pub at: Option<u64>,
    /// And then every so many nanoseconds; 0 for once.
    pub every: u64,
}

impl Timer {
    /// One that is not set.
    pub fn new(clock: u32) -> Timer {
        Timer {
            clock,
            ..Timer::default()
        }
    }

    /// How often it went off since it was last read.
    pub fn ticks(&self) -> u64 {
        self.ticks
    }

    /// Nanoseconds until it goes off (0 when it is not set or has gone off), and its interval.
    pub fn left(&self, now: u64) -> (u64, u64) {
        let at = self.setting.at.unwrap_or(now);
        (at.saturating_sub(now), self.setting.every)
    }

    /// When it goes off next, if nobody looks at it before.
    fn due(&self) -> Option<u64> {
        self.setting.at.filter(|_| !self.fired)
    }

    /// Whether there is something to read at `now`.
    pub fn is_ready(&self, now: u64) -> bool {
        self.ticks > 0 || self.due().is_some_and(|at| at <= now)
    }

    fn fire(&mut self, now: u64) -> bool {
        let fires = self.due().is_some_and(|at| at <= now);
        if fires {
            self.fired = true;
            self.ticks = self.ticks.saturating_add(1);
        }
        fires
    }

    /// Counts the intervals that have passed since it went off, and sets it again.
    fn catch_up(&mut self, now: u64) {
        let Setting {
            at: Some(at),
            every,
        } = self.setting
        else {
            return;
        };
        if !self.fired || every == 0 {
            return;
        }
        let missed = now.saturating_sub(at) / every;
        self.ticks = self.ticks.saturating_add(missed);
        let next = missed.saturating_add(1).saturating_mul(every);
        self.setting.at = Some(at.saturating_add(next));
        self.fired = false;
    }
}

fn timer(fs: &mut Fs, id: FileId) -> Result<&mut Timer, Errno> {
    match fs.event_mut(id)? {
        Event::Timer(timer) => Ok(timer),
        _ => Err(Errno::EINVAL),
    }
}

/// Brings a timer up to `now` before somebody looks at it: reads what it counted (`take`), or
/// when it goes off next.
///
/// # Errors
/// EINVAL for what is no timer.
pub fn settle(fs: &mut Fs, id: FileId, now: u64, take: bool) -> Result<&Timer, Errno> {
    let timer = timer(fs, id)?;
    let before = timer.due();
    timer.fire(now);
    timer.catch_up(now);
    if take {
        timer.ticks = 0;
        if timer.fired {
            timer.setting.at = None;
            timer.fired = false;
        }
    }
    let after = timer.due();
    requeue(fs, id, before, after);
    match fs.event(id)? {
        Event::Timer(timer) => Ok(timer),
        _ => Err(Errno::EINVAL),
    }
}

/// Sets a timer, or disarms it; what it counted is forgotten.
///
/// # Errors
/// EINVAL for what is no timer.
pub fn set(fs: &mut Fs, id: FileId, setting: Setting, flags: u32) -> Result<(), Errno> {
    let timer = timer(fs, id)?;
    let before = timer.due();
    *timer = Timer {
        clock: timer.clock,
        flags,
        setting,
        ..Timer::default()
    };
    let after = timer.due();
    requeue(fs, id, before, after);
    Ok(())
}

pub(super) fn disarm(fs: &mut Fs, id: FileId, timer: &Timer) {
    requeue(fs, id, timer.due(), None);
}

fn requeue(fs: &mut Fs, id: FileId, before: Option<u64>, after: Option<u64>) {
    if before == after {
        return;
    }
    if let Some(at) = before {
        fs.timers.remove(&(at, id));
    }
    if let Some(at) = after {
        fs.timers.insert((at, id));
    }
}

/// Timers that go off in one trap; the others do in the next.
const EXPIRE_TURN: usize = 64;

/// Lets timers go off that are due, and tells those who wait for them.
pub fn expire(fs: &mut Fs, waits: &mut Waits, now: u64) {
    for _ in 0..EXPIRE_TURN {
        let Some(&(at, id)) = fs.timers.first().filter(|first| first.0 <= now) else {
            return;
        };
        fs.timers.remove(&(at, id));
        if timer(fs, id).is_ok_and(|timer| timer.fire(now)) {
            waits.wake(WaitKey::FileData(id));
        }
    }
}

/// When the next timer goes off; `u64::MAX` for never.
pub fn next_deadline(fs: &Fs) -> u64 {
    fs.timers.first().map_or(u64::MAX, |first| first.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every(at: u64, every: u64) -> Timer {
        Timer {
            setting: Setting {
                at: Some(at),
                every,
            },
            ..Timer::default()
        }
    }

    #[test]
    fn what_was_missed_is_counted_at_once() {
        let mut timer = every(100, 10);
        assert!(!timer.fire(99));
        assert!(timer.fire(100) && !timer.fire(110));
        timer.catch_up(1_000_000_000_004);
        assert_eq!(timer.ticks, 99_999_999_991);
        assert_eq!(timer.left(1_000_000_000_004), (6, 10));
    }

    #[test]
    fn once_is_once() {
        let mut timer = every(100, 0);
        assert!(timer.fire(500));
        timer.catch_up(900);
        assert_eq!((timer.ticks, timer.left(900)), (1, (0, 0)));
        assert!(!timer.fire(1000));
    }

    #[test]
    fn the_end_of_time_is_no_overflow() {
        let mut timer = every(1, u64::MAX - 5);
        assert!(timer.fire(u64::MAX - 1));
        timer.catch_up(u64::MAX - 1);
        assert_eq!(timer.ticks, 2);
        assert_eq!(timer.due(), Some(u64::MAX));
    }
}
