//! Clocks, sleeping, timers, CPU times.

use super::Line;
use crate::error::{Call, Errno, Stop};
use crate::machine::Machine;
use crate::mm::user;
use crate::task::wait::TICK;
use crate::task::{signal, timer};
use crate::wait::{Pending, Restart, Resume, WaitKey};
use crate::wire::{Writer, get_u64};
use crate::{Cx, Kernel};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// The calls of this file.
pub const CALLS: &[Line] = &[
    (linux::__NR_clock_gettime, "clock_gettime", clock_gettime),
    (linux::__NR_clock_getres, "clock_getres", clock_getres),
    (
        linux::__NR_clock_nanosleep,
        "clock_nanosleep",
        clock_nanosleep,
    ),
    (linux::__NR_nanosleep, "nanosleep", nanosleep),
    (linux::__NR_gettimeofday, "gettimeofday", gettimeofday),
    (linux::__NR_time, "time", time),
    (linux::__NR_times, "times", times),
    (linux::__NR_getrusage, "getrusage", getrusage),
    (linux::__NR_alarm, "alarm", alarm),
    (linux::__NR_setitimer, "setitimer", setitimer),
    (linux::__NR_getitimer, "getitimer", getitimer),
];

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

/// CLOCK_* numbers (clock_gettime(2)).
mod clock {
    pub const REALTIME: u32 = 0;
    pub const MONOTONIC: u32 = 1;
    pub const PROCESS_CPUTIME: u32 = 2;
    pub const THREAD_CPUTIME: u32 = 3;
    pub const MONOTONIC_RAW: u32 = 4;
    pub const REALTIME_COARSE: u32 = 5;
    pub const MONOTONIC_COARSE: u32 = 6;
    pub const BOOTTIME: u32 = 7;
    pub const TAI: u32 = 11;
}

/// Nanoseconds since 1970.
fn wall_ns(m: &dyn Machine) -> u64 {
    let (seconds, nanos) = m.wall();
    seconds
        .saturating_mul(SECOND)
        .saturating_add(u64::from(nanos))
}

/// A time that a program gave, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span(pub u64);

impl Span {
    /// From a timespec; seconds beyond 2^63 ns last for ever.
    fn new(seconds: u64, nanos: u64) -> Result<Span, Errno> {
        if (seconds as i64) < 0 || nanos >= SECOND {
            return Err(Errno::EINVAL);
        }
        Ok(Span(seconds.saturating_mul(SECOND).saturating_add(nanos)))
    }

    /// The monotonic time it means: from now, or of a clock.
    pub(super) fn deadline(self, cx: &Cx, absolute: bool, realtime: bool) -> u64 {
        let left = match (absolute, realtime) {
            (false, _) => self.0,
            (true, false) => return self.0,
            (true, true) => self.0.saturating_sub(wall_ns(cx.m)),
        };
        cx.now.saturating_add(left)
    }
}

/// Reads a struct timespec.
///
/// # Errors
/// EFAULT, EINVAL for what is no time; no memory.
pub(super) fn timespec_in(k: &mut Kernel, cx: &mut Cx, addr: u64) -> Result<Span, Stop> {
    let mut bytes = [0; 16];
    user::copy_in(k, cx, addr, &mut bytes)?;
    Ok(Span::new(get_u64(&bytes, 0), get_u64(&bytes, 8))?)
}

/// struct timespec.
fn timespec(ns: u64) -> Vec<u8> {
    Writer::new().u64(ns / SECOND).u64(ns % SECOND).done()
}

/// struct timeval.
fn timeval(ns: u64) -> Vec<u8> {
    Writer::new()
        .u64(ns / SECOND)
        .u64(ns % SECOND / 1000)
        .done()
}

fn clock_now(k: &Kernel, cx: &Cx, id: u64) -> Result<u64, Errno> {
    // The number is an int; negative ones name the CPU clocks of others.
    match id as u32 {
        clock::REALTIME | clock::REALTIME_COARSE | clock::TAI => Ok(wall_ns(cx.m)),
        clock::MONOTONIC | clock::MONOTONIC_RAW | clock::MONOTONIC_COARSE | clock::BOOTTIME => {
            Ok(cx.now)
        }
        clock::PROCESS_CPUTIME => {
            let times = k.tasks.cpu_times(k.tasks.task(cx.task)?.process);
            Ok(times.0.saturating_add(times.1))
        }
        clock::THREAD_CPUTIME => {
            let times = k.tasks.task(cx.task)?.times;
            Ok(times.0.saturating_add(times.1))
        }
        _ => Err(Errno::EINVAL),
    }
}

fn clock_gettime(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let now = clock_now(k, cx, args[0])?;
    user::copy_out(k, cx, args[1], &timespec(now), 0)
}

fn clock_getres(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    clock_now(k, cx, args[0])?;
    if args[1] == 0 {
        return Ok(0);
    }
    user::copy_out(k, cx, args[1], &timespec(1), 0)
}

fn gettimeofday(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let now = wall_ns(cx.m);
    if args[1] != 0 {
        // struct timezone: UTC.
        user::copy_out(k, cx, args[1], &[0; 8], 0)?;
    }
    if args[0] == 0 {
        return Ok(0);
    }
    user::copy_out(k, cx, args[0], &timeval(now), 0)
}

