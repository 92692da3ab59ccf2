//! Descriptors and their flags (dup(2), fcntl(2)).

use super::Line;
use super::place::{access, caller};
use crate::error::{Call, Errno};
use crate::fs::open::{FileKind, SETTABLE};
use crate::fs::pipe::{self, CAPACITY_MAX};
use crate::fs::{FileId, Node, PipeId, seal};
use crate::task::files;
use crate::{Cx, Kernel};
use linux_raw_sys::general as linux;

pub(super) const CALLS: &[Line] = &[
    (linux::__NR_dup, "dup", dup),
    (linux::__NR_dup2, "dup2", dup2),
    (linux::__NR_dup3, "dup3", dup3),
    (linux::__NR_fcntl, "fcntl", fcntl),
];

fn dup(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    dup_from(k, cx, a[0], 0, false)
}

fn dup_from(k: &mut Kernel, cx: &mut Cx, fd: u64, from: u64, cloexec: bool) -> Call {
    let id = files::any_file(k, cx.task, fd)?;
    let new = files::room(k, cx.task, from)?;
    let held = k.fs.files.hold(id).ok_or(Errno::EBADF)?;
    files::put(k, cx.task, new, held, cloexec);
    Ok(u64::from(new))
}

fn dup2(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let id = files::any_file(k, cx.task, a[0])?;
    if a[0] as u32 == a[1] as u32 {
        return Ok(u64::from(a[0] as u32));
    }
    dup_to(k, cx, id, a[1], false)
}

fn dup3(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let flags = a[2] as u32;
    if flags & !linux::O_CLOEXEC != 0 || a[0] as u32 == a[1] as u32 {
        return Err(Errno::EINVAL.into());
    }
    let id = files::any_file(k, cx.task, a[0])?;
    dup_to(k, cx, id, a[1], flags != 0)
}

fn dup_to(k: &mut Kernel, cx: &mut Cx, id: FileId, to: u64, cloexec: bool) -> Call {
    let new = files::room_at(k, cx.task, to)?;
    let held = k.fs.files.hold(id).ok_or(Errno::EBADF)?;
    files::put(k, cx.task, new, held, cloexec);
    Ok(u64::from(new))
}

/// F_DUPFD_QUERY: whether two descriptors are of one open file.
const DUPFD_QUERY: u32 = 1027;

fn fcntl(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let id = files::any_file(k, cx.task, a[0])?;
    match a[1] as u32 {
        linux::F_DUPFD | linux::F_DUPFD_CLOEXEC => {
            let from = u64::from(a[2] as u32);
            if from >= files::limit(k, cx.task) {
                return Err(Errno::EINVAL.into());
            }
            let cloexec = a[1] as u32 == linux::F_DUPFD_CLOEXEC;
            dup_from(k, cx, a[0], from, cloexec)
        }
        DUPFD_QUERY => {
            let other = files::any_file(k, cx.task, a[2])?;
            Ok(u64::from(id == other))
        }
        linux::F_GETFD => {
            let cloexec = files::descriptor(k, cx.task, a[0])?.cloexec;
            Ok(u64::from(cloexec))
        }
        linux::F_SETFD => {
            let cloexec = a[2] as u32 & linux::FD_CLOEXEC != 0;
            files::set_cloexec(k, cx.task, a[0], cloexec)?;
            Ok(0)
        }
        linux::F_GETFL => Ok(u64::from(k.fs.file(id)?.flags)),
        _ => fcntl_open(k, cx, files::file(k, cx.task, a[0])?, a),
    }
}

/// The commands that O_PATH does not have. Nobody gets the signals of O_ASYNC, and there are no
/// leases: what asks for them is refused, what asks about them is told so.
fn fcntl_open(k: &mut Kernel, cx: &mut Cx, id: FileId, a: &[u64; 6]) -> Call {
    match a[1] as u32 {
        linux::F_GETLK | linux::F_SETLK | linux::F_SETLKW => super::locks::fcntl_lock(k, cx, id, a),
        linux::F_OFD_GETLK | linux::F_OFD_SETLK | linux::F_OFD_SETLKW => {
            super::locks::fcntl_lock(k, cx, id, a)
        }
        linux::F_SETFL => set_flags(k, cx, id, a[2] as u32),
        linux::F_GETPIPE_SZ => {
            let pipe = k.fs.pipes.get(pipe_of(k, id)?).ok_or(Errno::EBADF)?;
            Ok(pipe.capacity() as u64)
        }
        linux::F_SETPIPE_SZ => {
            let pipe = pipe_of(k, id)?;
            set_capacity(k, cx, pipe, a[2] as u32)
        }
        linux::F_GET_SEALS => {
            let file = k.fs.file(id)?;
            match &file.kind {
                FileKind::Regular(inode) => Ok(u64::from(seal::of(&k.fs, *inode)?)),
                _ => Err(Errno::EINVAL.into()),
            }
        }
        linux::F_ADD_SEALS => add_seals(k, id, a[2] as u32),
        linux::F_GETOWN | linux::F_GETSIG => Ok(0),
        linux::F_GETLEASE => Ok(u64::from(linux::F_UNLCK)),
        _ => Err(Errno::EINVAL.into()),
    }
}

fn add_seals(k: &mut Kernel, id: FileId, seals: u32) -> Call {
    let file = k.fs.file(id)?;
    let inode = match &file.kind {
        FileKind::Regular(inode) if file.writes() => *inode,
        FileKind::Regular(_) => return Err(Errno::EPERM.into()),
        _ => return Err(Errno::EINVAL.into()),
    };
    let mapped = k.spaces.writes_to(inode);
    seal::add(&mut k.fs, inode, seals, mapped)?;
    Ok(0)
}

fn pipe_of(k: &Kernel, id: FileId) -> Result<PipeId, Errno> {
    match &k.fs.file(id)?.kind {
        FileKind::Pipe(pipe) => Ok(pipe.key()),
        _ => Err(Errno::EBADF),
    }
}

fn set_capacity(k: &mut Kernel, cx: &mut Cx, pipe: PipeId, bytes: u32) -> Call {
    if bytes > 1 << 31 {
        return Err(Errno::EINVAL.into());
    }
    // Nobody may have more, also who might on Linux.
    let bytes = (bytes as usize).max(1);
    if bytes > CAPACITY_MAX {
        return Err(Errno::EPERM.into());
    }
    let group = caller(k, cx)?.group.key();
    let mut st = crate::fs::Store::of(k);
    Ok(pipe::resize(&mut st, cx.m, pipe, group, bytes)? as u64)
}

/// F_SETFL: flags that cannot be changed are ignored, as on Linux.
fn set_flags(k: &mut Kernel, cx: &Cx, id: FileId, flags: u32) -> Call {
    let file = k.fs.file(id)?;
    let direct = matches!(file.kind, FileKind::Regular(_) | FileKind::Pipe(_));
    let unable = flags & linux::O_DIRECT != 0 && !direct;
    if unable || flags & linux::FASYNC != 0 {
        return Err(Errno::EINVAL.into());
    }
    if flags & !file.flags & linux::O_NOATIME != 0 {
        if let Node::Inode(inode) = file.at.pos().node {
            k.fs.inode(inode)?.owned(&access(&caller(k, cx)?.cred))?;
        }
    }
    let file = k.fs.file_mut(id)?;
    file.flags = (file.flags & !SETTABLE) | (flags & SETTABLE);
    Ok(0)
}
