//! Plans: their order, and what they refuse.
#![cfg(feature = "alloc")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use berth_oci::{
    Feature, FeatureSet, HookKind, HookStep, MountFlags, OciConfig, Plan, Refusal, RefusalKind,
    Step, plan, plan_delete, plan_start,
};

/// What a first, small kernel enforces.
const SMALL: FeatureSet = FeatureSet::of(&[
    Feature::RootReadonly,
    Feature::Hostname,
    Feature::MountProc,
    Feature::MountTmpfs,
    Feature::MountBind,
    Feature::MountRecursiveBind,
    Feature::MountReadonly,
    Feature::MountNosuid,
    Feature::MountNodev,
    Feature::MountNoexec,
    Feature::NamespacePid,
    Feature::NamespaceMount,
    Feature::NamespaceUts,
    Feature::HookPrestart,
    Feature::HookPoststop,
]);

const BASE: &str = "root_path=rootfs\nnamespace=mount\nnamespace=pid\nnamespace=uts\n";

fn config(lines: &str) -> OciConfig {
    // A kind is listed once.
    let base = match lines.contains("namespace=mount:") {
        true => BASE.replace("namespace=mount\n", ""),
        false => BASE.into(),
    };
    OciConfig::parse(&format!("{base}{lines}")).unwrap_or_else(|error| panic!("{error}"))
}

fn texts(config: &OciConfig, steps: &[Step]) -> Vec<String> {
    steps
        .iter()
        .map(|step| format!("{} {}", step.spec_id(), step.text(config)))
        .collect()
}

fn refusal(lines: &str, features: FeatureSet) -> Refusal {
    let config = config(lines);
    match plan(&config, features) {
        Err(refusal) => refusal,
        Ok(plan) => panic!("{lines:?} planned: {:?}", texts(&config, plan.steps())),
    }
}

fn planned(lines: &str, features: FeatureSet) -> Plan {
    plan(&config(lines), features).unwrap_or_else(|refusal| panic!("{refusal}"))
}

const CONTAINER: &str = "\
root_readonly=true
hostname=berth
annotation=a=b
process_arg=/bin/sh
process_env=PATH=/bin
process_cwd=/work
process_uid=1000
process_gid=100
mount=/proc:proc:proc:nosuid,nodev,noexec
mount=/tmp:tmpfs:tmpfs:size=1m
mount=/data:bind:/srv/data:rbind,ro
hook_prestart=/bin/pre:5
hook_poststop=/bin/post
";

#[test]
fn create_in_the_order_of_the_specification() {
    let config = config(CONTAINER);
    let plan = plan(&config, SMALL).unwrap();
    assert_eq!(
        texts(&config, plan.steps()),
        [
            "R-1 find the root rootfs",
            "N-3 inherit user namespace",
            "N-2 create mount namespace",
            "N-2 create pid namespace",
            "N-2 create uts namespace",
            "N-3 inherit ipc namespace",
            "N-3 inherit network namespace",
            "N-3 inherit cgroup namespace",
            "N-3 inherit time namespace",
            "RP-1 mount root",
            "M-1 mount /proc:proc:proc:nosuid,nodev,noexec",
            "M-1 mount /tmp:tmpfs:tmpfs:size=1m",
            "M-1 mount /data:bind:/srv/data:rbind,ro",
            "D-2 create default devices",
            "D-2 create symbolic links in /dev",
            "U-1 set hostname berth",
            "P-7 set credentials 1000:100",
            "P-9 set capabilities",
            "O-create-2 create task",
            "H-1 run prestart hook #0 /bin/pre",
            "R-1 pivot root",
            "R-2 make root read-only",
            "P-4 set working directory /work",
            "O-create-2 mark created",
        ]
    );
    assert_eq!(
        texts(&config, plan.cleanup()),
        ["H-1 run poststop hook #0 /bin/post"]
    );
}

