//! Signals that are waited for instead of handled.

use rustix::io::Errno;

use crate::raw::last_errno;

/// Signals that no longer interrupt this process, and come out of [`Queue::next`] instead.
pub struct Queue(libc::sigset_t);

impl Queue {
    /// Blocks `signals`. For programs with a single thread, as threads have masks of their own.
    ///
    /// # Errors
    /// EINVAL for what is no signal.
    pub fn of(signals: &[i32]) -> Result<Queue, Errno> {
        // SAFETY: a set of zeros is the empty set.
        let mut set: libc::sigset_t = unsafe { core::mem::zeroed() };
        for &signal in signals {
            // SAFETY: the set is valid for writing.
            check(unsafe { libc::sigaddset(&mut set, signal) })?;
        }
        // SAFETY: the set is initialized; no old mask is asked for.
        check(unsafe { libc::sigprocmask(libc::SIG_BLOCK, &set, core::ptr::null_mut()) })?;
        Ok(Queue(set))
    }

    /// Waits for the next of the signals and takes it.
    ///
    /// # Errors
    /// See sigwaitinfo(2).
    pub fn next(&self) -> Result<i32, Errno> {
        loop {
            // SAFETY: the set is initialized; no record is asked for.
            let signal = unsafe { libc::sigwaitinfo(&self.0, core::ptr::null_mut()) };
            match check(signal) {
                Ok(()) => return Ok(signal),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

fn check(result: i32) -> Result<(), Errno> {
    if result >= 0 {
        Ok(())
    } else {
        Err(last_errno())
    }
}
