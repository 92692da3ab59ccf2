//! Why a valid configuration is not carried out.

use crate::config::{EXCERPT_MAX, Visible};
use crate::feature::Feature;
use alloc::borrow::Cow;
use alloc::collections::TryReserveError;
use alloc::string::String;
use core::fmt::{self, Write};

/// The class of a [`Refusal`], for callers that turn it into an error number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusalKind {
    /// The platform does not have this feature (EOPNOTSUPP).
    Unsupported(Feature),
    /// No platform could carry this out (EINVAL).
    Invalid,
    /// Memory ran out while planning (ENOMEM).
    OutOfMemory,
}

/// A value that cannot be enforced, with its key and the reason. Nothing has been done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The key.
    pub key: &'static str,
    /// The value, cut to [`EXCERPT_MAX`] bytes; empty when the key is missing.
    pub value: String,
    /// Why it is refused.
    pub reason: Cow<'static, str>,
    /// The class of the refusal.
    pub kind: RefusalKind,
}

impl Refusal {
    pub(super) fn unsupported(
        feature: Feature,
        key: &'static str,
        value: impl fmt::Display,
    ) -> Self {
        Self {
            key,
            value: excerpt(value),
            reason: Cow::Borrowed(feature.refusal()),
            kind: RefusalKind::Unsupported(feature),
        }
    }

    pub(super) fn invalid(
        key: &'static str,
        value: impl fmt::Display,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            key,
            value: excerpt(value),
            reason: reason.into(),
            kind: RefusalKind::Invalid,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            f.write_str(self.key)?;
            if !self.value.is_empty() {
                write!(f, "={}", Visible(&self.value))?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.reason)
    }
}

impl core::error::Error for Refusal {}

impl From<TryReserveError> for Refusal {
    fn from(_: TryReserveError) -> Self {
        Self {
            key: "",
            value: String::new(),
            reason: Cow::Borrowed("out of memory for the plan"),
            kind: RefusalKind::OutOfMemory,
        }
    }
}

/// At most [`EXCERPT_MAX`] bytes of what `value` prints.
pub(super) fn excerpt(value: impl fmt::Display) -> String {
    let mut text = Excerpt(String::new());
    // An error only says that the text was cut.
    let _ = write!(text, "{value}");
    text.0
}

struct Excerpt(String);

impl fmt::Write for Excerpt {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| self.write_char(c))
    }

    fn write_char(&mut self, c: char) -> fmt::Result {
        if self.0.len().saturating_add(c.len_utf8()) > EXCERPT_MAX {
            return Err(fmt::Error);
        }
        self.0.push(c);
        Ok(())
    }
}
