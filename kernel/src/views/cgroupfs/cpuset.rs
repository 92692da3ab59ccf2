//! Which CPUs and memory nodes a group uses: `cpuset.*`. There is one of each, number 0, so that a
//! group has that, whether it says so or not.

use super::number;
use super::table::{File, Where};
use crate::cgroup::{Cpuset, GroupId};
use crate::error::{Errno, Stop};
use crate::machine::Machine;
use crate::views::text::{Text, put};
use crate::{Cx, Kernel};

pub(super) const FILES: &[File] = &[
    File::new("cpuset.cpus", |k, _, group, text| {
        list(text, k.groups.cpuset(group).cpus)
    })
    .stored(set_cpus),
    File::new("cpuset.cpus.effective", effective).on(Where::Everywhere),
    File::new("cpuset.mems", |k, _, group, text| {
        list(text, k.groups.cpuset(group).mems)
    })
    .stored(set_mems),
    File::new("cpuset.mems.effective", effective).on(Where::Everywhere),
];

type Done = Result<(), Stop>;

/// The only number, or nothing.
fn list(text: &mut Text, has: bool) -> Done {
    put!(text, "{}\n", if has { "0" } else { "" });
    Ok(())
}

fn effective(_k: &mut Kernel, _m: &mut dyn Machine, _group: GroupId, text: &mut Text) -> Done {
    list(text, true)
}

fn set_cpus(k: &mut Kernel, _cx: &mut Cx, group: GroupId, text: &str) -> Done {
    let cpus = parse(text)?;
    let cpuset = k.groups.cpuset(group);
    k.groups.set_cpuset(group, Cpuset { cpus, ..cpuset });
    Ok(())
}

fn set_mems(k: &mut Kernel, _cx: &mut Cx, group: GroupId, text: &str) -> Done {
    let mems = parse(text)?;
    let cpuset = k.groups.cpuset(group);
    k.groups.set_cpuset(group, Cpuset { mems, ..cpuset });
    Ok(())
}

/// Whether a list of numbers and ranges (cpuset(7), "List format") has the 0; it is the only one
/// that exists.
///
/// # Errors
/// EINVAL for what is no list or has others, ERANGE for numbers that no list can have.
fn parse(text: &str) -> Result<bool, Errno> {
    let text = number::strip(text);
    let mut has = false;
    for part in text.split(',').map(number::strip).filter(|p| !p.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match (decimal(first)?, decimal(last)?) {
            (0, 0) => has = true,
            (first, last) if first > last => return Err(Errno::EINVAL),
            (_, last) if last >= BITS => return Err(Errno::ERANGE),
            // There is no such CPU, and no such node.
            _ => return Err(Errno::EINVAL),
        }
    }
    Ok(has)
}

/// Numbers that a list has room for.
const BITS: u32 = 64;

fn decimal(text: &str) -> Result<u32, Errno> {
    match text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse().map_err(|_| Errno::EINVAL),
        false => Err(Errno::EINVAL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_the_zero_or_nothing() {
        for (text, has) in [
            ("", false),
            ("\n", false),
            ("0", true),
            ("0-0\n", true),
            (" 0 , 0 ", true),
        ] {
            assert_eq!(parse(text), Ok(has), "{text:?}");
        }
        for text in [
            "1", "0-1", "0,1", "a", "0-", "-0", "+0", "0x0", "1-0", "0 0",
        ] {
            assert_eq!(parse(text), Err(Errno::EINVAL), "{text:?}");
        }
        assert_eq!(parse("0-64"), Err(Errno::ERANGE));
    }
}
