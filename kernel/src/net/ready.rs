//! What a socket is ready for (poll(2)).

use super::queue::RECORD_COST;
use super::{Link, Shut, SocketId, Type};
use crate::Kernel;
use crate::error::Errno;
use linux_raw_sys::general as linux;

/// Datagrams that wait at a socket before others have to wait to send: one less
/// (/proc/sys/net/unix/max_dgram_qlen).
const DATAGRAMS: usize = 10;

/// POLL* bits.
///
/// # Errors
/// EBADF when it is gone.
pub fn ready(k: &Kernel, id: SocketId) -> Result<u32, Errno> {
    let socket = k.net.socket(id)?;
    let mut ready = 0;
    if socket.error.is_some() {
        ready |= linux::POLLERR;
    }
    if socket.shut.contains(Shut::all()) {
        ready |= linux::POLLHUP;
    }
    if socket.shut.contains(Shut::READ) {
        ready |= linux::POLLRDHUP | linux::POLLIN | linux::POLLRDNORM;
    }
    if !socket.queue.is_empty() {
        ready |= linux::POLLIN | linux::POLLRDNORM;
    }
    match &socket.link {
        Link::None if socket.kind.connects() => ready |= linux::POLLHUP,
        Link::Listening { waiting, .. } => {
            let there = linux::POLLIN | linux::POLLRDNORM;
            return Ok(ready | if waiting.is_empty() { 0 } else { there });
        }
        _ => {}
    }
    if k.net.peer_of(id).is_none_or(|peer| is_roomy(k, id, peer)) {
        ready |= linux::POLLOUT | linux::POLLWRNORM | linux::POLLWRBAND;
    }
    Ok(ready)
}

/// At most a quarter of what may be on the way is.
fn is_roomy(k: &Kernel, from: SocketId, to: SocketId) -> bool {
    let (Ok(sender), Ok(receiver)) = (k.net.socket(from), k.net.socket(to)) else {
        return true;
    };
    receiver.queue.used() <= sender.options.send_limit / 4 && takes_more(k, from, to)
}

/// Not too many datagrams wait already, at a socket that has more senders than one.
fn takes_more(k: &Kernel, from: SocketId, to: SocketId) -> bool {
    k.net.socket(to).is_ok_and(|receiver| {
        receiver.kind != Type::Datagram
            || receiver.queue.records.len() <= DATAGRAMS
            || k.net.are_mutual(from, to)
    })
}

/// Bytes of a stream that `from` may send now.
///
/// # Errors
/// EBADF when one of the two is gone.
pub fn room(k: &Kernel, from: SocketId, to: SocketId) -> Result<usize, Errno> {
    let limit = k.net.socket(from)?.options.send_limit;
    let used = k.net.socket(to)?.queue.used();
    Ok(limit.saturating_sub(used + RECORD_COST))
}

/// As [`room`], to the other end of a stream; `None` for what is no stream, or has none.
pub fn stream_room(k: &Kernel, id: SocketId) -> Option<usize> {
    let socket = k.net.socket(id).ok()?;
    let peer = k.net.peer_of(id).filter(|_| socket.kind == Type::Stream)?;
    room(k, id, peer).ok()
}

/// Whether `from` may send a message of `len` bytes now.
///
/// # Errors
/// EBADF when one of the two is gone.
pub fn fits(k: &Kernel, from: SocketId, to: SocketId, len: usize) -> Result<bool, Errno> {
    let limit = k.net.socket(from)?.options.send_limit;
    let used = k.net.socket(to)?.queue.used();
    Ok((used == 0 || used.saturating_add(len) < limit) && takes_more(k, from, to))
}
