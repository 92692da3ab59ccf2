//! The kernel's log as programs see it: as text for syslog(2), and as records for /dev/kmsg.

use crate::error::{Errno, Stop};
use crate::machine::Machine;
use crate::machine::log::{Record, TEXT_MAX};
use crate::{Cx, Kernel};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// Programs' lines have this facility (syslog(3), LOG_USER), unless they say another.
const USER: u32 = 1;
/// The level of lines that say none (default_message_loglevel).
pub const DEFAULT_LEVEL: u32 = 4;
/// The level below which lines are shown, from boot on (default_console_loglevel).
pub const SHOWN_AT_BOOT: u32 = 7;
/// Bytes of text that one call takes out of the log at the most.
const TEXT_TURN: usize = 32 << 10;

/// What is remembered of the log's readers, as numbers of lines.
#[derive(Default, Debug)]
pub struct Log {
    /// One above the last that those who wait were told of.
    announced: u64,
    /// The first behind those that were cleared.
    pub cleared: u64,
    /// The next for who reads the text line by line (SYSLOG_ACTION_READ), and how many bytes of
    /// it were read.
    next: (u64, usize),
    /// The level below which lines were shown before that was turned off.
    pub before_off: Option<u32>,
}

/// Wakes those who wait for lines, when there are more.
pub fn announce(k: &mut Kernel, m: &dyn Machine) {
    let (_, end) = m.log_kept();
    if end != k.devices.log.announced {
        k.devices.log.announced = end;
        k.waits.wake(crate::wait::WaitKey::Log);
    }
}

/// The caller may read the log: dmesg_restrict is set.
///
/// # Errors
/// EPERM without CAP_SYSLOG, or CAP_SYS_ADMIN, which was enough once.
pub fn may_read(k: &Kernel, cx: &Cx) -> Result<(), Errno> {
    let caps = [linux::CAP_SYSLOG, linux::CAP_SYS_ADMIN];
    let may = caps
        .iter()
        .any(|cap| crate::task::cred::capable(k, cx.task, *cap));
    may.then_some(()).ok_or(Errno::EPERM)
}

/// Logs what a program wrote to /dev/kmsg, as one line.
///
/// # Errors
/// EINVAL when it is too long.
pub fn write(cx: &mut Cx, bytes: &[u8]) -> Result<(), Errno> {
    if bytes.len() > TEXT_MAX {
        return Err(Errno::EINVAL);
    }
    let (priority, text) = split(bytes);
    let text = text.split(|byte| *byte == 0).next().unwrap_or(text);
    cx.m.log_add(priority, text.strip_suffix(b"\n").unwrap_or(text));
    Ok(())
}

/// The priority of a `<N>` prefix and the rest.
fn split(bytes: &[u8]) -> (u32, &[u8]) {
    let number = bytes.strip_prefix(b"<").and_then(|rest| {
        let end = rest.iter().take(11).position(|b| *b == b'>')?;
        let digits = core::str::from_utf8(rest.get(..end)?).ok()?;
        let number: u32 = digits.parse().ok()?;
        let facility = Some(number >> 3 & 0xff).filter(|f| *f != 0);
        let priority = facility.unwrap_or(USER) << 3 | number & 7;
        Some((priority, rest.get(end + 1..)?))
    });
    number.unwrap_or((USER << 3 | DEFAULT_LEVEL, bytes))
}

/// The record of /dev/kmsg that a reader at `at` finds, and where the next is; `None` when there
/// is none yet.
///
/// # Errors
/// EPIPE when it is gone: go on with the first that is kept.
pub fn record(m: &dyn Machine, at: u64) -> Result<Option<Vec<u8>>, Errno> {
    if at < m.log_kept().0 {
        return Err(Errno::EPIPE);
    }
    let mut text = [0; TEXT_MAX];
    let Some(record) = m.log_read(at, &mut text) else {
        return Ok(None);
    };
    let text = text.get(..record.len).unwrap_or(&text);
    let mut out = Vec::new();
    out.try_reserve(64 + 4 * text.len())
        .map_err(|_| Errno::ENOMEM)?;
    for (number, behind) in [
        (u64::from(record.priority), b','),
        (at, b','),
        (record.micros, b','),
    ] {
        decimal(&mut out, number, 1, b' ');
        out.push(behind);
    }
    out.extend_from_slice(b"-;");
    for &byte in text {
        match byte {
            b' '..=b'~' if byte != b'\\' => out.push(byte),
            _ => {
                let hex = |half: u8| b"0123456789abcdef".get(usize::from(half)).copied();
                out.extend_from_slice(b"\\x");
                out.extend(hex(byte >> 4).into_iter().chain(hex(byte & 15)));
            }
        }
    }
    out.push(b'\n');
    Ok(Some(out))
}

