//! Signals that the processor causes: which one each exception is (signal(7); Intel SDM vol. 3,
//! 6.15), and what of it signal frames tell.

use super::{SigInfo, code, force};
use crate::machine::FpuArea;
use crate::task::FaultInfo;
use crate::wire::get_u32;
use crate::{Cx, Kernel};
use linux_raw_sys::general as linux;

/// Vectors by their names in the manual.
const DIVIDE_ERROR: u8 = 0;
const DEBUG: u8 = 1;
const INVALID_OPCODE: u8 = 6;
const SEGMENT_NOT_PRESENT: u8 = 11;
const STACK_FAULT: u8 = 12;
const PAGE_FAULT: u8 = 14;
const X87_ERROR: u8 = 16;
const ALIGNMENT_CHECK: u8 = 17;
const SIMD_ERROR: u8 = 19;

/// The current task caused an exception other than a page fault.
pub fn exception(k: &mut Kernel, cx: &mut Cx, vector: u8, error: u64) {
    k.store_fpu(cx.m);
    let Some(task) = k.tasks.tasks.get_mut(cx.task) else {
        return;
    };
    // Page faults alone have an address; that of the last one stays.
    task.fault = FaultInfo {
        vector,
        error,
        ..task.fault
    };
    let info = of_exception(vector, task.regs.rip, &task.fpu);
    force(k, cx, info);
}

/// The current task touched an address that it may not touch; `error` is the processor's word
/// about it.
pub fn page(k: &mut Kernel, cx: &mut Cx, signal: u32, code: i32, addr: u64, error: u64) {
    if let Some(task) = k.tasks.tasks.get_mut(cx.task) {
        task.fault = FaultInfo {
            vector: PAGE_FAULT,
            error,
            addr,
        };
    }
    let info = SigInfo {
        signal,
        code,
        addr,
        ..SigInfo::default()
    };
    force(k, cx, info);
}

fn of_exception(vector: u8, rip: u64, fpu: &FpuArea) -> SigInfo {
    let (signal, code, addr) = match vector {
        DIVIDE_ERROR => (linux::SIGFPE, linux::FPE_INTDIV as i32, rip),
        DEBUG => (linux::SIGTRAP, linux::TRAP_TRACE as i32, rip),
        // A breakpoint.
        3 => (linux::SIGTRAP, code::KERNEL, 0),
        INVALID_OPCODE => (linux::SIGILL, linux::ILL_ILLOPN as i32, rip),
        // Push with a stack pointer that is not canonical is one of these.
        SEGMENT_NOT_PRESENT | STACK_FAULT => (linux::SIGBUS, code::KERNEL, 0),
        X87_ERROR => (linux::SIGFPE, float_code(x87_errors(fpu)), rip),
        SIMD_ERROR => (linux::SIGFPE, float_code(simd_errors(fpu)), rip),
        ALIGNMENT_CHECK => (linux::SIGBUS, linux::BUS_ADRALN as i32, 0),
        _ => (linux::SIGSEGV, code::KERNEL, 0),
    };
    SigInfo {
        signal,
        code,
        addr,
        ..SigInfo::default()
    }
}

/// Errors that the x87 status word has and the control word does not mask.
fn x87_errors(fpu: &FpuArea) -> u32 {
    let words = get_u32(&fpu.0, 0);
    (words >> 16) & !words
}

/// Errors that MXCSR has and does not mask.
fn simd_errors(fpu: &FpuArea) -> u32 {
    let mxcsr = get_u32(&fpu.0, 24);
    mxcsr & !(mxcsr >> 7)
}

/// si_code of floating-point errors: the first of those that have come together.
fn float_code(errors: u32) -> i32 {
    let code = match errors {
        e if e & 0x01 != 0 => linux::FPE_FLTINV,
        e if e & 0x04 != 0 => linux::FPE_FLTDIV,
        e if e & 0x08 != 0 => linux::FPE_FLTOVF,
        // A denormal operand, too.
        e if e & 0x12 != 0 => linux::FPE_FLTUND,
        _ => linux::FPE_FLTRES,
    };
    code as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn float_errors_are_told_apart() {
        let mut fpu = FpuArea::INITIAL;
        // Division by zero is not masked and has come; so has an inexact result, which is masked.
        fpu.0[24..28].copy_from_slice(&0x1da4u32.to_le_bytes());
        let info = of_exception(SIMD_ERROR, 0x40_1000, &fpu);
        assert_eq!((info.signal, info.code, info.addr), (8, 3, 0x40_1000));
        fpu.0[0..4].copy_from_slice(&0x0001_037eu32.to_le_bytes());
        assert_eq!(of_exception(X87_ERROR, 0, &fpu).code, 7);
        assert_eq!(float_code(0x08), 4);
        assert_eq!(float_code(0x02), 5);
        assert_eq!(float_code(0x20), 6);
    }

    #[test]
    fn only_some_exceptions_have_an_address() {
        let of = |vector| of_exception(vector, 5, &FpuArea::INITIAL);
        assert_eq!(
            (of(6).signal, of(6).code, of(6).addr),
            (linux::SIGILL, 2, 5)
        );
        assert_eq!((of(13).signal, of(13).code, of(13).addr), (11, 0x80, 0));
        assert_eq!((of(17).signal, of(17).code, of(17).addr), (7, 1, 0));
        assert_eq!((of(3).signal, of(3).code), (5, 0x80));
    }
}
