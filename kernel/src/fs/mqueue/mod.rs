//! POSIX message queues (mq_overview(7)): files of a file system that each ipc namespace has one
//! instance of, mounted or not.

mod queue;

pub use queue::{MESSAGE_COST, Message, Notice, PRIORITIES, Queue, Size};

use super::dir::add_new;
use super::inode::{Kind, What};
use super::mount::{self, MountFlags};
use super::superblock::{self, SuperKind};
use super::{Actor, Fs, InodeId, MountId, Node, Store, SuperId};
use crate::arena::Held;
use crate::error::{Errno, Stop};
use linux_raw_sys::general as linux;

/// Limits of an instance, the files of /proc/sys/fs/mqueue (mq_overview(7)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Queues, unless CAP_SYS_RESOURCE makes more.
    pub queues_max: u32,
    /// Messages of a queue, unless CAP_SYS_RESOURCE makes it.
    pub msg_max: u32,
    /// Bytes of a message, unless CAP_SYS_RESOURCE makes the queue.
    pub msgsize_max: u32,
    /// Messages of a queue whose maker does not say.
    pub msg_default: u32,
    /// Bytes of a message of a queue whose maker does not say.
    pub msgsize_default: u32,
    /// The namespace is there; else nothing new is made.
    live: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            queues_max: 256,
            msg_max: 10,
            msgsize_max: 8192,
            msg_default: 10,
            msgsize_default: 8192,
            live: true,
        }
    }
}

/// Messages of a queue at the very most (HARD_MSGMAX).
pub const MSG_HARD: u32 = 65536;
/// Bytes of a message at the very most: what one call copies.
pub const MSGSIZE_HARD: u32 = 65536;

/// Bytes that each queue's file seems to have.
pub(super) const FILE_SIZE: u64 = 80;

/// Who makes a queue.
#[derive(Clone, Copy, Debug)]
pub struct Maker {
    /// The user that it counts for.
    pub uid: u32,
    /// RLIMIT_MSGQUEUE.
    pub limit: u64,
}

/// What a new queue's inode holds.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    size: Size,
    uid: u32,
}

impl Plan {
    /// The queue.
    pub(super) fn queue(self) -> Queue {
        Queue::new(self.size, self.uid)
    }
}

/// A new instance, on a mount that nobody can walk to.
///
/// # Errors
/// No memory.
pub fn instance(st: &mut Store, actor: &Actor) -> Result<Held<MountId>, Stop> {
    let kind = SuperKind::Mqueue(Settings::default());
    let sb = superblock::hidden(st, actor, kind)?;
    mount::whole(st, actor, sb, MountFlags::empty(), b"mqueue")
}

/// The namespace of an instance is gone: who still sees it makes nothing new in it.
pub fn abandon(st: &mut Store, held: Held<MountId>) {
    let sb = st.fs.mounts.get(held.key()).map(|mount| mount.sb.key());
    if let Some(settings) = sb.and_then(|sb| st.fs.queue_settings(sb)) {
        settings.live = false;
    }
    st.release_tree(held);
}

impl Fs {
    /// The settings of an instance, to change; `None` for another file system.
    pub fn queue_settings(&mut self, sb: SuperId) -> Option<&mut Settings> {
        match &mut self.supers.get_mut(sb)?.kind {
            SuperKind::Mqueue(settings) => Some(settings),
            _ => None,
        }
    }

    /// The message queue that an inode is.
    ///
    /// # Errors
    /// EBADF when it is none.
    pub fn queue(&self, id: InodeId) -> Result<&Queue, Errno> {
        match self.inodes.get(id).map(|inode| &inode.kind) {
            Some(Kind::Queue(queue)) => Ok(queue),
            _ => Err(Errno::EBADF),
        }
    }

    /// The message queue that an inode is, to change.
    ///
    /// # Errors
    /// EBADF when it is none.
    pub fn queue_mut(&mut self, id: InodeId) -> Result<&mut Queue, Errno> {
        match self.inodes.get_mut(id).map(|inode| &mut inode.kind) {
            Some(Kind::Queue(queue)) => Ok(queue),
            _ => Err(Errno::EBADF),
        }
    }

