//! Attributes: what stat tells, and what chmod, chown and utimensat change.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use berth_sys::files::{self, ByDescriptor, ByPath, ByPlace, by_descriptor, by_path, by_place};
use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, StatVfsMountFlags, StatxFlags, Timespec, Timestamps, UTIME_NOW,
    UTIME_OMIT, statat, statx, utimensat,
};
use rustix::io::Errno;

use super::files::in_directory;
use super::opening::c;
use super::{Case, Told, Verdict, as_user, check, fails, same};

pub const CASES: &[Case] = &[
    ("attributes/stat-forms", stat_forms),
    ("attributes/empty-path", empty_path),
    ("attributes/statx-fields", statx_fields),
    ("attributes/statx-mounts", statx_mounts),
    ("attributes/sizes-and-blocks", sizes_and_blocks),
    ("attributes/file-systems", file_systems),
    ("attributes/chmod-forms", chmod_forms),
    ("attributes/chmod-permissions", chmod_permissions),
    ("attributes/chown-forms", chown_forms),
    ("attributes/chown-permissions", chown_permissions),
    ("attributes/chown-clears-set-id", chown_clears_set_id),
    ("attributes/write-clears-set-id", write_clears_set_id),
    ("attributes/times-set", times_set),
    ("attributes/times-errors", times_errors),
    ("attributes/times-permissions", times_permissions),
    ("attributes/old-time-calls", old_time_calls),
    ("attributes/times-change", times_change),
    ("attributes/access-by-real-ids", access_by_real_ids),
    ("attributes/access-errors", access_errors),
];

fn chmod(path: &Path, mode: u32) -> Verdict {
    fs::set_permissions(path, Permissions::from_mode(mode)).told("chmod")
}

fn mode(path: &Path) -> Result<u32, String> {
    Ok(fs::symlink_metadata(path).told("lstat")?.mode() & 0o7777)
}

/// A directory with a file of 5 bytes and a link to it.
fn with_file(work: impl FnOnce(&Path, &Path, &Path) -> Verdict) -> Verdict {
    in_directory(|directory| {
        let (file, link) = (directory.join("file"), directory.join("link"));
        fs::write(&file, "12345").told("write")?;
        chmod(&file, 0o644)?;
        symlink("file", &link).told("symlink")?;
        work(directory, &file, &link)
    })
}

fn stat_forms() -> Verdict {
    with_file(|directory, file, link| {
        let through = files::stat(files::Stat::Through, &c(link));
        same("stat", through, Ok((0o100_644, 1, 5)))?;
        let own = files::stat(files::Stat::Link, &c(link));
        same("lstat", own, Ok((0o120_777, 1, 4)))?;
        let missing = files::stat(files::Stat::Through, &c(directory.join("missing")));
        fails("missing", missing, Errno::NOENT)?;
        let stat = statat(CWD, link, AtFlags::SYMLINK_NOFOLLOW).told("fstatat")?;
        same("fstatat", (stat.st_mode, stat.st_size), (0o120_777, 4))?;
        let whole = fs::metadata(file).told("stat")?;
        same("ids", (whole.uid(), whole.gid(), whole.rdev()), (0, 0, 0))?;
        same("block", whole.blksize(), 4096)?;
        let bad = statat(CWD, file, AtFlags::from_bits_retain(0x8000));
        fails("flag", bad, Errno::INVAL)?;
        statat(CWD, file, AtFlags::NO_AUTOMOUNT)
            .map(drop)
            .told("AT_NO_AUTOMOUNT")
    })
}

fn empty_path() -> Verdict {
    with_file(|directory, file, link| {
        let open = File::open(file).told("open")?;
        let stat = statat(&open, "", AtFlags::EMPTY_PATH).told("fstatat")?;
        same("size", stat.st_size, 5)?;
        fails(
            "without the flag",
            statat(&open, "", AtFlags::empty()),
            Errno::NOENT,
        )?;
        let here = statat(CWD, "", AtFlags::EMPTY_PATH).told("fstatat")?;
        let dot = statat(CWD, ".", AtFlags::empty()).told("fstatat")?;
        same("working directory", here.st_ino, dot.st_ino)?;
        let place = rustix::fs::open(link, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty());
        let place = place.told("open")?;
        let stat = statx(&place, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS).told("statx")?;
        same("a link", u32::from(stat.stx_mode), 0o120_777)?;
        let gone = directory.join("gone");
        fs::rename(file, gone).told("rename")?;
        let stat = statat(&open, "", AtFlags::EMPTY_PATH).told("fstatat")?;
        same("by descriptor", stat.st_size, 5)
    })
}

