//! Random programs: any call, wild pointers, wild values, signals, forks. Whatever they do, the
//! kernel's tables stay whole, and nothing is left of them in the end.

pub mod program;

use crate::invariants;
use crate::sim::{End, Sim};
use crate::{Config, SimMachine};
use berth_kernel::disturb::Kind;
use berth_kernel::machine::{Trap, UserRegs};
use berth_kernel::mm::frames::Origin;
use berth_kernel::task::exit;
use std::collections::BTreeSet;

/// Traps that a storm lasts at the most.
const TRAPS: u64 = 250;

/// Traps without a call after which only endless loops are left.
const CALM: u32 = 30;

/// What makes a storm worse.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weather {
    /// Nothing.
    Fair,
    /// Charges are refused now and then, and granted when the call is made again.
    Refusals,
    /// Calls have to wait, miss memory or are interrupted in the midst of their *prepare*.
    Interruptions,
    /// There is hardly any memory, so that processes are killed for it.
    Drought,
}

/// What a storm has seen.
#[derive(Default)]
pub struct Seen {
    /// The numbers of the calls that were made.
    pub calls: BTreeSet<u64>,
    /// How few frames were free at the worst moment.
    pub least_free: usize,
}

/// Runs one random system to its end.
pub fn storm(seed: u64, weather: Weather) -> Seen {
    let config = Config {
        frames: 4096,
        seed,
        ..Config::default()
    };
    let mut chance = SimMachine::new(config.clone());
    let programs = vec![
        program::init(),
        program::random(&mut chance),
        program::random(&mut chance),
    ];
    let mut sim = Sim::boot(config, programs);
    if weather == Weather::Drought {
        dry_out(&mut sim, 4 + (chance.random() % 12) as usize);
    }
    let mut traps = 0;
    let mut least = usize::MAX;
    let mut calm = 0;
    while traps < TRAPS {
        if chance.random() % 4 == 0 {
            disturb(&mut sim, &mut chance, weather);
        }
        traps += 1;
        let told = sim.calls;
        let end = sim.run_checked(1, invariants::check);
        calm = if sim.calls == told { calm + 1 } else { 0 };
        if calm > CALM {
            break;
        }
        least = least.min(sim.kernel.frames.free());
        match end {
            End::Tired => {}
            End::Asleep | End::Off(_) => break,
        }
    }
    sim.kernel.groups.disturb = Default::default();
    let calls = std::mem::take(&mut sim.made);
    finish(sim);
    Seen {
        calls,
        least_free: least,
    }
}

/// Lets something come between soon.
fn disturb(sim: &mut Sim, chance: &mut SimMachine, weather: Weather) {
    let (points, which) = (chance.random() % 12, chance.random() % 4);
    let kind = match (weather, which) {
        (Weather::Fair | Weather::Drought, _) => return,
        (Weather::Refusals, _) => Kind::Refusal,
        (Weather::Interruptions, 0) => Kind::Fault,
        (Weather::Interruptions, 1) => Kind::Wait,
        (Weather::Interruptions, _) => Kind::Signal(1 + (chance.random() % 64) as u32),
    };
    sim.kernel.groups.disturb.due = Some((points, kind));
}

/// Leaves only so many frames free, however much booting took.
fn dry_out(sim: &mut Sim, left: usize) {
    let k = &mut sim.kernel;
    let root = k.groups.root();
    while k.frames.free() > left {
        let frame = k.frames.alloc(&mut k.groups, root, Origin::Heap);
        frame.expect("a free frame");
    }
}

/// Kills what is left and looks whether everything is gone.
pub fn finish(mut sim: Sim) {
    let first = sim.kernel.ns.initial_pid();
    let init = first.and_then(|ns| sim.kernel.ns.pid.get(ns)?.init);
    if let Some(init) = init {
        exit::kill_now(&mut sim.kernel, &mut sim.machine, init);
    }
    work_off(&mut sim);
    invariants::check_empty(&sim.kernel);
    berth_kernel::arena::forgive(sim);
}

/// Does all queued work.
pub fn work_off(sim: &mut Sim) {
    let mut slices = 0;
    while !sim.kernel.work.is_empty() {
        sim.trap(UserRegs::default(), Trap::Idle);
        slices += 1;
        assert!(slices < 100_000, "work comes to an end");
    }
}
