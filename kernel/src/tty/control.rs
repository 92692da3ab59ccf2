//! Control of terminals (ioctl_tty(2)).

use super::termios::{SIZE, SIZE2};
use super::{End, Kind, Side, TtyId, job, port, pty};
use crate::arena::Held;
use crate::error::{Call, Errno, Stop};
use crate::mm::user;
use crate::task::{PidId, pid};
use crate::wait::{Pending, Restart, Resume, WaitKey};
use crate::{Cx, Kernel};
use linux_raw_sys::general as linux;
use linux_raw_sys::ioctl as request;

/// When changed settings take effect (tcsetattr(3)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum When {
    Now,
    /// Once output is shown.
    Drained,
    /// Then, and with input dropped.
    Flushed,
}

/// Controls an open file of a terminal; `reads` if it was opened for reading.
///
/// # Errors
/// ENOTTY for what no terminal knows or this end does not; EIO after a hangup, EFAULT, EINVAL,
/// EPERM; waits.
pub fn ioctl(k: &mut Kernel, cx: &mut Cx, end: End, reads: bool, what: u32, arg: u64) -> Call {
    if end.side == Side::Port {
        return Err(Errno::ENOTTY.into());
    }
    if k.terminals.living(end).is_err() {
        let gone = match what {
            request::TIOCSPGRP => Errno::ENOTTY,
            _ => Errno::EIO,
        };
        return Err(gone.into());
    }
    match what {
        request::TCGETS => settings(k, cx, end.tty, arg, false),
        request::TCGETS2 => settings(k, cx, end.tty, arg, true),
        request::TCSETS => set(k, cx, end, arg, SIZE, When::Now),
        request::TCSETSW => set(k, cx, end, arg, SIZE, When::Drained),
        request::TCSETSF => set(k, cx, end, arg, SIZE, When::Flushed),
        request::TCSETS2 => set(k, cx, end, arg, SIZE2, When::Now),
        request::TCSETSW2 => set(k, cx, end, arg, SIZE2, When::Drained),
        request::TCSETSF2 => set(k, cx, end, arg, SIZE2, When::Flushed),
        request::TIOCGWINSZ => {
            let window = k.terminals.get(end.tty)?.window;
            user::copy_out(k, cx, arg, &window, 0)
        }
        request::TIOCSWINSZ => resize(k, cx, end.tty, arg),
        request::TIOCGETD => user::copy_out(k, cx, arg, &0u32.to_le_bytes(), 0),
        request::TIOCSETD => match user::read_u32(k, cx, arg)? {
            0 => Ok(0),
            _ => Err(Errno::EINVAL.into()),
        },
        request::TIOCOUTQ | request::TIOCINQ => {
            let tty = k.terminals.get(end.tty)?;
            let count = match what {
                request::TIOCINQ if end.side == Side::Master => tty.line.output.ready(),
                request::TIOCINQ => tty.line.readable(),
                _ => waiting(k, end.tty),
            };
            user::copy_out(k, cx, arg, &(count as u32).to_le_bytes(), 0)
        }
        request::TIOCGDEV => {
            let number = k.terminals.get(end.tty)?.device();
            user::copy_out(k, cx, arg, &number.to_le_bytes(), 0)
        }
        request::TIOCEXCL | request::TIOCNXCL | request::TIOCVHANGUP
            if end.side == Side::Master =>
        {
            Err(Errno::ENOTTY.into())
        }
        request::TIOCEXCL | request::TIOCNXCL => {
            k.terminals.get_mut(end.tty)?.exclusive = what == request::TIOCEXCL;
            Ok(0)
        }
        request::TIOCGEXCL => {
            let on = u32::from(k.terminals.get(end.tty)?.exclusive);
            user::copy_out(k, cx, arg, &on.to_le_bytes(), 0)
        }
        // Bytes that nobody typed: refused, as Linux does with dev.tty.legacy_tiocsti off.
        request::TIOCSTI => Err(Errno::EIO.into()),
        request::TCSBRK | request::TCSBRKP | request::TIOCSBRK | request::TIOCCBRK => {
            may_change(k, cx, end)?;
            // There is no line to put a break on; what was written goes before it.
            match what {
                request::TIOCCBRK => Ok(0),
                _ => drained(k, cx, end.tty).map(|()| 0),
            }
        }
        request::TCXONC => flow(k, cx, end, arg),
        request::TCFLSH => flush(k, cx, end, arg),
        _ => session(k, cx, end, reads, what, arg),
    }
}

