//! The order of create (lifecycle steps 2 to 5).

use super::planning::{Planner, Section};
use super::{HookStep, NamespaceSource, Refusal, Step};
use crate::config::{CapabilitySet, MemoryPolicyMode, OciProcess, Personality};
use crate::feature::Feature;
use crate::hooks::HookKind;
use crate::namespace::OciNamespaceKind as Kind;

/// Everything of create, in order. Hooks know the container by its first task (S-5), so that is
/// made before them; they may still change its root, so that becomes read-only, and its working
/// directory is looked up, after the pivot.
pub(super) const CREATE: &[Section] = &[
    // Hooks of start and delete are checked here too: later is too late to refuse.
    |p, i| p.hook_supported(HookKind::Prestart, i),
    |p, i| p.hook_supported(HookKind::CreateRuntime, i),
    |p, i| p.hook_supported(HookKind::CreateContainer, i),
    |p, i| p.hook_supported(HookKind::StartContainer, i),
    |p, i| p.hook_supported(HookKind::Poststart, i),
    |p, i| p.hook_supported(HookKind::Poststop, i),
    |p, _| p.once(Step::ResolveRoot),
    // It pays for everything that follows.
    |p, _| p.cgroup(),
    |p, _| p.mount_namespace(),
    |p, i| p.namespace(i),
    |p, _| p.settings_of_namespaces(),
    |p, _| p.swap(),
    |p, i| p.cgroup_device(i),
    |p, i| p.hugepage_limit(i),
    |p, i| p.network_priority(i),
    |p, i| p.rdma(i),
    |p, i| p.unified(i),
    |p, i| p.block_io_device(i),
    |p, _| p.resources(),
    |p, _| p.root(),
    |p, i| p.mount(i),
    |p, _| p.once(Step::CreateDefaultDevices),
    |p, i| p.device(i),
    |p, _| p.terminal(),
    |p, i| p.net_device(i),
    |p, i| p.sysctl(i),
    |p, _| p.names(),
    |p, i| p.additional_gid(i),
    |p, _| p.process(),
    |p, _| p.machine(),
    |p, _| p.intel_rdt(),
    |p, _| p.filter(),
    |p, _| p.once(Step::CreateTask),
    |p, i| p.hook(HookKind::Prestart, i),
    |p, i| p.hook(HookKind::CreateRuntime, i),
    |p, i| p.hook(HookKind::CreateContainer, i),
    |p, _| p.once(Step::PivotRoot),
    |p, i| p.masked_path(i),
    |p, i| p.readonly_path(i),
    |p, _| p.readonly_root(),
    |p, _| p.once(Step::SetWorkingDirectory),
    |p, _| p.once(Step::MarkCreated),
];

/// The limits alone, for an update.
pub(super) const LIMITS: &[Section] = &[
    |p, i| p.cgroup_device(i),
    |p, i| p.hugepage_limit(i),
    |p, i| p.network_priority(i),
    |p, i| p.rdma(i),
    |p, i| p.unified(i),
    |p, i| p.block_io_device(i),
    |p, _| p.resources(),
];

