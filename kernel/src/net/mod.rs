//! Sockets (socket(2), unix(7)). Only those of AF_UNIX so far.
//!
//! Reading order: this file (what a socket is), [`queue`] and [`crate::mm::buffer`] (what it has
//! yet to receive), [`names`], [`pair`] (how two come together and part). Programs' bytes are moved by
//! [`crate::io`].

pub mod connect;
pub mod credentials;
pub mod flight;
pub mod garbage;
pub mod names;
pub mod pair;
pub mod queue;
pub mod ready;
pub mod transfer;

use crate::arena::{Arena, Held};
use crate::cgroup::GroupId;
use crate::error::{Errno, NoMem};
use crate::fs::HeldPos;
use crate::{Kernel, key};
use alloc::collections::{BTreeMap, VecDeque};
use bitflags::bitflags;
use credentials::Credentials;
use linux_raw_sys::net as linux;
use names::{Name, Names};
use queue::Queue;

key! {
    /// A socket.
    SocketId
}

/// How a socket treats bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Type {
    /// A stream of bytes between two.
    Stream,
    /// Messages, to anybody.
    Datagram,
    /// Messages between two.
    SeqPacket,
}

impl Type {
    /// From the argument of socket(2), for AF_UNIX.
    ///
    /// # Errors
    /// ESOCKTNOSUPPORT.
    pub fn of(number: u32) -> Result<Type, Errno> {
        match number {
            linux::SOCK_STREAM => Ok(Type::Stream),
            // As on Linux, where AF_UNIX knows nothing rawer.
            linux::SOCK_DGRAM | linux::SOCK_RAW => Ok(Type::Datagram),
            linux::SOCK_SEQPACKET => Ok(Type::SeqPacket),
            _ => Err(Errno::ESOCKTNOSUPPORT),
        }
    }

    /// SOCK_*.
    pub fn number(self) -> u32 {
        match self {
            Type::Stream => linux::SOCK_STREAM,
            Type::Datagram => linux::SOCK_DGRAM,
            Type::SeqPacket => linux::SOCK_SEQPACKET,
        }
    }

    /// It is between two sockets, one of which listened; or there is nobody at the other end.
    pub fn connects(self) -> bool {
        self != Type::Datagram
    }
}

bitflags! {
    /// Directions that were shut down (shutdown(2)).
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Shut: u32 {
        /// Nothing more comes.
        const READ = 1;
        /// Nothing more may be sent.
        const WRITE = 2;
    }
}

/// Whom a socket is with.
#[derive(Debug, Default)]
pub enum Link {
    /// Nobody.
    #[default]
    None,
    /// Waits for connections.
    Listening {
        /// One more than this may wait to be accepted.
        backlog: usize,
        /// Their near ends, first come first.
        waiting: VecDeque<Held<SocketId>>,
    },
    /// The other end; of a datagram socket, where messages go by default. It may be gone already.
    Peer(SocketId),
}

/// What can be set (socket(7)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Bytes that may be on their way from it (SO_SNDBUF).
    pub send_limit: usize,
    /// SO_RCVBUF, which counts for nothing here, as for AF_UNIX on Linux.
    pub receive_limit: usize,
    /// Nanoseconds that sending waits at the most (SO_SNDTIMEO).
    pub send_timeout: Option<u64>,
    /// Nanoseconds that receiving waits at the most (SO_RCVTIMEO).
    pub receive_timeout: Option<u64>,
    /// Wants to know who sends (SO_PASSCRED).
    pub pass_credentials: bool,
    /// SO_REUSEADDR, SO_KEEPALIVE, SO_BROADCAST and SO_LINGER (whether, and seconds), which mean
    /// nothing to AF_UNIX.
    pub reuse_address: bool,
    #[allow(missing_docs)]
    pub keep_alive: bool,
    #[allow(missing_docs)]
    pub broadcast: bool,
    #[allow(missing_docs)]
    pub linger: (bool, u32),
    /// Bytes that a receiver of a stream waits for (SO_RCVLOWAT).
    pub receive_least: u32,
}

/// What buffers hold unless told otherwise, in bytes (/proc/sys/net/core/wmem_default).
pub const BUFFER_DEFAULT: usize = 212_992;

impl Default for Options {
    fn default() -> Self {
        Options {
            send_limit: BUFFER_DEFAULT,
            receive_limit: BUFFER_DEFAULT,
            send_timeout: None,
            receive_timeout: None,
            pass_credentials: false,
            reuse_address: false,
            keep_alive: false,
            broadcast: false,
            linger: (false, 0),
            receive_least: 1,
        }
    }
}