#[test]
fn hooks_run_in_order_before_the_pivot() {
    let lines = "hook_createContainer=/c\nhook_createRuntime=/r0\nhook_createRuntime=/r1\n\
        hook_prestart=/p\nhook_startContainer=/s\nhook_poststart=/ps\nhook_poststop=/z\n\
        process_arg=/bin/true";
    let config = config(lines);
    let create = plan(&config, FeatureSet::all()).unwrap();
    let create = texts(&config, create.steps());
    let hooks: Vec<_> = create.iter().filter(|text| text.contains("hook")).collect();
    assert_eq!(
        hooks,
        [
            "H-1 run prestart hook #0 /p",
            "H-1 run createRuntime hook #0 /r0",
            "H-1 run createRuntime hook #1 /r1",
            "H-1 run createContainer hook #0 /c",
        ]
    );
    let last_hook = create.iter().rposition(|text| text.contains("hook"));
    let pivot = create.iter().position(|text| text.contains("pivot"));
    assert!(last_hook < pivot);

    let start = plan_start(&config).unwrap();
    assert_eq!(
        texts(&config, start.steps()),
        [
            "H-1 run startContainer hook #0 /s",
            "O-start-2 load program /bin/true",
            "O-start-2 mark running",
            "H-1 run poststart hook #0 /ps",
        ]
    );
    assert_eq!(
        texts(&config, start.cleanup()),
        [
            "E-1 stop container",
            "O-delete-2 destroy container",
            "H-1 run poststop hook #0 /z",
            "O-delete-3 release id",
        ]
    );
    let delete = plan_delete(&config).unwrap();
    assert_eq!(
        texts(&config, delete.steps()),
        [
            "O-delete-2 destroy container",
            "H-1 run poststop hook #0 /z",
            "O-delete-3 release id",
        ]
    );
}

/// NVIDIAScape: a hook that runs for the host must not see the container's environment.
#[test]
fn only_start_container_hooks_see_the_environment_of_the_process() {
    for kind in HookKind::ALL {
        let config = config(&format!(
            "process_arg=a\nprocess_env=LD_PRELOAD=/evil.so\nhook_{kind}=/h\n\
             hook_{kind}=/h\nhook_env=OWN=1\nhook_arg=name\nhook_arg=-x"
        ));
        let [bare, own] = [0, 1].map(|index| HookStep { kind: *kind, index });
        let inherits = *kind == HookKind::StartContainer;
        let expected: &[&str] = if inherits {
            &["LD_PRELOAD=/evil.so"]
        } else {
            &[]
        };
        assert_eq!(bare.env(&config), expected, "{kind}");
        assert_eq!(own.env(&config), ["OWN=1"]);
        assert_eq!(bare.of(&config).unwrap().argv(), ["/h"]);
        assert_eq!(own.of(&config).unwrap().argv(), ["name", "-x"]);
    }
}

/// L15: the root is pivoted once, after everything that is mounted outside.
#[test]
fn l15_the_root_is_pivoted_once() {
    let plan = planned(CONTAINER, SMALL);
    let pivots = plan.steps().iter().filter(|step| **step == Step::PivotRoot);
    assert_eq!(pivots.count(), 1);
    let at = |wanted: &dyn Fn(&Step) -> bool| plan.steps().iter().rposition(wanted).unwrap();
    let pivot = at(&|step| *step == Step::PivotRoot);
    assert!(at(&|step| matches!(step, Step::Mount(_))) < pivot);
    assert!(pivot < at(&|step| *step == Step::RemountRootReadonly));
    assert!(pivot < at(&|step| *step == Step::SetWorkingDirectory));
}

/// S-5: hooks of create find the container by its first task.
#[test]
fn hooks_of_create_come_after_the_task_and_before_the_pivot() {
    let hooks = "hook_prestart=/a\nhook_createRuntime=/b\nhook_createContainer=/c";
    let plan = planned(hooks, FeatureSet::all());
    let at = |wanted: &dyn Fn(&Step) -> bool| plan.steps().iter().position(wanted).unwrap();
    let hook = at(&|step| step.is_hook());
    assert!(at(&|step| *step == Step::CreateTask) < hook);
    assert!(hook + 2 < at(&|step| *step == Step::PivotRoot));
}

#[test]
fn a_container_without_a_process_can_be_created_but_not_started() {
    assert!(planned("", SMALL).steps().contains(&Step::CreateTask));
    let refusal = plan_start(&config("")).unwrap_err();
    assert_eq!(refusal.key, "process_arg");
    assert!(plan_start(&config("process_arg=/bin/true")).is_ok());
}

