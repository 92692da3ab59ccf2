//! Advisory locks of parts of files (fcntl(2), "Advisory record locking"). They belong to tables
//! of descriptors, and go when such a table closes any descriptor of the file.

use super::{Node, Store};
use crate::error::Errno;
use crate::wait::WaitKey;
use alloc::vec::Vec;

/// Whose a lock is; the caller's names for them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owner {
    /// A table of descriptors.
    pub table: u64,
    /// The process that took it, for who asks.
    pub process: u64,
}

/// A locked part of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    /// Whose.
    pub owner: Owner,
    /// First byte.
    pub start: u64,
    /// First byte behind it; `u64::MAX` for all there will ever be.
    pub end: u64,
    /// To write, else to read.
    pub exclusive: bool,
}

/// Parts of one file that may be locked at once: more are ENOLCK.
const MOST: usize = 1024;

impl Record {
    fn overlaps(&self, other: &Record) -> bool {
        self.start < other.end && other.start < self.end
    }

    fn stands_against(&self, other: &Record) -> bool {
        self.owner.table != other.owner.table
            && self.overlaps(other)
            && (self.exclusive || other.exclusive)
    }
}

/// The lock that stands against `wanted`, if there is one.
pub fn conflict(st: &Store, node: Node, wanted: &Record) -> Option<Record> {
    let held = st.fs.records.get(&node)?;
    held.iter().find(|r| r.stands_against(wanted)).copied()
}

/// Takes a lock that nothing stands against; what its owner had there before is replaced.
///
/// # Errors
/// ENOLCK.
pub fn take(st: &mut Store, node: Node, wanted: Record) -> Result<(), Errno> {
    let held = st.fs.records.entry(node).or_default();
    if held.len() >= MOST {
        return Err(Errno::ENOLCK);
    }
    cut(held, &wanted);
    held.push(wanted);
    // A weaker lock than before lets others in.
    st.waits.wake(WaitKey::Lock(node));
    Ok(())
}

/// Gives up what `part`'s owner has locked of it.
///
/// # Errors
/// ENOLCK when that would leave too many parts.
pub fn forget(st: &mut Store, node: Node, part: &Record) -> Result<(), Errno> {
    let Some(held) = st.fs.records.get_mut(&node) else {
        return Ok(());
    };
    if held.len() >= MOST {
        return Err(Errno::ENOLCK);
    }
    cut(held, part);
    settle(st, node);
    Ok(())
}

/// A table closed a descriptor of this file: its locks go.
pub fn closed(st: &mut Store, node: Node, table: u64) {
    let Some(held) = st.fs.records.get_mut(&node) else {
        return;
    };
    held.retain(|r| r.owner.table != table);
    settle(st, node);
}

fn settle(st: &mut Store, node: Node) {
    if st.fs.records.get(&node).is_some_and(|held| held.is_empty()) {
        st.fs.records.remove(&node);
    }
    st.waits.wake(WaitKey::Lock(node));
}

/// Takes a part out of what its owner has; what is left on both sides stays.
fn cut(held: &mut Vec<Record>, part: &Record) {
    let mut rest = Vec::new();
    held.retain(|old| {
        if old.owner.table != part.owner.table || !old.overlaps(part) {
            return true;
        }
        if old.start < part.start {
            rest.push(Record {
                end: part.start,
                ..*old
            });
        }
        if part.end < old.end {
            rest.push(Record {
                start: part.end,
                ..*old
            });
        }
        false
    });
    held.append(&mut rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(table: u64, start: u64, end: u64) -> Record {
        Record {
            owner: Owner { table, process: 0 },
            start,
            end,
            exclusive: true,
        }
    }

    #[test]
    fn a_part_is_cut_out_of_its_owners_locks_only() {
        let mut held = alloc::vec![record(1, 0, 100), record(2, 0, 100)];
        cut(&mut held, &record(1, 40, 60));
        held.sort_by_key(|r| (r.owner.table, r.start));
        let parts: Vec<_> = held
            .iter()
            .map(|r| (r.owner.table, r.start, r.end))
            .collect();
        assert_eq!(parts, [(1, 0, 40), (1, 60, 100), (2, 0, 100)]);
        cut(&mut held, &record(2, 0, u64::MAX));
        assert_eq!(held.len(), 2);
    }
}
