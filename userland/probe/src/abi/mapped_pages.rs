//! What a touch of mapped pages says, and who sees what is written to them.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsFd;

use berth_sys::caught::{Caught, fault_of};
use berth_sys::memory::{Ask, OnPages, PAGE, Region, Sharing, heap_end};
use rustix::io::Errno;

use super::mappings::{ACCERR, ADRERR, BUS, MAPERR, READ, SEGV, WRITE, faults, private, with_file};
use super::{Case, Told, Verdict, check, exits, fails, same};

pub const CASES: &[Case] = &[
    ("mappings/codes-of-faults", codes_of_faults),
    ("mappings/behind-the-end", behind_the_end),
    ("mappings/truncated", truncated),
    ("mappings/private-copies", private_copies),
    ("mappings/file-and-memory-agree", file_and_memory_agree),
    ("mappings/shared-without-a-file", shared_without_a_file),
    ("mappings/heap-edges", heap_edges),
    ("mappings/most-areas", most_areas),
];

fn codes_of_faults() -> Verdict {
    let region = private(4)?;
    region.unmap(1, 1).told("munmap")?;
    faults(&region, PAGE + 5, false, (SEGV, MAPERR))?;
    faults(&region, PAGE + 5, true, (SEGV, MAPERR))?;
    region.call(OnPages::Mprotect, (2, 1), 0).told("mprotect")?;
    faults(&region, 2 * PAGE + 6, false, (SEGV, ACCERR))?;
    faults(&region, 2 * PAGE + 6, true, (SEGV, ACCERR))?;
    region
        .call(OnPages::Mprotect, (3, 1), READ)
        .told("mprotect")?;
    same("reads", region.read(3 * PAGE), 0)?;
    faults(&region, 3 * PAGE + 7, true, (SEGV, ACCERR))?;
    let caught = fault_of(|| region.execute(3 * PAGE)).told("fork")?;
    let address = region.address(3 * PAGE);
    let wanted = Caught {
        signal: SEGV,
        code: ACCERR,
        address,
    };
    same("executes", caught, Some(wanted))?;
    // What can be written can be read.
    region
        .call(OnPages::Mprotect, (3, 1), WRITE)
        .told("mprotect")?;
    region.write(3 * PAGE, 9);
    same("reads", region.read(3 * PAGE), 9)
}

fn behind_the_end() -> Verdict {
    with_file(PAGE + 100, |_, file| {
        for sharing in [Sharing::Private, Sharing::Shared] {
            let region = Region::file(file.as_fd(), 4, sharing).told("mmap")?;
            same("rest of the page", region.read(PAGE + 100), 0)?;
            faults(&region, 2 * PAGE + 3, false, (BUS, ADRERR))?;
            faults(&region, 3 * PAGE + 3, true, (BUS, ADRERR))?;
        }
        let region = Region::file(file.as_fd(), 4, Sharing::Shared).told("mmap")?;
        file.set_len(4 * PAGE as u64).told("truncate")?;
        same("longer", region.read(3 * PAGE), 0)
    })
}

fn truncated() -> Verdict {
    with_file(4 * PAGE, |_, file| {
        let shared = Region::file(file.as_fd(), 4, Sharing::Shared).told("mmap")?;
        let private = Region::file(file.as_fd(), 4, Sharing::Private).told("mmap")?;
        (0..4).for_each(|page| private.write(page * PAGE, b'p'));
        same("before", shared.read(3 * PAGE), b'a')?;
        file.set_len(PAGE as u64 + 10).told("truncate")?;
        same("what is left", shared.read(PAGE + 9), b'a')?;
        same("cut off", shared.read(PAGE + 10), 0)?;
        faults(&shared, 2 * PAGE, false, (BUS, ADRERR))?;
        // Copies go, too.
        faults(&private, 3 * PAGE, false, (BUS, ADRERR))?;
        same("a copy before the end", private.read(PAGE), b'p')?;
        file.set_len(4 * PAGE as u64).told("truncate")?;
        same(
            "again",
            (shared.read(3 * PAGE), private.read(3 * PAGE)),
            (0, 0),
        )
    })
}

fn private_copies() -> Verdict {
    with_file(2 * PAGE, |path, file| {
        let one = Region::file(file.as_fd(), 2, Sharing::Private).told("mmap")?;
        let other = Region::file(file.as_fd(), 2, Sharing::Private).told("mmap")?;
        one.write(0, b'1');
        other.write(0, b'2');
        exits(0, || {
            let seen = (one.read(0), other.read(0));
            one.write(0, b'3');
            one.write(PAGE, b'3');
            i32::from(seen != (b'1', b'2'))
        })?;
        same("mine", (one.read(0), one.read(PAGE)), (b'1', b'a'))?;
        let text = fs::read(path).told("read")?;
        check(text.iter().all(|byte| *byte == b'a'), || "written".into())?;
        // Given back, the file's page is seen again.
        one.call(OnPages::Madvise, (0, 1), 4).told("madvise")?;
        same("fresh", one.read(0), b'a')
    })
}

