//! Descriptors: numbers that are chosen, ranges that are closed, the older calls that make some.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use berth_sys::events::signalfd_without_flags;
use berth_sys::files::{ByDescriptor, by_descriptor};
use berth_sys::own::{Numbers, numbers};
use berth_sys::raw::exit;
use berth_sys::records::{OfRecords, Place, of_records};
use berth_sys::threads;
use rustix::fs::{CWD, Mode, OFlags, open};
use rustix::io::Errno;
use rustix::process::Pid;

use super::{Case, Told, Verdict, as_user, ended, fails, same};

pub const CASES: &[Case] = &[
    ("descriptors/dup2", dup2),
    ("descriptors/dup3", dup3),
    ("descriptors/dup-to-what-cannot-be", dup_to_what_cannot_be),
    ("descriptors/close-range", close_range),
    ("descriptors/close-range-of-all", close_range_of_all),
    ("descriptors/close-range-unshares", close_range_unshares),
    ("descriptors/pipe", pipe),
    ("descriptors/epoll-create", epoll_create),
    ("descriptors/eventfd", eventfd),
    ("descriptors/signalfd", signalfd),
    ("descriptors/working-directory", working_directory),
];

const CLOEXEC: i64 = 0o2_000_000;
/// close_range(2)'s flags.
const UNSHARE: i64 = 2;
const ONLY_MARK: i64 = 4;
/// Of clone(2).
const FILES: u64 = 0x400;

fn null() -> Result<std::fs::File, String> {
    std::fs::File::open("/dev/null").told("open")
}

/// Whether this number is open, and then whether it is closed by execve.
fn marked(fd: i64) -> Option<bool> {
    let path = format!("/proc/self/fdinfo/{fd}");
    let text = std::fs::read_to_string(path).ok()?;
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"))?;
    let flags = i64::from_str_radix(flags.trim(), 8).ok()?;
    Some(flags & CLOEXEC != 0)
}

fn dup2() -> Verdict {
    let file = null()?;
    let fd = i64::from(file.as_raw_fd());
    same("a new one", numbers(Numbers::Dup2, &[fd, 100]), Ok(100))?;
    same("by execve", marked(100), Some(false))?;
    let own = numbers(Numbers::Dup2, &[fd, fd]);
    same("itself", own, Ok(fd as u64))?;
    same("by execve", marked(fd), Some(true))?;
    fails("nothing", numbers(Numbers::Dup2, &[99, 101]), Errno::BADF)?;
    fails("nothing", numbers(Numbers::Dup2, &[99, 99]), Errno::BADF)?;
    // What was there is closed: the pipe has no writer any more.
    let (reader, writer) = crate::small::pipe().told("pipe")?;
    let end = i64::from(writer.as_raw_fd());
    same(
        "over it",
        numbers(Numbers::Dup2, &[fd, end]),
        Ok(end as u64),
    )?;
    same("end", rustix::io::read(&reader, &mut [0u8; 1]), Ok(0))
}

fn dup3() -> Verdict {
    let file = null()?;
    let fd = i64::from(file.as_raw_fd());
    let dup = |from: i64, to: i64, flags: i64| numbers(Numbers::Dup3, &[from, to, flags]);
    same("without flags", dup(fd, 100, 0), Ok(100))?;
    same("by execve", marked(100), Some(false))?;
    same("marked", dup(fd, 100, CLOEXEC), Ok(100))?;
    same("by execve", marked(100), Some(true))?;
    fails("itself", dup(fd, fd, 0), Errno::INVAL)?;
    fails("nothing to itself", dup(99, 99, 0), Errno::INVAL)?;
    fails("O_NONBLOCK", dup(fd, 100, 0o4000), Errno::INVAL)?;
    fails("nothing", dup(99, 100, 0), Errno::BADF)?;
    same("is still there", marked(100), Some(true))
}

fn dup_to_what_cannot_be() -> Verdict {
    let file = null()?;
    let fd = i64::from(file.as_raw_fd());
    let [limit, _] = berth_sys::own::prlimit(0, 7, None).told("prlimit")?;
    for to in [-1, limit as i64, i64::from(i32::MAX)] {
        fails("dup2", numbers(Numbers::Dup2, &[fd, to]), Errno::BADF)?;
        fails("dup3", numbers(Numbers::Dup3, &[fd, to, 0]), Errno::BADF)?;
    }
    let last = limit as i64 - 1;
    same(
        "the last",
        numbers(Numbers::Dup2, &[fd, last]),
        Ok(last as u64),
    )
}

fn close(first: i64, last: i64, flags: i64) -> Result<u64, Errno> {
    numbers(Numbers::CloseRange, &[first, last, flags])
}

fn close_range() -> Verdict {
    let file = null()?;
    let fd = i64::from(file.as_raw_fd());
    for to in [100, 101, 103, 105] {
        numbers(Numbers::Dup2, &[fd, to]).told("dup2")?;
    }
    same("marks", close(101, 103, ONLY_MARK), Ok(0))?;
    let found = [100, 101, 102, 103, 105].map(marked);
    let wanted = [Some(false), Some(true), None, Some(true), Some(false)];
    same("marked", found, wanted)?;
    same("closes", close(101, 104, 0), Ok(0))?;
    let found = [100, 101, 103, 105].map(marked);
    same("left", found, [Some(false), None, None, Some(false)])?;
    same("nothing", close(101, 104, 0), Ok(0))?;
    fails("backwards", close(105, 100, 0), Errno::INVAL)?;
    fails("a flag", close(100, 105, 1), Errno::INVAL)?;
    fails("a flag", close(100, 105, 8), Errno::INVAL)?;
    same("left", [100, 105].map(marked), [Some(false); 2])
}

