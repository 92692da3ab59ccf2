//! The console as a terminal: keys come in at interrupts, whoever runs.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use berth_abi::linux::general as linux;
use berth_kernel::arena::forgive;
use berth_kernel::machine::{Port, PowerOff, Trap, UserRegs};
use berth_sim::image::DATA;
use berth_sim::{Arg, Config, End, Op, Reg, Script, Sim};

const PATH: u64 = 0x700;
const STATUS: u64 = 0x800;
const GROUP: u64 = 0x900;
const BUFFER: u64 = 0xa00;
const TIOCSPGRP: u64 = 0x5410;

trait Calls: Sized {
    fn sys(self, number: u32, args: &[u64]) -> Self;
    fn exit(self, code: u64) -> Self;
    fn wait_for(self, options: u32) -> Self;
}

impl Calls for Script {
    fn sys(self, number: u32, args: &[u64]) -> Script {
        self.call(number, args.iter().map(|v| Arg::Is(*v)))
    }
    fn exit(self, code: u64) -> Script {
        self.sys(linux::__NR_exit_group, &[code])
    }
    /// wait4(-1, status, options); the status goes to rbx.
    fn wait_for(self, options: u32) -> Script {
        self.sys(
            linux::__NR_wait4,
            &[u64::MAX, DATA + STATUS, u64::from(options), 0],
        )
        .load(Reg::Rbx, Arg::Data(STATUS))
    }
}

/// Process 1 starts a session at the serial console. Its leader starts a job in a process group of
/// its own, puts it in front if told so, and waits until it stops or ends.
fn session(in_front: bool, job: impl FnOnce(Script) -> Script) -> Script {
    let script = Script::new()
        .text(PATH, "/tty")
        .sys(linux::__NR_mknod, &[DATA + PATH, 0o020_600, 0x440])
        .sys(linux::__NR_fork, &[])
        .if_zero(Reg::Rax, "shell")
        .wait_for(0)
        .tell("session", Reg::Rbx)
        .exit(0)
        .label("shell")
        .sys(linux::__NR_setsid, &[])
        .sys(
            linux::__NR_open,
            &[DATA + PATH, u64::from(linux::O_RDWR), 0],
        )
        .tell("terminal", Reg::Rax)
        .sys(linux::__NR_fork, &[])
        .if_zero(Reg::Rax, "job")
        .set(Reg::R12, Reg::Rax)
        .call(linux::__NR_setpgid, [Reg::R12.into(), Reg::R12.into()])
        .store(Arg::Data(GROUP), Reg::R12);
    let script = match in_front {
        true => script
            .sys(linux::__NR_ioctl, &[0, TIOCSPGRP, DATA + GROUP])
            .tell("put in front", Reg::Rax),
        false => script,
    };
    let script = script
        .wait_for(linux::WUNTRACED)
        .tell("status", Reg::Rbx)
        .exit(0)
        .label("job");
    job(script)
}

/// A job that computes for ever.
fn computes(script: Script) -> Script {
    script.label("loop").op(Op::Spin(1_000_000)).jump("loop")
}

fn boot(init: Script) -> Sim {
    let mut sim = Sim::boot(Config::default(), vec![init]);
    sim.run(300);
    assert_eq!(sim.told("terminal"), [0]);
    sim
}

fn finish(mut sim: Sim) {
    while !sim.kernel.work.is_empty() {
        sim.trap(UserRegs::default(), Trap::Idle);
    }
    assert_eq!(sim.kernel.tasks.pids.len(), 0, "pids");
    assert_eq!(sim.kernel.fs.files.len(), 0, "open files");
    assert_eq!(sim.kernel.terminals.table.len(), 1, "terminals");
    assert!(sim.kernel.waits.is_empty(), "waiters");
    forgive(sim);
}

#[test]
fn keys_make_signals_while_a_program_computes() {
    for (key, shown, status) in [(3, "^C", 2), (26, "^Z", 20 << 8 | 0x7f)] {
        let mut sim = boot(session(true, computes));
        assert_eq!(sim.told("put in front"), [0]);
        assert_eq!(sim.told("status"), []);
        sim.type_in(&[key]);
        assert_eq!(sim.run(3000), End::Off(PowerOff::Panic));
        assert_eq!(sim.told("status"), [status]);
        assert_eq!(sim.machine.text(Port::Console), shown);
        assert_eq!(sim.told("session"), [0]);
        finish(sim);
    }
}

#[test]
fn keys_of_others_are_no_signals_for_the_background() {
    let mut sim = boot(session(false, computes));
    sim.type_in(&[3]);
    sim.run(300);
    // The leader was in front.
    assert_eq!(sim.told("status"), []);
    assert_eq!(sim.told("session"), [2]);
    forgive(sim);
}

#[test]
fn a_line_is_edited_before_it_is_read() {
    let job = |script: Script| {
        script
            .op(Op::Spin(1_000_000))
            .sys(linux::__NR_read, &[0, DATA + BUFFER, 64])
            .tell("count", Reg::Rax)
            .load(Reg::Rbx, Arg::Data(BUFFER))
            .tell("bytes", Reg::Rbx)
            .exit(5)
    };
    let mut sim = boot(session(true, job));
    sim.type_in(b"lx\x7fs");
    sim.run(100);
    assert_eq!(sim.told("count"), []);
    sim.type_in(b"\r");
    assert_eq!(sim.run(3000), End::Off(PowerOff::Panic));
    assert_eq!(sim.told("count"), [3]);
    assert_eq!(sim.told("bytes"), [u64::from_le_bytes(*b"ls\n\0\0\0\0\0")]);
    assert_eq!(sim.told("status"), [5 << 8]);
    assert_eq!(sim.machine.text(Port::Console), "lx\x08 \x08s\r\n");
    finish(sim);
}

#[test]
fn a_reader_in_the_background_stops() {
    let job = |script: Script| {
        script
            .op(Op::Spin(1_000_000))
            .sys(linux::__NR_read, &[0, DATA + BUFFER, 64])
            .tell("count", Reg::Rax)
            .exit(5)
    };
    let mut sim = boot(session(false, job));
    assert_eq!(sim.run(3000), End::Off(PowerOff::Panic));
    assert_eq!(sim.told("status"), [21 << 8 | 0x7f]);
    // The end of the session hangs the console up: what is stopped there ends.
    assert_eq!(sim.told("count"), []);
    finish(sim);
}
