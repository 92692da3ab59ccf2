//! POSIX message queues (mq_overview(7)), each case in an ipc namespace of its own.

use std::ffi::CStr;
use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use berth_sys::audit::pause_ms;
use berth_sys::handler::{self, Manner};
use berth_sys::mqueue::{self, attributes, notify, receive, send, size, unlink};
use berth_sys::raw::own_ipc;
use berth_sys::signals;
use berth_sys::timers::Event;
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::{Errno, FdFlags, fcntl_getfd};
use rustix::mount::{MountFlags, mount};
use rustix::process::{Resource, Rlimit, Signal, getpid, getppid, kill_process, setrlimit};
use rustix::thread::{CapabilitySet, capabilities};
use rustix::time::{ClockId, clock_gettime};

use super::events::{IN, OUT, ready};
use super::mounting::among_own_mounts;
use super::{Case, Told, Verdict, as_user, check, child, ended, exits, fails, same};

pub const CASES: &[Case] = &[
    ("ipc/queue-order", order),
    ("ipc/queue-names", names),
    ("ipc/queue-descriptor", descriptor),
    ("ipc/queue-waits", waits),
    ("ipc/queue-times-out", times_out),
    ("ipc/queue-interrupted", interrupted),
    ("ipc/queue-permissions", permissions),
    ("ipc/queue-limits", limits),
    ("ipc/queue-bytes-of-a-user", bytes_of_a_user),
    ("ipc/queue-notice", notice),
    ("ipc/queue-notice-ends", notice_ends),
    ("ipc/queue-notice-refused", notice_refused),
    ("ipc/queue-mounted", mounted),
    ("ipc/queue-namespace", namespace),
];

const READ: i32 = 0;
const WRITE: i32 = 1;
const BOTH: i32 = 2;
const MAKE: i32 = 0o102;
const EXCL: i32 = 0o200;
const NONBLOCK: i32 = 0o4000;

/// A queue of four messages of eight bytes in a fresh namespace.
fn fresh(name: &CStr) -> Result<OwnedFd, String> {
    own_ipc().told("unshare")?;
    mqueue::open(name, MAKE, 0o600, Some(size(4, 8))).told("mq_open")
}

/// The next message and its priority.
fn take(queue: &OwnedFd) -> Result<(Vec<u8>, u32), Errno> {
    let mut room = [0; 8];
    let (len, priority) = receive(queue.as_fd(), &mut room, None)?;
    Ok((room.get(..len).unwrap_or_default().to_vec(), priority))
}

fn put(queue: &OwnedFd, message: &[u8], priority: u64) -> Result<(), Errno> {
    send(queue.as_fd(), message, priority, None)
}

/// So many milliseconds from now.
fn from_now(ms: i64) -> [i64; 2] {
    let now = clock_gettime(ClockId::Realtime);
    let nanos = now.tv_nsec + ms * 1_000_000;
    [
        now.tv_sec + nanos.div_euclid(1_000_000_000),
        nanos.rem_euclid(1_000_000_000),
    ]
}

fn order() -> Verdict {
    let queue = fresh(c"order")?;
    for (message, priority) in [("low", 1), ("high", 32767), ("later", 1), ("", 5)] {
        same("send", put(&queue, message.as_bytes(), priority), Ok(()))?;
    }
    let all = attributes(queue.as_fd(), None).told("mq_getattr")?;
    same("attributes", all.get(..4), Some(&[0, 4, 8, 4][..]))?;
    for (message, priority) in [("high", 32767), ("", 5), ("low", 1), ("later", 1)] {
        let taken = take(&queue).told("receive")?;
        same("message", taken, (message.as_bytes().to_vec(), priority))?;
    }
    fails("too long", put(&queue, &[0; 9], 0), Errno::MSGSIZE)?;
    fails("no priority", put(&queue, b"x", 32768), Errno::INVAL)?;
    same("whole", put(&queue, &[7; 8], 0), Ok(()))?;
    let little = receive(queue.as_fd(), &mut [0; 7], None);
    fails("too little room", little, Errno::MSGSIZE)?;
    same("still there", take(&queue), Ok((vec![7; 8], 0)))
}

