//! What the file layer asks of views: answered above, so that it knows nothing of tasks.

use super::{Pos, ViewNode};
use crate::error::Errno;
use alloc::vec::Vec;

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
    /// The name of a node in the directory above it; `None` at a root.
    fn name(&self, _node: ViewNode) -> Option<Vec<u8>> {
        None
    }
    /// The inode number that stat tells.
    fn ino(&self, node: ViewNode) -> u64 {
        let mixed = node.object.wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ u64::from(node.part).wrapping_mul(0xff51_afd7_ed55_8ccd)
            ^ (u64::from(node.kind) << 48);
        mixed | 1
    }
}

/// No views: for trees that have none, and tests.
pub struct NoViews;

impl Views for NoViews {
    fn lookup(&self, _: ViewNode, _: &[u8]) -> Result<ViewNode, Errno> {
        Err(Errno::ENOENT)
    }
    fn parent(&self, _: ViewNode) -> Option<ViewNode> {
        None
    }
    fn mode(&self, _: ViewNode) -> Result<(u32, u32, u32), Errno> {
        Err(Errno::ENOENT)
    }
    fn link(&self, _: ViewNode) -> Result<Link, Errno> {
        Err(Errno::ENOENT)
    }
}
