//! Lines of `key=value`.

use super::error::{ConfigError, ConfigErrorKind, Fault};
use alloc::string::String;

/// Largest configuration text in bytes.
pub const TEXT_MAX: usize = 1 << 20;
/// Most lines a configuration may have.
pub const LINES_MAX: usize = 1 << 16;
/// Longest line in bytes, without its newline: as long as what execve(2) takes as one argument.
pub const LINE_MAX: usize = 1 << 17;

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

/// A text that arrives in portions, cut into lines. Only the line that has begun is kept.
#[derive(Debug, Default)]
pub(crate) struct Lexer {
    /// What is there of the present line, as far as it is whole characters.
    line: String,
    /// The bytes of a character that has begun: at most three.
    begun: heapless::Vec<u8, 4>,
    /// How many lines have begun.
    lines: u32,
    /// Bytes so far.
    bytes: usize,
}

impl Lexer {
    /// Takes from `bytes` up to the end of a line, newline included; says how many it took, and
    /// whether the line has ended.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<(usize, bool), ConfigError> {
        let newline = bytes.iter().position(|byte| *byte == b'\n');
        let part = bytes.get(..newline.unwrap_or(bytes.len())).unwrap_or(bytes);
        let taken = part.len().saturating_add(usize::from(newline.is_some()));
        if self.is_between_lines() && taken > 0 {
            self.lines = self.lines.saturating_add(1);
        }
        self.bytes = self.bytes.saturating_add(taken);
        self.check_limits(part.len())?;
        self.append(part)?;
        if newline.is_some() && !self.begun.is_empty() {
            return Err(self.not_utf8());
        }
        Ok((taken, newline.is_some()))
    }

    /// How many lines have begun.
    pub(crate) const fn lines(&self) -> u32 {
        self.lines
    }

    /// Whether there is nothing of a next line. A blank line counts when it ends.
    fn is_between_lines(&self) -> bool {
        self.line.is_empty() && self.begun.is_empty()
    }

    /// The line that has ended, or nothing if it is blank or a comment; and then none.
    pub(crate) fn line(&self) -> Result<Option<Line<'_>>, ConfigError> {
        let content = self.line.trim_start_matches([' ', '\t']);
        if content.is_empty() || content.starts_with('#') {
            return Ok(None);
        }
        split(self.lines, &self.line).map(Some)
    }

    /// Makes room for the next line.
    pub(crate) fn clear(&mut self) {
        self.line.clear();
    }

    /// The text is at its end: the last line needs no newline. Says whether there is one.
    pub(crate) fn end(&self) -> Result<bool, ConfigError> {
        match self.begun.is_empty() {
            true => Ok(!self.line.is_empty()),
            false => Err(self.not_utf8()),
        }
    }

    fn check_limits(&self, more: usize) -> Result<(), ConfigError> {
        let too_large = |line, reason| {
            let fault = Fault::new(ConfigErrorKind::TooLarge, reason);
            Err(fault.at(line, "", ""))
        };
        if self.bytes > TEXT_MAX {
            return too_large(0, "the configuration is longer than 1 MiB");
        }
        if usize::try_from(self.lines).is_ok_and(|lines| lines > LINES_MAX) {
            return too_large(self.lines, "the configuration has more than 65536 lines");
        }
        let length = self.line.len().saturating_add(self.begun.len());
        if length.saturating_add(more) > LINE_MAX {
            return too_large(self.lines, "the line is longer than 128 KiB");
        }
        Ok(())
    }

    /// Appends bytes to the line; a character may be cut at either end.
    fn append(&mut self, part: &[u8]) -> Result<(), ConfigError> {
        if part.contains(&0) {
            return Err(self.fault("the line holds a NUL byte"));
        }
        let mut rest = part;
        while !self.begun.is_empty() {
            let Some((byte, others)) = rest.split_first() else {
                return Ok(());
            };
            rest = others;
            // Of at most four bytes the last makes a character, or there is none.
            let pushed = self.begun.push(*byte).is_ok();
            match core::str::from_utf8(&self.begun) {
                Ok(character) => {
                    push(&mut self.line, character)?;
                    self.begun.clear();
                }
                Err(error) if pushed && error.error_len().is_none() => {}
                Err(_) => return Err(self.not_utf8()),
            }
        }
        match core::str::from_utf8(rest) {
            Ok(text) => push(&mut self.line, text),
            Err(error) if error.error_len().is_none() => {
                let (whole, begun) = rest.split_at(error.valid_up_to());
                push(
                    &mut self.line,
                    core::str::from_utf8(whole).unwrap_or_default(),
                )?;
                self.begun.extend(begun.iter().copied());
                Ok(())
            }
            Err(_) => Err(self.not_utf8()),
        }
    }

    fn not_utf8(&self) -> ConfigError {
        self.fault("the line is not UTF-8")
    }

    fn fault(&self, reason: &'static str) -> ConfigError {
        Fault::new(ConfigErrorKind::Syntax, reason).at(self.lines, "", "")
    }
}

