//! The files of a process (/proc/PID) and of a thread (/proc/PID/task/TID).

use super::links::Target;
use super::subject::Subject;
use super::table::{Dir, Guard, Line, dir, file, link, long, writable};
use super::{figures, login, maps, memory, mounts, oom, smaps, stat, status};
use crate::error::{Errno, Stop};
use crate::fs::ViewNode;
use crate::machine::Machine;
use crate::ns::cgroup;
use crate::views::Source;
use crate::views::text::{Text, put};
use crate::{Cx, Kernel};
use alloc::vec::Vec;

/// /proc/PID.
pub(super) const LINES: &[Line] = &[
    dir("attr", Dir::Attr),
    AUXV,
    file("cgroup", place),
    long("cmdline", memory::cmdline),
    writable("comm", comm, set_comm),
    link("cwd", Target::Cwd),
    ENVIRON,
    link("exe", Target::Exe),
    dir("fd", Dir::Fds),
    dir("fdinfo", Dir::FdInfo),
    file("gid_map", id_map),
    file("io", figures::io).mode(0o400).guarded(Guard::Look),
    file("limits", limits),
    writable("loginuid", login::uid, login::set_uid),
    MAPS,
    long("mountinfo", mounts::mountinfo),
    long("mounts", mounts::mounts),
    long("mountstats", mounts::mountstats).mode(0o400),
    dir("net", Dir::Net),
    dir("ns", Dir::Ns),
    file("oom_score", oom::score),
    writable("oom_score_adj", oom::adjustment, oom::adjust),
    PERSONALITY,
    link("root", Target::Root),
    file("schedstat", figures::schedstat),
    file("sessionid", login::session),
    file("setgroups", |k, _, n| fixed(k, n, "allow\n")),
    SMAPS,
    SMAPS_ROLLUP,
    file("stat", stat::stat),
    file("statm", memory::statm),
    long("status", status::status),
    dir("task", Dir::Tasks),
    file("uid_map", id_map),
    file("wchan", wchan),
];

/// /proc/PID/task/TID.
pub(super) const THREAD_LINES: &[Line] = &[
    dir("attr", Dir::Attr),
    AUXV,
    file("cgroup", place),
    long("cmdline", memory::cmdline),
    writable("comm", comm, set_comm),
    link("cwd", Target::Cwd),
    ENVIRON,
    link("exe", Target::Exe),
    dir("fd", Dir::Fds),
    dir("fdinfo", Dir::FdInfo),
    file("gid_map", id_map),
    file("io", figures::thread_io)
        .mode(0o400)
        .guarded(Guard::Look),
    file("limits", limits),
    writable("loginuid", login::uid, login::set_uid),
    MAPS,
    long("mountinfo", mounts::mountinfo),
    long("mounts", mounts::mounts),
    dir("net", Dir::Net),
    dir("ns", Dir::Ns),
    file("oom_score", oom::score),
    writable("oom_score_adj", oom::adjustment, oom::adjust),
    PERSONALITY,
    link("root", Target::Root),
    file("schedstat", figures::schedstat),
    file("sessionid", login::session),
    file("setgroups", |k, _, n| fixed(k, n, "allow\n")),
    SMAPS,
    SMAPS_ROLLUP,
    file("stat", stat::thread_stat),
    file("statm", memory::statm),
    long("status", status::status),
    file("uid_map", id_map),
    file("wchan", wchan),
];

const AUXV: Line = long("auxv", memory::auxv)
    .mode(0o400)
    .guarded(Guard::Memory);
const ENVIRON: Line = long("environ", memory::environ)
    .mode(0o400)
    .guarded(Guard::Memory);
const MAPS: Line = long("maps", maps::maps).guarded(Guard::Memory);
const PERSONALITY: Line = file("personality", personality)
    .mode(0o400)
    .guarded(Guard::Look);
const SMAPS: Line = long("smaps", smaps::smaps).guarded(Guard::Memory);
const SMAPS_ROLLUP: Line = long("smaps_rollup", smaps::rollup).guarded(Guard::Memory);

/// /proc/PID/attr: what a security module would know of a process. There is none, so that the
/// files have nothing to say and take nothing.
pub(super) const ATTR_LINES: &[Line] = &[
    writable("current", no_module, refuse).mode(0o666),
    writable("exec", no_module, refuse).mode(0o666),
    writable("fscreate", no_module, refuse).mode(0o666),
    writable("keycreate", no_module, refuse).mode(0o666),
    file("prev", no_module),
    writable("sockcreate", no_module, refuse).mode(0o666),
];

fn no_module(k: &mut Kernel, _m: &mut dyn Machine, node: ViewNode) -> Content {
    Subject::of(&Source::of(k), node)?;
    Err(Errno::EINVAL.into())
}

fn refuse(k: &mut Kernel, _cx: &mut Cx, node: ViewNode, _bytes: &[u8]) -> Result<usize, Stop> {
    Subject::of(&Source::of(k), node)?;
    Err(Errno::EINVAL.into())
}

/// Nobody waits inside the kernel: a call that waits is put aside.
fn wchan(k: &mut Kernel, _m: &mut dyn Machine, node: ViewNode) -> Content {
    fixed(k, node, "0")
}

/// There is only PER_LINUX (personality(2)).
fn personality(k: &mut Kernel, _m: &mut dyn Machine, node: ViewNode) -> Content {
    fixed(k, node, "00000000\n")
}

type Content = Result<Vec<u8>, Stop>;

fn fixed(k: &Kernel, node: ViewNode, text: &str) -> Content {
    Subject::of(&Source::of(k), node)?;
    Ok(text.as_bytes().to_vec())
}

/// There is one hierarchy, told as the reader's namespace sees it (cgroup_namespaces(7)).
fn place(k: &mut Kernel, _m: &mut dyn Machine, node: ViewNode) -> Content {
    let s = Source::of(k);
    let group = Subject::of(&s, node)?.task(&s)?.group.key();
    let mut text = Text::default();
    text.push(b"0::");
    let top = k.sched.current.map(|reader| cgroup::root_for(k, reader));
    let top = top.unwrap_or(k.groups.root());
    text.push(&k.groups.path(group, top));
    text.push(b"\n");
    Ok(text.done()?)
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
