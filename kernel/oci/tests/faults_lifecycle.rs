//! Faults that container lifecycles are known for, beside what is right.
//!
//! Those of one module are tested there (`l01`, `l03`, `l05`, `l08` to `l14`, `l18`), those
//! of plans and operations in `plan.rs` and `operation.rs` (`l12`, `l13`, `l15`, `l19`).
#![cfg(feature = "alloc")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use berth_oci::{
    ContainerId, ExitStatus, OciConfig, OciContainer, OciLifecycleState, Step, Timestamp,
    Transition, Verb, plan_delete, plan_start, transition,
};
use std::sync::Arc;

fn container(created: Timestamp) -> OciContainer {
    let config = OciConfig::parse("root_path=r\nnamespace=mount\nprocess_arg=a\nhook_poststop=/h");
    let id = ContainerId::new("c1").unwrap();
    OciContainer::new(id, "/b", Arc::new(config.unwrap()), created).unwrap()
}

/// The pid is that of the task that create made; start takes none.
#[test]
fn l04_start_takes_no_pid_and_makes_none() {
    let mut container = container(Timestamp::default());
    assert_eq!(container.pid(), None);
    assert!(container.start().is_err(), "nothing was created yet");
    container.mark_created(41).unwrap();
    container.start().unwrap();
    assert_eq!(container.pid(), Some(41));
    let error = container.start().unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot start an already running container"
    );
}

#[test]
fn l06_kill_is_for_containers_that_have_a_process() {
    for state in OciLifecycleState::ALL {
        let allowed = transition(state, Verb::Kill) == Ok(Transition::Stay);
        assert_eq!(allowed, state.has_process(), "{state}");
    }
}

#[test]
fn l07_delete_destroys_then_runs_poststop_then_frees_the_id() {
    let mut container = container(Timestamp::default());
    container.mark_created(41).unwrap();
    let error = container.check(Verb::Delete).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot delete container that is not stopped: created"
    );
    container.stop(ExitStatus::Signalled(9)).unwrap();
    assert_eq!(container.check(Verb::Delete), Ok(()));
    let plan = plan_delete(container.config()).unwrap();
    assert!(matches!(
        plan.steps(),
        [Step::Destroy, Step::RunHook(_), Step::ReleaseId]
    ));
}

/// The container keeps the configuration it was created with, whoever else changes theirs.
#[test]
fn l16_the_configuration_is_a_snapshot() {
    let mut mine = OciConfig::parse("root_path=r\nprocess_arg=a").unwrap();
    let id = ContainerId::new("c1").unwrap();
    let shared = Arc::new(mine.clone());
    let container = OciContainer::new(id, "/b", shared, Timestamp::default()).unwrap();
    mine.root.path = String::from("/elsewhere");
    mine.process = None;
    assert_eq!(container.config().root.path, "r");
    assert!(plan_start(container.config()).is_ok());
}

#[test]
fn l17_the_time_of_creation_is_a_time() {
    let created = Timestamp {
        secs: 1_700_000_000,
        nanos: 500_000_000,
    };
    let mut json = String::new();
    let container = container(created);
    container.document(None).write_json(&mut json).unwrap();
    assert!(
        json.contains("\"created\":\"2023-11-14T22:13:20.5Z\""),
        "{json}"
    );
}
