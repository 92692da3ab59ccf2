//! Explanations: each step with its undo, and every value that would be refused.
#![cfg(feature = "alloc")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use berth_oci::{
    Explanation, Feature, FeatureSet, OciConfig, Planning, REFUSALS_MAX, explain, plan,
    plan_delete, plan_start,
};

const BASE: &str = "root_path=rootfs\nnamespace=mount\n";

fn config(lines: &str) -> OciConfig {
    OciConfig::parse(&format!("{BASE}{lines}")).unwrap_or_else(|error| panic!("{error}"))
}

fn lines(config: &OciConfig, explanation: &Explanation) -> Vec<String> {
    explanation
        .lines(config)
        .map(|line| line.to_string())
        .collect()
}

#[test]
fn all_steps_of_all_three_operations_are_told() {
    let config = config(
        "process_arg=/bin/sh\nhook_prestart=/a\nhook_startContainer=/b\nhook_poststop=/c\n\
         mount=/tmp:tmpfs:tmpfs",
    );
    let features = FeatureSet::all().without(Feature::Cgroups);
    let explanation = explain(&config, features).unwrap();
    assert!(!explanation.refuses());
    let told = lines(&config, &explanation);
    for line in [
        "create\tR-1\tfind the root rootfs\tlet the directory go",
        "create\tN-3\tinherit pid namespace\tnothing to undo",
        "create\tM-1 M-2 M-3 M-4\tmount /tmp:tmpfs:tmpfs\tunmount, remove the mount point if it was made",
        "create\tH-1 H-2 H-3 E-1\trun prestart hook #0 /a\twhat it did outside stays; poststop hooks run",
        "start\tH-1 H-2 H-3 E-1\trun startContainer hook #0 /b\tstop and destroy the container, run poststop hooks",
        "start\tO-start-2 P-5 P-6\tload program /bin/sh\tdrop the program",
        "delete\tO-delete-2\tdestroy container\tcannot fail",
        "delete\tH-1 H-2 H-3 E-2\trun poststop hook #0 /c\tnothing: a failure is a warning",
        "delete\tO-delete-3\trelease id\tcannot fail",
    ] {
        assert!(told.iter().any(|one| one == line), "{line:?} in {told:#?}");
    }
    let steps = [
        plan(&config, features).unwrap().steps().len(),
        plan_start(&config).unwrap().steps().len(),
        plan_delete(&config).unwrap().steps().len(),
    ];
    for (verb, count) in ["create", "start", "delete"].into_iter().zip(steps) {
        let of_verb = told.iter().filter(|line| line.starts_with(verb));
        assert_eq!(of_verb.count(), count, "{verb}");
    }
    assert!(told.iter().all(|line| line.split('\t').count() == 4));
    assert!(
        told.iter()
            .all(|line| line.split('\t').all(|f| !f.is_empty()))
    );
}

#[test]
fn every_value_that_would_be_refused_is_told() {
    let text = include_str!("corpus/every-key.conf");
    let config = OciConfig::parse(text).unwrap();
    let only = |features: &[Feature]| explain(&config, FeatureSet::of(features)).unwrap();
    let none = only(&[]);
    let refused: Vec<Feature> = Feature::ALL
        .iter()
        .copied()
        .filter(|feature| {
            // Whatever the configuration asks for is refused to a kernel that lacks it alone.
            explain(&config, FeatureSet::all().without(*feature))
                .unwrap()
                .refuses()
        })
        .collect();
    assert!(refused.len() > 60, "{refused:?}");
    for feature in &refused {
        let told = none
            .refusals()
            .iter()
            .any(|refusal| refusal.reason.contains(feature.what()));
        assert!(told, "{feature:?}");
    }
    assert!(!only(Feature::ALL).refuses());
    // The first is the one that a create would be refused for.
    let first = plan(&config, FeatureSet::NONE).unwrap_err();
    assert_eq!(none.refusals()[0], first);
}

