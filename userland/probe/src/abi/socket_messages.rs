//! What goes along with bytes over sockets of AF_UNIX: open files, credentials; and options.

use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use berth_sys::audit::pause_ms;
use berth_sys::handler::{self, Manner};
use rustix::io::{Errno, FdFlags, fcntl_getfd, read, write};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, UCred, recvmsg, sendmsg, sockopt,
};
use rustix::process::{Gid, Pid, Uid, getgid, getpid, getuid};

use super::sockets::{next, pair, pair_with, put};
use super::{Case, Told, Verdict, as_user, check, child, ended, fails, same};

pub const CASES: &[Case] = &[
    ("sockets/files-go-along", files_go_along),
    ("sockets/files-without-room", files_without_room),
    ("sockets/files-nobody-wants", files_nobody_wants),
    ("sockets/files-end-a-read", files_end_a_read),
    ("sockets/files-are-peeked-at", files_are_peeked_at),
    ("sockets/files-in-flight-live", files_in_flight_live),
    ("sockets/sockets-in-flight", sockets_in_flight),
    ("sockets/descriptors-used-up", descriptors_used_up),
    ("sockets/too-many-files", too_many_files),
    ("sockets/credentials-are-told", credentials_are_told),
    ("sockets/credentials-of-a-child", credentials_of_a_child),
    ("sockets/credentials-that-lie", credentials_that_lie),
    ("sockets/credentials-of-the-peer", credentials_of_the_peer),
    ("sockets/message-cut-off", message_cut_off),
    ("sockets/scattered", scattered),
    ("sockets/options", options),
    ("sockets/time-limits", time_limits),
    ("sockets/interrupted", interrupted),
    ("sockets/bytes-waiting", bytes_waiting),
    ("sockets/sendfile", send_file),
    ("sockets/standard-library", standard_library),
];

/// What a message brought.
#[derive(Debug)]
struct Came {
    bytes: Vec<u8>,
    files: Vec<OwnedFd>,
    who: Option<(i32, u32, u32)>,
    flags: ReturnFlags,
}

/// Receives with room for `room` bytes of control messages.
fn receive(socket: &OwnedFd, room: usize, flags: RecvFlags) -> Result<Came, String> {
    let mut space = vec![MaybeUninit::uninit(); room];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0; 100];
    let got = {
        let mut parts = [std::io::IoSliceMut::new(&mut bytes)];
        recvmsg(socket, &mut parts, &mut control, flags).told("recvmsg")?
    };
    let mut came = Came {
        bytes: bytes.get(..got.bytes).unwrap_or_default().to_vec(),
        files: Vec::new(),
        who: None,
        flags: got.flags,
    };
    for message in control.drain() {
        match message {
            RecvAncillaryMessage::ScmRights(files) => came.files.extend(files),
            RecvAncillaryMessage::ScmCredentials(who) => {
                came.who = Some((
                    Pid::as_raw(Some(who.pid)),
                    who.uid.as_raw(),
                    who.gid.as_raw(),
                ));
            }
            _ => {}
        }
    }
    Ok(came)
}

/// Room for that many descriptors.
fn room_for(files: usize) -> usize {
    16 + (files * 4).next_multiple_of(8)
}

fn send_files(
    socket: &OwnedFd,
    bytes: &[u8],
    files: &[BorrowedFd<'_>],
) -> rustix::io::Result<usize> {
    let mut space = vec![MaybeUninit::uninit(); 2048];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(files)) {
        return Err(Errno::NOBUFS);
    }
    let parts = [std::io::IoSlice::new(bytes)];
    sendmsg(socket, &parts, &mut control, SendFlags::empty())
}

fn send_as(socket: &OwnedFd, who: UCred) -> rustix::io::Result<usize> {
    let mut space = vec![MaybeUninit::uninit(); 64];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmCredentials(who));
    let parts = [std::io::IoSlice::new(b"x")];
    sendmsg(socket, &parts, &mut control, SendFlags::empty())
}

