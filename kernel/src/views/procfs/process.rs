//! The files of a process (/proc/PID) and of a thread (/proc/PID/task/TID).

use super::links::Target;
use super::subject::Subject;
use super::table::{Dir, Line, dir, file, link, private, writable};
use super::{memory, mounts, stat};
use crate::error::{Errno, Stop};
use crate::fs::ViewNode;
use crate::machine::Machine;
use crate::views::Source;
use crate::views::text::{Text, put};
use crate::{Cx, Kernel};
use alloc::vec::Vec;

/// /proc/PID.
pub(super) const LINES: &[Line] = &[
    file("cgroup", cgroup),
    file("cmdline", memory::cmdline),
    writable("comm", comm, set_comm),
    link("cwd", Target::Cwd),
    private("environ", 0o400, memory::environ),
    link("exe", Target::Exe),
    dir("fd", Dir::Fds),
    dir("fdinfo", Dir::FdInfo),
    file("gid_map", id_map),
    file("limits", limits),
    private("maps", 0o444, memory::maps),
    file("mountinfo", mounts::mountinfo),
    file("mounts", mounts::mounts),
    dir("ns", Dir::Ns),
    // No process is spared or preferred: the value is 0, and cannot be another.
    file("oom_score_adj", |k, _, n| fixed(k, n, "0\n")),
    link("root", Target::Root),
    file("setgroups", |k, _, n| fixed(k, n, "allow\n")),
    file("stat", stat::stat),
    file("statm", memory::statm),
    file("status", stat::status),
    dir("task", Dir::Tasks),
    file("uid_map", id_map),
];

/// /proc/PID/task/TID.
pub(super) const THREAD_LINES: &[Line] = &[
    file("cgroup", cgroup),
    file("cmdline", memory::cmdline),
    writable("comm", comm, set_comm),
    link("cwd", Target::Cwd),
    private("environ", 0o400, memory::environ),
    link("exe", Target::Exe),
    dir("fd", Dir::Fds),
    dir("fdinfo", Dir::FdInfo),
    file("gid_map", id_map),
    file("limits", limits),
    private("maps", 0o444, memory::maps),
    file("mountinfo", mounts::mountinfo),
    file("mounts", mounts::mounts),
    dir("ns", Dir::Ns),
    link("root", Target::Root),
    file("stat", stat::thread_stat),
    file("statm", memory::statm),
    file("status", stat::status),
    file("uid_map", id_map),
];

type Content = Result<Vec<u8>, Stop>;

fn fixed(k: &Kernel, node: ViewNode, text: &str) -> Content {
    Subject::of(&Source::of(k), node)?;
    Ok(text.as_bytes().to_vec())
}

/// There is one hierarchy, and a process sees itself at the root of its part of it.
fn cgroup(k: &mut Kernel, _m: &mut dyn Machine, node: ViewNode) -> Content {
    fixed(k, node, "0::/\n")
}

/// There is only the initial user namespace: every id is itself (user_namespaces(7)).
fn id_map(k: &mut Kernel, _m: &mut dyn Machine, node: ViewNode) -> Content {
    fixed(k, node, "         0          0 4294967295\n")
}

/// A task's name, without padding.
pub(super) fn name(comm: &[u8; 16]) -> &[u8] {
    let end = comm.iter().position(|b| *b == 0).unwrap_or(comm.len());
    comm.get(..end).unwrap_or(comm)
}

/// A process may rename its own threads (pthread_setname_np(3)).
fn set_comm(k: &mut Kernel, cx: &mut Cx, node: ViewNode, bytes: &[u8]) -> Result<usize, Stop> {
    let s = Source::of(k);
    let subject = Subject::of(&s, node)?;
    let own = k.tasks.tasks.get(cx.task).map(|t| t.process);
    if own != Some(subject.process) {
        return Err(Errno::EINVAL.into());
    }
    let task = subject.task.and_then(|t| k.tasks.tasks.get_mut(t));
    let comm = &mut task.ok_or(Errno::ESRCH)?.comm;
    *comm = [0; 16];
    // The last byte stays NUL.
    for (to, from) in comm.iter_mut().take(15).zip(bytes) {
        *to = *from;
    }
    Ok(bytes.len())
}

fn comm(k: &mut Kernel, _m: &mut dyn Machine, node: ViewNode) -> Content {
    let subject = Subject::of(&Source::of(k), node)?;
    let mut text = name(&subject.task(&Source::of(k))?.comm).to_vec();
    text.push(b'\n');
    Ok(text)
}

/// The limits in the order of /proc/PID/limits: name, RLIMIT_* number, unit.
const LIMITS: [(&str, usize, &str); 16] = [
    ("Max cpu time", 0, "seconds"),
    ("Max file size", 1, "bytes"),
    ("Max data size", 2, "bytes"),
    ("Max stack size", 3, "bytes"),
    ("Max core file size", 4, "bytes"),
    ("Max resident set", 5, "bytes"),
    ("Max processes", 6, "processes"),
    ("Max open files", 7, "files"),
    ("Max locked memory", 8, "bytes"),
    ("Max address space", 9, "bytes"),
    ("Max file locks", 10, "locks"),
    ("Max pending signals", 11, "signals"),
    ("Max msgqueue size", 12, "bytes"),
    ("Max nice priority", 13, ""),
    ("Max realtime priority", 14, ""),
    ("Max realtime timeout", 15, "us"),
];

fn limits(k: &mut Kernel, _m: &mut dyn Machine, node: ViewNode) -> Content {
    let s = Source::of(k);
    let process = Subject::of(&s, node)?.process(&s)?;
    let mut text = Text::default();
    put!(
        text,
        "{:<26}{:<21}{:<21}{:<10}\n",
        "Limit",
        "Soft Limit",
        "Hard Limit",
        "Units"
    );
    for (name, index, unit) in LIMITS {
        let (soft, hard) = *process.limits.get(index).ok_or(Errno::EIO)?;
        put!(
            text,
            "{name:<26}{:<21}{:<21}{unit:<10}\n",
            limit(soft),
            limit(hard)
        );
    }
    Ok(text.done()?)
}

/// A limit's value.
fn limit(value: u64) -> alloc::string::String {
    if value == u64::MAX {
        return "unlimited".into();
    }
    alloc::format!("{value}")
}
