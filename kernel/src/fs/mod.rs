//! Files: inodes, mounts, path walks, open files, pipes. Knows nothing of tasks.
//!
//! Reading order: [`inode`] (what a file is), [`dir`] and [`pages`] (what can be done to it),
//! [`mount`] and [`walk`] (how it is found), [`open`] and [`pipe`] (what descriptors refer to).

pub mod attributes;
pub mod cpio;
pub mod devpts;
pub mod dir;
pub mod event;
pub mod home;
pub mod inode;
pub mod lock;
pub mod mount;
pub mod mqueue;
pub mod open;
pub mod pages;
pub mod path;
pub mod pipe;
pub mod pivot;
pub mod record;
pub mod rename;
pub mod seal;
pub mod stat;
pub mod superblock;
mod teardown;
pub mod view;
pub mod walk;
pub mod xattr;

use crate::arena::{Arena, Held};
use crate::cgroup::{GroupId, Groups};
use crate::error::Stop;
use crate::machine::{Frame, Machine};
use crate::mm::frames::Frames;
use crate::wait::Waits;
use crate::work::Work;
use crate::{Kernel, key};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
pub use path::path_of;

key! {
    /// An inode of a file system whose content the kernel keeps (tmpfs).
    InodeId
    /// A file system instance (superblock).
    SuperId
    /// A mount.
    MountId
    /// An open file (what descriptors share after dup and fork).
    FileId
    /// The buffer behind a pipe or fifo.
    PipeId
}

impl InodeId {
    /// Below every other key, where a search begins.
    const LOWEST: InodeId = InodeId {
        index: 0,
        generation: 0,
    };
}

impl FileId {
    /// Below every other key, where a search begins.
    pub(crate) const LOWEST: FileId = FileId {
        index: 0,
        generation: 0,
    };
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
    /// sysfs.
    Sys,
    /// nsfs: what /proc/PID/ns/* point to.
    Ns,
    /// cgroup2.
    Cgroup,
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

impl HeldPos {
    /// Where it is.
    pub fn pos(&self) -> Pos {
        Pos {
            mount: self.mount.key(),
            node: self.node.node(),
        }
    }
}

/// A node that is kept alive (views keep their own).
#[derive(Debug)]
#[must_use]
pub enum HeldNode {
    /// A kept inode.
    Inode(Held<InodeId>),
    /// A node of a view.
    View(ViewNode),
}

impl HeldNode {
    /// Which node it is.
    pub fn node(&self) -> Node {
        match self {
            HeldNode::Inode(held) => Node::Inode(held.key()),
            HeldNode::View(node) => Node::View(*node),
        }
    }
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
    /// Effective capabilities, a bit for each (CAP_DAC_OVERRIDE is bit 1, ...).
    pub caps: u64,
}

impl Access<'_> {
    /// The kernel itself: root with every capability.
    pub const KERNEL: Access<'static> = Access {
        uid: 0,
        gid: 0,
        groups: &[],
        caps: u64::MAX,
    };

    /// Has this capability (CAP_*).
    pub fn has(&self, cap: u32) -> bool {
        self.caps & (1u64.checked_shl(cap).unwrap_or(0)) != 0
    }

    /// Is a member of this group.
    pub fn in_group(&self, gid: u32) -> bool {
        self.gid == gid || self.groups.contains(&gid)
    }
}

/// Wall clock time, as inodes keep it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Time {
    /// Seconds since 1970-01-01 UTC.
    pub sec: i64,
    /// Nanoseconds, below 10^9.
    pub nsec: u32,
}

impl Time {
    /// What the machine's clock says.
    pub fn now(m: &dyn Machine) -> Time {
        let (sec, nsec) = m.wall();
        Time {
            sec: i64::try_from(sec).unwrap_or(i64::MAX),
            nsec,
        }
    }
}

/// Who makes or changes a file, who pays for it, and when.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    /// Whose permissions count.
    pub access: Access<'a>,
    /// Charged for what is made.
    pub group: GroupId,
    /// The time to write down.
    pub now: Time,
}

/// A watched file, the epoll, and the number that the file was added under.
type Watched = (FileId, FileId, u32);

