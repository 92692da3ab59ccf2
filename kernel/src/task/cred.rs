//! Credentials and capabilities (credentials(7), capabilities(7)).

use super::{TaskId, limits};
use crate::Kernel;
use crate::error::Errno;
use crate::fs::Access;
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// Credentials; ids are those of the initial user namespace.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs)]
pub struct Cred {
    pub uid: u32,
    pub euid: u32,
    pub suid: u32,
    pub fsuid: u32,
    pub gid: u32,
    pub egid: u32,
    pub sgid: u32,
    pub fsgid: u32,
    /// Supplementary groups, [`NGROUPS_MAX`] at the most.
    pub groups: Vec<u32>,
    /// Capability sets.
    pub caps: Caps,
    /// execve gives no privileges (PR_SET_NO_NEW_PRIVS).
    pub no_new_privs: bool,
    /// How uid 0 and changes of ids touch the capabilities (PR_SET_SECUREBITS).
    pub secure_bits: SecureBits,
}

bitflags::bitflags! {
    /// capabilities(7), "The securebits flags". Each has a lock beside it.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct SecureBits: u32 {
        /// Uid 0 gets nothing at execve.
        const NO_ROOT = 1 << 0;
        #[allow(missing_docs)]
        const NO_ROOT_LOCKED = 1 << 1;
        /// Changes of uids leave the capabilities alone.
        const NO_SETUID_FIXUP = 1 << 2;
        #[allow(missing_docs)]
        const NO_SETUID_FIXUP_LOCKED = 1 << 3;
        /// Permitted capabilities survive the change away from uid 0 (PR_SET_KEEPCAPS).
        const KEEP_CAPS = 1 << 4;
        #[allow(missing_docs)]
        const KEEP_CAPS_LOCKED = 1 << 5;
        /// Nothing is added to the ambient set.
        const NO_CAP_AMBIENT_RAISE = 1 << 6;
        #[allow(missing_docs)]
        const NO_CAP_AMBIENT_RAISE_LOCKED = 1 << 7;
    }
}

impl SecureBits {
    /// All locks.
    const LOCKS: SecureBits = SecureBits::NO_ROOT_LOCKED
        .union(SecureBits::NO_SETUID_FIXUP_LOCKED)
        .union(SecureBits::KEEP_CAPS_LOCKED)
        .union(SecureBits::NO_CAP_AMBIENT_RAISE_LOCKED);

    /// Whether these may become `new`: locks stay, and what is locked stays as it is.
    pub fn may_become(self, new: SecureBits) -> bool {
        let locks = self & SecureBits::LOCKS;
        let locked = SecureBits::from_bits_truncate(locks.bits() >> 1);
        new.contains(locks) && !(self ^ new).intersects(locked)
    }
}

/// The five capability sets, a bit for each capability.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs)]
pub struct Caps {
    pub effective: u64,
    pub permitted: u64,
    pub inheritable: u64,
    pub bounding: u64,
    pub ambient: u64,
}

/// Supplementary groups at the most (setgroups(2)).
pub const NGROUPS_MAX: usize = 65536;

/// Every capability, by its number.
pub const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// All capabilities.
pub const ALL: u64 = (1 << NAMES.len()) - 1;

/// Those that follow the file system uid (capabilities(7), "Effect of user ID changes").
const FS_SET: u64 = 1 << linux::CAP_CHOWN
    | 1 << linux::CAP_DAC_OVERRIDE
    | 1 << linux::CAP_DAC_READ_SEARCH
    | 1 << linux::CAP_FOWNER
    | 1 << linux::CAP_FSETID
    | 1 << linux::CAP_LINUX_IMMUTABLE
    | 1 << linux::CAP_MAC_OVERRIDE
    | 1 << linux::CAP_MKNOD;

/// The number of a capability from its name (`CAP_KILL`).
pub fn by_name(name: &str) -> Option<u32> {
    NAMES.iter().position(|n| *n == name).map(|n| n as u32)
}

