//! Sending: what is dropped at once, what is queued, and who wakes (kill(2), sigqueue(3)).

use super::queue::{Paid, QUEUED_COST, discard_own};
use super::{
    Action, DEFAULT, DUMPING, FIRST_REALTIME, IGNORE, LAST, Reaction, STOPPING, SigInfo, Signals,
    UNBLOCKABLE, action, bit, code, default_action, discard, interrupts,
};
use crate::error::Errno;
use crate::sched::control;
use crate::task::{PidId, ProcessId, RunState, TaskId, TimerId, limits, pid, stop};
use crate::wait::WaitKey;
use crate::{Cx, Kernel};
use linux_raw_sys::general as linux;

/// Who gets a signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// Whichever thread of a process takes it.
    Process(ProcessId),
    /// One thread.
    Task(TaskId),
}

/// Sends a signal of the kernel to a process. SIGKILL and SIGSTOP reach even an init.
pub fn send_process(k: &mut Kernel, process: ProcessId, info: SigInfo) {
    // Only queued real-time signals can be refused, and nobody waits for the kernel's.
    let _ = send(k, Target::Process(process), info, true, None);
}

/// Sends a signal of the kernel to a thread.
pub fn send_task(k: &mut Kernel, task: TaskId, info: SigInfo) {
    let _ = send(k, Target::Task(task), info, true, None);
}

/// Sends the signal of a timer, which pays for it; returns whether it waits now, and did not come
/// to nothing at once.
pub fn send_timer(k: &mut Kernel, target: Target, info: SigInfo, timer: TimerId) -> bool {
    // What is paid for already is not refused.
    send(k, target, info, false, Some(timer)).unwrap_or(false)
}

/// Sends a signal of the kernel to every process of a group.
pub fn send_group(k: &mut Kernel, group: PidId, info: SigInfo) {
    let members = k.tasks.pids.get(group).map(|pid| pid.members.clone());
    for process in members.unwrap_or_default() {
        send_process(k, process, info);
    }
}

/// Sends a thread a signal about what it does itself: SIGPIPE, SIGXFSZ. It is its own sender.
pub fn send_self(k: &mut Kernel, task: TaskId, signal: u32) {
    let info = SigInfo {
        signal,
        uid: k.tasks.tasks.get(task).map_or(0, |t| t.cred.uid),
        ..SigInfo::default()
    };
    // Cannot be refused: it is not a real-time signal.
    let _ = send_from(k, task, Target::Task(task), info);
}

/// Sends a signal of a task: the sender's number is told as the receiver sees it, and an init is
/// immune unless the sender is outside of its namespace.
///
/// # Errors
/// EAGAIN when the receiver's queue is full (RLIMIT_SIGPENDING).
pub fn send_from(
    k: &mut Kernel,
    sender: TaskId,
    target: Target,
    mut info: SigInfo,
) -> Result<(), Errno> {
    let Some(process) = process_of(k, target) else {
        return Ok(());
    };
    let ns = pid::namespace_of(&k.tasks, process);
    let sender = k.tasks.tasks.get(sender).map(|t| t.process);
    let number = match (sender, ns) {
        (Some(sender), Some(ns)) => pid::process_number(&k.tasks, sender, ns),
        _ => 0,
    };
    let from_outside = number == 0;
    if info.code == code::USER || info.code == code::TKILL || from_outside {
        info.pid = number;
    }
    send(k, target, info, from_outside, None)?;
    Ok(())
}

/// Whether `sender` may send `signal` (kill(2), "permission").
pub fn allowed(k: &Kernel, sender: TaskId, target: Target, signal: u32) -> bool {
    let tasks = &k.tasks;
    let to = match target {
        Target::Process(process) => tasks.leader(process),
        Target::Task(task) => Some(task),
    };
    let (Some(from), Some(to)) = (tasks.tasks.get(sender), to.and_then(|t| tasks.tasks.get(t)))
    else {
        return false;
    };
    let ids = [to.cred.suid, to.cred.uid];
    if ids.contains(&from.cred.euid)
        || ids.contains(&from.cred.uid)
        || from.cred.capable(linux::CAP_KILL)
        || from.process == to.process
    {
        return true;
    }
    let session = |process| tasks.processes.get(process).map(|p| p.session.key());
    signal == linux::SIGCONT && session(from.process) == session(to.process)
}

fn process_of(k: &Kernel, target: Target) -> Option<ProcessId> {
    match target {
        Target::Process(process) => Some(process),
        Target::Task(task) => k.tasks.tasks.get(task).map(|t| t.process),
    }
}

/// The thread whose mask decides whether a signal can be dropped at once.
fn representative(k: &Kernel, target: Target) -> Option<TaskId> {
    match target {
        Target::Task(task) => Some(task),
        Target::Process(process) => k.tasks.live_threads(process).next(),
    }
}

