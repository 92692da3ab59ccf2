//! What must be true of the queues after every trap. Only with the feature `audit`.
#![allow(clippy::expect_used)] // a failed expectation is a failed test

use super::account;
use crate::Kernel;
use crate::cgroup::GroupId;
use crate::cgroup::cpu::Member;
use crate::task::TaskId;
use alloc::vec::Vec;

/// Those who run or want to: each as often as it stands somewhere.
pub fn active(k: &Kernel) -> Vec<TaskId> {
    let members = k.groups.ids().filter_map(|g| k.groups.cpu(g));
    let waiting = members.flat_map(|cpu| cpu.queue.waiting());
    let tasks = waiting.filter_map(|(_, member)| match member {
        Member::Task(task) => Some(task),
        Member::Group(_) => None,
    });
    let aside = k.sched.aside.waiting();
    tasks.chain(aside).chain(k.sched.current).collect()
}

/// Panics when the queues contradict each other.
pub fn check(k: &Kernel) {
    let waiting = active(k).len() - usize::from(k.sched.current.is_some());
    assert_eq!(k.sched.waiting, waiting, "counted as waiting");
    assert_eq!(k.sched.current.is_some(), k.sched.home.is_some(), "a home");
    for group in k.groups.ids() {
        check_group(k, group);
    }
    check_path(k);
}

/// Members know where they wait, and a group waits above when somebody in it could run.
fn check_group(k: &Kernel, group: GroupId) {
    let cpu = k.groups.cpu(group).expect("a group");
    for (ticket, member) in cpu.queue.waiting() {
        let (entity, home) = match member {
            Member::Task(task) => {
                let task = k.tasks.task(task).expect("a task that waits");
                let root = task.share.doomed.then(|| k.groups.root());
                (task.share.entity, root.unwrap_or(task.group.key()))
            }
            Member::Group(below) => {
                let cpu = k.groups.cpu(below).expect("a group that waits");
                (cpu.entity, k.groups.parent(below).expect("a parent"))
            }
        };
        assert_eq!(entity.ticket, Some(ticket), "{member:?} knows its place");
        assert_eq!(entity.time, Some(ticket.0), "{member:?} has its time");
        assert_eq!(home, group, "{member:?} is at home");
    }
    let waits = !cpu.queue.is_empty() && !cpu.is_blocked() && cpu.queue.running.is_none();
    if group != k.groups.root() {
        assert_eq!(cpu.entity.ticket.is_some(), waits, "{group:?} waits above");
    }
    let refill = k.sched.refills.iter().filter(|r| r.1 == group).count();
    let throttled = usize::from(cpu.bandwidth.is_throttled());
    assert_eq!(refill, throttled, "{group:?} waits for its quota");
}

/// What runs is one path from the root to the current task.
fn check_path(k: &Kernel) {
    let mut running = k.groups.ids().filter(|g| {
        let cpu = k.groups.cpu(*g).expect("a group");
        cpu.queue.running.is_some()
    });
    let (Some(current), Some(mut home)) = (k.sched.current, k.sched.home) else {
        assert_eq!(running.next(), None, "nobody runs");
        return;
    };
    let (mut depth, mut member) = (1, Member::Task(current));
    loop {
        let cpu = k.groups.cpu(home).expect("a group on the path");
        assert_eq!(cpu.queue.running, Some(member), "in {home:?}");
        let Some(above) = k.groups.parent(home) else {
            break;
        };
        (member, home, depth) = (Member::Group(home), above, depth + 1);
    }
    assert_eq!(running.count(), depth, "one path runs");
}

/// The virtual time of a member, for tests of fairness.
pub fn time(k: &mut Kernel, member: Member) -> Option<u64> {
    account::entity(k, member)?.time
}
