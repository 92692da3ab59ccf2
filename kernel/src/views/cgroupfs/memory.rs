//! What memory there may be and is: `memory.*`.

use super::number;
use super::table::{File, Where};
use crate::cgroup::{GroupId, Happened, MemoryEvents, MemoryPolicy, Noted, Part};
use crate::error::{Errno, Stop};
use crate::machine::{Machine, PAGE};
use crate::mm;
use crate::mm::frames::Origin;
use crate::views::text::{Text, put};
use crate::{Cx, Kernel};

pub(super) const FILES: &[File] = &[
    File::new("memory.current", current),
    File::new("memory.events", events).noted(Noted::Memory),
    File::new("memory.events.local", events_local).noted(Noted::MemoryLocal),
    File::new("memory.high", high).stored(set_high),
    File::new("memory.low", low).stored(set_low),
    File::new("memory.max", max).stored(set_max),
    File::new("memory.min", min).stored(set_min),
    File::new("memory.numa_stat", numa_stat).on(Where::Everywhere),
    File::new("memory.oom.group", oom_group).stored(set_oom_group),
    File::new("memory.peak", peak),
    File::action("memory.reclaim", reclaim).on(Where::Everywhere),
    File::new("memory.stat", stat).on(Where::Everywhere),
    File::new("memory.swap.current", nothing),
    File::new("memory.swap.events", swap_events),
    File::new("memory.swap.max", nothing).stored(set_swap_max),
];

type Done = Result<(), Stop>;

fn current(k: &mut Kernel, _m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    put!(text, "{}\n", k.groups.usage(group).memory);
    Ok(())
}

fn peak(k: &mut Kernel, _m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    put!(text, "{}\n", k.groups.peak(group).memory);
    Ok(())
}

/// There is no swap.
fn nothing(_k: &mut Kernel, _m: &mut dyn Machine, _group: GroupId, text: &mut Text) -> Done {
    put!(text, "0\n");
    Ok(())
}

fn swap_events(_k: &mut Kernel, _m: &mut dyn Machine, _group: GroupId, text: &mut Text) -> Done {
    put!(text, "high 0\nmax 0\nfail 0\n");
    Ok(())
}

fn events(k: &mut Kernel, _m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    tell_events(k.groups.memory_events(group), text);
    Ok(())
}

fn events_local(k: &mut Kernel, _m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    tell_events(k.groups.memory_events_local(group), text);
    Ok(())
}

/// Nothing is reclaimed, nothing protected from it either: `low` never happens.
fn tell_events(events: MemoryEvents, text: &mut Text) {
    put!(text, "low 0\n");
    for (name, what) in [
        ("high", Happened::High),
        ("max", Happened::Max),
        ("oom", Happened::Oom),
        ("oom_kill", Happened::OomKill),
        ("oom_group_kill", Happened::OomGroupKill),
    ] {
        put!(text, "{name} {}\n", events.of(what));
    }
}