/// Sends a signal, of a timer if there is one; returns whether it waits now.
fn send(
    k: &mut Kernel,
    target: Target,
    info: SigInfo,
    force: bool,
    timer: Option<TimerId>,
) -> Result<bool, Errno> {
    let signal = info.signal;
    let (Some(process), Some(task)) = (process_of(k, target), representative(k, target)) else {
        return Ok(false);
    };
    if signal == 0 || signal > LAST {
        return Ok(false);
    }
    let ended = (k.tasks.processes.get(process)).is_none_or(|p| p.ending.is_some());
    if ended || !k.tasks.is_alive(task) {
        return Ok(false);
    }
    settle_stops(k, process, signal);
    if is_dropped(k, process, task, signal, force) {
        return Ok(false);
    }
    queue(k, target, process, info, timer)?;
    k.waits.wake(WaitKey::Signals(process));
    wake(k, target, process, signal);
    Ok(true)
}

/// A stop signal takes back a pending SIGCONT and the other way round; SIGCONT continues at once,
/// even when it is blocked or ignored.
fn settle_stops(k: &mut Kernel, process: ProcessId, signal: u32) {
    let takes_back = if bit(signal) & STOPPING != 0 {
        bit(linux::SIGCONT)
    } else if signal == linux::SIGCONT {
        STOPPING
    } else {
        return;
    };
    let threads: alloc::vec::Vec<TaskId> = k.tasks.live_threads(process).collect();
    for task in threads {
        discard(k, task, takes_back);
    }
    if signal == linux::SIGCONT {
        stop::resume(k, process);
    }
}

fn is_dropped(k: &Kernel, process: ProcessId, task: TaskId, signal: u32, force: bool) -> bool {
    let Some(task_data) = k.tasks.tasks.get(task) else {
        return true;
    };
    let unkillable = (k.tasks.processes.get(process)).is_some_and(|p| p.unkillable);
    is_ignored(
        signal,
        task_data.mask,
        action(k, task, signal),
        unkillable,
        force,
    )
}

/// Whether a signal comes to nothing at once. One that is blocked waits: it may be caught later.
fn is_ignored(signal: u32, mask: u64, action: Action, unkillable: bool, force: bool) -> bool {
    let must = bit(signal) & UNBLOCKABLE != 0;
    if unkillable && action.handler == DEFAULT && !(must && force) {
        // An init's default actions are switched off: only its namespace's outside can end it.
        return must || mask & bit(signal) == 0;
    }
    if mask & bit(signal) != 0 {
        return false;
    }
    match action.handler {
        IGNORE => true,
        DEFAULT => default_action(signal) == Reaction::Ignore,
        _ => false,
    }
}

fn queue(
    k: &mut Kernel,
    target: Target,
    process: ProcessId,
    info: SigInfo,
    timer: Option<TimerId>,
) -> Result<(), Errno> {
    let waits = pending_of(k, target).is_some_and(|p| p.set & bit(info.signal) != 0);
    let paid = match timer {
        Some(timer) => Paid::Timer(timer),
        // One of each is enough.
        None if info.signal < FIRST_REALTIME && waits => return Ok(()),
        None if info.signal < FIRST_REALTIME => Paid::Nobody,
        None => match pay(k, process) {
            Some(paid) => paid,
            // kill(2) never fails for want of room: the signal is pending, without its information.
            None if info.code == code::USER && waits => return Ok(()),
            None if info.code == code::USER => Paid::Nobody,
            None => return Err(Errno::EAGAIN),
        },
    };
    // It exists: whoever sends has looked.
    if let Some(pending) = pending_of(k, target) {
        pending.push(info, paid);
    }
    Ok(())
}

fn pending_of(k: &mut Kernel, target: Target) -> Option<&mut Signals> {
    match target {
        Target::Process(process) => k.tasks.processes.get_mut(process).map(|p| &mut p.pending),
        Target::Task(task) => k.tasks.tasks.get_mut(task).map(|t| &mut t.pending),
    }
}

/// Charges a queued signal to the receiver's group and its user (RLIMIT_SIGPENDING).
fn pay(k: &mut Kernel, process: ProcessId) -> Option<Paid> {
    let most = limits::soft(k, process, linux::RLIMIT_SIGPENDING);
    let leader = k.tasks.tasks.get(k.tasks.leader(process)?)?;
    let (group, uid) = (leader.group.key(), leader.cred.uid);
    if k.tasks.signals_of(uid) >= most {
        return None;
    }
    let charge = k.groups.charge(group, QUEUED_COST).ok()?;
    k.tasks.count_signal(uid, true);
    Some(Paid::By(charge, uid))
}

