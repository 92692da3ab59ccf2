//! Rules that concern more than one key.

use super::error::Fault;
use super::key::{BaseKey, Key, LinuxKey, MountKey, ProcessKey, ResourceKey, SeccompKey};
use super::{
    OciConfig, OciProcess, OciScheduler, OciSeccomp, SchedulerFlag, SchedulerPolicy, SeccompAction,
};
use crate::namespace::OciNamespaceKind as Kind;

/// A rule that is broken: the key that shows it, and why.
pub(super) struct Broken {
    pub(super) key: Key,
    pub(super) fault: Fault,
}

impl Broken {
    fn new(key: impl Into<Key>, fault: Fault) -> Self {
        let key = key.into();
        Self { key, fault }
    }
}

pub(super) type Check = Result<(), Broken>;

/// A broken rule for `key`, or nothing.
fn rule(holds: bool, key: impl Into<Key>, reason: &'static str) -> Check {
    match holds {
        true => Ok(()),
        false => Err(Broken::new(key, Fault::relation(reason))),
    }
}

impl OciConfig {
    /// Everything that single lines cannot show.
    pub(super) fn check_relations(&self) -> Check {
        rule(
            !self.root.path.is_empty(),
            BaseKey::RootPath,
            "the key is missing; a container needs a root file system",
        )?;
        self.check_names()?;
        self.check_mounts()?;
        if let Some(process) = &self.process {
            process.check()?;
        }
        self.check_users()?;
        self.check_linux()
    }

    /// U-1, U-2: without a namespace of its own the container would rename its host.
    fn check_names(&self) -> Check {
        let uts = self.linux.namespace(Kind::Uts).is_some();
        let reason = "the name would be the host's; add namespace=uts";
        rule(uts || self.hostname.is_none(), BaseKey::Hostname, reason)?;
        rule(
            uts || self.domainname.is_none(),
            BaseKey::Domainname,
            reason,
        )
    }

    fn check_mounts(&self) -> Check {
        self.mounts.iter().try_for_each(|mount| {
            rule(
                mount.uid_mappings.is_empty() == mount.gid_mappings.is_empty(),
                MountKey::Mount,
                "mount_uid_mapping and mount_gid_mapping need each other",
            )
        })
    }

    /// N-5, N-6, ND-4.
    fn check_users(&self) -> Check {
        let linux = &self.linux;
        let own = |kind| {
            linux
                .namespace(kind)
                .is_some_and(|entry| entry.path.is_none())
        };
        let reason = "mappings need a new user namespace; add namespace=user";
        for (key, mappings) in [
            (LinuxKey::UidMapping, &linux.uid_mappings),
            (LinuxKey::GidMapping, &linux.gid_mappings),
        ] {
            rule(own(Kind::User) || mappings.is_empty(), key, reason)?;
            rule(
                !own(Kind::User) || !mappings.is_empty(),
                key,
                "the key is missing; a new user namespace needs mappings",
            )?;
        }
        rule(
            own(Kind::Time) || linux.time_offsets.is_empty(),
            LinuxKey::TimeOffset,
            "offsets need a new time namespace; add namespace=time",
        )?;
        rule(
            linux.namespace(Kind::Network).is_some() || linux.net_devices.is_empty(),
            LinuxKey::NetDevice,
            "the interface needs a network namespace to move to",
        )
    }

    fn check_linux(&self) -> Check {
        let linux = &self.linux;
        rule(
            linux.resources.cpu.burst_fits(),
            ResourceKey::CpuBurst,
            "the burst must not be above cpu_quota",
        )?;
        let policy = &linux.memory_policy;
        rule(
            policy.mode.is_some() || policy.nodes.is_none() && policy.flags.is_empty(),
            LinuxKey::MemoryPolicyMode,
            "the key is missing; memory_policy_nodes and memory_policy_flag need it",
        )?;
        match &linux.seccomp {
            Some(seccomp) => seccomp.check(),
            None => Ok(()),
        }
    }
}

impl OciProcess {
    fn check(&self) -> Check {
        rule(
            !self.args.is_empty(),
            ProcessKey::Arg,
            "the key is missing; the process needs a program",
        )?;
        rule(
            self.args.first().is_none_or(|program| !program.is_empty()),
            ProcessKey::Arg,
            "the first process_arg is the program and cannot be empty",
        )?;
        self.scheduler.check()
    }
}

impl OciScheduler {
    /// The combinations that sched_setattr(2) takes (P-12).
    fn check(&self) -> Check {
        use SchedulerPolicy::{Batch, Deadline, Fifo, Other, Rr};
        let given = self.nice.is_some()
            || self.priority.is_some()
            || !self.flags.is_empty()
            || self.runtime.is_some()
            || self.deadline.is_some()
            || self.period.is_some();
        rule(
            self.policy.is_some() || !given,
            ProcessKey::SchedulerPolicy,
            "the key is missing; the other process_scheduler keys need it",
        )?;
        let policy_in = |allowed: &[SchedulerPolicy]| {
            self.policy.is_some_and(|policy| allowed.contains(&policy))
        };
        rule(
            self.nice.is_none_or(|nice| nice == 0) || policy_in(&[Other, Batch]),
            ProcessKey::SchedulerNice,
            "a nice value needs SCHED_OTHER or SCHED_BATCH",
        )?;
        rule(
            self.priority.is_none_or(|p| p == 0) || policy_in(&[Fifo, Rr]),
            ProcessKey::SchedulerPriority,
            "a priority needs SCHED_FIFO or SCHED_RR",
        )?;
        let deadline_only = [
            (ProcessKey::SchedulerRuntime, self.runtime),
            (ProcessKey::SchedulerDeadline, self.deadline),
            (ProcessKey::SchedulerPeriod, self.period),
        ];
        for (key, time) in deadline_only {
            let holds = time.is_none_or(|t| t == 0) || policy_in(&[Deadline]);
            rule(holds, key, "the time needs SCHED_DEADLINE")?;
        }
        let reclaim = self.flags.contains(&SchedulerFlag::Reclaim);
        rule(
            !reclaim || policy_in(&[Deadline]),
            ProcessKey::SchedulerFlag,
            "SCHED_FLAG_RECLAIM needs SCHED_DEADLINE",
        )
    }
}

impl OciSeccomp {
    /// SC-1, SC-2, SC-5.
    fn check(&self) -> Check {
        let Some(default) = self.default_action else {
            let reason = "the key is missing; a filter needs a default action";
            return rule(false, SeccompKey::DefaultAction, reason);
        };
        rule(
            self.default_errno_ret.is_none() || default.takes_errno(),
            SeccompKey::DefaultErrnoRet,
            "the default action takes no error number",
        )?;
        rule(
            default != SeccompAction::Notify,
            SeccompKey::DefaultAction,
            "SCMP_ACT_NOTIFY would stop the runtime itself; use it in a rule",
        )?;
        rule(
            self.listener_metadata.is_none() || self.listener_path.is_some(),
            SeccompKey::ListenerMetadata,
            "metadata needs seccomp_listener_path",
        )
    }
}