fn names() -> Verdict {
    let queue = fresh(c"name")?;
    let open = |name: &CStr, flags| mqueue::open(name, flags, 0o600, None).map(drop);
    fails("empty", open(c"", MAKE), Errno::NOENT)?;
    for name in [c"/name", c"a/b", c".", c".."] {
        fails("odd", open(name, MAKE), Errno::ACCESS)?;
    }
    let long = std::ffi::CString::new([b'x'; 256]).told("name")?;
    fails("long", open(&long, MAKE), Errno::NAMETOOLONG)?;
    fails("none", open(c"other", BOTH), Errno::NOENT)?;
    fails("there", open(c"name", MAKE | EXCL), Errno::EXIST)?;
    fails("no mode", open(c"name", 3), Errno::INVAL)?;
    same("again", open(c"name", MAKE), Ok(()))?;
    let second = mqueue::open(c"name", READ | NONBLOCK, 0, None).told("open")?;
    same("unlink", unlink(c"name"), Ok(()))?;
    fails("unlink again", unlink(c"name"), Errno::NOENT)?;
    fails("gone", open(c"name", BOTH), Errno::NOENT)?;
    same("send", put(&queue, b"x", 0), Ok(()))?;
    same("the same queue", take(&second), Ok((b"x".to_vec(), 0)))?;
    let other = mqueue::open(c"name", MAKE | NONBLOCK, 0o600, None).told("another")?;
    let most = attributes(other.as_fd(), None).told("mq_getattr")?;
    same("defaults", most.get(..4), Some(&[2048, 10, 8192, 0][..]))?;
    same("same name", unlink(c"name"), Ok(()))
}

fn descriptor() -> Verdict {
    let queue = fresh(c"file")?;
    let flags = fcntl_getfd(&queue).told("fcntl")?;
    same("closed by execve", flags, FdFlags::CLOEXEC)?;
    same("to write", ready(&queue, IN | OUT, 0)?, OUT)?;
    for n in 0..4 {
        same("send", put(&queue, b"abc", n), Ok(()))?;
        let wanted = if n == 3 { IN } else { IN | OUT };
        same("ready", ready(&queue, IN | OUT, 0)?, wanted)?;
    }
    let mut text = [0; 100];
    let len = rustix::io::read(&queue, &mut text).told("read")?;
    let told = String::from_utf8_lossy(text.get(..len).unwrap_or_default()).into_owned();
    let zeros = "NOTIFY:0     SIGNO:0     NOTIFY_PID:0     \n";
    same("text", told, format!("QSIZE:12         {zeros}"))?;
    same("all read", rustix::io::read(&queue, &mut text), Ok(0))?;
    fails("write", rustix::io::write(&queue, b"x"), Errno::INVAL)?;
    let old = attributes(queue.as_fd(), Some(NONBLOCK.into())).told("mq_setattr")?;
    same("was", old.first(), Some(&0))?;
    let flags = fcntl_getfl(&queue).told("fcntl")?;
    check(flags.contains(OFlags::NONBLOCK), || format!("{flags:?}"))?;
    fails("full", put(&queue, b"x", 0), Errno::AGAIN)?;
    fails("flags", attributes(queue.as_fd(), Some(1)), Errno::INVAL)?;
    let reader = mqueue::open(c"file", READ, 0, None).told("open")?;
    fails("send", put(&reader, b"x", 0), Errno::BADF)?;
    let writer = mqueue::open(c"file", WRITE, 0, None).told("open")?;
    fails("receive", take(&writer), Errno::BADF)?;
    let file = OwnedFd::from(fs::File::open("/").told("open")?);
    fails("no queue", put(&file, b"x", 0), Errno::BADF)?;
    fails("attributes", attributes(file.as_fd(), None), Errno::BADF)
}