fn file_and_memory_agree() -> Verdict {
    with_file(2 * PAGE, |path, file| {
        use std::os::unix::fs::FileExt;
        let region = Region::file(file.as_fd(), 2, Sharing::Shared).told("mmap")?;
        let other = Region::file(file.as_fd(), 2, Sharing::Shared).told("mmap")?;
        region.write(PAGE, b'm');
        same("other mapping", other.read(PAGE), b'm')?;
        let mut byte = [0u8; 1];
        file.read_exact_at(&mut byte, PAGE as u64).told("read")?;
        same("read", byte, *b"m")?;
        file.write_all_at(b"w", 5).told("write")?;
        same("written", (region.read(5), other.read(5)), (b'w', b'w'))?;
        // A child's writes last; so do those of a mapping whose file is closed.
        exits(0, || {
            region.write(6, b'c');
            0
        })?;
        let text = fs::read(path).told("read")?;
        same("file", text.get(5..7), Some(&b"wc"[..]))?;
        drop((region, other));
        let text = fs::read(path).told("read")?;
        same("unmapped", text.get(PAGE), Some(&b'm'))
    })
}

fn shared_without_a_file() -> Verdict {
    let region = Region::anonymous(3, Sharing::Shared).told("mmap")?;
    // Touched by nobody before the fork, and by the child first.
    exits(0, || {
        region.write(PAGE, 1);
        exits(0, || {
            region.write(2 * PAGE, region.read(PAGE) + 1);
            0
        })
        .map_or(1, |()| 0)
    })?;
    same("bytes", (region.read(PAGE), region.read(2 * PAGE)), (1, 2))?;
    // Given back is not lost.
    region.call(OnPages::Madvise, (0, 3), 4).told("madvise")?;
    same("bytes", (region.read(PAGE), region.read(2 * PAGE)), (1, 2))?;
    region.unmap(0, 3).told("munmap")?;
    faults(&region, PAGE, false, (SEGV, MAPERR))
}

fn heap_edges() -> Verdict {
    let end = heap_end(0);
    for odd in [1, 4096, 1 << 46, (1 << 47) - 1, 1 << 47, u64::MAX] {
        same(&format!("{odd:#x}"), heap_end(odd), end)?;
    }
    check(berth_sys::memory::heap_can_grow(100), || {
        "a part of a page".into()
    })?;
    same("is back", heap_end(0), end)?;
    check(berth_sys::memory::heap_can_grow(5 * PAGE + 1), || {
        "five pages".into()
    })?;
    let before = super::proc::text("self/maps")?;
    check(before.contains("[heap]") || !before.is_empty(), || {
        "heap".into()
    })
}

/// Makes areas until no more can be; vm.max_map_count says how many those are.
fn most_areas() -> Verdict {
    let most: usize = super::proc::text("sys/vm/max_map_count")?
        .trim()
        .parse()
        .told("number")?;
    same("the usual", most, 65530)?;
    // There may be no memory for a text.
    let count = || -> Result<usize, String> {
        let (file, mut part) = (File::open("/proc/self/maps").told("open")?, [0u8; 4096]);
        let mut lines = 0;
        loop {
            match (&file).read(&mut part).told("read")? {
                0 => return Ok(lines),
                len => lines += part.iter().take(len).filter(|b| **b == b'\n').count(),
            }
        }
    };
    let nothing = Ask {
        bytes: 2 * most * PAGE,
        protection: 0,
        ..Ask::default()
    };
    let region = Region::ask(&nothing).told("mmap")?;
    let split = |page: usize| region.call(OnPages::Mprotect, (page, 1), READ);
    let made = (1..most).find(|index| split(2 * index - 1).is_err());
    let last = made.ok_or("all were made")?;
    fails("one more", split(2 * last - 1), Errno::NOMEM)?;
    let there = count()?;
    check(there <= most + 1 && there + 5 >= most, || {
        format!("{there} areas")
    })?;
    // The last one, if there is room for one but not for two.
    let (from, all) = (2 * last + 5, 2 * most);
    let _ = region.call(OnPages::Mprotect, (from, all - from), READ);
    fails("a hole", region.unmap(2 * last + 2, 1), Errno::NOMEM)?;
    // One more may be mapped, though not split off.
    let one = Region::anonymous(1, Sharing::Shared).told("one more")?;
    let another = Region::anonymous(1, Sharing::Shared);
    fails("another", another, Errno::NOMEM)?;
    drop(one);
    // Whole areas can go, and others come in their place.
    region.unmap(0, 21).told("munmap")?;
    split(2 * last - 1).told("again")?;
    exits(0, || 0)?;
    drop(region);
    check(count()? < 100, || "areas are left".into())
}
