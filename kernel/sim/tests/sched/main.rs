//! Who gets the CPU, on the simulated machine: shares over long times, quotas, freezing, and how
//! often the kernel is entered for it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use berth_abi::linux::general as linux;
use berth_kernel::Kernel;
use berth_kernel::arena::Held;
use berth_kernel::cgroup::GroupId;
use berth_kernel::cgroup::cpu::Weight;
use berth_kernel::machine::Trap;
use berth_kernel::sched::{account, control};
use berth_kernel::task::{TaskId, migrate};
use berth_sim::image::DATA;
use berth_sim::{Arg, Config, End, Op, Reg, Script, Sim, invariants};

mod bandwidth;
mod fairness;
mod freezing;
mod groups;
mod storms;
mod tickless;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;
const SPEC: u64 = 0x7a0;

/// A script with shorthands.
trait Calls: Sized {
    fn sys(self, number: u32, args: &[u64]) -> Self;
    fn sleep(self, ns: u64) -> Self;
    fn spin(self, ns: u64) -> Self;
}

impl Calls for Script {
    fn sys(self, number: u32, args: &[u64]) -> Script {
        self.call(number, args.iter().map(|a| Arg::Is(*a)))
    }
    fn sleep(self, ns: u64) -> Script {
        self.store(Arg::Data(SPEC), ns / SECOND)
            .store(Arg::Data(SPEC + 8), ns % SECOND)
            .sys(linux::__NR_nanosleep, &[DATA + SPEC, 0])
    }
    fn spin(self, ns: u64) -> Script {
        self.op(Op::Spin(ns))
    }
}

/// What a child of [`system`] does for ever.
#[derive(Clone, Copy, Debug)]
enum Life {
    /// It computes.
    Busy,
    /// It computes for so long, then sleeps for so long.
    Sleepy(u64, u64),
    /// It gives way all the time, and computes a little in between.
    Polite(u64),
}

/// A system whose init has children that live so, and sleeps. The children, in order.
fn system(lives: &[Life]) -> (Sim, Vec<TaskId>) {
    let mut init = Script::new();
    for n in 0..lives.len() {
        init = init
            .sys(linux::__NR_fork, &[])
            .if_zero(Reg::Rax, &format!("child {n}"));
    }
    init = init.label("rest").sleep(1_000_000 * SECOND).jump("rest");
    for (n, life) in lives.iter().enumerate() {
        let label = format!("child {n}");
        init = init.label(&label);
        init = match *life {
            Life::Busy => init.spin(100 * SECOND),
            Life::Sleepy(work, rest) => init.spin(work).sleep(rest),
            Life::Polite(work) => init.spin(work).sys(linux::__NR_sched_yield, &[]),
        };
        init = init.jump(&label);
    }
    let mut sim = Sim::boot(Config::default(), vec![init]);
    let first = children(&sim.kernel).len();
    let mut made = first;
    while made < lives.len() {
        assert_eq!(sim.run_checked(1, invariants::check), End::Tired);
        made = children(&sim.kernel).len();
    }
    let children = children(&sim.kernel);
    (sim, children)
}

fn children(k: &Kernel) -> Vec<TaskId> {
    let has_parent = |process| {
        k.tasks
            .processes
            .get(process)
            .is_some_and(|p| p.parent.is_some())
    };
    let tasks = k.tasks.tasks.iter();
    tasks
        .filter(|(_, t)| has_parent(t.process))
        .map(|(id, _)| id)
        .collect()
}

/// Groups that a test made, to be given back in its end.
struct Tree(Vec<Held<GroupId>>);

impl Tree {
    fn new() -> Tree {
        Tree(Vec::new())
    }

    fn below(&mut self, k: &mut Kernel, parent: GroupId) -> GroupId {
        let held = k.groups.create(parent).expect("a group");
        let id = held.key();
        self.0.push(held);
        id
    }

    fn with_weight(&mut self, k: &mut Kernel, parent: GroupId, shares: u64) -> GroupId {
        let id = self.below(k, parent);
        control::set_weight(k, id, Weight::of_shares(shares)).unwrap();
        id
    }

    /// Ends the system: nothing is left of it or of the groups.
    fn finish(self, mut sim: Sim) {
        for group in self.0.into_iter().rev() {
            sim.kernel.groups.release(group);
        }
        berth_sim::storm::finish(sim);
    }
}

/// A task becomes one of a group.
fn join(k: &mut Kernel, task: TaskId, group: GroupId) {
    migrate::thread(k, task, group);
}

/// Lets the system run until this moment, and looks at it now and then.
fn run_until(sim: &mut Sim, at: u64) {
    interrupt(sim);
    sim.horizon = at;
    while sim.machine.time < at {
        if sim.traps % 64 == 0 {
            invariants::check(&sim.kernel);
        }
        if sim.run(1) == End::Asleep {
            sim.machine.time = at;
        }
    }
    interrupt(sim);
}

/// Whoever runs is stopped: all is accounted for, and what was changed from outside holds.
fn interrupt(sim: &mut Sim) {
    let trap = match sim.registers() {
        Some(_) => Trap::Timer,
        None => Trap::Idle,
    };
    sim.trap(sim.registers().unwrap_or_default(), trap);
}

/// CPU time of a task so far.
fn time(sim: &Sim, task: TaskId) -> u64 {
    let times = sim.kernel.tasks.task(task).expect("a task").times;
    times.0 + times.1
}

/// CPU time of a group so far.
fn group_time(sim: &Sim, group: GroupId) -> u64 {
    account::times(&sim.kernel, group).total()
}

/// Fails unless a time is within so many percent, or two slices, of what it should be.
fn near(what: &str, got: u64, wanted: u64, percent: u64) {
    let most = (wanted * percent / 100).max(8 * MS);
    assert!(
        got.abs_diff(wanted) <= most,
        "{what}: {got} ns, not {wanted} (+- {most})"
    );
}
