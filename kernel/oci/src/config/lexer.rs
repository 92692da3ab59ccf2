//! Lines of `key=value`.

use super::error::{ConfigError, ConfigErrorKind, Fault};

/// Largest configuration text in bytes.
pub const TEXT_MAX: usize = 1 << 20;
/// Most lines a configuration may have.
pub const LINES_MAX: usize = 1 << 16;

/// One assignment of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// Counted from 1.
    pub(crate) number: u32,
    /// Without the spaces and tabs around it.
    pub(crate) key: &'a str,
    /// Everything after the first `=`, byte for byte.
    pub(crate) value: &'a str,
}

/// Checks the limits that hold for the text as a whole: size, lines, UTF-8, no NUL.
pub(crate) fn check_text(bytes: &[u8]) -> Result<&str, ConfigError> {
    let whole = |kind, reason| Fault::new(kind, reason).at(0, "", "");
    if bytes.len() > TEXT_MAX {
        return Err(whole(
            ConfigErrorKind::TooLarge,
            "the configuration is longer than 1 MiB",
        ));
    }
    // A final newline ends the last line, it does not begin another.
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if newlines(body) >= LINES_MAX {
        return Err(whole(
            ConfigErrorKind::TooLarge,
            "the configuration has more than 65536 lines",
        ));
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        let fault = Fault::new(ConfigErrorKind::Syntax, "the line holds a NUL byte");
        return Err(fault.at(line_of(bytes, at), "", ""));
    }
    core::str::from_utf8(bytes).map_err(|error| {
        let fault = Fault::new(ConfigErrorKind::Syntax, "the line is not UTF-8");
        fault.at(line_of(bytes, error.valid_up_to()), "", "")
    })
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

/// The number of the line that byte `at` is in.
fn line_of(bytes: &[u8], at: usize) -> u32 {
    let before = newlines(bytes.get(..at).unwrap_or(bytes));
    u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1)
}

/// The assignments of `text`; blank lines and comments are skipped.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = Result<Line<'_>, ConfigError>> {
    (1u32..).zip(text.split('\n')).filter_map(|(number, line)| {
        let content = line.trim_start_matches([' ', '\t']);
        if content.is_empty() || content.starts_with('#') {
            return None;
        }
        Some(split(number, line))
    })
}

fn split(number: u32, line: &str) -> Result<Line<'_>, ConfigError> {
    let Some((key, value)) = line.split_once('=') else {
        let fault = Fault::new(ConfigErrorKind::Syntax, "expected key=value");
        let fault = match line.trim_start().as_bytes().first() {
            Some(b'{' | b'"' | b'}' | b'[' | b']') => {
                fault.hint("this looks like JSON; translate config.json first")
            }
            _ => fault.hint("a comment starts with #"),
        };
        return Err(fault.at(number, "", line));
    };
    let key = key.trim_matches([' ', '\t']);
    if key.is_empty() {
        let fault = Fault::new(ConfigErrorKind::Syntax, "no key before the =");
        return Err(fault.at(number, "", line));
    }
    Ok(Line { number, key, value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn all(text: &str) -> Result<Vec<(u32, &str, &str)>, ConfigError> {
        lines(text)
            .map(|line| line.map(|l| (l.number, l.key, l.value)))
            .collect()
    }

    #[test]
    fn keys_are_trimmed_and_values_kept() {
        let text = "# head\n\n \t a\t = b = c \n  # x=y\nb=\n";
        assert_eq!(all(text).unwrap(), [(3, "a", " b = c "), (5, "b", "")]);
    }

    #[test]
    fn lines_that_are_no_assignment() {
        let error = all("a=1\ngarbage line\n").unwrap_err();
        assert_eq!((error.line, error.value.as_str()), (2, "garbage line"));
        assert_eq!(all("=x").unwrap_err().line, 1);
        let error = all("{\n  \"ociVersion\": \"1.0.2\"\n}").unwrap_err();
        assert!(error.hint.unwrap().contains("JSON"));
    }

    #[test]
    fn the_limits_of_a_text() {
        assert!(check_text(&b"#".repeat(TEXT_MAX)).is_ok());
        let error = check_text(&b"#".repeat(TEXT_MAX + 1)).unwrap_err();
        assert_eq!(error.kind, ConfigErrorKind::TooLarge);
        assert!(check_text(&b"\n".repeat(LINES_MAX)).is_ok());
        let error = check_text(&b"\n".repeat(LINES_MAX + 1)).unwrap_err();
        assert_eq!(error.kind, ConfigErrorKind::TooLarge);
        assert_eq!(check_text(b"a=1\nb=\0\n").unwrap_err().line, 2);
        assert_eq!(check_text(b"a=1\n\nb=\xff\n").unwrap_err().line, 3);
        assert_eq!(check_text(b"a=1\nb=\xc3\xa9").unwrap(), "a=1\nb=\u{e9}");
    }
}
