//! System calls with arguments that make no sense, in a process that may be lost.

use core::arch::asm;

use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;
use rustix::process::Pid;

use crate::raw::{Fork, fork};

/// One system call: number and arguments.
pub type Call = (u64, [u64; 6]);

/// Starts a process that makes the `calls` in turn and writes a byte to `progress` after each. It
/// ends itself with code 0 after the last one, unless a call ended or damaged it before. Its
/// standard streams are `null`.
///
/// # Errors
/// See fork(2).
pub fn in_child(
    calls: &[Call],
    progress: BorrowedFd<'_>,
    null: BorrowedFd<'_>,
) -> Result<Pid, Errno> {
    let (pipe, null) = (progress.as_raw_fd() as u64, null.as_raw_fd() as u64);
    match fork()? {
        Fork::Parent(pid) => Ok(pid),
        Fork::Child => child(calls, pipe, null),
    }
}

const WRITE: u64 = 1;
const DUP2: u64 = 33;
const EXIT: u64 = 60;
const SETSID: u64 = 112;
const GETTID: u64 = 186;

/// Uses nothing of the standard library: any call may have pulled it from under us.
fn child(calls: &[Call], pipe: u64, null: u64) -> ! {
    // What a wild write writes shall not be taken for results.
    for stream in 0..3 {
        system_call(DUP2, [null, stream, 0, 0, 0, 0]);
    }
    // What goes to the own group shall not reach the parent's.
    system_call(SETSID, [0; 6]);
    let me = system_call(GETTID, [0; 6]);
    let byte = b'.';
    for (number, arguments) in calls {
        system_call(*number, *arguments);
        // A new process or thread that a call made goes no further.
        if system_call(GETTID, [0; 6]) != me {
            break;
        }
        system_call(WRITE, [pipe, &raw const byte as u64, 1, 0, 0, 0]);
    }
    loop {
        system_call(EXIT, [0; 6]);
    }
}

fn system_call(number: u64, arguments: [u64; 6]) -> u64 {
    let [a, b, c, d, e, f] = arguments;
    let result;
    // SAFETY: the arguments may be anything, so the call may do anything to this process. It is a
    // child made for that, shares no memory with its parent, and ends here in any case.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    result
}
