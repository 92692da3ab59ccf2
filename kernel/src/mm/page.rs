//! One page of an address space: putting a frame behind it and taking it away.

use super::MmId;
use super::area::Area;
use super::frames::{Frames, Origin};
use crate::Kernel;
use crate::error::NoMem;
use crate::machine::{Access, Frame, Machine};

/// What an area lets a program do with a frame: a frame that others may see, too, is not written
/// through a private mapping.
pub fn fitting(frames: &Frames, area: &Area, frame: Frame) -> Access {
    let own = frames.origin(frame) == Origin::Anonymous && frames.refs(frame) == 1;
    if own || area.is_shared() {
        area.access
    } else {
        area.access - Access::WRITE
    }
}

/// Puts a frame behind a page that has none, adding tables as needed. The caller's reference to
/// the frame becomes the mapping's; on failure it is given back.
///
/// # Errors
/// [`NoMem`] for a table.
pub fn put(
    k: &mut Kernel,
    m: &mut dyn Machine,
    id: MmId,
    page: u64,
    frame: Frame,
    access: Access,
) -> Result<(), NoMem> {
    let Kernel {
        frames,
        groups,
        spaces,
        ..
    } = k;
    let Some(mm) = spaces.get_mut(id) else {
        frames.release(groups, frame);
        return Ok(());
    };
    let payer = mm.group.key();
    let mut refused = NoMem(payer);
    let mut table = || match frames.alloc(groups, payer, Origin::Table) {
        Ok(frame) => Some(frame),
        Err(no_mem) => {
            refused = no_mem;
            None
        }
    };
    if m.map(mm.space, page, frame, access, &mut table).is_err() {
        frames.release(groups, frame);
        return Err(refused);
    }
    mm.resident.add(frames.origin(frame));
    Ok(())
}

/// Takes the frame behind a page away, if there is one.
pub fn take(k: &mut Kernel, m: &mut dyn Machine, id: MmId, page: u64) {
    if let Some(mm) = k.spaces.get_mut(id) {
        if let Some(mapped) = m.unmap(mm.space, page) {
            mm.resident.remove(k.frames.origin(mapped.frame));
            k.frames.release(&mut k.groups, mapped.frame);
        }
    }
}
