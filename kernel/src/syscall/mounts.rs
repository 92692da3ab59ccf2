//! Mounts (mount(2), umount2(2), pivot_root(2)).

use super::Line;
use super::place::{FDCWD, access, act, caller, find, path, require};
use crate::arena::Held;
use crate::error::{Call, Errno, Stop};
use crate::fs::mount::{self, MountFlags};
use crate::fs::open::{FileKind, OpenFile};
use crate::fs::pivot;
use crate::fs::superblock::{self, TmpfsOptions};
use crate::fs::walk::WalkFlags;
use crate::fs::{Actor, MountId, Pos, Store, Time, devpts};
use crate::mm::user;
use crate::task::files;
use crate::views::cgroupfs;
use crate::{Cx, Kernel, ns, views};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

pub(super) const CALLS: &[Line] = &[
    (linux::__NR_mount, "mount", mount_call),
    (linux::__NR_umount2, "umount2", umount2),
    (linux::__NR_pivot_root, "pivot_root", pivot_root),
];

/// What a mount can forbid.
const PER_MOUNT: u32 = MountFlags::all().bits();
/// Flags that mean nothing to files in memory, and which nobody can tell from ignored ones.
const WITHOUT_MEANING: u32 =
    linux::MS_SILENT | linux::MS_SYNCHRONOUS | linux::MS_DIRSYNC | linux::MS_LAZYTIME;
const PROPAGATION: u32 =
    linux::MS_PRIVATE | linux::MS_SLAVE | linux::MS_SHARED | linux::MS_UNBINDABLE;
/// The magic number that old programs put into the upper half (mount(2)).
const MAGIC: u32 = 0xc0ed_0000;

fn mount_call(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let mut flags = a[3] as u32;
    if flags & 0xffff_0000 == MAGIC {
        flags &= 0xffff;
    }
    let source = match a[0] {
        0 => Vec::new(),
        addr => path(k, cx, addr)?,
    };
    let target = path(k, cx, a[1])?;
    let at = find(k, cx, FDCWD, &target, WalkFlags::empty())?.pos;
    require(k, cx, linux::CAP_SYS_ADMIN)?;
    let both = linux::MS_REMOUNT | linux::MS_BIND;
    if flags & both == both {
        remount(k, cx, at, flags & !both, None)
    } else if flags & linux::MS_REMOUNT != 0 {
        let data = data(k, cx, a[4])?;
        remount(k, cx, at, flags & !linux::MS_REMOUNT, Some(&data))
    } else if flags & linux::MS_BIND != 0 {
        bind(k, cx, &source, at, flags & !linux::MS_BIND)
    } else if flags & PROPAGATION != 0 {
        propagation(k, at, flags)
    } else if flags & linux::MS_MOVE != 0 {
        relocate(k, cx, &source, at, flags & !linux::MS_MOVE)
    } else {
        mount_new(k, cx, a, &source, at, flags)
    }
}

/// The flags of a new or remounted mount. Access times are relative unless said otherwise.
fn mount_flags(flags: u32) -> Result<MountFlags, Errno> {
    let known = PER_MOUNT | WITHOUT_MEANING | linux::MS_STRICTATIME;
    if flags & !known != 0 {
        return Err(Errno::EINVAL);
    }
    let mut mount = MountFlags::from_bits_truncate(flags);
    if flags & (linux::MS_STRICTATIME | linux::MS_NOATIME) == 0 {
        mount |= MountFlags::RELATIME;
    }
    if flags & (linux::MS_STRICTATIME | linux::MS_NOATIME) != 0 {
        mount -= MountFlags::RELATIME;
    }
    Ok(mount)
}

/// Options of the file system.
fn data(k: &mut Kernel, cx: &mut Cx, addr: u64) -> Result<Vec<u8>, Stop> {
    match addr {
        0 => Ok(Vec::new()),
        addr => user::c_string(k, cx, addr, 4095, Errno::EINVAL),
    }
}

fn mount_new(
    k: &mut Kernel,
    cx: &mut Cx,
    a: &[u64; 6],
    source: &[u8],
    at: Pos,
    flags: u32,
) -> Call {
    let flags = mount_flags(flags)?;
    if a[2] == 0 {
        return Err(Errno::EINVAL.into());
    }
    let kind = user::c_string(k, cx, a[2], 255, Errno::EINVAL)?;
    let data = data(k, cx, a[4])?;
    own_tree(k, cx, at.mount)?;
    let memory = k.frames.total() as u64;
    let proc_root = views::proc_root(k, cx.task)?;
    if kind == b"cgroup2" {
        return mount_groups(k, cx, &data, (at, flags, source));
    }
    if kind == b"mqueue" && data.is_empty() {
        return mount_queues(k, cx, at, flags, source);
    }
    let (mut st, actor) = act(k, cx)?;
    let sb = match kind.as_slice() {
        b"tmpfs" | b"ramfs" => {
            let options = TmpfsOptions::parse(&data, memory)?;
            superblock::tmpfs(&mut st, &actor, options)?
        }
        b"devpts" => devpts::create(&mut st, &actor, devpts::Options::parse(&data)?)?,
        b"proc" if data.is_empty() => superblock::view(&mut st, &actor, proc_root)?,
        b"sysfs" if data.is_empty() => superblock::view(&mut st, &actor, views::sys_root())?,
        b"proc" | b"sysfs" | b"mqueue" => return Err(Errno::EINVAL.into()),
        _ => return Err(Errno::ENODEV.into()),
    };
    let new = mount::whole(&mut st, &actor, sb, flags, source)?;
    put(k, cx, new, at)
}

