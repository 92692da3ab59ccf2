//! From a position back to its path (getcwd(2), /proc/PID/exe, mountinfo).

use super::mount::Map;
use super::superblock::SuperKind;
use super::walk::Views;
use super::{Fs, InodeId, Location, MountId, Node, Pos};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

/// What is known of a position's path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// The path from the root that was asked for, or from where the way up ended.
    pub path: Vec<u8>,
    /// The way up ended at the root.
    pub reachable: bool,
    /// The file, or a directory above it, has no name any more.
    pub deleted: bool,
}

impl Told {
    /// As /proc shows it: ` (deleted)` behind what has no name any more.
    pub fn text(mut self) -> Vec<u8> {
        if self.deleted {
            self.path.extend_from_slice(b" (deleted)");
        }
        self.path
    }
}

/// Bytes at which telling a path gives up; no call has room for more.
const TOLD_MAX: usize = 3 * 4096;

/// The path of a position below `root`.
pub fn path_of(fs: &Fs, views: &dyn Views, location: &Location, root: Pos) -> Told {
    if let Some(path) = nameless(fs, location) {
        return Told {
            path,
            reachable: true,
            deleted: false,
        };
    }
    let mut up = Up {
        fs,
        path: VecDeque::new(),
        deleted: false,
    };
    let mut at = location.pos;
    if let Some((dir, name)) = &location.name {
        if up.fs.root_of(at.mount) != Ok(at) {
            at = up.named(at, *dir, name);
        }
    }
    let mut reachable = at == root;
    while at != root && up.path.len() < TOLD_MAX {
        let Some(above) = up.step(views, at) else {
            break;
        };
        at = above;
        reachable = at == root;
    }
    if up.path.is_empty() {
        up.path.push_front(b'/');
    }
    Told {
        path: up.path.into(),
        reachable,
        deleted: up.deleted,
    }
}

/// What those are called that never had a name: `pipe:[number]`, `anon_inode:[eventfd]`.
fn nameless(fs: &Fs, location: &Location) -> Option<Vec<u8>> {
    let pos = location.pos;
    let sort = match fs.super_of(pos.mount).ok()?.kind {
        SuperKind::Pipes => "pipe",
        SuperKind::Sockets => "socket",
        SuperKind::Events => return Some(location.name.as_ref()?.1.clone()),
        _ => return None,
    };
    let Node::Inode(id) = pos.node else {
        return None;
    };
    let ino = fs.inodes.get(id)?.ino;
    Some(alloc::format!("{sort}:[{ino}]").into_bytes())
}

struct Up<'a> {
    fs: &'a Fs,
    path: VecDeque<u8>,
    deleted: bool,
}

impl Up<'_> {
    fn push(&mut self, name: &[u8]) {
        for byte in name.iter().rev() {
            self.path.push_front(*byte);
        }
        self.path.push_front(b'/');
    }

    /// A file by the name it was found by, if it still has it; else by the name it was given
    /// last.
    fn named(&mut self, at: Pos, dir: Pos, name: &[u8]) -> Pos {
        let Node::Inode(id) = at.node else {
            self.push(name);
            return dir;
        };
        if let Node::Inode(parent) = dir.node {
            if !self.is_named(parent, name, id)
                && self.fs.inodes.get(id).is_some_and(|i| i.nlink > 0)
            {
                return at;
            }
            self.deleted = !self.is_named(parent, name, id);
        }
        self.push(name);
        dir
    }

    fn is_named(&self, dir: InodeId, name: &[u8], id: InodeId) -> bool {
        let dir = self.fs.inodes.get(dir).map(|i| i.dir());
        matches!(dir, Some(Ok(dir)) if dir.get(name) == Some(id))
    }

    fn step(&mut self, views: &dyn Views, at: Pos) -> Option<Pos> {
        let mount = self.fs.mounts.get(at.mount)?;
        if at.node == mount.root.node() {
            return Some(mount.parent.as_ref()?.pos());
        }
        let node = match at.node {
            Node::View(view) => {
                self.push(&views.name(view)?);
                Node::View(views.parent(view)?)
            }
            Node::Inode(id) => Node::Inode(self.inode_up(id)?),
        };
        Some(Pos { node, ..at })
    }

    fn inode_up(&mut self, id: InodeId) -> Option<InodeId> {
        let inode = self.fs.inodes.get(id)?;
        let Some((parent, name)) = inode.link.as_ref() else {
            // Made without a name (O_TMPFILE).
            if inode.nlink == 0 {
                self.push(alloc::format!("#{}", inode.ino).as_bytes());
                self.deleted = true;
            }
            return None;
        };
        if !self.is_named(*parent, name, id) {
            self.deleted = true;
        }
        let (parent, name) = (*parent, name.clone());
        self.push(&name);
        Some(parent)
    }
}

