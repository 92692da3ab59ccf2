//! Memory that is locked: mlock(2) and its family. None ever leaves here, so that to lock means to
//! bring in, to count, and to keep out of what RLIMIT_MEMLOCK refuses.

use super::advice::populate;
use super::area::{Area, AreaFlags};
use super::turn::{self, Budget, Step};
use super::{MmId, room, room_to_split};
use crate::error::{Errno, Stop};
use crate::machine::USER_END;
use crate::wait::Resume;
use crate::{Cx, Kernel};

/// Locks a range in memory (mlock(2)), which means here that its pages come: none ever leaves.
/// With `on_fault` they come when they are touched (MLOCK_ONFAULT).
///
/// # Errors
/// ENOMEM for a hole or beyond RLIMIT_MEMLOCK, EPERM when that is 0, EAGAIN for pages that cannot
/// come; no memory; a wait after a part.
pub fn lock(
    k: &mut Kernel,
    cx: &mut Cx,
    id: MmId,
    (start, end): (u64, u64),
    on_fault: bool,
) -> Result<(), Stop> {
    if cx.resume.is_none() {
        may_lock(k, cx, id, start, end)?;
    }
    let flags = flags_of(on_fault);
    let mut at = cx.resume.map_or(start, |resume| resume.word);
    let mut budget = Budget::new();
    while at < end {
        room_to_split(k, id, (at, end))?;
        let area = k.spaces.get(id).and_then(|mm| mm.areas.find(at));
        let area = *area.ok_or(Errno::ENOMEM)?;
        let part = area.part(at, area.end.min(end));
        budget.spend(Step::Area);
        set(k, id, &part, flags);
        at = match on_fault {
            true => part.end,
            false => match bring(k, cx, id, &part, &mut budget) {
                Err(Stop::Errno(_)) => return Err(Errno::ENOMEM.into()),
                other => other?,
            },
        };
        if at < end && budget.is_spent() {
            return Err(turn::again(k, id, cx.task, Resume::at(at)));
        }
    }
    Ok(())
}

fn flags_of(on_fault: bool) -> AreaFlags {
    let mut flags = AreaFlags::LOCKED;
    flags.set(AreaFlags::LOCK_ON_FAULT, on_fault);
    flags
}

/// Gives a part of an area these of the flags about locking.
fn set(k: &mut Kernel, id: MmId, part: &Area, flags: AreaFlags) {
    let both = AreaFlags::LOCKED | AreaFlags::LOCK_ON_FAULT;
    if let Some(mm) = k.spaces.get_mut(id).filter(|_| part.flags & both != flags) {
        mm.areas.change(part.start, part.end, |area| {
            area.flags = (area.flags - both) | flags;
        });
    }
}

/// Brings a part of an area in; returns where to go on.
fn bring(
    k: &mut Kernel,
    cx: &mut Cx,
    id: MmId,
    part: &Area,
    budget: &mut Budget,
) -> Result<u64, Stop> {
    let range = (part.start, part.end);
    let rest = populate(k, cx, id, range, part.populates(), budget)?;
    Ok(rest.unwrap_or(part.end))
}

/// Whether RLIMIT_MEMLOCK leaves room.
fn may_lock(k: &Kernel, cx: &Cx, id: MmId, start: u64, end: u64) -> Result<(), Errno> {
    room::may_lock(k, cx.task)?;
    let areas = &k.spaces.get(id).ok_or(Errno::ENOMEM)?.areas;
    let all = areas.sizes().locked.saturating_add(end - start);
    if room::can_lock(k, cx.task, all) {
        return Ok(());
    }
    // Some of it may be locked already.
    let mut counted = 0;
    let mut at = start;
    while let Some(part) = areas.first_in(at, end) {
        at = part.end;
        if part.flags.contains(AreaFlags::LOCKED) {
            counted += part.len();
        }
    }
    if room::can_lock(k, cx.task, all - counted) {
        return Ok(());
    }
    Err(Errno::ENOMEM)
}

/// Unlocks a range (munlock(2)).
///
/// # Errors
/// ENOMEM for a hole; a wait after a part.
pub fn unlock(k: &mut Kernel, cx: &Cx, id: MmId, (start, end): (u64, u64)) -> Result<(), Stop> {
    let mut at = cx.resume.map_or(start, |resume| resume.word);
    let mut budget = Budget::new();
    while at < end {
        room_to_split(k, id, (at, end))?;
        let area = k.spaces.get(id).and_then(|mm| mm.areas.find(at));
        let area = *area.ok_or(Errno::ENOMEM)?;
        let part = area.part(at, area.end.min(end));
        if budget.is_spent() {
            return Err(turn::again(k, id, cx.task, Resume::at(at)));
        }
        budget.spend(Step::Area);
        set(k, id, &part, AreaFlags::empty());
        at = part.end;
    }
    Ok(())
}

/// What mlockall(2) is asked for.
#[derive(Clone, Copy, Debug)]
pub struct All {
    /// What is there (MCL_CURRENT).
    pub current: bool,
    /// What comes (MCL_FUTURE).
    pub future: bool,
    /// Pages come when they are touched (MCL_ONFAULT).
    pub on_fault: bool,
}

/// Locks all of a program's memory (mlockall(2)).
///
/// # Errors
/// ENOMEM beyond RLIMIT_MEMLOCK, EPERM when that is 0; no memory; a wait after a part.
pub fn lock_all(k: &mut Kernel, cx: &mut Cx, id: MmId, what: All) -> Result<(), Stop> {
    if cx.resume.is_none() {
        let mm = k.spaces.get(id).ok_or(Errno::ENOMEM)?;
        let all = mm.areas.bytes();
        room::may_lock(k, cx.task)?;
        if what.current && !room::can_lock(k, cx.task, all) {
            return Err(Errno::ENOMEM.into());
        }
        let flags = flags_of(what.on_fault);
        if let Some(mm) = k.spaces.get_mut(id) {
            mm.new_flags = if what.future {
                flags
            } else {
                AreaFlags::empty()
            };
        }
    }
    if !what.current {
        return Ok(());
    }
    let flags = flags_of(what.on_fault);
    every(k, cx, id, flags, !what.on_fault)
}

/// Gives every area these of the flags about locking, and with `brings` its pages. What cannot
/// come is left to the touch that will tell why.
fn every(
    k: &mut Kernel,
    cx: &mut Cx,
    id: MmId,
    flags: AreaFlags,
    brings: bool,
) -> Result<(), Stop> {
    let mut at = cx.resume.map_or(0, |resume| resume.word);
    let mut budget = Budget::new();
    loop {
        let mm = k.spaces.get(id).ok_or(Errno::ENOMEM)?;
        let Some(part) = mm.areas.first_in(at, USER_END) else {
            return Ok(());
        };
        if budget.is_spent() {
            return Err(turn::again(k, id, cx.task, Resume::at(part.start)));
        }
        budget.spend(Step::Area);
        set(k, id, &part, flags);
        at = part.end;
        if brings {
            at = match bring(k, cx, id, &part, &mut budget) {
                Err(Stop::Errno(_)) => part.end,
                other => other?,
            };
        }
    }
}

/// Unlocks all of a program's memory (munlockall(2)).
///
/// # Errors
/// A wait after a part.
pub fn unlock_all(k: &mut Kernel, cx: &mut Cx, id: MmId) -> Result<(), Stop> {
    if let Some(mm) = k.spaces.get_mut(id) {
        mm.new_flags = AreaFlags::empty();
    }
    every(k, cx, id, AreaFlags::empty(), false)
}
