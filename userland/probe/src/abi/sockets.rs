//! Sockets of AF_UNIX.

use std::os::fd::OwnedFd;

use berth_sys::audit::pause_ms;
use berth_sys::handler::{self, Manner};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read, write};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, recv, send, shutdown,
    socketpair,
};

use super::{Case, Told, Verdict, check, child, ended, fails, same};

pub const CASES: &[Case] = &[
    ("sockets/stream-has-no-bounds", stream_has_no_bounds),
    ("sockets/messages-have-bounds", messages_have_bounds),
    ("sockets/empty-messages", empty_messages),
    ("sockets/flags-of-a-pair", flags_of_a_pair),
    ("sockets/families-and-types", families_and_types),
    ("sockets/end-of-file", end_of_file),
    ("sockets/nobody-reads", nobody_reads),
    ("sockets/other-end-dies", other_end_dies),
    ("sockets/messages-to-nobody", messages_to_nobody),
    ("sockets/unread-resets", unread_resets),
    ("sockets/shutdown-one-way", shutdown_one_way),
    ("sockets/peek", peek),
    ("sockets/whole-length", whole_length),
    ("sockets/wait-for-all", wait_for_all),
    ("sockets/full-and-empty", full_and_empty),
    ("sockets/too-long", too_long),
    ("sockets/poll", poll_pair),
    ("sockets/poll-hang-up", poll_hang_up),
    ("sockets/many-bytes", many_bytes),
    ("sockets/is-a-file", is_a_file),
    ("sockets/not-a-socket", not_a_socket),
];

pub(super) type Pair = (OwnedFd, OwnedFd);

pub(super) fn pair_with(kind: SocketType, flags: SocketFlags) -> Result<Pair, String> {
    socketpair(
        AddressFamily::UNIX,
        kind,
        flags | SocketFlags::CLOEXEC,
        None,
    )
    .told("socketpair")
}

pub(super) fn pair(kind: SocketType) -> Result<Pair, String> {
    pair_with(kind, SocketFlags::empty())
}

/// What the next read of up to `room` bytes gets.
pub(super) fn next(socket: &OwnedFd, room: usize) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; room];
    let len = read(socket, &mut bytes).told("read")?;
    bytes.truncate(len);
    Ok(bytes)
}

pub(super) fn put(socket: &OwnedFd, bytes: &[u8]) -> Verdict {
    same("write", write(socket, bytes).told("write")?, bytes.len())
}

/// What poll tells at once.
pub(super) fn ready(socket: &OwnedFd, wanted: PollFlags) -> Result<PollFlags, String> {
    let mut sources = [PollFd::new(socket, wanted)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut sources, Some(&now)).told("poll")?;
    let [source] = &sources;
    Ok(source.revents())
}

fn stream_has_no_bounds() -> Verdict {
    let (one, other) = pair(SocketType::STREAM)?;
    put(&one, b"ab")?;
    put(&one, b"cde")?;
    same("read", next(&other, 4)?, b"abcd".to_vec())?;
    same("read", next(&other, 4)?, b"e".to_vec())?;
    // And the other way.
    put(&other, b"back")?;
    same("read", next(&one, 9)?, b"back".to_vec())
}

fn messages_have_bounds() -> Verdict {
    for kind in [SocketType::DGRAM, SocketType::SEQPACKET] {
        let (one, other) = pair(kind)?;
        put(&one, b"ab")?;
        put(&one, b"cdefg")?;
        put(&one, b"h")?;
        same("read", next(&other, 9)?, b"ab".to_vec())?;
        // What does not fit is lost.
        same("read", next(&other, 3)?, b"cde".to_vec())?;
        same("read", next(&other, 9)?, b"h".to_vec())?;
    }
    Ok(())
}

fn empty_messages() -> Verdict {
    let (one, other) = pair(SocketType::DGRAM)?;
    same("send", send(&one, b"", SendFlags::empty()).told("send")?, 0)?;
    put(&one, b"x")?;
    same("read", next(&other, 9)?, Vec::new())?;
    same("read", next(&other, 9)?, b"x".to_vec())?;
    // To a stream it is nothing.
    let (one, other) = pair_with(SocketType::STREAM, SocketFlags::NONBLOCK)?;
    same("write", write(&one, b"").told("write")?, 0)?;
    fails("read", read(&other, &mut [0; 4]), Errno::AGAIN)?;
    same(
        "read of nothing",
        read(&other, &mut [0u8; 0]).told("read")?,
        0,
    )
}

