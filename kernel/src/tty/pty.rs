//! Pseudo-terminals (pty(7)): a terminal whose other end is a file, the master, of a program.

use super::transfer::{Got, feed, wait};
use super::{End, Kind, OpenTerminal, Side, TtyId, job};
use crate::arena::Held;
use crate::error::{Call, Errno, Stop};
use crate::fs::{Actor, Store, SuperId, devpts};
use crate::mm::user;
use crate::task::signal::{self, SigInfo};
use crate::wait::WaitKey;
use crate::{Cx, Kernel};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;
use linux_raw_sys::ioctl as request;

/// What a pseudo-terminal is besides its line.
#[derive(Debug)]
pub struct Pty {
    /// The devpts instance that its device is in.
    pub sb: Held<SuperId>,
    /// Its number there.
    pub index: u32,
    /// The line cannot be opened yet (unlockpt(3)).
    locked: bool,
    /// The master is told of changes (TIOCPKT).
    packet: bool,
    /// The line was open, and is so no more.
    pub(super) closed: bool,
}

/// The settings that a pseudo-terminal begins with.
pub(super) fn settings() -> super::termios::Termios {
    super::termios::Termios::new(linux::B38400 | linux::CS8 | linux::CREAD)
}

/// Makes a pseudo-terminal with a device in an instance of devpts; returns its master.
///
/// # Errors
/// ENODEV when it is no instance; ENOSPC when it, or the system, has as many as it may have; no
/// memory.
pub fn create(k: &mut Kernel, actor: &Actor, sb: SuperId) -> Result<OpenTerminal, Stop> {
    let options = devpts::options(&k.fs, sb).ok_or(Errno::ENODEV)?;
    if k.terminals.pts.len() >= devpts::MOST as usize {
        return Err(Errno::ENOSPC.into());
    }
    let index = free_index(k, sb, options.max)?;
    let held = k.fs.supers.hold(sb).ok_or(Errno::ENODEV)?;
    let pty = Pty {
        sb: held,
        index,
        locked: true,
        packet: false,
        closed: false,
    };
    let held = super::create(k, actor.group, Kind::Pty(pty), settings())?;
    if let Err(stop) = devpts::add(&mut Store::of(k), actor, sb, index) {
        super::release(k, held);
        return Err(stop);
    }
    k.terminals.pts.insert((sb, index), held.key());
    Ok(OpenTerminal {
        held,
        side: Side::Master,
        life: 0,
    })
}

/// The lowest number that no terminal of an instance has.
fn free_index(k: &Kernel, sb: SuperId, max: u32) -> Result<u32, Errno> {
    let used = k.terminals.pts.range((sb, 0)..=(sb, u32::MAX));
    let mut free = 0;
    for ((_, index), _) in used {
        if *index > free {
            break;
        }
        free = index.saturating_add(1);
    }
    if free < max {
        Ok(free)
    } else {
        Err(Errno::ENOSPC)
    }
}

/// The terminal behind a device of devpts, to open its line.
///
/// # Errors
/// EIO when its master is closed, or has not unlocked it.
pub fn find(k: &Kernel, sb: SuperId, index: u32) -> Result<TtyId, Errno> {
    let id = *k.terminals.pts.get(&(sb, index)).ok_or(Errno::EIO)?;
    match &k.terminals.get(id)?.kind {
        Kind::Pty(pty) if !pty.locked => Ok(id),
        _ => Err(Errno::EIO),
    }
}

/// The instance and number of the terminal that this is the master of.
///
/// # Errors
/// ENOTTY for another end.
pub fn of_master(k: &Kernel, end: End) -> Result<(SuperId, u32), Errno> {
    match &k.terminals.get(end.tty)?.kind {
        Kind::Pty(pty) if end.side == Side::Master => Ok((pty.sb.key(), pty.index)),
        _ => Err(Errno::ENOTTY),
    }
}

/// The master is closed: the line hangs up, its device is gone.
pub(super) fn close_master(k: &mut Kernel, end: End) {
    let Ok((sb, index)) = of_master(k, end) else {
        return;
    };
    k.terminals.pts.remove(&(sb, index));
    devpts::remove(&mut Store::of(k), sb, index);
    job::hang_up(k, end.tty, false);
}

fn pty(k: &mut Kernel, id: TtyId) -> Result<&mut Pty, Errno> {
    match &mut k.terminals.get_mut(id)?.kind {
        Kind::Pty(pty) => Ok(pty),
        Kind::Serial(_) => Err(Errno::ENOTTY),
    }
}

