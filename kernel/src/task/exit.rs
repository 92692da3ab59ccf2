//! The end of threads and processes (exit(2), exit_group(2)), and what becomes of their children.
//!
//! A task has no state in the kernel but its objects, so it can be ended at any time, by anybody:
//! there is nothing to unwind.

use super::signal::{self, SigInfo};
use super::{
    Ended, Process, ProcessId, RunState, TaskId, exec, files, fork, futex, pid, stop, timer, usage,
    wait,
};
use crate::error::Stop;
use crate::machine::{Machine, PowerOff};
use crate::mm::user;
use crate::ns::PidNsId;
use crate::wait::{Pending, Restart, Resume, WaitKey};
use crate::work::Job;
use crate::{Cx, Kernel};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// Ends the calling thread (exit(2)); its process with it, by this code, if it is the last one.
pub fn exit_thread(k: &mut Kernel, cx: &mut Cx, code: u8) {
    let Some(process) = k.tasks.tasks.get(cx.task).map(|t| t.process) else {
        return;
    };
    end_thread(k, cx.m, cx.task);
    let heir = k.tasks.live_threads(process).next();
    if let Some(heir) = heir {
        hand_children_on(k, process, heir, |parent| parent == Some(cx.task));
        stop::settle(k, process);
        return;
    }
    close(k, cx.m, process, Ended::Code(code));
}

/// Ends the calling task's process.
pub fn end_process_of(k: &mut Kernel, cx: &mut Cx, ended: Ended) {
    if let Some(process) = k.tasks.tasks.get(cx.task).map(|t| t.process) {
        end_process(k, cx.m, process, ended);
    }
}

/// Ends a process by SIGKILL, at once and whatever it does.
pub fn kill_now(k: &mut Kernel, m: &mut dyn Machine, process: ProcessId) {
    end_process(k, m, process, Ended::Signal(linux::SIGKILL as u8));
}

/// Ends all threads of a process, and then the process.
pub fn end_process(k: &mut Kernel, m: &mut dyn Machine, id: ProcessId, ended: Ended) {
    if (k.tasks.processes.get(id)).is_none_or(|p| p.ending.is_some()) {
        return;
    }
    let threads: Vec<TaskId> = k.tasks.live_threads(id).collect();
    for thread in threads {
        end_thread(k, m, thread);
    }
    close(k, m, id, ended);
}

/// Ends the other threads of the calling task's process, for execve: the caller becomes the
/// leader and has the process's number from then on.
pub fn end_other_threads(k: &mut Kernel, cx: &mut Cx) {
    let Some(process) = k.tasks.tasks.get(cx.task).map(|t| t.process) else {
        return;
    };
    let leader = k.tasks.leader(process);
    let others: Vec<TaskId> = k
        .tasks
        .live_threads(process)
        .filter(|t| *t != cx.task)
        .collect();
    for thread in others {
        end_thread(k, cx.m, thread);
    }
    hand_children_on(k, process, cx.task, |parent| parent != Some(cx.task));
    let Some(leader) = leader.filter(|leader| *leader != cx.task) else {
        return;
    };
    swap_numbers(k, leader, cx.task);
    if let Some(process) = k.tasks.processes.get_mut(process) {
        process.threads.retain(|t| *t != leader);
    }
    free_task(k, leader);
}

/// Children of threads that have ended become those of another thread of the process.
fn hand_children_on(
    k: &mut Kernel,
    process: ProcessId,
    heir: TaskId,
    is_dead: impl Fn(Option<TaskId>) -> bool,
) {
    let children = k.tasks.processes.get(process).map(|p| &p.children);
    let orphans: Vec<ProcessId> = (children.into_iter().flatten().copied())
        .filter(|c| (k.tasks.processes.get(*c)).is_some_and(|c| is_dead(c.parent_thread)))
        .collect();
    for child in orphans {
        if let Some(child) = k.tasks.processes.get_mut(child) {
            child.parent_thread = Some(heir);
        }
        send_parent_death(k, process, child);
    }
}