/// The name of the first capability in a set.
pub fn first_name(set: u64) -> Option<&'static str> {
    NAMES.get(set.trailing_zeros() as usize).copied()
}

impl Cred {
    /// Uid and gid 0 with every capability: who the first process is.
    pub fn root() -> Cred {
        Cred {
            caps: Caps {
                effective: ALL,
                permitted: ALL,
                bounding: ALL,
                ..Caps::default()
            },
            ..Cred::default()
        }
    }

    /// Whether a capability is in effect.
    pub fn capable(&self, capability: u32) -> bool {
        capability < 64 && self.caps.effective >> capability & 1 != 0
    }

    /// Whether a group is among the effective or supplementary ones.
    pub fn in_group(&self, gid: u32) -> bool {
        self.fsgid == gid || self.groups.contains(&gid)
    }

    /// Whether a secure bit is set.
    pub fn is_secure(&self, bit: SecureBits) -> bool {
        self.secure_bits.contains(bit)
    }

    /// Sets real, effective and saved uid, the file system's with the effective one, and lets the
    /// capabilities follow (capabilities(7), "Effect of user ID changes on capabilities").
    pub fn change_uids(&mut self, uid: u32, euid: u32, suid: u32) {
        let had_root = self.uid == 0 || self.euid == 0 || self.suid == 0;
        let was_effective = self.euid == 0;
        (self.uid, self.euid, self.suid, self.fsuid) = (uid, euid, suid, euid);
        if self.is_secure(SecureBits::NO_SETUID_FIXUP) {
            return;
        }
        let has_root = uid == 0 || euid == 0 || suid == 0;
        if had_root && !has_root {
            if !self.is_secure(SecureBits::KEEP_CAPS) {
                self.caps.permitted = 0;
                self.caps.effective = 0;
            }
            self.caps.ambient = 0;
        }
        if was_effective && euid != 0 {
            self.caps.effective = 0;
        }
        if !was_effective && euid == 0 {
            self.caps.effective = self.caps.permitted;
        }
    }

    /// Sets the file system uid; the capabilities that concern files follow.
    pub fn change_fsuid(&mut self, fsuid: u32) {
        let fixup = !self.is_secure(SecureBits::NO_SETUID_FIXUP);
        if fixup && self.fsuid == 0 && fsuid != 0 {
            self.caps.effective &= !FS_SET;
        } else if fixup && self.fsuid != 0 && fsuid == 0 {
            self.caps.effective |= self.caps.permitted & FS_SET;
        }
        self.fsuid = fsuid;
    }

    /// Whether these credentials are somebody else's than `old`, or can do more: whoever could
    /// look into the process may not any more (prctl(2), PR_SET_DUMPABLE).
    pub fn differs_from(&self, old: &Cred) -> bool {
        let ids = |c: &Cred| [c.euid, c.egid, c.fsuid, c.fsgid];
        ids(self) != ids(old) || self.caps.permitted & !old.caps.permitted != 0
    }
}

/// Gives a task other credentials. The count of its user's tasks follows; who becomes somebody
/// else is not dumped, and not told of its parent's end.
///
/// # Errors
/// ESRCH; nothing has changed then.
pub fn change(k: &mut Kernel, id: TaskId, new: Cred) -> Result<(), Errno> {
    let limit = limits::soft_of(k, id, linux::RLIMIT_NPROC);
    let task = k.tasks.task_mut(id)?;
    let (old_uid, new_uid) = (task.cred.uid, new.uid);
    let differs = new.differs_from(&task.cred);
    task.cred = new;
    if differs {
        task.parent_death_signal = 0;
        k.tasks.process_of_mut(id)?.dumpable = 0;
    }
    if old_uid != new_uid {
        // Found out by execve: programs do not look at what setuid says (setuid(2), EAGAIN).
        let others = k.tasks.users.get(&new_uid).copied().unwrap_or(0);
        k.tasks.task_mut(id)?.over_count = new_uid != 0 && others > limit;
        k.tasks.count_user(old_uid, false);
        k.tasks.count_user(new_uid, true);
    }
    Ok(())
}

