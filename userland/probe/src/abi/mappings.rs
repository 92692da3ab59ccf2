//! mmap: where mappings go, and what they may be of.

use std::fs::{self, File, OpenOptions};
use std::os::fd::AsFd;
use std::path::Path;

use berth_sys::caught::{Caught, fault_of};
use berth_sys::memory::{Ask, OnPages, PAGE, Region, Sharing};
use berth_sys::own::{CAP_VERSIONS, capset};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;

use super::files::in_directory;
use super::{Case, Told, Verdict, check, exits, fails, isolated, same};

pub const CASES: &[Case] = &[
    ("mappings/arguments", arguments),
    ("mappings/fixed", fixed),
    ("mappings/fixed-without-replacing", fixed_without_replacing),
    ("mappings/hints", hints),
    ("mappings/low", low),
    ("mappings/grows-down", grows_down),
    ("mappings/grows-to-its-guard", grows_to_its_guard),
    ("mappings/populated", populated),
    ("mappings/unreserved", unreserved),
    ("mappings/validated", validated),
    ("mappings/by-open-mode", by_open_mode),
    ("mappings/of-what-has-no-memory", of_what_has_no_memory),
    ("mappings/offsets", offsets),
];

pub(super) const READ: i32 = 1;

pub(super) const WRITE: i32 = 2;

const SHARED: i32 = 1;

const PRIVATE: i32 = 2;

const VALIDATE: i32 = 3;

pub(super) const FIXED: i32 = 0x10;

pub(super) const ANON: i32 = 0x20;

const LOW: i32 = 0x40;

const DOWN: i32 = 0x100;

const LOCKED: i32 = 0x2000;

const NORESERVE: i32 = 0x4000;

const POPULATE: i32 = 0x8000;

const SYNC: i32 = 0x8_0000;

const NOREPLACE: i32 = 0x10_0000;

pub const SEGV: i32 = 11;

pub const BUS: i32 = 7;

/// Codes: nothing there; not allowed; behind the end of the file.
pub const MAPERR: i32 = 1;

pub const ACCERR: i32 = 2;
pub const ADRERR: i32 = 2;

pub fn private(pages: usize) -> Result<Region, String> {
    Region::anonymous(pages, Sharing::Private).told("mmap")
}

pub(super) fn flags(flags: i32) -> Ask<'static> {
    Ask {
        flags,
        ..Ask::default()
    }
}

/// Touching `offset` must fault so.
pub fn faults(region: &Region, offset: usize, write: bool, wanted: (i32, i32)) -> Verdict {
    let touch = || match write {
        true => region.write(offset, 1),
        false => drop(region.read(offset)),
    };
    let caught = fault_of(touch).told("fork")?;
    let (signal, code) = wanted;
    let address = region.address(offset);
    let wanted = Caught {
        signal,
        code,
        address,
    };
    same(&format!("touch of {offset:#x}"), caught, Some(wanted))
}

/// A file with so many bytes of 'a', open for reading and writing.
pub fn with_file(bytes: usize, work: impl FnOnce(&Path, &File) -> Verdict) -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        fs::write(&path, vec![b'a'; bytes]).told("write")?;
        let mut both = OpenOptions::new();
        let file = both.read(true).write(true).open(&path).told("open")?;
        work(&path, &file)
    })
}

fn arguments() -> Verdict {
    let ask = |ask: Ask<'_>| Region::ask(&ask);
    let anonymous = Ask::default();
    fails(
        "no length",
        ask(Ask {
            bytes: 0,
            ..anonymous
        }),
        Errno::INVAL,
    )?;
    for kind in [0, VALIDATE, 4, 15] {
        fails(
            &format!("type {kind}"),
            ask(flags(kind | ANON)),
            Errno::INVAL,
        )?;
    }
    let odd = Ask {
        offset: 1,
        ..anonymous
    };
    fails("odd offset", ask(odd), Errno::INVAL)?;
    for bytes in [1 << 47, usize::MAX, usize::MAX - PAGE] {
        fails("too long", ask(Ask { bytes, ..anonymous }), Errno::NOMEM)?;
    }
    fails("no file", ask(flags(PRIVATE)), Errno::BADF)?;
    let nothing = Ask {
        bytes: 0,
        ..flags(PRIVATE)
    };
    fails("no file, no length", ask(nothing), Errno::BADF)?;
    let nothing = Ask {
        offset: 1,
        ..nothing
    };
    fails("no file, odd offset", ask(nothing), Errno::INVAL)?;
    // The offset of memory without a file means nothing.
    let offset = Ask {
        offset: 7 << 12,
        ..anonymous
    };
    ask(offset).map(drop).told("offset")?;
    // Bits of access that no kernel knows are ignored.
    let access = Ask {
        protection: 0x1000 | READ,
        ..anonymous
    };
    ask(access).map(drop).told("access")
}

