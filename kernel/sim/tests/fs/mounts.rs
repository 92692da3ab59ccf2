//! Mounts: what is seen where, and what cannot be left.

use crate::bench::{Bench, OUT, e};
use berth_kernel::error::Errno;
use linux_raw_sys::general as linux;

const BIND: u32 = linux::MS_BIND;
const RBIND: u32 = linux::MS_BIND | linux::MS_REC;

fn pivot(b: &mut Bench, new: &str, old: &str) -> Result<u64, i32> {
    b.two(linux::__NR_pivot_root, new, old, &[])
}

#[test]
fn a_mount_covers_and_uncovers() {
    let mut b = Bench::new();
    b.mkdir("/m").unwrap();
    b.file("/m/below", "old");
    let below = b.stat("/m").unwrap();
    b.mount("x", "/m", "tmpfs", 0, "mode=700").unwrap();
    let above = b.stat("/m").unwrap();
    assert_ne!(below.dev, above.dev);
    assert_eq!(above.mode & 0o7777, 0o700);
    assert_eq!(b.content("/m/below"), Err(e(Errno::ENOENT)));
    b.file("/m/above", "new");
    assert_eq!(b.stat("/m/..").unwrap().ino, b.stat("/").unwrap().ino);
    b.mount("y", "/m", "tmpfs", 0, "").unwrap();
    assert_eq!(b.content("/m/above"), Err(e(Errno::ENOENT)));
    b.umount("/m", 0).unwrap();
    assert_eq!(b.content("/m/above").unwrap(), "new");
    // In use: a file, a directory, another mount.
    let fd = b.open("/m/above", 0).unwrap();
    assert_eq!(b.umount("/m", 0), Err(e(Errno::EBUSY)));
    b.umount("/m", linux::MNT_DETACH).unwrap();
    assert_eq!(b.content("/m/below").unwrap(), "old");
    assert_eq!(b.read(fd, 10).unwrap(), b"new");
    assert_eq!(b.umount("/m", 0), Err(e(Errno::EINVAL)));
    b.close(fd);
    for (at, kind, flags, data, error) in [
        ("/m", "ext4", 0, "", Errno::ENODEV),
        ("/m", "tmpfs", 0, "huge=always", Errno::EINVAL),
        ("/none", "tmpfs", 0, "", Errno::ENOENT),
        ("/m/below", "tmpfs", 0, "", Errno::ENOTDIR),
        ("/m", "none", linux::MS_SHARED, "", Errno::EINVAL),
        ("/m", "tmpfs", 1 << 30, "", Errno::EINVAL),
    ] {
        assert_eq!(
            b.mount("x", at, kind, flags, data),
            Err(e(error)),
            "{at} {kind}"
        );
    }
    assert_eq!(
        b.mount("", "/", "", linux::MS_REC | linux::MS_PRIVATE, ""),
        Ok(0)
    );
    b.become_user(5);
    assert_eq!(b.mount("x", "/m", "tmpfs", 0, ""), Err(e(Errno::EPERM)));
    assert_eq!(b.umount("/", 0), Err(e(Errno::EPERM)));
    b.become_root();
    b.on(linux::__NR_unlink, "/m/below", &[]).unwrap();
    b.on(linux::__NR_rmdir, "/m", &[]).unwrap();
    b.end();
}