fn flags_of_a_pair() -> Verdict {
    use rustix::fs::{OFlags, fcntl_getfl};
    use rustix::io::{FdFlags, fcntl_getfd};
    let flags = SocketFlags::NONBLOCK;
    let (one, other) = pair_with(SocketType::STREAM, flags)?;
    for socket in [&one, &other] {
        same("flag", fcntl_getfd(socket).told("fcntl")?, FdFlags::CLOEXEC)?;
        let status = fcntl_getfl(socket).told("fcntl")?;
        same("status", status & OFlags::ACCMODE, OFlags::RDWR)?;
        check(status.contains(OFlags::NONBLOCK), || format!("{status:?}"))?;
        fails("read", read(socket, &mut [0; 4]), Errno::AGAIN)?;
    }
    let plain = socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::empty(),
        None,
    );
    let (one, _other) = plain.told("socketpair")?;
    same("flag", fcntl_getfd(&one).told("fcntl")?, FdFlags::empty())?;
    fails(
        "receive",
        recv(&one, &mut [0; 4], RecvFlags::DONTWAIT),
        Errno::AGAIN,
    )
}

fn families_and_types() -> Verdict {
    let make = |family: u16, kind: u32, protocol: u32| {
        rustix::net::socket(
            AddressFamily::from_raw(family),
            SocketType::from_raw(kind),
            std::num::NonZeroU32::new(protocol).map(rustix::net::Protocol::from_raw),
        )
    };
    let unix = AddressFamily::UNIX.as_raw();
    fails("no such family", make(45, 1, 1), Errno::AFNOSUPPORT)?;
    fails("family too large", make(999, 1, 1), Errno::AFNOSUPPORT)?;
    fails("type", make(unix, 4, 1), Errno::SOCKTNOSUPPORT)?;
    fails("type too large", make(unix, 12, 1), Errno::INVAL)?;
    fails("flag", make(unix, 1 | 0x100, 1), Errno::INVAL)?;
    fails("protocol", make(unix, 1, 7), Errno::PROTONOSUPPORT)?;
    make(unix, 3, 1).told("raw")?;
    make(unix, 5, 1).told("seqpacket").map(drop)
}

fn end_of_file() -> Verdict {
    for kind in [SocketType::STREAM, SocketType::SEQPACKET] {
        let (one, other) = pair(kind)?;
        put(&one, b"last")?;
        drop(one);
        same("read", next(&other, 9)?, b"last".to_vec())?;
        same("end", next(&other, 9)?, Vec::new())?;
        same("still", next(&other, 9)?, Vec::new())?;
    }
    Ok(())
}

fn nobody_reads() -> Verdict {
    let (one, other) = pair(SocketType::STREAM)?;
    drop(other);
    handler::count(13, Manner::Interrupt).told("sigaction")?;
    fails("send", send(&one, b"x", SendFlags::NOSIGNAL), Errno::PIPE)?;
    same("SIGPIPE", handler::taken(13), 0)?;
    fails("write", write(&one, b"x"), Errno::PIPE)?;
    same("SIGPIPE", handler::taken(13), 1)?;
    super::dies(13, || {
        let _ = handler::default(13);
        let _ = write(&one, b"x");
    })
}

fn other_end_dies() -> Verdict {
    for kind in [SocketType::STREAM, SocketType::SEQPACKET] {
        let (one, other) = pair(kind)?;
        let pid = child(|| {
            pause_ms(20);
            0
        })?;
        // From now on only the child has it.
        drop(other);
        same("end", next(&one, 9)?, Vec::new())?;
        ended(pid)?;
        let (one, other) = pair(kind)?;
        rustix::io::ioctl_fionbio(&one, true).told("FIONBIO")?;
        let full = loop {
            if let Err(errno) = write(&one, &[0; 4096]) {
                break errno;
            }
        };
        same("write", full, Errno::AGAIN)?;
        rustix::io::ioctl_fionbio(&one, false).told("FIONBIO")?;
        let pid = child(|| {
            pause_ms(200);
            0
        })?;
        drop(other);
        handler::count(13, Manner::Interrupt).told("sigaction")?;
        // It waits for room when the other end goes.
        fails("write", write(&one, &[0; 4096]), Errno::CONNRESET)?;
        fails("write", write(&one, b"x"), Errno::PIPE)?;
        ended(pid)?;
    }
    Ok(())
}

fn messages_to_nobody() -> Verdict {
    // No signal: only streams have it.
    handler::count(13, Manner::Interrupt).told("sigaction")?;
    let (one, other) = pair(SocketType::SEQPACKET)?;
    drop(other);
    fails("write", write(&one, b"x"), Errno::PIPE)?;
    let (one, other) = pair(SocketType::DGRAM)?;
    drop(other);
    fails("write", write(&one, b"x"), Errno::CONNREFUSED)?;
    // Now it has nobody to write to.
    fails("write", write(&one, b"x"), Errno::NOTCONN)?;
    same("SIGPIPE", handler::taken(13), 0)
}

