//! Sending signals, and how they wait.

use berth_sys::signals::{self, Action, Info, bit};
use berth_sys::timers;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getpid, getppid, getuid, setpgid, setrlimit};
use rustix::thread::gettid;

use super::{Case, Told, Verdict, check, child, dies, ended, exits, fails, same};

const HUP: i32 = 1;
const USR1: i32 = 10;
const USR2: i32 = 12;
const PIPE: i32 = 13;
const TERM: i32 = 15;
const CHLD: i32 = 17;
const CONT: i32 = 18;
const TSTP: i32 = 20;
/// The lowest real-time signal that no C library uses.
const RT: i32 = 35;
const EVERYTHING: u64 = u64::MAX;

pub const CASES: &[Case] = &[
    ("signals/action-comes-back", action_comes_back),
    ("signals/unknown-flags-are-cleared", unknown_flags),
    ("signals/no-such-action", no_such_action),
    ("signals/value-comes-along", value_comes_along),
    ("signals/real-time-in-order", real_time_in_order),
    ("signals/wait-takes-one", wait_takes_one),
    ("signals/wait-is-never-made-again", wait_is_never_made_again),
    ("signals/wait-ends-when-continued", wait_ends_when_continued),
    ("signals/pause-goes-on-when-continued", pause_goes_on),
    ("signals/thread-is-meant", thread_is_meant),
    ("signals/nobody-is-meant", nobody_is_meant),
    ("signals/origin-is-not-forged", origin_is_not_forged),
    ("signals/queue-is-limited", queue_is_limited),
    ("signals/group", group),
    (
        "signals/continue-takes-stops-back",
        continue_takes_stops_back,
    ),
    ("signals/default-actions", default_actions),
    ("signals/ignored-children-are-reaped", ignored_children),
    ("signals/unwaited-children-are-told", unwaited_children),
    ("signals/child-is-told", child_is_told),
    ("signals/stop-is-told", stop_is_told),
    ("signals/stop-is-not-told", stop_is_not_told),
    ("signals/broken-pipe", broken_pipe),
    (
        "signals/exec-keeps-what-is-ignored",
        exec_keeps_what_is_ignored,
    ),
];

fn me() -> i32 {
    getpid().as_raw_nonzero().get()
}

fn set(signal: i32, action: Action) -> Verdict {
    signals::action(signal, Some(action), 8).told("sigaction")?;
    Ok(())
}

fn block(mask: u64) -> Result<u64, String> {
    signals::set_mask(mask).told("sigprocmask")
}

fn action_comes_back() -> Verdict {
    let new = Action::record(0x1000_0000, bit(TERM) | bit(9));
    set(USR1, new)?;
    let old = signals::action(USR1, Some(Action::IGNORE), 8).told("sigaction")?;
    // Nobody blocks SIGKILL.
    same("action", old, Action::record(0x1000_0000, bit(TERM)))?;
    let old = signals::action(USR1, None, 8).told("sigaction")?;
    check(old.is_ignore(), || format!("{old:?}"))
}

fn unknown_flags() -> Verdict {
    const UNSUPPORTED: u64 = 0x400;
    const EXPOSE_TAGBITS: u64 = 0x800;
    let flags = UNSUPPORTED | EXPOSE_TAGBITS | 0x100 | 1 << 40;
    let new = Action::record(flags, 0);
    set(USR1, new)?;
    let old = signals::action(USR1, None, 8).told("sigaction")?;
    same("flags", old.flags, Action::record(EXPOSE_TAGBITS, 0).flags)
}

fn no_such_action() -> Verdict {
    for signal in [0, 65, -1] {
        let what = format!("signal {signal}");
        fails(&what, signals::action(signal, None, 8), Errno::INVAL)?;
    }
    fails("size", signals::action(USR1, None, 4), Errno::INVAL)?;
    for signal in [9, 19] {
        let set = signals::action(signal, Some(Action::IGNORE), 8);
        fails("unblockable", set, Errno::INVAL)?;
        signals::action(signal, None, 8).told("asking")?;
    }
    Ok(())
}

