//! Descriptors 0, 1 and 2 of the processes that the kernel starts for containers.

use crate::Kernel;
use crate::arena::Held;
use crate::cgroup::GroupId;
use crate::error::{Errno, Stop};
use crate::fs::inode::{self, What};
use crate::fs::{
    self, Access, Actor, FileId, InodeId, Location, MountId, Node, Pos, Store, Time, open,
};
use crate::machine::{Machine, PAGE};
use crate::task::{FilesId, TaskId, files};
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
    let table = files::new(k, group)?;
    for fd in 0..3 {
        let Ok(file) = files::any_file(k, caller, fd) else {
            continue;
        };
        if let Some(held) = k.fs.files.hold(file) {
            files::set(k, &table, fd as usize, held);
        }
    }
    Ok(table)
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
    let table = files::new(k, group)?;
    match fill(k, m, mount, input, group, &table) {
        Ok(output) => Ok((table, output)),
        Err(stop) => {
            files::release(k, table);
            Err(stop)
        }
    }
}

fn fill(
    k: &mut Kernel,
    m: &mut dyn Machine,
    mount: MountId,
    input: &[u8],
    group: GroupId,
    table: &Held<FilesId>,
) -> Result<Held<InodeId>, Stop> {
    let text = nameless(k, m, mount, group)?;
    let written = write(k, m, text.key(), input, group);
    let opened = written.and_then(|()| open_nameless(k, mount, text.key(), group, linux::O_RDONLY));
    Store::of(k).release_inode(text);
    files::set(k, table, 0, opened?);
    let output = nameless(k, m, mount, group)?;
    match open_nameless(
        k,
        mount,
        output.key(),
        group,
        linux::O_WRONLY | linux::O_APPEND,
    ) {
        Ok(file) => {
            let second = k.fs.files.share(&file);
            files::set(k, table, 1, file);
            files::set(k, table, 2, second);
            Ok(output)
        }
        Err(stop) => {
            Store::of(k).release_inode(output);
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
