//! What can be done to the directories of groups: making, removing, giving away (mkdir(2),
//! rmdir(2), chown(2), chmod(2)).

use super::{attributes, directory, group_of, is_file_name, lookup};
use crate::Kernel;
use crate::cgroup::Attributes;
use crate::error::{Errno, Stop};
use crate::fs::{Access, ViewNode, inode};
use crate::views::Source;
use linux_raw_sys::general as linux;

/// Whether the accessor may add names to a directory and take them away.
///
/// # Errors
/// EACCES; ENOENT when the group is removed.
pub fn may_add(k: &Kernel, access: &Access, dir: ViewNode) -> Result<(), Errno> {
    let of = attributes(&k.groups, dir)?;
    inode::permit(access, (of.uid, of.gid), of.mode | linux::S_IFDIR, 3)
}

/// Makes a group in the directory of another; `mode` has the umask applied already.
///
/// # Errors
/// EEXIST, EACCES, EINVAL for a name with a newline, ENAMETOOLONG, EAGAIN for too many groups or
/// levels; no memory.
pub fn make(
    k: &mut Kernel,
    access: &Access,
    dir: ViewNode,
    name: &[u8],
    mode: u32,
) -> Result<(), Stop> {
    if lookup(&Source::of(k), dir, name).is_ok() {
        return Err(Errno::EEXIST.into());
    }
    may_add(k, access, dir)?;
    if is_file_name(name) {
        return Err(Errno::EEXIST.into());
    }
    let (uid, gid) = (access.uid, access.gid);
    let group = k.groups.make(group_of(dir), name)?;
    k.groups.set_owner(group, uid, gid);
    let mode = mode & 0o1777;
    if mode != 0o755 {
        let own = Attributes { mode, uid, gid };
        k.groups.set_attributes(group, directory(group).kind, own);
    }
    Ok(())
}

/// Removes a group by its name in the directory of another.
///
/// # Errors
/// ENOENT, EACCES, EPERM in a sticky directory, ENOTDIR for a file, EBUSY for a group with others
/// below it or with living tasks.
pub fn remove(k: &mut Kernel, access: &Access, dir: ViewNode, name: &[u8]) -> Result<(), Errno> {
    let victim = victim(k, access, dir, name)?;
    if victim.kind != 0 {
        return Err(Errno::ENOTDIR);
    }
    k.groups.remove(group_of(victim))
}

/// What a name in a directory stands for, if the accessor may take it away.
///
/// # Errors
/// As [`remove`].
pub fn victim(k: &Kernel, access: &Access, dir: ViewNode, name: &[u8]) -> Result<ViewNode, Errno> {
    let victim = lookup(&Source::of(k), dir, name)?;
    may_add(k, access, dir)?;
    let (above, own) = (attributes(&k.groups, dir)?, attributes(&k.groups, victim)?);
    let others = above.uid != access.uid && own.uid != access.uid;
    if above.mode & linux::S_ISVTX != 0 && others && !access.has(linux::CAP_FOWNER) {
        return Err(Errno::EPERM);
    }
    Ok(victim)
}

/// Why the name of a file cannot be taken away (unlink(2)).
pub fn refuse_unlink(k: &Kernel, access: &Access, dir: ViewNode, name: &[u8]) -> Errno {
    match victim(k, access, dir, name) {
        Ok(victim) if victim.kind == 0 => Errno::EISDIR,
        Ok(_) => Errno::EPERM,
        Err(errno) => errno,
    }
}

/// What to change of a directory or file.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// Permission bits (chmod(2)).
    Mode(u32),
    /// Owner and group, each if given (chown(2)).
    Owner(Option<u32>, Option<u32>),
}

/// Changes attributes, which are kept as long as the group or its controller is there.
///
/// # Errors
/// EPERM; ENOENT when the group is removed.
pub fn change(
    k: &mut Kernel,
    access: &Access,
    node: ViewNode,
    change: Change,
) -> Result<(), Errno> {
    let old = attributes(&k.groups, node)?;
    let owner = access.uid == old.uid;
    let new = match change {
        Change::Mode(mode) => {
            if !owner && !access.has(linux::CAP_FOWNER) {
                return Err(Errno::EPERM);
            }
            let keeps = access.in_group(old.gid) || access.has(linux::CAP_FSETID);
            let lost = if keeps { 0 } else { linux::S_ISGID };
            Attributes {
                mode: mode & 0o7777 & !lost,
                ..old
            }
        }
        Change::Owner(uid, gid) => {
            let privileged = access.has(linux::CAP_CHOWN);
            let uid_ok = uid.is_none_or(|uid| owner && uid == old.uid);
            let may_give = |gid| owner && (gid == old.gid || access.in_group(gid));
            if !(privileged || uid_ok && gid.is_none_or(may_give)) {
                return Err(Errno::EPERM);
            }
            Attributes {
                uid: uid.unwrap_or(old.uid),
                gid: gid.unwrap_or(old.gid),
                ..old
            }
        }
    };
    k.groups.set_attributes(group_of(node), node.kind, new);
    Ok(())
}

/// Whether somebody may cut a file, which changes nothing (truncate(2)).
///
/// # Errors
/// EISDIR, EACCES; ENOENT when the group is removed.
pub fn may_truncate(k: &Kernel, access: &Access, node: ViewNode) -> Result<(), Errno> {
    if node.kind == 0 {
        return Err(Errno::EISDIR);
    }
    let of = attributes(&k.groups, node)?;
    inode::permit(access, (of.uid, of.gid), of.mode, 2)
}
