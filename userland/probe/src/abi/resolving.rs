//! Walking to a file: openat2's rules, and limits.

use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use berth_sys::files;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, open, openat, openat2};
use rustix::io::Errno;

use super::files::in_directory;
use super::opening::{CLOEXEC, CREAT, DIRECTORY, NOFOLLOW, PATH, RDONLY, RDWR, c, flags, opens};
use super::{Case, Told, Verdict, fails, same};

pub const CASES: &[Case] = &[
    ("resolving/how-structure", how_structure),
    ("resolving/how-values", how_values),
    ("resolving/beneath", beneath),
    ("resolving/in-root", in_root),
    ("resolving/no-links", no_links),
    ("resolving/no-magic-links", no_magic_links),
    ("resolving/one-file-system", one_file_system),
    ("resolving/forty-links", forty_links),
    ("resolving/longest-path", longest_path),
];

/// struct open_how.
fn how(flags: u64, mode: u64, resolve: u64) -> Vec<u8> {
    [flags, mode, resolve]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect()
}

fn how_structure() -> Verdict {
    let at = |bytes: &[u8]| files::openat2(CWD, &c("/"), bytes);
    let mut bytes = how(u64::from(CLOEXEC), 0, 0);
    at(&bytes).told("openat2")?;
    fails(
        "too short",
        at(bytes.get(..23).unwrap_or_default()),
        Errno::INVAL,
    )?;
    fails("nothing", at(&[]), Errno::INVAL)?;
    bytes.resize(4096, 0);
    at(&bytes).told("zeros behind")?;
    if let Some(last) = bytes.last_mut() {
        *last = 1;
    }
    fails("something behind", at(&bytes), Errno::TOOBIG)?;
    bytes.resize(4097, 0);
    fails("too long", at(&bytes), Errno::TOOBIG)
}

fn how_values() -> Verdict {
    in_directory(|directory| {
        let path = c(directory.join("file"));
        let at = |flags: u32, mode: u64, resolve: u64| {
            files::openat2(CWD, &path, &how(u64::from(flags), mode, resolve)).map(drop)
        };
        fails("missing", at(RDONLY, 0, 0), Errno::NOENT)?;
        fails("mode without creating", at(RDONLY, 0o600, 0), Errno::INVAL)?;
        fails(
            "mode too large",
            at(RDWR | CREAT, 0o10_000, 0),
            Errno::INVAL,
        )?;
        fails("unknown flag", at(RDONLY | 0x4000_0000, 0, 0), Errno::INVAL)?;
        let wide = how(1 << 32, 0, 0);
        fails("wide flag", files::openat2(CWD, &path, &wide), Errno::INVAL)?;
        fails("unknown resolve", at(RDONLY, 0, 0x100), Errno::INVAL)?;
        fails("two roots", at(RDONLY, 0, 0x18), Errno::INVAL)?;
        fails("place to write", at(PATH | RDWR, 0, 0), Errno::INVAL)?;
        fails(
            "cached to create",
            at(RDWR | CREAT, 0o600, 0x20),
            Errno::AGAIN,
        )?;
        at(RDWR | CREAT, 0o600, 0).told("create")?;
        at(RDONLY, 0, 0x20).told("cached")?;
        at(PATH | NOFOLLOW | CLOEXEC, 0, 0).told("place")?;
        fails(
            "no path",
            files::openat2(CWD, &c(""), &how(0, 0, 0)),
            Errno::NOENT,
        )
    })
}

/// Opens below a directory with RESOLVE_* flags.
fn resolve(at: &OwnedFd, path: &str, how: ResolveFlags) -> Result<u64, Errno> {
    let file = openat2(at, path, flags(PATH | CLOEXEC), Mode::empty(), how)?;
    rustix::fs::fstat(&file).map(|stat| stat.st_ino)
}

fn opened(directory: &Path) -> Result<OwnedFd, String> {
    open(directory, flags(DIRECTORY | CLOEXEC), Mode::empty()).told("open")
}

fn ino(path: &Path) -> Result<u64, String> {
    Ok(fs::metadata(path).told("stat")?.ino())
}

/// A directory with a file, a directory below, and links that lead in and out.
fn with_links(work: impl FnOnce(&Path, &OwnedFd) -> Verdict) -> Verdict {
    in_directory(|directory| {
        let root = directory.join("root");
        fs::create_dir_all(root.join("d")).told("mkdir")?;
        fs::write(root.join("file"), "").told("write")?;
        for (target, name) in [
            ("file", "in"),
            ("/file", "absolute"),
            ("../outside", "out"),
            ("../../root/file", "d/back"),
            ("/proc/self/fd/0", "magic"),
        ] {
            symlink(target, root.join(name)).told("symlink")?;
        }
        fs::write(directory.join("outside"), "").told("write")?;
        let at = opened(&root)?;
        work(&root, &at)
    })
}

