//! Who runs when: scheduling policies, priorities, affinity.

use super::Line;
use super::time::timespec;
use crate::error::{Call, Errno};
use crate::mm::user;
use crate::sched::{SLICE, control};
use crate::task::{TaskId, limits, pid};
use crate::{Cx, Kernel, ns};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// The calls of this file.
pub const CALLS: &[Line] = &[
    (linux::__NR_sched_yield, "sched_yield", sched_yield),
    (
        linux::__NR_sched_getaffinity,
        "sched_getaffinity",
        sched_getaffinity,
    ),
    (
        linux::__NR_sched_setaffinity,
        "sched_setaffinity",
        sched_setaffinity,
    ),
    (
        linux::__NR_sched_getscheduler,
        "sched_getscheduler",
        sched_getscheduler,
    ),
    (
        linux::__NR_sched_setscheduler,
        "sched_setscheduler",
        sched_setscheduler,
    ),
    (linux::__NR_sched_getparam, "sched_getparam", sched_getparam),
    (linux::__NR_sched_setparam, "sched_setparam", sched_setparam),
    (
        linux::__NR_sched_get_priority_max,
        "sched_get_priority_max",
        priority_max,
    ),
    (
        linux::__NR_sched_get_priority_min,
        "sched_get_priority_min",
        priority_min,
    ),
    (linux::__NR_getpriority, "getpriority", getpriority),
    (linux::__NR_setpriority, "setpriority", setpriority),
    (linux::__NR_ioprio_get, "ioprio_get", ioprio_get),
    (linux::__NR_ioprio_set, "ioprio_set", ioprio_set),
    (
        linux::__NR_sched_rr_get_interval,
        "sched_rr_get_interval",
        sched_rr_get_interval,
    ),
];

/// The task that a number names; 0 for the caller.
pub(super) fn find(k: &Kernel, cx: &Cx, number: u64) -> Result<TaskId, Errno> {
    // The number is a pid_t.
    let number = u32::try_from(number as i32).map_err(|_| Errno::ESRCH)?;
    if number == 0 {
        return Ok(cx.task);
    }
    let ns = ns::pid::of_task(k, cx.task).ok_or(Errno::ESRCH)?;
    pid::find_task(k, ns, number).ok_or(Errno::ESRCH)
}

/// [`find`] for calls that refuse negative numbers.
fn find_positive(k: &Kernel, cx: &Cx, number: u64) -> Result<TaskId, Errno> {
    if (number as i32) < 0 {
        return Err(Errno::EINVAL);
    }
    find(k, cx, number)
}

fn sched_yield(k: &mut Kernel, _cx: &mut Cx, _args: &[u64; 6]) -> Call {
    k.sched.give_way();
    Ok(0)
}

/// The mask of the CPUs there are.
const CPUS: u64 = 1;

fn sched_getaffinity(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    if args[1] < 8 || args[1] % 8 != 0 {
        return Err(Errno::EINVAL.into());
    }
    find(k, cx, args[0])?;
    user::copy_out(k, cx, args[2], &CPUS.to_le_bytes(), 8)
}

fn sched_setaffinity(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let len = args[1].min(8) as usize;
    let mut mask = [0; 8];
    user::copy_in(k, cx, args[2], mask.get_mut(..len).unwrap_or_default())?;
    let task = find(k, cx, args[0])?;
    check_owner(k, cx, task)?;
    if u64::from_le_bytes(mask) & CPUS == 0 {
        return Err(Errno::EINVAL.into());
    }
    Ok(0)
}

fn sched_getscheduler(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let task = find_positive(k, cx, args[0])?;
    Ok(u64::from(k.tasks.task(task)?.policy))
}

/// The policies are those whose priority is 0: SCHED_OTHER, SCHED_BATCH, which is the same here,
/// and SCHED_IDLE. Nobody may have real-time priority.
fn sched_setscheduler(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    if args[2] == 0 || (args[0] as i32) < 0 {
        return Err(Errno::EINVAL.into());
    }
    let priority = user::read_u32(k, cx, args[2])?;
    let policy = args[1] as u32;
    let task = find_positive(k, cx, args[0])?;
    match policy {
        linux::SCHED_NORMAL | linux::SCHED_BATCH | linux::SCHED_IDLE if priority == 0 => {}
        linux::SCHED_FIFO | linux::SCHED_RR if (1..=99).contains(&priority) => {
            return Err(Errno::EPERM.into());
        }
        _ => return Err(Errno::EINVAL.into()),
    }
    check_owner(k, cx, task)?;
    control::reweighed(k, task, |k| {
        if let Some(task) = k.tasks.tasks.get_mut(task) {
            task.policy = policy as u8;
        }
    });
    Ok(0)
}

/// Whether the caller may change how a task is scheduled.
fn check_owner(k: &Kernel, cx: &Cx, task: TaskId) -> Result<(), Errno> {
    let (own, other) = (&k.tasks.task(cx.task)?.cred, &k.tasks.task(task)?.cred);
    let same = [other.euid, other.uid].contains(&own.euid);
    if same || own.capable(linux::CAP_SYS_NICE) {
        Ok(())
    } else {
        Err(Errno::EPERM)
    }
}

fn sched_getparam(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    if args[1] == 0 {
        return Err(Errno::EINVAL.into());
    }
    find_positive(k, cx, args[0])?;
    user::copy_out(k, cx, args[1], &0u32.to_le_bytes(), 0)
}

