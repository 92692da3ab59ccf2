//! Faults that configuration parsers are known for, each beside a good neighbour.
//!
//! The names `pNN` are rows of the list of faults that this parser was written against.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use berth_oci::config::{ConfigErrorKind, OciCpu, OciMemory};
use berth_oci::{ConfigError, OciConfig, OciNamespaceKind};

/// A valid configuration of three lines, to which tests add the fourth.
const BASE: &str = "root_path=rootfs\nnamespace=mount\nnamespace=uts\n";

fn with(lines: &str) -> Result<OciConfig, ConfigError> {
    OciConfig::parse(&format!("{BASE}{lines}"))
}

#[track_caller]
fn good(lines: &str) -> OciConfig {
    with(lines).unwrap_or_else(|error| panic!("{lines:?} refused: {error}"))
}

/// Every line is refused at its place, and the error says which key.
#[track_caller]
fn bad(lines: &[&str]) {
    for line in lines {
        let error = with(line).expect_err(line);
        let key = line.split('=').next().unwrap_or_default();
        assert_eq!((error.line, error.key.as_str()), (4, key), "{error}");
        assert!(error.to_string().starts_with(&format!("line 4: {key}")));
        assert!(!error.reason.is_empty());
    }
}

#[track_caller]
fn process(lines: &str) -> berth_oci::OciProcess {
    good(&format!("process_arg=sh\n{lines}")).process.unwrap()
}

#[test]
fn p01_process_uid_not_a_number() {
    bad(&[
        "process_uid=abc",
        "process_uid=-1",
        "process_uid=4294967296",
        "process_uid=4294967295",
        "process_uid=0x3e8",
        "process_uid=1000:1000",
        "process_uid=+5",
        "process_uid=010",
        "process_uid= 5",
        "process_uid=5 ",
        "process_uid=\u{0665}",
        "process_uid=99999999999999999999999999999999999999999999",
    ]);
    assert_eq!(process("process_uid=1000").uid, 1000);
    assert_eq!(process("process_uid=4294967294").uid, 4_294_967_294);
    assert_eq!(process("process_uid=0").uid, 0);
}

#[test]
fn p02_process_uid_empty() {
    bad(&["process_uid="]);
    let error = with("process_uid=").unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 4: process_uid: expected a decimal number from 0 to 4294967294 (the value is empty)"
    );
}

#[test]
fn p03_process_gid_is_a_name() {
    bad(&["process_gid=staff", "process_additional_gid=wheel"]);
    assert!(
        with("process_gid=staff")
            .unwrap_err()
            .to_string()
            .contains("names are not looked up")
    );
    let process = process("process_gid=50\nprocess_additional_gid=10");
    assert_eq!((process.gid, process.additional_gids), (50, vec![10]));
}

#[test]
fn p04_ids_have_a_documented_default() {
    let process = process("");
    assert_eq!((process.uid, process.gid), (0, 0));
    assert!(process.capabilities.is_none(), "root without privilege");
}

#[test]
fn p05_memory_limit_with_a_unit() {
    bad(&[
        "memory_limit=64M",
        "memory_limit=99999999999999999999",
        "memory_limit=-1",
        "memory_limit=",
    ]);
    let limit = |text| good(text).linux.resources.memory.limit;
    assert_eq!(limit("memory_limit=67108864"), Some(64 << 20));
    assert_eq!(limit("memory_limit=0"), Some(0));
    assert_eq!(limit(""), None);
}

#[test]
fn p06_cpu_quota_with_a_unit() {
    bad(&["cpu_quota=50000us", "cpu_quota=999", "cpu_quota=-1"]);
    let quota = |text| good(text).linux.resources.cpu.quota;
    assert_eq!(quota("cpu_quota=50000"), Some(50_000));
    assert_eq!(quota("cpu_quota=1000"), Some(1_000));
    assert_eq!(quota("cpu_quota=0"), Some(0));
}

#[test]
fn p07_cpu_shares_out_of_range() {
    bad(&[
        "cpu_shares=0",
        "cpu_shares=1",
        "cpu_shares=262145",
        "cpu_shares=999999",
    ]);
    for shares in [2, 1024, 262_144] {
        let config = good(&format!("cpu_shares={shares}"));
        assert_eq!(config.linux.resources.cpu.shares, Some(shares));
    }
}

