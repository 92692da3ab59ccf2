//! Advisory locks: of whole files, of parts, of processes and of open files.

use std::fs::{self, File, OpenOptions};
use std::os::fd::AsFd;
use std::path::Path;

use berth_sys::audit::pause_ms;
use berth_sys::files::{ByDescriptor, Part, by_descriptor, lock};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::files::in_directory;
use super::{Case, Told, Verdict, check, child, ended, exits, fails, same};

pub const CASES: &[Case] = &[
    ("locks/whole-files", whole_files),
    ("locks/whole-files-convert", whole_files_convert),
    ("locks/whole-files-follow-dup", whole_files_follow_dup),
    ("locks/whole-files-wait", whole_files_wait),
    ("locks/whole-files-refused", whole_files_refused),
    ("locks/parts", parts),
    ("locks/parts-split-and-merge", parts_split_and_merge),
    ("locks/parts-of-a-process", parts_of_a_process),
    ("locks/parts-end-with-any-close", parts_end_with_any_close),
    ("locks/parts-are-not-inherited", parts_are_not_inherited),
    ("locks/parts-wait", parts_wait),
    ("locks/parts-refused", parts_refused),
    ("locks/places", places),
    ("locks/deadlock", deadlock),
    ("locks/open-files", open_files),
    ("locks/open-files-and-processes", open_files_and_processes),
];

const READ: i16 = 0;
const WRITE: i16 = 1;
const NONE: i16 = 2;

const GET: i32 = 5;
const SET: i32 = 6;
const WAIT: i32 = 7;
const GET_OF_FILE: i32 = 36;
const SET_OF_FILE: i32 = 37;

/// A part of a file that begins at `start`; without a length it has no end.
fn part(kind: i16, start: i64, len: i64) -> Part {
    Part {
        kind,
        whence: 0,
        start,
        len,
        pid: 0,
    }
}

fn set(file: &File, kind: i16, start: i64, len: i64) -> Result<(), Errno> {
    lock(file.as_fd(), SET, &mut part(kind, start, len))
}

fn set_of_file(file: &File, kind: i16, start: i64, len: i64) -> Result<(), Errno> {
    lock(file.as_fd(), SET_OF_FILE, &mut part(kind, start, len))
}

/// The lock that stands against one of `kind`, if there is one.
fn against(file: &File, kind: i16, start: i64, len: i64) -> Result<Option<Part>, String> {
    let mut asked = part(kind, start, len);
    lock(file.as_fd(), GET, &mut asked).told("F_GETLK")?;
    Ok(Some(asked).filter(|found| found.kind != NONE))
}

fn open(path: &Path) -> Result<File, String> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .told("open")
}

fn with_file(work: impl FnOnce(&Path, &File) -> Verdict) -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        fs::write(&path, [0; 1000]).told("write")?;
        let file = open(&path)?;
        work(&path, &file)
    })
}

/// Whether another process gets this lock at once.
fn free_for_another(path: &Path, kind: i16, start: i64, len: i64) -> Result<bool, String> {
    let status = ended(child(|| {
        let got = open(path).map(|file| set(&file, kind, start, len));
        match got {
            Ok(Ok(())) => 0,
            Ok(Err(Errno::AGAIN)) => 1,
            _ => 2,
        }
    })?)?;
    match status.exit_status() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => Err("another failure".into()),
    }
}

const SHARED: FlockOperation = FlockOperation::NonBlockingLockShared;
const EXCLUSIVE: FlockOperation = FlockOperation::NonBlockingLockExclusive;

fn whole_files() -> Verdict {
    with_file(|path, one| {
        let other = open(path)?;
        flock(one, EXCLUSIVE).told("exclusive")?;
        fails("shared", flock(&other, SHARED), Errno::AGAIN)?;
        fails("exclusive", flock(&other, EXCLUSIVE), Errno::AGAIN)?;
        flock(one, EXCLUSIVE).told("again")?;
        flock(one, FlockOperation::Unlock).told("unlock")?;
        flock(&other, SHARED).told("shared")?;
        flock(one, SHARED).told("shared too")?;
        drop(other);
        flock(one, EXCLUSIVE).told("the other is closed")
    })
}

