//! Operations: failure and abort at every step, and what is left.
#![cfg(feature = "alloc")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use berth_oci::{
    Failure, Feature, FeatureSet, HookKind, Next, OciConfig, Operation, Outcome, Plan, Platform,
    Progress, Step, plan, plan_delete, plan_start, run,
};

const CONTAINER: &str = "\
root_path=rootfs
root_readonly=true
namespace=mount
namespace=pid
namespace=uts
hostname=berth
process_arg=/bin/sh
mount=/proc:proc:proc
mount=/tmp:tmpfs:tmpfs
hook_prestart=/pre0
hook_prestart=/pre1
hook_createRuntime=/runtime
hook_startContainer=/start
hook_poststart=/poststart
hook_poststop=/stop0
hook_poststop=/stop1
";

fn config() -> OciConfig {
    OciConfig::parse(CONTAINER).unwrap()
}

fn create() -> Plan {
    plan(&config(), FeatureSet::all()).unwrap()
}

/// A kernel that records, and fails or waits where it is told to.
#[derive(Default)]
struct Recorder {
    /// Every step that was asked for.
    asked: Vec<Step>,
    /// Steps that are done and not undone.
    standing: Vec<Step>,
    /// Fails when it is asked for this many-th step, counted from 0.
    fail_at: Option<usize>,
    /// Hooks wait.
    hooks_wait: bool,
}

impl Recorder {
    fn failing_at(index: usize) -> Self {
        Self {
            fail_at: Some(index),
            ..Self::default()
        }
    }

    /// Hooks leave nothing that could be undone.
    fn done(&mut self, step: Step) -> Option<Step> {
        if step.is_hook() {
            return None;
        }
        self.standing.push(step);
        Some(step)
    }
}

impl Platform for Recorder {
    type State = ();
    type Undo = Step;
    type WaitToken = Step;
    type Error = usize;

    fn supports(&self, _: Feature) -> bool {
        true
    }

    fn step(&mut self, step: &Step, (): &mut ()) -> Result<Progress<Step, Step>, usize> {
        let index = self.asked.len();
        self.asked.push(*step);
        if step.is_hook() && self.hooks_wait {
            return Ok(Progress::Wait(*step));
        }
        if self.fail_at == Some(index) {
            return Err(index);
        }
        Ok(Progress::Done(self.done(*step)))
    }

    fn undo(&mut self, undo: Step, (): &mut ()) {
        assert_eq!(
            self.standing.pop(),
            Some(undo),
            "the newest is undone first"
        );
    }

    fn wait(&mut self, token: Step, (): &mut ()) -> Result<Option<Step>, usize> {
        let index = self.asked.len() - 1;
        assert_eq!(self.asked.last(), Some(&token));
        match self.fail_at == Some(index) {
            true => Err(index),
            false => Ok(self.done(token)),
        }
    }
}

fn operation<W>(plan: Plan) -> Operation<Step, W, usize> {
    Operation::new(plan).unwrap()
}

fn hooks(steps: &[Step], kind: HookKind) -> usize {
    steps
        .iter()
        .filter(|step| matches!(step, Step::RunHook(hook) if hook.kind == kind))
        .count()
}

#[test]
fn a_create_does_every_step_once_and_in_order() {
    for hooks_wait in [false, true] {
        let mut kernel = Recorder {
            hooks_wait,
            ..Recorder::default()
        };
        let report = run(&mut operation(create()), &mut kernel, &mut ());
        assert_eq!(report.result, Ok(()));
        assert_eq!(kernel.asked, create().steps());
        assert_eq!(
            report.undo, kernel.standing,
            "the tokens go to the container"
        );
        assert!(report.warnings.is_empty());
    }
}

#[test]
fn l12_l13_a_create_that_fails_anywhere_leaves_nothing() {
    let steps = create().steps().to_vec();
    let first_hook = steps.iter().position(|step| step.is_hook()).unwrap();
    for hooks_wait in [false, true] {
        for (index, step) in steps.iter().enumerate() {
            let mut kernel = Recorder {
                hooks_wait,
                ..Recorder::failing_at(index)
            };
            let report = run(&mut operation(create()), &mut kernel, &mut ());
            let failure = Failure {
                step: Some(*step),
                error: index,
                destroyed: true,
            };
            assert_eq!(report.result, Err(failure));
            assert!(
                kernel.standing.is_empty() && report.undo.is_empty(),
                "{step:?}"
            );
            // Lifecycle step 13 follows only when a hook had begun.
            let poststop = hooks(&kernel.asked, HookKind::Poststop);
            assert_eq!(
                poststop,
                if index >= first_hook { 2 } else { 0 },
                "{step:?}"
            );
            let asked = kernel.asked.len() - poststop;
            assert_eq!(kernel.asked[..asked], steps[..=index]);
        }
    }
}

