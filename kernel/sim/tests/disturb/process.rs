//! Memory, processes, signals, names.

use super::*;

/// Memory, processes, signals, names.
pub const PROCESS: &[Line] = &[
    (
        linux::__NR_mmap,
        &[0x5000_0000, 0x8000, 3, 0x32, u64::MAX, 0],
        0,
    ),
    (linux::__NR_mprotect, &[0x5000_1000, 0x1000, 1], 0),
    (linux::__NR_mremap, &[0x5000_4000, 0x2000, 0x3000, 1], 0),
    (linux::__NR_madvise, &[0x5000_0000, 0x1000, 4], 0),
    (linux::__NR_mincore, &[0x5000_0000, 0x1000, OUT], 0),
    (linux::__NR_munmap, &[0x5000_2000, 0x1000], 0),
    (linux::__NR_brk, &[0], 0),
    (linux::__NR_open, &[PROGRAM, 0, 0], 0),
    (
        linux::__NR_mmap,
        &[0x6000_0000, 0x1000, 1, 0x11, 3, 0],
        0x6000_0000,
    ),
    (
        linux::__NR_rt_sigprocmask,
        &[0, SIGNALS, OUT + 0x1000, 8],
        OUT + 0x1000,
    ),
    (linux::__NR_kill, &[1, linux::SIGUSR1 as u64], 0),
    (linux::__NR_rt_sigpending, &[OUT + 0x2000, 8], OUT + 0x2000),
    (
        linux::__NR_rt_sigtimedwait,
        &[SIGNALS, OUT + 0x3000, SHORT, 8],
        OUT + 0x3000,
    ),
    (linux::__NR_rt_sigqueueinfo, &[1, 34, OUT + 0x3000], 0),
    (
        linux::__NR_rt_sigaction,
        &[34, ACTION, OUT + 0x4000, 8],
        OUT + 0x4000,
    ),
    (linux::__NR_sigaltstack, &[0, OUT + 0x5000], OUT + 0x5008),
    (
        linux::__NR_prlimit64,
        &[0, 7, 0, OUT + 0x6000],
        OUT + 0x6000,
    ),
    (linux::__NR_uname, &[OUT + 0x7000], OUT + 0x7000),
    (linux::__NR_sethostname, &[TEXT, 5], 0),
    (linux::__NR_setgroups, &[1, POLLED], 0),
    (linux::__NR_getgroups, &[8, OUT + 0x8000], OUT + 0x8000),
    (
        linux::__NR_getresuid,
        &[OUT + 0x9000, OUT + 0x9004, OUT + 0x9008],
        OUT + 0x9000,
    ),
    (linux::__NR_prctl, &[15, TEXT], 0),
    (linux::__NR_prctl, &[16, OUT + 0xa000], OUT + 0xa000),
    (linux::__NR_unshare, &[linux::CLONE_NEWUTS as u64], 0),
    (
        linux::__NR_sched_getaffinity,
        &[0, 128, OUT + 0xb000],
        OUT + 0xb000,
    ),
    (linux::__NR_futex, &[TEXT, 1, 1], 0),
    (
        linux::__NR_timer_create,
        &[1, 0, OUT + 0xb100],
        OUT + 0xb100,
    ),
    (linux::__NR_nanosleep, &[SHORT, 0], 0),
];

tours! {
    processes_and_refused_charges: PROCESS Kind::Refusal;
    processes_and_absent_memory: PROCESS Kind::Fault;
    processes_and_waits: PROCESS Kind::Wait;
    processes_and_signals: PROCESS Kind::Signal(WINCH);
}
