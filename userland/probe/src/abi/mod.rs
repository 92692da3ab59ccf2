//! Behaviour of the kernel's calls, each case as Linux has it: run on Linux, all must pass.

mod across;
mod advising;
mod attributes;
mod cgroup_tasks;
mod cgroups;
mod children;
mod clocks;
mod content;
mod copying;
mod credentials;
mod descriptors;
mod epolls;
mod events;
mod files;
mod frames;
mod futexes;
mod limits;
mod locks;
mod logs;
mod mapped_pages;
mod mappings;
mod memfds;
mod memory;
mod misc;
mod mounting;
mod mqueues;
mod names;
mod opening;
mod pipes;
mod piping;
mod polls;
mod proc;
mod proc_links;
mod proc_memory;
mod proc_system;
mod processes;
mod programs;
mod queues;
mod remapping;
mod renaming;
mod resolving;
mod scheduling;
mod segments;
mod setid;
mod signalfds;
mod signals;
mod socket_many;
mod socket_messages;
mod socket_names;
mod sockets;
mod system;
mod terminal;
mod threads;
mod timerfds;
mod timers;
mod xattrs;

use berth_sys::raw::{Fork, exit, fork};
use rustix::process::{Gid, Pid, Uid, WaitOptions, WaitStatus, waitpid};
use rustix::thread;

use crate::tap::Tap;
use crate::{Done, Failure};

pub use queues::after_exec;
pub use threads::exit_by_tid;

/// What a case finds: nothing, or what is not as it should be.
type Verdict = Result<(), String>;
/// One case: its name and what it does, in a process of its own.
type Case = (&'static str, fn() -> Verdict);

const AREAS: &[&[Case]] = &[
    limits::CASES,
    setid::CASES,
    credentials::CASES,
    descriptors::CASES,
    processes::CASES,
    programs::CASES,
    pipes::CASES,
    files::CASES,
    memory::CASES,
    mappings::CASES,
    mapped_pages::CASES,
    remapping::CASES,
    advising::CASES,
    across::CASES,
    signals::CASES,
    terminal::line::CASES,
    terminal::pair::CASES,
    terminal::session::CASES,
    queues::CASES,
    frames::CASES,
    timers::CASES,
    clocks::CASES,
    threads::CASES,
    futexes::CASES,
    children::CASES,
    misc::CASES,
    mounting::CASES,
    proc::CASES,
    proc_links::CASES,
    proc_memory::CASES,
    proc_system::CASES,
    sockets::CASES,
    system::CASES,
    socket_names::CASES,
    socket_many::CASES,
    socket_messages::CASES,
    xattrs::CASES,
    opening::CASES,
    resolving::CASES,
    scheduling::CASES,
    events::CASES,
    memfds::CASES,
    signalfds::CASES,
    timerfds::CASES,
    names::CASES,
    renaming::CASES,
    attributes::CASES,
    locks::CASES,
    logs::CASES,
    content::CASES,
    copying::CASES,
    piping::CASES,
    epolls::CASES,
    polls::CASES,
    segments::CASES,
    mqueues::CASES,
    cgroups::CASES,
    cgroup_tasks::CASES,
];

/// Runs the case with this name, those of the area with this name, or all.
pub fn run(name: &str) -> Done {
    let cases: Vec<&Case> = AREAS.iter().flat_map(|area| area.iter()).collect();
    if name == "list" {
        cases.iter().for_each(|(name, _)| println!("{name}"));
        return Ok(());
    }
    let area = format!("{name}/");
    let wanted = |case: &&&Case| name == "all" || case.0 == name || case.0.starts_with(&area);
    let cases: Vec<&Case> = cases.iter().filter(wanted).copied().collect();
    if cases.is_empty() {
        return Err(Failure(2, format!("no case {name:?}; see probe abi list")));
    }
    let mut tap = Tap::plan(cases.len());
    for (name, case) in cases {
        tap.result(name, &isolated(*case));
    }
    tap.finish()
}

/// Runs a case in a child, so that whatever it breaks is gone afterwards.
fn isolated(case: impl FnOnce() -> Verdict) -> Verdict {
    let (reader, writer) = crate::small::pipe().map_err(|error| format!("pipe: {error}"))?;
    let pid = child(|| {
        let Err(reason) = case() else { return 0 };
        // The exit code tells of the failure even if the reason cannot be told.
        let _ = rustix::io::write(
            &writer,
            reason.as_bytes().get(..400).unwrap_or(reason.as_bytes()),
        );
        1
    })?;
    drop(writer);
    let reason = std::io::read_to_string(reader).unwrap_or_default();
    match ended(pid)? {
        status if status.exit_status() == Some(0) => Ok(()),
        status if status.exit_status() == Some(1) => Err(reason),
        status => Err(format!("ended by {}", show(status))),
    }
}

/// Does `work` in a child as another user, whose group is `gid` and who has no capabilities.
fn as_user(uid: u32, gid: u32, groups: &[u32], work: impl FnOnce() -> Verdict) -> Verdict {
    isolated(|| {
        let groups: Vec<Gid> = groups.iter().map(|group| Gid::from_raw(*group)).collect();
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        thread::set_thread_groups(&groups).told("setgroups")?;
        thread::set_thread_res_gid(gid, gid, gid).told("setresgid")?;
        thread::set_thread_res_uid(uid, uid, uid).told("setresuid")?;
        work()
    })
}

/// Starts a process that does `work` and exits with its result.
fn child(work: impl FnOnce() -> i32) -> Result<Pid, String> {
    match fork().map_err(|errno| format!("fork: {errno}"))? {
        Fork::Parent(pid) => Ok(pid),
        Fork::Child => exit(work()),
    }
}

/// Waits until the child has ended.
fn ended(pid: Pid) -> Result<WaitStatus, String> {
    let waited = waitpid(Some(pid), WaitOptions::empty());
    match waited.map_err(|errno| format!("wait: {errno}"))? {
        Some((_, status)) => Ok(status),
        None => Err("wait: nothing".to_owned()),
    }
}

/// A child does `work`; it must exit with `code`.
fn exits(code: i32, work: impl FnOnce() -> i32) -> Verdict {
    let status = ended(child(work)?)?;
    check(status.exit_status() == Some(code), || {
        format!("{}, not exit {code}", show(status))
    })
}

/// A child does `work`; `signal` must end it.
fn dies(signal: i32, work: impl FnOnce()) -> Verdict {
    let status = ended(child(|| {
        work();
        0
    })?)?;
    let right = status.terminating_signal() == Some(signal);
    check(right, || format!("{}, not signal {signal}", show(status)))
}

fn show(status: WaitStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("exit {code}"),
        (_, Some(signal)) => format!("signal {signal}"),
        _ => format!("status {:#x}", status.as_raw()),
    }
}

