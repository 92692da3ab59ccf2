//! Mappings that grow, shrink and move (mremap(2)).

use super::area::{Area, Areas, Backing};
use super::map::could_exist;
use super::turn::{self, Budget};
use super::{MmId, insert, range, room, room_for_areas};
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
    if let Some(at) = cx.resume.and_then(Moving::of) {
        return relocate(k, cx, id, request, at);
    }
    let Request {
        old,
        old_len,
        new_len,
        ..
    } = *request;
    if old % PAGE != 0 || old_len == 0 || new_len == 0 {
        return Err(Errno::EINVAL.into());
    }
    room_for_areas(k, id)?;
    let old_end = old
        .checked_add(old_len)
        .filter(|end| *end <= USER_END)
        .ok_or(Errno::EINVAL)?;
    let new_end = old.checked_add(new_len).ok_or(Errno::EINVAL)?;
    if let Some(to) = request.fixed {
        check_target(request, to, old_end)?;
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
        return Ok(old);
    }
    if !request.may_move {
        return Err(Errno::ENOMEM.into());
    }
    could_exist(k, new_len.saturating_sub(old_len))?;
    let to = match request.fixed {
        Some(to) => to,
        None => {
            let mm = k.spaces.get(id).ok_or(Errno::ENOMEM)?;
            mm.areas.gap(new_len, mm.base).ok_or(Errno::ENOMEM)?
        }
    };
    let mut target = area.part(old, kept_end).moved(to);
    target.end = to.checked_add(new_len).ok_or(Errno::EINVAL)?;
    insert(k, id, target)?;
    relocate(k, cx, id, request, Moving::begin(to, old))
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

/// How far a move is: the new area is there, and the pages follow.
#[derive(Clone, Copy, Debug)]
struct Moving {
    /// Where to.
    to: u64,
    /// The tables are made: from here on nothing can fail.
    tables: bool,
    /// Where in the old area the next step begins.
    at: u64,
}

impl Moving {
    fn begin(to: u64, at: u64) -> Moving {
        Moving {
            to,
            tables: false,
            at,
        }
    }

    /// Both are multiples of a page, and the target is not 0.
    fn of(resume: Resume) -> Option<Moving> {
        (resume.done != 0).then_some(Moving {
            to: resume.done - resume.done % PAGE,
            tables: resume.done % PAGE != 0,
            at: resume.word,
        })
    }

    fn resume(self) -> Resume {
        Resume {
            done: self.to + u64::from(self.tables),
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
    if !moving.tables {
        match range::make_tables(k, cx.m, id, (&part, to), moving.at, &mut budget) {
            Ok(Some(at)) => {
                moving.at = at;
                return Err(turn::again(k, id, cx.task, moving.resume()));
            }
            Ok(None) => (moving.tables, moving.at) = (true, part.start),
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
    Ok(to)
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

/// Lets a mapping that ends its area grow where it is; false if something is in the way.
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
