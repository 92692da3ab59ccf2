//! Frozen groups.

use super::*;

/// Two busy children in a group below another.
fn frozen_pair() -> (Sim, Tree, Vec<TaskId>, [GroupId; 2]) {
    let (mut sim, tasks) = system(&[Life::Busy, Life::Sleepy(MS, 5 * MS), Life::Busy]);
    let mut tree = Tree::new();
    let root = sim.kernel.groups.root();
    let above = tree.below(&mut sim.kernel, root);
    let below = tree.below(&mut sim.kernel, above);
    for task in &tasks[..2] {
        join(&mut sim.kernel, *task, below);
    }
    let begin = sim.machine.time;
    run_until(&mut sim, begin + SECOND);
    (sim, tree, tasks, [above, below])
}

fn times(sim: &Sim, tasks: &[TaskId]) -> Vec<u64> {
    tasks.iter().map(|t| time(sim, *t)).collect()
}

#[test]
fn nobody_in_a_frozen_group_runs_until_all_of_its_freezes_are_over() {
    let (mut sim, tree, tasks, [above, below]) = frozen_pair();
    control::set_frozen(&mut sim.kernel, above, true);
    control::set_frozen(&mut sim.kernel, below, true);
    assert!(control::is_frozen(&sim.kernel, below));
    let before = times(&sim, &tasks);
    let begin = sim.machine.time;
    run_until(&mut sim, begin + 10 * SECOND);
    assert_eq!(times(&sim, &tasks)[..2], before[..2]);
    near(
        "the other",
        time(&sim, tasks[2]) - before[2],
        10 * SECOND,
        1,
    );
    control::set_frozen(&mut sim.kernel, above, false);
    assert!(control::is_frozen(&sim.kernel, below), "by its own freeze");
    run_until(&mut sim, begin + 20 * SECOND);
    assert_eq!(times(&sim, &tasks)[..2], before[..2]);
    control::set_frozen(&mut sim.kernel, below, false);
    run_until(&mut sim, begin + 30 * SECOND);
    let after = times(&sim, &tasks);
    assert!(after[0] > before[0] + 3 * SECOND && after[1] > before[1] + SECOND);
    tree.finish(sim);
}

/// SIGKILL and a signal that ends are not held up, others are; a call is not gone on with.
#[test]
fn who_is_to_end_ends_in_a_frozen_group() {
    for (signal, ends) in [
        (linux::SIGKILL, true),
        (linux::SIGTERM, true),
        (linux::SIGCHLD, false),
    ] {
        let (mut sim, tree, tasks, [above, _]) = frozen_pair();
        control::set_frozen(&mut sim.kernel, above, true);
        let before = times(&sim, &tasks[..2]);
        let begin = sim.machine.time;
        run_until(&mut sim, begin + SECOND);
        for task in &tasks[..2] {
            groups::kill(&mut sim, *task, signal);
        }
        run_until(&mut sim, begin + 2 * SECOND);
        for task in &tasks[..2] {
            assert_eq!(sim.kernel.tasks.is_alive(*task), !ends, "signal {signal}");
        }
        if !ends {
            assert_eq!(times(&sim, &tasks[..2]), before);
        }
        tree.finish(sim);
    }
}

/// A task that was to end but catches the signal after all goes back to its frozen group.
#[test]
fn who_is_spared_stays_frozen() {
    let (mut sim, tree, tasks, [above, _]) = frozen_pair();
    control::set_frozen(&mut sim.kernel, above, true);
    let before = times(&sim, &tasks[..2]);
    for task in &tasks[..2] {
        control::doom(&mut sim.kernel, *task);
    }
    let begin = sim.machine.time;
    run_until(&mut sim, begin + SECOND);
    assert_eq!(times(&sim, &tasks[..2]), before);
    control::set_frozen(&mut sim.kernel, above, false);
    run_until(&mut sim, begin + 2 * SECOND);
    assert!(time(&sim, tasks[0]) > before[0] && time(&sim, tasks[1]) > before[1]);
    tree.finish(sim);
}