#[test]
fn every_entry_of_a_list_is_told() {
    let config = config(
        "process_arg=a\nhook_prestart=/a\nhook_prestart=/b\nprocess_additional_gid=1\n\
         process_additional_gid=2\ncgroup_device=deny:a\ncgroup_device=allow:c:1:3:r\n\
         process_rlimit=RLIMIT_CPU:1:1\nprocess_rlimit=RLIMIT_AS:1:1\nmount=/a:nfs:b\n\
         mount=/:tmpfs:t\nmount=/b:tmpfs:t:shared,private\nunified=a=1\nunified=b=1\n\
         block_io_read_bps_device=8:0:1\nblock_io_write_bps_device=8:1:1\n\
         block_io_read_bps_device=8:2:1\nprocess_capability=bounding:CAP_KILL\n\
         process_capability=effective:CAP_KILL",
    );
    let explanation = explain(&config, FeatureSet::of(&[Feature::NamespaceMount])).unwrap();
    let told: Vec<String> = explanation
        .refusals()
        .iter()
        .map(|refusal| format!("{}={}", refusal.key, refusal.value))
        .collect();
    for value in [
        "hook_prestart=/a",
        "hook_prestart=/b",
        "process_additional_gid=1",
        "process_additional_gid=2",
        "cgroup_device=deny:a",
        "cgroup_device=allow:c:1:3:r",
        "process_rlimit=RLIMIT_CPU:1:1",
        "process_rlimit=RLIMIT_AS:1:1",
        "mount=/a:nfs:b",
        "mount=/:tmpfs:t",
        "mount=/b:tmpfs:t:shared,private",
        "unified=a",
        "unified=b",
        "block_io_read_bps_device=8:0",
        "block_io_write_bps_device=8:1",
        "block_io_read_bps_device=8:2",
        "process_capability=bounding",
        "process_capability=effective",
    ] {
        assert!(
            told.iter().any(|one| one.starts_with(value)),
            "{value} in {told:#?}"
        );
    }
}

#[test]
fn a_container_without_a_process_says_so() {
    let config = config("");
    let explanation = explain(&config, FeatureSet::all()).unwrap();
    let told = lines(&config, &explanation);
    let last = told.last().unwrap();
    assert_eq!(
        last,
        "refused\tprocess_arg\t\tthe container has no process to start"
    );
}

#[test]
fn what_is_told_is_bounded() {
    // The text of a value cannot make lines or fields of its own, and is cut.
    let long = "x".repeat(4000);
    let lines_ = format!("masked_path=/\t\u{1b}[2J{long}\nprocess_arg=a\\tb");
    let config_ = config(&lines_);
    let explanation = explain(&config_, FeatureSet::all()).unwrap();
    for line in lines(&config_, &explanation) {
        assert!(line.len() < 500, "{line}");
        assert!(
            !line.contains('\u{1b}') && line.split('\t').count() == 4,
            "{line}"
        );
    }
    let masked = explanation.lines(&config_).map(|line| line.to_string());
    let masked = masked
        .filter(|line| line.contains("mask /"))
        .last()
        .unwrap();
    assert!(masked.contains(r"mask /\t\u{1b}[2Jxxx") && masked.contains("xxx...\t"));

    // A long list of refusals is counted.
    let many = REFUSALS_MAX + 10;
    let config = config(&format!(
        "process_arg=a\n{}",
        "process_additional_gid=1\n".repeat(many)
    ));
    let features = FeatureSet::all().without(Feature::AdditionalGids);
    let explanation = explain(&config, features).unwrap();
    assert_eq!(explanation.refusals().len(), REFUSALS_MAX);
    let told = lines(&config, &explanation);
    assert_eq!(told.last().unwrap(), "refused\t\t\tand 10 more values");
}

#[test]
fn a_plan_can_be_made_in_portions() {
    let text = include_str!("corpus/every-key.conf");
    let config = OciConfig::parse(text).unwrap();
    let whole = plan(&config, FeatureSet::all()).unwrap();
    let told = explain(&config, FeatureSet::NONE).unwrap();
    for items in 1..10 {
        let mut planning = Planning::new(FeatureSet::all());
        let mut turns = 0;
        while planning.advance(&config, items).unwrap() {
            turns += 1;
        }
        assert!(turns >= 30 / items);
        assert_eq!(planning.into_plan(&config).unwrap(), whole);
        let mut planning = Planning::to_the_end(FeatureSet::NONE);
        while planning.advance(&config, items).unwrap() {}
        assert_eq!(planning.into_explanation(&config).unwrap(), told);
    }
}
