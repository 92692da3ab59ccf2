//! What tasks share beside their memory: descriptor tables, roots and working directories.

use super::{Descriptor, Files, FilesId, FsContext, FsContextId};
use crate::Kernel;
use crate::arena::{Arena, Held};
use crate::cgroup::GroupId;
use crate::error::{Errno, Stop};
use crate::fs::Store;
use alloc::vec::Vec;

/// What a table of descriptors costs.
fn files_cost(len: usize) -> u32 {
    let slots = len.saturating_mul(core::mem::size_of::<Option<Descriptor>>());
    let all = slots.saturating_add(Arena::<FilesId, Files>::COST as usize);
    u32::try_from(all).unwrap_or(u32::MAX)
}

/// A copy of a table of descriptors (fork(2)), charged to `group`.
///
/// # Errors
/// No memory.
pub fn duplicate_files(
    k: &mut Kernel,
    from: FilesId,
    group: GroupId,
) -> Result<Held<FilesId>, Stop> {
    let old = k.tasks.files.get(from).ok_or(Errno::ESRCH)?;
    let mut table = Vec::new();
    table
        .try_reserve_exact(old.table.len())
        .map_err(|_| Errno::ENOMEM)?;
    let charge = k.groups.charge(group, files_cost(old.table.len()))?;
    for slot in &old.table {
        table.push(slot.as_ref().map(|descriptor| Descriptor {
            file: k.fs.files.share(&descriptor.file),
            cloexec: descriptor.cloexec,
        }));
    }
    Ok(k.tasks.files.insert(Files { table }, charge))
}

/// Gives a reference to a table of descriptors back; the last one closes them all.
pub fn release_files(k: &mut Kernel, held: Held<FilesId>) {
    let Some((files, charge)) = k.tasks.files.release(held) else {
        return;
    };
    k.groups.give_back(charge);
    let mut store = Store::of(k);
    for descriptor in files.table.into_iter().flatten() {
        store.release_file(descriptor.file);
    }
}

/// A copy of a root and working directory, charged to `group`.
///
/// # Errors
/// No memory.
pub fn duplicate_context(
    k: &mut Kernel,
    from: FsContextId,
    group: GroupId,
) -> Result<Held<FsContextId>, Stop> {
    let old = k.tasks.contexts.get(from).ok_or(Errno::ESRCH)?;
    let (root, cwd, umask) = (old.root.pos(), old.cwd.pos(), old.umask);
    let charge = k
        .groups
        .charge(group, Arena::<FsContextId, FsContext>::COST)?;
    let (root, cwd) = (k.fs.hold_pos(root), k.fs.hold_pos(cwd));
    match (root, cwd) {
        (Some(root), Some(cwd)) => {
            let context = FsContext { root, cwd, umask };
            Ok(k.tasks.contexts.insert(context, charge))
        }
        (root, cwd) => {
            k.groups.give_back(charge);
            for pos in [root, cwd].into_iter().flatten() {
                crate::fs::release_pos(k, pos);
            }
            Err(Errno::ENOENT.into())
        }
    }
}

/// Gives a reference to a root and working directory back.
pub fn release_context(k: &mut Kernel, held: Held<FsContextId>) {
    if let Some((context, charge)) = k.tasks.contexts.release(held) {
        k.groups.give_back(charge);
        crate::fs::release_pos(k, context.root);
        crate::fs::release_pos(k, context.cwd);
    }
}
