//! What is seen from here: one JSON object a line, `{"fact": NAME, "value": ...}`.

use std::fs;
use std::path::Path;

use berth_sys::own;
use rustix::fs::{Mode, OFlags};
use rustix::process as p;
use serde_json::{Map, Value, json};

use crate::{Done, Failure};

type Fact = (&'static str, fn() -> Value);

/// Every fact, in the order in which they are printed.
const FACTS: &[Fact] = &[
    ("pid", || json!(p::getpid().as_raw_nonzero().get())),
    ("ppid", || {
        json!(p::getppid().map_or(0, |pid| pid.as_raw_nonzero().get()))
    }),
    ("pgid", || {
        json!(p::getpgid(None).map_or(-1, |pid| pid.as_raw_nonzero().get()))
    }),
    ("sid", || {
        json!(p::getsid(None).map_or(-1, |pid| pid.as_raw_nonzero().get()))
    }),
    ("uid", || {
        json!([p::getuid().as_raw(), p::geteuid().as_raw()])
    }),
    ("gid", || {
        json!([p::getgid().as_raw(), p::getegid().as_raw()])
    }),
    ("groups", groups),
    ("uname", uname),
    ("hostname", || text(rustix::system::uname().nodename())),
    ("domainname", || text(rustix::system::uname().domainname())),
    ("cwd", || path(std::env::current_dir())),
    ("args", || {
        std::env::args_os().map(|arg| lossy(&arg)).collect()
    }),
    ("env", || {
        std::env::vars_os()
            .map(|(k, v)| json!([lossy(&k), lossy(&v)]))
            .collect()
    }),
    ("umask", umask),
    ("fds", fds),
    ("root", || names("/")),
    ("dev", || names("/dev")),
    ("root-readonly", || json!(write_error("/"))),
    ("mounts", || lines("/proc/self/mounts")),
    ("mountinfo", || lines("/proc/self/mountinfo")),
    ("pids", pids),
    ("namespaces", namespaces),
    ("status", status),
    ("privileges", privileges),
    ("cgroup", || lines("/proc/self/cgroup")),
    ("cmdline", || lines("/proc/cmdline")),
];

/// Prints the named facts, all when none is named.
pub fn print(wanted: &[&str]) -> Done {
    if let Some(unknown) = wanted
        .iter()
        .find(|name| !FACTS.iter().any(|fact| fact.0 == **name))
    {
        let names: Vec<_> = FACTS.iter().map(|fact| fact.0).collect();
        return Err(Failure(
            2,
            format!("no fact {unknown:?}; one of {}", names.join(" ")),
        ));
    }
    for (name, find) in FACTS {
        if wanted.is_empty() || wanted.contains(name) {
            println!("{}", json!({"fact": name, "value": find()}));
        }
    }
    Ok(())
}

fn lossy(text: &std::ffi::OsStr) -> Value {
    text.to_string_lossy().into()
}

fn text(text: &std::ffi::CStr) -> Value {
    text.to_string_lossy().into()
}

fn path(found: std::io::Result<std::path::PathBuf>) -> Value {
    match found {
        Ok(path) => lossy(path.as_os_str()),
        Err(error) => problem(&error),
    }
}

/// A fact that cannot be had: why.
fn problem(error: &std::io::Error) -> Value {
    json!({"error": error.raw_os_error(), "text": error.to_string()})
}

fn groups() -> Value {
    match p::getgroups() {
        Ok(groups) => groups.into_iter().map(|group| group.as_raw()).collect(),
        Err(errno) => problem(&errno.into()),
    }
}

fn uname() -> Value {
    let name = rustix::system::uname();
    json!([
        text(name.sysname()),
        text(name.release()),
        text(name.version()),
        text(name.machine())
    ])
}

fn umask() -> Value {
    let mask = p::umask(Mode::empty());
    p::umask(mask);
    json!(mask.bits())
}

/// The open descriptors below 64; looking at one by name opens no other.
fn fds() -> Value {
    let mut found = Map::new();
    for number in 0..64 {
        let link = Path::new("/proc/self/fd").join(number.to_string());
        if let Ok(target) = fs::read_link(link) {
            found.insert(number.to_string(), lossy(target.as_os_str()));
        }
    }
    Value::Object(found)
}

fn names(directory: &str) -> Value {
    match fs::read_dir(directory) {
        Err(error) => problem(&error),
        Ok(entries) => {
            let names = entries
                .filter_map(Result::ok)
                .map(|entry| entry.file_name());
            let mut names: Vec<_> = names
                .map(|name| name.to_string_lossy().into_owned())
                .collect();
            names.sort();
            json!(names)
        }
    }
}

/// The errno with which the directory refuses a new file, 0 when it does not.
fn write_error(directory: &str) -> i32 {
    let file = Path::new(directory).join(".probe-write");
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY;
    match rustix::fs::open(&file, flags, Mode::RUSR) {
        Err(errno) => errno.raw_os_error(),
        Ok(_) => {
            // It was only to see; the next one finds it and says EEXIST if it stays.
            let _ = fs::remove_file(file);
            0
        }
    }
}

fn lines(file: &str) -> Value {
    match fs::read_to_string(file) {
        Ok(text) => text.lines().collect(),
        Err(error) => problem(&error),
    }
}

fn pids() -> Value {
    match fs::read_dir("/proc") {
        Err(error) => problem(&error),
        Ok(entries) => {
            let names = entries
                .filter_map(Result::ok)
                .map(|entry| entry.file_name());
            let pid = |name: std::ffi::OsString| name.to_str()?.parse::<u32>().ok();
            let mut pids: Vec<u32> = names.filter_map(pid).collect();
            pids.sort_unstable();
            json!(pids)
        }
    }
}

fn namespaces() -> Value {
    let kinds = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];
    let link = |kind: &str| {
        (
            kind.to_owned(),
            path(fs::read_link(format!("/proc/self/ns/{kind}"))),
        )
    };
    Value::Object(kinds.into_iter().map(link).collect())
}

