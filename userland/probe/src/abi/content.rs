//! Content: places, sizes, pages, vectors.

use std::fs::{self, File, OpenOptions};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use berth_sys::files::{ByDescriptor, ByPath, by_descriptor, by_path};
use berth_sys::memory::{Region, Sharing};
use berth_sys::signals::{self, Action};
use berth_sys::timers;
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::{Errno, ReadWriteFlags, preadv, preadv2, pwritev, pwritev2, readv, writev};
use rustix::pipe::{PipeFlags, pipe_with};

use super::files::in_directory;
use super::opening::c;
use super::{Case, Told, Verdict, check, dies, fails, same};

pub const CASES: &[Case] = &[
    ("content/seek-errors", seek_errors),
    ("content/holes", holes),
    ("content/allocate", allocate),
    ("content/allocate-behind-the-end", allocate_behind_the_end),
    ("content/punch", punch),
    ("content/punch-what-is-mapped", punch_what_is_mapped),
    ("content/allocate-errors", allocate_errors),
    ("content/truncate-errors", truncate_errors),
    ("content/size-limit", size_limit),
    ("content/size-limit-kills", size_limit_kills),
    ("content/vectors", vectors),
    ("content/vectors-with-flags", vectors_with_flags),
    ("content/append-and-places", append_and_places),
    ("content/sync", sync),
    ("content/signals-do-not-cut", signals_do_not_cut),
    ("content/large-directory", large_directory),
];

/// A number as a register has it.
pub(super) fn raw(number: i64) -> u64 {
    u64::from_ne_bytes(number.to_ne_bytes())
}

pub(super) fn open(path: &Path) -> Result<File, String> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .told("open")
}

pub(super) fn with_file(work: impl FnOnce(&Path, &File) -> Verdict) -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        let file = open(&path)?;
        work(&path, &file)
    })
}

pub(super) fn lseek(file: &File, offset: i64, whence: u64) -> Result<u64, Errno> {
    by_descriptor(ByDescriptor::Lseek, file.as_fd(), [raw(offset), whence, 0])
}

/// Size, and pages that are there.
pub(super) fn size(file: &File) -> Result<(u64, u64), String> {
    let stat = file.metadata().told("fstat")?;
    Ok((stat.size(), stat.blocks() / 8))
}

fn seek_errors() -> Verdict {
    with_file(|path, file| {
        fails("whence", lseek(file, 0, 9), Errno::INVAL)?;
        fails("negative", lseek(file, -1, 0), Errno::INVAL)?;
        same("far", lseek(file, i64::MAX, 0), Ok(raw(i64::MAX)))?;
        fails("further", lseek(file, 1, 1), Errno::INVAL)?;
        fails("data behind the end", lseek(file, 0, 3), Errno::NXIO)?;
        fails("hole behind the end", lseek(file, 0, 4), Errno::NXIO)?;
        fails("write there", rustix::io::write(file, b"x"), Errno::INVAL)?;
        fails(
            "read there",
            rustix::io::read(file, &mut [0; 4]),
            Errno::INVAL,
        )?;
        same("nothing there", rustix::io::write(file, b""), Ok(0))?;
        let (reader, _writer) = pipe_with(PipeFlags::CLOEXEC).told("pipe")?;
        fails("a pipe", lseek(&File::from(reader), 0, 0), Errno::SPIPE)?;
        let directory = File::open(path.parent().ok_or("no parent")?).told("open")?;
        same("a directory", lseek(&directory, 0, 0), Ok(0))
    })
}

