//! The kernel is entered only when it has something to decide.

use super::*;

fn traps_of(sim: &mut Sim, length: u64) -> u64 {
    interrupt(sim);
    let before = sim.traps;
    let until = sim.machine.time + length;
    sim.horizon = until;
    while sim.machine.time < until {
        if sim.run(1) == End::Asleep {
            break;
        }
    }
    sim.traps - before
}

#[test]
fn who_is_alone_is_not_interrupted() {
    let (mut sim, _) = system(&[Life::Busy]);
    sim.run(10);
    // The script itself goes on every 100 s.
    assert!(traps_of(&mut sim, 1000 * SECOND) < 40);
    Tree::new().finish(sim);
}

#[test]
fn nobody_wakes_an_idle_machine() {
    let (mut sim, tasks) = system(&[Life::Sleepy(MS, 100 * SECOND)]);
    assert_eq!(tasks.len(), 1);
    sim.run(10);
    assert!(traps_of(&mut sim, 1000 * SECOND) < 60);
    Tree::new().finish(sim);
}

#[test]
fn who_competes_is_interrupted_once_a_slice() {
    let (mut sim, _) = system(&[Life::Busy; 2]);
    sim.run(10);
    let traps = traps_of(&mut sim, 4 * SECOND);
    assert!((500..=1010).contains(&traps), "{traps}");
    Tree::new().finish(sim);
}

/// A frozen or throttled neighbour is nobody to compete with.
#[test]
fn who_cannot_run_is_no_competition() {
    let (mut sim, tasks) = system(&[Life::Busy; 2]);
    let mut tree = Tree::new();
    let root = sim.kernel.groups.root();
    let group = tree.below(&mut sim.kernel, root);
    join(&mut sim.kernel, tasks[0], group);
    control::set_frozen(&mut sim.kernel, group, true);
    sim.run(10);
    assert!(traps_of(&mut sim, 1000 * SECOND) < 40);
    control::set_frozen(&mut sim.kernel, group, false);
    control::set_max(&mut sim.kernel, group, Some(MS), SECOND).unwrap();
    // A slice, the end of the quota, the next period.
    assert!(traps_of(&mut sim, 100 * SECOND) < 600);
    tree.finish(sim);
}
