//! Advisory locks of parts of files (fcntl(2), "Advisory record locking"). They belong to tables
//! of descriptors, and go when such a table closes any descriptor of the file; or to open files.

use super::{FileId, Node, Store};
use crate::error::Errno;
use crate::task::TaskId;
use crate::wait::WaitKey;
use alloc::vec::Vec;

/// Whose a lock is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// A table of descriptors, by the caller's name for it.
    Table(u64),
    /// An open file ("Open file description locks").
    File(FileId),
}

/// A locked part of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    /// Whose.
    pub owner: Owner,
    /// The process that took it, for who asks; 0 for an open file's.
    pub process: u64,
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
        self.owner != other.owner && self.overlaps(other) && (self.exclusive || other.exclusive)
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

/// A table closed a descriptor of this file, or an open file ended: the locks of `owner` go.
pub fn closed(st: &mut Store, node: Node, owner: Owner) {
    let Some(held) = st.fs.records.get_mut(&node) else {
        return;
    };
    let before = held.len();
    held.retain(|r| r.owner != owner);
    if held.len() < before {
        settle(st, node);
    }
}

/// A task that waits for a lock.
#[derive(Clone, Copy, Debug)]
pub struct Waiter {
    /// Of which file.
    pub node: Node,
    /// What it wants.
    pub wanted: Record,
}

/// Owners in a ring that is found out.
const RING_MAX: usize = 64;

/// Notes that a task is going to wait for a lock that `blocker` stands against.
///
/// # Errors
/// EDEADLK when the owner of that waits for this one, or for one who does, and so on.
pub fn wait(st: &mut Store, task: TaskId, waiter: Waiter, blocker: &Record) -> Result<(), Errno> {
    // Those who were interrupted no longer wait.
    let waits = &*st.waits;
    st.fs
        .lock_waiters
        .retain(|task, w| waits.waits_for(*task, WaitKey::Lock(w.node)));
    let mut owner = blocker.owner;
    for _ in 0..RING_MAX {
        if owner == waiter.wanted.owner {
            return Err(Errno::EDEADLK);
        }
        let next = st
            .fs
            .lock_waiters
            .values()
            .find(|w| w.wanted.owner == owner);
        match next.and_then(|w| conflict(st, w.node, &w.wanted)) {
            Some(record) => owner = record.owner,
            None => break,
        }
    }
    st.fs.lock_waiters.insert(task, waiter);
    Ok(())
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
        if old.owner != part.owner || !old.overlaps(part) {
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
            owner: Owner::Table(table),
            process: 0,
            start,
            end,
            exclusive: true,
        }
    }

    #[test]
    fn a_part_is_cut_out_of_its_owners_locks_only() {
        let mut held = alloc::vec![record(1, 0, 100), record(2, 0, 100)];
        cut(&mut held, &record(1, 40, 60));
        held.sort_by_key(|r| (r.owner == Owner::Table(2), r.start));
        let parts: Vec<_> = held.iter().map(|r| (r.owner, r.start, r.end)).collect();
        let (one, other) = (Owner::Table(1), Owner::Table(2));
        assert_eq!(parts, [(one, 0, 40), (one, 60, 100), (other, 0, 100)]);
        cut(&mut held, &record(2, 0, u64::MAX));
        assert_eq!(held.len(), 2);
    }
}
