//! A configuration on its way in: its text is copied, read and planned in turns, as it can be a
//! million bytes long and no trap may be.
//!
//! Nothing else knows of it. Only the death of the task ends it early, and then nothing is left.

use super::Trouble;
use super::create::{FEATURES, refusal};
use crate::cgroup::Charge;
use crate::error::{Errno, Stop};
use crate::mm::user;
use crate::task::TaskId;
use crate::wait::{Pending, Restart, Resume};
use crate::work::Job;
use crate::{Cx, Kernel};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use berth_oci::config::{ConfigError, ConfigErrorKind, ConfigReader};
use berth_oci::{Explanation, OciConfig, Planning};
use core::fmt::Write;

/// The text of a configuration.
#[derive(Clone, Copy)]
pub enum Text<'a> {
    /// Bytes in the memory of the task that makes the call.
    Of {
        /// Where they are.
        addr: u64,
        /// How many there are.
        len: u64,
    },
    /// Bytes of the kernel's.
    Here(&'a [u8]),
}

/// Bytes of the text, lines of it, entries of the configuration and lines of an explanation that
/// one turn takes; pieces that are freed at once, and bytes by which the heap grows. Each is some
/// 100,000 instructions.
const BYTES: usize = 1 << 12;
const LINES: usize = 16;
const ENTRIES: usize = 8;
const TOLD: usize = 4;
const PIECES: usize = 16;
const GROWTH: usize = 1 << 15;

/// A configuration on its way in.
pub(super) struct Draft {
    /// Bytes of the text that were read.
    taken: u64,
    /// Bytes of the heap that were made ready for what comes next.
    room: usize,
    reader: Option<Box<ConfigReader>>,
    config: Option<Box<OciConfig>>,
    planning: Planning,
    planned: bool,
    telling: Option<Telling>,
    charge: Charge,
}

/// An explanation on its way out.
struct Telling {
    explanation: Explanation,
    /// Lines told.
    line: usize,
    /// Their bytes.
    bytes: u64,
}

/// What [`Draft::turn`] came to.
enum Turn {
    More,
    Done,
}

impl Text<'_> {
    fn len(&self) -> u64 {
        match self {
            Text::Of { len, .. } => *len,
            Text::Here(bytes) => bytes.len() as u64,
        }
    }

    /// What a configuration of this text takes in memory, about.
    pub(super) fn cost(&self) -> u32 {
        u32::try_from(self.len().saturating_mul(4)).map_or(u32::MAX / 2, |cost| cost + 8192)
    }

    /// A portion of it.
    fn read(&self, k: &mut Kernel, cx: &mut Cx, at: u64, to: &mut [u8]) -> Result<(), Stop> {
        match self {
            Text::Of { addr, .. } => user::copy_in(k, cx, addr.saturating_add(at), to),
            Text::Here(bytes) => {
                let rest = bytes.get(at as usize..).and_then(|b| b.get(..to.len()));
                to.copy_from_slice(rest.ok_or(Errno::EFAULT)?);
                Ok(())
            }
        }
    }
}

impl Draft {
    fn new(
        k: &mut Kernel,
        text: &Text,
        (reader, planning): (ConfigReader, Planning),
    ) -> Result<Draft, Trouble> {
        let root = k.groups.root();
        let charge = k.groups.charge(root, text.cost())?;
        Ok(Draft {
            taken: 0,
            room: 0,
            reader: Some(Box::new(reader)),
            config: None,
            planning,
            planned: false,
            telling: None,
            charge,
        })
    }

    /// Goes on to read and plan.
    fn turn(&mut self, k: &mut Kernel, cx: &mut Cx, text: &Text) -> Result<Turn, Trouble> {
        if self.reader.is_some() {
            let len = usize::try_from(text.len()).unwrap_or(usize::MAX);
            if self.has_room(k, cx, len.saturating_mul(6))? {
                self.read(k, cx, text)?;
            }
            return Ok(Turn::More);
        }
        let config = self.config.as_deref().ok_or(Errno::EIO)?;
        // The steps themselves, and what undoes or warns of each.
        let bytes = Planning::bytes(config).saturating_mul(4);
        if !self.planned && !self.has_room(k, cx, bytes)? {
            return Ok(Turn::More);
        }
        let config = self.config.as_deref().ok_or(Errno::EIO)?;
        let more = !self.planned && self.planning.advance(config, ENTRIES).map_err(refusal)?;
        self.planned = !more;
        Ok(if more { Turn::More } else { Turn::Done })
    }

