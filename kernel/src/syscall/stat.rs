//! Calls that tell about files (stat(2), access(2), statfs(2), getcwd(2), readlink(2)).

use super::Line;
use super::place::{FDCWD, allowed, at_flags, caller, find, path};
use crate::cgroup::DeviceUse;
use crate::error::{Call, Errno, Stop};
use crate::fs::inode::{self, Kind};
use crate::fs::mount::MountFlags;
use crate::fs::open::FileKind;
use crate::fs::stat::{Stat, encode_dev, stat, statfs as tell_fs};
use crate::fs::walk::WalkFlags;
use crate::fs::{Access, Location, MountId, Node, Pos, Time, path_of};
use crate::machine::PAGE;
use crate::mm::user;
use crate::task::files;
use crate::views::{self, Source};
use crate::wire::Writer;
use crate::{Cx, Kernel};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

pub(super) const CALLS: &[Line] = &[
    (linux::__NR_stat, "stat", stat_path),
    (linux::__NR_lstat, "lstat", lstat),
    (linux::__NR_fstat, "fstat", fstat),
    (linux::__NR_newfstatat, "newfstatat", newfstatat),
    (linux::__NR_statx, "statx", statx),
    (linux::__NR_access, "access", access_path),
    (linux::__NR_faccessat, "faccessat", faccessat),
    (linux::__NR_faccessat2, "faccessat2", faccessat2),
    (linux::__NR_statfs, "statfs", statfs),
    (linux::__NR_fstatfs, "fstatfs", fstatfs),
    (linux::__NR_readlink, "readlink", readlink),
    (linux::__NR_readlinkat, "readlinkat", readlinkat),
    (linux::__NR_getcwd, "getcwd", getcwd),
];

/// What stat tells of a position.
fn tell(k: &Kernel, cx: &Cx, pos: Pos) -> Result<Stat, Errno> {
    let now = Time::now(cx.m);
    let mut stat = stat(&k.fs, &Source::by(k, cx.task), pos, now)?;
    if let Node::View(node) = pos.node {
        let status = views::stat(k, node)?;
        stat.ino = status.ino;
        stat.nlink = status.nlink;
    }
    Ok(stat)
}

fn stat_path(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    tell_path(k, cx, FDCWD, a[0], a[1], WalkFlags::empty())
}

fn lstat(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    tell_path(k, cx, FDCWD, a[0], a[1], WalkFlags::NOFOLLOW)
}

fn newfstatat(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let flags = at_flags(a[3], linux::AT_NO_AUTOMOUNT)?;
    tell_path(k, cx, a[0], a[1], a[2], flags)
}

fn tell_path(
    k: &mut Kernel,
    cx: &mut Cx,
    dirfd: u64,
    addr: u64,
    to: u64,
    flags: WalkFlags,
) -> Call {
    let path = path_or_none(k, cx, addr, flags)?;
    let pos = find(k, cx, dirfd, &path, flags)?.pos;
    let record = record(&tell(k, cx, pos)?);
    user::copy_out(k, cx, to, &record, 0)
}

/// A path argument; where an empty one is allowed it may be absent too.
fn path_or_none(k: &mut Kernel, cx: &mut Cx, addr: u64, flags: WalkFlags) -> Result<Vec<u8>, Stop> {
    if addr == 0 && flags.contains(WalkFlags::EMPTY) {
        return Ok(Vec::new());
    }
    path(k, cx, addr)
}

fn fstat(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let file = files::any_file(k, cx.task, a[0])?;
    let pos = k.fs.file(file)?.at.pos();
    let record = record(&tell(k, cx, pos)?);
    user::copy_out(k, cx, a[1], &record, 0)
}

/// struct stat, 144 bytes.
fn record(s: &Stat) -> Vec<u8> {
    let time = |w: Writer, t: Time| w.i64(t.sec).u64(u64::from(t.nsec));
    let w = Writer::new()
        .u64(encode_dev(s.dev))
        .u64(s.ino)
        .u64(u64::from(s.nlink))
        .u32(s.mode)
        .u32(s.uid)
        .u32(s.gid)
        .u32(0)
        .u64(encode_dev(s.rdev))
        .u64(s.size)
        .u64(PAGE)
        .u64(s.blocks);
    time(time(time(w, s.accessed), s.modified), s.changed)
        .pad_to(144)
        .done()
}

