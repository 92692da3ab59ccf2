//! A group's share of the CPU: `cpu.*`. Microseconds are told and taken.

use super::number;
use super::table::{File, Where};
use crate::cgroup::GroupId;
use crate::cgroup::cpu::Weight;
use crate::cgroup::cpu::bandwidth::Limit;
use crate::error::{Errno, Stop};
use crate::machine::Machine;
use crate::sched::{account, control};
use crate::views::text::{Text, put};
use crate::{Cx, Kernel};

/// What every group tells, whether it has the controller or not.
pub(super) const ALWAYS: &[File] = &[File::new("cpu.stat", stat).on(Where::Everywhere)];

pub(super) const FILES: &[File] = &[
    File::new("cpu.idle", idle).stored(set_idle),
    File::new("cpu.max", max).stored(set_max),
    File::new("cpu.max.burst", burst).stored(set_burst),
    File::new("cpu.weight", weight).stored(set_weight),
    File::new("cpu.weight.nice", nice).stored(set_nice),
];

/// Nanoseconds in a microsecond.
const MICRO: u64 = 1000;

type Done = Result<(), Stop>;

fn stat(k: &mut Kernel, m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    // The reader's own call so far counts, too.
    account::until(k, m.now(), account::Mode::System);
    let times = account::times(k, group);
    put!(text, "usage_usec {}\n", times.total() / MICRO);
    put!(text, "user_usec {}\n", times.user / MICRO);
    put!(text, "system_usec {}\n", times.system / MICRO);
    put!(text, "nice_usec {}\n", times.nice / MICRO);
    if k.groups
        .controllers(group)
        .contains(super::Controllers::CPU)
    {
        let stats = control::stats(k, group);
        put!(text, "nr_periods {}\n", stats.periods);
        put!(text, "nr_throttled {}\n", stats.throttled_periods);
        put!(text, "throttled_usec {}\n", stats.throttled / MICRO);
        put!(text, "nr_bursts {}\n", stats.bursts);
        put!(text, "burst_usec {}\n", stats.burst_time / MICRO);
    }
    Ok(())
}

/// What a group weighs.
fn of(k: &Kernel, group: GroupId) -> Weight {
    let cpu = k.groups.cpu(group);
    cpu.map_or_else(Weight::default, |cpu| cpu.effective_weight())
}

fn weight(k: &mut Kernel, _m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    put!(text, "{}\n", of(k, group).shares());
    Ok(())
}

fn set_weight(k: &mut Kernel, _cx: &mut Cx, group: GroupId, text: &str) -> Done {
    let shares = number::unsigned(number::strip(text))?;
    if !(1..=10_000).contains(&shares) {
        return Err(Errno::ERANGE.into());
    }
    Ok(control::set_weight(k, group, Weight::of_shares(shares))?)
}

fn nice(k: &mut Kernel, _m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    put!(text, "{}\n", of(k, group).niceness());
    Ok(())
}

fn set_nice(k: &mut Kernel, _cx: &mut Cx, group: GroupId, text: &str) -> Done {
    let nice = number::signed(number::strip(text))?;
    let nice = i8::try_from(nice).ok().filter(|n| (-20..=19).contains(n));
    let weight = Weight::of_niceness(nice.ok_or(Errno::ERANGE)?);
    Ok(control::set_weight(k, group, weight)?)
}

fn idle(k: &mut Kernel, _m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    let idle = k.groups.cpu(group).is_some_and(|cpu| cpu.idle);
    put!(text, "{}\n", u8::from(idle));
    Ok(())
}

fn set_idle(k: &mut Kernel, _cx: &mut Cx, group: GroupId, text: &str) -> Done {
    let idle = match number::signed(number::strip(text))? {
        0 => false,
        1 => true,
        _ => return Err(Errno::EINVAL.into()),
    };
    control::set_idle(k, group, idle);
    Ok(())
}

fn max(k: &mut Kernel, _m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    let limit = control::limit(k, group);
    match limit.quota {
        Some(quota) => put!(text, "{}", quota / MICRO),
        None => put!(text, "max"),
    }
    put!(text, " {}\n", limit.period / MICRO);
    Ok(())
}

fn set_max(k: &mut Kernel, _cx: &mut Cx, group: GroupId, text: &str) -> Done {
    let old = control::limit(k, group);
    let (quota, period) = parse_max(text)?;
    let limit = Limit {
        quota,
        period: period.unwrap_or(old.period),
        ..old
    };
    Ok(control::set_limit(k, group, limit)?)
}

/// A quota or `max`, and a period, in nanoseconds. As on Linux, which scans them, what follows the
/// digits of either is ignored, and so is a period that is no number.
fn parse_max(text: &str) -> Result<(Option<u64>, Option<u64>), Errno> {
    let mut words = text.split(|c: char| matches!(c, ' ' | '\t'..='\r'));
    let mut next = || words.find(|word| !word.is_empty());
    let quota = match next().ok_or(Errno::EINVAL)? {
        "max" => None,
        word => Some(scan(word).ok_or(Errno::EINVAL)?),
    };
    Ok((quota, next().and_then(scan)))
}

/// The digits at the beginning of a word, as microseconds; too many are as much as can be.
fn scan(word: &str) -> Option<u64> {
    let digits = word.bytes().map_while(|b| char::from(b).to_digit(10));
    let add = |sum: u64, digit: u32| sum.saturating_mul(10).saturating_add(u64::from(digit));
    let value = digits.fold(None, |sum, digit| Some(add(sum.unwrap_or(0), digit)));
    value.map(|value: u64| value.saturating_mul(MICRO))
}

fn burst(k: &mut Kernel, _m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    put!(text, "{}\n", control::limit(k, group).burst / MICRO);
    Ok(())
}

fn set_burst(k: &mut Kernel, _cx: &mut Cx, group: GroupId, text: &str) -> Done {
    let burst = number::unsigned(number::strip(text))?;
    let burst = burst.checked_mul(MICRO).ok_or(Errno::EINVAL)?;
    Ok(control::set_burst(k, group, burst)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_scanned_as_on_linux() {
        let ms = |n: u64| Some(n * 1_000_000);
        let good = [
            ("max", (None, None)),
            ("max 100000\n", (None, ms(100))),
            ("10000", (ms(10), None)),
            (" \t10000  50000 rest\n", (ms(10), ms(50))),
            ("10000us 50000us", (ms(10), ms(50))),
            ("10000 -5", (ms(10), None)),
            ("10000 max", (ms(10), None)),
            ("0x10", (Some(0), None)),
            ("99999999999999999999999", (Some(u64::MAX), None)),
        ];
        for (text, limit) in good {
            assert_eq!(parse_max(text), Ok(limit), "{text:?}");
        }
        for text in ["", "\n", " ", "-1", "+1", "maximal", "Max", "x10", "ä"] {
            assert_eq!(parse_max(text), Err(Errno::EINVAL), "{text:?}");
        }
    }
}
