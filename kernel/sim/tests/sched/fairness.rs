//! Shares.

use super::*;
use berth_sim::SimMachine;

#[test]
fn equals_share_equally_and_wait_for_a_slice_each() {
    let (mut sim, tasks) = system(&[Life::Busy; 10]);
    let begin = sim.machine.time;
    run_until(&mut sim, begin + 100 * SECOND);
    for task in tasks {
        near("a tenth", time(&sim, task), 10 * SECOND, 1);
        let turns = sim.kernel.tasks.task(task).unwrap().figures.turns;
        assert!((2000..=2600).contains(&turns), "{turns} slices");
    }
    Tree::new().finish(sim);
}

#[test]
fn niceness_is_weight() {
    let (mut sim, tasks) = system(&[Life::Busy; 3]);
    for (task, nice) in tasks.iter().zip([0, 5, -5]) {
        control::reweighed(&mut sim.kernel, *task, |k| {
            k.tasks.task_mut(*task).unwrap().nice = nice;
        });
    }
    let begin = sim.machine.time;
    run_until(&mut sim, begin + 1000 * SECOND);
    let all = 1024 + 335 + 3121;
    for (task, weight) in tasks.iter().zip([1024, 335, 3121]) {
        near(
            "by weight",
            time(&sim, *task),
            1000 * SECOND * weight / all,
            1,
        );
    }
    Tree::new().finish(sim);
}

#[test]
fn who_is_idle_gets_what_is_left() {
    let (mut sim, tasks) = system(&[Life::Busy, Life::Busy, Life::Sleepy(10 * MS, 10 * MS)]);
    let mut tree = Tree::new();
    let root = sim.kernel.groups.root();
    let idle = tree.below(&mut sim.kernel, root);
    control::set_idle(&mut sim.kernel, idle, true);
    assert!(control::set_weight(&mut sim.kernel, idle, Weight::default()).is_err());
    join(&mut sim.kernel, tasks[0], idle);
    let stopped = tree.below(&mut sim.kernel, root);
    control::set_frozen(&mut sim.kernel, stopped, true);
    join(&mut sim.kernel, tasks[1], stopped);
    let begin = sim.machine.time;
    run_until(&mut sim, begin + 100 * SECOND);
    let (left, sleepy) = (time(&sim, tasks[0]), time(&sim, tasks[2]));
    assert!(sleepy > 48 * SECOND, "hardly kept waiting: {sleepy}");
    near("the rest", left, 100 * SECOND - sleepy, 1);
    tree.finish(sim);
}

/// A shell wakes for a moment now and then beside busy loops: it has the CPU at once.
#[test]
fn who_sleeps_mostly_is_not_kept_waiting() {
    let mut lives = [Life::Busy; 20];
    lives[7] = Life::Sleepy(MS, 50 * MS);
    let (mut sim, tasks) = system(&lives);
    let begin = sim.machine.time;
    let before = sim.kernel.tasks.task(tasks[7]).unwrap().figures;
    run_until(&mut sim, begin + 100 * SECOND);
    let after = sim.kernel.tasks.task(tasks[7]).unwrap().figures;
    let (turns, waited) = (after.turns - before.turns, after.waited - before.waited);
    assert!(turns > 1900, "{turns} times");
    // The first time it is new, and waits for the others.
    assert!(waited < 200 * MS, "{waited} ns in {turns} turns");
    Tree::new().finish(sim);
}

/// Who sleeps a little all the time does not get more than who is busy.
#[test]
fn sleeping_gains_nothing() {
    let (mut sim, tasks) = system(&[Life::Busy, Life::Sleepy(3 * MS, MS / 10)]);
    let begin = sim.machine.time;
    run_until(&mut sim, begin + 100 * SECOND);
    let (busy, sleepy) = (time(&sim, tasks[0]), time(&sim, tasks[1]));
    assert!(sleepy <= busy * 101 / 100, "{sleepy} of {busy}");
    assert!(sleepy >= busy * 95 / 100, "{sleepy} of {busy}");
    Tree::new().finish(sim);
}

#[test]
fn who_gives_way_does_not_stop_the_others() {
    let (mut sim, tasks) = system(&[Life::Busy, Life::Polite(MS / 10), Life::Polite(MS / 10)]);
    let begin = sim.machine.time;
    run_until(&mut sim, begin + 10 * SECOND);
    let times: Vec<u64> = tasks.iter().map(|t| time(&sim, *t)).collect();
    for time in times {
        near("a third", time, 10 * SECOND / 3, 2);
    }
    Tree::new().finish(sim);
}

