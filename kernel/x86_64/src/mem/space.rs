//! Address spaces: the user half of page tables.
//!
//! The entry for a table counts, in bits that the processor ignores there, the entries in use in
//! that table: so empty tables are found and given back without looking inside.

use super::kernel_map;
use super::table::{self, Table};
use crate::layout::{self, ENTRIES};
use berth_kernel::machine::{Access, Frame, Mapped, NoTable, Space, USER_END};
use core::sync::atomic::{AtomicU64, Ordering};
use x86_64::instructions::tlb;
use x86_64::registers::control::{Cr3, Cr3Flags};
use x86_64::structures::paging::{PageTableFlags as Flags, PhysFrame};
use x86_64::{PhysAddr, VirtAddr};

/// One entry more, in the count of the table above.
const ONE: u64 = 1 << 52;
/// The bits of the count: 0 to 512.
const COUNT: u64 = 0x3ff << 52;
/// Rights of an entry for a table: the last level decides.
const TABLE: Flags = Flags::PRESENT
    .union(Flags::WRITABLE)
    .union(Flags::USER_ACCESSIBLE);
/// Entries of the root table that belong to user code.
const USER_ENTRIES: usize = ENTRIES / 2;

/// Makes `space` the current one.
pub fn activate(space: Space) {
    if current() != space.0 {
        load(space.0);
    }
}

fn current() -> Frame {
    Frame((Cr3::read().0.start_address().as_u64() / layout::PAGE) as u32)
}

fn load(root: Frame) {
    let frame = PhysFrame::containing_address(PhysAddr::new(u64::from(root.0) * layout::PAGE));
    // SAFETY: every root table has the kernel's half, where the running code, its stack and its
    // data are mapped.
    unsafe { Cr3::write(frame, Cr3Flags::empty()) };
}

/// Makes an empty address space with its root table in `root`.
pub fn new(root: Frame) -> Space {
    let (user, kernel) = table::table(root).split_at(USER_ENTRIES);
    table::clear(user);
    let (_, kernels) = table::table(kernel_map::root()).split_at(USER_ENTRIES);
    for (entry, kernels) in kernel.iter().zip(kernels) {
        entry.store(kernels.load(Ordering::Relaxed), Ordering::Relaxed);
    }
    if current() == root {
        load(root);
    }
    Space(root)
}

/// How many tables are missing on the way to `addr`.
pub fn tables_missing(space: Space, addr: u64) -> usize {
    let mut table = table::table(space.0);
    for level in (2..=4).rev() {
        let value = table[layout::index(addr, level)].load(Ordering::Relaxed);
        if !table::is_present(value) {
            return level as usize - 1;
        }
        table = table::table(table::frame_of(value));
    }
    0
}

/// The entry that counts the last-level table of `addr`, and that table.
fn last_table(space: Space, addr: u64) -> Option<(&'static AtomicU64, &'static Table)> {
    let mut table = table::table(space.0);
    let mut counter = None;
    for level in (2..=4).rev() {
        let entry = &table[layout::index(addr, level)];
        let value = entry.load(Ordering::Relaxed);
        if !table::is_present(value) {
            return None;
        }
        counter = Some(entry);
        table = table::table(table::frame_of(value));
    }
    counter.map(|counter| (counter, table))
}

/// Maps a page; see [`berth_kernel::machine::Machine::map`].
pub fn map(
    space: Space,
    addr: u64,
    frame: Frame,
    access: Access,
    tables: &mut dyn FnMut() -> Option<Frame>,
) -> Result<(), NoTable> {
    assert_user(addr);
    let mut table = table::table(space.0);
    let mut counter: Option<&AtomicU64> = None;
    for level in (2..=4).rev() {
        let entry = &table[layout::index(addr, level)];
        let mut value = entry.load(Ordering::Relaxed);
        if !table::is_present(value) {
            let new = tables().ok_or(NoTable)?;
            table::clear(table::table(new));
            value = table::entry(new, TABLE);
            entry.store(value, Ordering::Relaxed);
            count(counter, 1);
        }
        counter = Some(entry);
        table = table::table(table::frame_of(value));
    }
    let value = table::entry(frame, flags(access));
    let old = table[layout::index(addr, 1)].swap(value, Ordering::Relaxed);
    if table::is_present(old) {
        flush(space, addr);
    } else {
        count(counter, 1);
    }
    Ok(())
}

/// Removes a mapping.
pub fn unmap(space: Space, addr: u64) -> Option<Mapped> {
    assert_user(addr);
    let (counter, table) = last_table(space, addr)?;
    let old = table[layout::index(addr, 1)].swap(0, Ordering::Relaxed);
    table::is_present(old).then(|| {
        count(Some(counter), -1);
        flush(space, addr);
        mapped(old)
    })
}

