//! Readiness and control of open files (poll(2), ioctl(2)).

use super::epoll::{self, Effort};
use super::read::find_device;
use super::terminal;
use crate::error::{Call, Errno};
use crate::fs::event::Keys;
use crate::fs::open::FileKind;
use crate::fs::{FileId, pages, pipe};
use crate::mm::user;
use crate::wait::WaitKey;
use crate::{Cx, Kernel, dev, net, tty, views};
use linux_raw_sys::{general as linux, ioctl as request};

/// What an open file is ready for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Readiness {
    /// POLL* bits.
    pub events: u32,
    /// What wakes those who wait for something to read.
    pub data: Option<WaitKey>,
    /// What wakes those who wait for room to write.
    pub room: Option<WaitKey>,
}

impl Readiness {
    /// Of what never changes.
    fn fixed(events: u32) -> Readiness {
        Readiness {
            events,
            ..Readiness::default()
        }
    }
}

/// What an open file is ready for now, and what wakes those who wait for a change; `None` when to
/// see that takes more than this trap.
///
/// # Errors
/// EBADF when it is gone.
pub fn poll(
    k: &mut Kernel,
    cx: &mut Cx,
    id: FileId,
    effort: &mut Effort,
) -> Result<Option<Readiness>, Errno> {
    if !effort.spend() {
        return Ok(None);
    }
    if k.fs.epoll(id).is_ok() {
        return epoll::poll(k, cx, id, effort);
    }
    poll_plain(k, cx, id).map(Some)
}

/// What a file that is no epoll is ready for.
fn poll_plain(k: &mut Kernel, cx: &mut Cx, id: FileId) -> Result<Readiness, Errno> {
    const ALWAYS: u32 = linux::POLLIN | linux::POLLOUT | linux::POLLRDNORM | linux::POLLWRNORM;
    let file = k.fs.file(id)?;
    match &file.kind {
        FileKind::Regular(_) | FileKind::Dir(_) => Ok(Readiness::fixed(ALWAYS)),
        FileKind::View(file) => Ok(match views::changes(k, file.node) {
            None => Readiness::fixed(ALWAYS),
            // A change shows until the file is read again from its beginning.
            Some((key, count)) => Readiness {
                events: match file.seen == Some(count) {
                    true => ALWAYS,
                    false => ALWAYS | linux::POLLERR | linux::POLLPRI,
                },
                data: Some(key),
                room: None,
            },
        }),
        FileKind::Path => Ok(Readiness::fixed(linux::POLLNVAL)),
        FileKind::Pipe(held) => {
            let key = held.key();
            let pipe = k.fs.pipes.get(key).ok_or(Errno::EBADF)?;
            let (reads, writes) = (file.reads(), file.writes());
            Ok(Readiness {
                events: pipe_ready(pipe, reads, writes),
                data: reads.then_some(WaitKey::PipeData(key)),
                room: writes.then_some(WaitKey::PipeRoom(key)),
            })
        }
        FileKind::Terminal(terminal) => {
            let (events, key) = tty::transfer::poll(k, cx.m, terminal.end());
            Ok(Readiness {
                events: with_normal(events),
                data: Some(key),
                room: None,
            })
        }
        FileKind::Event(_) => super::event::poll(k, cx, id),
        FileKind::Queue(inode) => Ok(Readiness {
            events: k.fs.queue(*inode)?.ready(),
            data: Some(WaitKey::QueueData(*inode)),
            room: Some(WaitKey::QueueRoom(*inode)),
        }),
        FileKind::Log(_) => super::log::poll(k, cx, id),
        FileKind::Socket(socket) => {
            let key = socket.key();
            Ok(Readiness {
                events: net::ready::ready(k, key)?,
                data: Some(WaitKey::SocketData(key)),
                room: k.net.peer_of(key).map(WaitKey::SocketRoom),
            })
        }
        FileKind::Device(device) => {
            let device = find_device(device)?;
            Ok(Readiness {
                events: with_normal(dev::poll(device)),
                ..Readiness::default()
            })
        }
    }
}

