//! The container's tree of mounts, built from nothing: its root, what is configured, the pivot.

use super::create::{Build, Work};
use super::steps::{Did, Undo, actor, look, make, make_dirs};
use super::{ContainerId, Trouble};
use crate::arena::Held;
use crate::error::Errno;
use crate::fs::inode::What;
use crate::fs::mount::{self, Map, MountFlags};
use crate::fs::superblock::{self, TmpfsOptions};
use crate::fs::walk::{Found, Start, WalkFlags, walk};
use crate::fs::{self, Access, MountId, Pos, Store, devpts, pivot};
use crate::ns::MountNsId;
use crate::views::{self, Source};
use crate::{Cx, Kernel};
use alloc::format;
use alloc::vec::Vec;
use berth_oci::{HookKind, MountFlags as Asked, MountKind, MountOptions, MountStep, OciMount};

/// A new mount namespace that shows the runtime's root, without what is mounted on it: enough for
/// the container's root to be attached and pivoted to. Only `createContainer` hooks, which run
/// there before the pivot, need a copy of the runtime's tree.
///
/// # Errors
/// No memory.
pub(super) fn namespace(
    k: &mut Kernel,
    cx: &mut Cx,
    id: ContainerId,
    root: Pos,
    outside: MountNsId,
) -> Result<Held<MountNsId>, Trouble> {
    let actor = actor(k, cx, id)?;
    let config = &k.containers.get(id).ok_or(Errno::ENOENT)?.config;
    if !config.hooks.of(HookKind::CreateContainer).is_empty() {
        return Ok(crate::ns::mount::copy(k, outside, actor.group)?);
    }
    let mut st = Store::of(k);
    let top = mount::bind(&mut st, &actor, root, &[])?;
    let tree = st.fs.new_tree();
    st.fs.set_tree(top.key(), tree);
    Ok(crate::ns::mount::with_root(k, top, actor.group)?)
}

/// A position of the runtime's tree in the container's copy of it, if that has one.
pub(super) fn copied(k: &Kernel, ns: MountNsId, pos: Pos) -> Option<Pos> {
    let map = &k.ns.mount.get(ns)?.copied;
    let at = fs::path::translate(map, pos);
    (at != pos).then_some(at)
}

/// Makes the root directory a mount in the container's tree: at its own place in a copy of the
/// runtime's tree, else on top of the old root.
pub(super) fn root(
    k: &mut Kernel,
    cx: &mut Cx,
    id: ContainerId,
    work: &mut Work,
) -> Result<Did, Trouble> {
    let source = work.build.root.ok_or(Errno::EINVAL)?;
    let ns = work.build.ns.ok_or(Errno::EINVAL)?;
    let actor = actor(k, cx, id)?;
    let top = old_root(k, ns.mount)?;
    let at = copied(k, ns.mount, source).unwrap_or(top);
    let at = mount::place(&k.fs, &Source::of(k), source.node, at, 1)?;
    let below = mount::below(&k.fs, &Source::of(k), source)?;
    let mut st = Store::of(k);
    let held = mount::bind(&mut st, &actor, source, &below)?;
    let new = held.key();
    mount::attach(&mut st, held, at);
    work.build.root = Some(k.fs.root_of(new)?);
    Ok(Did::Done(Some(Undo::Unmount(new))))
}

/// The root that a container's tree has before the pivot.
pub(super) fn old_root(k: &Kernel, ns: MountNsId) -> Result<Pos, Errno> {
    k.fs.root_of(k.ns.mount.get(ns).ok_or(Errno::EINVAL)?.root.key())
}

/// Makes one configured mount (M-1 to M-5).
pub(super) fn configured(
    k: &mut Kernel,
    cx: &mut Cx,
    id: ContainerId,
    work: &mut Work,
    step: MountStep,
) -> Result<Did, Trouble> {
    let config = &k.containers.get(id).ok_or(Errno::ENOENT)?.config;
    let entry = step.of(config).ok_or(Errno::EINVAL)?.clone();
    let made = work.build.made.len();
    one(k, cx, id, work, &entry, step)
        .map(|mount| Did::Done(Some(Undo::UnmountAndUnmake(mount, made))))
        .map_err(|trouble| trouble.named(&format!("mount={entry}")))
}

