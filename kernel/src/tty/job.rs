//! Job control: which session a terminal controls, who may use it, who gets its signals
//! (credentials(7), "Sessions and process groups"; ioctl_tty(2)).

use super::{Kind, Seat, TtyId, pty};
use crate::arena::Held;
use crate::error::{Errno, Stop};
use crate::task::signal::{self, IGNORE, SigInfo};
use crate::task::{PidId, Process, ProcessId, TaskId, pid, stop};
use crate::wait::{Pending, Restart, Resume, WaitKey};
use crate::{Cx, Kernel};
use linux_raw_sys::general as linux;

/// The controlling terminal of a process.
pub fn controlling(k: &Kernel, process: ProcessId) -> Option<TtyId> {
    controlling_process(k, k.tasks.processes.get(process)?)
}

/// The controlling terminal of this process.
pub fn controlling_process(k: &Kernel, process: &Process) -> Option<TtyId> {
    let seat = process.terminal?;
    let tty = k.terminals.table.get(seat.tty)?;
    (tty.seat == seat.number).then_some(seat.tty)
}

/// The controlling terminal of a task's process.
pub fn controlling_of(k: &Kernel, task: TaskId) -> Option<TtyId> {
    controlling(k, k.tasks.tasks.get(task)?.process)
}

/// Whether a process leads its session.
fn leads(k: &Kernel, process: ProcessId) -> bool {
    (k.tasks.processes.get(process)).is_some_and(|p| p.session.key() == p.pid)
}

/// Whether opening a terminal makes it the opener's.
pub(super) fn may_acquire(k: &Kernel, task: TaskId, id: TtyId) -> bool {
    let Some(process) = k.tasks.tasks.get(task).map(|t| t.process) else {
        return false;
    };
    leads(k, process)
        && controlling(k, process).is_none()
        && (k.terminals.get(id)).is_ok_and(|tty| tty.session.is_none())
}

/// Makes a terminal the controlling one of a task's session, with its process group in front.
pub(super) fn acquire(k: &mut Kernel, task: TaskId, id: TtyId) {
    vacate(k, id);
    let Ok((process, own)) = k.tasks.process_of(task) else {
        return;
    };
    let (session, group) = (own.session.key(), own.group.key());
    let session = pid::hold(&mut k.tasks, session);
    let group = pid::hold(&mut k.tasks, group);
    let mut seat = None;
    if let Some(tty) = k.terminals.table.get_mut(id) {
        (tty.session, tty.foreground) = (session, group);
        seat = Some(Seat {
            tty: id,
            number: tty.seat,
        });
    }
    if let Some(process) = k.tasks.processes.get_mut(process) {
        process.terminal = seat;
    }
}

/// Takes a terminal from the session that it controls, if there is one.
fn vacate(k: &mut Kernel, id: TtyId) {
    let Some(tty) = k.terminals.table.get_mut(id) else {
        return;
    };
    tty.seat = tty.seat.wrapping_add(1);
    let numbers = [tty.session.take(), tty.foreground.take()];
    for number in numbers.into_iter().flatten() {
        pid::release(k, number);
    }
}

/// Puts another process group in front.
pub(super) fn set_foreground(k: &mut Kernel, id: TtyId, group: PidId) {
    let Some(group) = pid::hold(&mut k.tasks, group) else {
        return;
    };
    let old = match k.terminals.table.get_mut(id) {
        Some(tty) => tty.foreground.replace(group),
        None => Some(group),
    };
    if let Some(old) = old {
        pid::release(k, old);
    }
}

/// The process group in front.
pub fn foreground(k: &Kernel, id: TtyId) -> Option<PidId> {
    let tty = k.terminals.table.get(id)?;
    tty.foreground.as_ref().map(Held::key)
}

/// Sends a signal of the terminal to the process group in front.
pub(super) fn signal_foreground(k: &mut Kernel, id: TtyId, signal: u32) {
    if let Some(group) = foreground(k, id) {
        signal::send_group(k, group, SigInfo::kernel(signal));
    }
}

