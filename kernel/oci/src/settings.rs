//! What the limits of a configuration are in files of control groups (cgroup v2).

use crate::config::{CPU_PERIOD_DEFAULT, OciResources};
use alloc::borrow::Cow;
use alloc::string::ToString;
use core::fmt;

/// What is written to a file of the control group. `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting<'c> {
    /// `memory.max`: bytes.
    MemoryMax(Option<u64>),
    /// `memory.low`: bytes.
    MemoryLow(Option<u64>),
    /// `cpu.idle`.
    CpuIdle(bool),
    /// `cpu.weight`: 1 to 10000.
    CpuWeight(u32),
    /// `cpu.max`: microseconds of each period of so many.
    CpuMax(Option<u64>, u64),
    /// `cpu.max.burst`: microseconds.
    CpuBurst(u64),
    /// `cpuset.cpus`: a list such as `0-3,7`.
    Cpus(&'c str),
    /// `cpuset.mems`: a list.
    Mems(&'c str),
    /// `pids.max`: tasks.
    PidsMax(Option<u64>),
    /// A file by its name, and the text for it.
    File(&'c str, &'c str),
}

impl<'c> Setting<'c> {
    /// The file's name.
    #[must_use]
    pub const fn file(&self) -> &'c str {
        match self {
            Self::MemoryMax(_) => "memory.max",
            Self::MemoryLow(_) => "memory.low",
            Self::CpuIdle(_) => "cpu.idle",
            Self::CpuWeight(_) => "cpu.weight",
            Self::CpuMax(..) => "cpu.max",
            Self::CpuBurst(_) => "cpu.max.burst",
            Self::Cpus(_) => "cpuset.cpus",
            Self::Mems(_) => "cpuset.mems",
            Self::PidsMax(_) => "pids.max",
            Self::File(name, _) => name,
        }
    }
}

/// The text that is written.
impl fmt::Display for Setting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MemoryMax(Some(limit)) | Self::MemoryLow(Some(limit)) => limit.fmt(f),
            Self::PidsMax(Some(limit)) => limit.fmt(f),
            Self::MemoryMax(None) | Self::MemoryLow(None) | Self::PidsMax(None) => {
                f.write_str("max")
            }
            Self::CpuIdle(idle) => u8::from(*idle).fmt(f),
            Self::CpuWeight(weight) => weight.fmt(f),
            Self::CpuMax(Some(quota), period) => write!(f, "{quota} {period}"),
            Self::CpuMax(None, period) => write!(f, "max {period}"),
            Self::CpuBurst(burst) => burst.fmt(f),
            Self::Cpus(text) | Self::Mems(text) | Self::File(_, text) => f.write_str(text),
        }
    }
}

/// A setting, with the line of the configuration that asks for it: key, value (of `unified` only
/// the file).
pub type Asked<'c> = (&'static str, Cow<'c, str>, Setting<'c>);

/// How a setting is made: `given` are the limits that change, `all` those that the container then
/// has.
type Make = for<'c> fn(given: &'c OciResources, all: &'c OciResources) -> Option<Asked<'c>>;

fn asked<'c>(key: &'static str, value: impl ToString, setting: Setting<'c>) -> Option<Asked<'c>> {
    Some((key, Cow::Owned(value.to_string()), setting))
}

/// In this order. A burst must never be above the quota: it is taken away while that changes.
const MAKE: &[Make] = &[
    |given, _| {
        let limit = given.memory.limit?;
        let max = Some(limit).filter(|limit| *limit > 0);
        asked("memory_limit", limit, Setting::MemoryMax(max))
    },
    |given, _| {
        let low = given.memory.reservation?;
        asked("memory_reservation", low, Setting::MemoryLow(max(low)))
    },
    |given, _| {
        let idle = given.cpu.idle?;
        asked("cpu_idle", idle, Setting::CpuIdle(idle != 0))
    },
    |given, _| {
        let shares = given.cpu.shares?;
        let weight = cpu_weight(shares);
        asked("cpu_shares", shares, Setting::CpuWeight(weight))
    },
    |given, _| asked("cpu_burst", given.cpu.burst?, Setting::CpuBurst(0)),
    |given, all| {
        let (key, value) = match (given.cpu.quota, given.cpu.period) {
            (Some(quota), _) => ("cpu_quota", quota),
            (None, Some(period)) => ("cpu_period", period),
            (None, None) => return None,
        };
        let quota = all.cpu.quota.filter(|quota| *quota > 0);
        let period = all.cpu.period.unwrap_or(CPU_PERIOD_DEFAULT);
        asked(key, value, Setting::CpuMax(quota, period))
    },
    |given, _| {
        let burst = given.cpu.burst?;
        asked("cpu_burst", burst, Setting::CpuBurst(burst))
    },
    |given, _| {
        let cpus = given.cpu.cpus.as_deref()?;
        Some(("cpu_cpus", Cow::Borrowed(cpus), Setting::Cpus(cpus)))
    },
    |given, _| {
        let mems = given.cpu.mems.as_deref()?;
        Some(("cpu_mems", Cow::Borrowed(mems), Setting::Mems(mems)))
    },
    |given, _| {
        let limit = given.pids_limit?;
        asked("pids_limit", limit, Setting::PidsMax(max(limit)))
    },
];

/// -1 is no limit.
fn max(limit: i64) -> Option<u64> {
    u64::try_from(limit).ok()
}

/// What has to be written, in this order, so that a container with the limits `all` has those of
/// them that are `given`: at its create all of them, at an update those that it names. The text of
/// `unified` comes last and as it is; device rules, and what cgroup v2 has no file for, are not
/// here.
pub fn settings<'c>(
    given: &'c OciResources,
    all: &'c OciResources,
) -> impl Iterator<Item = Asked<'c>> {
    let known = MAKE.iter().filter_map(|make| make(given, all));
    known.chain(given.unified.iter().map(|(file, text)| {
        let file = file.as_str();
        ("unified", Cow::Borrowed(file), Setting::File(file, text))
    }))
}

