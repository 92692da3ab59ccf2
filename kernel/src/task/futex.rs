//! Futexes (futex(2)) and the list of robust ones that a dying thread leaves behind
//! (get_robust_list(2)).

use super::{TaskId, pid, signal};
use crate::error::{Call, Errno, Stop};
use crate::machine::Access;
use crate::mm::frames::Origin;
use crate::mm::user;
use crate::wait::{Pending, Restart, Resume, WaitKey};
use crate::{Cx, Kernel};
use linux_raw_sys::general as linux;

/// [`Resume::word`] of a waiter that FUTEX_WAKE has chosen.
const CHOSEN: u64 = 1;

/// Elements of a robust list that are looked at (ROBUST_LIST_LIMIT).
const ROBUST_LIMIT: u64 = 2048;

/// In a robust futex word: somebody waits; the owner died; the owner's tid.
const WAITERS: u32 = 0x8000_0000;
const OWNER_DIED: u32 = 0x4000_0000;
const TID_MASK: u32 = 0x3fff_ffff;

/// What the waiters on a word wait for. In memory that others share it is the frame, which does
/// not move; in private memory it is the address, since a fork moves frames under it.
fn key(k: &mut Kernel, cx: &mut Cx, addr: u64, private: bool) -> Result<WaitKey, Stop> {
    if addr % 4 != 0 {
        return Err(Errno::EINVAL.into());
    }
    let task = k.tasks.tasks.get(cx.task).ok_or(Errno::EFAULT)?;
    let mm = task.mm.as_ref().ok_or(Errno::EFAULT)?.key();
    let own = WaitKey::PrivateFutex(mm, addr);
    user::check(addr, 4)?;
    if private {
        return Ok(own);
    }
    // Made writable first: what is private then has a frame of its own.
    let (frame, offset) = match user::locate(k, cx, addr, Access::WRITE) {
        Err(Stop::Errno(Errno::EFAULT)) => user::locate(k, cx, addr, Access::READ)?,
        other => other?,
    };
    Ok(match k.frames.origin(frame) {
        Origin::File => WaitKey::SharedFutex(frame.0, offset as u32),
        _ => own,
    })
}

/// FUTEX_WAIT and FUTEX_WAIT_BITSET: waits until it is woken, if the word is still `expected`.
/// `deadline` is monotonic; a call that goes on after a signal has the same one.
///
/// # Errors
/// EAGAIN when the word is not `expected`, ETIMEDOUT, EINVAL, EFAULT.
pub fn wait(
    k: &mut Kernel,
    cx: &mut Cx,
    addr: u64,
    private: bool,
    expected: u32,
    deadline: Option<u64>,
) -> Call {
    let late = deadline.is_some_and(|at| cx.now >= at);
    match cx.resume {
        Some(resume) if resume.word == CHOSEN => return Ok(0),
        // Whatever the word is now: it waited.
        Some(_) if late => return Err(Errno::ETIMEDOUT.into()),
        _ => {}
    }
    let key = key(k, cx, addr, private)?;
    // A signal decides before the word does. Between this look and the parking nobody else runs.
    let woken_by_signal = cx.resume.is_some() && signal::interrupts(k, cx.task);
    if !woken_by_signal && user::read_u32(k, cx, addr)? != expected {
        return Err(Errno::EAGAIN.into());
    }
    if late {
        return Err(Errno::ETIMEDOUT.into());
    }
    let restart = if deadline.is_some() {
        Restart::Block
    } else {
        Restart::Sys
    };
    let resume = Resume {
        deadline,
        ..Resume::default()
    };
    Err(Stop::Wait(Pending::on(key, restart).with(resume)))
}

/// FUTEX_WAKE and FUTEX_WAKE_BITSET, from a call.
///
/// # Errors
/// EINVAL for an address that is not aligned or an empty bitset, EFAULT.
pub fn wake_call(
    k: &mut Kernel,
    cx: &mut Cx,
    addr: u64,
    private: bool,
    most: u32,
    bits: u32,
) -> Call {
    if bits == 0 {
        return Err(Errno::EINVAL.into());
    }
    let key = key(k, cx, addr, private)?;
    Ok(u64::from(wake_key(k, key, at_least_one(most), bits)))
}

