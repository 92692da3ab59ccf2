//! What create, start and delete of a configuration would do, told without doing it.

use super::{NamespaceSource, Plan, Planning, Refusal, RefusalKind, Step, plan_delete, plan_start};
use crate::config::OciConfig;
use crate::feature::FeatureSet;
use crate::hooks::HookKind;
use crate::lifecycle::Verb;
use alloc::vec::Vec;
use core::fmt::{self, Write};

/// The whole life of a container in advance: each step, what undoes it, and every value that
/// would be refused.
///
/// ```
/// use berth_oci::{Feature, FeatureSet, OciConfig, explain};
///
/// let config = OciConfig::parse(
///     "root_path=rootfs\nnamespace=mount\nprocess_arg=/bin/sh\nmemory_limit=65536\ncpu_shares=2",
/// )?;
/// let explanation = explain(&config, FeatureSet::of(&[Feature::NamespaceMount]))?;
/// assert!(explanation.refuses());
/// let told: Vec<String> = explanation.lines(&config).map(|line| line.to_string()).collect();
/// assert_eq!(told[0], "create\tR-1\tfind the root rootfs\tlet the directory go");
/// let refused = told.iter().filter(|line| line.starts_with("refused\t"));
/// assert_eq!(refused.count(), 2, "not only the first");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    create: Vec<Step>,
    start: Vec<Step>,
    delete: Vec<Step>,
    refusals: Vec<Refusal>,
    more_refusals: usize,
}

/// One line of an [`Explanation`].
///
/// `Display` gives fields that tabs separate, without control characters and cut where they
/// are long: `create`, `start` or `delete`, the requirements of the specification, the step,
/// what undoes it; or `refused`, key, value, reason.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Explained<'c> {
    /// A step of create, start or delete.
    Step {
        /// Of which of them.
        verb: Verb,
        /// The step.
        step: Step,
        /// The configuration that it is a step of.
        config: &'c OciConfig,
    },
    /// A value that would be refused.
    Refused(&'c Refusal),
    /// So many refusals more are not listed.
    MoreRefused(usize),
}

/// Explains a configuration to whoever wants to know before anything is done.
///
/// # Errors
/// When memory runs out. Refusals are no error here.
pub fn explain(config: &OciConfig, features: FeatureSet) -> Result<Explanation, Refusal> {
    let mut planning = Planning::to_the_end(features);
    while planning.advance(config, usize::MAX)? {}
    planning.into_explanation(config)
}

impl Planning {
    /// The explanation, once there is nothing more to [`advance`](Self::advance).
    ///
    /// # Errors
    /// When memory runs out.
    pub fn into_explanation(mut self, config: &OciConfig) -> Result<Explanation, Refusal> {
        let start = match plan_start(config) {
            Ok(plan) => plan.into_steps(),
            Err(refusal) if refusal.kind == RefusalKind::OutOfMemory => return Err(refusal),
            Err(refusal) => {
                self.refuse(refusal)?;
                Vec::new()
            }
        };
        let delete = plan_delete(config).map(Plan::into_steps)?;
        let (create, refusals, more_refusals) = self.into_parts();
        Ok(Explanation {
            create,
            start,
            delete,
            refusals,
            more_refusals,
        })
    }
}

impl Explanation {
    /// Whether there is a value that would be refused.
    #[must_use]
    pub fn refuses(&self) -> bool {
        !self.refusals.is_empty()
    }

    /// The refusals, in the order of the plan; at most [`REFUSALS_MAX`](super::REFUSALS_MAX).
    #[must_use]
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// All lines: the steps in order, then the refusals. `config` is the one explained.
    pub fn lines<'c>(&'c self, config: &'c OciConfig) -> impl Iterator<Item = Explained<'c>> {
        (0..).map_while(|index| self.line(config, index))
    }

    /// One of the [`lines`](Self::lines), counted from 0.
    #[must_use]
    pub fn line<'c>(&'c self, config: &'c OciConfig, index: usize) -> Option<Explained<'c>> {
        let mut left = index;
        for (verb, steps) in [
            (Verb::MarkCreated, &self.create),
            (Verb::Start, &self.start),
            (Verb::Delete, &self.delete),
        ] {
            if let Some(step) = steps.get(left).copied() {
                return Some(Explained::Step { verb, step, config });
            }
            left = left.saturating_sub(steps.len());
        }
        if let Some(refusal) = self.refusals.get(left) {
            return Some(Explained::Refused(refusal));
        }
        let last = left == self.refusals.len() && self.more_refusals > 0;
        last.then_some(Explained::MoreRefused(self.more_refusals))
    }
}

impl fmt::Display for Explained<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step { verb, step, config } => {
                let verb = match verb {
                    Verb::MarkCreated => "create",
                    verb => verb.as_str(),
                };
                write!(f, "{verb}\t{}", step.spec_id())?;
                for id in step.further_spec_ids() {
                    write!(f, " {id}")?;
                }
                f.write_char('\t')?;
                short(f, step.text(config))?;
                write!(f, "\t{}", step.undone_by())
            }
            Self::Refused(refusal) => {
                write!(f, "refused\t{}\t", refusal.key)?;
                short(f, &refusal.value)?;
                f.write_char('\t')?;
                short(f, &refusal.reason)
            }
            Self::MoreRefused(more) => write!(f, "refused\t\t\tand {more} more values"),
        }
    }
}

