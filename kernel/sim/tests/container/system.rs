//! The system that the tests use, and callers of its container calls.

use berth_abi::{AuditRecord, exit};
use berth_kernel::container::{self, Create, Text, Trouble};
use berth_kernel::error::Stop;
use berth_kernel::machine::{Trap, UserRegs};
use berth_kernel::task::{ProcessId, TaskId};
use berth_kernel::wait::{Restart, Resume};
use berth_kernel::{Cx, Kernel, audit};
use berth_sim::{Arg, Config, End, Reg, Script, Sim};

const OPEN: u32 = 2;
const SIGACTION: u32 = 13;
const PAUSE: u32 = 34;
const GETPID: u32 = 39;
const FORK: u32 = 57;
const EXIT: u32 = 60;
const KILL: u32 = 62;
const MKDIR: u32 = 83;
const MOUNT: u32 = 165;

/// The container's program is /1 in its root, which is the system's /bin; hooks are /bin/2.
pub const CONFIG: &str = "root_path=bin
root_readonly=true
hostname=box
process_arg=/1
process_cwd=/made/for/it
namespace=pid
namespace=mount
namespace=uts
namespace=ipc
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

/// The kinds of hooks of create, and of start, as CONFIG has them.
pub const OF_CREATE: [&str; 3] = ["prestart", "createRuntime", "createContainer"];
pub const OF_START: [&str; 2] = ["startContainer", "poststart"];

/// CONFIG with another program of /bin as the hook of a kind, and perhaps a timeout.
pub fn with_hook(kind: &str, program: &str) -> String {
    // That hook is looked up in the container, whose root is /bin.
    let dir = match kind {
        "startContainer" => "",
        _ => "/bin",
    };
    let line = |line: &str| match line.starts_with(&format!("hook_{kind}=")) {
        true => format!("hook_{kind}={dir}/{program}\n"),
        false => format!("{line}\n"),
    };
    CONFIG.lines().map(line).collect()
}

/// How many children programs 5 and 6 leave behind.
pub const CHILDREN: usize = 9;

/// Process 1 opens /, mounts /proc, waits for no child, and sleeps, and so do as many children of it. /bin/1 ends with code 7, /bin/2
/// with 0, /bin/3 with 1, /bin/4 sleeps, /bin/5 and /bin/6 leave children that sleep and end with 0
/// and 1, /bin/7 kills itself.
pub fn system_with(others: usize) -> Sim {
    let sleeps = |script: Script| script.label("again").call(PAUSE, []).jump("again");
    let ends = |code| Script::new().call(EXIT, [Arg::Is(code)]);
    let forks = |script: Script| script.call(FORK, []).if_zero(Reg::Rax, "child");
    let leaves = |code| {
        let script = (0..CHILDREN).fold(Script::new(), |script, _| forks(script));
        sleeps(script.call(EXIT, [Arg::Is(code)]).label("child"))
    };
    let init = Script::new()
        .text(0, "/")
        .call(OPEN, [Arg::Data(0), Arg::Is(0), Arg::Is(0)]);
    // SIG_IGN: orphans go by themselves (wait(2)).
    let init = init
        .text(128, "/proc")
        .text(144, "proc")
        .call(MKDIR, [Arg::Data(128), Arg::Is(0o755)])
        .call(
            MOUNT,
            [144, 128, 144]
                .map(Arg::Data)
                .into_iter()
                .chain([Arg::Is(0), Arg::Is(0)]),
        );
    let init = init.store(Arg::Data(64), 1).call(
        SIGACTION,
        [Arg::Is(17), Arg::Data(64), Arg::Is(0), Arg::Is(8)],
    );
    let init = (0..others).fold(init, |script, _| forks(script));
    let kills = Script::new()
        .call(GETPID, [])
        .call(KILL, [Reg::Rax.into(), Arg::Is(9)]);
    let programs = vec![
        sleeps(init.label("child")),
        ends(7),
        ends(0),
        ends(1),
        sleeps(Script::new()),
        leaves(0),
        leaves(1),
        sleeps(kills),
    ];
    let mut sim = Sim::boot(Config::default(), programs);
    settle(&mut sim);
    sim
}

