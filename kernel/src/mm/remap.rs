//! Mappings that grow, shrink and move (mremap(2)).

use super::area::{Area, AreaFlags, Backing};
use super::areas::Areas;
use super::map::could_exist;
use super::turn::{self, Budget};
use super::{MmId, advice, insert, range, room, room_to_move, room_to_unmap};
use crate::error::{Errno, Stop};
use crate::machine::{PAGE, USER_END};
use crate::wait::Resume;
use crate::{Cx, Kernel};

/// What mremap is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The old mapping.
    pub old: u64,
    /// Its bytes, in whole pages.
    pub old_len: u64,
    /// What it shall have, in whole pages.
    pub new_len: u64,
    /// It may move (MREMAP_MAYMOVE).
    pub may_move: bool,
    /// It shall move here, instead of what is there (MREMAP_FIXED).
    pub fixed: Option<u64>,
    /// The old area stays, without its pages (MREMAP_DONTUNMAP).
    pub keep: bool,
}

/// Resizes or moves a mapping; returns where it is then.
///
/// # Errors
/// EINVAL, EFAULT (not one mapping), ENOMEM, EAGAIN (locked); a wait after a part.
pub fn remap(k: &mut Kernel, cx: &mut Cx, id: MmId, request: &Request) -> Result<u64, Stop> {
    match cx.resume.and_then(Moving::of) {
        Some(moving) if moving.phase == Phase::Bring => return bring(k, cx, id, request, moving),
        Some(moving) => return relocate(k, cx, id, request, moving),
        None => {}
    }
    let Request {
        old,
        old_len,
        new_len,
        ..
    } = *request;
    if old % PAGE != 0 || new_len == 0 {
        return Err(Errno::EINVAL.into());
    }
    let old_end = old
        .checked_add(old_len)
        .filter(|end| *end <= USER_END)
        .ok_or(Errno::EINVAL)?;
    let new_end = old.checked_add(new_len).ok_or(Errno::EINVAL)?;
    if let Some(to) = request.fixed {
        check_target(request, to, old_end)?;
    }
    if old_len == 0 {
        return show_again(k, cx, id, request);
    }
    make_place(k, cx, id, request, (old_end, new_end))?;
    let kept_end = old_end.min(new_end);
    let area = whole_area(k, id, old, kept_end)?;
    let moves = request.fixed.is_some() || request.keep;
    if !moves && new_len <= old_len {
        return Ok(old);
    }
    let more = if request.keep {
        new_len
    } else {
        new_len.saturating_sub(old_len)
    };
    room::check_locked(k, cx.task, id, more, area.flags)?;
    room::check(k, cx.task, id, more, &area)?;
    if !moves && grow(k, id, &area, kept_end, new_end)? {
        return bring(
            k,
            cx,
            id,
            request,
            Moving::begin(Phase::Bring, old, old_end),
        );
    }
    if !request.may_move {
        return Err(Errno::ENOMEM.into());
    }
    room_to_move(k, id)?;
    could_exist(k, new_len.saturating_sub(old_len))?;
    let to = place(k, id, request)?;
    let mut target = area.part(old, kept_end).moved(to);
    target.end = to.checked_add(new_len).ok_or(Errno::EINVAL)?;
    insert(k, id, target)?;
    relocate(k, cx, id, request, Moving::begin(Phase::Tables, to, old))
}

/// Where a mapping goes that does not stay.
fn place(k: &Kernel, id: MmId, request: &Request) -> Result<u64, Errno> {
    if let Some(to) = request.fixed {
        return Ok(to);
    }
    let mm = k.spaces.get(id).ok_or(Errno::ENOMEM)?;
    mm.areas.gap(request.new_len, mm.base).ok_or(Errno::ENOMEM)
}

