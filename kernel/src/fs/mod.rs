//! Files: inodes, mounts, path walks, open files, pipes. Knows nothing of tasks.

pub mod open;
pub mod walk;

use crate::arena::{Arena, Held};
use crate::error::{Errno, Stop};
use crate::machine::{Frame, Machine};
use crate::{Kernel, key};
use alloc::vec::Vec;

key! {
    /// An inode of a file system whose content the kernel keeps (tmpfs).
    InodeId
    /// A mount.
    MountId
    /// An open file (what descriptors share after dup and fork).
    FileId
    /// The buffer behind a pipe or fifo.
    PipeId
}

/// A node of a view: a file system that shows other objects (procfs, nsfs). The numbers are the
/// view's own; fs never looks inside.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ViewNode {
    /// Which view.
    pub view: View,
    /// What kind of node, as the view numbers them.
    pub kind: u16,
    /// Of which object: a pid, a namespace's index, ...
    pub object: u64,
    /// And which part of it: a descriptor, ...
    pub part: u32,
    /// The instance's own: the pid namespace a procfs was mounted for (index and generation).
    pub instance: u64,
}

/// The file systems that show other objects.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum View {
    /// procfs.
    Proc,
    /// nsfs: what /proc/PID/ns/* point to.
    Ns,
}

/// What a position is in its mount.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Node {
    /// A kept inode.
    Inode(InodeId),
    /// A node of a view.
    View(ViewNode),
}

/// A place in the tree of a mount namespace.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Pos {
    /// The mount.
    pub mount: MountId,
    /// What is there.
    pub node: Node,
}

/// A position that is kept alive; give back with [`release_pos`].
#[derive(Debug)]
#[must_use]
pub struct HeldPos {
    mount: Held<MountId>,
    node: HeldNode,
}

#[derive(Debug)]
enum HeldNode {
    Inode(Held<InodeId>),
    View(ViewNode),
}

/// A position and the name it was reached by, so that its path can be told later even when it is
/// not a directory (/proc/self/exe, /proc/self/fd).
#[derive(Clone, Debug)]
pub struct Location {
    /// Where.
    pub pos: Pos,
    /// The directory it was found in and its name there; `None` for a directory or a root.
    pub name: Option<(Pos, Vec<u8>)>,
}

/// Who accesses a file, for permission checks (path_resolution(7)).
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// File system uid.
    pub uid: u32,
    /// File system gid.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: &'a [u32],
    /// CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH.
    pub dac_override: bool,
}

/// Gives a position back; last references queue what has to be freed.
pub fn release_pos(_k: &mut Kernel, _pos: HeldPos) {}

/// The frame of a page of a regular file, made (zeroed) if the file has a hole there and `make`
/// is set; charged to `group`. The caller shares it before mapping it.
///
/// # Errors
/// No memory; ENXIO behind the end of the file.
pub fn page(
    _k: &mut Kernel,
    _m: &mut dyn Machine,
    _inode: InodeId,
    _index: u64,
    _make: bool,
    _group: crate::cgroup::GroupId,
) -> Result<Option<Frame>, Stop> {
    Err(Errno::ENOSYS.into())
}

/// All files.
#[derive(Default)]
pub struct Fs {
    /// Open files.
    pub files: Arena<FileId, open::OpenFile>,
}

/// An inode that nobody refers to any more, on its way out.
pub struct Teardown {
    _pages: Vec<Frame>,
}

/// Does a bounded part of a teardown; `None` when it is done.
pub fn teardown_step(_k: &mut Kernel, _m: &mut dyn Machine, _job: Teardown) -> Option<Teardown> {
    None
}
