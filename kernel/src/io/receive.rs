//! Receiving from sockets (recv(2), read(2)).

use super::{PASS, Patience, Segment, discard, end, place, total};
use crate::arena::Held;
use crate::error::{Call, Errno, Stop};
use crate::fs::FileId;
use crate::mm::user;
use crate::net::credentials::Credentials;
use crate::net::names::Name;
use crate::net::transfer;
use crate::net::{Link, Shut, SocketId, Type};
use crate::task::files;
use crate::wait::WaitKey;
use crate::{Cx, Kernel};
use alloc::vec::Vec;
use linux_raw_sys::net as linux;

/// How to receive.
#[derive(Debug, Default)]
pub struct Incoming {
    /// MSG_*.
    pub flags: u32,
    /// The call does not wait.
    pub nonblocking: bool,
    /// Descriptors that the caller has room to be told of.
    pub descriptors: usize,
}

impl Incoming {
    fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

/// What was received.
#[derive(Debug, Default)]
pub struct Received {
    /// The result of the call: bytes, or with MSG_TRUNC those that the message had.
    pub len: u64,
    /// The message had more bytes than there was room for.
    pub truncated: bool,
    /// The name of the sender.
    pub from: Option<Name>,
    /// Who sent.
    pub credentials: Option<Credentials>,
    /// Open files came along.
    pub has_files: bool,
    /// Descriptors of those that are not lost for want of room or of descriptors.
    pub descriptors: Vec<u32>,
    /// Some are lost.
    pub files_lost: bool,
}

/// Reads as read(2) does: without what comes along, and nothing at all into no room.
pub(super) fn read(
    k: &mut Kernel,
    cx: &mut Cx,
    id: SocketId,
    segments: &[Segment],
    nonblocking: bool,
) -> Call {
    if total(segments) == 0 {
        return Ok(0);
    }
    let how = Incoming {
        nonblocking,
        ..Incoming::default()
    };
    Ok(receive(k, cx, id, segments, &how)?.len)
}

/// Receives into segments of the caller's memory.
///
/// # Errors
/// As recv(2); waits.
pub fn receive(
    k: &mut Kernel,
    cx: &mut Cx,
    id: SocketId,
    segments: &[Segment],
    how: &Incoming,
) -> Result<Received, Stop> {
    if how.has(linux::MSG_OOB) {
        return Err(Errno::EOPNOTSUPP.into());
    }
    if k.net.socket(id)?.kind != Type::Stream {
        return datagram(k, cx, id, segments, how);
    }
    let mut received = Received::default();
    let mut done = cx.resume.map_or(0, |r| r.done);
    let result = stream(k, cx, id, segments, how, &mut done, &mut received);
    received.len = end(cx, done, result)?;
    Ok(received)
}

/// A receiver that waits for as long as its socket says.
fn patience(k: &Kernel, id: SocketId, how: &Incoming) -> Result<Patience, Errno> {
    Ok(Patience {
        nonblocking: how.nonblocking || how.has(linux::MSG_DONTWAIT),
        timeout: k.net.socket(id)?.options.receive_timeout,
    })
}

fn stream(
    k: &mut Kernel,
    cx: &mut Cx,
    id: SocketId,
    segments: &[Segment],
    how: &Incoming,
    done: &mut u64,
    received: &mut Received,
) -> Result<(), Stop> {
    let socket = k.net.socket(id)?;
    if !matches!(socket.link, Link::Peer(_)) {
        return Err(Errno::EINVAL.into());
    }
    let patience = patience(k, id, how)?;
    let apart = socket.options.pass_credentials;
    let count = total(segments);
    let target = if how.has(linux::MSG_WAITALL) {
        count
    } else {
        count.min(u64::from(socket.options.receive_least))
    };
    while *done < count {
        let socket = k.net.socket_mut(id)?;
        let most = usize::try_from(count - *done).unwrap_or(usize::MAX);
        let span = socket.queue.span(most, apart);
        if span.len == 0 {
            if *done >= target {
                break;
            }
            if let Some(error) = socket.error.take() {
                return Err(error.into());
            }
            if socket.shut.contains(Shut::READ) {
                break;
            }
            return Err(patience.wait(cx, WaitKey::SocketData(id), *done));
        }
        if let Some(first) = socket.queue.records.front() {
            received.from.clone_from(&first.from);
            received.credentials.clone_from(&first.credentials);
        }
        let landing = Landing::prepare(k, cx, id, span.files.map(|(index, _)| index), how)?;
        let moved = put(k, cx, id, segments, *done, span.len)?;
        *done += moved as u64;
        let all = span.files.is_none_or(|(_, before)| moved > before);
        if all {
            landing.commit(k, cx, id, how, received);
        }
        if how.has(linux::MSG_PEEK) {
            break;
        }
        if let Some(flight) = transfer::consume(k, id, moved) {
            let files = flight.land(k);
            discard::release_all(k, files);
        }
        // What credentials came with cannot be remembered while the call waits for more.
        if span.ends || apart {
            break;
        }
    }
    Ok(())
}

/// Copies the oldest bytes of a socket's queue into segments, from `done` of these on; ends early
/// where the program has no memory. Returns how many.
fn put(
    k: &mut Kernel,
    cx: &mut Cx,
    id: SocketId,
    segments: &[Segment],
    done: u64,
    len: usize,
) -> Result<usize, Stop> {
    let mut moved = 0;
    while moved < len {
        let Some(to) = place(segments, done + moved as u64) else {
            break;
        };
        let part = to.1.min(PASS).min((len - moved) as u64);
        let out = match user::prepare_some(k, cx, to.0, part) {
            Ok(out) => out,
            Err(Stop::Errno(_)) if moved > 0 => break,
            Err(stop) => return Err(stop),
        };
        put_pieces(k, cx, id, moved, &out);
        moved += out.len() as usize;
    }
    Ok(moved)
}

fn put_pieces(k: &mut Kernel, cx: &mut Cx, id: SocketId, offset: usize, out: &user::UserOut) {
    let mut moved = 0;
    while moved < out.len() {
        let socket = k.net.sockets.get(id);
        let piece = socket.and_then(|s| s.queue.buffer.piece(offset + moved as usize));
        let Some((frame, within, len)) = piece else {
            break;
        };
        let part = (len as u64).min(out.len() - moved);
        user::put_frame(k, cx, out, moved, (frame, within), part as usize);
        moved += part;
    }
}

/// One message; what there is no room for is lost.
fn datagram(
    k: &mut Kernel,
    cx: &mut Cx,
    id: SocketId,
    segments: &[Segment],
    how: &Incoming,
) -> Result<Received, Stop> {
    let socket = k.net.socket_mut(id)?;
    if socket.kind.connects() && !matches!(socket.link, Link::Peer(_)) {
        return Err(Errno::ENOTCONN.into());
    }
    if let Some(error) = socket.error.take() {
        return Err(error.into());
    }
    let Some(first) = socket.queue.records.front() else {
        return nothing(k, cx, id, how);
    };
    let mut received = Received {
        from: first.from.clone(),
        credentials: first.credentials.clone(),
        ..Received::default()
    };
    let whole = first.len as u64;
    let fitting = whole.min(total(segments));
    let landing = Landing::prepare(k, cx, id, Some(0), how)?;
    let moved = put(k, cx, id, segments, 0, fitting as usize)?;
    if (moved as u64) < fitting {
        return Err(Errno::EFAULT.into());
    }
    landing.commit(k, cx, id, how, &mut received);
    if !how.has(linux::MSG_PEEK) {
        if let Some(flight) = transfer::take(k, id) {
            let files = flight.land(k);
            discard::release_all(k, files);
        }
    }
    received.len = match how.has(linux::MSG_TRUNC) {
        true => whole,
        false => fitting,
    };
    received.truncated = whole > fitting;
    Ok(received)
}

/// Waits for a message, if one may still come.
fn nothing(k: &mut Kernel, cx: &mut Cx, id: SocketId, how: &Incoming) -> Result<Received, Stop> {
    let patience = patience(k, id, how)?;
    let socket = k.net.socket(id)?;
    let over = socket.shut.contains(Shut::READ);
    // A datagram socket that does not wait does not tell the end (unix(7) is silent, Linux so).
    if over && (!patience.nonblocking || socket.kind.connects()) {
        return Ok(Received::default());
    }
    Err(patience.wait(cx, WaitKey::SocketData(id), 0))
}

/// Where the open files of a message go: descriptors that are free.
#[derive(Default)]
struct Landing {
    /// The message that brings them.
    index: Option<usize>,
    descriptors: Vec<u32>,
}

impl Landing {
    /// Finds descriptors for the files of a message, as far as there is room for them and the
    /// process may have more.
    fn prepare(
        k: &mut Kernel,
        cx: &mut Cx,
        id: SocketId,
        index: Option<usize>,
        how: &Incoming,
    ) -> Result<Landing, Stop> {
        let count = index.map_or(0, |index| files_of(k, id, index).len());
        let mut landing = Landing {
            index,
            descriptors: Vec::new(),
        };
        while landing.descriptors.len() < count.min(how.descriptors) {
            let from = landing.descriptors.last().map_or(0, |last| last + 1);
            match files::room(k, cx.task, u64::from(from)) {
                Ok(fd) => landing.descriptors.push(fd),
                Err(Stop::Errno(_)) => break,
                Err(stop) => return Err(stop),
            }
        }
        Ok(landing)
    }

    /// Puts the files under the descriptors; they stay in flight until the message is taken.
    fn commit(
        self,
        k: &mut Kernel,
        cx: &mut Cx,
        id: SocketId,
        how: &Incoming,
        received: &mut Received,
    ) {
        let files: Vec<FileId> = self.index.map_or(Vec::new(), |index| {
            let files = files_of(k, id, index).iter();
            files.map(Held::key).collect()
        });
        received.has_files = !files.is_empty();
        received.files_lost = self.descriptors.len() < files.len();
        let cloexec = how.has(linux::MSG_CMSG_CLOEXEC);
        for (fd, file) in self.descriptors.iter().zip(files) {
            if let Some(held) = k.fs.files.hold(file) {
                files::put(k, cx.task, *fd, held, cloexec);
            }
        }
        received.descriptors = self.descriptors;
    }
}

/// The open files that a message of a socket's queue brings.
fn files_of(k: &Kernel, id: SocketId, index: usize) -> &[Held<FileId>] {
    let socket = k.net.sockets.get(id);
    let record = socket.and_then(|s| s.queue.records.get(index));
    let flight = record.and_then(|record| record.files.as_ref());
    flight.map_or(&[], |flight| flight.files())
}
