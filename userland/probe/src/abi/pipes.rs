//! Pipes, poll, descriptors.

use std::io::{Read, Seek, Write};

use berth_sys::audit::pause_ms;
use berth_sys::handler::{self, Manner};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::{Errno, FdFlags, fcntl_getfd, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};

use super::{Case, Told, Verdict, check, child, ended, fails, same};

pub const CASES: &[Case] = &[
    ("pipes/bytes-in-order", bytes_in_order),
    ("pipes/end-of-file", end_of_file),
    ("pipes/no-reader", no_reader),
    ("pipes/not-blocking", not_blocking),
    ("pipes/full-and-empty", full_and_empty),
    ("pipes/poll", poll_pipe),
    ("pipes/poll-times-out", poll_times_out),
    ("pipes/poll-wakes-up", poll_wakes_up),
    ("pipes/dup-shares-the-offset", dup_shares_the_offset),
    ("pipes/close-on-exec", close_on_exec),
    ("pipes/bad-descriptor", bad_descriptor),
];

fn bytes_in_order() -> Verdict {
    let (mut reader, mut writer) = crate::small::pipe().told("pipe")?;
    // Many times what a pipe holds: both sides have to wait for each other.
    let count = 300_000usize;
    let byte = |index: usize| u8::try_from(index % 251).unwrap_or(0);
    let pid = child(|| {
        let bytes: Vec<u8> = (0..count).map(byte).collect();
        i32::from(writer.write_all(&bytes).is_err())
    })?;
    drop(writer);
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).told("read")?;
    same("exit", ended(pid)?.exit_status(), Some(0))?;
    same("length", bytes.len(), count)?;
    check(bytes.iter().enumerate().all(|(i, b)| *b == byte(i)), || {
        "other bytes".to_owned()
    })
}

fn end_of_file() -> Verdict {
    let (mut reader, mut writer) = crate::small::pipe().told("pipe")?;
    writer.write_all(b"ab").told("write")?;
    drop(writer);
    let mut bytes = [0; 8];
    same("read", reader.read(&mut bytes).told("read")?, 2)?;
    same("read at the end", reader.read(&mut bytes).told("read")?, 0)
}

fn no_reader() -> Verdict {
    let (reader, writer) = crate::small::pipe().told("pipe")?;
    drop(reader);
    // The standard library ignores SIGPIPE; here it shall come.
    handler::count(13, Manner::Interrupt).told("sigaction")?;
    fails("write", rustix::io::write(&writer, b"x"), Errno::PIPE)?;
    same("SIGPIPE", handler::taken(13), 1)?;
    super::dies(13, || {
        let _ = handler::default(13);
        let _ = rustix::io::write(&writer, b"x");
    })
}

fn not_blocking() -> Verdict {
    let (reader, writer) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).told("pipe2")?;
    fails("read", rustix::io::read(&reader, &mut [0; 4]), Errno::AGAIN)?;
    let block = [7u8; 4096];
    let mut held = 0usize;
    let full = loop {
        match rustix::io::write(&writer, &block) {
            Ok(some) => held = held.saturating_add(some),
            Err(errno) => break errno,
        }
        check(held <= 1 << 22, || "takes bytes for ever".to_owned())?;
    };
    same("write", full, Errno::AGAIN)?;
    check(held >= 4096, || format!("holds {held} bytes"))?;
    let mut sink = vec![0; held];
    same(
        "read",
        rustix::io::read(&reader, &mut sink).told("read")?,
        held,
    )?;
    fcntl_setfl(&reader, OFlags::empty()).told("fcntl")?;
    rustix::io::write(&writer, b"x").told("write")?;
    same(
        "read",
        rustix::io::read(&reader, &mut sink).told("read")?,
        1,
    )
}

fn full_and_empty() -> Verdict {
    let (mut reader, mut writer) = crate::small::pipe().told("pipe")?;
    let pid = child(|| {
        let mut byte = [0];
        for turn in 0..200u8 {
            if reader.read_exact(&mut byte).is_err() || byte != [turn] {
                return 1;
            }
        }
        0
    })?;
    for turn in 0..200u8 {
        writer.write_all(&[turn]).told("write")?;
    }
    same("exit", ended(pid)?.exit_status(), Some(0))
}

const NOW: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

