//! Changing the root of a tree of mounts (pivot_root(2)).

use super::walk::Views;
use super::{Fs, MountId, Pos, Store, mount};
use crate::arena::Held;
use crate::error::Errno;

/// Makes the mount at `new` the one at `root`, and moves that to `old`. `ns_root` is what the
/// mount namespace keeps; it changes when the root of the whole tree does.
///
/// Unlike Linux this also works when `root` is the root of the tree: the initial file system can
/// be left without a detour.
///
/// # Errors
/// EINVAL when `root` or `new` is not the root of a mount, is of another tree, or `old` is not
/// below `new`, or `new` not below `root`; EBUSY when `new` or `old` are on the old root's mount;
/// ENOTDIR, ENOENT.
pub fn pivot_root(
    st: &mut Store,
    views: &dyn Views,
    ns_root: &mut Held<MountId>,
    root: Pos,
    new: Pos,
    old: Pos,
) -> Result<(), Errno> {
    let old = mount::place(st.fs, views, new.node, old, 0)?;
    check(st.fs, views, ns_root.key(), root, new, old)?;
    let Some((new_held, at)) = st.unhook(new.mount) else {
        return Err(Errno::EINVAL);
    };
    st.release_pos(at);
    let old_held = match st.unhook(root.mount) {
        Some((old_held, root_at)) => {
            // The new root takes the place of the old one.
            let place = root_at.pos();
            if let Err(lost) = st.hook(new_held, place) {
                st.release_tree(lost);
            }
            st.release_pos(root_at);
            old_held
        }
        None => core::mem::replace(ns_root, new_held),
    };
    if let Err(lost) = st.hook(old_held, old) {
        st.release_tree(lost);
    }
    Ok(())
}

fn check(
    fs: &Fs,
    views: &dyn Views,
    ns_root: MountId,
    root: Pos,
    new: Pos,
    old: Pos,
) -> Result<(), Errno> {
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
    Ok(())
}
