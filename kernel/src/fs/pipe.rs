//! Pipes and fifos: a ring of bytes between writers and readers (pipe(7)).

use super::home::{self, Home};
use super::inode::What;
use super::{Actor, InodeId, Location, PipeId, Store};
use crate::arena::{Arena, Held};
use crate::cgroup::{Charge, GroupId};
use crate::error::{Errno, NoMem, Stop};
use crate::machine::{Frame, Machine, PAGE};
use crate::mm::frames::Origin;
use crate::task::TaskId;
use crate::wait::WaitKey;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Bytes a new pipe holds.
pub const CAPACITY: usize = 65536;
/// Bytes a pipe can be made to hold (F_SETPIPE_SZ).
pub const CAPACITY_MAX: usize = 1 << 20;
/// Writes up to this many bytes are not mixed with others' (PIPE_BUF).
pub const ATOMIC: usize = 4096;
const SLOTS: usize = CAPACITY / PAGE as usize;
/// What a page of a ring costs beside itself: its slot, and the place of a packet.
const SLOT_COST: usize = 32;

/// A pipe.
#[derive(Debug)]
pub struct Pipe {
    /// The ring's pages; those never written to are missing.
    slots: Vec<Option<Frame>>,
    /// What changing the number of pages was charged.
    resized: Option<Charge>,
    /// Bytes that were ever taken out.
    taken: u64,
    /// Packets, each from and up to a byte of all that were ever put in (pipe(2), O_DIRECT).
    packets: VecDeque<(u64, u64)>,
    /// Where the oldest byte is.
    head: usize,
    len: usize,
    /// Open files that read.
    pub readers: u32,
    /// Open files that write.
    pub writers: u32,
    /// How often it was opened for reading, ever: who waits for the other end of a fifo sees a
    /// visitor that has gone already.
    pub reader_opens: u64,
    /// How often it was opened for writing.
    pub writer_opens: u64,
    /// Who waited in open(2) for an end that has come since, and whether to write. Each is an end
    /// already, though its call has yet to be made again.
    pub arriving: Vec<(TaskId, bool)>,
}

/// A new pipe without ends.
///
/// # Errors
/// No memory.
pub fn create(st: &mut Store, group: GroupId) -> Result<Held<PipeId>, NoMem> {
    let cost = Arena::<PipeId, Pipe>::COST + (SLOTS * SLOT_COST) as u32;
    let charge = st.groups.charge(group, cost)?;
    let pipe = Pipe {
        slots: alloc::vec![None; SLOTS],
        resized: None,
        taken: 0,
        packets: VecDeque::new(),
        head: 0,
        len: 0,
        readers: 0,
        writers: 0,
        reader_opens: 0,
        writer_opens: 0,
        arriving: Vec::new(),
    };
    Ok(st.fs.pipes.insert(pipe, charge))
}

/// Gives a pipe back; the last reference frees what it holds.
pub fn release(st: &mut Store, held: Held<PipeId>) {
    if let Some((pipe, charge)) = st.fs.pipes.release(held) {
        st.groups.give_back(charge);
        if let Some(charge) = pipe.resized {
            st.groups.give_back(charge);
        }
        for frame in pipe.slots.into_iter().flatten() {
            st.frames.release(st.groups, frame);
        }
    }
}

/// A place for a new pipe of pipe(2): a fifo without a name, on a mount nobody can walk to. Give
/// the reference back when both ends are open.
///
/// # Errors
/// No memory.
pub fn anonymous(st: &mut Store, actor: &Actor) -> Result<(Held<InodeId>, Location), Stop> {
    home::make(st, actor, Home::Pipes, What::Fifo, 0o600)
}

/// Adds an end.
pub fn open_end(st: &mut Store, id: PipeId, read: bool, write: bool) {
    if let Some(pipe) = st.fs.pipes.get_mut(id) {
        pipe.readers += u32::from(read);
        pipe.writers += u32::from(write);
        pipe.reader_opens += u64::from(read);
        pipe.writer_opens += u64::from(write);
        for (opened, waiting_to_write) in [(read, true), (write, false)] {
            if opened {
                let key = WaitKey::Fifo(id, waiting_to_write);
                let waiters = st.waits.waiters(key).into_iter();
                (pipe.arriving).extend(waiters.map(|task| (task, waiting_to_write)));
                st.waits.wake(key);
            }
        }
        told(st, id);
    }
}

