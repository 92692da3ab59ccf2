//! `unified`: files of the control group by their names (C-uni), written as programs write them.

use super::Trouble;
use super::resources::Before;
use crate::cgroup::{Controllers, GroupId};
use crate::error::{Errno, Stop};
use crate::fs::ViewNode;
use crate::fs::walk::Views;
use crate::views::{self, Source, cgroupfs};
use crate::{Cx, Kernel};
use alloc::format;

/// Files of all groups that hold a setting: the others start something, or tell who is there.
const SETTINGS: [&str; 2] = ["cgroup.max.depth", "cgroup.max.descendants"];

/// Writes a file, each line for itself as runc does, and remembers what it had.
pub(super) fn write(
    k: &mut Kernel,
    cx: &mut Cx,
    group: GroupId,
    (name, text): (&str, &str),
    before: &mut Before,
) -> Result<(), Trouble> {
    let node = find(k, group, name)?;
    let mut content = alloc::vec::Vec::new();
    let piece = views::piece(k, cx.m, node, views::start(&views::Opened::Nothing));
    match piece {
        Ok(piece) => content.extend_from_slice(&piece.text),
        Err(Stop::NoMem(no_mem)) => return Err(no_mem.into()),
        Err(_) => return refuse(Errno::EINVAL, "the file holds no setting"),
    }
    before.files.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
    before.files.push((node, content));
    for line in text.split('\n').filter(|line| !line.is_empty()) {
        match views::write(k, cx, node, line.as_bytes()) {
            // Set; what exceeds it goes later.
            Ok(_) | Err(Stop::Wait(_)) => {}
            Err(stop) => return Err(stop.into()),
        }
    }
    Ok(())
}

/// The file of this name.
fn find(k: &Kernel, group: GroupId, name: &str) -> Result<ViewNode, Trouble> {
    if name.starts_with("cgroup.") && !SETTINGS.contains(&name) {
        return refuse(Errno::EINVAL, "the file holds no setting");
    }
    let found = Source::of(k).lookup(cgroupfs::directory(group), name.as_bytes());
    let Err(errno) = found else {
        return Ok(found?);
    };
    let prefix = name.split('.').next().unwrap_or(name);
    let missing = Controllers::named(prefix.as_bytes())
        .filter(|controller| !k.groups.controllers(group).contains(*controller));
    match missing {
        Some(_) => refuse(
            errno,
            &format!("the cgroup does not have the controller {prefix}"),
        ),
        None => refuse(errno, "there is no such file in a cgroup"),
    }
}

fn refuse<T>(errno: Errno, text: &str) -> Result<T, Trouble> {
    Err(Trouble::refused(errno, text))
}

/// Writes a file as it was.
pub(super) fn put_back(k: &mut Kernel, cx: &mut Cx, node: ViewNode, text: &[u8]) {
    for line in text.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        if let Err(Stop::Errno(errno)) = views::write(k, cx, node, line) {
            log::warn!(target: "container", "a file of a cgroup is not put back: {}", errno.text());
        }
    }
}
