//! Frames: which are free, how many mappings share one, and which group pays.

use crate::cgroup::{GroupId, Groups, Part};
use crate::error::NoMem;
use crate::machine::Frame;
use alloc::vec::Vec;

/// What a frame is used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Origin {
    /// Free.
    Free,
    /// A program's private memory.
    Anonymous,
    /// Contents of a file; only its inode's own write path may change it in place.
    File,
    /// Page tables.
    Table,
    /// What is in pipes and other buffers.
    Buffer,
    /// The kernel's heap.
    Heap,
}

impl Origin {
    /// As what its group pays for it.
    fn part(self) -> Part {
        match self {
            Origin::Anonymous => Part::Anon,
            Origin::File => Part::File,
            Origin::Table => Part::Tables,
            Origin::Free | Origin::Heap | Origin::Buffer => Part::Kernel,
        }
    }
}

#[derive(Clone, Copy)]
struct Meta {
    refs: u32,
    /// Index of the group that pays, or the next free frame.
    word: u32,
    generation: u32,
    origin: Origin,
}

/// Every frame of the machine.
pub struct Frames {
    first: u32,
    meta: Vec<Meta>,
    free_head: u32,
    free: usize,
    total: usize,
    /// How many are used for what, by [`Origin`].
    used: [usize; 6],
}

const NONE: u32 = u32::MAX;

impl Frames {
    /// From the machine's free ranges (ascending, disjoint).
    pub fn new(ranges: &[(Frame, Frame)]) -> Frames {
        let first = ranges.first().map_or(0, |r| r.0.0);
        let end = ranges.last().map_or(0, |r| r.1.0);
        let blank = Meta {
            refs: 0,
            word: NONE,
            generation: 0,
            origin: Origin::Heap,
        };
        let mut frames = Frames {
            first,
            meta: alloc::vec![blank; (end - first) as usize],
            free_head: NONE,
            free: 0,
            total: 0,
            used: [0; 6],
        };
        for &range in ranges {
            frames.add(range);
        }
        frames
    }

    /// Adds a range of frames that became free (those of the initial archive). Frames outside of
    /// what [`Frames::new`] saw are left alone.
    pub fn add(&mut self, range: (Frame, Frame)) {
        let end = self.first.saturating_add(self.meta.len() as u32);
        let (from, to) = (range.0.0.max(self.first), range.1.0.min(end));
        let places = (from - self.first) as usize..to.saturating_sub(self.first) as usize;
        let Some(part) = self.meta.get_mut(places) else {
            return;
        };
        self.free += part.len();
        self.total += part.len();
        let mut head = self.free_head;
        for (meta, number) in part.iter_mut().zip(from..to).rev() {
            *meta = Meta {
                refs: 0,
                word: head,
                generation: 0,
                origin: Origin::Free,
            };
            head = number;
        }
        self.free_head = head;
    }

    fn meta(&self, frame: Frame) -> Option<&Meta> {
        self.meta.get(frame.0.checked_sub(self.first)? as usize)
    }

    fn meta_mut(&mut self, frame: Frame) -> Option<&mut Meta> {
        self.meta.get_mut(frame.0.checked_sub(self.first)? as usize)
    }

    /// Takes a free frame with one reference, charged to `group`. Its content is arbitrary.
    ///
    /// # Errors
    /// [`NoMem`] of the group whose limit refuses, or of the root when no frame is free.
    pub fn alloc(
        &mut self,
        groups: &mut Groups,
        group: GroupId,
        origin: Origin,
    ) -> Result<Frame, NoMem> {
        let frame = Frame(self.free_head);
        if self.free_head == NONE {
            return Err(NoMem(groups.root()));
        }
        groups.charge_frame(group, origin.part())?;
        let key = (
            crate::arena::Key::index(group),
            crate::arena::Key::generation(group),
        );
        let mut next = NONE;
        if let Some(meta) = self.meta_mut(frame) {
            next = meta.word;
            *meta = Meta {
                refs: 1,
                word: key.0,
                generation: key.1,
                origin,
            };
        }
        self.free_head = next;
        self.free -= 1;
        self.count(origin, true);
        Ok(frame)
    }

    /// One more reference.
    pub fn share(&mut self, frame: Frame) {
        if let Some(meta) = self.meta_mut(frame) {
            debug_assert!(meta.refs > 0, "sharing a free frame");
            meta.refs = meta.refs.saturating_add(1);
        }
    }

    /// Gives a reference back; the last one frees the frame and its charge.
    pub fn release(&mut self, groups: &mut Groups, frame: Frame) {
        let head = self.free_head;
        let Some(meta) = self.meta_mut(frame) else {
            return;
        };
        debug_assert!(meta.refs > 0, "releasing a free frame");
        meta.refs = meta.refs.saturating_sub(1);
        if meta.refs > 0 || meta.origin == Origin::Free {
            return;
        }
        let group = crate::arena::Key::new(meta.word, meta.generation);
        let origin = meta.origin;
        *meta = Meta {
            refs: 0,
            word: head,
            generation: 0,
            origin: Origin::Free,
        };
        self.free_head = frame.0;
        self.free += 1;
        self.count(origin, false);
        groups.give_back_frame(group, origin.part());
    }

    /// How many references a frame has.
    pub fn refs(&self, frame: Frame) -> u32 {
        self.meta(frame).map_or(0, |m| m.refs)
    }

    /// What a frame is used for.
    pub fn origin(&self, frame: Frame) -> Origin {
        self.meta(frame).map_or(Origin::Heap, |m| m.origin)
    }

    /// How many frames are free.
    pub fn free(&self) -> usize {
        self.free
    }

    fn count(&mut self, origin: Origin, more: bool) {
        if let Some(count) = self.used.get_mut(origin as usize) {
            *count = if more {
                count.saturating_add(1)
            } else {
                count.saturating_sub(1)
            };
        }
    }

    /// How many frames are used for this; for the heap, those that it got at run time.
    pub fn used(&self, origin: Origin) -> usize {
        self.used.get(origin as usize).copied().unwrap_or(0)
    }

    /// How many frames there are.
    pub fn total(&self) -> usize {
        self.total
    }
}