/// Whether a capability is in effect for a task.
pub fn capable(k: &Kernel, task: TaskId, capability: u32) -> bool {
    let task = k.tasks.tasks.get(task);
    task.is_some_and(|t| t.cred.capable(capability))
}

/// Who these credentials are to the file system.
pub fn access(cred: &Cred) -> Access<'_> {
    Access {
        uid: cred.fsuid,
        gid: cred.fsgid,
        groups: &cred.groups,
        caps: cred.caps.effective,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(uid: u32) -> Cred {
        let mut cred = Cred::root();
        cred.change_uids(uid, uid, uid);
        cred
    }

    #[test]
    fn names_are_in_linux_order() {
        assert_eq!(by_name("CAP_CHOWN"), Some(linux::CAP_CHOWN));
        assert_eq!(by_name("CAP_SYS_ADMIN"), Some(linux::CAP_SYS_ADMIN));
        assert_eq!(by_name("CAP_SYSLOG"), Some(linux::CAP_SYSLOG));
        assert_eq!(by_name("CAP_CHECKPOINT_RESTORE"), Some(linux::CAP_LAST_CAP));
        assert_eq!(NAMES.len() as u32, linux::CAP_LAST_CAP + 1);
        assert_eq!(by_name("CAP_NOTHING"), None);
    }

    #[test]
    fn leaving_root_loses_capabilities_unless_kept() {
        let cred = user(1000);
        assert_eq!((cred.caps.permitted, cred.caps.effective), (0, 0));
        assert_eq!(cred.caps.bounding, ALL);
        let mut keeping = Cred::root();
        keeping.secure_bits = SecureBits::KEEP_CAPS;
        keeping.change_uids(1000, 1000, 1000);
        assert_eq!((keeping.caps.permitted, keeping.caps.effective), (ALL, 0));
    }

    #[test]
    fn a_temporary_switch_takes_only_the_effective_set() {
        let mut cred = Cred::root();
        cred.change_uids(0, 1000, 0);
        assert_eq!((cred.caps.permitted, cred.caps.effective), (ALL, 0));
        cred.change_uids(0, 0, 0);
        assert_eq!(cred.caps.effective, ALL);
    }

    #[test]
    fn the_fsuid_moves_the_file_capabilities() {
        let mut cred = Cred::root();
        cred.change_fsuid(5);
        assert!(!cred.capable(linux::CAP_DAC_OVERRIDE));
        assert!(cred.capable(linux::CAP_KILL));
        cred.change_fsuid(0);
        assert_eq!(cred.caps.effective, ALL);
    }

    #[test]
    fn without_fixup_ids_and_capabilities_go_their_own_ways() {
        let mut cred = Cred::root();
        cred.secure_bits = SecureBits::NO_SETUID_FIXUP;
        cred.change_uids(1000, 1000, 1000);
        cred.change_fsuid(5);
        assert_eq!((cred.caps.permitted, cred.caps.effective), (ALL, ALL));
    }

    #[test]
    fn locks_hold() {
        let (root, lock) = (SecureBits::NO_ROOT, SecureBits::NO_ROOT_LOCKED);
        assert!(root.may_become(SecureBits::empty()));
        assert!(!(root | lock).may_become(root));
        assert!(!(root | lock).may_become(lock));
        assert!(!lock.may_become(root | lock));
        assert!((root | lock).may_become(root | lock | SecureBits::KEEP_CAPS));
    }

    #[test]
    fn who_becomes_somebody_else_differs() {
        let root = Cred::root();
        assert!(user(7).differs_from(&root));
        let mut less = root.clone();
        less.caps.permitted = 1;
        assert!(!less.differs_from(&root) && root.differs_from(&less));
    }
}
