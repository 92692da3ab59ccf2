//! POSIX timers (timer_create(2), timer_settime(2), timer_getoverrun(2)).

use super::cpu::{self, Due, Meter, Whose};
use super::{Alarm, after};
use crate::Kernel;
use crate::arena::Arena;
use crate::error::{Errno, Stop};
use crate::task::signal::{self, SigInfo, Target, code};
use crate::task::{ProcessId, TaskId, Tasks, TimerId, limits};
use linux_raw_sys::general as linux;

/// By what a timer is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Clock {
    /// The time of day.
    Wall,
    /// Time since boot.
    Monotonic,
    /// CPU time.
    Cpu(Whose, Meter),
}

/// Who gets a timer's signal (sigevent(3type)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notify {
    /// Nobody: the timer is only asked (SIGEV_NONE).
    Nobody,
    /// The process that made it.
    Process,
    /// One of its threads (SIGEV_THREAD_ID).
    Thread(TaskId),
}

/// What a timer shall be.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Its clock.
    pub clock: Clock,
    /// Who gets the signal.
    pub notify: Notify,
    /// Which signal.
    pub signal: u32,
    /// si_value; `None` for the timer's number.
    pub value: Option<u64>,
}

/// A POSIX timer.
pub struct Timer {
    owner: ProcessId,
    number: i32,
    plan: Plan,
    /// The user whose RLIMIT_SIGPENDING counts it.
    uid: u32,
    /// When it goes off next: monotonic, or by CPU time.
    next: Option<u64>,
    /// Every how many nanoseconds then; 0 for once.
    every: u64,
    /// It stands in a queue at `next`.
    armed: bool,
    /// Its signal waits to be delivered; it goes on then.
    queued: bool,
    /// Expirations that the last delivered signal stands for, besides its own.
    overrun: u32,
}

/// What a timer costs: its slot, and its places in the process's table and a queue.
const COST: u32 = Arena::<TimerId, Timer>::COST + 128;

/// A timer whose signal is ignored goes on after this many nanoseconds at the earliest.
const IGNORED: u64 = 1_000_000;

/// Makes a timer, not set; returns its number.
///
/// # Errors
/// EAGAIN when the user has as many queued signals and timers as RLIMIT_SIGPENDING allows; no
/// memory.
pub fn create(k: &mut Kernel, task: TaskId, plan: Plan) -> Result<i32, Stop> {
    let creator = k.tasks.task(task)?;
    let (owner, uid, group) = (creator.process, creator.cred.uid, creator.group.key());
    if k.tasks.signals_of(uid) >= limits::soft(k, owner, linux::RLIMIT_SIGPENDING) {
        return Err(Errno::EAGAIN.into());
    }
    let process = k.tasks.processes.get(owner).ok_or(Errno::ESRCH)?;
    let mut number = process.next_timer;
    while process.timers.contains_key(&number) {
        number = after_number(number);
    }
    let charge = k.groups.charge(group, COST)?;
    let timer = Timer {
        owner,
        number,
        plan,
        uid,
        next: None,
        every: 0,
        armed: false,
        queued: false,
        overrun: 0,
    };
    let held = k.tasks.timers.insert(timer, charge);
    k.tasks.count_signal(uid, true);
    let process = k.tasks.processes.get_mut(owner).ok_or(Errno::ESRCH)?;
    process.next_timer = after_number(number);
    process.timers.insert(number, held);
    Ok(number)
}

fn after_number(number: i32) -> i32 {
    number.checked_add(1).unwrap_or(0)
}

/// The timer with this number.
///
/// # Errors
/// EINVAL when the process has none.
pub fn find(tasks: &Tasks, process: ProcessId, number: i32) -> Result<TimerId, Errno> {
    let process = tasks.processes.get(process).ok_or(Errno::EINVAL)?;
    let held = process.timers.get(&number).ok_or(Errno::EINVAL)?;
    Ok(held.key())
}

