//! Many messages in one call, and options of sockets as bytes.

use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;

use crate::raw::last_errno;

/// A struct mmsghdr with one part, which the caller keeps.
fn header(part: &mut libc::iovec) -> libc::mmsghdr {
    // SAFETY: all zeros are a header without anything.
    let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
    header.msg_hdr.msg_iov = part;
    header.msg_hdr.msg_iovlen = 1;
    header
}

fn count(raw: libc::c_long) -> Result<usize, Errno> {
    usize::try_from(raw).map_err(|_| last_errno())
}

/// Makes sendmmsg(2); returns the bytes that were sent of each message.
///
/// # Errors
/// See sendmmsg(2).
pub fn send_many(fd: BorrowedFd<'_>, all: &[&[u8]], flags: i32) -> Result<Vec<u32>, Errno> {
    let mut parts: Vec<libc::iovec> = all
        .iter()
        .map(|bytes| libc::iovec {
            iov_base: bytes.as_ptr().cast_mut().cast(),
            iov_len: bytes.len(),
        })
        .collect();
    let mut headers: Vec<libc::mmsghdr> = parts.iter_mut().map(header).collect();
    let (fd, len) = (fd.as_raw_fd(), headers.len());
    // SAFETY: there are as many headers as the call is told, and their parts are slices that are
    // only read.
    let sent = unsafe { libc::syscall(libc::SYS_sendmmsg, fd, headers.as_mut_ptr(), len, flags) };
    let sent = headers.iter().take(count(sent)?);
    Ok(sent.map(|header| header.msg_len).collect())
}

/// Makes recvmmsg(2) for `most` messages of 64 bytes at the most, and for so long (seconds and
/// nanoseconds); returns the messages and the time as it was told.
///
/// # Errors
/// See recvmmsg(2).
#[allow(clippy::type_complexity)]
pub fn receive_many(
    fd: BorrowedFd<'_>,
    most: usize,
    flags: i32,
    time: Option<[i64; 2]>,
) -> Result<(Vec<Vec<u8>>, Option<[i64; 2]>), Errno> {
    let mut room = vec![[0u8; 64]; most];
    let mut parts: Vec<libc::iovec> = room
        .iter_mut()
        .map(|room| libc::iovec {
            iov_base: room.as_mut_ptr().cast(),
            iov_len: room.len(),
        })
        .collect();
    let mut headers: Vec<libc::mmsghdr> = parts.iter_mut().map(header).collect();
    let mut spec = time.map(|[tv_sec, tv_nsec]| libc::timespec { tv_sec, tv_nsec });
    let limit: *mut libc::timespec = match &mut spec {
        Some(spec) => spec,
        None => std::ptr::null_mut(),
    };
    let fd = fd.as_raw_fd();
    // SAFETY: there are as many headers as the call is told, their parts are arrays that nobody
    // else has, and the time is a record or absent.
    let got = unsafe {
        libc::syscall(
            libc::SYS_recvmmsg,
            fd,
            headers.as_mut_ptr(),
            most,
            flags,
            limit,
        )
    };
    let got = count(got)?;
    let messages = room.iter().zip(&headers).take(got);
    let messages = messages.map(|(room, header)| {
        let bytes = room.get(..header.msg_len as usize);
        bytes.unwrap_or(room).to_vec()
    });
    let told = spec.map(|spec| [spec.tv_sec, spec.tv_nsec]);
    Ok((messages.collect(), told))
}

/// Makes setsockopt(2) at level SOL_SOCKET with these bytes.
///
/// # Errors
/// See setsockopt(2).
pub fn set_option(fd: BorrowedFd<'_>, option: i32, value: &[u8]) -> Result<(), Errno> {
    let (fd, len) = (fd.as_raw_fd(), value.len() as u32);
    // SAFETY: the value is as long as the call is told.
    let done =
        unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, option, value.as_ptr().cast(), len) };
    count(done.into()).map(drop)
}

/// Makes getsockopt(2) at level SOL_SOCKET with room for 16 bytes.
///
/// # Errors
/// See getsockopt(2).
pub fn option(fd: BorrowedFd<'_>, option: i32) -> Result<Vec<u8>, Errno> {
    let mut room = [0u8; 16];
    let mut len = 16;
    let (fd, to) = (fd.as_raw_fd(), room.as_mut_ptr().cast());
    // SAFETY: the room is as long as the call is told.
    let done = unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, option, to, &raw mut len) };
    count(done.into())?;
    Ok(room.get(..len as usize).unwrap_or(&room).to_vec())
}
