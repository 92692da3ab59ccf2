//! What a process switches about itself: prctl(2).

use super::Line;
use crate::error::{Call, Errno};
use crate::mm::user;
use crate::task::cred::{self, Cred, SecureBits};
use crate::task::signal;
use crate::{Cx, Kernel};
use linux_raw_sys::general as linux;
use linux_raw_sys::prctl as pr;

/// The calls of this file.
pub const CALLS: &[Line] = &[(linux::__NR_prctl, "prctl", prctl)];

fn prctl(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let option = args[0] as u32;
    let rest = [args[1], args[2], args[3], args[4]];
    if let Some(call) = privileges(k, cx, option, rest) {
        return call;
    }
    if let Some(call) = life(k, cx, option, rest) {
        return call;
    }
    memory(k, cx, option, rest)
}

/// Options about credentials; `None` for others.
fn privileges(k: &mut Kernel, cx: &mut Cx, option: u32, args: [u64; 4]) -> Option<Call> {
    let [a, b, c, d] = args;
    Some(match option {
        pr::PR_GET_KEEPCAPS => {
            let keeps = |c: &Cred| c.is_secure(SecureBits::KEEP_CAPS);
            told(k, cx, |c| Ok(u64::from(keeps(c))))
        }
        pr::PR_SET_KEEPCAPS => changed(k, cx, |c| keep_caps(c, a)),
        pr::PR_GET_SECUREBITS => told(k, cx, |c| Ok(u64::from(c.secure_bits.bits()))),
        pr::PR_SET_SECUREBITS => changed(k, cx, |c| secure_bits(c, a)),
        pr::PR_CAPBSET_READ => told(k, cx, |c| Ok(u64::from(has(c.caps.bounding, a)?))),
        pr::PR_CAPBSET_DROP => changed(k, cx, |c| drop_bounding(c, a)),
        pr::PR_CAP_AMBIENT => ambient(k, cx, args),
        pr::PR_GET_NO_NEW_PRIVS if args == [0; 4] => told(k, cx, |c| Ok(u64::from(c.no_new_privs))),
        pr::PR_SET_NO_NEW_PRIVS if a == 1 && [b, c, d] == [0; 3] => changed(k, cx, |c| {
            c.no_new_privs = true;
            Ok(())
        }),
        _ => return None,
    })
}

fn told(k: &Kernel, cx: &Cx, what: impl FnOnce(&Cred) -> Result<u64, Errno>) -> Call {
    Ok(what(&k.tasks.task(cx.task)?.cred)?)
}

fn changed(k: &mut Kernel, cx: &Cx, change: impl FnOnce(&mut Cred) -> Result<(), Errno>) -> Call {
    change(&mut k.tasks.task_mut(cx.task)?.cred)?;
    Ok(0)
}

fn keep_caps(cred: &mut Cred, on: u64) -> Result<(), Errno> {
    if on > 1 {
        return Err(Errno::EINVAL);
    }
    if cred.is_secure(SecureBits::KEEP_CAPS_LOCKED) {
        return Err(Errno::EPERM);
    }
    cred.secure_bits.set(SecureBits::KEEP_CAPS, on == 1);
    Ok(())
}

fn secure_bits(cred: &mut Cred, bits: u64) -> Result<(), Errno> {
    let new = u32::try_from(bits).ok().and_then(SecureBits::from_bits);
    let new = new.ok_or(Errno::EPERM)?;
    if !cred.secure_bits.may_become(new) || !cred.capable(linux::CAP_SETPCAP) {
        return Err(Errno::EPERM);
    }
    cred.secure_bits = new;
    Ok(())
}

/// Whether a set has a capability; EINVAL for one that does not exist.
fn has(set: u64, capability: u64) -> Result<bool, Errno> {
    if capability > u64::from(linux::CAP_LAST_CAP) {
        return Err(Errno::EINVAL);
    }
    Ok(set >> capability & 1 != 0)
}

fn drop_bounding(cred: &mut Cred, capability: u64) -> Result<(), Errno> {
    if !cred.capable(linux::CAP_SETPCAP) {
        return Err(Errno::EPERM);
    }
    has(0, capability)?;
    cred.caps.bounding &= !(1 << capability);
    Ok(())
}

fn ambient(k: &mut Kernel, cx: &Cx, [operation, capability, c, d]: [u64; 4]) -> Call {
    let cred = &mut k.tasks.task_mut(cx.task)?.cred;
    let operation = u32::try_from(operation).map_err(|_| Errno::EINVAL)?;
    if [c, d] != [0; 2] {
        return Err(Errno::EINVAL.into());
    }
    if operation == pr::PR_CAP_AMBIENT_CLEAR_ALL {
        if capability != 0 {
            return Err(Errno::EINVAL.into());
        }
        cred.caps.ambient = 0;
        return Ok(0);
    }
    let set = has(cred.caps.ambient, capability)?;
    let may_raise = has(cred.caps.permitted & cred.caps.inheritable, capability)?
        && !cred.is_secure(SecureBits::NO_CAP_AMBIENT_RAISE);
    match operation {
        pr::PR_CAP_AMBIENT_IS_SET => return Ok(u64::from(set)),
        pr::PR_CAP_AMBIENT_RAISE if !may_raise => return Err(Errno::EPERM.into()),
        pr::PR_CAP_AMBIENT_RAISE => cred.caps.ambient |= 1 << capability,
        pr::PR_CAP_AMBIENT_LOWER => cred.caps.ambient &= !(1 << capability),
        _ => return Err(Errno::EINVAL.into()),
    }
    Ok(0)
}

