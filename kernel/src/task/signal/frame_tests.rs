//! The layout against Linux's own structures.

use super::*;
use core::mem::{offset_of, size_of};

const STACK: AltStack = AltStack {
    base: 0x10_0000,
    size: 0x4000,
    autodisarm: false,
};

#[test]
fn sizes_are_linuxs() {
    assert_eq!(size_of::<linux::siginfo_t>(), at::END - at::SIGINFO);
    assert_eq!(size_of::<linux::stack_t>(), 24);
    assert_eq!(at::SIGCONTEXT - at::STACK, size_of::<linux::sigaltstack>());
    assert_eq!(at::SIGINFO, 312);
    assert_eq!(at::END, 440);
    assert_eq!(offset_of!(linux::sigaltstack, ss_flags), 8);
    assert_eq!(offset_of!(linux::sigaltstack, ss_size), 16);
}

#[test]
fn a_context_goes_out_and_comes_back() {
    let mut regs = UserRegs {
        rax: 1,
        rbx: 2,
        rcx: 3,
        rdx: 4,
        rsi: 5,
        rdi: 6,
        rbp: 7,
        r8: 8,
        r9: 9,
        r10: 10,
        r11: 11,
        r12: 12,
        r13: 13,
        r14: 14,
        r15: 15,
        rip: 0x40_1000,
        rsp: 0x7fff_0000,
        rflags: 0x246,
        fs_base: 0x5000,
        gs_base: 0,
    };
    let fault = FaultInfo {
        vector: 14,
        error: 6,
        addr: 0xdead,
    };
    let bytes = Writer::new().pad_to(at::SIGCONTEXT);
    let bytes = sigcontext(bytes, &regs, &fault, 0xff, 0x7000).done();
    assert_eq!(bytes.len(), at::MASK);
    assert_eq!(get_u64(&bytes, at::FPSTATE), 0x7000);
    assert_eq!(get_u64(&bytes, at::FLAGS), 0x246);
    assert_eq!(get_u64(&bytes, at::SIGCONTEXT + 128), 0x40_1000);
    assert_eq!(get_u64(&bytes, at::SIGCONTEXT + 176), 0xdead);
    let now = UserRegs {
        fs_base: 0x5000,
        rflags: 0x202,
        ..UserRegs::default()
    };
    assert_eq!(registers(&bytes, &now), Some(regs));
    // Interrupts and I/O privilege are not the program's to choose.
    let mut evil = bytes.clone();
    evil[at::FLAGS..at::FLAGS + 8].copy_from_slice(&0x3246u64.to_le_bytes());
    assert_eq!(registers(&evil, &now).unwrap().rflags, 0x246);
    evil[at::CS] = 0x23;
    assert_eq!(registers(&evil, &now), None);
    regs.rip = 1 << 47;
    let bytes = Writer::new().pad_to(at::SIGCONTEXT);
    let bytes = sigcontext(bytes, &regs, &fault, 0, 0).done();
    assert_eq!(registers(&bytes, &now), None);
}

#[test]
fn a_frame_leaves_the_red_zone_alone_and_is_aligned_like_a_call() {
    let rsp = 0x7fff_1238;
    let place = place(rsp, AltStack::default(), 0).unwrap();
    assert!(place.fpu + FP_BYTES <= rsp - RED_ZONE);
    assert_eq!(place.fpu % 64, 0);
    assert_eq!(place.frame % 16, 8);
    assert!(place.frame + at::END as u64 <= place.fpu);
    assert_eq!(super::place(100, AltStack::default(), 0), None);
}

#[test]
fn the_alternate_stack_is_used_when_asked_for_and_only_once() {
    let flags = u64::from(linux::SA_ONSTACK);
    let first = place(0x7fff_0000, STACK, flags).unwrap();
    assert!(is_on(STACK, first.frame));
    // A second signal goes on below the first.
    let second = place(first.frame, STACK, flags).unwrap();
    assert!(second.frame < first.frame);
    // Without SA_ONSTACK the program's own stack is used.
    assert!(!is_on(STACK, place(0x7fff_0000, STACK, 0).unwrap().frame));
    // No room left: there is no frame rather than one outside.
    assert_eq!(place(STACK.base + 1000, STACK, flags), None);
    assert_eq!(place(STACK.base + 1000, STACK, 0), None);
}

#[test]
fn siginfo_has_the_fields_of_its_kind() {
    let child = SigInfo {
        signal: linux::SIGCHLD,
        code: code::CLD_EXITED,
        pid: 7,
        uid: 8,
        value: 9,
        times: (10, 11),
        ..SigInfo::default()
    };
    let bytes = siginfo(&child);
    assert_eq!(bytes.len(), 128);
    assert_eq!((get_u32(&bytes, 0), get_u32(&bytes, 8)), (17, 1));
    assert_eq!((get_u32(&bytes, 16), get_u32(&bytes, 20)), (7, 8));
    assert_eq!((get_u32(&bytes, 24), get_u64(&bytes, 32)), (9, 10));
    let fault = SigInfo {
        signal: linux::SIGSEGV,
        code: 1,
        addr: 0x1234_5678_9abc,
        ..SigInfo::default()
    };
    assert_eq!(get_u64(&siginfo(&fault), 16), 0x1234_5678_9abc);
    let queued = SigInfo {
        signal: 40,
        code: code::QUEUE,
        pid: 3,
        uid: 4,
        value: 5,
        ..SigInfo::default()
    };
    let bytes = siginfo(&queued);
    assert_eq!((get_u32(&bytes, 16), get_u64(&bytes, 24)), (3, 5));
}

#[test]
fn an_fpu_state_comes_back_without_what_would_fault() {
    let mut fpu = FpuArea::INITIAL;
    fpu.0[32] = 0x55;
    fpu.0[600] = 0x66;
    fpu.0[fp::HEADER] = 4;
    let mut bytes = fpu_out(&fpu);
    bytes.extend_from_slice(&fp::MAGIC2.to_le_bytes());
    let back = fpu_in(&bytes);
    assert_eq!((back.0[32], back.0[600]), (0x55, 0x66));
    assert_eq!(back.0[fp::HEADER], 7);
    // Wild header and MXCSR.
    bytes[fp::HEADER..fp::HEADER_END].fill(0xff);
    bytes[fp::MXCSR..fp::MXCSR + 4].fill(0xff);
    let back = fpu_in(&bytes);
    assert_eq!(get_u64(&back.0, fp::HEADER), 7);
    assert_eq!(get_u64(&back.0, fp::HEADER + 8), 0);
    assert_eq!(get_u32(&back.0, fp::MXCSR), 0xffff);
    // Without the closing word only the legacy part counts.
    bytes[FPU_BYTES] = 0;
    let back = fpu_in(&bytes);
    assert_eq!((back.0[32], back.0[600], back.0[fp::HEADER]), (0x55, 0, 3));
}

#[test]
fn an_alternate_stack_is_checked() {
    let good = encode_stack(STACK, 0);
    assert_eq!(decode_stack(&good), Ok(STACK));
    let mut small = good.clone();
    small[16..24].copy_from_slice(&100u64.to_le_bytes());
    assert_eq!(decode_stack(&small), Err(Errno::ENOMEM));
    let mut odd = good;
    odd[8] = 8;
    assert_eq!(decode_stack(&odd), Err(Errno::EINVAL));
    let none = encode_stack(AltStack::default(), 0);
    assert_eq!(get_u32(&none, 8), linux::SS_DISABLE);
    assert_eq!(decode_stack(&none), Ok(AltStack::default()));
}