/// A group has its share however many tasks it has, and whatever is in the groups below.
#[test]
fn groups_share_and_not_their_tasks() {
    let (mut sim, tasks) = system(&[Life::Busy; 12]);
    let k = &mut sim.kernel;
    let mut tree = Tree::new();
    let root = k.groups.root();
    let (one, three) = (
        tree.with_weight(k, root, 100),
        tree.with_weight(k, root, 300),
    );
    for task in &tasks[..11] {
        join(k, *task, one);
    }
    join(k, tasks[11], three);
    let (before, begin) = (
        [group_time(&sim, one), group_time(&sim, three)],
        sim.machine.time,
    );
    run_until(&mut sim, begin + 400 * SECOND);
    near(
        "one part",
        group_time(&sim, one) - before[0],
        100 * SECOND,
        1,
    );
    near(
        "three parts",
        group_time(&sim, three) - before[1],
        300 * SECOND,
        1,
    );
    near("all", group_time(&sim, root), sim.machine.time, 1);
    tree.finish(sim);
}

/// Random trees with busy tasks, over a simulated hour together: everybody has the share that the weights on
/// the way to it say.
#[test]
fn random_trees_are_fair_over_hours() {
    for seed in 0..4 {
        let mut chance = SimMachine::new(Config {
            seed,
            ..Config::default()
        });
        let mut random = |from: u64, to: u64| from + chance.random() % (to - from);
        let (mut sim, tasks) = system(&vec![Life::Busy; random(3, 14) as usize]);
        let mut tree = Tree::new();
        let mut groups = vec![sim.kernel.groups.root()];
        for _ in 0..random(1, 10) {
            let above = groups[random(0, groups.len() as u64) as usize];
            groups.push(tree.with_weight(&mut sim.kernel, above, random(20, 500)));
        }
        for task in &tasks {
            let group = groups[random(0, groups.len() as u64) as usize];
            join(&mut sim.kernel, *task, group);
            let nice = random(0, 11) as i8 - 5;
            control::reweighed(&mut sim.kernel, *task, |k| {
                k.tasks.task_mut(*task).unwrap().nice = nice;
            });
        }
        let (begin, before) = (sim.machine.time, tasks.iter().map(|t| time(&sim, *t)));
        let before: Vec<u64> = before.collect();
        run_until(&mut sim, begin + 1000 * SECOND);
        let length = sim.machine.time - begin;
        for (task, before) in tasks.iter().zip(before) {
            let wanted = (share(&sim.kernel, &tasks, *task) * length as f64) as u64;
            near(
                &format!("seed {seed}, {task:?}"),
                time(&sim, *task) - before,
                wanted,
                5,
            );
        }
        tree.finish(sim);
    }
}

/// The part of the CPU that a busy task should have among others that are all busy.
fn share(k: &Kernel, tasks: &[TaskId], task: TaskId) -> f64 {
    let weight = |w: Weight| w.virtual_time(1 << 40) as f64;
    let parts = |own: Weight, all: Vec<Weight>| {
        let sum: f64 = all.into_iter().map(|w| 1.0 / weight(w)).sum();
        1.0 / weight(own) / sum
    };
    let is_busy = |g: GroupId| {
        tasks
            .iter()
            .any(|t| k.groups.within(k.tasks.task(*t).unwrap().group.key(), g))
    };
    let of_task = |t: &TaskId| Weight::of_niceness(k.tasks.task(*t).unwrap().nice);
    let of_group = |g: GroupId| k.groups.cpu(g).unwrap().effective_weight();
    let in_group = |g: GroupId| {
        let own = tasks
            .iter()
            .filter(move |t| k.tasks.task(**t).unwrap().group.key() == g);
        let below = k
            .groups
            .ids()
            .filter(move |b| k.groups.parent(*b) == Some(g));
        own.map(of_task)
            .chain(below.filter(|b| is_busy(*b)).map(of_group))
            .collect::<Vec<_>>()
    };
    let mut group = k.tasks.task(task).unwrap().group.key();
    let mut share = parts(of_task(&task), in_group(group));
    while let Some(above) = k.groups.parent(group) {
        share *= parts(of_group(group), in_group(above));
        group = above;
    }
    share
}

/// A fork bomb's children come after those who wait already.
#[test]
fn the_new_do_not_starve_the_old() {
    let init = Script::new()
        .sys(linux::__NR_fork, &[])
        .if_zero(Reg::Rax, "old")
        .label("bomb")
        .sys(linux::__NR_fork, &[])
        .if_zero(Reg::Rax, "bomb")
        .spin(MS / 10)
        .jump("bomb")
        .label("old")
        .spin(100 * SECOND)
        .jump("old");
    let mut sim = Sim::boot(Config::default(), vec![init]);
    let root = sim.kernel.groups.root();
    let limits = berth_kernel::cgroup::Limits {
        tasks: 300,
        ..berth_kernel::cgroup::Limits::NONE
    };
    sim.kernel.groups.set_limits(root, limits);
    while children(&sim.kernel).is_empty() {
        sim.run(1);
    }
    let old = children(&sim.kernel)[0];
    // The bomb has gone off: 300 wait. Before that the old one has had its turn.
    run_until(&mut sim, 60 * MS);
    assert!(time(&sim, old) > 0, "it has waited for the new");
    run_until(&mut sim, 20 * SECOND);
    near("its part", time(&sim, old), 20 * SECOND / 300, 30);
    Tree::new().finish(sim);
}
