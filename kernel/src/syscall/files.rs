//! Calls on descriptors (read(2), write(2), close(2), pipe(2), getdents(2), ...).

use super::Line;
use super::place::act;
use crate::error::{Call, Errno};
use crate::fs::open::{self, FileKind};
use crate::fs::pages::SIZE_MAX;
use crate::fs::{FileId, pipe};
use crate::io::{Form, Manner};
use crate::mm::user;
use crate::task::files;
use crate::{Cx, Kernel, io};
use linux_raw_sys::{general as linux, ioctl as request};

pub(super) const CALLS: &[Line] = &[
    (linux::__NR_read, "read", read),
    (linux::__NR_write, "write", write),
    (linux::__NR_readv, "readv", readv),
    (linux::__NR_writev, "writev", writev),
    (linux::__NR_pread64, "pread64", pread),
    (linux::__NR_pwrite64, "pwrite64", pwrite),
    (linux::__NR_preadv, "preadv", preadv),
    (linux::__NR_pwritev, "pwritev", pwritev),
    (linux::__NR_preadv2, "preadv2", preadv2),
    (linux::__NR_pwritev2, "pwritev2", pwritev2),
    (linux::__NR_close, "close", close),
    (linux::__NR_close_range, "close_range", close_range),
    (linux::__NR_pipe, "pipe", pipe),
    (linux::__NR_pipe2, "pipe2", pipe2),
    (linux::__NR_ioctl, "ioctl", ioctl),
    (linux::__NR_getdents, "getdents", getdents),
    (linux::__NR_getdents64, "getdents64", getdents64),
    (linux::__NR_flock, "flock", super::locks::flock),
];

fn read(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let file = files::file(k, cx.task, a[0])?;
    user::check(a[1], a[2])?;
    io::read(k, cx, file, &[(a[1], a[2])], None)
}

fn write(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let file = files::file(k, cx.task, a[0])?;
    user::check(a[1], a[2])?;
    io::write(k, cx, file, &[(a[1], a[2])], None)
}

fn readv(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let file = files::file(k, cx.task, a[0])?;
    let segments = user::iovecs(k, cx, a[1], a[2])?;
    io::read(k, cx, file, &segments, None)
}

fn writev(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let file = files::file(k, cx.task, a[0])?;
    let segments = user::iovecs(k, cx, a[1], a[2])?;
    io::write(k, cx, file, &segments, None)
}

/// A file offset argument.
pub(super) fn offset(arg: u64) -> Result<Option<u64>, Errno> {
    if arg > SIZE_MAX {
        return Err(Errno::EINVAL);
    }
    Ok(Some(arg))
}

fn pread(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let at = offset(a[3])?;
    let file = files::file(k, cx.task, a[0])?;
    user::check(a[1], a[2])?;
    io::read(k, cx, file, &[(a[1], a[2])], at)
}

fn pwrite(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let at = offset(a[3])?;
    let file = files::file(k, cx.task, a[0])?;
    user::check(a[1], a[2])?;
    io::write(k, cx, file, &[(a[1], a[2])], at)
}

fn preadv(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let at = offset(a[3])?;
    let file = files::file(k, cx.task, a[0])?;
    let segments = user::iovecs(k, cx, a[1], a[2])?;
    io::read(k, cx, file, &segments, at)
}

fn pwritev(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let at = offset(a[3])?;
    let file = files::file(k, cx.task, a[0])?;
    let segments = user::iovecs(k, cx, a[1], a[2])?;
    io::write(k, cx, file, &segments, at)
}

/// The flags of preadv2(2) and pwritev2(2): files are in memory, so that nothing has to be brought
/// to a disk; whether a file can be read without waiting, tmpfs does not say.
fn manner(k: &Kernel, id: FileId, flags: u64) -> Result<Manner, Errno> {
    const NOAPPEND: u32 = 0x20;
    let flags = u32::try_from(flags).map_err(|_| Errno::EOPNOTSUPP)?;
    let pipe = matches!(k.fs.file(id)?.kind, FileKind::Pipe(_));
    let mut known = linux::RWF_HIPRI | linux::RWF_DSYNC | linux::RWF_SYNC;
    known |= linux::RWF_APPEND | NOAPPEND;
    known |= if pipe { linux::RWF_NOWAIT } else { 0 };
    if flags & !known != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    let append = match flags & (linux::RWF_APPEND | NOAPPEND) {
        0 => None,
        linux::RWF_APPEND => Some(true),
        NOAPPEND => Some(false),
        _ => return Err(Errno::EINVAL),
    };
    Ok(Manner {
        nowait: flags & linux::RWF_NOWAIT != 0,
        append,
    })
}

