//! Files and directories.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

use super::{Case, Told, Verdict, check, exits, fails, same};

pub const CASES: &[Case] = &[
    ("files/write-and-read", write_and_read),
    ("files/seek-past-the-end", seek_past_the_end),
    ("files/append", append),
    ("files/truncate", truncate),
    ("files/create-exclusive", create_exclusive),
    ("files/positioned", positioned),
    ("files/large", large),
    ("files/rename", rename),
    ("files/unlinked-but-open", unlinked_but_open),
    ("files/hard-links", hard_links),
    ("files/symbolic-links", symbolic_links),
    ("files/link-loops", link_loops),
    ("files/directories", directories),
    ("files/directory-entries", directory_entries),
    ("files/kinds-of-errors", kinds_of_errors),
    ("files/relative-to-a-directory", relative_to_a_directory),
    ("files/dot-dot-stays-in-the-root", dot_dot_stays_in_the_root),
    ("files/working-directory", working_directory),
    ("files/permissions", permissions),
    ("files/umask", umask),
    ("files/times", times),
    ("files/devices", devices),
    ("files/long-names", long_names),
];

/// Where there is a file system in memory: Linux may have another one for temporary files.
fn scratch() -> PathBuf {
    const IN_MEMORY: &str = "/dev/shm";
    match rustix::fs::statfs(IN_MEMORY) {
        Ok(found) if found.f_type == 0x0102_1994 => IN_MEMORY.into(),
        _ => std::env::temp_dir(),
    }
}

/// Runs `work` in a directory made for it.
pub fn in_directory(work: impl FnOnce(&Path) -> Verdict) -> Verdict {
    let name = format!("probe-{}", std::process::id());
    let directory = scratch().join(name);
    fs::create_dir(&directory).told("mkdir")?;
    let verdict = work(&directory);
    let removed = fs::remove_dir_all(&directory).told("removing the directory");
    verdict.and(removed)
}

/// Lets anybody execute the file.
pub fn make_runnable(path: &Path) -> Verdict {
    fs::set_permissions(path, Permissions::from_mode(0o755)).told("chmod")
}

/// The errno of a failed operation of the standard library.
pub fn errno<T>(result: std::io::Result<T>) -> Result<Errno, String> {
    let error = result.err().ok_or("succeeded")?;
    Errno::from_io_error(&error).ok_or_else(|| error.to_string())
}

fn write_and_read() -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        fs::write(&path, b"hello").told("write")?;
        same("read", fs::read(&path).told("read")?, b"hello".to_vec())?;
        fs::write(&path, b"bye").told("write")?;
        same("read again", fs::read(&path).told("read")?, b"bye".to_vec())?;
        same("size", fs::metadata(&path).told("stat")?.len(), 3)
    })
}

fn seek_past_the_end() -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        let mut file = File::create(&path).told("create")?;
        same(
            "seek",
            file.seek(SeekFrom::Start(10_000)).told("seek")?,
            10_000,
        )?;
        file.write_all(b"x").told("write")?;
        let bytes = fs::read(&path).told("read")?;
        same("size", bytes.len(), 10_001)?;
        let (last, hole) = bytes.split_last().ok_or("empty")?;
        check(*last == b'x' && hole.iter().all(|byte| *byte == 0), || {
            "hole of other bytes".into()
        })?;
        same("end", file.seek(SeekFrom::End(-1)).told("seek")?, 10_000)?;
        same(
            "before the start",
            errno(file.seek(SeekFrom::Current(-20_000)))?,
            Errno::INVAL,
        )
    })
}

fn append() -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        fs::write(&path, b"ab").told("write")?;
        let mut file = OpenOptions::new().append(true).open(&path).told("open")?;
        file.seek(SeekFrom::Start(0)).told("seek")?;
        file.write_all(b"cd").told("write")?;
        same("read", fs::read(&path).told("read")?, b"abcd".to_vec())
    })
}

fn truncate() -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        fs::write(&path, [9u8; 9000]).told("write")?;
        let file = OpenOptions::new().write(true).open(&path).told("open")?;
        file.set_len(5).told("ftruncate")?;
        file.set_len(5000).told("ftruncate")?;
        let bytes = fs::read(&path).told("read")?;
        let expected: Vec<u8> = (0..5000)
            .map(|index| if index < 5 { 9 } else { 0 })
            .collect();
        check(bytes == expected, || "bytes came back".to_owned())
    })
}

