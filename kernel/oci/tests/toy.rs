//! The toy kernel of the examples does what it says.
#![cfg(feature = "alloc")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../examples/toy.rs"]
#[allow(dead_code)]
mod toy;

use toy::{CONFIG, Toy};

fn life(code: &str, more: &str) -> (Toy, Result<(), String>) {
    let mut toy = Toy::default();
    let end = toy.life(&(CONFIG.replace("{}", code) + more));
    (toy, end.map_err(|error| error.to_string()))
}

#[test]
fn a_life_runs_all_six_kinds_of_hooks_in_order() {
    let (toy, end) = life("0", "");
    assert_eq!(end, Ok(()));
    let hooks: Vec<&str> = toy
        .said
        .iter()
        .filter_map(|line| line.strip_prefix("H-1 run "))
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(
        hooks,
        [
            "prestart",
            "createRuntime",
            "createContainer",
            "startContainer",
            "poststart",
            "poststop"
        ]
    );
    assert!(toy.things.is_empty(), "{:?}", toy.things);
    assert!(!toy.said.iter().any(|line| line.starts_with("undo")));
}

#[test]
fn a_hook_that_fails_has_everything_undone_and_poststop_hooks_run() {
    let (toy, end) = life("1", "");
    let error = "error running createContainer hook #0: exit status 1";
    assert_eq!(end, Err(error.into()));
    assert!(toy.things.is_empty(), "{:?}", toy.things);
    let undone = toy.said.iter().filter(|line| line.starts_with("undo: "));
    assert!(undone.count() > 5);
    let poststop = toy.said.iter().rposition(|line| line.contains("poststop"));
    let undo = toy.said.iter().rposition(|line| line.starts_with("undo"));
    assert!(poststop > undo);
    assert!(!toy.said.iter().any(|line| line.contains("mark created")));
}

#[test]
fn what_it_does_not_enforce_is_refused_before_anything_is_done() {
    let (toy, end) = life("0", "memory_limit=4096\n");
    let refusal = "memory_limit=4096: this kernel does not support memory limits";
    assert_eq!(end, Err(refusal.into()));
    assert!(toy.said.is_empty());
}

/// Small enough to be read.
#[test]
fn it_is_a_toy() {
    assert!(include_str!("../examples/toy.rs").lines().count() < 150);
}
