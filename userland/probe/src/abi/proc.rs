//! /proc/PID: what a process reads of itself and of others.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use berth_sys::handler;
use rustix::io::Errno;
use rustix::process::{self as p, Pid, Resource, Signal};

use super::files::errno;
use super::{Case, Told, Verdict, check, child, ended, exits, same};

pub const CASES: &[Case] = &[
    ("proc/self-is-the-reader", self_is_the_reader),
    ("proc/stat", stat),
    ("proc/stat-of-a-zombie", stat_of_a_zombie),
    ("proc/status-of-signals", status_of_signals),
    ("proc/status-of-users", status_of_users),
    ("proc/threads", threads),
    ("proc/names", names),
    ("proc/names-of-others", names_of_others),
    ("proc/command-line", command_line),
    ("proc/auxiliary-vector", auxiliary_vector),
    ("proc/limits", limits),
    ("proc/what-is-not-there", what_is_not_there),
    ("proc/what-is-gone", what_is_gone),
    ("proc/who-may-look", who_may_look),
    ("proc/out-of-memory-order", out_of_memory_order),
    ("proc/traffic", traffic),
    ("proc/turns", turns),
    ("proc/no-security-module", no_security_module),
    ("proc/logins", logins),
];

/// A text file of /proc.
pub fn text(path: &str) -> Result<String, String> {
    fs::read_to_string(Path::new("/proc").join(path)).told(path)
}

/// What follows `name:` in a text.
pub fn field<'a>(text: &'a str, name: &str) -> Result<&'a str, String> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
        .ok_or_else(|| format!("no {name}"))
}

/// The number that follows `name:`, before its unit.
pub fn number(text: &str, name: &str) -> Result<u64, String> {
    let value = field(text, name)?;
    value
        .split_whitespace()
        .next()
        .unwrap_or("")
        .parse()
        .told(name)
}

/// Where a link of /proc leads.
pub fn link(path: &str) -> Result<String, String> {
    let target = fs::read_link(Path::new("/proc").join(path)).told(path)?;
    Ok(target.to_string_lossy().into_owned())
}

fn own() -> i32 {
    p::getpid().as_raw_pid()
}

/// A child that waits to be killed; `work` gets its number.
fn with_child(work: impl FnOnce(i32) -> Verdict) -> Verdict {
    let pid = child(|| {
        loop {
            berth_sys::audit::pause_ms(10_000);
        }
    })?;
    let verdict = work(pid.as_raw_pid());
    p::kill_process(pid, Signal::KILL).told("kill")?;
    ended(pid)?;
    verdict
}

fn self_is_the_reader() -> Verdict {
    let pid = own();
    same("self", link("self")?, pid.to_string())?;
    same(
        "thread-self",
        link("thread-self")?,
        format!("{pid}/task/{pid}"),
    )?;
    exits(0, || i32::from(link("self") != Ok(own().to_string())))
}

/// The fields of a stat line, the first of which here is number 3 of proc(5).
fn stat_fields(line: &str) -> Result<Vec<String>, String> {
    let (_, rest) = line.rsplit_once(')').ok_or("no name")?;
    Ok(rest.split_whitespace().map(str::to_owned).collect())
}

fn stat() -> Verdict {
    let line = text("self/stat")?;
    check(line.starts_with(&format!("{} (", own())), || line.clone())?;
    check(line.ends_with('\n'), || "no newline".into())?;
    let fields = stat_fields(&line)?;
    same("fields", fields.len(), 50)?;
    let at = |number: usize| {
        fields
            .get(number.saturating_sub(3))
            .cloned()
            .unwrap_or_default()
    };
    same("state", at(3), "R".to_owned())?;
    let parent = p::getppid().map_or(0, Pid::as_raw_pid);
    same("ppid", at(4), parent.to_string())?;
    same("pgrp", at(5), p::getpgrp().as_raw_pid().to_string())?;
    let session = p::getsid(None).told("getsid")?.as_raw_pid();
    same("session", at(6), session.to_string())?;
    same("nice", at(19), "0".to_owned())?;
    same("threads", at(20), "1".to_owned())?;
    same("exit signal", at(38), "17".to_owned())?;
    for number in (3..=52).filter(|n| *n != 3) {
        check(at(number).parse::<i128>().is_ok(), || {
            format!("field {number}")
        })?;
    }
    let thread = text(&format!("self/task/{}/stat", own()))?;
    same("fields of a thread", stat_fields(&thread)?.len(), 50)
}