#[test]
fn a_failed_poststop_hook_is_a_warning_and_the_next_one_runs() {
    let steps = plan_delete(&config()).unwrap().steps().to_vec();
    for (index, step) in steps.iter().enumerate() {
        let mut kernel = Recorder::failing_at(index);
        let plan = plan_delete(&config()).unwrap();
        let report = run(&mut operation(plan), &mut kernel, &mut ());
        if step.is_hook() {
            assert_eq!(report.result, Ok(()));
            assert_eq!(kernel.asked, steps);
            assert_eq!(report.warnings.len(), 1);
            assert_eq!(
                (report.warnings[0].step, report.warnings[0].error),
                (*step, index)
            );
        } else {
            assert_eq!(report.result.unwrap_err().step, Some(*step));
        }
    }
}

#[test]
fn a_failed_hook_of_start_destroys_the_container() {
    let steps = plan_start(&config()).unwrap().steps().to_vec();
    let hooks: Vec<_> = (0..steps.len()).filter(|at| steps[*at].is_hook()).collect();
    assert_eq!(hooks.len(), 2);
    for index in hooks {
        let mut kernel = Recorder::failing_at(index);
        let plan = plan_start(&config()).unwrap();
        let cleanup = plan.cleanup().to_vec();
        let report = run(&mut operation(plan), &mut kernel, &mut ());
        let failure = report.result.unwrap_err();
        assert!(failure.destroyed);
        assert_eq!(failure.step, Some(steps[index]));
        assert_eq!(kernel.asked[..=index], steps[..=index]);
        assert_eq!(kernel.asked[index + 1..], cleanup, "steps 12 and 13 follow");
        assert_eq!(kernel.asked[index + 1], Step::StopContainer);
    }
}

#[test]
fn l19_a_program_that_cannot_be_loaded_leaves_the_container_created() {
    let steps = plan_start(&config()).unwrap().steps().to_vec();
    let index = steps.iter().position(|s| *s == Step::LoadProgram).unwrap();
    let mut kernel = Recorder::failing_at(index);
    let plan = plan_start(&config()).unwrap();
    let report = run(&mut operation(plan), &mut kernel, &mut ());
    let failure = report.result.unwrap_err();
    assert!(!failure.destroyed);
    assert_eq!(kernel.asked, steps[..=index]);
    assert!(kernel.standing.is_empty());
}

#[test]
fn failures_of_the_cleanup_are_warnings() {
    let failing_hook = create().steps().iter().position(|s| s.is_hook()).unwrap();
    let mut operation: Operation<Step, (), usize> = operation(create());
    let mut outcome = Outcome::Ready;
    let mut asked = 0;
    let failure = loop {
        outcome = match operation.poll(outcome) {
            Next::Do(_) if asked >= failing_hook => {
                asked += 1;
                Outcome::Failed(asked - 1)
            }
            Next::Do(step) => {
                asked += 1;
                Outcome::Done(Some(step))
            }
            Next::Undo(_) => Outcome::Ready,
            Next::Failed(failure) => break failure,
            next => panic!("{next:?}"),
        }
    };
    assert_eq!(
        failure.error, failing_hook,
        "the first error is the one reported"
    );
    let warnings: Vec<_> = operation.warnings().iter().map(|w| w.error).collect();
    assert_eq!(warnings, [failing_hook + 1, failing_hook + 2]);
    assert!(operation.is_over());
    assert_eq!(operation.poll(Outcome::Ready), Next::Over);
}

