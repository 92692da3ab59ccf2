//! Waiting for descriptors (poll(2), select(2)).

use super::Line;
use crate::error::{Call, Errno, Stop};
use crate::mm::user::{self, UserOut};
use crate::task::{files, signal};
use crate::wait::{Pending, Restart, Resume, WaitKey};
use crate::wire::{get_u32, get_u64};
use crate::{Cx, Kernel, io};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

pub(super) const CALLS: &[Line] = &[
    (linux::__NR_poll, "poll", poll),
    (linux::__NR_ppoll, "ppoll", ppoll),
    (linux::__NR_select, "select", select),
    (linux::__NR_pselect6, "pselect6", pselect6),
];

/// When a call gives up: nanoseconds from now, or never.
fn deadline(cx: &Cx, nanos: Option<u64>) -> Option<u64> {
    match cx.resume {
        Some(resume) => resume.deadline,
        None => nanos.map(|n| cx.now.saturating_add(n)),
    }
}

/// Nanoseconds of a struct timespec (units of 1) or timeval (units of 1000); 0 is no time.
fn time_arg(k: &mut Kernel, cx: &mut Cx, addr: u64, unit: u64) -> Result<Option<u64>, Stop> {
    if addr == 0 {
        return Ok(None);
    }
    let mut both = [0; 16];
    user::copy_in(k, cx, addr, &mut both)?;
    let (sec, part) = (get_u64(&both, 0), get_u64(&both, 8));
    let second = 1_000_000_000;
    if (sec as i64) < 0 || part >= second / unit {
        return Err(Errno::EINVAL.into());
    }
    Ok(Some(sec.saturating_mul(second).saturating_add(part * unit)))
}

fn poll(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let timeout = a[2] as u32 as i32;
    let nanos = u64::try_from(timeout).ok().map(|ms| ms * 1_000_000);
    let deadline = deadline(cx, nanos);
    let result = poll_set(k, cx, a[0], a[1]);
    conclude(k, cx, result, deadline, Restart::Block)
}

fn ppoll(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let nanos = time_arg(k, cx, a[2], 1)?;
    let deadline = deadline(cx, nanos);
    set_mask(k, cx, a[3], a[4], deadline)?;
    let result = poll_set(k, cx, a[0], a[1]);
    conclude(k, cx, result, deadline, Restart::NoHand)
}

/// What is ready, and what wakes if nothing is.
struct Looked {
    count: u64,
    keys: Vec<WaitKey>,
}

/// Ends the call when something is ready or the time is over, else waits. The mask that was set
/// for the time of the call is put back when the call ends here.
fn conclude(
    k: &mut Kernel,
    cx: &mut Cx,
    result: Result<Looked, Stop>,
    deadline: Option<u64>,
    restart: Restart,
) -> Call {
    let looked = match result {
        Ok(looked) => looked,
        Err(stop) => {
            if matches!(stop, Stop::Errno(_)) {
                restore_mask(k, cx);
            }
            return Err(stop);
        }
    };
    if looked.count > 0 || deadline.is_some_and(|at| cx.now >= at) {
        restore_mask(k, cx);
        return Ok(looked.count);
    }
    let resume = Resume {
        deadline,
        ..cx.resume.unwrap_or_default()
    };
    Err(Stop::Wait(Pending {
        resume,
        keys: looked.keys,
        restart,
    }))
}

/// Sets the signal mask for the time of the call, once.
fn set_mask(
    k: &mut Kernel,
    cx: &mut Cx,
    addr: u64,
    size: u64,
    deadline: Option<u64>,
) -> Result<(), Stop> {
    if addr == 0 || cx.resume.is_some_and(|r| r.saved_mask.is_some()) {
        return Ok(());
    }
    if size != 8 {
        return Err(Errno::EINVAL.into());
    }
    let mask = user::read_u64(k, cx, addr)?;
    let old = signal::swap_mask(k, cx.task, mask);
    let resume = cx.resume.unwrap_or_default();
    cx.resume = Some(Resume {
        saved_mask: Some(old),
        deadline,
        ..resume
    });
    Ok(())
}

