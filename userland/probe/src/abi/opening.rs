//! Opening files: every flag, and openat2.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use berth_sys::files::{self, ByPath};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, fcntl_getfl, fcntl_setfl, linkat, open, statat};
use rustix::io::Errno;

use super::files::in_directory;
use super::{Case, Told, Verdict, as_user, check, fails, same};

pub const CASES: &[Case] = &[
    ("opening/creat-truncates", creat_truncates),
    ("opening/access-modes", access_modes),
    ("opening/status-flags", status_flags),
    ("opening/combinations-refused", combinations_refused),
    ("opening/trailing-slashes", trailing_slashes),
    ("opening/directories", directories),
    ("opening/only-a-place", only_a_place),
    ("opening/without-a-name", without_a_name),
    ("opening/never-to-be-named", never_to_be_named),
    ("opening/no-access-time", no_access_time),
    ("opening/exclusive-and-links", exclusive_and_links),
    ("opening/magic-links", magic_links),
    ("opening/permissions", permissions),
    ("opening/mode-and-umask", mode_and_umask),
    ("opening/busy-programs", busy_programs),
    ("opening/no-files-among-terminals", || {
        let path = Path::new("/dev/pts/none");
        fails("missing", opens(path, RDWR), Errno::NOENT)?;
        fails("made", opens(path, RDWR | CREAT), Errno::ACCESS)?;
        fails(
            "made alone",
            opens(path, RDWR | CREAT | EXCL),
            Errno::ACCESS,
        )
    }),
];

/// A path as the raw calls want it.
pub fn c(path: impl AsRef<Path>) -> CString {
    CString::new(path.as_ref().as_os_str().as_bytes()).unwrap_or_default()
}

pub fn flags(raw: u32) -> OFlags {
    OFlags::from_bits_retain(raw)
}

/// Opens with these flags; whether it works is all that matters.
pub fn opens(path: &Path, raw: u32) -> Result<(), Errno> {
    open(path, flags(raw) | OFlags::CLOEXEC, Mode::RWXU).map(drop)
}

/// The flags that a file opened with `raw` has.
fn shown(path: &Path, raw: u32) -> Result<u32, Errno> {
    let file = open(path, flags(raw), Mode::RWXU)?;
    files::fcntl(file.as_fd(), 3, 0).map(|flags| u32::try_from(flags).unwrap_or(u32::MAX))
}

pub const RDONLY: u32 = 0;
const WRONLY: u32 = 1;
pub const RDWR: u32 = 2;
pub const CREAT: u32 = 0o100;
const EXCL: u32 = 0o200;
const NOCTTY: u32 = 0o400;
const TRUNC: u32 = 0o1000;
const APPEND: u32 = 0o2000;
const NONBLOCK: u32 = 0o4000;
const DSYNC: u32 = 0o10000;
const DIRECT: u32 = 0o40000;
const LARGEFILE: u32 = 0o100_000;
pub const DIRECTORY: u32 = 0o200_000;
pub const NOFOLLOW: u32 = 0o400_000;
const NOATIME: u32 = 0o1_000_000;
pub const CLOEXEC: u32 = 0o2_000_000;
const SYNC: u32 = 0o4_010_000;
pub const PATH: u32 = 0o10_000_000;
const TMPFILE: u32 = 0o20_200_000;

fn creat_truncates() -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        fs::write(&path, "content").told("write")?;
        let fd = files::by_path(ByPath::Creat, &c(&path), [0o600, 0]).told("creat")?;
        check(fd > 2, || format!("descriptor {fd}"))?;
        same("size", fs::metadata(&path).told("stat")?.len(), 0)?;
        fs::write(&path, "content").told("write")?;
        opens(&path, RDONLY | TRUNC).told("O_RDONLY | O_TRUNC")?;
        same("size", fs::metadata(&path).told("stat")?.len(), 0)?;
        files::by_path(ByPath::Open, &c(&path), [u64::from(RDWR), 0]).told("open")?;
        let missing = c(directory.join("missing"));
        fails(
            "open",
            files::by_path(ByPath::Open, &missing, [0, 0]),
            Errno::NOENT,
        )
    })
}

