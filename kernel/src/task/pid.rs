//! Process numbers: one in every pid namespace from the initial one down to the process's own
//! (pid_namespaces(7)). A number lives while a task, a process group or a session has it.

use super::{Pid, PidId, ProcessId, TaskId, Tasks};
use crate::Kernel;
use crate::arena::{Arena, Held};
use crate::cgroup::GroupId;
use crate::error::{Errno, Stop};
use crate::ns::{PidNs, PidNsId};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// Numbers are below this (/proc/sys/kernel/pid_max).
pub const MAX: u32 = 32768;

/// Where numbers go on after [`MAX`]: the lowest are left to daemons started at boot.
const AFTER_WRAP: u32 = 300;

/// Numbers that a new process shall have (clone(2), set_tid).
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// In the innermost namespace first and then outwards; where there is none, any will do.
    pub numbers: &'a [u32],
    /// Whether the caller may choose (CAP_CHECKPOINT_RESTORE).
    pub may_choose: bool,
}

impl Wanted<'_> {
    /// None in particular.
    pub const ANY: Wanted<'static> = Wanted {
        numbers: &[],
        may_choose: false,
    };

    /// Whether the one wanted in a namespace, outwards by `step`, can be had there.
    fn check(&self, step: usize, here: &PidNs) -> Result<Option<u32>, Errno> {
        let Some(&number) = self.numbers.get(step) else {
            return Ok(None);
        };
        // The first process of a namespace is its number 1.
        if !(1..MAX).contains(&number) || number != 1 && here.init.is_none() {
            return Err(Errno::EINVAL);
        }
        if !self.may_choose {
            return Err(Errno::EPERM);
        }
        if here.numbers.contains_key(&number) {
            return Err(Errno::EEXIST);
        }
        Ok(Some(number))
    }
}

/// Takes fresh numbers in `ns` and all namespaces around it, charged to `group`.
///
/// # Errors
/// ENOMEM when the init of `ns` has ended, EAGAIN when all numbers are in use (fork(2)); EINVAL,
/// EPERM or EEXIST for wanted numbers (clone3(2)); no memory.
pub fn allocate(
    k: &mut Kernel,
    ns: PidNsId,
    group: GroupId,
    wanted: Wanted,
) -> Result<Held<PidId>, Stop> {
    let mut numbers = Vec::new();
    let mut next = Some(ns);
    while let Some(id) = next {
        let here = k.ns.pid.get(id).ok_or(Errno::ENOMEM)?;
        if here.dead {
            return Err(Errno::ENOMEM.into());
        }
        let number = match wanted.check(numbers.len(), here)? {
            Some(number) => number,
            None => free_number(&here.numbers, here.last, MAX).ok_or(Errno::EAGAIN)?,
        };
        numbers.push((id, number));
        next = here.parent.as_ref().map(Held::key);
    }
    if wanted.numbers.len() > numbers.len() {
        return Err(Errno::EINVAL.into());
    }
    let chosen = numbers.len() - wanted.numbers.len();
    numbers.reverse();
    let held = k.ns.pid.hold(ns).ok_or(Errno::ENOMEM)?;
    let cost = Arena::<PidId, Pid>::COST;
    let charge = match k.groups.charge(group, cost) {
        Ok(charge) => charge,
        Err(no_mem) => {
            crate::ns::pid::release(k, held);
            return Err(no_mem.into());
        }
    };
    let pid = Pid {
        ns: held,
        numbers: numbers.clone(),
        task: None,
        process: None,
        members: BTreeSet::new(),
    };
    let pid = k.tasks.pids.insert(pid, charge);
    for (place, (id, number)) in numbers.into_iter().enumerate() {
        if let Some(here) = k.ns.pid.get_mut(id) {
            here.numbers.insert(number, pid.key());
            // Numbers that were chosen do not count for those that follow.
            if place < chosen {
                here.last = number;
            }
        }
    }
    Ok(pid)
}

/// The first free number after `last`, starting again from the bottom at `max`.
fn free_number<V>(used: &BTreeMap<u32, V>, last: u32, max: u32) -> Option<u32> {
    let bottom = if last < AFTER_WRAP { 1 } else { AFTER_WRAP };
    let after = last.saturating_add(1);
    free_between(used, after, max).or_else(|| free_between(used, bottom, after.min(max)))
}

