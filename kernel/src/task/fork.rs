//! New processes and threads out of old ones: fork(2), vfork(2), clone(2).

use super::signal::{self, Signals};
use super::table::{PROCESS_COST, TASK_COST, blank_process, insert_process, insert_task};
use super::usage::Usage;
use super::{
    AltStack, FaultInfo, FilesId, FsContextId, HandlersId, PidId, Process, ProcessId, RunState,
    Task, TaskId, cred, files, limits, pid,
};
use crate::arena::Held;
use crate::cgroup::{Charge, GroupId};
use crate::error::{Call, Errno, Stop};
use crate::machine::USER_END;
use crate::mm::{self, MmId, turn, user};
use crate::ns::{self, NsSet};
use crate::wait::{Pending, Restart, Resume, WaitKey};
use crate::{Cx, Kernel};
use alloc::boxed::Box;
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// What to make.
#[derive(Clone, Debug, Default)]
pub struct Args {
    /// CLONE_* flags.
    pub flags: u32,
    /// Sent to the parent at the end; 0 for none.
    pub exit_signal: u32,
    /// The child's stack pointer; 0 for the parent's.
    pub stack: u64,
    /// Where CLONE_PARENT_SETTID puts the number.
    pub parent_tid: u64,
    /// Where CLONE_CHILD_SETTID puts the number and CLONE_CHILD_CLEARTID clears it.
    pub child_tid: u64,
    /// The child's FS base, with CLONE_SETTLS.
    pub tls: u64,
    /// The child's handlers become the default (CLONE_CLEAR_SIGHAND).
    pub clear_handlers: bool,
    /// Numbers that the child shall have, in its own pid namespace first and then outwards.
    pub set_tid: Vec<u32>,
    /// The control group that it shall be in, permissions checked before; the parent's for none.
    pub group: Option<GroupId>,
}

/// Flags that mean something here, or nothing anywhere: without a tracer CLONE_PTRACE and
/// CLONE_UNTRACED change nothing, CLONE_DETACHED never does, and there are neither System V
/// semaphores nor I/O contexts to share.
const KNOWN: u32 = linux::CLONE_VM
    | linux::CLONE_FS
    | linux::CLONE_FILES
    | linux::CLONE_SIGHAND
    | linux::CLONE_VFORK
    | linux::CLONE_PARENT
    | linux::CLONE_THREAD
    | linux::CLONE_SETTLS
    | linux::CLONE_PARENT_SETTID
    | linux::CLONE_CHILD_SETTID
    | linux::CLONE_CHILD_CLEARTID
    | linux::CLONE_PTRACE
    | linux::CLONE_UNTRACED
    | linux::CLONE_DETACHED
    | linux::CLONE_SYSVSEM
    | linux::CLONE_IO
    | ns::NEW_FLAGS;

impl Args {
    fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// Whether these flags go together (clone(2), EINVAL).
    fn check(&self) -> Result<(), Errno> {
        let thread = self.has(linux::CLONE_THREAD);
        let handlers = self.has(linux::CLONE_SIGHAND);
        let impossible = self.flags & !KNOWN != 0
            || thread && !handlers
            || handlers && self.clear_handlers
            || handlers && !self.has(linux::CLONE_VM)
            || thread && self.has(linux::CLONE_NEWPID)
            || self.has(linux::CLONE_NEWNS) && self.has(linux::CLONE_FS);
        if impossible {
            return Err(Errno::EINVAL);
        }
        if self.has(linux::CLONE_SETTLS) && self.tls >= USER_END {
            return Err(Errno::EPERM);
        }
        Ok(())
    }
}

