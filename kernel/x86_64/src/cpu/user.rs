//! Running user code until its next trap.

use super::features::Features;
use super::interrupts;
use super::segments::{self, KERNEL_CODE, KERNEL_DATA, USER_CODE, USER_DATA};
use super::trap::{CONSOLE, Frame, SYSCALL, TIMER, syscall_stub};
use crate::layout;
use crate::mem::space;
use berth_kernel::machine::{Access, Space, Trap, UserRegs};
use core::cell::UnsafeCell;
use x86_64::VirtAddr;
use x86_64::registers::control::Cr2;
use x86_64::registers::model_specific::{FsBase, GsBase, KernelGsBase, LStar, Msr, SFMask, Star};
use x86_64::registers::rflags::RFlags;
use x86_64::registers::segmentation::{FS, GS, Segment64};

/// What the entry stubs know of a CPU. They find it by RSP0 of the task state segment (the end of
/// `frame`) and, for `syscall`, by the GS base that swapgs brings.
#[repr(C, align(16))]
pub struct Cpu {
    /// The user's registers; first, as a trap from user code stores them here.
    frame: Frame,
    /// Where `enter_user` left the kernel's stack.
    pub(super) kernel_rsp: u64,
    /// The user's stack pointer for two instructions of the `syscall` entry.
    pub(super) scratch: u64,
    /// Address of the end of `frame`.
    pub(super) frame_top: u64,
    /// Return by sysret and not by iret.
    pub(super) fast_return: u8,
}

/// A CPU's record, shared with the entry stubs.
#[repr(transparent)]
pub struct CpuCell(UnsafeCell<Cpu>);

// SAFETY: only its own CPU, in `User::enter` and the entry stubs, which never run at the same
// time, touches the record.
unsafe impl Sync for CpuCell {}

impl CpuCell {
    /// Where a trap from user code ends its frame.
    pub fn frame_top(&self) -> u64 {
        self.0.get() as u64 + size_of::<Frame>() as u64
    }
}

/// The record of the boot CPU.
pub static CPU: CpuCell = CpuCell(UnsafeCell::new(Cpu {
    frame: Frame {
        rax: 0,
        rbx: 0,
        rcx: 0,
        rdx: 0,
        rsi: 0,
        rdi: 0,
        rbp: 0,
        r8: 0,
        r9: 0,
        r10: 0,
        r11: 0,
        r12: 0,
        r13: 0,
        r14: 0,
        r15: 0,
        vector: 0,
        error: 0,
        rip: 0,
        cs: 0,
        rflags: 0,
        rsp: 0,
        ss: 0,
    },
    kernel_rsp: 0,
    scratch: 0,
    frame_top: 0,
    fast_return: 0,
}));

// SAFETY: trap.s defines it with this signature.
unsafe extern "C" {
    fn enter_user(cpu: *mut Cpu);
}

/// Flags that belong to user code: the arithmetic ones, TF, DF, RF, AC and ID.
const USER_FLAGS: u64 = RFlags::CARRY_FLAG
    .union(RFlags::PARITY_FLAG)
    .union(RFlags::AUXILIARY_CARRY_FLAG)
    .union(RFlags::ZERO_FLAG)
    .union(RFlags::SIGN_FLAG)
    .union(RFlags::TRAP_FLAG)
    .union(RFlags::DIRECTION_FLAG)
    .union(RFlags::OVERFLOW_FLAG)
    .union(RFlags::RESUME_FLAG)
    .union(RFlags::ALIGNMENT_CHECK)
    .union(RFlags::ID)
    .bits();
/// Interrupts on, and the bit that is always set.
const FIXED_FLAGS: u64 = RFlags::INTERRUPT_FLAG.bits() | 2;
/// Flags that sysret would treat differently from iret.
const IRET_FLAGS: u64 = RFlags::TRAP_FLAG.union(RFlags::RESUME_FLAG).bits();

/// The way to user code on this CPU.
pub struct User {
    fsgsbase: bool,
    /// FS and GS base as the processor has them, if known.
    bases: Option<(u64, u64)>,
}

impl User {
    /// Prepares this CPU for system calls.
    pub fn new(features: &Features) -> Self {
        let cpu = CPU.0.get();
        // SAFETY: the record is ours: no user code has run on this CPU yet.
        unsafe { (*cpu).frame_top = CPU.frame_top() };
        KernelGsBase::write(VirtAddr::new(cpu as u64));
        LStar::write(VirtAddr::new(syscall_stub()));
        SFMask::write(
            RFlags::from_bits_retain(USER_FLAGS)
                | RFlags::INTERRUPT_FLAG
                | RFlags::IOPL_LOW
                | RFlags::IOPL_HIGH
                | RFlags::NESTED_TASK,
        );
        // SAFETY: the selectors are those of our descriptor table; sysret adds 16 and 8.
        unsafe { Star::write_raw(USER_DATA - 8, KERNEL_CODE) };
        const _: () = assert!(KERNEL_DATA == KERNEL_CODE + 8 && USER_CODE == USER_DATA + 8);
        // SAFETY: zero makes sysenter a general protection fault.
        unsafe { Msr::new(0x174).write(0) };
        Self {
            fsgsbase: features.fsgsbase(),
            bases: None,
        }
    }