/// How many FUTEX_WAKE wakes: Linux looks at the count, an int, after the first.
fn at_least_one(most: u32) -> u32 {
    match most {
        1..=0x7fff_ffff => most,
        _ => 1,
    }
}

/// FUTEX_WAKE_OP: changes the second word as `operation` says, wakes waiters on the first, and on
/// the second if its old value compares as `operation` says. Returns how many were woken.
///
/// # Errors
/// ENOSYS for an unknown operation or comparison, EINVAL, EFAULT.
pub fn wake_op(
    k: &mut Kernel,
    cx: &mut Cx,
    (first, second): (u64, u64),
    private: bool,
    (most, most_second): (u32, u32),
    operation: u32,
) -> Call {
    let keys = (key(k, cx, first, private)?, key(k, cx, second, private)?);
    let (frame, offset) = user::locate(k, cx, second, Access::WRITE)?;
    let old = loop {
        let mut word = [0; 4];
        cx.m.read_frame(frame, offset, &mut word);
        let old = u32::from_le_bytes(word);
        let new = operate(operation, old)?;
        if cx.m.cas_u32(frame, offset, old, new) == old {
            break old;
        }
    };
    let mut woken = wake_key(k, keys.0, at_least_one(most), u32::MAX);
    if compare(operation, old)? {
        woken = woken.saturating_add(wake_key(k, keys.1, at_least_one(most_second), u32::MAX));
    }
    Ok(u64::from(woken))
}

/// The new value of a word under FUTEX_WAKE_OP (futex(2), FUTEX_OP).
fn operate(operation: u32, old: u32) -> Result<u32, Errno> {
    // Both arguments are 12 bits with a sign.
    let given = ((operation << 8) as i32 >> 20) as u32;
    let argument = match operation >> 28 & linux::FUTEX_OP_OPARG_SHIFT {
        0 => given,
        _ => 1 << (given & 31),
    };
    compare(operation, old)?;
    match operation >> 28 & 7 {
        linux::FUTEX_OP_SET => Ok(argument),
        linux::FUTEX_OP_ADD => Ok(old.wrapping_add(argument)),
        linux::FUTEX_OP_OR => Ok(old | argument),
        linux::FUTEX_OP_ANDN => Ok(old & !argument),
        linux::FUTEX_OP_XOR => Ok(old ^ argument),
        _ => Err(Errno::ENOSYS),
    }
}

/// Whether the old value of a word compares as FUTEX_WAKE_OP wants it.
fn compare(operation: u32, old: u32) -> Result<bool, Errno> {
    let (old, argument) = (old as i32, (operation << 20) as i32 >> 20);
    match operation >> 24 & 15 {
        linux::FUTEX_OP_CMP_EQ => Ok(old == argument),
        linux::FUTEX_OP_CMP_NE => Ok(old != argument),
        linux::FUTEX_OP_CMP_LT => Ok(old < argument),
        linux::FUTEX_OP_CMP_LE => Ok(old <= argument),
        linux::FUTEX_OP_CMP_GT => Ok(old > argument),
        linux::FUTEX_OP_CMP_GE => Ok(old >= argument),
        _ => Err(Errno::ENOSYS),
    }
}

/// FUTEX_REQUEUE and FUTEX_CMP_REQUEUE: wakes some of those who wait on the first word and lets
/// some of the others wait on the second. Returns how many were woken or moved.
///
/// # Errors
/// EAGAIN when the first word is not `expected`, EINVAL, EFAULT.
pub fn requeue(
    k: &mut Kernel,
    cx: &mut Cx,
    (from, to): (u64, u64),
    private: bool,
    (wake, move_): (u32, u32),
    expected: Option<u32>,
) -> Call {
    if wake > i32::MAX as u32 || move_ > i32::MAX as u32 {
        return Err(Errno::EINVAL.into());
    }
    let (from_key, to_key) = (key(k, cx, from, private)?, key(k, cx, to, private)?);
    if let Some(expected) = expected {
        if user::read_u32(k, cx, from)? != expected {
            return Err(Errno::EAGAIN.into());
        }
    }
    let woken = wake_key(k, from_key, wake, u32::MAX);
    let waiting = k.waits.waiters(from_key);
    let moved = waiting.len().min(move_ as usize);
    for task in waiting
        .into_iter()
        .take(moved)
        .filter(|_| from_key != to_key)
    {
        let call = k.tasks.tasks.get(task).and_then(|t| t.call.as_ref());
        let deadline = call.and_then(|c| c.resume).and_then(|r| r.deadline);
        // Woken there by a signal, it sees its first word changed and tries again.
        k.waits.park(task, &[to_key], deadline);
    }
    Ok(u64::from(woken).saturating_add(moved as u64))
}

