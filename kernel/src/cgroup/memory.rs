//! What a group's memory is, what it may be, and how often that was met (cgroup v2, `memory.*`).

use super::{Group, GroupId, Groups, Noted};

/// What charged memory is used for (`memory.stat`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// A program's private pages.
    Anon,
    /// Pages of files and of shared memory: all files are in memory.
    File,
    /// Page tables.
    Tables,
    /// Objects and buffers of the kernel, what is in pipes and sockets with them.
    Kernel,
}

/// Bytes by [`Part`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Parts([u64; 4]);

impl Parts {
    /// Bytes of one part.
    pub fn of(&self, part: Part) -> u64 {
        self.0.get(part as usize).copied().unwrap_or(0)
    }

    /// All of the kernel's: objects, buffers, page tables.
    pub fn kernel(&self) -> u64 {
        self.of(Part::Kernel).saturating_add(self.of(Part::Tables))
    }

    pub(super) fn add(&mut self, part: Part, bytes: u64) {
        if let Some(sum) = self.0.get_mut(part as usize) {
            *sum = sum.saturating_add(bytes);
        }
    }

    pub(super) fn sub(&mut self, part: Part, bytes: u64) {
        if let Some(sum) = self.0.get_mut(part as usize) {
            *sum = sum.saturating_sub(bytes);
        }
    }
}

/// Something that happens to a group's memory (`memory.events`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Happened {
    /// It came to use more than `memory.high`, or its tasks were slowed down for that.
    High,
    /// `memory.max` refused a charge.
    Max,
    /// Nothing was left to be freed: somebody must be killed.
    Oom,
    /// A process was killed.
    OomKill,
    /// All its processes were killed (`memory.oom.group`).
    OomGroupKill,
    /// A page fault (`memory.stat`, `pgfault`).
    Fault,
}

impl Happened {
    const COUNT: usize = 6;
}

/// How often what happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MemoryEvents([u64; Happened::COUNT]);

impl MemoryEvents {
    /// How often this happened.
    pub fn of(&self, what: Happened) -> u64 {
        self.0.get(what as usize).copied().unwrap_or(0)
    }

    fn count(&mut self, what: Happened) {
        if let Some(count) = self.0.get_mut(what as usize) {
            *count = count.saturating_add(1);
        }
    }
}

/// What `memory.high`, `low`, `min` and `oom.group` say; bytes, `u64::MAX` for no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryPolicy {
    /// Above this its tasks are slowed down on their way back to user mode.
    pub high: u64,
    /// Not reclaimed while others have more to give. Nothing is reclaimed here.
    pub low: u64,
    /// Never reclaimed. Nothing is reclaimed here.
    pub min: u64,
    /// Killing for memory ends all its processes or none.
    pub oom_group: bool,
}

impl Default for MemoryPolicy {
    fn default() -> Self {
        MemoryPolicy {
            high: u64::MAX,
            low: 0,
            min: 0,
            oom_group: false,
        }
    }
}

/// The memory of a group besides its sum and its limit.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) parts: Parts,
    pub(super) policy: MemoryPolicy,
    /// Of itself and of those below.
    events: MemoryEvents,
    /// Of itself alone.
    local: MemoryEvents,
}

impl Memory {
    /// Forgets what was set and what happened: the controller is taken away.
    pub(super) fn reset(&mut self) {
        let parts = self.parts;
        *self = Memory {
            parts,
            ..Memory::default()
        };
    }
}

impl Group {
    /// By how many bytes it uses more than `memory.high`.
    pub(super) fn above_high(&self) -> u64 {
        self.usage.memory.saturating_sub(self.memory.policy.high)
    }
}

impl Groups {
    /// What a group's memory is used for.
    pub fn parts(&self, group: GroupId) -> Parts {
        self.arena
            .get(group)
            .map(|g| g.memory.parts)
            .unwrap_or_default()
    }

    /// What it says beside its limit.
    pub fn policy(&self, group: GroupId) -> MemoryPolicy {
        self.arena
            .get(group)
            .map(|g| g.memory.policy)
            .unwrap_or_default()
    }

    /// Sets that.
    pub fn set_policy(&mut self, group: GroupId, policy: MemoryPolicy) {
        if let Some(group) = self.arena.get_mut(group) {
            group.memory.policy = policy;
        }
    }

    /// What happened to a group and those below it (`memory.events`).
    pub fn memory_events(&self, group: GroupId) -> MemoryEvents {
        self.arena
            .get(group)
            .map(|g| g.memory.events)
            .unwrap_or_default()
    }

    /// What happened to the group itself (`memory.events.local`).
    pub fn memory_events_local(&self, group: GroupId) -> MemoryEvents {
        self.arena
            .get(group)
            .map(|g| g.memory.local)
            .unwrap_or_default()
    }

    /// Counts what happened to a group: there and in all above it.
    pub fn happened(&mut self, group: GroupId, what: Happened) {
        let told = what != Happened::Fault;
        if let Some(g) = self.arena.get_mut(group) {
            g.memory.local.count(what);
        }
        if told {
            self.note(group, Noted::MemoryLocal);
        }
        let mut next = Some(group);
        while let Some((id, g)) = next.and_then(|id| Some((id, self.arena.get_mut(id)?))) {
            g.memory.events.count(what);
            next = g.parent;
            if told {
                self.note(id, Noted::Memory);
            }
        }
    }

    /// Whether there are such bytes.
    pub fn is_above_high(&self) -> bool {
        self.high > 0
    }

    /// The bytes charged since the last time to groups that use more than their `memory.high`.
    pub fn take_high(&mut self) -> u64 {
        core::mem::take(&mut self.high)
    }

    /// How far a group or one above it is beyond its `memory.high`, as a part of that, in 2^20ths:
    /// the most of them. Counts that in those that are.
    pub fn overage(&mut self, group: GroupId) -> u64 {
        let (mut most, mut next) = (0, Some(group));
        while let Some((id, g)) = next.and_then(|id| Some((id, self.arena.get(id)?))) {
            next = g.parent;
            let above = g.above_high();
            if above > 0 {
                let high = u128::from(g.memory.policy.high.max(crate::machine::PAGE));
                let share = (u128::from(above) << 20) / high;
                most = most.max(u64::try_from(share).unwrap_or(u64::MAX));
                self.happened(id, Happened::High);
            }
        }
        most
    }

    /// The highest group from `group` up to `limited`, of those that say so, whose processes are
    /// killed together (`memory.oom.group`). The root never says so.
    pub fn killed_together(&self, group: GroupId, limited: GroupId) -> Option<GroupId> {
        let (mut found, mut next) = (None, Some(group));
        while let Some((id, g)) = next.and_then(|id| Some((id, self.arena.get(id)?))) {
            if g.memory.policy.oom_group && g.parent.is_some() {
                found = Some(id);
            }
            next = g.parent.filter(|_| id != limited);
        }
        found
    }
}
