//! Whether a control group's counters are those of known work.

use std::fs::{self, File};
use std::io::Write;

use berth_sys::memory::{PAGE, Region, Sharing};

use crate::{Done, failed};

/// Takes `count` pages of each kind in the group whose directory is `group`, which it is in, and
/// prints by how many pages each counter of `memory.stat` grew, and shrank again.
pub fn counted(group: &str, count: usize) -> Done {
    let stat = format!("{group}/memory.stat");
    // The first reads and the first line take what reading and printing takes.
    let start = pages(&stat)?;
    report("start", start, start);
    let at_first = pages(&stat)?;
    let private = touched(count, Sharing::Private)?;
    report("private", at_first, pages(&stat)?);
    drop(private);
    let shared = touched(count, Sharing::Shared)?;
    report("shared", at_first, pages(&stat)?);
    drop(shared);
    let name = "/tmp/pages";
    write(name, count).map_err(|error| failed(format!("{name}: {error}")))?;
    report("file", at_first, pages(&stat)?);
    fs::remove_file(name).map_err(|error| failed(format!("{name}: {error}")))?;
    report("after", at_first, pages(&stat)?);
    Ok(())
}

fn touched(count: usize, sharing: Sharing) -> Result<Region, crate::Failure> {
    let region = Region::anonymous(count, sharing)
        .map_err(|error| failed(format!("{count} pages: {error}")))?;
    (0..count).for_each(|n| region.write(n * PAGE, 1));
    Ok(region)
}

fn write(name: &str, count: usize) -> std::io::Result<()> {
    let mut file = File::create(name)?;
    (0..count).try_for_each(|_| file.write_all(&[1; PAGE]))
}

fn report(what: &str, from: (i64, i64), to: (i64, i64)) {
    println!("{what} anon {} file {}", to.0 - from.0, to.1 - from.1);
}

/// Pages that are private memory and pages of files.
fn pages(stat: &str) -> Result<(i64, i64), crate::Failure> {
    let text = fs::read_to_string(stat).map_err(|error| failed(format!("{stat}: {error}")))?;
    let of = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(name));
        let bytes = lines.next().and_then(|bytes| bytes.trim().parse().ok());
        let bytes: i64 = bytes.ok_or_else(|| failed(format!("{stat} has no {name}")))?;
        Ok(bytes / PAGE as i64)
    };
    Ok((of("anon ")?, of("file ")?))
}
