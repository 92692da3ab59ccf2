//! Hooks: programs given the state document, watched until they end.
//!
//! A hook is a process of its own with exactly its configured environment. Everything it starts
//! carries its job number, and ends with it when it fails or its time runs out.

use super::create::{Problem, Work};
use super::program::Place;
use super::steps::{Token, Undo};
use super::{ContainerId, Trouble, stdio};
use crate::arena::Held;
use crate::cgroup::GroupId;
use crate::error::{Errno, Stop};
use crate::fs::walk::Start;
use crate::fs::{InodeId, MountId, Store};
use crate::machine::Machine;
use crate::mm::arguments::Arguments;
use crate::mm::exec::{self, Caller, Image, Program};
use crate::ns::{NsKeys, PidNsId};
use crate::task::exec::find_program;
use crate::task::limits::{INITIAL, Limits};
use crate::task::spawn::{self, Spawn};
use crate::task::{Cred, Ended, Process, ProcessId};
use crate::{Cx, Kernel};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use berth_oci::{HookKind, HookOutcome, HookSide, HookStep, Outcome, StateDocument, Timestamp};

/// The number of a hook that runs; whatever it starts carries it too.
pub(super) type Job = u64;

/// A hook that runs, or has ended and was not asked about yet.
pub(super) struct Running {
    job: Job,
    process: ProcessId,
    step: HookStep,
    /// How it ended.
    outcome: Option<HookOutcome>,
    /// Where its output goes.
    output: Held<InodeId>,
}

/// The most of a hook's output that an error shows, in bytes.
const OUTPUT_SHOWN: usize = 1024;

/// Where a hook runs, as whom, and who pays.
struct Side {
    ns: NsKeys,
    /// Its root and working directory.
    place: Start,
    /// Where its path and its interpreter's are looked up.
    path: Start,
    cred: Cred,
    limits: Limits,
    group: GroupId,
}

/// The table of runtime-spec "POSIX-platform Hooks". What runs before the container's program is
/// confined as that: a `startContainer` hook is a program of the container. All others are the
/// runtime's, and have the bundle as their working directory; `createContainer`, which has
/// to find the container's files, begins in its root.
fn side(k: &Kernel, id: ContainerId, work: &Work, kind: HookKind) -> Result<Side, Trouble> {
    let runtime = &work.runtime;
    let path = Start {
        root: runtime.root.pos(),
        cwd: runtime.bundle.pos(),
    };
    let mut side = Side {
        ns: runtime.ns.keys(),
        place: path,
        path,
        cred: runtime.cred.clone(),
        limits: INITIAL,
        group: runtime.group.key(),
    };
    match (kind.path_in(), kind.runs_in()) {
        (HookSide::Runtime, HookSide::Container) => {
            side.ns = work.build.ns.ok_or(Errno::EINVAL)?;
            let root = super::mounts::copied(k, side.ns.mount, path.root);
            side.place = Start {
                root: root.map_or_else(|| super::mounts::old_root(k, side.ns.mount), Ok)?,
                cwd: work.build.root.ok_or(Errno::EINVAL)?,
            };
        }
        (HookSide::Container, _) => {
            let task = super::program::init_task(k, id)?;
            side.ns = crate::ns::keys_of(k, task)?;
            side.place = crate::task::exec::start(k, task)?;
            side.path = side.place;
            let task = k.tasks.tasks.get(task).ok_or(Errno::ESRCH)?;
            side.cred = task.cred.clone();
            side.group = task.group.key();
            let process = k.tasks.processes.get(task.process).ok_or(Errno::ESRCH)?;
            side.limits = process.limits;
        }
        _ => {}
    }
    Ok(side)
}

