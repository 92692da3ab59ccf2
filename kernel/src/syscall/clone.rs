//! New processes and threads: fork, vfork, clone, clone3.

use super::Line;
use crate::cgroup::GroupId;
use crate::error::{Call, Errno, Stop};
use crate::fs::Node;
use crate::machine::{PAGE, USER_END};
use crate::mm::user;
use crate::task::{files, fork, signal};
use crate::views::cgroupfs;
use crate::wire::{get_u32, get_u64};
use crate::{Cx, Kernel};
use alloc::vec;
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// The calls of this file.
pub const CALLS: &[Line] = &[
    (linux::__NR_fork, "fork", fork_call),
    (linux::__NR_vfork, "vfork", vfork),
    (linux::__NR_clone, "clone", clone),
    (linux::__NR_clone3, "clone3", clone3),
];

fn fork_call(k: &mut Kernel, cx: &mut Cx, _args: &[u64; 6]) -> Call {
    let args = fork::Args {
        exit_signal: linux::SIGCHLD,
        ..fork::Args::default()
    };
    fork::clone(k, cx, &args)
}

fn vfork(k: &mut Kernel, cx: &mut Cx, _args: &[u64; 6]) -> Call {
    let args = fork::Args {
        flags: linux::CLONE_VM | linux::CLONE_VFORK,
        exit_signal: linux::SIGCHLD,
        ..fork::Args::default()
    };
    fork::clone(k, cx, &args)
}

/// Only the lower half of the flags exists here, and what is no signal is none.
fn clone(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let flags = args[0] as u32;
    let args = fork::Args {
        flags: flags & !linux::CSIGNAL,
        exit_signal: flags & linux::CSIGNAL,
        stack: args[1],
        parent_tid: args[2],
        child_tid: args[3],
        tls: args[4],
        ..fork::Args::default()
    };
    fork::clone(k, cx, &args)
}

/// Offsets in struct clone_args, and its sizes: the first one and the one known here.
mod at {
    pub const FLAGS: usize = 0;
    pub const CHILD_TID: usize = 16;
    pub const PARENT_TID: usize = 24;
    pub const EXIT_SIGNAL: usize = 32;
    pub const STACK: usize = 40;
    pub const STACK_SIZE: usize = 48;
    pub const TLS: usize = 56;
    pub const SET_TID: usize = 64;
    pub const SET_TID_SIZE: usize = 72;
    pub const CGROUP: usize = 80;
    pub const FIRST: u64 = 64;
    pub const KNOWN: usize = 88;
}

/// The deepest that pid namespaces nest (pid_namespaces(7)).
const LEVELS: u64 = 32;

fn clone3(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let record = clone_args(k, cx, args[0], args[1])?;
    let args = decode(k, cx, &record)?;
    fork::clone(k, cx, &args)
}

/// Copies struct clone_args in; of a longer one than is known here the rest must be 0.
fn clone_args(k: &mut Kernel, cx: &mut Cx, addr: u64, size: u64) -> Result<Vec<u8>, Stop> {
    if size > PAGE {
        return Err(Errno::E2BIG.into());
    }
    if size < at::FIRST {
        return Err(Errno::EINVAL.into());
    }
    let mut bytes = vec![0; size as usize];
    user::copy_in(k, cx, addr, &mut bytes)?;
    if bytes.iter().skip(at::KNOWN).any(|byte| *byte != 0) {
        return Err(Errno::E2BIG.into());
    }
    Ok(bytes)
}

fn decode(k: &mut Kernel, cx: &mut Cx, record: &[u8]) -> Result<fork::Args, Stop> {
    let field = |at| get_u64(record, at);
    let (flags, exit_signal) = (field(at::FLAGS), field(at::EXIT_SIGNAL));
    let (set_tid, count) = (field(at::SET_TID), field(at::SET_TID_SIZE));
    let odd_numbers = count > LEVELS || (set_tid == 0) != (count == 0);
    if odd_numbers || exit_signal > u64::from(signal::LAST) {
        return Err(Errno::EINVAL.into());
    }
    let set_tid = numbers(k, cx, set_tid, count)?;
    let clear = linux::CLONE_CLEAR_SIGHAND;
    let into = linux::CLONE_INTO_CGROUP;
    let flags32 = u32::try_from(flags & !(clear | into)).map_err(|_| Errno::EINVAL)?;
    let group = match flags & into {
        0 => None,
        // Only who knows of the field can ask for it.
        _ if field(at::CGROUP) > i32::MAX as u64 || record.len() < at::KNOWN => {
            return Err(Errno::EINVAL.into());
        }
        _ if k.tasks.task(cx.task)?.draft.is_some() => None,
        _ => Some(group_at(k, cx, field(at::CGROUP), flags32)?),
    };
    let family = linux::CLONE_THREAD | linux::CLONE_PARENT;
    if flags32 & (linux::CLONE_DETACHED | linux::CSIGNAL) != 0
        || flags32 & family != 0 && exit_signal != 0
    {
        return Err(Errno::EINVAL.into());
    }
    Ok(fork::Args {
        flags: flags32,
        exit_signal: exit_signal as u32,
        stack: stack_top(field(at::STACK), field(at::STACK_SIZE))?,
        parent_tid: field(at::PARENT_TID),
        child_tid: field(at::CHILD_TID),
        tls: field(at::TLS),
        clear_handlers: flags & clear != 0,
        set_tid,
        group,
    })
}

/// The control group whose directory a descriptor is, if the caller may make tasks in it.
fn group_at(k: &Kernel, cx: &Cx, fd: u64, flags: u32) -> Result<GroupId, Errno> {
    let file = k.fs.file(files::any_file(k, cx.task, fd)?)?;
    let Node::View(node) = file.at.pos().node else {
        return Err(Errno::EBADF);
    };
    let group = cgroupfs::group_of_directory(&k.groups, node)?;
    let thread = flags & linux::CLONE_THREAD != 0;
    cgroupfs::may_fork_into(k, cx.task, group, thread)?;
    Ok(group)
}

/// The numbers that the child shall have.
fn numbers(k: &mut Kernel, cx: &mut Cx, addr: u64, count: u64) -> Result<Vec<u32>, Stop> {
    let count = count as usize;
    let mut bytes = vec![0; count.saturating_mul(4)];
    user::copy_in(k, cx, addr, &mut bytes)?;
    Ok((0..count).map(|n| get_u32(&bytes, n * 4)).collect())
}

/// Where a stack of this size begins: at its end.
fn stack_top(base: u64, size: u64) -> Result<u64, Errno> {
    match (base, size) {
        (0, 0) => Ok(0),
        (0, _) | (_, 0) => Err(Errno::EINVAL),
        _ => {
            let top = base.checked_add(size).filter(|top| *top <= USER_END);
            top.ok_or(Errno::EINVAL)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_has_both_ends_or_none() {
        assert_eq!(stack_top(0, 0), Ok(0));
        assert_eq!(stack_top(0x1000, 0x2000), Ok(0x3000));
        assert_eq!(stack_top(0x1000, 0), Err(Errno::EINVAL));
        assert_eq!(stack_top(0, 0x1000), Err(Errno::EINVAL));
        assert_eq!(stack_top(u64::MAX, 2), Err(Errno::EINVAL));
    }
}
