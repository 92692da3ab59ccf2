//! Figures of a run, when the command line asks for them by the word `figures`: what it took to
//! the first program, and the costliest traps, in counts of the time-stamp counter. An emulator
//! that counts instructions makes these instructions.

use crate::dev::{clock, serial};
use alloc::collections::BTreeMap;
use alloc::format;
use berth_kernel::machine::{Next, Port, Trap, UserRegs};
use berth_kernel::syscall;

/// What a trap may cost: others wait that long.
const TRAP_MAX: u64 = 200_000;

/// What has been measured.
pub struct Figures {
    first_program: Option<u64>,
    costliest: (u64, Trap, u64),
    /// By the name of what caused them: the costliest of the traps over [`TRAP_MAX`].
    over: BTreeMap<&'static str, u64>,
}

impl Figures {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            first_program: None,
            costliest: (0, Trap::Idle, 0),
            over: BTreeMap::new(),
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
        if cost > TRAP_MAX {
            let worst = self.over.entry(cause(trap, regs.rax)).or_default();
            *worst = cost.max(*worst);
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
        let mut text = format!("berth: icount boot {boot}\nberth: icount trap_max {cost}\n");
        for (cause, cost) in &self.over {
            text += &format!("berth: icount over:{cause} {cost}\n");
        }
        serial::write_last(Port::Control, text.as_bytes());
    }
}

/// What a trap is called; `rax` is the number of a call. A call's trap also goes on with whoever
/// runs next.
fn cause(trap: Trap, rax: u64) -> &'static str {
    match trap {
        Trap::Syscall => syscall::line(rax).map_or("unknown_call", |line| line.1),
        Trap::PageFault { .. } => "page_fault",
        Trap::Exception { .. } => "exception",
        Trap::Timer => "timer",
        Trap::Idle => "idle",
        Trap::Input => "input",
    }
}
