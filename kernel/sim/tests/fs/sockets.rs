//! Sockets: what they leave behind, and what happens when memory runs out.

use crate::bench::{Bench, OUT, e};
use berth_kernel::disturb::Kind;
use berth_kernel::error::Errno;
use linux_raw_sys::general as linux;
use linux_raw_sys::net as sock;

const KINDS: [u32; 3] = [sock::SOCK_STREAM, sock::SOCK_DGRAM, sock::SOCK_SEQPACKET];

fn pair(b: &mut Bench, kind: u32) -> (u64, u64) {
    let args = [u64::from(sock::AF_UNIX), u64::from(kind), 0, OUT];
    b.call(linux::__NR_socketpair, &args).unwrap();
    let both = b.word(OUT);
    (both & 0xffff_ffff, both >> 32)
}

/// Charges refused one after the other until a run needs no more of them; each run must end as if
/// nothing was refused.
fn with_every_charge_refused(b: &mut Bench, mut run: impl FnMut(&mut Bench)) {
    for refused in 0.. {
        b.k.groups.disturb.due = Some((refused, Kind::Refusal));
        run(b);
        if b.k.groups.disturb.due.take().is_some() {
            assert!(refused > 0, "nothing is charged");
            return;
        }
    }
}

#[test]
fn what_was_not_received_goes_with_the_sockets() {
    for kind in KINDS {
        let mut b = Bench::new();
        let (one, other) = pair(&mut b, kind);
        for len in [1, 5000, 60_000] {
            assert_eq!(b.write(one, &vec![7; len]), Ok(len as u64));
        }
        b.close(other);
        b.close(one);
        b.end();
    }
}

#[test]
fn a_refused_charge_changes_nothing() {
    let mut b = Bench::new();
    with_every_charge_refused(&mut b, |b| {
        for kind in KINDS {
            let (one, other) = pair(b, kind);
            assert_eq!(b.write(one, &[1; 5000]), Ok(5000));
            assert_eq!(b.write(one, &[2; 5000]), Ok(5000));
            assert_eq!(b.read(other, 5000).unwrap(), [1; 5000]);
            assert_eq!(b.read(other, 5000).unwrap(), [2; 5000]);
            b.close(one);
            b.close(other);
        }
    });
    b.end();
}

#[test]
fn a_message_goes_whole_or_not_at_all() {
    let mut b = Bench::new();
    let (one, other) = pair(&mut b, sock::SOCK_SEQPACKET);
    let missing = 0x1000;
    assert_eq!(
        b.call(linux::__NR_write, &[one, missing, 10]),
        Err(e(Errno::EFAULT))
    );
    b.write(one, b"whole").unwrap();
    assert_eq!(
        b.call(linux::__NR_read, &[other, missing, 10]),
        Err(e(Errno::EFAULT))
    );
    assert_eq!(b.read(other, 10).unwrap(), b"whole");
    b.close(one);
    b.close(other);
    b.end();
}

#[test]
fn an_empty_socket_is_waited_for() {
    for kind in KINDS {
        let mut b = Bench::new();
        let (one, other) = pair(&mut b, kind);
        b.call(linux::__NR_dup2, &[other, 50]).unwrap();
        assert_eq!(b.attempt(linux::__NR_read, &[one, OUT, 10]), None);
        assert_eq!(b.k.waits.len(), 1);
    }
}

const MESSAGE: u64 = OUT + 0x1000;
const VECTOR: u64 = OUT + 0x1100;
const CONTROL: u64 = OUT + 0x1200;
const BYTES: u64 = OUT + 0x2000;
const ROOM: u64 = 0x800;

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A message of one byte with so many bytes of control messages.
fn message(b: &mut Bench, control: u64) {
    b.put(VECTOR, &words(&[BYTES, 1]));
    b.put(MESSAGE, &words(&[0, 0, VECTOR, 1, CONTROL, control, 0]));
}

fn send_files(b: &mut Bench, to: u64, files: &[u64]) -> Result<u64, i32> {
    let len = 16 + 4 * files.len() as u64;
    message(b, len);
    b.put(CONTROL, &words(&[len, 0x1_0000_0001]));
    for (n, file) in files.iter().enumerate() {
        b.put(CONTROL + 16 + 4 * n as u64, &(*file as u32).to_le_bytes());
    }
    b.call(linux::__NR_sendmsg, &[to, MESSAGE, 0])
}