fn value_comes_along() -> Verdict {
    set(RT, Action::record(0, 0))?;
    let mut info = Info::new(-1, 99, 0x1122_3344_5566_7788);
    info.uid = 77;
    signals::queue(me(), RT, info).told("sigqueue")?;
    let records = signals::records();
    let got = records.first().ok_or("no record")?.info;
    same("signal", got.signal, RT)?;
    same("code", got.code, -1)?;
    same("value", got.value, 0x1122_3344_5566_7788)?;
    same("pid and uid", (got.pid, got.uid), (99, 77))
}

fn real_time_in_order() -> Verdict {
    block(EVERYTHING)?;
    let sent = [(RT + 2, 1), (RT, 2), (RT + 2, 3), (RT, 4), (RT + 1, 5)];
    for (signal, value) in sent {
        signals::queue(me(), signal, Info::new(-1, me(), value)).told("sigqueue")?;
    }
    signals::kill(me(), USR1).told("kill")?;
    signals::kill(me(), USR1).told("kill")?;
    let mut got = Vec::new();
    while let Ok(info) = signals::wait(EVERYTHING, Some(0)) {
        got.push((info.signal, info.value));
    }
    let lowest_first: Vec<i32> = got.iter().map(|g| g.0).collect();
    same(
        "signals",
        lowest_first,
        vec![USR1, RT, RT, RT + 1, RT + 2, RT + 2],
    )?;
    let values: Vec<u64> = got.iter().skip(1).map(|g| g.1).collect();
    same("values", values, vec![2, 4, 5, 1, 3])?;
    same("pending", signals::pending(), Ok(0))
}

fn wait_takes_one() -> Verdict {
    block(EVERYTHING)?;
    fails(
        "nothing there",
        signals::wait(bit(USR1), Some(0)),
        Errno::AGAIN,
    )?;
    fails(
        "in time",
        signals::wait(bit(USR1), Some(2_000_000)),
        Errno::AGAIN,
    )?;
    fails("no time", signals::wait(bit(USR1), Some(-1)), Errno::INVAL)?;
    let parent = me();
    let pid = child(|| {
        berth_sys::audit::pause_ms(20);
        i32::from(signals::kill(parent, USR1).is_err())
    })?;
    let info = signals::wait(bit(USR1) | bit(USR2), None).told("sigwait")?;
    same("signal and code", (info.signal, info.code), (USR1, 0))?;
    same("pid", info.pid, pid.as_raw_nonzero().get())?;
    same("uid", info.uid.unsigned_abs(), getuid().as_raw())?;
    same(
        "pending",
        signals::pending().map(|set| set & bit(USR1)),
        Ok(0),
    )?;
    same("exit", ended(pid)?.exit_status(), Some(0))
}

fn wait_is_never_made_again() -> Verdict {
    const RESTART: u64 = 0x1000_0000;
    set(USR1, Action::record(RESTART, 0))?;
    block(bit(USR2))?;
    let parent = me();
    let pid = child(|| {
        berth_sys::audit::pause_ms(20);
        i32::from(signals::kill(parent, USR1).is_err())
    })?;
    fails("sigwait", signals::wait(bit(USR2), None), Errno::INTR)?;
    same("handled", signals::records().len(), 1)?;
    same("exit", ended(pid)?.exit_status(), Some(0))
}

/// A child does `work`; it is stopped and continued, and then ended by SIGTERM if it goes on. Its
/// wait status.
fn stopped_and_continued(work: impl FnOnce() -> i32) -> Result<i32, String> {
    use berth_sys::threads::{wait4, waitid};
    let number = child(work)?.as_raw_nonzero().get();
    berth_sys::audit::pause_ms(20);
    signals::kill(number, 19).told("kill")?;
    same("stopped", wait4(number, 2).told("wait")?.1, 0x137f)?;
    signals::kill(number, CONT).told("kill")?;
    let ended = || waitid(1, number, 1 | 4 | 0x0100_0000).is_ok_and(|info| info.pid != 0);
    for _ in 0..100 {
        if ended() {
            break;
        }
        berth_sys::audit::pause_ms(1);
    }
    let _ = signals::kill(number, TERM);
    Ok(wait4(number, 0).told("wait")?.1)
}

