//! Extended attributes (setxattr(2), getxattr(2), listxattr(2), removexattr(2)).

use super::Line;
use super::place::{FDCWD, access, act, caller, find, path};
use super::stat::of_descriptor;
use crate::error::{Call, Errno, Stop};
use crate::fs::superblock::SuperKind;
use crate::fs::walk::WalkFlags;
use crate::fs::xattr::{self, How, NAME_MAX, VALUE_MAX};
use crate::fs::{InodeId, Node, Pos};
use crate::mm::user;
use crate::{Cx, Kernel};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

pub(super) const CALLS: &[Line] = &[
    (linux::__NR_setxattr, "setxattr", setxattr),
    (linux::__NR_lsetxattr, "lsetxattr", lsetxattr),
    (linux::__NR_fsetxattr, "fsetxattr", fsetxattr),
    (linux::__NR_getxattr, "getxattr", getxattr),
    (linux::__NR_lgetxattr, "lgetxattr", lgetxattr),
    (linux::__NR_fgetxattr, "fgetxattr", fgetxattr),
    (linux::__NR_listxattr, "listxattr", listxattr),
    (linux::__NR_llistxattr, "llistxattr", llistxattr),
    (linux::__NR_flistxattr, "flistxattr", flistxattr),
    (linux::__NR_removexattr, "removexattr", removexattr),
    (linux::__NR_lremovexattr, "lremovexattr", lremovexattr),
    (linux::__NR_fremovexattr, "fremovexattr", fremovexattr),
];

/// How the first argument names the file.
#[derive(Clone, Copy)]
enum By {
    Path,
    Link,
    Descriptor,
}

fn setxattr(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    set(k, cx, By::Path, a)
}

fn lsetxattr(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    set(k, cx, By::Link, a)
}

fn fsetxattr(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    set(k, cx, By::Descriptor, a)
}

fn getxattr(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    get(k, cx, By::Path, a)
}

fn lgetxattr(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    get(k, cx, By::Link, a)
}

fn fgetxattr(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    get(k, cx, By::Descriptor, a)
}

fn listxattr(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    list(k, cx, By::Path, a)
}

fn llistxattr(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    list(k, cx, By::Link, a)
}

fn flistxattr(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    list(k, cx, By::Descriptor, a)
}

fn removexattr(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    remove(k, cx, By::Path, a)
}

fn lremovexattr(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    remove(k, cx, By::Link, a)
}

fn fremovexattr(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    remove(k, cx, By::Descriptor, a)
}

fn place(k: &mut Kernel, cx: &mut Cx, by: By, arg: u64) -> Result<Pos, Stop> {
    let how = match by {
        By::Descriptor => return of_descriptor(k, cx, arg),
        By::Path => WalkFlags::empty(),
        By::Link => WalkFlags::NOFOLLOW,
    };
    let path = path(k, cx, arg)?;
    Ok(find(k, cx, FDCWD, &path, how)?.pos)
}

/// The inode of a file that can have attributes: views and pipes have none.
fn holder(k: &Kernel, pos: Pos) -> Option<InodeId> {
    match pos.node {
        Node::Inode(id) if k.fs.super_of(pos.mount).ok()?.kind == SuperKind::Tmpfs => Some(id),
        _ => None,
    }
}

fn name(k: &mut Kernel, cx: &mut Cx, addr: u64) -> Result<Vec<u8>, Stop> {
    let name = user::c_string(k, cx, addr, NAME_MAX, Errno::ERANGE)?;
    if name.is_empty() {
        return Err(Errno::ERANGE.into());
    }
    Ok(name)
}

fn set(k: &mut Kernel, cx: &mut Cx, by: By, a: &[u64; 6]) -> Call {
    let flags = a[4] as u32;
    if flags & !(linux::XATTR_CREATE | linux::XATTR_REPLACE) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let how = How {
        create: flags & linux::XATTR_CREATE != 0,
        replace: flags & linux::XATTR_REPLACE != 0,
    };
    let name = name(k, cx, a[1])?;
    let len = usize::try_from(a[3]).unwrap_or(usize::MAX);
    if len > VALUE_MAX {
        return Err(Errno::E2BIG.into());
    }
    k.room_in_heap(cx.m, len)?;
    let mut value = Vec::new();
    value.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
    value.resize(len, 0);
    user::copy_in(k, cx, a[2], &mut value)?;
    let pos = place(k, cx, by, a[0])?;
    k.fs.writable(pos.mount)?;
    let id = holder(k, pos).ok_or(Errno::EOPNOTSUPP)?;
    let (mut st, actor) = act(k, cx)?;
    xattr::set(&mut st, &actor, id, name, value, how)?;
    Ok(0)
}

fn remove(k: &mut Kernel, cx: &mut Cx, by: By, a: &[u64; 6]) -> Call {
    let name = name(k, cx, a[1])?;
    let pos = place(k, cx, by, a[0])?;
    k.fs.writable(pos.mount)?;
    let id = holder(k, pos).ok_or(Errno::EOPNOTSUPP)?;
    let (mut st, actor) = act(k, cx)?;
    xattr::remove(&mut st, &actor, id, &name)?;
    Ok(0)
}

fn get(k: &mut Kernel, cx: &mut Cx, by: By, a: &[u64; 6]) -> Call {
    let name = name(k, cx, a[1])?;
    let pos = place(k, cx, by, a[0])?;
    let id = holder(k, pos).ok_or(Errno::EOPNOTSUPP)?;
    let who = access(&caller(k, cx)?.cred);
    let len = xattr::get(k.fs.inode(id)?, &who, &name)?.len();
    if a[3] == 0 {
        return Ok(len as u64);
    }
    if (len as u64) > a[3] {
        return Err(Errno::ERANGE.into());
    }
    k.room_in_heap(cx.m, len)?;
    let mut value = Vec::new();
    value.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
    let who = access(&caller(k, cx)?.cred);
    value.extend_from_slice(xattr::get(k.fs.inode(id)?, &who, &name)?);
    user::copy_out(k, cx, a[2], &value, len as u64)
}

fn list(k: &mut Kernel, cx: &mut Cx, by: By, a: &[u64; 6]) -> Call {
    let pos = place(k, cx, by, a[0])?;
    let Some(id) = holder(k, pos) else {
        return Ok(0);
    };
    let who = access(&caller(k, cx)?.cred);
    let names = xattr::list(k.fs.inode(id)?, &who);
    let len = names.len() as u64;
    if a[2] == 0 {
        return Ok(len);
    }
    if len > a[2] {
        return Err(Errno::ERANGE.into());
    }
    user::copy_out(k, cx, a[1], &names, len)
}
