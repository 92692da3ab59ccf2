//! Mounts: file system instances put into a tree (mount(2), mount_namespaces(7)).
//!
//! What is mounted where is one table, `Fs::mounted`, by position; its entries keep the mounts
//! alive. The mount at the root of a tree is kept by its mount namespace. A mount on a file with
//! several names covers all of them, as positions are inodes and not names.

use super::rename::is_below;
use super::walk::Views;
use super::{Actor, Fs, HeldNode, HeldPos, MountId, Node, Pos, Store, SuperId};
use crate::arena::{Arena, Held};
use crate::error::{Errno, Stop};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

bitflags::bitflags! {
    /// What is forbidden below a mount, with the values of mount(2).
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct MountFlags: u32 {
        /// Nothing may change.
        const RDONLY = linux::MS_RDONLY;
        /// Set-id bits and file capabilities count nothing.
        const NOSUID = linux::MS_NOSUID;
        /// Devices cannot be opened.
        const NODEV = linux::MS_NODEV;
        /// Programs cannot be run.
        const NOEXEC = linux::MS_NOEXEC;
        /// Symbolic links are not followed.
        const NOSYMFOLLOW = linux::MS_NOSYMFOLLOW;
        /// Access times stay.
        const NOATIME = linux::MS_NOATIME;
        /// Access times of directories stay.
        const NODIRATIME = linux::MS_NODIRATIME;
        /// Access times change only when they are older than the others, or than a day.
        const RELATIME = linux::MS_RELATIME;
    }
}

/// A mount.
#[derive(Debug)]
pub struct Mount {
    /// The instance it shows.
    pub sb: Held<SuperId>,
    /// The part of the instance that it shows.
    pub root: HeldNode,
    /// Where it is attached; `None` at the root of a tree and when detached.
    pub parent: Option<HeldPos>,
    /// The tree (mount namespace) it belongs to; 0 when detached.
    pub tree: u32,
    /// What is forbidden.
    pub flags: MountFlags,
    /// What mount(2) was given as its source.
    pub source: Vec<u8>,
    /// Its number in mountinfo.
    pub id: u32,
}

/// Mounts in one tree at the most: every operation on a tree stays short.
pub const MOUNT_MAX: u32 = 2048;

const LOWEST: Node = Node::Inode(super::InodeId::LOWEST);

impl Fs {
    /// A mount.
    ///
    /// # Errors
    /// EINVAL when it is gone.
    pub fn mount(&self, id: MountId) -> Result<&Mount, Errno> {
        self.mounts.get(id).ok_or(Errno::EINVAL)
    }

    /// The instance of a mount.
    ///
    /// # Errors
    /// EINVAL when it is gone.
    pub fn super_of(&self, id: MountId) -> Result<&super::superblock::Super, Errno> {
        self.supers
            .get(self.mount(id)?.sb.key())
            .ok_or(Errno::EINVAL)
    }

