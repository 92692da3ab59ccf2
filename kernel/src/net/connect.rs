//! Connections: listening, connecting, accepting; and where datagrams go by default.

use super::credentials::Credentials;
use super::garbage::Garbage;
use super::{Link, Shut, SocketId, pair};
use crate::Kernel;
use crate::arena::Held;
use crate::error::Errno;
use crate::wait::WaitKey;
use alloc::collections::VecDeque;

/// Connections that wait to be accepted, at the most (/proc/sys/net/core/somaxconn).
const BACKLOG_MAX: usize = 4096;

/// Lets others connect to a socket that has a name (listen(2)).
///
/// # Errors
/// EOPNOTSUPP for datagrams; EINVAL without a name, or when it is connected.
pub fn listen(k: &mut Kernel, id: SocketId, backlog: usize, who: Credentials) -> Result<(), Errno> {
    let socket = k.net.socket_mut(id)?;
    if !socket.kind.connects() {
        return Err(Errno::EOPNOTSUPP);
    }
    if socket.name.is_none() {
        return Err(Errno::EINVAL);
    }
    let most = backlog.min(BACKLOG_MAX);
    match &mut socket.link {
        Link::None => {
            socket.link = Link::Listening {
                backlog: most,
                waiting: VecDeque::new(),
            }
        }
        Link::Listening { backlog, .. } => *backlog = most,
        Link::Peer(_) => return Err(Errno::EINVAL),
    }
    socket.peer = Some(who);
    pair::changed(k, id);
    Ok(())
}

/// Whether a socket may connect to another one now; false when it has to wait for room.
///
/// # Errors
/// ECONNREFUSED; EPROTOTYPE; EISCONN; EINVAL when it listens itself.
pub fn may_connect(k: &Kernel, id: SocketId, to: SocketId) -> Result<bool, Errno> {
    let (socket, listener) = (k.net.socket(id)?, k.net.socket(to)?);
    let Link::Listening { backlog, waiting } = &listener.link else {
        return Err(Errno::ECONNREFUSED);
    };
    if listener.shut.contains(Shut::READ) {
        return Err(Errno::ECONNREFUSED);
    }
    if waiting.len() > *backlog {
        return Ok(false);
    }
    match socket.link {
        Link::None => Ok(true),
        Link::Listening { .. } => Err(Errno::EINVAL),
        Link::Peer(_) => Err(Errno::EISCONN),
    }
}

/// Connects a socket to the new socket `near`, which waits to be accepted by `listener`.
pub fn connect(
    k: &mut Kernel,
    id: SocketId,
    listener: SocketId,
    near: Held<SocketId>,
    who: Credentials,
) -> Option<Held<SocketId>> {
    let near_id = near.key();
    let Some(listening) = k.net.sockets.get_mut(listener) else {
        return Some(near);
    };
    let (name, peer) = (listening.name.clone(), listening.peer.clone());
    let rank = listening.rank.saturating_add(1);
    let Link::Listening { waiting, .. } = &mut listening.link else {
        return Some(near);
    };
    waiting.push_back(near);
    if let Some(socket) = k.net.sockets.get_mut(near_id) {
        socket.link = Link::Peer(id);
        socket.name = name;
        socket.peer = Some(who);
        socket.rank = rank;
    }
    if let Some(socket) = k.net.sockets.get_mut(id) {
        socket.link = Link::Peer(near_id);
        socket.peer = peer;
    }
    pair::changed(k, id);
    k.waits.wake(WaitKey::SocketData(listener));
    None
}

/// Whether a connection waits to be accepted.
///
/// # Errors
/// EOPNOTSUPP for datagrams; EINVAL when it does not listen, or no more.
pub fn waits(k: &Kernel, id: SocketId) -> Result<bool, Errno> {
    let socket = k.net.socket(id)?;
    if !socket.kind.connects() {
        return Err(Errno::EOPNOTSUPP);
    }
    match &socket.link {
        Link::Listening { waiting, .. } if !waiting.is_empty() => Ok(true),
        Link::Listening { .. } if !socket.shut.contains(Shut::READ) => Ok(false),
        _ => Err(Errno::EINVAL),
    }
}

/// Takes the first connection that waits.
pub fn accept(k: &mut Kernel, id: SocketId) -> Option<Held<SocketId>> {
    let socket = k.net.sockets.get_mut(id)?;
    let passes = socket.options.pass_credentials;
    let Link::Listening { waiting, .. } = &mut socket.link else {
        return None;
    };
    let near = waiting.pop_front()?;
    if let Some(near) = k.net.sockets.get_mut(near.key()) {
        near.rank = 0;
        near.options.pass_credentials = passes;
    }
    k.waits.wake(WaitKey::SocketRoom(id));
    Some(near)
}

/// Puts a connection back that could not be accepted for want of memory.
pub fn put_back(k: &mut Kernel, id: SocketId, near: Held<SocketId>) -> Option<Held<SocketId>> {
    match k.net.sockets.get_mut(id).map(|s| (s.rank, &mut s.link)) {
        Some((rank, Link::Listening { waiting, .. })) => {
            let key = near.key();
            waiting.push_front(near);
            if let Some(near) = k.net.sockets.get_mut(key) {
                near.rank = rank.saturating_add(1);
            }
            None
        }
        _ => Some(near),
    }
}

/// Sets where the datagrams of a socket go by default, or nowhere. What it has yet to receive
/// from others goes.
///
/// # Errors
/// EPERM when the other one is connected to a third.
pub fn set_default(k: &mut Kernel, id: SocketId, to: Option<SocketId>) -> Result<Garbage, Errno> {
    if let Some(to) = to {
        match k.net.socket(to)?.link {
            Link::Peer(other) if other != id && to != id => return Err(Errno::EPERM),
            _ => {}
        }
    }
    let old = k.net.peer_of(id);
    let mut rest = Garbage::default();
    let socket = k.net.socket_mut(id)?;
    let had = socket.link_to();
    socket.link = to.map_or(Link::None, Link::Peer);
    if had.is_some() && had != to {
        // Who waited for room there looks again.
        if let Some(old) = old {
            k.waits.wake(WaitKey::SocketRoom(old));
        }
        let socket = k.net.socket_mut(id)?;
        let left = core::mem::take(&mut socket.queue);
        rest.add(left);
        if let Some(old) = old.filter(|old| k.net.link_of(*old) == Some(id)) {
            k.net.socket_mut(old)?.error = Some(Errno::ECONNRESET);
            pair::changed(k, old);
        }
    }
    pair::changed(k, id);
    Ok(rest)
}
