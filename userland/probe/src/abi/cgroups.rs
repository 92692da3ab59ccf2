//! Control groups as directories: what is in them, what is refused.
//!
//! Where no cgroup2 is mounted that can be written, there is nothing to see and the cases pass.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use super::files::errno;
use super::{Case, Told, Verdict, check, child, ended, fails, isolated, same};

pub const CASES: &[Case] = &[
    ("cgroup/made-and-removed", made_and_removed),
    ("cgroup/names-are-kept", names_are_kept),
    ("cgroup/attributes", attributes),
    ("cgroup/values-refused", values_refused),
    ("cgroup/how-deep-and-how-many", how_deep_and_how_many),
    ("cgroup/controllers", controllers),
    ("cgroup/no-processes-inside", no_processes_inside),
    ("cgroup/threaded", threaded),
];

/// Where cgroup2 is mounted, if somebody may make groups there.
pub fn mounted() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mut words = mounts.lines().map(|line| line.split(' '));
    let place = words.find_map(|mut words| match (words.nth(1), words.next()) {
        (Some(place), Some("cgroup2")) => Some(PathBuf::from(place)),
        _ => None,
    })?;
    let trial = place.join(format!("probe-trial-{}", std::process::id()));
    fs::create_dir(&trial).ok()?;
    fs::remove_dir(&trial).ok()?;
    Some(place)
}

/// Does `work` with a group of its own, which goes afterwards, with all that is in it.
pub fn with_group(work: impl FnOnce(&Path) -> Verdict) -> Verdict {
    let Some(top) = mounted() else {
        return Ok(());
    };
    let group = top.join(format!("probe-{}", std::process::id()));
    fs::create_dir(&group).told("mkdir")?;
    let verdict = isolated(|| work(&group));
    let _ = fs::write(group.join("cgroup.freeze"), "0");
    let _ = fs::write(group.join("cgroup.kill"), "1");
    verdict.and(remove(&group))
}

/// Removes a group and those below it, as soon as nobody is in them.
fn remove(group: &Path) -> Verdict {
    let below = fs::read_dir(group).told("list")?;
    for entry in below.flatten().filter(|e| e.path().is_dir()) {
        remove(&entry.path())?;
    }
    for _ in 0..2000 {
        match fs::remove_dir(group) {
            Ok(()) => return Ok(()),
            Err(_) => std::thread::sleep(std::time::Duration::from_millis(1)),
        }
    }
    Err(format!("{} cannot be removed", group.display()))
}

pub fn read(group: &Path, file: &str) -> Result<String, String> {
    fs::read_to_string(group.join(file)).told(file)
}

pub fn write(group: &Path, file: &str, text: &str) -> Verdict {
    fs::write(group.join(file), text).told(file)
}

pub fn refused(group: &Path, file: &str, text: &str, wanted: Errno) -> Verdict {
    let found = fs::write(group.join(file), text);
    let what = format!("{text:.20?} to {file}");
    same(
        &what,
        errno(found).map_err(|e| format!("{what}: {e}"))?,
        wanted,
    )
}

/// A child that waits in a group until it is killed.
pub fn sleeper(group: &Path) -> Result<Pid, String> {
    let pid = child(|| {
        loop {
            let _ = rustix::thread::nanosleep(&long());
        }
    })?;
    write(group, "cgroup.procs", &number(pid))?;
    Ok(pid)
}

fn long() -> rustix::thread::Timespec {
    rustix::thread::Timespec {
        tv_sec: 1000,
        tv_nsec: 0,
    }
}

pub fn number(pid: Pid) -> String {
    pid.as_raw_nonzero().to_string()
}

pub fn end(pid: Pid) -> Verdict {
    kill_process(pid, Signal::KILL).told("kill")?;
    ended(pid).map(|_| ())
}