/// What the kernel says about privileges.
fn status() -> Value {
    let wanted = |line: &&str| {
        [
            "Cap",
            "NoNewPrivs",
            "Seccomp:",
            "Uid",
            "Gid",
            "Groups",
            "NSpid",
            "Umask",
        ]
        .iter()
        .any(|name| line.starts_with(name))
    };
    match fs::read_to_string("/proc/self/status") {
        Err(error) => problem(&error),
        Ok(text) => {
            let cut = |line: &str| {
                let (name, value) = line.split_once(':')?;
                Some((name.to_owned(), Value::from(value.trim())))
            };
            Value::Object(text.lines().filter(wanted).filter_map(cut).collect())
        }
    }
}

/// What execve made of the caller's privileges.
fn privileges() -> Value {
    let switch = |option| own::prctl(option, [0; 4]).map_or(Value::Null, Value::from);
    let ids = |groups| own::three_ids(groups).map_or(Value::Null, |ids| json!(ids));
    let caps = own::capget(own::CAP_VERSIONS[2], 0);
    json!({
        "uids": ids(false),
        "gids": ids(true),
        "caps": caps.map_or(Value::Null, |sets| json!(sets)),
        "secure": own::is_secure(),
        "dumpable": switch(3),
        "secure-bits": switch(27),
        "no-new-privs": switch(39),
        "death-signal": own::prctl_tells(2).map_or(Value::Null, Value::from),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_those_of_this_process() {
        let find = |name: &str| (FACTS.iter().find(|fact| fact.0 == name).unwrap().1)();
        assert_eq!(find("pid"), json!(std::process::id()));
        assert!(
            find("pids")
                .as_array()
                .unwrap()
                .contains(&json!(std::process::id()))
        );
        assert!(find("root").as_array().unwrap().contains(&json!("proc")));
        assert_eq!(find("uname")[0], json!("Linux"));
        assert!(find("fds").as_object().unwrap().contains_key("1"));
        assert!(find("status")["CapEff"].is_string());
    }

    #[test]
    fn a_fact_that_cannot_be_had_says_why() {
        assert_eq!(names("/nonexistent")["error"], json!(2));
        assert_eq!(lines("/nonexistent")["error"], json!(2));
        assert_eq!(
            write_error("/proc"),
            2,
            "proc has no room for new files: ENOENT on Linux"
        );
        assert!(print(&["frob"]).is_err());
    }
}
