//! Names: making, linking and removing them.

use std::fs::{self, File, Permissions};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use berth_sys::files::{self, ByPath, ByPlace, ByTwoPaths, by_path, by_place, by_two_paths};
use rustix::fs::{AtFlags, CWD, linkat, renameat, symlinkat};
use rustix::io::Errno;

use super::files::in_directory;
use super::opening::c;
use super::{Case, Told, Verdict, as_user, check, exits, fails, same};

pub const CASES: &[Case] = &[
    ("names/links", links),
    ("names/links-of-links", links_of_links),
    ("names/symlink-targets", symlink_targets),
    ("names/unlink-errors", unlink_errors),
    ("names/rmdir-errors", rmdir_errors),
    ("names/mkdir-errors", mkdir_errors),
    ("names/nodes", nodes),
    ("names/by-place", by_place_of_a_descriptor),
    ("names/group-is-inherited", group_is_inherited),
    ("names/removed-directory", removed_directory),
    ("names/old-listing", old_listing),
    ("names/new-root", new_root),
];

pub(super) fn at(directory: &Path, name: &str) -> std::path::PathBuf {
    directory.join(name)
}

/// A directory with a file, an empty directory and a full one.
pub(super) fn with_some(work: impl FnOnce(&Path) -> Verdict) -> Verdict {
    in_directory(|directory| {
        fs::write(at(directory, "file"), "content").told("write")?;
        fs::create_dir(at(directory, "empty")).told("mkdir")?;
        fs::create_dir_all(at(directory, "full/below/deep")).told("mkdir")?;
        fs::write(at(directory, "full/file"), "").told("write")?;
        work(directory)
    })
}

pub(super) fn chmod(path: &Path, mode: u32) -> Verdict {
    fs::set_permissions(path, Permissions::from_mode(mode)).told("chmod")
}

pub(super) fn chown(path: &Path, user: u64, group: u64) -> Verdict {
    by_path(ByPath::Chown, &c(path), [user, group])
        .map(drop)
        .told("chown")
}

pub(super) fn link(old: &Path, new: &Path) -> Result<u64, Errno> {
    by_two_paths(ByTwoPaths::Link, &c(old), &c(new))
}

fn links() -> Verdict {
    with_some(|d| {
        fails(
            "a directory",
            link(&at(d, "empty"), &at(d, "x")),
            Errno::PERM,
        )?;
        fails("taken", link(&at(d, "file"), &at(d, "empty")), Errno::EXIST)?;
        fails(
            "missing",
            link(&at(d, "missing"), &at(d, "x")),
            Errno::NOENT,
        )?;
        fails("to x/", link(&at(d, "file"), &at(d, "x/")), Errno::NOENT)?;
        fails("file/", link(&at(d, "file/"), &at(d, "x")), Errno::NOTDIR)?;
        let other = link(Path::new("/proc/self/status"), &at(d, "x"));
        fails("another file system", other, Errno::XDEV)?;
        link(&at(d, "file"), &at(d, "x")).told("link")?;
        same("links", fs::metadata(at(d, "x")).told("stat")?.nlink(), 2)?;
        let bad = linkat(CWD, at(d, "x"), CWD, at(d, "y"), AtFlags::SYMLINK_NOFOLLOW);
        fails("flag", bad, Errno::INVAL)?;
        // Linux may not let others link what they cannot write.
        chmod(&at(d, "x"), 0o666)?;
        as_user(1000, 1000, &[], || {
            fails("foreign", link(&at(d, "x"), &at(d, "y")), Errno::ACCESS)
        })
    })
}

fn links_of_links() -> Verdict {
    with_some(|d| {
        symlink("file", at(d, "link")).told("symlink")?;
        link(&at(d, "link"), &at(d, "twin")).told("link")?;
        check(at(d, "twin").is_symlink(), || "followed".into())?;
        linkat(
            CWD,
            at(d, "link"),
            CWD,
            at(d, "hard"),
            AtFlags::SYMLINK_FOLLOW,
        )
        .told("linkat")?;
        check(!at(d, "hard").is_symlink(), || "not followed".into())?;
        same(
            "links",
            fs::metadata(at(d, "file")).told("stat")?.nlink(),
            2,
        )
    })
}

