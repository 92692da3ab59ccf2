//! Processes, signals, waiting and time, as scripted programs see them on the simulated machine.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use berth_abi::linux::general as linux;
use berth_kernel::arena::forgive;
use berth_kernel::machine::PowerOff;
use berth_kernel::task::signal::frame;
use berth_sim::image::DATA;
use berth_sim::{Arg, Config, End, Op, Reg, Script, Sim};

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

#[test]
fn a_parent_waits_for_its_child() {
    let init = Script::new()
        .fork()
        .if_zero(Reg::Rax, "child")
        .tell("child", Reg::Rax)
        .wait_any()
        .tell("waited", Reg::Rax)
        .tell("status", Reg::Rbx)
        .wait_any()
        .tell("nobody", Reg::Rax)
        .exit(0)
        .label("child")
        .sys(linux::__NR_getpid, &[])
        .tell("pid", Reg::Rax)
        .sys(linux::__NR_getppid, &[])
        .tell("ppid", Reg::Rax)
        .exit(7);
    let (sim, end) = run(init);
    assert_eq!(end, DEAD);
    assert_eq!(sim.told("child"), [2]);
    assert_eq!(sim.told("pid"), [2]);
    assert_eq!(sim.told("ppid"), [1]);
    assert_eq!(sim.told("waited"), [2]);
    assert_eq!(sim.told("status"), [7 << 8]);
    assert_eq!(sim.told("nobody"), [(-10i64) as u64]);
    finish(sim);
}

#[test]
fn memory_is_copied_by_fork_and_shared_by_vfork() {
    let init = Script::new()
        .store(Arg::Data(0), 1)
        .fork()
        .if_zero(Reg::Rax, "copy")
        .wait_any()
        .load(Reg::R12, Arg::Data(0))
        .tell("after fork", Reg::R12)
        .sys(linux::__NR_vfork, &[])
        .if_zero(Reg::Rax, "share")
        .load(Reg::R12, Arg::Data(0))
        .tell("after vfork", Reg::R12)
        .tell("number", Reg::Rax)
        .wait_any()
        .exit(0)
        .label("copy")
        .store(Arg::Data(0), 2)
        .exit(0)
        .label("share")
        .op(Op::Spin(SECOND))
        .store(Arg::Data(0), 3)
        .exit(0);
    let (sim, end) = run(init);
    assert_eq!(end, DEAD);
    assert_eq!(sim.told("after fork"), [1]);
    assert_eq!(sim.told("after vfork"), [3]);
    assert_eq!(sim.told("number"), [3]);
    finish(sim);
}

#[test]
fn a_vfork_parent_is_let_go_by_exec_and_by_a_killed_child() {
    let init = Script::new()
        .text(0x100, "/bin/1")
        .sys(linux::__NR_vfork, &[])
        .if_zero(Reg::Rax, "exec")
        .tell("exec", Reg::Rax)
        .wait_any()
        .tell("status", Reg::Rbx)
        .sys(linux::__NR_vfork, &[])
        .if_zero(Reg::Rax, "fault")
        .wait_any()
        .tell("status", Reg::Rbx)
        .exit(0)
        .label("exec")
        .sys(linux::__NR_execve, &[DATA + 0x100, 0, 0])
        .exit(99)
        .label("fault")
        .load(Reg::Rax, Arg::Is(8));
    let other = Script::new().tell("other", 1u64).exit(5);
    let (sim, end) = run_with(Config::default(), vec![init, other]);
    assert_eq!(end, DEAD);
    assert_eq!(sim.told("exec"), [2]);
    assert_eq!(sim.told("other"), [1]);
    assert_eq!(sim.told("status"), [5 << 8, 11]);
    finish(sim);
}

