//! The cases; those of the way to user code are here.

mod hardware;

use super::{Bench, CODE, DATA, HOLE, SECOND};
use crate::dev::clock;
use crate::layout::{DIRECT, HEAP, IMAGE, LOWER_HALF_END};
use alloc::format;
use berth_kernel::machine::{Access, FPU_BYTES, FpuArea, Machine, Trap, UserRegs};

type Case = fn(&mut Bench);

/// Names and cases.
pub const ALL: [(&str, Case); 19] = [
    ("system calls keep registers", system_calls_keep_registers),
    ("changed registers are loaded", changed_registers_are_loaded),
    ("page faults tell address and access", page_faults_tell),
    ("the kernel is out of reach", kernel_is_out_of_reach),
    ("exceptions tell their vector", exceptions_tell_their_vector),
    ("old entries are closed", old_entries_are_closed),
    ("flags of user code stay its own", flags_stay_its_own),
    (
        "privileged flags are not given",
        privileged_flags_are_not_given,
    ),
    ("single steps trap", single_steps_trap),
    ("the deadline ends a loop", deadline_ends_a_loop),
    ("bases of FS and GS are kept", bases_are_kept),
    (
        "non-canonical addresses fault in user code",
        non_canonical_addresses,
    ),
    ("FPU state is kept and cleaned", fpu_state),
    ("pages change their rights", hardware::pages_change_rights),
    (
        "page tables are counted and trimmed",
        hardware::tables_are_trimmed,
    ),
    (
        "pages come and go together",
        hardware::pages_come_and_go_together,
    ),
    ("the heap grows", hardware::heap_grows),
    ("idling ends in time", hardware::idling_ends_in_time),
    ("console input interrupts", hardware::input_interrupts),
];

macro_rules! pieces {
    ($($name:ident = $symbol:ident),* $(,)?) => {
        // SAFETY: user.s defines these; only their addresses are used.
        unsafe extern "C" {
            static selftest_code: u8;
            $(static $symbol: u8;)*
        }
        $(fn $name() -> u64 {
            CODE + (&raw const $symbol as u64 - &raw const selftest_code as u64)
        })*
    };
}

pieces! {
    two_syscalls = selftest_two_syscalls,
    load = selftest_load,
    store = selftest_store,
    jump = selftest_jump,
    halt = selftest_halt,
    int80 = selftest_int80,
    sysenter = selftest_sysenter,
    breakpoint = selftest_breakpoint,
    undefined = selftest_undefined,
    divide = selftest_divide,
    disable_interrupts = selftest_disable_interrupts,
    write_port = selftest_write_port,
    all_flags = selftest_all_flags,
    spin = selftest_spin,
    write_fs_base = selftest_write_fs_base,
    load_selectors = selftest_load_selectors,
    step = selftest_step,
    set_vector = selftest_set_vector,
    get_vector = selftest_get_vector,
}

const DIVIDE_ERROR: Trap = Trap::Exception {
    vector: 0,
    error: 0,
};
const DEBUG: Trap = Trap::Exception {
    vector: 1,
    error: 0,
};
const BREAKPOINT: Trap = Trap::Exception {
    vector: 3,
    error: 0,
};
const INVALID_OPCODE: Trap = Trap::Exception {
    vector: 6,
    error: 0,
};
const PROTECTION: Trap = Trap::Exception {
    vector: 13,
    error: 0,
};
const TRAP_FLAG: u64 = 1 << 8;

fn system_calls_keep_registers(b: &mut Bench) {
    let mut regs = b.regs(two_syscalls());
    let before = regs;
    // The first return is by iret, the second by sysret.
    for length in [2, 4] {
        b.expect(&mut regs, Trap::Syscall);
        let rip = before.rip + length;
        let expected = UserRegs {
            rip,
            rcx: rip,
            r11: 0x202,
            ..before
        };
        b.check(regs == expected, || {
            format!("{regs:x?} is not {expected:x?}")
        });
    }
}

fn changed_registers_are_loaded(b: &mut Bench) {
    let mut regs = b.regs(two_syscalls());
    b.expect(&mut regs, Trap::Syscall);
    let changed = UserRegs {
        rax: u64::MAX,
        rcx: 77,
        r11: 78,
        rsp: DATA + 64,
        rbp: 0,
        ..regs
    };
    regs = changed;
    b.expect(&mut regs, Trap::Syscall);
    let rip = changed.rip + 2;
    let expected = UserRegs {
        rip,
        rcx: rip,
        r11: 0x202,
        ..changed
    };
    b.check(regs == expected, || {
        format!("{regs:x?} is not {expected:x?}")
    });
}

