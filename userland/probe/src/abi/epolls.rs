//! Sets of watched files (epoll(7)).

use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use berth_sys::audit::pause_ms;
use berth_sys::events::{EpollCall, epoll as wait_by};
use berth_sys::handler::{self, Manner};
use rustix::event::EventfdFlags;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fs::{MemfdFlags, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Signal, getpid, kill_process};
use rustix::time::{TimerfdClockId, TimerfdTimerFlags};

use super::events::{IN, OUT, add, counter, proc_lines, proc_name, ready, take};
use super::{Case, Told, Verdict, check, child, ended, fails, same};

pub const CASES: &[Case] = &[
    ("events/epoll-tells-data", tells_data),
    ("events/epoll-level", level),
    ("events/epoll-edge", edge),
    ("events/epoll-edge-of-pipes", edge_of_pipes),
    ("events/epoll-one-shot", one_shot),
    ("events/epoll-round", round),
    ("events/epoll-modify", modify),
    ("events/epoll-control-errors", control_errors),
    ("events/epoll-wait-errors", wait_errors),
    ("events/epoll-what-can-be-watched", what_can_be_watched),
    ("events/epoll-duplicates", duplicates),
    ("events/epoll-closed", closed),
    ("events/epoll-number-used-again", number_used_again),
    ("events/epoll-hang-up", hang_up),
    ("events/epoll-nested", nested),
    ("events/epoll-nested-edge", nested_edge),
    ("events/epoll-loops", loops),
    ("events/epoll-connected-later", connected_later),
    ("events/epoll-exclusive", exclusive),
    ("events/epoll-exclusive-arguments", exclusive_arguments),
    ("events/epoll-wakes-up", wakes_up),
    ("events/epoll-many", many),
    ("events/epoll-times-out", times_out),
    ("events/epoll-interrupted", interrupted),
    ("events/epoll-with-mask", with_mask),
    ("events/epoll-of-timers-and-signals", of_timers_and_signals),
    ("events/epoll-is-a-file", is_a_file),
    ("events/epoll-across-fork", across_fork),
];

fn epoll() -> Result<OwnedFd, String> {
    epoll::create(CreateFlags::CLOEXEC).told("epoll_create1")
}

fn watch(set: &OwnedFd, fd: impl AsFd, data: u64, events: EventFlags) -> rustix::io::Result<()> {
    epoll::add(set, fd, EventData::new_u64(data), events)
}

/// The events that are there now, or come within so many milliseconds.
fn events(set: &OwnedFd, most: usize, ms: i32) -> Result<Vec<(u32, u64)>, String> {
    wait_by(set.as_fd(), most, EpollCall::Wait(ms)).told("epoll_wait")
}

/// The data of the events that are there now.
fn now(set: &OwnedFd) -> Result<Vec<u64>, String> {
    Ok(events(set, 16, 0)?.into_iter().map(|e| e.1).collect())
}

fn event(value: u32) -> Result<OwnedFd, String> {
    counter(value, EventfdFlags::NONBLOCK)
}

const READ: u32 = 1;
const WRITE: u32 = 4;
const ERROR: u32 = 8;
const HUNG_UP: u32 = 16;

fn tells_data() -> Verdict {
    let set = epoll()?;
    let fd = event(1)?;
    watch(
        &set,
        &fd,
        0x1234_5678_9abc_def0,
        EventFlags::IN | EventFlags::OUT,
    )
    .told("add")?;
    let found = events(&set, 1, 0)?;
    same("event", found, vec![(READ | WRITE, 0x1234_5678_9abc_def0)])?;
    epoll::delete(&set, &fd).told("delete")?;
    same("deleted", now(&set)?, vec![])
}

fn level() -> Verdict {
    let set = epoll()?;
    let fd = event(1)?;
    watch(&set, &fd, 7, EventFlags::IN).told("add")?;
    for turn in 0..3 {
        same(&format!("turn {turn}"), now(&set)?, vec![7])?;
    }
    take(&fd).told("read")?;
    same("empty", now(&set)?, vec![])?;
    add(&fd, 1).told("write")?;
    same("again", now(&set)?, vec![7])
}

