//! The set of namespaces a task is in: shared, copied for a child, given back.

use super::{CgroupNsId, IpcNsId, MountNsId, Namespaces, PidNsId, UtsNsId};
use super::{cgroup, ipc, mount, pid, uts};
use crate::Kernel;
use crate::arena::Held;
use crate::cgroup::GroupId;
use crate::error::{Errno, Stop};
use crate::task::TaskId;
use crate::task::cred::capable;
use linux_raw_sys::general as linux;

/// The namespaces of a task.
#[derive(Debug)]
pub struct NsSet {
    /// Where its children get their numbers (its own numbers are in its pid).
    pub pid_for_children: Held<PidNsId>,
    /// Host and domain name.
    pub uts: Held<UtsNsId>,
    /// System V IPC and message queues.
    pub ipc: Held<IpcNsId>,
    /// Where the tree of control groups begins for it.
    pub cgroup: Held<CgroupNsId>,
    /// Its tree of mounts.
    pub mount: Held<MountNsId>,
}

/// The namespaces of a set, by key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // as in NsSet
pub struct NsKeys {
    pub pid_for_children: PidNsId,
    pub uts: UtsNsId,
    pub ipc: IpcNsId,
    pub cgroup: CgroupNsId,
    pub mount: MountNsId,
}

impl NsSet {
    /// Which namespaces these are.
    pub fn keys(&self) -> NsKeys {
        NsKeys {
            pid_for_children: self.pid_for_children.key(),
            uts: self.uts.key(),
            ipc: self.ipc.key(),
            cgroup: self.cgroup.key(),
            mount: self.mount.key(),
        }
    }

    /// The same namespaces once more.
    pub fn share(&self, ns: &mut Namespaces) -> NsSet {
        NsSet {
            pid_for_children: ns.pid.share(&self.pid_for_children),
            uts: ns.uts.share(&self.uts),
            ipc: ns.ipc.share(&self.ipc),
            cgroup: ns.cgroup.share(&self.cgroup),
            mount: ns.mount.share(&self.mount),
        }
    }
}

/// The namespaces of a task.
///
/// # Errors
/// ESRCH when it has ended.
pub fn keys_of(k: &Kernel, task: TaskId) -> Result<NsKeys, Errno> {
    let set = k.tasks.tasks.get(task).and_then(|t| t.ns.as_ref());
    Ok(set.ok_or(Errno::ESRCH)?.keys())
}

/// A set of these namespaces.
///
/// # Errors
/// ESRCH when one is gone.
pub fn hold_set(k: &mut Kernel, keys: NsKeys) -> Result<NsSet, Errno> {
    let ns = &mut k.ns;
    let held = (
        ns.pid.hold(keys.pid_for_children),
        ns.uts.hold(keys.uts),
        ns.ipc.hold(keys.ipc),
        ns.cgroup.hold(keys.cgroup),
        ns.mount.hold(keys.mount),
    );
    match held {
        (Some(pid_for_children), Some(uts), Some(ipc), Some(cgroup), Some(mount)) => Ok(NsSet {
            pid_for_children,
            uts,
            ipc,
            cgroup,
            mount,
        }),
        (pid, uts, ipc, cgroup, mount) => {
            pid.into_iter().for_each(|held| pid::release(k, held));
            uts.into_iter().for_each(|held| uts::release(k, held));
            ipc.into_iter().for_each(|held| ipc::release(k, held));
            cgroup.into_iter().for_each(|held| cgroup::release(k, held));
            mount.into_iter().for_each(|held| mount::release(k, held));
            Err(Errno::ESRCH)
        }
    }
}

/// Gives a set back.
pub fn release_set(k: &mut Kernel, set: NsSet) {
    pid::release(k, set.pid_for_children);
    uts::release(k, set.uts);
    ipc::release(k, set.ipc);
    cgroup::release(k, set.cgroup);
    mount::release(k, set.mount);
}

/// The namespaces for a child of `parent` made with these clone(2) flags, or for `parent` itself
/// after unshare(2): new ones for each CLONE_NEW* flag, paid for by `group`, the parent's
/// otherwise. Nothing of the parent changes; a new mount namespace is a copy of the parent's, see
/// [`mount::move_context`].
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN; EINVAL for kinds of which there is only the initial namespace, and
/// for CLONE_NEWNS with CLONE_FS, or a pid namespace while the parent's children
/// are in another one, or CLONE_NEWIPC with CLONE_SYSVSEM; ENOSPC for too many nested pid namespaces; no memory.
pub fn for_child(
    k: &mut Kernel,
    parent: TaskId,
    flags: u32,
    group: GroupId,
) -> Result<NsSet, Stop> {
    let new = flags & super::NEW_FLAGS;
    let keys = keys_of(k, parent)?;
    if new == 0 {
        return Ok(hold_set(k, keys)?);
    }
    if new & linux::CLONE_NEWNS != 0 && flags & linux::CLONE_FS != 0 {
        return Err(Errno::EINVAL.into());
    }
    super::refuse_missing(new)?;
    // Who waits for a child in another pid namespace cannot nest one more (pid_namespaces(7)).
    let elsewhere = pid::of_task(k, parent) != Some(keys.pid_for_children);
    if new & linux::CLONE_NEWPID != 0 && elsewhere {
        return Err(Errno::EINVAL.into());
    }
    if !capable(k, parent, linux::CAP_SYS_ADMIN) {
        return Err(Errno::EPERM.into());
    }
    // What is to be undone on semaphores cannot be shared with another namespace.
    if new & linux::CLONE_NEWIPC != 0 && flags & linux::CLONE_SYSVSEM != 0 {
        return Err(Errno::EINVAL.into());
    }
    let own = k.tasks.task(parent)?.group.key();
    let mut set = hold_set(k, keys)?;
    match renew(k, &mut set, new, group, own) {
        Ok(()) => Ok(set),
        Err(stop) => {
            release_set(k, set);
            Err(stop)
        }
    }
}

/// Replaces the namespaces of a set that `new` names; `own` is the task's group.
fn renew(
    k: &mut Kernel,
    set: &mut NsSet,
    new: u32,
    group: GroupId,
    own: GroupId,
) -> Result<(), Stop> {
    if new & linux::CLONE_NEWPID != 0 {
        let fresh = pid::create(k, set.pid_for_children.key(), group)?;
        pid::release(k, core::mem::replace(&mut set.pid_for_children, fresh));
    }
    if new & linux::CLONE_NEWUTS != 0 {
        let fresh = uts::copy(k, set.uts.key(), group)?;
        uts::release(k, core::mem::replace(&mut set.uts, fresh));
    }
    if new & linux::CLONE_NEWIPC != 0 {
        let fresh = ipc::create(k, group)?;
        ipc::release(k, core::mem::replace(&mut set.ipc, fresh));
    }
    if new & linux::CLONE_NEWCGROUP != 0 {
        let fresh = cgroup::create(k, own, group)?;
        cgroup::release(k, core::mem::replace(&mut set.cgroup, fresh));
    }
    if new & linux::CLONE_NEWNS != 0 {
        let fresh = mount::copy(k, set.mount.key(), group)?;
        mount::release(k, core::mem::replace(&mut set.mount, fresh));
    }
    Ok(())
}
