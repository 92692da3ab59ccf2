//! A container's life as it should be, and verbs in states that they are not for.

use crate::system::*;
use berth_abi::exit;
use berth_kernel::arena::forgive;
use berth_kernel::container;
use berth_kernel::error::Errno;
use berth_kernel::ns;
use berth_sim::Sim;

#[test]
fn a_hundred_lifecycles_leave_nothing_behind() {
    let mut sim = system();
    let before = count(&sim);
    for _ in 0..100 {
        lives(&mut sim, before, "a life");
    }
    forgive(sim.kernel);
}

/// Begins a create as process 1 and leaves it waiting for a hook.
fn begin_create(sim: &mut Sim, config: &str) {
    let mut caller = Caller::new(init(sim), Verb::Create, config);
    loop {
        assert_eq!(caller.turn(sim), None, "the call does not wait");
        settle(sim);
        // One that only gave others their turn goes on.
        if !caller.yields() {
            return;
        }
    }
}

/// What a hook sees as it starts: whether it is in the container's pid namespace.
#[test]
fn the_first_task_exists_before_the_hooks_of_create() {
    let mut sim = system();
    for kind in OF_CREATE {
        let others = CONFIG.lines().filter(|line| !line.starts_with("hook_"));
        let config: String = others.map(|line| format!("{line}\n")).collect();
        let config = format!("{config}hook_{kind}=/bin/4\n");
        begin_create(&mut sim, &config);
        let hook = sim
            .kernel
            .tasks
            .processes
            .iter()
            .find(|(_, p)| p.hook.is_some());
        let hook = sim.kernel.tasks.leader(hook.unwrap().0).unwrap();
        let inside =
            berth_kernel::ns::pid::of_task(&sim.kernel, hook) != sim.kernel.ns.initial_pid();
        assert_eq!(inside, kind == "createContainer", "{kind}");
        assert!(delete(&mut sim, true).unwrap_err().contains("in progress"));
        let task = init(&sim);
        container::caller_ended(&mut sim.kernel, task);
        settle(&mut sim);
        assert_eq!(sim.kernel.containers.len(), 0);
    }
    forgive(sim.kernel);
}

#[test]
fn a_created_container_can_be_killed_and_deleted() {
    let mut sim = system();
    let before = count(&sim);
    create(&mut sim, CONFIG).unwrap();
    assert!(delete(&mut sim, false).unwrap_err().contains("created"));
    assert!(
        create(&mut sim, CONFIG)
            .unwrap_err()
            .contains("already exists")
    );
    call(&mut sim, Verb::Kill, "").unwrap();
    assert_eq!(ended(&mut sim), Ok((exit::SIGNAL, 9)));
    assert_eq!(
        start(&mut sim),
        Err("cannot start a container that has stopped".into())
    );
    delete(&mut sim, false).unwrap();
    settle(&mut sim);
    assert_eq!(count(&sim), before);
    forgive(sim.kernel);
}

#[test]
fn a_program_that_is_missing_leaves_the_container_created() {
    let mut sim = system();
    let config = CONFIG.replace("process_arg=/1", "process_arg=nowhere");
    create(&mut sim, &config).unwrap();
    let text = start(&mut sim).unwrap_err();
    assert!(
        text.contains("executable file not found in $PATH"),
        "{text}"
    );
    assert_eq!(ended(&mut sim), Err("the container is not stopped".into()));
    delete(&mut sim, true).unwrap();
    assert!(
        delete(&mut sim, false)
            .unwrap_err()
            .contains("does not exist")
    );
    assert_eq!(delete(&mut sim, true), Ok(String::new()));
    forgive(sim.kernel);
}

#[test]
fn what_cannot_be_enforced_is_refused_by_name() {
    let mut sim = system();
    let before = count(&sim);
    for (line, named) in [
        ("memory_swappiness=5", "memory_swappiness"),
        ("root_path=nowhere", "root_path"),
        ("mount=/data:bind:/no/such/dir:rbind", "/no/such/dir"),
        ("mount=/1/x:tmpfs:tmpfs", "/1/x"),
        ("mount=/t:tmpfs:tmpfs:colour=red", "mount=/t"),
    ] {
        let config = match line.starts_with("root_path") {
            true => CONFIG.replace("root_path=bin", line),
            false => format!("{CONFIG}{line}\n"),
        };
        let text = create(&mut sim, &config).unwrap_err();
        assert!(text.contains(named), "{line}: {text}");
        settle(&mut sim);
        assert_eq!(count(&sim), before, "{line}");
    }
    assert_eq!(Errno::ENOENT.text(), "no such file or directory");
    forgive(sim.kernel);
}