fn edge() -> Verdict {
    let set = epoll()?;
    let fd = event(1)?;
    watch(&set, &fd, 7, EventFlags::IN | EventFlags::ET).told("add")?;
    same("ready when added", now(&set)?, vec![7])?;
    same("told once", now(&set)?, vec![])?;
    add(&fd, 1).told("write")?;
    same("written again, though it was full", now(&set)?, vec![7])?;
    same("told once", now(&set)?, vec![])?;
    take(&fd).told("read")?;
    same("nothing is asked about room", now(&set)?, vec![])?;
    let data = EventData::new_u64(8);
    epoll::modify(&set, &fd, data, EventFlags::OUT | EventFlags::ET).told("modify")?;
    same("modified", events(&set, 4, 0)?, vec![(WRITE, 8)])?;
    add(&fd, 1).told("write")?;
    same("nothing is asked about data", now(&set)?, vec![])?;
    take(&fd).told("read")?;
    same("room", now(&set)?, vec![8])
}

fn edge_of_pipes() -> Verdict {
    let set = epoll()?;
    let (mut reader, mut writer) = crate::small::pipe().told("pipe")?;
    watch(&set, &reader, 1, EventFlags::IN | EventFlags::ET).told("add")?;
    watch(&set, &writer, 2, EventFlags::OUT | EventFlags::ET).told("add")?;
    same("room", now(&set)?, vec![2])?;
    writer.write_all(b"abc").told("write")?;
    same("data", now(&set)?, vec![1])?;
    reader.read_exact(&mut [0; 1]).told("read")?;
    same("some was read", now(&set)?, vec![])?;
    writer.write_all(b"d").told("write")?;
    same("more", now(&set)?, vec![1])?;
    rustix::fs::fcntl_setfl(&writer, OFlags::NONBLOCK).told("fcntl")?;
    let mut held = 3;
    while let Ok(some) = writer.write(&[0; 4096]) {
        held += some;
        now(&set)?;
    }
    reader.read_exact(&mut vec![0; held]).told("read")?;
    same("room again", now(&set)?, vec![2])
}

fn one_shot() -> Verdict {
    let set = epoll()?;
    let fd = event(1)?;
    watch(&set, &fd, 3, EventFlags::IN | EventFlags::ONESHOT).told("add")?;
    same("once", now(&set)?, vec![3])?;
    add(&fd, 1).told("write")?;
    same("switched off", now(&set)?, vec![])?;
    let data = EventData::new_u64(4);
    epoll::modify(&set, &fd, data, EventFlags::IN | EventFlags::ONESHOT).told("modify")?;
    same("on again", now(&set)?, vec![4])?;
    same("once", now(&set)?, vec![])
}

/// With room for fewer than there are, all have their turn.
fn round() -> Verdict {
    let set = epoll()?;
    let fds = [event(1)?, event(1)?, event(1)?];
    for (data, fd) in (0..).zip(&fds) {
        watch(&set, fd, data, EventFlags::IN).told("add")?;
    }
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.extend(events(&set, 1, 0)?.iter().map(|e| e.1));
    }
    same("order", seen, vec![0, 1, 2, 0, 1, 2])
}

fn modify() -> Verdict {
    let set = epoll()?;
    let fd = event(0)?;
    watch(&set, &fd, 1, EventFlags::IN).told("add")?;
    same("nothing to read", now(&set)?, vec![])?;
    let change = |events: EventFlags| epoll::modify(&set, &fd, EventData::new_u64(2), events);
    change(EventFlags::OUT).told("modify")?;
    same("room", events(&set, 4, 0)?, vec![(WRITE, 2)])?;
    change(EventFlags::empty()).told("modify")?;
    same("nothing asked for", now(&set)?, vec![])
}