fn beneath() -> Verdict {
    with_links(|root, at| {
        let file = ino(&root.join("file"))?;
        let below = |path| resolve(at, path, ResolveFlags::BENEATH);
        same("file", below("file"), Ok(file))?;
        same("in", below("in"), Ok(file))?;
        same("d/../file", below("d/../file"), Ok(file))?;
        for path in [
            "..",
            "d/../..",
            "/",
            "/file",
            "absolute",
            "out",
            "d/back",
            "../root/file",
        ] {
            fails(path, below(path), Errno::XDEV)?;
        }
        fails("missing", below("missing"), Errno::NOENT)?;
        let how = ResolveFlags::BENEATH;
        let made = openat2(at, "new", flags(CREAT | RDWR), Mode::RWXU, how);
        made.told("create")?;
        let made = openat2(at, "out2/../../new", flags(CREAT | RDWR), Mode::RWXU, how);
        fails("create outside", made, Errno::NOENT)
    })
}

fn in_root() -> Verdict {
    with_links(|root, at| {
        let (top, file) = (ino(root)?, ino(&root.join("file"))?);
        let inside = |path| resolve(at, path, ResolveFlags::IN_ROOT);
        for path in [
            "file",
            "/file",
            "in",
            "absolute",
            "../file",
            "/../../file",
            "d/../../file",
        ] {
            same(path, inside(path), Ok(file))?;
        }
        for path in ["/", "..", ".", "d/../.."] {
            same(path, inside(path), Ok(top))?;
        }
        fails("out", inside("out"), Errno::NOENT)?;
        fails("magic", inside("magic"), Errno::NOENT)
    })
}

fn no_links() -> Verdict {
    with_links(|root, at| {
        let file = ino(&root.join("file"))?;
        let plain = |path| resolve(at, path, ResolveFlags::NO_SYMLINKS);
        same("file", plain("d/../file"), Ok(file))?;
        for path in ["in", "absolute", "d/back", "magic"] {
            fails(path, plain(path), Errno::LOOP)?;
        }
        let how = ResolveFlags::NO_SYMLINKS;
        let link = openat2(at, "in", flags(PATH | NOFOLLOW), Mode::empty(), how);
        link.map(drop).told("the link itself")
    })
}

fn no_magic_links() -> Verdict {
    with_links(|root, at| {
        let file = ino(&root.join("file"))?;
        let plain = |path| resolve(at, path, ResolveFlags::NO_MAGICLINKS);
        same("in", plain("in"), Ok(file))?;
        fails("magic", plain("magic"), Errno::LOOP)?;
        fails("root", plain("/proc/self/root/"), Errno::LOOP)?;
        plain("/proc/self/status")
            .map(drop)
            .told("self is a plain link")?;
        let below = |path| resolve(at, path, ResolveFlags::BENEATH);
        fails("beneath", below("magic"), Errno::XDEV)
    })
}

fn one_file_system() -> Verdict {
    let root = opened(Path::new("/"))?;
    let inside = |path| resolve(&root, path, ResolveFlags::NO_XDEV);
    inside(".").told(".")?;
    inside("/").told("/")?;
    fails("into a mount", inside("proc/self"), Errno::XDEV)?;
    fails("into a mount", inside("/proc"), Errno::XDEV)?;
    let proc = opened(Path::new("/proc"))?;
    let inside = |path| resolve(&proc, path, ResolveFlags::NO_XDEV);
    inside("self/status").map(drop).told("stays")?;
    fails("out of a mount", inside(".."), Errno::XDEV)?;
    fails("by a magic link", inside("self/root"), Errno::XDEV)?;
    let linked = open("/proc/self/cwd", flags(PATH), Mode::empty()).map(drop);
    linked.told("without the flag")
}

fn forty_links() -> Verdict {
    in_directory(|directory| {
        fs::write(directory.join("l0"), "").told("write")?;
        for index in 1..=41 {
            let link = directory.join(format!("l{index}"));
            symlink(format!("l{}", index - 1), link).told("symlink")?;
        }
        opens(&directory.join("l40"), RDONLY).told("40 links")?;
        fails(
            "41 links",
            opens(&directory.join("l41"), RDONLY),
            Errno::LOOP,
        )
    })
}

fn longest_path() -> Verdict {
    in_directory(|directory| {
        let at = opened(directory)?;
        fs::write(directory.join("file"), "").told("write")?;
        let path = |len: usize| format!("{}file", "./".repeat(2050)).split_off(4104 - len);
        let look = |len| openat(&at, path(len), OFlags::RDONLY, Mode::empty()).map(drop);
        same("length", path(4095).len(), 4095)?;
        look(4094).told("4094 bytes")?;
        fails("4096 bytes", look(4096), Errno::NAMETOOLONG)?;
        let bad = |fd: BorrowedFd<'_>| openat(fd, "x", OFlags::RDONLY, Mode::empty());
        fails(
            "below a file",
            bad(File::open(directory.join("file")).told("open")?.as_fd()),
            Errno::NOTDIR,
        )
    })
}
