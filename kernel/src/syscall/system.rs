//! The system as a whole: names, figures, random numbers, power.

use super::Line;
use crate::error::{Call, Errno, Stop};
use crate::machine::{PAGE, PowerOff};
use crate::mm::user;
use crate::ns::{self, UtsNsId, uts};
use crate::task::cred::capable;
use crate::task::{Ended, exit};
use crate::views::procfs::system as names;
use crate::wire::Writer;
use crate::{Cx, Kernel, dev, io};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// The calls of this file.
pub const CALLS: &[Line] = &[
    (linux::__NR_uname, "uname", uname),
    (linux::__NR_sethostname, "sethostname", sethostname),
    (linux::__NR_setdomainname, "setdomainname", setdomainname),
    (linux::__NR_sysinfo, "sysinfo", sysinfo),
    (linux::__NR_getrandom, "getrandom", getrandom),
    (linux::__NR_reboot, "reboot", reboot),
    (linux::__NR_getcpu, "getcpu", getcpu),
    (linux::__NR_personality, "personality", personality),
];

/// Bytes in each field of struct new_utsname.
const UTS_FIELD: usize = uts::NAME_MAX + 1;

fn own_uts(k: &Kernel, cx: &Cx) -> Result<UtsNsId, Errno> {
    uts::of_task(k, cx.task).ok_or(Errno::ESRCH)
}

fn uname(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let ns = k.ns.uts.get(own_uts(k, cx)?).ok_or(Errno::ESRCH)?;
    let fields: [&[u8]; 6] = [
        names::SYSNAME.as_bytes(),
        &ns.hostname,
        names::RELEASE.as_bytes(),
        names::VERSION.as_bytes(),
        names::MACHINE.as_bytes(),
        &ns.domainname,
    ];
    let mut record = Writer::new();
    for (index, field) in fields.into_iter().enumerate() {
        let cut = field.get(..uts::NAME_MAX).unwrap_or(field);
        record = record.bytes(cut).pad_to((index + 1) * UTS_FIELD);
    }
    user::copy_out(k, cx, args[0], &record.done(), 0)
}

fn sethostname(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let name = new_name(k, cx, args)?;
    uts::set_hostname(k, own_uts(k, cx)?, &name)?;
    Ok(0)
}

fn setdomainname(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let name = new_name(k, cx, args)?;
    uts::set_domainname(k, own_uts(k, cx)?, &name)?;
    Ok(0)
}

/// The name that the arguments (address, length) give, from somebody who may set it.
fn new_name(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Result<Vec<u8>, Stop> {
    if !capable(k, cx.task, linux::CAP_SYS_ADMIN) {
        return Err(Errno::EPERM.into());
    }
    // The length is an int.
    let len = usize::try_from(args[1] as i32).map_err(|_| Errno::EINVAL)?;
    if len > uts::NAME_MAX {
        return Err(Errno::EINVAL.into());
    }
    let mut name = alloc::vec![0; len];
    user::copy_in(k, cx, args[0], &mut name)?;
    Ok(name)
}

fn sysinfo(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let bytes = |frames: usize| (frames as u64).saturating_mul(PAGE);
    let tasks = u16::try_from(k.tasks.tasks.len()).unwrap_or(u16::MAX);
    let [one, five, fifteen] = k.load.fixed16();
    let record = Writer::new()
        .u64(cx.m.now() / 1_000_000_000)
        .u64(one)
        .u64(five)
        .u64(fifteen)
        .u64(bytes(k.frames.total()))
        .u64(bytes(k.frames.free()))
        .u64(names::file_pages(k).saturating_mul(PAGE))
        // bufferram, totalswap, freeswap
        .u64(0)
        .u64(0)
        .u64(0)
        .u16(tasks)
        .pad_to(88)
        // totalhigh, freehigh
        .u64(0)
        .u64(0)
        // mem_unit
        .u32(1)
        .pad_to(112);
    user::copy_out(k, cx, args[0], &record.done(), 0)
}

fn getrandom(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let known = linux::GRND_NONBLOCK | linux::GRND_RANDOM | linux::GRND_INSECURE;
    let flags = args[2] as u32;
    let both = linux::GRND_RANDOM | linux::GRND_INSECURE;
    if flags & !known != 0 || flags & both == both {
        return Err(Errno::EINVAL.into());
    }
    user::check(args[0], args[1].min(user::RW_MAX))?;
    let len = args[1].min(user::RW_MAX);
    let done = cx.resume.map_or(0, |r| r.done);
    let pass = (len - done.min(len)).min(dev::RANDOM_PASS as u64);
    let out = match user::prepare_some(k, cx, args[0].saturating_add(done), pass) {
        Err(Stop::Errno(_)) if done > 0 => return Ok(done),
        out => out?,
    };
    let mut bytes = [0; dev::RANDOM_PASS];
    let bytes = bytes.get_mut(..out.len() as usize).unwrap_or_default();
    dev::fill_random(k, cx.m, bytes);
    user::put(k, cx, &out, 0, bytes);
    let done = done.saturating_add(out.len());
    if done < len && !bytes.is_empty() {
        return Err(io::take_turns(cx, done));
    }
    Ok(done)
}

/// What reboot(2) is asked to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Power {
    Restart,
    Off,
}

