//! Advisory locks of whole files (flock(2)); they belong to open files.

use super::{FileId, Node, Store};
use crate::error::Errno;
use crate::wait::WaitKey;
use alloc::vec::Vec;

/// The locks on one file.
#[derive(Debug, Default)]
pub struct Locks {
    holders: Vec<FileId>,
    exclusive: bool,
}

/// Takes a lock for an open file, or changes the one it has; false when others stand against it
/// (a lock it had before is lost then, as flock(2) warns).
///
/// # Errors
/// ENOLCK without memory.
pub fn take(st: &mut Store, file: FileId, node: Node, exclusive: bool) -> Result<bool, Errno> {
    forget(st, file, node);
    let locks = st.fs.locks.entry(node).or_default();
    let free = locks.holders.is_empty() || !(locks.exclusive || exclusive);
    if free {
        locks.holders.try_reserve(1).map_err(|_| Errno::ENOLCK)?;
        locks.holders.push(file);
        locks.exclusive = exclusive;
    }
    Ok(free)
}

/// Gives up what an open file has locked, and tells those who wait.
pub fn forget(st: &mut Store, file: FileId, node: Node) {
    let Some(locks) = st.fs.locks.get_mut(&node) else {
        return;
    };
    let before = locks.holders.len();
    locks.holders.retain(|holder| *holder != file);
    if locks.holders.len() == before {
        return;
    }
    if locks.holders.is_empty() {
        st.fs.locks.remove(&node);
    }
    st.waits.wake(WaitKey::Lock(node));
}
