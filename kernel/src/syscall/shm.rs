//! Calls about System V shared memory: shmget(2), shmat(2), shmdt(2), shmctl(2).

use super::Line;
use super::memory::current;
use super::place::act;
use crate::error::{Call, Errno, Stop};
use crate::fs::Time;
use crate::fs::inode::Kind;
use crate::machine::{Access, PAGE};
use crate::mm::area::AreaFlags;
use crate::mm::map::{self, Place};
use crate::mm::segments::{self, LOCKED, SEGMENTS_MAX, SIZE_MAX, Segment};
use crate::mm::user;
use crate::task::cred::Cred;
use crate::task::{limits, pid};
use crate::wire::{Writer, get_u32};
use crate::{Cx, Kernel};
use linux_raw_sys::general as linux;

/// The calls of this file.
pub const CALLS: &[Line] = &[
    (linux::__NR_shmget, "shmget", shmget),
    (linux::__NR_shmat, "shmat", shmat),
    (linux::__NR_shmctl, "shmctl", shmctl),
    (linux::__NR_shmdt, "shmdt", shmdt),
];

const RDONLY: u32 = 0o10000;
const RND: u32 = 0o20000;
const REMAP: u32 = 0o40000;
const EXEC: u32 = 0o100_000;

fn cred(k: &Kernel, cx: &Cx) -> Result<Cred, Errno> {
    Ok(k.tasks.task(cx.task)?.cred.clone())
}

/// The caller's number, as it sees itself.
fn own_number(k: &Kernel, cx: &Cx) -> Result<u32, Errno> {
    let own = k.tasks.process_of(cx.task)?.1.pid;
    let ns = crate::ns::pid::of_task(k, cx.task).ok_or(Errno::ESRCH)?;
    Ok(pid::number_in(&k.tasks, own, ns))
}

fn shmget(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let wanted = segments::Wanted {
        key: a[0] as i32,
        size: a[1],
        flags: a[2] as u32,
        pid: own_number(k, cx)?,
    };
    let cred = cred(k, cx)?;
    let group = act(k, cx)?.1.group;
    let actor = crate::fs::Actor {
        access: crate::task::cred::access(&cred),
        group,
        now: Time::now(cx.m),
    };
    Ok(segments::get(k, &actor, &cred, &wanted)? as u64)
}

fn shmat(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (id, flags) = (a[0] as i32, a[2] as u32);
    let has = |flag: u32| flags & flag != 0;
    let at = match a[1] % PAGE {
        0 => a[1],
        rest if has(RND) && (a[1] > rest || !has(REMAP)) => a[1] - rest,
        _ => return Err(Errno::EINVAL.into()),
    };
    if a[1] == 0 && has(REMAP) {
        return Err(Errno::EINVAL.into());
    }
    let mut access = Access::READ;
    access.set(Access::WRITE, !has(RDONLY));
    access.set(Access::EXEC, has(EXEC));
    let want = 4 | (u32::from(!has(RDONLY)) << 1) | u32::from(has(EXEC));
    let segment = k.spaces.segments.get(id)?;
    segment.permit(&cred(k, cx)?, want)?;
    let request = map::Request {
        place: match at {
            0 if a[1] == 0 => Place::Hint(0),
            at if has(REMAP) => Place::Fixed(at),
            at => Place::Free(at),
        },
        len: segment.size,
        access,
        shared: true,
        file: None,
        segment: Some(segment.inode),
        flags: AreaFlags::empty(),
        unreserved: true,
    };
    let mm = current(k, cx)?;
    let start = map::map(k, cx, mm, &request).map_err(|stop| match stop {
        Stop::Errno(Errno::EEXIST) => Errno::EINVAL.into(),
        // What it replaced was the last of it.
        Stop::Errno(Errno::ENOENT) => Errno::EIDRM.into(),
        stop => stop,
    })?;
    note(k, cx, id, 0);
    Ok(start)
}

/// Writes down who attached (0) or detached (1) a segment, and when.
fn note(k: &mut Kernel, cx: &Cx, id: i32, which: usize) {
    let now = Time::now(cx.m).sec;
    let own = own_number(k, cx).unwrap_or(0);
    if let Ok(segment) = k.spaces.segments.get_mut(id) {
        segment.lpid = own;
        if let Some(time) = segment.times.get_mut(which) {
            *time = now;
        }
    }
}

fn shmdt(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    if a[0] % PAGE != 0 {
        return Err(Errno::EINVAL.into());
    }
    let mm = current(k, cx)?;
    if let Some(id) = segments::detach(k, cx, mm, a[0])? {
        note(k, cx, id, 1);
    }
    Ok(0)
}