fn statx_fields() -> Verdict {
    with_file(|_, file, _| {
        let all = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
        let x = statx(CWD, file, AtFlags::empty(), all).told("statx")?;
        let basic = all.bits();
        same("mask", x.stx_mask & basic, basic)?;
        same("mode", u32::from(x.stx_mode), 0o100_644)?;
        same(
            "numbers",
            (x.stx_nlink, x.stx_size, x.stx_blocks),
            (1, 5, 8),
        )?;
        let stat = fs::metadata(file).told("stat")?;
        same("inode", x.stx_ino, stat.ino())?;
        let device = rustix::fs::makedev(x.stx_dev_major, x.stx_dev_minor);
        same("device", device, stat.dev())?;
        same(
            "modified",
            (x.stx_mtime.tv_sec, i64::from(x.stx_mtime.tv_nsec)),
            (stat.mtime(), stat.mtime_nsec()),
        )?;
        let born = (x.stx_btime.tv_sec, x.stx_btime.tv_nsec);
        check(
            born <= (x.stx_ctime.tv_sec, x.stx_ctime.tv_nsec) && born.0 > 0,
            || format!("born {born:?}"),
        )?;
        let both = AtFlags::STATX_FORCE_SYNC | AtFlags::STATX_DONT_SYNC;
        fails("both", statx(CWD, file, both, all), Errno::INVAL)?;
        let reserved = StatxFlags::from_bits_retain(0x8000_0000);
        fails(
            "reserved",
            statx(CWD, file, AtFlags::empty(), reserved),
            Errno::INVAL,
        )
    })
}

fn statx_mounts() -> Verdict {
    let ask = |path: &str, flags| statx(CWD, path, AtFlags::empty(), flags).told("statx");
    let (root, proc) = (
        ask("/", StatxFlags::MNT_ID)?,
        ask("/proc", StatxFlags::MNT_ID)?,
    );
    let bit = StatxFlags::MNT_ID.bits();
    same(
        "mask",
        (root.stx_mask & bit, proc.stx_mask & bit),
        (bit, bit),
    )?;
    check(root.stx_mnt_id != proc.stx_mnt_id, || {
        "one number for two mounts".into()
    })?;
    let below = ask("/proc/self/status", StatxFlags::MNT_ID)?;
    same("below", below.stx_mnt_id, proc.stx_mnt_id)?;
    let root_of_mount = 0x2000;
    let attributes = |x: &rustix::fs::Statx| x.stx_attributes.bits() & root_of_mount;
    same(
        "root of a mount",
        (attributes(&proc), attributes(&below)),
        (root_of_mount, 0),
    )?;
    let unique = StatxFlags::from_bits_retain(0x4000);
    let (one, other) = (ask("/", unique)?, ask("/proc", unique)?);
    same("mask", one.stx_mask & 0x5000, 0x4000)?;
    check(one.stx_mnt_id != other.stx_mnt_id, || {
        "one number for two mounts".into()
    })
}

fn sizes_and_blocks() -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        let file = File::create(&path).told("create")?;
        let told = || {
            fs::metadata(&path)
                .map(|m| (m.size(), m.blocks()))
                .told("stat")
        };
        same("empty", told()?, (0, 0))?;
        file.set_len(100_000).told("ftruncate")?;
        same("a hole", told()?, (100_000, 0))?;
        std::os::unix::fs::FileExt::write_all_at(&file, b"x", 50_000).told("pwrite")?;
        same("a page", told()?, (100_000, 8))?;
        file.set_len(10).told("ftruncate")?;
        same("cut", told()?, (10, 0))
    })
}

