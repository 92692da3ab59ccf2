//! The configuration of a container as lines of `key=value`.
//!
//! The grammar, every key, and examples are in `docs/config-format.md`. This module
//! accepts what the grammar allows; whether a kernel can enforce it is decided by
//! [`plan`](crate::plan).

mod base;
mod dissolve;
mod error;
mod hook;
mod key;
mod lexer;
mod linux;
mod mount;
mod names;
mod parse;
mod print;
mod process;
mod relations;
mod resources;
mod seccomp;
mod value;

pub use base::{OCI_VERSION_DEFAULT, OciRoot};
pub(crate) use error::Visible;
pub use error::{ConfigError, ConfigErrorKind, EXCERPT_MAX};
pub use hook::{OciHook, OciHooks};
pub use key::{KEYS, LIST_MAX};
pub use lexer::{LINE_MAX, LINES_MAX, TEXT_MAX};
pub use linux::{
    IdMapping, MemoryPolicyFlag, MemoryPolicyMode, OciDevice, OciDeviceKind, OciIntelRdt,
    OciLinuxConfig, OciMemoryPolicy, OciNamespace, OciNetDevice, OciTimeOffset, Personality,
    RootfsPropagation, TimeClock,
};
pub use mount::OciMount;
pub use parse::ConfigReader;
pub(crate) use process::Pair;
pub use process::{
    CapabilitySet, IoPriorityClass, OciCapabilities, OciConsoleSize, OciExecCpuAffinity,
    OciIoPriority, OciProcess, OciRlimit, OciScheduler, RlimitKind, SchedulerFlag, SchedulerPolicy,
};
pub use resources::{
    CPU_PERIOD_DEFAULT, CPU_SHARES_DEFAULT, DeviceRuleKind, OciBlockIo, OciCpu, OciDeviceRule,
    OciHugepageLimit, OciMemory, OciNetwork, OciNetworkPriority, OciRdma, OciResources,
    OciThrottleDevice, OciWeightDevice,
};
pub use seccomp::{
    OciSeccomp, OciSyscallArg, OciSyscallRule, SeccompAction, SeccompArch, SeccompFlag, SeccompOp,
};
pub use value::{ELEMENTS_MAX, STRUCTURED_MAX};

use crate::memory::TryText;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};

/// A container's configuration: `config.json` of a bundle, in the kernel's language.
///
/// Made by [`parse`](Self::parse), which checks it completely, or built field by field
/// and then checked by [`validate`](Self::validate).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OciConfig {
    /// Version of the runtime specification the configuration is written for (V-1).
    pub oci_version: String,
    /// The root file system.
    pub root: OciRoot,
    /// The program to run; a container without one cannot be started (P-1).
    pub process: Option<OciProcess>,
    /// Host name in the container's uts namespace (U-1).
    pub hostname: Option<String>,
    /// NIS domain name in the container's uts namespace (U-2).
    pub domainname: Option<String>,
    /// Mounts in the order in which they are made (M-1).
    pub mounts: Vec<OciMount>,
    /// Programs to run at points of the lifecycle.
    pub hooks: OciHooks,
    /// Free text for the container's users, in the order given.
    pub annotations: Vec<(String, String)>,
    /// Everything that only Linux has.
    pub linux: OciLinuxConfig,
}

impl OciConfig {
    /// Reads and checks a configuration text.
    ///
    /// # Errors
    /// The first fault in the text, with its line.
    pub fn parse(input: &str) -> Result<Self, ConfigError> {
        Self::parse_bytes(input.as_bytes())
    }

    /// Reads and checks a configuration text that may not even be UTF-8.
    ///
    /// # Errors
    /// The first fault in the text, with its line.
    pub fn parse_bytes(input: &[u8]) -> Result<Self, ConfigError> {
        parse::parse(input)
    }

    /// Checks a configuration that was built or changed by code.
    ///
    /// It is valid if its text is: it is printed, parsed, and must come back unchanged.
    /// So a newline in a host name cannot smuggle in a key.
    ///
    /// # Errors
    /// The first fault; its line is that of the printed text.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let text = self
            .try_to_text()
            .ok_or_else(|| error::Fault::out_of_memory().at(0, "", ""))?;
        if Self::parse(&text)? == *self {
            return Ok(());
        }
        Err(error::Fault::value("a value cannot be written as key=value text").at(0, "", ""))
    }

    /// The configuration as text; parsing it gives the same configuration.
    #[must_use]
    pub fn to_text(&self) -> String {
        alloc::format!("{self}")
    }

    /// [`to_text`](Self::to_text), or nothing when memory runs out.
    #[must_use]
    pub fn try_to_text(&self) -> Option<String> {
        let mut text = TryText::default();
        write!(text, "{self}").ok()?;
        Some(text.0)
    }
}

impl fmt::Display for OciConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print::print(self, f)
    }
}

impl core::str::FromStr for OciConfig {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Self::parse(text)
    }
}
