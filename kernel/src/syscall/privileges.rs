//! Capabilities and resource limits.

use super::Line;
use crate::error::{Call, Errno};
use crate::mm::user;
use crate::ns;
use crate::task::cred::{self, ALL, Caps};
use crate::task::{ProcessId, TaskId, limits, pid};
use crate::wire::{Writer, get_u32, get_u64};
use crate::{Cx, Kernel};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// The calls of this file.
pub const CALLS: &[Line] = &[
    (linux::__NR_capget, "capget", capget),
    (linux::__NR_capset, "capset", capset),
    (linux::__NR_prlimit64, "prlimit64", prlimit64),
    (linux::__NR_getrlimit, "getrlimit", getrlimit),
    (linux::__NR_setrlimit, "setrlimit", setrlimit),
];

/// Reads the header of capget and capset: the pid in it, and how many 32-bit words each set has.
/// With an unknown version the preferred one is written to it.
fn cap_header(k: &mut Kernel, cx: &mut Cx, addr: u64) -> Result<(i32, usize), crate::error::Stop> {
    let mut header = [0; 8];
    user::copy_in(k, cx, addr, &mut header)?;
    let words = match get_u32(&header, 0) {
        linux::_LINUX_CAPABILITY_VERSION_1 => 1,
        linux::_LINUX_CAPABILITY_VERSION_2 | linux::_LINUX_CAPABILITY_VERSION_3 => 2,
        _ => {
            let preferred = linux::_LINUX_CAPABILITY_VERSION_3.to_le_bytes();
            user::copy_out(k, cx, addr, &preferred, 0)?;
            return Err(Errno::EINVAL.into());
        }
    };
    Ok((get_u32(&header, 4) as i32, words))
}

fn capget(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let (number, words) = match cap_header(k, cx, args[0]) {
        // How programs ask for the version.
        Err(crate::error::Stop::Errno(Errno::EINVAL)) if args[1] == 0 => return Ok(0),
        other => other?,
    };
    if args[1] == 0 {
        return Ok(0);
    }
    let number = u32::try_from(number).map_err(|_| Errno::EINVAL)?;
    let target = match number {
        0 => cx.task,
        _ => {
            let ns = ns::pid::of_task(k, cx.task).ok_or(Errno::ESRCH)?;
            pid::find_task(k, ns, number).ok_or(Errno::ESRCH)?
        }
    };
    let caps = k.tasks.task(target)?.cred.caps;
    let mut data = Writer::new();
    for word in 0..words {
        let sets = [caps.effective, caps.permitted, caps.inheritable];
        data = (sets.into_iter()).fold(data, |to, set| to.u32((set >> (32 * word)) as u32));
    }
    user::copy_out(k, cx, args[1], &data.done(), 0)
}

fn capset(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let (number, words) = cap_header(k, cx, args[0])?;
    let own = crate::task::futex::tid_of(k, cx.task);
    if number != 0 && number as u32 != own {
        return Err(Errno::EPERM.into());
    }
    let mut data = [0; 24];
    let part = data.get_mut(..words * 12).unwrap_or_default();
    user::copy_in(k, cx, args[1], part)?;
    let set = |field: usize| {
        let low = u64::from(get_u32(&data, field * 4));
        let high = u64::from(get_u32(&data, 12 + field * 4));
        (low | high << 32) & ALL
    };
    let old = k.tasks.task(cx.task)?.cred.caps;
    let mut cred = k.tasks.task(cx.task)?.cred.clone();
    cred.caps = new_caps(old, set(0), set(1), set(2))?;
    cred::change(k, cx.task, cred)?;
    Ok(0)
}

/// The sets after capset (capabilities(7), "Programmatically adjusting capability sets").
fn new_caps(old: Caps, effective: u64, permitted: u64, inheritable: u64) -> Result<Caps, Errno> {
    let able = old.effective >> linux::CAP_SETPCAP & 1 != 0;
    let within = |set: u64, of: u64| set & !of == 0;
    let fine = (able || within(inheritable, old.inheritable | old.permitted))
        && within(inheritable, old.inheritable | old.bounding)
        && within(permitted, old.permitted)
        && within(effective, permitted);
    if !fine {
        return Err(Errno::EPERM);
    }
    Ok(Caps {
        effective,
        permitted,
        inheritable,
        bounding: old.bounding,
        ambient: old.ambient & permitted & inheritable,
    })
}

