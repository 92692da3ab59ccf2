//! Timers: interval timers and those that programs make.

use berth_sys::audit::pause_ms;
use berth_sys::signals::{self, Action, Info, bit};
use berth_sys::timers::{self, Event, NONE, SIGNAL};
use rustix::io::Errno;
use rustix::thread::gettid;

use super::misc::monotonic;
use super::{Case, Told, Verdict, check, exits, fails, same};

const USR1: i32 = 10;
const ALRM: i32 = 14;
const VTALRM: i32 = 26;
const PROF: i32 = 27;
const RT: i32 = 36;
const REALTIME: i32 = 0;
const MONOTONIC: i32 = 1;
const PROCESS: i32 = 2;
const THREAD: i32 = 3;
const RAW: i32 = 4;
const BOOTTIME: i32 = 7;
const SECOND: i64 = 1_000_000_000;
/// SI_TIMER.
const TIMER: i32 = -2;
/// SI_KERNEL.
const KERNEL: i32 = 0x80;

pub const CASES: &[Case] = &[
    ("timers/alarm", alarm),
    ("timers/interval-repeats", interval_repeats),
    ("timers/interval-values", interval_values),
    ("timers/interval-is-refused", interval_is_refused),
    ("timers/interval-by-cpu-time", interval_by_cpu_time),
    (
        "timers/interval-is-not-inherited",
        interval_is_not_inherited,
    ),
    ("timers/signal-and-value", signal_and_value),
    ("timers/default-signal", default_signal),
    ("timers/only-asked", only_asked),
    ("timers/overruns", overruns),
    ("timers/absolute", absolute),
    ("timers/set-anew", set_anew),
    ("timers/to-a-thread", to_a_thread),
    ("timers/by-cpu-time", by_cpu_time),
    ("timers/refused", refused),
    ("timers/not-inherited", not_inherited),
    ("timers/ignored-and-caught-again", ignored_and_caught_again),
];

/// Waits for a signal that must come within ten seconds.
fn take(signal: i32) -> Result<Info, String> {
    signals::wait(bit(signal), Some(10 * SECOND)).told("sigwait")
}

fn block(signal: i32) -> Verdict {
    signals::set_mask(bit(signal)).told("sigprocmask")?;
    Ok(())
}

/// Uses so much CPU time, in user mode mostly.
pub fn burn(nanoseconds: i64) -> Verdict {
    let begin = timers::time(THREAD).told("clock")?;
    let mut sum = 0u64;
    while timers::time(THREAD).told("clock")? < begin.saturating_add(nanoseconds) {
        for number in 0..20_000u64 {
            sum = std::hint::black_box(sum ^ number);
        }
    }
    Ok(())
}

fn alarm() -> Verdict {
    block(ALRM)?;
    same("none", timers::alarm(100), 0)?;
    same("the first", timers::alarm(1), 100)?;
    let begin = monotonic();
    let info = take(ALRM)?;
    same("code", (info.code, info.pid), (KERNEL, 0))?;
    let passed = monotonic().saturating_sub(begin);
    check(passed >= SECOND / 2, || format!("after {passed} ns"))?;
    same("gone off", timers::alarm(0), 0)
}

fn interval_repeats() -> Verdict {
    block(ALRM)?;
    timers::set_interval(0, [0, 2000, 0, 1000]).told("setitimer")?;
    for _ in 0..3 {
        take(ALRM)?;
    }
    let old = timers::set_interval(0, [0; 4]).told("setitimer")?;
    same("interval", (old[0], old[1]), (0, 2000))?;
    check(old[2] == 0 && old[3] <= 2000, || format!("{old:?}"))?;
    pause_ms(5);
    let left = signals::wait(bit(ALRM), Some(0)).is_ok();
    let more = signals::wait(bit(ALRM), Some(0));
    check(more.is_err(), || format!("{left} {more:?}"))
}

fn interval_values() -> Verdict {
    for which in 0..3 {
        same("not set", timers::interval(which), Ok([0; 4]))?;
        let old = timers::set_interval(which, [7, 8, 1000, 9]).told("setitimer")?;
        same("it was", old, [0; 4])?;
        let now = timers::interval(which).told("getitimer")?;
        same("interval", (now[0], now[1]), (7, 8))?;
        check((990..=1000).contains(&now[2]), || format!("{now:?}"))?;
        timers::set_interval(which, [7, 8, 0, 0]).told("setitimer")?;
        let now = timers::interval(which).told("getitimer")?;
        same("disarmed", (now[2], now[3]), (0, 0))?;
    }
    Ok(())
}

fn interval_is_refused() -> Verdict {
    for which in [3, -1] {
        fails("getitimer", timers::interval(which), Errno::INVAL)?;
        fails(
            "setitimer",
            timers::set_interval(which, [0; 4]),
            Errno::INVAL,
        )?;
    }
    for wrong in [[0, 1_000_000, 1, 0], [0, 0, -1, 0], [0, -1, 1, 0]] {
        fails("value", timers::set_interval(0, wrong), Errno::INVAL)?;
    }
    Ok(())
}

