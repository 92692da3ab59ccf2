//! The other ways to a new process and a new program: vfork, execveat; what a thread keeps in
//! registers.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;

use berth_sys::memory::{Region, Sharing};
use berth_sys::own::{Numbers, numbers};
use berth_sys::records::{Arch, Place, arch_prctl, reboot, word_at_gs};
use berth_sys::threads;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::process::Pid;

use super::files::in_directory;
use super::{Case, Told, Verdict, check, child, ended, exits, fails, same};

pub const CASES: &[Case] = &[
    ("processes/vfork", vfork),
    ("processes/own-group", own_group),
    ("processes/exec-from-a-directory", exec_from_a_directory),
    ("processes/exec-of-a-descriptor", exec_of_a_descriptor),
    ("processes/exec-of-links", exec_of_links),
    (
        "processes/exec-script-of-a-descriptor",
        exec_script_of_a_descriptor,
    ),
    ("processes/thread-registers", thread_registers),
    ("processes/nothing-to-restart", || {
        fails(
            "restart_syscall",
            numbers(Numbers::RestartSyscall, &[]),
            Errno::INTR,
        )
    }),
    ("processes/reboot-of-a-namespace", reboot_of_a_namespace),
    ("processes/reboot-is-refused", reboot_is_refused),
];

const EMPTY_PATH: u64 = 0x1000;
const NOFOLLOW: u64 = 0x100;
const NEWPID: u64 = 0x2000_0000;

fn vfork() -> Verdict {
    let region = Region::anonymous(1, Sharing::Private).told("mmap")?;
    let word = threads::word(&region, 0);
    let pid = threads::vfork_to_set(word, 5).told("vfork")?;
    // The child has the same memory, and has ended before its parent goes on.
    same("word", word.load(Ordering::SeqCst), 1)?;
    let status = ended(Pid::from_raw(pid).ok_or("pid")?)?;
    same("exit", status.exit_status(), Some(5))
}

fn own_group() -> Verdict {
    let group = || numbers(Numbers::Getpgrp, &[]);
    let parents = rustix::process::getpgrp().as_raw_pid() as u64;
    same("inherited", group(), Ok(parents))?;
    exits(0, || {
        let own = rustix::process::getpid();
        let made = rustix::process::setpgid(None, None);
        i32::from(made.is_err() || group() != Ok(own.as_raw_pid() as u64))
    })
}

/// This program, as `probe exit 33` runs it.
const RUN: [&str; 3] = ["probe", "exit", "33"];

fn exec_from_a_directory() -> Verdict {
    let own = std::env::current_exe().told("own path")?;
    let directory = own.parent().ok_or("no directory")?;
    let at = File::open(directory).told("open")?;
    let name = own
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or("no name")?;
    let run = |path: &str, flags: u64| {
        let error = threads::exec_at(at.as_fd(), path, &RUN, flags);
        error.raw_os_error()
    };
    exits(33, || run(name, 0))?;
    // Wherever it would begin: the path is absolute.
    exits(33, || run(&own.display().to_string(), 0))?;
    exits(Errno::NOENT.raw_os_error(), || run("nothing", 0))?;
    exits(Errno::NOENT.raw_os_error(), || run("", 0))?;
    exits(Errno::INVAL.raw_os_error(), || run(name, 1))?;
    exits(Errno::ACCESS.raw_os_error(), || run("", EMPTY_PATH))?;
    let file = File::open(&own).told("open")?;
    exits(Errno::NOTDIR.raw_os_error(), || {
        threads::exec_at(file.as_fd(), "name", &RUN, 0).raw_os_error()
    })
}

fn exec_of_a_descriptor() -> Verdict {
    let own = std::env::current_exe().told("own path")?;
    for flags in [OFlags::RDONLY, OFlags::PATH] {
        let file = open(&own, flags | OFlags::CLOEXEC, Mode::empty()).told("open")?;
        exits(33, || {
            threads::exec_at(file.as_fd(), "", &RUN, EMPTY_PATH).raw_os_error()
        })?;
    }
    let (reader, _writer) = crate::small::pipe().told("pipe")?;
    exits(Errno::ACCESS.raw_os_error(), || {
        threads::exec_at(reader.as_fd(), "", &RUN, EMPTY_PATH).raw_os_error()
    })?;
    // The working directory, which is no program.
    exits(Errno::ACCESS.raw_os_error(), || {
        threads::exec_at(rustix::fs::CWD, "", &RUN, EMPTY_PATH).raw_os_error()
    })
}