/// One line of /proc/PID/mountinfo, as data.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MountLine {
    /// The mount.
    pub mount: MountId,
    /// Its number.
    pub id: u32,
    /// The number of the mount it is on; its own at the root.
    pub parent: u32,
    /// Device number (major 0, minor).
    pub dev: (u32, u32),
    /// The part of the file system that it shows.
    pub root: Vec<u8>,
    /// Where it is, below the root of the task.
    pub point: Vec<u8>,
    /// What is forbidden.
    pub flags: super::mount::MountFlags,
    /// Name of the file system.
    pub kind: &'static str,
    /// What mount(2) was given as the source.
    pub source: Vec<u8>,
    /// The instance is read-only.
    pub readonly: bool,
    /// The instance's options: begins with a comma, or is empty.
    pub options: Vec<u8>,
}

/// The mounts of a tree from number `first` on, in the order they were made, `most` at the most:
/// number and mount.
pub fn list(fs: &Fs, tree: u32, first: u64, most: usize) -> Vec<(u32, MountId)> {
    let mut next: BTreeMap<u32, MountId> = BTreeMap::new();
    let mounts = fs.mounts.iter();
    for (key, mount) in mounts.filter(|(_, mount)| mount.tree == tree) {
        let last = next.last_key_value().map_or(0, |(id, _)| *id);
        let room = next.len() < most;
        if u64::from(mount.id) >= first && (room || mount.id < last) {
            next.insert(mount.id, key);
            if !room {
                next.pop_last();
            }
        }
    }
    next.into_iter().collect()
}

/// A mount as a task with this root sees it; `None` when it does not.
pub fn line(fs: &Fs, views: &dyn Views, id: MountId, root: Pos) -> Option<MountLine> {
    let mount = fs.mounts.get(id)?;
    let sb = fs.supers.get(mount.sb.key())?;
    // A task whose root is a directory inside a mount sees that mount at `/`.
    let at = if id == root.mount {
        root
    } else {
        fs.root_of(id).ok()?
    };
    let told = path_of(
        fs,
        views,
        &Location {
            pos: at,
            name: None,
        },
        root,
    );
    let parent = mount
        .parent
        .as_ref()
        .and_then(|p| fs.mounts.get(p.pos().mount))
        .map_or(mount.id, |parent| parent.id);
    told.reachable.then(|| MountLine {
        mount: id,
        id: mount.id,
        parent,
        dev: (0, sb.dev),
        root: inside(fs, views, mount.root.node(), sb.root()),
        point: told.path,
        flags: mount.flags,
        kind: sb.kind.name(),
        source: mount.source.clone(),
        readonly: sb.readonly,
        options: sb.options.clone(),
    })
}

/// The path of a node inside its file system.
fn inside(fs: &Fs, views: &dyn Views, node: Node, top: Node) -> Vec<u8> {
    let mut up = Up {
        fs,
        path: VecDeque::new(),
        deleted: false,
    };
    let mut at = node;
    while at != top && up.path.len() < TOLD_MAX {
        let above = match at {
            Node::Inode(id) => up.inode_up(id).map(Node::Inode),
            Node::View(view) => {
                if let Some(name) = views.name(view) {
                    up.push(&name);
                }
                views.parent(view).map(Node::View)
            }
        };
        match above {
            Some(above) => at = above,
            None => break,
        }
    }
    if up.path.is_empty() {
        up.path.push_front(b'/');
    }
    if up.deleted {
        up.path.extend(b"//deleted");
    }
    up.path.into()
}

/// A position after its tree was copied: on the copy of its mount.
pub fn translate(map: &Map, pos: Pos) -> Pos {
    Pos {
        mount: map.get(&pos.mount).copied().unwrap_or(pos.mount),
        ..pos
    }
}
