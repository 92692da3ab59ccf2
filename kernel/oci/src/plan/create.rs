//! The order of create (lifecycle steps 2 to 5).

use super::{NamespaceSource, Planner, Refusal, Step, push_hooks};
use crate::config::{CapabilitySet, MemoryPolicyMode, OciProcess, Personality};
use crate::feature::Feature;
use crate::hooks::HookKind;
use crate::namespace::OciNamespaceKind as Kind;

impl Planner<'_> {
    /// Everything of create, in order. The root stays writable until the last program
    /// that the runtime runs has seen it, and becomes read-only after the pivot.
    pub(super) fn create(&mut self) -> Result<(), Refusal> {
        self.need_all_hooks()?;
        self.push(Step::ResolveRoot)?;
        self.namespaces()?;
        self.cgroup()?;
        self.root()?;
        self.mounts()?;
        self.devices()?;
        self.names()?;
        for kind in [
            HookKind::Prestart,
            HookKind::CreateRuntime,
            HookKind::CreateContainer,
        ] {
            push_hooks(self.config, kind, &mut self.steps)?;
        }
        self.push(Step::PivotRoot)?;
        self.paths()?;
        self.process()?;
        self.push(Step::CreateTask)?;
        self.push(Step::MarkCreated)
    }

    /// Hooks of start and delete are checked here too: later is too late to refuse.
    fn need_all_hooks(&self) -> Result<(), Refusal> {
        for kind in HookKind::ALL {
            if let Some(hook) = self.config.hooks.of(*kind).first() {
                self.need(hook_feature(*kind), &hook.path)?;
            }
        }
        Ok(())
    }

    /// The user namespace comes first: it owns all the others.
    fn namespaces(&mut self) -> Result<(), Refusal> {
        const ORDER: [Kind; 8] = [
            Kind::User,
            Kind::Mount,
            Kind::Pid,
            Kind::Uts,
            Kind::Ipc,
            Kind::Network,
            Kind::Cgroup,
            Kind::Time,
        ];
        let linux = &self.config.linux;
        if linux.namespace(Kind::Mount).is_none() {
            return Err(Refusal::invalid(
                "namespace",
                "",
                "without a mount namespace the container would change the host's mounts; add namespace=mount",
            ));
        }
        for kind in ORDER {
            let source = match linux.namespace(kind) {
                None => NamespaceSource::Inherit,
                Some(entry) => {
                    self.need(namespace_feature(kind), entry)?;
                    match &entry.path {
                        None => NamespaceSource::New,
                        Some(_) => {
                            self.need(Feature::NamespaceJoin, entry)?;
                            NamespaceSource::Join
                        }
                    }
                }
            };
            self.push(Step::Namespace(kind, source))?;
        }
        if !linux.uid_mappings.is_empty() {
            self.push(Step::MapIds)?;
        }
        if !linux.time_offsets.is_empty() {
            self.push(Step::SetTimeOffsets)?;
        }
        Ok(())
    }

    fn root(&mut self) -> Result<(), Refusal> {
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
        self.push(Step::MountRoot)
    }

    fn devices(&mut self) -> Result<(), Refusal> {
        let linux = &self.config.linux;
        self.push(Step::CreateDefaultDevices)?;
        for (index, device) in linux.devices.iter().enumerate() {
            self.need(Feature::Devices, device)?;
            self.push(Step::CreateDevice(index))?;
        }
        self.push(Step::CreateDevSymlinks)?;
        if let Some(process) = self.config.process.as_ref().filter(|p| p.terminal) {
            self.need(Feature::Terminal, true)?;
            if let Some(size) = process.console_size {
                let size = format_args!("{}:{}", size.height, size.width);
                self.need(Feature::ConsoleSize, size)?;
            }
            self.push(Step::OpenTerminal)?;
        }
        for (index, device) in linux.net_devices.iter().enumerate() {
            self.need(Feature::NetDevices, device)?;
            self.push(Step::MoveNetDevice(index))?;
        }
        Ok(())
    }

    fn names(&mut self) -> Result<(), Refusal> {
        let config = self.config;
        for (index, (name, value)) in config.linux.sysctl.iter().enumerate() {
            self.need(Feature::Sysctl, format_args!("{name}={value}"))?;
            self.push(Step::SetSysctl(index))?;
        }
        if let Some(name) = &config.hostname {
            self.need(Feature::Hostname, name)?;
            self.push(Step::SetHostname)?;
        }
        if let Some(name) = &config.domainname {
            self.need(Feature::Domainname, name)?;
            self.push(Step::SetDomainname)?;
        }
        Ok(())
    }

    fn paths(&mut self) -> Result<(), Refusal> {
        let linux = &self.config.linux;
        for (index, path) in linux.masked_paths.iter().enumerate() {
            self.need(Feature::MaskedPaths, path)?;
            self.push(Step::MaskPath(index))?;
        }
        for (index, path) in linux.readonly_paths.iter().enumerate() {
            self.need(Feature::ReadonlyPaths, path)?;
            self.push(Step::ProtectPath(index))?;
        }
        if self.config.root.readonly {
            self.push(Step::RemountRootReadonly)?;
        }
        Ok(())
    }

    /// The task's working directory, identity and limits. A container without a process
    /// gets those of an empty one: root without any capability.
    fn process(&mut self) -> Result<(), Refusal> {
        self.push(Step::SetWorkingDirectory)?;
        if let Some(process) = &self.config.process {
            self.identity(process)?;
            self.limits(process)?;
        } else {
            self.push(Step::SetCredentials)?;
            self.push(Step::SetCapabilities)?;
        }
        self.machine()?;
        self.filter()
    }

    fn identity(&mut self, process: &OciProcess) -> Result<(), Refusal> {
        if let Some(gid) = process.additional_gids.first() {
            self.need(Feature::AdditionalGids, gid)?;
        }
        if let Some(umask) = process.umask {
            self.need(Feature::Umask, format_args!("0{umask:o}"))?;
        }
        self.push(Step::SetCredentials)?;
        if let Some(capabilities) = &process.capabilities {
            let given = |set: &&CapabilitySet| !capabilities.of(**set).is_empty();
            // Five empty sets are what everybody gets who gives none.
            if let Some(set) = CapabilitySet::ALL.iter().find(given) {
                self.need(Feature::Capabilities, set)?;
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
        if let Some(limit) = process.rlimits.first() {
            let value = format_args!("{}:{}:{}", limit.kind, limit.soft, limit.hard);
            self.need(Feature::Rlimits, value)?;
            self.push(Step::SetRlimits)?;
        }
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

    fn machine(&mut self) -> Result<(), Refusal> {
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
        self.intel_rdt()
    }

    fn intel_rdt(&mut self) -> Result<(), Refusal> {
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
        self.push_if(given, Step::SetIntelRdt)
    }

    fn filter(&mut self) -> Result<(), Refusal> {
        let Some(seccomp) = &self.config.linux.seccomp else {
            return Ok(());
        };
        let action = seccomp.default_action;
        self.need_if_some(Feature::Seccomp, Feature::Seccomp.key(), action)?;
        let listener = seccomp.listener_path.as_ref();
        self.need_if_some(Feature::SeccompNotify, "seccomp_listener_path", listener)?;
        self.push(Step::InstallSeccomp)
    }

    pub(super) fn push_if(&mut self, wanted: bool, step: Step) -> Result<(), Refusal> {
        match wanted {
            true => self.push(step),
            false => Ok(()),
        }
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
