//! Writing (write(2)).

use super::read::{check_places, find_device};
use super::{
    Manner, Outgoing, PASS, Segment, TURN, end, event, give_way, is_arriving, place, remember,
    send, take_turns, take_whole_turns, terminal, total, wait,
};
use crate::cgroup::GroupId;
use crate::error::{Call, Errno, Stop};
use crate::fs::open::{FileKind, LogEnd};
use crate::fs::pages::{self, SIZE_MAX};
use crate::fs::{FileId, InodeId, PipeId, Store, Time, View, ViewNode, attributes, pipe, seal};
use crate::machine::{Frame, PAGE};
use crate::mm::user;
use crate::task::{cred, limits, signal};
use crate::wait::WaitKey;
use crate::{Cx, Kernel, dev, views};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// The longest value a file of a view takes.
const VIEW_MAX: u64 = PAGE;

/// Where the bytes come from.
#[derive(Clone, Copy)]
pub(super) enum From<'a> {
    Program(&'a [Segment]),
    Kernel(&'a [u8]),
}

impl From<'_> {
    pub(super) fn total(&self) -> u64 {
        match self {
            From::Program(segments) => total(segments),
            From::Kernel(bytes) => bytes.len() as u64,
        }
    }

    /// Bytes that are left of the segment at `done`.
    pub(super) fn piece(&self, done: u64) -> u64 {
        match self {
            From::Program(segments) => place(segments, done).map_or(0, |piece| piece.1),
            From::Kernel(bytes) => (bytes.len() as u64).saturating_sub(done),
        }
    }

    /// Makes bytes from `done` on ready to be copied; returns how many, up to `max` and the end
    /// of their segment.
    pub(super) fn ready(
        &self,
        k: &mut Kernel,
        cx: &mut Cx,
        done: u64,
        max: u64,
    ) -> Result<u64, Stop> {
        match self {
            From::Program(segments) => match place(segments, done) {
                Some((addr, len)) => user::present(k, cx, addr, len.min(max)),
                None => Ok(0),
            },
            From::Kernel(bytes) => Ok((bytes.len() as u64).saturating_sub(done).min(max)),
        }
    }

    /// Copies bytes that are ready into a frame.
    pub(super) fn copy_to(
        &self,
        k: &mut Kernel,
        cx: &mut Cx,
        done: u64,
        to: (Frame, usize),
        len: usize,
    ) {
        let copied = match self {
            From::Program(segments) => match place(segments, done) {
                Some((addr, _)) => user::copy_to_frame(k, cx, addr, to, len),
                None => 0,
            },
            From::Kernel(bytes) => {
                let rest = bytes.get(done as usize..).unwrap_or(&[]);
                let piece = rest.get(..len).unwrap_or(rest);
                cx.m.write_frame(to.0, to.1, piece);
                piece.len()
            }
        };
        // Never what the frame had before.
        if let Some(rest) = len.checked_sub(copied).filter(|rest| *rest > 0) {
            cx.m.zero_frame(to.0, to.1 + copied, rest);
        }
    }

    /// Copies bytes into the kernel's memory; returns how many: fewer than there is room for only
    /// at the end of a segment.
    pub(super) fn copy(
        &self,
        k: &mut Kernel,
        cx: &mut Cx,
        done: u64,
        to: &mut [u8],
    ) -> Result<usize, Stop> {
        match self {
            From::Program(segments) => {
                let Some((addr, len)) = place(segments, done) else {
                    return Ok(0);
                };
                let len = len.min(to.len() as u64) as usize;
                user::copy_in_some(k, cx, addr, to.get_mut(..len).unwrap_or_default())
            }
            From::Kernel(bytes) => {
                let rest = bytes.get(done as usize..).unwrap_or(&[]);
                let len = rest.len().min(to.len());
                to.get_mut(..len)
                    .unwrap_or_default()
                    .copy_from_slice(rest.get(..len).unwrap_or(&[]));
                Ok(len)
            }
        }
    }
}

/// Writes segments of the caller's memory: at `at`, or where the file is and moving that on.
///
/// # Errors
/// EBADF, EINVAL, ESPIPE, EFBIG, ENOSPC, EPIPE (with SIGPIPE), EAGAIN, EFAULT; waits.
pub fn write(
    k: &mut Kernel,
    cx: &mut Cx,
    id: FileId,
    segments: &[Segment],
    at: Option<u64>,
) -> Call {
    write_as(k, cx, id, segments, at, Manner::default())
}

