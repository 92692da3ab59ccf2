//! Every system call with arguments made by chance, from several threads and processes at once: nothing may come of it but
//! errors, and nothing may be left.
//!
//! `berth_wild` makes the calls. Each thread makes a program that is a function of the seed, its number and the index of a
//! call, so that one that lost its process goes on in the next.

mod keeper;
mod yard;

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use berth_sys::audit::{counts, differences, pause_ms, settled};
use berth_sys::container;
use berth_sys::memory::{Region, Sharing};
use berth_sys::wild::{Progress, progress};

use crate::tap::{Tap, remark};
use crate::{Done, Failure, small};
use keeper::{Crew, Plan};

/// Processes that make wild calls at the same time.
const PROCESSES: usize = 3;
/// Threads of each of them.
const THREADS: usize = 2;
/// One call in so many of all is a container call of somebody who may make them.
const OWNERS_PART: u64 = 30;
/// Calls before the kernel's counts are taken: they fill what the kernel keeps.
const WARM: u64 = 6000;

/// Frames that this program's own list of records may grow by. Those of everything else come back: between programs
/// of 60,000 calls each the machine has the same pages.
const GROWTH: u64 = 16;

/// How often [`quiet`] looks, and how long it waits between two looks, in milliseconds.
const LOOKS: u32 = 40;
const BETWEEN: u32 = 50;

/// Where the bundle of the wild containers is.
const BUNDLE: &str = "/tmp/probe-wild";
/// Its descriptor in the records of `berth_wild`.
const BUNDLE_FD: i32 = 3;

/// Makes `count` calls, those of the seed.
pub fn run(seed: u64, count: u64) -> Done {
    if !on_berth() {
        return Err(Failure(2, "wild calls would harm this system".into()));
    }
    let mut tap = Tap::plan(6);
    remark(&format!(
        "again: probe wild --seed {seed} --count {count} ({PROCESSES} processes of {THREADS} threads)"
    ));
    let warm = make(seed.wrapping_add(1), WARM.min(count));
    let before = quiet().ok();
    let made = warm.and_then(|_| make(seed, count));
    let plain = made.as_ref().map(drop).map_err(Clone::clone);
    tap.result("the calls are made", &plain);
    let records = made.as_ref().ok().into_iter().flatten();
    tap.result(
        "no call gives what is no result",
        &no_wrong(records.clone()),
    );
    tap.result("no container call works inside", &no_private(records));
    tap.result("the containers are gone", &no_containers());
    tap.result("the kernel still works", &still_works());
    tap.result("nothing is left over", &left_over(before));
    tap.finish()
}

/// What a thread made of its program: which kind of crew, a wrong result, a private call that worked.
type Record = (Crew, u64, u32);

/// Lets both crews make their part of `count` calls.
fn make(seed: u64, count: u64) -> Result<Vec<Record>, String> {
    let owners = count / OWNERS_PART;
    let parts = [
        (Crew::Inside, count.saturating_sub(owners)),
        (Crew::Owner, owners),
    ];
    let mut records = Vec::new();
    for (crew, calls) in parts {
        let told = one_crew(crew, seed, calls)?;
        records.extend(
            told.into_iter()
                .map(|(wrong, private)| (crew, wrong, private)),
        );
    }
    Ok(records)
}

