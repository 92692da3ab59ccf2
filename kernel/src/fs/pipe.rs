//! Pipes and fifos: a ring of 64 KiB between writers and readers (pipe(7)).

use super::home::{self, Home};
use super::inode::What;
use super::{Actor, InodeId, Location, PipeId, Store};
use crate::arena::{Arena, Held};
use crate::cgroup::GroupId;
use crate::error::{Errno, NoMem, Stop};
use crate::machine::{Frame, PAGE};
use crate::mm::frames::Origin;
use crate::wait::WaitKey;

/// Bytes a pipe holds.
pub const CAPACITY: usize = 65536;
/// Writes up to this many bytes are not mixed with others' (PIPE_BUF).
pub const ATOMIC: usize = 4096;
const SLOTS: usize = CAPACITY / PAGE as usize;

/// A pipe.
#[derive(Debug)]
pub struct Pipe {
    /// The ring's pages; those never written to are missing.
    slots: [Option<Frame>; SLOTS],
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
}

/// A new pipe without ends.
///
/// # Errors
/// No memory.
pub fn create(st: &mut Store, group: GroupId) -> Result<Held<PipeId>, NoMem> {
    let charge = st.groups.charge(group, Arena::<PipeId, Pipe>::COST)?;
    let pipe = Pipe {
        slots: [None; SLOTS],
        head: 0,
        len: 0,
        readers: 0,
        writers: 0,
        reader_opens: 0,
        writer_opens: 0,
    };
    Ok(st.fs.pipes.insert(pipe, charge))
}

/// Gives a pipe back; the last reference frees what it holds.
pub fn release(st: &mut Store, held: Held<PipeId>) {
    if let Some((pipe, charge)) = st.fs.pipes.release(held) {
        st.groups.give_back(charge);
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
        told(st, id);
        for (opened, waiting_to_write) in [(read, true), (write, false)] {
            if opened {
                st.waits.wake(WaitKey::Fifo(id, waiting_to_write));
            }
        }
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

    /// Bytes that can be written.
    pub fn room(&self) -> usize {
        CAPACITY - self.len
    }

    /// Whether poll(2) calls it writable: what is written whole (PIPE_BUF) fits.
    pub fn is_writable(&self) -> bool {
        self.room() >= ATOMIC
    }

    /// The piece at `offset` of what there is to read: frame, offset in it, length up to the end
    /// of the page.
    pub fn piece(&self, offset: usize) -> Option<(Frame, usize, usize)> {
        let left = self.len.checked_sub(offset).filter(|left| *left > 0)?;
        let at = (self.head + offset) % CAPACITY;
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
    let start = pipe.head + pipe.len;
    let mut done = 0;
    while done < count {
        let at = (start + done) % CAPACITY;
        let slot = pipe.slots.get_mut(at / PAGE as usize).ok_or(Errno::EPIPE)?;
        if slot.is_none() {
            *slot = Some(st.frames.alloc(st.groups, group, Origin::File)?);
        }
        done += PAGE as usize - at % PAGE as usize;
    }
    Ok(count)
}

impl Pipe {
    /// Where the next byte goes: frame, offset in it, room up to the end of the page.
    pub fn tail(&self) -> Option<(Frame, usize, usize)> {
        let at = (self.head + self.len) % CAPACITY;
        let frame = (*self.slots.get(at / PAGE as usize)?)?;
        let within = at % PAGE as usize;
        Some((frame, within, self.room().min(PAGE as usize - within)))
    }

    /// So many bytes were put at the tail.
    pub fn advance(&mut self, count: usize) {
        self.len = (self.len + count).min(CAPACITY);
    }
}

/// Takes bytes away that were read; writers are told.
pub fn consume(st: &mut Store, id: PipeId, count: usize) {
    let Some(pipe) = st.fs.pipes.get_mut(id) else {
        return;
    };
    let count = count.min(pipe.len);
    let was_full = !pipe.is_writable();
    pipe.head = (pipe.head + count) % CAPACITY;
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
