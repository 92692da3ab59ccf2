//! Addresses of sockets, in and out (unix(7), "Address format").

use super::paths::new_name;
use super::place::{access, act, caller, find, parent};
use crate::error::{Errno, Stop};
use crate::fs::inode::{Kind, What};
use crate::fs::walk::WalkFlags;
use crate::fs::{Node, Pos, dir};
use crate::mm::user::{self, UserOut};
use crate::net::names::{self, Name};
use crate::net::{SocketId, Type};
use crate::task::files;
use crate::{Cx, Kernel};
use alloc::vec::Vec;
use linux_raw_sys::net as sock;

/// Bytes of a struct sockaddr_un at the most, and of its family.
const LEN_MAX: usize = FAMILY + names::NAME_MAX;
const FAMILY: usize = 2;
/// Bytes of any address at the most.
const STORAGE: u64 = 128;

/// An address that a call gives.
pub(super) enum Address {
    /// No family: nobody.
    Unspecified,
    /// A family and no name.
    Unnamed,
    /// A path, without a NUL behind it.
    Path(Vec<u8>),
    /// A name without a file, with the NUL before it.
    Other(Name),
}

impl Address {
    /// Reads an address of AF_UNIX, or of no family.
    ///
    /// # Errors
    /// EINVAL for another family, or what is too short or too long; EFAULT.
    pub(super) fn read(k: &mut Kernel, cx: &mut Cx, addr: u64, len: u64) -> Result<Address, Stop> {
        let len = u64::from(len as u32);
        if len > STORAGE {
            return Err(Errno::EINVAL.into());
        }
        let mut bytes = [0; STORAGE as usize];
        let bytes = bytes.get_mut(..len as usize).unwrap_or_default();
        user::copy_in(k, cx, addr, bytes)?;
        let (family, name) = bytes.split_at_checked(FAMILY).ok_or(Errno::EINVAL)?;
        let family = u32::from(u16::from_le_bytes([family[0], family[1]]));
        if family == 0 {
            return Ok(Address::Unspecified);
        }
        if family != sock::AF_UNIX || bytes.len() > LEN_MAX {
            return Err(Errno::EINVAL.into());
        }
        Ok(match name.first() {
            None => Address::Unnamed,
            Some(0) => Address::Other(name.into()),
            Some(_) => {
                let path = name.split(|byte| *byte == 0).next();
                Address::Path(path.unwrap_or_default().into())
            }
        })
    }

    /// The socket of a type that has this name.
    ///
    /// # Errors
    /// As connect(2): EINVAL, ENOENT and others for the path, EACCES, ECONNREFUSED, EPROTOTYPE.
    pub(super) fn find(&self, k: &Kernel, cx: &Cx, kind: Type) -> Result<SocketId, Errno> {
        let path = match self {
            Address::Unspecified | Address::Unnamed => return Err(Errno::EINVAL),
            Address::Other(name) => {
                let found = k.net.names.of_other(kind, name);
                return found.ok_or(Errno::ECONNREFUSED);
            }
            Address::Path(path) => path,
        };
        let here = find(k, cx, super::place::FDCWD, path, WalkFlags::empty())?;
        let Node::Inode(id) = here.pos.node else {
            return Err(Errno::ECONNREFUSED);
        };
        let inode = k.fs.inode(id)?;
        inode.permit(&access(&caller(k, cx)?.cred), 2)?;
        if !matches!(inode.kind, Kind::Socket) {
            return Err(Errno::ECONNREFUSED);
        }
        let found = k.net.names.of_file(id).ok_or(Errno::ECONNREFUSED)?;
        if k.net.socket(found)?.kind != kind {
            return Err(Errno::EPROTOTYPE);
        }
        Ok(found)
    }

