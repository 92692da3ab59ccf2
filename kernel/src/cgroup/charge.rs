//! Charges and limits: every charge goes to the group and all its ancestors.

use super::{GroupId, Groups};
use crate::error::NoMem;

/// What a group and its descendants use now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Bytes of frames and of kernel objects.
    pub memory: u64,
    /// Tasks.
    pub tasks: u64,
}

/// What a group and its descendants may use at the most; `u64::MAX` for no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of frames and of kernel objects.
    pub memory: u64,
    /// Tasks. It stops forks only: who joins may exceed it (cgroup v2, `pids.max`).
    pub tasks: u64,
}

impl Limits {
    /// No limit at all.
    pub const NONE: Limits = Limits {
        memory: u64::MAX,
        tasks: u64::MAX,
    };
}

/// How often a group, or one below it, met a limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Events {
    /// Times that its own memory limit refused a charge (`memory.events`, `max`).
    pub memory_refused: u64,
    /// Times that its own limit refused a task (`pids.events`, `max`).
    pub tasks_refused: u64,
    /// Processes in it that were killed for want of memory (`memory.events`, `oom_kill`).
    pub oom_kills: u64,
}

/// Memory charged to a group; must go back with [`Groups::give_back`].
#[must_use = "a charge must be given back"]
#[derive(PartialEq, Eq, Debug)]
pub struct Charge {
    pub(super) group: GroupId,
    pub(super) bytes: u32,
}

impl Charge {
    /// Who pays.
    pub fn group(&self) -> GroupId {
        self.group
    }
}

impl Groups {
    /// Charges bytes to a group and its ancestors.
    ///
    /// # Errors
    /// [`NoMem`] naming the group whose limit refuses; nothing is charged then.
    pub fn charge(&mut self, group: GroupId, bytes: u32) -> Result<Charge, NoMem> {
        self.add(group, u64::from(bytes), 0, true)?;
        Ok(Charge { group, bytes })
    }

    /// Gives a charge back.
    pub fn give_back(&mut self, charge: Charge) {
        self.sub(charge.group, u64::from(charge.bytes), 0);
    }

    /// Charges one frame.
    ///
    /// # Errors
    /// As [`Groups::charge`].
    pub fn charge_frame(&mut self, group: GroupId) -> Result<(), NoMem> {
        self.add(group, crate::machine::PAGE, 0, true)
    }

    /// Gives the charge of one frame back.
    pub fn give_back_frame(&mut self, group: GroupId) {
        self.sub(group, crate::machine::PAGE, 0);
    }

    /// Charges one task.
    ///
    /// # Errors
    /// As [`Groups::charge`]; the caller turns it into EAGAIN (fork(2)).
    pub fn charge_task(&mut self, group: GroupId) -> Result<(), NoMem> {
        self.add(group, 0, 1, true)
    }

    /// Charges one task that joins the group without a fork: the first of a container.
    pub fn charge_joining(&mut self, group: GroupId) {
        let _ = self.add(group, 0, 1, false);
    }

    /// Gives the charge of one task back.
    pub fn give_back_task(&mut self, group: GroupId) {
        self.sub(group, 0, 1);
    }

    fn add(&mut self, group: GroupId, memory: u64, tasks: u64, limited: bool) -> Result<(), NoMem> {
        #[cfg(feature = "audit")]
        if memory > 0 && self.disturb.at_charge() {
            return Err(NoMem(group));
        }
        let mut next = Some(group);
        while let Some(id) = next {
            let Some(g) = self.arena.get_mut(id) else {
                break;
            };
            let total = Usage {
                memory: g.usage.memory.saturating_add(memory),
                tasks: g.usage.tasks.saturating_add(tasks),
            };
            let no_memory = memory > 0 && total.memory > g.limits.memory;
            let no_task = tasks > 0 && total.tasks > g.limits.tasks;
            if limited && (no_memory || no_task) {
                g.events.memory_refused += u64::from(no_memory);
                g.events.tasks_refused += u64::from(no_task);
                self.undo_until(group, id, memory, tasks);
                return Err(NoMem(id));
            }
            g.usage = total;
            g.peak.memory = g.peak.memory.max(total.memory);
            g.peak.tasks = g.peak.tasks.max(total.tasks);
            next = g.parent;
        }
        Ok(())
    }

    fn undo_until(&mut self, from: GroupId, until: GroupId, memory: u64, tasks: u64) {
        let mut next = Some(from);
        while let Some(id) = next.filter(|id| *id != until) {
            let Some(g) = self.arena.get_mut(id) else {
                break;
            };
            g.usage.memory = g.usage.memory.saturating_sub(memory);
            g.usage.tasks = g.usage.tasks.saturating_sub(tasks);
            next = g.parent;
        }
    }

    fn sub(&mut self, group: GroupId, memory: u64, tasks: u64) {
        let mut next = Some(group);
        while let Some(id) = next {
            let Some(g) = self.arena.get_mut(id) else {
                break;
            };
            debug_assert!(
                g.usage.memory >= memory && g.usage.tasks >= tasks,
                "more given back than charged"
            );
            g.usage.memory = g.usage.memory.saturating_sub(memory);
            g.usage.tasks = g.usage.tasks.saturating_sub(tasks);
            next = g.parent;
            if g.usage == Usage::default() {
                // Nobody refers to it but itself: it goes, and gives its own charge back.
                if let Some(last) = g.last.take() {
                    self.dying = self.dying.saturating_sub(1);
                    self.release(last);
                }
            }
        }
    }

    /// What a group uses.
    pub fn usage(&self, group: GroupId) -> Usage {
        self.arena.get(group).map(|g| g.usage).unwrap_or_default()
    }

    /// The most it ever used.
    pub fn peak(&self, group: GroupId) -> Usage {
        self.arena.get(group).map(|g| g.peak).unwrap_or_default()
    }

    /// What it may use.
    pub fn limits(&self, group: GroupId) -> Limits {
        self.arena.get(group).map_or(Limits::NONE, |g| g.limits)
    }

    /// Sets what it may use from now on. What it uses already stays.
    pub fn set_limits(&mut self, group: GroupId, limits: Limits) {
        if let Some(group) = self.arena.get_mut(group) {
            group.limits = limits;
        }
    }

    /// How often it met a limit.
    pub fn events(&self, group: GroupId) -> Events {
        self.arena.get(group).map(|g| g.events).unwrap_or_default()
    }

    /// A process in the group was killed for want of memory.
    pub fn note_oom_kill(&mut self, group: GroupId) {
        let mut next = Some(group);
        while let Some(g) = next.and_then(|id| self.arena.get_mut(id)) {
            g.events.oom_kills += 1;
            next = g.parent;
        }
    }
}
