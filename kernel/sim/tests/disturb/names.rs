//! Names, attributes and owners: what the tours of files leave out.

use super::*;

// Records, behind those of times.
const ROOT: u64 = DATA + 0x1900;
const SPACE: u64 = DATA + 0x1920;
const PROC: u64 = DATA + 0x1938;
const HOW: u64 = DATA + 0x1940;
const MASK: u64 = DATA + 0x1960;
const MODIFIED: u64 = DATA + 0x1970;

pub const RECORDS: &[(u64, &[u64])] = &[
    (ROOT, &[0x2f]),
    (PROC, &[u64::from_le_bytes(*b"proc\0\0\0\0")]),
    // "/d/self/ns/uts"
    (
        SPACE,
        &[
            u64::from_le_bytes(*b"/d/self/"),
            u64::from_le_bytes(*b"ns/uts\0\0"),
        ],
    ),
    (HOW, &[2, 0, 0]),
    (MASK, &[SIGNALS, 8]),
    (MODIFIED, &[4, 78]),
];

pub const NAMES: &[Line] = &[
    (linux::__NR_mkdir, &[DIR, 0o755], 0),
    (linux::__NR_mkdirat, &[HERE, SUB, 0o700], 0),
    (linux::__NR_mkdirat, &[HERE, SUB, 0o700], 0),
    (linux::__NR_creat, &[FILE, 0o644], 0),
    (linux::__NR_write, &[3, TEXT, 11], 0),
    (linux::__NR_openat2, &[HERE, FILE, HOW, 24], 0),
    (linux::__NR_linkat, &[HERE, FILE, HERE, OTHER, 0], 0),
    (linux::__NR_symlinkat, &[FILE, HERE, LINK], 0),
    (linux::__NR_readlinkat, &[HERE, LINK, OUT, 64], OUT),
    (linux::__NR_renameat, &[HERE, OTHER, HERE, FIFO], 0),
    (linux::__NR_mknodat, &[HERE, OTHER, 0o010_644, 0], 0),
    (linux::__NR_mknodat, &[HERE, OTHER, 0o010_644, 0], 0),
    (linux::__NR_faccessat, &[HERE, FILE, 4], 0),
    (linux::__NR_faccessat2, &[HERE, FILE, 4, 0x200], 0),
    (linux::__NR_fchmodat, &[HERE, FILE, 0o600], 0),
    (linux::__NR_fchmodat2, &[HERE, FILE, 0o640, 0], 0),
    (linux::__NR_fchown, &[3, 7, 8], 0),
    (linux::__NR_fchownat, &[HERE, FILE, 9, 10, 0], 0),
    (linux::__NR_lchown, &[LINK, 11, 12], 0),
    (linux::__NR_lstat, &[LINK, OUT + 0x1000], OUT + 0x101c),
    (linux::__NR_fstat, &[3, OUT + 0x1000], OUT + 0x101c),
    (linux::__NR_fstatfs, &[3, OUT + 0x2000], OUT + 0x2000),
    (linux::__NR_pivot_root, &[SUB, SUB], 0),
    (linux::__NR_rmdir, &[SUB], 0),
    (linux::__NR_rmdir, &[SUB], 0),
    (linux::__NR_dup2, &[3, 8], 0),
    (linux::__NR_pwritev2, &[3, VECTOR, 1, 0x10, 0, 0], 0),
    (linux::__NR_preadv2, &[4, VECTOR, 1, 0, 0, 0], DATA + 0x1400),
    (linux::__NR_close_range, &[8, 9, 0], 0),
    (linux::__NR_setxattr, &[FILE, TEXT, TEXT, 5, 1], 0),
    (linux::__NR_lsetxattr, &[FILE, TEXT, TEXT, 6, 2], 0),
    (linux::__NR_fsetxattr, &[3, TEXT, TEXT, 7, 2], 0),
    (
        linux::__NR_listxattr,
        &[FILE, OUT + 0x3000, 64],
        OUT + 0x3000,
    ),
    (
        linux::__NR_llistxattr,
        &[FILE, OUT + 0x3800, 64],
        OUT + 0x3800,
    ),
    (linux::__NR_flistxattr, &[3, OUT + 0x4000, 64], OUT + 0x4000),
    (
        linux::__NR_lgetxattr,
        &[FILE, TEXT, OUT + 0x5000, 64],
        OUT + 0x5000,
    ),
    (
        linux::__NR_fgetxattr,
        &[3, TEXT, OUT + 0x5000, 64],
        OUT + 0x5000,
    ),
    (linux::__NR_removexattr, &[FILE, TEXT], 0),
    (linux::__NR_lsetxattr, &[FILE, TEXT, TEXT, 5, 1], 0),
    (linux::__NR_lremovexattr, &[FILE, TEXT], 0),
    (linux::__NR_fsetxattr, &[3, TEXT, TEXT, 5, 1], 0),
    (linux::__NR_fremovexattr, &[3, TEXT], 0),
    (linux::__NR_fremovexattr, &[3, TEXT], 0),
    (linux::__NR_utime, &[FILE, SHORT], 0),
    (linux::__NR_utimes, &[FILE, SHORT], 0),
    (linux::__NR_futimesat, &[HERE, FILE, SHORT], 0),
    (linux::__NR_open, &[DIR, 0o200_000, 0], 0),
    (linux::__NR_getdents, &[5, OUT + 0x6000, 4096], OUT + 0x6000),
    (linux::__NR_chroot, &[ROOT], 0),
    (linux::__NR_mount, &[PROC, DIR, PROC, 0, 0], 0),
    (linux::__NR_open, &[SPACE, 0, 0], 0),
    (linux::__NR_unshare, &[linux::CLONE_NEWUTS as u64], 0),
    (linux::__NR_setns, &[6, 0], 0),
];

