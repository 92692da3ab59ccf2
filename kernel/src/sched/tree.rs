//! The queues: who enters, who leaves, who is next. Each costs the depth of the tree times the
//! logarithm of a queue's length.

use super::account::{self, entity, settle, weight};
use super::{ADVANTAGE, aside, slice};
use crate::Kernel;
use crate::cgroup::GroupId;
use crate::cgroup::cpu::Member;
use crate::machine::Machine;
use crate::mm::turn;
use crate::task::TaskId;
use linux_raw_sys::general as linux;

/// In whose queue a task waits and runs: its group's, or the root's when it is to end.
fn home_of(k: &Kernel, task: TaskId) -> Option<GroupId> {
    let task = k.tasks.tasks.get(task)?;
    Some(match task.share.doomed {
        true => k.groups.root(),
        false => task.group.key(),
    })
}

/// A task wants to run. It gets the CPU as soon as the trap is over if it is owed clearly more
/// than who has it.
pub fn enter(k: &mut Kernel, task: TaskId) {
    settle(k);
    let since = k.sched.since;
    let Some(home) = home_of(k, task) else {
        return;
    };
    if let Some(task) = k.tasks.tasks.get_mut(task) {
        task.share.since = since;
    }
    k.sched.waiting += 1;
    add(k, home, Member::Task(task));
    let Some((joined, newcomer)) = attach(k, home, Member::Task(task)) else {
        return;
    };
    k.sched.crowded = true;
    if may_preempt(k, task) && is_owed_more(k, joined, newcomer) {
        k.sched.preempted = true;
    }
}

/// A task ends, or its group changes: it wants to run no more. Of the current task the CPU is
/// taken.
pub fn leave(k: &mut Kernel, m: &dyn Machine, task: TaskId) {
    if k.sched.current == Some(task) {
        account::until(k, m.now(), account::Mode::System);
        settle(k);
        step_down(k, false);
        return;
    }
    withdraw(k, task);
}

/// Takes a task out of the queue in which it waits, if it does.
pub(super) fn withdraw(k: &mut Kernel, task: TaskId) {
    if aside::withdraw(k, task) {
        return;
    }
    let (Some(home), Some(share)) = (
        home_of(k, task),
        k.tasks.tasks.get_mut(task).map(|t| &mut t.share),
    ) else {
        return;
    };
    let removed = (k.groups.cpu_mut(home)).is_some_and(|cpu| cpu.queue.remove(&mut share.entity));
    if removed {
        k.sched.waiting = k.sched.waiting.saturating_sub(1);
        after_removal(k, home);
    }
}

/// Adds a member to a queue, at a time that is fair there.
fn add(k: &mut Kernel, group: GroupId, member: Member) {
    let weight = weight(k, member);
    let Some(mut place) = entity(k, member).copied() else {
        return;
    };
    if let Some(cpu) = k.groups.cpu_mut(group) {
        cpu.queue.add(member, &mut place, weight);
    }
    if let Some(entity) = entity(k, member) {
        *entity = place;
    }
}

/// Makes those above see that somebody in a group waits, which is this member: up to where
/// somebody runs. There the queue has this newcomer; `None` if nobody runs, or somebody waited
/// already on the way.
fn attach(k: &mut Kernel, group: GroupId, member: Member) -> Option<(GroupId, Member)> {
    let (mut group, mut member) = (group, member);
    loop {
        let cpu = k.groups.cpu(group)?;
        if cpu.queue.running.is_some() {
            return Some((group, member));
        }
        if cpu.is_blocked() || cpu.queue.is_empty() || cpu.entity.ticket.is_some() {
            return None;
        }
        member = Member::Group(group);
        group = k.groups.parent(group)?;
        add(k, group, member);
    }
}

/// A group may run again, if somebody in it wants to.
pub(super) fn unblocked(k: &mut Kernel, group: GroupId) {
    settle(k);
    let Some(first) = k.groups.cpu(group).and_then(|cpu| cpu.queue.first()) else {
        return;
    };
    if attach(k, group, first.1).is_some() {
        k.sched.crowded = true;
    }
}

/// A group may not run for now: it leaves the queue above it. If it has the CPU, somebody else
/// gets it.
pub(super) fn blocked(k: &mut Kernel, group: GroupId) {
    let Some(cpu) = k.groups.cpu(group) else {
        return;
    };
    if cpu.queue.running.is_some() {
        k.sched.preempted = true;
    }
    detach(k, group);
}

