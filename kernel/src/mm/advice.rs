//! What programs tell about their memory, and ask of it: madvise(2), mincore(2), msync(2).

use super::area::{Area, AreaFlags, Backing};
use super::turn::{self, Budget, Step};
use super::{MmId, fault, range, room_to_split, user};
use crate::error::{Errno, Stop};
use crate::machine::{Access, PAGE};
use crate::wait::Resume;
use crate::{Cx, Kernel};
use linux_raw_sys::general as linux;

/// Pages that one turn tells of.
const PART: u64 = 256;

/// What an advice means here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Advice {
    /// A hint without effect.
    Hint,
    /// The pages go (private ones come zeroed or from the file again).
    Discard,
    /// Also those that are locked.
    DiscardLocked,
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
        linux::MADV_DONTNEED => Advice::Discard,
        linux::MADV_DONTNEED_LOCKED => Advice::DiscardLocked,
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
    ///
    /// # Errors
    /// EINVAL.
    fn check(self, area: &Area) -> Result<(), Errno> {
        let locked = area.flags.contains(AreaFlags::LOCKED);
        let suits = match self {
            Advice::Free => area.backing == Backing::Zero && !locked,
            Advice::Discard => !locked,
            Advice::Set(_, true) => area.backing == Backing::Zero,
            Advice::Populate(access) => area.allows(access),
            _ => true,
        };
        suits.then_some(()).ok_or(Errno::EINVAL)
    }

    /// Takes it for a part of an area; returns where to go on.
    fn take(
        self,
        k: &mut Kernel,
        cx: &mut Cx,
        id: MmId,
        part: &Area,
        hole: bool,
        budget: &mut Budget,
    ) -> Result<u64, Stop> {
        let range = (part.start, part.end);
        let rest = match self {
            Advice::Hint => None,
            Advice::Discard | Advice::DiscardLocked | Advice::Free => {
                range::discard(k, cx.m, id, range, budget)
            }
            Advice::Set(flags, _) => {
                flag(k, id, range, flags, true);
                None
            }
            Advice::Clear(flags, _) => {
                flag(k, id, range, flags, false);
                None
            }
            // Nothing comes for what lies behind a hole.
            Advice::Populate(_) if hole => return Err(Errno::ENOMEM.into()),
            Advice::Populate(access) => populate(k, cx, id, range, access, budget)?,
        };
        Ok(rest.unwrap_or(part.end))
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
    let (mut at, mut hole) = match cx.resume {
        Some(resume) => (resume.word, resume.done != 0),
        None => (start, false),
    };
    let mut budget = Budget::new();
    while at < end {
        let mm = k.spaces.get(id).ok_or(Errno::ENOMEM)?;
        let Some(part) = mm.areas.first_in(at, end) else {
            hole = true;
            break;
        };
        hole |= part.start > at;
        advice.check(&part)?;
        if matches!(advice, Advice::Set(..) | Advice::Clear(..)) {
            room_to_split(k, id, (part.start, part.end))?;
        }
        budget.spend(Step::Area);
        at = advice.take(k, cx, id, &part, hole, &mut budget)?;
        if at < end && budget.is_spent() {
            let resume = Resume {
                done: u64::from(hole),
                ..Resume::at(at)
            };
            return Err(turn::again(k, id, cx.task, resume));
        }
    }
    // What there is has taken it.
    if hole {
        return Err(Errno::ENOMEM.into());
    }
    Ok(())
}

fn flag(k: &mut Kernel, id: MmId, (start, end): (u64, u64), flags: AreaFlags, set: bool) {
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
    budget: &mut Budget,
) -> Result<Option<u64>, Stop> {
    let mut at = start;
    while at < end {
        if budget.is_spent() {
            return Ok(Some(at));
        }
        budget.spend(Step::Fill);
        fault(k, cx.m, id, at, access)?;
        at += PAGE;
    }
    Ok(None)
}

/// Brings in what a new mapping can have at once (MAP_POPULATE, MAP_LOCKED), from `at` on: a help
/// that may fail, as the first touch tries again and is told why. Returns where to go on.
pub fn populate_new(k: &mut Kernel, cx: &mut Cx, id: MmId, range: (u64, u64)) -> Option<u64> {
    let area = *k.spaces.get(id)?.areas.find(range.0)?;
    populate(k, cx, id, range, area.populates(), &mut Budget::new()).unwrap_or(None)
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
    if !mm.areas.covers(from, stop) {
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
        return Err(turn::again(k, id, cx.task, Resume::at(stop)));
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
/// ENOMEM for a hole, EBUSY for locked memory with `invalidate`; a wait after a part.
pub fn sync(
    k: &mut Kernel,
    cx: &Cx,
    id: MmId,
    (start, end): (u64, u64),
    invalidate: bool,
) -> Result<(), Stop> {
    let (mut at, mut hole) = match cx.resume {
        Some(resume) => (resume.word, resume.done != 0),
        None => (start, false),
    };
    let mut budget = Budget::new();
    while at < end {
        if budget.is_spent() {
            let resume = Resume {
                done: u64::from(hole),
                ..Resume::at(at)
            };
            return Err(turn::again(k, id, cx.task, resume));
        }
        budget.spend(Step::Area);
        let mm = k.spaces.get(id).ok_or(Errno::ENOMEM)?;
        let Some(part) = mm.areas.first_in(at, end) else {
            hole = true;
            break;
        };
        hole |= part.start > at;
        if invalidate && part.flags.contains(AreaFlags::LOCKED) {
            return Err(Errno::EBUSY.into());
        }
        at = part.end;
    }
    if hole {
        return Err(Errno::ENOMEM.into());
    }
    Ok(())
}
