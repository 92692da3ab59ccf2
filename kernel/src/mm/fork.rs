//! Copies of address spaces (fork(2)).

use super::area::{Area, AreaFlags, Backing};
use super::frames::Origin;
use super::{MmId, page, release};
use crate::Kernel;
use crate::arena::Held;
use crate::cgroup::GroupId;
use crate::error::Stop;
use crate::machine::{Access, Machine, PAGE};

/// A copy of an address space, pages shared until one side writes (fork(2)), charged to `group`.
///
/// # Errors
/// [`Stop::NoMem`].
pub fn duplicate(
    k: &mut Kernel,
    m: &mut dyn Machine,
    mm: MmId,
    group: GroupId,
) -> Result<Held<MmId>, Stop> {
    let child = super::create(k, m, group)?;
    match fill(k, m, mm, child.key()) {
        Ok(()) => Ok(child),
        Err(stop) => {
            release(k, child);
            Err(stop)
        }
    }
}

fn fill(k: &mut Kernel, m: &mut dyn Machine, parent: MmId, child: MmId) -> Result<(), Stop> {
    let Some(from) = k.spaces.get(parent) else {
        return Ok(());
    };
    let (heap, base, exe) = (from.heap, from.base, from.exe);
    let layout = from.layout.clone();
    super::set_program(k, child, exe);
    if let Some(to) = k.spaces.get_mut(child) {
        (to.heap, to.base) = (heap, base);
        to.layout = layout;
    }
    let (mut at, mut count) = (0, 0);
    while let Some(area) = next_area(k, parent, at) {
        at = area.end;
        count += 1;
        if count % AREAS_A_RESERVE == 0 {
            k.room_in_heap(m, 0)?;
        }
        share_area(k, m, parent, child, area)?;
    }
    Ok(())
}

/// Areas that the heap's reserve covers many times.
const AREAS_A_RESERVE: usize = 256;

fn next_area(k: &Kernel, id: MmId, at: u64) -> Option<Area> {
    k.spaces.get(id)?.areas.from(at).copied()
}

/// Gives the child what it inherits of an area.
fn share_area(
    k: &mut Kernel,
    m: &mut dyn Machine,
    parent: MmId,
    child: MmId,
    mut area: Area,
) -> Result<(), Stop> {
    if area.flags.contains(AreaFlags::DONT_FORK) {
        return Ok(());
    }
    area.flags
        .remove(AreaFlags::LOCKED | AreaFlags::LOCK_ON_FAULT);
    super::room_for_areas(k, child)?;
    super::insert(k, child, area)?;
    if area.flags.contains(AreaFlags::WIPE_ON_FORK) {
        return Ok(());
    }
    share_pages(k, m, parent, child, &area)
}

/// Lets the child see the parent's pages of an area, and protects those that are copied at the
/// next write. Pages that the child can get from their source again are left to its faults.
fn share_pages(
    k: &mut Kernel,
    m: &mut dyn Machine,
    parent: MmId,
    child: MmId,
    area: &Area,
) -> Result<(), Stop> {
    if area.is_shared() {
        return Ok(());
    }
    let Some(space) = k.spaces.get(parent).map(|mm| mm.space) else {
        return Ok(());
    };
    let mut at = area.start;
    while let Some((page, mapped)) = m.next_mapped(space, at, area.end) {
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
    Ok(())
}