fn create_exclusive() -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        File::create_new(&path).told("create")?;
        same("again", errno(File::create_new(&path))?, Errno::EXIST)
    })
}

fn positioned() -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path);
        let file = file.as_mut().map_err(|error| format!("open: {error}"))?;
        file.write_all_at(b"abc", 4090).told("pwrite")?;
        file.write_all_at(b"XY", 4095).told("pwrite")?;
        let mut bytes = [0; 5];
        file.read_exact_at(&mut bytes, 4092).told("pread")?;
        same("pread", &bytes, b"c\0\0XY")?;
        same("offset", file.stream_position().told("lseek")?, 0)
    })
}

fn large() -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        let byte = |index: usize| u8::try_from(index % 253).unwrap_or(0);
        let bytes: Vec<u8> = (0..1_000_003).map(byte).collect();
        fs::write(&path, &bytes).told("write")?;
        check(fs::read(&path).told("read")? == bytes, || {
            "other bytes".to_owned()
        })
    })
}

fn rename() -> Verdict {
    in_directory(|directory| {
        let (a, b) = (directory.join("a"), directory.join("b"));
        fs::write(&a, "a").told("write")?;
        fs::write(&b, "b").told("write")?;
        fs::rename(&a, &b).told("rename")?;
        same("b", fs::read(&b).told("read")?, b"a".to_vec())?;
        same("a", errno(fs::metadata(&a))?, Errno::NOENT)?;
        let inner = directory.join("d/e");
        fs::create_dir_all(&inner).told("mkdir")?;
        let into_itself = fs::rename(directory.join("d"), inner.join("f"));
        same("into itself", errno(into_itself)?, Errno::INVAL)?;
        same(
            "over a directory",
            errno(fs::rename(&b, directory.join("d")))?,
            Errno::ISDIR,
        )
    })
}

fn unlinked_but_open() -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        fs::write(&path, b"still").told("write")?;
        let mut file = File::open(&path).told("open")?;
        fs::remove_file(&path).told("unlink")?;
        let mut text = String::new();
        file.read_to_string(&mut text).told("read")?;
        same("text", text.as_str(), "still")?;
        same("links", file.metadata().told("fstat")?.nlink(), 0)?;
        same("name", errno(fs::metadata(&path))?, Errno::NOENT)
    })
}

fn hard_links() -> Verdict {
    in_directory(|directory| {
        let (a, b) = (directory.join("a"), directory.join("b"));
        fs::write(&a, "1").told("write")?;
        fs::hard_link(&a, &b).told("link")?;
        let (one, other) = (
            fs::metadata(&a).told("stat")?,
            fs::metadata(&b).told("stat")?,
        );
        same("inode", other.ino(), one.ino())?;
        same("links", one.nlink(), 2)?;
        fs::write(&b, "22").told("write")?;
        same("size", fs::metadata(&a).told("stat")?.len(), 2)?;
        fs::remove_file(&a).told("unlink")?;
        same("links", fs::metadata(&b).told("stat")?.nlink(), 1)
    })
}

fn symbolic_links() -> Verdict {
    in_directory(|directory| {
        fs::create_dir(directory.join("d")).told("mkdir")?;
        fs::write(directory.join("d/file"), "x").told("write")?;
        let link = directory.join("link");
        symlink("d", &link).told("symlink")?;
        same(
            "through",
            fs::read(link.join("file")).told("read")?,
            b"x".to_vec(),
        )?;
        same("target", fs::read_link(&link).told("readlink")?, "d".into())?;
        check(
            fs::symlink_metadata(&link).told("lstat")?.is_symlink(),
            || "lstat follows".into(),
        )?;
        check(fs::metadata(&link).told("stat")?.is_dir(), || {
            "stat does not follow".into()
        })?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW;
        fails(
            "open",
            rustix::fs::open(&link, flags, Mode::empty()),
            Errno::LOOP,
        )?;
        symlink("nowhere", directory.join("dangling")).told("symlink")?;
        same(
            "dangling",
            errno(fs::metadata(directory.join("dangling")))?,
            Errno::NOENT,
        )?;
        same(
            "no link",
            errno(fs::read_link(directory.join("d")))?,
            Errno::INVAL,
        )
    })
}