fn free_between<V>(used: &BTreeMap<u32, V>, from: u32, end: u32) -> Option<u32> {
    if from >= end {
        return None;
    }
    let mut candidate = from;
    for &number in used.range(from..end).map(|(number, _)| number) {
        if number > candidate {
            break;
        }
        candidate = number.saturating_add(1);
    }
    (candidate < end).then_some(candidate)
}

/// One more reference to a process's number.
pub fn hold(tasks: &mut Tasks, pid: PidId) -> Option<Held<PidId>> {
    tasks.pids.hold(pid)
}

/// Gives a reference back; with the last one the numbers are free again.
pub fn release(k: &mut Kernel, held: Held<PidId>) {
    let Some((pid, charge)) = k.tasks.pids.release(held) else {
        return;
    };
    for (ns, number) in pid.numbers {
        if let Some(ns) = k.ns.pid.get_mut(ns) {
            ns.numbers.remove(&number);
            // A first process that came to nothing: the next one is to be process 1.
            if ns.numbers.is_empty() && ns.init.is_none() && !ns.dead {
                ns.last = 0;
            }
        }
    }
    k.groups.give_back(charge);
    crate::ns::pid::release(k, pid.ns);
}

/// What has this number in a namespace.
pub fn find(k: &Kernel, ns: PidNsId, number: u32) -> Option<PidId> {
    k.ns.pid.get(ns)?.numbers.get(&number).copied()
}

/// The process with this number in a namespace, zombies included.
pub fn find_process(k: &Kernel, ns: PidNsId, number: u32) -> Option<ProcessId> {
    k.tasks.pids.get(find(k, ns, number)?)?.process
}

/// The task with this number in a namespace.
pub fn find_task(k: &Kernel, ns: PidNsId, number: u32) -> Option<TaskId> {
    k.tasks.pids.get(find(k, ns, number)?)?.task
}

/// The number as seen from a namespace; 0 where it is not visible.
pub fn number_in(tasks: &Tasks, pid: PidId, ns: PidNsId) -> u32 {
    let pid = tasks.pids.get(pid);
    let found = pid.and_then(|p| p.numbers.iter().find(|n| n.0 == ns));
    found.map_or(0, |n| n.1)
}

/// The pid namespace a process is in.
pub fn namespace_of(tasks: &Tasks, process: ProcessId) -> Option<PidNsId> {
    let pid = tasks.processes.get(process)?.pid;
    Some(tasks.pids.get(pid)?.numbers.last()?.0)
}

/// Number of a process as a task of another namespace sees it; 0 where it is not visible.
pub fn process_number(tasks: &Tasks, process: ProcessId, ns: PidNsId) -> u32 {
    let process = tasks.processes.get(process);
    process.map_or(0, |p| number_in(tasks, p.pid, ns))
}

/// Every process that a namespace sees, by number.
pub fn processes(k: &Kernel, ns: &PidNs) -> Vec<ProcessId> {
    let pids = ns.numbers.values();
    pids.filter_map(|pid| k.tasks.pids.get(*pid)?.process)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(numbers: &[u32]) -> BTreeMap<u32, ()> {
        numbers.iter().map(|n| (*n, ())).collect()
    }

    #[test]
    fn numbers_rise_and_start_again() {
        assert_eq!(free_number(&used(&[]), 0, 10), Some(1));
        assert_eq!(free_number(&used(&[1]), 1, 10), Some(2));
        // A number given back is not used again before the others.
        assert_eq!(free_number(&used(&[1, 3]), 3, 10), Some(4));
        assert_eq!(free_number(&used(&[1, 3]), 9, 10), Some(2));
        assert_eq!(free_number(&used(&[1, 5, 6]), 4, 10), Some(7));
        let all: Vec<u32> = (1..10).collect();
        assert_eq!(free_number(&used(&all), 4, 10), None);
    }

    #[test]
    fn the_lowest_numbers_are_kept_after_the_first_round() {
        assert_eq!(free_number(&used(&[]), MAX - 1, MAX), Some(AFTER_WRAP));
        let low: Vec<u32> = (AFTER_WRAP..MAX).collect();
        assert_eq!(free_number(&used(&low), MAX - 1, MAX), None);
    }
}
