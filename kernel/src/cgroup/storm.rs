//! Random trees: what groups say is always the sum of what is below them.

use super::*;
use crate::task::TaskId;
use alloc::collections::BTreeMap;
use alloc::vec;

/// Numbers by chance, the same for the same seed (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as usize % most
    }
}

/// What one group has itself.
#[derive(Default, Clone)]
struct Own {
    frames: u64,
    tasks: Vec<TaskId>,
}

struct World {
    groups: Groups,
    /// The groups of the tree, and what is in each; frames also in groups that are removed.
    own: BTreeMap<GroupId, Own>,
    next: u32,
}

impl World {
    fn pick(&self, chance: &mut Chance) -> GroupId {
        let ids: Vec<GroupId> = self.groups_in_tree();
        ids[chance.below(ids.len())]
    }

    fn groups_in_tree(&self) -> Vec<GroupId> {
        let root = self.groups.root();
        let mut all = vec![root];
        while let Some(next) = self.groups.next_below(root, *all.last().unwrap()) {
            all.push(next);
        }
        all
    }

    fn step(&mut self, chance: &mut Chance) {
        let group = self.pick(chance);
        match chance.below(8) {
            0 | 1 => {
                let name = [b'a' + chance.below(5) as u8];
                if let Ok(made) = self.groups.make(group, &name) {
                    self.own.insert(made, Own::default());
                }
            }
            2 => {
                let has = self.groups.is_populated(group) || self.groups.children_count(group) > 0;
                let removed = self.groups.remove(group);
                let root = group == self.groups.root();
                assert_eq!(removed.is_ok(), !has && !root, "{group:?}");
            }
            3 => {
                let limit = self.groups.limits(group).tasks;
                let used = self.groups.usage(group).tasks;
                if self.groups.charge_task(group).is_ok() {
                    assert!(used < limit);
                    let task = crate::arena::Key::new(self.next, 0);
                    self.next += 1;
                    self.groups.join(group, task);
                    self.own.get_mut(&group).unwrap().tasks.push(task);
                }
            }
            4 => {
                if let Some(task) = self.own.get_mut(&group).unwrap().tasks.pop() {
                    self.groups.leave(group, task);
                    self.groups.give_back_task(group);
                }
            }
            5 => {
                let to = self.pick(chance);
                if let Some(task) = self.own.get_mut(&group).unwrap().tasks.pop() {
                    if to != group {
                        self.groups.migrate(task, group, to);
                    }
                    self.own.get_mut(&to).unwrap().tasks.push(task);
                }
            }
            6 => {
                if self.groups.charge_frame(group, Part::Anon).is_ok() {
                    self.own.get_mut(&group).unwrap().frames += 1;
                }
            }
            _ => {
                let tasks = chance.below(12) as u64;
                let tasks = if tasks > 8 { u64::MAX } else { tasks };
                let limits = Limits {
                    tasks,
                    ..Limits::NONE
                };
                if group != self.groups.root() {
                    self.groups.set_limits(group, limits);
                }
            }
        }
        // Now and then a page goes of a group that may have been removed.
        let with: Vec<GroupId> = self
            .own
            .iter()
            .filter(|o| o.1.frames > 0)
            .map(|o| *o.0)
            .collect();
        if chance.below(3) == 0 && !with.is_empty() {
            let group = with[chance.below(with.len())];
            self.own.get_mut(&group).unwrap().frames -= 1;
            self.groups.give_back_frame(group, Part::Anon);
        }
    }

    fn check(&self) {
        let tree = self.groups_in_tree();
        for group in &tree {
            let inside = |id: &GroupId| self.groups.within(*id, *group);
            let below = self.own.iter().filter(|(id, _)| inside(id));
            let (mut frames, mut tasks) = (0, 0);
            for (_, own) in below {
                frames += own.frames;
                tasks += own.tasks.len() as u64;
            }
            let usage = self.groups.usage(*group);
            let parts = self.groups.parts(*group);
            assert_eq!(usage.tasks, tasks, "tasks of {group:?}");
            assert_eq!(parts.of(Part::Anon), frames * crate::machine::PAGE);
            assert_eq!(usage.memory, parts.of(Part::Anon) + parts.kernel());
            assert_eq!(self.groups.is_populated(*group), tasks > 0);
            let own: Vec<TaskId> = self.groups.tasks(*group, None).collect();
            assert_eq!(own.len(), self.own[group].tasks.len());
            let descendants = tree.iter().filter(|id| inside(id)).count() as u32 - 1;
            assert_eq!(self.groups.below(*group).descendants, descendants);
        }
        let dying = self.groups.len() - tree.len();
        assert_eq!(self.groups.below(self.groups.root()).dying as usize, dying);
    }

    /// Takes everything away again.
    fn end(mut self) {
        for (group, own) in core::mem::take(&mut self.own) {
            for task in own.tasks {
                self.groups.leave(group, task);
                self.groups.give_back_task(group);
            }
            for _ in 0..own.frames {
                self.groups.give_back_frame(group, Part::Anon);
            }
        }
        for group in self.groups_in_tree().into_iter().skip(1).rev() {
            self.groups.remove(group).unwrap();
        }
        let root = self.groups.root();
        assert_eq!(
            (self.groups.len(), self.groups.usage(root)),
            (1, Usage::default())
        );
        crate::arena::forgive(self.groups);
    }
}

#[test]
fn groups_are_the_sum_of_what_is_below() {
    for seed in 0..20 {
        let mut chance = Chance(seed);
        let groups = Groups::new();
        let own = BTreeMap::from([(groups.root(), Own::default())]);
        let mut world = World {
            groups,
            own,
            next: 0,
        };
        for step in 0..200 {
            world.step(&mut chance);
            if step % 8 == 0 {
                world.check();
            }
        }
        world.check();
        world.end();
    }
}
