//! All areas of an address space, found by address, and where there is room for more.

use super::area::{Area, AreaFlags, Backing, FLOOR, STACK_GAP, Source, floor_of};
use super::gaps::Gaps;
use super::sizes::Sizes;
use crate::error::Errno;
use crate::machine::{Access, PAGE, USER_END};
use alloc::collections::BTreeMap;

/// Areas that are looked at for the highest gap.
const LOOKED_AT: usize = 64;

/// The areas of an address space, which never overlap.
#[derive(Clone, Default)]
pub struct Areas {
    by_start: BTreeMap<u64, Area>,
    uses: BTreeMap<Source, usize>,
    bytes: u64,
    sizes: Sizes,
    gaps: Gaps,
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

    /// The lowest.
    pub fn first(&self) -> Option<Area> {
        self.by_start.values().next().copied()
    }

    /// Whether an area has its pages from this source.
    pub fn uses(&self, source: Source) -> bool {
        self.uses.contains_key(&source)
    }

    /// How many areas have this source.
    pub fn count(&self, source: Source) -> usize {
        self.uses.get(&source).copied().unwrap_or(0)
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
    pub fn insert(&mut self, area: Area) {
        debug_assert!(area.start < area.end && self.is_free(area.start, area.end));
        let around = self.around(area.start, area.end);
        self.gaps.fill(around, (floor_of(&area), area.end));
        self.join(area);
    }

    /// Adds an area where a gap is known to be filled.
    fn join(&mut self, mut area: Area) {
        if let Some(left) = self.below(area.start).filter(|l| l.joins(&area)).copied() {
            self.take(left.start);
            area = Area {
                end: area.end,
                flags: area.flags | left.flags,
                ..left
            };
        }
        if let Some(right) = self.by_start.get(&area.end).filter(|r| area.joins(r)) {
            let right = *right;
            self.take(right.start);
            area.end = right.end;
            area.flags |= right.flags;
        }
        self.add(area);
    }

    /// Takes the first part of an area out of `[start, end)`; what lies outside stays. Repeat
    /// until `None` to remove all.
    pub fn remove_first(&mut self, start: u64, end: u64) -> Option<Area> {
        let part = self.cut_first(start, end)?;
        let around = self.around(part.start, part.end);
        self.gaps.open(around, (floor_of(&part), part.end));
        Some(part)
    }

    /// Takes the first part of an area out of `[start, end)`, whose place stays filled.
    fn cut_first(&mut self, start: u64, end: u64) -> Option<Area> {
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
        while let Some(mut part) = self.cut_first(at, end) {
            at = part.end;
            change(&mut part);
            self.join(part);
        }
    }

    /// The end of the last area below `start`, and what the next one from `end` on leaves free.
    fn around(&self, start: u64, end: u64) -> (u64, u64) {
        let below = self.below(start).map_or(FLOOR, |area| area.end);
        (below, self.from(end).map_or(USER_END, floor_of))
    }

    /// How many borders of `[start, end)` lie within areas.
    pub fn cuts(&self, start: u64, end: u64) -> usize {
        let within = |at: u64| self.find(at).is_some_and(|area| area.start < at);
        usize::from(within(start)) + usize::from(within(end))
    }

    /// Whether `[start, end)` lies in one area that goes on at both sides.
    pub fn is_middle(&self, start: u64, end: u64) -> bool {
        let whole = self.find(start);
        whole.is_some_and(|area| area.start < start && end < area.end)
    }

    /// Remembers that the program has pages of its own in the area that starts here.
    pub fn note_own_pages(&mut self, start: u64) {
        if let Some(area) = self.by_start.get_mut(&start) {
            area.flags |= AreaFlags::OWN_PAGES;
        }
    }

    /// Forgets the first areas, whose pages are seen to elsewhere; whether there are more.
    pub fn forget(&mut self, count: usize) -> bool {
        for _ in 0..count {
            self.by_start.pop_first();
            self.uses.pop_first();
        }
        self.gaps.forget(count);
        !(self.by_start.is_empty() && self.uses.is_empty() && self.gaps.is_empty())
    }

    /// Lets an area begin lower, as stacks do; nothing may be there.
    pub fn grow_down(&mut self, start: u64, to: u64) {
        if let Some(mut area) = self.take(start) {
            let around = self.around(start, area.end);
            self.gaps.open(around, (floor_of(&area), area.end));
            if let Backing::Pages { first, .. } = &mut area.backing {
                *first = first.saturating_sub(start.saturating_sub(to) / PAGE);
            }
            area.start = to;
            self.gaps.fill(around, (floor_of(&area), area.end));
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

    /// A free place for `len` bytes: the highest that ends at or below `base`, if it is among the
    /// first gaps there; else the smallest anywhere.
    pub fn gap(&self, len: u64, base: u64) -> Option<u64> {
        self.gap_below(len, base, LOOKED_AT)
            .or_else(|| self.gaps.smallest(len))
    }

    /// The highest free place for `len` bytes that ends at or below `base`, if no more than `most`
    /// areas lie above it.
    pub fn gap_below(&self, len: u64, base: u64, most: usize) -> Option<u64> {
        let mut top = base;
        // A stack above the base keeps its distance too.
        if let Some(above) = self.from(base) {
            top = top.min(floor_of(above));
        }
        let mut areas = self.by_start.range(..base).rev().map(|(_, area)| area);
        for area in areas.by_ref().take(most) {
            if top >= area.end && top - area.end >= len {
                return Some(top - len);
            }
            top = top.min(floor_of(area));
        }
        let bottom = areas.next().map_or(FLOOR, |area| area.end);
        top.checked_sub(len).filter(|start| *start >= bottom)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::Key;
    use crate::fs::InodeId;
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
        let mut gaps: Vec<(u64, u64)> = Vec::new();
        let mut from = FLOOR;
        for (floor, end) in (list.iter().map(|a| (floor_of(a), a.end))).chain([(USER_END, 0)]) {
            if floor > from {
                gaps.push((floor - from, floor));
            }
            from = end;
        }
        gaps.sort_unstable();
        assert_eq!(areas.gaps.iter().collect::<Vec<_>>(), gaps);
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
    fn an_area_joined_with_one_that_has_own_pages_has_them() {
        let page = |n: u64| {
            let mut area = Area::zero(FLOOR + n * PAGE, FLOOR + (n + 1) * PAGE, Access::READ);
            area.backing = Backing::Pages {
                source: Source::File(InodeId::new(3, 0)),
                first: n,
                shared: false,
            };
            area
        };
        for own in 0..3 {
            let mut areas = Areas::default();
            for n in [0, 2, 1] {
                areas.insert(page(n));
                if n == own {
                    let start = areas.find(FLOOR + n * PAGE).unwrap().start;
                    areas.note_own_pages(start);
                }
            }
            assert_eq!(areas.len(), 1);
            assert!(areas.first().is_some_and(|area| area.has_own_pages()));
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
        check(&areas);
        let other = top - 3 * PAGE - STACK_GAP - 4 * PAGE;
        areas.insert(Area::zero(other, other + PAGE, Access::READ));
        check(&areas);
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
