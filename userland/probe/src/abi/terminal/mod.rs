//! Terminals, seen through pairs of them.

pub mod line;
pub mod pair;
pub mod session;

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::{Case, Told, Verdict, check, same};

/// Milliseconds that bytes have to arrive.
const PATIENCE: i64 = 20_000;

/// A terminal's master and its line.
struct Pair {
    master: OwnedFd,
    line: OwnedFd,
}

/// A new terminal's master.
fn master() -> Result<OwnedFd, String> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    open("/dev/ptmx", flags, Mode::empty()).told("/dev/ptmx")
}

/// The path of a master's line.
fn path(master: &OwnedFd) -> Result<String, String> {
    let name = rustix::pty::ptsname(master, Vec::new()).told("ptsname")?;
    name.into_string().told("ptsname")
}

/// Opens the line of a master, with these flags besides O_RDWR.
fn line(master: &OwnedFd, flags: OFlags) -> Result<OwnedFd, String> {
    open(path(master)?, OFlags::RDWR | flags, Mode::empty()).told("open the line")
}

impl Pair {
    /// A terminal that controls nobody.
    fn new() -> Result<Self, String> {
        let master = master()?;
        rustix::pty::unlockpt(&master).told("unlockpt")?;
        let line = line(&master, OFlags::NOCTTY)?;
        Ok(Self { master, line })
    }

    /// One with these settings changed.
    fn with(change: impl FnOnce(&mut Termios)) -> Result<Self, String> {
        let pair = Self::new()?;
        pair.change(change)?;
        Ok(pair)
    }

    /// One whose line passes all bytes.
    fn raw() -> Result<Self, String> {
        Self::with(Termios::make_raw)
    }

    /// One without echo.
    fn quiet() -> Result<Self, String> {
        Self::with(|t| t.local_modes.remove(LocalModes::ECHO))
    }

    fn change(&self, change: impl FnOnce(&mut Termios)) -> Verdict {
        let mut settings = tcgetattr(&self.line).told("tcgetattr")?;
        change(&mut settings);
        tcsetattr(&self.line, OptionalActions::Now, &settings).told("tcsetattr")
    }

    /// Types at the terminal.
    fn types(&self, keys: &[u8]) -> Verdict {
        put(&self.master, keys)
    }

    /// The terminal shows this, and no more for now.
    fn shows(&self, wanted: &[u8]) -> Verdict {
        gives(&self.master, wanted).map_err(|e| format!("shown: {e}"))
    }

    /// A read from the line gives this.
    fn reads(&self, wanted: &[u8]) -> Verdict {
        ready(&self.line)?;
        let mut buffer = [0; 8192];
        let count = rustix::io::read(&self.line, &mut buffer).told("read")?;
        text("read", &buffer[..count], wanted)
    }
}

/// Writes all of `bytes`.
fn put(fd: impl AsFd, bytes: &[u8]) -> Verdict {
    let mut rest = bytes;
    while !rest.is_empty() {
        let count = rustix::io::write(&fd, rest).told("write")?;
        rest = &rest[count..];
    }
    Ok(())
}

/// Compares bytes, and tells them readably.
fn text(what: &str, found: &[u8], wanted: &[u8]) -> Verdict {
    check(found == wanted, || {
        format!(
            "{what} {:?}, not {:?}",
            found.escape_ascii().to_string(),
            wanted.escape_ascii().to_string()
        )
    })
}

/// What a descriptor is ready for, at once.
fn readiness(fd: impl AsFd) -> Result<PollFlags, String> {
    let all = PollFlags::IN | PollFlags::OUT | PollFlags::PRI;
    let mut set = [PollFd::from_borrowed_fd(fd.as_fd(), all)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut set, Some(&now)).told("poll")?;
    Ok(set[0].revents())
}

/// Waits until there is something to read.
fn ready(fd: impl AsFd) -> Verdict {
    let mut set = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)];
    let patience = Timespec {
        tv_sec: PATIENCE / 1000,
        tv_nsec: 0,
    };
    let count = poll(&mut set, Some(&patience)).told("poll")?;
    check(count == 1, || "nothing arrives".to_owned())
}

/// Reads exactly these bytes.
fn gives(fd: impl AsFd, wanted: &[u8]) -> Verdict {
    let mut found = Vec::new();
    let mut buffer = [0; 4096];
    while found.len() < wanted.len() {
        if let Err(reason) = ready(&fd) {
            return Err(format!(
                "{reason} after {:?}",
                found.escape_ascii().to_string()
            ));
        }
        let count = rustix::io::read(&fd, &mut buffer).told("read")?;
        found.extend_from_slice(&buffer[..count]);
        if count == 0 {
            break;
        }
    }
    text("gave", &found, wanted)
}
