//! Sockets (socket(2), unix(7)).

use super::Line;
use super::place::act;
use crate::arena::Held;
use crate::error::{Call, Errno, Stop};
use crate::fs::home::{self, Home};
use crate::fs::inode::What;
use crate::fs::open::{self, FileKind};
use crate::fs::{FileId, Store};
use crate::mm::user;
use crate::net::credentials::Credentials;
use crate::net::{self, Shut, SocketId, Type, names, pair};
use crate::task::files;
use crate::wire::{get_u32, get_u64};
use crate::{Cx, Kernel, io};
use linux_raw_sys::{general as linux, net as sock};

pub(super) const CALLS: &[Line] = &[
    (linux::__NR_socket, "socket", socket),
    (linux::__NR_socketpair, "socketpair", socketpair),
    (linux::__NR_sendto, "sendto", sendto),
    (linux::__NR_recvfrom, "recvfrom", recvfrom),
    (linux::__NR_sendmsg, "sendmsg", sendmsg),
    (linux::__NR_recvmsg, "recvmsg", recvmsg),
    (linux::__NR_shutdown, "shutdown", shutdown),
    (linux::__NR_getsockname, "getsockname", getsockname),
    (linux::__NR_getpeername, "getpeername", getpeername),
];

/// What the second argument of socket(2) has besides the type, as flags of open(2) are.
const CLOEXEC: u32 = linux::O_CLOEXEC;
const NONBLOCK: u32 = linux::O_NONBLOCK;

/// Families and types are below these.
const FAMILIES: u32 = 46;
const TYPES: u32 = 11;

