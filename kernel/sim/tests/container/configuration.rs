//! How a configuration comes in: in turns, as large as it may be.

use crate::system::*;
use berth_kernel::arena::forgive;
use berth_kernel::container::caller_ended;
use berth_sim::Sim;

/// A configuration that takes hundreds of turns.
fn large() -> String {
    let mut text = String::from(CONFIG);
    for n in 0..1000 {
        text.push_str(&format!("process_env=NAME{n}=value\nprocess_arg={n}\n").repeat(3));
        text.push_str(&format!("annotation=org.example.{n}=value\n"));
    }
    text
}

#[test]
fn a_large_configuration_comes_in_by_turns_and_leaves_nothing_behind() {
    let mut sim = system();
    let before = count(&sim);
    let text = large();
    let good = turns_of(&mut sim, &text);
    assert!(good.0 > 200, "{} turns", good.0);
    good.1.unwrap();
    delete(&mut sim, true).unwrap();
    settle(&mut sim);
    assert_eq!(count(&sim), before);
    for (bad, named) in [
        (format!("{text}garbage"), "garbage"),
        (format!("{text}root_path=again"), "root_path"),
        (format!("{text}personality=LINUX32"), "personality"),
        (
            text.replace("root_path=bin", "root_path=nowhere"),
            "nowhere",
        ),
    ] {
        let (_, result) = turns_of(&mut sim, &bad);
        assert!(result.unwrap_err().contains(named));
        settle(&mut sim);
        assert_eq!(sim.kernel.containers.drafts(), 0);
        assert_eq!(count(&sim), before);
    }
    forgive(sim.kernel);
}

/// Creates a container; how many turns that took besides its result.
fn turns_of(sim: &mut Sim, config: &str) -> (u32, Result<String, String>) {
    let mut caller = Caller::new(init(sim), Verb::Create, config);
    for turns in 1.. {
        if let Some(result) = caller.turn(sim) {
            return (turns, result);
        }
        settle(sim);
    }
    panic!("the call waits for ever");
}

/// Whenever the creator dies while its configuration comes in.
#[test]
fn a_dying_caller_leaves_no_half_of_a_configuration() {
    let mut sim = system();
    let before = count(&sim);
    let text = large();
    for turns in [1, 2, 10, 100, 250] {
        let mut caller = Caller::new(init(&sim), Verb::Create, &text);
        for _ in 0..turns {
            assert_eq!(caller.turn(&mut sim), None, "turn {turns}");
        }
        assert_eq!(sim.kernel.containers.drafts(), 1);
        assert!(sim.kernel.containers.is_empty(), "nothing to be seen");
        caller_ended(&mut sim.kernel, caller.task);
        assert_eq!(sim.kernel.containers.drafts(), 0);
        settle(&mut sim);
        assert_eq!(count(&sim), before);
    }
    forgive(sim.kernel);
}

#[test]
fn a_plan_is_told_without_a_container() {
    let mut sim = system();
    let before = count(&sim);
    let explain = |sim: &mut Sim, text: &str| call(sim, Verb::Explain, text);
    let length = |told: Result<String, String>| told.unwrap().parse::<usize>().unwrap();
    let plain = length(explain(&mut sim, CONFIG));
    let more = format!("{CONFIG}process_exec_cpus_final=0\n");
    let more = length(explain(&mut sim, &more));
    let line = "refused\tprocess_exec_cpus_final\t0\t\
                this kernel does not support CPU affinity of processes added by exec\n";
    assert_eq!(more, plain + line.len());
    assert_eq!(length(explain(&mut sim, &large())), plain);
    let error = explain(&mut sim, "nonsense").unwrap_err();
    assert!(error.contains("expected key=value"), "{error}");
    settle(&mut sim);
    assert_eq!(sim.kernel.containers.drafts(), 0);
    assert_eq!(count(&sim), before);
    forgive(sim.kernel);
}