#[test]
fn a_handler_runs_and_the_program_goes_on() {
    let init = Script::new()
        .handle(USR1, "handler", linux::SA_SIGINFO)
        .set(Reg::R12, 77u64)
        .kill_self(USR1)
        .tell("kill", Reg::Rax)
        .tell("kept", Reg::R12)
        .exit(0)
        .handler("handler", |s| {
            s.tell("signal", Reg::Rdi)
                .load(Reg::R12, Reg::Rsi)
                .tell("info", Reg::R12)
                .tell("aligned", Reg::Rsp)
        });
    let (sim, end) = run(init);
    assert_eq!(end, DEAD);
    assert_eq!(sim.told("signal"), [USR1]);
    assert_eq!(sim.told("info"), [USR1]);
    assert_eq!(sim.told("kill"), [0]);
    assert_eq!(sim.told("kept"), [77]);
    assert_eq!(sim.told("aligned")[0] % 16, 8);
    finish(sim);
}

#[test]
fn a_sleep_is_cut_short_by_a_handler_and_tells_the_rest() {
    let init = Script::new()
        .handle(linux::SIGALRM as u64, "handler", linux::SA_RESTART)
        .store(Arg::Data(0), 10)
        .store(Arg::Data(8), 0)
        .sys(linux::__NR_alarm, &[3])
        .sys(linux::__NR_nanosleep, &[DATA, DATA + 16])
        .tell("result", Reg::Rax)
        .load(Reg::R12, Arg::Data(16))
        .tell("rest", Reg::R12)
        .exit(0)
        .handler("handler", |s| s.tell("alarm", 1u64));
    let (sim, end) = run(init);
    assert_eq!(end, DEAD);
    assert_eq!(sim.told("alarm"), [1]);
    assert_eq!(sim.told("result"), [(-4i64) as u64]);
    assert_eq!(sim.told("rest"), [7]);
    assert!(sim.machine.time < 4 * SECOND);
    finish(sim);
}

/// A child sends SIGUSR1 to its parent, which reads from a pipe, and then writes to it.
fn interrupted_read(flags: u32) -> Sim {
    let init = Script::new()
        .handle(USR1, "handler", flags)
        .sys(linux::__NR_pipe, &[DATA])
        .fork()
        .if_zero(Reg::Rax, "child")
        .sys(linux::__NR_read, &[0, DATA + 64, 1])
        .label("read")
        .tell("read", Reg::Rax)
        .exit(0)
        .label("child")
        .op(Op::Spin(SECOND))
        .sys(linux::__NR_kill, &[1, USR1])
        .op(Op::Spin(SECOND))
        .sys(linux::__NR_write, &[1, DATA, 1])
        .exit(0)
        .handler("handler", |s| s.tell("handled", 1u64));
    let (sim, end) = run(init);
    assert_eq!(end, DEAD);
    assert_eq!(sim.told("handled"), [1]);
    sim
}

#[test]
fn an_interrupted_call_is_made_again_only_with_sa_restart() {
    let again = interrupted_read(linux::SA_RESTART);
    assert_eq!(again.told("read"), [1]);
    finish(again);
    let not = interrupted_read(0);
    assert_eq!(not.told("read"), [(-4i64) as u64]);
    finish(not);
}

#[test]
fn sigsuspend_waits_with_another_mask_and_puts_the_old_one_back() {
    let blocked = 1u64 << (USR1 - 1);
    let init = Script::new()
        .handle(USR1, "handler", 0)
        .store(Arg::Data(0), blocked)
        .store(Arg::Data(8), 0)
        .sys(linux::__NR_rt_sigprocmask, &[0, DATA, 0, 8])
        .kill_self(USR1)
        .tell("blocked", 1u64)
        .sys(linux::__NR_rt_sigpending, &[DATA + 16, 8])
        .load(Reg::R12, Arg::Data(16))
        .tell("pending", Reg::R12)
        .sys(linux::__NR_rt_sigsuspend, &[DATA + 8, 8])
        .tell("suspend", Reg::Rax)
        .sys(linux::__NR_rt_sigprocmask, &[0, 0, DATA + 24, 8])
        .load(Reg::R12, Arg::Data(24))
        .tell("mask", Reg::R12)
        .exit(0)
        .handler("handler", |s| s.tell("handled", 1u64));
    let (sim, end) = run(init);
    assert_eq!(end, DEAD);
    let order: Vec<_> = sim.told.iter().map(|t| t.0).collect();
    assert_eq!(order, ["blocked", "pending", "handled", "suspend", "mask"]);
    assert_eq!(sim.told("pending"), [blocked]);
    assert_eq!(sim.told("suspend"), [(-4i64) as u64]);
    assert_eq!(sim.told("mask"), [blocked]);
    finish(sim);
}