fn statx(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let sync = linux::AT_STATX_FORCE_SYNC | linux::AT_STATX_DONT_SYNC;
    if a[2] as u32 & sync == sync || a[3] as u32 & linux::STATX__RESERVED != 0 {
        return Err(Errno::EINVAL.into());
    }
    let flags = at_flags(a[2], sync | linux::AT_NO_AUTOMOUNT)?;
    let path = path_or_none(k, cx, a[1], flags)?;
    let pos = find(k, cx, a[0], &path, flags)?.pos;
    let record = extended(k, &tell(k, cx, pos)?, pos, a[3] as u32);
    user::copy_out(k, cx, a[4], &record, 0)
}

/// struct statx, 256 bytes.
fn extended(k: &Kernel, s: &Stat, pos: Pos, asked: u32) -> Vec<u8> {
    /// Also filled: the mount's number, which no other mount gets.
    const STATX_MNT_ID: u32 = 0x1000;
    const STATX_MNT_ID_UNIQUE: u32 = 0x4000;
    const ATTR_MOUNT_ROOT: u64 = 0x2000;
    let unique = asked & STATX_MNT_ID_UNIQUE != 0;
    let mount_id = if unique {
        STATX_MNT_ID_UNIQUE
    } else {
        STATX_MNT_ID
    };
    let born = match pos.node {
        Node::Inode(_) => linux::STATX_BTIME,
        Node::View(_) => 0,
    };
    let root = k.fs.root_of(pos.mount) == Ok(pos);
    let time = |w: Writer, t: Time| w.i64(t.sec).u32(t.nsec).u32(0);
    let w = Writer::new()
        .u32(linux::STATX_BASIC_STATS | born | mount_id)
        .u32(PAGE as u32)
        .u64(if root { ATTR_MOUNT_ROOT } else { 0 })
        .u32(s.nlink)
        .u32(s.uid)
        .u32(s.gid)
        .u16(s.mode as u16)
        .u16(0)
        .u64(s.ino)
        .u64(s.size)
        .u64(s.blocks)
        .u64(ATTR_MOUNT_ROOT);
    let w = time(time(w, s.accessed), s.born);
    time(time(w, s.changed), s.modified)
        .u32(s.rdev.0)
        .u32(s.rdev.1)
        .u32(s.dev.0)
        .u32(s.dev.1)
        .u64(u64::from(s.mount))
        .pad_to(256)
        .done()
}

fn access_path(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    may(k, cx, FDCWD, a[0], a[1], 0)
}

fn faccessat(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    may(k, cx, a[0], a[1], a[2], 0)
}

fn faccessat2(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    may(k, cx, a[0], a[1], a[2], a[3])
}

/// Whether the caller may: by its real ids unless AT_EACCESS says otherwise (access(2)).
fn may(k: &mut Kernel, cx: &mut Cx, dirfd: u64, addr: u64, want: u64, flags: u64) -> Call {
    let want = u32::try_from(want).map_err(|_| Errno::EINVAL)?;
    if want & !7 != 0 {
        return Err(Errno::EINVAL.into());
    }
    let how = at_flags(flags, linux::AT_EACCESS)?;
    let path = path(k, cx, addr)?;
    let effective = flags as u32 & linux::AT_EACCESS != 0;
    let cred = &caller(k, cx)?.cred;
    let who = if effective {
        super::place::access(cred)
    } else {
        Access {
            uid: cred.uid,
            gid: cred.gid,
            groups: &cred.groups,
            caps: if cred.uid == 0 {
                cred.caps.permitted
            } else {
                0
            },
        }
    };
    let pos = super::place::find_as(k, cx, dirfd, &path, how, &who)?.pos;
    if want == 0 {
        return Ok(0);
    }
    let stat = tell(k, cx, pos)?;
    let kind = stat.mode & linux::S_IFMT;
    let flags = k.fs.mount(pos.mount)?.flags;
    if want & 1 != 0 && kind == linux::S_IFREG && flags.contains(MountFlags::NOEXEC) {
        return Err(Errno::EACCES.into());
    }
    inode::permit(&who, (stat.uid, stat.gid), stat.mode, want)?;
    if let Node::Inode(id) = pos.node {
        if let Kind::Device(device) = k.fs.inode(id)?.kind {
            allowed(k, cx, device, DeviceUse::from_bits_truncate(want as u8))?;
        }
    }
    let special = [
        linux::S_IFCHR,
        linux::S_IFBLK,
        linux::S_IFIFO,
        linux::S_IFSOCK,
    ];
    if want & 2 != 0 && !special.contains(&kind) {
        k.fs.writable(pos.mount)?;
    }
    Ok(0)
}

