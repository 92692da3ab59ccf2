//! Many callers, one id: one wins, the others are told, and nothing is left.

use crate::system::*;
use berth_kernel::arena::forgive;
use berth_kernel::task::{TaskId, exit};
use berth_sim::Sim;

/// Callers at once.
const CALLERS: usize = 6;

/// A number that depends on the seed and all numbers before.
fn random(seed: &mut u64, below: usize) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    (*seed >> 33) as usize % below
}

fn tasks(sim: &Sim) -> Vec<TaskId> {
    let processes = sim.kernel.tasks.processes.iter();
    let tasks: Vec<TaskId> = processes
        .filter_map(|(id, _)| sim.kernel.tasks.leader(id))
        .collect();
    assert_eq!(tasks.len(), CALLERS);
    tasks
}

/// Has every task make its calls, one after the other, all of them at once and in random turns.
fn all_at_once(
    sim: &mut Sim,
    tasks: &[TaskId],
    config: &str,
    seed: &mut u64,
    verbs: impl Fn(usize) -> Vec<Verb>,
) -> Vec<(Verb, Result<String, String>)> {
    let mut todo: Vec<_> = (0..tasks.len()).map(&verbs).collect();
    let mut callers: Vec<Option<(Verb, Caller)>> = tasks.iter().map(|_| None).collect();
    let mut results = Vec::new();
    for _ in 0..20_000 {
        let at = random(seed, tasks.len());
        if callers[at].is_none() {
            let next = todo[at].pop();
            callers[at] = next.map(|verb| (verb, Caller::new(tasks[at], verb, config)));
        }
        if let Some((verb, caller)) = &mut callers[at] {
            if let Some(result) = caller.turn(sim) {
                results.push((*verb, result));
                callers[at] = None;
            }
        }
        if random(seed, 3) == 0 {
            settle(sim);
        }
        if todo.iter().all(Vec::is_empty) && callers.iter().all(Option::is_none) {
            return results;
        }
    }
    panic!("somebody waits for ever");
}

/// How many succeeded; the others must have been told one of `words`.
fn winners(results: &[(Verb, Result<String, String>)], words: &[&str]) -> usize {
    let told = |text: &String| words.iter().any(|word| text.contains(word));
    for (verb, result) in results {
        assert!(
            result.as_ref().err().is_none_or(told),
            "{verb:?}: {result:?}"
        );
    }
    results.iter().filter(|(_, result)| result.is_ok()).count()
}

#[test]
fn of_many_who_do_the_same_one_wins() {
    let mut sim = system_with(CALLERS - 1);
    let before = count(&sim);
    let tasks = tasks(&sim);
    for round in 1..100 {
        let mut seed = round;
        let mut all =
            |sim: &mut Sim, verb| all_at_once(sim, &tasks, CONFIG, &mut seed, |_| vec![verb]);
        let created = all(&mut sim, Verb::Create);
        assert_eq!(winners(&created, &["already exists"]), 1);
        let started = all(&mut sim, Verb::Start);
        let words = ["in progress", "cannot start"];
        assert_eq!(winners(&started, &words), 1);
        ended(&mut sim).unwrap();
        let deleted = all(&mut sim, Verb::Delete);
        let words = ["in progress", "does not exist"];
        assert_eq!(winners(&deleted, &words), 1);
        lives(&mut sim, before, &format!("round {round}"));
    }
    forgive(sim.kernel);
}

#[test]
fn whoever_does_whatever_nothing_is_left() {
    let mut sim = system_with(CALLERS - 1);
    let before = count(&sim);
    let tasks = tasks(&sim);
    let hooked = with_hook("poststart", "4:1");
    let unpid = with_hook("startContainer", "5").replace("namespace=pid\n", "");
    let fails = with_hook("createContainer", "6");
    let configs = [CONFIG, &hooked, &unpid, &fails];
    for round in 1..200 {
        let mut seed = round;
        let verbs: Vec<Vec<Verb>> = (0..CALLERS)
            .map(|_| (0..5).map(|_| any_verb(&mut seed)).collect())
            .collect();
        let config = configs[random(&mut seed, configs.len())];
        let results = all_at_once(&mut sim, &tasks, config, &mut seed, |at| verbs[at].clone());
        let words = [
            "already exists",
            "does not exist",
            "in progress",
            "cannot start",
            "cannot delete",
            "cannot pause",
            "cannot resume",
            "paused",
            "not running",
            "container is gone",
            "process was killed",
            "deleted while it was starting",
            "still running",
            "hook #0",
        ];
        winners(&results, &words);
        delete(&mut sim, true).unwrap();
        lives(&mut sim, before, &format!("round {round}: {results:?}"));
    }
    forgive(sim.kernel);
}

fn any_verb(seed: &mut u64) -> Verb {
    let verbs = [
        Verb::Create,
        Verb::Create,
        Verb::Start,
        Verb::Kill,
        Verb::Pause,
        Verb::Resume,
        Verb::Delete,
        Verb::ForceDelete,
    ];
    verbs[random(seed, verbs.len())]
}

/// A handler of a signal takes what a waiting call remembers with it: the call is made again, and
/// its operation is still its own.
#[test]
fn a_call_made_again_behind_a_handler_goes_on() {
    let mut sim = system_with(CALLERS - 1);
    let before = count(&sim);
    let task = tasks(&sim)[1];
    for verb in [Verb::Create, Verb::Start, Verb::Delete] {
        let mut caller = Caller::new(task, verb, CONFIG);
        caller.interrupted = true;
        let result = caller.finish(&mut sim);
        assert!(result.is_ok(), "{verb:?}: {result:?}");
        if verb == Verb::Start {
            ended(&mut sim).unwrap();
        }
    }
    lives(&mut sim, before, "all three");
    forgive(sim.kernel);
}

/// A handler that does not go back to the call leaves its operation in progress; there can be
/// several of one task. All of them end with it.
#[test]
fn all_operations_that_a_task_left_end_with_it() {
    let mut sim = system_with(CALLERS - 1);
    let task = tasks(&sim)[1];
    for id in ["c", "d", "e"] {
        let mut caller = Caller::new(task, Verb::Create, CONFIG);
        caller.id = id;
        while !caller.is_interruptible() {
            assert_eq!(caller.turn(&mut sim), None, "{id} waits");
        }
    }
    assert_eq!(count(&sim).containers, 3);
    let process = sim.kernel.tasks.process_of(task).unwrap().0;
    exit::kill_now(&mut sim.kernel, &mut sim.machine, process);
    settle(&mut sim);
    assert_eq!(count(&sim).containers, 0);
    forgive(sim.kernel);
}