/// Mounts the tree of control groups, from the caller's place in it on.
fn mount_groups(
    k: &mut Kernel,
    cx: &Cx,
    data: &[u8],
    (at, flags, source): (Pos, MountFlags, &[u8]),
) -> Call {
    let cred = caller(k, cx)?.cred.clone();
    let actor = Actor {
        access: access(&cred),
        group: caller(k, cx)?.group.key(),
        now: Time::now(cx.m),
    };
    let top = crate::ns::cgroup::root_for(k, cx.task);
    let sb = cgroupfs::mount(k, &actor, top, data)?;
    let new = mount::whole(&mut Store::of(k), &actor, sb, flags, source)?;
    put(k, cx, new, at)
}

/// Mounts the message queues of the caller's ipc namespace.
fn mount_queues(k: &mut Kernel, cx: &Cx, at: Pos, flags: MountFlags, source: &[u8]) -> Call {
    let ns = ns::ipc::of_task(k, cx.task).ok_or(Errno::ESRCH)?;
    let sb = ns::ipc::queue_instance(k, ns)?;
    let (mut st, actor) = act(k, cx)?;
    let new = mount::whole(&mut st, &actor, sb, flags, source)?;
    put(k, cx, new, at)
}

/// Attaches a new mount, or takes it apart again.
fn put(k: &mut Kernel, cx: &Cx, new: Held<MountId>, at: Pos) -> Call {
    let views = views::Source::by(k, cx.task);
    let placed = k.fs.root_of(new.key()).and_then(|root| {
        let count = k.fs.subtree(new.key()).len() as u32;
        mount::place(&k.fs, &views, root.node, at, count)
    });
    let mut st = Store::of(k);
    match placed {
        Ok(place) => {
            mount::attach(&mut st, new, place);
            Ok(0)
        }
        Err(e) => {
            st.release_tree(new);
            Err(e.into())
        }
    }
}