/// Makes a process or thread; returns its number as the caller sees it. With CLONE_VFORK the
/// caller waits until the child has let go of the memory.
///
/// # Errors
/// EINVAL for flags that do not go together, EAGAIN for too many processes, ENOMEM in a pid
/// namespace without init, those of the namespaces; no memory.
pub fn clone(k: &mut Kernel, cx: &mut Cx, args: &Args) -> Call {
    if let Some(resume) = cx.resume.filter(|r| r.word != 0) {
        return wait_for_vfork(k, cx, resume.word);
    }
    let mut draft = match k.tasks.task_mut(cx.task)?.draft.take() {
        Some(draft) => draft,
        None => {
            args.check()?;
            Box::new(Draft::new(args))
        }
    };
    // What the program says now may be something else than when the copy began.
    let args = draft.args.clone();
    let args = &args;
    if let Err(stop) = fill(k, cx, args, &mut draft) {
        if matches!(stop, Stop::Wait(_)) {
            k.tasks.task_mut(cx.task)?.draft = Some(draft);
        } else {
            // Memory that is found by ending others serves a copy from the beginning.
            cx.resume = None;
            draft.discard(k);
        }
        return Err(stop);
    }
    let (child, number) = match commit(k, cx, args, &mut draft) {
        Some(made) => made,
        None => {
            draft.discard(k);
            return Err(Errno::ESRCH.into());
        }
    };
    k.set_runnable(child);
    if args.has(linux::CLONE_VFORK) {
        return wait_for_vfork(k, cx, u64::from(number));
    }
    Ok(u64::from(number))
}

/// Parks the caller until its vfork child, known by its number, has let go of the memory.
fn wait_for_vfork(k: &mut Kernel, cx: &mut Cx, number: u64) -> Call {
    let child = ns::pid::of_task(k, cx.task)
        .and_then(|ns| pid::find_task(k, ns, u32::try_from(number).ok()?))
        .filter(|child| {
            let child = k.tasks.tasks.get(*child);
            child.is_some_and(|c| c.vfork == Some(cx.task))
        });
    let Some(child) = child else {
        return Ok(number);
    };
    let resume = Resume {
        word: number,
        ..Resume::default()
    };
    let pending = Pending::on(WaitKey::Vfork(child), Restart::Killable);
    Err(Stop::Wait(pending.with(resume)))
}

/// A vfork child lets go of its parent's memory: the parent goes on.
pub fn release_vfork(k: &mut Kernel, child: TaskId) {
    let parent = k.tasks.tasks.get_mut(child).and_then(|t| t.vfork.take());
    if parent.is_some() {
        k.waits.wake(WaitKey::Vfork(child));
    }
}

/// A task ends between two turns of its fork: what there is of the child goes.
pub fn abandon(k: &mut Kernel, task: TaskId) {
    let draft = k.tasks.tasks.get_mut(task).and_then(|t| t.draft.take());
    if let Some(draft) = draft {
        draft.discard(k);
    }
}

/// The parts of a task that is not there yet: all of them, or they go back.
#[derive(Default)]
pub struct Draft {
    args: Args,
    /// All is there but the memory, which is copied in turns.
    copies: Option<mm::fork::Copying>,
    group: Option<Held<GroupId>>,
    counted: Option<GroupId>,
    task_charge: Option<Charge>,
    groups_charge: Option<Charge>,
    process_charge: Option<Charge>,
    handlers: Option<Held<HandlersId>>,
    files: Option<Held<FilesId>>,
    fs: Option<Held<FsContextId>>,
    ns: Option<NsSet>,
    pid: Option<Held<PidId>>,
    mm: Option<Held<MmId>>,
    parent_tid: Option<user::UserOut>,
}

impl Draft {
    fn new(args: &Args) -> Draft {
        Draft {
            args: args.clone(),
            ..Draft::default()
        }
    }

    /// Gives everything back.
    fn discard(self, k: &mut Kernel) {
        if let Some(copying) = self.copies {
            mm::release(k, copying.child);
        }
        if let Some(mm) = self.mm {
            mm::release(k, mm);
        }
        if let Some(pid) = self.pid {
            pid::release(k, pid);
        }
        if let Some(ns) = self.ns {
            ns::release_set(k, ns);
        }
        if let Some(fs) = self.fs {
            files::release_context(k, fs);
        }
        if let Some(files) = self.files {
            files::release(k, files);
        }
        if let Some(handlers) = self.handlers {
            signal::release_handlers(k, handlers);
        }
        let charges = [self.task_charge, self.groups_charge, self.process_charge];
        for charge in charges.into_iter().flatten() {
            k.groups.give_back(charge);
        }
        if let Some(group) = self.counted {
            k.groups.give_back_task(group);
        }
        if let Some(group) = self.group {
            k.groups.release(group);
        }
    }
}

/// Charges supplementary groups.
pub fn charge_groups(k: &mut Kernel, group: GroupId, count: usize) -> Result<Option<Charge>, Stop> {
    if count == 0 {
        return Ok(None);
    }
    let bytes = u32::try_from(count.saturating_mul(4)).map_err(|_| Errno::ENOMEM)?;
    Ok(Some(k.groups.charge(group, bytes)?))
}