/// Maps pages where none is; see [`berth_kernel::machine::Machine::map_absent`].
pub fn map_absent(space: Space, addr: u64, frames: &[Option<Frame>], access: Access) -> u64 {
    assert_user(addr);
    let Some((counter, table)) = last_table(space, addr) else {
        return 0;
    };
    let rights = flags(access);
    let mut done: u64 = 0;
    let places = table[layout::index(addr, 1)..].iter().zip(frames);
    for (n, (entry, frame)) in places.enumerate().take(64) {
        let absent = !table::is_present(entry.load(Ordering::Relaxed));
        if let Some(frame) = frame.filter(|_| absent) {
            entry.store(table::entry(frame, rights), Ordering::Relaxed);
            done |= 1 << n;
        }
    }
    count(Some(counter), i64::from(done.count_ones()));
    done
}

/// Removes mappings; see [`berth_kernel::machine::Machine::unmap_some`].
pub fn unmap_some(
    space: Space,
    from: u64,
    end: u64,
    most: usize,
    gone: &mut dyn FnMut(u64, Mapped),
) -> Option<u64> {
    let end = end.min(layout::LOWER_HALF_END);
    let (mut at, mut left) = (from & !(layout::PAGE - 1), most);
    let mut next = None;
    while at < end {
        // Mostly the next page is near.
        let near = last_table(space, at).filter(|(counter, _)| entries_in(counter) > 0);
        let Some((counter, table)) = near.filter(|_| left > 0) else {
            let first = first_in(table::table(space.0), 4, at, end);
            let Some((first, _)) = first.filter(|_| left > 0) else {
                next = first.map(|first| first.0);
                break;
            };
            at = first;
            continue;
        };
        let table_end = end.min(layout::next_entry(at, 2));
        let most_here = left.min(entries_in(counter));
        let taken;
        (taken, at) = empty(table, at, table_end, most_here, gone);
        count(Some(counter), -(taken as i64));
        left -= taken;
    }
    if left < most && current() == space.0 {
        tlb::flush_all();
    }
    next
}

/// Empties the first `most` entries in use of a last-level table, from `first` to below `end`;
/// how many there were, and where it stopped.
fn empty(
    table: &Table,
    first: u64,
    end: u64,
    most: usize,
    gone: &mut dyn FnMut(u64, Mapped),
) -> (usize, u64) {
    let (mut taken, mut at) = (0, first);
    for entry in &table[layout::index(first, 1)..=layout::index(end - 1, 1)] {
        if taken == most {
            break;
        }
        if table::is_present(entry.load(Ordering::Relaxed)) {
            gone(at, mapped(entry.swap(0, Ordering::Relaxed)));
            taken += 1;
        }
        at += layout::PAGE;
    }
    (taken, at)
}

/// Changes what a mapping allows.
pub fn protect(space: Space, addr: u64, access: Access) {
    assert_user(addr);
    let Some((_, table)) = last_table(space, addr) else {
        return;
    };
    let entry = &table[layout::index(addr, 1)];
    let rights = flags(Access::all()) | Flags::USER_ACCESSIBLE | Flags::NO_EXECUTE;
    let changed = entry.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |old| {
        table::is_present(old).then_some(old & !rights.bits() | flags(access).bits())
    });
    if changed.is_ok() {
        flush(space, addr);
    }
}

/// What is mapped at a page.
pub fn query(space: Space, addr: u64) -> Option<Mapped> {
    if !layout::is_lower_half(addr) {
        return None;
    }
    let (_, table) = last_table(space, addr)?;
    let value = table[layout::index(addr, 1)].load(Ordering::Relaxed);
    table::is_present(value).then(|| mapped(value))
}

/// The first mapped page in `[from, end)`.
pub fn next_mapped(space: Space, from: u64, end: u64) -> Option<(u64, Mapped)> {
    let end = end.min(layout::LOWER_HALF_END);
    let mut from = from & !(layout::PAGE - 1);
    if from >= end {
        return None;
    }
    // Mostly the next page is near.
    if let Some((_, table)) = last_table(space, from) {
        let table_end = end.min(layout::next_entry(from, 2));
        while from < table_end {
            let value = table[layout::index(from, 1)].load(Ordering::Relaxed);
            if table::is_present(value) {
                return Some((from, mapped(value)));
            }
            from += layout::PAGE;
        }
        if from == end {
            return None;
        }
    }
    let (addr, value) = first_in(table::table(space.0), 4, from, end)?;
    Some((addr, mapped(value)))
}

