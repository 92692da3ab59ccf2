//! Timers, signals with records, and other things of a task.

use super::*;

// Records, behind those of sockets.
/// struct sigevent: SIGUSR1 with a value.
const NOTICE: u64 = DATA + 0x1740;
/// An interval and a first time that do not come in the tour, and none.
const LATER: u64 = DATA + 0x1780;
const NEVER: u64 = DATA + 0x17a0;
/// SIGUSR1 and the real-time signal 34; a siginfo_t of the latter.
const BLOCKED: u64 = DATA + 0x17c0;
const RECORD: u64 = DATA + 0x17e0;
const CAPABILITIES: u64 = DATA + 0x1860;
const LIMIT: u64 = DATA + 0x1870;
const THERE: u64 = DATA + 0x1880;
const HERE_TOO: u64 = DATA + 0x1890;
const ALL: u64 = DATA + 0x18c0;
const WALL: u64 = DATA + 0x18d0;
/// The head of a robust list: circular.
const ROBUST: u64 = DATA + 0x18a0;

pub const RECORDS: &[(u64, &[u64])] = &[
    (NOTICE, &[7, 10]),
    (LATER, &[100, 0, 1000, 0]),
    (BLOCKED, &[1 << 33 | 1 << 9]),
    (RECORD, &[34, 0xffff_ffff, 1, 99]),
    (CAPABILITIES, &[0x2008_0522]),
    (LIMIT, &[100, 200]),
    (THERE, &[TEXT, 10]),
    (HERE_TOO, &[OUT + 0xb000, 10]),
    (ROBUST, &[ROBUST, 0, 0]),
    (ALL, &[u64::MAX]),
    (WALL, &[2_000_000_000, 0]),
];

pub const TIMES: &[Line] = &[
    (linux::__NR_timer_create, &[1, NOTICE, OUT], OUT),
    (linux::__NR_timer_create, &[1, NOTICE, OUT], OUT),
    (
        linux::__NR_timer_settime,
        &[0, 0, LATER, OUT + 0x1000],
        OUT + 0x1000,
    ),
    (
        linux::__NR_timer_settime,
        &[0, 0, LATER, OUT + 0x1000],
        OUT + 0x1000,
    ),
    (linux::__NR_timer_gettime, &[0, OUT + 0x2000], OUT + 0x2000),
    (linux::__NR_timer_getoverrun, &[0], 0),
    (linux::__NR_timer_delete, &[0], 0),
    (linux::__NR_timer_delete, &[0], 0),
    (linux::__NR_clock_nanosleep, &[1, 0, SHORT, 0], 0),
    (linux::__NR_clock_getres, &[1, OUT + 0x2800], OUT + 0x2808),
    (linux::__NR_clock_gettime, &[1, OUT + 0x2800], 0),
    (linux::__NR_gettimeofday, &[OUT + 0x2800, OUT + 0x2810], 0),
    (linux::__NR_timerfd_create, &[1, 0], 0),
    (linux::__NR_timerfd_settime, &[3, 0, LATER, 0], 0),
    (
        linux::__NR_timerfd_gettime,
        &[3, OUT + 0x3000],
        OUT + 0x3000,
    ),
    (
        linux::__NR_setitimer,
        &[0, LATER, OUT + 0x4000],
        OUT + 0x4000,
    ),
    (linux::__NR_getitimer, &[0, OUT + 0x5000], OUT + 0x5000),
    (
        linux::__NR_setitimer,
        &[0, NEVER, OUT + 0x4000],
        OUT + 0x4000,
    ),
    (linux::__NR_set_robust_list, &[ROBUST, 24], 0),
    (
        linux::__NR_get_robust_list,
        &[0, OUT + 0x8000, OUT + 0x8008],
        OUT + 0x8000,
    ),
    (
        linux::__NR_waitid,
        &[0, 0, OUT + 0x9000, 4, OUT + 0x9100],
        0,
    ),
    (linux::__NR_setrlimit, &[7, LIMIT], 0),
    (linux::__NR_getrlimit, &[7, OUT + 0x9000], OUT + 0x9000),
    (linux::__NR_getrusage, &[0, OUT + 0x9000], 0),
    (
        linux::__NR_capget,
        &[CAPABILITIES, OUT + 0xa000],
        OUT + 0xa000,
    ),
    (linux::__NR_capset, &[CAPABILITIES, OUT + 0xa000], 0),
    (
        linux::__NR_process_vm_readv,
        &[1, HERE_TOO, 1, THERE, 1, 0],
        OUT + 0xb000,
    ),
    (
        linux::__NR_process_vm_writev,
        &[1, HERE_TOO, 1, THERE, 1, 0],
        TEXT,
    ),
    (linux::__NR_sysinfo, &[OUT + 0xb800], OUT + 0xb868),
    (linux::__NR_syslog, &[10, 0, 0], 0),
    (linux::__NR_getresgid, &[OUT, OUT + 4, OUT + 8], OUT),
    (linux::__NR_setdomainname, &[TEXT, 5], 0),
    (linux::__NR_getcpu, &[OUT, OUT + 8], OUT),
    (linux::__NR_getrandom, &[OUT, 8, 0], 0),
    (linux::__NR_sched_setparam, &[0, NEVER], 0),
    (linux::__NR_sched_getparam, &[0, OUT + 0xc200], OUT + 0xc200),
    (linux::__NR_sched_setscheduler, &[0, 0, NEVER], 0),
    (
        linux::__NR_sched_rr_get_interval,
        &[0, OUT + 0xc200],
        OUT + 0xc200,
    ),
    (linux::__NR_sched_setaffinity, &[0, 8, ALL], 0),
    (
        linux::__NR_arch_prctl,
        &[0x1003, OUT + 0xc210],
        OUT + 0xc210,
    ),
    (linux::__NR_clock_settime, &[0, WALL], 0),
    (linux::__NR_settimeofday, &[WALL, 0], 0),
    (linux::__NR_setsid, &[], 0),
    (linux::__NR_setpgid, &[0, 0], 0),
    (linux::__NR_setresuid, &[0, 0, 0], 0),
    (linux::__NR_setresgid, &[0, 0, 0], 0),
];