fn interval_by_cpu_time() -> Verdict {
    for (which, signal) in [(1, VTALRM), (2, PROF)] {
        block(signal)?;
        timers::set_interval(which, [0, 0, 0, 30_000]).told("setitimer")?;
        pause_ms(60);
        let early = signals::wait(bit(signal), Some(0));
        fails("while asleep", early, Errno::AGAIN)?;
        burn(60_000_000)?;
        same("code", take(signal)?.code, KERNEL)?;
        same("once", timers::interval(which), Ok([0; 4]))?;
        timers::set_interval(which, [0, 10_000, 0, 10_000]).told("setitimer")?;
        for _ in 0..2 {
            burn(30_000_000)?;
            take(signal)?;
        }
        timers::set_interval(which, [0; 4]).told("setitimer")?;
    }
    Ok(())
}

fn interval_is_not_inherited() -> Verdict {
    let _ = timers::alarm(100);
    exits(0, || i32::from(timers::alarm(0) != 0))?;
    check(timers::alarm(0) > 90, || "lost".to_owned())
}

fn signal_and_value() -> Verdict {
    block(RT)?;
    for clock in [REALTIME, MONOTONIC, BOOTTIME] {
        let timer = timers::create(clock, Some(Event::new(SIGNAL, RT, 0xfeed_beef_0000_1234)));
        let timer = timer.told("timer_create")?;
        timers::set(timer, false, [0, 0, 0, 1_000_000]).told("timer_settime")?;
        let info = take(RT)?;
        same("signal and code", (info.signal, info.code), (RT, TIMER))?;
        same("value", info.value, 0xfeed_beef_0000_1234)?;
        same("timer and overrun", (info.pid, info.uid), (timer, 0))?;
        same("gone off", timers::get(timer), Ok([0; 4]))?;
        timers::delete(timer).told("timer_delete")?;
        fails("deleted", timers::get(timer), Errno::INVAL)?;
    }
    Ok(())
}

fn default_signal() -> Verdict {
    block(ALRM)?;
    let timers = [
        timers::create(MONOTONIC, None),
        timers::create(MONOTONIC, None),
    ];
    let [Ok(first), Ok(second)] = timers else {
        return Err(format!("{timers:?}"));
    };
    check(first != second, || format!("both are {first}"))?;
    timers::set(second, false, [0, 0, 0, 1]).told("timer_settime")?;
    let info = take(ALRM)?;
    same("code", info.code, TIMER)?;
    same("value", info.value as u32, second.unsigned_abs())
}

fn only_asked() -> Verdict {
    let timer = timers::create(MONOTONIC, Some(Event::new(NONE, 0, 0))).told("timer_create")?;
    timers::set(timer, false, [0, 0, 100, 0]).told("timer_settime")?;
    let left = timers::get(timer).told("timer_gettime")?;
    check((90..=100).contains(&left[2]), || format!("{left:?}"))?;
    timers::set(timer, false, [0, 0, 0, 1]).told("timer_settime")?;
    pause_ms(2);
    same("passed", timers::get(timer), Ok([0; 4]))?;
    timers::set(timer, false, [3600, 0, 0, 1]).told("timer_settime")?;
    pause_ms(2);
    let left = timers::get(timer).told("timer_gettime")?;
    check((3500..=3600).contains(&left[2]), || format!("{left:?}"))
}

fn overruns() -> Verdict {
    block(RT)?;
    let timer = timers::create(MONOTONIC, Some(Event::new(SIGNAL, RT, 1))).told("timer_create")?;
    timers::set(timer, false, [0, 1_000_000, 0, 1_000_000]).told("timer_settime")?;
    pause_ms(30);
    let info = take(RT)?;
    check(info.uid >= 20, || format!("{} overruns", info.uid))?;
    same("the call", timers::overrun(timer), Ok(info.uid as u64))?;
    take(RT)?;
    timers::set(timer, false, [0; 4]).told("timer_settime")?;
    same("set anew", timers::overrun(timer), Ok(0))
}

fn absolute() -> Verdict {
    block(RT)?;
    for clock in [REALTIME, MONOTONIC] {
        let timer = timers::create(clock, Some(Event::new(SIGNAL, RT, 1))).told("timer_create")?;
        let now = timers::time(clock).told("clock")?;
        let then = now.saturating_add(5_000_000);
        let spec = [0, 0, then / SECOND, then % SECOND];
        timers::set(timer, true, spec).told("timer_settime")?;
        take(RT)?;
        let passed = timers::time(clock).told("clock")?.saturating_sub(now);
        check(passed >= 5_000_000, || format!("after {passed} ns"))?;
        // What has passed is at once.
        timers::set(timer, true, [0, 0, 0, 1]).told("timer_settime")?;
        take(RT)?;
    }
    Ok(())
}