fn files_go_along() -> Verdict {
    for kind in [SocketType::STREAM, SocketType::DGRAM, SocketType::SEQPACKET] {
        let (one, other) = pair(kind)?;
        let (mut reader, writer) = crate::small::pipe().told("pipe")?;
        let files = [writer.as_fd(), writer.as_fd()];
        same(
            "sendmsg",
            send_files(&one, b"two", &files).told("sendmsg")?,
            3,
        )?;
        drop(writer);
        let came = receive(&other, room_for(2), RecvFlags::CMSG_CLOEXEC)?;
        same("bytes", came.bytes, b"two".to_vec())?;
        let [first, second] = &came.files[..] else {
            return Err(format!("{} files", came.files.len()));
        };
        same("flag", fcntl_getfd(first).told("fcntl")?, FdFlags::CLOEXEC)?;
        put(first, b"ab")?;
        put(second, b"cd")?;
        drop(came.files);
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).told("read")?;
        same("through", bytes, b"abcd".to_vec())?;
        // Without the flag.
        send_files(&one, b"x", &[one.as_fd()]).told("sendmsg")?;
        let came = receive(&other, room_for(1), RecvFlags::empty())?;
        let file = came.files.first().ok_or("no file")?;
        same("flag", fcntl_getfd(file).told("fcntl")?, FdFlags::empty())?;
    }
    Ok(())
}

fn files_without_room() -> Verdict {
    let (one, other) = pair(SocketType::STREAM)?;
    for (room, kept) in [(room_for(1) - 4, 1), (16, 0), (8, 0), (0, 0)] {
        let (mut reader, writer) = crate::small::pipe().told("pipe")?;
        send_files(&one, b"x", &[writer.as_fd(); 3]).told("sendmsg")?;
        drop(writer);
        let came = receive(&other, room, RecvFlags::empty())?;
        same("files", came.files.len(), kept)?;
        check(came.flags.contains(ReturnFlags::CTRUNC), || {
            format!("room {room}: {:?}", came.flags)
        })?;
        drop(came.files);
        // The others are closed.
        same("end", reader.read(&mut [0; 1]).told("read")?, 0)?;
    }
    Ok(())
}

fn files_nobody_wants() -> Verdict {
    let (one, other) = pair(SocketType::STREAM)?;
    let (mut reader, writer) = crate::small::pipe().told("pipe")?;
    send_files(&one, b"x", &[writer.as_fd()]).told("sendmsg")?;
    same("read", next(&other, 9)?, b"x".to_vec())?;
    send_files(&one, b"x", &[writer.as_fd()]).told("sendmsg")?;
    drop((writer, other));
    same("end", reader.read(&mut [0; 1]).told("read")?, 0)
}

fn files_end_a_read() -> Verdict {
    let (one, other) = pair(SocketType::STREAM)?;
    put(&one, b"ab")?;
    send_files(&one, b"cd", &[one.as_fd()]).told("sendmsg")?;
    put(&one, b"ef")?;
    let came = receive(&other, room_for(1), RecvFlags::empty())?;
    same(
        "bytes",
        (came.bytes, came.files.len()),
        (b"abcd".to_vec(), 1),
    )?;
    let came = receive(&other, room_for(1), RecvFlags::empty())?;
    same("bytes", (came.bytes, came.files.len()), (b"ef".to_vec(), 0))?;
    // With the first byte.
    send_files(&one, b"gh", &[one.as_fd()]).told("sendmsg")?;
    same("read", next(&other, 1)?, b"g".to_vec())?;
    let came = receive(&other, room_for(1), RecvFlags::empty())?;
    same("bytes", (came.bytes, came.files.len()), (b"h".to_vec(), 0))
}

fn files_are_peeked_at() -> Verdict {
    let (one, other) = pair(SocketType::SEQPACKET)?;
    let (mut reader, writer) = crate::small::pipe().told("pipe")?;
    send_files(&one, b"x", &[writer.as_fd()]).told("sendmsg")?;
    drop(writer);
    let peeked = receive(&other, room_for(1), RecvFlags::PEEK)?;
    let taken = receive(&other, room_for(1), RecvFlags::empty())?;
    for came in [&peeked, &taken] {
        let file = came.files.first().ok_or("no file")?;
        put(file, b"y")?;
    }
    drop((peeked, taken));
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).told("read")?;
    same("through", bytes, b"yy".to_vec())
}

fn files_in_flight_live() -> Verdict {
    let (one, other) = pair(SocketType::STREAM)?;
    let (mut reader, mut writer) = crate::small::pipe().told("pipe")?;
    writer.write_all(b"left").told("write")?;
    send_files(&one, b"x", &[writer.as_fd()]).told("sendmsg")?;
    drop((writer, one));
    let mut bytes = [0; 4];
    reader.read_exact(&mut bytes).told("read")?;
    rustix::fs::fcntl_setfl(&reader, rustix::fs::OFlags::NONBLOCK).told("fcntl")?;
    fails("not the end", read(&reader, &mut bytes), Errno::AGAIN)?;
    drop(receive(&other, room_for(1), RecvFlags::empty())?);
    same("end", reader.read(&mut bytes).told("read")?, 0)
}

