//! Copies of address spaces (fork(2)).

use super::area::{Area, AreaFlags, Backing};
use super::frames::Origin;
use super::turn::{Budget, Step};
use super::{MmId, page, release};
use crate::Kernel;
use crate::arena::Held;
use crate::cgroup::GroupId;
use crate::error::Stop;
use crate::machine::{Access, Machine, PAGE, USER_END};

/// A copy of an address space that is being made.
#[derive(Debug)]
pub struct Copying {
    /// The copy.
    pub child: Held<MmId>,
    /// Areas that begin below this address are in it, and their pages that lie below.
    at: u64,
}

/// Begins a copy of an address space, pages shared until one side writes (fork(2)), charged to
/// `group`. Nothing may change in `parent` until it is complete.
///
/// # Errors
/// [`Stop::NoMem`].
pub fn begin(
    k: &mut Kernel,
    m: &mut dyn Machine,
    parent: MmId,
    group: GroupId,
) -> Result<Copying, Stop> {
    let child = super::create(k, m, group)?;
    let Some(from) = k.spaces.get(parent) else {
        return Ok(Copying {
            child,
            at: USER_END,
        });
    };
    let (heap, base, exe) = (from.heap, from.base, from.exe);
    let layout = from.layout.clone();
    super::set_program(k, child.key(), exe);
    if let Some(to) = k.spaces.get_mut(child.key()) {
        (to.heap, to.base) = (heap, base);
        to.layout = layout;
    }
    Ok(Copying { child, at: 0 })
}

/// Copies for a turn; returns whether the copy is complete.
///
/// # Errors
/// [`Stop::NoMem`]: the copy is good for nothing then.
pub fn step(
    k: &mut Kernel,
    m: &mut dyn Machine,
    parent: MmId,
    copying: &mut Copying,
) -> Result<bool, Stop> {
    let child = copying.child.key();
    let mut budget = Budget::new();
    while let Some(area) = next_area(k, parent, copying.at) {
        if budget.is_spent() {
            return Ok(false);
        }
        budget.spend(Step::Area);
        // An area that an earlier turn began is there already.
        let inherited = if area.start < copying.at {
            Some(area)
        } else {
            inherit_area(k, child, area)?
        };
        let from = copying.at.max(area.start);
        let rest = match inherited {
            Some(area) => share_pages(k, m, (parent, child), &area, from, &mut budget)?,
            None => None,
        };
        copying.at = rest.unwrap_or(area.end);
    }
    Ok(true)
}

/// A copy of an address space in one go: for those that are small.
///
/// # Errors
/// [`Stop::NoMem`].
pub fn duplicate(
    k: &mut Kernel,
    m: &mut dyn Machine,
    mm: MmId,
    group: GroupId,
) -> Result<Held<MmId>, Stop> {
    let mut copying = begin(k, m, mm, group)?;
    loop {
        match step(k, m, mm, &mut copying) {
            Ok(true) => return Ok(copying.child),
            Ok(false) => {}
            Err(stop) => {
                release(k, copying.child);
                return Err(stop);
            }
        }
    }
}

fn next_area(k: &Kernel, id: MmId, at: u64) -> Option<Area> {
    k.spaces.get(id)?.areas.from(at).copied()
}

/// Gives the child what it inherits of an area; returns it if its pages are to be shared.
fn inherit_area(k: &mut Kernel, child: MmId, mut area: Area) -> Result<Option<Area>, Stop> {
    if area.flags.contains(AreaFlags::DONT_FORK) {
        return Ok(None);
    }
    area.flags
        .remove(AreaFlags::LOCKED | AreaFlags::LOCK_ON_FAULT);
    super::room_to_map(k, child)?;
    super::insert(k, child, area)?;
    let wiped = area.flags.contains(AreaFlags::WIPE_ON_FORK);
    Ok((!wiped && !area.is_shared() && area.has_own_pages()).then_some(area))
}

/// Lets the child see the parent's pages of a private area from `at` on, and protects those that
/// are copied at the next write. Pages that the child can get from their source again are left to
/// its faults. Returns where to go on.
fn share_pages(
    k: &mut Kernel,
    m: &mut dyn Machine,
    (parent, child): (MmId, MmId),
    area: &Area,
    mut at: u64,
    budget: &mut Budget,
) -> Result<Option<u64>, Stop> {
    let Some(space) = k.spaces.get(parent).map(|mm| mm.space) else {
        return Ok(None);
    };
    while let Some((page, mapped)) = m.next_mapped(space, at, area.end) {
        if budget.is_spent() {
            // Behind the area's start, so that the next turn finds it begun.
            return Ok(Some(page.max(area.start + 1)));
        }
        budget.spend(Step::Page);
        at = page + PAGE;
        let of_file = k.frames.origin(mapped.frame) == Origin::File;
        if of_file && area.backing != Backing::Zero {
            continue;
        }
        let access = mapped.access - Access::WRITE;
        if access != mapped.access {
            m.protect(space, page, access);
        }
        k.frames.share(mapped.frame);
        page::put(k, m, child, page, mapped.frame, access)?;
    }
    Ok(None)
}