fn access_modes() -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        fs::write(&path, "content").told("write")?;
        let file = open(&path, flags(WRONLY), Mode::empty()).told("open")?;
        fails("read", rustix::io::read(&file, &mut [0; 4]), Errno::BADF)?;
        let file = open(&path, flags(RDONLY), Mode::empty()).told("open")?;
        fails("write", rustix::io::write(&file, b"x"), Errno::BADF)?;
        // The fourth mode is for neither.
        let file = open(&path, flags(3), Mode::empty()).told("open")?;
        fails("read", rustix::io::read(&file, &mut [0; 4]), Errno::BADF)?;
        fails("write", rustix::io::write(&file, b"x"), Errno::BADF)?;
        same(
            "flags",
            files::fcntl(file.as_fd(), 3, 0),
            Ok(u64::from(LARGEFILE | 3)),
        )
    })
}

fn status_flags() -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        fs::write(&path, "content").told("write")?;
        let all = RDWR | APPEND | NONBLOCK | SYNC | DIRECT | NOATIME | NOFOLLOW;
        same("all", shown(&path, all), Ok(all | LARGEFILE))?;
        same(
            "half of O_SYNC",
            shown(&path, SYNC & !DSYNC),
            Ok(SYNC | LARGEFILE),
        )?;
        let gone = CREAT | TRUNC | NOCTTY | CLOEXEC;
        same("not kept", shown(&path, RDWR | gone), Ok(RDWR | LARGEFILE))?;
        same(
            "a directory",
            shown(directory, DIRECTORY),
            Ok(DIRECTORY | LARGEFILE),
        )?;
        same(
            "a place",
            shown(&path, PATH | RDWR | APPEND | CLOEXEC),
            Ok(PATH),
        )?;
        same(
            "no name",
            shown(directory, TMPFILE | RDWR),
            Ok(TMPFILE | RDWR | LARGEFILE),
        )?;
        let file = open(&path, flags(RDWR | SYNC), Mode::empty()).told("open")?;
        // Only some can be changed; the others are ignored.
        fcntl_setfl(&file, flags(APPEND | NONBLOCK | WRONLY | DIRECTORY)).told("F_SETFL")?;
        let wanted = RDWR | SYNC | APPEND | NONBLOCK | LARGEFILE;
        same(
            "changed",
            fcntl_getfl(&file).told("F_GETFL")?.bits(),
            wanted,
        )?;
        fcntl_setfl(&file, flags(DIRECT)).told("F_SETFL")?;
        let wanted = RDWR | SYNC | DIRECT | LARGEFILE;
        same(
            "changed",
            fcntl_getfl(&file).told("F_GETFL")?.bits(),
            wanted,
        )
    })
}

fn combinations_refused() -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        fs::write(&path, "content").told("write")?;
        let new = directory.join("new");
        fails(
            "create a directory",
            opens(&new, CREAT | DIRECTORY),
            Errno::INVAL,
        )?;
        fails(
            "not made",
            statat(CWD, &new, AtFlags::empty()),
            Errno::NOENT,
        )?;
        fails(
            "nameless to read",
            opens(directory, TMPFILE | RDONLY),
            Errno::INVAL,
        )?;
        let half = TMPFILE & !DIRECTORY;
        fails(
            "half of O_TMPFILE",
            opens(directory, half | RDWR),
            Errno::INVAL,
        )?;
        fails(
            "nameless in a file",
            opens(&path, TMPFILE | RDWR),
            Errno::NOTDIR,
        )?;
        fails(
            "directory with O_DIRECT",
            opens(directory, DIRECT),
            Errno::INVAL,
        )?;
        fails(
            "device with O_DIRECT",
            opens(Path::new("/dev/null"), DIRECT),
            Errno::INVAL,
        )?;
        // Unknown flags mean nothing to open(2).
        opens(&path, RDONLY | 0x4000_0000).told("unknown flag")
    })
}

