//! The states of a container and the one function that moves between them.

use core::fmt;

/// Where a container is in its life (runtime-spec "State", S-3).
///
/// `Display` gives the word of the state document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OciLifecycleState {
    /// The environment is being built; the user program cannot run.
    Creating,
    /// Create has finished; the user program has neither run nor exited.
    Created,
    /// The user program was executed and has not exited.
    Running,
    /// The container's process has exited.
    Stopped,
}

impl OciLifecycleState {
    /// All states, in the order of a life.
    pub const ALL: [Self; 4] = [Self::Creating, Self::Created, Self::Running, Self::Stopped];

    /// The word of the state document.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Running => "running",
            Self::Stopped => "stopped",
        }
    }

    /// Whether the container has a process (S-5: `pid` is in the state document).
    #[must_use]
    pub const fn has_process(self) -> bool {
        matches!(self, Self::Created | Self::Running)
    }
}

impl fmt::Display for OciLifecycleState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What is asked of a container, or has happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Verb {
    /// Create has finished (the last step of its plan).
    MarkCreated,
    /// `start`: execute the user program.
    Start,
    /// `state`: read the state document.
    State,
    /// `kill`: send a signal to the container's process.
    Kill,
    /// `exec`: run a further process inside.
    Exec,
    /// `pause`: freeze every process inside.
    Pause,
    /// `resume`: thaw them.
    Resume,
    /// `update`: change resource limits.
    Update,
    /// `delete`: undo create and free the id.
    Delete,
    /// The container's process has exited, by itself or by a signal.
    Exited,
}

impl Verb {
    /// All verbs.
    pub const ALL: [Self; 10] = [
        Self::MarkCreated,
        Self::Start,
        Self::State,
        Self::Kill,
        Self::Exec,
        Self::Pause,
        Self::Resume,
        Self::Update,
        Self::Delete,
        Self::Exited,
    ];

    /// The verb as a word for messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MarkCreated => "mark created",
            Self::Start => "start",
            Self::State => "state",
            Self::Kill => "kill",
            Self::Exec => "exec",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Exited => "exit",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What an allowed verb does to the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// The state does not change.
    Stay,
    /// The container is in this state now.
    To(OciLifecycleState),
    /// The container is gone; its id may be used again.
    Gone,
}

/// A verb that the state does not allow. Nothing has changed (E-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LifecycleError {
    /// The state of the container.
    pub state: OciLifecycleState,
    /// What was asked of it.
    pub verb: Verb,
}

/// The whole state machine: may `verb` be done in `state`, and where does it lead?
///
/// Follows the specification, not its tools: `delete` is for stopped containers only
/// (O-delete-1), `kill` for created and running ones (O-kill-1), and a created
/// container whose process is killed is stopped and can then be deleted.
///
/// # Errors
/// [`LifecycleError`], whose text uses the words users know from runc.
pub const fn transition(
    state: OciLifecycleState,
    verb: Verb,
) -> Result<Transition, LifecycleError> {
    use OciLifecycleState::{Created, Creating, Running, Stopped};
    match (state, verb) {
        (_, Verb::State) => Ok(Transition::Stay),
        (Creating, Verb::MarkCreated) => Ok(Transition::To(Created)),
        (Created, Verb::Start) => Ok(Transition::To(Running)),
        (Created | Running, Verb::Kill | Verb::Pause | Verb::Resume | Verb::Update) => {
            Ok(Transition::Stay)
        }
        (Created | Running, Verb::Exec) => Ok(Transition::Stay),
        (Created | Running, Verb::Exited) => Ok(Transition::To(Stopped)),
        (Stopped, Verb::Delete) => Ok(Transition::Gone),
        _ => Err(LifecycleError { state, verb }),
    }
}

