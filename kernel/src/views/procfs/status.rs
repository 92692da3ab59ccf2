//! /proc/PID/status: a process or thread in words (proc(5)).

use super::stat::{signals, state};
use super::subject::Subject;
use super::{memory, process};
use crate::Kernel;
use crate::error::Stop;
use crate::fs::ViewNode;
use crate::machine::{Machine, PAGE};
use crate::mm::Mm;
use crate::task::{Process, Task};
use crate::views::Source;
use crate::views::telling::{Cursor, Piece};
use crate::views::text::{Text, put};

/// Supplementary groups of one piece.
const GROUPS: usize = 512;

/// /proc/PID/status, and of a thread. Who is in many groups is told in pieces.
pub(super) fn status(
    k: &mut Kernel,
    _m: &mut dyn Machine,
    node: ViewNode,
    mut cursor: Cursor,
) -> Result<Piece, Stop> {
    let s = &Source::of(k);
    let subject = Subject::of(s, node)?;
    let (process, task) = (subject.process(s)?, subject.task(s)?);
    let mut text = Text::default();
    if cursor.at == 0 {
        put!(text, "Name:\t");
        text.push_escaping(process::name(&task.comm), |b| matches!(b, b'\n' | b'\\'));
        text.push(b"\n");
        identity(s, &mut text, &subject, process, task);
        text.push(b"Groups:\t");
    }
    let told = usize::try_from(cursor.at).unwrap_or(usize::MAX);
    let groups = task.cred.groups.get(told..).unwrap_or(&[]);
    for group in groups.iter().take(GROUPS) {
        put!(text, "{group} ");
    }
    if groups.len() > GROUPS {
        cursor.at += GROUPS as u64;
        return Ok(Piece {
            text: text.done()?,
            next: Some(cursor),
        });
    }
    // As Linux: a blank stands for no group, too.
    text.push(if task.cred.groups.is_empty() {
        b" \n"
    } else {
        b"\n"
    });
    numbers(s, &mut text, &subject, process);
    if let Some(mm) = memory::of(k, &subject) {
        memory_lines(&mut text, mm);
    }
    signal_lines(s, &mut text, process, task);
    capability_lines(&mut text, task);
    put!(text, "Cpus_allowed:\t1\nCpus_allowed_list:\t0\n");
    put!(text, "Mems_allowed:\t1\nMems_allowed_list:\t0\n");
    put!(text, "voluntary_ctxt_switches:\t{}\n", task.usage.waits);
    put!(text, "nonvoluntary_ctxt_switches:\t{}\n", task.usage.losses);
    Ok(Piece::whole(text.done()?))
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
    put!(text, "FDSize:\t{size}\n");
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

fn memory_lines(text: &mut Text, mm: &Mm) {
    let sizes = mm.areas.sizes();
    let resident = mm.resident;
    let kib = |pages: u64| pages.saturating_mul(PAGE / 1024);
    let code = kib(memory::pages_of(mm.layout.code));
    // There is no swap, and nothing is pinned.
    let lines = [
        ("VmPeak", sizes.peak / 1024),
        ("VmSize", mm.areas.bytes() / 1024),
        ("VmLck", sizes.locked / 1024),
        ("VmPin", 0),
        ("VmHWM", kib(resident.peak)),
        ("VmRSS", kib(resident.all())),
        ("RssAnon", kib(resident.anonymous)),
        ("RssFile", 0),
        ("RssShmem", kib(resident.shared)),
        ("VmData", sizes.data / 1024),
        ("VmStk", sizes.stack / 1024),
        ("VmExe", code),
        ("VmLib", (sizes.code / 1024).saturating_sub(code)),
        ("VmSwap", 0),
    ];
    for (name, value) in lines {
        put!(text, "{name}:\t{value:>8} kB\n");
    }
}

fn signal_lines(s: &Source, text: &mut Text, process: &Process, task: &Task) {
    let (ignored, caught) = signals(s, task);
    let queued = s.tasks.signals_of(task.cred.uid);
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
