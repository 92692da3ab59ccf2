//! /dev/kmsg: programs write lines into the kernel's log.

use crate::{Cx, Kernel};
use alloc::string::String;

/// The most bytes of one write that are logged (Linux's PRINTK_MESSAGE_MAX, roughly).
const LINE_MAX: usize = 1024;

/// Logs what a program wrote, as one line, with the number of its task.
pub(super) fn write(k: &Kernel, cx: &Cx, bytes: &[u8]) {
    let number = k
        .tasks
        .tasks
        .get(cx.task)
        .and_then(|t| k.tasks.pids.get(t.pid.key()))
        .and_then(|pid| pid.numbers.first())
        .map_or(0, |n| n.1);
    let (level, text) = split(bytes);
    let text = printable(text);
    match level {
        0..=3 => log::error!(target: "user", "[{number}] {text}"),
        4 => log::warn!(target: "user", "[{number}] {text}"),
        5 | 6 => log::info!(target: "user", "[{number}] {text}"),
        _ => log::debug!(target: "user", "[{number}] {text}"),
    }
}

/// The level of a `<N>` prefix (facility dropped) and the rest; 4 (warning) without one, as Linux.
fn split(bytes: &[u8]) -> (u8, &[u8]) {
    let number = bytes.strip_prefix(b"<").and_then(|rest| {
        let end = rest.iter().take(5).position(|b| *b == b'>')?;
        let digits = core::str::from_utf8(rest.get(..end)?).ok()?;
        let number: u32 = digits.parse().ok()?;
        Some(((number & 7) as u8, rest.get(end + 1..)?))
    });
    number.unwrap_or((4, bytes))
}

/// Text that cannot forge lines or drive a terminal: control bytes as `\xNN`, cut to fit.
fn printable(bytes: &[u8]) -> String {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let cut = bytes.get(..LINE_MAX.min(bytes.len())).unwrap_or(bytes);
    let mut text = String::new();
    for c in String::from_utf8_lossy(cut).chars() {
        if c.is_control() {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_the_level() {
        assert_eq!(split(b"<3>bad"), (3, &b"bad"[..]));
        assert_eq!(split(b"<14>info"), (6, &b"info"[..]));
        assert_eq!(split(b"<x>text"), (4, &b"<x>text"[..]));
        assert_eq!(split(b"<"), (4, &b"<"[..]));
    }

    #[test]
    fn lines_cannot_be_forged() {
        assert_eq!(printable(b"a\nb\x1b[2J\n"), "a\\nb\\u{1b}[2J");
        assert_eq!(printable(&[b'x'; 5000]).len(), LINE_MAX);
    }
}
