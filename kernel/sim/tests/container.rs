//! Containers on the simulated machine: lifecycles, failure at every step and charge, aborts; the
//! leak audit after each.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use berth_abi::{AuditRecord, exit};
use berth_kernel::arena::forgive;
use berth_kernel::container::{self, Create, Text, Trouble};
use berth_kernel::disturb::Kind;
use berth_kernel::error::{Errno, Stop};
use berth_kernel::machine::{Trap, UserRegs};
use berth_kernel::task::TaskId;
use berth_kernel::wait::Resume;
use berth_kernel::{Cx, audit};
use berth_sim::{Arg, Config, End, Reg, Script, Sim};

const OPEN: u32 = 2;
const PAUSE: u32 = 34;
const EXIT: u32 = 60;

/// The container's program is /1 in its root, which is the system's /bin; hooks are /bin/2.
const CONFIG: &str = "root_path=bin
root_readonly=true
hostname=box
process_arg=/1
process_cwd=/made/for/it
namespace=pid
namespace=mount
namespace=uts
mount=/proc:proc:proc
mount=/dev:tmpfs:tmpfs:mode=755
mount=/files:bind:/bin:rbind,ro
hook_prestart=/bin/2
hook_createRuntime=/bin/2
hook_createContainer=/bin/2
hook_startContainer=/2
hook_poststart=/bin/2
hook_poststop=/bin/2
annotation=org.example.name=value
";

/// Process 1 opens / and sleeps; /bin/1 ends with code 7, /bin/2 with 0, /bin/3 with 1, and
/// /bin/4 sleeps.
fn system() -> Sim {
    let sleeps = |script: Script| script.label("again").call(PAUSE, []).jump("again");
    let ends = |code| Script::new().call(EXIT, [Arg::Is(code)]);
    let init = sleeps(
        Script::new()
            .text(0, "/")
            .call(OPEN, [Arg::Data(0), Arg::Is(0), Arg::Is(0)]),
    );
    let mut sim = Sim::boot(
        Config::default(),
        vec![
            init.tell("never", Reg::Rax),
            ends(7),
            ends(0),
            ends(1),
            sleeps(Script::new()),
        ],
    );
    settle(&mut sim);
    sim
}

/// Runs until everybody sleeps and no work is left.
fn settle(sim: &mut Sim) {
    // The tests make calls from outside of traps: let the kernel look at its queues.
    sim.trap(UserRegs::default(), Trap::Idle);
    assert_eq!(sim.run(100_000), End::Asleep);
}

fn count(sim: &Sim) -> AuditRecord {
    audit::count(&sim.kernel, &sim.machine)
}

fn init(sim: &Sim) -> TaskId {
    let ns = sim.kernel.ns.initial_pid().unwrap();
    let init = sim.kernel.ns.pid.get(ns).unwrap().init.unwrap();
    sim.kernel.tasks.leader(init).unwrap()
}

/// Makes a call as process 1, again and again while it waits.
fn call<T>(
    sim: &mut Sim,
    mut call: impl FnMut(&mut berth_kernel::Kernel, &mut Cx, Option<Resume>) -> Result<T, Trouble>,
) -> Result<T, String> {
    let task = init(sim);
    let mut resume = None;
    for _ in 0..1000 {
        let now = sim.machine.time;
        let mut cx = Cx {
            m: &mut sim.machine,
            now,
            task,
            resume,
        };
        match call(&mut sim.kernel, &mut cx, resume) {
            Ok(value) => return Ok(value),
            Err(Trouble::Refused { text, .. }) => return Err(text),
            Err(Trouble::Stop(Stop::Wait(pending))) => {
                resume = Some(pending.resume);
                settle(sim);
            }
            Err(Trouble::Stop(Stop::Errno(errno))) => return Err(errno.name().into()),
            Err(Trouble::Stop(Stop::NoMem(no_mem))) => {
                assert!(sim.kernel.make_room(&mut sim.machine, no_mem));
            }
            Err(Trouble::Stop(Stop::Gone)) => panic!("a container call has a result"),
        }
    }
    panic!("the call waits for ever");
}

