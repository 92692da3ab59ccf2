//! A message queue: messages by priority, and who is told of the first one.

use crate::cgroup::Charge;
use crate::task::{FilesId, ProcessId};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;
use core::cmp::Reverse;
use linux_raw_sys::general as linux;

/// Priorities are below this (MQ_PRIO_MAX).
pub const PRIORITIES: u32 = 32768;

/// What a queue can hold (mq_getattr(3)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    /// Messages.
    pub messages: u64,
    /// Bytes of one.
    pub bytes: u64,
}

impl Size {
    /// What counts for RLIMIT_MSGQUEUE (getrlimit(2)); `None` for more than there can be.
    pub fn cost(self) -> Option<u64> {
        /// sizeof(struct msg_msg), sizeof(struct posix_msg_tree_node).
        const MESSAGE: u64 = 48;
        const PRIORITY: u64 = 48;
        let nodes = self.messages.min(PRIORITIES.into()).checked_mul(PRIORITY)?;
        let each = self.bytes.checked_add(MESSAGE)?;
        self.messages.checked_mul(each)?.checked_add(nodes)
    }
}

/// A message.
#[derive(Debug)]
pub struct Message {
    /// What it says.
    pub bytes: Vec<u8>,
    /// Who pays.
    pub charge: Charge,
}

/// What a message costs besides its bytes.
pub const MESSAGE_COST: u32 = 128;

/// Who is told when a message comes to the empty queue (mq_notify(3)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Notice {
    /// The process that asked.
    pub process: ProcessId,
    /// Its table of descriptors: with the first of the queue that it closes this ends.
    pub table: FilesId,
    /// The signal and its value; `None` to be told in no way (SIGEV_NONE).
    pub signal: Option<(u32, u64)>,
}

/// A message queue.
#[derive(Debug)]
pub struct Queue {
    /// What it can hold.
    pub size: Size,
    /// The user whose RLIMIT_MSGQUEUE counts it.
    pub(super) uid: u32,
    /// Who is told of a message.
    pub notice: Option<Notice>,
    /// The highest priority first, the oldest of each first.
    messages: BTreeMap<(Reverse<u32>, u64), Message>,
    sequence: u64,
    /// Bytes of all messages.
    bytes: u64,
}

impl Queue {
    /// An empty one.
    pub(super) fn new(size: Size, uid: u32) -> Queue {
        Queue {
            size,
            uid,
            notice: None,
            messages: BTreeMap::new(),
            sequence: 0,
            bytes: 0,
        }
    }

    /// Messages in it.
    pub fn len(&self) -> u64 {
        self.messages.len() as u64
    }

    /// No message is in it.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// No message fits.
    pub fn is_full(&self) -> bool {
        self.len() >= self.size.messages
    }

    /// The message that is received next, and its priority.
    pub fn first(&self) -> Option<(u32, &Message)> {
        let (key, message) = self.messages.first_key_value()?;
        Some((key.0.0, message))
    }

    /// Adds a message; there is room.
    pub fn add(&mut self, priority: u32, message: Message) {
        self.bytes = self.bytes.saturating_add(message.bytes.len() as u64);
        let key = (Reverse(priority), self.sequence);
        self.sequence += 1;
        self.messages.insert(key, message);
    }

    /// Takes the first message out.
    pub fn take(&mut self) -> Option<Message> {
        let (_, message) = self.messages.pop_first()?;
        self.bytes = self.bytes.saturating_sub(message.bytes.len() as u64);
        Some(message)
    }

    /// What it is ready for (POLL* bits).
    pub fn ready(&self) -> u32 {
        let data = linux::POLLIN | linux::POLLRDNORM;
        let room = linux::POLLOUT | linux::POLLWRNORM;
        (if self.is_empty() { 0 } else { data }) | if self.is_full() { 0 } else { room }
    }

    /// What its file says, with the number of the process that is told (mq_overview(7)).
    pub fn text(&self, pid: u32) -> Vec<u8> {
        let (how, signal) = match self.notice.map(|notice| notice.signal) {
            None => (0, 0),
            Some(None) => (linux::SIGEV_NONE, 0),
            Some(Some((signal, _))) => (linux::SIGEV_SIGNAL, signal),
        };
        let bytes = self.bytes;
        format!("QSIZE:{bytes:<10} NOTIFY:{how:<5} SIGNO:{signal:<5} NOTIFY_PID:{pid:<6}\n")
            .into_bytes()
    }
}
