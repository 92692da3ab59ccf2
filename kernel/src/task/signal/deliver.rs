//! Delivering: what happens to a task that is about to return to user mode.

use super::{
    Action, DEFAULT, IGNORE, Reaction, SigInfo, UNBLOCKABLE, bit, default_action, discard, frame,
    take,
};
use crate::error::{Errno, Stop};
use crate::task::{Ended, RunState, TaskId, exit, stop};
use crate::wait::Restart;
use crate::{Cx, Kernel};
use linux_raw_sys::general as linux;

/// What delivering did to the task that was about to run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivered {
    /// Nothing, or a frame was built: it runs.
    Runs,
    /// It stopped or ended: somebody else runs.
    Gone,
}

/// Delivers what is pending to `cx.task`, about to return to user mode: default actions, or a
/// frame for a handler. A call it was parked in ends with EINTR or is made again, by its restart
/// class.
pub fn deliver(k: &mut Kernel, cx: &mut Cx) -> Delivered {
    while let Some(step) = next(k, cx.task, cx.now) {
        if !matches!(step, Step::Handle(..)) {
            interrupt(k, cx.task);
        }
        match step {
            Step::Drop => {}
            Step::Stop => {
                stop::stop_task(k, cx.task);
                return Delivered::Gone;
            }
            Step::StopAll(signal) => stop::stop_process(k, cx.task, signal),
            Step::End(signal) => {
                exit::end_process_of(k, cx, Ended::Signal(signal));
                return Delivered::Gone;
            }
            Step::Handle(info, action) => handle(k, cx, &info, &action),
        }
    }
    let alive = (k.tasks.tasks.get(cx.task)).is_some_and(|t| t.state == RunState::Runnable);
    if alive {
        Delivered::Runs
    } else {
        Delivered::Gone
    }
}

enum Step {
    /// The signal comes to nothing.
    Drop,
    /// This thread stops, as its process does.
    Stop,
    /// The process begins to stop.
    StopAll(u8),
    /// The process ends.
    End(u8),
    /// A handler runs.
    Handle(SigInfo, Action),
}

/// Takes the next pending signal and decides about it; `None` when there is nothing (more).
fn next(k: &mut Kernel, id: TaskId, now: u64) -> Option<Step> {
    let task = k.tasks.tasks.get(id)?;
    let process = k.tasks.processes.get(task.process)?;
    if task.state == RunState::Dead {
        return None;
    }
    let killed = (task.pending.set | process.pending.set) & bit(linux::SIGKILL) != 0;
    if killed {
        return Some(Step::End(linux::SIGKILL as u8));
    }
    let call = task.call.as_ref();
    if call.is_some_and(|call| call.restart == Restart::Killable) || task.mm.is_none() {
        return None;
    }
    if process.stop.is_some() {
        return Some(Step::Stop);
    }
    let (wanted, unkillable) = (!(task.mask & !UNBLOCKABLE), process.unkillable);
    if (task.pending.set | process.pending.set) & wanted == 0 {
        return None;
    }
    let info = take(k, id, wanted, now)?;
    let action = take_action(k, id, info.signal);
    Some(decide(k, id, info, action, unkillable))
}

/// The action for a signal about to be delivered; SA_RESETHAND takes effect here.
fn take_action(k: &mut Kernel, id: TaskId, signal: u32) -> Action {
    let handlers = k.tasks.tasks.get(id).and_then(|t| t.handlers.as_ref());
    let key = handlers.map(|h| h.key());
    let Some(handlers) = key.and_then(|h| k.tasks.handlers.get_mut(h)) else {
        return Action::default();
    };
    let action = handlers.get(signal);
    if action.handler > IGNORE && action.has(linux::SA_RESETHAND) {
        let reset = Action {
            handler: DEFAULT,
            ..action
        };
        handlers.set(signal, reset);
    }
    action
}

fn decide(k: &Kernel, id: TaskId, info: SigInfo, action: Action, unkillable: bool) -> Step {
    let must = bit(info.signal) & UNBLOCKABLE != 0;
    match action.handler {
        IGNORE => return Step::Drop,
        DEFAULT => {}
        _ => return Step::Handle(info, action),
    }
    // What reached an init's queue of the unblockable two came from outside.
    if unkillable && !must {
        return Step::Drop;
    }
    let signal = info.signal as u8;
    match default_action(info.signal) {
        Reaction::Ignore => Step::Drop,
        Reaction::End => Step::End(signal),
        // Job control stops make no sense where no shell could continue the group.
        Reaction::Stop if !must && stop::is_orphaned(k, id) => Step::Drop,
        Reaction::Stop => Step::StopAll(signal),
    }
}

