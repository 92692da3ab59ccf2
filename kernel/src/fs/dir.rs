//! Directories: making, linking and removing names.

use super::inode::{self, What, entry_cost};
use super::superblock::SuperKind;
use super::{Access, Actor, Fs, InodeId, Store, SuperId, Time, devpts};
use crate::arena::Held;
use crate::error::{Errno, Stop};
use linux_raw_sys::general as linux;

/// Bytes in the longest name.
pub const NAME_MAX: usize = 255;
/// Names one inode may have, as on ext4; keeps the count from wrapping.
const LINK_MAX: u32 = 65_000;

/// Whether a name may be added to this directory.
///
/// # Errors
/// ENOENT (removed directory), ENOTDIR, EACCES; EPERM in a file system that alone decides what is
/// in it (devpts, mqueue).
pub fn may_add(fs: &Fs, access: &Access, dir: InodeId) -> Result<(), Errno> {
    let inode = fs.inode(dir)?;
    inode.dir()?;
    if inode.nlink == 0 {
        return Err(Errno::ENOENT);
    }
    inode.permit(access, 3)?;
    lets_names_come(fs, inode.sb)
}

/// EPERM in a file system that alone decides what is in it (devpts, mqueue).
pub(super) fn lets_names_come(fs: &Fs, sb: SuperId) -> Result<(), Errno> {
    match fs.supers.get(sb).map(|sb| sb.kind) {
        Some(SuperKind::Devpts(_) | SuperKind::Mqueue(_)) => Err(Errno::EPERM),
        _ => Ok(()),
    }
}

/// EPERM in a file system whose names its objects keep (devpts).
fn lets_names_go(fs: &Fs, sb: SuperId) -> Result<(), Errno> {
    match devpts::options(fs, sb) {
        Some(_) => Err(Errno::EPERM),
        None => Ok(()),
    }
}

/// Whether the name of `victim` may be taken out of `dir`: write permission, and in a sticky
/// directory ownership (unlink(2)).
///
/// # Errors
/// EACCES, EPERM.
pub fn may_remove(fs: &Fs, access: &Access, dir: InodeId, victim: InodeId) -> Result<(), Errno> {
    let dir = fs.inode(dir)?;
    dir.permit(access, 3)?;
    lets_names_go(fs, dir.sb)?;
    let victim = fs.inode(victim)?;
    if dir.mode & linux::S_ISVTX != 0 && dir.uid != access.uid {
        victim.owned(access)?;
    }
    Ok(())
}

/// Makes a new inode and its name; returns it. `mode` has the umask applied already.
///
/// # Errors
/// EEXIST, and as [`may_add`], [`inode::create`].
pub fn make(
    st: &mut Store,
    actor: &Actor,
    dir: InodeId,
    name: &[u8],
    what: What,
    mode: u32,
) -> Result<InodeId, Stop> {
    if st.fs.inode(dir)?.dir()?.get(name).is_some() {
        return Err(Errno::EEXIST.into());
    }
    may_add(st.fs, &actor.access, dir)?;
    if needs_privilege(&what) && !actor.access.has(linux::CAP_MKNOD) {
        return Err(Errno::EPERM.into());
    }
    add_new(st, actor, dir, name, what, mode)
}

/// As [`make()`], for a name that was checked.
pub(super) fn add_new(
    st: &mut Store,
    actor: &Actor,
    dir: InodeId,
    name: &[u8],
    what: What,
    mode: u32,
) -> Result<InodeId, Stop> {
    let (sb, gid) = {
        let above = st.fs.inode(dir)?;
        let inherited = above.mode & linux::S_ISGID != 0;
        (above.sb, inherited.then_some(above.gid))
    };
    let is_dir = matches!(what, What::Dir);
    if is_dir && st.fs.inode(dir)?.nlink >= LINK_MAX {
        return Err(Errno::EMLINK.into());
    }
    let entry = st.groups.charge(actor.group, entry_cost(name))?;
    let held = match inode::create(st, actor, sb, what, mode, Some(dir)) {
        Ok(held) => held,
        Err(stop) => {
            st.groups.give_back(entry);
            return Err(stop);
        }
    };
    let id = held.key();
    let name: inode::Name = name.into();
    if let Some(inode) = st.fs.inodes.get_mut(id) {
        inode.link = Some((dir, name.clone()));
        inherit_group(inode, gid, &actor.access);
    }
    let above = st.fs.inode_mut(dir)?;
    above.touch(actor.now);
    if is_dir {
        above.nlink += 1;
    }
    above.dir_mut()?.add(name, held, entry);
    Ok(id)
}

/// Devices are for the privileged, but a whiteout (0:0) leads to none.
fn needs_privilege(what: &What) -> bool {
    match what {
        What::Device(device) => !device.char || device.major != 0 || device.minor != 0,
        _ => false,
    }
}

/// In a set-group-ID directory the group is inherited, and by directories the bit as well; a
/// file keeps the bit only if its maker is in the group (inode(7)).
fn inherit_group(inode: &mut inode::Inode, gid: Option<u32>, access: &Access) {
    let Some(gid) = gid else {
        return;
    };
    inode.gid = gid;
    if inode.is_dir() {
        inode.mode |= linux::S_ISGID;
    } else if inode.mode & (linux::S_ISGID | 0o010) == linux::S_ISGID | 0o010
        && !access.in_group(gid)
        && !access.has(linux::CAP_FSETID)
    {
        inode.mode &= !linux::S_ISGID;
    }
}

