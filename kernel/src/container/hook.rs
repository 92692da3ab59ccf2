//! Hooks: programs on the runtime's side, given the state document, watched until they end.
//!
//! A hook is a process of its own with exactly its configured environment and the bundle as its
//! working directory. Everything it starts carries its job number, and ends with it.

use super::create::{Problem, Work};
use super::steps::Undo;
use super::{ContainerId, Trouble};
use crate::error::{Errno, Stop};
use crate::fs::InodeId;
use crate::machine::Machine;
use crate::mm::exec::{self, Program};
use crate::task::spawn::{self, Spawn};
use crate::task::{Ended, ProcessId};
use crate::wait::WaitKey;
use crate::{Cx, Kernel};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use berth_oci::{HookOutcome, HookStep, Outcome, StateDocument, Timestamp};

/// The job number of a hook that runs.
pub(super) type Token = u64;

/// A hook that runs, or has ended and was not asked about yet.
pub(super) struct Running {
    job: Token,
    step: HookStep,
    /// How it ended.
    outcome: Option<HookOutcome>,
    /// Where its output goes.
    output: crate::arena::Held<InodeId>,
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
    let group = k
        .containers
        .get(id)
        .and_then(|c| c.group.as_ref())
        .ok_or(Errno::ENOENT)?
        .key();
    let program = |file| Program {
        file,
        path: hook.path.clone().into_bytes(),
        args: hook.args.iter().map(|a| a.clone().into_bytes()).collect(),
        env: hook.env.iter().map(|e| e.clone().into_bytes()).collect(),
    };
    let start = crate::fs::walk::Start {
        root: work.runtime.root.pos(),
        cwd: work.runtime.bundle.pos(),
    };
    let found = crate::task::exec::find_program(k, start, &work.runtime.cred, hook.path.as_bytes());
    let image = found
        .map_err(Stop::from)
        .and_then(|file| exec::load(k, cx, program(file), start, group));
    let image = match image {
        Ok(image) => image,
        Err(Stop::Errno(errno)) => return Err(not_started(step, errno)),
        Err(stop) => return Err(stop.into()),
    };
    let spawned = spawn_hook(k, cx, work, image, &document, group);
    let (process, output) = spawned?;
    let job = k.containers.next_job();
    if let Some(process) = k.tasks.processes.get_mut(process) {
        process.hook = Some(job);
    }
    k.containers.hooks.insert(job, id);
    if hook.timeout_secs > 0 {
        let at = cx
            .now
            .saturating_add(u64::from(hook.timeout_secs).saturating_mul(1_000_000_000));
        k.containers.timers.insert((at, job));
    }
    work.hook = Some(Running {
        job,
        step,
        outcome: None,
        output,
    });
    Ok(job)
}

fn spawn_hook(
    k: &mut Kernel,
    cx: &mut Cx,
    work: &Work,
    image: exec::Image,
    document: &[u8],
    group: crate::cgroup::GroupId,
) -> Result<(ProcessId, crate::arena::Held<InodeId>), Trouble> {
    let parts = crate::task::files::for_hook(k, cx.m, document, group);
    let (files, output) = match parts {
        Ok(parts) => parts,
        Err(stop) => {
            exec::discard(k, image);
            return Err(stop.into());
        }
    };
    let keys = work.runtime.ns.keys();
    let spawned = spawn::process(
        k,
        cx.m,
        Spawn {
            parent: None,
            ns: crate::ns::hold_set(k, keys)?,
            root: work.runtime.root.pos(),
            cwd: work.runtime.bundle.pos(),
            umask: 0o022,
            cred: work.runtime.cred.clone(),
            group,
            files,
            image: Some(image),
            container: None,
        },
    );
    match spawned {
        Ok(process) => Ok((process, output)),
        Err(stop) => {
            crate::fs::release_inode(k, output);
            Err(stop.into())
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
        step,
        outcome: Some(ended),
        output,
        ..
    }) = ended
    else {
        return Outcome::Ready;
    };
    let result = ended.check(step.kind, step.index);
    let shown = result
        .is_err()
        .then(|| crate::fs::head_of(k, cx.m, output.key(), OUTPUT_SHOWN));
    crate::fs::release_inode(k, output);
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
    crate::task::exit::kill_hook(k, m, token);
    if let Some(Running { output, .. }) = work.hook.take_if(|hook| hook.job == token) {
        crate::fs::release_inode(k, output);
    }
}

fn forget(k: &mut Kernel, job: Token) -> Option<ContainerId> {
    k.containers.timers.retain(|(_, j)| *j != job);
    k.containers.hooks.remove(&job)
}

/// The process of a hook has ended (not those it started).
pub fn ended(k: &mut Kernel, m: &mut dyn Machine, job: u64, ended: Ended) {
    let outcome = match ended {
        Ended::Code(code) => HookOutcome::Exited(code),
        Ended::Signal(signal) => HookOutcome::Signalled(signal),
    };
    over(k, m, job, outcome);
}

/// Hooks whose time has run out.
pub fn expire(k: &mut Kernel, m: &mut dyn Machine, now: u64) {
    while let Some(&(at, job)) = k.containers.timers.first() {
        if at > now {
            break;
        }
        let secs = timeout_of(k, job);
        over(k, m, job, HookOutcome::TimedOut { secs });
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

fn over(k: &mut Kernel, m: &mut dyn Machine, job: u64, outcome: HookOutcome) {
    let Some(id) = forget(k, job) else { return };
    // Whatever the hook left running goes with it.
    crate::task::exit::kill_hook(k, m, job);
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
