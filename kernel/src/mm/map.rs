//! New mappings: what is asked for, where it goes, what is replaced (mmap(2), munmap(2),
//! mprotect(2), brk(2)).

use super::area::{Area, AreaFlags, Backing, FLOOR, Source};
use super::areas::Areas;
use super::turn::{self, Budget, Step};
use super::{MmId, create_object, insert, range, release_object, room};
use super::{room_to_map, room_to_split, room_to_unmap};
use crate::error::{Errno, Stop};
use crate::fs::inode::Device;
use crate::fs::mount::MountFlags;
use crate::fs::open::FileKind;
use crate::fs::{FileId, InodeId, seal};
use crate::machine::{Access, PAGE, USER_END};
use crate::task::limits;
use crate::wait::Resume;
use crate::{Cx, Kernel};

/// Where a mapping shall be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Here if it is free, else anywhere.
    Hint(u64),
    /// Anywhere in the second GiB (MAP_32BIT).
    Low,
    /// Here, instead of what is there (MAP_FIXED).
    Fixed(u64),
    /// Here, if it is free (MAP_FIXED_NOREPLACE).
    Free(u64),
}

/// Where [`Place::Low`] is.
const LOW_START: u64 = 1 << 30;
const LOW_END: u64 = 1 << 31;
/// Areas there that are looked at: beyond so many there is no place.
const LOW_AREAS: usize = 4096;

/// A mapping that is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Where.
    pub place: Place,
    /// Bytes; rounded up to pages.
    pub len: u64,
    /// What the program may do.
    pub access: Access,
    /// Writes reach others.
    pub shared: bool,
    /// The open file and the offset in it; `None` for zeroed memory.
    pub file: Option<(FileId, u64)>,
    /// The memory of a segment (shmat(2)), which no open file is of.
    pub segment: Option<InodeId>,
    /// A stack (MAP_GROWSDOWN), locked in memory (MAP_LOCKED).
    pub flags: AreaFlags,
    /// May be more than there is memory (MAP_NORESERVE).
    pub unreserved: bool,
}

/// Bytes in whole pages.
///
/// # Errors
/// ENOMEM when that is more than programs can have.
pub fn whole_pages(len: u64) -> Result<u64, Errno> {
    let len = len.checked_next_multiple_of(PAGE).ok_or(Errno::ENOMEM)?;
    if len > USER_END {
        return Err(Errno::ENOMEM);
    }
    Ok(len)
}

/// Whether a program could use so much memory at all, were it alone (the heuristic of
/// vm.overcommit_memory = 0).
///
/// # Errors
/// ENOMEM.
pub fn could_exist(k: &Kernel, len: u64) -> Result<(), Errno> {
    if len / PAGE > k.frames.total() as u64 {
        return Err(Errno::ENOMEM);
    }
    Ok(())
}

/// Makes a mapping; returns where.
///
/// # Errors
/// mmap(2).
pub fn map(k: &mut Kernel, cx: &mut Cx, id: MmId, request: &Request) -> Result<u64, Stop> {
    if request.len == 0 {
        return Err(Errno::EINVAL.into());
    }
    let len = whole_pages(request.len)?;
    let kind = kind_of(k, request, len)?;
    if request.access.contains(Access::WRITE) && !request.shared && !request.unreserved {
        could_exist(k, len)?;
    }
    room_to_map(k, id)?;
    let mm = k.spaces.get(id).ok_or(Errno::ENOMEM)?;
    let start = choose(&mm.areas, mm.base, request.place, len)?;
    let end = start + len;
    let mut area = Area::zero(start, end, request.access);
    area.may = kind.may;
    area.flags = mm.new_flags | request.flags;
    if cx.resume.is_none() {
        check_room(k, cx, id, &area, request.shared)?;
    }
    unmap(k, cx, id, (start, end))?;
    let payer = k.spaces.get(id).ok_or(Errno::ENOMEM)?.group.key();
    let object = match kind.of {
        Of::Zero if request.shared => Some(create_object(k, payer, len / PAGE)?),
        _ => None,
    };
    let source = match (&object, kind.of) {
        (Some(object), _) => Some((Source::Object(object.key()), 0)),
        (None, Of::File(source, first)) => Some((source, first)),
        (None, Of::Zero) => None,
    };
    if let Some((source, first)) = source {
        area.backing = Backing::Pages {
            source,
            first,
            shared: request.shared,
        };
    }
    let done = insert(k, id, area);
    if let Some(object) = object {
        release_object(k, object);
    }
    done?;
    Ok(start)
}

