//! Extended attributes of kept inodes (xattr(7)): `user.`, `trusted.` and `security.`.

use super::inode::{Inode, Kind};
use super::{Access, Actor, InodeId, Store};
use crate::cgroup::{Charge, Groups};
use crate::error::{Errno, Stop};
use crate::wire::get_u32;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// Bytes in the longest name, with its namespace.
pub const NAME_MAX: usize = linux::XATTR_NAME_MAX as usize;
/// Bytes in the longest value.
pub const VALUE_MAX: usize = linux::XATTR_SIZE_MAX as usize;
/// Attributes one inode may have: its end stays short.
const MOST: usize = 128;
/// Bytes of names and values that one inode may have.
const BYTES_MAX: usize = 2 * VALUE_MAX;
/// What an attribute costs beside its name and value: its share of a tree node.
const OVERHEAD: usize = 96;
/// The name of a program's capabilities.
const CAPABILITY: &[u8] = b"security.capability";

/// The attributes of an inode; most have none, so that it is boxed.
pub type Slot = Option<Box<Xattrs>>;

/// Attributes, by name.
#[derive(Debug, Default)]
pub struct Xattrs {
    by_name: BTreeMap<Vec<u8>, Xattr>,
    bytes: usize,
}

#[derive(Debug)]
struct Xattr {
    value: Vec<u8>,
    charge: Charge,
}

impl Xattrs {
    fn take(&mut self, name: &[u8]) -> Option<Xattr> {
        let old = self.by_name.remove(name)?;
        self.bytes = self.bytes.saturating_sub(name.len() + old.value.len());
        Some(old)
    }

    /// Gives back what all of them were charged.
    pub(super) fn give_back(self, groups: &mut Groups) {
        for attribute in self.by_name.into_values() {
            groups.give_back(attribute.charge);
        }
    }
}

/// Which namespace a name is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Space {
    User,
    Trusted,
    Security,
    /// Not one of ours.
    Other,
}

fn space(name: &[u8]) -> (Space, &[u8]) {
    let spaces: [(&[u8], Space); 3] = [
        (b"user.", Space::User),
        (b"trusted.", Space::Trusted),
        (b"security.", Space::Security),
    ];
    let known = spaces
        .iter()
        .find_map(|(prefix, space)| Some((*space, name.strip_prefix(*prefix)?)));
    known.unwrap_or((Space::Other, name))
}

/// Whether a file system that keeps attributes knows such a name.
///
/// # Errors
/// EOPNOTSUPP for an unknown namespace, EINVAL when nothing follows it.
fn known(name: &[u8]) -> Result<(), Errno> {
    match space(name) {
        (Space::Other, _) => Err(Errno::EOPNOTSUPP),
        (_, b"") => Err(Errno::EINVAL),
        _ => Ok(()),
    }
}

/// Whether the accessor may read, or with `write` change, an attribute of this name (xattr(7)).
///
/// # Errors
/// EPERM to write and ENODATA to read what this kind of file or accessor cannot have; EACCES.
fn permit(inode: &Inode, access: &Access, name: &[u8], write: bool) -> Result<(), Errno> {
    let refused = if write { Errno::EPERM } else { Errno::ENODATA };
    if matches!(inode.kind, Kind::Event) {
        return Err(Errno::EOPNOTSUPP);
    }
    match space(name).0 {
        Space::Security => return permit_security(access, name, write),
        Space::Other if name.starts_with(b"system.") => return Ok(()),
        Space::Trusted if !access.has(linux::CAP_SYS_ADMIN) => return Err(refused),
        Space::User if !matches!(inode.kind, Kind::Regular(_) | Kind::Dir(_)) => {
            return Err(refused);
        }
        Space::User if write && inode.is_dir() && inode.mode & linux::S_ISVTX != 0 => {
            inode.owned(access)?;
        }
        _ => {}
    }
    inode.permit(access, if write { 2 } else { 4 })
}

/// Everybody may read these; capabilities(7) says who may change them.
fn permit_security(access: &Access, name: &[u8], write: bool) -> Result<(), Errno> {
    let needed = if name == CAPABILITY {
        linux::CAP_SETFCAP
    } else {
        linux::CAP_SYS_ADMIN
    };
    if write && !access.has(needed) {
        return Err(Errno::EPERM);
    }
    Ok(())
}

/// File capabilities come in two forms (capabilities(7), "File capability extended attribute
/// versioning"); the first version is history.
fn is_capability(value: &[u8]) -> bool {
    let revision = value.get(3);
    (revision == Some(&2) && value.len() == 20) || (revision == Some(&3) && value.len() == 24)
}

/// The capabilities of a program file (capabilities(7), "File capabilities").
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FileCaps {
    /// Given within the bounding set.
    pub permitted: u64,
    /// Given if the caller has them inheritable.
    pub inheritable: u64,
    /// What is permitted then is effective at once.
    pub effective: bool,
}

