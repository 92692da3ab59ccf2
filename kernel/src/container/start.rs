//! `container_start`: runs the hooks of start, loads the program from inside the container and lets
//! it run.

use super::create::{Build, Work, operation, refusal};
use super::{ContainerId, Trouble, drive, find, life, pause};
use crate::error::Errno;
use crate::wait::Resume;
use crate::{Cx, Kernel};
use alloc::boxed::Box;
use berth_oci::{Verb, plan_start};

/// Starts a created container.
///
/// # Errors
/// Refused in the wrong state or without a process (O-start-1, O-start-2), and when the program
/// cannot be loaded: the container stays created then. When a hook fails, the container is
/// stopped and deleted (lifecycle steps 7 and 9). Waits while hooks run.
pub fn start(k: &mut Kernel, cx: &mut Cx, id: &str) -> Result<(), Trouble> {
    let id = find(k, id)?;
    if drive::is_own(k, cx.task, id, Verb::Start) {
        return go_on(k, cx, id);
    }
    life::check(k, id, Verb::Start)?;
    if pause::is_paused(k, id) {
        let text = "cannot start a container in the paused state";
        return Err(Trouble::refused(Errno::EBUSY, text));
    }
    let container = k.containers.get(id).ok_or(Errno::ENOENT)?;
    if container.work.is_some() {
        return Err(Trouble::refused(
            Errno::EBUSY,
            "another operation on the container is in progress",
        ));
    }
    let operation = operation(plan_start(&container.config).map_err(refusal)?)?;
    let work = Work {
        verb: Verb::Start,
        operation,
        caller: Some(cx.task),
        runtime: drive::runtime_again(k, cx.task, id)?,
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

/// A start that had to wait.
///
/// # Errors
/// As [`start`].
pub fn start_go_on(k: &mut Kernel, cx: &mut Cx, resume: Resume) -> Result<(), Trouble> {
    go_on(k, cx, drive::id_of(resume))
}

fn go_on(k: &mut Kernel, cx: &mut Cx, id: ContainerId) -> Result<(), Trouble> {
    match drive::drive(k, cx, id) {
        drive::Driven::Waits => Err(drive::wait(id, cx.now, false)),
        drive::Driven::Yields => Err(drive::wait(id, cx.now, true)),
        drive::Driven::Done(_) => Ok(()),
        drive::Driven::Failed(failure) => Err(failure.error.into()),
    }
}
