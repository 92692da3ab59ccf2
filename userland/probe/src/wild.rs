//! Every system call with arguments that make no sense: nothing may come of it but errors.

use std::io::Read;
use std::os::fd::AsFd;

use berth_sys::audit::{counts, differences, settled};
use berth_sys::memory::{Access, PAGE, Region, Sharing};
use berth_sys::wild::{Call, in_child};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions, geteuid, kill_process, waitpid};

use crate::tap::{Tap, remark};
use crate::{Done, Failure};

/// Linux's calls, with room for those to come, and the private ones with what lies around them.
fn numbers() -> impl Iterator<Item = u64> {
    (0..=470)
        .chain([1023])
        .chain(1024..=1040)
        .chain([u64::from(u32::MAX), u64::MAX, 1 << 63])
}

/// How long one call may take before its process is killed, in nanoseconds.
const PATIENCE_NS: i64 = 100_000_000;
/// A call that blocked so often waits whatever it is given; its other arguments are left out.
const BLOCKED_MAX: usize = 4;

/// What came of all calls.
#[derive(Default)]
struct Count {
    calls: usize,
    died: usize,
    blocked: usize,
}

/// Runs every call with every pattern, and `rounds` times with arguments mixed by `seed`.
pub fn run(seed: u64, rounds: u32) -> Done {
    if geteuid().is_root() && !on_berth() {
        return Err(Failure(
            2,
            "root's wild calls would harm this system; drop privileges".into(),
        ));
    }
    let memory = Memory::new().map_err(|errno| Failure(1, format!("mmap: {errno}")))?;
    let mut random = Random(seed.max(1));
    let mut tap = Tap::plan(3);
    let before = settled().ok();
    let mut count = Count::default();
    let outcome = numbers().try_for_each(|number| {
        let calls = calls(number, &memory, &mut random, rounds);
        all(&calls, &mut count)
    });
    remark(&format!(
        "{} calls, {} ended their process, {} blocked it",
        count.calls, count.died, count.blocked
    ));
    tap.result("the calls are made", &outcome);
    tap.result("the kernel still works", &still_works());
    tap.result("nothing is left over", &left_over(before));
    tap.finish()
}

/// Whether the kernel is one whose answer to nonsense is in question here.
fn on_berth() -> bool {
    let name = rustix::system::uname();
    let text = format!("{:?} {:?}", name.release(), name.version());
    text.to_ascii_lowercase().contains("berth")
}

/// Makes the calls, however many processes that takes.
fn all(calls: &[Call], count: &mut Count) -> Result<(), String> {
    let mut rest = calls;
    let limit = count.blocked.saturating_add(BLOCKED_MAX);
    while !rest.is_empty() && count.blocked < limit {
        let done = some(rest, count)?;
        count.calls = count.calls.saturating_add(done);
        rest = rest.get(done..).unwrap_or_default();
    }
    Ok(())
}

/// Makes calls in one process until it ends; says how many that were. The one that ended or
/// blocked it counts, so there is always one.
fn some(calls: &[Call], count: &mut Count) -> Result<usize, String> {
    let null = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null");
    let null = null.map_err(|error| format!("/dev/null: {error}"))?;
    let (mut reader, writer) = crate::small::pipe().map_err(|error| format!("pipe: {error}"))?;
    let pid =
        in_child(calls, writer.as_fd(), null.as_fd()).map_err(|errno| format!("fork: {errno}"))?;
    drop(writer);
    let mut done = 0usize;
    let mut bytes = [0u8; 512];
    loop {
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: PATIENCE_NS,
        };
        let mut sources = [PollFd::new(&reader, PollFlags::IN)];
        match poll(&mut sources, Some(&timeout)) {
            Ok(0) => {
                count.blocked = count.blocked.saturating_add(1);
                break;
            }
            Ok(_) => match reader.read(&mut bytes) {
                Ok(0) => break,
                Ok(some) => done = done.saturating_add(some),
                Err(error) => return Err(format!("read: {error}")),
            },
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(format!("poll: {errno}")),
        }
    }
    reap(pid)?;
    if done < calls.len() {
        count.died = count.died.saturating_add(1);
    }
    Ok(done.saturating_add(1).min(calls.len()))
}

/// Ends the process, if it has not ended, and every other that it left to us.
fn reap(pid: Pid) -> Result<(), String> {
    // ESRCH when it was reaped already cannot be: only we do that.
    kill_process(pid, Signal::KILL).map_err(|errno| format!("kill: {errno}"))?;
    waitpid(Some(pid), WaitOptions::empty()).map_err(|errno| format!("wait: {errno}"))?;
    while let Ok(Some(_)) = waitpid(None, WaitOptions::NOHANG) {}
    Ok(())
}

/// Addresses to give.
struct Memory {
    /// Two pages of zeros.
    zeros: Region,
    /// A page and behind it nothing.
    edge: Region,
    /// A page that is only readable.
    constant: Region,
}

