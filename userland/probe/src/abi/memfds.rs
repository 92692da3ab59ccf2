//! Memory that is a file, and seals on it (memfd_create(2), fcntl(2)).

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use berth_sys::memory::{Access, Region, Sharing};
use rustix::fs::{
    FallocateFlags, MemfdFlags, OFlags, SealFlags, fallocate, fcntl_add_seals, fcntl_get_seals,
    fcntl_getfl, fstat, ftruncate, memfd_create,
};
use rustix::io::{Errno, pwrite, read, write};

use super::events::proc_name;
use super::{Case, Told, Verdict, fails, same};

pub const CASES: &[Case] = &[
    ("events/memory-as-file", memory_as_file),
    ("events/memory-is-shared", memory_is_shared),
    ("events/memory-arguments", memory_arguments),
    ("events/memory-runs", memory_runs),
    ("events/seals-by-default", seals_by_default),
    ("events/seals-on-size", seals_on_size),
    ("events/seals-on-writes", seals_on_writes),
    ("events/seals-on-future-writes", seals_on_future_writes),
];

fn memory(flags: MemfdFlags) -> Result<OwnedFd, String> {
    memfd_create("some name", flags).told("memfd_create")
}

fn memory_as_file() -> Verdict {
    let fd = memory(MemfdFlags::CLOEXEC)?;
    same(
        "name",
        proc_name(&fd)?,
        "/memfd:some name (deleted)".to_owned(),
    )?;
    let stat = fstat(&fd).told("fstat")?;
    same("mode", stat.st_mode, 0o100_777)?;
    same("links and size", (stat.st_nlink, stat.st_size), (0, 0))?;
    let kind = rustix::fs::fstatfs(&fd).told("fstatfs")?.f_type;
    same("file system", kind as u64, 0x0102_1994)?;
    let status = fcntl_getfl(&fd).told("fcntl")?;
    same("status", status, OFlags::RDWR | OFlags::LARGEFILE)?;
    same("write", write(&fd, b"content"), Ok(7))?;
    same("size", fstat(&fd).told("fstat")?.st_size, 7)?;
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    same(
        "by its link",
        std::fs::read(path).told("read")?,
        b"content".to_vec(),
    )
}

fn memory_is_shared() -> Verdict {
    let fd = memory(MemfdFlags::empty())?;
    ftruncate(&fd, 8192).told("ftruncate")?;
    let region = Region::file(fd.as_fd(), 2, Sharing::Shared).told("mmap")?;
    region.write(5000, 7);
    let mut byte = [0];
    same("pread", rustix::io::pread(&fd, &mut byte, 5000), Ok(1))?;
    same("byte", byte, [7])?;
    super::exits(0, || {
        region.write(5001, 8);
        0
    })?;
    same("a child's byte", region.read(5001), 8)
}

fn memory_arguments() -> Verdict {
    let longest = "x".repeat(249);
    memfd_create(longest.as_str(), MemfdFlags::empty()).told("the longest name")?;
    let longer = memfd_create("x".repeat(250).as_str(), MemfdFlags::empty());
    fails("a longer name", longer, Errno::INVAL)?;
    let flags = MemfdFlags::from_bits_retain(0x100);
    fails("flags", memfd_create("", flags), Errno::INVAL)
}

/// A program that never had a name (fexecve(3)).
fn memory_runs() -> Verdict {
    let fd = memory(MemfdFlags::empty())?;
    let program = crate::elf::exit_program(42);
    same("write", write(&fd, &program), Ok(program.len()))?;
    // Nobody may have it open for writing when it runs.
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let running = rustix::fs::open(&path, OFlags::RDONLY, rustix::fs::Mode::empty());
    let running = running.told("open")?;
    drop(fd);
    let path = format!("/proc/self/fd/{}", running.as_raw_fd());
    let status = std::process::Command::new(path).status().told("exec")?;
    same("exit", status.code(), Some(42))
}