/// Whether the program's limits leave room for a new area, beside what it replaces.
fn check_room(k: &Kernel, cx: &Cx, id: MmId, area: &Area, shared: bool) -> Result<(), Errno> {
    if area.flags.contains(AreaFlags::LOCKED) {
        room::may_lock(k, cx.task)?;
        room::check_locked(k, cx.task, id, area.len(), area.flags)?;
    }
    // Shared memory counts as no data; its source is not made yet.
    let mut like = *area;
    like.access.set(Access::WRITE, area.is_data() && !shared);
    if room::check(k, cx.task, id, area.len(), &like).is_ok() {
        return Ok(());
    }
    let mm = k.spaces.get(id).ok_or(Errno::ENOMEM)?;
    let replaced = mm.areas.bytes_in(area.start, area.end);
    room::check(k, cx.task, id, area.len() - replaced, &like)
}

#[derive(Clone, Copy)]
enum Of {
    Zero,
    File(Source, u64),
}

struct Kind {
    of: Of,
    may: Access,
}

/// What the pages of a request are, and what may be done with them at the most.
fn kind_of(k: &Kernel, request: &Request, len: u64) -> Result<Kind, Errno> {
    if let Some(inode) = request.segment {
        let mut may = Access::all();
        may.set(Access::WRITE, request.access.contains(Access::WRITE));
        let of = Of::File(Source::File(inode), 0);
        return Ok(Kind { of, may });
    }
    let Some((file, offset)) = request.file else {
        return Ok(Kind {
            of: Of::Zero,
            may: Access::all(),
        });
    };
    let file = k.fs.file(file)?;
    if offset
        .checked_add(len)
        .is_none_or(|end| end > i64::MAX as u64)
    {
        return Err(Errno::EOVERFLOW);
    }
    if !file.reads() {
        return Err(Errno::EACCES);
    }
    let mut may = Access::all();
    may.set(Access::WRITE, !request.shared || file.writes());
    if !may.contains(request.access & Access::WRITE) {
        return Err(Errno::EACCES);
    }
    if let (FileKind::Regular(inode), true) = (&file.kind, request.shared) {
        if !seal::lets_map_to_write(&k.fs, *inode) {
            may -= Access::WRITE;
        }
    }
    if !may.contains(request.access & Access::WRITE) {
        return Err(Errno::EPERM);
    }
    let mount = k.fs.mount(file.at.pos().mount)?;
    if mount.flags.contains(MountFlags::NOEXEC) {
        may -= Access::EXEC;
    }
    if !may.contains(request.access & Access::EXEC) {
        return Err(Errno::EPERM);
    }
    let of = match file.kind {
        FileKind::Regular(inode) => Of::File(Source::File(inode), offset / PAGE),
        FileKind::Device(device) if device == ZERO => Of::Zero,
        _ => return Err(Errno::ENODEV),
    };
    Ok(Kind { of, may })
}

/// /dev/zero.
const ZERO: Device = Device {
    char: true,
    major: 1,
    minor: 5,
};

/// Where `len` bytes go.
fn choose(areas: &Areas, base: u64, place: Place, len: u64) -> Result<u64, Errno> {
    match place {
        Place::Fixed(at) | Place::Free(at) => {
            if at % PAGE != 0 {
                return Err(Errno::EINVAL);
            }
            Areas::check_fixed(at, len)?;
            if matches!(place, Place::Free(_)) && !areas.is_free(at, at + len) {
                return Err(Errno::EEXIST);
            }
            Ok(at)
        }
        Place::Hint(hint) => {
            let hint = match hint - hint % PAGE {
                0 => 0,
                page => page.max(FLOOR),
            };
            if Areas::check_fixed(hint, len).is_ok() && areas.fits(hint, hint + len) {
                return Ok(hint);
            }
            areas.gap(len, base).ok_or(Errno::ENOMEM)
        }
        Place::Low => areas
            .gap_below(len, base.min(LOW_END), LOW_AREAS)
            .filter(|start| *start >= LOW_START)
            .ok_or(Errno::ENOMEM),
    }
}

/// The range of whole pages that a call names.
///
/// # Errors
/// EINVAL when it does not begin at a page; `too_long` when it leaves the programs' half.
pub fn pages_of(addr: u64, len: u64, too_long: Errno) -> Result<(u64, u64), Errno> {
    if addr % PAGE != 0 {
        return Err(Errno::EINVAL);
    }
    let len = len.checked_next_multiple_of(PAGE).ok_or(too_long)?;
    match addr.checked_add(len) {
        Some(end) if end <= USER_END => Ok((addr, end)),
        _ => Err(too_long),
    }
}

