//! Changing the root of a tree of mounts (pivot_root(2)).

use super::walk::Views;
use super::{Fs, MountId, Pos, Store, mount};
use crate::arena::Held;
use crate::error::Errno;

/// A change of root that was found to be possible; commit it before anything else happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pivot {
    root: Pos,
    new: Pos,
    old: Pos,
}

/// Checks that the mount at `new` can become the one at `root`, and that one go to `old`.
/// `ns_root` is the root of the tree.
///
/// Unlike Linux this also works when `root` is the root of the tree: the initial file system can
/// be left without a detour.
///
/// # Errors
/// EINVAL when `root` or `new` is not the root of a mount, is of another tree, or `old` is not
/// below `new`, or `new` not below `root`; EBUSY when `new` or `old` are on the old root's mount;
/// ENOTDIR, ENOENT.
pub fn plan(
    fs: &Fs,
    views: &dyn Views,
    ns_root: MountId,
    root: Pos,
    new: Pos,
    old: Pos,
) -> Result<Pivot, Errno> {
    let old = mount::place(fs, views, new.node, old, 0)?;
    let tree = fs.mount(ns_root)?.tree;
    let is_root = |pos: Pos| fs.root_of(pos.mount) == Ok(pos);
    if [root, new, old]
        .iter()
        .any(|p| fs.mount(p.mount).map(|m| m.tree) != Ok(tree))
    {
        return Err(Errno::EINVAL);
    }
    if new.mount == root.mount || old.mount == root.mount {
        return Err(Errno::EBUSY);
    }
    let top_has_no_place = fs.mount(root.mount)?.parent.is_none() && root.mount != ns_root;
    let reachable = fs.is_reachable(views, old, new) && fs.is_reachable(views, new, root);
    if !is_root(root) || !is_root(new) || top_has_no_place || !reachable {
        return Err(Errno::EINVAL);
    }
    Ok(Pivot { root, new, old })
}

/// Changes the root. `ns_root` is what the mount namespace keeps; it changes when the root of the
/// whole tree does.
pub fn commit(st: &mut Store, ns_root: &mut Held<MountId>, pivot: Pivot) {
    let Some((new, at)) = st.unhook(pivot.new.mount) else {
        return;
    };
    st.release_pos(at);
    let old = match st.unhook(pivot.root.mount) {
        Some((old, place)) => {
            // The new root takes the place of the old one.
            rehook(st, new, place.pos());
            st.release_pos(place);
            old
        }
        None => core::mem::replace(ns_root, new),
    };
    rehook(st, old, pivot.old);
}

fn rehook(st: &mut Store, mount: Held<MountId>, at: Pos) {
    if let Err(lost) = st.hook(mount, at) {
        st.release_tree(lost);
    }
}

/// Where a mount would go that is moved to another place of its tree (MS_MOVE).
///
/// # Errors
/// EINVAL for the root of a tree; ELOOP when the place is on the mount itself; ENOTDIR, ENOENT.
pub fn plan_move(fs: &Fs, views: &dyn Views, id: MountId, to: Pos) -> Result<Pos, Errno> {
    let root = fs.root_of(id)?;
    if fs.mount(id)?.parent.is_none() {
        return Err(Errno::EINVAL);
    }
    let to = mount::place(fs, views, root.node, to, 0)?;
    match fs.is_reachable(views, to, root) {
        true => Err(Errno::ELOOP),
        false => Ok(to),
    }
}

/// Moves a mount, with what is on it, where [`plan_move`] said.
pub fn move_mount(st: &mut Store, id: MountId, to: Pos) {
    if let Some((held, from)) = st.unhook(id) {
        rehook(st, held, to);
        st.release_pos(from);
    }
}
