//! The links of procfs: plain ones (self), and magic ones that lead to the very object.

use super::subject::{self, Subject};
use super::table::{Line, link};
use super::{Found, events, found, instance, number_of};
use crate::error::Errno;
use crate::fs::open::FileKind;
use crate::fs::walk::Link;
use crate::fs::{FileId, Location, Node, Pos, View, ViewNode, path_of};
use crate::task::{FilesId, FsContext};
use crate::views::Source;
use crate::views::nsfs;
use crate::views::text::{Text, put};
use alloc::vec::Vec;

/// Where a link leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// The reader's process: `N`.
    Own,
    /// The reader's thread: `N/task/M`.
    OwnThread,
    /// A fixed path.
    Path(&'static str),
    /// The file that the process runs.
    Exe,
    /// Its working directory.
    Cwd,
    /// Its root.
    Root,
    /// Its namespace of this kind.
    Namespace(nsfs::Kind),
    /// The pid namespace of its children.
    PidForChildren,
}

/// /proc/PID/ns.
pub(super) const NS_LINES: &[Line] = &[
    link("cgroup", Target::Namespace(nsfs::Kind::Cgroup)),
    link("ipc", Target::Namespace(nsfs::Kind::Ipc)),
    link("mnt", Target::Namespace(nsfs::Kind::Mount)),
    link("net", Target::Namespace(nsfs::Kind::Net)),
    link("pid", Target::Namespace(nsfs::Kind::Pid)),
    link("pid_for_children", Target::PidForChildren),
    link("time", Target::Namespace(nsfs::Kind::Time)),
    link("user", Target::Namespace(nsfs::Kind::User)),
    link("uts", Target::Namespace(nsfs::Kind::Uts)),
];

/// What a link of procfs is.
enum Way {
    Target(Target),
    Descriptor,
}

fn way(node: ViewNode) -> Result<Way, Errno> {
    match found(node)? {
        Found::Line(_, line) => match line.what {
            super::What::Link(target) => Ok(Way::Target(target)),
            _ => Err(Errno::EINVAL),
        },
        Found::Numbered(super::Dir::Fds) => Ok(Way::Descriptor),
        _ => Err(Errno::EINVAL),
    }
}

/// Where a walk goes on from a link.
pub(in crate::views) fn follow(s: &Source, node: ViewNode) -> Result<Link, Errno> {
    if let Way::Target(target) = way(node)? {
        if let Some(text) = plain(s, node, target)? {
            return Ok(Link::Text(text));
        }
    }
    match magic(s, node)? {
        Place::At(location) => Ok(Link::Jump(location.pos)),
        Place::Namespace(node) => Ok(Link::Jump(Pos {
            mount: s.ns.nsfs.as_ref().ok_or(Errno::ENOENT)?.key(),
            node: Node::View(node),
        })),
    }
}

/// The text of a link.
pub(in crate::views) fn text(s: &Source, node: ViewNode) -> Result<Vec<u8>, Errno> {
    if let Way::Target(target) = way(node)? {
        if let Some(text) = plain(s, node, target)? {
            return Ok(text);
        }
    }
    match magic(s, node)? {
        Place::At(location) => path_text(s, &location),
        Place::Namespace(node) => nsfs::text(s, node),
    }
}

/// What a magic link leads to.
enum Place {
    At(Location),
    Namespace(ViewNode),
}

/// What a magic link leads to, for a reader who may look into the process.
fn magic(s: &Source, node: ViewNode) -> Result<Place, Errno> {
    let subject = Subject::of(s, node).map_err(|_| Errno::ENOENT)?;
    subject.check_access(s)?;
    let plain = |pos| Place::At(Location { pos, name: None });
    match way(node)? {
        Way::Descriptor => open_file(s, descriptor(s, node, number_of(node))?.file.key()),
        Way::Target(Target::Exe) => {
            let exe = subject.process(s)?.exe.as_ref();
            Ok(plain(exe.ok_or(Errno::ENOENT)?.pos()))
        }
        Way::Target(Target::Cwd) => Ok(plain(context(s, &subject)?.cwd.pos())),
        Way::Target(Target::Root) => Ok(plain(context(s, &subject)?.root.pos())),
        Way::Target(target) => namespace(s, &subject, target).map(Place::Namespace),
    }
}

fn open_file(s: &Source, id: FileId) -> Result<Place, Errno> {
    let fs = s.fs;
    let file = fs.files.get(id).ok_or(Errno::ENOENT)?;
    let location = file.location();
    match location.pos.node {
        Node::View(node) if node.view == View::Ns => Ok(Place::Namespace(node)),
        _ => Ok(Place::At(location)),
    }
}

/// Root and working directory of a process.
fn context<'a>(s: &Source<'a>, subject: &Subject) -> Result<&'a FsContext, Errno> {
    let (_, task) = subject.living(s).map_err(|_| Errno::ENOENT)?;
    let context = task.fs.as_ref().ok_or(Errno::ENOENT)?.key();
    s.tasks.contexts.get(context).ok_or(Errno::ENOENT)
}

