#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

//! The part of an OCI container runtime that knows the specification and nothing else.
//!
//! It reads a container's configuration, decides what has to be done and in which order,
//! and leads a create, start or delete to its end or back to its beginning. It does none
//! of it: a kernel carries out the steps. It allocates, but does no input or output, uses
//! no unsafe code, and imports no kernel, so any kernel can take it.
//!
//! 1. [`OciConfig::parse`] reads lines of `key=value` and refuses what it does not know;
//!    [`config::ConfigReader`] does so in bounded portions.
//! 2. [`plan`], [`plan_start`] and [`plan_delete`] turn a configuration into [`Step`]s,
//!    and refuse what the kernel's [`FeatureSet`] does not have, by key and value;
//!    [`Planning`] does so in bounded portions, and [`explain`] tells all of it in advance.
//! 3. [`Operation`] is one plan in progress. [`poll`](Operation::poll) it with the
//!    [`Outcome`] of the last step and it says what comes [`Next`]: a step to do, or after
//!    a failure what to undo. An operation borrows nothing and can be parked while a hook
//!    runs. Simple kernels implement [`Platform`] and let [`run`] do the polling.
//! 4. [`OciContainer`] holds a container's state, changed only as [`transition`] allows.
//!
//! Steps are small copies that point into the configuration by index, so a driver needs
//! the kernel and the step, never two borrows of the same thing.
//!
//! # Example
//!
//! ```
//! use berth_oci::{Feature, FeatureSet, Next, OciConfig, Operation, Outcome, Step, plan};
//!
//! let config = OciConfig::parse(
//!     "root_path=rootfs\n\
//!      namespace=mount\n\
//!      namespace=uts\n\
//!      hostname=berth\n\
//!      mount=/proc:proc:proc\n\
//!      process_arg=/bin/sh\n",
//! )?;
//!
//! // What this kernel enforces. Without `Hostname` the plan below would be refused:
//! // "hostname=berth: this kernel does not support a host name".
//! let features = FeatureSet::of(&[
//!     Feature::NamespaceMount,
//!     Feature::NamespaceUts,
//!     Feature::MountProc,
//!     Feature::Hostname,
//! ]);
//! let plan = plan(&config, features)?;
//!
//! // A kernel that does everything but mount: tokens are the texts of the steps done.
//! let mut operation: Operation<String, (), &str> = Operation::new(plan)?;
//! let mut made = Vec::new();
//! let mut outcome = Outcome::Ready;
//! let failure = loop {
//!     outcome = match operation.poll(outcome) {
//!         Next::Do(Step::Mount(_)) => Outcome::Failed("no proc today"),
//!         Next::Do(step) => {
//!             let text = step.text(&config).to_string();
//!             made.push(text.clone());
//!             Outcome::Done(Some(text))
//!         }
//!         Next::Undo(text) => {
//!             // Always the last thing made.
//!             assert_eq!(made.pop(), Some(text));
//!             Outcome::Ready
//!         }
//!         Next::Wait | Next::Cancel(()) => unreachable!("no step of this kernel waits"),
//!         Next::Failed(failure) => break failure,
//!         Next::Done | Next::Over => unreachable!("the mount fails"),
//!     }
//! };
//! assert_eq!(failure.error, "no proc today");
//! assert!(made.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `examples/toy.rs` is a whole kernel in 150 lines: it implements [`Platform`] and runs lives
//! with hooks of all six kinds, one that fails, and its undo.
//!
//! # Cargo features
//!
//! `alloc` (default): everything that needs a heap. Without it there are the lifecycle,
//! container ids, namespace and hook kinds, mount options, features and the state document.

// The examples of the page that comes with the package.
#[cfg(all(doctest, feature = "alloc"))]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(feature = "alloc")]
pub mod config;
#[cfg(feature = "alloc")]
mod container;
mod feature;
mod hooks;
mod id;
mod lifecycle;
#[cfg(feature = "alloc")]
mod memory;
mod mount_options;
mod names;
mod namespace;
#[cfg(feature = "alloc")]
mod nearest;
#[cfg(feature = "alloc")]
mod operation;
#[cfg(feature = "alloc")]
mod plan;
#[cfg(feature = "alloc")]
mod platform;
#[cfg(feature = "alloc")]
mod settings;
mod state;

pub use feature::{Feature, FeatureSet};
pub use hooks::{HookError, HookKind, HookOutcome, HookSide};
pub use id::{CONTAINER_ID_MAX, ContainerId, IdError};
pub use lifecycle::{LifecycleError, OciLifecycleState, Transition, Verb, transition};
pub use mount_options::{
    MountAttributes, MountFlags, MountOptionError, MountOptions, Propagation, mount_option_names,
};
pub use namespace::OciNamespaceKind;
pub use state::{JsonText, StateDocument, Timestamp};

#[cfg(feature = "alloc")]
pub use config::{
    ConfigError, ConfigErrorKind, OciConfig, OciHook, OciHooks, OciLinuxConfig, OciMount,
    OciNamespace, OciProcess, OciRoot,
};
#[cfg(feature = "alloc")]
pub use container::{ContainerError, ExitStatus, OciContainer};
#[cfg(feature = "alloc")]
pub use operation::{Failure, Next, Operation, Outcome, Warning};
#[cfg(feature = "alloc")]
pub use plan::{
    Explained, Explanation, HookStep, MountKind, MountStep, NamespaceSource, Plan, Planning,
    REFUSALS_MAX, Refusal, RefusalKind, Step, explain, plan, plan_delete, plan_start, plan_update,
};
#[cfg(feature = "alloc")]
pub use platform::{Platform, Progress, Report, run};
#[cfg(feature = "alloc")]
pub use settings::{Asked, Setting, cpu_weight, settings};
