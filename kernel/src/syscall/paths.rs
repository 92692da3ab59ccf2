//! Calls that change names (mkdir(2), link(2), rename(2), unlink(2), ...), and where a task is.

use super::Line;
use super::place::{
    FDCWD, access, act, allowed, caller, changeable, find, kept, making, parent, path, require,
};
use crate::cgroup::DeviceUse;
use crate::error::{Call, Errno};
use crate::fs::dir;
use crate::fs::inode::{Device, What};
use crate::fs::rename::{self, At, Mode};
use crate::fs::stat::decode_dev;
use crate::fs::walk::{Last, Parent, Views, WalkFlags};
use crate::fs::{InodeId, Node, Pos, Time, ViewNode};
use crate::task::files;
use crate::views::{Source, cgroupfs};
use crate::{Cx, Kernel};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

pub(super) const CALLS: &[Line] = &[
    (linux::__NR_mkdir, "mkdir", mkdir),
    (linux::__NR_mkdirat, "mkdirat", mkdirat),
    (linux::__NR_mknod, "mknod", mknod),
    (linux::__NR_mknodat, "mknodat", mknodat),
    (linux::__NR_symlink, "symlink", symlink),
    (linux::__NR_symlinkat, "symlinkat", symlinkat),
    (linux::__NR_link, "link", link),
    (linux::__NR_linkat, "linkat", linkat),
    (linux::__NR_unlink, "unlink", unlink),
    (linux::__NR_unlinkat, "unlinkat", unlinkat),
    (linux::__NR_rmdir, "rmdir", rmdir),
    (linux::__NR_rename, "rename", rename),
    (linux::__NR_renameat, "renameat", renameat),
    (linux::__NR_renameat2, "renameat2", renameat2),
    (linux::__NR_umask, "umask", umask),
    (linux::__NR_chdir, "chdir", chdir),
    (linux::__NR_fchdir, "fchdir", fchdir),
    (linux::__NR_chroot, "chroot", chroot),
];

/// A new name: its directory and itself, for what cannot end with a slash unless `dir`.
pub(super) fn new_name(k: &Kernel, parent: Parent, dir: bool) -> Result<(InodeId, Vec<u8>), Errno> {
    let Last::Name(name) = parent.last else {
        return Err(Errno::EEXIST);
    };
    if let Node::View(dir) = parent.dir.node {
        if Source::of(k).lookup(dir, &name).is_ok() {
            return Err(Errno::EEXIST);
        }
    }
    let above = making(parent.dir, Errno::EPERM)?;
    if k.fs.inode(above)?.dir()?.get(&name).is_some() {
        return Err(Errno::EEXIST);
    }
    if parent.slash && !dir {
        return Err(Errno::ENOENT);
    }
    k.fs.writable(parent.dir.mount)?;
    Ok((above, name))
}

fn make(k: &mut Kernel, cx: &mut Cx, dirfd: u64, path: &[u8], what: What, mode: u32) -> Call {
    let at = parent(k, cx, dirfd, path)?;
    if let (What::Dir, Some(dir)) = (&what, cgroupfs::at(at.dir.node)) {
        return make_group(k, cx, at, dir, mode);
    }
    let (above, name) = new_name(k, at, matches!(what, What::Dir))?;
    match what {
        // What hides a name of an overlay is no device (mknod(2)).
        What::Device(device) if !device.char || (device.major, device.minor) != (0, 0) => {
            allowed(k, cx, device, DeviceUse::MAKE)?;
        }
        _ => {}
    }
    let umask = match what {
        What::Symlink(_) => 0,
        _ => files::context(k, cx.task)?.umask,
    };
    let (mut st, actor) = act(k, cx)?;
    dir::make(&mut st, &actor, above, &name, what, mode & !umask)?;
    Ok(0)
}

/// A directory in that of a control group is a control group.
fn make_group(k: &mut Kernel, cx: &Cx, at: Parent, dir: ViewNode, mode: u32) -> Call {
    let Last::Name(name) = at.last else {
        return Err(Errno::EEXIST.into());
    };
    k.fs.writable(at.dir.mount)?;
    let umask = files::context(k, cx.task)?.umask;
    let cred = caller(k, cx)?.cred.clone();
    cgroupfs::make(k, &access(&cred), dir, &name, mode & !umask)?;
    Ok(0)
}

fn mkdir(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let path = path(k, cx, a[0])?;
    make(k, cx, FDCWD, &path, What::Dir, a[1] as u32 & 0o1777)
}

fn mkdirat(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let path = path(k, cx, a[1])?;
    make(k, cx, a[0], &path, What::Dir, a[2] as u32 & 0o1777)
}

fn mknod(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    make_node(k, cx, FDCWD, a[0], a[1] as u32, a[2] as u32)
}

