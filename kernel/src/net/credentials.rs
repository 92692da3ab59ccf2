//! Who is at the other end: the credentials that sockets tell (unix(7), SO_PEERCRED).

use crate::Kernel;
use crate::error::Errno;
use crate::ns::PidNsId;
use crate::task::{ProcessId, TaskId};
use alloc::sync::Arc;

/// A process as it was: its number in each namespace that saw it, a user and a group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credentials {
    numbers: Arc<[(PidNsId, u32)]>,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// What is told of a user or group that is not known (overflowuid).
const NOBODY: u32 = 65534;

impl Credentials {
    /// A process with these ids.
    ///
    /// # Errors
    /// ESRCH.
    pub fn of(k: &Kernel, process: ProcessId, uid: u32, gid: u32) -> Result<Credentials, Errno> {
        let pid = k.tasks.processes.get(process).ok_or(Errno::ESRCH)?.pid;
        let pid = k.tasks.pids.get(pid).ok_or(Errno::ESRCH)?;
        Ok(Credentials {
            numbers: pid.numbers.as_slice().into(),
            uid,
            gid,
        })
    }

    /// A task's process with its real ids: what goes with messages.
    ///
    /// # Errors
    /// ESRCH.
    pub fn real(k: &Kernel, task: TaskId) -> Result<Credentials, Errno> {
        let task = k.tasks.task(task)?;
        Credentials::of(k, task.process, task.cred.uid, task.cred.gid)
    }

    /// A task's process with its effective ids: what is told of a peer.
    ///
    /// # Errors
    /// ESRCH.
    pub fn effective(k: &Kernel, task: TaskId) -> Result<Credentials, Errno> {
        let task = k.tasks.task(task)?;
        Credentials::of(k, task.process, task.cred.euid, task.cred.egid)
    }

    /// struct ucred as a namespace sees it; the process is 0 where it is not visible.
    pub fn record(&self, ns: Option<PidNsId>) -> [u8; 12] {
        let here = self.numbers.iter().find(|(seen, _)| Some(*seen) == ns);
        record(here.map_or(0, |(_, number)| *number), self.uid, self.gid)
    }
}

/// What is told of the sender of a message without credentials.
pub fn unknown() -> [u8; 12] {
    record(0, NOBODY, NOBODY)
}

/// What is told of the peer of a socket that has none.
pub fn none() -> [u8; 12] {
    record(0, u32::MAX, u32::MAX)
}

fn record(pid: u32, uid: u32, gid: u32) -> [u8; 12] {
    let mut bytes = [0; 12];
    for (to, word) in bytes.chunks_exact_mut(4).zip([pid, uid, gid]) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}