/// One line for each feature that asks for it. A new feature without a line fails.
fn asks_for(feature: Feature) -> &'static str {
    use Feature as F;
    match feature {
        F::RootReadonly => "root_readonly=true",
        F::RootPropagation => "rootfs_propagation=shared",
        F::Hostname => "hostname=x",
        F::Domainname => "domainname=x",
        F::Terminal => "process_terminal=true",
        F::ConsoleSize => "process_terminal=true\nprocess_console_size=24:80",
        F::AdditionalGids => "process_additional_gid=5",
        F::Umask => "process_umask=022",
        F::Rlimits => "process_rlimit=RLIMIT_CORE:0:0",
        F::Capabilities => "process_capability=bounding:CAP_KILL",
        F::NoNewPrivileges => "process_no_new_privs=true",
        F::OomScoreAdj => "process_oom_score_adj=0",
        F::Apparmor => "process_apparmor_profile=p",
        F::Selinux => "process_selinux_label=l",
        F::Scheduler => "process_scheduler_policy=SCHED_BATCH",
        F::IoPriority => "process_io_priority=IOPRIO_CLASS_IDLE",
        F::ExecCpuAffinity => "process_exec_cpus_initial=0",
        F::MountProc => "mount=/proc:proc:proc",
        F::MountSysfs => "mount=/sys:sysfs:sysfs",
        F::MountTmpfs => "mount=/tmp:tmpfs:tmpfs",
        F::MountDevpts => "mount=/dev/pts:devpts:devpts",
        F::MountMqueue => "mount=/dev/mqueue:mqueue:mqueue",
        F::MountCgroup => "mount=/sys/fs/cgroup:cgroup:cgroup",
        F::MountOverlay => "mount=/o:overlay:overlay:lowerdir=/a",
        F::MountBind => "mount=/b:none:/b:bind",
        F::MountRecursiveBind => "mount=/b:none:/b:rbind",
        F::MountReadonly => "mount=/t:tmpfs:tmpfs:ro",
        F::MountNosuid => "mount=/t:tmpfs:tmpfs:nosuid",
        F::MountNodev => "mount=/t:tmpfs:tmpfs:nodev",
        F::MountNoexec => "mount=/t:tmpfs:tmpfs:noexec",
        F::MountNosymfollow => "mount=/t:tmpfs:tmpfs:nosymfollow",
        F::MountAtime => "mount=/t:tmpfs:tmpfs:relatime",
        F::MountSync => "mount=/t:tmpfs:tmpfs:dirsync",
        F::MountRemount => "mount=/t:tmpfs:tmpfs:remount",
        F::MountPropagation => "mount=/t:tmpfs:tmpfs:shared",
        F::MountRecursiveAttributes => "mount=/b:bind:/b:bind,rro",
        F::MountIdmap => {
            "mount=/b:bind:/b:bind,idmap\nmount_uid_mapping=0:0:1\nmount_gid_mapping=0:0:1"
        }
        F::MountTmpCopyUp => "mount=/t:tmpfs:tmpfs:tmpcopyup",
        F::MountLabel => "mount_label=l",
        F::HookPrestart => "hook_prestart=/h",
        F::HookCreateRuntime => "hook_createRuntime=/h",
        F::HookCreateContainer => "hook_createContainer=/h",
        F::HookStartContainer => "hook_startContainer=/h",
        F::HookPoststart => "hook_poststart=/h",
        F::HookPoststop => "hook_poststop=/h",
        F::NamespacePid | F::NamespaceMount | F::NamespaceUts => "",
        F::NamespaceNetwork => "namespace=network",
        F::NamespaceIpc => "namespace=ipc",
        F::NamespaceUser => "namespace=user\nuid_mapping=0:0:1\ngid_mapping=0:0:1",
        F::NamespaceCgroup => "namespace=cgroup",
        F::NamespaceTime => "namespace=time\ntime_offset=boottime:1:0",
        F::NamespaceJoin => "namespace=ipc:/run/ipc",
        F::NamespaceJoinMount => "namespace=mount:/run/mnt",
        F::Devices => "device=c:/dev/fuse:10:229",
        F::NetDevices => "namespace=network\nnet_device=eth0",
        F::MaskedPaths => "masked_path=/proc/kcore",
        F::ReadonlyPaths => "readonly_path=/proc/sys",
        F::Sysctl => "sysctl=net.core.somaxconn=1",
        F::Personality => "personality=LINUX32",
        F::IntelRdt => "rdt_schema=L3:0=f",
        F::MemoryPolicy => "memory_policy_mode=MPOL_BIND\nmemory_policy_nodes=0",
        F::Seccomp => "seccomp_default_action=SCMP_ACT_ALLOW",
        F::SeccompNotify => "seccomp_default_action=SCMP_ACT_ALLOW\nseccomp_listener_path=/s",
        F::Cgroups => "cgroups_path=/c",
        F::CgroupDevices => "cgroup_device=deny:a",
        F::MemoryLimit => "memory_limit=4096",
        F::MemoryReservation => "memory_reservation=4096",
        F::MemorySwap => "memory_limit=4096\nmemory_swap=4097",
        F::MemoryKernel => "memory_kernel_tcp=4096",
        F::MemorySwappiness => "memory_swappiness=0",
        F::MemoryOomControl => "memory_disable_oom_killer=true",
        F::MemoryHierarchy => "memory_use_hierarchy=true",
        F::MemoryCheckBeforeUpdate => "memory_check_before_update=true",
        F::CpuShares => "cpu_shares=1024",
        F::CpuQuota => "cpu_period=100000",
        F::CpuBurst => "cpu_quota=1000\ncpu_burst=1",
        F::CpuRealtime => "cpu_realtime_period=1",
        F::Cpuset => "cpu_mems=0",
        F::CpuIdle => "cpu_idle=1",
        F::PidsLimit => "pids_limit=0",
        F::BlockIo => "block_io_write_iops_device=8:0:1",
        F::HugepageLimits => "hugepage_limit=2MB:0",
        F::NetworkClasses => "network_priority=eth0:1",
        F::Rdma => "rdma=mlx5:1:",
        F::Unified => "unified=io.weight=1",
        other => panic!("no line asks for {other:?}"),
    }
}