fn create(sim: &mut Sim, config: &str) -> Result<u64, String> {
    call(sim, |k, cx, _| container::create(k, cx, request(config)))
}

fn request(config: &str) -> Create<'_> {
    Create {
        id: "c",
        bundle_fd: 0,
        config: Text::Here(config.as_bytes()),
    }
}

fn start(sim: &mut Sim) -> Result<(), String> {
    call(sim, |k, cx, resume| match resume {
        Some(resume) => container::start_go_on(k, cx, resume),
        None => container::start(k, cx, "c"),
    })
}

fn delete(sim: &mut Sim, force: bool) -> Result<String, String> {
    call(sim, |k, cx, resume| match resume {
        Some(resume) => container::delete_go_on(k, cx, resume, force),
        None => container::delete(k, cx, "c", force),
    })
}

fn ended(sim: &mut Sim) -> Result<(u32, u32), String> {
    settle(sim);
    let exit = call(sim, |k, _, _| container::wait(k, "c", true))?;
    Ok((exit.kind, exit.value))
}

#[test]
fn a_hundred_lifecycles_leave_nothing_behind() {
    let mut sim = system();
    let before = count(&sim);
    for _ in 0..100 {
        assert!(create(&mut sim, CONFIG).unwrap() > 1);
        start(&mut sim).unwrap();
        assert_eq!(ended(&mut sim), Ok((exit::CODE, 7)));
        assert_eq!(delete(&mut sim, false), Ok(String::new()));
        settle(&mut sim);
        assert_eq!(count(&sim), before);
    }
    forgive(sim.kernel);
}

#[test]
fn failure_at_each_step_of_create_leaves_nothing_behind() {
    let mut sim = system();
    let before = count(&sim);
    let mut failed = 0;
    loop {
        sim.kernel.containers.fail_after = Some(failed);
        let result = create(&mut sim, CONFIG);
        settle(&mut sim);
        match result {
            Ok(_) => break,
            Err(text) => assert!(text.contains("made to fail"), "{text}"),
        }
        assert_eq!(count(&sim), before, "after failing at step {failed}");
        failed += 1;
    }
    assert!(failed >= 20, "only {failed} steps");
    sim.kernel.containers.fail_after = None;
    delete(&mut sim, true).unwrap();
    settle(&mut sim);
    assert_eq!(count(&sim), before);
    forgive(sim.kernel);
}

#[test]
fn a_refused_charge_at_any_place_is_survived() {
    let mut sim = system();
    let before = count(&sim);
    for charges in 0.. {
        sim.kernel.groups.disturb.due = Some((charges, Kind::Refusal));
        let result = create(&mut sim, CONFIG);
        let reached = sim.kernel.groups.disturb.due.take().is_none();
        sim.kernel.groups.disturb.struck = None;
        if result.is_ok() {
            delete(&mut sim, true).unwrap();
        }
        settle(&mut sim);
        assert_eq!(
            count(&sim),
            before,
            "after refusing charge {charges}: {result:?}"
        );
        if !reached {
            assert!(charges > 20, "only {charges} charges");
            break;
        }
    }
    forgive(sim.kernel);
}

/// The kinds of hooks of create, and of start, as CONFIG has them.
const OF_CREATE: [&str; 3] = ["prestart", "createRuntime", "createContainer"];
const OF_START: [&str; 2] = ["startContainer", "poststart"];

/// CONFIG with another program as the hook of a kind.
fn with_hook(kind: &str, value: &str) -> String {
    let line = |line: &str| match line.starts_with(&format!("hook_{kind}=")) {
        true => format!("hook_{kind}={value}\n"),
        false => format!("{line}\n"),
    };
    CONFIG.lines().map(line).collect()
}

#[test]
fn a_failing_hook_of_create_undoes_it_and_is_named() {
    let mut sim = system();
    let before = count(&sim);
    for kind in OF_CREATE {
        for (hook, reason) in [
            ("/bin/3", "exit"),
            ("/bin/none", "no such file or directory"),
            ("/bin/4:3", "timeout of 3s"),
        ] {
            let text = create(&mut sim, &with_hook(kind, hook)).unwrap_err();
            assert!(text.contains(kind) && text.contains(reason), "{text}");
            settle(&mut sim);
            assert_eq!(count(&sim), before, "{kind} {hook}");
        }
    }
    forgive(sim.kernel);
}

