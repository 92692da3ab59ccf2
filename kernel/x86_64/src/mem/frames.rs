//! Bytes in frames, through the direct map. No reference to them is ever made: user code on
//! another CPU may change them at any moment, so they are moved by single instructions.

use crate::layout::{DIRECT, PAGE};
use berth_kernel::machine::Frame;
use core::arch::asm;
use core::sync::atomic::{AtomicU32, Ordering};

/// The address of `len` bytes at `offset` in a frame; panics if they are not inside.
fn at(frame: Frame, offset: usize, len: usize) -> *mut u8 {
    let inside = offset
        .checked_add(len)
        .is_some_and(|end| end <= PAGE as usize);
    assert!(inside, "{len} bytes at {offset} are not inside a frame");
    (DIRECT + u64::from(frame.0) * PAGE + offset as u64) as *mut u8
}

/// Copies out of a frame.
pub fn read(frame: Frame, offset: usize, to: &mut [u8]) {
    let from = at(frame, offset, to.len());
    // SAFETY: `from` is inside a mapped frame, `to` is ours.
    unsafe { copy(to.as_mut_ptr(), from, to.len()) };
}

/// Copies into a frame.
pub fn write(frame: Frame, offset: usize, from: &[u8]) {
    let to = at(frame, offset, from.len());
    // SAFETY: `to` is inside a mapped frame that the kernel does not use for itself.
    unsafe { copy(to, from.as_ptr(), from.len()) };
}

/// Copies between two frames.
pub fn copy_between(from: (Frame, usize), to: (Frame, usize), len: usize) {
    assert!(from.0 != to.0, "copy inside one frame");
    // SAFETY: both are inside mapped frames that the kernel does not use for itself.
    unsafe { copy(at(to.0, to.1, len), at(from.0, from.1, len), len) };
}

/// Fills with zeros.
pub fn zero(frame: Frame, offset: usize, len: usize) {
    let to = at(frame, offset, len);
    // SAFETY: writes `len` bytes inside a mapped frame that the kernel does not use for itself.
    unsafe {
        asm!(
            "rep stosq",
            "mov rcx, {rest}",
            "rep stosb",
            rest = in(reg) len % 8,
            inout("rcx") len / 8 => _,
            inout("rdi") to => _,
            in("rax") 0,
            options(nostack, preserves_flags),
        );
    }
}

/// Compares and swaps an aligned word; returns the old value.
pub fn cas_u32(frame: Frame, offset: usize, old: u32, new: u32) -> u32 {
    assert!(offset % 4 == 0, "offset {offset} is not that of a word");
    let word = at(frame, offset, 4).cast();
    // SAFETY: aligned and inside a mapped frame; an atomic allows others' access.
    let word = unsafe { AtomicU32::from_ptr(word) };
    match word.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst) {
        Ok(found) | Err(found) => found,
    }
}

/// Copies bytes in one go.
///
/// # Safety
/// `to` must be writable and `from` readable for `len` bytes, and they must not overlap. Others
/// may change either at the same time: the bytes are then old or new.
unsafe fn copy(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: by the contract above.
    unsafe {
        asm!(
            "rep movsq",
            "mov rcx, {rest}",
            "rep movsb",
            rest = in(reg) len % 8,
            inout("rcx") len / 8 => _,
            inout("rdi") to => _,
            inout("rsi") from => _,
            options(nostack, preserves_flags),
        );
    }
}

/// Copies out of physical memory that is in the direct map, as the initial archive is.
pub fn read_physical(mut from: u64, to: &mut [u8]) {
    let mut done = 0;
    while let Some(rest) = to.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let offset = (from % PAGE) as usize;
        let len = rest.len().min(PAGE as usize - offset);
        read(Frame((from / PAGE) as u32), offset, &mut rest[..len]);
        from += len as u64;
        done += len;
    }
}
