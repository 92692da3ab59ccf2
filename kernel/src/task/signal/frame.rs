//! Signal frames as Linux lays them out on x86-64: struct rt_sigframe with ucontext, sigcontext
//! and siginfo, and the FPU state in XSAVE layout behind it (sigreturn(2)).

use super::{Action, SigInfo, UNBLOCKABLE, code};
use crate::error::{Call, Errno, Stop};
use crate::machine::{FPU_BYTES, FpuArea, UserRegs};
use crate::mm::user;
use crate::task::{AltStack, FaultInfo, Task};
use crate::wire::{Writer, get_u32, get_u64};
use crate::{Cx, Kernel};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// Bytes below the stack pointer that leaf functions use without moving it (System V ABI).
const RED_ZONE: u64 = 128;

/// Offsets in struct rt_sigframe.
mod at {
    pub const UCONTEXT: usize = 8;
    pub const STACK: usize = UCONTEXT + 16;
    pub const SIGCONTEXT: usize = UCONTEXT + 40;
    pub const MASK: usize = SIGCONTEXT + 256;
    pub const SIGINFO: usize = MASK + 8;
    pub const END: usize = SIGINFO + 128;
    // In the sigcontext.
    pub const FLAGS: usize = SIGCONTEXT + 136;
    pub const CS: usize = SIGCONTEXT + 144;
    pub const FPSTATE: usize = SIGCONTEXT + 184;
}

/// Offsets and values in the FPU state (struct _xstate).
mod fp {
    /// struct _fpx_sw_bytes, in the part of the FXSAVE area that is software's.
    pub const SOFTWARE: usize = 464;
    pub const MXCSR: usize = 24;
    /// The XSAVE header: xstate_bv, xcomp_bv, reserved.
    pub const HEADER: usize = 512;
    pub const HEADER_END: usize = 576;
    pub const MAGIC1: u32 = 0x4650_5853;
    pub const MAGIC2: u32 = 0x4650_5845;
    /// x87, SSE, AVX.
    pub const FEATURES: u64 = 7;
    pub const LEGACY: u64 = 3;
    /// MXCSR bits that exist.
    pub const MXCSR_MASK: u32 = 0xffff;
}

/// Bytes of the FPU state with its closing magic word.
const FP_BYTES: u64 = FPU_BYTES as u64 + 4;

/// uc_flags: UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS.
const UC_FLAGS: u64 = 7;

/// Selectors of user code and data, as programs see them.
const USER_CS: u16 = 0x33;
const USER_SS: u16 = 0x2b;

/// The least that an alternate stack has to hold: MINSIGSTKSZ is Linux's constant.
pub const MINSIGSTKSZ: u64 = 2048;

/// Flags that user code may set: CF PF AF ZF SF TF DF OF RF AC.
const FLAGS_RESTORED: u64 = 0x5_0dd5;
/// Flags that a handler starts without: TF DF RF.
const FLAGS_CLEARED: u64 = 0x1_0500;

/// Builds the frame for a handler on the task's stack and lets the task run it. `mask` is what
/// rt_sigreturn will put back.
///
/// # Errors
/// EFAULT when the stack is not there, no memory. Nothing has changed then.
pub fn build(
    k: &mut Kernel,
    cx: &mut Cx,
    info: &SigInfo,
    action: &Action,
    mask: u64,
) -> Result<(), Stop> {
    k.store_fpu(cx.m);
    let task = k.tasks.tasks.get(cx.task).ok_or(Errno::EFAULT)?;
    if !action.has(linux::SA_RESTORER) {
        return Err(Errno::EFAULT.into());
    }
    let place = place(task.regs.rsp, task.altstack, action.flags).ok_or(Errno::EFAULT)?;
    let bytes = encode(task, info, action, mask, &place);
    let out = user::prepare(k, cx, place.frame, bytes.len() as u64)?;
    user::put(k, cx, &out, 0, &bytes);
    if let Some(task) = k.tasks.tasks.get_mut(cx.task) {
        enter(task, info, action, &place);
    }
    Ok(())
}

fn enter(task: &mut Task, info: &SigInfo, action: &Action, place: &Place) {
    if task.altstack.autodisarm {
        task.altstack = AltStack::default();
    }
    *task.fpu = FpuArea::INITIAL;
    let regs = &mut task.regs;
    regs.rip = action.handler;
    regs.rsp = place.frame;
    regs.rdi = u64::from(info.signal);
    regs.rsi = place.frame.saturating_add(at::SIGINFO as u64);
    regs.rdx = place.frame.saturating_add(at::UCONTEXT as u64);
    regs.rax = 0;
    regs.rflags &= !FLAGS_CLEARED;
}

/// Where the parts of a frame go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    frame: u64,
    fpu: u64,
}

