//! Calls about memory: mmap(2) and its family.

use super::Line;
use crate::error::{Call, Errno};
use crate::machine::{Access, USER_END};
use crate::mm::area::AreaFlags;
use crate::mm::map::{self, Place, whole_pages};
use crate::mm::remap;
use crate::mm::{MmId, advice, lock, turn};
use crate::wait::Resume;
use crate::{Cx, Kernel};
use linux_raw_sys::general as linux;

/// The calls of this file.
pub const CALLS: &[Line] = &[
    (linux::__NR_mmap, "mmap", mmap),
    (linux::__NR_munmap, "munmap", munmap),
    (linux::__NR_mprotect, "mprotect", mprotect),
    (linux::__NR_brk, "brk", brk),
    (linux::__NR_mremap, "mremap", mremap),
    (linux::__NR_madvise, "madvise", madvise),
    (linux::__NR_msync, "msync", msync),
    (linux::__NR_mincore, "mincore", mincore),
    (linux::__NR_mlock, "mlock", mlock),
    (linux::__NR_mlock2, "mlock2", mlock2),
    (linux::__NR_munlock, "munlock", munlock),
    (linux::__NR_mlockall, "mlockall", mlockall),
    (linux::__NR_munlockall, "munlockall", munlockall),
];

/// Flags that change nothing here: there is no swap to reserve, and text files are not denied to
/// writers, on Linux neither.
const WITHOUT_EFFECT: u32 = linux::MAP_NORESERVE
    | linux::MAP_STACK
    | linux::MAP_DENYWRITE
    | linux::MAP_EXECUTABLE
    | linux::MAP_NONBLOCK;

/// Flags that MAP_SHARED_VALIDATE may come with; the older types ignore what they do not know.
const KNOWN: u32 = linux::MAP_TYPE
    | linux::MAP_FIXED
    | linux::MAP_FIXED_NOREPLACE
    | linux::MAP_ANONYMOUS
    | linux::MAP_GROWSDOWN
    | linux::MAP_LOCKED
    | linux::MAP_POPULATE
    | linux::MAP_32BIT
    | linux::MAP_UNINITIALIZED
    | HUGE_SIZES
    | WITHOUT_EFFECT;

/// MAP_HUGE_2MB and MAP_HUGE_1GB, which mean something with MAP_HUGETLB only.
const HUGE_SIZES: u32 = linux::MAP_HUGE_2MB | linux::MAP_HUGE_1GB;

pub(super) fn current(k: &Kernel, cx: &Cx) -> Result<MmId, Errno> {
    let task = k.tasks.tasks.get(cx.task).ok_or(Errno::ESRCH)?;
    Ok(task.mm.as_ref().ok_or(Errno::ENOMEM)?.key())
}

fn access(prot: u64) -> Access {
    let mut access = Access::empty();
    access.set(Access::READ, prot & u64::from(linux::PROT_READ) != 0);
    access.set(Access::WRITE, prot & u64::from(linux::PROT_WRITE) != 0);
    access.set(Access::EXEC, prot & u64::from(linux::PROT_EXEC) != 0);
    access
}

fn mmap(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let [addr, len, prot, flags, fd, offset] = *args;
    let flags = flags as u32;
    let has = |flag: u32| flags & flag != 0;
    if offset % crate::machine::PAGE != 0 {
        return Err(Errno::EINVAL.into());
    }
    let anonymous = has(linux::MAP_ANONYMOUS);
    let file = match anonymous {
        true => None,
        false => Some((crate::task::files::file(k, cx.task, fd)?, offset)),
    };
    if len == 0 {
        return Err(Errno::EINVAL.into());
    }
    let length = whole_pages(len)?;
    let shared = match flags & linux::MAP_TYPE {
        linux::MAP_PRIVATE => false,
        linux::MAP_SHARED => true,
        // There is no file to ask.
        linux::MAP_SHARED_VALIDATE if anonymous => return Err(Errno::EINVAL.into()),
        linux::MAP_SHARED_VALIDATE if flags & !KNOWN != 0 => {
            return Err(Errno::EOPNOTSUPP.into());
        }
        linux::MAP_SHARED_VALIDATE => true,
        _ => return Err(Errno::EINVAL.into()),
    };
    let stack = has(linux::MAP_GROWSDOWN);
    if has(linux::MAP_HUGETLB) || (stack && (shared || !anonymous)) {
        return Err(Errno::EINVAL.into());
    }
    let request = map::Request {
        place: match addr {
            _ if has(linux::MAP_FIXED_NOREPLACE) => Place::Free(addr),
            _ if has(linux::MAP_FIXED) => Place::Fixed(addr),
            _ if has(linux::MAP_32BIT) => Place::Low,
            hint => Place::Hint(hint),
        },
        len,
        access: access(prot),
        shared,
        file,
        segment: None,
        flags: area_flags(flags),
        unreserved: has(linux::MAP_NORESERVE),
    };
    let mm = current(k, cx)?;
    // An earlier turn has mapped it, and began to bring pages in.
    let (start, from) = match cx.resume.filter(|resume| resume.done != 0) {
        Some(resume) => (resume.done, resume.word),
        None => {
            let start = map::map(k, cx, mm, &request)?;
            (start, start)
        }
    };
    if has(linux::MAP_POPULATE) || locks_now(k, mm, flags) {
        let range = (from, start.saturating_add(length));
        if let Some(rest) = advice::populate_new(k, cx, mm, range) {
            let resume = Resume {
                done: start,
                ..Resume::at(rest)
            };
            return Err(turn::again(k, mm, cx.task, resume));
        }
    }
    Ok(start)
}