    /// Lets the heap grow in turns before something large is allocated at once.
    fn has_room(&mut self, k: &mut Kernel, cx: &mut Cx, bytes: usize) -> Result<bool, Trouble> {
        if self.room >= bytes || bytes <= GROWTH {
            return Ok(true);
        }
        self.room = bytes.min(self.room.saturating_add(GROWTH));
        k.room_in_heap(cx.m, self.room)?;
        Ok(false)
    }

    fn read(&mut self, k: &mut Kernel, cx: &mut Cx, text: &Text) -> Result<(), Trouble> {
        let left = text.len().saturating_sub(self.taken).min(BYTES as u64) as usize;
        let mut portion = Vec::new();
        portion.try_reserve_exact(left).map_err(|_| Errno::ENOMEM)?;
        portion.resize(left, 0);
        text.read(k, cx, self.taken, &mut portion)?;
        if let Some(reader) = &mut self.reader {
            let taken = reader.feed(&portion, LINES).map_err(unreadable)?;
            self.taken = self.taken.saturating_add(taken as u64);
        }
        if self.taken < text.len() {
            return Ok(());
        }
        let Some(reader) = self.reader.take() else {
            return Ok(());
        };
        let (config, result) = match reader.finish() {
            Ok(config) => (config, Ok(())),
            Err((error, config)) => (config, Err(unreadable(error))),
        };
        self.config = Some(Box::new(config));
        self.room = 0;
        result
    }

    /// Goes on to tell what was planned; gives the bytes told in this turn and where they belong.
    fn tell(&mut self) -> Result<(Turn, u64, String), Trouble> {
        let config = self.config.as_deref().ok_or(Errno::EIO)?;
        let telling = match &mut self.telling {
            Some(telling) => telling,
            none => {
                let features = berth_oci::FeatureSet::NONE;
                let planning = core::mem::replace(&mut self.planning, Planning::new(features));
                none.insert(Telling {
                    explanation: planning.into_explanation(config).map_err(refusal)?,
                    line: 0,
                    bytes: 0,
                })
            }
        };
        let mut out = String::new();
        out.try_reserve(TOLD * 512).map_err(|_| Errno::ENOMEM)?;
        let at = telling.bytes;
        for _ in 0..TOLD {
            let Some(line) = telling.explanation.line(config, telling.line) else {
                return Ok((Turn::Done, at, out));
            };
            let before = out.len();
            writeln!(out, "{line}").map_err(|_| Errno::EIO)?;
            telling.line += 1;
            telling.bytes += (out.len() - before) as u64;
        }
        Ok((Turn::More, at, out))
    }
}

/// A draft that is read and planned: the configuration and its plan, for create.
pub(super) fn planned(
    k: &mut Kernel,
    cx: &mut Cx,
    text: &Text,
) -> Result<(Box<OciConfig>, Planning), Trouble> {
    read(k, cx, text, || {
        (ConfigReader::default(), Planning::new(FEATURES))
    })
}

/// A draft of limits alone, for an update: that this kernel has them is checked.
pub(super) fn limits(k: &mut Kernel, cx: &mut Cx, text: &Text) -> Result<Box<OciConfig>, Trouble> {
    let limits = || (ConfigReader::of_limits(), Planning::of_limits(FEATURES));
    read(k, cx, text, limits).map(|(config, _)| config)
}

fn read(
    k: &mut Kernel,
    cx: &mut Cx,
    text: &Text,
    begin: impl FnOnce() -> (ConfigReader, Planning),
) -> Result<(Box<OciConfig>, Planning), Trouble> {
    let mut draft = take(k, cx, text, begin)?;
    match draft.turn(k, cx, text) {
        Ok(Turn::More) => Err(later(k, cx, draft)),
        Ok(Turn::Done) => {
            k.groups.give_back(draft.charge);
            let config = draft.config.ok_or(Errno::EIO)?;
            Ok((config, draft.planning))
        }
        Err(trouble) => Err(failed(k, cx, draft, trouble)),
    }
}

