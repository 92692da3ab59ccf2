//! Sets of watched files (epoll(7)).
//!
//! An epoll has an item for each file that it watches, and a list of those that something
//! happened to. Whoever waits looks only at the list: at items that may be ready, not at all.
//! Items keep no file alive; they go with the last descriptor of the file.

use super::Event;
use crate::cgroup::{Charge, GroupId};
use crate::error::{Errno, Stop};
use crate::fs::{FileId, Fs, Store};
use crate::wait::{WaitKey, Waits, Watch, Watcher};
use alloc::collections::{BTreeMap, BTreeSet};
use linux_raw_sys::general as linux;

/// A watched file: the number that it was added under, and the file.
pub type Target = (u32, FileId);

/// The items of an epoll.
pub type Items = BTreeMap<Target, Item>;

/// A set of watched files.
#[derive(Debug, Default)]
pub struct Epoll {
    /// What is watched.
    pub items: Items,
    /// The epolls among that.
    nested: BTreeSet<Target>,
    /// What something happened to, oldest first.
    ready: BTreeMap<u64, Target>,
    /// The next place in that list.
    next: u64,
}

/// A watched file.
#[derive(Debug)]
pub struct Item {
    /// The events that are asked for, and EPOLLET and the like.
    pub events: u32,
    /// What the program wants to be told with them.
    pub data: u64,
    keys: Keys,
    /// The place in the list of ready items.
    place: Option<u64>,
    charge: Charge,
}

/// What is watched of a file.
pub type Keys = [Option<WaitKey>; 2];

/// What an item is asked to tell.
#[derive(Clone, Copy, Debug)]
pub struct Interest {
    /// As [`Item::events`].
    pub events: u32,
    /// As [`Item::data`].
    pub data: u64,
    /// What to watch for that.
    pub keys: Keys,
}

/// Bytes that an item costs: its part of four trees.
const ITEM_COST: u32 = 320;
/// What stays of a one-shot item's events once it has told them (EPOLLONESHOT).
const MANNERS: u32 =
    linux::EPOLLET | linux::EPOLLONESHOT | linux::EPOLLEXCLUSIVE | linux::EPOLLWAKEUP;
/// How many epolls may be one in another.
const NESTED_MAX: u32 = 4;
/// Epolls that are looked at to see that.
const LOOKS_MAX: u32 = 256;
/// Watchers that are told in one trap.
const SPREAD_TURN: usize = 128;

impl Item {
    fn watch(&self, epoll: FileId, (fd, file): Target) -> Watch {
        Watch {
            exclusive: self.is_exclusive(),
            watcher: Watcher { epoll, fd, file },
        }
    }

    /// Made with EPOLLEXCLUSIVE.
    pub fn is_exclusive(&self) -> bool {
        self.events & linux::EPOLLEXCLUSIVE != 0
    }
}

impl Epoll {
    /// Puts an item at the end of the list of ready ones, if it is not on it.
    fn mark(&mut self, target: Target) -> bool {
        let Some(item) = self.items.get_mut(&target) else {
            return false;
        };
        if item.place.is_none() {
            item.place = Some(self.next);
            self.ready.insert(self.next, target);
            self.next += 1;
        }
        true
    }

    /// The place that the next ready item gets: those before were there already.
    pub fn end(&self) -> u64 {
        self.next
    }

    /// The first of the ready list, if its place is before `end`.
    pub fn first(&self, end: u64) -> Option<Target> {
        let (place, target) = self.ready.first_key_value()?;
        (*place < end).then_some(*target)
    }

    /// Takes an item off the list: it is not ready after all.
    pub fn unmark(&mut self, target: Target) {
        if let Some(place) = self
            .items
            .get_mut(&target)
            .and_then(|item| item.place.take())
        {
            self.ready.remove(&place);
        }
    }

    /// An item's events were told: it stays on the list, behind the others, if it tells them as
    /// long as they last.
    pub fn told(&mut self, target: Target) {
        self.unmark(target);
        let Some(item) = self.items.get_mut(&target) else {
            return;
        };
        if item.events & linux::EPOLLONESHOT != 0 {
            item.events &= MANNERS;
        } else if item.events & linux::EPOLLET == 0 {
            self.mark(target);
        }
    }
}