/// Runs a handler: ends or rewinds the interrupted call, builds the frame.
fn handle(k: &mut Kernel, cx: &mut Cx, info: &SigInfo, action: &Action) {
    let saved_mask = end_call(k, cx.task, action);
    let mask = match (saved_mask, k.tasks.tasks.get(cx.task)) {
        (Some(mask), _) => mask,
        (None, Some(task)) => task.mask,
        (None, None) => return,
    };
    loop {
        match frame::build(k, cx, info, action, mask) {
            Ok(()) => break,
            Err(Stop::NoMem(no_mem)) => {
                if !k.make_room(cx.m, no_mem) {
                    super::force(k, cx, SigInfo::kernel(linux::SIGKILL));
                    return;
                }
                // The room may have been this process's.
                if !k.tasks.is_alive(cx.task) {
                    return;
                }
            }
            Err(_) => {
                bad_frame(k, cx, info.signal);
                return;
            }
        }
    }
    if let Some(task) = k.tasks.tasks.get_mut(cx.task) {
        let own = if action.has(linux::SA_NODEFER) {
            0
        } else {
            bit(info.signal)
        };
        task.mask = (task.mask | action.mask | own) & !UNBLOCKABLE;
    }
}

/// Kills by SIGSEGV a task whose signal frame is nowhere to be put or read. A handler for SIGSEGV
/// itself is not tried again (force_sigsegv).
pub fn bad_frame(k: &mut Kernel, cx: &mut Cx, during: u32) {
    if during == linux::SIGSEGV {
        let handlers = k.tasks.tasks.get(cx.task).and_then(|t| t.handlers.as_ref());
        let key = handlers.map(|h| h.key());
        if let Some(handlers) = key.and_then(|h| k.tasks.handlers.get_mut(h)) {
            handlers.set(linux::SIGSEGV, Action::default());
        }
    }
    super::force(k, cx, SigInfo::kernel(linux::SIGSEGV));
}

/// Ends a call that even a signal without a handler interrupts.
fn interrupt(k: &mut Kernel, id: TaskId) {
    let Some(task) = k.tasks.tasks.get_mut(id) else {
        return;
    };
    let call = task.call.take_if(|call| call.restart == Restart::Never);
    let Some(call) = call else {
        return;
    };
    task.sigwait = 0;
    task.regs.rax = Errno::EINTR.negative();
    if let Some(mask) = call.resume.and_then(|r| r.saved_mask) {
        task.mask = mask;
    }
}

/// Ends the call that a handler interrupts: with what it has done, EINTR, or so that it is made
/// again after the handler. Returns the mask that the call would have put back.
fn end_call(k: &mut Kernel, id: TaskId, action: &Action) -> Option<u64> {
    let task = k.tasks.tasks.get_mut(id)?;
    let call = task.call.take()?;
    task.sigwait = 0;
    let resume = call.resume.unwrap_or_default();
    let again = match call.restart {
        Restart::NoIntr | Restart::Killable => true,
        Restart::Sys => action.has(linux::SA_RESTART),
        Restart::NoHand | Restart::Block | Restart::Never => false,
    };
    if resume.done > 0 {
        task.regs.rax = resume.done;
    } else if again {
        // The `syscall` instruction is two bytes long.
        task.regs.rip = task.regs.rip.wrapping_sub(2);
        task.regs.rax = call.number;
    } else {
        task.regs.rax = Errno::EINTR.negative();
    }
    resume.saved_mask
}

/// Changes the action for a signal; pending ones that are now ignored are gone (POSIX).
pub fn set_action(k: &mut Kernel, id: TaskId, signal: u32, new: Action) {
    let Some(task) = k.tasks.tasks.get(id) else {
        return;
    };
    let process = task.process;
    let key = task.handlers.as_ref().map(|h| h.key());
    if let Some(handlers) = key.and_then(|h| k.tasks.handlers.get_mut(h)) {
        handlers.set(signal, new);
    }
    let ignored = match new.handler {
        IGNORE => true,
        DEFAULT => default_action(signal) == Reaction::Ignore,
        _ => false,
    };
    if ignored {
        let threads: alloc::vec::Vec<TaskId> = k.tasks.live_threads(process).collect();
        for thread in threads {
            discard(k, thread, bit(signal));
        }
    }
}