fn reboot(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    if !capable(k, cx.task, linux::CAP_SYS_BOOT) {
        return Err(Errno::EPERM.into());
    }
    let second = [
        linux::LINUX_REBOOT_MAGIC2,
        linux::LINUX_REBOOT_MAGIC2A,
        linux::LINUX_REBOOT_MAGIC2B,
        linux::LINUX_REBOOT_MAGIC2C,
    ];
    if args[0] as u32 != linux::LINUX_REBOOT_MAGIC1 || !second.contains(&(args[1] as u32)) {
        return Err(Errno::EINVAL.into());
    }
    let power = match args[2] as u32 {
        linux::LINUX_REBOOT_CMD_RESTART => Power::Restart,
        linux::LINUX_REBOOT_CMD_HALT | linux::LINUX_REBOOT_CMD_POWER_OFF => Power::Off,
        _ => return Err(Errno::EINVAL.into()),
    };
    let own = ns::pid::of_task(k, cx.task).ok_or(Errno::ESRCH)?;
    if Some(own) != k.ns.initial_pid() {
        return end_namespace(k, cx, own, power);
    }
    k.power = Some(match power {
        Power::Restart => PowerOff::Restart,
        Power::Off => PowerOff::Clean,
    });
    Ok(0)
}

/// reboot(2) in a nested pid namespace: ends its init, which is said to have died of SIGHUP
/// (restart) or SIGINT (power off); the namespace goes with it.
fn end_namespace(k: &mut Kernel, cx: &mut Cx, own: ns::PidNsId, power: Power) -> Call {
    let init = k.ns.pid.get(own).and_then(|ns| ns.init);
    let init = init.ok_or(Errno::ESRCH)?;
    let reason = match power {
        Power::Restart => linux::SIGHUP,
        Power::Off => linux::SIGINT,
    };
    exit::end_process(k, cx.m, init, Ended::Signal(reason as u8));
    exit::end_process_of(k, cx, Ended::Code(0));
    Err(Stop::Gone)
}

fn getcpu(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let mut outs = [None; 2];
    for (out, &addr) in outs.iter_mut().zip(args.iter()) {
        if addr != 0 {
            *out = Some(user::prepare(k, cx, addr, 4)?);
        }
    }
    // There is one CPU, in one node: both are 0.
    for out in outs.iter().flatten() {
        user::put(k, cx, out, 0, &0u32.to_le_bytes());
    }
    Ok(0)
}

/// personality(2): there is only PER_LINUX; asking for it, or what it is, gives 0.
fn personality(_k: &mut Kernel, _cx: &mut Cx, args: &[u64; 6]) -> Call {
    match args[0] as u32 {
        0 | u32::MAX => Ok(0),
        _ => Err(Errno::EINVAL.into()),
    }
}
