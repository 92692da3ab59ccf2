//! The tree of groups: names, children, how deep and how many (cgroups(7), cgroup v2).

use super::{Group, GroupId, Groups};
use crate::arena::{Arena, Held};
use crate::error::{Errno, Stop};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// No limit of levels or groups (`max`).
pub const UNBOUNDED: u32 = i32::MAX as u32;

/// The deepest that groups nest, whatever `cgroup.max.depth` says: every charge goes to all
/// ancestors.
pub const DEPTH_MAX: u32 = 128;

/// Bytes in the longest name.
pub const NAME_MAX: usize = 255;

/// What a name and the attributes of the files below it cost besides the name's bytes.
const NAMED_COST: usize = 1024;

/// A group's place in the tree.
pub(super) struct Place {
    /// Its name in the group above; empty for the root and for groups that have no name.
    name: Box<[u8]>,
    /// Counts groups since boot: no two have the same.
    serial: u64,
    pub(super) children: BTreeMap<Box<[u8]>, Held<GroupId>>,
    /// They again, in the order in which they were made.
    order: BTreeMap<u64, GroupId>,
    /// Taken out of the tree; lives on as long as somebody refers to it or something is charged.
    pub(super) removed: bool,
    /// Named groups below it.
    descendants: u32,
    /// Removed groups below it that live on.
    dying: u32,
    max_depth: u32,
    max_descendants: u32,
}

impl Place {
    pub(super) fn new(name: &[u8], serial: u64) -> Place {
        Place {
            name: name.into(),
            serial,
            children: BTreeMap::new(),
            order: BTreeMap::new(),
            removed: false,
            descendants: 0,
            dying: 0,
            max_depth: UNBOUNDED,
            max_descendants: UNBOUNDED,
        }
    }
}

/// How many groups are below one (`cgroup.stat`), and may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Below {
    /// Groups.
    pub descendants: u32,
    /// Groups that were removed and live on for what is charged to them.
    pub dying: u32,
    /// Levels below it at the most; [`UNBOUNDED`] for no limit.
    pub max_depth: u32,
    /// Groups below it at the most; [`UNBOUNDED`] for no limit.
    pub max_descendants: u32,
}

impl Default for Below {
    fn default() -> Self {
        Below {
            descendants: 0,
            dying: 0,
            max_depth: UNBOUNDED,
            max_descendants: UNBOUNDED,
        }
    }
}

impl Groups {
    /// Makes a group of this name below `parent`, which pays for it. The tree keeps it until
    /// [`Groups::remove`]; who uses it beyond that holds it ([`Groups::hold`]).
    ///
    /// # Errors
    /// ENOENT when `parent` is removed, EINVAL for a name that cannot be one (empty, `.`, `..`,
    /// with a slash, a newline or NUL), ENAMETOOLONG, EEXIST, EAGAIN beyond `cgroup.max.depth`,
    /// `cgroup.max.descendants` or [`DEPTH_MAX`]; no memory.
    pub fn make(&mut self, parent: GroupId, name: &[u8]) -> Result<GroupId, Stop> {
        check_name(name)?;
        let above = self.arena.get(parent).ok_or(Errno::ENOENT)?;
        if above.place.removed {
            return Err(Errno::ENOENT.into());
        }
        if above.place.children.contains_key(name) {
            return Err(Errno::EEXIST.into());
        }
        self.check_room(parent)?;
        let bytes = Arena::<GroupId, Group>::COST as usize + NAMED_COST + name.len();
        let charge = self.charge(parent, bytes as u32)?;
        let parent_held = self.hold(parent);
        self.serial = self.serial.wrapping_add(1);
        let place = Place::new(name, self.serial);
        let group = Group::below(Some((parent, parent_held)), place);
        let held = self.arena.insert(group, charge);
        let id = held.key();
        let serial = self.serial;
        if let Some(above) = self.arena.get_mut(parent) {
            above.place.order.insert(serial, id);
            above.place.children.insert(name.into(), held);
        }
        self.each_above(id, |above| above.descendants += 1);
        Ok(id)
    }

    /// Whether one more group may be below `parent`.
    fn check_room(&self, parent: GroupId) -> Result<(), Errno> {
        let (mut level, mut next) = (1, Some(parent));
        while let Some(g) = next.and_then(|id| self.arena.get(id)) {
            let place = &g.place;
            if place.descendants >= place.max_descendants || level > place.max_depth {
                return Err(Errno::EAGAIN);
            }
            level += 1;
            next = g.parent;
        }
        if level > DEPTH_MAX + 1 {
            return Err(Errno::EAGAIN);
        }
        Ok(())
    }