fn sockets_in_flight() -> Verdict {
    let (one, other) = pair(SocketType::STREAM)?;
    let (near, far) = pair(SocketType::STREAM)?;
    let (inner, outer) = pair(SocketType::STREAM)?;
    // One end in flight, and another within that.
    send_files(&one, b"1", &[far.as_fd()]).told("sendmsg")?;
    send_files(&near, b"2", &[outer.as_fd()]).told("sendmsg")?;
    drop((far, outer));
    put(&inner, b"deep")?;
    let came = receive(&other, room_for(1), RecvFlags::empty())?;
    let far = came.files.first().ok_or("no file")?;
    let came = receive(far, room_for(1), RecvFlags::empty())?;
    let outer = came.files.first().ok_or("no file")?;
    same("read", next(outer, 9)?, b"deep".to_vec())?;
    // A message goes with the socket that was to receive it.
    let (near, far) = pair(SocketType::STREAM)?;
    send_files(&one, b"3", &[far.as_fd()]).told("sendmsg")?;
    drop((far, one, other));
    same("end", next(&near, 1)?, Vec::new())
}

fn descriptors_used_up() -> Verdict {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let (one, other) = pair(SocketType::STREAM)?;
    let (mut reader, writer) = crate::small::pipe().told("pipe")?;
    send_files(&one, b"x", &[writer.as_fd(); 3]).told("sendmsg")?;
    // One more is free.
    let highest = {
        use std::os::fd::AsRawFd;
        writer.as_raw_fd().max(reader.as_raw_fd()).unsigned_abs()
    };
    drop(writer);
    let old = getrlimit(Resource::Nofile);
    let current = Some(u64::from(highest) + 1);
    let few = Rlimit { current, ..old };
    setrlimit(Resource::Nofile, few).told("setrlimit")?;
    let came = receive(&other, room_for(3), RecvFlags::empty());
    setrlimit(Resource::Nofile, old).told("setrlimit")?;
    let came = came?;
    same("files", came.files.len(), 1)?;
    check(came.flags.contains(ReturnFlags::CTRUNC), || {
        format!("{:?}", came.flags)
    })?;
    drop(came.files);
    same("end", reader.read(&mut [0; 1]).told("read")?, 0)
}

fn too_many_files() -> Verdict {
    let (one, other) = pair(SocketType::STREAM)?;
    fails(
        "sendmsg",
        send_files(&one, b"x", &[one.as_fd(); 254]),
        Errno::INVAL,
    )?;
    send_files(&one, b"x", &[one.as_fd(); 253]).told("sendmsg")?;
    let came = receive(&other, room_for(253), RecvFlags::empty())?;
    same("files", came.files.len(), 253)
}

/// Room for credentials.
const WHO: usize = 32;

fn myself() -> (i32, u32, u32) {
    (
        Pid::as_raw(Some(getpid())),
        getuid().as_raw(),
        getgid().as_raw(),
    )
}

fn credentials_are_told() -> Verdict {
    for kind in [SocketType::STREAM, SocketType::DGRAM] {
        let (one, other) = pair(kind)?;
        put(&one, b"before")?;
        sockopt::set_socket_passcred(&other, true).told("option")?;
        same(
            "option",
            sockopt::socket_passcred(&other).told("option")?,
            true,
        )?;
        put(&one, b"after")?;
        // Nobody wanted to know who sent the first.
        let came = receive(&other, WHO, RecvFlags::empty())?;
        same("first", came.bytes, b"before".to_vec())?;
        let came = receive(&other, WHO, RecvFlags::empty())?;
        same(
            "second",
            (came.bytes, came.who),
            (b"after".to_vec(), Some(myself())),
        )?;
        put(&one, b"more")?;
        let came = receive(&other, 0, RecvFlags::empty())?;
        check(came.flags.contains(ReturnFlags::CTRUNC), || {
            format!("{:?}", came.flags)
        })?;
    }
    Ok(())
}

fn credentials_of_a_child() -> Verdict {
    let (one, other) = pair(SocketType::STREAM)?;
    sockopt::set_socket_passcred(&other, true).told("option")?;
    put(&one, b"me")?;
    let pid = child(|| i32::from(write(&one, b"child") != Ok(5)))?;
    same("exit", ended(pid)?.exit_status(), Some(0))?;
    // Bytes of different senders do not come at once.
    let came = receive(&other, WHO, RecvFlags::empty())?;
    same(
        "mine",
        (came.bytes, came.who),
        (b"me".to_vec(), Some(myself())),
    )?;
    let came = receive(&other, WHO, RecvFlags::empty())?;
    let (_, uid, gid) = myself();
    let theirs = Some((Pid::as_raw(Some(pid)), uid, gid));
    same(
        "child's",
        (came.bytes, came.who),
        (b"child".to_vec(), theirs),
    )
}