/// A socket is watched before it has another end, whose reading makes room.
fn connected_later() -> Verdict {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
    use rustix::net::{accept, bind, connect, listen, socket_with};
    let socket = || {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).told("socket")
    };
    let name = format!("probe-later-{}", std::process::id());
    let address = SocketAddrUnix::new_abstract_name(name.as_bytes()).told("address")?;
    let (listener, one, set) = (socket()?, socket()?, epoll()?);
    watch(&set, &one, 1, EventFlags::OUT).told("add")?;
    watch(&set, &listener, 2, EventFlags::IN).told("add")?;
    same("both hang", now(&set)?, vec![1, 2])?;
    bind(&listener, &address).told("bind")?;
    listen(&listener, 1).told("listen")?;
    connect(&one, &address).told("connect")?;
    let other = accept(&listener).told("accept")?;
    let mut sent = 0;
    while let Ok(some) = rustix::io::write(&one, &[0; 4096]) {
        sent += some;
    }
    same("no room, nobody", now(&set)?, vec![])?;
    let pid = child(|| {
        pause_ms(20);
        let mut room = vec![0; 65536];
        let mut left = sent;
        while left > 0 {
            match rustix::io::read(&other, &mut room) {
                Ok(got) if got > 0 => left = left.saturating_sub(got),
                _ => return 1,
            }
        }
        0
    })?;
    same("room", events(&set, 4, 5000)?, vec![(WRITE, 1)])?;
    same("reader", ended(pid)?.exit_status(), Some(0))
}

fn control_errors() -> Verdict {
    let set = epoll()?;
    let (fd, other) = (event(0)?, event(0)?);
    watch(&set, &fd, 1, EventFlags::IN).told("add")?;
    fails("twice", watch(&set, &fd, 2, EventFlags::OUT), Errno::EXIST)?;
    let data = EventData::new_u64(0);
    let changed = epoll::modify(&set, &other, data, EventFlags::IN);
    fails("modify another", changed, Errno::NOENT)?;
    fails("delete another", epoll::delete(&set, &other), Errno::NOENT)?;
    fails("itself", watch(&set, &set, 1, EventFlags::IN), Errno::INVAL)?;
    fails(
        "to no epoll",
        watch(&fd, &other, 1, EventFlags::IN),
        Errno::INVAL,
    )?;
    fails(
        "flags",
        epoll::create(CreateFlags::from_bits_retain(1)),
        Errno::INVAL,
    )?;
    epoll::delete(&set, &fd).told("delete")?;
    fails("delete twice", epoll::delete(&set, &fd), Errno::NOENT)
}

fn wait_errors() -> Verdict {
    let set = epoll()?;
    let fd = event(1)?;
    let wait = |fd: &OwnedFd, most| wait_by(fd.as_fd(), most, EpollCall::Wait(0));
    fails("no room", wait(&set, 0), Errno::INVAL)?;
    fails("no epoll", wait(&fd, 1), Errno::INVAL)?;
    let call = EpollCall::Timed(Some(&[0, 1_000_000_000]), None);
    fails("no time", wait_by(set.as_fd(), 1, call), Errno::INVAL)?;
    let call = EpollCall::Timed(Some(&[-1, 0]), None);
    fails(
        "a time before now",
        wait_by(set.as_fd(), 1, call),
        Errno::INVAL,
    )
}

fn what_can_be_watched() -> Verdict {
    let set = epoll()?;
    let open = |path: &str, flags| rustix::fs::open(path, flags, Mode::empty()).told(path);
    for path in ["/", "/dev/null", "/dev/zero", "/proc/self/status"] {
        let fd = open(path, OFlags::RDONLY)?;
        fails(path, watch(&set, &fd, 1, EventFlags::IN), Errno::PERM)?;
    }
    let file = rustix::fs::memfd_create("m", MemfdFlags::empty()).told("memfd_create")?;
    fails(
        "a regular file",
        watch(&set, &file, 1, EventFlags::IN),
        Errno::PERM,
    )?;
    let place = open("/", OFlags::PATH)?;
    fails(
        "a place",
        watch(&set, &place, 1, EventFlags::IN),
        Errno::BADF,
    )?;
    let random = open("/dev/random", OFlags::RDONLY)?;
    watch(&set, &random, 5, EventFlags::IN).told("/dev/random")?;
    same("random numbers", now(&set)?, vec![5])
}

/// The key is the file and the number.
fn duplicates() -> Verdict {
    let set = epoll()?;
    let fd = event(1)?;
    let twin = rustix::io::dup(&fd).told("dup")?;
    watch(&set, &fd, 1, EventFlags::IN).told("add")?;
    watch(&set, &twin, 2, EventFlags::IN).told("add the twin")?;
    same("both", now(&set)?, vec![1, 2])?;
    epoll::delete(&set, &fd).told("delete")?;
    same("the twin", now(&set)?, vec![2])
}

