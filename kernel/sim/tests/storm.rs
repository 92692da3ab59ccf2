//! Storms of random programs; a failure names the seed to run again with `BERTH_STORM_SEED`.
//! `BERTH_STORM_COUNT` makes them longer or shorter.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use berth_sim::storm::{self, Weather};

fn seeds(count: u64, first: u64) -> impl Iterator<Item = u64> {
    let one = std::env::var("BERTH_STORM_SEED").ok();
    let one: Option<u64> = one.and_then(|seed| seed.parse().ok());
    let many = std::env::var("BERTH_STORM_COUNT").ok();
    let many: Option<u64> = many.and_then(|count| count.parse().ok());
    match one {
        Some(seed) => seed..seed + 1,
        None => first..first + many.unwrap_or(count),
    }
}

fn run(seed: u64, weather: Weather) -> usize {
    let result = std::panic::catch_unwind(|| storm::storm(seed, weather));
    result.unwrap_or_else(|panic| {
        eprintln!("storm with seed {seed} failed");
        std::panic::resume_unwind(panic);
    })
}

#[test]
fn random_programs_leave_nothing_behind() {
    for seed in seeds(900, 1) {
        run(seed, Weather::Fair);
    }
}

#[test]
fn random_programs_survive_refused_charges() {
    for seed in seeds(800, 1_000_001) {
        run(seed, Weather::Refusals);
    }
}

#[test]
fn random_programs_die_for_want_of_memory_and_nobody_else() {
    let least = seeds(300, 2_000_001).map(|seed| run(seed, Weather::Drought));
    assert_eq!(least.min(), Some(0), "memory ran out");
}
