//! `container_delete`: takes a stopped container down and runs its poststop hooks.

use super::create::{Build, Work, operation, refusal};
use super::{ContainerId, Trouble, drive, find, life};
use crate::error::Errno;
use crate::task::{SigInfo, signal};
use crate::wait::Resume;
use crate::{Cx, Kernel};
use alloc::boxed::Box;
use alloc::string::String;
use berth_oci::{OciLifecycleState as State, Verb, plan_delete};

/// SIGKILL.
const KILL: u32 = 9;

/// Deletes a container; gives the warnings of its poststop hooks, a line each. With `force` a
/// container that is not stopped is killed first, and one that is not there is no error.
///
/// # Errors
/// Refused in the wrong state (O-delete-1) and while another operation is in progress. Waits for
/// the end of a killed container and for hooks.
pub fn delete(k: &mut Kernel, cx: &mut Cx, id: &str, force: bool) -> Result<String, Trouble> {
    let id = match find(k, id) {
        Ok(id) => id,
        Err(Trouble::Refused {
            errno: Errno::ENOENT,
            ..
        }) if force => return Ok(String::new()),
        Err(trouble) => return Err(trouble),
    };
    let container = k.containers.get(id).ok_or(Errno::ENOENT)?;
    if container.work.is_some() {
        return Err(Trouble::refused(
            Errno::EBUSY,
            "another operation on the container is in progress",
        ));
    }
    if force && container.life.state() != State::Stopped {
        let info = SigInfo {
            signal: KILL,
            ..SigInfo::default()
        };
        if let Some(init) = container.init {
            signal::send_process(k, init, info);
        }
        if k.containers
            .get(id)
            .is_some_and(|c| c.life.state() != State::Stopped)
        {
            return Err(drive::wait(id, cx.now, false));
        }
    }
    begin(k, cx, id)
}

/// A delete that had to wait.
///
/// # Errors
/// As [`delete`].
pub fn delete_go_on(
    k: &mut Kernel,
    cx: &mut Cx,
    resume: Resume,
    name: &str,
    force: bool,
) -> Result<String, Trouble> {
    let id = drive::id_of(resume);
    let Some(container) = k.containers.get(id) else {
        // Somebody else was faster.
        return delete(k, cx, name, force);
    };
    match (&container.work, container.life.state()) {
        (Some(work), _) if work.caller == Some(cx.task) => go_on(k, cx, id),
        (Some(_), _) => Err(Trouble::refused(
            Errno::EBUSY,
            "another operation on the container is in progress",
        )),
        (None, State::Stopped) => begin(k, cx, id),
        (None, _) => Err(drive::wait(id, cx.now, false)),
    }
}

fn begin(k: &mut Kernel, cx: &mut Cx, id: ContainerId) -> Result<String, Trouble> {
    life::check(k, id, Verb::Delete)?;
    let config = &k.containers.get(id).ok_or(Errno::ENOENT)?.config;
    let operation = operation(plan_delete(config).map_err(refusal)?)?;
    let (mut runtime, _) = drive::runtime_of(k, cx.task, None)?;
    if let Some(bundle) = drive::bundle_again(k, cx.task, id) {
        let old = core::mem::replace(&mut runtime.bundle, bundle);
        crate::fs::release_pos(k, old);
    }
    let made = k
        .containers
        .get_mut(id)
        .map(|c| core::mem::take(&mut c.made))
        .unwrap_or_default();
    let work = Work {
        operation,
        caller: Some(cx.task),
        runtime,
        build: Build {
            made,
            ..Build::default()
        },
        hook: None,
        outcome: None,
    };
    if let Some(container) = k.containers.get_mut(id) {
        container.work = Some(Box::new(work));
    }
    k.containers.callers.insert(cx.task, id);
    go_on(k, cx, id)
}

fn go_on(k: &mut Kernel, cx: &mut Cx, id: ContainerId) -> Result<String, Trouble> {
    match drive::drive(k, cx, id) {
        drive::Driven::Waits => Err(drive::wait(id, cx.now, false)),
        drive::Driven::Yields => Err(drive::wait(id, cx.now, true)),
        drive::Driven::Done(warnings) => Ok(warnings),
        drive::Driven::Failed(failure) => Err(failure.error.into()),
    }
}
