//! What execve(2) makes of credentials: set-id bits, file capabilities, uid 0 (capabilities(7),
//! "Transformation of capabilities during execve()").

use super::cred::{ALL, Cred, SecureBits};
use crate::error::Errno;
use crate::fs::xattr::FileCaps;

/// What a file gives to who runs it; nothing on a mount without set-id.
#[derive(Clone, Copy, Debug, Default)]
pub struct Grants {
    /// The owner, with the set-user-id bit.
    pub uid: Option<u32>,
    /// The group, with the set-group-id bit of a file that the group may run.
    pub gid: Option<u32>,
    /// The capabilities of the file.
    pub caps: Option<FileCaps>,
}

/// The credentials that `old` runs a file with, and whether the program must be careful
/// (AT_SECURE). Who shares root and working directory with another process (`shares`) gains
/// nothing: the other one could move them under the program.
///
/// # Errors
/// EPERM for a file whose capabilities the bounding set does not let through: it would not know
/// that it lacks them.
pub fn after_exec(old: &Cred, file: &Grants, shares: bool) -> Result<(Cred, bool), Errno> {
    let mut new = old.clone();
    if !old.no_new_privs {
        new.euid = file.uid.unwrap_or(old.euid);
        new.egid = file.gid.unwrap_or(old.egid);
    }
    let effective = permit(&mut new, file.caps)?;
    let id_changed = new.euid != old.euid || !old.in_group(new.egid);
    let gains = new.caps.permitted & !old.caps.permitted != 0;
    if (id_changed || gains) && (old.no_new_privs || shares) {
        if old.no_new_privs || !old.capable(linux_raw_sys::general::CAP_SETUID) {
            (new.euid, new.egid) = (new.uid, new.gid);
        }
        new.caps.permitted &= old.caps.permitted;
    }
    (new.suid, new.fsuid) = (new.euid, new.euid);
    (new.sgid, new.fsgid) = (new.egid, new.egid);
    if file.caps.is_some() || id_changed {
        new.caps.ambient = 0;
    }
    new.caps.permitted |= new.caps.ambient;
    new.caps.effective = if effective {
        new.caps.permitted
    } else {
        new.caps.ambient
    };
    new.secure_bits.remove(SecureBits::KEEP_CAPS);
    let grew = new.caps.permitted & !new.caps.ambient != 0;
    let secure = id_changed
        || new.euid != old.uid
        || new.egid != old.gid
        || new.uid != 0 && (effective || grew);
    Ok((new, secure))
}

/// Sets what the file and uid 0 permit; returns whether it is effective at once.
fn permit(new: &mut Cred, file: Option<FileCaps>) -> Result<bool, Errno> {
    let caps = &mut new.caps;
    let given = file.unwrap_or_default();
    let (bounding, inheritable) = (caps.bounding, caps.inheritable);
    caps.permitted = (bounding & given.permitted) | (inheritable & given.inheritable);
    if given.effective && given.permitted & !caps.permitted != 0 {
        return Err(Errno::EPERM);
    }
    let set_uid_root = new.uid != 0 && new.euid == 0;
    if new.is_secure(SecureBits::NO_ROOT) || (file.is_some() && set_uid_root) {
        return Ok(given.effective);
    }
    if new.uid == 0 || new.euid == 0 {
        // As if the file had all of them.
        new.caps.permitted = (bounding | inheritable) & ALL;
    }
    Ok(given.effective || new.euid == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Caps;
    use linux_raw_sys::general as linux;

    fn user(uid: u32) -> Cred {
        let mut cred = Cred::root();
        cred.change_uids(uid, uid, uid);
        cred
    }

    fn set_uid(uid: u32) -> Grants {
        Grants {
            uid: Some(uid),
            ..Grants::default()
        }
    }

    fn plain(cred: &Cred) -> (Cred, bool) {
        after_exec(cred, &Grants::default(), false).unwrap()
    }

    #[test]
    fn exec_of_a_set_uid_file_gives_what_the_bounding_set_allows() {
        let mut cred = user(1000);
        cred.caps.bounding = 1 << linux::CAP_KILL;
        let (new, secure) = after_exec(&cred, &set_uid(0), false).unwrap();
        assert_eq!((new.uid, new.euid, new.suid, new.fsuid), (1000, 0, 0, 0));
        assert_eq!(new.caps.permitted, 1 << linux::CAP_KILL);
        assert_eq!(new.caps.effective, 1 << linux::CAP_KILL);
        assert!(secure);
        cred.no_new_privs = true;
        let (new, secure) = after_exec(&cred, &set_uid(0), false).unwrap();
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
        let (new, secure) = plain(&cred);
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
        let (new, _) = plain(&cred);
        assert_eq!((new.caps.permitted, new.caps.effective), (one, one));
        let set_gid = Grants {
            gid: Some(5),
            ..Grants::default()
        };
        let (new, _) = after_exec(&cred, &set_gid, false).unwrap();
        assert_eq!(new.caps.permitted, 0);
    }

    #[test]
    fn who_shares_its_directories_gains_nothing() {
        let cred = user(1000);
        let (new, _) = after_exec(&cred, &set_uid(0), true).unwrap();
        assert_eq!((new.euid, new.caps.permitted), (1000, 0));
    }

    #[test]
    fn a_root_that_is_none_is_a_user() {
        let mut cred = Cred::root();
        cred.secure_bits = SecureBits::NO_ROOT | SecureBits::KEEP_CAPS;
        let (new, secure) = plain(&cred);
        assert_eq!((new.caps.permitted, new.caps.effective), (0, 0));
        assert_eq!((new.secure_bits, secure), (SecureBits::NO_ROOT, false));
    }

    #[test]
    fn files_have_capabilities() {
        let kill = 1 << linux::CAP_KILL;
        let mut file = Grants {
            caps: Some(FileCaps {
                permitted: kill,
                inheritable: 0,
                effective: true,
            }),
            ..Grants::default()
        };
        let mut cred = user(1000);
        let (new, secure) = after_exec(&cred, &file, false).unwrap();
        assert_eq!((new.caps.permitted, new.caps.effective), (kill, kill));
        assert!(secure);
        // Beside them the set-user-id bit of root gives the id alone.
        file.uid = Some(0);
        let (new, _) = after_exec(&cred, &file, false).unwrap();
        assert_eq!((new.euid, new.caps.permitted), (0, kill));
        file.uid = None;
        cred.no_new_privs = true;
        let (new, secure) = after_exec(&cred, &file, false).unwrap();
        assert_eq!((new.caps.permitted, new.euid, secure), (0, 1000, true));
        cred.caps.bounding = 0;
        assert_eq!(after_exec(&cred, &file, false), Err(Errno::EPERM));
    }
}