fn whole_files_convert() -> Verdict {
    with_file(|path, one| {
        let other = open(path)?;
        flock(one, SHARED).told("shared")?;
        flock(&other, SHARED).told("shared")?;
        fails("upgrade", flock(one, EXCLUSIVE), Errno::AGAIN)?;
        // The lock one had is lost in the attempt (flock(2)).
        flock(&other, EXCLUSIVE).told("upgrade")?;
        flock(&other, SHARED).told("downgrade")?;
        flock(one, SHARED).told("shared")
    })
}

fn whole_files_follow_dup() -> Verdict {
    with_file(|path, one| {
        let twin = one.try_clone().told("dup")?;
        let other = open(path)?;
        flock(one, EXCLUSIVE).told("exclusive")?;
        flock(&twin, EXCLUSIVE).told("the same open file")?;
        exits(0, || i32::from(flock(one, EXCLUSIVE).is_err()))?;
        fails("after the child", flock(&other, SHARED), Errno::AGAIN)?;
        // One descriptor gives it up for all.
        flock(&twin, FlockOperation::Unlock).told("unlock")?;
        flock(&other, EXCLUSIVE).told("free")
    })
}

fn whole_files_wait() -> Verdict {
    with_file(|path, one| {
        flock(one, EXCLUSIVE).told("exclusive")?;
        let waiter = child(|| {
            let got = open(path).map(|other| flock(&other, FlockOperation::LockExclusive));
            i32::from(!matches!(got, Ok(Ok(()))))
        })?;
        pause_ms(50);
        flock(one, FlockOperation::Unlock).told("unlock")?;
        same("waiter", ended(waiter)?.exit_status(), Some(0))
    })
}

fn whole_files_refused() -> Verdict {
    with_file(|path, one| {
        let by = |operation| by_descriptor(ByDescriptor::Flock, one.as_fd(), [operation, 0, 0]);
        fails("nothing", by(0), Errno::INVAL)?;
        fails("two", by(3), Errno::INVAL)?;
        let flags = rustix::fs::OFlags::PATH;
        let place = rustix::fs::open(path, flags, rustix::fs::Mode::empty()).told("open")?;
        fails("a place", flock(&place, SHARED), Errno::BADF)?;
        // The access mode does not matter.
        flock(File::open(path).told("open")?, EXCLUSIVE).told("read only")?;
        let directory = File::open(path.parent().ok_or("no parent")?).told("open")?;
        flock(&directory, EXCLUSIVE).told("a directory")
    })
}

fn parts() -> Verdict {
    with_file(|path, file| {
        set(file, WRITE, 100, 50).told("lock")?;
        for (start, len, free) in [
            (0, 100, true),
            (99, 2, false),
            (149, 1, false),
            (150, 10, true),
            (0, 0, false),
        ] {
            same("free", free_for_another(path, READ, start, len)?, free)?;
        }
        set(file, READ, 100, 50).told("weaker")?;
        same("to read", free_for_another(path, READ, 0, 0)?, true)?;
        same("to write", free_for_another(path, WRITE, 120, 1)?, false)?;
        set(file, NONE, 0, 0).told("unlock")?;
        same("unlocked", free_for_another(path, WRITE, 0, 0)?, true)
    })
}

fn parts_split_and_merge() -> Verdict {
    with_file(|path, file| {
        set(file, WRITE, 0, 100).told("lock")?;
        set(file, NONE, 40, 20).told("unlock the middle")?;
        same("middle", free_for_another(path, WRITE, 40, 20)?, true)?;
        same("before", free_for_another(path, WRITE, 39, 1)?, false)?;
        same("behind", free_for_another(path, WRITE, 60, 1)?, false)?;
        set(file, WRITE, 30, 40).told("over the gap")?;
        same("middle", free_for_another(path, WRITE, 50, 1)?, false)?;
        set(file, READ, 20, 60).told("a weaker middle")?;
        same("to read", free_for_another(path, READ, 20, 60)?, true)?;
        same(
            "to read before",
            free_for_another(path, READ, 19, 1)?,
            false,
        )
    })
}

