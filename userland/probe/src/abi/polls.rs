//! Waiting for descriptors: poll(2), select(2).

use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};

use berth_sys::audit::pause_ms;
use berth_sys::events::{Time, ppoll, pselect, select};
use berth_sys::handler::{self, Manner};
use rustix::event::EventfdFlags;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, Signal, getpid, kill_process, setrlimit};

use super::events::{IN, OUT, add, counter, take};
use super::{Case, Told, Verdict, check, child, ended, fails, same};

pub const CASES: &[Case] = &[
    ("events/poll-odd-descriptors", odd_descriptors),
    ("events/poll-too-many", too_many),
    ("events/poll-hundreds", hundreds),
    ("events/poll-bad-times", bad_times),
    ("events/poll-interrupted", interrupted),
    ("events/poll-with-mask", with_mask),
    ("events/select-sets", select_sets),
    ("events/select-times", select_times),
    ("events/select-errors", select_errors),
    ("events/select-wakes-up", select_wakes_up),
    ("events/select-with-mask", select_with_mask),
];

const INVALID: i16 = 32;
const NOW: Time = [0, 0];

fn event(value: u32) -> Result<OwnedFd, String> {
    counter(value, EventfdFlags::NONBLOCK)
}

fn odd_descriptors() -> Verdict {
    let fd = event(1)?;
    let place = rustix::fs::open("/", OFlags::PATH, Mode::empty()).told("open")?;
    let dir = rustix::fs::open("/", OFlags::RDONLY, Mode::empty()).told("open")?;
    let mut set = [
        (-1, IN),
        (999, IN),
        (place.as_raw_fd(), IN),
        (dir.as_raw_fd(), IN | OUT),
        (fd.as_raw_fd(), 0),
        (fd.as_raw_fd(), OUT),
    ];
    same("count", ppoll(&mut set, Some(&NOW), None), Ok(4))?;
    let found = set.map(|entry| entry.1);
    same("events", found, [0, INVALID, INVALID, IN | OUT, 0, OUT])
}

fn too_many() -> Verdict {
    let few = Rlimit {
        current: Some(10),
        maximum: rustix::process::getrlimit(Resource::Nofile).maximum,
    };
    setrlimit(Resource::Nofile, few).told("setrlimit")?;
    let mut set = [(-1, IN); 10];
    same(
        "as many as there may be",
        ppoll(&mut set, Some(&NOW), None),
        Ok(0),
    )?;
    let mut set = [(-1, IN); 11];
    fails("one more", ppoll(&mut set, Some(&NOW), None), Errno::INVAL)
}

/// More than one trap looks at.
fn hundreds() -> Verdict {
    let fds: Vec<OwnedFd> = (0..700).map(|_| event(0)).collect::<Result<_, _>>()?;
    let ask = || {
        fds.iter()
            .map(|fd| (fd.as_raw_fd(), IN))
            .collect::<Vec<_>>()
    };
    same("none", ppoll(&mut ask(), Some(&NOW), None), Ok(0))?;
    let last = fds.last().ok_or("none")?;
    let pid = child(|| {
        pause_ms(20);
        i32::from(add(last, 1).is_err())
    })?;
    let mut set = ask();
    same("the last", ppoll(&mut set, Some(&[20, 0]), None), Ok(1))?;
    same("its events", set.last().map(|entry| entry.1), Some(IN))?;
    same("exit", ended(pid)?.exit_status(), Some(0))?;
    for fd in &fds {
        add(fd, 1).told("write")?;
    }
    same("all", ppoll(&mut ask(), Some(&NOW), None), Ok(700))?;
    let begin = super::misc::monotonic();
    for fd in &fds {
        take(fd).told("read")?;
    }
    same(
        "in time",
        ppoll(&mut ask(), Some(&[0, 20_000_000]), None),
        Ok(0),
    )?;
    let slept = super::misc::monotonic().saturating_sub(begin);
    check(slept >= 20_000_000, || format!("after {slept} ns already"))
}

fn bad_times() -> Verdict {
    for time in [[0, 1_000_000_000], [0, -1], [-1, 0]] {
        let what = format!("{time:?}");
        fails(&what, ppoll(&mut [], Some(&time), None), Errno::INVAL)?;
    }
    Ok(())
}

/// A handler ends it, whatever it asks for; a signal without one does not.
fn interrupted() -> Verdict {
    let fd = event(0)?;
    let parent = getpid();
    handler::count(10, Manner::Restart).told("sigaction")?;
    let pid = child(|| {
        pause_ms(20);
        i32::from(kill_process(parent, Signal::USR1).is_err())
    })?;
    let mut set = [(fd.as_raw_fd(), IN)];
    fails("ppoll", ppoll(&mut set, Some(&[20, 0]), None), Errno::INTR)?;
    same("exit", ended(pid)?.exit_status(), Some(0))?;
    let pid = child(|| {
        pause_ms(20);
        let stopped = kill_process(parent, Signal::STOP).is_ok();
        pause_ms(20);
        let went_on = kill_process(parent, Signal::CONT).is_ok();
        pause_ms(20);
        i32::from(!stopped || !went_on || add(&fd, 1).is_err())
    })?;
    let mut set = [(fd.as_raw_fd(), IN)];
    same(
        "stopped and continued",
        ppoll(&mut set, Some(&[20, 0]), None),
        Ok(1),
    )?;
    same("exit", ended(pid)?.exit_status(), Some(0))
}

