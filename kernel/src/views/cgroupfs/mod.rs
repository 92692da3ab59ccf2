//! cgroup2: control groups as directories (cgroups(7), cgroup v2).
//!
//! A node's `object` is the group, its `kind` the number of a file in the tables of `table`, or 0
//! for the directory. There is one instance, whichever group its mounts show at their root.

mod change;
mod core;
mod cpu;
mod cpuset;
mod io;
mod members;
mod memory;
mod mounting;
mod number;
mod pids;
mod table;

pub use change::{Change, change, make, may_truncate, refuse_unlink, remove, victim};

pub use members::may_fork_into;
pub use mounting::mount;

use super::nsfs::{pack, unpack};
use super::telling::{Cursor, Piece};
use super::text::Text;
use super::{Entry, Opened, Source};
use crate::arena::Held;
use crate::cgroup::{Attributes, Charge, Controllers, GroupId, Groups};
use crate::error::{Errno, Stop};
use crate::fs::{Access, Node, View, ViewNode};
use crate::machine::Machine;
use crate::ns::{self, CgroupNsId};
use crate::task::cred::access;
use crate::{Cx, Kernel};
use alloc::boxed::Box;
use alloc::vec::Vec;
use linux_raw_sys::general as linux;
use table::{Numbered, Read, Take, Where};

/// The directory of a group.
pub fn directory(group: GroupId) -> ViewNode {
    ViewNode {
        view: View::Cgroup,
        kind: 0,
        object: pack(group),
        part: 0,
        instance: 0,
    }
}

/// The group that a node is about.
pub fn group_of(node: ViewNode) -> GroupId {
    unpack(node.object)
}

/// The node at a position, if it belongs to a group: its names and attributes can be changed.
pub fn at(node: Node) -> Option<ViewNode> {
    match node {
        Node::View(node) if node.view == View::Cgroup => Some(node),
        _ => None,
    }
}

/// The group whose directory a node is.
///
/// # Errors
/// EBADF when it is none, ENOENT when the group is removed.
pub fn group_of_directory(groups: &Groups, node: ViewNode) -> Result<GroupId, Errno> {
    if node.view != View::Cgroup || node.kind != 0 {
        return Err(Errno::EBADF);
    }
    let group = group_of(node);
    match groups.is_in_tree(group) {
        true => Ok(group),
        false => Err(Errno::ENOENT),
    }
}

/// Whether a group can have no child of this name: a file might have it.
pub fn is_file_name(name: &[u8]) -> bool {
    table::named(name).is_some()
}

/// Whether a group has a file.
fn has(groups: &Groups, group: GroupId, of: &Numbered) -> bool {
    let root = groups.root() == group;
    let place = match of.file.place {
        Where::Everywhere => true,
        Where::BelowRoot => !root,
    };
    let given = of.controller.unwrap_or(Controllers::empty());
    place && groups.controllers(group).contains(given)
}

/// The file that a node is, and its group.
///
/// # Errors
/// ENODEV when the group is removed or has the file no more, EISDIR for a directory.
fn file(groups: &Groups, node: ViewNode) -> Result<(GroupId, Numbered), Errno> {
    if node.kind == 0 {
        return Err(Errno::EISDIR);
    }
    let group = group_of(node);
    let found = table::numbered(node.kind).filter(|found| has(groups, group, found));
    match groups.is_in_tree(group) {
        true => Ok((group, found.ok_or(Errno::ENODEV)?)),
        false => Err(Errno::ENODEV),
    }
}

pub(super) fn lookup(s: &Source, dir: ViewNode, name: &[u8]) -> Result<ViewNode, Errno> {
    if dir.kind != 0 {
        return Err(Errno::ENOTDIR);
    }
    let group = group_of(dir);
    if !s.groups.is_in_tree(group) {
        return Err(Errno::ENOENT);
    }
    if let Some(found) = table::named(name).filter(|found| has(s.groups, group, found)) {
        return Ok(ViewNode {
            kind: found.kind,
            ..dir
        });
    }
    let child = s.groups.child(group, name).ok_or(Errno::ENOENT)?;
    Ok(directory(child))
}