/// Steps 7 and 9 of the lifecycle: the container is stopped and deleted.
#[test]
fn a_failing_hook_of_start_deletes_the_container_and_is_named() {
    let mut sim = system();
    let before = count(&sim);
    for kind in OF_START {
        for (hook, reason) in [
            ("/bin/3", "exit"),
            ("/bin/none", "no such file or directory"),
            ("/bin/4:3", "timeout of 3s"),
        ] {
            let hook = match kind {
                "startContainer" => hook.replace("/bin", ""),
                _ => hook.into(),
            };
            create(&mut sim, &with_hook(kind, &hook)).unwrap();
            let text = start(&mut sim).unwrap_err();
            assert!(text.contains(kind) && text.contains(reason), "{text}");
            settle(&mut sim);
            assert_eq!(count(&sim), before, "{kind} {hook}");
            let gone = delete(&mut sim, false).unwrap_err();
            assert!(gone.contains("does not exist"), "{gone}");
        }
    }
    forgive(sim.kernel);
}

#[test]
fn a_failing_poststop_hook_is_a_warning() {
    let mut sim = system();
    let before = count(&sim);
    create(&mut sim, &with_hook("poststop", "/bin/3")).unwrap();
    start(&mut sim).unwrap();
    ended(&mut sim).unwrap();
    let warning = delete(&mut sim, false).unwrap();
    assert!(warning.contains("poststop"), "{warning}");
    settle(&mut sim);
    assert_eq!(count(&sim), before);
    forgive(sim.kernel);
}

/// Begins a call as process 1 and leaves it waiting for a hook.
fn begin<T>(
    sim: &mut Sim,
    mut call: impl FnMut(&mut berth_kernel::Kernel, &mut Cx, Option<Resume>) -> Result<T, Trouble>,
) {
    let task = init(sim);
    let mut resume: Option<Resume> = None;
    // One that only gave others their turn goes on.
    let mut again = true;
    while again {
        let now = sim.machine.time;
        let mut cx = Cx {
            m: &mut sim.machine,
            now,
            task,
            resume,
        };
        match call(&mut sim.kernel, &mut cx, resume) {
            Err(Trouble::Stop(Stop::Wait(pending))) => {
                again = pending.turn || pending.resume.deadline.is_some();
                resume = Some(pending.resume);
            }
            _ => panic!("the call does not wait"),
        }
        settle(sim);
    }
}

fn begin_create(sim: &mut Sim, config: &str) {
    begin(sim, |k, cx, _| container::create(k, cx, request(config)));
}

