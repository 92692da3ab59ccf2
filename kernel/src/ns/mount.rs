//! Mount namespaces (mount_namespaces(7)). Their trees are the file system's.

use super::{MountNs, MountNsId};
use crate::Kernel;
use crate::arena::Held;
use crate::cgroup::GroupId;
use crate::error::{Errno, Stop};
use crate::fs::mount::{self, Map};
use crate::fs::path::translate;
use crate::fs::{self, Access, Actor, HeldPos, MountId, Pos, Store, Time};
use crate::task::{FsContextId, TaskId};

/// A copy of a mount namespace with its whole tree, paid for by `group`. Who moves into it has
/// to [`move_context`].
///
/// # Errors
/// EINVAL when `from` is gone; no memory.
pub fn copy(k: &mut Kernel, from: MountNsId, group: GroupId) -> Result<Held<MountNsId>, Stop> {
    let root = k.ns.mount.get(from).ok_or(Errno::EINVAL)?.root.key();
    let charge = super::charge::<MountNsId, MountNs>(k, group)?;
    let actor = kernel(group);
    match mount::copy_tree(&mut Store::of(k), &actor, root) {
        Ok((root, copied)) => {
            let inum = k.ns.next_inum();
            let ns = MountNs { root, inum, copied };
            Ok(k.ns.mount.insert(ns, charge))
        }
        Err(stop) => {
            k.groups.give_back(charge);
            Err(stop)
        }
    }
}

/// A mount namespace around a tree that exists already (a container's), paid for by `group`.
/// Takes the tree apart on failure.
///
/// # Errors
/// No memory.
pub fn with_root(
    k: &mut Kernel,
    root: Held<MountId>,
    group: GroupId,
) -> Result<Held<MountNsId>, Stop> {
    let charge = match super::charge::<MountNsId, MountNs>(k, group) {
        Ok(charge) => charge,
        Err(stop) => {
            Store::of(k).release_tree(root);
            return Err(stop);
        }
    };
    let ns = MountNs {
        root,
        inum: k.ns.next_inum(),
        copied: Map::new(),
    };
    Ok(k.ns.mount.insert(ns, charge))
}

/// Gives a reference back; the last one takes the tree apart.
pub fn release(k: &mut Kernel, held: Held<MountNsId>) {
    if let Some((ns, charge)) = k.ns.mount.release(held) {
        k.groups.give_back(charge);
        k.fs.set_tree(ns.root.key(), 0);
        Store::of(k).release_tree(ns.root);
    }
}

/// Who makes mounts that no program asked for.
pub(super) fn kernel(group: GroupId) -> Actor<'static> {
    Actor {
        access: Access::KERNEL,
        group,
        now: Time::default(),
    }
}

/// Moves a root and working directory into a namespace that was copied for their process, once.
/// Nothing happens when the namespace is no fresh copy.
pub fn move_context(k: &mut Kernel, ns: MountNsId, context: FsContextId) {
    let Some(map) =
        k.ns.mount
            .get_mut(ns)
            .map(|ns| core::mem::take(&mut ns.copied))
    else {
        return;
    };
    let Some(here) = k.tasks.contexts.get(context) else {
        return;
    };
    let root = translate(&map, here.root.pos());
    let cwd = translate(&map, here.cwd.pos());
    // The copies exist, as nobody could change the tree yet; a place that is gone stays as it was.
    if let Err(e) = place_context(k, context, root, cwd) {
        log::warn!(target: "ns", "a copied mount namespace lacks a directory of its process: {e}");
    }
}

/// Puts a root and working directory somewhere.
///
/// # Errors
/// ENOENT when a place is gone; nothing has changed then.
pub fn place_context(
    k: &mut Kernel,
    context: FsContextId,
    root: Pos,
    cwd: Pos,
) -> Result<(), Errno> {
    let root = k.fs.hold_pos(root).ok_or(Errno::ENOENT)?;
    let Some(cwd) = k.fs.hold_pos(cwd) else {
        fs::release_pos(k, root);
        return Err(Errno::ENOENT);
    };
    let (old_root, old_cwd): (HeldPos, HeldPos) = match k.tasks.contexts.get_mut(context) {
        Some(here) => (
            core::mem::replace(&mut here.root, root),
            core::mem::replace(&mut here.cwd, cwd),
        ),
        None => (root, cwd),
    };
    fs::release_pos(k, old_root);
    fs::release_pos(k, old_cwd);
    Ok(())
}

/// The mount namespace a task is in.
pub fn of_task(k: &Kernel, task: TaskId) -> Option<MountNsId> {
    Some(k.tasks.tasks.get(task)?.ns.as_ref()?.mount.key())
}
