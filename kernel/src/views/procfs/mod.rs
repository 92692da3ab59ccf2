//! procfs: processes and the system as files (proc(5)); sysfs is a branch of the same tables.
//!
//! A tree of tables: each directory has lines of names; some have numbered children besides. A
//! node's `kind` is its directory and its line there, its `object` a pid, its `instance` the pid
//! namespace the file system was mounted for. Only what has a number in that namespace is visible.

mod cpuinfo;
mod events;
mod figures;
pub mod links;
mod login;
mod maps;
mod memory;
mod mounts;
mod net;
mod oom;
mod process;
mod smaps;
mod sockets;
mod stat;
mod status;
mod subject;
mod sys;
mod sys_ipc;
pub mod system;
mod sysvipc;
pub(super) mod table;

use super::nsfs::{pack, unpack};
use super::telling::{Cursor, Piece};
use super::{Entry, Opened, Source};
use crate::error::{Errno, Stop};
use crate::fs::{View, ViewNode};
use crate::machine::Machine;
use crate::ns::PidNsId;
use crate::task::{PidId, TaskId};
use crate::{Cx, Kernel};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;
use subject::Subject;
use table::{Dir, Guard, Line, What};

/// Numbered children have this in the lower half of their kind.
const NUMBERED: u8 = 0xff;

/// Set in the `part` of what is below task/TID, which has the same directories as /proc/PID; the
/// rest of it is a descriptor's number.
const OF_THREAD: u32 = 1 << 31;

/// The descriptor that a node is about.
fn number_of(node: ViewNode) -> u32 {
    node.part & !OF_THREAD
}

