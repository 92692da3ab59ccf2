//! The keys of the grammar: one table for parser, printer and error texts.

use super::lexer::LINES_MAX;

/// Most entries of a list in which each entry is work for whoever creates the container.
/// The lists of plain text that make up a process have no limit but [`LINES_MAX`].
pub const LIST_MAX: usize = 1 << 10;

/// How often a key may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arity {
    /// At most once: a second one is an error (P34).
    Once,
    /// At most [`LIST_MAX`] times; the order is kept.
    List,
    /// Any number of times; the order is kept.
    Text,
}

impl Arity {
    /// The most times.
    pub(crate) const fn most(self) -> usize {
        match self {
            Self::Once => 1,
            Self::List => LIST_MAX,
            Self::Text => LINES_MAX,
        }
    }
}

macro_rules! keys {
    ( $( $(#[$meta:meta])* $subject:ident($group:ident) { $( $variant:ident $text:literal $arity:ident, )* } )* ) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub(crate) enum $group { $( $variant, )* }

            impl $group {
                pub(crate) const fn as_str(self) -> &'static str {
                    match self { $( Self::$variant => $text, )* }
                }

                const fn arity(self) -> Arity {
                    match self { $( Self::$variant => Arity::$arity, )* }
                }
            }

            impl From<$group> for Key {
                fn from(key: $group) -> Self {
                    Self::$subject(key)
                }
            }
        )*

        /// Every key, by subject.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Key { $( $subject($group), )* }

        impl Key {
            pub(crate) fn from_name(name: &str) -> Option<Self> {
                match name {
                    $( $( $text => Some(Self::$subject($group::$variant)), )* )*
                    _ => None,
                }
            }

            pub(crate) const fn as_str(self) -> &'static str {
                match self { $( Self::$subject(key) => key.as_str(), )* }
            }

            pub(crate) const fn arity(self) -> Arity {
                match self { $( Self::$subject(key) => key.arity(), )* }
            }
        }

        /// Every key of the grammar, by subject.
        pub const KEYS: &[&str] = &[ $( $( $text, )* )* ];
    };
}