impl Planner<'_> {
    fn hook_supported(&mut self, kind: HookKind, i: usize) -> Result<bool, Refusal> {
        self.each(self.config.hooks.of(kind), i, |p, hook| {
            p.need(hook_feature(kind), &hook.path)
        })
    }

    fn hook(&mut self, kind: HookKind, index: usize) -> Result<bool, Refusal> {
        self.each(self.config.hooks.of(kind), index, |p, _| {
            p.push(Step::RunHook(HookStep { kind, index }))
        })
    }

    fn mount_namespace(&mut self) -> Result<bool, Refusal> {
        if self.config.linux.namespace(Kind::Mount).is_none() {
            self.refuse(Refusal::invalid(
                "namespace",
                "",
                "without a mount namespace the container would change the host's mounts; add namespace=mount",
            ))?;
        }
        Ok(false)
    }

    /// The user namespace comes first: it owns all the others.
    fn namespace(&mut self, item: usize) -> Result<bool, Refusal> {
        const ORDER: &[Kind] = &[
            Kind::User,
            Kind::Mount,
            Kind::Pid,
            Kind::Uts,
            Kind::Ipc,
            Kind::Network,
            Kind::Cgroup,
            Kind::Time,
        ];
        self.each(ORDER, item, |p, kind| {
            let source = match p.config.linux.namespace(*kind) {
                None => NamespaceSource::Inherit,
                Some(entry) => {
                    p.need(namespace_feature(*kind), entry)?;
                    match &entry.path {
                        None => NamespaceSource::New,
                        Some(_) => {
                            p.need(Feature::NamespaceJoin, entry)?;
                            if *kind == Kind::Mount {
                                p.need(Feature::NamespaceJoinMount, entry)?;
                            }
                            NamespaceSource::Join
                        }
                    }
                }
            };
            p.push(Step::Namespace(*kind, source))
        })
    }

    fn settings_of_namespaces(&mut self) -> Result<bool, Refusal> {
        let linux = &self.config.linux;
        self.push_if(!linux.uid_mappings.is_empty(), Step::MapIds)?;
        self.push_if(!linux.time_offsets.is_empty(), Step::SetTimeOffsets)?;
        Ok(false)
    }

    fn root(&mut self) -> Result<bool, Refusal> {
        let config = self.config;
        if config.root.readonly {
            self.need(Feature::RootReadonly, true)?;
        }
        let propagation = config.linux.rootfs_propagation;
        self.need_if_some(
            Feature::RootPropagation,
            Feature::RootPropagation.key(),
            propagation,
        )?;
        let label = config.linux.mount_label.as_ref();
        self.need_if_some(Feature::MountLabel, Feature::MountLabel.key(), label)?;
        self.once(Step::MountRoot)
    }

    fn device(&mut self, i: usize) -> Result<bool, Refusal> {
        self.each(&self.config.linux.devices, i, |p, device| {
            p.need(Feature::Devices, device)?;
            p.push(Step::CreateDevice(i))
        })
    }

    fn terminal(&mut self) -> Result<bool, Refusal> {
        self.push(Step::CreateDevSymlinks)?;
        if let Some(process) = self.config.process.as_ref().filter(|p| p.terminal) {
            self.need(Feature::Terminal, true)?;
            if let Some(size) = process.console_size {
                let size = format_args!("{}:{}", size.height, size.width);
                self.need(Feature::ConsoleSize, size)?;
            }
            self.push(Step::OpenTerminal)?;
        }
        Ok(false)
    }

    fn net_device(&mut self, i: usize) -> Result<bool, Refusal> {
        self.each(&self.config.linux.net_devices, i, |p, device| {
            p.need(Feature::NetDevices, device)?;
            p.push(Step::MoveNetDevice(i))
        })
    }

    fn sysctl(&mut self, i: usize) -> Result<bool, Refusal> {
        self.each(&self.config.linux.sysctl, i, |p, (name, value)| {
            p.need(Feature::Sysctl, format_args!("{name}={value}"))?;
            p.push(Step::SetSysctl(i))
        })
    }

    fn names(&mut self) -> Result<bool, Refusal> {
        let config = self.config;
        if let Some(name) = &config.hostname {
            self.need(Feature::Hostname, name)?;
            self.push(Step::SetHostname)?;
        }
        if let Some(name) = &config.domainname {
            self.need(Feature::Domainname, name)?;
            self.push(Step::SetDomainname)?;
        }
        Ok(false)
    }

    fn masked_path(&mut self, i: usize) -> Result<bool, Refusal> {
        self.each(&self.config.linux.masked_paths, i, |p, path| {
            p.need(Feature::MaskedPaths, path)?;
            p.push(Step::MaskPath(i))
        })
    }

    fn readonly_path(&mut self, i: usize) -> Result<bool, Refusal> {
        self.each(&self.config.linux.readonly_paths, i, |p, path| {
            p.need(Feature::ReadonlyPaths, path)?;
            p.push(Step::ProtectPath(i))
        })
    }

    fn readonly_root(&mut self) -> Result<bool, Refusal> {
        self.push_if(self.config.root.readonly, Step::RemountRootReadonly)?;
        Ok(false)
    }

    fn additional_gid(&mut self, i: usize) -> Result<bool, Refusal> {
        let process = self.config.process.as_ref();
        let gids = process.map_or(&[][..], |process| &process.additional_gids);
        self.each(gids, i, |p, gid| p.need(Feature::AdditionalGids, gid))
    }

    /// The task's identity and limits. A container without a process gets those of an empty
    /// one: root without any capability.
    fn process(&mut self) -> Result<bool, Refusal> {
        if let Some(process) = &self.config.process {
            self.identity(process)?;
            self.limits(process)?;
        } else {
            self.push(Step::SetCredentials)?;
            self.push(Step::SetCapabilities)?;
        }
        Ok(false)
    }

    fn identity(&mut self, process: &OciProcess) -> Result<(), Refusal> {
        if let Some(umask) = process.umask {
            self.need(Feature::Umask, format_args!("0{umask:o}"))?;
        }
        self.push(Step::SetCredentials)?;
        if let Some(capabilities) = &process.capabilities {
            // Five empty sets are what everybody gets who gives none.
            for set in CapabilitySet::ALL {
                if !capabilities.of(*set).is_empty() {
                    self.need(Feature::Capabilities, set)?;
                }
            }
        }
        self.push(Step::SetCapabilities)?;
        if process.no_new_privs {
            self.need(Feature::NoNewPrivileges, true)?;
            self.push(Step::SetNoNewPrivileges)?;
        }
        let labels = [
            (Feature::Apparmor, &process.apparmor_profile),
            (Feature::Selinux, &process.selinux_label),
        ];
        for (feature, label) in labels {
            self.need_if_some(feature, feature.key(), label.as_ref())?;
        }
        let given = process.apparmor_profile.is_some() || process.selinux_label.is_some();
        self.push_if(given, Step::SetLabels)
    }

    fn limits(&mut self, process: &OciProcess) -> Result<(), Refusal> {
        for limit in &process.rlimits {
            let value = format_args!("{}:{}:{}", limit.kind, limit.soft, limit.hard);
            self.need(Feature::Rlimits, value)?;
        }
        self.push_if(!process.rlimits.is_empty(), Step::SetRlimits)?;
        if let Some(adjustment) = process.oom_score_adj {
            self.need(Feature::OomScoreAdj, adjustment)?;
            self.push(Step::SetOomScoreAdj)?;
        }
        if let Some(policy) = process.scheduler.policy {
            self.need(Feature::Scheduler, policy)?;
            self.push(Step::SetScheduler)?;
        }
        if let Some(priority) = process.io_priority {
            let value = format_args!("{}:{}", priority.class, priority.priority);
            self.need(Feature::IoPriority, value)?;
            self.push(Step::SetIoPriority)?;
        }
        // For processes that exec adds (P-14): nothing to do now, but to refuse.
        let cpus = &process.exec_cpu_affinity;
        let feature = Feature::ExecCpuAffinity;
        self.need_if_some(feature, "process_exec_cpus_initial", cpus.initial.as_ref())?;
        self.need_if_some(feature, "process_exec_cpus_final", cpus.final_.as_ref())?;
        Ok(())
    }

    fn machine(&mut self) -> Result<bool, Refusal> {
        let linux = &self.config.linux;
        if let Some(personality) = linux.personality {
            // Being an ordinary Linux is no feature.
            if personality != Personality::Linux {
                self.need(Feature::Personality, personality)?;
                self.push(Step::SetPersonality)?;
            }
        }
        if let Some(mode) = linux.memory_policy.mode {
            let policy = &linux.memory_policy;
            let plain = policy.nodes.is_none() && policy.flags.is_empty();
            if mode != MemoryPolicyMode::Default || !plain {
                self.need(Feature::MemoryPolicy, mode)?;
                self.push(Step::SetMemoryPolicy)?;
            }
        }
        Ok(false)
    }

    fn intel_rdt(&mut self) -> Result<bool, Refusal> {
        let rdt = &self.config.linux.intel_rdt;
        let texts = [
            ("rdt_clos_id", rdt.clos_id.as_ref()),
            ("rdt_schema", rdt.schemata.first()),
            ("rdt_l3_cache_schema", rdt.l3_cache_schema.as_ref()),
            ("rdt_mem_bw_schema", rdt.mem_bw_schema.as_ref()),
        ];
        let mut given = false;
        for (key, value) in texts {
            given |= self.need_if_some(Feature::IntelRdt, key, value)?;
        }
        let monitoring = rdt.enable_monitoring.then_some(true);
        given |= self.need_if_some(Feature::IntelRdt, "rdt_monitoring", monitoring)?;
        self.push_if(given, Step::SetIntelRdt)?;
        Ok(false)
    }

    fn filter(&mut self) -> Result<bool, Refusal> {
        let Some(seccomp) = &self.config.linux.seccomp else {
            return Ok(false);
        };
        let action = seccomp.default_action;
        self.need_if_some(Feature::Seccomp, Feature::Seccomp.key(), action)?;
        let listener = seccomp.listener_path.as_ref();
        self.need_if_some(Feature::SeccompNotify, "seccomp_listener_path", listener)?;
        self.once(Step::InstallSeccomp)
    }
}

const fn hook_feature(kind: HookKind) -> Feature {
    match kind {
        HookKind::Prestart => Feature::HookPrestart,
        HookKind::CreateRuntime => Feature::HookCreateRuntime,
        HookKind::CreateContainer => Feature::HookCreateContainer,
        HookKind::StartContainer => Feature::HookStartContainer,
        HookKind::Poststart => Feature::HookPoststart,
        HookKind::Poststop => Feature::HookPoststop,
    }
}

const fn namespace_feature(kind: Kind) -> Feature {
    match kind {
        Kind::Pid => Feature::NamespacePid,
        Kind::Network => Feature::NamespaceNetwork,
        Kind::Mount => Feature::NamespaceMount,
        Kind::Ipc => Feature::NamespaceIpc,
        Kind::Uts => Feature::NamespaceUts,
        Kind::User => Feature::NamespaceUser,
        Kind::Cgroup => Feature::NamespaceCgroup,
        Kind::Time => Feature::NamespaceTime,
    }
}
