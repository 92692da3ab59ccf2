//! From lines to a configuration.

use super::error::{ConfigError, ConfigErrorKind, Fault, excerpt};
use super::key::{Arity, KEYS, Key};
use super::lexer::{Lexer, Line};
use super::names::Names;
use super::value::{Read, STRUCTURED_MAX};
use super::{OciConfig, OciMount, OciProcess, OciSeccomp};
use crate::hooks::HookKind;
use crate::memory::try_push;
use crate::nearest::nearest;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// A configuration whose text arrives in portions.
///
/// For kernels that do nothing for long: what a [`feed`](Self::feed) costs is bounded by what
/// it is given. [`OciConfig::parse`] reads a whole text at once.
///
/// ```
/// use berth_oci::config::ConfigReader;
///
/// let mut reader = ConfigReader::default();
/// for portion in ["root_pa", "th=rootfs\nhostn", "ame=x\nnamespace=uts"] {
///     let mut rest = portion.as_bytes();
///     while !rest.is_empty() {
///         // At most eight lines at once.
///         let taken = reader.feed(rest, 8)?;
///         rest = &rest[taken..];
///     }
/// }
/// let config = reader.finish().map_err(|(error, _)| error)?;
/// assert_eq!(config.hostname.as_deref(), Some("x"));
/// # Ok::<(), berth_oci::ConfigError>(())
/// ```
#[derive(Debug, Default)]
pub struct ConfigReader {
    lexer: Lexer,
    parser: Parser,
}

/// So many elements of a list, and so many bytes, cost as much as a line.
const ELEMENTS: usize = 4;
const BYTES: usize = 1 << 8;

impl ConfigReader {
    /// A reader of limits alone, for an update: of the keys of a whole configuration only those of
    /// `linux.resources` may be there, and none must. What concerns more than one line is not
    /// checked: the lines change what a container has ([`plan_update`](crate::plan_update)).
    #[must_use]
    pub fn of_limits() -> Self {
        let mut reader = Self::default();
        reader.parser.only_limits = true;
        reader
    }

    /// Reads at most `lines` lines of `bytes`, fewer when some are long; what belongs to a line
    /// that has not ended is kept. Says how many bytes were taken: at least one, if there are
    /// any and `lines` is not 0.
    ///
    /// # Errors
    /// The first fault in the text, with its line. The reader is of no further use then.
    pub fn feed(&mut self, bytes: &[u8], lines: usize) -> Result<usize, ConfigError> {
        let mut all = 0usize;
        let mut left = lines;
        while left > 0 {
            let rest = bytes.get(all..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            let (taken, ended) = self.lexer.take(rest)?;
            all = all.saturating_add(taken);
            let cost = if ended { self.line()? } else { 1 };
            left = left.saturating_sub(cost);
        }
        Ok(all)
    }

    /// How many lines have begun.
    #[must_use]
    pub const fn lines(&self) -> u32 {
        self.lexer.lines()
    }

    /// The text is complete. Now is checked what concerns more than one line.
    ///
    /// # Errors
    /// A fault in the last line or between lines; with what was read, to be
    /// [dissolved](OciConfig::dissolve).
    #[allow(
        clippy::result_large_err,
        reason = "it goes no further than to its caller"
    )]
    pub fn finish(mut self) -> Result<OciConfig, (ConfigError, OciConfig)> {
        let last = match self.lexer.end() {
            Ok(true) => self.line().map(|_| ()),
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        let checked = last.and_then(|()| self.parser.check());
        match checked {
            Ok(()) => Ok(self.parser.config),
            Err(error) => Err((error, self.parser.config)),
        }
    }

    /// What was read so far, to be [dissolved](OciConfig::dissolve): it is not a valid
    /// configuration.
    #[must_use]
    pub fn into_unfinished(self) -> OciConfig {
        self.parser.config
    }

    /// Reads the line that has ended; says as how many lines it counts.
    fn line(&mut self) -> Result<usize, ConfigError> {
        let mut cost = 1usize;
        if let Some(line) = self.lexer.line()? {
            self.parser.line(line)?;
            let length = line.value.len();
            // Longer values have no structure, and need not be looked at.
            if length <= STRUCTURED_MAX {
                let commas = line.value.bytes().filter(|byte| *byte == b',').count();
                cost = cost.saturating_add(commas / ELEMENTS);
            }
            cost = cost.saturating_add(length / BYTES);
        }
        self.lexer.clear();
        Ok(cost)
    }
}

/// Reads the whole text.
pub(super) fn parse(text: &[u8]) -> Result<OciConfig, ConfigError> {
    let mut reader = ConfigReader::default();
    let mut rest = text;
    while !rest.is_empty() {
        let taken = reader.feed(rest, usize::MAX)?;
        rest = rest.get(taken..).unwrap_or_default();
    }
    reader.finish().map_err(|(error, _)| error)
}