impl fmt::Display for LifecycleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use OciLifecycleState::{Creating, Running, Stopped};
        let text = match (self.verb, self.state) {
            (Verb::Start, Stopped) => "cannot start a container that has stopped",
            (Verb::Start, Running) => "cannot start an already running container",
            (Verb::Kill, Stopped | Creating) => "container not running",
            (Verb::Exec, Stopped) => "cannot exec in a stopped container",
            (Verb::Delete, Running) => "container still running",
            (Verb::Delete, state) => {
                return write!(f, "cannot delete container that is not stopped: {state}");
            }
            (Verb::Pause | Verb::Resume | Verb::Update, Stopped) => {
                return write!(
                    f,
                    "container not running: cannot {} a stopped container",
                    self.verb
                );
            }
            (verb, state) => {
                return write!(f, "cannot {verb} a container in the {state} state");
            }
        };
        f.write_str(text)
    }
}

impl core::error::Error for LifecycleError {}

#[cfg(test)]
mod tests {
    use super::OciLifecycleState::{Created, Creating, Running, Stopped};
    use super::*;
    use std::string::ToString;

    /// The matrix as a table: one row a verb, one column a state.
    #[test]
    fn every_state_and_verb() {
        use Transition::{Gone, Stay, To};
        let refused = None;
        let matrix = [
            (
                Verb::MarkCreated,
                [Some(To(Created)), refused, refused, refused],
            ),
            (Verb::Start, [refused, Some(To(Running)), refused, refused]),
            (
                Verb::State,
                [Some(Stay), Some(Stay), Some(Stay), Some(Stay)],
            ),
            (Verb::Kill, [refused, Some(Stay), Some(Stay), refused]),
            (Verb::Exec, [refused, Some(Stay), Some(Stay), refused]),
            (Verb::Pause, [refused, Some(Stay), Some(Stay), refused]),
            (Verb::Resume, [refused, Some(Stay), Some(Stay), refused]),
            (Verb::Update, [refused, Some(Stay), Some(Stay), refused]),
            (Verb::Delete, [refused, refused, refused, Some(Gone)]),
            (
                Verb::Exited,
                [refused, Some(To(Stopped)), Some(To(Stopped)), refused],
            ),
        ];
        assert_eq!(matrix.len(), Verb::ALL.len());
        for ((verb, row), listed) in matrix.into_iter().zip(Verb::ALL) {
            assert_eq!(verb, listed);
            for (expected, state) in row.into_iter().zip(OciLifecycleState::ALL) {
                let expected = expected.ok_or(LifecycleError { state, verb });
                assert_eq!(transition(state, verb), expected, "{verb} in {state}");
            }
        }
    }

    #[test]
    fn refusals_use_the_words_of_runc() {
        for (state, verb, text) in [
            (
                Stopped,
                Verb::Start,
                "cannot start a container that has stopped",
            ),
            (
                Running,
                Verb::Start,
                "cannot start an already running container",
            ),
            (
                Creating,
                Verb::Start,
                "cannot start a container in the creating state",
            ),
            (Stopped, Verb::Kill, "container not running"),
            (Running, Verb::Delete, "container still running"),
            (
                Created,
                Verb::Delete,
                "cannot delete container that is not stopped: created",
            ),
            (Stopped, Verb::Exec, "cannot exec in a stopped container"),
            (
                Running,
                Verb::MarkCreated,
                "cannot mark created a container in the running state",
            ),
        ] {
            assert_eq!(LifecycleError { state, verb }.to_string(), text);
        }
    }

    #[test]
    fn states_print_as_in_the_state_document() {
        let words = ["creating", "created", "running", "stopped"];
        for (state, word) in OciLifecycleState::ALL.into_iter().zip(words) {
            assert_eq!(state.to_string(), word);
        }
    }

    /// L8: a container that was created but never started is not stuck.
    #[test]
    fn l08_a_created_container_has_a_way_out() {
        assert_eq!(transition(Created, Verb::Kill), Ok(Transition::Stay));
        assert_eq!(
            transition(Created, Verb::Exited),
            Ok(Transition::To(Stopped))
        );
        assert_eq!(transition(Stopped, Verb::Delete), Ok(Transition::Gone));
    }

    /// L18: delete needs a stopped container.
    #[test]
    fn l18_delete_needs_stopped() {
        for state in [Creating, Created, Running] {
            assert!(transition(state, Verb::Delete).is_err());
        }
    }
}
