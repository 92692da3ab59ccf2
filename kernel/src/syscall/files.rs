//! Calls on descriptors (read(2), write(2), dup(2), fcntl(2), pipe(2), ...).

use super::Line;
use super::place::{access, act, caller};
use crate::error::{Call, Errno, Stop};
use crate::fs::open::{self, FileKind, SETTABLE};
use crate::fs::pages::{self, SIZE_MAX};
use crate::fs::{FileId, Node, pipe, seal};
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
    (linux::__NR_close, "close", close),
    (linux::__NR_close_range, "close_range", close_range),
    (linux::__NR_lseek, "lseek", lseek),
    (linux::__NR_dup, "dup", dup),
    (linux::__NR_dup2, "dup2", dup2),
    (linux::__NR_dup3, "dup3", dup3),
    (linux::__NR_fcntl, "fcntl", fcntl),
    (linux::__NR_pipe, "pipe", pipe),
    (linux::__NR_pipe2, "pipe2", pipe2),
    (linux::__NR_ioctl, "ioctl", ioctl),
    (linux::__NR_getdents64, "getdents64", getdents64),
    (linux::__NR_ftruncate, "ftruncate", ftruncate),
    (linux::__NR_fallocate, "fallocate", fallocate),
    (linux::__NR_fadvise64, "fadvise64", fadvise64),
    (linux::__NR_fsync, "fsync", fsync),
    (linux::__NR_fdatasync, "fdatasync", fsync),
    (linux::__NR_syncfs, "syncfs", syncfs),
    (linux::__NR_sync, "sync", sync),
    (linux::__NR_flock, "flock", super::locks::flock),
    (linux::__NR_sendfile, "sendfile", sendfile),
    (
        linux::__NR_copy_file_range,
        "copy_file_range",
        copy_file_range,
    ),
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
fn offset(arg: u64) -> Result<Option<u64>, Errno> {
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

fn close(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    files::close(k, cx.task, a[0])?;
    Ok(0)
}

/// CLOSE_RANGE_CLOEXEC (close_range(2)).
const CLOEXEC_ONLY: u32 = 4;

fn close_range(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (first, last) = (a[0] as u32, a[1] as u32);
    let flags = a[2] as u32;
    // CLOSE_RANGE_UNSHARE is not supported.
    if flags & !CLOEXEC_ONLY != 0 || first > last {
        return Err(Errno::EINVAL.into());
    }
    files::close_range(k, cx.task, first, last, flags != 0)?;
    Ok(0)
}

fn lseek(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let id = files::file(k, cx.task, a[0])?;
    let file = k.fs.file(id)?;
    let by = a[1] as i64;
    let size = match &file.kind {
        FileKind::Pipe(_) | FileKind::Terminal(_) | FileKind::Socket(_) => {
            return Err(Errno::ESPIPE.into());
        }
        FileKind::Device(_) => return seek_device(k, id),
        // Events are always at their beginning.
        FileKind::Event(_) => return Ok(0),
        FileKind::Regular(inode) => pages::of(&k.fs, *inode)?.size,
        FileKind::Dir(_) | FileKind::View(_) | FileKind::Path => 0,
    };
    let plain = matches!(file.kind, FileKind::Regular(_));
    let place = match a[2] as u32 {
        linux::SEEK_SET => Some(by),
        linux::SEEK_CUR => (file.offset as i64).checked_add(by),
        linux::SEEK_END if plain => (size as i64).checked_add(by),
        linux::SEEK_DATA | linux::SEEK_HOLE if plain => {
            let data = a[2] as u32 == linux::SEEK_DATA;
            Some(seek_extent(k, id, by, data)? as i64)
        }
        _ => return Err(Errno::EINVAL.into()),
    };
    let place = place.ok_or(Errno::EOVERFLOW)?;
    let place = u64::try_from(place).map_err(|_| Errno::EINVAL)?;
    k.fs.file_mut(id)?.offset = place;
    Ok(place)
}

/// Ports have no places; memory devices are always at their beginning.
fn seek_device(k: &Kernel, id: FileId) -> Call {
    match &k.fs.file(id)?.kind {
        FileKind::Device(device) if device.major == 1 => Ok(0),
        _ => Err(Errno::ESPIPE.into()),
    }
}

/// Where the next page that is there begins, or the next hole (lseek(2)).
fn seek_extent(k: &Kernel, id: FileId, from: i64, data: bool) -> Result<u64, Errno> {
    let FileKind::Regular(inode) = &k.fs.file(id)?.kind else {
        return Err(Errno::EINVAL);
    };
    let pages = pages::of(&k.fs, *inode)?;
    let from = u64::try_from(from).map_err(|_| Errno::ENXIO)?;
    if from >= pages.size {
        return Err(Errno::ENXIO);
    }
    let page = crate::machine::PAGE;
    if data {
        let next = pages.frames.range(from / page..).next();
        let at = next.map(|(index, _)| (index * page).max(from));
        return at.filter(|at| *at < pages.size).ok_or(Errno::ENXIO);
    }
    let mut hole = from / page;
    for (index, _) in pages.frames.range(hole..) {
        if *index != hole {
            break;
        }
        hole += 1;
    }
    Ok((hole * page).max(from).min(pages.size))
}

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

fn fcntl(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let id = files::any_file(k, cx.task, a[0])?;
    match a[1] as u32 {
        linux::F_DUPFD | linux::F_DUPFD_CLOEXEC => {
            let from = a[2];
            if from >= files::limit(k, cx.task) {
                return Err(Errno::EINVAL.into());
            }
            let cloexec = a[1] as u32 == linux::F_DUPFD_CLOEXEC;
            dup_from(k, cx, a[0], from, cloexec)
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
        linux::F_GETLK | linux::F_SETLK | linux::F_SETLKW => {
            let id = files::file(k, cx.task, a[0])?;
            super::locks::fcntl_lock(k, cx, id, a)
        }
        _ => fcntl_open(k, cx, files::file(k, cx.task, a[0])?, a),
    }
}

/// The commands that O_PATH does not have.
fn fcntl_open(k: &mut Kernel, cx: &Cx, id: FileId, a: &[u64; 6]) -> Call {
    match a[1] as u32 {
        linux::F_SETFL => set_flags(k, cx, id, a[2] as u32),
        linux::F_GET_SEALS => {
            let file = k.fs.file(id)?;
            match &file.kind {
                FileKind::Regular(inode) => Ok(u64::from(seal::of(&k.fs, *inode)?)),
                _ => Err(Errno::EINVAL.into()),
            }
        }
        linux::F_ADD_SEALS => {
            let file = k.fs.file(id)?;
            let inode = match &file.kind {
                FileKind::Regular(inode) if file.writes() => *inode,
                FileKind::Regular(_) => return Err(Errno::EPERM.into()),
                _ => return Err(Errno::EINVAL.into()),
            };
            let mapped = k.spaces.writes_to(inode);
            seal::add(&mut k.fs, inode, a[2] as u32, mapped)?;
            Ok(0)
        }
        linux::F_GETPIPE_SZ => match &k.fs.file(id)?.kind {
            FileKind::Pipe(_) => Ok(pipe::CAPACITY as u64),
            _ => Err(Errno::EBADF.into()),
        },
        _ => Err(Errno::EINVAL.into()),
    }
}

/// F_SETFL: flags that cannot be changed are ignored, as on Linux. Nobody would send the signals of
/// O_ASYNC.
fn set_flags(k: &mut Kernel, cx: &Cx, id: FileId, flags: u32) -> Call {
    let file = k.fs.file(id)?;
    let regular = matches!(file.kind, FileKind::Regular(_));
    let unable = flags & linux::O_DIRECT != 0 && !regular;
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

fn pipe(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    make_pipe(k, cx, a[0], 0)
}

fn pipe2(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let flags = a[1] as u32;
    if flags & !(linux::O_CLOEXEC | linux::O_NONBLOCK) != 0 {
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
    let status = flags & linux::O_NONBLOCK;
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

fn getdents64(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let id = files::file(k, cx.task, a[0])?;
    io::getdents(k, cx, id, a[1], u64::from(a[2] as u32))
}

/// The inode of a regular file that is open for writing.
fn writable(k: &Kernel, cx: &Cx, fd: u64) -> Result<crate::fs::InodeId, Errno> {
    let file = k.fs.file(files::file(k, cx.task, fd)?)?;
    match &file.kind {
        FileKind::Regular(inode) if file.writes() => Ok(*inode),
        _ => Err(Errno::EINVAL),
    }
}

fn ftruncate(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let size = offset(a[1])?.unwrap_or(0);
    let inode = writable(k, cx, a[0])?;
    io::truncate(k, cx, inode, size, true)?;
    Ok(0)
}

/// Only the plain mode: makes the pages and the length, so that later writes there find room.
fn fallocate(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    if a[1] as u32 != 0 {
        return Err(Errno::EOPNOTSUPP.into());
    }
    let (start, len) = (a[2] as i64, a[3] as i64);
    if start < 0 || len <= 0 {
        return Err(Errno::EINVAL.into());
    }
    let end = start.checked_add(len).ok_or(Errno::EFBIG)? as u64;
    let file = k.fs.file(files::file(k, cx.task, a[0])?)?;
    if !file.writes() {
        return Err(Errno::EBADF.into());
    }
    let inode = match &file.kind {
        FileKind::Regular(inode) => *inode,
        FileKind::Pipe(_) => return Err(Errno::ESPIPE.into()),
        _ => return Err(Errno::ENODEV.into()),
    };
    io::reserve(k, cx, inode, start as u64, end)?;
    Ok(0)
}

/// Advice needs no following, but its arguments are checked.
fn fadvise64(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let file = k.fs.file(files::file(k, cx.task, a[0])?)?;
    if matches!(file.kind, FileKind::Pipe(_)) {
        return Err(Errno::ESPIPE.into());
    }
    if (a[2] as i64) < 0 || a[3] > u64::from(linux::POSIX_FADV_NOREUSE) {
        return Err(Errno::EINVAL.into());
    }
    Ok(0)
}

/// Files are in memory: what was written is where it stays.
fn fsync(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let file = k.fs.file(files::file(k, cx.task, a[0])?)?;
    match file.kind {
        FileKind::Regular(_) | FileKind::Dir(_) => Ok(0),
        _ => Err(Errno::EINVAL.into()),
    }
}

fn syncfs(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    files::file(k, cx.task, a[0])?;
    Ok(0)
}

fn sync(_k: &mut Kernel, _cx: &mut Cx, _a: &[u64; 6]) -> Call {
    Ok(0)
}

/// Where a copy reads or writes: an offset in the caller's memory, or the file's own.
struct Cursor {
    file: FileId,
    addr: u64,
    at: u64,
}

impl Cursor {
    fn new(k: &mut Kernel, cx: &mut Cx, file: FileId, addr: u64) -> Result<Cursor, Stop> {
        let at = match addr {
            0 => k.fs.file(file)?.offset,
            addr => user::read_u64(k, cx, addr)?,
        };
        if at > SIZE_MAX {
            return Err(Errno::EINVAL.into());
        }
        Ok(Cursor { file, addr, at })
    }

    fn finish(
        self,
        k: &mut Kernel,
        cx: &mut Cx,
        out: &user::UserOut,
        moved: u64,
    ) -> Result<(), Stop> {
        let at = self.at.saturating_add(moved);
        match self.addr {
            0 => k.fs.file_mut(self.file)?.offset = at,
            _ => user::put(k, cx, out, 0, &at.to_le_bytes()),
        }
        Ok(())
    }
}

fn prepare_offset(k: &mut Kernel, cx: &mut Cx, addr: u64) -> Result<user::UserOut, Stop> {
    match addr {
        0 => Ok(user::UserOut::NONE),
        addr => user::prepare(k, cx, addr, 8),
    }
}

/// Moves one pass and tells how much it was, which may be less than asked for (sendfile(2)).
fn sendfile(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let to = files::file(k, cx.task, a[0])?;
    let from = files::file(k, cx.task, a[1])?;
    let target = k.fs.file(to)?;
    if !target.writes() {
        return Err(Errno::EBADF.into());
    }
    if target.flags & linux::O_APPEND != 0 {
        return Err(Errno::EINVAL.into());
    }
    let out = prepare_offset(k, cx, a[2])?;
    let source = Cursor::new(k, cx, from, a[2])?;
    let bytes = io::read_kernel(k, cx, from, source.at, a[3].min(io::PASS) as usize)?;
    if bytes.is_empty() {
        return Ok(0);
    }
    // A pipe that has room for some of it takes that; none of it is to wait with half done.
    let bytes = match fitting(k, to, &bytes) {
        0 => &bytes[..],
        room => bytes.get(..room).unwrap_or(&bytes),
    };
    let moved = io::write_kernel(k, cx, to, bytes, None)?;
    source.finish(k, cx, &out, moved)?;
    Ok(moved)
}

/// How much of `bytes` a write takes without waiting; 0 when it has to wait.
fn fitting(k: &Kernel, to: FileId, bytes: &[u8]) -> usize {
    match k.fs.file(to).map(|f| &f.kind) {
        Ok(FileKind::Pipe(pipe)) => {
            let room = k.fs.pipes.get(pipe.key()).map_or(0, |p| p.room());
            room.min(bytes.len())
        }
        _ => bytes.len(),
    }
}

fn copy_file_range(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let from = files::file(k, cx.task, a[0])?;
    let to = files::file(k, cx.task, a[2])?;
    if a[5] as u32 != 0 {
        return Err(Errno::EINVAL.into());
    }
    check_copy(k, from, to)?;
    let (in_out, out_out) = (prepare_offset(k, cx, a[1])?, prepare_offset(k, cx, a[3])?);
    let source = Cursor::new(k, cx, from, a[1])?;
    let target = Cursor::new(k, cx, to, a[3])?;
    let len = a[4].min(io::PASS);
    let apart = source.at.abs_diff(target.at) >= len;
    if same_inode(k, from, to) && !apart {
        return Err(Errno::EINVAL.into());
    }
    let bytes = io::read_kernel(k, cx, from, source.at, len as usize)?;
    let moved = io::write_kernel(k, cx, to, &bytes, Some(target.at))?;
    source.finish(k, cx, &in_out, moved)?;
    target.finish(k, cx, &out_out, moved)?;
    Ok(moved)
}

fn check_copy(k: &Kernel, from: FileId, to: FileId) -> Result<(), Errno> {
    let (from, to) = (k.fs.file(from)?, k.fs.file(to)?);
    for file in [from, to] {
        match file.kind {
            FileKind::Regular(_) => {}
            FileKind::Dir(_) => return Err(Errno::EISDIR),
            _ => return Err(Errno::EINVAL),
        }
    }
    if !from.reads() || !to.writes() || to.flags & linux::O_APPEND != 0 {
        return Err(Errno::EBADF);
    }
    Ok(())
}

fn same_inode(k: &Kernel, a: FileId, b: FileId) -> bool {
    let node = |id| k.fs.file(id).map(|f| f.at.pos().node).ok();
    node(a) == node(b)
}
