//! Processes that the kernel makes itself: the first one, hooks, and the inits of containers.

use super::fork;
use super::signal::{self, Signals};
use super::table::{PROCESS_COST, TASK_COST, blank_process, insert_process, insert_task};
use super::usage::Usage;
use super::{
    AltStack, Cred, FaultInfo, FilesId, FsContext, FsContextId, HandlersId, PidId, Process,
    ProcessId, RunState, Task, TaskId, files, limits, pid,
};
use crate::Kernel;
use crate::arena::{Arena, Held};
use crate::cgroup::{Charge, GroupId};
use crate::container::ContainerId;
use crate::error::{Errno, Stop};
use crate::fs::HeldPos;
use crate::machine::{FpuArea, Machine, UserRegs};
use crate::mm::exec::Image;
use crate::ns::NsSet;
use alloc::boxed::Box;
use linux_raw_sys::general as linux;

/// By how many nanoseconds timers may be late when nobody says otherwise (PR_SET_TIMERSLACK).
const TIMER_SLACK: u64 = 50_000;

/// What a process is made of. All of it is taken, also when making it fails.
pub struct Spawn {
    /// Who waits for it; `None` for one that the kernel reaps.
    pub parent: Option<ProcessId>,
    /// Its namespaces. It gets its number in the one for children; the first in there is its init.
    pub ns: NsSet,
    /// Its root directory.
    pub root: HeldPos,
    /// Its working directory.
    pub cwd: HeldPos,
    /// Permission bits that new files do not get.
    pub umask: u32,
    /// Who it is.
    pub cred: Cred,
    /// Who pays.
    pub group: GroupId,
    /// Its descriptors.
    pub files: Held<FilesId>,
    /// Its resource limits.
    pub limits: limits::Limits,
    /// The program; without one it waits for [`start`].
    pub image: Option<Image>,
    /// The container it is the init of.
    pub container: Option<ContainerId>,
    /// The hook job it belongs to.
    pub hook: Option<u64>,
}

/// Makes a process, in a session and process group of its own. It runs at once if it has an image.
///
/// # Errors
/// As fork(2): EAGAIN, ENOMEM; no memory.
pub fn process(k: &mut Kernel, m: &mut dyn Machine, spawn: Spawn) -> Result<ProcessId, Stop> {
    let mut draft = Draft::default();
    if let Err(stop) = fill(k, &spawn, &mut draft) {
        draft.discard(k);
        spawn.discard(k);
        return Err(stop);
    }
    commit(k, m, spawn, draft)
}

impl Spawn {
    fn discard(self, k: &mut Kernel) {
        crate::ns::release_set(k, self.ns);
        crate::fs::release_pos(k, self.root);
        crate::fs::release_pos(k, self.cwd);
        files::release(k, self.files);
        if let Some(image) = self.image {
            crate::mm::exec::discard(k, image);
        }
    }
}

#[derive(Default)]
struct Draft {
    counted: Option<GroupId>,
    task_charge: Option<Charge>,
    groups_charge: Option<Charge>,
    process_charge: Option<Charge>,
    context_charge: Option<Charge>,
    handlers: Option<Held<HandlersId>>,
    /// Of the task, the process group and the session.
    pids: [Option<Held<PidId>>; 3],
}

impl Draft {
    fn discard(self, k: &mut Kernel) {
        for pid in self.pids.into_iter().flatten() {
            pid::release(k, pid);
        }
        if let Some(handlers) = self.handlers {
            signal::release_handlers(k, handlers);
        }
        let charges = [
            self.task_charge,
            self.groups_charge,
            self.process_charge,
            self.context_charge,
        ];
        for charge in charges.into_iter().flatten() {
            k.groups.give_back(charge);
        }
        if let Some(group) = self.counted {
            k.groups.give_back_task(group);
        }
    }
}

