//! Job control: processes that stop and continue, orphaned process groups (setpgid(2), POSIX
//! "orphaned process group").

use super::signal::{self, SigInfo, code};
use super::{PidId, Process, ProcessId, Report, RunState, TaskId, wait};
use crate::Kernel;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// Begins to stop the process of a task by a signal: each of its threads stops when it comes by.
pub fn stop_process(k: &mut Kernel, task: TaskId, signal: u8) {
    let Some(id) = k.tasks.tasks.get(task).map(|t| t.process) else {
        return;
    };
    if let Some(process) = k.tasks.processes.get_mut(id) {
        process.stop = Some(signal);
    }
    let threads: Vec<TaskId> = k.tasks.live_threads(id).collect();
    for thread in threads {
        if signal::interrupts(k, thread) {
            k.waits.wake_task(thread);
        }
    }
}

/// Stops a thread of a process that stops; the last one tells the parent.
pub fn stop_task(k: &mut Kernel, id: TaskId) {
    let Some(task) = k.tasks.tasks.get_mut(id) else {
        return;
    };
    task.state = RunState::Stopped;
    let process = task.process;
    settle(k, process);
}

/// Tells the parent once all threads that are left have stopped.
pub fn settle(k: &mut Kernel, id: ProcessId) {
    let tasks = &k.tasks;
    let all = (tasks.live_threads(id))
        .all(|t| (tasks.tasks.get(t)).is_some_and(|t| t.state == RunState::Stopped));
    let Some(process) = k.tasks.processes.get_mut(id) else {
        return;
    };
    let Some(signal) = process.stop.filter(|_| all && !process.stopped) else {
        return;
    };
    process.stopped = true;
    process.report = Some(Report::Stopped(signal));
    wait::tell_parent(k, id, code::CLD_STOPPED, u32::from(signal));
}

/// Continues a process (SIGCONT).
pub fn resume(k: &mut Kernel, id: ProcessId) {
    let Some(process) = k.tasks.processes.get_mut(id) else {
        return;
    };
    process.stop = None;
    let was_stopped = core::mem::take(&mut process.stopped);
    let threads: Vec<TaskId> = k.tasks.live_threads(id).collect();
    for thread in threads {
        if (k.tasks.tasks.get(thread)).is_some_and(|t| t.state == RunState::Stopped) {
            k.set_runnable(thread);
        }
    }
    if was_stopped {
        if let Some(process) = k.tasks.processes.get_mut(id) {
            process.report = Some(Report::Continued);
        }
        wait::tell_parent(k, id, code::CLD_CONTINUED, linux::SIGCONT);
    }
}

/// Whether no parent outside of a task's process group but in its session could continue it.
pub fn is_orphaned(k: &Kernel, task: TaskId) -> bool {
    let process = k.tasks.tasks.get(task).map(|t| t.process);
    let process = process.and_then(|p| k.tasks.processes.get(p));
    process.is_none_or(|p| is_orphaned_group(k, p.group.key()))
}

fn is_orphaned_group(k: &Kernel, group: PidId) -> bool {
    let processes = &k.tasks.processes;
    let members = k.tasks.pids.get(group).map(|pid| &pid.members);
    let mut members = members.into_iter().flatten();
    !members.any(|member| {
        let Some(member) = processes.get(*member).filter(|m| m.ending.is_none()) else {
            return false;
        };
        let parent = member.parent.and_then(|p| processes.get(p));
        parent.is_some_and(|parent| {
            !is_system_init(k, parent)
                && parent.ending.is_none()
                && parent.session == member.session
                && parent.group != member.group
        })
    })
}

/// Whether a process is the init of the initial pid namespace, which is no shell.
fn is_system_init(k: &Kernel, process: &Process) -> bool {
    let ns = process.init_of.and_then(|ns| k.ns.pid.get(ns));
    ns.is_some_and(|ns| ns.level == 0)
}

fn has_stopped(k: &Kernel, group: PidId) -> bool {
    let members = k.tasks.pids.get(group).map(|pid| &pid.members);
    let mut members = members.into_iter().flatten();
    members.any(|m| (k.tasks.processes.get(*m)).is_some_and(|p| p.stopped))
}

/// The process groups with stopped members to which a process that ends is a link from outside of
/// them: those of its children, and its own by its parent.
pub fn groups_at_stake(k: &Kernel, id: ProcessId) -> BTreeSet<PidId> {
    let processes = &k.tasks.processes;
    let Some(process) = processes.get(id) else {
        return BTreeSet::new();
    };
    let links = |parent: &Process, child: &Process| {
        parent.session == child.session && parent.group != child.group
    };
    let parent = process.parent.and_then(|p| processes.get(p));
    let own = parent.filter(|parent| links(parent, process));
    let children = process.children.iter().filter_map(|c| processes.get(*c));
    let groups = children.filter(|child| links(process, child));
    groups
        .map(|child| child.group.key())
        .chain(own.map(|_| process.group.key()))
        .filter(|group| has_stopped(k, *group))
        .collect()
}

/// Hangs up on those of these process groups that have become orphaned while some of their
/// processes are stopped: nobody else could continue them.
pub fn hang_up_orphans(k: &mut Kernel, at_stake: BTreeSet<PidId>) {
    for group in at_stake {
        if is_orphaned_group(k, group) && has_stopped(k, group) {
            signal::send_group(k, group, SigInfo::kernel(linux::SIGHUP));
            signal::send_group(k, group, SigInfo::kernel(linux::SIGCONT));
        }
    }
}
