//! Text of bounded size that may run out of memory.

use crate::error::Errno;
use alloc::vec::Vec;

/// The most bytes that a piece of a view's file has.
const MOST: usize = 128 << 10;

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

/// The number that a program wrote to a file: blanks around it, a sign before it, octal behind a 0
/// and hexadecimal behind 0x, as kstrtoint of Linux has it.
///
/// # Errors
/// EINVAL for what is none.
pub(super) fn number_written(bytes: &[u8]) -> Result<i64, Errno> {
    let text = core::str::from_utf8(bytes).map_err(|_| Errno::EINVAL)?;
    let text = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\0');
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        Some(digits) => (16, digits),
        None if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        None => (10, digits),
    };
    if digits.starts_with(['-', '+']) {
        return Err(Errno::EINVAL);
    }
    let value = i64::from_str_radix(digits, radix).map_err(|_| Errno::EINVAL)?;
    Ok(if negative { -value } else { value })
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
    fn numbers_are_read_as_the_kernel_does() {
        let good: [(&[u8], i64); 7] = [
            (b"0", 0),
            (b" 17\n", 17),
            (b"-1000\n", -1000),
            (b"+5", 5),
            (b"0x10", 16),
            (b"010", 8),
            (b"4294967295", 4_294_967_295),
        ];
        for (text, value) in good {
            assert_eq!(number_written(text), Ok(value));
        }
        for bad in [
            &b""[..],
            b"x",
            b"1 2",
            b"--1",
            b"0x",
            b"0x-1",
            b"08",
            b"\xff",
        ] {
            assert_eq!(number_written(bad), Err(Errno::EINVAL), "{bad:?}");
        }
    }

    #[test]
    fn too_long_is_an_error() {
        let mut text = Text::default();
        text.push(&alloc::vec![b'x'; MOST]);
        put!(text, "{}", 1);
        assert_eq!(text.done(), Err(Errno::ENOMEM));
    }
}
