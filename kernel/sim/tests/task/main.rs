//! Processes, signals, waiting and time, as scripted programs see them on the simulated machine.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use berth_abi::linux::general as linux;
use berth_kernel::arena::forgive;
use berth_kernel::machine::PowerOff;
use berth_sim::image::DATA;
use berth_sim::{Arg, Config, End, Op, Reg, Script, Sim};

mod processes;
mod signals;

const SIGCHLD: u64 = linux::SIGCHLD as u64;
const USR1: u64 = linux::SIGUSR1 as u64;
const SECOND: u64 = 1_000_000_000;

fn is(values: &[u64]) -> Vec<Arg> {
    values.iter().map(|v| Arg::Is(*v)).collect()
}

/// A script with shorthands for calls.
trait Calls: Sized {
    fn sys(self, number: u32, args: &[u64]) -> Self;
    fn exit(self, code: u64) -> Self;
    fn fork(self) -> Self;
    fn wait_any(self) -> Self;
    fn handle(self, signal: u64, label: &str, flags: u32) -> Self;
    fn kill_self(self, signal: u64) -> Self;
    fn handler(self, label: &str, body: impl FnOnce(Self) -> Self) -> Self;
}

const STATUS: u64 = 0x800;

const ACTION: u64 = 0x900;

impl Calls for Script {
    fn sys(self, number: u32, args: &[u64]) -> Script {
        self.call(number, is(args))
    }
    fn exit(self, code: u64) -> Script {
        self.sys(linux::__NR_exit_group, &[code])
    }
    fn fork(self) -> Script {
        self.sys(linux::__NR_fork, &[])
    }
    /// wait4(-1, status): the pid stays in rax, the status goes to rbx.
    fn wait_any(self) -> Script {
        self.sys(linux::__NR_wait4, &[u64::MAX, DATA + STATUS, 0, 0])
            .load(Reg::Rbx, Arg::Data(STATUS))
    }
    fn handle(self, signal: u64, label: &str, flags: u32) -> Script {
        self.store(Arg::Data(ACTION), Arg::Label(label.into()))
            .store(Arg::Data(ACTION + 8), u64::from(flags | linux::SA_RESTORER))
            .store(Arg::Data(ACTION + 16), Arg::Label("restorer".into()))
            .store(Arg::Data(ACTION + 24), 0)
            .sys(linux::__NR_rt_sigaction, &[signal, DATA + ACTION, 0, 8])
    }
    fn kill_self(self, signal: u64) -> Script {
        self.sys(linux::__NR_getpid, &[])
            .set(Reg::Rbx, Reg::Rax)
            .call(linux::__NR_kill, [Reg::Rbx.into(), Arg::Is(signal)])
    }
    /// A handler, and the place where handlers return to.
    fn handler(self, label: &str, body: impl FnOnce(Script) -> Script) -> Script {
        body(self.label(label))
            .op(Op::Return)
            .label("restorer")
            .sys(linux::__NR_rt_sigreturn, &[])
            .op(Op::Invalid)
    }
}

fn run_with(config: Config, programs: Vec<Script>) -> (Sim, End) {
    let mut sim = Sim::boot(config, programs);
    let end = sim.run(20_000);
    (sim, end)
}

fn run(init: Script) -> (Sim, End) {
    run_with(Config::default(), vec![init])
}

/// Everything that belongs to tasks is gone once process 1 has ended.
fn finish(mut sim: Sim) {
    while !sim.kernel.work.is_empty() {
        sim.trap(Default::default(), berth_kernel::machine::Trap::Idle);
    }
    let k = &sim.kernel;
    assert_eq!(k.tasks.tasks.len(), 0, "tasks");
    assert_eq!(k.tasks.processes.len(), 0, "processes");
    assert_eq!(k.tasks.pids.len(), 0, "pids");
    assert_eq!(k.tasks.handlers.len(), 0, "handlers");
    assert_eq!(k.tasks.files.len(), 0, "descriptor tables");
    assert_eq!(k.tasks.contexts.len(), 0, "contexts");
    assert_eq!(k.spaces.len(), 0, "address spaces");
    assert_eq!(k.fs.files.len(), 0, "open files");
    assert!(k.waits.is_empty(), "waiters");
    assert!(k.tasks.users.is_empty(), "users");
    assert!(k.tasks.timers.is_empty(), "timers");
    assert!(k.tasks.alarms.is_empty(), "alarms");
    assert!(k.tasks.queued.is_empty(), "queued signals of users");
    assert_eq!(k.groups.usage(k.groups.root()).tasks, 0, "charged tasks");
    forgive(sim);
}

const DEAD: End = End::Off(PowerOff::Panic);
