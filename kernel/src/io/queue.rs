//! Message queues: sending, receiving, and what their files say (mq_overview(7)).

use super::{Segment, place};
use crate::error::{Call, Errno, Stop};
use crate::fs::mqueue::{MESSAGE_COST, Message, Notice};
use crate::fs::{FileId, InodeId, Time};
use crate::mm::user;
use crate::ns;
use crate::task::signal::{self, SigInfo, Target, code};
use crate::task::{FilesId, pid};
use crate::wait::{Pending, Restart, Resume, WaitKey};
use crate::{Cx, Kernel};
use alloc::vec::Vec;

/// How a call waits: until then (monotonic nanoseconds), or not at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Until {
    /// O_NONBLOCK.
    pub nonblocking: bool,
    /// When it gives up.
    pub deadline: Option<u64>,
}

impl Until {
    fn wait(self, cx: &Cx, key: WaitKey) -> Stop {
        if self.nonblocking {
            return Errno::EAGAIN.into();
        }
        let deadline = cx.resume.map_or(self.deadline, |resume| resume.deadline);
        if deadline.is_some_and(|at| at <= cx.now) {
            return Errno::ETIMEDOUT.into();
        }
        let resume = Resume {
            deadline,
            ..Resume::default()
        };
        Stop::Wait(Pending::on(key, Restart::Sys).with(resume))
    }
}

/// Sends `len` bytes of the caller's memory, no more than a message of the queue has.
///
/// # Errors
/// mq_send(3); waits.
pub fn send(
    k: &mut Kernel,
    cx: &mut Cx,
    id: InodeId,
    (addr, len): Segment,
    priority: u32,
    until: Until,
) -> Call {
    let queue = k.fs.queue(id)?;
    if len > queue.size.bytes {
        return Err(Errno::EMSGSIZE.into());
    }
    let full = queue.is_full();
    let len = usize::try_from(len).map_err(|_| Errno::EMSGSIZE)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
    bytes.resize(len, 0);
    user::copy_in(k, cx, addr, &mut bytes)?;
    if full {
        return Err(until.wait(cx, WaitKey::QueueRoom(id)));
    }
    let group = k.tasks.task(cx.task)?.group.key();
    let charge = k
        .groups
        .charge(group, MESSAGE_COST.saturating_add(len as u32))?;
    match k.fs.queue_mut(id) {
        Ok(queue) => queue.add(priority, Message { bytes, charge }),
        Err(errno) => {
            k.groups.give_back(charge);
            return Err(errno.into());
        }
    }
    touch(k, cx, id);
    // Who waits to receive it has it; else whoever wants to know is told of the first one.
    if !k.waits.waited_for(WaitKey::QueueMessage(id)) {
        tell(k, cx, id);
    }
    k.waits.wake(WaitKey::QueueMessage(id));
    k.waits.wake(WaitKey::QueueData(id));
    Ok(0)
}

/// Tells who asked that a message came to the empty queue; once.
fn tell(k: &mut Kernel, cx: &Cx, id: InodeId) {
    let Ok(queue) = k.fs.queue_mut(id) else {
        return;
    };
    if queue.len() != 1 {
        return;
    }
    let Some(notice) = queue.notice.take() else {
        return;
    };
    if let Some((number, value)) = notice
        .signal
        .filter(|(number, _)| signal::bit(*number) != 0)
    {
        let uid = k.tasks.task(cx.task).map_or(0, |task| task.cred.uid);
        let info = SigInfo {
            signal: number,
            code: code::MESGQ,
            pid: sender_seen_by(k, cx, notice),
            uid,
            value,
            ..SigInfo::default()
        };
        let target = Target::Process(notice.process);
        if signal::send_from(k, cx.task, target, info).is_err() {
            log::debug!(target: "mqueue", "a notice found no room in its queue of signals");
        }
    }
}

