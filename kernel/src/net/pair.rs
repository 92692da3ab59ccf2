//! How two sockets come together, and how what one does reaches the other.

use super::credentials::Credentials;
use super::{Link, Shut, SocketId};
use crate::Kernel;
use crate::error::Errno;
use crate::wait::WaitKey;

/// Makes two new sockets each other's end (socketpair(2)).
pub fn join(k: &mut Kernel, one: SocketId, other: SocketId, maker: &Credentials) {
    for (id, peer) in [(one, other), (other, one)] {
        if let Some(socket) = k.net.sockets.get_mut(id) {
            socket.link = Link::Peer(peer);
            socket.peer = Some(maker.clone());
        }
    }
}

/// Shuts directions down; the other end of a connection sees the same from its side
/// (shutdown(2)).
///
/// # Errors
/// EBADF.
pub fn shutdown(k: &mut Kernel, id: SocketId, how: Shut) -> Result<(), Errno> {
    let socket = k.net.socket_mut(id)?;
    socket.shut |= how;
    let connects = socket.kind.connects();
    let peer = k.net.peer_of(id).filter(|_| connects);
    changed(k, id);
    let Some(peer) = peer else {
        return Ok(());
    };
    let mut there = Shut::empty();
    there.set(Shut::WRITE, how.contains(Shut::READ));
    there.set(Shut::READ, how.contains(Shut::WRITE));
    k.net.socket_mut(peer)?.shut |= there;
    changed(k, peer);
    Ok(())
}

/// Tells everybody who waits for a socket, to receive there or to send to it, that it changed.
pub fn changed(k: &mut Kernel, id: SocketId) {
    k.waits.wake(WaitKey::SocketData(id));
    k.waits.wake(WaitKey::SocketRoom(id));
}