#[test]
fn each_feature_is_needed_by_what_asks_for_it_and_by_nothing_else() {
    for feature in Feature::ALL {
        let lines = format!("process_arg=sh\n{}", asks_for(*feature));
        planned(&lines, FeatureSet::all());
        let refusal = refusal(&lines, FeatureSet::all().without(*feature));
        assert_eq!(refusal.kind, RefusalKind::Unsupported(*feature));
        assert!(
            format!("{BASE}{lines}").contains(&format!("\n{}=", refusal.key)),
            "{refusal} names a key of {lines:?}"
        );
        assert!(!refusal.value.is_empty(), "{refusal}");
        assert!(refusal.to_string().contains(feature.what()), "{refusal}");
    }
    // A plain container asks for nothing but its namespaces.
    let needed = [
        Feature::NamespacePid,
        Feature::NamespaceMount,
        Feature::NamespaceUts,
    ];
    planned("process_arg=sh", FeatureSet::of(&needed));
}

#[test]
fn values_that_ask_for_nothing_need_no_support() {
    for line in [
        "root_readonly=false",
        "process_arg=a\nprocess_terminal=false",
        "process_arg=a\nprocess_no_new_privs=false",
        "process_arg=a\nprocess_capability=bounding",
        "memory_limit=0",
        "memory_swap=-1",
        "memory_disable_oom_killer=false",
        "cpu_quota=0",
        "cpu_idle=0",
        "pids_limit=-1",
        "personality=LINUX",
        "memory_policy_mode=MPOL_DEFAULT",
        "mount=/t:tmpfs:tmpfs:rw,suid,dev,exec,defaults",
        "annotation=any=thing",
    ] {
        planned(line, SMALL);
    }
}

#[test]
fn a_refusal_names_key_value_and_reason() {
    for (lines, text) in [
        (
            "memory_limit=4096",
            "memory_limit=4096: this kernel does not support memory limits",
        ),
        (
            "namespace=network",
            "namespace=network: this kernel does not support network namespaces",
        ),
        (
            "mount=/x:nfs:host:ro",
            "mount=/x:nfs:host:ro: unknown file system type \"nfs\"",
        ),
        (
            "mount=/sys:sysfs:sysfs",
            "mount=/sys:sysfs:sysfs: this kernel does not support the file system sysfs",
        ),
        (
            "mount=/a:bind:/b:readonyl",
            "mount=/a:bind:/b:readonyl: unknown mount option \"readonyl\"",
        ),
        (
            "mount=/a:bind:/b:nodve",
            "mount=/a:bind:/b:nodve: unknown mount option \"nodve\" (did you mean nodev?)",
        ),
    ] {
        assert_eq!(refusal(lines, SMALL).to_string(), text);
    }
}

#[test]
fn a_mount_namespace_is_required() {
    let config = OciConfig::parse("root_path=r\nprocess_arg=a").unwrap();
    let refusal = plan(&config, FeatureSet::all()).unwrap_err();
    assert_eq!(refusal.key, "namespace");
    assert!(refusal.to_string().contains("namespace=mount"));
}

