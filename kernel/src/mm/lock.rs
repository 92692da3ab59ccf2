//! Memory that is locked: mlock(2) and its family. None ever leaves here, so that to lock means to
//! bring in, to count, and to keep out of what RLIMIT_MEMLOCK refuses.

use super::advice::{flag, populate};
use super::area::AreaFlags;
use super::{MmId, range, room, room_for_areas};
use crate::error::{Errno, Stop};
use crate::machine::{Access, USER_END};
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
    room_for_areas(k, id)?;
    let from = cx.resume.map_or(start, |resume| resume.word);
    if cx.resume.is_none() {
        may_lock(k, cx, id, start, end)?;
    }
    let mm = k.spaces.get(id).ok_or(Errno::ENOMEM)?;
    if !mm.areas.covers(start, end) {
        return Err(Errno::ENOMEM.into());
    }
    flag(k, id, (start, end), AreaFlags::LOCKED, true);
    flag(k, id, (start, end), AreaFlags::LOCK_ON_FAULT, on_fault);
    if on_fault {
        return Ok(());
    }
    let access = match k.spaces.get(id).and_then(|mm| mm.areas.find(from)) {
        Some(area) if area.access.contains(Access::WRITE) => Access::WRITE,
        _ => Access::READ,
    };
    match populate(k, cx, id, (from, end), access) {
        Ok(Some(rest)) => Err(range::again(cx.now, rest)),
        Ok(None) => Ok(()),
        Err(Stop::Errno(_)) => Err(Errno::ENOMEM.into()),
        Err(stop) => Err(stop),
    }
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
/// ENOMEM for a hole.
pub fn unlock(k: &mut Kernel, id: MmId, (start, end): (u64, u64)) -> Result<(), Stop> {
    room_for_areas(k, id)?;
    let mm = k.spaces.get(id).ok_or(Errno::ENOMEM)?;
    let covered = mm.areas.covers(start, end);
    let both = AreaFlags::LOCKED | AreaFlags::LOCK_ON_FAULT;
    flag(k, id, (start, end), both, false);
    if covered {
        Ok(())
    } else {
        Err(Errno::ENOMEM.into())
    }
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
    let mm = k.spaces.get_mut(id).ok_or(Errno::ENOMEM)?;
    let from = match cx.resume {
        Some(resume) => resume.word,
        None => {
            let all = mm.areas.bytes();
            room::may_lock(k, cx.task)?;
            if what.current && !room::can_lock(k, cx.task, all) {
                return Err(Errno::ENOMEM.into());
            }
            set_all(k, id, what);
            0
        }
    };
    if !what.current || what.on_fault {
        return Ok(());
    }
    bring_in(k, cx, id, from)
}

fn set_all(k: &mut Kernel, id: MmId, what: All) {
    let mut flags = AreaFlags::LOCKED;
    flags.set(AreaFlags::LOCK_ON_FAULT, what.on_fault);
    if let Some(mm) = k.spaces.get_mut(id) {
        mm.new_flags = if what.future {
            flags
        } else {
            AreaFlags::empty()
        };
        if what.current {
            change_all(k, id, flags);
        }
    }
}

fn change_all(k: &mut Kernel, id: MmId, flags: AreaFlags) {
    let both = AreaFlags::LOCKED | AreaFlags::LOCK_ON_FAULT;
    if let Some(mm) = k.spaces.get_mut(id) {
        mm.areas
            .change(0, USER_END, |area| area.flags = (area.flags - both) | flags);
    }
}

/// Brings in what can come; what cannot is left to the touch that will tell why.
fn bring_in(k: &mut Kernel, cx: &mut Cx, id: MmId, from: u64) -> Result<(), Stop> {
    let Some(part) = k
        .spaces
        .get(id)
        .and_then(|mm| mm.areas.first_in(from, USER_END))
    else {
        return Ok(());
    };
    let rest = match populate(k, cx, id, (part.start, part.end), part.populates()) {
        Ok(rest) => rest.unwrap_or(part.end),
        Err(Stop::Errno(_)) => part.end,
        Err(stop) => return Err(stop),
    };
    Err(range::again(cx.now, rest))
}

/// Unlocks all of a program's memory (munlockall(2)).
pub fn unlock_all(k: &mut Kernel, id: MmId) {
    change_all(k, id, AreaFlags::empty());
    if let Some(mm) = k.spaces.get_mut(id) {
        mm.new_flags = AreaFlags::empty();
    }
}