/// As [`write()`], in a manner of its own.
///
/// # Errors
/// As [`write()`].
pub fn write_as(
    k: &mut Kernel,
    cx: &mut Cx,
    id: FileId,
    segments: &[Segment],
    at: Option<u64>,
    manner: Manner,
) -> Call {
    transfer(k, cx, id, From::Program(segments), at, manner)
}

/// Writes bytes of the kernel (sendfile, copy_file_range).
///
/// # Errors
/// As [`write()`].
pub fn write_kernel(
    k: &mut Kernel,
    cx: &mut Cx,
    id: FileId,
    bytes: &[u8],
    at: Option<u64>,
) -> Call {
    transfer(k, cx, id, From::Kernel(bytes), at, Manner::default())
}

fn transfer(
    k: &mut Kernel,
    cx: &mut Cx,
    id: FileId,
    from: From,
    at: Option<u64>,
    manner: Manner,
) -> Call {
    let file = k.fs.file(id)?;
    if !file.writes() {
        return Err(Errno::EBADF.into());
    }
    let (flags, nonblocking) = (file.flags, file.nonblocking() || manner.nowait);
    let mut done = cx.resume.map_or(0, |r| r.done);
    let result = match &file.kind {
        FileKind::Regular(inode) => {
            let inode = *inode;
            let append = manner.append.unwrap_or(flags & linux::O_APPEND != 0);
            regular(k, cx, id, inode, from, (at, append), &mut done)
        }
        FileKind::Pipe(_) if at.is_some() => return Err(Errno::ESPIPE.into()),
        FileKind::Pipe(pipe) => {
            let pipe = pipe.key();
            let packets = flags & linux::O_DIRECT != 0;
            to_pipe(k, cx, pipe, from, (nonblocking, packets), &mut done)
        }
        FileKind::Socket(_) if at.is_some() => return Err(Errno::ESPIPE.into()),
        FileKind::Socket(socket) => {
            let message = Outgoing {
                nonblocking,
                ..Outgoing::default()
            };
            let socket = socket.key();
            return send::send_from(k, cx, socket, from, &message);
        }
        FileKind::Device(device) => {
            let device = find_device(device)?;
            to_device(k, cx, device, flags, from, &mut done)
        }
        FileKind::Terminal(_) if at.is_some() => return Err(Errno::ESPIPE.into()),
        FileKind::Terminal(terminal) => {
            let end = terminal.end();
            terminal::write(k, cx, end, from, nonblocking, &mut done)
        }
        FileKind::View(file) => {
            let node = file.node;
            return to_view(k, cx, id, node, from);
        }
        FileKind::Log(LogEnd::Device) => return to_log(k, cx, from),
        FileKind::Log(LogEnd::Proc) => return Err(Errno::EIO.into()),
        FileKind::Event(_) if at.is_some() => return Err(Errno::ESPIPE.into()),
        FileKind::Event(_) => event::write(k, cx, id, from, &mut done),
        // Messages are sent (mq_send(3)).
        FileKind::Queue(_) => return Err(Errno::EINVAL.into()),
        FileKind::Dir(_) => return Err(Errno::EISDIR.into()),
        FileKind::Path => return Err(Errno::EBADF.into()),
    };
    end(cx, done, result)
}

/// Who pays for what the current task makes.
pub(super) fn group(k: &Kernel, cx: &Cx) -> Result<GroupId, Errno> {
    Ok(k.tasks.tasks.get(cx.task).ok_or(Errno::ESRCH)?.group.key())
}

