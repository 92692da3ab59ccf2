//! What /proc/PID tells of memory.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use berth_sys::memory::{Access, PAGE, Region, Sharing};

use super::files::in_directory;
use super::proc::{field, number, text};
use super::{Case, Told, Verdict, check, same};

pub const CASES: &[Case] = &[
    ("proc/maps", maps),
    ("proc/maps-follow-mmap", maps_follow_mmap),
    ("proc/maps-of-files", maps_of_files),
    (
        "proc/maps-with-thousands-of-lines",
        maps_with_thousands_of_lines,
    ),
    ("proc/maps-read-anywhere", maps_read_anywhere),
    ("proc/pages-of-areas", pages_of_areas),
    ("proc/pages-of-all-areas", pages_of_all_areas),
    ("proc/sizes", sizes),
    ("proc/sizes-agree", sizes_agree),
    ("proc/sizes-grow", sizes_grow),
];

/// A line of maps: range, access, offset, path.
struct Line {
    start: u64,
    end: u64,
    access: String,
    offset: u64,
    path: String,
}

fn line(text: &str) -> Option<Line> {
    let mut words = text.split_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let access = words.next()?.to_owned();
    let offset = hex(words.next()?)?;
    let (device, inode) = (words.next()?, words.next()?);
    let right = device.len() == 5 && inode.parse::<u64>().is_ok() && access.len() == 4;
    right.then_some(())?;
    let path = words.collect::<Vec<_>>().join(" ");
    // The path stands in column 74.
    let column = text.find(&path).unwrap_or(0);
    (path.is_empty() || column == 73).then_some(())?;
    Some(Line {
        start: hex(start)?,
        end: hex(end)?,
        access,
        offset,
        path,
    })
}

fn lines(text: &str) -> Result<Vec<Line>, String> {
    let lines: Option<Vec<Line>> = text.lines().map(line).collect();
    let lines = lines.ok_or("a line that is none")?;
    for pair in lines.windows(2) {
        if let [one, next] = pair {
            let right = one.start < one.end && one.end <= next.start;
            check(right, || format!("{:x} before {:x}", one.end, next.start))?;
        }
    }
    Ok(lines)
}

fn own_lines() -> Result<Vec<Line>, String> {
    lines(&text("self/maps")?)
}

/// The areas of a region, as maps tells: the first page, the first behind it, access.
pub fn areas(region: &Region) -> Result<Vec<(u64, u64, String)>, String> {
    let page = PAGE as u64;
    let (start, end) = (region.address(0), region.address(region.pages() * PAGE));
    let here = |l: &Line| l.start < end && start < l.end;
    let part = |l: Line| {
        let (from, to) = (l.start.max(start), l.end.min(end));
        ((from - start) / page, (to - start) / page, l.access)
    };
    Ok(own_lines()?.into_iter().filter(here).map(part).collect())
}

fn maps() -> Verdict {
    let lines = own_lines()?;
    let exe = fs::read_link("/proc/self/exe").told("exe")?;
    let exe = exe.display().to_string();
    let code = lines.iter().find(|l| l.path == exe && l.access == "r-xp");
    let here = maps as *const () as u64;
    let code = code.ok_or("no code")?;
    check(code.start <= here && here < code.end, || {
        "code elsewhere".into()
    })?;
    let local = 0u8;
    let here = &raw const local as u64;
    let stack = lines
        .iter()
        .find(|l| l.path == "[stack]")
        .ok_or("no stack")?;
    check(stack.start <= here && here < stack.end, || {
        "stack elsewhere".into()
    })?;
    same("stack", stack.access.as_str(), "rw-p")
}

fn maps_follow_mmap() -> Verdict {
    let region = Region::anonymous(5, Sharing::Private).told("mmap")?;
    region.protect(1, 1, Access::None).told("mprotect")?;
    region.protect(2, 1, Access::Read).told("mprotect")?;
    region.protect(3, 1, Access::Execute).told("mprotect")?;
    let lines = own_lines()?;
    let access = |page: usize| {
        let at = region.address(page.saturating_mul(PAGE));
        let line = lines.iter().find(|l| l.start <= at && at < l.end);
        line.map_or("", |l| l.access.as_str())
    };
    let found = [0, 1, 2, 3, 4].map(access);
    same("access", found, ["rw-p", "---p", "r--p", "r-xp", "rw-p"])?;
    let shared = Region::anonymous(1, Sharing::Shared).told("mmap")?;
    let lines = own_lines()?;
    let line = lines
        .iter()
        .find(|l| l.start == shared.address(0))
        .ok_or("no line")?;
    same("shared", line.access.as_str(), "rw-s")?;
    same("its name", line.path.as_str(), "/dev/zero (deleted)")
}

