//! Mount namespaces (mount_namespaces(7)). Their trees are the file system's.

use super::{MountNs, MountNsId};
use crate::Kernel;
use crate::arena::Held;
use crate::cgroup::GroupId;
use crate::error::{Errno, Stop};

/// A copy of a mount namespace with its whole tree, paid for by `group`.
///
/// # Errors
/// EINVAL when `from` is gone; no memory.
pub fn copy(k: &mut Kernel, from: MountNsId, group: GroupId) -> Result<Held<MountNsId>, Stop> {
    k.ns.mount.get(from).ok_or(Errno::EINVAL)?;
    let charge = super::charge::<MountNsId, MountNs>(k, group)?;
    k.groups.give_back(charge);
    Err(Errno::EINVAL.into())
}

/// Gives a reference back; the last one detaches the tree.
pub fn release(k: &mut Kernel, held: Held<MountNsId>) {
    if let Some((ns, charge)) = k.ns.mount.release(held) {
        core::mem::forget(ns.root);
        k.groups.give_back(charge);
    }
}
