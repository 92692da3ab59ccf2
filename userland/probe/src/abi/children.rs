//! Waiting for children.

use berth_sys::audit::pause_ms;
use berth_sys::signals::{self, Info};
use berth_sys::threads::{clone, set_subreaper, wait4, waitid};
use rustix::io::Errno;
use rustix::process::{getpid, getppid, getuid, setpgid};

use super::timers::burn;
use super::{Case, Told, Verdict, check, child, ended, fails, same};

const NOHANG: i32 = 1;
const STOPPED: i32 = 2;
const EXITED: i32 = 4;
const CONTINUED: i32 = 8;
const NOWAIT: i32 = 0x0100_0000;
const ALL_KINDS: i32 = 0x4000_0000;
const CLONES: i32 = i32::MIN;
const P_ALL: i32 = 0;
const P_PID: i32 = 1;
const P_PGID: i32 = 2;

pub const CASES: &[Case] = &[
    ("children/options", options),
    ("children/nobody", nobody),
    ("children/information", information),
    ("children/looked-at-only", looked_at_only),
    ("children/stops-and-goes-on", stops_and_goes_on),
    ("children/by-group", by_group),
    ("children/clones", clones),
    ("children/usage", usage),
    ("children/wait-is-interrupted", || interrupted(0)),
    ("children/wait-goes-on", || interrupted(0x1000_0000)),
    ("children/subreaper", subreaper),
];

/// A child that waits until it is killed.
fn sleeper() -> Result<i32, String> {
    let pid = child(|| {
        pause_ms(600_000);
        0
    })?;
    Ok(pid.as_raw_nonzero().get())
}

fn options() -> Verdict {
    fails("wait4", wait4(-1, 1 << 10), Errno::INVAL)?;
    fails("wait4 as waitid", wait4(-1, NOWAIT), Errno::INVAL)?;
    fails("nothing wanted", waitid(P_ALL, 0, NOHANG), Errno::INVAL)?;
    fails("unknown", waitid(P_ALL, 0, EXITED | 1 << 10), Errno::INVAL)?;
    fails("kind", waitid(9, 0, EXITED), Errno::INVAL)?;
    fails("pid 0", waitid(P_PID, 0, EXITED), Errno::INVAL)?;
    fails("group -1", waitid(P_PGID, -1, EXITED), Errno::INVAL)
}

fn nobody() -> Verdict {
    fails("any", wait4(-1, 0), Errno::CHILD)?;
    fails("not a child", wait4(1, NOHANG), Errno::CHILD)?;
    fails("nobody", wait4(i32::MAX, 0), Errno::CHILD)?;
    fails("no number", wait4(i32::MIN, 0), Errno::SRCH)?;
    fails("waitid", waitid(P_ALL, 0, EXITED), Errno::CHILD)?;
    fails("own group", waitid(P_PGID, 0, EXITED), Errno::CHILD)?;
    let pid = sleeper()?;
    same("not yet", wait4(pid, NOHANG).map(|w| w.0), Ok(0))?;
    same(
        "nothing",
        waitid(P_PID, pid, EXITED | NOHANG),
        Ok(Info::default()),
    )?;
    signals::kill(pid, 9).told("kill")?;
    same("ended", wait4(pid, 0).map(|w| (w.0, w.1)), Ok((pid, 9)))
}

fn information() -> Verdict {
    let pid = child(|| 77)?.as_raw_nonzero().get();
    let info = waitid(P_PID, pid, EXITED).told("waitid")?;
    same(
        "signal, code, status",
        (info.signal, info.code, info.status()),
        (17, 1, 77),
    )?;
    same("pid", info.pid, pid)?;
    same("uid", info.uid.unsigned_abs(), getuid().as_raw())?;
    fails("once", waitid(P_PID, pid, EXITED), Errno::CHILD)
}

fn looked_at_only() -> Verdict {
    let pid = child(|| 5)?.as_raw_nonzero().get();
    for _ in 0..2 {
        let info = waitid(P_ALL, 0, EXITED | NOWAIT).told("waitid")?;
        same("pid and status", (info.pid, info.status()), (pid, 5))?;
    }
    same("taken", wait4(-1, 0).map(|w| (w.0, w.1)), Ok((pid, 5 << 8)))
}

