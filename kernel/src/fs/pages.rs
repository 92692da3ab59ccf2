//! Content of regular files: pages, holes, size.

use super::inode::{Kind, Pages};
use super::{Fs, InodeId, Store};
use crate::cgroup::GroupId;
use crate::error::{Errno, Stop};
use crate::machine::{Frame, Machine, PAGE};
use crate::mm::frames::Origin;
use alloc::collections::BTreeMap;

/// Bytes in the largest file: an offset must fit in a signed 64-bit number.
pub const SIZE_MAX: u64 = i64::MAX as u64;

/// Content of a regular file.
///
/// # Errors
/// EINVAL for anything else.
pub fn of(fs: &Fs, id: InodeId) -> Result<&Pages, Errno> {
    match &fs.inode(id)?.kind {
        Kind::Regular(pages) => Ok(pages),
        _ => Err(Errno::EINVAL),
    }
}

fn of_mut(fs: &mut Fs, id: InodeId) -> Result<&mut Pages, Errno> {
    match &mut fs.inode_mut(id)?.kind {
        Kind::Regular(pages) => Ok(pages),
        _ => Err(Errno::EINVAL),
    }
}

/// The frame of a page, made (zeroed) if it is a hole and `make` is set.
///
/// # Errors
/// No memory; ENOSPC; ENXIO behind the end of the file.
pub fn page(
    st: &mut Store,
    m: &mut dyn Machine,
    id: InodeId,
    index: u64,
    make: bool,
    group: GroupId,
) -> Result<Option<Frame>, Stop> {
    let pages = of(st.fs, id)?;
    if index >= pages.size.div_ceil(PAGE) {
        return Err(Errno::ENXIO.into());
    }
    match pages.frames.get(&index) {
        Some(frame) => Ok(Some(*frame)),
        None if make => Ok(Some(fresh(st, m, id, index, group, true)?)),
        None => Ok(None),
    }
}

/// The frames that pages from `first` on have; those behind the end and holes have none.
pub fn present(fs: &Fs, id: InodeId, first: u64, to: &mut [Option<Frame>]) {
    let Ok(pages) = of(fs, id) else {
        return;
    };
    let end = (pages.size.div_ceil(PAGE)).min(first.saturating_add(to.len() as u64));
    fill(&pages.frames, first, end, to);
}

/// Puts the frames of pages from `first` to below `end` where they belong.
pub fn fill(frames: &BTreeMap<u64, Frame>, first: u64, end: u64, to: &mut [Option<Frame>]) {
    if first >= end {
        return;
    }
    for (index, frame) in frames.range(first..end) {
        if let Some(slot) = to.get_mut(index.saturating_sub(first) as usize) {
            *slot = Some(*frame);
        }
    }
}

/// The frame of a page that will be written: made if it is a hole, wherever the file ends.
/// `clear` says whether its bytes must be zeros (they need not when all will be written).
///
/// # Errors
/// No memory; ENOSPC.
pub fn to_write(
    st: &mut Store,
    m: &mut dyn Machine,
    id: InodeId,
    index: u64,
    group: GroupId,
    clear: bool,
) -> Result<Frame, Stop> {
    match of(st.fs, id)?.frames.get(&index) {
        Some(frame) => Ok(*frame),
        None => fresh(st, m, id, index, group, clear),
    }
}

fn fresh(
    st: &mut Store,
    m: &mut dyn Machine,
    id: InodeId,
    index: u64,
    group: GroupId,
    clear: bool,
) -> Result<Frame, Stop> {
    let sb = st.fs.inode(id)?.sb;
    st.fs.take_page(sb)?;
    let frame = match st.frames.alloc(st.groups, group, Origin::File) {
        Ok(frame) => frame,
        Err(no_mem) => {
            st.fs.give_pages(sb, 1);
            return Err(no_mem.into());
        }
    };
    if clear {
        m.zero_frame(frame, 0, PAGE as usize);
    }
    of_mut(st.fs, id)?.frames.insert(index, frame);
    Ok(frame)
}

