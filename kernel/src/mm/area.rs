//! Areas: what a program may find at which address (mmap(2)). Pure bookkeeping; pages are put in
//! by faults.

use super::sizes::Sizes;
use crate::error::Errno;
use crate::fs::InodeId;
use crate::key;
use crate::machine::{Access, PAGE, USER_END};
use alloc::collections::BTreeMap;

key! {
    /// Memory that is shared without a file (MAP_SHARED | MAP_ANONYMOUS).
    ObjectId
}

/// The lowest address that can be mapped, so that null pointers fault (vm.mmap_min_addr).
pub const FLOOR: u64 = 65536;

/// Areas of one address space at the most; the heap's reserve covers a copy of so many.
pub const MAX_AREAS: usize = 8192;

/// Bytes kept free below a growing stack (256 pages, as Linux's stack_guard_gap).
pub const STACK_GAP: u64 = 256 * PAGE;

/// Where pages come from that are not born zeroed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Source {
    /// A regular file.
    File(InodeId),
    /// Shared memory without a file.
    Object(ObjectId),
}

/// How the pages of an area come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Backing {
    /// Zeroed, at the first touch.
    Zero,
    /// From a source.
    Pages {
        /// Which.
        source: Source,
        /// The source's page at the area's start.
        first: u64,
        /// Writes go to the source; else they copy the page.
        shared: bool,
    },
}

bitflags::bitflags! {
    /// Properties of an area.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct AreaFlags: u8 {
        /// A stack: grows down at a fault below it (MAP_GROWSDOWN).
        const GROWS_DOWN = 1;
        /// Not inherited by fork (MADV_DONTFORK).
        const DONT_FORK = 2;
        /// Empty after fork (MADV_WIPEONFORK).
        const WIPE_ON_FORK = 4;
        /// Locked in memory (mlock(2)); not inherited by fork.
        const LOCKED = 8;
        /// Locked page by page, as they are touched (MLOCK_ONFAULT).
        const LOCK_ON_FAULT = 16;
    }
}

/// A range of addresses with the same properties; borders are multiples of [`PAGE`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Area {
    /// First address.
    pub start: u64,
    /// First address behind it.
    pub end: u64,
    /// What the program may do.
    pub access: Access,
    /// What mprotect may allow at the most.
    pub may: Access,
    /// Properties.
    pub flags: AreaFlags,
    /// Its pages.
    pub backing: Backing,
}

impl Area {
    /// Zeroed memory of the program's own.
    pub fn zero(start: u64, end: u64, access: Access) -> Area {
        Area {
            start,
            end,
            access,
            may: Access::all(),
            flags: AreaFlags::empty(),
            backing: Backing::Zero,
        }
    }

    /// Bytes.
    pub fn len(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Never: areas have at least a page.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a program's access is allowed; what can be written or executed can be read.
    pub fn allows(&self, access: Access) -> bool {
        !self.access.is_empty() && self.access.contains(access - Access::READ)
    }

    /// Writes reach others.
    pub fn is_shared(&self) -> bool {
        matches!(self.backing, Backing::Pages { shared: true, .. })
    }

    /// Private memory that can be written, and is no stack: what RLIMIT_DATA counts.
    pub fn is_data(&self) -> bool {
        self.access.contains(Access::WRITE)
            && !self.is_shared()
            && !self.flags.contains(AreaFlags::GROWS_DOWN)
    }

    /// How its pages are touched to bring them in: private ones at once as they are written.
    pub fn populates(&self) -> Access {
        if self.access.contains(Access::WRITE) && !self.is_shared() {
            Access::WRITE
        } else {
            Access::READ
        }
    }

    /// Where its pages come from.
    pub fn source(&self) -> Option<Source> {
        match self.backing {
            Backing::Zero => None,
            Backing::Pages { source, .. } => Some(source),
        }
    }

    /// The source's page for an address in the area.
    pub fn source_page(&self, addr: u64) -> u64 {
        match self.backing {
            Backing::Zero => 0,
            Backing::Pages { first, .. } => {
                first.saturating_add(addr.saturating_sub(self.start) / PAGE)
            }
        }
    }

    /// The part from `start` to `end`, which lie in the area.
    pub fn part(&self, start: u64, end: u64) -> Area {
        let mut part = *self;
        if let Backing::Pages { first, .. } = &mut part.backing {
            *first = self.source_page(start);
        }
        part.start = start;
        part.end = end;
        part
    }

    /// The same somewhere else.
    pub fn moved(&self, start: u64) -> Area {
        let mut moved = *self;
        moved.start = start;
        moved.end = start.saturating_add(self.len());
        moved
    }

    /// Whether `next` goes on where this one ends, so that both can be one.
    fn joins(&self, next: &Area) -> bool {
        let continued = match (self.backing, next.backing) {
            (Backing::Zero, Backing::Zero) => true,
            (
                Backing::Pages { source, shared, .. },
                Backing::Pages {
                    source: other,
                    shared: other_shared,
                    first,
                },
            ) => source == other && shared == other_shared && first == self.source_page(self.end),
            _ => false,
        };
        self.end == next.start
            && self.access == next.access
            && self.may == next.may
            && self.flags == next.flags
            && continued
    }
}

/// The areas of an address space, which never overlap.
#[derive(Clone, Default)]
pub struct Areas {
    by_start: BTreeMap<u64, Area>,
    uses: BTreeMap<Source, usize>,
    bytes: u64,
    sizes: Sizes,
}

impl Areas {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_start.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_start.is_empty()
    }