    /// Runs user code from `regs` in `space` until it traps; `deadline` in monotonic nanoseconds.
    pub fn run(&mut self, space: Space, regs: &mut UserRegs, deadline: u64) -> Trap {
        // An address that is no address at all: the processor would report it in the kernel, on
        // the way out.
        if !layout::is_canonical(regs.rip) {
            return Trap::Exception {
                vector: 13,
                error: 0,
            };
        }
        space::activate(space);
        interrupts::set_deadline(deadline);
        loop {
            self.load_bases(regs);
            if let Some(trap) = self.enter(regs) {
                return trap;
            }
        }
    }

    /// Runs until a trap, or an interrupt that is none of the kernel's business.
    fn enter(&mut self, regs: &mut UserRegs) -> Option<Trap> {
        let cpu = CPU.0.get();
        let rflags = regs.rflags & USER_FLAGS | FIXED_FLAGS;
        let frame = Frame {
            rax: regs.rax,
            rbx: regs.rbx,
            rcx: regs.rcx,
            rdx: regs.rdx,
            rsi: regs.rsi,
            rdi: regs.rdi,
            rbp: regs.rbp,
            r8: regs.r8,
            r9: regs.r9,
            r10: regs.r10,
            r11: regs.r11,
            r12: regs.r12,
            r13: regs.r13,
            r14: regs.r14,
            r15: regs.r15,
            vector: 0,
            error: 0,
            rip: regs.rip,
            cs: u64::from(USER_CODE),
            rflags,
            rsp: regs.rsp,
            ss: u64::from(USER_DATA),
        };
        // sysret takes rip from rcx and rflags from r11, and faults in the kernel when rip is not
        // a lower-half address.
        let fast = regs.rcx == regs.rip
            && regs.r11 == rflags
            && rflags & IRET_FLAGS == 0
            && layout::is_lower_half(regs.rip);
        // SAFETY: the record is ours while no user code runs.
        unsafe { (*cpu).frame = frame };
        // SAFETY: the record is ours while no user code runs.
        unsafe { (*cpu).fast_return = u8::from(fast) };
        // SAFETY: the selectors are the user's, the flags have interrupts on and no privilege,
        // the address is canonical; the stubs bring us back here with the frame filled and every
        // register of the calling convention as it was.
        unsafe { enter_user(cpu) };
        // SAFETY: the record is ours again, until the next call of this function.
        let frame = unsafe { &(*cpu).frame };
        self.store(frame, regs);
        decode(frame)
    }

    fn store(&mut self, frame: &Frame, regs: &mut UserRegs) {
        let (fs_base, gs_base) = self.read_bases();
        // Loading a selector may have changed a base, and clearing it may do so again.
        self.bases = if segments::clear_data_segments() {
            None
        } else {
            Some((fs_base, gs_base))
        };
        *regs = UserRegs {
            rax: frame.rax,
            rbx: frame.rbx,
            rcx: frame.rcx,
            rdx: frame.rdx,
            rsi: frame.rsi,
            rdi: frame.rdi,
            rbp: frame.rbp,
            r8: frame.r8,
            r9: frame.r9,
            r10: frame.r10,
            r11: frame.r11,
            r12: frame.r12,
            r13: frame.r13,
            r14: frame.r14,
            r15: frame.r15,
            rip: frame.rip,
            rsp: frame.rsp,
            rflags: frame.rflags,
            fs_base,
            gs_base,
        };
    }

    fn read_bases(&self) -> (u64, u64) {
        if self.fsgsbase {
            (FS::read_base().as_u64(), GS::read_base().as_u64())
        } else {
            (FsBase::read().as_u64(), GsBase::read().as_u64())
        }
    }

    fn load_bases(&mut self, regs: &UserRegs) {
        let wanted = (regs.fs_base, regs.gs_base);
        if self.bases == Some(wanted) {
            return;
        }
        let (fs, gs) = (
            VirtAddr::new_truncate(wanted.0),
            VirtAddr::new_truncate(wanted.1),
        );
        if self.fsgsbase {
            // SAFETY: the kernel uses no FS base.
            unsafe { FS::write_base(fs) };
            // SAFETY: outside the entry stubs, which swap it away, the kernel uses no GS base.
            unsafe { GS::write_base(gs) };
        } else {
            FsBase::write(fs);
            GsBase::write(gs);
        }
        self.bases = Some(wanted);
    }
}

/// What a frame means to the kernel; `None` for what is none of its business.
fn decode(frame: &Frame) -> Option<Trap> {
    if frame.vector == SYSCALL {
        return Some(Trap::Syscall);
    }
    let vector = frame.vector as u8;
    match vector {
        14 => Some(page_fault(frame.error)),
        0..32 => Some(Trap::Exception {
            vector,
            error: frame.error,
        }),
        _ => {
            interrupts::acknowledge(vector);
            match vector {
                TIMER => Some(Trap::Timer),
                CONSOLE => Some(Trap::Input),
                _ => None,
            }
        }
    }
}

const FAULT_PRESENT: u64 = 1;
const FAULT_WRITE: u64 = 1 << 1;
const FAULT_RESERVED: u64 = 1 << 3;
const FAULT_FETCH: u64 = 1 << 4;

fn page_fault(error: u64) -> Trap {
    let addr = Cr2::read_raw();
    assert!(
        error & FAULT_RESERVED == 0,
        "corrupt page table for user address {addr:#x}"
    );
    Trap::PageFault {
        addr,
        access: if error & FAULT_FETCH != 0 {
            Access::EXEC
        } else if error & FAULT_WRITE != 0 {
            Access::WRITE
        } else {
            Access::READ
        },
        // Programs do not learn what the kernel has mapped.
        present: error & FAULT_PRESENT != 0 || !layout::is_lower_half(addr),
    }
}