fn stops_and_goes_on() -> Verdict {
    let pid = sleeper()?;
    let next = |options| waitid(P_PID, pid, options).map(|i| (i.code, i.status()));
    signals::kill(pid, 19).told("kill")?;
    same("stopped", next(STOPPED | NOWAIT), Ok((5, 19)))?;
    same("still", next(STOPPED), Ok((5, 19)))?;
    same("told once", next(STOPPED | NOHANG), Ok((0, 0)))?;
    signals::kill(pid, 18).told("kill")?;
    same("continued", next(CONTINUED), Ok((6, 18)))?;
    same("told once", next(CONTINUED | NOHANG), Ok((0, 0)))?;
    signals::kill(pid, 19).told("kill")?;
    same("stopped", wait4(pid, STOPPED).map(|w| w.1), Ok(0x137f))?;
    signals::kill(pid, 9).told("kill")?;
    same("killed", next(EXITED), Ok((2, 9)))
}

fn by_group() -> Verdict {
    let (first, second) = (sleeper()?, sleeper()?);
    let as_pid = rustix::process::Pid::from_raw;
    setpgid(as_pid(first), as_pid(first)).told("setpgid")?;
    setpgid(as_pid(second), as_pid(first)).told("setpgid")?;
    same("of the group", wait4(-first, NOHANG).map(|w| w.0), Ok(0))?;
    fails("of one's own", wait4(0, NOHANG), Errno::CHILD)?;
    signals::kill(-first, 9).told("kill")?;
    let mut got = [0; 2];
    for slot in &mut got {
        *slot = waitid(P_PGID, first, EXITED).told("waitid")?.pid;
    }
    got.sort_unstable();
    let mut wanted = [first, second];
    wanted.sort_unstable();
    same("both", got, wanted)
}

/// Children that do not send SIGCHLD are waited for only when asked for.
fn clones() -> Verdict {
    let silent = || -> Result<i32, String> {
        let pid = clone(0).told("clone")?;
        if pid == 0 {
            berth_sys::raw::exit(4);
        }
        Ok(pid)
    };
    let pid = silent()?;
    fails("not asked for", wait4(pid, 0), Errno::CHILD)?;
    same(
        "asked for",
        wait4(pid, CLONES).map(|w| (w.0, w.1)),
        Ok((pid, 4 << 8)),
    )?;
    let pid = silent()?;
    same(
        "any kind",
        wait4(pid, ALL_KINDS).map(|w| (w.0, w.1)),
        Ok((pid, 4 << 8)),
    )?;
    let pid = child(|| 1)?.as_raw_nonzero().get();
    fails("no clone", wait4(pid, CLONES), Errno::CHILD)?;
    same("left", wait4(pid, 0).map(|w| w.0), Ok(pid))
}

fn usage() -> Verdict {
    let pid = child(|| i32::from(burn(50_000_000).is_err()))?
        .as_raw_nonzero()
        .get();
    let (_, status, times) = wait4(pid, 0).told("wait4")?;
    same("status", status, 0)?;
    let all = times[0].saturating_add(times[1]);
    check((40_000..60_000_000).contains(&all), || {
        format!("{times:?} us")
    })
}

fn interrupted(flags: u64) -> Verdict {
    let action = berth_sys::signals::Action::record(flags, 0);
    signals::action(10, Some(action), 8).told("sigaction")?;
    let parent = getpid().as_raw_nonzero().get();
    let pid = child(|| {
        pause_ms(30);
        let sent = signals::kill(parent, 10);
        pause_ms(30);
        i32::from(sent.is_err())
    })?;
    let number = pid.as_raw_nonzero().get();
    let waited = wait4(number, 0);
    same("handled", signals::records().len(), 1)?;
    if flags == 0 {
        fails("wait4", waited, Errno::INTR)?;
        return same("exit", ended(pid)?.exit_status(), Some(0));
    }
    same("wait4", waited.map(|w| (w.0, w.1)), Ok((number, 0)))
}

fn subreaper() -> Verdict {
    set_subreaper(true).told("prctl")?;
    let own = getpid();
    let pid = child(|| {
        let grandchild = child(|| {
            // Until the parent has ended and somebody else is it.
            for _ in 0..5000 {
                if getppid() == Some(own) {
                    return 9;
                }
                pause_ms(1);
            }
            1
        });
        i32::from(grandchild.is_err())
    })?;
    same("exit", ended(pid)?.exit_status(), Some(0))?;
    let (adopted, status, _) = wait4(-1, 0).told("wait4")?;
    check(adopted != pid.as_raw_nonzero().get(), || {
        "the same".to_owned()
    })?;
    same("adopted", status, 9 << 8)
}