/// Fails with what `reason` says unless `right`.
fn check(right: bool, reason: impl FnOnce() -> String) -> Verdict {
    if right { Ok(()) } else { Err(reason()) }
}

/// Fails unless both are the same.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, wanted: T) -> Verdict {
    check(found == wanted, || {
        format!("{what}: {found:?}, not {wanted:?}")
    })
}

/// Fails unless the call failed with this error.
fn fails<T>(what: &str, found: rustix::io::Result<T>, wanted: rustix::io::Errno) -> Verdict {
    match found {
        Ok(_) => Err(format!("{what}: succeeded, not {wanted}")),
        Err(errno) => same(what, errno, wanted),
    }
}

/// Names the call that failed.
trait Told<T> {
    fn told(self, what: &str) -> Result<T, String>;
}

impl<T, E: std::fmt::Display> Told<T> for Result<T, E> {
    fn told(self, what: &str) -> Result<T, String> {
        self.map_err(|error| format!("{what}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_have_their_area() {
        let mut names: Vec<&str> = AREAS
            .iter()
            .flat_map(|area| area.iter())
            .map(|case| case.0)
            .collect();
        let count = names.len();
        assert!(names.iter().all(|name| name.contains('/')));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn a_case_that_fails_says_why() {
        assert_eq!(isolated(|| Ok(())), Ok(()));
        assert_eq!(isolated(|| Err("why".to_owned())), Err("why".to_owned()));
        assert_eq!(isolated(|| exit(3)), Err("ended by exit 3".to_owned()));
        assert!(exits(4, || 4).is_ok() && exits(4, || 5).is_err());
    }
}
