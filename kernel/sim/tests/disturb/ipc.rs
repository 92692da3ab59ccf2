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

tours! {
    segments_and_refused_charges: SEGMENTS Kind::Refusal;
    segments_and_absent_memory: SEGMENTS Kind::Fault;
    segments_and_waits: SEGMENTS Kind::Wait;
    segments_and_signals: SEGMENTS Kind::Signal(WINCH);
}