fn link_loops() -> Verdict {
    in_directory(|directory| {
        symlink("b", directory.join("a")).told("symlink")?;
        symlink("a", directory.join("b")).told("symlink")?;
        same(
            "stat",
            errno(fs::metadata(directory.join("a")))?,
            Errno::LOOP,
        )
    })
}

fn directories() -> Verdict {
    in_directory(|directory| {
        let inner = directory.join("inner");
        fs::create_dir(&inner).told("mkdir")?;
        same("again", errno(fs::create_dir(&inner))?, Errno::EXIST)?;
        fs::write(inner.join("file"), "").told("write")?;
        same("not empty", errno(fs::remove_dir(&inner))?, Errno::NOTEMPTY)?;
        same("unlink", errno(fs::remove_file(&inner))?, Errno::ISDIR)?;
        same(
            "rmdir of a file",
            errno(fs::remove_dir(inner.join("file")))?,
            Errno::NOTDIR,
        )?;
        same(
            "missing parent",
            errno(fs::create_dir(directory.join("x/y")))?,
            Errno::NOENT,
        )?;
        fs::remove_file(inner.join("file")).told("unlink")?;
        fs::remove_dir(&inner).told("rmdir")?;
        same("gone", errno(fs::metadata(&inner))?, Errno::NOENT)
    })
}

fn directory_entries() -> Verdict {
    in_directory(|directory| {
        for index in 0..300 {
            fs::write(directory.join(format!("name-{index:03}")), "").told("write")?;
        }
        fs::create_dir(directory.join("sub")).told("mkdir")?;
        let mut names = Vec::new();
        for entry in fs::read_dir(directory).told("opendir")? {
            let entry = entry.told("readdir")?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type().told("type")?;
            check(kind.is_dir() == (name == "sub"), || {
                format!("{name}: {kind:?}")
            })?;
            names.push(name);
        }
        names.sort();
        let mut expected: Vec<String> = (0..300).map(|index| format!("name-{index:03}")).collect();
        expected.push("sub".to_owned());
        check(names == expected, || {
            format!("{} names: {names:?}", names.len())
        })
    })
}

fn kinds_of_errors() -> Verdict {
    in_directory(|directory| {
        let file = directory.join("file");
        fs::write(&file, "").told("write")?;
        same(
            "below a file",
            errno(fs::metadata(file.join("x")))?,
            Errno::NOTDIR,
        )?;
        same(
            "slash",
            errno(File::open(directory.join("file/")))?,
            Errno::NOTDIR,
        )?;
        same("empty name", errno(fs::metadata(""))?, Errno::NOENT)?;
        let writing = OpenOptions::new().write(true).open(directory);
        same("write a directory", errno(writing)?, Errno::ISDIR)?;
        let open = File::open(directory).told("open")?;
        fails(
            "read a directory",
            rustix::io::read(&open, &mut [0; 8]),
            Errno::ISDIR,
        )?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        fails(
            "O_DIRECTORY",
            rustix::fs::open(&file, flags, Mode::empty()),
            Errno::NOTDIR,
        )?;
        let readable = File::open(&file).told("open")?;
        fails("write", rustix::io::write(&readable, b"x"), Errno::BADF)
    })
}

fn relative_to_a_directory() -> Verdict {
    in_directory(|directory| {
        let open = File::open(directory).told("open")?;
        rustix::fs::mkdirat(&open, "sub", Mode::RWXU).told("mkdirat")?;
        let flags = OFlags::CREATE | OFlags::WRONLY;
        rustix::fs::openat(&open, "sub/file", flags, Mode::RWXU).told("openat")?;
        check(directory.join("sub/file").exists(), || {
            "not there".to_owned()
        })?;
        fs::rename(directory.join("sub"), directory.join("moved")).told("rename")?;
        rustix::fs::statat(&open, "moved/file", AtFlags::empty()).told("fstatat")?;
        let file = File::open(directory.join("moved/file")).told("open")?;
        let at_file = rustix::fs::statat(&file, "x", AtFlags::empty());
        fails("below a file", at_file, Errno::NOTDIR)?;
        rustix::fs::unlinkat(&open, "moved/file", AtFlags::empty()).told("unlinkat")?;
        rustix::fs::unlinkat(&open, "moved", AtFlags::REMOVEDIR).told("unlinkat")
    })
}

