//! Ending the machine.

use super::io::Port;
use super::serial;
use berth_kernel::machine::PowerOff;
use x86_64::instructions::{hlt, interrupts, port};

/// QEMU's `isa-debug-exit`: it ends with status `value * 2 + 1`.
const DEBUG_EXIT: u16 = 0xf4;
const EXIT_CLEAN: u32 = 0x10;
const EXIT_PANIC: u32 = 0x11;

/// Ends the machine: through QEMU's exit device where there is one, else by power-off or reset.
/// A machine that offers none of these halts for good.
pub fn end(how: PowerOff) -> ! {
    interrupts::disable();
    serial::drain();
    match how {
        PowerOff::Clean => {
            exit(EXIT_CLEAN);
            acpi_off();
        }
        PowerOff::Panic => exit(EXIT_PANIC),
        PowerOff::Restart => reset(),
    }
    loop {
        hlt();
    }
}

fn exit(value: u32) {
    // SAFETY: without the device the port is unassigned; with it, this is the last instruction.
    unsafe { port::Port::new(DEBUG_EXIT).write(value) };
}

/// Power-off of QEMU's q35 and pc machines, whose ACPI registers lie at fixed ports.
fn acpi_off() {
    const SLEEP: u16 = 1 << 13;
    for control in [0x604_u16, 0xb004] {
        // SAFETY: the power management control register of the emulated chipsets; unassigned
        // elsewhere. Nothing follows.
        unsafe { port::Port::new(control).write(SLEEP) };
    }
}

fn reset() {
    // SAFETY: the chipset's reset control register; nothing follows.
    let chipset = unsafe { Port::new(0xcf9) };
    chipset.write(0x02);
    chipset.write(0x06);
    // SAFETY: the keyboard controller's command port; nothing follows.
    let keyboard = unsafe { Port::new(0x64) };
    keyboard.write(0xfe);
}