fn fault(addr: u64, access: Access, present: bool) -> Trap {
    Trap::PageFault {
        addr,
        access,
        present,
    }
}

fn with_rdi(b: &Bench, piece: u64, rdi: u64) -> UserRegs {
    UserRegs {
        rdi,
        ..b.regs(piece)
    }
}

fn page_faults_tell(b: &mut Bench) {
    for (piece, addr, access, present) in [
        (load(), HOLE + 8, Access::READ, false),
        (store(), HOLE + 16, Access::WRITE, false),
        (jump(), HOLE + 24, Access::EXEC, false),
        (store(), CODE, Access::WRITE, true),
        (jump(), DATA, Access::EXEC, true),
        (load(), 0, Access::READ, false),
    ] {
        let mut regs = with_rdi(b, piece, addr);
        b.expect(&mut regs, fault(addr, access, present));
    }
}

fn kernel_is_out_of_reach(b: &mut Bench) {
    for addr in [
        IMAGE + (2 << 20),
        DIRECT + (1 << 20),
        HEAP,
        u64::MAX - 7,
        DIRECT,
    ] {
        for (piece, access) in [
            (load(), Access::READ),
            (store(), Access::WRITE),
            (jump(), Access::EXEC),
        ] {
            let mut regs = with_rdi(b, piece, addr);
            b.expect(&mut regs, fault(addr, access, true));
        }
    }
}

fn exceptions_tell_their_vector(b: &mut Bench) {
    for (piece, trap) in [
        (divide(), DIVIDE_ERROR),
        (breakpoint(), BREAKPOINT),
        (undefined(), INVALID_OPCODE),
        (halt(), PROTECTION),
        (disable_interrupts(), PROTECTION),
        (write_port(), PROTECTION),
    ] {
        let mut regs = b.regs(piece);
        b.expect(&mut regs, trap);
    }
}

fn old_entries_are_closed(b: &mut Bench) {
    let mut regs = b.regs(int80());
    let trap = b.run(&mut regs);
    // The error code names the gate; emulators disagree on how.
    b.check(matches!(trap, Trap::Exception { vector: 13, .. }), || {
        format!("int 0x80 ended in {trap:?}")
    });
    let mut regs = b.regs(sysenter());
    let trap = b.run(&mut regs);
    b.check(matches!(trap, PROTECTION | INVALID_OPCODE), || {
        format!("sysenter ended in {trap:?}")
    });
    b.check(regs.rip == sysenter(), || {
        format!("sysenter went to {:#x}", regs.rip)
    });
}

fn flags_stay_its_own(b: &mut Bench) {
    // AC, NT, DF and the arithmetic flags: none may harm the kernel, all but NT come back.
    const SET: u64 = 1 << 18 | 1 << 14 | 1 << 10 | 0xcd5 | 0x202;
    let mut regs = with_rdi(b, all_flags(), SET);
    b.expect(&mut regs, Trap::Syscall);
    b.check(regs.rflags == SET, || {
        format!("flags {:#x}, not {SET:#x}", regs.rflags)
    });
    b.expect(&mut regs, INVALID_OPCODE);
    let kept = SET & !(1 << 14);
    let flags = regs.rflags & !(1 << 16); // RF is set by the fault
    b.check(flags == kept, || format!("flags {flags:#x}, not {kept:#x}"));
}

fn privileged_flags_are_not_given(b: &mut Bench) {
    let mut regs = UserRegs {
        rflags: !TRAP_FLAG,
        ..b.regs(disable_interrupts())
    };
    b.expect(&mut regs, PROTECTION);
    b.check(regs.rflags & (0b11 << 12) == 0, || {
        format!("IOPL in {:#x}", regs.rflags)
    });
    let mut regs = UserRegs {
        rflags: 0,
        ..b.regs(spin())
    };
    let trap = b.user.run(b.space, &mut regs, clock::now() + SECOND / 1000);
    b.check(trap == Trap::Timer, || {
        format!("interrupts off in user code: {trap:?}")
    });
}