/// The offset of preadv2 and pwritev2: -1 means the file's own.
fn offset_or_own(arg: u64) -> Result<Option<u64>, Errno> {
    if arg == u64::MAX {
        Ok(None)
    } else {
        offset(arg)
    }
}

fn preadv2(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let at = offset_or_own(a[3])?;
    let file = files::file(k, cx.task, a[0])?;
    let segments = user::iovecs(k, cx, a[1], a[2])?;
    let manner = manner(k, file, a[5])?;
    io::read_as(k, cx, file, &segments, at, manner)
}

fn pwritev2(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let at = offset_or_own(a[3])?;
    let file = files::file(k, cx.task, a[0])?;
    let segments = user::iovecs(k, cx, a[1], a[2])?;
    let manner = manner(k, file, a[5])?;
    io::write_as(k, cx, file, &segments, at, manner)
}

fn close(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    files::close(k, cx.task, a[0])?;
    Ok(0)
}

/// CLOSE_RANGE_UNSHARE and CLOSE_RANGE_CLOEXEC (close_range(2)).
const UNSHARE: u32 = 2;
const CLOEXEC_ONLY: u32 = 4;

fn close_range(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (first, last) = (a[0] as u32, a[1] as u32);
    let flags = a[2] as u32;
    if flags & !(UNSHARE | CLOEXEC_ONLY) != 0 || first > last {
        return Err(Errno::EINVAL.into());
    }
    if flags & UNSHARE != 0 {
        super::namespaces::unshare_files(k, cx.task)?;
    }
    files::close_range(k, cx.task, first, last, flags & CLOEXEC_ONLY != 0)?;
    Ok(0)
}

fn pipe(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    make_pipe(k, cx, a[0], 0)
}

fn pipe2(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let flags = a[1] as u32;
    if flags & !(linux::O_CLOEXEC | linux::O_NONBLOCK | linux::O_DIRECT) != 0 {
        return Err(Errno::EINVAL.into());
    }
    make_pipe(k, cx, a[0], flags)
}

fn make_pipe(k: &mut Kernel, cx: &mut Cx, addr: u64, flags: u32) -> Call {
    let out = user::prepare(k, cx, addr, 8)?;
    let first = files::room(k, cx.task, 0)?;
    let second = files::room(k, cx.task, u64::from(first) + 1)?;
    let (mut st, actor) = act(k, cx)?;
    let (inode, location) = pipe::anonymous(&mut st, &actor)?;
    let status = flags & (linux::O_NONBLOCK | linux::O_DIRECT);
    let group = actor.group;
    let read = open::open_fifo(&mut st, group, location.clone(), linux::O_RDONLY | status);
    let write = match &read {
        Ok(_) => open::open_fifo(&mut st, group, location, linux::O_WRONLY | status),
        Err(_) => Err(Errno::ENOENT.into()),
    };
    st.release_inode(inode);
    let (read, write) = match (read, write) {
        (Ok(read), Ok(write)) => (read, write),
        (Ok(read), Err(stop)) => {
            io::release(k, read);
            return Err(stop);
        }
        (Err(stop), _) => return Err(stop),
    };
    let cloexec = flags & linux::O_CLOEXEC != 0;
    for (fd, held) in [(first, read), (second, write)] {
        files::put(k, cx.task, fd, held, cloexec);
    }
    user::put(k, cx, &out, 0, &first.to_le_bytes());
    user::put(k, cx, &out, 4, &second.to_le_bytes());
    Ok(0)
}

fn ioctl(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let id = files::file(k, cx.task, a[0])?;
    match a[1] as u32 {
        request::FIOCLEX => files::set_cloexec(k, cx.task, a[0], true)?,
        request::FIONCLEX => files::set_cloexec(k, cx.task, a[0], false)?,
        what => return io::ioctl(k, cx, id, what, a[2]),
    }
    Ok(0)
}

fn getdents(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let id = files::file(k, cx.task, a[0])?;
    io::getdents(k, cx, id, a[1], u64::from(a[2] as u32), Form::Old)
}

fn getdents64(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let id = files::file(k, cx.task, a[0])?;
    io::getdents(k, cx, id, a[1], u64::from(a[2] as u32), Form::New)
}
