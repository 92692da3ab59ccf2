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

/// Refuses a text that is too large to look at.
pub(crate) fn check_size(text: &[u8]) -> Result<(), ConfigError> {
    if text.len() <= TEXT_MAX {
        return Ok(());
    }
    let reason = "the configuration is longer than 1 MiB";
    Err(Fault::new(ConfigErrorKind::TooLarge, reason).at(0, "", ""))
}

/// A place in a text, between two lines.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lexer {
    /// Offset of the next line.
    at: usize,
    /// How many lines are before it.
    lines: u32,
}

impl Lexer {
    /// The next line of `text`, or nothing at its end. A blank line or a comment is
    /// `Ok(None)`. The final newline of a text ends its last line and begins no other.
    pub(crate) fn next<'t>(
        &mut self,
        text: &'t [u8],
    ) -> Option<Result<Option<Line<'t>>, ConfigError>> {
        let rest = text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let line = rest.split(|byte| *byte == b'\n').next()?;
        self.at = self.at.saturating_add(line.len()).saturating_add(1);
        self.lines = self.lines.saturating_add(1);
        Some(read_line(self.lines, line))
    }
}

/// The assignments of `text` that can be read.
pub(crate) fn assignments(text: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut lexer = Lexer::default();
    core::iter::from_fn(move || lexer.next(text))
        .filter_map(Result::ok)
        .flatten()
}

fn read_line(number: u32, line: &[u8]) -> Result<Option<Line<'_>>, ConfigError> {
    let fault = |kind, reason| Fault::new(kind, reason).at(number, "", "");
    if usize::try_from(number).is_ok_and(|number| number > LINES_MAX) {
        let reason = "the configuration has more than 65536 lines";
        return Err(fault(ConfigErrorKind::TooLarge, reason));
    }
    if line.contains(&0) {
        return Err(fault(ConfigErrorKind::Syntax, "the line holds a NUL byte"));
    }
    let line = core::str::from_utf8(line)
        .map_err(|_| fault(ConfigErrorKind::Syntax, "the line is not UTF-8"))?;
    let content = line.trim_start_matches([' ', '\t']);
    if content.is_empty() || content.starts_with('#') {
        return Ok(None);
    }
    split(number, line).map(Some)
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

    fn all(text: &[u8]) -> Result<Vec<(u32, &str, &str)>, ConfigError> {
        let mut lexer = Lexer::default();
        let mut found = Vec::new();
        while let Some(line) = lexer.next(text) {
            found.extend(line?.map(|line| (line.number, line.key, line.value)));
        }
        Ok(found)
    }

    #[test]
    fn keys_are_trimmed_and_values_kept() {
        let text = b"# head\n\n \t a\t = b = c \n  # x=y\nb=\n";
        assert_eq!(all(text).unwrap(), [(3, "a", " b = c "), (5, "b", "")]);
        assert_eq!(
            all(b"a=1\nb=\xc3\xa9").unwrap(),
            [(1, "a", "1"), (2, "b", "\u{e9}")]
        );
        assert_eq!(all(b"").unwrap(), []);
    }

    #[test]
    fn lines_that_are_no_assignment() {
        let error = all(b"a=1\ngarbage line\n").unwrap_err();
        assert_eq!((error.line, error.value.as_str()), (2, "garbage line"));
        assert_eq!(all(b"=x").unwrap_err().line, 1);
        let error = all(b"{\n  \"ociVersion\": \"1.0.2\"\n}").unwrap_err();
        assert!(error.hint.unwrap().contains("JSON"));
    }

    #[test]
    fn the_limits_of_a_text() {
        assert!(check_size(&b"#".repeat(TEXT_MAX)).is_ok());
        let error = check_size(&b"#".repeat(TEXT_MAX + 1)).unwrap_err();
        assert_eq!(error.kind, ConfigErrorKind::TooLarge);
        assert!(all(&b"\n".repeat(LINES_MAX)).is_ok());
        let error = all(&b"\n".repeat(LINES_MAX + 1)).unwrap_err();
        assert_eq!(error.kind, ConfigErrorKind::TooLarge);
        assert_eq!(all(b"a=1\nb=\0\n").unwrap_err().line, 2);
        assert_eq!(all(b"a=1\n\nb=\xff\n").unwrap_err().line, 3);
    }
}
