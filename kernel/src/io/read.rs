//! Reading (read(2)).

use super::{
    Manner, PASS, Segment, TURN, end, event, give_way, is_arriving, log, place, queue, receive,
    take_turns, take_whole_turns, terminal, total, wait,
};
use crate::dev;
use crate::error::{Call, Errno, Stop};
use crate::fs::inode::{Device, Times};
use crate::fs::mount::MountFlags;
use crate::fs::open::FileKind;
use crate::fs::pages::{self, SIZE_MAX};
use crate::fs::{FileId, InodeId, MountId, PipeId, Store, Time, pipe};
use crate::machine::PAGE;
use crate::mm::user;
use crate::net::SocketId;
use crate::tty::End;
use crate::wait::{Pending, Restart, Resume, WaitKey};
use crate::{Cx, Kernel, views};
use alloc::vec::Vec;

/// What to read from.
enum Source {
    Regular(InodeId),
    Pipe(PipeId),
    Device(dev::Device),
    Terminal(End),
    View,
    Event,
    Queue(InodeId),
    Socket(SocketId),
    Log,
}

/// Reads into segments of the caller's memory: at `at`, or where the file is and moving that on.
///
/// # Errors
/// EBADF, EISDIR, EINVAL, ESPIPE (`at` with what has no places), EAGAIN, EFAULT; waits.
pub fn read(
    k: &mut Kernel,
    cx: &mut Cx,
    id: FileId,
    segments: &[Segment],
    at: Option<u64>,
) -> Call {
    read_as(k, cx, id, segments, at, Manner::default())
}

/// As [`read`], in a manner of its own.
///
/// # Errors
/// As [`read`].
pub fn read_as(
    k: &mut Kernel,
    cx: &mut Cx,
    id: FileId,
    segments: &[Segment],
    at: Option<u64>,
    manner: Manner,
) -> Call {
    let file = k.fs.file(id)?;
    if !file.reads() {
        return Err(Errno::EBADF.into());
    }
    let source = source(&file.kind)?;
    let placeless = matches!(
        source,
        Source::Pipe(_) | Source::Terminal(_) | Source::Event | Source::Socket(_)
    );
    if at.is_some() && placeless {
        return Err(Errno::ESPIPE.into());
    }
    let nonblocking = file.nonblocking() || manner.nowait;
    let mut done = cx.resume.map_or(0, |r| r.done);
    let result = match source {
        Source::Regular(inode) => regular(k, cx, id, inode, segments, at, &mut done),
        Source::Pipe(pipe) => from_pipe(k, cx, pipe, segments, nonblocking, &mut done),
        Source::Device(device) => from_device(k, cx, device, segments, &mut done),
        Source::Terminal(end) => terminal::read(k, cx, end, segments, nonblocking, &mut done),
        Source::View => from_view(k, cx, id, segments, at, &mut done),
        Source::Queue(inode) => queue::read(k, cx, (id, inode), segments, at, &mut done),
        Source::Event => event::read(k, cx, id, segments, &mut done),
        Source::Socket(socket) => return receive::read(k, cx, socket, segments, nonblocking),
        Source::Log => return log::read(k, cx, id, segments),
    };
    end(cx, done, result)
}

fn source(kind: &FileKind) -> Result<Source, Errno> {
    Ok(match kind {
        FileKind::Regular(inode) => Source::Regular(*inode),
        FileKind::Pipe(pipe) => Source::Pipe(pipe.key()),
        FileKind::Device(device) => Source::Device(find_device(device)?),
        FileKind::View(_) => Source::View,
        FileKind::Terminal(terminal) => Source::Terminal(terminal.end()),
        FileKind::Event(_) => Source::Event,
        FileKind::Queue(inode) => Source::Queue(*inode),
        FileKind::Socket(socket) => Source::Socket(socket.key()),
        FileKind::Log(_) => Source::Log,
        FileKind::Dir(_) => return Err(Errno::EISDIR),
        FileKind::Path => return Err(Errno::EBADF),
    })
}

/// The driver of a device.
pub(super) fn find_device(device: &Device) -> Result<dev::Device, Errno> {
    Some(device)
        .filter(|d| d.char)
        .and_then(|d| dev::find(d.major, d.minor))
        .ok_or(Errno::ENXIO)
}

fn regular(
    k: &mut Kernel,
    cx: &mut Cx,
    id: FileId,
    inode: InodeId,
    segments: &[Segment],
    at: Option<u64>,
    done: &mut u64,
) -> Result<(), Stop> {
    let count = total(segments);
    if *done == 0 {
        check_places(k, id, at, count)?;
    }
    let turn = done.saturating_add(TURN);
    while *done < count {
        if *done >= turn {
            return Err(take_whole_turns(cx, *done));
        }
        let position = match at {
            Some(at) => at.checked_add(*done).ok_or(Errno::EINVAL)?,
            None => k.fs.file(id)?.offset,
        };
        let size = pages::of(&k.fs, inode)?.size;
        let left = size.saturating_sub(position);
        let Some(to) = place(segments, *done).filter(|_| left > 0) else {
            break;
        };
        let len = to.1.min(left).min(PASS).min(count - *done);
        let out = user::prepare_some(k, cx, to.0, len)?;
        let moved = put_pages(k, cx, &out, inode, position, out.len());
        *done += moved;
        if at.is_none() {
            k.fs.file_mut(id)?.offset = position + moved;
        }
        if moved == 0 {
            break;
        }
    }
    accessed(k, cx, id);
    Ok(())
}