#[test]
fn sigtimedwait_takes_a_blocked_signal_or_times_out() {
    let set = 1u64 << (USR1 - 1);
    let init = Script::new()
        .store(Arg::Data(0), set)
        .store(Arg::Data(8), 5)
        .store(Arg::Data(16), 0)
        .sys(linux::__NR_rt_sigprocmask, &[0, DATA, 0, 8])
        .fork()
        .if_zero(Reg::Rax, "child")
        .sys(linux::__NR_rt_sigtimedwait, &[DATA, DATA + 64, DATA + 8, 8])
        .tell("signal", Reg::Rax)
        .sys(linux::__NR_rt_sigtimedwait, &[DATA, 0, DATA + 8, 8])
        .tell("timeout", Reg::Rax)
        .exit(0)
        .label("child")
        .op(Op::Spin(SECOND))
        .sys(linux::__NR_kill, &[1, USR1])
        .exit(0);
    let (sim, end) = run(init);
    assert_eq!(end, DEAD);
    assert_eq!(sim.told("signal"), [USR1]);
    assert_eq!(sim.told("timeout"), [(-11i64) as u64]);
    finish(sim);
}

#[test]
fn a_process_stops_and_continues_under_its_parents_eyes() {
    let (stop, cont) = (linux::SIGSTOP as u64, linux::SIGCONT as u64);
    let options = u64::from(linux::WUNTRACED | linux::WCONTINUED);
    let wait = |s: Script| {
        s.call(
            linux::__NR_wait4,
            [Arg::Is(u64::MAX), Arg::Data(STATUS), Arg::Is(options)],
        )
        .load(Reg::Rbx, Arg::Data(STATUS))
        .tell("status", Reg::Rbx)
    };
    let kill = |s: Script, signal| s.call(linux::__NR_kill, [Reg::R13.into(), Arg::Is(signal)]);
    let mut init = Script::new()
        .fork()
        .if_zero(Reg::Rax, "child")
        .set(Reg::R13, Reg::Rax);
    init = wait(kill(init, stop));
    init = wait(kill(init, cont));
    init = wait(kill(init, linux::SIGTERM as u64));
    let init = init.exit(0).label("child").op(Op::Spin(100)).jump("child");
    let (sim, end) = run(init);
    assert_eq!(end, DEAD);
    assert_eq!(sim.told("status"), [19 << 8 | 0x7f, 0xffff, 15]);
    finish(sim);
}

#[test]
fn process_1_takes_only_the_signals_that_it_handles() {
    let init = Script::new()
        .fork()
        .if_zero(Reg::Rax, "child")
        .wait_any()
        .tell("alive", 1u64)
        .exit(0)
        .label("child")
        .sys(linux::__NR_kill, &[1, linux::SIGTERM as u64])
        .tell("term", Reg::Rax)
        .sys(linux::__NR_kill, &[1, linux::SIGKILL as u64])
        .tell("kill", Reg::Rax)
        .exit(0);
    let (sim, end) = run(init);
    assert_eq!(end, DEAD);
    assert_eq!((sim.told("term"), sim.told("kill")), (vec![0], vec![0]));
    assert_eq!(sim.told("alive"), [1]);
    finish(sim);
}

