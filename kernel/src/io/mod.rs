//! Reading, writing, listing, polling, controlling and closing open files, whatever they are.
//!
//! Bytes move between frames and programs in passes of at most 64 KiB. A pass is prepared (the
//! program's pages are there, the file's frames are there) and then cannot fail; what was moved
//! counts when a later pass fails or waits.

mod control;
mod discard;
pub mod epoll;
mod event;
mod extent;
mod list;
mod log;
pub mod queue;
mod read;
mod receive;
mod send;
pub mod terminal;
mod write;

pub use control::{Readiness, can_wait, ioctl, keys, poll};
pub use discard::{discard, discard_step, drop_socket, release};
pub use extent::{punch, reserve, truncate};
pub use list::{Form, getdents};
pub use log::{seek as log_seek, text as log_text};
pub use read::{accessed, read_kernel};
pub use receive::{Incoming, Received, receive};
pub use send::{Outgoing, send};

use crate::error::{Call, Errno, Stop};
use crate::fs::{FileId, PipeId};
use crate::task::RunState;
use crate::task::figures::{Figures, Traffic};
use crate::wait::{Pending, Restart, Resume, WaitKey};
use crate::{Cx, Kernel};

/// Bytes of one pass.
pub const PASS: u64 = 64 << 10;
/// Bytes one trap moves before others get their turn.
const TURN: u64 = 2 * PASS;
/// The most bytes one call moves (MAX_RW_COUNT).
pub const COUNT_MAX: u64 = 0x7fff_f000;

/// How one transfer differs from what the open file's flags say (preadv2(2)).
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// It does not wait.
    pub nowait: bool,
    /// It appends, or does not.
    pub append: Option<bool>,
}

/// A part of a program's memory: address and length ([`user::iovecs`](crate::mm::user::iovecs)).
pub type Segment = (u64, u64);

/// Reads into segments of the caller's memory, at `at` or where the file is, and counts it.
///
/// # Errors
/// EBADF, EISDIR, EINVAL, ESPIPE (`at` with what has no places), EAGAIN, EFAULT; waits.
pub fn read(k: &mut Kernel, cx: &mut Cx, id: FileId, to: &[Segment], at: Option<u64>) -> Call {
    let result = read::read(k, cx, id, to, at);
    tally(k, cx, &result, |figures| &mut figures.read);
    result
}

/// As [`read`](fn@read), in this manner.
///
/// # Errors
/// EBADF, EISDIR, EINVAL, ESPIPE (`at` with what has no places), EAGAIN, EFAULT; waits.
pub fn read_as(
    k: &mut Kernel,
    cx: &mut Cx,
    id: FileId,
    to: &[Segment],
    at: Option<u64>,
    manner: Manner,
) -> Call {
    let result = read::read_as(k, cx, id, to, at, manner);
    tally(k, cx, &result, |figures| &mut figures.read);
    result
}

/// Writes segments of the caller's memory, at `at` or where the file is, and counts it.
///
/// # Errors
/// EBADF, EINVAL, ESPIPE, EPIPE, EFBIG, ENOSPC, EAGAIN, EFAULT; waits.
pub fn write(k: &mut Kernel, cx: &mut Cx, id: FileId, from: &[Segment], at: Option<u64>) -> Call {
    let result = write::write(k, cx, id, from, at);
    tally(k, cx, &result, |figures| &mut figures.written);
    result
}

/// As [`write`](fn@write), in this manner.
///
/// # Errors
/// EBADF, EINVAL, ESPIPE, EPIPE, EFBIG, ENOSPC, EAGAIN, EFAULT; waits.
pub fn write_as(
    k: &mut Kernel,
    cx: &mut Cx,
    id: FileId,
    from: &[Segment],
    at: Option<u64>,
    manner: Manner,
) -> Call {
    let result = write::write_as(k, cx, id, from, at, manner);
    tally(k, cx, &result, |figures| &mut figures.written);
    result
}

/// Writes bytes of the kernel's on behalf of the caller, and counts it.
///
/// # Errors
/// EBADF, EINVAL, ESPIPE, EPIPE, EFBIG, ENOSPC, EAGAIN, EFAULT; waits.
pub fn write_kernel(k: &mut Kernel, cx: &mut Cx, id: FileId, from: &[u8], at: Option<u64>) -> Call {
    let result = write::write_kernel(k, cx, id, from, at);
    tally(k, cx, &result, |figures| &mut figures.written);
    result
}

/// Counts a call that has ended, for /proc/PID/io.
fn tally(k: &mut Kernel, cx: &Cx, result: &Call, of: impl Fn(&mut Figures) -> &mut Traffic) {
    let bytes = match result {
        Ok(bytes) => *bytes,
        Err(Stop::Errno(_)) => 0,
        Err(_) => return,
    };
    k.tasks.count(cx.task, |figures| of(figures).count(bytes));
}

