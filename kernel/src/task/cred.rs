//! Credentials and capabilities (credentials(7), capabilities(7)).

use super::TaskId;
use crate::Kernel;
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
    /// Permitted capabilities survive the change away from uid 0 (PR_SET_KEEPCAPS).
    pub keep_caps: bool,
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

    /// Sets real, effective and saved uid, the file system's with the effective one, and lets the
    /// capabilities follow (capabilities(7), "Effect of user ID changes on capabilities").
    pub fn change_uids(&mut self, uid: u32, euid: u32, suid: u32) {
        let had_root = self.uid == 0 || self.euid == 0 || self.suid == 0;
        let was_effective = self.euid == 0;
        (self.uid, self.euid, self.suid) = (uid, euid, suid);
        self.change_fsuid(euid);
        let has_root = uid == 0 || euid == 0 || suid == 0;
        if had_root && !has_root {
            if !self.keep_caps {
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
        if self.fsuid == 0 && fsuid != 0 {
            self.caps.effective &= !FS_SET;
        } else if self.fsuid != 0 && fsuid == 0 {
            self.caps.effective |= self.caps.permitted & FS_SET;
        }
        self.fsuid = fsuid;
    }

    /// What execve makes of these credentials when the file has set-id bits for `set_uid` and
    /// `set_gid` (both `None` on mounts without suid); and whether the program must be careful
    /// (AT_SECURE).
    pub fn after_exec(&self, set_uid: Option<u32>, set_gid: Option<u32>) -> (Cred, bool) {
        let mut new = self.clone();
        if !self.no_new_privs {
            new.euid = set_uid.unwrap_or(self.euid);
            new.egid = set_gid.unwrap_or(self.egid);
        }
        let id_changed = new.euid != self.euid || new.egid != self.egid;
        (new.suid, new.fsuid) = (new.euid, new.euid);
        (new.sgid, new.fsgid) = (new.egid, new.egid);
        new.keep_caps = false;
        // The file sets of root, or none: files carry no capabilities here.
        let root = new.uid == 0 || new.euid == 0;
        let file = if root { ALL } else { 0 };
        let effective = new.euid == 0;
        let caps = &mut new.caps;
        if id_changed {
            caps.ambient = 0;
        }
        caps.permitted = (caps.inheritable & file) | (file & caps.bounding) | caps.ambient;
        if self.no_new_privs {
            caps.permitted &= self.caps.permitted | caps.ambient;
        }
        caps.effective = if effective {
            caps.permitted
        } else {
            caps.ambient
        };
        let secure = id_changed || new.uid != new.euid || new.gid != new.egid;
        (new, secure)
    }
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
        keeping.keep_caps = true;
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
    fn exec_of_a_set_uid_file_gives_what_the_bounding_set_allows() {
        let mut cred = user(1000);
        cred.caps.bounding = 1 << linux::CAP_KILL;
        let (new, secure) = cred.after_exec(Some(0), None);
        assert_eq!((new.uid, new.euid, new.suid, new.fsuid), (1000, 0, 0, 0));
        assert_eq!(new.caps.permitted, 1 << linux::CAP_KILL);
        assert_eq!(new.caps.effective, 1 << linux::CAP_KILL);
        assert!(secure);
        cred.no_new_privs = true;
        let (new, secure) = cred.after_exec(Some(0), None);
        assert_eq!((new.euid, new.caps.permitted, secure), (1000, 0, false));
    }

    #[test]
    fn a_root_without_capabilities_in_the_bounding_set_gains_none() {
        // What a container's process with uid 0 and few capabilities is.
        let mut cred = Cred::root();
        let few = 1 << linux::CAP_KILL | 1 << linux::CAP_CHOWN;
        cred.caps = Caps {
            effective: few,
            permitted: few,
            inheritable: 0,
            bounding: few,
            ambient: 0,
        };
        let (new, secure) = cred.after_exec(None, None);
        assert_eq!((new.caps.permitted, new.caps.effective), (few, few));
        assert!(!secure);
    }

    #[test]
    fn ambient_capabilities_survive_exec_by_a_plain_user() {
        let mut cred = user(7);
        let one = 1 << linux::CAP_NET_RAW;
        cred.caps.permitted = one;
        cred.caps.inheritable = one;
        cred.caps.ambient = one;
        let (new, _) = cred.after_exec(None, None);
        assert_eq!((new.caps.permitted, new.caps.effective), (one, one));
        let (new, _) = cred.after_exec(None, Some(5));
        assert_eq!(new.caps.permitted, 0);
    }
}
