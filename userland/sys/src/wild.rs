//! System calls with arguments made by chance, in processes and threads that may be lost.

use core::arch::asm;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use berth_wild::place::{
    self, BASE, CODE, CODE_BYTES, FORBIDDEN, PAGE, READ_ONLY, SHARED, SHARED_SIZE, SIZE,
};
use berth_wild::{Call, OPENING};
use libc::{MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, PROT_EXEC, PROT_READ, PROT_WRITE};
use rustix::io::Errno;

use crate::memory::Region;
use crate::raw::last_errno;

/// The signal that interrupts calls.
const INTERRUPT: i32 = libc::SIGURG;
/// The flag that sigaction(2) wants on x86-64.
const SA_RESTORER: u64 = 0x0400_0000;

/// Resources of setrlimit(2), whose types differ among libraries: RLIMIT_FSIZE, RLIMIT_AS, RLIMIT_NOFILE.
const FILE_SIZE: u32 = 1;
const SPACE: u32 = 9;
const FILES: u32 = 7;

/// How far a thread is, where its process and those who watch it see it.
#[derive(Default)]
#[repr(C)]
pub struct Progress {
    /// Calls begun.
    pub calls: AtomicU64,
    /// The thread's number, 0 before it has one.
    pub tid: AtomicU32,
    /// A call with a result that no call may give, and its number, shifted by 32; else 0.
    pub wrong: AtomicU64,
    /// A private call that was not ENOSYS: its number, else 0.
    pub private: AtomicU32,
    /// Processes that were started for it.
    pub started: AtomicU32,
    /// Calls of it that were interrupted.
    pub interrupted: AtomicU32,
    /// Processes that were killed because it hung.
    pub killed: AtomicU32,
}

/// The records of so many threads that fit into a region's first page.
///
/// # Panics
/// When they do not fit.
#[must_use]
pub fn progress(region: &Region, count: usize) -> &[Progress] {
    assert!(
        count * size_of::<Progress>() <= crate::memory::PAGE && region.pages() > 0,
        "too many threads"
    );
    // SAFETY: the region's first page lives as long as the reference, starts as zeros, which are valid, and is used by
    // atomics alone.
    unsafe { core::slice::from_raw_parts(region.address(0) as *const Progress, count) }
}

/// Maps the memory that all processes share.
///
/// # Errors
/// See mmap(2).
pub fn share() -> Result<(), Errno> {
    map(
        SHARED,
        SHARED_SIZE,
        PROT_READ | PROT_WRITE,
        MAP_SHARED | MAP_ANONYMOUS,
    )
}

/// Makes this process a place for wild calls: maps and furnishes memory, limits what it can use up, opens files. The
/// memory of [`share`] is there already.
///
/// # Errors
/// See mmap(2).
pub fn furnish() -> Result<(), Errno> {
    let private = MAP_PRIVATE | MAP_ANONYMOUS;
    map(BASE, SIZE, PROT_READ | PROT_WRITE, private)?;
    map(READ_ONLY, PAGE, PROT_READ, private)?;
    map(FORBIDDEN, PAGE, 0, private)?;
    map(CODE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, private)?;
    // SAFETY: both lie in pages that were just mapped.
    place::furnish(|at, bytes| unsafe { write(at, bytes) });
    // SAFETY: as above.
    unsafe { write(CODE, CODE_BYTES) };
    let read_only = [CODE, PAGE, (PROT_READ | PROT_EXEC) as u64, 0, 0, 0];
    system_call(libc::SYS_mprotect as u64, read_only);
    // What interrupts calls that wait.
    let action = [CODE, SA_RESTORER, place::RESTORER, 0];
    let handled = [INTERRUPT as u64, action.as_ptr() as u64, 0, 8, 0, 0];
    system_call(libc::SYS_rt_sigaction as u64, handled);
    // Files and address spaces stay small, and descriptors few.
    for (resource, most) in [(FILE_SIZE, 1 << 20), (SPACE, 64 << 20), (FILES, 200)] {
        crate::own::setrlimit(resource, [most, most])?;
    }
    Ok(())
}

/// Opens a file of each kind.
pub fn open_files() {
    for (number, arguments) in OPENING {
        system_call(*number, *arguments);
    }
}

fn map(at: u64, bytes: u64, protection: i32, flags: i32) -> Result<(), Errno> {
    let bytes = bytes as usize;
    // SAFETY: nothing but wild calls uses these addresses.
    let got = unsafe {
        libc::mmap(
            at as *mut libc::c_void,
            bytes,
            protection,
            flags | MAP_FIXED,
            -1,
            0,
        )
    };
    if got == libc::MAP_FAILED {
        return Err(last_errno());
    }
    Ok(())
}

