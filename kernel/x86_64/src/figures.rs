//! Figures of a run, when the command line asks for them by the word `figures`: what it took to
//! the first program, and the costliest trap, in counts of the time-stamp counter. An emulator
//! that counts instructions makes these instructions.

use crate::dev::{clock, serial};
use alloc::format;
use berth_kernel::machine::{Next, Port, Trap, UserRegs};

/// What has been measured.
pub struct Figures {
    first_program: Option<u64>,
    costliest: (u64, Trap, u64),
}

impl Figures {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            first_program: None,
            costliest: (0, Trap::Idle, 0),
        }
    }

    /// Measures how long the kernel serves a trap.
    pub fn measure(&mut self, regs: &UserRegs, trap: Trap, serve: impl FnOnce() -> Next) -> Next {
        let start = clock::counter();
        let next = serve();
        let end = clock::counter();
        let cost = end.saturating_sub(start);
        if cost > self.costliest.0 {
            self.costliest = (cost, trap, regs.rax);
        }
        if matches!(next, Next::Run { .. }) {
            self.first_program.get_or_insert(clock::since_start(end));
        }
        next
    }

    /// Writes the figures to the control port.
    pub fn report(&self) {
        let (cost, trap, rax) = self.costliest;
        log::info!(target: "figures", "the costliest trap took {cost}: {trap:?} with rax {rax:#x}");
        let boot = self.first_program.unwrap_or(0);
        let text = format!("berth: icount boot {boot}\nberth: icount trap_max {cost}\n");
        serial::write_last(Port::Control, text.as_bytes());
    }
}
