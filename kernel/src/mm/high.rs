//! Slowing tasks down whose group uses more than its `memory.high` (cgroup v2): nothing can be
//! reclaimed here, so they sleep on their way back to user mode, the longer the further above it is.

use crate::Kernel;
use crate::machine::PAGE;
use crate::task::{RunState, TaskId};

/// The longest sleep for one [`BATCH`]: 2 s.
const LONGEST: u64 = 2_000_000_000;
/// Shorter ones are not worth it: 10 ms.
const SHORTEST: u64 = 10_000_000;
/// The bytes for which a task is made to sleep at once.
const BATCH: u64 = 64 * PAGE;

/// What a task has to answer for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct High {
    /// Bytes that it charged to groups above their `memory.high`.
    bytes: u64,
    /// Until when it stays out of user mode.
    until: u64,
}

/// Puts to this task's account what was charged above `memory.high` since the last time.
pub fn note(k: &mut Kernel, task: TaskId) {
    let bytes = k.groups.take_high();
    if bytes == 0 {
        return;
    }
    if let Some(task) = k.tasks.tasks.get_mut(task) {
        task.high.bytes = task.high.bytes.saturating_add(bytes);
    }
}

/// Parks a task that is about to go back to user mode, if it has to answer for enough. Signals
/// that end it wake it for good, others until they are delivered.
pub fn slow_down(k: &mut Kernel, id: TaskId, now: u64) -> bool {
    let Some(task) = k.tasks.tasks.get_mut(id) else {
        return false;
    };
    if task.high.bytes >= BATCH {
        let bytes = core::mem::take(&mut task.high.bytes);
        let sleep = penalty(k.groups.overage(task.group.key()), bytes);
        task.high.until = now.saturating_add(sleep);
    }
    let until = task.high.until;
    if until <= now {
        return false;
    }
    task.state = RunState::Parked;
    task.usage.waits = task.usage.waits.saturating_add(1);
    k.waits.park(id, &[], Some(until));
    true
}

/// How long to sleep for `bytes` when this many 2^20ths of `memory.high` are used above it: a
/// sixteenth of it above costs 250 ms a batch, an eighth 1 s (as on Linux).
fn penalty(overage: u64, bytes: u64) -> u64 {
    const SECOND: u128 = 1_000_000_000;
    let overage = u128::from(overage);
    let one = overage.saturating_mul(overage).saturating_mul(SECOND) >> (20 + 14);
    let all = one.saturating_mul(u128::from(bytes)) / u128::from(BATCH);
    match u64::try_from(all).unwrap_or(u64::MAX).min(LONGEST) {
        short if short < SHORTEST => 0,
        sleep => sleep,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_further_above_the_longer() {
        let part = |n: u64| (1 << 20) / n;
        assert_eq!(penalty(0, BATCH), 0);
        assert_eq!(penalty(part(1000), BATCH), 0, "not worth it");
        assert_eq!(penalty(part(16), BATCH), 250_000_000);
        assert_eq!(penalty(part(16), 2 * BATCH), 500_000_000);
        assert_eq!(penalty(part(8), BATCH), 1_000_000_000);
        assert_eq!(penalty(u64::MAX, u64::MAX), LONGEST);
    }
}
