//! Where everything is: memory at fixed addresses, so that a program of calls is numbers and nothing else.

use crate::Kind;
use crate::records::{RECORDS, TEXTS};

/// Bytes in a page.
pub const PAGE: u64 = 4096;

/// Where the furnished memory begins, which can be read and written.
pub const BASE: u64 = 0x1000_0000;
/// Its size in bytes; behind it a page is missing.
pub const SIZE: u64 = 0x1_0000;

/// A page that can only be read, with nothing before and behind it.
pub const READ_ONLY: u64 = BASE + SIZE + PAGE;
/// Pages that all processes share.
pub const SHARED: u64 = READ_ONLY + 2 * PAGE;
/// Bytes of them; a page follows that nobody may touch.
pub const SHARED_SIZE: u64 = 4 * PAGE;
/// The page that nobody may touch.
pub const FORBIDDEN: u64 = SHARED + SHARED_SIZE;
/// A page of code: a signal handler, and at [`RESTORER`] what returns from it.
pub const CODE: u64 = FORBIDDEN + 2 * PAGE;
/// See [`CODE`].
pub const RESTORER: u64 = CODE + 16;
/// Nothing, where programs may map pages; as large as [`SIZE`].
pub const NOTHING: u64 = 0x1100_0000;

/// What [`CODE`] holds: `ret`, and `mov eax, 15; syscall` (rt_sigreturn).
pub const CODE_BYTES: &[u8] =
    b"\xc3\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xb8\x0f\0\0\0\x0f\x05";

/// The parts of the furnished memory: what calls write to, texts, records, configurations, a path without an end, bytes.
pub(crate) const SCRATCH: u64 = BASE;
const TEXTS_AT: u64 = BASE + 0x1000;
const RECORDS_AT: u64 = BASE + 0x2000;
pub(crate) const CONFIGS: u64 = BASE + 0x7000;
pub(crate) const ENDLESS: u64 = BASE + 0x8000;
pub(crate) const BYTES: u64 = BASE + 0xa000;

/// Bytes that a text, a record and a configuration have to themselves.
const TEXT: u64 = 64;
const RECORD: u64 = 128;
pub(crate) const CONFIG: u64 = 512;

/// The address of a text.
pub(crate) const fn text(index: usize) -> u64 {
    TEXTS_AT + TEXT * index as u64
}

/// The address of a record.
pub(crate) const fn record(index: usize) -> u64 {
    RECORDS_AT + RECORD * index as u64
}

/// The address of a configuration.
pub(crate) const fn config(index: usize) -> u64 {
    CONFIGS + CONFIG * index as u64
}

/// The address of one of the records of a kind; `None` for a kind that is no record.
pub(crate) fn record_of(kind: Kind, chance: u64) -> Option<u64> {
    let of_kind = || (0..).zip(RECORDS).filter(|(_, line)| line.0 == kind);
    let count = of_kind().count() as u64;
    let index = usize::try_from(chance.checked_rem(count)?).ok()?;
    of_kind().nth(index).map(|(index, _)| record(index))
}

/// Fills the furnished memory: `put` stores bytes at an address.
pub fn furnish(mut put: impl FnMut(u64, &[u8])) {
    for (index, bytes) in TEXTS.iter().enumerate() {
        put(text(index), bytes);
    }
    for (index, (_, words)) in RECORDS.iter().enumerate() {
        for (at, word) in (record(index)..).step_by(8).zip(*words) {
            put(at, &word.to_le_bytes());
        }
    }
    for (index, bytes) in crate::records::CONFIG_TEXTS.iter().enumerate() {
        put(config(index), bytes.as_bytes());
    }
    for at in (ENDLESS..ENDLESS + PAGE).step_by(2) {
        put(at, b"a/");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_lies_on_something_else() {
        assert!(text(TEXTS.len()) <= RECORDS_AT);
        assert!(record(RECORDS.len()) <= CONFIGS);
        assert!(config(crate::records::CONFIG_TEXTS.len()) <= ENDLESS);
        assert!(TEXTS.iter().all(|text| text.len() <= TEXT as usize));
        assert!(
            RECORDS
                .iter()
                .all(|line| line.1.len() <= RECORD as usize / 8)
        );
        let mut end = BASE;
        furnish(|at, bytes| {
            assert!(at >= end, "{at:#x} is taken");
            end = at + bytes.len() as u64;
        });
        assert!(end <= BYTES && BYTES < BASE + SIZE);
    }

    #[test]
    fn every_kind_of_record_that_the_table_names_exists() {
        let kinds = crate::CALLS.iter().flat_map(|line| line.2);
        for kind in kinds {
            let is_record = record_of(*kind, 7).is_some();
            assert_eq!(is_record, crate::value::is_record(*kind), "{kind:?}");
        }
    }
}
