//! Names: walks, links, renames, permissions.

use crate::bench::{Bench, FDCWD, OUT, e};
use berth_kernel::error::Errno;
use linux_raw_sys::general as linux;

const CREATE: u32 = linux::O_CREAT | linux::O_WRONLY;

/// A small tree: /a/b/c/file, links to it.
fn tree() -> Bench {
    let mut b = Bench::new();
    for dir in ["/a", "/a/b", "/a/b/c", "/d"] {
        b.mkdir(dir).unwrap();
    }
    b.file("/a/b/c/file", "here");
    for (target, path) in [
        ("/a/b", "/abs"),
        ("b/c", "/a/rel"),
        ("../../a/b/c/file", "/a/b/up"),
        ("loop2", "/loop1"),
        ("loop1", "/loop2"),
        ("nowhere", "/dangling"),
        ("/", "/root"),
        ("..", "/dotdot"),
        ("a/", "/slash"),
    ] {
        b.symlink(target, path);
    }
    b
}

#[test]
fn walks_end_where_linux_ends_them() {
    let mut b = tree();
    let file = b.stat("/a/b/c/file").unwrap().ino;
    let here = [
        "/abs/c/file",
        "/a/rel/file",
        "/a/b/up",
        "//a//b/./c/../c/file",
        "/../../a/b/c/file",
        "/root/a/b/c/file",
        "/dotdot/a/b/c/file",
        "/slash/b/c/file",
        "a/b/c/file",
        "/root/root/root/abs/up",
    ];
    for path in here {
        assert_eq!(b.stat(path).map(|s| s.ino), Ok(file), "{path}");
    }
    let long = format!("/{}", "n".repeat(256));
    let far = format!("/{}a", "a/../".repeat(900));
    let failing = [
        ("", Errno::ENOENT),
        ("/none", Errno::ENOENT),
        ("/none/file", Errno::ENOENT),
        ("/a/b/c/file/", Errno::ENOTDIR),
        ("/a/b/c/file/x", Errno::ENOTDIR),
        ("/a/b/c/file/..", Errno::ENOTDIR),
        ("/loop1", Errno::ELOOP),
        ("/loop1/x", Errno::ELOOP),
        ("/dangling", Errno::ENOENT),
        (long.as_str(), Errno::ENAMETOOLONG),
        (far.as_str(), Errno::ENAMETOOLONG),
    ];
    for (path, error) in failing {
        assert_eq!(b.stat(path), Err(e(error)), "{path}");
    }
    assert_eq!(b.lstat("/loop1").unwrap().mode & 0o170000, 0o120000);
    assert_eq!(b.lstat("/abs/").unwrap().mode & 0o170000, 0o040000);
    assert_eq!(b.on(linux::__NR_readlink, "/abs", &[OUT, 3]), Ok(3));
    assert_eq!(b.get(OUT, 3), b"/a/");
    assert_eq!(
        b.on(linux::__NR_readlink, "/a", &[OUT, 10]),
        Err(e(Errno::EINVAL))
    );
}

#[test]
fn forty_links_are_followed_and_not_one_more() {
    let mut b = Bench::new();
    b.file("/l0", "end");
    for i in 1..=41 {
        b.symlink(&format!("l{}", i - 1), &format!("/l{i}"));
    }
    assert_eq!(b.content("/l40").unwrap(), "end");
    assert_eq!(b.stat("/l41"), Err(e(Errno::ELOOP)));
}

#[test]
fn opening_follows_the_rules_of_its_flags() {
    let mut b = tree();
    let cases = [
        ("/a", CREATE, Err(Errno::EISDIR)),
        ("/a", linux::O_WRONLY, Err(Errno::EISDIR)),
        ("/new/", CREATE, Err(Errno::EISDIR)),
        ("/a/b/c/file", CREATE | linux::O_EXCL, Err(Errno::EEXIST)),
        ("/dangling", CREATE | linux::O_EXCL, Err(Errno::EEXIST)),
        ("/abs", linux::O_NOFOLLOW, Err(Errno::ELOOP)),
        ("/abs", linux::O_NOFOLLOW | linux::O_PATH, Ok(())),
        ("/a/b/c/file", linux::O_DIRECTORY, Err(Errno::ENOTDIR)),
        (
            "/a",
            linux::O_DIRECTORY | linux::O_CREAT,
            Err(Errno::EINVAL),
        ),
        ("/none", linux::O_RDWR, Err(Errno::ENOENT)),
        ("/none/x", CREATE, Err(Errno::ENOENT)),
        ("/a", linux::O_TMPFILE, Err(Errno::EINVAL)),
        ("/a/b/c/file", linux::O_RDWR, Ok(())),
        ("/", linux::O_RDONLY, Ok(())),
    ];
    for (path, flags, expected) in cases {
        let got = b.open(path, flags);
        assert_eq!(got.map(|_| ()), expected.map_err(e), "{path} {flags:o}");
        if let Ok(fd) = got {
            b.close(fd);
        }
    }
    // A dangling link is created through.
    b.file("/dangling", "made");
    assert_eq!(b.content("/nowhere").unwrap(), "made");
    // O_PATH opens nothing.
    let fd = b.open("/a/b/c/file", linux::O_PATH).unwrap();
    assert_eq!(b.read(fd, 1), Err(e(Errno::EBADF)));
    b.call(linux::__NR_fstat, &[fd, OUT]).unwrap();
    assert_eq!(b.facts().size, 4);
    let empty = b.text("");
    let at = u64::from(linux::AT_EMPTY_PATH);
    b.call(linux::__NR_newfstatat, &[fd, empty, OUT, at])
        .unwrap();
    assert_eq!(b.facts().size, 4);
    b.close(fd);
}

