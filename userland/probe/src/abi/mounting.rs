//! Mounts: what is seen where, what a mount refuses, how it goes, another root.

use std::fs::{self, File};
use std::path::Path;

use berth_sys::own::{CAP_VERSIONS, capset};
use berth_sys::raw::own_mounts;
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change, mount_move,
    mount_remount, unmount,
};
use rustix::process::{chdir, chroot, pivot_root};

use super::files::{errno, in_directory};
use super::{Case, Told, Verdict, check, exits, fails, isolated, same};

pub const CASES: &[Case] = &[
    ("mounts/covers-and-uncovers", covers_and_uncovers),
    ("mounts/read-only", read_only),
    ("mounts/no-programs", no_programs),
    ("mounts/bind", bind),
    ("mounts/move", moves),
    ("mounts/in-use", in_use),
    ("mounts/refused", refused),
    ("mounts/not-everybodys", not_everybodys),
    ("mounts/pivot", pivot),
    ("mounts/pivot-errors", pivot_errors),
];

/// Runs `work` in a directory of a mount namespace of its own.
pub(super) fn among_own_mounts(work: impl FnOnce(&Path) -> Verdict) -> Verdict {
    own_mounts().told("unshare")?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).told("private")?;
    in_directory(|directory| {
        let verdict = isolated(|| {
            own_mounts().told("unshare")?;
            work(directory)
        });
        // Mounts end with who had them.
        verdict
    })
}

/// Mounts an empty file system.
fn mount_tmpfs(at: &Path, flags: MountFlags) -> Result<(), Errno> {
    mount("none", at, "tmpfs", flags, None)
}

fn covers_and_uncovers() -> Verdict {
    among_own_mounts(|directory| {
        fs::write(directory.join("below"), "x").told("write")?;
        mount_tmpfs(directory, MountFlags::NOSUID).told("mount")?;
        same("covered", directory.join("below").exists(), false)?;
        fs::write(directory.join("above"), "x").told("write")?;
        let table = fs::read_to_string("/proc/self/mounts").told("mounts")?;
        let line = table
            .lines()
            .find(|line| line.contains(&directory.display().to_string()));
        let line = line.ok_or("no line")?;
        check(line.contains(" tmpfs rw,nosuid"), || line.to_owned())?;
        unmount(directory, UnmountFlags::empty()).told("umount")?;
        same("uncovered", directory.join("below").exists(), true)?;
        same("gone", directory.join("above").exists(), false)?;
        fails(
            "again",
            unmount(directory, UnmountFlags::empty()),
            Errno::INVAL,
        )
    })
}

fn read_only() -> Verdict {
    among_own_mounts(|directory| {
        mount_tmpfs(directory, MountFlags::RDONLY).told("mount")?;
        let path = directory.join("file");
        same("create", errno(File::create(&path))?, Errno::ROFS)?;
        mount_remount(directory, MountFlags::empty(), c"").told("remount")?;
        let file = File::create(&path).told("create")?;
        // Somebody could still write.
        let busy = mount_remount(directory, MountFlags::RDONLY, c"");
        fails("open to write", busy, Errno::BUSY)?;
        drop(file);
        mount_remount(directory, MountFlags::RDONLY, c"").told("remount")?;
        same("create", errno(File::create(&path))?, Errno::ROFS)?;
        same("remove", errno(fs::remove_file(&path))?, Errno::ROFS)?;
        File::open(&path).map(drop).told("open")
    })
}

fn no_programs() -> Verdict {
    among_own_mounts(|directory| {
        mount_tmpfs(directory, MountFlags::NOEXEC | MountFlags::NODEV).told("mount")?;
        let program = directory.join("program");
        crate::small::write_true(&program.display().to_string()).told("write")?;
        let run = std::process::Command::new(&program).status();
        same("run", errno(run)?, Errno::ACCESS)?;
        let device = directory.join("null");
        let (kind, mode) = (rustix::fs::FileType::CharacterDevice, 0o666.into());
        let null = rustix::fs::makedev(1, 3);
        rustix::fs::mknodat(rustix::fs::CWD, &device, kind, mode, null).told("mknod")?;
        same("open", errno(File::open(&device))?, Errno::ACCESS)
    })
}

fn bind() -> Verdict {
    among_own_mounts(|directory| {
        let (one, other) = (directory.join("one"), directory.join("other"));
        fs::create_dir(&one).told("mkdir")?;
        fs::create_dir(&other).told("mkdir")?;
        fs::write(one.join("file"), "x").told("write")?;
        mount_bind(&one, &other).told("bind")?;
        same("seen", other.join("file").exists(), true)?;
        // A mount of its own: read-only, while the other is not.
        let flags = MountFlags::RDONLY | MountFlags::BIND;
        mount_remount(&other, flags, c"").told("remount")?;
        same(
            "there",
            errno(File::create(other.join("new")))?,
            Errno::ROFS,
        )?;
        File::create(one.join("new")).told("here")?;
        let (file, place) = (one.join("file"), other.join("new"));
        mount_bind(&file, &place).told("a file")?;
        same(
            "text",
            fs::read_to_string(&place).told("read")?.as_str(),
            "x",
        )?;
        fails("a file over", mount_bind(&file, &one), Errno::NOTDIR)?;
        fails(
            "missing",
            mount_bind(directory.join("no"), &one),
            Errno::NOENT,
        )
    })
}