pub(super) fn parent(s: &Source, node: ViewNode) -> Option<ViewNode> {
    match node.kind {
        0 => s.groups.parent(group_of(node)).map(directory),
        _ => Some(ViewNode { kind: 0, ..node }),
    }
}

pub(super) fn name(s: &Source, node: ViewNode) -> Option<Vec<u8>> {
    if let Some(found) = table::numbered(node.kind) {
        return Some(found.file.name.as_bytes().to_vec());
    }
    let name = s.groups.name(group_of(node))?;
    (!name.is_empty()).then(|| name.to_vec())
}

/// Permission bits and owner of what is in the tree.
fn attributes(groups: &Groups, node: ViewNode) -> Result<Attributes, Errno> {
    let group = group_of(node);
    let (controller, mode) = match node.kind {
        0 if group == groups.root() => (None, 0o555),
        0 => (None, 0o755),
        _ => {
            let (_, of) = file(groups, node).map_err(|_| Errno::ENOENT)?;
            (of.controller, of.file.mode)
        }
    };
    let attributes = groups.attributes(group, node.kind, controller, mode);
    attributes.ok_or(Errno::ENOENT)
}

pub(super) fn mode(s: &Source, node: ViewNode) -> Result<(u32, u32, u32), Errno> {
    let of = attributes(s.groups, node)?;
    let kind = match node.kind {
        0 => linux::S_IFDIR,
        _ => linux::S_IFREG,
    };
    Ok((kind | of.mode, of.uid, of.gid))
}

/// A number that no other group or file ever has.
pub(super) fn inode_number(s: &Source, node: ViewNode) -> u64 {
    let serial = s.groups.serial(group_of(node)).unwrap_or(0);
    1 + (serial << 16 | u64::from(node.kind))
}

/// The number of links as stat(2) has it: for a directory 2 and its subdirectories.
pub(super) fn links_of(s: &Source, node: ViewNode) -> u32 {
    match node.kind {
        0 => {
            let below = s.groups.children_count(group_of(node));
            u32::try_from(below.saturating_add(2)).unwrap_or(u32::MAX)
        }
        _ => 1,
    }
}

/// The cookies of the first file and of the first subdirectory.
const FILES_FROM: u64 = 3;
const GROUPS_FROM: u64 = 4096;

pub(super) fn entries(
    s: &Source,
    node: ViewNode,
    from: u64,
    most: usize,
) -> Result<Vec<Entry>, Errno> {
    let group = group_of(node);
    if node.kind != 0 {
        return Err(Errno::ENOTDIR);
    }
    if !s.groups.is_in_tree(group) {
        return Err(Errno::ENOENT);
    }
    let files = table::all()
        .zip(FILES_FROM..)
        .filter(|(found, cookie)| *cookie >= from && has(s.groups, group, found))
        .map(|(found, cookie)| Entry {
            name: found.file.name.as_bytes().to_vec(),
            node: ViewNode {
                kind: found.kind,
                ..node
            },
            kind: linux::DT_REG as u8,
            cookie,
        });
    let first = from.saturating_sub(GROUPS_FROM);
    let below = s
        .groups
        .children_from(group, first)
        .map(|(serial, id)| Entry {
            name: s.groups.name(id).unwrap_or(b"").to_vec(),
            node: directory(id),
            kind: linux::DT_DIR as u8,
            cookie: GROUPS_FROM + serial,
        });
    let mut entries = Vec::new();
    for entry in files.chain(below).take(most) {
        entries.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        entries.push(entry);
    }
    Ok(entries)
}

/// Who opened a file of a group: what counts when it is written, whoever writes.
#[derive(Debug)]
pub struct Opener {
    /// Its cgroup namespace.
    ns: Held<CgroupNsId>,
    cred: OpenerCred,
    /// Pays for its supplementary groups.
    charge: Option<Charge>,
}

#[derive(Debug)]
struct OpenerCred {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
    caps: u64,
}

