//! Seals: what may never be done to a file any more (fcntl(2), "File sealing").

use super::inode::Kind;
use super::{Fs, InodeId, pages};
use crate::error::Errno;
use crate::machine::PAGE;
use linux_raw_sys::general as linux;

/// The seals that there are.
const ALL: u32 = linux::F_SEAL_SEAL
    | linux::F_SEAL_SHRINK
    | linux::F_SEAL_GROW
    | linux::F_SEAL_WRITE
    | linux::F_SEAL_FUTURE_WRITE;
/// Those against new writes.
const WRITES: u32 = linux::F_SEAL_WRITE | linux::F_SEAL_FUTURE_WRITE;

/// The seals of a file.
///
/// # Errors
/// EINVAL for what is not a regular file.
pub fn of(fs: &Fs, id: InodeId) -> Result<u32, Errno> {
    Ok(pages::of(fs, id)?.seals)
}

/// Adds seals; `mapped` says whether somebody has it in memory that can be written.
///
/// # Errors
/// EINVAL for an unknown seal or what is not a regular file, EPERM when it is sealed against
/// seals, EBUSY when F_SEAL_WRITE comes too early.
pub fn add(fs: &mut Fs, id: InodeId, more: u32, mapped: bool) -> Result<(), Errno> {
    if more & !ALL != 0 {
        return Err(Errno::EINVAL);
    }
    if of(fs, id)? & linux::F_SEAL_SEAL != 0 {
        return Err(Errno::EPERM);
    }
    if more & linux::F_SEAL_WRITE != 0 && mapped {
        return Err(Errno::EBUSY);
    }
    set(fs, id, more, true);
    Ok(())
}

/// A new file that can be sealed (MFD_ALLOW_SEALING).
pub fn allow(fs: &mut Fs, id: InodeId) {
    set(fs, id, linux::F_SEAL_SEAL, false);
}

fn set(fs: &mut Fs, id: InodeId, seals: u32, on: bool) {
    if let Some(Kind::Regular(pages)) = fs.inodes.get_mut(id).map(|inode| &mut inode.kind) {
        pages.seals = if on {
            pages.seals | seals
        } else {
            pages.seals & !seals
        };
    }
}

/// Whether a new shared mapping of a file may be written.
pub fn lets_map_to_write(fs: &Fs, id: InodeId) -> bool {
    of(fs, id).is_ok_and(|seals| seals & WRITES == 0)
}

/// How many of `len` bytes may be written at `position`: a write that would make a file grow that
/// must not ends with the last page that it has whole, as on Linux.
///
/// # Errors
/// EPERM.
pub fn writable(fs: &Fs, id: InodeId, position: u64, len: u64) -> Result<u64, Errno> {
    let pages = pages::of(fs, id)?;
    if pages.seals & WRITES != 0 {
        return Err(Errno::EPERM);
    }
    let grows = position.saturating_add(len) > pages.size;
    if pages.seals & linux::F_SEAL_GROW == 0 || !grows {
        return Ok(len);
    }
    let whole = (pages.size / PAGE * PAGE).saturating_sub(position);
    if whole == 0 {
        return Err(Errno::EPERM);
    }
    Ok(len.min(whole))
}

/// Whether a file may be made `size` bytes long.
///
/// # Errors
/// EPERM.
pub fn resizable(fs: &Fs, id: InodeId, size: u64) -> Result<(), Errno> {
    let pages = pages::of(fs, id)?;
    let against = match size.cmp(&pages.size) {
        core::cmp::Ordering::Less => linux::F_SEAL_SHRINK,
        core::cmp::Ordering::Equal => 0,
        core::cmp::Ordering::Greater => linux::F_SEAL_GROW,
    };
    if pages.seals & against != 0 {
        return Err(Errno::EPERM);
    }
    Ok(())
}