fn sched_setparam(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    if args[1] == 0 || (args[0] as i32) < 0 {
        return Err(Errno::EINVAL.into());
    }
    let priority = user::read_u32(k, cx, args[1])?;
    let task = find(k, cx, args[0])?;
    if priority != 0 {
        return Err(Errno::EINVAL.into());
    }
    check_owner(k, cx, task)?;
    Ok(0)
}

/// The slice of a task, whatever its policy.
fn sched_rr_get_interval(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    find_positive(k, cx, args[0])?;
    user::copy_out(k, cx, args[1], &timespec(SLICE), 0)
}

fn priority_max(_k: &mut Kernel, _cx: &mut Cx, args: &[u64; 6]) -> Call {
    priority(args[0], 99)
}

fn priority_min(_k: &mut Kernel, _cx: &mut Cx, args: &[u64; 6]) -> Call {
    priority(args[0], 1)
}

fn priority(policy: u64, realtime: u64) -> Call {
    match policy as u32 {
        linux::SCHED_FIFO | linux::SCHED_RR => Ok(realtime),
        linux::SCHED_NORMAL | linux::SCHED_BATCH | linux::SCHED_IDLE | linux::SCHED_DEADLINE => {
            Ok(0)
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

fn getpriority(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let targets = priority_targets(k, cx, args)?;
    let nicest = targets
        .iter()
        .filter_map(|t| k.tasks.tasks.get(*t))
        .map(|t| t.nice);
    let least = nicest.min().ok_or(Errno::ESRCH)?;
    // 40 to 1: the C library turns it round.
    Ok((20 - i64::from(least)).unsigned_abs())
}

fn setpriority(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let targets = priority_targets(k, cx, args)?;
    let nice = (args[2] as i32).clamp(-20, 19) as i8;
    let mut result = Err(Errno::ESRCH);
    for target in targets {
        match may_renice(k, cx, target, nice) {
            Ok(()) => {
                control::reweighed(k, target, |k| {
                    if let Some(task) = k.tasks.tasks.get_mut(target) {
                        task.nice = nice;
                    }
                });
                result = result.or(Ok(0));
            }
            Err(errno) => result = Err(errno),
        }
    }
    Ok(result?)
}

fn may_renice(k: &Kernel, cx: &Cx, target: TaskId, nice: i8) -> Result<(), Errno> {
    let own = k.tasks.task(cx.task)?;
    let other = k.tasks.task(target)?;
    if own.cred.capable(linux::CAP_SYS_NICE) {
        return Ok(());
    }
    let euid = own.cred.euid;
    if other.cred.euid != euid && other.cred.uid != euid {
        return Err(Errno::EPERM);
    }
    let ceiling = limits::soft_of(k, target, linux::RLIMIT_NICE);
    if nice < other.nice && (20 - i64::from(nice)).unsigned_abs() > ceiling {
        return Err(Errno::EACCES);
    }
    Ok(())
}

/// The targets of ioprio_get and ioprio_set, whose kinds begin at 1.
fn io_targets(k: &Kernel, cx: &Cx, args: &[u64; 6]) -> Result<Vec<TaskId>, Errno> {
    let kind = (args[0] as u32).checked_sub(1).ok_or(Errno::EINVAL)?;
    let targets = priority_targets(k, cx, &[u64::from(kind), args[1], 0, 0, 0, 0])?;
    if targets.is_empty() {
        return Err(Errno::ESRCH);
    }
    Ok(targets)
}

/// ioprio_get(2): nobody has a class or level, as there is no disk to wait for.
fn ioprio_get(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    io_targets(k, cx, args)?;
    Ok(0)
}

/// ioprio_set(2): only what everybody has can be set, IOPRIO_CLASS_NONE.
fn ioprio_set(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    io_targets(k, cx, args)?;
    match args[2] as u32 {
        0 => Ok(0),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// The threads that PRIO_PROCESS, PRIO_PGRP or PRIO_USER with a number mean.
fn priority_targets(k: &Kernel, cx: &Cx, args: &[u64; 6]) -> Result<Vec<TaskId>, Errno> {
    let number = args[1] as u32;
    let ns = ns::pid::of_task(k, cx.task).ok_or(Errno::ESRCH)?;
    match args[0] as u32 {
        linux::PRIO_PROCESS => Ok(Vec::from([find(k, cx, args[1]).map_err(|_| Errno::ESRCH)?])),
        linux::PRIO_PGRP => {
            let group = match number {
                0 => k.tasks.process_of(cx.task)?.1.group.key(),
                _ => pid::find(k, ns, number).ok_or(Errno::ESRCH)?,
            };
            let members = &k.tasks.pids.get(group).ok_or(Errno::ESRCH)?.members;
            let threads = members.iter().flat_map(|m| k.tasks.live_threads(*m));
            Ok(threads.collect())
        }
        linux::PRIO_USER => {
            let uid = match number {
                0 => k.tasks.task(cx.task)?.cred.uid,
                uid => uid,
            };
            let all = pid::processes(k, k.ns.pid.get(ns).ok_or(Errno::ESRCH)?);
            let threads = all.into_iter().flat_map(|p| k.tasks.live_threads(p));
            let of_user = threads.filter(|t| (k.tasks.task(*t)).is_ok_and(|t| t.cred.uid == uid));
            Ok(of_user.collect())
        }
        _ => Err(Errno::EINVAL),
    }
}