fn shmctl(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (id, command) = (a[0] as i32, a[1] as i32);
    if id < 0 || command < 0 {
        return Err(Errno::EINVAL.into());
    }
    let cred = cred(k, cx)?;
    match command {
        0 => {
            let segment = k.spaces.segments.get(id)?;
            segment.owned(&cred, linux::CAP_SYS_ADMIN)?;
            segments::remove(k, id)?;
            Ok(0)
        }
        1 => set(k, cx, id, &cred, a[2]),
        2 => {
            let segment = k.spaces.segments.get(id)?;
            segment.permit(&cred, 4)?;
            let record = record(k, segment);
            user::copy_out(k, cx, a[2], &record, 0)
        }
        13 | 15 => {
            let segment = k.spaces.segments.at(id)?;
            if command == 13 {
                segment.permit(&cred, 4)?;
            }
            let (record, id) = (record(k, segment), segment.id);
            user::copy_out(k, cx, a[2], &record, id as u64)
        }
        3 => {
            let most = u64::from(SEGMENTS_MAX);
            let limits = [SIZE_MAX, 1, most, most, SIZE_MAX];
            let record = limits.iter().fold(Writer::new(), |w, value| w.u64(*value));
            let highest = u64::from(k.spaces.segments.highest());
            user::copy_out(k, cx, a[2], &record.pad_to(72).done(), highest)
        }
        14 => info(k, cx, a[2]),
        11 | 12 => lock(k, cx, id, &cred, command == 11),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// struct shmid64_ds.
fn record(k: &Kernel, s: &Segment) -> alloc::vec::Vec<u8> {
    let [attached, detached, changed] = s.times;
    Writer::new()
        .i32(s.key)
        .u32(s.uid)
        .u32(s.gid)
        .u32(s.cuid)
        .u32(s.cgid)
        .u32(s.mode)
        .u16(s.sequence())
        .pad_to(48)
        .u64(s.size)
        .i64(attached)
        .i64(detached)
        .i64(changed)
        .u32(s.cpid)
        .u32(s.lpid)
        .u64(segments::attached(k, s.inode))
        .pad_to(RECORD)
        .done()
}

/// Bytes of struct shmid64_ds.
const RECORD: usize = 112;

/// IPC_SET: owner, group and permissions.
fn set(k: &mut Kernel, cx: &mut Cx, id: i32, cred: &Cred, from: u64) -> Call {
    let mut bytes = [0; RECORD];
    user::copy_in(k, cx, from, &mut bytes)?;
    k.spaces
        .segments
        .get(id)?
        .owned(cred, linux::CAP_SYS_ADMIN)?;
    let (uid, gid) = (get_u32(&bytes, 4), get_u32(&bytes, 8));
    if uid == u32::MAX || gid == u32::MAX {
        return Err(Errno::EINVAL.into());
    }
    let now = Time::now(cx.m).sec;
    let segment = k.spaces.segments.get_mut(id)?;
    (segment.uid, segment.gid) = (uid, gid);
    segment.mode = segment.mode & !0o777 | get_u32(&bytes, 20) & 0o777;
    segment.times[2] = now;
    Ok(0)
}

/// SHM_INFO: what all segments take.
fn info(k: &mut Kernel, cx: &mut Cx, to: u64) -> Call {
    let segments = &k.spaces.segments;
    let resident = segments
        .from(0)
        .filter_map(|(_, s)| match &k.fs.inodes.get(s.inode)?.kind {
            Kind::Regular(pages) => Some(pages.frames.len() as u64),
            _ => None,
        });
    let record = Writer::new()
        .u64(segments.len() as u64)
        .u64(segments.pages)
        .u64(resident.sum())
        .pad_to(48)
        .done();
    let highest = u64::from(segments.highest());
    user::copy_out(k, cx, to, &record, highest)
}

/// SHM_LOCK and SHM_UNLOCK: memory never leaves, so that only the mode tells.
fn lock(k: &mut Kernel, cx: &mut Cx, id: i32, cred: &Cred, on: bool) -> Call {
    let segment = k.spaces.segments.get(id)?;
    segment.owned(cred, linux::CAP_IPC_LOCK)?;
    let may = cred.capable(linux::CAP_IPC_LOCK)
        || limits::soft_of(k, cx.task, linux::RLIMIT_MEMLOCK) != 0;
    if on && !may {
        return Err(Errno::EPERM.into());
    }
    let segment = k.spaces.segments.get_mut(id)?;
    segment.mode = if on {
        segment.mode | LOCKED
    } else {
        segment.mode & !LOCKED
    };
    Ok(0)
}
