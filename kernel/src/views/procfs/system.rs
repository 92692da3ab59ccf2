//! The files of /proc itself: the system as a whole.

use super::cpuinfo::cpuinfo;
use super::instance;
use super::links::Target;
use super::table::{Dir, Line, dir, file, link, log};
use crate::Kernel;
use crate::error::Stop;
use crate::fs::ViewNode;
use crate::machine::{Machine, PAGE};
use crate::mm::frames::Origin;
use crate::views::text::{Text, put};
use alloc::vec::Vec;

/// /proc.
pub(super) const LINES: &[Line] = &[
    file("cmdline", cmdline),
    file("cpuinfo", cpuinfo),
    file("devices", devices),
    file("diskstats", |_, _, _| Ok(Vec::new())),
    file("filesystems", filesystems),
    log("kmsg"),
    file("loadavg", loadavg),
    file("meminfo", meminfo),
    link("mounts", Target::Path("self/mounts")),
    link("net", Target::Path("self/net")),
    file("partitions", partitions),
    link("self", Target::Own),
    file("stat", stat),
    file("swaps", swaps),
    dir("sys", Dir::Sys),
    dir("sysvipc", Dir::SysvIpc),
    link("thread-self", Target::OwnThread),
    file("uptime", uptime),
    file("version", version),
    file("vmstat", vmstat),
];

/// Nanoseconds in a tick of USER_HZ, which is 100 (times(2)).
pub(super) const TICK: u64 = 10_000_000;

/// Name of the system, its release and version (uname(2)).
pub const SYSNAME: &str = "Linux";
/// The release: the Linux whose interface this is, and who provides it.
pub const RELEASE: &str = "6.1.0-berth";
/// The version: that of this kernel.
pub const VERSION: &str = concat!("#1 Berth ", env!("CARGO_PKG_VERSION"));
/// The machine.
pub const MACHINE: &str = "x86_64";

type Content = Result<Vec<u8>, Stop>;

fn version(_k: &mut Kernel, _m: &mut dyn Machine, _node: ViewNode) -> Content {
    let mut text = Text::default();
    put!(
        text,
        "{SYSNAME} version {RELEASE} (berth) (rustc) {VERSION}\n"
    );
    Ok(text.done()?)
}

fn cmdline(_k: &mut Kernel, m: &mut dyn Machine, _node: ViewNode) -> Content {
    let mut text = Text::default();
    put!(text, "{}\n", m.command_line());
    Ok(text.done()?)
}

fn filesystems(_k: &mut Kernel, _m: &mut dyn Machine, _node: ViewNode) -> Content {
    let names = [
        "sysfs", "cgroup2", "tmpfs", "ramfs", "proc", "devpts", "mqueue",
    ];
    let mut text = Text::default();
    for name in names {
        put!(text, "nodev\t{name}\n");
    }
    Ok(text.done()?)
}

fn devices(_k: &mut Kernel, _m: &mut dyn Machine, _node: ViewNode) -> Content {
    let characters = "  1 mem\n  4 ttyS\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n136 pts\n";
    Ok(alloc::format!("Character devices:\n{characters}\nBlock devices:\n").into_bytes())
}

/// There are no block devices: only the head of the table.
fn partitions(_k: &mut Kernel, _m: &mut dyn Machine, _node: ViewNode) -> Content {
    Ok(b"major minor  #blocks  name\n\n".to_vec())
}

