//! What the calls about System V IPC have in common.

use crate::cgroup::GroupId;
use crate::error::Errno;
use crate::fs::{Access, Actor, Time};
use crate::ipc::Object;
use crate::ns::{self, IpcNsId};
use crate::task::{cred, pid};
use crate::wire::{Writer, get_u32};
use crate::{Cx, Kernel};
use linux_raw_sys::general as linux;

/// Who makes a call.
pub(super) struct Caller {
    /// Its ipc namespace.
    pub ns: IpcNsId,
    /// The number of its process, as it sees itself.
    pub pid: u32,
    cred: cred::Cred,
    group: GroupId,
}

impl Caller {
    /// The caller.
    ///
    /// # Errors
    /// ESRCH when it has ended.
    pub fn of(k: &Kernel, cx: &Cx) -> Result<Caller, Errno> {
        let task = k.tasks.task(cx.task)?;
        let own = k.tasks.process_of(cx.task)?.1.pid;
        let pid_ns = ns::pid::of_task(k, cx.task).ok_or(Errno::ESRCH)?;
        Ok(Caller {
            ns: ns::ipc::of_task(k, cx.task).ok_or(Errno::ESRCH)?,
            pid: pid::number_in(&k.tasks, own, pid_ns),
            cred: task.cred.clone(),
            group: task.group.key(),
        })
    }

    /// Whose permissions count: those of the effective user.
    pub fn access(&self) -> Access<'_> {
        Access {
            uid: self.cred.euid,
            gid: self.cred.egid,
            ..cred::access(&self.cred)
        }
    }

    /// Who makes something now.
    pub fn actor(&self, cx: &Cx) -> Actor<'_> {
        Actor {
            access: self.access(),
            group: self.group,
            now: Time::now(cx.m),
        }
    }
}

/// Bytes of struct ipc64_perm.
pub(super) const PERM: usize = 48;

/// struct ipc64_perm of an object, at the start of its record.
pub(super) fn perm<T>(object: &Object<T>, mode: u32) -> Writer {
    let perm = &object.perm;
    Writer::new()
        .i32(perm.key)
        .u32(perm.uid)
        .u32(perm.gid)
        .u32(perm.cuid)
        .u32(perm.cgid)
        .u32(mode)
        .u16(object.sequence())
        .pad_to(PERM)
}

/// What IPC_SET reads of a record, however long it is.
pub(super) const SET_LEN: usize = PERM;

/// IPC_SET: owner, group and permissions from the start of a record.
///
/// # Errors
/// EPERM for those who do not own it, EINVAL for an id that is none.
pub(super) fn set_of<T>(
    object: &mut Object<T>,
    caller: &Caller,
    record: &[u8],
    now: i64,
) -> Result<(), Errno> {
    object.perm.owned(&caller.access(), linux::CAP_SYS_ADMIN)?;
    let (uid, gid) = (get_u32(record, 4), get_u32(record, 8));
    object.perm.set(uid, gid, get_u32(record, 20))?;
    object.changed = now;
    Ok(())
}
