//! What a socket has yet to receive: bytes, and what goes with which of them.

use super::credentials::Credentials;
use super::flight::Flight;
use super::names::Name;
use crate::cgroup::Charge;
use crate::mm::buffer::Buffer;
use alloc::collections::VecDeque;

/// Bytes that one message costs on top of what it carries, charged and counted against the buffer
/// sizes of sockets.
pub const RECORD_COST: usize = 256;

/// A message; of a stream, bytes that one sender wrote.
#[derive(Debug)]
pub struct Record {
    /// Bytes of it that are left.
    pub len: usize,
    /// The name of the socket that sent it.
    pub from: Option<Name>,
    /// Who sent it, if one of the two sockets wants to know.
    pub credentials: Option<Credentials>,
    /// Open files that go with it.
    pub files: Option<Flight>,
    /// Who pays.
    pub charge: Charge,
}

impl Record {
    /// Whether bytes of `next` may be added to this one: nothing that goes with them would end up
    /// with others.
    pub fn takes(&self, next: &Attached) -> bool {
        self.files.is_none() && self.credentials == next.credentials && self.from == next.from
    }
}

/// What goes with bytes that are to be sent.
#[derive(Clone, Debug, Default)]
pub struct Attached {
    /// The name of the sender.
    pub from: Option<Name>,
    /// Who sends.
    pub credentials: Option<Credentials>,
}

/// What a socket has yet to receive.
#[derive(Debug, Default)]
pub struct Queue {
    /// The bytes of all messages.
    pub buffer: Buffer,
    /// Where one ends and the next begins.
    pub records: VecDeque<Record>,
}

/// What a read of a stream gets at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    /// Bytes.
    pub len: usize,
    /// The message among them that brings open files, which is the last one: its index, and how
    /// many bytes come before it.
    pub files: Option<(usize, usize)>,
    /// What follows comes with the next read, whatever room there is.
    pub ends: bool,
}

impl Queue {
    /// Nothing to receive.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// What it holds, as buffer sizes are counted.
    pub fn used(&self) -> usize {
        self.buffer.len() + self.records.len() * RECORD_COST
    }

    /// What a read of up to `max` bytes of a stream gets: bytes of several messages, but none
    /// beyond open files, and with `apart` none of different senders.
    pub fn span(&self, max: usize, apart: bool) -> Span {
        let mut span = Span::default();
        let first = self.records.front().map(|r| &r.credentials);
        for (index, record) in self.records.iter().enumerate() {
            if span.len >= max {
                break;
            }
            if apart && first != Some(&record.credentials) {
                span.ends = true;
                break;
            }
            let before = span.len;
            span.len += record.len.min(max - before);
            if record.files.is_some() {
                span.files = Some((index, before));
                span.ends = true;
                break;
            }
        }
        span
    }
}