impl Memory {
    fn new() -> Result<Self, rustix::io::Errno> {
        let region = |pages| Region::anonymous(pages, Sharing::Private);
        let memory = Self {
            zeros: region(2)?,
            edge: region(2)?,
            constant: region(1)?,
        };
        memory.edge.protect(1, 1, Access::None)?;
        memory.constant.protect(0, 1, Access::Read)?;
        Ok(memory)
    }

    /// Values that make poor arguments.
    fn values(&self) -> [u64; 26] {
        [
            0,
            1,
            2,
            7,
            4096,
            0xffff,
            u64::MAX,
            u64::MAX - 1,
            u64::MAX - 100, // AT_FDCWD is near
            i32::MAX as u64,
            u64::from(u32::MAX),
            1 << 31,
            1 << 32,
            i64::MAX as u64,
            1 << 63,
            0x7fff_ffff_f000,
            0x7fff_ffff_ffff,
            0x8000_0000_0000,
            0xffff_8000_0000_0000,
            0xffff_ffff_8000_0000,
            self.zeros.address(0),
            self.zeros.address(1),
            self.edge.address(PAGE - 1),
            self.edge.address(PAGE - 8),
            self.constant.address(0),
            self.constant.address(3),
        ]
    }
}

/// The calls for one number: each value everywhere, in each place alone, then mixed.
fn calls(number: u64, memory: &Memory, random: &mut Random, rounds: u32) -> Vec<Call> {
    let values = memory.values();
    let zeros = memory.zeros.address(0);
    let mut calls: Vec<Call> = Vec::new();
    for value in values {
        calls.push((number, [value; 6]));
    }
    for value in values {
        for place in 0..3 {
            for (fill, rest) in [(0, 0), (zeros, 8)] {
                let mut arguments = [fill, rest, rest, rest, rest, rest];
                if let Some(argument) = arguments.get_mut(place) {
                    *argument = value;
                }
                calls.push((number, arguments));
            }
        }
    }
    for _ in 0..rounds.saturating_mul(32) {
        calls.push((number, [(); 6].map(|()| random.pick(&values))));
    }
    calls.retain(harmless);
    calls
}

/// Whether the call cannot hit other processes that do no wrong.
fn harmless((number, arguments): &Call) -> bool {
    const KILL: [u64; 6] = [62, 129, 200, 234, 297, 424];
    let signals = |value: &u64| (1..=64).contains(&(value & 0xffff_ffff));
    !(KILL.contains(number) && arguments.iter().any(signals))
}

/// Marsaglia's xorshift: the same calls for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// One of the values, or now and then any number.
    fn pick(&mut self, values: &[u64]) -> u64 {
        let random = self.next();
        let index = usize::try_from(random % 32).unwrap_or(0);
        values.get(index).copied().unwrap_or_else(|| self.next())
    }
}

/// A file and a program, as before.
fn still_works() -> Result<(), String> {
    let path = std::env::temp_dir().join(format!("probe-wild-{}", std::process::id()));
    std::fs::write(&path, b"still here").map_err(|error| format!("write: {error}"))?;
    let text = std::fs::read(&path).map_err(|error| format!("read: {error}"))?;
    std::fs::remove_file(&path).map_err(|error| format!("unlink: {error}"))?;
    if text != b"still here" {
        return Err(format!("the file has {text:?}"));
    }
    let own = std::env::current_exe().map_err(|error| format!("own path: {error}"))?;
    let status = std::process::Command::new(own).args(["exit", "9"]).status();
    match status.map_err(|error| format!("exec: {error}"))?.code() {
        Some(9) => Ok(()),
        other => Err(format!("exit {other:?}, not 9")),
    }
}

/// Compares what programs cannot keep; the calls may have made files.
fn left_over(before: Option<berth_sys::abi::AuditRecord>) -> Result<(), String> {
    let Some(before) = before else {
        remark("no audit on this kernel");
        return Ok(());
    };
    let after = settled().map_err(|error| format!("audit: {error}"))?;
    let left: Vec<String> = differences(&before, &after)
        .iter()
        .filter(|one| !one.files_may_keep_it())
        .map(|one| one.to_string())
        .collect();
    remark(&format!("now {:?}", counts(&after)));
    if left.is_empty() {
        Ok(())
    } else {
        Err(left.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_the_same_for_the_same_seed() {
        let memory = Memory::new().unwrap();
        let make = |seed| calls(0, &memory, &mut Random(seed), 2);
        assert_eq!(make(5), make(5));
        assert_ne!(make(5), make(6));
        assert!(make(5).len() > 200);
    }

    #[test]
    fn no_call_sends_a_signal() {
        assert!(!harmless(&(62, [u64::MAX, 9, 0, 0, 0, 0])));
        assert!(!harmless(&(62, [0, (1 << 32) | 15, 0, 0, 0, 0])));
        assert!(harmless(&(62, [u64::MAX, 0, 0, 0, 0, 0])));
        assert!(harmless(&(0, [9; 6])));
    }
}
