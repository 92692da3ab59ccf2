//! What ps(1) and top(1) read of a process: stat and status (proc(5)).

use super::subject::Subject;
use super::system::TICK;
use super::{memory, process};
use crate::Kernel;
use crate::error::Stop;
use crate::fs::ViewNode;
use crate::machine::Machine;
use crate::task::{Process, RunState, Task};
use crate::views::Source;
use crate::views::text::{Text, put};
use alloc::vec::Vec;
use core::fmt::Display;

type Content = Result<Vec<u8>, Stop>;

/// The letter and the word of what a task does. An embryo sleeps until it is started.
fn state(process: &Process, task: &Task) -> (char, &'static str) {
    match task.state {
        _ if process.ended.is_some() => ('Z', "zombie"),
        RunState::Runnable => ('R', "running"),
        RunState::Parked | RunState::Embryo => ('S', "sleeping"),
        RunState::Stopped => ('T', "stopped"),
        RunState::Dead => ('Z', "zombie"),
    }
}

/// The numbers of stat, behind pid, name and state; a default is what Linux has for what this
/// kernel does not have (terminals, page fault counts, real-time priorities).
#[derive(Default)]
struct Stat {
    ppid: u32,
    pgrp: u32,
    session: u32,
    user: u64,
    system: u64,
    child_user: u64,
    child_system: u64,
    nice: i32,
    threads: usize,
    start: u64,
    memory: memory::Facts,
    pending: u64,
    blocked: u64,
    ignored: u64,
    caught: u64,
    exit_signal: u32,
    exit_code: u32,
}

/// The line of stat: 52 fields.
fn stat_line(pid: u32, name: &[u8], state: char, s: &Stat) -> Result<Vec<u8>, Stop> {
    let m = &s.memory;
    let mut text = Text::default();
    put!(text, "{pid} (");
    text.push(name);
    put!(text, ") {state}");
    let mut field = |value: &dyn Display| put!(text, " {value}");
    // 4: ppid pgrp session tty_nr tpgid flags minflt cminflt majflt cmajflt
    for value in [s.ppid, s.pgrp, s.session, 0] {
        field(&value);
    }
    field(&-1);
    for _ in 0..5 {
        field(&0);
    }
    // 14: utime stime cutime cstime
    for value in [s.user, s.system, s.child_user, s.child_system] {
        field(&(value / TICK));
    }
    // 18: priority nice num_threads itrealvalue starttime
    field(&(20 + s.nice));
    field(&s.nice);
    field(&s.threads);
    field(&0);
    field(&(s.start / TICK));
    // 23: vsize rss rsslim startcode endcode startstack kstkesp kstkeip
    for value in [m.bytes, m.resident, u64::MAX, m.code.0, m.code.1, 0, 0, 0] {
        field(&value);
    }
    // 31: signal blocked sigignore sigcatch; of the first 31 signals
    for value in [s.pending, s.blocked, s.ignored, s.caught] {
        field(&(value & 0x7fff_ffff));
    }
    // 35: wchan nswap cnswap exit_signal processor rt_priority policy blkio guest cguest
    for value in [0, 0, 0, s.exit_signal, 0, 0, 0, 0, 0, 0] {
        field(&value);
    }
    // 45: start_data end_data start_brk arg_start arg_end env_start env_end exit_code
    for value in [
        m.data.0, m.data.1, m.brk, m.args.0, m.args.1, m.env.0, m.env.1,
    ] {
        field(&value);
    }
    field(&s.exit_code);
    text.push(b"\n");
    Ok(text.done()?)
}

/// /proc/PID/stat: of the whole process.
pub(super) fn stat(k: &mut Kernel, _m: &mut dyn Machine, node: ViewNode) -> Content {
    any_stat(k, node, true)
}

/// /proc/PID/task/TID/stat: of one thread.
pub(super) fn thread_stat(k: &mut Kernel, _m: &mut dyn Machine, node: ViewNode) -> Content {
    any_stat(k, node, false)
}