fn holes() -> Verdict {
    with_file(|_, file| {
        file.set_len(100 * 4096).told("ftruncate")?;
        for page in [10, 11, 12, 50] {
            file.write_all_at(b"x", page * 4096 + 7).told("pwrite")?;
        }
        let data = |from: i64| lseek(file, from, 3).map(|at| at / 4096);
        let hole = |from: i64| lseek(file, from, 4).map(|at| at / 4096);
        same("first data", data(0), Ok(10))?;
        same("first hole", hole(0), Ok(0))?;
        same(
            "within data",
            lseek(file, 11 * 4096 + 5, 3),
            Ok(11 * 4096 + 5),
        )?;
        same("hole behind data", hole(10 * 4096), Ok(13))?;
        same("next data", data(13 * 4096), Ok(50))?;
        fails("no more data", data(51 * 4096), Errno::NXIO)?;
        same("last hole", lseek(file, 51 * 4096, 4), Ok(51 * 4096))?;
        file.set_len(51 * 4096 - 100).told("ftruncate")?;
        same(
            "the end is a hole",
            lseek(file, 50 * 4096, 4),
            Ok(51 * 4096 - 100),
        )
    })
}

fn allocate() -> Verdict {
    with_file(|_, file| {
        let none = FallocateFlags::empty();
        file.write_all_at(b"abc", 0).told("write")?;
        fallocate(file, none, 0, 20_000).told("fallocate")?;
        same("size and pages", size(file)?, (20_000, 5))?;
        let mut bytes = [1; 8];
        file.read_exact_at(&mut bytes, 0).told("read")?;
        same("content", &bytes, b"abc\0\0\0\0\0")?;
        fallocate(file, none, 4096, 100).told("what is there")?;
        same("size and pages", size(file)?, (20_000, 5))?;
        fallocate(file, none, 100_000, 1).told("apart")?;
        same("size and pages", size(file)?, (100_001, 6))
    })
}

fn allocate_behind_the_end() -> Verdict {
    with_file(|_, file| {
        file.write_all_at(b"abc", 0).told("write")?;
        fallocate(file, FallocateFlags::KEEP_SIZE, 0, 40_000).told("fallocate")?;
        same("size and pages", size(file)?, (3, 10))?;
        same(
            "nothing to read",
            file.read_at(&mut [0; 4], 3).told("read")?,
            0,
        )?;
        file.set_len(10_000).told("ftruncate")?;
        let mut bytes = vec![1; 9997];
        file.read_exact_at(&mut bytes, 3).told("read")?;
        check(bytes.iter().all(|byte| *byte == 0), || "not zeros".into())?;
        file.set_len(5000).told("ftruncate")?;
        same("cut off", size(file)?, (5000, 2))?;
        fallocate(file, FallocateFlags::KEEP_SIZE, 8192, 4096).told("fallocate")?;
        file.set_len(5000).told("ftruncate")?;
        same("cut off", size(file)?, (5000, 2))
    })
}

fn punch() -> Verdict {
    with_file(|_, file| {
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let content: Vec<u8> = (0..40_000u32).map(|i| (i % 251) as u8 + 1).collect();
        file.write_all_at(&content, 0).told("write")?;
        let mut expected = content.clone();
        for (start, len) in [(5000, 10_000), (100, 50), (20_480, 4096), (39_000, 100_000)] {
            fallocate(file, hole, start as u64, len as u64).told("fallocate")?;
            let end = (start + len).min(expected.len());
            expected.get_mut(start..end).unwrap_or_default().fill(0);
            let mut found = vec![0; 40_000];
            file.read_exact_at(&mut found, 0).told("read")?;
            check(found == expected, || {
                format!("punched {start}+{len}: other bytes")
            })?;
        }
        // Whole pages are gone: 5000 to 15000 has one, and the one from 20480.
        same("size and pages", size(file)?, (40_000, 10 - 2))
    })
}

fn punch_what_is_mapped() -> Verdict {
    with_file(|path, file| {
        file.write_all_at(&[7; 8192], 0).told("write")?;
        let map = Region::file(file.as_fd(), 2, Sharing::Shared).told("mmap")?;
        same("mapped", (map.read(0), map.read(4096)), (7, 7))?;
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(file, hole, 0, 4096).told("fallocate")?;
        same("punched", (map.read(0), map.read(4096)), (0, 7))?;
        map.write(1, 9);
        let bytes = fs::read(path).told("read")?;
        same(
            "written through",
            bytes.get(..3).map(<[u8]>::to_vec),
            Some(vec![0, 9, 0]),
        )
    })
}

