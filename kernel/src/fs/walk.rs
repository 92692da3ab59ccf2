//! From a path to a position (path_resolution(7)).

use super::inode::{self, Kind};
use super::mount::MountFlags;
use super::rename::is_below;
pub use super::view::{Link, NoViews, Views};
use super::{Access, Fs, Location, Node, Pos};
use crate::error::Errno;
use alloc::borrow::Cow;
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

bitflags::bitflags! {
    /// How to walk.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct WalkFlags: u32 {
        /// Do not follow a symbolic link in the last component (AT_SYMLINK_NOFOLLOW).
        const NOFOLLOW = 1;
        /// The last component must be a directory.
        const DIRECTORY = 2;
        /// The root that the walk begins with is all there is: no magic link leads out of it
        /// (openat2(2), RESOLVE_IN_ROOT).
        const IN_ROOT = 4;
        /// Follow no symbolic link at all (RESOLVE_NO_SYMLINKS).
        const NO_SYMLINKS = 8;
        /// Follow no magic link (RESOLVE_NO_MAGICLINKS).
        const NO_MAGICLINKS = 64;
        /// As IN_ROOT, and whatever would lead to the root or above is an error
        /// (RESOLVE_BENEATH).
        const BENEATH = 128;
        /// For the runtime's walks in a root file system that a container can change.
        const INSIDE = Self::IN_ROOT.bits() | Self::NO_MAGICLINKS.bits();
        /// Stay on the mount where the walk begins (RESOLVE_NO_XDEV).
        const NO_XDEV = 256;
        /// End on top of what is mounted at the end, even when the path is `.` or empty: what
        /// umount2(2) means.
        const TOP = 16;
        /// An empty path means where the walk begins (AT_EMPTY_PATH).
        const EMPTY = 32;
    }
}

/// Where a walk begins, and above which directory `..` does not lead.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// The task's root.
    pub root: Pos,
    /// The directory for relative paths.
    pub cwd: Pos,
}

/// The end of a walk.
#[derive(Debug)]
pub enum Found {
    /// There is something.
    Here(Location),
    /// Nothing has that name, but the directory for it exists.
    Missing {
        /// The directory.
        dir: Pos,
        /// The name that is free.
        name: Vec<u8>,
        /// The path ended with a slash (only a directory can be made there).
        slash: bool,
    },
}

/// The end of a walk that stops before the last component.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parent {
    /// The directory that the last component is in.
    pub dir: Pos,
    /// The last component.
    pub last: Last,
    /// The path ended with a slash.
    pub slash: bool,
}

/// The last component of a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Last {
    /// A name.
    Name(Vec<u8>),
    /// `.`, or nothing but slashes.
    Dot,
    /// `..`.
    DotDot,
}

/// Links followed in one walk before ELOOP, and bytes of all their targets: a walk is done in one
/// go, and has to end.
const LINK_MAX: u32 = 40;
const TARGETS_MAX: usize = 8192;

/// Walks a path.
///
/// # Errors
/// ENOENT (something on the way is missing, or the path is empty), ENOTDIR, EACCES, ELOOP,
/// ENAMETOOLONG; EXDEV when the flags forbid to go on.
pub fn walk(
    fs: &Fs,
    views: &dyn Views,
    start: &Start,
    who: &Access,
    path: &[u8],
    flags: WalkFlags,
) -> Result<Found, Errno> {
    if path.is_empty() && !flags.contains(WalkFlags::EMPTY) {
        return Err(Errno::ENOENT);
    }
    check_start(path, flags)?;
    let mut walk = Walk::new(fs, views, *start, *who, path, flags);
    loop {
        match walk.step()? {
            Step::On => {}
            Step::End => return walk.end(),
            Step::Missing(name) => {
                return Ok(Found::Missing {
                    dir: walk.at,
                    name,
                    slash: walk.ended_with_slash,
                });
            }
        }
    }
}

