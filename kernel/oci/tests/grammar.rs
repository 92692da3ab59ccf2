//! The grammar: structured values, keys that need each other, and what comes back.
#![cfg(feature = "alloc")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use berth_oci::OciConfig;
use berth_oci::config::{ConfigReader, OciCpu, OciMemory, Reading};
use common::{BASE, bad, good, with};

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
        "uid_mapping=4294967294:0:2",
        "gid_mapping=0:1:4294967295",
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

#[test]
fn a_text_can_be_read_in_portions() {
    let text = format!("{BASE}hostname=x\n# end\n\nprocess_arg=a\nhook_poststop=/h\nhook_arg=h\n");
    let whole = OciConfig::parse(&text).unwrap();
    for lines in 1..12 {
        let mut reader = ConfigReader::new(text.as_bytes()).unwrap();
        let mut turns = 0;
        let config = loop {
            turns += 1;
            match reader.advance(lines).unwrap() {
                Reading::More(rest) => reader = rest,
                Reading::Done(config) => break config,
            }
        };
        assert_eq!(config, whole);
        assert_eq!(turns, text.lines().count() / lines + 1);
    }
    let reader = ConfigReader::new("root_path=r\nbad").unwrap();
    let Ok(Reading::More(reader)) = reader.advance(1) else {
        panic!("the first line is good");
    };
    assert_eq!(reader.advance(1).unwrap_err().line, 2);
}
