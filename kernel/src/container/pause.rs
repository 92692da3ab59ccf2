//! `container_pause` and `container_resume`: the freezer of the container's control group.

use super::{ContainerId, Trouble, find, life, steps};
use crate::Kernel;
use crate::error::Errno;
use crate::sched::control;
use berth_oci::Verb;

/// Freezes everything in a container. Who is killed ends all the same.
///
/// # Errors
/// Refused in the wrong state, when it is paused, and while an operation is in progress.
pub fn pause(k: &mut Kernel, id: &str) -> Result<(), Trouble> {
    let id = find(k, id)?;
    life::check(k, id, Verb::Pause)?;
    if is_paused(k, id) {
        let text = "container not running: it is paused already";
        return Err(Trouble::refused(Errno::EBUSY, text));
    }
    // A hook of start is in there, and who waits for it could not go on.
    if k.containers.get(id).is_some_and(|c| c.work.is_some()) {
        let text = "another operation on the container is in progress";
        return Err(Trouble::refused(Errno::EBUSY, text));
    }
    set(k, id, true)
}

/// Lets everything in a container go on.
///
/// # Errors
/// Refused in the wrong state, and when it is not paused.
pub fn resume(k: &mut Kernel, id: &str) -> Result<(), Trouble> {
    let id = find(k, id)?;
    life::check(k, id, Verb::Resume)?;
    if !is_paused(k, id) {
        return Err(Trouble::refused(Errno::EBUSY, "container not paused"));
    }
    set(k, id, false)
}

fn set(k: &mut Kernel, id: ContainerId, frozen: bool) -> Result<(), Trouble> {
    let group = steps::group(k, id)?;
    control::set_frozen(k, group, frozen);
    Ok(())
}

/// Whether a container is frozen, by a call or by its group's file.
pub(super) fn is_paused(k: &Kernel, id: ContainerId) -> bool {
    let group = steps::group(k, id).ok();
    let cpu = group.and_then(|group| k.groups.cpu(group));
    cpu.is_some_and(|cpu| cpu.frozen)
}
