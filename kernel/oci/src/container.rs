//! One container: its identity and where it is in its life.

use crate::config::OciConfig;
use crate::id::ContainerId;
use crate::lifecycle::{LifecycleError, OciLifecycleState, Transition, Verb, transition};
use crate::memory::try_string;
use crate::state::{StateDocument, Timestamp};
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

/// How a container's process has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// It exited with this code.
    Exited(u8),
    /// This signal killed it.
    Signalled(u8),
}

impl ExitStatus {
    /// The code that a shell shows: 128 plus the signal for a killed process.
    #[must_use]
    pub const fn shell_code(self) -> u8 {
        match self {
            Self::Exited(code) => code,
            Self::Signalled(signal) => signal.saturating_add(128),
        }
    }
}

/// A container. Its state changes by its methods only, and only as [`transition`] allows.
///
/// The configuration is shared and never changes after create (lifecycle step 2, L16).
#[derive(Debug, Clone)]
pub struct OciContainer {
    id: ContainerId,
    bundle: String,
    config: Arc<OciConfig>,
    created: Timestamp,
    state: OciLifecycleState,
    pid: Option<u32>,
    exit: Option<ExitStatus>,
}

/// Why a container cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContainerError {
    /// The bundle's path is not absolute (S-6).
    BundleNotAbsolute,
    /// Memory ran out.
    OutOfMemory,
}

impl fmt::Display for ContainerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BundleNotAbsolute => "the path of the bundle must be absolute",
            Self::OutOfMemory => "out of memory for the container",
        })
    }
}

impl core::error::Error for ContainerError {}

impl OciContainer {
    /// A container that is being created. That its id is unique is its owner's business.
    ///
    /// # Errors
    /// [`ContainerError`] when `bundle` is not absolute, or memory runs out.
    pub fn new(
        id: ContainerId,
        bundle: &str,
        config: Arc<OciConfig>,
        created: Timestamp,
    ) -> Result<Self, ContainerError> {
        if !bundle.starts_with('/') {
            return Err(ContainerError::BundleNotAbsolute);
        }
        Ok(Self {
            id,
            bundle: try_string(bundle).map_err(|_| ContainerError::OutOfMemory)?,
            config,
            created,
            state: OciLifecycleState::Creating,
            pid: None,
            exit: None,
        })
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> &ContainerId {
        &self.id
    }

    /// Absolute path of its bundle.
    #[must_use]
    pub fn bundle(&self) -> &str {
        &self.bundle
    }

    /// Its configuration.
    #[must_use]
    pub const fn config(&self) -> &Arc<OciConfig> {
        &self.config
    }

    /// Where it is in its life.
    #[must_use]
    pub const fn state(&self) -> OciLifecycleState {
        self.state
    }

    /// Its process, while it has one, in the runtime's pid namespace.
    #[must_use]
    pub const fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// How its process has ended, once it has.
    #[must_use]
    pub const fn exit(&self) -> Option<ExitStatus> {
        self.exit
    }

    /// Whether `verb` can be done now. Nothing changes.
    ///
    /// # Errors
    /// [`LifecycleError`] when the state does not allow it.
    pub fn check(&self, verb: Verb) -> Result<(), LifecycleError> {
        transition(self.state, verb).map(|_| ())
    }

    /// Create has finished, with `pid` as the container's process.
    ///
    /// # Errors
    /// [`LifecycleError`] unless it was being created.
    pub fn mark_created(&mut self, pid: u32) -> Result<(), LifecycleError> {
        self.change(Verb::MarkCreated)?;
        self.pid = Some(pid);
        Ok(())
    }

    /// The user program runs.
    ///
    /// # Errors
    /// [`LifecycleError`] unless it was created.
    pub fn start(&mut self) -> Result<(), LifecycleError> {
        self.change(Verb::Start)
    }

    /// The process has ended. Its pid is gone: another process may get it (L11).
    ///
    /// # Errors
    /// [`LifecycleError`] unless it was created or running.
    pub fn stop(&mut self, exit: ExitStatus) -> Result<(), LifecycleError> {
        self.change(Verb::Exited)?;
        self.pid = None;
        self.exit = Some(exit);
        Ok(())
    }

    fn change(&mut self, verb: Verb) -> Result<(), LifecycleError> {
        if let Transition::To(state) = transition(self.state, verb)? {
            self.state = state;
        }
        Ok(())
    }

    /// The state document for a reader who sees the process as `pid` (S-5).
    pub fn document(
        &self,
        pid: Option<u32>,
    ) -> StateDocument<'_, impl Iterator<Item = (&str, &str)> + Clone> {
        let annotations = self.config.annotations.iter();
        StateDocument {
            oci_version: &self.config.oci_version,
            id: self.id.as_str(),
            status: self.state,
            pid,
            bundle: &self.bundle,
            annotations: annotations.map(|(name, value)| (name.as_str(), value.as_str())),
            created: self.created,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    fn container() -> OciContainer {
        let config = Arc::new(OciConfig::parse("root_path=rootfs\nannotation=a=b").unwrap());
        let id = ContainerId::new("c1").unwrap();
        OciContainer::new(id, "/bundle", config, Timestamp::default()).unwrap()
    }

    #[test]
    fn a_whole_life() {
        let mut container = container();
        assert_eq!(container.state(), OciLifecycleState::Creating);
        container.mark_created(9).unwrap();
        container.start().unwrap();
        assert_eq!(container.pid(), Some(9));
        container.stop(ExitStatus::Signalled(15)).unwrap();
        assert_eq!(container.state(), OciLifecycleState::Stopped);
        assert_eq!(container.check(Verb::Delete), Ok(()));
    }

    #[test]
    fn l03_the_bundle_is_absolute() {
        for bad in ["", "bundle", "./bundle"] {
            let id = ContainerId::new("c1").unwrap();
            let made = OciContainer::new(id, bad, container().config.clone(), Timestamp::default());
            assert_eq!(made.unwrap_err(), ContainerError::BundleNotAbsolute);
        }
        assert_eq!(container().bundle(), "/bundle");
    }

    #[test]
    fn l09_l10_l11_an_exit_stops_and_is_kept_and_frees_the_pid() {
        let mut container = container();
        container.mark_created(9).unwrap();
        container.stop(ExitStatus::Signalled(9)).unwrap();
        assert_eq!(container.pid(), None);
        assert_eq!(container.exit().unwrap().shell_code(), 137);
        assert!(container.start().is_err());
        assert_eq!(container.exit(), Some(ExitStatus::Signalled(9)));
    }

    #[test]
    fn l14_refused_verbs_change_nothing() {
        let mut container = container();
        assert!(container.start().is_err());
        assert!(container.stop(ExitStatus::Exited(0)).is_err());
        assert_eq!(container.state(), OciLifecycleState::Creating);
        assert_eq!((container.pid(), container.exit()), (None, None));
    }

    #[test]
    fn the_document_has_the_reader_s_pid() {
        let mut container = container();
        container.mark_created(9).unwrap();
        let mut json = String::new();
        container.document(Some(1)).write_json(&mut json).unwrap();
        assert!(json.contains("\"pid\":1,") && json.contains("\"a\":\"b\""));
        assert!(json.contains("\"status\":\"created\""));
    }
}