/// Gives an inode another name (link(2)).
///
/// # Errors
/// EPERM for directories, EEXIST, EXDEV, EMLINK, and as [`may_add`].
pub fn link(
    st: &mut Store,
    actor: &Actor,
    target: InodeId,
    dir: InodeId,
    name: &[u8],
) -> Result<(), Stop> {
    if st.fs.inode(dir)?.dir()?.get(name).is_some() {
        return Err(Errno::EEXIST.into());
    }
    may_add(st.fs, &actor.access, dir)?;
    let sb = st.fs.inode(dir)?.sb;
    let old = st.fs.inode(target)?;
    if old.sb != sb {
        return Err(Errno::EXDEV.into());
    }
    if old.is_dir() {
        return Err(Errno::EPERM.into());
    }
    if old.nlink == 0 && !old.nameless {
        return Err(Errno::ENOENT.into());
    }
    if old.nlink >= LINK_MAX {
        return Err(Errno::EMLINK.into());
    }
    let charge = st.groups.charge(actor.group, entry_cost(name))?;
    let Some(held) = st.fs.inodes.hold(target) else {
        return inode::refuse(st.groups, charge, Errno::ENOENT);
    };
    let name: inode::Name = name.into();
    if let Some(inode) = st.fs.inodes.get_mut(target) {
        inode.nlink += 1;
        inode.nameless = false;
        inode.times.changed = actor.now;
        inode.link = Some((dir, name.clone()));
    }
    let above = st.fs.inode_mut(dir)?;
    above.touch(actor.now);
    above.dir_mut()?.add(name, held, charge);
    Ok(())
}

/// Makes a regular file without a name in the file system of `dir` (O_TMPFILE); with `nameable`
/// it may be given one later. Give the reference back when it is open.
///
/// # Errors
/// As [`make`].
pub fn make_nameless(
    st: &mut Store,
    actor: &Actor,
    dir: InodeId,
    mode: u32,
    nameable: bool,
) -> Result<Held<InodeId>, Stop> {
    may_add(st.fs, &actor.access, dir)?;
    let above = st.fs.inode(dir)?;
    let gid = (above.mode & linux::S_ISGID != 0).then_some(above.gid);
    let held = inode::create(st, actor, above.sb, What::Regular, mode, None)?;
    if let Some(inode) = st.fs.inodes.get_mut(held.key()) {
        inode.nlink = 0;
        inode.nameless = nameable;
        inherit_group(inode, gid, &actor.access);
    }
    Ok(held)
}

/// Removes a name of something that is not a directory (unlink(2)).
///
/// # Errors
/// ENOENT, EISDIR, EBUSY (something is mounted there), EACCES, EPERM.
pub fn unlink(st: &mut Store, actor: &Actor, dir: InodeId, name: &[u8]) -> Result<(), Errno> {
    let victim = find(st.fs, dir, name)?;
    may_remove(st.fs, &actor.access, dir, victim)?;
    let inode = st.fs.inode(victim)?;
    if inode.is_dir() {
        return Err(Errno::EISDIR);
    }
    if inode.mounted > 0 {
        return Err(Errno::EBUSY);
    }
    remove(st, actor.now, dir, name);
    Ok(())
}

/// Removes an empty directory (rmdir(2)).
///
/// # Errors
/// ENOENT, ENOTDIR, ENOTEMPTY, EBUSY, EACCES, EPERM.
pub fn rmdir(st: &mut Store, actor: &Actor, dir: InodeId, name: &[u8]) -> Result<(), Errno> {
    let victim = find(st.fs, dir, name)?;
    may_remove(st.fs, &actor.access, dir, victim)?;
    let inode = st.fs.inode(victim)?;
    let empty = inode.dir()?.entries.is_empty();
    if inode.mounted > 0 {
        return Err(Errno::EBUSY);
    }
    if !empty {
        return Err(Errno::ENOTEMPTY);
    }
    remove(st, actor.now, dir, name);
    Ok(())
}

/// What has this name.
///
/// # Errors
/// ENOENT, ENOTDIR.
pub fn find(fs: &Fs, dir: InodeId, name: &[u8]) -> Result<InodeId, Errno> {
    fs.inode(dir)?.dir()?.get(name).ok_or(Errno::ENOENT)
}

/// Takes a name away that was checked; the inode goes when nobody else refers to it.
pub(super) fn remove(st: &mut Store, now: Time, dir: InodeId, name: &[u8]) {
    let Some(above) = st.fs.inodes.get_mut(dir) else {
        return;
    };
    above.touch(now);
    let Ok(Some((held, charge))) = above.dir_mut().map(|d| d.remove(name)) else {
        return;
    };
    st.groups.give_back(charge);
    drop_link(st, now, dir, held);
}

/// Counts a name of an inode less, and the subdirectory of its directory.
pub(super) fn drop_link(st: &mut Store, now: Time, dir: InodeId, held: Held<InodeId>) {
    let mut was_dir = false;
    if let Some(inode) = st.fs.inodes.get_mut(held.key()) {
        was_dir = inode.is_dir();
        inode.nlink = if was_dir {
            0
        } else {
            inode.nlink.saturating_sub(1)
        };
        inode.times.changed = now;
    }
    if was_dir {
        if let Some(above) = st.fs.inodes.get_mut(dir) {
            above.nlink = above.nlink.saturating_sub(1);
        }
    }
    st.release_inode(held);
}
