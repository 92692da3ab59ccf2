//! Names that change: rename and its flags, and who may use them.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::Path;

use berth_sys::files::{ByPath, ByTwoPaths, by_path, by_two_paths};
use rustix::fs::{CWD, RenameFlags, renameat, renameat_with};
use rustix::io::Errno;

use super::names::{at, chmod, chown, with_some};
use super::opening::c;
use super::{Case, Told, Verdict, as_user, check, fails, same};

pub const CASES: &[Case] = &[
    ("names/rename-kinds", rename_kinds),
    ("names/rename-onto-itself", rename_onto_itself),
    ("names/rename-below-itself", rename_below_itself),
    ("names/rename-dots-and-slashes", rename_dots_and_slashes),
    ("names/rename-without-replacing", rename_without_replacing),
    ("names/exchange", exchange),
    ("names/whiteout", whiteout),
    ("names/rename-moves-dot-dot", rename_moves_dot_dot),
    ("names/rename-permissions", rename_permissions),
    ("names/sticky-directories", sticky_directories),
];

/// Renames within a directory.
fn rename(directory: &Path, old: &str, new: &str) -> Result<u64, Errno> {
    by_two_paths(
        ByTwoPaths::Rename,
        &c(at(directory, old)),
        &c(at(directory, new)),
    )
}

fn rename_kinds() -> Verdict {
    with_some(|d| {
        fails("missing", rename(d, "missing", "x"), Errno::NOENT)?;
        fails(
            "missing parent",
            rename(d, "file", "missing/x"),
            Errno::NOENT,
        )?;
        fails("below a file", rename(d, "empty", "file/x"), Errno::NOTDIR)?;
        fails(
            "directory on file",
            rename(d, "empty", "file"),
            Errno::NOTDIR,
        )?;
        fails(
            "file on directory",
            rename(d, "file", "empty"),
            Errno::ISDIR,
        )?;
        fails(
            "onto a full one",
            rename(d, "empty", "full"),
            Errno::NOTEMPTY,
        )?;
        rename(d, "full", "empty").told("onto an empty one")?;
        check(at(d, "empty/below").is_dir(), || "not moved".into())?;
        fails(
            "old name",
            fs::metadata(at(d, "full")).map_err(|_| Errno::NOENT),
            Errno::NOENT,
        )?;
        symlink("file", at(d, "link")).told("symlink")?;
        rename(d, "link", "moved").told("a link")?;
        check(at(d, "moved").is_symlink(), || "followed".into())?;
        let none = by_two_paths(ByTwoPaths::Rename, &c(at(d, "file")), &c(""));
        fails("no path", none, Errno::NOENT)
    })
}

fn rename_onto_itself() -> Verdict {
    with_some(|d| {
        fs::hard_link(at(d, "file"), at(d, "other")).told("link")?;
        rename(d, "file", "file").told("the same name")?;
        rename(d, "file", "other").told("the same file")?;
        // Both names stay (rename(2)).
        same(
            "links",
            fs::metadata(at(d, "file")).told("stat")?.nlink(),
            2,
        )?;
        rename(d, "full", "full")
            .map(drop)
            .told("the same directory")
    })
}

fn rename_below_itself() -> Verdict {
    with_some(|d| {
        fails("into itself", rename(d, "full", "full/x"), Errno::INVAL)?;
        fails(
            "deeper",
            rename(d, "full", "full/below/deep/x"),
            Errno::INVAL,
        )?;
        fails(
            "onto its parent",
            rename(d, "full/below", "full"),
            Errno::NOTEMPTY,
        )?;
        fails(
            "onto above",
            rename(d, "full/below/deep", "full"),
            Errno::NOTEMPTY,
        )?;
        fails(
            "file onto its parent",
            rename(d, "full/file", "full"),
            Errno::NOTEMPTY,
        )
    })
}

fn rename_dots_and_slashes() -> Verdict {
    with_some(|d| {
        for (old, new) in [
            ("full/.", "x"),
            ("full/..", "x"),
            ("file", "full/."),
            ("file", "full/.."),
        ] {
            fails(old, rename(d, old, new), Errno::BUSY)?;
        }
        fails("file/", rename(d, "file/", "x"), Errno::NOTDIR)?;
        fails("to x/", rename(d, "file", "x/"), Errno::NOTDIR)?;
        rename(d, "empty/", "moved/").told("directories may")?;
        let how = RenameFlags::NOREPLACE;
        let dots = renameat_with(CWD, at(d, "file"), CWD, at(d, "full/."), how);
        fails("not replacing", dots, Errno::EXIST)?;
        let bad = RenameFlags::from_bits_retain(8);
        fails(
            "flag",
            renameat_with(CWD, at(d, "file"), CWD, at(d, "x"), bad),
            Errno::INVAL,
        )?;
        let both = RenameFlags::EXCHANGE | RenameFlags::NOREPLACE;
        fails(
            "both",
            renameat_with(CWD, at(d, "file"), CWD, at(d, "x"), both),
            Errno::INVAL,
        )
    })
}