fn maps_of_files() -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        fs::write(&path, vec![1; 3 * PAGE]).told("write")?;
        let file = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .told("open")?;
        let region = Region::file(file.as_fd(), 3, Sharing::Shared).told("mmap")?;
        region.protect(1, 1, Access::Read).told("mprotect")?;
        let find = |page: usize| -> Result<Line, String> {
            let at = region.address(page.saturating_mul(PAGE));
            own_lines()?
                .into_iter()
                .find(|l| l.start == at)
                .ok_or("no line".to_owned())
        };
        let middle = find(1)?;
        same("path", middle.path, path.display().to_string())?;
        same("access", middle.access.as_str(), "r--s")?;
        same("offset", middle.offset, PAGE as u64)?;
        fs::remove_file(&path).told("unlink")?;
        same(
            "path",
            find(2)?.path,
            format!("{} (deleted)", path.display()),
        )
    })
}

/// Every second page can only be read: as many areas as pages.
fn many(pages: usize) -> Result<Region, String> {
    let region = Region::anonymous(pages, Sharing::Private).told("mmap")?;
    for page in (0..pages).step_by(2) {
        region.protect(page, 1, Access::Read).told("mprotect")?;
    }
    Ok(region)
}

fn maps_with_thousands_of_lines() -> Verdict {
    const PAGES: usize = 3000;
    let region = many(PAGES)?;
    let (start, end) = (
        region.address(0),
        region.address(PAGES.saturating_mul(PAGE)),
    );
    for size in [100, 4096, 1 << 20] {
        let mut file = File::open("/proc/self/maps").told("open")?;
        let mut bytes = Vec::new();
        let mut buffer = vec![0; size];
        loop {
            let count = file.read(&mut buffer).told("read")?;
            if count == 0 {
                break;
            }
            bytes.extend_from_slice(buffer.get(..count).unwrap_or_default());
        }
        let whole = String::from_utf8(bytes).told("text")?;
        let lines = lines(&whole)?;
        let inside = lines.iter().filter(|l| l.start < end && l.end > start);
        let count = inside.count();
        // The last page may be one with what is behind it.
        check(count >= PAGES.saturating_sub(1), || {
            format!("{count} lines by {size}")
        })?;
    }
    Ok(())
}

fn maps_read_anywhere() -> Verdict {
    let _region = many(500)?;
    // Nothing is to be mapped while the file is read.
    let mut whole = String::with_capacity(1 << 20);
    let file = File::open("/proc/self/maps").told("open")?;
    let mut buffer = vec![0; 64 << 10];
    let mut at = 0;
    loop {
        let count = file.read_at(&mut buffer, at).told("pread")?;
        if count == 0 {
            break;
        }
        at = at.saturating_add(count as u64);
        let text = std::str::from_utf8(buffer.get(..count).unwrap_or_default());
        whole.push_str(text.told("text")?);
    }
    let count = whole.lines().count();
    check(count > 500, || format!("{count} lines"))?;
    // Backwards, and into the middle of lines.
    for at in [20_000, 10_001, 77, 15_003] {
        let mut part = [0; 50];
        let count = file.read_at(&mut part, at).told("pread")?;
        let from = usize::try_from(at).told("offset")?;
        let wanted = whole.as_bytes().get(from..from.saturating_add(count));
        same("bytes", part.get(..count), wanted)?;
        check(count > 0, || format!("nothing at {at}"))?;
    }
    Ok(())
}

fn pages_of_areas() -> Verdict {
    let region = Region::anonymous(64, Sharing::Private).told("mmap")?;
    // An area of its own, whatever lies beside it.
    region.protect(0, 1, Access::None).told("mprotect")?;
    region.protect(63, 1, Access::None).told("mprotect")?;
    for page in 1..11 {
        region.write(page * PAGE, 1);
    }
    let smaps = text("self/smaps")?;
    let head = format!(
        "{:08x}-{:08x} rw-p",
        region.address(PAGE),
        region.address(63 * PAGE)
    );
    let (_, area) = smaps.split_once(&head).ok_or("no such area")?;
    let (area, _) = area.split_once("VmFlags:").ok_or("no flags")?;
    same("Size", number(area, "Size")?, 62 * 4)?;
    same("Rss", number(area, "Rss")?, 40)?;
    same("Pss", number(area, "Pss")?, 40)?;
    same("Private_Dirty", number(area, "Private_Dirty")?, 40)?;
    same("Anonymous", number(area, "Anonymous")?, 40)?;
    same("Shared_Dirty", number(area, "Shared_Dirty")?, 0)
}

