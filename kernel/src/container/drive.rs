//! Carries operations on: asks for the next step, has it done, feeds the outcome back.

use super::create::{Problem, Runtime, Work, keep};
use super::{ContainerId, Trouble, steps};
use crate::arena::Key;
use crate::error::{Errno, Stop};
use crate::fs::{self, HeldPos, Location};
use crate::machine::Machine;
use crate::task::TaskId;
use crate::wait::{Pending, Restart, Resume, WaitKey};
use crate::work::Job;
use crate::{Cx, Kernel};
use alloc::boxed::Box;
use alloc::string::String;
use berth_oci::{Failure, Next, OciLifecycleState as State, Outcome, Verb, Warning};

/// How far an operation came.
pub(super) enum Driven {
    /// A hook runs, or the container's processes end; that wakes those who wait for it.
    Waits,
    /// It has done enough for one trap, and goes on at once.
    Yields,
    /// It succeeded; with the warnings of steps that failed, a line each.
    Done(String),
    /// It failed and is undone.
    Failed(Failure<Problem>),
}

/// Steps done in one trap, so that no trap is long whatever is configured.
const STEPS_A_TRAP: u32 = 12;

/// Carries the operation of a container on until it waits or is over. The work is taken out while
/// its steps are done, so that they can use all of the kernel.
pub(super) fn drive(k: &mut Kernel, cx: &mut Cx, id: ContainerId) -> Driven {
    let Some(mut work) = k.containers.get_mut(id).and_then(|c| c.work.take()) else {
        let error = Problem {
            errno: Errno::ENOENT,
            text: String::from("the container is gone"),
        };
        return Driven::Failed(Failure {
            step: None,
            error,
            destroyed: true,
        });
    };
    let mut outcome = match work.outcome.take() {
        Some(outcome) => outcome,
        None => steps::awaited(k, cx, id, &mut work),
    };
    let mut left = STEPS_A_TRAP;
    let failure = loop {
        if left == 0 {
            work.outcome = Some(outcome);
            if let Some(container) = k.containers.get_mut(id) {
                container.work = Some(work);
            }
            return Driven::Yields;
        }
        left -= 1;
        outcome = match work.operation.poll(outcome) {
            Next::Do(step) => steps::perform(k, cx, id, &mut work, step),
            Next::Undo(undo) => {
                steps::undo(k, cx.m, undo, &mut work.build.made);
                Outcome::Ready
            }
            Next::Cancel(token) => {
                steps::cancel(k, cx.m, &mut work, token);
                Outcome::Ready
            }
            Next::Wait => {
                let its_turn = work.operation.waiting() == Some(&steps::Token::Members);
                if let Some(container) = k.containers.get_mut(id) {
                    container.work = Some(work);
                }
                return match its_turn {
                    true => Driven::Yields,
                    false => Driven::Waits,
                };
            }
            Next::Done | Next::Over => break None,
            Next::Failed(failure) => break Some(failure),
        };
    };
    let warnings = finish(k, id, work);
    match failure {
        Some(failure) => Driven::Failed(failure),
        None => Driven::Done(warnings),
    }
}

/// An operation is over: what create built stays with the container, the rest is given back.
fn finish(k: &mut Kernel, id: ContainerId, mut work: Box<Work>) -> String {
    keep(k, id, &mut work);
    if let Some(caller) = work.caller {
        k.containers.callers.remove(&(caller, id));
    }
    let mut warnings = String::new();
    for Warning { error, .. } in work.operation.take_warnings() {
        log::warn!(target: "container", "{}", error.text);
        warnings.push_str(&error.text);
        warnings.push('\n');
    }
    if let Some(image) = work.build.image.take() {
        crate::mm::exec::discard(k, image);
    }
    release_runtime(k, work.runtime);
    k.waits.wake(WaitKey::Container(id));
    warnings
}

/// Carries an operation on whose caller has ended.
pub fn alone(k: &mut Kernel, m: &mut dyn Machine, id: ContainerId) {
    without_caller(k, m, |k, cx| match drive(k, cx, id) {
        Driven::Waits | Driven::Done(_) => {}
        Driven::Yields => k.work.add(Job::Container(id)),
        Driven::Failed(_) => {
            let creating = k.containers.get(id).map(|c| c.life.state()) == Some(State::Creating);
            if creating {
                forget(k, id);
            }
        }
    });
}

/// Does something in the name of the first task of the system.
pub(super) fn without_caller(
    k: &mut Kernel,
    m: &mut dyn Machine,
    what: impl FnOnce(&mut Kernel, &mut Cx),
) {
    let Some(task) = first_task(k) else { return };
    let now = m.now();
    let mut cx = Cx {
        m,
        now,
        task,
        resume: None,
    };
    what(k, &mut cx);
}

/// The first task of the system: its root is the one that every path means.
fn first_task(k: &Kernel) -> Option<TaskId> {
    let init = k.ns.pid.get(k.ns.initial_pid()?)?.init?;
    k.tasks.leader(init)
}

/// Takes a container out of the tables for good.
pub(super) fn forget(k: &mut Kernel, id: ContainerId) {
    let Some(name) = k.containers.get(id).map(|c| c.name.clone()) else {
        return;
    };
    let Some(held) = k.containers.by_name.remove(&name) else {
        return;
    };
    if let Some((container, charge)) = k.containers.arena.release(held) {
        k.groups.give_back(charge);
        if let Some(group) = container.group {
            k.containers.groups.remove(&group.key());
            k.groups.release(group);
        }
        super::draft::forget(k, container.config);
    }
    k.waits.wake(WaitKey::Container(id));
}

