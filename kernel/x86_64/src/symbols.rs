//! Names for addresses in a backtrace.
//!
//! The linker script reserves the section `.berth.symbols`; the build fills it after linking
//! (`tools/xtask/src/symbols.rs`). All numbers are little-endian `u32`:
//!
//! | what | bytes |
//! |---|---|
//! | `BERTHSYM` | 8 |
//! | `count`, the number of functions | 4 |
//! | `count` entries: address, name | 8 each |
//! | one more entry: end of the last function, length of the names | 8 |
//! | the names, demangled, UTF-8, without separators | |
//!
//! An address is counted from the start of the top 2 GiB ([`crate::layout::IMAGE`]); entries ascend by address.
//! `name` is where the name starts among the names; it ends where the next entry's starts.

/// The first bytes of a filled section.
pub const MAGIC: &[u8; 8] = b"BERTHSYM";

/// A view of the section's bytes.
#[derive(Clone, Copy)]
pub struct Symbols<'a> {
    /// `count` + 1 entries of [`ENTRY`] bytes.
    entries: &'a [u8],
    names: &'a [u8],
}

/// Bytes in an entry.
const ENTRY: usize = 8;

impl<'a> Symbols<'a> {
    /// The table in `section`; `None` if it was not filled or does not fit.
    pub fn parse(section: &'a [u8]) -> Option<Self> {
        let rest = section.strip_prefix(MAGIC)?;
        let (count, rest) = rest.split_first_chunk()?;
        let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
        let bytes = count.checked_add(1)?.checked_mul(ENTRY)?;
        let (entries, names) = rest.split_at_checked(bytes)?;
        Some(Self { entries, names })
    }

    /// The function that holds `address` (counted as in the table) and how far into it that is.
    pub fn find(&self, address: u32) -> Option<(&'a str, u32)> {
        let (mut low, mut high) = (0, self.entries.len() / ENTRY);
        while low < high {
            let middle = low.midpoint(high);
            if self.entry(middle)?.0 <= address {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let (start, name) = self.entry(low.checked_sub(1)?)?;
        let (_, name_end) = self.entry(low)?;
        let name = self.names.get(name as usize..name_end as usize)?;
        Some((core::str::from_utf8(name).ok()?, address - start))
    }

    /// Address and start of the name.
    fn entry(&self, index: usize) -> Option<(u32, u32)> {
        let (address, rest) = self.entries.get(index * ENTRY..)?.split_first_chunk()?;
        let (name, _) = rest.split_first_chunk()?;
        Some((u32::from_le_bytes(*address), u32::from_le_bytes(*name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(functions: &[(u32, &str)], end: u32) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend((functions.len() as u32).to_le_bytes());
        let mut names = String::new();
        for (address, name) in functions {
            bytes.extend(address.to_le_bytes());
            bytes.extend((names.len() as u32).to_le_bytes());
            names += name;
        }
        bytes.extend(end.to_le_bytes());
        bytes.extend((names.len() as u32).to_le_bytes());
        bytes.extend(names.as_bytes());
        bytes
    }

    #[test]
    fn addresses_find_their_function() {
        let bytes = table(&[(0x100, "first"), (0x180, "second::part")], 0x200);
        let symbols = Symbols::parse(&bytes).unwrap();
        assert_eq!(symbols.find(0x100), Some(("first", 0)));
        assert_eq!(symbols.find(0x17f), Some(("first", 0x7f)));
        assert_eq!(symbols.find(0x1ff), Some(("second::part", 0x7f)));
        assert_eq!(symbols.find(0xff), None);
        assert_eq!(symbols.find(0x200), None);
    }

    #[test]
    fn an_unfilled_or_broken_section_has_no_names() {
        assert!(Symbols::parse(&[0; 64]).is_none());
        assert!(Symbols::parse(b"BERTHSYM").is_none());
        assert!(Symbols::parse(b"BERTHSYM\xff\xff\xff\xff").is_none());
        let mut bytes = table(&[(0x100, "first")], 0x200);
        bytes.truncate(bytes.len() - 1);
        assert_eq!(Symbols::parse(&bytes).unwrap().find(0x100), None);
    }
}
