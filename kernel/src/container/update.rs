//! `container_update`: other limits for a container that is there; all of them or none.

use super::create::{FEATURES, refusal};
use super::draft::{self, Text};
use super::{ContainerId, Trouble, find, life, resources, steps};
use crate::error::{Errno, Stop};
use crate::mm::oom;
use crate::wait::Resume;
use crate::{Cx, Kernel};
use alloc::format;
use berth_oci::config::OciResources;
use berth_oci::{Verb, plan_update};

/// What a call remembers that has set all and waits until the container uses no more than it may.
const SET: u64 = 1;

/// Reads limits in turns and sets them. Then waits until the container uses no more memory than it
/// may: it is killed from, if need be.
///
/// # Errors
/// Refused in the wrong state, and for a text or value that create would refuse, naming it; nothing
/// is changed then.
pub fn update(k: &mut Kernel, cx: &mut Cx, id: &str, text: &Text) -> Result<(), Trouble> {
    let set = cx.resume.is_some_and(|resume| resume.word == SET);
    if set && !draft::is_under_way(k, cx.task) {
        return match find(k, id) {
            Ok(id) => fit(k, cx, id),
            // It has gone meanwhile, with all that it used.
            Err(_) => Ok(()),
        };
    }
    let found = find(k, id).and_then(|id| life::check(k, id, Verb::Update).map(|_| id));
    let id = match found {
        Ok(id) => id,
        Err(trouble) => {
            draft::abandon(k, cx.task);
            return Err(trouble);
        }
    };
    let mut changes = draft::limits(k, cx, text)?;
    let done = apply(k, cx, id, &changes.linux.resources);
    if done.is_ok() {
        let changes = core::mem::take(&mut changes.linux.resources);
        if let Some(container) = k.containers.get_mut(id) {
            container.config.linux.resources.adopt(changes);
        }
    }
    draft::forget(k, changes);
    // What ran out of memory begins again.
    cx.resume = None;
    done?;
    fit(k, cx, id)
}

fn apply(
    k: &mut Kernel,
    cx: &mut Cx,
    id: ContainerId,
    changes: &OciResources,
) -> Result<(), Trouble> {
    let group = steps::group(k, id)?;
    let now = &k.containers.get(id).ok_or(Errno::ENOENT)?.config;
    let all = plan_update(&now.linux.resources, changes, FEATURES).map_err(refusal)?;
    let limit = changes.memory.limit.filter(|limit| *limit > 0);
    let used = k.groups.usage(group).memory;
    if let Some(limit) = limit.filter(|limit| all.memory.check_before_update && *limit < used) {
        let text = format!("memory_limit={limit}: the container uses {used} bytes");
        return Err(Trouble::refused(Errno::EBUSY, text));
    }
    let rules = match changes.devices.is_empty() {
        true => None,
        false => Some(resources::device_rules(changes)?),
    };
    let before = resources::apply(k, cx, group, (changes, &all), rules)?;
    before.forget(k);
    Ok(())
}

/// Waits until the container uses no more memory than it may.
fn fit(k: &mut Kernel, cx: &mut Cx, id: ContainerId) -> Result<(), Trouble> {
    let group = steps::group(k, id)?;
    let most = k.groups.limits(group).memory;
    match oom::set_max(k, cx, group, most) {
        Err(Stop::Wait(pending)) => Err(Stop::Wait(pending.with(Resume::at(SET))).into()),
        done => Ok(done?),
    }
}