fn restore_mask(k: &mut Kernel, cx: &Cx) {
    if let Some(old) = cx.resume.and_then(|r| r.saved_mask) {
        signal::swap_mask(k, cx.task, old);
    }
}

fn poll_set(k: &mut Kernel, cx: &mut Cx, addr: u64, count: u64) -> Result<Looked, Stop> {
    let count = u64::from(count as u32);
    if count > files::limit(k, cx.task) {
        return Err(Errno::EINVAL.into());
    }
    let bytes = (count * 8) as usize;
    let mut set = zeros(bytes)?;
    copy_in(k, cx, addr, &mut set)?;
    let outs = prepare(k, cx, addr, bytes as u64)?;
    let mut looked = Looked {
        count: 0,
        keys: Vec::new(),
    };
    for entry in set.chunks_exact_mut(8) {
        let fd = get_u32(entry, 0);
        let wanted = get_u32(entry, 4) & 0xffff;
        let ready = match fd as i32 {
            fd if fd < 0 => 0,
            _ => look(k, cx, u64::from(fd), wanted, &mut looked.keys)?,
        };
        looked.count += u64::from(ready != 0);
        if let Some(events) = entry.get_mut(6..8) {
            events.copy_from_slice(&(ready as u16).to_le_bytes());
        }
    }
    put(k, cx, &outs, &set);
    Ok(looked)
}

/// What of `wanted` a descriptor is ready for, with what is always told.
fn look(
    k: &mut Kernel,
    cx: &mut Cx,
    fd: u64,
    wanted: u32,
    keys: &mut Vec<WaitKey>,
) -> Result<u32, Stop> {
    let Ok(id) = files::any_file(k, cx.task, fd) else {
        return Ok(linux::POLLNVAL);
    };
    let always = linux::POLLERR | linux::POLLHUP | linux::POLLNVAL;
    let ready = io::poll(k, cx, id)?;
    let new = [ready.data, ready.room];
    for key in new.into_iter().flatten() {
        keys.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        keys.push(key);
    }
    Ok(ready.events & (wanted | always))
}

fn zeros(len: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
    bytes.resize(len, 0);
    Ok(bytes)
}

/// A set may be longer than one pass of 64 KiB.
fn copy_in(k: &mut Kernel, cx: &mut Cx, addr: u64, to: &mut [u8]) -> Result<(), Stop> {
    let mut at = addr;
    for part in to.chunks_mut(io::PASS as usize) {
        user::copy_in(k, cx, at, part)?;
        at = at.checked_add(part.len() as u64).ok_or(Errno::EFAULT)?;
    }
    Ok(())
}

fn prepare(k: &mut Kernel, cx: &mut Cx, addr: u64, len: u64) -> Result<Vec<UserOut>, Stop> {
    let mut outs = Vec::new();
    let mut done = 0;
    while done < len {
        let at = addr.checked_add(done).ok_or(Errno::EFAULT)?;
        let out = user::prepare(k, cx, at, (len - done).min(io::PASS))?;
        done += out.len();
        outs.push(out);
    }
    Ok(outs)
}

fn put(k: &mut Kernel, cx: &mut Cx, outs: &[UserOut], bytes: &[u8]) {
    let mut rest = bytes;
    for out in outs {
        let (part, more) = rest.split_at(rest.len().min(out.len() as usize));
        user::put(k, cx, out, 0, part);
        rest = more;
    }
}

fn select(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let nanos = time_arg(k, cx, a[4], 1000)?;
    let deadline = deadline(cx, nanos);
    select_until(k, cx, a, deadline, 1000)
}

fn pselect6(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let nanos = time_arg(k, cx, a[4], 1)?;
    let deadline = deadline(cx, nanos);
    if a[5] != 0 {
        let mut both = [0; 16];
        user::copy_in(k, cx, a[5], &mut both)?;
        set_mask(k, cx, get_u64(&both, 0), get_u64(&both, 8), deadline)?;
    }
    select_until(k, cx, a, deadline, 1)
}