/// Bytes by what they are for: of frames in use, at the root, where the heap pays for all objects.
fn bytes_of(k: &Kernel, group: GroupId) -> [(&'static str, u64); 4] {
    let parts = k.groups.parts(group);
    let kernel = match group == k.groups.root() {
        false => parts.of(Part::Kernel),
        true => {
            let frames = k.frames.used(Origin::Heap) + k.frames.used(Origin::Buffer);
            (frames as u64).saturating_mul(PAGE)
        }
    };
    [
        ("anon", parts.of(Part::Anon)),
        ("file", parts.of(Part::File)),
        ("slab", kernel),
        ("pagetables", parts.of(Part::Tables)),
    ]
}

/// Everything in memory that is not the kernel's is unevictable, as nothing can be dropped and
/// nothing be swapped out. All files are those of tmpfs.
fn stat(k: &mut Kernel, _m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    let [anon, file, slab, tables] = bytes_of(k, group).map(|part| part.1);
    let faults = k.groups.memory_events(group).of(Happened::Fault);
    for (name, value) in [
        ("anon", anon),
        ("file", file),
        ("kernel", slab.saturating_add(tables)),
        ("kernel_stack", 0),
        ("pagetables", tables),
        ("percpu", 0),
        ("sock", 0),
        ("vmalloc", 0),
        ("shmem", file),
        ("file_dirty", 0),
        ("file_writeback", 0),
        ("swapcached", 0),
        ("inactive_anon", 0),
        ("active_anon", 0),
        ("inactive_file", 0),
        ("active_file", 0),
        ("unevictable", anon.saturating_add(file)),
        ("slab_reclaimable", 0),
        ("slab_unreclaimable", slab),
        ("slab", slab),
        ("pgfault", faults),
        ("pgmajfault", 0),
    ] {
        put!(text, "{name} {value}\n");
    }
    Ok(())
}

/// There is one node.
fn numa_stat(k: &mut Kernel, _m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    for (name, bytes) in bytes_of(k, group) {
        match name {
            "slab" => put!(text, "slab_unreclaimable N0={bytes}\n"),
            "file" => put!(text, "file N0={bytes}\nshmem N0={bytes}\n"),
            _ => put!(text, "{name} N0={bytes}\n"),
        }
    }
    Ok(())
}

fn max(k: &mut Kernel, _m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    tell(k.groups.limits(group).memory, text);
    Ok(())
}

fn set_max(k: &mut Kernel, cx: &mut Cx, group: GroupId, text: &str) -> Done {
    mm::oom::set_max(k, cx, group, limit(text)?)
}

fn high(k: &mut Kernel, _m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    tell(k.groups.policy(group).high, text);
    Ok(())
}

fn set_high(k: &mut Kernel, _cx: &mut Cx, group: GroupId, text: &str) -> Done {
    let high = limit(text)?;
    change(k, group, |policy| policy.high = high);
    Ok(())
}

fn low(k: &mut Kernel, _m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    tell(k.groups.policy(group).low, text);
    Ok(())
}

fn set_low(k: &mut Kernel, _cx: &mut Cx, group: GroupId, text: &str) -> Done {
    let low = limit(text)?;
    change(k, group, |policy| policy.low = low);
    Ok(())
}

fn min(k: &mut Kernel, _m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    tell(k.groups.policy(group).min, text);
    Ok(())
}

fn set_min(k: &mut Kernel, _cx: &mut Cx, group: GroupId, text: &str) -> Done {
    let min = limit(text)?;
    change(k, group, |policy| policy.min = min);
    Ok(())
}

fn oom_group(k: &mut Kernel, _m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    put!(text, "{}\n", u8::from(k.groups.policy(group).oom_group));
    Ok(())
}

fn set_oom_group(k: &mut Kernel, _cx: &mut Cx, group: GroupId, text: &str) -> Done {
    let oom_group = match number::int(number::strip(text))? {
        0 => false,
        1 => true,
        _ => return Err(Errno::EINVAL.into()),
    };
    change(k, group, |policy| policy.oom_group = oom_group);
    Ok(())
}

fn change(k: &mut Kernel, group: GroupId, change: impl FnOnce(&mut MemoryPolicy)) {
    let mut policy = k.groups.policy(group);
    change(&mut policy);
    k.groups.set_policy(group, policy);
}

/// No swap and no limit of it are the same here.
fn set_swap_max(_k: &mut Kernel, _cx: &mut Cx, _group: GroupId, text: &str) -> Done {
    match limit(text)? {
        0 | u64::MAX => Ok(()),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// Nothing can be reclaimed: less than asked for is EAGAIN.
fn reclaim(_k: &mut Kernel, _cx: &mut Cx, _group: GroupId, text: &str) -> Done {
    match number::bytes(number::strip(text))? {
        0 => Ok(()),
        _ => Err(Errno::EAGAIN.into()),
    }
}

/// A limit in whole pages, rounded down; `u64::MAX` for `max` and what no machine has.
fn limit(text: &str) -> Result<u64, Errno> {
    const BOUND: u64 = i64::MAX as u64 / PAGE * PAGE;
    let bytes = match number::strip(text) {
        "max" => u64::MAX,
        text => number::bytes(text)?,
    };
    match bytes / PAGE * PAGE {
        BOUND.. => Ok(u64::MAX),
        bytes => Ok(bytes),
    }
}

fn tell(bytes: u64, text: &mut Text) {
    match bytes {
        u64::MAX => put!(text, "max\n"),
        bytes => put!(text, "{bytes}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_whole_pages() {
        for (text, bytes) in [
            ("max", u64::MAX),
            (" max\n", u64::MAX),
            ("0", 0),
            ("4095", 0),
            ("4097\n", 4096),
            ("8k", 8192),
            ("1M\n", 1 << 20),
            ("0x1000", 4096),
            ("9223372036854771712", u64::MAX),
            ("18446744073709551615", u64::MAX),
            ("15E", u64::MAX),
        ] {
            assert_eq!(limit(text), Ok(bytes), "{text:?}");
        }
        for text in ["", "\n", "-1", "1x", "1 M", "Max", "k", "1kk", "1.5M"] {
            assert_eq!(limit(text), Err(Errno::EINVAL), "{text:?}");
        }
        for text in ["18446744073709551616", "16E", "99999999999999999999999"] {
            assert_eq!(limit(text), Err(Errno::ERANGE), "{text:?}");
        }
    }
}