fn statfs(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let path = path(k, cx, a[0])?;
    let pos = find(k, cx, FDCWD, &path, WalkFlags::empty())?.pos;
    put_statfs(k, cx, pos.mount, a[1])
}

fn fstatfs(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let file = files::any_file(k, cx.task, a[0])?;
    let mount = k.fs.file(file)?.at.pos().mount;
    put_statfs(k, cx, mount, a[1])
}

/// struct statfs, 120 bytes.
fn put_statfs(k: &mut Kernel, cx: &mut Cx, mount: MountId, to: u64) -> Call {
    let s = tell_fs(&k.fs, mount)?;
    let record = Writer::new()
        .u64(u64::from(s.kind))
        .u64(PAGE)
        .u64(s.blocks)
        .u64(s.free)
        .u64(s.free)
        .u64(s.files)
        .u64(s.files_free)
        .u32(s.dev)
        .u32(0)
        .u64(crate::fs::dir::NAME_MAX as u64)
        .u64(PAGE)
        .u64(u64::from(s.flags))
        .pad_to(120)
        .done();
    user::copy_out(k, cx, to, &record, 0)
}

fn readlink(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    read_link(k, cx, FDCWD, a[0], a[1], a[2])
}

fn readlinkat(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    read_link(k, cx, a[0], a[1], a[2], a[3])
}

fn read_link(k: &mut Kernel, cx: &mut Cx, dirfd: u64, addr: u64, to: u64, len: u64) -> Call {
    let len = len as u32 as i32;
    if len <= 0 {
        return Err(Errno::EINVAL.into());
    }
    let path = path(k, cx, addr)?;
    let how = WalkFlags::NOFOLLOW | WalkFlags::EMPTY;
    // Only a descriptor can stand for itself.
    if path.is_empty() && dirfd as u32 == FDCWD as u32 {
        return Err(Errno::ENOENT.into());
    }
    let pos = find(k, cx, dirfd, &path, how)?.pos;
    let text = match pos.node {
        Node::Inode(id) => match &k.fs.inode(id)?.kind {
            Kind::Symlink(target) => target.clone(),
            _ if path.is_empty() => return Err(Errno::ENOENT.into()),
            _ => return Err(Errno::EINVAL.into()),
        },
        Node::View(node) => views::link_text(k, cx.task, node)?,
    };
    let text = text.get(..len as usize).unwrap_or(&text);
    user::copy_out(k, cx, to, text, text.len() as u64)
}

fn getcwd(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let context = files::context(k, cx.task)?;
    let (root, pos) = (context.root.pos(), context.cwd.pos());
    let location = Location { pos, name: None };
    let told = path_of(&k.fs, &Source::by(k, cx.task), &location, root);
    if told.deleted {
        return Err(Errno::ENOENT.into());
    }
    let mut path = told.path;
    if !told.reachable {
        path.splice(0..0, *b"(unreachable)");
    }
    path.push(0);
    if path.len() > 4096 {
        return Err(Errno::ENAMETOOLONG.into());
    }
    if path.len() as u64 > a[1] {
        return Err(Errno::ERANGE.into());
    }
    user::copy_out(k, cx, a[0], &path, path.len() as u64)
}

/// The inode-like position of an open file, whatever it is, for calls that change attributes.
pub(super) fn of_descriptor(k: &Kernel, cx: &Cx, fd: u64) -> Result<Pos, Stop> {
    let file = k.fs.file(files::file(k, cx.task, fd)?)?;
    match file.kind {
        FileKind::Path => Err(Errno::EBADF.into()),
        _ => Ok(file.at.pos()),
    }
}