fn stat_of_a_zombie() -> Verdict {
    let pid = child(|| 3)?;
    let number = pid.as_raw_pid();
    let mut state = String::new();
    for _ in 0..1000 {
        state = field(&text(&format!("{number}/status"))?, "State")?.to_owned();
        if state.starts_with('Z') {
            break;
        }
        berth_sys::audit::pause_ms(1);
    }
    same("state", state.as_str(), "Z (zombie)")?;
    same(
        "arguments",
        text(&format!("{number}/cmdline"))?.as_str(),
        "",
    )?;
    same(
        "statm",
        text(&format!("{number}/statm"))?.as_str(),
        "0 0 0 0 0 0 0\n",
    )?;
    let fields = stat_fields(&text(&format!("{number}/stat"))?)?;
    same("exit code", fields.last().map(String::as_str), Some("768"))?;
    let no_links = fs::read_dir(format!("/proc/{number}/fd"))
        .told("fd")?
        .count();
    same("descriptors", no_links, 0)?;
    same("exit", ended(pid)?.exit_status(), Some(3))
}

fn status_of_signals() -> Verdict {
    let bit = |signal: i32| 1u64 << (signal.saturating_sub(1));
    let mask = |name: &str| -> Result<u64, String> {
        u64::from_str_radix(field(&text("self/status")?, name)?, 16).told(name)
    };
    let (held, ignored, counted) = (10, 12, 15);
    handler::hold(held, true).told("hold")?;
    handler::ignore(ignored).told("ignore")?;
    handler::count(counted, handler::Manner::Restart).told("handler")?;
    check(mask("SigBlk")? & bit(held) != 0, || "SigBlk".into())?;
    check(mask("SigIgn")? & bit(ignored) != 0, || "SigIgn".into())?;
    check(mask("SigCgt")? & bit(counted) != 0, || "SigCgt".into())?;
    p::kill_process(p::getpid(), Signal::USR1).told("kill")?;
    check(mask("ShdPnd")? & bit(held) != 0, || "ShdPnd".into())?;
    let queue = field(&text("self/status")?, "SigQ")?.to_owned();
    check(queue.split_once('/').is_some(), || queue.clone())
}

fn status_of_users() -> Verdict {
    let status = text("self/status")?;
    let (uid, gid) = (p::getuid().as_raw(), p::getgid().as_raw());
    let four = |id: u32| format!("{id}\t{id}\t{id}\t{id}");
    same("Uid", field(&status, "Uid")?, four(uid).as_str())?;
    same("Gid", field(&status, "Gid")?, four(gid).as_str())?;
    same("Pid", number(&status, "Pid")?, own() as u64)?;
    same("Tgid", number(&status, "Tgid")?, own() as u64)?;
    same("Threads", number(&status, "Threads")?, 1)?;
    same("NoNewPrivs", number(&status, "NoNewPrivs")?, 0)?;
    same("Seccomp", number(&status, "Seccomp")?, 0)?;
    let umask = p::umask(rustix::fs::Mode::from_raw_mode(0o27));
    let status = text("self/status")?;
    p::umask(umask);
    same("Umask", field(&status, "Umask")?, "0027")?;
    for name in ["voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"] {
        number(&status, name)?;
    }
    let all = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
    all.iter().try_for_each(|name| {
        let value = field(&status, name)?;
        check(
            u64::from_str_radix(value, 16).is_ok() && value.len() == 16,
            || format!("{name}: {value}"),
        )
    })
}

fn threads() -> Verdict {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let (told, heard) = std::sync::mpsc::channel();
    let other = std::thread::spawn(move || {
        let _ = told.send(rustix::thread::gettid().as_raw_pid());
        let _ = receiver.recv();
    });
    let tid = heard.recv().told("the thread")?;
    let status = text("self/status")?;
    let listed = fs::read_dir("/proc/self/task").told("task")?.count();
    let of_it = text(&format!("self/task/{tid}/status"))?;
    // Found by its number, though not listed there.
    let hidden = text(&format!("{tid}/status"))?;
    drop(sender);
    let _ = other.join();
    same("Threads", number(&status, "Threads")?, 2)?;
    same("listed", listed, 2)?;
    same("Pid", number(&of_it, "Pid")?, tid as u64)?;
    same("Tgid", number(&of_it, "Tgid")?, own() as u64)?;
    same("Pid", number(&hidden, "Pid")?, tid as u64)
}