/// Signals with records. A sender is told EAGAIN when there is no memory for one, as on Linux: only
/// absent memory may come between.
pub const QUEUED: &[Line] = &[
    (linux::__NR_rt_sigprocmask, &[0, BLOCKED, 0, 8], 0),
    (linux::__NR_rt_sigqueueinfo, &[1, 34, RECORD], 0),
    (linux::__NR_rt_tgsigqueueinfo, &[1, 1, 34, RECORD], 0),
    (
        linux::__NR_rt_sigtimedwait,
        &[BLOCKED, OUT + 0x6000, SHORT, 8],
        OUT + 0x6018,
    ),
    (
        linux::__NR_rt_sigtimedwait,
        &[BLOCKED, OUT + 0x6000, SHORT, 8],
        OUT + 0x6018,
    ),
    // No third one.
    (linux::__NR_rt_sigtimedwait, &[BLOCKED, 0, NEVER, 8], 0),
    (linux::__NR_signalfd, &[u64::MAX, SIGNALS, 8], 0),
    (linux::__NR_signalfd, &[3, BLOCKED, 8], 0),
    (linux::__NR_tgkill, &[1, 1, 10], 0),
    (linux::__NR_rt_sigqueueinfo, &[1, 34, RECORD], 0),
    (linux::__NR_read, &[3, OUT + 0x7000, 128], OUT + 0x7000),
    (linux::__NR_read, &[3, OUT + 0x7000, 128], OUT + 0x7000),
];

/// Memory that stays.
pub const LOCKS: &[Line] = &[
    (
        linux::__NR_mmap,
        &[0x5000_0000, 0x8000, 3, 0x32, u64::MAX, 0],
        0,
    ),
    (linux::__NR_mlock, &[0x5000_0000, 0x2000], 0),
    (linux::__NR_munlock, &[0x5000_0000, 0x1000], 0),
    (linux::__NR_mlock2, &[0x5000_4000, 0x1000, 1], 0),
    (linux::__NR_mincore, &[0x5000_0000, 0x1000, OUT], OUT),
    (linux::__NR_msync, &[0x5000_0000, 0x1000, 4], 0),
    (linux::__NR_mlockall, &[3], 0),
    (
        linux::__NR_mmap,
        &[0x6000_0000, 0x3000, 3, 0x32, u64::MAX, 0],
        0x6000_0000,
    ),
    (linux::__NR_mincore, &[0x6000_0000, 0x1000, OUT], OUT),
    (linux::__NR_munlockall, &[], 0),
];

tours! {
    times_and_refused_charges: TIMES Kind::Refusal;
    times_and_absent_memory: TIMES Kind::Fault;
    times_and_waits: TIMES Kind::Wait;
    times_and_signals: TIMES Kind::Signal(WINCH);
    locks_and_refused_charges: LOCKS Kind::Refusal;
    locks_and_absent_memory: LOCKS Kind::Fault;
    locks_and_waits: LOCKS Kind::Wait;
    locks_and_signals: LOCKS Kind::Signal(WINCH);
    records_and_absent_memory: QUEUED Kind::Fault;
}