fn exec_of_links() -> Verdict {
    in_directory(|directory| {
        let own = std::env::current_exe().told("own path")?;
        std::os::unix::fs::symlink(own, directory.join("link")).told("symlink")?;
        let at = File::open(directory).told("open")?;
        let run = |flags: u64| threads::exec_at(at.as_fd(), "link", &RUN, flags).raw_os_error();
        exits(33, || run(0))?;
        exits(Errno::LOOP.raw_os_error(), || run(NOFOLLOW))
    })
}

/// The interpreter opens a name in /dev/fd, which is gone when execve closed it.
fn exec_script_of_a_descriptor() -> Verdict {
    in_directory(|directory| {
        let own = std::env::current_exe().told("own path")?;
        let script = directory.join("script");
        std::fs::write(&script, format!("#!{} exit\n", own.display())).told("write")?;
        super::files::make_runnable(&script)?;
        let run = |flags: OFlags| {
            exits(100, || {
                let Ok(file) = open(&script, flags, Mode::empty()) else {
                    return 1;
                };
                let error = threads::exec_at(file.as_fd(), "", &RUN, EMPTY_PATH);
                100 + i32::from(error != Errno::NOENT)
            })
        };
        run(OFlags::CLOEXEC)?;
        // It is run: `probe exit /dev/fd/N exit 33` has too many words.
        exits(2, || {
            let Ok(file) = open(&script, OFlags::RDONLY, Mode::empty()) else {
                return 1;
            };
            let _ = File::open("/dev/null").map(|null| rustix::stdio::dup2_stderr(&null));
            threads::exec_at(file.as_fd(), "", &RUN, EMPTY_PATH).raw_os_error()
        })
    })
}

fn thread_registers() -> Verdict {
    let told = |of_fs: bool| -> Result<u64, String> {
        let mut record = [0; 4];
        let place = Place::Here(&mut record);
        let get = if of_fs {
            Arch::GetFs(place)
        } else {
            Arch::GetGs(place)
        };
        arch_prctl(get).told("arch_prctl")?;
        let [base, ..] = record;
        Ok(base)
    };
    let fs = told(true)?;
    check(fs != 0, || "no thread data".to_owned())?;
    let record = [0x1234_5678_9abc_def0, 0, 0, 0];
    same("by GS", word_at_gs(&record), Some(record[0]))?;
    same("GS", told(false)?, record.as_ptr() as u64)?;
    exits(0, || i32::from(told(false) != Ok(record.as_ptr() as u64)))?;
    fails(
        "nowhere",
        arch_prctl(Arch::GetFs(Place::Wild)),
        Errno::FAULT,
    )?;
    fails(
        "nowhere",
        arch_prctl(Arch::GetGs(Place::Wild)),
        Errno::FAULT,
    )?;
    for wild in [1 << 47, u64::MAX] {
        fails("behind the end", arch_prctl(Arch::SetGs(wild)), Errno::PERM)?;
    }
    fails(
        "behind the end",
        arch_prctl(Arch::SetFsBehindTheEnd),
        Errno::PERM,
    )?;
    same("FS", told(true)?, fs)?;
    same("cpuid", arch_prctl(Arch::GetCpuid), Ok(1))?;
    fails("unknown", arch_prctl(Arch::Unknown), Errno::INVAL)
}

const REBOOT: [u32; 2] = [0xfee1_dead, 672_274_793];

fn reboot_of_a_namespace() -> Verdict {
    // Restart, halt, power off: what init seems to have died of.
    for (command, signal) in [(0x0123_4567, 1), (0xcdef_0123, 2), (0x4321_fedc, 2)] {
        let pid = threads::clone(NEWPID | 17).told("clone")?;
        if pid == 0 {
            // An unknown command, or a wrong word: nothing happens.
            let odd = reboot(REBOOT, 7) != Err(Errno::INVAL);
            let wrong = reboot([REBOOT[0], 1], command) != Err(Errno::INVAL);
            if odd || wrong {
                berth_sys::raw::exit(1);
            }
            let _ = reboot(REBOOT, command);
            berth_sys::raw::exit(2)
        }
        let status = ended(Pid::from_raw(pid).ok_or("pid")?)?;
        same("signal", status.terminating_signal(), Some(signal))?;
    }
    Ok(())
}

fn reboot_is_refused() -> Verdict {
    fails("wrong", reboot([1, REBOOT[1]], 0x0123_4567), Errno::INVAL)?;
    let pid = child(|| {
        if berth_sys::own::capset(berth_sys::own::CAP_VERSIONS[2], 0, [0; 3]).is_err() {
            return 1;
        }
        i32::from(reboot([1, REBOOT[1]], 0x0123_4567) != Err(Errno::PERM))
    })?;
    same("exit", ended(pid)?.exit_status(), Some(0))
}