/// Only process 1.
pub fn system() -> Sim {
    system_with(0)
}

/// Runs until everybody sleeps and no work is left.
pub fn settle(sim: &mut Sim) {
    // The tests make calls from outside of traps: let the kernel look at its queues.
    sim.trap(UserRegs::default(), Trap::Idle);
    assert_eq!(sim.run(100_000), End::Asleep);
}

pub fn count(sim: &Sim) -> AuditRecord {
    audit::count(&sim.kernel, &sim.machine)
}

/// The first task of process 1.
pub fn init(sim: &Sim) -> TaskId {
    let ns = sim.kernel.ns.initial_pid().unwrap();
    let init = sim.kernel.ns.pid.get(ns).unwrap().init.unwrap();
    sim.kernel.tasks.leader(init).unwrap()
}

/// The container's first process, while it is there.
pub fn first_process(sim: &Sim) -> Option<ProcessId> {
    let mut processes = sim.kernel.tasks.processes.iter();
    let first = processes.find(|(_, p)| p.container.is_some() && p.ending.is_none());
    first.map(|(id, _)| id)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verb {
    Create,
    /// Only told what it would do: how many bytes that is.
    Explain,
    Start,
    Kill,
    Pause,
    Resume,
    /// To the limits that the configuration is.
    Update,
    Delete,
    ForceDelete,
}

/// A call about the container "c" that is made again for as long as it waits.
pub struct Caller {
    pub task: TaskId,
    pub id: &'static str,
    verb: Verb,
    config: String,
    resume: Option<Resume>,
    yields: bool,
    restart: Option<Restart>,
    /// Signals' handlers run whenever it waits and they may: then it remembers nothing.
    pub interrupted: bool,
}

impl Caller {
    pub fn new(task: TaskId, verb: Verb, config: &str) -> Caller {
        Caller {
            task,
            id: "c",
            verb,
            config: config.into(),
            resume: None,
            yields: false,
            restart: None,
            interrupted: false,
        }
    }

    /// Whether it waits with more than its configuration: signals may interrupt it.
    pub fn is_interruptible(&self) -> bool {
        self.restart
            .is_some_and(|restart| restart != Restart::Killable)
    }

    /// Whether it only gave others their turn.
    pub fn yields(&self) -> bool {
        self.yields
    }

    /// Makes the call: its result, unless it waits. The result of a delete are its warnings.
    pub fn turn(&mut self, sim: &mut Sim) -> Option<Result<String, String>> {
        for _ in 0..100 {
            match self.make(sim) {
                Ok(value) => return Some(Ok(value)),
                Err(Trouble::Refused { text, .. }) => return Some(Err(text)),
                Err(Trouble::Stop(Stop::Wait(pending))) => {
                    self.yields = pending.turn || pending.resume.deadline.is_some();
                    self.restart = Some(pending.restart);
                    let forgets = self.interrupted && self.is_interruptible();
                    self.resume = Some(pending.resume).filter(|_| !forgets);
                    return None;
                }
                Err(Trouble::Stop(Stop::Errno(errno))) => return Some(Err(errno.name().into())),
                Err(Trouble::Stop(Stop::NoMem(no_mem))) => {
                    let (k, m) = (&mut sim.kernel, &mut sim.machine);
                    if !k.make_room_for(m, self.task, no_mem) {
                        return Some(Err("ENOMEM".into()));
                    }
                }
                Err(Trouble::Stop(Stop::Gone)) => panic!("a container call has a result"),
            }
        }
        panic!("memory is found for ever, and never enough");
    }

    fn make(&mut self, sim: &mut Sim) -> Result<String, Trouble> {
        let mut cx = Cx {
            now: sim.machine.time,
            m: &mut sim.machine,
            task: self.task,
            resume: self.resume,
        };
        let result = self.handler(&mut sim.kernel, &mut cx);
        // What ran out of memory may begin again.
        self.resume = cx.resume;
        result
    }

    fn handler(&self, k: &mut Kernel, cx: &mut Cx) -> Result<String, Trouble> {
        let text = Text::Here(self.config.as_bytes());
        let request = Create {
            id: self.id,
            bundle_fd: 0,
            config: text,
        };
        let force = self.verb == Verb::ForceDelete;
        let nothing = |()| String::new();
        match (self.verb, self.resume) {
            (Verb::Create, _) => container::create(k, cx, request).map(|pid| pid.to_string()),
            (Verb::Explain, _) => {
                container::explain(k, cx, &request.config, (0, 0)).map(|n| n.to_string())
            }
            (Verb::Start, None) => container::start(k, cx, self.id).map(nothing),
            (Verb::Start, Some(resume)) => container::start_go_on(k, cx, resume).map(nothing),
            (Verb::Pause, _) => container::pause(k, self.id).map(nothing),
            (Verb::Resume, _) => container::resume(k, self.id).map(nothing),
            (Verb::Update, _) => container::update(k, cx, self.id, &text).map(nothing),
            (Verb::Kill, _) => container::kill(k, self.id, 9).map(nothing),
            (_, None) => container::delete(k, cx, self.id, force),
            (_, Some(resume)) => container::delete_go_on(k, cx, resume, force),
        }
    }

    /// The result, with everybody else asleep in between.
    pub fn finish(mut self, sim: &mut Sim) -> Result<String, String> {
        for _ in 0..1000 {
            if let Some(result) = self.turn(sim) {
                return result;
            }
            settle(sim);
        }
        panic!("the call waits for ever");
    }
}

/// A call of process 1.
pub fn call(sim: &mut Sim, verb: Verb, config: &str) -> Result<String, String> {
    Caller::new(init(sim), verb, config).finish(sim)
}

pub fn create(sim: &mut Sim, config: &str) -> Result<u64, String> {
    call(sim, Verb::Create, config).map(|pid| pid.parse().unwrap())
}

/// Under another id than "c".
pub fn create_as(sim: &mut Sim, id: &'static str, config: &str) -> Result<String, String> {
    let caller = Caller::new(init(sim), Verb::Create, config);
    Caller { id, ..caller }.finish(sim)
}

pub fn delete_as(sim: &mut Sim, id: &'static str) -> Result<String, String> {
    let caller = Caller::new(init(sim), Verb::ForceDelete, "");
    Caller { id, ..caller }.finish(sim)
}

pub fn start(sim: &mut Sim) -> Result<(), String> {
    call(sim, Verb::Start, "").map(drop)
}

pub fn delete(sim: &mut Sim, force: bool) -> Result<String, String> {
    let verb = match force {
        true => Verb::ForceDelete,
        false => Verb::Delete,
    };
    call(sim, verb, "")
}

/// How the container's program ended.
pub fn ended(sim: &mut Sim) -> Result<(u32, u32), String> {
    settle(sim);
    match container::wait(&sim.kernel, "c", true) {
        Ok(exit) => Ok((exit.kind, exit.value)),
        Err(Trouble::Refused { text, .. }) => Err(text),
        Err(trouble) => panic!("{trouble:?}"),
    }
}

/// A whole good life under the id, and nothing but `before` is there afterwards.
pub fn lives(sim: &mut Sim, before: AuditRecord, after: &str) {
    settle(sim);
    assert_eq!(count(sim), before, "{after}");
    assert!(create(sim, CONFIG).unwrap() > 1);
    start(sim).unwrap();
    assert_eq!(ended(sim), Ok((exit::CODE, 7)), "{after}");
    assert_eq!(delete(sim, false), Ok(String::new()), "{after}");
    settle(sim);
    assert_eq!(count(sim), before, "{after}, and a life");
}
