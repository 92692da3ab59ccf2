//! System V IPC and message queues.

use super::*;

/// Where a segment is attached.
const THERE: u64 = 0x3000_0000;
/// Of the owner, made if there is none (IPC_CREAT).
const MAKE: u64 = 0o1600;

/// Shared memory.
pub const SEGMENTS: &[Line] = &[
    (linux::__NR_shmget, &[5, 0x3000, MAKE], 0),
    (linux::__NR_shmget, &[5, 0, 0], 0),
    (linux::__NR_shmat, &[0, THERE, 0], THERE + 0x1000),
    (linux::__NR_shmctl, &[0, 2, OUT], OUT + 48),
    // What is set is what was told.
    (linux::__NR_shmctl, &[0, 1, OUT], 0),
    (linux::__NR_shmctl, &[0, 11, 0], 0),
    (linux::__NR_shmctl, &[0, 3, OUT + 0x1000], OUT + 0x1008),
    (linux::__NR_shmctl, &[0, 14, OUT + 0x2000], OUT + 0x2008),
    (
        linux::__NR_shmctl,
        &[0, 13, OUT + 0x3000],
        OUT + 0x3000 + 88,
    ),
    (linux::__NR_shmdt, &[THERE], 0),
    (linux::__NR_shmat, &[0, THERE, 0o10000], THERE),
    (linux::__NR_shmctl, &[0, 0, 0], 0),
];

// Records, behind those of others.
/// struct mq_attr: four messages of 16 bytes; O_NONBLOCK.
const SIZE: u64 = DATA + 0x1e00;
const NONBLOCK: u64 = DATA + 0x1e20;
/// struct sigevent: nothing is told.
const SILENT: u64 = DATA + 0x1e60;
const NAME: u64 = DATA + 0x1ea0;

pub const RECORDS: &[(u64, &[u64])] = &[
    (SIZE, &[0, 4, 16, 0]),
    (NONBLOCK, &[0x800]),
    (SILENT, &[0, 1 << 32]),
    (NAME, &[0x0065_7565_7571]),
];

/// Message queues.
pub const QUEUES: &[Line] = &[
    (linux::__NR_mq_open, &[NAME, 0o102, 0o600, SIZE], 0),
    (linux::__NR_mq_open, &[NAME, 0o302, 0o600, 0], 0),
    (linux::__NR_mq_open, &[NAME, 0o4000, 0, 0], 0),
    (linux::__NR_mq_timedreceive, &[4, OUT, 16, 0, 0], 0),
    (linux::__NR_mq_timedsend, &[3, TEXT, 10, 1, 0], 0),
    (linux::__NR_mq_timedsend, &[3, TEXT + 1, 9, 2, SHORT], 0),
    (
        linux::__NR_mq_timedreceive,
        &[3, OUT, 16, OUT + 0x1000, SHORT],
        OUT,
    ),
    (
        linux::__NR_mq_getsetattr,
        &[3, NONBLOCK, OUT + 0x2000],
        OUT + 0x2018,
    ),
    (linux::__NR_read, &[3, OUT + 0x3000, 64], OUT + 0x3000),
    (linux::__NR_mq_notify, &[3, SILENT], 0),
    (linux::__NR_mq_timedreceive, &[3, OUT + 0x4000, 16, 0, 0], 0),
    (linux::__NR_mq_timedsend, &[3, TEXT, 10, 0, 0], 0),
    (linux::__NR_mq_notify, &[3, SILENT], 0),
    (linux::__NR_mq_unlink, &[NAME], 0),
    (linux::__NR_mq_open, &[NAME, 0, 0, 0], 0),
];

tours! {
    queues_and_refused_charges: QUEUES Kind::Refusal;
    queues_and_absent_memory: QUEUES Kind::Fault;
    queues_and_waits: QUEUES Kind::Wait;
    queues_and_signals: QUEUES Kind::Signal(WINCH);
    segments_and_refused_charges: SEGMENTS Kind::Refusal;
    segments_and_absent_memory: SEGMENTS Kind::Fault;
    segments_and_waits: SEGMENTS Kind::Wait;
    segments_and_signals: SEGMENTS Kind::Signal(WINCH);
}