/// All files.
#[derive(Default)]
pub struct Fs {
    /// Open files.
    pub files: Arena<FileId, open::OpenFile>,
    /// Inodes.
    pub inodes: Arena<InodeId, inode::Inode>,
    /// File system instances.
    pub supers: Arena<SuperId, superblock::Super>,
    /// Mounts.
    pub mounts: Arena<MountId, mount::Mount>,
    /// Pipes and fifos.
    pub pipes: Arena<PipeId, pipe::Pipe>,
    /// What is mounted where: the tree of mounts. The entry keeps the mount alive.
    pub(crate) mounted: BTreeMap<Pos, Held<MountId>>,
    /// Who has locked which parts of what (fcntl(2)).
    /// What each user's message queues count for RLIMIT_MSGQUEUE.
    queue_bytes: BTreeMap<u32, u64>,
    pub(crate) records: BTreeMap<Node, Vec<record::Record>>,
    /// Who waits for such a part, since it was looked at last.
    pub(crate) lock_waiters: BTreeMap<crate::task::TaskId, record::Waiter>,
    /// Who has locked what (flock(2)).
    pub(crate) locks: BTreeMap<Node, lock::Locks>,
    /// The last device number (minor) given to a file system instance.
    pub(crate) last_dev: u32,
    /// The last number given to a mount.
    pub(crate) last_mount: u32,
    /// The last number given to a tree of mounts, and how many mounts each has.
    pub(crate) last_tree: u32,
    pub(crate) trees: BTreeMap<u32, u32>,
    /// The mounts that files without a name are on.
    homes: home::Homes,
    /// When timers go off that are files (timerfd_create(2)): monotonic nanoseconds.
    pub(crate) timers: BTreeSet<(u64, FileId)>,
    /// Which files are watched by which epolls, under which numbers.
    watched: BTreeSet<Watched>,
    /// The last number given to a counter (eventfd(2)).
    last_counter: u32,
}

/// The tables that file operations change, borrowed out of the kernel.
pub struct Store<'a> {
    /// Files.
    pub fs: &'a mut Fs,
    /// Page frames.
    pub frames: &'a mut Frames,
    /// Who pays.
    pub groups: &'a mut Groups,
    /// Where long teardowns go.
    pub work: &'a mut Work,
    /// Who is told when a pipe loses an end.
    pub waits: &'a mut Waits,
}

impl Store<'_> {
    /// The tables of a kernel.
    pub fn of(k: &mut Kernel) -> Store<'_> {
        Store {
            fs: &mut k.fs,
            frames: &mut k.frames,
            groups: &mut k.groups,
            work: &mut k.work,
            waits: &mut k.waits,
        }
    }

    /// Gives a position back.
    pub fn release_pos(&mut self, pos: HeldPos) {
        self.release_node(pos.node);
        self.release_mount(pos.mount);
    }

    /// Gives a node back.
    pub fn release_node(&mut self, node: HeldNode) {
        match node {
            HeldNode::Inode(held) => self.release_inode(held),
            HeldNode::View(_) => {}
        }
    }
}

impl Fs {
    /// Keeps a node alive; `None` when it is gone already.
    pub fn hold_node(&mut self, node: Node) -> Option<HeldNode> {
        Some(match node {
            Node::Inode(id) => HeldNode::Inode(self.inodes.hold(id)?),
            Node::View(view) => HeldNode::View(view),
        })
    }

    /// Keeps a position alive; `None` when it is gone already.
    pub fn hold_pos(&mut self, pos: Pos) -> Option<HeldPos> {
        self.mounts.get(pos.mount)?;
        let node = self.hold_node(pos.node)?;
        // Looked up above: it is there.
        let mount = self.mounts.hold(pos.mount)?;
        Some(HeldPos { mount, node })
    }
}

/// Gives a position back; last references queue what has to be freed.
pub fn release_pos(k: &mut Kernel, pos: HeldPos) {
    Store::of(k).release_pos(pos);
}

/// The frame of a page of a regular file, made (zeroed) if the file has a hole there and `make`
/// is set; charged to `group`. The caller shares it before mapping it.
///
/// # Errors
/// No memory; ENOSPC; ENXIO behind the end of the file.
pub fn page(
    k: &mut Kernel,
    m: &mut dyn Machine,
    inode: InodeId,
    index: u64,
    make: bool,
    group: GroupId,
) -> Result<Option<Frame>, Stop> {
    pages::page(&mut Store::of(k), m, inode, index, make, group)
}

pub use teardown::Teardown;

/// Does a bounded part of a teardown; `None` when it is done.
pub fn teardown_step(k: &mut Kernel, _m: &mut dyn Machine, job: Teardown) -> Option<Teardown> {
    teardown::step(&mut Store::of(k), job)
}
