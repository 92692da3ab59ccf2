//! What a node of procfs is about: a process or a thread, as one pid namespace sees it.

use super::{Dir, instance, kind};
use crate::error::Errno;
use crate::fs::ViewNode;
use crate::ns::PidNsId;
use crate::task::look::{self, Ids};
use crate::task::{PidId, Process, ProcessId, Task, TaskId};
use crate::views::Source;
use crate::views::nsfs::{pack, unpack};
use alloc::vec::Vec;

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
    pub(super) fn of(s: &Source, node: ViewNode) -> Result<Subject, Errno> {
        let id: PidId = unpack(node.object);
        let instance = instance(node);
        let pid = s.tasks.pids.get(id).ok_or(Errno::ESRCH)?;
        number_in(s, id, instance).ok_or(Errno::ESRCH)?;
        let of_task = pid.task.and_then(|t| s.tasks.tasks.get(t));
        let process = match (pid.process, of_task) {
            (Some(process), _) => process,
            (None, Some(task)) => task.process,
            (None, None) => return Err(Errno::ESRCH),
        };
        let first = s.tasks.processes.get(process).ok_or(Errno::ESRCH)?;
        Ok(Subject {
            pid: id,
            process,
            task: pid.task.or(first.threads.first().copied()),
            instance,
        })
    }

    /// The process.
    pub(super) fn process<'a>(&self, s: &Source<'a>) -> Result<&'a Process, Errno> {
        s.tasks.processes.get(self.process).ok_or(Errno::ESRCH)
    }

    /// The thread, or the process's first.
    pub(super) fn task<'a>(&self, s: &Source<'a>) -> Result<&'a Task, Errno> {
        self.task
            .and_then(|t| s.tasks.tasks.get(t))
            .ok_or(Errno::ESRCH)
    }

    /// A thread that still has its descriptors, memory and directories: the first may have ended
    /// while others run.
    pub(super) fn living<'a>(&self, s: &Source<'a>) -> Result<(TaskId, &'a Task), Errno> {
        let threads = &self.process(s)?.threads;
        self.task
            .iter()
            .chain(threads)
            .find_map(|id| {
                let task = s.tasks.tasks.get(*id)?;
                task.fs.is_some().then_some((*id, task))
            })
            .ok_or(Errno::ESRCH)
    }

    /// Its number in the namespace that looks.
    pub(super) fn number(&self, s: &Source) -> u32 {
        number_in(s, self.pid, self.instance).unwrap_or(0)
    }

    /// Another number as that namespace sees it; 0 for what it does not see.
    pub(super) fn see(&self, s: &Source, pid: PidId) -> u32 {
        number_in(s, pid, self.instance).unwrap_or(0)
    }

    /// A process's number as that namespace sees it; 0 for what it does not see.
    pub(super) fn see_process(&self, s: &Source, process: Option<ProcessId>) -> u32 {
        process
            .and_then(|p| s.tasks.processes.get(p))
            .map_or(0, |p| self.see(s, p.pid))
    }

    /// The numbers and pids of its process's threads.
    pub(super) fn threads(&self, s: &Source) -> Vec<(u32, PidId)> {
        let Ok(process) = self.process(s) else {
            return Vec::new();
        };
        process
            .threads
            .iter()
            .filter_map(|t| {
                let pid = s.tasks.tasks.get(*t)?.pid.key();
                Some((number_in(s, pid, self.instance)?, pid))
            })
            .collect()
    }

    /// Who its files belong to: its effective ids, or root when nobody may dump it.
    pub(super) fn owner(&self, s: &Source) -> (u32, u32) {
        match self.task(s) {
            Ok(task) if look::is_dumpable(s.tasks, self.process) => {
                (task.cred.euid, task.cred.egid)
            }
            _ => (0, 0),
        }
    }

    /// Whether the reader may look into it: PTRACE_MODE_READ_FSCREDS (ptrace(2)).
    ///
    /// # Errors
    /// EACCES; ESRCH when it is gone.
    pub(super) fn check_access(&self, s: &Source) -> Result<(), Errno> {
        let caller = s.who.ok_or(Errno::EACCES)?;
        if s.tasks.task(caller)?.process == self.process {
            return Ok(());
        }
        let target = self.task.ok_or(Errno::ESRCH)?;
        match look::may_look(s.tasks, caller, target, Ids::Files) {
            true => Ok(()),
            false => Err(Errno::EACCES),
        }
    }
}

/// The number of a pid in a namespace, if it has one there.
pub(super) fn number_in(s: &Source, pid: PidId, ns: PidNsId) -> Option<u32> {
    let numbers = &s.tasks.pids.get(pid)?.numbers;
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

/// The processes that a namespace sees: number, from `first` on, and pid, ascending.
pub(super) fn numbers<'a>(
    s: &Source<'a>,
    ns: PidNsId,
    first: u32,
) -> impl Iterator<Item = (u32, PidId)> + use<'a> {
    let tasks = s.tasks;
    let numbers = s.ns.pid.get(ns).map(|ns| ns.numbers.range(first..));
    numbers
        .into_iter()
        .flatten()
        .map(|(number, pid)| (*number, *pid))
        .filter(|(_, pid)| tasks.pids.get(*pid).is_some_and(|p| p.process.is_some()))
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
pub(super) fn process_node(s: &Source, root: ViewNode, number: u32) -> Result<ViewNode, Errno> {
    let ns = s.ns.pid.get(instance(root)).ok_or(Errno::ENOENT)?;
    let pid = *ns.numbers.get(&number).ok_or(Errno::ENOENT)?;
    let node = node_for(root, Dir::Process, pid);
    Subject::of(s, node).map_err(|_| Errno::ENOENT)?;
    Ok(node)
}

/// /proc/N/task/M.
pub(super) fn thread_node(s: &Source, tasks: ViewNode, number: u32) -> Result<ViewNode, Errno> {
    let subject = Subject::of(s, tasks)?;
    let ns = s.ns.pid.get(instance(tasks)).ok_or(Errno::ENOENT)?;
    let pid = *ns.numbers.get(&number).ok_or(Errno::ENOENT)?;
    let node = node_for(tasks, Dir::Thread, pid);
    let thread = Subject::of(s, node).map_err(|_| Errno::ENOENT)?;
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
}