/// An item stays as long as the open file, whichever descriptor it was added by.
fn closed() -> Verdict {
    let set = epoll()?;
    let fd = event(1)?;
    let twin = rustix::io::dup(&fd).told("dup")?;
    watch(&set, &fd, 1, EventFlags::IN).told("add")?;
    drop(fd);
    same("a twin is open", now(&set)?, vec![1])?;
    drop(twin);
    same("all closed", now(&set)?, vec![])?;
    same("items", proc_lines(&set)?, vec![])
}

fn number_used_again() -> Verdict {
    let set = epoll()?;
    let fd = event(1)?;
    let number = fd.as_raw_fd();
    watch(&set, &fd, 1, EventFlags::IN).told("add")?;
    drop(fd);
    let fd = event(1)?;
    same("number", fd.as_raw_fd(), number)?;
    same("another file", now(&set)?, vec![])?;
    fails("delete", epoll::delete(&set, &fd), Errno::NOENT)?;
    watch(&set, &fd, 2, EventFlags::IN).told("add")?;
    same("added", now(&set)?, vec![2])
}

fn hang_up() -> Verdict {
    let set = epoll()?;
    let (reader, writer) = crate::small::pipe().told("pipe")?;
    watch(&set, &reader, 1, EventFlags::empty()).told("add")?;
    same("open", now(&set)?, vec![])?;
    drop(writer);
    same("hung up", events(&set, 4, 0)?, vec![(HUNG_UP, 1)])?;
    let (reader, writer) = crate::small::pipe().told("pipe")?;
    let set = epoll()?;
    watch(&set, &writer, 2, EventFlags::IN | EventFlags::ET).told("add")?;
    drop(reader);
    same("broken", events(&set, 4, 0)?, vec![(ERROR, 2)])
}

fn nested() -> Verdict {
    let (inner, outer) = (epoll()?, epoll()?);
    let fd = event(0)?;
    watch(&inner, &fd, 1, EventFlags::IN).told("add")?;
    watch(&outer, &inner, 2, EventFlags::IN).told("add the inner")?;
    same("nothing", now(&outer)?, vec![])?;
    same("poll", ready(&outer, IN | OUT, 0)?, 0)?;
    add(&fd, 1).told("write")?;
    same("poll", ready(&outer, IN | OUT, 0)?, IN)?;
    same("outer", now(&outer)?, vec![2])?;
    same("outer again", now(&outer)?, vec![2])?;
    same("inner", now(&inner)?, vec![1])?;
    take(&fd).told("read")?;
    same("no more", now(&outer)?, vec![])?;
    let pid = child(|| {
        pause_ms(10);
        i32::from(add(&fd, 1).is_err())
    })?;
    same("wakes up", events(&outer, 4, 20_000)?, vec![(READ, 2)])?;
    same("exit", ended(pid)?.exit_status(), Some(0))
}

fn nested_edge() -> Verdict {
    let (inner, outer) = (epoll()?, epoll()?);
    let fd = event(0)?;
    watch(&inner, &fd, 1, EventFlags::IN).told("add")?;
    watch(&outer, &inner, 2, EventFlags::IN | EventFlags::ET).told("add the inner")?;
    add(&fd, 1).told("write")?;
    same("outer", now(&outer)?, vec![2])?;
    same("told", now(&outer)?, vec![])?;
    add(&fd, 1).told("write")?;
    same("again", now(&outer)?, vec![2])
}

fn loops() -> Verdict {
    let sets: Vec<OwnedFd> = (0..7).map(|_| epoll()).collect::<Result<_, _>>()?;
    let join = |outer: usize, inner: usize| match (sets.get(outer), sets.get(inner)) {
        (Some(outer), Some(inner)) => watch(outer, inner, 0, EventFlags::IN),
        _ => Err(Errno::BADF),
    };
    for at in 0..4 {
        join(at, at.saturating_add(1)).told("add")?;
    }
    fails("one more", join(4, 5), Errno::LOOP)?;
    fails("one more above", join(5, 0), Errno::LOOP)?;
    fails("a circle", join(4, 0), Errno::LOOP)?;
    fails("a smaller circle", join(2, 1), Errno::LOOP)?;
    join(3, 5).told("beside the last")?;
    join(6, 1).told("beside the first")
}