/// And no swap.
fn swaps(_k: &mut Kernel, _m: &mut dyn Machine, _node: ViewNode) -> Content {
    Ok(b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n".to_vec())
}

/// Seconds and hundredths.
fn seconds(nanoseconds: u64) -> (u64, u64) {
    let hundredths = nanoseconds / TICK;
    (hundredths / 100, hundredths % 100)
}

/// Nanoseconds that the CPU had nothing to do.
fn idle(k: &Kernel, now: u64) -> u64 {
    now.saturating_sub(k.load.user.saturating_add(k.load.system))
}

fn uptime(k: &mut Kernel, m: &mut dyn Machine, _node: ViewNode) -> Content {
    let now = m.now();
    let (up, idle) = (seconds(now), seconds(idle(k, now)));
    let mut text = Text::default();
    put!(text, "{}.{:02} {}.{:02}\n", up.0, up.1, idle.0, idle.1);
    Ok(text.done()?)
}

fn loadavg(k: &mut Kernel, _m: &mut dyn Machine, node: ViewNode) -> Content {
    let ns = instance(node);
    let running = k.sched.active().max(1);
    // As many as have a number there.
    let threads = k.ns.pid.get(ns).map_or(0, |ns| ns.numbers.len());
    let last = k.ns.pid.get(ns).map_or(0, |ns| ns.last);
    let mut text = Text::default();
    for (whole, hundredths) in k.load.averages() {
        put!(text, "{whole}.{hundredths:02} ");
    }
    put!(text, "{}/{} {}\n", running.min(threads), threads, last);
    Ok(text.done()?)
}

/// Pages of files that are kept in memory.
pub fn file_pages(k: &Kernel) -> u64 {
    k.fs.supers
        .iter()
        .fold(0, |sum, (_, instance)| sum.saturating_add(instance.pages))
}

/// Memory that programs could still get is what is free: nothing can be dropped.
fn meminfo(k: &mut Kernel, _m: &mut dyn Machine, _node: ViewNode) -> Content {
    let kib = |frames: u64| frames.saturating_mul(PAGE / 1024);
    let total = kib(k.frames.total() as u64);
    let free = kib(k.frames.free() as u64);
    let files = kib(file_pages(k));
    let used = |origin| kib(k.frames.used(origin) as u64);
    let mut text = Text::default();
    let lines = [
        ("MemTotal", total),
        ("MemFree", free),
        ("MemAvailable", free),
        ("Buffers", 0),
        ("Cached", files),
        ("SwapCached", 0),
        ("SwapTotal", 0),
        ("SwapFree", 0),
        ("AnonPages", used(Origin::Anonymous)),
        ("Shmem", files),
        ("Slab", used(Origin::Heap)),
        ("SReclaimable", 0),
        ("SUnreclaim", used(Origin::Heap)),
        ("PageTables", used(Origin::Table)),
    ];
    for (name, value) in lines {
        put!(text, "{:<16}{value:>8} kB\n", alloc::format!("{name}:"));
    }
    Ok(text.done()?)
}

fn vmstat(k: &mut Kernel, _m: &mut dyn Machine, _node: ViewNode) -> Content {
    let files = file_pages(k);
    let used = |origin| k.frames.used(origin) as u64;
    let lines = [
        ("nr_free_pages", k.frames.free() as u64),
        ("nr_anon_pages", used(Origin::Anonymous)),
        ("nr_file_pages", files),
        ("nr_shmem", files),
        ("nr_page_table_pages", used(Origin::Table)),
        ("pswpin", 0),
        ("pswpout", 0),
        ("pgfault", k.load.faults),
        ("pgmajfault", 0),
    ];
    let mut text = Text::default();
    for (name, value) in lines {
        put!(text, "{name} {value}\n");
    }
    Ok(text.done()?)
}

fn stat(k: &mut Kernel, m: &mut dyn Machine, _node: ViewNode) -> Content {
    let now = m.now();
    let user = k.load.user / TICK;
    let system = k.load.system / TICK;
    let idle = idle(k, now) / TICK;
    let (wall, _) = m.wall();
    let mut text = Text::default();
    for cpu in ["cpu ", "cpu0"] {
        put!(text, "{cpu} {user} 0 {system} {idle} 0 0 0 0 0 0\n");
    }
    put!(text, "ctxt {}\n", k.sched.switches);
    put!(text, "btime {}\n", wall.saturating_sub(now / 1_000_000_000));
    put!(text, "processes {}\n", k.tasks.made);
    put!(text, "procs_running {}\n", k.sched.active());
    put!(text, "procs_blocked 0\n");
    Ok(text.done()?)
}
