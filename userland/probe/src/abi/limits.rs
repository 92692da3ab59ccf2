//! Resource limits.

use std::fs::{self, File};
use std::io::Write;
use std::process::{Command, Stdio};

use berth_sys::memory::{OnPages, PAGE, Region, Sharing, heap_can_grow};
use berth_sys::own::{self, CAP_VERSIONS, Numbers, prlimit};
use rustix::io::Errno;
use rustix::process::{Signal, kill_process};

use super::{
    Case, Told, Verdict, as_user, check, child, dies, ended, exits, fails, isolated, same,
};

pub const CASES: &[Case] = &[
    ("limits/rules", rules),
    ("limits/all-are-inherited", all_are_inherited),
    ("limits/old-calls", old_calls),
    ("limits/raising", raising),
    ("limits/of-others", of_others),
    ("limits/open-files", open_files),
    ("limits/processes", processes),
    ("limits/processes-of-a-new-user", processes_of_a_new_user),
    ("limits/address-space", address_space),
    ("limits/address-space-of-mremap", address_space_of_mremap),
    ("limits/data", data),
    ("limits/heap", heap),
    ("limits/stack", stack),
    (
        "limits/stack-within-the-address-space",
        stack_within_the_address_space,
    ),
    ("limits/arguments", arguments),
    ("limits/file-size", file_size),
    ("limits/locked-memory", locked_memory),
    ("limits/locked-mappings", locked_mappings),
    ("limits/lock-all", lock_all),
    ("limits/no-core", no_core),
    ("limits/usage", usage),
];

const FSIZE: u32 = 1;
const DATA: u32 = 2;
const STACK: u32 = 3;
const CORE: u32 = 4;
const NPROC: u32 = 6;
const NOFILE: u32 = 7;
const MEMLOCK: u32 = 8;
const AS: u32 = 9;
const LOCKS: u32 = 10;
const RTTIME: u32 = 15;

const NONE: u64 = u64::MAX;

/// Sets the soft limit.
fn soft(resource: u32, limit: u64) -> Verdict {
    let [_, hard] = prlimit(0, resource, None).told("prlimit")?;
    prlimit(0, resource, Some([limit, hard]))
        .map(|_| ())
        .told("prlimit")
}

fn private(pages: usize) -> Result<Region, Errno> {
    Region::anonymous(pages, Sharing::Private)
}

/// Gives all capabilities up, as a root that is not one.
fn without_capabilities() -> Verdict {
    own::capset(CAP_VERSIONS[2], 0, [0; 3]).told("capset")
}

fn rules() -> Verdict {
    fails("unknown", prlimit(0, 16, None), Errno::INVAL)?;
    fails("unknown", prlimit(0, u32::MAX, None), Errno::INVAL)?;
    let above = prlimit(0, LOCKS, Some([5, 4]));
    fails("soft above hard", above, Errno::INVAL)?;
    let many = prlimit(0, NOFILE, Some([5, NONE]));
    fails("more files than can be", many, Errno::PERM)?;
    fails("negative", prlimit(-1, LOCKS, None), Errno::SRCH)?;
    fails("nobody", prlimit(0x3fff_fff0, LOCKS, None), Errno::SRCH)
}

fn all_are_inherited() -> Verdict {
    // CPU time is left alone: this process needs some.
    let kept = [1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 15];
    let limit = |resource: u32| match resource {
        NOFILE => [100, 200],
        1 | 2 | 3 | 9 => [1 << 40, 1 << 41],
        _ => [0, 0],
    };
    for resource in kept {
        prlimit(0, resource, Some(limit(resource))).told(&format!("setting {resource}"))?;
    }
    exits(0, || {
        let other = kept
            .iter()
            .find(|r| prlimit(0, **r, None) != Ok(limit(**r)));
        other.map_or(0, |resource| *resource as i32)
    })
}

fn old_calls() -> Verdict {
    own::setrlimit(LOCKS, [3, 4]).told("setrlimit")?;
    same("getrlimit", own::getrlimit(LOCKS), Ok([3, 4]))?;
    fails("unknown", own::getrlimit(16), Errno::INVAL)?;
    fails("unknown", own::setrlimit(16, [1, 1]), Errno::INVAL)?;
    fails(
        "soft above hard",
        own::setrlimit(LOCKS, [4, 3]),
        Errno::INVAL,
    )
}

