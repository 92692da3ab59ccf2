//! The stacks of the kernel: one for its normal work, and one each for the exceptions that must
//! not trust the current one. Below each lies a page that is never mapped, so that an overflow is
//! a fault and not a silent corruption.

use crate::layout::PAGE;
use core::cell::UnsafeCell;

/// Bytes of the stack the kernel works on.
const MAIN: usize = 128 << 10;
/// Bytes of the stack of a fatal exception: enough to print a panic.
const FATAL: usize = 16 << 10;

#[repr(C, align(4096))]
struct Guarded<const SIZE: usize> {
    guard: UnsafeCell<[u8; 4096]>,
    stack: UnsafeCell<[u8; SIZE]>,
}

impl<const SIZE: usize> Guarded<SIZE> {
    const fn new() -> Self {
        Self {
            guard: UnsafeCell::new([0; 4096]),
            stack: UnsafeCell::new([0; SIZE]),
        }
    }

    /// First byte of the guard page.
    fn guard(&self) -> u64 {
        self.guard.get() as u64
    }

    /// First byte after the stack.
    fn top(&self) -> u64 {
        self.stack.get() as u64 + SIZE as u64
    }
}

/// All stacks of the boot CPU.
#[repr(C)]
pub struct Stacks {
    main: Guarded<MAIN>,
    double_fault: Guarded<FATAL>,
    nmi: Guarded<FATAL>,
    machine_check: Guarded<FATAL>,
}

// SAFETY: the bytes are only used as stacks, by the processor; no reference to them is ever made.
unsafe impl Sync for Stacks {}

/// Offset of the top of the main stack, for the entry stub.
pub const BOOT_STACK_TOP: usize = PAGE as usize + MAIN;

/// The stacks of the boot CPU.
// SAFETY: the entry stub names it; nothing else has this name.
#[unsafe(no_mangle)]
// SAFETY: the section is like .bss, aligned to pages.
#[unsafe(link_section = ".bss.page.stacks")]
pub static KERNEL_STACKS: Stacks = Stacks {
    main: Guarded::new(),
    double_fault: Guarded::new(),
    nmi: Guarded::new(),
    machine_check: Guarded::new(),
};

impl Stacks {
    /// Tops of the stacks in the order of their index in the interrupt stack table.
    pub fn interrupt_tops(&self) -> [u64; 3] {
        [
            self.double_fault.top(),
            self.nmi.top(),
            self.machine_check.top(),
        ]
    }

    /// (guard page, first byte after the stack) of each.
    pub fn all(&self) -> [(u64, u64); 4] {
        [
            (self.main.guard(), self.main.top()),
            (self.double_fault.guard(), self.double_fault.top()),
            (self.nmi.guard(), self.nmi.top()),
            (self.machine_check.guard(), self.machine_check.top()),
        ]
    }

    /// Whether an address is in a guard page.
    pub fn is_guard(&self, addr: u64) -> bool {
        self.all()
            .iter()
            .any(|&(guard, _)| (guard..guard + PAGE).contains(&addr))
    }

    /// Whether the 16 bytes at `addr` are on a stack: a frame pointer may be followed there.
    pub fn holds_frame(&self, addr: u64) -> bool {
        self.all()
            .iter()
            .any(|&(guard, top)| addr >= guard + PAGE && addr <= top - 16 && addr % 8 == 0)
    }
}