/// Wakes those who wait on a word of the current task's memory, for the kernel's own words.
pub fn wake(k: &mut Kernel, cx: &mut Cx, addr: u64, private: bool, most: u32, bits: u32) {
    if let Ok(key) = key(k, cx, addr, private) {
        wake_key(k, key, most, bits);
    }
}

fn wake_key(k: &mut Kernel, key: WaitKey, most: u32, bits: u32) -> u32 {
    let mut count = 0;
    for task in k.waits.waiters(key) {
        if count == most {
            break;
        }
        if choose(k, task, bits) {
            k.waits.wake_task(task);
            count += 1;
        }
    }
    count
}

/// Marks a waiter as woken if its bitset has one of `bits`.
fn choose(k: &mut Kernel, task: TaskId, bits: u32) -> bool {
    let call = k.tasks.tasks.get_mut(task).and_then(|t| t.call.as_mut());
    let Some(call) = call else {
        return false;
    };
    if wanted_bits(&call.args) & bits == 0 {
        return false;
    }
    if let Some(resume) = call.resume.as_mut() {
        resume.word = CHOSEN;
    }
    true
}

/// The bitset of a parked futex call: its last argument for FUTEX_WAIT_BITSET.
fn wanted_bits(args: &[u64; 6]) -> u32 {
    let op = args[1] as u32 & linux::FUTEX_CMD_MASK as u32;
    if op == linux::FUTEX_WAIT_BITSET {
        args[5] as u32
    } else {
        u32::MAX
    }
}

/// Elements of a robust list that one turn looks at.
const ROBUST_TURN: u64 = 128;

/// How far a walk along a robust list has come: the next element, and how many there were.
type Walked = (u64, u64);

/// Marks the robust futexes that the current task holds: their owner died. A list that is damaged
/// or not there is the program's own loss.
pub fn mark_robust_list(k: &mut Kernel, cx: &mut Cx) {
    let mut rest = mark_robust_part(k, cx, None);
    while rest.is_some() {
        rest = mark_robust_part(k, cx, rest);
    }
}

/// [`mark_robust_list`] for a turn; where to go on.
pub fn mark_robust_part(k: &mut Kernel, cx: &mut Cx, from: Option<Walked>) -> Option<Walked> {
    let head = k.tasks.tasks.get(cx.task)?.robust_list;
    let rest = match head {
        0 => None,
        head => walk_robust_list(k, cx, head, from).ok().flatten(),
    };
    if rest.is_none() {
        k.tasks.tasks.get_mut(cx.task)?.robust_list = 0;
    }
    rest
}

fn walk_robust_list(
    k: &mut Kernel,
    cx: &mut Cx,
    head: u64,
    from: Option<Walked>,
) -> Result<Option<Walked>, Stop> {
    let pid = k.tasks.tasks.get(cx.task).ok_or(Errno::ESRCH)?.pid.key();
    let numbers = &k.tasks.pids.get(pid).ok_or(Errno::ESRCH)?.numbers;
    let tid = numbers.last().ok_or(Errno::ESRCH)?.1;
    let offset = user::read_u64(k, cx, head.wrapping_add(8))?;
    let pending = user::read_u64(k, cx, head.wrapping_add(16))? & !1;
    let (mut entry, mut count) = match from {
        Some(walked) => walked,
        None => (user::read_u64(k, cx, head)?, 0),
    };
    let turn = count.saturating_add(ROBUST_TURN);
    while count < ROBUST_LIMIT {
        if count == turn {
            return Ok(Some((entry, count)));
        }
        count += 1;
        // The lowest bit tells priority inheritance, which does not matter to a dead owner.
        let here = entry & !1;
        if here == head {
            break;
        }
        let next = user::read_u64(k, cx, here);
        if here != pending {
            mark(k, cx, here.wrapping_add(offset), tid, false)?;
        }
        entry = next?;
    }
    if pending != 0 {
        mark(k, cx, pending.wrapping_add(offset), tid, true)?;
    }
    Ok(None)
}

