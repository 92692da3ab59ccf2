//! Waiting for descriptors (poll(2)); what it has in common with select(2) and epoll_wait(2).

use super::Line;
use crate::error::{Call, Errno, Stop};
use crate::io::epoll::Effort;
use crate::mm::user;
use crate::task::{files, signal};
use crate::wait::{Pending, Restart, Resume, WaitKey};
use crate::wire::{get_u32, get_u64};
use crate::{Cx, Kernel, io};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

pub(super) const CALLS: &[Line] = &[
    (linux::__NR_poll, "poll", poll),
    (linux::__NR_ppoll, "ppoll", ppoll),
];

/// Notes, the first time that a call is made, when it gives up: nanoseconds from now, or never.
pub(super) fn begin(cx: &mut Cx, nanos: Option<u64>) {
    if cx.resume.is_none() {
        cx.resume = Some(Resume {
            deadline: nanos.map(|n| cx.now.saturating_add(n)),
            ..Resume::default()
        });
    }
}

/// Nanoseconds of a struct timespec (units of 1) or timeval (units of 1000); 0 is no time.
pub(super) fn time_arg(
    k: &mut Kernel,
    cx: &mut Cx,
    addr: u64,
    unit: u64,
) -> Result<Option<u64>, Stop> {
    if addr == 0 {
        return Ok(None);
    }
    let mut both = [0; 16];
    user::copy_in(k, cx, addr, &mut both)?;
    let (sec, part) = (get_u64(&both, 0), get_u64(&both, 8));
    let second = 1_000_000_000;
    if (sec as i64) < 0 || part >= second / unit {
        return Err(Errno::EINVAL.into());
    }
    Ok(Some(sec.saturating_mul(second).saturating_add(part * unit)))
}

fn poll(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let timeout = a[2] as u32 as i32;
    begin(cx, u64::try_from(timeout).ok().map(|ms| ms * 1_000_000));
    let result = poll_set(k, cx, a[0], a[1], Restart::Block);
    conclude(k, cx, result, Restart::Block)
}

fn ppoll(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let nanos = time_arg(k, cx, a[2], 1)?;
    begin(cx, nanos);
    set_mask(k, cx, a[3], a[4])?;
    let result = poll_set(k, cx, a[0], a[1], Restart::NoHand);
    let call = conclude(k, cx, result, Restart::NoHand);
    tell_time(k, cx, a[2], 1, &call);
    call
}

/// Tells the time that is left when a call ends or is interrupted, as Linux does. Where it cannot
/// be told, the result still can (select(2), "Notes").
pub(super) fn tell_time(k: &mut Kernel, cx: &mut Cx, addr: u64, unit: u64, call: &Call) {
    let ends = match call {
        Ok(_) => true,
        Err(Stop::Wait(pending)) => !pending.turn && signal::interrupts(k, cx.task),
        Err(_) => false,
    };
    if addr == 0 || !ends {
        return;
    }
    let deadline = cx.resume.and_then(|resume| resume.deadline);
    let left = deadline.map_or(0, |at| at.saturating_sub(cx.now));
    let (sec, part) = (left / 1_000_000_000, left % 1_000_000_000 / unit);
    if let Ok(out) = user::prepare(k, cx, addr, 16) {
        user::put(k, cx, &out, 0, &sec.to_le_bytes());
        user::put(k, cx, &out, 8, &part.to_le_bytes());
    }
}

/// What is ready, and what wakes if nothing is.
pub(super) struct Looked {
    pub(super) count: u64,
    pub(super) keys: Vec<WaitKey>,
}

/// Ends the call when something is ready or the time is over, else waits. The mask that was set
/// for the time of the call is put back when the call ends here.
pub(super) fn conclude(
    k: &mut Kernel,
    cx: &mut Cx,
    result: Result<Looked, Stop>,
    restart: Restart,
) -> Call {
    let looked = match result {
        Ok(looked) => looked,
        Err(stop) => {
            if matches!(stop, Stop::Errno(_)) {
                restore_mask(k, cx);
            }
            return Err(stop);
        }
    };
    if looked.count > 0 || is_over(cx) {
        restore_mask(k, cx);
        return Ok(looked.count);
    }
    let resume = cx.resume.unwrap_or_default();
    let waiting = Resume {
        deadline: resume.deadline,
        saved_mask: resume.saved_mask,
        ..Resume::default()
    };
    Err(Stop::Wait(Pending {
        resume: waiting,
        keys: looked.keys,
        restart,
        turn: false,
    }))
}

/// The time that the call may take is over.
pub(super) fn is_over(cx: &Cx) -> bool {
    let deadline = cx.resume.and_then(|resume| resume.deadline);
    deadline.is_some_and(|at| cx.now >= at)
}

/// Sets the signal mask for the time of the call, once.
pub(super) fn set_mask(k: &mut Kernel, cx: &mut Cx, addr: u64, size: u64) -> Result<(), Stop> {
    if addr == 0 || cx.resume.is_some_and(|r| r.saved_mask.is_some()) {
        return Ok(());
    }
    if size != 8 {
        return Err(Errno::EINVAL.into());
    }
    let mask = user::read_u64(k, cx, addr)?;
    let old = signal::swap_mask(k, cx.task, mask);
    let resume = cx.resume.unwrap_or_default();
    cx.resume = Some(Resume {
        saved_mask: Some(old),
        ..resume
    });
    Ok(())
}