fn set_anew() -> Verdict {
    block(RT)?;
    let timer = timers::create(MONOTONIC, Some(Event::new(SIGNAL, RT, 1))).told("timer_create")?;
    let old = timers::set(timer, false, [5, 6, 100, 0]).told("timer_settime")?;
    same("it was", old, [0; 4])?;
    let old = timers::set(timer, false, [0; 4]).told("timer_settime")?;
    same("interval", (old[0], old[1]), (5, 6))?;
    check((90..=100).contains(&old[2]), || format!("{old:?}"))?;
    let now = timers::get(timer).told("timer_gettime")?;
    same("disarmed", (now[2], now[3]), (0, 0))
}

fn to_a_thread() -> Verdict {
    signals::action(RT, Some(Action::record(0, 0)), 8).told("sigaction")?;
    let other = std::thread::spawn(|| {
        let event = Event::to_thread(gettid().as_raw_nonzero().get(), RT, 9);
        let timer = timers::create(MONOTONIC, Some(event))?;
        timers::set(timer, false, [0, 0, 0, 5_000_000])?;
        while signals::records().is_empty() {
            std::thread::yield_now();
        }
        Ok(event.thread)
    });
    let tid: Result<i32, Errno> = other.join().map_err(|_| "panic")?;
    let tid = tid.told("timer")?;
    let record = signals::records().first().copied().ok_or("no record")?;
    same("taken by", record.tid, tid as u64)?;
    same(
        "code and value",
        (record.info.code, record.info.value),
        (TIMER, 9),
    )?;
    let event = Event::to_thread(1, RT, 9);
    fails(
        "another's",
        timers::create(MONOTONIC, Some(event)),
        Errno::INVAL,
    )
}

fn by_cpu_time() -> Verdict {
    block(RT)?;
    let own = timers::cpu_clock(gettid().as_raw_nonzero().get(), true);
    for clock in [PROCESS, THREAD, own] {
        let timer = timers::create(clock, Some(Event::new(SIGNAL, RT, 1))).told("timer_create")?;
        timers::set(timer, false, [0, 0, 0, 20_000_000]).told("timer_settime")?;
        pause_ms(40);
        let early = signals::wait(bit(RT), Some(0));
        fails("while asleep", early, Errno::AGAIN)?;
        burn(40_000_000)?;
        take(RT)?;
        timers::delete(timer).told("timer_delete")?;
    }
    Ok(())
}

fn refused() -> Verdict {
    let event = |how, signal| Some(Event::new(how, signal, 0));
    fails("clock", timers::create(99, None), Errno::INVAL)?;
    fails("raw clock", timers::create(RAW, None), Errno::OPNOTSUPP)?;
    fails("coarse clock", timers::create(6, None), Errno::OPNOTSUPP)?;
    fails(
        "how",
        timers::create(MONOTONIC, event(9, USR1)),
        Errno::INVAL,
    )?;
    for signal in [0, 65, -1] {
        let made = timers::create(MONOTONIC, event(SIGNAL, signal));
        fails("signal", made, Errno::INVAL)?;
    }
    fails("no timer", timers::get(77), Errno::INVAL)?;
    fails("no timer", timers::set(77, false, [0; 4]), Errno::INVAL)?;
    fails("no timer", timers::overrun(77), Errno::INVAL)?;
    fails("no timer", timers::delete(77), Errno::INVAL)?;
    let timer = timers::create(MONOTONIC, event(NONE, 0)).told("timer_create")?;
    for wrong in [[0, SECOND, 1, 0], [0, 0, -1, 0], [0, 0, 1, -1]] {
        fails("value", timers::set(timer, false, wrong), Errno::INVAL)?;
    }
    Ok(())
}

fn not_inherited() -> Verdict {
    let timer = timers::create(MONOTONIC, None).told("timer_create")?;
    exits(0, move || {
        i32::from(timers::get(timer) != Err(Errno::INVAL))
    })?;
    timers::get(timer).told("still there")?;
    Ok(())
}

fn ignored_and_caught_again() -> Verdict {
    let set = |action| signals::action(RT, Some(action), 8).told("sigaction");
    set(Action::IGNORE)?;
    let timer = timers::create(MONOTONIC, Some(Event::new(SIGNAL, RT, 1))).told("timer_create")?;
    timers::set(timer, false, [0, 2_000_000, 0, 1_000_000]).told("timer_settime")?;
    pause_ms(10);
    set(Action::record(0, 0))?;
    let end = monotonic().saturating_add(10 * SECOND);
    while signals::records().len() < 2 {
        check(monotonic() < end, || "it stands still".to_owned())?;
        pause_ms(1);
    }
    Ok(())
}
