//! Readiness, control, size of open files (poll(2), ioctl(2), ftruncate(2)).

use super::read::find_device;
use super::write::{group, size_limit, too_big, written};
use super::{take_turns, terminal};
use crate::error::{Call, Errno, Stop};
use crate::fs::open::FileKind;
use crate::fs::{FileId, InodeId, Store, pages, pipe, seal};
use crate::machine::PAGE;
use crate::mm::{self, user};
use crate::wait::WaitKey;
use crate::{Cx, Kernel, dev, net, tty};
use linux_raw_sys::{general as linux, ioctl as request};

/// What an open file is ready for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Readiness {
    /// POLL* bits.
    pub events: u32,
    /// What wakes those who wait for something to read.
    pub data: Option<WaitKey>,
    /// What wakes those who wait for room to write.
    pub room: Option<WaitKey>,
}

impl Readiness {
    /// Of what never changes.
    fn fixed(events: u32) -> Readiness {
        Readiness {
            events,
            ..Readiness::default()
        }
    }
}

/// What an open file is ready for now, and what wakes those who wait for a change.
///
/// # Errors
/// EBADF when it is gone.
pub fn poll(k: &mut Kernel, cx: &mut Cx, id: FileId) -> Result<Readiness, Errno> {
    const ALWAYS: u32 = linux::POLLIN | linux::POLLOUT | linux::POLLRDNORM | linux::POLLWRNORM;
    let file = k.fs.file(id)?;
    match &file.kind {
        FileKind::Regular(_) | FileKind::Dir(_) | FileKind::View(_) => Ok(Readiness::fixed(ALWAYS)),
        FileKind::Path => Ok(Readiness::fixed(linux::POLLNVAL)),
        FileKind::Pipe(held) => {
            let key = held.key();
            let pipe = k.fs.pipes.get(key).ok_or(Errno::EBADF)?;
            let (reads, writes) = (file.reads(), file.writes());
            Ok(Readiness {
                events: pipe_ready(pipe, reads, writes),
                data: reads.then_some(WaitKey::PipeData(key)),
                room: writes.then_some(WaitKey::PipeRoom(key)),
            })
        }
        FileKind::Terminal(terminal) => {
            let (events, key) = tty::transfer::poll(k, cx.m, terminal.end());
            Ok(Readiness {
                events: with_normal(events),
                data: Some(key),
                room: None,
            })
        }
        FileKind::Event(_) => super::event::poll(k, cx, id),
        FileKind::Socket(socket) => {
            let key = socket.key();
            Ok(Readiness {
                events: net::ready::ready(k, key)?,
                data: Some(WaitKey::SocketData(key)),
                room: k.net.peer_of(key).map(WaitKey::SocketRoom),
            })
        }
        FileKind::Device(device) => {
            let device = find_device(device)?;
            Ok(Readiness {
                events: with_normal(dev::poll(device)),
                ..Readiness::default()
            })
        }
    }
}

/// Linux's drivers tell POLLRDNORM with POLLIN and POLLWRNORM with POLLOUT.
fn with_normal(mut ready: u32) -> u32 {
    for (plain, normal) in [
        (linux::POLLIN, linux::POLLRDNORM),
        (linux::POLLOUT, linux::POLLWRNORM),
    ] {
        if ready & plain != 0 {
            ready |= normal;
        }
    }
    ready
}

fn pipe_ready(pipe: &pipe::Pipe, reads: bool, writes: bool) -> u32 {
    let mut ready = 0;
    if reads {
        if !pipe.is_empty() {
            ready |= linux::POLLIN | linux::POLLRDNORM;
        }
        if pipe.writers == 0 && pipe.writer_opens > 0 {
            ready |= linux::POLLHUP;
        }
    }
    if writes {
        if pipe.is_writable() {
            ready |= linux::POLLOUT | linux::POLLWRNORM;
        }
        if pipe.readers == 0 {
            ready |= linux::POLLERR;
        }
    }
    ready
}