fn check_start(path: &[u8], flags: WalkFlags) -> Result<(), Errno> {
    if flags.contains(WalkFlags::BENEATH) && path.first() == Some(&b'/') {
        return Err(Errno::EXDEV);
    }
    Ok(())
}

/// Walks a path up to its last component, which is not looked at.
///
/// # Errors
/// As [`walk`].
pub fn walk_parent(
    fs: &Fs,
    views: &dyn Views,
    start: &Start,
    who: &Access,
    path: &[u8],
    flags: WalkFlags,
) -> Result<Parent, Errno> {
    if path.is_empty() {
        return Err(Errno::ENOENT);
    }
    check_start(path, flags)?;
    let end = path.iter().rposition(|b| *b != b'/').map_or(0, |i| i + 1);
    let (body, slash) = (path.get(..end).unwrap_or(&[]), end < path.len());
    let cut = body.iter().rposition(|b| *b == b'/').map_or(0, |i| i + 1);
    let (before, name) = (
        body.get(..cut).unwrap_or(&[]),
        body.get(cut..).unwrap_or(&[]),
    );
    let last = match name {
        b"" | b"." => Last::Dot,
        b".." => Last::DotDot,
        name if name.len() > super::dir::NAME_MAX => return Err(Errno::ENAMETOOLONG),
        name => Last::Name(name.into()),
    };
    let before = if name.is_empty() { path } else { before };
    let flags = flags | WalkFlags::DIRECTORY | WalkFlags::EMPTY;
    let mut walk = Walk::new(fs, views, *start, *who, before, flags);
    while matches!(walk.step()?, Step::On) {}
    match walk.end_or_missing()? {
        Found::Here(location) => Ok(Parent {
            dir: location.pos,
            last,
            slash,
        }),
        Found::Missing { .. } => Err(Errno::ENOENT),
    }
}

enum Step {
    On,
    End,
    Missing(Vec<u8>),
}

struct Walk<'a> {
    fs: &'a Fs,
    views: &'a dyn Views,
    start: Start,
    who: Access<'a>,
    flags: WalkFlags,
    /// The path being walked; a followed link's target comes before the rest of it.
    path: Cow<'a, [u8]>,
    /// How far.
    next: usize,
    at: Pos,
    /// Where `at` was found, unless by `..` or a jump.
    found: Option<(Pos, core::ops::Range<usize>)>,
    links: u32,
    /// Bytes of their targets.
    targets: usize,
    missing: bool,
    /// A slash came after the last component.
    ended_with_slash: bool,
}

