//! Where wild calls are made: pid, mount and uts namespaces of their own over a file system in memory, so that nothing
//! outside can be hit, and all that is left goes with the place.

use std::fs::{create_dir_all, write};
use std::os::unix::fs::symlink;

use berth_sys::raw::exit;
use berth_sys::threads::clone;
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::process::{Pid, WaitOptions, chdir, pivot_root, waitpid};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::keeper::{self, Plan};
use crate::small;

/// CLONE_NEWPID, CLONE_NEWNS, CLONE_NEWUTS, and SIGCHLD at the end.
const NAMESPACES: u64 = 0x2000_0000 | 0x2_0000 | 0x400_0000 | 17;
/// The place's file system before it is the root.
const ROOT: &str = "/tmp/yard";
/// So many places may end before the calls are made: reboot(2) ends one.
const PLACES: u32 = 5000;

/// Makes a plan's calls; says in how many places, as the calls end some.
pub fn inside(plan: &Plan<'_>) -> Result<u32, String> {
    create_dir_all(ROOT).map_err(|error| format!("{ROOT}: {error}"))?;
    let mut places = 0;
    while !plan.is_done() {
        places += 1;
        if places > PLACES {
            return Err(format!("{places} places ended early"));
        }
        let pid = clone(NAMESPACES).map_err(|errno| format!("clone: {errno}"))?;
        let Some(pid) = Pid::from_raw(pid) else {
            exit(live(plan));
        };
        let ended = waitpid(Some(pid), WaitOptions::empty());
        let status = ended.map_err(|errno| format!("wait: {errno}"))?;
        let code = status.and_then(|(_, status)| status.exit_status());
        if let Some(code @ 1..) = code {
            return Err(format!("the place ended with code {code}"));
        }
    }
    Ok(places)
}

/// Process 1 of the place.
fn live(plan: &Plan<'_>) -> i32 {
    if let Err(error) = build() {
        eprintln!("probe: the place: {error}");
        return 2;
    }
    // What the calls did to the place is no failure of theirs: they go on in the next.
    let (Ok(()) | Err(_)) = keeper::keep(plan);
    0
}

/// Builds the tree and makes it the root.
fn build() -> std::io::Result<()> {
    mount("yard", ROOT, "tmpfs", MountFlags::empty(), c"size=16m")?;
    chdir(ROOT)?;
    for name in ["tmp/d", "bin", "proc", "dev/pts", "old"] {
        create_dir_all(name)?;
    }
    small::write_true("bin/1")?;
    for (name, text) in [("tmp/a", "some text\n"), ("tmp/b", "")] {
        write(name, text)?;
    }
    symlink("loop", "tmp/loop")?;
    symlink("../loop", "tmp/d/loop")?;
    symlink("/tmp/a", "tmp/link")?;
    let devices = [
        ("null", 1, 3),
        ("zero", 1, 5),
        ("urandom", 1, 9),
        ("tty", 5, 0),
        ("ptmx", 5, 2),
    ];
    for (name, major, minor) in devices {
        let path = format!("dev/{name}");
        mknodat(
            CWD,
            path,
            FileType::CharacterDevice,
            Mode::from(0o666),
            makedev(major, minor),
        )?;
    }
    mount("proc", "proc", "proc", MountFlags::empty(), None)?;
    mount("pts", "dev/pts", "devpts", MountFlags::empty(), None)?;
    pivot_root(".", "old")?;
    chdir("/")?;
    unmount("/old", UnmountFlags::DETACH)?;
    // What a wild write writes shall not be taken for results.
    let null = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    Ok(())
}