fn wake(k: &mut Kernel, target: Target, process: ProcessId, signal: u32) {
    let threads: alloc::vec::Vec<TaskId> = k.tasks.live_threads(process).collect();
    if signal == linux::SIGKILL {
        for task in threads {
            control::doom(k, task);
            make_ready(k, task);
        }
        return;
    }
    let takes = |k: &Kernel, task: TaskId| {
        (k.tasks.tasks.get(task)).is_some_and(|t| bit(signal) & (!t.mask | t.sigwait) != 0)
    };
    let taker = match target {
        Target::Task(task) => takes(k, task).then_some(task),
        Target::Process(_) => threads.into_iter().find(|t| takes(k, *t)),
    };
    let Some(taker) = taker else {
        return;
    };
    if ends(k, process, taker, signal) {
        control::doom(k, taker);
    }
    let waits_for_it = (k.tasks.tasks.get(taker)).is_some_and(|t| t.sigwait & bit(signal) != 0);
    if waits_for_it || interrupts(k, taker) {
        k.waits.wake_task(taker);
    }
}

/// Whether this signal will end the process of a task, so that not even a frozen group keeps it:
/// as on Linux not when it would dump core.
fn ends(k: &Kernel, process: ProcessId, taker: TaskId, signal: u32) -> bool {
    let unkillable = (k.tasks.processes.get(process)).is_some_and(|p| p.unkillable);
    let waited_for = (k.tasks.tasks.get(taker)).is_some_and(|t| t.sigwait & bit(signal) != 0);
    action(k, taker, signal).handler == DEFAULT
        && default_action(signal) == Reaction::End
        && bit(signal) & DUMPING == 0
        && !unkillable
        && !waited_for
}

/// Lets a task run to its end, whatever keeps it.
pub fn make_ready(k: &mut Kernel, task: TaskId) {
    let Some(state) = k.tasks.tasks.get(task).map(|t| t.state) else {
        return;
    };
    match state {
        RunState::Parked => k.waits.wake_task(task),
        RunState::Stopped | RunState::Embryo => k.set_runnable(task),
        RunState::Runnable | RunState::Dead => {}
    }
}

/// Sends a signal that this thread caused itself by a fault: forced through masks and ignores.
pub fn force(k: &mut Kernel, cx: &mut Cx, info: SigInfo) {
    let signal = info.signal;
    let mut action = action(k, cx.task, signal);
    let Some(task) = k.tasks.tasks.get_mut(cx.task) else {
        return;
    };
    if task.mask & bit(signal) != 0 || action.handler == IGNORE {
        action = Action::default();
        task.mask &= !bit(signal);
        let handlers = task.handlers.as_ref().map(|h| h.key());
        if let Some(handlers) = handlers.and_then(|h| k.tasks.handlers.get_mut(h)) {
            handlers.set(signal, action);
        }
    }
    if action.handler == DEFAULT {
        if let Some(process) = k.tasks.processes.get_mut(task.process) {
            process.unkillable = false;
        }
    }
    discard_own(k, cx.task, bit(signal));
    if let Some(task) = k.tasks.tasks.get_mut(cx.task) {
        task.pending.push(info, Paid::Nobody);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAUGHT: Action = Action {
        handler: 0x1000,
        flags: 0,
        restorer: 0,
        mask: 0,
    };
    const IGNORING: Action = Action {
        handler: IGNORE,
        flags: 0,
        restorer: 0,
        mask: 0,
    };
    const TERM: u32 = linux::SIGTERM;
    const KILL: u32 = linux::SIGKILL;

    #[test]
    fn what_is_ignored_is_dropped_unless_blocked() {
        let plain = Action::default();
        assert!(is_ignored(TERM, 0, IGNORING, false, false));
        assert!(!is_ignored(TERM, bit(TERM), IGNORING, false, false));
        assert!(!is_ignored(TERM, 0, plain, false, false));
        assert!(is_ignored(linux::SIGCHLD, 0, plain, false, false));
        assert!(!is_ignored(linux::SIGCHLD, 0, CAUGHT, false, false));
    }

    #[test]
    fn an_init_takes_from_inside_only_what_it_catches() {
        let plain = Action::default();
        assert!(is_ignored(TERM, 0, plain, true, false));
        assert!(is_ignored(KILL, 0, plain, true, false));
        assert!(is_ignored(linux::SIGSTOP, u64::MAX, plain, true, false));
        assert!(!is_ignored(TERM, 0, CAUGHT, true, false));
        // From outside SIGKILL and SIGSTOP get through, the others do not.
        assert!(!is_ignored(KILL, 0, plain, true, true));
        assert!(is_ignored(TERM, 0, plain, true, true));
    }
}