fn symlink_targets() -> Verdict {
    in_directory(|d| {
        let make =
            |target: &str, name| by_two_paths(ByTwoPaths::Symlink, &c(target), &c(at(d, name)));
        fails("empty", make("", "x"), Errno::NOENT)?;
        fails("too long", make(&"x".repeat(4096), "x"), Errno::NAMETOOLONG)?;
        let longest = "y".repeat(4095);
        make(&longest, "long").told("longest")?;
        same(
            "target",
            fs::read_link(at(d, "long")).told("readlink")?,
            longest.into(),
        )?;
        same(
            "size",
            fs::symlink_metadata(at(d, "long")).told("lstat")?.size(),
            4095,
        )?;
        fails("taken", make("a", "long"), Errno::EXIST)?;
        fails("x/", make("a", "x/"), Errno::NOENT)?;
        let open = File::open(d).told("open")?;
        symlinkat("target", &open, "relative").told("symlinkat")?;
        same(
            "mode",
            fs::symlink_metadata(at(d, "relative"))
                .told("lstat")?
                .mode(),
            0o120_777,
        )?;
        // A short buffer cuts the target off.
        let mut room = [0; 3];
        let cut = rustix::fs::readlinkat_raw(CWD, at(d, "relative"), &mut room[..]);
        same("cut", (cut, &room), (Ok(3), b"tar"))
    })
}

fn unlink_errors() -> Verdict {
    with_some(|d| {
        let unlink = |name: &str| by_path(ByPath::Unlink, &c(at(d, name)), [0, 0]);
        fails("a directory", unlink("empty"), Errno::ISDIR)?;
        fails("empty/", unlink("empty/"), Errno::ISDIR)?;
        fails("empty/.", unlink("empty/."), Errno::ISDIR)?;
        fails("empty/..", unlink("empty/.."), Errno::ISDIR)?;
        fails("file/", unlink("file/"), Errno::NOTDIR)?;
        fails("file/x", unlink("file/x"), Errno::NOTDIR)?;
        fails("missing", unlink("missing"), Errno::NOENT)?;
        fails("missing/", unlink("missing/"), Errno::NOENT)?;
        symlink("missing", at(d, "link")).told("symlink")?;
        unlink("link").told("a link to nowhere")?;
        unlink("file").map(drop).told("file")
    })
}

fn rmdir_errors() -> Verdict {
    with_some(|d| {
        let rmdir = |name: &str| by_path(ByPath::Rmdir, &c(at(d, name)), [0, 0]);
        fails("full", rmdir("full"), Errno::NOTEMPTY)?;
        fails("file", rmdir("file"), Errno::NOTDIR)?;
        fails("file/", rmdir("file/"), Errno::NOTDIR)?;
        fails("empty/.", rmdir("empty/."), Errno::INVAL)?;
        fails("empty/..", rmdir("empty/.."), Errno::NOTEMPTY)?;
        fails("missing", rmdir("missing"), Errno::NOENT)?;
        fails("root", by_path(ByPath::Rmdir, &c("/"), [0, 0]), Errno::BUSY)?;
        symlink("empty", at(d, "link")).told("symlink")?;
        fails("a link", rmdir("link"), Errno::NOTDIR)?;
        fails("link/", rmdir("link/"), Errno::NOTDIR)?;
        rmdir("empty/").map(drop).told("empty/")
    })
}

fn mkdir_errors() -> Verdict {
    with_some(|d| {
        let mkdir = |name: &str, mode| by_path(ByPath::Mkdir, &c(at(d, name)), [mode, 0]);
        fails("taken", mkdir("file", 0o755), Errno::EXIST)?;
        fails(".", mkdir("empty/.", 0o755), Errno::EXIST)?;
        fails("..", mkdir("empty/..", 0o755), Errno::EXIST)?;
        fails(
            "root",
            by_path(ByPath::Mkdir, &c("/"), [0o755, 0]),
            Errno::EXIST,
        )?;
        fails("below a file", mkdir("file/x", 0o755), Errno::NOTDIR)?;
        fails(
            "no path",
            by_path(ByPath::Mkdir, &c(""), [0o755, 0]),
            Errno::NOENT,
        )?;
        symlink("nowhere", at(d, "link")).told("symlink")?;
        fails("a link to nowhere", mkdir("link", 0o755), Errno::EXIST)?;
        let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0));
        let made = mkdir("new//", 0o7777);
        rustix::process::umask(before);
        made.told("new//")?;
        // Set-id bits are not for mkdir to give.
        same(
            "mode",
            fs::metadata(at(d, "new")).told("stat")?.mode(),
            0o041_777,
        )
    })
}