    /// Bytes of all together (VmSize).
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes by what they are for.
    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// All, ascending.
    pub fn iter(&self) -> impl Iterator<Item = &Area> {
        self.by_start.values()
    }

    /// Whether an area has its pages from this source.
    pub fn uses(&self, source: Source) -> bool {
        self.uses.contains_key(&source)
    }

    /// Whether an area shares this source with others and can be written, or could be made so.
    pub fn writes_to(&self, source: Source) -> bool {
        let mut here = self.iter().filter(|area| area.source() == Some(source));
        self.uses(source) && here.any(|area| area.is_shared() && area.may.contains(Access::WRITE))
    }

    /// The area of an address.
    pub fn find(&self, addr: u64) -> Option<&Area> {
        let (_, area) = self.by_start.range(..=addr).next_back()?;
        (area.end > addr).then_some(area)
    }

    /// The first area that ends behind an address.
    pub fn from(&self, addr: u64) -> Option<&Area> {
        self.find(addr)
            .or_else(|| Some(self.by_start.range(addr..).next()?.1))
    }

    /// The last area that begins below an address.
    pub fn below(&self, addr: u64) -> Option<&Area> {
        Some(self.by_start.range(..addr).next_back()?.1)
    }

    /// The part in `[start, end)` of the first area there.
    pub fn first_in(&self, start: u64, end: u64) -> Option<Area> {
        let area = self.from(start).filter(|a| a.start < end && start < end)?;
        Some(area.part(area.start.max(start), area.end.min(end)))
    }

    /// Whether areas cover `[start, end)` without a hole.
    pub fn covers(&self, start: u64, end: u64) -> bool {
        let mut at = start;
        while at < end {
            match self.find(at) {
                Some(area) => at = area.end,
                None => return false,
            }
        }
        true
    }

    /// Whether nothing is in `[start, end)`.
    pub fn is_free(&self, start: u64, end: u64) -> bool {
        self.first_in(start, end).is_none()
    }

    /// Whether nothing is in `[start, end)`, nor a stack so close above that it wants the place.
    pub fn fits(&self, start: u64, end: u64) -> bool {
        self.from(start).is_none_or(|next| floor_of(next) >= end)
    }

    fn add(&mut self, area: Area) {
        self.bytes = self.bytes.saturating_add(area.len());
        self.sizes.count(&area, true);
        self.sizes.peak = self.sizes.peak.max(self.bytes);
        if let Some(source) = area.source() {
            *self.uses.entry(source).or_default() += 1;
        }
        self.by_start.insert(area.start, area);
    }

    fn take(&mut self, start: u64) -> Option<Area> {
        let area = self.by_start.remove(&start)?;
        self.bytes = self.bytes.saturating_sub(area.len());
        self.sizes.count(&area, false);
        if let Some(source) = area.source() {
            if let Some(count) = self.uses.get_mut(&source) {
                *count -= 1;
                if *count == 0 {
                    self.uses.remove(&source);
                }
            }
        }
        Some(area)
    }

    /// Puts an area where nothing is, joined with its neighbours where it continues them.
    pub fn insert(&mut self, mut area: Area) {
        debug_assert!(area.start < area.end && self.is_free(area.start, area.end));
        if let Some(left) = self.below(area.start).filter(|l| l.joins(&area)).copied() {
            self.take(left.start);
            area = Area {
                end: area.end,
                ..left
            };
        }
        if let Some(right) = self.by_start.get(&area.end).filter(|r| area.joins(r)) {
            let right = *right;
            self.take(right.start);
            area.end = right.end;
        }
        self.add(area);
    }

    /// Takes the first part of an area out of `[start, end)`; what lies outside stays. Repeat
    /// until `None` to remove all.
    pub fn remove_first(&mut self, start: u64, end: u64) -> Option<Area> {
        let part = self.first_in(start, end)?;
        let whole = *self.find(part.start)?;
        self.take(whole.start);
        if whole.start < part.start {
            self.add(whole.part(whole.start, part.start));
        }
        if part.end < whole.end {
            self.add(whole.part(part.end, whole.end));
        }
        Some(part)
    }

