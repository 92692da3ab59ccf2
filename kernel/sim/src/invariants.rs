//! What must be true of the kernel after every trap.

use berth_kernel::Kernel;
use berth_kernel::fs::inode::Kind;
use berth_kernel::machine::PAGE;
use berth_kernel::mm::frames::Origin;
use berth_kernel::sched::audit;
use berth_kernel::task::{RunState, TaskId};
use std::collections::BTreeMap;

/// Panics when the tables contradict each other.
pub fn check(k: &Kernel) {
    check_queue(k);
    check_processes(k);
    check_numbers(k);
    check_timers(k);
    let usage = k.groups.usage(k.groups.root());
    let tasks = k.tasks.tasks.len() as u64;
    // A child whose memory is copied in turns is charged already.
    let drafts = k.tasks.tasks.iter().filter(|(_, t)| t.draft.is_some());
    assert_eq!(usage.tasks, tasks + drafts.count() as u64, "charged tasks");
    let counted: u64 = k.tasks.users.values().sum();
    assert_eq!(counted, tasks, "tasks of users");
    check_turns(k);
    let used = (k.frames.total() - k.frames.free()) as u64;
    assert!(usage.memory >= used * PAGE, "every used frame is charged");
}

/// A task that can run is current or queued, once; one that waits is parked.
fn check_queue(k: &Kernel) {
    audit::check(k);
    let mut queued: BTreeMap<TaskId, usize> = BTreeMap::new();
    for task in audit::active(k) {
        *queued.entry(task).or_default() += 1;
    }
    for (id, task) in k.tasks.tasks.iter() {
        let times = queued.get(&id).copied().unwrap_or(0);
        if k.sched.current != Some(id) {
            assert_eq!(
                times,
                usize::from(task.state == RunState::Runnable),
                "{id:?}"
            );
        }
        match task.state {
            RunState::Runnable => assert_eq!(times, 1, "{id:?} can run"),
            RunState::Parked => {
                assert!(k.waits.is_parked(id), "{id:?} waits for something");
                assert!(task.call.is_some(), "{id:?} waits in a call");
            }
            RunState::Dead => {
                let gone = task.mm.is_none() && task.files.is_none() && task.ns.is_none();
                assert!(gone && task.call.is_none(), "{id:?} has nothing left");
            }
            RunState::Embryo | RunState::Stopped => {}
        }
    }
}

/// Only who goes on with a call keeps others out of its memory.
fn check_turns(k: &Kernel) {
    for (id, task) in k.tasks.tasks.iter() {
        let mm = task.mm.as_ref().and_then(|mm| k.spaces.get(mm.key()));
        let busy = mm.and_then(|mm| mm.busy);
        assert!(
            task.draft.is_none() || busy == Some(id),
            "{id:?} copies alone"
        );
        let goes_on = |busy| k.tasks.tasks.get(busy).is_some_and(|t| t.call.is_some());
        assert!(busy.is_none_or(goes_on), "{id:?} is kept out for somebody");
    }
}

fn check_processes(k: &Kernel) {
    let processes = &k.tasks.processes;
    for (id, process) in processes.iter() {
        assert!(!process.threads.is_empty(), "{id:?} has a leader");
        if process.ending.is_some() {
            assert_eq!(k.tasks.live_threads(id).count(), 0, "{id:?} has ended");
        } else {
            assert!(k.tasks.live_threads(id).next().is_some(), "{id:?} lives");
        }
        if let Some(parent) = process.parent {
            let parent = processes.get(parent).expect("a parent that exists");
            assert!(
                parent.children.contains(&id),
                "{id:?} is its parent's child"
            );
        }
        for child in &process.children {
            let child = processes.get(*child).expect("a child that exists");
            assert_eq!(child.parent, Some(id), "a child knows its parent");
        }
        let group = k.tasks.pids.get(process.group.key()).expect("a group");
        assert!(group.members.contains(&id), "{id:?} is in its group");
    }
}

/// Every timer is in the table of one process.
fn check_timers(k: &Kernel) {
    let processes = k.tasks.processes.iter();
    let owned = processes.flat_map(|(_, process)| process.timers.values());
    let mut owned: Vec<_> = owned.map(|held| held.key()).collect();
    owned.sort_unstable();
    owned.dedup();
    let all: Vec<_> = k.tasks.timers.iter().map(|(id, _)| id).collect();
    assert_eq!(owned, all, "timers of processes");
    let counted: u64 = k.tasks.queued.values().sum();
    assert!(counted >= all.len() as u64, "timers count for their users");
}

fn check_numbers(k: &Kernel) {
    for (id, pid) in k.tasks.pids.iter() {
        for (ns, number) in &pid.numbers {
            let ns = k.ns.pid.get(*ns).expect("a namespace with numbers");
            assert_eq!(ns.numbers.get(number), Some(&id), "number {number}");
        }
        if let Some(task) = pid.task {
            let task = k.tasks.tasks.get(task).expect("a numbered task");
            assert_eq!(task.pid.key(), id);
        }
        for member in &pid.members {
            let member = k.tasks.processes.get(*member).expect("a member");
            assert_eq!(member.group.key(), id);
        }
    }
}

/// Panics unless everything that belongs to tasks is gone, and every frame that is in use belongs
/// to a file, to the heap or to a table of the file system.
pub fn check_empty(k: &Kernel) {
    assert_eq!(k.work.len(), 0, "jobs");
    assert_eq!(k.tasks.tasks.len(), 0, "tasks");
    assert_eq!(k.tasks.processes.len(), 0, "processes");
    assert_eq!(k.tasks.pids.len(), 0, "pids");
    assert_eq!(k.tasks.handlers.len(), 0, "handlers");
    assert_eq!(k.tasks.files.len(), 0, "descriptor tables");
    // The console's stays.
    assert!(k.terminals.table.len() <= 1, "terminals");
    assert_eq!(k.tasks.contexts.len(), 0, "contexts");
    assert_eq!(k.spaces.len(), 0, "address spaces");
    assert_eq!(k.spaces.objects(), 0, "shared memory");
    assert_eq!(k.fs.files.len(), 0, "open files");
    assert_eq!(k.net.sockets.len(), 0, "sockets");
    assert!(k.net.in_flight.is_empty(), "files in flight");
    assert!(k.waits.is_empty(), "waiters");
    assert!(k.tasks.users.is_empty(), "users");
    assert!(k.tasks.queued.is_empty(), "queued signals of users");
    assert!(k.tasks.timers.is_empty(), "timers");
    assert!(k.tasks.alarms.is_empty(), "alarms");
    assert_eq!(k.ns.pid.len(), 1, "pid namespaces");
    assert_eq!(k.ns.uts.len(), 1, "uts namespaces");
    assert_eq!(k.ns.mount.len(), 1, "mount namespaces");
    assert_eq!(k.groups.usage(k.groups.root()).tasks, 0, "charged tasks");
    let used = k.frames.total() - k.frames.free() - k.frames.used(Origin::Heap);
    let pages = k.fs.inodes.iter().map(|(_, inode)| match &inode.kind {
        Kind::Regular(pages) => pages.frames.len(),
        _ => 0,
    });
    assert_eq!(
        used,
        pages.sum::<usize>(),
        "frames in use are pages of files"
    );
}