    /// Counts a queue that is gone no longer.
    pub(super) fn forget_queue(&mut self, queue: &Queue) {
        let cost = queue.size.cost().unwrap_or(0);
        if let Some(used) = self.queue_bytes.get_mut(&queue.uid) {
            *used = used.saturating_sub(cost);
            if *used == 0 {
                self.queue_bytes.remove(&queue.uid);
            }
        }
    }
}

/// The root directory of a mount of an instance.
///
/// # Errors
/// ENOENT when it is gone.
pub fn root(fs: &Fs, mount: MountId) -> Result<InodeId, Errno> {
    match fs.root_of(mount)?.node {
        Node::Inode(root) => Ok(root),
        Node::View(_) => Err(Errno::ENOENT),
    }
}

/// What a queue shall hold.
///
/// # Errors
/// EINVAL for more than is allowed.
fn size(settings: &Settings, wanted: Option<Size>, more: bool) -> Result<Size, Errno> {
    let Some(size) = wanted else {
        return Ok(Size {
            messages: settings.msg_default.min(settings.msg_max).into(),
            bytes: settings.msgsize_default.min(settings.msgsize_max).into(),
        });
    };
    let (messages, bytes) = match more {
        true => (MSG_HARD, MSGSIZE_HARD),
        false => (settings.msg_max, settings.msgsize_max),
    };
    let fits = (1..=u64::from(messages)).contains(&size.messages)
        && (1..=u64::from(bytes)).contains(&size.bytes);
    fits.then_some(size).ok_or(Errno::EINVAL)
}

/// Makes a queue with a name in the root directory of an instance.
///
/// # Errors
/// EACCES, also when the namespace is gone; ENOSPC for too many queues, EMFILE for more than the
/// user may have (RLIMIT_MSGQUEUE); EINVAL for a size that is not allowed; no memory.
pub fn make(
    st: &mut Store,
    actor: &Actor,
    dir: InodeId,
    name: &[u8],
    mode: u32,
    wanted: Option<Size>,
    maker: Maker,
) -> Result<InodeId, Stop> {
    let above = st.fs.inode(dir)?;
    above.permit(&actor.access, 3)?;
    let (sb, queues) = (above.sb, above.dir()?.entries.len());
    let settings = *st.fs.queue_settings(sb).ok_or(Errno::EACCES)?;
    if !settings.live {
        return Err(Errno::EACCES.into());
    }
    let more = actor.access.has(linux::CAP_SYS_RESOURCE);
    if queues >= settings.queues_max as usize && !more {
        return Err(Errno::ENOSPC.into());
    }
    let size = size(&settings, wanted, more)?;
    let cost = size.cost().ok_or(Errno::EOVERFLOW)?;
    let used = st.fs.queue_bytes.get(&maker.uid).copied().unwrap_or(0);
    let used = used.checked_add(cost).filter(|used| *used <= maker.limit);
    let used = used.ok_or(Errno::EMFILE)?;
    let uid = maker.uid;
    let id = add_new(st, actor, dir, name, What::Queue(Plan { size, uid }), mode)?;
    st.fs.queue_bytes.insert(uid, used);
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_within_their_limits() {
        let settings = Settings::default();
        let of = |messages, bytes| Some(Size { messages, bytes });
        assert_eq!(size(&settings, None, false), Ok(of(10, 8192).unwrap()));
        assert_eq!(of(10, 8192).unwrap().cost(), Some(82_880));
        for (wanted, more) in [
            (of(0, 1), true),
            (of(1, 0), true),
            (of(11, 1), false),
            (of(1, 8193), false),
            (of(65537, 1), true),
            (of(1, u64::MAX), true),
        ] {
            assert_eq!(
                size(&settings, wanted, more),
                Err(Errno::EINVAL),
                "{wanted:?}"
            );
        }
        assert!(size(&settings, of(65536, 65536), true).is_ok());
        assert_eq!(of(u64::MAX, 2).unwrap().cost(), None);
    }
}
