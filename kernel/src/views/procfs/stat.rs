//! What ps(1) and top(1) read of a process: stat (proc(5)).

use super::subject::Subject;
use super::system::TICK;
use super::{memory, process};
use crate::Kernel;
use crate::error::Stop;
use crate::fs::ViewNode;
use crate::machine::Machine;
use crate::mm::layout::Layout;
use crate::task::{Process, RunState, Task, usage};
use crate::tty::{self, job};
use crate::views::Source;
use crate::views::text::{Text, put};
use alloc::vec::Vec;
use core::fmt::Display;

type Content = Result<Vec<u8>, Stop>;

/// The letter and the word of what a task does. An embryo sleeps until it is started.
pub(super) fn state(process: &Process, task: &Task) -> (char, &'static str) {
    match task.state {
        _ if process.ended.is_some() => ('Z', "zombie"),
        RunState::Runnable => ('R', "running"),
        RunState::Parked | RunState::Embryo => ('S', "sleeping"),
        RunState::Stopped => ('T', "stopped"),
        RunState::Dead => ('Z', "zombie"),
    }
}

/// The numbers of stat, behind pid, name and state; a default is what Linux has for what this
/// kernel does not have (real-time priorities) or the process (a terminal).
#[derive(Default)]
struct Stat {
    ppid: u32,
    pgrp: u32,
    session: u32,
    /// The controlling terminal's device number, and the process group in front there.
    terminal: u32,
    foreground: Option<u32>,
    /// PF_* of the kernel's own: fields that programs look at.
    flags: u32,
    faults: u64,
    child_faults: u64,
    user: u64,
    system: u64,
    child_user: u64,
    child_system: u64,
    nice: i32,
    threads: usize,
    start: u64,
    bytes: u64,
    resident: u64,
    /// Of those who may look into the process.
    layout: Layout,
    heap: u64,
    pending: u64,
    blocked: u64,
    ignored: u64,
    caught: u64,
    exit_signal: u32,
    exit_code: u32,
}

/// The line of stat: 52 fields.
fn stat_line(pid: u32, name: &[u8], state: char, s: &Stat) -> Result<Vec<u8>, Stop> {
    let l = &s.layout;
    let mut text = Text::default();
    put!(text, "{pid} (");
    text.push(name);
    put!(text, ") {state}");
    let mut field = |value: &dyn Display| put!(text, " {value}");
    // 4: ppid pgrp session tty_nr tpgid flags minflt cminflt majflt cmajflt
    for value in [s.ppid, s.pgrp, s.session, s.terminal] {
        field(&value);
    }
    field(&s.foreground.map_or(-1, i64::from));
    // No page comes from a disk.
    for value in [u64::from(s.flags), s.faults, s.child_faults, 0, 0] {
        field(&value);
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
    for value in [s.bytes, s.resident, u64::MAX, l.code.0, l.code.1, l.stack] {
        field(&value);
    }
    // Registers are told of programs that dump core only.
    for _ in 0..2 {
        field(&0);
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
        l.data.0, l.data.1, s.heap, l.args.0, l.args.1, l.env.0, l.env.1,
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
    let mm = memory::of(k, &subject);
    let shown = mm.filter(|_| may_look);
    let ((user, system), used) = if whole {
        let used = usage::of_process(s.tasks, &k.spaces, subject.process);
        (process.times, used)
    } else {
        (task.times, task.usage)
    };
    let signals = signals(s, task);
    let terminal = job::controlling_process(k, process);
    let foreground = terminal.and_then(|id| job::foreground(k, id));
    let stat = Stat {
        terminal: terminal
            .and_then(|id| k.terminals.table.get(id))
            .map_or(0, tty::Tty::device),
        foreground: terminal.map(|_| foreground.map_or(0, |group| subject.see(s, group))),
        ppid: subject.see_process(s, process.parent),
        pgrp: subject.see(s, process.group.key()),
        session: subject.see(s, process.session.key()),
        user,
        system,
        child_user: process.child_times.0,
        child_system: process.child_times.1,
        flags: flags(process),
        faults: used.faults,
        child_faults: process.child_usage.faults,
        nice: i32::from(task.nice),
        threads: process.threads.len(),
        start: process.started,
        bytes: mm.map_or(0, |mm| mm.areas.bytes()),
        resident: mm.map_or(0, |mm| mm.resident.all()),
        layout: shown.map_or_else(Layout::default, |mm| mm.layout.clone()),
        heap: shown.map_or(0, |mm| mm.heap.0),
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

/// PF_EXITING, and PF_FORKNOEXEC before its first execve.
fn flags(process: &Process) -> u32 {
    let flag = |set, flag| if set { flag } else { 0 };
    flag(process.ending.is_some(), 0x4) | flag(!process.has_executed, 0x40)
}

/// The signals that a task ignores, and those it has handlers for.
pub(super) fn signals(s: &Source, task: &Task) -> (u64, u64) {
    let handlers = task.handlers.as_ref();
    let handlers = handlers.and_then(|h| s.tasks.handlers.get(h.key()));
    handlers.map_or((0, 0), |handlers| handlers.sets())
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
            terminal: 4 << 8 | 64,
            foreground: Some(8),
            user: 3 * TICK,
            system: 4 * TICK,
            threads: 2,
            start: 100 * TICK,
            exit_signal: 17,
            exit_code: 256,
            blocked: u64::MAX,
            bytes: 8192,
            resident: 1,
            layout: Layout {
                args: (0x1000, 0x1010),
                ..Layout::default()
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
        assert_eq!((field(7), field(8)), ("1088", "8"));
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
