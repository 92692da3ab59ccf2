//! Page faults: demand zero, pages of files, copy on write, growing stacks.

use super::area::{Area, Backing, Source};
use super::frames::Origin;
use super::{Fault, MmId, page, room};
use crate::Kernel;
use crate::error::Stop;
use crate::fs::pages;
use crate::machine::{Access, Frame, Machine, Mapped, PAGE, Space};

/// A read of a file's page maps what the cache has of so many pages around it.
const AROUND: usize = 16;

/// Makes the page at `addr` present for `access` in this address space: demand zero, page cache,
/// copy on write, stack growth. The same for traps and for the kernel's copies.
///
/// # Errors
/// See [`Fault`].
pub fn fault(
    k: &mut Kernel,
    m: &mut dyn Machine,
    mm: MmId,
    addr: u64,
    access: Access,
) -> Result<(), Fault> {
    let at = addr - addr % PAGE;
    let (space, area) = area_for(k, mm, at)?;
    if !area.allows(access) {
        return Err(Fault::Forbidden);
    }
    let site = Site {
        mm,
        space,
        area,
        at,
        write: access.contains(Access::WRITE),
    };
    match m.query(space, at) {
        // Another thread was faster, or the processor remembered the past.
        Some(mapped) if mapped.access.contains(access) => Ok(()),
        Some(mapped) => site.allow(k, m, mapped, access),
        None => site.bring(k, m),
    }
}

/// The area at a page; a stack just above grows to it.
fn area_for(k: &mut Kernel, id: MmId, at: u64) -> Result<(Space, Area), Fault> {
    let mm = k.spaces.get(id).ok_or(Fault::NotMapped)?;
    if let Some(area) = mm.areas.find(at) {
        return Ok((mm.space, *area));
    }
    let stack = *mm.areas.growing(at).ok_or(Fault::NotMapped)?;
    if !room::may_grow(k, id, &stack, at) {
        return Err(Fault::NotMapped);
    }
    let mm = k.spaces.get_mut(id).ok_or(Fault::NotMapped)?;
    mm.areas.grow_down(stack.start, at);
    let area = mm.areas.find(at).ok_or(Fault::NotMapped)?;
    Ok((mm.space, *area))
}

/// Where a fault is.
struct Site {
    mm: MmId,
    space: Space,
    area: Area,
    /// The page's address.
    at: u64,
    write: bool,
}

impl Site {
    /// The page is there but does not allow the access: a copy is due, or only the tables lag.
    fn allow(
        &self,
        k: &mut Kernel,
        m: &mut dyn Machine,
        mapped: Mapped,
        access: Access,
    ) -> Result<(), Fault> {
        let fitting = page::fitting(&k.frames, &self.area, mapped.frame);
        if self.write && !fitting.contains(Access::WRITE) {
            return self.copy_on_write(k, m, mapped.frame);
        }
        debug_assert!(self.area.allows(access));
        m.protect(self.space, self.at, fitting);
        Ok(())
    }

    /// Puts a copy of its own in place of a frame that others see, too.
    fn copy_on_write(
        &self,
        k: &mut Kernel,
        m: &mut dyn Machine,
        shared: Frame,
    ) -> Result<(), Fault> {
        let own = self.frame(k)?;
        m.copy_frame((shared, 0), (own, 0), PAGE as usize);
        // The tables are there: only the entry changes.
        match m.map(self.space, self.at, own, self.area.access, &mut || None) {
            Ok(()) => {
                if let Some(mm) = k.spaces.get_mut(self.mm) {
                    mm.resident.remove(k.frames.origin(shared));
                    mm.resident.add(Origin::Anonymous);
                }
                k.frames.release(&mut k.groups, shared);
            }
            Err(_) => k.frames.release(&mut k.groups, own),
        }
        Ok(())
    }

    /// A frame for the program's own memory, charged to its group.
    fn frame(&self, k: &mut Kernel) -> Result<Frame, Fault> {
        let mm = k.spaces.get_mut(self.mm).ok_or(Fault::NotMapped)?;
        if !self.area.has_own_pages() {
            mm.areas.note_own_pages(self.area.start);
        }
        let group = mm.group.key();
        Ok(k.frames.alloc(&mut k.groups, group, Origin::Anonymous)?)
    }

