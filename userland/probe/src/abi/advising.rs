//! madvise, mincore, msync and mlock: what a program says about its memory, and what is true after.

use std::os::fd::AsFd;

use berth_sys::memory::{Access, OnPages, PAGE, Region, Sharing};
use rustix::io::Errno;

use super::mappings::{MAPERR, SEGV, faults, private, with_file};
use super::{Case, Told, Verdict, check, exits, fails, same};

pub const CASES: &[Case] = &[
    ("mappings/advice-arguments", advice_arguments),
    ("mappings/not-needed", not_needed),
    (
        "mappings/not-needed-in-pages-of-a-file",
        not_needed_of_a_file,
    ),
    ("mappings/not-needed-but-locked", not_needed_but_locked),
    ("mappings/free", free),
    ("mappings/not-for-children", not_for_children),
    ("mappings/wiped-for-children", wiped_for_children),
    ("mappings/advice-across-holes", advice_across_holes),
    ("mappings/populate", populate),
    ("mappings/populate-errors", populate_errors),
    ("mappings/hints-without-effect", hints_without_effect),
    ("mappings/resident-pages", resident_pages),
    ("mappings/synchronized", synchronized),
    ("mappings/locked", locked),
    ("mappings/locked-when-touched", locked_when_touched),
    ("mappings/lock-errors", lock_errors),
    ("mappings/locks-are-not-inherited", locks_are_not_inherited),
];

const WILLNEED: i32 = 3;
const DONTNEED: i32 = 4;
const FREE: i32 = 8;
const DONTFORK: i32 = 10;
const DOFORK: i32 = 11;
const DONTDUMP: i32 = 16;
const WIPEONFORK: i32 = 18;
const KEEPONFORK: i32 = 19;
const POPULATE_READ: i32 = 22;
const POPULATE_WRITE: i32 = 23;
const DONTNEED_LOCKED: i32 = 24;

/// Pages, each written to.
fn filled(pages: usize) -> Result<Region, String> {
    let region = private(pages)?;
    (0..pages).for_each(|page| region.write(page * PAGE, 7));
    Ok(region)
}

fn advise(region: &Region, part: (usize, usize), advice: i32) -> Result<(), Errno> {
    region.call(OnPages::Madvise, part, advice)
}

fn bytes(region: &Region, pages: usize) -> Vec<u8> {
    (0..pages).map(|page| region.read(page * PAGE)).collect()
}

/// Kilobytes that are locked.
fn locked_kib() -> Result<u64, String> {
    super::proc::number(&super::proc::text("self/status")?, "VmLck")
}

fn advice_arguments() -> Verdict {
    let region = filled(4)?;
    let raw = |part: (usize, usize), advice: i32| region.call_bytes(OnPages::Madvise, part, advice);
    fails("odd", raw((1, PAGE), DONTNEED), Errno::INVAL)?;
    for advice in [5, 7, 26, 99, 105, -1] {
        fails(
            &format!("advice {advice}"),
            raw((0, PAGE), advice),
            Errno::INVAL,
        )?;
        fails("without pages", raw((0, 0), advice), Errno::INVAL)?;
    }
    for long in [1 << 63, usize::MAX, usize::MAX - PAGE] {
        let wanted = if long == 1 << 63 {
            Errno::NOMEM
        } else {
            Errno::INVAL
        };
        let found = raw((0, long), WILLNEED);
        check(found == Err(wanted) || found == Err(Errno::INVAL), || {
            format!("{long:#x}: {found:?}")
        })?;
    }
    same("nothing", raw((0, 0), DONTNEED), Ok(()))?;
    same("part of a page", raw((0, 1), DONTNEED), Ok(()))?;
    same("bytes", bytes(&region, 4), vec![0, 7, 7, 7])
}

fn not_needed() -> Verdict {
    let region = filled(5)?;
    advise(&region, (1, 2), DONTNEED).told("madvise")?;
    let there = vec![true, false, false, true, true];
    same("resident", region.resident(0, 5), Ok(there))?;
    same("bytes", bytes(&region, 5), vec![7, 0, 0, 7, 7])?;
    // A child's pages are its own.
    exits(0, || i32::from(advise(&region, (3, 2), DONTNEED).is_err()))?;
    same("bytes", bytes(&region, 5), vec![7, 0, 0, 7, 7])
}