    /// Makes the groups of a path below `from` that are missing; returns the last. What was made
    /// stays when a later one fails: `made` tells them, the topmost first.
    ///
    /// # Errors
    /// As [`Groups::make`].
    pub fn make_path(
        &mut self,
        from: GroupId,
        path: &[u8],
        made: &mut Vec<GroupId>,
    ) -> Result<GroupId, Stop> {
        let mut at = from;
        for name in path.split(|b| *b == b'/').filter(|name| !name.is_empty()) {
            at = match self.child(at, name) {
                Some(child) => child,
                None => {
                    made.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                    let child = self.make(at, name)?;
                    made.push(child);
                    child
                }
            };
        }
        Ok(at)
    }

    /// Takes a group out of the tree. It lives on unseen while somebody refers to it or something
    /// is charged to it.
    ///
    /// # Errors
    /// EBUSY for the root, and with children or living tasks; ENOENT when it is removed already.
    pub fn remove(&mut self, group: GroupId) -> Result<(), Errno> {
        let g = self.arena.get(group).ok_or(Errno::ENOENT)?;
        if g.place.removed {
            return Err(Errno::ENOENT);
        }
        let Some(parent) = g.parent.filter(|_| !g.place.name.is_empty()) else {
            return Err(Errno::EBUSY);
        };
        if !g.place.children.is_empty() || g.is_populated() {
            return Err(Errno::EBUSY);
        }
        let (name, serial) = (g.place.name.clone(), g.place.serial);
        self.leave_domain(group);
        self.each_above(group, |above| {
            above.descendants = above.descendants.saturating_sub(1);
            above.dying += 1;
        });
        if let Some(g) = self.arena.get_mut(group) {
            g.place.removed = true;
        }
        let Some(above) = self.arena.get_mut(parent) else {
            return Ok(());
        };
        above.place.order.remove(&serial);
        if let Some(held) = above.place.children.remove(&name) {
            self.release(held);
        }
        Ok(())
    }

    /// A removed group has gone for good.
    pub(super) fn gone(&mut self, group: &Group) {
        if group.place.removed {
            let mut next = group.parent;
            while let Some(g) = next.and_then(|id| self.arena.get_mut(id)) {
                g.place.dying = g.place.dying.saturating_sub(1);
                next = g.parent;
            }
        }
    }

    /// Does this to the places of all groups above one.
    fn each_above(&mut self, group: GroupId, change: impl Fn(&mut Place)) {
        let mut next = self.parent(group);
        while let Some(g) = next.and_then(|id| self.arena.get_mut(id)) {
            change(&mut g.place);
            next = g.parent;
        }
    }

    /// The group of this name below one.
    pub fn child(&self, group: GroupId, name: &[u8]) -> Option<GroupId> {
        let children = &self.arena.get(group)?.place.children;
        children.get(name).map(Held::key)
    }

