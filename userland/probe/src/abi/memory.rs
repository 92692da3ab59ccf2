//! Address spaces.

use std::fs::{self, OpenOptions};
use std::os::fd::AsFd;

use berth_sys::handler::{self, Manner};
use berth_sys::memory::{Access, PAGE, Region, Sharing, read_into, write_from};
use rustix::io::Errno;

use super::files::in_directory;
use super::{Case, Told, Verdict, check, dies, exits, fails, same};

pub const CASES: &[Case] = &[
    ("memory/fresh-pages-are-zero", fresh_pages_are_zero),
    ("memory/unmapped-pages-are-gone", unmapped_pages_are_gone),
    ("memory/a-hole-in-the-middle", a_hole_in_the_middle),
    ("memory/read-only-pages", read_only_pages),
    ("memory/no-access", no_access),
    ("memory/data-is-not-code", data_is_not_code),
    ("memory/code-is-not-writable", code_is_not_writable),
    ("memory/shared-with-a-child", shared_with_a_child),
    ("memory/private-file", private_file),
    ("memory/shared-file", shared_file),
    ("memory/past-the-end-of-a-file", past_the_end_of_a_file),
    ("memory/much", much),
    ("memory/bad-addresses", bad_addresses),
    ("memory/read-into-read-only", read_into_read_only),
    ("memory/read-breaks-sharing", read_breaks_sharing),
    ("memory/repaired-by-a-handler", repaired_by_a_handler),
    ("memory/stack-grows", stack_grows),
];

fn private(pages: usize) -> Result<Region, String> {
    Region::anonymous(pages, Sharing::Private).told("mmap")
}

fn fresh_pages_are_zero() -> Verdict {
    // Twice, so that the second may get what the first one wrote to.
    for _ in 0..2 {
        let region = private(64)?;
        let used = (0..64 * PAGE).find(|offset| region.read(*offset) != 0);
        same("first other byte", used, None)?;
        (0..64).for_each(|page| region.write(page * PAGE + 5, 0xff));
    }
    Ok(())
}

fn unmapped_pages_are_gone() -> Verdict {
    let region = private(2)?;
    region.write(PAGE, 1);
    region.unmap(1, 1).told("munmap")?;
    region.write(0, 1);
    dies(11, || {
        let _ = region.read(PAGE);
    })
}

fn a_hole_in_the_middle() -> Verdict {
    let region = private(5)?;
    (0..5).for_each(|page| region.write(page * PAGE, 7));
    region.unmap(2, 1).told("munmap")?;
    for page in [0, 1, 3, 4] {
        same("byte", region.read(page * PAGE), 7)?;
    }
    dies(11, || region.write(2 * PAGE, 1))
}

fn read_only_pages() -> Verdict {
    let region = private(3)?;
    region.write(PAGE, 9);
    region.protect(1, 1, Access::Read).told("mprotect")?;
    same("byte", region.read(PAGE), 9)?;
    region.write(0, 1);
    region.write(2 * PAGE, 1);
    dies(11, || region.write(PAGE, 1))?;
    region.protect(1, 1, Access::Write).told("mprotect")?;
    region.write(PAGE, 8);
    same("byte", region.read(PAGE), 8)
}

fn no_access() -> Verdict {
    let region = private(1)?;
    region.write(0, 5);
    region.protect(0, 1, Access::None).told("mprotect")?;
    dies(11, || {
        let _ = region.read(0);
    })?;
    region.protect(0, 1, Access::Read).told("mprotect")?;
    same("byte", region.read(0), 5)
}

/// The instruction `ret`.
const RETURN: u8 = 0xc3;

fn data_is_not_code() -> Verdict {
    let region = private(1)?;
    region.write(0, RETURN);
    dies(11, || region.execute(0))?;
    region.protect(0, 1, Access::Execute).told("mprotect")?;
    exits(0, || {
        region.execute(0);
        0
    })
}

fn code_is_not_writable() -> Verdict {
    let region = private(1)?;
    region.protect(0, 1, Access::Execute).told("mprotect")?;
    dies(11, || region.write(0, RETURN))
}

fn shared_with_a_child() -> Verdict {
    let region = Region::anonymous(2, Sharing::Shared).told("mmap")?;
    region.write(0, 1);
    exits(1, || {
        region.write(PAGE, 2);
        region.read(0).into()
    })?;
    same("byte", region.read(PAGE), 2)
}