fn not_needed_of_a_file() -> Verdict {
    with_file(2 * PAGE, |_, file| {
        let private = Region::file(file.as_fd(), 2, Sharing::Private).told("mmap")?;
        let shared = Region::file(file.as_fd(), 2, Sharing::Shared).told("mmap")?;
        private.write(0, b'p');
        shared.write(PAGE, b's');
        for region in [&private, &shared] {
            advise(region, (0, 2), DONTNEED).told("madvise")?;
        }
        same("private", bytes(&private, 2), b"as".to_vec())?;
        same("shared", bytes(&shared, 2), b"as".to_vec())
    })
}

fn not_needed_but_locked() -> Verdict {
    let region = filled(4)?;
    region.call(OnPages::Mlock, (2, 1), 0).told("mlock")?;
    fails("locked", advise(&region, (0, 4), DONTNEED), Errno::INVAL)?;
    // What came before it is gone.
    same("bytes", bytes(&region, 4), vec![0, 0, 7, 7])?;
    advise(&region, (2, 1), DONTNEED_LOCKED).told("even so")?;
    same("bytes", bytes(&region, 4), vec![0, 0, 0, 7])?;
    region.call(OnPages::Munlock, (2, 1), 0).told("munlock")?;
    advise(&region, (0, 4), DONTNEED).told("unlocked")
}

fn free() -> Verdict {
    let region = filled(4)?;
    advise(&region, (0, 2), FREE).told("madvise")?;
    // They are as they were or zeros, until they are written to.
    let seen = bytes(&region, 4);
    let right = seen.iter().take(2).all(|byte| *byte == 0 || *byte == 7);
    check(right && seen.get(2..) == Some(&[7, 7]), || {
        format!("{seen:?}")
    })?;
    region.write(0, 9);
    same("written", region.read(0), 9)?;
    let shared = Region::anonymous(1, Sharing::Shared).told("mmap")?;
    fails("shared", advise(&shared, (0, 1), FREE), Errno::INVAL)?;
    with_file(PAGE, |_, file| {
        let region = Region::file(file.as_fd(), 1, Sharing::Private).told("mmap")?;
        fails("of a file", advise(&region, (0, 1), FREE), Errno::INVAL)
    })
}

fn not_for_children() -> Verdict {
    let region = filled(3)?;
    advise(&region, (1, 1), DONTFORK).told("madvise")?;
    let missing = || {
        let caught = berth_sys::caught::fault_of(|| {
            let _ = region.read(PAGE);
        });
        caught
            .ok()
            .flatten()
            .map(|caught| (caught.signal, caught.code))
    };
    same("in a child", missing(), Some((SEGV, MAPERR)))?;
    exits(14, || {
        i32::from(region.read(0)) + i32::from(region.read(2 * PAGE))
    })?;
    same("here", region.read(PAGE), 7)?;
    advise(&region, (0, 3), DOFORK).told("madvise")?;
    exits(7, || i32::from(region.read(PAGE)))
}

fn wiped_for_children() -> Verdict {
    let region = filled(2)?;
    advise(&region, (0, 1), WIPEONFORK).told("madvise")?;
    exits(7, || {
        i32::from(region.read(0)) + i32::from(region.read(PAGE))
    })?;
    // So it is for their children.
    exits(0, || {
        region.write(0, 5);
        exits(0, || i32::from(region.read(0))).map_or(1, |()| 0)
    })?;
    same("here", region.read(0), 7)?;
    advise(&region, (0, 2), KEEPONFORK).told("madvise")?;
    exits(14, || {
        i32::from(region.read(0)) + i32::from(region.read(PAGE))
    })?;
    let shared = Region::anonymous(1, Sharing::Shared).told("mmap")?;
    fails("shared", advise(&shared, (0, 1), WIPEONFORK), Errno::INVAL)?;
    with_file(PAGE, |_, file| {
        let region = Region::file(file.as_fd(), 1, Sharing::Private).told("mmap")?;
        fails(
            "of a file",
            advise(&region, (0, 1), WIPEONFORK),
            Errno::INVAL,
        )
    })
}

/// Memory around a hole takes the advice, and the hole is told of.
fn advice_across_holes() -> Verdict {
    let region = filled(5)?;
    region.unmap(2, 1).told("munmap")?;
    fails("across", advise(&region, (0, 5), DONTNEED), Errno::NOMEM)?;
    same("before", (region.read(0), region.read(PAGE)), (0, 0))?;
    same(
        "behind",
        (region.read(3 * PAGE), region.read(4 * PAGE)),
        (0, 0),
    )?;
    fails(
        "nothing there",
        advise(&region, (2, 1), WILLNEED),
        Errno::NOMEM,
    )
}

