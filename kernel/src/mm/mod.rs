//! Memory: frames and who pays for them, address spaces, faults, copies to and from programs.

pub mod exec;
pub mod frames;
pub mod user;

use crate::arena::{Arena, Held};
use crate::error::Stop;
use crate::machine::{Access, Machine};
use crate::{Kernel, key};

key! {
    /// An address space with its areas.
    MmId
}

/// All address spaces.
pub type Spaces = Arena<MmId, Mm>;

/// An address space: what is where, and how the pages come.
pub struct Mm {
    /// The page tables.
    pub space: crate::machine::Space,
}

/// Why an access of a program cannot be satisfied.
#[derive(Debug)]
pub enum Fault {
    /// No area there (SIGSEGV, SEGV_MAPERR).
    NotMapped,
    /// The area forbids it (SIGSEGV, SEGV_ACCERR).
    Forbidden,
    /// Behind the end of the mapped file (SIGBUS, BUS_ADRERR).
    BehindEnd,
    /// No memory for the page.
    NoMem(crate::error::NoMem),
}

/// Makes the page at `addr` present for `access` in this address space: demand zero, page cache,
/// copy on write, stack growth. The same for traps and for the kernel's copies.
///
/// # Errors
/// See [`Fault`].
pub fn fault(
    _k: &mut Kernel,
    _m: &mut dyn Machine,
    _mm: MmId,
    _addr: u64,
    _access: Access,
) -> Result<(), Fault> {
    Err(Fault::NotMapped)
}

/// A copy of an address space, pages shared until one side writes (fork(2)), charged to `group`.
///
/// # Errors
/// [`Stop::NoMem`].
pub fn duplicate(
    _k: &mut Kernel,
    _m: &mut dyn Machine,
    _mm: MmId,
    _group: crate::cgroup::GroupId,
) -> Result<Held<MmId>, Stop> {
    Err(crate::error::Errno::ENOSYS.into())
}

/// Gives a reference to an address space back; the last one queues its teardown as a job.
pub fn release(_k: &mut Kernel, _mm: Held<MmId>) {}

/// An address space that nobody uses any more, on its way out.
pub struct Teardown {
    _space: crate::machine::Space,
}

/// Does a bounded part of a teardown; `None` when it is done.
pub fn teardown_step(_k: &mut Kernel, _m: &mut dyn Machine, _job: Teardown) -> Option<Teardown> {
    None
}

/// Kills for memory: ends the process in `group` that uses the most, at once. Returns false when
/// there is nobody to kill.
pub fn oom_kill(_k: &mut Kernel, _m: &mut dyn Machine, _group: crate::cgroup::GroupId) -> bool {
    false
}
