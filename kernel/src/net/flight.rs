//! Open files in flight: sent with a message, and not yet received (unix(7), SCM_RIGHTS).
//!
//! A socket in flight that nobody but sockets in flight could ever hand out again would be lost
//! for ever: it would keep itself alive. Linux searches for such rings; here they cannot come to
//! be. Each socket has a rank, 0 when it is not in flight, and whatever a socket has yet to
//! receive (or to accept) has a higher rank than itself: along what holds what, ranks only rise,
//! so nothing leads back. Sending a socket raises it above the one that it is sent to, and what it
//! holds above itself; where that leads back, beyond [`RANK_MAX`], or to too many sockets to look
//! at, the call fails with ETOOMANYREFS, as Linux's does for too deep nesting.

use super::{Link, SocketId};
use crate::Kernel;
use crate::arena::Held;
use crate::error::Errno;
use crate::fs::FileId;
use crate::fs::open::FileKind;
use alloc::vec::Vec;

/// Open files that one message carries at the most (SCM_MAX_FD).
pub const FILES_MAX: usize = 253;
/// How deep sockets in flight can be within each other.
pub const RANK_MAX: u8 = 8;
/// Messages, open files and sockets looked at for one that is sent.
const LOOKS: usize = 1024;

/// The open files of one message.
#[derive(Debug)]
pub struct Flight {
    files: Vec<Held<FileId>>,
    /// The user whose limit they count against.
    uid: u32,
}

/// Open files that may be sent: checked, not yet gone.
#[derive(Clone, Debug, Default)]
pub struct Departure {
    files: Vec<FileId>,
    uid: u32,
    ranks: Vec<(SocketId, u8)>,
}

impl Departure {
    /// Checks that files may be sent to a socket by a user that may have `limit` in flight.
    ///
    /// # Errors
    /// ETOOMANYREFS: too many, or too deep.
    pub fn prepare(
        k: &Kernel,
        to: SocketId,
        files: &[FileId],
        uid: u32,
        limit: u64,
    ) -> Result<Departure, Errno> {
        let mut departure = Departure {
            files: files.into(),
            uid,
            ranks: Vec::new(),
        };
        if files.is_empty() {
            return Ok(departure);
        }
        if k.net
            .in_flight
            .get(&uid)
            .is_some_and(|count| *count > limit)
        {
            return Err(Errno::ETOOMANYREFS);
        }
        let rank = k.net.socket(to)?.rank.saturating_add(1);
        let mut next: Vec<(SocketId, u8)> = Vec::new();
        let mut looks = LOOKS;
        for file in files {
            next.extend(socket_of(k, *file).map(|socket| (socket, rank)));
        }
        while let Some((id, rank)) = next.pop() {
            if id == to || rank > RANK_MAX {
                return Err(Errno::ETOOMANYREFS);
            }
            if k.net.socket(id)?.rank < rank {
                departure.ranks.push((id, rank));
                held_by(k, id, rank.saturating_add(1), &mut next, &mut looks)?;
            }
        }
        Ok(departure)
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// None.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Begins the flight; `None` without files.
    pub fn take_off(self, k: &mut Kernel) -> Option<Flight> {
        if self.files.is_empty() {
            return None;
        }
        for (id, rank) in self.ranks {
            if let Some(socket) = k.net.sockets.get_mut(id) {
                socket.rank = socket.rank.max(rank);
            }
        }
        let mut files = Vec::with_capacity(self.files.len());
        for file in self.files {
            count_socket(k, file, true);
            files.extend(k.fs.files.hold(file));
        }
        *k.net.in_flight.entry(self.uid).or_default() += files.len() as u64;
        Some(Flight {
            files,
            uid: self.uid,
        })
    }
}

impl Flight {
    /// They.
    pub fn files(&self) -> &[Held<FileId>] {
        &self.files
    }

    /// Ends the flight: the files are the caller's to put under descriptors or to close.
    pub fn land(self, k: &mut Kernel) -> Vec<Held<FileId>> {
        for file in &self.files {
            count_socket(k, file.key(), false);
        }
        if let Some(count) = k.net.in_flight.get_mut(&self.uid) {
            *count = count.saturating_sub(self.files.len() as u64);
            if *count == 0 {
                k.net.in_flight.remove(&self.uid);
            }
        }
        self.files
    }
}

/// The socket that an open file is.
fn socket_of(k: &Kernel, file: FileId) -> Option<SocketId> {
    match &k.fs.files.get(file)?.kind {
        FileKind::Socket(socket) => Some(socket.key()),
        _ => None,
    }
}

/// Counts a socket in or out that is in flight once more; out of flight it may hold anything.
fn count_socket(k: &mut Kernel, file: FileId, more: bool) {
    let Some(socket) = socket_of(k, file).and_then(|id| k.net.sockets.get_mut(id)) else {
        return;
    };
    socket.in_flight = match more {
        true => socket.in_flight.saturating_add(1),
        false => socket.in_flight.saturating_sub(1),
    };
    if socket.in_flight == 0 {
        socket.rank = 0;
    }
}

/// Adds the sockets that a socket has yet to receive or to accept, which get `rank`.
fn held_by(
    k: &Kernel,
    id: SocketId,
    rank: u8,
    next: &mut Vec<(SocketId, u8)>,
    looks: &mut usize,
) -> Result<(), Errno> {
    let socket = k.net.socket(id)?;
    if let Link::Listening { waiting, .. } = &socket.link {
        *looks = looks
            .checked_sub(waiting.len())
            .ok_or(Errno::ETOOMANYREFS)?;
        next.extend(waiting.iter().map(|near| (near.key(), rank)));
    }
    for record in &socket.queue.records {
        let files = record
            .files
            .as_ref()
            .map_or(&[][..], |flight| flight.files());
        *looks = looks
            .checked_sub(1 + files.len())
            .ok_or(Errno::ETOOMANYREFS)?;
        let sockets = files.iter().filter_map(|file| socket_of(k, file.key()));
        next.extend(sockets.map(|socket| (socket, rank)));
    }
    Ok(())
}
