//! What the calls tell of containers, as records.

use super::{ContainerId, Trouble, find};
use crate::cgroup::Happened;
use crate::wire::Writer;
use crate::{Cx, Kernel, task};
use alloc::vec::Vec;
use berth_abi::{StateRecord, StatsRecord, status};
use berth_oci::OciLifecycleState as State;
use zerocopy::IntoBytes;

/// `container_state`: the record and its texts (S-1 to S-7).
///
/// # Errors
/// Refused when there is none of that name.
pub fn state_bytes(k: &mut Kernel, cx: &mut Cx, id: &str) -> Result<Vec<u8>, Trouble> {
    let id = find(k, id)?;
    let pid = pid_seen_by(k, cx.task, id);
    let container = k.containers.get(id).ok_or(crate::error::Errno::ENOENT)?;
    let record = StateRecord {
        status: match container.life.state() {
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
    };
    Ok(record.as_bytes().to_vec())
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
