//! The bits and numbers that calls know, and some that they do not.

use crate::Kind::{self, Bits, One};

pub const OPEN: Kind = Bits(&[
    0,
    1,
    2,
    0o100,
    0o200,
    0o400,
    0o1000,
    0o2000,
    0o4000,
    0o10000,
    0o40000,
    0o100_000,
    0o200_000,
    0o400_000,
    0o1_000_000,
    0o2_000_000,
    0o4_010_000,
    0o10_000_000,
    0o20_200_000,
]);
/// In milliseconds, as an int.
pub const MOMENTS: Kind = One(&[0, 0, 0, 1, 2, 0xffff_ffff, 1 << 31, 0x7fff_ffff]);
pub const WHENCE: Kind = One(&[0, 1, 2, 3, 4, 5]);
pub const PROTECTION: Kind = Bits(&[0, 1, 2, 4, 3, 0x100_0000, 0x200_0000]);
pub const MAP: Kind = Bits(&[
    1, 2, 3, 0x10, 0x20, 0x22, 0x21, 0x100, 0x800, 0x1000, 0x2000, 0x4000, 0x8000, 0x10000,
    0x20000, 0x40000, 0x10_0000,
]);
pub const IOCTL: Kind = One(&[
    0x5401,
    0x5402,
    0x5403,
    0x5404,
    0x5405,
    0x5406,
    0x5407,
    0x5408,
    0x5409,
    0x540a,
    0x540b,
    0x540c,
    0x540d,
    0x540e,
    0x540f,
    0x5410,
    0x5411,
    0x5412,
    0x5413,
    0x5414,
    0x5415,
    0x541b,
    0x5420,
    0x5421,
    0x5422,
    0x5424,
    0x5425,
    0x5428,
    0x5429,
    0x5441,
    0x5450,
    0x5451,
    0x5452,
    0x8004_5430,
    0x4004_5431,
    0x8004_5438,
    0x8004_5439,
    0x8004_6601,
    0x4004_6602,
    0xb701,
    0xb702,
    0xb703,
    0xb704,
]);
pub const ADVICE: Kind = One(&[
    0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
]);
pub const FAMILY: Kind = One(&[1, 1, 1, 0, 2, 10, 16, 17]);
pub const SOCKET: Kind = Bits(&[1, 2, 5, 1, 2, 5, 3, 0o4000, 0o2_000_000]);
pub const MESSAGE: Kind = Bits(&[
    0,
    1,
    2,
    0x20,
    0x40,
    0x80,
    0x100,
    0x200,
    0x4000,
    0x8000,
    0x1_0000,
    0x4000_0000,
    0x40,
]);
pub const ADDRESS_SIZE: Kind = One(&[0, 1, 2, 3, 4, 8, 10, 16, 109, 110, 111, 128, 0xffff_ffff]);
pub const LEVEL: Kind = One(&[1, 1, 1, 1, 0, 6, 41]);
pub const SOCKET_OPTION: Kind = One(&[
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 18, 19, 20, 21, 28, 29, 30, 31, 32, 33,
    34, 38, 39, 42, 59, 76, 77,
]);
pub const CLONE: Kind = One(&[
    17,
    0,
    0x4111,
    0x100,
    0x200,
    0x400,
    0x600 | 17,
    0x0001_0f00,
    0x003d_0f00,
    0x0001_0800,
    0x900,
    0x8000 | 17,
    0x0120_0011,
    0x2000_0000 | 17,
    0x0400_0000 | 17,
    0x0002_0000 | 17,
    0x2000_0000,
    0x0400_0000,
    0x0002_0000,
    0x0800_0000,
    0x4000_0000,
    0x1000_0000,
    0x0200_0000,
    0x0004_0000,
    0x80,
    0x1000 | 17,
]);
pub const WAIT: Kind = Bits(&[
    1,
    1,
    1,
    2,
    4,
    8,
    0x100_0000,
    0x2000_0000,
    0x4000_0000,
    0x8000_0000,
]);
pub const FCNTL: Kind = One(&[
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 36, 37, 38, 1024, 1025, 1026, 1030,
    1031, 1032, 1033, 1034, 1035, 1036,
]);
pub const FLOCK: Kind = Bits(&[1, 2, 4, 5, 6, 8]);
pub const PRCTL: Kind = One(&[
    1,
    2,
    3,
    4,
    7,
    8,
    9,
    10,
    13,
    14,
    15,
    16,
    21,
    22,
    23,
    24,
    25,
    26,
    27,
    28,
    29,
    30,
    33,
    35,
    36,
    37,
    38,
    39,
    40,
    41,
    42,
    47,
    52,
    53,
    65,
    66,
    0x5356_4d41,
    0x5961_6d61,
]);
pub const ARCH: Kind = One(&[0x1001, 0x1003, 0x1004, 0x1011, 0x1012, 0x1002, 0x1002]);
pub const MOUNT: Kind = Bits(&[
    0, 1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0x1000, 0x2000, 0x4000, 0x8000, 0x4_0000, 0x8_0000,
    0x10_0000, 0x20_0000, 0x100_0000,
]);
pub const REBOOT: Kind = One(&[0xfee1_dead, 0xfee1_dead, 0]);
pub const REBOOT_TOO: Kind = One(&[672_274_793, 85_072_278, 369_367_448, 537_993_216, 0]);
pub const REBOOT_HOW: Kind = One(&[
    0,
    0x89ab_cdef,
    0x0123_4567,
    0xcdef_0123,
    0x4321_fedc,
    0xa1b2_c3d4,
]);
pub const FUTEX: Kind = One(&[
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    12,
    13,
    128,
    129,
    131,
    132,
    133,
    137,
    138,
    256,
    256 | 9,
    384,
    393,
]);
pub const CLOCK: Kind = One(&[
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    0xffff_fffe,
    0xffff_fffa,
    0xffff_ffff,
    0xffff_fff2,
]);
pub const AT: Kind = Bits(&[
    0, 0, 0x100, 0x200, 0x400, 0x800, 0x1000, 0x2000, 0x4000, 0x8000,
]);
pub const ROBUST_SIZE: Kind = One(&[24, 24, 24, 0, 25]);
pub const CREATION: Kind = Bits(&[0, 1, 0o4000, 0o2_000_000, 0o40000]);
pub const FALLOCATE: Kind = Bits(&[0, 0, 1, 2, 3, 8, 0x10, 0x20, 0x40]);
pub const MEMFD: Kind = Bits(&[0, 1, 2, 4, 8, 0x10]);
pub const CLONE_SIZE: Kind = One(&[88, 88, 88, 64, 80, 0, 63, 96, 128, 4097]);
pub const HOW_SIZE: Kind = One(&[24, 24, 24, 0, 23, 32, 4096, 4097]);
pub const CONTAINER_SIZE: Kind = One(&[96, 96, 96, 96, 96, 96, 96, 96, 0, 95, 97]);