fn rename_without_replacing() -> Verdict {
    with_some(|d| {
        let go = |old, new| renameat_with(CWD, at(d, old), CWD, at(d, new), RenameFlags::NOREPLACE);
        fails("onto a directory", go("file", "empty"), Errno::EXIST)?;
        fails("onto itself", go("file", "file"), Errno::EXIST)?;
        go("file", "new").told("to a free name")?;
        renameat(CWD, at(d, "new"), CWD, at(d, "newer")).told("renameat")?;
        same(
            "content",
            fs::read(at(d, "newer")).told("read")?,
            b"content".to_vec(),
        )
    })
}

fn exchange() -> Verdict {
    with_some(|d| {
        let go = |old, new| renameat_with(CWD, at(d, old), CWD, at(d, new), RenameFlags::EXCHANGE);
        fails("missing", go("file", "missing"), Errno::NOENT)?;
        go("file", "full").told("file and directory")?;
        check(
            at(d, "file/below").is_dir() && at(d, "full").is_file(),
            || "not exchanged".into(),
        )?;
        go("empty", "file/below").told("across")?;
        check(at(d, "empty/deep").is_dir(), || "not exchanged".into())?;
        fails(
            "with what is above",
            go("empty", "empty/deep"),
            Errno::INVAL,
        )?;
        fails(
            "with what is below",
            go("empty/deep", "empty"),
            Errno::INVAL,
        )?;
        same(
            "links",
            fs::metadata(at(d, "empty")).told("stat")?.nlink(),
            3,
        )
    })
}

fn whiteout() -> Verdict {
    with_some(|d| {
        let how = RenameFlags::WHITEOUT;
        renameat_with(CWD, at(d, "file"), CWD, at(d, "new"), how).told("rename")?;
        same(
            "content",
            fs::read(at(d, "new")).told("read")?,
            b"content".to_vec(),
        )?;
        let left = fs::symlink_metadata(at(d, "file")).told("stat")?;
        check(left.file_type().is_char_device(), || "no device".into())?;
        same("device", (left.rdev(), left.mode() & 0o7777), (0, 0))?;
        let how = RenameFlags::WHITEOUT | RenameFlags::NOREPLACE;
        let taken = renameat_with(CWD, at(d, "new"), CWD, at(d, "file"), how);
        fails("not replacing", taken, Errno::EXIST)?;
        let how = RenameFlags::WHITEOUT | RenameFlags::EXCHANGE;
        let both = renameat_with(CWD, at(d, "new"), CWD, at(d, "file"), how);
        fails("both", both, Errno::INVAL)
    })
}

fn rename_moves_dot_dot() -> Verdict {
    with_some(|d| {
        let links = |name: &str| fs::metadata(at(d, name)).map(|m| m.nlink()).told("stat");
        same("before", (links("full")?, links("empty")?), (3, 2))?;
        rename(d, "full/below", "empty/moved").told("rename")?;
        same("after", (links("full")?, links("empty")?), (2, 3))?;
        let up = fs::metadata(at(d, "empty/moved/..")).told("stat")?.ino();
        same("..", up, fs::metadata(at(d, "empty")).told("stat")?.ino())
    })
}

fn rename_permissions() -> Verdict {
    with_some(|d| {
        chmod(d, 0o755)?;
        as_user(1000, 1000, &[], || {
            fails("foreign", rename(d, "file", "x"), Errno::ACCESS)
        })?;
        chmod(d, 0o777)?;
        as_user(1000, 1000, &[], || {
            rename(d, "file", "x").told("shared")?;
            rename(d, "empty", "y").told("a foreign directory")?;
            // Its `..` would change, which is writing.
            fs::create_dir(at(d, "own")).told("mkdir")?;
            fails("moved", rename(d, "y", "own/y"), Errno::ACCESS)?;
            rename(d, "x", "own/x").map(drop).told("a foreign file")
        })
    })
}

fn sticky_directories() -> Verdict {
    with_some(|d| {
        chmod(d, 0o1777)?;
        for name in ["mine", "yours"] {
            fs::write(at(d, name), "").told("write")?;
        }
        chown(&at(d, "mine"), 1000, 1000)?;
        as_user(1000, 1000, &[], || {
            let unlink = |name| by_path(ByPath::Unlink, &c(at(d, name)), [0, 0]);
            fails("unlink", unlink("yours"), Errno::PERM)?;
            fails("rename", rename(d, "yours", "x"), Errno::PERM)?;
            fails("replace", rename(d, "mine", "yours"), Errno::PERM)?;
            let rmdir = by_path(ByPath::Rmdir, &c(at(d, "empty")), [0, 0]);
            fails("rmdir", rmdir, Errno::PERM)?;
            rename(d, "mine", "renamed").told("own")?;
            unlink("renamed").map(drop).told("own")
        })?;
        // The owner of the directory may.
        chown(d, 1000, 1000)?;
        as_user(1000, 1000, &[], || {
            rename(d, "yours", "x").map(drop).told("own directory")
        })
    })
}