/// The dead leader's number goes to the thread that takes its place, and the other way round.
fn swap_numbers(k: &mut Kernel, leader: TaskId, successor: TaskId) {
    let tasks = &mut k.tasks;
    let numbers = [leader, successor].map(|t| tasks.tasks.get(t).map(|t| t.pid.key()));
    let (Some(old), Some(new)) = (numbers[0], numbers[1]) else {
        return;
    };
    let (Some(for_successor), Some(for_leader)) = (tasks.pids.hold(old), tasks.pids.hold(new))
    else {
        return;
    };
    for (task, number, pid) in [(successor, for_successor, old), (leader, for_leader, new)] {
        if let Some(pid) = tasks.pids.get_mut(pid) {
            pid.task = Some(task);
        }
        let before = match tasks.tasks.get_mut(task) {
            Some(task) => core::mem::replace(&mut task.pid, number),
            None => number,
        };
        // The other of the two still refers to it, or is about to.
        let last = tasks.pids.release(before);
        debug_assert!(last.is_none(), "a number went while it was swapped");
    }
}

/// Takes a thread out of the system: its memory, files, namespaces. Of a leader a husk stays for
/// those who wait for the process.
fn end_thread(k: &mut Kernel, m: &mut dyn Machine, id: TaskId) {
    if !k.tasks.is_alive(id) {
        return;
    }
    let now = m.now();
    leave_memory(
        k,
        &mut Cx {
            m,
            now,
            task: id,
            resume: None,
        },
    );
    k.waits.leave(id);
    timer::cpu::wake_up(k, id, None);
    if k.sched.fpu_owner == Some(id) {
        k.sched.fpu_owner = None;
    }
    usage::keep(k, id);
    fork::abandon(k, id);
    exec::abandon(k, id);
    crate::mm::turn::let_others_in(k, id);
    let Some(task) = k.tasks.tasks.get_mut(id) else {
        return;
    };
    task.state = RunState::Dead;
    task.call = None;
    let process = task.process;
    let alarms = core::mem::take(&mut task.alarms);
    let pending = core::mem::take(&mut task.pending);
    let (mm, files, fs) = (task.mm.take(), task.files.take(), task.fs.take());
    let (handlers, ns) = (task.handlers.take(), task.ns.take());
    let group = task.group.key();
    k.groups.leave(group, id);
    signal::dissolve(k, pending);
    timer::cpu::dissolve(k, alarms);
    crate::container::caller_ended(k, id);
    if let Some(mm) = mm {
        crate::mm::release(k, mm);
    }
    if let Some(files) = files {
        files::release(k, files);
    }
    if let Some(fs) = fs {
        files::release_context(k, fs);
    }
    if let Some(handlers) = handlers {
        signal::release_handlers(k, handlers);
    }
    if let Some(ns) = ns {
        crate::ns::release_set(k, ns);
    }
    let mut is_leader = false;
    if let Some(process) = k.tasks.processes.get_mut(process) {
        is_leader = process.threads.first() == Some(&id);
        if !is_leader {
            process.threads.retain(|t| *t != id);
        }
    }
    crate::sched::tree::leave(k, m, id);
    if !is_leader {
        free_task(k, id);
    }
}

/// What a thread owes to those who share its memory, before it leaves it by exit or execve: dead
/// owners of robust futexes are marked, the word for pthread_join is cleared, a vfork parent goes
/// on.
pub fn leave_memory(k: &mut Kernel, cx: &mut Cx) {
    futex::mark_robust_list(k, cx);
    let Some(task) = k.tasks.tasks.get_mut(cx.task) else {
        return;
    };
    let word = core::mem::take(&mut task.clear_child_tid);
    let mm = task.mm.as_ref().map(|mm| mm.key());
    if word != 0 && mm.is_some_and(|mm| k.spaces.refs(mm) > 1) {
        // Nothing can be done about a word that is not there.
        let _ = user::copy_out(k, cx, word, &0u32.to_le_bytes(), 0);
        futex::wake(k, cx, word, false, 1, u32::MAX);
    }
    fork::release_vfork(k, cx.task);
}

/// POSIX timers that one turn deletes.
const TIMER_TURN: usize = 64;

/// Does what can be much of the end of the calling thread, or of its process when that is `whole`
/// or has no other: in turns, before anybody can know that it has ended.
///
/// # Errors
/// Waits; only a kill comes between.
pub fn wind_up(k: &mut Kernel, cx: &mut Cx, whole: bool) -> Result<(), Stop> {
    let from = cx.resume.map(|r| (r.word, r.events));
    let turn = || Pending::turn(Restart::Killable);
    if let Some((word, events)) = futex::mark_robust_part(k, cx, from) {
        let resume = Resume {
            word,
            events,
            ..Resume::default()
        };
        return Err(Stop::Wait(turn().with(resume)));
    }
    let process = k.tasks.task(cx.task)?.process;
    let ends = whole || k.tasks.live_threads(process).count() == 1;
    if ends && !timer::posix::delete_some(k, process, TIMER_TURN) {
        return Err(Stop::Wait(turn()));
    }
    Ok(())
}

