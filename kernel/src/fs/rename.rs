//! Renaming (rename(2)): one step, or nothing.

use super::dir::{drop_link, find, lets_names_come, may_add, may_remove};
use super::inode::{self, Device, Name, What, entry_cost};
use super::{Actor, Fs, InodeId, Store};
use crate::cgroup::Charge;
use crate::error::{Errno, Stop};

/// A name in a directory.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// The directory.
    pub dir: InodeId,
    /// The name.
    pub name: &'a [u8],
}

/// What a rename does with an existing target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Replaces it.
    Replace,
    /// Fails with EEXIST (RENAME_NOREPLACE).
    NoReplace,
    /// The two change places (RENAME_EXCHANGE).
    Exchange,
}

/// Renames; with `whiteout` the old name gets a device 0:0, which to an overlay means that nothing
/// is there (RENAME_WHITEOUT; never with an exchange).
///
/// # Errors
/// ENOENT, EEXIST, EXDEV, EINVAL (into itself), ENOTEMPTY, ENOTDIR, EISDIR, EBUSY (a mount is
/// there), EACCES, EPERM, ENOSPC; no memory.
pub fn rename(
    st: &mut Store,
    actor: &Actor,
    from: At,
    to: At,
    mode: Mode,
    whiteout: bool,
) -> Result<(), Stop> {
    let source = find(st.fs, from.dir, from.name)?;
    let target = st.fs.inode(to.dir)?.dir()?.get(to.name);
    if st.fs.inode(from.dir)?.sb != st.fs.inode(to.dir)?.sb {
        return Err(Errno::EXDEV.into());
    }
    if mode == Mode::NoReplace && target.is_some() {
        return Err(Errno::EEXIST.into());
    }
    if mode == Mode::Exchange && target.is_none() {
        return Err(Errno::ENOENT.into());
    }
    check_loops(st.fs, from, to, source, target, mode)?;
    if target == Some(source) {
        return Ok(());
    }
    check_permissions(st.fs, actor, from, to, source, target, mode)?;
    let left = if whiteout {
        Some(make_whiteout(st, actor, from)?)
    } else {
        None
    };
    match (mode, target) {
        (Mode::Exchange, Some(target)) => exchange(st, actor, from, to, source, target),
        (_, Some(_)) => replace(st, actor, from, to, source),
        (_, None) => {
            if let Err(stop) = relocate(st, actor, from, to, source) {
                if let Some((inode, charge)) = left {
                    st.release_inode(inode);
                    st.groups.give_back(charge);
                }
                return Err(stop);
            }
        }
    }
    if let Some(left) = left {
        leave_whiteout(st, from, left);
    }
    Ok(())
}

/// An inode that has no entry yet, and the entry's charge.
type Left = (HeldInode, Charge);

fn make_whiteout(st: &mut Store, actor: &Actor, from: At) -> Result<Left, Stop> {
    let sb = st.fs.inode(from.dir)?.sb;
    let charge = st.groups.charge(actor.group, entry_cost(from.name))?;
    let nothing = What::Device(Device {
        char: true,
        major: 0,
        minor: 0,
    });
    match inode::create(st, actor, sb, nothing, 0, None) {
        Ok(held) => Ok((held, charge)),
        Err(stop) => {
            st.groups.give_back(charge);
            Err(stop)
        }
    }
}

/// Gives the name that became free to a whiteout.
fn leave_whiteout(st: &mut Store, from: At, (held, charge): Left) {
    let name: Name = from.name.into();
    if let Some(inode) = st.fs.inodes.get_mut(held.key()) {
        inode.link = Some((from.dir, name.clone()));
    }
    match st.fs.inodes.get_mut(from.dir).map(|i| i.dir_mut()) {
        Some(Ok(dir)) => dir.add(name, held, charge),
        _ => {
            st.release_inode(held);
            st.groups.give_back(charge);
        }
    }
}

/// Whether `below` is `above` or somewhere under it.
pub fn is_below(fs: &Fs, below: InodeId, above: InodeId) -> bool {
    let mut at = below;
    loop {
        if at == above {
            return true;
        }
        let Some(inode) = fs.inodes.get(at) else {
            return false;
        };
        match (inode.dir(), &inode.link) {
            (Ok(dir), _) if dir.parent != at => at = dir.parent,
            (Err(_), Some((parent, _))) => at = *parent,
            _ => return false,
        }
    }
}

/// No directory may come below itself, and none may replace a directory it is in.
fn check_loops(
    fs: &Fs,
    from: At,
    to: At,
    source: InodeId,
    target: Option<InodeId>,
    mode: Mode,
) -> Result<(), Errno> {
    if fs.inode(source)?.is_dir() && is_below(fs, to.dir, source) {
        return Err(Errno::EINVAL);
    }
    if let Some(target) = target {
        if fs.inode(target)?.is_dir() && is_below(fs, from.dir, target) {
            let exchange = mode == Mode::Exchange;
            return Err(if exchange {
                Errno::EINVAL
            } else {
                Errno::ENOTEMPTY
            });
        }
    }
    Ok(())
}