/// Whether a new mapping is locked with all of its pages.
fn locks_now(k: &Kernel, mm: MmId, flags: u32) -> bool {
    let future = k
        .spaces
        .get(mm)
        .map_or(AreaFlags::empty(), |mm| mm.new_flags);
    (flags & linux::MAP_LOCKED != 0 || future.contains(AreaFlags::LOCKED))
        && !future.contains(AreaFlags::LOCK_ON_FAULT)
}

fn area_flags(flags: u32) -> AreaFlags {
    let mut area = AreaFlags::empty();
    area.set(AreaFlags::GROWS_DOWN, flags & linux::MAP_GROWSDOWN != 0);
    area.set(AreaFlags::LOCKED, flags & linux::MAP_LOCKED != 0);
    area
}

fn munmap(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let range = map::pages_of(args[0], args[1], Errno::EINVAL)?;
    if args[1] == 0 {
        return Err(Errno::EINVAL.into());
    }
    let mm = current(k, cx)?;
    map::unmap(k, cx, mm, range)?;
    Ok(0)
}

fn mprotect(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let [addr, len, prot, ..] = *args;
    let (down, up) = (
        u64::from(linux::PROT_GROWSDOWN),
        u64::from(linux::PROT_GROWSUP),
    );
    let known =
        u64::from(linux::PROT_READ | linux::PROT_WRITE | linux::PROT_EXEC | linux::PROT_SEM) | down;
    // Nothing grows up here: as on Linux, where it is for machines whose stacks do.
    if prot & !(known | up) != 0 || prot & up != 0 {
        return Err(Errno::EINVAL.into());
    }
    let (mut start, end) = map::pages_of(addr, len, Errno::ENOMEM)?;
    if start == end {
        return Ok(0);
    }
    let mm = current(k, cx)?;
    if prot & down != 0 {
        start = stack_start(k, mm, start)?;
    }
    map::protect(k, cx, mm, (start, end), access(prot))?;
    Ok(0)
}

/// Where the stack begins that an address is in.
fn stack_start(k: &Kernel, mm: MmId, addr: u64) -> Result<u64, Errno> {
    let areas = &k.spaces.get(mm).ok_or(Errno::ENOMEM)?.areas;
    let area = areas.find(addr).ok_or(Errno::ENOMEM)?;
    let stack = area.flags.contains(AreaFlags::GROWS_DOWN);
    stack.then_some(area.start).ok_or(Errno::EINVAL)
}

fn brk(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let mm = current(k, cx)?;
    let before = k.spaces.get(mm).map_or(0, |mm| mm.heap.1);
    let end = map::brk(k, cx, mm, args[0])?;
    // An earlier turn began to bring pages in.
    let resume = cx.resume.filter(|resume| resume.done != 0);
    let page = crate::machine::PAGE;
    let from = resume.map_or(before.next_multiple_of(page), |resume| resume.word);
    let to = end.next_multiple_of(page);
    if from < to && locks_now(k, mm, 0) {
        if let Some(rest) = advice::populate_new(k, cx, mm, (from, to)) {
            let resume = Resume {
                done: end,
                ..Resume::at(rest)
            };
            return Err(turn::again(k, mm, cx.task, resume));
        }
    }
    Ok(end)
}

