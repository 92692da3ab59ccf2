//! Attributes: permission bits, owner, times (chmod(2), chown(2), utimensat(2)).

use super::inode::Inode;
use super::{Access, Actor, Fs, InodeId, Store, Time, xattr};
use crate::error::Errno;
use linux_raw_sys::general as linux;

/// Changes permission bits (chmod(2)).
///
/// # Errors
/// EPERM.
pub fn chmod(fs: &mut Fs, actor: &Actor, id: InodeId, mode: u32) -> Result<(), Errno> {
    let inode = fs.changeable(id)?;
    inode.owned(&actor.access)?;
    let mut mode = mode & 0o7777;
    if !keeps_group_bit(inode, &actor.access) {
        mode &= !linux::S_ISGID;
    }
    inode.mode = mode;
    inode.times.changed = actor.now;
    Ok(())
}

/// Changes owner and group, each if given (chown(2)). Whoever does it, what is not a directory
/// loses its set-id bits and capabilities, even when owner and group stay.
///
/// # Errors
/// EPERM.
pub fn chown(
    st: &mut Store,
    actor: &Actor,
    id: InodeId,
    uid: Option<u32>,
    gid: Option<u32>,
) -> Result<(), Errno> {
    let inode = st.fs.changeable(id)?;
    let access = &actor.access;
    let privileged = access.has(linux::CAP_CHOWN);
    let owner = access.uid == inode.uid;
    let uid_ok = uid.is_none_or(|uid| privileged || (owner && uid == inode.uid));
    let gid_ok =
        gid.is_none_or(|gid| privileged || (owner && (gid == inode.gid || access.in_group(gid))));
    if !uid_ok || !gid_ok {
        return Err(Errno::EPERM);
    }
    let lost = if inode.is_dir() {
        0
    } else {
        set_ids(inode, access)
    };
    if lost != 0 {
        inode.owned(access)?;
    }
    inode.mode &= !lost;
    inode.uid = uid.unwrap_or(inode.uid);
    inode.gid = gid.unwrap_or(inode.gid);
    inode.times.changed = actor.now;
    if !inode.is_dir() {
        xattr::drop_capabilities(st, id);
    }
    Ok(())
}

/// Whether the set-group-ID bit may stay when this accessor changes the file.
fn keeps_group_bit(inode: &Inode, access: &Access) -> bool {
    access.in_group(inode.gid) || access.has(linux::CAP_FSETID)
}

/// The bits that would let others run this file with its owner's rights. The set-group-ID bit of
/// a file that its group may not execute means something else and stays for members.
fn set_ids(inode: &Inode, access: &Access) -> u32 {
    let group = inode.mode & 0o010 != 0 || !keeps_group_bit(inode, access);
    let bits = linux::S_ISUID | if group { linux::S_ISGID } else { 0 };
    inode.mode & bits
}

/// A regular file's content was changed: its set-id bits go unless the accessor may keep them,
/// its capabilities in any case (write(2), truncate(2)).
pub fn content_changed(st: &mut Store, access: &Access, id: InodeId, now: Time) {
    let Some(inode) = st.fs.inodes.get_mut(id) else {
        return;
    };
    inode.touch(now);
    if !access.has(linux::CAP_FSETID) {
        inode.mode &= !set_ids(inode, access);
    }
    xattr::drop_capabilities(st, id);
}

/// A time to set (utimensat(2)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NewTime {
    /// Leave it (UTIME_OMIT).
    Omit,
    /// The time of the call (UTIME_NOW).
    Now,
    /// This one.
    At(Time),
}

/// Sets access and modification time.
///
/// # Errors
/// EACCES when both become now, EPERM otherwise.
pub fn utimens(
    fs: &mut Fs,
    actor: &Actor,
    id: InodeId,
    times: (NewTime, NewTime),
) -> Result<(), Errno> {
    let inode = fs.changeable(id)?;
    match times {
        (NewTime::Omit, NewTime::Omit) => return Ok(()),
        (NewTime::Now, NewTime::Now) => {
            if inode.owned(&actor.access).is_err() {
                inode.permit(&actor.access, 2)?;
            }
        }
        _ => inode.owned(&actor.access)?,
    }
    let pick = |new: NewTime, old: Time| match new {
        NewTime::Omit => old,
        NewTime::Now => actor.now,
        NewTime::At(time) => time,
    };
    inode.times.accessed = pick(times.0, inode.times.accessed);
    inode.times.modified = pick(times.1, inode.times.modified);
    inode.times.changed = actor.now;
    Ok(())
}
