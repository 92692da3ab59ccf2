//! Processes: how they end and are waited for, and their numbers.

use super::Line;
use crate::error::{Call, Errno, Stop};
use crate::machine::PAGE;
use crate::mm::user::{self, UserOut};
use crate::ns;
use crate::task::usage::{self, Usage};
use crate::task::wait::{self, Event, Wanted, Who};
use crate::task::{Ended, PidId, ProcessId, exit, pid};
use crate::wait::{Pending, Restart, WaitKey};
use crate::wire::Writer;
use crate::{Cx, Kernel};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// The calls of this file.
pub const CALLS: &[Line] = &[
    (linux::__NR_exit, "exit", exit_call),
    (linux::__NR_exit_group, "exit_group", exit_group),
    (linux::__NR_wait4, "wait4", wait4),
    (linux::__NR_waitid, "waitid", waitid),
    (linux::__NR_getpid, "getpid", getpid),
    (linux::__NR_gettid, "gettid", gettid),
    (linux::__NR_getppid, "getppid", getppid),
];

const WNOTHREAD: u32 = 0x2000_0000;
const WCLONE: u32 = 0x8000_0000;

fn exit_call(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    exit::wind_up(k, cx, false)?;
    exit::exit_thread(k, cx, args[0] as u8);
    Err(Stop::Gone)
}

fn exit_group(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    exit::wind_up(k, cx, true)?;
    exit::end_process_of(k, cx, Ended::Code(args[0] as u8));
    Err(Stop::Gone)
}

fn getpid(k: &mut Kernel, cx: &mut Cx, _args: &[u64; 6]) -> Call {
    let own = k.tasks.process_of(cx.task)?.1.pid;
    seen(k, cx, own)
}

fn gettid(k: &mut Kernel, cx: &mut Cx, _args: &[u64; 6]) -> Call {
    let own = k.tasks.task(cx.task)?.pid.key();
    seen(k, cx, own)
}

fn getppid(k: &mut Kernel, cx: &mut Cx, _args: &[u64; 6]) -> Call {
    let parent = k.tasks.process_of(cx.task)?.1.parent;
    match parent.and_then(|p| k.tasks.processes.get(p)) {
        Some(parent) => seen(k, cx, parent.pid),
        None => Ok(0),
    }
}

/// A number as the caller sees it.
fn seen(k: &Kernel, cx: &Cx, pid: PidId) -> Call {
    let ns = ns::pid::of_task(k, cx.task).ok_or(Errno::ESRCH)?;
    Ok(u64::from(pid::number_in(&k.tasks, pid, ns)))
}

fn wait4(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let options = args[2] as u32;
    let known = linux::WNOHANG | linux::WUNTRACED | linux::WCONTINUED;
    if options & !(known | WNOTHREAD | WCLONE | linux::__WALL) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let wanted = Wanted {
        who: who(k, cx, args[0] as i32)?,
        ended: true,
        stopped: options & linux::WUNTRACED != 0,
        continued: options & linux::WCONTINUED != 0,
        by_sigchld: kind(options),
        of_thread: (options & WNOTHREAD != 0).then_some(cx.task),
    };
    let own = k.tasks.process_of(cx.task)?.0;
    let Some((child, event)) = wait_for(k, own, &wanted, options)? else {
        return Ok(0);
    };
    let status = prepare(k, cx, args[1], 4)?;
    let rusage = prepare(k, cx, args[3], RUSAGE_LEN)?;
    let told = Told::of(k, cx, child);
    put(k, cx, &status, &event.wait_status().to_le_bytes());
    put(k, cx, &rusage, &told.rusage);
    wait::consume(k, own, child, event);
    Ok(u64::from(told.number))
}

/// Which children the first argument of wait4 means.
fn who(k: &Kernel, cx: &Cx, number: i32) -> Result<Who, Errno> {
    let ns = ns::pid::of_task(k, cx.task).ok_or(Errno::ECHILD)?;
    let find = |number: u32| pid::find(k, ns, number).ok_or(Errno::ECHILD);
    Ok(match number {
        i32::MIN => return Err(Errno::ESRCH),
        -1 => Who::Any,
        0 => Who::Group(k.tasks.process_of(cx.task)?.1.group.key()),
        1.. => Who::Pid(find(number.unsigned_abs())?),
        _ => Who::Group(find(number.unsigned_abs())?),
    })
}

fn kind(options: u32) -> Option<bool> {
    if options & linux::__WALL != 0 {
        None
    } else {
        Some(options & WCLONE == 0)
    }
}

