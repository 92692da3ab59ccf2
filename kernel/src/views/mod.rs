//! Files that show other objects: procfs, sysfs, nsfs, cgroup2. Above tasks and namespaces, below the calls.
//!
//! The file layer asks by [`ViewNode`]: a name for the object, never the object itself. A node
//! whose object is gone answers ESRCH (or ENOENT in a walk); it never shows another object.

pub mod cgroupfs;
pub mod nsfs;
pub mod procfs;
mod sysfs;
mod telling;
mod text;

use crate::cgroup::Groups;
use crate::error::{Errno, Stop};
use crate::fs::open::FileKind;
use crate::fs::walk::{Link, Views};
use crate::fs::{FileId, Fs, View, ViewNode};
use crate::mm::MmId;
use crate::ns::Namespaces;
use crate::task::{TaskId, Tasks};
use crate::wait::WaitKey;
use crate::{Cx, Kernel};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;
pub use nsfs::HeldNs;
pub use procfs::{root as proc_root, root_of as proc_root_of, sys_root};
pub use telling::{Cursor, Piece, Place, Telling, advance, bytes, piece, start};

/// An entry of a view's directory; `.` and `..` are the file layer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: Vec<u8>,
    /// What it is.
    pub node: ViewNode,
    /// Its type as getdents64(2) has it (DT_DIR, DT_REG, DT_LNK).
    pub kind: u8,
    /// Where reading the directory goes on behind this entry: entries come in the order of their
    /// cookies, the first above 2, and keep theirs when others come and go.
    pub cookie: u64,
}

/// What stat(2) tells of a view's node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Number of the node, the same as long as it exists.
    pub ino: u64,
    /// Type and permissions.
    pub mode: u32,
    /// Links.
    pub nlink: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// What an open file of a view keeps alive; give back with [`close`].
#[derive(Debug)]
#[must_use]
pub enum Opened {
    /// Nothing: the node finds its object, or finds it gone.
    Nothing,
    /// A namespace.
    Namespace(HeldNs),
    /// Who opened a file of a control group.
    Group(alloc::boxed::Box<cgroupfs::Opener>),
    /// An address space, not kept but remembered: the file ends when the process leaves it.
    Memory(Option<MmId>),
}

/// What views see: the tables they read, and who reads.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    tasks: &'a Tasks,
    ns: &'a Namespaces,
    groups: &'a Groups,
    fs: &'a Fs,
    who: Option<TaskId>,
}

