//! The container calls as they cross into the kernel, and fork.

use berth_abi::ContainerCall;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;

/// Room for the sentence with which the kernel says why a call failed, in bytes.
const ERROR_ROOM: usize = 1024;

/// What goes into a container call; what a call does not use stays empty.
#[derive(Default)]
pub struct Request<'a> {
    /// Flags of the call.
    pub flags: u64,
    /// The container's id.
    pub id: &'a [u8],
    /// CREATE, PLAN, UPDATE: the configuration text.
    pub config: &'a [u8],
    /// Where results go.
    pub out: &'a mut [u8],
    /// KILL: the signal's number. PROCESSES, EVENTS: see there.
    pub arg: u64,
    /// CREATE: the bundle directory.
    pub bundle: Option<BorrowedFd<'a>>,
}

/// What comes back: the number or the error, and the kernel's sentence about it (often empty).
pub struct Reply {
    /// The result register.
    pub result: Result<usize, Errno>,
    /// Why it failed; for DELETE also the warnings of hooks.
    pub text: String,
}

/// Makes the container call `nr`.
///
/// # Errors
/// In [`Reply::result`], the kernel's errno; ENOSYS on a kernel without these calls.
#[must_use]
pub fn call(nr: u64, request: Request<'_>) -> Reply {
    let mut room = [0u8; ERROR_ROOM];
    let mut record = ContainerCall {
        flags: request.flags,
        id: address(request.id),
        id_len: request.id.len() as u64,
        error: room.as_mut_ptr() as u64,
        error_len: ERROR_ROOM as u64,
        config: address(request.config),
        config_len: request.config.len() as u64,
        out: if request.out.is_empty() {
            0
        } else {
            request.out.as_mut_ptr() as u64
        },
        out_len: request.out.len() as u64,
        arg: request.arg,
        bundle_fd: request.bundle.map_or(0, |fd| fd.as_raw_fd()),
        ..ContainerCall::default()
    };
    let size = size_of::<ContainerCall>();
    // SAFETY: every address in the record comes from a slice of the length beside it that outlives
    // the call; the kernel writes only to `out`, `error` and the record, all borrowed mutably.
    let raw = unsafe { libc::syscall(nr as libc::c_long, &raw mut record, size) };
    let result = if raw < 0 {
        Err(last_errno())
    } else {
        Ok(raw as usize)
    };
    let used = usize::try_from(record.error_used)
        .unwrap_or(usize::MAX)
        .min(ERROR_ROOM);
    let text = String::from_utf8_lossy(room.get(..used).unwrap_or_default()).into_owned();
    Reply { result, text }
}

/// The kernel wants 0, not a dangling address, for a text that is not there.
fn address(bytes: &[u8]) -> u64 {
    if bytes.is_empty() {
        0
    } else {
        bytes.as_ptr() as u64
    }
}

/// The errno of the libc call that just failed.
pub(crate) fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Which side of [`fork`] this is.
pub enum Fork {
    /// The new process.
    Child,
    /// The old one, with the child's pid.
    Parent(rustix::process::Pid),
}

/// Copies this process. For programs with a single thread: the child may then do anything that the
/// parent could. It should leave with [`exit`], so that buffered output is not written twice.
///
/// # Errors
/// See fork(2).
pub fn fork() -> Result<Fork, Errno> {
    // SAFETY: fork copies the whole process; with one thread no lock is left held in the child.
    match unsafe { libc::fork() } {
        -1 => Err(last_errno()),
        0 => Ok(Fork::Child),
        pid => rustix::process::Pid::from_raw(pid)
            .map(Fork::Parent)
            .ok_or(Errno::CHILD),
    }
}

/// Gives the caller a host name of its own (unshare(2), CLONE_NEWUTS).
///
/// # Errors
/// See unshare(2).
pub fn own_host_name() -> Result<(), Errno> {
    use rustix::thread::{UnshareFlags, unshare_unsafe};
    // SAFETY: descriptors stay shared.
    unsafe { unshare_unsafe(UnshareFlags::NEWUTS) }
}

/// Gives the caller System V IPC and message queues of its own (unshare(2), CLONE_NEWIPC).
///
/// # Errors
/// See unshare(2).
pub fn own_ipc() -> rustix::io::Result<()> {
    use rustix::thread::{UnshareFlags, unshare_unsafe};
    // SAFETY: memory and descriptors stay shared.
    unsafe { unshare_unsafe(UnshareFlags::NEWIPC) }
}

/// Gives the caller mounts of its own (unshare(2), CLONE_NEWNS); nothing is told to others yet:
/// make them private first (mount(2), MS_PRIVATE).
///
/// # Errors
/// See unshare(2).
pub fn own_mounts() -> Result<(), Errno> {
    use rustix::thread::{UnshareFlags, unshare_unsafe};
    // SAFETY: descriptors stay shared.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }
}

/// Ends the process at once, without running destructors or writing buffers out.
pub fn exit(code: i32) -> ! {
    // SAFETY: _exit takes a number and does not return.
    unsafe { libc::_exit(code) }
}

/// The processor's time stamp counter; under an emulator that counts instructions, their number.
#[must_use]
pub fn time_stamp() -> u64 {
    // SAFETY: every x86-64 has it, and the kernel leaves it to programs.
    unsafe { core::arch::x86_64::_rdtsc() }
}
