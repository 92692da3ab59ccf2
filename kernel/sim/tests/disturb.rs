//! Calls that are disturbed in their *prepare* by a refused charge, absent memory, a wait, a signal: tours of useful calls at
//! every point once, and every call of the table with random arguments. What they give, and what is left at the end, must be
//! as without: nothing was published too early, nothing twice.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use berth_abi::linux::general as linux;
use berth_kernel::disturb::Kind;
use berth_sim::image::DATA;
use berth_sim::storm::{finish, program};
use berth_sim::{Arg, Config, End, Op, Reg, Script, Sim, SimMachine};

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

/// Files: descriptors 3 and up are the tour's, and their numbers tell whether one was lost.
const FILES: &[Line] = &[
    (linux::__NR_mkdir, &[DIR, 0o755], 0),
    (linux::__NR_openat, &[HERE, FILE, 0o102, 0o644], 0),
    (linux::__NR_write, &[3, TEXT, 11], 0),
    (linux::__NR_pwrite64, &[3, TEXT, 11, 0x3000], 0),
    (linux::__NR_pwritev, &[3, VECTOR, 1, 0x5000], 0),
    (linux::__NR_lseek, &[3, 0, 0], 0),
    (linux::__NR_read, &[3, OUT, 64], OUT),
    (linux::__NR_pread64, &[3, OUT + 0x1000, 64, 4], OUT + 0x1000),
    (linux::__NR_preadv, &[3, VECTOR, 1, 0], DATA + 0x1400),
    (linux::__NR_ftruncate, &[3, 0x2000], 0),
    (linux::__NR_truncate, &[FILE, 0x2800], 0),
    (linux::__NR_fallocate, &[3, 0, 0x2800, 0x3000], 0),
    (linux::__NR_fstat, &[3, OUT + 0x2000], OUT + 0x2030),
    (linux::__NR_stat, &[FILE, OUT + 0x3000], OUT + 0x3010),
    (
        linux::__NR_newfstatat,
        &[HERE, FILE, OUT + 0x3000, 0],
        OUT + 0x3030,
    ),
    (
        linux::__NR_statx,
        &[HERE, FILE, 0, 0x7ff, OUT + 0x4000],
        OUT + 0x4028,
    ),
    (linux::__NR_statfs, &[FILE, OUT + 0x4000], OUT + 0x4000),
    (linux::__NR_access, &[FILE, 4], 0),
    (linux::__NR_link, &[FILE, OTHER], 0),
    (linux::__NR_link, &[FILE, OTHER], 0),
    (linux::__NR_symlink, &[FILE, LINK], 0),
    (
        linux::__NR_readlink,
        &[LINK, OUT + 0x5000, 64],
        OUT + 0x5000,
    ),
    (linux::__NR_rename, &[OTHER, LINK], 0),
    (linux::__NR_renameat2, &[HERE, LINK, HERE, OTHER, 1], 0),
    (linux::__NR_mkdir, &[SUB, 0o700], 0),
    (linux::__NR_mknod, &[FIFO, 0o010_644, 0], 0),
    (linux::__NR_chmod, &[FILE, 0o640], 0),
    (linux::__NR_fchmod, &[3, 0o600], 0),
    (linux::__NR_chown, &[FILE, 7, 8], 0),
    (linux::__NR_utimensat, &[HERE, FILE, SHORT, 0], 0),
    (linux::__NR_setxattr, &[FILE, TEXT, TEXT, 5, 0], 0),
    (linux::__NR_getxattr, &[FILE, TEXT, OUT, 64], 0),
    (linux::__NR_openat, &[HERE, DIR, 0o200_000, 0], 0),
    (
        linux::__NR_getdents64,
        &[4, OUT + 0x6000, 4096],
        OUT + 0x6010,
    ),
    (linux::__NR_getdents64, &[4, OUT + 0x6000, 4096], 0),
    (linux::__NR_fchdir, &[4], 0),
    (linux::__NR_getcwd, &[OUT + 0x7000, 64], OUT + 0x7000),
    (linux::__NR_chdir, &[DIR], 0),
    (linux::__NR_dup, &[3], 0),
    (linux::__NR_dup3, &[3, 9, linux::O_CLOEXEC as u64], 0),
    (linux::__NR_fcntl, &[3, linux::F_DUPFD as u64, 5], 0),
    (linux::__NR_close, &[6], 0),
    (linux::__NR_flock, &[3, 2], 0),
    (linux::__NR_memfd_create, &[TEXT, 0], 0),
    (linux::__NR_copy_file_range, &[9, 0, 3, 0, 100, 0], 0),
    (linux::__NR_sendfile, &[3, 9, 0, 100], 0),
    (linux::__NR_unlink, &[LINK], 0),
    (linux::__NR_unlinkat, &[HERE, SUB, 0x200], 0),
    (linux::__NR_mount, &[TMPFS, DIR, TMPFS, 0, 0], 0),
    (linux::__NR_openat, &[HERE, FILE, 0o102, 0o644], 0),
    (linux::__NR_umount2, &[DIR, 2], 0),
    (linux::__NR_open, &[STATUS, 0, 0], 0),
    (linux::__NR_umask, &[0o77], 0),
];