/// Whether the caller may use its controlling terminal now: one in the background gets `signal`
/// (SIGTTIN to read, SIGTTOU to change) and makes its call again once it is continued.
///
/// # Errors
/// EIO for who cannot be stopped: an orphaned group, or one that reads and takes no SIGTTIN;
/// waits.
pub(super) fn in_front(k: &mut Kernel, cx: &Cx, id: TtyId, signal: u32) -> Result<(), Stop> {
    let (process, own) = k.tasks.process_of(cx.task)?;
    let group = own.group.key();
    if controlling(k, process) != Some(id) || foreground(k, id).is_none_or(|g| g == group) {
        return Ok(());
    }
    let held_back = k.tasks.task(cx.task)?.mask & signal::bit(signal) != 0;
    if held_back || signal::action(k, cx.task, signal).handler == IGNORE {
        return match signal {
            linux::SIGTTIN => Err(Errno::EIO.into()),
            _ => Ok(()),
        };
    }
    if stop::is_orphaned(k, cx.task) {
        return Err(Errno::EIO.into());
    }
    signal::send_group(k, group, SigInfo::kernel(signal));
    // Should another thread take the signal, this one tries again at once.
    let resume = Resume {
        word: 0,
        ..cx.resume.unwrap_or_default()
    };
    Err(Stop::Wait(Pending::turn(Restart::Sys).with(resume)))
}

/// Hangs a terminal up: files open on its line are dead, its session has lost it and is told; at
/// the `end` of the session the group in front is told as well.
pub fn hang_up(k: &mut Kernel, id: TtyId, end: bool) {
    let Some(tty) = k.terminals.table.get_mut(id) else {
        return;
    };
    tty.life = tty.life.wrapping_add(1);
    tty.users = 0;
    tty.exclusive = false;
    match &mut tty.kind {
        Kind::Serial(_) => tty.line.hang_up(None),
        Kind::Pty(pty) => {
            pty.closed = true;
            tty.line.hang_up(Some(pty::settings()));
        }
    }
    let session = tty.session.as_ref().map(Held::key);
    let group = foreground(k, id);
    let leader = session.and_then(|s| k.tasks.pids.get(s)?.process);
    if let Some(leader) = leader {
        signal::send_process(k, leader, SigInfo::kernel(linux::SIGHUP));
        signal::send_process(k, leader, SigInfo::kernel(linux::SIGCONT));
        if let Some(leader) = k.tasks.processes.get_mut(leader) {
            leader.lost_group = group;
        }
    }
    if end {
        signal_foreground(k, id, linux::SIGHUP);
    }
    vacate(k, id);
    k.waits.wake(WaitKey::Terminal(id));
}

/// A process ends: if it leads a session, that loses its terminal.
pub fn leader_ended(k: &mut Kernel, process: ProcessId) {
    if !leads(k, process) {
        return;
    }
    let Some(id) = controlling(k, process) else {
        let lost = k.tasks.processes.get_mut(process);
        if let Some(group) = lost.and_then(|p| p.lost_group.take()) {
            signal::send_group(k, group, SigInfo::kernel(linux::SIGHUP));
            signal::send_group(k, group, SigInfo::kernel(linux::SIGCONT));
        }
        return;
    };
    if (k.terminals.get(id)).is_ok_and(|tty| matches!(tty.kind, Kind::Serial(_))) {
        hang_up(k, id, true);
    } else {
        signal_foreground(k, id, linux::SIGHUP);
        vacate(k, id);
    }
}

/// The caller gives its controlling terminal up (TIOCNOTTY); if it leads the session, for all.
pub(super) fn give_up(k: &mut Kernel, task: TaskId, id: TtyId) -> Result<(), Errno> {
    let process = k.tasks.task(task)?.process;
    if controlling(k, process) != Some(id) {
        return Err(Errno::ENOTTY);
    }
    if leads(k, process) {
        signal_foreground(k, id, linux::SIGHUP);
        signal_foreground(k, id, linux::SIGCONT);
        vacate(k, id);
    }
    k.tasks.process_of_mut(task)?.terminal = None;
    Ok(())
}

/// The caller, who leads a session without a terminal, takes this one (TIOCSCTTY): with `steal`
/// and CAP_SYS_ADMIN also from another session.
pub(super) fn take(
    k: &mut Kernel,
    task: TaskId,
    id: TtyId,
    steal: bool,
    reads: bool,
) -> Result<(), Errno> {
    let (process, own) = k.tasks.process_of(task)?;
    let session = k.terminals.get(id)?.session.as_ref().map(Held::key);
    let (leads, own) = (leads(k, process), own.session.key());
    if leads && session == Some(own) {
        return Ok(());
    }
    if !leads || controlling(k, process).is_some() {
        return Err(Errno::EPERM);
    }
    let privileged = k.tasks.task(task)?.cred.capable(linux::CAP_SYS_ADMIN);
    if (session.is_some() && !(steal && privileged)) || (!reads && !privileged) {
        return Err(Errno::EPERM);
    }
    acquire(k, task, id);
    Ok(())
}
