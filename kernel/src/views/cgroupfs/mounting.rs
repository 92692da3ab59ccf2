//! Mounting the tree of groups (cgroup v2, "Mounting").

use crate::Kernel;
use crate::arena::Held;
use crate::cgroup::{GroupId, Options};
use crate::error::{Errno, Stop};
use crate::fs::{Actor, Store, SuperId, superblock};
use alloc::vec::Vec;

/// The options that mount(2) was given.
///
/// # Errors
/// EINVAL for one that is not known.
fn parse(data: &[u8]) -> Result<Options, Errno> {
    let mut options = Options::default();
    for option in data.split(|b| *b == b',').filter(|o| !o.is_empty()) {
        match option {
            b"nsdelegate" => options.nsdelegate = true,
            b"memory_recursiveprot" => options.memory_recursiveprot = true,
            _ => return Err(Errno::EINVAL),
        }
    }
    Ok(options)
}

/// As /proc/mounts tells them, with a comma before each.
fn text(options: Options) -> Vec<u8> {
    let all = [
        (options.nsdelegate, &b",nsdelegate"[..]),
        (options.memory_recursiveprot, b",memory_recursiveprot"),
    ];
    let set = all.iter().filter(|(set, _)| *set);
    set.flat_map(|(_, name)| name.iter().copied()).collect()
}

/// The instance whose root is this group. Options count for the whole tree, and only those given
/// by who sees all of it.
///
/// # Errors
/// EINVAL for an unknown option; no memory.
pub fn mount(
    k: &mut Kernel,
    actor: &Actor,
    top: GroupId,
    data: &[u8],
) -> Result<Held<SuperId>, Stop> {
    let options = parse(data)?;
    if top == k.groups.root() {
        k.groups.options = options;
    }
    let text = text(k.groups.options);
    superblock::shared_view(&mut Store::of(k), actor, super::directory(top), &text)
}
