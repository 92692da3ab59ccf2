//! The devices and links that every container has (D-2).

use super::create::Work;
use super::steps::{Did, Undo, make, make_dirs};
use super::{ContainerId, Trouble};
use crate::error::Errno;
use crate::fs::inode::{Device, Kind, What};
use crate::fs::walk::{Found, Start, WalkFlags, walk};
use crate::fs::{Access, Node, Pos};
use crate::views::Source;
use crate::{Cx, Kernel};
use alloc::format;

/// Makes the default device nodes in /dev, with mode 0666. A node that is there already must be
/// the same device; anything else in its place is an error.
pub(super) fn defaults(
    k: &mut Kernel,
    cx: &mut Cx,
    id: ContainerId,
    work: &mut Work,
) -> Result<Did, Trouble> {
    let from = work.build.made.len();
    let dev = dev(k, cx, id, work)?;
    for &(name, number) in crate::dev::default_nodes() {
        let device = Device {
            char: true,
            major: number.major,
            minor: number.minor,
        };
        let there = existing(k, dev, name.as_bytes())?;
        let Some(there) = there else {
            make(
                k,
                cx,
                id,
                &mut work.build.made,
                dev,
                name.as_bytes(),
                What::Device(device),
                0o666,
            )?;
            continue;
        };
        let same = match there.node {
            Node::Inode(inode) => {
                matches!(&k.fs.inode(inode)?.kind, Kind::Device(found) if *found == device)
            }
            Node::View(_) => false,
        };
        if !same {
            let text = format!(
                "/dev/{name}: the root file system has something else in place of the device"
            );
            return Err(Trouble::refused(Errno::EEXIST, text));
        }
    }
    Ok(Did::Done(Some(Undo::Unmake(from))))
}

/// Makes the links in /dev, where nothing has the name yet.
pub(super) fn symlinks(
    k: &mut Kernel,
    cx: &mut Cx,
    id: ContainerId,
    work: &mut Work,
) -> Result<Did, Trouble> {
    let from = work.build.made.len();
    let dev = dev(k, cx, id, work)?;
    for &(name, target) in crate::dev::default_links() {
        if existing(k, dev, name.as_bytes())?.is_none() {
            let what = What::Symlink(target.as_bytes().to_vec());
            make(
                k,
                cx,
                id,
                &mut work.build.made,
                dev,
                name.as_bytes(),
                what,
                0o777,
            )?;
        }
    }
    Ok(Did::Done(Some(Undo::Unmake(from))))
}

fn dev(k: &mut Kernel, cx: &mut Cx, id: ContainerId, work: &mut Work) -> Result<Pos, Trouble> {
    let root = work.build.root.ok_or(Errno::EINVAL)?;
    make_dirs(k, cx, id, &mut work.build.made, root, b"/dev").map_err(|t| t.named("/dev"))
}

/// What has this name in a directory; a link itself, never its target.
fn existing(k: &Kernel, dir: Pos, name: &[u8]) -> Result<Option<Pos>, Trouble> {
    let start = Start {
        root: dir,
        cwd: dir,
    };
    let flags = WalkFlags::INSIDE | WalkFlags::NOFOLLOW;
    match walk(&k.fs, &Source::of(k), &start, &Access::KERNEL, name, flags)? {
        Found::Here(location) => Ok(Some(location.pos)),
        Found::Missing { .. } => Ok(None),
    }
}
