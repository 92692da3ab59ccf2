//! Signals: handlers, masks, waiting for them, and what they interrupt.

use super::{Calls, DEAD, SECOND, USR1, finish, run};
use berth_abi::linux::general as linux;
use berth_kernel::task::signal::frame;
use berth_sim::image::DATA;
use berth_sim::{Arg, Op, Reg, Script, Sim};

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
