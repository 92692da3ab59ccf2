//! Properties of the parser for input that nobody thought of.
#![cfg(feature = "alloc")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use berth_oci::config::KEYS;
use berth_oci::{Feature, FeatureSet, JsonText, OciConfig, OciProcess, plan, plan_start};
use proptest::prelude::*;

/// Parts that values are made of, chosen to reach deep into the parser.
const PARTS: &[&str] = &[
    "",
    " ",
    ":",
    ",",
    "\\",
    "\\:",
    "\\,",
    "\\n",
    "=",
    "#",
    "/",
    "/a",
    "..",
    "rootfs",
    "true",
    "false",
    "0",
    "1",
    "-1",
    "5",
    "07",
    "022",
    "1000",
    "100000",
    "4294967295",
    "18446744073709551615",
    "1.0.2",
    "pid",
    "mount",
    "uts",
    "user",
    "network",
    "time",
    "proc",
    "tmpfs",
    "bind",
    "ro",
    "rbind",
    "shared",
    "c",
    "b",
    "p",
    "a",
    "*",
    "rwm",
    "allow",
    "deny",
    "RLIMIT_NOFILE",
    "CAP_KILL",
    "bounding",
    "effective",
    "SCHED_FIFO",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_ALLOW",
    "SCMP_CMP_EQ",
    "read",
    "monotonic",
    "LINUX32",
    "eth0",
    "2MB",
    "A=b",
    "MPOL_BIND",
    "0-3",
    "\u{e9}",
    "\u{20ac}",
    "\r",
    "\t",
];

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::collection::vec(prop::sample::select(PARTS), 0..8).prop_map(|p| p.concat()),
        4 => prop::collection::vec(prop::sample::select(PARTS), 1..6).prop_map(|p| p.join(":")),
        1 => "[^\n\0]{0,40}",
    ]
}

fn line() -> impl Strategy<Value = String> {
    (prop::sample::select(KEYS), value()).prop_map(|(key, value)| format!("{key}={value}\n"))
}

/// Values that their keys take, so that whole texts are often valid.
fn good_line() -> impl Strategy<Value = String> {
    let text = "[ -~]{1,12}";
    let number = 1u32..5000;
    prop_oneof![
        text.prop_map(|t| format!("process_arg={t}\n")),
        text.prop_map(|t| format!("process_arg=x\nprocess_arg_line={t}\n")),
        text.prop_map(|t| format!("process_env=A={t}\n")),
        "[a-z]{1,8}".prop_map(|t| format!("masked_path=/{t}\n")),
        "[a-z]{1,8}".prop_map(|t| format!("mount=/{t}:tmpfs:tmpfs:ro,x={t}\\,2\n")),
        "[a-z]{1,8}".prop_map(|t| format!("mount=/x\\:{t}:bind:/a\\,\\\\\\n:rbind\n")),
        "[a-z]{1,8}".prop_map(|t| format!("hook_poststop=/{t}:9\nhook_arg={t}\nhook_env={t}=\n")),
        (number.clone(), number.clone()).prop_map(|(a, b)| format!("device=c:/d{a}:{a}:{b}\n")),
        number
            .clone()
            .prop_map(|n| format!("process_additional_gid={n}\n")),
        number
            .clone()
            .prop_map(|n| format!("block_io_read_bps_device=8:{n}:{n}\n")),
        number
            .clone()
            .prop_map(|n| format!("cgroup_device=allow:b:{n}:*:rm\n")),
        number.prop_map(|n| format!("hugepage_limit={n}MB:{n}\n")),
    ]
}

