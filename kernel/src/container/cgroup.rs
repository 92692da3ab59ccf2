//! The control group of a container: its place in the tree (C-1, C-2).

use super::create::Work;
use super::steps::{Did, Undo};
use super::{ContainerId, Trouble};
use crate::Kernel;
use crate::cgroup::{Controllers, GroupId};
use crate::error::Errno;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// What create has done to the tree.
#[derive(Default)]
pub(super) struct Placed {
    /// The container's own group; before it is that, the lowest that was made.
    lowest: Option<GroupId>,
    /// Controllers that groups were told to give to their children.
    given: Vec<(GroupId, Controllers)>,
}

/// Makes the container's group, or takes one that is there, and gives it all controllers.
///
/// An absolute path begins at the root of the tree, another one beside the runtime's own group, as
/// with runc: that has processes in it, so it cannot have groups with controllers below it.
/// Without a path it is the container's id.
pub(super) fn create(k: &mut Kernel, id: ContainerId, work: &Work) -> Result<Did, Trouble> {
    let container = k.containers.get(id).ok_or(Errno::ENOENT)?;
    let configured = container.config.linux.cgroups_path.clone();
    let what = configured.as_ref().map_or(String::from("cgroup"), |path| {
        format!("cgroups_path={path}")
    });
    let path = configured.unwrap_or_else(|| String::from(container.name.as_str()));
    let from = match path.starts_with('/') {
        true => k.groups.root(),
        false => base(k, work.runtime.group.key()),
    };
    let mut placed = Placed::default();
    match place(k, from, &path, &mut placed) {
        Ok(group) => {
            let held = k.groups.hold(group);
            k.containers.groups.insert(group, id);
            if let Some(container) = k.containers.get_mut(id) {
                container.group = Some(held);
            }
            Ok(Did::Done(Some(Undo::Cgroup(placed))))
        }
        Err(trouble) => {
            take_back(k, placed);
            Err(trouble.named(&what))
        }
    }
}

/// The group above that of the runtime.
fn base(k: &Kernel, own: GroupId) -> GroupId {
    k.groups.parent(own).unwrap_or(k.groups.root())
}

fn place(
    k: &mut Kernel,
    from: GroupId,
    path: &str,
    placed: &mut Placed,
) -> Result<GroupId, Trouble> {
    let refused = |text: &str| Err(Trouble::refused(Errno::EINVAL, text));
    let mut names = path.split('/').filter(|name| !name.is_empty());
    if names.clone().any(|name| matches!(name, "." | "..")) {
        return refused("the path of a cgroup must not have . or .. in it");
    }
    if names.next().is_none() {
        return refused("the root of the cgroups cannot be a container's");
    }
    if path
        .split('/')
        .any(|name| crate::views::cgroupfs::is_file_name(name.as_bytes()))
    {
        let text = "a file of the cgroups has this name";
        return Err(Trouble::refused(Errno::EEXIST, text));
    }
    let mut made = Vec::new();
    let found = (k.groups).make_path(from, path.as_bytes(), &mut made);
    placed.lowest = made.last().copied();
    k.containers.made_groups.extend(made);
    let group = found?;
    if k.containers.groups.contains_key(&group) {
        let text = "another container has this cgroup";
        return Err(Trouble::refused(Errno::EBUSY, text));
    }
    if k.groups.is_populated(group) {
        let text = "the cgroup is not empty: processes are in it";
        return Err(Trouble::refused(Errno::EBUSY, text));
    }
    if crate::sched::control::is_frozen(k, group) {
        return Err(Trouble::refused(Errno::EBUSY, "the cgroup is frozen"));
    }
    give_controllers(k, group, placed)?;
    match k.groups.may_host(group) {
        Ok(()) => {
            placed.lowest = Some(group);
            Ok(group)
        }
        Err(errno) => Err(Trouble::refused(
            errno,
            "no process can be in this cgroup: it gives controllers to others below it, or is invalid",
        )),
    }
}

/// Has every group on the way give all controllers to those below.
fn give_controllers(k: &mut Kernel, group: GroupId, placed: &mut Placed) -> Result<(), Trouble> {
    let (mut above, mut next) = (Vec::new(), k.groups.parent(group));
    while let Some(parent) = next {
        above.push(parent);
        next = k.groups.parent(parent);
    }
    for parent in above.into_iter().rev() {
        let (given, _) = k
            .groups
            .control(parent, Controllers::all(), Controllers::empty())
            .map_err(|errno| {
                let text = match errno {
                    Errno::EBUSY => {
                        "a cgroup above has processes in it, so it gives no controllers"
                    }
                    _ => "a cgroup above cannot give controllers",
                };
                Trouble::refused(errno, text)
            })?;
        if !given.is_empty() {
            placed.given.push((parent, given));
        }
    }
    Ok(())
}

/// Takes back what create has done to the tree: groups that containers needed, and nobody else has
/// something in, from the lowest up. Who still needs one removes it later.
pub(super) fn take_back(k: &mut Kernel, placed: Placed) {
    if let Some(own) = made(k, &placed) {
        while remove_below(k, own, usize::MAX) {}
    }
    let mut next = placed.lowest;
    while let Some(group) = next.filter(|group| k.containers.made_groups.contains(group)) {
        next = k.groups.parent(group);
        match k.groups.remove(group) {
            // Somebody else may have been faster.
            Ok(()) | Err(Errno::ENOENT) => k.containers.made_groups.remove(&group),
            Err(_) => break,
        };
        // Another container's group is its own to remove.
        next = next.filter(|group| !k.containers.groups.contains_key(group));
    }
    for (group, given) in placed.given.into_iter().rev() {
        // Others that have come since need them.
        if k.groups.children_count(group) > 0 {
            continue;
        }
        let _ = k.groups.control(group, Controllers::empty(), given);
    }
}

/// The container's group, if it was made for a container.
pub(super) fn made(k: &Kernel, placed: &Placed) -> Option<GroupId> {
    let made = &k.containers.made_groups;
    placed.lowest.filter(|group| made.contains(group))
}

/// Removes some groups below one, the lowest first; false when there are no more that can be.
pub(super) fn remove_below(k: &mut Kernel, top: GroupId, most: usize) -> bool {
    for _ in 0..most {
        let mut lowest = top;
        while let Some((_, child)) = k.groups.children(lowest, None).next() {
            lowest = child;
        }
        if lowest == top || k.groups.remove(lowest).is_err() {
            return false;
        }
    }
    true
}
