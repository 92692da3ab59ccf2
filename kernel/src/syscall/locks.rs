//! Locks on files (flock(2); fcntl(2), "Advisory record locking").

use super::place::caller;
use crate::arena::Key;
use crate::error::{Call, Errno, Stop};
use crate::fs::open::FileKind;
use crate::fs::record::{self, Owner, Record, Waiter};
use crate::fs::{FileId, Node, Store, lock, pages};
use crate::mm::user;
use crate::task::{ProcessId, files, pid};
use crate::wait::{Pending, Restart, WaitKey};
use crate::wire::{Writer, get_u32, get_u64};
use crate::{Cx, Kernel};
use linux_raw_sys::general as linux;

fn wait(cx: &Cx, node: Node) -> Stop {
    let pending = Pending::on(WaitKey::Lock(node), Restart::Sys);
    Stop::Wait(pending.with(cx.resume.unwrap_or_default()))
}

pub(super) fn flock(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let id = files::file(k, cx.task, a[0])?;
    let node = k.fs.file(id)?.at.pos().node;
    let nonblocking = a[1] as u32 & linux::LOCK_NB != 0;
    let exclusive = match a[1] as u32 & !linux::LOCK_NB {
        linux::LOCK_UN => {
            lock::forget(&mut Store::of(k), id, node);
            return Ok(0);
        }
        linux::LOCK_SH => false,
        linux::LOCK_EX => true,
        _ => return Err(Errno::EINVAL.into()),
    };
    if lock::take(&mut Store::of(k), id, node, exclusive)? {
        return Ok(0);
    }
    if nonblocking {
        return Err(Errno::EAGAIN.into());
    }
    Err(wait(cx, node))
}

/// Which of the six commands, and the same for those of open files.
fn plain(command: u32) -> (u32, bool) {
    match command {
        linux::F_OFD_GETLK => (linux::F_GETLK, true),
        linux::F_OFD_SETLK => (linux::F_SETLK, true),
        linux::F_OFD_SETLKW => (linux::F_SETLKW, true),
        command => (command, false),
    }
}

/// F_SETLK, F_SETLKW, F_GETLK, and the same for locks of open files (F_OFD_SETLK, ...).
pub(super) fn fcntl_lock(k: &mut Kernel, cx: &mut Cx, id: FileId, a: &[u64; 6]) -> Call {
    let mut flock = [0; 32];
    user::copy_in(k, cx, a[2], &mut flock)?;
    let (command, of_file) = plain(a[1] as u32);
    // The owner is told by the command, not by a number.
    if of_file && get_u32(&flock, 24) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let node = k.fs.file(id)?.at.pos().node;
    let kind = get_u32(&flock, 0) & 0xffff;
    let wanted = part(k, cx, id, &flock, kind, of_file)?;
    if command == linux::F_GETLK {
        return tell(k, cx, a[2], node, &wanted, kind, &flock);
    }
    if kind == linux::F_UNLCK {
        record::forget(&mut Store::of(k), node, &wanted)?;
        return Ok(0);
    }
    let file = k.fs.file(id)?;
    let allowed = match kind {
        linux::F_RDLCK => file.reads(),
        _ => file.writes(),
    };
    if !allowed {
        return Err(Errno::EBADF.into());
    }
    let mut st = Store::of(k);
    let Some(blocker) = record::conflict(&st, node, &wanted) else {
        record::take(&mut st, node, wanted)?;
        return Ok(0);
    };
    if command != linux::F_SETLKW {
        return Err(Errno::EAGAIN.into());
    }
    if !of_file {
        let waiter = Waiter { node, wanted };
        record::wait(&mut st, cx.task, waiter, &blocker)?;
    }
    Err(wait(cx, node))
}