/// Waiting in other words.
pub const WAITING: &[Line] = &[
    (linux::__NR_pipe, &[OUT + 0x8000], OUT + 0x8000),
    (linux::__NR_write, &[4, TEXT, 11], 0),
    (linux::__NR_eventfd, &[3], 0),
    (linux::__NR_epoll_create, &[1], 0),
    (linux::__NR_epoll_ctl, &[6, 1, 5, EVENT], 0),
    (
        linux::__NR_epoll_pwait,
        &[6, OUT, 4, 0, SIGNALS, 8],
        OUT + 4,
    ),
    (linux::__NR_epoll_ctl, &[6, 3, 5, MODIFIED], 0),
    (
        linux::__NR_epoll_pwait2,
        &[6, OUT + 0x1000, 4, NO_TIME, SIGNALS, 8],
        0,
    ),
    (linux::__NR_epoll_ctl, &[6, 3, 5, EVENT], 0),
    (
        linux::__NR_epoll_pwait2,
        &[6, OUT + 0x2000, 4, NO_TIME, SIGNALS, 8],
        OUT + 0x2004,
    ),
    (linux::__NR_epoll_ctl, &[6, 2, 5, 0], 0),
    (linux::__NR_epoll_ctl, &[6, 2, 5, 0], 0),
    (
        linux::__NR_pselect6,
        &[5, SIGNALS, 0, 0, NO_TIME, MASK],
        SIGNALS,
    ),
];

tours! {
    names_and_refused_charges: NAMES Kind::Refusal;
    names_and_absent_memory: NAMES Kind::Fault;
    names_and_waits: NAMES Kind::Wait;
    names_and_signals: NAMES Kind::Signal(WINCH);
    waiting_and_refused_charges: WAITING Kind::Refusal;
    waiting_and_absent_memory: WAITING Kind::Fault;
    waiting_and_waits: WAITING Kind::Wait;
    waiting_and_signals: WAITING Kind::Signal(WINCH);
}