/// Whether it makes sense to wait for a file: not for those that are always ready.
///
/// # Errors
/// EBADF when it is gone.
pub fn can_wait(k: &Kernel, id: FileId) -> Result<bool, Errno> {
    Ok(match &k.fs.file(id)?.kind {
        FileKind::Regular(_) | FileKind::Dir(_) | FileKind::Path => false,
        FileKind::View(file) => views::changes(k, file.node).is_some(),
        FileKind::Device(device) => dev::can_wait(device),
        FileKind::Pipe(_)
        | FileKind::Event(_)
        | FileKind::Queue(_)
        | FileKind::Socket(_)
        | FileKind::Log(_)
        | FileKind::Terminal(_) => true,
    })
}

/// What to watch of a file for these events. Who asks for one direction is not told of the other,
/// unless the file has no more than that one.
///
/// # Errors
/// EBADF when it is gone.
pub fn keys(k: &mut Kernel, cx: &mut Cx, id: FileId, events: u32) -> Result<Keys, Errno> {
    const ROOM: u32 = linux::POLLOUT | linux::POLLWRNORM | linux::POLLWRBAND;
    const DATA: u32 =
        linux::POLLIN | linux::POLLPRI | linux::POLLRDNORM | linux::POLLRDBAND | linux::EPOLLRDHUP;
    if k.fs.epoll(id).is_ok() {
        return Ok([Some(WaitKey::FileData(id)), None]);
    }
    let Readiness { data, room, .. } = poll_plain(k, cx, id)?;
    let data = data.filter(|_| room.is_none() || events & DATA != 0);
    let room = room.filter(|_| data.is_none() || events & ROOM != 0);
    Ok([data, room])
}

/// Linux's drivers tell POLLRDNORM with POLLIN and POLLWRNORM with POLLOUT.
fn with_normal(mut ready: u32) -> u32 {
    for (plain, normal) in [
        (linux::POLLIN, linux::POLLRDNORM),
        (linux::POLLOUT, linux::POLLWRNORM),
    ] {
        if ready & plain != 0 {
            ready |= normal;
        }
    }
    ready
}

fn pipe_ready(pipe: &pipe::Pipe, reads: bool, writes: bool) -> u32 {
    let mut ready = 0;
    if reads {
        if !pipe.is_empty() {
            ready |= linux::POLLIN | linux::POLLRDNORM;
        }
        if pipe.writers == 0 && pipe.writer_opens > 0 {
            ready |= linux::POLLHUP;
        }
    }
    if writes {
        if pipe.is_writable() {
            ready |= linux::POLLOUT | linux::POLLWRNORM;
        }
        if pipe.readers == 0 {
            ready |= linux::POLLERR;
        }
    }
    ready
}

/// Controls an open file (ioctl(2)). FIOCLEX and FIONCLEX are about descriptors, not here.
///
/// # Errors
/// ENOTTY for what is not known of this kind of file; EFAULT.
pub fn ioctl(k: &mut Kernel, cx: &mut Cx, id: FileId, what: u32, arg: u64) -> Call {
    let file = k.fs.file(id)?;
    match what {
        request::FIONBIO => {
            let mut on = [0; 4];
            user::copy_in(k, cx, arg, &mut on)?;
            let file = k.fs.file_mut(id)?;
            file.flags &= !linux::O_NONBLOCK;
            if on != [0; 4] {
                file.flags |= linux::O_NONBLOCK;
            }
            Ok(0)
        }
        _ if matches!(file.kind, FileKind::Terminal(_)) => terminal::ioctl(k, cx, id, what, arg),
        request::TIOCOUTQ => {
            let FileKind::Socket(socket) = &file.kind else {
                return Err(Errno::ENOTTY.into());
            };
            let bytes = k.net.on_the_way(socket.key())? as i32;
            user::copy_out(k, cx, arg, &bytes.to_le_bytes(), 0)
        }
        request::FIONREAD => {
            let bytes = readable(k, id)?;
            let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
            user::copy_out(k, cx, arg, &bytes.to_le_bytes(), 0)
        }
        _ => Err(Errno::ENOTTY.into()),
    }
}

fn readable(k: &Kernel, id: FileId) -> Result<u64, Errno> {
    let file = k.fs.file(id)?;
    match &file.kind {
        FileKind::Pipe(pipe) => Ok(k.fs.pipes.get(pipe.key()).map_or(0, |p| p.len() as u64)),
        FileKind::Socket(socket) => Ok(k.net.socket(socket.key())?.readable()? as u64),
        FileKind::Regular(inode) => {
            let size = pages::of(&k.fs, *inode)?.size;
            Ok(size.saturating_sub(file.offset))
        }
        _ => Err(Errno::ENOTTY),
    }
}
