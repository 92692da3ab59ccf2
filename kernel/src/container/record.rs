//! What the calls tell of containers, as records.

use super::{ContainerId, Trouble, find};
use crate::cgroup::cpu::Times;
use crate::cgroup::{Happened, Part};
use crate::error::{Errno, Stop};
use crate::wait::{Pending, Restart, Resume, WaitKey};
use crate::wire::Writer;
use crate::{Cx, Kernel, sched, task};
use alloc::vec::Vec;
use berth_abi::{EventsRecord, StateRecord, StatsRecord, status};
use berth_oci::OciLifecycleState as State;
use core::ops::Bound;
use zerocopy::IntoBytes;

/// `container_state`: the record and its texts (S-1 to S-7).
///
/// # Errors
/// Refused when there is none of that name.
pub fn state_bytes(k: &mut Kernel, cx: &mut Cx, id: &str) -> Result<Vec<u8>, Trouble> {
    let id = find(k, id)?;
    let pid = pid_seen_by(k, cx.task, id);
    let container = k.containers.get(id).ok_or(Errno::ENOENT)?;
    let record = StateRecord {
        status: match container.life.state() {
            State::Created | State::Running if super::pause::is_paused(k, id) => status::PAUSED,
            State::Creating => status::CREATING,
            State::Created => status::CREATED,
            State::Running => status::RUNNING,
            State::Stopped => status::STOPPED,
        },
        pid,
        created_sec: container.created.0,
        created_nsec: container.created.1,
        annotations: container.config.annotations.len() as u32,
        exit: container.exit,
    };
    let mut out = Writer::new().bytes(record.as_bytes());
    let annotations = container
        .config
        .annotations
        .iter()
        .flat_map(|(key, value)| [key, value]);
    for text in [&container.config.oci_version, &container.bundle]
        .into_iter()
        .chain(annotations)
    {
        out = out.u32(text.len() as u32).bytes(text.as_bytes());
    }
    Ok(out.done())
}

/// `container_stats`: what the container's group uses.
///
/// # Errors
/// Refused when there is none of that name.
pub fn stats_bytes(k: &Kernel, id: &str) -> Result<Vec<u8>, Trouble> {
    let id = find(k, id)?;
    let group = super::steps::group(k, id)?;
    let (usage, peak) = (k.groups.usage(group), k.groups.peak(group));
    let (limits, events) = (k.groups.limits(group), k.groups.events(group));
    let memory = k.groups.memory_events(group);
    let parts = k.groups.parts(group);
    let times = k
        .groups
        .cpu(group)
        .map_or_else(Times::default, |cpu| cpu.times);
    let quota = sched::control::stats(k, group);
    let record = StatsRecord {
        memory: usage.memory,
        memory_peak: peak.memory,
        memory_limit: limits.memory,
        memory_refused: memory.of(Happened::Max),
        tasks: usage.tasks,
        tasks_peak: peak.tasks,
        tasks_limit: limits.tasks,
        tasks_refused: events.tasks_refused,
        oom_kills: memory.of(Happened::OomKill),
        ooms: memory.of(Happened::Oom),
        memory_anon: parts.of(Part::Anon),
        memory_file: parts.of(Part::File),
        memory_kernel: parts.kernel(),
        cpu: times.total(),
        cpu_user: times.user,
        cpu_system: times.system,
        cpu_periods: quota.periods,
        cpu_throttled_periods: quota.throttled_periods,
        cpu_throttled: quota.throttled,
    };
    Ok(record.as_bytes().to_vec())
}

/// `container_events`: how many processes were killed for want of memory, and whether the container
/// is stopped; waits until the first is not `seen`, or the second is so, unless `nohang`.
///
/// # Errors
/// Refused when there is none of that name.
pub fn events_bytes(k: &Kernel, id: &str, seen: u64, nohang: bool) -> Result<Vec<u8>, Trouble> {
    let id = find(k, id)?;
    let group = super::steps::group(k, id)?;
    let stopped = k.containers.get(id).map(|c| c.life.state()) == Some(State::Stopped);
    let oom_kills = k.groups.memory_events(group).of(Happened::OomKill);
    if oom_kills == seen && !stopped && !nohang {
        let mut pending = Pending::on(WaitKey::Container(id), Restart::Sys);
        pending.keys.push(WaitKey::Group(group));
        return Err(Stop::Wait(pending).into());
    }
    let record = EventsRecord {
        oom_kills,
        stopped: u64::from(stopped),
    };
    Ok(record.as_bytes().to_vec())
}

/// Numbers that one turn looks at.
const LOOKED_AT: usize = 512;

/// `container_processes`: the numbers above `after` of the processes in the container's group or
/// below it, as the pid namespace of the caller has them, in their order, as many as fit.
///
/// # Errors
/// Refused when there is none of that name. Waits for its turns.
pub fn processes_bytes(
    k: &Kernel,
    cx: &Cx,
    id: &str,
    after: u64,
    room: usize,
) -> Result<Vec<u8>, Trouble> {
    let id = find(k, id)?;
    let group = super::steps::group(k, id)?;
    let ns = crate::ns::pid::of_task(k, cx.task).ok_or(Errno::ESRCH)?;
    let ns = k.ns.pid.get(ns).ok_or(Errno::ESRCH)?;
    // A turn that found nothing goes on behind what it has looked at.
    let after = cx.resume.map_or(after, |resume| resume.word);
    let after = u32::try_from(after).unwrap_or(u32::MAX);
    let range = (Bound::Excluded(after), Bound::Unbounded);
    let mut numbers = ns.numbers.range(range);
    let (mut out, mut last) = (Writer::new(), after);
    let mut left = room / size_of::<u32>();
    for (number, pid) in numbers.by_ref().take(LOOKED_AT) {
        if left == 0 {
            return Ok(out.done());
        }
        last = *number;
        let process = k.tasks.pids.get(*pid).and_then(|pid| pid.process);
        if process.is_some_and(|process| super::ending::is_in(k, process, group)) {
            out = out.u32(*number);
            left -= 1;
        }
    }
    let out = out.done();
    match out.is_empty() && numbers.next().is_some() {
        true => {
            let resume = Resume::at(u64::from(last));
            Err(Stop::Wait(Pending::turn(Restart::NoIntr).with(resume)).into())
        }
        false => Ok(out),
    }
}

/// The number of a container's first process in the pid namespace of `task`; 0 when it has ended
/// or cannot be seen from there.
pub(super) fn pid_seen_by(k: &Kernel, task: task::TaskId, id: ContainerId) -> u32 {
    let Some(init) = k.containers.get(id).and_then(|c| c.init) else {
        return 0;
    };
    crate::ns::pid::of_task(k, task).map_or(0, |ns| task::pid::process_number(&k.tasks, init, ns))
}

/// `container_list`: ids after `after` in their order, each ended by NUL, as many as fit whole.
pub fn list_bytes(k: &Kernel, after: &str, room: usize) -> Vec<u8> {
    let mut names: Vec<&str> = k
        .containers
        .arena
        .iter()
        .map(|(_, c)| c.name.as_str())
        .filter(|name| *name > after)
        .collect();
    names.sort_unstable();
    let mut out = Vec::new();
    for name in names {
        if out.len() + name.len() + 1 > room {
            break;
        }
        out.extend_from_slice(name.as_bytes());
        out.push(0);
    }
    out
}
