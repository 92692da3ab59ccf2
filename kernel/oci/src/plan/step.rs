//! The steps of plans.

use super::MountKind;
use crate::config::{OciConfig, OciHook, OciMount};
use crate::hooks::HookKind;
use crate::mount_options::MountOptions;
use crate::namespace::OciNamespaceKind;
use alloc::string::String;
use core::fmt;

/// Where a namespace of a container comes from (N-2, N-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamespaceSource {
    /// It is made for the container.
    New,
    /// It is that of whoever creates the container.
    Inherit,
    /// It exists; `config.linux.namespace(kind)` has its path.
    Join,
}

/// A mount to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MountStep {
    /// Index into `config.mounts`.
    pub index: usize,
    /// What is mounted.
    pub kind: MountKind,
    /// Its options, read; data of the file system is in the entry.
    pub options: MountOptions,
}

impl MountStep {
    /// The entry of the configuration that this plan was made from.
    #[must_use]
    pub fn of<'c>(&self, config: &'c OciConfig) -> Option<&'c OciMount> {
        config.mounts.get(self.index)
    }
}

/// A hook to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HookStep {
    /// Its kind.
    pub kind: HookKind,
    /// Which one of its kind, counted from 0.
    pub index: usize,
}

impl HookStep {
    /// The entry of the configuration that this plan was made from.
    #[must_use]
    pub fn of<'c>(&self, config: &'c OciConfig) -> Option<&'c OciHook> {
        config.hooks.get(self.kind, self.index)
    }

    /// The complete environment of the hook, `NAME=VALUE` each. Only a `startContainer`
    /// hook that has none of its own gets that of the process: all others run for the
    /// host, which must not do what a container's environment says.
    #[must_use]
    pub fn env<'c>(&self, config: &'c OciConfig) -> &'c [String] {
        let own = self.of(config).map_or(&[][..], |hook| &hook.env);
        match &config.process {
            Some(process) if own.is_empty() && self.kind.inherits_process_env() => &process.env,
            _ => own,
        }
    }
}

/// One step of a plan. Indexes point into the configuration the plan was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Find the directory `root.path` below the bundle and hold on to it.
    ResolveRoot,
    /// Provide one namespace.
    Namespace(OciNamespaceKind, NamespaceSource),
    /// Set the id mappings of the new user namespace.
    MapIds,
    /// Set the clocks of the new time namespace.
    SetTimeOffsets,
    /// Create the container's cgroup.
    CreateCgroup,
    /// Set the limits of the cgroup.
    SetResources,
    /// Make the root directory a mount of its own, writable for now.
    MountRoot,
    /// Mount `config.mounts[index]`.
    Mount(MountStep),
    /// Make the default devices (null, zero, full, random, urandom, tty, ptmx).
    CreateDefaultDevices,
    /// Make `config.linux.devices[index]`.
    CreateDevice(usize),
    /// Make `/dev/fd`, `/dev/stdin`, `/dev/stdout`, `/dev/stderr`.
    CreateDevSymlinks,
    /// Open a terminal pair and make it `/dev/console`.
    OpenTerminal,
    /// Move `config.linux.net_devices[index]`.
    MoveNetDevice(usize),
    /// Set `config.linux.sysctl[index]`.
    SetSysctl(usize),
    /// Set the host name.
    SetHostname,
    /// Set the domain name.
    SetDomainname,
    /// Set user, groups and file mode creation mask.
    SetCredentials,
    /// Set the five capability sets; all are empty when none is configured.
    SetCapabilities,
    /// Set the no_new_privs bit.
    SetNoNewPrivileges,
    /// Set the resource limits of the process.
    SetRlimits,
    /// Set the OOM score adjustment.
    SetOomScoreAdj,
    /// Set the scheduling policy.
    SetScheduler,
    /// Set the I/O priority.
    SetIoPriority,
    /// Set the execution domain.
    SetPersonality,
    /// Set the NUMA policy.
    SetMemoryPolicy,
    /// Join a resctrl group.
    SetIntelRdt,
    /// Set AppArmor and SELinux labels.
    SetLabels,
    /// Attach the system call filter, in force from the user program on.
    InstallSeccomp,
    /// Make the container's first task from all of the above, without a program. It can be
    /// seen, joined and killed from here on, but runs nothing before start.
    CreateTask,
    /// Run a hook and wait for it.
    RunHook(HookStep),
    /// Make the root the container's `/` and detach the old tree.
    PivotRoot,
    /// Hide `config.linux.masked_paths[index]`.
    MaskPath(usize),
    /// Make `config.linux.readonly_paths[index]` read-only.
    ProtectPath(usize),
    /// Make the root read-only.
    RemountRootReadonly,
    /// Find the working directory inside the root, make what is missing, and put the task there.
    SetWorkingDirectory,
    /// Let the world see the container: it is created.
    MarkCreated,
    /// Load the user program into the task.
    LoadProgram,
    /// Let the task run: the container is running.
    MarkRunning,
    /// Kill every process of the container and wait for their end.
    StopContainer,
    /// Undo create: take down everything it made.
    Destroy,
    /// Forget the container; its id may be used again.
    ReleaseId,
}

