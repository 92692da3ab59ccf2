//! Which controllers a group has, and what may be where: the rules of cgroup v2 for domains,
//! threaded groups and internal processes.

use super::{Group, GroupId, Groups};
use crate::error::Errno;

bitflags::bitflags! {
    /// Controllers of resources.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Controllers: u8 {
        /// Which CPUs and memory nodes.
        const CPUSET = 1;
        /// CPU time.
        const CPU = 2;
        /// Input and output.
        const IO = 4;
        /// Memory.
        const MEMORY = 8;
        /// How many tasks.
        const PIDS = 16;
    }
}

impl Controllers {
    /// Those that threads of one process can compete under (cgroup v2, "Threads").
    pub const THREADED: Controllers = Controllers::CPUSET
        .union(Controllers::CPU)
        .union(Controllers::PIDS);

    /// All of them with their names, in the order of `cgroup.controllers`.
    pub const NAMES: [(&'static str, Controllers); 5] = [
        ("cpuset", Controllers::CPUSET),
        ("cpu", Controllers::CPU),
        ("io", Controllers::IO),
        ("memory", Controllers::MEMORY),
        ("pids", Controllers::PIDS),
    ];

    /// The one of this name.
    pub fn named(name: &[u8]) -> Option<Controllers> {
        let mut names = Controllers::NAMES.iter();
        names.find(|n| n.0.as_bytes() == name).map(|n| n.1)
    }
}

/// What a group controls below it, and as what it takes part itself.
#[derive(Default)]
pub(super) struct Control {
    /// What its children have (`cgroup.subtree_control`).
    enabled: Controllers,
    /// It belongs to the domain of the group above.
    pub(super) threaded: bool,
    /// How many of its children do.
    threaded_children: u32,
}

/// What kind of group one is (`cgroup.type`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    /// Whole processes are in it.
    Domain,
    /// The top of a tree of threaded groups.
    DomainThreaded,
    /// Nothing can be in it: it is below a threaded group without being one.
    DomainInvalid,
    /// Threads are in it.
    Threaded,
}

impl Group {
    fn may_be_thread_root(&self) -> bool {
        // The root is whatever it has to be.
        self.parent.is_none()
            || !self.control.threaded
                && self.members.domains == 0
                && Controllers::THREADED.contains(self.control.enabled)
    }

    fn is_thread_root(&self) -> bool {
        let competing = !self.members.tasks.is_empty()
            && self.control.enabled.intersects(Controllers::THREADED);
        !self.control.threaded && (self.control.threaded_children > 0 || competing)
    }
}

impl Groups {
    /// The controllers whose files a group has.
    pub fn controllers(&self, group: GroupId) -> Controllers {
        let Some(g) = self.arena.get(group) else {
            return Controllers::empty();
        };
        let above = match g.parent {
            Some(parent) => self.subtree_control(parent),
            None => Controllers::all(),
        };
        match g.control.threaded {
            true => above & Controllers::THREADED,
            false => above,
        }
    }

    /// The controllers that the children of a group have.
    pub fn subtree_control(&self, group: GroupId) -> Controllers {
        let control = self.arena.get(group).map(|g| g.control.enabled);
        control.unwrap_or_default()
    }

    /// Gives the children of a group controllers, and takes others away from them, with what was
    /// set by their files. Tells what has changed: given and taken.
    ///
    /// # Errors
    /// ENODEV when it is removed; ENOENT for a controller that it has not itself; EBUSY for one
    /// that a child gives on, and when tasks are in it; EOPNOTSUPP where threads are.
    pub fn control(
        &mut self,
        group: GroupId,
        give: Controllers,
        take: Controllers,
    ) -> Result<(Controllers, Controllers), Errno> {
        let g = self.arena.get(group).filter(|g| !g.place.removed);
        let g = g.ok_or(Errno::ENODEV)?;
        let (give, take) = (give - g.control.enabled, take & g.control.enabled);
        if !self.controllers(group).contains(give) {
            return Err(Errno::ENOENT);
        }
        let mut children = g.place.children.values().map(|child| child.key());
        if children.any(|child| self.subtree_control(child).intersects(take)) {
            return Err(Errno::EBUSY);
        }
        self.may_give(group, g, give)?;
        let taken: alloc::vec::Vec<GroupId> = match take.is_empty() {
            true => alloc::vec::Vec::new(),
            false => g.place.children.values().map(|c| c.key()).collect(),
        };
        for child in taken {
            self.reset(child, take);
        }
        if let Some(g) = self.arena.get_mut(group) {
            g.control.enabled = (g.control.enabled | give) - take;
        }
        Ok((give, take))
    }