/// Frees what is left of an ended task.
fn free_task(k: &mut Kernel, id: TaskId) {
    let token = k.tasks.tasks.get_mut(id).and_then(|t| t.token.take());
    let Some((task, charge)) = token.and_then(|token| k.tasks.tasks.release(token)) else {
        return;
    };
    if let Some(pid) = k.tasks.pids.get_mut(task.pid.key()) {
        pid.task = pid.task.filter(|t| *t != id);
    }
    pid::release(k, task.pid);
    k.tasks.count_user(task.cred.uid, false);
    k.groups.give_back(charge);
    if let Some(charge) = task.groups_charge {
        k.groups.give_back(charge);
    }
    k.groups.give_back_task(task.group.key());
    k.groups.release(task.group);
}

/// The last thread has ended: the process does. An init first takes its namespace with it.
fn close(k: &mut Kernel, m: &mut dyn Machine, id: ProcessId, ended: Ended) {
    timer::end(k, id, m.now());
    crate::tty::job::leader_ended(k, id);
    let Some(process) = k.tasks.processes.get_mut(id) else {
        return;
    };
    process.ending = Some(ended);
    (process.stop, process.stopped, process.report) = (None, false, None);
    let pending = core::mem::take(&mut process.pending);
    let exe = process.exe.take();
    let ns = process.init_of;
    signal::dissolve(k, pending);
    if let Some(exe) = exe {
        crate::fs::release_pos(k, exe);
    }
    if let Some(ns) = ns {
        if let Some(ns) = k.ns.pid.get_mut(ns) {
            ns.dead = true;
        }
        if next_member(k, ns, id).is_some() {
            k.work.add(Job::Namespace(EndOfNamespace { ns, init: id }));
            return;
        }
    }
    complete(k, id);
}

/// A pid namespace whose init has ended: its other members are killed before the init's end is
/// told (pid_namespaces(7)).
pub struct EndOfNamespace {
    ns: PidNsId,
    init: ProcessId,
}

/// Members killed in one slice of [`EndOfNamespace`].
const KILLED_AT_ONCE: usize = 4;

/// Kills some members of a namespace; `None` when the job is done or has queued itself again.
pub fn end_namespace_step(k: &mut Kernel, m: &mut dyn Machine, job: EndOfNamespace) {
    for _ in 0..KILLED_AT_ONCE {
        match next_member(k, job.ns, job.init) {
            Some(Member::Alive(process)) => kill_now(k, m, process),
            // An init of a nested namespace waits for its own members, behind us in the queue.
            Some(Member::Ending) => break,
            None => {
                complete(k, job.init);
                return;
            }
        }
    }
    k.work.add(Job::Namespace(job));
}

enum Member {
    Alive(ProcessId),
    Ending,
}

/// A member of a namespace, besides its init, that has not ended yet.
fn next_member(k: &Kernel, ns: PidNsId, init: ProcessId) -> Option<Member> {
    let mut ending = None;
    let ns = k.ns.pid.get(ns)?;
    let pids = ns
        .numbers
        .values()
        .filter_map(|p| k.tasks.pids.get(*p)?.process);
    for id in pids.filter(|id| *id != init) {
        match k.tasks.processes.get(id) {
            Some(process) if process.ending.is_none() => return Some(Member::Alive(id)),
            Some(process) if process.ended.is_none() => ending = Some(Member::Ending),
            _ => {}
        }
    }
    ending
}

/// A process has ended for good: its children find a new parent, its own parent is told.
fn complete(k: &mut Kernel, id: ProcessId) {
    let at_stake = stop::groups_at_stake(k, id);
    give_children_away(k, id);
    stop::hang_up_orphans(k, at_stake);
    let Some(process) = k.tasks.processes.get_mut(id) else {
        return;
    };
    let ended = process.ending.unwrap_or(Ended::Code(0));
    process.ended = Some(ended);
    let (init_of, container, hook) = (process.init_of, process.container, process.hook);
    let parentless = process.parent.is_none();
    if let Some(ns) = init_of.and_then(|ns| k.ns.pid.get_mut(ns)) {
        ns.init = None;
        if ns.level == 0 {
            init_of_the_system_ended(k, ended);
        }
    }
    k.waits.wake(WaitKey::Exit(id));
    if let Some(container) = container {
        crate::container::init_ended(k, container, ended);
    }
    if let Some(hook) = hook.filter(|_| parentless) {
        crate::container::hook_ended(k, hook, id, ended);
    }
    if wait::tell_end(k, id, ended) {
        reap(k, id);
    }
}