/// The descriptors that a message brings.
fn receive_files(b: &mut Bench, from: u64) -> Vec<u64> {
    message(b, ROOM);
    b.call(linux::__NR_recvmsg, &[from, MESSAGE, 0]).unwrap();
    let used = b.word(MESSAGE + 40);
    let count = if used == 0 {
        0
    } else {
        (b.word(CONTROL) - 16) / 4
    };
    let bytes = b.get(CONTROL + 16, 4 * count as usize);
    let each = bytes.chunks_exact(4);
    each.map(|fd| u64::from(u32::from_le_bytes(fd.try_into().unwrap())))
        .collect()
}

/// The address of a name: a path with a NUL behind it, or a name with one before it.
fn address(b: &mut Bench, name: &str) -> (u64, u64) {
    let at = b.text(&format!("\u{1}\0{name}"));
    (at, 2 + name.len() as u64)
}

fn named(b: &mut Bench, call: u32, socket: u64, name: &str) -> Result<u64, i32> {
    let (at, len) = address(b, name);
    b.call(call, &[socket, at, len])
}

fn socket(b: &mut Bench, kind: u32) -> u64 {
    b.call(linux::__NR_socket, &[1, u64::from(kind), 0])
        .unwrap()
}

#[test]
fn a_refused_charge_does_not_undo_names_and_connections() {
    let mut b = Bench::new();
    with_every_charge_refused(&mut b, |b| {
        for name in ["/socket", "\0socket"] {
            let listener = socket(b, sock::SOCK_STREAM);
            named(b, linux::__NR_bind, listener, name).unwrap();
            b.call(linux::__NR_listen, &[listener, 1]).unwrap();
            let near = socket(b, sock::SOCK_STREAM);
            named(b, linux::__NR_connect, near, name).unwrap();
            assert_eq!(send_files(b, near, &[near, near]), Ok(1));
            let far = b.call(linux::__NR_accept, &[listener, 0, 0]).unwrap();
            let files = receive_files(b, far);
            assert_eq!(files.len(), 2);
            for fd in [listener, near, far].iter().chain(&files) {
                b.close(*fd);
            }
        }
        b.on(linux::__NR_unlink, "/socket", &[]).unwrap();
    });
    b.end();
}

#[test]
fn a_socket_in_flight_over_itself_is_refused() {
    for kind in KINDS {
        let mut b = Bench::new();
        let (one, other) = pair(&mut b, kind);
        let refused = Err(e(Errno::ETOOMANYREFS));
        assert_eq!(send_files(&mut b, one, &[other]), refused);
        // The end that sends may go, but then nothing that leads back.
        assert_eq!(send_files(&mut b, one, &[one]), Ok(1));
        assert_eq!(send_files(&mut b, other, &[other]), refused);
        b.close(one);
        b.close(other);
        b.end();
    }
}

#[test]
fn rings_of_sockets_in_flight_are_refused() {
    let mut b = Bench::new();
    let pairs: Vec<_> = (0..4).map(|_| pair(&mut b, sock::SOCK_STREAM)).collect();
    let refused = Err(e(Errno::ETOOMANYREFS));
    // Each receiver holds the next one; the last would hold the first.
    for two in pairs.windows(2) {
        assert_eq!(send_files(&mut b, two[0].0, &[two[1].1]), Ok(1));
    }
    assert_eq!(send_files(&mut b, pairs[3].0, &[pairs[0].1]), refused);
    // Nor the other way round.
    let (near, far) = pair(&mut b, sock::SOCK_DGRAM);
    assert_eq!(send_files(&mut b, near, &[pairs[0].1]), Ok(1));
    assert_eq!(send_files(&mut b, pairs[3].0, &[far]), refused);
    for (one, other) in pairs.into_iter().chain([(near, far)]) {
        b.close(one);
        b.close(other);
    }
    b.end();
}

#[test]
fn a_listener_is_not_in_flight_in_its_own_connection() {
    let mut b = Bench::new();
    let listener = socket(&mut b, sock::SOCK_STREAM);
    named(&mut b, linux::__NR_bind, listener, "\0l").unwrap();
    b.call(linux::__NR_listen, &[listener, 9]).unwrap();
    let near = socket(&mut b, sock::SOCK_STREAM);
    named(&mut b, linux::__NR_connect, near, "\0l").unwrap();
    let refused = Err(e(Errno::ETOOMANYREFS));
    assert_eq!(send_files(&mut b, near, &[listener]), refused);
    let (one, other) = pair(&mut b, sock::SOCK_STREAM);
    assert_eq!(send_files(&mut b, near, &[other]), Ok(1));
    assert_eq!(send_files(&mut b, one, &[listener]), refused);
    for fd in [listener, near, one, other] {
        b.close(fd);
    }
    b.end();
}