fn after_removal(k: &mut Kernel, group: GroupId) {
    if k.groups.cpu(group).is_some_and(|cpu| cpu.queue.is_empty()) {
        detach(k, group);
    }
}

/// Takes a group out of the queue above it, and those above in which nobody waits then.
fn detach(k: &mut Kernel, group: GroupId) {
    let mut group = group;
    while let Some(above) = k.groups.parent(group) {
        let Some(mut place) = k.groups.cpu(group).map(|cpu| cpu.entity) else {
            return;
        };
        let Some(cpu) = k.groups.cpu_mut(above) else {
            return;
        };
        if !cpu.queue.remove(&mut place) {
            return;
        }
        let goes_on = cpu.queue.is_empty();
        if let Some(cpu) = k.groups.cpu_mut(group) {
            cpu.entity = place;
        }
        if !goes_on {
            return;
        }
        group = above;
    }
}

/// SCHED_BATCH and SCHED_IDLE wait for their turn (sched(7)).
fn may_preempt(k: &Kernel, task: TaskId) -> bool {
    let policy = k.tasks.tasks.get(task).map(|t| u32::from(t.policy));
    policy == Some(linux::SCHED_NORMAL)
}

/// Whether a newcomer in a group's queue is owed clearly more than who runs there.
fn is_owed_more(k: &mut Kernel, group: GroupId, newcomer: Member) -> bool {
    let Some(running) = k.groups.cpu(group).and_then(|cpu| cpu.queue.running) else {
        return false;
    };
    let advantage = weight(k, newcomer).virtual_time(ADVANTAGE);
    let mut time = |member| entity(k, member).and_then(|entity| entity.time);
    let (Some(new), Some(old)) = (time(newcomer), time(running)) else {
        return false;
    };
    new.saturating_add(advantage) < old
}

/// Who runs: the current task while its slice lasts and it can, else the first in the tree. With
/// nobody the CPU is idle.
pub fn pick(k: &mut Kernel, m: &dyn Machine, now: u64) -> Option<TaskId> {
    let current = k.sched.current;
    let goes_on = current.is_some_and(|id| k.is_runnable(id));
    if goes_on && !k.sched.preempted && now < k.sched.until {
        return current;
    }
    let now = m.now();
    account::until(k, now, account::Mode::System);
    settle(k);
    if goes_on && !k.sched.preempted {
        k.sched.until = slice::end(k, now);
        // The slice's own end has throttled it, or it goes on.
        if !k.sched.preempted && now < k.sched.until {
            return current;
        }
    }
    step_down(k, goes_on);
    while let Some((id, home)) = take_first(k) {
        (k.sched.current, k.sched.home) = (Some(id), Some(home));
        if turn::is_kept_out(k, id) {
            step_down(k, false);
            aside::put(k, id);
            continue;
        }
        k.sched.waiting = k.sched.waiting.saturating_sub(1);
        if current != Some(id) {
            count_switch(k, id, current.filter(|_| goes_on), now);
        }
        (k.sched.picked, k.sched.preempted) = (now, false);
        k.sched.until = slice::end(k, now);
        return Some(id);
    }
    None
}

/// A task gets the CPU, and another one loses it that would have liked to go on.
fn count_switch(k: &mut Kernel, id: TaskId, loser: Option<TaskId>, now: u64) {
    if let Some(task) = loser.and_then(|id| k.tasks.tasks.get_mut(id)) {
        task.usage.losses = task.usage.losses.saturating_add(1);
    }
    let since = k.tasks.tasks.get(id).map_or(now, |t| t.share.since);
    k.sched.switches += 1;
    k.tasks.count(id, |f| {
        f.turns += 1;
        f.waited = f.waited.saturating_add(now.saturating_sub(since));
    });
}

/// Takes the first task of the tree out of its queue, and all on the way to it.
fn take_first(k: &mut Kernel) -> Option<(TaskId, GroupId)> {
    let mut group = k.groups.root();
    loop {
        let (_, first) = k.groups.cpu(group)?.queue.first()?;
        run_in(k, group, first);
        match first {
            Member::Task(task) => return Some((task, group)),
            Member::Group(below) => group = below,
        }
    }
}

/// Makes a member that waits in a queue the one that runs there.
fn run_in(k: &mut Kernel, group: GroupId, member: Member) {
    let Some(mut place) = entity(k, member).copied() else {
        return;
    };
    if let Some(cpu) = k.groups.cpu_mut(group) {
        cpu.queue.remove(&mut place);
        cpu.queue.running = Some(member);
        cpu.queue.follow(place.time);
    }
    if let Some(entity) = entity(k, member) {
        *entity = place;
    }
}

