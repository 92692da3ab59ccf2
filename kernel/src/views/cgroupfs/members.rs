//! Who is in a group, and who comes into it: `cgroup.procs`, `cgroup.threads`, `cgroup.kill`.

use super::{attributes, number, table};
use crate::cgroup::{GroupId, Type};
use crate::error::{Errno, Stop};
use crate::fs::{Access, inode};
use crate::task::{RunState, TaskId, migrate, pid};
use crate::views::nsfs::{pack, unpack};
use crate::views::telling::{Cursor, Piece};
use crate::views::text::{Text, put};
use crate::{Cx, Kernel, ns};

/// Tasks that one piece looks at.
const PIECE: usize = 256;

/// What moves at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Whole {
    Process,
    Thread,
}

/// The processes in a group, and of a domain those whose threads are in threaded groups below it,
/// by the numbers that the reader sees: 0 for those of other pid namespaces.
pub(super) fn processes(k: &mut Kernel, group: GroupId, cursor: Cursor) -> Result<Piece, Stop> {
    match k.groups.kind(group) {
        Some(Type::Threaded) => Err(Errno::EOPNOTSUPP.into()),
        _ => list(k, group, cursor, Whole::Process),
    }
}

/// The threads in a group.
pub(super) fn threads(k: &mut Kernel, group: GroupId, cursor: Cursor) -> Result<Piece, Stop> {
    list(k, group, cursor, Whole::Thread)
}

/// A cursor is the group (`within`) and the task (`at`) behind which it goes on; the first of the
/// sums says that there is one.
fn list(k: &mut Kernel, top: GroupId, cursor: Cursor, whole: Whole) -> Result<Piece, Stop> {
    let reader = k.sched.current.ok_or(Errno::ESRCH)?;
    let seen_from = ns::pid::of_task(k, reader).ok_or(Errno::ESRCH)?;
    let [mut begun, mut told, ..] = cursor.sums;
    let mut at = if begun == 0 {
        top
    } else {
        unpack(cursor.within)
    };
    let mut after: Option<TaskId> = (told != 0).then(|| unpack(cursor.at));
    let mut text = Text::default();
    let mut left = PIECE;
    begun = 1;
    while left > 0 {
        let tasks: alloc::vec::Vec<TaskId> = k.groups.tasks(at, after).take(left).collect();
        for task in &tasks {
            if let Some(number) = number_of(k, *task, seen_from, whole) {
                put!(text, "{number}\n");
            }
        }
        left = left.saturating_sub(tasks.len().max(1));
        if let Some(last) = tasks.last() {
            after = Some(*last);
            continue;
        }
        let next = match whole {
            Whole::Process => next_of_domain(k, top, at, &mut left),
            Whole::Thread => None,
        };
        let Some(next) = next else {
            return Ok(Piece::whole(text.done()?));
        };
        (at, after) = (next, None);
    }
    told = u64::from(after.is_some());
    let next = Cursor {
        at: after.map_or(0, pack),
        within: pack(at),
        sums: [begun, told, 0, 0, 0, 0, 0, 0],
        ..cursor
    };
    Ok(Piece {
        text: text.done()?,
        next: Some(next),
    })
}

/// The next group below `top` that belongs to its domain.
fn next_of_domain(k: &Kernel, top: GroupId, at: GroupId, left: &mut usize) -> Option<GroupId> {
    let mut next = at;
    loop {
        next = k.groups.next_below(top, next)?;
        *left = left.saturating_sub(1);
        if k.groups.domain(next) == top {
            return Some(next);
        }
    }
}

/// The number of a thread; of a process only by its first thread, or by the first that lives.
fn number_of(k: &Kernel, id: TaskId, seen_from: ns::PidNsId, whole: Whole) -> Option<u32> {
    let task = k.tasks.tasks.get(id)?;
    if whole == Whole::Thread {
        return Some(pid::number_in(&k.tasks, task.pid.key(), seen_from));
    }
    let first = k.tasks.live_threads(task.process).next();
    let number = || pid::process_number(&k.tasks, task.process, seen_from);
    (first == Some(id)).then(number)
}