/// Transfers in parts. Absent memory ends them early, and rightly.
const PARTS: &[Line] = &[
    (linux::__NR_pipe2, &[OUT, 0], OUT),
    (linux::__NR_writev, &[4, VECTOR, 2], 0),
    (linux::__NR_readv, &[3, VECTOR, 2], 0),
    (linux::__NR_openat, &[HERE, TMPFS, 0o302, 0o644], 0),
    (linux::__NR_writev, &[5, VECTOR, 2], 0),
    (linux::__NR_write, &[5, DATA + 0x1000, 0x9000], 0),
    (linux::__NR_pwritev, &[5, VECTOR, 2, 0xffc], 0),
    (linux::__NR_lseek, &[5, 0, 0], 0),
    (linux::__NR_readv, &[5, VECTOR, 2], 0),
    (linux::__NR_preadv, &[5, VECTOR, 2, 0xffa], DATA + 0x1400),
    (linux::__NR_read, &[5, OUT + 0x1ff0, 0x6000], OUT + 0x4000),
    (linux::__NR_fstat, &[5, OUT], OUT + 0x30),
];

/// Pipes, events and waiting for them.
const EVENTS: &[Line] = &[
    (linux::__NR_pipe2, &[OUT + 0x8000, 0], OUT + 0x8000),
    (linux::__NR_write, &[4, TEXT, 11], 0),
    (linux::__NR_poll, &[POLLED, 2, 0], POLLED),
    (linux::__NR_ioctl, &[3, 0x541b, OUT], 0),
    (linux::__NR_read, &[3, OUT + 0x9000, 64], OUT + 0x9000),
    (linux::__NR_ppoll, &[POLLED, 2, SHORT, SIGNALS, 8], POLLED),
    // It does not wait: a signal would rightly end that.
    (linux::__NR_select, &[5, SIGNALS, 0, 0, NO_TIME], SIGNALS),
    (linux::__NR_eventfd2, &[3, 0], 0),
    (linux::__NR_epoll_create1, &[0], 0),
    (linux::__NR_epoll_ctl, &[6, 1, 5, EVENT], 0),
    (linux::__NR_epoll_ctl, &[6, 1, 5, EVENT], 0),
    (
        linux::__NR_epoll_wait,
        &[6, OUT + 0xa000, 4, 0],
        OUT + 0xa000,
    ),
    (linux::__NR_read, &[5, OUT + 0xb000, 8], OUT + 0xb000),
    (linux::__NR_timerfd_create, &[1, 0], 0),
    (linux::__NR_timerfd_settime, &[7, 0, SHORT, OUT], 0),
    (linux::__NR_signalfd4, &[u64::MAX, SIGNALS, 8, 0], 0),
    (linux::__NR_inotify_init1, &[0], 0),
    (linux::__NR_inotify_add_watch, &[9, PROGRAM, 0xfff], 0),
];

