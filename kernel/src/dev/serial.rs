//! Serial ports as raw byte streams. Without a line discipline they are no terminals, and do not
//! say they are.

use crate::error::{Errno, Stop};
use crate::machine::{Machine, Port};
use crate::wait::{Pending, Restart, Resume, WaitKey};
use crate::{Cx, Kernel};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// The most console input kept for a reader; more stays in the machine.
const KEPT: usize = 4096;

/// How long a writer waits for a port that takes nothing: 1 ms, about ten characters at 115200
/// baud.
const FULL_WAIT: u64 = 1_000_000;

/// Console input that has arrived and was not read.
#[derive(Default)]
pub struct Console {
    input: VecDeque<u8>,
}

impl Console {
    /// Takes over what has arrived at the machine.
    pub fn receive(&mut self, m: &mut dyn Machine) {
        let mut buffer = [0; 256];
        while self.input.len() < KEPT {
            let room = (KEPT - self.input.len()).min(buffer.len());
            let Some(part) = buffer.get_mut(..room) else {
                return;
            };
            let count = m.port_read(Port::Console, part).min(room);
            if count == 0 {
                return;
            }
            self.input.extend(part.iter().take(count));
        }
    }

    /// Nothing to read.
    pub fn is_empty(&self) -> bool {
        self.input.is_empty()
    }
}

/// Takes console input; waits until there is some.
pub(super) fn read(k: &mut Kernel, cx: &mut Cx, flags: u32, max: usize) -> Result<Vec<u8>, Stop> {
    let console = &mut k.devices.console;
    console.receive(cx.m);
    if console.is_empty() {
        if flags & linux::O_NONBLOCK != 0 {
            return Err(Errno::EAGAIN.into());
        }
        let key = WaitKey::Input(Port::Console);
        return Err(Stop::Wait(Pending::on(key, Restart::Sys)));
    }
    let count = max.min(console.input.len());
    Ok(console.input.drain(..count).collect())
}

/// Writes to a port; waits a moment when it takes nothing.
pub(super) fn write(cx: &mut Cx, port: Port, flags: u32, bytes: &[u8]) -> Result<usize, Stop> {
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
    if flags & linux::O_NONBLOCK != 0 {
        return Err(Errno::EAGAIN.into());
    }
    let resume = Resume {
        deadline: Some(cx.now.saturating_add(FULL_WAIT)),
        ..cx.resume.unwrap_or_default()
    };
    Err(Stop::Wait(
        Pending::on(WaitKey::Signal(cx.task), Restart::Sys).with(resume),
    ))
}