fn made_and_removed() -> Verdict {
    with_group(|group| {
        let again = errno(fs::create_dir(group))?;
        same("made again", again, Errno::EXIST)?;
        let below = group.join("below");
        fs::create_dir(&below).told("mkdir")?;
        same("links", fs::metadata(group).told("stat")?.nlink(), 3)?;
        let file = fs::metadata(below.join("cgroup.procs")).told("stat")?;
        same("a file's links", (file.nlink(), file.len()), (1, 0))?;
        let inodes = [group.to_owned(), below.clone(), below.join("cgroup.type")];
        let mut inodes = inodes.map(|p| fs::metadata(p).map_or(0, |m| m.ino()));
        inodes.sort_unstable();
        check(
            inodes[0] != 0 && inodes[0] != inodes[1] && inodes[1] != inodes[2],
            || "inodes are not told apart".to_owned(),
        )?;
        same(
            "with a group in it",
            errno(fs::remove_dir(group))?,
            Errno::BUSY,
        )?;
        let names: Vec<_> = fs::read_dir(group).told("list")?.flatten().collect();
        let names: Vec<_> = names.iter().map(|e| e.file_name()).collect();
        for name in ["below", "cgroup.procs", "cgroup.events", "cgroup.type"] {
            same(name, names.iter().filter(|n| *n == name).count(), 1)?;
        }
        let kind = rustix::fs::statfs(group).told("statfs")?.f_type;
        same("magic", kind as u32, 0x6367_7270)?;
        same(
            "stat",
            read(group, "cgroup.stat")?.contains("nr_descendants 1\n"),
            true,
        )?;
        fs::remove_dir(&below).told("rmdir")?;
        same("gone", errno(fs::remove_dir(&below))?, Errno::NOENT)
    })
}

fn names_are_kept() -> Verdict {
    with_group(|group| {
        let procs = group.join("cgroup.procs");
        let made = |name: &str| errno(fs::create_dir(group.join(name)));
        same("name of a file", made("cgroup.procs")?, Errno::EXIST)?;
        same("newline", made("a\nb")?, Errno::INVAL)?;
        same(
            "rmdir of a file",
            errno(fs::remove_dir(&procs))?,
            Errno::NOTDIR,
        )?;
        same("unlink", errno(fs::remove_file(&procs))?, Errno::PERM)?;
        let nothing = errno(fs::remove_file(group.join("no")))?;
        same("unlink of nothing", nothing, Errno::NOENT)?;
        let new = group.join("new");
        same("a file", errno(File::create(&new))?, Errno::ACCESS)?;
        same("a link", errno(symlink("x", &new))?, Errno::PERM)?;
        same(
            "a hard link",
            errno(fs::hard_link(&procs, &new))?,
            Errno::PERM,
        )?;
        let fifo = mknodat(CWD, &new, FileType::Fifo, Mode::RUSR, 0);
        fails("a fifo", fifo, Errno::PERM)?;
        let below = group.join("below");
        fs::create_dir(&below).told("mkdir")?;
        same("rename", errno(fs::rename(&below, &new))?, Errno::PERM)?;
        same("still there", below.is_dir(), true)
    })
}

fn attributes() -> Verdict {
    with_group(|group| {
        let mode = |path: &Path| fs::metadata(path).map_or(0, |m| m.mode() & 0o7777);
        same("directory", mode(group), 0o755)?;
        same("procs", mode(&group.join("cgroup.procs")), 0o644)?;
        same("events", mode(&group.join("cgroup.events")), 0o444)?;
        same("kill", mode(&group.join("cgroup.kill")), 0o200)?;
        for (path, bits) in [
            (group.to_owned(), 0o750),
            (group.join("cgroup.procs"), 0o664),
        ] {
            fs::set_permissions(&path, PermissionsExt::from_mode(bits)).told("chmod")?;
            chown(&path, Some(12), Some(34)).told("chown")?;
            let found = fs::metadata(&path).told("stat")?;
            same(
                "kept",
                (mode(&path), found.uid(), found.gid()),
                (bits, 12, 34),
            )?;
        }
        let other = fs::metadata(group.join("cgroup.threads")).told("stat")?;
        same(
            "of its own",
            (other.uid(), other.mode() & 0o777),
            (0, 0o644),
        )?;
        let depth = group.join("cgroup.max.depth");
        let cut = File::options().write(true).truncate(true).open(&depth);
        drop(cut.told("open")?);
        same(
            "not cut",
            read(group, "cgroup.max.depth")?,
            "max\n".to_owned(),
        )?;
        let mut both = File::options()
            .read(true)
            .write(true)
            .open(&depth)
            .told("open")?;
        std::io::Write::write_all(&mut both, b"7").told("write")?;
        let mut text = String::new();
        std::io::Seek::rewind(&mut both).told("seek")?;
        both.read_to_string(&mut text).told("read")?;
        same("read again", text, "7\n".to_owned())
    })
}