fn trailing_slashes() -> Verdict {
    in_directory(|directory| {
        fs::write(directory.join("file"), "").told("write")?;
        fs::create_dir(directory.join("d")).told("mkdir")?;
        symlink("missing/", directory.join("link")).told("symlink")?;
        let at = |name: &str| directory.join(name);
        fails("file/", opens(&at("file/"), RDONLY), Errno::NOTDIR)?;
        fails(
            "file/ to create",
            opens(&at("file/"), RDWR | CREAT),
            Errno::ISDIR,
        )?;
        fails(
            "new/ to create",
            opens(&at("new/"), RDWR | CREAT),
            Errno::ISDIR,
        )?;
        fails(
            "missing/new/",
            opens(&at("missing/new/"), RDWR | CREAT),
            Errno::NOENT,
        )?;
        fails(
            "file/new/",
            opens(&at("file/new/"), RDWR | CREAT),
            Errno::NOTDIR,
        )?;
        fails(
            "d/ to create",
            opens(&at("d/"), RDONLY | CREAT),
            Errno::ISDIR,
        )?;
        fails(
            "d/. exclusively",
            opens(&at("d/."), CREAT | EXCL),
            Errno::EXIST,
        )?;
        fails(
            "link to new/",
            opens(&at("link"), RDWR | CREAT),
            Errno::ISDIR,
        )?;
        opens(&at("d//"), RDONLY).told("d//")?;
        opens(&at("d/./../d/"), RDONLY).told("d/./../d/")
    })
}

fn directories() -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        fs::write(&path, "").told("write")?;
        symlink(".", directory.join("link")).told("symlink")?;
        let link = directory.join("link");
        for raw in [WRONLY, RDWR, RDONLY | TRUNC, RDONLY | CREAT] {
            fails("a directory", opens(directory, raw), Errno::ISDIR)?;
        }
        fails("O_DIRECTORY", opens(&path, DIRECTORY), Errno::NOTDIR)?;
        opens(&link, DIRECTORY).told("through a link")?;
        fails(
            "not through",
            opens(&link, DIRECTORY | NOFOLLOW),
            Errno::NOTDIR,
        )?;
        fails("not through", opens(&link, NOFOLLOW), Errno::LOOP)?;
        fails("exclusive", opens(directory, CREAT | EXCL), Errno::EXIST)
    })
}

fn only_a_place() -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        fs::write(&path, "content").told("write")?;
        symlink("file", directory.join("link")).told("symlink")?;
        let place = open(&path, flags(PATH | RDWR), Mode::empty()).told("open")?;
        fails("read", rustix::io::read(&place, &mut [0; 4]), Errno::BADF)?;
        fails(
            "fchmod",
            rustix::fs::fchmod(&place, Mode::RWXU),
            Errno::BADF,
        )?;
        fails(
            "lseek",
            rustix::fs::seek(&place, rustix::fs::SeekFrom::Start(0)),
            Errno::BADF,
        )?;
        let stat = rustix::fs::fstat(&place).told("fstat")?;
        same("size", stat.st_size, 7)?;
        let link = directory.join("link");
        let link = open(&link, flags(PATH | NOFOLLOW), Mode::empty()).told("open")?;
        let stat = rustix::fs::fstat(&link).told("fstat")?;
        same("a link", stat.st_mode & 0o170_000, 0o120_000)?;
        let target = rustix::fs::readlinkat(&link, "", vec![]).told("readlinkat")?;
        same("target", target.as_bytes(), b"file")?;
        let again = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&place));
        same("again", fs::read(again).told("read")?, b"content".to_vec())?;
        // A place needs no permission on the file.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).told("chmod")?;
        as_user(1000, 1000, &[], || {
            fails("open", opens(&path, RDONLY), Errno::ACCESS)?;
            opens(&path, PATH).told("O_PATH")
        })
    })
}

