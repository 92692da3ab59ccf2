//! A configuration back as text.

use super::OciConfig;
use super::key::Key;
use core::fmt;

/// Writes lines of `key=value`.
pub(crate) struct Printer<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Printer<'_, '_> {
    /// One line. The value must already be quoted where its key takes quoting.
    pub(crate) fn line(&mut self, key: impl Into<Key>, value: impl fmt::Display) -> fmt::Result {
        writeln!(self.0, "{}={value}", key.into().as_str())
    }

    /// One line if there is a value.
    pub(crate) fn maybe(
        &mut self,
        key: impl Into<Key>,
        value: Option<impl fmt::Display>,
    ) -> fmt::Result {
        match value {
            Some(value) => self.line(key, value),
            None => Ok(()),
        }
    }

    /// One line for each value.
    pub(crate) fn each(
        &mut self,
        key: impl Into<Key>,
        values: impl IntoIterator<Item = impl fmt::Display>,
    ) -> fmt::Result {
        let key = key.into();
        values
            .into_iter()
            .try_for_each(|value| self.line(key, value))
    }

    /// A switch that is off unless written.
    pub(crate) fn switch(&mut self, key: impl Into<Key>, on: bool) -> fmt::Result {
        self.maybe(key, on.then_some(true))
    }

    /// A text of several lines: the first as `first`, the others as `more`.
    pub(crate) fn text_lines(
        &mut self,
        first: impl Into<Key>,
        more: impl Into<Key>,
        text: &str,
    ) -> fmt::Result {
        let mut lines = text.split('\n');
        self.maybe(first, lines.next())?;
        self.each(more, lines)
    }
}

pub(crate) fn print(config: &OciConfig, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut out = Printer(f);
    config.print_base(&mut out)?;
    if let Some(process) = &config.process {
        process.print(&mut out)?;
    }
    for mount in &config.mounts {
        mount.print(&mut out)?;
    }
    config.hooks.print(&mut out)?;
    config.linux.print(&mut out)
}
