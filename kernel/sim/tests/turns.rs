//! Calls about much memory go on in turns: nobody sees the halves, and nothing of them stays.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use berth_kernel::arena::forgive;
use berth_kernel::disturb::Kind;
use berth_kernel::machine::{PAGE, PowerOff};
use berth_kernel::task::exit;
use berth_sim::{Arg, Config, End, Reg, Script, Sim, invariants, storm};

const MMAP: u32 = 9;
const MPROTECT: u32 = 10;
const MUNMAP: u32 = 11;
const MREMAP: u32 = 25;
const MADVISE: u32 = 28;
const CLONE: u32 = 56;
const FORK: u32 = 57;
const EXIT: u32 = 60;
const WAIT4: u32 = 61;
const REBOOT: u32 = 169;

const RW: u64 = 3;
const PRIVATE_ANON_FIXED: u64 = 0x32;
const THREAD: u64 = 0x10f00;
const AT: u64 = 0x2000_0000;
const PAGES: u64 = 1000;
const LAST: u64 = AT + (PAGES - 1) * PAGE;
/// A page that only the thread uses.
const STACK: u64 = AT + 2 * PAGES * PAGE;

fn is(value: u64) -> Arg {
    Arg::Is(value)
}

fn config() -> Config {
    Config {
        frames: 16_384,
        ..Config::default()
    }
}

trait More: Sized {
    fn sys(self, number: u32, args: &[u64]) -> Self;
    fn fill(self, label: &str) -> Self;
    fn off(self) -> Self;
}

impl More for Script {
    fn sys(self, number: u32, args: &[u64]) -> Self {
        self.call(number, args.iter().copied().map(is))
    }

    /// Maps the pages and writes to each.
    fn fill(self, label: &str) -> Self {
        let all = [AT, PAGES * PAGE, RW, PRIVATE_ANON_FIXED, u64::MAX, 0];
        self.sys(MMAP, &all)
            .set(Reg::Rbx, is(AT))
            .label(label)
            .store(Reg::Rbx, Reg::Rbx)
            .op(berth_sim::Op::Add(Reg::Rbx, is(PAGE)))
            .if_not(Reg::Rbx, is(AT + PAGES * PAGE), label)
    }

    fn off(self) -> Self {
        self.sys(REBOOT, &[0xfee1_dead, 672_274_793, 0x4321_fedc])
    }
}

/// A parent with much memory whose child looks at it.
fn forks() -> Script {
    Script::new()
        .fill("fill")
        .sys(FORK, &[])
        .if_zero(Reg::Rax, "child")
        .sys(WAIT4, &[u64::MAX, 0, 0, 0])
        .off()
        .label("child")
        .load(Reg::Rbx, is(AT))
        .tell("first", Reg::Rbx)
        .load(Reg::Rbx, is(LAST))
        .tell("last", Reg::Rbx)
        .store(is(LAST), is(5))
        .sys(EXIT, &[0])
}

fn is_copying(sim: &Sim) -> bool {
    let mut tasks = sim.kernel.tasks.tasks.iter();
    tasks.any(|(_, task)| task.draft.is_some())
}

#[test]
fn a_long_fork_takes_turns() {
    let mut sim = Sim::boot(config(), vec![forks()]);
    let mut turns = 0;
    loop {
        match sim.run_checked(1, invariants::check) {
            End::Tired => turns += u64::from(is_copying(&sim)),
            end => {
                assert_eq!(end, End::Off(PowerOff::Clean));
                break;
            }
        }
    }
    assert!(turns >= 4, "{turns} turns for {PAGES} pages");
    assert_eq!(sim.told, [("first", AT), ("last", LAST)]);
    forgive(sim.kernel);
}

/// The thread writes a number to the first page, then to the last: in no copy is the last ahead.
#[test]
fn a_copy_is_of_one_moment() {
    let stack = [STACK, PAGE, RW, PRIVATE_ANON_FIXED, u64::MAX, 0];
    let script = Script::new()
        .fill("fill")
        .store(is(AT), is(0))
        .store(is(LAST), is(0))
        .sys(MMAP, &stack)
        .sys(CLONE, &[THREAD, STACK + PAGE])
        .if_zero(Reg::Rax, "thread")
        .set(Reg::R13, is(0))
        .label("again")
        .op(berth_sim::Op::Spin(5_000_000))
        .sys(FORK, &[])
        .if_zero(Reg::Rax, "child")
        .sys(WAIT4, &[u64::MAX, 0, 0, 0])
        .op(berth_sim::Op::Add(Reg::R13, is(1)))
        .if_not(Reg::R13, is(4), "again")
        .off()
        .label("child")
        .load(Reg::Rbx, is(AT))
        .tell("first", Reg::Rbx)
        .load(Reg::Rbx, is(LAST))
        .tell("last", Reg::Rbx)
        .sys(EXIT, &[0])
        .label("thread")
        .set(Reg::R12, is(0))
        .label("count")
        .op(berth_sim::Op::Add(Reg::R12, is(1)))
        .store(is(AT), Reg::R12)
        .store(is(LAST), Reg::R12)
        .jump("count");
    let mut sim = Sim::boot(config(), vec![script]);
    let end = sim.run_checked(200_000, invariants::check);
    assert_eq!(end, End::Off(PowerOff::Clean), "{:?}", sim.told);
    let seen: Vec<u64> = sim.told.iter().map(|told| told.1).collect();
    assert_eq!(seen.len(), 8);
    for pair in seen.chunks(2) {
        assert!(pair[0] == pair[1] || pair[0] == pair[1] + 1, "{seen:?}");
    }
    assert!(seen[6] > seen[0], "the thread gets on: {seen:?}");
    forgive(sim.kernel);
}

