//! Timers: interval timers and alarm, and those that programs make.

use super::Line;
use super::time::{Number, SECOND, Span, clock, timespec, timeval, wall_ns};
use crate::error::{Call, Errno, Stop};
use crate::mm::user;
use crate::task::timer::interval::{self, Which};
use crate::task::timer::posix::{self, Clock, Notify, Plan};
use crate::task::{TaskId, TimerId, pid, signal};
use crate::wire::{Writer, get_u32, get_u64};
use crate::{Cx, Kernel, ns};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// The calls of this file.
pub const CALLS: &[Line] = &[
    (linux::__NR_alarm, "alarm", alarm),
    (linux::__NR_setitimer, "setitimer", setitimer),
    (linux::__NR_getitimer, "getitimer", getitimer),
    (linux::__NR_timer_create, "timer_create", timer_create),
    (linux::__NR_timer_settime, "timer_settime", timer_settime),
    (linux::__NR_timer_gettime, "timer_gettime", timer_gettime),
    (
        linux::__NR_timer_getoverrun,
        "timer_getoverrun",
        timer_getoverrun,
    ),
    (linux::__NR_timer_delete, "timer_delete", timer_delete),
];

fn alarm(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let id = k.tasks.task(cx.task)?.process;
    let (left, _) = interval::get(&mut k.tasks, id, Which::Real, cx.now);
    let first = u64::from(args[0] as u32).saturating_mul(SECOND);
    interval::set(&mut k.tasks, id, Which::Real, cx.now, first, 0);
    // Rounded, but what is left is never nothing.
    let seconds = left.saturating_add(SECOND / 2) / SECOND;
    Ok(if left > 0 { seconds.max(1) } else { 0 })
}

fn which(number: u64) -> Result<Which, Errno> {
    match number as u32 {
        linux::ITIMER_REAL => Ok(Which::Real),
        linux::ITIMER_VIRTUAL => Ok(Which::Virtual),
        linux::ITIMER_PROF => Ok(Which::Prof),
        _ => Err(Errno::EINVAL),
    }
}

/// struct itimerval of one of the caller's timers.
fn itimerval(k: &mut Kernel, cx: &Cx, which: Which) -> Result<Vec<u8>, Errno> {
    let id = k.tasks.task(cx.task)?.process;
    let (left, every) = interval::get(&mut k.tasks, id, which, cx.now);
    let left = if left > 0 { left.max(1000) } else { 0 };
    Ok(Writer::new()
        .bytes(&timeval(every))
        .bytes(&timeval(left))
        .done())
}

fn getitimer(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let now = itimerval(k, cx, which(args[0])?)?;
    user::copy_out(k, cx, args[1], &now, 0)
}

fn setitimer(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let mut bytes = [0; 32];
    if args[1] != 0 {
        user::copy_in(k, cx, args[1], &mut bytes)?;
    }
    let span = |at| {
        let micros = get_u64(&bytes, at + 8);
        Span::new(get_u64(&bytes, at), micros.saturating_mul(1000))
    };
    let (every, first) = (span(0)?.0, span(16)?.0);
    let which = which(args[0])?;
    if args[2] != 0 {
        let old = itimerval(k, cx, which)?;
        user::copy_out(k, cx, args[2], &old, 0)?;
    }
    let id = k.tasks.task(cx.task)?.process;
    interval::set(&mut k.tasks, id, which, cx.now, first, every);
    Ok(0)
}

/// Bytes of struct sigevent.
const EVENT_LEN: usize = 64;

fn timer_create(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let mut event = [0; EVENT_LEN];
    if args[1] != 0 {
        user::copy_in(k, cx, args[1], &mut event)?;
    }
    let clock = match clock(k, cx, args[0], false)? {
        Number::Timed(clock) => clock,
        _ => return Err(Errno::EOPNOTSUPP.into()),
    };
    let plan = match args[1] {
        0 => Plan {
            clock,
            notify: Notify::Process,
            signal: linux::SIGALRM,
            value: None,
        },
        _ => plan(k, cx, clock, &event)?,
    };
    let out = user::prepare(k, cx, args[2], 4)?;
    let number = posix::create(k, cx.task, plan)?;
    user::put(k, cx, &out, 0, &number.to_le_bytes());
    Ok(0)
}

/// Reads struct sigevent (sigevent(3type)).
fn plan(k: &Kernel, cx: &Cx, clock: Clock, event: &[u8]) -> Result<Plan, Errno> {
    let (signal, how) = (get_u32(event, 8), get_u32(event, 12));
    let notify = match how {
        linux::SIGEV_NONE => Notify::Nobody,
        // Threads are the C library's affair.
        linux::SIGEV_SIGNAL | linux::SIGEV_THREAD => Notify::Process,
        linux::SIGEV_THREAD_ID => Notify::Thread(own_thread(k, cx, get_u32(event, 16))?),
        _ => return Err(Errno::EINVAL),
    };
    if notify != Notify::Nobody && signal::bit(signal) == 0 {
        return Err(Errno::EINVAL);
    }
    Ok(Plan {
        clock,
        notify,
        signal,
        value: Some(get_u64(event, 0)),
    })
}

/// A thread of the caller's process, by its number.
fn own_thread(k: &Kernel, cx: &Cx, number: u32) -> Result<TaskId, Errno> {
    let ns = ns::pid::of_task(k, cx.task).ok_or(Errno::EINVAL)?;
    let thread = pid::find_task(k, ns, number).ok_or(Errno::EINVAL)?;
    let same = k.tasks.task(thread)?.process == k.tasks.task(cx.task)?.process;
    if same { Ok(thread) } else { Err(Errno::EINVAL) }
}

/// The caller's timer with a number.
fn own_timer(k: &Kernel, cx: &Cx, number: u64) -> Result<TimerId, Errno> {
    posix::find(&k.tasks, k.tasks.task(cx.task)?.process, number as i32)
}

/// struct itimerspec of a timer.
fn itimerspec(k: &Kernel, cx: &Cx, timer: TimerId) -> Vec<u8> {
    let (left, every) = posix::get(&k.tasks, timer, cx.now);
    Writer::new()
        .bytes(&timespec(every))
        .bytes(&timespec(left))
        .done()
}

fn timer_settime(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    if args[2] == 0 {
        return Err(Errno::EINVAL.into());
    }
    let mut bytes = [0; 32];
    user::copy_in(k, cx, args[2], &mut bytes)?;
    let span = |at| Span::new(get_u64(&bytes, at), get_u64(&bytes, at + 8));
    let (every, value) = (span(0)?.0, span(16)?.0);
    let timer = own_timer(k, cx, args[0])?;
    if args[3] != 0 {
        let old = itimerspec(k, cx, timer);
        user::copy_out(k, cx, args[3], &old, 0)?;
    }
    let absolute = args[1] & u64::from(linux::TIMER_ABSTIME) != 0;
    let times = (cx.now, wall_ns(cx.m));
    posix::set(k, timer, times, (value, absolute), every);
    Ok(0)
}

fn timer_gettime(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let timer = own_timer(k, cx, args[0])?;
    let now = itimerspec(k, cx, timer);
    user::copy_out(k, cx, args[1], &now, 0)
}

fn timer_getoverrun(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let timer = own_timer(k, cx, args[0])?;
    Ok(u64::from(posix::overrun(&k.tasks, timer)))
}

fn timer_delete(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let process = k.tasks.task(cx.task)?.process;
    posix::delete(k, process, args[0] as i32).map_err(Stop::from)?;
    Ok(0)
}
