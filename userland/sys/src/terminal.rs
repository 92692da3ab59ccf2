//! Control of terminals that no safe library has (ioctl_tty(2)).

use rustix::fd::{AsFd, AsRawFd};
use rustix::io::Errno;

use crate::raw::last_errno;

/// A word that a pseudo-terminal's master tells.
#[derive(Clone, Copy)]
pub enum Word {
    /// The number of its line.
    Number,
    /// Whether the line is locked.
    Lock,
    /// Whether packet mode is on.
    Packet,
}

/// What can be switched on and off at a master.
#[derive(Clone, Copy)]
pub enum Switch {
    /// The line cannot be opened.
    Lock,
    /// Reads begin with a byte that says what it is.
    Packet,
}

/// Asks a master.
///
/// # Errors
/// ENOTTY for what is no master.
pub fn ask(fd: impl AsFd, word: Word) -> Result<i32, Errno> {
    let request = match word {
        Word::Number => libc::TIOCGPTN,
        Word::Lock => libc::TIOCGPTLCK,
        Word::Packet => libc::TIOCGPKT,
    };
    let mut value: libc::c_int = 0;
    // SAFETY: each of the requests writes one int through the pointer.
    let result = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), request, &raw mut value) };
    if result < 0 {
        Err(last_errno())
    } else {
        Ok(value)
    }
}

/// Switches something at a master.
///
/// # Errors
/// ENOTTY for what is no master.
pub fn switch(fd: impl AsFd, what: Switch, on: bool) -> Result<(), Errno> {
    let request = match what {
        Switch::Lock => libc::TIOCSPTLCK,
        Switch::Packet => libc::TIOCPKT,
    };
    let value = libc::c_int::from(on);
    // SAFETY: each of the requests reads one int through the pointer.
    let result = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), request, &raw const value) };
    if result < 0 {
        Err(last_errno())
    } else {
        Ok(())
    }
}

/// Gives up the controlling terminal.
///
/// # Errors
/// ENOTTY for another terminal.
pub fn give_up(fd: impl AsFd) -> Result<(), Errno> {
    // SAFETY: the request takes no argument.
    let result = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::TIOCNOTTY) };
    if result < 0 {
        Err(last_errno())
    } else {
        Ok(())
    }
}

/// Hangs the controlling terminal up.
///
/// # Errors
/// EPERM without CAP_SYS_TTY_CONFIG.
pub fn hang_up() -> Result<(), Errno> {
    // SAFETY: the call takes no argument.
    let result = unsafe { libc::vhangup() };
    if result < 0 {
        Err(last_errno())
    } else {
        Ok(())
    }
}
