//! Open files: what descriptors refer to.

use super::event::{self, Event};
use super::inode::{Device, Kind};
use super::{FileId, Fs, HeldPos, InodeId, Location, Node, PipeId, Pos, Store, ViewNode, pipe};
use crate::arena::{Arena, Held};
use crate::cgroup::{Charge, GroupId};
use crate::error::{Errno, NoMem, Stop};
use crate::net::SocketId;
use crate::tty::OpenTerminal;
use crate::views::{Opened, Telling};
use alloc::boxed::Box;
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// An open file description (open(2)).
#[derive(Debug)]
pub struct OpenFile {
    /// Access mode and O_* status flags, as fcntl(F_GETFL) tells them.
    pub flags: u32,
    /// What reading and writing means.
    pub kind: FileKind,
    /// Where it is.
    pub at: HeldPos,
    /// The directory it was found in, and its name there.
    pub name: Option<(Pos, Vec<u8>)>,
    /// The next byte, or the next directory entry.
    pub offset: u64,
}

/// What is behind an open file.
#[derive(Debug)]
pub enum FileKind {
    /// A regular file.
    Regular(InodeId),
    /// A directory.
    Dir(Node),
    /// One end of a pipe or fifo, or both.
    Pipe(Held<PipeId>),
    /// A device.
    Device(Device),
    /// A file of a view.
    View(ViewFile),
    /// A terminal.
    Terminal(OpenTerminal),
    /// An event.
    Event(Event),
    /// A socket.
    Socket(Held<SocketId>),
    /// A message queue.
    Queue(InodeId),
    /// The kernel's log; for /dev/kmsg `offset` is the number of the next line.
    Log(LogEnd),
    /// Only a place (O_PATH).
    Path,
}

/// How an open file shows the kernel's log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogEnd {
    /// /dev/kmsg: each reader gets every record.
    Device,
    /// /proc/kmsg: text, each line for one reader only.
    Proc,
}

/// An open file of a view.
#[derive(Debug)]
pub struct ViewFile {
    /// Which.
    pub node: ViewNode,
    /// What it keeps alive.
    pub opened: Opened,
    /// What was read of it.
    pub told: Telling,
    /// How often it had changed when it was read last; `None` before.
    pub seen: Option<u32>,
}

/// Status flags that fcntl(F_SETFL) can change.
pub const SETTABLE: u32 = linux::O_APPEND | linux::O_NONBLOCK | linux::O_NOATIME | linux::O_DIRECT;
/// Flags that F_GETFL tells, besides the access mode.
const KEPT: u32 = SETTABLE
    | linux::O_LARGEFILE
    | linux::O_TMPFILE
    | linux::O_NOFOLLOW
    | linux::O_PATH
    | linux::O_SYNC;

impl OpenFile {
    /// Open for reading.
    pub fn reads(&self) -> bool {
        let mode = self.flags & (linux::O_PATH | linux::O_ACCMODE);
        mode == linux::O_RDONLY || mode == linux::O_RDWR
    }

    /// Open for writing.
    pub fn writes(&self) -> bool {
        let mode = self.flags & (linux::O_PATH | linux::O_ACCMODE);
        mode == linux::O_WRONLY || mode == linux::O_RDWR
    }

    /// Calls on it do not wait.
    pub fn nonblocking(&self) -> bool {
        self.flags & linux::O_NONBLOCK != 0
    }

    /// Only a place (O_PATH).
    pub fn is_path(&self) -> bool {
        matches!(self.kind, FileKind::Path)
    }

    /// Where it is, and the name it was opened by.
    pub fn location(&self) -> Location {
        Location {
            pos: self.at.pos(),
            name: self.name.clone(),
        }
    }
}

impl Fs {
    /// An open file.
    ///
    /// # Errors
    /// EBADF when it is gone.
    pub fn file(&self, id: FileId) -> Result<&OpenFile, Errno> {
        self.files.get(id).ok_or(Errno::EBADF)
    }

    /// An open file, to change.
    ///
    /// # Errors
    /// EBADF when it is gone.
    pub fn file_mut(&mut self, id: FileId) -> Result<&mut OpenFile, Errno> {
        self.files.get_mut(id).ok_or(Errno::EBADF)
    }

    /// Counts an open file that writes to its inode, or no longer does: nobody runs it meanwhile.
    fn count_writer(&mut self, file: &OpenFile, opened: bool) {
        let FileKind::Regular(id) = file.kind else {
            return;
        };
        if let Some(inode) = self.inodes.get_mut(id).filter(|_| file.writes()) {
            inode.writers = if opened {
                inode.writers.saturating_add(1)
            } else {
                inode.writers.saturating_sub(1)
            };
        }
    }
}