fn private_file() -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        fs::write(&path, [b'a'; 6000]).told("write")?;
        let file = OpenOptions::new().read(true).open(&path).told("open")?;
        let region = Region::file(file.as_fd(), 2, Sharing::Private).told("mmap")?;
        same(
            "bytes",
            (region.read(0), region.read(5999), region.read(6000)),
            (b'a', b'a', 0),
        )?;
        region.write(0, b'b');
        same("written", region.read(0), b'b')?;
        same(
            "file",
            fs::read(&path).told("read")?.first().copied(),
            Some(b'a'),
        )
    })
}

fn shared_file() -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        fs::write(&path, [b'a'; PAGE]).told("write")?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .told("open")?;
        let region = Region::file(file.as_fd(), 1, Sharing::Shared).told("mmap")?;
        region.write(1, b'b');
        same(
            "file",
            fs::read(&path).told("read")?.get(..3).map(<[u8]>::to_vec),
            Some(b"aba".to_vec()),
        )?;
        fs::write(&path, [b'c'; PAGE]).told("write")?;
        // Truncated and written again: the same page of the file, or a new one.
        same("mapping", region.read(1), b'c')
    })
}

fn past_the_end_of_a_file() -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        fs::write(&path, [b'a'; 100]).told("write")?;
        let file = OpenOptions::new().read(true).open(&path).told("open")?;
        let region = Region::file(file.as_fd(), 2, Sharing::Private).told("mmap")?;
        same("byte", region.read(100), 0)?;
        dies(7, || {
            let _ = region.read(PAGE);
        })
    })
}

fn much() -> Verdict {
    let pages = 4096;
    let region = private(pages)?;
    for page in 0..pages {
        region.write(page * PAGE, u8::try_from(page % 200).unwrap_or(0));
    }
    let wrong = (0..pages).find(|page| usize::from(region.read(page * PAGE)) != page % 200);
    same("first other page", wrong, None)
}

fn bad_addresses() -> Verdict {
    let (_reader, writer) = crate::small::pipe().told("pipe")?;
    let region = private(2)?;
    region.unmap(1, 1).told("munmap")?;
    let edge = region.address(PAGE);
    for address in [
        0,
        1,
        edge,
        0x8000_0000_0000,
        0xffff_ffff_8000_0000,
        u64::MAX,
        u64::MAX - 7,
    ] {
        let written = write_from(writer.as_fd(), address, 8);
        fails(&format!("write from {address:#x}"), written, Errno::FAULT)?;
    }
    fails(
        "across the edge of memory",
        write_from(writer.as_fd(), 0x7fff_ffff_f000, 8192),
        Errno::FAULT,
    )?;
    same(
        "at the edge",
        write_from(writer.as_fd(), edge - 8, 8).told("write")?,
        8,
    )
}

fn read_into_read_only() -> Verdict {
    let (reader, writer) = crate::small::pipe().told("pipe")?;
    let region = private(1)?;
    region.protect(0, 1, Access::Read).told("mprotect")?;
    rustix::io::write(&writer, b"abc").told("write")?;
    fails(
        "read",
        read_into(reader.as_fd(), &region, 0, 3),
        Errno::FAULT,
    )?;
    region.protect(0, 1, Access::Write).told("mprotect")?;
    same(
        "read",
        read_into(reader.as_fd(), &region, 0, 3).told("read")?,
        3,
    )
}

fn read_breaks_sharing() -> Verdict {
    let (reader, writer) = crate::small::pipe().told("pipe")?;
    let region = private(1)?;
    region.write(0, b'p');
    rustix::io::write(&writer, b"c").told("write")?;
    // The kernel's write in the child must copy the page as the child's own would.
    exits(0, || {
        let done = read_into(reader.as_fd(), &region, 0, 1);
        i32::from(done != Ok(1) || region.read(0) != b'c')
    })?;
    same("byte", region.read(0), b'p')
}

fn repaired_by_a_handler() -> Verdict {
    let region = private(1)?;
    region.protect(0, 1, Access::Read).told("mprotect")?;
    handler::count(11, Manner::Interrupt).told("sigaction")?;
    handler::repair(&region);
    region.write(0x123, 7);
    same("byte", region.read(0x123), 7)?;
    same("signals", handler::taken(11), 1)?;
    same("address", handler::fault_address(), region.address(0x123))
}

fn stack_grows() -> Verdict {
    // A megabyte, of the eight that are usual.
    fn descend(depth: u32) -> u64 {
        let frame = std::hint::black_box([u64::from(depth); 512]);
        let below = if depth == 0 { 0 } else { descend(depth - 1) };
        below + frame.iter().take(1).sum::<u64>()
    }
    check(descend(250) == (0..=250).sum::<u64>(), || {
        "frames were overwritten".to_owned()
    })
}
