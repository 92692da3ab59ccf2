//! What calls with paths have in common: from a descriptor and a path to a position, and who asks.

use crate::cgroup::{DeviceNumber, DeviceUse};
use crate::error::{Errno, Stop};
use crate::fs::inode::Device;
use crate::fs::walk::{self, Found, Parent, Start, WalkFlags, walk_parent};
use crate::fs::{Access, Actor, InodeId, Location, Node, Pos, Store, Time, View};
use crate::mm::user;
pub(super) use crate::task::cred::access;
use crate::task::{Task, files};
use crate::views::Source;
use crate::{Cx, Kernel};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// Bytes in the longest path, without its NUL.
const PATH_MAX: usize = 4095;

/// AT_FDCWD, as a register has it.
pub(super) const FDCWD: u64 = linux::AT_FDCWD as i64 as u64;

/// A path argument.
pub(super) fn path(k: &mut Kernel, cx: &mut Cx, addr: u64) -> Result<Vec<u8>, Stop> {
    user::c_string(k, cx, addr, PATH_MAX, Errno::ENAMETOOLONG)
}

/// The calling task.
pub(super) fn caller<'k>(k: &'k Kernel, cx: &Cx) -> Result<&'k Task, Errno> {
    k.tasks.tasks.get(cx.task).ok_or(Errno::ESRCH)
}

/// The caller has this capability.
///
/// # Errors
/// EPERM.
pub(super) fn require(k: &Kernel, cx: &Cx, cap: u32) -> Result<(), Errno> {
    if access(&caller(k, cx)?.cred).has(cap) {
        Ok(())
    } else {
        Err(Errno::EPERM)
    }
}

/// The caller's control group lets it use a device so.
///
/// # Errors
/// EPERM.
pub(super) fn allowed(k: &Kernel, cx: &Cx, device: Device, uses: DeviceUse) -> Result<(), Errno> {
    let group = caller(k, cx)?.group.key();
    let number = DeviceNumber {
        char: device.char,
        major: device.major,
        minor: device.minor,
    };
    match k.groups.may_use(group, number, uses) {
        true => Ok(()),
        false => Err(Errno::EPERM),
    }
}

/// The tables of files, and the caller as who changes them.
pub(super) fn act<'k>(k: &'k mut Kernel, cx: &Cx) -> Result<(Store<'k>, Actor<'k>), Errno> {
    let now = Time::now(cx.m);
    let task = k.tasks.tasks.get(cx.task).ok_or(Errno::ESRCH)?;
    let actor = Actor {
        access: access(&task.cred),
        group: task.group.key(),
        now,
    };
    let store = Store {
        fs: &mut k.fs,
        frames: &mut k.frames,
        groups: &mut k.groups,
        work: &mut k.work,
        waits: &mut k.waits,
    };
    Ok((store, actor))
}

/// Where a path of the caller begins; `dirfd` counts only for relative paths, unless the walk has
/// its root there.
fn start(k: &Kernel, cx: &Cx, dirfd: u64, path: &[u8], flags: WalkFlags) -> Result<Start, Errno> {
    let scoped = flags.intersects(WalkFlags::IN_ROOT | WalkFlags::BENEATH);
    let absolute = !scoped && path.first() == Some(&b'/');
    let context = files::context(k, cx.task)?;
    let cwd = if dirfd as u32 == FDCWD as u32 || absolute {
        context.cwd.pos()
    } else {
        let file = files::any_file(k, cx.task, dirfd)?;
        k.fs.file(file)?.at.pos()
    };
    let root = if scoped { cwd } else { context.root.pos() };
    Ok(Start { root, cwd })
}

/// Walks a path of the caller.
pub(super) fn walk(
    k: &Kernel,
    cx: &Cx,
    dirfd: u64,
    path: &[u8],
    flags: WalkFlags,
) -> Result<Found, Errno> {
    if path.is_empty() && flags.contains(WalkFlags::EMPTY) && dirfd as u32 != FDCWD as u32 {
        let file = files::any_file(k, cx.task, dirfd)?;
        return Ok(Found::Here(k.fs.file(file)?.location()));
    }
    let start = start(k, cx, dirfd, path, flags)?;
    let who = access(&caller(k, cx)?.cred);
    walk::walk(&k.fs, &Source::by(k, cx.task), &start, &who, path, flags)
}

