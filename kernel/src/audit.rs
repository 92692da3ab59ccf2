//! The leak audit: how many objects of each kind there are.

use crate::Kernel;
use crate::machine::Machine;
use crate::mm::frames::Origin;
use berth_abi::AuditRecord;

/// Counts everything. Equal before and after a scenario when no work is left, or something leaked.
/// Frames of the heap are not counted: it keeps what it once got, and its use by live objects
/// shows in their own counts. Terminals count as files: each is behind one.
pub fn count(k: &Kernel, _m: &dyn Machine) -> AuditRecord {
    let used = k.frames.total().saturating_sub(k.frames.free());
    AuditRecord {
        frames: used.saturating_sub(k.frames.used(Origin::Heap)) as u64,
        tasks: k.tasks.tasks.len() as u64,
        processes: k.tasks.processes.len() as u64,
        spaces: k.spaces.len().saturating_add(k.spaces.objects()) as u64,
        inodes: k.fs.inodes.len() as u64,
        files: (k.fs.files.len() + k.terminals.table.len()) as u64,
        mounts: k.fs.mounts.len() as u64,
        namespaces: k.ns.len() as u64,
        groups: k.groups.live() as u64,
        waiters: k.waits.len() as u64,
        containers: k.containers.len() as u64,
        jobs: k.work.len() as u64,
    }
}
