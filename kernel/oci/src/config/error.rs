//! What is wrong with a configuration, said so that its author can repair it.

use alloc::borrow::Cow;
use alloc::collections::TryReserveError;
use alloc::string::String;
use core::fmt;

/// Longest excerpt of a key or value that an error carries, in bytes.
pub const EXCERPT_MAX: usize = 80;

/// The class of a [`ConfigError`], for callers that turn it into an error number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// The line or the text is not of the grammar (EINVAL).
    Syntax,
    /// No such key (EINVAL).
    UnknownKey,
    /// A key that may be given once was given twice (EINVAL).
    Duplicate,
    /// The value is not one this key takes (EINVAL).
    Value,
    /// A required key is missing, or a key needs another one (EINVAL).
    Relation,
    /// The text exceeds a limit (E2BIG).
    TooLarge,
    /// Memory ran out while parsing (ENOMEM).
    OutOfMemory,
}

/// An error in a configuration.
///
/// `Display` is one line: the place, what was written, why it is refused, what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigError {
    /// Line in the text, counted from 1; 0 when the fault is in no single line.
    pub line: u32,
    /// The key, cut to [`EXCERPT_MAX`] bytes; empty when there is none.
    pub key: String,
    /// The value, cut to [`EXCERPT_MAX`] bytes; empty when there is none.
    pub value: String,
    /// Why it is refused.
    pub reason: Cow<'static, str>,
    /// How to repair it, where that is known.
    pub hint: Option<Cow<'static, str>>,
    /// The class of the error.
    pub kind: ConfigErrorKind,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, "{}", Visible(&self.key))?;
            if !self.value.is_empty() {
                write!(f, "={}", Visible(&self.value))?;
            }
            f.write_str(": ")?;
        } else if !self.value.is_empty() {
            write!(f, "{}: ", Visible(&self.value))?;
        }
        f.write_str(&self.reason)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for ConfigError {}

/// Prints text as it is, except characters that would not be seen or would move the
/// cursor: an error must not be able to write another line.
pub(crate) struct Visible<'a>(pub(crate) &'a str);

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        self.0.chars().try_for_each(|c| match c {
            '"' | '\'' | '\\' => f.write_char(c),
            c => write!(f, "{}", c.escape_debug()),
        })
    }
}

/// A fault that does not know its place yet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: ConfigErrorKind,
    pub(crate) reason: Cow<'static, str>,
    pub(crate) hint: Option<Cow<'static, str>>,
}

impl Fault {
    pub(crate) fn new(kind: ConfigErrorKind, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            reason: reason.into(),
            hint: None,
        }
    }

    /// A value that its key does not take.
    pub(crate) fn value(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ConfigErrorKind::Value, reason)
    }

    /// A missing or contradicting neighbour.
    pub(crate) fn relation(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ConfigErrorKind::Relation, reason)
    }

    pub(crate) fn out_of_memory() -> Self {
        Self::new(
            ConfigErrorKind::OutOfMemory,
            "out of memory for the configuration",
        )
    }

    pub(crate) fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The error at its place.
    pub(crate) fn at(self, line: u32, key: &str, value: &str) -> ConfigError {
        ConfigError {
            line,
            key: excerpt(key),
            value: excerpt(value),
            reason: self.reason,
            hint: self.hint,
            kind: self.kind,
        }
    }
}

impl From<TryReserveError> for Fault {
    fn from(_: TryReserveError) -> Self {
        Self::out_of_memory()
    }
}

/// At most [`EXCERPT_MAX`] bytes of `text`, cut between characters.
pub(super) fn excerpt(text: &str) -> String {
    let mut end = text.len().min(EXCERPT_MAX);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    String::from(text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn an_error_is_one_readable_line() {
        let error = Fault::value("is not a number").at(3, "process_uid", "abc");
        assert_eq!(
            error.to_string(),
            "line 3: process_uid=abc: is not a number"
        );
        let error = Fault::value("is bad").hint("try b").at(0, "", "a\nb");
        assert_eq!(error.to_string(), "a\\nb: is bad (try b)");
    }

    #[test]
    fn excerpts_are_cut_between_characters() {
        let long = "\u{20ac}".repeat(40);
        assert_eq!(excerpt(&long).len(), 78);
        assert_eq!(excerpt("short"), "short");
    }
}
