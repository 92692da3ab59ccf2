//! What programs give by pointers to pointers or without a length: strings, their lists, I/O vectors.

use super::user::{RW_MAX, check, copy_in, current, locate_of, read_u64};
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

/// What the arguments and the environment of a program may still take (execve(2), "Limits on size
/// of arguments and environment").
pub struct ArgRoom {
    left: usize,
}

impl ArgRoom {
    /// Bytes of all strings and pointers at the most: three quarters of the stack that is usual.
    pub const TOTAL: usize = 6 << 20;
    /// And at the least, however small the stack (ARG_MAX).
    const LEAST: usize = 128 << 10;
    /// Bytes of one string, with its NUL (MAX_ARG_STRLEN).
    pub const STRING: usize = 128 << 10;

    /// A quarter of what the stack may be (RLIMIT_STACK).
    pub fn for_stack(most: u64) -> ArgRoom {
        let quarter = usize::try_from(most / 4).unwrap_or(usize::MAX);
        ArgRoom {
            left: quarter.clamp(Self::LEAST, Self::TOTAL),
        }
    }

    /// Takes what one string and the pointer to it need.
    fn take(&mut self, len: usize) -> Result<(), Errno> {
        self.left = self.left.checked_sub(len + 9).ok_or(Errno::E2BIG)?;
        Ok(())
    }
}

/// Reads a vector of pointers to strings that a null pointer ends; a null vector is empty, as
/// Linux has it.
///
/// # Errors
/// E2BIG when `room` does not suffice; EFAULT; or no memory.
pub fn string_vector(
    k: &mut Kernel,
    cx: &mut Cx,
    addr: u64,
    room: &mut ArgRoom,
) -> Result<Vec<Vec<u8>>, Stop> {
    let mut strings = Vec::new();
    let mut at = addr;
    while at != 0 {
        let pointer = read_u64(k, cx, at)?;
        if pointer == 0 {
            break;
        }
        // Strings are sized by input: the reserve of the heap is not for them.
        if strings.len() % 64 == 0 {
            k.room_in_heap(cx.m, ArgRoom::STRING)?;
        }
        let string = c_string(k, cx, pointer, ArgRoom::STRING - 1, Errno::E2BIG)?;
        if string.len() > PAGE as usize {
            k.room_in_heap(cx.m, ArgRoom::STRING)?;
        }
        room.take(string.len())?;
        strings.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        strings.push(string);
        at = at.checked_add(8).ok_or(Errno::EFAULT)?;
    }
    Ok(strings)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_have_a_limit() {
        let mut room = ArgRoom::for_stack(8 << 20);
        assert_eq!(room.take((2 << 20) - 9), Ok(()));
        assert_eq!(room.take(0), Err(Errno::E2BIG));
        let left = |most| ArgRoom::for_stack(most).left;
        assert_eq!((left(1 << 20), left(4096)), (256 << 10, 128 << 10));
        assert_eq!(left(u64::MAX), ArgRoom::TOTAL);
    }
}