/// The time that a timer's clock has, in terms of [`Timer::next`].
fn clock_now(tasks: &Tasks, clock: Clock, now: u64) -> Option<u64> {
    match clock {
        Clock::Wall | Clock::Monotonic => Some(now),
        Clock::Cpu(whose, meter) => whose.time(tasks, meter),
    }
}

/// Nanoseconds until a timer goes off, and its interval.
pub fn get(tasks: &Tasks, id: TimerId, now: u64) -> (u64, u64) {
    let Some(timer) = tasks.timers.get(id) else {
        return (0, 0);
    };
    let now = clock_now(tasks, timer.plan.clock, now);
    let (Some(next), Some(now)) = (timer.next, now) else {
        return (0, timer.every);
    };
    let left = match after(next, timer.every, now).1.saturating_sub(now) {
        // It is just going off; one that signals nobody has done so.
        0 if timer.plan.notify != Notify::Nobody => 1,
        left => left,
    };
    (left, timer.every)
}

/// Sets a timer to `value` nanoseconds from now, or to that time of its clock, and then every
/// `every`; 0 disarms it. A signal that still waits is taken back. `wall` is the time of day.
pub fn set(
    k: &mut Kernel,
    id: TimerId,
    (now, wall): (u64, u64),
    (value, absolute): (u64, bool),
    every: u64,
) {
    withdraw(k, id);
    let Some(timer) = k.tasks.timers.get(id) else {
        return;
    };
    let clock = timer.plan.clock;
    let at = match (absolute, clock) {
        (true, Clock::Wall) => now.saturating_add(value.saturating_sub(wall)),
        (true, _) => value,
        (false, _) => {
            let now = clock_now(&k.tasks, clock, now).unwrap_or(0);
            now.saturating_add(value)
        }
    };
    if let Some(timer) = k.tasks.timers.get_mut(id) {
        timer.next = (value > 0).then_some(at);
        timer.every = every;
        timer.overrun = 0;
    }
    arm(k, id);
}

/// How often a timer went off while the signal that was delivered last was waiting.
pub fn overrun(tasks: &Tasks, id: TimerId) -> u32 {
    tasks.timers.get(id).map_or(0, |t| t.overrun)
}

/// Queues a timer at its next time.
fn arm(k: &mut Kernel, id: TimerId) {
    let Some(timer) = k.tasks.timers.get_mut(id) else {
        return;
    };
    let Some(at) = timer.next.filter(|_| timer.plan.notify != Notify::Nobody) else {
        return;
    };
    timer.armed = true;
    match timer.plan.clock {
        Clock::Wall | Clock::Monotonic => {
            k.tasks.alarms.insert((at, Alarm::Posix(id)));
        }
        Clock::Cpu(whose, meter) => {
            let due = Due::Posix(id);
            cpu::exchange(&mut k.tasks, (whose, meter), due, None, Some(at));
        }
    }
}

/// Takes a timer out of its queue, and its signal back.
fn withdraw(k: &mut Kernel, id: TimerId) {
    let Some(timer) = k.tasks.timers.get_mut(id) else {
        return;
    };
    let armed = core::mem::take(&mut timer.armed)
        .then_some(timer.next)
        .flatten();
    let queued = core::mem::take(&mut timer.queued);
    let (owner, clock) = (timer.owner, timer.plan.clock);
    match (armed, clock) {
        (Some(at), Clock::Cpu(whose, meter)) => {
            let due = Due::Posix(id);
            cpu::exchange(&mut k.tasks, (whose, meter), due, Some(at), None);
        }
        (Some(at), _) => {
            k.tasks.alarms.remove(&(at, Alarm::Posix(id)));
        }
        (None, _) => {}
    }
    if queued {
        signal::discard_of_timer(k, owner, id);
    }
}