fn wait_ends_when_continued() -> Verdict {
    let status = stopped_and_continued(|| {
        let result = signals::wait(bit(USR1), None);
        if result == Err(Errno::INTR) { 7 } else { 1 }
    })?;
    same("status", status, 7 << 8)
}

fn pause_goes_on() -> Verdict {
    let status = stopped_and_continued(|| i32::from(signals::pause().is_err()))?;
    same("status", status, TERM)
}

fn thread_is_meant() -> Verdict {
    set(USR1, Action::record(0, 0))?;
    let own = gettid().as_raw_nonzero().get();
    signals::tgkill(me(), own, USR1).told("tgkill")?;
    signals::tkill(own, USR1).told("tkill")?;
    signals::queue_thread(me(), own, USR1, Info::new(-1, 5, 6)).told("queue")?;
    let codes: Vec<i32> = signals::records().iter().map(|r| r.info.code).collect();
    same("codes", codes, vec![-6, -6, -1])?;
    let sender = signals::records().first().map(|r| r.info.pid);
    same("sender", sender, Some(me()))?;
    fails("thread 0", signals::tkill(0, USR1), Errno::INVAL)?;
    fails("process 0", signals::tgkill(0, own, USR1), Errno::INVAL)?;
    fails("other process", signals::tgkill(1, own, USR1), Errno::SRCH)?;
    fails("no signal", signals::tkill(own, 65), Errno::INVAL)?;
    signals::tkill(own, 0).told("asking")
}

fn nobody_is_meant() -> Verdict {
    const NOBODY: i32 = i32::MAX;
    fails("no signal", signals::kill(me(), 65), Errno::INVAL)?;
    fails("negative", signals::kill(me(), -1), Errno::INVAL)?;
    fails("nobody", signals::kill(NOBODY, USR1), Errno::SRCH)?;
    // Who is meant is looked at before what.
    fails(
        "nobody and no signal",
        signals::kill(NOBODY, 65),
        Errno::SRCH,
    )?;
    fails("no group", signals::kill(-NOBODY, USR1), Errno::SRCH)?;
    fails("no number", signals::kill(i32::MIN, USR1), Errno::SRCH)?;
    signals::kill(me(), 0).told("asking")?;
    // A process that has ended and is not waited for is still there.
    let pid = child(|| 0)?;
    let number = pid.as_raw_nonzero().get();
    berth_sys::threads::waitid(1, number, 4 | 0x0100_0000).told("waitid")?;
    signals::kill(number, USR1).told("to a zombie")?;
    same("exit", ended(pid)?.exit_status(), Some(0))?;
    fails("waited for", signals::kill(number, USR1), Errno::SRCH)
}

fn origin_is_not_forged() -> Verdict {
    let parent = getppid().ok_or("no parent")?.as_raw_nonzero().get();
    for code in [0, 0x80, -6] {
        let info = Info::new(code, 1, 0);
        fails(
            "to the parent",
            signals::queue(parent, 0, info),
            Errno::PERM,
        )?;
        fails("to nobody", signals::queue(i32::MAX, 0, info), Errno::PERM)?;
        signals::queue(me(), 0, info).told("to itself")?;
    }
    signals::queue(parent, 0, Info::new(-1, 1, 0)).told("as it may")?;
    let nobody = signals::queue(i32::MAX, 0, Info::new(-1, 1, 0));
    fails("nobody", nobody, Errno::SRCH)
}

