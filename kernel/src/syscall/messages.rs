//! Sending and receiving on sockets (send(2), recv(2), cmsg(3)).

use super::address::{Address, AddressOut, source};
use super::sockets::find;
use crate::error::{Call, Errno, Stop};
use crate::fs::FileId;
use crate::mm::user;
use crate::net::credentials::{self, Credentials};
use crate::net::flight::FILES_MAX;
use crate::net::{SocketId, names};
use crate::ns::PidNsId;
use crate::task::{files, pid};
use crate::wire::{get_u32, get_u64};
use crate::{Cx, Kernel, io};
use alloc::vec::Vec;
use linux_raw_sys::{general as linux, net as sock};

/// Bytes of control messages that one message has at the most
/// (/proc/sys/net/core/optmem_max).
const CONTROL_MAX: u64 = 20480;
/// Bytes of struct cmsghdr, of the credentials in one, and of both with padding.
const CMSG: usize = 16;
const UCRED: usize = 12;
const UCRED_SPACE: usize = 32;
/// Bytes of control messages that are told at the most.
const TOLD_MAX: usize = UCRED_SPACE + CMSG + 4 * FILES_MAX + 4;

/// Where fields of struct msghdr are, and its size in bytes.
const NAME_LEN: u64 = 8;
const CONTROL_LEN: u64 = 40;
const FLAGS: u64 = 48;
const HEADER: usize = 56;

/// struct msghdr.
struct Header {
    name: u64,
    name_len: u32,
    segments: Vec<io::Segment>,
    control: u64,
    control_len: u64,
}

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
        let (control, control_len) = (get_u64(&bytes, 32), get_u64(&bytes, 40));
        Ok(Header {
            name,
            name_len,
            segments: user::iovecs(k, cx, get_u64(&bytes, 16), count)?,
            control,
            control_len: if control == 0 { 0 } else { control_len },
        })
    }
}

pub(super) fn sendto(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (id, nonblocking) = find(k, cx, a[0])?;
    user::check(a[1], a[2])?;
    let mut message = io::Outgoing {
        flags: a[3] as u32,
        nonblocking,
        ..io::Outgoing::default()
    };
    if a[4] != 0 {
        address_to(k, cx, id, (a[4], a[5]), &mut message)?;
    }
    io::send(k, cx, id, &[(a[1], a[2])], &message)
}

/// Whom a message is for. Only datagrams are sent to somebody else each.
fn address_to(
    k: &mut Kernel,
    cx: &mut Cx,
    id: SocketId,
    (addr, len): (u64, u64),
    message: &mut io::Outgoing,
) -> Result<(), Stop> {
    let kind = k.net.socket(id)?.kind;
    if kind.connects() {
        message.addressed = len as u32 != 0;
        return Ok(());
    }
    if len as u32 == 0 {
        return Ok(());
    }
    let address = Address::read(k, cx, addr, len)?;
    if k.net.socket(id)?.options.pass_credentials {
        names::autobind(k, id)?;
    }
    message.to = Some(address.find(k, cx, kind)?);
    Ok(())
}

pub(super) fn recvfrom(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (id, nonblocking) = find(k, cx, a[0])?;
    user::check(a[1], a[2])?;
    let out = AddressOut::wanted(k, cx, a[4], a[5])?;
    let how = io::Incoming {
        flags: a[3] as u32,
        nonblocking,
        descriptors: 0,
    };
    let received = io::receive(k, cx, id, &[(a[1], a[2])], &how)?;
    out.put(k, cx, &source(received.from.as_ref()));
    Ok(received.len)
}

pub(super) fn sendmsg(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (id, nonblocking) = find(k, cx, a[0])?;
    let (header, flags) = (Header::read(k, cx, a[1])?, a[2] as u32);
    let mut message = io::Outgoing {
        flags,
        nonblocking,
        ..io::Outgoing::default()
    };
    read_control(k, cx, &header, &mut message)?;
    let address = (header.name, u64::from(header.name_len));
    address_to(k, cx, id, address, &mut message)?;
    io::send(k, cx, id, &header.segments, &message)
}

/// Takes the control messages of a message apart.
fn read_control(
    k: &mut Kernel,
    cx: &mut Cx,
    header: &Header,
    message: &mut io::Outgoing,
) -> Result<(), Stop> {
    if header.control_len > CONTROL_MAX {
        return Err(Errno::ENOBUFS.into());
    }
    let mut bytes = Vec::new();
    let len = header.control_len as usize;
    bytes.try_reserve_exact(len).map_err(|_| Errno::ENOBUFS)?;
    bytes.resize(len, 0);
    user::copy_in(k, cx, header.control, &mut bytes)?;
    let mut rest = &bytes[..];
    while rest.len() >= CMSG {
        let len = usize::try_from(get_u64(rest, 0)).map_err(|_| Errno::EINVAL)?;
        let data = rest.get(CMSG..len).ok_or(Errno::EINVAL)?;
        if get_u32(rest, 8) == sock::SOL_SOCKET {
            match get_u32(rest, 12) {
                sock::SCM_RIGHTS => add_files(k, cx, data, &mut message.files)?,
                sock::SCM_CREDENTIALS => {
                    message.credentials = Some(read_credentials(k, cx, data)?);
                }
                _ => return Err(Errno::EINVAL.into()),
            }
        }
        rest = rest.get(len.next_multiple_of(8)..).unwrap_or(&[]);
    }
    Ok(())
}

