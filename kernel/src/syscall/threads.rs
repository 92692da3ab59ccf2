//! What a thread tells the kernel about itself, futexes, memory barriers.

use super::Line;
use super::sched::find;
use super::time::timespec_in;
use crate::error::{Call, Errno};
use crate::machine::USER_END;
use crate::mm::user;
use crate::task::futex;
use crate::task::look::{self, Ids};
use crate::{Cx, Kernel};
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
    (linux::__NR_membarrier, "membarrier", membarrier),
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
    if !look::may_look(&k.tasks, cx.task, target, Ids::Real) {
        return Err(Errno::EPERM.into());
    }
    let head = k.tasks.task(target)?.robust_list;
    let len = user::prepare(k, cx, args[2], 8)?;
    let out = user::prepare(k, cx, args[1], 8)?;
    user::put(k, cx, &len, 0, &ROBUST_HEAD_LEN.to_le_bytes());
    user::put(k, cx, &out, 0, &head.to_le_bytes());
    Ok(0)
}

/// Codes of arch_prctl.
const ARCH_SET_GS: u32 = 0x1001;
const ARCH_SET_FS: u32 = 0x1002;
const ARCH_GET_FS: u32 = 0x1003;
const ARCH_GET_GS: u32 = 0x1004;
const ARCH_GET_CPUID: u32 = 0x1011;

fn arch_prctl(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let code = args[0] as u32;
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
        // The instruction is never refused.
        ARCH_GET_CPUID => Ok(1),
        _ => Err(Errno::EINVAL.into()),
    }
}

fn futex_call(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let [addr, op, value, timeout, addr2, value3] = *args;
    let op = op as u32;
    let private = op & linux::FUTEX_PRIVATE_FLAG != 0;
    let realtime = op & linux::FUTEX_CLOCK_REALTIME != 0;
    let command = op & linux::FUTEX_CMD_MASK as u32;
    if realtime && command != linux::FUTEX_WAIT_BITSET {
        return Err(Errno::ENOSYS.into());
    }
    let (value, value3) = (value as u32, value3 as u32);
    let counts = (value, timeout as u32);
    match command {
        linux::FUTEX_WAIT | linux::FUTEX_WAIT_BITSET => {
            let absolute = command == linux::FUTEX_WAIT_BITSET;
            let deadline = match (cx.resume, timeout) {
                (Some(resume), _) => resume.deadline,
                (None, 0) => None,
                _ => Some(timespec_in(k, cx, timeout)?.deadline(cx, absolute, realtime)),
            };
            if absolute && value3 == 0 {
                return Err(Errno::EINVAL.into());
            }
            futex::wait(k, cx, addr, private, value, deadline)
        }
        linux::FUTEX_WAKE => futex::wake_call(k, cx, addr, private, value, u32::MAX),
        linux::FUTEX_WAKE_BITSET => futex::wake_call(k, cx, addr, private, value, value3),
        linux::FUTEX_WAKE_OP => futex::wake_op(k, cx, (addr, addr2), private, counts, value3),
        linux::FUTEX_REQUEUE | linux::FUTEX_CMP_REQUEUE => {
            let expected = (command == linux::FUTEX_CMP_REQUEUE).then_some(value3);
            futex::requeue(k, cx, (addr, addr2), private, counts, expected)
        }
        // Among them those that lend priority: there is none to lend.
        _ => Err(Errno::ENOSYS.into()),
    }
}

/// Commands of membarrier(2) that there are, for the whole system and for a process.
const BARRIERS: u32 = linux::membarrier_cmd::MEMBARRIER_CMD_GLOBAL as u32
    | linux::membarrier_cmd::MEMBARRIER_CMD_GLOBAL_EXPEDITED as u32
    | linux::membarrier_cmd::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED as u32
    | PRIVATE_BARRIER
    | PRIVATE_REGISTER;
const PRIVATE_BARRIER: u32 = linux::membarrier_cmd::MEMBARRIER_CMD_PRIVATE_EXPEDITED as u32;
const PRIVATE_REGISTER: u32 =
    linux::membarrier_cmd::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED as u32;

/// With one CPU every thread has passed a barrier since it last ran: its last trap.
fn membarrier(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let (command, flags) = (args[0] as u32, args[1] as u32);
    let process = k.tasks.process_of_mut(cx.task)?;
    match command {
        _ if flags != 0 => Err(Errno::EINVAL.into()),
        0 => Ok(u64::from(BARRIERS)),
        PRIVATE_REGISTER => {
            process.has_barrier = true;
            Ok(0)
        }
        PRIVATE_BARRIER if !process.has_barrier => Err(Errno::EPERM.into()),
        _ if command.is_power_of_two() && command & BARRIERS != 0 => Ok(0),
        _ => Err(Errno::EINVAL.into()),
    }
}
