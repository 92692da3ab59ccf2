//! Calls about one or two small records, at addresses that the caller has or nobody has.

use libc::c_long;
use rustix::io::Errno;

use crate::raw::last_errno;

/// Room for any of the records.
pub type Record = [u64; 4];

/// Where a record is.
#[derive(Debug)]
pub enum Place<'a> {
    /// Nowhere: the null pointer.
    Null,
    /// Where nothing can be mapped.
    Wild,
    /// Here.
    Here(&'a mut Record),
}

impl Place<'_> {
    fn address(&mut self) -> u64 {
        match self {
            Self::Null => 0,
            Self::Wild => 8,
            Self::Here(record) => record.as_mut_ptr() as u64,
        }
    }
}

fn result(raw: c_long) -> Result<u64, Errno> {
    u64::try_from(raw).map_err(|_| last_errno())
}

/// Calls that take a number and a record.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)] // the names are the calls'
pub enum OfNumber {
    SchedGetparam = libc::SYS_sched_getparam as isize,
    SchedSetparam = libc::SYS_sched_setparam as isize,
    SchedRrGetInterval = libc::SYS_sched_rr_get_interval as isize,
}

/// Makes a call with a number and a record.
///
/// # Errors
/// The kernel's.
pub fn of_number(call: OfNumber, number: i32, mut place: Place<'_>) -> Result<u64, Errno> {
    // SAFETY: no record of these calls is longer than ours.
    result(unsafe { libc::syscall(call as c_long, number, place.address()) })
}

/// Calls that take one or two records.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)] // the names are the calls'
pub enum OfRecords {
    Gettimeofday = libc::SYS_gettimeofday as isize,
    Settimeofday = libc::SYS_settimeofday as isize,
    Time = libc::SYS_time as isize,
    Pipe = libc::SYS_pipe as isize,
}

/// Makes a call with records.
///
/// # Errors
/// The kernel's.
pub fn of_records(call: OfRecords, mut one: Place<'_>, mut other: Place<'_>) -> Result<u64, Errno> {
    // SAFETY: no record of these calls is longer than ours.
    result(unsafe { libc::syscall(call as c_long, one.address(), other.address()) })
}

/// Codes of arch_prctl(2) that leave the thread's own data where it is.
#[derive(Debug)]
#[allow(missing_docs)] // the names are the codes'
pub enum Arch<'a> {
    SetGs(u64),
    GetGs(Place<'a>),
    GetFs(Place<'a>),
    /// ARCH_GET_CPUID.
    GetCpuid,
    /// ARCH_SET_FS with an address that cannot be.
    SetFsBehindTheEnd,
    /// No code at all.
    Unknown,
}

/// Makes arch_prctl(2).
///
/// # Errors
/// See arch_prctl(2).
pub fn arch_prctl(arch: Arch<'_>) -> Result<u64, Errno> {
    let (code, value) = match arch {
        Arch::SetGs(value) => (0x1001, value),
        Arch::SetFsBehindTheEnd => (0x1002, 1 << 47),
        Arch::GetFs(mut place) => (0x1003, place.address()),
        Arch::GetGs(mut place) => (0x1004, place.address()),
        Arch::GetCpuid => (0x1011, 0),
        Arch::Unknown => (0x1fff, 0),
    };
    // SAFETY: nothing here uses the GS register, and a record has room for an address.
    result(unsafe { libc::syscall(libc::SYS_arch_prctl, code, value) })
}

/// The first word behind the base of the GS register.
#[must_use]
pub fn word_at_gs(base: &Record) -> Option<u64> {
    arch_prctl(Arch::SetGs(base.as_ptr() as u64)).ok()?;
    let word;
    // SAFETY: the base is the record, as the kernel has just said.
    unsafe { core::arch::asm!("mov {0}, qword ptr gs:[0]", out(reg) word) };
    Some(word)
}

/// Makes reboot(2): with a wrong first word, or in a pid namespace that ends instead of the machine.
///
/// # Errors
/// See reboot(2).
pub fn reboot(words: [u32; 2], command: u32) -> Result<u64, Errno> {
    let nested = std::process::id() == 1;
    assert!(nested || words[0] != 0xfee1_dead, "this would be real");
    // SAFETY: takes numbers.
    result(unsafe { libc::syscall(libc::SYS_reboot, words[0], words[1], command, 0) })
}
