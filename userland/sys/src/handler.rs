//! Signal handlers that count, and signal masks.

use core::ffi::c_void;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use rustix::io::Errno;

use crate::memory::{PAGE, Region};
use crate::raw::last_errno;

/// How often each signal came.
static TAKEN: [AtomicU32; 65] = [const { AtomicU32::new(0) }; 65];
/// Who sent the last one.
static SENDER: AtomicI32 = AtomicI32::new(0);
/// The address that the last fault was about.
static ADDRESS: AtomicU64 = AtomicU64::new(0);
/// The page that the handler makes writable, 0 for none.
static REPAIR: AtomicUsize = AtomicUsize::new(0);
/// Whether the last handler ran on the alternate stack: its stack pointer.
static STACK: AtomicU64 = AtomicU64::new(0);

/// What else a handler does or is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Interrupts calls, which fail with EINTR.
    Interrupt,
    /// Calls go on afterwards.
    Restart,
    /// Runs on the alternate stack.
    AlternateStack,
    /// Once; then the default action is back.
    Once,
}

/// From now on `signal` is counted.
///
/// # Errors
/// See sigaction(2).
pub fn count(signal: i32, manner: Manner) -> Result<(), Errno> {
    let flags = match manner {
        Manner::Interrupt => 0,
        Manner::Restart => libc::SA_RESTART,
        Manner::AlternateStack => libc::SA_ONSTACK,
        Manner::Once => libc::SA_RESETHAND,
    };
    set_action(
        signal,
        counter as *const () as usize,
        flags | libc::SA_SIGINFO,
    )
}

/// From now on `signal` has no effect.
///
/// # Errors
/// See sigaction(2).
pub fn ignore(signal: i32) -> Result<(), Errno> {
    set_action(signal, libc::SIG_IGN, 0)
}

/// From now on `signal` has its default action.
///
/// # Errors
/// See sigaction(2).
pub fn default(signal: i32) -> Result<(), Errno> {
    set_action(signal, libc::SIG_DFL, 0)
}

fn set_action(signal: i32, action: usize, flags: i32) -> Result<(), Errno> {
    // SAFETY: a sigaction of zeros is valid: an empty mask, the default action.
    let mut new: libc::sigaction = unsafe { core::mem::zeroed() };
    new.sa_sigaction = action;
    new.sa_flags = flags;
    // SAFETY: the action is a constant or a handler that does only what signal-safety(7) allows.
    check(unsafe { libc::sigaction(signal, &new, core::ptr::null_mut()) })
}

fn check(result: i32) -> Result<(), Errno> {
    if result == 0 {
        Ok(())
    } else {
        Err(last_errno())
    }
}

/// How often `signal` was counted.
#[must_use]
pub fn taken(signal: i32) -> u32 {
    slot(signal).map_or(0, |count| count.load(Ordering::SeqCst))
}

fn slot(signal: i32) -> Option<&'static AtomicU32> {
    TAKEN.get(usize::try_from(signal).ok()?)
}

/// Who sent the signal that was counted last.
#[must_use]
pub fn sender() -> i32 {
    SENDER.load(Ordering::SeqCst)
}

/// The address that the fault counted last was about.
#[must_use]
pub fn fault_address() -> u64 {
    ADDRESS.load(Ordering::SeqCst)
}

/// An address on the stack that the handler had when it ran last.
#[must_use]
pub fn handler_stack() -> u64 {
    STACK.load(Ordering::SeqCst)
}

/// When a signal is counted next, the first page of `region` becomes writable.
pub fn repair(region: &Region) {
    REPAIR.store(region.address(0) as usize, Ordering::SeqCst);
}

