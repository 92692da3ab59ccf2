//! Copies to and from the memory of programs.
//!
//! The kernel never dereferences a user pointer: it walks the program's page tables and copies by
//! frames, resolving absent pages through [`super::fault()`]. *Prepare* a destination first
//! ([`prepare`] faults pages in and breaks copy on write; it may fail), then commit into it
//! ([`UserOut`]; cannot fail).
//!
//! Functions that take a [`Cx`] work on the current task's memory; those whose name ends in `_of`
//! on any address space (a new program's stack, /proc/PID/cmdline).

use super::{Fault, MmId};
use crate::error::{Call, Errno, Stop};
use crate::machine::{Access, Frame, Machine, PAGE, USER_END};
use crate::{Cx, Kernel};

pub use super::lists::{IOV_MAX, c_string, iovecs};

/// Bytes that one pass moves at the most.
pub const PASS: u64 = 64 << 10;

/// Bytes that one read or write moves at the most (read(2): MAX_RW_COUNT).
pub const RW_MAX: u64 = 0x7fff_f000;

/// A destination in a program's memory whose pages are present, writable and its own until the
/// end of this call.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserOut {
    addr: u64,
    len: u64,
}

impl UserOut {
    /// Nothing, for calls whose result pointer may be 0.
    pub const NONE: UserOut = UserOut { addr: 0, len: 0 };
    /// Room in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }
    /// No room.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// The parts of a range, each inside one page: address, offset from the beginning, length.
struct Pieces {
    addr: u64,
    done: usize,
    left: usize,
}

impl Pieces {
    /// Of a range that [`check`] accepted.
    fn of(addr: u64, len: usize) -> Pieces {
        Pieces {
            addr,
            done: 0,
            left: len,
        }
    }
}

impl Iterator for Pieces {
    type Item = (u64, usize, usize);

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let len = self.left.min((PAGE - self.addr % PAGE) as usize);
        let piece = (self.addr, self.done, len);
        self.addr = self.addr.saturating_add(len as u64);
        self.done += len;
        self.left -= len;
        Some(piece)
    }
}

/// Whether all of a range is where programs can have memory.
///
/// # Errors
/// EFAULT for ranges that touch the kernel's half, are not canonical, or wrap around.
pub fn check(addr: u64, len: u64) -> Result<(), Errno> {
    match addr.checked_add(len) {
        Some(end) if end <= USER_END => Ok(()),
        _ if len == 0 => Ok(()),
        _ => Err(Errno::EFAULT),
    }
}

pub(super) fn current(k: &Kernel, cx: &Cx) -> Result<MmId, Stop> {
    k.tasks
        .tasks
        .get(cx.task)
        .and_then(|t| t.mm.as_ref())
        .map(|mm| mm.key())
        .ok_or(Stop::Errno(Errno::EFAULT))
}

/// What a fault means to a call.
impl From<Fault> for Stop {
    fn from(fault: Fault) -> Stop {
        match fault {
            Fault::NoMem(no_mem) => Stop::NoMem(no_mem),
            Fault::NotMapped | Fault::Forbidden | Fault::BehindEnd => Stop::Errno(Errno::EFAULT),
        }
    }
}

/// The frame behind an address, made present for `access`, and the offset in it.
///
/// # Errors
/// EFAULT; or no memory.
pub fn locate_of(
    k: &mut Kernel,
    m: &mut dyn Machine,
    mm: MmId,
    addr: u64,
    access: Access,
) -> Result<(Frame, usize), Stop> {
    check(addr, 1)?;
    #[cfg(feature = "audit")]
    k.groups.disturb.at_access(k.groups.root())?;
    let space = k.spaces.get(mm).ok_or(Errno::EFAULT)?.space;
    let offset = (addr % PAGE) as usize;
    if let Some(page) = m.query(space, addr) {
        if page.access.contains(access) {
            return Ok((page.frame, offset));
        }
    }
    super::fault(k, m, mm, addr, access)?;
    match m.query(space, addr) {
        Some(page) => Ok((page.frame, offset)),
        None => Err(Errno::EFAULT.into()),
    }
}