fn credentials_that_lie() -> Verdict {
    let lie = |pid: Pid, uid: u32, gid: u32| UCred {
        pid,
        uid: Uid::from_raw(uid),
        gid: Gid::from_raw(gid),
    };
    let (one, other) = pair(SocketType::DGRAM)?;
    sockopt::set_socket_passcred(&other, true).told("option")?;
    let parent = getpid();
    as_user(1000, 1001, &[], || {
        send_as(&one, lie(getpid(), 1000, 1001)).told("the truth")?;
        fails("pid", send_as(&one, lie(parent, 1000, 1001)), Errno::PERM)?;
        fails("uid", send_as(&one, lie(getpid(), 0, 1001)), Errno::PERM)?;
        fails("gid", send_as(&one, lie(getpid(), 1000, 0)), Errno::PERM)
    })?;
    let came = receive(&other, WHO, RecvFlags::empty())?;
    same(
        "ids",
        came.who.map(|who| (who.1, who.2)),
        Some((1000, 1001)),
    )?;
    // Who has capabilities may.
    send_as(&one, lie(getpid(), 5, 6)).told("sendmsg")?;
    let came = receive(&other, WHO, RecvFlags::empty())?;
    same("ids", came.who, Some((myself().0, 5, 6)))
}

fn credentials_of_the_peer() -> Verdict {
    let (one, _other) = pair(SocketType::SEQPACKET)?;
    let peer = sockopt::socket_peercred(&one).told("option")?;
    let told = (
        Pid::as_raw(Some(peer.pid)),
        peer.uid.as_raw(),
        peer.gid.as_raw(),
    );
    same("peer", told, myself())
}

fn message_cut_off() -> Verdict {
    let (one, other) = pair(SocketType::SEQPACKET)?;
    put(&one, &[1; 200])?;
    put(&one, &[2; 50])?;
    let came = receive(&other, 0, RecvFlags::empty())?;
    same(
        "first",
        (came.bytes.len(), came.flags),
        (100, ReturnFlags::TRUNC),
    )?;
    let came = receive(&other, 0, RecvFlags::empty())?;
    same(
        "second",
        (came.bytes.len(), came.flags),
        (50, ReturnFlags::empty()),
    )
}

fn scattered() -> Verdict {
    use std::io::{IoSlice, IoSliceMut};
    for kind in [SocketType::STREAM, SocketType::DGRAM] {
        let (one, other) = pair(kind)?;
        let parts = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")];
        same(
            "writev",
            rustix::io::writev(&one, &parts).told("writev")?,
            5,
        )?;
        let (mut first, mut second) = ([0; 1], [0; 9]);
        let mut parts = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        same(
            "readv",
            rustix::io::readv(&other, &mut parts).told("readv")?,
            5,
        )?;
        same(
            "bytes",
            (&first, second.get(..4)),
            (b"a", Some(&b"bcde"[..])),
        )?;
    }
    Ok(())
}

fn options() -> Verdict {
    let (one, other) = pair(SocketType::SEQPACKET)?;
    same(
        "type",
        sockopt::socket_type(&one).told("option")?,
        SocketType::SEQPACKET,
    )?;
    let domain = sockopt::socket_domain(&one).told("option")?;
    same("domain", domain, rustix::net::AddressFamily::UNIX)?;
    same(
        "listens",
        sockopt::socket_acceptconn(&one).told("option")?,
        false,
    )?;
    same(
        "size",
        sockopt::socket_send_buffer_size(&one).told("option")?,
        212_992,
    )?;
    sockopt::set_socket_send_buffer_size(&one, 10_000).told("option")?;
    same(
        "size",
        sockopt::socket_send_buffer_size(&one).told("option")?,
        20_000,
    )?;
    fails("too long", write(&one, &[0; 20_000]), Errno::MSGSIZE)?;
    sockopt::set_socket_send_buffer_size(&one, 1).told("option")?;
    same(
        "least",
        sockopt::socket_send_buffer_size(&one).told("option")?,
        4608,
    )?;
    sockopt::set_socket_reuseaddr(&one, true).told("option")?;
    same(
        "address",
        sockopt::socket_reuseaddr(&one).told("option")?,
        true,
    )?;
    // An error is told once.
    same("error", sockopt::socket_error(&one).told("option")?, Ok(()))?;
    put(&one, b"unread")?;
    drop(other);
    let told = sockopt::socket_error(&one).told("option")?;
    same("error", told, Err(Errno::CONNRESET))?;
    same("error", sockopt::socket_error(&one).told("option")?, Ok(()))
}

