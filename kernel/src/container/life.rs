//! A container's state, and the only function that changes it.

use super::{ContainerId, Trouble, find};
use crate::Kernel;
use crate::cgroup::Happened;
use crate::error::{Errno, Stop};
use crate::task::{Ended, SigInfo, signal};
use crate::wait::{Pending, Restart, WaitKey};
use alloc::format;
use berth_abi::{ExitRecord, exit, oom};
use berth_oci::{OciLifecycleState as State, Transition, Verb, transition};

/// Where a container is in its life.
#[derive(Debug)]
pub struct Life(State);

impl Life {
    /// A container that is being created.
    pub fn new() -> Life {
        Life(State::Creating)
    }

    /// Its state.
    pub fn state(&self) -> State {
        self.0
    }
}

/// What the state lets a verb do; for a refusal the words that users know.
pub(super) fn check(k: &Kernel, id: ContainerId, verb: Verb) -> Result<Transition, Trouble> {
    let container = k.containers.get(id).ok_or(Errno::ENOENT)?;
    transition(container.life.0, verb).map_err(|e| Trouble::refused(Errno::EBUSY, format!("{e}")))
}

/// Moves a container on by a verb that its state allows, and wakes who waits for that.
pub(super) fn apply(k: &mut Kernel, id: ContainerId, verb: Verb) -> Result<(), Trouble> {
    let change = check(k, id, verb)?;
    if let (Transition::To(state), Some(container)) = (change, k.containers.get_mut(id)) {
        container.life.0 = state;
    }
    k.waits.wake(WaitKey::Container(id));
    Ok(())
}

/// A container's first process has ended, and everything in its pid namespace with it.
pub fn init_ended(k: &mut Kernel, id: ContainerId, ended: Ended) {
    let init = k.containers.get(id).and_then(|c| c.init);
    let process = init.and_then(|init| k.tasks.processes.get(init));
    let times = process.map_or((0, 0), |p| {
        let (own, children) = (p.times, p.child_times);
        (
            own.0.saturating_add(children.0),
            own.1.saturating_add(children.1),
        )
    });
    let killed_for = process.and_then(|p| p.oom.killed_for);
    let Some(container) = k.containers.get_mut(id) else {
        return;
    };
    let own = container.group.as_ref().map(|group| group.key());
    let (kind, value) = match ended {
        Ended::Code(code) => (exit::CODE, u32::from(code)),
        Ended::Signal(signal) => (exit::SIGNAL, u32::from(signal)),
    };
    container.exit = ExitRecord {
        kind,
        value,
        oom_killed: match killed_for {
            None => oom::NO,
            Some(group) if Some(group) == own => oom::CONTAINER,
            Some(_) => oom::SYSTEM,
        },
        oom_kills: own.map_or(0, |group| {
            k.groups.memory_events(group).of(Happened::OomKill) as u32
        }),
        user_ns: times.0,
        system_ns: times.1,
    };
    container.init = None;
    container.init_task = None;
    // While it is being created, the create finds its process gone and fails.
    let _ = apply(k, id, Verb::Exited);
    super::drive::wake(k, id);
}

/// `container_kill`: sends a signal to the container's first process.
///
/// # Errors
/// Refused in the wrong state (O-kill-1); EINVAL for a number that is no signal.
pub fn kill(k: &mut Kernel, id: &str, number: u64) -> Result<(), Trouble> {
    let id = find(k, id)?;
    check(k, id, Verb::Kill)?;
    let number = u32::try_from(number).ok().filter(|n| *n <= 64);
    let number = number.ok_or_else(|| Trouble::refused(Errno::EINVAL, "no such signal"))?;
    let init = k
        .containers
        .get(id)
        .and_then(|c| c.init)
        .ok_or(Errno::ESRCH)?;
    if number > 0 {
        let info = SigInfo {
            signal: number,
            ..SigInfo::default()
        };
        signal::send_process(k, init, info);
    }
    Ok(())
}

/// `container_wait`: waits until the container is stopped.
///
/// # Errors
/// EAGAIN with `nohang` while it is not; refused when there is none of that name.
pub fn wait(k: &Kernel, id: &str, nohang: bool) -> Result<ExitRecord, Trouble> {
    let key = find(k, id)?;
    let container = k.containers.get(key).ok_or(Errno::ENOENT)?;
    match container.life.state() {
        State::Stopped => Ok(container.exit),
        _ if nohang => Err(Trouble::refused(
            Errno::EAGAIN,
            "the container is not stopped",
        )),
        _ => Err(Stop::Wait(Pending::on(WaitKey::Container(key), Restart::Sys)).into()),
    }
}
