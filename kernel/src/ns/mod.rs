//! Namespaces (namespaces(7)).
//!
//! pid, uts, ipc, cgroup and mount namespaces are objects. Of the other kinds there is only the initial one:
//! it shows in /proc/PID/ns, and making another is refused ([`refuse_missing`]).

pub mod cgroup;
pub mod ipc;
pub mod mount;
pub mod pid;
pub mod set;
pub mod uts;

pub use set::{NsKeys, NsSet, for_child, hold_set, keys_of, release_set};

use crate::Kernel;
use crate::arena::{Arena, Held};
use crate::cgroup::GroupId;
use crate::error::{Errno, Stop};
use crate::fs::mount::MountFlags;
use crate::fs::{MountId, Store, View, ViewNode, superblock};
use crate::key;
use crate::mm::segments::Segments;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

key! {
    /// A pid namespace.
    PidNsId
    /// A uts namespace.
    UtsNsId
    /// An ipc namespace.
    IpcNsId
    /// A cgroup namespace.
    CgroupNsId
    /// A mount namespace.
    MountNsId
}

/// A pid namespace (pid_namespaces(7)).
#[derive(Default)]
pub struct PidNs {
    /// The one it is nested in.
    pub parent: Option<Held<PidNsId>>,
    /// How deep: 0 for the initial one.
    pub level: u32,
    /// Numbers in use.
    pub numbers: BTreeMap<u32, crate::task::PidId>,
    /// The last number given out.
    pub last: u32,
    /// Its process 1; `None` before the first and after the last.
    pub init: Option<crate::task::ProcessId>,
    /// Its init has ended: no new numbers (ENOMEM, as on Linux).
    pub dead: bool,
    /// Inode number in /proc/PID/ns.
    pub inum: u32,
}

/// A uts namespace (uts_namespaces(7)).
#[derive(Clone)]
pub struct UtsNs {
    /// At most 64 bytes.
    pub hostname: Vec<u8>,
    /// At most 64 bytes.
    pub domainname: Vec<u8>,
    /// Inode number in /proc/PID/ns.
    pub inum: u32,
}

/// A cgroup namespace (cgroup_namespaces(7)).
pub struct CgroupNs {
    /// The group that is the root of the tree in it.
    pub root: Held<GroupId>,
    /// Inode number in /proc/PID/ns.
    pub inum: u32,
}

/// An ipc namespace (ipc_namespaces(7)).
#[derive(Default)]
pub struct IpcNs {
    /// System V shared memory.
    pub segments: Segments,
    /// Where its message queues are; until it ends.
    pub(crate) queues: Option<Held<MountId>>,
    /// Inode number in /proc/PID/ns.
    pub inum: u32,
}

/// A mount namespace (mount_namespaces(7)).
pub struct MountNs {
    /// The mount at its root.
    pub root: Held<MountId>,
    /// Inode number in /proc/PID/ns.
    pub inum: u32,
    /// Which mount of the namespace it was copied from became which here, until the process it
    /// was copied for has moved ([`mount::move_context`]).
    pub(crate) copied: crate::fs::mount::Map,
}

/// All namespaces.
#[derive(Default)]
pub struct Namespaces {
    /// pid namespaces.
    pub pid: Arena<PidNsId, PidNs>,
    /// uts namespaces.
    pub uts: Arena<UtsNsId, UtsNs>,
    /// ipc namespaces.
    pub ipc: Arena<IpcNsId, IpcNs>,
    /// cgroup namespaces.
    pub cgroup: Arena<CgroupNsId, CgroupNs>,
    /// mount namespaces.
    pub mount: Arena<MountNsId, MountNs>,
    /// Those the system started with; they stay for ever.
    pub initial: Option<NsSet>,
    /// Where the files are that namespaces are (nsfs), mounted nowhere.
    pub nsfs: Option<Held<MountId>>,
    /// Namespaces made since boot, for their inode numbers.
    made: u32,
}

impl Namespaces {
    /// The inode number of a new namespace: counts up from [`FIRST_INUM`].
    fn next_inum(&mut self) -> u32 {
        let number = self.made % (u32::MAX - FIRST_INUM);
        self.made = self.made.wrapping_add(1);
        FIRST_INUM + number
    }

    /// The initial pid namespace, once [`initial`] has made it.
    pub fn initial_pid(&self) -> Option<PidNsId> {
        self.initial.as_ref().map(|set| set.pid_for_children.key())
    }

    /// The initial mount namespace.
    pub fn initial_mount(&self) -> Option<MountNsId> {
        self.initial.as_ref().map(|set| set.mount.key())
    }

    /// How many namespaces there are, for the audit.
    pub fn len(&self) -> usize {
        self.pid
            .len()
            .saturating_add(self.uts.len())
            .saturating_add(self.ipc.len())
            .saturating_add(self.cgroup.len())
            .saturating_add(self.mount.len())
    }