#[test]
fn p22_destinations_cannot_leave_the_root_or_hide_proc() {
    for mount in [
        "/:tmpfs:tmpfs",
        "/..:tmpfs:tmpfs",
        "/a/..:tmpfs:tmpfs",
        "/proc:tmpfs:tmpfs",
        "/proc/self:tmpfs:tmpfs",
        "/a/../proc/sys:bind:/x",
        "proc/1:bind:/x",
        "/proc/cpuinfo:tmpfs:tmpfs",
        "/proc/sys/kernel:bind:/x",
    ] {
        let refusal = refusal(&format!("mount={mount}"), SMALL);
        assert_eq!((refusal.key, refusal.kind), ("mount", RefusalKind::Invalid));
    }
    for mount in [
        "../../etc:bind:/host/etc:rw",
        "/proc:proc:proc",
        "/proc:bind:/proc:rbind",
        "/proc/cpuinfo:bind:/x",
        "/proc/sys/kernel/ns_last_pid:bind:/x",
        "/procx:tmpfs:tmpfs",
        "relative:tmpfs:tmpfs",
    ] {
        planned(&format!("mount={mount}"), SMALL);
    }
}

#[test]
fn mounts_that_make_no_sense() {
    for mount in [
        "/a:bind:",
        "/a:bind:/b:bind,size=1",
        "/a:tmpfs:tmpfs:shared,private",
        "/a:bind:/b:bind,tmpcopyup",
        "/a:bind:/b:bind,idmap",
        "/a::x",
        "/a:none:none",
    ] {
        let refusal = refusal(&format!("mount={mount}"), FeatureSet::all());
        assert_eq!(
            (refusal.key, refusal.kind),
            ("mount", RefusalKind::Invalid),
            "{mount}"
        );
    }
    let tmpfs_idmap =
        "mount=/a:tmpfs:tmpfs:idmap\nmount_uid_mapping=0:0:1\nmount_gid_mapping=0:0:1";
    assert_eq!(
        refusal(tmpfs_idmap, FeatureSet::all()).kind,
        RefusalKind::Invalid
    );
}

#[test]
fn mount_steps_have_their_options_read() {
    let config = config("mount=/a::/b:bind,ro,nosuid\n");
    let plan = plan(&config, SMALL).unwrap();
    let mount = plan.steps().iter().find_map(|step| match step {
        Step::Mount(mount) => Some(*mount),
        _ => None,
    });
    let mount = mount.unwrap();
    assert_eq!(mount.kind, berth_oci::MountKind::Bind);
    assert_eq!(mount.options.set, MountFlags::RDONLY | MountFlags::NOSUID);
    assert_eq!(mount.of(&config).unwrap().source, "/b");
}

#[test]
fn everything_at_once_has_a_step_for_everything() {
    let mut lines = String::from("process_arg=sh\n");
    for line in Feature::ALL
        .iter()
        .flat_map(|feature| asks_for(*feature).lines())
    {
        let key = line.split('=').next().unwrap();
        let scalar = !["mount", "namespace", "hook", "unified", "rdma"]
            .iter()
            .any(|list| key.starts_with(list));
        let again = scalar && lines.contains(&format!("\n{key}="));
        let joined = line.starts_with("namespace=") && line.contains(':')
            || lines.contains(&format!("\n{line}\n"));
        if !again && !joined {
            lines.push_str(line);
            lines.push('\n');
        }
    }
    let config = config(&lines);
    let plan = plan(&config, FeatureSet::all()).unwrap();
    let texts = texts(&config, plan.steps());
    for step in [
        "N-5 set id mappings",
        "N-6 set time offsets",
        "C-2 create cgroup",
        "O-create-2 set resource limits",
        "D-1 create device c:/dev/fuse:10:229:::",
        "P-2 open terminal",
        "ND-1 move network interface eth0",
        "Y-1 set sysctl net.core.somaxconn",
        "U-2 set domainname x",
        "MP-1 mask /proc/kcore",
        "RO-1 make read-only /proc/sys",
        "P-10 set no_new_privs",
        "P-15 set security labels",
        "P-8 set rlimits",
        "P-11 set OOM score adjustment",
        "P-12 set scheduler",
        "P-13 set I/O priority",
        "PE-1 set personality",
        "NUMA-1 set memory policy",
        "RDT-1 join resctrl group",
        "SC-8 install system call filter",
    ] {
        assert!(
            texts.iter().any(|text| text == step),
            "{step} in {texts:#?}"
        );
    }
    for text in &texts {
        assert!(!text.ends_with(' '), "{text:?} has words");
    }
}