fn with_mask() -> Verdict {
    handler::count(10, Manner::Interrupt).told("sigaction")?;
    handler::hold(10, true).told("sigprocmask")?;
    kill_process(getpid(), Signal::USR1).told("kill")?;
    same("blocked", ppoll(&mut [], Some(&NOW), None), Ok(0))?;
    fails(
        "let through",
        ppoll(&mut [], Some(&[20, 0]), Some(&0)),
        Errno::INTR,
    )?;
    same("handlers", handler::taken(10), 1)?;
    kill_process(getpid(), Signal::USR1).told("kill")?;
    same("held back again", handler::pending(10), Ok(true))
}

fn bit(fd: &impl AsRawFd) -> u64 {
    u32::try_from(fd.as_raw_fd()).map_or(0, |fd| 1u64.wrapping_shl(fd))
}

fn select_sets() -> Verdict {
    let (reader, mut writer) = crate::small::pipe().told("pipe")?;
    let both = bit(&reader) | bit(&writer);
    let mut sets = [both, both, both];
    let mut now = NOW;
    same("empty", select(64, &mut sets, Some(&mut now)), Ok(1))?;
    same("room", sets, [0, bit(&writer), 0])?;
    writer.write_all(b"x").told("write")?;
    let mut sets = [both, both, both];
    same("data", select(64, &mut sets, Some(&mut now)), Ok(2))?;
    same("both", sets, [bit(&reader), bit(&writer), 0])?;
    // Below the first number there is nothing to look at.
    let mut sets = [both, 0, 0];
    same("below", select(0, &mut sets, Some(&mut now)), Ok(0))?;
    same("untouched", sets, [both, 0, 0])?;
    let mut sets = [bit(&reader), 0, 0];
    drop(writer);
    same("hung up", select(64, &mut sets, None), Ok(1))
}

fn select_times() -> Verdict {
    let (reader, mut writer) = crate::small::pipe().told("pipe")?;
    let mut sets = [bit(&reader), 0, 0];
    let mut left = [0, 20_000];
    same("nothing", select(64, &mut sets, Some(&mut left)), Ok(0))?;
    same("no time left", (left, sets), ([0, 0], [0; 3]))?;
    writer.write_all(b"x").told("write")?;
    let mut sets = [bit(&reader), 0, 0];
    let mut left = [20, 5];
    same("something", select(64, &mut sets, Some(&mut left)), Ok(1))?;
    check(left[0] >= 10 && left[0] <= 20, || format!("left: {left:?}"))
}

fn select_errors() -> Verdict {
    let mut sets = [0; 3];
    let mut now = NOW;
    fails(
        "a negative number",
        select(-1, &mut sets, Some(&mut now)),
        Errno::INVAL,
    )?;
    // A million microseconds are a second: Linux takes them, unlike nanoseconds.
    let mut bad = [-1, 0];
    fails(
        "a time before now",
        select(0, &mut sets, Some(&mut bad)),
        Errno::INVAL,
    )?;
    let mut bad = [0, 1_000_000_000];
    fails(
        "no nanoseconds",
        pselect(0, &mut sets, Some(&mut bad), None),
        Errno::INVAL,
    )?;
    let fd = event(0)?;
    let mut sets = [bit(&fd), 0, 0];
    drop(fd);
    let before = sets;
    fails("closed", select(64, &mut sets, Some(&mut now)), Errno::BADF)?;
    same("untouched", sets, before)
}

fn select_wakes_up() -> Verdict {
    let fd = event(0)?;
    let pid = child(|| {
        pause_ms(20);
        i32::from(add(&fd, 1).is_err())
    })?;
    let mut sets = [bit(&fd), 0, 0];
    same("select", select(64, &mut sets, None), Ok(1))?;
    same("set", sets, [bit(&fd), 0, 0])?;
    same("exit", ended(pid)?.exit_status(), Some(0))
}

fn select_with_mask() -> Verdict {
    handler::count(10, Manner::Restart).told("sigaction")?;
    handler::hold(10, true).told("sigprocmask")?;
    kill_process(getpid(), Signal::USR1).told("kill")?;
    let mut left = [20, 0];
    let mut sets = [0; 3];
    let waited = pselect(0, &mut sets, Some(&mut left), Some(&0));
    fails("let through", waited, Errno::INTR)?;
    check(left[0] >= 10 && left[0] <= 20, || format!("left: {left:?}"))?;
    same("handlers", handler::taken(10), 1)?;
    let mut left = [0, 10_000_000];
    same(
        "in time",
        pselect(0, &mut sets, Some(&mut left), None),
        Ok(0),
    )?;
    same("no time left", left, [0, 0])
}
