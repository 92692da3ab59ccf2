//! Copies to and from the memory of programs.
//!
//! The kernel never dereferences a user pointer: it walks the program's page tables and copies by
//! frames, resolving absent pages through [`super::fault`]. *Prepare* a destination first
//! ([`prepare`] faults pages in and breaks copy on write; it may fail), then commit into it
//! ([`UserOut`]; cannot fail).

use crate::error::{Call, Stop};
use crate::{Cx, Kernel};
use alloc::vec::Vec;

/// A destination in a program's memory whose pages are present, writable and its own until the
/// end of this call.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserOut {
    addr: u64,
    len: u64,
}

impl UserOut {
    /// Nothing, for calls whose result pointer may be 0.
    pub const NONE: UserOut = UserOut { addr: 0, len: 0 };
    /// Room in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }
    /// No room.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Copies `to.len()` bytes (64 KiB at most) from the current task's memory.
///
/// # Errors
/// EFAULT; or no memory.
pub fn copy_in(_k: &mut Kernel, _cx: &mut Cx, _addr: u64, _to: &mut [u8]) -> Result<(), Stop> {
    Err(crate::error::Errno::EFAULT.into())
}

/// Reads a NUL-terminated string of at most `max` bytes (without the NUL).
///
/// # Errors
/// EFAULT; `too_long` when there is no NUL within `max + 1` bytes.
pub fn c_string(
    _k: &mut Kernel,
    _cx: &mut Cx,
    _addr: u64,
    _max: usize,
    _too_long: crate::error::Errno,
) -> Result<Vec<u8>, Stop> {
    Err(crate::error::Errno::EFAULT.into())
}

/// Makes `len` bytes (64 KiB at most; longer is cut, see [`UserOut::len`]) at `addr` ready to be
/// written.
///
/// # Errors
/// EFAULT; or no memory.
pub fn prepare(_k: &mut Kernel, _cx: &mut Cx, _addr: u64, _len: u64) -> Result<UserOut, Stop> {
    Err(crate::error::Errno::EFAULT.into())
}

/// Writes into a prepared destination; what does not fit is dropped (and a bug).
pub fn put(_k: &mut Kernel, _cx: &mut Cx, _out: &UserOut, _offset: u64, _bytes: &[u8]) {}

/// Copies a part of a frame into a prepared destination.
pub fn put_frame(
    _k: &mut Kernel,
    _cx: &mut Cx,
    _out: &UserOut,
    _offset: u64,
    _frame: (crate::machine::Frame, usize),
    _len: usize,
) {
}

/// Prepares, writes and gives `value`: for results known before anything is changed.
///
/// # Errors
/// As [`prepare`].
pub fn copy_out(k: &mut Kernel, cx: &mut Cx, addr: u64, bytes: &[u8], value: u64) -> Call {
    let out = prepare(k, cx, addr, bytes.len() as u64)?;
    put(k, cx, &out, 0, bytes);
    Ok(value)
}