fn time_limits() -> Verdict {
    use sockopt::Timeout::{Recv, Send};
    let (one, other) = pair(SocketType::STREAM)?;
    let short = Some(Duration::from_millis(20));
    sockopt::set_socket_timeout(&one, Recv, short).told("option")?;
    same(
        "limit",
        sockopt::socket_timeout(&one, Recv).told("option")?,
        short,
    )?;
    same(
        "limit",
        sockopt::socket_timeout(&one, Send).told("option")?,
        None,
    )?;
    fails("read", read(&one, &mut [0; 1]), Errno::AGAIN)?;
    sockopt::set_socket_timeout(&one, Send, short).told("option")?;
    let mut sent = 0;
    let block = [0; 60_000];
    let late = loop {
        match write(&one, &block) {
            Ok(some) => sent += some,
            Err(errno) => break errno,
        }
        check(sent < 1 << 24, || "no end".to_owned())?;
    };
    same("write", late, Errno::AGAIN)?;
    next(&other, 1 << 20).map(drop)
}

fn interrupted() -> Verdict {
    let (one, _other) = pair(SocketType::STREAM)?;
    let parent = getpid();
    let signal = rustix::process::Signal::USR1;
    let after = || {
        child(|| {
            pause_ms(30);
            i32::from(rustix::process::kill_process(parent, signal).is_err())
        })
    };
    handler::count(signal.as_raw(), Manner::Interrupt).told("sigaction")?;
    let pid = after()?;
    fails("read", read(&one, &mut [0; 1]), Errno::INTR)?;
    ended(pid)?;
    // With a time limit it is not made again either, whatever the handler asks for.
    handler::count(signal.as_raw(), Manner::Restart).told("sigaction")?;
    let long = Some(Duration::from_secs(60));
    sockopt::set_socket_timeout(&one, sockopt::Timeout::Recv, long).told("option")?;
    let pid = after()?;
    fails("read", read(&one, &mut [0; 1]), Errno::INTR)?;
    ended(pid).map(drop)
}

fn bytes_waiting() -> Verdict {
    let waiting = |socket: &OwnedFd| rustix::io::ioctl_fionread(socket).told("ioctl");
    for (kind, count) in [
        (SocketType::STREAM, 5),
        (SocketType::SEQPACKET, 5),
        (SocketType::DGRAM, 2),
    ] {
        let (one, other) = pair(kind)?;
        same("nothing", waiting(&other)?, 0)?;
        put(&one, b"ab")?;
        put(&one, b"cde")?;
        same("waiting", waiting(&other)?, count)?;
    }
    let (one, _other) = pair_with(SocketType::STREAM, SocketFlags::empty())?;
    rustix::io::ioctl_fionbio(&one, true).told("ioctl")?;
    fails("read", read(&one, &mut [0; 1]), Errno::AGAIN)
}

fn send_file() -> Verdict {
    super::files::in_directory(|directory| {
        let path = directory.join("file");
        std::fs::write(&path, b"abcdef").told("write")?;
        let file = std::fs::File::open(&path).told("open")?;
        let (one, other) = pair(SocketType::STREAM)?;
        let mut from = 2;
        let sent = rustix::fs::sendfile(&one, &file, Some(&mut from), 3).told("sendfile")?;
        same("sent", (sent, from), (3, 5))?;
        same("read", next(&other, 9)?, b"cde".to_vec())
    })
}

fn standard_library() -> Verdict {
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
    super::files::in_directory(|directory| {
        let listener = UnixListener::bind(directory.join("s")).told("bind")?;
        let mut near = UnixStream::connect(directory.join("s")).told("connect")?;
        let (mut far, _) = listener.accept().told("accept")?;
        near.set_read_timeout(Some(Duration::from_millis(10)))
            .told("option")?;
        let late = near.read(&mut [0; 1]).err().map(|error| error.kind());
        same("late", late, Some(std::io::ErrorKind::WouldBlock))?;
        far.write_all(b"hello").told("write")?;
        let mut bytes = [0; 5];
        near.read_exact(&mut bytes).told("read")?;
        same("read", &bytes, b"hello")?;
        let datagrams = UnixDatagram::bind(directory.join("d")).told("bind")?;
        let sender = UnixDatagram::unbound().told("socket")?;
        sender.send_to(b"log", directory.join("d")).told("send")?;
        let (len, from) = datagrams.recv_from(&mut bytes).told("recv")?;
        same("log", (len, from.is_unnamed()), (3, true))
    })
}
