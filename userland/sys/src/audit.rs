//! The leak audit: the kernel's counts before and after.

use std::fmt;

use berth_abi::AuditRecord;
use rustix::thread::{NanosleepRelativeResult, Timespec, nanosleep};

use crate::container::{self, Error};

/// One count that differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// The count's name.
    pub name: &'static str,
    /// Its value before.
    pub before: u64,
    /// Its value after.
    pub after: u64,
}

impl Difference {
    /// Whether files that a program wrote may account for it. Everything else that is counted ends
    /// with the programs and containers that had it.
    #[must_use]
    pub fn files_may_keep_it(&self) -> bool {
        matches!(self.name, "frames" | "inodes")
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.after < self.before { '-' } else { '+' };
        write!(
            f,
            "{} {sign}{}",
            self.name,
            self.after.abs_diff(self.before)
        )
    }
}

/// What differs between two audits; a count below the earlier one is as wrong as one above it.
#[must_use]
pub fn differences(before: &AuditRecord, after: &AuditRecord) -> Vec<Difference> {
    let counts = counts(before).into_iter().zip(counts(after));
    let differing = counts.filter(|((_, before), (_, after))| before != after);
    differing
        .map(|((name, before), (_, after))| Difference {
            name,
            before,
            after,
        })
        .collect()
}

/// The counts of objects by name. Jobs are not among them: they are work, not objects.
#[must_use]
pub fn counts(record: &AuditRecord) -> [(&'static str, u64); 11] {
    [
        ("frames", record.frames),
        ("tasks", record.tasks),
        ("processes", record.processes),
        ("spaces", record.spaces),
        ("inodes", record.inodes),
        ("files", record.files),
        ("mounts", record.mounts),
        ("namespaces", record.namespaces),
        ("groups", record.groups),
        ("waiters", record.waiters),
        ("containers", record.containers),
    ]
}

/// How often [`settled`] asks, a millisecond apart.
const ATTEMPTS: u32 = 2000;

/// The counts once the kernel has no work left over; after two seconds the counts as they are.
///
/// # Errors
/// The kernel's refusal.
pub fn settled() -> Result<AuditRecord, Error> {
    let mut record = container::audit()?;
    for _ in 0..ATTEMPTS {
        if record.jobs == 0 {
            break;
        }
        pause_ms(1);
        record = container::audit()?;
    }
    Ok(record)
}

/// Sleeps for so many milliseconds; a signal cuts it short.
pub fn pause_ms(milliseconds: u32) {
    let tv_sec = i64::from(milliseconds / 1000);
    let tv_nsec = i64::from(milliseconds % 1000).saturating_mul(1_000_000);
    let (NanosleepRelativeResult::Ok
    | NanosleepRelativeResult::Interrupted(_)
    | NanosleepRelativeResult::Err(_)) = nanosleep(&Timespec { tv_sec, tv_nsec });
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::FromBytes;

    #[test]
    fn every_count_is_compared() {
        let size = size_of::<AuditRecord>();
        for field in 0..size / 8 {
            let mut bytes = vec![0u8; size];
            bytes[field * 8] = 2;
            let after = AuditRecord::read_from_bytes(&bytes).unwrap();
            let found = differences(&AuditRecord::default(), &after);
            // Only the last one, jobs, is not an object.
            assert_eq!(
                found.len(),
                usize::from(field + 1 < size / 8),
                "field {field}"
            );
        }
    }

    #[test]
    fn a_difference_has_its_sign() {
        let before = AuditRecord {
            tasks: 3,
            mounts: 1,
            ..AuditRecord::default()
        };
        let after = AuditRecord {
            tasks: 2,
            mounts: 5,
            ..AuditRecord::default()
        };
        let texts: Vec<String> = differences(&before, &after)
            .iter()
            .map(Difference::to_string)
            .collect();
        assert_eq!(texts, ["tasks -1", "mounts +4"]);
        assert_eq!(differences(&before, &before), []);
    }
}
