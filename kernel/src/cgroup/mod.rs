//! Control groups: who pays for what. A group knows ids only, never the objects it pays for.
//!
//! Every charge goes to the group and all its ancestors, and is undone whole when one refuses.

mod attributes;
mod charge;
mod control;
pub mod cpu;
mod devices;
mod members;
mod memory;
mod tree;

pub use attributes::Attributes;
pub use charge::{Charge, Events, Limits, Usage};
pub use control::{Controllers, Type};
pub use cpu::Cpu;
pub use devices::{DeviceNumber, DeviceRule, DeviceRules, DeviceUse};
pub use memory::{Happened, MemoryEvents, MemoryPolicy, Part, Parts};
pub use tree::{Below, DEPTH_MAX, NAME_MAX, UNBOUNDED};

use crate::arena::{Arena, Held};
use crate::error::NoMem;
use crate::key;
use alloc::vec::Vec;

key! {
    /// A control group.
    GroupId
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
    memory: memory::Memory,
    cpu: Cpu,
    devices: Option<DeviceRules>,
    place: tree::Place,
    members: members::Members,
    control: control::Control,
    owners: attributes::Owners,
    cpuset: Cpuset,
    /// How often what readers wait for has changed.
    changes: [u32; Noted::COUNT],
    /// Changes that the waiting were not told of yet.
    untold: bool,
}

/// A file of a group whose readers wait for changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Noted {
    /// `cgroup.events`.
    Events,
    /// `pids.events`.
    Pids,
    /// `pids.events.local`.
    PidsLocal,
    /// `memory.events`.
    Memory,
    /// `memory.events.local`.
    MemoryLocal,
}

impl Noted {
    const COUNT: usize = 5;
}

impl Group {
    /// A group that uses nothing, without limits.
    fn below(parent: Option<(GroupId, Held<GroupId>)>, place: tree::Place) -> Group {
        let (parent, parent_held) = parent.unzip();
        Group {
            parent,
            parent_held,
            last: None,
            usage: Usage::default(),
            peak: Usage::default(),
            limits: Limits::NONE,
            events: Events::default(),
            memory: memory::Memory::default(),
            cpu: Cpu::default(),
            devices: None,
            place,
            members: members::Members::default(),
            control: control::Control::default(),
            owners: attributes::Owners::default(),
            cpuset: Cpuset::default(),
            changes: [0; Noted::COUNT],
            untold: false,
        }
    }
}

/// Whether a group says that it has the CPU and the memory node (`cpuset.cpus`, `cpuset.mems`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cpuset {
    /// CPU 0.
    pub cpus: bool,
    /// Memory node 0.
    pub mems: bool,
}

/// Options of the mounted tree (cgroup v2, "Mounting").
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// The root of a cgroup namespace is the border of what is delegated (`nsdelegate`).
    pub nsdelegate: bool,
    /// `memory.min` and `memory.low` hold for all below (`memory_recursiveprot`).
    pub memory_recursiveprot: bool,
}

/// All control groups.
pub struct Groups {
    arena: Arena<GroupId, Group>,
    root: GroupId,
    root_held: Held<GroupId>,
    /// Groups that nothing but charges keeps.
    dying: usize,
    /// Bytes charged to groups above their `memory.high`, until somebody is slowed down for them.
    high: u64,
    /// Groups with a name that were made since boot.
    serial: u64,
    /// How the tree is mounted.
    pub options: Options,
    /// Groups with changes that were not told yet.
    noted: Vec<GroupId>,
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
        let group = Group::below(None, tree::Place::new(b"", 0));
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
            high: 0,
            serial: 0,
            options: Options::default(),
            noted: Vec::new(),
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

    /// Makes a group below `parent`, charged to `parent`, that has no name in the tree.
    ///
    /// # Errors
    /// [`NoMem`] when the parent may not have more.
    pub fn create(&mut self, parent: GroupId) -> Result<Held<GroupId>, NoMem> {
        let charge = self.charge(parent, Arena::<GroupId, Group>::COST)?;
        let parent_held = self.hold(parent);
        let group = Group::below(Some((parent, parent_held)), tree::Place::new(b"", 0));
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
                self.gone(&group);
                self.give_back(charge);
                self.drop_device_rules(group.devices);
                next = group.parent_held;
            }
        }
    }

    /// Something changed that readers of a group's file wait for.
    pub(crate) fn note(&mut self, group: GroupId, what: Noted) {
        let Some(g) = self.arena.get_mut(group) else {
            return;
        };
        if let Some(count) = g.changes.get_mut(what as usize) {
            *count = count.wrapping_add(1);
        }
        if !core::mem::replace(&mut g.untold, true) {
            self.noted.push(group);
        }
    }

    /// The next group with changes that the waiting were not told of yet.
    pub(crate) fn take_noted(&mut self) -> Option<GroupId> {
        let group = self.noted.pop()?;
        if let Some(g) = self.arena.get_mut(group) {
            g.untold = false;
        }
        Some(group)
    }

    /// How often this has changed; 0 when the group is gone.
    pub fn changes(&self, group: GroupId, what: Noted) -> u32 {
        let changes = self.arena.get(group).map(|g| &g.changes);
        changes.and_then(|c| c.get(what as usize)).map_or(0, |c| *c)
    }

    /// What a group says of CPUs and memory nodes.
    pub fn cpuset(&self, group: GroupId) -> Cpuset {
        self.arena.get(group).map(|g| g.cpuset).unwrap_or_default()
    }

    /// Sets that.
    pub fn set_cpuset(&mut self, group: GroupId, cpuset: Cpuset) {
        if let Some(g) = self.arena.get_mut(group) {
            g.cpuset = cpuset;
        }
    }

    /// A group's share of the CPU; `None` when the group is gone.
    pub fn cpu(&self, group: GroupId) -> Option<&Cpu> {
        self.arena.get(group).map(|g| &g.cpu)
    }

    /// To change it.
    pub fn cpu_mut(&mut self, group: GroupId) -> Option<&mut Cpu> {
        self.arena.get_mut(group).map(|g| &mut g.cpu)
    }

    /// All groups.
    pub fn ids(&self) -> impl Iterator<Item = GroupId> + '_ {
        self.arena.iter().map(|(id, _)| id)
    }

    /// The group above; `None` for the root.
    pub fn parent(&self, group: GroupId) -> Option<GroupId> {
        self.arena.get(group).and_then(|g| g.parent)
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
mod storm;
#[cfg(test)]
mod tests;