/// The sets that come back only when the call ends: while it waits they still ask.
fn select_until(
    k: &mut Kernel,
    cx: &mut Cx,
    a: &[u64; 6],
    deadline: Option<u64>,
    unit: u64,
) -> Call {
    let mut sets = Sets::default();
    let result = select_sets(k, cx, a, &mut sets);
    let call = conclude(k, cx, result, deadline, Restart::NoHand);
    if call.is_ok() {
        for (set, out) in sets.bits.iter().zip(&sets.outs) {
            put(k, cx, out, set);
        }
        tell_time(k, cx, a[4], deadline, unit);
    }
    call
}

/// Tells the time that is left, as Linux's select does. Where it cannot be told, the result still
/// can (select(2), "Notes").
fn tell_time(k: &mut Kernel, cx: &mut Cx, addr: u64, deadline: Option<u64>, unit: u64) {
    let left = deadline.map_or(0, |at| at.saturating_sub(cx.now));
    let (sec, part) = (left / 1_000_000_000, left % 1_000_000_000 / unit);
    if addr == 0 {
        return;
    }
    if let Ok(out) = user::prepare(k, cx, addr, 16) {
        user::put(k, cx, &out, 0, &sec.to_le_bytes());
        user::put(k, cx, &out, 8, &part.to_le_bytes());
    }
}

/// The sets of select: to read, to write, exceptional.
#[derive(Default)]
struct Sets {
    bits: [Vec<u8>; 3],
    outs: [Vec<UserOut>; 3],
}

/// What answers each of the three sets.
const ANSWERS: [u32; 3] = [
    linux::POLLIN | linux::POLLHUP | linux::POLLERR,
    linux::POLLOUT | linux::POLLERR,
    linux::POLLPRI,
];

fn select_sets(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6], sets: &mut Sets) -> Result<Looked, Stop> {
    let count = a[0] as u32 as i32;
    let count = u64::try_from(count).map_err(|_| Errno::EINVAL)?;
    let count = count.min(files::table_len(k, cx.task)?) as usize;
    let bytes = count.div_ceil(64) * 8;
    let each = sets.bits.iter_mut().zip(&mut sets.outs);
    for ((set, out), addr) in each.zip([a[1], a[2], a[3]]) {
        if addr != 0 {
            *set = zeros(bytes)?;
            copy_in(k, cx, addr, set)?;
            *out = prepare(k, cx, addr, bytes as u64)?;
        }
    }
    let mut looked = Looked {
        count: 0,
        keys: Vec::new(),
    };
    for fd in 0..count {
        look_select(k, cx, fd, &mut sets.bits, &mut looked)?;
    }
    Ok(looked)
}

/// Leaves the bits of a descriptor in the sets only where it is ready.
fn look_select(
    k: &mut Kernel,
    cx: &mut Cx,
    fd: usize,
    sets: &mut [Vec<u8>; 3],
    looked: &mut Looked,
) -> Result<(), Stop> {
    let (byte, bit) = (fd / 8, 1u8 << (fd % 8));
    let asks = |set: &Vec<u8>| set.get(byte).is_some_and(|b| b & bit != 0);
    if !sets.iter().any(asks) {
        return Ok(());
    }
    let all = linux::POLLIN | linux::POLLOUT | linux::POLLPRI;
    let ready = look(k, cx, fd as u64, all, &mut looked.keys)?;
    if ready & linux::POLLNVAL != 0 {
        return Err(Errno::EBADF.into());
    }
    for (set, answer) in sets.iter_mut().zip(ANSWERS) {
        if !asks(set) {
            continue;
        }
        if ready & answer != 0 {
            looked.count += 1;
        } else if let Some(byte) = set.get_mut(byte) {
            *byte &= !bit;
        }
    }
    Ok(())
}
