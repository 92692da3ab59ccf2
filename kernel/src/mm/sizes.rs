//! How much of an address space is for what (/proc/PID/status).

use super::area::{Area, AreaFlags};
use crate::machine::Access;

/// Bytes of areas by what they are for, and the most there ever were of all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sizes {
    /// Private, to be written, no stack.
    pub data: u64,
    /// Growing down.
    pub stack: u64,
    /// To be executed, not written.
    pub code: u64,
    /// Locked in memory.
    pub locked: u64,
    /// The most of all together.
    pub peak: u64,
}

impl Sizes {
    /// Counts an area in or out.
    pub(super) fn count(&mut self, area: &Area, more: bool) {
        let is = |flag| area.flags.contains(flag);
        let (stack, writes) = (
            is(AreaFlags::GROWS_DOWN),
            area.access.contains(Access::WRITE),
        );
        let code = area.access.contains(Access::EXEC) && !writes && !stack;
        let counts = [
            (&mut self.data, area.is_data()),
            (&mut self.stack, stack),
            (&mut self.code, code),
            (&mut self.locked, is(AreaFlags::LOCKED)),
        ];
        for (count, counts) in counts {
            let bytes = if counts { area.len() } else { 0 };
            *count = if more {
                count.saturating_add(bytes)
            } else {
                count.saturating_sub(bytes)
            };
        }
    }
}
