//! Quotas.

use super::*;

/// A busy child in a group with 10 ms of every 100 ms.
fn tenth() -> (Sim, Tree, TaskId, GroupId) {
    let (mut sim, tasks) = system(&[Life::Busy]);
    let mut tree = Tree::new();
    let root = sim.kernel.groups.root();
    let group = tree.below(&mut sim.kernel, root);
    control::set_max(&mut sim.kernel, group, Some(10 * MS), 100 * MS).unwrap();
    join(&mut sim.kernel, tasks[0], group);
    (sim, tree, tasks[0], group)
}

/// Fault C9.
#[test]
fn a_busy_loop_gets_its_quota_and_no_more() {
    let (mut sim, tree, task, group) = tenth();
    let (begin, before) = (sim.machine.time, group_time(&sim, group));
    run_until(&mut sim, begin + 100 * SECOND);
    near("a tenth", group_time(&sim, group) - before, 10 * SECOND, 1);
    assert!(time(&sim, task) >= group_time(&sim, group));
    let stats = control::stats(&sim.kernel, group);
    assert!((999..=1001).contains(&stats.periods), "{stats:?}");
    assert!((999..=1001).contains(&stats.throttled_periods), "{stats:?}");
    near("throttled", stats.throttled, 90 * SECOND, 1);
    assert_eq!((stats.bursts, stats.burst_time), (0, 0));
    tree.finish(sim);
}

/// A trap that lasts longer than the quota is paid for later, by the group that caused it.
#[test]
fn what_a_call_overruns_is_a_debt() {
    let (mut sim, tree, _, group) = tenth();
    let begin = sim.machine.time;
    run_until(&mut sim, begin + SECOND);
    let before = group_time(&sim, group);
    // Until it runs again: then 35 ms pass in one go, as if in the kernel.
    while sim.registers().is_none() {
        sim.run(1);
    }
    sim.machine.time += 35 * MS;
    let late = sim.machine.time;
    run_until(&mut sim, late + 270 * MS);
    assert_eq!(sim.kernel.sched.current, None, "it pays for three periods");
    run_until(&mut sim, begin + 11 * SECOND);
    near(
        "a tenth all the same",
        group_time(&sim, group) - before,
        SECOND,
        2,
    );
    tree.finish(sim);
}

#[test]
fn a_quota_above_holds_for_all_below() {
    let (mut sim, tasks) = system(&[Life::Busy; 4]);
    let k = &mut sim.kernel;
    let mut tree = Tree::new();
    let root = k.groups.root();
    let above = tree.below(k, root);
    let (left, right) = (tree.below(k, above), tree.with_weight(k, above, 300));
    control::set_max(k, above, Some(40 * MS), 100 * MS).unwrap();
    control::set_max(k, right, Some(15 * MS), 100 * MS).unwrap();
    for (task, group) in tasks.iter().zip([left, left, right, root]) {
        join(k, *task, group);
    }
    let before = [left, right, above].map(|g| group_time(&sim, g));
    let begin = sim.machine.time;
    run_until(&mut sim, begin + 100 * SECOND);
    let wanted = [25, 15, 40].map(|s| s * SECOND);
    for ((group, before), wanted) in [left, right, above].into_iter().zip(before).zip(wanted) {
        near("by quota", group_time(&sim, group) - before, wanted, 2);
    }
    near("the rest", time(&sim, tasks[3]), 60 * SECOND, 2);
    tree.finish(sim);
}

#[test]
fn what_is_saved_up_can_be_used_once() {
    let (mut sim, tasks) = system(&[Life::Sleepy(30 * MS, 461 * MS)]);
    let mut tree = Tree::new();
    let root = sim.kernel.groups.root();
    let group = tree.below(&mut sim.kernel, root);
    control::set_max(&mut sim.kernel, group, Some(20 * MS), 100 * MS).unwrap();
    assert!(control::set_burst(&mut sim.kernel, group, 21 * MS).is_err());
    control::set_burst(&mut sim.kernel, group, 20 * MS).unwrap();
    join(&mut sim.kernel, tasks[0], group);
    let begin = sim.machine.time;
    run_until(&mut sim, begin + 50 * SECOND);
    let stats = control::stats(&sim.kernel, group);
    assert!(stats.throttled_periods < 3, "{stats:?}");
    assert!((20..=101).contains(&stats.bursts), "{stats:?}");
    assert!(stats.burst_time <= stats.bursts * 10 * MS, "{stats:?}");
    tree.finish(sim);
}

/// A new limit counts at once, for who runs and for who waits; without one nobody waits.
#[test]
fn limits_can_be_changed_and_taken_away() {
    let (mut sim, tree, task, group) = tenth();
    let mut from = sim.machine.time;
    for (quota, part) in [(Some(10), 10), (Some(50), 50), (None, 100), (Some(20), 20)] {
        let quota = quota.map(|ms| ms * MS);
        control::set_max(&mut sim.kernel, group, quota, 100 * MS).unwrap();
        let before = time(&sim, task);
        run_until(&mut sim, from + 10 * SECOND);
        let length = sim.machine.time - from;
        near(
            "its part",
            time(&sim, task) - before,
            length * part / 100,
            2,
        );
        from = sim.machine.time;
    }
    for (quota, period) in [
        (MS - 1, 100 * MS),
        (MS, MS - 1),
        (MS, SECOND + 1),
        (u64::MAX, SECOND),
    ] {
        assert!(control::set_max(&mut sim.kernel, group, Some(quota), period).is_err());
    }
    tree.finish(sim);
}

/// Who is killed gets the CPU to end, and its group does not wait for it.
#[test]
fn a_throttled_task_can_be_killed() {
    let (mut sim, tree, task, _) = tenth();
    let begin = sim.machine.time;
    run_until(&mut sim, begin + 50 * MS);
    groups::kill(&mut sim, task, linux::SIGKILL);
    sim.run(3);
    assert!(!sim.kernel.tasks.is_alive(task));
    tree.finish(sim);
}
