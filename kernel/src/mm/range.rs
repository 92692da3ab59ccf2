//! What happens to a range of an address space: unmapping, discarding, protecting, moving.
//!
//! A range can hold many pages, and no trap may be long: each function does a bounded part and
//! says where to go on.

use super::area::{Area, Source};
use super::frames::Origin;
use super::turn::{Budget, Step};
use super::{MmId, drop_unused, page};
use crate::Kernel;
use crate::error::NoMem;
use crate::fs::InodeId;
use crate::machine::{Access, Machine, Mapped, PAGE, Space};
use alloc::vec::Vec;

/// Pages that truncation takes away in one part.
const PART: usize = 200;

/// A table of pages covers so many bytes: less cannot empty one.
const TABLE_SPAN: u64 = 512 * PAGE;

/// Calls `visit` for the first mapped pages in `[start, end)`; returns where the part ends.
fn pages(
    m: &mut dyn Machine,
    space: Space,
    (start, end): (u64, u64),
    budget: &mut Budget,
    mut visit: impl FnMut(&mut dyn Machine, u64, Mapped),
) -> u64 {
    let mut at = start;
    while let Some((page, mapped)) = m.next_mapped(space, at, end) {
        if budget.is_spent() {
            return page;
        }
        budget.spend(Step::Page);
        visit(m, page, mapped);
        at = page.saturating_add(PAGE);
    }
    end
}

/// Where to go on, if not done.
fn rest(done: u64, end: u64) -> Option<u64> {
    (done < end).then_some(done)
}

/// Takes the pages of a range away; areas stay. Returns where to go on.
pub fn discard(
    k: &mut Kernel,
    m: &mut dyn Machine,
    id: MmId,
    range: (u64, u64),
    budget: &mut Budget,
) -> Option<u64> {
    discard_some(k, m, id, range, true, budget).1
}

/// Takes the pages of a range away, without `copies` only those that are a file's own. Returns
/// how many it took, and where to go on.
fn discard_some(
    k: &mut Kernel,
    m: &mut dyn Machine,
    id: MmId,
    (start, end): (u64, u64),
    copies: bool,
    budget: &mut Budget,
) -> (usize, Option<u64>) {
    let Kernel {
        frames,
        groups,
        spaces,
        ..
    } = k;
    let Some(mm) = spaces.get_mut(id) else {
        return (0, None);
    };
    let space = mm.space;
    let mut count = 0;
    let done = pages(m, space, (start, end), budget, |m, page, mapped| {
        if !copies && frames.origin(mapped.frame) != Origin::File {
            return;
        }
        if let Some(mapped) = m.unmap(space, page) {
            mm.resident.remove(frames.origin(mapped.frame));
            frames.release(groups, mapped.frame);
            count += 1;
        }
    });
    (count, rest(done, end))
}

/// Removes what is in a range. Returns where to go on; what is before is gone then.
pub fn unmap(
    k: &mut Kernel,
    m: &mut dyn Machine,
    id: MmId,
    (start, end): (u64, u64),
    budget: &mut Budget,
) -> Option<u64> {
    let mut at = start;
    while let Some(part) = part_of(k, id, at, end) {
        if budget.is_spent() {
            trim(k, m, id, start, at);
            return Some(part.start);
        }
        budget.spend(Step::Area);
        let rest = discard(k, m, id, (part.start, part.end), budget);
        at = rest.unwrap_or(part.end);
        remove_area(k, id, part.start, at);
    }
    trim(k, m, id, start, end);
    None
}

/// The first part of an area in a range.
fn part_of(k: &Kernel, id: MmId, start: u64, end: u64) -> Option<Area> {
    k.spaces.get(id)?.areas.first_in(start, end)
}

/// Removes the part of an area whose pages are gone.
fn remove_area(k: &mut Kernel, id: MmId, start: u64, end: u64) {
    let mm = k.spaces.get_mut(id);
    let part = mm.and_then(|mm| mm.areas.remove_first(start, end));
    if let Some(source) = part.and_then(|part| part.source()) {
        drop_unused(k, id, source);
    }
}

/// Gives tables that hold nothing any more back; those that remain after a part go at the end.
fn trim(k: &mut Kernel, m: &mut dyn Machine, id: MmId, start: u64, end: u64) {
    if end.saturating_sub(start) < TABLE_SPAN {
        return;
    }
    let Kernel {
        frames,
        groups,
        spaces,
        ..
    } = k;
    if let Some(mm) = spaces.get(id) {
        m.trim_tables(mm.space, start, end, 64, &mut |frame| {
            frames.release(groups, frame);
        });
    }
}

