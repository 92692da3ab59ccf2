//! Signals of this process handed on to a container, for `oci run` in the foreground.
//!
//! The handler makes the call itself. A flag for the main program to look at would lose a signal
//! that comes between the look and the wait.

use std::sync::OnceLock;

use berth_abi::{CONTAINER_KILL, ContainerCall};
use rustix::io::Errno;

/// The container that gets the signals.
static TARGET: OnceLock<String> = OnceLock::new();

/// From now on each of `signals` that this process gets is sent to the container `id` instead of
/// having its usual effect. Calls that a handler interrupts fail with EINTR.
///
/// # Errors
/// EBUSY when signals go to another container already; else see sigaction(2).
pub fn signals_to(id: &str, signals: &[i32]) -> Result<(), Errno> {
    if TARGET.get_or_init(|| id.to_owned()) != id {
        return Err(Errno::BUSY);
    }
    for &signal in signals {
        install(signal, hand_on)?;
    }
    Ok(())
}

/// Makes `handler` the action of `signal`; with an empty mask, and no restart of calls.
pub(crate) fn install(signal: i32, handler: extern "C" fn(i32)) -> Result<(), Errno> {
    // SAFETY: a sigaction of zeros is valid: no flags, an empty mask, the default action.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as *const () as usize;
    // SAFETY: `action` is initialized; `handler` does only what signal-safety(7) allows.
    match unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(crate::raw::last_errno()),
    }
}

/// The handler: one system call, no allocation, errno as it was.
extern "C" fn hand_on(signal: i32) {
    let Some(id) = TARGET.get() else { return };
    let mut record = ContainerCall {
        id: id.as_ptr() as u64,
        id_len: id.len() as u64,
        arg: signal as u64,
        ..ContainerCall::default()
    };
    let size = size_of::<ContainerCall>();
    // SAFETY: errno's address is valid in every thread.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above; nothing else touches this thread's errno while the handler runs.
    let before = unsafe { errno.read() };
    // SAFETY: `record` names a static string and asks for no output; a container that ended
    // meanwhile makes it fail, which is fine.
    unsafe { libc::syscall(CONTAINER_KILL as libc::c_long, &raw mut record, size) };
    // SAFETY: as above.
    unsafe { errno.write(before) };
}