fn pages_of_all_areas() -> Verdict {
    let region = Region::anonymous(1500, Sharing::Private).told("mmap")?;
    (0..1500).for_each(|page| region.write(page * PAGE, 1));
    let sums = text("self/smaps_rollup")?;
    check(
        sums.lines()
            .next()
            .is_some_and(|line| line.ends_with("[rollup]")),
        || sums.clone(),
    )?;
    let areas = text("self/smaps")?;
    let of_all = |name: &str| -> u64 {
        let lines = areas.lines().filter(|line| line.starts_with(name));
        lines
            .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
            .sum()
    };
    for (name, slack) in [("Rss", 1024), ("Private_Dirty", 1024)] {
        let (sum, all) = (number(&sums, name)?, of_all(&format!("{name}:")));
        check(sum >= 6000 && sum.abs_diff(all) <= slack, || {
            format!("{name}: {sum}, {all} of all areas")
        })?;
    }
    Ok(())
}

fn sizes() -> Verdict {
    let status = text("self/status")?;
    let of = |name: &str| number(&status, name);
    check(of("VmPeak")? >= of("VmSize")?, || "VmPeak".into())?;
    check(of("VmHWM")? >= of("VmRSS")?, || "VmHWM".into())?;
    let parts = of("RssAnon")?
        .saturating_add(of("RssFile")?)
        .saturating_add(of("RssShmem")?);
    same("VmRSS", of("VmRSS")?, parts)?;
    check(
        of("VmExe")? > 0 && of("VmStk")? > 0 && of("VmData")? > 0,
        || status.clone(),
    )?;
    for name in ["VmLck", "VmPin", "VmLib", "VmSwap"] {
        check(field(&status, name)?.ends_with(" kB"), || name.into())?;
    }
    Ok(())
}

/// statm counts in pages what status tells in kB.
fn sizes_agree() -> Verdict {
    let words = || -> Result<Vec<u64>, String> {
        let statm = text("self/statm")?;
        Ok(statm.split_whitespace().flat_map(str::parse).collect())
    };
    // Reading takes memory, too: the size of one moment lies between those before and after it.
    let before = words()?;
    let size = number(&text("self/status")?, "VmSize")?;
    let after = words()?;
    same("numbers", before.len(), 7)?;
    let kib = |words: &[u64]| words.first().map_or(0, |pages| pages.saturating_mul(4));
    let (least, most) = (kib(&before), kib(&after));
    check(least <= size && size <= most, || {
        format!("VmSize {size}, statm {least} before and {most} after")
    })?;
    check(before.get(1) <= before.first(), || format!("{before:?}"))
}

fn sizes_grow() -> Verdict {
    const PAGES: usize = 1024;
    let before = text("self/status")?;
    let region = Region::anonymous(PAGES, Sharing::Private).told("mmap")?;
    (0..PAGES).for_each(|page| region.write(page.saturating_mul(PAGE), 1));
    let with = text("self/status")?;
    drop(region);
    let after = text("self/status")?;
    let kib = (PAGES * PAGE / 1024) as u64;
    for name in ["VmSize", "VmRSS", "RssAnon", "VmData", "VmPeak", "VmHWM"] {
        let more = number(&with, name)?.saturating_sub(number(&before, name)?);
        // What was there before may have been less than the peak.
        let least = if name == "VmHWM" || name == "VmPeak" {
            0
        } else {
            kib
        };
        check(more >= least && more < kib.saturating_add(2048), || {
            format!("{name} grew by {more} kB")
        })?;
    }
    let left = number(&after, "VmRSS")?;
    check(
        left.saturating_add(kib / 2) < number(&with, "VmRSS")?,
        || format!("{left} kB are left"),
    )?;
    let peak = number(&after, "VmHWM")?;
    check(peak.saturating_add(512) >= number(&with, "VmRSS")?, || {
        format!("VmHWM {peak}")
    })
}
