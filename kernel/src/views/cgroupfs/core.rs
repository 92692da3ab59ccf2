//! The files that every group has: `cgroup.*`.

use super::members::{self, Whole};
use super::number;
use super::table::{File, Where};
use crate::cgroup::{Controllers, GroupId, Noted, Type, UNBOUNDED};
use crate::error::{Errno, Stop};
use crate::machine::Machine;
use crate::sched::control;
use crate::views::text::{Text, put};
use crate::{Cx, Kernel};
use alloc::vec::Vec;

pub(super) const FILES: &[File] = &[
    File::new("cgroup.controllers", controllers).on(Where::Everywhere),
    File::new("cgroup.events", events).noted(Noted::Events),
    File::new("cgroup.freeze", freeze).stored(set_freeze),
    File::action("cgroup.kill", members::kill),
    File::new("cgroup.max.depth", max_depth)
        .stored(set_max_depth)
        .on(Where::Everywhere),
    File::new("cgroup.max.descendants", max_descendants)
        .stored(set_max_descendants)
        .on(Where::Everywhere),
    File::long("cgroup.procs", members::processes)
        .members(Whole::Process)
        .on(Where::Everywhere),
    File::new("cgroup.stat", stat).on(Where::Everywhere),
    File::new("cgroup.subtree_control", subtree_control)
        .stored(set_subtree_control)
        .on(Where::Everywhere)
        .delegated(),
    File::long("cgroup.threads", members::threads)
        .members(Whole::Thread)
        .on(Where::Everywhere),
    File::new("cgroup.type", kind).stored(set_kind),
];

type Done = Result<(), Stop>;

fn names(text: &mut Text, which: Controllers) {
    let mut between = "";
    for (name, _) in Controllers::NAMES.iter().filter(|n| which.contains(n.1)) {
        put!(text, "{between}{name}");
        between = " ";
    }
    text.push(b"\n");
}

fn controllers(k: &mut Kernel, _m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    names(text, k.groups.controllers(group));
    Ok(())
}

fn subtree_control(k: &mut Kernel, _m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    names(text, k.groups.subtree_control(group));
    Ok(())
}

/// `+name` gives, `-name` takes; what is said last counts.
fn set_subtree_control(k: &mut Kernel, cx: &mut Cx, group: GroupId, text: &str) -> Done {
    let (mut give, mut take) = (Controllers::empty(), Controllers::empty());
    for word in number::strip(text)
        .split(' ')
        .filter(|word| !word.is_empty())
    {
        let named = |name: &str| Controllers::named(name.as_bytes()).ok_or(Errno::EINVAL);
        if let Some(name) = word.strip_prefix('+') {
            give |= named(name)?;
            take -= named(name)?;
        } else if let Some(name) = word.strip_prefix('-') {
            take |= named(name)?;
            give -= named(name)?;
        } else {
            return Err(Errno::EINVAL.into());
        }
    }
    let (given, taken) = k.groups.control(group, give, take)?;
    if taken.contains(Controllers::CPU) {
        reset_cpu(k, group);
    }
    if !given.is_empty() {
        let who = crate::task::cred::access(&k.tasks.task(cx.task)?.cred);
        let owner = (who.uid, who.gid);
        k.groups.renew_files(group, given, owner, |kind| {
            let controller = super::table::numbered(kind).and_then(|found| found.controller);
            controller.is_some_and(|c| given.contains(c))
        });
    }
    Ok(())
}

/// Forgets what was set of the CPU for the children of a group.
fn reset_cpu(k: &mut Kernel, group: GroupId) {
    let children: Vec<GroupId> = k.groups.children(group, None).map(|c| c.1).collect();
    for child in children {
        control::reset(k, child);
    }
}

fn events(k: &mut Kernel, _m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    put!(
        text,
        "populated {}\n",
        u8::from(k.groups.is_populated(group))
    );
    put!(text, "frozen {}\n", u8::from(control::is_frozen(k, group)));
    Ok(())
}

fn freeze(k: &mut Kernel, _m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    let frozen = k.groups.cpu(group).is_some_and(|cpu| cpu.frozen);
    put!(text, "{}\n", u8::from(frozen));
    Ok(())
}

/// Whoever is in a frozen group, or below it, runs no more until it is let go on. Readers of
/// `cgroup.events` hear of it in every group that it makes a difference to.
fn set_freeze(k: &mut Kernel, _cx: &mut Cx, group: GroupId, text: &str) -> Done {
    let frozen = match number::int(number::strip(text))? {
        0 => false,
        1 => true,
        _ => return Err(Errno::ERANGE.into()),
    };
    let before = control::is_frozen(k, group);
    control::set_frozen(k, group, frozen);
    let mut next = Some(group).filter(|_| before != control::is_frozen(k, group));
    while let Some(at) = next {
        // Those below that are frozen themselves stay as they are.
        if at == group || k.groups.cpu(at).is_some_and(|cpu| !cpu.frozen) {
            k.groups.note(at, Noted::Events);
        }
        next = k.groups.next_below(group, at);
    }
    Ok(())
}

fn stat(k: &mut Kernel, _m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    let below = k.groups.below(group);
    put!(text, "nr_descendants {}\n", below.descendants);
    put!(text, "nr_dying_descendants {}\n", below.dying);
    Ok(())
}

/// A limit, or `max`.
fn limit(text: &mut Text, value: u32) {
    match value {
        UNBOUNDED => put!(text, "max\n"),
        value => put!(text, "{value}\n"),
    }
}

fn max_depth(k: &mut Kernel, _m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    limit(text, k.groups.below(group).max_depth);
    Ok(())
}

fn max_descendants(k: &mut Kernel, _m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    limit(text, k.groups.below(group).max_descendants);
    Ok(())
}

fn parse_limit(text: &str) -> Result<u32, Errno> {
    match number::strip(text) {
        "max" => Ok(UNBOUNDED),
        text => u32::try_from(number::int(text)?).map_err(|_| Errno::ERANGE),
    }
}

fn set_max_depth(k: &mut Kernel, _cx: &mut Cx, group: GroupId, text: &str) -> Done {
    k.groups.set_max_depth(group, parse_limit(text)?);
    Ok(())
}

fn set_max_descendants(k: &mut Kernel, _cx: &mut Cx, group: GroupId, text: &str) -> Done {
    k.groups.set_max_descendants(group, parse_limit(text)?);
    Ok(())
}

fn kind(k: &mut Kernel, _m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    let name = match k.groups.kind(group).ok_or(Errno::ENODEV)? {
        Type::Domain => "domain",
        Type::DomainThreaded => "domain threaded",
        Type::DomainInvalid => "domain invalid",
        Type::Threaded => "threaded",
    };
    put!(text, "{name}\n");
    Ok(())
}

fn set_kind(k: &mut Kernel, _cx: &mut Cx, group: GroupId, text: &str) -> Done {
    match number::strip(text) {
        "threaded" => Ok(k.groups.make_threaded(group)?),
        _ => Err(Errno::EINVAL.into()),
    }
}