/// [`locate_of`] in the current task's memory.
///
/// # Errors
/// As [`locate_of`].
pub fn locate(
    k: &mut Kernel,
    cx: &mut Cx,
    addr: u64,
    access: Access,
) -> Result<(Frame, usize), Stop> {
    let mm = current(k, cx)?;
    locate_of(k, cx.m, mm, addr, access)
}

/// Copies out of an address space until the first byte that cannot be read; how many came.
///
/// # Errors
/// EFAULT when not even the first byte can be read; or no memory.
pub fn read_some_of(
    k: &mut Kernel,
    m: &mut dyn Machine,
    mm: MmId,
    addr: u64,
    to: &mut [u8],
) -> Result<usize, Stop> {
    for (at, done, len) in Pieces::of(addr, to.len()) {
        let (frame, offset) = match locate_of(k, m, mm, at, Access::READ) {
            Ok(place) => place,
            Err(Stop::Errno(_)) if done > 0 => return Ok(done),
            Err(stop) => return Err(stop),
        };
        if let Some(part) = to.get_mut(done..done + len) {
            m.read_frame(frame, offset, part);
        }
    }
    Ok(to.len())
}

/// Copies `to.len()` bytes out of an address space.
///
/// # Errors
/// EFAULT; or no memory.
pub fn read_of(
    k: &mut Kernel,
    m: &mut dyn Machine,
    mm: MmId,
    addr: u64,
    to: &mut [u8],
) -> Result<(), Stop> {
    check(addr, to.len() as u64)?;
    if read_some_of(k, m, mm, addr, to)? < to.len() {
        return Err(Errno::EFAULT.into());
    }
    Ok(())
}

/// Copies bytes into an address space, as its program could.
///
/// # Errors
/// EFAULT; or no memory. A part may have been written then: only for memory that nobody else
/// sees yet, such as a new program's stack.
pub fn write_of(
    k: &mut Kernel,
    m: &mut dyn Machine,
    mm: MmId,
    addr: u64,
    from: &[u8],
) -> Result<(), Stop> {
    check(addr, from.len() as u64)?;
    for (at, done, len) in Pieces::of(addr, from.len()) {
        let (frame, offset) = locate_of(k, m, mm, at, Access::WRITE)?;
        if let Some(part) = from.get(done..done + len) {
            m.write_frame(frame, offset, part);
        }
    }
    Ok(())
}

/// Copies `to.len()` bytes (64 KiB at most) from the current task's memory.
///
/// # Errors
/// EFAULT; or no memory.
pub fn copy_in(k: &mut Kernel, cx: &mut Cx, addr: u64, to: &mut [u8]) -> Result<(), Stop> {
    if to.is_empty() {
        return Ok(());
    }
    let mm = current(k, cx)?;
    read_of(k, cx.m, mm, addr, to)
}

/// Copies from the current task's memory until the first byte that cannot be read, for write(2),
/// which writes what is there; how many bytes came.
///
/// # Errors
/// EFAULT when not even the first byte can be read; or no memory.
pub fn copy_in_some(k: &mut Kernel, cx: &mut Cx, addr: u64, to: &mut [u8]) -> Result<usize, Stop> {
    if to.is_empty() {
        return Ok(0);
    }
    let mm = current(k, cx)?;
    read_some_of(k, cx.m, mm, addr, to)
}

/// Reads a 32-bit word.
///
/// # Errors
/// EFAULT; or no memory.
pub fn read_u32(k: &mut Kernel, cx: &mut Cx, addr: u64) -> Result<u32, Stop> {
    let mut word = [0; 4];
    copy_in(k, cx, addr, &mut word)?;
    Ok(u32::from_le_bytes(word))
}

