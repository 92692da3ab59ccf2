//! `container_create`: from a text and a directory to a container that waits for `start`.

use super::draft::{self, Text};
use super::life::{self, Life};
use super::steps::{Made, Token, Undo};
use super::{Container, ContainerId, Trouble, drive, find, hook, program, record};
use crate::arena::{Arena, Held, Key};
use crate::cgroup::{Charge, GroupId};
use crate::error::Errno;
use crate::fs::{HeldPos, Pos};
use crate::task::TaskId;
use crate::work::Job;
use crate::{Cx, Kernel};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use berth_abi::ExitRecord;
use berth_oci::{
    ContainerId as Name, Feature, FeatureSet, OciConfig, OciLifecycleState, Operation, Outcome,
    Plan, Planning, Refusal, RefusalKind, Verb,
};

/// What a create is asked for.
pub struct Create<'a> {
    /// The container's id.
    pub id: &'a str,
    /// The bundle directory, a descriptor of the caller.
    pub bundle_fd: i32,
    /// The configuration text.
    pub config: Text<'a>,
}

/// What this kernel enforces; everything else is refused by name.
pub const FEATURES: FeatureSet = FeatureSet::of(&[
    Feature::RootReadonly,
    Feature::Hostname,
    Feature::Domainname,
    Feature::AdditionalGids,
    Feature::Umask,
    Feature::Rlimits,
    Feature::Capabilities,
    Feature::NoNewPrivileges,
    Feature::OomScoreAdj,
    Feature::MountProc,
    Feature::MountSysfs,
    Feature::MountTmpfs,
    Feature::MountDevpts,
    Feature::MountMqueue,
    Feature::MountBind,
    Feature::MountRecursiveBind,
    Feature::MountReadonly,
    Feature::MountNosuid,
    Feature::MountNodev,
    Feature::MountNoexec,
    Feature::MountNosymfollow,
    Feature::MountAtime,
    Feature::HookPrestart,
    Feature::HookCreateRuntime,
    Feature::HookCreateContainer,
    Feature::HookStartContainer,
    Feature::HookPoststart,
    Feature::HookPoststop,
    Feature::NamespacePid,
    Feature::NamespaceMount,
    Feature::NamespaceIpc,
    Feature::NamespaceCgroup,
    Feature::NamespaceUts,
    Feature::NamespaceJoin,
    Feature::MemoryLimit,
    Feature::PidsLimit,
    Feature::Cgroups,
    Feature::CgroupDevices,
    Feature::MemoryReservation,
    Feature::MemoryCheckBeforeUpdate,
    Feature::CpuShares,
    Feature::CpuQuota,
    Feature::CpuBurst,
    Feature::CpuIdle,
    Feature::Cpuset,
    Feature::Unified,
]);

/// An operation on a container in progress, and what its steps share.
pub(super) struct Work {
    /// What it does: create (as its last step is), start or delete.
    pub verb: Verb,
    /// What to do next.
    pub operation: Operation<Undo, Token, Problem>,
    /// The task whose call this is; `None` once it has ended.
    pub caller: Option<TaskId>,
    /// Root, namespaces and bundle of the runtime's side.
    pub runtime: Runtime,
    /// What create has made so far.
    pub build: Build,
    /// The hook that runs.
    pub hook: Option<hook::Running>,
    /// What the last step came to, when the next one has to wait for its turn.
    pub outcome: Option<Outcome<Undo, Token, Problem>>,
}

/// The runtime's side: what hooks run in, and what paths outside the container mean.
pub(super) struct Runtime {
    /// Its root directory.
    pub root: HeldPos,
    /// The bundle directory: relative paths, and the hooks' working directory.
    pub bundle: HeldPos,
    /// Its namespaces.
    pub ns: crate::ns::NsSet,
    /// Who it is.
    pub cred: crate::task::Cred,
    /// Who pays for its hooks: they are the runtime's, not the container's.
    pub group: Held<GroupId>,
}

/// What the steps of create build up. References are kept by the undo tokens.
#[derive(Default)]
pub(super) struct Build {
    /// The root directory: first in the runtime's tree, then on the container's root mount.
    pub root: Option<Pos>,
    /// The container's namespaces.
    pub ns: Option<crate::ns::NsKeys>,
    /// The loaded program, between two steps of start.
    pub image: Option<crate::mm::exec::Image>,
    /// Inodes made in the root file system.
    pub made: Vec<Made>,
}

/// Why a step failed.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub errno: Errno,
    pub text: String,
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Trouble {
        Trouble::Refused {
            errno: problem.errno,
            text: problem.text,
        }
    }
}

/// `container_create`: reads, checks and plans in turns, inserts the container and begins.
///
/// # Errors
/// Refused: a bad id or text, a value this kernel does not enforce, an id in use, a step that
/// failed; nothing is left behind then (E-1). Waits for its turns, and while hooks run.
pub fn create(k: &mut Kernel, cx: &mut Cx, request: Create) -> Result<u64, Trouble> {
    match cx.resume {
        None => match find(k, request.id) {
            Ok(id) if drive::is_own(k, cx.task, id, Verb::MarkCreated) => return go_on(k, cx, id),
            _ => _ = free_name(k, request.id)?,
        },
        Some(_) if draft::is_under_way(k, cx.task) => {}
        Some(resume) => return go_on(k, cx, drive::id_of(resume)),
    }
    let (config, planning) = draft::planned(k, cx, &request.config)?;
    let id = match prepare(k, cx, &request, &config, planning) {
        Ok(prepared) => insert(k, cx, config, prepared),
        Err(trouble) => {
            draft::forget(k, config);
            // What ran out of memory begins again.
            cx.resume = None;
            return Err(trouble);
        }
    };
    go_on(k, cx, id)
}

