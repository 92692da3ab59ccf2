//! Clocks, sleeping, CPU times.

use super::Line;
use crate::error::{Call, Errno, Stop};
use crate::machine::Machine;
use crate::mm::user;
use crate::task::timer::cpu::{self, Meter, Whose};
use crate::task::timer::posix::Clock;
use crate::task::wait::TICK;
use crate::task::{cred, pid, signal, usage};
use crate::wait::{Pending, Restart, Resume, WaitKey};
use crate::wire::{Writer, get_u64};
use crate::{Cx, Kernel, ns};
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
    (linux::__NR_clock_settime, "clock_settime", clock_settime),
    (linux::__NR_gettimeofday, "gettimeofday", gettimeofday),
    (linux::__NR_settimeofday, "settimeofday", settimeofday),
    (linux::__NR_time, "time", time),
    (linux::__NR_times, "times", times),
    (linux::__NR_getrusage, "getrusage", getrusage),
];

/// Nanoseconds in a second.
pub(super) const SECOND: u64 = 1_000_000_000;

/// CLOCK_* numbers (clock_gettime(2)).
pub(super) mod clock {
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
pub(super) fn wall_ns(m: &dyn Machine) -> u64 {
    let (seconds, nanos) = m.wall();
    seconds
        .saturating_mul(SECOND)
        .saturating_add(u64::from(nanos))
}

/// A time that a program gave, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span(pub u64);

impl Span {
    /// Nanoseconds in a second.
    pub(super) const SECOND: u64 = SECOND;