fn any_stat(k: &Kernel, node: ViewNode, whole: bool) -> Content {
    let s = &Source::of(k);
    let subject = Subject::of(s, node)?;
    let (process, task) = (subject.process(s)?, subject.task(s)?);
    let may_look = subject.check_access(s).is_ok();
    let mut facts = memory::facts(k, &subject);
    if !may_look {
        facts = facts.without_addresses();
    }
    let (user, system) = if whole { times(s, process) } else { task.times };
    let signals = signals(s, task);
    let stat = Stat {
        ppid: subject.see_process(s, process.parent),
        pgrp: subject.see(s, process.group.key()),
        session: subject.see(s, process.session.key()),
        user,
        system,
        child_user: process.child_times.0,
        child_system: process.child_times.1,
        nice: i32::from(task.nice),
        threads: process.threads.len(),
        start: process.started,
        memory: facts,
        pending: task.pending.set,
        blocked: task.mask,
        ignored: signals.0,
        caught: signals.1,
        exit_signal: process.exit_signal,
        exit_code: match process.ended {
            Some(ended) if may_look => ended.wait_status(),
            _ => 0,
        },
    };
    let state = state(process, task).0;
    stat_line(subject.number(s), process::name(&task.comm), state, &stat)
}

/// CPU time of all threads of a process, also the ended ones: user, system.
fn times(s: &Source, process: &Process) -> (u64, u64) {
    let threads = process.threads.iter().filter_map(|t| s.tasks.tasks.get(*t));
    threads.fold(process.times, |sum, t| {
        (
            sum.0.saturating_add(t.times.0),
            sum.1.saturating_add(t.times.1),
        )
    })
}

/// The signals that a task ignores, and those it has handlers for.
fn signals(s: &Source, task: &Task) -> (u64, u64) {
    let handlers = task.handlers.as_ref();
    let handlers = handlers.and_then(|h| s.tasks.handlers.get(h.key()));
    handlers.map_or((0, 0), |handlers| handlers.sets())
}

/// /proc/PID/status, and of a thread.
pub(super) fn status(k: &mut Kernel, _m: &mut dyn Machine, node: ViewNode) -> Content {
    let s = &Source::of(k);
    let subject = Subject::of(s, node)?;
    let (process, task) = (subject.process(s)?, subject.task(s)?);
    let facts = memory::facts(k, &subject);
    let mut text = Text::default();
    put!(text, "Name:\t");
    text.push_escaping(process::name(&task.comm), |b| matches!(b, b'\n' | b'\\'));
    text.push(b"\n");
    identity(s, &mut text, &subject, process, task);
    numbers(s, &mut text, &subject, process);
    memory_lines(&mut text, &facts);
    signal_lines(s, &mut text, process, task);
    capability_lines(&mut text, task);
    put!(text, "Cpus_allowed:\t1\nCpus_allowed_list:\t0\n");
    put!(text, "Mems_allowed:\t1\nMems_allowed_list:\t0\n");
    Ok(text.done()?)
}

fn identity(s: &Source, text: &mut Text, subject: &Subject, process: &Process, task: &Task) {
    let (letter, word) = state(process, task);
    let umask = task
        .fs
        .as_ref()
        .and_then(|fs| s.tasks.contexts.get(fs.key()))
        .map(|fs| fs.umask);
    if let Some(umask) = umask {
        put!(text, "Umask:\t{umask:04o}\n");
    }
    put!(text, "State:\t{letter} ({word})\n");
    put!(text, "Tgid:\t{}\n", subject.see(s, process.pid));
    put!(text, "Ngid:\t0\n");
    put!(text, "Pid:\t{}\n", subject.see(s, task.pid.key()));
    put!(text, "PPid:\t{}\n", subject.see_process(s, process.parent));
    put!(text, "TracerPid:\t0\n");
    let c = &task.cred;
    put!(
        text,
        "Uid:\t{}\t{}\t{}\t{}\n",
        c.uid,
        c.euid,
        c.suid,
        c.fsuid
    );
    put!(
        text,
        "Gid:\t{}\t{}\t{}\t{}\n",
        c.gid,
        c.egid,
        c.sgid,
        c.fsgid
    );
    let size = task
        .files
        .as_ref()
        .and_then(|files| s.tasks.files.get(files.key()))
        .map_or(0, |files| files.table.len());
    put!(text, "FDSize:\t{size}\nGroups:\t");
    for group in &c.groups {
        put!(text, "{group} ");
    }
    text.push(b"\n");
}