/// A line as syslog(2) has it: each line of its text begins with priority and time.
fn text_of(m: &dyn Machine, number: u64) -> Option<Vec<u8>> {
    let mut text = [0; TEXT_MAX];
    let record = m.log_read(number, &mut text)?;
    let text = text.get(..record.len).unwrap_or(&text);
    let mut out = Vec::with_capacity(text_len(&record, text));
    for line in text.split(|byte| *byte == b'\n') {
        out.push(b'<');
        decimal(&mut out, u64::from(record.priority), 1, b' ');
        out.extend_from_slice(b">[");
        decimal(&mut out, record.micros / 1_000_000, 5, b' ');
        out.push(b'.');
        decimal(&mut out, record.micros % 1_000_000, 6, b'0');
        out.extend_from_slice(b"] ");
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    Some(out)
}

/// Bytes of [`text_of`].
fn text_len(record: &Record, text: &[u8]) -> usize {
    let digits = |number: u64| number.checked_ilog10().map_or(1, |log| log as usize + 1);
    let priority = digits(u64::from(record.priority));
    let prefix = priority + digits(record.micros / 1_000_000).max(5) + b"<>[.000000] ".len();
    let more = text.iter().filter(|byte| **byte == b'\n').count();
    text.len() - more + (more + 1) * (prefix + 1)
}

/// Appends a number, with at least `width` characters.
fn decimal(out: &mut Vec<u8>, number: u64, width: usize, fill: u8) {
    let mut digits = [fill; 20];
    let mut left = number;
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
        used += 1;
        if left == 0 {
            break;
        }
    }
    let shown = digits.len() - width.max(used).min(digits.len());
    out.extend_from_slice(digits.get(shown..).unwrap_or(&digits));
}

/// Where the one who reads line by line is; lines that are gone are skipped.
fn next(k: &Kernel, m: &dyn Machine) -> (u64, usize) {
    let (first, _) = m.log_kept();
    let next = k.devices.log.next;
    if next.0 < first { (first, 0) } else { next }
}

/// Text for who reads line by line: at most `max` bytes, whole lines unless the first does not
/// fit; none when all was read. [`taken`] moves on.
pub fn peek(k: &Kernel, m: &dyn Machine, max: usize) -> (Vec<u8>, Taken) {
    let max = max.min(TEXT_TURN);
    let (mut number, mut skip) = next(k, m);
    let mut out = Vec::new();
    while let Some(text) = text_of(m, number) {
        let rest = text.get(skip..).unwrap_or_default();
        if out.len() + rest.len() <= max {
            out.extend_from_slice(rest);
            (number, skip) = (number + 1, 0);
            continue;
        }
        if out.is_empty() {
            out.extend_from_slice(rest.get(..max).unwrap_or(rest));
            skip += max;
        }
        break;
    }
    (out, Taken(number, skip))
}

/// Where reading goes on after [`peek`].
#[derive(Debug)]
pub struct Taken(u64, usize);

/// What [`peek`] gave was taken.
pub fn taken(k: &mut Kernel, taken: &Taken) {
    k.devices.log.next = (taken.0, taken.1);
}

/// Bytes that [`peek`] would give in the end.
pub fn unread(k: &Kernel, m: &dyn Machine) -> usize {
    let (number, skip) = next(k, m);
    let (_, end) = m.log_kept();
    lens(m, number..end)
        .fold(0usize, |sum, (_, len)| sum.saturating_add(len))
        .saturating_sub(skip)
}

/// Whether there is something for [`peek`].
pub fn is_unread(k: &Kernel, m: &dyn Machine) -> bool {
    next(k, m).0 < m.log_kept().1
}

/// The first line that was not cleared from which on all fit into `room` bytes.
pub fn first_that_fits(k: &Kernel, m: &dyn Machine, room: usize) -> u64 {
    let (first, end) = m.log_kept();
    let first = first.max(k.devices.log.cleared);
    let mut sum = 0usize;
    let fitting = lens(m, first..end).rev().take_while(|(_, len)| {
        sum = sum.saturating_add(*len);
        sum <= room
    });
    fitting.last().map_or(end, |(number, _)| number)
}

/// Lines by number, and their bytes as text.
fn lens(
    m: &dyn Machine,
    numbers: core::ops::Range<u64>,
) -> impl DoubleEndedIterator<Item = (u64, usize)> + '_ {
    numbers.filter_map(move |number| {
        let mut text = [0; TEXT_MAX];
        let record = m.log_read(number, &mut text)?;
        let text = text.get(..record.len).unwrap_or(&text);
        Some((number, text_len(&record, text)))
    })
}

/// Lines from `number` on as text, `room` bytes at the most, as many as one trap tells; and the
/// number of the next.
pub fn told(m: &dyn Machine, mut number: u64, room: usize) -> Result<(Vec<u8>, u64), Stop> {
    let room = room.min(TEXT_TURN);
    let mut out = Vec::new();
    while let Some(text) = text_of(m, number) {
        if out.len() + text.len() > room {
            break;
        }
        out.try_reserve(text.len()).map_err(|_| Errno::ENOMEM)?;
        out.extend_from_slice(&text);
        number += 1;
    }
    Ok((out, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_the_priority() {
        assert_eq!(split(b"<3>bad"), (11, &b"bad"[..]));
        assert_eq!(split(b"<30>daemon"), (30, &b"daemon"[..]));
        assert_eq!(split(b"<x>text"), (12, &b"<x>text"[..]));
        assert_eq!(split(b"<"), (12, &b"<"[..]));
    }

    #[test]
    fn numbers_are_filled_up() {
        let of = |number, width, fill| {
            let mut out = Vec::new();
            decimal(&mut out, number, width, fill);
            std::string::String::from_utf8(out).unwrap()
        };
        assert_eq!(of(0, 1, b' '), "0");
        assert_eq!(of(12, 5, b' '), "   12");
        assert_eq!(of(123_456, 5, b' '), "123456");
        assert_eq!(of(42, 6, b'0'), "000042");
        assert_eq!(of(u64::MAX, 1, b' '), "18446744073709551615");
    }
}