fn unread_resets() -> Verdict {
    for kind in [SocketType::STREAM, SocketType::SEQPACKET] {
        let (one, other) = pair(kind)?;
        put(&one, b"unread")?;
        drop(other);
        fails("read", read(&one, &mut [0; 4]), Errno::CONNRESET)?;
        // Told once.
        same("read", next(&one, 4)?, Vec::new())?;
    }
    let (one, other) = pair(SocketType::STREAM)?;
    put(&one, b"unread")?;
    put(&other, b"there")?;
    drop(other);
    same("read", next(&one, 9)?, b"there".to_vec())?;
    fails("read", read(&one, &mut [0; 4]), Errno::CONNRESET)
}

fn shutdown_one_way() -> Verdict {
    let (one, other) = pair(SocketType::STREAM)?;
    put(&one, b"before")?;
    shutdown(&one, Shutdown::Write).told("shutdown")?;
    fails("send", send(&one, b"x", SendFlags::NOSIGNAL), Errno::PIPE)?;
    same("read", next(&other, 9)?, b"before".to_vec())?;
    same("end", next(&other, 9)?, Vec::new())?;
    put(&other, b"back")?;
    same("read", next(&one, 9)?, b"back".to_vec())?;
    shutdown(&one, Shutdown::Read).told("shutdown")?;
    same("end", next(&one, 9)?, Vec::new())?;
    fails("send", send(&other, b"x", SendFlags::NOSIGNAL), Errno::PIPE)
}

fn peek() -> Verdict {
    for kind in [SocketType::STREAM, SocketType::DGRAM, SocketType::SEQPACKET] {
        let (one, other) = pair(kind)?;
        put(&one, b"abc")?;
        let mut bytes = [0; 2];
        let (len, _) = recv(&other, &mut bytes, RecvFlags::PEEK).told("recv")?;
        same("peek", (len, &bytes), (2, b"ab"))?;
        same("read", next(&other, 9)?, b"abc".to_vec())?;
    }
    Ok(())
}

fn whole_length() -> Verdict {
    let (one, other) = pair(SocketType::DGRAM)?;
    put(&one, b"abcdef")?;
    let mut bytes = [0; 2];
    let flags = RecvFlags::PEEK | RecvFlags::TRUNC;
    let (_, len) = recv(&other, &mut bytes, flags).told("recv")?;
    same("length", (len, &bytes), (6, b"ab"))?;
    let (_, len) = recv(&other, &mut bytes, RecvFlags::TRUNC).told("recv")?;
    same("length", len, 6)
}

fn wait_for_all() -> Verdict {
    let (one, other) = pair(SocketType::STREAM)?;
    let pid = child(|| {
        for part in [b"ab", b"cd", b"ef"] {
            pause_ms(5);
            if write(&one, part) != Ok(2) {
                return 1;
            }
        }
        0
    })?;
    let mut bytes = [0; 6];
    let (len, _) = recv(&other, &mut bytes, RecvFlags::WAITALL).told("recv")?;
    same("read", (len, &bytes), (6, b"abcdef"))?;
    same("exit", ended(pid)?.exit_status(), Some(0))?;
    // The end comes before all.
    put(&one, b"gh")?;
    drop(one);
    let (len, _) = recv(&other, &mut bytes, RecvFlags::WAITALL).told("recv")?;
    same("read", len, 2)
}

fn full_and_empty() -> Verdict {
    for kind in [SocketType::STREAM, SocketType::SEQPACKET, SocketType::DGRAM] {
        let (one, other) = pair_with(kind, SocketFlags::NONBLOCK)?;
        let block = [7u8; 4096];
        let mut held = 0usize;
        let full = loop {
            match write(&one, &block) {
                Ok(some) => held = held.saturating_add(some),
                Err(errno) => break errno,
            }
            check(held <= 1 << 22, || "takes bytes for ever".to_owned())?;
        };
        same("full", full, Errno::AGAIN)?;
        check(held >= 65536, || format!("holds only {held} bytes"))?;
        same("ready", ready(&one, PollFlags::OUT)?, PollFlags::empty())?;
        let mut seen = 0usize;
        while seen < held {
            seen = seen.saturating_add(next(&other, 8192)?.len());
        }
        fails("empty", read(&other, &mut [0; 4]), Errno::AGAIN)?;
        same("ready", ready(&one, PollFlags::OUT)?, PollFlags::OUT)?;
        put(&one, &block)?;
    }
    Ok(())
}

