//! Create, start and delete are done whole or leave nothing: failure of every step and of every
//! charge, of hooks in every way, deaths of everybody concerned at any time.

use crate::system::*;
use berth_kernel::arena::forgive;
use berth_kernel::container::caller_ended;
use berth_kernel::disturb::Kind;
use berth_kernel::task::exit::kill_now;
use berth_sim::Sim;

/// The operations, and what each needs to begin.
const OPERATIONS: [Verb; 3] = [Verb::Create, Verb::Start, Verb::Delete];

/// Brings the container to where `verb` can begin.
fn before_verb(sim: &mut Sim, verb: Verb, config: &str) {
    if verb != Verb::Create {
        create(sim, config).unwrap();
    }
    if verb == Verb::Delete {
        start(sim).unwrap();
        ended(sim).unwrap();
    }
}

/// What a failed create must have done by itself; of others the container may be left.
fn take_down(sim: &mut Sim, verb: Verb, failed: bool) {
    settle(sim);
    if verb == Verb::Create && failed {
        assert_eq!(sim.kernel.containers.len(), 0);
    }
    delete(sim, true).unwrap();
}

#[test]
fn every_step_of_every_operation_may_fail() {
    let mut sim = system();
    let before = count(&sim);
    for (verb, least) in [(Verb::Create, 20), (Verb::Start, 4), (Verb::Delete, 3)] {
        let mut step = 0;
        loop {
            before_verb(&mut sim, verb, CONFIG);
            sim.kernel.containers.fail_after = Some(step);
            let result = call(&mut sim, verb, CONFIG);
            let reached = sim.kernel.containers.fail_after.take().is_none();
            // A failing poststop hook is a warning.
            let (Ok(text) | Err(text)) = &result;
            assert_eq!(text.contains("made to fail"), reached, "{text}");
            take_down(&mut sim, verb, result.is_err());
            let after = format!("{verb:?} failed at step {step}");
            lives(&mut sim, before, &after);
            if !reached {
                break;
            }
            step += 1;
        }
        assert!(step >= least, "only {step} steps of {verb:?}");
    }
    forgive(sim.kernel);
}

/// Once, and there is room when it is tried again; or from then on.
#[test]
fn every_charge_of_every_operation_may_be_refused() {
    let mut sim = system();
    let before = count(&sim);
    for (verb, least) in [(Verb::Create, 50), (Verb::Start, 20), (Verb::Delete, 5)] {
        for kind in [Kind::Refusal, Kind::Famine] {
            let mut charge = 0;
            loop {
                before_verb(&mut sim, verb, CONFIG);
                sim.kernel.groups.disturb.due = Some((charge, kind));
                let result = call(&mut sim, verb, CONFIG);
                let due = sim.kernel.groups.disturb.due.take();
                sim.kernel.groups.disturb.struck = None;
                take_down(&mut sim, verb, result.is_err());
                let after = format!("{verb:?} with {kind:?} at charge {charge}: {result:?}");
                settle(&mut sim);
                assert_eq!(count(&sim), before, "{after}");
                if charge % 16 == 0 {
                    lives(&mut sim, before, &after);
                }
                if due.is_some_and(|due| due.0 > 0) {
                    assert!(result.is_ok(), "{after}");
                    break;
                }
                charge += 1;
            }
            assert!(charge >= least, "only {charge} charges of {verb:?}");
        }
    }
    forgive(sim.kernel);
}

/// From one page on, page by page, until the container lives.
#[test]
fn every_memory_limit_is_survived() {
    let mut sim = system();
    let before = count(&sim);
    let mut fewest = [0; 2];
    for pages in 1.. {
        let config = format!("{CONFIG}memory_limit={}\n", pages * 4096);
        let created = create(&mut sim, &config);
        let started = created.clone().and_then(|_| start(&mut sim));
        let ended = ended(&mut sim);
        for (fewest, result) in fewest.iter_mut().zip([created.is_err(), started.is_err()]) {
            *fewest += i32::from(result);
        }
        take_down(&mut sim, Verb::Create, created.is_err());
        let after = format!("{pages} pages: {created:?}, {started:?}, {ended:?}");
        lives(&mut sim, before, &after);
        if ended == Ok((berth_abi::exit::CODE, 7)) {
            break;
        }
        assert!(pages < 1000, "{after}");
    }
    // Too few for create, and too few for start.
    assert!(0 < fewest[0] && fewest[0] < fewest[1], "{fewest:?}");
    forgive(sim.kernel);
}

/// The ways in which a hook fails, and the words for it.
const FAILING: [(&str, &str); 5] = [
    ("3", "exit"),
    ("none", "no such file or directory"),
    ("4:3", "timeout of 3s"),
    ("6", "exit"),
    ("7", "signal"),
];

/// Those of create undo it, those of start delete the container (lifecycle steps 7 and 9).
#[test]
fn hooks_of_create_and_start_that_fail_are_named_and_leave_nothing() {
    let mut sim = system();
    let before = count(&sim);
    for kind in OF_CREATE.into_iter().chain(OF_START) {
        for (program, reason) in FAILING {
            let config = with_hook(kind, program);
            let result = match OF_CREATE.contains(&kind) {
                true => create(&mut sim, &config).map(drop),
                false => {
                    create(&mut sim, &config).unwrap();
                    start(&mut sim)
                }
            };
            let text = result.unwrap_err();
            assert!(text.contains(kind) && text.contains(reason), "{text}");
            let gone = delete(&mut sim, false).unwrap_err();
            assert!(gone.contains("does not exist"), "{gone}");
            lives(&mut sim, before, &format!("{kind} {program}"));
        }
    }
    forgive(sim.kernel);
}