fn names() -> Verdict {
    fs::write("/proc/self/comm", "a (name) that is too long").told("write")?;
    let cut = "a (name) that i";
    same("comm", text("self/comm")?, format!("{cut}\n"))?;
    same("Name", field(&text("self/status")?, "Name")?, cut)?;
    let stat = text("self/stat")?;
    check(stat.contains(&format!(" ({cut}) R ")), || stat.clone())?;
    let thread = format!("self/task/{}/comm", own());
    same("of the thread", text(&thread)?, format!("{cut}\n"))
}

fn names_of_others() -> Verdict {
    with_child(|pid| {
        let path = format!("/proc/{pid}/comm");
        let written = OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|mut file| file.write(b"x"));
        same("write", errno(written)?, Errno::INVAL)
    })
}

fn command_line() -> Verdict {
    let arguments: Vec<String> = std::env::args().collect();
    let line = text("self/cmdline")?;
    same("cmdline", line, arguments.join("\0") + "\0")?;
    let environment = fs::read("/proc/self/environ").told("environ")?;
    let found: Vec<&[u8]> = environment.split(|b| *b == 0).collect();
    for (name, value) in std::env::vars() {
        let pair = format!("{name}={value}");
        check(found.contains(&pair.as_bytes()), || pair.clone())?;
    }
    Ok(())
}

fn auxiliary_vector() -> Verdict {
    let bytes = fs::read("/proc/self/auxv").told("auxv")?;
    let words: Vec<u64> = bytes
        .chunks_exact(8)
        .map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default()))
        .collect();
    let find = |kind: u64| {
        words
            .chunks_exact(2)
            .find(|pair| pair.first() == Some(&kind))
    };
    same("AT_PAGESZ", find(6), Some(&[6, 4096][..]))?;
    same("AT_CLKTCK", find(17), Some(&[17, 100][..]))?;
    same(
        "AT_UID",
        find(11),
        Some(&[11, u64::from(p::getuid().as_raw())][..]),
    )?;
    same("AT_NULL", words.last_chunk::<2>(), Some(&[0, 0]))
}

fn limits() -> Verdict {
    let limits = text("self/limits")?;
    same("lines", limits.lines().count(), 17)?;
    let known = p::getrlimit(Resource::Nofile);
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let words: Vec<&str> = line.unwrap_or("").split_whitespace().skip(3).collect();
    let told = |limit: Option<u64>| limit.map_or("unlimited".to_owned(), |l| l.to_string());
    let (soft, hard) = (told(known.current), told(known.maximum));
    same(
        "open files",
        words,
        vec![soft.as_str(), hard.as_str(), "files"],
    )
}

fn what_is_not_there() -> Verdict {
    for path in [
        "0",
        "4194305",
        "x",
        "self/nothing",
        "self/task/0",
        "self/fd/999",
    ] {
        let found = fs::symlink_metadata(Path::new("/proc").join(path));
        same(path, errno(found)?, Errno::NOENT)?;
    }
    same("create", errno(File::create("/proc/file"))?, Errno::NOENT)?;
    same(
        "a file in between",
        errno(File::open("/proc/version/x"))?,
        Errno::NOTDIR,
    )?;
    same(
        "readlink",
        errno(fs::read_link("/proc/version"))?,
        Errno::INVAL,
    )
}

fn what_is_gone() -> Verdict {
    let pid = child(|| {
        loop {
            berth_sys::audit::pause_ms(10_000);
        }
    })?;
    let path = format!("/proc/{}/stat", pid.as_raw_pid());
    let mut file = File::open(&path).told("open")?;
    p::kill_process(pid, Signal::KILL).told("kill")?;
    ended(pid)?;
    let mut text = String::new();
    same("read", errno(file.read_to_string(&mut text))?, Errno::SRCH)?;
    same("open", errno(File::open(&path))?, Errno::NOENT)
}

