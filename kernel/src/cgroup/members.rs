//! Which tasks are in a group, and whether there are any in it or below it (`cgroup.events`).

use super::{Group, GroupId, Groups};
use crate::task::TaskId;
use alloc::collections::BTreeSet;

/// The tasks in a group that have not ended, and its populated children.
#[derive(Default)]
pub(super) struct Members {
    pub(super) tasks: BTreeSet<TaskId>,
    /// Populated children that are domains of their own.
    pub(super) domains: u32,
    /// Populated children that are threaded.
    pub(super) threaded: u32,
}

impl Group {
    /// Whether a task is in it or below it.
    pub(super) fn is_populated(&self) -> bool {
        !self.members.tasks.is_empty() || self.members.domains > 0 || self.members.threaded > 0
    }
}

impl Groups {
    /// Puts a task that begins, or moves, into a group: the commit half of fork.
    pub fn join(&mut self, group: GroupId, task: TaskId) {
        self.change_members(group, |tasks| _ = tasks.insert(task));
    }

    /// Takes a task out that ends, or moves away.
    pub fn leave(&mut self, group: GroupId, task: TaskId) {
        self.change_members(group, |tasks| _ = tasks.remove(&task));
    }

    /// Moves a task, with what it counts as a task: not its memory (cgroup v2, `pids.max`: who
    /// joins may exceed it).
    pub fn migrate(&mut self, task: TaskId, from: GroupId, to: GroupId) {
        self.charge_joining(to);
        self.join(to, task);
        self.leave(from, task);
        self.give_back_task(from);
    }

    fn change_members(&mut self, group: GroupId, change: impl FnOnce(&mut BTreeSet<TaskId>)) {
        let Some(g) = self.arena.get_mut(group) else {
            return;
        };
        let before = g.is_populated();
        change(&mut g.members.tasks);
        let (mut child, mut more) = (group, g.is_populated());
        // Those above hear of it as far as it makes a difference there.
        let mut differs = before != more;
        while differs {
            self.note(child, super::Noted::Events);
            let Some(g) = self.arena.get(child) else {
                return;
            };
            let threaded = g.control.threaded;
            let Some((parent, above)) = g.parent.and_then(|p| Some((p, self.arena.get_mut(p)?)))
            else {
                return;
            };
            let before = above.is_populated();
            let count = match threaded {
                true => &mut above.members.threaded,
                false => &mut above.members.domains,
            };
            *count = match more {
                true => count.saturating_add(1),
                false => count.saturating_sub(1),
            };
            (child, more) = (parent, above.is_populated());
            differs = before != more;
        }
    }

    /// Whether a task is in a group or below it.
    pub fn is_populated(&self, group: GroupId) -> bool {
        self.arena.get(group).is_some_and(Group::is_populated)
    }

    /// Whether a task is in the group itself.
    pub fn has_tasks(&self, group: GroupId) -> bool {
        let members = self.arena.get(group).map(|g| &g.members);
        members.is_some_and(|members| !members.tasks.is_empty())
    }

    /// The living tasks in a group itself behind `after`, in an order of their own.
    pub fn tasks(
        &self,
        group: GroupId,
        after: Option<TaskId>,
    ) -> impl Iterator<Item = TaskId> + use<'_> {
        use core::ops::Bound;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let tasks = self.arena.get(group).map(|g| &g.members.tasks);
        let range = tasks.map(|tasks| tasks.range((from, Bound::Unbounded)));
        range.into_iter().flatten().copied()
    }
}
