//! The end of a container: its processes first, then what create built.

use super::steps::{Did, Token, Undo, group, undo, unmake};
use super::{ContainerId, cgroup};
use crate::cgroup::{GroupId, Limits};
use crate::task::exit::kill_now;
use crate::task::{Process, ProcessId};
use crate::{Cx, Kernel};
use alloc::vec::Vec;

/// Kills the container's first process; those in its pid namespace follow it.
pub(super) fn stop(k: &mut Kernel, cx: &mut Cx, id: ContainerId) -> Did {
    if let Some(init) = k.containers.get(id).and_then(|c| c.init) {
        kill_now(k, cx.m, init);
    }
    stopped(k, id)
}

/// Whether the container's first process has ended.
pub(super) fn stopped(k: &Kernel, id: ContainerId) -> Did {
    match k.containers.get(id).is_some_and(|c| c.init.is_some()) {
        true => Did::Waits(Token::Stop),
        false => Did::Done(None),
    }
}

/// Takes down what create built, the last first. Before that, what is left of the container's
/// processes is killed: without a pid namespace of its own they outlive its first one.
pub(super) fn destroy(k: &mut Kernel, cx: &mut Cx, id: ContainerId) -> Did {
    if kill_members(k, cx, id) || remove_groups(k, id) {
        return Did::Waits(Token::Members);
    }
    let (built, mut made) = match k.containers.get_mut(id) {
        Some(c) => (core::mem::take(&mut c.built), core::mem::take(&mut c.made)),
        None => return Did::Done(None),
    };
    for step in built.into_iter().rev() {
        undo(k, cx.m, step, &mut made);
    }
    unmake(k, cx.m, &mut made, 0);
    Did::Done(None)
}

/// Groups removed in one turn.
const REMOVED_AT_ONCE: usize = 16;

/// Removes some of the groups that were made below the container's own; false when there are no
/// more. Those below a group that was there before may have been, too.
fn remove_groups(k: &mut Kernel, id: ContainerId) -> bool {
    let built = k.containers.get(id).map(|c| &c.built);
    let mut own = built.into_iter().flatten().filter_map(|undo| match undo {
        Undo::Cgroup(placed) => cgroup::made(k, placed),
        _ => None,
    });
    match own.next() {
        Some(own) => cgroup::remove_below(k, own, REMOVED_AT_ONCE),
        None => false,
    }
}

/// Members killed in one turn.
const KILLED_AT_ONCE: usize = 4;

/// Kills some processes of the container's group; false when there are no more.
fn kill_members(k: &mut Kernel, cx: &mut Cx, id: ContainerId) -> bool {
    let Some(group) = group(k, id).ok().filter(|g| k.groups.usage(*g).tasks > 0) else {
        return false;
    };
    // No forks from here on, or they could outrun this.
    let limits = Limits {
        tasks: 0,
        ..k.groups.limits(group)
    };
    k.groups.set_limits(group, limits);
    let alive = |(id, process): (ProcessId, &Process)| is_member(k, process, group).then_some(id);
    let members = k.tasks.processes.iter().filter_map(alive);
    let members: Vec<ProcessId> = members.take(KILLED_AT_ONCE).collect();
    for process in &members {
        kill_now(k, cx.m, *process);
    }
    !members.is_empty()
}

/// Whether a process that has not ended is in a group or below it.
pub(super) fn is_in(k: &Kernel, process: ProcessId, group: GroupId) -> bool {
    let process = k.tasks.processes.get(process);
    process.is_some_and(|process| is_member(k, process, group))
}

fn is_member(k: &Kernel, process: &Process, group: GroupId) -> bool {
    let mut tasks = process.threads.iter().filter_map(|t| k.tasks.tasks.get(*t));
    process.ending.is_none() && tasks.any(|task| k.groups.within(task.group.key(), group))
}