    /// Changes every part in `[start, end)`, and joins what has become alike.
    pub fn change(&mut self, start: u64, end: u64, change: impl Fn(&mut Area)) {
        let mut at = start;
        while let Some(mut part) = self.remove_first(at, end) {
            at = part.end;
            change(&mut part);
            self.insert(part);
        }
    }

    /// Lets an area begin lower, as stacks do; nothing may be there.
    pub fn grow_down(&mut self, start: u64, to: u64) {
        if let Some(mut area) = self.take(start) {
            if let Backing::Pages { first, .. } = &mut area.backing {
                *first = first.saturating_sub(start.saturating_sub(to) / PAGE);
            }
            area.start = to;
            self.add(area);
        }
    }

    /// Whether `[start, start + len)` is where programs may map.
    ///
    /// # Errors
    /// ENOMEM behind the end of the programs' half, EPERM below the floor (mmap(2)).
    pub fn check_fixed(start: u64, len: u64) -> Result<(), Errno> {
        match start.checked_add(len) {
            Some(end) if end <= USER_END => {}
            _ => return Err(Errno::ENOMEM),
        }
        if start < FLOOR {
            return Err(Errno::EPERM);
        }
        Ok(())
    }

    /// The highest free place for `len` bytes that ends at or below `base`; without one, any free
    /// place.
    pub fn gap(&self, len: u64, base: u64) -> Option<u64> {
        self.gap_below(len, base)
            .or_else(|| self.gap_below(len, USER_END))
    }

    fn gap_below(&self, len: u64, base: u64) -> Option<u64> {
        let mut top = base;
        // A stack above the base keeps its distance too.
        if let Some(above) = self.from(base) {
            top = top.min(floor_of(above));
        }
        for area in self.by_start.range(..base).rev().map(|(_, area)| area) {
            if top >= area.end && top - area.end >= len {
                return Some(top - len);
            }
            top = top.min(floor_of(area));
        }
        let start = top.checked_sub(len)?;
        (start >= FLOOR).then_some(start)
    }

    /// Bytes that areas have in `[start, end)`.
    pub fn bytes_in(&self, start: u64, end: u64) -> u64 {
        let (mut at, mut bytes) = (start, 0u64);
        while let Some(part) = self.first_in(at, end) {
            bytes = bytes.saturating_add(part.len());
            at = part.end;
        }
        bytes
    }

    /// The stack that a fault at `page` may let grow: the area above grows down, and keeps its
    /// distance from what is below.
    pub fn growing(&self, page: u64) -> Option<&Area> {
        let stack = self.from(page)?;
        let fits =
            stack.flags.contains(AreaFlags::GROWS_DOWN) && page >= FLOOR && page < stack.start;
        if !fits {
            return None;
        }
        let clear = self.below(stack.start).is_none_or(|below| {
            // What cannot be touched is a guard itself.
            let gap = if below.access.is_empty() {
                0
            } else {
                STACK_GAP
            };
            page.checked_sub(below.end).is_some_and(|free| free >= gap)
        });
        clear.then_some(stack)
    }
}