/// Reads a 64-bit word.
///
/// # Errors
/// EFAULT; or no memory.
pub fn read_u64(k: &mut Kernel, cx: &mut Cx, addr: u64) -> Result<u64, Stop> {
    let mut word = [0; 8];
    copy_in(k, cx, addr, &mut word)?;
    Ok(u64::from_le_bytes(word))
}

/// Makes `len` bytes (64 KiB at most; longer is cut, see [`UserOut::len`]) at `addr` ready to be
/// written.
///
/// # Errors
/// EFAULT; or no memory.
pub fn prepare(k: &mut Kernel, cx: &mut Cx, addr: u64, len: u64) -> Result<UserOut, Stop> {
    check(addr, len)?;
    let out = prepare_some(k, cx, addr, len)?;
    if out.len < len.min(PASS) {
        return Err(Errno::EFAULT.into());
    }
    Ok(out)
}

/// [`prepare`] for read(2), which fills what is there: ends before the first byte that cannot be
/// written.
///
/// # Errors
/// EFAULT when not even the first byte can be written; or no memory.
pub fn prepare_some(k: &mut Kernel, cx: &mut Cx, addr: u64, len: u64) -> Result<UserOut, Stop> {
    let len = len.min(PASS);
    if len == 0 {
        return Ok(UserOut { addr, len });
    }
    let mm = current(k, cx)?;
    for (at, done, _) in Pieces::of(addr, len as usize) {
        match locate_of(k, cx.m, mm, at, Access::WRITE) {
            Ok(_) => {}
            Err(Stop::Errno(_)) if done > 0 => {
                let len = done as u64;
                return Ok(UserOut { addr, len });
            }
            Err(stop) => return Err(stop),
        }
    }
    Ok(UserOut { addr, len })
}

/// The part of a prepared destination that `len` bytes at `offset` can have.
fn fitting(out: &UserOut, offset: u64, len: usize) -> usize {
    let room = out.len.saturating_sub(offset);
    debug_assert!(len as u64 <= room, "more put than prepared");
    len.min(usize::try_from(room).unwrap_or(usize::MAX))
}

/// The prepared frame behind an address.
fn prepared(k: &Kernel, cx: &Cx, addr: u64) -> Option<(Frame, usize)> {
    let mm = current(k, cx).ok()?;
    let page = cx.m.query(k.spaces.get(mm)?.space, addr)?;
    debug_assert!(
        page.access.contains(Access::WRITE),
        "put where nothing was prepared"
    );
    Some((page.frame, (addr % PAGE) as usize))
}

/// Writes into a prepared destination; what does not fit is dropped (and a bug).
pub fn put(k: &mut Kernel, cx: &mut Cx, out: &UserOut, offset: u64, bytes: &[u8]) {
    let len = fitting(out, offset, bytes.len());
    for (at, done, len) in Pieces::of(out.addr.saturating_add(offset), len) {
        if let (Some((frame, start)), Some(part)) =
            (prepared(k, cx, at), bytes.get(done..done + len))
        {
            cx.m.write_frame(frame, start, part);
        }
    }
}

/// Copies a part of a frame into a prepared destination.
pub fn put_frame(
    k: &mut Kernel,
    cx: &mut Cx,
    out: &UserOut,
    offset: u64,
    frame: (Frame, usize),
    len: usize,
) {
    let len = fitting(out, offset, len);
    for (at, done, len) in Pieces::of(out.addr.saturating_add(offset), len) {
        let Some((to, start)) = prepared(k, cx, at) else {
            continue;
        };
        // A program may read a file into a shared mapping of the same page.
        if to == frame.0 {
            move_within(cx.m, to, frame.1 + done, start, len);
        } else {
            cx.m.copy_frame((frame.0, frame.1 + done), (to, start), len);
        }
    }
}