fn single_steps_trap(b: &mut Bench) {
    let mut regs = b.regs(step());
    regs.rflags |= TRAP_FLAG;
    for length in [1, 2] {
        b.expect(&mut regs, DEBUG);
        b.check(regs.rip == step() + length, || {
            format!("stepped to {:#x}", regs.rip)
        });
    }
    // A system call under the trap flag must not step into the kernel.
    let mut regs = b.regs(two_syscalls());
    regs.rflags |= TRAP_FLAG;
    b.expect(&mut regs, Trap::Syscall);
}

fn deadline_ends_a_loop(b: &mut Bench) {
    for nanos in [0, 100_000, SECOND / 500] {
        let start = clock::now();
        let mut regs = b.regs(spin());
        let trap = b.user.run(b.space, &mut regs, start + nanos);
        let took = clock::now() - start;
        b.check(trap == Trap::Timer, || {
            format!("{trap:?} instead of the timer")
        });
        b.check(took >= nanos * 9 / 10, || {
            format!("back after {took} ns, not {nanos}")
        });
        let expected = UserRegs {
            rflags: regs.rflags,
            ..b.regs(spin())
        };
        b.check(regs == expected, || {
            format!("{regs:x?} is not {expected:x?}")
        });
    }
}

fn bases_are_kept(b: &mut Bench) {
    let mut regs = b.regs(load_selectors());
    b.expect(&mut regs, Trap::Syscall);
    // Loading a selector sets the base to that of the descriptor, zero.
    b.check((regs.fs_base, regs.gs_base) == (0, 0), || {
        format!("bases {:#x} {:#x}", regs.fs_base, regs.gs_base)
    });
    regs = UserRegs {
        rip: two_syscalls(),
        fs_base: 0x1234_5000,
        gs_base: 0x6789_a000,
        ..regs
    };
    b.expect(&mut regs, Trap::Syscall);
    let bases = (regs.fs_base, regs.gs_base);
    b.check(bases == (0x1234_5000, 0x6789_a000), || {
        format!("bases {bases:x?}")
    });
    let mut regs = with_rdi(b, write_fs_base(), 0x7777_0000);
    if b.machine.hwcap().1 & 2 != 0 {
        b.expect(&mut regs, Trap::Syscall);
        b.check(regs.fs_base == 0x7777_0000, || {
            format!("base {:#x}", regs.fs_base)
        });
    } else {
        b.expect(&mut regs, INVALID_OPCODE);
    }
}

fn non_canonical_addresses(b: &mut Bench) {
    for rip in [LOWER_HALF_END, DIRECT - 1] {
        let mut regs = b.regs(rip);
        b.expect(&mut regs, PROTECTION);
        let mut regs = UserRegs {
            rcx: rip,
            r11: 0x202,
            ..b.regs(rip)
        };
        b.expect(&mut regs, PROTECTION);
        let mut regs = with_rdi(b, jump(), rip);
        b.expect(&mut regs, PROTECTION);
    }
    // A stack pointer is only looked at when it is used.
    let mut regs = UserRegs {
        rsp: LOWER_HALF_END,
        ..b.regs(two_syscalls())
    };
    b.expect(&mut regs, Trap::Syscall);
}

fn fpu_state(b: &mut Bench) {
    b.machine.fpu_load(&FpuArea::INITIAL);
    let mut regs = with_rdi(b, set_vector(), 0x0123_4567_89ab_cdef);
    b.expect(&mut regs, Trap::Syscall);
    let mut saved = FpuArea::INITIAL;
    b.machine.fpu_save(&mut saved);
    let read = |b: &mut Bench, area: &FpuArea, expected: u64| {
        b.machine.fpu_load(area);
        let mut regs = b.regs(get_vector());
        b.expect(&mut regs, Trap::Syscall);
        b.check(regs.rdi == expected, || {
            format!("vector register {:#x}, not {expected:#x}", regs.rdi)
        });
    };
    read(b, &FpuArea::INITIAL, 0);
    read(b, &saved, 0x0123_4567_89ab_cdef);
    // What a program may write into a signal frame: all ones must load without a fault.
    let mut wild = FpuArea([0xff; FPU_BYTES]);
    read(b, &wild, u64::MAX);
    wild.0[512..576].fill(0);
    b.machine.fpu_load(&wild);
    b.machine.fpu_save(&mut saved);
    b.machine.fpu_load(&FpuArea::INITIAL);
}
