//! Storms of random programs: ten thousand of them. A failure names the seed; to see it again, give it as
//! `BERTH_STORM_SEED`. `BERTH_STORM_COUNT` makes each test longer or shorter.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use berth_sim::storm::{self, Seen, Weather, program};
use std::collections::BTreeSet;

/// Runs seeds `first`.. and tells what they have seen together.
fn storms(weather: Weather, count: u64, first: u64) -> Seen {
    let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
    let seeds = match number("BERTH_STORM_SEED") {
        Some(seed) => seed..seed + 1,
        None => first..first + number("BERTH_STORM_COUNT").unwrap_or(count),
    };
    let mut all = Seen {
        least_free: usize::MAX,
        ..Seen::default()
    };
    for seed in seeds {
        let seen = std::panic::catch_unwind(|| storm::storm(seed, weather));
        let mut seen = seen.unwrap_or_else(|panic| {
            eprintln!("{weather:?} storm failed; again: BERTH_STORM_SEED={seed}");
            std::panic::resume_unwind(panic);
        });
        all.calls.append(&mut seen.calls);
        all.least_free = all.least_free.min(seen.least_free);
    }
    all
}

/// Every call of the table must have been made: a new one is covered without a word here.
fn covers_the_table(seen: &Seen) {
    let table: BTreeSet<u64> = program::TABLE.iter().map(|n| u64::from(*n)).collect();
    let missing: Vec<_> = table.difference(&seen.calls).collect();
    assert!(missing.is_empty(), "never made: {missing:?}");
}

#[test]
fn random_programs_leave_nothing_behind() {
    covers_the_table(&storms(Weather::Fair, 2500, 1));
}

#[test]
fn more_random_programs_leave_nothing_behind() {
    covers_the_table(&storms(Weather::Fair, 2500, 500_001));
}

#[test]
fn random_programs_survive_refused_charges() {
    covers_the_table(&storms(Weather::Refusals, 2000, 1_000_001));
}

#[test]
fn random_programs_survive_interruptions_of_their_calls() {
    covers_the_table(&storms(Weather::Interruptions, 2000, 3_000_001));
}

#[test]
fn random_programs_die_for_want_of_memory_and_nobody_else() {
    let seen = storms(Weather::Drought, 1000, 2_000_001);
    assert_eq!(seen.least_free, 0, "memory ran out");
}