/// The runtime's side as a task sees it, and the bundle's absolute path.
pub(super) fn runtime_of(
    k: &mut Kernel,
    task: TaskId,
    bundle_fd: Option<i32>,
) -> Result<(Runtime, String), Trouble> {
    let keys = crate::ns::keys_of(k, task)?;
    let caller = k.tasks.tasks.get(task).ok_or(Errno::ESRCH)?;
    let (cred, group) = (caller.cred.clone(), caller.group.key());
    let start = crate::task::exec::start(k, task)?;
    let bundle = match bundle_fd {
        Some(fd) => directory(k, task, fd)?,
        None => Location {
            pos: start.root,
            name: None,
        },
    };
    let path = {
        let views = crate::views::Source::of(k);
        fs::path::path_of(&k.fs, &views, &bundle, start.root).text()
    };
    let path = String::from_utf8(path)
        .map_err(|_| Trouble::refused(Errno::EINVAL, "the bundle's path is not UTF-8"))?;
    let root = k.fs.hold_pos(start.root).ok_or(Errno::ENOENT)?;
    let Some(bundle) = k.fs.hold_pos(bundle.pos) else {
        fs::release_pos(k, root);
        return Err(Errno::ENOENT.into());
    };
    match crate::ns::hold_set(k, keys) {
        Ok(ns) => Ok((
            Runtime {
                root,
                bundle,
                ns,
                cred,
                group: k.groups.hold(group),
            },
            path,
        )),
        Err(errno) => {
            fs::release_pos(k, root);
            fs::release_pos(k, bundle);
            Err(errno.into())
        }
    }
}

/// The place of a descriptor that is a directory.
fn directory(k: &Kernel, task: TaskId, fd: i32) -> Result<Location, Trouble> {
    let file = crate::task::files::any_file(k, task, fd as u64)?;
    let location = k.fs.file(file)?.location();
    match k
        .fs
        .is_dir(&crate::views::Source::of(k), location.pos.node)?
    {
        true => Ok(location),
        false => Err(Trouble::refused(
            Errno::ENOTDIR,
            "the bundle is not a directory",
        )),
    }
}

/// The runtime's side for an operation after create: the bundle is found again by its path, for
/// the hooks, which begin in `/` when it is gone.
pub(super) fn runtime_again(
    k: &mut Kernel,
    task: TaskId,
    id: ContainerId,
) -> Result<Runtime, Trouble> {
    let (mut runtime, _) = runtime_of(k, task, None)?;
    if let Some(bundle) = bundle_again(k, task, id) {
        let root = core::mem::replace(&mut runtime.bundle, bundle);
        fs::release_pos(k, root);
    }
    Ok(runtime)
}

fn bundle_again(k: &mut Kernel, task: TaskId, id: ContainerId) -> Option<HeldPos> {
    let start = crate::task::exec::start(k, task).ok()?;
    let path = k.containers.get(id)?.bundle.clone();
    let flags = fs::walk::WalkFlags::DIRECTORY;
    let pos = super::steps::look(k, start, path.as_bytes(), flags).ok()?;
    k.fs.hold_pos(pos)
}

/// Has the operation of a container looked at again: by its caller, or by itself.
pub(super) fn wake(k: &mut Kernel, id: ContainerId) {
    let work = k.containers.get(id).and_then(|c| c.work.as_ref());
    if work.is_some_and(|work| work.caller.is_none()) {
        k.work.add(Job::Container(id));
    }
    k.waits.wake(WaitKey::Container(id));
}

/// Gives the runtime's side back.
pub(super) fn release_runtime(k: &mut Kernel, runtime: Runtime) {
    fs::release_pos(k, runtime.root);
    fs::release_pos(k, runtime.bundle);
    crate::ns::release_set(k, runtime.ns);
    k.groups.release(runtime.group);
}

/// Whether it is `task` whose operation on a container this is: its call was made again behind a
/// signal's handler, and remembers nothing.
pub(super) fn is_own(k: &Kernel, task: TaskId, id: ContainerId, verb: Verb) -> bool {
    let work = k.containers.get(id).and_then(|c| c.work.as_ref());
    work.is_some_and(|work| work.caller == Some(task) && work.verb == verb)
}

/// What a waiting call remembers of its container.
fn resume_of(id: ContainerId) -> Resume {
    Resume {
        word: u64::from(id.generation()) << 32 | u64::from(id.index()),
        ..Resume::default()
    }
}

/// The wait of a call on a container's operation: for a hook, or (with `at_once`) only for its
/// turn.
pub(super) fn wait(id: ContainerId, now: u64, at_once: bool) -> Trouble {
    let pending = Pending::on(WaitKey::Container(id), Restart::NoIntr);
    let deadline = at_once.then_some(now);
    let resume = Resume {
        deadline,
        ..resume_of(id)
    };
    Stop::Wait(pending.with(resume)).into()
}

/// And back.
pub(super) fn id_of(resume: Resume) -> ContainerId {
    Key::new(resume.word as u32, (resume.word >> 32) as u32)
}
