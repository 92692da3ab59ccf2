//! The text that a translation writes.

use super::Done;
use crate::document::At;

/// The text that grows.
pub struct Text(pub String);

impl Text {
    /// A line whose value has no newline in it.
    pub fn line(&mut self, key: &str, value: &str) {
        debug_assert!(!value.contains('\n'), "{key}");
        for part in [key, "=", value, "\n"] {
            self.0.push_str(part);
        }
    }

    /// A string that has to stay on one line.
    pub fn scalar(&mut self, key: &str, at: &At<'_>) -> Done {
        let value = at.text()?;
        if value.contains('\n') {
            return Err(at.refuse("must not contain a newline"));
        }
        self.line(key, value);
        Ok(())
    }

    /// Strings that may have several lines: those after the first get the key `KEY_line`.
    pub fn many(&mut self, key: &str, items: &[At<'_>]) -> Done {
        for item in items {
            let mut lines = item.text()?.split('\n');
            self.line(key, lines.next().unwrap_or_default());
            lines.for_each(|more| self.line(&format!("{key}_line"), more));
        }
        Ok(())
    }
}

/// Quotes what separates the fields of a structured value.
pub fn quote(plain: &str) -> String {
    let mut quoted = String::with_capacity(plain.len());
    for c in plain.chars() {
        match c {
            ':' | ',' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c => quoted.push(c),
        }
    }
    quoted
}
