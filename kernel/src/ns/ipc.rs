//! Ipc namespaces: System V IPC and message queues (ipc_namespaces(7)).

use super::{IpcNs, IpcNsId};
use crate::Kernel;
use crate::arena::Held;
use crate::cgroup::GroupId;
use crate::error::{Errno, Stop};
use crate::fs::{MountId, Store, SuperId, mqueue};
use crate::mm::segments;
use crate::task::TaskId;
use crate::work::Job;

/// A new ipc namespace with nothing in it, paid for by `group`.
///
/// # Errors
/// No memory.
pub fn create(k: &mut Kernel, group: GroupId) -> Result<Held<IpcNsId>, Stop> {
    let queues = queue_mount(k, group)?;
    let charge = match super::charge::<IpcNsId, IpcNs>(k, group) {
        Ok(charge) => charge,
        Err(stop) => {
            mqueue::abandon(&mut Store::of(k), queues);
            return Err(stop);
        }
    };
    let ns = IpcNs {
        queues: Some(queues),
        inum: k.ns.next_inum(),
        ..IpcNs::default()
    };
    Ok(k.ns.ipc.insert(ns, charge))
}

/// Where the message queues of a new namespace are.
pub(super) fn queue_mount(k: &mut Kernel, group: GroupId) -> Result<Held<MountId>, Stop> {
    let actor = super::mount::kernel(group);
    mqueue::instance(&mut Store::of(k), &actor)
}

/// The mount that has the message queues of a namespace; nobody can walk to it.
///
/// # Errors
/// EINVAL when the namespace is gone.
pub fn queues(k: &Kernel, ns: IpcNsId) -> Result<MountId, Errno> {
    let queues = k.ns.ipc.get(ns).and_then(|ns| ns.queues.as_ref());
    Ok(queues.ok_or(Errno::EINVAL)?.key())
}

/// The message queues of a namespace, to be mounted.
///
/// # Errors
/// EINVAL when the namespace is gone.
pub fn queue_instance(k: &mut Kernel, ns: IpcNsId) -> Result<Held<SuperId>, Errno> {
    let sb = k.fs.mount(queues(k, ns)?)?.sb.key();
    k.fs.supers.hold(sb).ok_or(Errno::EINVAL)
}

/// Gives a reference back; with the last one go the objects that are in the namespace, in a job
/// when they are many.
pub fn release(k: &mut Kernel, held: Held<IpcNsId>) {
    if let Some((mut ns, charge)) = k.ns.ipc.release(held) {
        k.groups.give_back(charge);
        if let Some(queues) = ns.queues.take() {
            mqueue::abandon(&mut Store::of(k), queues);
        }
        if let Some(rest) = teardown_step(k, ns) {
            k.work.add(Job::Ipc(rest));
        }
    }
}

/// Objects that one step takes apart.
const SLICE: usize = 16;

/// Does a bounded part of the end of a namespace; `None` when it is done.
pub fn teardown_step(k: &mut Kernel, mut ns: IpcNs) -> Option<IpcNs> {
    for _ in 0..SLICE {
        if !segments::abandon_one(k, &mut ns.segments) {
            return None;
        }
    }
    Some(ns)
}

/// The ipc namespace a task is in.
pub fn of_task(k: &Kernel, task: TaskId) -> Option<IpcNsId> {
    Some(k.tasks.tasks.get(task)?.ns.as_ref()?.ipc.key())
}
