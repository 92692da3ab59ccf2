//! Sets of watched files (epoll(7)).

use super::Line;
use super::events::open_event;
use super::place::act;
use super::poll::{Looked, begin, conclude, set_mask, time_arg};
use crate::error::{Call, Errno, Stop};
use crate::fs::FileId;
use crate::fs::event::{self, Epoll, Event, Interest, Target};
use crate::io::epoll::{EVENT, collect};
use crate::mm::user;
use crate::task::files;
use crate::wait::{Restart, WaitKey};
use crate::wire::{get_u32, get_u64};
use crate::{Cx, Kernel, io};
use linux_raw_sys::general as linux;

pub(super) const CALLS: &[Line] = &[
    (linux::__NR_epoll_create, "epoll_create", epoll_create),
    (linux::__NR_epoll_create1, "epoll_create1", epoll_create1),
    (linux::__NR_epoll_ctl, "epoll_ctl", epoll_ctl),
    (linux::__NR_epoll_wait, "epoll_wait", epoll_wait),
    (linux::__NR_epoll_pwait, "epoll_pwait", epoll_pwait),
    (linux::__NR_epoll_pwait2, "epoll_pwait2", epoll_pwait2),
];

/// Events that one call tells at the most: their bytes are an int.
const EVENTS_MAX: i32 = i32::MAX / EVENT as i32;
/// What EPOLLEXCLUSIVE goes with (epoll_ctl(2)).
const WITH_EXCLUSIVE: u32 = linux::EPOLLIN
    | linux::EPOLLOUT
    | linux::EPOLLERR
    | linux::EPOLLHUP
    | linux::EPOLLWAKEUP
    | linux::EPOLLET
    | linux::EPOLLEXCLUSIVE;

fn epoll_create(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    // How many files there will be was once a hint.
    if a[0] as u32 as i32 <= 0 {
        return Err(Errno::EINVAL.into());
    }
    open_event(k, cx, Event::Epoll(Epoll::default()), 0)
}

fn epoll_create1(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let flags = a[0] as u32;
    if flags & !linux::EPOLL_CLOEXEC != 0 {
        return Err(Errno::EINVAL.into());
    }
    open_event(k, cx, Event::Epoll(Epoll::default()), flags)
}

fn epoll_ctl(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (what, fd) = (a[1] as u32, a[2] as u32);
    let mut event = [0; EVENT as usize];
    if what != linux::EPOLL_CTL_DEL {
        user::copy_in(k, cx, a[3], &mut event)?;
    }
    let id = files::file(k, cx.task, a[0])?;
    let target: Target = (fd, files::file(k, cx.task, a[2])?);
    if !io::can_wait(k, target.1)? {
        return Err(Errno::EPERM.into());
    }
    let inner = k.fs.epoll(target.1).is_ok();
    if id == target.1 || k.fs.epoll(id).is_err() {
        return Err(Errno::EINVAL.into());
    }
    let asked = get_u32(&event, 0);
    if asked & linux::EPOLLEXCLUSIVE != 0
        && (what != linux::EPOLL_CTL_ADD || inner || asked & !WITH_EXCLUSIVE != 0)
        && what != linux::EPOLL_CTL_DEL
    {
        return Err(Errno::EINVAL.into());
    }
    match what {
        linux::EPOLL_CTL_ADD => {
            let interest = interest(k, cx, target.1, &event)?;
            let (mut st, actor) = act(k, cx)?;
            event::add(&mut st, actor.group, id, target, interest)?;
        }
        linux::EPOLL_CTL_MOD => {
            let interest = interest(k, cx, target.1, &event)?;
            event::modify(&mut act(k, cx)?.0, id, target, interest)?;
        }
        linux::EPOLL_CTL_DEL => event::remove(&mut act(k, cx)?.0, id, target)?,
        _ => return Err(Errno::EINVAL.into()),
    }
    Ok(0)
}

/// What an item shall tell. Errors and hang-ups are always told; nothing here keeps the machine
/// awake (EPOLLWAKEUP), as nothing puts it to sleep.
fn interest(k: &mut Kernel, cx: &mut Cx, file: FileId, event: &[u8]) -> Result<Interest, Errno> {
    let asked = get_u32(event, 0) & !linux::EPOLLWAKEUP;
    Ok(Interest {
        events: asked | linux::EPOLLERR | linux::EPOLLHUP,
        data: get_u64(event, 4),
        keys: io::keys(k, cx, file, asked)?,
    })
}

fn epoll_wait(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    begin(cx, milliseconds(a[3]));
    wait(k, cx, a)
}

fn epoll_pwait(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    begin(cx, milliseconds(a[3]));
    set_mask(k, cx, a[4], a[5])?;
    wait(k, cx, a)
}

fn epoll_pwait2(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let nanos = time_arg(k, cx, a[3], 1)?;
    begin(cx, nanos);
    set_mask(k, cx, a[4], a[5])?;
    wait(k, cx, a)
}

/// Nanoseconds of a time in milliseconds; negative ones never end.
fn milliseconds(arg: u64) -> Option<u64> {
    let ms = u64::try_from(arg as u32 as i32).ok()?;
    Some(ms * 1_000_000)
}

fn wait(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let result = look(k, cx, a);
    conclude(k, cx, result, Restart::Never)
}

fn look(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Result<Looked, Stop> {
    let id = files::file(k, cx.task, a[0])?;
    let most = a[2] as u32 as i32;
    if !(1..=EVENTS_MAX).contains(&most) {
        return Err(Errno::EINVAL.into());
    }
    let most = most as u64;
    user::check(a[1], most * EVENT)?;
    k.fs.epoll(id)?;
    Ok(Looked {
        count: collect(k, cx, id, a[1], most)?,
        keys: alloc::vec![WaitKey::FileData(id)],
    })
}