#[test]
fn p08_cpu_period_out_of_range() {
    bad(&[
        "cpu_period=0",
        "cpu_period=abc",
        "cpu_period=999",
        "cpu_period=1000001",
    ]);
    let config = good("cpu_period=100000");
    assert_eq!(config.linux.resources.cpu.period, Some(100_000));
}

#[test]
fn p09_booleans_are_true_or_false() {
    bad(&[
        "root_readonly=True",
        "root_readonly=1",
        "root_readonly=yes",
        "root_readonly=",
        "process_terminal=TRUE",
        "process_no_new_privs=on",
    ]);
    assert!(good("root_readonly=true").root.readonly);
    assert!(!good("root_readonly=false").root.readonly);
}

#[test]
fn p10_json_is_not_this_language() {
    let error = OciConfig::parse("{\n  \"ociVersion\": \"1.0.2\"\n}\n").unwrap_err();
    assert_eq!((error.line, error.kind), (1, ConfigErrorKind::Syntax));
    assert!(error.to_string().contains("JSON"), "{error}");
}

#[test]
fn p11_p12_the_root_is_required() {
    for text in ["", "# nothing\n", "hostname=x\nnamespace=uts\n"] {
        let error = OciConfig::parse(text).unwrap_err();
        assert_eq!((error.line, error.key.as_str()), (0, "root_path"), "{text}");
        assert_eq!(error.kind, ConfigErrorKind::Relation);
    }
    assert_eq!(OciConfig::parse("root_path=/r").unwrap().root.path, "/r");
}

#[test]
fn p13_the_root_stays_in_the_bundle() {
    for path in ["../../..", "..", "a/../..", "./..", "a/b/../../../c", ""] {
        let error = OciConfig::parse(&format!("root_path={path}")).unwrap_err();
        assert_eq!((error.line, error.key.as_str()), (1, "root_path"), "{path}");
    }
    for path in ["rootfs", "./rootfs", "a/../b", "/abs/../x", ".", "..a"] {
        let config = OciConfig::parse(&format!("root_path={path}")).unwrap();
        assert_eq!(config.root.path, path);
    }
}

#[test]
fn p14_the_version_is_semver_and_supported() {
    bad(&[
        "oci_version=banana",
        "oci_version=2.0.0",
        "oci_version=0.9",
        "oci_version=0.9.0",
        "oci_version=1.0",
        "oci_version=1.0.0-rc5",
        "oci_version=1.4.0",
        "oci_version=1.0.2.1",
        "oci_version=v1.0.2",
        "oci_version=",
    ]);
    for version in ["1.0.0", "1.0.2-dev", "1.1.0", "1.3.0", "1.3.9+build"] {
        let config = good(&format!("oci_version={version}"));
        assert_eq!(config.oci_version, version);
    }
    assert_eq!(good("").oci_version, "1.0.2");
}

#[test]
fn p15_an_unknown_namespace_is_not_dropped() {
    bad(&[
        "namespace=pidd",
        "namespace=mnt",
        "namespace=PID",
        "namespace=",
    ]);
    assert!(
        with("namespace=pidd")
            .unwrap_err()
            .to_string()
            .contains("did you mean pid?")
    );
    let config = good("namespace=time");
    assert!(config.linux.namespace(OciNamespaceKind::Time).is_some());
    assert!(config.linux.namespace(OciNamespaceKind::Pid).is_none());
}

#[test]
fn p16_a_namespace_kind_comes_once() {
    let error = with("namespace=pid\nnamespace=pid").unwrap_err();
    assert_eq!(error.line, 5);
    let error = with("namespace=pid\nnamespace=pid:/proc/1/ns/pid").unwrap_err();
    assert_eq!(error.line, 5);
    assert_eq!(
        good("namespace=pid\nnamespace=ipc").linux.namespaces.len(),
        4
    );
}

#[test]
fn p17_p18_the_path_of_a_namespace_is_absolute() {
    bad(&[
        "namespace=pid:",
        "namespace=network:ns/net",
        "namespace=ipc:/a:/b",
    ]);
    let config = good("namespace=network:/var/run/netns/a\\:b");
    let entry = config.linux.namespace(OciNamespaceKind::Network).unwrap();
    assert_eq!(entry.path.as_deref(), Some("/var/run/netns/a:b"));
}