fn push(line: &mut String, text: &str) -> Result<(), ConfigError> {
    line.try_reserve(text.len())
        .map_err(|error| Fault::from(error).at(0, "", ""))?;
    line.push_str(text);
    Ok(())
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

    type Lines = Vec<(u32, String, String)>;

    /// All lines of a text that arrives in portions of `portion` bytes.
    fn lines(text: &[u8], portion: usize) -> Result<Lines, ConfigError> {
        let mut lexer = Lexer::default();
        let mut found = Vec::new();
        let mut take = |lexer: &mut Lexer| -> Result<(), ConfigError> {
            let line = lexer.line()?;
            found.extend(line.map(|line| (line.number, line.key.into(), line.value.into())));
            lexer.clear();
            Ok(())
        };
        for mut part in text.chunks(portion) {
            while !part.is_empty() {
                let (taken, ended) = lexer.take(part)?;
                part = &part[taken..];
                if ended {
                    take(&mut lexer)?;
                }
            }
        }
        if lexer.end()? {
            take(&mut lexer)?;
        }
        Ok(found)
    }

    fn all(text: &[u8]) -> Result<Lines, ConfigError> {
        let whole = lines(text, text.len().max(1));
        for portion in [1, 2, 3, 7] {
            // However it arrives.
            assert_eq!(lines(text, portion), whole);
        }
        whole
    }

    fn line(number: u32, key: &str, value: &str) -> (u32, String, String) {
        (number, key.into(), value.into())
    }

    #[test]
    fn keys_are_trimmed_and_values_kept() {
        let text = b"# head\n\n \t a\t = b = c \n  # x=y\nb=\n";
        assert_eq!(
            all(text).unwrap(),
            [line(3, "a", " b = c "), line(5, "b", "")]
        );
        assert_eq!(
            all("a=1\nb=\u{e9}\u{20ac}\u{1f980}".as_bytes()).unwrap(),
            [line(1, "a", "1"), line(2, "b", "\u{e9}\u{20ac}\u{1f980}")]
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
    fn bytes_that_are_no_text() {
        assert_eq!(all(b"a=1\nb=\0\n").unwrap_err().line, 2);
        for bad in [
            &b"\xff"[..],
            b"\xc3",
            b"\xc3\n",
            b"\xe2\x82x",
            b"\xed\xa0\x80",
            b"\xf0\x9f\xa6\xff",
            b"\xf4\x90\x80\x80",
            b"\x80",
        ] {
            let error = all(&[b"a=1\n\nb=", bad].concat()).unwrap_err();
            assert_eq!((error.line, error.kind), (3, ConfigErrorKind::Syntax));
        }
    }

    #[test]
    fn the_limits_of_a_text() {
        let text = [&[b'#'; 63][..], b"\n"].concat().repeat(TEXT_MAX / 64);
        assert!(lines(&text, 4096).is_ok());
        let error = lines(&[&text[..], b"#"].concat(), 4096).unwrap_err();
        assert_eq!((error.line, error.kind), (0, ConfigErrorKind::TooLarge));

        assert!(lines(&b"\n".repeat(LINES_MAX), 4096).is_ok());
        let error = lines(&b"\n".repeat(LINES_MAX + 1), 4096).unwrap_err();
        assert_eq!(error.kind, ConfigErrorKind::TooLarge);
        assert_eq!(error.line, 65_537);

        let line = [b"a=".as_slice(), &b"x".repeat(LINE_MAX - 2)].concat();
        assert_eq!(lines(&line, 1000).unwrap()[0].2.len(), LINE_MAX - 2);
        let error = lines(&[b"\n", &line[..], b"x\n"].concat(), 1000).unwrap_err();
        assert_eq!((error.line, error.kind), (2, ConfigErrorKind::TooLarge));
    }
}