    /// The groups below one whose names are above `after`, in the order of their names.
    pub fn children<'a>(
        &'a self,
        group: GroupId,
        after: Option<&[u8]>,
    ) -> impl Iterator<Item = (&'a [u8], GroupId)> + use<'a> {
        use core::ops::Bound;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let children = self.arena.get(group).map(|g| &g.place.children);
        let range = children.map(|c| c.range::<[u8], _>((from, Bound::Unbounded)));
        range.into_iter().flatten().map(|(n, h)| (&**n, h.key()))
    }

    /// The groups directly below one that were made at this number ([`Groups::serial`]) or later,
    /// in that order.
    pub fn children_from(
        &self,
        group: GroupId,
        serial: u64,
    ) -> impl Iterator<Item = (u64, GroupId)> + use<'_> {
        let order = self.arena.get(group).map(|g| &g.place.order);
        let range = order.map(|order| order.range(serial..));
        range.into_iter().flatten().map(|(n, id)| (*n, *id))
    }

    /// How many groups are directly below one.
    pub fn children_count(&self, group: GroupId) -> usize {
        self.arena.get(group).map_or(0, |g| g.place.children.len())
    }

    /// The next group of the tree at or below `top`, in an order in which a group comes before
    /// those below it: `None` behind the last. Begin with `top` itself.
    pub fn next_below(&self, top: GroupId, after: GroupId) -> Option<GroupId> {
        if let Some((_, first)) = self.children(after, None).next() {
            return Some(first);
        }
        let mut at = after;
        while at != top {
            let g = self.arena.get(at)?;
            let parent = g.parent?;
            if let Some((_, next)) = self.children(parent, Some(&g.place.name)).next() {
                return Some(next);
            }
            at = parent;
        }
        None
    }

    /// The group at a path below `from`: names between slashes.
    pub fn lookup(&self, from: GroupId, path: &[u8]) -> Option<GroupId> {
        let names = path.split(|b| *b == b'/').filter(|name| !name.is_empty());
        names.fold(self.arena.get(from).map(|_| from), |at, name| {
            self.child(at?, name)
        })
    }

    /// The name of a group in the one above; empty for the root.
    pub fn name(&self, group: GroupId) -> Option<&[u8]> {
        self.arena.get(group).map(|g| &*g.place.name)
    }

    /// Whether a group is in the tree: there, and not removed.
    pub fn is_in_tree(&self, group: GroupId) -> bool {
        self.arena.get(group).is_some_and(|g| !g.place.removed)
    }

    /// A number that no other group ever has; 0 for the root.
    pub fn serial(&self, group: GroupId) -> Option<u64> {
        self.arena.get(group).map(|g| g.place.serial)
    }

    /// The path of a group as it is seen from `top`, as /proc/PID/cgroup has it: `/` for `top`
    /// itself, `/..` for each level up to a common ancestor, and ` (deleted)` behind the path of
    /// what was removed (cgroup_namespaces(7)).
    pub fn path(&self, group: GroupId, top: GroupId) -> Vec<u8> {
        let (own, above) = (self.lineage(group), self.lineage(top));
        let common = own.iter().zip(&above).take_while(|(a, b)| a == b).count();
        let mut path = Vec::new();
        for _ in above.iter().skip(common) {
            path.extend_from_slice(b"/..");
        }
        for id in own.iter().skip(common) {
            path.push(b'/');
            path.extend_from_slice(self.name(*id).unwrap_or(b""));
        }
        if path.is_empty() {
            path.push(b'/');
        }
        if !self.is_in_tree(group) {
            path.extend_from_slice(b" (deleted)");
        }
        path
    }

    /// The root, and all groups from there to this one.
    fn lineage(&self, group: GroupId) -> Vec<GroupId> {
        let (mut all, mut next) = (Vec::new(), Some(group));
        while let Some((id, g)) = next.and_then(|id| Some((id, self.arena.get(id)?))) {
            all.push(id);
            next = g.parent;
        }
        all.reverse();
        all
    }

    /// The lowest group that has both at or below it.
    pub fn common(&self, one: GroupId, other: GroupId) -> GroupId {
        let mut next = Some(one);
        while let Some(id) = next {
            if self.within(other, id) {
                return id;
            }
            next = self.parent(id);
        }
        self.root
    }

    /// How many groups are below one, and may be.
    pub fn below(&self, group: GroupId) -> Below {
        let place = self.arena.get(group).map(|g| &g.place);
        place.map_or(Below::default(), |place| Below {
            descendants: place.descendants,
            dying: place.dying,
            max_depth: place.max_depth,
            max_descendants: place.max_descendants,
        })
    }

    /// Sets how many levels may be below a group; there may be more already.
    pub fn set_max_depth(&mut self, group: GroupId, levels: u32) {
        if let Some(g) = self.arena.get_mut(group) {
            g.place.max_depth = levels.min(UNBOUNDED);
        }
    }

    /// Sets how many groups may be below one; there may be more already.
    pub fn set_max_descendants(&mut self, group: GroupId, count: u32) {
        if let Some(g) = self.arena.get_mut(group) {
            g.place.max_descendants = count.min(UNBOUNDED);
        }
    }
}

fn check_name(name: &[u8]) -> Result<(), Errno> {
    let bad = |b: &u8| matches!(*b, b'/' | b'\n' | 0);
    if matches!(name, b"" | b"." | b"..") || name.iter().any(bad) {
        return Err(Errno::EINVAL);
    }
    if name.len() > NAME_MAX {
        return Err(Errno::ENAMETOOLONG);
    }
    Ok(())
}
