//! Random calls.

use super::*;
use berth_sim::SimMachine;
use berth_sim::storm::program;

/// What random calls gave, disturbed again and again or not.
fn quarrel(seed: u64, kind: Option<Kind>) -> Vec<u64> {
    let config = Config {
        seed,
        ..Config::default()
    };
    let mut chance = SimMachine::new(config.clone());
    let mut sim = Sim::boot(config, vec![program::alone(&mut chance), Script::new()]);
    for _ in 0..2_000 {
        // Not each time, so that a call that is made again comes through.
        let due = kind.map(|kind| (chance.random() % 5, kind));
        sim.kernel.groups.disturb.due = due.filter(|_| chance.random() % 2 == 0);
        if sim.run(1) != End::Tired {
            break;
        }
    }
    let results = sim.told("result");
    sim.kernel.groups.disturb = Default::default();
    finish(sim);
    results
}

#[test]
fn every_call_gives_the_same_however_it_is_disturbed() {
    let mut calls = 0;
    for seed in 1..=1000 {
        let undisturbed = quarrel(seed, None);
        calls += undisturbed.len();
        for kind in [Kind::Refusal, Kind::Wait, Kind::Signal(WINCH)] {
            let disturbed = quarrel(seed, Some(kind));
            let program = program::alone(&mut SimMachine::new(Config {
                seed,
                ..Config::default()
            }));
            let first = (undisturbed.iter().zip(&disturbed)).position(|(was, is)| was != is);
            let call = first.and_then(|n| program.calls().nth(n));
            assert_eq!(undisturbed, disturbed, "seed {seed}, {kind:?}: {call:?}");
        }
    }
    assert!(calls > 10_000, "{calls} calls");
}