/// Controls an open file (ioctl(2)). FIOCLEX and FIONCLEX are about descriptors, not here.
///
/// # Errors
/// ENOTTY for what is not known of this kind of file; EFAULT.
pub fn ioctl(k: &mut Kernel, cx: &mut Cx, id: FileId, what: u32, arg: u64) -> Call {
    let file = k.fs.file(id)?;
    match what {
        request::FIONBIO => {
            let mut on = [0; 4];
            user::copy_in(k, cx, arg, &mut on)?;
            let file = k.fs.file_mut(id)?;
            file.flags &= !linux::O_NONBLOCK;
            if on != [0; 4] {
                file.flags |= linux::O_NONBLOCK;
            }
            Ok(0)
        }
        _ if matches!(file.kind, FileKind::Terminal(_)) => terminal::ioctl(k, cx, id, what, arg),
        request::FIONREAD => {
            let bytes = readable(k, id)?;
            let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
            user::copy_out(k, cx, arg, &bytes.to_le_bytes(), 0)
        }
        _ => Err(Errno::ENOTTY.into()),
    }
}

fn readable(k: &Kernel, id: FileId) -> Result<u64, Errno> {
    let file = k.fs.file(id)?;
    match &file.kind {
        FileKind::Pipe(pipe) => Ok(k.fs.pipes.get(pipe.key()).map_or(0, |p| p.len() as u64)),
        FileKind::Regular(inode) => {
            let size = pages::of(&k.fs, *inode)?.size;
            Ok(size.saturating_sub(file.offset))
        }
        _ => Err(Errno::ENOTTY),
    }
}

/// Sets the size of a regular file; permissions were checked. Goes on in turns while programs
/// that map it have pages behind its end. With `always` its times change even if its size does not.
///
/// # Errors
/// EINVAL, EISDIR, EFBIG (with SIGXFSZ at the process's limit); waits.
pub fn truncate(
    k: &mut Kernel,
    cx: &mut Cx,
    inode: InodeId,
    size: u64,
    always: bool,
) -> Result<(), Stop> {
    if k.fs.inode(inode)?.is_dir() {
        return Err(Errno::EISDIR.into());
    }
    seal::resizable(&k.fs, inode, size)?;
    let old = pages::of(&k.fs, inode)?.size;
    let limit = size_limit(k, cx);
    if size > limit && size > old {
        return Err(too_big(k, cx, limit, 0));
    }
    pages::truncate(&mut Store::of(k), cx.m, inode, size)?;
    if always || size != old {
        written(k, cx, inode);
    }
    if !mm::truncated(k, cx.m, inode, size) {
        return Err(mm::again(cx.now, 1));
    }
    Ok(())
}

/// Pages made by one trap of [`reserve`].
const RESERVE_TURN: u64 = 128;

/// Makes the pages of a part of a file, and the file that long (fallocate(2)). Goes on in turns
/// when it is much; what a failure leaves are zeros behind the end.
///
/// # Errors
/// EFBIG; ENOSPC; no memory; waits.
pub fn reserve(
    k: &mut Kernel,
    cx: &mut Cx,
    inode: InodeId,
    start: u64,
    end: u64,
) -> Result<(), Stop> {
    if end > pages::of(&k.fs, inode)?.size {
        seal::resizable(&k.fs, inode, end)?;
    }
    let limit = size_limit(k, cx);
    if end > limit {
        return Err(too_big(k, cx, limit, 0));
    }
    let group = group(k, cx)?;
    let first = start / PAGE + cx.resume.map_or(0, |r| r.word);
    let last = end.div_ceil(PAGE);
    let turn = last.min(first.saturating_add(RESERVE_TURN));
    for index in first..turn {
        pages::to_write(&mut Store::of(k), cx.m, inode, index, group, true)?;
    }
    if turn < last {
        let mut stop = take_turns(cx, 0);
        if let Stop::Wait(pending) = &mut stop {
            pending.resume.word = turn - start / PAGE;
        }
        return Err(stop);
    }
    let grows = pages::of(&k.fs, inode)?.size < end;
    pages::grow(&mut k.fs, inode, end);
    if grows {
        written(k, cx, inode);
    }
    Ok(())
}
