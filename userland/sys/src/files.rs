//! Calls on files as they are, for who wants to know what the kernel says: old calls that libraries
//! no longer make, and flags that they would not let through.

use std::ffi::CStr;

use libc::c_long;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;

use crate::raw::last_errno;

/// Calls that take a path and numbers.
#[derive(Clone, Copy, Debug)]
pub enum ByPath {
    /// open(2): flags, mode.
    Open = libc::SYS_open as isize,
    /// creat(2): mode.
    Creat = libc::SYS_creat as isize,
    /// access(2): what for.
    Access = libc::SYS_access as isize,
    /// mkdir(2): mode.
    Mkdir = libc::SYS_mkdir as isize,
    /// rmdir(2).
    Rmdir = libc::SYS_rmdir as isize,
    /// unlink(2).
    Unlink = libc::SYS_unlink as isize,
    /// mknod(2): mode, device.
    Mknod = libc::SYS_mknod as isize,
    /// chmod(2): mode.
    Chmod = libc::SYS_chmod as isize,
    /// chown(2): user, group.
    Chown = libc::SYS_chown as isize,
    /// lchown(2): user, group.
    Lchown = libc::SYS_lchown as isize,
    /// truncate(2): size.
    Truncate = libc::SYS_truncate as isize,
    /// chdir(2).
    Chdir = libc::SYS_chdir as isize,
    /// chroot(2).
    Chroot = libc::SYS_chroot as isize,
}

/// Calls that take two paths.
#[derive(Clone, Copy, Debug)]
pub enum ByTwoPaths {
    /// link(2).
    Link = libc::SYS_link as isize,
    /// symlink(2).
    Symlink = libc::SYS_symlink as isize,
    /// rename(2).
    Rename = libc::SYS_rename as isize,
}

/// Calls that take a descriptor, a path from there, and numbers.
#[derive(Clone, Copy, Debug)]
pub enum ByPlace {
    /// openat(2): flags, mode.
    Openat = libc::SYS_openat as isize,
    /// faccessat(2): what for.
    Faccessat = libc::SYS_faccessat as isize,
    /// faccessat2(2): what for, flags.
    Faccessat2 = libc::SYS_faccessat2 as isize,
    /// fchmodat(2): mode.
    Fchmodat = libc::SYS_fchmodat as isize,
    /// fchmodat2(2): mode, flags.
    Fchmodat2 = 452,
    /// fchownat(2): user, group, flags.
    Fchownat = libc::SYS_fchownat as isize,
    /// mkdirat(2): mode.
    Mkdirat = libc::SYS_mkdirat as isize,
    /// mknodat(2): mode, device.
    Mknodat = libc::SYS_mknodat as isize,
    /// unlinkat(2): flags.
    Unlinkat = libc::SYS_unlinkat as isize,
}

/// Calls that take a descriptor and numbers.
#[derive(Clone, Copy, Debug)]
pub enum ByDescriptor {
    /// lseek(2): offset, whence.
    Lseek = libc::SYS_lseek as isize,
    /// flock(2): operation.
    Flock = libc::SYS_flock as isize,
    /// ftruncate(2): size.
    Ftruncate = libc::SYS_ftruncate as isize,
    /// fallocate(2): mode, offset, length.
    Fallocate = libc::SYS_fallocate as isize,
    /// posix_fadvise(2): offset, length, advice.
    Fadvise = libc::SYS_fadvise64 as isize,
    /// readahead(2): offset, count.
    Readahead = libc::SYS_readahead as isize,
    /// sync_file_range(2): offset, length, flags.
    SyncFileRange = libc::SYS_sync_file_range as isize,
    /// fsync(2).
    Fsync = libc::SYS_fsync as isize,
    /// fdatasync(2).
    Fdatasync = libc::SYS_fdatasync as isize,
    /// syncfs(2).
    Syncfs = libc::SYS_syncfs as isize,
    /// fchmod(2): mode.
    Fchmod = libc::SYS_fchmod as isize,
    /// fchown(2): user, group.
    Fchown = libc::SYS_fchown as isize,
    /// fchdir(2).
    Fchdir = libc::SYS_fchdir as isize,
}