/// Whom a written number means: 0 is the writer.
fn named(k: &Kernel, cx: &Cx, text: &str) -> Result<TaskId, Errno> {
    let number = number::int(number::strip(text)).map_err(|_| Errno::EINVAL)?;
    match u32::try_from(number).map_err(|_| Errno::EINVAL)? {
        0 => Ok(cx.task),
        number => {
            let ns = ns::pid::of_task(k, cx.task).ok_or(Errno::ESRCH)?;
            pid::find_task(k, ns, number).ok_or(Errno::ESRCH)
        }
    }
}

/// Moves whom a program named into a group; `who` opened the file, in a namespace whose root is
/// `top`.
pub(super) fn enter(
    k: &mut Kernel,
    cx: &mut Cx,
    (to, text, whole): (GroupId, &str, Whole),
    who: &Access,
    top: GroupId,
) -> Result<(), Stop> {
    let task = named(k, cx, text)?;
    let process = k.tasks.task(task)?.process;
    let from = match whole {
        Whole::Process => k.tasks.group_of(process).ok_or(Errno::ESRCH)?,
        Whole::Thread => k.tasks.task(task)?.group.key(),
    };
    may_move(k, who, top, from, to)?;
    if whole == Whole::Thread && k.groups.domain(from) != k.groups.domain(to) {
        return Err(Errno::EOPNOTSUPP.into());
    }
    match whole {
        Whole::Process => migrate::process(k, process, to),
        Whole::Thread => {
            let ended = k.tasks.task(task)?.state == RunState::Dead;
            if !ended {
                migrate::thread(k, task, to);
            }
        }
    }
    Ok(())
}

/// Whether somebody may move tasks from one group to another: who may write `cgroup.procs` of the
/// group above both (cgroup v2, "Delegation Containment"). `top` is the root of its namespace.
///
/// # Errors
/// EACCES; ENOENT when it does not see both groups, with `nsdelegate`; ENODEV, EOPNOTSUPP and EBUSY where there can be no tasks.
fn may_move(
    k: &Kernel,
    who: &Access,
    top: GroupId,
    from: GroupId,
    to: GroupId,
) -> Result<(), Errno> {
    may_write(k, who, k.groups.common(from, to))?;
    let sees = |group| k.groups.within(group, top);
    if k.groups.options.nsdelegate && !(sees(from) && sees(to)) {
        return Err(Errno::ENOENT);
    }
    k.groups.may_host(to)
}

/// Whether a task may make another in a group (clone(2), CLONE_INTO_CGROUP).
///
/// # Errors
/// As `may_move`; EOPNOTSUPP for a thread in another domain than its process.
pub fn may_fork_into(k: &Kernel, by: TaskId, to: GroupId, thread: bool) -> Result<(), Errno> {
    let task = k.tasks.task(by)?;
    let (who, from) = (crate::task::cred::access(&task.cred), task.group.key());
    may_write(k, &who, to)?;
    may_move(k, &who, ns::cgroup::root_for(k, by), from, to)?;
    match thread && k.groups.domain(from) != k.groups.domain(to) {
        true => Err(Errno::EOPNOTSUPP),
        false => Ok(()),
    }
}

/// Whether somebody may write `cgroup.procs` of a group.
///
/// # Errors
/// EACCES; ENODEV when it is removed.
fn may_write(k: &Kernel, who: &Access, group: GroupId) -> Result<(), Errno> {
    let file = table::named(b"cgroup.procs").ok_or(Errno::ENODEV)?;
    let node = crate::fs::ViewNode {
        kind: file.kind,
        ..super::directory(group)
    };
    let of = attributes(&k.groups, node).map_err(|_| Errno::ENODEV)?;
    inode::permit(who, (of.uid, of.gid), of.mode, 2)
}

/// Ends all processes in a group and below it.
pub(super) fn kill(k: &mut Kernel, _cx: &mut Cx, group: GroupId, text: &str) -> Result<(), Stop> {
    if number::int(number::strip(text))? != 1 {
        return Err(Errno::ERANGE.into());
    }
    match k.groups.kind(group) {
        Some(Type::Threaded) => Err(Errno::EOPNOTSUPP.into()),
        _ => {
            migrate::end_group(k, group);
            Ok(())
        }
    }
}