fn raising() -> Verdict {
    prlimit(0, RTTIME, Some([3, 10])).told("lower")?;
    without_capabilities()?;
    prlimit(0, RTTIME, Some([10, 10])).told("soft up to hard")?;
    let higher = prlimit(0, RTTIME, Some([5, 11]));
    fails("hard", higher, Errno::PERM)?;
    prlimit(0, RTTIME, Some([5, 9])).told("hard down")?;
    same("limit", prlimit(0, RTTIME, None), Ok([5, 9]))
}

fn of_others() -> Verdict {
    let sleeper = child(|| {
        berth_sys::audit::pause_ms(60_000);
        0
    })?;
    let pid = sleeper.as_raw_nonzero().get();
    let old = prlimit(pid, LOCKS, Some([1, 2])).told("of a child")?;
    let verdict = same("old", old, [NONE; 2])
        .and_then(|()| same("new", prlimit(pid, LOCKS, None), Ok([1, 2])))
        .and_then(|()| {
            as_user(12_345, 12_345, &[], || {
                fails("another's", prlimit(pid, LOCKS, None), Errno::PERM)
            })
        });
    kill_process(sleeper, Signal::KILL).told("kill")?;
    ended(sleeper)?;
    verdict
}

fn open_files() -> Verdict {
    let file = File::open("/dev/null").told("open")?;
    soft(NOFILE, 10)?;
    let above = rustix::io::fcntl_dupfd_cloexec(&file, 10);
    fails("a number above", above, Errno::INVAL)?;
    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    let last = rustix::io::dup(&file);
    fails("dup", last, Errno::MFILE)?;
    fails(
        "pipe",
        crate::small::pipe().map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO)),
        Errno::MFILE,
    )?;
    drop(files);
    rustix::io::dup(&file).map(|_| ()).told("room again")
}

fn processes() -> Verdict {
    soft(NPROC, 1)?;
    exits(0, || 0)?;
    as_user(12_347, 12_347, &[], || match child(|| 0) {
        Ok(_) => Err("a second process".to_owned()),
        Err(text) => check(text.contains(&Errno::AGAIN.to_string()), || text),
    })
}

fn processes_of_a_new_user() -> Verdict {
    let uid = 12_348;
    let become_user = move || own::numbers(Numbers::Setresuid, &[uid; 3]);
    let (reader, writer) = crate::small::pipe().told("pipe")?;
    let first = child(|| {
        if become_user().is_err() {
            return 1;
        }
        let _ = rustix::io::write(&writer, b"x");
        berth_sys::audit::pause_ms(60_000);
        0
    })?;
    rustix::io::read(&reader, &mut [0u8; 1]).told("read")?;
    let verdict = isolated(|| {
        prlimit(0, NPROC, Some([0, 0])).told("prlimit")?;
        become_user().told("setuid does not tell")?;
        let error = own::execute(c"/proc/self/exe");
        same("execve", error, Errno::AGAIN)
    });
    kill_process(first, Signal::KILL).told("kill")?;
    ended(first)?;
    verdict
}

/// Bytes of this process's address space.
fn own_size() -> Result<u64, String> {
    let text = fs::read_to_string("/proc/self/statm").told("statm")?;
    let pages = text
        .split(' ')
        .next()
        .and_then(|word| word.parse::<u64>().ok());
    Ok(pages.ok_or("no size")? * PAGE as u64)
}

fn address_space() -> Verdict {
    let old = private(64).told("mmap")?;
    soft(AS, own_size()?)?;
    fails("private", private(64), Errno::NOMEM)?;
    fails(
        "shared",
        Region::anonymous(1, Sharing::Shared),
        Errno::NOMEM,
    )?;
    let nothing = Region::raw(1, 0, libc_flags(false), None, 0);
    fails("inaccessible", nothing, Errno::NOMEM)?;
    // What replaces as much as it adds is not more.
    old.replace((3, 5), 3, libc_flags(false) | FIXED)
        .told("in its place")?;
    old.write(3 * PAGE, 1);
    soft(AS, NONE)?;
    private(64).map(|_| ()).told("unlimited")
}

