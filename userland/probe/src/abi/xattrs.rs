//! Extended attributes.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::{
    CWD, FileType, Mode, OFlags, XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr,
    getxattr, getxattr_query, lgetxattr, listxattr, listxattr_query, llistxattr, lremovexattr,
    lsetxattr, removexattr, setxattr,
};
use rustix::io::Errno;

use super::files::in_directory;
use super::{Case, Told, Verdict, as_user, check, fails, same};

pub const CASES: &[Case] = &[
    ("xattrs/set-and-get", set_and_get),
    ("xattrs/create-and-replace", create_and_replace),
    ("xattrs/buffer-sizes", buffer_sizes),
    ("xattrs/limits", limits),
    ("xattrs/list-and-remove", list_and_remove),
    ("xattrs/by-descriptor", by_descriptor),
    ("xattrs/links-have-their-own", links_have_their_own),
    ("xattrs/kinds-of-files", kinds_of_files),
    ("xattrs/namespaces", namespaces),
    ("xattrs/without-privileges", without_privileges),
    ("xattrs/file-capabilities", file_capabilities),
    ("xattrs/survive-rename", survive_rename),
    ("xattrs/change-time", change_time),
    ("xattrs/many", many),
];

const ANY: XattrFlags = XattrFlags::empty();

fn value(path: &Path, name: &str) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; 1 << 16];
    let len = getxattr(path, name, &mut bytes[..])?;
    bytes.truncate(len);
    Ok(bytes)
}

/// Fails unless these are the names of the attributes.
fn lists(path: &Path, wanted: &[&str]) -> Verdict {
    let mut bytes = vec![0; 1 << 16];
    let len = listxattr(path, &mut bytes).told("listxattr")?;
    let list = String::from_utf8_lossy(bytes.get(..len).unwrap_or_default());
    let mut names: Vec<&str> = list.split_terminator('\0').collect();
    names.sort_unstable();
    same("list", names.as_slice(), wanted)
}

/// Runs `work` with a file in a directory of its own.
fn with_file(work: impl FnOnce(&Path, &Path) -> Verdict) -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        fs::write(&path, "x").told("write")?;
        work(directory, &path)
    })
}

fn set_and_get() -> Verdict {
    with_file(|directory, path| {
        fails("absent", value(path, "user.a"), Errno::NODATA)?;
        setxattr(path, "user.a", b"one\0two", ANY).told("setxattr")?;
        same("value", value(path, "user.a"), Ok(b"one\0two".to_vec()))?;
        setxattr(path, "user.a", b"", ANY).told("setxattr")?;
        same("empty", value(path, "user.a"), Ok(vec![]))?;
        setxattr(directory, "user.d", b"d", ANY).told("of a directory")?;
        same(
            "of a directory",
            value(directory, "user.d"),
            Ok(b"d".to_vec()),
        )?;
        fails("other file", value(path, "user.d"), Errno::NODATA)?;
        let missing = directory.join("missing");
        fails("missing", value(&missing, "user.a"), Errno::NOENT)
    })
}

fn create_and_replace() -> Verdict {
    with_file(|_, path| {
        let set = |flags| setxattr(path, "user.a", b"v", flags);
        fails("replace", set(XattrFlags::REPLACE), Errno::NODATA)?;
        set(XattrFlags::CREATE).told("create")?;
        fails("create", set(XattrFlags::CREATE), Errno::EXIST)?;
        set(XattrFlags::REPLACE).told("replace")?;
        fails(
            "both",
            set(XattrFlags::CREATE | XattrFlags::REPLACE),
            Errno::EXIST,
        )?;
        fails(
            "unknown",
            set(XattrFlags::from_bits_retain(4)),
            Errno::INVAL,
        )
    })
}

fn buffer_sizes() -> Verdict {
    with_file(|_, path| {
        setxattr(path, "user.a", b"12345", ANY).told("setxattr")?;
        same("length", getxattr_query(path, "user.a"), Ok(5))?;
        fails(
            "short",
            getxattr(path, "user.a", &mut [0; 4][..]),
            Errno::RANGE,
        )?;
        same("exact", getxattr(path, "user.a", &mut [0; 5][..]), Ok(5))?;
        same("list length", listxattr_query(path), Ok(7))?;
        fails("short list", listxattr(path, &mut [0; 6][..]), Errno::RANGE)?;
        same("exact list", listxattr(path, &mut [0; 7][..]), Ok(7))
    })
}

fn limits() -> Verdict {
    with_file(|_, path| {
        let name = |len: usize| format!("user.{}", "n".repeat(len - 5));
        setxattr(path, name(255), b"v", ANY).told("longest name")?;
        same("longest name", value(path, &name(255)), Ok(b"v".to_vec()))?;
        fails("longer", setxattr(path, name(256), b"v", ANY), Errno::RANGE)?;
        fails("longer", value(path, &name(256)), Errno::RANGE)?;
        fails("no name", setxattr(path, "", b"v", ANY), Errno::RANGE)?;
        let big = vec![7; 65536];
        setxattr(path, "user.big", &big, ANY).told("largest value")?;
        check(value(path, "user.big") == Ok(big), || "other bytes".into())?;
        let bigger = vec![7; 65537];
        fails(
            "larger",
            setxattr(path, "user.c", &bigger, ANY),
            Errno::TOOBIG,
        )
    })
}

