//! Quotas, period by period.

use super::*;

const MS: u64 = 1_000_000;

/// 10 ms of every 100 ms, since 0.
fn tenth(burst: u64) -> Bandwidth {
    let mut bandwidth = Bandwidth::default();
    let limit = Limit {
        quota: Some(10 * MS),
        period: 100 * MS,
        burst,
    };
    bandwidth.set(limit, 0);
    bandwidth
}

/// The group runs from `from` on as long as it may; when it stopped.
fn run_out(bandwidth: &mut Bandwidth, from: u64) -> u64 {
    let until = bandwidth.deadline(from);
    assert!(bandwidth.spend(until - from, until));
    until
}

#[test]
fn a_quota_lasts_for_its_part_of_each_period() {
    let mut bandwidth = tenth(0);
    for period in 0..10 {
        let begin = period * 100 * MS;
        assert_eq!(run_out(&mut bandwidth, begin), begin + 10 * MS);
        assert!(!bandwidth.relieve(begin + 50 * MS), "not before it is over");
        assert!(bandwidth.relieve(begin + 100 * MS));
    }
    let stats = bandwidth.stats(1000 * MS);
    assert_eq!((stats.periods, stats.throttled_periods), (10, 10));
    assert_eq!(stats.throttled, 900 * MS);
}

/// Fault C6: a group that is charged again while it waits is throttled once, and for the time that
/// it really was.
#[test]
fn it_is_throttled_once_a_period_and_for_the_time_that_passes() {
    let mut bandwidth = tenth(0);
    assert!(bandwidth.spend(11 * MS, 11 * MS));
    assert!(!bandwidth.spend(MS, 12 * MS), "it is already");
    assert!(bandwidth.relieve(100 * MS));
    let stats = bandwidth.stats(100 * MS);
    assert_eq!((stats.periods, stats.throttled_periods), (1, 1));
    assert_eq!(stats.throttled, 89 * MS);
}

/// Fault C7: what was had too much of is paid by the periods that follow.
#[test]
fn a_debt_is_carried() {
    let mut bandwidth = tenth(0);
    assert!(bandwidth.spend(25 * MS, 25 * MS));
    assert!(!bandwidth.relieve(100 * MS), "15 ms owed, 10 ms given");
    assert!(bandwidth.relieve(200 * MS));
    assert_eq!(run_out(&mut bandwidth, 200 * MS), 205 * MS, "5 ms are left");
    let stats = bandwidth.stats(205 * MS);
    assert_eq!((stats.periods, stats.throttled_periods), (2, 2));
    // The same when nobody looked in between.
    let mut late = tenth(0);
    assert!(late.spend(25 * MS, 25 * MS));
    assert!(late.relieve(730 * MS));
    let stats = late.stats(730 * MS);
    assert_eq!((stats.periods, stats.throttled_periods), (2, 2));
    assert_eq!(stats.throttled, 705 * MS);
    assert_eq!(late.deadline(730 * MS), 740 * MS);
}

/// Fault C8: nothing is saved up without a burst, and an idle period is no burst.
#[test]
fn an_idle_period_is_neither_active_nor_a_burst() {
    let mut bandwidth = tenth(0);
    assert_eq!(bandwidth.stats(950 * MS), Stats::default());
    assert_eq!(run_out(&mut bandwidth, 950 * MS), 960 * MS);
    assert!(bandwidth.relieve(1000 * MS));
    let stats = bandwidth.stats(2000 * MS);
    assert_eq!((stats.periods, stats.bursts, stats.burst_time), (1, 0, 0));
}

#[test]
fn what_was_saved_up_is_used_once() {
    let mut bandwidth = tenth(5 * MS);
    // 2 ms of the first period are not used, and 3 of the second.
    assert!(!bandwidth.spend(8 * MS, 8 * MS));
    assert_eq!(bandwidth.deadline(100 * MS), 112 * MS);
    assert!(!bandwidth.spend(7 * MS, 107 * MS));
    assert_eq!(bandwidth.stats(200 * MS).bursts, 0);
    assert_eq!(
        run_out(&mut bandwidth, 200 * MS),
        215 * MS,
        "no more than the burst"
    );
    assert!(bandwidth.relieve(300 * MS));
    assert_eq!(run_out(&mut bandwidth, 300 * MS), 310 * MS);
    let stats = bandwidth.stats(400 * MS);
    assert_eq!((stats.bursts, stats.burst_time), (1, 5 * MS));
    assert_eq!(stats.periods, 4);
}

#[test]
fn more_than_there_is_never_runs_out() {
    let mut bandwidth = Bandwidth::default();
    let limit = Limit {
        quota: Some(200 * MS),
        ..Limit::default()
    };
    bandwidth.set(limit, 0);
    let mut now = 0;
    while now < 1000 * MS {
        let until = bandwidth.deadline(now);
        assert!(!bandwidth.spend(until - now, until));
        now = until;
    }
    let stats = bandwidth.stats(now);
    assert_eq!((stats.periods, stats.throttled_periods), (10, 0));
}

#[test]
fn a_new_limit_begins_a_period_but_forgives_nothing() {
    let mut bandwidth = tenth(0);
    assert!(bandwidth.spend(15 * MS, 15 * MS));
    let limit = Limit {
        quota: Some(20 * MS),
        ..Limit::default()
    };
    bandwidth.set(limit, 20 * MS);
    assert!(bandwidth.relieve(20 * MS));
    assert_eq!(bandwidth.deadline(20 * MS), 35 * MS);
    assert_eq!(bandwidth.stats(20 * MS).throttled, 5 * MS);
    bandwidth.set(Limit::default(), 40 * MS);
    assert_eq!(bandwidth.deadline(40 * MS), u64::MAX);
    assert!(!bandwidth.spend(u64::MAX, u64::MAX));
}