/// Drives to the `turn`-th step, where hooks wait, and leaves it unanswered.
fn drive_to(turn: usize) -> (Operation<Step, Step, usize>, Vec<Step>) {
    let mut operation: Operation<Step, Step, usize> = operation(create());
    let mut standing = Vec::new();
    let mut outcome = Outcome::Ready;
    for _ in 0..turn {
        let Next::Do(step) = operation.poll(outcome) else {
            panic!("a step each turn");
        };
        outcome = if step.is_hook() {
            assert_eq!(operation.poll(Outcome::Waits(step)), Next::Wait);
            assert_eq!(operation.waiting(), Some(&step));
            assert_eq!(operation.current(), Some(step));
            // Polling again while nothing has happened changes nothing.
            assert_eq!(operation.poll(Outcome::Ready), Next::Wait);
            Outcome::Done(None)
        } else {
            standing.push(step);
            Outcome::Done(Some(step))
        };
    }
    // The next step has begun; if it is a hook it is now awaited.
    match operation.poll(outcome) {
        Next::Do(step) if step.is_hook() => {
            assert_eq!(operation.poll(Outcome::Waits(step)), Next::Wait);
        }
        Next::Do(step) => assert_eq!(operation.poll(Outcome::Ready), Next::Do(step)),
        next => panic!("{next:?}"),
    }
    (operation, standing)
}

#[test]
fn an_abort_cancels_what_is_awaited_and_undoes_the_rest() {
    const KILLED: usize = 999;
    let steps = create().steps().to_vec();
    let first_hook = steps.iter().position(|step| step.is_hook()).unwrap();
    for (turn, step) in steps.iter().enumerate() {
        let (mut operation, mut standing) = drive_to(turn);
        operation.abort(KILLED);
        let mut cancelled = None;
        let mut poststop = 0;
        let mut outcome = Outcome::Ready;
        let failure = loop {
            outcome = match operation.poll(outcome) {
                Next::Cancel(token) => {
                    assert!(cancelled.replace(token).is_none());
                    Outcome::Ready
                }
                Next::Undo(token) => {
                    assert_eq!(standing.pop(), Some(token));
                    Outcome::Ready
                }
                Next::Do(hook) => {
                    assert!(standing.is_empty(), "poststop comes after the undo");
                    assert!(hook.failure_is_warning());
                    poststop += 1;
                    // An abort of what is being undone already changes nothing.
                    operation.abort(1);
                    Outcome::Done(None)
                }
                Next::Failed(failure) => break failure,
                next => panic!("{next:?}"),
            }
        };
        assert_eq!((failure.step, failure.error), (Some(*step), KILLED));
        assert_eq!(cancelled, step.is_hook().then_some(*step));
        assert_eq!(poststop, if turn >= first_hook { 2 } else { 0 });
        assert!(standing.is_empty());
        assert_eq!(operation.waiting(), None);
    }
}

#[test]
fn a_step_that_ends_after_the_abort_is_undone_too() {
    let (mut operation, standing) = drive_to(3);
    let late = operation.current().unwrap();
    operation.abort(1);
    assert_eq!(operation.poll(Outcome::Done(Some(late))), Next::Undo(late));
    for step in standing.into_iter().rev() {
        assert_eq!(operation.poll(Outcome::Ready), Next::Undo(step));
    }
    assert!(matches!(operation.poll(Outcome::Ready), Next::Failed(_)));
}

#[test]
fn an_abort_after_the_end_is_too_late() {
    let mut kernel = Recorder::default();
    let mut operation: Operation<Step, (), usize> = operation(plan_delete(&config()).unwrap());
    let mut outcome = Outcome::Ready;
    while let Next::Do(step) = operation.poll(outcome) {
        kernel.asked.push(step);
        outcome = Outcome::Done(None);
    }
    assert!(operation.is_over());
    operation.abort(1);
    assert_eq!(operation.poll(Outcome::Ready), Next::Over);
}

#[test]
fn what_a_running_program_stands_on_is_not_undone_under_it() {
    let steps = plan_start(&config()).unwrap().steps().to_vec();
    let poststart = steps.len() - 1;
    assert!(steps[poststart].is_hook());
    let mut kernel = Recorder::failing_at(poststart);
    let plan = plan_start(&config()).unwrap();
    let report = run(&mut operation(plan), &mut kernel, &mut ());
    assert!(report.result.is_err());
    assert_eq!(kernel.standing[..2], [Step::LoadProgram, Step::MarkRunning]);
    let stop = kernel.asked.iter().position(|s| *s == Step::StopContainer);
    assert_eq!(stop, Some(poststart + 1));
}