fn nodes() -> Verdict {
    in_directory(|d| {
        let make =
            |name: &str, mode, device| by_path(ByPath::Mknod, &c(at(d, name)), [mode, device]);
        let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        let null = 0o20_666;
        make("file", 0o666, 0).told("file")?;
        make("fifo", 0o10_666, 0).told("fifo")?;
        make("socket", 0o140_666, 0).told("socket")?;
        make("null", null, 0x103).told("device")?;
        rustix::process::umask(before);
        for (name, mode) in [
            ("file", 0o100_644),
            ("fifo", 0o10_644),
            ("socket", 0o140_644),
            ("null", 0o20_644),
        ] {
            same(name, fs::metadata(at(d, name)).told("stat")?.mode(), mode)?;
        }
        same(
            "device",
            fs::metadata(at(d, "null")).told("stat")?.rdev(),
            0x103,
        )?;
        fails("directory", make("d", 0o40_755, 0), Errno::PERM)?;
        fails("link", make("d", 0o120_755, 0), Errno::INVAL)?;
        fails("taken", make("file", null, 0x103), Errno::EXIST)?;
        let socket = rustix::fs::open(
            at(d, "socket"),
            rustix::fs::OFlags::RDWR,
            rustix::fs::Mode::empty(),
        );
        fails("open a socket", socket, Errno::NXIO)?;
        chmod(d, 0o777)?;
        as_user(1000, 1000, &[], || {
            fails("device", make("x", null, 0x103), Errno::PERM)?;
            make("own", 0o10_600, 0).told("fifo")?;
            make("nothing", 0o20_000, 0).map(drop).told("whiteout")
        })
    })
}

fn by_place_of_a_descriptor() -> Verdict {
    with_some(|d| {
        let open = File::open(d).told("open")?;
        let there = open.as_fd();
        by_place(ByPlace::Mkdirat, there, &c("made"), [0o755, 0, 0]).told("mkdirat")?;
        by_place(ByPlace::Mknodat, there, &c("made/fifo"), [0o10_600, 0, 0]).told("mknodat")?;
        by_place(ByPlace::Unlinkat, there, &c("made/fifo"), [0, 0, 0]).told("unlinkat")?;
        let unknown = by_place(ByPlace::Unlinkat, there, &c("made"), [0x100, 0, 0]);
        fails("flag", unknown, Errno::INVAL)?;
        let removed = by_place(ByPlace::Unlinkat, there, &c("made"), [0x200, 0, 0]);
        removed.told("as rmdir")?;
        linkat(there, "file", there, "linked", AtFlags::empty()).told("linkat")?;
        renameat(there, "linked", there, "empty/moved").told("renameat")?;
        check(at(d, "empty/moved").is_file(), || "not moved".into())?;
        let file = File::open(at(d, "file")).told("open")?;
        let below = by_place(ByPlace::Mkdirat, file.as_fd(), &c("x"), [0o755, 0, 0]);
        fails("below a file", below, Errno::NOTDIR)
    })
}

fn group_is_inherited() -> Verdict {
    in_directory(|d| {
        chown(d, 0, 77)?;
        chmod(d, 0o2777)?;
        let mode = |name: &str| {
            fs::symlink_metadata(at(d, name))
                .map(|m| (m.gid(), m.mode()))
                .told("stat")
        };
        fs::write(at(d, "file"), "").told("write")?;
        fs::create_dir(at(d, "sub")).told("mkdir")?;
        same("file", mode("file")?.0, 77)?;
        let (group, bits) = mode("sub")?;
        same("directory", (group, bits & 0o2000), (77, 0o2000))?;
        as_user(1000, 1000, &[], || {
            let made = |name: &str, mode: u64| {
                by_path(ByPath::Mknod, &c(at(d, name)), [0o100_000 | mode, 0])
            };
            made("foreign", 0o2755).told("mknod")?;
            made("locked", 0o2744).map(drop).told("mknod")
        })?;
        // A program of a group that its maker is not in does not run with its rights.
        same("foreign", mode("foreign")?, (77, 0o100_755))?;
        same("locked", mode("locked")?, (77, 0o102_744))?;
        as_user(1000, 1000, &[77], || {
            let path = c(at(d, "own"));
            by_path(ByPath::Mknod, &path, [0o102_755, 0])
                .map(drop)
                .told("mknod")
        })?;
        same("own", mode("own")?, (77, 0o102_755))
    })
}