/// Changes what the program may do in a range that one area covers. Returns where to go on.
pub fn protect(
    k: &mut Kernel,
    m: &mut dyn Machine,
    id: MmId,
    (start, end): (u64, u64),
    access: Access,
    budget: &mut Budget,
) -> Option<u64> {
    let Kernel { frames, spaces, .. } = k;
    let mm = spaces.get_mut(id)?;
    let (space, areas) = (mm.space, &mut mm.areas);
    let done = pages(m, space, (start, end), budget, |m, page, mapped| {
        if let Some(area) = areas.find(page) {
            let area = Area { access, ..*area };
            m.protect(space, page, page::fitting(frames, &area, mapped.frame));
        }
    });
    areas.change(start, done, |area| area.access = access);
    rest(done, end)
}

/// Moves pages of `part` from `at` on to where `part` begins at `to` (mremap(2)), where
/// [`make_tables`] has made the tables. Returns where to go on.
pub fn move_pages(
    k: &mut Kernel,
    m: &mut dyn Machine,
    id: MmId,
    (part, to): (&Area, u64),
    at: u64,
    budget: &mut Budget,
) -> Option<u64> {
    let Kernel { frames, groups, .. } = k;
    let space = k.spaces.get(id)?.space;
    let done = pages(m, space, (at, part.end), budget, |m, page, _| {
        if let Some(mapped) = m.unmap(space, page) {
            let target = to.saturating_add(page.saturating_sub(part.start));
            // The tables are there, so that this cannot fail.
            if m.map(space, target, mapped.frame, mapped.access, &mut || None)
                .is_err()
            {
                frames.release(groups, mapped.frame);
            }
        }
    });
    rest(done, part.end)
}

/// Adds the tables that moving the pages of `part` from `at` on to `to` needs. Returns where to
/// go on.
///
/// # Errors
/// [`NoMem`].
pub fn make_tables(
    k: &mut Kernel,
    m: &mut dyn Machine,
    id: MmId,
    (part, to): (&Area, u64),
    mut at: u64,
    budget: &mut Budget,
) -> Result<Option<u64>, NoMem> {
    let Some(space) = k.spaces.get(id).map(|mm| mm.space) else {
        return Ok(None);
    };
    while let Some((page, mapped)) = m.next_mapped(space, at, part.end) {
        if budget.is_spent() {
            return Ok(Some(page));
        }
        budget.spend(Step::Page);
        let target = to.saturating_add(page.saturating_sub(part.start));
        if m.tables_missing(space, target) > 0 {
            k.frames.share(mapped.frame);
            page::put(k, m, id, target, mapped.frame, Access::empty())?;
            page::take(k, m, id, target);
        }
        at = page.saturating_add(PAGE);
    }
    Ok(None)
}

/// Pages of a file that programs lose.
#[derive(Clone, Copy, Debug)]
pub struct Lost {
    /// The first.
    pub from: u64,
    /// The first behind them.
    pub to: u64,
    /// Private copies too.
    pub copies: bool,
}

/// A file was truncated to `size` bytes: takes what was behind, copies of it included, away from
/// those who map it; a bounded part. Whether nobody has any of it any more.
pub fn truncated(k: &mut Kernel, m: &mut dyn Machine, inode: InodeId, size: u64) -> bool {
    let lost = Lost {
        from: size.div_ceil(PAGE),
        to: u64::MAX,
        copies: true,
    };
    unmap_file_range(k, m, inode, lost, PART)
}

/// Takes pages of a file away from everybody who maps them, `most` (and the rest of a part) at
/// the most; whether that was all.
pub fn unmap_file_range(
    k: &mut Kernel,
    m: &mut dyn Machine,
    inode: InodeId,
    lost: Lost,
    most: usize,
) -> bool {
    let Some(mms) = k.spaces.mappings.get(&inode) else {
        return true;
    };
    let mms: Vec<MmId> = mms.iter().copied().collect();
    let mut count = 0;
    for id in mms {
        let mut at = 0;
        while let Some((start, end)) = showing(k, id, Source::File(inode), lost, at) {
            at = end;
            let mut from = Some(start);
            while let Some(start) = from {
                if count >= most {
                    return false;
                }
                let mut budget = Budget::new();
                let part = (start, end);
                let (taken, rest) = discard_some(k, m, id, part, lost.copies, &mut budget);
                count += taken;
                from = rest;
            }
        }
    }
    true
}

/// The first part from `at` on of an area that maps lost pages of `source`.
fn showing(k: &Kernel, id: MmId, source: Source, lost: Lost, at: u64) -> Option<(u64, u64)> {
    let areas = &k.spaces.get(id)?.areas;
    let mut next = areas.from(at);
    while let Some(area) = next {
        if area.source() == Some(source) {
            let first = area.source_page(area.start);
            let address = |page: u64| {
                let skipped = page.saturating_sub(first).saturating_mul(PAGE);
                area.start.saturating_add(skipped).min(area.end)
            };
            let (start, end) = (address(lost.from).max(at), address(lost.to));
            if start < end {
                return Some((start, end));
            }
        }
        next = areas.from(area.end);
    }
    None
}