/// The weight of cgroup v2 (1 to 10000) for `shares` of version 1 (2 to 262144), as runc and crun
/// have it: 10 to the power of (log2(s)^2 + 125 log2(s)) / 612 - 7/34, rounded up. So 2, 1024 and
/// 262144 are 1, 100 and 10000.
#[must_use]
pub fn cpu_weight(shares: u32) -> u32 {
    // In logarithms, as a kernel has no floating point: the first weight w for which
    // 612 log2(w) is at least (log2(s)^2 + 125 log2(s) - 126) log2(10).
    let log = log2(shares);
    let power = log
        .saturating_mul(log)
        .wrapping_shr(BITS)
        .saturating_add(log.saturating_mul(125))
        .saturating_sub(126 << BITS)
        .saturating_mul(LOG2_10)
        .wrapping_shr(BITS);
    let (mut below, mut weight) = (0, 10_000);
    while weight - below > 1 {
        let middle = (below + weight) / 2;
        match log2(middle).saturating_mul(612).saturating_add(INEXACT) < power {
            true => below = middle,
            false => weight = middle,
        }
    }
    weight
}

/// Bits behind the point.
const BITS: u32 = 48;
/// log2(10).
const LOG2_10: u128 = 935_039_633_142_894;
/// More than is lost by leaving out what is behind the last bit.
const INEXACT: u128 = 1 << 12;

/// The logarithm of a number from 1, with [`BITS`] bits behind the point: a bit for each time that
/// the number, between 1 and 2, is squared.
fn log2(number: u32) -> u128 {
    const ONE: u32 = 62;
    let whole = number.max(1).ilog2();
    let mut rest = (u128::from(number.max(1)) << ONE) >> whole;
    let mut log = u128::from(whole);
    for _ in 0..BITS {
        rest = rest.saturating_mul(rest) >> ONE;
        let bit = rest >> (ONE + 1);
        rest >>= bit;
        log = log << 1 | bit;
    }
    log
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OciConfig;
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    #[test]
    fn weights_are_those_of_runc() {
        for shares in (2..5000).chain((5000..=262_144u32).step_by(29)) {
            let log = f64::from(shares).log2();
            let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
            let weight = 10f64.powf(exponent).ceil();
            assert_eq!(f64::from(cpu_weight(shares)), weight, "{shares}");
        }
        for (shares, weight) in [
            (2, 1),
            (512, 59),
            (1024, 100),
            (2048, 174),
            (262_144, 10_000),
        ] {
            assert_eq!(cpu_weight(shares), weight, "{shares}");
        }
        for wrong in [0, 1, u32::MAX] {
            assert!((1..=10_000).contains(&cpu_weight(wrong)));
        }
    }

    fn resources(lines: &str) -> OciResources {
        let text = format!("root_path=/r\nnamespace=mount\n{lines}");
        OciConfig::parse(&text).unwrap().linux.resources
    }

    fn written(given: &OciResources, all: &OciResources) -> Vec<String> {
        let line = |(_, _, setting): Asked<'_>| format!("{} {setting}", setting.file());
        settings(given, all).map(line).collect()
    }

    #[test]
    fn limits_are_files() {
        for (lines, files) in [
            ("", &[][..]),
            ("memory_limit=0", &["memory.max max"]),
            ("memory_limit=4096", &["memory.max 4096"]),
            ("memory_reservation=-1", &["memory.low max"]),
            ("memory_reservation=0", &["memory.low 0"]),
            ("memory_limit=8\nmemory_swap=8", &["memory.max 8"]),
            ("cpu_shares=1024", &["cpu.weight 100"]),
            ("cpu_shares=2\ncpu_idle=0", &["cpu.idle 0", "cpu.weight 1"]),
            ("cpu_quota=0", &["cpu.max max 100000"]),
            ("cpu_quota=5000", &["cpu.max 5000 100000"]),
            ("cpu_period=5000", &["cpu.max max 5000"]),
            (
                "cpu_period=5000\ncpu_quota=6000\ncpu_burst=1",
                &["cpu.max.burst 0", "cpu.max 6000 5000", "cpu.max.burst 1"],
            ),
            (
                "cpu_cpus=0\ncpu_mems=0",
                &["cpuset.cpus 0", "cpuset.mems 0"],
            ),
            ("pids_limit=-1", &["pids.max max"]),
            ("pids_limit=0", &["pids.max 0"]),
            (
                "unified=memory.high=1\npids_limit=7\nunified=a=b\\nc",
                &["pids.max 7", "memory.high 1", "a b\nc"],
            ),
            ("cgroup_device=deny:a", &[]),
        ] {
            let given = resources(lines);
            assert_eq!(written(&given, &given), files, "{lines}");
        }
    }

    #[test]
    fn a_change_keeps_the_other_half_of_a_file() {
        let all = resources("cpu_period=5000\ncpu_quota=6000\nmemory_limit=1");
        let quota = resources("cpu_quota=6000");
        assert_eq!(written(&quota, &all), ["cpu.max 6000 5000"]);
        let period = resources("cpu_period=5000");
        assert_eq!(written(&period, &all), ["cpu.max 6000 5000"]);
    }

    #[test]
    fn settings_know_what_asked_for_them() {
        let given = resources("cpu_shares=512\nunified=x=y");
        let asked: Vec<_> = settings(&given, &given)
            .map(|(key, value, _)| format!("{key}={value}"))
            .collect();
        assert_eq!(asked, ["cpu_shares=512", "unified=x"]);
    }
}