#[test]
fn p19_p20_a_mount_has_three_or_four_fields() {
    bad(&[
        "mount=/proc:proc",
        "mount=/proc",
        "mount=",
        "mount=/data:nfs:10.0.0.1:/export:ro",
    ]);
    let error = with("mount=/data:nfs:10.0.0.1:/export:ro").unwrap_err();
    assert!(error.to_string().contains(r"write \:"), "{error}");
    let config = good(r"mount=/data:nfs:10.0.0.1\:/export:ro,a\,b");
    let mount = &config.mounts[0];
    assert_eq!(mount.source, "10.0.0.1:/export");
    assert_eq!(mount.options, ["ro", "a,b"]);
}

#[test]
fn p21_nothing_of_a_mount_is_empty() {
    bad(&[
        "mount=:tmpfs:tmpfs:",
        "mount=:tmpfs:tmpfs",
        "mount=/tmp:tmpfs:tmpfs:",
        "mount=/tmp:tmpfs:tmpfs:ro,",
        "mount=/tmp:tmpfs:tmpfs:,ro",
    ]);
    assert!(good("mount=/tmp:tmpfs:tmpfs").mounts[0].options.is_empty());
}

#[test]
fn p24_a_colon_in_a_hook_path_is_quoted() {
    bad(&["hook_prestart=/opt/a:b/hook", "hook_prestart=/opt/a:1:2"]);
    let error = with("hook_prestart=/opt/a:b/hook").unwrap_err();
    assert!(error.to_string().contains(r"\:"), "{error}");
    let config = good(r"hook_prestart=/opt/a\:b/hook:5");
    let hook = &config.hooks.prestart[0];
    assert_eq!(
        (hook.path.as_str(), hook.timeout_secs),
        ("/opt/a:b/hook", 5)
    );
}

#[test]
fn p25_a_hook_timeout_is_a_positive_number() {
    bad(&[
        "hook_prestart=/bin/h:5s",
        "hook_prestart=/bin/h:0",
        "hook_prestart=/bin/h:-1",
        "hook_prestart=/bin/h:",
        "hook_prestart=/bin/h:4294967296",
    ]);
    assert_eq!(
        good("hook_prestart=/bin/h:1").hooks.prestart[0].timeout_secs,
        1
    );
    assert_eq!(
        good("hook_prestart=/bin/h").hooks.prestart[0].timeout_secs,
        0
    );
}

#[test]
fn p26_a_hook_path_is_absolute() {
    bad(&["hook_prestart=hook", "hook_poststop=", "hook_poststart=:5"]);
    assert_eq!(good("hook_prestart=/hook").hooks.prestart[0].path, "/hook");
}

#[test]
fn p27_hooks_have_arguments_and_an_environment() {
    bad(&[
        "hook_arg=x",
        "hook_env=A=B",
        "hook_arg_line=x",
        "hook_env_line=x",
    ]);
    let config = good(
        "hook_prestart=/a\nhook_arg=a\nhook_arg=  -x=1 \nhook_env=P=/bin:/sbin\n\
         hook_poststop=/b\nhook_arg=b\nhook_arg_line=\nhook_arg_line=two\n",
    );
    let first = &config.hooks.prestart[0];
    assert_eq!(first.args, ["a", "  -x=1 "]);
    assert_eq!(first.env, ["P=/bin:/sbin"]);
    assert_eq!(config.hooks.poststop[0].args, ["b\n\ntwo"]);
    let error = with("hook_prestart=/a\nhook_env=NOVALUE").unwrap_err();
    assert_eq!((error.line, error.key.as_str()), (5, "hook_env"));
}

#[test]
fn p28_every_kind_of_hook_is_read() {
    bad(&["hook_createruntime=/h", "hook_start=/h"]);
    let config = good(
        "hook_createRuntime=/r\nhook_createContainer=/c\nhook_startContainer=/s\n\
         hook_createRuntime=/r2\nhook_poststart=/p",
    );
    let hooks = &config.hooks;
    let paths: Vec<_> = hooks
        .create_runtime
        .iter()
        .map(|h| h.path.as_str())
        .collect();
    assert_eq!(paths, ["/r", "/r2"]);
    assert_eq!(hooks.create_container[0].path, "/c");
    assert_eq!(hooks.start_container[0].path, "/s");
    assert_eq!(hooks.poststart[0].path, "/p");
}

