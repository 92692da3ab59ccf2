//! The steps of plans, done with kernel objects, and how each is undone.
//!
//! Paths inside the root file system are resolved to positions once, without ever leaving the
//! root, and used as positions from then on: nothing in a tree that a container can change is
//! looked up twice.

use super::create::{Problem, Work, mark_created};
use super::{
    ContainerId, Trouble, cgroup, devices, ending, hook, life, mounts, program, resources,
};
use crate::arena::Held;
use crate::error::{Errno, Stop};
use crate::fs::walk::{Found, Start, WalkFlags, walk};
use crate::fs::{self, Access, Actor, HeldPos, InodeId, Location, MountId, Node, Pos, Store, Time};
use crate::machine::Machine;
use crate::ns::{self, CgroupNsId, IpcNsId, MountNsId, PidNsId, UtsNsId};
use crate::task::ProcessId;
use crate::views::Source;
use crate::views::nsfs::{self, Namespace};
use crate::{Cx, Kernel};
use alloc::format;
use alloc::vec::Vec;
use berth_oci::{NamespaceSource, OciNamespaceKind as Kind, Outcome, Step, Verb};

/// What takes one step back. Holds what the step holds.
pub(super) enum Undo {
    /// Let a position go.
    Pos(HeldPos),
    /// Take the container's control group out of the tree.
    Cgroup(cgroup::Placed),
    /// Give it back what it had before.
    Resources(resources::Before),
    /// Let a pid namespace go.
    PidNs(Held<PidNsId>),
    /// Let a uts namespace go.
    UtsNs(Held<UtsNsId>),
    /// Let an ipc namespace go, and what is in it.
    IpcNs(Held<IpcNsId>),
    /// Let a cgroup namespace go.
    CgroupNs(Held<CgroupNsId>),
    /// Let a mount namespace go, and its tree with it.
    MountNs(Held<MountNsId>),
    /// Take a mount out of the tree, with all on it.
    Unmount(MountId),
    /// Remove the inodes made in the root file system but the first so many.
    Unmake(usize),
    /// Both, in this order.
    UnmountAndUnmake(MountId, usize),
    /// End the container's process.
    Kill(ProcessId),
}

/// An inode that create made in the root file system; removed by handle, never by path.
pub(super) struct Made {
    pub dir: Held<InodeId>,
    pub name: Vec<u8>,
    pub inode: InodeId,
}

/// What a step did.
pub(super) enum Did {
    /// It is done; with what undoes it.
    Done(Option<Undo>),
    /// It has begun.
    Waits(Token),
}

/// What an operation waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Token {
    /// The end of a hook.
    Hook(hook::Job),
    /// The end of the container's first process.
    Stop,
    /// Its turn to end more of the container's processes.
    Members,
}

type Step1 = Result<Did, Trouble>;

/// Does a step, again for as long as memory can be found for it.
pub(super) fn perform(
    k: &mut Kernel,
    cx: &mut Cx,
    id: ContainerId,
    work: &mut Work,
    step: Step,
) -> Outcome<Undo, Token, Problem> {
    if k.containers.fails_here() {
        let text = format!("{step:?}: made to fail");
        let errno = Errno::EIO;
        return Outcome::Failed(Problem { errno, text });
    }
    loop {
        let made = work.build.made.len();
        let stop = match attempt(k, cx, id, work, step) {
            Ok(Did::Done(undo)) => return Outcome::Done(undo),
            Ok(Did::Waits(token)) => return Outcome::Waits(token),
            Err(Trouble::Refused { errno, text }) => {
                unmake(k, cx.m, &mut work.build.made, made);
                return Outcome::Failed(Problem { errno, text });
            }
            Err(Trouble::Stop(stop)) => stop,
        };
        unmake(k, cx.m, &mut work.build.made, made);
        let errno = match stop {
            Stop::NoMem(no_mem) if k.make_room_for(cx.m, cx.task, no_mem) => continue,
            Stop::NoMem(_) => Errno::ENOMEM,
            Stop::Errno(errno) => errno,
            Stop::Wait(_) | Stop::Gone => Errno::EIO,
        };
        let config = k.containers.get(id).map(|c| &c.config);
        let what = config
            .map(|config| format!("{}", step.text(config)))
            .unwrap_or_default();
        return Outcome::Failed(Problem {
            errno,
            text: format!("{what}: {}", errno.text()),
        });
    }
}

