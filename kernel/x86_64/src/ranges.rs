//! Sets of physical addresses: what memory there is, and what of it is free.

use crate::layout::PAGE;
use heapless::Vec;

/// Addresses from `start` up to `end`, not including it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Range {
    pub start: u64,
    pub end: u64,
}

impl Range {
    /// `len` bytes from `start`; cut off at the end of the address space.
    pub const fn new(start: u64, len: u64) -> Self {
        Self {
            start,
            end: start.saturating_add(len),
        }
    }

    /// The whole pages inside.
    pub const fn inward(self) -> Self {
        Self {
            start: match self.start.checked_next_multiple_of(PAGE) {
                Some(start) => start,
                None => u64::MAX,
            },
            end: self.end & !(PAGE - 1),
        }
    }

    /// The pages that are touched.
    pub const fn outward(self) -> Self {
        Self {
            start: self.start & !(PAGE - 1),
            end: match self.end.checked_next_multiple_of(PAGE) {
                Some(end) => end,
                None => u64::MAX,
            },
        }
    }

    /// Bytes inside.
    pub const fn len(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether there is nothing inside.
    pub const fn is_empty(self) -> bool {
        self.end <= self.start
    }
}

/// The memory map has more pieces than there is room for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooManyRanges;

/// Ascending, disjoint ranges that do not touch each other; at most `N`.
#[derive(Clone, Debug, Default)]
pub struct Ranges<const N: usize>(Vec<Range, N>);

impl<const N: usize> Ranges<N> {
    /// The empty set.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds `new`.
    pub fn insert(&mut self, mut new: Range) -> Result<(), TooManyRanges> {
        if new.is_empty() {
            return Ok(());
        }
        self.0.retain(|old| {
            let apart = old.end < new.start || new.end < old.start;
            if !apart {
                new.start = new.start.min(old.start);
                new.end = new.end.max(old.end);
            }
            apart
        });
        let at = self.0.partition_point(|old| old.start < new.start);
        self.0.insert(at, new).map_err(|_| TooManyRanges)
    }

    /// Takes `hole` out.
    pub fn remove(&mut self, hole: Range) -> Result<(), TooManyRanges> {
        if hole.is_empty() {
            return Ok(());
        }
        let mut left = Self::new();
        for &old in &self.0 {
            let below = Range {
                start: old.start,
                end: old.end.min(hole.start),
            };
            let above = Range {
                start: old.start.max(hole.end),
                end: old.end,
            };
            left.insert(below)?;
            left.insert(above)?;
        }
        *self = left;
        Ok(())
    }

    /// The ranges, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Range> {
        self.0.iter().copied()
    }

    /// Bytes in all ranges together.
    pub fn total(&self) -> u64 {
        self.iter().map(Range::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ranges: &[(u64, u64)]) -> Ranges<8> {
        let mut set = Ranges::new();
        for &(start, end) in ranges {
            set.insert(Range { start, end }).unwrap();
        }
        set
    }

    fn pairs(set: &Ranges<8>) -> std::vec::Vec<(u64, u64)> {
        set.iter().map(|range| (range.start, range.end)).collect()
    }

    #[test]
    fn inserting_sorts_and_joins() {
        assert_eq!(
            pairs(&set(&[(8, 9), (1, 3), (5, 6)])),
            [(1, 3), (5, 6), (8, 9)]
        );
        assert_eq!(pairs(&set(&[(1, 3), (3, 5)])), [(1, 5)]);
        assert_eq!(pairs(&set(&[(1, 2), (5, 6), (0, 9)])), [(0, 9)]);
        assert_eq!(pairs(&set(&[(4, 4), (7, 5)])), []);
    }

    #[test]
    fn removing_cuts_and_splits() {
        let hole = |start, end| Range { start, end };
        let mut memory = set(&[(0, 10), (20, 30)]);
        memory.remove(hole(3, 5)).unwrap();
        assert_eq!(pairs(&memory), [(0, 3), (5, 10), (20, 30)]);
        memory.remove(hole(8, 25)).unwrap();
        assert_eq!(pairs(&memory), [(0, 3), (5, 8), (25, 30)]);
        memory.remove(hole(6, 6)).unwrap();
        assert_eq!(memory.total(), 3 + 3 + 5);
        memory.remove(hole(0, u64::MAX)).unwrap();
        assert_eq!(pairs(&memory), []);
    }

    #[test]
    fn too_many_pieces_are_an_error_not_a_loss() {
        let mut memory = Ranges::<2>::new();
        memory.insert(Range { start: 0, end: 1 }).unwrap();
        memory.insert(Range { start: 2, end: 9 }).unwrap();
        let third = Range { start: 10, end: 11 };
        assert_eq!(memory.insert(third), Err(TooManyRanges));
        assert_eq!(
            memory.remove(Range { start: 4, end: 5 }),
            Err(TooManyRanges)
        );
        assert_eq!(memory.total(), 8);
    }

    #[test]
    fn rounding_never_leaves_the_address_space() {
        let all = Range::new(1, u64::MAX);
        assert_eq!(all.inward().start, PAGE);
        assert_eq!(
            all.outward(),
            Range {
                start: 0,
                end: u64::MAX
            }
        );
        assert!(Range::new(u64::MAX - 5, 2).inward().is_empty());
        assert!(Range { start: 10, end: 20 }.inward().is_empty());
        assert_eq!(
            Range { start: 10, end: 20 }.outward(),
            Range {
                start: 0,
                end: PAGE
            }
        );
    }
}