fn who_may_look() -> Verdict {
    with_child(|pid| {
        exits(0, || {
            let nobody = rustix::thread::Uid::from_raw(65534);
            if rustix::thread::set_thread_res_uid(nobody, nobody, nobody).is_err() {
                return 1;
            }
            let path = |name: &str| format!("/proc/{pid}/{name}");
            let refused = |found: std::io::Result<()>| {
                matches!(errno(found), Ok(Errno::ACCESS | Errno::PERM))
            };
            for name in ["environ", "maps", "smaps", "auxv", "fd"] {
                let read = match name {
                    "fd" => fs::read_dir(path(name)).map(|_| ()),
                    _ => fs::read(path(name)).map(|_| ()),
                };
                if !refused(read) {
                    return 2;
                }
            }
            for name in ["exe", "cwd", "root", "ns/pid"] {
                if !refused(fs::read_link(path(name)).map(|_| ())) {
                    return 3;
                }
            }
            let open = ["stat", "status", "cmdline", "limits", "comm", "statm"];
            i32::from(!open.iter().all(|name| fs::read(path(name)).is_ok())) * 4
        })
    })
}

fn out_of_memory_order() -> Verdict {
    let path = "/proc/self/oom_score_adj";
    let set = |value: &str| fs::write(path, value);
    set("300\n").told("write")?;
    same("read", text("self/oom_score_adj")?.as_str(), "300\n")?;
    exits(0, || {
        i32::from(text("self/oom_score_adj").as_deref() != Ok("300\n"))
    })?;
    for wrong in ["1001", "-1001", "x"] {
        same(wrong, errno(set(wrong))?, Errno::INVAL)?;
    }
    let before = text("self/oom_score")?
        .trim()
        .parse::<u32>()
        .told("oom_score")?;
    set("900").told("write")?;
    let after = text("self/oom_score")?
        .trim()
        .parse::<u32>()
        .told("oom_score")?;
    check(after > before, || format!("{after} after {before}"))?;
    // Only the privileged are spared.
    match set("-1000") {
        Ok(()) => same("spared", text("self/oom_score")?.as_str(), "0\n"),
        Err(error) => same("errno", errno::<()>(Err(error))?, Errno::ACCESS),
    }
}

fn traffic() -> Verdict {
    let figures = || -> Result<[u64; 4], String> {
        let io = text("self/io")?;
        Ok([
            number(&io, "rchar")?,
            number(&io, "wchar")?,
            number(&io, "syscr")?,
            number(&io, "syscw")?,
        ])
    };
    let before = figures()?;
    let file = File::open("/dev/zero").told("open")?;
    let mut bytes = [0; 5000];
    (&file).read_exact(&mut bytes).told("read")?;
    let mut null = OpenOptions::new()
        .write(true)
        .open("/dev/null")
        .told("open")?;
    null.write_all(&bytes[..3000]).told("write")?;
    let after = figures()?;
    let more: Vec<u64> = after
        .iter()
        .zip(before)
        .map(|(a, b)| a.wrapping_sub(b))
        .collect();
    // Reading the figures themselves counts, too.
    let enough = more
        .iter()
        .zip([5000, 3000, 1, 1])
        .all(|(more, least)| *more >= least);
    check(enough && more.get(1) == Some(&3000), || format!("{more:?}"))
}

fn turns() -> Verdict {
    let words = || -> Result<Vec<u64>, String> {
        let text = text("self/schedstat")?;
        text.split_whitespace()
            .map(|word| word.parse().told("schedstat"))
            .collect()
    };
    let switches = || number(&text("self/status")?, "voluntary_ctxt_switches");
    let (before, waits) = (words()?, switches()?);
    same("numbers", before.len(), 3)?;
    for _ in 0..3 {
        berth_sys::audit::pause_ms(1);
    }
    let (after, more) = (words()?, switches()?);
    let grown = after.first() > before.first() && after.get(2) > before.get(2);
    check(grown, || format!("{after:?} after {before:?}"))?;
    check(more >= waits.saturating_add(3), || {
        format!("{more} switches after {waits}")
    })
}

fn no_security_module() -> Verdict {
    let found = fs::read("/proc/self/attr/current");
    let file = OpenOptions::new().write(true).open("/proc/self/attr/exec");
    same("read", errno(found)?, Errno::INVAL)?;
    let written = file.and_then(|mut file| file.write(b"x"));
    same("write", errno(written)?, Errno::INVAL)
}

fn logins() -> Verdict {
    for name in ["loginuid", "sessionid"] {
        let value = text(&format!("self/{name}"))?;
        check(value.parse::<u32>().is_ok(), || {
            format!("{name}: {value:?}")
        })?;
    }
    Ok(())
}
