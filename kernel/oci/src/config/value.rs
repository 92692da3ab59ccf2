//! Values: numbers, paths, and structured values with their quoting.

use super::error::{ConfigErrorKind, Fault};
use crate::memory::{try_push, try_string};
use crate::nearest::nearest;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Result of reading one value.
pub(crate) type Read<T> = Result<T, Fault>;

/// Longest path in bytes: Linux's PATH_MAX without its NUL.
pub(crate) const PATH_MAX: usize = 4095;

/// Longest structured value in bytes.
pub const STRUCTURED_MAX: usize = 1 << 12;
/// Most elements of a list within one value.
pub const ELEMENTS_MAX: usize = 1 << 6;

/// How to write a separator that is meant as text.
pub(crate) const QUOTING: &str = r"write \: \, \\ \n for a colon, comma, backslash or newline";

/// `true` or `false`, nothing else (P9).
pub(crate) fn boolean(value: &str) -> Read<bool> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Fault::value("expected true or false")),
    }
}

/// A decimal number from `min` to `max`: digits, with `-` only where `min` is negative.
///
/// No unit, no sign, no leading zero: `64M`, `+5`, `0x10` and `010` could each be taken
/// for another number, so they are refused (P1, P5, P6).
pub(crate) fn number<T: TryFrom<i128>>(value: &str, min: i128, max: i128) -> Read<T> {
    decimal(value)
        .filter(|number| (min..=max).contains(number) && (*number >= 0 || min < 0))
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| Fault::value(format!("expected a decimal number from {min} to {max}")))
}

fn decimal(value: &str) -> Option<i128> {
    /// More than any number here has.
    const DIGITS_MAX: usize = 40;
    let digits = value.strip_prefix('-').unwrap_or(value);
    if digits.len() > DIGITS_MAX {
        return None;
    }
    let canonical = digits == "0" && digits.len() == value.len()
        || !digits.is_empty()
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !canonical {
        return None;
    }
    value.parse().ok()
}

/// Any `u64`.
pub(crate) fn number_u64(value: &str) -> Read<u64> {
    number(value, 0, i128::from(u64::MAX))
}

/// Any `u32`.
pub(crate) fn number_u32(value: &str) -> Read<u32> {
    number(value, 0, i128::from(u32::MAX))
}

/// A user or group id; 4294967295 means "no change" to Linux and is refused.
pub(crate) fn id(value: &str) -> Read<u32> {
    number(value, 0, i128::from(u32::MAX) - 1).map_err(|fault| {
        match value.bytes().any(|byte| byte.is_ascii_alphabetic()) {
            true => fault.hint("names are not looked up; write the number"),
            false => fault,
        }
    })
}

/// An amount where -1 means no limit.
pub(crate) fn limit(value: &str) -> Read<i64> {
    number(value, -1, i128::from(i64::MAX))
}

/// An octal number of permission bits, written with a leading 0 as in chmod(1).
pub(crate) fn octal(value: &str, max: u32) -> Read<u32> {
    value
        .strip_prefix('0')
        .filter(|rest| rest.len() <= 8 && rest.bytes().all(|byte| (b'0'..=b'7').contains(&byte)))
        .and_then(|_| u32::from_str_radix(value, 8).ok())
        .filter(|mode| *mode <= max)
        .ok_or_else(|| {
            Fault::value(format!(
                "expected an octal number from 0 to 0{max:o}, written with a leading 0"
            ))
        })
}

/// Text that is not empty.
pub(crate) fn text(value: &str) -> Read<String> {
    if value.is_empty() {
        return Err(Fault::value("the value must not be empty"));
    }
    Ok(try_string(value)?)
}

/// A path that is not empty and not longer than Linux can take.
pub(crate) fn path(value: &str) -> Read<String> {
    if value.len() > PATH_MAX {
        return Err(Fault::value("the path is longer than 4095 bytes"));
    }
    text(value)
}

/// A [`path`] from the root.
pub(crate) fn absolute_path(value: &str) -> Read<String> {
    let path = path(value)?;
    if path.starts_with('/') {
        return Ok(path);
    }
    Err(Fault::value(
        "the path must be absolute: it must start with /",
    ))
}

/// One of the `names`, found by `from`.
pub(crate) fn named<T>(
    value: &str,
    names: &[&'static str],
    from: impl Fn(&str) -> Option<T>,
) -> Read<T> {
    from(value).ok_or_else(|| unknown_name(value, names))
}

fn unknown_name(value: &str, names: &[&'static str]) -> Fault {
    let fault = Fault::value(format!("expected one of {}", names.join(" ")));
    match nearest(value, names.iter().copied()) {
        Some(name) => fault.hint(format!("did you mean {name}?")),
        None => fault,
    }
}

/// Refuses a structured value that is too long to look into.
pub(crate) fn check_length(value: &str) -> Read<()> {
    if value.len() <= STRUCTURED_MAX {
        return Ok(());
    }
    let reason = "the value is longer than 4 KiB";
    Err(Fault::new(ConfigErrorKind::TooLarge, reason))
}

/// `NAME=VALUE` with a name: the two halves.
pub(crate) fn assignment(value: &str) -> Read<(&str, &str)> {
    match value.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name, value)),
        _ => Err(Fault::value("expected NAME=VALUE")),
    }
}

