//! The container calls with Rust's types.

use std::fmt;
use std::time::{Duration, SystemTime};

use berth_abi::{
    AuditRecord, CONTAINER_AUDIT, CONTAINER_CREATE, CONTAINER_DELETE, CONTAINER_EVENTS,
    CONTAINER_KILL, CONTAINER_LIST, CONTAINER_PAUSE, CONTAINER_PLAN, CONTAINER_PROCESSES,
    CONTAINER_RESUME, CONTAINER_START, CONTAINER_STATE, CONTAINER_STATS, CONTAINER_UPDATE,
    CONTAINER_WAIT, DELETE_FORCE, ExitRecord, StateRecord, WAIT_NOHANG, exit, oom, status,
};
pub use berth_abi::{EventsRecord, StatsRecord};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use zerocopy::{FromBytes, IntoBytes};

use crate::raw::{Reply, Request, call};

/// Why a container call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The kernel's errno.
    pub errno: Errno,
    /// The kernel's sentence; names key, value and reason. May be empty.
    pub text: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.is_empty() {
            self.errno.fmt(f)
        } else {
            f.write_str(&self.text)
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    /// An answer of the kernel that does not have the shape the interface promises.
    fn malformed() -> Self {
        Self {
            errno: Errno::BADMSG,
            text: "malformed answer of the kernel".to_owned(),
        }
    }
}

impl Reply {
    /// The number, or the error with its sentence.
    fn into_result(self) -> Result<usize, Error> {
        let text = self.text;
        self.result.map_err(|errno| Error { errno, text })
    }
}

/// Where a container is in its life (S-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Being built.
    Creating,
    /// Built; the program has not run.
    Created,
    /// The program runs.
    Running,
    /// Created or running, and frozen.
    Paused,
    /// The program ended.
    Stopped,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        })
    }
}

/// How a container's init ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It called exit with this code.
    Code(u32),
    /// This signal killed it.
    Signal(u32),
}

impl Exit {
    /// The code by which shells report it: the exit code, or 128 and the signal.
    #[must_use]
    pub fn shell_code(self) -> u8 {
        let code = match self {
            Self::Code(code) => code,
            Self::Signal(signal) => signal.saturating_add(128),
        };
        u8::try_from(code).unwrap_or(u8::MAX)
    }

    fn from_record(record: &ExitRecord) -> Option<Self> {
        match record.kind {
            exit::CODE => Some(Self::Code(record.value)),
            exit::SIGNAL => Some(Self::Signal(record.value)),
            _ => None,
        }
    }
}

/// The end of a container's init.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// How it ended.
    pub exit: Exit,
    /// Whether it was killed for want of memory, by the container's own limit or the system's.
    pub oom_killed: bool,
    /// How many processes of the container were.
    pub oom_kills: u32,
}

impl Ended {
    fn from_record(record: &ExitRecord) -> Option<Self> {
        Some(Self {
            exit: Exit::from_record(record)?,
            oom_killed: record.oom_killed != oom::NO,
            oom_kills: record.oom_kills,
        })
    }
}

/// A container's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Where it is in its life.
    pub status: Status,
    /// Init's pid as the caller sees it; 0 when stopped.
    pub pid: u32,
    /// When it was created.
    pub created: SystemTime,
    /// How init ended.
    pub exit: Option<Exit>,
    /// The version its configuration names.
    pub oci_version: String,
    /// The bundle's absolute path.
    pub bundle: String,
    /// Annotations in the order of the configuration.
    pub annotations: Vec<(String, String)>,
}

