//! From the first instruction to the loop that runs user code.

mod memory;
mod pvh;

use crate::cpu::user::User;
use crate::cpu::{self, run, stacks};
use crate::dev::{clock, power, serial};
use crate::figures::Figures;
use crate::machine::X86;
use crate::{cmdline, logger, selftest};
use berth_kernel::Kernel;
use berth_kernel::machine::{Machine, PowerOff};
pub use memory::Memory;
pub use pvh::BootInfo;

core::arch::global_asm!(
    include_str!("entry.s"),
    stack_top = const stacks::BOOT_STACK_TOP,
);

/// Called by the entry stub, on the boot stack with the provisional page tables and interrupts
/// off; `info` is the physical address of the PVH start information.
// SAFETY: the entry stub names it; nothing else has this name.
#[unsafe(no_mangle)]
extern "C" fn boot_main(info: u32) -> ! {
    clock::start();
    serial::init();
    logger::init();
    let features = cpu::init();
    let info = pvh::read(info);
    logger::set_level(cmdline::value(&info.command_line, "loglevel"));
    let memory = memory::init(&info, &features);
    cpu::interrupts::init();
    log::info!(target: "boot", "berth {}, {} MiB of memory", env!("CARGO_PKG_VERSION"), info.ram.total() >> 20);
    for name in features.names() {
        log::debug!(target: "boot", "processor: {name}");
    }
    let mut user = User::new(&features);
    let mut machine = X86::new(&info, memory, &features);
    let how = match cmdline::value(&info.command_line, "selftest") {
        Some(name) => selftest::run(name, &mut machine, &mut user),
        None => run_kernel(&mut machine, &mut user),
    };
    logger::flush();
    power::end(how)
}

fn run_kernel(machine: &mut X86, user: &mut User) -> PowerOff {
    let mut kernel = match Kernel::boot(machine) {
        Ok(kernel) => kernel,
        Err(error) => panic!("the system does not come up: {error}"),
    };
    if !cmdline::has(machine.command_line(), "figures") {
        return run::serve(user, machine, |machine, regs, trap| {
            kernel.on_trap(machine, regs, trap)
        });
    }
    let mut figures = Figures::new();
    let how = run::serve(user, machine, |machine, regs, trap| {
        figures.measure(trap, || {
            let next = kernel.on_trap(machine, regs, trap);
            (next, kernel.made.call)
        })
    });
    figures.report();
    how
}
