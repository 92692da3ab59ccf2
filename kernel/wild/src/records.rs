//! Texts and records that arguments point at: good ones, and such as are wrong in one point.

use crate::Kind::{self, *};
use crate::place::{
    BASE, BYTES, CODE, CONFIG, FORBIDDEN, RESTORER, SHARED, SIZE, config, record, text,
};

/// How many of the [`TEXTS`] are paths.
pub const PATHS: usize = 34;

/// Texts. The first [`PATHS`] are paths, the others names.
pub const TEXTS: &[&[u8]] = &[
    b"/tmp\0",
    b"/tmp/a\0",
    b"/tmp/b\0",
    b"/tmp/d\0",
    b"/tmp/d/e\0",
    b"a\0",
    b"../tmp/./d/\0",
    b"d/loop\0",
    b"/tmp/loop\0",
    b"/tmp/link\0",
    b"/tmp/s\0",
    b"/tmp/f\0",
    b"/\0",
    b".\0",
    b"..\0",
    b"\0",
    b"/bin/1\0",
    b"/dev/null\0",
    b"/dev/zero\0",
    b"/dev/ptmx\0",
    b"/dev/pts/0\0",
    b"/dev/tty\0",
    b"/proc\0",
    b"/proc/self/maps\0",
    b"/proc/self/fd/3\0",
    b"/proc/self/cwd\0",
    b"/proc/self/root/tmp\0",
    b"/proc/self/task/../status\0",
    b"/proc/self/ns/mnt\0",
    b"/proc/sys/kernel/hostname\0",
    b"/proc/mounts\0",
    b"/dev/urandom\0",
    b"/proc/self/mem\0",
    b"/nothing/here\0",
    // Names.
    b"user.a\0",
    b"user.\0",
    b"trusted.b\0",
    b"security.c\0",
    b"tmpfs\0",
    b"proc\0",
    b"devpts\0",
    b"sysfs\0",
    b"size=1m\0",
    b"mode=0700,size=64k\0",
    b"x\0",
    b"#!/bin/1\n",
    // Ids of containers.
    b"wild-a\0",
    b"wild-b\0",
    b"wild-c\0",
    b"../x\0",
];

/// Where the names of containers are among the texts.
const IDS: usize = 46;

/// Configurations of containers.
pub const CONFIG_TEXTS: &[&str] = &[
    "oci_version=1.0.2\nroot_path=rootfs\nprocess_cwd=/\nprocess_arg=/true\nnamespace=pid\nnamespace=mount\n",
    "oci_version=1.3.0\nroot_path=rootfs\nroot_readonly=true\nhostname=wild\nprocess_cwd=/\nprocess_arg=/true\n\
     mount=/proc:proc:proc:nosuid\nmount=/tmp:tmpfs:tmpfs:size=64k\nnamespace=pid\nnamespace=mount\nnamespace=uts\n",
    "oci_version=1.3.0\nroot_path=rootfs\nprocess_cwd=/\nprocess_arg=/missing\nnamespace=mount\n",
    "oci_version=1.3.0\nroot_path=rootfs\nprocess_cwd=/\nprocess_arg=/true\nnamespace=pid\nnamespace=mount\n\
     hook_createRuntime=/bin/true\nhook_poststop=/bin/false\n",
    "oci_version=1.3.0\nroot_path=nowhere\nprocess_arg=/true\nnamespace=mount\n",
    "root_path\n",
    "pids_limit=5\nmemory_reservation=4096\ncpu_shares=512\ncpu_quota=50000\ncgroup_device=deny:a\n",
    "memory_limit=4096\nmemory_swap=4095\n",
];

/// Where the parts of messages are.
const PARTS: u64 = record(0);
const RIGHTS: u64 = record(4);
const CREDENTIALS: u64 = record(5);
const NAME: u64 = record(7);

/// Bytes at the end of the furnished memory.
const EDGE: u64 = BASE + SIZE - 8;

/// -1.
const NONE: u64 = u64::MAX;

/// An address of a local socket.
const fn unix(name: &[u8]) -> [u64; 4] {
    let mut words = [1, 0, 0, 0];
    let mut at = 0;
    while at < name.len() {
        let byte = at + 2;
        words[byte / 8] |= (name[at] as u64) << (byte % 8 * 8);
        at += 1;
    }
    words
}

/// A container call with an id and a configuration.
const fn container(
    flags: u64,
    id: usize,
    id_len: u64,
    configuration: usize,
    arg: u64,
) -> [u64; 12] {
    let len = CONFIG_TEXTS[configuration].len() as u64;
    let (error, out) = (BYTES + 0x1000, BYTES + 0x1800);
    let at = config(configuration);
    [
        flags,
        text(IDS + id),
        id_len,
        error,
        256,
        0,
        at,
        len,
        out,
        512,
        arg,
        3,
    ]
}