fn close_range_of_all() -> Verdict {
    let file = null()?;
    let fd = i64::from(file.as_raw_fd());
    for to in [100, 500] {
        numbers(Numbers::Dup2, &[fd, to]).told("dup2")?;
    }
    same("closes", close(100, i64::from(u32::MAX), 0), Ok(0))?;
    same("left", [fd, 100, 500].map(marked), [Some(true), None, None])
}

/// A child that shares its descriptors closes one, with these flags; what is left of it here.
fn closed_by_a_sharer(flags: i64) -> Result<Option<bool>, String> {
    let file = null()?;
    numbers(Numbers::Dup2, &[i64::from(file.as_raw_fd()), 200]).told("dup2")?;
    let pid = threads::clone(FILES | 17).told("clone")?;
    if pid == 0 {
        let closed = close(200, 200, flags);
        exit(i32::from(closed != Ok(0) || marked(200).is_some()))
    }
    let pid = Pid::from_raw(pid).ok_or("pid")?;
    same("exit", ended(pid)?.exit_status(), Some(0))?;
    Ok(marked(200))
}

fn close_range_unshares() -> Verdict {
    same("shared", closed_by_a_sharer(0)?, None)?;
    same("unshared", closed_by_a_sharer(UNSHARE)?, Some(false))?;
    // Nobody shares them now.
    same("alone", close(200, 200, UNSHARE | ONLY_MARK), Ok(0))?;
    same("marked", marked(200), Some(true))
}

fn pipe() -> Verdict {
    let mut record = [0; 4];
    of_records(OfRecords::Pipe, Place::Here(&mut record), Place::Null).told("pipe")?;
    let [both, ..] = record;
    let (read, write) = ((both & 0xffff_ffff) as i64, (both >> 32) as i64);
    same("marked", [read, write].map(marked), [Some(false); 2])?;
    let path = |fd: i64| format!("/proc/self/fd/{fd}");
    std::fs::write(path(write), "abc").told("write")?;
    close(write, write, 0).told("close")?;
    let text = std::fs::read_to_string(path(read)).told("read")?;
    same("bytes", text.as_str(), "abc")?;
    let wild = of_records(OfRecords::Pipe, Place::Wild, Place::Null);
    fails("nowhere", wild, Errno::FAULT)?;
    // Nothing is left open by the one that failed.
    same("the next", marked(write), None)
}

fn epoll_create() -> Verdict {
    for size in [0, -1, i64::from(i32::MIN)] {
        let made = numbers(Numbers::EpollCreate, &[size]);
        fails(&size.to_string(), made, Errno::INVAL)?;
    }
    for size in [1, i64::from(i32::MAX)] {
        let fd = numbers(Numbers::EpollCreate, &[size]).told("epoll_create")?;
        same("marked", marked(fd as i64), Some(false))?;
        let link = std::fs::read_link(format!("/proc/self/fd/{fd}")).told("readlink")?;
        same("kind", link.as_path(), Path::new("anon_inode:[eventpoll]"))?;
    }
    Ok(())
}

fn eventfd() -> Verdict {
    let fd = numbers(Numbers::Eventfd, &[7]).told("eventfd")?;
    same("marked", marked(fd as i64), Some(false))?;
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).told("fdinfo")?;
    let flags = info.lines().find(|line| line.starts_with("flags:"));
    same("flags", flags, Some("flags:\t02"))?;
    let count = info.lines().find(|line| line.starts_with("eventfd-count:"));
    let count = count.and_then(|line| line.split_whitespace().nth(1));
    same("count", count, Some("7"))?;
    // Without the flags of eventfd2 the second word means nothing.
    numbers(Numbers::Eventfd, &[0, -1])
        .map(drop)
        .told("eventfd")
}

fn signalfd() -> Verdict {
    const USR1: i32 = 10;
    berth_sys::handler::hold(USR1, true).told("hold")?;
    let fd = signalfd_without_flags(1 << (USR1 - 1)).told("signalfd")?;
    same("marked", marked(i64::from(fd.as_raw_fd())), Some(false))?;
    let own = rustix::process::getpid();
    rustix::process::kill_process(own, rustix::process::Signal::USR1).told("kill")?;
    let mut record = [0u8; 128];
    same("bytes", rustix::io::read(&fd, &mut record), Ok(128))?;
    same("signal", record.first(), Some(&10))
}

fn working_directory() -> Verdict {
    super::files::in_directory(|directory| {
        let inner = directory.join("inner");
        std::fs::create_dir(&inner).told("mkdir")?;
        let flags = OFlags::CLOEXEC | OFlags::PATH;
        let place = open(&inner, flags, Mode::empty()).told("open")?;
        let change = |fd: BorrowedFd<'_>| by_descriptor(ByDescriptor::Fchdir, fd, [0; 3]);
        same("by a place", change(place.as_fd()), Ok(0))?;
        same(
            "is there",
            std::env::current_dir().told("getcwd")?,
            inner.clone(),
        )?;
        let file = null()?;
        let none = change(file.as_fd());
        fails("a device", none, Errno::NOTDIR)?;
        fails("cwd", change(CWD), Errno::BADF)?;
        std::fs::set_permissions(&inner, std::fs::Permissions::from_mode(0o600)).told("chmod")?;
        as_user(12_345, 12_345, &[], || {
            let refused = change(place.as_fd());
            fails("without permission", refused, Errno::ACCESS)
        })?;
        same(
            "still there",
            std::env::current_dir().told("getcwd")?,
            inner,
        )
    })
}