/// Reads what is kept at an offset into `to`; returns how many bytes there were before the end.
///
/// # Errors
/// EINVAL when it is not a regular file.
pub fn read(
    fs: &Fs,
    m: &mut dyn Machine,
    id: InodeId,
    at: u64,
    to: &mut [u8],
) -> Result<usize, Errno> {
    let pages = of(fs, id)?;
    let room = pages.size.saturating_sub(at).min(to.len() as u64) as usize;
    let mut done = 0;
    while done < room {
        let position = at + done as u64;
        let offset = (position % PAGE) as usize;
        let part = (PAGE as usize - offset).min(room - done);
        let Some(slice) = to.get_mut(done..done + part) else {
            break;
        };
        match pages.frames.get(&(position / PAGE)) {
            Some(frame) => m.read_frame(*frame, offset, slice),
            None => slice.fill(0),
        }
        done += part;
    }
    Ok(room)
}

/// Makes a file at least `end` bytes long.
pub fn grow(fs: &mut Fs, id: InodeId, end: u64) {
    if let Ok(pages) = of_mut(fs, id) {
        pages.size = pages.size.max(end);
    }
}

/// Sets a file's size (truncate(2)): pages behind the new end go, the rest of the last one
/// becomes zeros.
///
/// # Errors
/// EINVAL for what is not a regular file, EFBIG.
pub fn truncate(st: &mut Store, m: &mut dyn Machine, id: InodeId, size: u64) -> Result<(), Errno> {
    if size > SIZE_MAX {
        return Err(Errno::EFBIG);
    }
    let sb = st.fs.inode(id)?.sb;
    let pages = of_mut(st.fs, id)?;
    let cut = if size == 0 {
        core::mem::take(&mut pages.frames)
    } else if size <= pages.size {
        // Also what was kept behind the end (fallocate(2), FALLOC_FL_KEEP_SIZE).
        pages.frames.split_off(&size.div_ceil(PAGE))
    } else {
        Default::default()
    };
    let tail = (size % PAGE) as usize;
    if size < pages.size && tail > 0 {
        if let Some(frame) = pages.frames.get(&(size / PAGE)) {
            m.zero_frame(*frame, tail, PAGE as usize - tail);
        }
    }
    pages.size = size;
    st.fs.give_pages(sb, cut.len() as u64);
    st.release_pages(cut);
    Ok(())
}

/// Whether a file's instance may hold so many pages at all; what is in use does not count.
///
/// # Errors
/// ENOSPC.
pub fn may_hold(fs: &Fs, id: InodeId, pages: u64) -> Result<(), Errno> {
    let sb = fs.supers.get(fs.inode(id)?.sb);
    match sb {
        Some(sb) if pages > sb.limits.pages => Err(Errno::ENOSPC),
        _ => Ok(()),
    }
}

/// Makes a part of a file (bytes, start and end) read as zeros: frees whole pages from `first` on,
/// `most` at the most, and clears what is of others. Returns the page to go on with.
///
/// # Errors
/// EINVAL when it is not a regular file.
pub fn punch(
    st: &mut Store,
    m: &mut dyn Machine,
    id: InodeId,
    (start, end): (u64, u64),
    first: u64,
    most: u64,
) -> Result<Option<u64>, Errno> {
    let sb = st.fs.inode(id)?.sb;
    let pages = of_mut(st.fs, id)?;
    let last = end / PAGE;
    let mut freed = BTreeMap::new();
    let mut rest = None;
    while let Some((index, _)) = pages.frames.range(first..last.max(first)).next() {
        let index = *index;
        if freed.len() as u64 >= most {
            rest = Some(index);
            break;
        }
        if let Some(frame) = pages.frames.remove(&index) {
            freed.insert(index, frame);
        }
    }
    // The edges; within one page they are one.
    let edges = if start / PAGE == last {
        [(start, end), (end, end)]
    } else {
        [(start, start.next_multiple_of(PAGE)), (last * PAGE, end)]
    };
    for (from, to) in edges {
        if let Some(frame) = pages.frames.get(&(from / PAGE)).filter(|_| from < to) {
            m.zero_frame(*frame, (from % PAGE) as usize, (to - from) as usize);
        }
    }
    st.fs.give_pages(sb, freed.len() as u64);
    st.release_pages(freed);
    Ok(rest)
}
