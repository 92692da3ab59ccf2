//! Making a program out of a file: ELF, `#!`, the first stack (execve(2)).

use crate::arena::Held;
use crate::error::Stop;
use crate::fs::Location;
use crate::mm::MmId;
use crate::{Cx, Kernel};
use alloc::vec::Vec;

/// What to run.
pub struct Program {
    /// The file, found and checked for execute permission.
    pub file: Location,
    /// The path it was called by, for `#!` interpreters and AT_EXECFN.
    pub path: Vec<u8>,
    /// Arguments, each without NUL.
    pub args: Vec<Vec<u8>>,
    /// Environment, each without NUL.
    pub env: Vec<Vec<u8>>,
}

/// A program ready to run: commit it with `task::replace_image`.
pub struct Image {
    /// The new address space.
    pub mm: Held<MmId>,
    /// First instruction.
    pub entry: u64,
    /// First stack pointer.
    pub stack: u64,
    /// Name for /proc (15 bytes at most).
    pub name: Vec<u8>,
    /// The file that runs (after `#!`), for /proc/self/exe and set-id bits.
    pub exe: Location,
}

/// Loads a program into a fresh address space charged to `group`; nothing of the caller changes.
///
/// # Errors
/// ENOEXEC, ENOENT (interpreter), E2BIG, EACCES, ELOOP, ENOMEM.
pub fn load(
    _k: &mut Kernel,
    _cx: &mut Cx,
    _program: Program,
    _group: crate::cgroup::GroupId,
) -> Result<Image, Stop> {
    Err(crate::error::Errno::ENOSYS.into())
}
