//! POSIX message queues (mq_overview(7)).

use super::Line;
use super::place::{act, caller, path};
use super::time::timespec_in;
use crate::arena::Held;
use crate::error::{Call, Errno, Stop};
use crate::fs::mqueue::{self, Maker, Notice, PRIORITIES, Size};
use crate::fs::open::{self, FileKind};
use crate::fs::{FileId, InodeId, Location, Node, Pos, dir};
use crate::io::queue::{self, Until};
use crate::mm::user;
use crate::ns;
use crate::task::cred::access;
use crate::task::{files, limits, signal};
use crate::wire::{Writer, get_u32, get_u64};
use crate::{Cx, Kernel};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// The calls of this file.
pub const CALLS: &[Line] = &[
    (linux::__NR_mq_open, "mq_open", mq_open),
    (linux::__NR_mq_unlink, "mq_unlink", mq_unlink),
    (linux::__NR_mq_timedsend, "mq_timedsend", mq_timedsend),
    (
        linux::__NR_mq_timedreceive,
        "mq_timedreceive",
        mq_timedreceive,
    ),
    (linux::__NR_mq_notify, "mq_notify", mq_notify),
    (linux::__NR_mq_getsetattr, "mq_getsetattr", mq_getsetattr),
];

/// Bytes of struct mq_attr.
const ATTR: usize = 64;
/// Bytes of struct sigevent.
const SIGEVENT: usize = 64;
/// Bytes that SIGEV_THREAD has sent to a socket.
const COOKIE: usize = 32;

/// The root of the message queues of the caller's ipc namespace, and the name of one there.
fn named(k: &mut Kernel, cx: &mut Cx, addr: u64) -> Result<(Pos, InodeId, Vec<u8>), Stop> {
    let name = path(k, cx, addr)?;
    if name.is_empty() {
        return Err(Errno::ENOENT.into());
    }
    if name == b"." || name == b".." || name.contains(&b'/') {
        return Err(Errno::EACCES.into());
    }
    if name.len() > dir::NAME_MAX {
        return Err(Errno::ENAMETOOLONG.into());
    }
    let ns = ns::ipc::of_task(k, cx.task).ok_or(Errno::ESRCH)?;
    let mount = ns::ipc::queues(k, ns)?;
    let root = mqueue::root(&k.fs, mount)?;
    let pos = Pos {
        mount,
        node: Node::Inode(root),
    };
    Ok((pos, root, name))
}

fn mq_open(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (flags, mode) = (a[1] as u32, a[2] as u32);
    let wanted = match a[3] {
        0 => None,
        addr => {
            let mut attr = [0; ATTR];
            user::copy_in(k, cx, addr, &mut attr)?;
            Some(Size {
                messages: get_u64(&attr, 8),
                bytes: get_u64(&attr, 16),
            })
        }
    };
    let (top, root, name) = named(k, cx, a[0])?;
    let fd = files::room(k, cx.task, 0)?;
    let create = flags & linux::O_CREAT != 0;
    let file = match dir::find(&k.fs, root, &name) {
        Ok(_) if create && flags & linux::O_EXCL != 0 => return Err(Errno::EEXIST.into()),
        Ok(id) => open_one(k, cx, top, id, name, flags)?,
        Err(Errno::ENOENT) if create => make(k, cx, top, name, flags, mode, wanted)?,
        Err(errno) => return Err(errno.into()),
    };
    files::put(k, cx.task, fd, file, true);
    Ok(u64::from(fd))
}

/// Flags that an open queue keeps.
const KEPT: u32 = linux::O_ACCMODE | linux::O_NONBLOCK;

fn open_one(
    k: &mut Kernel,
    cx: &mut Cx,
    top: Pos,
    id: InodeId,
    name: Vec<u8>,
    flags: u32,
) -> Result<Held<FileId>, Stop> {
    let want = match flags & linux::O_ACCMODE {
        linux::O_RDONLY => 4,
        linux::O_WRONLY => 2,
        linux::O_RDWR => 6,
        _ => return Err(Errno::EINVAL.into()),
    };
    let task = caller(k, cx)?;
    k.fs.inode(id)?.permit(&access(&task.cred), want)?;
    let (mut st, actor) = act(k, cx)?;
    let location = location(top, id, name);
    open::open(&mut st, actor.group, location, flags & KEPT)
}

fn location(top: Pos, id: InodeId, name: Vec<u8>) -> Location {
    let pos = Pos {
        mount: top.mount,
        node: Node::Inode(id),
    };
    Location {
        pos,
        name: Some((top, name)),
    }
}

/// Makes a queue in the directory at `top` and opens it: whoever makes it has what it asked for,
/// whatever the mode says.
///
/// # Errors
/// mq_open(3).
pub(super) fn make(
    k: &mut Kernel,
    cx: &mut Cx,
    top: Pos,
    name: Vec<u8>,
    flags: u32,
    mode: u32,
    wanted: Option<Size>,
) -> Result<Held<FileId>, Stop> {
    let maker = Maker {
        uid: caller(k, cx)?.cred.uid,
        limit: limits::soft_of(k, cx.task, linux::RLIMIT_MSGQUEUE),
    };
    let Node::Inode(dir) = top.node else {
        return Err(Errno::EACCES.into());
    };
    let mode = mode & 0o7777 & !files::context(k, cx.task)?.umask;
    let (mut st, actor) = act(k, cx)?;
    // Nobody may see a queue whose opening then fails: this call would find it when made again.
    let charge = open::charge(&mut st, actor.group)?;
    let id = match mqueue::make(&mut st, &actor, dir, &name, mode, wanted, maker) {
        Ok(id) => id,
        Err(stop) => {
            st.groups.give_back(charge);
            return Err(stop);
        }
    };
    let (kind, at) = (FileKind::Queue(id), location(top, id, name));
    let opened = open::insert_charged(&mut st, charge, kind, at, flags & KEPT);
    opened.map_err(|refused| refused.0)
}

