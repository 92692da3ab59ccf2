//! New processes and threads: what clone accepts, what threads share, how they end.

use std::sync::mpsc::channel;
use std::thread;

use berth_sys::audit::pause_ms;
use berth_sys::memory::{Region, Sharing};
use berth_sys::raw::exit;
use berth_sys::signals::{self, Action, bit};
use berth_sys::threads::{self, Args};
use rustix::io::Errno;
use rustix::process::getpid;
use rustix::thread::{CpuSet, gettid, sched_getaffinity, sched_setaffinity};

use super::{Case, Told, Verdict, check, child, ended, exits, fails, same};

const USR1: i32 = 10;
const USR2: i32 = 12;
const CHLD: u64 = 17;
const VM: u64 = 0x100;
const FS: u64 = 0x200;
const SIGHAND: u64 = 0x800;
const PARENT: u64 = 0x8000;
const THREAD: u64 = 0x1_0000;
const NEWNS: u64 = 0x2_0000;
const DETACHED: u64 = 0x40_0000;
const CHILD_SETTID: u64 = 0x100_0000;
const PARENT_SETTID: u64 = 0x10_0000;
const NEWPID: u64 = 0x2000_0000;
const CLEAR_SIGHAND: u64 = 1 << 32;

pub const CASES: &[Case] = &[
    ("threads/flags-that-contradict", flags_that_contradict),
    ("threads/clone3-sizes", clone3_sizes),
    ("threads/clone3-refuses", clone3_refuses),
    ("threads/clone3-tells-numbers", clone3_tells_numbers),
    ("threads/clone3-clears-handlers", clone3_clears_handlers),
    ("threads/number-is-chosen", number_is_chosen),
    ("threads/numbers", numbers),
    ("threads/exit-of-one", exit_of_one),
    ("threads/leader-ends-first", leader_ends_first),
    ("threads/exit-of-all", exit_of_all),
    ("threads/exec-is-for-all", exec_is_for_all),
    ("threads/masks-are-their-own", masks_are_their_own),
    ("threads/signal-finds-a-thread", signal_finds_a_thread),
    ("threads/children-are-shared", children_are_shared),
    ("threads/affinity", affinity),
    ("threads/policies", policies),
    ("threads/barriers", barriers),
];

fn me() -> i32 {
    getpid().as_raw_nonzero().get()
}

fn tid() -> i32 {
    gettid().as_raw_nonzero().get()
}

/// What a thread found out.
fn joined<T>(handle: thread::JoinHandle<T>) -> Result<T, String> {
    handle.join().map_err(|_| "a thread panicked".to_owned())
}

fn flags_that_contradict() -> Verdict {
    let wrong = [
        SIGHAND | CHLD,
        THREAD | CHLD,
        THREAD | VM | CHLD,
        NEWNS | FS | CHLD,
        THREAD | SIGHAND | VM | NEWPID,
    ];
    for flags in wrong {
        fails(&format!("{flags:#x}"), threads::clone(flags), Errno::INVAL)?;
    }
    // The upper half of the flags is not there.
    let pid = threads::clone(1 << 63 | DETACHED | CHLD).told("clone")?;
    if pid == 0 {
        exit(5);
    }
    same("exit", threads::wait4(pid, 0).told("wait")?.1, 5 << 8)
}

fn plain() -> Args {
    Args {
        exit_signal: CHLD,
        ..Args::default()
    }
}

fn clone3_sizes() -> Verdict {
    fails("too small", threads::clone3(&plain(), 63), Errno::INVAL)?;
    for size in [64, 80, 88, 96] {
        let pid = threads::clone3(&plain(), size).told("clone3")?;
        if pid == 0 {
            exit(3);
        }
        same("exit", threads::wait4(pid, 0).told("wait")?.1, 3 << 8)?;
    }
    let more = Args { more: 1, ..plain() };
    fails(
        "what is not known",
        threads::clone3(&more, 96),
        Errno::TOOBIG,
    )
}