#[test]
fn orphans_go_to_process_1_and_ignored_children_leave_no_zombie() {
    let init = Script::new()
        .fork()
        .if_zero(Reg::Rax, "child")
        .wait_any()
        .tell("first", Reg::Rax)
        .wait_any()
        .tell("second", Reg::Rax)
        // SIG_IGN for SIGCHLD.
        .store(Arg::Data(ACTION), 1)
        .store(Arg::Data(ACTION + 8), 0)
        .sys(linux::__NR_rt_sigaction, &[SIGCHLD, DATA + ACTION, 0, 8])
        .fork()
        .if_zero(Reg::Rax, "leave")
        .wait_any()
        .tell("none", Reg::Rax)
        .exit(0)
        .label("child")
        .fork()
        .if_zero(Reg::Rax, "orphan")
        .label("leave")
        .exit(0)
        .label("orphan")
        .op(Op::Spin(SECOND))
        .sys(linux::__NR_getppid, &[])
        .tell("adopted by", Reg::Rax)
        .exit(0);
    let (sim, end) = run(init);
    assert_eq!(end, DEAD);
    assert_eq!((sim.told("first"), sim.told("second")), (vec![2], vec![3]));
    assert_eq!(sim.told("adopted by"), [1]);
    assert_eq!(sim.told("none"), [(-10i64) as u64]);
    finish(sim);
}

#[test]
fn the_init_of_a_pid_namespace_takes_all_members_with_it() {
    let flags = u64::from(linux::CLONE_NEWPID) | SIGCHLD;
    let init = Script::new()
        .sys(linux::__NR_clone, &[flags])
        .if_zero(Reg::Rax, "inner")
        .set(Reg::R13, Reg::Rax)
        .tell("outside", Reg::Rax)
        .op(Op::Spin(SECOND))
        .call(
            linux::__NR_kill,
            [Reg::R13.into(), Arg::Is(linux::SIGTERM as u64)],
        )
        .call(
            linux::__NR_kill,
            [Reg::R13.into(), Arg::Is(linux::SIGKILL as u64)],
        )
        .wait_any()
        .tell("status", Reg::Rbx)
        .exit(0)
        .label("inner")
        .sys(linux::__NR_getpid, &[])
        .tell("inside", Reg::Rax)
        .sys(linux::__NR_getppid, &[])
        .tell("parent", Reg::Rax)
        .fork()
        .fork()
        .sys(linux::__NR_getpid, &[])
        .tell("member", Reg::Rax)
        .label("for ever")
        .sys(linux::__NR_pause, &[])
        .jump("for ever");
    let (sim, end) = run(init);
    assert_eq!(end, DEAD);
    assert_eq!(
        (sim.told("outside"), sim.told("inside")),
        (vec![2], vec![1])
    );
    assert_eq!(sim.told("parent"), [0]);
    let mut members = sim.told("member");
    members.sort_unstable();
    assert_eq!(members, [1, 2, 3, 4]);
    assert_eq!(sim.told("status"), [9]);
    finish(sim);
}

#[test]
fn a_fault_in_a_handled_signal_comes_with_its_address() {
    let segv = linux::SIGSEGV as u64;
    let init = Script::new()
        .handle(segv, "handler", linux::SA_SIGINFO)
        .load(Reg::Rax, Arg::Is(0x1230))
        .exit(1)
        .label("after")
        .exit(0)
        .label("handler")
        .op(Op::Add(Reg::Rsi, Arg::Is(16)))
        .load(Reg::R12, Reg::Rsi)
        .tell("address", Reg::R12)
        .jump("after")
        .label("restorer")
        .op(Op::Invalid);
    let (sim, end) = run(init);
    assert_eq!(end, DEAD);
    assert_eq!(sim.told("address"), [0x1230]);
    finish(sim);
}

#[test]
fn a_fault_while_the_signal_is_blocked_kills() {
    let all = u64::MAX;
    let init = Script::new()
        .fork()
        .if_zero(Reg::Rax, "child")
        .wait_any()
        .tell("status", Reg::Rbx)
        .exit(0)
        .label("child")
        .store(Arg::Data(0), all)
        .sys(linux::__NR_rt_sigprocmask, &[2, DATA, 0, 8])
        .op(Op::Invalid)
        .exit(0);
    let (sim, end) = run(init);
    assert_eq!(end, DEAD);
    assert_eq!(sim.told("status"), [4]);
    finish(sim);
}