/// A socket.
#[derive(Debug)]
pub struct Socket {
    /// How it treats bytes.
    pub kind: Type,
    /// Whom it is with.
    pub link: Link,
    /// Its name.
    pub name: Option<Name>,
    /// The name of the other end, once that is gone.
    pub peer_name: Option<Name>,
    /// Who was at the other end when the two came together.
    pub peer: Option<Credentials>,
    /// What it has yet to receive.
    pub queue: Queue,
    /// Directions that were shut down.
    pub shut: Shut,
    /// What the next call fails with (SO_ERROR).
    pub error: Option<Errno>,
    /// What can be set.
    pub options: Options,
    /// Its own name, not that of the socket that accepted it.
    pub owns_name: bool,
    /// The file that its path made.
    pub place: Option<HeldPos>,
    /// Its inode number.
    pub ino: u64,
    /// In how many messages it is itself in flight.
    pub in_flight: u32,
    /// How deep it is in flight; see [`flight`].
    pub rank: u8,
}

impl Socket {
    /// Who sends to it is to be told: it wants that, or it is not accepted yet and may want it.
    pub fn wants_credentials(&self) -> bool {
        self.options.pass_credentials || self.ino == 0
    }

    /// Bytes that can be received: of a datagram socket those of the first message (FIONREAD).
    ///
    /// # Errors
    /// EINVAL when it listens.
    pub fn readable(&self) -> Result<usize, Errno> {
        match (&self.link, self.kind) {
            (Link::Listening { .. }, _) => Err(Errno::EINVAL),
            (_, Type::Datagram) => Ok(self.queue.records.front().map_or(0, |first| first.len)),
            _ => Ok(self.queue.buffer.len()),
        }
    }

    /// Whom it is with, there or gone.
    pub fn link_to(&self) -> Option<SocketId> {
        match self.link {
            Link::Peer(peer) => Some(peer),
            _ => None,
        }
    }
}

/// All sockets.
#[derive(Default)]
pub struct Net {
    /// They.
    pub sockets: Arena<SocketId, Socket>,
    /// Which of them has which name.
    pub names: Names,
    /// How many open files each user has in flight.
    pub in_flight: BTreeMap<u32, u64>,
}

impl Net {
    /// A socket.
    ///
    /// # Errors
    /// EBADF when it is gone.
    pub fn socket(&self, id: SocketId) -> Result<&Socket, Errno> {
        self.sockets.get(id).ok_or(Errno::EBADF)
    }

    /// A socket, to change.
    ///
    /// # Errors
    /// EBADF when it is gone.
    pub fn socket_mut(&mut self, id: SocketId) -> Result<&mut Socket, Errno> {
        self.sockets.get_mut(id).ok_or(Errno::EBADF)
    }

    /// Whom a socket is with, there or gone.
    pub fn link_of(&self, id: SocketId) -> Option<SocketId> {
        self.sockets.get(id)?.link_to()
    }

    /// The other end, or where datagrams go by default, if it is still there.
    pub fn peer_of(&self, id: SocketId) -> Option<SocketId> {
        match self.sockets.get(id)?.link {
            Link::Peer(peer) => self.sockets.get(peer).map(|_| peer),
            _ => None,
        }
    }

    /// Bytes that were sent to the other end and not received, as buffer sizes are counted
    /// (SIOCOUTQ).
    ///
    /// # Errors
    /// EINVAL when the socket listens.
    pub fn on_the_way(&self, id: SocketId) -> Result<usize, Errno> {
        match &self.socket(id)?.link {
            Link::Listening { .. } => Err(Errno::EINVAL),
            Link::Peer(peer) => Ok(self.sockets.get(*peer).map_or(0, |peer| peer.queue.used())),
            Link::None => Ok(0),
        }
    }

    /// The two send to each other and to nobody else.
    pub fn are_mutual(&self, one: SocketId, other: SocketId) -> bool {
        self.peer_of(one) == Some(other) && self.peer_of(other) == Some(one)
    }
}

/// A socket that is with nobody.
///
/// # Errors
/// No memory.
pub fn create(k: &mut Kernel, group: GroupId, kind: Type) -> Result<Held<SocketId>, NoMem> {
    let charge = k.groups.charge(group, Arena::<SocketId, Socket>::COST)?;
    let socket = Socket {
        kind,
        link: Link::None,
        name: None,
        peer_name: None,
        peer: None,
        queue: Queue::default(),
        shut: Shut::empty(),
        error: None,
        options: Options::default(),
        owns_name: false,
        place: None,
        ino: 0,
        in_flight: 0,
        rank: 0,
    };
    Ok(k.net.sockets.insert(socket, charge))
}