fn one(
    k: &mut Kernel,
    cx: &mut Cx,
    id: ContainerId,
    work: &mut Work,
    entry: &OciMount,
    step: MountStep,
) -> Result<MountId, Trouble> {
    let source = match step.kind {
        MountKind::Bind => Some(bind_source(k, work, entry)?),
        _ => None,
    };
    let is_dir = match source {
        Some(source) => k.fs.is_dir(&Source::of(k), source.node)?,
        None => true,
    };
    let destination = entry.destination.as_bytes();
    let at = place(k, cx, id, &mut work.build, destination, is_dir, step.kind)?;
    let held = instance(k, cx, id, work, entry, step, source)?;
    let new = held.key();
    let node = k.fs.root_of(new)?.node;
    match mount::place(&k.fs, &Source::of(k), node, at, 1) {
        Ok(at) => mount::attach(&mut Store::of(k), held, at),
        Err(errno) => {
            Store::of(k).release_tree(held);
            return Err(errno.into());
        }
    }
    Ok(new)
}

/// What is to be mounted, not attached yet.
fn instance(
    k: &mut Kernel,
    cx: &mut Cx,
    id: ContainerId,
    work: &Work,
    entry: &OciMount,
    step: MountStep,
    source: Option<Pos>,
) -> Result<Held<MountId>, Trouble> {
    let actor = actor(k, cx, id)?;
    let flags = translate(step.options.set);
    let name = entry.source.as_bytes();
    if let Some(source) = source {
        let below = match step.options.bind {
            Some(true) => mount::below(&k.fs, &Source::of(k), source)?,
            _ => Vec::new(),
        };
        let mut st = Store::of(k);
        let held = mount::bind(&mut st, &actor, source, &below)?;
        // A bind has the flags of what it shows, changed by its own options.
        if let Some(mount) = st.fs.mounts.get_mut(held.key()) {
            mount.flags = (mount.flags - translate(step.options.clear)) | flags;
        }
        return Ok(held);
    }
    let flags = flags | default_times(step.options.set);
    let sb = match step.kind {
        MountKind::Proc => {
            let pid_ns = work.build.ns.ok_or(Errno::EINVAL)?.pid_for_children;
            superblock::view(&mut Store::of(k), &actor, views::procfs::root_of(pid_ns))?
        }
        MountKind::Sysfs => superblock::view(&mut Store::of(k), &actor, views::procfs::sys_root())?,
        MountKind::Mqueue => {
            if !data(entry).is_empty() {
                return Err(Trouble::refused(Errno::EINVAL, "mqueue takes no options"));
            }
            let ipc = work.build.ns.ok_or(Errno::EINVAL)?.ipc;
            crate::ns::ipc::queue_instance(k, ipc)?
        }
        MountKind::Tmpfs => {
            let data = data(entry);
            let frames = k.frames.total() as u64;
            let options = TmpfsOptions::parse(&data, frames)
                .map_err(|e| Trouble::refused(e, "a tmpfs does not take one of the options"))?;
            superblock::tmpfs(&mut Store::of(k), &actor, options)?
        }
        MountKind::Devpts => {
            let options = devpts::Options::parse(&data(entry))
                .map_err(|e| Trouble::refused(e, "devpts does not take one of the options"))?;
            devpts::create(&mut Store::of(k), &actor, options)?
        }
        _ => return Err(Errno::EOPNOTSUPP.into()),
    };
    Ok(mount::whole(&mut Store::of(k), &actor, sb, flags, name)?)
}

/// M-3: a bind's source, absolute or relative to the bundle, on the runtime's side.
fn bind_source(k: &Kernel, work: &Work, entry: &OciMount) -> Result<Pos, Trouble> {
    let start = Start {
        root: work.runtime.root.pos(),
        cwd: work.runtime.bundle.pos(),
    };
    look(k, start, entry.source.as_bytes(), WalkFlags::empty())
        .map_err(|e| Trouble::refused(e, format!("source: {}", e.text())))
}

