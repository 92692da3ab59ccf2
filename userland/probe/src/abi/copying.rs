//! Content that goes from one file to another within the kernel: sendfile, copy_file_range.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{copy_file_range, sendfile};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use super::content::{lseek, open, size, with_file};
use super::{Case, Told, Verdict, check, fails, same};

pub const CASES: &[Case] = &[
    ("content/sendfile", sending),
    ("content/sendfile-to-a-pipe", sending_to_a_pipe),
    ("content/copy-range", copy_range),
    ("content/copy-range-errors", copy_range_errors),
];

/// A file with so many bytes, and them.
fn filled(path: &Path, len: u32) -> Result<(File, Vec<u8>), String> {
    let bytes: Vec<u8> = (0..len).map(|i| (i % 253) as u8).collect();
    fs::write(path, &bytes).told("write")?;
    Ok((open(path)?, bytes))
}

fn sending() -> Verdict {
    with_file(|path, to| {
        let (from, bytes) = filled(&path.with_extension("from"), 500_000)?;
        same("all of it", sendfile(to, &from, None, 1 << 20), Ok(500_000))?;
        check(fs::read(path).told("read")? == bytes, || {
            "other bytes".into()
        })?;
        same(
            "own places",
            (lseek(&from, 0, 1), lseek(to, 0, 1)),
            (Ok(500_000), Ok(500_000)),
        )?;
        let mut at = 499_990;
        same(
            "from a place",
            sendfile(to, &from, Some(&mut at), 100),
            Ok(10),
        )?;
        same("the place", at, 500_000)?;
        same("the end", sendfile(to, &from, Some(&mut at), 100), Ok(0))?;
        same(
            "own places",
            (lseek(&from, 0, 1), lseek(to, 0, 1)),
            (Ok(500_000), Ok(500_010)),
        )?;
        let append = OpenOptions::new().append(true).open(path).told("open")?;
        fails("to append", sendfile(&append, &from, None, 1), Errno::INVAL)?;
        let readable = File::open(path).told("open")?;
        fails(
            "to a reader",
            sendfile(&readable, &from, None, 1),
            Errno::BADF,
        )?;
        fails("from a writer", sendfile(to, &append, None, 1), Errno::BADF)
    })
}

fn sending_to_a_pipe() -> Verdict {
    with_file(|path, _| {
        let (from, bytes) = filled(path, 300_000)?;
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).told("pipe")?;
        // As much at once as fits.
        let sender = super::child(|| {
            let mut sent = 0;
            while let Ok(part) = sendfile(&writer, &from, None, 300_000) {
                if part == 0 {
                    break;
                }
                sent += part;
            }
            i32::from(sent != 300_000)
        })?;
        drop(writer);
        let mut got = Vec::new();
        File::from(reader).read_to_end(&mut got).told("read")?;
        check(got == bytes, || format!("{} bytes, or others", got.len()))?;
        same("sender", super::ended(sender)?.exit_status(), Some(0))
    })
}

fn copy_range() -> Verdict {
    with_file(|path, to| {
        let (from, bytes) = filled(&path.with_extension("from"), 200_000)?;
        same(
            "all",
            copy_file_range(&from, None, to, None, 1 << 20),
            Ok(200_000),
        )?;
        check(fs::read(path).told("read")? == bytes, || {
            "other bytes".into()
        })?;
        let (mut one, mut other) = (100, 300_000);
        let copied = copy_file_range(&from, Some(&mut one), to, Some(&mut other), 1000);
        same("between places", copied, Ok(1000))?;
        same("places", (one, other), (1100, 301_000))?;
        same("size", size(to)?.0, 301_000)?;
        let mut found = vec![0; 1000];
        to.read_exact_at(&mut found, 300_000).told("read")?;
        check(bytes.get(100..1100) == Some(&found[..]), || {
            "other bytes".into()
        })?;
        let (mut one, mut other) = (0, 400_000);
        let within = copy_file_range(to, Some(&mut one), to, Some(&mut other), 1000);
        same("within a file", within, Ok(1000))
    })
}

fn copy_range_errors() -> Verdict {
    with_file(|path, file| {
        let (from, _) = filled(&path.with_extension("from"), 10_000)?;
        let copy = |from: &File, to: &File| copy_file_range(from, None, to, None, 10);
        let (readable, append) = (
            File::open(path).told("open")?,
            OpenOptions::new().append(true).open(path).told("open")?,
        );
        fails("to a reader", copy(&from, &readable), Errno::BADF)?;
        fails("to append", copy(&from, &append), Errno::BADF)?;
        let directory = File::open(path.parent().ok_or("no parent")?).told("open")?;
        fails("a directory", copy(&directory, file), Errno::ISDIR)?;
        let null = OpenOptions::new()
            .write(true)
            .open("/dev/null")
            .told("open")?;
        fails("a device", copy(&from, &null), Errno::INVAL)?;
        let (mut one, mut other) = (0, 50);
        let overlapping = copy_file_range(&from, Some(&mut one), &from, Some(&mut other), 100);
        fails("onto itself", overlapping, Errno::INVAL)?;
        let mut far = u64::MAX - 5;
        let past = copy_file_range(&from, Some(&mut far), file, None, 10);
        check(past.is_err(), || "from nowhere".into())?;
        let mut end = 10_000;
        same(
            "the end",
            copy_file_range(&from, Some(&mut end), file, None, 10),
            Ok(0),
        )
    })
}
