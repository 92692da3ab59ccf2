//! What is due by the CPU time of a process or a thread. Only the task that runs uses any, so
//! only its alarms are looked at, when its time has been counted.

use super::interval::{self, Which};
use super::posix;
use crate::Kernel;
use crate::task::{ProcessId, TaskId, Tasks, TimerId, limits};
use alloc::collections::BTreeSet;

/// The least that a task runs before its CPU time is looked at again: 100 us. An interval may be
/// as short as it likes: the program still gets on.
const LEAST: u64 = 100_000;

/// Which time of a pair of user and system time counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meter {
    /// User time.
    User,
    /// Both.
    All,
}

impl Meter {
    /// The time that counts.
    pub fn of(self, (user, system): (u64, u64)) -> u64 {
        match self {
            Meter::User => user,
            Meter::All => user.saturating_add(system),
        }
    }
}

/// Whose time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whose {
    /// That of all threads of a process.
    Process(ProcessId),
    /// That of one thread.
    Thread(TaskId),
}

impl Whose {
    /// How much of it there has been; `None` when it does not go on any more.
    pub fn time(self, tasks: &Tasks, meter: Meter) -> Option<u64> {
        let times = match self {
            Whose::Process(id) => tasks.processes.get(id)?.times,
            Whose::Thread(id) => tasks.tasks.get(id)?.times,
        };
        Some(meter.of(times))
    }

    fn alarms(self, tasks: &mut Tasks) -> Option<&mut Alarms> {
        match self {
            Whose::Process(id) => tasks.processes.get_mut(id).map(|p| &mut p.alarms),
            Whose::Thread(id) => tasks.tasks.get_mut(id).map(|t| &mut t.alarms),
        }
    }
}

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Due {
    /// ITIMER_VIRTUAL of the process.
    Virtual,
    /// ITIMER_PROF of the process.
    Prof,
    /// A POSIX timer.
    Posix(TimerId),
    /// A task that sleeps (clock_nanosleep(2)).
    Sleeper(TaskId),
}

/// What is due at which CPU time.
#[derive(Debug, Default)]
pub struct Alarms {
    by_user: BTreeSet<(u64, Due)>,
    by_all: BTreeSet<(u64, Due)>,
}

impl Alarms {
    fn by(&mut self, meter: Meter) -> &mut BTreeSet<(u64, Due)> {
        match meter {
            Meter::User => &mut self.by_user,
            Meter::All => &mut self.by_all,
        }
    }

    /// Moves something from one time to another; `None` for not at all.
    pub(super) fn exchange(&mut self, meter: Meter, due: Due, old: Option<u64>, new: Option<u64>) {
        let set = self.by(meter);
        old.map(|at| set.remove(&(at, due)));
        new.map(|at| set.insert((at, due)));
    }

    /// Takes the first that is due.
    fn take_due(&mut self, times: (u64, u64)) -> Option<Due> {
        for meter in [Meter::User, Meter::All] {
            let set = self.by(meter);
            if set.first().is_some_and(|first| first.0 <= meter.of(times)) {
                return set.pop_first().map(|first| first.1);
            }
        }
        None
    }

    /// Nanoseconds until the next is due.
    fn left(&self, times: (u64, u64)) -> u64 {
        let of = |set: &BTreeSet<(u64, Due)>, meter: Meter| {
            let first = set.first();
            first.map_or(u64::MAX, |first| first.0.saturating_sub(meter.of(times)))
        };
        of(&self.by_user, Meter::User).min(of(&self.by_all, Meter::All))
    }

    /// Nothing is due ever.
    pub fn is_empty(&self) -> bool {
        self.by_user.is_empty() && self.by_all.is_empty()
    }
}

/// Moves something that is due by somebody's time from one moment to another.
pub(super) fn exchange(
    tasks: &mut Tasks,
    (whose, meter): (Whose, Meter),
    due: Due,
    old: Option<u64>,
    new: Option<u64>,
) {
    if let Some(alarms) = whose.alarms(tasks) {
        alarms.exchange(meter, due, old, new);
    }
}

/// Lets go off what the time of the current task has made due; keeps its RLIMIT_CPU.
pub fn expire(k: &mut Kernel, task: TaskId, now: u64) {
    let Some(process) = k.tasks.tasks.get(task).map(|t| t.process) else {
        return;
    };
    for _ in 0..super::AT_ONCE {
        let Some(due) = take_due(&mut k.tasks, task, process) else {
            break;
        };
        match due {
            Due::Virtual => interval::go_off_by_cpu(k, process, Which::Virtual),
            Due::Prof => interval::go_off_by_cpu(k, process, Which::Prof),
            Due::Posix(timer) => posix::go_off(k, timer, now),
            Due::Sleeper(sleeper) => k.waits.wake_task(sleeper),
        }
    }
    limits::keep_cpu(k, process);
}

fn take_due(tasks: &mut Tasks, task: TaskId, process: ProcessId) -> Option<Due> {
    let own = tasks.tasks.get_mut(task)?;
    let of_thread = own.alarms.take_due(own.times);
    of_thread.or_else(|| {
        let all = tasks.processes.get_mut(process)?;
        all.alarms.take_due(all.times)
    })
}

/// When to look at the CPU time of a task that runs from `now` on; `u64::MAX` for never.
pub fn deadline(k: &Kernel, task: TaskId, now: u64) -> u64 {
    let Some(task) = k.tasks.tasks.get(task) else {
        return u64::MAX;
    };
    let Some(process) = k.tasks.processes.get(task.process) else {
        return u64::MAX;
    };
    let left = (task.alarms.left(task.times))
        .min(process.alarms.left(process.times))
        .min(limits::cpu_left(process));
    match left {
        u64::MAX => u64::MAX,
        _ => now.saturating_add(left.max(LEAST)),
    }
}

/// Wakes a task once so much time has been used; `None` to wake it no more. A task waits for one
/// such time at the most.
pub fn wake_up(k: &mut Kernel, task: TaskId, when: Option<(Whose, Meter, u64)>) {
    let old = match k.tasks.tasks.get_mut(task) {
        Some(task) => core::mem::replace(&mut task.sleep, when),
        None => return,
    };
    let due = Due::Sleeper(task);
    if let Some((whose, meter, at)) = old {
        exchange(&mut k.tasks, (whose, meter), due, Some(at), None);
    }
    if let Some((whose, meter, at)) = when {
        exchange(&mut k.tasks, (whose, meter), due, None, Some(at));
    }
}

/// A process or thread ends: its time stands still, and what waits for it waits for ever.
pub fn dissolve(k: &mut Kernel, alarms: Alarms) {
    for (_, due) in alarms.by_user.into_iter().chain(alarms.by_all) {
        if let Due::Posix(timer) = due {
            posix::stand_still(k, timer);
        }
    }
}