impl State {
    /// Reads a [`StateRecord`] and the texts that follow it; `None` when it is malformed.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (record, mut rest) = StateRecord::read_from_prefix(bytes).ok()?;
        let oci_version = take_text(&mut rest)?;
        let bundle = take_text(&mut rest)?;
        let mut annotations = Vec::new();
        for _ in 0..record.annotations {
            annotations.push((take_text(&mut rest)?, take_text(&mut rest)?));
        }
        let status = match record.status {
            status::CREATING => Status::Creating,
            status::CREATED => Status::Created,
            status::RUNNING => Status::Running,
            status::STOPPED => Status::Stopped,
            status::PAUSED => Status::Paused,
            _ => return None,
        };
        let since_epoch = Duration::from_secs(record.created_sec)
            .checked_add(Duration::from_nanos(record.created_nsec.into()))?;
        let created = SystemTime::UNIX_EPOCH.checked_add(since_epoch)?;
        let exit = Exit::from_record(&record.exit);
        let pid = record.pid;
        Some(Self {
            status,
            pid,
            created,
            exit,
            oci_version,
            bundle,
            annotations,
        })
    }
}

/// Takes one text, `u32` length and bytes, off the front.
fn take_text(rest: &mut &[u8]) -> Option<String> {
    let (length, after) = u32::read_from_prefix(rest).ok()?;
    let (text, after) = after.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = after;
    String::from_utf8(text.to_vec()).ok()
}

/// Builds the container `id`; its descriptors 0, 1 and 2 are the caller's. Gives init's pid.
///
/// # Errors
/// The kernel's refusal; nothing is left behind.
pub fn create(id: &str, bundle: BorrowedFd<'_>, config: &[u8]) -> Result<u32, Error> {
    let request = Request {
        id: id.as_bytes(),
        config,
        bundle: Some(bundle),
        ..Request::default()
    };
    let pid = call(CONTAINER_CREATE, request).into_result()?;
    u32::try_from(pid).map_err(|_| Error::malformed())
}

/// Runs the program of the created container `id`.
///
/// # Errors
/// The kernel's refusal.
pub fn start(id: &str) -> Result<(), Error> {
    call(
        CONTAINER_START,
        Request {
            id: id.as_bytes(),
            ..Request::default()
        },
    )
    .into_result()?;
    Ok(())
}

/// The state of the container `id`.
///
/// # Errors
/// The kernel's refusal; ENOENT when there is no such container.
pub fn state(id: &str) -> Result<State, Error> {
    let mut room = vec![0u8; 4096];
    loop {
        let request = Request {
            id: id.as_bytes(),
            out: &mut room,
            ..Request::default()
        };
        match call(CONTAINER_STATE, request).into_result() {
            // It grows only while the room is too small, up to the largest configuration.
            Err(error) if error.errno == Errno::RANGE && room.len() < 1 << 22 => {
                room.resize(room.len().saturating_mul(2), 0);
            }
            Err(error) => return Err(error),
            Ok(used) => {
                return room
                    .get(..used)
                    .and_then(State::parse)
                    .ok_or_else(Error::malformed);
            }
        }
    }
}

/// Sends `signal` to init of the container `id`.
///
/// # Errors
/// The kernel's refusal.
pub fn kill(id: &str, signal: u32) -> Result<(), Error> {
    let request = Request {
        id: id.as_bytes(),
        arg: signal.into(),
        ..Request::default()
    };
    call(CONTAINER_KILL, request).into_result()?;
    Ok(())
}

/// Removes the container `id`; `force` kills it first, and succeeds when there is none. Gives the
/// warnings of its poststop hooks, often none.
///
/// # Errors
/// The kernel's refusal.
pub fn delete(id: &str, force: bool) -> Result<String, Error> {
    let flags = if force { DELETE_FORCE } else { 0 };
    let request = Request {
        id: id.as_bytes(),
        flags,
        ..Request::default()
    };
    let Reply { result, text } = call(CONTAINER_DELETE, request);
    match result {
        Ok(_) => Ok(text),
        Err(errno) => Err(Error { errno, text }),
    }
}