fn waitid(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let options = args[3] as u32;
    let what = linux::WEXITED | linux::WSTOPPED | linux::WCONTINUED;
    let known = what | linux::WNOHANG | linux::WNOWAIT | WNOTHREAD | WCLONE | linux::__WALL;
    if options & !known != 0 || options & what == 0 {
        return Err(Errno::EINVAL.into());
    }
    let wanted = Wanted {
        who: who_by_type(k, cx, args[0] as u32, args[1] as i32)?,
        ended: options & linux::WEXITED != 0,
        stopped: options & linux::WSTOPPED != 0,
        continued: options & linux::WCONTINUED != 0,
        by_sigchld: kind(options),
        of_thread: (options & WNOTHREAD != 0).then_some(cx.task),
    };
    let own = k.tasks.process_of(cx.task)?.0;
    let found = wait_for(k, own, &wanted, options)?;
    let info = prepare(k, cx, args[2], CHILD_INFO_LEN)?;
    let Some((child, event)) = found else {
        put(k, cx, &info, &[0; CHILD_INFO_LEN as usize]);
        return Ok(0);
    };
    let rusage = prepare(k, cx, args[4], RUSAGE_LEN)?;
    let told = Told::of(k, cx, child);
    put(k, cx, &info, &child_info(&told, event));
    put(k, cx, &rusage, &told.rusage);
    if options & linux::WNOWAIT == 0 {
        wait::consume(k, own, child, event);
    }
    Ok(0)
}

fn who_by_type(k: &Kernel, cx: &Cx, kind: u32, id: i32) -> Result<Who, Errno> {
    match (kind, id) {
        (linux::P_ALL, _) => Ok(Who::Any),
        (linux::P_PID, 1..) => who(k, cx, id),
        (linux::P_PGID, 0) => who(k, cx, 0),
        (linux::P_PGID, 1) => {
            let ns = ns::pid::of_task(k, cx.task).ok_or(Errno::ECHILD)?;
            Ok(Who::Group(pid::find(k, ns, 1).ok_or(Errno::ECHILD)?))
        }
        (linux::P_PGID, 2..) => who(k, cx, -id),
        _ => Err(Errno::EINVAL),
    }
}

/// The child that has something to tell; none with WNOHANG. Waits otherwise.
fn wait_for(
    k: &Kernel,
    own: ProcessId,
    wanted: &Wanted,
    options: u32,
) -> Result<Option<(ProcessId, Event)>, Stop> {
    let found = wait::find(k, own, wanted)?;
    if found.is_some() || options & linux::WNOHANG != 0 {
        return Ok(found);
    }
    Err(Stop::Wait(Pending::on(WaitKey::Child(own), Restart::Sys)))
}

/// A result whose address may be 0.
fn prepare(k: &mut Kernel, cx: &mut Cx, addr: u64, len: u64) -> Result<UserOut, Stop> {
    if addr == 0 {
        return Ok(UserOut::NONE);
    }
    user::prepare(k, cx, addr, len)
}

fn put(k: &mut Kernel, cx: &mut Cx, out: &UserOut, bytes: &[u8]) {
    if !out.is_empty() {
        user::put(k, cx, out, 0, bytes);
    }
}

/// What is told of a child besides the event.
struct Told {
    number: u32,
    uid: u32,
    rusage: Vec<u8>,
}

impl Told {
    fn of(k: &Kernel, cx: &Cx, child: ProcessId) -> Told {
        let tasks = &k.tasks;
        let ns = ns::pid::of_task(k, cx.task);
        let leader = tasks.leader(child).and_then(|t| tasks.tasks.get(t));
        let process = tasks.processes.get(child);
        let (own, below) = process.map_or_else(Default::default, |p| (p.times, p.child_times));
        let used = usage::of_process(tasks, &k.spaces, child)
            .and(process.map_or_else(Usage::default, |p| p.child_usage));
        let user = own.0.saturating_add(below.0);
        let system = own.1.saturating_add(below.1);
        Told {
            number: ns.map_or(0, |ns| pid::process_number(tasks, child, ns)),
            uid: leader.map_or(0, |t| t.cred.uid),
            rusage: rusage((user, system), used),
        }
    }
}

/// Bytes of struct rusage.
pub(super) const RUSAGE_LEN: u64 = 144;

/// Where ru_minflt and ru_nvcsw are.
const MINOR_FAULTS: usize = 64;
const SWITCHES: usize = 128;

/// struct rusage; what Linux does not count either, and what there is none of, is 0
/// (getrusage(2)).
pub(super) fn rusage(times: (u64, u64), used: Usage) -> Vec<u8> {
    let kilobytes = used.most_resident.saturating_mul(PAGE / 1024);
    [times.0, times.1]
        .into_iter()
        .fold(Writer::new(), |to, ns| {
            to.u64(ns / 1_000_000_000).u64(ns % 1_000_000_000 / 1000)
        })
        .u64(kilobytes)
        .pad_to(MINOR_FAULTS)
        .u64(used.faults)
        .pad_to(SWITCHES)
        .u64(used.waits)
        .u64(used.losses)
        .pad_to(RUSAGE_LEN as usize)
        .done()
}

/// Bytes of siginfo_t that waitid writes.
const CHILD_INFO_LEN: u64 = 28;

fn child_info(told: &Told, event: Event) -> Vec<u8> {
    let (code, status) = event.code_and_status();
    Writer::new()
        .u32(linux::SIGCHLD)
        .u32(0)
        .i32(code)
        .u32(0)
        .u32(told.number)
        .u32(told.uid)
        .u32(status)
        .done()
}
