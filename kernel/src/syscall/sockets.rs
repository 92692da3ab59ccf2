//! Sockets (socket(2), unix(7)).

use super::Line;
use super::address::{Address, AddressOut, sockaddr};
use super::messages;
use super::place::act;
use crate::arena::Held;
use crate::cgroup::GroupId;
use crate::error::{Call, Errno, Stop};
use crate::fs::home::{self, Home};
use crate::fs::inode::What;
use crate::fs::open::{self, FileKind};
use crate::fs::{FileId, Node, Store};
use crate::mm::user;
use crate::net::credentials::Credentials;
use crate::net::{self, Shut, SocketId, Type, connect, names, pair};
use crate::task::files;
use crate::wait::WaitKey;
use crate::{Cx, Kernel, io};
use alloc::boxed::Box;
use alloc::vec::Vec;
use linux_raw_sys::{general as linux, net as sock};

pub(super) const CALLS: &[Line] = &[
    (linux::__NR_socket, "socket", socket),
    (linux::__NR_socketpair, "socketpair", socketpair),
    (linux::__NR_bind, "bind", bind),
    (linux::__NR_listen, "listen", listen),
    (linux::__NR_connect, "connect", connect),
    (linux::__NR_accept, "accept", accept),
    (linux::__NR_accept4, "accept4", accept4),
    (linux::__NR_sendto, "sendto", messages::sendto),
    (linux::__NR_recvfrom, "recvfrom", messages::recvfrom),
    (linux::__NR_sendmsg, "sendmsg", messages::sendmsg),
    (linux::__NR_recvmsg, "recvmsg", messages::recvmsg),
    (linux::__NR_setsockopt, "setsockopt", super::sockopt::set),
    (linux::__NR_getsockopt, "getsockopt", super::sockopt::get),
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

/// A socket that could not be opened, and why.
type Refused = Box<(Stop, Held<SocketId>)>;

/// An open file for a socket, which ends with it.
fn open(
    k: &mut Kernel,
    cx: &Cx,
    socket: Held<SocketId>,
    flags: u32,
) -> Result<Held<FileId>, Refused> {
    let placed = act(k, cx).map_err(Stop::from).and_then(|(mut st, actor)| {
        let made = home::make(&mut st, &actor, Home::Sockets, What::Socket, 0o777)?;
        Ok((made, actor.group))
    });
    let ((inode, location), group) = match placed {
        Ok(placed) => placed,
        Err(stop) => return Err(Box::new((stop, socket))),
    };
    let ino = k.fs.inode(inode.key()).map_or(0, |inode| inode.ino);
    if let Ok(socket) = k.net.socket_mut(socket.key()) {
        socket.ino = ino;
    }
    let status = linux::O_RDWR | (flags & NONBLOCK);
    let kind = FileKind::Socket(k.net.sockets.share(&socket));
    let opened = open::insert(&mut Store::of(k), group, kind, location, status);
    Store::of(k).release_inode(inode);
    let (opened, spare) = match opened {
        Ok(file) => (Ok(file), Some(socket)),
        Err(refused) => match *refused {
            (stop, FileKind::Socket(again)) => (Err(Box::new((stop, socket))), Some(again)),
            (stop, _) => (Err(Box::new((stop, socket))), None),
        },
    };
    // One of two references.
    if let Some(gone) = spare.and_then(|spare| k.net.sockets.release(spare)) {
        k.groups.give_back(gone.1);
    }
    opened
}

/// As [`open`], for a new socket, which is lost if it cannot be opened.
fn open_new(
    k: &mut Kernel,
    cx: &Cx,
    kind: Type,
    flags: u32,
) -> Result<(SocketId, Held<FileId>), Stop> {
    let group = group(k, cx)?;
    let socket = net::create(k, group, kind)?;
    let id = socket.key();
    match open(k, cx, socket, flags) {
        Ok(file) => Ok((id, file)),
        Err(refused) => {
            let (stop, socket) = *refused;
            io::drop_socket(k, socket);
            Err(stop)
        }
    }
}

fn group(k: &Kernel, cx: &Cx) -> Result<GroupId, Errno> {
    Ok(k.tasks.task(cx.task)?.group.key())
}

fn socket(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (kind, flags) = sort(a[0], a[1], a[2])?;
    let fd = files::room(k, cx.task, 0)?;
    let (_, file) = open_new(k, cx, kind, flags)?;
    files::put(k, cx.task, fd, file, flags & CLOEXEC != 0);
    Ok(u64::from(fd))
}

fn socketpair(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (kind, flags) = sort(a[0], a[1], a[2])?;
    let out = user::prepare(k, cx, a[3], 8)?;
    let first = files::room(k, cx.task, 0)?;
    let second = files::room(k, cx.task, u64::from(first) + 1)?;
    let maker = Credentials::effective(k, cx.task)?;
    let (one_id, one) = open_new(k, cx, kind, flags)?;
    let (other_id, other) = match open_new(k, cx, kind, flags) {
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
pub(super) fn find(k: &Kernel, cx: &Cx, fd: u64) -> Result<(SocketId, bool), Errno> {
    let file = k.fs.file(files::file(k, cx.task, fd)?)?;
    match &file.kind {
        FileKind::Socket(socket) => Ok((socket.key(), file.nonblocking())),
        _ => Err(Errno::ENOTSOCK),
    }
}

fn bind(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (id, _) = find(k, cx, a[0])?;
    let address = Address::read(k, cx, a[1], a[2])?;
    let file = k.fs.file(files::file(k, cx.task, a[0])?)?;
    let mode = match file.at.pos().node {
        Node::Inode(inode) => k.fs.inode(inode)?.mode,
        Node::View(_) => 0o777,
    };
    address.bind(k, cx, id, mode)?;
    Ok(0)
}

fn listen(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (id, _) = find(k, cx, a[0])?;
    let who = Credentials::effective(k, cx.task)?;
    connect::listen(k, id, a[1] as u32 as usize, who)?;
    Ok(0)
}

fn connect(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (id, nonblocking) = find(k, cx, a[0])?;
    let address = Address::read(k, cx, a[1], a[2])?;
    let socket = k.net.socket(id)?;
    let (kind, timeout) = (socket.kind, socket.options.send_timeout);
    if !matches!(address, Address::Unspecified) && socket.options.pass_credentials {
        names::autobind(k, id)?;
    }
    if !kind.connects() {
        let to = match address {
            Address::Unspecified => None,
            address => Some(address.find(k, cx, kind)?),
        };
        let rest = connect::set_default(k, id, to)?;
        io::discard(k, rest);
        return Ok(0);
    }
    let listener = address.find(k, cx, kind)?;
    if !connect::may_connect(k, id, listener)? {
        return Err(io::wait_socket(
            cx,
            WaitKey::SocketRoom(listener),
            nonblocking,
            timeout,
        ));
    }
    let who = Credentials::effective(k, cx.task)?;
    let group = group(k, cx)?;
    let near = net::create(k, group, kind)?;
    if let Some(near) = connect::connect(k, id, listener, near, who) {
        io::drop_socket(k, near);
        return Err(Errno::ECONNREFUSED.into());
    }
    Ok(0)
}

fn accept(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    accept_with(k, cx, a, 0)
}

fn accept4(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    accept_with(k, cx, a, a[3] as u32)
}

fn accept_with(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6], flags: u32) -> Call {
    if flags & !(CLOEXEC | NONBLOCK) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let (id, nonblocking) = find(k, cx, a[0])?;
    let fd = files::room(k, cx.task, 0)?;
    if !connect::waits(k, id)? {
        let timeout = k.net.socket(id)?.options.receive_timeout;
        return Err(io::wait_socket(
            cx,
            WaitKey::SocketData(id),
            nonblocking,
            timeout,
        ));
    }
    let out = AddressOut::wanted(k, cx, a[1], a[2])?;
    let near = connect::accept(k, id).ok_or(Errno::EAGAIN)?;
    let address = peer_address(k, near.key()).unwrap_or_else(|_| sockaddr(None));
    let file = match open(k, cx, near, flags) {
        Ok(file) => file,
        Err(refused) => {
            let (stop, near) = *refused;
            if let Some(near) = connect::put_back(k, id, near) {
                io::drop_socket(k, near);
            }
            return Err(stop);
        }
    };
    out.put(k, cx, &address);
    files::put(k, cx.task, fd, file, flags & CLOEXEC != 0);
    Ok(u64::from(fd))
}

fn getsockname(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (id, _) = find(k, cx, a[0])?;
    let address = sockaddr(k.net.socket(id)?.name.as_ref());
    let out = AddressOut::prepare(k, cx, a[1], a[2])?;
    out.put(k, cx, &address);
    Ok(0)
}

fn getpeername(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (id, _) = find(k, cx, a[0])?;
    let address = peer_address(k, id)?;
    let out = AddressOut::prepare(k, cx, a[1], a[2])?;
    out.put(k, cx, &address);
    Ok(0)
}

/// The address of the other end, which may be gone.
fn peer_address(k: &Kernel, id: SocketId) -> Result<Vec<u8>, Errno> {
    let socket = k.net.socket(id)?;
    let peer = socket.link_to().ok_or(Errno::ENOTCONN)?;
    Ok(match k.net.sockets.get(peer) {
        Some(peer) => sockaddr(peer.name.as_ref()),
        None => sockaddr(socket.peer_name.as_ref()),
    })
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
