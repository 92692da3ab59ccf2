//! nsfs: namespaces as files, what the links in /proc/PID/ns lead to (namespaces(7)).

use super::Source;
use crate::Kernel;
use crate::arena::{Held, Key};
use crate::error::Errno;
use crate::fs::{View, ViewNode};
use crate::ns::{CgroupNsId, IpcNsId, MountNsId, NsKeys, PidNsId, UtsNsId};
use crate::ns::{cgroup, initial_inum, ipc, mount, pid, uts};

/// A kind of namespace; the value is the `kind` of its node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
#[allow(missing_docs)]
pub enum Kind {
    Pid = 1,
    Uts,
    Mount,
    User,
    Ipc,
    Net,
    Cgroup,
    Time,
}

impl Kind {
    const ALL: [Kind; 8] = [
        Kind::Pid,
        Kind::Uts,
        Kind::Mount,
        Kind::User,
        Kind::Ipc,
        Kind::Net,
        Kind::Cgroup,
        Kind::Time,
    ];

    /// The name in `name:[number]`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Pid => "pid",
            Kind::Uts => "uts",
            Kind::Mount => "mnt",
            Kind::User => "user",
            Kind::Ipc => "ipc",
            Kind::Net => "net",
            Kind::Cgroup => "cgroup",
            Kind::Time => "time",
        }
    }
}

/// Which kind of namespace a node stands for.
///
/// # Errors
/// EINVAL when it stands for none.
pub fn kind(node: ViewNode) -> Result<Kind, Errno> {
    let found = Kind::ALL.into_iter().find(|k| *k as u16 == node.kind);
    found.filter(|_| node.view == View::Ns).ok_or(Errno::EINVAL)
}

/// A namespace that a file is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Namespace {
    /// A pid namespace.
    Pid(PidNsId),
    /// A uts namespace.
    Uts(UtsNsId),
    /// An ipc namespace.
    Ipc(IpcNsId),
    /// A cgroup namespace.
    Cgroup(CgroupNsId),
    /// A mount namespace.
    Mount(MountNsId),
    /// One of a kind of which there is only the initial one.
    Only(Kind),
}

/// A namespace kept alive by an open file.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum HeldNs {
    Pid(Held<PidNsId>),
    Uts(Held<UtsNsId>),
    Ipc(Held<IpcNsId>),
    Cgroup(Held<CgroupNsId>),
    Mount(Held<MountNsId>),
    Only,
}

/// The node of a namespace.
fn node(kind: Kind, object: u64) -> ViewNode {
    ViewNode {
        view: View::Ns,
        kind: kind as u16,
        object,
        part: 0,
        instance: 0,
    }
}

/// The node of the namespace of this kind in a set; `pid` is the task's own pid namespace.
pub fn node_of(kind: Kind, keys: NsKeys, own_pid: PidNsId) -> ViewNode {
    node(
        kind,
        match kind {
            Kind::Pid => pack(own_pid),
            Kind::Uts => pack(keys.uts),
            Kind::Ipc => pack(keys.ipc),
            Kind::Cgroup => pack(keys.cgroup),
            Kind::Mount => pack(keys.mount),
            _ => 0,
        },
    )
}

/// The node of a pid namespace.
pub fn pid_node(id: PidNsId) -> ViewNode {
    node(Kind::Pid, pack(id))
}

/// A key as a number.
pub(super) fn pack<K: Key>(key: K) -> u64 {
    u64::from(key.generation()) << 32 | u64::from(key.index())
}

/// The key of a number.
pub(super) fn unpack<K: Key>(number: u64) -> K {
    K::new(number as u32, (number >> 32) as u32)
}

/// The namespace that a node stands for.
///
/// # Errors
/// EINVAL when it stands for none.
pub fn namespace(node: ViewNode) -> Result<Namespace, Errno> {
    Ok(match kind(node)? {
        Kind::Pid => Namespace::Pid(unpack(node.object)),
        Kind::Uts => Namespace::Uts(unpack(node.object)),
        Kind::Ipc => Namespace::Ipc(unpack(node.object)),
        Kind::Cgroup => Namespace::Cgroup(unpack(node.object)),
        Kind::Mount => Namespace::Mount(unpack(node.object)),
        kind => Namespace::Only(kind),
    })
}

/// The inode number of a namespace.
///
/// # Errors
/// ENOENT when it is gone.
pub fn inum(s: &Source, node: ViewNode) -> Result<u32, Errno> {
    let found = match namespace(node)? {
        Namespace::Pid(id) => s.ns.pid.get(id).map(|ns| ns.inum),
        Namespace::Uts(id) => s.ns.uts.get(id).map(|ns| ns.inum),
        Namespace::Ipc(id) => s.ns.ipc.get(id).map(|ns| ns.inum),
        Namespace::Cgroup(id) => s.ns.cgroup.get(id).map(|ns| ns.inum),
        Namespace::Mount(id) => s.ns.mount.get(id).map(|ns| ns.inum),
        Namespace::Only(kind) => only(kind),
    };
    found.ok_or(Errno::ENOENT)
}

fn only(kind: Kind) -> Option<u32> {
    Some(match kind {
        Kind::User => initial_inum::USER,
        Kind::Net => initial_inum::NET,
        Kind::Time => initial_inum::TIME,
        Kind::Pid | Kind::Uts | Kind::Ipc | Kind::Cgroup | Kind::Mount => return None,
    })
}

/// Mode and owner: a file that everybody may open and nobody write.
pub(super) fn mode(s: &Source, node: ViewNode) -> Result<(u32, u32, u32), Errno> {
    inum(s, node)?;
    Ok((linux_raw_sys::general::S_IFREG | 0o444, 0, 0))
}

/// `kind:[number]`.
pub(super) fn text(s: &Source, node: ViewNode) -> Result<alloc::vec::Vec<u8>, Errno> {
    let kind = kind(node)?;
    Ok(alloc::format!("{}:[{}]", kind.name(), inum(s, node)?).into_bytes())
}

/// Keeps a node's namespace alive.
pub(super) fn hold(k: &mut Kernel, node: ViewNode) -> Result<HeldNs, Errno> {
    let held = match namespace(node)? {
        Namespace::Pid(id) => k.ns.pid.hold(id).map(HeldNs::Pid),
        Namespace::Uts(id) => k.ns.uts.hold(id).map(HeldNs::Uts),
        Namespace::Ipc(id) => k.ns.ipc.hold(id).map(HeldNs::Ipc),
        Namespace::Cgroup(id) => k.ns.cgroup.hold(id).map(HeldNs::Cgroup),
        Namespace::Mount(id) => k.ns.mount.hold(id).map(HeldNs::Mount),
        Namespace::Only(_) => Some(HeldNs::Only),
    };
    held.ok_or(Errno::ENOENT)
}

/// Lets go of a namespace.
pub(super) fn release(k: &mut Kernel, held: HeldNs) {
    match held {
        HeldNs::Pid(held) => pid::release(k, held),
        HeldNs::Uts(held) => uts::release(k, held),
        HeldNs::Ipc(held) => ipc::release(k, held),
        HeldNs::Cgroup(held) => cgroup::release(k, held),
        HeldNs::Mount(held) => mount::release(k, held),
        HeldNs::Only => {}
    }
}