/// Starts a hook.
///
/// # Errors
/// Refused with the hook's name and why it did not start.
pub(super) fn begin(
    k: &mut Kernel,
    cx: &mut Cx,
    id: ContainerId,
    work: &mut Work,
    step: HookStep,
) -> Result<Job, Trouble> {
    let side = side(k, id, work, step.kind)?;
    let config = &k.containers.get(id).ok_or(Errno::ENOENT)?.config;
    let hook = step.of(config).ok_or(Errno::EINVAL)?.clone();
    let env = bytes_of(step.env(config));
    let document = document(k, id, step, side.ns.pid_for_children)?;
    let file = find_program(k, side.path, &side.cred, hook.path.as_bytes())
        .map_err(|errno| not_started(step, errno))?;
    let program = Program {
        file,
        path: hook.path.clone().into_bytes(),
        path_ends: false,
        arguments: Arguments::of(k, cx.m, side.group, &bytes_of(hook.argv()), &env)?,
        caller: Caller {
            start: side.path,
            cred: side.cred.clone(),
            stack_max: side.limits[linux_raw_sys::general::RLIMIT_STACK as usize].0,
            shares: false,
        },
    };
    let image = exec::load(k, cx, program, side.group).map_err(|stop| match stop {
        Stop::Errno(errno) => not_started(step, errno),
        stop => stop.into(),
    })?;
    let job = k.containers.next_job();
    let scratch = work.runtime.root.pos().mount;
    let (process, output) = spawn_hook(k, cx, side, image, (scratch, &document), job)?;
    k.containers.hooks.insert(job, id);
    if hook.timeout_secs > 0 {
        let time = u64::from(hook.timeout_secs).saturating_mul(1_000_000_000);
        k.containers
            .timers
            .insert((cx.now.saturating_add(time), job));
    }
    work.hook = Some(Running {
        job,
        process,
        step,
        outcome: None,
        output,
    });
    Ok(job)
}

fn bytes_of(texts: &[String]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.clone().into_bytes()).collect()
}

/// Makes the hook's process. Its input and output are files without a name on the runtime's root.
fn spawn_hook(
    k: &mut Kernel,
    cx: &mut Cx,
    side: Side,
    image: Image,
    (scratch, document): (MountId, &[u8]),
    job: Job,
) -> Result<(ProcessId, Held<InodeId>), Stop> {
    let group = side.group;
    let place = match Place::hold(k, side.ns, side.place.root, side.place.cwd) {
        Ok(place) => place,
        Err(stop) => {
            exec::discard(k, image);
            return Err(stop);
        }
    };
    let (files, output) = match stdio::of_hook(k, cx.m, scratch, document, group) {
        Ok(parts) => parts,
        Err(stop) => {
            place.release(k);
            exec::discard(k, image);
            return Err(stop);
        }
    };
    let spawn = Spawn {
        parent: None,
        ns: place.ns,
        root: place.root,
        cwd: place.cwd,
        umask: 0o022,
        cred: side.cred,
        group,
        files,
        limits: side.limits,
        image: Some(image),
        container: None,
        hook: Some(job),
    };
    match spawn::process(k, cx.m, spawn) {
        Ok(process) => Ok((process, output)),
        Err(stop) => {
            Store::of(k).release_inode(output);
            Err(stop)
        }
    }
}

fn not_started(step: HookStep, errno: Errno) -> Trouble {
    let outcome = HookOutcome::NotStarted(errno.text());
    match outcome.check(step.kind, step.index) {
        Err(error) => Trouble::refused(Errno::EINVAL, format!("{error}")),
        Ok(()) => Trouble::refused(errno, errno.text()),
    }
}

/// The state document on a hook's standard input (H-2, S-1 to S-7), with the pid as the hook's
/// namespace has it.
fn document(
    k: &Kernel,
    id: ContainerId,
    step: HookStep,
    reader: PidNsId,
) -> Result<Vec<u8>, Trouble> {
    let container = k.containers.get(id).ok_or(Errno::ENOENT)?;
    let number = |init| crate::task::pid::process_number(&k.tasks, init, reader);
    let pid = container.init.map_or(0, number);
    let document = StateDocument {
        oci_version: &container.config.oci_version,
        id: container.name.as_str(),
        status: step.kind.status_seen(),
        pid: (pid > 0).then_some(pid),
        bundle: &container.bundle,
        annotations: container
            .config
            .annotations
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str())),
        created: Timestamp {
            secs: container.created.0,
            nanos: container.created.1,
        },
    };
    let mut text = String::new();
    document.write_json(&mut text).map_err(|_| Errno::ENOMEM)?;
    Ok(text.into_bytes())
}

