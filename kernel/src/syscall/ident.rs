//! Who a process is: user and group ids, process groups, sessions.

use super::Line;
use crate::error::{Call, Errno, Stop};
use crate::mm::user;
use crate::ns;
use crate::task::cred::{self, Cred, NGROUPS_MAX};
use crate::task::{ProcessId, fork, pid, session};
use crate::{Cx, Kernel};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// The calls of this file.
pub const CALLS: &[Line] = &[
    (linux::__NR_getuid, "getuid", getuid),
    (linux::__NR_geteuid, "geteuid", geteuid),
    (linux::__NR_getgid, "getgid", getgid),
    (linux::__NR_getegid, "getegid", getegid),
    (linux::__NR_getresuid, "getresuid", getresuid),
    (linux::__NR_getresgid, "getresgid", getresgid),
    (linux::__NR_getgroups, "getgroups", getgroups),
    (linux::__NR_setgroups, "setgroups", setgroups),
    (linux::__NR_setuid, "setuid", setuid),
    (linux::__NR_setgid, "setgid", setgid),
    (linux::__NR_setreuid, "setreuid", setreuid),
    (linux::__NR_setregid, "setregid", setregid),
    (linux::__NR_setresuid, "setresuid", setresuid),
    (linux::__NR_setresgid, "setresgid", setresgid),
    (linux::__NR_setfsuid, "setfsuid", setfsuid),
    (linux::__NR_setfsgid, "setfsgid", setfsgid),
    (linux::__NR_setsid, "setsid", setsid),
    (linux::__NR_getsid, "getsid", getsid),
    (linux::__NR_setpgid, "setpgid", setpgid),
    (linux::__NR_getpgid, "getpgid", getpgid),
    (linux::__NR_getpgrp, "getpgrp", getpgrp),
];

/// "Leave it as it is" for ids.
const KEEP: u32 = u32::MAX;

fn getuid(k: &mut Kernel, cx: &mut Cx, _args: &[u64; 6]) -> Call {
    Ok(u64::from(k.tasks.task(cx.task)?.cred.uid))
}

fn geteuid(k: &mut Kernel, cx: &mut Cx, _args: &[u64; 6]) -> Call {
    Ok(u64::from(k.tasks.task(cx.task)?.cred.euid))
}

fn getgid(k: &mut Kernel, cx: &mut Cx, _args: &[u64; 6]) -> Call {
    Ok(u64::from(k.tasks.task(cx.task)?.cred.gid))
}

fn getegid(k: &mut Kernel, cx: &mut Cx, _args: &[u64; 6]) -> Call {
    Ok(u64::from(k.tasks.task(cx.task)?.cred.egid))
}

fn getresuid(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let c = &k.tasks.task(cx.task)?.cred;
    let ids = [c.uid, c.euid, c.suid];
    three(k, cx, args, ids)
}

fn getresgid(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let c = &k.tasks.task(cx.task)?.cred;
    let ids = [c.gid, c.egid, c.sgid];
    three(k, cx, args, ids)
}

fn three(k: &mut Kernel, cx: &mut Cx, to: &[u64; 6], ids: [u32; 3]) -> Call {
    for (addr, id) in to.iter().zip(ids) {
        user::copy_out(k, cx, *addr, &id.to_le_bytes(), 0)?;
    }
    Ok(0)
}

fn getgroups(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let groups = &k.tasks.task(cx.task)?.cred.groups;
    let count = groups.len() as u64;
    // The room is an int.
    let room = u64::try_from(args[0] as i32).map_err(|_| Errno::EINVAL)?;
    if room == 0 {
        return Ok(count);
    }
    if room < count {
        return Err(Errno::EINVAL.into());
    }
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(groups.len().saturating_mul(4))
        .map_err(|_| Errno::ENOMEM)?;
    bytes.extend(groups.iter().flat_map(|g| g.to_le_bytes()));
    for (n, part) in bytes.chunks(user::PASS as usize).enumerate() {
        let at = args[1].saturating_add(n as u64 * user::PASS);
        user::copy_out(k, cx, at, part, 0)?;
    }
    Ok(count)
}

fn setgroups(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let count = usize::try_from(args[0] as u32).map_err(|_| Errno::EINVAL)?;
    let task = k.tasks.task(cx.task)?;
    let group = task.group.key();
    if !task.cred.capable(linux::CAP_SETGID) {
        return Err(Errno::EPERM.into());
    }
    if count > NGROUPS_MAX {
        return Err(Errno::EINVAL.into());
    }
    let groups = read_groups(k, cx, args[1], count)?;
    let charge = fork::charge_groups(k, group, count)?;
    let task = k.tasks.task_mut(cx.task)?;
    task.cred.groups = groups;
    if let Some(old) = core::mem::replace(&mut task.groups_charge, charge) {
        k.groups.give_back(old);
    }
    Ok(0)
}

