//! Processes and threads: how they begin, wait for each other and end.

use super::{ACTION, Calls, DEAD, SECOND, SIGCHLD, STATUS, finish, run, run_with};
use berth_abi::linux::general as linux;
use berth_sim::image::DATA;
use berth_sim::{Arg, Config, Op, Reg, Script};

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