#[test]
fn p29_p30_unknown_keys_and_lines_are_errors() {
    bad(&[
        "proces_arg=/bin/sh",
        "seccomp=x",
        "capabilities=x",
        "maskedPaths=/x",
        "Hostname=x",
    ]);
    let error = with("proces_arg=/bin/sh").unwrap_err();
    assert_eq!(error.kind, ConfigErrorKind::UnknownKey);
    assert_eq!(
        error.to_string(),
        "line 4: proces_arg=/bin/sh: unknown key (did you mean process_arg?)"
    );
    let error = with("garbage line").unwrap_err();
    assert_eq!((error.line, error.kind), (4, ConfigErrorKind::Syntax));
    let config = good("seccomp_default_action=SCMP_ACT_ALLOW\nmasked_path=/proc/kcore");
    assert!(config.linux.seccomp.is_some());
    assert_eq!(config.linux.masked_paths, ["/proc/kcore"]);
}

#[test]
fn p31_arguments_are_kept_byte_for_byte() {
    let process = process("process_arg=  a b  \nprocess_arg=x=y\\n\t# no comment");
    assert_eq!(process.args, ["sh", "  a b  ", "x=y\\n\t# no comment"]);
}

#[test]
fn p32_the_program_is_not_empty() {
    bad(&["process_arg="]);
    let error = with("process_cwd=/\n").unwrap_err();
    assert_eq!((error.line, error.key.as_str()), (0, "process_arg"));
    let error = OciConfig::parse("root_path=r\nprocess_arg=a\0b").unwrap_err();
    assert_eq!(error.line, 2);
    // An empty argument after the program is a value like any other.
    assert_eq!(process("process_arg=").args, ["sh", ""]);
}

#[test]
fn p33_environment_entries_are_assignments() {
    bad(&["process_env=FOO", "process_env==x", "process_env="]);
    let process = process("process_env=A=\nprocess_env=B=c=d");
    assert_eq!(process.env, ["A=", "B=c=d"]);
}

#[test]
fn p34_a_scalar_is_given_once() {
    let error = with("process_uid=1000\nprocess_arg=x\nprocess_uid=0").unwrap_err();
    assert_eq!(error.kind, ConfigErrorKind::Duplicate);
    assert_eq!(error.line, 6);
    assert!(error.to_string().contains("line 4"), "{error}");
    let error = with("root_path=other").unwrap_err();
    assert_eq!(error.kind, ConfigErrorKind::Duplicate);
}

#[test]
fn p35_a_hostname_needs_a_uts_namespace() {
    for key in ["hostname", "domainname"] {
        let error = OciConfig::parse(&format!("root_path=r\n{key}=foo")).unwrap_err();
        assert_eq!((error.line, error.key.as_str()), (2, key), "{error}");
        assert!(error.to_string().contains("namespace=uts"));
    }
    assert_eq!(good("hostname=foo").hostname.as_deref(), Some("foo"));
    let long = "x".repeat(64);
    assert!(with(&format!("hostname={long}")).is_ok());
    assert!(with(&format!("hostname={long}x")).is_err());
}

#[test]
fn p36_the_working_directory_is_absolute() {
    bad(&["process_cwd=", "process_cwd=work", "process_cwd=../x"]);
    // `..` is clamped at the root when the directory is looked up inside it.
    assert_eq!(process("process_cwd=/../..").cwd, "/../..");
    let long = "x".repeat(4095);
    assert!(with(&format!("process_cwd=/{long}\nprocess_arg=x")).is_err());
}

#[test]
fn p37_the_text_is_bounded() {
    let kind = |text: &str| OciConfig::parse(text).unwrap_err().kind;
    assert_eq!(kind(&"#".repeat((1 << 20) + 1)), ConfigErrorKind::TooLarge);
    assert_eq!(kind(&"\n".repeat((1 << 16) + 1)), ConfigErrorKind::TooLarge);
    let filler = (1 << 20) - BASE.len();
    let text = format!("{BASE}{}", "#".repeat(filler));
    assert_eq!(text.len(), 1 << 20);
    assert!(OciConfig::parse(&text).is_ok());
    let error = OciConfig::parse_bytes(b"root_path=r\nhostname=\xff\n").unwrap_err();
    assert_eq!(error.line, 2);
}

