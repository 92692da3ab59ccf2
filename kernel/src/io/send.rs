//! Sending to sockets (send(2), write(2)).

use super::write::{From, group};
use super::{Patience, Segment, end};
use crate::error::{Call, Errno, Stop};
use crate::fs::FileId;
use crate::net::credentials::Credentials;
use crate::net::flight::Departure;
use crate::net::queue::Attached;
use crate::net::{Link, Shut, Socket, SocketId, Type, ready, transfer};
use crate::task::{files, signal};
use crate::wait::WaitKey;
use crate::{Cx, Kernel};
use alloc::vec::Vec;
use linux_raw_sys::general::{self, SIGPIPE};
use linux_raw_sys::net as linux;

/// What goes with bytes that are sent.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// MSG_*.
    pub flags: u32,
    /// The call does not wait.
    pub nonblocking: bool,
    /// The call gives an address, though the socket has another end.
    pub addressed: bool,
    /// To whom a datagram goes, if not by default.
    pub to: Option<SocketId>,
    /// Open files that go along (SCM_RIGHTS).
    pub files: Vec<FileId>,
    /// Who sends, if the call says so (SCM_CREDENTIALS): checked.
    pub credentials: Option<Credentials>,
}

/// Bytes of a message that are not for what it carries.
const OVERHEAD: usize = 32;

/// Sends segments of the caller's memory.
///
/// # Errors
/// As send(2); waits.
pub fn send(
    k: &mut Kernel,
    cx: &mut Cx,
    id: SocketId,
    segments: &[Segment],
    message: &Outgoing,
) -> Call {
    send_from(k, cx, id, From::Program(segments), message)
}

/// Sends to the other end of a socket, or to where a datagram shall go.
pub(super) fn send_from(
    k: &mut Kernel,
    cx: &mut Cx,
    id: SocketId,
    from: From,
    message: &Outgoing,
) -> Call {
    if message.flags & linux::MSG_OOB != 0 {
        return Err(Errno::EOPNOTSUPP.into());
    }
    match k.net.socket(id)?.kind {
        Type::Stream => {
            let mut done = cx.resume.map_or(0, |r| r.done);
            let result = stream(k, cx, id, from, message, &mut done);
            end(cx, done, result)
        }
        Type::Datagram | Type::SeqPacket => datagram(k, cx, id, from, message),
    }
}

/// A sender that waits for as long as its socket says.
fn patience(k: &Kernel, id: SocketId, message: &Outgoing) -> Result<Patience, Errno> {
    Ok(Patience {
        nonblocking: message.nonblocking || message.flags & linux::MSG_DONTWAIT != 0,
        timeout: k.net.socket(id)?.options.send_timeout,
    })
}

fn stream(
    k: &mut Kernel,
    cx: &mut Cx,
    id: SocketId,
    from: From,
    message: &Outgoing,
    done: &mut u64,
) -> Result<(), Stop> {
    let Link::Peer(peer) = k.net.socket(id)?.link else {
        return Err(match message.addressed {
            true => Errno::EOPNOTSUPP.into(),
            false => Errno::ENOTCONN.into(),
        });
    };
    if message.addressed {
        return Err(Errno::EISCONN.into());
    }
    let (group, count) = (group(k, cx)?, from.total());
    let patience = patience(k, id, message)?;
    if cx.resume.is_none() && shut(k, id).contains(Shut::WRITE) {
        return Err(broken(k, cx, message, *done));
    }
    while *done < count {
        // Who waited while the other end went is told so.
        if let Some(error) = k.net.socket_mut(id)?.error.take() {
            return Err(error.into());
        }
        if shut(k, id).contains(Shut::WRITE) || shut(k, peer).contains(Shut::READ) {
            return Err(broken(k, cx, message, *done));
        }
        let room = ready::room(k, id, peer)?;
        if room == 0 {
            return Err(patience.wait(cx, WaitKey::SocketRoom(peer), *done));
        }
        let most = (count - *done).min(room as u64);
        let ready = from.ready(k, cx, *done, most)? as usize;
        if ready == 0 {
            break;
        }
        let attached = attached(k, cx, id, peer, message)?;
        let files = match *done {
            0 => departure(k, cx, peer, message)?,
            _ => Departure::default(),
        };
        let slot = transfer::prepare(k, peer, group, ready, attached, &files)?;
        copy(k, cx, peer, from, *done, ready);
        transfer::publish(k, peer, ready, slot, files);
        *done += ready as u64;
    }
    Ok(())
}

/// What is shut down of a socket: all when it is gone.
fn shut(k: &Kernel, id: SocketId) -> Shut {
    k.net.sockets.get(id).map_or(Shut::all(), |s| s.shut)
}

