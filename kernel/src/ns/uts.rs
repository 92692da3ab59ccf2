//! Uts namespaces: host and domain name (uts_namespaces(7)).

use super::{UtsNs, UtsNsId};
use crate::Kernel;
use crate::arena::Held;
use crate::cgroup::GroupId;
use crate::error::{Errno, Stop};

/// The longest host or domain name in bytes (__NEW_UTS_LEN).
pub const NAME_MAX: usize = 64;

/// A copy of a uts namespace, paid for by `group`.
///
/// # Errors
/// EINVAL when `from` is gone; no memory.
pub fn copy(k: &mut Kernel, from: UtsNsId, group: GroupId) -> Result<Held<UtsNsId>, Stop> {
    let mut ns = k.ns.uts.get(from).ok_or(Errno::EINVAL)?.clone();
    let charge = super::charge::<UtsNsId, UtsNs>(k, group)?;
    ns.inum = k.ns.next_inum();
    Ok(k.ns.uts.insert(ns, charge))
}

/// Gives a reference back.
pub fn release(k: &mut Kernel, held: Held<UtsNsId>) {
    if let Some((_, charge)) = k.ns.uts.release(held) {
        k.groups.give_back(charge);
    }
}

/// Sets the host name.
///
/// # Errors
/// EINVAL when it is longer than [`NAME_MAX`]; ESRCH when the namespace is gone.
pub fn set_hostname(k: &mut Kernel, ns: UtsNsId, name: &[u8]) -> Result<(), Errno> {
    check(name)?;
    k.ns.uts.get_mut(ns).ok_or(Errno::ESRCH)?.hostname = name.to_vec();
    Ok(())
}

/// Sets the NIS domain name.
///
/// # Errors
/// As [`set_hostname`].
pub fn set_domainname(k: &mut Kernel, ns: UtsNsId, name: &[u8]) -> Result<(), Errno> {
    check(name)?;
    k.ns.uts.get_mut(ns).ok_or(Errno::ESRCH)?.domainname = name.to_vec();
    Ok(())
}

fn check(name: &[u8]) -> Result<(), Errno> {
    if name.len() > NAME_MAX {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

/// The uts namespace a task is in.
pub fn of_task(k: &Kernel, task: crate::task::TaskId) -> Option<UtsNsId> {
    Some(k.tasks.tasks.get(task)?.ns.as_ref()?.uts.key())
}