/// What a struct flock names: whose it would be, and which bytes.
fn part(
    k: &Kernel,
    cx: &Cx,
    id: FileId,
    flock: &[u8],
    kind: u32,
    of_file: bool,
) -> Result<Record, Errno> {
    let exclusive = match kind {
        linux::F_RDLCK | linux::F_UNLCK => false,
        linux::F_WRLCK => true,
        _ => return Err(Errno::EINVAL),
    };
    let file = k.fs.file(id)?;
    let base = match get_u32(flock, 0) >> 16 {
        linux::SEEK_SET => 0,
        linux::SEEK_CUR => file.offset as i64,
        linux::SEEK_END => match &file.kind {
            FileKind::Regular(inode) => pages::of(&k.fs, *inode)?.size as i64,
            _ => 0,
        },
        _ => return Err(Errno::EINVAL),
    };
    let (start, len) = (get_u64(flock, 8) as i64, get_u64(flock, 16) as i64);
    let start = base.checked_add(start).ok_or(Errno::EOVERFLOW)?;
    let (start, end) = bytes(start, len)?;
    let process = caller(k, cx)?.process;
    let (owner, process) = if of_file {
        (Owner::File(id), 0)
    } else {
        let table = files::name(files::table(k, cx.task)?);
        let process = u64::from(process.index()) << 32 | u64::from(process.generation());
        (Owner::Table(table), process)
    };
    Ok(Record {
        owner,
        process,
        start,
        end,
        exclusive,
    })
}

/// The first byte and the first behind a part: a negative length counts back from the start, and
/// what contains the last byte there can be has no end.
fn bytes(start: i64, len: i64) -> Result<(u64, u64), Errno> {
    if start < 0 {
        return Err(Errno::EINVAL);
    }
    let last = match len {
        0 => i64::MAX,
        len if len > 0 => start.checked_add(len - 1).ok_or(Errno::EOVERFLOW)?,
        _ => start - 1,
    };
    let start = if len < 0 {
        start.checked_add(len).ok_or(Errno::EINVAL)?
    } else {
        start
    };
    let start = u64::try_from(start).map_err(|_| Errno::EINVAL)?;
    let end = match last {
        i64::MAX => u64::MAX,
        last => last as u64 + 1,
    };
    Ok((start, end))
}

/// F_GETLK: the lock that stands against this one, or that none does.
fn tell(
    k: &mut Kernel,
    cx: &mut Cx,
    addr: u64,
    node: Node,
    wanted: &Record,
    kind: u32,
    flock: &[u8],
) -> Call {
    if kind == linux::F_UNLCK {
        return Err(Errno::EINVAL.into());
    }
    let found = record::conflict(&Store::of(k), node, wanted);
    let Some(found) = found else {
        let mut free = flock.to_vec();
        if let Some(kind) = free.get_mut(..2) {
            kind.copy_from_slice(&(linux::F_UNLCK as u16).to_le_bytes());
        }
        return user::copy_out(k, cx, addr, &free, 0);
    };
    let kind = if found.exclusive {
        linux::F_WRLCK
    } else {
        linux::F_RDLCK
    };
    let len = match found.end {
        u64::MAX => 0,
        end => end - found.start,
    };
    let record = Writer::new()
        .u16(kind as u16)
        .u16(linux::SEEK_SET as u16)
        .u32(0)
        .u64(found.start)
        .u64(len)
        .u32(holder(k, cx, &found))
        .pad_to(32)
        .done();
    user::copy_out(k, cx, addr, &record, 0)
}

/// The number of the process that holds a lock, as the caller sees it; -1 for an open file's.
fn holder(k: &Kernel, cx: &Cx, record: &Record) -> u32 {
    if matches!(record.owner, Owner::File(_)) {
        return u32::MAX;
    }
    let id = ProcessId::new((record.process >> 32) as u32, record.process as u32);
    let own = caller(k, cx).ok().map(|t| t.process);
    let ns = own.and_then(|own| pid::namespace_of(&k.tasks, own));
    ns.map_or(0, |ns| pid::process_number(&k.tasks, id, ns))
}
