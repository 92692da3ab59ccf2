//! Hooks: where each kind runs, what it sees, and how it can end.

use crate::lifecycle::OciLifecycleState;
use crate::names::names;
use core::fmt;

names! {
    /// A kind of hook, in the order of a container's life (runtime-spec "POSIX-platform Hooks").
    pub enum HookKind {
        /// During create, before `createRuntime`:
        Prestart = "prestart",
        /// During create, environment built, before the root is pivoted:
        CreateRuntime = "createRuntime",
        /// During create, after `createRuntime`, before the root is pivoted:
        CreateContainer = "createContainer",
        /// During start, before the user program:
        StartContainer = "startContainer",
        /// During start, after the user program was executed:
        Poststart = "poststart",
        /// During delete, after the container was destroyed:
        Poststop = "poststop",
    }
}

/// Whose namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookSide {
    /// Those of whoever runs the containers.
    Runtime,
    /// Those of the container.
    Container,
}

impl HookKind {
    /// The namespaces in which the hook's path is looked up.
    #[must_use]
    pub const fn path_in(self) -> HookSide {
        match self {
            Self::StartContainer => HookSide::Container,
            _ => HookSide::Runtime,
        }
    }

    /// The namespaces in which the hook executes. A `createContainer` hook is found on
    /// the runtime's side but runs in the container's.
    #[must_use]
    pub const fn runs_in(self) -> HookSide {
        match self {
            Self::CreateContainer | Self::StartContainer => HookSide::Container,
            _ => HookSide::Runtime,
        }
    }

    /// The status in the state document on the hook's standard input (H-2).
    #[must_use]
    pub const fn status_seen(self) -> OciLifecycleState {
        match self {
            Self::Prestart | Self::CreateRuntime | Self::CreateContainer => {
                OciLifecycleState::Creating
            }
            Self::StartContainer => OciLifecycleState::Created,
            Self::Poststart => OciLifecycleState::Running,
            Self::Poststop => OciLifecycleState::Stopped,
        }
    }

    /// Whether a failure of this hook is only a warning (lifecycle step 13).
    #[must_use]
    pub const fn failure_is_warning(self) -> bool {
        matches!(self, Self::Poststop)
    }

    /// Whether a hook without an environment gets that of `process`. Only the one that
    /// runs as a part of the container may see it; the others would leak it to the host.
    #[must_use]
    pub const fn inherits_process_env(self) -> bool {
        matches!(self, Self::StartContainer)
    }
}

/// How a hook ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookOutcome {
    /// It exited with this code.
    Exited(u8),
    /// This signal killed it.
    Signalled(u8),
    /// It ran past its timeout and was killed (H-3).
    TimedOut {
        /// The timeout in seconds.
        secs: u32,
    },
    /// It could not be executed, for this reason.
    NotStarted(&'static str),
}

impl HookOutcome {
    /// Only exit code 0 is success.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Exited(0))
    }

    /// Success, or the error that names the hook.
    ///
    /// # Errors
    /// [`HookError`] for everything but exit code 0.
    pub const fn check(self, kind: HookKind, index: usize) -> Result<(), HookError> {
        if self.is_success() {
            return Ok(());
        }
        Err(HookError {
            kind,
            index,
            outcome: self,
        })
    }
}

impl fmt::Display for HookOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit status {code}"),
            Self::Signalled(signal) => write!(f, "killed by signal {signal}"),
            Self::TimedOut { secs } => write!(f, "hook ran past specified timeout of {secs}s"),
            Self::NotStarted(reason) => write!(f, "cannot be executed: {reason}"),
        }
    }
}

/// A hook that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HookError {
    /// Its kind.
    pub kind: HookKind,
    /// Which one of its kind, counted from 0.
    pub index: usize,
    /// How it ended.
    pub outcome: HookOutcome,
}

impl fmt::Display for HookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            index,
            outcome,
        } = self;
        write!(f, "error running {kind} hook #{index}: {outcome}")
    }
}

impl core::error::Error for HookError {}

#[cfg(test)]
mod tests {
    use super::HookSide::{Container, Runtime};
    use super::*;
    use std::string::ToString;

    #[test]
    fn where_each_kind_runs_and_what_it_sees() {
        use OciLifecycleState::{Created, Creating, Running, Stopped};
        let table = [
            (HookKind::Prestart, Runtime, Runtime, Creating),
            (HookKind::CreateRuntime, Runtime, Runtime, Creating),
            (HookKind::CreateContainer, Runtime, Container, Creating),
            (HookKind::StartContainer, Container, Container, Created),
            (HookKind::Poststart, Runtime, Runtime, Running),
            (HookKind::Poststop, Runtime, Runtime, Stopped),
        ];
        assert_eq!(table.len(), HookKind::ALL.len());
        for (kind, path, runs, status) in table {
            assert_eq!(
                (kind.path_in(), kind.runs_in(), kind.status_seen()),
                (path, runs, status),
                "{kind}"
            );
            assert_eq!(kind.failure_is_warning(), kind == HookKind::Poststop);
            assert_eq!(
                kind.inherits_process_env(),
                kind == HookKind::StartContainer
            );
        }
    }

    #[test]
    fn outcomes_and_their_texts() {
        assert_eq!(HookOutcome::Exited(0).check(HookKind::Prestart, 0), Ok(()));
        for (outcome, text) in [
            (
                HookOutcome::Exited(1),
                "error running prestart hook #2: exit status 1",
            ),
            (
                HookOutcome::Signalled(9),
                "error running prestart hook #2: killed by signal 9",
            ),
            (
                HookOutcome::TimedOut { secs: 5 },
                "error running prestart hook #2: hook ran past specified timeout of 5s",
            ),
            (
                HookOutcome::NotStarted("no such file or directory"),
                "error running prestart hook #2: cannot be executed: no such file or directory",
            ),
        ] {
            let error = outcome.check(HookKind::Prestart, 2).unwrap_err();
            assert_eq!(error.to_string(), text);
        }
    }
}
