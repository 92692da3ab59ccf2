//! mremap, munmap and mprotect: what becomes of areas and of the pages in them.

use berth_sys::memory::{Access, OnPages, PAGE, Region, Sharing};
use rustix::io::Errno;

use super::mappings::{ACCERR, MAPERR, SEGV, faults, private, with_file};
use super::proc_memory::areas;
use super::{Case, Told, Verdict, check, exits, fails, same};

pub const CASES: &[Case] = &[
    ("mappings/unmap-arguments", unmap_arguments),
    ("mappings/unmap-parts", unmap_parts),
    (
        "mappings/protect-splits-and-joins",
        protect_splits_and_joins,
    ),
    ("mappings/protect-arguments", protect_arguments),
    ("mappings/protect-stops-at-a-hole", protect_stops_at_a_hole),
    (
        "mappings/protect-down-to-the-stacks-start",
        protect_grows_down,
    ),
    ("mappings/remap-arguments", remap_arguments),
    ("mappings/remap-in-place", remap_in_place),
    ("mappings/remap-moves", remap_moves),
    ("mappings/remap-to-a-place", remap_to_a_place),
    ("mappings/remap-and-keep", remap_and_keep),
    ("mappings/remap-of-a-file", remap_of_a_file),
    ("mappings/remap-shows-twice", remap_shows_twice),
    ("mappings/remap-keeps-what-it-is", remap_keeps_what_it_is),
];

const MAY_MOVE: i32 = 1;
const FIXED: i32 = 2;
const KEEP: i32 = 4;

/// Pages of which each begins with its number.
fn numbered(pages: usize, sharing: Sharing) -> Result<Region, String> {
    let region = Region::anonymous(pages, sharing).told("mmap")?;
    (0..pages).for_each(|page| region.write(page * PAGE, page as u8));
    Ok(region)
}

fn first_bytes(region: &Region, pages: std::ops::Range<usize>) -> Vec<u8> {
    pages.map(|page| region.read(page * PAGE)).collect()
}

fn list(found: &[(u64, u64, &str)]) -> Vec<(u64, u64, String)> {
    let owned = |(from, to, access): &(u64, u64, &str)| (*from, *to, (*access).to_owned());
    found.iter().map(owned).collect()
}

fn unmap_arguments() -> Verdict {
    let region = private(4)?;
    let unmap =
        |offset: usize, bytes: usize| region.call_bytes(OnPages::Munmap, (offset, bytes), 0);
    fails("odd", unmap(1, PAGE), Errno::INVAL)?;
    fails("nothing", unmap(0, 0), Errno::INVAL)?;
    for long in [1 << 63, usize::MAX, usize::MAX - PAGE] {
        fails("too long", unmap(0, long), Errno::INVAL)?;
    }
    same("part of a page", unmap(0, 1), Ok(()))?;
    faults(&region, PAGE - 1, false, (SEGV, MAPERR))?;
    same("a hole", unmap(0, PAGE), Ok(()))?;
    same("a hole and more", unmap(0, 2 * PAGE), Ok(()))?;
    same("left", areas(&region)?, list(&[(2, 4, "rw-p")]))
}

fn unmap_parts() -> Verdict {
    let region = numbered(9, Sharing::Private)?;
    for page in [1, 4, 7] {
        region.unmap(page, 1).told("munmap")?;
    }
    let left = [
        (0, 1, "rw-p"),
        (2, 4, "rw-p"),
        (5, 7, "rw-p"),
        (8, 9, "rw-p"),
    ];
    same("left", areas(&region)?, list(&left))?;
    same("bytes", first_bytes(&region, 2..4), vec![2, 3])?;
    // Across holes, and in the middle of areas.
    region.unmap(3, 3).told("munmap")?;
    let left = [
        (0, 1, "rw-p"),
        (2, 3, "rw-p"),
        (6, 7, "rw-p"),
        (8, 9, "rw-p"),
    ];
    same("left", areas(&region)?, list(&left))
}