fn removed_directory() -> Verdict {
    with_some(|d| {
        let open = File::open(at(d, "empty")).told("open")?;
        fs::remove_dir(at(d, "empty")).told("rmdir")?;
        let made = by_place(ByPlace::Mkdirat, open.as_fd(), &c("x"), [0o755, 0, 0]);
        fails("mkdir", made, Errno::NOENT)?;
        let file = by_place(ByPlace::Openat, open.as_fd(), &c("x"), [0o102, 0o644, 0]);
        fails("create", file, Errno::NOENT)?;
        fails(
            "rename",
            renameat(CWD, at(d, "file"), &open, "x"),
            Errno::NOENT,
        )?;
        let mut room = [0; 512];
        fails(
            "list",
            files::getdents(open.as_fd(), &mut room),
            Errno::NOENT,
        )?;
        same("links", rustix::fs::fstat(&open).told("fstat")?.st_nlink, 0)?;
        // Its dots are still there.
        let up = rustix::fs::statat(&open, "..", AtFlags::empty()).told("..")?;
        same("..", up.st_ino, fs::metadata(d).told("stat")?.ino())
    })
}

fn old_listing() -> Verdict {
    with_some(|d| {
        let open = File::open(d).told("open")?;
        let mut room = [0; 512];
        fails(
            "no room",
            files::getdents(open.as_fd(), &mut [0; 10]),
            Errno::INVAL,
        )?;
        let len = files::getdents(open.as_fd(), &mut room).told("getdents")?;
        let mut bytes = room
            .get(..usize::try_from(len).unwrap_or(0))
            .unwrap_or_default();
        let mut found = Vec::new();
        while let (Some(size), Some(last)) = (bytes.get(16..18), bytes.get(18..)) {
            let size = usize::from(u16::from_le_bytes([size[0], size[1]]));
            let name: Vec<u8> = last.iter().copied().take_while(|byte| *byte != 0).collect();
            let kind = bytes.get(size.saturating_sub(1)).copied().unwrap_or(0);
            found.push((String::from_utf8_lossy(&name).into_owned(), kind));
            bytes = bytes.get(size..).unwrap_or_default();
        }
        found.sort();
        let wanted = [(".", 4), ("..", 4), ("empty", 4), ("file", 8), ("full", 4)];
        let wanted: Vec<(String, u8)> = wanted.iter().map(|(n, k)| ((*n).to_owned(), *k)).collect();
        same("entries", found, wanted)?;
        same("the end", files::getdents(open.as_fd(), &mut room), Ok(0))
    })
}

fn new_root() -> Verdict {
    with_some(|d| {
        let failed = by_path(ByPath::Chroot, &c(at(d, "file")), [0, 0]);
        fails("a file", failed, Errno::NOTDIR)?;
        as_user(1000, 1000, &[], || {
            fails(
                "without privilege",
                by_path(ByPath::Chroot, &c("/"), [0, 0]),
                Errno::PERM,
            )
        })?;
        let top = fs::metadata(d).told("stat")?.ino();
        exits(0, || {
            let inside = by_path(ByPath::Chroot, &c(d), [0, 0]).is_ok()
                && by_path(ByPath::Chdir, &c("/"), [0, 0]).is_ok()
                && fs::metadata("/..").is_ok_and(|up| up.ino() == top)
                && fs::metadata("/../../file").is_ok()
                && std::env::current_dir().is_ok_and(|path| path == Path::new("/"));
            i32::from(!inside)
        })?;
        // A root elsewhere cannot be seen from the directory one is in.
        exits(0, || {
            let outside = by_path(ByPath::Chdir, &c(d), [0, 0]).is_ok()
                && by_path(ByPath::Chroot, &c(at(d, "empty")), [0, 0]).is_ok();
            let told = rustix::process::getcwd(Vec::new());
            let unreachable = told.is_ok_and(|path| path.as_bytes().starts_with(b"(unreachable)"));
            i32::from(!(outside && unreachable && fs::metadata("file").is_ok()))
        })
    })
}