#[test]
fn a_failing_poststop_hook_is_a_warning() {
    let mut sim = system();
    let before = count(&sim);
    for (program, reason) in FAILING {
        before_verb(&mut sim, Verb::Delete, &with_hook("poststop", program));
        let warning = delete(&mut sim, false).unwrap();
        assert!(
            warning.contains("poststop") && warning.contains(reason),
            "{warning}"
        );
        lives(&mut sim, before, program);
    }
    forgive(sim.kernel);
}

/// Makes so many turns of a call of process 1; false when that is its end.
fn turns(sim: &mut Sim, verb: Verb, config: &str, turns: u32, settled: bool) -> bool {
    let mut caller = Caller::new(init(sim), verb, config);
    for turn in 0..turns {
        if turn > 0 {
            settle(sim);
        }
        if caller.turn(sim).is_some() {
            return false;
        }
    }
    if settled {
        settle(sim);
    }
    true
}

/// Whether the hook it waits for has run by then or not.
#[test]
fn the_caller_may_be_killed_whenever_it_waits() {
    let mut sim = system();
    let before = count(&sim);
    for verb in OPERATIONS {
        for settled in [false, true] {
            let mut number = 1;
            loop {
                before_verb(&mut sim, verb, CONFIG);
                let waits = turns(&mut sim, verb, CONFIG, number, settled);
                if waits {
                    let task = init(&sim);
                    caller_ended(&mut sim.kernel, task);
                    settle(&mut sim);
                }
                // Create is undone, delete goes on, and both to the end.
                if waits && verb != Verb::Start {
                    assert_eq!(count(&sim), before, "{verb:?} turn {number}");
                }
                take_down(&mut sim, verb, false);
                lives(&mut sim, before, &format!("{verb:?} turn {number}"));
                if !waits {
                    break;
                }
                number += 1;
            }
            assert!(number > 1, "{verb:?} does not wait");
        }
    }
    forgive(sim.kernel);
}

#[test]
fn the_caller_may_be_killed_while_any_hook_sleeps() {
    let mut sim = system();
    let before = count(&sim);
    let of = |kinds: &[&'static str], verb| kinds.iter().map(move |k| (*k, verb)).collect();
    let mut cases: Vec<(&str, Verb)> = of(&OF_CREATE, Verb::Create);
    cases.extend::<Vec<_>>(of(&OF_START, Verb::Start));
    for (kind, verb) in cases {
        let config = with_hook(kind, "4");
        before_verb(&mut sim, verb, &config);
        let mut caller = Caller::new(init(&sim), verb, &config);
        loop {
            assert_eq!(caller.turn(&mut sim), None, "{kind}");
            settle(&mut sim);
            if !caller.yields() && sim.kernel.tasks.processes.iter().any(sleeping_hook) {
                break;
            }
        }
        let busy = delete(&mut sim, false).unwrap_err();
        assert!(busy.contains("in progress"), "{busy}");
        caller_ended(&mut sim.kernel, caller.task);
        settle(&mut sim);
        // A start goes on without its caller, and can be ended by force.
        let left = usize::from(verb == Verb::Start);
        assert_eq!(sim.kernel.containers.len(), left, "{kind}");
        delete(&mut sim, true).unwrap();
        lives(&mut sim, before, kind);
    }
    // A delete, too; that hook's time runs out.
    before_verb(&mut sim, Verb::Delete, &with_hook("poststop", "4:3"));
    assert!(turns(&mut sim, Verb::Delete, "", 1, false));
    let task = init(&sim);
    caller_ended(&mut sim.kernel, task);
    lives(&mut sim, before, "poststop");
    forgive(sim.kernel);
}

fn sleeping_hook(
    (_, process): (berth_kernel::task::ProcessId, &berth_kernel::task::Process),
) -> bool {
    process.hook.is_some() && process.ending.is_none()
}

/// By a hook, or by hand.
#[test]
fn the_first_task_may_be_killed_whenever_the_caller_waits() {
    let mut sim = system();
    let before = count(&sim);
    let mut killed = [0; 3];
    for (index, verb) in OPERATIONS.into_iter().enumerate() {
        for settled in [false, true] {
            let mut number = 1;
            loop {
                before_verb(&mut sim, verb, CONFIG);
                let mut caller = Caller::new(init(&sim), verb, CONFIG);
                let mut result = None;
                for _ in 0..number {
                    result = caller.turn(&mut sim);
                    if result.is_some() {
                        break;
                    }
                    if settled {
                        settle(&mut sim);
                    }
                }
                let waits = result.is_none();
                if let Some(first) = first_process(&sim).filter(|_| waits) {
                    kill_now(&mut sim.kernel, &mut sim.machine, first);
                    killed[index] += 1;
                }
                let result = result.unwrap_or_else(|| caller.finish(&mut sim));
                take_down(&mut sim, verb, result.is_err());
                lives(
                    &mut sim,
                    before,
                    &format!("{verb:?} turn {number}: {result:?}"),
                );
                if !waits || number > 40 {
                    break;
                }
                number += 1;
            }
        }
    }
    assert!(killed[0] > 3 && killed[1] > 0, "{killed:?}");
    forgive(sim.kernel);
}
