//! Files that are events: counters (eventfd(2)), timers (timerfd_create(2)), signals
//! (signalfd(2)), sets of watched files (epoll(7)). An event is part of its open file; all of them are on one inode without a type.

mod counter;
pub mod epoll;
mod timer;

pub use counter::Counter;
pub use epoll::{Epoll, Interest, Keys, Target, add, modify, remove, rewatch, spread};
pub use timer::{Setting, Timer, expire, next_deadline, set, settle};

use super::home::{self, Home};
use super::open::{self, FileKind};
use super::{Actor, FileId, Fs, Location, Store};
use crate::arena::Held;
use crate::error::{Errno, Stop};

/// What is behind a file that is an event.
#[derive(Debug)]
pub enum Event {
    /// A counter.
    Counter(Counter),
    /// A timer.
    Timer(Timer),
    /// Signals of whoever reads: a bit for each, bit 0 is signal 1.
    Signals(u64),
    /// A set of watched files.
    Epoll(Epoll),
}

impl Event {
    /// What /proc/PID/fd shows.
    pub fn name(&self) -> &'static [u8] {
        match self {
            Event::Counter(_) => b"anon_inode:[eventfd]",
            Event::Timer(_) => b"anon_inode:[timerfd]",
            Event::Signals(_) => b"anon_inode:[signalfd]",
            Event::Epoll(_) => b"anon_inode:[eventpoll]",
        }
    }
}

/// Opens an event with these O_* flags, besides O_RDWR.
///
/// # Errors
/// No memory.
pub fn open(st: &mut Store, actor: &Actor, event: Event, flags: u32) -> Result<Held<FileId>, Stop> {
    let mount = home::mount_of(st, actor, Home::Events)?;
    let pos = st.fs.root_of(mount)?;
    let location = Location {
        pos,
        name: Some((pos, event.name().into())),
    };
    let flags = flags | linux_raw_sys::general::O_RDWR;
    // An event that was never open keeps nothing.
    let opened = open::insert(st, actor.group, FileKind::Event(event), location, flags);
    opened.map_err(|refused| refused.0)
}

/// The last descriptor of an event was closed.
pub(super) fn closed(st: &mut Store, id: FileId, event: Event) {
    match event {
        Event::Timer(timer) => timer::disarm(st.fs, id, &timer),
        Event::Epoll(epoll) => st.release_items(id, epoll.items),
        Event::Counter(_) | Event::Signals(_) => {}
    }
}

impl Fs {
    /// The event that an open file is.
    ///
    /// # Errors
    /// EBADF when it is gone, EINVAL for another kind of file.
    pub fn event(&self, id: FileId) -> Result<&Event, Errno> {
        match &self.file(id)?.kind {
            FileKind::Event(event) => Ok(event),
            _ => Err(Errno::EINVAL),
        }
    }

    /// The event that an open file is, to change.
    ///
    /// # Errors
    /// As [`Fs::event`].
    pub fn event_mut(&mut self, id: FileId) -> Result<&mut Event, Errno> {
        match &mut self.file_mut(id)?.kind {
            FileKind::Event(event) => Ok(event),
            _ => Err(Errno::EINVAL),
        }
    }
}