#[test]
fn a_long_list_does_not_take_long() {
    let mut text = String::from(BASE);
    for index in 0..50_000 {
        text.push_str(&format!("annotation={index}=v\n"));
    }
    assert_eq!(OciConfig::parse(&text).unwrap().annotations.len(), 50_000);
    text.push_str("annotation=17=w\n");
    let error = OciConfig::parse(&text).unwrap_err();
    assert!(
        error.to_string().contains("\"17\" is given twice"),
        "{error}"
    );
}

#[test]
fn errors_cut_long_values_and_show_no_control_characters() {
    let error = with(&format!("process_uid=\u{1b}[2J{}", "9".repeat(500))).unwrap_err();
    assert!(error.value.len() <= 80);
    assert!(!error.to_string().contains('\u{1b}'));
    let error = with("process_uid=5\r").unwrap_err();
    assert!(error.to_string().contains("carriage return"), "{error}");
}

#[test]
fn values_that_structure_refuses() {
    bad(&[
        "process_rlimit=RLIMIT_NOFILE:1024",
        "process_rlimit=RLIMIT_NOFILES:1:2",
        "process_rlimit=RLIMIT_NOFILE:2:1",
        "process_rlimit=NOFILE:1:2",
        "process_capability=effectiv:CAP_KILL",
        "process_capability=effective:KILL",
        "process_capability=effective:",
        "process_capability=effective:CAP_KILL,",
        "process_umask=22",
        "process_umask=01000",
        "process_umask=0o22",
        "process_oom_score_adj=1001",
        "process_io_priority=IOPRIO_CLASS_BE:8",
        "process_console_size=24",
        "process_exec_cpus_initial=3-1",
        "process_scheduler_policy=SCHED_NORMAL",
        "uid_mapping=0:1000",
        "uid_mapping=0:1000:0",
        "uid_mapping=0:4294967294:2",
        "time_offset=realtime:0:0",
        "time_offset=monotonic:0:1000000000",
        "device=c:/dev/x",
        "device=c:dev/x:1:3",
        "device=d:/dev/x:1:3",
        "device=c:/dev/x:1:3:666",
        "net_device=a/b",
        "net_device=sixteen-chars-xx",
        "rootfs_propagation=none",
        "masked_path=proc/kcore",
        "readonly_path=",
        "sysctl=net.ipv4.ip_forward",
        "personality=BSD",
        "cgroup_device=permit:a",
        "cgroup_device=allow:c:1:3:rx",
        "cgroup_device=allow:c:1:3:rr",
        "memory_swappiness=101",
        "cpu_cpus=a",
        "cpu_idle=2",
        "pids_limit=-2",
        "block_io_weight=9",
        "block_io_weight_device=8:0:",
        "block_io_read_bps_device=8:0",
        "hugepage_limit=2M:1",
        "hugepage_limit=MB:1",
        "network_priority=eth0",
        "rdma=mlx:::",
        "unified=../x=1",
        "annotation=novalue",
        "annotation==v",
        r"annotation=a=\x",
        r"annotation=a=\",
        "seccomp_default_action=ALLOW",
        "seccomp_syscall=read",
        "seccomp_syscall=:SCMP_ACT_ALLOW",
        "seccomp_syscall=read:SCMP_ACT_ALLOW:1",
        "seccomp_arg=0:1:0:SCMP_CMP_EQ",
        "mount_uid_mapping=0:0:1",
    ]);
}