fn fixed() -> Verdict {
    let at = |at: u64| {
        Region::ask(&Ask {
            at,
            ..flags(PRIVATE | ANON | FIXED)
        })
    };
    fails("odd", at(0x10_0001), Errno::INVAL)?;
    for above in [1 << 47, (1 << 47) - 4096, u64::MAX - 4095] {
        fails("above", at(above), Errno::NOMEM)?;
    }
    let region = private(5)?;
    (0..5).for_each(|page| region.write(page * PAGE, 7));
    region
        .replace((1, 2), READ | WRITE, PRIVATE | ANON | FIXED)
        .told("mmap")?;
    let bytes = [0, 1, 2, 3, 4].map(|page| region.read(page * PAGE));
    same("bytes", bytes, [7, 0, 0, 7, 7])?;
    // Who may map low addresses is a setting (vm.mmap_min_addr).
    let floor = super::proc::text("sys/vm/mmap_min_addr")?;
    isolated(|| {
        capset(CAP_VERSIONS[2], 0, [0; 3]).told("capset")?;
        match floor.trim() {
            "0" => Ok(()),
            _ => fails("low", at(0), Errno::PERM),
        }
    })
}

fn fixed_without_replacing() -> Verdict {
    let region = private(5)?;
    let place = |first: usize, pages: usize| {
        let at = region.address(first * PAGE);
        let bytes = pages * PAGE;
        Region::ask(&Ask {
            at,
            bytes,
            ..flags(PRIVATE | ANON | NOREPLACE)
        })
    };
    region.write(0, 7);
    for part in [(0, 1), (4, 1), (0, 5)] {
        fails("taken", place(part.0, part.1), Errno::EXIST)?;
    }
    region.unmap(1, 2).told("munmap")?;
    fails("partly", place(1, 3), Errno::EXIST)?;
    let there = place(1, 2).told("free")?;
    same("place", there.address(0), region.address(PAGE))?;
    same("kept", region.read(0), 7)?;
    let odd = Ask {
        at: region.address(1),
        ..flags(PRIVATE | ANON | NOREPLACE)
    };
    fails("odd", Region::ask(&odd), Errno::INVAL)
}

fn hints() -> Verdict {
    let at = |at: u64| {
        Region::ask(&Ask {
            at,
            ..Ask::default()
        })
        .told("mmap")
    };
    let region = private(8)?;
    let taken = at(region.address(0))?;
    let own = region.address(0)..region.address(8 * PAGE);
    check(!own.contains(&taken.address(0)), || "in the way".into())?;
    region.unmap(2, 4).told("munmap")?;
    let free = at(region.address(3 * PAGE))?;
    same("free", free.address(0), region.address(3 * PAGE))?;
    // Down to the page.
    let odd = at(region.address(4 * PAGE + 1))?;
    same("odd", odd.address(0), region.address(4 * PAGE))?;
    for wild in [1 << 47, u64::MAX, 1 << 63] {
        let elsewhere = at(wild)?.address(0);
        check(elsewhere < 1 << 47, || format!("{elsewhere:#x}"))?;
    }
    check(at(1)?.address(0) >= 65536, || "below the floor".into())
}

fn low() -> Verdict {
    let ask = Ask {
        bytes: 4 * PAGE,
        ..flags(PRIVATE | ANON | LOW)
    };
    let (one, other) = (
        Region::ask(&ask).told("mmap")?,
        Region::ask(&ask).told("mmap")?,
    );
    for region in [&one, &other] {
        let (start, end) = (region.address(0), region.address(4 * PAGE));
        check(start >= 1 << 30 && end <= 1 << 31, || format!("{start:#x}"))?;
        region.write(0, 1);
    }
    let much = Ask {
        bytes: 1 << 31,
        ..ask
    };
    fails("too much", Region::ask(&much), Errno::NOMEM)
}

/// A region whose last page is a stack, with free pages below.
fn stack(pages: usize) -> Result<Region, String> {
    let region = private(pages)?;
    region.unmap(0, pages - 1).told("munmap")?;
    let how = PRIVATE | ANON | FIXED | DOWN;
    region
        .replace((pages - 1, 1), READ | WRITE, how)
        .told("mmap")?;
    Ok(region)
}