fn one_crew(crew: Crew, seed: u64, calls: u64) -> Result<Vec<(u64, u32)>, String> {
    let threads = PROCESSES * THREADS;
    let each = calls.div_ceil(threads as u64);
    let board = Region::anonymous(1, Sharing::Shared).map_err(|errno| format!("mmap: {errno}"))?;
    let board = progress(&board, threads);
    let plan = Plan {
        crew,
        seed,
        each,
        threads: THREADS,
        board,
    };
    let places = match crew {
        Crew::Inside => yard::inside(&plan)?,
        Crew::Owner => {
            let bundle = bundle().map_err(|error| format!("{BUNDLE}: {error}"))?;
            if bundle.as_raw_fd() != BUNDLE_FD {
                return Err(format!("the bundle is descriptor {}", bundle.as_raw_fd()));
            }
            let kept = keeper::keep(&plan);
            clear_containers();
            kept.map(|()| 1)?
        }
    };
    let sum = |of: fn(&Progress) -> &AtomicU32| -> u32 {
        board.iter().map(|one| of(one).load(Relaxed)).sum()
    };
    remark(&format!(
        "{crew:?}: {} calls in {places} places, {} threads started, {} calls interrupted, {} threads hung",
        each.saturating_mul(threads as u64),
        sum(|one| &one.started),
        sum(|one| &one.interrupted),
        sum(|one| &one.killed),
    ));
    let told = |one: &Progress| (one.wrong.load(Relaxed), one.private.load(Relaxed));
    Ok(board.iter().map(told).collect())
}

/// Whether the kernel is one whose answer to nonsense is in question here.
fn on_berth() -> bool {
    let name = rustix::system::uname();
    let text = format!("{:?} {:?}", name.release(), name.version());
    text.to_ascii_lowercase().contains("berth")
}

fn no_wrong<'a>(records: impl Iterator<Item = &'a Record>) -> Result<(), String> {
    let mut wrong = records.filter(|record| record.1 != 0);
    match wrong.next() {
        Some((_, wrong, _)) => Err(format!(
            "call {} gave -{}",
            wrong >> 32,
            wrong & 0xffff_ffff
        )),
        None => Ok(()),
    }
}

fn no_private<'a>(records: impl Iterator<Item = &'a Record>) -> Result<(), String> {
    let mut open = records.filter(|record| record.0 == Crew::Inside && record.2 != 0);
    match open.next() {
        Some((_, _, number)) => Err(format!("call {number} is there")),
        None => Ok(()),
    }
}

/// The bundle for containers that begin and end by chance.
fn bundle() -> std::io::Result<File> {
    let root = Path::new(BUNDLE).join("rootfs");
    std::fs::create_dir_all(root.join("proc"))?;
    std::fs::create_dir_all(root.join("tmp"))?;
    small::write_true(&root.join("true").to_string_lossy())?;
    File::open(BUNDLE)
}

/// Deletes what containers there are, whatever state they are in.
fn clear_containers() {
    for id in container::list().unwrap_or_default() {
        if let Err(error) = container::delete(&id, true) {
            remark(&format!("delete {id}: {error}"));
        }
    }
}

fn no_containers() -> Result<(), String> {
    let left = container::list().map_err(|error| format!("list: {error}"))?;
    if left.is_empty() {
        Ok(())
    } else {
        Err(left.join(" "))
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

/// The kernel's counts once they stay as they are: the last of those who made calls have gone.
fn quiet() -> Result<berth_sys::abi::AuditRecord, String> {
    let count = || settled().map_err(|error| format!("audit: {error}"));
    let mut last = count()?;
    for _ in 0..LOOKS {
        pause_ms(BETWEEN);
        let now = count()?;
        if now == last {
            break;
        }
        last = now;
    }
    Ok(last)
}

/// All that the calls made is gone with those who made them, memory too, but for what this program has grown by.
fn left_over(before: Option<berth_sys::abi::AuditRecord>) -> Result<(), String> {
    let before = before.ok_or("no audit")?;
    let after = quiet()?;
    remark(&format!("before {:?}", counts(&before)));
    remark(&format!("now {:?}", counts(&after)));
    let grown = |one: &berth_sys::audit::Difference| {
        one.name == "frames" && one.after <= one.before.saturating_add(GROWTH)
    };
    let left: Vec<String> = differences(&before, &after)
        .iter()
        .filter(|one| !grown(one))
        .map(|one| one.to_string())
        .collect();
    if left.is_empty() {
        Ok(())
    } else {
        Err(left.join(" "))
    }
}
