//! Clocks, sleeping by them, and limits on CPU time.

use std::sync::atomic::{AtomicBool, Ordering};

use berth_sys::audit::pause_ms;
use berth_sys::signals::{self, Action};
use berth_sys::timers;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{Uid, set_thread_uid};

use super::misc::monotonic;
use super::timers::burn;
use super::{Case, Told, Verdict, check, child, dies, ended, exits, fails, same};

const SECOND: i64 = 1_000_000_000;
const PROCESS: i32 = 2;
const THREAD: i32 = 3;
const XCPU: i32 = 24;

pub const CASES: &[Case] = &[
    ("timers/clocks", clocks),
    ("timers/cpu-clocks-of-others", cpu_clocks_of_others),
    ("timers/sleep-by-clocks", sleep_by_clocks),
    ("timers/sleep-is-refused", sleep_is_refused),
    ("timers/sleep-by-cpu-time", sleep_by_cpu_time),
    ("timers/time-is-not-everybodys", time_is_not_everybodys),
    ("timers/cpu-time-is-limited", cpu_time_is_limited),
    ("timers/times", times),
];

fn clocks() -> Verdict {
    // All that clock_gettime(2) names but those that wake a machine.
    for clock in [0, 1, 2, 3, 4, 5, 6, 7, 11] {
        let what = format!("clock {clock}");
        let begin = timers::time(clock).told(&what)?;
        check(begin >= 0, || format!("{what}: {begin}"))?;
        check(timers::time(clock).told(&what)? >= begin, || {
            format!("{what} goes back")
        })?;
        let step = timers::resolution(clock).told(&what)?;
        check((1..=10_000_000).contains(&step), || {
            format!("{what}: {step} ns")
        })?;
    }
    for clock in [10, 12, 99, -1] {
        fails(&format!("clock {clock}"), timers::time(clock), Errno::INVAL)?;
        fails(
            &format!("clock {clock}"),
            timers::resolution(clock),
            Errno::INVAL,
        )?;
    }
    let (wall, boot) = (timers::time(0).told("wall")?, timers::time(7).told("boot")?);
    check(wall > boot, || format!("{wall} and {boot}"))
}

fn cpu_clocks_of_others() -> Verdict {
    let pid = child(|| {
        let _ = burn(20_000_000);
        pause_ms(60_000);
        0
    })?;
    let number = pid.as_raw_nonzero().get();
    let clock = timers::cpu_clock(number, false);
    let end = monotonic().saturating_add(20 * SECOND);
    while timers::time(clock).told("a child's clock")? < 20_000_000 {
        check(monotonic() < end, || "it stands still".to_owned())?;
        pause_ms(1);
    }
    // Threads of others are nobody's business.
    let threads = timers::cpu_clock(number, true);
    fails("a child's thread", timers::time(threads), Errno::INVAL)?;
    let nobody = timers::cpu_clock(i32::MAX / 16, false);
    fails("nobody's", timers::time(nobody), Errno::INVAL)?;
    timers::time(timers::cpu_clock(0, true)).told("one's own")?;
    signals::kill(number, 9).told("kill")?;
    ended(pid)?;
    fails("an ended child's", timers::time(clock), Errno::INVAL)
}

fn sleep_by_clocks() -> Verdict {
    for clock in [0, 1, 7, 11] {
        let begin = timers::time(clock).told("clock")?;
        timers::sleep(clock, false, [0, 2_000_000])
            .0
            .told("for a time")?;
        let then = begin.saturating_add(4_000_000);
        timers::sleep(clock, true, [then / SECOND, then % SECOND])
            .0
            .told("until then")?;
        let now = timers::time(clock).told("clock")?;
        check(now >= then, || format!("clock {clock}: {now}, not {then}"))?;
        timers::sleep(clock, true, [0, 1]).0.told("long passed")?;
    }
    Ok(())
}

fn sleep_is_refused() -> Verdict {
    for clock in [4, 5, 6] {
        let result = timers::sleep(clock, false, [0, 1]).0;
        fails(&format!("clock {clock}"), result, Errno::OPNOTSUPP)?;
    }
    fails("no clock", timers::sleep(99, false, [0, 1]).0, Errno::INVAL)?;
    fails(
        "nanoseconds",
        timers::sleep(1, false, [0, SECOND]).0,
        Errno::INVAL,
    )?;
    fails("seconds", timers::sleep(1, false, [-1, 0]).0, Errno::INVAL)?;
    let own = timers::cpu_clock(0, true);
    fails(
        "one's own time",
        timers::sleep(own, false, [0, 1]).0,
        Errno::INVAL,
    )
}

fn sleep_by_cpu_time() -> Verdict {
    static DONE: AtomicBool = AtomicBool::new(false);
    let busy = std::thread::spawn(|| {
        while !DONE.load(Ordering::SeqCst) {
            std::hint::spin_loop();
        }
    });
    let begin = timers::time(PROCESS).told("clock")?;
    let slept = timers::sleep(PROCESS, false, [0, 20_000_000]).0;
    let used = timers::time(PROCESS).told("clock")?.saturating_sub(begin);
    DONE.store(true, Ordering::SeqCst);
    busy.join().map_err(|_| "panic")?;
    slept.told("sleep")?;
    check(used >= 20_000_000, || format!("after {used} ns"))
}

fn time_is_not_everybodys() -> Verdict {
    fails(
        "the monotonic clock",
        timers::set_time(1, [1, 0]),
        Errno::INVAL,
    )?;
    fails("no time", timers::set_time(0, [1, SECOND]), Errno::INVAL)?;
    exits(0, || {
        // Without privileges, when it has any.
        let _ = set_thread_uid(Uid::from_raw(1000));
        i32::from(timers::set_time(0, [1, 0]) != Err(Errno::PERM))
    })
}

fn cpu_time_is_limited() -> Verdict {
    dies(9, || {
        let limit = Rlimit {
            current: Some(1),
            maximum: Some(2),
        };
        let set = setrlimit(Resource::Cpu, limit).told("setrlimit");
        let caught = signals::action(XCPU, Some(Action::record(0, 0)), 8);
        if set.is_err() || caught.is_err() || burn(1_500_000_000).is_err() {
            return;
        }
        if signals::records().is_empty() {
            return;
        }
        let _ = burn(10 * SECOND);
    })?;
    dies(XCPU, || {
        let limit = Rlimit {
            current: Some(1),
            maximum: Some(100),
        };
        if setrlimit(Resource::Cpu, limit).is_ok() {
            let _ = burn(3 * SECOND);
        }
    })
}

fn times() -> Verdict {
    burn(30_000_000)?;
    let before = timers::times().told("times")?;
    check(before[0].saturating_add(before[1]) >= 1, || {
        format!("{before:?}")
    })?;
    same("no children yet", (before[2], before[3]), (0, 0))?;
    exits(0, || i32::from(burn(60_000_000).is_err()))?;
    let after = timers::times().told("times")?;
    check(after[2].saturating_add(after[3]) >= 3, || {
        format!("{after:?}")
    })?;
    check(timers::time(THREAD).told("clock")? < SECOND, || {
        "too much".to_owned()
    })
}