/// Records by what they are; the first ones are named by others.
pub const RECORDS: &[(Kind, &[u64])] = &[
    (
        Vector,
        &[BYTES, 32, BYTES + 0x80, 32, BYTES + 0x1000, 8, BYTES, 1],
    ),
    (Vector, &[BYTES, 0x1000, EDGE, 16, SHARED, 64, 0, 0]),
    (Vector, &[FORBIDDEN, 8, BYTES, NONE, 1 << 47, 8, BYTES, 8]),
    (Vector, &[0, 0, 0, 0, 0, 0, 0xffff_8000_0000_0000, 1]),
    (Control, &[24, 1 << 32 | 1, 4 << 32 | 3, 0]),
    (Control, &[28, 2 << 32 | 1, 1, 0]),
    (Control, &[NONE, 1 << 32 | 1, 4 << 32 | 3, 0]),
    (Address, &unix(b"/tmp/s")),
    (Address, &unix(b"/tmp/t")),
    (Address, &unix(b"\0wild")),
    (Address, &unix(b"relative/s")),
    (Address, &[1]),
    (Address, &[2 | 80 << 16, 0x100_007f]),
    (AddressLength, &[0]),
    (AddressLength, &[2]),
    (AddressLength, &[4]),
    (AddressLength, &[128]),
    (AddressLength, &[0xffff_ffff]),
    (Header, &[0, 0, PARTS, 2, 0, 0, 0]),
    (Header, &[NAME, 8, PARTS, 1, 0, 0, 0]),
    (Header, &[0, 0, PARTS, 1, RIGHTS, 24, 0]),
    (Header, &[0, 0, PARTS, 4, CREDENTIALS, 32, 0]),
    (Header, &[BYTES, 110, PARTS, 1, BYTES + 0x200, 256, 0]),
    (Header, &[0, 0, PARTS, 1025, RIGHTS, NONE, 0]),
    (Time, &[0, 0, 0, 0]),
    (Time, &[0, 300_000, 0, 0]),
    (Time, &[0, 900, 0, 1_000_000]),
    (Time, &[0, (1 << 30) - 1, 0, (1 << 30) - 2]),
    (Time, &[NONE, 0, 1, 1]),
    (Time, &[0, 1_000_000_000, 0, 0]),
    (Time, &[i64::MAX as u64, 999_999_999, i64::MAX as u64, 0]),
    (Interval, &[0, 1_000_000, 0, 1_000_000]),
    (Interval, &[0, 0, 0, 0]),
    (Interval, &[0, 0, 0, 500]),
    (Interval, &[1, 0, 5, 0]),
    (Interval, &[0, 1, 0, 1]),
    (Interval, &[0, 0, i64::MAX as u64, 999_999_999]),
    (Interval, &[NONE, 0, 0, 1 << 31]),
    (
        Polled,
        &[
            1 << 32 | 3,
            4 << 32 | 4,
            5 << 32 | 5,
            0xffff << 32 | 6,
            1 << 32 | 7,
            0xffff_ffff,
            1 << 32 | 1000,
        ],
    ),
    (
        Polled,
        &[0x41 << 32 | 9, 4 << 32 | 12, 1 << 32 | 15, 1 << 32 | 20],
    ),
    (Set, &[0, 0]),
    (Set, &[NONE, NONE, NONE, NONE]),
    (Set, &[1 << 9 | 1 << 16, 0]),
    (Set, &[1, 0]),
    (Set, &[0xff8, 0]),
    (SizedSet, &[record(42), 8]),
    (SizedSet, &[0, 0]),
    (SizedSet, &[BYTES, 9]),
    (Action, &[1, 0, 0, 0]),
    (Action, &[0, 0, 0, 0]),
    (Action, &[CODE, 0x0400_0000, RESTORER, 0]),
    (Action, &[CODE, 0x1400_0000, RESTORER, NONE]),
    (Action, &[CODE, 0xdc00_0004, RESTORER, 1 << 9]),
    (Action, &[CODE, 0x4c00_0003, RESTORER, 0]),
    (Event, &[5 | 77 << 32]),
    (Event, &[0x8000_001f, 1]),
    (Event, &[0x7000_2001, 2]),
    (Info, &[34, 0xffff_ffff, 0, 7]),
    (Info, &[10, 0xffff_fffa, 1, 0]),
    (Info, &[0, 0, 0, 0]),
    (Stack, &[BYTES, 0, 0x4000]),
    (Stack, &[0, 2, 0]),
    (Stack, &[BYTES, 0x8000_0000, 0x6000]),
    (Stack, &[BYTES, 0, 100]),
    (CloneArgs, &[0, 0, 0, 0, 17]),
    (
        CloneArgs,
        &[
            0x003d_0f00,
            0,
            BYTES,
            BYTES + 8,
            0,
            BYTES,
            0x4000,
            BYTES,
            0,
            0,
            0,
        ],
    ),
    (CloneArgs, &[0x4100, 0, 0, 0, 17]),
    (CloneArgs, &[0x2000_0000, 0, 0, 0, 17, 0, 0, 0, BYTES, 1, 0]),
    (CloneArgs, &[0x900, 0, 0, 0, 0, BYTES, 0x1000, 0, 0, 0, 0]),
    (CloneArgs, &[1 << 32, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0]),
    (
        CloneArgs,
        &[0x0600_0100, BYTES, 0, 0, 0, BYTES, 0, 0, 0, 33, 3],
    ),
    (OpenHow, &[0o2, 0, 0]),
    (OpenHow, &[0o101, 0o600, 8]),
    (OpenHow, &[0o200_000, 0, 0x10]),
    (OpenHow, &[0, 0, 4]),
    (OpenHow, &[0, 0, 0x3f]),
    (OpenHow, &[1 << 40, 1 << 40, 1 << 40]),
    (Limit, &[64, 64]),
    (Limit, &[0, 0]),
    (Limit, &[0x40_0000, 0x80_0000]),
    (Limit, &[64, 32]),
    (CapHead, &[0x2008_0522]),
    (CapHead, &[0x1998_0330]),
    (CapHead, &[0x2007_1026 | 1 << 32]),
    (CapHead, &[0]),
    (CapSets, &[NONE, NONE, NONE]),
    (CapSets, &[0, 0, 0]),
    (CapSets, &[1 << 21 | (1 << 21) << 32, 0, 0]),
    (SigEvent, &[7, 34]),
    (SigEvent, &[7, 1 << 32 | 1]),
    (SigEvent, &[7, 4 << 32 | 10, 2]),
    (SigEvent, &[7, 65]),
    (Robust, &[BYTES + 0x100, 0, 0]),
    (Robust, &[record(93), 0, BYTES]),
    (Robust, &[1 << 47, NONE, 1]),
    (Position, &[0]),
    (Position, &[4096]),
    (Position, &[NONE]),
    (Position, &[1 << 40]),
    (Groups, &[1 | 2 << 32, 3 | 65534 << 32, 0, 7 << 32]),
    (Groups, &[NONE, NONE]),
    (Arguments, &[text(16), text(1), 0]),
    (Arguments, &[0]),
    (Arguments, &[text(16), 1 << 47, 0]),
    (Lock, &[1, 0, 10, 0]),
    (Lock, &[0, 5, 0, 0]),
    (Lock, &[2, 0, 0, 0]),
    (Lock, &[1 | 2 << 16, NONE, 100, 0]),
    (Lock, &[7, NONE, NONE, 1]),
    (
        Terminal,
        &[
            5 << 32 | 0x500,
            0x8a3b << 32 | 0xbf,
            0x0415_7f1c_0300,
            0x1a13_1100_0100,
        ],
    ),
    (Terminal, &[0, 0, 0, 0, 0]),
    (Terminal, &[80 << 16 | 24, 0]),
    (Terminal, &[0]),
    (Terminal, &[1]),
    (Container, &container(0, 0, 6, 0, 15)),
    (Container, &container(0, 1, 6, 1, 9)),
    (Container, &container(0, 2, 6, 2, 0)),
    (Container, &container(0, 0, 6, 3, 64)),
    (Container, &container(1, 0, 6, 1, 65)),
    (Container, &container(1, 1, 6, 4, 2)),
    (Container, &container(1, 2, 6, 0, 10)),
    (Container, &container(0, 3, 4, 0, 17)),
    (Container, &container(0, 0, 7, 5, 1)),
    (Container, &container(2, 0, 200, 0, NONE)),
    (Container, &container(0, 0, 6, 6, 0)),
    (Container, &container(1, 1, 6, 6, 1)),
    (Container, &container(0, 1, 6, 7, 3)),
    (
        Container,
        &[
            0,
            text(IDS),
            6,
            FORBIDDEN,
            8,
            0,
            CODE,
            100,
            FORBIDDEN,
            512,
            0,
            3,
        ],
    ),
    (
        Container,
        &[0, 0, 0, 0, 0, 0, 1 << 47, 1 << 21, EDGE, 96, 9, NONE],
    ),
];

const _: () = assert!(CONFIG_TEXTS[1].len() < CONFIG as usize && TEXTS.len() == IDS + 4);