fn allocate_errors() -> Verdict {
    with_file(|path, file| {
        let by = |mode: u64, start: i64, len: i64| {
            let (start, len) = (raw(start), raw(len));
            by_descriptor(ByDescriptor::Fallocate, file.as_fd(), [mode, start, len])
        };
        fails("no length", by(0, 0, 0), Errno::INVAL)?;
        fails("negative", by(0, -1, 1), Errno::INVAL)?;
        fails("negative length", by(0, 0, -1), Errno::INVAL)?;
        fails("too far", by(0, i64::MAX, 1), Errno::FBIG)?;
        // A hole must keep the size; the rest tmpfs does not do.
        for mode in [2, 8, 0x10, 0x20, 0x40, 0x100] {
            fails("mode", by(mode, 0, 4096), Errno::OPNOTSUPP)?;
        }
        let none = FallocateFlags::empty();
        let readable = File::open(path).told("open")?;
        fails("read only", fallocate(&readable, none, 0, 1), Errno::BADF)?;
        let (_reader, writer) = pipe_with(PipeFlags::CLOEXEC).told("pipe")?;
        fails("a pipe", fallocate(&writer, none, 0, 1), Errno::SPIPE)?;
        let null = OpenOptions::new()
            .write(true)
            .open("/dev/null")
            .told("open")?;
        fails("a device", fallocate(&null, none, 0, 1), Errno::NODEV)
    })
}

fn truncate_errors() -> Verdict {
    with_file(|path, file| {
        let by = |path: &Path, size: i64| by_path(ByPath::Truncate, &c(path), [raw(size), 0]);
        fails("negative", by(path, -1), Errno::INVAL)?;
        let directory = path.parent().ok_or("no parent")?;
        fails("a directory", by(directory, 0), Errno::ISDIR)?;
        fails("missing", by(&directory.join("missing"), 0), Errno::NOENT)?;
        fails("a device", by(Path::new("/dev/null"), 0), Errno::INVAL)?;
        by(path, 1 << 40).told("large")?;
        same("size and pages", size(file)?, (1 << 40, 0))?;
        let cut = |file: &File, size: i64| {
            by_descriptor(ByDescriptor::Ftruncate, file.as_fd(), [raw(size), 0, 0])
        };
        fails("negative", cut(file, -1), Errno::INVAL)?;
        fails(
            "read only",
            cut(&File::open(path).told("open")?, 0),
            Errno::INVAL,
        )?;
        let (_reader, writer) = pipe_with(PipeFlags::CLOEXEC).told("pipe")?;
        fails("a pipe", cut(&File::from(writer), 0), Errno::INVAL)
    })
}

pub(super) fn limit_size(bytes: u64) -> Verdict {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let limit = Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    setrlimit(Resource::Fsize, limit).told("setrlimit")
}

fn size_limit() -> Verdict {
    with_file(|_, file| {
        super::isolated(|| {
            berth_sys::handler::ignore(25).told("sigaction")?;
            limit_size(10_000)?;
            same(
                "up to it",
                rustix::io::write(file, &[1; 12_000]),
                Ok(10_000),
            )?;
            fails("behind it", rustix::io::write(file, b"x"), Errno::FBIG)?;
            fails(
                "further",
                rustix::io::pwrite(file, b"x", 20_000),
                Errno::FBIG,
            )?;
            let grow = by_descriptor(ByDescriptor::Ftruncate, file.as_fd(), [10_001, 0, 0]);
            fails("ftruncate", grow, Errno::FBIG)?;
            fails(
                "fallocate",
                fallocate(file, FallocateFlags::empty(), 0, 10_001),
                Errno::FBIG,
            )?;
            file.set_len(10_000).told("up to it")?;
            same("size", size(file)?.0, 10_000)
        })
    })
}