/// Maps what a shared mapping shows from an address on a second time (mremap(2), `old_size` 0).
fn show_again(k: &mut Kernel, cx: &mut Cx, id: MmId, request: &Request) -> Result<u64, Stop> {
    let Request { old, new_len, .. } = *request;
    let area = whole_area(k, id, old, old + 1)?;
    if !area.is_shared() {
        return Err(Errno::EINVAL.into());
    }
    if !request.may_move {
        return Err(Errno::ENOMEM.into());
    }
    room_to_move(k, id)?;
    room::check_locked(k, cx.task, id, new_len, area.flags)?;
    room::check(k, cx.task, id, new_len, &area)?;
    if let Some(to) = request.fixed {
        let from = cx.resume.map_or(to, |resume| resume.word);
        unmap_part(k, cx, id, from, to + new_len)?;
    }
    let to = place(k, id, request)?;
    let mut twin = area.part(old, area.end).moved(to);
    twin.end = to.checked_add(new_len).ok_or(Errno::EINVAL)?;
    insert(k, id, twin)?;
    bring(k, cx, id, request, Moving::begin(Phase::Bring, to, to))
}

/// Brings the pages in that a locked mapping has more than before (mlock(2)); whatever cannot come
/// is left to its first touch.
fn bring(
    k: &mut Kernel,
    cx: &mut Cx,
    id: MmId,
    request: &Request,
    mut moving: Moving,
) -> Result<u64, Stop> {
    let area = k.spaces.get(id).and_then(|mm| mm.areas.find(moving.at));
    let locked = area.is_some_and(|area| {
        let how = area.flags & (AreaFlags::LOCKED | AreaFlags::LOCK_ON_FAULT);
        how == AreaFlags::LOCKED
    });
    let end = moving.to.saturating_add(request.new_len);
    if locked && moving.at < end {
        if let Some(rest) = advice::populate_new(k, cx, id, (moving.at, end)) {
            moving.at = rest;
            return Err(turn::again(k, id, cx.task, moving.resume()));
        }
    }
    Ok(moving.to)
}

/// Unmaps what is at a fixed target, and what a shrinking mapping loses, in that order; the word
/// of an earlier turn says where it was.
fn make_place(
    k: &mut Kernel,
    cx: &mut Cx,
    id: MmId,
    request: &Request,
    (old_end, new_end): (u64, u64),
) -> Result<(), Stop> {
    let word = cx.resume.map(|resume| resume.word);
    let shrinks = new_end < old_end;
    let tail = word.filter(|at| shrinks && (new_end..old_end).contains(at));
    if let Some(to) = request.fixed.filter(|_| tail.is_none()) {
        let end = to.checked_add(request.new_len).ok_or(Errno::EINVAL)?;
        unmap_part(k, cx, id, word.unwrap_or(to), end)?;
    }
    if shrinks {
        // An earlier turn has looked already, and made a hole.
        if tail.is_none() {
            whole_area(k, id, request.old, old_end)?;
        }
        unmap_part(k, cx, id, tail.unwrap_or(new_end), old_end)?;
    }
    Ok(())
}

/// What a move is about, once the new area is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// The tables that it needs are made.
    Tables,
    /// The pages follow: from here on nothing can fail.
    Pages,
    /// Pages that are new come in.
    Bring,
}

/// How far a move is.
#[derive(Clone, Copy, Debug)]
struct Moving {
    /// Where to.
    to: u64,
    phase: Phase,
    /// Where the next step begins: in the old area, and to bring pages in, in the new one.
    at: u64,
}

impl Moving {
    fn begin(phase: Phase, to: u64, at: u64) -> Moving {
        Moving { to, phase, at }
    }

    /// Both are multiples of a page, and the target is not 0.
    fn of(resume: Resume) -> Option<Moving> {
        (resume.done != 0).then_some(Moving {
            to: resume.done - resume.done % PAGE,
            phase: match resume.done % PAGE {
                0 => Phase::Tables,
                1 => Phase::Pages,
                _ => Phase::Bring,
            },
            at: resume.word,
        })
    }