fn mremap(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let [old, old_len, new_len, flags, new, _] = *args;
    let flags = u32::try_from(flags).map_err(|_| Errno::EINVAL)?;
    let (moves, fixed, keep) = (
        flags & linux::MREMAP_MAYMOVE != 0,
        flags & linux::MREMAP_FIXED != 0,
        flags & linux::MREMAP_DONTUNMAP != 0,
    );
    let known = linux::MREMAP_MAYMOVE | linux::MREMAP_FIXED | linux::MREMAP_DONTUNMAP;
    let (old_len, new_len) = (
        old_len.checked_next_multiple_of(crate::machine::PAGE),
        new_len.checked_next_multiple_of(crate::machine::PAGE),
    );
    let (Some(old_len), Some(new_len)) = (old_len, new_len) else {
        return Err(Errno::EINVAL.into());
    };
    if flags & !known != 0
        || ((fixed || keep) && !moves)
        || (keep && old_len != new_len)
        || new_len > USER_END
    {
        return Err(Errno::EINVAL.into());
    }
    let request = remap::Request {
        old,
        old_len,
        new_len,
        may_move: moves,
        fixed: fixed.then_some(new),
        keep,
    };
    let mm = current(k, cx)?;
    remap::remap(k, cx, mm, &request)
}

fn madvise(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let range = map::pages_of(args[0], args[1], Errno::EINVAL)?;
    let mm = current(k, cx)?;
    advice::advise(k, cx, mm, range, args[2])?;
    Ok(0)
}

fn msync(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let flags = u32::try_from(args[2]).map_err(|_| Errno::EINVAL)?;
    let both = linux::MS_ASYNC | linux::MS_SYNC;
    if flags & !(both | linux::MS_INVALIDATE) != 0 || flags & both == both {
        return Err(Errno::EINVAL.into());
    }
    let range = map::pages_of(args[0], args[1], Errno::ENOMEM)?;
    let mm = current(k, cx)?;
    advice::sync(k, cx, mm, range, flags & linux::MS_INVALIDATE != 0)?;
    Ok(0)
}

fn mincore(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let range = map::pages_of(args[0], args[1], Errno::ENOMEM)?;
    let mm = current(k, cx)?;
    advice::residency(k, cx, mm, range, args[2])?;
    Ok(0)
}

/// mlock rounds the address down.
fn lock_range(addr: u64, len: u64) -> Result<(u64, u64), Errno> {
    let inside = addr % crate::machine::PAGE;
    let len = len.checked_add(inside).ok_or(Errno::EINVAL)?;
    map::pages_of(addr - inside, len, Errno::ENOMEM)
}

fn mlock(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let range = lock_range(args[0], args[1])?;
    let mm = current(k, cx)?;
    lock::lock(k, cx, mm, range, false)?;
    Ok(0)
}

fn mlock2(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let on_fault = match args[2] {
        0 => false,
        flag if flag == u64::from(linux::MLOCK_ONFAULT) => true,
        _ => return Err(Errno::EINVAL.into()),
    };
    let range = lock_range(args[0], args[1])?;
    let mm = current(k, cx)?;
    lock::lock(k, cx, mm, range, on_fault)?;
    Ok(0)
}

fn munlock(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let range = lock_range(args[0], args[1])?;
    let mm = current(k, cx)?;
    lock::unlock(k, cx, mm, range)?;
    Ok(0)
}

fn mlockall(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let flags = args[0] as u32;
    let has = |flag: u32| flags & flag != 0;
    let known = linux::MCL_CURRENT | linux::MCL_FUTURE | linux::MCL_ONFAULT;
    if flags & !known != 0 || !has(linux::MCL_CURRENT | linux::MCL_FUTURE) {
        return Err(Errno::EINVAL.into());
    }
    let what = lock::All {
        current: has(linux::MCL_CURRENT),
        future: has(linux::MCL_FUTURE),
        on_fault: has(linux::MCL_ONFAULT),
    };
    let mm = current(k, cx)?;
    lock::lock_all(k, cx, mm, what)?;
    Ok(0)
}

fn munlockall(k: &mut Kernel, cx: &mut Cx, _args: &[u64; 6]) -> Call {
    let mm = current(k, cx)?;
    lock::unlock_all(k, cx, mm)?;
    Ok(0)
}