/// The caller may change the terminal: it is in front, or has the master.
fn may_change(k: &mut Kernel, cx: &Cx, end: End) -> Result<(), Stop> {
    match end.side {
        Side::Master => Ok(()),
        _ => job::in_front(k, cx, end.tty, linux::SIGTTOU),
    }
}

/// What is about sessions.
fn session(k: &mut Kernel, cx: &mut Cx, end: End, reads: bool, what: u32, arg: u64) -> Call {
    match what {
        request::TIOCSCTTY => Ok(job::take(k, cx.task, end.tty, arg == 1, reads).map(|()| 0)?),
        request::TIOCNOTTY => Ok(job::give_up(k, cx.task, end.tty).map(|()| 0)?),
        request::TIOCGPGRP => {
            own(k, cx, end)?;
            let group = job::foreground(k, end.tty);
            tell_number(k, cx, group, arg)
        }
        request::TIOCSPGRP => set_group(k, cx, end.tty, arg),
        request::TIOCGSID => {
            own(k, cx, end)?;
            let session = k.terminals.get(end.tty)?.session.as_ref().map(Held::key);
            if session.is_none() {
                return Err(Errno::ENOTTY.into());
            }
            tell_number(k, cx, session, arg)
        }
        request::TIOCVHANGUP => {
            if !k.tasks.task(cx.task)?.cred.capable(linux::CAP_SYS_ADMIN) {
                return Err(Errno::EPERM.into());
            }
            job::hang_up(k, end.tty, false);
            Ok(0)
        }
        _ => pty::ioctl(k, cx, end, what, arg),
    }
}

/// ENOTTY unless the terminal is the caller's.
fn own(k: &Kernel, cx: &Cx, end: End) -> Result<(), Errno> {
    match job::controlling_of(k, cx.task) {
        _ if end.side == Side::Master => Ok(()),
        Some(own) if own == end.tty => Ok(()),
        _ => Err(Errno::ENOTTY),
    }
}

/// The number of a group or session as the caller sees it; 0 for none.
fn tell_number(k: &mut Kernel, cx: &mut Cx, of: Option<PidId>, arg: u64) -> Call {
    let ns = crate::ns::pid::of_task(k, cx.task).ok_or(Errno::ESRCH)?;
    let number = of.map_or(0, |id| pid::number_in(&k.tasks, id, ns));
    user::copy_out(k, cx, arg, &number.to_le_bytes(), 0)
}

fn set_group(k: &mut Kernel, cx: &mut Cx, id: TtyId, arg: u64) -> Call {
    match job::in_front(k, cx, id, linux::SIGTTOU) {
        Err(Stop::Errno(Errno::EIO)) => return Err(Errno::ENOTTY.into()),
        other => other?,
    }
    let (process, own) = k.tasks.process_of(cx.task)?;
    let own = own.session.key();
    let session = k.terminals.get(id)?.session.as_ref().map(Held::key);
    if job::controlling(k, process) != Some(id) || session != Some(own) {
        return Err(Errno::ENOTTY.into());
    }
    let number = user::read_u32(k, cx, arg)?;
    if (number as i32) < 0 {
        return Err(Errno::EINVAL.into());
    }
    let ns = crate::ns::pid::of_task(k, cx.task).ok_or(Errno::ESRCH)?;
    let group = pid::find(k, ns, number).ok_or(Errno::ESRCH)?;
    if !crate::task::session::is_group_of_session(k, group, own) {
        return Err(Errno::EPERM.into());
    }
    job::set_foreground(k, id, group);
    Ok(0)
}

fn settings(k: &mut Kernel, cx: &mut Cx, id: TtyId, arg: u64, two: bool) -> Call {
    let record = k.terminals.get(id)?.line.settings().encode(two);
    user::copy_out(k, cx, arg, &record, 0)
}

