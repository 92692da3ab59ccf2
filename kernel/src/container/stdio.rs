//! Descriptors 0, 1 and 2 of the processes that the kernel starts for containers.

use crate::arena::Held;
use crate::cgroup::GroupId;
use crate::error::{Errno, Stop};
use crate::fs::inode::{self, What};
use crate::fs::{
    self, Access, Actor, FileId, InodeId, Location, MountId, Node, Pos, Store, Time, open,
};
use crate::machine::{Machine, PAGE};
use crate::task::{FilesId, TaskId, files};
use crate::{Kernel, io};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// A table with the caller's descriptors 0 to 2, where it has them (runc: the stdio of create
/// becomes the container's), and no other.
///
/// # Errors
/// No memory.
pub(super) fn of_caller(
    k: &mut Kernel,
    caller: TaskId,
    group: GroupId,
) -> Result<Held<FilesId>, Stop> {
    let held = |fd| {
        let file = files::any_file(k, caller, fd).ok()?;
        k.fs.files.hold(file)
    };
    let files = (0..3).map(held).collect();
    Ok(files::of_files(k, group, files)?)
}

/// A table for a hook: `input` is on its standard input; its output goes to a file without a
/// name, whose inode comes back too.
///
/// # Errors
/// No memory.
pub(super) fn of_hook(
    k: &mut Kernel,
    m: &mut dyn Machine,
    mount: MountId,
    input: &[u8],
    group: GroupId,
) -> Result<(Held<FilesId>, Held<InodeId>), Stop> {
    let stdin = text(k, m, mount, input, group)?;
    let (output, stdout) = match sink(k, m, mount, group) {
        Ok(parts) => parts,
        Err(stop) => {
            io::release(k, stdin);
            return Err(stop);
        }
    };
    let stderr = k.fs.files.share(&stdout);
    let files = alloc::vec![Some(stdin), Some(stdout), Some(stderr)];
    match files::of_files(k, group, files) {
        Ok(table) => Ok((table, output)),
        Err(no_mem) => {
            Store::of(k).release_inode(output);
            Err(no_mem.into())
        }
    }
}

/// An open file with this content.
fn text(
    k: &mut Kernel,
    m: &mut dyn Machine,
    mount: MountId,
    content: &[u8],
    group: GroupId,
) -> Result<Held<FileId>, Stop> {
    let inode = nameless(k, m, mount, group)?;
    let file = write(k, m, inode.key(), content, group)
        .and_then(|()| open_nameless(k, mount, inode.key(), group, linux::O_RDONLY));
    Store::of(k).release_inode(inode);
    file
}

/// An empty file, and it opened to append to.
fn sink(
    k: &mut Kernel,
    m: &mut dyn Machine,
    mount: MountId,
    group: GroupId,
) -> Result<(Held<InodeId>, Held<FileId>), Stop> {
    let inode = nameless(k, m, mount, group)?;
    let flags = linux::O_WRONLY | linux::O_APPEND;
    match open_nameless(k, mount, inode.key(), group, flags) {
        Ok(file) => Ok((inode, file)),
        Err(stop) => {
            Store::of(k).release_inode(inode);
            Err(stop)
        }
    }
}

/// A regular file that no directory knows.
fn nameless(
    k: &mut Kernel,
    m: &dyn Machine,
    mount: MountId,
    group: GroupId,
) -> Result<Held<InodeId>, Stop> {
    let actor = Actor {
        access: Access::KERNEL,
        group,
        now: Time::now(m),
    };
    let sb = k.fs.mount(mount)?.sb.key();
    inode::create(&mut Store::of(k), &actor, sb, What::Regular, 0o600, None)
}

fn open_nameless(
    k: &mut Kernel,
    mount: MountId,
    inode: InodeId,
    group: GroupId,
    flags: u32,
) -> Result<Held<FileId>, Stop> {
    let location = Location {
        pos: Pos {
            mount,
            node: Node::Inode(inode),
        },
        name: None,
    };
    open::open(&mut Store::of(k), group, location, flags)
}

fn write(
    k: &mut Kernel,
    m: &mut dyn Machine,
    inode: InodeId,
    bytes: &[u8],
    group: GroupId,
) -> Result<(), Stop> {
    fs::pages::truncate(&mut Store::of(k), m, inode, bytes.len() as u64)?;
    for (index, part) in bytes.chunks(PAGE as usize).enumerate() {
        let frame = fs::page(k, m, inode, index as u64, true, group)?.ok_or(Errno::EIO)?;
        m.write_frame(frame, 0, part);
    }
    Ok(())
}

/// The first bytes of a file, `most` at the most and no more than a page.
pub(super) fn head(k: &mut Kernel, m: &mut dyn Machine, inode: InodeId, most: usize) -> Vec<u8> {
    let mut out = alloc::vec![0; most.min(PAGE as usize)];
    let len = fs::pages::read(&k.fs, m, inode, 0, &mut out).unwrap_or(0);
    out.truncate(len);
    out
}