    /// What is mounted directly on this mount, and where.
    pub fn children(&self, id: MountId) -> impl Iterator<Item = (Pos, MountId)> + '_ {
        let from = Pos {
            mount: id,
            node: LOWEST,
        };
        self.mounted
            .range(from..)
            .take_while(move |(at, _)| at.mount == id)
            .map(|(at, child)| (*at, child.key()))
    }

    /// The position that is seen at `pos`: the root of what is mounted there last.
    pub fn cover(&self, mut pos: Pos) -> Pos {
        loop {
            if let Node::Inode(id) = pos.node {
                if self.inodes.get(id).is_none_or(|inode| inode.mounted == 0) {
                    return pos;
                }
            }
            let Some(mount) = self.mounted.get(&pos) else {
                return pos;
            };
            let Some(top) = self.mounts.get(mount.key()) else {
                return pos;
            };
            pos = Pos {
                mount: mount.key(),
                node: top.root.node(),
            };
        }
    }

    /// The root of a mount.
    ///
    /// # Errors
    /// EINVAL when it is gone.
    pub fn root_of(&self, id: MountId) -> Result<Pos, Errno> {
        Ok(Pos {
            mount: id,
            node: self.mount(id)?.root.node(),
        })
    }

    /// Whether files on this mount may change.
    ///
    /// # Errors
    /// EROFS.
    pub fn writable(&self, id: MountId) -> Result<(), Errno> {
        let mount = self.mount(id)?;
        if mount.flags.contains(MountFlags::RDONLY) || self.super_of(id)?.readonly {
            return Err(Errno::EROFS);
        }
        Ok(())
    }

    /// A number for a new tree of mounts.
    pub fn new_tree(&mut self) -> u32 {
        self.last_tree += 1;
        self.last_tree
    }

    /// Every mount of the tree below (and with) `top`, parents before their children.
    pub fn subtree(&self, top: MountId) -> Vec<MountId> {
        let mut all = alloc::vec![top];
        let mut next = 0;
        while let Some(&mount) = all.get(next) {
            all.extend(self.children(mount).map(|(_, child)| child));
            next += 1;
        }
        all
    }

    /// Makes a mount and everything on it belong to a tree.
    pub fn set_tree(&mut self, top: MountId, tree: u32) {
        for id in self.subtree(top) {
            let Some(mount) = self.mounts.get_mut(id) else {
                continue;
            };
            let old = core::mem::replace(&mut mount.tree, tree);
            self.count(old, false);
            self.count(tree, true);
        }
    }

    fn count(&mut self, tree: u32, one_more: bool) {
        if tree == 0 {
            return;
        }
        let count = self.trees.entry(tree).or_insert(0);
        *count = if one_more {
            count.saturating_add(1)
        } else {
            count.saturating_sub(1)
        };
        if *count == 0 {
            self.trees.remove(&tree);
        }
    }

    /// Whether `pos` can be reached from `root` by walking down.
    pub fn is_reachable(&self, views: &dyn Views, mut pos: Pos, root: Pos) -> bool {
        while pos.mount != root.mount {
            let Some(parent) = self.mounts.get(pos.mount).and_then(|m| m.parent.as_ref()) else {
                return false;
            };
            pos = parent.pos();
        }
        self.node_is_below(views, pos.node, root.node)
    }

    /// Whether a node is `above`, or below it in its file system.
    pub fn node_is_below(&self, views: &dyn Views, node: Node, above: Node) -> bool {
        match (node, above) {
            (Node::Inode(node), Node::Inode(above)) => is_below(self, node, above),
            (Node::View(mut node), Node::View(above)) => loop {
                if node == above {
                    return true;
                }
                match views.parent(node) {
                    Some(parent) => node = parent,
                    None => return false,
                }
            },
            _ => false,
        }
    }

    /// Whether a node is a directory.
    ///
    /// # Errors
    /// ENOENT when it is gone.
    pub fn is_dir(&self, views: &dyn Views, node: Node) -> Result<bool, Errno> {
        Ok(match node {
            Node::Inode(id) => self.inode(id)?.is_dir(),
            Node::View(view) => views.mode(view)?.0 & linux::S_IFMT == linux::S_IFDIR,
        })
    }
}

/// A mount of an instance, not attached yet; shows `root` and below. Gives `sb` back on failure.
///
/// # Errors
/// No memory; ENOENT when `root` is gone.
pub fn new(
    st: &mut Store,
    actor: &Actor,
    sb: Held<SuperId>,
    root: Node,
    flags: MountFlags,
    source: &[u8],
) -> Result<Held<MountId>, Stop> {
    let cost = Arena::<MountId, Mount>::COST + source.len() as u32 + 128;
    let charge = match st.groups.charge(actor.group, cost) {
        Ok(charge) => charge,
        Err(no_mem) => {
            st.release_super(sb);
            return Err(no_mem.into());
        }
    };
    let Some(root) = st.fs.hold_node(root) else {
        st.release_super(sb);
        st.groups.give_back(charge);
        return Err(Errno::ENOENT.into());
    };
    st.fs.last_mount += 1;
    let mount = Mount {
        sb,
        root,
        parent: None,
        tree: 0,
        flags,
        source: source.into(),
        id: st.fs.last_mount,
    };
    Ok(st.fs.mounts.insert(mount, charge))
}

