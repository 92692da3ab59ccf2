//! Files that are events, and memory as a file (eventfd(2), timerfd_create(2), signalfd(2),
//! memfd_create(2)).

use super::Line;
use super::place::act;
use super::time::{Span, clock, timespec_at};
use crate::arena::Held;
use crate::error::{Call, Errno, Stop};
use crate::fs::event::{self, Counter, Event, Setting, Timer};
use crate::fs::home::{self, Home};
use crate::fs::inode::{self, What};
use crate::fs::{FileId, Location, Node, Pos, Store, open, seal};
use crate::mm::user;
use crate::task::files;
use crate::task::signal::UNBLOCKABLE;
use crate::wait::WaitKey;
use crate::{Cx, Kernel};
use linux_raw_sys::general as linux;

pub(super) const CALLS: &[Line] = &[
    (linux::__NR_eventfd, "eventfd", eventfd),
    (linux::__NR_eventfd2, "eventfd2", eventfd2),
    (linux::__NR_timerfd_create, "timerfd_create", timerfd_create),
    (
        linux::__NR_timerfd_settime,
        "timerfd_settime",
        timerfd_settime,
    ),
    (
        linux::__NR_timerfd_gettime,
        "timerfd_gettime",
        timerfd_gettime,
    ),
    (linux::__NR_signalfd, "signalfd", signalfd),
    (linux::__NR_signalfd4, "signalfd4", signalfd4),
    (linux::__NR_memfd_create, "memfd_create", memfd_create),
];

/// The flags that all of them have, with the same values.
const COMMON: u32 = linux::O_CLOEXEC | linux::O_NONBLOCK;

/// Opens an event under the lowest free number.
pub(super) fn open_event(k: &mut Kernel, cx: &mut Cx, event: Event, flags: u32) -> Call {
    let fd = files::room(k, cx.task, 0)?;
    let (mut st, actor) = act(k, cx)?;
    let file = event::open(&mut st, &actor, event, flags)?;
    give(k, cx, fd, file, flags)
}

fn give(k: &mut Kernel, cx: &Cx, fd: u32, file: Held<FileId>, flags: u32) -> Call {
    files::put(k, cx.task, fd, file, flags & linux::O_CLOEXEC != 0);
    Ok(u64::from(fd))
}

fn eventfd(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    make_counter(k, cx, a[0] as u32, 0)
}

fn eventfd2(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    make_counter(k, cx, a[0] as u32, a[1] as u32)
}

fn make_counter(k: &mut Kernel, cx: &mut Cx, value: u32, flags: u32) -> Call {
    if flags & !(COMMON | linux::EFD_SEMAPHORE) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let semaphore = flags & linux::EFD_SEMAPHORE != 0;
    let counter = Counter::new(&mut k.fs, value, semaphore);
    open_event(k, cx, Event::Counter(counter), flags & COMMON)
}

fn timerfd_create(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (id, flags) = (a[0] as u32, a[1] as u32);
    let known = [clock::REALTIME, clock::MONOTONIC, clock::BOOTTIME];
    if flags & !COMMON != 0 || !known.contains(&id) {
        return Err(Errno::EINVAL.into());
    }
    open_event(k, cx, Event::Timer(Timer::new(id)), flags)
}

/// struct itimerspec of a timer now.
fn itimerspec(k: &mut Kernel, cx: &Cx, id: FileId) -> Result<[u8; 32], Errno> {
    let (left, every) = event::settle(&mut k.fs, id, cx.now, false)?.left(cx.now);
    let mut bytes = [0; 32];
    let words = [every, left].map(|ns| [ns / Span::SECOND, ns % Span::SECOND]);
    for (to, word) in bytes.chunks_exact_mut(8).zip(words.as_flattened()) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    Ok(bytes)
}

