//! Copies between open files inside the kernel (sendfile(2), copy_file_range(2)).

use super::Line;
use crate::error::{Call, Errno, Stop};
use crate::fs::FileId;
use crate::fs::open::FileKind;
use crate::fs::pages::{self, SIZE_MAX};
use crate::mm::user;
use crate::net::ready;
use crate::task::files;
use crate::wait::Resume;
use crate::{Cx, Kernel, io};
use linux_raw_sys::general as linux;

pub(super) const CALLS: &[Line] = &[
    (linux::__NR_sendfile, "sendfile", sendfile),
    (
        linux::__NR_copy_file_range,
        "copy_file_range",
        copy_file_range,
    ),
];

/// Where a copy reads or writes: an offset in the caller's memory, or the file's own (address 0).
/// It moves on with each pass, so that who is interrupted finds it where the copy was.
#[derive(Clone, Copy)]
struct Cursor {
    file: FileId,
    addr: u64,
}

impl Cursor {
    /// Where it is, and that it can be moved.
    fn get(self, k: &mut Kernel, cx: &mut Cx) -> Result<(u64, user::UserOut), Stop> {
        let (at, out) = match self.addr {
            0 => (k.fs.file(self.file)?.offset, user::UserOut::NONE),
            addr => {
                let out = user::prepare(k, cx, addr, 8)?;
                (user::read_u64(k, cx, addr)?, out)
            }
        };
        if at > SIZE_MAX {
            return Err(Errno::EINVAL.into());
        }
        Ok((at, out))
    }

    fn put(self, k: &mut Kernel, cx: &mut Cx, out: &user::UserOut, at: u64) -> Result<(), Errno> {
        match self.addr {
            0 => k.fs.file_mut(self.file)?.offset = at,
            _ => user::put(k, cx, out, 0, &at.to_le_bytes()),
        }
        Ok(())
    }
}

/// Copies up to `len` bytes, a pass a trap; `done` of them are there already. Without a cursor the
/// target takes them where it is.
fn copy(
    k: &mut Kernel,
    cx: &mut Cx,
    source: Cursor,
    (to, target): (FileId, Option<Cursor>),
    len: u64,
) -> Call {
    let resume = cx.resume.unwrap_or_default();
    let done = resume.done;
    let (from, source_out) = source.get(k, cx)?;
    let (at, target_out) = match target {
        Some(target) => {
            let (at, out) = target.get(k, cx)?;
            (Some(at), out)
        }
        None => (None, user::UserOut::NONE),
    };
    let max = len.saturating_sub(done).min(io::PASS);
    let bytes = io::read_kernel(k, cx, source.file, from, max as usize)?;
    if bytes.is_empty() {
        return Ok(done);
    }
    // A pipe that has room for some of it takes that; none of it is to wait with half done.
    let bytes = match fitting(k, to, &bytes) {
        0 => &bytes[..],
        room => bytes.get(..room).unwrap_or(&bytes),
    };
    cx.resume = None;
    let result = io::write_kernel(k, cx, to, bytes, at);
    let part = match &result {
        Ok(part) => *part,
        Err(Stop::Wait(pending)) => pending.resume.done,
        Err(Stop::NoMem(_)) => cx.resume.map_or(0, |r| r.done),
        Err(_) => 0,
    };
    io::count_read(k, cx, part);
    if part > 0 {
        io::accessed(k, cx, source.file);
    }
    let done = done.saturating_add(part);
    source.put(k, cx, &source_out, from.saturating_add(part))?;
    if let (Some(target), Some(at)) = (target, at) {
        target.put(k, cx, &target_out, at.saturating_add(part))?;
    }
    let next = Resume { done, ..resume };
    cx.resume = Some(next);
    match result {
        Ok(0) => Ok(done),
        // A pipe takes what fits, and its writer is told.
        Ok(_) if done < len && !is_pipe(k, to) => Err(io::take_turns(cx, done)),
        Ok(_) => Ok(done),
        Err(Stop::Errno(_)) if done > 0 => Ok(done),
        Err(Stop::Wait(mut pending)) => {
            pending.resume = Resume {
                deadline: pending.resume.deadline,
                ..next
            };
            Err(Stop::Wait(pending))
        }
        Err(stop) => Err(stop),
    }
}