/// Whether a stack pointer is on the alternate stack.
pub fn is_on(stack: AltStack, rsp: u64) -> bool {
    !stack.autodisarm && stack.size > 0 && rsp > stack.base && rsp - stack.base <= stack.size
}

fn place(rsp: u64, stack: AltStack, flags: u64) -> Option<Place> {
    let nested = is_on(stack, rsp);
    let wanted = flags & u64::from(linux::SA_ONSTACK) != 0 && stack.size > 0;
    let entering = wanted && !nested;
    let top = if entering {
        stack.base.checked_add(stack.size)?
    } else {
        rsp.checked_sub(RED_ZONE)?
    };
    let fpu = top.checked_sub(FP_BYTES)? & !63;
    // As after a call: 8 below a multiple of 16.
    let frame = (fpu.checked_sub(at::END as u64)? & !15).checked_sub(8)?;
    // A frame that does not fit the alternate stack is no frame.
    let fits = frame > stack.base && frame - stack.base <= stack.size;
    if (entering || nested) && !fits {
        return None;
    }
    Some(Place { frame, fpu })
}

fn encode(task: &Task, info: &SigInfo, action: &Action, mask: u64, place: &Place) -> Vec<u8> {
    let regs = &task.regs;
    let frame = Writer::new()
        .u64(action.restorer)
        .u64(UC_FLAGS)
        .u64(0)
        .bytes(&encode_stack(task.altstack, regs.rsp));
    let frame = sigcontext(frame, regs, &task.fault, mask, place.fpu)
        .u64(mask)
        .bytes(&siginfo(info));
    let gap = place.fpu.saturating_sub(place.frame) as usize;
    frame
        .pad_to(gap)
        .bytes(&fpu_out(&task.fpu))
        .u32(fp::MAGIC2)
        .done()
}

/// struct sigcontext_64.
fn sigcontext(to: Writer, r: &UserRegs, fault: &FaultInfo, mask: u64, fpu: u64) -> Writer {
    let general = [
        r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rdi, r.rsi, r.rbp, r.rbx, r.rdx,
        r.rax, r.rcx, r.rsp, r.rip, r.rflags,
    ];
    let to = general.into_iter().fold(to, Writer::u64);
    let to = to.u16(USER_CS).u16(0).u16(0).u16(USER_SS);
    to.u64(fault.error)
        .u64(u64::from(fault.vector))
        .u64(mask)
        .u64(fault.addr)
        .u64(fpu)
        .bytes(&[0; 64])
}

/// stack_t, as sigaltstack(2) and ucontext have it.
pub fn encode_stack(stack: AltStack, rsp: u64) -> Vec<u8> {
    let mut flags = if stack.size == 0 {
        linux::SS_DISABLE
    } else if is_on(stack, rsp) {
        linux::SS_ONSTACK
    } else {
        0
    };
    if stack.autodisarm {
        flags |= linux::SS_AUTODISARM;
    }
    Writer::new()
        .u64(stack.base)
        .u32(flags)
        .u32(0)
        .u64(stack.size)
        .done()
}

/// Reads a stack_t and checks it.
///
/// # Errors
/// EINVAL for unknown flags, ENOMEM for a stack that is too small.
pub fn decode_stack(bytes: &[u8]) -> Result<AltStack, Errno> {
    let flags = get_u32(bytes, 8);
    match flags & !linux::SS_AUTODISARM {
        linux::SS_DISABLE => return Ok(AltStack::default()),
        0 | linux::SS_ONSTACK => {}
        _ => return Err(Errno::EINVAL),
    }
    let (base, size) = (get_u64(bytes, 0), get_u64(bytes, 16));
    if size < MINSIGSTKSZ {
        return Err(Errno::ENOMEM);
    }
    Ok(AltStack {
        base,
        size,
        autodisarm: flags & linux::SS_AUTODISARM != 0,
    })
}

/// struct siginfo (128 bytes): which fields there are depends on signal and code.
pub fn siginfo(info: &SigInfo) -> Vec<u8> {
    let head = Writer::new()
        .u32(info.signal)
        .i32(info.errno)
        .i32(info.code)
        .u32(0);
    let body = if info.is_fault() {
        head.u64(info.addr)
    } else if info.signal == linux::SIGCHLD && info.code > 0 && info.code < code::KERNEL {
        head.u32(info.pid)
            .u32(info.uid)
            .u32(info.value as u32)
            .u32(0)
            .u64(info.times.0)
            .u64(info.times.1)
    } else {
        head.u32(info.pid).u32(info.uid).u64(info.value)
    };
    body.pad_to(128).done()
}

/// The FPU state with the words that tell what is in it.
fn fpu_out(fpu: &FpuArea) -> Vec<u8> {
    let mut bytes = fpu.0.to_vec();
    let software = Writer::new()
        .u32(fp::MAGIC1)
        .u32(FP_BYTES as u32)
        .u64(fp::FEATURES)
        .u32(FPU_BYTES as u32)
        .pad_to(48)
        .done();
    bytes[fp::SOFTWARE..fp::SOFTWARE + 48].copy_from_slice(&software);
    // Programs that only know FXSAVE change the legacy part without marking it.
    bytes[fp::HEADER] |= fp::LEGACY as u8;
    bytes
}