/// As [`find`], for the permissions of `who`.
pub(super) fn find_as(
    k: &Kernel,
    cx: &Cx,
    dirfd: u64,
    path: &[u8],
    flags: WalkFlags,
    who: &Access,
) -> Result<Location, Errno> {
    if path.is_empty() {
        return find(k, cx, dirfd, path, flags);
    }
    let start = start(k, cx, dirfd, path, flags)?;
    match walk::walk(&k.fs, &Source::by(k, cx.task), &start, who, path, flags)? {
        Found::Here(location) => Ok(location),
        Found::Missing { .. } => Err(Errno::ENOENT),
    }
}

/// Walks a path of the caller to something that exists.
pub(super) fn find(
    k: &Kernel,
    cx: &Cx,
    dirfd: u64,
    path: &[u8],
    flags: WalkFlags,
) -> Result<Location, Errno> {
    match walk(k, cx, dirfd, path, flags)? {
        Found::Here(location) => Ok(location),
        Found::Missing { .. } => Err(Errno::ENOENT),
    }
}

/// Walks a path of the caller up to its last component.
pub(super) fn parent(k: &Kernel, cx: &Cx, dirfd: u64, path: &[u8]) -> Result<Parent, Errno> {
    parent_with(k, cx, dirfd, path, WalkFlags::empty())
}

/// As [`parent`], with walk flags.
pub(super) fn parent_with(
    k: &Kernel,
    cx: &Cx,
    dirfd: u64,
    path: &[u8],
    flags: WalkFlags,
) -> Result<Parent, Errno> {
    let start = start(k, cx, dirfd, path, flags)?;
    let who = access(&caller(k, cx)?.cred);
    walk_parent(&k.fs, &Source::by(k, cx.task), &start, &who, path, flags)
}

/// The flags of calls that take AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH, as walk flags; `also` are
/// AT_* flags that mean nothing here.
pub(super) fn at_flags(flags: u64, also: u32) -> Result<WalkFlags, Errno> {
    let flags = u32::try_from(flags).map_err(|_| Errno::EINVAL)?;
    if flags & !(linux::AT_SYMLINK_NOFOLLOW | linux::AT_EMPTY_PATH | also) != 0 {
        return Err(Errno::EINVAL);
    }
    let mut walk = WalkFlags::empty();
    walk.set(WalkFlags::NOFOLLOW, flags & linux::AT_SYMLINK_NOFOLLOW != 0);
    walk.set(WalkFlags::EMPTY, flags & linux::AT_EMPTY_PATH != 0);
    Ok(walk)
}

/// The kept directory that something new is made in. procfs knows no names but its own; other
/// views refuse.
pub(super) fn making(dir: Pos, refusal: Errno) -> Result<InodeId, Errno> {
    match dir.node {
        Node::View(node) if node.view == View::Proc => Err(Errno::ENOENT),
        _ => kept(dir, refusal),
    }
}

/// The kept inode of a position whose file may be changed: views refuse.
pub(super) fn changeable(k: &Kernel, pos: Pos) -> Result<InodeId, Errno> {
    k.fs.writable(pos.mount)?;
    kept(pos, Errno::EPERM)
}

/// The kept inode of a position; `refusal` for nodes of views.
pub(super) fn kept(pos: Pos, refusal: Errno) -> Result<InodeId, Errno> {
    match pos.node {
        Node::Inode(id) => Ok(id),
        Node::View(_) => Err(refusal),
    }
}

/// A user or group id argument of chown: -1 leaves it.
pub(super) fn id(arg: u64) -> Option<u32> {
    Some(arg as u32).filter(|id| *id != u32::MAX)
}