/// Everything that can fail.
fn fill(k: &mut Kernel, cx: &mut Cx, args: &Args, draft: &mut Draft) -> Result<(), Stop> {
    if draft.copies.is_some() {
        return fill_memory(k, cx, args, draft);
    }
    let parent = k.tasks.tasks.get(cx.task).ok_or(Errno::ESRCH)?;
    let (group, process) = (args.group.unwrap_or(parent.group.key()), parent.process);
    let extra_groups = parent.cred.groups.len();
    check_count(k, cx.task, process)?;
    check_place(k, cx.task, process, args)?;
    draft.group = Some(k.groups.hold(group));
    k.groups.charge_task(group).map_err(|_| Errno::EAGAIN)?;
    draft.counted = Some(group);
    draft.task_charge = Some(k.groups.charge(group, TASK_COST)?);
    draft.groups_charge = charge_groups(k, group, extra_groups)?;
    if !args.has(linux::CLONE_THREAD) {
        draft.process_charge = Some(k.groups.charge(group, PROCESS_COST)?);
    }
    fill_shared(k, cx, args, group, draft)?;
    if !args.has(linux::CLONE_VM) {
        let own = own_memory(k, cx)?;
        draft.copies = Some(mm::fork::begin(k, cx.m, own, group)?);
    }
    fill_memory(k, cx, args, draft)
}

fn own_memory(k: &Kernel, cx: &Cx) -> Result<MmId, Errno> {
    let mm = k.tasks.task(cx.task)?.mm.as_ref();
    Ok(mm.ok_or(Errno::ESRCH)?.key())
}

/// RLIMIT_NPROC.
fn check_count(k: &Kernel, task: TaskId, process: ProcessId) -> Result<(), Errno> {
    let uid = k.tasks.tasks.get(task).map_or(0, |t| t.cred.uid);
    let most = limits::soft(k, process, linux::RLIMIT_NPROC);
    let many = k.tasks.users.get(&uid).is_some_and(|count| *count >= most);
    let exempt = uid == 0
        || cred::capable(k, task, linux::CAP_SYS_RESOURCE)
        || cred::capable(k, task, linux::CAP_SYS_ADMIN);
    if many && !exempt {
        return Err(Errno::EAGAIN);
    }
    Ok(())
}

