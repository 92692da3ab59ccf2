//! Process groups and sessions (setpgid(2), setsid(2)).

use super::{PidId, ProcessId, TaskId, pid};
use crate::Kernel;
use crate::arena::Held;
use crate::error::Errno;

/// Moves a process into another process group.
fn move_to(k: &mut Kernel, id: ProcessId, group: Held<PidId>) {
    let key = group.key();
    let old = match k.tasks.processes.get_mut(id) {
        Some(process) => core::mem::replace(&mut process.group, group),
        None => group,
    };
    if let Some(old) = k.tasks.pids.get_mut(old.key()) {
        old.members.remove(&id);
    }
    if let Some(new) = k.tasks.pids.get_mut(key) {
        new.members.insert(id);
    }
    pid::release(k, old);
}

/// setpgid: puts process number `number` (0 for the caller) into group `group` (0 for one of its
/// own).
///
/// # Errors
/// EINVAL, ESRCH for a process that is neither the caller nor its child, EACCES for a child that
/// has executed a program, EPERM for session leaders and groups of other sessions.
pub fn set_group(k: &mut Kernel, caller: TaskId, number: u32, group: u32) -> Result<(), Errno> {
    let ns = crate::ns::pid::of_task(k, caller).ok_or(Errno::ESRCH)?;
    let (own, this) = k.tasks.process_of(caller)?;
    let id = match number {
        0 => own,
        _ => pid::find_process(k, ns, number).ok_or(Errno::ESRCH)?,
    };
    let process = k.tasks.processes.get(id).ok_or(Errno::ESRCH)?;
    if process.parent == Some(own) {
        if process.session != this.session {
            return Err(Errno::EPERM);
        }
        if process.has_executed {
            return Err(Errno::EACCES);
        }
    } else if id != own {
        return Err(Errno::ESRCH);
    }
    if process.session.key() == process.pid {
        return Err(Errno::EPERM);
    }
    let target = match group {
        0 => process.pid,
        _ => pid::find(k, ns, group).ok_or(Errno::EPERM)?,
    };
    if target != process.pid && !is_group_of_session(k, target, process.session.key()) {
        return Err(Errno::EPERM);
    }
    let held = pid::hold(&mut k.tasks, target).ok_or(Errno::EPERM)?;
    move_to(k, id, held);
    Ok(())
}

/// Whether a group has a member in a session.
pub fn is_group_of_session(k: &Kernel, group: PidId, session: PidId) -> bool {
    let members = k.tasks.pids.get(group).map(|pid| &pid.members);
    let mut members = members.into_iter().flatten();
    members.any(|m| (k.tasks.processes.get(*m)).is_some_and(|p| p.session.key() == session))
}

/// setsid: the caller leads a new session and a new group in it.
///
/// # Errors
/// EPERM when there is a process group with its number already.
pub fn new_session(k: &mut Kernel, caller: TaskId) -> Result<(), Errno> {
    let (id, process) = k.tasks.process_of(caller)?;
    let own = process.pid;
    let leads = (k.tasks.pids.get(own)).is_some_and(|pid| !pid.members.is_empty());
    if leads || process.session.key() == own {
        return Err(Errno::EPERM);
    }
    let group = pid::hold(&mut k.tasks, own).ok_or(Errno::ESRCH)?;
    let session = k.tasks.pids.share(&group);
    move_to(k, id, group);
    let old = match k.tasks.processes.get_mut(id) {
        Some(process) => {
            process.terminal = None;
            core::mem::replace(&mut process.session, session)
        }
        None => session,
    };
    pid::release(k, old);
    Ok(())
}