/// Most fields that any structured value has.
const FIELDS_MAX: usize = 8;

/// More fields than these are not counted.
const COUNT_MAX: usize = 99;

/// The fields of a structured value, still quoted.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    parts: [Option<&'a str>; FIELDS_MAX],
}

impl<'a> Fields<'a> {
    /// Splits `value` at colons that are not quoted; `form` names the fields for messages.
    pub(crate) fn split(value: &'a str, min: usize, max: usize, form: &str) -> Read<Self> {
        check_length(value)?;
        let mut parts = [None; FIELDS_MAX];
        let mut count = 0usize;
        for piece in pieces(value, b':') {
            if let Some(slot) = parts.get_mut(count) {
                *slot = Some(piece);
            }
            count = count.saturating_add(1);
            if count > COUNT_MAX {
                return Err(
                    Fault::value(format!("expected {form}, found many fields")).hint(QUOTING)
                );
            }
        }
        if (min..=max.min(FIELDS_MAX)).contains(&count) {
            return Ok(Self { parts });
        }
        Err(Fault::value(format!("expected {form}, found {count} fields")).hint(QUOTING))
    }

    /// A field that must be there, maybe empty.
    pub(crate) fn required(&self, index: usize) -> &'a str {
        self.parts.get(index).copied().flatten().unwrap_or_default()
    }

    /// A field that may be absent; an empty one counts as absent.
    pub(crate) fn optional(&self, index: usize) -> Option<&'a str> {
        self.parts
            .get(index)
            .copied()
            .flatten()
            .filter(|field| !field.is_empty())
    }

    /// Whether field `index` was written, even if empty.
    pub(crate) fn has(&self, index: usize) -> bool {
        self.parts.get(index).copied().flatten().is_some()
    }
}

/// Cuts `value` at each `separator` that no backslash quotes. Pieces stay quoted.
pub(crate) fn pieces(value: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(value);
    core::iter::from_fn(move || {
        let text = rest?;
        match unquoted(text, separator) {
            Some(at) => {
                rest = text.get(at.saturating_add(1)..);
                text.get(..at)
            }
            None => {
                rest = None;
                Some(text)
            }
        }
    })
}

/// Where the first `separator` is that no backslash quotes. Both are ASCII.
fn unquoted(text: &str, separator: u8) -> Option<usize> {
    let mut quoted = false;
    text.bytes().position(|byte| {
        let plain = !quoted;
        quoted = plain && byte == b'\\';
        plain && byte == separator
    })
}

/// Removes the quoting of one piece: `\:` `\,` `\\` `\n` and nothing else.
pub(crate) fn unquote(piece: &str) -> Read<String> {
    let mut plain = String::new();
    plain.try_reserve_exact(piece.len())?;
    let mut chars = piece.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match chars.next() {
            Some(c @ (':' | ',' | '\\')) => plain.push(c),
            Some('n') => plain.push('\n'),
            _ => return Err(Fault::value("a backslash quotes nothing here").hint(QUOTING)),
        }
    }
    Ok(plain)
}

/// A comma-separated list, unquoted. No element may be empty.
pub(crate) fn list(piece: &str) -> Read<Vec<String>> {
    let mut elements = Vec::new();
    for element in pieces(piece, b',') {
        if element.is_empty() {
            return Err(Fault::value("the list has an empty element"));
        }
        if elements.len() >= ELEMENTS_MAX {
            let reason = "the list has more than 64 elements";
            return Err(Fault::new(ConfigErrorKind::TooLarge, reason));
        }
        try_push(&mut elements, unquote(element)?)?;
    }
    Ok(elements)
}

/// Writes text so that [`unquote`] gives it back.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        for c in self.0.chars() {
            match c {
                ':' => f.write_str("\\:"),
                ',' => f.write_str("\\,"),
                '\\' => f.write_str("\\\\"),
                '\n' => f.write_str("\\n"),
                c => f.write_char(c),
            }?;
        }
        Ok(())
    }
}

/// Writes a list so that [`list`] gives it back.
pub(crate) struct QuotedList<'a>(pub(crate) &'a [String]);

impl fmt::Display for QuotedList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, element) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}", Quoted(element))?;
        }
        Ok(())
    }
}

/// Writes an optional field: nothing when absent.
pub(crate) struct Maybe<T>(pub(crate) Option<T>);

impl<T: fmt::Display> fmt::Display for Maybe<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => Ok(()),
        }
    }
}