/// Receiver and sender wait for each other, in a process each.
fn waits() -> Verdict {
    let queue = fresh(c"waits")?;
    let receiver = child(|| match take(&queue) {
        Ok((message, 3)) if message == b"first" => 0,
        _ => 1,
    })?;
    pause_ms(20);
    same("send", put(&queue, b"first", 3), Ok(()))?;
    same("received", ended(receiver)?.exit_status(), Some(0))?;
    for _ in 0..4 {
        same("fill", put(&queue, b"full", 1), Ok(()))?;
    }
    let sender = child(|| i32::from(put(&queue, b"last", 9).is_err()))?;
    pause_ms(20);
    for _ in 0..2 {
        take(&queue).told("receive")?;
    }
    same("sent", ended(sender)?.exit_status(), Some(0))?;
    let left = attributes(queue.as_fd(), None).told("mq_getattr")?;
    same("left", left.get(3), Some(&3))
}

fn times_out() -> Verdict {
    let queue = fresh(c"times")?;
    let fd = queue.as_fd();
    let mut room = [0; 8];
    fails(
        "empty",
        receive(fd, &mut room, Some(from_now(20))),
        Errno::TIMEDOUT,
    )?;
    fails(
        "past",
        receive(fd, &mut room, Some([1, 0])),
        Errno::TIMEDOUT,
    )?;
    let odd = Some([1, 1_000_000_000]);
    fails("no time", receive(fd, &mut room, odd), Errno::INVAL)?;
    fails("no time", send(fd, b"x", 0, Some([-1, 0])), Errno::INVAL)?;
    for n in 0..4 {
        same("room", send(fd, b"x", n, Some([1, 0])), Ok(()))?;
    }
    fails(
        "full",
        send(fd, b"x", 0, Some(from_now(20))),
        Errno::TIMEDOUT,
    )?;
    fails("time first", send(fd, b"x", 99_999, odd), Errno::INVAL)?;
    same("there", receive(fd, &mut room, Some([1, 0])), Ok((1, 3)))
}

fn interrupted() -> Verdict {
    let queue = fresh(c"signals")?;
    let fd = queue.as_fd();
    let signals = |message: Option<&'static [u8]>| {
        child(|| {
            let Some(parent) = getppid() else { return 1 };
            pause_ms(30);
            let sent = kill_process(parent, Signal::USR1);
            pause_ms(30);
            let put = message.map_or(Ok(()), |message| put(&queue, message, 0));
            i32::from(sent.is_err() || put.is_err())
        })
    };
    handler::count(10, Manner::Interrupt).told("sigaction")?;
    let helper = signals(None)?;
    let until = Some(from_now(20_000));
    fails("interrupted", receive(fd, &mut [0; 8], until), Errno::INTR)?;
    ended(helper)?;
    handler::count(10, Manner::Restart).told("sigaction")?;
    let helper = signals(Some(b"after"))?;
    same("restarted", receive(fd, &mut [0; 8], until), Ok((5, 0)))?;
    same("helper", ended(helper)?.exit_status(), Some(0))?;
    same("handlers", handler::taken(10), 2)
}

fn permissions() -> Verdict {
    let queue = fresh(c"mine")?;
    rustix::fs::fchmod(&queue, 0o604.into()).told("fchmod")?;
    as_user(1000, 1000, &[], || {
        mqueue::open(c"mine", READ, 0, None)
            .told("to read")
            .map(drop)?;
        let write = mqueue::open(c"mine", WRITE, 0, None);
        fails("to write", write.map(drop), Errno::ACCESS)?;
        fails("unlink", unlink(c"mine"), Errno::PERM)?;
        let own = mqueue::open(c"own", MAKE, 0o400, None).told("make")?;
        same("has what it asked for", put(&own, b"x", 0), Ok(()))?;
        let again = mqueue::open(c"own", BOTH, 0, None);
        fails("again", again.map(drop), Errno::ACCESS)?;
        same("unlink", unlink(c"own"), Ok(()))
    })
}

