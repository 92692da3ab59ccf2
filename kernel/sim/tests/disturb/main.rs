//! Calls that are disturbed in their *prepare* by a refused charge, absent memory, a wait, a signal: tours of useful calls at
//! every point once, and every call of the table with random arguments. What they give, and what is left at the end, must be
//! as without: nothing was published too early, nothing twice.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use berth_abi::linux::general as linux;
use berth_kernel::disturb::Kind;
use berth_sim::image::DATA;
use berth_sim::storm::{finish, work_off};
use berth_sim::{Arg, Config, End, Op, Reg, Script, Sim};

macro_rules! tours {
    ($($name:ident: $lines:ident $kind:expr;)*) => {
        $(#[test] fn $name() { disturb($lines, $kind); })*
    };
}

mod events;
mod exec;
mod files;
mod ipc;
mod names;
mod process;
mod sockets;
mod table;
mod terminals;
mod times;
mod wild;

/// Nobody minds this signal but who has a handler for it.
const WINCH: u32 = linux::SIGWINCH;

const EFAULT: u64 = (-14i64) as u64;
const HERE: u64 = (-100i64) as u64;

// Paths, in the data.
const DIR: u64 = DATA + 0x1000;
const FILE: u64 = DATA + 0x1020;
const OTHER: u64 = DATA + 0x1040;
const LINK: u64 = DATA + 0x1060;
const PROGRAM: u64 = DATA + 0x1080;
const FIFO: u64 = DATA + 0x10a0;
const TMPFS: u64 = DATA + 0x10c0;
const STATUS: u64 = DATA + 0x10e0;
const SUB: u64 = DATA + 0x1100;
const DEVPTS: u64 = DATA + 0x1120;
const PTMX: u64 = DATA + 0x1140;
const PTS: u64 = DATA + 0x1160;
const NEWLINE: u64 = DATA + 0x1180;

// Records.
const TEXT: u64 = DATA + 0x1200;
const SHORT: u64 = DATA + 0x1220;
const VECTOR: u64 = DATA + 0x1240;
const POLLED: u64 = DATA + 0x1260;
const SIGNALS: u64 = DATA + 0x1280;
/// The part of [`ACTION`] that is zero.
const NO_TIME: u64 = ACTION + 8;
const ACTION: u64 = DATA + 0x12a0;
const EVENT: u64 = DATA + 0x12c0;
const HANDLED: u64 = 0x1300;

/// Where results go, each in a page of its own that nobody touched before.
const OUT: u64 = DATA + 0x2000;

/// Lines of a tour: a call, its arguments, the address of a result to look at (0: none).
type Line = (u32, &'static [u64], u64);

/// The places that start with something.
fn data() -> Script {
    let texts = [
        (DIR, "/d"),
        (FILE, "/d/file"),
        (OTHER, "/d/other"),
        (LINK, "/d/link"),
        (PROGRAM, "/bin/1"),
        (FIFO, "/d/fifo"),
        (TMPFS, "tmpfs"),
        (STATUS, "/proc/self/status"),
        (SUB, "/d/sub"),
        (DEVPTS, "devpts"),
        (PTMX, "/d/ptmx"),
        (PTS, "/d/0"),
        (NEWLINE, "\n"),
        (TEXT, "user.hello"),
    ];
    let records: [(u64, &[u64]); 6] = [
        (SHORT, &[0, 1000, 0, 1000]),
        (VECTOR, &[DATA + 0x1400, 8, DATA + 0x1408, 8]),
        (POLLED, &[1 << 32 | 3, 4 << 32 | 4]),
        (SIGNALS, &[1 << (linux::SIGUSR1 - 1)]),
        (ACTION, &[1, 0, 0, 0]),
        (EVENT, &[1, 77]),
    ];
    let mut script = Script::new();
    for (at, text) in texts {
        script = script.text(at - DATA, text);
    }
    for (at, words) in records
        .iter()
        .chain(sockets::RECORDS)
        .chain(times::RECORDS)
        .chain(names::RECORDS)
        .chain(ipc::RECORDS)
    {
        for (n, word) in (0..).zip(*words) {
            script = script.store(Arg::Is(*at + 8 * n), *word);
        }
    }
    for n in 910..913 {
        script = made(script, n, (linux::__NR_open, &[PROGRAM, 0, 0], 0));
    }
    // Counts how often the handler ran.
    script = script
        .store(Arg::Data(0x1320), Arg::Label("handler".into()))
        .store(Arg::Data(0x1328), u64::from(linux::SA_RESTORER))
        .store(Arg::Data(0x1330), Arg::Label("restorer".into()))
        .store(Arg::Data(0x1338), 0);
    let args = &[WINCH as u64, DATA + 0x1320, 0, 8];
    made(script, 913, (linux::__NR_rt_sigaction, args, 0))
}

/// A call, made again after EFAULT as its program would.
fn made(script: Script, n: usize, (number, args, _): Line) -> Script {
    let (again, done) = (format!("again{n}"), format!("done{n}"));
    let args = args.iter().map(|value| Arg::Is(*value));
    script
        .label(&again)
        .call(number, args)
        .if_not(Reg::Rax, EFAULT, &done)
        .jump(&again)
        .label(&done)
}

/// A call that tells what came of it.
fn step(script: Script, n: usize, line: Line) -> Script {
    let look = line.2;
    let script = made(script, n, line).tell("result", Reg::Rax);
    match look {
        0 => script,
        at => script.load(Reg::Rbx, Arg::Is(at)).tell("seen", Reg::Rbx),
    }
}

/// Waits for the child with the number in rax, and tells its status. A call that was made again may have cost a number.
fn wait(script: Script, n: usize, args: &'static [u64]) -> Script {
    let script = made(
        script.set(Reg::R12, Reg::Rax),
        n,
        (linux::__NR_wait4, args, 0),
    );
    let other = format!("other{n}");
    script
        .if_not(Reg::Rax, Reg::R12, &other)
        .load(Reg::Rbx, Arg::Is(args[1]))
        .tell("seen", Reg::Rbx)
        .label(&other)
}

/// What every tour ends with: children by fork and vfork, and how they ended; then the handler.
fn end(script: Script) -> Script {
    let script = made(script, 900, (linux::__NR_fork, &[], 0)).if_zero(Reg::Rax, "child");
    let script = wait(script, 901, &[u64::MAX, OUT + 0xc000, 0, OUT + 0xc100]);
    let script = made(script, 902, (linux::__NR_vfork, &[], 0)).if_zero(Reg::Rax, "program");
    let script = wait(script, 903, &[u64::MAX, OUT + 0xc008, 0, 0]);
    script
        .load(Reg::Rbx, Arg::Data(HANDLED))
        .tell("handled", Reg::Rbx)
        .call(linux::__NR_exit_group, [Arg::Is(0)])
        .label("child")
        .call(linux::__NR_exit_group, [Arg::Is(5)])
        .label("program")
        .call(linux::__NR_execve, [PROGRAM, 0, 0].map(Arg::Is))
        .jump("program")
        .label("handler")
        .load(Reg::Rbx, Arg::Data(HANDLED))
        .op(Op::Add(Reg::Rbx, Arg::Is(1)))
        .store(Arg::Data(HANDLED), Reg::Rbx)
        .op(Op::Return)
        .label("restorer")
        .call(linux::__NR_rt_sigreturn, [])
        .op(Op::Invalid)
}

fn tour(lines: &[Line]) -> Script {
    let mut script = data();
    for (n, line) in lines.iter().enumerate() {
        script = step(script, n, *line);
    }
    end(script)
}

/// What a program was told, and the memory that was in use when it ended.
#[derive(PartialEq, Debug)]
struct Outcome {
    results: Vec<u64>,
    seen: Vec<u64>,
    memory: u64,
}

/// Runs a tour with something in its way; `None` as outcome's second when it was not reached.
fn run(tour: &Script, due: Option<(u64, Kind)>) -> (Outcome, bool, u64) {
    // It tells how many arguments it has.
    let other = Script::new()
        .load(Reg::Rbx, Reg::Rsp)
        .tell("seen", Reg::Rbx)
        .call(linux::__NR_exit_group, [Arg::Is(6)]);
    let mut sim = Sim::boot(Config::default(), vec![tour.clone(), other]);
    sim.kernel.groups.disturb.due = due;
    let end = sim.run(5_000);
    assert!(matches!(end, End::Off(_)), "{due:?}: {end:?}");
    work_off(&mut sim);
    let outcome = Outcome {
        results: sim.told("result"),
        seen: sim.told("seen"),
        memory: sim.kernel.groups.usage(sim.kernel.groups.root()).memory,
    };
    let reached = sim.kernel.groups.disturb.due.take().is_none();
    let handled = sim.told("handled").iter().sum();
    sim.kernel.groups.disturb = Default::default();
    finish(sim);
    (outcome, reached, handled)
}

/// Disturbs a tour at every point that it has.
fn disturb(lines: &[Line], kind: Kind) {
    let seen = 3 + lines.iter().filter(|line| line.2 != 0).count();
    disturb_script(&tour(lines), lines, seen, 1, kind);
}

/// The same for a script that makes the calls of the lines, and shows so many results; at every
/// `stride`th point.
fn disturb_script(tour: &Script, lines: &[Line], seen: usize, stride: usize, kind: Kind) {
    let (undisturbed, _, _) = run(tour, None);
    assert_eq!(undisturbed.results.len(), lines.len(), "results");
    assert_eq!(undisturbed.seen.len(), seen, "results seen");
    let mut handled = 0;
    let points = (0..100_000).step_by(stride).find(|n| {
        let (outcome, reached, handlers) = run(tour, Some((*n, kind)));
        for (n, (was, is)) in undisturbed.results.iter().zip(&outcome.results).enumerate() {
            assert_eq!(was, is, "{kind:?}: line {n}: {:?}", lines.get(n));
        }
        assert_eq!(undisturbed, outcome, "{kind:?} at point {n}");
        handled += handlers;
        !reached
    });
    let points = points.expect("an end of the points");
    assert!(points > lines.len() as u64, "{points} points");
    // Signals that come to children find no handler.
    if matches!(kind, Kind::Signal(_)) && !lines.is_empty() {
        assert!(handled > points / 2, "{handled} of {points} signals");
    }
    eprintln!("{kind:?}: {points} points");
}