#[test]
fn a_handler_without_room_for_its_frame_ends_the_program() {
    let init = Script::new()
        .fork()
        .if_zero(Reg::Rax, "child")
        .wait_any()
        .tell("status", Reg::Rbx)
        .exit(0)
        .label("child")
        .handle(USR1, "handler", 0)
        .set(Reg::Rsp, 0x2000u64)
        .kill_self(USR1)
        .exit(0)
        .handler("handler", |s| s.tell("never", 1u64));
    let (sim, end) = run(init);
    assert_eq!(end, DEAD);
    assert_eq!(sim.told("status"), [11]);
    assert!(sim.told("never").is_empty());
    finish(sim);
}

#[test]
fn threads_share_memory_and_end_alone() {
    let flags = u64::from(
        linux::CLONE_VM
            | linux::CLONE_FS
            | linux::CLONE_FILES
            | linux::CLONE_SIGHAND
            | linux::CLONE_THREAD
            | linux::CLONE_PARENT_SETTID
            | linux::CLONE_CHILD_CLEARTID,
    );
    let (stack, tid) = (DATA + 0x8000, DATA + 0x40);
    let init = Script::new()
        .sys(linux::__NR_clone, &[flags, stack, tid, tid, 0])
        .if_zero(Reg::Rax, "thread")
        .set(Reg::R13, Reg::Rax)
        .label("join")
        .call(
            linux::__NR_futex,
            [Arg::Is(tid), Arg::Is(0), Reg::R13.into(), Arg::Is(0)],
        )
        .load(Reg::R12, Arg::Is(tid))
        .if_not(Reg::R12, 0u64, "join")
        .load(Reg::R12, Arg::Data(0))
        .tell("shared", Reg::R12)
        .exit(3)
        .label("thread")
        .op(Op::Spin(SECOND))
        .sys(linux::__NR_gettid, &[])
        .tell("tid", Reg::Rax)
        .sys(linux::__NR_getpid, &[])
        .tell("pid", Reg::Rax)
        .store(Arg::Data(0), 42)
        .sys(linux::__NR_exit, &[1]);
    let (sim, end) = run(init);
    assert_eq!(end, DEAD);
    assert_eq!((sim.told("tid"), sim.told("pid")), (vec![2], vec![1]));
    assert_eq!(sim.told("shared"), [42]);
    finish(sim);
}

#[test]
fn tasks_that_compute_share_the_processor() {
    let init = Script::new()
        .fork()
        .if_zero(Reg::Rax, "child")
        .op(Op::Spin(SECOND))
        .wait_any()
        .sys(linux::__NR_getrusage, &[u64::MAX, DATA])
        .load(Reg::R12, Arg::Data(0))
        .tell("seconds", Reg::R12)
        .exit(0)
        .label("child")
        .op(Op::Spin(SECOND))
        .exit(0);
    let (sim, end) = run(init);
    assert_eq!(end, DEAD);
    assert_eq!(sim.told("seconds"), [1]);
    assert!(sim.machine.time > 2 * SECOND);
    assert!(sim.traps > 150, "slices of 10 ms");
    finish(sim);
}

#[test]
fn altstack_frames_stay_on_it() {
    let flags = linux::SA_ONSTACK;
    let base = DATA + 0x4000;
    let size = 0x2000u64;
    assert!(size >= frame::MINSIGSTKSZ);
    let init = Script::new()
        .store(Arg::Data(0), base)
        .store(Arg::Data(8), 0)
        .store(Arg::Data(16), size)
        .sys(linux::__NR_sigaltstack, &[DATA, 0])
        .handle(USR1, "handler", flags)
        .kill_self(USR1)
        .exit(0)
        .handler("handler", |s| {
            s.set(Reg::R12, Reg::Rsp)
                .tell("rsp", Reg::R12)
                .sys(linux::__NR_sigaltstack, &[DATA, 0])
                .tell("busy", Reg::Rax)
        });
    let (sim, end) = run(init);
    assert_eq!(end, DEAD);
    let rsp = sim.told("rsp")[0];
    assert!((base..base + size).contains(&rsp));
    assert_eq!(sim.told("busy"), [(-1i64) as u64]);
    finish(sim);
}
