//! Tables of descriptors, and the root, working directory and umask of tasks.

use super::{Descriptor, Files, FilesId, FsContext, FsContextId, TaskId, limits};
use crate::Kernel;
use crate::arena::{Arena, Held, Key};
use crate::cgroup::{Charge, GroupId};
use crate::error::{Errno, NoMem, Stop};
use crate::fs::open::FileKind;
use crate::fs::{self, FileId, Pos, Store, record};
use crate::io;
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// Tables grow by this many descriptors.
const GROW: usize = 64;

/// The table of a task.
///
/// # Errors
/// EBADF when the task has none any more.
pub fn table(k: &Kernel, task: TaskId) -> Result<FilesId, Errno> {
    let task = k.tasks.tasks.get(task).ok_or(Errno::ESRCH)?;
    Ok(task.files.as_ref().ok_or(Errno::EBADF)?.key())
}

/// How many numbers a task's table has room for.
///
/// # Errors
/// EBADF when the task has no table.
pub fn table_len(k: &Kernel, task: TaskId) -> Result<u64, Errno> {
    let table = k.tasks.files.get(table(k, task)?).ok_or(Errno::EBADF)?;
    Ok(table.table.len() as u64)
}

/// A descriptor of a task.
///
/// # Errors
/// EBADF.
pub fn descriptor(k: &Kernel, task: TaskId, fd: u64) -> Result<&Descriptor, Errno> {
    let table = k.tasks.files.get(table(k, task)?).ok_or(Errno::EBADF)?;
    let fd = index(fd)?;
    let slot = table.table.get(fd).ok_or(Errno::EBADF)?;
    slot.as_ref().ok_or(Errno::EBADF)
}

/// The open file of a descriptor, O_PATH ones too.
///
/// # Errors
/// EBADF.
pub fn any_file(k: &Kernel, task: TaskId, fd: u64) -> Result<FileId, Errno> {
    Ok(descriptor(k, task, fd)?.file.key())
}

/// The open file of a descriptor that is more than a place (O_PATH).
///
/// # Errors
/// EBADF.
pub fn file(k: &Kernel, task: TaskId, fd: u64) -> Result<FileId, Errno> {
    let id = any_file(k, task, fd)?;
    if k.fs.file(id)?.is_path() {
        return Err(Errno::EBADF);
    }
    Ok(id)
}

/// A descriptor's number is the lower half of its register, and not negative.
fn index(fd: u64) -> Result<usize, Errno> {
    usize::try_from(fd as u32 as i32).map_err(|_| Errno::EBADF)
}

/// How many descriptors the task's process may have (RLIMIT_NOFILE).
pub fn limit(k: &Kernel, task: TaskId) -> u64 {
    limits::soft_of(k, task, linux::RLIMIT_NOFILE).min(limits::NR_OPEN)
}

/// Finds the lowest free number from `from` on and makes room for it: [`put`] cannot fail then.
///
/// # Errors
/// EMFILE; no memory.
pub fn room(k: &mut Kernel, task: TaskId, from: u64) -> Result<u32, Stop> {
    let limit = limit(k, task);
    let id = table(k, task)?;
    let files = k.tasks.files.get(id).ok_or(Errno::EBADF)?;
    let from = usize::try_from(from).map_err(|_| Errno::EMFILE)?;
    let start = from.max(if from <= files.lowest {
        files.lowest
    } else {
        0
    });
    let free = files
        .table
        .iter()
        .skip(start)
        .position(|slot| slot.is_none());
    let fd = free.map_or(start.max(files.table.len()), |i| start + i);
    if fd as u64 >= limit {
        return Err(Errno::EMFILE.into());
    }
    grow(k, task, id, fd)?;
    Ok(fd as u32)
}

/// Makes room for the number `fd` exactly.
///
/// # Errors
/// EBADF when it is beyond the limit; no memory.
pub fn room_at(k: &mut Kernel, task: TaskId, fd: u64) -> Result<u32, Stop> {
    let number = index(fd)?;
    if number as u64 >= limit(k, task) {
        return Err(Errno::EBADF.into());
    }
    let id = table(k, task)?;
    grow(k, task, id, number)?;
    Ok(number as u32)
}

fn grow(k: &mut Kernel, task: TaskId, id: FilesId, fd: usize) -> Result<(), Stop> {
    let files = k.tasks.files.get_mut(id).ok_or(Errno::EBADF)?;
    let have = files.table.len();
    if fd < have {
        return Ok(());
    }
    let more = (fd - have) / GROW * GROW + GROW;
    let group = k.tasks.tasks.get(task).ok_or(Errno::ESRCH)?.group.key();
    let cost = (more * core::mem::size_of::<Option<Descriptor>>()) as u32;
    let charge = k.groups.charge(group, cost)?;
    let grown = files.table.try_reserve_exact(more).is_ok() && files.charges.try_reserve(1).is_ok();
    if !grown {
        k.groups.give_back(charge);
        return Err(Errno::ENOMEM.into());
    }
    files.table.resize_with(have + more, || None);
    files.charges.push(charge);
    Ok(())
}