fn without_a_name() -> Verdict {
    in_directory(|directory| {
        let made = open(directory, flags(TMPFILE | RDWR), Mode::from_raw_mode(0o640));
        let file = made.told("open")?;
        same("empty", fs::read_dir(directory).told("readdir")?.count(), 0)?;
        let stat = rustix::fs::fstat(&file).told("fstat")?;
        same("links", stat.st_nlink, 0)?;
        same("mode", stat.st_mode, 0o100_640)?;
        rustix::io::write(&file, b"content").told("write")?;
        let old = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
        let new = directory.join("named");
        linkat(CWD, &old, CWD, &new, AtFlags::SYMLINK_FOLLOW).told("linkat")?;
        same("content", fs::read(&new).told("read")?, b"content".to_vec())?;
        same("links", fs::metadata(&new).told("stat")?.nlink(), 1)?;
        let other = directory.join("other");
        linkat(&file, "", CWD, &other, AtFlags::EMPTY_PATH).told("by descriptor")?;
        same("links", fs::metadata(&new).told("stat")?.nlink(), 2)
    })
}

fn never_to_be_named() -> Verdict {
    in_directory(|directory| {
        let made = open(directory, flags(TMPFILE | RDWR | EXCL), Mode::RWXU);
        let file = made.told("open")?;
        let new = directory.join("named");
        let linked = linkat(&file, "", CWD, &new, AtFlags::EMPTY_PATH);
        fails("linkat", linked, Errno::NOENT)?;
        // Nor can what has lost its name get one.
        let path = directory.join("file");
        let file = File::create(&path).told("create")?;
        fs::remove_file(&path).told("unlink")?;
        let linked = linkat(&file, "", CWD, &new, AtFlags::EMPTY_PATH);
        fails("removed", linked, Errno::NOENT)
    })
}

fn no_access_time() -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        fs::write(&path, "content").told("write")?;
        let old = std::time::UNIX_EPOCH;
        let times = fs::FileTimes::new().set_accessed(old);
        let file = OpenOptions::new().write(true).open(&path).told("open")?;
        file.set_times(times).told("utimensat")?;
        let quiet = open(&path, flags(RDONLY | NOATIME), Mode::empty()).told("open")?;
        rustix::io::read(&quiet, &mut [0; 4]).told("read")?;
        same("accessed", fs::metadata(&path).told("stat")?.atime(), 0)?;
        let loud = open(&path, flags(RDONLY), Mode::empty()).told("open")?;
        rustix::io::read(&loud, &mut [0; 4]).told("read")?;
        check(fs::metadata(&path).told("stat")?.atime() > 0, || {
            "not seen".into()
        })?;
        as_user(1000, 1000, &[], || {
            fails("not the owner", opens(&path, NOATIME), Errno::PERM)?;
            let file = open(&path, flags(RDONLY), Mode::empty()).told("open")?;
            fails(
                "not the owner",
                fcntl_setfl(&file, flags(NOATIME)),
                Errno::PERM,
            )
        })
    })
}

fn exclusive_and_links() -> Verdict {
    in_directory(|directory| {
        let link = directory.join("link");
        symlink("target", &link).told("symlink")?;
        fails("exclusive", opens(&link, RDWR | CREAT | EXCL), Errno::EXIST)?;
        fails(
            "not followed",
            opens(&link, RDWR | CREAT | NOFOLLOW),
            Errno::LOOP,
        )?;
        opens(&link, RDWR | CREAT).told("through the link")?;
        check(directory.join("target").exists(), || "not made".into())?;
        symlink("nowhere/target", directory.join("lost")).told("symlink")?;
        fails(
            "lost",
            opens(&directory.join("lost"), RDWR | CREAT),
            Errno::NOENT,
        )
    })
}