/// What a node is.
enum Found {
    Dir(Dir),
    Line(Dir, &'static Line),
    /// A child of [`Dir::Fds`] or [`Dir::FdInfo`]: its number is the node's `part`.
    Numbered(Dir),
}

fn found(node: ViewNode) -> Result<Found, Errno> {
    let [upper, lower] = node.kind.to_be_bytes();
    let dir = Dir::ALL
        .get(usize::from(upper))
        .copied()
        .ok_or(Errno::ENOENT)?;
    match lower {
        0 => Ok(Found::Dir(dir)),
        NUMBERED => Ok(Found::Numbered(dir)),
        index => {
            let line = dir.lines().get(usize::from(index) - 1);
            line.map(|l| Found::Line(dir, l)).ok_or(Errno::ENOENT)
        }
    }
}

fn kind(dir: Dir, lower: u8) -> u16 {
    u16::from_be_bytes([dir as u8, lower])
}

/// The root of a procfs mounted by this task: it shows the pid namespace that the task is in.
///
/// # Errors
/// ESRCH when the task has ended.
pub fn root(k: &Kernel, task: TaskId) -> Result<ViewNode, Errno> {
    crate::ns::pid::of_task(k, task)
        .map(root_of)
        .ok_or(Errno::ESRCH)
}

/// The root of the procfs of a pid namespace.
pub fn root_of(instance: PidNsId) -> ViewNode {
    top(View::Proc, Dir::Root, pack(instance))
}

/// The root of sysfs.
pub fn sys_root() -> ViewNode {
    top(View::Sys, Dir::Sysfs, 0)
}

fn top(view: View, dir: Dir, instance: u64) -> ViewNode {
    ViewNode {
        view,
        kind: kind(dir, 0),
        object: 0,
        part: 0,
        instance,
    }
}

/// The pid namespace that a node's file system shows.
fn instance(node: ViewNode) -> PidNsId {
    unpack(node.instance)
}

/// The child of a directory that its line `index` describes.
fn child(dir_node: ViewNode, dir: Dir, index: usize, line: &Line) -> ViewNode {
    let kind = match line.what {
        What::Dir(below) => kind(below, 0),
        _ => kind(dir, u8::try_from(index + 1).unwrap_or(0)),
    };
    let mark = if dir == Dir::Thread { OF_THREAD } else { 0 };
    ViewNode {
        kind,
        part: dir_node.part | mark,
        ..dir_node
    }
}

/// The child of a directory of descriptors.
fn numbered_child(node: ViewNode, dir: Dir, number: u32) -> ViewNode {
    ViewNode {
        kind: kind(dir, NUMBERED),
        part: (node.part & OF_THREAD) | number,
        ..node
    }
}

pub(super) fn lookup(s: &Source, node: ViewNode, name: &[u8]) -> Result<ViewNode, Errno> {
    let Found::Dir(dir) = found(node)? else {
        return Err(Errno::ENOTDIR);
    };
    if dir.of_process() {
        Subject::of(s, node).map_err(|_| Errno::ENOENT)?;
    }
    let at = dir.lines().iter().position(|l| l.name.as_bytes() == name);
    if let Some((index, line)) = at.and_then(|i| Some((i, dir.lines().get(i)?))) {
        return Ok(child(node, dir, index, line));
    }
    let number = subject::number(name).ok_or(Errno::ENOENT)?;
    match dir {
        Dir::Root => subject::process_node(s, node, number),
        Dir::Tasks => subject::thread_node(s, node, number),
        Dir::Fds | Dir::FdInfo => {
            may_list(s, node)?;
            links::descriptor(s, node, number)?;
            Ok(numbered_child(node, dir, number))
        }
        _ => Err(Errno::ENOENT),
    }
}

pub(super) fn parent(s: &Source, node: ViewNode) -> Option<ViewNode> {
    let dir = match found(node).ok()? {
        Found::Dir(dir) => dir,
        Found::Line(dir, _) | Found::Numbered(dir) => {
            let mark = if dir == Dir::Thread { 0 } else { OF_THREAD };
            return Some(ViewNode {
                kind: kind(dir, 0),
                part: node.part & mark,
                ..node
            });
        }
    };
    let of_thread = node.part & OF_THREAD != 0;
    match dir {
        Dir::Thread => {
            // The thread's node is named by the thread's number, its process by the leader's.
            let leader = Subject::of(s, node).ok()?.process(s).ok()?.pid;
            Some(subject::node_for(node, Dir::Tasks, leader))
        }
        _ => {
            let above = match dir.above() {
                Some((Dir::Process, _)) if of_thread => Dir::Thread,
                Some((above, _)) => above,
                // Processes are found by number.
                None if dir == Dir::Process => Dir::Root,
                None => return None,
            };
            Some(ViewNode {
                kind: kind(above, 0),
                object: if above == Dir::Root { 0 } else { node.object },
                part: 0,
                ..node
            })
        }
    }
}

/// The name of a node in the directory above it; `None` for the root.
pub(super) fn name(s: &Source, node: ViewNode) -> Option<Vec<u8>> {
    match found(node).ok()? {
        Found::Dir(Dir::Process | Dir::Thread) => {
            let number = Subject::of(s, node).ok()?.number(s);
            Some(alloc::format!("{number}").into_bytes())
        }
        Found::Dir(dir) => Some(dir.above()?.1.as_bytes().to_vec()),
        Found::Line(_, line) => Some(line.name.as_bytes().to_vec()),
        Found::Numbered(_) => Some(alloc::format!("{}", number_of(node)).into_bytes()),
    }
}

pub(super) fn mode(s: &Source, node: ViewNode) -> Result<(u32, u32, u32), Errno> {
    let (dir, mode) = match found(node)? {
        Found::Dir(dir) => (dir, linux::S_IFDIR | dir.mode()),
        Found::Line(dir, line) => match line.what {
            What::Link(_) => (dir, linux::S_IFLNK | line.mode),
            _ => (dir, linux::S_IFREG | line.mode),
        },
        Found::Numbered(Dir::Fds) => {
            let mode = links::descriptor_mode(s, node)?;
            (Dir::Fds, linux::S_IFLNK | mode)
        }
        Found::Numbered(dir) => (dir, linux::S_IFREG | 0o400),
    };
    if !dir.of_process() {
        return Ok((mode, 0, 0));
    }
    let (uid, gid) = Subject::of(s, node).map_err(|_| Errno::ENOENT)?.owner(s);
    Ok((mode, uid, gid))
}

/// A number that is the same for the same node, and for no other one that exists.
pub(super) fn inode_number(node: ViewNode) -> u64 {
    let object = node.object & 0xff_ffff;
    let mark = u64::from(node.part & OF_THREAD != 0);
    let number = u64::from(node.part & 0x1f_ffff);
    1 + (object << 38 | u64::from(node.kind) << 22 | mark << 21 | number)
}

/// The number of links as stat(2) has it: for a directory 2 and its subdirectories.
pub(super) fn links_of(s: &Source, node: ViewNode) -> u32 {
    let Ok(Found::Dir(dir)) = found(node) else {
        return 1;
    };
    let fixed = dir
        .lines()
        .iter()
        .filter(|l| matches!(l.what, What::Dir(_)))
        .count();
    let numbered = match dir {
        // Threads and groups have numbers, too; an exact count would take too long.
        Dir::Root => {
            s.ns.pid
                .get(instance(node))
                .map_or(0, |ns| ns.numbers.len())
        }
        Dir::Tasks => Subject::of(s, node).map_or(0, |of| of.threads(s).len()),
        _ => 0,
    };
    u32::try_from(fixed.saturating_add(numbered).saturating_add(2)).unwrap_or(u32::MAX)
}

/// The cookie of a directory's first line, and of its child with number 0.
const LINES_FROM: u64 = 3;
const NUMBERS_FROM: u64 = 256;

pub(super) fn entries(
    s: &Source,
    node: ViewNode,
    from: u64,
    most: usize,
) -> Result<Vec<Entry>, Errno> {
    let Found::Dir(dir) = found(node)? else {
        return Err(Errno::ENOTDIR);
    };
    if dir.of_process() {
        Subject::of(s, node).map_err(|_| Errno::ENOENT)?;
    }
    let mut entries: Vec<Entry> = Vec::new();
    let lines = dir.lines().iter().enumerate();
    for (index, line) in lines {
        let cookie = LINES_FROM + index as u64;
        if cookie >= from && entries.len() < most {
            entries.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            entries.push(Entry {
                name: line.name.as_bytes().to_vec(),
                node: child(node, dir, index, line),
                kind: match line.what {
                    What::Dir(_) => linux::DT_DIR,
                    What::Link(_) => linux::DT_LNK,
                    _ => linux::DT_REG,
                } as u8,
                cookie,
            });
        }
    }
    let first = u32::try_from(from.saturating_sub(NUMBERS_FROM)).unwrap_or(u32::MAX);
    let left = most.saturating_sub(entries.len());
    for (number, below) in numbered(s, node, dir, first, left)? {
        entries.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        entries.push(Entry {
            name: alloc::format!("{number}").into_bytes(),
            node: below,
            kind: match dir {
                Dir::Fds => linux::DT_LNK,
                Dir::FdInfo => linux::DT_REG,
                _ => linux::DT_DIR,
            } as u8,
            cookie: NUMBERS_FROM + u64::from(number),
        });
    }
    Ok(entries)
}

/// The numbered children of a directory from `first` on, `most` at the most, ascending.
fn numbered(
    s: &Source,
    node: ViewNode,
    dir: Dir,
    first: u32,
    most: usize,
) -> Result<Vec<(u32, ViewNode)>, Errno> {
    let of_pids = |dir, pids: &mut dyn Iterator<Item = (u32, PidId)>| {
        pids.take(most)
            .map(|(number, pid)| (number, subject::node_for(node, dir, pid)))
            .collect()
    };
    match dir {
        Dir::Root => {
            let mut pids = subject::numbers(s, instance(node), first);
            Ok(of_pids(Dir::Process, &mut pids))
        }
        Dir::Tasks => {
            let mut threads = Subject::of(s, node)?.threads(s);
            threads.sort_unstable();
            let mut pids = threads.into_iter().filter(|(number, _)| *number >= first);
            Ok(of_pids(Dir::Thread, &mut pids))
        }
        Dir::Fds | Dir::FdInfo => {
            may_list(s, node)?;
            let numbers = links::descriptors(s, node, first, most)?.into_iter();
            Ok(numbers
                .map(|number| (number, numbered_child(node, dir, number)))
                .collect())
        }
        _ => Ok(Vec::new()),
    }
}

/// Whether the reader may see the descriptors of a process.
fn may_list(s: &Source, node: ViewNode) -> Result<(), Errno> {
    Subject::of(s, node)?.check_access(s)
}

pub(super) fn open(s: &Source, node: ViewNode, flags: u32) -> Result<Opened, Errno> {
    let writes = flags & linux::O_ACCMODE != linux::O_RDONLY;
    match found(node)? {
        Found::Line(_, line) => {
            if line.guard != Guard::Everybody {
                Subject::of(s, node)?.check_access(s)?;
            }
            if writes && !matches!(line.what, What::Writable(..)) {
                return Err(Errno::EACCES);
            }
            Ok(match line.guard {
                Guard::Memory => Opened::Memory(memory::space(s, node)?),
                _ => Opened::Nothing,
            })
        }
        Found::Numbered(_) if writes => Err(Errno::EACCES),
        _ => Ok(Opened::Nothing),
    }
}

/// Whether this is /proc/kmsg.
pub(super) fn is_log(node: ViewNode) -> bool {
    matches!(found(node), Ok(Found::Line(_, line)) if matches!(line.what, What::Log))
}

/// The piece of a file that begins at a cursor.
pub(super) fn piece(
    k: &mut Kernel,
    m: &mut dyn Machine,
    node: ViewNode,
    cursor: Cursor,
) -> Result<Piece, Stop> {
    match found(node)? {
        Found::Dir(_) => Err(Errno::EISDIR.into()),
        Found::Line(_, line) => {
            if line.guard == Guard::Look {
                let s = Source::of(k);
                Subject::of(&s, node)?.check_access(&s)?;
            }
            match line.what {
                What::File(show) | What::Writable(show, _) => Ok(Piece::whole(show(k, m, node)?)),
                What::Long(tell) => tell(k, m, node, cursor),
                What::Dir(_) | What::Link(_) | What::Log => Err(Errno::EINVAL.into()),
            }
        }
        Found::Numbered(Dir::FdInfo) => {
            let text = links::descriptor_info(&Source::of(k), node, m.now())?;
            Ok(Piece::whole(text))
        }
        Found::Numbered(_) => Err(Errno::EINVAL.into()),
    }
}

pub(super) fn write(
    k: &mut Kernel,
    cx: &mut Cx,
    node: ViewNode,
    bytes: &[u8],
) -> Result<usize, Stop> {
    match found(node)? {
        Found::Line(_, line) => match line.what {
            What::Writable(_, store) => store(k, cx, node, bytes),
            _ => Err(Errno::EACCES.into()),
        },
        _ => Err(Errno::EINVAL.into()),
    }
}
