//! Bytes on their way: a queue over page frames, which belong to whoever put the bytes in.

use super::frames::{Frames, Origin};
use crate::cgroup::{GroupId, Groups};
use crate::error::NoMem;
use crate::machine::{Frame, PAGE};
use alloc::collections::VecDeque;

/// A part of a frame: the frame, an offset in it, and how many bytes from there on.
pub type Piece = (Frame, usize, usize);

/// A queue of bytes.
#[derive(Debug, Default)]
pub struct Buffer {
    frames: VecDeque<Frame>,
    /// Where in the first frame the oldest byte is.
    head: usize,
    len: usize,
}

impl Buffer {
    /// Bytes in it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Makes room for `more` bytes, charged to `group`.
    ///
    /// # Errors
    /// No memory.
    pub fn reserve(
        &mut self,
        frames: &mut Frames,
        groups: &mut Groups,
        group: GroupId,
        more: usize,
    ) -> Result<(), NoMem> {
        let end = self.head + self.len + more;
        while self.frames.len() * (PAGE as usize) < end {
            let frame = frames.alloc(groups, group, Origin::Buffer)?;
            self.frames.push_back(frame);
        }
        Ok(())
    }

    /// Where the next byte goes, and how many fit there.
    pub fn tail(&self) -> Option<Piece> {
        self.place(self.head + self.len)
    }

    /// So many bytes were put at the tail.
    pub fn advance(&mut self, count: usize) {
        let room = self.frames.len() * PAGE as usize - self.head - self.len;
        debug_assert!(count <= room, "more put than there was room for");
        self.len += count.min(room);
    }

    /// The bytes at `offset` from the oldest, up to the end of their frame.
    pub fn piece(&self, offset: usize) -> Option<Piece> {
        let left = self.len.checked_sub(offset).filter(|left| *left > 0)?;
        let (frame, within, room) = self.place(self.head + offset)?;
        Some((frame, within, room.min(left)))
    }

    fn place(&self, at: usize) -> Option<Piece> {
        let page = PAGE as usize;
        let frame = *self.frames.get(at / page)?;
        Some((frame, at % page, page - at % page))
    }

    /// Takes the oldest bytes out.
    pub fn consume(&mut self, frames: &mut Frames, groups: &mut Groups, count: usize) {
        let count = count.min(self.len);
        self.head += count;
        self.len -= count;
        if self.len == 0 {
            self.head = 0;
            for frame in self.frames.drain(..) {
                frames.release(groups, frame);
            }
        }
        while self.head >= PAGE as usize {
            self.head -= PAGE as usize;
            if let Some(frame) = self.frames.pop_front() {
                frames.release(groups, frame);
            }
        }
    }

    /// Takes everything out, and gives the frames of room that was not used back.
    pub fn clear(&mut self, frames: &mut Frames, groups: &mut Groups) {
        self.consume(frames, groups, self.len);
    }
}
