//! A kernel as seen by this core, and a driver for simple ones.

use crate::feature::Feature;
use crate::operation::{Failure, Next, Operation, Outcome, Warning};
use crate::plan::Step;
use alloc::vec::Vec;

/// What came of a step.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress<U, W> {
    /// It is done; with what undoes it, unless it needs no undoing.
    Done(Option<U>),
    /// It has begun; the token stands for its end.
    Wait(W),
}

/// A kernel that can carry out steps.
///
/// This trait is a convenience: whoever wants to park operations and wake them by events
/// drives [`Operation`] directly.
pub trait Platform {
    /// What the steps of one container build up.
    type State;
    /// What undoes one step. Dropping it without calling [`undo`](Self::undo) must not
    /// undo anything.
    type Undo;
    /// Something awaited, such as the end of a hook.
    type WaitToken;
    /// Why a step failed.
    type Error;

    /// Whether values that need `feature` are enforced.
    fn supports(&self, feature: Feature) -> bool;

    /// Does one step, or begins it.
    ///
    /// # Errors
    /// The step is not done and has left nothing behind.
    fn step(
        &mut self,
        step: &Step,
        state: &mut Self::State,
    ) -> Result<Progress<Self::Undo, Self::WaitToken>, Self::Error>;

    /// Undoes one step. It cannot fail or wait: it detaches what the step made and leaves
    /// long work for later.
    fn undo(&mut self, undo: Self::Undo, state: &mut Self::State);

    /// Waits for the end of a step that [`step`](Self::step) has begun. Called by [`run`]
    /// only.
    ///
    /// # Errors
    /// The step is not done and has left nothing behind.
    fn wait(
        &mut self,
        token: Self::WaitToken,
        state: &mut Self::State,
    ) -> Result<Option<Self::Undo>, Self::Error>;
}

/// How an operation that [`run`] drove has ended.
#[derive(Debug)]
pub struct Report<U, E> {
    /// Success, or the failure that was undone.
    pub result: Result<(), Failure<E>>,
    /// What undoes a container that was created, in the order of the steps.
    pub undo: Vec<U>,
    /// Failures that did not end the operation.
    pub warnings: Vec<Warning<E>>,
}

/// Carries out `operation` on `platform` to its end, blocking where a step waits.
pub fn run<P: Platform>(
    operation: &mut Operation<P::Undo, (), P::Error>,
    platform: &mut P,
    state: &mut P::State,
) -> Report<P::Undo, P::Error> {
    let mut outcome = Outcome::Ready;
    let result = loop {
        outcome = match operation.poll(outcome) {
            Next::Do(step) => do_step(platform, &step, state),
            Next::Undo(undo) => {
                platform.undo(undo, state);
                Outcome::Ready
            }
            // Steps are awaited where they begin, so nothing is left waiting.
            Next::Wait | Next::Cancel(()) => Outcome::Ready,
            Next::Done | Next::Over => break Ok(()),
            Next::Failed(failure) => break Err(failure),
        };
    };
    Report {
        result,
        undo: operation.take_undo(),
        warnings: operation.take_warnings(),
    }
}

fn do_step<P: Platform>(
    platform: &mut P,
    step: &Step,
    state: &mut P::State,
) -> Outcome<P::Undo, (), P::Error> {
    let done = match platform.step(step, state) {
        Ok(Progress::Done(undo)) => Ok(undo),
        Ok(Progress::Wait(token)) => platform.wait(token, state),
        Err(error) => Err(error),
    };
    match done {
        Ok(undo) => Outcome::Done(undo),
        Err(error) => Outcome::Failed(error),
    }
}
