//! What a platform can enforce.

use core::fmt;

macro_rules! features {
    ( $( $variant:ident $key:literal $what:literal, )* ) => {
        /// A property of a configuration that a platform may or may not enforce.
        ///
        /// There is one for each property that the specification lets a runtime choose;
        /// what is required of every runtime has none. A value whose feature is not
        /// supported is refused by [`plan`](crate::plan), by key and value.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum Feature { $( #[doc = concat!("`", $key, "`: ", $what, ".")] $variant, )* }

        impl Feature {
            /// Every feature.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];

            /// The key of the configuration that asks for it.
            #[must_use]
            pub const fn key(self) -> &'static str {
                match self { $( Self::$variant => $key, )* }
            }

            /// Why a value that needs it is refused.
            #[cfg(feature = "alloc")]
            pub(crate) const fn refusal(self) -> &'static str {
                match self {
                    $( Self::$variant => concat!("this kernel does not support ", $what), )*
                }
            }

            /// What it is, in words for messages.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self { $( Self::$variant => $what, )* }
            }
        }
    };
}

features! {
    RootReadonly "root_readonly" "a read-only root",
    RootPropagation "rootfs_propagation" "propagation of the root mount",
    Hostname "hostname" "a host name",
    Domainname "domainname" "a domain name",

    Terminal "process_terminal" "a terminal",
    ConsoleSize "process_console_size" "the size of the terminal",
    AdditionalGids "process_additional_gid" "supplementary groups",
    Umask "process_umask" "a file mode creation mask",
    Rlimits "process_rlimit" "resource limits of the process",
    Capabilities "process_capability" "capabilities",
    NoNewPrivileges "process_no_new_privs" "the no_new_privs bit",
    OomScoreAdj "process_oom_score_adj" "the order of killing when memory runs out",
    Apparmor "process_apparmor_profile" "AppArmor",
    Selinux "process_selinux_label" "SELinux process labels",
    Scheduler "process_scheduler_policy" "scheduling policies",
    IoPriority "process_io_priority" "I/O priorities",
    ExecCpuAffinity "process_exec_cpus_initial" "CPU affinity of processes added by exec",

    MountProc "mount" "the file system proc",
    MountSysfs "mount" "the file system sysfs",
    MountTmpfs "mount" "the file system tmpfs",
    MountDevpts "mount" "the file system devpts",
    MountMqueue "mount" "the file system mqueue",
    MountCgroup "mount" "the file system cgroup",
    MountOverlay "mount" "the file system overlay",
    MountBind "mount" "bind mounts",
    MountRecursiveBind "mount" "recursive bind mounts",
    MountReadonly "mount" "read-only mounts",
    MountNosuid "mount" "the mount option nosuid",
    MountNodev "mount" "the mount option nodev",
    MountNoexec "mount" "the mount option noexec",
    MountNosymfollow "mount" "the mount option nosymfollow",
    MountAtime "mount" "mount options for access times",
    MountSync "mount" "the mount options sync, dirsync, lazytime, iversion and mand",
    MountRemount "mount" "the mount option remount",
    MountPropagation "mount" "propagation of mounts",
    MountRecursiveAttributes "mount" "recursive mount attributes",
    MountIdmap "mount" "id-mapped mounts",
    MountTmpCopyUp "mount" "the mount option tmpcopyup",
    MountLabel "mount_label" "SELinux mount labels",

    HookPrestart "hook_prestart" "prestart hooks",
    HookCreateRuntime "hook_createRuntime" "createRuntime hooks",
    HookCreateContainer "hook_createContainer" "createContainer hooks",
    HookStartContainer "hook_startContainer" "startContainer hooks",
    HookPoststart "hook_poststart" "poststart hooks",
    HookPoststop "hook_poststop" "poststop hooks",

    NamespacePid "namespace" "pid namespaces",
    NamespaceNetwork "namespace" "network namespaces",
    NamespaceMount "namespace" "mount namespaces",
    NamespaceIpc "namespace" "ipc namespaces",
    NamespaceUts "namespace" "uts namespaces",
    NamespaceUser "namespace" "user namespaces",
    NamespaceCgroup "namespace" "cgroup namespaces",
    NamespaceTime "namespace" "time namespaces",
    NamespaceJoin "namespace" "joining a namespace by its path",
    NamespaceJoinMount "namespace" "joining a mount namespace by its path",

    Devices "device" "device nodes besides the default ones",
    NetDevices "net_device" "moving network interfaces",
    MaskedPaths "masked_path" "masked paths",
    ReadonlyPaths "readonly_path" "read-only paths",
    Sysctl "sysctl" "kernel parameters",
    Personality "personality" "execution domains",
    IntelRdt "rdt_clos_id" "resctrl",
    MemoryPolicy "memory_policy_mode" "NUMA memory policies",
    Seccomp "seccomp_default_action" "system call filters",
    SeccompNotify "seccomp_listener_path" "system call filters that notify",

    Cgroups "cgroups_path" "cgroups",
    CgroupDevices "cgroup_device" "the device controller",
    MemoryLimit "memory_limit" "memory limits",
    MemoryReservation "memory_reservation" "memory reservations",
    MemorySwap "memory_swap" "swap limits",
    MemoryKernel "memory_kernel" "kernel memory limits",
    MemorySwappiness "memory_swappiness" "swappiness",
    MemoryOomControl "memory_disable_oom_killer" "waiting instead of killing when memory runs out",
    MemoryHierarchy "memory_use_hierarchy" "the memory hierarchy switch",
    MemoryCheckBeforeUpdate "memory_check_before_update" "checking use before a memory update",
    CpuShares "cpu_shares" "CPU weights",
    CpuQuota "cpu_quota" "CPU quotas",
    CpuBurst "cpu_burst" "CPU bursts",
    CpuRealtime "cpu_realtime_runtime" "real-time CPU quotas",
    Cpuset "cpu_cpus" "placement on CPUs and memory nodes",
    CpuIdle "cpu_idle" "idle CPU weight",
    PidsLimit "pids_limit" "limits on the number of tasks",
    BlockIo "block_io_weight" "limits on block devices",
    HugepageLimits "hugepage_limit" "limits on huge pages",
    NetworkClasses "network_class_id" "network classes and priorities",
    Rdma "rdma" "limits on RDMA devices",
    Unified "unified" "direct writes to cgroup files",
}