const FIXED: i32 = 0x10;
const LOCKED: i32 = 0x2000;

/// MAP_ANONYMOUS, shared or private.
fn libc_flags(shared: bool) -> i32 {
    if shared { 0x21 } else { 0x22 }
}

fn address_space_of_mremap() -> Verdict {
    let region = private(8).told("mmap")?;
    soft(AS, 1 << 20)?;
    let grown = region.remap((0, 8), 9, 1, None);
    fails("grows", grown, Errno::NOMEM)?;
    region.remap((0, 8), 4, 0, None).told("shrinks")?.forget();
    Ok(())
}

fn data() -> Verdict {
    let readable = Region::raw(16, 1, libc_flags(false), None, 0).told("mmap")?;
    soft(DATA, 4096)?;
    fails("private", private(1), Errno::NOMEM)?;
    let unwritable = Region::raw(16, 1, libc_flags(false), None, 0).told("unwritable")?;
    Region::anonymous(1, Sharing::Shared).told("shared")?;
    let writable = readable.call(OnPages::Mprotect, (0, 16), 3);
    fails("made writable", writable, Errno::NOMEM)?;
    unwritable
        .call(OnPages::Mprotect, (0, 16), 5)
        .told("made executable")
}

fn heap() -> Verdict {
    check(heap_can_grow(1 << 16), || "does not grow".to_owned())?;
    soft(DATA, 4096)?;
    check(!heap_can_grow(1 << 16), || {
        "grows beyond the limit".to_owned()
    })
}

/// Uses so many pages of the stack.
fn descend(pages: u32) -> u64 {
    let frame = std::hint::black_box([u64::from(pages); 512]);
    let below = if pages == 0 { 0 } else { descend(pages - 1) };
    below + frame.iter().take(1).sum::<u64>()
}

fn stack() -> Verdict {
    soft(STACK, 512 << 10)?;
    dies(11, || {
        descend(400);
    })?;
    soft(STACK, 8 << 20)?;
    exits(0, || i32::from(descend(400) == 1))
}

fn stack_within_the_address_space() -> Verdict {
    soft(AS, 1 << 20)?;
    dies(11, || {
        descend(1000);
    })
}

fn arguments() -> Verdict {
    let run = |count: usize, len: usize| {
        let mut command = Command::new("/proc/self/exe");
        let status = command
            .arg("exit")
            .arg("3")
            .env_clear()
            .args((0..count).map(|_| "x".repeat(len)))
            .stderr(Stdio::null())
            .status();
        match status {
            // Too many words for it, but it was run.
            Ok(status) => Ok(status.code()),
            Err(error) => Err(error.raw_os_error()),
        }
    };
    let (ran, too_big) = (Ok(Some(2)), Err(Some(7)));
    same("a megabyte", run(10, 100_000), ran)?;
    same("one long string", run(1, 131_072), too_big)?;
    same("the longest string", run(1, 131_071), ran)?;
    same("three megabytes", run(30, 100_000), too_big)?;
    soft(STACK, 1 << 20)?;
    same("a quarter of the stack", run(2, 100_000), ran)?;
    same("more", run(3, 100_000), too_big)?;
    soft(STACK, 256 << 10)?;
    same("what is always there", run(1, 100_000), ran)?;
    same("more", run(2, 70_000), too_big)
}

fn file_size() -> Verdict {
    super::files::in_directory(|directory| {
        let path = directory.join("file");
        isolated(|| {
            soft(FSIZE, 10)?;
            let mut file = File::create(&path).told("create")?;
            same("up to the limit", file.write(&[7; 20]).told("write")?, 10)?;
            dies(25, || {
                let _ = file.write(&[7]);
            })
        })?;
        same("size", fs::metadata(&path).told("stat")?.len(), 10)
    })
}

