//! Calls that change names and attributes (mkdir(2), rename(2), chmod(2), ...).

use super::Line;
use super::place::{
    FDCWD, act, at_flags, caller, changeable, find, id, kept, parent, path, require,
};
use super::stat::of_descriptor;
use crate::error::{Call, Errno, Stop};
use crate::fs::attributes::{self, NewTime};
use crate::fs::dir;
use crate::fs::inode::{Device, Kind, What};
use crate::fs::rename::{self, At, Mode};
use crate::fs::stat::decode_dev;
use crate::fs::walk::{Last, Parent, WalkFlags};
use crate::fs::{InodeId, Pos, Time};
use crate::mm::user;
use crate::task::files;
use crate::wire::get_u64;
use crate::{Cx, Kernel, io};
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
    (linux::__NR_chmod, "chmod", chmod),
    (linux::__NR_fchmod, "fchmod", fchmod),
    (linux::__NR_fchmodat, "fchmodat", fchmodat),
    (linux::__NR_chown, "chown", chown),
    (linux::__NR_lchown, "lchown", lchown),
    (linux::__NR_fchown, "fchown", fchown),
    (linux::__NR_fchownat, "fchownat", fchownat),
    (linux::__NR_utimensat, "utimensat", utimensat),
    (linux::__NR_utime, "utime", utime),
    (linux::__NR_utimes, "utimes", utimes),
    (linux::__NR_futimesat, "futimesat", futimesat),
    (linux::__NR_truncate, "truncate", truncate),
    (linux::__NR_umask, "umask", umask),
    (linux::__NR_chdir, "chdir", chdir),
    (linux::__NR_fchdir, "fchdir", fchdir),
    (linux::__NR_chroot, "chroot", chroot),
];

/// A new name: its directory and itself, for what cannot end with a slash unless `dir`.
fn new_name(k: &Kernel, parent: Parent, dir: bool) -> Result<(InodeId, Vec<u8>), Errno> {
    let Last::Name(name) = parent.last else {
        return Err(Errno::EEXIST);
    };
    let above = kept(parent.dir, Errno::EPERM)?;
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
    let (above, name) = new_name(k, at, matches!(what, What::Dir))?;
    let umask = match what {
        What::Symlink(_) => 0,
        _ => files::context(k, cx.task)?.umask,
    };
    let (mut st, actor) = act(k, cx)?;
    dir::make(&mut st, &actor, above, &name, what, mode & !umask)?;
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
    if matches!(what, What::Device(_)) {
        require(k, cx, linux::CAP_MKNOD)?;
    }
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
    let above = changeable(k, parent.dir)?;
    let (mut st, actor) = act(k, cx)?;
    dir::rmdir(&mut st, &actor, above, &name)?;
    Ok(0)
}

fn rename(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    renameat2(k, cx, &[FDCWD, a[0], FDCWD, a[1], 0, 0])
}

fn renameat(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    renameat2(k, cx, &[a[0], a[1], a[2], a[3], 0, 0])
}