#[test]
fn names_are_made_and_removed() {
    let mut b = tree();
    assert_eq!(b.mkdir("/a"), Err(e(Errno::EEXIST)));
    assert_eq!(b.mkdir("/abs"), Err(e(Errno::EEXIST)));
    assert_eq!(b.mkdir("/"), Err(e(Errno::EEXIST)));
    assert_eq!(b.mkdir("/x/"), Ok(0));
    assert_eq!(b.stat("/").unwrap().nlink, 5);
    let unlink = linux::__NR_unlink;
    let rmdir = linux::__NR_rmdir;
    for (call, path, error) in [
        (unlink, "/a", Errno::EISDIR),
        (unlink, "/none", Errno::ENOENT),
        (unlink, "/", Errno::EISDIR),
        (unlink, "/a/b/c/file/", Errno::ENOTDIR),
        (rmdir, "/a", Errno::ENOTEMPTY),
        (rmdir, "/a/b/c/file", Errno::ENOTDIR),
        (rmdir, "/x/.", Errno::EINVAL),
        (rmdir, "/a/b/..", Errno::ENOTEMPTY),
        (rmdir, "/", Errno::EBUSY),
    ] {
        assert_eq!(b.on(call, path, &[]), Err(e(error)), "{path}");
    }
    assert_eq!(b.on(rmdir, "/x", &[]), Ok(0));
    assert_eq!(b.stat("/").unwrap().nlink, 4);
    assert_eq!(
        b.two(linux::__NR_link, "/a", "/y", &[]),
        Err(e(Errno::EPERM))
    );
    b.two(linux::__NR_link, "/a/b/c/file", "/y", &[]).unwrap();
    assert_eq!(b.stat("/y").unwrap().nlink, 2);
    b.on(unlink, "/a/b/c/file", &[]).unwrap();
    assert_eq!(b.content("/y").unwrap(), "here");
    // A removed directory takes no names, and its path cannot be told.
    b.mkdir("/gone").unwrap();
    b.on(linux::__NR_chdir, "/gone", &[]).unwrap();
    b.on(rmdir, "/gone", &[]).unwrap();
    assert_eq!(b.mkdir("sub"), Err(e(Errno::ENOENT)));
    assert_eq!(b.cwd(), Err(e(Errno::ENOENT)));
    b.on(linux::__NR_chdir, "..", &[]).unwrap();
    assert_eq!(b.cwd().unwrap(), "/");
}

fn rename(b: &mut Bench, from: &str, to: &str, flags: u32) -> Result<u64, i32> {
    let (from, to) = (b.text(from), b.text(to));
    b.call(
        linux::__NR_renameat2,
        &[FDCWD, from, FDCWD, to, u64::from(flags)],
    )
}