/// A timer goes off. It was taken out of its queue.
pub(super) fn go_off(k: &mut Kernel, id: TimerId, now: u64) {
    let Some(timer) = k.tasks.timers.get_mut(id) else {
        return;
    };
    timer.armed = false;
    timer.next = match timer.every {
        0 => None,
        every => timer.next.map(|at| at.saturating_add(every)),
    };
    let target = match timer.plan.notify {
        Notify::Nobody => return,
        Notify::Process => Target::Process(timer.owner),
        Notify::Thread(thread) => Target::Task(thread),
    };
    let number = timer.number.unsigned_abs();
    let info = SigInfo {
        signal: timer.plan.signal,
        code: code::TIMER,
        pid: number,
        value: timer.plan.value.unwrap_or(u64::from(number)),
        ..SigInfo::default()
    };
    let queued = signal::send_timer(k, target, info, id);
    let alive = match target {
        Target::Process(_) => true,
        Target::Task(thread) => k.tasks.is_alive(thread),
    };
    if let Some(timer) = k.tasks.timers.get_mut(id) {
        timer.queued = queued;
    }
    if !queued && alive {
        go_on(k, id, now, IGNORED);
    }
}

/// The signal of a timer is delivered; returns how often the timer went off since it was sent.
pub fn delivered(k: &mut Kernel, id: TimerId, now: u64) -> u32 {
    let missed = go_on(k, id, now, 0);
    let missed = u32::try_from(missed).map_or(i32::MAX as u32, |m| m.min(i32::MAX as u32));
    if let Some(timer) = k.tasks.timers.get_mut(id) {
        timer.queued = false;
        timer.overrun = missed;
    }
    missed
}

/// The signal of a timer came to nothing while it waited.
pub fn forgotten(k: &mut Kernel, id: TimerId) {
    if let Some(timer) = k.tasks.timers.get_mut(id) {
        timer.queued = false;
    }
    arm(k, id);
}

/// Arms a timer that repeats for its first time later than `pause` from now; returns how many
/// expirations are left out.
fn go_on(k: &mut Kernel, id: TimerId, now: u64, pause: u64) -> u64 {
    let Some(timer) = k.tasks.timers.get(id) else {
        return 0;
    };
    let now = clock_now(&k.tasks, timer.plan.clock, now);
    let (Some(next), Some(now)) = (timer.next, now) else {
        return 0;
    };
    let (missed, next) = after(next, timer.every, now.saturating_add(pause));
    if let Some(timer) = k.tasks.timers.get_mut(id) {
        timer.next = Some(next);
    }
    arm(k, id);
    missed
}

/// The clock of a timer has ended, and the queue that it was in with it.
pub(super) fn stand_still(k: &mut Kernel, id: TimerId) {
    if let Some(timer) = k.tasks.timers.get_mut(id) {
        timer.armed = false;
    }
}

/// Deletes a timer.
///
/// # Errors
/// EINVAL when the process has none with this number.
pub fn delete(k: &mut Kernel, process: ProcessId, number: i32) -> Result<(), Errno> {
    withdraw(k, find(&k.tasks, process, number)?);
    let owner = k.tasks.processes.get_mut(process);
    let held = owner
        .and_then(|p| p.timers.remove(&number))
        .ok_or(Errno::EINVAL)?;
    if let Some((timer, charge)) = k.tasks.timers.release(held) {
        k.groups.give_back(charge);
        k.tasks.count_signal(timer.uid, false);
    }
    Ok(())
}

/// Deletes all timers of a process, which ends or runs another program.
pub fn delete_all(k: &mut Kernel, process: ProcessId) {
    while delete_first(k, process) {}
}

/// Deletes so many timers of a process at the most; whether there are no more.
pub fn delete_some(k: &mut Kernel, process: ProcessId, most: usize) -> bool {
    !(0..most).all(|_| delete_first(k, process))
}

fn delete_first(k: &mut Kernel, process: ProcessId) -> bool {
    let timers = k.tasks.processes.get(process).map(|p| &p.timers);
    let first = timers.and_then(|timers| timers.keys().next().copied());
    first.is_some_and(|number| delete(k, process, number).is_ok())
}