fn populate() -> Verdict {
    let region = private(600)?;
    advise(&region, (0, 100), POPULATE_READ).told("to read")?;
    advise(&region, (100, 400), POPULATE_WRITE).told("to write")?;
    let there: Vec<bool> = (0..600).map(|page| page < 500).collect();
    same("resident", region.resident(0, 600), Ok(there))?;
    same("bytes", bytes(&region, 600), vec![0; 600])?;
    with_file(2 * PAGE, |_, file| {
        let region = Region::file(file.as_fd(), 2, Sharing::Shared).told("mmap")?;
        advise(&region, (0, 2), POPULATE_WRITE).told("of a file")?;
        same("byte", region.read(PAGE), b'a')
    })
}

fn populate_errors() -> Verdict {
    let region = private(4)?;
    region.protect(1, 1, Access::Read).told("mprotect")?;
    fails(
        "not to be written",
        advise(&region, (0, 2), POPULATE_WRITE),
        Errno::INVAL,
    )?;
    advise(&region, (0, 2), POPULATE_READ).told("to be read")?;
    region.protect(1, 1, Access::None).told("mprotect")?;
    fails(
        "no access",
        advise(&region, (0, 2), POPULATE_READ),
        Errno::INVAL,
    )?;
    region.unmap(2, 1).told("munmap")?;
    fails(
        "a hole",
        advise(&region, (2, 2), POPULATE_READ),
        Errno::NOMEM,
    )?;
    with_file(PAGE, |_, file| {
        let region = Region::file(file.as_fd(), 3, Sharing::Shared).told("mmap")?;
        let behind = advise(&region, (0, 3), POPULATE_READ);
        fails("behind the end", behind, Errno::FAULT)
    })
}

fn hints_without_effect() -> Verdict {
    let region = filled(2)?;
    for advice in [0, 1, 2, WILLNEED, DONTDUMP, 17, 20, 21] {
        advise(&region, (0, 2), advice).told(&format!("advice {advice}"))?;
        same("bytes", bytes(&region, 2), vec![7; 2])?;
    }
    Ok(())
}

fn resident_pages() -> Verdict {
    let region = private(5)?;
    region.write(PAGE, 1);
    let there = vec![false, true, false, false, false];
    same("touched", region.resident(0, 5), Ok(there))?;
    same("nothing", region.resident(0, 0), Ok(Vec::new()))?;
    let raw = |part: (usize, usize)| region.call_bytes(OnPages::Mincore, part, 0);
    fails("odd", raw((1, PAGE)), Errno::INVAL)?;
    fails("nowhere", raw((0, PAGE)), Errno::FAULT)?;
    fails("too long", raw((0, usize::MAX - PAGE)), Errno::NOMEM)?;
    region.unmap(3, 1).told("munmap")?;
    fails("a hole", region.resident(2, 3), Errno::NOMEM)?;
    with_file(3 * PAGE, |_, file| {
        let region = Region::file(file.as_fd(), 3, Sharing::Shared).told("mmap")?;
        // The file has them in memory.
        same("untouched", region.resident(0, 3), Ok(vec![true; 3]))
    })
}

fn synchronized() -> Verdict {
    const ASYNC: i32 = 1;
    const INVALIDATE: i32 = 2;
    const SYNC: i32 = 4;
    with_file(4 * PAGE, |path, file| {
        let region = Region::file(file.as_fd(), 4, Sharing::Shared).told("mmap")?;
        let sync =
            |part: (usize, usize), flags: i32| region.call_bytes(OnPages::Msync, part, flags);
        let all = (0, 4 * PAGE);
        region.write(0, b's');
        for flags in [
            0,
            ASYNC,
            SYNC,
            INVALIDATE,
            SYNC | INVALIDATE,
            ASYNC | INVALIDATE,
        ] {
            same(&format!("flags {flags}"), sync(all, flags), Ok(()))?;
        }
        let text = std::fs::read(path).told("read")?;
        same("file", text.first(), Some(&b's'))?;
        fails("both", sync(all, SYNC | ASYNC), Errno::INVAL)?;
        fails("unknown", sync(all, 8), Errno::INVAL)?;
        fails("odd", sync((1, PAGE), SYNC), Errno::INVAL)?;
        fails("too long", sync((0, usize::MAX - PAGE), SYNC), Errno::NOMEM)?;
        same("nothing", sync((0, 0), SYNC), Ok(()))?;
        region.unmap(2, 1).told("munmap")?;
        fails("a hole", sync(all, SYNC), Errno::NOMEM)?;
        region.call(OnPages::Mlock, (0, 1), 0).told("mlock")?;
        fails("locked", sync((0, PAGE), INVALIDATE), Errno::BUSY)?;
        same("locked, kept", sync((0, PAGE), SYNC), Ok(()))
    })
}