fn seals_by_default() -> Verdict {
    let fd = memory(MemfdFlags::empty())?;
    same("seals", fcntl_get_seals(&fd), Ok(SealFlags::SEAL))?;
    fails("more", fcntl_add_seals(&fd, SealFlags::GROW), Errno::PERM)?;
    let fd = memory(MemfdFlags::ALLOW_SEALING)?;
    same("seals", fcntl_get_seals(&fd), Ok(SealFlags::empty()))?;
    fails(
        "unknown",
        fcntl_add_seals(&fd, SealFlags::from_bits_retain(0x40)),
        Errno::INVAL,
    )?;
    fcntl_add_seals(&fd, SealFlags::SEAL).told("seal")?;
    fails(
        "sealed",
        fcntl_add_seals(&fd, SealFlags::empty()),
        Errno::PERM,
    )?;
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let reader = rustix::fs::open(path, OFlags::RDONLY, rustix::fs::Mode::empty()).told("open")?;
    fails(
        "without writing",
        fcntl_add_seals(&reader, SealFlags::empty()),
        Errno::PERM,
    )
}

fn seals_on_size() -> Verdict {
    let fd = memory(MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&fd, 4096 + 100).told("ftruncate")?;
    fcntl_add_seals(&fd, SealFlags::GROW).told("grow")?;
    fails("ftruncate", ftruncate(&fd, 5000), Errno::PERM)?;
    fails(
        "fallocate",
        fallocate(&fd, FallocateFlags::empty(), 4000, 1000),
        Errno::PERM,
    )?;
    fallocate(&fd, FallocateFlags::empty(), 0, 100).told("fallocate inside")?;
    fails("write behind", pwrite(&fd, b"x", 9000), Errno::PERM)?;
    fails("write across", pwrite(&fd, b"abc", 4096 + 98), Errno::PERM)?;
    same("whole pages", pwrite(&fd, &[1; 5000], 0), Ok(4096))?;
    same("inside", pwrite(&fd, &[1; 50], 4096), Ok(50))?;
    ftruncate(&fd, 4000).told("shrink")?;
    fcntl_add_seals(&fd, SealFlags::SHRINK).told("shrink")?;
    fails("ftruncate", ftruncate(&fd, 3999), Errno::PERM)?;
    ftruncate(&fd, 4000).told("the same size")?;
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let flags = OFlags::RDWR | OFlags::TRUNC;
    fails(
        "O_TRUNC",
        rustix::fs::open(path, flags, rustix::fs::Mode::empty()),
        Errno::PERM,
    )?;
    same("size", fstat(&fd).told("fstat")?.st_size, 4000)
}

fn seals_on_writes() -> Verdict {
    let fd = memory(MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&fd, 4096).told("ftruncate")?;
    let region = Region::file(fd.as_fd(), 1, Sharing::Shared).told("mmap")?;
    fails(
        "mapped",
        fcntl_add_seals(&fd, SealFlags::WRITE),
        Errno::BUSY,
    )?;
    region.protect(0, 1, Access::Read).told("mprotect")?;
    fails(
        "could be",
        fcntl_add_seals(&fd, SealFlags::WRITE),
        Errno::BUSY,
    )?;
    drop(region);
    fcntl_add_seals(&fd, SealFlags::WRITE).told("seal")?;
    fails("write", write(&fd, b"x"), Errno::PERM)?;
    let shared = Region::file(fd.as_fd(), 1, Sharing::Shared);
    fails("mmap", shared.map(drop), Errno::PERM)?;
    let copy = Region::file(fd.as_fd(), 1, Sharing::Private).told("a private map")?;
    copy.write(0, 1);
    let mut byte = [9];
    same("read", read(&fd, &mut byte), Ok(1))?;
    same("unchanged", byte, [0])?;
    same("no write at all", write(&fd, b""), Ok(0))
}

fn seals_on_future_writes() -> Verdict {
    let fd = memory(MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&fd, 4096).told("ftruncate")?;
    let region = Region::file(fd.as_fd(), 1, Sharing::Shared).told("mmap")?;
    fcntl_add_seals(&fd, SealFlags::FUTURE_WRITE).told("seal")?;
    fails("write", write(&fd, b"x"), Errno::PERM)?;
    let another = Region::file(fd.as_fd(), 1, Sharing::Shared);
    fails("mmap", another.map(drop), Errno::PERM)?;
    region.write(3, 5);
    let mut bytes = [0; 4];
    same("read", read(&fd, &mut bytes), Ok(4))?;
    same("written through the map", bytes, [0, 0, 0, 5])
}