fn mq_unlink(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (_, root, name) = named(k, cx, a[0])?;
    let (mut st, actor) = act(k, cx)?;
    dir::unlink(&mut st, &actor, root, &name)?;
    Ok(0)
}

/// The queue that a descriptor is of, with its flags.
fn queue_of(k: &Kernel, cx: &Cx, fd: u64) -> Result<(FileId, InodeId), Errno> {
    let file = files::file(k, cx.task, fd)?;
    match k.fs.file(file)?.kind {
        FileKind::Queue(inode) => Ok((file, inode)),
        _ => Err(Errno::EBADF),
    }
}

/// Until when a call waits that is given an absolute time, or 0 to wait for ever.
fn deadline(k: &mut Kernel, cx: &mut Cx, addr: u64) -> Result<Option<u64>, Stop> {
    match addr {
        0 => Ok(None),
        addr => {
            let time = timespec_in(k, cx, addr)?;
            Ok(Some(time.deadline(cx, true, true)))
        }
    }
}

fn mq_timedsend(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let deadline = deadline(k, cx, a[4])?;
    let priority = u32::try_from(a[3]).map_err(|_| Errno::EINVAL)?;
    if priority >= PRIORITIES {
        return Err(Errno::EINVAL.into());
    }
    let (file, id) = queue_of(k, cx, a[0])?;
    let file = k.fs.file(file)?;
    if !file.writes() {
        return Err(Errno::EBADF.into());
    }
    let nonblocking = file.nonblocking();
    let until = Until {
        nonblocking,
        deadline,
    };
    queue::send(k, cx, id, (a[1], a[2]), priority, until)
}

fn mq_timedreceive(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let deadline = deadline(k, cx, a[4])?;
    let (file, id) = queue_of(k, cx, a[0])?;
    let file = k.fs.file(file)?;
    if !file.reads() {
        return Err(Errno::EBADF.into());
    }
    let nonblocking = file.nonblocking();
    let until = Until {
        nonblocking,
        deadline,
    };
    queue::receive(k, cx, id, (a[1], a[2]), a[3], until)
}

fn mq_notify(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let signal = match a[1] {
        0 => None,
        addr => {
            let mut event = [0; SIGEVENT];
            user::copy_in(k, cx, addr, &mut event)?;
            Some(told_how(k, cx, &event)?)
        }
    };
    let (_, id) = queue_of(k, cx, a[0])?;
    let task = caller(k, cx)?;
    let process = task.process;
    let table = task.files.as_ref().ok_or(Errno::EBADF)?.key();
    let queue = k.fs.queue_mut(id)?;
    match (signal, queue.notice) {
        (None, Some(notice)) if notice.process == process => queue.notice = None,
        (None, _) => {}
        (Some(_), Some(_)) => return Err(Errno::EBUSY.into()),
        (Some(signal), None) => {
            queue.notice = Some(Notice {
                process,
                table,
                signal,
            });
        }
    }
    Ok(0)
}

/// The signal that struct sigevent asks for, and its value; `None` to be told in no way.
fn told_how(k: &mut Kernel, cx: &mut Cx, event: &[u8]) -> Result<Option<(u32, u64)>, Stop> {
    let (value, number, how) = (get_u64(event, 0), get_u32(event, 8), get_u32(event, 12));
    match how {
        linux::SIGEV_NONE => Ok(None),
        // 0 is allowed, and sends none.
        linux::SIGEV_SIGNAL if number == 0 || signal::bit(number) != 0 => Ok(Some((number, value))),
        linux::SIGEV_THREAD => {
            // What the C library makes of it is a message to a netlink socket, of which there is
            // none.
            let mut cookie = [0; COOKIE];
            user::copy_in(k, cx, value, &mut cookie)?;
            let file = files::file(k, cx.task, u64::from(number))?;
            match k.fs.file(file)?.kind {
                FileKind::Socket(_) => Err(Errno::EINVAL.into()),
                FileKind::Path => Err(Errno::EBADF.into()),
                _ => Err(Errno::ENOTSOCK.into()),
            }
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

fn mq_getsetattr(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let new = match a[1] {
        0 => None,
        addr => {
            let mut attr = [0; ATTR];
            user::copy_in(k, cx, addr, &mut attr)?;
            let flags = get_u64(&attr, 0);
            if flags & !u64::from(linux::O_NONBLOCK) != 0 {
                return Err(Errno::EINVAL.into());
            }
            Some(flags as u32)
        }
    };
    let (file, id) = queue_of(k, cx, a[0])?;
    let queue = k.fs.queue(id)?;
    let record = Writer::new()
        .u64(u64::from(k.fs.file(file)?.flags & linux::O_NONBLOCK))
        .u64(queue.size.messages)
        .u64(queue.size.bytes)
        .u64(queue.len())
        .pad_to(ATTR)
        .done();
    let out = match a[2] {
        0 => None,
        addr => Some(user::prepare(k, cx, addr, ATTR as u64)?),
    };
    if let Some(flags) = new {
        let file = k.fs.file_mut(file)?;
        file.flags = file.flags & !linux::O_NONBLOCK | flags;
    }
    if let Some(out) = out {
        user::put(k, cx, &out, 0, &record);
    }
    Ok(0)
}
