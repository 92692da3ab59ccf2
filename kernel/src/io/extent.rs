//! Size and pages of regular files (truncate(2), fallocate(2)).

use super::take_turns;
use super::write::{group, size_limit, too_big, written};
use crate::error::{Errno, Stop};
use crate::fs::{InodeId, Store, pages, seal};
use crate::machine::PAGE;
use crate::mm::{self, Lost};
use crate::{Cx, Kernel};

/// Sets the size of a regular file; permissions were checked. Goes on in turns while programs
/// that map it have pages behind its end.
///
/// # Errors
/// EINVAL, EISDIR, EFBIG (with SIGXFSZ at the process's limit); waits.
pub fn truncate(k: &mut Kernel, cx: &mut Cx, inode: InodeId, size: u64) -> Result<(), Stop> {
    if k.fs.inode(inode)?.is_dir() {
        return Err(Errno::EISDIR.into());
    }
    seal::resizable(&k.fs, inode, size)?;
    let old = pages::of(&k.fs, inode)?.size;
    let limit = size_limit(k, cx);
    if size > limit && size > old {
        return Err(too_big(k, cx, limit, 0));
    }
    pages::truncate(&mut Store::of(k), cx.m, inode, size)?;
    written(k, cx, inode);
    if !mm::truncated(k, cx.m, inode, size) {
        return Err(mm::turn::later(1));
    }
    Ok(())
}

/// Pages made or freed by one trap of [`reserve`] and [`punch`].
const TURN: u64 = 128;

/// Makes the pages of a part of a file (start, end), and unless `keep` the file that long
/// (fallocate(2)). Goes on in turns when it is much; what a failure leaves are zeros behind the end.
///
/// # Errors
/// EFBIG; ENOSPC; no memory; waits.
pub fn reserve(
    k: &mut Kernel,
    cx: &mut Cx,
    inode: InodeId,
    (start, end): (u64, u64),
    keep: bool,
) -> Result<(), Stop> {
    let size = pages::of(&k.fs, inode)?.size;
    if end > size && !keep {
        seal::resizable(&k.fs, inode, end)?;
    }
    let limit = size_limit(k, cx);
    if end > limit && end > size && !keep {
        return Err(too_big(k, cx, limit, 0));
    }
    let group = group(k, cx)?;
    let last = end.div_ceil(PAGE);
    let first = start / PAGE + cx.resume.map_or(0, |r| r.word);
    if first == start / PAGE {
        pages::may_hold(&k.fs, inode, last.saturating_sub(first))?;
    }
    let turn = last.min(first.saturating_add(TURN));
    for index in first..turn {
        pages::to_write(&mut Store::of(k), cx.m, inode, index, group, true)?;
    }
    if turn < last {
        return Err(go_on(cx, turn - start / PAGE));
    }
    if size < end && !keep {
        pages::grow(&mut k.fs, inode, end);
    }
    written(k, cx, inode);
    Ok(())
}

/// Makes a hole of a part of a file (start, end): its pages go, from programs that map them too.
/// Goes on in turns when it is much.
///
/// # Errors
/// EINVAL; waits.
pub fn punch(
    k: &mut Kernel,
    cx: &mut Cx,
    inode: InodeId,
    (start, end): (u64, u64),
) -> Result<(), Stop> {
    if !seal::lets_map_to_write(&k.fs, inode) {
        return Err(Errno::EPERM.into());
    }
    let whole = (start.div_ceil(PAGE), end / PAGE);
    let first = whole.0 + cx.resume.map_or(0, |r| r.word);
    let rest = pages::punch(&mut Store::of(k), cx.m, inode, (start, end), first, TURN)?;
    let lost = Lost {
        from: first,
        to: rest.unwrap_or(whole.1),
        copies: false,
    };
    if lost.from < lost.to {
        mm::unmap_file_range(k, cx.m, inode, lost, usize::MAX);
    }
    match rest {
        Some(rest) => Err(go_on(cx, rest - whole.0)),
        None => {
            written(k, cx, inode);
            Ok(())
        }
    }
}

/// Lets others run; `word` says how far this call has come.
fn go_on(cx: &Cx, word: u64) -> Stop {
    let mut stop = take_turns(cx, 0);
    if let Stop::Wait(pending) = &mut stop {
        pending.resume.word = word;
    }
    stop
}
