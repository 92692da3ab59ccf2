//! What programs tell about their memory, and ask of it: madvise(2), mincore(2), msync(2).

use super::area::{Area, AreaFlags, Backing};
use super::{MmId, fault, range, room_for_areas, user};
use crate::error::{Errno, Stop};
use crate::machine::{Access, PAGE};
use crate::{Cx, Kernel};
use linux_raw_sys::general as linux;

/// Pages that one pass brings in, or tells of.
const PART: u64 = 256;

/// What an advice means here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Advice {
    /// A hint without effect.
    Hint,
    /// The pages go (private ones come zeroed or from the file again).
    Discard,
    /// As [`Advice::Discard`], for private memory without a file only (MADV_FREE may do so at
    /// once).
    Free,
    /// Flags of private memory, or of any.
    Set(AreaFlags, bool),
    Clear(AreaFlags, bool),
    /// The pages come.
    Populate(Access),
}

fn advice(number: u64) -> Result<Advice, Errno> {
    Ok(match u32::try_from(number).map_err(|_| Errno::EINVAL)? {
        linux::MADV_NORMAL
        | linux::MADV_RANDOM
        | linux::MADV_SEQUENTIAL
        | linux::MADV_WILLNEED
        | linux::MADV_COLD
        | linux::MADV_PAGEOUT
        // There are no core dumps.
        | linux::MADV_DONTDUMP
        | linux::MADV_DODUMP => Advice::Hint,
        linux::MADV_DONTNEED | linux::MADV_DONTNEED_LOCKED => Advice::Discard,
        linux::MADV_FREE => Advice::Free,
        linux::MADV_DONTFORK => Advice::Set(AreaFlags::DONT_FORK, false),
        linux::MADV_DOFORK => Advice::Clear(AreaFlags::DONT_FORK, false),
        linux::MADV_WIPEONFORK => Advice::Set(AreaFlags::WIPE_ON_FORK, true),
        linux::MADV_KEEPONFORK => Advice::Clear(AreaFlags::WIPE_ON_FORK, false),
        linux::MADV_POPULATE_READ => Advice::Populate(Access::READ),
        linux::MADV_POPULATE_WRITE => Advice::Populate(Access::WRITE),
        _ => return Err(Errno::EINVAL),
    })
}

impl Advice {
    /// Whether it can be given for an area.
    fn suits(self, area: &Area) -> bool {
        match self {
            Advice::Free | Advice::Set(_, true) => area.backing == Backing::Zero,
            _ => true,
        }
    }
}

/// Takes advice for a range (madvise(2)).
///
/// # Errors
/// EINVAL for an unknown advice or one that does not suit the memory, ENOMEM for a hole, EFAULT
/// or ENOMEM for pages that cannot come; no memory; a wait after a part.
pub fn advise(
    k: &mut Kernel,
    cx: &mut Cx,
    id: MmId,
    (start, end): (u64, u64),
    number: u64,
) -> Result<(), Stop> {
    let advice = advice(number)?;
    let from = cx.resume.map_or(start, |resume| resume.word);
    room_for_areas(k, id)?;
    let mm = k.spaces.get(id).ok_or(Errno::ENOMEM)?;
    let mut at = start;
    while let Some(part) = mm.areas.first_in(at, end) {
        if !advice.suits(&part) {
            return Err(Errno::EINVAL.into());
        }
        at = part.end;
    }
    let covered = mm.areas.covers(start, end);
    match advice {
        Advice::Hint => {}
        Advice::Discard | Advice::Free => {
            if let Some(rest) = range::discard(k, cx.m, id, from, end) {
                return Err(range::again(cx.now, rest));
            }
        }
        Advice::Set(flags, _) => flag(k, id, (start, end), flags, true),
        Advice::Clear(flags, _) => flag(k, id, (start, end), flags, false),
        Advice::Populate(access) if covered => {
            if let Some(rest) = populate(k, cx, id, (from, end), access)? {
                return Err(range::again(cx.now, rest));
            }
        }
        Advice::Populate(_) => {}
    }
    if covered {
        Ok(())
    } else {
        Err(Errno::ENOMEM.into())
    }
}