impl Step {
    /// The requirement that the step fulfils, as numbered in this project's checklist of
    /// the runtime specification.
    #[must_use]
    pub const fn spec_id(self) -> &'static str {
        match self {
            Self::ResolveRoot => "R-1",
            Self::Namespace(_, NamespaceSource::Inherit) => "N-3",
            Self::Namespace(..) => "N-2",
            Self::MapIds => "N-5",
            Self::SetTimeOffsets => "N-6",
            Self::CreateCgroup => "C-2",
            Self::SetResources => "O-create-2",
            Self::MountRoot => "RP-1",
            Self::Mount(_) => "M-1",
            Self::CreateDefaultDevices | Self::CreateDevSymlinks => "D-2",
            Self::CreateDevice(_) => "D-1",
            Self::OpenTerminal => "P-2",
            Self::MoveNetDevice(_) => "ND-1",
            Self::SetSysctl(_) => "Y-1",
            Self::SetHostname => "U-1",
            Self::SetDomainname => "U-2",
            Self::RunHook(_) => "H-1",
            Self::PivotRoot => "R-1",
            Self::MaskPath(_) => "MP-1",
            Self::ProtectPath(_) => "RO-1",
            Self::RemountRootReadonly => "R-2",
            Self::SetWorkingDirectory => "P-4",
            Self::SetCredentials => "P-7",
            Self::SetCapabilities => "P-9",
            Self::SetNoNewPrivileges => "P-10",
            Self::SetRlimits => "P-8",
            Self::SetOomScoreAdj => "P-11",
            Self::SetScheduler => "P-12",
            Self::SetIoPriority => "P-13",
            Self::SetPersonality => "PE-1",
            Self::SetMemoryPolicy => "NUMA-1",
            Self::SetIntelRdt => "RDT-1",
            Self::SetLabels => "P-15",
            Self::InstallSeccomp => "SC-8",
            Self::CreateTask | Self::MarkCreated => "O-create-2",
            Self::LoadProgram | Self::MarkRunning => "O-start-2",
            Self::StopContainer => "E-1",
            Self::Destroy => "O-delete-2",
            Self::ReleaseId => "O-delete-3",
        }
    }

    /// Whether a failure of the step is a warning and not the end of the operation.
    #[must_use]
    pub const fn failure_is_warning(self) -> bool {
        matches!(self, Self::RunHook(hook) if hook.kind.failure_is_warning())
    }

    /// Whether what was done up to this step is no longer undone step by step: only
    /// stopping and destroying the container can take it back.
    #[must_use]
    pub const fn commits(self) -> bool {
        matches!(self, Self::MarkRunning)
    }

    /// Whether the step runs a hook.
    #[must_use]
    pub const fn is_hook(self) -> bool {
        matches!(self, Self::RunHook(_))
    }

    /// The step in words, with the values of `config`.
    #[must_use]
    pub const fn text<'c>(&self, config: &'c OciConfig) -> StepText<'c> {
        StepText {
            step: *self,
            config,
        }
    }
}

/// A [`Step`] in words.
#[derive(Debug, Clone, Copy)]
pub struct StepText<'c> {
    step: Step,
    config: &'c OciConfig,
}