    /// None yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The first inode number of a namespace made after boot: in Linux's dynamic range (from
/// 0xf0000000), above the initial namespaces in it.
const FIRST_INUM: u32 = 0xf000_0010;

/// The inode numbers of the initial namespaces: Linux's constants, and for net and mnt those that
/// they get there at boot.
#[allow(missing_docs)]
pub mod initial_inum {
    pub const TIME: u32 = 4_026_531_834;
    pub const CGROUP: u32 = 4_026_531_835;
    pub const PID: u32 = 4_026_531_836;
    pub const USER: u32 = 4_026_531_837;
    pub const UTS: u32 = 4_026_531_838;
    pub const IPC: u32 = 4_026_531_839;
    pub const NET: u32 = 4_026_531_840;
    pub const MOUNT: u32 = 4_026_531_841;
}

/// Every CLONE_NEW* flag (clone(2)); that of time namespaces shares its bit with the exit signal
/// of clone and is unshare's alone.
pub const NEW_FLAGS: u32 = linux::CLONE_NEWNS
    | linux::CLONE_NEWCGROUP
    | linux::CLONE_NEWUTS
    | linux::CLONE_NEWIPC
    | linux::CLONE_NEWUSER
    | linux::CLONE_NEWPID
    | linux::CLONE_NEWNET;

/// The kinds of which only the initial namespace exists.
const MISSING: u32 = linux::CLONE_NEWUSER | linux::CLONE_NEWNET | linux::CLONE_NEWTIME;

/// Makes the initial namespaces around the first mount, and gives the set of the first process.
///
/// # Errors
/// No memory: the system cannot start.
pub fn initial(k: &mut Kernel, root: Held<MountId>) -> Result<NsSet, Stop> {
    let group = k.groups.root();
    k.ns.nsfs = Some(mount_nsfs(k, group)?);
    let pid_charge = k.groups.charge(group, Arena::<PidNsId, PidNs>::COST)?;
    let uts_charge = k.groups.charge(group, Arena::<UtsNsId, UtsNs>::COST)?;
    let queues = ipc::queue_mount(k, group)?;
    let ipc_charge = k.groups.charge(group, Arena::<IpcNsId, IpcNs>::COST)?;
    let cgroup_charge = k
        .groups
        .charge(group, Arena::<CgroupNsId, CgroupNs>::COST)?;
    let cgroup_ns = CgroupNs {
        root: k.groups.hold(group),
        inum: initial_inum::CGROUP,
    };
    let mount_charge = k.groups.charge(group, Arena::<MountNsId, MountNs>::COST)?;
    let pid_ns = PidNs {
        inum: initial_inum::PID,
        ..PidNs::default()
    };
    let uts_ns = UtsNs {
        hostname: b"berth".to_vec(),
        domainname: b"(none)".to_vec(),
        inum: initial_inum::UTS,
    };
    let ipc_ns = IpcNs {
        inum: initial_inum::IPC,
        queues: Some(queues),
        ..IpcNs::default()
    };
    let mount_ns = MountNs {
        root,
        inum: initial_inum::MOUNT,
        copied: crate::fs::mount::Map::new(),
    };
    let set = NsSet {
        pid_for_children: k.ns.pid.insert(pid_ns, pid_charge),
        uts: k.ns.uts.insert(uts_ns, uts_charge),
        ipc: k.ns.ipc.insert(ipc_ns, ipc_charge),
        cgroup: k.ns.cgroup.insert(cgroup_ns, cgroup_charge),
        mount: k.ns.mount.insert(mount_ns, mount_charge),
    };
    k.ns.initial = Some(set.share(&mut k.ns));
    Ok(set)
}

/// What nsfs is mounted with; not a namespace.
const NSFS_ROOT: ViewNode = ViewNode {
    view: View::Ns,
    kind: 0,
    object: 0,
    part: 0,
    instance: 0,
};

/// An instance of nsfs, for links to lead to.
fn mount_nsfs(k: &mut Kernel, group: GroupId) -> Result<Held<MountId>, Stop> {
    let actor = mount::kernel(group);
    let mut st = Store::of(k);
    let instance = superblock::view(&mut st, &actor, NSFS_ROOT)?;
    crate::fs::mount::whole(&mut st, &actor, instance, MountFlags::empty(), b"nsfs")
}

/// Refuses flags for namespaces of which there is only the initial one.
///
/// # Errors
/// EINVAL, as of a Linux built without them.
pub fn refuse_missing(flags: u32) -> Result<(), Errno> {
    if flags & MISSING != 0 {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

/// What a fresh namespace costs its group in one arena.
fn charge<K: crate::arena::Key, V>(
    k: &mut Kernel,
    group: GroupId,
) -> Result<crate::cgroup::Charge, Stop> {
    Ok(k.groups.charge(group, Arena::<K, V>::COST)?)
}