fn too_long() -> Verdict {
    let (one, other) = pair(SocketType::SEQPACKET)?;
    let bytes = vec![1; 1 << 20];
    fails("write", write(&one, &bytes), Errno::MSGSIZE)?;
    let most = bytes.get(..200_000).unwrap_or_default();
    put(&one, most)?;
    same("read", next(&other, 1 << 20)?.len(), 200_000)
}

fn poll_pair() -> Verdict {
    let (one, other) = pair(SocketType::STREAM)?;
    let all = PollFlags::IN | PollFlags::OUT | PollFlags::RDHUP;
    same("ready", ready(&one, all)?, PollFlags::OUT)?;
    put(&other, b"x")?;
    same("ready", ready(&one, all)?, PollFlags::IN | PollFlags::OUT)?;
    next(&one, 1)?;
    shutdown(&other, Shutdown::Write).told("shutdown")?;
    same("ready", ready(&one, all)?, all)?;
    same("ready", ready(&other, all)?, PollFlags::OUT)
}

fn poll_hang_up() -> Verdict {
    let all = PollFlags::IN | PollFlags::OUT | PollFlags::RDHUP;
    for kind in [SocketType::STREAM, SocketType::SEQPACKET] {
        let (one, other) = pair(kind)?;
        drop(other);
        same("ready", ready(&one, all)?, all | PollFlags::HUP)?;
    }
    let (one, other) = pair(SocketType::STREAM)?;
    put(&one, b"unread")?;
    drop(other);
    let reset = all | PollFlags::HUP | PollFlags::ERR;
    same("ready", ready(&one, all)?, reset)?;
    let (one, other) = pair(SocketType::DGRAM)?;
    drop(other);
    same("ready", ready(&one, all)?, PollFlags::OUT)
}

fn many_bytes() -> Verdict {
    let (one, other) = pair(SocketType::STREAM)?;
    // Several times what fits: both sides have to wait for each other.
    let count = 1_000_000usize;
    let byte = |index: usize| u8::try_from(index % 251).unwrap_or(0);
    let pid = child(|| {
        let bytes: Vec<u8> = (0..count).map(byte).collect();
        i32::from(write(&one, &bytes) != Ok(count))
    })?;
    drop(one);
    let mut bytes = Vec::new();
    loop {
        let part = next(&other, 5000)?;
        if part.is_empty() {
            break;
        }
        bytes.extend(part);
    }
    same("exit", ended(pid)?.exit_status(), Some(0))?;
    same("length", bytes.len(), count)?;
    check(bytes.iter().enumerate().all(|(i, b)| *b == byte(i)), || {
        "other bytes".to_owned()
    })
}

fn is_a_file() -> Verdict {
    use rustix::fs::{FileType, SeekFrom, fstat, fstatfs, seek};
    use std::os::fd::AsRawFd;
    let (one, _other) = pair(SocketType::STREAM)?;
    let stat = fstat(&one).told("fstat")?;
    same(
        "type",
        FileType::from_raw_mode(stat.st_mode),
        FileType::Socket,
    )?;
    same("mode", stat.st_mode & 0o777, 0o777)?;
    let path = format!("/proc/self/fd/{}", one.as_raw_fd());
    let link = std::fs::read_link(&path).told("readlink")?;
    same(
        "link",
        link.to_string_lossy().into_owned(),
        format!("socket:[{}]", stat.st_ino),
    )?;
    same("magic", fstatfs(&one).told("fstatfs")?.f_type, 0x534f_434b)?;
    fails("seek", seek(&one, SeekFrom::Start(0)), Errno::SPIPE)?;
    fails(
        "pread",
        rustix::io::pread(&one, &mut [0; 1], 0),
        Errno::SPIPE,
    )?;
    fails(
        "open",
        rustix::fs::open(path, rustix::fs::OFlags::RDWR, rustix::fs::Mode::empty()),
        Errno::NXIO,
    )?;
    fails("ioctl", rustix::termios::tcgetattr(&one), Errno::NOTTY)
}

fn not_a_socket() -> Verdict {
    let (reader, writer) = crate::small::pipe().told("pipe")?;
    fails(
        "send",
        send(&writer, b"x", SendFlags::empty()),
        Errno::NOTSOCK,
    )?;
    fails(
        "recv",
        recv(&reader, &mut [0; 1], RecvFlags::empty()),
        Errno::NOTSOCK,
    )?;
    fails(
        "shutdown",
        shutdown(&reader, Shutdown::Read),
        Errno::NOTSOCK,
    )?;
    let (one, _other) = pair(SocketType::STREAM)?;
    let gone = rustix::net::getsockname(&one).told("getsockname")?;
    same("family", gone.address_family(), AddressFamily::UNIX)
}