/// M-2: where a mount goes, inside the root; made when it is missing. proc and sysfs go on an
/// ordinary directory only: a link there would show them where nobody expects them.
fn place(
    k: &mut Kernel,
    cx: &mut Cx,
    id: ContainerId,
    build: &mut Build,
    path: &[u8],
    is_dir: bool,
    kind: MountKind,
) -> Result<Pos, Trouble> {
    let root = build.root.ok_or(Errno::EINVAL)?;
    if matches!(kind, MountKind::Proc | MountKind::Sysfs) {
        let flags = WalkFlags::INSIDE | WalkFlags::NO_SYMLINKS;
        let start = Start { root, cwd: root };
        let found = walk(&k.fs, &Source::of(k), &start, &Access::KERNEL, path, flags);
        let ordinary = match found {
            Ok(Found::Here(location)) => k.fs.is_dir(&Source::of(k), location.pos.node)?,
            Ok(Found::Missing { .. }) | Err(Errno::ENOENT) => true,
            Err(_) => false,
        };
        if !ordinary {
            return Err(Trouble::refused(
                Errno::ENOTDIR,
                "must be mounted on ordinary directory",
            ));
        }
    }
    if is_dir {
        return make_dirs(k, cx, id, &mut build.made, root, path);
    }
    let above = path.iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1);
    make_dirs(
        k,
        cx,
        id,
        &mut build.made,
        root,
        path.get(..above).unwrap_or(b"/"),
    )?;
    let start = Start { root, cwd: root };
    match walk(
        &k.fs,
        &Source::of(k),
        &start,
        &Access::KERNEL,
        path,
        WalkFlags::INSIDE,
    )? {
        Found::Here(location) => Ok(location.pos),
        Found::Missing { dir, name, .. } => {
            make(k, cx, id, &mut build.made, dir, &name, What::Regular, 0o644)
        }
    }
}

/// Access times of a new mount are relative unless its options say otherwise (mount(2)).
fn default_times(asked: Asked) -> MountFlags {
    if asked.intersects(Asked::NOATIME | Asked::STRICTATIME) {
        MountFlags::empty()
    } else {
        MountFlags::RELATIME
    }
}

fn translate(asked: Asked) -> MountFlags {
    let pairs = [
        (Asked::RDONLY, MountFlags::RDONLY),
        (Asked::NOSUID, MountFlags::NOSUID),
        (Asked::NODEV, MountFlags::NODEV),
        (Asked::NOEXEC, MountFlags::NOEXEC),
        (Asked::NOSYMFOLLOW, MountFlags::NOSYMFOLLOW),
        (Asked::NOATIME, MountFlags::NOATIME),
        (Asked::NODIRATIME, MountFlags::NODIRATIME),
        (Asked::RELATIME, MountFlags::RELATIME),
    ];
    pairs
        .into_iter()
        .filter(|(flag, _)| asked.contains(*flag))
        .fold(MountFlags::empty(), |all, (_, flag)| all | flag)
}

/// M-5: options that are no flags, for the file system, comma joined.
fn data(entry: &OciMount) -> Vec<u8> {
    let mut out = Vec::new();
    for option in MountOptions::data(entry.options.iter().map(|o| o.as_str())) {
        if !out.is_empty() {
            out.push(b',');
        }
        out.extend_from_slice(option.as_bytes());
    }
    out
}

/// Makes the root the top of the container's tree, and lets go of the old one for good.
pub(super) fn pivot(k: &mut Kernel, work: &mut Work) -> Result<Did, Trouble> {
    let new = work.build.root.ok_or(Errno::EINVAL)?;
    let id = work.build.ns.ok_or(Errno::EINVAL)?.mount;
    let old = old_root(k, id)?;
    // The old root ends up on top of the new one, as with pivot_root(".", "."), and is detached.
    let change = pivot::plan(&k.fs, &Source::of(k), old.mount, old, new, new)?;
    let Kernel {
        fs,
        frames,
        groups,
        work: jobs,
        waits,
        ns,
        ..
    } = k;
    let mut st = Store {
        fs,
        frames,
        groups,
        work: jobs,
        waits,
    };
    let namespace = ns.mount.get_mut(id).ok_or(Errno::EINVAL)?;
    pivot::commit(&mut st, &mut namespace.root, change);
    namespace.copied = Map::new();
    mount::detach(&mut st, old.mount);
    Ok(Did::Done(None))
}

/// nothing in the root file system changes from here on.
pub(super) fn root_readonly(k: &mut Kernel, work: &mut Work) -> Result<Did, Trouble> {
    let root = work.build.root.ok_or(Errno::EINVAL)?;
    let mount = k.fs.mounts.get_mut(root.mount).ok_or(Errno::EINVAL)?;
    mount.flags |= MountFlags::RDONLY;
    Ok(Did::Done(None))
}