fn result(raw: c_long) -> Result<u64, Errno> {
    u64::try_from(raw).map_err(|_| last_errno())
}

/// Makes a call that takes a path and numbers.
///
/// # Errors
/// The call's own.
pub fn by_path(call: ByPath, path: &CStr, a: [u64; 2]) -> Result<u64, Errno> {
    // SAFETY: the path ends with a NUL, and the calls of the list use no other memory.
    result(unsafe { libc::syscall(call as c_long, path.as_ptr(), a[0], a[1]) })
}

/// Makes a call that takes two paths.
///
/// # Errors
/// The call's own.
pub fn by_two_paths(call: ByTwoPaths, one: &CStr, other: &CStr) -> Result<u64, Errno> {
    // SAFETY: both paths end with a NUL, and the calls of the list use no other memory.
    result(unsafe { libc::syscall(call as c_long, one.as_ptr(), other.as_ptr()) })
}

/// Makes a call that takes a descriptor, a path and numbers.
///
/// # Errors
/// The call's own.
pub fn by_place(call: ByPlace, at: BorrowedFd<'_>, path: &CStr, a: [u64; 3]) -> Result<u64, Errno> {
    let (at, path) = (at.as_raw_fd(), path.as_ptr());
    // SAFETY: the path ends with a NUL, and the calls of the list use no other memory.
    result(unsafe { libc::syscall(call as c_long, at, path, a[0], a[1], a[2]) })
}

/// Makes a call that takes a descriptor and numbers.
///
/// # Errors
/// The call's own.
pub fn by_descriptor(call: ByDescriptor, fd: BorrowedFd<'_>, a: [u64; 3]) -> Result<u64, Errno> {
    // SAFETY: the calls of the list use no memory of this program.
    result(unsafe { libc::syscall(call as c_long, fd.as_raw_fd(), a[0], a[1], a[2]) })
}

/// Makes openat2(2) with `how` as the bytes of its structure.
///
/// # Errors
/// See openat2(2).
pub fn openat2(at: BorrowedFd<'_>, path: &CStr, how: &[u8]) -> Result<u64, Errno> {
    let (at, path, size) = (at.as_raw_fd(), path.as_ptr(), how.len());
    // SAFETY: the path ends with a NUL, and the structure is as long as the call is told.
    result(unsafe { libc::syscall(libc::SYS_openat2, at, path, how.as_ptr(), size) })
}

/// Which of the calls that read a file's attributes by path.
#[derive(Clone, Copy, Debug)]
pub enum Stat {
    /// stat(2): of what a link leads to.
    Through = libc::SYS_stat as isize,
    /// lstat(2): of the link.
    Link = libc::SYS_lstat as isize,
}

/// Makes stat(2) or lstat(2); returns mode, links and size.
///
/// # Errors
/// See stat(2).
pub fn stat(call: Stat, path: &CStr) -> Result<(u32, u64, u64), Errno> {
    // struct stat as stat(2) has it on x86-64: 144 bytes.
    let mut record = [0u64; 18];
    let (path, to) = (path.as_ptr(), record.as_mut_ptr());
    // SAFETY: the path ends with a NUL, and there is room for the record.
    result(unsafe { libc::syscall(call as c_long, path, to) })?;
    Ok((record[3] as u32, record[2], record[6]))
}

/// Makes utime(2) with access and modification time in seconds, or with none.
///
/// # Errors
/// See utime(2).
pub fn utime(path: &CStr, times: Option<[i64; 2]>) -> Result<u64, Errno> {
    let times = times.as_ref().map_or(std::ptr::null(), |t| t.as_ptr());
    // SAFETY: the path ends with a NUL; the record is two numbers, or absent.
    result(unsafe { libc::syscall(libc::SYS_utime, path.as_ptr(), times) })
}

