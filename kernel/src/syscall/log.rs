//! The kernel's log as text (syslog(2)).

use super::Line;
use crate::dev::kmsg;
use crate::error::{Call, Errno, Stop};
use crate::mm::user;
use crate::wait::{Pending, Restart, Resume};
use crate::{Cx, Kernel, io};
use linux_raw_sys::general as linux;

/// The calls of this file.
pub const CALLS: &[Line] = &[(linux::__NR_syslog, "syslog", syslog)];

/// The lowest level that can be set (minimum_console_loglevel).
const LOWEST_SHOWN: u32 = 1;
/// Bytes that are said to be kept.
const SIZE: u64 = 32 << 10;

fn syslog(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    kmsg::may_read(k, cx)?;
    // Action and length are ints.
    let (action, len) = (args[0] as i32, args[2] as i32);
    match action {
        // SYSLOG_ACTION_CLOSE and _OPEN
        0 | 1 => Ok(0),
        2 => match place(args[1], len)? {
            0 => Ok(0),
            len => io::log_text(k, cx, (args[1], len), false),
        },
        3 | 4 => match place(args[1], len)? {
            0 => Ok(0),
            len => read_all(k, cx, (args[1], len), action == 4),
        },
        5 => {
            k.devices.log.cleared = cx.m.log_kept().1;
            Ok(0)
        }
        6 => {
            let log = &mut k.devices.log;
            log.before_off = log.before_off.or(Some(cx.m.log_shown()));
            show(cx, LOWEST_SHOWN)
        }
        7 => match k.devices.log.before_off.take() {
            Some(before) => show(cx, before),
            None => Ok(0),
        },
        8 => {
            let level = u32::try_from(len).ok().filter(|l| (1..=8).contains(l));
            let level = level.ok_or(Errno::EINVAL)?;
            k.devices.log.before_off = None;
            show(cx, level)
        }
        9 => Ok(kmsg::unread(k, cx.m) as u64),
        10 => Ok(SIZE),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// How much room there is.
///
/// # Errors
/// EINVAL.
fn place(addr: u64, len: i32) -> Result<u64, Errno> {
    if addr == 0 {
        return Err(Errno::EINVAL);
    }
    u64::try_from(len).map_err(|_| Errno::EINVAL)
}

fn show(cx: &mut Cx, level: u32) -> Call {
    cx.m.log_show(level);
    Ok(0)
}

/// The last lines that were not cleared, as many as fit; goes on in turns.
fn read_all(k: &mut Kernel, cx: &mut Cx, (addr, len): (u64, u64), clear: bool) -> Call {
    let mut resume = match cx.resume {
        Some(resume) => resume,
        None => Resume::at(kmsg::first_that_fits(k, cx.m, len as usize)),
    };
    let (text, next) = kmsg::told(cx.m, resume.word, (len - resume.done) as usize)?;
    if !text.is_empty() {
        let out = user::prepare(k, cx, addr.saturating_add(resume.done), text.len() as u64)?;
        user::put(k, cx, &out, 0, &text);
        resume.done += text.len() as u64;
        resume.word = next;
        return Err(Stop::Wait(Pending::turn(Restart::NoIntr).with(resume)));
    }
    if clear {
        k.devices.log.cleared = next;
    }
    Ok(resume.done)
}