/// Each of two processes waits in its own epoll: one event wakes one.
fn exclusive() -> Verdict {
    let fd = counter(0, EventfdFlags::NONBLOCK | EventfdFlags::SEMAPHORE)?;
    let woken = event(0)?;
    let waiter = || {
        child(|| {
            let waited = epoll().and_then(|set| {
                let how = EventFlags::IN | EventFlags::EXCLUSIVE;
                watch(&set, &fd, 1, how).told("add")?;
                let found = events(&set, 4, 20_000)?.len();
                add(&woken, 1).told("tell")?;
                take(&fd).told("take")?;
                Ok(found)
            });
            i32::from(waited != Ok(1))
        })
    };
    let pids = [waiter()?, waiter()?];
    pause_ms(50);
    add(&fd, 1).told("write")?;
    same("one is woken", ready(&woken, IN, 20_000)?, IN)?;
    pause_ms(50);
    same("and no other", take(&woken), Ok(1))?;
    add(&fd, 1).told("write")?;
    for pid in pids {
        same("exit", ended(pid)?.exit_status(), Some(0))?;
    }
    Ok(())
}

fn exclusive_arguments() -> Verdict {
    let (set, other) = (epoll()?, epoll()?);
    let fd = event(0)?;
    let alone = EventFlags::IN | EventFlags::EXCLUSIVE;
    let with = |more| watch(&set, &fd, 1, alone | more);
    fails("one-shot", with(EventFlags::ONESHOT), Errno::INVAL)?;
    fails("an epoll", watch(&set, &other, 1, alone), Errno::INVAL)?;
    with(EventFlags::ET).told("edge")?;
    let change = |events| epoll::modify(&set, &fd, EventData::new_u64(1), events);
    fails("to something else", change(EventFlags::IN), Errno::INVAL)?;
    fails("to itself", change(alone), Errno::INVAL)?;
    epoll::delete(&set, &fd).told("delete")?;
    watch(&set, &fd, 1, EventFlags::IN).told("add")?;
    fails("later", change(alone), Errno::INVAL)
}

fn wakes_up() -> Verdict {
    let set = epoll()?;
    let fd = event(0)?;
    watch(&set, &fd, 9, EventFlags::IN | EventFlags::ET).told("add")?;
    for _ in 0..3 {
        let pid = child(|| {
            pause_ms(5);
            i32::from(add(&fd, 1).is_err())
        })?;
        same("event", events(&set, 4, -1)?, vec![(READ, 9)])?;
        same("exit", ended(pid)?.exit_status(), Some(0))?;
    }
    Ok(())
}

/// More than one trap looks at.
fn many() -> Verdict {
    let set = epoll()?;
    let fds: Vec<OwnedFd> = (0..900).map(|_| event(1)).collect::<Result<_, _>>()?;
    for (data, fd) in (0..).zip(&fds) {
        watch(&set, fd, data, EventFlags::IN | EventFlags::ET).told("add")?;
    }
    let found = events(&set, 1000, 0)?;
    let data: Vec<u64> = found.iter().map(|e| e.1).collect();
    check(data == (0..900).collect::<Vec<u64>>(), || {
        format!("{} events", data.len())
    })?;
    same("told", now(&set)?, vec![])?;
    // All are on the list, and none is ready.
    for fd in &fds {
        add(fd, 1).told("write")?;
        take(fd).told("read")?;
    }
    same("poll", ready(&set, IN, 0)?, 0)?;
    let last = fds.last().ok_or("none")?;
    add(last, 1).told("write")?;
    same("the last", events(&set, 1000, 0)?, vec![(READ, 899)])
}

fn times_out() -> Verdict {
    let set = epoll()?;
    let waits = [
        EpollCall::Wait(20),
        EpollCall::Masked(20, None),
        EpollCall::Timed(Some(&[0, 20_000_000]), None),
    ];
    for call in waits {
        let begin = super::misc::monotonic();
        same("events", wait_by(set.as_fd(), 4, call), Ok(vec![]))?;
        let slept = super::misc::monotonic().saturating_sub(begin);
        check(slept >= 20_000_000, || {
            format!("{call:?}: after {slept} ns already")
        })?;
    }
    Ok(())
}