fn attempt(k: &mut Kernel, cx: &mut Cx, id: ContainerId, work: &mut Work, step: Step) -> Step1 {
    match step {
        Step::ResolveRoot => resolve_root(k, id, work),
        Step::Namespace(kind, source) => namespace(k, cx, id, work, kind, source),
        Step::CreateCgroup => cgroup::create(k, id, work),
        Step::SetResources => resources::set(k, cx, id),
        Step::MountRoot => mounts::root(k, cx, id, work),
        Step::Mount(mount) => mounts::configured(k, cx, id, work, mount),
        Step::CreateDefaultDevices => devices::defaults(k, cx, id, work),
        Step::CreateDevSymlinks => devices::symlinks(k, cx, id, work),
        Step::SetHostname | Step::SetDomainname => names(k, id, work),
        Step::RunHook(step) => {
            hook::begin(k, cx, id, work, step).map(|job| Did::Waits(Token::Hook(job)))
        }
        Step::PivotRoot => mounts::pivot(k, work),
        Step::RemountRootReadonly => mounts::root_readonly(k, work),
        Step::SetWorkingDirectory => working_directory(k, cx, id, work),
        // Part of the task's making: its identity comes from the configuration as a whole.
        Step::SetCredentials
        | Step::SetCapabilities
        | Step::SetNoNewPrivileges
        | Step::SetRlimits
        | Step::SetOomScoreAdj => Ok(Did::Done(None)),
        Step::CreateTask => program::create_task(k, cx, id, work),
        Step::MarkCreated => mark_created(k, id).map(|()| Did::Done(None)),
        Step::LoadProgram => program::load(k, cx, id, work),
        Step::MarkRunning => {
            program::run(k, cx, id, work)?;
            life::apply(k, id, Verb::Start)?;
            Ok(Did::Done(None))
        }
        Step::StopContainer => Ok(ending::stop(k, cx, id)),
        Step::Destroy => Ok(ending::destroy(k, cx, id)),
        Step::ReleaseId => {
            super::drive::forget(k, id);
            Ok(Did::Done(None))
        }
        // No feature of this kernel leads to the other steps.
        _ => Err(Trouble::refused(
            Errno::EOPNOTSUPP,
            "this kernel cannot do that step",
        )),
    }
}

/// Takes one step back. Cannot fail: what it cannot remove, something else uses.
pub(super) fn undo(k: &mut Kernel, m: &mut dyn Machine, undo: Undo, made: &mut Vec<Made>) {
    match undo {
        Undo::Pos(pos) => fs::release_pos(k, pos),
        Undo::Resources(before) => {
            super::drive::without_caller(k, m, |k, cx| before.restore(k, cx))
        }
        Undo::Cgroup(placed) => cgroup::take_back(k, placed),
        Undo::PidNs(held) => ns::pid::release(k, held),
        Undo::UtsNs(held) => ns::uts::release(k, held),
        Undo::IpcNs(held) => ns::ipc::release(k, held),
        Undo::CgroupNs(held) => ns::cgroup::release(k, held),
        Undo::MountNs(held) => ns::mount::release(k, held),
        Undo::Unmount(mount) => fs::mount::detach(&mut Store::of(k), mount),
        Undo::Unmake(keep) => unmake(k, m, made, keep),
        Undo::UnmountAndUnmake(mount, keep) => {
            fs::mount::detach(&mut Store::of(k), mount);
            unmake(k, m, made, keep);
        }
        Undo::Kill(process) => crate::task::exit::kill_now(k, m, process),
    }
}