/// The mount belongs to the caller's mount namespace.
///
/// # Errors
/// EINVAL.
fn own_tree(k: &Kernel, cx: &Cx, mount: MountId) -> Result<(), Errno> {
    let root = own_root(k, cx)?;
    if k.fs.mount(mount)?.tree == k.fs.mount(root)?.tree {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}

/// The root of the caller's mount namespace.
fn own_root(k: &Kernel, cx: &Cx) -> Result<MountId, Errno> {
    let ns = caller(k, cx)?.ns.as_ref().ok_or(Errno::ESRCH)?;
    let ns = k.ns.mount.get(ns.mount.key()).ok_or(Errno::EINVAL)?;
    Ok(ns.root.key())
}

/// The root of a mount, or EINVAL for a position that is none.
fn mount_root(k: &Kernel, at: Pos) -> Result<MountId, Errno> {
    if k.fs.root_of(at.mount)? == at {
        Ok(at.mount)
    } else {
        Err(Errno::EINVAL)
    }
}

fn bind(k: &mut Kernel, cx: &mut Cx, source: &[u8], at: Pos, flags: u32) -> Call {
    // What else the flags say is ignored by a bind (mount(2)).
    let recursive = flags & linux::MS_REC != 0;
    let from = find(k, cx, FDCWD, source, WalkFlags::empty())?.pos;
    own_tree(k, cx, at.mount)?;
    own_tree(k, cx, from.mount)?;
    let below = match recursive {
        true => mount::below(&k.fs, &views::Source::by(k, cx.task), from)?,
        false => Vec::new(),
    };
    let (mut st, actor) = act(k, cx)?;
    let new = mount::bind(&mut st, &actor, from, &below)?;
    put(k, cx, new, at)
}

/// Changes a mount's flags; and with `data`, what its instance allows.
fn remount(k: &mut Kernel, cx: &mut Cx, at: Pos, flags: u32, data: Option<&[u8]>) -> Call {
    let flags = flags & !linux::MS_REC;
    let asked = flags & (linux::MS_STRICTATIME | linux::MS_NOATIME | linux::MS_RELATIME);
    let mut new = mount_flags(flags)?;
    let id = mount_root(k, at)?;
    own_tree(k, cx, id)?;
    let times = MountFlags::NOATIME | MountFlags::RELATIME | MountFlags::NODIRATIME;
    let old = k.fs.mount(id)?.flags;
    if asked == 0 && !flags & linux::MS_NODIRATIME != 0 {
        new = (new - times) | (old & times);
    }
    let memory = k.frames.total() as u64;
    if new.contains(MountFlags::RDONLY) && has_writers(k, id, data.is_some())? {
        return Err(Errno::EBUSY.into());
    }
    if let Some(data) = data {
        let sb = k.fs.mount(id)?.sb.key();
        let sb = k.fs.supers.get_mut(sb).ok_or(Errno::EINVAL)?;
        sb.reconfigure(data, memory)?;
        sb.readonly = new.contains(MountFlags::RDONLY);
    }
    if let Some(mount) = k.fs.mounts.get_mut(id) {
        mount.flags = new;
    }
    Ok(0)
}

/// Whether somebody has a file of a mount open for writing; with `all`, of any mount of the same
/// file system.
fn has_writers(k: &Kernel, id: MountId, all: bool) -> Result<bool, Errno> {
    let sb = k.fs.mount(id)?.sb.key();
    let concerns = |mount: MountId| match k.fs.mount(mount) {
        Ok(other) if all => other.sb.key() == sb,
        _ => mount == id,
    };
    let mut regular = k.fs.files.iter().map(|(_, file)| file);
    let writes = |file: &OpenFile| matches!(file.kind, FileKind::Regular(_)) && file.writes();
    Ok(regular.any(|file| writes(file) && concerns(file.at.pos().mount)))
}

/// Every mount is private: what asks for that is right already, the rest is not supported.
fn propagation(k: &Kernel, at: Pos, flags: u32) -> Call {
    let kind = flags & !(linux::MS_REC | linux::MS_SILENT);
    if kind.count_ones() != 1 {
        return Err(Errno::EINVAL.into());
    }
    mount_root(k, at)?;
    match kind {
        // Slaves of nobody are private, and nothing here has a master.
        linux::MS_PRIVATE | linux::MS_SLAVE => Ok(0),
        _ => Err(Errno::EINVAL.into()),
    }
}

fn relocate(k: &mut Kernel, cx: &mut Cx, source: &[u8], at: Pos, flags: u32) -> Call {
    if flags & !(linux::MS_REC | linux::MS_SILENT) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let from = find(k, cx, FDCWD, source, WalkFlags::empty())?.pos;
    let id = mount_root(k, from)?;
    own_tree(k, cx, id)?;
    own_tree(k, cx, at.mount)?;
    let to = pivot::plan_move(&k.fs, &views::Source::by(k, cx.task), id, at)?;
    pivot::move_mount(&mut Store::of(k), id, to);
    Ok(0)
}

fn umount2(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let flags = a[1] as u32;
    let known = linux::MNT_FORCE | linux::MNT_DETACH | linux::MNT_EXPIRE | linux::UMOUNT_NOFOLLOW;
    // Expiring marks are not kept, so MNT_EXPIRE cannot be answered truthfully.
    if flags & !known != 0 || flags & linux::MNT_EXPIRE != 0 {
        return Err(Errno::EINVAL.into());
    }
    require(k, cx, linux::CAP_SYS_ADMIN)?;
    let path = path(k, cx, a[0])?;
    let mut how = WalkFlags::TOP;
    how.set(WalkFlags::NOFOLLOW, flags & linux::UMOUNT_NOFOLLOW != 0);
    let at = find(k, cx, FDCWD, &path, how)?.pos;
    let id = mount_root(k, at)?;
    own_tree(k, cx, id)?;
    let lazily = flags & linux::MNT_DETACH != 0;
    mount::umount(&mut Store::of(k), id, lazily)?;
    Ok(0)
}

fn pivot_root(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    require(k, cx, linux::CAP_SYS_ADMIN)?;
    let (new, old) = (path(k, cx, a[0])?, path(k, cx, a[1])?);
    let new = find(k, cx, FDCWD, &new, WalkFlags::DIRECTORY)?.pos;
    let old = find(k, cx, FDCWD, &old, WalkFlags::DIRECTORY)?.pos;
    let root = files::context(k, cx.task)?.root.pos();
    let ns = caller(k, cx)?.ns.as_ref().ok_or(Errno::ESRCH)?.mount.key();
    let views = views::Source::by(k, cx.task);
    let pivot = pivot::plan(&k.fs, &views, own_root(k, cx)?, root, new, old)?;
    let namespace = k.ns.mount.get_mut(ns).ok_or(Errno::EINVAL)?;
    let mut st = Store {
        fs: &mut k.fs,
        frames: &mut k.frames,
        groups: &mut k.groups,
        work: &mut k.work,
        waits: &mut k.waits,
    };
    pivot::commit(&mut st, &mut namespace.root, pivot);
    move_contexts(k, root, new)?;
    Ok(0)
}

/// Whoever had its root or working directory at the old root has it at the new one now, as
/// pivot_root(2) does for every process.
fn move_contexts(k: &mut Kernel, old: Pos, new: Pos) -> Result<(), Errno> {
    let moved: Vec<_> = k
        .tasks
        .contexts
        .iter()
        .map(|(id, c)| (id, c.root.pos() == old, c.cwd.pos() == old))
        .filter(|(_, root, cwd)| *root || *cwd)
        .collect();
    for (id, root, cwd) in moved {
        files::set_place(k, id, root.then_some(new), cwd.then_some(new))?;
    }
    Ok(())
}