/// An init has no siblings, and threads share their process's namespaces.
fn check_place(k: &Kernel, task: TaskId, process: ProcessId, args: &Args) -> Result<(), Errno> {
    let is_init = (k.tasks.processes.get(process)).is_some_and(|p| p.init_of.is_some());
    if args.has(linux::CLONE_PARENT) && !args.has(linux::CLONE_THREAD) && is_init {
        return Err(Errno::EINVAL);
    }
    let elsewhere = ns::set::keys_of(k, task)?.pid_for_children;
    if args.has(linux::CLONE_THREAD) && ns::pid::of_task(k, task) != Some(elsewhere) {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

fn fill_shared(
    k: &mut Kernel,
    cx: &mut Cx,
    args: &Args,
    group: GroupId,
    draft: &mut Draft,
) -> Result<(), Stop> {
    let parent = k.tasks.tasks.get(cx.task).ok_or(Errno::ESRCH)?;
    let handlers = parent.handlers.as_ref().ok_or(Errno::ESRCH)?.key();
    let files = parent.files.as_ref().ok_or(Errno::ESRCH)?.key();
    let fs = parent.fs.as_ref().ok_or(Errno::ESRCH)?.key();
    draft.handlers = if args.has(linux::CLONE_SIGHAND) {
        k.tasks.handlers.hold(handlers)
    } else {
        Some(signal::new_handlers(k, Some(handlers), group)?)
    };
    let own = draft.handlers.as_ref().filter(|_| args.clear_handlers);
    if let Some(own) = own.and_then(|own| k.tasks.handlers.get_mut(own.key())) {
        own.clear();
    }
    draft.files = if args.has(linux::CLONE_FILES) {
        k.tasks.files.hold(files)
    } else {
        Some(files::duplicate(k, files, group)?)
    };
    draft.fs = if args.has(linux::CLONE_FS) {
        k.tasks.contexts.hold(fs)
    } else {
        Some(files::duplicate_context(k, fs, group)?)
    };
    let ns = draft
        .ns
        .insert(ns::for_child(k, cx.task, args.flags, group)?);
    let (pid_ns, mount_ns) = (ns.pid_for_children.key(), ns.mount.key());
    if let Some(context) = draft.fs.as_ref().filter(|_| args.has(linux::CLONE_NEWNS)) {
        ns::mount::move_context(k, mount_ns, context.key());
    }
    let may_choose = cred::capable(k, cx.task, linux::CAP_CHECKPOINT_RESTORE)
        || cred::capable(k, cx.task, linux::CAP_SYS_ADMIN);
    let wanted = pid::Wanted {
        numbers: &args.set_tid,
        may_choose,
    };
    draft.pid = Some(pid::allocate(k, pid_ns, group, wanted)?);
    Ok(())
}

fn fill_memory(k: &mut Kernel, cx: &mut Cx, args: &Args, draft: &mut Draft) -> Result<(), Stop> {
    let own = own_memory(k, cx)?;
    if let Some(copying) = &mut draft.copies {
        if !mm::fork::step(k, cx.m, own, copying)? {
            return Err(turn::again(k, own, cx.task, Resume::default()));
        }
    }
    let mm = match draft.copies.take() {
        Some(copying) => copying.child,
        None => k.spaces.hold(own).ok_or(Errno::ESRCH)?,
    };
    let mm = draft.mm.insert(mm).key();
    if let Some(group) = args.group {
        k.groups.may_host(group)?;
    }
    // Where there is no room for a number there will be none: that is no error (clone(2)).
    if args.has(linux::CLONE_PARENT_SETTID) {
        match user::prepare(k, cx, args.parent_tid, 4) {
            Ok(out) => draft.parent_tid = Some(out),
            Err(Stop::Errno(_)) => {}
            Err(stop) => return Err(stop),
        }
    }
    if args.has(linux::CLONE_CHILD_SETTID) {
        let number = own_number(k, draft);
        match user::write_of(k, cx.m, mm, args.child_tid, &number.to_le_bytes()) {
            Ok(()) | Err(Stop::Errno(_)) => {}
            Err(stop) => return Err(stop),
        }
    }
    Ok(())
}

/// The new task's number in its own namespace.
fn own_number(k: &Kernel, draft: &Draft) -> u32 {
    let pid = draft.pid.as_ref().and_then(|p| k.tasks.pids.get(p.key()));
    pid.and_then(|p| p.numbers.last()).map_or(0, |n| n.1)
}

/// Puts the parts together; cannot fail once all are there. Returns the task and its number as
/// the parent sees it.
fn commit(k: &mut Kernel, cx: &mut Cx, args: &Args, draft: &mut Draft) -> Option<(TaskId, u32)> {
    k.store_fpu(cx.m);
    let seen_from = ns::pid::of_task(k, cx.task)?;
    let number = pid::number_in(&k.tasks, draft.pid.as_ref()?.key(), seen_from);
    let process = k.tasks.tasks.get(cx.task)?.process;
    k.tasks.processes.get(process)?;
    let process = if args.has(linux::CLONE_THREAD) {
        process
    } else {
        add_process(k, cx, args, draft)?
    };
    let task = add_task(k, cx, args, draft, process)?;
    if let Some(process) = k.tasks.processes.get_mut(process) {
        process.threads.push(task);
    }
    if let Some(out) = draft.parent_tid.take() {
        user::put(k, cx, &out, 0, &number.to_le_bytes());
    }
    if args.group.is_none() {
        // The parent may have been moved between two turns.
        let group = k.tasks.tasks.get(cx.task)?.group.key();
        super::migrate::thread(k, task, group);
    }
    // What is left of the draft is nothing.
    Some((task, number))
}

fn add_task(
    k: &mut Kernel,
    cx: &mut Cx,
    args: &Args,
    draft: &mut Draft,
    process: ProcessId,
) -> Option<TaskId> {
    let parent = k.tasks.tasks.get(cx.task)?;
    let mut regs = parent.regs;
    regs.rax = 0;
    if args.stack != 0 {
        regs.rsp = args.stack;
    }
    if args.has(linux::CLONE_SETTLS) {
        regs.fs_base = args.tls;
    }
    let shares_stack = !args.has(linux::CLONE_VM) || args.has(linux::CLONE_VFORK);
    let clears = args.has(linux::CLONE_CHILD_CLEARTID);
    let task = Task {
        token: None,
        process,
        pid: draft.pid.take()?,
        regs,
        fpu: Box::new(*parent.fpu),
        mm: draft.mm.take(),
        files: draft.files.take(),
        fs: draft.fs.take(),
        handlers: draft.handlers.take(),
        cred: parent.cred.clone(),
        ns: draft.ns.take(),
        group: draft.group.take()?,
        state: RunState::Parked,
        call: None,
        mask: parent.mask,
        pending: Signals::default(),
        sigwait: 0,
        altstack: if shares_stack {
            parent.altstack
        } else {
            AltStack::default()
        },
        fault: FaultInfo::default(),
        comm: parent.comm,
        clear_child_tid: if clears { args.child_tid } else { 0 },
        robust_list: 0,
        vfork: args.has(linux::CLONE_VFORK).then_some(cx.task),
        parent_death_signal: 0,
        share: crate::sched::Share::default(),
        nice: parent.nice,
        policy: parent.policy,
        over_count: false,
        draft: None,
        execve: None,
        usage: Usage::default(),
        timer_slack: (parent.timer_slack.0, parent.timer_slack.0),
        groups_charge: draft.groups_charge.take(),
        starved: 0,
        high: crate::mm::high::High::default(),
        times: (0, 0),
        figures: super::Figures::default(),
        alarms: Default::default(),
        sleep: None,
    };
    draft.counted = None;
    Some(insert_task(k, task, draft.task_charge.take()?))
}

fn add_process(k: &mut Kernel, cx: &mut Cx, args: &Args, draft: &mut Draft) -> Option<ProcessId> {
    let pid = draft.pid.as_ref()?.key();
    let caller = k.tasks.tasks.get(cx.task)?.process;
    let creator = k.tasks.processes.get(caller)?;
    let (parent, parent_thread, exit_signal) = if args.has(linux::CLONE_PARENT) {
        (creator.parent, creator.parent_thread, creator.exit_signal)
    } else {
        (Some(caller), Some(cx.task), args.exit_signal)
    };
    let exe = creator.exe.as_ref().map(|exe| exe.pos());
    let process = Process {
        parent,
        parent_thread,
        exit_signal,
        terminal: creator.terminal,
        limits: creator.limits,
        hook: creator.hook,
        dumpable: creator.dumpable,
        oom: creator.oom,
        login: creator.login,
        has_barrier: creator.has_barrier,
        thp_disabled: creator.thp_disabled,
        has_executed: false,
        exe_path: creator.exe_path.clone(),
        exe: exe.and_then(|exe| k.fs.hold_pos(exe)),
        ..blank_process(
            pid,
            k.tasks.pids.share(&creator.group),
            k.tasks.pids.share(&creator.session),
            cx.now,
        )
    };
    Some(insert_process(k, process, draft.process_charge.take()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_do_not_go_together_are_refused() {
        let check = |flags| {
            Args {
                flags,
                ..Args::default()
            }
            .check()
        };
        assert_eq!(check(0), Ok(()));
        assert_eq!(check(linux::CLONE_VM | linux::CLONE_VFORK), Ok(()));
        assert_eq!(check(linux::CLONE_SIGHAND), Err(Errno::EINVAL));
        let thread = linux::CLONE_THREAD | linux::CLONE_VM;
        assert_eq!(check(thread), Err(Errno::EINVAL));
        assert_eq!(check(thread | linux::CLONE_SIGHAND), Ok(()));
        let elsewhere = thread | linux::CLONE_SIGHAND | linux::CLONE_NEWPID;
        assert_eq!(check(elsewhere), Err(Errno::EINVAL));
        let mounts = linux::CLONE_NEWNS | linux::CLONE_FS;
        assert_eq!(check(mounts), Err(Errno::EINVAL));
        assert_eq!(check(linux::CLONE_PIDFD), Err(Errno::EINVAL));
        let wild = Args {
            flags: linux::CLONE_SETTLS,
            tls: 1 << 63,
            ..Args::default()
        };
        assert_eq!(wild.check(), Err(Errno::EPERM));
        let both = Args {
            flags: linux::CLONE_VM | linux::CLONE_SIGHAND,
            clear_handlers: true,
            ..Args::default()
        };
        assert_eq!(both.check(), Err(Errno::EINVAL));
    }
}
