//! What has to be done to create, start and delete a container, in order.
//!
//! A plan is made before anything is done, from the configuration and the platform's
//! features alone. What the platform cannot enforce is refused here, so a step never
//! has to ignore anything.

mod create;
mod explain;
mod mounts;
mod planning;
mod refusal;
mod resources;
mod step;
mod update;

pub use explain::{Explained, Explanation, explain};
pub use mounts::MountKind;
pub use planning::{Planning, REFUSALS_MAX};
pub use refusal::{Refusal, RefusalKind};

pub use step::{HookStep, MountStep, NamespaceSource, Step};
pub use update::plan_update;

use crate::config::OciConfig;
use crate::feature::FeatureSet;
use crate::hooks::HookKind;
use crate::memory::try_push;
use alloc::vec::Vec;

/// When the cleanup of a plan is done after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CleanupWhen {
    /// A hook had begun before or at the failure (lifecycle steps 3 to 5).
    HookBegun,
    /// A hook itself failed (lifecycle steps 7 and 9).
    HookFailed,
}

/// The steps of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    steps: Vec<Step>,
    cleanup: Vec<Step>,
    pub(crate) cleanup_when: CleanupWhen,
}

impl Plan {
    /// The steps, in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The steps that follow a failure in or after a hook, once everything is undone
    /// (lifecycle steps 12 and 13). Their failures are warnings.
    #[must_use]
    pub fn cleanup(&self) -> &[Step] {
        &self.cleanup
    }

    fn into_steps(self) -> Vec<Step> {
        self.steps
    }

    fn new(steps: Vec<Step>, cleanup: Vec<Step>, cleanup_when: CleanupWhen) -> Self {
        Self {
            steps,
            cleanup,
            cleanup_when,
        }
    }
}

/// Plans the creation of a container (lifecycle steps 2 to 5).
///
/// # Errors
/// A [`Refusal`] for the first value that `features` cannot enforce, or that no kernel
/// could.
pub fn plan(config: &OciConfig, features: FeatureSet) -> Result<Plan, Refusal> {
    let mut planning = Planning::new(features);
    while planning.advance(config, usize::MAX)? {}
    planning.into_plan(config)
}

/// Plans the start of a created container (lifecycle steps 7 to 9).
///
/// When a hook fails, the container is stopped and destroyed. When the program cannot be
/// loaded, the container stays created.
///
/// # Errors
/// A [`Refusal`] when the configuration has no process (O-start-2).
pub fn plan_start(config: &OciConfig) -> Result<Plan, Refusal> {
    if config.process.is_none() {
        return Err(Refusal::invalid(
            "process_arg",
            "",
            "the container has no process to start",
        ));
    }
    let mut steps = Vec::new();
    push_hooks(config, HookKind::StartContainer, &mut steps)?;
    try_push(&mut steps, Step::LoadProgram)?;
    try_push(&mut steps, Step::MarkRunning)?;
    push_hooks(config, HookKind::Poststart, &mut steps)?;
    let mut cleanup = Vec::new();
    try_push(&mut cleanup, Step::StopContainer)?;
    push_destruction(config, &mut cleanup)?;
    Ok(Plan::new(steps, cleanup, CleanupWhen::HookFailed))
}

/// Plans the deletion of a stopped container (lifecycle steps 12 and 13).
///
/// # Errors
/// A [`Refusal`] only when memory runs out.
pub fn plan_delete(config: &OciConfig) -> Result<Plan, Refusal> {
    let mut steps = Vec::new();
    push_destruction(config, &mut steps)?;
    Ok(Plan::new(steps, Vec::new(), CleanupWhen::HookBegun))
}

fn push_destruction(config: &OciConfig, steps: &mut Vec<Step>) -> Result<(), Refusal> {
    try_push(steps, Step::Destroy)?;
    push_hooks(config, HookKind::Poststop, steps)?;
    Ok(try_push(steps, Step::ReleaseId)?)
}

fn push_hooks(config: &OciConfig, kind: HookKind, steps: &mut Vec<Step>) -> Result<(), Refusal> {
    (0..config.hooks.of(kind).len())
        .try_for_each(|index| try_push(steps, Step::RunHook(HookStep { kind, index })))?;
    Ok(())
}