/// Makes utimes(2) with both times in seconds and microseconds, or with none.
///
/// # Errors
/// See utimes(2).
pub fn utimes(path: &CStr, times: Option<[i64; 4]>) -> Result<u64, Errno> {
    let times = times.as_ref().map_or(std::ptr::null(), |t| t.as_ptr());
    // SAFETY: the path ends with a NUL; the record is four numbers, or absent.
    result(unsafe { libc::syscall(libc::SYS_utimes, path.as_ptr(), times) })
}

/// Makes futimesat(2) with both times in seconds and microseconds; without a path it is about the
/// descriptor itself.
///
/// # Errors
/// See futimesat(2).
pub fn futimesat(at: BorrowedFd<'_>, path: Option<&CStr>, times: [i64; 4]) -> Result<u64, Errno> {
    let (at, path) = (at.as_raw_fd(), path.map_or(std::ptr::null(), CStr::as_ptr));
    // SAFETY: the path ends with a NUL or is absent; the record is four numbers.
    result(unsafe { libc::syscall(libc::SYS_futimesat, at, path, times.as_ptr()) })
}

/// Makes getdents(2), the old form of getdents64(2); returns how many bytes came.
///
/// # Errors
/// See getdents(2).
pub fn getdents(fd: BorrowedFd<'_>, to: &mut [u8]) -> Result<u64, Errno> {
    let (fd, len) = (fd.as_raw_fd(), to.len());
    // SAFETY: the buffer is as long as the call is told.
    result(unsafe { libc::syscall(libc::SYS_getdents, fd, to.as_mut_ptr(), len) })
}

/// A part of a file, for [`lock`]: type, origin, start, length, and whose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub struct Part {
    pub kind: i16,
    pub whence: i16,
    pub start: i64,
    pub len: i64,
    pub pid: i32,
}

/// Makes fcntl(2) with one of its six commands for record locks; the answer comes in `part`.
///
/// # Errors
/// See fcntl(2); EINVAL for any other command.
pub fn lock(fd: BorrowedFd<'_>, command: i32, part: &mut Part) -> Result<(), Errno> {
    let record_locks = matches!(command, libc::F_GETLK..=libc::F_SETLKW)
        || matches!(command, libc::F_OFD_GETLK..=libc::F_OFD_SETLKW);
    if !record_locks {
        return Err(Errno::INVAL);
    }
    let mut flock = libc::flock {
        l_type: part.kind,
        l_whence: part.whence,
        l_start: part.start,
        l_len: part.len,
        l_pid: part.pid,
    };
    // SAFETY: all six commands take this record.
    result(unsafe { libc::syscall(libc::SYS_fcntl, fd.as_raw_fd(), command, &raw mut flock) })?;
    *part = Part {
        kind: flock.l_type,
        whence: flock.l_whence,
        start: flock.l_start,
        len: flock.l_len,
        pid: flock.l_pid,
    };
    Ok(())
}

/// Makes fcntl(2) with a command whose argument is a number.
///
/// # Errors
/// See fcntl(2); EFAULT for the commands that take an address.
pub fn fcntl(fd: BorrowedFd<'_>, command: i32, argument: u64) -> Result<u64, Errno> {
    let address = matches!(command, 5..=7 | 12..=17 | 36..=38 | 1035..=1038);
    if address {
        return Err(Errno::FAULT);
    }
    // SAFETY: what takes an address was refused.
    result(unsafe { libc::syscall(libc::SYS_fcntl, fd.as_raw_fd(), command, argument) })
}

/// Makes syslog(2) with an action, a buffer (none: a null pointer) and a length, which is cut to
/// the buffer's for actions that use it.
///
/// # Errors
/// See syslog(2).
pub fn syslog(action: i32, buffer: &mut [u8], len: i32) -> Result<usize, Errno> {
    let room = i32::try_from(buffer.len()).unwrap_or(i32::MAX);
    let (address, len) = match buffer.is_empty() {
        true => (std::ptr::null_mut(), len),
        false => (buffer.as_mut_ptr(), len.min(room)),
    };
    // SAFETY: the buffer has the length that the call is told, or there is none.
    let got = result(unsafe { libc::syscall(libc::SYS_syslog, action, address, len) })?;
    Ok(got as usize)
}
