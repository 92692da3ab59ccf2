//! What is free between the areas of an address space, by size: with tens of thousands of areas
//! nobody may look at all of them for a place.

use super::area::FLOOR;
use crate::machine::USER_END;
use alloc::collections::BTreeSet;

/// The gaps: their length and their end. What a stack keeps free below it belongs to none.
#[derive(Clone)]
pub struct Gaps(BTreeSet<(u64, u64)>);

impl Default for Gaps {
    /// All is free.
    fn default() -> Gaps {
        let mut gaps = Gaps(BTreeSet::new());
        gaps.set(FLOOR, USER_END, true);
        gaps
    }
}

impl Gaps {
    /// An area that wants `[start, end)` comes into the gap `around` it.
    pub(super) fn fill(&mut self, around: (u64, u64), (start, end): (u64, u64)) {
        self.set(around.0, around.1, false);
        self.set(around.0, start, true);
        self.set(end, around.1, true);
    }

    /// An area that wanted `[start, end)` is gone: one gap is `around` where it was.
    pub(super) fn open(&mut self, around: (u64, u64), (start, end): (u64, u64)) {
        self.set(around.0, start, false);
        self.set(end, around.1, false);
        self.set(around.0, around.1, true);
    }

    fn set(&mut self, from: u64, to: u64, free: bool) {
        let Some(len) = to.checked_sub(from).filter(|len| *len > 0) else {
            return;
        };
        if free {
            self.0.insert((len, to));
        } else {
            self.0.remove(&(len, to));
        }
    }

    /// A place for `len` bytes at the end of the smallest gap that has room.
    pub(super) fn smallest(&self, len: u64) -> Option<u64> {
        let (_, end) = self.0.range((len, 0)..).next()?;
        end.checked_sub(len)
    }

    /// Forgets some.
    pub(super) fn forget(&mut self, count: usize) {
        for _ in 0..count {
            self.0.pop_first();
        }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All, ascending by length.
    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter().copied()
    }
}