impl fmt::Display for StepText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = self.config;
        let linux = &config.linux;
        match self.step {
            Step::ResolveRoot => write!(f, "find the root {}", config.root.path),
            Step::Namespace(kind, NamespaceSource::New) => write!(f, "create {kind} namespace"),
            Step::Namespace(kind, NamespaceSource::Inherit) => {
                write!(f, "inherit {kind} namespace")
            }
            Step::Namespace(kind, NamespaceSource::Join) => {
                write!(f, "join {kind} namespace")?;
                let path = linux.namespace(kind).and_then(|entry| entry.path.as_ref());
                or_nothing(f, path)
            }
            Step::Mount(mount) => {
                f.write_str("mount")?;
                or_nothing(f, mount.of(config))
            }
            Step::CreateDevice(index) => {
                f.write_str("create device")?;
                or_nothing(f, linux.devices.get(index))
            }
            Step::MoveNetDevice(index) => {
                f.write_str("move network interface")?;
                or_nothing(f, linux.net_devices.get(index))
            }
            Step::SetSysctl(index) => {
                f.write_str("set sysctl")?;
                or_nothing(f, linux.sysctl.get(index).map(|(name, _)| name))
            }
            Step::SetHostname => {
                f.write_str("set hostname")?;
                or_nothing(f, config.hostname.as_ref())
            }
            Step::SetDomainname => {
                f.write_str("set domainname")?;
                or_nothing(f, config.domainname.as_ref())
            }
            Step::RunHook(hook) => {
                write!(f, "run {} hook #{}", hook.kind, hook.index)?;
                or_nothing(f, hook.of(config).map(|hook| &hook.path))
            }
            Step::MaskPath(index) => {
                f.write_str("mask")?;
                or_nothing(f, linux.masked_paths.get(index))
            }
            Step::ProtectPath(index) => {
                f.write_str("make read-only")?;
                or_nothing(f, linux.readonly_paths.get(index))
            }
            Step::SetWorkingDirectory => {
                f.write_str("set working directory")?;
                or_nothing(f, config.process.as_ref().map(|process| &process.cwd))
            }
            Step::SetCredentials => {
                let ids = config.process.as_ref().map_or((0, 0), |p| (p.uid, p.gid));
                write!(f, "set credentials {}:{}", ids.0, ids.1)
            }
            Step::LoadProgram => {
                f.write_str("load program")?;
                or_nothing(f, config.process.as_ref().and_then(|p| p.args.first()))
            }
            step => f.write_str(step.words()),
        }
    }
}

/// A space and the value, if there is one.
fn or_nothing(f: &mut fmt::Formatter<'_>, value: Option<impl fmt::Display>) -> fmt::Result {
    match value {
        Some(value) => write!(f, " {value}"),
        None => Ok(()),
    }
}

impl Step {
    /// The words of steps whose text holds no value.
    const fn words(self) -> &'static str {
        match self {
            Self::MapIds => "set id mappings",
            Self::SetTimeOffsets => "set time offsets",
            Self::CreateCgroup => "create cgroup",
            Self::SetResources => "set resource limits",
            Self::MountRoot => "mount root",
            Self::CreateDefaultDevices => "create default devices",
            Self::CreateDevSymlinks => "create symbolic links in /dev",
            Self::OpenTerminal => "open terminal",
            Self::PivotRoot => "pivot root",
            Self::RemountRootReadonly => "make root read-only",
            Self::SetCapabilities => "set capabilities",
            Self::SetNoNewPrivileges => "set no_new_privs",
            Self::SetRlimits => "set rlimits",
            Self::SetOomScoreAdj => "set OOM score adjustment",
            Self::SetScheduler => "set scheduler",
            Self::SetIoPriority => "set I/O priority",
            Self::SetPersonality => "set personality",
            Self::SetMemoryPolicy => "set memory policy",
            Self::SetIntelRdt => "join resctrl group",
            Self::SetLabels => "set security labels",
            Self::InstallSeccomp => "install system call filter",
            Self::CreateTask => "create task",
            Self::MarkCreated => "mark created",
            Self::MarkRunning => "mark running",
            Self::StopContainer => "stop container",
            Self::Destroy => "destroy container",
            Self::ReleaseId => "release id",
            // Those with a value are written by `StepText`.
            _ => "",
        }
    }
}
