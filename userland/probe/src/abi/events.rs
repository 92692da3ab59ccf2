//! Counters (eventfd(2)), and what all files have in common that are events.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use berth_sys::audit::pause_ms;
use berth_sys::events::ppoll;
use berth_sys::handler::{self, Manner};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{OFlags, fcntl_getfl, fstat, ftruncate};
use rustix::io::{Errno, FdFlags, fcntl_getfd};
use rustix::process::{Signal, getpid, kill_process};
use rustix::time::{TimerfdClockId, TimerfdTimerFlags};

use super::signalfds::{USR1, signals};
use super::timerfds::{set, timer};
use super::{Case, Told, Verdict, child, ended, fails, same};

pub const CASES: &[Case] = &[
    ("events/counter-adds-up", counter_adds_up),
    ("events/counter-as-semaphore", counter_as_semaphore),
    ("events/counter-overflow", counter_overflow),
    ("events/counter-sizes", counter_sizes),
    ("events/counter-wakes-reader", counter_wakes_reader),
    ("events/counter-wakes-writer", counter_wakes_writer),
    ("events/counter-is-shared", counter_is_shared),
    ("events/interrupted-read", interrupted_read),
    ("events/names", names),
    ("events/fdinfo", fdinfo),
    ("events/no-file-like-others", no_file_like_others),
    ("events/flags", flags),
];

pub(super) const IN: i16 = 1;
pub(super) const OUT: i16 = 4;
pub(super) fn counter(value: u32, flags: EventfdFlags) -> Result<OwnedFd, String> {
    eventfd(value, flags).told("eventfd")
}

/// Adds to a counter.
pub(super) fn add(fd: &OwnedFd, value: u64) -> rustix::io::Result<()> {
    rustix::io::write(fd, &value.to_ne_bytes()).map(drop)
}