fn setting(name: &str) -> String {
    format!("/proc/sys/fs/mqueue/{name}")
}

fn limits() -> Verdict {
    own_ipc().told("unshare")?;
    let defaults = [
        ("queues_max", "256\n"),
        ("msg_max", "10\n"),
        ("msgsize_max", "8192\n"),
        ("msg_default", "10\n"),
        ("msgsize_default", "8192\n"),
    ];
    for (name, value) in defaults {
        let told = fs::read_to_string(setting(name)).told(name)?;
        same(name, told, value.to_owned())?;
    }
    for (name, value) in [
        ("queues_max", "2"),
        ("msg_max", "3"),
        ("msgsize_max", "128"),
    ] {
        fs::write(setting(name), value).told(name)?;
    }
    for (name, value) in [
        ("msg_max", "0"),
        ("msgsize_max", "127"),
        ("msg_max", "65537"),
    ] {
        let set = fs::write(setting(name), value);
        check(set.is_err(), || format!("{name} is {value}"))?;
    }
    as_user(1000, 1000, &[], || {
        let make = |name: &CStr, size| mqueue::open(name, MAKE, 0o600, size).map(drop);
        for (messages, bytes) in [(4, 1), (1, 129), (0, 1), (1, 0), (-1, 1)] {
            let made = make(c"odd", Some(size(messages, bytes)));
            fails("size", made, Errno::INVAL)?;
        }
        let queue = mqueue::open(c"one", MAKE, 0o600, None).told("default")?;
        let most = attributes(queue.as_fd(), None).told("mq_getattr")?;
        same("default", most.get(1..3), Some(&[3, 128][..]))?;
        same("two", make(c"two", Some(size(3, 128))), Ok(()))?;
        fails("three", make(c"three", None), Errno::NOSPC)?;
        same("unlink", unlink(c"two"), Ok(()))?;
        same("two again", make(c"two", None), Ok(()))
    })?;
    // Who may have more of everything has it, if the caller does.
    let all = capabilities(None).told("capget")?.effective;
    let more = mqueue::open(c"more", MAKE, 0o600, Some(size(4, 129)));
    match all.contains(CapabilitySet::SYS_RESOURCE) {
        true => more.told("for the privileged").map(drop),
        false => fails("not for all", more.map(drop), Errno::NOSPC),
    }
}

fn bytes_of_a_user() -> Verdict {
    own_ipc().told("unshare")?;
    // What a queue of four messages of eight bytes counts (getrlimit(2)).
    let each = 4 * (8 + 48) + 4 * 48;
    as_user(4321, 4321, &[], || {
        let limit = Rlimit {
            current: Some(2 * each),
            maximum: Some(2 * each),
        };
        setrlimit(Resource::Msgqueue, limit).told("setrlimit")?;
        let make = |name: &CStr| mqueue::open(name, MAKE, 0o600, Some(size(4, 8)));
        let first = make(c"first").told("first")?;
        make(c"second").told("second").map(drop)?;
        fails("third", make(c"third").map(drop), Errno::MFILE)?;
        same("unlink", unlink(c"first"), Ok(()))?;
        fails("still open", make(c"third").map(drop), Errno::MFILE)?;
        drop(first);
        make(c"third").told("third").map(drop)
    })
}

/// SIGUSR1 with a value.
fn event(value: u64) -> Event {
    Event::new(berth_sys::timers::SIGNAL, 10, value)
}

const USR1: u64 = 1 << 9;