pub(super) fn flag(
    k: &mut Kernel,
    id: MmId,
    (start, end): (u64, u64),
    flags: AreaFlags,
    set: bool,
) {
    if let Some(mm) = k.spaces.get_mut(id) {
        mm.areas
            .change(start, end, |area| area.flags.set(flags, set));
    }
}

/// Brings the first pages of a range in; returns where to go on.
///
/// # Errors
/// EFAULT for what cannot be touched so; no memory.
pub fn populate(
    k: &mut Kernel,
    cx: &mut Cx,
    id: MmId,
    (start, end): (u64, u64),
    access: Access,
) -> Result<Option<u64>, Stop> {
    let stop = end.min(start.saturating_add(PART * PAGE));
    let mut at = start;
    while at < stop {
        fault(k, cx.m, id, at, access)?;
        at += PAGE;
    }
    Ok((stop < end).then_some(stop))
}

/// Brings in what a mapping that was just made can have at once (MAP_POPULATE): a help that may
/// fail, and that ends after a part.
pub fn populate_some(k: &mut Kernel, cx: &mut Cx, id: MmId, start: u64, len: u64) {
    let area = k.spaces.get(id).and_then(|mm| mm.areas.find(start));
    let Some(area) = area.copied() else {
        return;
    };
    let access = area.populates();
    let end = start.saturating_add(len);
    // Without success the first touch tries again, and is told why.
    let _ = populate(k, cx, id, (start, end), access);
}

/// Writes a byte for each page of a range: 1 if it is in memory (mincore(2)).
///
/// # Errors
/// ENOMEM for a hole, EFAULT; no memory; a wait after a part.
pub fn residency(
    k: &mut Kernel,
    cx: &mut Cx,
    id: MmId,
    (start, end): (u64, u64),
    to: u64,
) -> Result<(), Stop> {
    let from = cx.resume.map_or(start, |resume| resume.word);
    let stop = end.min(from.saturating_add(PART * PAGE));
    let mm = k.spaces.get(id).ok_or(Errno::ENOMEM)?;
    if !mm.areas.covers(start, end) {
        return Err(Errno::ENOMEM.into());
    }
    let mut bytes = [0; PART as usize];
    let mut at = from;
    for byte in &mut bytes {
        if at >= stop {
            break;
        }
        *byte = u8::from(is_resident(k, cx, id, at));
        at += PAGE;
    }
    let count = ((stop - from) / PAGE) as usize;
    let bytes = bytes.get(..count).unwrap_or_default();
    let at = to.checked_add((from - start) / PAGE).ok_or(Errno::EFAULT)?;
    user::copy_out(k, cx, at, bytes, 0)?;
    if stop < end {
        return Err(range::again(cx.now, stop));
    }
    Ok(())
}

/// Mapped, or in the memory of its source.
fn is_resident(k: &mut Kernel, cx: &mut Cx, id: MmId, at: u64) -> bool {
    let Some(mm) = k.spaces.get(id) else {
        return false;
    };
    if cx.m.query(mm.space, at).is_some() {
        return true;
    }
    let Some(area) = mm.areas.find(at).copied() else {
        return false;
    };
    let Some(source) = area.source() else {
        return false;
    };
    let index = area.source_page(at);
    let frame = super::fault::source_frame(k, cx.m, id, source, index, false);
    matches!(frame, Ok(Some(_)))
}

/// Whether a range can be written back (msync(2)): what is shared is its file already.
///
/// # Errors
/// ENOMEM for a hole, EBUSY for locked memory with `invalidate`.
pub fn sync(k: &Kernel, id: MmId, (start, end): (u64, u64), invalidate: bool) -> Result<(), Errno> {
    let mm = k.spaces.get(id).ok_or(Errno::ENOMEM)?;
    let mut at = start;
    while let Some(part) = mm.areas.first_in(at, end) {
        if invalidate && part.flags.contains(AreaFlags::LOCKED) {
            return Err(Errno::EBUSY);
        }
        at = part.end;
    }
    if mm.areas.covers(start, end) {
        Ok(())
    } else {
        Err(Errno::ENOMEM)
    }
}
