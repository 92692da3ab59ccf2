//! How programs start that process 1 runs: without its signal mask, and, for people, in a session
//! of their own.

use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{ioctl_tiocsctty, setsid};
use rustix::stdio::stdin;

/// What `command` starts will block no signals. With `lead` it leads a new session that has its
/// standard input as controlling terminal (setsid(2), ioctl_tty(2) TIOCSCTTY): keys make signals,
/// and shells have job control.
pub fn begin(command: &mut Command, lead: bool) {
    let begin = move || {
        unblock_all()?;
        if lead {
            setsid()?;
            ioctl_tiocsctty(stdin())?;
        }
        Ok(())
    };
    // SAFETY: between fork and execve the child makes a few bare system calls.
    unsafe { command.pre_exec(begin) };
}

fn unblock_all() -> std::io::Result<()> {
    // SAFETY: a set of zeros is the empty set.
    let none: libc::sigset_t = unsafe { core::mem::zeroed() };
    // SAFETY: the set is initialized; no old mask is asked for.
    match unsafe { libc::sigprocmask(libc::SIG_SETMASK, &none, core::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}
