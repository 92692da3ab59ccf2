//! Timers that are files (timerfd_create(2)).

use std::os::fd::OwnedFd;

use berth_sys::audit::pause_ms;
use rustix::event::EventfdFlags;
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_gettime, timerfd_settime,
};

use super::events::{IN, OUT, add, counter, ready, take};
use super::{Case, Told, Verdict, check, fails, same};

pub const CASES: &[Case] = &[
    ("events/timer-once", timer_once),
    ("events/timer-counts-intervals", timer_counts_intervals),
    ("events/timer-absolute", timer_absolute),
    ("events/timer-told-and-disarmed", timer_told_and_disarmed),
    ("events/timer-bad-arguments", timer_bad_arguments),
    ("events/timer-wakes-poll", timer_wakes_poll),
];

pub(super) fn timer(clock: TimerfdClockId) -> Result<OwnedFd, String> {
    timerfd_create(clock, TimerfdFlags::NONBLOCK).told("timerfd_create")
}

fn span(ns: i64) -> Timespec {
    Timespec {
        tv_sec: ns.div_euclid(1_000_000_000),
        tv_nsec: ns.rem_euclid(1_000_000_000),
    }
}

fn nanos(time: Timespec) -> i64 {
    time.tv_sec
        .saturating_mul(1_000_000_000)
        .saturating_add(time.tv_nsec)
}

pub(super) fn set(
    fd: &OwnedFd,
    flags: TimerfdTimerFlags,
    first: i64,
    every: i64,
) -> rustix::io::Result<Itimerspec> {
    let new = Itimerspec {
        it_interval: span(every),
        it_value: span(first),
    };
    timerfd_settime(fd, flags, &new)
}

const RELATIVE: TimerfdTimerFlags = TimerfdTimerFlags::empty();

const MS: i64 = 1_000_000;

fn timer_once() -> Verdict {
    let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::empty()).told("create")?;
    let begin = super::misc::monotonic();
    set(&fd, RELATIVE, 20 * MS, 0).told("settime")?;
    same("read", take(&fd), Ok(1))?;
    let slept = super::misc::monotonic().saturating_sub(begin);
    check(slept >= 20_000_000, || format!("after {slept} ns already"))?;
    same("ready again", ready(&fd, IN, 30)?, 0)?;
    let now = timerfd_gettime(&fd).told("gettime")?;
    same(
        "left",
        (nanos(now.it_value), nanos(now.it_interval)),
        (0, 0),
    )
}

fn timer_counts_intervals() -> Verdict {
    let fd = timer(TimerfdClockId::Boottime)?;
    set(&fd, RELATIVE, 1, 1000).told("settime")?;
    pause_ms(20);
    let first = take(&fd).told("read")?;
    check(first >= 19_000, || format!("{first} times in 20 ms"))?;
    pause_ms(1);
    let second = take(&fd).told("read")?;
    check(second >= 900, || format!("then {second} times"))?;
    let now = timerfd_gettime(&fd).told("gettime")?;
    same("interval", nanos(now.it_interval), 1000)?;
    check(nanos(now.it_value) <= 1000, || format!("left: {now:?}"))
}

fn timer_absolute() -> Verdict {
    for (id, clock) in [
        (TimerfdClockId::Realtime, rustix::time::ClockId::Realtime),
        (TimerfdClockId::Monotonic, rustix::time::ClockId::Monotonic),
    ] {
        let fd = timer(id)?;
        let now = nanos(rustix::time::clock_gettime(clock));
        set(
            &fd,
            TimerfdTimerFlags::ABSTIME,
            now.saturating_add(20 * MS),
            0,
        )
        .told("settime")?;
        fails("too early", take(&fd), Errno::AGAIN)?;
        same("ready", ready(&fd, IN, 20_000)?, IN)?;
        same("read", take(&fd), Ok(1))?;
        check(
            nanos(rustix::time::clock_gettime(clock)) >= now.saturating_add(20 * MS),
            || "before its time".to_owned(),
        )?;
        set(&fd, TimerfdTimerFlags::ABSTIME, 1, 0).told("settime")?;
        same("in the past", ready(&fd, IN, 20_000)?, IN)?;
    }
    Ok(())
}

fn timer_told_and_disarmed() -> Verdict {
    let fd = timer(TimerfdClockId::Monotonic)?;
    let old = set(&fd, RELATIVE, 5_000 * MS, 7 * MS).told("settime")?;
    same(
        "not set",
        (nanos(old.it_value), nanos(old.it_interval)),
        (0, 0),
    )?;
    let now = timerfd_gettime(&fd).told("gettime")?;
    let left = nanos(now.it_value);
    check(left > 0 && left <= 5_000 * MS, || format!("left: {left}"))?;
    same("interval", nanos(now.it_interval), 7 * MS)?;
    let old = set(&fd, RELATIVE, 0, 9 * MS).told("disarm")?;
    same("old interval", nanos(old.it_interval), 7 * MS)?;
    let now = timerfd_gettime(&fd).told("gettime")?;
    same("disarmed", nanos(now.it_value), 0)?;
    // What a timer counted is forgotten when it is set again.
    set(&fd, RELATIVE, 1, 0).told("settime")?;
    same("ready", ready(&fd, IN, 20_000)?, IN)?;
    set(&fd, RELATIVE, 60_000 * MS, 0).told("settime")?;
    fails("set again", take(&fd), Errno::AGAIN)
}

fn timer_bad_arguments() -> Verdict {
    let fd = timer(TimerfdClockId::Monotonic)?;
    let bad = |first: Timespec, every: Timespec| {
        let new = Itimerspec {
            it_interval: every,
            it_value: first,
        };
        timerfd_settime(&fd, RELATIVE, &new).map(drop)
    };
    let time = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
    fails(
        "a second of nanoseconds",
        bad(time(0, 1_000_000_000), span(0)),
        Errno::INVAL,
    )?;
    fails(
        "before the beginning",
        bad(time(-1, 0), span(0)),
        Errno::INVAL,
    )?;
    fails(
        "a negative interval",
        bad(span(1), time(0, -1)),
        Errno::INVAL,
    )?;
    let flags = TimerfdTimerFlags::from_bits_retain(4);
    fails("unknown flags", set(&fd, flags, 1, 0), Errno::INVAL)?;
    set(&fd, TimerfdTimerFlags::CANCEL_ON_SET, 1, 0).told("cancel on set")?;
    let event = counter(0, EventfdFlags::empty())?;
    fails("no timer", set(&event, RELATIVE, 1, 0), Errno::INVAL)?;
    fails("no timer", timerfd_gettime(&event), Errno::INVAL)?;
    fails("write", add(&fd, 1), Errno::INVAL)?;
    fails(
        "short read",
        rustix::io::read(&fd, &mut [0; 7]),
        Errno::INVAL,
    )?;
    let unknown = TimerfdFlags::from_bits_retain(1);
    fails(
        "flags",
        timerfd_create(TimerfdClockId::Monotonic, unknown),
        Errno::INVAL,
    )
}

fn timer_wakes_poll() -> Verdict {
    let fd = timer(TimerfdClockId::Realtime)?;
    set(&fd, RELATIVE, 15 * MS, 15 * MS).told("settime")?;
    for _ in 0..3 {
        same("ready", ready(&fd, IN | OUT, 20_000)?, IN)?;
        check(take(&fd).told("read")? >= 1, || {
            "nothing counted".to_owned()
        })?;
    }
    Ok(())
}