/// Takes what the terminal shows; in packet mode with a byte in front that tells what it is.
pub(super) fn read(
    k: &mut Kernel,
    cx: &Cx,
    end: End,
    nonblocking: bool,
    max: usize,
) -> Result<Got, Stop> {
    let (packet, closed) = pty(k, end.tty).map(|pty| (pty.packet, pty.closed))?;
    let line = &mut k.terminals.get_mut(end.tty)?.line;
    let mut bytes = Vec::new();
    if packet && line.news != 0 {
        bytes.push(core::mem::take(&mut line.news) as u8);
        return Ok(Got { bytes, more: false });
    }
    if line.output.ready() == 0 {
        if closed {
            return Err(Errno::EIO.into());
        }
        return Err(wait(cx, end.tty, 0, nonblocking, None));
    }
    if packet {
        bytes.push(linux::TIOCPKT_DATA as u8);
    }
    let room = max.saturating_sub(bytes.len());
    let (first, second) = line.output.parts();
    bytes.extend(first.iter().chain(second).take(room));
    let taken = bytes.len() - usize::from(packet);
    line.output.consume(taken);
    k.waits.wake(WaitKey::Terminal(end.tty));
    Ok(Got { bytes, more: false })
}

/// Types at the terminal.
pub(super) fn write(
    k: &mut Kernel,
    cx: &Cx,
    end: End,
    nonblocking: bool,
    bytes: &[u8],
    done: u64,
) -> Result<usize, Stop> {
    match feed(k, end.tty, bytes) {
        0 if !bytes.is_empty() => Err(wait(cx, end.tty, done, nonblocking, None)),
        taken => Ok(taken),
    }
}

/// What a master is ready for (POLL* bits).
pub(super) fn poll(k: &Kernel, id: TtyId) -> u32 {
    let Some(tty) = k.terminals.table.get(id) else {
        return linux::POLLHUP;
    };
    let Kind::Pty(pty) = &tty.kind else {
        return linux::POLLHUP;
    };
    let mut ready = 0;
    if tty.line.output.ready() > 0 {
        ready |= linux::POLLIN | linux::POLLRDNORM;
    }
    if pty.packet && tty.line.news != 0 {
        ready |= linux::POLLIN | linux::POLLRDNORM | linux::POLLPRI;
    }
    if tty.line.has_room() {
        ready |= linux::POLLOUT | linux::POLLWRNORM;
    }
    if pty.closed {
        ready |= linux::POLLHUP;
    }
    ready
}

/// What only masters know (ioctl_tty(2)).
pub(super) fn ioctl(k: &mut Kernel, cx: &mut Cx, end: End, what: u32, arg: u64) -> Call {
    if end.side != Side::Master {
        return Err(Errno::ENOTTY.into());
    }
    let id = end.tty;
    match what {
        request::TIOCGPTN => {
            let number = pty(k, id)?.index;
            user::copy_out(k, cx, arg, &number.to_le_bytes(), 0)
        }
        request::TIOCSPTLCK => {
            let on = user::read_u32(k, cx, arg)? != 0;
            pty(k, id)?.locked = on;
            Ok(0)
        }
        request::TIOCGPTLCK => {
            let on = u32::from(pty(k, id)?.locked);
            user::copy_out(k, cx, arg, &on.to_le_bytes(), 0)
        }
        request::TIOCPKT => {
            let on = user::read_u32(k, cx, arg)? != 0;
            let was = core::mem::replace(&mut pty(k, id)?.packet, on);
            if on && !was {
                k.terminals.get_mut(id)?.line.news = 0;
            }
            Ok(0)
        }
        request::TIOCGPKT => {
            let on = u32::from(pty(k, id)?.packet);
            user::copy_out(k, cx, arg, &on.to_le_bytes(), 0)
        }
        request::TIOCSIG => {
            let signal = u32::try_from(arg).map_err(|_| Errno::EINVAL)?;
            if ![linux::SIGINT, linux::SIGQUIT, linux::SIGTSTP].contains(&signal) {
                return Err(Errno::EINVAL.into());
            }
            if let Some(group) = job::foreground(k, id) {
                signal::send_group(k, group, SigInfo::kernel(signal));
            }
            Ok(0)
        }
        _ => Err(Errno::ENOTTY.into()),
    }
}