/// The entries in use of `table` for addresses from `from` to below `end`, which it spans, each
/// with its first such address and its value.
#[inline]
fn in_use(
    table: &Table,
    level: u32,
    from: u64,
    end: u64,
) -> impl Iterator<Item = (u64, u64, &AtomicU64)> {
    let (first, last) = (layout::index(from, level), layout::index(end - 1, level));
    let base = from & !(layout::span(level) - 1);
    let mut next = first;
    core::iter::from_fn(move || {
        let at = next + table::first_used(table.get(next..=last)?)?;
        next = at + 1;
        let entry = table.get(at)?;
        let addr = base + (at - first) as u64 * layout::span(level);
        Some((addr.max(from), entry.load(Ordering::Relaxed), entry))
    })
}

fn first_in(table: &Table, level: u32, from: u64, end: u64) -> Option<(u64, u64)> {
    for (addr, value, _) in in_use(table, level, from, end) {
        if level == 1 {
            return Some((addr, value));
        }
        if value & COUNT != 0 {
            let below = table::table(table::frame_of(value));
            let end = end.min(layout::next_entry(addr, level));
            let found = first_in(below, level - 1, addr, end);
            if found.is_some() {
                return found;
            }
        }
    }
    None
}

/// Gives back tables without entries; see [`berth_kernel::machine::Machine::trim_tables`].
pub fn trim_tables(
    space: Space,
    from: u64,
    end: u64,
    most: usize,
    free: &mut dyn FnMut(Frame),
) -> bool {
    let end = end.min(layout::LOWER_HALF_END);
    if from >= end {
        return false;
    }
    let mut trim = Trim { left: most, free };
    let more = trim.below(table::table(space.0), None, 4, from, end);
    let current = current() == space.0;
    if current && !more && from == 0 && end >= USER_END {
        // The caller may give up the root table next.
        load(kernel_map::root());
    } else if current && trim.left < most {
        // The processor may remember the tables themselves.
        tlb::flush_all();
    }
    more
}

struct Trim<'a> {
    left: usize,
    free: &'a mut dyn FnMut(Frame),
}

impl Trim<'_> {
    /// Frees empty tables under `table`, whose entries `counter` counts; whether more remain.
    fn below(
        &mut self,
        table: &Table,
        counter: Option<&AtomicU64>,
        level: u32,
        from: u64,
        end: u64,
    ) -> bool {
        for (addr, value, entry) in in_use(table, level, from, end) {
            let frame = table::frame_of(value);
            let end = end.min(layout::next_entry(addr, level));
            if level > 2 && self.below(table::table(frame), Some(entry), level - 1, addr, end) {
                return true;
            }
            if entries_in(entry) == 0 {
                if self.left == 0 {
                    return true;
                }
                self.left -= 1;
                entry.store(0, Ordering::Relaxed);
                count(counter, -1);
                (self.free)(frame);
            }
        }
        false
    }
}

fn entries_in(counter: &AtomicU64) -> usize {
    ((counter.load(Ordering::Relaxed) & COUNT) / ONE) as usize
}

/// Changes a count; the root table has none.
fn count(counter: Option<&AtomicU64>, by: i64) {
    if let Some(counter) = counter {
        counter.fetch_add(ONE.wrapping_mul(by as u64), Ordering::Relaxed);
    }
}

fn flags(access: Access) -> Flags {
    let mut flags = Flags::PRESENT;
    // A page that allows nothing stays mapped, out of user code's reach.
    flags.set(Flags::USER_ACCESSIBLE, !access.is_empty());
    flags.set(Flags::WRITABLE, access.contains(Access::WRITE));
    flags.set(Flags::NO_EXECUTE, !access.contains(Access::EXEC));
    flags
}

fn mapped(entry: u64) -> Mapped {
    let flags = Flags::from_bits_truncate(entry);
    let mut access = Access::empty();
    if flags.contains(Flags::USER_ACCESSIBLE) {
        access |= Access::READ;
        access.set(Access::WRITE, flags.contains(Flags::WRITABLE));
        access.set(Access::EXEC, !flags.contains(Flags::NO_EXECUTE));
    }
    Mapped {
        frame: table::frame_of(entry),
        access,
        dirty: flags.contains(Flags::DIRTY),
    }
}

fn flush(space: Space, addr: u64) {
    if current() == space.0 {
        tlb::flush(VirtAddr::new(addr));
    }
}

fn assert_user(addr: u64) {
    assert!(
        layout::is_lower_half(addr),
        "{addr:#x} is not a user address"
    );
}
