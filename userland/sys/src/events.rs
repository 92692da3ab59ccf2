//! Waiting calls as the kernel has them, where the libraries have others: signalfd4, ppoll,
//! select, epoll_pwait with their masks and times.

use core::ptr::{null, null_mut};

use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Errno;

use crate::raw::last_errno;

/// Bytes of a signal set in the kernel.
const SET: usize = 8;

fn result(value: libc::c_long) -> Result<usize, Errno> {
    usize::try_from(value).map_err(|_| last_errno())
}

/// A file of these signals (bit 0 is signal 1).
///
/// # Errors
/// See signalfd(2).
pub fn signalfd(mask: u64, flags: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: the kernel reads the 8 bytes of `mask`.
    let fd = unsafe { libc::syscall(libc::SYS_signalfd4, -1, &raw const mask, SET, flags) };
    let fd = result(fd)? as i32;
    // SAFETY: the kernel has just made it, for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The same by signalfd(2), the older call, which has no flags.
///
/// # Errors
/// See signalfd(2).
pub fn signalfd_without_flags(mask: u64) -> Result<OwnedFd, Errno> {
    // SAFETY: as above.
    let fd = unsafe { libc::syscall(libc::SYS_signalfd, -1, &raw const mask, SET) };
    let fd = result(fd)? as i32;
    // SAFETY: as above.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Changes the signals of such a file.
///
/// # Errors
/// See signalfd(2).
pub fn signalfd_change(fd: BorrowedFd<'_>, mask: u64) -> Result<(), Errno> {
    let fd = fd.as_raw_fd();
    // SAFETY: as above.
    result(unsafe { libc::syscall(libc::SYS_signalfd4, fd, &raw const mask, SET, 0) }).map(drop)
}

/// A time to wait: seconds and nanoseconds (or microseconds, for select).
pub type Time = [i64; 2];

fn pointer<T>(value: Option<&T>) -> *const T {
    value.map_or(null(), |value| value)
}

/// ppoll(2) of descriptors and their POLL* bits; what is ready replaces them.
///
/// # Errors
/// See ppoll(2).
pub fn ppoll(
    set: &mut [(i32, i16)],
    time: Option<&Time>,
    mask: Option<&u64>,
) -> Result<usize, Errno> {
    let entry = |&(fd, events): &(i32, i16)| libc::pollfd {
        fd,
        events,
        revents: 0,
    };
    let mut entries: Vec<libc::pollfd> = set.iter().map(entry).collect();
    // The kernel counts the time down.
    let mut left = time.copied();
    let left = left.as_mut().map_or(null_mut(), |left| left as *mut Time);
    // SAFETY: every pointer is null or to a value that outlives the call, with its length beside.
    let count = unsafe {
        libc::syscall(
            libc::SYS_ppoll,
            entries.as_mut_ptr(),
            entries.len(),
            left,
            pointer(mask),
            SET,
        )
    };
    for (to, from) in set.iter_mut().zip(&entries) {
        to.1 = from.revents;
    }
    result(count)
}

/// The three sets of select(2), for descriptors below 64.
pub type Sets = [u64; 3];

/// select(2) with a time in microseconds, which the kernel counts down.
///
/// # Errors
/// See select(2).
pub fn select(below: i32, sets: &mut Sets, time: Option<&mut Time>) -> Result<usize, Errno> {
    let [read, write, special] = sets;
    let time = time.map_or(null_mut(), |time| time as *mut Time);
    // SAFETY: the sets have the 64 bits that the kernel uses for so few descriptors.
    let count = unsafe {
        libc::syscall(
            libc::SYS_select,
            below.min(64),
            read as *mut u64,
            write as *mut u64,
            special as *mut u64,
            time,
        )
    };
    result(count)
}

/// pselect6(2), with a time in nanoseconds and a mask.
///
/// # Errors
/// See select(2).
pub fn pselect(
    below: i32,
    sets: &mut Sets,
    time: Option<&mut Time>,
    mask: Option<&u64>,
) -> Result<usize, Errno> {
    let [read, write, special] = sets;
    let time = time.map_or(null_mut(), |time| time as *mut Time);
    let both = [pointer(mask) as usize, SET];
    // SAFETY: as above; the last argument is the mask's address and size.
    let count = unsafe {
        libc::syscall(
            libc::SYS_pselect6,
            below.min(64),
            read as *mut u64,
            write as *mut u64,
            special as *mut u64,
            time,
            &raw const both,
        )
    };
    result(count)
}

/// Which call waits for an epoll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpollCall<'a> {
    /// epoll_wait: milliseconds.
    Wait(i32),
    /// epoll_pwait: milliseconds and a mask.
    Masked(i32, Option<&'a u64>),
    /// epoll_pwait2: a time and a mask.
    Timed(Option<&'a Time>, Option<&'a u64>),
}

/// Waits for at most `most` events: bits and data of each.
///
/// # Errors
/// See epoll_wait(2).
pub fn epoll(
    fd: BorrowedFd<'_>,
    most: usize,
    call: EpollCall<'_>,
) -> Result<Vec<(u32, u64)>, Errno> {
    let mut room = vec![libc::epoll_event { events: 0, u64: 0 }; most];
    let (number, time, mask) = match call {
        EpollCall::Wait(ms) => (libc::SYS_epoll_wait, ms as isize, null()),
        EpollCall::Masked(ms, mask) => (libc::SYS_epoll_pwait, ms as isize, pointer(mask)),
        EpollCall::Timed(time, mask) => {
            let time = pointer(time) as isize;
            (libc::SYS_epoll_pwait2, time, pointer(mask))
        }
    };
    let (fd, to) = (fd.as_raw_fd(), room.as_mut_ptr());
    // SAFETY: the kernel writes `most` events at the most; the other pointers are null or valid.
    let count = unsafe { libc::syscall(number, fd, to, most, time, mask, SET) };
    room.truncate(result(count)?);
    Ok(room.iter().map(|e| (e.events, e.u64)).collect())
}
