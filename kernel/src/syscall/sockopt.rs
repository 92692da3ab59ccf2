//! Options of sockets (socket(7)).

use super::messages::namespace;
use super::place::require;
use super::sockets::find;
use crate::error::{Call, Errno, Stop};
use crate::mm::user;
use crate::net::{Link, SocketId, credentials};
use crate::wire::{get_u32, get_u64};
use crate::{Cx, Kernel};
use alloc::vec::Vec;
use linux_raw_sys::{general, net as linux};

/// Bytes that a buffer may be asked to hold (/proc/sys/net/core/wmem_max), and that it holds at
/// least; the kernel doubles what it is asked for.
const BUFFER_MAX: u32 = 212_992;
const SEND_MIN: usize = 4608;
const RECEIVE_MIN: usize = 2304;

const SECOND: u64 = 1_000_000_000;

pub(super) fn set(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (id, _) = find(k, cx, a[0])?;
    let (level, option, len) = (a[1] as u32, a[2] as u32, a[4] as u32);
    if (len as i32) < 0 {
        return Err(Errno::EINVAL.into());
    }
    if level != linux::SOL_SOCKET {
        return Err(Errno::EOPNOTSUPP.into());
    }
    if len < 4 {
        return Err(Errno::EINVAL.into());
    }
    match option {
        linux::SO_RCVTIMEO | linux::SO_RCVTIMEO_NEW => {
            let time = timeout(k, cx, a[3], len)?;
            k.net.socket_mut(id)?.options.receive_timeout = time;
        }
        linux::SO_SNDTIMEO | linux::SO_SNDTIMEO_NEW => {
            let time = timeout(k, cx, a[3], len)?;
            k.net.socket_mut(id)?.options.send_timeout = time;
        }
        linux::SO_LINGER => {
            if len < 8 {
                return Err(Errno::EINVAL.into());
            }
            let mut both = [0; 8];
            user::copy_in(k, cx, a[3], &mut both)?;
            let linger = &mut k.net.socket_mut(id)?.options.linger;
            *linger = match get_u32(&both, 0) {
                0 => (false, linger.1),
                _ => (true, get_u32(&both, 4)),
            };
        }
        _ => {
            let value = user::read_u32(k, cx, a[3])?;
            set_number(k, cx, id, option, value)?;
        }
    }
    Ok(0)
}

fn set_number(k: &mut Kernel, cx: &Cx, id: SocketId, option: u32, value: u32) -> Result<(), Errno> {
    let forced = [linux::SO_SNDBUFFORCE, linux::SO_RCVBUFFORCE].contains(&option);
    if forced {
        require(k, cx, general::CAP_NET_ADMIN)?;
    }
    let size = 2 * value.min(BUFFER_MAX) as usize;
    let options = &mut k.net.socket_mut(id)?.options;
    match option {
        linux::SO_SNDBUF | linux::SO_SNDBUFFORCE => options.send_limit = size.max(SEND_MIN),
        linux::SO_RCVBUF | linux::SO_RCVBUFFORCE => options.receive_limit = size.max(RECEIVE_MIN),
        linux::SO_PASSCRED => options.pass_credentials = value != 0,
        linux::SO_REUSEADDR => options.reuse_address = value != 0,
        linux::SO_KEEPALIVE => options.keep_alive = value != 0,
        linux::SO_BROADCAST => options.broadcast = value != 0,
        linux::SO_RCVLOWAT => {
            // A negative number is as much as can be.
            options.receive_least = value.clamp(1, i32::MAX as u32);
        }
        _ => return Err(Errno::ENOPROTOOPT),
    }
    Ok(())
}

/// Nanoseconds of a struct timeval; `None`, without end, for none. One before now is over at once.
fn timeout(k: &mut Kernel, cx: &mut Cx, addr: u64, len: u32) -> Result<Option<u64>, Stop> {
    if len < 16 {
        return Err(Errno::EINVAL.into());
    }
    let mut both = [0; 16];
    user::copy_in(k, cx, addr, &mut both)?;
    let (seconds, part) = (get_u64(&both, 0), get_u64(&both, 8));
    if part >= SECOND / 1000 {
        return Err(Errno::EDOM.into());
    }
    if (seconds as i64) < 0 {
        return Ok(Some(0));
    }
    let nanos = seconds.saturating_mul(SECOND).saturating_add(part * 1000);
    Ok(Some(nanos).filter(|nanos| *nanos != 0))
}

/// A struct timeval.
fn timeval(nanos: Option<u64>) -> Vec<u8> {
    let nanos = nanos.unwrap_or(0);
    let (seconds, part) = (nanos / SECOND, nanos % SECOND / 1000);
    [seconds.to_le_bytes(), part.to_le_bytes()].concat()
}

pub(super) fn get(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (id, _) = find(k, cx, a[0])?;
    let mut room = [0; 4];
    user::copy_in(k, cx, a[4], &mut room)?;
    let room = get_u32(&room, 0);
    if (room as i32) < 0 {
        return Err(Errno::EINVAL.into());
    }
    if a[1] as u32 != linux::SOL_SOCKET {
        return Err(Errno::EOPNOTSUPP.into());
    }
    let value = value(k, cx, id, a[2] as u32)?;
    let len = value.len().min(room as usize);
    let out = user::prepare(k, cx, a[3], len as u64)?;
    let len_out = user::prepare(k, cx, a[4], 4)?;
    if a[2] as u32 == linux::SO_ERROR {
        k.net.socket_mut(id)?.error = None;
    }
    user::put(k, cx, &out, 0, value.get(..len).unwrap_or(&value));
    user::put(k, cx, &len_out, 0, &(len as u32).to_le_bytes());
    Ok(0)
}

fn value(k: &Kernel, cx: &Cx, id: SocketId, option: u32) -> Result<Vec<u8>, Errno> {
    let socket = k.net.socket(id)?;
    let options = &socket.options;
    let number = match option {
        linux::SO_TYPE => socket.kind.number(),
        linux::SO_DOMAIN => linux::AF_UNIX,
        linux::SO_PROTOCOL => 0,
        linux::SO_ERROR => socket.error.map_or(0, |errno| u32::from(errno.0)),
        linux::SO_ACCEPTCONN => u32::from(matches!(socket.link, Link::Listening { .. })),
        linux::SO_SNDBUF => options.send_limit as u32,
        linux::SO_RCVBUF => options.receive_limit as u32,
        linux::SO_PASSCRED => u32::from(options.pass_credentials),
        linux::SO_REUSEADDR => u32::from(options.reuse_address),
        linux::SO_KEEPALIVE => u32::from(options.keep_alive),
        linux::SO_BROADCAST => u32::from(options.broadcast),
        linux::SO_RCVLOWAT => options.receive_least,
        linux::SO_LINGER => {
            let (is_on, seconds) = options.linger;
            return Ok([u32::from(is_on).to_le_bytes(), seconds.to_le_bytes()].concat());
        }
        linux::SO_RCVTIMEO | linux::SO_RCVTIMEO_NEW => {
            return Ok(timeval(options.receive_timeout));
        }
        linux::SO_SNDTIMEO | linux::SO_SNDTIMEO_NEW => return Ok(timeval(options.send_timeout)),
        linux::SO_PEERCRED => {
            let record = match &socket.peer {
                Some(who) => who.record(namespace(k, cx)),
                None => credentials::none(),
            };
            return Ok(record.to_vec());
        }
        _ => return Err(Errno::ENOPROTOOPT),
    };
    Ok(number.to_le_bytes().to_vec())
}