fn queue_is_limited() -> Verdict {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Sigpending, none).told("setrlimit")?;
    block(EVERYTHING)?;
    let queue = |signal| signals::queue(me(), signal, Info::new(-1, me(), 1));
    fails("real-time", queue(RT), Errno::AGAIN)?;
    fails("a timer", timers::create(1, None), Errno::AGAIN)?;
    // Standard signals are not counted, and kill(2) never fails for want of room.
    queue(USR1).told("standard")?;
    signals::kill(me(), RT).told("kill")?;
    let both = bit(USR1) | bit(RT);
    same(
        "pending",
        signals::pending().map(|set| set & both),
        Ok(both),
    )
}

fn group() -> Verdict {
    setpgid(None, None).told("setpgid")?;
    set(USR1, Action::record(0, 0))?;
    let sleeper = || child(|| i32::from(signals::pause().is_ok()));
    set(USR2, Action::DEFAULT)?;
    let two = [sleeper()?, sleeper()?];
    set(USR2, Action::IGNORE)?;
    signals::kill(0, USR2).told("kill 0")?;
    for pid in two {
        same("signal", ended(pid)?.terminating_signal(), Some(USR2))?;
    }
    signals::kill(-me(), USR1).told("kill the group")?;
    same("handled", signals::records().len(), 1)
}

fn continue_takes_stops_back() -> Verdict {
    block(EVERYTHING)?;
    let stops = bit(TSTP) | bit(21) | bit(22);
    let pending = |of: u64| signals::pending().map(|set| set & of);
    for stop in [TSTP, 21, 22] {
        signals::kill(me(), stop).told("kill")?;
    }
    same("stops", pending(stops), Ok(stops))?;
    signals::kill(me(), CONT).told("kill")?;
    same("stops after", pending(stops | bit(CONT)), Ok(bit(CONT)))?;
    signals::kill(me(), TSTP).told("kill")?;
    same("continue", pending(stops | bit(CONT)), Ok(bit(TSTP)))
}

/// What each signal does to who has no action for it (signal(7)).
fn default_actions() -> Verdict {
    let ignored = [CHLD, CONT, 23, 28];
    let stops = [19, TSTP, 21, 22];
    for signal in 1..=64 {
        let pid = child(move || {
            let _ = setpgid(None, None);
            let _ = signals::action(signal, Some(Action::DEFAULT), 8);
            let _ = signals::set_mask(0);
            let _ = signals::kill(me(), signal);
            5
        })?;
        let number = pid.as_raw_nonzero().get();
        let (_, status, _) = berth_sys::threads::wait4(number, 2).told("wait")?;
        let wanted = match signal {
            _ if ignored.contains(&signal) => 5 << 8,
            _ if stops.contains(&signal) => signal << 8 | 0x7f,
            _ => signal,
        };
        // Whether there is a core dump is up to the limits.
        let ends = status & 0x7f != 0 && status & 0x7f != 0x7f;
        let status = if ends { status & !0x80 } else { status };
        same(&format!("signal {signal}"), status, wanted)?;
        if status & 0xff == 0x7f {
            signals::kill(number, 9).told("kill")?;
            ended(pid)?;
        }
    }
    Ok(())
}

fn ignored_children() -> Verdict {
    set(CHLD, Action::IGNORE)?;
    block(bit(CHLD))?;
    child(|| 3)?;
    fails("wait", berth_sys::threads::wait4(-1, 0), Errno::CHILD)?;
    same(
        "pending",
        signals::pending().map(|set| set & bit(CHLD)),
        Ok(0),
    )
}

fn unwaited_children() -> Verdict {
    const NOCLDWAIT: u64 = 2;
    set(CHLD, Action::record(NOCLDWAIT | 0x1000_0000, 0))?;
    child(|| 3)?;
    fails("wait", berth_sys::threads::wait4(-1, 0), Errno::CHILD)?;
    same("told", signals::records().len(), 1)
}

