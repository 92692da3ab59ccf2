//! The container's process: built without a program at create, given one at start.

use super::create::Work;
use super::steps::{Did, Undo, group};
use super::{ContainerId, Trouble, identity, stdio};
use crate::error::{Errno, Stop};
use crate::fs::walk::Start;
use crate::fs::{HeldPos, Location, Pos, release_pos};
use crate::mm::arguments::Arguments;
use crate::mm::exec::{self, Caller, Image, Program};
use crate::ns::{NsKeys, NsSet};
use crate::task::exec::{self as task_exec, find_program};
use crate::task::spawn::{self, Spawn};
use crate::task::{Cred, TaskId};
use crate::{Cx, Kernel};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use berth_oci::OciProcess;

/// Where programs are looked for when the environment does not say (execvp(3)).
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Makes the container's first task, complete but for a program: no instruction can run in it.
pub(super) fn create_task(
    k: &mut Kernel,
    cx: &mut Cx,
    id: ContainerId,
    work: &mut Work,
) -> Result<Did, Trouble> {
    let config = &k.containers.get(id).ok_or(Errno::ENOENT)?.config;
    let identity = identity::of(k, cx.task, config.process.as_ref())?;
    let root = work.build.root.ok_or(Errno::EINVAL)?;
    let keys = work.build.ns.ok_or(Errno::EINVAL)?;
    let group = group(k, id)?;
    let place = Place::hold(k, keys, root, root)?;
    let files = match stdio::of_caller(k, cx.task, group) {
        Ok(files) => files,
        Err(stop) => {
            place.release(k);
            return Err(stop.into());
        }
    };
    let spawn = Spawn {
        parent: None,
        ns: place.ns,
        root: place.root,
        cwd: place.cwd,
        umask: identity.umask,
        cred: identity.cred,
        group,
        files,
        limits: identity.limits,
        image: None,
        container: Some(id),
        hook: None,
    };
    let process = spawn::process(k, cx.m, spawn)?;
    if let Some(made) = k.tasks.processes.get_mut(process) {
        made.oom = identity.oom;
    }
    let task = k.tasks.leader(process);
    if let Some(container) = k.containers.get_mut(id) {
        container.init = Some(process);
        container.init_task = task;
    }
    Ok(Did::Done(Some(Undo::Kill(process))))
}

/// The container's first task.
///
/// # Errors
/// ESRCH when it has ended, or is killed and only waits for the CPU to end.
pub(super) fn init_task(k: &Kernel, id: ContainerId) -> Result<TaskId, Trouble> {
    let task = k.containers.get(id).and_then(|c| c.init_task);
    let lives = |task: &TaskId| k.tasks.tasks.get(*task).is_some_and(|t| !t.share.doomed);
    task.filter(lives)
        .ok_or_else(|| Trouble::refused(Errno::ESRCH, "the container's process was killed"))
}

/// Namespaces and directories held for a process that is to be made.
pub(super) struct Place {
    pub ns: NsSet,
    pub root: HeldPos,
    pub cwd: HeldPos,
}

impl Place {
    /// Takes a reference to each.
    ///
    /// # Errors
    /// ENOENT when one is gone.
    pub fn hold(k: &mut Kernel, ns: NsKeys, root: Pos, cwd: Pos) -> Result<Place, Stop> {
        let root = k.fs.hold_pos(root).ok_or(Errno::ENOENT)?;
        let Some(cwd) = k.fs.hold_pos(cwd) else {
            release_pos(k, root);
            return Err(Errno::ENOENT.into());
        };
        match crate::ns::hold_set(k, ns) {
            Ok(ns) => Ok(Place { ns, root, cwd }),
            Err(errno) => {
                release_pos(k, root);
                release_pos(k, cwd);
                Err(errno.into())
            }
        }
    }

    /// Gives them back.
    pub fn release(self, k: &mut Kernel) {
        release_pos(k, self.root);
        release_pos(k, self.cwd);
        crate::ns::release_set(k, self.ns);
    }
}

/// Loads the program from inside the container (P-6: found as execvp(3) does).
pub(super) fn load(
    k: &mut Kernel,
    cx: &mut Cx,
    id: ContainerId,
    work: &mut Work,
) -> Result<Did, Trouble> {
    let task = init_task(k, id)?;
    let container = k.containers.get(id).ok_or(Errno::ENOENT)?;
    let process = container.config.process.clone().ok_or(Errno::EINVAL)?;
    let group = group(k, id)?;
    let name = process.args.first().cloned().unwrap_or_default();
    let (file, path) = find(k, task, &process, &name)?;
    let caller = Caller::of(k, task)?;
    let strings = |list: &[String]| list.iter().map(|s| s.clone().into_bytes()).collect();
    let (args, env): (Vec<_>, Vec<_>) = (strings(&process.args), strings(&process.env));
    let program = Program {
        file,
        path,
        path_ends: false,
        arguments: Arguments::of(k, cx.m, group, &args, &env)?,
        caller,
    };
    let image = exec::load(k, cx, program, group).map_err(|stop| named(stop, &name))?;
    work.build.image = Some(image);
    Ok(Did::Done(None))
}

/// Lets the loaded program run.
pub(super) fn run(
    k: &mut Kernel,
    cx: &mut Cx,
    id: ContainerId,
    work: &mut Work,
) -> Result<(), Trouble> {
    let task = init_task(k, id)?;
    let image: Image = work.build.image.take().ok_or(Errno::EINVAL)?;
    spawn::start(k, cx.m, task, image);
    Ok(())
}

fn find(
    k: &Kernel,
    task: TaskId,
    process: &OciProcess,
    name: &str,
) -> Result<(Location, Vec<u8>), Trouble> {
    let start = task_exec::start(k, task)?;
    let cred = k.tasks.tasks.get(task).ok_or(Errno::ESRCH)?.cred.clone();
    if name.contains('/') {
        let file = find_program(k, start, &cred, name.as_bytes());
        return match file {
            Ok(file) => Ok((file, name.as_bytes().to_vec())),
            Err(errno) => Err(named(errno.into(), name)),
        };
    }
    let path = process
        .env
        .iter()
        .find_map(|e| e.strip_prefix("PATH="))
        .unwrap_or(DEFAULT_PATH);
    search(k, start, &cred, path, name)
}

/// Looks in each directory of a PATH. A file that may not be executed is remembered for the error.
fn search(
    k: &Kernel,
    start: Start,
    cred: &Cred,
    path: &str,
    name: &str,
) -> Result<(Location, Vec<u8>), Trouble> {
    let mut denied = false;
    for dir in path.split(':') {
        let dir = if dir.is_empty() { "." } else { dir };
        let full = format!("{dir}/{name}").into_bytes();
        match find_program(k, start, cred, &full) {
            Ok(file) => return Ok((file, full)),
            Err(Errno::EACCES) => denied = true,
            Err(_) => {}
        }
    }
    match denied {
        true => Err(named(Errno::EACCES.into(), name)),
        false => Err(Trouble::refused(
            Errno::ENOENT,
            format!("exec: \"{name}\": executable file not found in $PATH"),
        )),
    }
}

/// The words that users know for a program that cannot be run.
fn named(stop: Stop, name: &str) -> Trouble {
    match stop {
        Stop::Errno(errno) => {
            let text: String = format!("exec: \"{name}\": {}", errno.text());
            Trouble::refused(errno, text)
        }
        stop => stop.into(),
    }
}