fn fill(k: &mut Kernel, spawn: &Spawn, draft: &mut Draft) -> Result<(), Stop> {
    let group = spawn.group;
    match spawn.container {
        Some(_) => k.groups.charge_joining(group),
        None => k.groups.charge_task(group).map_err(|_| Errno::EAGAIN)?,
    }
    draft.counted = Some(group);
    draft.task_charge = Some(k.groups.charge(group, TASK_COST)?);
    draft.groups_charge = fork::charge_groups(k, group, spawn.cred.groups.len())?;
    draft.process_charge = Some(k.groups.charge(group, PROCESS_COST)?);
    let cost = Arena::<FsContextId, FsContext>::COST;
    draft.context_charge = Some(k.groups.charge(group, cost)?);
    draft.handlers = Some(signal::new_handlers(k, None, group)?);
    let own = pid::allocate(k, spawn.ns.pid_for_children.key(), group, pid::Wanted::ANY)?;
    draft.pids[1] = Some(k.tasks.pids.share(&own));
    draft.pids[2] = Some(k.tasks.pids.share(&own));
    draft.pids[0] = Some(own);
    Ok(())
}

fn commit(
    k: &mut Kernel,
    m: &mut dyn Machine,
    mut spawn: Spawn,
    mut draft: Draft,
) -> Result<ProcessId, Stop> {
    let pids = core::mem::take(&mut draft.pids);
    let charges = (
        draft.context_charge.take(),
        draft.process_charge.take(),
        draft.task_charge.take(),
    );
    let ([Some(own), Some(group), Some(session)], (Some(context), Some(process), Some(task))) =
        (pids, charges)
    else {
        // Only a draft that is filled is committed.
        return Err(Errno::EINVAL.into());
    };
    let image = spawn.image.take();
    let key = own.key();
    let shape = Process {
        parent: spawn.parent,
        exit_signal: linux::SIGCHLD,
        limits: spawn.limits,
        container: spawn.container,
        hook: spawn.hook,
        ..blank_process(key, group, session, m.now())
    };
    let id = insert_process(k, shape, process);
    let fs = FsContext {
        root: spawn.root,
        cwd: spawn.cwd,
        umask: spawn.umask,
    };
    let fs = k.tasks.contexts.insert(fs, context);
    let first = Task {
        token: None,
        process: id,
        pid: own,
        regs: UserRegs::default(),
        fpu: Box::new(FpuArea::INITIAL),
        mm: None,
        files: Some(spawn.files),
        fs: Some(fs),
        handlers: draft.handlers.take(),
        cred: spawn.cred,
        ns: Some(spawn.ns),
        group: k.groups.hold(spawn.group),
        state: RunState::Embryo,
        call: None,
        mask: 0,
        pending: Signals::default(),
        sigwait: 0,
        altstack: AltStack::default(),
        fault: FaultInfo::default(),
        comm: [0; 16],
        clear_child_tid: 0,
        robust_list: 0,
        vfork: None,
        parent_death_signal: 0,
        share: crate::sched::Share::default(),
        nice: 0,
        policy: 0,
        over_count: false,
        draft: None,
        execve: None,
        usage: Usage::default(),
        timer_slack: (TIMER_SLACK, TIMER_SLACK),
        groups_charge: draft.groups_charge.take(),
        starved: 0,
        high: crate::mm::high::High::default(),
        times: (0, 0),
        figures: super::Figures::default(),
        alarms: Default::default(),
        sleep: None,
    };
    let first = insert_task(k, first, task);
    if let Some(process) = k.tasks.processes.get_mut(id) {
        process.threads.push(first);
    }
    if let Some(image) = image {
        start(k, m, first, image);
    }
    Ok(id)
}

/// Gives an embryo its program and lets it run.
pub fn start(k: &mut Kernel, _m: &mut dyn Machine, task: TaskId, image: Image) {
    let is_embryo = (k.tasks.tasks.get(task)).is_some_and(|t| t.state == RunState::Embryo);
    if !is_embryo {
        crate::mm::exec::discard(k, image);
        return;
    }
    super::exec::install(k, task, image);
    k.set_runnable(task);
}
