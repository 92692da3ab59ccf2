//! Mounts that nobody can walk to: where files are that have no name in any directory.

use super::inode::{self, What};
use super::mount::{self, MountFlags};
use super::superblock::{self, SuperKind};
use super::{Actor, Fs, InodeId, Location, MountId, Node, Pos, Store, SuperId};
use crate::arena::Held;
use crate::error::Stop;

/// What kinds of files live on such a mount.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Home {
    /// Pipes of pipe(2).
    Pipes,
    /// Files that are events (eventfd(2), epoll(7), ...).
    Events,
    /// Memory of memfd_create(2).
    Memory,
    /// Sockets.
    Sockets,
}

/// The mounts, each made at its first use and kept.
pub(super) type Homes = [Option<Held<MountId>>; 4];

/// The mount of a kind of files.
///
/// # Errors
/// No memory, at the first use.
pub fn mount_of(st: &mut Store, actor: &Actor, home: Home) -> Result<MountId, Stop> {
    if let Some(Some(mount)) = st.fs.homes.get(home as usize) {
        return Ok(mount.key());
    }
    let actor = Actor {
        group: st.groups.root(),
        ..*actor
    };
    let (kind, source) = match home {
        Home::Pipes => (SuperKind::Pipes, &b"pipefs"[..]),
        Home::Events => (SuperKind::Events, &b"anon_inodefs"[..]),
        Home::Memory => (SuperKind::Tmpfs, &b"tmpfs"[..]),
        Home::Sockets => (SuperKind::Sockets, &b"sockfs"[..]),
    };
    let sb = superblock::hidden(st, &actor, kind)?;
    let mount = mount::whole(st, &actor, sb, MountFlags::empty(), source)?;
    let id = mount.key();
    if let Some(slot) = st.fs.homes.get_mut(home as usize) {
        *slot = Some(mount);
    }
    Ok(id)
}

impl Fs {
    /// The mount that has the files of an instance which is no one's to walk to.
    pub fn home_of(&self, sb: SuperId) -> Option<MountId> {
        let mut homes = self.homes.iter().flatten().map(Held::key);
        homes.find(|home| {
            self.mounts
                .get(*home)
                .is_some_and(|mount| mount.sb.key() == sb)
        })
    }
}

/// A place for a new file that has no name. Give the reference back when it is open.
///
/// # Errors
/// No memory.
pub fn make(
    st: &mut Store,
    actor: &Actor,
    home: Home,
    what: What,
    mode: u32,
) -> Result<(Held<InodeId>, Location), Stop> {
    let mount = mount_of(st, actor, home)?;
    let sb = st.fs.mount(mount)?.sb.key();
    let held = inode::create(st, actor, sb, what, mode, None)?;
    let pos = Pos {
        mount,
        node: Node::Inode(held.key()),
    };
    Ok((held, Location { pos, name: None }))
}

/// Makes all of them, so that none counts later as something left behind.
///
/// # Errors
/// No memory.
pub fn make_all(st: &mut Store, actor: &Actor) -> Result<(), Stop> {
    for home in [Home::Pipes, Home::Events, Home::Memory, Home::Sockets] {
        mount_of(st, actor, home)?;
    }
    Ok(())
}