#[test]
fn a_deep_nest_ends_in_a_job() {
    let mut b = Bench::new();
    let mut depth = 0;
    let (first, mut inner) = pair(&mut b, sock::SOCK_STREAM);
    let mut ends = vec![first];
    // Inside out: each socket is sent with what it holds.
    loop {
        let (one, other) = pair(&mut b, sock::SOCK_STREAM);
        let sent = send_files(&mut b, one, &[inner]);
        b.close(inner);
        ends.push(one);
        inner = other;
        match sent {
            Ok(_) => depth += 1,
            Err(errno) => {
                assert_eq!(errno, e(Errno::ETOOMANYREFS));
                break;
            }
        }
    }
    assert!((4..20).contains(&depth), "{depth}");
    // Much to free: descriptors of a pipe, in message after message.
    b.call(linux::__NR_pipe2, &[OUT, 0]).unwrap();
    let both = b.word(OUT);
    let (r, w) = (both & 0xffff_ffff, both >> 32);
    for _ in 0..20 {
        assert_eq!(send_files(&mut b, ends[ends.len() - 1], &[w; 100]), Ok(1));
    }
    b.close(w);
    b.close(inner);
    for end in ends {
        b.close(end);
    }
    assert!(!b.k.work.is_empty(), "too much for one trap");
    assert_eq!(b.read(r, 1).unwrap(), [], "everybody who writes is gone");
    b.close(r);
    b.end();
}

#[test]
fn a_user_has_only_so_many_files_in_flight() {
    let mut b = Bench::new();
    let (one, other) = pair(&mut b, sock::SOCK_STREAM);
    b.become_user(7);
    let limit = words(&[20, 20]);
    b.put(OUT, &limit);
    b.call(
        linux::__NR_setrlimit,
        &[u64::from(linux::RLIMIT_NOFILE), OUT],
    )
    .unwrap();
    assert_eq!(
        send_files(&mut b, one, &[0x7fff_ffff]),
        Err(e(Errno::EBADF))
    );
    assert_eq!(send_files(&mut b, one, &[one; 21]), Ok(1));
    let refused = Err(e(Errno::ETOOMANYREFS));
    assert_eq!(send_files(&mut b, one, &[one]), refused);
    b.become_root();
    assert_eq!(send_files(&mut b, one, &[one]), Ok(1));
    b.become_user(7);
    b.call(linux::__NR_read, &[other, OUT, 1]).unwrap();
    assert_eq!(send_files(&mut b, one, &[one]), Ok(1));
    b.close(one);
    b.close(other);
    b.end();
}

#[test]
fn the_table_shows_who_is_there() {
    let mut b = Bench::new();
    b.mkdir("/proc").unwrap();
    b.mount("proc", "/proc", "proc", 0, "").unwrap();
    let listener = socket(&mut b, sock::SOCK_SEQPACKET);
    named(&mut b, linux::__NR_bind, listener, "/name").unwrap();
    b.call(linux::__NR_listen, &[listener, 9]).unwrap();
    let other = socket(&mut b, sock::SOCK_DGRAM);
    named(&mut b, linux::__NR_bind, other, "\0x\0y").unwrap();
    let table = b.content("/proc/self/net/unix").unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert_eq!(
        lines[0],
        "Num       RefCount Protocol Flags    Type St Inode Path"
    );
    assert!(
        lines[1].contains(": 00000002 00000000 00010000 0005 01 "),
        "{table}"
    );
    assert!(lines[1].ends_with(" /name"), "{table}");
    assert!(lines[2].ends_with(" @x@y"), "{table}");
    let many: Vec<_> = (0..200).map(|_| pair(&mut b, sock::SOCK_STREAM)).collect();
    let fd = b.open("/proc/self/net/unix", 0).unwrap();
    let mut text = Vec::new();
    loop {
        match b.read(fd, 1000).unwrap() {
            part if part.is_empty() => break,
            part => text.extend(part),
        }
    }
    let count = text.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(count, 403, "each once");
    for fd in many.into_iter().flat_map(|(one, other)| [one, other]) {
        b.close(fd);
    }
    for fd in [fd, listener, other] {
        b.close(fd);
    }
    b.on(linux::__NR_unlink, "/name", &[]).unwrap();
    b.umount("/proc", 0).unwrap();
    b.on(linux::__NR_rmdir, "/proc", &[]).unwrap();
    b.end();
}