    /// From a timespec; seconds beyond 2^63 ns last for ever.
    pub(super) fn new(seconds: u64, nanos: u64) -> Result<Span, Errno> {
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
    Ok(timespec_at(&bytes, 0)?)
}

/// The struct timespec at an offset.
///
/// # Errors
/// EINVAL for what is no time.
pub(super) fn timespec_at(bytes: &[u8], at: usize) -> Result<Span, Errno> {
    Span::new(get_u64(bytes, at), get_u64(bytes, at + 8))
}

/// struct timespec.
pub(super) fn timespec(ns: u64) -> Vec<u8> {
    Writer::new().u64(ns / SECOND).u64(ns % SECOND).done()
}

/// struct timeval.
pub(super) fn timeval(ns: u64) -> Vec<u8> {
    Writer::new()
        .u64(ns / SECOND)
        .u64(ns % SECOND / 1000)
        .done()
}

/// The clock with this number, if a program can wait by it or set a timer by it.
pub(super) enum Number {
    /// It can.
    Timed(Clock),
    /// It can only be read.
    Wall,
    /// As [`Number::Wall`], for time since boot.
    Monotonic,
}

/// What a clock number means (clock_gettime(2)).
///
/// # Errors
/// EINVAL for a clock that is not there.
pub(super) fn clock(k: &Kernel, cx: &Cx, id: u64, reading: bool) -> Result<Number, Errno> {
    let id = id as i32;
    if id < 0 {
        return Ok(Number::Timed(cpu_clock(k, cx, id, reading)?));
    }
    let own = |meter| {
        Ok(Clock::Cpu(
            Whose::Process(k.tasks.task(cx.task)?.process),
            meter,
        ))
    };
    Ok(match id.unsigned_abs() {
        clock::REALTIME | clock::TAI => Number::Timed(Clock::Wall),
        clock::MONOTONIC | clock::BOOTTIME => Number::Timed(Clock::Monotonic),
        clock::PROCESS_CPUTIME => Number::Timed(own(Meter::All)?),
        clock::THREAD_CPUTIME => Number::Timed(Clock::Cpu(Whose::Thread(cx.task), Meter::All)),
        clock::REALTIME_COARSE => Number::Wall,
        clock::MONOTONIC_RAW | clock::MONOTONIC_COARSE => Number::Monotonic,
        _ => return Err(Errno::EINVAL),
    })
}

/// The CPU clock of a process or thread (clock_getcpuclockid(3)): the complement of its number
/// from bit 3 on, whether it is a thread in bit 2, and what counts below.
fn cpu_clock(k: &Kernel, cx: &Cx, id: i32, reading: bool) -> Result<Clock, Errno> {
    let meter = match id & 3 {
        0 | 2 => Meter::All,
        1 => Meter::User,
        // The clock of a descriptor.
        _ => return Err(Errno::EINVAL),
    };
    let (number, is_thread) = (!(id >> 3), id & 4 != 0);
    let own = k.tasks.task(cx.task)?;
    let whose = match (u32::try_from(number).map_err(|_| Errno::EINVAL)?, is_thread) {
        (0, true) => Whose::Thread(cx.task),
        (0, false) => Whose::Process(own.process),
        (number, _) => {
            let ns = ns::pid::of_task(k, cx.task).ok_or(Errno::EINVAL)?;
            let task = pid::find_task(k, ns, number).ok_or(Errno::EINVAL)?;
            let process = k.tasks.task(task)?.process;
            let is_leader = pid::find_process(k, ns, number).is_some();
            match is_thread {
                true if process == own.process => Whose::Thread(task),
                false if is_leader || reading && task == cx.task => Whose::Process(process),
                _ => return Err(Errno::EINVAL),
            }
        }
    };
    Ok(Clock::Cpu(whose, meter))
}

fn clock_now(k: &Kernel, cx: &Cx, id: u64) -> Result<u64, Errno> {
    match clock(k, cx, id, true)? {
        Number::Timed(Clock::Wall) | Number::Wall => Ok(wall_ns(cx.m)),
        Number::Timed(Clock::Monotonic) | Number::Monotonic => Ok(cx.now),
        Number::Timed(Clock::Cpu(whose, meter)) => whose.time(&k.tasks, meter).ok_or(Errno::EINVAL),
    }
}

/// Setting the time of day is for those with CAP_SYS_TIME, and no clock can be set.
fn refuse_to_set(k: &Kernel, cx: &Cx) -> Call {
    if !cred::capable(k, cx.task, linux::CAP_SYS_TIME) {
        return Err(Errno::EPERM.into());
    }
    Err(Errno::EINVAL.into())
}

fn clock_settime(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    if args[0] as u32 != clock::REALTIME {
        return Err(Errno::EINVAL.into());
    }
    timespec_in(k, cx, args[1])?;
    refuse_to_set(k, cx)
}

fn settimeofday(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    if args[0] != 0 {
        let mut bytes = [0; 16];
        user::copy_in(k, cx, args[0], &mut bytes)?;
        let micros = get_u64(&bytes, 8);
        Span::new(get_u64(&bytes, 0), micros.saturating_mul(1000))?;
    }
    if args[1] != 0 {
        user::copy_in(k, cx, args[1], &mut [0; 8])?;
    }
    refuse_to_set(k, cx)
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
    let Number::Timed(clock) = clock(k, cx, args[0], false)? else {
        return Err(Errno::EOPNOTSUPP.into());
    };
    // Other flags mean nothing to Linux either.
    let absolute = args[1] & u64::from(linux::TIMER_ABSTIME) != 0;
    if let Clock::Cpu(whose, meter) = clock {
        return sleep_by_cpu(k, cx, (whose, meter), absolute, [args[2], args[3]]);
    }
    let deadline = match cx.resume.and_then(|r| r.deadline) {
        Some(deadline) => deadline,
        None => timespec_in(k, cx, args[2])?.deadline(cx, absolute, clock == Clock::Wall),
    };
    if absolute {
        sleep(k, cx, deadline, 0, Restart::NoHand)
    } else {
        sleep(k, cx, deadline, args[3], Restart::Block)
    }
}

/// Sleeps until somebody has used so much CPU time.
fn sleep_by_cpu(
    k: &mut Kernel,
    cx: &mut Cx,
    (whose, meter): (Whose, Meter),
    absolute: bool,
    [time, left]: [u64; 2],
) -> Call {
    // Nobody uses any while asleep.
    if whose == Whose::Thread(cx.task) {
        return Err(Errno::EINVAL.into());
    }
    let now = whose.time(&k.tasks, meter).ok_or(Errno::EINVAL)?;
    let until = match cx.resume {
        Some(resume) => resume.word,
        None => {
            let span = timespec_in(k, cx, time)?.0;
            if absolute {
                span
            } else {
                now.saturating_add(span)
            }
        }
    };
    cpu::wake_up(k, cx.task, None);
    if now >= until {
        return Ok(0);
    }
    if !absolute && left != 0 && signal::interrupts(k, cx.task) {
        user::copy_out(k, cx, left, &timespec(until.saturating_sub(now)), 0)?;
    }
    cpu::wake_up(k, cx.task, Some((whose, meter, until)));
    let restart = if absolute {
        Restart::NoHand
    } else {
        Restart::Block
    };
    let resume = Resume {
        word: until,
        ..Resume::default()
    };
    let pending = Pending::on(WaitKey::Signal(cx.task), restart);
    Err(Stop::Wait(pending.with(resume)))
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
    let process = k.tasks.process_of(cx.task)?.1;
    let (own, below) = (process.times, process.child_times);
    let fields = [own.0, own.1, below.0, below.1].map(|ns| ns / TICK);
    let tms = fields.into_iter().fold(Writer::new(), Writer::u64).done();
    user::copy_out(k, cx, args[0], &tms, ticks)
}

fn getrusage(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    const SELF: i32 = 0;
    const CHILDREN: i32 = -1;
    const THREAD: i32 = 1;
    let (id, process) = k.tasks.process_of(cx.task)?;
    let (times, used) = match args[0] as i32 {
        SELF => (process.times, usage::of_process(&k.tasks, &k.spaces, id)),
        CHILDREN => (process.child_times, process.child_usage),
        THREAD => (
            k.tasks.task(cx.task)?.times,
            usage::of_task(&k.tasks, &k.spaces, cx.task),
        ),
        _ => return Err(Errno::EINVAL.into()),
    };
    user::copy_out(k, cx, args[1], &super::process::rusage(times, used), 0)
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