#[test]
fn values_that_structure_accepts() {
    let config = good(
        "process_arg=sh\nprocess_rlimit=RLIMIT_NOFILE:1024:18446744073709551615\n\
         process_capability=effective:CAP_KILL,CAP_FUTURE\nprocess_umask=0022\n\
         device=c:/dev/fuse:10:229:0666:0:0\ndevice=p:/dev/fifo\ncgroup_device=deny:a\n\
         block_io_weight_device=8:0::500\nrdma=mlx\\:0:3:\nhugepage_limit=2MB:0\n\
         annotation=com.example.a=b:c,d\\n\\\\e\nannotation=empty=\npids_limit=0\n\
         time_offset=boottime:-5:7\nnamespace=time\nunified=io.max=8\\:0 rbps=1\\n8\\:1 rbps=2\n",
    );
    let process = config.process.as_ref().unwrap();
    assert_eq!(process.rlimits[0].hard, u64::MAX);
    let capabilities = process.capabilities.as_ref().unwrap();
    assert_eq!(capabilities.effective, ["CAP_KILL", "CAP_FUTURE"]);
    assert!(capabilities.bounding.is_empty());
    assert_eq!(process.umask, Some(0o022));
    assert_eq!(config.linux.devices[0].mode, Some(0o666));
    assert_eq!(config.linux.devices[1].number, None);
    let rule = &config.linux.resources.devices[0];
    assert_eq!(
        (rule.allow, rule.major, rule.access.as_str()),
        (false, None, "rwm")
    );
    let annotation = &config.annotations[0];
    assert_eq!(annotation.1, "b:c,d\n\\e");
    assert_eq!(
        config.linux.resources.unified[0].1,
        "8:0 rbps=1\n8:1 rbps=2"
    );
    assert_eq!(config.linux.time_offsets[0].secs, -5);
    assert_eq!(config.linux.resources.memory, OciMemory::default());
    assert_eq!(config.linux.resources.cpu, OciCpu::default());
}

#[test]
fn keys_that_need_or_exclude_each_other() {
    for (lines, key) in [
        ("process_cwd=/", "process_arg"),
        ("uid_mapping=0:1:1", "uid_mapping"),
        ("namespace=user", "uid_mapping"),
        ("namespace=user\nuid_mapping=0:1:1", "gid_mapping"),
        ("time_offset=boottime:1:0", "time_offset"),
        ("namespace=time:/t\ntime_offset=boottime:1:0", "time_offset"),
        ("net_device=eth0", "net_device"),
        ("mount=/a:bind:/b:bind\nmount_uid_mapping=0:0:1", "mount"),
        ("cpu_burst=5000", "cpu_burst"),
        ("cpu_quota=1000\ncpu_burst=5000", "cpu_burst"),
        ("memory_policy_nodes=0", "memory_policy_mode"),
        (
            "seccomp_flag=SECCOMP_FILTER_FLAG_LOG",
            "seccomp_default_action",
        ),
        (
            "seccomp_default_action=SCMP_ACT_NOTIFY",
            "seccomp_default_action",
        ),
        (
            "seccomp_default_action=SCMP_ACT_KILL\nseccomp_default_errno_ret=1",
            "seccomp_default_errno_ret",
        ),
        (
            "process_arg=a\nprocess_scheduler_nice=1",
            "process_scheduler_policy",
        ),
        (
            "process_arg=a\nprocess_scheduler_policy=SCHED_FIFO\nprocess_scheduler_nice=1",
            "process_scheduler_nice",
        ),
        (
            "process_arg=a\nprocess_scheduler_policy=SCHED_OTHER\nprocess_scheduler_priority=1",
            "process_scheduler_priority",
        ),
        (
            "process_arg=a\nprocess_scheduler_policy=SCHED_OTHER\nprocess_scheduler_period=1",
            "process_scheduler_period",
        ),
        ("annotation=a=1\nannotation=a=2", "annotation"),
        ("sysctl=a=1\nsysctl=a=1", "sysctl"),
    ] {
        let error = with(lines).expect_err(lines);
        assert_eq!(error.key, key, "{error}");
    }
    good("namespace=user\nuid_mapping=0:1:1\ngid_mapping=0:1:1");
    good("namespace=user:/proc/7/ns/user");
    good("namespace=network\nnet_device=eth0:lan0");
    good("cpu_quota=5000\ncpu_burst=5000");
    good("process_arg=a\nprocess_scheduler_policy=SCHED_RR\nprocess_scheduler_priority=1");
    // P-3: without a terminal its size is ignored, as the specification demands.
    good("process_arg=a\nprocess_console_size=24:80");
}

#[test]
fn validate_finds_what_text_could_not_say() {
    let config = good("hostname=foo");
    assert_eq!(config.validate(), Ok(()));
    let mut smuggled = config.clone();
    smuggled.hostname = Some("foo\nroot_readonly=true".into());
    assert!(smuggled.validate().is_err());
    let mut wrong = config.clone();
    wrong.linux.resources.cpu.shares = Some(1);
    assert_eq!(wrong.validate().unwrap_err().key, "cpu_shares");
    let mut rootless = config;
    rootless.root.path.clear();
    assert!(rootless.validate().is_err());
}