    /// Whether a group may give its children these.
    fn may_give(&self, group: GroupId, g: &Group, give: Controllers) -> Result<(), Errno> {
        if give.is_empty() || g.parent.is_none() {
            return Ok(());
        }
        if !self.is_valid_domain(self.domain(group)) {
            return Err(Errno::EOPNOTSUPP);
        }
        if !Controllers::THREADED.contains(give) {
            if g.is_thread_root() || g.control.threaded {
                return Err(Errno::EOPNOTSUPP);
            }
        } else if g.may_be_thread_root() || g.control.threaded {
            return Ok(());
        }
        // Children must not compete with the processes of the group itself.
        match g.members.tasks.is_empty() {
            true => Ok(()),
            false => Err(Errno::EBUSY),
        }
    }

    /// Forgets what was set by the files of controllers that a group has no more.
    fn reset(&mut self, group: GroupId, gone: Controllers) {
        let Some(g) = self.arena.get_mut(group) else {
            return;
        };
        if gone.contains(Controllers::CPUSET) {
            g.cpuset = super::Cpuset::default();
        }
        if gone.contains(Controllers::PIDS) {
            g.limits.tasks = u64::MAX;
            g.peak.tasks = g.usage.tasks;
            g.events = super::Events::default();
        }
        if gone.contains(Controllers::MEMORY) {
            g.limits.memory = u64::MAX;
            g.peak.memory = g.usage.memory;
            g.memory.reset();
        }
    }

    /// The group whose domain a group belongs to: itself unless it is threaded.
    pub fn domain(&self, group: GroupId) -> GroupId {
        let mut at = group;
        while let Some(g) = self.arena.get(at).filter(|g| g.control.threaded) {
            match g.parent {
                Some(parent) => at = parent,
                None => break,
            }
        }
        at
    }

    fn is_valid_domain(&self, group: GroupId) -> bool {
        let Some(g) = self.arena.get(group) else {
            return false;
        };
        if g.control.threaded {
            return false;
        }
        let mut next = g.parent;
        while let Some(g) = next.and_then(|id| self.arena.get(id)) {
            if g.control.threaded || g.parent.is_some() && g.is_thread_root() {
                return false;
            }
            next = g.parent;
        }
        true
    }

    /// What kind of group one is; `None` when it is gone.
    pub fn kind(&self, group: GroupId) -> Option<Type> {
        let g = self.arena.get(group)?;
        Some(if g.control.threaded {
            Type::Threaded
        } else if !self.is_valid_domain(group) {
            Type::DomainInvalid
        } else if g.is_thread_root() {
            Type::DomainThreaded
        } else {
            Type::Domain
        })
    }

    /// Makes a group belong to the domain of the one above.
    ///
    /// # Errors
    /// EOPNOTSUPP when it is populated, gives on controllers that threads cannot compete under, or
    /// the domain can have no threaded groups; ENODEV when it is removed.
    pub fn make_threaded(&mut self, group: GroupId) -> Result<(), Errno> {
        let g = self.arena.get(group).filter(|g| !g.place.removed);
        let g = g.ok_or(Errno::ENODEV)?;
        if g.control.threaded {
            return Ok(());
        }
        let parent = g.parent.ok_or(Errno::EOPNOTSUPP)?;
        let domain = self.domain(parent);
        let top = self.arena.get(domain).ok_or(Errno::ENODEV)?;
        if g.is_populated()
            || !Controllers::THREADED.contains(g.control.enabled)
            || !self.is_valid_domain(domain)
            || !top.may_be_thread_root()
        {
            return Err(Errno::EOPNOTSUPP);
        }
        self.reset(group, Controllers::all() - Controllers::THREADED);
        if let Some(g) = self.arena.get_mut(group) {
            g.control.threaded = true;
        }
        if let Some(above) = self.arena.get_mut(parent) {
            above.control.threaded_children += 1;
        }
        Ok(())
    }

    /// A group is removed: the one above may have lost its last threaded child.
    pub(super) fn leave_domain(&mut self, group: GroupId) {
        let threaded = |g: &&Group| g.control.threaded;
        let parent = self
            .arena
            .get(group)
            .filter(threaded)
            .and_then(|g| g.parent);
        if let Some(above) = parent.and_then(|id| self.arena.get_mut(id)) {
            let count = &mut above.control.threaded_children;
            *count = count.saturating_sub(1);
        }
    }

    /// Whether tasks may be put into a group (cgroup v2, "No Internal Process Constraint").
    ///
    /// # Errors
    /// ENODEV when it is removed; EOPNOTSUPP where nothing can be; EBUSY when it gives its
    /// children controllers that its own processes would compete with.
    pub fn may_host(&self, group: GroupId) -> Result<(), Errno> {
        let g = self.arena.get(group).filter(|g| !g.place.removed);
        let g = g.ok_or(Errno::ENODEV)?;
        if !self.is_valid_domain(self.domain(group)) {
            return Err(Errno::EOPNOTSUPP);
        }
        if g.may_be_thread_root() || g.control.threaded || g.control.enabled.is_empty() {
            return Ok(());
        }
        Err(Errno::EBUSY)
    }
}
