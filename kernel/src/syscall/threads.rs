//! What a thread tells the kernel about itself, futexes, and who runs when.

use super::Line;
use super::time::timespec_in;
use crate::error::{Call, Errno};
use crate::machine::USER_END;
use crate::mm::user;
use crate::task::{TaskId, cred, futex, limits, pid};
use crate::{Cx, Kernel, ns};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// The calls of this file.
pub const CALLS: &[Line] = &[
    (
        linux::__NR_set_tid_address,
        "set_tid_address",
        set_tid_address,
    ),
    (
        linux::__NR_set_robust_list,
        "set_robust_list",
        set_robust_list,
    ),
    (
        linux::__NR_get_robust_list,
        "get_robust_list",
        get_robust_list,
    ),
    (linux::__NR_arch_prctl, "arch_prctl", arch_prctl),
    (linux::__NR_futex, "futex", futex_call),
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
];

/// Bytes of struct robust_list_head.
const ROBUST_HEAD_LEN: u64 = 24;

fn set_tid_address(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    k.tasks.task_mut(cx.task)?.clear_child_tid = args[0];
    Ok(u64::from(futex::tid_of(k, cx.task)))
}

fn set_robust_list(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    if args[1] != ROBUST_HEAD_LEN {
        return Err(Errno::EINVAL.into());
    }
    k.tasks.task_mut(cx.task)?.robust_list = args[0];
    Ok(0)
}

fn get_robust_list(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let target = find(k, cx, args[0])?;
    let own = k.tasks.process_of(cx.task)?.0;
    let same = k.tasks.process_of(target)?.0 == own;
    if !same && !cred::capable(k, cx.task, linux::CAP_SYS_PTRACE) {
        return Err(Errno::EPERM.into());
    }
    let head = k.tasks.task(target)?.robust_list;
    let len = user::prepare(k, cx, args[2], 8)?;
    let out = user::prepare(k, cx, args[1], 8)?;
    user::put(k, cx, &len, 0, &ROBUST_HEAD_LEN.to_le_bytes());
    user::put(k, cx, &out, 0, &head.to_le_bytes());
    Ok(0)
}

/// The task that a number names; 0 for the caller.
fn find(k: &Kernel, cx: &Cx, number: u64) -> Result<TaskId, Errno> {
    // The number is a pid_t.
    let number = u32::try_from(number as i32).map_err(|_| Errno::EINVAL)?;
    if number == 0 {
        return Ok(cx.task);
    }
    let ns = ns::pid::of_task(k, cx.task).ok_or(Errno::ESRCH)?;
    pid::find_task(k, ns, number).ok_or(Errno::ESRCH)
}

/// Codes of arch_prctl.
const ARCH_SET_GS: u32 = 0x1001;
const ARCH_SET_FS: u32 = 0x1002;
const ARCH_GET_FS: u32 = 0x1003;
const ARCH_GET_GS: u32 = 0x1004;

fn arch_prctl(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let code = u32::try_from(args[0]).map_err(|_| Errno::EINVAL)?;
    let regs = k.tasks.task(cx.task)?.regs;
    match code {
        ARCH_GET_FS => user::copy_out(k, cx, args[1], &regs.fs_base.to_le_bytes(), 0),
        ARCH_GET_GS => user::copy_out(k, cx, args[1], &regs.gs_base.to_le_bytes(), 0),
        ARCH_SET_FS | ARCH_SET_GS => {
            if args[1] >= USER_END {
                return Err(Errno::EPERM.into());
            }
            let regs = &mut k.tasks.task_mut(cx.task)?.regs;
            if code == ARCH_SET_FS {
                regs.fs_base = args[1];
            } else {
                regs.gs_base = args[1];
            }
            Ok(0)
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

fn futex_call(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let [addr, op, value, timeout, addr2, value3] = *args;
    let op = op as u32;
    let private = op & linux::FUTEX_PRIVATE_FLAG != 0;
    let realtime = op & linux::FUTEX_CLOCK_REALTIME != 0;
    let command = op & linux::FUTEX_CMD_MASK as u32;
    let waits = matches!(command, linux::FUTEX_WAIT | linux::FUTEX_WAIT_BITSET);
    if realtime && !waits {
        return Err(Errno::ENOSYS.into());
    }
    let (value, value3) = (value as u32, value3 as u32);
    match command {
        linux::FUTEX_WAIT | linux::FUTEX_WAIT_BITSET => {
            let absolute = command == linux::FUTEX_WAIT_BITSET;
            if absolute && value3 == 0 {
                return Err(Errno::EINVAL.into());
            }
            let deadline = match timeout {
                0 => None,
                _ => Some(timespec_in(k, cx, timeout)?.deadline(cx, absolute, realtime)),
            };
            futex::wait(k, cx, addr, private, value, deadline)
        }
        linux::FUTEX_WAKE => futex::wake_call(k, cx, addr, private, value, u32::MAX),
        linux::FUTEX_WAKE_BITSET => futex::wake_call(k, cx, addr, private, value, value3),
        linux::FUTEX_REQUEUE | linux::FUTEX_CMP_REQUEUE => {
            let expected = (command == linux::FUTEX_CMP_REQUEUE).then_some(value3);
            let counts = (value, timeout as u32);
            futex::requeue(k, cx, (addr, addr2), private, counts, expected)
        }
        _ => Err(Errno::ENOSYS.into()),
    }
}

fn sched_yield(k: &mut Kernel, _cx: &mut Cx, _args: &[u64; 6]) -> Call {
    k.sched.slice_end = 0;
    Ok(0)
}

/// The mask of the CPUs there are.
const CPUS: u64 = 1;

fn sched_getaffinity(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    find(k, cx, args[0])?;
    if args[1] < 8 || args[1] % 8 != 0 {
        return Err(Errno::EINVAL.into());
    }
    user::copy_out(k, cx, args[2], &CPUS.to_le_bytes(), 8)
}

fn sched_setaffinity(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let len = args[1].min(8) as usize;
    let mut mask = [0; 8];
    user::copy_in(k, cx, args[2], mask.get_mut(..len).unwrap_or_default())?;
    find(k, cx, args[0])?;
    if u64::from_le_bytes(mask) & CPUS == 0 {
        return Err(Errno::EINVAL.into());
    }
    Ok(0)
}

fn sched_getscheduler(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    find(k, cx, args[0])?;
    Ok(u64::from(linux::SCHED_NORMAL))
}

/// There is one policy, SCHED_OTHER, whose priority is 0.
fn sched_setscheduler(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let priority = user::read_u32(k, cx, args[2])?;
    find(k, cx, args[0])?;
    match args[1] as u32 {
        linux::SCHED_NORMAL if priority == 0 => Ok(0),
        linux::SCHED_FIFO | linux::SCHED_RR => Err(Errno::EPERM.into()),
        _ => Err(Errno::EINVAL.into()),
    }
}

fn sched_getparam(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    find(k, cx, args[0])?;
    user::copy_out(k, cx, args[1], &0u32.to_le_bytes(), 0)
}

fn sched_setparam(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let priority = user::read_u32(k, cx, args[1])?;
    find(k, cx, args[0])?;
    if priority != 0 {
        return Err(Errno::EINVAL.into());
    }
    Ok(0)
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
        linux::SCHED_NORMAL | linux::SCHED_BATCH | linux::SCHED_IDLE => Ok(0),
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
                k.tasks.task_mut(target)?.nice = nice;
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