fn renameat2(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let mode = match a[4] as u32 {
        0 => Mode::Replace,
        linux::RENAME_NOREPLACE => Mode::NoReplace,
        linux::RENAME_EXCHANGE => Mode::Exchange,
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
    rename::rename(&mut st, &actor, from, to, mode)?;
    Ok(0)
}

/// The kept inode of a path, which may be changed.
fn target(
    k: &mut Kernel,
    cx: &mut Cx,
    dirfd: u64,
    addr: u64,
    how: WalkFlags,
) -> Result<InodeId, Stop> {
    let path = path(k, cx, addr)?;
    let pos = find(k, cx, dirfd, &path, how)?.pos;
    Ok(changeable(k, pos)?)
}

fn chmod(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let inode = target(k, cx, FDCWD, a[0], WalkFlags::empty())?;
    set_mode(k, cx, inode, a[1])
}

fn fchmodat(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let inode = target(k, cx, a[0], a[1], WalkFlags::empty())?;
    set_mode(k, cx, inode, a[2])
}

fn fchmod(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let pos = of_descriptor(k, cx, a[0])?;
    let inode = changeable(k, pos)?;
    set_mode(k, cx, inode, a[1])
}

fn set_mode(k: &mut Kernel, cx: &Cx, inode: InodeId, mode: u64) -> Call {
    if matches!(k.fs.inode(inode)?.kind, Kind::Symlink(_)) {
        return Err(Errno::EOPNOTSUPP.into());
    }
    let (st, actor) = act(k, cx)?;
    attributes::chmod(st.fs, &actor, inode, mode as u32)?;
    Ok(0)
}

fn chown(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let inode = target(k, cx, FDCWD, a[0], WalkFlags::empty())?;
    set_owner(k, cx, inode, a[1], a[2])
}

fn lchown(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let inode = target(k, cx, FDCWD, a[0], WalkFlags::NOFOLLOW)?;
    set_owner(k, cx, inode, a[1], a[2])
}

fn fchownat(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let how = at_flags(a[4], 0)?;
    let inode = target(k, cx, a[0], a[1], how)?;
    set_owner(k, cx, inode, a[2], a[3])
}

fn fchown(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let pos = of_descriptor(k, cx, a[0])?;
    let inode = changeable(k, pos)?;
    set_owner(k, cx, inode, a[1], a[2])
}

fn set_owner(k: &mut Kernel, cx: &Cx, inode: InodeId, uid: u64, gid: u64) -> Call {
    let (mut st, actor) = act(k, cx)?;
    attributes::chown(&mut st, &actor, inode, id(uid), id(gid))?;
    Ok(0)
}

const BOTH_NOW: (NewTime, NewTime) = (NewTime::Now, NewTime::Now);

fn utimensat(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let times = match a[2] {
        0 => BOTH_NOW,
        addr => {
            let mut both = [0; 32];
            user::copy_in(k, cx, addr, &mut both)?;
            (timespec(&both, 0)?, timespec(&both, 16)?)
        }
    };
    if times == (NewTime::Omit, NewTime::Omit) {
        return Ok(0);
    }
    let inode = if a[1] == 0 && a[0] as u32 != FDCWD as u32 {
        if a[3] != 0 {
            return Err(Errno::EINVAL.into());
        }
        let pos = of_descriptor(k, cx, a[0])?;
        changeable(k, pos)?
    } else {
        let how = at_flags(a[3], 0)?;
        target(k, cx, a[0], a[1], how)?
    };
    set_times(k, cx, inode, times)
}

fn set_times(k: &mut Kernel, cx: &Cx, inode: InodeId, times: (NewTime, NewTime)) -> Call {
    let (st, actor) = act(k, cx)?;
    attributes::utimens(st.fs, &actor, inode, times)?;
    Ok(0)
}

fn timespec(bytes: &[u8], at: usize) -> Result<NewTime, Errno> {
    let (sec, nsec) = (get_u64(bytes, at) as i64, get_u64(bytes, at + 8));
    match u32::try_from(nsec) {
        Ok(linux::UTIME_NOW) => Ok(NewTime::Now),
        Ok(linux::UTIME_OMIT) => Ok(NewTime::Omit),
        Ok(nsec) if nsec < 1_000_000_000 => Ok(NewTime::At(Time { sec, nsec })),
        _ => Err(Errno::EINVAL),
    }
}

fn timeval(bytes: &[u8], at: usize) -> Result<NewTime, Errno> {
    let (sec, micros) = (get_u64(bytes, at) as i64, get_u64(bytes, at + 8));
    if micros >= 1_000_000 {
        return Err(Errno::EINVAL);
    }
    let nsec = micros as u32 * 1000;
    Ok(NewTime::At(Time { sec, nsec }))
}

fn utimes(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    futimesat(k, cx, &[FDCWD, a[0], a[1], 0, 0, 0])
}

fn futimesat(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let times = match a[2] {
        0 => BOTH_NOW,
        addr => {
            let mut both = [0; 32];
            user::copy_in(k, cx, addr, &mut both)?;
            (timeval(&both, 0)?, timeval(&both, 16)?)
        }
    };
    let inode = target(k, cx, a[0], a[1], WalkFlags::empty())?;
    set_times(k, cx, inode, times)
}

fn utime(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let times = match a[1] {
        0 => BOTH_NOW,
        addr => {
            let mut both = [0; 16];
            user::copy_in(k, cx, addr, &mut both)?;
            let second = |at| {
                NewTime::At(Time {
                    sec: get_u64(&both, at) as i64,
                    nsec: 0,
                })
            };
            (second(0), second(8))
        }
    };
    let inode = target(k, cx, FDCWD, a[0], WalkFlags::empty())?;
    set_times(k, cx, inode, times)
}

fn truncate(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let size = a[1];
    if (size as i64) < 0 {
        return Err(Errno::EINVAL.into());
    }
    let path = path(k, cx, a[0])?;
    let pos = find(k, cx, FDCWD, &path, WalkFlags::empty())?.pos;
    let inode = kept(pos, Errno::EINVAL)?;
    let object = k.fs.inode(inode)?;
    match object.kind {
        Kind::Dir(_) => return Err(Errno::EISDIR.into()),
        Kind::Regular(_) => {}
        _ => return Err(Errno::EINVAL.into()),
    }
    k.fs.writable(pos.mount)?;
    object.permit(&super::place::access(&caller(k, cx)?.cred), 2)?;
    if k.spaces.runs(inode) {
        return Err(Errno::ETXTBSY.into());
    }
    io::truncate(k, cx, inode, size, false)?;
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
    let who = super::place::access(&caller(k, cx)?.cred);
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
