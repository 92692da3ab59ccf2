//! Updates are done whole or change nothing; groups that are needed are made, and go again.

use crate::system::*;
use berth_kernel::arena::forgive;
use berth_kernel::cgroup::{DeviceNumber, DeviceUse, GroupId};
use berth_kernel::disturb::Kind;
use berth_kernel::sched::control;
use berth_sim::Sim;

/// A program that sleeps, with limits of its own.
fn config() -> String {
    let others = CONFIG.lines().filter(|line| !line.starts_with("hook_"));
    let config: String = others.map(|line| format!("{line}\n")).collect();
    let limits = "memory_limit=8000000\npids_limit=9\ncpu_shares=512\ncpu_quota=50000\n";
    let path = "cgroups_path=/a/b/c\n";
    format!("{config}{limits}{path}").replace("process_arg=/1", "process_arg=/4")
}

/// Every limit that can be changed.
const CHANGES: &str = "memory_limit=9000000
memory_reservation=4096
memory_swap=9000000
cpu_idle=0
cpu_shares=2048
cpu_quota=40000
cpu_period=80000
cpu_burst=1000
cpu_cpus=0
cpu_mems=0
pids_limit=7
unified=cgroup.max.depth=5
unified=cgroup.max.descendants=6
cgroup_device=allow:c:1:11:r
";

fn group(sim: &Sim) -> GroupId {
    let groups = &sim.kernel.groups;
    groups.lookup(groups.root(), b"a/b/c").unwrap()
}

/// All that CHANGES are about.
fn limits(sim: &Sim) -> String {
    let (k, group) = (&sim.kernel, group(sim));
    let log = DeviceNumber {
        char: true,
        major: 1,
        minor: 11,
    };
    let cpu = k.groups.cpu(group).unwrap();
    let uses = k.groups.may_use(group, log, DeviceUse::READ);
    let (limits, policy) = (k.groups.limits(group), k.groups.policy(group));
    let below = k.groups.below(group);
    let cpu = (control::limit(k, group), cpu.weight, cpu.idle);
    format!("{limits:?} {policy:?} {cpu:?} {below:?} {uses}")
}

#[test]
fn every_setting_of_an_update_may_fail() {
    let mut sim = system();
    let before = count(&sim);
    create(&mut sim, &config()).unwrap();
    start(&mut sim).unwrap();
    settle(&mut sim);
    let (now, counted) = (limits(&sim), count(&sim));
    for setting in 0.. {
        sim.kernel.containers.fail_after = Some(setting);
        let result = call(&mut sim, Verb::Update, CHANGES);
        let reached = sim.kernel.containers.fail_after.take().is_none();
        settle(&mut sim);
        if !reached {
            result.unwrap();
            assert!(setting >= 12, "only {setting} settings");
            break;
        }
        assert!(result.unwrap_err().contains("made to fail"));
        assert_eq!(limits(&sim), now, "setting {setting}");
        assert_eq!(count(&sim), counted, "setting {setting}");
    }
    assert_ne!(limits(&sim), now);
    delete(&mut sim, true).unwrap();
    settle(&mut sim);
    assert_eq!(count(&sim), before);
    forgive(sim.kernel);
}

#[test]
fn every_charge_of_an_update_may_be_refused() {
    let mut sim = system();
    create(&mut sim, &config()).unwrap();
    settle(&mut sim);
    let now = limits(&sim);
    for kind in [Kind::Refusal, Kind::Famine] {
        for charge in 0.. {
            sim.kernel.groups.disturb.due = Some((charge, kind));
            let result = call(&mut sim, Verb::Update, CHANGES);
            let due = sim.kernel.groups.disturb.due.take();
            sim.kernel.groups.disturb.struck = None;
            settle(&mut sim);
            if result.is_err() {
                assert_eq!(limits(&sim), now, "{kind:?} at charge {charge}");
            } else {
                call(&mut sim, Verb::Update, "pids_limit=9\n").unwrap();
                delete(&mut sim, true).unwrap();
                create(&mut sim, &config()).unwrap();
                settle(&mut sim);
                assert_eq!(limits(&sim), now);
            }
            if due.is_some_and(|due| due.0 > 0) {
                assert!(result.is_ok() && charge > 0, "{result:?}");
                break;
            }
        }
    }
    delete(&mut sim, true).unwrap();
    forgive(sim.kernel);
}

