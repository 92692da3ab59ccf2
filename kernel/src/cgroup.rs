//! Control groups: who pays for what. A group knows ids only, never the objects it pays for.
//!
//! Every charge goes to the group and all its ancestors, and is undone whole when one refuses.

use crate::arena::{Arena, Held};
use crate::error::NoMem;
use crate::key;

key! {
    /// A control group.
    GroupId
}

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

struct Group {
    parent: Option<GroupId>,
    /// Keeps the parent alive.
    parent_held: Option<Held<GroupId>>,
    /// The last reference, kept here while something is still charged to it.
    last: Option<Held<GroupId>>,
    usage: Usage,
    peak: Usage,
    limits: Limits,
    events: Events,
}

/// Memory charged to a group; must go back with [`Groups::give_back`].
#[must_use = "a charge must be given back"]
#[derive(PartialEq, Eq, Debug)]
pub struct Charge {
    group: GroupId,
    bytes: u32,
}

impl Charge {
    /// Who pays.
    pub fn group(&self) -> GroupId {
        self.group
    }
}

/// All control groups.
pub struct Groups {
    arena: Arena<GroupId, Group>,
    root: GroupId,
    root_held: Held<GroupId>,
    /// Groups that nothing but charges keeps.
    dying: usize,
    /// What tests let come between.
    #[cfg(feature = "audit")]
    pub disturb: crate::disturb::Disturb,
}

impl Default for Groups {
    fn default() -> Self {
        Self::new()
    }
}

impl Groups {
    /// Only the root group.
    pub fn new() -> Groups {
        let mut arena = Arena::default();
        let group = Group {
            parent: None,
            parent_held: None,
            last: None,
            usage: Usage::default(),
            peak: Usage::default(),
            limits: Limits::NONE,
            events: Events::default(),
        };
        // The root pays for itself only from here on; there is no group yet to charge.
        let nobody = Charge {
            group: crate::arena::Key::new(0, 0),
            bytes: 0,
        };
        let root_held = arena.insert(group, nobody);
        Groups {
            arena,
            root: root_held.key(),
            root_held,
            dying: 0,
            #[cfg(feature = "audit")]
            disturb: crate::disturb::Disturb::default(),
        }
    }

    /// The root group.
    pub fn root(&self) -> GroupId {
        self.root
    }

    /// One more reference to a group.
    pub fn hold(&mut self, group: GroupId) -> Held<GroupId> {
        match self.arena.hold(group) {
            Some(held) => held,
            None => self.arena.share(&self.root_held),
        }
    }

    /// Makes a group below `parent`, charged to `parent`.
    ///
    /// # Errors
    /// [`NoMem`] when the parent may not have more.
    pub fn create(&mut self, parent: GroupId) -> Result<Held<GroupId>, NoMem> {
        let charge = self.charge(parent, Arena::<GroupId, Group>::COST)?;
        let parent_held = self.hold(parent);
        let group = Group {
            parent: Some(parent),
            parent_held: Some(parent_held),
            last: None,
            usage: Usage::default(),
            peak: Usage::default(),
            limits: Limits::NONE,
            events: Events::default(),
        };
        Ok(self.arena.insert(group, charge))
    }

    /// Gives a reference to a group back. It goes when nothing refers to it and nothing is charged
    /// to it any more: what outlives it (pages of files that it wrote) stays its ancestors' until
    /// the end.
    pub fn release(&mut self, held: Held<GroupId>) {
        let mut next = Some(held);
        while let Some(held) = next {
            next = None;
            let key = held.key();
            if self.arena.refs(key) == 1 {
                if let Some(group) = self.arena.get_mut(key) {
                    if group.usage != Usage::default() {
                        group.last = Some(held);
                        self.dying += 1;
                        return;
                    }
                }
            }
            if let Some((group, charge)) = self.arena.release(held) {
                self.give_back(charge);
                next = group.parent_held;
            }
        }
    }

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

    /// Whether a group is `ancestor` or below it.
    pub fn within(&self, group: GroupId, ancestor: GroupId) -> bool {
        let mut next = Some(group);
        while let Some(id) = next {
            if id == ancestor {
                return true;
            }
            next = self.arena.get(id).and_then(|g| g.parent);
        }
        false
    }

    /// How many groups somebody refers to: not those that only what outlived them keeps.
    pub fn live(&self) -> usize {
        self.arena.len().saturating_sub(self.dying)
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.arena.len()
    }

    /// Never: there is always the root.
    pub fn is_empty(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_holds_for_all_below_and_a_refused_charge_is_undone_whole() {
        let mut groups = Groups::new();
        let root = groups.root();
        let above = groups.create(root).unwrap();
        let below = groups.create(above.key()).unwrap();
        let (above_id, below_id) = (above.key(), below.key());
        let used = groups.usage(above_id).memory;
        let limits = Limits {
            memory: used + 2 * crate::machine::PAGE - 1,
            tasks: 1,
        };
        groups.set_limits(above_id, limits);
        groups.charge_frame(below_id).unwrap();
        assert_eq!(groups.charge_frame(below_id), Err(NoMem(above_id)));
        assert_eq!(groups.usage(below_id).memory, crate::machine::PAGE);
        groups.charge_task(below_id).unwrap();
        assert_eq!(groups.charge_task(below_id), Err(NoMem(above_id)));
        groups.charge_joining(below_id);
        assert_eq!(groups.usage(root).tasks, 2);
        groups.note_oom_kill(below_id);
        let events = Events {
            memory_refused: 1,
            tasks_refused: 1,
            oom_kills: 1,
        };
        assert_eq!(groups.events(above_id), events);
        assert_eq!(groups.events(root).memory_refused, 0);
        groups.give_back_task(below_id);
        groups.give_back_task(below_id);
        groups.give_back_frame(below_id);
        groups.release(below);
        groups.release(above);
        crate::arena::forgive(groups);
    }

    #[test]
    fn what_outlives_a_group_stays_its_ancestors() {
        let mut groups = Groups::new();
        let root = groups.root();
        let above = groups.create(root).unwrap();
        let below = groups.create(above.key()).unwrap();
        let (above_id, below_id) = (above.key(), below.key());
        groups.charge_frame(below_id).unwrap();
        let before = groups.usage(root).memory;
        groups.release(below);
        groups.release(above);
        assert_eq!((groups.len(), groups.usage(root).memory), (3, before));
        let again = groups.hold(below_id);
        assert_eq!(again.key(), below_id);
        groups.give_back_frame(below_id);
        assert_eq!(groups.len(), 3, "somebody refers to it");
        groups.release(again);
        assert_eq!(groups.usage(above_id), Usage::default());
        assert_eq!((groups.len(), groups.usage(root).memory), (1, 0));
        crate::arena::forgive(groups);
    }
}
