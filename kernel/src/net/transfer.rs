//! Putting messages into the queue of a socket and taking them out: prepared, then committed.

use super::flight::{Departure, Flight};
use super::queue::{Attached, RECORD_COST, Record};
use super::{SocketId, Type};
use crate::Kernel;
use crate::arena::Held;
use crate::cgroup::GroupId;
use crate::error::{Errno, Stop};
use crate::fs::FileId;
use crate::mm::buffer::Piece;
use crate::wait::WaitKey;

/// Where bytes go that are about to be copied behind a queue.
#[must_use = "a charge must be kept or given back"]
#[derive(Debug)]
pub enum Slot {
    /// To the message that is the last one there.
    Last,
    /// To a message of their own.
    New(Record),
}

/// Makes room for `len` more bytes in the queue of a socket, and for what goes with them.
///
/// # Errors
/// EPIPE when the socket is gone; no memory.
pub fn prepare(
    k: &mut Kernel,
    to: SocketId,
    group: GroupId,
    len: usize,
    attached: Attached,
    files: &Departure,
) -> Result<Slot, Stop> {
    let socket = k.net.sockets.get_mut(to).ok_or(Errno::EPIPE)?;
    socket
        .queue
        .buffer
        .reserve(&mut k.frames, &mut k.groups, group, len)?;
    let last = socket.queue.records.back();
    let joins = socket.kind == Type::Stream && files.is_empty();
    if joins && last.is_some_and(|last| last.takes(&attached)) {
        return Ok(Slot::Last);
    }
    let cost = RECORD_COST + files.len() * core::mem::size_of::<Held<FileId>>();
    let charge = k.groups.charge(group, cost as u32)?;
    Ok(Slot::New(Record {
        len: 0,
        from: attached.from,
        credentials: attached.credentials,
        files: None,
        charge,
    }))
}

/// Where the next byte of a message goes, and how many fit there.
pub fn tail(k: &Kernel, to: SocketId) -> Option<Piece> {
    k.net.sockets.get(to)?.queue.buffer.tail()
}

/// So many bytes of a message were put at the tail.
pub fn advance(k: &mut Kernel, to: SocketId, count: usize) {
    if let Some(socket) = k.net.sockets.get_mut(to) {
        socket.queue.buffer.advance(count);
    }
}

/// Makes a message of `len` bytes that were copied visible to its receiver.
pub fn publish(k: &mut Kernel, to: SocketId, len: usize, slot: Slot, files: Departure) {
    let slot = match slot {
        Slot::New(record) => Slot::New(Record {
            files: files.take_off(k),
            ..record
        }),
        Slot::Last => Slot::Last,
    };
    if let Some(socket) = k.net.sockets.get_mut(to) {
        let records = &mut socket.queue.records;
        if let Slot::New(record) = slot {
            records.push_back(record);
        }
        if let Some(last) = records.back_mut() {
            last.len += len;
        }
    }
    k.waits.wake(WaitKey::SocketData(to));
}

/// Takes bytes out of a stream's queue that were received; the files of a message come out with
/// its first byte.
pub fn consume(k: &mut Kernel, id: SocketId, count: usize) -> Option<Flight> {
    let socket = k.net.sockets.get_mut(id)?;
    let queue = &mut socket.queue;
    queue.buffer.consume(&mut k.frames, &mut k.groups, count);
    let (mut left, mut files) = (count, None);
    while let Some(record) = queue.records.front_mut().filter(|_| left > 0) {
        let part = record.len.min(left);
        record.len -= part;
        left -= part;
        files = record.files.take().or(files);
        if record.len > 0 {
            break;
        }
        if let Some(record) = queue.records.pop_front() {
            k.groups.give_back(record.charge);
        }
    }
    k.waits.wake(WaitKey::SocketRoom(id));
    files
}

/// Takes the first message out, whole.
pub fn take(k: &mut Kernel, id: SocketId) -> Option<Flight> {
    let socket = k.net.sockets.get_mut(id)?;
    let record = socket.queue.records.pop_front()?;
    socket
        .queue
        .buffer
        .consume(&mut k.frames, &mut k.groups, record.len);
    k.groups.give_back(record.charge);
    k.waits.wake(WaitKey::SocketRoom(id));
    record.files
}