#[test]
fn what_is_wrong_changes_nothing() {
    let mut sim = system();
    create(&mut sim, &config()).unwrap();
    settle(&mut sim);
    let now = limits(&sim);
    for (changes, text) in [
        (
            "pids_limit=3\ncpu_cpus=1",
            "cpu_cpus=1: there is no other CPU",
        ),
        (
            "pids_limit=3\ncpu_mems=0-1",
            "cpu_mems=0-1: there is no other memory node",
        ),
        (
            "pids_limit=3\nmemory_swap=9",
            "memory_swap=9: it counts memory and swap together",
        ),
        (
            "pids_limit=3\nmemory_limit=8\nmemory_swap=9",
            "memory_swap=9: this kernel does not support",
        ),
        (
            "pids_limit=3\ncpu_burst=60000",
            "cpu_burst=60000: the burst must not be above cpu_quota",
        ),
        (
            "pids_limit=3\nblock_io_weight=10",
            "block_io_weight=10: this kernel does not support",
        ),
        (
            "pids_limit=3\nhugepage_limit=2MB:1",
            "hugepage_limit=2MB: this kernel does not support",
        ),
        (
            "pids_limit=3\nunified=no.file=1",
            "unified=no.file: there is no such file",
        ),
        (
            "pids_limit=3\nunified=cgroup.kill=1",
            "unified=cgroup.kill: the file holds no setting",
        ),
        (
            "pids_limit=3\nunified=cgroup.max.depth=x",
            "unified=cgroup.max.depth: ",
        ),
        (
            "memory_check_before_update=true\nmemory_limit=4096",
            "memory_limit=4096: the container uses",
        ),
        (
            "pids_limit=3\nhostname=x",
            "hostname=x: only limits can be changed",
        ),
        (
            "pids_limit=3\npids_limit=4",
            "pids_limit=4: the key may be given once",
        ),
        ("pids_limit", "expected key=value"),
    ] {
        let refused = call(&mut sim, Verb::Update, changes).unwrap_err();
        assert!(refused.contains(text), "{changes}: {refused}");
        settle(&mut sim);
        assert_eq!(limits(&sim), now, "{changes}");
    }
    delete(&mut sim, true).unwrap();
    forgive(sim.kernel);
}

/// Those that were there before stay, with what they had.
#[test]
fn groups_go_when_nobody_needs_them() {
    let mut sim = system();
    let root = sim.kernel.groups.root();
    let own = sim.kernel.groups.make(root, b"a").unwrap();
    let before = count(&sim);
    for step in 0.. {
        sim.kernel.containers.fail_after = Some(step);
        let result = create(&mut sim, &config());
        let reached = sim.kernel.containers.fail_after.take().is_none();
        if !reached {
            result.unwrap();
            break;
        }
        settle(&mut sim);
        assert_eq!(sim.kernel.groups.children_count(own), 0, "step {step}");
        assert_eq!(count(&sim), before, "step {step}");
    }
    let below = group(&sim);
    sim.kernel
        .groups
        .make(below, b"made by the container")
        .unwrap();
    delete(&mut sim, true).unwrap();
    settle(&mut sim);
    assert_eq!(sim.kernel.groups.children_count(own), 0);
    assert_eq!(count(&sim), before);
    sim.kernel.groups.remove(own).unwrap();
    forgive(sim.kernel);
}

/// One that wants the group of another changes nothing of it.
#[test]
fn the_group_of_a_stopped_container_is_still_its_own() {
    let mut sim = system();
    create(&mut sim, &config()).unwrap();
    call(&mut sim, Verb::Kill, "").unwrap();
    settle(&mut sim);
    let own = group(&sim);
    sim.kernel.groups.make(own, b"below").unwrap();
    let refused = create_as(&mut sim, "d", &config()).unwrap_err();
    assert!(
        refused.contains("another container has this cgroup"),
        "{refused}"
    );
    let below = config().replace("/a/b/c", "/a/b/c/d");
    create_as(&mut sim, "d", &below).unwrap();
    delete_as(&mut sim, "d").unwrap();
    settle(&mut sim);
    assert_eq!(
        (group(&sim), sim.kernel.groups.children_count(own)),
        (own, 1)
    );
    delete(&mut sim, false).unwrap();
    settle(&mut sim);
    let root = sim.kernel.groups.root();
    assert_eq!(sim.kernel.groups.children_count(root), 0);
    forgive(sim.kernel);
}

#[test]
fn a_paused_container_can_be_killed_and_deleted() {
    let mut sim = system();
    let before = count(&sim);
    create(&mut sim, &config()).unwrap();
    let not = call(&mut sim, Verb::Resume, "").unwrap_err();
    assert_eq!(not, "container not paused");
    call(&mut sim, Verb::Pause, "").unwrap();
    assert!(start(&mut sim).unwrap_err().contains("paused state"));
    call(&mut sim, Verb::Resume, "").unwrap();
    start(&mut sim).unwrap();
    settle(&mut sim);
    call(&mut sim, Verb::Pause, "").unwrap();
    assert!(
        call(&mut sim, Verb::Pause, "")
            .unwrap_err()
            .contains("paused already")
    );
    assert!(
        delete(&mut sim, false)
            .unwrap_err()
            .contains("not stopped: paused")
    );
    settle(&mut sim);
    call(&mut sim, Verb::Kill, "").unwrap();
    assert_eq!(ended(&mut sim), Ok((berth_abi::exit::SIGNAL, 9)));
    let over = call(&mut sim, Verb::Resume, "").unwrap_err();
    assert!(over.contains("stopped container"), "{over}");
    delete(&mut sim, false).unwrap();
    settle(&mut sim);
    assert_eq!(count(&sim), before);
    forgive(sim.kernel);
}
