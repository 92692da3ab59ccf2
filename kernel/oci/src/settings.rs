//! What the limits of a configuration are in files of control groups (cgroup v2).

use crate::config::{CPU_PERIOD_DEFAULT, OciResources};
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};

/// A file of the control group, what is written to it, and which line of the configuration asks
/// for that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<'c> {
    /// The key.
    pub key: &'static str,
    /// Its value; of `unified` only the file.
    pub value: Cow<'c, str>,
    /// The file.
    pub file: &'c str,
    /// Its content.
    pub content: Cow<'c, str>,
}

impl<'c> Setting<'c> {
    fn new(
        key: &'static str,
        value: impl ToString,
        file: &'static str,
        content: impl ToString,
    ) -> Self {
        Self {
            key,
            value: Cow::Owned(value.to_string()),
            file,
            content: Cow::Owned(content.to_string()),
        }
    }
}

/// How a setting is written: `given` are the limits that change, `all` those that the container
/// then has.
type Write = for<'c> fn(given: &'c OciResources, all: &'c OciResources) -> Option<Setting<'c>>;

/// In this order. A burst must never be above the quota: it is taken away while that changes.
const WRITES: &[Write] = &[
    |given, _| {
        let limit = given.memory.limit?;
        let max = Some(limit).filter(|limit| *limit > 0);
        let content = max.map_or("max".to_string(), |max| max.to_string());
        Some(Setting::new("memory_limit", limit, "memory.max", content))
    },
    |given, _| {
        let low = given.memory.reservation?;
        Some(Setting::new(
            "memory_reservation",
            low,
            "memory.low",
            max(low),
        ))
    },
    |given, _| {
        let idle = given.cpu.idle?;
        Some(Setting::new("cpu_idle", idle, "cpu.idle", idle))
    },
    |given, _| {
        let shares = given.cpu.shares?;
        let weight = cpu_weight(shares);
        Some(Setting::new("cpu_shares", shares, "cpu.weight", weight))
    },
    |given, _| {
        let burst = given.cpu.burst?;
        Some(Setting::new("cpu_burst", burst, "cpu.max.burst", 0))
    },
    |given, all| {
        let (key, value) = match (given.cpu.quota, given.cpu.period) {
            (Some(quota), _) => ("cpu_quota", quota),
            (None, Some(period)) => ("cpu_period", period),
            (None, None) => return None,
        };
        let period = all.cpu.period.unwrap_or(CPU_PERIOD_DEFAULT);
        let content = match all.cpu.quota.unwrap_or(0) {
            0 => format!("max {period}"),
            quota => format!("{quota} {period}"),
        };
        Some(Setting::new(key, value, "cpu.max", content))
    },
    |given, _| {
        let burst = given.cpu.burst?;
        Some(Setting::new("cpu_burst", burst, "cpu.max.burst", burst))
    },
    |given, _| {
        let cpus = given.cpu.cpus.as_ref()?;
        Some(Setting::new("cpu_cpus", cpus, "cpuset.cpus", cpus))
    },
    |given, _| {
        let mems = given.cpu.mems.as_ref()?;
        Some(Setting::new("cpu_mems", mems, "cpuset.mems", mems))
    },
    |given, _| {
        let limit = given.pids_limit?;
        Some(Setting::new("pids_limit", limit, "pids.max", max(limit)))
    },
];

/// -1 is no limit.
fn max(limit: i64) -> String {
    match limit {
        0.. => limit.to_string(),
        _ => "max".to_string(),
    }
}

/// What has to be written, in this order, so that a container with the limits `all` has those of
/// them that are `given`: at its create all of them, at an update those that it names. The text of
/// `unified` comes last and as it is; device rules, and what cgroup v2 has no file for, are not
/// here.
pub fn settings<'c>(
    given: &'c OciResources,
    all: &'c OciResources,
) -> impl Iterator<Item = Setting<'c>> {
    let known = WRITES.iter().filter_map(|write| write(given, all));
    known.chain(given.unified.iter().map(|(file, content)| Setting {
        key: "unified",
        value: Cow::Borrowed(file),
        file,
        content: Cow::Borrowed(content),
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
        let line = |setting: Setting<'_>| format!("{} {}", setting.file, setting.content);
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
            .map(|setting| format!("{}={}", setting.key, setting.value))
            .collect();
        assert_eq!(asked, ["cpu_shares=512", "unified=x"]);
    }
}
