//! Calls about System V shared memory: shmget(2), shmat(2), shmdt(2), shmctl(2).

use super::Line;
use super::ipc::{Caller, PERM, SET_LEN, perm, set_of};
use super::memory::current;
use crate::error::{Call, Errno, Stop};
use crate::fs::{InodeId, Time};
use crate::ipc::Object;
use crate::machine::{Access, PAGE};
use crate::mm::area::AreaFlags;
use crate::mm::map::{self, Place};
use crate::mm::segments::{self, Segment};
use crate::mm::user;
use crate::ns::IpcNsId;
use crate::task::limits;
use crate::wait::{Pending, Restart, Resume};
use crate::wire::Writer;
use crate::{Cx, Kernel};
use alloc::vec::Vec;
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

/// Commands of shmctl(2).
mod command {
    pub const RMID: i32 = 0;
    pub const SET: i32 = 1;
    pub const STAT: i32 = 2;
    pub const INFO: i32 = 3;
    pub const LOCK: i32 = 11;
    pub const UNLOCK: i32 = 12;
    pub const SHM_STAT: i32 = 13;
    pub const SHM_INFO: i32 = 14;
    pub const SHM_STAT_ANY: i32 = 15;
}

fn shmget(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let caller = Caller::of(k, cx)?;
    let wanted = segments::Wanted {
        key: a[0] as i32,
        size: a[1],
        flags: a[2] as u32,
        pid: caller.pid,
    };
    Ok(segments::get(k, caller.ns, &caller.actor(cx), &wanted)? as u64)
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
    let caller = Caller::of(k, cx)?;
    let segment = segments::of(k, caller.ns)?.table.get(id)?;
    segment.perm.permit(&caller.access(), want)?;
    let inode = segment.it.inode;
    let request = map::Request {
        place: match at {
            0 if a[1] == 0 => Place::Hint(0),
            at if has(REMAP) => Place::Fixed(at),
            at => Place::Free(at),
        },
        len: segment.it.size,
        access,
        shared: true,
        file: None,
        segment: Some(inode),
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
    note(k, cx, &caller, inode, 0);
    Ok(start)
}

/// Writes down who attached (0) or detached (1) a segment, and when.
fn note(k: &mut Kernel, cx: &Cx, caller: &Caller, inode: InodeId, which: usize) {
    let now = Time::now(cx.m).sec;
    if let Some(segment) = segments::with_file(k, inode) {
        segment.lpid = caller.pid;
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
    let caller = Caller::of(k, cx)?;
    let inode = segments::detach(k, cx, mm, a[0])?;
    note(k, cx, &caller, inode, 1);
    Ok(0)
}

fn shmctl(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (id, command) = (a[0] as i32, a[1] as i32);
    if id < 0 || command < 0 {
        return Err(Errno::EINVAL.into());
    }
    let caller = Caller::of(k, cx)?;
    let access = caller.access();
    let segments = segments::of(k, caller.ns)?;
    match command {
        command::RMID => {
            let segment = segments.table.get(id)?;
            segment.perm.owned(&access, linux::CAP_SYS_ADMIN)?;
            segments::remove(k, caller.ns, id)?;
            Ok(0)
        }
        command::SET => set(k, cx, &caller, id, a[2]),
        command::STAT => {
            let segment = segments.table.get(id)?;
            segment.perm.permit(&access, 4)?;
            let record = record(k, segment);
            user::copy_out(k, cx, a[2], &record, 0)
        }
        command::SHM_STAT | command::SHM_STAT_ANY => {
            let segment = segments.table.at(id)?;
            if command == command::SHM_STAT {
                segment.perm.permit(&access, 4)?;
            }
            let (record, id) = (record(k, segment), segment.id);
            user::copy_out(k, cx, a[2], &record, id as u64)
        }
        command::INFO => {
            let limits = segments.limits;
            let most = u64::from(limits.segments);
            let values = [limits.bytes, 1, most, most, limits.pages];
            let record = values.iter().fold(Writer::new(), |w, value| w.u64(*value));
            let highest = u64::from(segments.table.highest());
            user::copy_out(k, cx, a[2], &record.pad_to(72).done(), highest)
        }
        command::SHM_INFO => info(k, cx, caller.ns, a[2]),
        command::LOCK | command::UNLOCK => lock(k, cx, &caller, id, command == command::LOCK),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// struct shmid64_ds.
fn record(k: &Kernel, s: &Object<Segment>) -> Vec<u8> {
    let [attached, detached] = s.it.times;
    perm(s, s.mode())
        .u64(s.it.size)
        .i64(attached)
        .i64(detached)
        .i64(s.changed)
        .u32(s.it.cpid)
        .u32(s.it.lpid)
        .u64(segments::attached(k, s.it.inode))
        .pad_to(PERM + 64)
        .done()
}

/// IPC_SET: owner, group and permissions.
fn set(k: &mut Kernel, cx: &mut Cx, caller: &Caller, id: i32, from: u64) -> Call {
    let mut bytes = [0; SET_LEN];
    user::copy_in(k, cx, from, &mut bytes)?;
    let now = Time::now(cx.m).sec;
    let segment = segments::of_mut(k, caller.ns)?.table.get_mut(id)?;
    set_of(segment, caller, &bytes, now)?;
    Ok(0)
}

/// Segments that are counted in a turn.
const COUNTED: usize = 512;

/// SHM_INFO: what all segments take. In turns, as they may be many.
fn info(k: &mut Kernel, cx: &mut Cx, ns: IpcNsId, to: u64) -> Call {
    let mut resume = cx.resume.unwrap_or_default();
    let segments = segments::of(k, ns)?;
    let from = u32::try_from(resume.word).unwrap_or(u32::MAX);
    let mut counted = 0;
    for (index, segment) in segments.table.from(from).take(COUNTED) {
        resume = Resume {
            done: resume.done + segments::resident(k, segment.it.inode),
            ..Resume::at(u64::from(index) + 1)
        };
        counted += 1;
    }
    if counted == COUNTED {
        return Err(Stop::Wait(Pending::turn(Restart::NoIntr).with(resume)));
    }
    let record = Writer::new()
        .u64(segments.table.len() as u64)
        .u64(segments.pages)
        .u64(resume.done)
        .pad_to(48)
        .done();
    let highest = u64::from(segments.table.highest());
    user::copy_out(k, cx, to, &record, highest)
}

/// SHM_LOCK and SHM_UNLOCK.
fn lock(k: &mut Kernel, cx: &mut Cx, caller: &Caller, id: i32, on: bool) -> Call {
    let access = caller.access();
    let segment = segments::of(k, caller.ns)?.table.get(id)?;
    segment.perm.owned(&access, linux::CAP_IPC_LOCK)?;
    let may =
        access.has(linux::CAP_IPC_LOCK) || limits::soft_of(k, cx.task, linux::RLIMIT_MEMLOCK) != 0;
    if on && !may {
        return Err(Errno::EPERM.into());
    }
    segments::of_mut(k, caller.ns)?.table.get_mut(id)?.it.locked = on;
    Ok(0)
}