fn time(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let seconds = cx.m.wall().0;
    if args[0] == 0 {
        return Ok(seconds);
    }
    user::copy_out(k, cx, args[0], &seconds.to_le_bytes(), seconds)
}

fn nanosleep(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let deadline = match cx.resume.and_then(|r| r.deadline) {
        Some(deadline) => deadline,
        None => timespec_in(k, cx, args[0])?.deadline(cx, false, false),
    };
    sleep(k, cx, deadline, args[1], Restart::Block)
}

fn clock_nanosleep(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let realtime = match args[0] as u32 {
        clock::REALTIME | clock::TAI => true,
        clock::MONOTONIC | clock::BOOTTIME => false,
        _ => return Err(Errno::EINVAL.into()),
    };
    if args[1] & !u64::from(linux::TIMER_ABSTIME) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let absolute = args[1] != 0;
    let deadline = match cx.resume.and_then(|r| r.deadline) {
        Some(deadline) => deadline,
        None => timespec_in(k, cx, args[2])?.deadline(cx, absolute, realtime),
    };
    if absolute {
        sleep(k, cx, deadline, 0, Restart::NoHand)
    } else {
        sleep(k, cx, deadline, args[3], Restart::Block)
    }
}

/// Sleeps until `deadline`; when a signal comes, the time that is left goes to `left`.
fn sleep(k: &mut Kernel, cx: &mut Cx, deadline: u64, left: u64, restart: Restart) -> Call {
    if cx.now >= deadline {
        return Ok(0);
    }
    if left != 0 && signal::interrupts(k, cx.task) {
        let rest = deadline.saturating_sub(cx.now);
        user::copy_out(k, cx, left, &timespec(rest), 0)?;
    }
    let resume = Resume {
        deadline: Some(deadline),
        ..Resume::default()
    };
    let pending = Pending::on(WaitKey::Signal(cx.task), restart);
    Err(Stop::Wait(pending.with(resume)))
}

fn times(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let ticks = cx.now / TICK;
    if args[0] == 0 {
        return Ok(ticks);
    }
    let (id, process) = k.tasks.process_of(cx.task)?;
    let (own, below) = (k.tasks.cpu_times(id), process.child_times);
    let fields = [own.0, own.1, below.0, below.1].map(|ns| ns / TICK);
    let tms = fields.into_iter().fold(Writer::new(), Writer::u64).done();
    user::copy_out(k, cx, args[0], &tms, ticks)
}

fn getrusage(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    const SELF: i32 = 0;
    const CHILDREN: i32 = -1;
    const THREAD: i32 = 1;
    let (id, process) = k.tasks.process_of(cx.task)?;
    let times = match args[0] as i32 {
        SELF => k.tasks.cpu_times(id),
        CHILDREN => process.child_times,
        THREAD => k.tasks.task(cx.task)?.times,
        _ => return Err(Errno::EINVAL.into()),
    };
    user::copy_out(k, cx, args[1], &super::process::rusage(times), 0)
}

fn alarm(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let id = k.tasks.task(cx.task)?.process;
    let (left, _) = timer::get(&k.tasks, id, cx.now);
    let first = u64::from(args[0] as u32).saturating_mul(SECOND);
    timer::set(&mut k.tasks, id, cx.now, first, 0);
    // Rounded, but what is left is never nothing.
    let seconds = left.saturating_add(SECOND / 2) / SECOND;
    Ok(if left > 0 { seconds.max(1) } else { 0 })
}

/// Only real time is measured for timers.
fn check_timer(which: u64) -> Result<(), Errno> {
    if which as u32 == linux::ITIMER_REAL {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}

/// struct itimerval of the caller's timer.
fn itimerval(k: &Kernel, cx: &Cx) -> Result<Vec<u8>, Errno> {
    let id = k.tasks.task(cx.task)?.process;
    let (left, every) = timer::get(&k.tasks, id, cx.now);
    let left = if left > 0 { left.max(1000) } else { 0 };
    Ok(Writer::new()
        .bytes(&timeval(every))
        .bytes(&timeval(left))
        .done())
}

fn getitimer(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    check_timer(args[0])?;
    let now = itimerval(k, cx)?;
    user::copy_out(k, cx, args[1], &now, 0)
}

fn setitimer(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    check_timer(args[0])?;
    let mut bytes = [0; 32];
    if args[1] != 0 {
        user::copy_in(k, cx, args[1], &mut bytes)?;
    }
    let span = |at| {
        let micros = get_u64(&bytes, at + 8);
        Span::new(get_u64(&bytes, at), micros.saturating_mul(1000))
    };
    let (every, first) = (span(0)?.0, span(16)?.0);
    if args[2] != 0 {
        let old = itimerval(k, cx)?;
        user::copy_out(k, cx, args[2], &old, 0)?;
    }
    let id = k.tasks.task(cx.task)?.process;
    timer::set(&mut k.tasks, id, cx.now, first, every);
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_time_is_refused() {
        assert_eq!(Span::new(1, 5), Ok(Span(SECOND + 5)));
        assert_eq!(Span::new(u64::MAX, 0), Err(Errno::EINVAL));
        assert_eq!(Span::new(0, SECOND), Err(Errno::EINVAL));
        assert_eq!(Span::new(i64::MAX as u64, 0), Ok(Span(u64::MAX)));
    }
}