fn check_permissions(
    fs: &Fs,
    actor: &Actor,
    from: At,
    to: At,
    source: InodeId,
    target: Option<InodeId>,
    mode: Mode,
) -> Result<(), Errno> {
    let access = &actor.access;
    may_remove(fs, access, from.dir, source)?;
    let moved = fs.inode(source)?;
    match target {
        None => may_add(fs, access, to.dir)?,
        Some(target) => {
            may_remove(fs, access, to.dir, target)?;
            lets_names_come(fs, moved.sb)?;
            let old = fs.inode(target)?;
            if mode == Mode::Replace {
                match (moved.is_dir(), old.is_dir()) {
                    (true, false) => return Err(Errno::ENOTDIR),
                    (false, true) => return Err(Errno::EISDIR),
                    _ => {}
                }
            } else if old.is_dir() && from.dir != to.dir {
                old.permit(access, 2)?;
            }
        }
    }
    // `..` of a directory that moves is changed: that needs write permission on it.
    if moved.is_dir() && from.dir != to.dir {
        moved.permit(access, 2)?;
    }
    let old = target.map(|t| fs.inode(t)).transpose()?;
    if moved.mounted > 0 || old.is_some_and(|o| o.mounted > 0) {
        return Err(Errno::EBUSY);
    }
    let full = |dir: &super::inode::Inode| dir.dir().is_ok_and(|d| !d.entries.is_empty());
    if mode == Mode::Replace && old.is_some_and(full) {
        return Err(Errno::ENOTEMPTY);
    }
    Ok(())
}

/// The target's name is free: the source's entry moves there.
fn relocate(st: &mut Store, actor: &Actor, from: At, to: At, source: InodeId) -> Result<(), Stop> {
    let charge = st.groups.charge(actor.group, entry_cost(to.name))?;
    let taken = st.fs.inode_mut(from.dir)?.dir_mut()?.remove(from.name);
    let Some((held, old_charge)) = taken else {
        st.groups.give_back(charge);
        return Err(Errno::ENOENT.into());
    };
    st.groups.give_back(old_charge);
    let name: Name = to.name.into();
    st.fs
        .inode_mut(to.dir)?
        .dir_mut()?
        .add(name.clone(), held, charge);
    settle(st.fs, actor, source, from.dir, to.dir, name);
    touch(st.fs, actor, from.dir, to.dir);
    Ok(())
}

/// The source takes the target's entry; the target loses a name.
fn replace(st: &mut Store, actor: &Actor, from: At, to: At, source: InodeId) {
    let taken = st
        .fs
        .inodes
        .get_mut(from.dir)
        .and_then(|i| i.dir_mut().ok()?.remove(from.name));
    let Some((held, charge)) = taken else {
        return;
    };
    st.groups.give_back(charge);
    let target = match put(st.fs, to, held) {
        Ok(target) => target,
        Err(lost) => lost,
    };
    settle(st.fs, actor, source, from.dir, to.dir, to.name.into());
    drop_link(st, actor.now, to.dir, target);
    touch(st.fs, actor, from.dir, to.dir);
}

type HeldInode = crate::arena::Held<InodeId>;

fn put(fs: &mut Fs, at: At, held: HeldInode) -> Result<HeldInode, HeldInode> {
    match fs.inodes.get_mut(at.dir).map(|i| i.dir_mut()) {
        Some(Ok(dir)) => dir.replace(at.name, held),
        _ => Err(held),
    }
}

/// The two inodes change names.
fn exchange(st: &mut Store, actor: &Actor, from: At, to: At, source: InodeId, target: InodeId) {
    let Some(held) = st.fs.inodes.hold(source) else {
        return;
    };
    let last = put(st.fs, to, held).and_then(|other| put(st.fs, from, other));
    let (Ok(spare) | Err(spare)) = last;
    st.release_inode(spare);
    settle(st.fs, actor, source, from.dir, to.dir, to.name.into());
    settle(st.fs, actor, target, to.dir, from.dir, from.name.into());
    touch(st.fs, actor, from.dir, to.dir);
}

/// After `moved` went from one directory to another: its parent, its name, their link counts.
fn settle(fs: &mut Fs, actor: &Actor, moved: InodeId, from: InodeId, to: InodeId, name: Name) {
    let Some(inode) = fs.inodes.get_mut(moved) else {
        return;
    };
    inode.link = Some((to, name));
    inode.times.changed = actor.now;
    let Ok(dir) = inode.dir_mut() else {
        return;
    };
    dir.parent = to;
    if from != to {
        if let Some(dir) = fs.inodes.get_mut(from) {
            dir.nlink = dir.nlink.saturating_sub(1);
        }
        if let Some(dir) = fs.inodes.get_mut(to) {
            dir.nlink = dir.nlink.saturating_add(1);
        }
    }
}

fn touch(fs: &mut Fs, actor: &Actor, from: InodeId, to: InodeId) {
    for dir in [from, to] {
        if let Some(dir) = fs.inodes.get_mut(dir) {
            dir.touch(actor.now);
        }
    }
}