fn set(k: &mut Kernel, cx: &mut Cx, end: End, arg: u64, size: usize, when: When) -> Call {
    may_change(k, cx, end)?;
    let mut record = [0; SIZE2];
    let record = record.get_mut(..size).ok_or(Errno::EINVAL)?;
    user::copy_in(k, cx, arg, record)?;
    if when != When::Now {
        drained(k, cx, end.tty)?;
    }
    let tty = k.terminals.get_mut(end.tty)?;
    if when == When::Flushed {
        tty.line.flush_input();
    }
    let mut new = tty.line.settings().decode(record);
    new.line = 0;
    if matches!(tty.kind, Kind::Pty(_)) {
        new.control = new.control & !(linux::CSIZE | linux::PARENB) | linux::CS8 | linux::CREAD;
    }
    tty.line.set(new);
    changed(k, cx, end.tty);
    Ok(0)
}

/// Waits until all output was passed on; that of a pseudo-terminal is when it is written.
fn drained(k: &mut Kernel, cx: &mut Cx, id: TtyId) -> Result<(), Stop> {
    port::output(k, cx.m, id);
    if waiting(k, id) == 0 {
        return Ok(());
    }
    let resume = Resume {
        deadline: None,
        ..cx.resume.unwrap_or_default()
    };
    let pending = Pending::on(WaitKey::Terminal(id), Restart::Sys);
    Err(Stop::Wait(pending.with(resume)))
}

/// Bytes of output that were not passed on.
fn waiting(k: &Kernel, id: TtyId) -> usize {
    match k.terminals.get(id) {
        Ok(tty) if matches!(tty.kind, Kind::Serial(_)) => tty.line.output.len(),
        _ => 0,
    }
}

/// Readers and writers look again: what stops them may have changed.
fn changed(k: &mut Kernel, cx: &mut Cx, id: TtyId) {
    port::output(k, cx.m, id);
    k.waits.wake(WaitKey::Terminal(id));
}

fn resize(k: &mut Kernel, cx: &mut Cx, id: TtyId, arg: u64) -> Call {
    let mut window = [0; 8];
    user::copy_in(k, cx, arg, &mut window)?;
    let tty = k.terminals.get_mut(id)?;
    if core::mem::replace(&mut tty.window, window) != window {
        job::signal_foreground(k, id, linux::SIGWINCH);
    }
    Ok(0)
}

/// tcflow(3).
fn flow(k: &mut Kernel, cx: &mut Cx, end: End, arg: u64) -> Call {
    if end.side == Side::Master {
        return Err(Errno::ENOTTY.into());
    }
    may_change(k, cx, end)?;
    let line = &mut k.terminals.get_mut(end.tty)?.line;
    let t = *line.settings();
    match u32::try_from(arg).map_err(|_| Errno::EINVAL)? {
        linux::TCOOFF => line.hold(true),
        linux::TCOON => line.hold(false),
        linux::TCIOFF => line.send(t.char(linux::VSTOP)),
        linux::TCION => line.send(t.char(linux::VSTART)),
        _ => return Err(Errno::EINVAL.into()),
    }
    changed(k, cx, end.tty);
    Ok(0)
}

/// tcflush(3).
fn flush(k: &mut Kernel, cx: &mut Cx, end: End, arg: u64) -> Call {
    may_change(k, cx, end)?;
    let line = &mut k.terminals.get_mut(end.tty)?.line;
    let (input, output) = match u32::try_from(arg).map_err(|_| Errno::EINVAL)? {
        linux::TCIFLUSH => (true, false),
        linux::TCOFLUSH => (false, true),
        linux::TCIOFLUSH => (true, true),
        _ => return Err(Errno::EINVAL.into()),
    };
    if end.side == Side::Master {
        // Its input is what the line shows, its output what the line reads.
        if input {
            line.output.clear();
        }
        if output {
            line.flush_input();
        }
        changed(k, cx, end.tty);
        return Ok(0);
    }
    if input {
        line.flush_input();
    }
    if output {
        line.flush_output();
    }
    changed(k, cx, end.tty);
    Ok(0)
}