fn clone3_refuses() -> Verdict {
    let wrong = [
        (
            "exit signal",
            Args {
                exit_signal: 65,
                ..plain()
            },
        ),
        (
            "exit signal in the flags",
            Args {
                flags: CHLD,
                ..plain()
            },
        ),
        (
            "detached",
            Args {
                flags: DETACHED,
                ..plain()
            },
        ),
        (
            "unknown flag",
            Args {
                flags: 1 << 40,
                ..plain()
            },
        ),
        (
            "thread with a signal",
            Args {
                flags: THREAD | SIGHAND | VM,
                ..plain()
            },
        ),
        (
            "sibling with a signal",
            Args {
                flags: PARENT,
                ..plain()
            },
        ),
        (
            "handlers",
            Args {
                flags: CLEAR_SIGHAND | SIGHAND | VM,
                ..plain()
            },
        ),
        (
            "stack without size",
            Args {
                stack: 0x1000,
                ..plain()
            },
        ),
        (
            "size without stack",
            Args {
                stack_size: 0x1000,
                ..plain()
            },
        ),
        (
            "numbers without count",
            Args {
                set_tid: 0x1000,
                ..plain()
            },
        ),
        (
            "count without numbers",
            Args {
                set_tid_size: 1,
                ..plain()
            },
        ),
        (
            "too many numbers",
            Args {
                set_tid: 0x1000,
                set_tid_size: 33,
                ..plain()
            },
        ),
    ];
    for (what, args) in wrong {
        fails(what, threads::clone3(&args, 88), Errno::INVAL)?;
    }
    let nowhere = Args {
        set_tid: 0x1000,
        set_tid_size: 1,
        ..plain()
    };
    fails(
        "numbers nowhere",
        threads::clone3(&nowhere, 88),
        Errno::FAULT,
    )
}

fn clone3_tells_numbers() -> Verdict {
    let region = Region::anonymous(1, Sharing::Shared).told("mmap")?;
    let args = Args {
        flags: CHILD_SETTID | PARENT_SETTID,
        child_tid: region.address(0),
        parent_tid: region.address(8),
        ..plain()
    };
    let pid = threads::clone3(&args, 88).told("clone3")?;
    if pid == 0 {
        exit(0);
    }
    threads::wait4(pid, 0).told("wait")?;
    let word = |offset| threads::word(&region, offset).load(std::sync::atomic::Ordering::SeqCst);
    same("numbers", (word(0), word(8)), (pid as u32, pid as u32))?;
    // Where they cannot be put they are not.
    let args = Args {
        child_tid: 8,
        parent_tid: 8,
        ..args
    };
    let pid = threads::clone3(&args, 88).told("clone3")?;
    if pid == 0 {
        exit(4);
    }
    same("exit", threads::wait4(pid, 0).told("wait")?.1, 4 << 8)
}

fn clone3_clears_handlers() -> Verdict {
    signals::action(USR1, Some(Action::record(0, 0)), 8).told("sigaction")?;
    signals::action(USR2, Some(Action::IGNORE), 8).told("sigaction")?;
    let pid = threads::clone3(
        &Args {
            flags: CLEAR_SIGHAND,
            ..plain()
        },
        88,
    )
    .told("clone3")?;
    if pid == 0 {
        let of = |signal| signals::action(signal, None, 8).unwrap_or_default();
        exit(i32::from(of(USR1).is_handler() || !of(USR2).is_ignore()));
    }
    same("exit", threads::wait4(pid, 0).told("wait")?.1, 0)?;
    let own = signals::action(USR1, None, 8).told("sigaction")?;
    check(own.is_handler(), || "the parent's is gone".to_owned())
}

fn number_is_chosen() -> Verdict {
    fails("none", threads::clone_as(0), Errno::INVAL)?;
    fails("too large", threads::clone_as(i32::MAX), Errno::INVAL)?;
    if !rustix::process::geteuid().is_root() {
        return fails("not allowed", threads::clone_as(30_011), Errno::PERM);
    }
    fails("in use", threads::clone_as(me()), Errno::EXIST)?;
    let free = (30_000..30_100).find(|n| signals::kill(*n, 0) == Err(Errno::SRCH));
    let free = free.ok_or("no free number")?;
    let pid = threads::clone_as(free).told("clone3")?;
    if pid == 0 {
        exit(0);
    }
    same("pid", pid, free)?;
    same("exit", threads::wait4(pid, 0).told("wait")?.1, 0)
}

