//! Pipes and descriptors as far as fcntl changes them.

use std::fs::File;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::AsFd;

use berth_sys::files::fcntl;
use rustix::io::{Errno, readv, writev};
use rustix::pipe::{PipeFlags, pipe_with};

use super::content::{open, raw, with_file};
use super::{Case, Told, Verdict, check, fails, same};

pub const CASES: &[Case] = &[
    ("content/descriptor-commands", descriptor_commands),
    ("content/pipe-size", pipe_size),
    ("content/pipe-grows-for-writers", pipe_grows_for_writers),
    ("content/pipe-packets", pipe_packets),
];

fn descriptor_commands() -> Verdict {
    with_file(|path, file| {
        let by = |command, argument| fcntl(file.as_fd(), command, argument);
        let new = by(0, 50).told("F_DUPFD")?;
        check(new >= 50, || format!("descriptor {new}"))?;
        fails("too high", by(0, 1 << 30), Errno::INVAL)?;
        same("shared", by(1027, new), Ok(1))?;
        let other = open(path)?;
        let other = raw(i64::from(std::os::fd::AsRawFd::as_raw_fd(&other)));
        same("not shared", by(1027, other), Ok(0))?;
        same("owner", by(9, 0), Ok(0))?;
        same("signal", by(11, 0), Ok(0))?;
        same("lease", by(1025, 0), Ok(2))?;
        fails("unknown", by(999, 0), Errno::INVAL)?;
        fails("no pipe", by(1032, 0), Errno::BADF)?;
        let null = File::open("/dev/null").told("open")?;
        fails(
            "O_DIRECT of a device",
            fcntl(null.as_fd(), 4, 0o40000),
            Errno::INVAL,
        )
    })
}

fn pipe_grows_for_writers() -> Verdict {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).told("pipe")?;
    same("smallest", fcntl(writer.as_fd(), 1031, 4096), Ok(4096))?;
    let pid = super::child(|| {
        let written = rustix::io::write(&writer, &[7; 10_000]);
        i32::from(written != Ok(10_000))
    })?;
    while rustix::io::ioctl_fionread(&reader).told("ioctl")? < 4096 {
        berth_sys::audit::pause_ms(1);
    }
    same("larger", fcntl(reader.as_fd(), 1031, 65536), Ok(65536))?;
    same("writer", super::ended(pid)?.exit_status(), Some(0))
}

fn pipe_size() -> Verdict {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).told("pipe")?;
    let get = || fcntl(reader.as_fd(), 1032, 0);
    let set = |bytes| fcntl(writer.as_fd(), 1031, bytes);
    same("at first", get(), Ok(65536))?;
    same("rounded up", set(70_000), Ok(131_072))?;
    same("told", get(), Ok(131_072))?;
    let bytes: Vec<u8> = (0..131_072u32).map(|i| (i % 251) as u8).collect();
    same(
        "it holds so much",
        rustix::io::write(&writer, &bytes),
        Ok(131_072),
    )?;
    fails("full", rustix::io::write(&writer, b"x"), Errno::AGAIN)?;
    fails("smaller than its content", set(65536), Errno::BUSY)?;
    // Read and write on, so that the content goes around the end of the ring.
    let mut got = vec![0; 5000];
    same("read", rustix::io::read(&reader, &mut got), Ok(5000))?;
    same(
        "write",
        rustix::io::write(&writer, &bytes[..4000]),
        Ok(4000),
    )?;
    same("larger", set(262_144), Ok(262_144))?;
    let mut rest = vec![0; 200_000];
    let len = rustix::io::read(&reader, &mut rest).told("read")?;
    rest.truncate(len);
    let mut expected = bytes[5000..].to_vec();
    expected.extend_from_slice(&bytes[..4000]);
    check(rest == expected, || format!("{len} bytes, or others"))?;
    same("smaller", set(1), Ok(4096))?;
    same(
        "room",
        rustix::io::write(&writer, &bytes[..10_000]),
        Ok(4096),
    )?;
    same("a megabyte", set(1 << 20), Ok(1 << 20))?;
    fails("too much", set((1 << 31) + 1), Errno::INVAL)?;
    super::as_user(1000, 1000, &[], || {
        fails("without privilege", set((1 << 20) + 1), Errno::PERM)
    })
}

fn pipe_packets() -> Verdict {
    const DIRECT: u64 = 0o40000;
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::DIRECT).told("pipe2")?;
    same("flag", fcntl(writer.as_fd(), 3, 0), Ok(DIRECT | 1))?;
    for packet in [&b"one"[..], b"second", b"3"] {
        same(
            "write",
            rustix::io::write(&writer, packet),
            Ok(packet.len()),
        )?;
    }
    let mut bytes = [0; 16];
    let mut read = |room: usize| {
        let to = bytes.get_mut(..room).unwrap_or_default();
        let len = rustix::io::read(&reader, &mut *to)?;
        Ok::<Vec<u8>, Errno>(to.get(..len).unwrap_or_default().to_vec())
    };
    same("one packet", read(16), Ok(b"one".to_vec()))?;
    same("a part of one", read(2), Ok(b"se".to_vec()))?;
    same("its rest is gone", read(16), Ok(b"3".to_vec()))?;
    // A large write becomes packets of a page.
    same("write", rustix::io::write(&writer, &[7; 5000]), Ok(5000))?;
    let mut page = vec![0; 8192];
    same("the first", rustix::io::read(&reader, &mut page), Ok(4096))?;
    same("the second", rustix::io::read(&reader, &mut page), Ok(904))?;
    let parts = [IoSlice::new(b"ab"), IoSlice::new(b"cd")];
    same("writev", writev(&writer, &parts), Ok(4))?;
    let (mut one, mut two) = ([0; 3], [0; 3]);
    let mut into = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
    same("readv", readv(&reader, &mut into), Ok(4))?;
    same("bytes", (&one, two[0]), (b"abc", b'd'))?;
    // Without the flag the ends of writes are forgotten.
    fcntl(writer.as_fd(), 4, 0).told("F_SETFL")?;
    rustix::io::write(&writer, b"ab").told("write")?;
    rustix::io::write(&writer, b"cd").told("write")?;
    same("a stream", rustix::io::read(&reader, &mut page), Ok(4))
}