/// A set of [`Feature`]s: what one platform enforces.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct FeatureSet(u128);

impl FeatureSet {
    /// No feature.
    pub const NONE: Self = Self(0);

    /// The set of the listed features.
    #[must_use]
    pub const fn of(features: &[Feature]) -> Self {
        let mut set = Self::NONE;
        let mut rest = features;
        while let [first, tail @ ..] = rest {
            set = set.with(*first);
            rest = tail;
        }
        set
    }

    /// Every feature there is.
    #[must_use]
    pub const fn all() -> Self {
        Self::of(Feature::ALL)
    }

    /// The features for which `supports` says yes.
    pub fn from_fn(supports: impl Fn(Feature) -> bool) -> Self {
        Feature::ALL
            .iter()
            .filter(|feature| supports(**feature))
            .fold(Self::NONE, |set, feature| set.with(*feature))
    }

    /// This set and `feature`.
    #[must_use]
    pub const fn with(self, feature: Feature) -> Self {
        Self(self.0 | 1 << feature as u8)
    }

    /// This set without `feature`.
    #[must_use]
    pub const fn without(self, feature: Feature) -> Self {
        Self(self.0 & !(1 << feature as u8))
    }

    /// Whether `feature` is in the set.
    #[must_use]
    pub const fn has(self, feature: Feature) -> bool {
        self.0 & (1 << feature as u8) != 0
    }

    /// The features of the set.
    pub fn iter(self) -> impl Iterator<Item = Feature> {
        Feature::ALL
            .iter()
            .copied()
            .filter(move |feature| self.has(*feature))
    }
}

impl fmt::Debug for FeatureSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

// The set is one machine word pair.
const _: () = assert!(Feature::ALL.len() <= u128::BITS as usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_what_was_put_in() {
        let two = FeatureSet::of(&[Feature::Hostname, Feature::Unified]);
        for feature in Feature::ALL {
            let member = matches!(feature, Feature::Hostname | Feature::Unified);
            assert_eq!(two.has(*feature), member, "{feature:?}");
            assert!(FeatureSet::all().has(*feature));
            assert!(!FeatureSet::all().without(*feature).has(*feature));
        }
        assert_eq!(FeatureSet::from_fn(|f| two.has(f)), two);
        assert_eq!(two.iter().count(), 2);
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn every_feature_names_a_key_of_the_grammar() {
        for feature in Feature::ALL {
            assert!(crate::config::KEYS.contains(&feature.key()), "{feature:?}");
        }
    }
}