/// Opens what is at a location, permissions checked before: not for fifos and files of views
/// (see [`insert`]), nor for symbolic links without O_PATH.
///
/// # Errors
/// ELOOP, ENXIO (a socket), no memory.
pub fn open(
    st: &mut Store,
    group: GroupId,
    location: Location,
    flags: u32,
) -> Result<Held<FileId>, Stop> {
    let kind = match location.pos.node {
        _ if flags & linux::O_PATH != 0 => FileKind::Path,
        Node::View(_) => FileKind::Dir(location.pos.node),
        Node::Inode(id) => match &st.fs.inode(id)?.kind {
            Kind::Regular(_) => FileKind::Regular(id),
            Kind::Queue(_) => FileKind::Queue(id),
            Kind::Dir(_) => FileKind::Dir(location.pos.node),
            Kind::Device(device) => FileKind::Device(*device),
            Kind::Symlink(_) => return Err(Errno::ELOOP.into()),
            Kind::Fifo(_) | Kind::Socket | Kind::Event => return Err(Errno::ENXIO.into()),
        },
    };
    insert(st, group, kind, location, flags).map_err(|refused| refused.0)
}

/// Opens one end of a fifo, or both, as the access mode says; does not wait for the other.
///
/// # Errors
/// No memory; ENXIO when it is not a fifo.
pub fn open_fifo(
    st: &mut Store,
    group: GroupId,
    location: Location,
    flags: u32,
) -> Result<Held<FileId>, Stop> {
    let Node::Inode(inode) = location.pos.node else {
        return Err(Errno::ENXIO.into());
    };
    let id = fifo(st, group, inode)?;
    let pipe = st.fs.pipes.hold(id).ok_or(Errno::ENXIO)?;
    let held = insert(st, group, FileKind::Pipe(pipe), location, flags).map_err(|refused| {
        let (stop, kind) = *refused;
        if let FileKind::Pipe(pipe) = kind {
            pipe::release(st, pipe);
        }
        stop
    })?;
    if let Some(file) = st.fs.files.get(held.key()) {
        let (read, write) = (file.reads(), file.writes());
        pipe::open_end(st, id, read, write);
    }
    Ok(held)
}

/// Puts an open file into the table; on failure what it would have kept comes back.
///
/// # Errors
/// No memory; ENOENT when the location is gone.
pub fn insert(
    st: &mut Store,
    group: GroupId,
    kind: FileKind,
    location: Location,
    flags: u32,
) -> Result<Held<FileId>, Box<(Stop, FileKind)>> {
    match charge(st, group) {
        Ok(charge) => insert_charged(st, charge, kind, location, flags),
        Err(no_mem) => Err(Box::new((no_mem.into(), kind))),
    }
}

/// Charges one open file, for [`insert_charged`].
///
/// # Errors
/// No memory.
pub fn charge(st: &mut Store, group: GroupId) -> Result<Charge, NoMem> {
    st.groups.charge(group, Arena::<FileId, OpenFile>::COST)
}

/// [`insert`] of what is charged already: cannot fail at a location that is there.
///
/// # Errors
/// ENOENT when the location is gone.
pub fn insert_charged(
    st: &mut Store,
    charge: Charge,
    kind: FileKind,
    location: Location,
    flags: u32,
) -> Result<Held<FileId>, Box<(Stop, FileKind)>> {
    let Some(at) = st.fs.hold_pos(location.pos) else {
        st.groups.give_back(charge);
        return Err(Box::new((Errno::ENOENT.into(), kind)));
    };
    let file = OpenFile {
        flags: flags & (KEPT | linux::O_ACCMODE),
        kind,
        at,
        name: location.name,
        offset: 0,
    };
    st.fs.count_writer(&file, true);
    Ok(st.fs.files.insert(file, charge))
}

/// The pipe of a fifo, made at its first use.
///
/// # Errors
/// No memory; ENXIO when it is not a fifo.
pub fn fifo(st: &mut Store, group: GroupId, id: InodeId) -> Result<PipeId, Stop> {
    if let Kind::Fifo(Some(pipe)) = &st.fs.inode(id)?.kind {
        return Ok(pipe.key());
    }
    let made = pipe::create(st, group)?;
    let key = made.key();
    match st.fs.inodes.get_mut(id).map(|i| &mut i.kind) {
        Some(Kind::Fifo(slot)) => *slot = Some(made),
        _ => {
            pipe::release(st, made);
            return Err(Errno::ENXIO.into());
        }
    }
    Ok(key)
}

impl Store<'_> {
    /// Gives an open file back; the last reference closes it. What it was comes back if it kept
    /// something alive that is not a file: the caller's to close.
    #[must_use = "some files keep something alive"]
    pub fn release_file(&mut self, held: Held<FileId>) -> Option<FileKind> {
        let id = held.key();
        let (file, charge) = self.fs.files.release(held)?;
        self.groups.give_back(charge);
        let (read, write) = (file.reads(), file.writes());
        self.fs.count_writer(&file, false);
        self.forget_watched(id);
        let node = file.at.pos().node;
        super::lock::forget(self, id, node);
        super::record::closed(self, node, super::record::Owner::File(id));
        self.release_pos(file.at);
        match file.kind {
            FileKind::Pipe(pipe) => {
                pipe::close_end(self, pipe.key(), read, write);
                pipe::release(self, pipe);
                None
            }
            FileKind::Event(event) => {
                event::closed(self, id, event);
                None
            }
            kind => Some(kind),
        }
    }
}