/// Without a pid namespace of its own nothing else ends what the program and its hooks left.
#[test]
fn delete_kills_what_a_container_without_a_pid_namespace_left() {
    let mut sim = system();
    let before = count(&sim);
    for (program, left) in [("/1", 1), ("/5", 2)] {
        let config = with_hook("startContainer", "5").replace("namespace=pid\n", "");
        let config = config.replace("process_arg=/1", &format!("process_arg={program}"));
        create(&mut sim, &config).unwrap();
        start(&mut sim).unwrap();
        ended(&mut sim).unwrap();
        let more = count(&sim).processes - before.processes;
        assert_eq!(more, (left * CHILDREN) as u64, "{program}");
        assert_eq!(delete(&mut sim, false), Ok(String::new()));
        lives(&mut sim, before, program);
    }
    forgive(sim.kernel);
}

/// Nor when its start fails.
#[test]
fn a_failing_start_kills_what_a_container_without_a_pid_namespace_left() {
    let mut sim = system();
    let before = count(&sim);
    let config = with_hook("poststart", "3").replace("namespace=pid\n", "");
    let config = config.replace("hook_startContainer=/2", "hook_startContainer=/5");
    create(&mut sim, &config).unwrap();
    assert!(start(&mut sim).unwrap_err().contains("poststart"));
    lives(&mut sim, before, "the failed start");
    forgive(sim.kernel);
}

/// The second create of an id is refused whenever it comes, and the first goes on.
#[test]
fn l02_an_id_belongs_to_one_container() {
    let mut sim = system();
    let before = count(&sim);
    create(&mut sim, CONFIG).unwrap();
    let twice = create(&mut sim, CONFIG).unwrap_err();
    assert_eq!(twice, "container with id \"c\" already exists");
    start(&mut sim).unwrap();
    assert_eq!(ended(&mut sim), Ok((exit::CODE, 7)));
    delete(&mut sim, false).unwrap();
    settle(&mut sim);
    assert_eq!(count(&sim), before);
    forgive(sim.kernel);
}

#[test]
fn l20_a_running_container_cannot_be_deleted() {
    let mut sim = system();
    create(
        &mut sim,
        &CONFIG.replace("process_arg=/1", "process_arg=/4"),
    )
    .unwrap();
    start(&mut sim).unwrap();
    assert_eq!(
        delete(&mut sim, false),
        Err("container still running".into())
    );
    assert_eq!(ended(&mut sim), Err("the container is not stopped".into()));
    delete(&mut sim, true).unwrap();
    settle(&mut sim);
    forgive(sim.kernel);
}

#[test]
fn namespaces_are_joined_by_their_paths() {
    let mut sim = system();
    let before = count(&sim);
    let joins = |kind: &str, path: &str| {
        let (own, joined) = (
            format!("namespace={kind}\n"),
            format!("namespace={kind}:{path}\n"),
        );
        let config = CONFIG.replace(&own, &joined).replace("hostname=box\n", "");
        assert!(config.contains(&joined));
        config
    };
    for kind in ["pid", "uts", "ipc"] {
        let config = joins(kind, &format!("/proc/1/ns/{kind}"));
        create(&mut sim, &config).unwrap();
        let first = first_process(&sim).unwrap();
        let first = sim.kernel.tasks.leader(first).unwrap();
        let inside = ns::keys_of(&sim.kernel, first).unwrap();
        let outside = ns::keys_of(&sim.kernel, init(&sim)).unwrap();
        let shared = [
            inside.pid_for_children == outside.pid_for_children,
            inside.uts == outside.uts,
            inside.ipc == outside.ipc,
        ];
        assert_eq!(shared, ["pid", "uts", "ipc"].map(|other| other == kind));
        delete(&mut sim, true).unwrap();
        settle(&mut sim);
        assert_eq!(count(&sim), before, "{kind}");
    }
    for (path, reason) in [
        ("/nowhere", "no such file or directory"),
        ("/bin/1", "invalid argument"),
        ("/proc/1/ns/uts", "invalid argument"),
    ] {
        let refused = create(&mut sim, &joins("ipc", path)).unwrap_err();
        assert_eq!(refused, format!("namespace=ipc:{path}: {reason}"));
        settle(&mut sim);
        assert_eq!(count(&sim), before, "{path}");
    }
    forgive(sim.kernel);
}