/// `container_plan`: what create, start and delete of a configuration would do, and every value
/// that would be refused; a line each. Gives the length of the text, which is written to `out` as
/// far as there is room.
///
/// # Errors
/// A text that is not a configuration is refused, ERANGE when there is room, but too little.
pub fn explain(
    k: &mut Kernel,
    cx: &mut Cx,
    text: &Text,
    (out, room): (u64, u64),
) -> Result<u64, Trouble> {
    let mut draft = take(k, cx, text, || {
        (ConfigReader::default(), Planning::to_the_end(FEATURES))
    })?;
    match draft.explain(k, cx, text, (out, room)) {
        Ok(None) => Err(later(k, cx, draft)),
        Ok(Some(len)) => {
            discard(k, draft);
            match len <= room || room == 0 {
                true => Ok(len),
                false => Err(Errno::ERANGE.into()),
            }
        }
        Err(trouble) => Err(failed(k, cx, draft, trouble)),
    }
}

impl Draft {
    /// A turn; gives the length of the whole text at the end.
    fn explain(
        &mut self,
        k: &mut Kernel,
        cx: &mut Cx,
        text: &Text,
        (out, room): (u64, u64),
    ) -> Result<Option<u64>, Trouble> {
        if self.telling.is_none() && matches!(self.turn(k, cx, text)?, Turn::More) {
            return Ok(None);
        }
        let (turn, at, told) = self.tell()?;
        let end = at.saturating_add(told.len() as u64);
        if end <= room {
            let place = out.saturating_add(at);
            user::copy_out(k, cx, place, told.as_bytes(), 0)?;
        }
        Ok(match turn {
            Turn::More => None,
            Turn::Done => Some(end),
        })
    }
}

/// Whether a call that was woken is still busy with its configuration.
pub(super) fn is_under_way(k: &Kernel, task: TaskId) -> bool {
    k.containers.drafts.contains_key(&task)
}

/// The draft of the present call, or a new one.
fn take(
    k: &mut Kernel,
    cx: &mut Cx,
    text: &Text,
    begin: impl FnOnce() -> (ConfigReader, Planning),
) -> Result<Draft, Trouble> {
    match k.containers.drafts.remove(&cx.task) {
        Some(draft) if cx.resume.is_some() => Ok(draft),
        stale => {
            if let Some(draft) = stale {
                discard(k, draft);
            }
            Draft::new(k, text, begin())
        }
    }
}

/// Others have their turn, then the draft goes on. Signals wait: it does not take long.
fn later(k: &mut Kernel, cx: &mut Cx, draft: Draft) -> Trouble {
    k.containers.drafts.insert(cx.task, draft);
    let pending = Pending::turn(Restart::Killable).with(Resume::default());
    Stop::Wait(pending).into()
}

/// The call ends; one that ran out of memory begins again from the start.
fn failed(k: &mut Kernel, cx: &mut Cx, draft: Draft, trouble: Trouble) -> Trouble {
    discard(k, draft);
    if matches!(trouble, Trouble::Stop(Stop::NoMem(_))) {
        cx.resume = None;
    }
    trouble
}

/// A task has ended, or its call has failed before it came here.
pub fn abandon(k: &mut Kernel, task: TaskId) {
    if let Some(draft) = k.containers.drafts.remove(&task) {
        discard(k, draft);
    }
}

fn discard(k: &mut Kernel, draft: Draft) {
    k.groups.give_back(draft.charge);
    let unfinished = draft
        .reader
        .map(|reader| Box::new(reader.into_unfinished()));
    for config in unfinished.into_iter().chain(draft.config) {
        forget(k, config);
    }
}

/// Frees a configuration, a large one in turns.
pub(super) fn forget(k: &mut Kernel, mut config: Box<OciConfig>) {
    if config.dissolve(PIECES) {
        k.work.add(Job::Config(config));
    }
}

/// Frees a part of a configuration; gives it back when there is more.
pub fn forget_step(mut config: Box<OciConfig>) -> Option<Box<OciConfig>> {
    config.dissolve(PIECES).then_some(config)
}

fn unreadable(error: ConfigError) -> Trouble {
    let errno = match error.kind {
        ConfigErrorKind::TooLarge => Errno::E2BIG,
        ConfigErrorKind::OutOfMemory => Errno::ENOMEM,
        _ => Errno::EINVAL,
    };
    Trouble::refused(errno, format!("{error}"))
}