fn poll_pipe() -> Verdict {
    let (reader, mut writer) = crate::small::pipe().told("pipe")?;
    let look = |wanted: PollFlags| -> Result<PollFlags, String> {
        let mut sources = [PollFd::new(&reader, wanted)];
        poll(&mut sources, Some(&NOW)).told("poll")?;
        let [source] = &sources;
        Ok(source.revents())
    };
    same("empty", look(PollFlags::IN)?, PollFlags::empty())?;
    writer.write_all(b"x").told("write")?;
    same("with a byte", look(PollFlags::IN)?, PollFlags::IN)?;
    let mut ends = [PollFd::new(&writer, PollFlags::OUT)];
    same("writers", poll(&mut ends, Some(&NOW)).told("poll")?, 1)?;
    drop(writer);
    same(
        "last bytes",
        look(PollFlags::IN)?,
        PollFlags::IN | PollFlags::HUP,
    )?;
    rustix::io::read(&reader, &mut [0; 4]).told("read")?;
    same("at the end", look(PollFlags::IN)?, PollFlags::HUP)
}

fn poll_times_out() -> Verdict {
    let (reader, _writer) = crate::small::pipe().told("pipe")?;
    let begin = super::misc::monotonic();
    let timeout = Timespec {
        tv_sec: 0,
        tv_nsec: 30_000_000,
    };
    let mut sources = [PollFd::new(&reader, PollFlags::IN)];
    same("poll", poll(&mut sources, Some(&timeout)).told("poll")?, 0)?;
    let slept = super::misc::monotonic().saturating_sub(begin);
    check(slept >= 30_000_000, || format!("after {slept} ns already"))
}

fn poll_wakes_up() -> Verdict {
    let (reader, writer) = crate::small::pipe().told("pipe")?;
    let pid = child(|| {
        pause_ms(20);
        i32::from(rustix::io::write(&writer, b"x") != Ok(1))
    })?;
    let mut sources = [PollFd::new(&reader, PollFlags::IN)];
    let timeout = Timespec {
        tv_sec: 20,
        tv_nsec: 0,
    };
    same("poll", poll(&mut sources, Some(&timeout)).told("poll")?, 1)?;
    same("exit", ended(pid)?.exit_status(), Some(0))
}

fn dup_shares_the_offset() -> Verdict {
    super::files::in_directory(|directory| {
        let path = directory.join("file");
        std::fs::write(&path, b"abcdef").told("write")?;
        let mut file = std::fs::File::open(&path).told("open")?;
        let mut twin = file.try_clone().told("dup")?;
        let mut bytes = [0; 2];
        file.read_exact(&mut bytes).told("read")?;
        twin.read_exact(&mut bytes).told("read")?;
        same("read", &bytes, b"cd")?;
        let pid = child(|| i32::from(twin.read_exact(&mut bytes).is_err()))?;
        same("exit", ended(pid)?.exit_status(), Some(0))?;
        same("offset", file.stream_position().told("lseek")?, 6)
    })
}

fn close_on_exec() -> Verdict {
    let (_reader, writer) = pipe_with(PipeFlags::CLOEXEC).told("pipe2")?;
    same(
        "flag",
        fcntl_getfd(&writer).told("fcntl")?,
        FdFlags::CLOEXEC,
    )?;
    let number = {
        use std::os::fd::AsRawFd;
        writer.as_raw_fd().to_string()
    };
    let inherited = || -> Result<bool, String> {
        let own = std::env::current_exe().told("own path")?;
        let output = std::process::Command::new(own)
            .args(["facts", "fds"])
            .output();
        let text = String::from_utf8_lossy(&output.told("exec")?.stdout).into_owned();
        check(text.contains("\"1\":"), || format!("{text:?}"))?;
        Ok(text.contains(&format!("\"{number}\":")))
    };
    same("inherited", inherited()?, false)?;
    fcntl_setfd(&writer, FdFlags::empty()).told("fcntl")?;
    same("inherited", inherited()?, true)
}

fn bad_descriptor() -> Verdict {
    use std::os::fd::AsFd;
    let (reader, writer) = crate::small::pipe().told("pipe")?;
    fails(
        "write",
        rustix::io::write(reader.as_fd(), b"x"),
        Errno::BADF,
    )?;
    fails(
        "read",
        rustix::io::read(writer.as_fd(), &mut [0; 1]),
        Errno::BADF,
    )?;
    fails(
        "seek",
        rustix::fs::seek(&reader, rustix::fs::SeekFrom::Start(0)),
        Errno::SPIPE,
    )?;
    fails("ioctl", rustix::termios::tcgetattr(&reader), Errno::NOTTY)
}