fn child_is_told() -> Verdict {
    block(bit(CHLD))?;
    let told = |work: fn() -> i32| -> Result<(i32, i32, bool), String> {
        let pid = child(work)?;
        let info = signals::wait(bit(CHLD), None).told("sigwait")?;
        ended(pid)?;
        same("uid", info.uid.unsigned_abs(), getuid().as_raw())?;
        let right = info.pid == pid.as_raw_nonzero().get();
        Ok((info.code, info.status(), right))
    };
    same("exited", told(|| 300)?, (1, 300 & 0xff, true))?;
    let killed = told(|| {
        let _ = signals::kill(me(), HUP);
        0
    })?;
    same("killed", killed, (2, HUP, true))
}

fn stop_is_told() -> Verdict {
    block(bit(CHLD))?;
    let pid = child(|| i32::from(signals::pause().is_ok()))?;
    let number = pid.as_raw_nonzero().get();
    for (signal, code, status) in [(19, 5, 19), (CONT, 6, CONT), (9, 2, 9)] {
        signals::kill(number, signal).told("kill")?;
        let info = signals::wait(bit(CHLD), None).told("sigwait")?;
        let got = (info.code, info.status(), info.pid);
        same("code, status, pid", got, (code, status, number))?;
    }
    same("signal", ended(pid)?.terminating_signal(), Some(9))
}

fn stop_is_not_told() -> Verdict {
    const NOCLDSTOP: u64 = 1;
    set(CHLD, Action::record(NOCLDSTOP, 0))?;
    block(bit(CHLD))?;
    let pid = child(|| i32::from(signals::pause().is_ok()))?;
    let number = pid.as_raw_nonzero().get();
    signals::kill(number, 19).told("kill")?;
    same(
        "stopped",
        berth_sys::threads::wait4(number, 2).told("wait")?.1,
        0x137f,
    )?;
    same(
        "pending",
        signals::pending().map(|set| set & bit(CHLD)),
        Ok(0),
    )?;
    signals::kill(number, 9).told("kill")?;
    let info = signals::wait(bit(CHLD), None).told("sigwait")?;
    same("code", info.code, 2)?;
    same("signal", ended(pid)?.terminating_signal(), Some(9))
}

fn broken_pipe() -> Verdict {
    let write = || {
        let (reader, writer) = crate::small::pipe().told("pipe")?;
        drop(reader);
        Ok::<_, String>(rustix::io::write(&writer, b"x"))
    };
    set(PIPE, Action::record(0, 0))?;
    fails("write", write()?, Errno::PIPE)?;
    let info = signals::records().first().ok_or("no signal")?.info;
    same("code and pid", (info.code, info.pid), (0, me()))?;
    set(PIPE, Action::IGNORE)?;
    fails("ignoring", write()?, Errno::PIPE)?;
    dies(PIPE, || {
        let _ = signals::action(PIPE, Some(Action::DEFAULT), 8);
        let _ = write();
    })
}

/// What `probe signals` must say after an execve (see [`after_exec`]).
const KEPT: i32 = 42;

fn exec_keeps_what_is_ignored() -> Verdict {
    exits(KEPT, || {
        let prepared = set(USR1, Action::IGNORE)
            .and_then(|()| set(USR2, Action::record(0, 0)))
            .and_then(|()| timers::create(1, None).told("timer"))
            .and_then(|_| block(bit(TERM) | bit(HUP)))
            .and_then(|_| signals::kill(me(), HUP).told("kill"));
        if prepared.is_err() {
            return 1;
        }
        let _ = timers::alarm(1000);
        let _ = berth_sys::threads::exec("/proc/self/exe", &["probe", "after-exec"]);
        2
    })
}

/// Exits with 42 if this program was started as `exec_keeps_what_is_ignored` does and has of its
/// forerunner what execve(2) says.
pub fn after_exec() -> i32 {
    let action = |signal| signals::action(signal, None, 8).unwrap_or_default();
    let kept = action(USR1).is_ignore()
        && !action(USR2).is_handler()
        && signals::set_mask(EVERYTHING) == Ok(bit(TERM) | bit(HUP))
        && signals::pending() == Ok(bit(HUP));
    let timers_are_right = timers::get(0) == Err(Errno::INVAL) && timers::alarm(0) > 900;
    if kept && timers_are_right { KEPT } else { 3 }
}