fn protect_splits_and_joins() -> Verdict {
    // Its neighbours cannot join.
    let outer = private(10)?;
    outer.protect(0, 1, Access::None).told("mprotect")?;
    outer.protect(9, 1, Access::None).told("mprotect")?;
    let inner = |middle: &[(u64, u64, &str)]| {
        let mut all = vec![(0, 1, "---p")];
        all.extend_from_slice(middle);
        all.push((9, 10, "---p"));
        list(&all)
    };
    outer.protect(3, 2, Access::Read).told("mprotect")?;
    let split = [(1, 3, "rw-p"), (3, 5, "r--p"), (5, 9, "rw-p")];
    same("split", areas(&outer)?, inner(&split))?;
    outer.protect(5, 2, Access::Read).told("mprotect")?;
    let longer = [(1, 3, "rw-p"), (3, 7, "r--p"), (7, 9, "rw-p")];
    same("joined", areas(&outer)?, inner(&longer))?;
    outer.protect(2, 6, Access::Execute).told("mprotect")?;
    let over = [(1, 2, "rw-p"), (2, 8, "r-xp"), (8, 9, "rw-p")];
    same("over all", areas(&outer)?, inner(&over))?;
    outer.protect(1, 8, Access::Write).told("mprotect")?;
    same("one again", areas(&outer)?, inner(&[(1, 9, "rw-p")]))
}

fn protect_arguments() -> Verdict {
    let region = private(4)?;
    let protect = |(offset, bytes): (usize, usize), access: i32| {
        region.call_bytes(OnPages::Mprotect, (offset, bytes), access)
    };
    fails("odd", protect((1, PAGE), 1), Errno::INVAL)?;
    for access in [0x10, 0x80, 0x4000_0000] {
        fails("unknown", protect((0, PAGE), access), Errno::INVAL)?;
    }
    let (down, up) = (0x0100_0000, 0x0200_0000);
    fails("both ways", protect((0, PAGE), down | up), Errno::INVAL)?;
    fails("no stack", protect((0, PAGE), down | 1), Errno::INVAL)?;
    fails("too long", protect((0, usize::MAX - PAGE), 1), Errno::NOMEM)?;
    region.unmap(2, 1).told("munmap")?;
    same("nothing of a hole", protect((2 * PAGE, 0), 1), Ok(()))?;
    fails("a hole", protect((2 * PAGE, PAGE), 1), Errno::NOMEM)?;
    same("part of a page", protect((3 * PAGE, 1), 1), Ok(()))?;
    faults(&region, 4 * PAGE - 1, true, (SEGV, ACCERR))
}

/// What comes before the hole has changed.
fn protect_stops_at_a_hole() -> Verdict {
    let region = private(6)?;
    region.unmap(3, 1).told("munmap")?;
    let protected = region.protect(1, 5, Access::Read);
    fails("across", protected, Errno::NOMEM)?;
    let found = [(0, 1, "rw-p"), (1, 3, "r--p"), (4, 6, "rw-p")];
    same("changed", areas(&region)?, list(&found))
}

fn protect_grows_down() -> Verdict {
    let region = private(400)?;
    region.unmap(0, 396).told("munmap")?;
    region.replace((396, 4), 3, 0x132).told("a stack")?;
    region
        .call(OnPages::Mprotect, (398, 1), 0x0100_0000 | 1)
        .told("mprotect")?;
    let found = [(396, 399, "r--p"), (399, 400, "rw-p")];
    same("from its start", areas(&region)?, list(&found))
}