/// Says what cannot be seen: a text of a Windows editor fails somewhere on its first
/// line, and a value has the spaces that were typed around it.
fn with_line_hint(fault: Fault, line: Line<'_>) -> Fault {
    if line.value.ends_with('\r') {
        return fault.hint("the line ends in a carriage return; use plain newlines");
    }
    if fault.hint.is_some() {
        return fault;
    }
    if line.value.is_empty() {
        return fault.hint("the value is empty");
    }
    if line.value.starts_with(char::is_whitespace) || line.value.ends_with(char::is_whitespace) {
        return fault.hint("spaces around the value belong to it");
    }
    fault
}

/// A configuration in the making.
#[derive(Debug, Default)]
struct Parser {
    config: OciConfig,
    /// The keys given so far. At most as many as there are keys.
    seen: Vec<Seen>,
    /// The names that `annotation`, `sysctl` and `unified` lines have given.
    names: Names,
    /// The kind of the hook line that `hook_arg` and `hook_env` lines belong to.
    last_hook: Option<HookKind>,
    /// Other keys than those of limits are faults, missing ones are not.
    only_limits: bool,
}

/// A key that was given.
#[derive(Debug)]
struct Seen {
    key: Key,
    /// How often.
    times: usize,
    /// The last line that has it.
    line: u32,
    /// The value there, cut.
    value: String,
}

impl Parser {
    fn line(&mut self, line: Line<'_>) -> Result<(), ConfigError> {
        self.assign(line)
            .map_err(|fault| with_line_hint(fault, line).at(line.number, line.key, line.value))
    }

    fn assign(&mut self, line: Line<'_>) -> Read<()> {
        let key = Key::from_name(line.key).ok_or_else(|| unknown_key(line.key))?;
        if self.only_limits && !matches!(key, Key::Resource(_)) {
            let text = "only limits can be changed";
            return Err(Fault::new(ConfigErrorKind::UnknownKey, text));
        }
        self.count(key, line)?;
        self.set(key, line.value)?;
        self.names.check(key, &self.config)
    }

    fn count(&mut self, key: Key, line: Line<'_>) -> Read<()> {
        let Some(seen) = self.seen.iter_mut().find(|seen| seen.key == key) else {
            let seen = Seen {
                key,
                times: 1,
                line: line.number,
                value: excerpt(line.value),
            };
            return Ok(try_push(&mut self.seen, seen)?);
        };
        if seen.times >= key.arity().most() {
            return Err(too_often(key.arity(), seen.line));
        }
        seen.times = seen.times.saturating_add(1);
        seen.line = line.number;
        seen.value = excerpt(line.value);
        Ok(())
    }

    /// The rules between lines: one that is broken is an error at the last line that has the
    /// key, or at no line.
    fn check(&self) -> Result<(), ConfigError> {
        if self.only_limits {
            return Ok(());
        }
        self.config.check_relations().map_err(|broken| {
            let seen = self.seen.iter().find(|seen| seen.key == broken.key);
            let (line, value) = seen.map_or((0, ""), |seen| (seen.line, seen.value.as_str()));
            broken.fault.at(line, broken.key.as_str(), value)
        })
    }

    fn set(&mut self, key: Key, value: &str) -> Read<()> {
        let config = &mut self.config;
        match key {
            Key::Base(key) => config.set_base(key, value),
            Key::Process(key) => config
                .process
                .get_or_insert_with(OciProcess::default)
                .set(key, value),
            Key::Mount(key) => OciMount::set(&mut config.mounts, key, value),
            Key::Hook(key) => config.hooks.set(key, value, &mut self.last_hook),
            Key::Linux(key) => config.linux.set(key, value),
            Key::Resource(key) => config.linux.resources.set(key, value),
            Key::Seccomp(key) => config
                .linux
                .seccomp
                .get_or_insert_with(OciSeccomp::default)
                .set(key, value),
        }
    }
}

fn too_often(arity: Arity, line: u32) -> Fault {
    match arity {
        Arity::Once => Fault::new(
            ConfigErrorKind::Duplicate,
            format!("the key may be given once; line {line} has it already"),
        ),
        _ => Fault::new(
            ConfigErrorKind::TooLarge,
            format!("the key may be given {} times", arity.most()),
        ),
    }
}

fn unknown_key(name: &str) -> Fault {
    let fault = Fault::new(ConfigErrorKind::UnknownKey, "unknown key");
    match nearest(name, KEYS.iter().copied()) {
        Some(key) => fault.hint(format!("did you mean {key}?")),
        None => fault,
    }
}
