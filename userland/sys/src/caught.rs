//! What the kernel tells about an access that it refuses.

use core::ffi::c_void;
use core::sync::atomic::{AtomicI32, Ordering};

use rustix::fd::AsRawFd;
use rustix::io::Errno;
use rustix::process::{WaitOptions, waitpid};

use crate::raw::{Fork, exit, fork};

/// A signal of a fault, its code and its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caught {
    /// SIGSEGV or SIGBUS.
    pub signal: i32,
    /// SEGV_MAPERR, SEGV_ACCERR, BUS_ADRERR.
    pub code: i32,
    /// Where.
    pub address: u64,
}

/// The pipe that the handler writes to.
static REPORT: AtomicI32 = AtomicI32::new(-1);

/// A child does `access`: the fault that ends it; `None` if it does not fault.
///
/// # Errors
/// When there can be no child.
pub fn fault_of(access: impl FnOnce()) -> Result<Option<Caught>, Errno> {
    // A mapping for the report might go where `access` expects nothing.
    let (reader, writer) = rustix::pipe::pipe()?;
    let Fork::Parent(pid) = fork()? else {
        REPORT.store(writer.as_raw_fd(), Ordering::SeqCst);
        if catch().is_ok() {
            access();
        }
        exit(0)
    };
    drop(writer);
    waitpid(Some(pid), WaitOptions::empty())?;
    let mut report = [0u8; 16];
    let len = rustix::io::read(&reader, &mut report)?;
    let [s0, s1, s2, s3, c0, c1, c2, c3, address @ ..] = report;
    Ok((len == report.len()).then_some(Caught {
        signal: i32::from_ne_bytes([s0, s1, s2, s3]),
        code: i32::from_ne_bytes([c0, c1, c2, c3]),
        address: u64::from_ne_bytes(address),
    }))
}

fn catch() -> Result<(), Errno> {
    // SAFETY: a sigaction of zeros is valid: an empty mask.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    action.sa_sigaction = report as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO;
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: the handler does only what signal-safety(7) allows.
        if unsafe { libc::sigaction(signal, &action, core::ptr::null_mut()) } != 0 {
            return Err(crate::raw::last_errno());
        }
    }
    Ok(())
}

extern "C" fn report(signal: i32, info: *mut libc::siginfo_t, _context: *mut c_void) {
    // SAFETY: with SA_SIGINFO the kernel gives a valid record.
    let info = unsafe { &*info };
    // SAFETY: these signals have an address.
    let (code, address) = (info.si_code, unsafe { info.si_addr() } as u64);
    let mut report = [0u8; 16];
    let (signal, code) = (signal.to_ne_bytes(), code.to_ne_bytes());
    let bytes = signal.into_iter().chain(code).chain(address.to_ne_bytes());
    report
        .iter_mut()
        .zip(bytes)
        .for_each(|(to, byte)| *to = byte);
    let fd = REPORT.load(Ordering::SeqCst);
    // SAFETY: the bytes are the report's.
    unsafe { libc::write(fd, report.as_ptr().cast(), report.len()) };
    exit(0)
}
