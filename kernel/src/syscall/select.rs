//! Waiting for descriptors in sets of bits (select(2)).

use super::Line;
use super::poll::{Looked, begin, conclude, look, set_mask, tell_time, time_arg};
use crate::error::{Call, Errno, Stop};
use crate::io::epoll::Effort;
use crate::mm::user::{self, UserOut};
use crate::task::files;
use crate::wait::{Pending, Restart, WaitKey};
use crate::wire::get_u64;
use crate::{Cx, Kernel, io};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

pub(super) const CALLS: &[Line] = &[
    (linux::__NR_select, "select", select),
    (linux::__NR_pselect6, "pselect6", pselect6),
];

fn select(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let nanos = time_arg(k, cx, a[4], 1000)?;
    begin(cx, nanos);
    select_until(k, cx, a, 1000)
}

fn pselect6(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let nanos = time_arg(k, cx, a[4], 1)?;
    begin(cx, nanos);
    if a[5] != 0 {
        let mut both = [0; 16];
        user::copy_in(k, cx, a[5], &mut both)?;
        set_mask(k, cx, get_u64(&both, 0), get_u64(&both, 8))?;
    }
    select_until(k, cx, a, 1)
}

/// The sets that come back only when the call ends: while it waits they still ask.
fn select_until(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6], unit: u64) -> Call {
    let mut sets = Sets::default();
    let result = select_sets(k, cx, a, &mut sets);
    let call = conclude(k, cx, result, Restart::NoHand);
    if call.is_ok() {
        for (set, out) in sets.bits.iter().zip(&sets.outs) {
            put(k, cx, out, set);
        }
    }
    tell_time(k, cx, a[4], unit, &call);
    call
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
    let mut keys = Some(Vec::new());
    let mut effort = Effort::for_all(count);
    let mut found = 0;
    for fd in 0..count {
        let with = (&mut keys, &mut effort);
        let Some(ready) = look_select(k, cx, fd, &mut sets.bits, with)? else {
            let resume = cx.resume.unwrap_or_default();
            return Err(Stop::Wait(Pending::turn(Restart::NoHand).with(resume)));
        };
        found += ready;
    }
    Ok(Looked {
        count: found,
        keys: keys.unwrap_or_default(),
    })
}

/// Leaves the bits of a descriptor in the sets only where it is ready.
fn look_select(
    k: &mut Kernel,
    cx: &mut Cx,
    fd: usize,
    sets: &mut [Vec<u8>; 3],
    with: (&mut Option<Vec<WaitKey>>, &mut Effort),
) -> Result<Option<u64>, Stop> {
    let (byte, bit) = (fd / 8, 1u8 << (fd % 8));
    let asks = |set: &Vec<u8>| set.get(byte).is_some_and(|b| b & bit != 0);
    if !sets.iter().any(asks) {
        return Ok(Some(0));
    }
    let all = linux::POLLIN | linux::POLLOUT | linux::POLLPRI;
    let Some(ready) = look(k, cx, fd as u32, all, with)? else {
        return Ok(None);
    };
    if ready & linux::POLLNVAL != 0 {
        return Err(Errno::EBADF.into());
    }
    let mut found = 0;
    for (set, answer) in sets.iter_mut().zip(ANSWERS) {
        if !asks(set) {
            continue;
        }
        if ready & answer != 0 {
            found += 1;
        } else if let Some(byte) = set.get_mut(byte) {
            *byte &= !bit;
        }
    }
    Ok(Some(found))
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