fn parts_of_a_process() -> Verdict {
    with_file(|path, file| {
        set(file, WRITE, 10, 5).told("lock")?;
        // Another descriptor of the same process is no other owner.
        let twin = open(path)?;
        same("own", against(&twin, WRITE, 0, 0)?, None)?;
        let me = rustix::process::getpid().as_raw_nonzero().get();
        let status = ended(child(|| {
            let Ok(Ok(Some(found))) = open(path).map(|file| against(&file, READ, 0, 0)) else {
                return 1;
            };
            let wanted = Part {
                pid: me,
                ..part(WRITE, 10, 5)
            };
            i32::from(found != wanted)
        })?)?;
        same("told", status.exit_status(), Some(0))?;
        set(file, WRITE, 200, 0).told("lock to the end")?;
        exits(0, || {
            let found = open(path).map(|file| against(&file, READ, 300, 1));
            let Ok(Ok(Some(found))) = found else { return 1 };
            i32::from((found.start, found.len) != (200, 0))
        })
    })
}

fn parts_end_with_any_close() -> Verdict {
    with_file(|path, file| {
        set(file, WRITE, 0, 0).told("lock")?;
        same("locked", free_for_another(path, WRITE, 0, 0)?, false)?;
        drop(File::open(path).told("open")?);
        same("after a close", free_for_another(path, WRITE, 0, 0)?, true)?;
        same("still open", rustix::io::write(file, b"x"), Ok(1))
    })
}

fn parts_are_not_inherited() -> Verdict {
    with_file(|path, file| {
        set(file, WRITE, 0, 10).told("lock")?;
        // The child has the descriptor, but not the lock, and its end does not end the lock.
        exits(0, || {
            i32::from(set(file, WRITE, 0, 10) != Err(Errno::AGAIN))
        })?;
        same("kept", free_for_another(path, WRITE, 0, 10)?, false)?;
        let holder = child(|| i32::from(set(file, WRITE, 500, 1).is_err()))?;
        same("holder", ended(holder)?.exit_status(), Some(0))?;
        same(
            "ended with its process",
            free_for_another(path, WRITE, 500, 1)?,
            true,
        )
    })
}

fn parts_wait() -> Verdict {
    with_file(|path, file| {
        set(file, WRITE, 0, 10).told("lock")?;
        let waiter = child(|| {
            let got = open(path).map(|other| lock(other.as_fd(), WAIT, &mut part(WRITE, 5, 10)));
            i32::from(!matches!(got, Ok(Ok(()))))
        })?;
        pause_ms(50);
        // What does not stand against it does not wake it to take it.
        set(file, NONE, 0, 5).told("unlock a part")?;
        pause_ms(20);
        set(file, NONE, 5, 5).told("unlock the rest")?;
        same("waiter", ended(waiter)?.exit_status(), Some(0))
    })
}

fn parts_refused() -> Verdict {
    with_file(|path, file| {
        let readable = File::open(path).told("open")?;
        let writable = OpenOptions::new().write(true).open(path).told("open")?;
        fails("to write", set(&readable, WRITE, 0, 1), Errno::BADF)?;
        fails("to read", set(&writable, READ, 0, 1), Errno::BADF)?;
        fails("kind", set(file, 7, 0, 1), Errno::INVAL)?;
        fails("start", set(file, READ, -1, 1), Errno::INVAL)?;
        fails("before the start", set(file, READ, 5, -6), Errno::INVAL)?;
        fails("too far", set(file, READ, i64::MAX, 2), Errno::OVERFLOW)?;
        set(file, READ, i64::MAX, 1).told("the last byte")?;
        let whence = Part {
            whence: 9,
            ..part(READ, 0, 1)
        };
        fails(
            "whence",
            lock(file.as_fd(), SET, &mut whence.clone()),
            Errno::INVAL,
        )?;
        fails(
            "ask for nothing",
            lock(file.as_fd(), GET, &mut part(NONE, 0, 1)),
            Errno::INVAL,
        )
    })
}