fn add_files(k: &Kernel, cx: &Cx, data: &[u8], to: &mut Vec<FileId>) -> Result<(), Errno> {
    let descriptors = data.chunks_exact(4);
    if to.len() + descriptors.len() > FILES_MAX {
        return Err(Errno::EINVAL);
    }
    for descriptor in descriptors {
        let fd = u64::from(get_u32(descriptor, 0));
        to.push(files::any_file(k, cx.task, fd)?);
    }
    Ok(())
}

/// struct ucred of a sender, which may not tell lies unless it has capabilities (unix(7),
/// SCM_CREDENTIALS).
fn read_credentials(k: &Kernel, cx: &Cx, data: &[u8]) -> Result<Credentials, Errno> {
    if data.len() != UCRED {
        return Err(Errno::EINVAL);
    }
    let (number, uid, gid) = (get_u32(data, 0), get_u32(data, 4), get_u32(data, 8));
    let task = k.tasks.task(cx.task)?;
    let cred = &task.cred;
    let ns = pid::namespace_of(&k.tasks, task.process).ok_or(Errno::ESRCH)?;
    let own = pid::process_number(&k.tasks, task.process, ns) == number;
    let honest = (own || cred.capable(linux::CAP_SYS_ADMIN))
        && ([cred.uid, cred.euid, cred.suid].contains(&uid) || cred.capable(linux::CAP_SETUID))
        && ([cred.gid, cred.egid, cred.sgid].contains(&gid) || cred.capable(linux::CAP_SETGID));
    if !honest {
        return Err(Errno::EPERM);
    }
    let process = match own {
        true => task.process,
        false => pid::find_process(k, ns, number).ok_or(Errno::ESRCH)?,
    };
    if uid == u32::MAX || gid == u32::MAX {
        return Err(Errno::EINVAL);
    }
    Credentials::of(k, process, uid, gid)
}

/// Control messages that a call tells, as far as there is room.
struct Control {
    bytes: Vec<u8>,
    room: usize,
    truncated: bool,
}

impl Control {
    /// Adds one; what there is no room for is cut off (recvmsg(2), MSG_CTRUNC).
    fn add(&mut self, kind: u32, data: &[u8]) {
        let left = self.room.saturating_sub(self.bytes.len());
        let whole = CMSG + data.len();
        let len = whole.min(left);
        self.truncated |= len < whole;
        if len < CMSG {
            return;
        }
        let end = self.bytes.len() + len.next_multiple_of(8).min(left);
        self.bytes.extend_from_slice(&(len as u64).to_le_bytes());
        self.bytes
            .extend_from_slice(&sock::SOL_SOCKET.to_le_bytes());
        self.bytes.extend_from_slice(&kind.to_le_bytes());
        let part = data.get(..len - CMSG).unwrap_or(data);
        self.bytes.extend_from_slice(part);
        self.bytes.resize(end, 0);
    }
}

pub(super) fn recvmsg(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (id, nonblocking) = find(k, cx, a[0])?;
    let (at, flags) = (a[1], a[2] as u32);
    let header = Header::read(k, cx, at)?;
    let address = AddressOut::wanted(k, cx, header.name, at.saturating_add(NAME_LEN))?;
    let out = user::prepare(k, cx, at, HEADER as u64)?;
    let room = header.control_len.min(TOLD_MAX as u64);
    let control_out = user::prepare(k, cx, header.control, room)?;
    let passes = k.net.socket(id)?.options.pass_credentials;
    let for_files = room as usize
        - if passes {
            UCRED_SPACE.min(room as usize)
        } else {
            0
        };
    let how = io::Incoming {
        flags,
        nonblocking,
        descriptors: for_files.saturating_sub(CMSG) / 4,
    };
    let received = io::receive(k, cx, id, &header.segments, &how)?;
    let control = tell_control(k, cx, passes, &received, room as usize);
    let mut bits = flags & sock::MSG_CMSG_CLOEXEC;
    for (is_so, bit) in [
        (received.truncated, sock::MSG_TRUNC),
        (control.truncated, sock::MSG_CTRUNC),
    ] {
        bits |= if is_so { bit } else { 0 };
    }
    address.put(k, cx, &source(received.from.as_ref()));
    user::put(k, cx, &control_out, 0, &control.bytes);
    user::put(k, cx, &out, FLAGS, &bits.to_le_bytes());
    let used = control.bytes.len() as u64;
    user::put(k, cx, &out, CONTROL_LEN, &used.to_le_bytes());
    Ok(received.len)
}

/// What came along, as control messages.
fn tell_control(
    k: &Kernel,
    cx: &Cx,
    passes: bool,
    received: &io::Received,
    room: usize,
) -> Control {
    let mut control = Control {
        bytes: Vec::new(),
        room,
        truncated: false,
    };
    if passes {
        let record = match &received.credentials {
            Some(who) => who.record(namespace(k, cx)),
            None => credentials::unknown(),
        };
        control.add(sock::SCM_CREDENTIALS, &record);
    }
    if received.has_files && !received.descriptors.is_empty() {
        let descriptors = received.descriptors.iter();
        let bytes: Vec<u8> = descriptors.flat_map(|fd| fd.to_le_bytes()).collect();
        control.add(sock::SCM_RIGHTS, &bytes);
    }
    control.truncated |= received.files_lost;
    control
}

/// The pid namespace in which the caller is told of others.
pub(super) fn namespace(k: &Kernel, cx: &Cx) -> Option<PidNsId> {
    let task = k.tasks.task(cx.task).ok()?;
    pid::namespace_of(&k.tasks, task.process)
}
