//! What resource limits leave for more memory: RLIMIT_AS, RLIMIT_DATA, RLIMIT_STACK,
//! RLIMIT_MEMLOCK (getrlimit(2)).

use super::MmId;
use super::area::{Area, AreaFlags};
use crate::Kernel;
use crate::error::Errno;
use crate::task::{TaskId, cred, limits};
use linux_raw_sys::general as linux;

/// Whether a task's address space may have `bytes` more of what `area` is like.
///
/// # Errors
/// ENOMEM beyond RLIMIT_AS or, for private memory that can be written, RLIMIT_DATA.
pub fn check(k: &Kernel, task: TaskId, id: MmId, bytes: u64, area: &Area) -> Result<(), Errno> {
    let used = k.spaces.get(id).ok_or(Errno::ENOMEM)?.areas.bytes();
    if used.saturating_add(bytes) > limits::soft_of(k, task, linux::RLIMIT_AS) {
        return Err(Errno::ENOMEM);
    }
    if area.is_data() {
        check_data(k, task, id, bytes)?;
    }
    Ok(())
}

/// Whether `bytes` more may be private memory that can be written.
///
/// # Errors
/// ENOMEM beyond RLIMIT_DATA.
pub fn check_data(k: &Kernel, task: TaskId, id: MmId, bytes: u64) -> Result<(), Errno> {
    let used = k.spaces.get(id).ok_or(Errno::ENOMEM)?.areas.sizes().data;
    if used.saturating_add(bytes) > limits::soft_of(k, task, linux::RLIMIT_DATA) {
        return Err(Errno::ENOMEM);
    }
    Ok(())
}

/// Whether a task may lock memory at all (mlock(2)).
///
/// # Errors
/// EPERM when RLIMIT_MEMLOCK is 0.
pub fn may_lock(k: &Kernel, task: TaskId) -> Result<(), Errno> {
    let limit = limits::soft_of(k, task, linux::RLIMIT_MEMLOCK);
    if limit == 0 && !cred::capable(k, task, linux::CAP_IPC_LOCK) {
        return Err(Errno::EPERM);
    }
    Ok(())
}

/// Whether a task's address space may have `bytes` of locked memory, beside those that are
/// counted already.
pub fn can_lock(k: &Kernel, task: TaskId, bytes: u64) -> bool {
    bytes <= limits::soft_of(k, task, linux::RLIMIT_MEMLOCK)
        || cred::capable(k, task, linux::CAP_IPC_LOCK)
}

/// Whether a new part of an area, `bytes` long, can be locked if the area is.
///
/// # Errors
/// EAGAIN beyond RLIMIT_MEMLOCK.
pub fn check_locked(
    k: &Kernel,
    task: TaskId,
    id: MmId,
    bytes: u64,
    flags: AreaFlags,
) -> Result<(), Errno> {
    let locked = k.spaces.get(id).map_or(0, |mm| mm.areas.sizes().locked);
    if flags.contains(AreaFlags::LOCKED) && !can_lock(k, task, locked.saturating_add(bytes)) {
        return Err(Errno::EAGAIN);
    }
    Ok(())
}

/// Whether the stack `area` may begin at `to`, below where it does. The limits are those of who
/// runs, as on Linux.
pub fn may_grow(k: &Kernel, id: MmId, area: &Area, to: u64) -> bool {
    let Some(task) = k.sched.current else {
        return true;
    };
    let more = area.start.saturating_sub(to);
    area.end.saturating_sub(to) <= limits::soft_of(k, task, linux::RLIMIT_STACK)
        && check(k, task, id, more, area).is_ok()
        && check_locked(k, task, id, more, area.flags).is_ok()
}