keys! {
    /// Version, root, names, annotations.
    Base(BaseKey) {
        OciVersion "oci_version" Once,
        RootPath "root_path" Once,
        RootReadonly "root_readonly" Once,
        Hostname "hostname" Once,
        Domainname "domainname" Once,
        Annotation "annotation" List,
    }
    /// `process`.
    Process(ProcessKey) {
        Terminal "process_terminal" Once,
        ConsoleSize "process_console_size" Once,
        Cwd "process_cwd" Once,
        Arg "process_arg" Text,
        ArgLine "process_arg_line" Text,
        Env "process_env" Text,
        EnvLine "process_env_line" Text,
        Uid "process_uid" Once,
        Gid "process_gid" Once,
        AdditionalGid "process_additional_gid" Text,
        Umask "process_umask" Once,
        Rlimit "process_rlimit" List,
        Capability "process_capability" List,
        NoNewPrivs "process_no_new_privs" Once,
        OomScoreAdj "process_oom_score_adj" Once,
        ApparmorProfile "process_apparmor_profile" Once,
        SelinuxLabel "process_selinux_label" Once,
        SchedulerPolicy "process_scheduler_policy" Once,
        SchedulerNice "process_scheduler_nice" Once,
        SchedulerPriority "process_scheduler_priority" Once,
        SchedulerFlag "process_scheduler_flag" List,
        SchedulerRuntime "process_scheduler_runtime" Once,
        SchedulerDeadline "process_scheduler_deadline" Once,
        SchedulerPeriod "process_scheduler_period" Once,
        IoPriority "process_io_priority" Once,
        ExecCpusInitial "process_exec_cpus_initial" Once,
        ExecCpusFinal "process_exec_cpus_final" Once,
    }
    /// `mounts`.
    Mount(MountKey) {
        Mount "mount" List,
        UidMapping "mount_uid_mapping" List,
        GidMapping "mount_gid_mapping" List,
    }
    /// `hooks`.
    Hook(HookKey) {
        Prestart "hook_prestart" List,
        CreateRuntime "hook_createRuntime" List,
        CreateContainer "hook_createContainer" List,
        StartContainer "hook_startContainer" List,
        Poststart "hook_poststart" List,
        Poststop "hook_poststop" List,
        Arg "hook_arg" Text,
        ArgLine "hook_arg_line" Text,
        Env "hook_env" Text,
        EnvLine "hook_env_line" Text,
    }
    /// `linux`, without resources and seccomp.
    Linux(LinuxKey) {
        Namespace "namespace" List,
        UidMapping "uid_mapping" List,
        GidMapping "gid_mapping" List,
        TimeOffset "time_offset" List,
        Device "device" List,
        NetDevice "net_device" List,
        CgroupsPath "cgroups_path" Once,
        RootfsPropagation "rootfs_propagation" Once,
        MaskedPath "masked_path" List,
        ReadonlyPath "readonly_path" List,
        MountLabel "mount_label" Once,
        Sysctl "sysctl" List,
        Personality "personality" Once,
        RdtClosId "rdt_clos_id" Once,
        RdtSchema "rdt_schema" List,
        RdtL3CacheSchema "rdt_l3_cache_schema" Once,
        RdtMemBwSchema "rdt_mem_bw_schema" Once,
        RdtMonitoring "rdt_monitoring" Once,
        MemoryPolicyMode "memory_policy_mode" Once,
        MemoryPolicyNodes "memory_policy_nodes" Once,
        MemoryPolicyFlag "memory_policy_flag" List,
    }
    /// `linux.resources`.
    Resource(ResourceKey) {
        CgroupDevice "cgroup_device" List,
        MemoryLimit "memory_limit" Once,
        MemoryReservation "memory_reservation" Once,
        MemorySwap "memory_swap" Once,
        MemoryKernel "memory_kernel" Once,
        MemoryKernelTcp "memory_kernel_tcp" Once,
        MemorySwappiness "memory_swappiness" Once,
        MemoryDisableOomKiller "memory_disable_oom_killer" Once,
        MemoryUseHierarchy "memory_use_hierarchy" Once,
        MemoryCheckBeforeUpdate "memory_check_before_update" Once,
        CpuShares "cpu_shares" Once,
        CpuQuota "cpu_quota" Once,
        CpuBurst "cpu_burst" Once,
        CpuPeriod "cpu_period" Once,
        CpuRealtimeRuntime "cpu_realtime_runtime" Once,
        CpuRealtimePeriod "cpu_realtime_period" Once,
        CpuCpus "cpu_cpus" Once,
        CpuMems "cpu_mems" Once,
        CpuIdle "cpu_idle" Once,
        PidsLimit "pids_limit" Once,
        BlockIoWeight "block_io_weight" Once,
        BlockIoLeafWeight "block_io_leaf_weight" Once,
        BlockIoWeightDevice "block_io_weight_device" List,
        BlockIoReadBps "block_io_read_bps_device" List,
        BlockIoWriteBps "block_io_write_bps_device" List,
        BlockIoReadIops "block_io_read_iops_device" List,
        BlockIoWriteIops "block_io_write_iops_device" List,
        HugepageLimit "hugepage_limit" List,
        NetworkClassId "network_class_id" Once,
        NetworkPriority "network_priority" List,
        Rdma "rdma" List,
        Unified "unified" List,
    }
    /// `linux.seccomp`.
    Seccomp(SeccompKey) {
        DefaultAction "seccomp_default_action" Once,
        DefaultErrnoRet "seccomp_default_errno_ret" Once,
        Architecture "seccomp_architecture" List,
        Flag "seccomp_flag" List,
        ListenerPath "seccomp_listener_path" Once,
        ListenerMetadata "seccomp_listener_metadata" Once,
        Syscall "seccomp_syscall" List,
        Arg "seccomp_arg" List,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_found_by_its_name() {
        for name in KEYS {
            assert_eq!(Key::from_name(name).map(Key::as_str), Some(*name));
        }
        assert_eq!(Key::from_name("garbage"), None);
    }
}