fn is_pipe(k: &Kernel, file: FileId) -> bool {
    matches!(k.fs.file(file).map(|f| &f.kind), Ok(FileKind::Pipe(_)))
}

/// How much of `bytes` a write takes without waiting; 0 when it has to wait.
fn fitting(k: &Kernel, to: FileId, bytes: &[u8]) -> usize {
    match k.fs.file(to).map(|f| &f.kind) {
        Ok(FileKind::Pipe(pipe)) => {
            let room = k.fs.pipes.get(pipe.key()).map_or(0, |p| p.room());
            room.min(bytes.len())
        }
        Ok(FileKind::Socket(socket)) => {
            let room = ready::stream_room(k, socket.key());
            room.map_or(bytes.len(), |room| room.min(bytes.len()))
        }
        _ => bytes.len(),
    }
}

fn sendfile(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let to = files::file(k, cx.task, a[0])?;
    let file = files::file(k, cx.task, a[1])?;
    let target = k.fs.file(to)?;
    if !target.writes() || !k.fs.file(file)?.reads() {
        return Err(Errno::EBADF.into());
    }
    if target.flags & linux::O_APPEND != 0 {
        return Err(Errno::EINVAL.into());
    }
    let source = Cursor { file, addr: a[2] };
    copy(k, cx, source, (to, None), a[3].min(io::COUNT_MAX))
}

fn copy_file_range(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let from = files::file(k, cx.task, a[0])?;
    let to = files::file(k, cx.task, a[2])?;
    if a[5] as u32 != 0 {
        return Err(Errno::EINVAL.into());
    }
    let source = Cursor {
        file: from,
        addr: a[1],
    };
    let target = Cursor {
        file: to,
        addr: a[3],
    };
    let len = match cx.resume.map(|r| r.word) {
        Some(len) if len > 0 => len,
        _ => {
            check_copy(k, from, to)?;
            let len = length(k, cx, source, target, a[4])?;
            let resume = cx.resume.unwrap_or_default();
            cx.resume = Some(Resume {
                word: len,
                ..resume
            });
            len
        }
    };
    copy(k, cx, source, (to, Some(target)), len)
}

/// How much there is to copy: what is behind the end when the copy begins is not part of it.
fn length(
    k: &mut Kernel,
    cx: &mut Cx,
    source: Cursor,
    target: Cursor,
    asked: u64,
) -> Result<u64, Stop> {
    let (from, to) = (source.get(k, cx)?.0, target.get(k, cx)?.0);
    if from.checked_add(asked).is_none() || to.checked_add(asked).is_none() {
        return Err(Errno::EOVERFLOW.into());
    }
    let FileKind::Regular(inode) = k.fs.file(source.file)?.kind else {
        return Err(Errno::EINVAL.into());
    };
    let left = pages::of(&k.fs, inode)?.size.saturating_sub(from);
    let len = asked.min(left).min(io::COUNT_MAX);
    if same_inode(k, source.file, target.file) && from.abs_diff(to) < len {
        return Err(Errno::EINVAL.into());
    }
    Ok(len)
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
    let (one, other) = (from.at.pos().mount, to.at.pos().mount);
    if k.fs.mount(one)?.sb.key() != k.fs.mount(other)?.sb.key() {
        return Err(Errno::EXDEV);
    }
    Ok(())
}

fn same_inode(k: &Kernel, a: FileId, b: FileId) -> bool {
    let node = |id| k.fs.file(id).map(|f| f.at.pos().node).ok();
    node(a) == node(b)
}
