//! Charges and limits: every charge goes to the group and all its ancestors.

use super::memory::Happened;
use super::{GroupId, Groups, Noted, Part};
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
    /// Times that its limit, or that of a group below it, refused a task (`pids.events`, `max`).
    pub tasks_refused: u64,
    /// Times that its own did (`pids.events.local`).
    pub tasks_refused_here: u64,
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

/// What is charged at once.
#[derive(Clone, Copy)]
struct Amount {
    memory: u64,
    part: Part,
    tasks: u64,
}

impl Amount {
    const TASK: Amount = Amount {
        memory: 0,
        part: Part::Kernel,
        tasks: 1,
    };

    fn memory(memory: u64, part: Part) -> Amount {
        Amount {
            memory,
            part,
            tasks: 0,
        }
    }
}

impl Groups {
    /// Charges bytes to a group and its ancestors.
    ///
    /// # Errors
    /// [`NoMem`] naming the group whose limit refuses; nothing is charged then.
    pub fn charge(&mut self, group: GroupId, bytes: u32) -> Result<Charge, NoMem> {
        self.add(group, Amount::memory(u64::from(bytes), Part::Kernel), true)?;
        Ok(Charge { group, bytes })
    }

    /// Gives a charge back.
    pub fn give_back(&mut self, charge: Charge) {
        let amount = Amount::memory(u64::from(charge.bytes), Part::Kernel);
        self.sub(charge.group, amount);
    }

    /// Charges one frame.
    ///
    /// # Errors
    /// As [`Groups::charge`].
    pub fn charge_frame(&mut self, group: GroupId, part: Part) -> Result<(), NoMem> {
        self.add(group, Amount::memory(crate::machine::PAGE, part), true)
    }

    /// Gives the charge of one frame back.
    pub fn give_back_frame(&mut self, group: GroupId, part: Part) {
        self.sub(group, Amount::memory(crate::machine::PAGE, part));
    }

    /// Charges one task.
    ///
    /// # Errors
    /// As [`Groups::charge`]; the caller turns it into EAGAIN (fork(2)).
    pub fn charge_task(&mut self, group: GroupId) -> Result<(), NoMem> {
        self.add(group, Amount::TASK, true)
    }

    /// Charges one task that joins the group without a fork: the first of a container.
    pub fn charge_joining(&mut self, group: GroupId) {
        let _ = self.add(group, Amount::TASK, false);
    }

    /// Gives the charge of one task back.
    pub fn give_back_task(&mut self, group: GroupId) {
        self.sub(group, Amount::TASK);
    }

    fn add(&mut self, group: GroupId, more: Amount, limited: bool) -> Result<(), NoMem> {
        #[cfg(feature = "audit")]
        if more.memory > 0 && self.disturb.at_charge() {
            return Err(NoMem(group));
        }
        let (mut next, mut high) = (Some(group), false);
        while let Some(id) = next {
            let Some(g) = self.arena.get_mut(id) else {
                break;
            };
            let total = Usage {
                memory: g.usage.memory.saturating_add(more.memory),
                tasks: g.usage.tasks.saturating_add(more.tasks),
            };
            let no_memory = more.memory > 0 && total.memory > g.limits.memory;
            let no_task = more.tasks > 0 && total.tasks > g.limits.tasks;
            if limited && (no_memory || no_task) {
                self.take_off(group, Some(id), more);
                if no_task {
                    self.refused_task(id);
                }
                if no_memory {
                    self.happened(id, Happened::Max);
                }
                return Err(NoMem(id));
            }
            g.usage = total;
            g.memory.parts.add(more.part, more.memory);
            g.peak.memory = g.peak.memory.max(total.memory);
            g.peak.tasks = g.peak.tasks.max(total.tasks);
            high |= g.above_high() > 0;
            next = g.parent;
        }
        if high {
            self.high = self.high.saturating_add(more.memory);
        }
        Ok(())
    }

    /// The limit of a group refused a task: those above hear of it, too.
    fn refused_task(&mut self, group: GroupId) {
        if let Some(g) = self.arena.get_mut(group) {
            g.events.tasks_refused_here += 1;
        }
        self.note(group, Noted::PidsLocal);
        let mut next = Some(group);
        while let Some((id, g)) = next.and_then(|id| Some((id, self.arena.get_mut(id)?))) {
            g.events.tasks_refused += 1;
            next = g.parent;
            self.note(id, Noted::Pids);
        }
    }

    fn sub(&mut self, group: GroupId, less: Amount) {
        self.take_off(group, None, less);
        let mut next = Some(group);
        while let Some(g) = next.and_then(|id| self.arena.get_mut(id)) {
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

    /// Takes an amount off a group and those above it, below `until`.
    fn take_off(&mut self, from: GroupId, until: Option<GroupId>, less: Amount) {
        let mut next = Some(from).filter(|id| Some(*id) != until);
        while let Some(g) = next.and_then(|id| self.arena.get_mut(id)) {
            debug_assert!(
                g.usage.memory >= less.memory && g.usage.tasks >= less.tasks,
                "more given back than charged"
            );
            g.usage.memory = g.usage.memory.saturating_sub(less.memory);
            g.usage.tasks = g.usage.tasks.saturating_sub(less.tasks);
            g.memory.parts.sub(less.part, less.memory);
            next = g.parent.filter(|id| Some(*id) != until);
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
}