fn locked() -> Verdict {
    let region = private(8)?;
    let before = locked_kib()?;
    // Whole pages, though neither the address nor the length is.
    region
        .call_bytes(OnPages::Mlock, (PAGE + 5, PAGE), 0)
        .told("mlock")?;
    let there: Vec<bool> = (0..8).map(|page| page == 1 || page == 2).collect();
    same("resident", region.resident(0, 8), Ok(there))?;
    same("locked", locked_kib()?, before + 8)?;
    // Locks do not add up.
    region.call(OnPages::Mlock, (1, 3), 0).told("mlock")?;
    same("locked", locked_kib()?, before + 12)?;
    region
        .call_bytes(OnPages::Munlock, (2 * PAGE, 1), 0)
        .told("munlock")?;
    same("locked", locked_kib()?, before + 8)?;
    region.unmap(1, 1).told("munmap")?;
    same("locked", locked_kib()?, before + 4)?;
    same("nothing", region.call(OnPages::Mlock, (4, 0), 0), Ok(()))
}

fn locked_when_touched() -> Verdict {
    const ON_FAULT: i32 = 1;
    let region = private(4)?;
    region.write(0, 1);
    let before = locked_kib()?;
    region
        .call(OnPages::Mlock2, (0, 4), ON_FAULT)
        .told("mlock2")?;
    same("locked", locked_kib()?, before + 16)?;
    let there = vec![true, false, false, false];
    same("resident", region.resident(0, 4), Ok(there))?;
    region.write(2 * PAGE, 1);
    let there = vec![true, false, true, false];
    same("resident", region.resident(0, 4), Ok(there))?;
    fails(
        "not needed",
        advise(&region, (2, 1), DONTNEED),
        Errno::INVAL,
    )?;
    region.call(OnPages::Mlock2, (0, 4), 0).told("mlock2")?;
    same("resident", region.resident(0, 4), Ok(vec![true; 4]))?;
    for flags in [2, 3, -1] {
        let odd = region.call(OnPages::Mlock2, (0, 1), flags);
        fails("unknown", odd, Errno::INVAL)?;
    }
    Ok(())
}

fn lock_errors() -> Verdict {
    let region = private(5)?;
    region.unmap(2, 1).told("munmap")?;
    let before = locked_kib()?;
    fails(
        "a hole",
        region.call(OnPages::Mlock, (1, 3), 0),
        Errno::NOMEM,
    )?;
    // What is before it was locked.
    same("locked", locked_kib()?, before + 4)?;
    fails(
        "a hole",
        region.call(OnPages::Munlock, (1, 3), 0),
        Errno::NOMEM,
    )?;
    same("locked", locked_kib()?, before)?;
    let long = region.call_bytes(OnPages::Mlock, (0, usize::MAX - PAGE), 0);
    check(
        long == Err(Errno::NOMEM) || long == Err(Errno::INVAL),
        || format!("{long:?}"),
    )?;
    let nothing = private(2)?;
    nothing.protect(0, 2, Access::None).told("mprotect")?;
    let refused = nothing.call(OnPages::Mlock, (0, 2), 0);
    fails("no access", refused, Errno::NOMEM)?;
    same("locked even so", locked_kib()?, before + 8)
}

fn locks_are_not_inherited() -> Verdict {
    let region = private(4)?;
    region.call(OnPages::Mlock, (0, 4), 0).told("mlock")?;
    check(locked_kib()? >= 16, || "locked".into())?;
    exits(0, || {
        let none = locked_kib() == Ok(0);
        i32::from(!none || advise(&region, (0, 4), DONTNEED).is_err())
    })?;
    faults_not(&region)
}

/// The pages are there as before.
fn faults_not(region: &Region) -> Verdict {
    same("resident", region.resident(0, 4), Ok(vec![true; 4]))?;
    region.unmap(0, 1).told("munmap")?;
    faults(region, 0, false, (SEGV, MAPERR))
}