fn regular(
    k: &mut Kernel,
    cx: &mut Cx,
    id: FileId,
    inode: InodeId,
    from: From,
    (at, append): (Option<u64>, bool),
    done: &mut u64,
) -> Result<(), Stop> {
    let count = from.total();
    if count == 0 {
        return Ok(());
    }
    if *done == 0 {
        check_places(k, id, at, count)?;
    }
    let group = group(k, cx)?;
    let turn = done.saturating_add(TURN);
    let limit = size_limit(k, cx);
    while *done < count {
        if *done >= turn {
            return Err(take_whole_turns(cx, *done));
        }
        let position = match at {
            _ if append => pages::of(&k.fs, inode)?.size,
            Some(at) => at.saturating_add(*done),
            None => k.fs.file(id)?.offset,
        };
        if position >= limit {
            return Err(too_big(k, cx, limit, *done));
        }
        let max = (count - *done).min(limit - position).min(PASS);
        let max = seal::writable(&k.fs, inode, position, max)?;
        let ready = from.ready(k, cx, *done, max)?;
        if ready == 0 {
            break;
        }
        let moved = store(k, cx, inode, group, from, *done, (position, ready));
        let (moved, result) = moved;
        *done += moved;
        if at.is_none() {
            k.fs.file_mut(id)?.offset = position + moved;
        }
        if result.is_err() {
            if *done > 0 {
                written(k, cx, inode);
            }
            return result;
        }
    }
    written(k, cx, inode);
    Ok(())
}

/// Writes `len` bytes that are ready at `position`, page by page; each page is there whole or not
/// at all. Returns how many bytes got there.
fn store(
    k: &mut Kernel,
    cx: &mut Cx,
    inode: InodeId,
    group: GroupId,
    from: From,
    done: u64,
    (position, len): (u64, u64),
) -> (u64, Result<(), Stop>) {
    let mut moved = 0;
    while moved < len {
        let at = position + moved;
        let part = (PAGE - at % PAGE).min(len - moved);
        let mut st = Store::of(k);
        let made = pages::to_write(&mut st, cx.m, inode, at / PAGE, group, part < PAGE);
        let frame = match made {
            Ok(frame) => frame,
            Err(stop) => return (moved, Err(stop)),
        };
        from.copy_to(
            k,
            cx,
            done + moved,
            (frame, (at % PAGE) as usize),
            part as usize,
        );
        moved += part;
        pages::grow(&mut k.fs, inode, position + moved);
    }
    (moved, Ok(()))
}

/// Bytes a file of this process may have (RLIMIT_FSIZE).
pub(super) fn size_limit(k: &Kernel, cx: &Cx) -> u64 {
    limits::soft_of(k, cx.task, linux::RLIMIT_FSIZE).min(SIZE_MAX)
}

/// EFBIG; with SIGXFSZ when it is the process's own limit.
pub(super) fn too_big(k: &mut Kernel, cx: &Cx, limit: u64, done: u64) -> Stop {
    if limit < SIZE_MAX && done == 0 {
        signal::send_self(k, cx.task, linux::SIGXFSZ);
    }
    Errno::EFBIG.into()
}

/// The content of a file was changed by the current task.
pub(super) fn written(k: &mut Kernel, cx: &Cx, inode: InodeId) {
    let now = Time::now(cx.m);
    let Some(task) = k.tasks.tasks.get(cx.task) else {
        return;
    };
    let access = cred::access(&task.cred);
    let mut st = Store {
        fs: &mut k.fs,
        frames: &mut k.frames,
        groups: &mut k.groups,
        work: &mut k.work,
        waits: &mut k.waits,
    };
    attributes::content_changed(&mut st, &access, inode, now);
}

fn to_pipe(
    k: &mut Kernel,
    cx: &mut Cx,
    id: PipeId,
    from: From,
    (nonblocking, packets): (bool, bool),
    done: &mut u64,
) -> Result<(), Stop> {
    let count = from.total();
    if count == 0 {
        return Ok(());
    }
    let group = group(k, cx)?;
    while *done < count {
        let pipe = k.fs.pipes.get(id).ok_or(Errno::EBADF)?;
        if pipe.readers == 0 && is_arriving(k, id, false) {
            return Err(give_way(k, cx, *done));
        }
        if pipe.readers == 0 {
            if *done == 0 {
                signal::send_self(k, cx.task, linux::SIGPIPE);
            }
            return Err(Errno::EPIPE.into());
        }
        let left = count - *done;
        let whole = if packets {
            left.min(pipe::ATOMIC as u64)
        } else if count <= pipe::ATOMIC as u64 {
            left
        } else {
            1
        };
        if (pipe.room() as u64) < whole || (packets && !pipe.takes_packets()) {
            return Err(wait(cx, WaitKey::PipeRoom(id), *done, nonblocking));
        }
        if packets {
            put_packet(k, cx, id, (group, from), done, whole)?;
            continue;
        }
        let max = left.min(pipe.room() as u64);
        let ready = from.ready(k, cx, *done, max)?;
        let ready = pipe::reserve(&mut Store::of(k), id, group, ready as usize)?;
        if ready == 0 {
            break;
        }
        append(k, cx, id, from, *done, ready);
        *done += ready as u64;
    }
    Ok(())
}

