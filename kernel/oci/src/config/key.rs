//! The keys of the grammar: one table for parser, printer and error texts.

/// How often a key may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arity {
    /// At most once: a second one is an error (P34).
    Once,
    /// Any number of times; the order is kept.
    Many,
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
        Annotation "annotation" Many,
    }
    /// `process`.
    Process(ProcessKey) {
        Terminal "process_terminal" Once,
        ConsoleSize "process_console_size" Once,
        Cwd "process_cwd" Once,
        Arg "process_arg" Many,
        ArgLine "process_arg_line" Many,
        Env "process_env" Many,
        EnvLine "process_env_line" Many,
        Uid "process_uid" Once,
        Gid "process_gid" Once,
        AdditionalGid "process_additional_gid" Many,
        Umask "process_umask" Once,
        Rlimit "process_rlimit" Many,
        Capability "process_capability" Many,
        NoNewPrivs "process_no_new_privs" Once,
        OomScoreAdj "process_oom_score_adj" Once,
        ApparmorProfile "process_apparmor_profile" Once,
        SelinuxLabel "process_selinux_label" Once,
        SchedulerPolicy "process_scheduler_policy" Once,
        SchedulerNice "process_scheduler_nice" Once,
        SchedulerPriority "process_scheduler_priority" Once,
        SchedulerFlag "process_scheduler_flag" Many,
        SchedulerRuntime "process_scheduler_runtime" Once,
        SchedulerDeadline "process_scheduler_deadline" Once,
        SchedulerPeriod "process_scheduler_period" Once,
        IoPriority "process_io_priority" Once,
        ExecCpusInitial "process_exec_cpus_initial" Once,
        ExecCpusFinal "process_exec_cpus_final" Once,
    }
    /// `mounts`.
    Mount(MountKey) {
        Mount "mount" Many,
        UidMapping "mount_uid_mapping" Many,
        GidMapping "mount_gid_mapping" Many,
    }
    /// `hooks`.
    Hook(HookKey) {
        Prestart "hook_prestart" Many,
        CreateRuntime "hook_createRuntime" Many,
        CreateContainer "hook_createContainer" Many,
        StartContainer "hook_startContainer" Many,
        Poststart "hook_poststart" Many,
        Poststop "hook_poststop" Many,
        Arg "hook_arg" Many,
        ArgLine "hook_arg_line" Many,
        Env "hook_env" Many,
        EnvLine "hook_env_line" Many,
    }
    /// `linux`, without resources and seccomp.
    Linux(LinuxKey) {
        Namespace "namespace" Many,
        UidMapping "uid_mapping" Many,
        GidMapping "gid_mapping" Many,
        TimeOffset "time_offset" Many,
        Device "device" Many,
        NetDevice "net_device" Many,
        CgroupsPath "cgroups_path" Once,
        RootfsPropagation "rootfs_propagation" Once,
        MaskedPath "masked_path" Many,
        ReadonlyPath "readonly_path" Many,
        MountLabel "mount_label" Once,
        Sysctl "sysctl" Many,
        Personality "personality" Once,
        RdtClosId "rdt_clos_id" Once,
        RdtSchema "rdt_schema" Many,
        RdtL3CacheSchema "rdt_l3_cache_schema" Once,
        RdtMemBwSchema "rdt_mem_bw_schema" Once,
        RdtMonitoring "rdt_monitoring" Once,
        MemoryPolicyMode "memory_policy_mode" Once,
        MemoryPolicyNodes "memory_policy_nodes" Once,
        MemoryPolicyFlag "memory_policy_flag" Many,
    }
    /// `linux.resources`.
    Resource(ResourceKey) {
        CgroupDevice "cgroup_device" Many,
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
        BlockIoWeightDevice "block_io_weight_device" Many,
        BlockIoReadBps "block_io_read_bps_device" Many,
        BlockIoWriteBps "block_io_write_bps_device" Many,
        BlockIoReadIops "block_io_read_iops_device" Many,
        BlockIoWriteIops "block_io_write_iops_device" Many,
        HugepageLimit "hugepage_limit" Many,
        NetworkClassId "network_class_id" Once,
        NetworkPriority "network_priority" Many,
        Rdma "rdma" Many,
        Unified "unified" Many,
    }
    /// `linux.seccomp`.
    Seccomp(SeccompKey) {
        DefaultAction "seccomp_default_action" Once,
        DefaultErrnoRet "seccomp_default_errno_ret" Once,
        Architecture "seccomp_architecture" Many,
        Flag "seccomp_flag" Many,
        ListenerPath "seccomp_listener_path" Once,
        ListenerMetadata "seccomp_listener_metadata" Once,
        Syscall "seccomp_syscall" Many,
        Arg "seccomp_arg" Many,
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