/// A transfer of `count` bytes does not go beyond the last place that there can be.
///
/// # Errors
/// EINVAL.
pub(super) fn check_places(
    k: &Kernel,
    id: FileId,
    at: Option<u64>,
    count: u64,
) -> Result<(), Errno> {
    let start = match at {
        Some(at) => at,
        None => k.fs.file(id)?.offset,
    };
    match start.checked_add(count) {
        Some(end) if end <= SIZE_MAX => Ok(()),
        _ => Err(Errno::EINVAL),
    }
}

/// Copies what a file has at `position` into a prepared destination.
fn put_pages(
    k: &mut Kernel,
    cx: &mut Cx,
    out: &user::UserOut,
    inode: InodeId,
    position: u64,
    len: u64,
) -> u64 {
    let mut moved = 0;
    while moved < len {
        let at = position + moved;
        let within = (at % PAGE) as usize;
        let part = (PAGE - at % PAGE).min(len - moved) as usize;
        let Ok(pages) = pages::of(&k.fs, inode) else {
            break;
        };
        match pages.frames.get(&(at / PAGE)).copied() {
            Some(frame) => user::put_frame(k, cx, out, moved, (frame, within), part),
            None => user::put_zeros(k, cx, out, moved, part as u64),
        }
        moved += part as u64;
    }
    moved
}

/// Something of a regular file was read: moves its access time on, if the open file and the mount let
/// it (open(2), O_NOATIME; mount(2), MS_RELATIME).
pub fn accessed(k: &mut Kernel, cx: &Cx, id: FileId) {
    let Ok(file) = k.fs.file(id) else {
        return;
    };
    let FileKind::Regular(inode) = file.kind else {
        return;
    };
    if file.flags & linux_raw_sys::general::O_NOATIME != 0 {
        return;
    }
    let mount = file.at.pos().mount;
    touch_access(k, cx, mount, inode);
}

pub(super) fn touch_access(k: &mut Kernel, cx: &Cx, mount: MountId, inode: InodeId) {
    let Ok(flags) = k.fs.mount(mount).map(|m| m.flags) else {
        return;
    };
    if flags.contains(MountFlags::NOATIME) || k.fs.writable(mount).is_err() {
        return;
    }
    let Ok(inode) = k.fs.inode_mut(inode) else {
        return;
    };
    if inode.is_dir() && flags.contains(MountFlags::NODIRATIME) {
        return;
    }
    let now = Time::now(cx.m);
    if !flags.contains(MountFlags::RELATIME) || is_old(&inode.times, now) {
        inode.times.accessed = now;
    }
}

fn is_old(times: &Times, now: Time) -> bool {
    let day = 24 * 60 * 60;
    times.accessed <= times.modified
        || times.accessed <= times.changed
        || times.accessed.sec.saturating_add(day) <= now.sec
}

fn from_pipe(
    k: &mut Kernel,
    cx: &mut Cx,
    id: PipeId,
    segments: &[Segment],
    nonblocking: bool,
    done: &mut u64,
) -> Result<(), Stop> {
    let count = total(segments);
    if count == 0 {
        return Ok(());
    }
    let pipe = k.fs.pipes.get(id).ok_or(Errno::EBADF)?;
    if pipe.is_empty() {
        // What came before this call was made again is enough.
        if *done > 0 {
            return Ok(());
        }
        if pipe.writers == 0 {
            return match is_arriving(k, id, true) {
                true => Err(give_way(k, cx, 0)),
                false => Ok(()),
            };
        }
        return Err(wait(cx, WaitKey::PipeData(id), 0, nonblocking));
    }
    let (packet, start) = (pipe.has_packet(), *done);
    let available = done.saturating_add(pipe.readable() as u64).min(count);
    let mut kept = 0;
    let mut result = Ok(());
    while *done < available {
        let Some(to) = place(segments, *done) else {
            break;
        };
        let len = to.1.min(PASS).min(available - *done);
        let out = match user::prepare_some(k, cx, to.0, len) {
            Ok(out) => out,
            Err(stop) => {
                result = Err(stop);
                break;
            }
        };
        let moved = put_ring(k, cx, id, &out, kept);
        *done += moved;
        // A packet is taken out whole, when all of it is there.
        if packet {
            kept += moved as usize;
        } else {
            pipe::consume(&mut Store::of(k), id, moved as usize);
        }
    }
    if matches!(result, Err(Stop::NoMem(_))) && packet {
        *done = start;
        return result;
    }
    pipe::consume(&mut Store::of(k), id, kept);
    result
}