fn list_and_remove() -> Verdict {
    with_file(|_, path| {
        lists(path, &[])?;
        for name in ["user.b", "user.a", "trusted.t", "security.s"] {
            setxattr(path, name, b"v", ANY).told(name)?;
        }
        lists(path, &["security.s", "trusted.t", "user.a", "user.b"])?;
        removexattr(path, "user.a").told("removexattr")?;
        fails("again", removexattr(path, "user.a"), Errno::NODATA)?;
        fails("get", value(path, "user.a"), Errno::NODATA)?;
        lists(path, &["security.s", "trusted.t", "user.b"])
    })
}

fn by_descriptor() -> Verdict {
    with_file(|_, path| {
        let file = File::open(path).told("open")?;
        fsetxattr(&file, "user.a", b"v", ANY).told("fsetxattr")?;
        let mut bytes = [0; 8];
        same(
            "fgetxattr",
            fgetxattr(&file, "user.a", &mut bytes[..]),
            Ok(1),
        )?;
        same("flistxattr", flistxattr(&file, &mut bytes[..]), Ok(7))?;
        same("list", &bytes[..7], b"user.a\0")?;
        fremovexattr(&file, "user.a").told("fremovexattr")?;
        fails(
            "gone",
            fgetxattr(&file, "user.a", &mut bytes[..]),
            Errno::NODATA,
        )?;
        let place = rustix::fs::open(path, OFlags::PATH, Mode::empty()).told("O_PATH")?;
        fails(
            "O_PATH",
            fsetxattr(&place, "user.a", b"v", ANY),
            Errno::BADF,
        )?;
        fails("O_PATH", flistxattr(&place, &mut bytes[..]), Errno::BADF)
    })
}

fn links_have_their_own() -> Verdict {
    with_file(|directory, path| {
        let link = directory.join("link");
        symlink("file", &link).told("symlink")?;
        setxattr(&link, "user.a", b"file", ANY).told("setxattr")?;
        same("through", value(path, "user.a"), Ok(b"file".to_vec()))?;
        let own = lsetxattr(&link, "user.a", b"link", ANY);
        fails("user. of a link", own, Errno::PERM)?;
        let mut bytes = [0; 16];
        let own = lgetxattr(&link, "user.a", &mut bytes[..]);
        fails("user. of a link", own, Errno::NODATA)?;
        lsetxattr(&link, "trusted.a", b"link!", ANY).told("lsetxattr")?;
        same(
            "lgetxattr",
            lgetxattr(&link, "trusted.a", &mut bytes[..]),
            Ok(5),
        )?;
        fails("not the file's", value(path, "trusted.a"), Errno::NODATA)?;
        same("llistxattr", llistxattr(&link, &mut bytes[..]), Ok(10))?;
        lremovexattr(&link, "trusted.a").told("lremovexattr")?;
        same("llistxattr", llistxattr(&link, &mut bytes[..]), Ok(0))
    })
}

fn kinds_of_files() -> Verdict {
    in_directory(|directory| {
        let fifo = directory.join("fifo");
        rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).told("mkfifo")?;
        fails("set", setxattr(&fifo, "user.a", b"v", ANY), Errno::PERM)?;
        fails("get", value(&fifo, "user.a"), Errno::NODATA)?;
        setxattr(&fifo, "trusted.a", b"v", ANY).told("trusted. of a fifo")?;
        same("trusted.", value(&fifo, "trusted.a"), Ok(b"v".to_vec()))?;
        let of_proc = Path::new("/proc/self/status");
        fails("procfs", value(of_proc, "user.a"), Errno::OPNOTSUPP)?;
        fails(
            "procfs",
            setxattr(of_proc, "trusted.a", b"", ANY),
            Errno::OPNOTSUPP,
        )?;
        lists(of_proc, &[])
    })
}

fn namespaces() -> Verdict {
    with_file(|_, path| {
        let set = |name: &str| setxattr(path, name, b"v", ANY);
        for name in ["other.a", "a", "user", "system.a", "Trusted.a"] {
            fails(name, set(name), Errno::OPNOTSUPP)?;
            fails(name, value(path, name), Errno::OPNOTSUPP)?;
            fails(name, removexattr(path, name), Errno::OPNOTSUPP)?;
        }
        for name in ["user.", "trusted.", "security."] {
            fails(name, set(name), Errno::INVAL)?;
        }
        fails("empty", value(path, "user."), Errno::INVAL)
    })
}