/// Writes the next `len` bytes (up to what can be read of them) as a packet, for which there is
/// room.
fn put_packet(
    k: &mut Kernel,
    cx: &mut Cx,
    id: PipeId,
    (group, from): (GroupId, From),
    done: &mut u64,
    len: u64,
) -> Result<(), Stop> {
    let mut buffer = [0; pipe::ATOMIC];
    let room = buffer.get_mut(..len as usize).unwrap_or_default();
    let mut got = 0;
    while let Some(to) = room.get_mut(got..).filter(|to| !to.is_empty()) {
        match from.copy(k, cx, *done + got as u64, to) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(Stop::Errno(_)) if got > 0 => break,
            Err(stop) => return Err(stop),
        }
    }
    if got == 0 {
        return Err(Errno::EFAULT.into());
    }
    pipe::reserve(&mut Store::of(k), id, group, got)?;
    let bytes = From::Kernel(room.get(..got).unwrap_or_default());
    append(k, cx, id, bytes, 0, got);
    if let Some(pipe) = k.fs.pipes.get_mut(id) {
        pipe.seal(got);
    }
    *done += got as u64;
    Ok(())
}

/// Appends bytes that are ready and have room, and tells readers.
fn append(k: &mut Kernel, cx: &mut Cx, id: PipeId, from: From, done: u64, count: usize) {
    let mut moved = 0;
    while moved < count {
        let Some((frame, within, room)) = k.fs.pipes.get(id).and_then(|p| p.tail()) else {
            return;
        };
        let part = room.min(count - moved);
        from.copy_to(k, cx, done + moved as u64, (frame, within), part);
        if let Some(pipe) = k.fs.pipes.get_mut(id) {
            pipe.advance(part);
        }
        moved += part;
    }
    k.waits.wake(WaitKey::PipeData(id));
}

fn to_device(
    k: &mut Kernel,
    cx: &mut Cx,
    device: dev::Device,
    flags: u32,
    from: From,
    done: &mut u64,
) -> Result<(), Stop> {
    let count = from.total();
    if count == 0 || device == dev::Device::Null {
        // /dev/null does not even look.
        *done = count;
        return Ok(());
    }
    let turn = done.saturating_add(TURN);
    let mut buffer = [0; PAGE as usize];
    while *done < count {
        if *done >= turn {
            return Err(take_turns(cx, *done));
        }
        let len = from.copy(k, cx, *done, &mut buffer)?;
        let bytes = buffer.get(..len).unwrap_or(&[]);
        remember(cx, *done);
        match dev::write(k, cx, device, flags, bytes)? {
            0 => break,
            taken => *done += taken as u64,
        }
    }
    Ok(())
}

fn to_view(k: &mut Kernel, cx: &mut Cx, id: FileId, node: ViewNode, from: From) -> Call {
    let too_long = match node.view {
        View::Cgroup => Errno::E2BIG,
        _ => Errno::EINVAL,
    };
    let bytes = whole(k, cx, from, (VIEW_MAX, too_long))?;
    views::write_open(k, cx, id, &bytes).map(|n| n as u64)
}

/// Each write to /dev/kmsg is a line.
fn to_log(k: &mut Kernel, cx: &mut Cx, from: From) -> Call {
    let bytes = whole(k, cx, from, (PAGE, Errno::EINVAL))?;
    dev::kmsg::write(cx, &bytes)?;
    Ok(bytes.len() as u64)
}

/// All the bytes of a write that is a value.
///
/// # Errors
/// The one given for more than `max`.
fn whole(
    k: &mut Kernel,
    cx: &mut Cx,
    from: From,
    (max, too_long): (u64, Errno),
) -> Result<Vec<u8>, Stop> {
    let count = from.total();
    if count > max {
        return Err(too_long.into());
    }
    let mut bytes: Vec<u8> = alloc::vec![0; count as usize];
    let mut got = 0;
    while got < bytes.len() {
        let to = bytes.get_mut(got..).unwrap_or_default();
        match from.copy(k, cx, got as u64, to)? {
            0 => break,
            more => got += more,
        }
    }
    bytes.truncate(got);
    Ok(bytes)
}