impl Fs {
    /// An epoll.
    ///
    /// # Errors
    /// EBADF when it is gone, EINVAL for another kind of file.
    pub fn epoll(&self, id: FileId) -> Result<&Epoll, Errno> {
        match self.event(id)? {
            Event::Epoll(epoll) => Ok(epoll),
            _ => Err(Errno::EINVAL),
        }
    }

    /// An epoll, to change.
    ///
    /// # Errors
    /// As [`Fs::epoll`].
    pub fn epoll_mut(&mut self, id: FileId) -> Result<&mut Epoll, Errno> {
        match self.event_mut(id)? {
            Event::Epoll(epoll) => Ok(epoll),
            _ => Err(Errno::EINVAL),
        }
    }
}

/// Adds an item (EPOLL_CTL_ADD).
///
/// # Errors
/// EEXIST; ELOOP when epolls would watch each other in a circle or too deep; no memory.
pub fn add(
    st: &mut Store,
    group: GroupId,
    id: FileId,
    target: Target,
    interest: Interest,
) -> Result<(), Stop> {
    if st.fs.epoll(id)?.items.contains_key(&target) {
        return Err(Errno::EEXIST.into());
    }
    if st.fs.epoll(target.1).is_ok() {
        check_nesting(st.fs, id, target.1)?;
    }
    let charge = st.groups.charge(group, ITEM_COST)?;
    let item = Item {
        events: interest.events,
        data: interest.data,
        keys: interest.keys,
        place: None,
        charge,
    };
    watch(st.waits, &item, id, target);
    st.fs.watched.insert((target.1, id, target.0));
    let nested = st.fs.epoll(target.1).is_ok();
    let epoll = st.fs.epoll_mut(id)?;
    epoll.items.insert(target, item);
    if nested {
        epoll.nested.insert(target);
    }
    tell(st.fs, st.waits, id, target);
    Ok(())
}

/// Changes what an item tells (EPOLL_CTL_MOD).
///
/// # Errors
/// ENOENT; EINVAL for an exclusive item.
pub fn modify(st: &mut Store, id: FileId, target: Target, interest: Interest) -> Result<(), Errno> {
    let item = st.fs.epoll_mut(id)?.items.get_mut(&target);
    let item = item.ok_or(Errno::ENOENT)?;
    if item.is_exclusive() {
        return Err(Errno::EINVAL);
    }
    unwatch(st.waits, item, id, target);
    item.events = interest.events;
    item.data = interest.data;
    item.keys = interest.keys;
    watch(st.waits, item, id, target);
    tell(st.fs, st.waits, id, target);
    Ok(())
}

/// Watches something else of an item's file, if it is not watched already: a socket that was
/// connected has another end.
pub fn rewatch(fs: &mut Fs, waits: &mut Waits, id: FileId, target: Target, keys: Keys) {
    let epoll = fs.epoll_mut(id).ok();
    let item = epoll.and_then(|epoll| epoll.items.get_mut(&target));
    let Some(item) = item.filter(|item| item.keys != keys) else {
        return;
    };
    unwatch(waits, item, id, target);
    item.keys = keys;
    watch(waits, item, id, target);
}

/// Takes an item out (EPOLL_CTL_DEL).
///
/// # Errors
/// ENOENT.
pub fn remove(st: &mut Store, id: FileId, target: Target) -> Result<(), Errno> {
    let epoll = st.fs.epoll_mut(id)?;
    epoll.unmark(target);
    epoll.nested.remove(&target);
    let item = epoll.items.remove(&target).ok_or(Errno::ENOENT)?;
    drop_item(st, id, target, item);
    Ok(())
}

/// Gives back what an item of an epoll was.
pub(in crate::fs) fn drop_item(st: &mut Store, id: FileId, target: Target, item: Item) {
    unwatch(st.waits, &item, id, target);
    st.fs.watched.remove(&(target.1, id, target.0));
    st.groups.give_back(item.charge);
}

