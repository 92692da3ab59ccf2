//! Signals: actions, masks, sending, waiting for them.

use super::Line;
use super::time::timespec_in;
use crate::error::{Call, Errno, Stop};
use crate::mm::user;
use crate::task::signal::{
    self, Action, LAST, SigInfo, Target, UNBLOCKABLE, bit, code, frame, send_from,
};
use crate::task::{PidId, ProcessId, TaskId, futex, pid};
use crate::wait::{Pending, Restart, Resume, WaitKey};
use crate::wire::{Writer, get_u32, get_u64};
use crate::{Cx, Kernel, ns};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// The calls of this file.
pub const CALLS: &[Line] = &[
    (linux::__NR_rt_sigaction, "rt_sigaction", rt_sigaction),
    (linux::__NR_rt_sigprocmask, "rt_sigprocmask", rt_sigprocmask),
    (linux::__NR_rt_sigreturn, "rt_sigreturn", rt_sigreturn),
    (linux::__NR_rt_sigpending, "rt_sigpending", rt_sigpending),
    (linux::__NR_rt_sigsuspend, "rt_sigsuspend", rt_sigsuspend),
    (
        linux::__NR_rt_sigtimedwait,
        "rt_sigtimedwait",
        rt_sigtimedwait,
    ),
    (
        linux::__NR_rt_sigqueueinfo,
        "rt_sigqueueinfo",
        rt_sigqueueinfo,
    ),
    (
        linux::__NR_rt_tgsigqueueinfo,
        "rt_tgsigqueueinfo",
        rt_tgsigqueueinfo,
    ),
    (linux::__NR_sigaltstack, "sigaltstack", sigaltstack),
    (linux::__NR_kill, "kill", kill),
    (linux::__NR_tkill, "tkill", tkill),
    (linux::__NR_tgkill, "tgkill", tgkill),
    (linux::__NR_pause, "pause", pause),
    (
        linux::__NR_restart_syscall,
        "restart_syscall",
        restart_syscall,
    ),
];

/// Bytes of sigset_t in the kernel's ABI.
const SET_LEN: u64 = 8;