/// Nobody can set the clock: what TFD_TIMER_CANCEL_ON_SET asks for never happens.
fn timerfd_settime(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let flags = a[1] as u32;
    let mut new = [0; 32];
    user::copy_in(k, cx, a[2], &mut new)?;
    let (every, value) = (timespec_at(&new, 0)?, timespec_at(&new, 16)?);
    if flags & !(linux::TFD_TIMER_ABSTIME | linux::TFD_TIMER_CANCEL_ON_SET) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let id = files::file(k, cx.task, a[0])?;
    let Event::Timer(timer) = k.fs.event(id)? else {
        return Err(Errno::EINVAL.into());
    };
    let realtime = timer.clock == clock::REALTIME;
    let absolute = flags & linux::TFD_TIMER_ABSTIME != 0;
    let at = (value.0 > 0).then(|| value.deadline(cx, absolute, realtime));
    if a[3] != 0 {
        let out = user::prepare(k, cx, a[3], 32)?;
        let old = itimerspec(k, cx, id)?;
        user::put(k, cx, &out, 0, &old);
    }
    let setting = Setting { at, every: every.0 };
    event::set(&mut k.fs, id, setting, flags)?;
    Ok(0)
}

fn timerfd_gettime(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let id = files::file(k, cx.task, a[0])?;
    let Event::Timer(_) = k.fs.event(id)? else {
        return Err(Errno::EINVAL.into());
    };
    let out = user::prepare(k, cx, a[1], 32)?;
    let now = itimerspec(k, cx, id)?;
    user::put(k, cx, &out, 0, &now);
    Ok(0)
}

fn signalfd(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    make_signals(k, cx, a, 0)
}

fn signalfd4(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    make_signals(k, cx, a, a[3] as u32)
}

/// A new set of signals, or another set for the file that there is.
fn make_signals(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6], flags: u32) -> Call {
    if a[2] != 8 {
        return Err(Errno::EINVAL.into());
    }
    let mask = user::read_u64(k, cx, a[1])? & !UNBLOCKABLE;
    if flags & !COMMON != 0 {
        return Err(Errno::EINVAL.into());
    }
    if a[0] as u32 == u32::MAX {
        return open_event(k, cx, Event::Signals(mask), flags);
    }
    let id = files::file(k, cx.task, a[0])?;
    match k.fs.event_mut(id)? {
        Event::Signals(old) => *old = mask,
        _ => return Err(Errno::EINVAL.into()),
    }
    let process = k.tasks.task(cx.task)?.process;
    k.waits.wake(WaitKey::Signals(process));
    Ok(u64::from(a[0] as u32))
}

/// Bytes of the longest name of memory: a file name's, without `memfd:`.
const NAME_MAX: usize = 249;

fn memfd_create(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let flags = a[1] as u32;
    if flags & !(linux::MFD_CLOEXEC | linux::MFD_ALLOW_SEALING) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let name = user::c_string(k, cx, a[0], NAME_MAX, Errno::EINVAL)?;
    let name = [b"memfd:", &name[..]].concat();
    let fd = files::room(k, cx.task, 0)?;
    let file = make_memory(k, cx, name.into(), flags & linux::MFD_ALLOW_SEALING != 0)?;
    let cloexec = if flags & linux::MFD_CLOEXEC != 0 {
        linux::O_CLOEXEC
    } else {
        0
    };
    give(k, cx, fd, file, cloexec)
}

fn make_memory(
    k: &mut Kernel,
    cx: &mut Cx,
    name: inode::Name,
    sealable: bool,
) -> Result<Held<FileId>, Stop> {
    let (mut st, actor) = act(k, cx)?;
    let mount = home::mount_of(&mut st, &actor, Home::Memory)?;
    let sb = st.fs.mount(mount)?.sb.key();
    let Node::Inode(root) = st.fs.root_of(mount)?.node else {
        return Err(Errno::ENOENT.into());
    };
    let inode = inode::create(&mut st, &actor, sb, What::Memory(name), 0o777, Some(root))?;
    let location = Location {
        pos: Pos {
            mount,
            node: Node::Inode(inode.key()),
        },
        name: None,
    };
    let flags = linux::O_RDWR | linux::O_LARGEFILE;
    let file = open::open(&mut st, actor.group, location, flags);
    if sealable {
        seal::allow(st.fs, inode.key());
    }
    Store::of(k).release_inode(inode);
    file
}
