//! Resource limits (getrlimit(2)).

use super::signal::{self, SigInfo};
use super::{Process, ProcessId, TaskId, cred};
use crate::Kernel;
use crate::error::Errno;
use linux_raw_sys::general as linux;

/// RLIM_INFINITY.
pub const UNLIMITED: u64 = u64::MAX;

/// Soft and hard limit for each resource.
pub type Limits = [(u64, u64); 16];

/// Descriptors that a process may have at the most, whatever its limit (/proc/sys/fs/nr_open).
pub const NR_OPEN: u64 = 1 << 20;

/// What the first process has: Linux's defaults, with the core size at 0.
pub const INITIAL: Limits = {
    let mut limits = [(UNLIMITED, UNLIMITED); 16];
    limits[linux::RLIMIT_STACK as usize] = (8 << 20, UNLIMITED);
    limits[linux::RLIMIT_CORE as usize] = (0, UNLIMITED);
    limits[linux::RLIMIT_NOFILE as usize] = (1024, 4096);
    limits[linux::RLIMIT_MEMLOCK as usize] = (8 << 20, 8 << 20);
    limits[linux::RLIMIT_SIGPENDING as usize] = (1024, 1024);
    limits[linux::RLIMIT_MSGQUEUE as usize] = (819_200, 819_200);
    limits[linux::RLIMIT_NICE as usize] = (0, 0);
    limits[linux::RLIMIT_RTPRIO as usize] = (0, 0);
    limits
};

/// The limits of a process for a resource: soft and hard.
pub fn get(k: &Kernel, process: ProcessId, resource: u32) -> Option<(u64, u64)> {
    let limits = &k.tasks.processes.get(process)?.limits;
    limits.get(resource as usize).copied()
}

/// The limit that counts; [`UNLIMITED`] where there is none.
pub fn soft(k: &Kernel, process: ProcessId, resource: u32) -> u64 {
    get(k, process, resource).map_or(UNLIMITED, |limit| limit.0)
}

/// The limit that counts for a task's process.
pub fn soft_of(k: &Kernel, task: TaskId, resource: u32) -> u64 {
    let process = k.tasks.tasks.get(task).map(|t| t.process);
    process.map_or(UNLIMITED, |p| soft(k, p, resource))
}

/// Whether a new limit is one.
///
/// # Errors
/// EINVAL for an unknown resource and a soft limit above the hard one; EPERM for more descriptors
/// than [`NR_OPEN`].
fn is_limit(resource: u32, limit: (u64, u64)) -> Result<(), Errno> {
    if resource as usize >= INITIAL.len() || limit.0 > limit.1 {
        return Err(Errno::EINVAL);
    }
    if resource == linux::RLIMIT_NOFILE && limit.1 > NR_OPEN {
        return Err(Errno::EPERM);
    }
    Ok(())
}

/// Whether `actor` may set a limit of a process.
///
/// # Errors
/// EINVAL, EPERM for what is no limit; EPERM for raising a hard limit without CAP_SYS_RESOURCE;
/// ESRCH.
pub fn check(
    k: &Kernel,
    actor: TaskId,
    process: ProcessId,
    resource: u32,
    limit: (u64, u64),
) -> Result<(), Errno> {
    is_limit(resource, limit)?;
    let old = get(k, process, resource).ok_or(Errno::ESRCH)?;
    if limit.1 > old.1 && !cred::capable(k, actor, linux::CAP_SYS_RESOURCE) {
        return Err(Errno::EPERM);
    }
    Ok(())
}

/// Sets a limit that was checked.
pub fn set(k: &mut Kernel, process: ProcessId, resource: u32, limit: (u64, u64)) {
    let process = k.tasks.processes.get_mut(process);
    if let Some(slot) = process.and_then(|p| p.limits.get_mut(resource as usize)) {
        *slot = limit;
    }
}

/// A program with other rights than its caller's has a stack of no more than is usual, so that its
/// memory cannot be laid out at will (setrlimit(2)).
pub fn cap_stack(limits: &mut Limits) {
    let usual = INITIAL[linux::RLIMIT_STACK as usize].0;
    if let Some(stack) = limits.get_mut(linux::RLIMIT_STACK as usize) {
        stack.0 = stack.0.min(usual);
    }
}

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

/// RLIMIT_CPU of a process, soft and hard, in nanoseconds, and the CPU time that it has used.
fn cpu(process: &Process) -> (u64, u64, u64) {
    let (soft, hard) = process.limits[linux::RLIMIT_CPU as usize];
    let used = process.times.0.saturating_add(process.times.1);
    (
        soft.saturating_mul(SECOND),
        hard.saturating_mul(SECOND),
        used,
    )
}

/// Nanoseconds of CPU time until RLIMIT_CPU takes effect.
pub fn cpu_left(process: &Process) -> u64 {
    let (soft, hard, used) = cpu(process);
    match soft.min(hard) {
        u64::MAX => u64::MAX,
        limit => limit.saturating_sub(used),
    }
}

/// Keeps RLIMIT_CPU: SIGXCPU at the soft limit and every second from then on, for which the soft
/// limit is raised; SIGKILL at the hard one.
pub fn keep_cpu(k: &mut Kernel, id: ProcessId) {
    let Some(process) = k.tasks.processes.get_mut(id) else {
        return;
    };
    let (soft, hard, used) = cpu(process);
    let over = |limit| limit != u64::MAX && used >= limit;
    if over(hard) {
        signal::send_process(k, id, SigInfo::kernel(linux::SIGKILL));
    } else if over(soft) {
        let slot = &mut process.limits[linux::RLIMIT_CPU as usize].0;
        *slot = slot.saturating_add(1);
        signal::send_process(k, id, SigInfo::kernel(linux::SIGXCPU));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_limits_that_are_kept_are_taken() {
        assert_eq!(is_limit(linux::RLIMIT_NOFILE, (5, 10)), Ok(()));
        assert_eq!(is_limit(linux::RLIMIT_NOFILE, (10, 5)), Err(Errno::EINVAL));
        let most = (5, NR_OPEN + 1);
        assert_eq!(is_limit(linux::RLIMIT_NOFILE, most), Err(Errno::EPERM));
        assert_eq!(is_limit(16, (0, 0)), Err(Errno::EINVAL));
        assert_eq!(is_limit(linux::RLIMIT_CORE, (0, 0)), Ok(()));
        assert_eq!(is_limit(linux::RLIMIT_AS, (4096, UNLIMITED)), Ok(()));
    }
}