/// Terminals: a master is 3, its line 4 and up.
const TERMINALS: &[Line] = &[
    (linux::__NR_mkdir, &[DIR, 0o755], 0),
    (linux::__NR_mount, &[DEVPTS, DIR, DEVPTS, 0, 0], 0),
    (linux::__NR_open, &[PTMX, 0o402, 0], 0),
    (linux::__NR_ioctl, &[3, 0x4004_5431, SHORT], 0),
    (linux::__NR_open, &[PTS, 0o402, 0], 0),
    (linux::__NR_ioctl, &[3, 0x8004_5430, OUT], OUT),
    (linux::__NR_ioctl, &[4, 0x5401, OUT + 0x1000], OUT + 0x1000),
    (linux::__NR_write, &[4, TEXT, 11], 0),
    (linux::__NR_poll, &[POLLED, 2, 0], POLLED),
    (linux::__NR_read, &[3, OUT + 0x2000, 64], OUT + 0x2000),
    (linux::__NR_write, &[3, TEXT, 11], 0),
    (linux::__NR_write, &[3, NEWLINE, 1], 0),
    (linux::__NR_ioctl, &[4, 0x541b, OUT + 0x3000], OUT + 0x3000),
    (linux::__NR_read, &[4, OUT + 0x4000, 64], OUT + 0x4000),
    (linux::__NR_ioctl, &[4, 0x5404, OUT + 0x1000], 0),
    (linux::__NR_ioctl, &[3, 0x5441, 0o402], 0),
    (linux::__NR_ioctl, &[4, 0x5414, SHORT], 0),
    (linux::__NR_ioctl, &[3, 0x5413, OUT + 0x5000], OUT + 0x5000),
    (linux::__NR_open, &[PTS, 2, 0], 0),
    (linux::__NR_ioctl, &[6, 0x540f, OUT + 0x6000], OUT + 0x6000),
    (linux::__NR_ioctl, &[6, 0x5410, OUT + 0x6000], 0),
    (linux::__NR_open, &[PTMX, 0o402, 0], 0),
    (linux::__NR_getdents64, &[3, OUT, 64], 0),
    (linux::__NR_unlink, &[PTS], 0),
    (linux::__NR_vhangup, &[], 0),
    (linux::__NR_read, &[4, OUT + 0x7000, 64], 0),
    (linux::__NR_close, &[3], 0),
    (linux::__NR_open, &[PTS, 0o402, 0], 0),
];

