//! Places, sizes and pages of open files (lseek(2), ftruncate(2), fallocate(2), fsync(2)).

use super::Line;
use super::files::offset;
use crate::error::{Call, Errno, Stop};
use crate::fs::FileId;
use crate::fs::open::FileKind;
use crate::fs::pages;
use crate::machine::PAGE;
use crate::task::files;
use crate::{Cx, Kernel, io, mm};
use linux_raw_sys::general as linux;

pub(super) const CALLS: &[Line] = &[
    (linux::__NR_lseek, "lseek", lseek),
    (linux::__NR_ftruncate, "ftruncate", ftruncate),
    (linux::__NR_fallocate, "fallocate", fallocate),
    (linux::__NR_fadvise64, "fadvise64", fadvise64),
    (linux::__NR_readahead, "readahead", readahead),
    (linux::__NR_fsync, "fsync", fsync),
    (linux::__NR_fdatasync, "fdatasync", fsync),
    (
        linux::__NR_sync_file_range,
        "sync_file_range",
        sync_file_range,
    ),
    (linux::__NR_syncfs, "syncfs", syncfs),
    (linux::__NR_sync, "sync", sync),
];

fn lseek(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let id = files::file(k, cx.task, a[0])?;
    let file = k.fs.file(id)?;
    let by = a[1] as i64;
    let size = match &file.kind {
        FileKind::Pipe(_) | FileKind::Terminal(_) | FileKind::Socket(_) => {
            return Err(Errno::ESPIPE.into());
        }
        FileKind::Device(_) => return seek_device(k, id),
        FileKind::Log(_) => return io::log_seek(k, cx, id, by, a[2] as u32),
        // Events are always at their beginning.
        FileKind::Event(_) => return Ok(0),
        FileKind::Regular(inode) => pages::of(&k.fs, *inode)?.size,
        FileKind::Dir(_) | FileKind::View(_) | FileKind::Queue(_) | FileKind::Path => 0,
    };
    let plain = matches!(file.kind, FileKind::Regular(_));
    let place = match a[2] as u32 {
        linux::SEEK_SET => Some(by),
        linux::SEEK_CUR => (file.offset as i64).checked_add(by),
        linux::SEEK_END if plain => (size as i64).checked_add(by),
        linux::SEEK_DATA | linux::SEEK_HOLE if plain => {
            let data = a[2] as u32 == linux::SEEK_DATA;
            Some(seek_extent(k, cx, id, by, data)? as i64)
        }
        _ => return Err(Errno::EINVAL.into()),
    };
    let place = place.and_then(|place| u64::try_from(place).ok());
    let place = place.ok_or(Errno::EINVAL)?;
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

/// Pages that one trap of lseek(2) looks at.
const SEEK_TURN: u64 = 4096;

/// Where the next page that is there begins, or the next hole (lseek(2)); goes on in turns.
fn seek_extent(k: &Kernel, cx: &Cx, id: FileId, from: i64, data: bool) -> Result<u64, Stop> {
    let FileKind::Regular(inode) = &k.fs.file(id)?.kind else {
        return Err(Errno::EINVAL.into());
    };
    let pages = pages::of(&k.fs, *inode)?;
    let from = u64::try_from(from).map_err(|_| Errno::ENXIO)?;
    if from >= pages.size {
        return Err(Errno::ENXIO.into());
    }
    if data {
        let next = pages.frames.range(from / PAGE..).next();
        let at = next.map(|(index, _)| (index * PAGE).max(from));
        let at = at.filter(|at| *at < pages.size);
        return Ok(at.ok_or(Errno::ENXIO)?);
    }
    let first = (from / PAGE).max(cx.resume.map_or(0, |r| r.word));
    let mut hole = first;
    for (index, _) in pages.frames.range(first..) {
        if *index != hole {
            break;
        }
        hole += 1;
        if hole - first >= SEEK_TURN {
            return Err(mm::turn::later(hole));
        }
    }
    Ok((hole * PAGE).max(from).min(pages.size))
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
    io::truncate(k, cx, inode, size)?;
    Ok(0)
}

/// Makes pages and the length, so that later writes there find room; or a hole. tmpfs knows no
/// other mode.
fn fallocate(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (start, len) = (a[2] as i64, a[3] as i64);
    if start < 0 || len <= 0 {
        return Err(Errno::EINVAL.into());
    }
    let keep = linux::FALLOC_FL_KEEP_SIZE;
    let hole = keep | linux::FALLOC_FL_PUNCH_HOLE;
    let mode = a[1] as u32;
    if ![0, keep, hole].contains(&mode) {
        return Err(Errno::EOPNOTSUPP.into());
    }
    let file = k.fs.file(files::file(k, cx.task, a[0])?)?;
    if !file.writes() {
        return Err(Errno::EBADF.into());
    }
    let inode = match &file.kind {
        FileKind::Regular(inode) => *inode,
        FileKind::Pipe(_) => return Err(Errno::ESPIPE.into()),
        _ => return Err(Errno::ENODEV.into()),
    };
    let end = start.checked_add(len).ok_or(Errno::EFBIG)? as u64;
    let part = (start as u64, end);
    if mode == hole {
        io::punch(k, cx, inode, part)?;
    } else {
        io::reserve(k, cx, inode, part, mode == keep)?;
    }
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

/// What the flags of sync_file_range(2) can ask for: all of it is so already.
const SYNC_RANGE: u32 = linux::SYNC_FILE_RANGE_WAIT_BEFORE
    | linux::SYNC_FILE_RANGE_WRITE
    | linux::SYNC_FILE_RANGE_WAIT_AFTER;

fn sync_file_range(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let file = k.fs.file(files::file(k, cx.task, a[0])?)?;
    let end = (a[1] as i64).checked_add(a[2] as i64);
    let backwards = (a[1] as i64) < 0 || end.is_none_or(|end| end < a[1] as i64);
    if a[3] as u32 & !SYNC_RANGE != 0 || backwards {
        return Err(Errno::EINVAL.into());
    }
    match file.kind {
        FileKind::Regular(_) | FileKind::Dir(_) => Ok(0),
        _ => Err(Errno::ESPIPE.into()),
    }
}

/// Nothing has to be read ahead.
fn readahead(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let file = k.fs.file(files::file(k, cx.task, a[0])?)?;
    match file.kind {
        _ if !file.reads() => Err(Errno::EBADF.into()),
        FileKind::Regular(_) => Ok(0),
        _ => Err(Errno::EINVAL.into()),
    }
}