fn file_systems() -> Verdict {
    in_directory(|directory| {
        let s = rustix::fs::statfs(directory).told("statfs")?;
        same("type", s.f_type, 0x0102_1994)?;
        same(
            "sizes",
            (s.f_bsize, s.f_frsize, s.f_namelen),
            (4096, 4096, 255),
        )?;
        check(s.f_bfree <= s.f_blocks && s.f_bavail == s.f_bfree, || {
            "more free than there is".into()
        })?;
        check(s.f_flags & 0x20 != 0, || "flags not valid".into())?;
        let file = File::create(directory.join("file")).told("create")?;
        let before = rustix::fs::fstatfs(&file).told("fstatfs")?;
        (&file).write_all(&vec![1; 1 << 20]).told("write")?;
        let after = rustix::fs::fstatfs(&file).told("fstatfs")?;
        check(after.f_bfree + 200 <= before.f_bfree, || {
            format!("{} free, then {}", before.f_bfree, after.f_bfree)
        })?;
        let vfs = rustix::fs::statvfs("/proc").told("statvfs")?;
        check(!vfs.f_flag.contains(StatVfsMountFlags::RDONLY), || {
            "read-only".into()
        })?;
        same(
            "proc",
            rustix::fs::statfs("/proc").told("statfs")?.f_type,
            0x9fa0,
        )?;
        fails(
            "missing",
            rustix::fs::statfs(directory.join("missing")),
            Errno::NOENT,
        )
    })
}

fn chmod_forms() -> Verdict {
    with_file(|_, file, link| {
        let open = File::open(file).told("open")?;
        by_path(ByPath::Chmod, &c(link), [0o170_6711, 0]).told("chmod")?;
        same("chmod follows, bits are cut", mode(file)?, 0o6711)?;
        by_descriptor(ByDescriptor::Fchmod, open.as_fd(), [0o600, 0, 0]).told("fchmod")?;
        same("fchmod", mode(file)?, 0o600)?;
        by_place(ByPlace::Fchmodat, CWD, &c(file), [0o640, 0x7777, 0]).told("fchmodat")?;
        same("fchmodat has no flags", mode(file)?, 0o640)?;
        by_place(ByPlace::Fchmodat2, CWD, &c(link), [0o600, 0, 0]).told("fchmodat2")?;
        same("fchmodat2", mode(file)?, 0o600)?;
        let own = by_place(ByPlace::Fchmodat2, CWD, &c(link), [0o600, 0x100, 0]);
        fails("of a link", own, Errno::OPNOTSUPP)?;
        let bad = by_place(ByPlace::Fchmodat2, CWD, &c(file), [0o600, 0x400, 0]);
        fails("flag", bad, Errno::INVAL)?;
        by_place(ByPlace::Fchmodat2, open.as_fd(), &c(""), [0o604, 0x1000, 0])
            .told("empty path")?;
        same("by descriptor", mode(file)?, 0o604)?;
        let none = by_place(ByPlace::Fchmodat, open.as_fd(), &c(""), [0o600, 0, 0]);
        fails("no path", none, Errno::NOENT)
    })
}

fn chmod_permissions() -> Verdict {
    with_file(|directory, file, _| {
        let set = |mode| by_path(ByPath::Chmod, &c(file), [mode, 0]);
        as_user(1000, 1000, &[], || {
            fails("foreign", set(0o777), Errno::PERM)
        })?;
        by_path(ByPath::Chown, &c(file), [1000, 77]).told("chown")?;
        as_user(1000, 1000, &[], || set(0o2755).map(drop).told("own"))?;
        // The group's bit is not for who is not in the group.
        same("not in the group", mode(file)?, 0o755)?;
        as_user(1000, 1000, &[77], || set(0o2755).map(drop).told("own"))?;
        same("in the group", mode(file)?, 0o2755)?;
        as_user(1000, 1000, &[], || set(0o1600).map(drop).told("own"))?;
        same("sticky", mode(file)?, 0o1600)?;
        chmod(directory, 0o700)?;
        as_user(1000, 1000, &[], || {
            fails("not to be found", set(0o600), Errno::ACCESS)
        })
    })
}

const SAME: u64 = u32::MAX as u64;

fn owner(path: &Path) -> Result<(u32, u32), String> {
    let stat = fs::symlink_metadata(path).told("lstat")?;
    Ok((stat.uid(), stat.gid()))
}