fn moves() -> Verdict {
    among_own_mounts(|directory| {
        let (one, other) = (directory.join("one"), directory.join("other"));
        fs::create_dir(&one).told("mkdir")?;
        fs::create_dir(&other).told("mkdir")?;
        fails("no mount", mount_move(&one, &other), Errno::INVAL)?;
        mount_tmpfs(&one, MountFlags::empty()).told("mount")?;
        fs::create_dir(one.join("inner")).told("mkdir")?;
        let below = mount_move(&one, one.join("inner"));
        fails("below itself", below, Errno::LOOP)?;
        mount_move(&one, &other).told("move")?;
        same("gone", one.join("inner").exists(), false)?;
        same("there", other.join("inner").exists(), true)
    })
}

fn in_use() -> Verdict {
    among_own_mounts(|directory| {
        mount_tmpfs(directory, MountFlags::empty()).told("mount")?;
        let path = directory.join("file");
        let file = File::create(&path).told("create")?;
        let busy = unmount(directory, UnmountFlags::empty());
        fails("an open file", busy, Errno::BUSY)?;
        unmount(directory, UnmountFlags::DETACH).told("lazily")?;
        same("gone", path.exists(), false)?;
        // Who has it keeps it.
        rustix::io::write(&file, b"abc").map(drop).told("write")
    })
}

fn refused() -> Verdict {
    among_own_mounts(|directory| {
        let empty = MountFlags::empty();
        let odd = mount("none", directory, "nothing", empty, None);
        fails("no such kind", odd, Errno::NODEV)?;
        let missing = directory.join("missing");
        fails("nowhere", mount_tmpfs(&missing, empty), Errno::NOENT)?;
        let file = directory.join("file");
        fs::write(&file, "").told("write")?;
        fails("on a file", mount_tmpfs(&file, empty), Errno::NOTDIR)?;
        let none = unmount(&missing, UnmountFlags::empty());
        fails("missing", none, Errno::NOENT)?;
        let none = unmount(directory, UnmountFlags::empty());
        fails("no mount", none, Errno::INVAL)?;
        let odd = UnmountFlags::from_bits_retain(16);
        fails("a flag", unmount(directory, odd), Errno::INVAL)?;
        let option = mount("none", directory, "tmpfs", empty, Some(c"nonsense"));
        fails("an option", option, Errno::INVAL)?;
        std::os::unix::fs::symlink(directory, directory.join("link")).told("symlink")?;
        mount_tmpfs(directory, empty).told("mount")?;
        let link = std::env::temp_dir().join(format!("link-{}", std::process::id()));
        std::os::unix::fs::symlink(directory, &link).told("symlink")?;
        let not_followed = unmount(&link, UnmountFlags::NOFOLLOW);
        let followed = unmount(&link, UnmountFlags::empty());
        fs::remove_file(&link).told("unlink")?;
        fails("the link", not_followed, Errno::INVAL)?;
        same("what it leads to", followed, Ok(()))
    })
}

fn not_everybodys() -> Verdict {
    among_own_mounts(|directory| {
        mount_tmpfs(directory, MountFlags::empty()).told("mount")?;
        capset(CAP_VERSIONS[2], 0, [0; 3]).told("capset")?;
        let again = mount_tmpfs(directory, MountFlags::empty());
        fails("mount", again, Errno::PERM)?;
        let gone = unmount(directory, UnmountFlags::empty());
        fails("umount", gone, Errno::PERM)?;
        fails("pivot_root", pivot_root(directory, directory), Errno::PERM)
    })
}

/// Two file systems, one mounted in the other, which is the root then.
fn with_two_roots(work: impl FnOnce() -> Verdict) -> Verdict {
    among_own_mounts(|directory| {
        mount_tmpfs(directory, MountFlags::empty()).told("mount")?;
        chroot(directory).told("chroot")?;
        chdir("/").told("chdir")?;
        fs::create_dir("/new").told("mkdir")?;
        fs::write("/first", "").told("write")?;
        mount_tmpfs(Path::new("/new"), MountFlags::empty()).told("mount")?;
        fs::create_dir("/new/old").told("mkdir")?;
        fs::write("/new/second", "").told("write")?;
        work()
    })
}

fn pivot() -> Verdict {
    with_two_roots(|| {
        pivot_root("/new", "/new/old").told("pivot_root")?;
        let seen = |path: &str| Path::new(path).exists();
        same("the new root", seen("/second"), true)?;
        same("the old one", seen("/old/first"), true)?;
        // The working directory moved along.
        same("from here", seen("second"), true)?;
        same("uncovered", seen("/old/new/second"), false)?;
        unmount("/old", UnmountFlags::DETACH).told("umount")?;
        same("gone", seen("/old/first"), false)?;
        exits(0, || i32::from(!seen("/second")))
    })
}

fn pivot_errors() -> Verdict {
    with_two_roots(|| {
        fs::create_dir("/plain").told("mkdir")?;
        let pivot = |new: &str, old: &str| pivot_root(new, old);
        let plain = pivot("/new/old", "/new/old");
        fails("no mount", plain, Errno::INVAL)?;
        fails("the root", pivot("/", "/plain"), Errno::BUSY)?;
        fails("on the root", pivot("/new", "/plain"), Errno::BUSY)?;
        mount_tmpfs(Path::new("/plain"), MountFlags::empty()).told("mount")?;
        fails("outside", pivot("/new", "/plain"), Errno::INVAL)?;
        fails("missing", pivot("/missing", "/new"), Errno::NOENT)?;
        fails("a file", pivot("/first", "/new"), Errno::NOTDIR)?;
        same("as before", Path::new("/first").exists(), true)
    })
}