fn places() -> Verdict {
    with_file(|path, file| {
        let at = |whence, start, len| {
            let mut wanted = Part {
                whence,
                ..part(WRITE, start, len)
            };
            lock(file.as_fd(), SET, &mut wanted)
        };
        rustix::fs::seek(file, rustix::fs::SeekFrom::Start(100)).told("lseek")?;
        at(1, -10, 5).told("from the offset")?;
        same("90 to 95", free_for_another(path, WRITE, 90, 1)?, false)?;
        same("95", free_for_another(path, WRITE, 95, 5)?, true)?;
        at(2, 0, -20).told("back from the end")?;
        same("980 to 1000", free_for_another(path, WRITE, 980, 1)?, false)?;
        same("1000", free_for_another(path, WRITE, 1000, 0)?, true)?;
        same("979", free_for_another(path, WRITE, 96, 884)?, true)
    })
}

fn deadlock() -> Verdict {
    with_file(|path, file| {
        set(file, WRITE, 0, 1).told("first")?;
        let (ready, tell) = crate::small::pipe().told("pipe")?;
        let other = child(|| {
            let Ok(file) = open(path) else { return 1 };
            if set(&file, WRITE, 1, 1).is_err() || rustix::io::write(&tell, b"x").is_err() {
                return 2;
            }
            // Waits for the first byte until its owner gives up.
            i32::from(lock(file.as_fd(), WAIT, &mut part(WRITE, 0, 1)).is_err()) * 3
        })?;
        rustix::io::read(&ready, &mut [0; 1]).told("read")?;
        // The other may not have begun to wait: then it has to be tried again.
        let waits = || lock(file.as_fd(), WAIT, &mut part(WRITE, 1, 1));
        pause_ms(200);
        fails("a ring of two", waits(), Errno::DEADLK)?;
        set(file, NONE, 0, 1).told("give up")?;
        same("the other", ended(other)?.exit_status(), Some(0))
    })
}

fn open_files() -> Verdict {
    with_file(|path, one| {
        let (other, twin) = (open(path)?, one.try_clone().told("dup")?);
        set_of_file(one, WRITE, 0, 10).told("lock")?;
        set_of_file(&twin, WRITE, 0, 10).told("the same open file")?;
        fails("another", set_of_file(&other, WRITE, 5, 1), Errno::AGAIN)?;
        let mut asked = part(READ, 0, 0);
        lock(other.as_fd(), GET_OF_FILE, &mut asked).told("F_OFD_GETLK")?;
        same(
            "told",
            asked,
            Part {
                pid: -1,
                ..part(WRITE, 0, 10)
            },
        )?;
        let mut with_pid = Part {
            pid: 1,
            ..part(READ, 20, 1)
        };
        let refused = lock(one.as_fd(), SET_OF_FILE, &mut with_pid);
        fails("a process", refused, Errno::INVAL)?;
        // Only the last descriptor ends them.
        drop(twin);
        drop(File::open(path).told("open")?);
        fails("another", set_of_file(&other, WRITE, 5, 1), Errno::AGAIN)?;
        set_of_file(one, NONE, 0, 0).told("unlock")?;
        set_of_file(&other, WRITE, 5, 1).told("free")
    })
}

fn open_files_and_processes() -> Verdict {
    with_file(|path, one| {
        let other = open(path)?;
        set_of_file(one, WRITE, 0, 10).told("lock")?;
        fails("its own process", set(&other, WRITE, 0, 1), Errno::AGAIN)?;
        let found = against(&other, WRITE, 0, 0)?;
        same("told", found.map(|found| found.pid), Some(-1))?;
        exits(0, || i32::from(set_of_file(one, READ, 0, 10).is_err()))?;
        // The child changed the lock of the open file that both have.
        set_of_file(&other, READ, 0, 10).told("shared")?;
        flock(&other, EXCLUSIVE).told("locks of whole files are others")?;
        check(set(&other, WRITE, 0, 1) == Err(Errno::AGAIN), || {
            "not kept".into()
        })
    })
}