fn dot_dot_stays_in_the_root() -> Verdict {
    let root = fs::metadata("/").told("stat")?;
    let above = fs::metadata("/../../..").told("stat")?;
    same(
        "inode",
        (above.dev(), above.ino()),
        (root.dev(), root.ino()),
    )
}

fn working_directory() -> Verdict {
    in_directory(|directory| {
        let real = fs::canonicalize(directory).told("canonicalize")?;
        exits(0, || {
            let gone = real.join("gone");
            let worked = std::env::set_current_dir(&real).is_ok()
                && std::env::current_dir().is_ok_and(|path| path == real)
                && fs::write("relative", "x").is_ok()
                && fs::metadata(real.join("relative")).is_ok()
                && fs::create_dir(&gone).is_ok()
                && std::env::set_current_dir(&gone).is_ok()
                && fs::remove_dir(&gone).is_ok()
                && errno(std::env::current_dir()) == Ok(Errno::NOENT)
                && errno(fs::write("file", "")) == Ok(Errno::NOENT);
            i32::from(!worked)
        })
    })
}

fn permissions() -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        fs::write(&path, "x").told("write")?;
        for mode in [0o600, 0o4755, 0o1777, 0o0] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).told("chmod")?;
            same(
                "mode",
                fs::metadata(&path).told("stat")?.mode(),
                0o100_000 | mode,
            )?;
        }
        Ok(())
    })
}

fn umask() -> Verdict {
    in_directory(|directory| {
        let before = rustix::process::umask(Mode::from_raw_mode(0o027));
        let path = directory.join("file");
        let made = File::create(&path).told("create").map(drop);
        fs::create_dir(directory.join("d")).told("mkdir")?;
        same(
            "mask",
            rustix::process::umask(before),
            Mode::from_raw_mode(0o027),
        )?;
        made?;
        same(
            "file",
            fs::metadata(&path).told("stat")?.mode() & 0o7777,
            0o640,
        )?;
        same(
            "directory",
            fs::metadata(directory.join("d")).told("stat")?.mode() & 0o777,
            0o750,
        )
    })
}

fn times() -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        fs::write(&path, "x").told("write")?;
        let time = std::time::UNIX_EPOCH + std::time::Duration::new(1_000_000_000, 5000);
        let file = OpenOptions::new().write(true).open(&path).told("open")?;
        file.set_modified(time).told("utimensat")?;
        same(
            "mtime",
            fs::metadata(&path).told("stat")?.modified().told("mtime")?,
            time,
        )
    })
}

fn devices() -> Verdict {
    same("null", fs::read("/dev/null").told("null")?, vec![])?;
    fs::write("/dev/null", [1; 5000]).told("null")?;
    let mut bytes = [1u8; 5000];
    File::open("/dev/zero")
        .told("zero")?
        .read_exact(&mut bytes)
        .told("zero")?;
    check(bytes.iter().all(|byte| *byte == 0), || {
        "zero gives other bytes".to_owned()
    })?;
    File::open("/dev/urandom")
        .told("urandom")?
        .read_exact(&mut bytes)
        .told("urandom")?;
    check(bytes.iter().any(|byte| *byte != 0), || {
        "urandom gives zeros".to_owned()
    })?;
    same("full", errno(fs::write("/dev/full", "x"))?, Errno::NOSPC)
}

fn long_names() -> Verdict {
    in_directory(|directory| {
        let longest = "n".repeat(255);
        fs::write(directory.join(&longest), "").told("write")?;
        let longer = directory.join(format!("{longest}n"));
        same(
            "256 bytes",
            errno(fs::write(longer, ""))?,
            Errno::NAMETOOLONG,
        )?;
        let path = "a/".repeat(2100);
        let flags = OFlags::RDONLY;
        fails(
            "4200 bytes",
            rustix::fs::openat(CWD, path, flags, Mode::empty()),
            Errno::NAMETOOLONG,
        )
    })
}
