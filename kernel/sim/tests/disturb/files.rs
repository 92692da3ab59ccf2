//! Files and transfers.

use super::*;

/// Files: descriptors 3 and up are the tour's, and their numbers tell whether one was lost.
pub const FILES: &[Line] = &[
    (linux::__NR_mkdir, &[DIR, 0o755], 0),
    (linux::__NR_openat, &[HERE, FILE, 0o102, 0o644], 0),
    (linux::__NR_write, &[3, TEXT, 11], 0),
    (linux::__NR_pwrite64, &[3, TEXT, 11, 0x3000], 0),
    (linux::__NR_pwritev, &[3, VECTOR, 1, 0x5000], 0),
    (linux::__NR_lseek, &[3, 0, 0], 0),
    (linux::__NR_read, &[3, OUT, 64], OUT),
    (linux::__NR_pread64, &[3, OUT + 0x1000, 64, 4], OUT + 0x1000),
    (linux::__NR_preadv, &[3, VECTOR, 1, 0], DATA + 0x1400),
    (linux::__NR_ftruncate, &[3, 0x2000], 0),
    (linux::__NR_truncate, &[FILE, 0x2800], 0),
    (linux::__NR_fallocate, &[3, 0, 0x2800, 0x3000], 0),
    (linux::__NR_fstat, &[3, OUT + 0x2000], OUT + 0x2030),
    (linux::__NR_stat, &[FILE, OUT + 0x3000], OUT + 0x3010),
    (
        linux::__NR_newfstatat,
        &[HERE, FILE, OUT + 0x3000, 0],
        OUT + 0x3030,
    ),
    (
        linux::__NR_statx,
        &[HERE, FILE, 0, 0x7ff, OUT + 0x4000],
        OUT + 0x4028,
    ),
    (linux::__NR_statfs, &[FILE, OUT + 0x4000], OUT + 0x4000),
    (linux::__NR_access, &[FILE, 4], 0),
    (linux::__NR_link, &[FILE, OTHER], 0),
    (linux::__NR_link, &[FILE, OTHER], 0),
    (linux::__NR_symlink, &[FILE, LINK], 0),
    (
        linux::__NR_readlink,
        &[LINK, OUT + 0x5000, 64],
        OUT + 0x5000,
    ),
    (linux::__NR_rename, &[OTHER, LINK], 0),
    (linux::__NR_renameat2, &[HERE, LINK, HERE, OTHER, 1], 0),
    (linux::__NR_mkdir, &[SUB, 0o700], 0),
    (linux::__NR_mknod, &[FIFO, 0o010_644, 0], 0),
    (linux::__NR_chmod, &[FILE, 0o640], 0),
    (linux::__NR_fchmod, &[3, 0o600], 0),
    (linux::__NR_chown, &[FILE, 7, 8], 0),
    (linux::__NR_utimensat, &[HERE, FILE, SHORT, 0], 0),
    (linux::__NR_setxattr, &[FILE, TEXT, TEXT, 5, 0], 0),
    (linux::__NR_getxattr, &[FILE, TEXT, OUT, 64], 0),
    (linux::__NR_openat, &[HERE, DIR, 0o200_000, 0], 0),
    (
        linux::__NR_getdents64,
        &[4, OUT + 0x6000, 4096],
        OUT + 0x6010,
    ),
    (linux::__NR_getdents64, &[4, OUT + 0x6000, 4096], 0),
    (linux::__NR_fchdir, &[4], 0),
    (linux::__NR_getcwd, &[OUT + 0x7000, 64], OUT + 0x7000),
    (linux::__NR_chdir, &[DIR], 0),
    (linux::__NR_dup, &[3], 0),
    (linux::__NR_dup3, &[3, 9, linux::O_CLOEXEC as u64], 0),
    (linux::__NR_fcntl, &[3, linux::F_DUPFD as u64, 5], 0),
    (linux::__NR_close, &[6], 0),
    (linux::__NR_flock, &[3, 2], 0),
    (linux::__NR_memfd_create, &[TEXT, 0], 0),
    (linux::__NR_copy_file_range, &[9, 0, 3, 0, 100, 0], 0),
    (linux::__NR_sendfile, &[3, 9, 0, 100], 0),
    (linux::__NR_unlink, &[LINK], 0),
    (linux::__NR_unlinkat, &[HERE, SUB, 0x200], 0),
    (linux::__NR_mount, &[TMPFS, DIR, TMPFS, 0, 0], 0),
    (linux::__NR_openat, &[HERE, FILE, 0o102, 0o644], 0),
    (linux::__NR_umount2, &[DIR, 2], 0),
    (linux::__NR_open, &[STATUS, 0, 0], 0),
    (linux::__NR_umask, &[0o77], 0),
];

/// Transfers in parts. Absent memory ends them early, and rightly.
pub const PARTS: &[Line] = &[
    (linux::__NR_pipe2, &[OUT, 0], OUT),
    (linux::__NR_writev, &[4, VECTOR, 2], 0),
    (linux::__NR_readv, &[3, VECTOR, 2], 0),
    (linux::__NR_openat, &[HERE, TMPFS, 0o302, 0o644], 0),
    (linux::__NR_writev, &[5, VECTOR, 2], 0),
    (linux::__NR_write, &[5, DATA + 0x1000, 0x9000], 0),
    (linux::__NR_pwritev, &[5, VECTOR, 2, 0xffc], 0),
    (linux::__NR_lseek, &[5, 0, 0], 0),
    (linux::__NR_readv, &[5, VECTOR, 2], 0),
    (linux::__NR_preadv, &[5, VECTOR, 2, 0xffa], DATA + 0x1400),
    (linux::__NR_read, &[5, OUT + 0x1ff0, 0x6000], OUT + 0x4000),
    (linux::__NR_fstat, &[5, OUT], OUT + 0x30),
];

tours! {
    files_and_refused_charges: FILES Kind::Refusal;
    files_and_absent_memory: FILES Kind::Fault;
    files_and_waits: FILES Kind::Wait;
    files_and_signals: FILES Kind::Signal(WINCH);
    parts_and_refused_charges: PARTS Kind::Refusal;
    parts_and_waits: PARTS Kind::Wait;
    parts_and_signals: PARTS Kind::Signal(WINCH);
}