/// Reads a number.
pub(super) fn take(fd: &OwnedFd) -> rustix::io::Result<u64> {
    let mut bytes = [0; 8];
    rustix::io::read(fd, &mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

/// What of `wanted` a descriptor is ready for, after `ms` milliseconds at the most.
pub(super) fn ready(fd: &OwnedFd, wanted: i16, ms: i64) -> Result<i16, String> {
    let mut set = [(fd.as_raw_fd(), wanted)];
    let time = [
        ms.div_euclid(1000),
        ms.rem_euclid(1000).saturating_mul(1_000_000),
    ];
    ppoll(&mut set, Some(&time), None).told("ppoll")?;
    Ok(set[0].1)
}

fn counter_adds_up() -> Verdict {
    let fd = counter(5, EventfdFlags::NONBLOCK)?;
    same("ready", ready(&fd, IN | OUT, 0)?, IN | OUT)?;
    add(&fd, 7).told("write")?;
    same("read", take(&fd), Ok(12))?;
    same("ready", ready(&fd, IN | OUT, 0)?, OUT)?;
    fails("empty", take(&fd), Errno::AGAIN)?;
    add(&fd, 0).told("write")?;
    fails("nothing added", take(&fd), Errno::AGAIN)
}

fn counter_as_semaphore() -> Verdict {
    let fd = counter(2, EventfdFlags::NONBLOCK | EventfdFlags::SEMAPHORE)?;
    same("first", take(&fd), Ok(1))?;
    same("second", take(&fd), Ok(1))?;
    fails("third", take(&fd), Errno::AGAIN)
}

fn counter_overflow() -> Verdict {
    let fd = counter(1, EventfdFlags::NONBLOCK)?;
    fails("too much", add(&fd, u64::MAX), Errno::INVAL)?;
    fails("no room", add(&fd, u64::MAX - 1), Errno::AGAIN)?;
    add(&fd, u64::MAX - 2).told("fill")?;
    same("full", ready(&fd, IN | OUT, 0)?, IN)?;
    fails("full", add(&fd, 1), Errno::AGAIN)?;
    same("read", take(&fd), Ok(u64::MAX - 1))
}

fn counter_sizes() -> Verdict {
    let fd = counter(1, EventfdFlags::NONBLOCK)?;
    let read = |len: usize| rustix::io::read(&fd, &mut vec![0u8; len]);
    fails("short read", read(7), Errno::INVAL)?;
    fails("empty read", read(0), Errno::INVAL)?;
    same("long read", read(100), Ok(8))?;
    for len in [0, 7, 9, 16] {
        let wrong = rustix::io::write(&fd, &vec![1u8; len]);
        fails(&format!("write of {len}"), wrong, Errno::INVAL)?;
    }
    add(&fd, 3).told("write")?;
    let (mut low, mut high) = ([0u8; 4], [0u8; 4]);
    let mut parts = [
        std::io::IoSliceMut::new(&mut low),
        std::io::IoSliceMut::new(&mut high),
    ];
    same("readv", rustix::io::readv(&fd, &mut parts), Ok(8))?;
    same("low half", u32::from_ne_bytes(low), 3)?;
    same(
        "pread",
        rustix::io::pread(&fd, &mut [0; 8], 0),
        Err(Errno::SPIPE),
    )
}

fn counter_wakes_reader() -> Verdict {
    let fd = counter(0, EventfdFlags::empty())?;
    let pid = child(|| {
        pause_ms(10);
        i32::from(add(&fd, 9).is_err())
    })?;
    same("read", take(&fd), Ok(9))?;
    same("exit", ended(pid)?.exit_status(), Some(0))
}

fn counter_wakes_writer() -> Verdict {
    let fd = counter(0, EventfdFlags::empty())?;
    add(&fd, u64::MAX - 1).told("fill")?;
    let pid = child(|| {
        pause_ms(10);
        i32::from(take(&fd) != Ok(u64::MAX - 1))
    })?;
    add(&fd, 4).told("write that waits")?;
    same("exit", ended(pid)?.exit_status(), Some(0))?;
    same("read", take(&fd), Ok(4))
}

fn counter_is_shared() -> Verdict {
    let fd = counter(0, EventfdFlags::empty())?;
    let twin = rustix::io::dup(&fd).told("dup")?;
    add(&twin, 1).told("write")?;
    super::exits(0, || i32::from(add(&twin, 2).is_err()))?;
    same("read", take(&fd), Ok(3))
}

fn interrupted_read() -> Verdict {
    let fd = counter(0, EventfdFlags::empty())?;
    let parent = getpid();
    let nudge = || {
        child(|| {
            pause_ms(20);
            let sent = kill_process(parent, Signal::USR1).is_ok();
            pause_ms(20);
            i32::from(!sent || add(&fd, 1).is_err())
        })
    };
    handler::count(USR1, Manner::Interrupt).told("sigaction")?;
    let pid = nudge()?;
    fails("read", take(&fd), Errno::INTR)?;
    same("exit", ended(pid)?.exit_status(), Some(0))?;
    same("read", take(&fd), Ok(1))?;
    handler::count(USR1, Manner::Restart).told("sigaction")?;
    let pid = nudge()?;
    same("made again", take(&fd), Ok(1))?;
    same("exit", ended(pid)?.exit_status(), Some(0))?;
    same("handlers", handler::taken(USR1), 2)
}

/// One of each, with its name in /proc.
fn each() -> Result<[(OwnedFd, &'static str); 3], String> {
    Ok([
        (counter(3, EventfdFlags::SEMAPHORE)?, "anon_inode:[eventfd]"),
        (timer(TimerfdClockId::Monotonic)?, "anon_inode:[timerfd]"),
        (signals(&[USR1])?, "anon_inode:[signalfd]"),
    ])
}

pub(super) fn proc_name(fd: &OwnedFd) -> Result<String, String> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let target = std::fs::read_link(path).told("readlink")?;
    Ok(target.to_string_lossy().into_owned())
}

fn names() -> Verdict {
    for (fd, name) in each()? {
        same("name", proc_name(&fd)?, name.to_owned())?;
        let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
        let opened = rustix::fs::open(path, OFlags::RDWR, rustix::fs::Mode::empty());
        fails("open", opened, Errno::NXIO)?;
    }
    Ok(())
}

/// The lines of a descriptor in /proc, without those that all have.
pub(super) fn proc_lines(fd: &OwnedFd) -> Result<Vec<String>, String> {
    let path = format!("/proc/self/fdinfo/{}", fd.as_raw_fd());
    let text = std::fs::read_to_string(path).told("fdinfo")?;
    let common = ["pos:", "flags:", "mnt_id:", "ino:", "eventfd-id:"];
    let own = |line: &&str| !common.iter().any(|name| line.starts_with(name));
    Ok(text.lines().filter(own).map(str::to_owned).collect())
}

fn fdinfo() -> Verdict {
    let [(event, _), (timer, _), (signal, _)] = each()?;
    let lines = ["eventfd-count:                3", "eventfd-semaphore: 1"];
    same(
        "eventfd",
        proc_lines(&event)?,
        lines.map(str::to_owned).to_vec(),
    )?;
    set(&timer, TimerfdTimerFlags::ABSTIME, 1, 0).told("settime")?;
    same("ready", ready(&timer, IN, 20_000)?, IN)?;
    let lines = [
        "clockid: 1",
        "ticks: 1",
        "settime flags: 01",
        "it_value: (0, 0)",
        "it_interval: (0, 0)",
    ];
    same(
        "timerfd",
        proc_lines(&timer)?,
        lines.map(str::to_owned).to_vec(),
    )?;
    same(
        "signalfd",
        proc_lines(&signal)?,
        vec!["sigmask:\t0000000000000200".to_owned()],
    )
}

fn no_file_like_others() -> Verdict {
    for (fd, name) in each()? {
        let told = |what: &str| format!("{name}: {what}");
        let stat = fstat(&fd).told("fstat")?;
        same(&told("mode"), stat.st_mode, 0o600)?;
        same(&told("size"), (stat.st_size, stat.st_nlink), (0, 1))?;
        let kind = rustix::fs::fstatfs(&fd).told("fstatfs")?.f_type;
        same(&told("file system"), kind as u64, 0x0904_1934)?;
        same(
            &told("lseek"),
            rustix::fs::seek(&fd, rustix::fs::SeekFrom::Start(5)),
            Ok(0),
        )?;
        fails(&told("ftruncate"), ftruncate(&fd, 0), Errno::INVAL)?;
        fails(
            &told("pwrite"),
            rustix::io::pwrite(&fd, &[0; 8], 0),
            Errno::SPIPE,
        )?;
        fails(&told("fsync"), rustix::fs::fsync(&fd), Errno::INVAL)?;
        let mode = rustix::fs::Mode::RUSR;
        fails(
            &told("fchmod"),
            rustix::fs::fchmod(&fd, mode),
            Errno::OPNOTSUPP,
        )?;
        let sharing = berth_sys::memory::Sharing::Shared;
        let mapped = berth_sys::memory::Region::file(fd.as_fd(), 1, sharing);
        fails(&told("mmap"), mapped.map(drop), Errno::NODEV)?;
        fails(
            &told("seals"),
            rustix::fs::fcntl_get_seals(&fd),
            Errno::INVAL,
        )?;
        fails(
            &told("ioctl"),
            rustix::termios::tcgetattr(&fd),
            Errno::NOTTY,
        )?;
        let flags = rustix::fs::FallocateFlags::empty();
        fails(
            &told("fallocate"),
            rustix::fs::fallocate(&fd, flags, 0, 1),
            Errno::NODEV,
        )?;
    }
    Ok(())
}

fn flags() -> Verdict {
    let fd = counter(0, EventfdFlags::CLOEXEC)?;
    same(
        "descriptor",
        fcntl_getfd(&fd).told("fcntl")?,
        FdFlags::CLOEXEC,
    )?;
    same("status", fcntl_getfl(&fd).told("fcntl")?, OFlags::RDWR)?;
    rustix::io::ioctl_fionbio(&fd, true).told("FIONBIO")?;
    fails("read", take(&fd), Errno::AGAIN)?;
    let status = OFlags::RDWR | OFlags::NONBLOCK;
    same("status", fcntl_getfl(&fd).told("fcntl")?, status)?;
    fails(
        "unknown",
        eventfd(0, EventfdFlags::from_bits_retain(2)),
        Errno::INVAL,
    )
}