/// Puts an open file under a number that [`room`] or [`room_at`] gave; closes what was there.
pub fn put(k: &mut Kernel, task: TaskId, fd: u32, file: Held<FileId>, cloexec: bool) {
    let Ok(id) = table(k, task) else {
        return io::release(k, file);
    };
    let slot = k.tasks.files.get_mut(id).and_then(|files| {
        if files.lowest == fd as usize {
            files.lowest += 1;
        }
        files.table.get_mut(fd as usize)
    });
    match slot {
        Some(slot) => {
            if let Some(old) = slot.replace(Descriptor { file, cloexec }) {
                closed(k, id, old.file);
            }
        }
        None => io::release(k, file),
    }
}

/// A table's name in the locks of files.
pub fn name(id: FilesId) -> u64 {
    u64::from(id.index()) << 32 | u64::from(id.generation())
}

/// A descriptor was taken out of a table: the locks that the table had on its file go.
fn closed(k: &mut Kernel, id: FilesId, file: Held<FileId>) {
    if let Some(FileKind::Queue(queue)) = k.fs.files.get(file.key()).map(|f| &f.kind) {
        io::queue::closed(k, *queue, id);
    }
    if !k.fs.records.is_empty() {
        if let Some(node) = k.fs.files.get(file.key()).map(|f| f.at.pos().node) {
            record::closed(&mut Store::of(k), node, record::Owner::Table(name(id)));
        }
    }
    io::release(k, file);
}

/// Sets whether execve closes a descriptor.
///
/// # Errors
/// EBADF.
pub fn set_cloexec(k: &mut Kernel, task: TaskId, fd: u64, cloexec: bool) -> Result<(), Errno> {
    let id = table(k, task)?;
    let files = k.tasks.files.get_mut(id).ok_or(Errno::EBADF)?;
    let slot = files.table.get_mut(index(fd)?).ok_or(Errno::EBADF)?;
    slot.as_mut().ok_or(Errno::EBADF)?.cloexec = cloexec;
    Ok(())
}

/// Closes a descriptor (close(2)).
///
/// # Errors
/// EBADF.
pub fn close(k: &mut Kernel, task: TaskId, fd: u64) -> Result<(), Errno> {
    let fd = index(fd)?;
    let id = table(k, task)?;
    let files = k.tasks.files.get_mut(id).ok_or(Errno::EBADF)?;
    let slot = files.table.get_mut(fd).ok_or(Errno::EBADF)?;
    let old = slot.take().ok_or(Errno::EBADF)?;
    files.lowest = files.lowest.min(fd);
    closed(k, id, old.file);
    Ok(())
}

/// Closes (or marks to be closed by execve) every descriptor in a range (close_range(2)).
///
/// # Errors
/// EBADF when the task has no table.
pub fn close_range(
    k: &mut Kernel,
    task: TaskId,
    first: u32,
    last: u32,
    only_mark: bool,
) -> Result<(), Errno> {
    let id = table(k, task)?;
    let len = k.tasks.files.get(id).map_or(0, |f| f.table.len());
    for fd in first as usize..len.min((last as usize).saturating_add(1)) {
        let files = k.tasks.files.get_mut(id).ok_or(Errno::EBADF)?;
        let Some(slot) = files.table.get_mut(fd) else {
            break;
        };
        if only_mark {
            if let Some(descriptor) = slot {
                descriptor.cloexec = true;
            }
        } else if let Some(old) = slot.take() {
            files.lowest = files.lowest.min(fd);
            closed(k, id, old.file);
        }
    }
    Ok(())
}

/// An empty table.
///
/// # Errors
/// No memory.
pub fn new(k: &mut Kernel, group: GroupId) -> Result<Held<FilesId>, NoMem> {
    let charge = k.groups.charge(group, Arena::<FilesId, Files>::COST)?;
    Ok(k.tasks.files.insert(Files::default(), charge))
}

/// A table of these files, by number. They are given back when there is no memory.
///
/// # Errors
/// No memory.
pub fn of_files(
    k: &mut Kernel,
    group: GroupId,
    files: Vec<Option<Held<FileId>>>,
) -> Result<Held<FilesId>, NoMem> {
    let charge = match k.groups.charge(group, Arena::<FilesId, Files>::COST) {
        Ok(charge) => charge,
        Err(no_mem) => {
            for file in files.into_iter().flatten() {
                io::release(k, file);
            }
            return Err(no_mem);
        }
    };
    let lowest = files
        .iter()
        .position(Option::is_none)
        .unwrap_or(files.len());
    let descriptor = |file| Descriptor {
        file,
        cloexec: false,
    };
    let files = Files {
        table: files.into_iter().map(|f| f.map(descriptor)).collect(),
        lowest,
        charges: Vec::new(),
    };
    Ok(k.tasks.files.insert(files, charge))
}

