//! Changes of limits: what a container has then, and whether that goes together.

use super::Refusal;
use super::resources::limited;
use crate::config::{OciCpu, OciMemory, OciResources};
use crate::feature::{Feature as F, FeatureSet};
use alloc::vec::Vec;
use core::cmp::Ordering;

/// Plans to change limits of a container from those that it has, `now`: the memory and CPU limits
/// that it has then.
///
/// # Errors
/// A [`Refusal`] when the changes and what stays do not go together. Whether `features` has what
/// the changes need is not looked at here, but for swap ([`Planning::of_limits`](super::Planning)).
pub fn plan_update(
    now: &OciResources,
    changes: &OciResources,
    features: FeatureSet,
) -> Result<OciResources, Refusal> {
    let (memory, cpu) = (&now.memory, &now.cpu);
    let memory = OciMemory {
        limit: changes.memory.limit.or(memory.limit),
        // Without a new one the limit of both together goes with the limit that it was for.
        swap: match changes.memory.limit {
            None => changes.memory.swap.or(memory.swap),
            Some(_) => changes.memory.swap,
        },
        reservation: changes.memory.reservation.or(memory.reservation),
        check_before_update: changes.memory.check_before_update || memory.check_before_update,
        ..OciMemory::default()
    };
    let cpu = OciCpu {
        shares: changes.cpu.shares.or(cpu.shares),
        quota: changes.cpu.quota.or(cpu.quota),
        period: changes.cpu.period.or(cpu.period),
        burst: changes.cpu.burst.or(cpu.burst),
        idle: changes.cpu.idle.or(cpu.idle),
        ..OciCpu::default()
    };
    let after = OciResources {
        memory,
        cpu,
        ..OciResources::default()
    };
    if let Some(refusal) = swap_refused(&after.memory, features.has(F::MemorySwap)) {
        return Err(refusal);
    }
    match after.cpu.burst {
        Some(burst) if !after.cpu.burst_fits() => Err(Refusal::invalid(
            "cpu_burst",
            burst,
            "the burst must not be above cpu_quota",
        )),
        _ => Ok(after),
    }
}

/// Memory and swap together cannot be less than memory alone, and only where there is swap can they
/// be more (C-mem).
pub(super) fn swap_refused(memory: &OciMemory, supported: bool) -> Option<Refusal> {
    const KEY: &str = "memory_swap";
    let swap = limited(memory.swap)?;
    let Some(limit) = memory.limit.filter(|limit| *limit != 0) else {
        let reason = "a swap limit needs memory_limit";
        return Some(Refusal::invalid(KEY, swap, reason));
    };
    match u64::try_from(swap).unwrap_or(0).cmp(&limit) {
        Ordering::Less => {
            let reason = "it counts memory and swap together, so it must be at least memory_limit";
            Some(Refusal::invalid(KEY, swap, reason))
        }
        Ordering::Greater if !supported => Some(Refusal::unsupported(F::MemorySwap, KEY, swap)),
        _ => None,
    }
}