fn chown_forms() -> Verdict {
    with_file(|_, file, link| {
        by_path(ByPath::Chown, &c(link), [1, 2]).told("chown")?;
        same(
            "chown follows",
            (owner(file)?, owner(link)?),
            ((1, 2), (0, 0)),
        )?;
        by_path(ByPath::Lchown, &c(link), [3, 4]).told("lchown")?;
        same("lchown", (owner(file)?, owner(link)?), ((1, 2), (3, 4)))?;
        let open = File::open(file).told("open")?;
        by_descriptor(ByDescriptor::Fchown, open.as_fd(), [5, SAME, 0]).told("fchown")?;
        same("only the user", owner(file)?, (5, 2))?;
        by_place(ByPlace::Fchownat, CWD, &c(file), [SAME, 6, 0]).told("fchownat")?;
        same("only the group", owner(file)?, (5, 6))?;
        by_place(ByPlace::Fchownat, CWD, &c(link), [7, 7, 0x100]).told("fchownat")?;
        same("of a link", owner(link)?, (7, 7))?;
        by_place(ByPlace::Fchownat, open.as_fd(), &c(""), [8, 8, 0x1000]).told("fchownat")?;
        same("by descriptor", owner(file)?, (8, 8))?;
        let bad = by_place(ByPlace::Fchownat, CWD, &c(file), [8, 8, 0x400]);
        fails("flag", bad, Errno::INVAL)
    })
}

fn chown_permissions() -> Verdict {
    with_file(|_, file, _| {
        let set = |user, group| by_path(ByPath::Chown, &c(file), [user, group]);
        set(1000, 1000).told("chown")?;
        as_user(1000, 1000, &[77], || {
            fails("give away", set(1001, SAME), Errno::PERM)?;
            fails("to a foreign group", set(SAME, 78), Errno::PERM)?;
            set(1000, 77).told("to an own group")?;
            set(SAME, SAME).map(drop).told("nothing")
        })?;
        same("owner", owner(file)?, (1000, 77))?;
        as_user(1001, 77, &[], || {
            fails("not the owner", set(SAME, 77), Errno::PERM)?;
            set(SAME, SAME).map(drop).told("nothing")
        })
    })
}

fn chown_clears_set_id() -> Verdict {
    with_file(|directory, file, _| {
        for (before, after) in [
            (0o6755, 0o755),
            (0o6745, 0o2745),
            (0o2755, 0o755),
            (0o1755, 0o1755),
        ] {
            chmod(file, before)?;
            by_path(ByPath::Chown, &c(file), [SAME, SAME]).told("chown")?;
            same("mode", mode(file)?, after)?;
        }
        chmod(directory, 0o6777)?;
        by_path(ByPath::Chown, &c(directory), [0, 0]).told("chown")?;
        same("a directory", mode(directory)?, 0o6777)?;
        chmod(file, 0o4755)?;
        as_user(1000, 1000, &[], || {
            let nothing = by_path(ByPath::Chown, &c(file), [SAME, SAME]);
            fails("foreign", nothing, Errno::PERM)
        })
    })
}

fn write_clears_set_id() -> Verdict {
    with_file(|_, file, _| {
        let append = || -> Verdict {
            let mut file = OpenOptions::new().append(true).open(file).told("open")?;
            file.write_all(b"x").told("write")
        };
        let cut = || {
            by_path(ByPath::Truncate, &c(file), [1, 0])
                .map(drop)
                .told("truncate")
        };
        chmod(file, 0o6777)?;
        append()?;
        cut()?;
        same("root keeps them", mode(file)?, 0o6777)?;
        as_user(1000, 1000, &[], append)?;
        same("write", mode(file)?, 0o777)?;
        chmod(file, 0o6777)?;
        as_user(1000, 1000, &[], cut)?;
        same("truncate", mode(file)?, 0o777)?;
        chmod(file, 0o6777)?;
        as_user(1000, 1000, &[], || {
            let opened = OpenOptions::new().write(true).truncate(true).open(file);
            opened.map(drop).told("open")
        })?;
        same("O_TRUNC", mode(file)?, 0o777)
    })
}

fn stamp(sec: i64, nsec: i64) -> Timespec {
    Timespec {
        tv_sec: sec,
        tv_nsec: nsec,
    }
}

fn set(path: &Path, accessed: Timespec, modified: Timespec, flags: AtFlags) -> Result<(), Errno> {
    let times = Timestamps {
        last_access: accessed,
        last_modification: modified,
    };
    utimensat(CWD, path, &times, flags)
}