/// A copy of a table, for fork.
///
/// # Errors
/// No memory.
pub fn duplicate(k: &mut Kernel, from: FilesId, group: GroupId) -> Result<Held<FilesId>, Stop> {
    let old = k.tasks.files.get(from).ok_or(Errno::EBADF)?;
    let used = old
        .table
        .iter()
        .rposition(Option::is_some)
        .map_or(0, |i| i + 1);
    let mut table: Vec<Option<Descriptor>> = Vec::new();
    table.try_reserve_exact(used).map_err(|_| Errno::ENOMEM)?;
    let mut charges: Vec<Charge> = Vec::new();
    let charge = k.groups.charge(group, Arena::<FilesId, Files>::COST)?;
    let cost = (used * core::mem::size_of::<Option<Descriptor>>()) as u32;
    match k.groups.charge(group, cost) {
        Ok(more) => charges.push(more),
        Err(no_mem) => {
            k.groups.give_back(charge);
            return Err(no_mem.into());
        }
    }
    let lowest = old.lowest.min(used);
    for slot in old.table.iter().take(used) {
        table.push(slot.as_ref().map(|d| Descriptor {
            file: k.fs.files.share(&d.file),
            cloexec: d.cloexec,
        }));
    }
    let files = Files {
        table,
        lowest,
        charges,
    };
    Ok(k.tasks.files.insert(files, charge))
}

/// Gives a table back; the last reference closes what is in it.
pub fn release(k: &mut Kernel, held: Held<FilesId>) {
    let id = held.key();
    let Some((files, charge)) = k.tasks.files.release(held) else {
        return;
    };
    k.groups.give_back(charge);
    for charge in files.charges {
        k.groups.give_back(charge);
    }
    for descriptor in files.table.into_iter().flatten() {
        closed(k, id, descriptor.file);
    }
}

/// Closes what execve closes.
pub fn close_on_exec(k: &mut Kernel, id: FilesId) {
    let len = k.tasks.files.get(id).map_or(0, |f| f.table.len());
    for fd in 0..len {
        let Some(files) = k.tasks.files.get_mut(id) else {
            return;
        };
        let Some(slot) = files.table.get_mut(fd) else {
            return;
        };
        if slot.as_ref().is_some_and(|d| d.cloexec) {
            files.lowest = files.lowest.min(fd);
            if let Some(old) = slot.take() {
                closed(k, id, old.file);
            }
        }
    }
}

/// A root, a working directory and a umask.
///
/// # Errors
/// ENOENT when a position is gone; no memory.
pub fn new_context(
    k: &mut Kernel,
    root: Pos,
    cwd: Pos,
    umask: u32,
    group: GroupId,
) -> Result<Held<FsContextId>, Stop> {
    let charge = k
        .groups
        .charge(group, Arena::<FsContextId, FsContext>::COST)?;
    let root = k.fs.hold_pos(root);
    let cwd = k.fs.hold_pos(cwd);
    match (root, cwd) {
        (Some(root), Some(cwd)) => Ok(k
            .tasks
            .contexts
            .insert(FsContext { root, cwd, umask }, charge)),
        (root, cwd) => {
            k.groups.give_back(charge);
            for pos in [root, cwd].into_iter().flatten() {
                fs::release_pos(k, pos);
            }
            Err(Errno::ENOENT.into())
        }
    }
}

/// A copy, for fork and unshare(CLONE_FS).
///
/// # Errors
/// As [`new_context`].
pub fn duplicate_context(
    k: &mut Kernel,
    from: FsContextId,
    group: GroupId,
) -> Result<Held<FsContextId>, Stop> {
    let old = k.tasks.contexts.get(from).ok_or(Errno::ESRCH)?;
    let (root, cwd, umask) = (old.root.pos(), old.cwd.pos(), old.umask);
    new_context(k, root, cwd, umask, group)
}

/// Gives a context back.
pub fn release_context(k: &mut Kernel, held: Held<FsContextId>) {
    if let Some((context, charge)) = k.tasks.contexts.release(held) {
        k.groups.give_back(charge);
        fs::release_pos(k, context.root);
        fs::release_pos(k, context.cwd);
    }
}

/// The root and working directory of a task.
///
/// # Errors
/// ESRCH when it has none any more.
pub fn context(k: &Kernel, task: TaskId) -> Result<&FsContext, Errno> {
    let held = k.tasks.tasks.get(task).and_then(|t| t.fs.as_ref());
    let context = held.and_then(|held| k.tasks.contexts.get(held.key()));
    context.ok_or(Errno::ESRCH)
}

/// Sets the root (chroot(2)) or the working directory (chdir(2)) of a context.
///
/// # Errors
/// ENOENT when the position is gone.
pub fn set_place(
    k: &mut Kernel,
    id: FsContextId,
    root: Option<Pos>,
    cwd: Option<Pos>,
) -> Result<(), Errno> {
    for (new, is_root) in [(root, true), (cwd, false)] {
        let Some(new) = new else {
            continue;
        };
        let held = k.fs.hold_pos(new).ok_or(Errno::ENOENT)?;
        let old = match k.tasks.contexts.get_mut(id) {
            Some(context) if is_root => core::mem::replace(&mut context.root, held),
            Some(context) => core::mem::replace(&mut context.cwd, held),
            None => held,
        };
        fs::release_pos(k, old);
    }
    Ok(())
}