/// Stores bytes.
///
/// # Safety
/// They are memory of the wild calls.
unsafe fn write(at: u64, bytes: &[u8]) {
    let to = at as *mut u8;
    // SAFETY: as the caller says.
    unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
}

/// Makes the calls from where `progress` is up to the call `end`, then ends this thread. Uses nothing of the standard
/// library: any call may have pulled it from under us.
pub fn run(progress: &Progress, end: u64, call: impl Fn(u64) -> Call) -> ! {
    let me = system_call(libc::SYS_gettid as u64, [0; 6]);
    progress.tid.store(me as u32, Ordering::Relaxed);
    loop {
        // Counted before it is made: a call that ends the process is not made again.
        let index = progress.calls.load(Ordering::Relaxed);
        if index >= end {
            break;
        }
        progress
            .calls
            .store(index.wrapping_add(1), Ordering::Relaxed);
        let (number, arguments) = call(index);
        let result = system_call(number, arguments);
        let negative = (result as i64).wrapping_neg();
        // Linux's errnos end with EHWPOISON, 133; the restart codes behind them are the kernel's own business.
        if (134..=4095).contains(&negative) {
            let wrong = number << 32 | negative as u64;
            progress.wrong.store(wrong, Ordering::Relaxed);
        }
        let is_private = (berth_abi::FIRST..berth_abi::END).contains(&number);
        if is_private && negative != i64::from(libc::ENOSYS) {
            progress.private.store(number as u32, Ordering::Relaxed);
        }
    }
    loop {
        system_call(libc::SYS_exit as u64, [0; 6]);
    }
}

/// Interrupts the call that a thread of a process is in.
pub fn interrupt(pid: i32, progress: &Progress) {
    let tid = progress.tid.load(Ordering::Relaxed);
    let arguments = [pid as u64, u64::from(tid), INTERRUPT as u64, 0, 0, 0];
    system_call(libc::SYS_tgkill as u64, arguments);
}

/// The number of a child, of whatever kind, that has ended.
#[must_use]
pub fn reap() -> Option<i32> {
    // SAFETY: no status is asked for.
    let pid = unsafe { libc::waitpid(-1, core::ptr::null_mut(), libc::WNOHANG | libc::__WALL) };
    (pid > 0).then_some(pid)
}

/// One call. A process or thread that it makes ends at once, without touching its stack.
fn system_call(number: u64, arguments: [u64; 6]) -> u64 {
    let [a, b, c, d, e, f] = arguments;
    let forks = [
        libc::SYS_fork as u64,
        libc::SYS_vfork as u64,
        libc::SYS_clone as u64,
        libc::SYS_clone3 as u64,
    ]
    .contains(&number);
    let result;
    // SAFETY: the arguments may be anything, so the call may do anything to this process. It was made for that, and
    // shares with others only what they, too, take for anything.
    unsafe {
        asm!(
            "syscall",
            "test {forks}, {forks}",
            "jz 2f",
            "test rax, rax",
            "jnz 2f",
            "mov eax, 60",
            "xor edi, edi",
            "syscall",
            "ud2",
            "2:",
            forks = in(reg) u64::from(forks),
            inlateout("rax") number => result,
            inlateout("rdi") a => _, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            // Not late: `forks` is needed after the call changed them.
            out("rcx") _, out("r11") _,
        );
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::{Fork, exit, fork};
    use rustix::process::{WaitOptions, waitpid};

    #[test]
    fn a_process_is_furnished_and_makes_its_calls() {
        let board = Region::anonymous(1, crate::memory::Sharing::Shared).unwrap();
        let one = &progress(&board, 1)[0];
        match fork().unwrap() {
            Fork::Child => {
                if share().and_then(|()| furnish()).is_err() {
                    exit(3);
                }
                // getpid, and a call with an address of what is furnished.
                run(one, 100, |index| match index % 2 {
                    0 => (libc::SYS_getpid as u64, [0; 6]),
                    _ => (libc::SYS_access as u64, [BASE + 0x1000, 0, 0, 0, 0, 0]),
                })
            }
            Fork::Parent(pid) => {
                let (_, status) = waitpid(Some(pid), WaitOptions::empty()).unwrap().unwrap();
                assert_eq!(status.exit_status(), Some(0), "{status:?}");
                assert_eq!(one.calls.load(Ordering::Relaxed), 100);
                assert_eq!(one.wrong.load(Ordering::Relaxed), 0);
            }
        }
    }
}