/// struct rlimit.
fn rlimit(limit: (u64, u64)) -> Vec<u8> {
    Writer::new().u64(limit.0).u64(limit.1).done()
}

fn getrlimit(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let own = k.tasks.task(cx.task)?.process;
    let limit = limits::get(k, own, args[0] as u32).ok_or(Errno::EINVAL)?;
    user::copy_out(k, cx, args[1], &rlimit(limit), 0)
}

fn setrlimit(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let own = k.tasks.task(cx.task)?.process;
    let new = rlimit_in(k, cx, args[1])?;
    limits::check(k, cx.task, own, args[0] as u32, new)?;
    limits::set(k, own, args[0] as u32, new);
    Ok(0)
}

fn rlimit_in(k: &mut Kernel, cx: &mut Cx, addr: u64) -> Result<(u64, u64), crate::error::Stop> {
    let mut bytes = [0; 16];
    user::copy_in(k, cx, addr, &mut bytes)?;
    Ok((get_u64(&bytes, 0), get_u64(&bytes, 8)))
}

fn prlimit64(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let resource = args[1] as u32;
    let new = match args[2] {
        0 => None,
        addr => Some(rlimit_in(k, cx, addr)?),
    };
    let target = limits_of(k, cx, args[0] as i32)?;
    let old = limits::get(k, target, resource).ok_or(Errno::EINVAL)?;
    if let Some(new) = new {
        limits::check(k, cx.task, target, resource, new)?;
    }
    let out = match args[3] {
        0 => None,
        addr => Some(user::prepare(k, cx, addr, 16)?),
    };
    if let Some(new) = new {
        limits::set(k, target, resource, new);
    }
    if let Some(out) = out {
        user::put(k, cx, &out, 0, &rlimit(old));
    }
    Ok(0)
}

/// The process whose limits a number names, if the caller may see and change them.
fn limits_of(k: &Kernel, cx: &Cx, number: i32) -> Result<ProcessId, Errno> {
    let number = u32::try_from(number).map_err(|_| Errno::ESRCH)?;
    let own = k.tasks.task(cx.task)?;
    if number == 0 {
        return Ok(own.process);
    }
    let ns = ns::pid::of_task(k, cx.task).ok_or(Errno::ESRCH)?;
    let target = pid::find_task(k, ns, number).ok_or(Errno::ESRCH)?;
    let process = k.tasks.task(target)?.process;
    if process == own.process || may_limit(k, cx, target)? {
        Ok(process)
    } else {
        Err(Errno::EPERM)
    }
}

fn may_limit(k: &Kernel, cx: &Cx, target: TaskId) -> Result<bool, Errno> {
    let own = &k.tasks.task(cx.task)?.cred;
    let other = &k.tasks.task(target)?.cred;
    let same_user = [other.uid, other.euid, other.suid] == [own.uid; 3];
    let same_group = [other.gid, other.egid, other.sgid] == [own.gid; 3];
    Ok(same_user && same_group || own.capable(linux::CAP_SYS_RESOURCE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capset_only_gives_up() {
        let old = Caps {
            effective: 0b0111,
            permitted: 0b0111,
            inheritable: 0b0001,
            bounding: 0b1111,
            ambient: 0b0001,
        };
        let new = new_caps(old, 0b0001, 0b0011, 0b0010).unwrap();
        assert_eq!((new.effective, new.permitted, new.inheritable), (1, 3, 2));
        assert_eq!((new.bounding, new.ambient), (0b1111, 0));
        assert_eq!(new_caps(old, 0b1000, 0b0111, 0), Err(Errno::EPERM));
        assert_eq!(new_caps(old, 0, 0b1111, 0), Err(Errno::EPERM));
        assert_eq!(new_caps(old, 0b0111, 0b0011, 0), Err(Errno::EPERM));
        assert_eq!(new_caps(old, 0, 0, 0b1000), Err(Errno::EPERM));
    }
}