/// The ids of all containers, in their order.
///
/// # Errors
/// The kernel's refusal.
pub fn list() -> Result<Vec<String>, Error> {
    let mut ids: Vec<String> = Vec::new();
    let mut room = [0u8; 4096];
    loop {
        let after = ids.last().cloned().unwrap_or_default();
        let request = Request {
            id: after.as_bytes(),
            out: &mut room,
            ..Request::default()
        };
        let used = call(CONTAINER_LIST, request).into_result()?;
        if used == 0 {
            return Ok(ids);
        }
        let text = room.get(..used).ok_or_else(Error::malformed)?;
        for id in text.split(|byte| *byte == 0).filter(|id| !id.is_empty()) {
            ids.push(String::from_utf8(id.to_vec()).map_err(|_| Error::malformed())?);
        }
    }
}

/// Waits until the container `id` is stopped, however many signals come meanwhile.
///
/// # Errors
/// The kernel's refusal.
pub fn wait(id: &str) -> Result<Ended, Error> {
    loop {
        match wait_once(id, 0) {
            Err(error) if error.errno == Errno::INTR => {}
            other => return other,
        }
    }
}

/// How the container `id` ended, or `None` when it has not.
///
/// # Errors
/// The kernel's refusal.
pub fn try_wait(id: &str) -> Result<Option<Ended>, Error> {
    match wait_once(id, WAIT_NOHANG) {
        Err(error) if error.errno == Errno::AGAIN => Ok(None),
        other => other.map(Some),
    }
}

fn wait_once(id: &str, flags: u64) -> Result<Ended, Error> {
    let mut record = ExitRecord::default();
    let out = record.as_mut_bytes();
    let request = Request {
        id: id.as_bytes(),
        flags,
        out,
        ..Request::default()
    };
    call(CONTAINER_WAIT, request).into_result()?;
    Ended::from_record(&record).ok_or_else(Error::malformed)
}

/// What the container `id` uses, may use and was refused.
///
/// # Errors
/// The kernel's refusal.
pub fn stats(id: &str) -> Result<StatsRecord, Error> {
    let mut record = StatsRecord::default();
    let request = Request {
        id: id.as_bytes(),
        out: record.as_mut_bytes(),
        ..Request::default()
    };
    call(CONTAINER_STATS, request).into_result()?;
    Ok(record)
}

/// Freezes everything in the container `id`.
///
/// # Errors
/// The kernel's refusal.
pub fn pause(id: &str) -> Result<(), Error> {
    plain(CONTAINER_PAUSE, id)
}

/// Lets the paused container `id` go on.
///
/// # Errors
/// The kernel's refusal.
pub fn resume(id: &str) -> Result<(), Error> {
    plain(CONTAINER_RESUME, id)
}

/// A call that wants nothing but the id and gives nothing.
fn plain(nr: u64, id: &str) -> Result<(), Error> {
    let request = Request {
        id: id.as_bytes(),
        ..Request::default()
    };
    call(nr, request).into_result().map(drop)
}

/// Changes the limits of the container `id` that `limits` names, in lines of `key=value`; all of
/// them or none.
///
/// # Errors
/// The kernel's refusal, which names the line.
pub fn update(id: &str, limits: &[u8]) -> Result<(), Error> {
    let request = Request {
        id: id.as_bytes(),
        config: limits,
        ..Request::default()
    };
    call(CONTAINER_UPDATE, request).into_result().map(drop)
}

/// The numbers of the processes in the container `id`, in their order.
///
/// # Errors
/// The kernel's refusal.
pub fn processes(id: &str) -> Result<Vec<u32>, Error> {
    let mut found: Vec<u32> = Vec::new();
    let mut room = [0u8; 4096];
    loop {
        let request = Request {
            id: id.as_bytes(),
            arg: found.last().copied().unwrap_or(0).into(),
            out: &mut room,
            ..Request::default()
        };
        let used = call(CONTAINER_PROCESSES, request).into_result()?;
        if used == 0 {
            return Ok(found);
        }
        let bytes = room.get(..used).ok_or_else(Error::malformed)?;
        let numbers = bytes.chunks_exact(size_of::<u32>());
        found.extend(numbers.map(|n| {
            n.iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | u32::from(*byte))
        }));
    }
}