fn interrupted() -> Verdict {
    let set = epoll()?;
    let parent = getpid();
    // Whatever the handler asks for, this call is not made again.
    handler::count(10, Manner::Restart).told("sigaction")?;
    let pid = child(|| {
        pause_ms(20);
        i32::from(kill_process(parent, Signal::USR1).is_err())
    })?;
    let waited = wait_by(set.as_fd(), 4, EpollCall::Wait(20_000));
    fails("epoll_wait", waited, Errno::INTR)?;
    same("exit", ended(pid)?.exit_status(), Some(0))
}

/// The signal is let through while the call waits, and at no other time.
fn with_mask() -> Verdict {
    let set = epoll()?;
    handler::count(10, Manner::Interrupt).told("sigaction")?;
    handler::hold(10, true).told("sigprocmask")?;
    kill_process(getpid(), Signal::USR1).told("kill")?;
    let blocked = u64::MAX;
    let call = EpollCall::Masked(0, Some(&blocked));
    same("blocked", wait_by(set.as_fd(), 4, call), Ok(vec![]))?;
    same("handlers", handler::taken(10), 0)?;
    for call in [
        EpollCall::Masked(20_000, Some(&0)),
        EpollCall::Timed(Some(&[20, 0]), Some(&0)),
    ] {
        fails("let through", wait_by(set.as_fd(), 4, call), Errno::INTR)?;
        same("held back again", handler::pending(10), Ok(false))?;
        kill_process(getpid(), Signal::USR1).told("kill")?;
        same("held back", handler::pending(10), Ok(true))?;
    }
    same("handlers", handler::taken(10), 2)
}

fn of_timers_and_signals() -> Verdict {
    let set = epoll()?;
    let timer = super::timerfds::timer(TimerfdClockId::Monotonic)?;
    let signal = super::signalfds::signals(&[10])?;
    watch(&set, &timer, 1, EventFlags::IN).told("add")?;
    watch(&set, &signal, 2, EventFlags::IN | EventFlags::ET).told("add")?;
    same("nothing", now(&set)?, vec![])?;
    super::timerfds::set(&timer, TimerfdTimerFlags::empty(), 5_000_000, 0).told("settime")?;
    same("the timer", events(&set, 4, 20_000)?, vec![(READ, 1)])?;
    take(&timer).told("read")?;
    kill_process(getpid(), Signal::USR1).told("kill")?;
    same("the signal", events(&set, 4, 20_000)?, vec![(READ, 2)])?;
    same("told", now(&set)?, vec![])
}

fn is_a_file() -> Verdict {
    let set = epoll()?;
    let fd = event(0)?;
    same(
        "name",
        proc_name(&set)?,
        "anon_inode:[eventpoll]".to_owned(),
    )?;
    fails("read", rustix::io::read(&set, &mut [0; 16]), Errno::INVAL)?;
    fails("write", rustix::io::write(&set, &[0; 16]), Errno::INVAL)?;
    let how = EventFlags::IN | EventFlags::ET;
    watch(&set, &fd, 0xabc, how).told("add")?;
    let lines = proc_lines(&set)?;
    let number = fd.as_raw_fd();
    let begin = format!(
        "tfd: {number:8} events: 80000019 data: {:16x}  pos:0 ino:",
        0xabc
    );
    check(
        lines.len() == 1 && lines.iter().all(|line| line.starts_with(&begin)),
        || format!("{lines:?}, not {begin:?}"),
    )
}

/// Parent and child share the epoll; the numbers in it are those of who added.
fn across_fork() -> Verdict {
    let set = epoll()?;
    let fd = event(0)?;
    watch(&set, &fd, 1, EventFlags::IN).told("add")?;
    super::exits(0, || {
        let found = add(&fd, 1).is_ok() && now(&set) == Ok(vec![1]);
        i32::from(!found)
    })?;
    same("the child's event", now(&set)?, vec![1])?;
    super::exits(0, || i32::from(epoll::delete(&set, &fd).is_err()))?;
    same("deleted by the child", now(&set)?, vec![])
}
