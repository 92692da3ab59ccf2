//! Cases of page tables, the heap, idling and the console.

use super::super::{Bench, CODE, DATA, SECOND};
use super::{INVALID_OPCODE, fault, load, spin, store, with_rdi};
use crate::cpu::interrupts;
use crate::dev::{clock, serial};
use crate::layout::PAGE;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use berth_kernel::machine::{Access, Machine, Mapped, NoTable, Port, Trap, USER_END};

pub fn pages_change_rights(b: &mut Bench) {
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

pub fn tables_are_trimmed(b: &mut Bench) {
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

pub fn pages_come_and_go_together(b: &mut Bench) {
    const FAR: u64 = 0x7000_0000_0000;
    // The last two would be in the next table.
    let first = FAR + 510 * PAGE;
    let fresh = |b: &mut Bench| [Some(b.frame()), None, Some(b.frame()), Some(b.frame())];
    let frames = fresh(b);
    let early = b.machine.map_absent(b.space, first, &frames, Access::READ);
    b.check(early == 0, || format!("mapped {early:#b} without a table"));
    b.map_new(FAR, Access::READ);
    let begin = first - 2 * PAGE;
    b.map_new(begin + 2 * PAGE, Access::READ);
    let done = b.machine.map_absent(b.space, begin, &frames, Access::READ);
    b.check(done == 0b1001, || format!("mapped {done:#b}"));
    let mut regs = with_rdi(b, load(), begin + 3 * PAGE);
    b.expect(&mut regs, INVALID_OPCODE);
    let mut gone = Vec::new();
    let mut take = |from: u64, most: usize| {
        let mut note = |page, _| gone.push(page);
        b.machine
            .unmap_some(b.space, from, USER_END, most, &mut note)
    };
    let next = [take(DATA + PAGE, 0), take(DATA + PAGE, 3), take(begin, 3)];
    b.check(next == [Some(FAR), Some(begin + 3 * PAGE), None], || {
        format!("next: {next:x?}")
    });
    let expected = [FAR, begin, begin + 2 * PAGE, begin + 3 * PAGE];
    b.check(gone == expected, || format!("unmapped: {gone:x?}"));
    let mut regs = with_rdi(b, load(), begin + 3 * PAGE);
    b.expect(&mut regs, fault(begin + 3 * PAGE, Access::READ, false));
    trim(b, 0, USER_END, 3);
    b.frames.extend(frames.into_iter().flatten());
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

pub fn heap_grows(b: &mut Bench) {
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

pub fn idling_ends_in_time(b: &mut Bench) {
    let start = clock::now();
    let deadline = start + SECOND / 200;
    while clock::now() < deadline {
        interrupts::idle(deadline);
    }
    let took = clock::now() - start;
    b.check(took < SECOND, || format!("idle for {took} ns"));
}

pub fn input_interrupts(b: &mut Bench) {
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
