//! Figures of a run, when the command line asks for them by the word `figures`: what it took to
//! the first program, all traps together, and the costliest of them, in counts of the time-stamp
//! counter. An emulator that counts instructions makes these instructions.

use crate::dev::{clock, serial};
use alloc::collections::BTreeMap;
use alloc::format;
use berth_kernel::machine::{Next, Port, Trap};
use berth_kernel::syscall;

/// What a trap may cost: others wait that long.
const TRAP_MAX: u64 = 200_000;

/// What has been measured.
pub struct Figures {
    first_program: Option<u64>,
    all: u64,
    costliest: (u64, Trap, u64),
    /// By the name of what caused them: the costliest of the traps over [`TRAP_MAX`].
    over: BTreeMap<&'static str, u64>,
}

impl Figures {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            first_program: None,
            all: 0,
            costliest: (0, Trap::Idle, 0),
            over: BTreeMap::new(),
        }
    }

    /// Measures how long the kernel serves a trap, from the one program to the next or to idling;
    /// `serve` also tells the number of the call that it made last.
    pub fn measure(&mut self, trap: Trap, serve: impl FnOnce() -> (Next, Option<u64>)) -> Next {
        let start = clock::counter();
        let (next, call) = serve();
        let end = clock::counter();
        let cost = end.saturating_sub(start);
        self.all = self.all.saturating_add(cost);
        if cost > self.costliest.0 {
            self.costliest = (cost, trap, call.unwrap_or(u64::MAX));
        }
        if cost > TRAP_MAX {
            let worst = self.over.entry(cause(trap, call)).or_default();
            *worst = cost.max(*worst);
        }
        if matches!(next, Next::Run { .. }) {
            self.first_program.get_or_insert(clock::since_start(end));
        }
        next
    }

    /// Writes the figures to the control port.
    pub fn report(&self) {
        let (cost, trap, call) = self.costliest;
        log::info!(target: "figures", "the costliest trap took {cost}: {trap:?}, call {call}");
        let (boot, all) = (self.first_program.unwrap_or(0), self.all);
        let mut text = format!(
            "berth: icount boot {boot}\nberth: icount traps {all}\nberth: icount trap_max {cost}\n"
        );
        for (cause, cost) in &self.over {
            text += &format!("berth: icount over:{cause} {cost}\n");
        }
        serial::write_last(Port::Control, text.as_bytes());
    }
}

/// What a trap is called: by the call that was made in it, for the first time or again.
fn cause(trap: Trap, call: Option<u64>) -> &'static str {
    if let Some(number) = call {
        return syscall::line(number).map_or("unknown_call", |line| line.1);
    }
    match trap {
        Trap::Syscall => "no_call",
        Trap::PageFault { .. } => "page_fault",
        Trap::Exception { .. } => "exception",
        Trap::Timer => "timer",
        Trap::Idle => "idle",
        Trap::Input => "input",
    }
}