#[test]
fn renames_keep_the_tree_a_tree() {
    let mut b = tree();
    b.file("/f", "f");
    b.mkdir("/empty").unwrap();
    let (no, swap) = (linux::RENAME_NOREPLACE, linux::RENAME_EXCHANGE);
    for (from, to, flags, error) in [
        ("/a", "/a/b/x", 0, Errno::EINVAL),
        ("/a", "/a/b", 0, Errno::EINVAL),
        ("/a/b/c", "/a", 0, Errno::ENOTEMPTY),
        ("/a/b", "/a", swap, Errno::EINVAL),
        ("/f", "/a", 0, Errno::EISDIR),
        ("/a", "/f", 0, Errno::ENOTDIR),
        ("/d", "/a", 0, Errno::ENOTEMPTY),
        ("/f", "/a/b/up", no, Errno::EEXIST),
        ("/f", "/none", swap, Errno::ENOENT),
        ("/none", "/f", 0, Errno::ENOENT),
        ("/f", "/x", no | swap, Errno::EINVAL),
        ("/f/", "/x", 0, Errno::ENOTDIR),
        ("/f", "/x/", 0, Errno::ENOTDIR),
        ("/d/.", "/x", 0, Errno::EBUSY),
    ] {
        assert_eq!(
            rename(&mut b, from, to, flags),
            Err(e(error)),
            "{from} {to}"
        );
    }
    // A directory over an empty one; link counts follow.
    rename(&mut b, "/a/b", "/empty", 0).unwrap();
    assert_eq!(b.stat("/a").unwrap().nlink, 2);
    assert_eq!(b.content("/empty/c/file").unwrap(), "here");
    assert_eq!(b.stat("/empty/..").unwrap().ino, b.stat("/").unwrap().ino);
    // A file and a directory change places.
    rename(&mut b, "/f", "/empty/c", swap).unwrap();
    assert_eq!(b.content("/empty/c").unwrap(), "f");
    assert_eq!(b.content("/f/file").unwrap(), "here");
    assert_eq!(b.stat("/empty").unwrap().nlink, 2);
    // Two names of one file: nothing happens.
    b.two(linux::__NR_link, "/f/file", "/same", &[]).unwrap();
    rename(&mut b, "/f/file", "/same", 0).unwrap();
    assert_eq!(b.stat("/f/file").unwrap().nlink, 2);
    // getcwd follows.
    b.on(linux::__NR_chdir, "/f", &[]).unwrap();
    rename(&mut b, "/f", "/d/moved", 0).unwrap();
    assert_eq!(b.cwd().unwrap(), "/d/moved");
}

#[test]
fn permissions_are_those_of_the_mode_bits() {
    let mut b = tree();
    b.mkdir("/tmp").unwrap();
    b.on(linux::__NR_chmod, "/tmp", &[0o1777]).unwrap();
    b.file("/tmp/roots", "x");
    b.file("/secret", "x");
    b.on(linux::__NR_chmod, "/secret", &[0o600]).unwrap();
    b.mkdir("/closed").unwrap();
    b.file("/closed/in", "x");
    b.on(linux::__NR_chmod, "/closed", &[0o700]).unwrap();
    b.become_user(1000);
    for (path, flags, error) in [
        ("/secret", linux::O_RDONLY, Errno::EACCES),
        ("/closed/in", linux::O_RDONLY, Errno::EACCES),
        ("/new", CREATE, Errno::EACCES),
        ("/tmp/roots", linux::O_WRONLY, Errno::EACCES),
    ] {
        assert_eq!(b.open(path, flags), Err(e(error)), "{path}");
    }
    let unlink = linux::__NR_unlink;
    assert_eq!(b.on(unlink, "/tmp/roots", &[]), Err(e(Errno::EPERM)));
    assert_eq!(b.on(unlink, "/secret", &[]), Err(e(Errno::EACCES)));
    assert_eq!(
        b.on(linux::__NR_chmod, "/secret", &[0o777]),
        Err(e(Errno::EPERM))
    );
    assert_eq!(
        b.on(linux::__NR_chown, "/tmp/roots", &[1000, 1000]),
        Err(e(Errno::EPERM))
    );
    b.file("/tmp/mine", "x");
    let facts = b.stat("/tmp/mine").unwrap();
    assert_eq!((facts.uid, facts.mode), (1000, 0o100644));
    assert_eq!(b.on(linux::__NR_chmod, "/tmp/mine", &[0o000]), Ok(0));
    assert_eq!(b.open("/tmp/mine", linux::O_RDONLY), Err(e(Errno::EACCES)));
    assert_eq!(
        b.on(linux::__NR_mknod, "/tmp/dev", &[0o020666, 0x103]),
        Err(e(Errno::EPERM))
    );
    b.become_root();
    let fd = b.open("/tmp/mine", linux::O_RDWR).unwrap();
    b.close(fd);
    // Without any execute bit not even root may execute.
    let (x, path) = (1, "/tmp/mine");
    assert_eq!(b.on(linux::__NR_access, path, &[x]), Err(e(Errno::EACCES)));
    assert_eq!(b.on(linux::__NR_access, path, &[6]), Ok(0));
    // Directories hand their group down where they say so.
    b.mkdir("/shared").unwrap();
    b.on(linux::__NR_chown, "/shared", &[u64::MAX, 77]).unwrap();
    b.on(linux::__NR_chmod, "/shared", &[0o2777]).unwrap();
    b.mkdir("/shared/sub").unwrap();
    assert_eq!(b.stat("/shared/sub").unwrap().mode, 0o042755);
}