fn remap_arguments() -> Verdict {
    let region = numbered(8, Sharing::Private)?;
    let remap = |part: (usize, usize), new: usize, flags: i32| {
        region.remap_bytes(part, new, flags, region.address(4 * PAGE))
    };
    let page = (0, PAGE);
    fails("odd", remap((1, PAGE), PAGE, 0), Errno::INVAL)?;
    fails("to nothing", remap(page, 0, MAY_MOVE), Errno::INVAL)?;
    fails("unknown", remap(page, PAGE, 8), Errno::INVAL)?;
    fails(
        "fixed, without moving",
        remap(page, PAGE, FIXED),
        Errno::INVAL,
    )?;
    fails(
        "kept, without moving",
        remap(page, PAGE, KEEP),
        Errno::INVAL,
    )?;
    let other = remap(page, 2 * PAGE, MAY_MOVE | KEEP);
    fails("kept, of another size", other, Errno::INVAL)?;
    let over = remap((3 * PAGE, 2 * PAGE), 2 * PAGE, MAY_MOVE | FIXED);
    fails("over itself", over, Errno::INVAL)?;
    let odd = region.remap_bytes(page, PAGE, MAY_MOVE | FIXED, region.address(5));
    fails("to an odd place", odd, Errno::INVAL)?;
    let high = region.remap_bytes(page, PAGE, MAY_MOVE | FIXED, 1 << 47);
    fails("too high", high, Errno::INVAL)?;
    fails("too long", remap(page, 1 << 47, MAY_MOVE), Errno::INVAL)?;
    let none = remap((0, 0), PAGE, MAY_MOVE);
    fails("nothing of one's own", none, Errno::INVAL)?;
    region.unmap(6, 1).told("munmap")?;
    let hole = remap((6 * PAGE, PAGE), 2 * PAGE, MAY_MOVE);
    fails("nothing there", hole, Errno::FAULT)?;
    let across = remap((5 * PAGE, 2 * PAGE), 3 * PAGE, MAY_MOVE);
    fails("into a hole", across, Errno::FAULT)?;
    same(
        "as before",
        first_bytes(&region, 0..6),
        vec![0, 1, 2, 3, 4, 5],
    )
}

fn remap_in_place() -> Verdict {
    let region = numbered(8, Sharing::Private)?;
    region.remap((0, 8), 5, 0, None).told("shrinks")?.forget();
    same("left", areas(&region)?, list(&[(0, 5, "rw-p")]))?;
    let grown = region.remap((0, 5), 7, 0, None).told("grows")?;
    same("where it was", grown.address(0), region.address(0))?;
    same(
        "bytes",
        first_bytes(&grown, 0..7),
        vec![0, 1, 2, 3, 4, 0, 0],
    )?;
    grown.forget();
    let equal = region.remap((2, 3), 3, 0, None).told("as it is")?;
    same("where it was", equal.address(0), region.address(2 * PAGE))?;
    equal.forget();
    // The middle cannot grow, nor what has something behind it.
    fails("the middle", region.remap((0, 3), 4, 0, None), Errno::NOMEM)?;
    region.replace((7, 1), 1, 0x32).told("mmap")?;
    fails("in the way", region.remap((0, 7), 8, 0, None), Errno::NOMEM)
}

fn remap_moves() -> Verdict {
    let region = numbered(4, Sharing::Private)?;
    region.protect(3, 1, Access::Read).told("mprotect")?;
    let moved = region.remap((0, 3), 1000, MAY_MOVE, None).told("moves")?;
    check(moved.address(0) != region.address(0), || "did not".into())?;
    same("bytes", first_bytes(&moved, 0..4), vec![0, 1, 2, 0])?;
    same("left", areas(&region)?, list(&[(3, 4, "r--p")]))?;
    faults(&region, PAGE, false, (SEGV, MAPERR))?;
    // Pages that a child has, too, stay apart.
    let again = moved.remap((0, 3), 2000, MAY_MOVE, None).told("moves")?;
    exits(0, || {
        again.write(0, 9);
        0
    })?;
    same("bytes", first_bytes(&again, 0..3), vec![0, 1, 2])
}

