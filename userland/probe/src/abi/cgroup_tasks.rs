//! Tasks in control groups: who comes in and how, what is done to them, how many there may be.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use berth_sys::raw::exit;
use berth_sys::threads::{self, Args};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, waitpid};

use super::cgroups::{end, mounted, number, read, refused, sleeper, with_group, write};
use super::files::errno;
use super::{Case, Told, Verdict, as_user, check, child, ended, fails, same};

pub const CASES: &[Case] = &[
    ("cgroup/members", members),
    ("cgroup/members-refused", members_refused),
    ("cgroup/kill", kill),
    ("cgroup/freeze", freeze),
    ("cgroup/events-are-told", events_are_told),
    ("cgroup/fork-into", fork_into),
    ("cgroup/fork-into-refused", fork_into_refused),
    ("cgroup/namespace", namespace),
    ("cgroup/given-away", given_away),
    ("cgroup/pids", pids),
    ("cgroup/pids-values", pids_values),
    ("cgroup/cpuset", cpuset),
];

fn members() -> Verdict {
    with_group(|group| {
        let populated = |n: u8| format!("populated {n}\n");
        same(
            "nobody",
            read(group, "cgroup.events")?.starts_with(&populated(0)),
            true,
        )?;
        let pid = sleeper(group)?;
        let line = format!("{}\n", number(pid));
        same("processes", read(group, "cgroup.procs")?, line.clone())?;
        same("threads", read(group, "cgroup.threads")?, line)?;
        same(
            "somebody",
            read(group, "cgroup.events")?.starts_with(&populated(1)),
            true,
        )?;
        let name = group.file_name().and_then(|n| n.to_str()).unwrap_or("");
        let told = fs::read_to_string(format!("/proc/{}/cgroup", number(pid))).told("proc")?;
        let wanted = format!("0::/{name}\n");
        check(told.ends_with(&wanted), || {
            format!("{told:?}, not {wanted:?}")
        })?;
        same("in use", errno(fs::remove_dir(group))?, Errno::BUSY)?;
        kill_process(pid, Signal::KILL).told("kill")?;
        let exited =
            rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
        rustix::process::waitid(rustix::process::WaitId::Pid(pid), exited).told("waitid")?;
        same(
            "a zombie is nobody",
            read(group, "cgroup.events")?.starts_with(&populated(0)),
            true,
        )?;
        same("nor told", read(group, "cgroup.procs")?, String::new())?;
        fs::remove_dir(group).told("rmdir")?;
        let told = fs::read_to_string(format!("/proc/{}/cgroup", number(pid))).told("proc")?;
        let wanted = format!("0::/{name} (deleted)\n");
        check(told.ends_with(&wanted), || {
            format!("{told:?}, not {wanted:?}")
        })?;
        ended(pid)?;
        fs::create_dir(group).told("mkdir again")
    })
}

fn members_refused() -> Verdict {
    with_group(|group| {
        // Who has ended and was not waited for can be moved: there is nothing to move.
        let pid = child(|| 0)?;
        let exited =
            rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
        rustix::process::waitid(rustix::process::WaitId::Pid(pid), exited).told("waitid")?;
        write(group, "cgroup.procs", &number(pid))?;
        same("nobody came", read(group, "cgroup.procs")?, String::new())?;
        ended(pid)?;
        refused(group, "cgroup.procs", &number(pid), Errno::SRCH)?;
        let procs = File::options()
            .write(true)
            .open(group.join("cgroup.procs"))
            .told("open")?;
        let events = File::open(group.join("cgroup.events")).told("open")?;
        fs::remove_dir(group).told("rmdir")?;
        let late = rustix::io::write(&procs, b"0");
        fails("a removed group", late, Errno::NODEV)?;
        fails(
            "its events",
            rustix::io::read(&events, &mut [0; 8]),
            Errno::NODEV,
        )?;
        fs::create_dir(group).told("mkdir again")
    })
}

fn kill() -> Verdict {
    with_group(|group| {
        let below = group.join("below");
        fs::create_dir(&below).told("mkdir")?;
        let (one, other) = (sleeper(group)?, sleeper(&below)?);
        write(&below, "cgroup.kill", "1\n")?;
        same("below", ended(other)?.terminating_signal(), Some(9))?;
        let nobody: Option<(Pid, WaitStatus)> =
            waitpid(Some(one), WaitOptions::NOHANG).told("wait")?;
        same("not above", nobody.is_none(), true)?;
        let other = sleeper(&below)?;
        write(group, "cgroup.kill", "1")?;
        same("all", ended(one)?.terminating_signal(), Some(9))?;
        same("below, too", ended(other)?.terminating_signal(), Some(9))
    })
}