/// Copies inside one frame, whose parts may overlap.
fn move_within(m: &mut dyn Machine, frame: Frame, from: usize, to: usize, len: usize) {
    let mut bytes = alloc::vec![0; len];
    m.read_frame(frame, from, &mut bytes);
    m.write_frame(frame, to, &bytes);
}

/// Fills a part of a prepared destination with zeros.
pub fn put_zeros(k: &mut Kernel, cx: &mut Cx, out: &UserOut, offset: u64, len: u64) {
    let len = fitting(out, offset, usize::try_from(len).unwrap_or(usize::MAX));
    for (at, _, len) in Pieces::of(out.addr.saturating_add(offset), len) {
        if let Some((frame, start)) = prepared(k, cx, at) {
            cx.m.zero_frame(frame, start, len);
        }
    }
}

/// Copies a part of the current task's memory straight into a frame (a file's page, a pipe's),
/// for write(2); the pages must have been made present with [`locate`] or a copy before, else
/// nothing more is copied. Returns how many bytes were.
pub fn copy_to_frame(
    k: &mut Kernel,
    cx: &mut Cx,
    addr: u64,
    to: (Frame, usize),
    len: usize,
) -> usize {
    let Ok(mm) = current(k, cx) else {
        return 0;
    };
    let Some(space) = k.spaces.get(mm).map(|mm| mm.space) else {
        return 0;
    };
    for (at, done, len) in Pieces::of(addr, len) {
        let Some(page) = cx.m.query(space, at) else {
            return done;
        };
        let start = (at % PAGE) as usize;
        if page.frame == to.0 {
            move_within(cx.m, to.0, start, to.1 + done, len);
        } else {
            cx.m.copy_frame((page.frame, start), (to.0, to.1 + done), len);
        }
    }
    len
}

/// Makes a source of `len` bytes (64 KiB at most) present, so that [`copy_to_frame`] finds it; how
/// many bytes of it there are.
///
/// # Errors
/// EFAULT when not even the first byte can be read; or no memory.
pub fn present(k: &mut Kernel, cx: &mut Cx, addr: u64, len: u64) -> Result<u64, Stop> {
    let len = len.min(PASS);
    if len == 0 {
        return Ok(0);
    }
    let mm = current(k, cx)?;
    for (at, done, _) in Pieces::of(addr, len as usize) {
        match locate_of(k, cx.m, mm, at, Access::READ) {
            Ok(_) => {}
            Err(Stop::Errno(_)) if done > 0 => return Ok(done as u64),
            Err(stop) => return Err(stop),
        }
    }
    Ok(len)
}

/// Prepares, writes and gives `value`: for results known before anything is changed.
///
/// # Errors
/// As [`prepare`].
pub fn copy_out(k: &mut Kernel, cx: &mut Cx, addr: u64, bytes: &[u8], value: u64) -> Call {
    let out = prepare(k, cx, addr, bytes.len() as u64)?;
    put(k, cx, &out, 0, bytes);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn ranges_outside_the_programs_half_are_refused() {
        assert_eq!(check(0, 1), Ok(()));
        assert_eq!(check(USER_END - 1, 1), Ok(()));
        assert_eq!(check(u64::MAX, 0), Ok(()));
        for (addr, len) in [
            (USER_END, 1),
            (USER_END - 1, 2),
            (0xffff_8000_0000_0000, 1),
            (u64::MAX, 1),
            (1, u64::MAX),
            (0, u64::MAX),
        ] {
            assert_eq!(check(addr, len), Err(Errno::EFAULT), "{addr:#x}+{len:#x}");
        }
    }

    #[test]
    fn pieces_end_at_pages() {
        let pieces: Vec<_> = Pieces::of(PAGE - 3, PAGE as usize + 5).collect();
        assert_eq!(
            pieces,
            [
                (PAGE - 3, 0, 3),
                (PAGE, 3, PAGE as usize),
                (2 * PAGE, 3 + PAGE as usize, 2)
            ]
        );
        assert_eq!(Pieces::of(7, 0).count(), 0);
    }
}
