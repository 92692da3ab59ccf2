//! Reading, writing and polling files that are events (eventfd(2), timerfd_create(2),
//! signalfd(2)).

use super::control::Readiness;
use super::write::From;
use super::{Segment, place, take_turns, total, wait};
use crate::error::{Errno, Stop};
use crate::fs::FileId;
use crate::fs::event::{self, Event};
use crate::mm::user::{self, UserOut};
use crate::task::signal;
use crate::wait::WaitKey;
use crate::{Cx, Kernel};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// Bytes that counters and timers are read and written by.
const NUMBER: u64 = 8;
/// Bytes of a struct signalfd_siginfo.
const RECORD: u64 = 128;
/// Signals that one trap reads.
const TURN: u64 = 32 * RECORD;

/// Reads an event: a number, or records of signals.
///
/// # Errors
/// EINVAL when there is too little room; EAGAIN, EFAULT; waits.
pub(super) fn read(
    k: &mut Kernel,
    cx: &mut Cx,
    id: FileId,
    segments: &[Segment],
    done: &mut u64,
) -> Result<(), Stop> {
    let nonblocking = k.fs.file(id)?.nonblocking();
    let least = match k.fs.event(id)? {
        Event::Signals(mask) => {
            let mask = *mask;
            return signals(k, cx, mask, segments, nonblocking, done);
        }
        Event::Epoll(_) => return Err(Errno::EINVAL.into()),
        _ => NUMBER,
    };
    if total(segments) < least {
        return Err(Errno::EINVAL.into());
    }
    let Some(number) = waiting(k, cx, id)? else {
        return Err(wait(cx, WaitKey::FileData(id), 0, nonblocking));
    };
    let to = record(k, cx, segments, 0, NUMBER)?;
    match k.fs.event_mut(id)? {
        Event::Counter(counter) => {
            counter.take(number);
            k.waits.wake(WaitKey::FileRoom(id));
        }
        _ => {
            event::settle(&mut k.fs, id, cx.now, true)?;
        }
    }
    put(k, cx, &to, &number.to_le_bytes());
    *done = NUMBER;
    Ok(())
}

/// The number that a read gets.
fn waiting(k: &mut Kernel, cx: &Cx, id: FileId) -> Result<Option<u64>, Errno> {
    match k.fs.event(id)? {
        Event::Counter(counter) => Ok(counter.next()),
        Event::Timer(_) => {
            let ticks = event::settle(&mut k.fs, id, cx.now, false)?.ticks();
            Ok(Some(ticks).filter(|ticks| *ticks > 0))
        }
        Event::Signals(_) | Event::Epoll(_) => Err(Errno::EINVAL),
    }
}

/// Takes pending signals of the caller: its own first, then those of its process.
fn signals(
    k: &mut Kernel,
    cx: &mut Cx,
    mask: u64,
    segments: &[Segment],
    nonblocking: bool,
    done: &mut u64,
) -> Result<(), Stop> {
    let room = total(segments) / RECORD * RECORD;
    if room == 0 {
        return Err(Errno::EINVAL.into());
    }
    let turn = done.saturating_add(TURN);
    while *done < room {
        if *done >= turn {
            return Err(take_turns(cx, *done));
        }
        if signal::pending(k, cx.task) & mask == 0 {
            if *done > 0 {
                break;
            }
            let process = k.tasks.task(cx.task)?.process;
            return Err(wait(cx, WaitKey::Signals(process), 0, nonblocking));
        }
        let to = record(k, cx, segments, *done, RECORD)?;
        let Some(info) = signal::take(k, cx.task, mask, cx.now) else {
            break;
        };
        put(k, cx, &to, &signal::signalfd_siginfo(&info));
        *done += RECORD;
    }
    Ok(())
}

/// Prepares the place of a record in segments of the caller's memory, however they cut it.
fn record(
    k: &mut Kernel,
    cx: &mut Cx,
    segments: &[Segment],
    at: u64,
    len: u64,
) -> Result<Vec<UserOut>, Stop> {
    let mut pieces = Vec::new();
    let mut done = 0;
    while done < len {
        let (addr, room) = place(segments, at + done).ok_or(Errno::EINVAL)?;
        let piece = user::prepare(k, cx, addr, room.min(len - done))?;
        done += piece.len();
        pieces.push(piece);
    }
    Ok(pieces)
}

fn put(k: &mut Kernel, cx: &mut Cx, to: &[UserOut], mut bytes: &[u8]) {
    for piece in to {
        let (part, rest) = bytes.split_at(bytes.len().min(piece.len() as usize));
        user::put(k, cx, piece, 0, part);
        bytes = rest;
    }
}

/// Writes a counter: as on Linux every segment is a write of its own, and a number exactly.
///
/// # Errors
/// EINVAL, EAGAIN, EFAULT; waits for room.
pub(super) fn write(
    k: &mut Kernel,
    cx: &mut Cx,
    id: FileId,
    from: From,
    done: &mut u64,
) -> Result<(), Stop> {
    let nonblocking = k.fs.file(id)?.nonblocking();
    loop {
        let (Event::Counter(_), NUMBER) = (k.fs.event(id)?, from.piece(*done)) else {
            return Err(Errno::EINVAL.into());
        };
        let mut number = [0; NUMBER as usize];
        from.copy(k, cx, *done, &mut number)?;
        let Event::Counter(counter) = k.fs.event_mut(id)? else {
            return Err(Errno::EINVAL.into());
        };
        if !counter.add(u64::from_le_bytes(number))? {
            return Err(wait(cx, WaitKey::FileRoom(id), *done, nonblocking));
        }
        k.waits.wake(WaitKey::FileData(id));
        *done += NUMBER;
        if *done >= from.total() {
            return Ok(());
        }
    }
}

/// What an event is ready for.
///
/// # Errors
/// EBADF when it is gone.
pub(super) fn poll(k: &Kernel, cx: &Cx, id: FileId) -> Result<Readiness, Errno> {
    let readable = |is| if is { linux::POLLIN } else { 0 };
    let mut ready = Readiness {
        data: Some(WaitKey::FileData(id)),
        ..Readiness::default()
    };
    match k.fs.event(id)? {
        Event::Counter(counter) => {
            ready.events = counter.ready();
            ready.room = Some(WaitKey::FileRoom(id));
        }
        Event::Timer(timer) => ready.events = readable(timer.is_ready(cx.now)),
        Event::Signals(mask) => {
            ready.events = readable(signal::pending(k, cx.task) & mask != 0);
            ready.data = Some(WaitKey::Signals(k.tasks.task(cx.task)?.process));
        }
        // Looked at before it came here.
        Event::Epoll(_) => {}
    }
    Ok(ready)
}
