//! Hooks: programs on the runtime's side, given the state document, watched until they end.
//!
//! A hook is a process of its own with exactly its configured environment and the bundle as its
//! working directory. Everything it starts carries its job number, and ends with it.

use super::create::{Problem, Runtime, Work};
use super::program::Place;
use super::steps::Undo;
use super::{ContainerId, Trouble, stdio};
use crate::arena::Held;
use crate::cgroup::GroupId;
use crate::error::{Errno, Stop};
use crate::fs::walk::Start;
use crate::fs::{InodeId, Location, Store};
use crate::machine::Machine;
use crate::mm::exec::{self, Caller, Image, Program};
use crate::task::exec::find_program;
use crate::task::spawn::{self, Spawn};
use crate::task::{Ended, Process, ProcessId, limits};
use crate::wait::WaitKey;
use crate::{Cx, Kernel};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use berth_oci::{HookOutcome, HookStep, OciHook, Outcome, StateDocument, Timestamp};

/// The job number of a hook that runs.
pub(super) type Token = u64;

/// A hook that runs, or has ended and was not asked about yet.
pub(super) struct Running {
    job: Token,
    process: ProcessId,
    step: HookStep,
    /// How it ended.
    outcome: Option<HookOutcome>,
    /// Where its output goes.
    output: Held<InodeId>,
}

/// The most of a hook's output that an error shows, in bytes.
const OUTPUT_SHOWN: usize = 1024;

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
) -> Result<Token, Trouble> {
    let container = k.containers.get(id).ok_or(Errno::ENOENT)?;
    let hook = step.of(&container.config).ok_or(Errno::EINVAL)?.clone();
    let document = document(k, cx, id, step)?;
    let runtime = &work.runtime;
    let group = runtime.group.key();
    let start = Start {
        root: runtime.root.pos(),
        cwd: runtime.bundle.pos(),
    };
    let file = find_program(k, start, &runtime.cred, hook.path.as_bytes())
        .map_err(|errno| not_started(step, errno))?;
    let caller = Caller {
        start,
        cred: runtime.cred.clone(),
        stack_max: limits::INITIAL[linux_raw_sys::general::RLIMIT_STACK as usize].0,
        shares: false,
    };
    let image =
        exec::load(k, cx, program_of(&hook, file, caller), group).map_err(|stop| match stop {
            Stop::Errno(errno) => not_started(step, errno),
            stop => stop.into(),
        })?;
    let job = k.containers.next_job();
    let (process, output) = spawn_hook(k, cx, runtime, image, &document, (group, job))?;
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

fn program_of(hook: &OciHook, file: Location, caller: Caller) -> Program {
    Program {
        file,
        path: hook.path.clone().into_bytes(),
        args: hook
            .argv()
            .iter()
            .map(|arg| arg.clone().into_bytes())
            .collect(),
        env: hook
            .env
            .iter()
            .map(|var| var.clone().into_bytes())
            .collect(),
        caller,
    }
}

fn spawn_hook(
    k: &mut Kernel,
    cx: &mut Cx,
    runtime: &Runtime,
    image: Image,
    document: &[u8],
    (group, job): (GroupId, Token),
) -> Result<(ProcessId, Held<InodeId>), Stop> {
    let root = runtime.root.pos();
    let place = match Place::hold(k, runtime.ns.keys(), root, runtime.bundle.pos()) {
        Ok(place) => place,
        Err(stop) => {
            exec::discard(k, image);
            return Err(stop);
        }
    };
    let (files, output) = match stdio::of_hook(k, cx.m, root.mount, document, group) {
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
        cred: runtime.cred.clone(),
        group,
        files,
        limits: limits::INITIAL,
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

/// The state document on a hook's standard input (H-2, S-1 to S-7).
fn document(k: &Kernel, cx: &Cx, id: ContainerId, step: HookStep) -> Result<Vec<u8>, Trouble> {
    let container = k.containers.get(id).ok_or(Errno::ENOENT)?;
    let pid = super::record::pid_seen_by(k, cx.task, id);
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
    // Whatever the hook left running goes with it.
    kill_members(k, cx.m, job);
    let result = ended.check(step.kind, step.index);
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
pub(super) fn cancel(k: &mut Kernel, m: &mut dyn Machine, work: &mut Work, token: Token) {
    forget(k, token);
    kill_members(k, m, token);
    if let Some(Running { output, .. }) = work.hook.take_if(|hook| hook.job == token) {
        Store::of(k).release_inode(output);
    }
}

fn forget(k: &mut Kernel, job: Token) -> Option<ContainerId> {
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
    if work.caller.is_none() {
        k.work.add(crate::work::Job::Container(id));
    }
    k.waits.wake(WaitKey::Container(id));
}