impl<'a> Source<'a> {
    /// On behalf of the task that runs.
    pub fn of(k: &'a Kernel) -> Source<'a> {
        Source {
            tasks: &k.tasks,
            ns: &k.ns,
            groups: &k.groups,
            fs: &k.fs,
            who: k.sched.current,
        }
    }

    /// On behalf of this task.
    pub fn by(k: &'a Kernel, task: TaskId) -> Source<'a> {
        Source {
            who: Some(task),
            ..Source::of(k)
        }
    }
}

impl Views for Source<'_> {
    fn lookup(&self, dir: ViewNode, name: &[u8]) -> Result<ViewNode, Errno> {
        match dir.view {
            View::Proc | View::Sys => procfs::lookup(self, dir, name),
            View::Ns => Err(Errno::ENOTDIR),
            View::Cgroup => cgroupfs::lookup(self, dir, name),
        }
    }

    fn parent(&self, dir: ViewNode) -> Option<ViewNode> {
        match dir.view {
            View::Proc | View::Sys => procfs::parent(self, dir),
            View::Ns => None,
            View::Cgroup => cgroupfs::parent(self, dir),
        }
    }

    fn mode(&self, node: ViewNode) -> Result<(u32, u32, u32), Errno> {
        match node.view {
            View::Proc | View::Sys => procfs::mode(self, node),
            View::Ns => nsfs::mode(self, node),
            View::Cgroup => cgroupfs::mode(self, node),
        }
    }

    fn link(&self, node: ViewNode) -> Result<Link, Errno> {
        match node.view {
            View::Proc | View::Sys => procfs::links::follow(self, node),
            View::Ns | View::Cgroup => Err(Errno::EINVAL),
        }
    }

    fn name(&self, node: ViewNode) -> Option<Vec<u8>> {
        match node.view {
            View::Proc | View::Sys => procfs::name(self, node),
            View::Ns => None,
            View::Cgroup => cgroupfs::name(self, node),
        }
    }

    fn ino(&self, node: ViewNode) -> u64 {
        match node.view {
            View::Proc | View::Sys => procfs::inode_number(node),
            View::Ns => nsfs::inum(self, node).map_or(0, u64::from),
            View::Cgroup => cgroupfs::inode_number(self, node),
        }
    }
}

/// The entries of a directory whose cookies are `from` or above, `most` of them at the most,
/// ascending.
///
/// # Errors
/// ENOTDIR; ENOENT when its object is gone; EACCES.
pub fn entries(k: &Kernel, node: ViewNode, from: u64, most: usize) -> Result<Vec<Entry>, Errno> {
    match node.view {
        View::Proc | View::Sys => procfs::entries(&Source::of(k), node, from, most),
        View::Ns => Err(Errno::ENOTDIR),
        View::Cgroup => cgroupfs::entries(&Source::of(k), node, from, most),
    }
}

/// Writes to a file of a view; each write is a whole value.
///
/// # Errors
/// EACCES for files that cannot be written; EINVAL for a value that is none; EPERM.
pub fn write(k: &mut Kernel, cx: &mut Cx, node: ViewNode, bytes: &[u8]) -> Result<usize, Stop> {
    match node.view {
        View::Proc | View::Sys => procfs::write(k, cx, node, bytes),
        View::Ns => Err(Errno::EINVAL.into()),
        View::Cgroup => {
            let Opened::Group(opener) = cgroupfs::open(k, cx, node, linux::O_WRONLY)? else {
                return Err(Errno::EISDIR.into());
            };
            let done = cgroupfs::write(k, cx, &opener, node, bytes);
            cgroupfs::close(k, *opener);
            done
        }
    }
}

/// Writes to an open file of a view: what is checked may be who opened it.
///
/// # Errors
/// As [`write()`].
pub fn write_open(k: &mut Kernel, cx: &mut Cx, file: FileId, bytes: &[u8]) -> Result<usize, Stop> {
    let FileKind::View(of) = &mut k.fs.file_mut(file)?.kind else {
        return Err(Errno::EBADF.into());
    };
    let node = of.node;
    match core::mem::replace(&mut of.opened, Opened::Nothing) {
        Opened::Group(opener) => {
            let done = cgroupfs::write(k, cx, &opener, node, bytes);
            match k.fs.file_mut(file).map(|file| &mut file.kind) {
                Ok(FileKind::View(of)) => of.opened = Opened::Group(opener),
                _ => cgroupfs::close(k, *opener),
            }
            done
        }
        opened => {
            of.opened = opened;
            write(k, cx, node, bytes)
        }
    }
}

/// What stat(2) tells.
///
/// # Errors
/// ENOENT when the object is gone.
pub fn stat(k: &Kernel, node: ViewNode) -> Result<Status, Errno> {
    let s = Source::of(k);
    let (mode, uid, gid) = s.mode(node)?;
    let nlink = match node.view {
        View::Proc | View::Sys => procfs::links_of(&s, node),
        View::Ns => 1,
        View::Cgroup => cgroupfs::links_of(&s, node),
    };
    Ok(Status {
        ino: s.ino(node),
        mode,
        nlink,
        uid,
        gid,
    })
}

/// The text of a symbolic link (readlink(2)); for magic links the path of where they jump to as
/// `who` sees it, or `type:[number]` for what has no path.
///
/// # Errors
/// EINVAL for what is no link; ENOENT when the object is gone; EACCES.
pub fn link_text(k: &Kernel, who: TaskId, node: ViewNode) -> Result<Vec<u8>, Errno> {
    match node.view {
        View::Proc | View::Sys => procfs::links::text(&Source::by(k, who), node),
        View::Ns | View::Cgroup => Err(Errno::EINVAL),
    }
}

/// Opens a node with O_* `flags`, beyond the check of its permission bits.
///
/// # Errors
/// ENOENT when its object is gone; EACCES.
pub fn open(k: &mut Kernel, cx: &Cx, node: ViewNode, flags: u32) -> Result<Opened, Errno> {
    match node.view {
        View::Proc | View::Sys => procfs::open(&Source::by(k, cx.task), node, flags),
        View::Ns => nsfs::hold(k, node).map(Opened::Namespace),
        View::Cgroup => cgroupfs::open(k, cx, node, flags),
    }
}

/// Whether this is /proc/kmsg, whose text is the log's own to tell.
pub fn is_log(node: ViewNode) -> bool {
    node.view == View::Proc && procfs::is_log(node)
}

/// How often what a file tells has changed, and what wakes those who wait for the next time;
/// `None` for files that tell of no change.
pub fn changes(k: &Kernel, node: ViewNode) -> Option<(WaitKey, u32)> {
    match node.view {
        View::Cgroup => {
            let (group, count) = cgroupfs::changes(&k.groups, node)?;
            Some((WaitKey::Group(group), count))
        }
        View::Proc | View::Sys | View::Ns => None,
    }
}

/// Gives back what an open file kept alive.
pub fn close(k: &mut Kernel, opened: Opened) {
    match opened {
        Opened::Nothing | Opened::Memory(_) => {}
        Opened::Namespace(held) => nsfs::release(k, held),
        Opened::Group(opener) => cgroupfs::close(k, *opener),
    }
}
