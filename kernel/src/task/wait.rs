//! Waiting for children (wait(2), waitid(2)).

use super::signal::{self, IGNORE, SigInfo, code};
use super::{Ended, PidId, Process, ProcessId, Report, TaskId, exit, pid};
use crate::Kernel;
use crate::error::Errno;
use crate::wait::WaitKey;
use linux_raw_sys::general as linux;

/// Nanoseconds in a clock tick of 1/100 s (times(2), _SC_CLK_TCK).
pub const TICK: u64 = 10_000_000;

/// Which children.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    /// Every child.
    Any,
    /// The one with this number.
    Pid(PidId),
    /// Those of a process group.
    Group(PidId),
}

/// What is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Which children.
    pub who: Who,
    /// WEXITED.
    pub ended: bool,
    /// WSTOPPED.
    pub stopped: bool,
    /// WCONTINUED.
    pub continued: bool,
    /// Children whose end sends SIGCHLD; `None` for all (__WALL), false for the others (__WCLONE).
    pub by_sigchld: Option<bool>,
    /// Only children of this thread (__WNOTHREAD).
    pub of_thread: Option<TaskId>,
}

/// What a child did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// It ended.
    Ended(Ended),
    /// It stopped, by this signal.
    Stopped(u8),
    /// It was continued.
    Continued,
}

impl Event {
    /// The status word of wait4.
    pub fn wait_status(self) -> u32 {
        match self {
            Event::Ended(ended) => ended.wait_status(),
            Event::Stopped(signal) => u32::from(signal) << 8 | 0x7f,
            Event::Continued => 0xffff,
        }
    }

    /// si_code and si_status of waitid.
    pub fn code_and_status(self) -> (i32, u32) {
        match self {
            Event::Ended(Ended::Code(code)) => (code::CLD_EXITED, u32::from(code)),
            Event::Ended(Ended::Signal(signal)) => (code::CLD_KILLED, u32::from(signal)),
            Event::Stopped(signal) => (code::CLD_STOPPED, u32::from(signal)),
            Event::Continued => (code::CLD_CONTINUED, linux::SIGCONT),
        }
    }
}

/// Whether a child with this exit signal is among those waited for.
fn is_eligible(wanted: &Wanted, child: &Process) -> bool {
    let right_kind = match wanted.by_sigchld {
        Some(by_sigchld) => (child.exit_signal == linux::SIGCHLD) == by_sigchld,
        None => true,
    };
    let right_thread = wanted.of_thread.is_none() || wanted.of_thread == child.parent_thread;
    right_kind
        && right_thread
        && match wanted.who {
            Who::Any => true,
            Who::Pid(pid) => child.pid == pid,
            Who::Group(group) => child.group.key() == group,
        }
}

fn event_of(wanted: &Wanted, child: &Process) -> Option<Event> {
    if let Some(ended) = child.ended {
        return wanted.ended.then_some(Event::Ended(ended));
    }
    match child.report? {
        Report::Stopped(signal) => wanted.stopped.then_some(Event::Stopped(signal)),
        Report::Continued => wanted.continued.then_some(Event::Continued),
    }
}

/// The first child that has something to tell.
///
/// # Errors
/// ECHILD when there is no child to wait for.
pub fn find(
    k: &Kernel,
    parent: ProcessId,
    wanted: &Wanted,
) -> Result<Option<(ProcessId, Event)>, Errno> {
    let processes = &k.tasks.processes;
    let parent = processes.get(parent).ok_or(Errno::ECHILD)?;
    let mut any = false;
    for &id in &parent.children {
        let Some(child) = processes.get(id).filter(|c| is_eligible(wanted, c)) else {
            continue;
        };
        any = true;
        if let Some(event) = event_of(wanted, child) {
            return Ok(Some((id, event)));
        }
    }
    if any { Ok(None) } else { Err(Errno::ECHILD) }
}