fn locked_memory() -> Verdict {
    let region = private(32).told("mmap")?;
    prlimit(0, MEMLOCK, Some([16 * PAGE as u64; 2])).told("prlimit")?;
    region.call(OnPages::Mlock, (0, 32), 0).told("privileged")?;
    region.call(OnPages::Munlock, (0, 32), 0).told("munlock")?;
    without_capabilities()?;
    fails(
        "too much",
        region.call(OnPages::Mlock, (0, 17), 0),
        Errno::NOMEM,
    )?;
    region.call(OnPages::Mlock, (0, 16), 0).told("within")?;
    region
        .call(OnPages::Mlock, (4, 8), 0)
        .told("the same again")?;
    fails(
        "one more",
        region.call(OnPages::Mlock2, (16, 1), 1),
        Errno::NOMEM,
    )?;
    region.call(OnPages::Munlock, (0, 1), 0).told("munlock")?;
    region
        .call(OnPages::Mlock2, (16, 1), 1)
        .told("in its place")?;
    prlimit(0, MEMLOCK, Some([0; 2])).told("prlimit")?;
    fails("none", region.call(OnPages::Mlock, (0, 1), 0), Errno::PERM)
}

fn locked_mappings() -> Verdict {
    prlimit(0, MEMLOCK, Some([4 * PAGE as u64; 2])).told("prlimit")?;
    without_capabilities()?;
    let map = |pages: usize| Region::raw(pages, 3, libc_flags(false) | LOCKED, None, 0);
    fails("too much", map(5), Errno::AGAIN)?;
    let region = map(4).told("within")?;
    same("resident", region.resident(0, 4), Ok(vec![true; 4]))?;
    fails("grows", region.remap((0, 4), 5, 1, None), Errno::AGAIN)?;
    prlimit(0, MEMLOCK, Some([0; 2])).told("prlimit")?;
    fails("none", map(1), Errno::PERM)
}

fn lock_all() -> Verdict {
    let all = |flags: i64| own::numbers(Numbers::Mlockall, &[flags]).map(|_| ());
    fails("nothing", all(0), Errno::INVAL)?;
    fails("unknown", all(8), Errno::INVAL)?;
    fails("on fault alone", all(4), Errno::INVAL)?;
    all(2).told("future")?;
    let region = private(4).told("mmap")?;
    same("resident", region.resident(0, 4), Ok(vec![true; 4]))?;
    all(2 | 4).told("future, on fault")?;
    let later = private(4).told("mmap")?;
    same("resident", later.resident(0, 4), Ok(vec![false; 4]))?;
    own::numbers(Numbers::Munlockall, &[]).told("munlockall")?;
    let free = private(4).told("mmap")?;
    all(1).told("current")?;
    same("resident", free.resident(0, 4), Ok(vec![true; 4]))?;
    prlimit(0, MEMLOCK, Some([PAGE as u64; 2])).told("prlimit")?;
    without_capabilities()?;
    fails("too much", all(1), Errno::NOMEM)?;
    prlimit(0, MEMLOCK, Some([0; 2])).told("prlimit")?;
    fails("none", all(2), Errno::PERM)
}

fn no_core() -> Verdict {
    soft(CORE, 0)?;
    let status = ended(child(|| {
        let _ = kill_process(rustix::process::getpid(), Signal::ABORT);
        0
    })?)?;
    same("status", status.as_raw(), 6)
}

fn usage() -> Verdict {
    const MAXRSS: usize = 4;
    const MINFLT: usize = 8;
    let word = |who: i32, index: usize| -> Result<u64, String> {
        let words = own::getrusage(who).told("getrusage")?;
        words.get(index).copied().ok_or_else(|| "short".to_owned())
    };
    let faults = word(0, MINFLT)?;
    let region = private(512).told("mmap")?;
    (0..512).for_each(|page| region.write(page * PAGE, 1));
    check(word(0, MINFLT)? > faults, || {
        "no fault was counted".to_owned()
    })?;
    check(word(0, MAXRSS)? >= 2048, || {
        "less resident than was written".to_owned()
    })?;
    drop(region);
    check(word(0, MAXRSS)? >= 2048, || {
        "the most is not the most".to_owned()
    })?;
    same("of children", word(-1, MAXRSS)?, 0)?;
    exits(0, || 0)?;
    check(word(-1, MAXRSS)? > 0, || "a child used nothing".to_owned())?;
    fails("nobody", own::getrusage(7), Errno::INVAL)
}
