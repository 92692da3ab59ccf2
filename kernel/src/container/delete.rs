//! `container_delete`: takes a stopped container down and runs its poststop hooks.

use super::create::{Build, Problem, Work, operation, refusal};
use super::{ContainerId, Trouble, drive, find, life, pause};
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
/// container that is not stopped is killed first, a start in progress is given up, and one that is
/// not there is no error.
///
/// # Errors
/// Refused in the wrong state (O-delete-1) and while another operation is in progress. Waits for
/// the end of a killed container and for hooks.
pub fn delete(k: &mut Kernel, cx: &mut Cx, id: &str, force: bool) -> Result<String, Trouble> {
    match find(k, id) {
        Ok(id) => found(k, cx, id, force),
        Err(Trouble::Refused {
            errno: Errno::ENOENT,
            ..
        }) if force => Ok(String::new()),
        Err(trouble) => Err(trouble),
    }
}

/// A delete that had to wait.
///
/// # Errors
/// As [`delete`].
pub fn delete_go_on(
    k: &mut Kernel,
    cx: &mut Cx,
    resume: Resume,
    force: bool,
) -> Result<String, Trouble> {
    let id = drive::id_of(resume);
    match k.containers.get(id) {
        Some(_) => found(k, cx, id, force),
        // Somebody else was faster; a new container of that name is none of ours.
        None => Ok(String::new()),
    }
}

fn found(k: &mut Kernel, cx: &mut Cx, id: ContainerId, force: bool) -> Result<String, Trouble> {
    if drive::is_own(k, cx.task, id, Verb::Delete) {
        return go_on(k, cx, id);
    }
    let container = k.containers.get_mut(id).ok_or(Errno::ENOENT)?;
    let alive = matches!(container.life.state(), State::Created | State::Running);
    match container.work.as_mut() {
        Some(work) if force && work.verb == Verb::Start => work.operation.abort(Problem {
            errno: Errno::EINTR,
            text: String::from("the container was deleted while it was starting"),
        }),
        Some(_) => {
            return Err(Trouble::refused(
                Errno::EBUSY,
                "another operation on the container is in progress",
            ));
        }
        None if force && alive => {}
        None => return begin(k, cx, id),
    }
    if let Some(init) = container.init {
        let info = SigInfo {
            signal: KILL,
            ..SigInfo::default()
        };
        signal::send_process(k, init, info);
    }
    drive::wake(k, id);
    let over = (k.containers.get(id))
        .is_some_and(|c| c.work.is_none() && c.life.state() == State::Stopped);
    match over {
        true => begin(k, cx, id),
        false => Err(drive::wait(id, cx.now, false)),
    }
}

fn begin(k: &mut Kernel, cx: &mut Cx, id: ContainerId) -> Result<String, Trouble> {
    if pause::is_paused(k, id) && life::check(k, id, Verb::Pause).is_ok() {
        let text = "cannot delete container that is not stopped: paused";
        return Err(Trouble::refused(Errno::EBUSY, text));
    }
    life::check(k, id, Verb::Delete)?;
    let config = &k.containers.get(id).ok_or(Errno::ENOENT)?.config;
    let operation = operation(plan_delete(config).map_err(refusal)?)?;
    let runtime = drive::runtime_again(k, cx.task, id)?;
    let work = Work {
        verb: Verb::Delete,
        operation,
        caller: Some(cx.task),
        runtime,
        build: Build::default(),
        hook: None,
        outcome: None,
    };
    if let Some(container) = k.containers.get_mut(id) {
        container.work = Some(Box::new(work));
    }
    k.containers.callers.insert((cx.task, id));
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
