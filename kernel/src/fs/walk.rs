//! From a path to a position (path_resolution(7)).

use super::{Location, Pos, ViewNode};
use crate::error::Errno;
use alloc::vec::Vec;

bitflags::bitflags! {
    /// How to walk.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct WalkFlags: u32 {
        /// Do not follow a symbolic link in the last component (AT_SYMLINK_NOFOLLOW).
        const NOFOLLOW = 1;
        /// The last component must be a directory.
        const DIRECTORY = 2;
        /// Never leave the starting root, treat absolute links as relative to it, follow no magic
        /// links: for the runtime's walks in a root file system (openat2 RESOLVE_IN_ROOT |
        /// RESOLVE_NO_MAGICLINKS).
        const IN_ROOT = 4;
        /// Follow no symbolic link at all (RESOLVE_NO_SYMLINKS).
        const NO_SYMLINKS = 8;
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

/// What a view answers about one of its links.
pub enum Link {
    /// A path to go on with.
    Text(Vec<u8>),
    /// A place to jump to at once: a magic link (proc(5)).
    Jump(Pos),
}

/// What the walk asks of views; implemented above (`views`), so that fs knows nothing of tasks.
pub trait Views {
    /// The node called `name` in a directory of a view.
    fn lookup(&self, dir: ViewNode, name: &[u8]) -> Result<ViewNode, Errno>;
    /// Where `..` leads from a directory of a view; `None` at its root.
    fn parent(&self, dir: ViewNode) -> Option<ViewNode>;
    /// Type and permissions: mode (with S_IFMT), uid, gid.
    fn mode(&self, node: ViewNode) -> Result<(u32, u32, u32), Errno>;
    /// The target of a symbolic link.
    fn link(&self, node: ViewNode) -> Result<Link, Errno>;
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
