//! The terminal of the person who runs us.

use anyhow::{Context, Result};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use std::ffi::OsString;

/// Rows and columns of its window; nothing when it does not know them.
pub fn size() -> Option<(u16, u16)> {
    let size = tcgetwinsize(rustix::stdio::stdin()).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}

/// What programs need to know of it, as a line of an environment.
pub fn kind() -> Option<OsString> {
    let mut line = OsString::from("TERM=");
    line.push(std::env::var_os("TERM").filter(|kind| !kind.is_empty())?);
    Some(line)
}

/// The terminal on stdin passes every key on, until this is dropped: the guest's own terminal edits lines and makes signals.
pub struct RawTerminal {
    before: Termios,
}

impl RawTerminal {
    /// Switches to raw mode.
    pub fn enter() -> Result<Self> {
        let stdin = rustix::stdio::stdin();
        let before = tcgetattr(stdin).context("cannot read the terminal's settings")?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(stdin, OptionalActions::Now, &raw)
            .context("cannot change the terminal's settings")?;
        Ok(Self { before })
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // Nothing is left to do about a terminal that went away.
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.before);
    }
}