    /// Gives a socket this name; `mode` is what its file may have.
    ///
    /// # Errors
    /// As bind(2): EINVAL when it has one, EADDRINUSE, and others for the path; no memory.
    pub(super) fn bind(
        self,
        k: &mut Kernel,
        cx: &mut Cx,
        id: SocketId,
        mode: u32,
    ) -> Result<(), Stop> {
        if matches!(self, Address::Unspecified) {
            return Err(Errno::EINVAL.into());
        }
        if matches!(self, Address::Unnamed) {
            return Ok(names::autobind(k, id)?);
        }
        if k.net.socket(id)?.name.is_some() {
            return Err(Errno::EINVAL.into());
        }
        match self {
            Address::Other(name) => Ok(names::bind_other(k, id, name)?),
            Address::Path(path) => bind_path(k, cx, id, path, mode),
            Address::Unspecified | Address::Unnamed => Ok(()),
        }
    }
}

fn bind_path(
    k: &mut Kernel,
    cx: &mut Cx,
    id: SocketId,
    mut path: Vec<u8>,
    mode: u32,
) -> Result<(), Stop> {
    let at = parent(k, cx, super::place::FDCWD, &path)?;
    let mount = at.dir.mount;
    let (above, name) = new_name(k, at, false).map_err(|errno| match errno {
        Errno::EEXIST => Errno::EADDRINUSE,
        other => other,
    })?;
    let mode = mode & !files::context(k, cx.task)?.umask;
    path.push(0);
    let (mut st, actor) = act(k, cx)?;
    let inode = dir::make(&mut st, &actor, above, &name, What::Socket, mode)?;
    let node = Node::Inode(inode);
    let place = k.fs.hold_pos(Pos { mount, node }).ok_or(Errno::ENOENT)?;
    Ok(names::bind_file(k, id, path.as_slice().into(), place)?)
}

/// Where a call tells an address: prepared.
pub(super) struct AddressOut {
    address: UserOut,
    len: UserOut,
}

impl AddressOut {
    /// Nowhere.
    pub(super) const NONE: AddressOut = AddressOut {
        address: UserOut::NONE,
        len: UserOut::NONE,
    };

    /// At `addr`, for as much as the number at `len` says there is room for.
    pub(super) fn prepare(
        k: &mut Kernel,
        cx: &mut Cx,
        addr: u64,
        len: u64,
    ) -> Result<AddressOut, Stop> {
        let room = user::read_u32(k, cx, len)? as i32;
        let room = u64::try_from(room).map_err(|_| Errno::EINVAL)?;
        Ok(AddressOut {
            address: user::prepare(k, cx, addr, room.min(STORAGE))?,
            len: user::prepare(k, cx, len, 4)?,
        })
    }

    /// As [`AddressOut::prepare`], where the caller need not want an address.
    pub(super) fn wanted(
        k: &mut Kernel,
        cx: &mut Cx,
        addr: u64,
        len: u64,
    ) -> Result<AddressOut, Stop> {
        match addr {
            0 => Ok(AddressOut::NONE),
            addr => AddressOut::prepare(k, cx, addr, len),
        }
    }

    /// Tells an address, as much of it as there is room for, and its length.
    pub(super) fn put(&self, k: &mut Kernel, cx: &mut Cx, address: &[u8]) {
        if self.len.is_empty() {
            return;
        }
        let room = self.address.len() as usize;
        let part = address.get(..room).unwrap_or(address);
        user::put(k, cx, &self.address, 0, part);
        user::put(k, cx, &self.len, 0, &(address.len() as u32).to_le_bytes());
    }
}

/// struct sockaddr_un.
pub(super) fn sockaddr(name: Option<&Name>) -> Vec<u8> {
    let mut address = (sock::AF_UNIX as u16).to_le_bytes().to_vec();
    address.extend_from_slice(name.map_or(&[], |name| name));
    address
}

/// The address that a message came from; nothing when its sender has no name.
pub(super) fn source(name: Option<&Name>) -> Vec<u8> {
    name.map_or_else(Vec::new, |name| sockaddr(Some(name)))
}