/// The capabilities that a program file gives, if any; those for another user namespace's root
/// count for nobody here.
pub fn capabilities(inode: &Inode) -> Option<FileCaps> {
    let all = inode.xattrs.as_ref()?;
    let value = all.by_name.get(CAPABILITY)?.value.as_slice();
    let word = |index: usize| u64::from(get_u32(value, index * 4));
    if !is_capability(value) || (value.len() == 24 && word(5) != 0) {
        return None;
    }
    Some(FileCaps {
        permitted: word(1) | word(3) << 32,
        inheritable: word(2) | word(4) << 32,
        effective: word(0) & 1 != 0,
    })
}

/// What setting does with an attribute that is there, or is not (setxattr(2)).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct How {
    /// It must not be there (XATTR_CREATE).
    pub create: bool,
    /// It must be there (XATTR_REPLACE).
    pub replace: bool,
}

/// Sets an attribute.
///
/// # Errors
/// EEXIST, ENODATA, EPERM, EACCES, EOPNOTSUPP, EINVAL; ENOSPC for more than an inode may have; no
/// memory.
pub fn set(
    st: &mut Store,
    actor: &Actor,
    id: InodeId,
    name: Vec<u8>,
    value: Vec<u8>,
    how: How,
) -> Result<(), Stop> {
    if name == CAPABILITY && !is_capability(&value) {
        return Err(Errno::EINVAL.into());
    }
    let inode = st.fs.inode(id)?;
    permit(inode, &actor.access, &name, true)?;
    known(&name)?;
    let (count, bytes, old) = match &inode.xattrs {
        None => (0, 0, None),
        Some(all) => {
            let old = all.by_name.get(&name).map(|old| old.value.len());
            (all.by_name.len(), all.bytes, old)
        }
    };
    match old {
        Some(_) if how.create => return Err(Errno::EEXIST.into()),
        None if how.replace => return Err(Errno::ENODATA.into()),
        None if count >= MOST => return Err(Errno::ENOSPC.into()),
        _ => {}
    }
    let before = old.map_or(0, |len| name.len() + len);
    let after = bytes.saturating_sub(before) + name.len() + value.len();
    if after > BYTES_MAX {
        return Err(Errno::ENOSPC.into());
    }
    let cost = u32::try_from(name.len() + value.len() + OVERHEAD).map_err(|_| Errno::E2BIG)?;
    let charge = st.groups.charge(actor.group, cost)?;
    let new = Xattr { value, charge };
    let inode = match st.fs.inode_mut(id) {
        Ok(inode) => inode,
        Err(e) => return super::inode::refuse(st.groups, new.charge, e),
    };
    inode.times.changed = actor.now;
    let all = inode.xattrs.get_or_insert_default();
    all.bytes = after;
    if let Some(old) = all.by_name.insert(name, new) {
        st.groups.give_back(old.charge);
    }
    Ok(())
}

/// Removes an attribute.
///
/// # Errors
/// ENODATA, EPERM, EACCES, EOPNOTSUPP, EINVAL.
pub fn remove(st: &mut Store, actor: &Actor, id: InodeId, name: &[u8]) -> Result<(), Errno> {
    let inode = st.fs.inode_mut(id)?;
    permit(inode, &actor.access, name, true)?;
    known(name)?;
    let taken = inode.xattrs.as_mut().and_then(|all| all.take(name));
    let old = taken.ok_or(Errno::ENODATA)?;
    inode.times.changed = actor.now;
    st.groups.give_back(old.charge);
    Ok(())
}

/// The value of an attribute.
///
/// # Errors
/// ENODATA, EACCES, EOPNOTSUPP, EINVAL.
pub fn get<'a>(inode: &'a Inode, access: &Access, name: &[u8]) -> Result<&'a [u8], Errno> {
    permit(inode, access, name, false)?;
    known(name)?;
    let found = inode.xattrs.as_ref().and_then(|all| all.by_name.get(name));
    found.map(|x| x.value.as_slice()).ok_or(Errno::ENODATA)
}

/// The names that this accessor sees, each with a NUL behind it; at most 32 KiB.
pub fn list(inode: &Inode, access: &Access) -> Vec<u8> {
    let privileged = access.has(linux::CAP_SYS_ADMIN);
    let mut names = Vec::new();
    for name in inode.xattrs.iter().flat_map(|all| all.by_name.keys()) {
        if privileged || space(name).0 != Space::Trusted {
            names.extend_from_slice(name);
            names.push(0);
        }
    }
    names
}

/// Takes a program's capabilities away: its content or owner changed (capabilities(7)).
pub fn drop_capabilities(st: &mut Store, id: InodeId) {
    let all = st.fs.inodes.get_mut(id).and_then(|i| i.xattrs.as_mut());
    if let Some(old) = all.and_then(|all| all.take(CAPABILITY)) {
        st.groups.give_back(old.charge);
    }
}