/// An FPU state that a program gave, made harmless: only features and MXCSR bits that exist.
fn fpu_in(bytes: &[u8]) -> FpuArea {
    let mut area = FpuArea::INITIAL;
    let extended = get_u32(bytes, fp::SOFTWARE) == fp::MAGIC1
        && get_u32(bytes, fp::SOFTWARE + 4) == FP_BYTES as u32
        && get_u32(bytes, fp::SOFTWARE + 16) == FPU_BYTES as u32
        && get_u32(bytes, FPU_BYTES) == fp::MAGIC2;
    let len = if extended { FPU_BYTES } else { fp::HEADER };
    if let (Some(to), Some(from)) = (area.0.get_mut(..len), bytes.get(..len)) {
        to.copy_from_slice(from);
    }
    let features = if extended {
        get_u64(bytes, fp::HEADER) & get_u64(bytes, fp::SOFTWARE + 8) & fp::FEATURES
    } else {
        fp::LEGACY
    };
    area.0[fp::SOFTWARE..fp::HEADER_END].fill(0);
    area.0[fp::HEADER] = features as u8;
    let mxcsr = get_u32(&area.0, fp::MXCSR) & fp::MXCSR_MASK;
    area.0[fp::MXCSR..fp::MXCSR + 4].copy_from_slice(&mxcsr.to_le_bytes());
    area
}

/// rt_sigreturn: the context of before the handler.
///
/// # Errors
/// EFAULT or EINVAL when the frame is not one, for a SIGSEGV; no memory. `Gone` when it was done:
/// the registers are the old ones.
pub fn restore(k: &mut Kernel, cx: &mut Cx) -> Call {
    let task = k.tasks.tasks.get(cx.task).ok_or(Errno::ESRCH)?;
    // The handler's `ret` took the return address.
    let start = task.regs.rsp.checked_sub(8).ok_or(Errno::EFAULT)?;
    let mut frame = [0; at::END];
    user::copy_in(k, cx, start, &mut frame)?;
    let fpu = match get_u64(&frame, at::FPSTATE) {
        0 => FpuArea::INITIAL,
        addr => read_fpu(k, cx, addr)?,
    };
    k.store_fpu(cx.m);
    let task = k.tasks.tasks.get_mut(cx.task).ok_or(Errno::ESRCH)?;
    let regs = registers(&frame, &task.regs).ok_or(Errno::EINVAL)?;
    task.regs = regs;
    *task.fpu = fpu;
    task.mask = get_u64(&frame, at::MASK) & !UNBLOCKABLE;
    let on_alternate = is_on(task.altstack, regs.rsp);
    if let (Ok(stack), false) = (decode_stack(&frame[at::STACK..]), on_alternate) {
        task.altstack = stack;
    }
    Err(Stop::Gone)
}

/// The FPU state at an address; the extended part only where the software words promise one.
fn read_fpu(k: &mut Kernel, cx: &mut Cx, addr: u64) -> Result<FpuArea, Stop> {
    let mut bytes = [0; FP_BYTES as usize];
    let legacy = bytes.get_mut(..fp::HEADER).unwrap_or_default();
    user::copy_in(k, cx, addr, legacy)?;
    if get_u32(&bytes, fp::SOFTWARE) == fp::MAGIC1 {
        user::copy_in(k, cx, addr, &mut bytes)?;
    }
    Ok(fpu_in(&bytes))
}

/// The registers in a frame, with what user code may not choose taken from `now`; `None` for a
/// context that cannot run.
fn registers(frame: &[u8], now: &UserRegs) -> Option<UserRegs> {
    let general = |n: usize| get_u64(frame, at::SIGCONTEXT + 8 * n);
    let flags = get_u64(frame, at::FLAGS);
    let regs = UserRegs {
        r8: general(0),
        r9: general(1),
        r10: general(2),
        r11: general(3),
        r12: general(4),
        r13: general(5),
        r14: general(6),
        r15: general(7),
        rdi: general(8),
        rsi: general(9),
        rbp: general(10),
        rbx: general(11),
        rdx: general(12),
        rax: general(13),
        rcx: general(14),
        rsp: general(15),
        rip: general(16),
        rflags: now.rflags & !FLAGS_RESTORED | flags & FLAGS_RESTORED,
        fs_base: now.fs_base,
        gs_base: now.gs_base,
    };
    // There is no 32-bit code segment, and an address outside of the user half cannot be gone to.
    let cs = get_u32(frame, at::CS) as u16;
    (cs == USER_CS && regs.rip < 1 << 47).then_some(regs)
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