fn mknodat(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    make_node(k, cx, a[0], a[1], a[2] as u32, a[3] as u32)
}

fn make_node(k: &mut Kernel, cx: &mut Cx, dirfd: u64, addr: u64, mode: u32, dev: u32) -> Call {
    let (major, minor) = decode_dev(dev);
    let device = |char| What::Device(Device { char, major, minor });
    let what = match mode & linux::S_IFMT {
        0 | linux::S_IFREG => What::Regular,
        linux::S_IFIFO => What::Fifo,
        linux::S_IFSOCK => What::Socket,
        linux::S_IFCHR => device(true),
        linux::S_IFBLK => device(false),
        linux::S_IFDIR => return Err(Errno::EPERM.into()),
        _ => return Err(Errno::EINVAL.into()),
    };
    let path = path(k, cx, addr)?;
    make(k, cx, dirfd, &path, what, mode & 0o7777)
}

fn symlink(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    make_link(k, cx, a[0], FDCWD, a[1])
}

fn symlinkat(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    make_link(k, cx, a[0], a[1], a[2])
}

fn make_link(k: &mut Kernel, cx: &mut Cx, target: u64, dirfd: u64, addr: u64) -> Call {
    let target = path(k, cx, target)?;
    if target.is_empty() {
        return Err(Errno::ENOENT.into());
    }
    let path = path(k, cx, addr)?;
    make(k, cx, dirfd, &path, What::Symlink(target), 0o777)
}

fn link(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    linkat(k, cx, &[FDCWD, a[0], FDCWD, a[1], 0, 0])
}

