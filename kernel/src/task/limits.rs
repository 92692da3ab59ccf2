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

/// Resources that this kernel does not count: a limit on one of them would promise what nobody
/// keeps. (Those that cannot be used up at all here, such as RLIMIT_CORE, and those that Linux
/// does not count either, such as RLIMIT_RSS, are not among them.)
const NOT_COUNTED: [u32; 2] = [linux::RLIMIT_DATA, linux::RLIMIT_AS];

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

/// Whether a new limit can be kept.
///
/// # Errors
/// EINVAL for an unknown resource, a soft limit above the hard one, and a limit on a resource that
/// is not counted; EPERM for more descriptors than [`NR_OPEN`].
pub fn check(resource: u32, limit: (u64, u64)) -> Result<(), Errno> {
    if resource as usize >= INITIAL.len() || limit.0 > limit.1 {
        return Err(Errno::EINVAL);
    }
    if NOT_COUNTED.contains(&resource) && limit.0 != UNLIMITED {
        return Err(Errno::EINVAL);
    }
    if resource == linux::RLIMIT_NOFILE && limit.1 > NR_OPEN {
        return Err(Errno::EPERM);
    }
    Ok(())
}

/// Sets a limit on behalf of `actor`.
///
/// # Errors
/// As [`check`]; EPERM for raising a hard limit without CAP_SYS_RESOURCE; ESRCH.
pub fn set(
    k: &mut Kernel,
    actor: TaskId,
    process: ProcessId,
    resource: u32,
    limit: (u64, u64),
) -> Result<(), Errno> {
    check(resource, limit)?;
    let old = get(k, process, resource).ok_or(Errno::ESRCH)?;
    if limit.1 > old.1 && !cred::capable(k, actor, linux::CAP_SYS_RESOURCE) {
        return Err(Errno::EPERM);
    }
    let process = k.tasks.processes.get_mut(process).ok_or(Errno::ESRCH)?;
    if let Some(slot) = process.limits.get_mut(resource as usize) {
        *slot = limit;
    }
    Ok(())
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
        assert_eq!(check(linux::RLIMIT_NOFILE, (5, 10)), Ok(()));
        assert_eq!(check(linux::RLIMIT_NOFILE, (10, 5)), Err(Errno::EINVAL));
        let most = (5, NR_OPEN + 1);
        assert_eq!(check(linux::RLIMIT_NOFILE, most), Err(Errno::EPERM));
        assert_eq!(check(16, (0, 0)), Err(Errno::EINVAL));
        assert_eq!(check(linux::RLIMIT_CORE, (0, 0)), Ok(()));
        assert_eq!(
            check(linux::RLIMIT_AS, (4096, UNLIMITED)),
            Err(Errno::EINVAL)
        );
        assert_eq!(check(linux::RLIMIT_AS, (UNLIMITED, UNLIMITED)), Ok(()));
    }
}