/// An id that no container has.
fn free_name(k: &Kernel, id: &str) -> Result<Name, Trouble> {
    let name = Name::new(id).map_err(|e| Trouble::refused(Errno::EINVAL, format!("{e}")))?;
    match k.containers.by_name.contains_key(&name) {
        false => Ok(name),
        true => {
            let text = format!("container with id \"{id}\" already exists");
            Err(Trouble::refused(Errno::EEXIST, text))
        }
    }
}

fn go_on(k: &mut Kernel, cx: &mut Cx, id: ContainerId) -> Result<u64, Trouble> {
    match drive::drive(k, cx, id) {
        drive::Driven::Waits => Err(drive::wait(id, cx.now, false)),
        drive::Driven::Yields => Err(drive::wait(id, cx.now, true)),
        drive::Driven::Done(_) => Ok(u64::from(record::pid_seen_by(k, cx.task, id))),
        drive::Driven::Failed(failure) => {
            drive::forget(k, id);
            Err(failure.error.into())
        }
    }
}

/// All that a container in state `creating` needs, to be put into the tables.
struct Prepared {
    name: Name,
    bundle: String,
    work: Work,
    charge: Charge,
}

fn prepare(
    k: &mut Kernel,
    cx: &mut Cx,
    request: &Create,
    config: &OciConfig,
    planning: Planning,
) -> Result<Prepared, Trouble> {
    let name = free_name(k, request.id)?;
    let operation = operation(planning.into_plan(config).map_err(refusal)?)?;
    let root = k.groups.root();
    let cost = Arena::<ContainerId, Container>::COST.saturating_add(request.config.cost());
    let charge = k.groups.charge(root, cost)?;
    let (runtime, bundle) = match drive::runtime_of(k, cx.task, Some(request.bundle_fd)) {
        Ok(side) => side,
        Err(trouble) => {
            k.groups.give_back(charge);
            return Err(trouble);
        }
    };
    let work = Work {
        verb: Verb::MarkCreated,
        operation,
        caller: Some(cx.task),
        runtime,
        build: Build::default(),
        hook: None,
        outcome: None,
    };
    Ok(Prepared {
        name,
        bundle,
        work,
        charge,
    })
}

/// Puts a container in state `creating` into the tables.
fn insert(k: &mut Kernel, cx: &mut Cx, config: Box<OciConfig>, prepared: Prepared) -> ContainerId {
    let container = Container {
        name: prepared.name.clone(),
        bundle: prepared.bundle,
        config,
        life: Life::new(),
        created: cx.m.wall(),
        init: None,
        init_task: None,
        group: None,
        exit: ExitRecord::default(),
        work: Some(Box::new(prepared.work)),
        built: Vec::new(),
        made: Vec::new(),
    };
    let held = k.containers.arena.insert(container, prepared.charge);
    let id = held.key();
    k.containers.by_name.insert(prepared.name, held);
    k.containers.callers.insert((cx.task, id));
    id
}

pub(super) fn operation(plan: Plan) -> Result<Operation<Undo, Token, Problem>, Trouble> {
    Operation::new(plan).map_err(|_| Errno::ENOMEM.into())
}

pub(super) fn refusal(refusal: Refusal) -> Trouble {
    let errno = match refusal.kind {
        RefusalKind::Unsupported(_) => Errno::EOPNOTSUPP,
        RefusalKind::OutOfMemory => Errno::ENOMEM,
        _ => Errno::EINVAL,
    };
    Trouble::refused(errno, format!("{refusal}"))
}

/// A task that may have a create or delete in progress has ended. A create is undone (a fatal
/// signal to the creator aborts it), a delete goes on; either without it, as queued work.
pub fn caller_ended(k: &mut Kernel, task: TaskId) {
    draft::abandon(k, task);
    let of_task = (task, Key::new(0, 0))..=(task, Key::new(u32::MAX, u32::MAX));
    while let Some((_, id)) = k.containers.callers.range(of_task.clone()).next().copied() {
        k.containers.callers.remove(&(task, id));
        left_alone(k, id);
    }
}

/// Nobody calls for the operation on a container any more.
fn left_alone(k: &mut Kernel, id: ContainerId) {
    let Some(container) = k.containers.get_mut(id) else {
        return;
    };
    let creating = container.life.state() == OciLifecycleState::Creating;
    let Some(work) = container.work.as_mut() else {
        return;
    };
    work.caller = None;
    if creating {
        let text = String::from("the process that created the container was killed");
        let errno = Errno::EINTR;
        work.operation.abort(Problem { errno, text });
    }
    k.work.add(Job::Container(id));
}

/// The last step of create. Its first task may have been killed meanwhile, by a hook or by hand.
pub(super) fn mark_created(k: &mut Kernel, id: ContainerId) -> Result<(), Trouble> {
    program::init_task(k, id)?;
    life::apply(k, id, Verb::MarkCreated)
}

/// Moves what create built to the container: its delete takes it down.
pub(super) fn keep(k: &mut Kernel, id: ContainerId, work: &mut Work) {
    let (built, made) = (
        work.operation.take_undo(),
        core::mem::take(&mut work.build.made),
    );
    if let Some(container) = k.containers.get_mut(id) {
        if !built.is_empty() {
            container.built = built;
        }
        container.made.extend(made);
    }
}