fn size_limit_kills() -> Verdict {
    with_file(|_, file| {
        dies(25, || {
            let _ = limit_size(100);
            let _ = rustix::io::pwrite(file, b"x", 100);
        })?;
        dies(25, || {
            let _ = limit_size(100);
            let _ = by_descriptor(ByDescriptor::Ftruncate, file.as_fd(), [101, 0, 0]);
        })?;
        same("size", size(file)?.0, 0)
    })
}

fn vectors() -> Verdict {
    with_file(|_, file| {
        let parts = [
            IoSlice::new(b"abc"),
            IoSlice::new(b""),
            IoSlice::new(b"defgh"),
        ];
        same("writev", writev(file, &parts), Ok(8))?;
        same("pwritev", pwritev(file, &parts, 6), Ok(8))?;
        same("size", size(file)?.0, 14)?;
        let (mut one, mut two) = ([0; 3], [0; 20]);
        let mut into = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
        same("preadv", preadv(file, &mut into, 1), Ok(13))?;
        same(
            "bytes",
            (&one, two.get(..10)),
            (b"bcd", Some(&b"efabcdefgh"[..])),
        )?;
        rustix::fs::seek(file, rustix::fs::SeekFrom::Start(12)).told("lseek")?;
        let mut into = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
        same("readv", readv(file, &mut into), Ok(2))?;
        same(
            "nothing",
            writev(file, &vec![IoSlice::new(b""); 1024]),
            Ok(0),
        )?;
        let (reader, _writer) = pipe_with(PipeFlags::CLOEXEC).told("pipe")?;
        let mut into = [IoSliceMut::new(&mut one)];
        fails("a pipe", preadv(&reader, &mut into, 0), Errno::SPIPE)
    })
}

fn vectors_with_flags() -> Verdict {
    with_file(|_, file| {
        let flags = ReadWriteFlags::from_bits_retain;
        let put = |at: u64, how: u32| pwritev2(file, &[IoSlice::new(b"xy")], at, flags(how));
        same("own place", put(u64::MAX, 0), Ok(2))?;
        same("moved", lseek(file, 0, 1), Ok(2))?;
        same("synchronously", put(10, 2 | 4), Ok(2))?;
        same("not moved", lseek(file, 0, 1), Ok(2))?;
        same("appended", put(0, 0x10), Ok(2))?;
        same("size", size(file)?.0, 14)?;
        same("appended, own place", put(u64::MAX, 0x10), Ok(2))?;
        same("moved", lseek(file, 0, 1), Ok(16))?;
        fails("unknown", put(0, 0x8000), Errno::OPNOTSUPP)?;
        fails("not to wait", put(0, 8), Errno::OPNOTSUPP)?;
        fails("negative", put(u64::MAX - 1, 0), Errno::INVAL)?;
        let mut bytes = [0; 4];
        let mut into = [IoSliceMut::new(&mut bytes)];
        same("read", preadv2(file, &mut into, 12, flags(1)), Ok(4))?;
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).told("pipe")?;
        let mut into = [IoSliceMut::new(&mut bytes)];
        let empty = preadv2(&reader, &mut into, u64::MAX, flags(8));
        fails("nothing in a pipe", empty, Errno::AGAIN)?;
        rustix::io::write(&writer, b"abcd").told("write")?;
        let mut into = [IoSliceMut::new(&mut bytes)];
        same(
            "a pipe",
            preadv2(&reader, &mut into, u64::MAX, flags(8)),
            Ok(4),
        )
    })
}