/// What holds for every configuration that was accepted.
fn check_accepted(config: &OciConfig, supported: u64) {
    let text = config.to_text();
    let again = OciConfig::parse(&text).unwrap_or_else(|e| panic!("{e} in\n{text}"));
    assert_eq!(&again, config, "{text}");
    assert_eq!(config.validate(), Ok(()));
    let features = FeatureSet::from_fn(|f| supported.rotate_left(f as u32) & 1 == 1);
    match plan(config, features) {
        Ok(plan) => {
            for step in plan.steps().iter().chain(plan.cleanup()) {
                assert!(!step.text(config).to_string().is_empty());
            }
        }
        Err(refusal) => {
            assert!(KEYS.contains(&refusal.key), "{refusal}");
            assert!(refusal.value.len() <= 80);
        }
    }
    assert_eq!(plan_start(config).is_ok(), config.process.is_some());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Err(error) = OciConfig::parse_bytes(&bytes) {
            prop_assert!(error.value.len() <= 80);
            prop_assert!(!error.to_string().contains('\n'));
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}", supported in any::<u64>()) {
        if let Ok(config) = OciConfig::parse(&text) {
            check_accepted(&config, supported);
        }
    }

    #[test]
    fn each_key_with_odd_values(line in line(), supported in any::<u64>()) {
        let around = "root_path=r\nnamespace=mount\nprocess_arg=a\n";
        match OciConfig::parse(&format!("{around}{line}")) {
            Ok(config) => check_accepted(&config, supported),
            Err(error) => prop_assert!(error.line <= 4 && !error.reason.is_empty()),
        }
    }

    #[test]
    fn many_lines_at_once(
        lines in prop::collection::vec(prop_oneof![1 => line(), 12 => good_line()], 0..30),
        supported in any::<u64>(),
    ) {
        let text = format!("root_path=r\nprocess_arg=a\n{}", lines.concat());
        if let Ok(config) = OciConfig::parse(&text) {
            check_accepted(&config, supported);
        }
    }

    #[test]
    fn good_lines_are_accepted_and_come_back(
        lines in prop::collection::vec(good_line(), 0..30),
        supported in any::<u64>(),
    ) {
        let text = format!("root_path=r\nnamespace=mount\nprocess_arg=a\n{}", lines.concat());
        let config = OciConfig::parse(&text);
        prop_assert!(config.is_ok(), "{:?}", config);
        check_accepted(&config.unwrap(), supported);
    }

    /// Whatever code puts into a configuration either prints and comes back, or is refused.
    #[test]
    fn built_configurations_come_back_or_are_refused(
        path in "\\PC{1,20}|[a-z:,\\\\\n]{1,20}",
        args in prop::collection::vec("[ -~\n\t\\\\]{0,20}", 1..5),
        annotation in "[ -~\n\\\\:,]{0,20}",
        hostname in "[a-z\n=]{0,8}",
    ) {
        let mut config = OciConfig::parse("root_path=r\nnamespace=mount\nnamespace=uts").unwrap();
        config.root.path.clone_from(&path);
        config.hostname = Some(hostname);
        config.annotations = vec![(String::from("k"), annotation)];
        config.process = Some(OciProcess { args, ..OciProcess::default() });
        if config.validate().is_ok() {
            check_accepted(&config, u64::MAX);
        }
        // What quoting and continuation lines are for is never refused.
        config.root.path = String::from("r");
        config.hostname = None;
        let process = config.process.as_mut().unwrap();
        process.args.insert(0, String::from("program"));
        prop_assert_eq!(config.validate(), Ok(()));
        check_accepted(&config, u64::MAX);
    }

    #[test]
    fn json_text_has_no_raw_control_characters(text in any::<String>()) {
        let json = JsonText(&text).to_string();
        prop_assert!(json.starts_with('"') && json.ends_with('"') && json.len() >= 2);
        prop_assert!(json.chars().all(|c| c >= ' '));
    }
}

#[test]
fn the_feature_sets_of_these_tests_differ() {
    let some = FeatureSet::from_fn(|f| 5u64.rotate_left(f as u32) & 1 == 1);
    assert!(some.iter().count() < Feature::ALL.len() && some.iter().count() > 0);
}