/// Memory, processes, signals, names.
const PROCESS: &[Line] = &[
    (
        linux::__NR_mmap,
        &[0x5000_0000, 0x8000, 3, 0x32, u64::MAX, 0],
        0,
    ),
    (linux::__NR_mprotect, &[0x5000_1000, 0x1000, 1], 0),
    (linux::__NR_mremap, &[0x5000_4000, 0x2000, 0x3000, 1], 0),
    (linux::__NR_madvise, &[0x5000_0000, 0x1000, 4], 0),
    (linux::__NR_mincore, &[0x5000_0000, 0x1000, OUT], 0),
    (linux::__NR_munmap, &[0x5000_2000, 0x1000], 0),
    (linux::__NR_brk, &[0], 0),
    (linux::__NR_open, &[PROGRAM, 0, 0], 0),
    (
        linux::__NR_mmap,
        &[0x6000_0000, 0x1000, 1, 0x11, 3, 0],
        0x6000_0000,
    ),
    (
        linux::__NR_rt_sigprocmask,
        &[0, SIGNALS, OUT + 0x1000, 8],
        OUT + 0x1000,
    ),
    (linux::__NR_kill, &[1, linux::SIGUSR1 as u64], 0),
    (linux::__NR_rt_sigpending, &[OUT + 0x2000, 8], OUT + 0x2000),
    (
        linux::__NR_rt_sigtimedwait,
        &[SIGNALS, OUT + 0x3000, SHORT, 8],
        OUT + 0x3000,
    ),
    (linux::__NR_rt_sigqueueinfo, &[1, 34, OUT + 0x3000], 0),
    (
        linux::__NR_rt_sigaction,
        &[34, ACTION, OUT + 0x4000, 8],
        OUT + 0x4000,
    ),
    (linux::__NR_sigaltstack, &[0, OUT + 0x5000], OUT + 0x5008),
    (
        linux::__NR_prlimit64,
        &[0, 7, 0, OUT + 0x6000],
        OUT + 0x6000,
    ),
    (linux::__NR_uname, &[OUT + 0x7000], OUT + 0x7000),
    (linux::__NR_sethostname, &[TEXT, 5], 0),
    (linux::__NR_setgroups, &[1, POLLED], 0),
    (linux::__NR_getgroups, &[8, OUT + 0x8000], OUT + 0x8000),
    (
        linux::__NR_getresuid,
        &[OUT + 0x9000, OUT + 0x9004, OUT + 0x9008],
        OUT + 0x9000,
    ),
    (linux::__NR_prctl, &[15, TEXT], 0),
    (linux::__NR_prctl, &[16, OUT + 0xa000], OUT + 0xa000),
    (linux::__NR_unshare, &[linux::CLONE_NEWUTS as u64], 0),
    (
        linux::__NR_sched_getaffinity,
        &[0, 128, OUT + 0xb000],
        OUT + 0xb000,
    ),
    (linux::__NR_futex, &[TEXT, 1, 1], 0),
    (
        linux::__NR_timer_create,
        &[1, 0, OUT + 0xb100],
        OUT + 0xb100,
    ),
    (linux::__NR_nanosleep, &[SHORT, 0], 0),
];

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
    for (at, words) in records {
        for (n, word) in (0..).zip(words) {
            script = script.store(Arg::Is(at + 8 * n), *word);
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
fn run(lines: &[Line], due: Option<(u64, Kind)>) -> (Outcome, bool, u64) {
    let other = Script::new().call(linux::__NR_exit_group, [Arg::Is(6)]);
    let mut sim = Sim::boot(Config::default(), vec![tour(lines), other]);
    sim.kernel.groups.disturb.due = due;
    let end = sim.run(5_000);
    assert!(matches!(end, End::Off(_)), "{due:?}: {end:?}");
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
    let (undisturbed, _, _) = run(lines, None);
    assert_eq!(undisturbed.results.len(), lines.len(), "results");
    let seen = 2 + lines.iter().filter(|line| line.2 != 0).count();
    assert_eq!(undisturbed.seen.len(), seen, "results seen");
    let mut handled = 0;
    let points = (0..100_000).find(|n| {
        let (outcome, reached, handlers) = run(lines, Some((*n, kind)));
        for (n, (was, is)) in undisturbed.results.iter().zip(&outcome.results).enumerate() {
            assert_eq!(was, is, "{kind:?}: line {n}: {:?}", lines.get(n));
        }
        assert_eq!(undisturbed, outcome, "{kind:?} at point {n}");
        handled += handlers;
        !reached
    });
    let points = points.expect("an end of the points");
    assert!(points > lines.len() as u64, "{points} points");
    if matches!(kind, Kind::Signal(_)) {
        assert!(handled > points / 2, "{handled} of {points} signals");
    }
    eprintln!("{kind:?}: {points} points");
}

/// What random calls gave, disturbed again and again or not.
fn quarrel(seed: u64, kind: Option<Kind>) -> Vec<u64> {
    let config = Config {
        seed,
        ..Config::default()
    };
    let mut chance = SimMachine::new(config.clone());
    let mut sim = Sim::boot(config, vec![program::alone(&mut chance), Script::new()]);
    for _ in 0..2_000 {
        // Not each time, so that a call that is made again comes through.
        let due = kind.map(|kind| (chance.random() % 5, kind));
        sim.kernel.groups.disturb.due = due.filter(|_| chance.random() % 2 == 0);
        if sim.run(1) != End::Tired {
            break;
        }
    }
    let results = sim.told("result");
    sim.kernel.groups.disturb = Default::default();
    finish(sim);
    results
}

#[test]
fn every_call_gives_the_same_however_it_is_disturbed() {
    let mut calls = 0;
    for seed in 1..=1000 {
        let undisturbed = quarrel(seed, None);
        calls += undisturbed.len();
        for kind in [Kind::Refusal, Kind::Wait, Kind::Signal(WINCH)] {
            let disturbed = quarrel(seed, Some(kind));
            let program = program::alone(&mut SimMachine::new(Config {
                seed,
                ..Config::default()
            }));
            let first = (undisturbed.iter().zip(&disturbed)).position(|(was, is)| was != is);
            let call = first.and_then(|n| program.calls().nth(n));
            assert_eq!(undisturbed, disturbed, "seed {seed}, {kind:?}: {call:?}");
        }
    }
    assert!(calls > 10_000, "{calls} calls");
}

macro_rules! tours {
    ($($name:ident: $lines:ident $kind:expr;)*) => {
        $(#[test] fn $name() { disturb($lines, $kind); })*
    };
}

tours! {
    files_and_refused_charges: FILES Kind::Refusal;
    files_and_absent_memory: FILES Kind::Fault;
    files_and_waits: FILES Kind::Wait;
    files_and_signals: FILES Kind::Signal(WINCH);
    parts_and_refused_charges: PARTS Kind::Refusal;
    parts_and_waits: PARTS Kind::Wait;
    parts_and_signals: PARTS Kind::Signal(WINCH);
    events_and_refused_charges: EVENTS Kind::Refusal;
    events_and_absent_memory: EVENTS Kind::Fault;
    events_and_waits: EVENTS Kind::Wait;
    events_and_signals: EVENTS Kind::Signal(WINCH);
    terminals_and_refused_charges: TERMINALS Kind::Refusal;
    terminals_and_absent_memory: TERMINALS Kind::Fault;
    terminals_and_waits: TERMINALS Kind::Wait;
    terminals_and_signals: TERMINALS Kind::Signal(WINCH);
    processes_and_refused_charges: PROCESS Kind::Refusal;
    processes_and_absent_memory: PROCESS Kind::Fault;
    processes_and_waits: PROCESS Kind::Wait;
    processes_and_signals: PROCESS Kind::Signal(WINCH);
}
