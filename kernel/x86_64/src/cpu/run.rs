//! The loop of a CPU: run what the kernel says until it traps, and ask again.

use super::interrupts;
use super::user::User;
use crate::logger;
use berth_kernel::machine::{Machine, Next, PowerOff, Trap, UserRegs};

/// Serves traps with `on_trap`, starting with [`Trap::Idle`], until it ends the machine.
pub fn serve(
    user: &mut User,
    machine: &mut dyn Machine,
    mut on_trap: impl FnMut(&mut dyn Machine, &mut UserRegs, Trap) -> Next,
) -> PowerOff {
    let mut regs = UserRegs::default();
    let mut next = on_trap(machine, &mut regs, Trap::Idle);
    loop {
        next = match next {
            Next::Run { space, deadline } => {
                let trap = user.run(space, &mut regs, deadline);
                on_trap(machine, &mut regs, trap)
            }
            Next::Idle { deadline } => {
                logger::flush();
                let trap = interrupts::idle(deadline);
                on_trap(machine, &mut regs, trap)
            }
            Next::PowerOff(how) => return how,
        };
    }
}
