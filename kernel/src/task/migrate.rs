//! Moving tasks from one control group to another, and ending all that are in one.

use super::signal::{self, SigInfo, bit};
use super::{ProcessId, RunState, TaskId};
use crate::Kernel;
use crate::arena::Held;
use crate::cgroup::GroupId;
use crate::sched::control;
use crate::work::Job;
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// Moves a thread into a group: it counts there from now on. What memory it has stays where it is
/// charged (cgroup v2, "Memory Ownership").
pub fn thread(k: &mut Kernel, id: TaskId, to: GroupId) {
    let from = k.tasks.tasks.get(id).map(|task| task.group.key());
    if from.is_some_and(|from| from != to) {
        control::moved(k, id, |k| join(k, id, to));
    }
}

fn join(k: &mut Kernel, id: TaskId, to: GroupId) {
    let held = k.groups.hold(to);
    let Some(task) = k.tasks.tasks.get_mut(id) else {
        return k.groups.release(held);
    };
    let alive = task.state != RunState::Dead;
    let old = core::mem::replace(&mut task.group, held);
    let from = old.key();
    match alive {
        true => k.groups.migrate(id, from, to),
        false => {
            k.groups.charge_joining(to);
            k.groups.give_back_task(from);
        }
    }
    k.groups.release(old);
}

/// Moves all threads of a process into a group, which pays for its memory from now on.
pub fn process(k: &mut Kernel, process: ProcessId, to: GroupId) {
    let threads = k.tasks.processes.get(process).map(|p| p.threads.clone());
    let threads = threads.unwrap_or_default();
    let mut space = None;
    for id in threads {
        thread(k, id, to);
        let mm = k.tasks.tasks.get(id).and_then(|t| t.mm.as_ref());
        space = space.or(mm.map(Held::key));
    }
    if let Some(space) = space.filter(|space| k.spaces.get(*space).is_some()) {
        let held = k.groups.hold(to);
        let old = match k.spaces.get_mut(space) {
            Some(mm) => core::mem::replace(&mut mm.group, held),
            None => held,
        };
        k.groups.release(old);
    }
}

/// Ends all processes in a group and below it (`cgroup.kill`), those too that come meanwhile: some
/// of them at once, the others in slices.
pub struct EndOfGroup {
    group: Held<GroupId>,
    /// Where this round goes on: the group, and the task behind which.
    at: GroupId,
    after: Option<TaskId>,
    /// This round has found somebody to end: there will be another.
    found: bool,
}

/// Tasks that one slice looks at, and groups.
const SLICE: usize = 64;

/// Begins to end all processes in a group and below it.
pub fn end_group(k: &mut Kernel, group: GroupId) {
    let job = EndOfGroup {
        group: k.groups.hold(group),
        at: group,
        after: None,
        found: false,
    };
    end_group_step(k, job);
}

/// Ends some; the job is done, or has queued itself again.
pub fn end_group_step(k: &mut Kernel, mut job: EndOfGroup) {
    let mut left = SLICE;
    while left > 0 {
        let tasks: Vec<TaskId> = k.groups.tasks(job.at, job.after).take(left).collect();
        left -= tasks.len().max(1);
        job.after = tasks.last().copied();
        for task in &tasks {
            job.found |= end(k, *task);
        }
        if !tasks.is_empty() {
            continue;
        }
        match k.groups.next_below(job.group.key(), job.at) {
            Some(next) => job.at = next,
            None if job.found => (job.at, job.found) = (job.group.key(), false),
            None => return k.groups.release(job.group),
        }
    }
    k.work.add(Job::Group(job));
}

/// Sends SIGKILL to the process of a task, unless it is there already.
fn end(k: &mut Kernel, task: TaskId) -> bool {
    let Some(process) = k.tasks.tasks.get(task).map(|t| t.process) else {
        return false;
    };
    let info = SigInfo {
        signal: linux::SIGKILL,
        ..SigInfo::default()
    };
    let ends = |p: &super::Process| p.ending.is_some() || p.pending.set & bit(linux::SIGKILL) != 0;
    if k.tasks.processes.get(process).is_none_or(ends) {
        return false;
    }
    signal::send_process(k, process, info);
    true
}