/// A mount of the whole of an instance, not attached yet. Gives `sb` back on failure.
///
/// # Errors
/// As [`new`].
pub fn whole(
    st: &mut Store,
    actor: &Actor,
    sb: Held<SuperId>,
    flags: MountFlags,
    source: &[u8],
) -> Result<Held<MountId>, Stop> {
    match st.fs.supers.get(sb.key()).map(|s| s.root()) {
        Some(root) => new(st, actor, sb, root, flags, source),
        None => {
            st.release_super(sb);
            Err(Errno::ENOENT.into())
        }
    }
}

/// Where a mount whose root is `root` would be attached when asked for `at`: on top of what is
/// there already.
///
/// # Errors
/// ENOTDIR when one is a directory and the other not; ENOENT; ENOSPC when the tree is full;
/// EINVAL when `at` is detached.
pub fn place(fs: &Fs, views: &dyn Views, root: Node, at: Pos, more: u32) -> Result<Pos, Errno> {
    let at = fs.cover(at);
    let tree = fs.mount(at.mount)?.tree;
    if fs.is_dir(views, root)? != fs.is_dir(views, at.node)? {
        return Err(Errno::ENOTDIR);
    }
    if let Node::Inode(id) = at.node {
        if fs.inode(id)?.nlink == 0 {
            return Err(Errno::ENOENT);
        }
    }
    let count = fs.trees.get(&tree).copied().unwrap_or(0);
    if count.saturating_add(more) > MOUNT_MAX {
        return Err(Errno::ENOSPC);
    }
    Ok(at)
}

/// Attaches a mount (with what is on it) where [`place`] said; gives it back if that is gone.
pub fn attach(st: &mut Store, mount: Held<MountId>, at: Pos) {
    let tree = st.fs.mounts.get(at.mount).map_or(0, |m| m.tree);
    let id = mount.key();
    match st.hook(mount, at) {
        Ok(()) => st.fs.set_tree(id, tree),
        Err(mount) => st.release_tree(mount),
    }
}

/// What is mounted directly on the mount of `source`, there or below.
///
/// # Errors
/// EINVAL when the mount is gone.
pub fn below(fs: &Fs, views: &dyn Views, source: Pos) -> Result<Vec<MountId>, Errno> {
    // Nothing is outside of the root of a mount.
    let whole = fs.root_of(source.mount)? == source;
    let children = fs.children(source.mount);
    let inside = children.filter(|(at, _)| whole || fs.node_is_below(views, at.node, source.node));
    Ok(inside.map(|(_, child)| child).collect())
}

/// A copy of the mount at `source`, showing `source` and below; with those of the mounts on it
/// that are `wanted` (see [`below`]), and all that is on them. Not attached yet.
///
/// # Errors
/// No memory; ENOENT.
pub fn bind(
    st: &mut Store,
    actor: &Actor,
    source: Pos,
    wanted: &[MountId],
) -> Result<Held<MountId>, Stop> {
    let top = duplicate(st, actor, source.mount, source.node)?;
    let mut map = Map::from([(source.mount, top.key())]);
    match copy_below(st, actor, source.mount, wanted, &mut map) {
        Ok(()) => Ok(top),
        Err(stop) => {
            st.release_tree(top);
            Err(stop)
        }
    }
}

/// Which mount became which.
pub type Map = BTreeMap<MountId, MountId>;

/// A copy of a whole tree, as a new tree (for a new mount namespace), and which mount became
/// which.
///
/// # Errors
/// No memory.
pub fn copy_tree(
    st: &mut Store,
    actor: &Actor,
    root: MountId,
) -> Result<(Held<MountId>, Map), Stop> {
    let source = st.fs.root_of(root)?;
    let top = duplicate(st, actor, root, source.node)?;
    let mut map = Map::from([(root, top.key())]);
    let all: Vec<_> = st.fs.children(root).map(|(_, child)| child).collect();
    if let Err(stop) = copy_below(st, actor, root, &all, &mut map) {
        st.release_tree(top);
        return Err(stop);
    }
    let tree = st.fs.new_tree();
    st.fs.set_tree(top.key(), tree);
    Ok((top, map))
}

fn duplicate(
    st: &mut Store,
    actor: &Actor,
    mount: MountId,
    root: Node,
) -> Result<Held<MountId>, Stop> {
    let old = st.fs.mount(mount)?;
    let (sb, flags, source) = (old.sb.key(), old.flags, old.source.clone());
    let sb = st.fs.supers.hold(sb).ok_or(Errno::EINVAL)?;
    new(st, actor, sb, root, flags, &source)
}