/// Options about names, parents, children and time; `None` for others.
fn life(k: &mut Kernel, cx: &mut Cx, option: u32, [a, ..]: [u64; 4]) -> Option<Call> {
    Some(match option {
        pr::PR_SET_NAME => set_name(k, cx, a),
        pr::PR_GET_NAME => get(k, cx, a, |k, cx| Ok(k.tasks.task(cx.task)?.comm)),
        pr::PR_SET_PDEATHSIG => set_death_signal(k, cx, a),
        pr::PR_GET_PDEATHSIG => get(k, cx, a, |k, cx| {
            Ok(k.tasks.task(cx.task)?.parent_death_signal.to_le_bytes())
        }),
        pr::PR_SET_CHILD_SUBREAPER => set(k, cx, |k, cx| {
            k.tasks.process_of_mut(cx.task)?.subreaper = a != 0;
            Ok(())
        }),
        pr::PR_GET_CHILD_SUBREAPER => get(k, cx, a, |k, cx| {
            Ok(u32::from(k.tasks.process_of(cx.task)?.1.subreaper).to_le_bytes())
        }),
        pr::PR_GET_TID_ADDRESS => get(k, cx, a, |k, cx| {
            Ok(k.tasks.task(cx.task)?.clear_child_tid.to_le_bytes())
        }),
        pr::PR_GET_TIMERSLACK => timer_slack(k, cx),
        pr::PR_SET_TIMERSLACK => set(k, cx, |k, cx| {
            let slack = &mut k.tasks.task_mut(cx.task)?.timer_slack;
            // 0 and below mean the default.
            slack.0 = if (a as i64) <= 0 { slack.1 } else { a };
            Ok(())
        }),
        // Times are counted, not sampled for a profile, and nobody can have it otherwise.
        pr::PR_GET_TIMING => Ok(u64::from(pr::PR_TIMING_STATISTICAL)),
        pr::PR_SET_TIMING if a == u64::from(pr::PR_TIMING_STATISTICAL) => Ok(0),
        // Programs can always read the time stamp counter.
        pr::PR_GET_TSC => get(k, cx, a, |_, _| Ok(pr::PR_TSC_ENABLE.to_le_bytes())),
        pr::PR_SET_TSC if a == u64::from(pr::PR_TSC_ENABLE) => Ok(0),
        _ => return None,
    })
}

fn timer_slack(k: &Kernel, cx: &Cx) -> Call {
    Ok(k.tasks.task(cx.task)?.timer_slack.0)
}

/// Writes what is asked for to where it is asked for.
fn get<const N: usize>(
    k: &mut Kernel,
    cx: &mut Cx,
    addr: u64,
    what: impl FnOnce(&Kernel, &Cx) -> Result<[u8; N], Errno>,
) -> Call {
    let bytes = what(k, cx)?;
    user::copy_out(k, cx, addr, &bytes, 0)
}

fn set(
    k: &mut Kernel,
    cx: &Cx,
    change: impl FnOnce(&mut Kernel, &Cx) -> Result<(), Errno>,
) -> Call {
    change(k, cx)?;
    Ok(0)
}

fn set_death_signal(k: &mut Kernel, cx: &Cx, number: u64) -> Call {
    let number = u32::try_from(number).map_err(|_| Errno::EINVAL)?;
    if number > signal::LAST {
        return Err(Errno::EINVAL.into());
    }
    k.tasks.task_mut(cx.task)?.parent_death_signal = number;
    Ok(0)
}

/// Names longer than 15 bytes are cut.
fn set_name(k: &mut Kernel, cx: &mut Cx, addr: u64) -> Call {
    let mut name = [0; 16];
    for (len, place) in name.iter_mut().take(15).enumerate() {
        let mut byte = [0];
        user::copy_in(k, cx, addr.wrapping_add(len as u64), &mut byte)?;
        if byte == [0] {
            break;
        }
        [*place] = byte;
    }
    k.tasks.task_mut(cx.task)?.comm = name;
    Ok(0)
}

/// Options about memory, and all that is unknown.
fn memory(k: &mut Kernel, cx: &mut Cx, option: u32, args: [u64; 4]) -> Call {
    let [a, b, c, d] = args;
    let process = k.tasks.process_of_mut(cx.task)?;
    match option {
        pr::PR_GET_DUMPABLE => Ok(u64::from(process.dumpable)),
        pr::PR_SET_DUMPABLE if a <= 1 => {
            process.dumpable = a as u8;
            Ok(0)
        }
        pr::PR_GET_THP_DISABLE if args == [0; 4] => Ok(u64::from(process.thp_disabled)),
        pr::PR_SET_THP_DISABLE if [b, c, d] == [0; 3] => {
            process.thp_disabled = a != 0;
            Ok(0)
        }
        pr::PR_SET_MM if !cred::capable(k, cx.task, linux::CAP_SYS_RESOURCE) => {
            Err(Errno::EPERM.into())
        }
        // Nothing is known about the processor's speculation.
        pr::PR_GET_SPECULATION_CTRL if [b, c, d] == [0; 3] => Err(Errno::ENODEV.into()),
        pr::PR_SET_SPECULATION_CTRL if [c, d] == [0; 2] => Err(Errno::ENODEV.into()),
        _ => Err(Errno::EINVAL.into()),
    }
}