fn grows_down() -> Verdict {
    let region = stack(600)?;
    (0..599)
        .rev()
        .step_by(100)
        .for_each(|page| region.write(page * PAGE, 1));
    let areas = super::proc_memory::areas(&region)?;
    let first = areas.first().map(|(first, ..)| *first);
    same("grown to", first, Some(98))?;
    for kind in [SHARED | ANON | DOWN, VALIDATE | ANON | DOWN] {
        fails("shared", Region::ask(&flags(kind)), Errno::INVAL)?;
    }
    with_file(PAGE, |_, file| {
        let of_file = Ask {
            file: Some(file.as_fd()),
            ..flags(PRIVATE | DOWN)
        };
        fails("of a file", Region::ask(&of_file), Errno::INVAL)
    })
}

fn grows_to_its_guard() -> Verdict {
    let region = stack(600)?;
    // 256 pages below it stay free.
    region
        .replace((0, 100), READ | WRITE, PRIVATE | ANON | FIXED)
        .told("mmap")?;
    region.write(356 * PAGE, 1);
    faults(&region, 355 * PAGE, true, (SEGV, MAPERR))?;
    let hint = Ask {
        at: region.address(200 * PAGE),
        ..Ask::default()
    };
    let other = Region::ask(&hint).told("mmap")?;
    check(other.address(0) != hint.at, || "in the guard".into())?;
    // What cannot be touched guards by itself.
    region
        .protect(0, 100, berth_sys::memory::Access::None)
        .told("mprotect")?;
    exits(0, || {
        region.write(300 * PAGE, 1);
        0
    })
}

fn populated() -> Verdict {
    let ask = |flags: i32, protection: i32| {
        let bytes = 8 * PAGE;
        Region::ask(&Ask {
            bytes,
            flags,
            protection,
            ..Ask::default()
        })
        .told("mmap")
    };
    let resident = |region: &Region| region.resident(0, 8).told("mincore");
    let all = vec![true; 8];
    same(
        "at first",
        resident(&ask(PRIVATE | ANON, READ | WRITE)?)?,
        vec![false; 8],
    )?;
    let both = READ | WRITE;
    same(
        "private",
        resident(&ask(PRIVATE | ANON | POPULATE, both)?)?,
        all.clone(),
    )?;
    same(
        "shared",
        resident(&ask(SHARED | ANON | POPULATE, both)?)?,
        all.clone(),
    )?;
    same(
        "locked",
        resident(&ask(PRIVATE | ANON | LOCKED, both)?)?,
        all.clone(),
    )?;
    let nothing = ask(PRIVATE | ANON | POPULATE, 0)?;
    same("not allowed", resident(&nothing)?, vec![false; 8])?;
    with_file(4 * PAGE, |_, file| {
        let file = Some(file.as_fd());
        let how = flags(PRIVATE | POPULATE);
        let region = Region::ask(&Ask {
            bytes: 8 * PAGE,
            file,
            ..how
        })
        .told("longer than its file")?;
        same("bytes", region.read(3 * PAGE), b'a')
    })
}

fn unreserved() -> Verdict {
    let bytes = 1 << 40;
    let how = flags(PRIVATE | ANON | NORESERVE);
    let region = Region::ask(&Ask { bytes, ..how }).told("unreserved")?;
    region.write((1 << 40) - 1, 7);
    same("byte", region.read((1 << 40) - 1), 7)?;
    let nothing = Ask {
        bytes,
        protection: 0,
        ..Ask::default()
    };
    Region::ask(&nothing).map(drop).told("not accessible")
}

fn validated() -> Verdict {
    with_file(PAGE, |path, file| {
        let ask = |flags: i32| {
            let file = Some(file.as_fd());
            Region::ask(&Ask {
                file,
                flags,
                ..Ask::default()
            })
        };
        let region = ask(VALIDATE | POPULATE).told("known flags")?;
        region.write(0, b'b');
        let text = fs::read(path).told("read")?;
        same("file", text.first(), Some(&b'b'))?;
        fails("unknown", ask(VALIDATE | 0x20_0000), Errno::OPNOTSUPP)?;
        ask(VALIDATE | 0x400_0000).map(drop).told("known to all")?;
        fails("synchronous", ask(VALIDATE | SYNC), Errno::OPNOTSUPP)?;
        // The older types do not look.
        ask(SHARED | 0x20_0000)
            .map(drop)
            .told("unknown to MAP_SHARED")
    })
}

