//! The programs of a storm.

use crate::SimMachine;
use crate::image::DATA;
use crate::script::{Arg, Op, Reg, Script};
use berth_abi::linux::general as linux;
use berth_kernel::syscall;
use std::sync::LazyLock;

/// Operations in a random program.
const OPERATIONS: usize = 48;

/// Labels in a random program.
const LABELS: u64 = 6;

/// The numbers of all calls that the kernel has.
pub static TABLE: LazyLock<Vec<u32>> = LazyLock::new(|| {
    let has = |number: &u32| syscall::line(u64::from(*number)).is_some();
    (0..2048).filter(has).collect()
});

/// Paths that lead somewhere, each at [`path`] of its index.
const PATHS: [&str; 8] = [
    "/bin/1",
    "/tmp",
    "/tmp/a",
    "b",
    "/proc/self/maps",
    "/proc/self/fd/3",
    "/dev/zero",
    "/proc",
];

/// Where a path is in a program's data: behind what wild stores of its own reach.
fn path(index: usize) -> u64 {
    0x1000 + 0x20 * index as u64
}

/// Where records are: a set of signals, a short time twice, two parts of a vector, two descriptors to poll.
const RECORDS: [(u64, [u64; 4]); 4] = [
    (0x1200, [1 << 9, 1 << 16, 0, 0]),
    (0x1220, [0, 1_000_000, 0, 1_000_000]),
    (0x1240, [DATA + 0x1400, 32, DATA + 0x1480, 32]),
    (0x1260, [1 << 32, 1 << 32 | 1, 4 << 32 | 3, 0]),
];

/// Process 1: starts both random programs and waits for whatever ends.
pub fn init() -> Script {
    let wait = is(&[u64::MAX, 0, 0, 0]);
    Script::new()
        .text(0x100, "/bin/1")
        .text(0x110, "/bin/2")
        .call(linux::__NR_fork, [])
        .if_zero(Reg::Rax, "first")
        .call(linux::__NR_fork, [])
        .if_zero(Reg::Rax, "second")
        .label("wait")
        .call(linux::__NR_wait4, wait)
        .if_not(Reg::Rax, (-10i64) as u64, "wait")
        .call(linux::__NR_exit_group, is(&[0]))
        .label("first")
        .call(linux::__NR_execve, is(&[DATA + 0x100, 0, 0]))
        .op(Op::Invalid)
        .label("second")
        .call(linux::__NR_execve, is(&[DATA + 0x110, 0, 0]))
        .op(Op::Invalid)
}

fn is(values: &[u64]) -> Vec<Arg> {
    values.iter().map(|v| Arg::Is(*v)).collect()
}

/// A random program.
pub fn random(chance: &mut SimMachine) -> Script {
    let mut script = furnished();
    let every = OPERATIONS / LABELS as usize;
    for n in 0..OPERATIONS {
        if n % every == 0 {
            script = script.label(&format!("L{}", n / every));
        }
        script = operation(chance, script);
    }
    for n in OPERATIONS / every..LABELS as usize {
        script = script.label(&format!("L{n}"));
    }
    ended(script)
}

/// A program of random calls that tells what each gave, which depends on nobody else and on no clock.
pub fn alone(chance: &mut SimMachine) -> Script {
    let mut script = furnished();
    for n in 0..2 * OPERATIONS {
        let number = match n {
            // Something to work with.
            0..4 => linux::__NR_open,
            _ => pick(chance, &TABLE),
        };
        if !SOCIAL.contains(&number) {
            script = call(chance, script, number).tell("result", Reg::Rax);
        }
    }
    ended(script)
}

/// A program that has something in its data.
fn furnished() -> Script {
    let mut script = Script::new();
    for (index, text) in PATHS.iter().enumerate() {
        script = script.text(path(index), text);
    }
    for (at, words) in RECORDS {
        for (n, word) in (0..).zip(words) {
            script = script.store(Arg::Data(at + 8 * n), word);
        }
    }
    script
}

/// The end of a program.
fn ended(script: Script) -> Script {
    script
        .call(linux::__NR_exit_group, is(&[1]))
        .label("restorer")
        .call(linux::__NR_rt_sigreturn, [])
        .op(Op::Invalid)
}

/// Calls that have to do with others, with time, or with the program's own end.
const SOCIAL: &[u32] = &[
    linux::__NR_clock_gettime,
    linux::__NR_clone,
    linux::__NR_clone3,
    linux::__NR_execve,
    linux::__NR_execveat,
    linux::__NR_exit,
    linux::__NR_exit_group,
    linux::__NR_fork,
    linux::__NR_getitimer,
    linux::__NR_pause,
    linux::__NR_reboot,
    linux::__NR_rt_sigreturn,
    linux::__NR_rt_sigsuspend,
    linux::__NR_setitimer,
    linux::__NR_timer_create,
    linux::__NR_timer_settime,
    linux::__NR_timer_delete,
    linux::__NR_clock_nanosleep,
    linux::__NR_setrlimit,
    linux::__NR_rt_sigqueueinfo,
    linux::__NR_clone3,
    linux::__NR_time,
    linux::__NR_times,
    linux::__NR_vfork,
];

fn label(chance: &mut SimMachine) -> String {
    format!("L{}", chance.random() % LABELS)
}

fn pick<T: Copy>(chance: &mut SimMachine, from: &[T]) -> T {
    from[(chance.random() % from.len() as u64) as usize]
}

