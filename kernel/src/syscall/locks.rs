//! Locks on files (flock(2); fcntl(2), "Advisory record locking").

use super::place::caller;
use crate::arena::Key;
use crate::error::{Call, Errno, Stop};
use crate::fs::open::FileKind;
use crate::fs::record::{self, Owner, Record};
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
    if lock::take(&mut Store::of(k), id, node, exclusive) {
        return Ok(0);
    }
    if nonblocking {
        return Err(Errno::EAGAIN.into());
    }
    Err(wait(cx, node))
}

/// F_SETLK, F_SETLKW and F_GETLK. A program that waits for itself in a ring of locks waits until
/// a signal comes: EDEADLK is not found out.
pub(super) fn fcntl_lock(k: &mut Kernel, cx: &mut Cx, id: FileId, a: &[u64; 6]) -> Call {
    let mut flock = [0; 32];
    user::copy_in(k, cx, a[2], &mut flock)?;
    let node = k.fs.file(id)?.at.pos().node;
    let kind = get_u32(&flock, 0) & 0xffff;
    let wanted = part(k, cx, id, &flock, kind)?;
    if a[1] as u32 == linux::F_GETLK {
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
    if record::conflict(&st, node, &wanted).is_none() {
        record::take(&mut st, node, wanted)?;
        return Ok(0);
    }
    match a[1] as u32 {
        linux::F_SETLKW => Err(wait(cx, node)),
        _ => Err(Errno::EAGAIN.into()),
    }
}

/// What a struct flock names: whose it would be, and which bytes.
fn part(k: &Kernel, cx: &Cx, id: FileId, flock: &[u8], kind: u32) -> Result<Record, Errno> {
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
    let end = start.checked_add(len).ok_or(Errno::EOVERFLOW)?;
    // A negative length counts back from the start.
    let (start, end) = if len < 0 { (end, start) } else { (start, end) };
    let start = u64::try_from(start).map_err(|_| Errno::EINVAL)?;
    let end = if len == 0 { u64::MAX } else { end as u64 };
    Ok(Record {
        owner: owner(k, cx)?,
        start,
        end,
        exclusive,
    })
}

fn owner(k: &Kernel, cx: &Cx) -> Result<Owner, Errno> {
    let process = caller(k, cx)?.process;
    Ok(Owner {
        table: files::name(files::table(k, cx.task)?),
        process: u64::from(process.index()) << 32 | u64::from(process.generation()),
    })
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
        .u32(holder(k, cx, found.owner.process))
        .pad_to(32)
        .done();
    user::copy_out(k, cx, addr, &record, 0)
}

/// The number of the process that holds a lock, as the caller sees it.
fn holder(k: &Kernel, cx: &Cx, process: u64) -> u32 {
    let id = ProcessId::new((process >> 32) as u32, process as u32);
    let own = caller(k, cx).ok().map(|t| t.process);
    let ns = own.and_then(|own| pid::namespace_of(&k.tasks, own));
    ns.map_or(0, |ns| pid::process_number(&k.tasks, id, ns))
}
