//! What a node of procfs is about: a process or a thread, as one pid namespace sees it.

use super::{Dir, instance, kind};
use crate::Kernel;
use crate::error::Errno;
use crate::fs::ViewNode;
use crate::ns::PidNsId;
use crate::task::{Cred, PidId, Process, ProcessId, Task, TaskId};
use crate::views::nsfs::{pack, unpack};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// A process, or one thread of it.
#[derive(Clone, Copy)]
pub(super) struct Subject {
    /// Its number.
    pub(super) pid: PidId,
    /// The process.
    pub(super) process: ProcessId,
    /// The thread, or the process's first; `None` when that is gone already.
    pub(super) task: Option<TaskId>,
    /// Whose numbers count.
    pub(super) instance: PidNsId,
}

impl Subject {
    /// The subject of a node.
    ///
    /// # Errors
    /// ESRCH when it is gone, or has no number in the node's pid namespace.
    pub(super) fn of(k: &Kernel, node: ViewNode) -> Result<Subject, Errno> {
        let id: PidId = unpack(node.object);
        let instance = instance(node);
        let pid = k.tasks.pids.get(id).ok_or(Errno::ESRCH)?;
        number_in(k, id, instance).ok_or(Errno::ESRCH)?;
        let of_task = pid.task.and_then(|t| k.tasks.tasks.get(t));
        let process = match (pid.process, of_task) {
            (Some(process), _) => process,
            (None, Some(task)) => task.process,
            (None, None) => return Err(Errno::ESRCH),
        };
        let first = k.tasks.processes.get(process).ok_or(Errno::ESRCH)?;
        Ok(Subject {
            pid: id,
            process,
            task: pid.task.or(first.threads.first().copied()),
            instance,
        })
    }

    /// The process.
    pub(super) fn process<'k>(&self, k: &'k Kernel) -> Result<&'k Process, Errno> {
        k.tasks.processes.get(self.process).ok_or(Errno::ESRCH)
    }

    /// The thread, or the process's first.
    pub(super) fn task<'k>(&self, k: &'k Kernel) -> Result<&'k Task, Errno> {
        self.task
            .and_then(|t| k.tasks.tasks.get(t))
            .ok_or(Errno::ESRCH)
    }

    /// A thread that still has its descriptors, memory and directories: the first may have ended
    /// while others run.
    pub(super) fn living<'k>(&self, k: &'k Kernel) -> Result<(TaskId, &'k Task), Errno> {
        let threads = &self.process(k)?.threads;
        self.task
            .iter()
            .chain(threads)
            .find_map(|id| {
                let task = k.tasks.tasks.get(*id)?;
                task.fs.is_some().then_some((*id, task))
            })
            .ok_or(Errno::ESRCH)
    }

    /// Its number in the namespace that looks.
    pub(super) fn number(&self, k: &Kernel) -> u32 {
        number_in(k, self.pid, self.instance).unwrap_or(0)
    }

    /// Another number as that namespace sees it; 0 for what it does not see.
    pub(super) fn see(&self, k: &Kernel, pid: PidId) -> u32 {
        number_in(k, pid, self.instance).unwrap_or(0)
    }

    /// A process's number as that namespace sees it; 0 for what it does not see.
    pub(super) fn see_process(&self, k: &Kernel, process: Option<ProcessId>) -> u32 {
        process
            .and_then(|p| k.tasks.processes.get(p))
            .map_or(0, |p| self.see(k, p.pid))
    }

    /// The numbers and pids of its process's threads.
    pub(super) fn threads(&self, k: &Kernel) -> Vec<(u32, PidId)> {
        let Ok(process) = self.process(k) else {
            return Vec::new();
        };
        process
            .threads
            .iter()
            .filter_map(|t| {
                let pid = k.tasks.tasks.get(*t)?.pid.key();
                Some((number_in(k, pid, self.instance)?, pid))
            })
            .collect()
    }

    /// Who its files belong to: its effective ids.
    pub(super) fn owner(&self, k: &Kernel) -> (u32, u32) {
        self.task(k)
            .map_or((0, 0), |task| (task.cred.euid, task.cred.egid))
    }

    /// Whether `who` may look into it: PTRACE_MODE_READ_FSCREDS (ptrace(2)).
    ///
    /// # Errors
    /// EACCES; ESRCH when it is gone.
    pub(super) fn check_access(&self, k: &Kernel, who: TaskId) -> Result<(), Errno> {
        let caller = k.tasks.tasks.get(who).ok_or(Errno::EACCES)?;
        if caller.process == self.process {
            return Ok(());
        }
        let target = self.task(k)?;
        if may_look(&caller.cred, &target.cred) {
            Ok(())
        } else {
            Err(Errno::EACCES)
        }
    }
}