/// Copies those mounts on `top` that are wanted, and all that is on them, onto the copies in `map`.
fn copy_below(
    st: &mut Store,
    actor: &Actor,
    top: MountId,
    wanted: &[MountId],
    map: &mut Map,
) -> Result<(), Stop> {
    let mut queue = alloc::vec![top];
    let mut next = 0;
    while let Some(&parent) = queue.get(next) {
        next += 1;
        let children: Vec<_> = st.fs.children(parent).collect();
        for (at, child) in children {
            let outside = parent == top && !wanted.contains(&child);
            let Some(&copy) = map.get(&parent).filter(|_| !outside) else {
                continue;
            };
            if queue.len() >= MOUNT_MAX as usize {
                return Err(Errno::ENOSPC.into());
            }
            let root = st.fs.root_of(child)?.node;
            let held = duplicate(st, actor, child, root)?;
            map.insert(child, held.key());
            queue.push(child);
            let at = Pos {
                mount: copy,
                node: at.node,
            };
            if let Err(held) = st.hook(held, at) {
                st.release_mount(held);
                return Err(Errno::ENOENT.into());
            }
        }
    }
    Ok(())
}

/// Takes a mount out of its tree (umount2(2)); with `lazily` even when it is in use, and with
/// everything on it.
///
/// # Errors
/// EINVAL for the root of a tree or a detached mount, EBUSY.
pub fn umount(st: &mut Store, id: MountId, lazily: bool) -> Result<(), Errno> {
    let mount = st.fs.mount(id)?;
    if mount.parent.is_none() {
        return Err(Errno::EINVAL);
    }
    let busy = st.fs.children(id).next().is_some() || st.fs.mounts.refs(id) > 1;
    if busy && !lazily {
        return Err(Errno::EBUSY);
    }
    detach(st, id);
    Ok(())
}

/// Takes a mount that is not the root of a tree out of it, with everything on it.
pub fn detach(st: &mut Store, id: MountId) {
    st.fs.set_tree(id, 0);
    if let Some((held, at)) = st.unhook(id) {
        st.release_pos(at);
        st.release_tree(held);
    }
}

impl Store<'_> {
    /// Puts a mount into the table; hands it back when the position is gone or taken.
    pub(super) fn hook(&mut self, mount: Held<MountId>, at: Pos) -> Result<(), Held<MountId>> {
        if self.fs.mounted.contains_key(&at) {
            return Err(mount);
        }
        let Some(held_at) = self.fs.hold_pos(at) else {
            return Err(mount);
        };
        if let Node::Inode(id) = at.node {
            if let Some(inode) = self.fs.inodes.get_mut(id) {
                inode.mounted += 1;
            }
        }
        if let Some(object) = self.fs.mounts.get_mut(mount.key()) {
            debug_assert!(object.parent.is_none(), "attached twice");
            object.parent = Some(held_at);
        }
        self.fs.mounted.insert(at, mount);
        Ok(())
    }

    /// Takes a mount out of the table: its reference, and where it was.
    pub(super) fn unhook(&mut self, id: MountId) -> Option<(Held<MountId>, HeldPos)> {
        let at = self.fs.mounts.get_mut(id)?.parent.take()?;
        if let Node::Inode(node) = at.pos().node {
            if let Some(inode) = self.fs.inodes.get_mut(node) {
                inode.mounted = inode.mounted.saturating_sub(1);
            }
        }
        match self.fs.mounted.remove(&at.pos()) {
            Some(held) => Some((held, at)),
            None => {
                self.release_pos(at);
                None
            }
        }
    }

    /// Gives a mount back; the last reference lets go of its instance.
    pub fn release_mount(&mut self, held: Held<MountId>) {
        let id = held.key();
        let tree = self.fs.mounts.get(id).map_or(0, |m| m.tree);
        if let Some((mount, charge)) = self.fs.mounts.release(held) {
            debug_assert!(mount.parent.is_none(), "still attached");
            self.fs.count(tree, false);
            self.groups.give_back(charge);
            self.release_node(mount.root);
            self.release_super(mount.sb);
        }
    }
}