fn init_of_the_system_ended(k: &mut Kernel, ended: Ended) {
    if k.power.is_none() {
        log::error!(target: "task", "process 1 has ended ({ended:?}): there is nobody left");
        k.power = Some(PowerOff::Panic);
    }
}

/// Who adopts the children of a process that ends: the nearest subreaper above it in its pid
/// namespace, else the namespace's init, else nobody: then the kernel reaps them. What a hook
/// started stays the kernel's.
fn reaper_of(k: &Kernel, id: ProcessId) -> Option<ProcessId> {
    let processes = &k.tasks.processes;
    let process = processes.get(id)?;
    if process.hook.is_some() {
        return None;
    }
    let ns = pid::namespace_of(&k.tasks, id)?;
    let alive = |p: &Process| p.ending.is_none();
    let mut next = process.parent;
    while let Some(ancestor) = next {
        let Some(above) = processes.get(ancestor) else {
            break;
        };
        if pid::namespace_of(&k.tasks, ancestor) != Some(ns) {
            break;
        }
        if above.subreaper && alive(above) {
            return Some(ancestor);
        }
        next = above.parent;
    }
    let init = k.ns.pid.get(ns)?.init?;
    processes.get(init).filter(|p| alive(p)).map(|_| init)
}

fn give_children_away(k: &mut Kernel, id: ProcessId) {
    let Some(process) = k.tasks.processes.get_mut(id) else {
        return;
    };
    let children = core::mem::take(&mut process.children);
    if children.is_empty() {
        return;
    }
    let adopter = reaper_of(k, id);
    let heir = adopter.and_then(|a| k.tasks.live_threads(a).next());
    for child in children {
        send_parent_death(k, id, child);
        let Some(process) = k.tasks.processes.get_mut(child) else {
            continue;
        };
        process.parent = adopter;
        process.parent_thread = heir;
        // Whatever clone(2) asked for, or the one who adopts it would not wait for it.
        process.exit_signal = linux::SIGCHLD;
        let ended = process.ended;
        if let Some(adopter) = adopter.and_then(|a| k.tasks.processes.get_mut(a)) {
            adopter.children.insert(child);
        }
        // A zombie is told again, to the one who will wait for it.
        if let Some(ended) = ended {
            if wait::tell_end(k, child, ended) {
                reap(k, child);
            }
        }
    }
}

/// PR_SET_PDEATHSIG.
fn send_parent_death(k: &mut Kernel, parent: ProcessId, child: ProcessId) {
    let threads: Vec<TaskId> = k.tasks.live_threads(child).collect();
    for thread in threads {
        let signal = k
            .tasks
            .tasks
            .get(thread)
            .map_or(0, |t| t.parent_death_signal);
        if signal == 0 {
            continue;
        }
        let ns = pid::namespace_of(&k.tasks, child);
        let pid = ns.map_or(0, |ns| pid::process_number(&k.tasks, parent, ns));
        let info = SigInfo {
            signal,
            pid,
            ..SigInfo::default()
        };
        signal::send_process(k, child, info);
    }
}

/// Removes a process that has ended and was waited for.
pub fn reap(k: &mut Kernel, id: ProcessId) {
    let Some(process) = k.tasks.processes.get_mut(id) else {
        return;
    };
    let token = process.token.take();
    let (parent, pid) = (process.parent, process.pid);
    for thread in core::mem::take(&mut process.threads) {
        free_task(k, thread);
    }
    if let Some(parent) = parent.and_then(|p| k.tasks.processes.get_mut(p)) {
        parent.children.remove(&id);
    }
    let Some((process, charge)) = token.and_then(|token| k.tasks.processes.release(token)) else {
        return;
    };
    if let Some(pid) = k.tasks.pids.get_mut(pid) {
        pid.process = pid.process.filter(|p| *p != id);
    }
    if let Some(group) = k.tasks.pids.get_mut(process.group.key()) {
        group.members.remove(&id);
    }
    pid::release(k, process.group);
    pid::release(k, process.session);
    signal::dissolve(k, process.pending);
    k.groups.give_back(charge);
}