/// Whenever the parent is killed, nothing is left of the child that it was making.
#[test]
fn who_is_killed_between_turns_leaves_nothing() {
    for turn in 0..5 {
        let mut sim = Sim::boot(config(), vec![forks()]);
        let mut turns = 0;
        while turns <= turn {
            assert_eq!(sim.run_checked(1, invariants::check), End::Tired);
            turns += u64::from(is_copying(&sim));
        }
        storm::finish(sim);
    }
}

/// The same when memory for the copy is refused at any point, and granted to the next try.
#[test]
fn who_lacks_memory_between_turns_begins_again() {
    for (turn, after) in [(0, 0), (0, 3), (1, 0), (2, 1), (3, 0)] {
        let mut sim = Sim::boot(config(), vec![forks()]);
        let mut turns = 0;
        while turns <= turn {
            assert_eq!(sim.run_checked(1, invariants::check), End::Tired);
            turns += u64::from(is_copying(&sim));
        }
        sim.kernel.groups.disturb.due = Some((after, Kind::Refusal));
        let end = sim.run_checked(200_000, invariants::check);
        assert_eq!(end, End::Off(PowerOff::Clean));
        assert_eq!(sim.told, [("first", AT), ("last", LAST)]);
        forgive(sim.kernel);
    }
}

/// Every long call comes to its end, the thread runs on, and init sees the result.
#[test]
fn long_calls_take_turns() {
    let (all, to) = (PAGES * PAGE, AT + 4 * PAGES * PAGE);
    let moved = |at: u64| to + at - AT;
    let script = Script::new()
        .fill("fill")
        .sys(MPROTECT, &[AT, all, 1])
        .tell("protected", Reg::Rax)
        .sys(MREMAP, &[AT, all, all + PAGE, 3, to])
        .tell("moved", Reg::Rax)
        .load(Reg::Rbx, is(moved(LAST)))
        .tell("last", Reg::Rbx)
        .sys(MADVISE, &[to, all, 4])
        .tell("discarded", Reg::Rax)
        .load(Reg::Rbx, is(moved(LAST)))
        .tell("zero", Reg::Rbx)
        .sys(MPROTECT, &[to, all + PAGE, RW])
        .sys(MADVISE, &[to, all, 23])
        .tell("populated", Reg::Rax)
        .sys(MUNMAP, &[to, all + PAGE])
        .tell("unmapped", Reg::Rax)
        .sys(
            MMAP,
            &[to, all, RW, PRIVATE_ANON_FIXED | 0x8000, u64::MAX, 0],
        )
        .tell("new", Reg::Rax)
        .off();
    let mut sim = Sim::boot(config(), vec![script]);
    let mut turns = 0;
    loop {
        let calls = sim.calls;
        match sim.run_checked(1, invariants::check) {
            End::Tired => turns += u64::from(sim.calls == calls),
            end => {
                assert_eq!(end, End::Off(PowerOff::Clean));
                break;
            }
        }
    }
    let told = [
        ("protected", 0),
        ("moved", to),
        ("last", LAST),
        ("discarded", 0),
        ("zero", 0),
        ("populated", 0),
        ("unmapped", 0),
        ("new", to),
    ];
    assert_eq!(sim.told, told);
    assert!(turns > 100, "{turns}");
    forgive(sim.kernel);
}

/// A kill by another process comes between two turns, too.
#[test]
fn a_signal_ends_a_call_between_turns() {
    let mut sim = Sim::boot(config(), vec![forks()]);
    while !is_copying(&sim) {
        assert_eq!(sim.run(1), End::Tired);
    }
    let first = sim.kernel.ns.initial_pid();
    let init = first.and_then(|ns| sim.kernel.ns.pid.get(ns)?.init);
    exit::kill_now(&mut sim.kernel, &mut sim.machine, init.unwrap());
    assert!(!is_copying(&sim));
    storm::finish(sim);
}
