//! POSIX message queues as the kernel's calls have them (mq_open(2), names without a slash).

use core::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;

use crate::raw::last_errno;
use crate::timers::Event;

fn call(number: libc::c_long, args: [u64; 5]) -> Result<u64, Errno> {
    let [a, b, c, d, e] = args;
    // SAFETY: this module passes addresses of records of the right size only, or numbers.
    match unsafe { libc::syscall(number, a, b, c, d, e) } {
        -1 => Err(last_errno()),
        value => Ok(value as u64),
    }
}

fn number(fd: BorrowedFd<'_>) -> u64 {
    fd.as_raw_fd() as u64
}

/// struct mq_attr: flags, most messages, bytes of one, messages.
pub type Attr = [i64; 8];

/// What a queue shall hold: messages, and bytes of one.
#[must_use]
pub fn size(messages: i64, bytes: i64) -> Attr {
    [0, messages, bytes, 0, 0, 0, 0, 0]
}

/// Opens or makes a queue.
///
/// # Errors
/// See mq_open(3).
pub fn open(name: &CStr, flags: i32, mode: u32, attr: Option<Attr>) -> Result<OwnedFd, Errno> {
    let attr = attr.as_ref().map_or(0, |attr| attr.as_ptr() as u64);
    let args = [name.as_ptr() as u64, flags as u64, mode.into(), attr, 0];
    let fd = call(libc::SYS_mq_open, args)?;
    // SAFETY: the kernel has just made it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Removes a queue's name.
///
/// # Errors
/// See mq_unlink(3).
pub fn unlink(name: &CStr) -> Result<(), Errno> {
    call(libc::SYS_mq_unlink, [name.as_ptr() as u64, 0, 0, 0, 0]).map(drop)
}

/// Sends a message, until a time of the clock: seconds and nanoseconds.
///
/// # Errors
/// See mq_timedsend(3).
pub fn send(
    fd: BorrowedFd<'_>,
    message: &[u8],
    priority: u64,
    until: Option<[i64; 2]>,
) -> Result<(), Errno> {
    let until = until.as_ref().map_or(0, |until| until.as_ptr() as u64);
    let bytes = message.as_ptr() as u64;
    let args = [number(fd), bytes, message.len() as u64, priority, until];
    call(libc::SYS_mq_timedsend, args).map(drop)
}

/// Receives a message: its length and priority.
///
/// # Errors
/// See mq_timedreceive(3).
pub fn receive(
    fd: BorrowedFd<'_>,
    room: &mut [u8],
    until: Option<[i64; 2]>,
) -> Result<(usize, u32), Errno> {
    let mut priority = 0u32;
    let until = until.as_ref().map_or(0, |until| until.as_ptr() as u64);
    let bytes = room.as_mut_ptr() as u64;
    let at = &raw mut priority as u64;
    let args = [number(fd), bytes, room.len() as u64, at, until];
    let len = call(libc::SYS_mq_timedreceive, args)?;
    Ok((len as usize, priority))
}

/// Asks to be told of a message in the empty queue, or not any more.
///
/// # Errors
/// See mq_notify(3).
pub fn notify(fd: BorrowedFd<'_>, event: Option<&Event>) -> Result<(), Errno> {
    let event = event.map_or(0, |event| core::ptr::from_ref(event) as u64);
    call(libc::SYS_mq_notify, [number(fd), event, 0, 0, 0]).map(drop)
}

/// What a queue holds; its flags are set if given.
///
/// # Errors
/// See mq_getattr(3).
pub fn attributes(fd: BorrowedFd<'_>, flags: Option<i64>) -> Result<Attr, Errno> {
    let mut old = [0; 8];
    let new = flags.map(|flags| [flags, 0, 0, 0, 0, 0, 0, 0]);
    let new = new.as_ref().map_or(0, |new| new.as_ptr() as u64);
    let args = [number(fd), new, old.as_mut_ptr() as u64, 0, 0];
    call(libc::SYS_mq_getsetattr, args)?;
    Ok(old)
}
