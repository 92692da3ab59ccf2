//! Inodes: what a file is, who may use it, and how it ends.

use super::mqueue::{self, Queue};
use super::{Access, Actor, Fs, InodeId, PipeId, Store, SuperId, Time};
use crate::arena::{Arena, Held};
use crate::cgroup::{Charge, Groups};
use crate::error::{Errno, Stop};
use crate::machine::Frame;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// The name of a directory entry; shared by the tables that need it.
pub type Name = Arc<[u8]>;

/// A file of a file system whose content the kernel keeps.
#[derive(Debug)]
pub struct Inode {
    /// What it is, and its content.
    pub kind: Kind,
    /// Permission bits (0o7777).
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Names it has; a directory's `.` and its subdirectories' `..` count. 0 when removed.
    pub nlink: u32,
    /// Its number in its file system.
    pub ino: u64,
    /// Its file system.
    pub sb: SuperId,
    /// When what happened to it.
    pub times: Times,
    /// The directory and name it was last linked at: how its path is told.
    pub link: Option<(InodeId, Name)>,
    /// How many mounts are on it.
    pub mounted: u32,
    /// Never had a name, but may be given one (O_TMPFILE).
    pub nameless: bool,
    /// Open files that write to it.
    pub writers: u32,
    /// Its extended attributes.
    pub xattrs: super::xattr::Slot,
}

/// The four times of an inode (inode(7)).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Times {
    /// Last read.
    pub accessed: Time,
    /// Last change of the content.
    pub modified: Time,
    /// Last change of content or attributes.
    pub changed: Time,
    /// Made.
    pub born: Time,
}

/// What an inode is.
#[derive(Debug)]
pub enum Kind {
    /// A directory.
    Dir(Dir),
    /// A regular file.
    Regular(Pages),
    /// A symbolic link, and where to.
    Symlink(Vec<u8>),
    /// A fifo; its buffer exists from the first open on.
    Fifo(Option<Held<PipeId>>),
    /// A device.
    Device(Device),
    /// A name for a socket.
    Socket,
    /// What all files are that are events.
    Event,
    /// A message queue.
    Queue(Box<Queue>),
}

/// A device's number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Device {
    /// A character device, else a block device.
    pub char: bool,
    /// Which driver.
    pub major: u32,
    /// Which of its devices.
    pub minor: u32,
}

/// A directory's entries.
#[derive(Debug)]
pub struct Dir {
    /// By name.
    pub entries: BTreeMap<Name, Entry>,
    /// Names in the order they were added, and what has them: where getdents goes on.
    pub order: BTreeMap<u64, (Name, InodeId)>,
    /// The next place in that order.
    pub next: u64,
    /// The directory above; itself at the root. Not kept alive: a removed directory may lose it.
    pub parent: InodeId,
}

/// A directory entry.
#[derive(Debug)]
pub struct Entry {
    /// What has the name.
    pub inode: Held<InodeId>,
    /// Its place in the order.
    pub cookie: u64,
    pub(super) charge: Charge,
}

/// A regular file's content: pages that are absent are zeros.
#[derive(Debug)]
pub struct Pages {
    /// By index.
    pub frames: BTreeMap<u64, Frame>,
    /// Bytes.
    pub size: u64,
    /// What may never be done to it any more (F_SEAL_*, see [`super::seal`]).
    pub seals: u32,
}

impl Default for Pages {
    fn default() -> Pages {
        Pages {
            frames: BTreeMap::new(),
            size: 0,
            seals: linux::F_SEAL_SEAL,
        }
    }
}

/// What a new inode shall be.
#[derive(Clone, Debug)]
pub enum What {
    /// An empty directory.
    Dir,
    /// An empty regular file.
    Regular,
    /// A symbolic link.
    Symlink(Vec<u8>),
    /// A fifo.
    Fifo,
    /// A device.
    Device(Device),
    /// A name for a socket.
    Socket,
    /// What all files are that are events.
    Event,
    /// A message queue.
    Queue(mqueue::Plan),
    /// Memory that shows under this name without having it (memfd_create(2)).
    Memory(Name),
}

/// Bytes a directory seems to have for each entry, as on Linux's tmpfs.
const ENTRY_SIZE: u64 = 20;