fn read_groups(k: &mut Kernel, cx: &mut Cx, addr: u64, count: usize) -> Result<Vec<u32>, Stop> {
    let mut bytes = Vec::new();
    let len = count.saturating_mul(4);
    bytes.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
    bytes.resize(len, 0);
    user::copy_in(k, cx, addr, &mut bytes)?;
    let mut groups = Vec::new();
    groups.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
    let words = bytes.chunks_exact(4);
    groups.extend(words.map(|w| crate::wire::get_u32(w, 0)));
    groups.sort_unstable();
    Ok(groups)
}

/// Changes the caller's credentials.
fn change(
    k: &mut Kernel,
    cx: &mut Cx,
    with: impl FnOnce(&mut Cred) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let mut cred = k.tasks.task(cx.task)?.cred.clone();
    with(&mut cred)?;
    cred::change(k, cx.task, cred)
}

fn setuid(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let uid = args[0] as u32;
    if uid == KEEP {
        return Err(Errno::EINVAL.into());
    }
    change(k, cx, |c| {
        if c.capable(linux::CAP_SETUID) {
            c.change_uids(uid, uid, uid);
        } else if uid == c.uid || uid == c.suid {
            c.change_uids(c.uid, uid, c.suid);
        } else {
            return Err(Errno::EPERM);
        }
        Ok(())
    })?;
    Ok(0)
}

fn setgid(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let gid = args[0] as u32;
    if gid == KEEP {
        return Err(Errno::EINVAL.into());
    }
    change(k, cx, |c| {
        if c.capable(linux::CAP_SETGID) {
            (c.gid, c.sgid) = (gid, gid);
        } else if gid != c.gid && gid != c.sgid {
            return Err(Errno::EPERM);
        }
        (c.egid, c.fsgid) = (gid, gid);
        Ok(())
    })?;
    Ok(0)
}

/// The new real, effective and saved id of setreuid and setregid from the old ones.
fn re_ids(old: [u32; 3], real: u32, effective: u32, able: bool) -> Result<[u32; 3], Errno> {
    let [r, e, s] = old;
    let real_ok = real == KEEP || real == r || real == e;
    let effective_ok = effective == KEEP || old.contains(&effective);
    if !(able || real_ok && effective_ok) {
        return Err(Errno::EPERM);
    }
    let new = [pick(real, r), pick(effective, e)];
    let saves = real != KEEP || (effective != KEEP && effective != r);
    Ok([new[0], new[1], if saves { new[1] } else { s }])
}

/// The same for setresuid and setresgid.
fn res_ids(old: [u32; 3], new: [u32; 3], able: bool) -> Result<[u32; 3], Errno> {
    if !able && new.iter().any(|id| *id != KEEP && !old.contains(id)) {
        return Err(Errno::EPERM);
    }
    Ok([
        pick(new[0], old[0]),
        pick(new[1], old[1]),
        pick(new[2], old[2]),
    ])
}

fn pick(new: u32, old: u32) -> u32 {
    if new == KEEP { old } else { new }
}

fn setreuid(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    change(k, cx, |c| {
        let able = c.capable(linux::CAP_SETUID);
        let old = [c.uid, c.euid, c.suid];
        let [r, e, s] = re_ids(old, args[0] as u32, args[1] as u32, able)?;
        c.change_uids(r, e, s);
        Ok(())
    })?;
    Ok(0)
}

fn setregid(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    change(k, cx, |c| {
        let able = c.capable(linux::CAP_SETGID);
        let old = [c.gid, c.egid, c.sgid];
        [c.gid, c.egid, c.sgid] = re_ids(old, args[0] as u32, args[1] as u32, able)?;
        c.fsgid = c.egid;
        Ok(())
    })?;
    Ok(0)
}

fn setresuid(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let new = [args[0] as u32, args[1] as u32, args[2] as u32];
    change(k, cx, |c| {
        let able = c.capable(linux::CAP_SETUID);
        let [r, e, s] = res_ids([c.uid, c.euid, c.suid], new, able)?;
        c.change_uids(r, e, s);
        Ok(())
    })?;
    Ok(0)
}