fn has(cred: &Cred, capability: u32) -> bool {
    cred.caps.effective >> capability & 1 != 0
}

/// All of the target's ids are the caller's and it has no capability more, or the caller may
/// trace everybody.
fn may_look(caller: &Cred, target: &Cred) -> bool {
    let same_user = [target.uid, target.euid, target.suid] == [caller.fsuid; 3]
        && [target.gid, target.egid, target.sgid] == [caller.fsgid; 3];
    let no_more = target.caps.permitted & !caller.caps.permitted == 0;
    (same_user && no_more) || has(caller, linux::CAP_SYS_PTRACE)
}

/// The number of a pid in a namespace, if it has one there.
pub(super) fn number_in(k: &Kernel, pid: PidId, ns: PidNsId) -> Option<u32> {
    let numbers = &k.tasks.pids.get(pid)?.numbers;
    numbers.iter().find(|n| n.0 == ns).map(|n| n.1)
}

/// A decimal number without sign and leading zeros, as a directory has it.
pub(super) fn number(name: &[u8]) -> Option<u32> {
    if name.len() > 1 && name.first() == Some(&b'0') {
        return None;
    }
    if !name.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(name).ok()?.parse().ok()
}

/// The processes that a namespace sees: number and pid, ascending.
pub(super) fn numbers(k: &Kernel, ns: PidNsId) -> impl Iterator<Item = (u32, PidId)> {
    let numbers = k.ns.pid.get(ns).map(|ns| &ns.numbers);
    numbers
        .into_iter()
        .flatten()
        .map(|(number, pid)| (*number, *pid))
        .filter(|(_, pid)| k.tasks.pids.get(*pid).is_some_and(|p| p.process.is_some()))
}

/// The node of a directory about a pid.
pub(super) fn node_for(near: ViewNode, dir: Dir, pid: PidId) -> ViewNode {
    ViewNode {
        kind: kind(dir, 0),
        object: pack(pid),
        part: 0,
        ..near
    }
}

/// /proc/N: also found, though not listed, by the number of a thread that is not the first.
pub(super) fn process_node(k: &Kernel, root: ViewNode, number: u32) -> Result<ViewNode, Errno> {
    let ns = k.ns.pid.get(instance(root)).ok_or(Errno::ENOENT)?;
    let pid = *ns.numbers.get(&number).ok_or(Errno::ENOENT)?;
    let node = node_for(root, Dir::Process, pid);
    Subject::of(k, node).map_err(|_| Errno::ENOENT)?;
    Ok(node)
}

/// /proc/N/task/M.
pub(super) fn thread_node(k: &Kernel, tasks: ViewNode, number: u32) -> Result<ViewNode, Errno> {
    let subject = Subject::of(k, tasks)?;
    let ns = k.ns.pid.get(instance(tasks)).ok_or(Errno::ENOENT)?;
    let pid = *ns.numbers.get(&number).ok_or(Errno::ENOENT)?;
    let node = node_for(tasks, Dir::Thread, pid);
    let thread = Subject::of(k, node).map_err(|_| Errno::ENOENT)?;
    if thread.process != subject.process {
        return Err(Errno::ENOENT);
    }
    Ok(node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_numbers() {
        assert_eq!(number(b"1"), Some(1));
        assert_eq!(number(b"0"), Some(0));
        assert_eq!(number(b"01"), None);
        assert_eq!(number(b"+1"), None);
        assert_eq!(number(b""), None);
        assert_eq!(number(b"99999999999"), None);
    }

    #[test]
    fn who_may_look() {
        let user = |id| Cred {
            uid: id,
            euid: id,
            suid: id,
            fsuid: id,
            gid: id,
            egid: id,
            sgid: id,
            fsgid: id,
            ..Cred::default()
        };
        assert!(may_look(&user(7), &user(7)));
        assert!(!may_look(&user(7), &user(8)));
        let mut stronger = user(7);
        stronger.caps.permitted = 1;
        assert!(!may_look(&user(7), &stronger));
        let mut tracer = user(7);
        tracer.caps.effective = 1 << linux::CAP_SYS_PTRACE;
        assert!(may_look(&tracer, &user(8)));
    }
}
