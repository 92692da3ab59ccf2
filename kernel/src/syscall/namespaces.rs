//! Leaving and entering namespaces: unshare(2), setns(2).

use super::Line;
use crate::arena::Held;
use crate::error::{Call, Errno, Stop};
use crate::fs::open::FileKind;
use crate::fs::{FileId, Pos};
use crate::ns::{self, MountNsId, NsKeys, NsSet, PidNsId};
use crate::task::cred::capable;
use crate::task::{FilesId, FsContextId, TaskId, files};
use crate::views::nsfs::{self, Kind, Namespace};
use crate::{Cx, Kernel};
use linux_raw_sys::general as linux;

/// The calls of this file.
pub const CALLS: &[Line] = &[
    (linux::__NR_unshare, "unshare", unshare),
    (linux::__NR_setns, "setns", setns),
];

/// What a thread shares with the others of its process; only a process of one thread has none of
/// it shared.
const OF_THREADS: u32 = linux::CLONE_THREAD | linux::CLONE_SIGHAND | linux::CLONE_VM;

/// All that unshare(2) knows. There are no System V semaphores: none of their adjustments are
/// shared.
const UNSHARE: u32 = OF_THREADS
    | ns::NEW_FLAGS
    | linux::CLONE_NEWTIME
    | linux::CLONE_FS
    | linux::CLONE_FILES
    | linux::CLONE_SYSVSEM;

fn unshare(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let flags = u32::try_from(args[0]).map_err(|_| Errno::EINVAL)?;
    if flags & !UNSHARE != 0 {
        return Err(Errno::EINVAL.into());
    }
    ns::refuse_missing(flags)?;
    if flags & OF_THREADS != 0 && !is_single(k, cx.task) {
        return Err(Errno::EINVAL.into());
    }
    separate(k, cx.task, flags)?;
    Ok(0)
}

/// Gives a task a table of descriptors that nobody shares (close_range(2), CLOSE_RANGE_UNSHARE).
///
/// # Errors
/// No memory.
pub fn unshare_files(k: &mut Kernel, task: TaskId) -> Result<(), Stop> {
    separate(k, task, linux::CLONE_FILES)
}

/// Gives a task of its own what the flags say.
fn separate(k: &mut Kernel, task: TaskId, flags: u32) -> Result<(), Stop> {
    let mut draft = Draft::default();
    match draft.fill(k, task, flags) {
        Ok(()) => {
            draft.commit(k, task);
            Ok(())
        }
        Err(stop) => {
            draft.discard(k);
            Err(stop)
        }
    }
}

/// Whether a task is the only one of its process, and nobody else has its memory.
fn is_single(k: &Kernel, task: TaskId) -> bool {
    let Some(task) = k.tasks.tasks.get(task) else {
        return false;
    };
    let alone = k.tasks.live_threads(task.process).count() == 1;
    let mm = task.mm.as_ref().map(Held::key);
    alone && mm.is_some_and(|mm| k.spaces.refs(mm) == 1)
}

/// What a task gets of its own.
#[derive(Default)]
struct Draft {
    files: Option<Held<FilesId>>,
    context: Option<Held<FsContextId>>,
    ns: Option<NsSet>,
}

impl Draft {
    fn fill(&mut self, k: &mut Kernel, id: TaskId, flags: u32) -> Result<(), Stop> {
        let task = k.tasks.tasks.get(id).ok_or(Errno::ESRCH)?;
        let group = task.group.key();
        let files = task.files.as_ref().ok_or(Errno::ESRCH)?.key();
        let context = task.fs.as_ref().ok_or(Errno::ESRCH)?.key();
        if flags & linux::CLONE_FILES != 0 && k.tasks.files.refs(files) > 1 {
            self.files = Some(files::duplicate(k, files, group)?);
        }
        // Another mount namespace means another root.
        let moves = flags & (linux::CLONE_FS | linux::CLONE_NEWNS) != 0;
        if moves && k.tasks.contexts.refs(context) > 1 {
            self.context = Some(files::duplicate_context(k, context, group)?);
        }
        if flags & ns::NEW_FLAGS != 0 {
            let new = flags & ns::NEW_FLAGS;
            self.ns = Some(ns::for_child(k, id, new, group)?);
        }
        Ok(())
    }

    fn discard(self, k: &mut Kernel) {
        if let Some(files) = self.files {
            files::release(k, files);
        }
        if let Some(context) = self.context {
            files::release_context(k, context);
        }
        if let Some(set) = self.ns {
            ns::release_set(k, set);
        }
    }

    /// Gives the task what is here; what it had goes into the draft, and away.
    fn commit(mut self, k: &mut Kernel, id: TaskId) {
        let Some(task) = k.tasks.tasks.get_mut(id) else {
            return self.discard(k);
        };
        if self.files.is_some() {
            core::mem::swap(&mut task.files, &mut self.files);
        }
        if self.context.is_some() {
            core::mem::swap(&mut task.fs, &mut self.context);
        }
        if self.ns.is_some() {
            core::mem::swap(&mut task.ns, &mut self.ns);
        }
        let mount = task.ns.as_ref().map(|set| set.mount.key());
        let context = task.fs.as_ref().map(Held::key);
        if let (Some(mount), Some(context)) = (mount, context) {
            ns::mount::move_context(k, mount, context);
        }
        self.discard(k);
    }
}

