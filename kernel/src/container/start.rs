//! `container_start`: loads the program from inside the container and lets it run.

use super::create::{Build, Work, operation, refusal};
use super::{Trouble, drive, find, life};
use crate::error::Errno;
use crate::{Cx, Kernel};
use alloc::boxed::Box;
use berth_oci::{Verb, plan_start};

/// Starts a created container.
///
/// # Errors
/// Refused in the wrong state or without a process (O-start-1, O-start-2), and when the program
/// cannot be loaded: the container stays created then.
pub fn start(k: &mut Kernel, cx: &mut Cx, id: &str) -> Result<(), Trouble> {
    let id = find(k, id)?;
    life::check(k, id, Verb::Start)?;
    let container = k.containers.get(id).ok_or(Errno::ENOENT)?;
    if container.work.is_some() {
        return Err(Trouble::refused(
            Errno::EBUSY,
            "another operation on the container is in progress",
        ));
    }
    let operation = operation(plan_start(&container.config).map_err(refusal)?)?;
    let (runtime, _) = drive::runtime_of(k, cx.task, None)?;
    let work = Work {
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
    match drive::drive(k, cx, id) {
        drive::Driven::Done(_) => Ok(()),
        drive::Driven::Failed(failure) => Err(failure.error.into()),
        // No step of start waits: hooks of start are refused at create.
        drive::Driven::Waits | drive::Driven::Yields => Err(Errno::EIO.into()),
    }
}
