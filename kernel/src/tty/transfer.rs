//! How bytes get into terminals and out, and who waits for that.

use super::{End, Side, TtyId, job, port, pty};
use crate::error::{Errno, Stop};
use crate::machine::Machine;
use crate::wait::{Pending, Restart, Resume, WaitKey};
use crate::{Cx, Kernel};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// Nanoseconds in the unit of VTIME.
const TENTH: u64 = 100_000_000;
/// In [`Resume::word`]: the deadline is that of VTIME.
const TIMED: u64 = 1;

/// What a reader got.
pub struct Got {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The read goes on if it has asked for more.
    pub more: bool,
}

impl Got {
    /// The end of the file.
    const END: Got = Got {
        bytes: Vec::new(),
        more: false,
    };
}

/// Bytes come in at the other end of a terminal's line; returns how many it took.
pub(super) fn feed(k: &mut Kernel, id: TtyId, bytes: &[u8]) -> usize {
    let mut taken = 0;
    for &byte in bytes {
        let Some(tty) = k.terminals.table.get_mut(id) else {
            break;
        };
        if !tty.line.has_room() {
            break;
        }
        taken += 1;
        if let Some(signal) = tty.line.receive(byte) {
            job::signal_foreground(k, id, signal);
        }
    }
    k.waits.wake(WaitKey::Terminal(id));
    taken
}

/// Takes at most `max` bytes, at least one, for a read that has got `done` bytes before.
///
/// # Errors
/// EIO (see `job::in_front`); EAGAIN if the reader does not want to wait; waits.
pub fn read(
    k: &mut Kernel,
    cx: &mut Cx,
    end: End,
    nonblocking: bool,
    max: usize,
    done: u64,
) -> Result<Got, Stop> {
    match end.side {
        Side::Port => {
            let bytes = port::read(k, cx, nonblocking, max)?;
            Ok(Got { bytes, more: false })
        }
        Side::Master => pty::read(k, cx, end, nonblocking, max),
        Side::Line | Side::Console => read_line(k, cx, end, nonblocking, max, done),
    }
}

fn read_line(
    k: &mut Kernel,
    cx: &mut Cx,
    end: End,
    nonblocking: bool,
    max: usize,
    done: u64,
) -> Result<Got, Stop> {
    if k.terminals.living(end).is_err() {
        return Ok(Got::END);
    }
    if done == 0 && end.side == Side::Line {
        job::in_front(k, cx, end.tty, linux::SIGTTIN)?;
    }
    let tty = k.terminals.living(end)?;
    let t = *tty.line.settings();
    let canonical = t.l(linux::ICANON);
    let least = u64::from(t.char(linux::VMIN));
    if tty.line.is_readable(1) {
        let taken = tty.line.take(max);
        let enough = done.saturating_add(taken.bytes.len() as u64) >= least;
        let more = if canonical { !taken.ended } else { !enough };
        // The time between two bytes starts anew.
        cx.resume = cx.resume.map(|r| Resume { word: 0, ..r });
        made_room(k, cx.m, end.tty);
        return Ok(Got {
            bytes: taken.bytes,
            more,
        });
    }
    let time = u64::from(t.char(linux::VTIME)).saturating_mul(TENTH);
    let deadline = match (canonical, least, time) {
        (true, ..) | (false, 1.., 0) => None,
        (false, 0, 0) => return Ok(Got::END),
        (false, 1.., _) if done == 0 => None,
        (false, ..) => Some(timer(cx, time)),
    };
    if deadline.is_some_and(|at| cx.now >= at) {
        return Ok(Got::END);
    }
    Err(wait(cx, end.tty, done, nonblocking, deadline))
}

/// When the time that began at an earlier run of this call, or begins now, is over.
fn timer(cx: &Cx, time: u64) -> u64 {
    let before = cx.resume.filter(|r| r.word == TIMED);
    let before = before.and_then(|r| r.deadline);
    before.unwrap_or(cx.now.saturating_add(time))
}

pub(super) fn wait(
    cx: &Cx,
    id: TtyId,
    done: u64,
    nonblocking: bool,
    deadline: Option<u64>,
) -> Stop {
    if nonblocking {
        return Errno::EAGAIN.into();
    }
    let resume = Resume {
        deadline,
        done,
        word: if deadline.is_some() { TIMED } else { 0 },
        ..cx.resume.unwrap_or_default()
    };
    Stop::Wait(Pending::on(WaitKey::Terminal(id), Restart::Sys).with(resume))
}

/// A reader has made room for input.
fn made_room(k: &mut Kernel, m: &mut dyn Machine, id: TtyId) {
    if k.terminals
        .console
        .as_ref()
        .is_some_and(|held| held.key() == id)
    {
        port::input(k, m);
    }
    k.waits.wake(WaitKey::Terminal(id));
}

/// Gives bytes to a terminal; returns how many it took, at least one of any given.
///
/// # Errors
/// EIO after a hangup, and see `job::in_front`; EAGAIN if the writer does not want to wait;
/// waits, with the `done` of the call kept.
pub fn write(
    k: &mut Kernel,
    cx: &mut Cx,
    end: End,
    nonblocking: bool,
    bytes: &[u8],
    done: u64,
) -> Result<usize, Stop> {
    match end.side {
        Side::Port => port::write(cx, crate::machine::Port::Console, nonblocking, bytes),
        Side::Master => pty::write(k, cx, end, nonblocking, bytes, done),
        Side::Line | Side::Console => {
            let tty = k.terminals.living(end)?;
            if tty.line.settings().l(linux::TOSTOP) && done == 0 && end.side == Side::Line {
                job::in_front(k, cx, end.tty, linux::SIGTTOU)?;
            }
            port::output(k, cx.m, end.tty);
            let line = &mut k.terminals.living(end)?.line;
            let taken = match line.is_stopped() {
                true => 0,
                false => line.write(bytes),
            };
            port::output(k, cx.m, end.tty);
            if taken == 0 && !bytes.is_empty() {
                return Err(wait(cx, end.tty, done, nonblocking, None));
            }
            k.waits.wake(WaitKey::Terminal(end.tty));
            Ok(taken)
        }
    }
}

/// What an end is ready for now (POLL* bits), and what wakes those who wait for a change.
pub fn poll(k: &mut Kernel, m: &mut dyn Machine, end: End) -> (u32, WaitKey) {
    const IN: u32 = linux::POLLIN | linux::POLLRDNORM;
    const OUT: u32 = linux::POLLOUT | linux::POLLWRNORM;
    if end.side == Side::Port {
        let ready = if port::is_readable(k, m) { IN } else { 0 };
        return (ready | OUT, WaitKey::Input(crate::machine::Port::Console));
    }
    let key = WaitKey::Terminal(end.tty);
    if end.side == Side::Master {
        return (pty::poll(k, end.tty), key);
    }
    let Ok(tty) = k.terminals.living(end) else {
        return (IN | OUT | linux::POLLERR | linux::POLLHUP, key);
    };
    let t = tty.line.settings();
    let least = match t.char(linux::VTIME) {
        0 => usize::from(t.char(linux::VMIN)),
        _ => 1,
    };
    let mut ready = 0;
    if tty.line.is_readable(least) {
        ready |= IN;
    }
    if tty.line.output.has_room() && !tty.line.is_stopped() {
        ready |= OUT;
    }
    (ready, key)
}
