//! The end of sockets: what they had yet to receive, freed at once when it is little, else by a
//! job. Open files that were in flight are the job's to close.

use super::flight::Flight;
use super::queue::{Queue, Record};
use super::{Link, Net, Shut, Socket, SocketId, pair};
use crate::Kernel;
use crate::arena::Held;
use crate::error::Errno;
use crate::fs::FileId;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// What is left of sockets, on its way out.
#[derive(Default)]
pub struct Garbage {
    /// Open files that nobody will receive.
    pub files: Vec<Held<FileId>>,
    records: VecDeque<Record>,
    queues: Vec<Queue>,
    /// Connections that were not accepted.
    refused: Vec<VecDeque<Held<SocketId>>>,
}

impl Garbage {
    /// Ends a socket that nobody has open any more. The other end is told; with what was not
    /// received, or never accepted, by ECONNRESET.
    pub fn close(&mut self, k: &mut Kernel, held: Held<SocketId>) {
        self.end(k, held, false);
    }

    fn end(&mut self, k: &mut Kernel, held: Held<SocketId>, refused: bool) {
        let id = held.key();
        let peer = k.net.peer_of(id).filter(|peer| k.net.are_mutual(id, *peer));
        let Some((mut socket, charge)) = k.net.sockets.release(held) else {
            return;
        };
        k.groups.give_back(charge);
        if let Some(peer) = peer.filter(|_| socket.kind.connects()) {
            let reset = refused || !socket.queue.is_empty();
            leave(&mut k.net, peer, &socket, reset);
            pair::changed(k, peer);
        }
        pair::changed(k, id);
        if let Some(place) = k.net.names.forget(&mut socket) {
            crate::fs::release_pos(k, place);
        }
        if let Link::Listening { waiting, .. } = socket.link {
            self.refused.push(waiting);
        }
        self.add(socket.queue);
    }

    /// Adds what a socket will not receive any more.
    pub fn add(&mut self, queue: Queue) {
        self.queues.push(queue);
    }

    /// Frees one thing; false when nothing is left but open files.
    pub fn step(&mut self, k: &mut Kernel) -> bool {
        if let Some(record) = self.records.pop_front() {
            k.groups.give_back(record.charge);
            self.land(k, record.files);
        } else if let Some(queue) = self.queues.last_mut() {
            let page = crate::machine::PAGE as usize;
            queue.buffer.consume(&mut k.frames, &mut k.groups, page);
            if queue.buffer.is_empty() {
                queue.buffer.clear(&mut k.frames, &mut k.groups);
                self.records = core::mem::take(&mut queue.records);
                self.queues.pop();
            }
        } else if let Some(waiting) = self.refused.last_mut() {
            match waiting.pop_front() {
                Some(held) => self.end(k, held, true),
                None => drop(self.refused.pop()),
            }
        } else {
            return false;
        }
        true
    }

    /// Open files of a message that nobody receives.
    fn land(&mut self, k: &mut Kernel, flight: Option<Flight>) {
        if let Some(flight) = flight {
            self.files.extend(flight.land(k));
        }
    }
}

/// The other end of a connection has gone.
fn leave(net: &mut Net, peer: SocketId, gone: &Socket, reset: bool) {
    if let Some(peer) = net.sockets.get_mut(peer) {
        peer.shut = Shut::all();
        peer.peer_name.clone_from(&gone.name);
        if reset {
            peer.error = Some(Errno::ECONNRESET);
        }
    }
}