/// What to tell an operation of what it waits for: that it is over, or nothing new.
pub(super) fn awaited(
    k: &mut Kernel,
    cx: &mut Cx,
    id: ContainerId,
    work: &mut Work,
) -> Outcome<Undo, Token, Problem> {
    let did = match work.operation.waiting() {
        Some(Token::Stop) => ending::stopped(k, id),
        Some(Token::Members) => ending::destroy(k, cx, id),
        Some(Token::Hook(_)) | None => return hook::outcome(k, cx, work),
    };
    match did {
        Did::Done(undo) => Outcome::Done(undo),
        Did::Waits(_) => Outcome::Ready,
    }
}

/// Stops what an aborted operation waits for.
pub(super) fn cancel(k: &mut Kernel, m: &mut dyn Machine, work: &mut Work, token: Token) {
    if let Token::Hook(job) = token {
        hook::cancel(k, m, work, job);
    }
}

/// the root directory; a relative path does not leave the bundle.
fn resolve_root(k: &mut Kernel, id: ContainerId, work: &mut Work) -> Step1 {
    let path = k
        .containers
        .get(id)
        .ok_or(Errno::ENOENT)?
        .config
        .root
        .path
        .clone();
    let (root, bundle) = (work.runtime.root.pos(), work.runtime.bundle.pos());
    let (start, flags) = match path.starts_with('/') {
        true => (Start { root, cwd: root }, WalkFlags::DIRECTORY),
        false => (
            Start {
                root: bundle,
                cwd: bundle,
            },
            WalkFlags::DIRECTORY | WalkFlags::INSIDE,
        ),
    };
    let refused = |e: Errno| Trouble::refused(e, format!("root_path={path}: {}", e.text()));
    let found = look(k, start, path.as_bytes(), flags).map_err(refused)?;
    let held = k.fs.hold_pos(found).ok_or(Errno::ENOENT)?;
    work.build.root = Some(found);
    Ok(Did::Done(Some(Undo::Pos(held))))
}

/// N-2, N-3: one namespace of the container.
fn namespace(
    k: &mut Kernel,
    cx: &mut Cx,
    id: ContainerId,
    work: &mut Work,
    kind: Kind,
    source: NamespaceSource,
) -> Step1 {
    let group = group(k, id)?;
    let outside = work.runtime.ns.keys();
    let keys = work.build.ns.get_or_insert(outside);
    match source {
        NamespaceSource::New => {}
        NamespaceSource::Join => return join(k, cx, id, work, kind),
        NamespaceSource::Inherit => return Ok(Did::Done(None)),
    }
    let undo = match kind {
        Kind::Pid => {
            let held = ns::pid::create(k, outside.pid_for_children, group)?;
            keys.pid_for_children = held.key();
            Undo::PidNs(held)
        }
        Kind::Uts => {
            let held = ns::uts::copy(k, outside.uts, group)?;
            keys.uts = held.key();
            Undo::UtsNs(held)
        }
        Kind::Ipc => {
            let held = ns::ipc::create(k, group)?;
            keys.ipc = held.key();
            Undo::IpcNs(held)
        }
        Kind::Cgroup => {
            let held = ns::cgroup::create(k, group, group)?;
            keys.cgroup = held.key();
            Undo::CgroupNs(held)
        }
        Kind::Mount => {
            let held = mounts::namespace(k, cx, id, work.runtime.root.pos(), outside.mount)?;
            keys.mount = held.key();
            Undo::MountNs(held)
        }
        // Refused when the plan was made.
        _ => return Err(Errno::EOPNOTSUPP.into()),
    };
    Ok(Did::Done(Some(undo)))
}