/// Removes what is mapped in a range (munmap(2)).
///
/// # Errors
/// ENOMEM when splitting areas makes too many; no memory; a wait after a part.
pub fn unmap(k: &mut Kernel, cx: &mut Cx, id: MmId, (start, end): (u64, u64)) -> Result<(), Stop> {
    // What an earlier turn has unmapped stays so.
    let from = cx.resume.map_or(start, |resume| resume.word);
    room_to_unmap(k, id, (from, end))?;
    match range::unmap(k, cx.m, id, (from, end), &mut Budget::new()) {
        Some(rest) => Err(turn::again(k, id, cx.task, Resume::at(rest))),
        None => Ok(()),
    }
}

/// Changes what a program may do in a range (mprotect(2)).
///
/// # Errors
/// ENOMEM for a hole, or when splitting areas makes too many; EACCES for what the file does not
/// allow; no memory; a wait after a part.
pub fn protect(
    k: &mut Kernel,
    cx: &mut Cx,
    id: MmId,
    (start, end): (u64, u64),
    access: Access,
) -> Result<(), Stop> {
    let mut budget = Budget::new();
    let mut at = cx.resume.map_or(start, |resume| resume.word);
    while at < end {
        room_to_split(k, id, (at, end))?;
        let part = may_protect(k, cx, id, (at, end), access)?;
        budget.spend(Step::Area);
        let rest = range::protect(k, cx.m, id, (at, part.end), access, &mut budget);
        at = rest.unwrap_or(part.end);
        if at < end && budget.is_spent() {
            return Err(turn::again(k, id, cx.task, Resume::at(at)));
        }
    }
    Ok(())
}

/// The part of an area at the beginning of a range, if a program may have this access to it.
fn may_protect(
    k: &Kernel,
    cx: &Cx,
    id: MmId,
    (start, end): (u64, u64),
    access: Access,
) -> Result<Area, Errno> {
    let mm = k.spaces.get(id).ok_or(Errno::ENOMEM)?;
    let area = mm.areas.find(start).ok_or(Errno::ENOMEM)?;
    if !area.may.contains(access) {
        return Err(Errno::EACCES);
    }
    let part = area.part(start, area.end.min(end));
    if (Area { access, ..part }).is_data() && !part.is_data() {
        // It is there already, but was no data.
        room::check_data(k, cx.task, id, part.len())?;
    }
    Ok(part)
}

/// Moves the end of the heap (brk(2)); returns where it is then, which is where it was when that
/// is not possible.
///
/// # Errors
/// No memory; a wait after a part.
pub fn brk(k: &mut Kernel, cx: &mut Cx, id: MmId, to: u64) -> Result<u64, Stop> {
    let mm = k.spaces.get(id).ok_or(Errno::ENOMEM)?;
    let (start, end) = mm.heap;
    if to < start || to > USER_END - PAGE {
        return Ok(end);
    }
    let old = end.next_multiple_of(PAGE);
    let new = to.next_multiple_of(PAGE);
    let mut more = Area::zero(old, new, Access::READ | Access::WRITE);
    more.flags = mm.new_flags;
    if new > old && !heap_fits(k, cx, id, &more, to - start) {
        return Ok(end);
    }
    match room_to_map(k, id) {
        Err(Stop::Errno(_)) => return Ok(end),
        other => other?,
    }
    if new > old {
        insert(k, id, more)?;
    } else if new < old {
        unmap(k, cx, id, (new, old))?;
    }
    if let Some(mm) = k.spaces.get_mut(id) {
        mm.heap.1 = to;
    }
    Ok(to)
}

/// Whether the heap can have `more`, and then all of `len` bytes.
fn heap_fits(k: &Kernel, cx: &Cx, id: MmId, more: &Area, len: u64) -> bool {
    let most = limits::soft_of(k, cx.task, linux_raw_sys::general::RLIMIT_DATA);
    let Some(mm) = k.spaces.get(id) else {
        return false;
    };
    let (from, to) = mm.layout.data;
    mm.areas.fits(more.start, more.end)
        && len.saturating_add(to.saturating_sub(from)) <= most
        && could_exist(k, more.len()).is_ok()
        && room::check(k, cx.task, id, more.len(), more).is_ok()
        && room::check_locked(k, cx.task, id, more.len(), more.flags).is_ok()
}
