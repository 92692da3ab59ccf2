//! Serial ports: as mere bytes, and the console's behind its terminal.

use super::{Kind, TtyId, transfer};
use crate::error::{Errno, Stop};
use crate::machine::{Machine, Port};
use crate::wait::{Pending, Restart, Resume, WaitKey};
use crate::{Cx, Kernel};
use alloc::vec::Vec;

/// The most console input kept for those who read the port; more stays in the machine.
const KEPT: usize = 4096;
/// How long a writer waits for a port that takes nothing: 1 ms, about ten characters at 115200
/// baud.
const FULL_WAIT: u64 = 1_000_000;
/// Console input handled in one trap.
const INPUT_TURN: usize = 256;
/// How often a port that takes nothing is asked at the end of the machine.
const LAST_PATIENCE: usize = 10_000;

/// Writes to a port; waits a moment when it takes nothing.
///
/// # Errors
/// EAGAIN if the writer does not want to wait; waits.
pub fn write(cx: &mut Cx, port: Port, nonblocking: bool, bytes: &[u8]) -> Result<usize, Stop> {
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        match cx.m.port_write(port, rest) {
            0 => break,
            count => done = done.saturating_add(count).min(bytes.len()),
        }
    }
    if done > 0 || bytes.is_empty() {
        return Ok(done);
    }
    if nonblocking {
        return Err(Errno::EAGAIN.into());
    }
    let resume = Resume {
        deadline: Some(cx.now.saturating_add(FULL_WAIT)),
        ..cx.resume.unwrap_or_default()
    };
    let pending = Pending::on(WaitKey::Signal(cx.task), Restart::Sys);
    Err(Stop::Wait(pending.with(resume)))
}

/// Takes console input as mere bytes; waits until there is some.
pub(super) fn read(
    k: &mut Kernel,
    cx: &mut Cx,
    nonblocking: bool,
    max: usize,
) -> Result<Vec<u8>, Stop> {
    receive(k, cx.m);
    let input = &mut k.terminals.port;
    if input.is_empty() {
        if nonblocking {
            return Err(Errno::EAGAIN.into());
        }
        let key = WaitKey::Input(Port::Console);
        return Err(Stop::Wait(Pending::on(key, Restart::Sys)));
    }
    let count = max.min(input.len());
    Ok(input.drain(..count).collect())
}

/// Whether there is console input to be read as mere bytes.
pub(super) fn is_readable(k: &mut Kernel, m: &mut dyn Machine) -> bool {
    receive(k, m);
    !k.terminals.port.is_empty()
}

/// Takes over what has arrived at the machine.
fn receive(k: &mut Kernel, m: &mut dyn Machine) {
    let input = &mut k.terminals.port;
    let mut buffer = [0; 256];
    while input.len() < KEPT {
        let room = (KEPT - input.len()).min(buffer.len());
        let Some(part) = buffer.get_mut(..room) else {
            return;
        };
        let count = m.port_read(Port::Console, part).min(room);
        if count == 0 {
            return;
        }
        input.extend(part.iter().take(count));
    }
}

/// Bytes have arrived at the console: they are the terminal's, unless the port is open as mere
/// bytes.
pub fn input(k: &mut Kernel, m: &mut dyn Machine) {
    k.waits.wake(WaitKey::Input(Port::Console));
    let Some(id) = console_for_input(k) else {
        return;
    };
    let more = (0..INPUT_TURN).all(|_| one_byte(k, m, id));
    output(k, m, id);
    if more {
        k.terminals.due = Some(m.now());
    }
}

/// Hands the console's terminal a byte; false when there is none, or no room.
fn one_byte(k: &mut Kernel, m: &mut dyn Machine, id: TtyId) -> bool {
    if !(k.terminals.get(id)).is_ok_and(|tty| tty.line.has_room()) {
        return false;
    }
    let mut byte = [0];
    match k.terminals.port.pop_front() {
        Some(kept) => byte = [kept],
        None if m.port_read(Port::Console, &mut byte) == 0 => return false,
        None => {}
    }
    transfer::feed(k, id, &byte) == 1
}

/// The console's terminal if input is its.
fn console_for_input(k: &Kernel) -> Option<TtyId> {
    let id = k.terminals.console.as_ref()?.key();
    let tty = k.terminals.table.get(id)?;
    matches!(tty.kind, Kind::Serial(0)).then_some(id)
}

/// Passes a terminal's output on to its port, if that is what it has at its other end, as far as
/// the port takes it.
pub(super) fn output(k: &mut Kernel, m: &mut dyn Machine, id: TtyId) {
    let Some(tty) = k.terminals.table.get_mut(id) else {
        return;
    };
    if !matches!(tty.kind, Kind::Serial(_)) {
        return;
    }
    let mut passed = false;
    while tty.line.output.ready() > 0 {
        let count = m.port_write(Port::Console, tty.line.output.parts().0);
        if count == 0 {
            break;
        }
        tty.line.output.consume(count);
        passed = true;
    }
    if tty.line.output.ready() > 0 {
        k.terminals.due = Some(m.now().saturating_add(FULL_WAIT));
    }
    if passed {
        k.waits.wake(WaitKey::Terminal(id));
    }
}

/// Looks after the console once it is due.
pub fn expire(k: &mut Kernel, m: &mut dyn Machine, now: u64) {
    if k.terminals.due.is_some_and(|at| at <= now) {
        k.terminals.due = None;
        if let Some(id) = k.terminals.console.as_ref().map(|held| held.key()) {
            output(k, m, id);
        }
        input(k, m);
    }
}

/// Shows what is left, before the machine ends.
pub fn last_output(k: &mut Kernel, m: &mut dyn Machine) {
    let Some(id) = k.terminals.console.as_ref().map(|held| held.key()) else {
        return;
    };
    for _ in 0..LAST_PATIENCE {
        if (k.terminals.get(id)).is_ok_and(|tty| tty.line.output.ready() == 0) {
            return;
        }
        output(k, m, id);
    }
}