/// What to tell the operation of the hook it waits for: its end, or nothing new.
pub(super) fn outcome(
    k: &mut Kernel,
    cx: &mut Cx,
    work: &mut Work,
) -> Outcome<Undo, Token, Problem> {
    let ended = work.hook.take_if(|hook| hook.outcome.is_some());
    let Some(Running {
        job,
        step,
        outcome: Some(ended),
        output,
        ..
    }) = ended
    else {
        return Outcome::Ready;
    };
    let result = ended.check(step.kind, step.index);
    // A helper that a successful hook started for the container goes on without it.
    if result.is_err() {
        kill_members(k, cx.m, job);
    }
    let shown = result
        .is_err()
        .then(|| stdio::head(k, cx.m, output.key(), OUTPUT_SHOWN));
    Store::of(k).release_inode(output);
    match result {
        Ok(()) => Outcome::Done(None),
        Err(error) => Outcome::Failed(Problem {
            errno: Errno::EIO,
            text: with_output(format!("{error}"), shown),
        }),
    }
}

fn with_output(mut text: String, output: Option<Vec<u8>>) -> String {
    let output = output.unwrap_or_default();
    let output = String::from_utf8_lossy(&output);
    let output = output.trim();
    if !output.is_empty() {
        text.push_str(", output: ");
        text.push_str(output);
    }
    text
}

/// Kills a hook whose operation was aborted, with everything it started.
pub(super) fn cancel(k: &mut Kernel, m: &mut dyn Machine, work: &mut Work, job: Job) {
    forget(k, job);
    kill_members(k, m, job);
    if let Some(Running { output, .. }) = work.hook.take_if(|hook| hook.job == job) {
        Store::of(k).release_inode(output);
    }
}

fn forget(k: &mut Kernel, job: Job) -> Option<ContainerId> {
    k.containers.timers.retain(|(_, j)| *j != job);
    k.containers.hooks.remove(&job)
}

/// A process that the kernel reaps and that belongs to a hook has ended: the hook itself, or an
/// orphan of it, which does not count.
pub fn ended(k: &mut Kernel, job: u64, process: ProcessId, ended: Ended) {
    let id = k.containers.hooks.get(&job);
    let work = id
        .and_then(|id| k.containers.get(*id))
        .and_then(|c| c.work.as_ref());
    let hook = work.and_then(|work| work.hook.as_ref());
    if hook.is_some_and(|hook| hook.process == process) {
        let outcome = match ended {
            Ended::Code(code) => HookOutcome::Exited(code),
            Ended::Signal(signal) => HookOutcome::Signalled(signal),
        };
        over(k, job, outcome);
    }
}

/// Hooks whose time has run out.
pub fn expire(k: &mut Kernel, m: &mut dyn Machine, now: u64) {
    while let Some(&(at, job)) = k.containers.timers.first() {
        if at > now {
            break;
        }
        let secs = timeout_of(k, job);
        over(k, job, HookOutcome::TimedOut { secs });
        kill_members(k, m, job);
    }
}

fn timeout_of(k: &Kernel, job: u64) -> u32 {
    let container = k
        .containers
        .hooks
        .get(&job)
        .and_then(|id| k.containers.get(*id));
    let step = container.and_then(|c| Some(c.work.as_ref()?.hook.as_ref()?.step));
    let hook = step.and_then(|step| step.of(&container?.config));
    hook.map_or(0, |hook| hook.timeout_secs)
}

/// Ends every process of a hook; setsid and double forks do not escape (H-3).
fn kill_members(k: &mut Kernel, m: &mut dyn Machine, job: u64) {
    let of_job = |(id, process): (ProcessId, &Process)| {
        (process.hook == Some(job) && process.ended.is_none()).then_some(id)
    };
    let members: Vec<ProcessId> = k.tasks.processes.iter().filter_map(of_job).collect();
    for process in members {
        crate::task::exit::kill_now(k, m, process);
    }
}

/// The end of a hook, by itself or by its time: told to its operation, once.
fn over(k: &mut Kernel, job: u64, outcome: HookOutcome) {
    let Some(id) = forget(k, job) else { return };
    let work = k.containers.get_mut(id).and_then(|c| c.work.as_mut());
    let Some(work) = work else { return };
    if let Some(hook) = work.hook.as_mut().filter(|hook| hook.job == job) {
        hook.outcome = Some(outcome);
    }
    super::drive::wake(k, id);
}