/// Takes what was told: a zombie is reaped, its times go to the parent.
pub fn consume(k: &mut Kernel, parent: ProcessId, child: ProcessId, event: Event) {
    let Some(process) = k.tasks.processes.get_mut(child) else {
        return;
    };
    process.report = None;
    if !matches!(event, Event::Ended(_)) {
        return;
    }
    let (own, below) = (process.times, process.child_times);
    let used = process.usage.and(process.child_usage);
    if let Some(parent) = k.tasks.processes.get_mut(parent) {
        let times = &mut parent.child_times;
        times.0 = times.0.saturating_add(own.0).saturating_add(below.0);
        times.1 = times.1.saturating_add(own.1).saturating_add(below.1);
        parent.child_usage = parent.child_usage.and(used);
    }
    exit::reap(k, child);
}

/// SIGCHLD's information about a child, as its parent sees it.
pub fn child_info(k: &Kernel, child: ProcessId, code: i32, status: u32) -> SigInfo {
    let tasks = &k.tasks;
    let process = tasks.processes.get(child);
    let leader = process.and_then(|p| tasks.tasks.get(*p.threads.first()?));
    let ns = process
        .and_then(|p| p.parent)
        .and_then(|p| pid::namespace_of(tasks, p));
    let times = process.map_or((0, 0), |p| p.times);
    SigInfo {
        signal: process.map_or(0, |p| p.exit_signal),
        code,
        pid: ns.map_or(0, |ns| pid::process_number(tasks, child, ns)),
        uid: leader.map_or(0, |t| t.cred.uid),
        value: u64::from(status),
        times: (times.0 / TICK, times.1 / TICK),
        ..SigInfo::default()
    }
}

/// Tells the parent that a child stopped or continued: SIGCHLD unless it does not care, and those
/// who wait.
pub fn tell_parent(k: &mut Kernel, child: ProcessId, code: i32, status: u32) {
    let Some(parent) = k.tasks.processes.get(child).and_then(|p| p.parent) else {
        return;
    };
    let action = action_of(k, parent);
    let cares = !action.has(linux::SA_NOCLDSTOP);
    if action.handler != IGNORE && cares {
        let info = SigInfo {
            signal: linux::SIGCHLD,
            ..child_info(k, child, code, status)
        };
        signal::send_process(k, parent, info);
    }
    k.waits.wake(WaitKey::Child(parent));
}

/// What a parent does about SIGCHLD.
fn action_of(k: &Kernel, parent: ProcessId) -> signal::Action {
    let thread = k.tasks.live_threads(parent).next();
    thread.map_or_else(signal::Action::default, |t| {
        signal::action(k, t, linux::SIGCHLD)
    })
}

/// Tells the parent of a process that has ended. Returns whether nobody is going to wait for it,
/// so that it is to be reaped at once (wait(2), SA_NOCLDWAIT and ignored SIGCHLD).
pub fn tell_end(k: &mut Kernel, child: ProcessId, ended: Ended) -> bool {
    let Some(process) = k.tasks.processes.get(child) else {
        return false;
    };
    let Some(parent) = process.parent else {
        return true;
    };
    let (code, status) = Event::Ended(ended).code_and_status();
    let info = child_info(k, child, code, status);
    let (mut unwanted, mut ignored) = (false, info.signal == 0);
    if info.signal == linux::SIGCHLD {
        let action = action_of(k, parent);
        ignored = action.handler == IGNORE;
        unwanted = ignored || action.has(linux::SA_NOCLDWAIT);
    }
    if !ignored {
        signal::send_process(k, parent, info);
    }
    k.waits.wake(WaitKey::Child(parent));
    unwanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_words_are_those_of_wait_2() {
        assert_eq!(Event::Ended(Ended::Code(3)).wait_status(), 0x300);
        assert_eq!(Event::Ended(Ended::Signal(9)).wait_status(), 9);
        assert_eq!(Event::Stopped(19).wait_status(), 0x137f);
        assert_eq!(Event::Continued.wait_status(), 0xffff);
    }

    #[test]
    fn waitid_tells_how() {
        let killed = Event::Ended(Ended::Signal(15));
        assert_eq!(killed.code_and_status(), (code::CLD_KILLED, 15));
        assert_eq!(Event::Continued.code_and_status(), (6, 18));
    }
}