#[test]
fn binds_show_the_same_files_elsewhere() {
    let mut b = Bench::new();
    for dir in ["/src", "/src/sub", "/dst", "/rec"] {
        b.mkdir(dir).unwrap();
    }
    b.file("/src/f", "f");
    b.file("/one", "1");
    b.file("/two", "2");
    b.mount("t", "/src/sub", "tmpfs", 0, "").unwrap();
    b.file("/src/sub/deep", "deep");
    b.mount("/src", "/dst", "", BIND, "").unwrap();
    b.mount("/src", "/rec", "", RBIND, "").unwrap();
    assert_eq!(b.content("/dst/f").unwrap(), "f");
    assert_eq!(b.content("/dst/sub/deep"), Err(e(Errno::ENOENT)));
    assert_eq!(b.content("/rec/sub/deep").unwrap(), "deep");
    assert_eq!(b.umount("/rec", 0), Err(e(Errno::EBUSY)));
    // A file on a file; what is a mount point cannot be renamed or removed.
    b.mount("/one", "/two", "", BIND, "").unwrap();
    assert_eq!(b.content("/two").unwrap(), "1");
    assert_eq!(b.on(linux::__NR_unlink, "/two", &[]), Err(e(Errno::EBUSY)));
    assert_eq!(
        b.two(linux::__NR_rename, "/src/sub", "/src/x", &[]),
        Err(e(Errno::EBUSY))
    );
    // Names do not reach across mounts, even of one file system.
    assert_eq!(
        b.two(linux::__NR_link, "/src/f", "/dst/g", &[]),
        Err(e(Errno::EXDEV))
    );
    // One of the two becomes read-only.
    let ro = linux::MS_REMOUNT | BIND | linux::MS_RDONLY;
    b.mount("", "/dst", "", ro, "").unwrap();
    for (path, error) in [("/dst/new", Errno::EROFS), ("/dst/f", Errno::EROFS)] {
        let flags = linux::O_CREAT | linux::O_WRONLY;
        assert_eq!(b.open(path, flags), Err(e(error)), "{path}");
    }
    assert_eq!(b.mkdir("/dst/d"), Err(e(Errno::EROFS)));
    assert_eq!(b.mkdir("/dst/sub"), Err(e(Errno::EEXIST)));
    assert_eq!(
        b.on(linux::__NR_unlink, "/dst/none", &[]),
        Err(e(Errno::EROFS))
    );
    assert_eq!(
        b.on(linux::__NR_chmod, "/dst/f", &[0]),
        Err(e(Errno::EROFS))
    );
    assert_eq!(
        b.on(linux::__NR_access, "/dst/f", &[2]),
        Err(e(Errno::EROFS))
    );
    b.file("/src/f", "changed");
    assert_eq!(b.content("/dst/f").unwrap(), "changed");
    b.mount("", "/", "", linux::MS_REMOUNT | linux::MS_RDONLY, "")
        .unwrap();
    assert_eq!(b.mkdir("/src/d"), Err(e(Errno::EROFS)));
    b.mount("", "/", "", linux::MS_REMOUNT, "").unwrap();
    for at in ["/dst", "/rec", "/two", "/src/sub"] {
        b.umount(at, linux::MNT_DETACH).unwrap();
    }
    for path in ["/src/f", "/one", "/two"] {
        b.on(linux::__NR_unlink, path, &[]).unwrap();
    }
    for dir in ["/src/sub", "/src", "/dst", "/rec"] {
        b.on(linux::__NR_rmdir, dir, &[]).unwrap();
    }
    b.end();
}

#[test]
fn a_mount_is_not_attached_below_itself() {
    let mut b = Bench::new();
    b.mkdir("/m").unwrap();
    b.mkdir("/n").unwrap();
    b.mount("t", "/m", "tmpfs", 0, "").unwrap();
    b.mkdir("/m/sub").unwrap();
    let moved = linux::MS_MOVE;
    assert_eq!(b.mount("/m", "/m/sub", "", moved, ""), Err(e(Errno::ELOOP)));
    assert_eq!(b.mount("/n", "/m", "", moved, ""), Err(e(Errno::EINVAL)));
    assert_eq!(b.mount("/", "/n", "", moved, ""), Err(e(Errno::EINVAL)));
    b.mount("/m", "/n", "", moved, "").unwrap();
    assert_eq!(b.list("/n", 4096), [".", "..", "sub"]);
    assert_eq!(b.list("/m", 4096), [".", ".."]);
    b.on(linux::__NR_chdir, "/n/sub", &[]).unwrap();
    assert_eq!(b.cwd().unwrap(), "/n/sub");
    b.on(linux::__NR_chdir, "/", &[]).unwrap();
    b.umount("/n", 0).unwrap();
    b.on(linux::__NR_rmdir, "/m", &[]).unwrap();
    b.on(linux::__NR_rmdir, "/n", &[]).unwrap();
    b.end();
}

/// What runtimes do: bind the root, enter it, pivot onto itself, drop the old one.
#[test]
fn the_root_is_changed_and_the_old_one_dropped() {
    let mut b = Bench::new();
    b.mkdir("/new").unwrap();
    b.file("/outside", "host");
    b.mkdir("/new/old").unwrap();
    b.file("/new/inside", "container");
    for (new, old, error) in [
        ("/new", "/new/old", Errno::EBUSY),
        ("/new/old", "/new", Errno::EBUSY),
        ("/none", "/new", Errno::ENOENT),
        ("/outside", "/new", Errno::ENOTDIR),
    ] {
        assert_eq!(pivot(&mut b, new, old), Err(e(error)), "{new} {old}");
    }
    b.mount("/new", "/new", "", RBIND, "").unwrap();
    assert_eq!(pivot(&mut b, "/new/old", "/new/old"), Err(e(Errno::EINVAL)));
    b.on(linux::__NR_chdir, "/new", &[]).unwrap();
    pivot(&mut b, ".", ".").unwrap();
    assert_eq!(b.content("/inside").unwrap(), "container");
    b.umount(".", linux::MNT_DETACH).unwrap();
    b.on(linux::__NR_chdir, "/", &[]).unwrap();
    assert_eq!(b.cwd().unwrap(), "/");
    for path in [
        "/outside",
        "/../outside",
        "../../../outside",
        "old/../../outside",
    ] {
        assert_eq!(b.content(path), Err(e(Errno::ENOENT)), "{path}");
    }
    assert_eq!(b.umount("/", 0), Err(e(Errno::EINVAL)));
}

