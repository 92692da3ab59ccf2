//! The kernel's own mappings: made at boot, extended only below the top level.

use super::table::{self, Table};
use crate::layout::{self, PAGE};
use berth_kernel::machine::Frame;
use core::sync::atomic::{AtomicU32, Ordering};
use x86_64::VirtAddr;
use x86_64::instructions::tlb;
use x86_64::structures::paging::PageTableFlags as Flags;

/// Rights of data.
pub const DATA: Flags = Flags::PRESENT
    .union(Flags::WRITABLE)
    .union(Flags::NO_EXECUTE)
    .union(Flags::GLOBAL);
/// Rights of constants.
pub const CONSTANTS: Flags = Flags::PRESENT.union(Flags::NO_EXECUTE).union(Flags::GLOBAL);
/// Rights of code.
pub const CODE: Flags = Flags::PRESENT.union(Flags::GLOBAL);
/// Rights of device registers.
const DEVICE: Flags = DATA.union(Flags::NO_CACHE).union(Flags::WRITE_THROUGH);
/// Rights of an entry for a table: the last level decides.
const TABLE: Flags = Flags::PRESENT.union(Flags::WRITABLE);

/// The root table that has the kernel's mappings and no others.
static ROOT: AtomicU32 = AtomicU32::new(0);

/// The frame of the kernel's root table.
pub fn root() -> Frame {
    Frame(ROOT.load(Ordering::Relaxed))
}

/// Makes `frame` the kernel's root table; its entries for the kernel's half are final.
pub fn set_root(frame: Frame) {
    ROOT.store(frame.0, Ordering::Relaxed);
}

/// Maps `len` bytes at `virt` to `phys`, in pages as large as `largest` (a level) and alignment
/// allow. `frames` gives a frame for each table that is missing.
pub fn map(
    root: Frame,
    mut virt: u64,
    mut phys: u64,
    mut len: u64,
    flags: Flags,
    largest: u32,
    frames: &mut dyn FnMut() -> Frame,
) {
    while len > 0 {
        let level = layout::page_level(virt, phys, len, largest);
        let table = table_for(root, virt, level, frames);
        let large = if level > 1 {
            Flags::HUGE_PAGE
        } else {
            Flags::empty()
        };
        let value = phys | (flags | large).bits();
        table[layout::index(virt, level)].store(value, Ordering::Relaxed);
        let bytes = layout::span(level);
        virt += bytes;
        phys += bytes;
        len = len.saturating_sub(bytes);
    }
}

/// The table of `level` that holds the entry for `virt`, made if missing.
pub fn table_for(
    root: Frame,
    virt: u64,
    level: u32,
    frames: &mut dyn FnMut() -> Frame,
) -> &'static Table {
    let mut table = table::table(root);
    for above in (level + 1..=4).rev() {
        let entry = &table[layout::index(virt, above)];
        let mut value = entry.load(Ordering::Relaxed);
        if !table::is_present(value) {
            let frame = frames();
            table::clear(table::table(frame));
            value = table::entry(frame, TABLE);
            entry.store(value, Ordering::Relaxed);
        }
        assert!(
            value & Flags::HUGE_PAGE.bits() == 0,
            "{virt:#x} is inside a large page"
        );
        table = table::table(table::frame_of(value));
    }
    table
}

/// Maps one page of the kernel's data at `virt`, or, where a table is missing, makes `frame` that
/// table; returns whether the page is mapped.
pub fn map_or_extend(virt: u64, frame: Frame) -> bool {
    let mut table = table::table(root());
    for level in (2..=4).rev() {
        let entry = &table[layout::index(virt, level)];
        let value = entry.load(Ordering::Relaxed);
        if !table::is_present(value) {
            table::clear(table::table(frame));
            entry.store(table::entry(frame, TABLE), Ordering::Relaxed);
            return false;
        }
        table = table::table(table::frame_of(value));
    }
    table[layout::index(virt, 1)].store(table::entry(frame, DATA), Ordering::Relaxed);
    true
}

/// Maps the page of device registers at `phys` to `virt`, a page of the window for devices, all
/// in the one table that boot has made.
pub fn map_device(virt: u64, phys: u64) {
    let table = table_for(root(), virt, 1, &mut || {
        unreachable!("no table for devices")
    });
    let frame = Frame((phys / PAGE) as u32);
    table[layout::index(virt, 1)].store(table::entry(frame, DEVICE), Ordering::Relaxed);
    tlb::flush(VirtAddr::new(virt));
}

/// Empties the table in a frame.
pub fn clear(frame: Frame) {
    table::clear(table::table(frame));
}
