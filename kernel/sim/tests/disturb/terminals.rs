//! Terminals.

use super::*;

/// Terminals: a master is 3, its line 4 and up.
pub const TERMINALS: &[Line] = &[
    (linux::__NR_mkdir, &[DIR, 0o755], 0),
    (linux::__NR_mount, &[DEVPTS, DIR, DEVPTS, 0, 0], 0),
    (linux::__NR_open, &[PTMX, 0o402, 0], 0),
    (linux::__NR_ioctl, &[3, 0x4004_5431, SHORT], 0),
    (linux::__NR_open, &[PTS, 0o402, 0], 0),
    (linux::__NR_ioctl, &[3, 0x8004_5430, OUT], OUT),
    (linux::__NR_ioctl, &[4, 0x5401, OUT + 0x1000], OUT + 0x1000),
    (linux::__NR_write, &[4, TEXT, 11], 0),
    (linux::__NR_poll, &[POLLED, 2, 0], POLLED),
    (linux::__NR_read, &[3, OUT + 0x2000, 64], OUT + 0x2000),
    (linux::__NR_write, &[3, TEXT, 11], 0),
    (linux::__NR_write, &[3, NEWLINE, 1], 0),
    (linux::__NR_ioctl, &[4, 0x541b, OUT + 0x3000], OUT + 0x3000),
    (linux::__NR_read, &[4, OUT + 0x4000, 64], OUT + 0x4000),
    (linux::__NR_ioctl, &[4, 0x5404, OUT + 0x1000], 0),
    (linux::__NR_ioctl, &[3, 0x5441, 0o402], 0),
    (linux::__NR_ioctl, &[4, 0x5414, SHORT], 0),
    (linux::__NR_ioctl, &[3, 0x5413, OUT + 0x5000], OUT + 0x5000),
    (linux::__NR_open, &[PTS, 2, 0], 0),
    (linux::__NR_ioctl, &[6, 0x540f, OUT + 0x6000], OUT + 0x6000),
    (linux::__NR_ioctl, &[6, 0x5410, OUT + 0x6000], 0),
    (linux::__NR_open, &[PTMX, 0o402, 0], 0),
    (linux::__NR_getdents64, &[3, OUT, 64], 0),
    (linux::__NR_unlink, &[PTS], 0),
    (linux::__NR_vhangup, &[], 0),
    (linux::__NR_read, &[4, OUT + 0x7000, 64], 0),
    (linux::__NR_close, &[3], 0),
    (linux::__NR_open, &[PTS, 0o402, 0], 0),
];

tours! {
    terminals_and_refused_charges: TERMINALS Kind::Refusal;
    terminals_and_absent_memory: TERMINALS Kind::Fault;
    terminals_and_waits: TERMINALS Kind::Wait;
    terminals_and_signals: TERMINALS Kind::Signal(WINCH);
}