fn restore_mask(k: &mut Kernel, cx: &Cx) {
    if let Some(old) = cx.resume.and_then(|r| r.saved_mask) {
        signal::swap_mask(k, cx.task, old);
    }
}

/// Bytes of a struct pollfd.
const ENTRY: u64 = 8;
/// Entries that are looked at together.
const CHUNK: u64 = 64;

/// Looks at a set. What takes more than one trap goes on where it was; whoever then has to wait
/// waits for anything at all, and what happened since the look began makes it look again.
fn poll_set(
    k: &mut Kernel,
    cx: &mut Cx,
    addr: u64,
    count: u64,
    restart: Restart,
) -> Result<Looked, Stop> {
    let count = u64::from(count as u32);
    if count > files::limit(k, cx.task) {
        return Err(Errno::EINVAL.into());
    }
    let mut scan = Scan::of(k, cx);
    while scan.at < count {
        let at = addr.saturating_add(scan.at * ENTRY);
        let len = CHUNK.min(count - scan.at) * ENTRY;
        let mut entries = [0; (CHUNK * ENTRY) as usize];
        let entries = entries.get_mut(..len as usize).unwrap_or_default();
        user::copy_in(k, cx, at, entries)?;
        let out = user::prepare(k, cx, at, len)?;
        for (n, entry) in entries.chunks_exact_mut(ENTRY as usize).enumerate() {
            let wanted = get_u32(entry, 4) & 0xffff;
            let Some(ready) = scan.look(k, cx, get_u32(entry, 0), wanted)? else {
                return Err(scan.turn(cx, restart));
            };
            user::put(
                k,
                cx,
                &out,
                n as u64 * ENTRY + 6,
                &(ready as u16).to_le_bytes(),
            );
        }
    }
    scan.end(k, cx, restart)
}

/// How far a look at many descriptors has come.
pub(super) struct Scan {
    /// The next one.
    at: u64,
    /// How many were ready.
    found: u64,
    /// [`crate::wait::Waits::events`] when it began.
    events: u64,
    /// What wakes those who wait; `None` when this is not the first trap of the look.
    keys: Option<Vec<WaitKey>>,
    effort: Effort,
}

impl Scan {
    /// Goes on with the look that the call remembers, or begins.
    fn of(k: &Kernel, cx: &Cx) -> Scan {
        let resume = cx.resume.unwrap_or_default();
        let (at, found) = (resume.word & u64::from(u32::MAX), resume.word >> 32);
        Scan {
            at,
            found,
            events: if at > 0 {
                resume.events
            } else {
                k.waits.events()
            },
            keys: (at == 0).then(Vec::new),
            effort: Effort::default(),
        }
    }

    /// What of `wanted` the next descriptor is ready for, with what is always told; `None` when
    /// this trap has done enough.
    fn look(
        &mut self,
        k: &mut Kernel,
        cx: &mut Cx,
        fd: u32,
        wanted: u32,
    ) -> Result<Option<u32>, Stop> {
        let ready = match fd as i32 {
            fd if fd < 0 => Some(0),
            _ => look(k, cx, fd, wanted, (&mut self.keys, &mut self.effort))?,
        };
        if let Some(ready) = ready {
            self.at += 1;
            self.found += u64::from(ready != 0);
        }
        Ok(ready)
    }

    /// Others have their turn, then it goes on.
    fn turn(&self, cx: &Cx, restart: Restart) -> Stop {
        let resume = Resume {
            word: self.at | self.found << 32,
            events: self.events,
            ..cx.resume.unwrap_or_default()
        };
        Stop::Wait(Pending::turn(restart).with(resume))
    }

    /// All were looked at.
    fn end(mut self, k: &Kernel, cx: &Cx, restart: Restart) -> Result<Looked, Stop> {
        let missed = self.keys.is_none() && self.events != k.waits.events();
        if self.found == 0 && missed && !is_over(cx) {
            self.at = 0;
            return Err(self.turn(cx, restart));
        }
        Ok(Looked {
            count: self.found,
            keys: self.keys.unwrap_or_else(|| alloc::vec![WaitKey::Any]),
        })
    }
}

/// What of `wanted` a descriptor is ready for, with what is always told; `None` when this trap
/// has done enough.
pub(super) fn look(
    k: &mut Kernel,
    cx: &mut Cx,
    fd: u32,
    wanted: u32,
    (keys, effort): (&mut Option<Vec<WaitKey>>, &mut Effort),
) -> Result<Option<u32>, Stop> {
    let Ok(id) = files::file(k, cx.task, u64::from(fd)) else {
        return Ok(Some(linux::POLLNVAL));
    };
    let Some(ready) = io::poll(k, cx, id, effort)? else {
        return Ok(None);
    };
    if let Some(keys) = keys {
        for key in [ready.data, ready.room].into_iter().flatten() {
            keys.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            keys.push(key);
        }
    }
    let always = linux::POLLERR | linux::POLLHUP | linux::POLLNVAL;
    Ok(Some(ready.events & (wanted | always)))
}