/// Everything that is no value, to every file: nothing may change.
fn values_refused() -> Verdict {
    let large = "9".repeat(5000);
    let limits: &[(&str, Errno)] = &[
        (" ", Errno::INVAL),
        ("\n", Errno::INVAL),
        ("x", Errno::INVAL),
        ("-1", Errno::RANGE),
        ("+", Errno::INVAL),
        ("1x", Errno::INVAL),
        ("1 2", Errno::INVAL),
        ("2147483648", Errno::RANGE),
        ("99999999999999999999", Errno::RANGE),
        ("MAX", Errno::INVAL),
        ("maximal", Errno::INVAL),
        ("08", Errno::INVAL),
        ("0x", Errno::INVAL),
        ("\0", Errno::INVAL),
        ("\x001", Errno::INVAL),
    ];
    let switch: &[(&str, Errno)] = &[
        (" ", Errno::INVAL),
        ("x", Errno::INVAL),
        ("-1", Errno::RANGE),
        ("2", Errno::RANGE),
        ("1x", Errno::INVAL),
        ("true", Errno::INVAL),
        ("99999999999999999999", Errno::RANGE),
        ("\x001", Errno::INVAL),
    ];
    let numbers: &[(&str, Errno)] = &[
        (" ", Errno::INVAL),
        ("x", Errno::INVAL),
        ("-1", Errno::INVAL),
        ("1 1", Errno::INVAL),
        ("2147483648", Errno::INVAL),
        ("2147483647", Errno::SRCH),
        ("\x001", Errno::INVAL),
    ];
    let types: &[(&str, Errno)] = &[
        (" ", Errno::INVAL),
        ("domain", Errno::INVAL),
        ("Threaded", Errno::INVAL),
        ("threaded x", Errno::INVAL),
    ];
    let words: &[(&str, Errno)] = &[
        ("memory", Errno::INVAL),
        ("+", Errno::INVAL),
        ("+none", Errno::INVAL),
        ("*cpu", Errno::INVAL),
        ("+Memory", Errno::INVAL),
        ("++", Errno::INVAL),
    ];
    let told: &[(&str, Errno)] = &[("1", Errno::INVAL), ("x", Errno::INVAL)];
    let files: &[(&str, &[(&str, Errno)])] = &[
        ("cgroup.max.depth", limits),
        ("cgroup.max.descendants", limits),
        ("cgroup.freeze", switch),
        ("cgroup.kill", switch),
        ("cgroup.procs", numbers),
        ("cgroup.threads", numbers),
        ("cgroup.type", types),
        ("cgroup.subtree_control", words),
        ("cgroup.events", told),
        ("cgroup.stat", told),
        ("cgroup.controllers", told),
    ];
    with_group(|group| {
        for (file, values) in files {
            let before = read(group, file);
            for (text, wanted) in *values {
                refused(group, file, text, *wanted)?;
            }
            refused(group, file, &large, Errno::TOOBIG)?;
            same(file, read(group, file), before)?;
            // Nothing at all is no value, and no error.
            fs::write(group.join(file), "").told(file)?;
        }
        refused(group, "cgroup.kill", "0", Errno::RANGE)?;
        let mut kill = File::options()
            .read(true)
            .open(group.join("cgroup.kill"))
            .told("open")?;
        same(
            "read of what is written only",
            errno(kill.read(&mut [0; 8]))?,
            Errno::INVAL,
        )
    })
}

fn how_deep_and_how_many() -> Verdict {
    with_group(|group| {
        let (a, b) = (group.join("a"), group.join("b"));
        let deep = a.join("deep");
        write(group, "cgroup.max.depth", "1\n")?;
        fs::create_dir(&a).told("mkdir")?;
        same("too deep", errno(fs::create_dir(&deep))?, Errno::AGAIN)?;
        write(group, "cgroup.max.depth", " max ")?;
        fs::create_dir(&deep).told("mkdir")?;
        write(group, "cgroup.max.descendants", "2")?;
        same("too many", errno(fs::create_dir(&b))?, Errno::AGAIN)?;
        write(group, "cgroup.max.descendants", "0")?;
        same(
            "limit",
            read(group, "cgroup.max.descendants")?,
            "0\n".to_owned(),
        )?;
        write(group, "cgroup.max.descendants", "2147483647")?;
        same(
            "none",
            read(group, "cgroup.max.descendants")?,
            "max\n".to_owned(),
        )?;
        write(group, "cgroup.max.depth", "0x10")?;
        same(
            "sixteen",
            read(group, "cgroup.max.depth")?,
            "16\n".to_owned(),
        )
    })
}