fn append_and_places() -> Verdict {
    with_file(|path, file| {
        file.write_all_at(b"12345", 0).told("write")?;
        let append = OpenOptions::new().append(true).open(path).told("open")?;
        // On Linux the place does not matter then (pwrite(2), "BUGS").
        same("pwrite", rustix::io::pwrite(&append, b"67", 0), Ok(2))?;
        same("content", fs::read(path).told("read")?, b"1234567".to_vec())?;
        same("its own place", lseek(&append, 0, 1), Ok(0))?;
        rustix::io::write(&append, b"8").told("write")?;
        same("its own place", lseek(&append, 0, 1), Ok(8))
    })
}

fn sync() -> Verdict {
    with_file(|path, file| {
        file.write_all_at(b"x", 0).told("write")?;
        let by = |call, a| by_descriptor(call, file.as_fd(), a);
        by(ByDescriptor::Fsync, [0; 3]).told("fsync")?;
        by(ByDescriptor::Fdatasync, [0; 3]).told("fdatasync")?;
        by(ByDescriptor::Syncfs, [0; 3]).told("syncfs")?;
        by(ByDescriptor::SyncFileRange, [0, 1, 7]).told("sync_file_range")?;
        fails(
            "flags",
            by(ByDescriptor::SyncFileRange, [0, 1, 8]),
            Errno::INVAL,
        )?;
        let negative = by(ByDescriptor::SyncFileRange, [u64::MAX, 1, 0]);
        fails("negative", negative, Errno::INVAL)?;
        by(ByDescriptor::Readahead, [0, 10, 0]).told("readahead")?;
        by(ByDescriptor::Fadvise, [0, 0, 4]).told("fadvise")?;
        fails("advice", by(ByDescriptor::Fadvise, [0, 0, 6]), Errno::INVAL)?;
        rustix::fs::sync();
        let writable = OpenOptions::new().write(true).open(path).told("open")?;
        let ahead = by_descriptor(ByDescriptor::Readahead, writable.as_fd(), [0; 3]);
        fails("a writer", ahead, Errno::BADF)?;
        let (reader, _writer) = pipe_with(PipeFlags::CLOEXEC).told("pipe")?;
        let pipe = |call, a| by_descriptor(call, reader.as_fd(), a);
        fails("a pipe", pipe(ByDescriptor::Fsync, [0; 3]), Errno::INVAL)?;
        fails(
            "a pipe",
            pipe(ByDescriptor::SyncFileRange, [0; 3]),
            Errno::SPIPE,
        )?;
        fails("a pipe", pipe(ByDescriptor::Fadvise, [0; 3]), Errno::SPIPE)?;
        let directory = File::open(path.parent().ok_or("no parent")?).told("open")?;
        directory.sync_all().told("a directory")
    })
}

/// No signal ends a transfer of a file half-way, not even one whose handler restarts nothing.
fn signals_do_not_cut() -> Verdict {
    const ALRM: i32 = 14;
    with_file(|_, file| {
        signals::action(ALRM, Some(Action::record(0, 0)), 8).told("sigaction")?;
        timers::set_interval(0, [0, 1000, 0, 1000]).told("setitimer")?;
        let mut bytes = vec![7; 4 << 20];
        for turn in 0..4 {
            same(
                "written",
                file.write_at(&bytes, turn << 22).ok(),
                Some(4 << 20),
            )?;
            same(
                "read",
                file.read_at(&mut bytes, turn << 22).ok(),
                Some(4 << 20),
            )?;
        }
        timers::set_interval(0, [0; 4]).told("setitimer")?;
        Ok(())
    })
}

fn large_directory() -> Verdict {
    in_directory(|directory| {
        for index in 0..3000 {
            File::create(directory.join(format!("a-name-of-some-length-{index}")))
                .told("create")?;
        }
        let mut count = 0;
        for entry in fs::read_dir(directory).told("readdir")? {
            fs::remove_file(entry.told("readdir")?.path()).told("unlink")?;
            count += 1;
        }
        same("seen while they went", count, 3000)?;
        same("left", fs::read_dir(directory).told("readdir")?.count(), 0)
    })
}