/// Takes the CPU from the current task; it waits again if it `waits`.
pub(super) fn step_down(k: &mut Kernel, waits: bool) {
    let yields = core::mem::take(&mut k.sched.yields);
    let (Some(current), Some(home)) = (k.sched.current.take(), k.sched.home.take()) else {
        return;
    };
    let since = k.sched.since;
    if waits {
        k.sched.waiting += 1;
        if let Some(task) = k.tasks.tasks.get_mut(current) {
            task.share.since = since;
        }
    }
    let (mut group, mut member, mut waits) = (home, Member::Task(current), waits);
    loop {
        step_down_in(k, group, member, waits, yields);
        let Some(above) = k.groups.parent(group) else {
            return;
        };
        let cpu = k.groups.cpu(group);
        waits = cpu.is_some_and(|cpu| !cpu.queue.is_empty() && !cpu.is_blocked());
        (member, group) = (Member::Group(group), above);
    }
}

fn step_down_in(k: &mut Kernel, group: GroupId, member: Member, waits: bool, yields: bool) {
    let Some(mut place) = entity(k, member).copied() else {
        return;
    };
    let yields = yields && matches!(member, Member::Task(_));
    if let Some(cpu) = k.groups.cpu_mut(group) {
        cpu.queue.running = None;
        if waits {
            cpu.queue.put_back(member, &mut place, yields);
        }
        cpu.queue.follow(None);
    }
    if let Some(entity) = entity(k, member) {
        *entity = place;
    }
}

/// Lets a task run in another queue than before, with as much of a lead or a debt as it had.
pub(super) fn change_home(k: &mut Kernel, task: TaskId, change: impl FnOnce(&mut Kernel)) {
    let before = home_of(k, task);
    let runs = k.sched.current == Some(task);
    let share = k.tasks.tasks.get(task).map(|t| t.share);
    let waits = share.is_some_and(|s| s.entity.ticket.is_some() || s.aside.is_some());
    settle(k);
    if runs {
        step_down(k, false);
    } else {
        withdraw(k, task);
    }
    change(k);
    let (Some(from), Some(to)) = (before, home_of(k, task)) else {
        return;
    };
    carry_over(k, task, from, to);
    if runs {
        step_up(k, task, to);
    } else if waits {
        enter(k, task);
    }
}

/// Changes what a group weighs.
pub(super) fn reweigh(k: &mut Kernel, group: GroupId, change: impl FnOnce(&mut Kernel)) {
    settle(k);
    let above = k.groups.parent(group);
    let mut place = k
        .groups
        .cpu(group)
        .map(|cpu| cpu.entity)
        .unwrap_or_default();
    let queue = above
        .and_then(|above| k.groups.cpu_mut(above))
        .map(|cpu| &mut cpu.queue);
    let waited = queue.is_some_and(|queue| queue.remove(&mut place));
    if let Some(cpu) = k.groups.cpu_mut(group) {
        cpu.entity = place;
    }
    change(k);
    if let Some(above) = above.filter(|_| waited) {
        add(k, above, Member::Group(group));
    }
    k.sched.crowded = true;
}

fn carry_over(k: &mut Kernel, task: TaskId, from: GroupId, to: GroupId) {
    let (Some(from), Some(to)) = (k.groups.cpu(from), k.groups.cpu(to)) else {
        return;
    };
    let (from, to) = (&from.queue, &to.queue);
    if let Some(task) = k.tasks.tasks.get_mut(task) {
        let time = &mut task.share.entity.time;
        *time = time.map(|time| to.at_lag(from.lag(time)));
    }
}

/// Gives the CPU to a task that is in no queue. Whether it keeps it is seen when the trap is over.
fn step_up(k: &mut Kernel, task: TaskId, home: GroupId) {
    (k.sched.current, k.sched.home) = (Some(task), Some(home));
    k.sched.preempted = true;
    let mut place = Some((Member::Task(task), home));
    while let Some((member, group)) = place {
        if entity(k, member).is_some_and(|entity| entity.ticket.is_none()) {
            add(k, group, member);
        }
        run_in(k, group, member);
        let above = k.groups.parent(group);
        place = above.map(|above| (Member::Group(group), above));
    }
}