fn linkat(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let flags = a[4] as u32;
    if flags & !(linux::AT_SYMLINK_FOLLOW | linux::AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let mut how = WalkFlags::empty();
    how.set(WalkFlags::NOFOLLOW, flags & linux::AT_SYMLINK_FOLLOW == 0);
    if flags & linux::AT_EMPTY_PATH != 0 {
        require(k, cx, linux::CAP_DAC_READ_SEARCH).map_err(|_| Errno::ENOENT)?;
        how |= WalkFlags::EMPTY;
    }
    let (old, new) = (path(k, cx, a[1])?, path(k, cx, a[3])?);
    let old = find(k, cx, a[0], &old, how)?.pos;
    let new = parent(k, cx, a[2], &new)?;
    let mount = new.dir.mount;
    let (above, name) = new_name(k, new, false)?;
    if old.mount != mount {
        return Err(Errno::EXDEV.into());
    }
    let target = kept(old, Errno::EPERM)?;
    let (mut st, actor) = act(k, cx)?;
    dir::link(&mut st, &actor, target, above, &name)?;
    Ok(0)
}

fn unlink(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    remove_file(k, cx, FDCWD, a[0])
}

fn rmdir(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    remove_dir(k, cx, FDCWD, a[0])
}

fn unlinkat(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    match a[2] as u32 {
        0 => remove_file(k, cx, a[0], a[1]),
        linux::AT_REMOVEDIR => remove_dir(k, cx, a[0], a[1]),
        _ => Err(Errno::EINVAL.into()),
    }
}

fn remove_file(k: &mut Kernel, cx: &mut Cx, dirfd: u64, addr: u64) -> Call {
    let path = path(k, cx, addr)?;
    let parent = parent(k, cx, dirfd, &path)?;
    let Last::Name(name) = parent.last else {
        return Err(Errno::EISDIR.into());
    };
    if let Some(dir) = cgroupfs::at(parent.dir.node) {
        k.fs.writable(parent.dir.mount)?;
        let who = access(&caller(k, cx)?.cred);
        return Err(cgroupfs::refuse_unlink(k, &who, dir, &name).into());
    }
    let above = changeable(k, parent.dir)?;
    if parent.slash {
        let victim = dir::find(&k.fs, above, &name)?;
        let is_dir = k.fs.inode(victim)?.is_dir();
        return Err(if is_dir {
            Errno::EISDIR
        } else {
            Errno::ENOTDIR
        }
        .into());
    }
    let (mut st, actor) = act(k, cx)?;
    dir::unlink(&mut st, &actor, above, &name)?;
    Ok(0)
}

fn remove_dir(k: &mut Kernel, cx: &mut Cx, dirfd: u64, addr: u64) -> Call {
    let path = path(k, cx, addr)?;
    let parent = parent(k, cx, dirfd, &path)?;
    let name = match parent.last {
        Last::Name(name) => name,
        Last::Dot if path.iter().all(|b| *b == b'/') => return Err(Errno::EBUSY.into()),
        Last::Dot => return Err(Errno::EINVAL.into()),
        Last::DotDot => return Err(Errno::ENOTEMPTY.into()),
    };
    if let Some(dir) = cgroupfs::at(parent.dir.node) {
        return remove_group(k, cx, parent.dir, dir, &name);
    }
    let above = changeable(k, parent.dir)?;
    let (mut st, actor) = act(k, cx)?;
    dir::rmdir(&mut st, &actor, above, &name)?;
    Ok(0)
}

fn remove_group(k: &mut Kernel, cx: &Cx, at: Pos, dir: ViewNode, name: &[u8]) -> Call {
    k.fs.writable(at.mount)?;
    let cred = caller(k, cx)?.cred.clone();
    cgroupfs::remove(k, &access(&cred), dir, name)?;
    Ok(0)
}

fn rename(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    renameat2(k, cx, &[FDCWD, a[0], FDCWD, a[1], 0, 0])
}

fn renameat(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    renameat2(k, cx, &[a[0], a[1], a[2], a[3], 0, 0])
}

fn renameat2(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let flags = a[4] as u32;
    let whiteout = flags & linux::RENAME_WHITEOUT != 0;
    let mode = match flags & !linux::RENAME_WHITEOUT {
        0 => Mode::Replace,
        linux::RENAME_NOREPLACE => Mode::NoReplace,
        linux::RENAME_EXCHANGE if !whiteout => Mode::Exchange,
        _ => return Err(Errno::EINVAL.into()),
    };
    let (old, new) = (path(k, cx, a[1])?, path(k, cx, a[3])?);
    let old = parent(k, cx, a[0], &old)?;
    let new = parent(k, cx, a[2], &new)?;
    if old.dir.mount != new.dir.mount {
        return Err(Errno::EXDEV.into());
    }
    let (Last::Name(from), Last::Name(to)) = (old.last, new.last) else {
        let taken = mode == Mode::NoReplace;
        return Err(if taken { Errno::EEXIST } else { Errno::EBUSY }.into());
    };
    if let Some(dir) = cgroupfs::at(old.dir.node) {
        // Groups keep their names.
        k.fs.writable(old.dir.mount)?;
        let who = access(&caller(k, cx)?.cred);
        cgroupfs::victim(k, &who, dir, &from)?;
        return Err(if flags == 0 {
            Errno::EPERM
        } else {
            Errno::EINVAL
        }
        .into());
    }
    let above = changeable(k, old.dir)?;
    let below = kept(new.dir, Errno::EPERM)?;
    let source = dir::find(&k.fs, above, &from)?;
    if (old.slash || new.slash) && !k.fs.inode(source)?.is_dir() {
        return Err(Errno::ENOTDIR.into());
    }
    let (from, to) = (
        At {
            dir: above,
            name: &from,
        },
        At {
            dir: below,
            name: &to,
        },
    );
    let (mut st, actor) = act(k, cx)?;
    rename::rename(&mut st, &actor, from, to, mode, whiteout)?;
    Ok(0)
}

fn umask(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let id = own_context(k, cx)?;
    let context = k.tasks.contexts.get_mut(id).ok_or(Errno::ESRCH)?;
    let old = core::mem::replace(&mut context.umask, a[0] as u32 & 0o777);
    Ok(u64::from(old))
}

fn own_context(k: &Kernel, cx: &Cx) -> Result<crate::task::FsContextId, Errno> {
    Ok(caller(k, cx)?.fs.as_ref().ok_or(Errno::ESRCH)?.key())
}

/// A directory that the caller may search.
fn searchable(k: &Kernel, cx: &Cx, pos: Pos) -> Result<(), Errno> {
    let views = crate::views::Source::by(k, cx.task);
    if !k.fs.is_dir(&views, pos.node)? {
        return Err(Errno::ENOTDIR);
    }
    let stat = crate::fs::stat::stat(&k.fs, &views, pos, Time::default())?;
    let who = access(&caller(k, cx)?.cred);
    crate::fs::inode::permit(&who, (stat.uid, stat.gid), stat.mode, 1)
}

fn chdir(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let path = path(k, cx, a[0])?;
    let pos = find(k, cx, FDCWD, &path, WalkFlags::DIRECTORY)?.pos;
    go(k, cx, pos, false)
}

fn fchdir(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let file = files::any_file(k, cx.task, a[0])?;
    let pos = k.fs.file(file)?.at.pos();
    go(k, cx, pos, false)
}

fn chroot(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let path = path(k, cx, a[0])?;
    let pos = find(k, cx, FDCWD, &path, WalkFlags::DIRECTORY)?.pos;
    searchable(k, cx, pos)?;
    require(k, cx, linux::CAP_SYS_CHROOT)?;
    go(k, cx, pos, true)
}

fn go(k: &mut Kernel, cx: &Cx, pos: Pos, root: bool) -> Call {
    searchable(k, cx, pos)?;
    let id = own_context(k, cx)?;
    let place = |wanted| if wanted { Some(pos) } else { None };
    files::set_place(k, id, place(root), place(!root))?;
    Ok(0)
}