fn operation(chance: &mut SimMachine, script: Script) -> Script {
    match chance.random() % 32 {
        0 => {
            let target = label(chance);
            script.jump(&target)
        }
        1..=3 => {
            let target = label(chance);
            script.if_zero(Reg::Rax, &target)
        }
        4 => {
            let addr = value(chance);
            script.load(Reg::Rbx, addr)
        }
        5 => {
            let (addr, word) = (value(chance), value(chance));
            script.store(addr, word)
        }
        6 => {
            let word = value(chance);
            script.store(Arg::Data(chance.random() % 128 * 8), word)
        }
        7 => script.op(Op::Spin(chance.random() % 30_000_000)),
        8 => {
            let word = value(chance);
            script.set(pick(chance, &[Reg::Rbx, Reg::R12, Reg::Rsp]), word)
        }
        9 if chance.random() % 8 == 0 => script.op(Op::Invalid),
        10..=12 => handler(chance, script),
        13..=20 => {
            let number = pick(chance, LIKELY);
            call(chance, script, number)
        }
        21 => {
            let number = chance.random() % 470;
            call(chance, script, number as u32)
        }
        _ => {
            let number = pick(chance, &TABLE);
            call(chance, script, number)
        }
    }
}

/// Calls that processes and memory are made of.
const LIKELY: &[u32] = &[
    linux::__NR_fork,
    linux::__NR_vfork,
    linux::__NR_clone,
    linux::__NR_wait4,
    linux::__NR_waitid,
    linux::__NR_kill,
    linux::__NR_tgkill,
    linux::__NR_exit,
    linux::__NR_execve,
    linux::__NR_mmap,
    linux::__NR_munmap,
    linux::__NR_mprotect,
    linux::__NR_brk,
    linux::__NR_pipe2,
    linux::__NR_read,
    linux::__NR_write,
    linux::__NR_dup2,
    linux::__NR_futex,
    linux::__NR_rt_sigprocmask,
    linux::__NR_rt_sigsuspend,
    linux::__NR_rt_sigreturn,
    linux::__NR_rt_sigtimedwait,
    linux::__NR_sigaltstack,
    linux::__NR_nanosleep,
    linux::__NR_alarm,
    linux::__NR_setitimer,
    linux::__NR_setsid,
    linux::__NR_setpgid,
    linux::__NR_unshare,
    linux::__NR_prctl,
    linux::__NR_set_robust_list,
    linux::__NR_set_tid_address,
    linux::__NR_setgroups,
    linux::__NR_setresuid,
];

fn call(chance: &mut SimMachine, script: Script, number: u32) -> Script {
    let args: Vec<Arg> = (0..6).map(|_| value(chance)).collect();
    script.call(number, args)
}

/// Installs a handler somewhere in the program.
fn handler(chance: &mut SimMachine, script: Script) -> Script {
    let (target, signal) = (label(chance), 1 + chance.random() % 64);
    let flags = (chance.random() << 26 | chance.random() & 7) & 0xffff_ffff;
    script
        .store(Arg::Data(0x200), Arg::Label(target))
        .store(Arg::Data(0x208), flags | u64::from(linux::SA_RESTORER))
        .store(Arg::Data(0x210), Arg::Label("restorer".into()))
        .store(Arg::Data(0x218), chance.random() & chance.random())
        .call(linux::__NR_rt_sigaction, is(&[signal, DATA + 0x200, 0, 8]))
}

/// A value that may mean something: a small number, an address, a flag, or nothing at all.
fn value(chance: &mut SimMachine) -> Arg {
    let word = chance.random();
    Arg::Is(match word % 16 {
        0..=3 => word >> 32 & 7,
        4 => word >> 32 & 63,
        5 => 0,
        6 => 8,
        7 => pick(chance, WILD),
        8 | 9 => DATA + (word >> 32 & 0x1ff) * 8,
        10 if word >> 63 == 0 => DATA + path((word >> 32) as usize % PATHS.len()),
        10 => DATA + pick(chance, &RECORDS).0,
        11 => 1 << (word >> 32 & 63),
        12 => pick(chance, &[0x1_0000, 0x2000_0000, 0x10_0000, 0x1000]),
        13 => u64::from(pick(chance, CLONE_FLAGS)),
        14 => return pick_register(chance),
        _ => word,
    })
}

fn pick_register(chance: &mut SimMachine) -> Arg {
    Arg::Reg(pick(chance, &[Reg::Rax, Reg::Rbx, Reg::R12, Reg::Rsp]))
}

/// Numbers at the edges.
const WILD: &[u64] = &[
    u64::MAX,
    u64::MAX - 7,
    u64::MAX - 99,
    1 << 63,
    1 << 47,
    0x7fff_ffff_f000,
    0x7fff_ffff_effc,
    0xffff_8000_0000_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1001,
];

const CLONE_FLAGS: &[u32] = &[
    17,
    linux::CLONE_VM | linux::CLONE_VFORK | 17,
    linux::CLONE_NEWPID | 17,
    linux::CLONE_NEWUTS | linux::CLONE_NEWNS | 17,
    linux::CLONE_VM | linux::CLONE_SIGHAND | linux::CLONE_THREAD,
    linux::CLONE_VM | linux::CLONE_SIGHAND | linux::CLONE_FILES | linux::CLONE_FS,
    linux::CLONE_PARENT | 17,
    linux::CLONE_CHILD_SETTID | linux::CLONE_CHILD_CLEARTID | 17,
];
