//! Text of bounded size that may run out of memory.

use crate::error::Errno;
use alloc::vec::Vec;

/// The most bytes that a file of a view has.
const MOST: usize = 1 << 20;

/// A text under construction; a failure is told at the end.
#[derive(Default)]
pub(super) struct Text {
    bytes: Vec<u8>,
    failed: bool,
}

impl Text {
    /// Appends bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = self.bytes.len().saturating_add(bytes.len()) <= MOST;
        if !room || self.bytes.try_reserve(bytes.len()).is_err() {
            self.failed = true;
        }
        if !self.failed {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// How long it is.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Appends blanks until what begins at `from` is `width` bytes long.
    pub(super) fn pad(&mut self, from: usize, width: usize) {
        while !self.failed && self.len() < from.saturating_add(width) {
            self.push(b" ");
        }
    }

    /// Appends bytes with blanks, tabs, newlines and backslashes as `\` and three octal digits
    /// (proc(5), mounts).
    pub(super) fn push_escaped(&mut self, bytes: &[u8], also: &[u8]) {
        self.push_escaping(bytes, |byte| {
            matches!(byte, b' ' | b'\t' | b'\n' | b'\\') || also.contains(&byte)
        });
    }

    /// Appends bytes with those chosen as `\` and three octal digits.
    pub(super) fn push_escaping(&mut self, bytes: &[u8], chosen: impl Fn(u8) -> bool) {
        for &byte in bytes {
            if chosen(byte) {
                self.line(format_args!("\\{byte:03o}"));
            } else {
                self.push(&[byte]);
            }
        }
    }

    /// Appends formatted text; cannot fail here.
    pub(super) fn line(&mut self, args: core::fmt::Arguments) {
        // Only `write_str` below could fail, and it tells at the end.
        let _ = core::fmt::Write::write_fmt(self, args);
    }

    /// The whole.
    ///
    /// # Errors
    /// ENOMEM when it did not fit.
    pub(super) fn done(self) -> Result<Vec<u8>, Errno> {
        if self.failed {
            return Err(Errno::ENOMEM);
        }
        Ok(self.bytes)
    }
}

impl core::fmt::Write for Text {
    fn write_str(&mut self, s: &str) -> core::fmt::Result {
        self.push(s.as_bytes());
        Ok(())
    }
}

/// Appends formatted text to a [`Text`].
macro_rules! put {
    ($text:expr, $($args:tt)*) => { $text.line(format_args!($($args)*)) };
}
pub(super) use put;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_octal() {
        let mut text = Text::default();
        text.push_escaped(b"/a b\tc\nd\\e#", b"#");
        assert_eq!(text.done().unwrap(), b"/a\\040b\\011c\\012d\\134e\\043");
    }

    #[test]
    fn too_long_is_an_error() {
        let mut text = Text::default();
        text.push(&alloc::vec![b'x'; MOST]);
        put!(text, "{}", 1);
        assert_eq!(text.done(), Err(Errno::ENOMEM));
    }
}
