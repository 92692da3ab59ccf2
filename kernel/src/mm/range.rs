//! What happens to a range of an address space: unmapping, discarding, protecting, moving.
//!
//! A range can hold many pages, and no trap may be long: each function does a bounded part and
//! says where to go on.

use super::area::{Area, Source};
use super::frames::Origin;
use super::{MmId, drop_unused, page};
use crate::Kernel;
use crate::error::{NoMem, Stop};
use crate::fs::InodeId;
use crate::machine::{Access, Machine, Mapped, PAGE, Space};
use alloc::vec::Vec;

/// Pages that one part has at the most.
const PART: usize = 512;

/// A table of pages covers so many bytes: less cannot empty one.
const TABLE_SPAN: u64 = 512 * PAGE;

/// Calls `visit` for the first mapped pages in `[start, end)`; returns where the part ends.
fn pages(
    m: &mut dyn Machine,
    space: Space,
    start: u64,
    end: u64,
    mut visit: impl FnMut(&mut dyn Machine, u64, Mapped),
) -> u64 {
    let mut at = start;
    for _ in 0..PART {
        let Some((page, mapped)) = m.next_mapped(space, at, end) else {
            return end;
        };
        visit(m, page, mapped);
        at = page.saturating_add(PAGE);
    }
    m.next_mapped(space, at, end).map_or(end, |(page, _)| page)
}

/// Where to go on, if not done.
fn rest(done: u64, end: u64) -> Option<u64> {
    (done < end).then_some(done)
}

/// Takes the pages of a range away; areas stay. Returns where to go on.
pub fn discard(k: &mut Kernel, m: &mut dyn Machine, id: MmId, start: u64, end: u64) -> Option<u64> {
    discard_some(k, m, id, (start, end), true).1
}

/// Takes the pages of a range away, without `copies` only those that are a file's own. Returns
/// how many it took, and where to go on.
fn discard_some(
    k: &mut Kernel,
    m: &mut dyn Machine,
    id: MmId,
    (start, end): (u64, u64),
    copies: bool,
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
    let done = pages(m, space, start, end, |m, page, mapped| {
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
pub fn unmap(k: &mut Kernel, m: &mut dyn Machine, id: MmId, start: u64, end: u64) -> Option<u64> {
    let rest = discard(k, m, id, start, end);
    let done = rest.unwrap_or(end);
    remove_areas(k, id, start, done);
    if done.saturating_sub(start) >= TABLE_SPAN {
        trim(k, m, id, start, done);
    }
    rest
}

/// Removes the areas of a range whose pages are gone.
fn remove_areas(k: &mut Kernel, id: MmId, start: u64, end: u64) {
    while let Some(part) = k
        .spaces
        .get_mut(id)
        .and_then(|mm| mm.areas.remove_first(start, end))
    {
        if let Some(source) = part.source() {
            drop_unused(k, id, source);
        }
    }
}

/// Gives tables that hold nothing any more back; those that remain after a part go at the end.
fn trim(k: &mut Kernel, m: &mut dyn Machine, id: MmId, start: u64, end: u64) {
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

/// Changes what the program may do in a range that areas cover. Returns where to go on.
pub fn protect(
    k: &mut Kernel,
    m: &mut dyn Machine,
    id: MmId,
    (start, end): (u64, u64),
    access: Access,
) -> Option<u64> {
    let Kernel { frames, spaces, .. } = k;
    let mm = spaces.get_mut(id)?;
    let (space, areas) = (mm.space, &mut mm.areas);
    let done = pages(m, space, start, end, |m, page, mapped| {
        if let Some(area) = areas.find(page) {
            let area = Area { access, ..*area };
            m.protect(space, page, page::fitting(frames, &area, mapped.frame));
        }
    });
    areas.change(start, done, |area| area.access = access);
    rest(done, end)
}

/// Moves an area with its pages to a free place (mremap(2)); [`super::room_for_areas`] was asked.
/// When memory for tables runs out, the pages that were not moved yet are where they were, those
/// moved are in the new area, and calling again goes on: `from` names the part that is left.
///
/// # Errors
/// [`NoMem`]; nothing is moved then.
pub fn move_pages(
    k: &mut Kernel,
    m: &mut dyn Machine,
    id: MmId,
    from: Area,
    to: u64,
) -> Result<(), NoMem> {
    make_tables(k, m, id, from, to)?;
    let Some(space) = k.spaces.get(id).map(|mm| mm.space) else {
        return Ok(());
    };
    let mut at = from.start;
    while let Some((page, _)) = m.next_mapped(space, at, from.end) {
        if let Some(mapped) = m.unmap(space, page) {
            let target = to.saturating_add(page.saturating_sub(from.start));
            // The tables are there, so that this cannot fail.
            if m.map(space, target, mapped.frame, mapped.access, &mut || None)
                .is_err()
            {
                k.frames.release(&mut k.groups, mapped.frame);
            }
        }
        at = page.saturating_add(PAGE);
    }
    Ok(())
}

/// Adds the tables that moving the pages of `from` to `to` needs.
fn make_tables(
    k: &mut Kernel,
    m: &mut dyn Machine,
    id: MmId,
    from: Area,
    to: u64,
) -> Result<(), NoMem> {
    let Some(space) = k.spaces.get(id).map(|mm| mm.space) else {
        return Ok(());
    };
    let mut at = from.start;
    while let Some((page, mapped)) = m.next_mapped(space, at, from.end) {
        let target = to.saturating_add(page.saturating_sub(from.start));
        if m.tables_missing(space, target) > 0 {
            k.frames.share(mapped.frame);
            page::put(k, m, id, target, mapped.frame, Access::empty())?;
            page::take(k, m, id, target);
        }
        at = page.saturating_add(PAGE);
    }
    Ok(())
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
                let (taken, rest) = discard_some(k, m, id, (start, end), lost.copies);
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

/// [`unmap`] to the end at once: for ranges that are small or were just made.
pub fn unmap_all(k: &mut Kernel, m: &mut dyn Machine, id: MmId, start: u64, end: u64) {
    let mut from = Some(start);
    while let Some(start) = from {
        from = unmap(k, m, id, start, end);
    }
}

/// What a call says when a part is done and more is to do: make it again, after the others.
pub fn again(now: u64, word: u64) -> Stop {
    let resume = crate::wait::Resume {
        deadline: Some(now),
        word,
        ..Default::default()
    };
    let pending = crate::wait::Pending::turn(crate::wait::Restart::NoIntr);
    Stop::Wait(pending.with(resume))
}
