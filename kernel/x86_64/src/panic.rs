//! The end of a kernel that met a fault of its own: message, place, registers and backtrace go to
//! the log port, then the machine ends.

use crate::cpu::stacks::KERNEL_STACKS;
use crate::cpu::trap::Frame;
use crate::dev::power;
use crate::layout::IMAGE;
use crate::logger::{LastWords, Stamp};
use crate::symbols::Symbols;
use berth_kernel::machine::PowerOff;
use core::arch::asm;
use core::fmt::Write;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};
use x86_64::registers::control::{Cr2, Cr3};

/// Frames that a backtrace shows at most.
const DEPTH: usize = 48;

/// A panic has begun; one inside it must not start over.
static PANICKING: AtomicBool = AtomicBool::new(false);

#[panic_handler]
fn on_panic(info: &PanicInfo) -> ! {
    let mut out = begin();
    let _ = writeln!(out, "[{}] PANIC kernel: {}", Stamp::now(), info.message());
    if let Some(place) = info.location() {
        let _ = writeln!(out, "  at {place}");
    }
    let frame_pointer: u64;
    // SAFETY: only copies the frame pointer.
    unsafe {
        asm!("mov {}, rbp", out(reg) frame_pointer, options(nomem, nostack, preserves_flags))
    };
    backtrace(&mut out, None, frame_pointer);
    power::end(PowerOff::Panic)
}

/// A fault of the kernel, with the registers it had.
pub fn fault(frame: &Frame) -> ! {
    let mut out = begin();
    let _ = write!(out, "[{}] PANIC kernel: ", Stamp::now());
    describe(&mut out, frame);
    let _ = write!(out, "  at ");
    place(&mut out, frame.rip);
    registers(&mut out, frame);
    backtrace(&mut out, Some(frame.rip), frame.rbp);
    power::end(PowerOff::Panic)
}

fn begin() -> LastWords {
    if PANICKING.swap(true, Ordering::Relaxed) {
        power::end(PowerOff::Panic);
    }
    LastWords::begin()
}

fn describe(out: &mut LastWords, frame: &Frame) {
    let name = match frame.vector {
        0 => "divide error",
        1 => "debug exception",
        2 => "non-maskable interrupt",
        3 => "breakpoint",
        6 => "invalid opcode",
        8 => "double fault",
        12 => "stack segment fault",
        13 => "general protection fault",
        14 => "page fault",
        18 => "machine check",
        _ => "exception",
    };
    let _ = write!(
        out,
        "{name} (vector {}, error {:#x})",
        frame.vector, frame.error
    );
    let addr = Cr2::read_raw();
    let _ = match frame.vector {
        8 if KERNEL_STACKS.is_guard(addr) => {
            writeln!(
                out,
                ": kernel stack overflow into the guard page at {addr:#x}"
            )
        }
        14 => {
            let access = match frame.error {
                error if error & 1 << 4 != 0 => "execution of",
                error if error & 1 << 1 != 0 => "write to",
                _ => "read of",
            };
            let state = if frame.error & 1 != 0 {
                "protected"
            } else {
                "unmapped"
            };
            writeln!(out, ": {access} {state} address {addr:#x}")
        }
        _ => writeln!(out),
    };
}

fn registers(out: &mut LastWords, f: &Frame) {
    let _ = writeln!(
        out,
        "  rax {:016x} rbx {:016x} rcx {:016x} rdx {:016x}\n  \
           rsi {:016x} rdi {:016x} rbp {:016x} rsp {:016x}\n  \
           r8  {:016x} r9  {:016x} r10 {:016x} r11 {:016x}\n  \
           r12 {:016x} r13 {:016x} r14 {:016x} r15 {:016x}\n  \
           rip {:016x} cs {:02x} ss {:02x} rflags {:x} cr2 {:x} cr3 {:x}",
        f.rax,
        f.rbx,
        f.rcx,
        f.rdx,
        f.rsi,
        f.rdi,
        f.rbp,
        f.rsp,
        f.r8,
        f.r9,
        f.r10,
        f.r11,
        f.r12,
        f.r13,
        f.r14,
        f.r15,
        f.rip,
        f.cs,
        f.ss,
        f.rflags,
        Cr2::read_raw(),
        Cr3::read().0.start_address(),
    );
}

/// Follows the chain of frame pointers as far as it stays on the kernel's stacks.
fn backtrace(out: &mut LastWords, rip: Option<u64>, mut frame_pointer: u64) {
    let _ = writeln!(out, "backtrace:");
    if let Some(rip) = rip {
        let _ = write!(out, "  ");
        place(out, rip);
    }
    for _ in 0..DEPTH {
        if !KERNEL_STACKS.holds_frame(frame_pointer) {
            break;
        }
        let frame = frame_pointer as *const [u64; 2];
        // SAFETY: aligned and inside a stack, all of which is mapped.
        let [caller, return_address] = unsafe { frame.read_volatile() };
        if return_address == 0 {
            break;
        }
        let _ = write!(out, "  ");
        // The call is before the address to return to, which may be in the next function.
        place(out, return_address - 1);
        if caller <= frame_pointer {
            break;
        }
        frame_pointer = caller;
    }
}

/// An address and the function that holds it.
fn place(out: &mut LastWords, addr: u64) {
    let in_image = addr
        .checked_sub(IMAGE)
        .and_then(|offset| u32::try_from(offset).ok());
    let found = in_image.and_then(|offset| symbols()?.find(offset));
    let _ = match found {
        Some((name, offset)) => writeln!(out, "{addr:#x} {name}+{offset:#x}"),
        None => writeln!(out, "{addr:#x}"),
    };
}

fn symbols() -> Option<Symbols<'static>> {
    // SAFETY: the linker script defines these; only their addresses are used.
    unsafe extern "C" {
        static __symbols_start: u8;
        static __symbols_end: u8;
    }
    let (start, end) = (&raw const __symbols_start, &raw const __symbols_end);
    let len = end as usize - start as usize;
    // SAFETY: the linker script sets the bounds around read-only bytes of the image.
    let section = unsafe { core::slice::from_raw_parts(start, len) };
    Symbols::parse(section)
}
