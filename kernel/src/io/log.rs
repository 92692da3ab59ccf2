//! Reading the kernel's log: /dev/kmsg record by record, /proc/kmsg and syslog(2) as text.

use super::control::Readiness;
use super::{Segment, wait};
use crate::dev::kmsg;
use crate::error::{Call, Errno, Stop};
use crate::fs::FileId;
use crate::fs::open::{FileKind, LogEnd};
use crate::mm::user;
use crate::wait::WaitKey;
use crate::{Cx, Kernel};
use linux_raw_sys::general as linux;

/// Which end of the log an open file is.
fn end(k: &Kernel, id: FileId) -> Result<LogEnd, Errno> {
    match &k.fs.file(id)?.kind {
        FileKind::Log(end) => Ok(*end),
        _ => Err(Errno::EBADF),
    }
}

/// Reads an open end of the log.
///
/// # Errors
/// EAGAIN, EFAULT; from /dev/kmsg EPIPE when lines were lost, EINVAL when a record does not fit.
pub(super) fn read(k: &mut Kernel, cx: &mut Cx, id: FileId, segments: &[Segment]) -> Call {
    let Some(&(addr, len)) = segments.iter().find(|segment| segment.1 > 0) else {
        return Ok(0);
    };
    let nonblocking = k.fs.file(id)?.nonblocking();
    match end(k, id)? {
        LogEnd::Device => record(k, cx, id, (addr, len), nonblocking),
        LogEnd::Proc => text(k, cx, (addr, len), nonblocking),
    }
}

fn record(k: &mut Kernel, cx: &mut Cx, id: FileId, to: Segment, nonblocking: bool) -> Call {
    let at = k.fs.file(id)?.offset;
    let record = match kmsg::record(cx.m, at) {
        Ok(Some(record)) => record,
        Ok(None) => return Err(wait(cx, WaitKey::Log, 0, nonblocking)),
        Err(lost) => {
            k.fs.file_mut(id)?.offset = cx.m.log_kept().0;
            return Err(lost.into());
        }
    };
    let len = record.len() as u64;
    // One that does not fit is skipped.
    let out = if len > to.1 {
        Err(Stop::from(Errno::EINVAL))
    } else {
        user::prepare(k, cx, to.0, len)
    };
    if !matches!(out, Err(Stop::NoMem(_) | Stop::Wait(_))) {
        k.fs.file_mut(id)?.offset = at + 1;
    }
    user::put(k, cx, &out?, 0, &record);
    Ok(len)
}

/// Takes text out of the log, into one segment; waits for some.
///
/// # Errors
/// EAGAIN, EFAULT.
pub fn text(k: &mut Kernel, cx: &mut Cx, to: Segment, nonblocking: bool) -> Call {
    let max = usize::try_from(to.1).unwrap_or(usize::MAX);
    let (text, taken) = kmsg::peek(k, cx.m, max);
    if text.is_empty() {
        return Err(wait(cx, WaitKey::Log, 0, nonblocking));
    }
    let out = user::prepare(k, cx, to.0, text.len() as u64)?;
    user::put(k, cx, &out, 0, &text);
    kmsg::taken(k, &taken);
    Ok(text.len() as u64)
}

/// Moves a reader of /dev/kmsg (lseek(2)): to the first record, behind those that were cleared,
/// or behind the last. /proc/kmsg stays where it is.
///
/// # Errors
/// ESPIPE with an offset, EINVAL for what is none of these.
pub fn seek(k: &mut Kernel, cx: &Cx, id: FileId, by: i64, whence: u32) -> Call {
    if end(k, id)? == LogEnd::Proc {
        return Ok(0);
    }
    if by != 0 {
        return Err(Errno::ESPIPE.into());
    }
    let (first, end) = cx.m.log_kept();
    k.fs.file_mut(id)?.offset = match whence {
        linux::SEEK_SET => first,
        linux::SEEK_DATA => k.devices.log.cleared.max(first),
        linux::SEEK_END => end,
        _ => return Err(Errno::EINVAL.into()),
    };
    Ok(0)
}

/// What an end of the log is ready for.
pub(super) fn poll(k: &Kernel, cx: &Cx, id: FileId) -> Result<Readiness, Errno> {
    const READABLE: u32 = linux::POLLIN | linux::POLLRDNORM;
    let (first, last) = cx.m.log_kept();
    let at = k.fs.file(id)?.offset;
    let events = match end(k, id)? {
        LogEnd::Proc if kmsg::is_unread(k, cx.m) => READABLE,
        LogEnd::Device if first < last && at < first => READABLE | linux::POLLERR | linux::POLLPRI,
        LogEnd::Device if at < last => READABLE,
        _ => 0,
    };
    Ok(Readiness {
        events,
        data: Some(WaitKey::Log),
        room: None,
    })
}