/// N-2: a namespace that there is already, by a path on the runtime's side.
fn join(k: &mut Kernel, cx: &Cx, id: ContainerId, work: &mut Work, kind: Kind) -> Step1 {
    let config = &k.containers.get(id).ok_or(Errno::ENOENT)?.config;
    let entry = config.linux.namespace(kind).ok_or(Errno::EINVAL)?;
    let path = entry.path.clone().ok_or(Errno::EINVAL)?;
    let root = work.runtime.root.pos();
    let named = |e: Errno| Trouble::refused(e, format!("namespace={kind}:{path}: {}", e.text()));
    let start = Start { root, cwd: root };
    // The caller's links in /proc lead where the caller may look.
    let views = Source::by(k, cx.task);
    let flags = WalkFlags::empty();
    let found = walk(
        &k.fs,
        &views,
        &start,
        &Access::KERNEL,
        path.as_bytes(),
        flags,
    );
    let node = match found.map_err(named)? {
        Found::Here(Location {
            pos: Pos {
                node: Node::View(node),
                ..
            },
            ..
        }) => node,
        Found::Here(_) => return Err(named(Errno::EINVAL)),
        Found::Missing { .. } => return Err(named(Errno::ENOENT)),
    };
    let outside = work.runtime.ns.keys().pid_for_children;
    let keys = work.build.ns.as_mut().ok_or(Errno::EINVAL)?;
    let undo = match (kind, nsfs::namespace(node).map_err(named)?) {
        (Kind::Pid, Namespace::Pid(pid)) if ns::pid::is_within(k, pid, outside) => {
            keys.pid_for_children = pid;
            k.ns.pid.hold(pid).map(Undo::PidNs)
        }
        (Kind::Uts, Namespace::Uts(uts)) => {
            keys.uts = uts;
            k.ns.uts.hold(uts).map(Undo::UtsNs)
        }
        (Kind::Ipc, Namespace::Ipc(ipc)) => {
            keys.ipc = ipc;
            k.ns.ipc.hold(ipc).map(Undo::IpcNs)
        }
        (Kind::Cgroup, Namespace::Cgroup(cgroup)) => {
            keys.cgroup = cgroup;
            k.ns.cgroup.hold(cgroup).map(Undo::CgroupNs)
        }
        _ => return Err(named(Errno::EINVAL)),
    };
    Ok(Did::Done(Some(undo.ok_or_else(|| named(Errno::ENOENT))?)))
}

/// U-1, U-2: the configured names. The namespace is the container's own: the parser wants one for
/// a name.
fn names(k: &mut Kernel, id: ContainerId, work: &mut Work) -> Step1 {
    let config = &k.containers.get(id).ok_or(Errno::ENOENT)?.config;
    let uts = work.build.ns.ok_or(Errno::EINVAL)?.uts;
    let uts = k.ns.uts.get_mut(uts).ok_or(Errno::EINVAL)?;
    if let Some(name) = &config.hostname {
        uts.hostname = name.clone().into_bytes();
    }
    if let Some(name) = &config.domainname {
        uts.domainname = name.clone().into_bytes();
    }
    Ok(Did::Done(None))
}

/// P-4: found or made inside the root.
fn working_directory(k: &mut Kernel, cx: &mut Cx, id: ContainerId, work: &mut Work) -> Step1 {
    let process = k.containers.get(id).and_then(|c| c.config.process.as_ref());
    let path = process.map_or_else(|| "/".into(), |p| p.cwd.clone());
    let made = work.build.made.len();
    let root = work.build.root.ok_or(Errno::EINVAL)?;
    let named = |t: Trouble| t.named(&format!("process_cwd={path}"));
    let cwd = make_dirs(k, cx, id, &mut work.build.made, root, path.as_bytes()).map_err(named)?;
    let task = program::init_task(k, id)?;
    let context = k.tasks.tasks.get(task).and_then(|t| t.fs.as_ref());
    let context = context.ok_or(Errno::ESRCH)?.key();
    crate::task::files::set_place(k, context, None, Some(cwd)).map_err(|e| named(e.into()))?;
    Ok(Did::Done(Some(Undo::Unmake(made))))
}

/// Who pays for the container.
pub(super) fn group(k: &Kernel, id: ContainerId) -> Result<crate::cgroup::GroupId, Trouble> {
    let group = k.containers.get(id).and_then(|c| c.group.as_ref());
    Ok(group.ok_or(Errno::ENOENT)?.key())
}

