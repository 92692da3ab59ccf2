//! The grammar: structured values, keys that need each other, and what comes back.
#![cfg(feature = "alloc")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use berth_oci::config::{
    ConfigErrorKind, ConfigReader, ELEMENTS_MAX, KEYS, LINE_MAX, LIST_MAX, OciCpu, OciMemory,
    STRUCTURED_MAX,
};
use berth_oci::{ConfigError, OciConfig};
use common::{BASE, bad, good, with};

#[test]
fn errors_cut_long_values_and_show_no_control_characters() {
    let error = with(&format!("process_uid=\u{1b}[2J{}", "9".repeat(500))).unwrap_err();
    assert_eq!(error.value.len(), 80);
    assert!(!error.to_string().contains('\u{1b}'));
    // Cut at a character: 79 bytes and the first of two would be 80.
    let error = with(&format!("process_uid={}\u{e9}x", "9".repeat(79))).unwrap_err();
    assert_eq!(error.value, "9".repeat(79));
    let error = with(&format!("{}\u{e9}=1", "k".repeat(79))).unwrap_err();
    assert_eq!(error.key, "k".repeat(79));
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

/// Feeds a text in portions of `bytes`, at most `lines` lines at once.
fn fed(text: &str, bytes: usize, lines: usize) -> Result<OciConfig, ConfigError> {
    let mut reader = ConfigReader::default();
    for mut portion in text.as_bytes().chunks(bytes) {
        while !portion.is_empty() {
            let taken = reader.feed(portion, lines)?;
            assert!(taken > 0);
            portion = &portion[taken..];
        }
    }
    reader.finish().map_err(|(error, _)| error)
}

#[test]
fn a_text_can_arrive_in_portions() {
    let text = format!(
        "{BASE}hostname=x\n# \u{20ac}nd\n\nprocess_arg=a\u{e9}\nhook_poststop=/h\nhook_arg=h"
    );
    let whole = OciConfig::parse(&text).unwrap();
    assert_eq!(whole.process.as_ref().unwrap().args, ["a\u{e9}"]);
    for bytes in 1..40 {
        for lines in [1, 2, 100] {
            assert_eq!(fed(&text, bytes, lines).as_ref(), Ok(&whole));
        }
    }
    assert_eq!(fed("root_path=r\nbad", 5, 1).unwrap_err().line, 2);
    assert_eq!(fed("root_path=r\nhostname=x", 5, 1).unwrap_err().line, 2);
}

#[test]
fn long_lines_count_as_several() {
    let long = "x".repeat(5000);
    let list = "a,".repeat(49) + "a";
    let text = format!(
        "process_arg=a\nprocess_arg={long}\nprocess_arg=b\nmasked_path=/{list}\nprocess_arg=c\n"
    );
    let mut reader = ConfigReader::default();
    let first = reader.feed(text.as_bytes(), 10).unwrap();
    assert!(text[first..].starts_with("process_arg=b\n"));
    assert_eq!(reader.lines(), 2);
    let second = first + reader.feed(&text.as_bytes()[first..], 10).unwrap();
    assert_eq!(&text[second..], "process_arg=c\n");
    assert_eq!(reader.feed(b"", 10), Ok(0));
    let process = reader.into_unfinished().process.unwrap();
    assert_eq!(process.args, ["a", &long, "b"]);
}

/// Exactly the limit is taken, one more is not.
#[test]
fn lists_and_values_have_limits() {
    let kind = |text: &str| with(text).unwrap_err().kind;
    for key in KEYS {
        let line = match *key {
            "masked_path"
            | "readonly_path"
            | "hook_prestart"
            | "hook_createRuntime"
            | "hook_createContainer"
            | "hook_startContainer"
            | "hook_poststart"
            | "hook_poststop" => format!("{key}=/a\n"),
            "device" => String::from("device=p:/a\n"),
            "mount" => String::from("mount=/a:tmpfs:t\n"),
            "cgroup_device" => String::from("cgroup_device=deny:a\n"),
            "rdma" => String::from("rdma=a:1:\n"),
            "rdt_schema" => String::from("rdt_schema=a\n"),
            _ => continue,
        };
        good(&line.repeat(LIST_MAX));
        let error = with(&line.repeat(LIST_MAX + 1)).unwrap_err();
        assert_eq!(error.kind, ConfigErrorKind::TooLarge, "{key}");
        assert_eq!(
            (error.line as usize, error.key.as_str()),
            (LIST_MAX + 4, *key)
        );
        assert!(error.to_string().contains("1024 times"), "{error}");
    }
    // What makes up a process has no limit of its own.
    let process = good(&"process_arg=a\nprocess_env=A=b\n".repeat(20_000))
        .process
        .unwrap();
    assert_eq!((process.args.len(), process.env.len()), (20_000, 20_000));

    let value = |length: usize| format!("annotation=a={}", "x".repeat(length - 2));
    assert_eq!(
        good(&value(STRUCTURED_MAX)).annotations[0].1.len(),
        STRUCTURED_MAX - 2
    );
    assert_eq!(kind(&value(STRUCTURED_MAX + 1)), ConfigErrorKind::TooLarge);
    let mount = |length: usize| format!("mount=/a:tmpfs:{}", "x".repeat(length - 9));
    good(&mount(STRUCTURED_MAX));
    assert_eq!(kind(&mount(STRUCTURED_MAX + 1)), ConfigErrorKind::TooLarge);
    let cpus = |length: usize| format!("cpu_cpus=11{}", ",1".repeat(length / 2 - 1));
    good(&cpus(STRUCTURED_MAX));
    assert_eq!(kind(&cpus(STRUCTURED_MAX + 2)), ConfigErrorKind::TooLarge);

    let options = |count: usize| format!("mount=/a:tmpfs:t:ro{}", ",ro".repeat(count - 1));
    assert_eq!(
        good(&options(ELEMENTS_MAX)).mounts[0].options.len(),
        ELEMENTS_MAX
    );
    assert_eq!(kind(&options(ELEMENTS_MAX + 1)), ConfigErrorKind::TooLarge);

    let argument = |length: usize| format!("process_arg={}", "x".repeat(length - 12));
    good(&argument(LINE_MAX));
    assert_eq!(kind(&argument(LINE_MAX + 1)), ConfigErrorKind::TooLarge);
    let error = with(&format!("mount=/a{}", ":".repeat(4000))).unwrap_err();
    assert!(error.reason.contains("many fields"), "{error}");
    let path = |length: usize| format!("masked_path=/{}", "x".repeat(length - 1));
    good(&path(4095));
    bad(&[&path(4096)]);
}

#[test]
fn names_are_given_once_however_many_there_are() {
    for (key, separator) in [("annotation", '='), ("sysctl", '='), ("unified", '=')] {
        // In no order.
        let name = |n: usize| format!("n{}", n * 523 % 1023);
        let mut text = String::new();
        for n in 0..1023 {
            text.push_str(&format!("{key}={}{separator}v\n", name(n)));
        }
        good(&text);
        text.push_str(&format!("{key}={}{separator}w\n", name(17)));
        let error = with(&text).unwrap_err();
        assert_eq!((error.line, error.kind), (1027, ConfigErrorKind::Duplicate));
        assert!(
            error
                .to_string()
                .contains(&format!("\"{}\" is given twice", name(17)))
        );
    }
}

/// One good value for each key comes back from its text as it went in.
#[test]
fn every_key_survives_printing() {
    let text = include_str!("corpus/every-key.conf");
    let config = OciConfig::parse(text).unwrap();
    let printed = config.to_text();
    assert_eq!(OciConfig::parse(&printed).as_ref(), Ok(&config));
    for key in KEYS {
        let has = |text: &str| text.lines().any(|line| line.split('=').next() == Some(key));
        assert!(has(text), "{key} has no line in the corpus");
        assert!(has(&printed), "{key} is not printed");
    }
    // Nothing was lost on the way: the texts are the same but for order and quoting.
    let count = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(count(&printed), count(text));
}