impl Inode {
    /// The bits of the file type in st_mode.
    pub fn type_bits(&self) -> u32 {
        match &self.kind {
            Kind::Dir(_) => linux::S_IFDIR,
            Kind::Regular(_) | Kind::Queue(_) => linux::S_IFREG,
            Kind::Symlink(_) => linux::S_IFLNK,
            Kind::Fifo(_) => linux::S_IFIFO,
            Kind::Device(Device { char: true, .. }) => linux::S_IFCHR,
            Kind::Device(_) => linux::S_IFBLK,
            Kind::Socket => linux::S_IFSOCK,
            Kind::Event => 0,
        }
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        matches!(self.kind, Kind::Dir(_))
    }

    /// Its directory entries.
    ///
    /// # Errors
    /// ENOTDIR.
    pub fn dir(&self) -> Result<&Dir, Errno> {
        match &self.kind {
            Kind::Dir(dir) => Ok(dir),
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// Its directory entries, to change.
    ///
    /// # Errors
    /// ENOTDIR.
    pub fn dir_mut(&mut self) -> Result<&mut Dir, Errno> {
        match &mut self.kind {
            Kind::Dir(dir) => Ok(dir),
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// st_size.
    pub fn size(&self) -> u64 {
        match &self.kind {
            Kind::Dir(dir) => (dir.entries.len() as u64 + 2) * ENTRY_SIZE,
            Kind::Regular(pages) => pages.size,
            Kind::Symlink(target) => target.len() as u64,
            Kind::Queue(_) => mqueue::FILE_SIZE,
            _ => 0,
        }
    }

    /// Writes down that the content changed.
    pub fn touch(&mut self, now: Time) {
        self.times.modified = now;
        self.times.changed = now;
    }
}

/// Whether mode bits give `want` (4 read, 2 write, 1 execute) to this accessor: owner, group or
/// others, then capabilities (path_resolution(7), "Permissions").
///
/// # Errors
/// EACCES.
pub fn permit(access: &Access, owner: (u32, u32), mode: u32, want: u32) -> Result<(), Errno> {
    let granted = if access.uid == owner.0 {
        mode >> 6
    } else if access.in_group(owner.1) {
        mode >> 3
    } else {
        mode
    };
    if granted & want == want {
        return Ok(());
    }
    let dir = mode & linux::S_IFMT == linux::S_IFDIR;
    let overridden =
        access.has(linux::CAP_DAC_OVERRIDE) && (dir || want & 1 == 0 || mode & 0o111 != 0);
    let searched = access.has(linux::CAP_DAC_READ_SEARCH) && (want == 4 || (dir && want & 2 == 0));
    if overridden || searched {
        Ok(())
    } else {
        Err(Errno::EACCES)
    }
}

impl Inode {
    /// As [`permit`], for this inode.
    ///
    /// # Errors
    /// EACCES.
    pub fn permit(&self, access: &Access, want: u32) -> Result<(), Errno> {
        permit(
            access,
            (self.uid, self.gid),
            self.mode | self.type_bits(),
            want,
        )
    }

    /// Whether the accessor counts as its owner.
    ///
    /// # Errors
    /// EPERM.
    pub fn owned(&self, access: &Access) -> Result<(), Errno> {
        if access.uid == self.uid || access.has(linux::CAP_FOWNER) {
            Ok(())
        } else {
            Err(Errno::EPERM)
        }
    }
}

impl Fs {
    /// An inode.
    ///
    /// # Errors
    /// ENOENT when it is gone.
    pub fn inode(&self, id: InodeId) -> Result<&Inode, Errno> {
        self.inodes.get(id).ok_or(Errno::ENOENT)
    }

    /// An inode whose attributes may change.
    ///
    /// # Errors
    /// ENOENT when it is gone, EOPNOTSUPP for the one that all events share.
    pub fn changeable(&mut self, id: InodeId) -> Result<&mut Inode, Errno> {
        let inode = self.inode_mut(id)?;
        match inode.kind {
            Kind::Event => Err(Errno::EOPNOTSUPP),
            _ => Ok(inode),
        }
    }

    /// An inode, to change.
    ///
    /// # Errors
    /// ENOENT when it is gone.
    pub fn inode_mut(&mut self, id: InodeId) -> Result<&mut Inode, Errno> {
        self.inodes.get_mut(id).ok_or(Errno::ENOENT)
    }
}

/// A new inode of a file system, without a name yet. A directory's parent is `parent`, or itself.
///
/// # Errors
/// ENOSPC when the file system may not have more; no memory.
pub fn create(
    st: &mut Store,
    actor: &Actor,
    sb: SuperId,
    what: What,
    mode: u32,
    parent: Option<InodeId>,
) -> Result<Held<InodeId>, Stop> {
    let extra = match &what {
        What::Symlink(target) => target.len() as u32,
        What::Memory(name) => name.len() as u32,
        What::Queue(_) => core::mem::size_of::<Queue>() as u32,
        _ => 0,
    };
    let charge = st
        .groups
        .charge(actor.group, Arena::<InodeId, Inode>::COST + extra)?;
    let ino = match st.fs.take_ino(sb) {
        Ok(ino) => ino,
        Err(e) => {
            st.groups.give_back(charge);
            return Err(e.into());
        }
    };
    let is_dir = matches!(what, What::Dir);
    let link = match &what {
        What::Memory(name) => parent.map(|parent| (parent, name.clone())),
        _ => None,
    };
    let nowhere = crate::arena::Key::new(u32::MAX, 0);
    let kind = match what {
        What::Dir => Kind::Dir(Dir::new(parent.unwrap_or(nowhere))),
        What::Regular | What::Memory(_) => Kind::Regular(Pages::default()),
        What::Symlink(target) => Kind::Symlink(target),
        What::Fifo => Kind::Fifo(None),
        What::Device(device) => Kind::Device(device),
        What::Socket => Kind::Socket,
        What::Event => Kind::Event,
        What::Queue(plan) => Kind::Queue(Box::new(plan.queue())),
    };
    let inode = Inode {
        kind,
        mode: mode & 0o7777,
        uid: actor.access.uid,
        gid: actor.access.gid,
        nlink: match (is_dir, &link) {
            (true, _) => 2,
            (false, None) => 1,
            (false, Some(_)) => 0,
        },
        ino,
        sb,
        times: Times {
            accessed: actor.now,
            modified: actor.now,
            changed: actor.now,
            born: actor.now,
        },
        link,
        mounted: 0,
        nameless: false,
        writers: 0,
        xattrs: None,
    };
    let held = st.fs.inodes.insert(inode, charge);
    if is_dir && parent.is_none() {
        if let Some(Kind::Dir(dir)) = st.fs.inodes.get_mut(held.key()).map(|i| &mut i.kind) {
            dir.parent = held.key();
        }
    }
    Ok(held)
}

impl Dir {
    fn new(parent: InodeId) -> Dir {
        Dir {
            entries: BTreeMap::new(),
            order: BTreeMap::new(),
            // 0, 1 and 2 are the beginning, `.` and `..`.
            next: 3,
            parent,
        }
    }

    /// The inode of a name.
    pub fn get(&self, name: &[u8]) -> Option<InodeId> {
        self.entries.get(name).map(|entry| entry.inode.key())
    }

    /// Adds an entry; the name must be free.
    pub fn add(&mut self, name: Name, inode: Held<InodeId>, charge: Charge) {
        let cookie = self.next;
        self.next += 1;
        self.order.insert(cookie, (name.clone(), inode.key()));
        let entry = Entry {
            inode,
            cookie,
            charge,
        };
        let old = self.entries.insert(name, entry);
        debug_assert!(old.is_none(), "two entries of one name");
    }

    /// Takes an entry out.
    pub fn remove(&mut self, name: &[u8]) -> Option<(Held<InodeId>, Charge)> {
        let entry = self.entries.remove(name)?;
        self.order.remove(&entry.cookie);
        Some((entry.inode, entry.charge))
    }

    /// Puts another inode under an existing name; returns the one that had it.
    pub fn replace(
        &mut self,
        name: &[u8],
        inode: Held<InodeId>,
    ) -> Result<Held<InodeId>, Held<InodeId>> {
        match self.entries.get_mut(name) {
            Some(entry) => {
                if let Some((_, listed)) = self.order.get_mut(&entry.cookie) {
                    *listed = inode.key();
                }
                Ok(core::mem::replace(&mut entry.inode, inode))
            }
            None => Err(inode),
        }
    }
}

/// What a directory entry costs: two tree nodes' share and the name.
pub fn entry_cost(name: &[u8]) -> u32 {
    160 + name.len() as u32
}

/// Gives back a charge that came to nothing, in one line.
pub(super) fn refuse<T>(groups: &mut Groups, charge: Charge, error: Errno) -> Result<T, Stop> {
    groups.give_back(charge);
    Err(error.into())
}