    /// The page is absent.
    fn bring(&self, k: &mut Kernel, m: &mut dyn Machine) -> Result<(), Fault> {
        let Backing::Pages { source, shared, .. } = self.area.backing else {
            return self.zeroed(k, m);
        };
        let index = self.area.source_page(self.at);
        // A hole stays one when it is read through a private mapping.
        match source_frame(k, m, self.mm, source, index, shared)? {
            None => self.zeroed(k, m),
            Some(frame) if self.write && !shared => {
                let own = self.frame(k)?;
                m.copy_frame((frame, 0), (own, 0), PAGE as usize);
                page::put(k, m, self.mm, self.at, own, self.area.access)?;
                Ok(())
            }
            Some(frame) => {
                self.put_shared(k, m, self.at, frame)?;
                self.around(k, m, source);
                Ok(())
            }
        }
    }

    fn zeroed(&self, k: &mut Kernel, m: &mut dyn Machine) -> Result<(), Fault> {
        let own = self.frame(k)?;
        m.zero_frame(own, 0, PAGE as usize);
        page::put(k, m, self.mm, self.at, own, self.area.access)?;
        Ok(())
    }

    fn put_shared(
        &self,
        k: &mut Kernel,
        m: &mut dyn Machine,
        at: u64,
        frame: Frame,
    ) -> Result<(), Fault> {
        k.frames.share(frame);
        let access = page::fitting(&k.frames, &self.area, frame);
        page::put(k, m, self.mm, at, frame, access)?;
        Ok(())
    }

    /// Maps the neighbours that the source has in memory, as they are likely to be next. They lie
    /// in the same table, so that nothing is allocated.
    fn around(&self, k: &mut Kernel, m: &mut dyn Machine, source: Source) {
        let window = AROUND as u64 * PAGE;
        let begin = self.at - self.at % window;
        let start = begin.max(self.area.start);
        let end = begin.saturating_add(window).min(self.area.end);
        let mut frames = [None; AROUND];
        let count = (end.saturating_sub(start) / PAGE) as usize;
        let here = frames.get_mut(..count).unwrap_or_default();
        present(k, source, self.area.source_page(start), here);
        let access = match self.area.is_shared() {
            true => self.area.access,
            false => self.area.access - Access::WRITE,
        };
        let mapped = m.map_absent(self.space, start, here, access);
        let Some(mm) = k.spaces.get_mut(self.mm) else {
            return;
        };
        for (n, frame) in frames.iter().enumerate() {
            if let Some(frame) = frame.filter(|_| mapped & (1 << n) != 0) {
                k.frames.share(frame);
                mm.resident.add(Origin::File);
            }
        }
    }
}

/// The frames that a source has for its pages from `first` on.
fn present(k: &Kernel, source: Source, first: u64, to: &mut [Option<Frame>]) {
    match source {
        Source::File(inode) => pages::present(&k.fs, inode, first, to),
        Source::Object(object) => {
            if let Some(object) = k.spaces.objects.get(object) {
                let end = object.size.min(first.saturating_add(to.len() as u64));
                pages::fill(&object.pages, first, end, to);
            }
        }
    }
}

/// The frame of a source's page; `None` for a hole, unless `make`. Share it before mapping it.
pub(super) fn source_frame(
    k: &mut Kernel,
    m: &mut dyn Machine,
    mm: MmId,
    source: Source,
    index: u64,
    make: bool,
) -> Result<Option<Frame>, Fault> {
    let group = k.spaces.get(mm).ok_or(Fault::NotMapped)?.group.key();
    match source {
        Source::File(inode) => {
            crate::fs::page(k, m, inode, index, make, group).map_err(|stop| match stop {
                Stop::NoMem(no_mem) => Fault::NoMem(no_mem),
                _ => Fault::BehindEnd,
            })
        }
        Source::Object(object) => {
            let object = k.spaces.objects.get_mut(object).ok_or(Fault::BehindEnd)?;
            if index >= object.size {
                return Err(Fault::BehindEnd);
            }
            if let Some(frame) = object.pages.get(&index) {
                return Ok(Some(*frame));
            }
            if !make {
                return Ok(None);
            }
            // As a file's: nobody may take it for a page of its own.
            let frame = k.frames.alloc(&mut k.groups, group, Origin::File)?;
            m.zero_frame(frame, 0, PAGE as usize);
            object.pages.insert(index, frame);
            Ok(Some(frame))
        }
    }
}