fn notice() -> Verdict {
    let queue = fresh(c"notice")?;
    let fd = queue.as_fd();
    handler::hold(10, true).told("sigprocmask")?;
    same("ask", notify(fd, Some(&event(77))), Ok(()))?;
    fails("once only", notify(fd, Some(&event(78))), Errno::BUSY)?;
    exits(16, || {
        notify(fd, Some(&event(79))).map_or_else(|errno| errno.raw_os_error(), |()| 0)
    })?;
    let mut text = [0; 100];
    let len = rustix::io::pread(&queue, &mut text, 0).told("read")?;
    let told = String::from_utf8_lossy(text.get(..len).unwrap_or_default()).into_owned();
    let me = getpid().as_raw_nonzero().get();
    let wanted = format!("QSIZE:0          NOTIFY:0     SIGNO:10    NOTIFY_PID:{me:<6}\n");
    same("text", told, wanted)?;
    let sender = child(|| i32::from(put(&queue, b"x", 0).is_err()))?;
    same("sent", ended(sender)?.exit_status(), Some(0))?;
    let info = signals::wait(USR1, Some(20_000_000_000)).told("sigwait")?;
    let pid = sender.as_raw_nonzero().get();
    same("signal", (info.signal, info.code, info.value), (10, -3, 77))?;
    same("sender", (info.pid, info.uid), (pid, 0))?;
    same("it is over", notify(fd, Some(&event(80))), Ok(()))?;
    same("second", put(&queue, b"y", 0), Ok(()))?;
    let none = signals::wait(USR1, Some(0)).map(drop);
    fails("not the first one", none, Errno::AGAIN)?;
    take(&queue).told("receive")?;
    take(&queue).told("receive")?;
    // Who waits for the message gets it, and nobody is told.
    let receiver = child(|| i32::from(take(&queue).is_err()))?;
    pause_ms(50);
    same("third", put(&queue, b"z", 0), Ok(()))?;
    same("received", ended(receiver)?.exit_status(), Some(0))?;
    fails(
        "not told",
        signals::wait(USR1, Some(0)).map(drop),
        Errno::AGAIN,
    )?;
    same("fourth", put(&queue, b"z", 0), Ok(()))?;
    let info = signals::wait(USR1, Some(20_000_000_000)).told("sigwait")?;
    same("told", info.value, 80)
}

fn notice_ends() -> Verdict {
    let queue = fresh(c"ends")?;
    let fd = queue.as_fd();
    let second = mqueue::open(c"ends", BOTH, 0, None).told("open")?;
    same("ask", notify(fd, Some(&event(1))), Ok(()))?;
    exits(0, || i32::from(notify(fd, None).is_err()))?;
    fails("another's wish", notify(fd, Some(&event(2))), Errno::BUSY)?;
    same("no more", notify(fd, None), Ok(()))?;
    same("nothing to end", notify(fd, None), Ok(()))?;
    same("ask again", notify(fd, Some(&event(3))), Ok(()))?;
    // Any descriptor of the queue ends it.
    drop(second);
    same("closed", notify(fd, Some(&event(4))), Ok(()))?;
    same("end", notify(fd, None), Ok(()))?;
    exits(0, || i32::from(notify(fd, Some(&event(5))).is_err()))?;
    same("ended with it", notify(fd, Some(&event(6))), Ok(()))?;
    same("end", notify(fd, None), Ok(()))?;
    let silent = Event::new(berth_sys::timers::NONE, 0, 0);
    same("silently", notify(fd, Some(&silent)), Ok(()))?;
    fails("taken", notify(fd, Some(&event(7))), Errno::BUSY)?;
    same("send", put(&queue, b"x", 0), Ok(()))?;
    same("over", notify(fd, Some(&event(8))), Ok(()))
}

fn notice_refused() -> Verdict {
    let queue = fresh(c"refused")?;
    let fd = queue.as_fd();
    for (how, signal) in [(3, 10), (9, 10), (0, 65), (0, -1)] {
        let odd = Event::new(how, signal, 0);
        fails("odd", notify(fd, Some(&odd)), Errno::INVAL)?;
    }
    // SIGEV_THREAD: the signal is a socket, the value the address of what is sent to it.
    let cookie = [0u8; 32];
    let thread = |number| Event::new(2, number, cookie.as_ptr() as u64);
    fails("nothing", notify(fd, Some(&thread(-1))), Errno::BADF)?;
    let itself = thread(fd.as_raw_fd());
    fails("no socket", notify(fd, Some(&itself)), Errno::NOTSOCK)?;
    let (one, _other) = std::os::unix::net::UnixStream::pair().told("socketpair")?;
    let socket = thread(one.as_raw_fd());
    fails("another socket", notify(fd, Some(&socket)), Errno::INVAL)?;
    let nowhere = Event::new(2, one.as_raw_fd(), 8);
    fails("no cookie", notify(fd, Some(&nowhere)), Errno::FAULT)?;
    let file = OwnedFd::from(one);
    fails("no queue", notify(file.as_fd(), None), Errno::BADF)
}

