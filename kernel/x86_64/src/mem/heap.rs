//! The kernel's heap: a window of addresses, filled with frames from below.

use super::kernel_map;
use crate::layout::{HEAP, HEAP_BYTES, PAGE};
use berth_kernel::machine::Frame;
use core::ptr::NonNull;
use spin::Mutex;
use talc::TalcLock;
use talc::source::Manual;

#[global_allocator]
static ALLOCATOR: TalcLock<Mutex<()>, Manual> = TalcLock::new(Manual);

/// How far the heap reaches.
struct End {
    /// Where the next frame will be mapped.
    mapped: u64,
    /// Where the allocator thinks that the heap ends; zero before it has one.
    claimed: usize,
}

static END: Mutex<End> = Mutex::new(End {
    mapped: HEAP,
    claimed: 0,
});

/// Gives the first `len` bytes of the window, which boot has mapped, to the allocator.
pub fn init(len: u64) {
    let mut end = END.lock();
    end.mapped = HEAP + len;
    // SAFETY: mapped, writable, and used by nothing else from here on.
    let claimed = unsafe { ALLOCATOR.lock().claim(HEAP as *mut u8, len as usize) };
    end.claimed = claimed.map_or(0, |claimed| claimed.as_ptr() as usize);
}

/// Adds a frame, for good; false when the window is full.
pub fn grow(frame: Frame) -> bool {
    let mut end = END.lock();
    let Some(claimed) = NonNull::new(end.claimed as *mut u8) else {
        return false;
    };
    if end.mapped >= HEAP + HEAP_BYTES {
        return false;
    }
    if kernel_map::map_or_extend(end.mapped, frame) {
        end.mapped += PAGE;
        // SAFETY: `claimed` is where this heap ends, and what lies between it and the new end is
        // mapped, writable, and used by nothing else from here on.
        let claimed = unsafe { ALLOCATOR.lock().extend(claimed, end.mapped as *mut u8) };
        end.claimed = claimed.as_ptr() as usize;
    }
    true
}

/// Bytes that are free.
pub fn free() -> usize {
    ALLOCATOR.lock().counters().available_bytes
}

/// Bytes that are handed out.
pub fn used() -> usize {
    ALLOCATOR.lock().counters().allocated_bytes
}