/// The lowest address that an area wants for itself.
fn floor_of(area: &Area) -> u64 {
    if area.flags.contains(AreaFlags::GROWS_DOWN) {
        area.start.saturating_sub(STACK_GAP)
    } else {
        area.start
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::Key;
    use std::vec::Vec;

    const BASE: u64 = 0x10_0000;
    const PAGES: u64 = 48;

    /// What a page is, for the model: access bits, and the source's page.
    type Model = Vec<Option<(Access, Option<u64>)>>;

    struct Dice(u64);
    impl Dice {
        fn roll(&mut self, sides: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % sides
        }
    }

    fn model_of(areas: &Areas) -> Model {
        (0..PAGES)
            .map(|page| {
                let addr = BASE + page * PAGE;
                areas
                    .find(addr)
                    .map(|a| (a.access, a.source().map(|_| a.source_page(addr))))
            })
            .collect()
    }

    fn check(areas: &Areas) {
        let list: Vec<_> = areas.iter().copied().collect();
        let (mut bytes, mut data) = (0, 0);
        for area in &list {
            assert!(area.start < area.end && area.start % PAGE == 0 && area.end % PAGE == 0);
            bytes += area.len();
            data += if area.is_data() { area.len() } else { 0 };
        }
        assert_eq!((bytes, data), (areas.bytes(), areas.sizes().data));
        assert_eq!(areas.bytes_in(0, USER_END), bytes);
        for pair in list.windows(2) {
            assert!(pair[0].end <= pair[1].start, "{pair:?} overlap");
            assert!(!pair[0].joins(&pair[1]), "{pair:?} could be one");
        }
        let file = Source::File(InodeId::new(3, 0));
        let used = list.iter().filter(|a| a.source() == Some(file)).count();
        assert_eq!(areas.uses(file), used > 0);
        assert_eq!(areas.uses.get(&file).copied().unwrap_or(0), used);
    }

    #[test]
    fn areas_are_a_map_of_pages() {
        let accesses = [
            Access::empty(),
            Access::READ,
            Access::READ | Access::WRITE,
            Access::READ | Access::EXEC,
        ];
        for seed in 1..60u64 {
            let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let mut areas = Areas::default();
            let mut model: Model = std::vec![None; PAGES as usize];
            for _ in 0..200 {
                let first = dice.roll(PAGES);
                let count = 1 + dice.roll(PAGES - first);
                let (start, end) = (BASE + first * PAGE, BASE + (first + count) * PAGE);
                let range = first as usize..(first + count) as usize;
                let access = accesses[dice.roll(4) as usize];
                match dice.roll(4) {
                    0 => {
                        while areas.remove_first(start, end).is_some() {}
                        model[range].fill(None);
                    }
                    1 => {
                        areas.change(start, end, |a| a.access = access);
                        for page in model[range].iter_mut().flatten() {
                            page.0 = access;
                        }
                    }
                    kind => {
                        while areas.remove_first(start, end).is_some() {}
                        let mut area = Area::zero(start, end, access);
                        if kind == 2 {
                            area.backing = Backing::Pages {
                                source: Source::File(InodeId::new(3, 0)),
                                first: first + 5,
                                shared: false,
                            };
                        }
                        areas.insert(area);
                        for page in range {
                            let source = (kind == 2).then_some(page as u64 + 5);
                            model[page] = Some((access, source));
                        }
                    }
                }
                assert_eq!(model_of(&areas), model, "seed {seed}");
                check(&areas);
                let whole = model.iter().skip(first as usize).take(count as usize);
                assert_eq!(areas.covers(start, end), whole.clone().all(Option::is_some));
                assert_eq!(
                    areas.is_free(start, end),
                    whole.clone().all(Option::is_none)
                );
            }
        }
    }

    #[test]
    fn gaps_are_found_from_the_top_and_are_free() {
        let base = 0x7000_0000;
        let mut areas = Areas::default();
        let first = areas.gap(0x3000, base).unwrap();
        assert_eq!(first, base - 0x3000);
        areas.insert(Area::zero(first, base, Access::READ));
        let second = areas.gap(0x1000, base).unwrap();
        assert_eq!(second, first - 0x1000);
        areas.insert(Area::zero(second - 0x5000, second - 0x4000, Access::READ));
        assert_eq!(areas.gap(0x5000, base), Some(first - 0x5000));
        assert_eq!(areas.gap(0x6000, base), Some(second - 0x5000 - 0x6000));
        // What does not fit below the base goes above it.
        assert_eq!(areas.gap(base, base), Some(USER_END - base));
        assert_eq!(areas.gap(USER_END, base), None);
    }

    #[test]
    fn a_stack_grows_and_keeps_its_distance() {
        let top = 0x7000_0000;
        let mut areas = Areas::default();
        let mut stack = Area::zero(top - PAGE, top, Access::READ | Access::WRITE);
        stack.flags = AreaFlags::GROWS_DOWN;
        areas.insert(stack);
        assert_eq!(areas.growing(top), None);
        assert_eq!(areas.growing(top - 3 * PAGE), Some(&stack));
        areas.grow_down(top - PAGE, top - 3 * PAGE);
        assert_eq!(areas.find(top - 3 * PAGE).unwrap().end, top);
        let other = top - 3 * PAGE - STACK_GAP - 4 * PAGE;
        areas.insert(Area::zero(other, other + PAGE, Access::READ));
        assert!(areas.growing(top - 6 * PAGE).is_some());
        assert_eq!(areas.growing(top - 7 * PAGE), None);
        assert_eq!(
            areas.gap(PAGE, top),
            Some(top - 3 * PAGE - STACK_GAP - PAGE)
        );
    }

    #[test]
    fn fixed_places_have_borders() {
        assert_eq!(Areas::check_fixed(FLOOR, PAGE), Ok(()));
        assert_eq!(Areas::check_fixed(0, PAGE), Err(Errno::EPERM));
        assert_eq!(Areas::check_fixed(USER_END, PAGE), Err(Errno::ENOMEM));
        assert_eq!(Areas::check_fixed(u64::MAX, PAGE), Err(Errno::ENOMEM));
    }
}