impl<'a> Walk<'a> {
    fn new(
        fs: &'a Fs,
        views: &'a dyn Views,
        start: Start,
        who: Access<'a>,
        path: &'a [u8],
        flags: WalkFlags,
    ) -> Walk<'a> {
        let at = if path.first() == Some(&b'/') {
            start.root
        } else {
            start.cwd
        };
        Walk {
            fs,
            views,
            start,
            who,
            flags,
            path: Cow::Borrowed(path),
            next: 0,
            at,
            found: None,
            links: 0,
            targets: 0,
            missing: false,
            ended_with_slash: false,
        }
    }

    /// Walks one component.
    fn step(&mut self) -> Result<Step, Errno> {
        let (from, to) = self.component();
        if from == to {
            return Ok(Step::End);
        }
        self.ended_with_slash = self.path.get(to) == Some(&b'/');
        self.next = to;
        self.search()?;
        let path = core::mem::take(&mut self.path);
        let step = self.enter(&path, from..to);
        if self.path.is_empty() {
            self.path = path;
        }
        step
    }

    /// Where the next component is; empty at the end.
    fn component(&self) -> (usize, usize) {
        let rest = self.path.get(self.next..).unwrap_or(&[]);
        let from = rest.iter().position(|b| *b != b'/').unwrap_or(rest.len());
        let name = rest.get(from..).unwrap_or(&[]);
        let len = name.iter().position(|b| *b == b'/').unwrap_or(name.len());
        (self.next + from, self.next + from + len)
    }

    /// Whether the directory may be searched.
    fn search(&self) -> Result<(), Errno> {
        match self.at.node {
            Node::Inode(id) => {
                let inode = self.fs.inode(id)?;
                inode.dir()?;
                inode.permit(&self.who, 1)
            }
            Node::View(view) => {
                let (mode, uid, gid) = self.views.mode(view)?;
                if mode & linux::S_IFMT != linux::S_IFDIR {
                    return Err(Errno::ENOTDIR);
                }
                inode::permit(&self.who, (uid, gid), mode, 1)
            }
        }
    }

    fn enter(&mut self, path: &[u8], range: core::ops::Range<usize>) -> Result<Step, Errno> {
        let name = path.get(range.clone()).unwrap_or(&[]);
        match name {
            b"." => return Ok(Step::On),
            b".." => {
                self.found = None;
                return self.up().map(|()| Step::On);
            }
            name if name.len() > super::dir::NAME_MAX => return Err(Errno::ENAMETOOLONG),
            _ => {}
        }
        let rest = path.get(self.next..).unwrap_or(&[]);
        let last = rest.iter().all(|b| *b == b'/');
        let node = match self.lookup(name) {
            Ok(node) => node,
            Err(Errno::ENOENT) if last => {
                self.missing = true;
                return Ok(Step::Missing(name.into()));
            }
            Err(e) => return Err(e),
        };
        let dir = self.at;
        let here = Pos {
            mount: dir.mount,
            node,
        };
        let top = self.fs.cover(here);
        // What is mounted here hides a link, as it hides everything.
        if top == here && self.is_link(node)? {
            let stay = last && rest.is_empty() && self.flags.contains(WalkFlags::NOFOLLOW);
            if !stay {
                return self.follow(node, rest).map(|()| Step::On);
            }
        }
        if top.mount != dir.mount {
            self.may_cross()?;
        }
        self.at = top;
        self.found = Some((dir, range));
        Ok(Step::On)
    }

    fn lookup(&self, name: &[u8]) -> Result<Node, Errno> {
        match self.at.node {
            Node::Inode(id) => {
                let found = self.fs.inode(id)?.dir()?.get(name);
                found.map(Node::Inode).ok_or(Errno::ENOENT)
            }
            Node::View(view) => self.views.lookup(view, name).map(Node::View),
        }
    }

    fn is_link(&self, node: Node) -> Result<bool, Errno> {
        Ok(match node {
            Node::Inode(id) => matches!(self.fs.inode(id)?.kind, Kind::Symlink(_)),
            Node::View(view) => self.views.mode(view)?.0 & linux::S_IFMT == linux::S_IFLNK,
        })
    }

    /// Goes on with a link's target, then with `rest`.
    fn follow(&mut self, node: Node, rest: &[u8]) -> Result<(), Errno> {
        let forbidden = MountFlags::NOSYMFOLLOW;
        self.links += 1;
        if self.links > LINK_MAX
            || self.flags.contains(WalkFlags::NO_SYMLINKS)
            || self.fs.mount(self.at.mount)?.flags.contains(forbidden)
        {
            return Err(Errno::ELOOP);
        }
        let mut text: Vec<u8> = match node {
            Node::Inode(id) => match &self.fs.inode(id)?.kind {
                Kind::Symlink(target) => target.clone(),
                _ => return Err(Errno::EINVAL),
            },
            Node::View(view) => match self.views.link(view)? {
                Link::Text(text) => text,
                Link::Jump(pos) => {
                    self.jump(pos)?;
                    Vec::new()
                }
            },
        };
        self.targets = self.targets.saturating_add(text.len());
        if self.targets > TARGETS_MAX {
            return Err(Errno::ELOOP);
        }
        if text.first() == Some(&b'/') {
            if self.flags.contains(WalkFlags::BENEATH) {
                return Err(Errno::EXDEV);
            }
            if self.at.mount != self.start.root.mount {
                self.may_cross()?;
            }
            self.at = self.start.root;
            self.found = None;
        } else if text.is_empty() && matches!(node, Node::Inode(_)) {
            return Err(Errno::ENOENT);
        }
        // The path must not become empty: that would mean "nothing was followed".
        if text.is_empty() && rest.is_empty() {
            text.push(b'/');
            self.next = 1;
            self.ended_with_slash = false;
        } else {
            self.next = 0;
            text.extend_from_slice(rest);
        }
        self.path = Cow::Owned(text);
        Ok(())
    }

    /// Goes where a magic link leads.
    fn jump(&mut self, to: Pos) -> Result<(), Errno> {
        if self.flags.contains(WalkFlags::NO_MAGICLINKS) {
            return Err(Errno::ELOOP);
        }
        if to.mount != self.at.mount {
            self.may_cross()?;
        }
        if self
            .flags
            .intersects(WalkFlags::BENEATH | WalkFlags::IN_ROOT)
        {
            return Err(Errno::EXDEV);
        }
        self.at = to;
        self.found = None;
        Ok(())
    }

    /// Another mount comes: it may be forbidden.
    fn may_cross(&self) -> Result<(), Errno> {
        if self.flags.contains(WalkFlags::NO_XDEV) {
            return Err(Errno::EXDEV);
        }
        Ok(())
    }

    /// `..`: never above the task's root; out of a mount at its root; ENOENT when the directory
    /// was moved to where its mount does not reach.
    fn up(&mut self) -> Result<(), Errno> {
        let mut at = self.at;
        loop {
            if at == self.start.root {
                if self.flags.contains(WalkFlags::BENEATH) {
                    return Err(Errno::EXDEV);
                }
                break;
            }
            let mount = self.fs.mount(at.mount)?;
            if at.node != mount.root.node() {
                at.node = self.parent(at, mount.root.node())?;
                break;
            }
            match &mount.parent {
                Some(parent) => at = parent.pos(),
                None => break,
            }
        }
        // At the root nothing is crossed: what is mounted on it is not seen from inside.
        let top = if at == self.start.root {
            at
        } else {
            self.fs.cover(at)
        };
        if top.mount != self.at.mount {
            self.may_cross()?;
        }
        self.at = top;
        Ok(())
    }

    fn parent(&self, at: Pos, mount_root: Node) -> Result<Node, Errno> {
        match (at.node, mount_root) {
            (Node::Inode(id), Node::Inode(root)) => {
                let parent = self.fs.inode(id)?.dir()?.parent;
                let whole = self.fs.super_of(at.mount)?.root() == mount_root;
                if self.fs.inodes.get(parent).is_none()
                    || !(whole || is_below(self.fs, parent, root))
                {
                    return Err(Errno::ENOENT);
                }
                Ok(Node::Inode(parent))
            }
            (Node::View(view), _) => {
                let parent = self.views.parent(view).ok_or(Errno::ENOENT)?;
                Ok(Node::View(parent))
            }
            _ => Err(Errno::ENOENT),
        }
    }

    fn end_or_missing(&mut self) -> Result<Found, Errno> {
        if self.missing {
            return Err(Errno::ENOENT);
        }
        self.end()
    }

    fn end(&mut self) -> Result<Found, Errno> {
        if self.flags.contains(WalkFlags::TOP) {
            self.at = self.fs.cover(self.at);
        }
        let dir = self.fs.is_dir(self.views, self.at.node)?;
        if !dir && (self.ended_with_slash || self.flags.contains(WalkFlags::DIRECTORY)) {
            return Err(Errno::ENOTDIR);
        }
        let name = match self.found.take() {
            Some((parent, range)) if !dir => {
                Some((parent, self.path.get(range).unwrap_or(&[]).into()))
            }
            _ => None,
        };
        Ok(Found::Here(Location { pos: self.at, name }))
    }
}