fn remap_to_a_place() -> Verdict {
    let place = numbered(8, Sharing::Private)?;
    let region = numbered(4, Sharing::Shared)?;
    let moved = region
        .remap((1, 2), 2, MAY_MOVE | FIXED, Some(&place))
        .told("moves")?;
    same("there", moved.address(0), place.address(0))?;
    moved.forget();
    same("bytes", first_bytes(&place, 0..4), vec![1, 2, 2, 3])?;
    let found = [(0, 2, "rw-s"), (2, 8, "rw-p")];
    same("areas", areas(&place)?, list(&found))?;
    same(
        "left",
        areas(&region)?,
        list(&[(0, 1, "rw-s"), (3, 4, "rw-s")]),
    )?;
    // Longer and shorter on the way.
    let more = region
        .remap((3, 1), 2, MAY_MOVE | FIXED, Some(&place))
        .told("grows")?;
    same("bytes", first_bytes(&place, 0..1), vec![3])?;
    faults(&more, PAGE, false, (7, 2))?;
    more.forget();
    let three = numbered(3, Sharing::Private)?;
    three
        .remap((0, 3), 1, MAY_MOVE | FIXED, Some(&place))
        .told("shrinks")?
        .forget();
    same("all are gone", areas(&three)?, Vec::new())?;
    same("bytes", first_bytes(&place, 0..1), vec![0])
}

fn remap_and_keep() -> Verdict {
    let region = numbered(3, Sharing::Private)?;
    let moved = region
        .remap((0, 3), 3, MAY_MOVE | KEEP, None)
        .told("private")?;
    same("moved", first_bytes(&moved, 0..3), vec![0, 1, 2])?;
    same("empty", first_bytes(&region, 0..3), vec![0; 3])?;
    region.write(0, 7);
    same("apart", moved.read(0), 0)?;
    let shared = numbered(3, Sharing::Shared)?;
    let moved = shared
        .remap((0, 3), 3, MAY_MOVE | KEEP, None)
        .told("shared")?;
    same("moved", first_bytes(&moved, 0..3), vec![0, 1, 2])?;
    same("the same", first_bytes(&shared, 0..3), vec![0, 1, 2])?;
    shared.write(0, 7);
    same("together", moved.read(0), 7)
}

fn remap_of_a_file() -> Verdict {
    with_file(6 * PAGE, |_, file| {
        use std::os::fd::AsFd;
        use std::os::unix::fs::FileExt;
        (0..6).try_for_each(|page| {
            let byte = [b'0' + page as u8];
            file.write_all_at(&byte, page * PAGE as u64).told("write")
        })?;
        let region = Region::file(file.as_fd(), 3, Sharing::Shared).told("mmap")?;
        let grown = region.remap((1, 2), 5, MAY_MOVE, None).told("grows")?;
        same("bytes", first_bytes(&grown, 0..5), b"12345".to_vec())?;
        grown.write(0, b'x');
        let mut byte = [0u8; 1];
        file.read_exact_at(&mut byte, PAGE as u64).told("read")?;
        same("file", byte, *b"x")
    })
}

/// Without an old length a shared mapping is shown once more.
fn remap_shows_twice() -> Verdict {
    let region = numbered(4, Sharing::Shared)?;
    let fixed = region.remap_bytes((0, 0), 2 * PAGE, 0, 0);
    fails("without moving", fixed, Errno::NOMEM)?;
    let twin = region
        .remap_bytes((PAGE, 0), 2 * PAGE, MAY_MOVE, 0)
        .told("twice")?;
    same("bytes", first_bytes(&twin, 0..2), vec![1, 2])?;
    twin.write(0, 9);
    same("the same memory", region.read(PAGE), 9)?;
    same("both are there", areas(&region)?, list(&[(0, 4, "rw-s")]))?;
    let private = private(1)?;
    let none = private.remap_bytes((0, 0), PAGE, MAY_MOVE, 0);
    fails("private", none, Errno::INVAL)
}

fn remap_keeps_what_it_is() -> Verdict {
    let region = private(3)?;
    region.protect(0, 3, Access::Read).told("mprotect")?;
    region.call(OnPages::Mlock, (0, 3), 0).told("mlock")?;
    let locked = || super::proc::number(&super::proc::text("self/status")?, "VmLck");
    let before = locked()?;
    let moved = region.remap((0, 3), 6, MAY_MOVE, None).told("moves")?;
    same("locked", locked()?, before + 12)?;
    same("come at once", moved.resident(3, 3), Ok(vec![true; 3]))?;
    same("access", areas(&moved)?, list(&[(0, 6, "r--p")]))
}