/// Waits until other than `seen` processes of the container `id` have been killed for want of
/// memory, or it is stopped, however many signals come meanwhile.
///
/// # Errors
/// The kernel's refusal.
pub fn events(id: &str, seen: u64) -> Result<EventsRecord, Error> {
    loop {
        let mut record = EventsRecord::default();
        let request = Request {
            id: id.as_bytes(),
            arg: seen,
            out: record.as_mut_bytes(),
            ..Request::default()
        };
        match call(CONTAINER_EVENTS, request).into_result() {
            Err(error) if error.errno == Errno::INTR => {}
            result => return result.map(|_| record),
        }
    }
}

/// What create, start and delete of a container with this configuration would do, and every value
/// that would be refused: lines of four fields, see [`CONTAINER_PLAN`].
///
/// # Errors
/// The kernel's refusal of what is no configuration at all.
pub fn plan(config: &[u8]) -> Result<String, Error> {
    let mut room = vec![0u8; 1 << 15];
    loop {
        let request = Request {
            config,
            out: &mut room,
            ..Request::default()
        };
        let used = match call(CONTAINER_PLAN, request).into_result() {
            Err(error) if error.errno == Errno::RANGE => {
                let request = Request {
                    config,
                    ..Request::default()
                };
                let needed = call(CONTAINER_PLAN, request).into_result()?;
                room.resize(needed, 0);
                continue;
            }
            used => used?,
        };
        let told = room.get(..used).ok_or_else(Error::malformed)?;
        return String::from_utf8(told.to_vec()).map_err(|_| Error::malformed());
    }
}

/// The kernel's counts of its objects.
///
/// # Errors
/// The kernel's refusal.
pub fn audit() -> Result<AuditRecord, Error> {
    let mut record = AuditRecord::default();
    let out = record.as_mut_bytes();
    call(
        CONTAINER_AUDIT,
        Request {
            out,
            ..Request::default()
        },
    )
    .into_result()?;
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap();
        [&length.to_le_bytes(), text.as_bytes()].concat()
    }

    fn state_bytes() -> Vec<u8> {
        let record = StateRecord {
            status: status::STOPPED,
            pid: 0,
            created_sec: 1_000_000_000,
            created_nsec: 5,
            annotations: 1,
            exit: ExitRecord {
                kind: exit::SIGNAL,
                value: 9,
                ..ExitRecord::default()
            },
        };
        [
            record.as_bytes(),
            &text("1.3.0"),
            &text("/b"),
            &text("k"),
            &text(""),
        ]
        .concat()
    }

    #[test]
    fn state_is_read_from_its_record() {
        let state = State::parse(&state_bytes()).unwrap();
        assert_eq!(state.status, Status::Stopped);
        assert_eq!(state.exit, Some(Exit::Signal(9)));
        assert_eq!(state.bundle, "/b");
        assert_eq!(state.annotations, [("k".to_owned(), String::new())]);
        assert_eq!(
            state.created,
            SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 5)
        );
    }

    #[test]
    fn state_cut_anywhere_is_malformed() {
        let bytes = state_bytes();
        for end in 0..bytes.len() {
            assert_eq!(State::parse(&bytes[..end]), None, "cut at {end}");
        }
    }

    #[test]
    fn exit_as_shells_report_it() {
        assert_eq!(Exit::Code(3).shell_code(), 3);
        assert_eq!(Exit::Signal(9).shell_code(), 137);
        assert_eq!(Exit::Signal(u32::MAX).shell_code(), 255);
    }

    #[test]
    fn a_kernel_without_the_calls_says_so() {
        if audit().is_ok() {
            return; // On Berth itself.
        }
        assert_eq!(state("x").unwrap_err().errno, Errno::NOSYS);
        assert_eq!(
            state("x").unwrap_err().to_string(),
            Errno::NOSYS.to_string()
        );
    }
}
