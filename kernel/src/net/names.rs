//! Names of Unix sockets: paths, and names without a file (unix(7), "Address format").
//!
//! A socket with a path is found by the inode that it made there: whatever is linked or renamed
//! meanwhile, the inode names the socket until that is gone. The other names are one table for
//! everybody: there is one network namespace.

use super::{Socket, SocketId, Type};
use crate::Kernel;
use crate::error::Errno;
use crate::fs::{HeldPos, InodeId, Node};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;

/// A name as sockaddr_un has it behind the family: a path with the NUL behind it, or a NUL and a
/// name of any bytes.
pub type Name = Arc<[u8]>;

/// Bytes in the longest name.
pub const NAME_MAX: usize = 108;

/// Names that the kernel gives have this many hexadecimal digits.
const DIGITS: usize = 5;
/// How many of them are tried before giving up.
const TRIES: u32 = 1024;

/// Which socket has which name.
#[derive(Default)]
pub struct Names {
    files: BTreeMap<InodeId, SocketId>,
    others: BTreeMap<(Type, Name), SocketId>,
    last: u32,
}

impl Names {
    /// The socket whose path led to an inode.
    pub fn of_file(&self, inode: InodeId) -> Option<SocketId> {
        self.files.get(&inode).copied()
    }

    /// The socket of a type with a name without a file.
    pub fn of_other(&self, kind: Type, name: &[u8]) -> Option<SocketId> {
        self.others.get(&(kind, name.into())).copied()
    }

    /// Forgets the names of a socket that is gone; where its file was comes out.
    pub fn forget(&mut self, socket: &mut Socket) -> Option<HeldPos> {
        let place = socket.place.take();
        match place.as_ref().map(HeldPos::pos).map(|pos| pos.node) {
            Some(Node::Inode(inode)) => drop(self.files.remove(&inode)),
            // An accepted socket tells the name of the one that listens.
            _ if socket.owns_name => {
                if let Some(name) = &socket.name {
                    self.others.remove(&(socket.kind, name.clone()));
                }
            }
            _ => {}
        }
        place
    }
}

/// Gives a socket the path that led to a new inode.
///
/// # Errors
/// EBADF when the socket is gone.
pub fn bind_file(k: &mut Kernel, id: SocketId, name: Name, place: HeldPos) -> Result<(), Errno> {
    let Some(socket) = k.net.sockets.get_mut(id) else {
        crate::fs::release_pos(k, place);
        return Err(Errno::EBADF);
    };
    if let Node::Inode(inode) = place.pos().node {
        k.net.names.files.insert(inode, id);
    }
    socket.name = Some(name);
    socket.owns_name = true;
    socket.place = Some(place);
    Ok(())
}

/// Gives a socket a name without a file.
///
/// # Errors
/// EADDRINUSE.
pub fn bind_other(k: &mut Kernel, id: SocketId, name: Name) -> Result<(), Errno> {
    let socket = k.net.sockets.get_mut(id).ok_or(Errno::EBADF)?;
    let key = (socket.kind, name.clone());
    if k.net.names.others.contains_key(&key) {
        return Err(Errno::EADDRINUSE);
    }
    k.net.names.others.insert(key, id);
    socket.name = Some(name);
    socket.owns_name = true;
    Ok(())
}

/// Gives a socket a name that nobody has, unless it has one.
///
/// # Errors
/// ENOSPC when none is found.
pub fn autobind(k: &mut Kernel, id: SocketId) -> Result<(), Errno> {
    if k.net.socket(id)?.name.is_some() {
        return Ok(());
    }
    for _ in 0..TRIES {
        k.net.names.last = k.net.names.last.wrapping_add(1) & 0xf_ffff;
        let number = k.net.names.last;
        let name = alloc::format!("\0{number:0width$x}", width = DIGITS);
        match bind_other(k, id, name.as_bytes().into()) {
            Err(Errno::EADDRINUSE) => {}
            result => return result,
        }
    }
    Err(Errno::ENOSPC)
}
