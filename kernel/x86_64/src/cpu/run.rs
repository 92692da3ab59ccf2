//! The loop of a CPU: run what the kernel says until it traps, and ask again.

use super::interrupts;
use super::user::User;
use crate::logger;
use berth_kernel::machine::{Machine, Next, PowerOff, Trap, UserRegs};

/// Serves traps with `on_trap`, starting with [`Trap::Idle`], until it ends the machine.
pub fn serve(
    user: &mut User,
    machine: &mut dyn Machine,
    mut on_trap: impl FnMut(&mut dyn Machine, UserRegs, Trap) -> Next,
) -> PowerOff {
    let mut next = on_trap(machine, UserRegs::default(), Trap::Idle);
    loop {
        next = match next {
            Next::Run {
                space,
                mut regs,
                deadline,
            } => {
                let trap = user.run(space, &mut regs, deadline);
                on_trap(machine, regs, trap)
            }
            Next::Idle { deadline } => {
                logger::flush();
                let trap = interrupts::idle(deadline);
                on_trap(machine, UserRegs::default(), trap)
            }
            Next::PowerOff(how) => return how,
        };
    }
}