/// Copies what is in a ring behind its first `skip` bytes.
fn put_ring(k: &mut Kernel, cx: &mut Cx, id: PipeId, out: &user::UserOut, skip: usize) -> u64 {
    let mut moved = 0;
    while moved < out.len() {
        let pipe = k.fs.pipes.get(id);
        let Some((frame, within, len)) = pipe.and_then(|p| p.piece(skip + moved as usize)) else {
            break;
        };
        let part = (len as u64).min(out.len() - moved);
        user::put_frame(k, cx, out, moved, (frame, within), part as usize);
        moved += part;
    }
    moved
}

fn from_device(
    k: &mut Kernel,
    cx: &mut Cx,
    device: dev::Device,
    segments: &[Segment],
    done: &mut u64,
) -> Result<(), Stop> {
    let count = total(segments);
    let turn = done.saturating_add(match device {
        dev::Device::Random => dev::RANDOM_PASS as u64,
        _ => TURN,
    });
    while *done < count {
        if *done >= turn {
            return Err(take_turns(cx, *done));
        }
        let Some(to) = place(segments, *done) else {
            break;
        };
        let len = to.1.min(PASS).min(count - *done).min(turn - *done);
        let out = user::prepare_some(k, cx, to.0, len)?;
        let bytes = dev::read(k, cx, device, out.len() as usize)?;
        user::put(k, cx, &out, 0, &bytes);
        *done += bytes.len() as u64;
        // Memory devices fill the whole request.
        let endless = matches!(
            device,
            dev::Device::Zero | dev::Device::Full | dev::Device::Random
        );
        if bytes.is_empty() || !endless {
            break;
        }
    }
    Ok(())
}

fn from_view(
    k: &mut Kernel,
    cx: &mut Cx,
    id: FileId,
    segments: &[Segment],
    at: Option<u64>,
    done: &mut u64,
) -> Result<(), Stop> {
    let mut position = match at {
        Some(at) => at,
        None => k.fs.file(id)?.offset,
    };
    while let Some(to) = place(segments, *done) {
        let piece = view_bytes(k, cx, id, position, to.1.min(PASS), *done)?;
        if piece.is_empty() {
            break;
        }
        let out = user::prepare_some(k, cx, to.0, piece.len() as u64)?;
        let moved = out.len().min(piece.len() as u64);
        user::put(k, cx, &out, 0, piece.get(..moved as usize).unwrap_or(&[]));
        *done += moved;
        position += moved;
        if at.is_none() {
            k.fs.file_mut(id)?.offset = position;
        }
    }
    Ok(())
}

/// At most `max` bytes that a view's file has at `position`; none at the end. What was moved
/// before (`done`) is an answer, however little it is: the next piece is the next call's.
fn view_bytes(
    k: &mut Kernel,
    cx: &mut Cx,
    id: FileId,
    position: u64,
    max: u64,
    done: u64,
) -> Result<Vec<u8>, Stop> {
    let again = cx.resume.is_some_and(|r| r.word == GOES_ON);
    if done == 0 && views::advance(k, cx.m, id, position, again)? == views::Place::Later {
        let resume = Resume {
            word: GOES_ON,
            ..cx.resume.unwrap_or_default()
        };
        let pending = Pending::turn(Restart::NoIntr);
        return Err(Stop::Wait(pending.with(resume)));
    }
    let bytes = views::bytes(k, id, position);
    let piece = bytes.get(..max as usize).unwrap_or(bytes);
    let mut copy = Vec::new();
    copy.try_reserve_exact(piece.len())
        .map_err(|_| Errno::ENOMEM)?;
    copy.extend_from_slice(piece);
    Ok(copy)
}

/// What a call remembers that goes on with a view's file ([`Resume::word`]).
const GOES_ON: u64 = 1;

/// Reads at most [`PASS`] bytes at `at` into the kernel's own memory, out of what has places; the
/// file stays where it is.
///
/// # Errors
/// EBADF; EINVAL for pipes, devices and directories.
pub fn read_kernel(
    k: &mut Kernel,
    cx: &mut Cx,
    id: FileId,
    at: u64,
    max: usize,
) -> Result<Vec<u8>, Stop> {
    let file = k.fs.file(id)?;
    if !file.reads() {
        return Err(Errno::EBADF.into());
    }
    if at > SIZE_MAX {
        return Err(Errno::EINVAL.into());
    }
    let max = max.min(PASS as usize);
    match source(&file.kind).map_err(|_| Errno::EINVAL)? {
        Source::Regular(inode) => {
            let left = pages::of(&k.fs, inode)?.size.saturating_sub(at);
            let len = left.min(max as u64) as usize;
            let mut bytes = Vec::new();
            bytes.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
            bytes.resize(len, 0);
            pages::read(&k.fs, cx.m, inode, at, &mut bytes)?;
            Ok(bytes)
        }
        Source::View => view_bytes(k, cx, id, at, max as u64, 0),
        Source::Pipe(_)
        | Source::Device(_)
        | Source::Event
        | Source::Queue(_)
        | Source::Log
        | Source::Terminal(_)
        | Source::Socket(_) => Err(Errno::EINVAL.into()),
    }
}
