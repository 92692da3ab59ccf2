//! /proc/PID/smaps and smaps_rollup: what is there of each area, and of all. Pages are counted a
//! few hundred a trap.

use super::maps::{self, Names};
use super::memory;
use crate::Kernel;
use crate::error::Stop;
use crate::fs::ViewNode;
use crate::machine::{Access, Machine, Mapped, PAGE};
use crate::mm::area::{Area, AreaFlags};
use crate::mm::areas::Areas;
use crate::mm::frames::{Frames, Origin};
use crate::views::Source;
use crate::views::telling::{Cursor, Piece};
use crate::views::text::{Text, put};
use alloc::vec::Vec;

/// Pages that one piece counts.
const PAGES: u64 = 400;
/// Areas that one piece tells.
const AREAS: usize = 6;

/// What was counted, in bytes; as `sums` of a [`Cursor`].
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Counts {
    /// Pages that are there.
    resident: u64,
    /// Each page's part, when it is shared among those who map it.
    proportional: u64,
    /// Mapped by others, too.
    shared: Written,
    /// Mapped here alone.
    private: Written,
    /// Not of a file.
    anonymous: u64,
    /// Of locked areas.
    locked: u64,
}

/// Pages by whether they were written through this mapping.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Written {
    clean: u64,
    dirty: u64,
}

impl Counts {
    fn of(sums: [u64; 8]) -> Counts {
        let [resident, proportional, a, b, c, d, anonymous, locked] = sums;
        Counts {
            resident,
            proportional,
            shared: Written { clean: a, dirty: b },
            private: Written { clean: c, dirty: d },
            anonymous,
            locked,
        }
    }

    fn sums(self) -> [u64; 8] {
        [
            self.resident,
            self.proportional,
            self.shared.clean,
            self.shared.dirty,
            self.private.clean,
            self.private.dirty,
            self.anonymous,
            self.locked,
        ]
    }

    /// Counts a page in.
    fn page(&mut self, frames: &Frames, area: &Area, mapped: &Mapped) {
        let anonymous = frames.origin(mapped.frame) == Origin::Anonymous;
        // A file keeps its pages itself.
        let own = u64::from(!anonymous);
        let mappers = u64::from(frames.refs(mapped.frame)).saturating_sub(own);
        let part = PAGE / mappers.max(1);
        self.resident += PAGE;
        self.proportional += part;
        let written = if mappers > 1 {
            &mut self.shared
        } else {
            &mut self.private
        };
        // Private memory is nowhere else, whoever wrote it.
        if anonymous || mapped.dirty {
            written.dirty += PAGE;
        } else {
            written.clean += PAGE;
        }
        if anonymous {
            self.anonymous += PAGE;
        }
        if area.flags.contains(AreaFlags::LOCKED) {
            self.locked += part;
        }
    }

    fn tell(&self, text: &mut Text) {
        let lines = [
            ("Rss", self.resident),
            ("Pss", self.proportional),
            ("Shared_Clean", self.shared.clean),
            ("Shared_Dirty", self.shared.dirty),
            ("Private_Clean", self.private.clean),
            ("Private_Dirty", self.private.dirty),
            ("Anonymous", self.anonymous),
            ("Swap", 0),
            ("SwapPss", 0),
            ("Locked", self.locked),
        ];
        for (name, bytes) in lines {
            size(text, name, bytes);
        }
    }
}

/// A line of smaps: name, and kilobytes that end in column 25.
fn size(text: &mut Text, name: &str, bytes: u64) {
    let from = text.len();
    put!(text, "{name}:");
    text.pad(from, 16);
    put!(text, "{:>8} kB\n", bytes / 1024);
}