#[test]
fn roots_swap_for_ever() {
    let mut b = Bench::new();
    b.mkdir("/a").unwrap();
    b.mount("a", "/a", "tmpfs", 0, "").unwrap();
    b.on(linux::__NR_chdir, "/a", &[]).unwrap();
    b.mkdir("b").unwrap();
    b.mount("b", "b", "tmpfs", 0, "").unwrap();
    b.mkdir("b/b").unwrap();
    b.mkdir("old").unwrap();
    pivot(&mut b, ".", "old").unwrap();
    b.on(linux::__NR_chdir, "/", &[]).unwrap();
    assert_eq!(b.stat("/old/a").unwrap().mode & 0o170000, 0o040000);
    let mut devs = Vec::new();
    for _ in 0..6 {
        pivot(&mut b, "/b", "/b/b").unwrap();
        devs.push(b.stat("/").unwrap().dev);
    }
    assert_ne!(devs[0], devs[1]);
    assert_eq!(devs[..2], devs[2..4]);
    assert_eq!(devs[..2], devs[4..]);
}

#[test]
fn a_directory_renamed_out_of_a_bind_leads_nowhere() {
    let mut b = Bench::new();
    for dir in ["/v", "/v/a", "/v/a/b", "/v/a/b/c", "/out", "/m"] {
        b.mkdir(dir).unwrap();
    }
    b.file("/v/secret", "s");
    b.mount("/v/a", "/m", "", BIND, "").unwrap();
    b.on(linux::__NR_chdir, "/m/b/c", &[]).unwrap();
    b.two(linux::__NR_rename, "/v/a/b", "/out/b", &[]).unwrap();
    assert_eq!(b.on(linux::__NR_chdir, "..", &[]), Err(e(Errno::ENOENT)));
    assert_eq!(b.stat("../../v/secret"), Err(e(Errno::ENOENT)));
    assert_eq!(b.cwd().unwrap(), "(unreachable)/out/b/c");
}

#[test]
fn chroot_confines_paths() {
    let mut b = Bench::new();
    b.mkdir("/jail").unwrap();
    b.mkdir("/jail/etc").unwrap();
    b.file("/top", "host");
    b.symlink("/top", "/jail/link");
    b.symlink("../../../top", "/jail/etc/up");
    b.on(linux::__NR_chroot, "/jail", &[]).unwrap();
    b.on(linux::__NR_chdir, "/", &[]).unwrap();
    for path in ["/top", "/link", "/etc/up", "/../top", "/etc/../../top"] {
        assert_eq!(b.content(path), Err(e(Errno::ENOENT)), "{path}");
    }
    b.on(linux::__NR_chdir, "/etc", &[]).unwrap();
    assert_eq!(b.cwd().unwrap(), "/etc");
    b.become_user(7);
    assert_eq!(b.on(linux::__NR_chroot, "/", &[]), Err(e(Errno::EPERM)));
}

#[test]
fn too_many_mounts_are_refused() {
    let mut b = Bench::new();
    b.mkdir("/m").unwrap();
    let mut made = 0;
    while b.mount("/m", "/m", "", RBIND, "") == Ok(0) {
        made += 1;
        assert!(made < 3000, "no limit");
    }
    assert_eq!(b.mount("/", "/m", "", RBIND, ""), Err(e(Errno::ENOSPC)));
    while b.umount("/m", 0) == Ok(0) {}
    b.umount("/m", linux::MNT_DETACH).unwrap_err();
    b.on(linux::__NR_rmdir, "/m", &[]).unwrap();
    b.end();
}

#[test]
fn flags_of_mounts_are_told_and_kept() {
    let mut b = Bench::new();
    b.mkdir("/m").unwrap();
    let flags = linux::MS_NOSUID | linux::MS_NODEV | linux::MS_NOEXEC;
    b.mount("t", "/m", "tmpfs", flags, "").unwrap();
    b.on(linux::__NR_mknod, "/m/null", &[0o020666, 0x103])
        .unwrap();
    assert_eq!(b.open("/m/null", 0), Err(e(Errno::EACCES)));
    b.file("/m/prog", "");
    b.on(linux::__NR_chmod, "/m/prog", &[0o755]).unwrap();
    assert_eq!(
        b.on(linux::__NR_access, "/m/prog", &[1]),
        Err(e(Errno::EACCES))
    );
    b.on(linux::__NR_statfs, "/m", &[OUT]).unwrap();
    assert_eq!(b.word(OUT + 80) & 0xf, u64::from(flags));
    b.umount("/m", 0).unwrap();
    b.on(linux::__NR_mknod, "/m/null", &[0o020666, 0x103])
        .unwrap();
    let fd = b.open("/m/null", linux::O_RDWR).unwrap();
    assert_eq!(b.write(fd, b"gone"), Ok(4));
    assert_eq!(b.read(fd, 4).unwrap(), []);
}