/// The kernel as it makes something for the container.
pub(super) fn actor(k: &Kernel, cx: &Cx, id: ContainerId) -> Result<Actor<'static>, Trouble> {
    Ok(Actor {
        access: Access::KERNEL,
        group: group(k, id)?,
        now: Time::now(cx.m),
    })
}

/// A walk that must find something.
pub(super) fn look(k: &Kernel, start: Start, path: &[u8], flags: WalkFlags) -> Result<Pos, Errno> {
    match walk(
        &k.fs,
        &crate::views::Source::of(k),
        &start,
        &Access::KERNEL,
        path,
        flags,
    )? {
        Found::Here(location) => Ok(location.pos),
        Found::Missing { .. } => Err(Errno::ENOENT),
    }
}

/// Finds a directory inside the root, making what is missing on the way with mode 0755.
pub(super) fn make_dirs(
    k: &mut Kernel,
    cx: &mut Cx,
    id: ContainerId,
    made: &mut Vec<Made>,
    root: Pos,
    path: &[u8],
) -> Result<Pos, Trouble> {
    let start = Start { root, cwd: root };
    let flags = WalkFlags::INSIDE | WalkFlags::DIRECTORY;
    let mut end = 0;
    let mut at = root;
    // Each prefix in turn: a walk can only miss its last component.
    for part in path.split_inclusive(|b| *b == b'/') {
        end += part.len();
        let prefix = path.get(..end).unwrap_or(path);
        if prefix.iter().all(|b| *b == b'/') {
            continue;
        }
        let found = walk(
            &k.fs,
            &crate::views::Source::of(k),
            &start,
            &Access::KERNEL,
            prefix,
            flags,
        )?;
        at = match found {
            Found::Here(location) => location.pos,
            Found::Missing { dir, name, .. } => {
                make(k, cx, id, made, dir, &name, fs::inode::What::Dir, 0o755)?
            }
        };
    }
    Ok(at)
}

/// Makes an inode in the root file system and remembers it.
#[allow(clippy::too_many_arguments)]
pub(super) fn make(
    k: &mut Kernel,
    cx: &mut Cx,
    id: ContainerId,
    made: &mut Vec<Made>,
    dir: Pos,
    name: &[u8],
    what: fs::inode::What,
    mode: u32,
) -> Result<Pos, Trouble> {
    let actor = actor(k, cx, id)?;
    let Node::Inode(dir_inode) = dir.node else {
        return Err(Errno::EROFS.into());
    };
    let inode = fs::dir::make(&mut Store::of(k), &actor, dir_inode, name, what, mode)?;
    if let Some(held) = k.fs.inodes.hold(dir_inode) {
        made.push(Made {
            dir: held,
            name: name.into(),
            inode,
        });
    }
    Ok(Pos {
        mount: dir.mount,
        node: Node::Inode(inode),
    })
}

/// Removes what was made, the last first, but the first `keep`. What has become something else,
/// is not empty or is in use stays.
pub(super) fn unmake(k: &mut Kernel, m: &mut dyn Machine, made: &mut Vec<Made>, keep: usize) {
    while made.len() > keep {
        let Some(Made { dir, name, inode }) = made.pop() else {
            break;
        };
        let group = k.groups.root();
        let actor = Actor {
            access: Access::KERNEL,
            group,
            now: Time::now(m),
        };
        let mut st = Store::of(k);
        if fs::dir::find(st.fs, dir.key(), &name) == Ok(inode) {
            let is_dir = st.fs.inode(inode).is_ok_and(|i| i.is_dir());
            let removed = match is_dir {
                true => fs::dir::rmdir(&mut st, &actor, dir.key(), &name),
                false => fs::dir::unlink(&mut st, &actor, dir.key(), &name),
            };
            if let Err(e) = removed {
                log::debug!(target: "container", "left behind in a root: {e}");
            }
        }
        st.release_inode(dir);
    }
}