/// The numbers in this namespace and in those below it that the process has one in.
fn numbers(s: &Source, text: &mut Text, subject: &Subject, process: &Process) {
    let lines = [
        ("NStgid", process.pid),
        ("NSpid", subject.pid),
        ("NSpgid", process.group.key()),
        ("NSsid", process.session.key()),
    ];
    for (name, pid) in lines {
        put!(text, "{name}:");
        let numbers = s.tasks.pids.get(pid).map_or(&[][..], |p| &p.numbers);
        let seen = numbers.iter().skip_while(|n| n.0 != subject.instance);
        for (_, number) in seen {
            put!(text, "\t{number}");
        }
        text.push(b"\n");
    }
}

fn memory_lines(text: &mut Text, facts: &memory::Facts) {
    if facts.bytes == 0 {
        return;
    }
    let page = crate::machine::PAGE;
    put!(text, "VmSize:\t{:>8} kB\n", facts.bytes / 1024);
    put!(text, "VmRSS:\t{:>8} kB\n", facts.resident * (page / 1024));
}

fn signal_lines(s: &Source, text: &mut Text, process: &Process, task: &Task) {
    let (ignored, caught) = signals(s, task);
    let queued = task.pending.len() + process.pending.len();
    let limit = process.limits.get(11).map_or(0, |l| l.0);
    put!(text, "Threads:\t{}\n", process.threads.len());
    put!(text, "SigQ:\t{queued}/{limit}\n");
    put!(text, "SigPnd:\t{:016x}\n", task.pending.set);
    put!(text, "ShdPnd:\t{:016x}\n", process.pending.set);
    put!(text, "SigBlk:\t{:016x}\n", task.mask);
    put!(text, "SigIgn:\t{ignored:016x}\n");
    put!(text, "SigCgt:\t{caught:016x}\n");
}

fn capability_lines(text: &mut Text, task: &Task) {
    let caps = &task.cred.caps;
    put!(text, "CapInh:\t{:016x}\n", caps.inheritable);
    put!(text, "CapPrm:\t{:016x}\n", caps.permitted);
    put!(text, "CapEff:\t{:016x}\n", caps.effective);
    put!(text, "CapBnd:\t{:016x}\n", caps.bounding);
    put!(text, "CapAmb:\t{:016x}\n", caps.ambient);
    put!(text, "NoNewPrivs:\t{}\n", u8::from(task.cred.no_new_privs));
    // Filters are refused, so that nobody has one.
    put!(text, "Seccomp:\t0\nSeccomp_filters:\t0\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_has_52_fields_in_their_places() {
        let stat = Stat {
            ppid: 7,
            pgrp: 8,
            session: 9,
            user: 3 * TICK,
            system: 4 * TICK,
            threads: 2,
            start: 100 * TICK,
            exit_signal: 17,
            exit_code: 256,
            blocked: u64::MAX,
            memory: memory::Facts {
                bytes: 8192,
                resident: 1,
                args: (0x1000, 0x1010),
                ..memory::Facts::default()
            },
            ..Stat::default()
        };
        let line = stat_line(42, b"a b) c", 'S', &stat).unwrap();
        let line = std::string::String::from_utf8(line).unwrap();
        let rest = line.strip_prefix("42 (a b) c) ").unwrap();
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // The first field here is number 3.
        assert_eq!(fields.len(), 50);
        let field = |number: usize| fields[number - 3];
        assert_eq!(field(3), "S");
        assert_eq!((field(4), field(5), field(6)), ("7", "8", "9"));
        assert_eq!((field(7), field(8)), ("0", "-1"));
        assert_eq!((field(14), field(15)), ("3", "4"));
        assert_eq!((field(18), field(19), field(20)), ("20", "0", "2"));
        assert_eq!(field(22), "100");
        assert_eq!((field(23), field(24)), ("8192", "1"));
        assert_eq!(field(25), "18446744073709551615");
        assert_eq!(field(32), "2147483647");
        assert_eq!(field(38), "17");
        assert_eq!((field(48), field(49)), ("4096", "4112"));
        assert_eq!(field(52), "256");
    }
}