/// Longest field in bytes.
const FIELD_MAX: usize = 256;

/// Writes a field: without what would separate or move the cursor, and cut.
fn short(f: &mut fmt::Formatter<'_>, text: impl fmt::Display) -> fmt::Result {
    let mut field = Field {
        out: f,
        left: FIELD_MAX,
        cut: false,
    };
    match write!(field, "{text}") {
        Err(_) if field.cut => field.out.write_str("..."),
        written => written,
    }
}

struct Field<'a, 'f> {
    out: &'a mut fmt::Formatter<'f>,
    left: usize,
    cut: bool,
}

impl fmt::Write for Field<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while !rest.is_empty() {
            // Most of a text is plain, and goes in one piece.
            let plain = |byte: &u8| matches!(*byte, b' '..=b'~');
            let length = rest.bytes().take(self.left).take_while(plain).count();
            let (piece, others) = rest.split_at(length);
            self.out.write_str(piece)?;
            self.left = self.left.saturating_sub(length);
            let mut chars = others.chars();
            if let Some(c) = chars.next() {
                self.write_char(c)?;
            }
            rest = chars.as_str();
        }
        Ok(())
    }

    fn write_char(&mut self, c: char) -> fmt::Result {
        let Some(left) = self.left.checked_sub(c.len_utf8()) else {
            self.cut = true;
            return Err(fmt::Error);
        };
        self.left = left;
        match c {
            ' '..='~' => self.out.write_char(c),
            c => write!(self.out, "{}", c.escape_debug()),
        }
    }
}

impl Step {
    /// The requirements that it fulfils besides [`spec_id`](Self::spec_id).
    #[must_use]
    pub const fn further_spec_ids(self) -> &'static [&'static str] {
        match self {
            Self::Mount(_) => &["M-2", "M-3", "M-4"],
            Self::CreateDefaultDevices => &["D-3"],
            Self::MoveNetDevice(_) => &["ND-2", "ND-3"],
            Self::RunHook(hook) => match hook.kind {
                HookKind::Poststop => &["H-2", "H-3", "E-2"],
                _ => &["H-2", "H-3", "E-1"],
            },
            Self::InstallSeccomp => &["SC-1", "SC-4"],
            Self::MarkCreated => &["S-3", "S-5"],
            Self::LoadProgram => &["P-5", "P-6"],
            _ => &[],
        }
    }

    /// What takes the step back when a later one fails, in words.
    #[must_use]
    pub const fn undone_by(self) -> &'static str {
        match self {
            Self::ResolveRoot => "let the directory go",
            Self::Namespace(_, NamespaceSource::New) => "remove the namespace",
            Self::Namespace(_, NamespaceSource::Join) => "let the namespace go",
            Self::Namespace(_, NamespaceSource::Inherit) => "nothing to undo",
            Self::CreateCgroup => "remove the cgroup",
            Self::SetResources => "goes with the cgroup",
            Self::MapIds
            | Self::SetTimeOffsets
            | Self::SetSysctl(_)
            | Self::SetHostname
            | Self::SetDomainname => "goes with the namespace",
            Self::MountRoot => "unmount",
            Self::Mount(_) => "unmount, remove the mount point if it was made",
            Self::CreateDefaultDevices | Self::CreateDevice(_) | Self::CreateDevSymlinks => {
                "remove what was made"
            }
            Self::OpenTerminal => "close the terminal",
            Self::MoveNetDevice(_) => "move the interface back",
            Self::RunHook(hook) => match hook.kind {
                HookKind::Prestart | HookKind::CreateRuntime | HookKind::CreateContainer => {
                    "what it did outside stays; poststop hooks run"
                }
                HookKind::StartContainer | HookKind::Poststart => {
                    "stop and destroy the container, run poststop hooks"
                }
                HookKind::Poststop => "nothing: a failure is a warning",
            },
            Self::PivotRoot
            | Self::MaskPath(_)
            | Self::ProtectPath(_)
            | Self::RemountRootReadonly => "goes with the mount namespace",
            Self::SetWorkingDirectory
            | Self::SetCredentials
            | Self::SetCapabilities
            | Self::SetNoNewPrivileges
            | Self::SetRlimits
            | Self::SetOomScoreAdj
            | Self::SetScheduler
            | Self::SetIoPriority
            | Self::SetPersonality
            | Self::SetMemoryPolicy
            | Self::SetIntelRdt
            | Self::SetLabels
            | Self::InstallSeccomp => "goes with the task",
            Self::CreateTask => "kill the task",
            Self::MarkCreated => "forget the container",
            Self::LoadProgram => "drop the program",
            Self::MarkRunning => "stop and destroy the container",
            Self::StopContainer | Self::Destroy | Self::ReleaseId => "cannot fail",
        }
    }
}