impl Opener {
    /// For permission checks.
    fn access(&self) -> Access<'_> {
        Access {
            uid: self.cred.uid,
            gid: self.cred.gid,
            groups: &self.cred.groups,
            caps: self.cred.caps,
        }
    }
}

pub(super) fn open(k: &mut Kernel, cx: &Cx, node: ViewNode, flags: u32) -> Result<Opened, Errno> {
    if node.kind == 0 {
        return Ok(Opened::Nothing);
    }
    let (_, of) = file(&k.groups, node)?;
    let task = k.tasks.task(cx.task)?;
    let who = access(&task.cred);
    // Only who puts others into groups is asked later who it is.
    let reads = flags & linux::O_ACCMODE == linux::O_RDONLY;
    let groups = match of.file.take {
        Take::Member(_) if !reads => who.groups,
        _ => &[],
    };
    let cred = OpenerCred {
        uid: who.uid,
        gid: who.gid,
        groups: groups.to_vec(),
        caps: who.caps,
    };
    let ns = task.ns.as_ref().ok_or(Errno::ESRCH)?.cgroup.key();
    let (group, bytes) = (task.group.key(), groups.len() as u32 * 4);
    let charge = match bytes {
        0 => None,
        _ => Some(k.groups.charge(group, bytes).map_err(|_| Errno::ENOMEM)?),
    };
    let Some(ns) = k.ns.cgroup.hold(ns) else {
        charge.into_iter().for_each(|c| k.groups.give_back(c));
        return Err(Errno::ESRCH);
    };
    Ok(Opened::Group(Box::new(Opener { ns, cred, charge })))
}

pub(super) fn close(k: &mut Kernel, opener: Opener) {
    ns::cgroup::release(k, opener.ns);
    if let Some(charge) = opener.charge {
        k.groups.give_back(charge);
    }
}

/// The piece of a file that begins at a cursor.
pub(super) fn piece(
    k: &mut Kernel,
    m: &mut dyn Machine,
    node: ViewNode,
    cursor: Cursor,
) -> Result<Piece, Stop> {
    let (group, of) = file(&k.groups, node)?;
    match of.file.read {
        Read::Whole(show) => {
            let mut text = Text::default();
            show(k, m, group, &mut text)?;
            Ok(Piece::whole(text.done()?))
        }
        Read::Pieces(tell) => tell(k, group, cursor),
        Read::Nothing => Err(Errno::EINVAL.into()),
    }
}

/// How often what a file tells has changed, if that wakes those who poll it.
pub fn changes(groups: &Groups, node: ViewNode) -> Option<(GroupId, u32)> {
    let noted = table::numbered(node.kind)?.file.noted?;
    let group = group_of(node);
    Some((group, groups.changes(group, noted)))
}

/// Takes what is written to a file: a value in one write.
pub(super) fn write(
    k: &mut Kernel,
    cx: &mut Cx,
    opener: &Opener,
    node: ViewNode,
    bytes: &[u8],
) -> Result<usize, Stop> {
    let (group, of) = file(&k.groups, node)?;
    if bytes.is_empty() {
        return Ok(0);
    }
    let top =
        k.ns.cgroup
            .get(opener.ns.key())
            .ok_or(Errno::ESRCH)?
            .root
            .key();
    // What a namespace was given is for those outside to set (cgroup v2, "Model of Delegation").
    let border = k.groups.options.nsdelegate && top == group && top != k.groups.root();
    if border && !of.file.delegated {
        return Err(Errno::EPERM.into());
    }
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    let text = bytes.get(..end).unwrap_or(bytes);
    let text = ::core::str::from_utf8(text).map_err(|_| Errno::EINVAL)?;
    match of.file.take {
        Take::Value(store) => store(k, cx, group, text)?,
        Take::Member(whole) => members::enter(k, cx, (group, text, whole), &opener.access(), top)?,
        Take::Nothing => return Err(Errno::EINVAL.into()),
    }
    Ok(bytes.len())
}
