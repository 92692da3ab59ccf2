//! Random moves, freezes, quotas, signals and ends: nobody is lost or queued twice, and what is
//! left in the end is nothing.

use super::*;
use berth_kernel::sched::audit;
use berth_sim::SimMachine;

fn random_life(random: &mut impl FnMut(u64) -> u64) -> Life {
    match random(4) {
        0 => Life::Busy,
        1 => Life::Polite(1 + random(3 * MS)),
        _ => Life::Sleepy(1 + random(6 * MS), 1 + random(20 * MS)),
    }
}

/// Something happens to a task or a group.
fn strike(sim: &mut Sim, tree: &mut Tree, tasks: &[TaskId], random: &mut impl FnMut(u64) -> u64) {
    let root = sim.kernel.groups.root();
    let any_group = |tree: &Tree, n: u64| match n as usize % (tree.0.len() + 1) {
        0 => root,
        n => tree.0[n - 1].key(),
    };
    let group = any_group(tree, random(1000));
    let task = tasks[random(tasks.len() as u64) as usize];
    let alive = sim.kernel.tasks.is_alive(task);
    let k = &mut sim.kernel;
    match random(16) {
        0 if tree.0.len() < 12 => {
            tree.below(k, group);
        }
        1..=4 if alive => join(k, task, group),
        5 | 6 if group != root => control::set_frozen(k, group, random(3) == 0),
        7 if group != root => {
            let quota = MS + random(50 * MS);
            let quota = (random(3) > 0).then_some(quota);
            control::set_max(k, group, quota, MS + random(100 * MS)).expect("a limit");
        }
        8 if group != root => {
            let _ = control::set_weight(k, group, Weight::of_shares(1 + random(10_000)));
        }
        9 if group != root => control::set_idle(k, group, random(2) == 0),
        10 if alive => control::reweighed(k, task, |k| {
            k.tasks.task_mut(task).unwrap().nice = random(40) as i8 - 20;
        }),
        11 if alive => groups::kill(
            sim,
            task,
            [linux::SIGSTOP, linux::SIGCONT][random(2) as usize],
        ),
        12 if alive => control::doom(k, task),
        13 if alive && random(20) == 0 => groups::kill(sim, task, linux::SIGKILL),
        14 if alive && random(20) == 0 => groups::kill(sim, task, linux::SIGTERM),
        // A group goes, if nobody is in it.
        15 if !tree.0.is_empty() => {
            let n = random(tree.0.len() as u64) as usize;
            let id = tree.0[n].key();
            let has_children = sim
                .kernel
                .groups
                .ids()
                .any(|g| sim.kernel.groups.parent(g) == Some(id));
            if sim.kernel.groups.usage(id).tasks == 0 && !has_children {
                let held = tree.0.remove(n);
                sim.kernel.groups.release(held);
            }
        }
        _ => {}
    }
}

fn storm(seed: u64) {
    let mut chance = SimMachine::new(Config {
        seed,
        ..Config::default()
    });
    let mut random = |below: u64| chance.random() % below;
    let lives: Vec<Life> = (0..3 + random(10))
        .map(|_| random_life(&mut random))
        .collect();
    let (mut sim, tasks) = system(&lives);
    let mut tree = Tree::new();
    for _ in 0..1500 {
        if random(3) == 0 {
            strike(&mut sim, &mut tree, &tasks, &mut random);
            audit::check(&sim.kernel);
        }
        sim.horizon = sim.machine.time + 1 + random(20 * MS);
        if sim.run_checked(1, invariants::check) == End::Asleep {
            sim.machine.time = sim.horizon;
        }
    }
    // All thaw and have what they want: everybody who can runs again.
    for group in tree.0.iter().map(|held| held.key()).collect::<Vec<_>>() {
        control::set_frozen(&mut sim.kernel, group, false);
        control::set_max(&mut sim.kernel, group, None, 100 * MS).unwrap();
        control::set_idle(&mut sim.kernel, group, false);
        control::set_weight(&mut sim.kernel, group, Weight::default()).unwrap();
    }
    for task in &tasks {
        groups::kill(&mut sim, *task, linux::SIGCONT);
    }
    let living = tasks.iter().filter(|t| sim.kernel.tasks.is_alive(**t));
    let before: Vec<(TaskId, u64)> = living.map(|t| (*t, time(&sim, *t))).collect();
    for (task, _) in &before {
        control::reweighed(&mut sim.kernel, *task, |k| {
            k.tasks.task_mut(*task).unwrap().nice = 0
        });
    }
    let begin = sim.machine.time;
    run_until(&mut sim, begin + 5 * SECOND);
    for (task, before) in before {
        // A signal that waited while it was stopped may have ended it.
        if !sim.kernel.tasks.is_alive(task) {
            continue;
        }
        assert!(
            time(&sim, task) > before,
            "seed {seed}: {task:?} runs again"
        );
    }
    tree.finish(sim);
}

#[test]
fn nobody_is_lost_or_doubled() {
    for seed in 0..40 {
        storm(seed);
    }
}