type Pair = (i64, i64);

fn times(path: &Path) -> Result<(Pair, Pair), String> {
    let s = fs::symlink_metadata(path).told("lstat")?;
    Ok(((s.atime(), s.atime_nsec()), (s.mtime(), s.mtime_nsec())))
}

fn times_set() -> Verdict {
    with_file(|_, file, link| {
        let none = AtFlags::empty();
        set(link, stamp(10, 11), stamp(12, 13), none).told("utimensat")?;
        same("through a link", times(file)?, ((10, 11), (12, 13)))?;
        set(link, stamp(1, 0), stamp(2, 0), AtFlags::SYMLINK_NOFOLLOW).told("utimensat")?;
        same("a link's own", times(link)?.1, (2, 0))?;
        same("not the file's", times(file)?, ((10, 11), (12, 13)))?;
        set(file, stamp(0, UTIME_OMIT), stamp(14, 15), none).told("utimensat")?;
        same("one of them", times(file)?, ((10, 11), (14, 15)))?;
        set(file, stamp(-5, 1), stamp(1 << 34, 999_999_999), none).told("utimensat")?;
        same(
            "early and late",
            times(file)?,
            ((-5, 1), (1 << 34, 999_999_999)),
        )?;
        set(file, stamp(0, UTIME_NOW), stamp(0, UTIME_OMIT), none).told("utimensat")?;
        check(times(file)?.0.0 > 1_000_000, || "not now".into())?;
        let open = File::open(file).told("open")?;
        let both = Timestamps {
            last_access: stamp(20, 0),
            last_modification: stamp(21, 0),
        };
        rustix::fs::futimens(&open, &both).told("futimens")?;
        same("by descriptor", times(file)?, ((20, 0), (21, 0)))
    })
}

fn times_errors() -> Verdict {
    with_file(|directory, file, _| {
        let none = AtFlags::empty();
        let (omit, good) = (stamp(0, UTIME_OMIT), stamp(1, 1));
        fails(
            "too many",
            set(file, stamp(0, 1_000_000_000), good, none),
            Errno::INVAL,
        )?;
        fails(
            "negative",
            set(file, stamp(0, -1), good, none),
            Errno::INVAL,
        )?;
        fails(
            "flag",
            set(file, good, good, AtFlags::from_bits_retain(0x800)),
            Errno::INVAL,
        )?;
        let missing = directory.join("missing");
        fails("missing", set(&missing, good, good, none), Errno::NOENT)?;
        // Nothing to do is done without looking.
        set(&missing, omit, omit, none).told("nothing")
    })
}

fn times_permissions() -> Verdict {
    with_file(|_, file, _| {
        let none = AtFlags::empty();
        let (now, omit, given) = (stamp(0, UTIME_NOW), stamp(0, UTIME_OMIT), stamp(1, 1));
        chmod(file, 0o644)?;
        as_user(1000, 1000, &[], || {
            fails("now", set(file, now, now, none), Errno::ACCESS)?;
            fails("given", set(file, given, given, none), Errno::PERM)
        })?;
        chmod(file, 0o666)?;
        as_user(1000, 1000, &[], || {
            set(file, now, now, none).told("now, and may write")?;
            fails("one now", set(file, now, omit, none), Errno::PERM)?;
            fails("given", set(file, given, omit, none), Errno::PERM)?;
            fails("given", set(file, now, given, none), Errno::PERM)
        })?;
        by_path(ByPath::Chown, &c(file), [1000, 1000]).told("chown")?;
        chmod(file, 0o400)?;
        as_user(1000, 1000, &[], || {
            set(file, now, now, none).told("now, as the owner")?;
            set(file, given, omit, none).told("given, as the owner")
        })
    })
}