/// The type and flags of a new socket.
fn sort(family: u64, sort: u64, protocol: u64) -> Result<(Type, u32), Errno> {
    let (family, sort) = (family as u32, sort as u32);
    let (kind, flags) = (sort & 0xf, sort & !0xf);
    if flags & !(CLOEXEC | NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    if family >= FAMILIES {
        return Err(Errno::EAFNOSUPPORT);
    }
    if kind >= TYPES {
        return Err(Errno::EINVAL);
    }
    if family != sock::AF_UNIX {
        return Err(Errno::EAFNOSUPPORT);
    }
    if ![0, sock::AF_UNIX].contains(&(protocol as u32)) {
        return Err(Errno::EPROTONOSUPPORT);
    }
    Ok((Type::of(kind)?, flags))
}

/// An open file for a socket, which ends with it; and at once when there is no memory.
fn open(k: &mut Kernel, cx: &Cx, socket: Held<SocketId>, flags: u32) -> Result<Held<FileId>, Stop> {
    let placed = act(k, cx).map_err(Stop::from).and_then(|(mut st, actor)| {
        let made = home::make(&mut st, &actor, Home::Sockets, What::Socket, 0o777)?;
        Ok((made, actor.group))
    });
    let ((inode, location), group) = match placed {
        Ok(placed) => placed,
        Err(stop) => {
            io::drop_socket(k, socket);
            return Err(stop);
        }
    };
    let status = linux::O_RDWR | (flags & NONBLOCK);
    let kind = FileKind::Socket(socket);
    let opened = open::insert(&mut Store::of(k), group, kind, location, status);
    Store::of(k).release_inode(inode);
    opened.map_err(|refused| {
        let (stop, kind) = *refused;
        if let FileKind::Socket(socket) = kind {
            io::drop_socket(k, socket);
        }
        stop
    })
}

fn group(k: &Kernel, cx: &Cx) -> Result<crate::cgroup::GroupId, Errno> {
    Ok(k.tasks.task(cx.task)?.group.key())
}

fn socket(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (kind, flags) = sort(a[0], a[1], a[2])?;
    let fd = files::room(k, cx.task, 0)?;
    let group = group(k, cx)?;
    let made = net::create(k, group, kind)?;
    let file = open(k, cx, made, flags)?;
    files::put(k, cx.task, fd, file, flags & CLOEXEC != 0);
    Ok(u64::from(fd))
}

fn socketpair(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (kind, flags) = sort(a[0], a[1], a[2])?;
    let out = user::prepare(k, cx, a[3], 8)?;
    let first = files::room(k, cx.task, 0)?;
    let second = files::room(k, cx.task, u64::from(first) + 1)?;
    let group = group(k, cx)?;
    let maker = Credentials::effective(k, cx.task)?;
    let one = net::create(k, group, kind)?;
    let one_id = one.key();
    let one = open(k, cx, one, flags)?;
    let made = net::create(k, group, kind).map_err(Stop::from);
    let made = made.and_then(|other| Ok((other.key(), open(k, cx, other, flags)?)));
    let (other_id, other) = match made {
        Ok(made) => made,
        Err(stop) => {
            io::release(k, one);
            return Err(stop);
        }
    };
    pair::join(k, one_id, other_id, &maker);
    for (fd, file) in [(first, one), (second, other)] {
        files::put(k, cx.task, fd, file, flags & CLOEXEC != 0);
    }
    user::put(k, cx, &out, 0, &first.to_le_bytes());
    user::put(k, cx, &out, 4, &second.to_le_bytes());
    Ok(0)
}

/// A descriptor that is a socket: it, and whether its calls do not wait.
fn find(k: &Kernel, cx: &Cx, fd: u64) -> Result<(SocketId, bool), Errno> {
    let file = k.fs.file(files::file(k, cx.task, fd)?)?;
    match &file.kind {
        FileKind::Socket(socket) => Ok((socket.key(), file.nonblocking())),
        _ => Err(Errno::ENOTSOCK),
    }
}

/// Bytes of struct sockaddr_un at the most, and of its family.
const ADDRESS_MAX: usize = FAMILY + names::NAME_MAX;
const FAMILY: usize = 2;

/// Where a call tells an address: prepared.
struct AddressOut {
    address: user::UserOut,
    len: user::UserOut,
}

impl AddressOut {
    const NONE: AddressOut = AddressOut {
        address: user::UserOut::NONE,
        len: user::UserOut::NONE,
    };

    /// At `addr`, for as much as the number at `len` says there is room for.
    fn prepare(k: &mut Kernel, cx: &mut Cx, addr: u64, len: u64) -> Result<AddressOut, Stop> {
        let room = user::read_u32(k, cx, len)? as i32;
        let room = u64::try_from(room).map_err(|_| Errno::EINVAL)?;
        Ok(AddressOut {
            address: user::prepare(k, cx, addr, room.min(ADDRESS_MAX as u64))?,
            len: user::prepare(k, cx, len, 4)?,
        })
    }

    /// As [`AddressOut::prepare`], where the caller need not want an address.
    fn wanted(k: &mut Kernel, cx: &mut Cx, addr: u64, len: u64) -> Result<AddressOut, Stop> {
        match addr {
            0 => Ok(AddressOut::NONE),
            addr => AddressOut::prepare(k, cx, addr, len),
        }
    }

    /// Tells an address, as much of it as there is room for, and its length.
    fn put(&self, k: &mut Kernel, cx: &mut Cx, address: &[u8]) {
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
fn sockaddr(name: Option<&names::Name>) -> alloc::vec::Vec<u8> {
    let mut address = (sock::AF_UNIX as u16).to_le_bytes().to_vec();
    address.extend_from_slice(name.map_or(&[], |name| name));
    address
}

fn getsockname(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (id, _) = find(k, cx, a[0])?;
    let out = AddressOut::prepare(k, cx, a[1], a[2])?;
    let address = sockaddr(k.net.socket(id)?.name.as_ref());
    out.put(k, cx, &address);
    Ok(0)
}

fn getpeername(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (id, _) = find(k, cx, a[0])?;
    let socket = k.net.socket(id)?;
    let peer = socket.link_to().ok_or(Errno::ENOTCONN)?;
    let address = match k.net.sockets.get(peer) {
        Some(peer) => sockaddr(peer.name.as_ref()),
        None => sockaddr(socket.peer_name.as_ref()),
    };
    let out = AddressOut::prepare(k, cx, a[1], a[2])?;
    out.put(k, cx, &address);
    Ok(0)
}

fn shutdown(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (id, _) = find(k, cx, a[0])?;
    let how = match a[1] as u32 {
        sock::SHUT_RD => Shut::READ,
        sock::SHUT_WR => Shut::WRITE,
        sock::SHUT_RDWR => Shut::all(),
        _ => return Err(Errno::EINVAL.into()),
    };
    pair::shutdown(k, id, how)?;
    Ok(0)
}

fn sendto(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (id, nonblocking) = find(k, cx, a[0])?;
    user::check(a[1], a[2])?;
    let message = io::Outgoing {
        flags: a[3] as u32,
        nonblocking,
        ..io::Outgoing::default()
    };
    io::send(k, cx, id, &[(a[1], a[2])], &message)
}

fn recvfrom(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (id, nonblocking) = find(k, cx, a[0])?;
    user::check(a[1], a[2])?;
    let out = AddressOut::wanted(k, cx, a[4], a[5])?;
    let how = io::Incoming {
        flags: a[3] as u32,
        nonblocking,
    };
    let received = io::receive(k, cx, id, &[(a[1], a[2])], &how)?;
    out.put(k, cx, &source(received.came.from.as_ref()));
    let len = received.len;
    io::drop_files(k, received);
    Ok(len)
}

/// The address that a message came from; nothing when its sender has no name.
fn source(name: Option<&names::Name>) -> alloc::vec::Vec<u8> {
    name.map_or_else(alloc::vec::Vec::new, |name| sockaddr(Some(name)))
}

/// struct msghdr.
struct Header {
    at: u64,
    name: u64,
    name_len: u32,
    segments: alloc::vec::Vec<io::Segment>,
    control: u64,
    control_len: u64,
}

/// Where its fields are, and its size in bytes.
const NAME_LEN: u64 = 8;
const CONTROL_LEN: u64 = 40;
const FLAGS: u64 = 48;
const HEADER: usize = 56;

impl Header {
    fn read(k: &mut Kernel, cx: &mut Cx, at: u64) -> Result<Header, Stop> {
        let mut bytes = [0; HEADER];
        user::copy_in(k, cx, at, &mut bytes)?;
        let (name, count) = (get_u64(&bytes, 0), get_u64(&bytes, 24));
        let name_len = if name == 0 { 0 } else { get_u32(&bytes, 8) };
        if (name_len as i32) < 0 {
            return Err(Errno::EINVAL.into());
        }
        if count > user::IOV_MAX {
            return Err(Errno::EMSGSIZE.into());
        }
        Ok(Header {
            at,
            name,
            name_len,
            segments: user::iovecs(k, cx, get_u64(&bytes, 16), count)?,
            control: get_u64(&bytes, 32),
            control_len: get_u64(&bytes, 40),
        })
    }
}

fn sendmsg(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (id, nonblocking) = find(k, cx, a[0])?;
    let header = Header::read(k, cx, a[1])?;
    if (header.control != 0 && header.control_len > 0) || header.name_len > 0 {
        return Err(Errno::EOPNOTSUPP.into());
    }
    let message = io::Outgoing {
        flags: a[2] as u32,
        nonblocking,
        ..io::Outgoing::default()
    };
    io::send(k, cx, id, &header.segments, &message)
}

fn recvmsg(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (id, nonblocking) = find(k, cx, a[0])?;
    let header = Header::read(k, cx, a[1])?;
    let address = AddressOut::wanted(k, cx, header.name, header.at + NAME_LEN)?;
    let out = user::prepare(k, cx, header.at, HEADER as u64)?;
    let flags = a[2] as u32;
    let how = io::Incoming { flags, nonblocking };
    let received = io::receive(k, cx, id, &header.segments, &how)?;
    address.put(k, cx, &source(received.came.from.as_ref()));
    let mut told = flags & sock::MSG_CMSG_CLOEXEC;
    if received.truncated {
        told |= sock::MSG_TRUNC;
    }
    user::put(k, cx, &out, FLAGS, &told.to_le_bytes());
    user::put(k, cx, &out, CONTROL_LEN, &0u64.to_le_bytes());
    let len = received.len;
    io::drop_files(k, received);
    Ok(len)
}
