//! Signals as files (signalfd(2)).

use std::os::fd::{AsFd, OwnedFd};

use berth_sys::audit::pause_ms;
use berth_sys::events::{signalfd, signalfd_change};
use berth_sys::handler;
use rustix::event::EventfdFlags;
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, getpid, kill_process};

use super::events::{IN, OUT, counter, ready};
use super::{Case, Told, Verdict, check, child, ended, fails, same};

pub const CASES: &[Case] = &[
    ("events/signals-as-records", signals_as_records),
    ("events/signals-order", signals_order),
    ("events/signals-other-mask", signals_other_mask),
    ("events/signals-wake-reader", signals_wake_reader),
    ("events/signals-of-children", signals_of_children),
];

pub(super) const USR1: i32 = 10;

const USR2: i32 = 12;

fn bit(signal: i32) -> u64 {
    u32::try_from(signal.saturating_sub(1)).map_or(0, |shift| 1u64.wrapping_shl(shift))
}

/// A file of blocked signals.
pub(super) fn signals(held: &[i32]) -> Result<OwnedFd, String> {
    for signal in held {
        handler::hold(*signal, true).told("sigprocmask")?;
    }
    let mask = held.iter().fold(0, |mask, signal| mask | bit(*signal));
    signalfd(mask, 0o4000).told("signalfd")
}

fn send(signal: i32) -> Verdict {
    let signal = Signal::from_named_raw(signal).ok_or("no signal")?;
    kill_process(getpid(), signal).told("kill")
}

/// A process's number as records have it.
fn number(pid: Pid) -> u32 {
    u32::try_from(pid.as_raw_nonzero().get()).unwrap_or(0)
}

/// The 32-bit words of a record.
fn record(fd: &OwnedFd) -> rustix::io::Result<Vec<u32>> {
    let mut bytes = [0u8; 300];
    let len = rustix::io::read(fd, &mut bytes)?;
    let words = bytes.get(..len).unwrap_or_default().chunks_exact(4);
    let word = |word: &[u8]| word.try_into().map_or(0, u32::from_ne_bytes);
    Ok(words.map(word).collect())
}

fn signals_as_records() -> Verdict {
    let fd = signals(&[USR1])?;
    same("nothing yet", ready(&fd, IN, 0)?, 0)?;
    fails("nothing yet", record(&fd), Errno::AGAIN)?;
    send(USR1)?;
    send(USR1)?;
    same("ready", ready(&fd, IN | OUT, 0)?, IN)?;
    fails(
        "short read",
        rustix::io::read(&fd, &mut [0; 127]),
        Errno::INVAL,
    )?;
    let words = record(&fd).told("read")?;
    same("length", words.len(), 32)?;
    let own = number(getpid());
    let uid = rustix::process::getuid().as_raw();
    // Number, errno, code SI_USER, sender; descriptor, thread, band, overrun and the rest are 0.
    same("head", words.get(..5), Some(&[10, 0, 0, own, uid][..]))?;
    check(words.iter().skip(5).all(|word| *word == 0), || {
        format!("{words:?}")
    })?;
    fails("sent twice, pending once", record(&fd), Errno::AGAIN)?;
    fails("write", rustix::io::write(&fd, &[0; 8]), Errno::INVAL)
}

fn signals_order() -> Verdict {
    let fd = signals(&[USR1, USR2])?;
    send(USR2)?;
    send(USR1)?;
    let words = record(&fd).told("read")?;
    same("records", words.len(), 64)?;
    same("first", words.first(), Some(&10))?;
    same("second", words.get(32), Some(&12))
}

fn signals_other_mask() -> Verdict {
    let fd = signals(&[USR1])?;
    handler::hold(USR2, true).told("sigprocmask")?;
    send(USR2)?;
    same("not asked for", ready(&fd, IN, 0)?, 0)?;
    signalfd_change(fd.as_fd(), bit(USR2)).told("signalfd")?;
    same("asked for", ready(&fd, IN, 0)?, IN)?;
    same("signal", record(&fd).told("read")?.first(), Some(&12))?;
    let event = counter(0, EventfdFlags::empty())?;
    fails(
        "no signalfd",
        signalfd_change(event.as_fd(), 1),
        Errno::INVAL,
    )?;
    fails("flags", signalfd(1, 1), Errno::INVAL)
}

fn signals_wake_reader() -> Verdict {
    let fd = signals(&[USR1])?;
    fcntl_setfl(&fd, OFlags::empty()).told("fcntl")?;
    let parent = getpid();
    for polls in [false, true] {
        let pid = child(|| {
            pause_ms(10);
            i32::from(kill_process(parent, Signal::USR1).is_err())
        })?;
        if polls {
            same("ready", ready(&fd, IN, 20_000)?, IN)?;
        }
        let words = record(&fd).told("read")?;
        let sender = number(pid);
        same("sender", words.get(3), Some(&sender))?;
        same("exit", ended(pid)?.exit_status(), Some(0))?;
    }
    Ok(())
}

fn signals_of_children() -> Verdict {
    let fd = signals(&[17])?;
    let pid = child(|| 5)?;
    same("ready", ready(&fd, IN, 20_000)?, IN)?;
    let words = record(&fd).told("read")?;
    let own = number(pid);
    let found = [0, 2, 3, 10].map(|at| words.get(at).copied().unwrap_or(0));
    same("SIGCHLD, CLD_EXITED, pid, status", found, [17, 1, own, 5])?;
    same("exit", ended(pid)?.exit_status(), Some(5))
}
