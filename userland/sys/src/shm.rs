//! System V shared memory as the kernel's calls have it (shmget(2), shmat(2), shmctl(2)).

use rustix::io::Errno;

use crate::memory::{PAGE, Region};
use crate::raw::last_errno;

/// Bytes of struct shmid64_ds, the longest record of shmctl(2).
pub const RECORD: usize = 112;

fn result(value: libc::c_long) -> Result<u64, Errno> {
    if value == -1 {
        return Err(last_errno());
    }
    Ok(value as u64)
}

/// The identifier of a segment.
///
/// # Errors
/// See shmget(2).
pub fn get(key: i32, bytes: usize, flags: i32) -> Result<i32, Errno> {
    // SAFETY: the call touches no memory of ours.
    result(unsafe { libc::syscall(libc::SYS_shmget, key, bytes, flags) }).map(|id| id as i32)
}

/// Maps a segment of so many pages where the kernel likes.
///
/// # Errors
/// See shmat(2).
pub fn attach(id: i32, pages: usize, flags: i32) -> Result<Region, Errno> {
    // SAFETY: without an address the kernel picks one that is free.
    let start = result(unsafe { libc::syscall(libc::SYS_shmat, id, 0, flags) })?;
    Ok(Region::given(start, pages))
}

/// Maps a segment over pages of a region, `skip` bytes behind its start; they stay the region's.
///
/// # Errors
/// See shmat(2).
pub fn attach_over(region: &Region, skip: usize, id: i32, flags: i32) -> Result<u64, Errno> {
    assert!(skip < region.pages() * PAGE);
    // SAFETY: the pages have no other user; segments of these tests have one.
    result(unsafe { libc::syscall(libc::SYS_shmat, id, region.address(skip), flags) })
}

/// Unmaps what was attached `skip` bytes behind the start of a region.
///
/// # Errors
/// See shmdt(2).
pub fn detach(region: &Region, skip: usize) -> Result<(), Errno> {
    // SAFETY: the pages have no other user.
    result(unsafe { libc::syscall(libc::SYS_shmdt, region.address(skip)) }).map(drop)
}

/// A command on a segment, with its record to read or fill.
///
/// # Errors
/// See shmctl(2).
pub fn control(id: i32, command: i32, record: &mut [u8; RECORD]) -> Result<u64, Errno> {
    // SAFETY: no record of the kernel is longer.
    result(unsafe { libc::syscall(libc::SYS_shmctl, id, command, record.as_mut_ptr()) })
}

/// Removes a segment (IPC_RMID).
///
/// # Errors
/// See shmctl(2).
pub fn remove(id: i32) -> Result<(), Errno> {
    control(id, 0, &mut [0; RECORD]).map(drop)
}