fn old_time_calls() -> Verdict {
    with_file(|directory, file, _| {
        files::utime(&c(file), Some([5, 6])).told("utime")?;
        same("utime", times(file)?, ((5, 0), (6, 0)))?;
        files::utimes(&c(file), Some([7, 8, 9, 10])).told("utimes")?;
        same("utimes", times(file)?, ((7, 8000), (9, 10_000)))?;
        fails(
            "too many",
            files::utimes(&c(file), Some([0, 1_000_000, 0, 0])),
            Errno::INVAL,
        )?;
        fails(
            "negative",
            files::utimes(&c(file), Some([0, -1, 0, 0])),
            Errno::INVAL,
        )?;
        let open = File::open(directory).told("open")?;
        files::futimesat(open.as_fd(), Some(&c("file")), [1, 2, 3, 4]).told("futimesat")?;
        same("futimesat", times(file)?, ((1, 2000), (3, 4000)))?;
        let open = File::open(file).told("open")?;
        files::futimesat(open.as_fd(), None, [5, 0, 6, 0]).told("futimesat")?;
        same("by descriptor", times(file)?, ((5, 0), (6, 0)))?;
        files::utime(&c(file), None).told("utime")?;
        check(times(file)?.1.0 > 1_000_000, || "not now".into())
    })
}

fn times_change() -> Verdict {
    with_file(|directory, file, _| {
        let past = stamp(100, 0);
        let reset = |path: &Path| set(path, past, past, AtFlags::empty()).told("utimensat");
        let moved = |path: &Path| Ok::<bool, String>(times(path)?.1 != (100, 0));
        reset(file)?;
        by_path(ByPath::Truncate, &c(file), [6, 0]).told("truncate")?;
        check(moved(file)?, || "truncate".into())?;
        reset(file)?;
        let open = OpenOptions::new().write(true).open(file).told("open")?;
        open.set_len(6).told("ftruncate")?;
        check(moved(file)?, || "ftruncate to its size".into())?;
        reset(file)?;
        rustix::io::write(&open, b"").told("write")?;
        check(!moved(file)?, || "nothing written".into())?;
        rustix::io::write(&open, b"x").told("write")?;
        check(moved(file)?, || "written".into())?;
        reset(directory)?;
        chmod(file, 0o600)?;
        check(!moved(directory)?, || "chmod below".into())?;
        fs::rename(file, directory.join("new")).told("rename")?;
        check(moved(directory)?, || "renamed".into())
    })
}

fn access_by_real_ids() -> Verdict {
    with_file(|_, file, _| {
        chmod(file, 0o600)?;
        let real = |want| by_path(ByPath::Access, &c(file), [want, 0]);
        let effective = |want| by_place(ByPlace::Faccessat2, CWD, &c(file), [want, 0x200, 0]);
        real(4).told("as root")?;
        fails("execute", real(1), Errno::ACCESS)?;
        super::isolated(|| {
            let id = rustix::process::Uid::from_raw;
            let (user, root) = (id(1000), id(0));
            rustix::thread::set_thread_res_uid(user, root, root).told("setresuid")?;
            fails("real", real(4), Errno::ACCESS)?;
            effective(4).told("effective")?;
            by_place(ByPlace::Faccessat, CWD, &c(file), [0, 0, 0]).told("exists")?;
            let of_real = by_place(ByPlace::Faccessat, CWD, &c(file), [4, 0, 0]);
            fails("faccessat", of_real, Errno::ACCESS)
        })
    })
}

fn access_errors() -> Verdict {
    with_file(|directory, file, link| {
        let access = |path: &Path, want| by_path(ByPath::Access, &c(path), [want, 0]);
        fails("mode", access(file, 8), Errno::INVAL)?;
        fails(
            "missing",
            access(&directory.join("missing"), 0),
            Errno::NOENT,
        )?;
        fails("below a file", access(&file.join("x"), 0), Errno::NOTDIR)?;
        let flag = by_place(ByPlace::Faccessat2, CWD, &c(file), [0, 0x400, 0]);
        fails("flag", flag, Errno::INVAL)?;
        symlink("nowhere", directory.join("lost")).told("symlink")?;
        fails(
            "a link to nowhere",
            access(&directory.join("lost"), 0),
            Errno::NOENT,
        )?;
        let own = by_place(
            ByPlace::Faccessat2,
            CWD,
            &c(directory.join("lost")),
            [0, 0x100, 0],
        );
        own.told("the link itself")?;
        access(link, 6).told("through a link")?;
        let open = File::open(file).told("open")?;
        by_place(ByPlace::Faccessat2, open.as_fd(), &c(""), [4, 0x1000, 0])
            .map(drop)
            .told("empty path")
    })
}
