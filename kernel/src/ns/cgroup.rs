//! Cgroup namespaces: which group looks like the root of the tree (cgroup_namespaces(7)).

use super::{CgroupNs, CgroupNsId};
use crate::Kernel;
use crate::arena::Held;
use crate::cgroup::GroupId;
use crate::error::Stop;
use crate::task::TaskId;

/// A new cgroup namespace whose root is `root`, paid for by `group`.
///
/// # Errors
/// No memory.
pub fn create(k: &mut Kernel, root: GroupId, group: GroupId) -> Result<Held<CgroupNsId>, Stop> {
    let charge = super::charge::<CgroupNsId, CgroupNs>(k, group)?;
    let ns = CgroupNs {
        root: k.groups.hold(root),
        inum: k.ns.next_inum(),
    };
    Ok(k.ns.cgroup.insert(ns, charge))
}

/// Gives a reference back.
pub fn release(k: &mut Kernel, held: Held<CgroupNsId>) {
    if let Some((ns, charge)) = k.ns.cgroup.release(held) {
        k.groups.give_back(charge);
        k.groups.release(ns.root);
    }
}

/// The cgroup namespace a task is in.
pub fn of_task(k: &Kernel, task: TaskId) -> Option<CgroupNsId> {
    Some(k.tasks.tasks.get(task)?.ns.as_ref()?.cgroup.key())
}

/// The root of a task's namespace; the root of all when it has ended.
pub fn root_for(k: &Kernel, task: TaskId) -> GroupId {
    let ns = of_task(k, task).and_then(|id| k.ns.cgroup.get(id));
    ns.map_or(k.groups.root(), |ns| ns.root.key())
}