impl OciResources {
    /// Takes the values over that `changes` gives, all of a list at once.
    pub fn adopt(&mut self, changes: Self) {
        fn list<T>(mine: &mut Vec<T>, new: Vec<T>) {
            if !new.is_empty() {
                *mine = new;
            }
        }
        fn one<T>(mine: &mut Option<T>, new: Option<T>) {
            if new.is_some() {
                *mine = new;
            }
        }
        list(&mut self.devices, changes.devices);
        list(&mut self.unified, changes.unified);
        one(&mut self.pids_limit, changes.pids_limit);
        let memory = changes.memory;
        if memory.limit.is_some() {
            self.memory.swap = None;
        }
        one(&mut self.memory.limit, memory.limit);
        one(&mut self.memory.swap, memory.swap);
        one(&mut self.memory.reservation, memory.reservation);
        self.memory.check_before_update |= memory.check_before_update;
        let cpu = changes.cpu;
        one(&mut self.cpu.shares, cpu.shares);
        one(&mut self.cpu.quota, cpu.quota);
        one(&mut self.cpu.period, cpu.period);
        one(&mut self.cpu.burst, cpu.burst);
        one(&mut self.cpu.idle, cpu.idle);
        one(&mut self.cpu.cpus, cpu.cpus);
        one(&mut self.cpu.mems, cpu.mems);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConfigReader;
    use alloc::format;
    use alloc::string::{String, ToString};

    /// The limits that a text without anything else has.
    fn limits(text: &str) -> OciResources {
        let mut reader = ConfigReader::of_limits();
        reader.feed(text.as_bytes(), usize::MAX).unwrap();
        reader.finish().unwrap().linux.resources
    }

    fn update(now: &str, changes: &str, features: FeatureSet) -> Result<OciResources, String> {
        plan_update(&limits(now), &limits(changes), features).map_err(|r| r.to_string())
    }

    const NO_SWAP: FeatureSet = FeatureSet::all().without(F::MemorySwap);

    #[test]
    fn swap_is_what_is_more_than_memory() {
        let less = "it counts memory and swap together, so it must be at least memory_limit";
        for (now, changes, reason) in [
            ("", "memory_swap=-1", None),
            ("", "memory_limit=8\nmemory_swap=8", None),
            ("", "memory_limit=8\nmemory_swap=-1", None),
            ("memory_limit=8", "memory_swap=8", None),
            ("memory_limit=8\nmemory_swap=8", "memory_limit=4", None),
            ("memory_limit=8\nmemory_swap=8", "memory_limit=0", None),
            ("memory_limit=8\nmemory_swap=8", "pids_limit=1", None),
            ("", "memory_swap=8", Some("a swap limit needs memory_limit")),
            (
                "memory_limit=0",
                "memory_swap=8",
                Some("a swap limit needs memory_limit"),
            ),
            ("", "memory_limit=9\nmemory_swap=8", Some(less)),
            ("memory_limit=9", "memory_swap=8", Some(less)),
            (
                "",
                "memory_limit=8\nmemory_swap=9",
                Some("this kernel does not support swap limits"),
            ),
        ] {
            let found = update(now, changes, NO_SWAP).map(drop);
            let value = changes.rsplit('=').next().unwrap();
            let expected = reason.map_or(Ok(()), |r| Err(format!("memory_swap={value}: {r}")));
            assert_eq!(found, expected, "{now:?} {changes:?}");
        }
        assert!(update("", "memory_limit=8\nmemory_swap=9", FeatureSet::all()).is_ok());
    }

    #[test]
    fn a_burst_goes_with_the_quota_of_both() {
        for (now, changes, fits) in [
            ("cpu_quota=5000", "cpu_burst=5000", true),
            ("cpu_quota=5000", "cpu_burst=5001", false),
            ("cpu_quota=5000\ncpu_burst=5000", "cpu_quota=4000", false),
            (
                "cpu_quota=5000\ncpu_burst=5000",
                "cpu_quota=4000\ncpu_burst=0",
                true,
            ),
            ("cpu_quota=5000\ncpu_burst=5000", "cpu_period=4000", true),
            ("", "cpu_burst=1", false),
            ("", "cpu_burst=1\ncpu_quota=1000", true),
        ] {
            let found = update(now, changes, NO_SWAP);
            assert_eq!(found.is_ok(), fits, "{now:?} {changes:?}: {found:?}");
        }
    }

    #[test]
    fn what_is_adopted_is_what_was_planned() {
        let mut now = limits("memory_limit=8\nmemory_swap=8\ncpu_quota=5000\ncgroup_device=deny:a");
        let changes = limits("memory_limit=4\ncpu_period=2000\npids_limit=3");
        let after = plan_update(&now, &changes, NO_SWAP).unwrap();
        now.adopt(changes);
        assert_eq!((&now.memory, &now.cpu), (&after.memory, &after.cpu));
        assert_eq!((now.pids_limit, now.devices.len()), (Some(3), 1));
    }

    #[test]
    fn only_limits_are_read() {
        for text in [
            "hostname=x",
            "root_path=/r",
            "cgroups_path=/a",
            "process_arg=a",
        ] {
            let mut reader = ConfigReader::of_limits();
            let error = match reader.feed(format!("{text}\n").as_bytes(), 9) {
                Ok(_) => reader.finish().map(drop).unwrap_err().0,
                Err(error) => error,
            };
            assert!(
                error.to_string().ends_with(": only limits can be changed"),
                "{error}"
            );
        }
        let twice = ConfigReader::of_limits().feed(b"pids_limit=1\npids_limit=2\n", 9);
        assert!(twice.unwrap_err().to_string().contains("once"));
        assert_eq!(limits(""), OciResources::default());
    }
}