fn numbers() -> Verdict {
    let other = thread::spawn(|| (me(), tid()));
    let (pid, number) = joined(other)?;
    same("the process's", pid, me())?;
    same("the first thread's", tid(), me())?;
    check(number != tid(), || format!("both are {number}"))?;
    fails("ended", signals::tkill(number, 0), Errno::SRCH)
}

fn exit_of_one() -> Verdict {
    let (say, hear) = channel();
    thread::spawn(move || {
        let _ = say.send(tid());
        threads::exit_thread(3);
    });
    let number = hear.recv().told("recv")?;
    let mut turns = 0;
    while signals::tkill(number, 0).is_ok() && turns < 1000 {
        pause_ms(1);
        turns += 1;
    }
    fails("ended", signals::tkill(number, 0), Errno::SRCH)
}

/// The process lasts as long as a thread, and ends with the code of the last.
fn leader_ends_first() -> Verdict {
    exits(9, || {
        let (say, hear) = channel();
        let leader = me();
        thread::spawn(move || {
            let _ = say.send(());
            // Until the first thread is only waited for.
            let stat = format!("/proc/{leader}/task/{leader}/stat");
            let ended = || {
                let text = std::fs::read_to_string(&stat).unwrap_or_default();
                text.split(") ")
                    .nth(1)
                    .is_none_or(|rest| rest.starts_with('Z'))
            };
            while !ended() {
                pause_ms(1);
            }
            threads::exit_thread(9);
        });
        let _ = hear.recv();
        threads::exit_thread(7);
    })
}

fn exit_of_all() -> Verdict {
    exits(6, || {
        for _ in 0..3 {
            thread::spawn(|| {
                loop {
                    pause_ms(1000);
                }
            });
        }
        let _ = thread::spawn(|| exit(6)).join();
        1
    })
}

/// The other threads end, and the one that calls execve has the process's number afterwards.
fn exec_is_for_all() -> Verdict {
    let pid = child(|| {
        thread::spawn(|| {
            loop {
                pause_ms(1000);
            }
        });
        let other = thread::spawn(|| {
            threads::exec(
                "/proc/self/exe",
                &["probe", "exit-by-tid", &me().to_string()],
            )
        });
        let _ = other.join();
        1
    })?;
    same("exit", ended(pid)?.exit_status(), Some(0))
}

/// 0 if this is the only thread and its number and the process's are this one.
pub fn exit_by_tid(number: i32) -> i32 {
    let alone = std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    i32::from(tid() != number || me() != number || alone != 1)
}

fn masks_are_their_own() -> Verdict {
    signals::set_mask(bit(USR1)).told("sigprocmask")?;
    signals::kill(me(), USR1).told("kill")?;
    signals::tkill(tid(), USR1).told("tkill")?;
    let other = thread::spawn(|| {
        let inherited = signals::set_mask(bit(USR1) | bit(USR2));
        // The process's is seen by both, the first thread's is not.
        let process = signals::wait(bit(USR1), Some(0));
        let rest = signals::wait(bit(USR1), Some(0));
        (inherited, process.map(|i| i.code), rest)
    });
    let (inherited, process, rest) = joined(other)?;
    same(
        "inherited",
        inherited.map(|set| set & bit(USR1)),
        Ok(bit(USR1)),
    )?;
    same("the process's", process, Ok(0))?;
    fails("the thread's", rest, Errno::AGAIN)?;
    same(
        "it waits",
        signals::wait(bit(USR1), Some(0)).map(|i| i.code),
        Ok(-6),
    )?;
    same("mask", signals::set_mask(0), Ok(bit(USR1)))
}

fn signal_finds_a_thread() -> Verdict {
    signals::action(USR1, Some(Action::record(0, 0)), 8).told("sigaction")?;
    signals::set_mask(bit(USR1)).told("sigprocmask")?;
    let (say, hear) = channel();
    let other = thread::spawn(move || {
        let _ = signals::set_mask(0);
        let _ = say.send(tid());
        while signals::records().is_empty() {
            pause_ms(1);
        }
    });
    let number = hear.recv().told("recv")?;
    signals::kill(me(), USR1).told("kill")?;
    joined(other)?;
    let taken = signals::records().first().map(|r| r.tid);
    same("taken by", taken, Some(number as u64))
}