fn setresgid(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let new = [args[0] as u32, args[1] as u32, args[2] as u32];
    change(k, cx, |c| {
        let able = c.capable(linux::CAP_SETGID);
        [c.gid, c.egid, c.sgid] = res_ids([c.gid, c.egid, c.sgid], new, able)?;
        c.fsgid = c.egid;
        Ok(())
    })?;
    Ok(0)
}

/// setfsuid tells the old id whether it changes anything or not.
fn setfsuid(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let (new, c) = (args[0] as u32, &k.tasks.task(cx.task)?.cred);
    let old = c.fsuid;
    let allowed = [c.uid, c.euid, c.suid, c.fsuid].contains(&new) || c.capable(linux::CAP_SETUID);
    if allowed && new != KEEP {
        change(k, cx, |c| {
            c.change_fsuid(new);
            Ok(())
        })?;
    }
    Ok(u64::from(old))
}

fn setfsgid(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let (new, c) = (args[0] as u32, &k.tasks.task(cx.task)?.cred);
    let old = c.fsgid;
    let allowed = [c.gid, c.egid, c.sgid, c.fsgid].contains(&new) || c.capable(linux::CAP_SETGID);
    if allowed && new != KEEP {
        change(k, cx, |c| {
            c.fsgid = new;
            Ok(())
        })?;
    }
    Ok(u64::from(old))
}

fn setsid(k: &mut Kernel, cx: &mut Cx, _args: &[u64; 6]) -> Call {
    session::new_session(k, cx.task)?;
    let own = k.tasks.task(cx.task)?.process;
    group_or_session(k, cx, own, true)
}

fn getsid(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let process = find(k, cx, args[0])?;
    group_or_session(k, cx, process, true)
}

fn getpgid(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let process = find(k, cx, args[0])?;
    group_or_session(k, cx, process, false)
}

fn getpgrp(k: &mut Kernel, cx: &mut Cx, _args: &[u64; 6]) -> Call {
    let own = k.tasks.task(cx.task)?.process;
    group_or_session(k, cx, own, false)
}

fn setpgid(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let (number, group) = (args[0] as i32, args[1] as i32);
    let group = u32::try_from(group).map_err(|_| Errno::EINVAL)?;
    let number = u32::try_from(number).map_err(|_| Errno::ESRCH)?;
    session::set_group(k, cx.task, number, group)?;
    Ok(0)
}

/// The process that a number names; 0 for the caller's.
fn find(k: &Kernel, cx: &Cx, number: u64) -> Result<ProcessId, Errno> {
    match u32::try_from(number as i32) {
        Ok(0) => Ok(k.tasks.task(cx.task)?.process),
        Ok(number) => {
            let ns = ns::pid::of_task(k, cx.task).ok_or(Errno::ESRCH)?;
            pid::find_process(k, ns, number).ok_or(Errno::ESRCH)
        }
        Err(_) => Err(Errno::ESRCH),
    }
}

/// The number of a process's group or session as the caller sees it.
fn group_or_session(k: &Kernel, cx: &Cx, process: ProcessId, session: bool) -> Call {
    let process = k.tasks.processes.get(process).ok_or(Errno::ESRCH)?;
    let held = if session {
        &process.session
    } else {
        &process.group
    };
    let ns = ns::pid::of_task(k, cx.task).ok_or(Errno::ESRCH)?;
    Ok(u64::from(pid::number_in(&k.tasks, held.key(), ns)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_exchanged_as_setreuid_2_says() {
        let old = [1, 2, 3];
        assert_eq!(re_ids(old, KEEP, KEEP, false), Ok([1, 2, 3]));
        assert_eq!(re_ids(old, 2, 1, false), Ok([2, 1, 1]));
        assert_eq!(re_ids(old, KEEP, 3, false), Ok([1, 3, 3]));
        assert_eq!(re_ids(old, KEEP, 1, false), Ok([1, 1, 3]));
        assert_eq!(re_ids(old, 3, KEEP, false), Err(Errno::EPERM));
        assert_eq!(re_ids(old, 9, 9, true), Ok([9, 9, 9]));
    }

    #[test]
    fn setresuid_takes_any_of_the_three() {
        let old = [1, 2, 3];
        assert_eq!(res_ids(old, [3, KEEP, 1], false), Ok([3, 2, 1]));
        assert_eq!(res_ids(old, [4, KEEP, 1], false), Err(Errno::EPERM));
        assert_eq!(res_ids(old, [4, 5, 6], true), Ok([4, 5, 6]));
    }
}
