//! System V IPC (sysvipc(7)): what its objects have in common. Shared memory is
//! [`crate::mm::segments`]; the objects of a kind are a table of an ipc namespace.

mod table;

pub use table::{INDEX_MAX, Object, Table};

use crate::error::Errno;
use crate::fs::Access;
use linux_raw_sys::general as linux;

/// The key of objects that no key finds (IPC_PRIVATE).
pub const PRIVATE: i32 = 0;
/// Made if there is none (IPC_CREAT).
pub const CREAT: u32 = 0o1000;
/// There must be none (IPC_EXCL).
pub const EXCL: u32 = 0o2000;
/// Does not wait (IPC_NOWAIT).
pub const NOWAIT: u32 = 0o4000;

/// Who may use an object (struct ipc_perm).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // as there
pub struct Perm {
    pub key: i32,
    pub uid: u32,
    pub gid: u32,
    pub cuid: u32,
    pub cgid: u32,
    /// The nine permission bits; what else a kind of object tells in its mode.
    pub mode: u32,
}

impl Perm {
    /// Of an object that `access` makes; its uid is the effective one.
    pub fn new(key: i32, access: &Access, flags: u32) -> Perm {
        Perm {
            key,
            uid: access.uid,
            gid: access.gid,
            cuid: access.uid,
            cgid: access.gid,
            mode: flags & 0o777,
        }
    }

    /// Whether somebody may do what the three low bits of each digit of `want` say.
    ///
    /// # Errors
    /// EACCES.
    pub fn permit(&self, access: &Access, want: u32) -> Result<(), Errno> {
        let want = (want >> 6 | want >> 3 | want) & 7;
        let granted = if access.uid == self.cuid || access.uid == self.uid {
            self.mode >> 6
        } else if access.in_group(self.cgid) || access.in_group(self.gid) {
            self.mode >> 3
        } else {
            self.mode
        };
        if want & !granted == 0 || access.has(linux::CAP_IPC_OWNER) {
            return Ok(());
        }
        Err(Errno::EACCES)
    }

    /// Whether somebody is its owner or creator, or has `capability`.
    ///
    /// # Errors
    /// EPERM.
    pub fn owned(&self, access: &Access, capability: u32) -> Result<(), Errno> {
        if access.uid == self.uid || access.uid == self.cuid || access.has(capability) {
            return Ok(());
        }
        Err(Errno::EPERM)
    }

    /// Changes owner, group and permissions (IPC_SET).
    ///
    /// # Errors
    /// EINVAL for an id that is none.
    pub fn set(&mut self, uid: u32, gid: u32, mode: u32) -> Result<(), Errno> {
        if uid == u32::MAX || gid == u32::MAX {
            return Err(Errno::EINVAL);
        }
        (self.uid, self.gid) = (uid, gid);
        self.mode = self.mode & !0o777 | mode & 0o777;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(uid: u32, gid: u32, groups: &[u32]) -> Access<'_> {
        Access {
            uid,
            gid,
            groups,
            caps: 0,
        }
    }

    #[test]
    fn the_creator_stays_an_owner() {
        let mut perm = Perm::new(1, &access(5, 6, &[]), 0o1640);
        assert_eq!(perm.mode, 0o640);
        perm.set(7, 8, 0o7460).unwrap();
        assert_eq!(perm.mode, 0o460);
        assert_eq!(perm.set(u32::MAX, 1, 0), Err(Errno::EINVAL));
        for (uid, gid, want) in [(5, 0, 4), (7, 0, 4), (1, 6, 6), (1, 8, 6)] {
            let who = access(uid, gid, &[]);
            assert_eq!(perm.permit(&who, want), Ok(()), "{uid} {gid}");
        }
        let member = [8];
        assert_eq!(perm.permit(&access(1, 1, &member), 0o666), Ok(()));
        assert_eq!(perm.permit(&access(7, 0, &[]), 2), Err(Errno::EACCES));
        assert_eq!(perm.permit(&access(1, 1, &[]), 4), Err(Errno::EACCES));
        let owner = Access {
            caps: 1 << linux::CAP_IPC_OWNER,
            ..access(1, 1, &[])
        };
        assert_eq!(perm.permit(&owner, 6), Ok(()));
        assert_eq!(perm.owned(&access(5, 0, &[]), 21), Ok(()));
        assert_eq!(perm.owned(&owner, 21), Err(Errno::EPERM));
    }
}
