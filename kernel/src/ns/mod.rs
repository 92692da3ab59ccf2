//! Namespaces (namespaces(7)).

use crate::arena::{Arena, Held};
use crate::key;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

key! {
    /// A pid namespace.
    PidNsId
    /// A uts namespace.
    UtsNsId
    /// A mount namespace.
    MountNsId
}

/// The namespaces of a task.
#[derive(Debug)]
pub struct NsSet {
    /// Where its children get their numbers (its own numbers are in its pid).
    pub pid_for_children: Held<PidNsId>,
    /// Host and domain name.
    pub uts: Held<UtsNsId>,
    /// Its tree of mounts.
    pub mount: Held<MountNsId>,
}

/// A pid namespace (pid_namespaces(7)).
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

/// A mount namespace (mount_namespaces(7)).
pub struct MountNs {
    /// The mount at its root.
    pub root: Held<crate::fs::MountId>,
    /// Inode number in /proc/PID/ns.
    pub inum: u32,
}

/// All namespaces.
#[derive(Default)]
pub struct Namespaces {
    /// pid namespaces.
    pub pid: Arena<PidNsId, PidNs>,
    /// uts namespaces.
    pub uts: Arena<UtsNsId, UtsNs>,
    /// mount namespaces.
    pub mount: Arena<MountNsId, MountNs>,
}
