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

struct Group {
    parent: Option<GroupId>,
    /// Keeps the parent alive.
    parent_held: Option<Held<GroupId>>,
    /// The last reference, kept here while something is still charged to it.
    last: Option<Held<GroupId>>,
    usage: Usage,
    peak: Usage,
    /// Bytes at the most; `u64::MAX` for no limit.
    memory_max: u64,
    /// Tasks at the most; `u64::MAX` for no limit.
    tasks_max: u64,
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
            memory_max: u64::MAX,
            tasks_max: u64::MAX,
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
            memory_max: u64::MAX,
            tasks_max: u64::MAX,
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
        self.add(group, u64::from(bytes), 0)?;
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
        self.add(group, crate::machine::PAGE, 0)
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
        self.add(group, 0, 1)
    }

    /// Gives the charge of one task back.
    pub fn give_back_task(&mut self, group: GroupId) {
        self.sub(group, 0, 1);
    }

    fn add(&mut self, group: GroupId, memory: u64, tasks: u64) -> Result<(), NoMem> {
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
            if (memory > 0 && total.memory > g.memory_max)
                || (tasks > 0 && total.tasks > g.tasks_max)
            {
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