fn setns(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let (namespace, kind) = of_descriptor(k, cx.task, args[0])?;
    let wanted = args[1] as u32;
    if wanted != 0 && wanted != flag(kind) {
        return Err(Errno::EINVAL.into());
    }
    let keys = ns::keys_of(k, cx.task)?;
    match namespace {
        Namespace::Uts(uts) => {
            admin(k, cx.task)?;
            replace(k, cx.task, NsKeys { uts, ..keys })?;
        }
        Namespace::Cgroup(cgroup) => {
            admin(k, cx.task)?;
            replace(k, cx.task, NsKeys { cgroup, ..keys })?;
        }
        Namespace::Ipc(ipc) => {
            admin(k, cx.task)?;
            replace(k, cx.task, NsKeys { ipc, ..keys })?;
        }
        Namespace::Pid(id) => {
            admin(k, cx.task)?;
            enter_pid(k, cx.task, keys, id)?;
        }
        Namespace::Mount(id) => enter_mount(k, cx.task, keys, id)?,
        // Everybody is in it already; a process cannot enter its own user namespace again.
        Namespace::Only(Kind::User) => return Err(Errno::EINVAL.into()),
        Namespace::Only(_) => admin(k, cx.task)?,
    }
    Ok(0)
}

/// The namespace that an open file is.
fn of_descriptor(k: &Kernel, task: TaskId, fd: u64) -> Result<(Namespace, Kind), Errno> {
    let number = usize::try_from(fd as i32).map_err(|_| Errno::EBADF)?;
    let files = k.tasks.tasks.get(task).and_then(|t| t.files.as_ref());
    let files = files.and_then(|files| k.tasks.files.get(files.key()));
    let slot = files.and_then(|files| files.table.get(number)?.as_ref());
    let id: FileId = slot.ok_or(Errno::EBADF)?.file.key();
    match &k.fs.file(id)?.kind {
        FileKind::View(file) => Ok((nsfs::namespace(file.node)?, nsfs::kind(file.node)?)),
        FileKind::Path => Err(Errno::EBADF),
        _ => Err(Errno::EINVAL),
    }
}

/// The flag of clone(2) for a kind of namespace.
fn flag(kind: Kind) -> u32 {
    match kind {
        Kind::Pid => linux::CLONE_NEWPID,
        Kind::Uts => linux::CLONE_NEWUTS,
        Kind::Mount => linux::CLONE_NEWNS,
        Kind::User => linux::CLONE_NEWUSER,
        Kind::Ipc => linux::CLONE_NEWIPC,
        Kind::Net => linux::CLONE_NEWNET,
        Kind::Cgroup => linux::CLONE_NEWCGROUP,
        Kind::Time => linux::CLONE_NEWTIME,
    }
}

fn admin(k: &Kernel, task: TaskId) -> Result<(), Errno> {
    if !capable(k, task, linux::CAP_SYS_ADMIN) {
        return Err(Errno::EPERM);
    }
    Ok(())
}

/// Gives a task these namespaces.
fn replace(k: &mut Kernel, id: TaskId, keys: NsKeys) -> Result<(), Errno> {
    let set = ns::hold_set(k, keys)?;
    let old = match k.tasks.tasks.get_mut(id) {
        Some(task) => task.ns.replace(set),
        None => Some(set),
    };
    if let Some(old) = old {
        ns::release_set(k, old);
    }
    Ok(())
}

/// Children go into the namespace, which must be the caller's own or one nested in it.
fn enter_pid(k: &mut Kernel, task: TaskId, keys: NsKeys, id: PidNsId) -> Result<(), Errno> {
    let own = ns::pid::of_task(k, task).ok_or(Errno::ESRCH)?;
    if !ns::pid::is_within(k, id, own) {
        return Err(Errno::EINVAL);
    }
    let keys = NsKeys {
        pid_for_children: id,
        ..keys
    };
    replace(k, task, keys)
}

/// The caller goes into the namespace, to its root; nobody may share its root and directory.
fn enter_mount(k: &mut Kernel, id: TaskId, keys: NsKeys, mount: MountNsId) -> Result<(), Errno> {
    admin(k, id)?;
    if !capable(k, id, linux::CAP_SYS_CHROOT) {
        return Err(Errno::EPERM);
    }
    let context = k.tasks.tasks.get(id).and_then(|t| t.fs.as_ref());
    let context = context.ok_or(Errno::ESRCH)?.key();
    if k.tasks.contexts.refs(context) > 1 {
        return Err(Errno::EINVAL);
    }
    let top = k.ns.mount.get(mount).ok_or(Errno::EINVAL)?.root.key();
    let root: Pos = k.fs.cover(k.fs.root_of(top)?);
    replace(k, id, NsKeys { mount, ..keys })?;
    // Held by the namespace, which the task holds now.
    ns::mount::place_context(k, context, root, root)
}
