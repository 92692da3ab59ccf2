//! The frame that a trap leaves, its vectors, and traps of the kernel itself.

use super::interrupts;
use super::segments::{USER_CODE, USER_DATA};
use super::user::Cpu;
use crate::panic;
use core::mem::offset_of;

/// Vector of the local timer.
pub const TIMER: u8 = 0x40;
/// Vector of the console's serial port.
pub const CONSOLE: u8 = 0x41;
/// Vector of interrupts that were withdrawn before they were served.
pub const SPURIOUS: u8 = 0xff;
/// Stands in [`Frame::vector`] for the `syscall` instruction.
pub const SYSCALL: u64 = 0x100;

/// The saved registers of a trap, lowest address first.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(16))]
pub struct Frame {
    pub rax: u64,
    pub rbx: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub rbp: u64,
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    pub vector: u64,
    pub error: u64,
    pub rip: u64,
    pub cs: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
}

core::arch::global_asm!(
    include_str!("trap.s"),
    frame_cs = const offset_of!(Frame, cs),
    kernel_rsp = const offset_of!(Cpu, kernel_rsp),
    fast_return = const offset_of!(Cpu, fast_return),
    scratch = const offset_of!(Cpu, scratch),
    frame_top = const offset_of!(Cpu, frame_top),
    user_data = const USER_DATA,
    user_code = const USER_CODE,
    syscall_vector = const SYSCALL,
    kernel_trap = sym kernel_trap,
    fatal_trap = sym fatal_trap,
);

// SAFETY: trap.s defines these with these sizes; only their addresses are used.
unsafe extern "C" {
    static trap_stubs: [[u8; 16]; 256];
    static fatal_stubs: [[u8; 16]; 256];
    fn syscall_entry();
}

/// Address of the stub of a vector.
pub fn stub(vector: u8) -> u64 {
    (&raw const trap_stubs) as u64 + u64::from(vector) * 16
}

/// Address of the stub of a vector that must not be survived.
pub fn fatal_stub(vector: u8) -> u64 {
    (&raw const fatal_stubs) as u64 + u64::from(vector) * 16
}

/// Address of the entry of the `syscall` instruction.
pub fn syscall_stub() -> u64 {
    syscall_entry as *const () as u64
}

/// A trap while the kernel ran: an interrupt that ended its idling, or a fault of its own.
extern "C" fn kernel_trap(frame: &Frame) {
    match u8::try_from(frame.vector) {
        Ok(vector) if vector >= 32 => interrupts::acknowledge(vector),
        _ => panic::fault(frame),
    }
}

/// A trap that nothing survives.
extern "C" fn fatal_trap(frame: &Frame) -> ! {
    panic::fault(frame)
}
