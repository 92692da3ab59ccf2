//! Whose the directory and the files of a group are, and who may use them (chown(2), chmod(2)).

use super::{Controllers, GroupId, Groups};
use alloc::collections::BTreeMap;

/// Permission bits and owner of a group's directory or of one of its files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attributes {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Whose what is, as long as nobody changed it, and what was changed, by the file's number.
#[derive(Default)]
pub(super) struct Owners {
    /// Of the directory and of the files that every group has: who made it.
    own: (u32, u32),
    /// Of the files of each controller, in the order of [`Controllers::NAMES`]: who enabled it.
    controllers: [(u32, u32); Controllers::NAMES.len()],
    changed: BTreeMap<u16, Attributes>,
}

impl Groups {
    /// The attributes of a file of a group: `controller` is whose it is, `mode` what it has as long
    /// as nobody changed it. `None` when the group is not in the tree.
    pub fn attributes(
        &self,
        group: GroupId,
        file: u16,
        controller: Option<Controllers>,
        mode: u32,
    ) -> Option<Attributes> {
        let g = self.arena.get(group).filter(|g| !g.place.removed)?;
        if let Some(changed) = g.owners.changed.get(&file) {
            return Some(*changed);
        }
        let mut all = Controllers::NAMES.iter().zip(&g.owners.controllers);
        let whose = all.find(|((_, c), _)| Some(*c) == controller);
        let (uid, gid) = whose.map_or(g.owners.own, |(_, owner)| *owner);
        Some(Attributes { mode, uid, gid })
    }

    /// Changes the attributes of a file, or of the directory (0).
    pub fn set_attributes(&mut self, group: GroupId, file: u16, attributes: Attributes) {
        if let Some(g) = self.arena.get_mut(group) {
            g.owners.changed.insert(file, attributes);
        }
    }

    /// A group was made by this user.
    pub fn set_owner(&mut self, group: GroupId, uid: u32, gid: u32) {
        if let Some(g) = self.arena.get_mut(group) {
            g.owners.own = (uid, gid);
        }
    }

    /// The files of these controllers come, for all groups below one, by this user. `is_theirs`
    /// says whose a file is: what was changed before is forgotten.
    pub fn renew_files(
        &mut self,
        group: GroupId,
        controllers: Controllers,
        (uid, gid): (u32, u32),
        is_theirs: impl Fn(u16) -> bool,
    ) {
        let children: alloc::vec::Vec<GroupId> = self.children(group, None).map(|c| c.1).collect();
        for child in children {
            let Some(g) = self.arena.get_mut(child) else {
                continue;
            };
            g.owners.changed.retain(|file, _| !is_theirs(*file));
            let all = Controllers::NAMES.iter().zip(&mut g.owners.controllers);
            for (_, owner) in all.filter(|((_, c), _)| controllers.contains(*c)) {
                *owner = (uid, gid);
            }
        }
    }
}
