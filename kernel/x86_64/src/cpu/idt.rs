//! The interrupt descriptor table: every exception and the interrupts that the kernel uses. All
//! gates are interrupt gates (traps run with interrupts off), and only the breakpoint may be
//! raised by an instruction of user code; anything else is a general protection fault.

use super::segments::{DOUBLE_FAULT_STACK, MACHINE_CHECK_STACK, NMI_STACK};
use super::trap::{CONSOLE, SPURIOUS, TIMER, fatal_stub, stub};
use x86_64::structures::idt::InterruptDescriptorTable;
use x86_64::{PrivilegeLevel, VirtAddr};

static IDT: spin::Once<InterruptDescriptorTable> = spin::Once::new();

/// Makes and loads the table.
pub fn init() {
    IDT.call_once(table).load();
}

/// Points a gate at the stub of its vector.
macro_rules! gate {
    ($entry:expr, $stub:expr) => {{
        let stub = VirtAddr::new($stub);
        // SAFETY: the stub saves all registers and leaves by iretq or never, whatever the type
        // that the entry has for Rust handlers.
        unsafe { $entry.set_handler_addr(stub) }
    }};
}

/// Points a gate at the fatal stub of its vector, on a stack of its own.
macro_rules! fatal_gate {
    ($entry:expr, $vector:expr, $stack:expr) => {{
        let options = gate!($entry, fatal_stub($vector));
        // SAFETY: the task state segment has a stack at this index, used by no other vector.
        unsafe { options.set_stack_index($stack) };
    }};
}

fn table() -> InterruptDescriptorTable {
    let mut idt = InterruptDescriptorTable::new();
    gate!(idt.divide_error, stub(0));
    gate!(idt.debug, stub(1));
    fatal_gate!(idt.non_maskable_interrupt, 2, NMI_STACK);
    gate!(idt.breakpoint, stub(3)).set_privilege_level(PrivilegeLevel::Ring3);
    gate!(idt.overflow, stub(4));
    gate!(idt.bound_range_exceeded, stub(5));
    gate!(idt.invalid_opcode, stub(6));
    gate!(idt.device_not_available, stub(7));
    fatal_gate!(idt.double_fault, 8, DOUBLE_FAULT_STACK);
    gate!(idt.invalid_tss, stub(10));
    gate!(idt.segment_not_present, stub(11));
    gate!(idt.stack_segment_fault, stub(12));
    gate!(idt.general_protection_fault, stub(13));
    gate!(idt.page_fault, stub(14));
    gate!(idt.x87_floating_point, stub(16));
    gate!(idt.alignment_check, stub(17));
    fatal_gate!(idt.machine_check, 18, MACHINE_CHECK_STACK);
    gate!(idt.simd_floating_point, stub(19));
    gate!(idt.virtualization, stub(20));
    gate!(idt.cp_protection_exception, stub(21));
    // The legacy controller is masked, but may still report a spurious interrupt.
    for vector in (0x20..0x30).chain([TIMER, CONSOLE, SPURIOUS]) {
        gate!(idt[vector], stub(vector));
    }
    idt
}
