//! Where things are in the kernel's half of an address space, and the arithmetic of page indices.
//!
//! The top-level entries of this half are made at boot and never change, so that a new address
//! space takes part in the kernel's mappings by copying them.

/// The direct map: all of the machine's memory but the kernel's image, writable, not executable.
pub const DIRECT: u64 = 0xffff_8000_0000_0000;
/// Bytes of the direct map: what one top-level entry spans. Memory above is left alone.
pub const DIRECT_BYTES: u64 = 512 << 30;
/// The kernel's heap grows upwards from here.
pub const HEAP: u64 = 0xffff_8800_0000_0000;
/// Bytes that the heap may take.
pub const HEAP_BYTES: u64 = 64 << 30;
/// Pages of device registers, uncached.
pub const DEVICES: u64 = 0xffff_9000_0000_0000;
/// The kernel's image: linked here, loaded at the same distance from address 0.
pub const IMAGE: u64 = 0xffff_ffff_8000_0000;

/// End of the lower half; addresses from here to [`DIRECT`] are not canonical.
pub const LOWER_HALF_END: u64 = 0x0000_8000_0000_0000;

/// Bytes in a page.
pub const PAGE: u64 = 4096;
/// Entries in a table.
pub const ENTRIES: usize = 512;

/// The index of `addr` in a table of `level` (1 for the last level, 4 for the root).
pub const fn index(addr: u64, level: u32) -> usize {
    ((addr >> (12 + 9 * (level - 1))) & 0x1ff) as usize
}

/// Bytes that one entry of a table of `level` spans.
pub const fn span(level: u32) -> u64 {
    1 << (12 + 9 * (level - 1))
}

/// The first address after the entry of `level` that holds `addr`.
pub const fn next_entry(addr: u64, level: u32) -> u64 {
    (addr & !(span(level) - 1)).saturating_add(span(level))
}

/// Whether user code could be at `addr` at all.
pub const fn is_lower_half(addr: u64) -> bool {
    addr < LOWER_HALF_END
}

/// Whether bits 47 to 63 of an address are equal, as the processor demands.
pub const fn is_canonical(addr: u64) -> bool {
    addr < LOWER_HALF_END || addr >= DIRECT
}

/// The largest page (its level: 1 is 4 KiB, 2 is 2 MiB, 3 is 1 GiB) that can map `phys` at `virt`
/// without reaching past `len` bytes; at most `largest`.
pub fn page_level(virt: u64, phys: u64, len: u64, largest: u32) -> u32 {
    let fits = |level: u32| {
        let mask = span(level) - 1;
        virt & mask == 0 && phys & mask == 0 && len >= span(level)
    };
    (2..=largest).rev().find(|&level| fits(level)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_name_the_same_page_as_the_address() {
        let addr = 0x0000_7fff_1234_5678_u64;
        let rebuilt = (1..=4).fold(addr & 0xfff, |sum, level| {
            sum | (index(addr, level) as u64) << (12 + 9 * (level - 1))
        });
        assert_eq!(rebuilt, addr);
        assert_eq!(index(IMAGE, 4), 511);
        assert_eq!(index(DIRECT, 4), 256);
    }

    #[test]
    fn regions_of_the_kernel_do_not_share_a_top_level_entry() {
        let mut tops = [DIRECT, HEAP, DEVICES, IMAGE]
            .map(|addr| index(addr, 4))
            .to_vec();
        tops.dedup();
        assert_eq!(tops, [256, 272, 288, 511]);
        assert_eq!(index(DIRECT + DIRECT_BYTES - 1, 4), 256);
        assert_eq!(index(HEAP + HEAP_BYTES - 1, 4), 272);
    }

    #[test]
    fn the_next_entry_starts_where_this_one_ends() {
        assert_eq!(next_entry(0x1234, 1), 0x2000);
        assert_eq!(next_entry(0x2000, 1), 0x3000);
        assert_eq!(next_entry(0x20_1234, 2), 0x40_0000);
        assert_eq!(next_entry(0x7fff_ffff_f000, 4), LOWER_HALF_END);
        assert_eq!(next_entry(u64::MAX, 4), u64::MAX);
    }

    #[test]
    fn canonical_addresses_are_in_one_of_the_halves() {
        assert!(is_canonical(0) && is_canonical(LOWER_HALF_END - 1));
        assert!(is_canonical(DIRECT) && is_canonical(u64::MAX));
        assert!(!is_canonical(LOWER_HALF_END) && !is_canonical(DIRECT - 1));
    }

    #[test]
    fn large_pages_are_used_only_where_both_sides_are_aligned() {
        assert_eq!(page_level(DIRECT, 0, 4 << 30, 3), 3);
        assert_eq!(page_level(DIRECT, 0, 4 << 30, 2), 2);
        assert_eq!(page_level(DIRECT + PAGE, PAGE, 4 << 30, 3), 1);
        assert_eq!(page_level(HEAP, 0x20_0000, 0x1f_ffff, 3), 1);
        assert_eq!(page_level(HEAP, 0x20_1000, 4 << 20, 3), 1);
    }
}
