//! Page tables as the processor walks them (Intel SDM vol. 3, 4.5).

use crate::layout::{DIRECT, ENTRIES, PAGE};
use berth_kernel::machine::Frame;
use core::sync::atomic::{AtomicU64, Ordering};
use x86_64::structures::paging::PageTableFlags as Flags;

/// A page table of any level. The processor sets bits in it at any moment, hence the atomics.
pub type Table = [AtomicU64; ENTRIES];

/// Bits of an entry that hold an address.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// The table in a frame.
///
/// Every frame that comes here was given for a page table, or was found in the entry of one: the
/// machine trusts its caller, the kernel, in this (see `docs/unsafe.md`).
pub fn table(frame: Frame) -> &'static Table {
    let at = DIRECT + u64::from(frame.0) * PAGE;
    // SAFETY: the direct map has all memory, always; frames of page tables are used as nothing
    // else while they are in use; atomics allow the processor's own writes.
    unsafe { &*(at as *const Table) }
}

/// Empties a table, or a part of one.
pub fn clear(table: &[AtomicU64]) {
    table
        .iter()
        .for_each(|entry| entry.store(0, Ordering::Relaxed));
}

/// The place of the first entry in use. Looks at eight at once: most tables are nearly empty.
pub fn first_used(entries: &[AtomicU64]) -> Option<usize> {
    const BLOCK: usize = 8;
    let load = |entry: &AtomicU64| entry.load(Ordering::Relaxed);
    let is_used =
        |block: &[AtomicU64]| is_present(block.iter().fold(0, |all, entry| all | load(entry)));
    let mut blocks = entries.chunks_exact(BLOCK);
    let skipped = blocks.position(is_used).unwrap_or(entries.len() / BLOCK) * BLOCK;
    let here = entries.get(skipped..)?;
    let place = here.iter().position(|entry| is_present(load(entry)))?;
    Some(skipped + place)
}

/// An entry for a frame.
pub const fn entry(frame: Frame, flags: Flags) -> u64 {
    (frame.0 as u64 * PAGE) | flags.bits()
}

/// The frame in an entry.
pub const fn frame_of(entry: u64) -> Frame {
    Frame(((entry & ADDRESS) / PAGE) as u32)
}

/// Whether an entry is in use.
pub const fn is_present(entry: u64) -> bool {
    entry & Flags::PRESENT.bits() != 0
}
