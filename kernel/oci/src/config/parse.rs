//! From lines to a configuration.

use super::error::{ConfigError, ConfigErrorKind, Fault};
use super::key::{Arity, KEYS, Key};
use super::lexer::{LINES_MAX, Lexer, Line, check_size};
use super::value::Read;
use super::{OciConfig, OciMount, OciProcess, OciSeccomp};
use crate::hooks::HookKind;
use crate::memory::try_push;
use crate::nearest::nearest;
use alloc::format;
use alloc::vec::Vec;

/// A configuration that is read in portions.
///
/// For kernels that do nothing for long: each [`advance`](Self::advance) reads a bounded
/// number of lines. [`OciConfig::parse`] reads all of them at once.
#[derive(Debug)]
pub struct ConfigReader<T> {
    text: T,
    lexer: Lexer,
    parser: Parser,
}

/// How far a [`ConfigReader`] has come.
#[derive(Debug)]
pub enum Reading<T> {
    /// There are more lines.
    More(ConfigReader<T>),
    /// The whole text was read and is valid.
    Done(OciConfig),
}

impl<T: AsRef<[u8]>> ConfigReader<T> {
    /// Begins to read `text`.
    ///
    /// # Errors
    /// When the text is longer than [`TEXT_MAX`](super::TEXT_MAX).
    pub fn new(text: T) -> Result<Self, ConfigError> {
        check_size(text.as_ref())?;
        Ok(Self {
            text,
            lexer: Lexer::default(),
            parser: Parser::default(),
        })
    }

    /// Reads at most `lines` lines. What concerns more than one line is checked after the
    /// last.
    ///
    /// # Errors
    /// The first fault in the text, with its line.
    pub fn advance(mut self, lines: usize) -> Result<Reading<T>, ConfigError> {
        for _ in 0..lines {
            match self.lexer.next(self.text.as_ref()) {
                Some(Ok(Some(line))) => self.parser.line(line)?,
                Some(Ok(None)) => {}
                Some(Err(error)) => return Err(error),
                None => return self.finish().map(Reading::Done),
            }
        }
        Ok(Reading::More(self))
    }

    fn finish(self) -> Result<OciConfig, ConfigError> {
        let config = self.parser.config;
        match config.check_relations() {
            Ok(()) => Ok(config),
            Err(broken) => Err(broken.locate(self.text.as_ref())),
        }
    }
}

/// Reads the whole text.
pub(super) fn parse(text: &[u8]) -> Result<OciConfig, ConfigError> {
    let mut reader = ConfigReader::new(text)?;
    loop {
        match reader.advance(LINES_MAX)? {
            Reading::More(rest) => reader = rest,
            Reading::Done(config) => return Ok(config),
        }
    }
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
    if line.value.trim().len() != line.value.len() {
        return fault.hint("spaces around the value belong to it");
    }
    fault
}

/// A configuration in the making.
#[derive(Debug, Default)]
struct Parser {
    config: OciConfig,
    /// Keys given so far that may be given once. At most as many as there are keys.
    seen: Vec<(Key, u32)>,
    /// The kind of the hook line that `hook_arg` and `hook_env` lines belong to.
    last_hook: Option<HookKind>,
}

impl Parser {
    fn line(&mut self, line: Line<'_>) -> Result<(), ConfigError> {
        self.assign(line)
            .map_err(|fault| with_line_hint(fault, line).at(line.number, line.key, line.value))
    }

    fn assign(&mut self, line: Line<'_>) -> Read<()> {
        let key = Key::from_name(line.key).ok_or_else(|| unknown_key(line.key))?;
        self.check_once(key, line.number)?;
        self.set(key, line.value)
    }

    fn check_once(&mut self, key: Key, number: u32) -> Read<()> {
        if key.arity() == Arity::Many {
            return Ok(());
        }
        if let Some((_, first)) = self.seen.iter().find(|(seen, _)| *seen == key) {
            return Err(Fault::new(
                ConfigErrorKind::Duplicate,
                format!("the key may be given once; line {first} has it already"),
            ));
        }
        Ok(try_push(&mut self.seen, (key, number))?)
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

fn unknown_key(name: &str) -> Fault {
    let fault = Fault::new(ConfigErrorKind::UnknownKey, "unknown key");
    match nearest(name, KEYS.iter().copied()) {
        Some(key) => fault.hint(format!("did you mean {key}?")),
        None => fault,
    }
}