/// Takes an end away; the other side is told.
pub fn close_end(st: &mut Store, id: PipeId, read: bool, write: bool) {
    if let Some(pipe) = st.fs.pipes.get_mut(id) {
        pipe.readers = pipe.readers.saturating_sub(u32::from(read));
        pipe.writers = pipe.writers.saturating_sub(u32::from(write));
        if pipe.readers == 0 && pipe.writers == 0 {
            // A fifo keeps nothing between two uses.
            pipe.len = 0;
            pipe.packets.clear();
            trim(st, id, 0);
        }
        told(st, id);
    }
}

/// Tells both sides that an end came or went.
fn told(st: &mut Store, id: PipeId) {
    st.waits.wake(WaitKey::PipeData(id));
    st.waits.wake(WaitKey::PipeRoom(id));
}

impl Pipe {
    /// Bytes to read.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Nothing to read.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes it holds at the most.
    pub fn capacity(&self) -> usize {
        self.slots.len() * PAGE as usize
    }

    /// Bytes that can be written.
    pub fn room(&self) -> usize {
        self.capacity().saturating_sub(self.len)
    }

    /// One more packet can be written: there are as many at the most as pages.
    pub fn takes_packets(&self) -> bool {
        self.packets.len() < self.slots.len()
    }

    /// Bytes that one read gets at the most: it ends with a packet, or before the next one.
    pub fn readable(&self) -> usize {
        let end = match self.packets.front() {
            Some((_, to)) if self.has_packet() => *to,
            Some((from, _)) => *from,
            None => return self.len,
        };
        usize::try_from(end.saturating_sub(self.taken)).map_or(self.len, |len| len.min(self.len))
    }

    /// The oldest byte is a packet's.
    pub fn has_packet(&self) -> bool {
        let front = self.packets.front();
        front.is_some_and(|(from, _)| *from <= self.taken)
    }

    /// What a read takes away that got `count` bytes: all of a packet.
    fn spent(&mut self, count: usize) -> usize {
        if count == 0 || !self.has_packet() {
            return count;
        }
        let whole = self.readable();
        self.packets.pop_front();
        whole
    }

    /// The last `count` bytes that were put in are a packet; [`Pipe::takes_packets`] was asked.
    pub fn seal(&mut self, count: usize) {
        let end = self.taken.saturating_add(self.len as u64);
        let start = end.saturating_sub(count as u64);
        self.packets.push_back((start, end));
    }

    /// Whether poll(2) calls it writable: what is written whole (PIPE_BUF) fits.
    pub fn is_writable(&self) -> bool {
        self.room() >= ATOMIC && self.takes_packets()
    }

    /// The piece at `offset` of what there is to read: frame, offset in it, length up to the end
    /// of the page.
    pub fn piece(&self, offset: usize) -> Option<(Frame, usize, usize)> {
        let left = self.len.checked_sub(offset).filter(|left| *left > 0)?;
        let at = (self.head + offset) % self.capacity();
        let frame = (*self.slots.get(at / PAGE as usize)?)?;
        let within = at % PAGE as usize;
        Some((frame, within, left.min(PAGE as usize - within)))
    }
}

/// Makes room for up to `count` more bytes to be written: pages for them. Returns for how many
/// there is room.
///
/// # Errors
/// No memory.
pub fn reserve(st: &mut Store, id: PipeId, group: GroupId, count: usize) -> Result<usize, Stop> {
    let pipe = st.fs.pipes.get_mut(id).ok_or(Errno::EPIPE)?;
    let count = count.min(pipe.room());
    pipe.packets.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
    let start = pipe.head + pipe.len;
    let capacity = pipe.capacity();
    let mut done = 0;
    while done < count {
        let at = (start + done) % capacity;
        let slot = pipe.slots.get_mut(at / PAGE as usize).ok_or(Errno::EPIPE)?;
        if slot.is_none() {
            *slot = Some(st.frames.alloc(st.groups, group, Origin::Buffer)?);
        }
        done += PAGE as usize - at % PAGE as usize;
    }
    Ok(count)
}