fn magic_links() -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        fs::write(&path, "content").told("write")?;
        let file = File::open(&path).told("open")?;
        let own = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
        let own = Path::new(&own);
        fails("not followed", opens(own, NOFOLLOW), Errno::LOOP)?;
        fails("no directory", opens(own, DIRECTORY), Errno::NOTDIR)?;
        fs::remove_file(&path).told("unlink")?;
        // It leads to the file, not to a name.
        same("content", fs::read(own).told("read")?, b"content".to_vec())?;
        opens(own, RDWR).told("to write")
    })
}

fn permissions() -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        fs::write(&path, "content").told("write")?;
        let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode));
        rustix::fs::chown(&path, None, Some(rustix::fs::Gid::from_raw(77))).told("chown")?;
        mode(0o640).told("chmod")?;
        as_user(1000, 1000, &[], || {
            fails("others", opens(&path, RDONLY), Errno::ACCESS)
        })?;
        as_user(1000, 77, &[], || opens(&path, RDONLY).told("the group"))?;
        as_user(1000, 1000, &[5, 77], || {
            opens(&path, RDONLY).told("a supplementary group")?;
            fails("to write", opens(&path, RDWR), Errno::ACCESS)?;
            fails("to truncate", opens(&path, RDONLY | TRUNC), Errno::ACCESS)?;
            fails(
                "to make",
                opens(&directory.join("new"), RDWR | CREAT),
                Errno::ACCESS,
            )
        })?;
        // The first class that fits decides, even if the others may more.
        mode(0o604).told("chmod")?;
        as_user(1000, 77, &[], || {
            fails("the group", opens(&path, RDONLY), Errno::ACCESS)
        })?;
        opens(&path, RDWR).told("root")
    })
}

fn mode_and_umask() -> Verdict {
    in_directory(|directory| {
        let before = rustix::process::umask(Mode::from_raw_mode(0o026));
        let path = directory.join("file");
        let mode = Mode::from_raw_mode(0o6777);
        let made = open(&path, flags(CREAT | EXCL | RDWR), mode);
        rustix::process::umask(before);
        made.told("open")?;
        same("mode", fs::metadata(&path).told("stat")?.mode(), 0o106_751)?;
        // Whoever makes a file has what it asked for.
        let closed = directory.join("closed");
        fs::set_permissions(directory, fs::Permissions::from_mode(0o777)).told("chmod")?;
        as_user(1000, 1000, &[], || {
            let file = open(&closed, flags(CREAT | RDWR), Mode::empty()).told("open")?;
            rustix::io::write(&file, b"x").told("write")?;
            fails("again", opens(&closed, RDONLY), Errno::ACCESS)
        })
    })
}

fn busy_programs() -> Verdict {
    in_directory(|directory| {
        let path = directory.join("true");
        crate::small::write_true(&path.to_string_lossy()).told("write")?;
        let run = || std::process::Command::new(&path).status();
        check(run().told("run")?.success(), || "does not run".into())?;
        let file = OpenOptions::new().append(true).open(&path).told("open")?;
        let busy = run().err().and_then(|e| Errno::from_io_error(&e));
        same("open for writing", busy, Some(Errno::TXTBSY))?;
        let copy = rustix::io::dup(&file).told("dup")?;
        drop(file);
        let busy = run().err().and_then(|e| Errno::from_io_error(&e));
        same("still open", busy, Some(Errno::TXTBSY))?;
        drop(copy);
        check(run().told("run")?.success(), || "does not run".into())?;
        let own = Path::new("/proc/self/exe");
        fails("write", opens(own, RDWR), Errno::TXTBSY)?;
        fails(
            "truncate",
            files::by_path(ByPath::Truncate, &c(own), [0, 0]),
            Errno::TXTBSY,
        )
    })
}
