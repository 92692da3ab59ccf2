//! Mappings that grow, shrink and move (mremap(2)).

use super::area::{Area, Areas, Backing};
use super::map::could_exist;
use super::{MmId, insert, range, room, room_for_areas};
use crate::error::{Errno, Stop};
use crate::machine::{PAGE, USER_END};
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
/// EINVAL, EFAULT (not one mapping), ENOMEM; a wait after a part.
pub fn remap(k: &mut Kernel, cx: &mut Cx, id: MmId, request: &Request) -> Result<u64, Stop> {
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
    if let Some(to) = request.fixed {
        check_target(request, to, old_end)?;
        unmap_part(k, cx, id, to, to + new_len)?;
    }
    let new_end = old.checked_add(new_len).ok_or(Errno::EINVAL)?;
    if new_len < old_len {
        // An earlier pass has looked already, and made a hole.
        if cx.resume.is_none() {
            whole_area(k, id, old, old_end)?;
        }
        unmap_part(k, cx, id, new_end, old_end)?;
    }
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
    let part = area.part(old, kept_end);
    let to = match request.fixed {
        Some(to) => to,
        None => {
            let mm = k.spaces.get(id).ok_or(Errno::ENOMEM)?;
            mm.areas.gap(new_len, mm.base).ok_or(Errno::ENOMEM)?
        }
    };
    relocate(k, cx, id, part, to, new_len)?;
    if !request.keep {
        range::unmap_all(k, cx.m, id, part.start, part.end);
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
    match range::unmap(k, cx.m, id, start, end) {
        Some(rest) => Err(range::again(cx.now, rest)),
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

/// Moves the pages of a part to a new area of `len` bytes at a free place.
fn relocate(
    k: &mut Kernel,
    cx: &mut Cx,
    id: MmId,
    part: Area,
    to: u64,
    len: u64,
) -> Result<(), Stop> {
    let mut target = part.moved(to);
    target.end = to.checked_add(len).ok_or(Errno::EINVAL)?;
    insert(k, id, target)?;
    if let Err(no_mem) = range::move_pages(k, cx.m, id, part, to) {
        // No page was moved: the new area is empty.
        range::unmap_all(k, cx.m, id, target.start, target.end);
        return Err(no_mem.into());
    }
    Ok(())
}