/// Marks one word if the dead thread, `tid`, owns it. If it was about to take or give it
/// (`pending`) and nobody owns it, it may have died before it woke the next one.
fn mark(k: &mut Kernel, cx: &mut Cx, addr: u64, tid: u32, pending: bool) -> Result<(), Stop> {
    if addr % 4 != 0 {
        return Err(Errno::EINVAL.into());
    }
    let (frame, offset) = user::locate(k, cx, addr, Access::WRITE)?;
    loop {
        let mut word = [0; 4];
        cx.m.read_frame(frame, offset, &mut word);
        let old = u32::from_le_bytes(word);
        if pending && old == 0 {
            wake(k, cx, addr, false, 1, u32::MAX);
        }
        if old & TID_MASK != tid {
            return Ok(());
        }
        let new = old & WAITERS | OWNER_DIED;
        if cx.m.cas_u32(frame, offset, old, new) != old {
            continue;
        }
        if old & WAITERS != 0 {
            wake(k, cx, addr, false, 1, u32::MAX);
        }
        return Ok(());
    }
}

/// The number that a robust futex of a task carries: its own in its own namespace.
pub fn tid_of(k: &Kernel, task: TaskId) -> u32 {
    let ns = crate::ns::pid::of_task(k, task);
    let pid = k.tasks.tasks.get(task).map(|t| t.pid.key());
    match (pid, ns) {
        (Some(pid), Some(ns)) => pid::number_in(&k.tasks, pid, ns),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FUTEX_OP of futex.h.
    fn encode(op: u32, argument: i32, cmp: u32, with: i32) -> u32 {
        (op & 15) << 28 | (cmp & 15) << 24 | (argument as u32 & 0xfff) << 12 | with as u32 & 0xfff
    }

    #[test]
    fn words_change_as_futex_2_says() {
        let new = |op, argument, old| operate(encode(op, argument, 0, 0), old);
        assert_eq!(new(linux::FUTEX_OP_SET, -1, 7), Ok(u32::MAX));
        assert_eq!(new(linux::FUTEX_OP_ADD, -2, 7), Ok(5));
        assert_eq!(new(linux::FUTEX_OP_OR, 8, 7), Ok(15));
        assert_eq!(new(linux::FUTEX_OP_ANDN, 3, 7), Ok(4));
        assert_eq!(new(linux::FUTEX_OP_XOR, 5, 7), Ok(2));
        let shifted = linux::FUTEX_OP_SET | linux::FUTEX_OP_OPARG_SHIFT;
        assert_eq!(new(shifted, 31, 0), Ok(1 << 31));
        assert_eq!(new(5, 0, 0), Err(Errno::ENOSYS));
    }

    #[test]
    fn old_words_compare_with_their_sign() {
        let is = |cmp, with, old| compare(encode(0, 0, cmp, with), old);
        assert_eq!(is(linux::FUTEX_OP_CMP_EQ, -1, u32::MAX), Ok(true));
        assert_eq!(is(linux::FUTEX_OP_CMP_LT, 0, u32::MAX), Ok(true));
        assert_eq!(is(linux::FUTEX_OP_CMP_GE, 5, 5), Ok(true));
        assert_eq!(is(linux::FUTEX_OP_CMP_NE, 5, 5), Ok(false));
        assert_eq!(is(6, 0, 0), Err(Errno::ENOSYS));
    }

    #[test]
    fn a_count_that_is_none_wakes_one() {
        assert_eq!([0, 1, 5, u32::MAX].map(at_least_one), [1, 1, 5, 1]);
    }
}