#[test]
fn a_start_whose_caller_is_gone_goes_on_and_can_be_ended_by_force() {
    let mut sim = system();
    let before = count(&sim);
    for (kind, hook) in [("startContainer", "/4"), ("poststart", "/bin/4")] {
        create(&mut sim, &with_hook(kind, hook)).unwrap();
        begin(&mut sim, |k, cx, _| container::start(k, cx, "c"));
        let busy = delete(&mut sim, false).unwrap_err();
        assert!(busy.contains("in progress"), "{busy}");
        let task = init(&sim);
        container::caller_ended(&mut sim.kernel, task);
        settle(&mut sim);
        assert_eq!(sim.kernel.containers.len(), 1);
        delete(&mut sim, true).unwrap();
        settle(&mut sim);
        assert_eq!(count(&sim), before, "{kind}");
    }
    forgive(sim.kernel);
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
fn the_death_of_the_creator_undoes_the_create() {
    let mut sim = system();
    let before = count(&sim);
    let config = CONFIG.replace("hook_prestart=/bin/2", "hook_prestart=/bin/4");
    begin_create(&mut sim, &config);
    let task = init(&sim);
    container::caller_ended(&mut sim.kernel, task);
    while !sim.kernel.work.is_empty() {
        sim.trap(UserRegs::default(), Trap::Idle);
    }
    settle(&mut sim);
    assert_eq!(count(&sim), before);
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
    call(&mut sim, |k, _, _| container::kill(k, "c", 9)).unwrap();
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
        ("memory_reservation=1048576", "memory_reservation"),
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

/// A configuration that takes hundreds of turns.
fn large() -> String {
    let mut text = String::from(CONFIG);
    for n in 0..1000 {
        text.push_str(&format!("process_env=NAME{n}=value\nprocess_arg={n}\n").repeat(3));
        text.push_str(&format!("annotation=org.example.{n}=value\n"));
    }
    text
}

#[test]
fn a_large_configuration_comes_in_by_turns_and_leaves_nothing_behind() {
    let mut sim = system();
    let before = count(&sim);
    let text = large();
    let good = turns_of(&mut sim, &text);
    assert!(good.0 > 200, "{} turns", good.0);
    good.1.unwrap();
    delete(&mut sim, true).unwrap();
    settle(&mut sim);
    assert_eq!(count(&sim), before);
    for (bad, named) in [
        (format!("{text}garbage"), "garbage"),
        (format!("{text}root_path=again"), "root_path"),
        (format!("{text}personality=LINUX32"), "personality"),
        (
            text.replace("root_path=bin", "root_path=nowhere"),
            "nowhere",
        ),
    ] {
        let (_, result) = turns_of(&mut sim, &bad);
        assert!(result.unwrap_err().contains(named));
        settle(&mut sim);
        assert_eq!(sim.kernel.containers.drafts(), 0);
        assert_eq!(count(&sim), before);
    }
    forgive(sim.kernel);
}

/// Creates a container; how many turns that took besides its result.
fn turns_of(sim: &mut Sim, config: &str) -> (u32, Result<u64, String>) {
    let mut turns = 0;
    let result = call(sim, |k, cx, _| {
        turns += 1;
        container::create(k, cx, request(config))
    });
    (turns, result)
}

/// Whenever the creator dies while its configuration comes in.
#[test]
fn a_dying_caller_leaves_no_half_of_a_configuration() {
    let mut sim = system();
    let before = count(&sim);
    let text = large();
    for turns in [1, 2, 10, 100, 250] {
        let task = init(&sim);
        let mut resume = None;
        for _ in 0..turns {
            let now = sim.machine.time;
            let m = &mut sim.machine;
            let mut cx = Cx {
                m,
                now,
                task,
                resume,
            };
            let waits = container::create(&mut sim.kernel, &mut cx, request(&text));
            let Err(Trouble::Stop(Stop::Wait(pending))) = waits else {
                panic!("turn {turns}: {waits:?}");
            };
            resume = Some(pending.resume);
        }
        assert_eq!(sim.kernel.containers.drafts(), 1);
        assert!(sim.kernel.containers.is_empty(), "nothing to be seen");
        container::caller_ended(&mut sim.kernel, task);
        assert_eq!(sim.kernel.containers.drafts(), 0);
        settle(&mut sim);
        assert_eq!(count(&sim), before);
    }
    forgive(sim.kernel);
}

#[test]
fn a_plan_is_told_without_a_container() {
    let mut sim = system();
    let before = count(&sim);
    let explain = |sim: &mut Sim, text: &str| {
        call(sim, |k, cx, _| {
            container::explain(k, cx, &Text::Here(text.as_bytes()), (0, 0))
        })
    };
    let plain = explain(&mut sim, CONFIG).unwrap();
    let more = explain(&mut sim, &format!("{CONFIG}process_exec_cpus_final=0\n")).unwrap();
    let line = "refused\tprocess_exec_cpus_final\t0\t\
                this kernel does not support CPU affinity of processes added by exec\n";
    assert_eq!(more, plain + line.len() as u64);
    assert_eq!(explain(&mut sim, &large()), Ok(plain));
    let error = explain(&mut sim, "nonsense").unwrap_err();
    assert!(error.contains("expected key=value"), "{error}");
    settle(&mut sim);
    assert_eq!(sim.kernel.containers.drafts(), 0);
    assert_eq!(count(&sim), before);
    forgive(sim.kernel);
}
