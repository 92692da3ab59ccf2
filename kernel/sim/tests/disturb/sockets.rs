//! Sockets: descriptors 3 and up are the tour's.

use super::*;

// Records, behind those of all tours.
/// "/d/s", and the abstract name "at", as struct sockaddr_un.
const PATH_ADDRESS: u64 = DATA + 0x1420;
const ABSTRACT: u64 = DATA + 0x1428;
/// Lengths of addresses, each for one call.
const LENGTHS: u64 = DATA + 0x1440;
const OUTGOING: u64 = DATA + 0x1480;
const INCOMING: u64 = DATA + 0x14a0;
/// A control message with a descriptor.
const RIGHTS: u64 = DATA + 0x14c0;
/// struct msghdr to send and to receive, and vectors of struct mmsghdr.
const SENT: u64 = DATA + 0x1500;
const RECEIVED: u64 = DATA + 0x1540;
const SENT_MANY: u64 = DATA + 0x1600;
const RECEIVED_MANY: u64 = DATA + 0x1680;
const ONE: u64 = DATA + 0x1720;
const UNLINKED: u64 = PATH_ADDRESS + 2;

pub const RECORDS: &[(u64, &[u64])] = &[
    (PATH_ADDRESS, &[0x0000_732f_642f_0001]),
    (ABSTRACT, &[0x0000_0074_6100_0001]),
    (LENGTHS, &[110, 110, 110, 12, 4, 110, 110]),
    (OUTGOING, &[TEXT, 11]),
    (INCOMING, &[OUT + 0x3000, 64]),
    (RIGHTS, &[20, 1 << 32 | 1, 0]),
    (SENT, &[0, 0, OUTGOING, 1, RIGHTS, 24, 0]),
    (RECEIVED, &[0, 0, INCOMING, 1, OUT + 0x4000, 64, 0]),
    (
        SENT_MANY,
        &[
            0, 0, OUTGOING, 1, 0, 0, 0, 0, 0, 0, OUTGOING, 1, RIGHTS, 24, 0, 0,
        ],
    ),
    (
        RECEIVED_MANY,
        &[
            0,
            0,
            INCOMING,
            1,
            0,
            0,
            0,
            0,
            0,
            0,
            INCOMING,
            1,
            OUT + 0x5000,
            64,
            0,
            0,
        ],
    ),
    (ONE, &[1]),
];

/// One message a call.
pub const SOCKETS: &[Line] = &[
    (linux::__NR_mkdir, &[DIR, 0o755], 0),
    (linux::__NR_socket, &[1, 1, 0], 0),
    (linux::__NR_bind, &[3, PATH_ADDRESS, 7], 0),
    (linux::__NR_bind, &[3, PATH_ADDRESS, 7], 0),
    (linux::__NR_listen, &[3, 4], 0),
    (linux::__NR_socket, &[1, 1, 0], 0),
    (linux::__NR_connect, &[4, PATH_ADDRESS, 7], 0),
    (linux::__NR_connect, &[4, PATH_ADDRESS, 7], 0),
    (linux::__NR_accept4, &[3, OUT, LENGTHS, 0o2_000_000], OUT),
    (
        linux::__NR_getsockname,
        &[5, OUT + 0x1000, LENGTHS + 8],
        OUT + 0x1000,
    ),
    (
        linux::__NR_getpeername,
        &[4, OUT + 0x1800, LENGTHS + 16],
        OUT + 0x1800,
    ),
    (linux::__NR_sendto, &[4, TEXT, 11, 0, 0, 0], 0),
    (
        linux::__NR_recvfrom,
        &[5, OUT + 0x2000, 64, 0, 0, 0],
        OUT + 0x2000,
    ),
    (linux::__NR_sendmsg, &[4, SENT, 0], 0),
    (linux::__NR_recvmsg, &[5, RECEIVED, 0], OUT + 0x3000),
    (linux::__NR_fstat, &[6, OUT + 0x6000], OUT + 0x4010),
    (
        linux::__NR_getsockopt,
        &[4, 1, 17, OUT + 0x6000, LENGTHS + 24],
        OUT + 0x6000,
    ),
    (
        linux::__NR_getsockopt,
        &[4, 1, 3, OUT + 0x6800, LENGTHS + 32],
        OUT + 0x6800,
    ),
    (linux::__NR_setsockopt, &[4, 1, 20, SHORT, 16], 0),
    (linux::__NR_shutdown, &[5, 2], 0),
    (linux::__NR_sendto, &[4, TEXT, 11, 0x4000, 0, 0], 0),
    (linux::__NR_recvfrom, &[4, OUT, 64, 0, 0, 0], 0),
    (linux::__NR_close, &[3], 0),
    (linux::__NR_socket, &[1, 1, 0], 0),
    (linux::__NR_connect, &[3, PATH_ADDRESS, 7], 0),
    (linux::__NR_unlink, &[UNLINKED], 0),
    (linux::__NR_socket, &[1, 2, 0], 0),
    (linux::__NR_bind, &[7, ABSTRACT, 5], 0),
    (
        linux::__NR_socketpair,
        &[1, 5, 0, OUT + 0x7000],
        OUT + 0x7000,
    ),
    (linux::__NR_socket, &[1, 2, 0], 0),
    (linux::__NR_setsockopt, &[10, 1, 16, ONE, 4], 0),
    (linux::__NR_sendto, &[10, TEXT, 11, 0, ABSTRACT, 5], 0),
    (
        linux::__NR_recvfrom,
        &[7, OUT + 0x8000, 64, 0, OUT + 0x9000, LENGTHS + 40],
        OUT + 0x9000,
    ),
    (linux::__NR_connect, &[10, ABSTRACT, 5], 0),
    (linux::__NR_write, &[10, TEXT, 11], 0),
    (linux::__NR_read, &[7, OUT + 0xa000, 64], OUT + 0xa000),
    (linux::__NR_sendmsg, &[8, SENT, 0], 0),
    (linux::__NR_socket, &[2, 1, 0], 0),
];

/// Many messages a call. Absent memory ends them early, and rightly.
pub const MESSAGES: &[Line] = &[
    (linux::__NR_socketpair, &[1, 2, 0, OUT], OUT),
    (linux::__NR_sendmmsg, &[3, SENT_MANY, 2, 0], SENT_MANY + 56),
    (
        linux::__NR_recvmmsg,
        &[4, RECEIVED_MANY, 2, 0, 0],
        RECEIVED_MANY + 120,
    ),
    (linux::__NR_fstat, &[5, OUT + 0x6000], OUT + 0x5010),
    (linux::__NR_sendmmsg, &[3, SENT_MANY, 2, 0], 0),
    (linux::__NR_recvmsg, &[4, RECEIVED, 0x40], OUT + 0x3000),
    (linux::__NR_recvmsg, &[4, RECEIVED, 0x40], OUT + 0x4010),
    (linux::__NR_recvmsg, &[4, RECEIVED, 0x40], 0),
];

tours! {
    sockets_and_refused_charges: SOCKETS Kind::Refusal;
    sockets_and_absent_memory: SOCKETS Kind::Fault;
    sockets_and_waits: SOCKETS Kind::Wait;
    sockets_and_signals: SOCKETS Kind::Signal(WINCH);
    messages_and_refused_charges: MESSAGES Kind::Refusal;
    messages_and_waits: MESSAGES Kind::Wait;
    messages_and_signals: MESSAGES Kind::Signal(WINCH);
}
