//! The cases.

use super::{Bench, CODE, DATA, HOLE, SECOND};
use crate::cpu::interrupts;
use crate::dev::{clock, serial};
use crate::layout::{DIRECT, HEAP, IMAGE, LOWER_HALF_END, PAGE};
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use berth_kernel::machine::{
    Access, FPU_BYTES, FpuArea, Machine, Mapped, NoTable, Port, Trap, USER_END, UserRegs,
};

type Case = fn(&mut Bench);

/// Names and cases.
pub const ALL: [(&str, Case); 18] = [
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
    ("pages change their rights", pages_change_rights),
    ("page tables are counted and trimmed", tables_are_trimmed),
    ("the heap grows", heap_grows),
    ("idling ends in time", idling_ends_in_time),
    ("console input interrupts", input_interrupts),
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

fn pages_change_rights(b: &mut Bench) {
    let mut store_there = with_rdi(b, store(), DATA + 128);
    b.expect(&mut store_there, INVALID_OPCODE);
    let dirty = |b: &Bench| {
        b.machine
            .query(b.space, DATA)
            .is_some_and(|page| page.dirty)
    };
    b.check(dirty(b), || "a write left the page clean".into());
    b.machine.protect(b.space, DATA, Access::READ);
    let mut regs = with_rdi(b, store(), DATA + 128);
    b.expect(&mut regs, fault(DATA + 128, Access::WRITE, true));
    b.check(dirty(b), || "a change of rights lost the dirty bit".into());
    b.machine.protect(b.space, DATA, Access::empty());
    let mut regs = with_rdi(b, load(), DATA + 128);
    b.expect(&mut regs, fault(DATA + 128, Access::READ, true));
    let access = b.machine.query(b.space, DATA).map(|page| page.access);
    b.check(access == Some(Access::empty()), || format!("{access:?}"));
    b.machine
        .protect(b.space, DATA, Access::READ | Access::WRITE);
    let mut regs = with_rdi(b, store(), DATA + 128);
    b.expect(&mut regs, INVALID_OPCODE);
}

fn tables_are_trimmed(b: &mut Bench) {
    const FAR: u64 = 0x7000_0000_0000;
    let frames = b.frames.len();
    let missing = b.machine.tables_missing(b.space, FAR);
    b.check(missing == 3, || format!("{missing} tables missing, not 3"));
    let refused = b
        .machine
        .map(b.space, FAR, b.frames[0], Access::READ, &mut || None);
    b.check(refused == Err(NoTable), || format!("{refused:?}"));
    let frame = b.map_new(FAR, Access::READ);
    b.map_new(FAR + PAGE, Access::READ);
    let left = b.frames.len();
    b.check(left == frames - 5, || {
        format!("{left} frames left of {frames}")
    });
    let found: Vec<u64> = pages(b);
    b.check(found == [CODE, DATA, FAR, FAR + PAGE], || {
        format!("mapped: {found:x?}")
    });
    let mut regs = with_rdi(b, load(), FAR);
    b.expect(&mut regs, INVALID_OPCODE);
    let was = b.machine.unmap(b.space, FAR);
    let expected = Mapped {
        frame,
        access: Access::READ,
        dirty: false,
    };
    b.check(was == Some(expected), || format!("unmapped {was:?}"));
    let mut regs = with_rdi(b, load(), FAR);
    b.expect(&mut regs, fault(FAR, Access::READ, false));
    trim(b, FAR, FAR + PAGE, 0);
    b.machine.unmap(b.space, FAR + PAGE);
    trim(b, 0, USER_END, 3);
    let found: Vec<u64> = pages(b);
    b.check(found == [CODE, DATA], || format!("mapped: {found:x?}"));
}

fn pages(b: &Bench) -> Vec<u64> {
    let mut from = 0;
    core::iter::from_fn(|| {
        let (addr, _) = b.machine.next_mapped(b.space, from, USER_END)?;
        from = addr + PAGE;
        Some(addr)
    })
    .collect()
}

/// Trims, one table a time.
fn trim(b: &mut Bench, from: u64, end: u64, expected: usize) {
    let mut freed = Vec::new();
    let mut rounds = 0;
    while b
        .machine
        .trim_tables(b.space, from, end, 1, &mut |frame| freed.push(frame))
    {
        rounds += 1;
        if rounds > 16 {
            break;
        }
    }
    b.check(freed.len() == expected, || {
        format!("{} tables freed, not {expected}", freed.len())
    });
    b.frames.append(&mut freed);
}

fn heap_grows(b: &mut Bench) {
    let before = b.machine.heap_free() + b.machine.heap_used();
    for _ in 0..4 {
        let frame = b.frame();
        let grown = b.machine.heap_grow(frame);
        b.check(grown, || "the heap did not take a frame".into());
    }
    let after = b.machine.heap_free() + b.machine.heap_used();
    // One of the frames may have become a page table.
    b.check(after >= before + 3 * PAGE as usize, || {
        format!("{before} bytes before, {after} after")
    });
}

fn idling_ends_in_time(b: &mut Bench) {
    let start = clock::now();
    let deadline = start + SECOND / 200;
    while clock::now() < deadline {
        interrupts::idle(deadline);
    }
    let took = clock::now() - start;
    b.check(took < SECOND, || format!("idle for {took} ns"));
}

fn input_interrupts(b: &mut Bench) {
    if !serial::is_present(Port::Console) {
        return;
    }
    serial::loop_back(true);
    b.machine.port_write(Port::Console, b"user");
    let mut regs = b.regs(spin());
    b.expect(&mut regs, Trap::Input);
    demand_input(b, b"user");
    b.machine.port_write(Port::Console, b"idle");
    let trap = interrupts::idle(clock::now() + SECOND);
    b.check(trap == Trap::Input, || format!("idling ended in {trap:?}"));
    demand_input(b, b"idle");
    // More than the queue holds: the rest waits in the port.
    let sent: Vec<u8> = (0..=255).cycle().take(1024 + 8).collect();
    for part in sent.chunks(16) {
        b.machine.port_write(Port::Console, part);
        interrupts::idle(clock::now() + SECOND / 1000);
    }
    demand_input(b, &sent);
    b.machine.port_write(Port::Console, b"again");
    let trap = interrupts::idle(clock::now() + SECOND);
    b.check(trap == Trap::Input, || {
        format!("after a full queue: {trap:?}")
    });
    demand_input(b, b"again");
    serial::loop_back(false);
}

fn demand_input(b: &mut Bench, expected: &[u8]) {
    let mut got = vec![0; expected.len() + 1];
    let count = b.machine.port_read(Port::Console, &mut got);
    b.check(got[..count] == *expected, || {
        format!(
            "read {count} bytes, not the {} that were sent",
            expected.len()
        )
    });
}