/// /proc/PID/smaps.
pub(super) fn smaps(
    k: &mut Kernel,
    m: &mut dyn Machine,
    node: ViewNode,
    mut cursor: Cursor,
) -> Result<Piece, Stop> {
    let Some(mm) = memory::opened(k, cursor) else {
        return Ok(Piece::whole(Vec::new()));
    };
    let mut names = Names::of(&Source::of(k), node);
    let mut text = Text::default();
    let mut budget = PAGES;
    let mut told = 0;
    let mut next = Some(cursor);
    while told < AREAS && !names.is_full() && budget > 0 {
        let Some(area) = mm.areas.from(cursor.at) else {
            next = None;
            break;
        };
        if count(k, m, mm.space, area, &mut cursor, &mut budget) {
            maps::line(&mut text, mm, area, &mut names);
            describe(&mut text, area, &Counts::of(cursor.sums));
            told += 1;
            cursor = go_on(cursor, area);
        }
        next = Some(cursor);
    }
    let text = text.done()?;
    Ok(Piece { text, next })
}

/// Behind an area, with nothing counted.
fn go_on(cursor: Cursor, area: &Area) -> Cursor {
    Cursor {
        space: cursor.space,
        at: area.end,
        ..Cursor::default()
    }
}

/// /proc/PID/smaps_rollup: one line for all areas, and the sums.
pub(super) fn rollup(
    k: &mut Kernel,
    m: &mut dyn Machine,
    _node: ViewNode,
    mut cursor: Cursor,
) -> Result<Piece, Stop> {
    let Some(mm) = memory::opened(k, cursor) else {
        return Ok(Piece::whole(Vec::new()));
    };
    let mut budget = PAGES;
    while let Some(area) = mm.areas.from(cursor.at) {
        if budget == 0 {
            return Ok(Piece {
                text: Vec::new(),
                next: Some(cursor),
            });
        }
        if count(k, m, mm.space, area, &mut cursor, &mut budget) {
            cursor.at = area.end;
            cursor.within = 0;
            budget = budget.saturating_sub(1);
        }
    }
    let mut text = Text::default();
    let (start, end) = ends(&mm.areas);
    put!(text, "{start:08x}-{end:08x} ---p 00000000 00:00 0 ");
    text.pad(0, 73);
    text.push(b"[rollup]\n");
    Counts::of(cursor.sums).tell(&mut text);
    Ok(Piece::whole(text.done()?))
}

fn ends(areas: &Areas) -> (u64, u64) {
    let first = areas.from(0).map_or(0, |area| area.start);
    (first, areas.below(u64::MAX).map_or(0, |area| area.end))
}

/// Counts pages of an area from where the cursor is, as far as the budget goes; true at its end.
fn count(
    k: &Kernel,
    m: &dyn Machine,
    space: crate::machine::Space,
    area: &Area,
    cursor: &mut Cursor,
    budget: &mut u64,
) -> bool {
    let mut counts = Counts::of(cursor.sums);
    let mut at = cursor.within.max(area.start);
    while let Some((page, mapped)) = m.next_mapped(space, at, area.end) {
        if *budget == 0 {
            cursor.within = at;
            cursor.sums = counts.sums();
            return false;
        }
        *budget -= 1;
        counts.page(&k.frames, area, &mapped);
        at = page + PAGE;
    }
    cursor.sums = counts.sums();
    true
}

/// The lines behind an area's own.
fn describe(text: &mut Text, area: &Area, counts: &Counts) {
    size(text, "Size", area.len());
    size(text, "KernelPageSize", PAGE);
    size(text, "MMUPageSize", PAGE);
    counts.tell(text);
    put!(text, "THPeligible:           0\nVmFlags:");
    for (letters, is) in flags(area) {
        if is {
            put!(text, " {letters}");
        }
    }
    text.push(b" \n");
}

/// Properties by the letters of proc(5).
fn flags(area: &Area) -> [(&'static str, bool); 12] {
    let has = |access| area.access.contains(access);
    let may = |access| area.may.contains(access);
    let is = |flag| area.flags.contains(flag);
    [
        ("rd", has(Access::READ)),
        ("wr", has(Access::WRITE)),
        ("ex", has(Access::EXEC)),
        ("sh", area.is_shared()),
        ("mr", may(Access::READ)),
        ("mw", may(Access::WRITE)),
        ("me", may(Access::EXEC)),
        ("ms", area.is_shared()),
        ("gd", is(AreaFlags::GROWS_DOWN)),
        ("lo", is(AreaFlags::LOCKED)),
        ("dc", is(AreaFlags::DONT_FORK)),
        ("wf", is(AreaFlags::WIPE_ON_FORK)),
    ]
}
