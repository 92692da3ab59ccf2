//! Containers on the simulated machine: lifecycles, failure at every step and charge, aborts; the
//! leak audit after each.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use berth_abi::{AuditRecord, exit};
use berth_kernel::arena::forgive;
use berth_kernel::container::{self, Create, Trouble};
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
    for _ in 0..100 {
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
    call(sim, |k, cx, resume| match resume {
        Some(resume) => container::create_go_on(k, cx, resume),
        None => {
            let config = config.as_bytes();
            container::create(
                k,
                cx,
                Create {
                    id: "c",
                    bundle_fd: 0,
                    config,
                },
            )
        }
    })
}

fn start(sim: &mut Sim) -> Result<(), String> {
    call(sim, |k, cx, _| container::start(k, cx, "c"))
}

fn delete(sim: &mut Sim, force: bool) -> Result<String, String> {
    call(sim, |k, cx, resume| match resume {
        Some(resume) => container::delete_go_on(k, cx, resume, "c", force),
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

#[test]
fn a_failing_hook_undoes_the_create_and_is_named() {
    let mut sim = system();
    let before = count(&sim);
    for (hook, reason) in [
        ("/bin/3", "exit"),
        ("/bin/none", "no such file or directory"),
    ] {
        let config = CONFIG.replace("hook_prestart=/bin/2", &format!("hook_prestart={hook}"));
        let text = create(&mut sim, &config).unwrap_err();
        assert!(text.contains("prestart") && text.contains(reason), "{text}");
        settle(&mut sim);
        assert_eq!(count(&sim), before);
    }
    forgive(sim.kernel);
}

#[test]
fn a_hook_that_takes_too_long_is_killed() {
    let mut sim = system();
    let before = count(&sim);
    let config = CONFIG.replace("hook_prestart=/bin/2", "hook_prestart=/bin/4:3");
    let text = create(&mut sim, &config).unwrap_err();
    assert!(text.contains("timed out") || text.contains("3"), "{text}");
    settle(&mut sim);
    assert_eq!(count(&sim), before);
    forgive(sim.kernel);
}

#[test]
fn the_death_of_the_creator_undoes_the_create() {
    let mut sim = system();
    let before = count(&sim);
    let config = CONFIG.replace("hook_prestart=/bin/2", "hook_prestart=/bin/4");
    let task = init(&sim);
    let now = sim.machine.time;
    let mut cx = Cx {
        m: &mut sim.machine,
        now,
        task,
        resume: None,
    };
    let request = Create {
        id: "c",
        bundle_fd: 0,
        config: config.as_bytes(),
    };
    let waits = container::create(&mut sim.kernel, &mut cx, request);
    assert!(matches!(waits, Err(Trouble::Stop(Stop::Wait(_)))));
    settle(&mut sim);
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
        ("memory_limit=1048576", "memory_limit"),
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
