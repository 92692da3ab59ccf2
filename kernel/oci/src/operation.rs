//! One create, start or delete in progress.
//!
//! An [`Operation`] does nothing itself. It is told what happened and says what to do
//! next; who does it, and on what, is its driver's business. So it can be parked in a
//! container while a hook runs, and tested with a failure at every step.

use crate::plan::{CleanupWhen, Plan, Step};
use alloc::collections::TryReserveError;
use alloc::vec::Vec;

/// What a driver reports to [`Operation::poll`].
///
/// `U` undoes a step, `W` stands for something awaited, `E` is an error.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome<U, W, E> {
    /// Nothing new: the first poll, and the answer to `Undo`, `Cancel` and `Wait`.
    Ready,
    /// The step is done; with what undoes it, unless it needs no undoing.
    Done(Option<U>),
    /// The step has begun and will be `Done` or `Failed` later.
    Waits(W),
    /// The step is not done and has left nothing behind.
    Failed(E),
}

/// What [`Operation::poll`] wants next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<U, W, E> {
    /// Do this step, then report its outcome.
    Do(Step),
    /// Nothing to do until the awaited step is done or has failed.
    Wait,
    /// Undo what this token stands for. It cannot fail or wait. Then report `Ready`.
    Undo(U),
    /// Stop what is awaited and do not report its end any more. Then report `Ready`.
    Cancel(W),
    /// The operation has succeeded.
    Done,
    /// The operation has failed and is undone.
    Failed(Failure<E>),
    /// The end was reported before.
    Over,
}

/// Why an operation failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure<E> {
    /// The step that failed, or during which the operation was aborted.
    pub step: Option<Step>,
    /// The error.
    pub error: E,
    /// Whether the container was taken down (lifecycle steps 12 and 13 followed): always
    /// so for a failed create; for a failed start only if a hook failed.
    pub destroyed: bool,
}

/// A step whose failure does not end the operation (E-2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning<E> {
    /// The step.
    pub step: Step,
    /// Its error.
    pub error: E,
}

/// Where an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// At this step of the plan.
    Forward(usize),
    /// Undoing; whether the cleanup follows.
    Undoing { then_clean_up: bool },
    /// At this step of the cleanup.
    CleaningUp(usize),
    /// Ended; the end is reported once.
    Ended,
    /// Ended and reported.
    Over,
}

/// A plan that is being carried out, or taken back.
///
/// Nothing is allocated after [`new`](Self::new): failing for want of memory in the
/// middle of an undo would be too late.
#[derive(Debug)]
pub struct Operation<U, W, E> {
    plan: Plan,
    phase: Phase,
    /// Tokens of the steps done so far.
    undo: Vec<U>,
    /// How many of them are past undoing: they belong to the finished part.
    committed: usize,
    waiting: Option<W>,
    failure: Option<Failure<E>>,
    warnings: Vec<Warning<E>>,
}

impl<U, W, E> Operation<U, W, E> {
    /// Makes `plan` ready to be carried out.
    ///
    /// # Errors
    /// When there is no memory for the undo list.
    pub fn new(plan: Plan) -> Result<Self, TryReserveError> {
        let most = plan.steps().len().saturating_add(plan.cleanup().len());
        let mut operation = Self {
            plan,
            phase: Phase::Forward(0),
            undo: Vec::new(),
            committed: 0,
            waiting: None,
            failure: None,
            warnings: Vec::new(),
        };
        operation.undo.try_reserve_exact(most)?;
        operation.warnings.try_reserve_exact(most)?;
        Ok(operation)
    }

    /// Takes the outcome of what was asked for last and says what to do next.
    pub fn poll(&mut self, outcome: Outcome<U, W, E>) -> Next<U, W, E> {
        self.take(outcome);
        self.next()
    }

    /// Ends the operation with `error` before its plan is through: what is awaited is
    /// cancelled and everything is undone by the following polls. An operation that is
    /// already being undone, or over, is left alone.
    pub fn abort(&mut self, error: E) {
        if let Phase::Forward(at) = self.phase {
            self.fail(at, error);
        }
    }

