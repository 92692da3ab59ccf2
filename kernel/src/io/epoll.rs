//! Looking at epolls: what they have to tell (epoll_wait(2)).

use super::control::Readiness;
use crate::error::{Errno, Stop};
use crate::fs::FileId;
use crate::fs::event::{self, Target};
use crate::fs::open::FileKind;
use crate::mm::user;
use crate::wait::{Pending, Restart, Resume, WaitKey};
use crate::wire::Writer;
use crate::{Cx, Kernel};
use linux_raw_sys::general as linux;

/// How many more files may be looked at before others get their turn.
#[derive(Debug)]
pub struct Effort(u32);

/// Files that one trap looks at.
const LOOKS: u32 = 256;
/// Bytes of a struct epoll_event: on this machine it is packed.
pub const EVENT: u64 = 12;

impl Default for Effort {
    fn default() -> Effort {
        Effort(LOOKS)
    }
}

impl Effort {
    /// Enough to look at `count` files in one trap; what is below epolls is not counted in.
    pub fn for_all(count: usize) -> Effort {
        Effort(LOOKS.saturating_add(count as u32))
    }

    /// Takes a part; false when nothing is left.
    pub(super) fn spend(&mut self) -> bool {
        let left = self.0.checked_sub(1);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

/// Whether an epoll has something to tell; `None` when that takes too long to see in this trap:
/// each further look goes on where the last one stopped.
///
/// # Errors
/// EBADF when it is gone.
pub(super) fn poll(
    k: &mut Kernel,
    cx: &mut Cx,
    id: FileId,
    effort: &mut Effort,
) -> Result<Option<Readiness>, Errno> {
    if !event::spread(&mut k.fs, &mut k.waits) {
        return Ok(None);
    }
    let mut events = 0;
    while let Some(target) = k.fs.epoll(id)?.first(u64::MAX) {
        match look(k, cx, id, target, effort)? {
            None => return Ok(None),
            Some(0) => k.fs.epoll_mut(id)?.unmark(target),
            Some(_) => {
                events = linux::POLLIN | linux::POLLRDNORM;
                break;
            }
        }
    }
    Ok(Some(Readiness {
        events,
        data: Some(WaitKey::FileData(id)),
        room: None,
    }))
}

/// What an item is ready for, of what it is asked for. That epolls look at epolls is no deep
/// recursion: adding one to the other has a limit.
fn look(
    k: &mut Kernel,
    cx: &mut Cx,
    id: FileId,
    target: Target,
    effort: &mut Effort,
) -> Result<Option<u32>, Errno> {
    let Some(wanted) = k.fs.epoll(id)?.items.get(&target).map(|item| item.events) else {
        return Ok(Some(0));
    };
    // A file that is gone has not left every epoll yet.
    if k.fs.files.get(target.1).is_none() {
        return Ok(Some(0));
    }
    if matches!(k.fs.file(target.1)?.kind, FileKind::Socket(_)) {
        let keys = super::keys(k, cx, target.1, wanted)?;
        event::rewatch(&mut k.fs, &mut k.waits, id, target, keys);
    }
    let ready = super::poll(k, cx, target.1, effort)?;
    Ok(ready.map(|ready| ready.events & wanted))
}

/// Tells the events of an epoll that are there now into the caller's memory; returns how many.
///
/// # Errors
/// EFAULT; a wait when it took long.
pub fn collect(k: &mut Kernel, cx: &mut Cx, id: FileId, addr: u64, most: u64) -> Result<u64, Stop> {
    let mut effort = Effort::default();
    let Resume { mut done, word, .. } = cx.resume.unwrap_or_default();
    if !event::spread(&mut k.fs, &mut k.waits) {
        return Err(turn(cx, done, word));
    }
    // What comes or stays from here on is for the next call: each item is told once.
    let end = match word {
        0 => k.fs.epoll(id)?.end(),
        end => end,
    };
    while let Some(target) = k.fs.epoll(id)?.first(end).filter(|_| done < most) {
        let place = addr.saturating_add(done * EVENT);
        let out = match user::prepare(k, cx, place, EVENT) {
            Ok(out) => out,
            Err(Stop::Errno(_)) if done > 0 => break,
            Err(stop) => {
                keep(cx, done, end);
                return Err(stop);
            }
        };
        let Some(events) = look(k, cx, id, target, &mut effort)? else {
            return Err(turn(cx, done, end));
        };
        let epoll = k.fs.epoll_mut(id)?;
        if events == 0 {
            epoll.unmark(target);
            continue;
        }
        let data = epoll.items.get(&target).map_or(0, |item| item.data);
        epoll.told(target);
        let event = Writer::new().u32(events).u64(data).done();
        user::put(k, cx, &out, 0, &event);
        done += 1;
    }
    Ok(done)
}

/// Keeps what was told for when the call is made again.
fn keep(cx: &mut Cx, done: u64, end: u64) {
    let resume = cx.resume.unwrap_or_default();
    cx.resume = Some(Resume {
        done,
        word: end,
        ..resume
    });
}

fn turn(cx: &mut Cx, done: u64, end: u64) -> Stop {
    keep(cx, done, end);
    let resume = cx.resume.unwrap_or_default();
    Stop::Wait(Pending::turn(Restart::Never).with(resume))
}