/// Counts bytes that a call moved from one file to another.
pub fn count_read(k: &mut Kernel, cx: &Cx, bytes: u64) {
    tally(k, cx, &Ok(bytes), |figures| &mut figures.read);
}

/// Where the byte `done` of a list of segments is, and what is left of its segment.
pub fn place(segments: &[Segment], mut done: u64) -> Option<Segment> {
    for &(addr, len) in segments {
        if done < len {
            return Some((addr.checked_add(done)?, len - done));
        }
        done -= len;
    }
    None
}

fn total(segments: &[Segment]) -> u64 {
    let sum = segments.iter().fold(0u64, |sum, s| sum.saturating_add(s.1));
    sum.min(COUNT_MAX)
}

/// What a transfer ends with when a pass failed: bytes already moved beat the failure.
pub fn end(cx: &mut Cx, done: u64, result: Result<(), Stop>) -> Call {
    match result {
        Ok(()) => Ok(done),
        Err(Stop::Errno(_)) if done > 0 => Ok(done),
        Err(Stop::NoMem(no_mem)) => {
            remember(cx, done);
            Err(Stop::NoMem(no_mem))
        }
        Err(other) => Err(other),
    }
}

/// Keeps what was moved for when the call is made again.
fn remember(cx: &mut Cx, done: u64) {
    let resume = cx.resume.unwrap_or_default();
    cx.resume = Some(Resume { done, ..resume });
}

/// Goes on in a turn: a call that has moved much. As in all waiting for what is slow, a signal
/// ends it with what was moved.
pub fn take_turns(cx: &Cx, done: u64) -> Stop {
    go_on(cx, done, Restart::Sys)
}

/// [`take_turns`] of a call about the content of files, which only a kill ends half-way
/// (signal(7): a disk is no slow device).
pub fn take_whole_turns(cx: &Cx, done: u64) -> Stop {
    go_on(cx, done, Restart::Killable)
}

fn go_on(cx: &Cx, done: u64, restart: Restart) -> Stop {
    let resume = Resume {
        done,
        ..cx.resume.unwrap_or_default()
    };
    Stop::Wait(Pending::turn(restart).with(resume))
}

/// Lets all others run, and makes the call again: the other end of a fifo is about to be there.
fn give_way(k: &mut Kernel, cx: &Cx, done: u64) -> Stop {
    k.sched.give_way();
    take_turns(cx, done)
}

/// Whether somebody has an end of a fifo whose open(2) has yet to be made again.
fn is_arriving(k: &Kernel, pipe: PipeId, to_write: bool) -> bool {
    let arriving = k.fs.pipes.get(pipe).map(|pipe| pipe.arriving.iter());
    let mut tasks = arriving.into_iter().flatten();
    tasks.any(|(task, writes)| {
        let task = k.tasks.tasks.get(*task);
        *writes == to_write
            && task.is_some_and(|task| task.state == RunState::Runnable && task.call.is_some())
    })
}

/// Waits for `key`, with what was moved; or EAGAIN for who does not want to wait.
fn wait(cx: &Cx, key: WaitKey, done: u64, nonblocking: bool) -> Stop {
    if nonblocking {
        return Errno::EAGAIN.into();
    }
    let resume = Resume {
        done,
        ..cx.resume.unwrap_or_default()
    };
    Stop::Wait(Pending::on(key, Restart::Sys).with(resume))
}

/// Waits for a socket, for at most `timeout` nanoseconds; or EAGAIN.
pub fn wait_socket(cx: &Cx, key: WaitKey, nonblocking: bool, timeout: Option<u64>) -> Stop {
    let patience = Patience {
        nonblocking,
        timeout,
    };
    patience.wait(cx, key, 0)
}

/// How long a call on a socket waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Patience {
    nonblocking: bool,
    /// Nanoseconds at the most.
    timeout: Option<u64>,
}

impl Patience {
    /// Waits for `key`, with what was moved. With a time limit the call is not made
    /// again after a handler (signal(7)).
    fn wait(&self, cx: &Cx, key: WaitKey, done: u64) -> Stop {
        let resume = cx.resume.unwrap_or_default();
        let limit = self.timeout.map(|time| cx.now.saturating_add(time));
        let deadline = resume.deadline.or(limit);
        if self.nonblocking || deadline.is_some_and(|at| at <= cx.now) {
            return Errno::EAGAIN.into();
        }
        let restart = match deadline {
            Some(_) => Restart::Never,
            None => Restart::Sys,
        };
        let resume = Resume {
            deadline,
            done,
            ..resume
        };
        Stop::Wait(Pending::on(key, restart).with(resume))
    }
}