/// The number of the sender as the process sees it that is told.
fn sender_seen_by(k: &Kernel, cx: &Cx, notice: Notice) -> u32 {
    let sender = k.tasks.tasks.get(cx.task).map(|task| task.process);
    let ns = pid::namespace_of(&k.tasks, notice.process);
    match (sender, ns) {
        (Some(sender), Some(ns)) => pid::process_number(&k.tasks, sender, ns),
        _ => 0,
    }
}

/// Receives the first message into `len` bytes of the caller's memory, and its priority at
/// `priority` unless that is 0.
///
/// # Errors
/// mq_receive(3); waits.
pub fn receive(
    k: &mut Kernel,
    cx: &mut Cx,
    id: InodeId,
    (addr, len): Segment,
    priority: u64,
    until: Until,
) -> Call {
    let queue = k.fs.queue(id)?;
    if len < queue.size.bytes {
        return Err(Errno::EMSGSIZE.into());
    }
    let Some((level, message)) = queue.first() else {
        return Err(until.wait(cx, WaitKey::QueueMessage(id)));
    };
    let count = message.bytes.len() as u64;
    let out = user::prepare(k, cx, addr, count)?;
    let level_out = match priority {
        0 => None,
        at => Some(user::prepare(k, cx, at, 4)?),
    };
    let Some(message) = k.fs.queue_mut(id)?.take() else {
        return Err(until.wait(cx, WaitKey::QueueMessage(id)));
    };
    user::put(k, cx, &out, 0, &message.bytes);
    if let Some(level_out) = level_out {
        user::put(k, cx, &level_out, 0, &level.to_le_bytes());
    }
    k.groups.give_back(message.charge);
    touch(k, cx, id);
    k.waits.wake(WaitKey::QueueRoom(id));
    Ok(count)
}

/// A message came or went: all times of the file tell so, as on Linux.
fn touch(k: &mut Kernel, cx: &Cx, id: InodeId) {
    let now = Time::now(cx.m);
    if let Some(inode) = k.fs.inodes.get_mut(id) {
        inode.touch(now);
        inode.times.accessed = now;
    }
}

/// Reads what a queue's file says.
pub(super) fn read(
    k: &mut Kernel,
    cx: &mut Cx,
    (file, id): (FileId, InodeId),
    segments: &[Segment],
    at: Option<u64>,
    done: &mut u64,
) -> Result<(), Stop> {
    let queue = k.fs.queue(id)?;
    let reader = ns::pid::of_task(k, cx.task).ok_or(Errno::ESRCH)?;
    let told = queue.notice.map(|notice| notice.process);
    let number = told.map_or(0, |told| pid::process_number(&k.tasks, told, reader));
    let text = queue.text(number);
    let position = at.unwrap_or(k.fs.file(file)?.offset);
    let from = usize::try_from(position).unwrap_or(usize::MAX);
    let rest = text.get(from..).unwrap_or_default();
    let Some((addr, room)) = place(segments, 0).filter(|_| !rest.is_empty()) else {
        return Ok(());
    };
    let len = rest.len().min(usize::try_from(room).unwrap_or(usize::MAX));
    let part = rest.get(..len).unwrap_or(rest);
    let out = user::prepare(k, cx, addr, part.len() as u64)?;
    user::put(k, cx, &out, 0, part);
    *done = part.len() as u64;
    if at.is_none() {
        k.fs.file_mut(file)?.offset = position.saturating_add(*done);
    }
    let now = Time::now(cx.m);
    if let Some(inode) = k.fs.inodes.get_mut(id) {
        (inode.times.accessed, inode.times.changed) = (now, now);
    }
    Ok(())
}

/// A descriptor of a queue was taken out of a table: who asked by that table to be told is not.
pub fn closed(k: &mut Kernel, id: InodeId, table: FilesId) {
    if let Ok(queue) = k.fs.queue_mut(id) {
        queue.notice = queue.notice.filter(|notice| notice.table != table);
    }
}