#[test]
fn a_listing_survives_changes() {
    let mut b = Bench::new();
    b.mkdir("/d").unwrap();
    for i in 0..200 {
        b.file(&format!("/d/file{i}"), "");
    }
    let all = b.list("/d", 32768);
    assert_eq!(all.len(), 202);
    assert_eq!(&all[..3], [".", "..", "file0"]);
    assert_eq!(b.list("/d", 100), all);
    // Removing what was listed, as rm does, leaves nothing out.
    let fd = b.open("/d", linux::O_RDONLY).unwrap();
    assert_eq!(
        b.call(linux::__NR_getdents64, &[fd, OUT, 8]),
        Err(e(Errno::EINVAL))
    );
    for i in 0..200 {
        b.on(linux::__NR_unlink, &format!("/d/file{i}"), &[])
            .unwrap();
        if i == 100 {
            b.file("/d/late", "");
        }
    }
    b.close(fd);
    assert_eq!(b.list("/d", 32768), [".", "..", "late"]);
    b.on(linux::__NR_unlink, "/d/late", &[]).unwrap();
    b.on(linux::__NR_rmdir, "/d", &[]).unwrap();
    b.end();
}

#[test]
fn times_are_set_and_kept() {
    let mut b = Bench::new();
    b.file("/f", "x");
    let mut times = Vec::new();
    for word in [5u64, 6, 7, 8] {
        times.extend_from_slice(&word.to_le_bytes());
    }
    b.put(OUT + 4096, &times);
    let path = b.text("/f");
    b.call(linux::__NR_utimensat, &[FDCWD, path, OUT + 4096, 0])
        .unwrap();
    assert_eq!(b.stat("/f").unwrap().modified, 7);
    b.put(OUT + 4096 + 8, &2_000_000_000u64.to_le_bytes());
    assert_eq!(
        b.call(linux::__NR_utimensat, &[FDCWD, path, OUT + 4096, 0]),
        Err(e(Errno::EINVAL))
    );
}

#[test]
fn a_file_without_a_name_can_be_given_one() {
    let mut b = Bench::new();
    let exclusive = linux::O_TMPFILE | linux::O_RDWR | linux::O_EXCL;
    for (flags, linked) in [(linux::O_TMPFILE | linux::O_RDWR, true), (exclusive, false)] {
        let fd = b.open("/", flags).unwrap();
        b.write(fd, b"made").unwrap();
        b.call(linux::__NR_fstat, &[fd, OUT]).unwrap();
        assert_eq!(b.facts().nlink, 0);
        let (empty, to) = (b.text(""), b.text("/named"));
        let at = u64::from(linux::AT_EMPTY_PATH);
        let call = b.call(linux::__NR_linkat, &[fd, empty, FDCWD, to, at]);
        assert_eq!(call.is_ok(), linked);
        b.close(fd);
        let content = b.content("/named");
        assert_eq!(content.is_ok(), linked, "{content:?}");
        let _ = b.on(linux::__NR_unlink, "/named", &[]);
    }
    b.end();
}

#[test]
fn locks_of_parts_are_taken_and_told() {
    let mut b = Bench::new();
    b.file("/f", "0123456789");
    let fd = b.open("/f", linux::O_RDWR).unwrap();
    let mut flock = vec![0; 32];
    flock[0] = linux::F_WRLCK as u8;
    b.put(OUT, &flock);
    let fcntl = linux::__NR_fcntl;
    let set = u64::from(linux::F_SETLK);
    assert_eq!(b.call(fcntl, &[fd, set, OUT]), Ok(0));
    // One's own lock stands against nothing of one's own.
    assert_eq!(b.call(fcntl, &[fd, u64::from(linux::F_GETLK), OUT]), Ok(0));
    assert_eq!(b.get(OUT, 1), [linux::F_UNLCK as u8]);
    flock[0] = 9;
    b.put(OUT, &flock);
    assert_eq!(b.call(fcntl, &[fd, set, OUT]), Err(e(Errno::EINVAL)));
    let reader = b.open("/f", linux::O_RDONLY).unwrap();
    flock[0] = linux::F_WRLCK as u8;
    b.put(OUT, &flock);
    assert_eq!(b.call(fcntl, &[reader, set, OUT]), Err(e(Errno::EBADF)));
    b.close(fd);
    b.close(reader);
    b.on(linux::__NR_unlink, "/f", &[]).unwrap();
    b.end();
}
