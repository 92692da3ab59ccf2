//! New entries of the tables of tasks and processes, and what they cost.

use super::signal::Signals;
use super::{PidId, Process, ProcessId, Task, TaskId, limits};
use crate::Kernel;
use crate::arena::{Arena, Held};
use crate::cgroup::Charge;
use crate::machine::FpuArea;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;

/// What one task costs: its slot, its FPU state and its place among those of its control group.
pub(super) const TASK_COST: u32 =
    Arena::<TaskId, Task>::COST + core::mem::size_of::<FpuArea>() as u32 + 16;

/// What one process costs.
pub(super) const PROCESS_COST: u32 = Arena::<ProcessId, Process>::COST;

/// Puts a complete task into the tables.
pub(super) fn insert_task(k: &mut Kernel, task: Task, charge: Charge) -> TaskId {
    let (pid, uid, group) = (task.pid.key(), task.cred.uid, task.group.key());
    let token = k.tasks.tasks.insert(task, charge);
    let id = token.key();
    if let Some(task) = k.tasks.tasks.get_mut(id) {
        task.token = Some(token);
    }
    if let Some(pid) = k.tasks.pids.get_mut(pid) {
        pid.task = Some(id);
    }
    k.groups.join(group, id);
    k.tasks.count_user(uid, true);
    k.tasks.made += 1;
    id
}

/// A process of which nothing is known but its numbers.
pub(super) fn blank_process(
    pid: PidId,
    group: Held<PidId>,
    session: Held<PidId>,
    now: u64,
) -> Process {
    Process {
        token: None,
        pid,
        threads: vec![],
        parent: None,
        parent_thread: None,
        children: BTreeSet::new(),
        group,
        session,
        terminal: None,
        lost_group: None,
        exit_signal: 0,
        pending: Signals::default(),
        ending: None,
        ended: None,
        stop: None,
        stopped: false,
        report: None,
        unkillable: false,
        subreaper: false,
        dumpable: 1,
        thp_disabled: false,
        usage: super::usage::Usage::default(),
        child_usage: super::usage::Usage::default(),
        itimers: Default::default(),
        timers: BTreeMap::new(),
        next_timer: 0,
        alarms: Default::default(),
        limits: limits::INITIAL,
        init_of: None,
        container: None,
        hook: None,
        has_barrier: false,
        has_executed: false,
        times: (0, 0),
        child_times: (0, 0),
        figures: super::Figures::default(),
        started: now,
        exe: None,
        exe_path: vec![],
        oom: super::Oom::default(),
        login: None,
    }
}

/// Puts a process into the tables: its number, its group, its parent's children. The first one in
/// a pid namespace becomes its init.
pub(super) fn insert_process(k: &mut Kernel, process: Process, charge: Charge) -> ProcessId {
    let (pid, group, parent) = (process.pid, process.group.key(), process.parent);
    let token = k.tasks.processes.insert(process, charge);
    let id = token.key();
    let mut ns = None;
    if let Some(pid) = k.tasks.pids.get_mut(pid) {
        pid.process = Some(id);
        ns = pid.numbers.last().filter(|n| n.1 == 1).map(|n| n.0);
    }
    if let Some(group) = k.tasks.pids.get_mut(group) {
        group.members.insert(id);
    }
    if let Some(parent) = parent.and_then(|p| k.tasks.processes.get_mut(p)) {
        parent.children.insert(id);
    }
    if let Some(ns) = ns.and_then(|ns| k.ns.pid.get_mut(ns)) {
        ns.init = Some(id);
    }
    if let Some(process) = k.tasks.processes.get_mut(id) {
        process.token = Some(token);
        process.init_of = ns;
        process.unkillable = ns.is_some();
    }
    id
}
