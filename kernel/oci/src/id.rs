//! Container ids.

use core::fmt;
use core::str::FromStr;

/// Longest container id in bytes.
pub const CONTAINER_ID_MAX: usize = 128;

/// The name of a container: 1 to 128 of `[A-Za-z0-9_+.-]`, not starting with `.` or `-`.
///
/// A leading `.` would hide state files and allow `..`; a leading `-` would be an
/// option to command-line tools.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId(heapless::String<CONTAINER_ID_MAX>);

impl ContainerId {
    /// Checks `text` and keeps a copy of it.
    ///
    /// # Errors
    /// [`IdError`] says which rule `text` breaks.
    pub fn new(text: &str) -> Result<Self, IdError> {
        let first = *text.as_bytes().first().ok_or(IdError::Empty)?;
        if text.len() > CONTAINER_ID_MAX {
            return Err(IdError::TooLong);
        }
        if let Some(bad) = text.chars().find(|c| !is_id_char(*c)) {
            return Err(IdError::Character(bad));
        }
        if matches!(first, b'.' | b'-') {
            return Err(IdError::Start(char::from(first)));
        }
        let mut id = heapless::String::new();
        id.push_str(text).map_err(|_| IdError::TooLong)?;
        Ok(Self(id))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

fn is_id_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '.' | '-')
}

impl FromStr for ContainerId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::new(text)
    }
}

impl AsRef<str> for ContainerId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContainerId({})", self.as_str())
    }
}

/// Why a text is not a container id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdError {
    /// There is no id.
    Empty,
    /// More than [`CONTAINER_ID_MAX`] bytes.
    TooLong,
    /// A character outside the alphabet.
    Character(char),
    /// A first character that is only allowed later.
    Start(char),
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid container ID format: ")?;
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::TooLong => write!(f, "it is longer than {CONTAINER_ID_MAX} bytes"),
            Self::Character(c) => write!(f, "{c:?} is not one of A-Z a-z 0-9 _ + . -"),
            Self::Start(c) => write!(f, "it starts with {c:?}"),
        }
    }
}

impl core::error::Error for IdError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn l01_container_ids_are_checked() {
        let long = "x".repeat(CONTAINER_ID_MAX);
        for good in ["a", "A.b-c_d+9", "0", "_x", long.as_str()] {
            assert_eq!(ContainerId::new(good).unwrap().as_str(), good);
        }
        let too_long = "x".repeat(CONTAINER_ID_MAX + 1);
        for (bad, error) in [
            ("", IdError::Empty),
            (too_long.as_str(), IdError::TooLong),
            ("../../x", IdError::Character('/')),
            ("a/b", IdError::Character('/')),
            ("a b", IdError::Character(' ')),
            ("a\0", IdError::Character('\0')),
            ("caf\u{e9}", IdError::Character('\u{e9}')),
            (".", IdError::Start('.')),
            ("..", IdError::Start('.')),
            (".hidden", IdError::Start('.')),
            ("-rf", IdError::Start('-')),
        ] {
            assert_eq!(ContainerId::new(bad), Err(error), "{bad:?}");
        }
        assert!(
            IdError::Empty
                .to_string()
                .contains("invalid container ID format")
        );
    }
}