/// Takes one item out that watches a file which is gone; false when there was none.
pub(in crate::fs) fn forget_one(st: &mut Store, file: FileId) -> bool {
    let Some((id, fd)) = watched(st.fs, file).next() else {
        return false;
    };
    // An epoll that is gone as well gives its items back itself.
    if remove(st, id, (fd, file)).is_err() {
        st.fs.watched.remove(&(file, id, fd));
    }
    true
}

/// The epolls that watch a file, and the numbers they have it under.
pub(in crate::fs) fn watched(fs: &Fs, file: FileId) -> impl Iterator<Item = (FileId, u32)> + '_ {
    let from = fs.watched.range((file, FileId::LOWEST, 0)..);
    let here = from.take_while(move |watched| watched.0 == file);
    here.map(|(_, id, fd)| (*id, *fd))
}

fn watch(waits: &mut Waits, item: &Item, id: FileId, target: Target) {
    for key in item.keys.into_iter().flatten() {
        waits.watches.add(key, item.watch(id, target));
    }
}

fn unwatch(waits: &mut Waits, item: &Item, id: FileId, target: Target) {
    for key in item.keys.into_iter().flatten() {
        waits.watches.remove(key, item.watch(id, target));
    }
}

/// Something may have happened to an item: it goes on the list, and who waits is woken.
fn tell(fs: &mut Fs, waits: &mut Waits, id: FileId, target: Target) {
    if fs.epoll_mut(id).is_ok_and(|epoll| epoll.mark(target)) {
        waits.wake(WaitKey::FileData(id));
    }
}

/// Tells a bounded number of watchers what was woken; false when there are more. Of those who
/// watch exclusively the first that somebody waits for is enough.
pub fn spread(fs: &mut Fs, waits: &mut Waits) -> bool {
    if !waits.watches.are_due() {
        return true;
    }
    for _ in 0..SPREAD_TURN {
        let Some(watch) = waits.watches.next_due() else {
            return true;
        };
        let Watcher { epoll, fd, file } = watch.watcher;
        if watch.exclusive && waits.waited_for(WaitKey::FileData(epoll)) {
            waits.watches.enough();
        }
        tell(fs, waits, epoll, (fd, file));
    }
    !waits.watches.are_due()
}

/// Whether an epoll may watch another one.
fn check_nesting(fs: &Fs, id: FileId, inner: FileId) -> Result<(), Errno> {
    let mut looks = LOOKS_MAX;
    let below = depth(fs, inner, id, NESTED_MAX, &mut looks)?;
    let above = height(fs, id, NESTED_MAX, &mut looks)?;
    if below + 1 + above > NESTED_MAX {
        return Err(Errno::ELOOP);
    }
    Ok(())
}

/// How many epolls are one in another below `at`, where `forbidden` may not be.
fn depth(fs: &Fs, at: FileId, forbidden: FileId, left: u32, looks: &mut u32) -> Result<u32, Errno> {
    if at == forbidden {
        return Err(Errno::ELOOP);
    }
    *looks = looks.checked_sub(1).ok_or(Errno::EINVAL)?;
    let mut most = 0;
    for (_, inner) in &fs.epoll(at)?.nested {
        if fs.epoll(*inner).is_err() {
            continue;
        }
        let left = left.checked_sub(1).ok_or(Errno::ELOOP)?;
        most = most.max(1 + depth(fs, *inner, forbidden, left, looks)?);
    }
    Ok(most)
}

/// How many epolls are one in another above `at`.
fn height(fs: &Fs, at: FileId, left: u32, looks: &mut u32) -> Result<u32, Errno> {
    *looks = looks.checked_sub(1).ok_or(Errno::EINVAL)?;
    let mut most = 0;
    for (outer, _) in watched(fs, at) {
        let left = left.checked_sub(1).ok_or(Errno::ELOOP)?;
        most = most.max(1 + height(fs, outer, left, looks)?);
    }
    Ok(most)
}
