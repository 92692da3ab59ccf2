//! Tasks that come and go: moves, accounts, the memory that keeps others out.

use super::*;
use berth_kernel::task::SigInfo;
use berth_kernel::task::signal;

/// Sends a signal of the kernel.
pub fn kill(sim: &mut Sim, task: TaskId, number: u32) {
    signal::send_task(&mut sim.kernel, task, SigInfo::kernel(number));
}

/// What a task used counts where it was when it did, and above; a move takes nothing along.
#[test]
fn times_count_where_they_were_used() {
    let (mut sim, tasks) = system(&[Life::Busy, Life::Busy]);
    let mut tree = Tree::new();
    let root = sim.kernel.groups.root();
    let above = tree.below(&mut sim.kernel, root);
    let (a, b) = (
        tree.below(&mut sim.kernel, above),
        tree.below(&mut sim.kernel, above),
    );
    join(&mut sim.kernel, tasks[0], a);
    join(&mut sim.kernel, tasks[1], a);
    let begin = sim.machine.time;
    run_until(&mut sim, begin + 10 * SECOND);
    join(&mut sim.kernel, tasks[1], b);
    run_until(&mut sim, begin + 20 * SECOND);
    let mut used = tasks.iter().map(|t| time(&sim, *t)).sum::<u64>();
    let (of_a, of_b) = (group_time(&sim, a), group_time(&sim, b));
    near("a", of_a, 15 * SECOND, 1);
    near("b", of_b, 5 * SECOND, 1);
    assert_eq!(group_time(&sim, above), of_a + of_b);
    // And before they were there.
    used -= of_a + of_b;
    assert!(used < 10 * MS, "{used}");
    let times = account::times(&sim.kernel, above);
    assert_eq!(times.user + times.system, times.total());
    assert_eq!(times.nice, 0);
    tree.finish(sim);
}

/// Who moves to and fro gets no more than who stays.
#[test]
fn moving_gains_nothing() {
    let (mut sim, tasks) = system(&[Life::Busy; 4]);
    let mut tree = Tree::new();
    let root = sim.kernel.groups.root();
    let places = [root, tree.below(&mut sim.kernel, root)];
    let pair = [tree.below(&mut sim.kernel, places[1]), places[1]];
    join(&mut sim.kernel, tasks[0], pair[0]);
    join(&mut sim.kernel, tasks[1], pair[1]);
    let begin = sim.machine.time;
    let before = time(&sim, tasks[0]);
    for n in 1..=2000 {
        run_until(&mut sim, begin + n * 13 * MS);
        join(&mut sim.kernel, tasks[0], pair[n as usize % 2]);
    }
    let length = sim.machine.time - begin;
    // The group has a third of the CPU; in there it is one of two, on either level.
    let own = time(&sim, tasks[0]) - before;
    assert!(own * 100 <= length / 6 * 110, "{own} of {length}");
    assert!(own * 100 >= length / 6 * 90, "{own} of {length}");
    tree.finish(sim);
}

/// Time in the kernel is the caller's, also when somebody else runs next.
#[test]
fn time_in_a_call_is_the_callers() {
    let (mut sim, tasks) = system(&[Life::Sleepy(MS, 10 * MS)]);
    let mut tree = Tree::new();
    let root = sim.kernel.groups.root();
    let group = tree.below(&mut sim.kernel, root);
    join(&mut sim.kernel, tasks[0], group);
    let begin = sim.machine.time;
    run_until(&mut sim, begin + SECOND);
    let times = account::times(&sim.kernel, group);
    near("user", times.user, time(&sim, tasks[0]), 5);
    tree.finish(sim);
}