    fn resume(self) -> Resume {
        Resume {
            done: self.to + self.phase as u64,
            ..Resume::at(self.at)
        }
    }
}

/// Moves the pages of the old area to the new one, in turns; nobody else runs in this memory
/// between them.
fn relocate(
    k: &mut Kernel,
    cx: &mut Cx,
    id: MmId,
    request: &Request,
    mut moving: Moving,
) -> Result<u64, Stop> {
    let to = moving.to;
    let kept = request.old_len.min(request.new_len);
    let area = whole_area(k, id, request.old, request.old + kept)?;
    let part = area.part(request.old, request.old + kept);
    let mut budget = Budget::new();
    if moving.phase == Phase::Tables {
        match range::make_tables(k, cx.m, id, (&part, to), moving.at, &mut budget) {
            Ok(Some(at)) => {
                moving.at = at;
                return Err(turn::again(k, id, cx.task, moving.resume()));
            }
            Ok(None) => (moving.phase, moving.at) = (Phase::Pages, part.start),
            Err(no_mem) => {
                // No page was moved: the new area is empty, and made again in the next try. What
                // the call has unmapped before stays so, and nobody maps anything there.
                let new = (to, to + request.new_len);
                range::unmap(k, cx.m, id, new, &mut Budget::new());
                let shrinks = request.new_len < request.old_len;
                cx.resume = shrinks.then_some(Resume::at(part.end));
                turn::keep_out_others(k, id, cx.task);
                return Err(no_mem.into());
            }
        }
    }
    let rest = range::move_pages(k, cx.m, id, (&part, to), moving.at, &mut budget);
    if let Some(at) = rest {
        moving.at = at;
        return Err(turn::again(k, id, cx.task, moving.resume()));
    }
    if !request.keep {
        // Without pages this is one step.
        range::unmap(k, cx.m, id, (part.start, part.end), &mut Budget::new());
    }
    let more = to.saturating_add(kept);
    bring(k, cx, id, request, Moving::begin(Phase::Bring, to, more))
}

/// Whether the fixed place can be had.
fn check_target(request: &Request, to: u64, old_end: u64) -> Result<(), Errno> {
    let to_end = to
        .checked_add(request.new_len)
        .filter(|end| *end <= USER_END)
        .ok_or(Errno::EINVAL)?;
    if to % PAGE != 0 || (to < old_end && request.old < to_end) {
        return Err(Errno::EINVAL);
    }
    Areas::check_fixed(to, request.new_len)
}

fn unmap_part(k: &mut Kernel, cx: &mut Cx, id: MmId, start: u64, end: u64) -> Result<(), Stop> {
    room_to_unmap(k, id, (start, end))?;
    match range::unmap(k, cx.m, id, (start, end), &mut Budget::new()) {
        Some(rest) => Err(turn::again(k, id, cx.task, Resume::at(rest))),
        None => Ok(()),
    }
}

/// The one area that covers a range.
fn whole_area(k: &Kernel, id: MmId, start: u64, end: u64) -> Result<Area, Errno> {
    let areas = &k.spaces.get(id).ok_or(Errno::EFAULT)?.areas;
    let area = areas.find(start).filter(|area| area.end >= end);
    area.copied().ok_or(Errno::EFAULT)
}

/// Lets a mapping that ends its area grow where it is, as a part of the same area; false if something is in the way.
fn grow(k: &mut Kernel, id: MmId, area: &Area, end: u64, new_end: u64) -> Result<bool, Stop> {
    let mm = k.spaces.get(id).ok_or(Errno::EFAULT)?;
    if area.end != end || new_end > USER_END || !mm.areas.fits(end, new_end) {
        return Ok(false);
    }
    let mut more = *area;
    if let Backing::Pages { first, .. } = &mut more.backing {
        *first = area.source_page(end);
    }
    (more.start, more.end) = (end, new_end);
    insert(k, id, more)?;
    Ok(true)
}
