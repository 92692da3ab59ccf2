//! What is mounted where, as a process sees it: mounts and mountinfo (proc(5)).

use super::subject::Subject;
use crate::Kernel;
use crate::error::{Errno, Stop};
use crate::fs::ViewNode;
use crate::machine::Machine;
use crate::views::Source;
use alloc::vec::Vec;

type Content = Result<Vec<u8>, Stop>;

/// /proc/PID/mounts.
pub(super) fn mounts(k: &mut Kernel, _m: &mut dyn Machine, node: ViewNode) -> Content {
    Subject::of(&Source::of(k), node)?;
    Err(Errno::EIO.into())
}

/// /proc/PID/mountinfo.
pub(super) fn mountinfo(k: &mut Kernel, _m: &mut dyn Machine, node: ViewNode) -> Content {
    Subject::of(&Source::of(k), node)?;
    Err(Errno::EIO.into())
}