/// Nobody reads any more: EPIPE, and SIGPIPE unless something was sent or no signal is wanted.
fn broken(k: &mut Kernel, cx: &Cx, message: &Outgoing, done: u64) -> Stop {
    if done == 0 && message.flags & linux::MSG_NOSIGNAL == 0 {
        signal::send_self(k, cx.task, SIGPIPE);
    }
    Errno::EPIPE.into()
}

/// What is told of the sender: who it is only when one of the two sockets wants to know, or the
/// sender says so.
fn attached(
    k: &Kernel,
    cx: &Cx,
    id: SocketId,
    to: SocketId,
    message: &Outgoing,
) -> Result<Attached, Errno> {
    let wants = |id| k.net.sockets.get(id).is_some_and(Socket::wants_credentials);
    let credentials = match &message.credentials {
        None if wants(id) || wants(to) => Some(Credentials::real(k, cx.task)?),
        given => given.clone(),
    };
    Ok(Attached {
        from: k.net.socket(id)?.name.clone(),
        credentials,
    })
}

/// The files that go along; a user may have as many in flight as descriptors (getrlimit(2),
/// RLIMIT_NOFILE), some may have more.
fn departure(k: &Kernel, cx: &Cx, to: SocketId, message: &Outgoing) -> Result<Departure, Errno> {
    let task = k.tasks.task(cx.task)?;
    let may = |capability| task.cred.capable(capability);
    let limit = if may(general::CAP_SYS_RESOURCE) || may(general::CAP_SYS_ADMIN) {
        u64::MAX
    } else {
        files::limit(k, cx.task)
    };
    Departure::prepare(k, to, &message.files, task.cred.uid, limit)
}

/// Copies bytes that are ready behind what a socket has yet to receive.
fn copy(k: &mut Kernel, cx: &mut Cx, to: SocketId, from: From, done: u64, count: usize) {
    let mut moved = 0;
    while moved < count {
        let Some((frame, within, room)) = transfer::tail(k, to) else {
            return;
        };
        let part = room.min(count - moved);
        from.copy_to(k, cx, done + moved as u64, (frame, within), part);
        transfer::advance(k, to, part);
        moved += part;
    }
}

/// A message goes whole or not at all.
fn datagram(k: &mut Kernel, cx: &mut Cx, id: SocketId, from: From, message: &Outgoing) -> Call {
    let socket = k.net.socket(id)?;
    let to = message.to.or(socket.link_to()).ok_or(Errno::ENOTCONN)?;
    let (len, limit) = (from.total(), socket.options.send_limit);
    if len > limit.saturating_sub(OVERHEAD) as u64 {
        return Err(Errno::EMSGSIZE.into());
    }
    let over = socket.shut.contains(Shut::WRITE);
    if let Some(error) = k.net.socket_mut(id)?.error.take() {
        return Err(error.into());
    }
    if over {
        return Err(Errno::EPIPE.into());
    }
    let group = group(k, cx)?;
    all_ready(k, cx, from, len)?;
    check_receiver(k, id, to)?;
    if !ready::fits(k, id, to, len as usize)? {
        return Err(patience(k, id, message)?.wait(cx, WaitKey::SocketRoom(to), 0));
    }
    let attached = attached(k, cx, id, to, message)?;
    let files = departure(k, cx, to, message)?;
    let slot = transfer::prepare(k, to, group, len as usize, attached, &files)?;
    copy(k, cx, to, from, 0, len as usize);
    transfer::publish(k, to, len as usize, slot, files);
    Ok(len)
}

/// Makes all bytes of a message ready to be copied.
fn all_ready(k: &mut Kernel, cx: &mut Cx, from: From, len: u64) -> Result<(), Stop> {
    let mut done = 0;
    while done < len {
        let ready = from.ready(k, cx, done, len - done)?;
        if ready == 0 {
            return Err(Errno::EFAULT.into());
        }
        done += ready;
    }
    Ok(())
}

/// Whether the receiver of a datagram is there and takes messages of this sender.
fn check_receiver(k: &mut Kernel, id: SocketId, to: SocketId) -> Result<(), Errno> {
    let kind = k.net.socket(id)?.kind;
    let Some(receiver) = k.net.sockets.get(to) else {
        if kind.connects() {
            return Err(Errno::EPIPE);
        }
        k.net.socket_mut(id)?.link = Link::None;
        return Err(Errno::ECONNREFUSED);
    };
    if receiver.shut.contains(Shut::READ) {
        return Err(Errno::EPIPE);
    }
    match receiver.link {
        Link::Peer(other) if other != id => Err(Errno::EPERM),
        _ => Ok(()),
    }
}
