//! Ipc namespaces: System V IPC and message queues (ipc_namespaces(7)).

use super::{IpcNs, IpcNsId};
use crate::Kernel;
use crate::arena::Held;
use crate::cgroup::GroupId;
use crate::error::Stop;
use crate::mm::segments;
use crate::task::TaskId;
use crate::work::Job;

/// A new ipc namespace with nothing in it, paid for by `group`.
///
/// # Errors
/// No memory.
pub fn create(k: &mut Kernel, group: GroupId) -> Result<Held<IpcNsId>, Stop> {
    let charge = super::charge::<IpcNsId, IpcNs>(k, group)?;
    let ns = IpcNs {
        inum: k.ns.next_inum(),
        ..IpcNs::default()
    };
    Ok(k.ns.ipc.insert(ns, charge))
}

/// Gives a reference back; with the last one go the objects that are in the namespace, in a job
/// when they are many.
pub fn release(k: &mut Kernel, held: Held<IpcNsId>) {
    if let Some((ns, charge)) = k.ns.ipc.release(held) {
        k.groups.give_back(charge);
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
