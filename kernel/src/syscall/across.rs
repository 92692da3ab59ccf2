//! The memory of other processes (process_vm_readv(2)).

use super::Line;
use super::place::caller;
use crate::error::{Call, Errno, Stop};
use crate::io::{self, Segment, place};
use crate::machine::PAGE;
use crate::mm::{MmId, user};
use crate::task::look::{self, Ids};
use crate::task::pid;
use crate::wire::get_u64;
use crate::{Cx, Kernel};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

pub(super) const CALLS: &[Line] = &[
    (
        linux::__NR_process_vm_readv,
        "process_vm_readv",
        process_vm_readv,
    ),
    (
        linux::__NR_process_vm_writev,
        "process_vm_writev",
        process_vm_writev,
    ),
];

/// Parts, of a page at the most each, that one trap moves.
const TURN: usize = 32;

fn process_vm_readv(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    transfer(k, cx, a, read)
}

fn process_vm_writev(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    transfer(k, cx, a, write)
}

/// Moves bytes between an address of the caller's and one of another memory, as many as there is
/// room for; returns how many, fewer where the caller's memory ends.
type Move = fn(&mut Kernel, &mut Cx, u64, (MmId, u64), &mut [u8]) -> Result<usize, Stop>;

fn transfer(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6], part: Move) -> Call {
    let [number, own, own_count, theirs, count, flags] = *a;
    if flags != 0 {
        return Err(Errno::EINVAL.into());
    }
    let own = user::iovecs(k, cx, own, own_count)?;
    if own.iter().all(|segment| segment.1 == 0) {
        return Ok(0);
    }
    let theirs = segments(k, cx, theirs, count)?;
    if theirs.iter().all(|segment| segment.1 == 0) {
        return Ok(0);
    }
    let mut done = cx.resume.map_or(0, |resume| resume.done);
    let other = match memory_of(k, cx, number as u32) {
        Ok(other) => other,
        Err(errno) => return io::end(cx, done, Err(errno.into())),
    };
    let mut room = [0; PAGE as usize];
    for _ in 0..TURN {
        let (Some(here), Some(there)) = (place(&own, done), place(&theirs, done)) else {
            return Ok(done);
        };
        // Within one page of the other memory a part is moved whole or not at all.
        let len = here.1.min(there.1).min(PAGE - there.0 % PAGE) as usize;
        let room = room.get_mut(..len).unwrap_or_default();
        match part(k, cx, here.0, (other, there.0), room) {
            Ok(moved) => done = done.saturating_add(moved as u64),
            Err(stop) => return io::end(cx, done, Err(stop)),
        }
    }
    Err(io::take_whole_turns(cx, done))
}

/// A vector of another process's addresses: they need not be any that programs have.
fn segments(k: &mut Kernel, cx: &mut Cx, addr: u64, count: u64) -> Result<Vec<Segment>, Stop> {
    if count > user::IOV_MAX {
        return Err(Errno::EINVAL.into());
    }
    let mut bytes = alloc::vec![0; count as usize * 16];
    user::copy_in(k, cx, addr, &mut bytes)?;
    let records = bytes.chunks_exact(16);
    let segments: Vec<Segment> = records
        .map(|record| (get_u64(record, 0), get_u64(record, 8)))
        .collect();
    match segments.iter().any(|segment| (segment.1 as i64) < 0) {
        true => Err(Errno::EINVAL.into()),
        false => Ok(segments),
    }
}

/// The memory of the process or thread with this number, as the caller sees it.
///
/// # Errors
/// ESRCH when there is none, EPERM when the caller may not trace it.
fn memory_of(k: &Kernel, cx: &Cx, number: u32) -> Result<MmId, Errno> {
    let own = caller(k, cx)?;
    let ns = pid::namespace_of(&k.tasks, own.process).ok_or(Errno::ESRCH)?;
    let target = pid::find_task(k, ns, number).ok_or(Errno::ESRCH)?;
    let mm = k.tasks.task(target)?.mm.as_ref().ok_or(Errno::ESRCH)?.key();
    let shared = own.mm.as_ref().is_some_and(|own| own.key() == mm);
    match shared || look::may_look(&k.tasks, cx.task, target, Ids::Real) {
        true => Ok(mm),
        false => Err(Errno::EPERM),
    }
}

fn read(
    k: &mut Kernel,
    cx: &mut Cx,
    to: u64,
    (mm, addr): (MmId, u64),
    room: &mut [u8],
) -> Result<usize, Stop> {
    user::read_of(k, cx.m, mm, addr, room)?;
    let out = user::prepare_some(k, cx, to, room.len() as u64)?;
    let len = (out.len() as usize).min(room.len());
    user::put(k, cx, &out, 0, room.get(..len).unwrap_or(&[]));
    Ok(len)
}

fn write(
    k: &mut Kernel,
    cx: &mut Cx,
    from: u64,
    (mm, addr): (MmId, u64),
    room: &mut [u8],
) -> Result<usize, Stop> {
    let len = user::copy_in_some(k, cx, from, room)?;
    user::write_of(k, cx.m, mm, addr, room.get(..len).unwrap_or(&[]))?;
    Ok(len)
}