fn without_privileges() -> Verdict {
    with_file(|directory, path| {
        for (name, mode) in [("sticky", 0o1777), ("open", 0o777)] {
            let made = directory.join(name);
            fs::create_dir(&made).told("mkdir")?;
            fs::set_permissions(&made, Permissions::from_mode(mode)).told("chmod")?;
        }
        setxattr(path, "user.a", b"v", ANY).told("setxattr")?;
        setxattr(path, "trusted.a", b"v", ANY).told("setxattr")?;
        setxattr(path, "security.a", b"v", ANY).told("setxattr")?;
        fs::set_permissions(path, Permissions::from_mode(0o644)).told("chmod")?;
        as_user(1000, 1000, &[], || {
            same("read", value(path, "user.a"), Ok(b"v".to_vec()))?;
            fails("write", setxattr(path, "user.a", b"w", ANY), Errno::ACCESS)?;
            fails("trusted.", value(path, "trusted.a"), Errno::NODATA)?;
            fails(
                "trusted.",
                setxattr(path, "trusted.a", b"w", ANY),
                Errno::PERM,
            )?;
            fails("trusted.", removexattr(path, "trusted.a"), Errno::PERM)?;
            same("security.", value(path, "security.a"), Ok(b"v".to_vec()))?;
            fails(
                "security.",
                setxattr(path, "security.a", b"w", ANY),
                Errno::PERM,
            )?;
            lists(path, &["security.a", "user.a"])?;
            let sticky = directory.join("sticky");
            fails(
                "sticky",
                setxattr(&sticky, "user.a", b"v", ANY),
                Errno::PERM,
            )?;
            setxattr(directory.join("open"), "user.a", b"v", ANY).told("open to all")
        })?;
        fs::set_permissions(path, Permissions::from_mode(0o600)).told("chmod")?;
        as_user(1000, 1000, &[], || {
            fails("unreadable", value(path, "user.a"), Errno::ACCESS)
        })
    })
}

/// The second form: permits and inherits nothing, but says that it does.
const CAPABILITIES: [u8; 20] = [1, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn file_capabilities() -> Verdict {
    with_file(|_, path| {
        let name = "security.capability";
        fails(
            "no such form",
            setxattr(path, name, b"v", ANY),
            Errno::INVAL,
        )?;
        let set = || setxattr(path, name, &CAPABILITIES, ANY);
        set().told("setxattr")?;
        same("value", value(path, name), Ok(CAPABILITIES.to_vec()))?;
        let mut file = OpenOptions::new().append(true).open(path).told("open")?;
        file.write_all(b"x").told("write")?;
        fails("after a write", value(path, name), Errno::NODATA)?;
        set().told("setxattr")?;
        file.set_len(0).told("ftruncate")?;
        fails("after ftruncate", value(path, name), Errno::NODATA)?;
        set().told("setxattr")?;
        rustix::fs::chown(path, None, None).told("chown")?;
        fails("after chown", value(path, name), Errno::NODATA)?;
        fs::set_permissions(path, Permissions::from_mode(0o666)).told("chmod")?;
        as_user(1000, 1000, &[], || fails("by a user", set(), Errno::PERM))
    })
}

fn survive_rename() -> Verdict {
    with_file(|directory, path| {
        setxattr(path, "user.a", b"v", ANY).told("setxattr")?;
        let (link, moved) = (directory.join("link"), directory.join("moved"));
        fs::hard_link(path, &link).told("link")?;
        fs::rename(path, &moved).told("rename")?;
        same("moved", value(&moved, "user.a"), Ok(b"v".to_vec()))?;
        same("linked", value(&link, "user.a"), Ok(b"v".to_vec()))?;
        fs::write(path, "y").told("write")?;
        fails("new file", value(path, "user.a"), Errno::NODATA)
    })
}

fn change_time() -> Verdict {
    with_file(|_, path| {
        let old = || {
            let file = File::open(path).told("open")?;
            let past = std::time::UNIX_EPOCH;
            file.set_modified(past).told("utimensat")?;
            let stat = file.metadata().told("fstat")?;
            Ok::<_, String>((stat.ctime(), stat.ctime_nsec()))
        };
        let before = old()?;
        std::thread::sleep(std::time::Duration::from_millis(30));
        setxattr(path, "user.a", b"v", ANY).told("setxattr")?;
        let stat = fs::metadata(path).told("stat")?;
        let after = (stat.ctime(), stat.ctime_nsec());
        check(after > before, || {
            format!("changed: {after:?}, not after {before:?}")
        })?;
        same("modified", (stat.mtime(), stat.mtime_nsec()), (0, 0))
    })
}

fn many() -> Verdict {
    with_file(|_, path| {
        let name = |index| format!("user.name-{index:03}");
        for index in 0..100 {
            setxattr(path, name(index), name(index).as_bytes(), ANY).told("setxattr")?;
        }
        for index in (0..100).step_by(2) {
            removexattr(path, name(index)).told("removexattr")?;
        }
        let left: Vec<String> = (1..100).step_by(2).map(name).collect();
        let all: Vec<&str> = left.iter().map(String::as_str).collect();
        lists(path, &all)?;
        for name in left {
            same("value", value(path, &name), Ok(name.clone().into_bytes()))?;
        }
        Ok(())
    })
}