fn children_are_shared() -> Verdict {
    const WNOTHREAD: i32 = 0x2000_0000;
    const WNOHANG: i32 = 1;
    let (say, hear) = channel();
    let (end, ended) = channel::<()>();
    let mother = thread::spawn(move || {
        let pid = child(|| {
            pause_ms(60_000);
            0
        });
        let own = threads::wait4(-1, WNOHANG | WNOTHREAD).map(|w| w.0);
        let _ = say.send((pid.map(|p| p.as_raw_nonzero().get()), own));
        let _ = ended.recv();
    });
    let (pid, own) = hear.recv().told("recv")?;
    let pid = pid?;
    same("its own", own, Ok(0))?;
    same("another's", threads::wait4(-1, WNOHANG).map(|w| w.0), Ok(0))?;
    fails(
        "not its own",
        threads::wait4(-1, WNOHANG | WNOTHREAD),
        Errno::CHILD,
    )?;
    drop(end);
    joined(mother)?;
    // Whose mother is gone is another thread's.
    let mut adopted = threads::wait4(-1, WNOHANG | WNOTHREAD).map(|w| w.0);
    for _ in 0..1000 {
        if adopted.is_ok() {
            break;
        }
        pause_ms(1);
        adopted = threads::wait4(-1, WNOHANG | WNOTHREAD).map(|w| w.0);
    }
    same("adopted", adopted, Ok(0))?;
    signals::kill(pid, 9).told("kill")?;
    same(
        "waited for",
        threads::wait4(pid, 0).map(|w| (w.0, w.1)),
        Ok((pid, 9)),
    )
}

fn affinity() -> Verdict {
    let all = sched_getaffinity(None).told("sched_getaffinity")?;
    check(all.count() >= 1, || "no processor".to_owned())?;
    let first = (0..1024).find(|cpu| all.is_set(*cpu)).ok_or("none")?;
    let mut one = CpuSet::new();
    one.set(first);
    sched_setaffinity(None, &one).told("sched_setaffinity")?;
    same(
        "processors",
        sched_getaffinity(None).map(|set| set.count()),
        Ok(1),
    )?;
    same("runs on", rustix::thread::sched_getcpu(), first)?;
    let none = sched_setaffinity(None, &CpuSet::new());
    fails("none", none, Errno::INVAL)?;
    let nobody = rustix::process::Pid::from_raw(i32::MAX);
    fails("nobody", sched_getaffinity(nobody), Errno::SRCH)
}

fn policies() -> Verdict {
    const OTHER: i32 = 0;
    const FIFO: i32 = 1;
    const BATCH: i32 = 3;
    const IDLE: i32 = 5;
    same("at first", threads::policy(0), Ok(OTHER as u64))?;
    for policy in [BATCH, IDLE, OTHER] {
        threads::set_policy(0, policy, 0).told("sched_setscheduler")?;
        same("policy", threads::policy(0), Ok(policy as u64))?;
        let inherited = exits(0, || i32::from(threads::policy(0) != Ok(policy as u64)));
        inherited?;
    }
    for (policy, priority) in [(OTHER, 1), (FIFO, 0), (FIFO, 100), (4, 0), (77, 0)] {
        let set = threads::set_policy(0, policy, priority);
        fails(&format!("policy {policy}, {priority}"), set, Errno::INVAL)?;
    }
    fails("negative", threads::policy(-1), Errno::INVAL)?;
    fails("nobody", threads::policy(i32::MAX), Errno::SRCH)
}

fn barriers() -> Verdict {
    const GLOBAL: u64 = 1;
    const PRIVATE: i32 = 8;
    const REGISTER: i32 = 16;
    let known = threads::barrier(0, 0).told("query")?;
    let wanted = GLOBAL | PRIVATE as u64 | REGISTER as u64;
    same("commands", known & wanted, wanted)?;
    fails("not registered", threads::barrier(PRIVATE, 0), Errno::PERM)?;
    same("register", threads::barrier(REGISTER, 0), Ok(0))?;
    same("private", threads::barrier(PRIVATE, 0), Ok(0))?;
    same("global", threads::barrier(1, 0), Ok(0))?;
    fails("flags", threads::barrier(0, 1), Errno::INVAL)?;
    fails("two", threads::barrier(3, 0), Errno::INVAL)?;
    fails("unknown", threads::barrier(1 << 30, 0), Errno::INVAL)
}
