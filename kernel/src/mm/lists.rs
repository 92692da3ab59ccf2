//! What programs give by pointers to pointers or without a length: strings, their lists, I/O vectors.

use super::user::{RW_MAX, check, copy_in, current, locate_of};
use crate::error::{Errno, Stop};
use crate::machine::{Access, PAGE};
use crate::{Cx, Kernel};
use alloc::vec::Vec;

/// Elements of an I/O vector at the most (readv(2): IOV_MAX).
pub const IOV_MAX: u64 = 1024;

/// Reads a NUL-terminated string of at most `max` bytes (without the NUL).
///
/// # Errors
/// EFAULT; `too_long` when there is no NUL within `max + 1` bytes.
pub fn c_string(
    k: &mut Kernel,
    cx: &mut Cx,
    addr: u64,
    max: usize,
    too_long: Errno,
) -> Result<Vec<u8>, Stop> {
    let mm = current(k, cx)?;
    let mut string = Vec::new();
    let mut at = addr;
    loop {
        let (frame, offset) = locate_of(k, cx.m, mm, at, Access::READ)?;
        let mut chunk = [0; 256];
        let len = chunk.len().min(PAGE as usize - offset);
        let Some(part) = chunk.get_mut(..len) else {
            return Err(Errno::EFAULT.into());
        };
        cx.m.read_frame(frame, offset, part);
        let text = part.split(|byte| *byte == 0).next().unwrap_or_default();
        if string.len() + text.len() > max {
            return Err(too_long.into());
        }
        string.try_reserve(text.len()).map_err(|_| Errno::ENOMEM)?;
        string.extend_from_slice(text);
        if text.len() < len {
            return Ok(string);
        }
        at = at.saturating_add(len as u64);
    }
}

/// Reads an I/O vector (readv(2)): addresses and lengths, together at most [`RW_MAX`] bytes (what
/// is beyond is cut, as on Linux).
///
/// # Errors
/// EINVAL for more than [`IOV_MAX`] elements or a negative length; EFAULT, also for a buffer that
/// is not in the programs' half; or no memory.
pub fn iovecs(k: &mut Kernel, cx: &mut Cx, addr: u64, count: u64) -> Result<Vec<(u64, u64)>, Stop> {
    if count > IOV_MAX {
        return Err(Errno::EINVAL.into());
    }
    let mut bytes = alloc::vec![0; count as usize * 16];
    copy_in(k, cx, addr, &mut bytes)?;
    let mut left = RW_MAX;
    let mut vector = Vec::with_capacity(count as usize);
    for record in bytes.chunks_exact(16) {
        let (base, len) = (
            crate::wire::get_u64(record, 0),
            crate::wire::get_u64(record, 8),
        );
        if len > i64::MAX as u64 {
            return Err(Errno::EINVAL.into());
        }
        let len = len.min(left);
        check(base, len)?;
        left -= len;
        vector.push((base, len));
    }
    Ok(vector)
}