/// A controller that is for whole processes only, of those that there are.
fn domain_controller(top: &Path) -> Option<&'static str> {
    let there = fs::read_to_string(top.join("cgroup.controllers")).ok()?;
    let mut names = ["memory", "io", "hugetlb"].into_iter();
    names.find(|name| there.split_whitespace().any(|word| word == *name))
}

/// Gives the groups at the top a controller while `work` runs, if there is one to give.
fn with_controller(work: impl FnOnce(&Path, &'static str) -> Verdict) -> Verdict {
    let Some(top) = mounted() else {
        return Ok(());
    };
    let Some(name) = domain_controller(&top) else {
        return Ok(());
    };
    let before = read(&top, "cgroup.subtree_control")?;
    write(&top, "cgroup.subtree_control", &format!("+{name}"))?;
    let verdict = with_group(|group| work(group, name));
    if !before.split_whitespace().any(|word| word == name) {
        write(&top, "cgroup.subtree_control", &format!("-{name}"))?;
    }
    verdict
}

fn controllers() -> Verdict {
    with_controller(|group, name| {
        let (give, take) = (format!("+{name}"), format!("-{name}"));
        let has = |at: &Path, file: &str| {
            read(at, file).map(|text| text.split_whitespace().any(|word| word == name))
        };
        same("given", has(group, "cgroup.controllers")?, true)?;
        same("not given on", has(group, "cgroup.subtree_control")?, false)?;
        let below = group.join("below");
        fs::create_dir(&below).told("mkdir")?;
        refused(&below, "cgroup.subtree_control", &give, Errno::NOENT)?;
        write(
            group,
            "cgroup.subtree_control",
            &format!(" {take} {give} \n"),
        )?;
        same("given on", has(&below, "cgroup.controllers")?, true)?;
        write(&below, "cgroup.subtree_control", &give)?;
        refused(group, "cgroup.subtree_control", &take, Errno::BUSY)?;
        write(&below, "cgroup.subtree_control", &take)?;
        write(group, "cgroup.subtree_control", &take)?;
        same("taken", has(&below, "cgroup.controllers")?, false)?;
        // What is not given can be taken.
        write(group, "cgroup.subtree_control", &take)
    })
}

fn no_processes_inside() -> Verdict {
    with_controller(|group, name| {
        let give = format!("+{name}");
        let pid = sleeper(group)?;
        refused(group, "cgroup.subtree_control", &give, Errno::BUSY)?;
        let below = group.join("below");
        fs::create_dir(&below).told("mkdir")?;
        write(&below, "cgroup.procs", &number(pid))?;
        write(group, "cgroup.subtree_control", &give)?;
        refused(group, "cgroup.procs", &number(pid), Errno::BUSY)?;
        same(
            "where it was",
            read(&below, "cgroup.procs")?,
            format!("{}\n", number(pid)),
        )?;
        end(pid)
    })
}

fn threaded() -> Verdict {
    with_group(|group| {
        let (a, b) = (group.join("a"), group.join("b"));
        fs::create_dir(&a).told("mkdir")?;
        fs::create_dir(&b).told("mkdir")?;
        same("domain", read(group, "cgroup.type")?, "domain\n".to_owned())?;
        write(&a, "cgroup.type", " threaded\n")?;
        same(
            "threaded",
            read(&a, "cgroup.type")?,
            "threaded\n".to_owned(),
        )?;
        same(
            "its top",
            read(group, "cgroup.type")?,
            "domain threaded\n".to_owned(),
        )?;
        same(
            "beside it",
            read(&b, "cgroup.type")?,
            "domain invalid\n".to_owned(),
        )?;
        refused(&b, "cgroup.procs", "0", Errno::OPNOTSUPP)?;
        same(
            "processes",
            errno(fs::read(a.join("cgroup.procs")))?,
            Errno::OPNOTSUPP,
        )?;
        refused(&a, "cgroup.kill", "1", Errno::OPNOTSUPP)?;
        refused(&a, "cgroup.threads", "0", Errno::OPNOTSUPP)?;
        let pid = sleeper(group)?;
        let line = format!("{}\n", number(pid));
        write(&a, "cgroup.threads", &number(pid))?;
        same("thread", read(&a, "cgroup.threads")?, line.clone())?;
        same(
            "not at the top",
            read(group, "cgroup.threads")?,
            String::new(),
        )?;
        same("process of the top", read(group, "cgroup.procs")?, line)?;
        end(pid)?;
        fs::remove_dir(&a).told("rmdir")?;
        same(
            "a domain again",
            read(group, "cgroup.type")?,
            "domain\n".to_owned(),
        )
    })
}