extern "C" fn counter(signal: i32, info: *mut libc::siginfo_t, _context: *mut c_void) {
    if let Some(count) = slot(signal) {
        count.fetch_add(1, Ordering::SeqCst);
    }
    let mark = 0u8;
    STACK.store(&raw const mark as u64, Ordering::SeqCst);
    // SAFETY: with SA_SIGINFO the kernel gives a valid record.
    let info = unsafe { &*info };
    if matches!(signal, libc::SIGSEGV | libc::SIGBUS) {
        // SAFETY: for these signals the record has an address.
        ADDRESS.store(unsafe { info.si_addr() } as u64, Ordering::SeqCst);
    } else {
        // SAFETY: any other one that these programs use is sent by a process.
        SENDER.store(unsafe { info.si_pid() }, Ordering::SeqCst);
    }
    let page = REPAIR.swap(0, Ordering::SeqCst);
    if page != 0 {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the page is a region's, which has no other user; mprotect is a bare call.
        unsafe { libc::mprotect(page as *mut c_void, PAGE, access) };
    }
    // Leaves nothing of the interrupted program's vector registers, so that only the kernel can
    // have put them back.
    // SAFETY: declares what it clobbers.
    unsafe {
        core::arch::asm!("xorps xmm7, xmm7", "xorps xmm15, xmm15", out("xmm7") _, out("xmm15") _)
    };
}

/// Keeps `signal` back (or no longer).
///
/// # Errors
/// See sigprocmask(2).
pub fn hold(signal: i32, held: bool) -> Result<(), Errno> {
    let how = if held {
        libc::SIG_BLOCK
    } else {
        libc::SIG_UNBLOCK
    };
    let set = set_of(signal)?;
    // SAFETY: the set is initialized.
    check(unsafe { libc::sigprocmask(how, &set, core::ptr::null_mut()) })
}

/// Whether `signal` is kept back and has come.
///
/// # Errors
/// See sigpending(2).
pub fn pending(signal: i32) -> Result<bool, Errno> {
    let mut set = empty_set();
    // SAFETY: the set is valid for writing.
    check(unsafe { libc::sigpending(&mut set) })?;
    // SAFETY: the set is initialized.
    Ok(unsafe { libc::sigismember(&set, signal) } == 1)
}

/// Waits with a mask that lets `signal` through, in one step.
///
/// # Errors
/// EINTR, when it came.
pub fn suspend_for(signal: i32) -> Result<(), Errno> {
    let mut set = empty_set();
    // SAFETY: the set is valid for writing.
    check(unsafe { libc::sigfillset(&mut set) })?;
    // SAFETY: as above.
    check(unsafe { libc::sigdelset(&mut set, signal) })?;
    // SAFETY: the set is initialized.
    check(unsafe { libc::sigsuspend(&set) })
}

fn empty_set() -> libc::sigset_t {
    // SAFETY: a set of zeros is the empty set.
    unsafe { core::mem::zeroed() }
}

fn set_of(signal: i32) -> Result<libc::sigset_t, Errno> {
    let mut set = empty_set();
    // SAFETY: the set is valid for writing.
    check(unsafe { libc::sigaddset(&mut set, signal) })?;
    Ok(set)
}

/// Makes `region` the stack of handlers that run on the alternate one.
///
/// # Errors
/// See sigaltstack(2).
pub fn alternate_stack(region: &'static Region, bytes: usize) -> Result<(), Errno> {
    let stack = libc::stack_t {
        ss_sp: region.address(0) as *mut c_void,
        ss_flags: 0,
        ss_size: bytes,
    };
    // SAFETY: the pages stay for ever and have no other user.
    check(unsafe { libc::sigaltstack(&stack, core::ptr::null_mut()) })
}

/// Whether the vector registers keep their values over a signal `signal` sent to oneself.
///
/// # Errors
/// See kill(2).
pub fn vectors_survive(signal: i32) -> Result<bool, Errno> {
    let pid = std::process::id();
    let (result, low, high): (i64, u64, u64);
    // SAFETY: one kill of oneself between setting two registers and reading them; what it changes
    // is declared.
    unsafe {
        core::arch::asm!(
            "movq xmm7, {a}",
            "movq xmm15, {b}",
            "mov eax, 62",
            "syscall",
            "movq {a}, xmm7",
            "movq {b}, xmm15",
            a = inout(reg) 0x1122_3344_5566_7788u64 => low,
            b = inout(reg) 0x99aa_bbcc_ddee_ff00u64 => high,
            in("rdi") u64::from(pid), in("rsi") i64::from(signal),
            out("rax") result, out("rcx") _, out("r11") _, out("xmm7") _, out("xmm15") _,
        );
    }
    if result < 0 {
        return Err(Errno::from_raw_os_error(
            i32::try_from(-result).unwrap_or(i32::MAX),
        ));
    }
    Ok((low, high) == (0x1122_3344_5566_7788, 0x99aa_bbcc_ddee_ff00))
}