fn check_len(len: u64) -> Result<(), Errno> {
    if len == SET_LEN {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}

fn signal_number(arg: u64) -> Result<u32, Errno> {
    // The number is an int.
    match u32::try_from(arg as i32) {
        Ok(signal) if signal <= LAST => Ok(signal),
        _ => Err(Errno::EINVAL),
    }
}

fn rt_sigaction(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    check_len(args[3])?;
    let new = match args[1] {
        0 => None,
        addr => {
            let mut bytes = [0; 32];
            user::copy_in(k, cx, addr, &mut bytes)?;
            let [handler, flags, restorer, mask] = [0, 8, 16, 24].map(|at| get_u64(&bytes, at));
            Some(Action::asked_for(handler, flags, restorer, mask))
        }
    };
    let signal = signal_number(args[0])?;
    if signal == 0 || (new.is_some() && bit(signal) & UNBLOCKABLE != 0) {
        return Err(Errno::EINVAL.into());
    }
    if args[2] != 0 {
        let old = signal::action(k, cx.task, signal);
        let fields = [old.handler, old.flags, old.restorer, old.mask];
        let bytes = fields.into_iter().fold(Writer::new(), Writer::u64).done();
        user::copy_out(k, cx, args[2], &bytes, 0)?;
    }
    if let Some(new) = new {
        signal::set_action(k, cx.task, signal, new);
    }
    Ok(0)
}

fn rt_sigprocmask(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    check_len(args[3])?;
    let old = k.tasks.task(cx.task)?.mask;
    let new = match args[1] {
        0 => old,
        addr => {
            let set = user::read_u64(k, cx, addr)? & !UNBLOCKABLE;
            match args[0] as u32 {
                linux::SIG_BLOCK => old | set,
                linux::SIG_UNBLOCK => old & !set,
                linux::SIG_SETMASK => set,
                _ => return Err(Errno::EINVAL.into()),
            }
        }
    };
    if args[2] != 0 {
        user::copy_out(k, cx, args[2], &old.to_le_bytes(), 0)?;
    }
    k.tasks.task_mut(cx.task)?.mask = new;
    Ok(0)
}

fn rt_sigreturn(k: &mut Kernel, cx: &mut Cx, _args: &[u64; 6]) -> Call {
    match frame::restore(k, cx) {
        Err(Stop::Errno(_)) => {
            signal::bad_frame(k, cx, 0);
            Err(Stop::Gone)
        }
        other => other,
    }
}

fn rt_sigpending(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    if args[1] > SET_LEN {
        return Err(Errno::EINVAL.into());
    }
    let task = k.tasks.task(cx.task)?;
    let process = k.tasks.process_of(cx.task)?.1;
    let set = (task.pending.set | process.pending.set) & task.mask;
    let bytes = set.to_le_bytes();
    let wanted = bytes.get(..args[1] as usize).unwrap_or_default();
    user::copy_out(k, cx, args[0], wanted, 0)
}

fn rt_sigsuspend(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    check_len(args[1])?;
    let resume = match cx.resume {
        Some(resume) => resume,
        None => {
            let mask = user::read_u64(k, cx, args[0])?;
            Resume {
                saved_mask: Some(signal::swap_mask(k, cx.task, mask)),
                ..Resume::default()
            }
        }
    };
    Err(Stop::Wait(until_signal(cx, Restart::NoHand).with(resume)))
}

fn until_signal(cx: &Cx, restart: Restart) -> Pending {
    Pending::on(WaitKey::Signal(cx.task), restart)
}

fn pause(_k: &mut Kernel, cx: &mut Cx, _args: &[u64; 6]) -> Call {
    Err(Stop::Wait(until_signal(cx, Restart::NoHand)))
}

/// What was interrupted goes on by itself here; nobody has anything to restart.
fn restart_syscall(_k: &mut Kernel, _cx: &mut Cx, _args: &[u64; 6]) -> Call {
    Err(Errno::EINTR.into())
}

fn rt_sigtimedwait(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    check_len(args[3])?;
    let wanted = user::read_u64(k, cx, args[0])? & !UNBLOCKABLE;
    let deadline = match (cx.resume, args[2]) {
        (Some(resume), _) => resume.deadline,
        (None, 0) => None,
        (None, addr) => Some(timespec_in(k, cx, addr)?.deadline(cx, false, false)),
    };
    let out = match args[1] {
        0 => None,
        addr => Some(user::prepare(k, cx, addr, 128)?),
    };
    if let Some(info) = signal::take(k, cx.task, wanted, cx.now) {
        k.tasks.task_mut(cx.task)?.sigwait = 0;
        if let Some(out) = out {
            user::put(k, cx, &out, 0, &frame::siginfo(&info));
        }
        return Ok(u64::from(info.signal));
    }
    if deadline.is_some_and(|at| cx.now >= at) {
        k.tasks.task_mut(cx.task)?.sigwait = 0;
        return Err(Errno::EAGAIN.into());
    }
    k.tasks.task_mut(cx.task)?.sigwait = wanted;
    let resume = Resume {
        deadline,
        ..Resume::default()
    };
    Err(Stop::Wait(until_signal(cx, Restart::Never).with(resume)))
}

fn sigaltstack(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let task = k.tasks.task(cx.task)?;
    let (old, rsp) = (task.altstack, task.regs.rsp);
    let new = match args[0] {
        0 => None,
        addr => {
            let mut bytes = [0; 24];
            user::copy_in(k, cx, addr, &mut bytes)?;
            if frame::is_on(old, rsp) {
                return Err(Errno::EPERM.into());
            }
            Some(frame::decode_stack(&bytes)?)
        }
    };
    if args[1] != 0 {
        user::copy_out(k, cx, args[1], &frame::encode_stack(old, rsp), 0)?;
    }
    if let Some(new) = new {
        k.tasks.task_mut(cx.task)?.altstack = new;
    }
    Ok(0)
}

/// The information of a signal that the caller sends with kill or tgkill. Whether it is a signal
/// is looked at once it is known who is meant.
fn from_caller(k: &Kernel, cx: &Cx, signal: u64, code: i32) -> Result<SigInfo, Errno> {
    Ok(SigInfo {
        signal: signal as u32,
        code,
        uid: k.tasks.task(cx.task)?.cred.uid,
        ..SigInfo::default()
    })
}

/// Sends, or with signal 0 only asks, whether the caller may.
fn deliver_to(k: &mut Kernel, cx: &Cx, target: Target, info: SigInfo) -> Result<(), Errno> {
    if info.signal > LAST {
        return Err(Errno::EINVAL);
    }
    if !signal::allowed(k, cx.task, target, info.signal) {
        return Err(Errno::EPERM);
    }
    if info.signal == 0 {
        return Ok(());
    }
    send_from(k, cx.task, target, info)
}

fn kill(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let info = from_caller(k, cx, args[1], code::USER)?;
    let number = args[0] as i32;
    if number > 0 {
        let process = find_process(k, cx, number)?;
        deliver_to(k, cx, Target::Process(process), info)?;
        return Ok(0);
    }
    let mut result = Err(Errno::ESRCH);
    for process in many(k, cx, number)? {
        let sent = match deliver_to(k, cx, Target::Process(process), info) {
            // Among all there may be, some are not the caller's to signal.
            Err(Errno::EPERM) if number == -1 => Ok(()),
            sent => sent,
        };
        result = result.or(sent);
    }
    result?;
    Ok(0)
}

/// The processes that kill means by 0, -1, or the negative number of a group.
fn many(k: &Kernel, cx: &Cx, number: i32) -> Result<Vec<ProcessId>, Errno> {
    let ns = ns::pid::of_task(k, cx.task).ok_or(Errno::ESRCH)?;
    let own = k.tasks.process_of(cx.task)?;
    let group = match number {
        i32::MIN => return Err(Errno::ESRCH),
        -1 => {
            let ns = k.ns.pid.get(ns).ok_or(Errno::ESRCH)?;
            let mut all = pid::processes(k, ns);
            all.retain(|p| *p != own.0 && Some(*p) != ns.init);
            return Ok(all);
        }
        0 => own.1.group.key(),
        _ => pid::find(k, ns, number.unsigned_abs()).ok_or(Errno::ESRCH)?,
    };
    Ok(members(k, group))
}

fn members(k: &Kernel, group: PidId) -> Vec<ProcessId> {
    let group = k.tasks.pids.get(group);
    group.map_or_else(Vec::new, |g| g.members.iter().copied().collect())
}

/// The process of a number, which may be that of any of its threads.
fn find_process(k: &Kernel, cx: &Cx, number: i32) -> Result<ProcessId, Errno> {
    let number = u32::try_from(number).map_err(|_| Errno::ESRCH)?;
    let ns = ns::pid::of_task(k, cx.task).ok_or(Errno::ESRCH)?;
    if let Some(process) = pid::find_process(k, ns, number) {
        return Ok(process);
    }
    let task = pid::find_task(k, ns, number).ok_or(Errno::ESRCH)?;
    Ok(k.tasks.task(task)?.process)
}

/// The thread `tid`, of the process `tgid` if that is given.
fn find_thread(k: &Kernel, cx: &Cx, tgid: Option<i32>, tid: i32) -> Result<TaskId, Errno> {
    if tid <= 0 || tgid.is_some_and(|tgid| tgid <= 0) {
        return Err(Errno::EINVAL);
    }
    let ns = ns::pid::of_task(k, cx.task).ok_or(Errno::ESRCH)?;
    let task = pid::find_task(k, ns, tid.unsigned_abs()).ok_or(Errno::ESRCH)?;
    if let Some(tgid) = tgid {
        let process = k.tasks.process_of(task)?.1;
        if pid::number_in(&k.tasks, process.pid, ns) != tgid.unsigned_abs() {
            return Err(Errno::ESRCH);
        }
    }
    Ok(task)
}

fn tkill(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    to_thread(k, cx, None, args[0] as i32, args[1])
}

fn tgkill(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    to_thread(k, cx, Some(args[0] as i32), args[1] as i32, args[2])
}

fn to_thread(k: &mut Kernel, cx: &mut Cx, tgid: Option<i32>, tid: i32, signal: u64) -> Call {
    let task = find_thread(k, cx, tgid, tid)?;
    let info = from_caller(k, cx, signal, code::TKILL)?;
    deliver_to(k, cx, Target::Task(task), info)?;
    Ok(0)
}

fn rt_sigqueueinfo(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let info = given_info(k, cx, args[1], args[2])?;
    let number = args[0] as i32;
    check_origin(k, cx, &info, number)?;
    let process = find_process(k, cx, number)?;
    deliver_to(k, cx, Target::Process(process), info)?;
    Ok(0)
}

fn rt_tgsigqueueinfo(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    let info = given_info(k, cx, args[2], args[3])?;
    let (tgid, tid) = (args[0] as i32, args[1] as i32);
    if tgid <= 0 || tid <= 0 {
        return Err(Errno::EINVAL.into());
    }
    check_origin(k, cx, &info, tid)?;
    let task = find_thread(k, cx, Some(tgid), tid)?;
    deliver_to(k, cx, Target::Task(task), info)?;
    Ok(0)
}

fn given_info(k: &mut Kernel, cx: &mut Cx, signal: u64, addr: u64) -> Result<SigInfo, Stop> {
    let mut bytes = [0; 128];
    user::copy_in(k, cx, addr, &mut bytes)?;
    Ok(SigInfo {
        signal: signal as u32,
        errno: get_u32(&bytes, 4) as i32,
        code: get_u32(&bytes, 8) as i32,
        pid: get_u32(&bytes, 16),
        uid: get_u32(&bytes, 20),
        value: get_u64(&bytes, 24),
        ..SigInfo::default()
    })
}

/// Nobody may pretend to be the kernel or kill(2) towards others; `to` is a thread's number.
fn check_origin(k: &Kernel, cx: &Cx, info: &SigInfo, to: i32) -> Result<(), Errno> {
    let to_itself = to.unsigned_abs() == futex::tid_of(k, cx.task) && to > 0;
    if (info.code >= 0 || info.code == code::TKILL) && !to_itself {
        return Err(Errno::EPERM);
    }
    Ok(())
}