fn listed(directory: &Path) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).told("read_dir")? {
        names.push(
            entry
                .told("entry")?
                .file_name()
                .to_string_lossy()
                .into_owned(),
        );
    }
    names.sort_unstable();
    Ok(names)
}

fn mounted() -> Verdict {
    among_own_mounts(|directory| {
        let queue = fresh(c"seen")?;
        mount("none", directory, "mqueue", MountFlags::NOSUID, None).told("mount")?;
        let table = fs::read_to_string("/proc/self/mounts").told("mounts")?;
        check(table.contains(" mqueue "), || {
            "not among the mounts".to_owned()
        })?;
        same("send", put(&queue, b"12345", 0), Ok(()))?;
        let path = directory.join("seen");
        let status = rustix::fs::stat(&path).told("stat")?;
        same("status", (status.st_size, status.st_mode), (80, 0o100_600))?;
        let text = fs::read_to_string(&path).told("read")?;
        check(text.starts_with("QSIZE:5          NOTIFY:0"), || {
            text.clone()
        })?;
        drop(fs::File::create(directory.join("made")).told("create")?);
        same(
            "listed",
            listed(directory)?,
            vec!["made".to_owned(), "seen".to_owned()],
        )?;
        let made = mqueue::open(c"made", BOTH, 0, None).told("open")?;
        let most = attributes(made.as_fd(), None).told("mq_getattr")?;
        same("default", most.get(1..4), Some(&[10, 8192, 0][..]))?;
        let by_path = OwnedFd::from(fs::File::open(&path).told("open")?);
        same("receive", take(&by_path), Ok((b"12345".to_vec(), 0)))?;
        let perm = |done: std::io::Result<()>| done.map_err(|error| error.raw_os_error());
        let refused = Err(Some(Errno::PERM.raw_os_error()));
        same(
            "mkdir",
            perm(fs::create_dir(directory.join("dir"))),
            refused,
        )?;
        let rename = fs::rename(&path, directory.join("new"));
        same("rename", perm(rename), refused)?;
        let onto = fs::rename(&path, directory.join("made"));
        same("rename onto another", perm(onto), refused)?;
        fs::remove_file(&path).told("unlink")?;
        fails(
            "gone",
            mqueue::open(c"seen", BOTH, 0, None).map(drop),
            Errno::NOENT,
        )?;
        // The mount stays when its namespace goes; nothing new is made in it.
        own_ipc().told("unshare")?;
        drop((queue, made, by_path));
        same("another's", listed(directory)?, vec!["made".to_owned()])?;
        let late = fs::File::create(directory.join("late")).map(drop);
        same("late", perm(late), Err(Some(Errno::ACCESS.raw_os_error())))
    })
}

fn namespace() -> Verdict {
    let queue = fresh(c"apart")?;
    own_ipc().told("unshare")?;
    fails(
        "not here",
        mqueue::open(c"apart", BOTH, 0, None).map(drop),
        Errno::NOENT,
    )?;
    let inner = mqueue::open(c"apart", MAKE | EXCL, 0o600, None).told("one of its own")?;
    same("send", put(&queue, b"x", 0), Ok(()))?;
    let left = attributes(inner.as_fd(), None).told("mq_getattr")?;
    same("not the same", left.get(3), Some(&0))?;
    same("lives on", take(&queue), Ok((b"x".to_vec(), 0)))
}