    /// What the operation waits for.
    #[must_use]
    pub fn waiting(&self) -> Option<&W> {
        self.waiting.as_ref()
    }

    /// The step that is being done, or awaited.
    #[must_use]
    pub fn current(&self) -> Option<Step> {
        let step = match self.phase {
            Phase::Forward(at) => self.plan.steps().get(at),
            Phase::CleaningUp(at) => self.plan.cleanup().get(at),
            _ => None,
        };
        step.copied()
    }

    /// Whether the end has been reached.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Ended | Phase::Over)
    }

    /// The failures that did not end the operation, so far.
    #[must_use]
    pub fn warnings(&self) -> &[Warning<E>] {
        &self.warnings
    }

    /// Takes the failures that did not end the operation.
    #[must_use]
    pub fn take_warnings(&mut self) -> Vec<Warning<E>> {
        core::mem::take(&mut self.warnings)
    }

    /// Takes the tokens that were not used, in the order of the steps: after a successful
    /// create they undo the container.
    #[must_use]
    pub fn take_undo(&mut self) -> Vec<U> {
        self.committed = 0;
        core::mem::take(&mut self.undo)
    }

    fn take(&mut self, outcome: Outcome<U, W, E>) {
        match outcome {
            Outcome::Ready => {}
            Outcome::Waits(token) => self.waiting = Some(token),
            Outcome::Done(undo) => {
                self.waiting = None;
                // Capacity was reserved for one token a step.
                self.undo.extend(undo);
                self.advance();
            }
            Outcome::Failed(error) => {
                self.waiting = None;
                self.step_failed(error);
            }
        }
    }

    fn advance(&mut self) {
        match self.phase {
            Phase::Forward(at) => {
                if self.current().is_some_and(Step::commits) {
                    self.committed = self.undo.len();
                }
                self.phase = Phase::Forward(at.saturating_add(1));
            }
            Phase::CleaningUp(at) => self.phase = Phase::CleaningUp(at.saturating_add(1)),
            Phase::Undoing { .. } | Phase::Ended | Phase::Over => {}
        }
    }

    fn step_failed(&mut self, error: E) {
        let Some(step) = self.current() else {
            return;
        };
        match self.phase {
            Phase::Forward(at) if !step.failure_is_warning() => self.fail(at, error),
            _ => {
                self.warnings.push(Warning { step, error });
                self.advance();
            }
        }
    }

    fn fail(&mut self, at: usize, error: E) {
        let step = self.plan.steps().get(at).copied();
        let hook_begun = || {
            let begun = self.plan.steps().iter().take(at.saturating_add(1));
            begun.copied().any(Step::is_hook)
        };
        let (destroyed, then_clean_up) = match self.plan.cleanup_when {
            CleanupWhen::HookBegun => (true, hook_begun()),
            CleanupWhen::HookFailed => {
                let failed = step.is_some_and(Step::is_hook);
                (failed, failed)
            }
        };
        self.failure = Some(Failure {
            step,
            error,
            destroyed,
        });
        self.phase = Phase::Undoing { then_clean_up };
    }

    fn next(&mut self) -> Next<U, W, E> {
        if let Phase::Undoing { then_clean_up } = self.phase {
            if let Some(token) = self.waiting.take() {
                return Next::Cancel(token);
            }
            if self.undo.len() > self.committed {
                if let Some(token) = self.undo.pop() {
                    return Next::Undo(token);
                }
            }
            self.phase = match then_clean_up {
                true => Phase::CleaningUp(0),
                false => Phase::Ended,
            };
        }
        if self.waiting.is_some() {
            return Next::Wait;
        }
        if let Some(step) = self.current() {
            return Next::Do(step);
        }
        self.end()
    }

    fn end(&mut self) -> Next<U, W, E> {
        if self.phase == Phase::Over {
            return Next::Over;
        }
        self.phase = Phase::Over;
        match self.failure.take() {
            Some(failure) => Next::Failed(failure),
            None => Next::Done,
        }
    }
}