fn by_open_mode() -> Verdict {
    with_file(PAGE, |path, file| {
        let ask = |mode: OFlags, flags: i32, protection: i32| {
            let file = open(path, mode, Mode::empty()).told("open")?;
            let ask = Ask {
                file: Some(file.as_fd()),
                flags,
                protection,
                ..Ask::default()
            };
            Ok::<_, String>(Region::ask(&ask))
        };
        let (read, write) = (OFlags::RDONLY, OFlags::WRONLY);
        for (kind, access) in [
            (SHARED, READ),
            (SHARED, WRITE),
            (PRIVATE, READ),
            (PRIVATE, 0),
        ] {
            fails("write-only", ask(write, kind, access)?, Errno::ACCESS)?;
        }
        fails("read-only", ask(read, SHARED, READ | WRITE)?, Errno::ACCESS)?;
        fails("read-only", ask(read, SHARED, WRITE)?, Errno::ACCESS)?;
        fails("a place", ask(OFlags::PATH, PRIVATE, READ)?, Errno::BADF)?;
        ask(read, PRIVATE, READ | WRITE)?
            .map(drop)
            .told("private")?;
        let region = ask(read, SHARED, READ)?.told("shared")?;
        let made = region.call(OnPages::Mprotect, (0, 1), READ | WRITE);
        fails("made writable", made, Errno::ACCESS)?;
        let private = ask(read, PRIVATE, READ)?.told("private")?;
        private
            .call(OnPages::Mprotect, (0, 1), READ | WRITE)
            .told("mprotect")?;
        private.write(0, b'b');
        let shared = Region::file(file.as_fd(), 1, Sharing::Shared).told("mmap")?;
        same("file", shared.read(0), b'a')
    })
}

fn of_what_has_no_memory() -> Verdict {
    let (reader, writer) = crate::small::pipe().told("pipe")?;
    let of = |file: &File| {
        let ask = Ask {
            file: Some(file.as_fd()),
            protection: READ,
            ..flags(PRIVATE)
        };
        Region::ask(&ask)
    };
    fails("a pipe", of(&reader), Errno::NODEV)?;
    fails("its other end", of(&writer), Errno::ACCESS)?;
    for path in ["/", "/dev/null", "/proc/self/status"] {
        let file = File::open(path).told(path)?;
        // A file of proc says something else.
        let errno = match of(&file) {
            Err(Errno::IO) if path.starts_with("/proc") => Errno::NODEV,
            Err(errno) => errno,
            Ok(_) => return Err(format!("{path} was mapped")),
        };
        same(path, errno, Errno::NODEV)?;
    }
    let zero = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/zero")
        .told("open")?;
    for sharing in [Sharing::Private, Sharing::Shared] {
        let region = Region::file(zero.as_fd(), 2, sharing).told("zeros")?;
        region.write(PAGE, 5);
        exits(0, || {
            let seen = region.read(PAGE);
            region.write(PAGE, 6);
            i32::from(seen != 5)
        })?;
        let wanted = if sharing == Sharing::Shared { 6 } else { 5 };
        same("after the child", region.read(PAGE), wanted)?;
        same("elsewhere", region.read(0), 0)?;
    }
    Ok(())
}

fn offsets() -> Verdict {
    with_file(3 * PAGE, |_, file| {
        file.set_len(3 * PAGE as u64).told("truncate")?;
        std::os::unix::fs::FileExt::write_all_at(file, b"c", 2 * PAGE as u64).told("write")?;
        let ask = |offset: u64, bytes: usize| {
            let file = Some(file.as_fd());
            Region::ask(&Ask {
                file,
                offset,
                bytes,
                ..flags(SHARED)
            })
        };
        same("third page", ask(2 << 12, PAGE).told("mmap")?.read(0), b'c')?;
        fails("odd", ask(100, PAGE), Errno::INVAL)?;
        let last = i64::MAX as u64 - 4095;
        fails("around the end", ask(last, 2 * PAGE), Errno::OVERFLOW)?;
        fails("negative", ask(1 << 63, PAGE), Errno::OVERFLOW)?;
        // Behind the file's end there may be a mapping, but no page.
        let behind = ask(8 << 12, PAGE).told("behind the end")?;
        faults(&behind, 0, false, (BUS, ADRERR))
    })
}
