//! The files that a program opens first, one of each kind.

use crate::Call;
use crate::place::{BYTES, record, text};

/// AT_FDCWD.
const HERE: u64 = (-100i64) as u64;

/// `open` of one of the texts.
const fn open(index: usize, flags: u64) -> Call {
    (257, [HERE, text(index), flags, 0o644, 0, 0])
}

const fn call(number: u64, a: u64, b: u64, c: u64, d: u64) -> Call {
    (number, [a, b, c, d, 0, 0])
}

/// Calls that open descriptors, from the lowest free one up, when all is well; 29 of them.
pub const OPENING: &[Call] = &[
    // Files and directories.
    open(1, 0o102),
    open(2, 0o2102),
    open(0, 0o200_000),
    open(3, 0o10_200_000),
    // A pipe, a pair of sockets.
    call(293, BYTES, 0o4000, 0, 0),
    call(293, BYTES, 0, 0, 0),
    call(53, 1, 1, 0, BYTES),
    call(53, 1, 2, 0, BYTES),
    // A socket that listens and one that is not connected.
    call(41, 1, 1, 0, 0),
    call(49, 15, record(9), 7, 0),
    call(50, 15, 4, 0, 0),
    call(41, 1, 0o4001, 0, 0),
    call(42, 16, record(9), 7, 0),
    // What tells of events.
    call(291, 0, 0, 0, 0),
    call(290, 2, 0o4000, 0, 0),
    call(283, 1, 0o4000, 0, 0),
    call(289, u64::MAX, record(42), 8, 0o4000),
    call(319, text(44), 2, 0, 0),
    // Devices, terminals, views.
    open(18, 2),
    open(31, 0),
    open(19, 0o402),
    open(20, 0o402),
    open(23, 0),
    open(25, 0),
    open(28, 0),
    open(22, 0o200_000),
    open(29, 2),
];

/// Below this all descriptors are open after [`OPENING`] was made twice.
pub const SHARED_FD: u64 = 60;
