//! Areas: what a program may find at which address (mmap(2)). Pure bookkeeping; pages are put in
//! by faults.

use crate::fs::InodeId;
use crate::key;
use crate::machine::{Access, PAGE};

key! {
    /// Memory that is shared without a file (MAP_SHARED | MAP_ANONYMOUS).
    ObjectId
}

/// The lowest address that can be mapped, so that null pointers fault (vm.mmap_min_addr).
pub const FLOOR: u64 = 65536;

/// Areas of one address space at the most (vm.max_map_count).
pub const MAX_AREAS: usize = 65_530;

/// Bytes kept free below a growing stack (256 pages, as Linux's stack_guard_gap).
pub const STACK_GAP: u64 = 256 * PAGE;

/// Where pages come from that are not born zeroed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Source {
    /// A regular file.
    File(InodeId),
    /// Shared memory without a file.
    Object(ObjectId),
}

/// How the pages of an area come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Backing {
    /// Zeroed, at the first touch.
    Zero,
    /// From a source.
    Pages {
        /// Which.
        source: Source,
        /// The source's page at the area's start.
        first: u64,
        /// Writes go to the source; else they copy the page.
        shared: bool,
    },
}

bitflags::bitflags! {
    /// Properties of an area.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct AreaFlags: u8 {
        /// A stack: grows down at a fault below it (MAP_GROWSDOWN).
        const GROWS_DOWN = 1;
        /// Not inherited by fork (MADV_DONTFORK).
        const DONT_FORK = 2;
        /// Empty after fork (MADV_WIPEONFORK).
        const WIPE_ON_FORK = 4;
        /// Locked in memory (mlock(2)); not inherited by fork.
        const LOCKED = 8;
        /// Locked page by page, as they are touched (MLOCK_ONFAULT).
        const LOCK_ON_FAULT = 16;
        /// Some of its pages are the program's own, or were: fork must look at them. Without it a
        /// child gets all from the source.
        const OWN_PAGES = 32;
    }
}

/// A range of addresses with the same properties; borders are multiples of [`PAGE`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Area {
    /// First address.
    pub start: u64,
    /// First address behind it.
    pub end: u64,
    /// What the program may do.
    pub access: Access,
    /// What mprotect may allow at the most.
    pub may: Access,
    /// Properties.
    pub flags: AreaFlags,
    /// Its pages.
    pub backing: Backing,
}

impl Area {
    /// Zeroed memory of the program's own.
    pub fn zero(start: u64, end: u64, access: Access) -> Area {
        Area {
            start,
            end,
            access,
            may: Access::all(),
            flags: AreaFlags::empty(),
            backing: Backing::Zero,
        }
    }

    /// Bytes.
    pub fn len(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Never: areas have at least a page.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a program's access is allowed; what can be written or executed can be read.
    pub fn allows(&self, access: Access) -> bool {
        !self.access.is_empty() && self.access.contains(access - Access::READ)
    }

    /// Writes reach others.
    pub fn is_shared(&self) -> bool {
        matches!(self.backing, Backing::Pages { shared: true, .. })
    }

    /// Private memory that can be written, and is no stack: what RLIMIT_DATA counts.
    pub fn is_data(&self) -> bool {
        self.access.contains(Access::WRITE)
            && !self.is_shared()
            && !self.flags.contains(AreaFlags::GROWS_DOWN)
    }

    /// How its pages are touched to bring them in: private ones at once as they are written.
    pub fn populates(&self) -> Access {
        if self.access.contains(Access::WRITE) && !self.is_shared() {
            Access::WRITE
        } else {
            Access::READ
        }
    }

    /// Whether pages in it can be the program's own.
    pub fn has_own_pages(&self) -> bool {
        self.backing == Backing::Zero || self.flags.contains(AreaFlags::OWN_PAGES)
    }

    /// Where its pages come from.
    pub fn source(&self) -> Option<Source> {
        match self.backing {
            Backing::Zero => None,
            Backing::Pages { source, .. } => Some(source),
        }
    }

    /// The source's page for an address in the area.
    pub fn source_page(&self, addr: u64) -> u64 {
        match self.backing {
            Backing::Zero => 0,
            Backing::Pages { first, .. } => {
                first.saturating_add(addr.saturating_sub(self.start) / PAGE)
            }
        }
    }

    /// The part from `start` to `end`, which lie in the area.
    pub fn part(&self, start: u64, end: u64) -> Area {
        let mut part = *self;
        if let Backing::Pages { first, .. } = &mut part.backing {
            *first = self.source_page(start);
        }
        part.start = start;
        part.end = end;
        part
    }

    /// The same somewhere else.
    pub fn moved(&self, start: u64) -> Area {
        let mut moved = *self;
        moved.start = start;
        moved.end = start.saturating_add(self.len());
        moved
    }

    /// Whether `next` goes on where this one ends, so that both can be one.
    pub(super) fn joins(&self, next: &Area) -> bool {
        let continued = match (self.backing, next.backing) {
            (Backing::Zero, Backing::Zero) => true,
            (
                Backing::Pages { source, shared, .. },
                Backing::Pages {
                    source: other,
                    shared: other_shared,
                    first,
                },
            ) => source == other && shared == other_shared && first == self.source_page(self.end),
            _ => false,
        };
        self.end == next.start
            && self.access == next.access
            && self.may == next.may
            && (self.flags ^ next.flags)
                .difference(AreaFlags::OWN_PAGES)
                .is_empty()
            && continued
    }
}

/// The lowest address that an area wants for itself.
pub(super) fn floor_of(area: &Area) -> u64 {
    if area.flags.contains(AreaFlags::GROWS_DOWN) {
        area.start.saturating_sub(STACK_GAP)
    } else {
        area.start
    }
}