impl Pipe {
    /// Where the next byte goes: frame, offset in it, room up to the end of the page.
    pub fn tail(&self) -> Option<(Frame, usize, usize)> {
        let at = (self.head + self.len) % self.capacity();
        let frame = (*self.slots.get(at / PAGE as usize)?)?;
        let within = at % PAGE as usize;
        Some((frame, within, self.room().min(PAGE as usize - within)))
    }

    /// So many bytes were put at the tail.
    pub fn advance(&mut self, count: usize) {
        self.len = (self.len + count).min(self.capacity());
    }
}

/// Takes bytes away that were read, and what is left of their packet; writers are told.
pub fn consume(st: &mut Store, id: PipeId, count: usize) {
    let Some(pipe) = st.fs.pipes.get_mut(id) else {
        return;
    };
    let count = pipe.spent(count).min(pipe.len);
    let was_full = !pipe.is_writable();
    pipe.taken = pipe.taken.saturating_add(count as u64);
    pipe.head = (pipe.head + count) % pipe.capacity();
    pipe.len -= count;
    if pipe.len == 0 {
        pipe.head = 0;
        trim(st, id, 1);
    }
    // Nobody waits for room before, and who is told of changes (EPOLLET) wants no others.
    if count > 0 && was_full {
        st.waits.wake(WaitKey::PipeRoom(id));
    }
}

/// Makes a pipe hold at least `bytes`, and at most [`CAPACITY_MAX`] (F_SETPIPE_SZ); returns how
/// many it holds then.
///
/// # Errors
/// EBUSY when there is more in it; no memory.
pub fn resize(
    st: &mut Store,
    m: &mut dyn Machine,
    id: PipeId,
    group: GroupId,
    bytes: usize,
) -> Result<usize, Stop> {
    let new = bytes.div_ceil(PAGE as usize).next_power_of_two();
    let pipe = st.fs.pipes.get_mut(id).ok_or(Errno::EBADF)?;
    let old = pipe.slots.len();
    if new == old {
        return Ok(pipe.capacity());
    }
    // The oldest byte's page comes first: then all is in a row, up to what goes on in that page.
    pipe.slots.rotate_left(pipe.head / PAGE as usize);
    pipe.head %= PAGE as usize;
    let wrapped = (pipe.head + pipe.len).saturating_sub(pipe.capacity());
    let used = (pipe.head + pipe.len).div_ceil(PAGE as usize);
    if new < used || new < pipe.packets.len() {
        return Err(Errno::EBUSY.into());
    }
    let missing = new.saturating_sub(old);
    pipe.slots
        .try_reserve_exact(missing)
        .map_err(|_| Errno::ENOMEM)?;
    let first = pipe.slots.first().copied().flatten();
    let charge = st.groups.charge(group, (missing * SLOT_COST) as u32)?;
    let mut moved = None;
    if let (Some(first), true) = (first, wrapped > 0) {
        let frame = match st.frames.alloc(st.groups, group, Origin::Buffer) {
            Ok(frame) => frame,
            Err(no_mem) => {
                st.groups.give_back(charge);
                return Err(no_mem.into());
            }
        };
        m.copy_frame((first, 0), (frame, 0), wrapped);
        moved = Some(frame);
    }
    let Some(pipe) = st.fs.pipes.get_mut(id) else {
        st.groups.give_back(charge);
        return Err(Errno::EBADF.into());
    };
    for frame in pipe.slots.drain(new.min(old)..).flatten() {
        st.frames.release(st.groups, frame);
    }
    pipe.slots.resize(new, None);
    if let Some(slot) = pipe.slots.get_mut(old).filter(|_| moved.is_some()) {
        *slot = moved;
    }
    if let Some(old) = pipe.resized.replace(charge) {
        st.groups.give_back(old);
    }
    let capacity = pipe.capacity();
    told(st, id);
    Ok(capacity)
}

/// Frees the pages of an empty pipe but the first `keep`.
fn trim(st: &mut Store, id: PipeId, keep: usize) {
    let Some(pipe) = st.fs.pipes.get_mut(id) else {
        return;
    };
    for slot in pipe.slots.iter_mut().skip(keep) {
        if let Some(frame) = slot.take() {
            st.frames.release(st.groups, frame);
        }
    }
}