fn frozen(group: &Path, wanted: u8) -> Verdict {
    let line = format!("frozen {wanted}\n");
    for _ in 0..2000 {
        if read(group, "cgroup.events")?.contains(&line) {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Err(format!("never {line}"))
}

fn freeze() -> Verdict {
    with_group(|group| {
        let below = group.join("below");
        fs::create_dir(&below).told("mkdir")?;
        let (reader, writer) = rustix::pipe::pipe().told("pipe")?;
        // It goes on writing until it may not.
        let pid = child(|| {
            loop {
                if rustix::io::write(&writer, b"x").is_err() {
                    return 0;
                }
            }
        })?;
        write(&below, "cgroup.procs", &number(pid))?;
        write(group, "cgroup.freeze", "1")?;
        frozen(group, 1)?;
        frozen(&below, 1)?;
        same("its own", read(&below, "cgroup.freeze")?, "0\n".to_owned())?;
        // The pipe is emptied, and nobody fills it.
        rustix::io::ioctl_fionbio(&reader, true).told("fionbio")?;
        let mut buffer = [0; 4096];
        while rustix::io::read(&reader, &mut buffer).is_ok() {}
        std::thread::sleep(std::time::Duration::from_millis(30));
        fails(
            "nothing comes",
            rustix::io::read(&reader, &mut buffer),
            Errno::AGAIN,
        )?;
        write(group, "cgroup.freeze", "0")?;
        frozen(group, 0)?;
        rustix::io::ioctl_fionbio(&reader, false).told("fionbio")?;
        check(
            rustix::io::read(&reader, &mut buffer).told("read")? > 0,
            || "nothing".to_owned(),
        )?;
        write(&below, "cgroup.freeze", "1")?;
        frozen(&below, 1)?;
        end(pid)
    })
}

fn events_are_told() -> Verdict {
    with_group(|group| {
        let mut events = File::open(group.join("cgroup.events")).told("open")?;
        let changed = |events: &File, ms: i64| {
            let time = Timespec {
                tv_sec: ms / 1000,
                tv_nsec: ms % 1000 * 1_000_000,
            };
            let mut fds = [PollFd::new(events, PollFlags::PRI)];
            poll(&mut fds, Some(&time)).told("poll")?;
            Ok::<bool, String>(fds[0].revents() == PollFlags::PRI | PollFlags::ERR)
        };
        same("before it was read", changed(&events, 0)?, true)?;
        let mut text = String::new();
        events.read_to_string(&mut text).told("read")?;
        same("nothing new", changed(&events, 0)?, false)?;
        let pid = sleeper(group)?;
        same("somebody came", changed(&events, 10_000)?, true)?;
        std::io::Seek::rewind(&mut events).told("seek")?;
        events.read_to_string(&mut text).told("read")?;
        same("told", changed(&events, 0)?, false)?;
        // It ends while somebody waits.
        let waits = child(|| i32::from(changed(&events, 10_000) != Ok(true)))?;
        std::thread::sleep(std::time::Duration::from_millis(20));
        end(pid)?;
        same("waited", ended(waits)?.exit_status(), Some(0))
    })
}

fn into(group: &File, flags: u64) -> Args {
    Args {
        flags: INTO_CGROUP | flags,
        exit_signal: 17,
        cgroup: group.as_raw_fd() as u64,
        ..Args::default()
    }
}

/// CLONE_INTO_CGROUP.
const INTO_CGROUP: u64 = 0x2_0000_0000;
/// CLONE_NEWCGROUP.
const NEW_CGROUP: u64 = 0x200_0000;

fn fork_into() -> Verdict {
    with_group(|group| {
        let directory = File::open(group).told("open")?;
        let pid = threads::clone3(&into(&directory, 0), 88).told("clone3")?;
        if pid == 0 {
            let own = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
            exit(i32::from(own.trim() != std::process::id().to_string()));
        }
        same("in there", threads::wait4(pid, 0).told("wait")?.1, 0)?;
        let own = fs::read_to_string("/proc/self/cgroup").told("proc")?;
        let name = group.file_name().and_then(|n| n.to_str()).unwrap_or("-");
        same("not the parent", own.contains(name), false)
    })
}

fn fork_into_refused() -> Verdict {
    with_group(|group| {
        let directory = File::open(group).told("open")?;
        let small = threads::clone3(&into(&directory, 0), 80);
        fails("too small a record", small, Errno::INVAL)?;
        let file = File::open(group.join("cgroup.procs")).told("open")?;
        fails(
            "no directory",
            threads::clone3(&into(&file, 0), 88),
            Errno::BADF,
        )?;
        let elsewhere = File::open("/").told("open")?;
        fails(
            "no group",
            threads::clone3(&into(&elsewhere, 0), 88),
            Errno::BADF,
        )?;
        let closed = Args {
            cgroup: 1000,
            ..into(&directory, 0)
        };
        fails("no file", threads::clone3(&closed, 88), Errno::BADF)?;
        let no_number = Args {
            cgroup: u64::MAX,
            ..into(&directory, 0)
        };
        fails("no number", threads::clone3(&no_number, 88), Errno::INVAL)?;
        as_user(1000, 1000, &[], || {
            let refused = threads::clone3(&into(&directory, 0), 88);
            fails("not everybody's", refused, Errno::ACCESS)
        })?;
        fs::remove_dir(group).told("rmdir")?;
        let late = threads::clone3(&into(&directory, 0), 88);
        fails("removed", late, Errno::NOENT)?;
        fs::create_dir(group).told("mkdir again")
    })
}

fn namespace() -> Verdict {
    with_group(|group| {
        write(group, "cgroup.procs", "0")?;
        let outside = std::process::id();
        let before = fs::read_link("/proc/self/ns/cgroup").told("readlink")?;
        let pid = threads::clone(NEW_CGROUP | 17).told("clone")?;
        if pid == 0 {
            let verdict = seen_from_inside(group, outside, &before);
            if let Err(reason) = &verdict {
                eprintln!("# {reason}");
            }
            exit(i32::from(verdict.is_err()));
        }
        // Also back to where somebody can wait for the group to be empty.
        let top = group.parent().unwrap_or(group);
        write(top, "cgroup.procs", "0")?;
        same("inside", threads::wait4(pid, 0).told("wait")?.1, 0)?;
        same(
            "outside",
            fs::read_link("/proc/self/ns/cgroup").told("readlink")?,
            before,
        )
    })
}

fn seen_from_inside(group: &Path, outside: u32, before: &Path) -> Verdict {
    let now = fs::read_link("/proc/self/ns/cgroup").told("readlink")?;
    check(now != before, || "the same namespace".to_owned())?;
    let own = |text: String| {
        text.lines()
            .find(|l| l.starts_with("0::"))
            .map(str::to_owned)
    };
    let told = fs::read_to_string("/proc/self/cgroup").told("proc")?;
    same("itself", own(told), Some("0::/".to_owned()))?;
    let below = group.join("below");
    fs::create_dir(&below).told("mkdir")?;
    write(&below, "cgroup.procs", "0")?;
    let told = fs::read_to_string("/proc/self/cgroup").told("proc")?;
    same("below", own(told), Some("0::/below".to_owned()))?;
    // The parent goes out meanwhile.
    for _ in 0..2000 {
        let told = fs::read_to_string(format!("/proc/{outside}/cgroup")).told("proc")?;
        if own(told) == Some("0::/..".to_owned()) {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Err("the parent is not above".to_owned())
}

fn given_away() -> Verdict {
    with_group(|group| {
        let (own, other) = (group.join("own"), group.join("other"));
        fs::create_dir(&own).told("mkdir")?;
        fs::create_dir(&other).told("mkdir")?;
        for file in [
            "",
            "cgroup.procs",
            "cgroup.threads",
            "cgroup.subtree_control",
        ] {
            chown(own.join(file), Some(1000), Some(1000)).told("chown")?;
        }
        write(&own, "cgroup.procs", "0")?;
        let verdict = as_user(1000, 1000, &[], || {
            let below = own.join("below");
            fs::create_dir(&below).told("mkdir")?;
            let found = fs::metadata(below.join("cgroup.procs")).told("stat")?;
            same("whose", (found.uid(), found.gid()), (1000, 1000))?;
            write(&below, "cgroup.procs", "0")?;
            write(&own, "cgroup.procs", "0")?;
            refused(&other, "cgroup.procs", "0", Errno::ACCESS)?;
            refused(&own, "cgroup.max.depth", "1", Errno::ACCESS)?;
            same(
                "mkdir",
                errno(fs::create_dir(other.join("x")))?,
                Errno::ACCESS,
            )?;
            same(
                "chmod",
                errno(fs::set_permissions(
                    &other,
                    PermissionsExt::from_mode(0o777),
                ))?,
                Errno::PERM,
            )?;
            fs::remove_dir(&below).told("rmdir")?;
            // Somebody outside cannot be brought in.
            refused(&own, "cgroup.procs", "1", Errno::ACCESS)
        });
        let top = group.parent().unwrap_or(group);
        write(top, "cgroup.procs", "0")?;
        verdict
    })
}

/// Does `work` with a group that has the controller, where it can be given.
fn with_own(name: &str, work: impl FnOnce(&Path) -> Verdict) -> Verdict {
    let Some(top) = mounted() else {
        return Ok(());
    };
    let there = read(&top, "cgroup.controllers")?;
    if !there.split_whitespace().any(|word| word == name) {
        return Ok(());
    }
    write(&top, "cgroup.subtree_control", &format!("+{name}"))?;
    let verdict = with_group(work);
    write(&top, "cgroup.subtree_control", &format!("-{name}"))?;
    verdict
}

fn pids() -> Verdict {
    with_own("pids", |group| {
        let told = |file: &str| read(group, file).map(|text| text.trim().to_owned());
        let pid = sleeper(group)?;
        same("one", told("pids.current")?, "1".to_owned())?;
        write(group, "pids.max", "3")?;
        let top = group.parent().unwrap_or(group);
        // It has two children, and a third is one too many.
        let forks = child(|| {
            if write(group, "cgroup.procs", "0").is_err() {
                return 1;
            }
            let Ok(one) = child(|| 0) else { return 2 };
            // Who has ended counts until it is waited for.
            let refused = berth_sys::raw::fork().err() == Some(Errno::AGAIN);
            if !refused || ended(one).is_err() {
                return 3;
            }
            let works = child(|| 0).and_then(ended).is_ok();
            if write(top, "cgroup.procs", "0").is_err() || !works {
                return 4;
            }
            0
        })?;
        same("limit", ended(forks)?.exit_status(), Some(0))?;
        same("events", told("pids.events")?, "max 1".to_owned())?;
        same("peak", told("pids.peak")?, "3".to_owned())?;
        write(group, "pids.max", "0")?;
        let directory = File::open(group).told("open")?;
        let into = threads::clone3(&into(&directory, 0), 88);
        fails("forked into it", into, Errno::AGAIN)?;
        // Who joins may exceed the limit.
        let other = sleeper(group)?;
        same("two", told("pids.current")?, "2".to_owned())?;
        end(pid)?;
        end(other)?;
        same("none", told("pids.current")?, "0".to_owned())
    })
}

fn pids_values() -> Verdict {
    with_own("pids", |group| {
        let wrong = [" ", "x", "-1", "4194305", "1x", "1 2", "MAX", "0x", "\0"];
        for text in wrong {
            refused(group, "pids.max", text, Errno::INVAL)?;
        }
        refused(group, "pids.max", "99999999999999999999", Errno::RANGE)?;
        refused(group, "pids.max", &"9".repeat(5000), Errno::TOOBIG)?;
        same("as it was", read(group, "pids.max")?, "max\n".to_owned())?;
        for (text, wanted) in [
            ("4194304\n", "4194304\n"),
            (" 0x10 ", "16\n"),
            ("0", "0\n"),
            ("max", "max\n"),
        ] {
            write(group, "pids.max", text)?;
            same(text, read(group, "pids.max")?, wanted.to_owned())?;
        }
        for file in ["pids.current", "pids.peak", "pids.events"] {
            refused(group, file, "0", Errno::INVAL)?;
        }
        Ok(())
    })
}

fn cpuset() -> Verdict {
    with_own("cpuset", |group| {
        write(group, "cpuset.cpus", "0")?;
        same("said", read(group, "cpuset.cpus")?, "0\n".to_owned())?;
        refused(group, "cpuset.cpus", "x", Errno::INVAL)?;
        refused(group, "cpuset.mems", "1000000", Errno::RANGE)?;
        write(group, "cpuset.cpus", "\n")?;
        same("nothing", read(group, "cpuset.cpus")?, "\n".to_owned())?;
        check(
            !read(group, "cpuset.cpus.effective")?.trim().is_empty(),
            || "no CPU".to_owned(),
        )
    })
}