/// A place's path from the reader's root.
fn path_text(s: &Source, location: &Location) -> Result<Vec<u8>, Errno> {
    let reader = s.who.and_then(|who| s.tasks.tasks.get(who));
    let context = reader.and_then(|t| t.fs.as_ref()).ok_or(Errno::ENOENT)?;
    let context = s.tasks.contexts.get(context.key()).ok_or(Errno::ENOENT)?;
    let fs = s.fs;
    Ok(path_of(fs, s, location, context.root.pos()).text())
}

/// The text of a link that is no magic one.
fn plain(s: &Source, node: ViewNode, target: Target) -> Result<Option<Vec<u8>>, Errno> {
    Ok(Some(match target {
        Target::Own => alloc::format!("{}", own(s, node)?.0).into_bytes(),
        Target::OwnThread => {
            let (process, thread) = own(s, node)?;
            alloc::format!("{process}/task/{thread}").into_bytes()
        }
        Target::Path(path) => path.as_bytes().to_vec(),
        _ => return Ok(None),
    }))
}

/// The reader's process and thread number in the namespace that the file system shows.
fn own(s: &Source, node: ViewNode) -> Result<(u32, u32), Errno> {
    let task = s.who.and_then(|t| s.tasks.tasks.get(t));
    let task = task.ok_or(Errno::ENOENT)?;
    let process = s.tasks.processes.get(task.process).ok_or(Errno::ENOENT)?;
    let see = |pid| subject::number_in(s, pid, instance(node)).ok_or(Errno::ENOENT);
    Ok((see(process.pid)?, see(task.pid.key())?))
}

/// The node of the namespace that a link in ns/ leads to.
fn namespace(s: &Source, subject: &Subject, target: Target) -> Result<ViewNode, Errno> {
    let (id, task) = subject.living(s).map_err(|_| Errno::ENOENT)?;
    let keys = task.ns.as_ref().ok_or(Errno::ENOENT)?.keys();
    match target {
        Target::PidForChildren => Ok(nsfs::pid_node(keys.pid_for_children)),
        Target::Namespace(kind) => {
            let own = crate::ns::pid::of_task_in(s.tasks, id).ok_or(Errno::ENOENT)?;
            Ok(nsfs::node_of(kind, keys, own))
        }
        _ => Err(Errno::EINVAL),
    }
}

/// The table of descriptors of a process.
fn table(s: &Source, node: ViewNode) -> Result<FilesId, Errno> {
    let (_, task) = Subject::of(s, node)?.living(s).map_err(|_| Errno::ENOENT)?;
    task.files
        .as_ref()
        .map(crate::arena::Held::key)
        .ok_or(Errno::ENOENT)
}

/// The descriptor `number` of a process.
pub(super) fn descriptor<'a>(
    s: &Source<'a>,
    node: ViewNode,
    number: u32,
) -> Result<&'a crate::task::Descriptor, Errno> {
    let files = s.tasks.files.get(table(s, node)?).ok_or(Errno::ENOENT)?;
    let slot = files.table.get(number as usize).ok_or(Errno::ENOENT)?;
    slot.as_ref().ok_or(Errno::ENOENT)
}

/// The numbers of a process's descriptors from `first` on, `most` at the most, ascending.
pub(super) fn descriptors(
    s: &Source,
    node: ViewNode,
    first: u32,
    most: usize,
) -> Result<Vec<u32>, Errno> {
    let Ok(table) = table(s, node) else {
        return Ok(Vec::new());
    };
    let files = s.tasks.files.get(table).ok_or(Errno::ENOENT)?;
    let numbers = files.table.iter().enumerate();
    Ok(numbers
        .skip(first as usize)
        .filter(|(_, slot)| slot.is_some())
        .take(most)
        .map(|(number, _)| number as u32)
        .collect())
}

/// Permissions of the link of a descriptor: how it was opened.
pub(super) fn descriptor_mode(s: &Source, node: ViewNode) -> Result<u32, Errno> {
    use linux_raw_sys::general::{O_ACCMODE, O_PATH, O_RDONLY, O_WRONLY};
    let file = descriptor(s, node, number_of(node))?.file.key();
    let flags = s.fs.files.get(file).ok_or(Errno::ENOENT)?.flags;
    let mut mode = 0;
    if flags & O_PATH == 0 {
        if flags & O_ACCMODE != O_WRONLY {
            mode |= 0o500;
        }
        if flags & O_ACCMODE != O_RDONLY {
            mode |= 0o300;
        }
    }
    Ok(mode)
}

/// /proc/PID/fdinfo/N: position, flags and mount of a descriptor.
pub(super) fn descriptor_info(s: &Source, node: ViewNode, now: u64) -> Result<Vec<u8>, Errno> {
    Subject::of(s, node)?.check_access(s)?;
    let descriptor = descriptor(s, node, number_of(node))?;
    let fs = s.fs;
    let file = fs.files.get(descriptor.file.key()).ok_or(Errno::ENOENT)?;
    let mut flags = file.flags;
    if descriptor.cloexec {
        flags |= linux_raw_sys::general::O_CLOEXEC;
    }
    let mount = fs.mounts.get(file.at.pos().mount);
    let mut text = Text::default();
    put!(text, "pos:\t{}\nflags:\t0{flags:o}\n", file.offset);
    put!(text, "mnt_id:\t{}\n", mount.map_or(0, |m| m.id));
    if let FileKind::Event(event) = &file.kind {
        events::describe(&mut text, fs, event, now);
    }
    text.done()
}
