//! Faults that configuration parsers are known for, each beside a good neighbour.
//!
//! The names `pNN` are rows of the list of faults that this parser was written against.
#![cfg(feature = "alloc")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use berth_oci::config::ConfigErrorKind;
use berth_oci::{OciConfig, OciNamespaceKind};
use common::{BASE, bad, good, with};

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
    let error = with("process_arg=").unwrap_err();
    assert_eq!((error.line, error.key.as_str()), (4, "process_arg"));
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
    let text = format!("{}\n", "#".repeat(63)).repeat(1 << 14);
    let text = text.get(..(1 << 20) - BASE.len()).unwrap();
    assert!(OciConfig::parse(&format!("{BASE}{text}")).is_ok());
    assert_eq!(kind(&format!("{BASE}{text}#")), ConfigErrorKind::TooLarge);
    assert_eq!(kind(&"\n".repeat((1 << 16) + 1)), ConfigErrorKind::TooLarge);
    assert!(OciConfig::parse(&format!("{BASE}{}", "\n".repeat((1 << 16) - 3))).is_ok());
    let line = "#".repeat(1 << 17);
    assert!(OciConfig::parse(&format!("{BASE}{line}")).is_ok());
    assert_eq!(kind(&format!("{BASE}{line}#")), ConfigErrorKind::TooLarge);
    let error = OciConfig::parse_bytes(b"root_path=r\nhostname=\xff\n").unwrap_err();
    assert_eq!(error.line, 2);
}
