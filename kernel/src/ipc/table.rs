//! The objects of one kind in a namespace: by identifier, by place, by key.

use super::{CREAT, EXCL, PRIVATE, Perm};
use crate::error::Errno;
use crate::fs::Access;
use alloc::collections::{BTreeMap, BTreeSet};

/// The low bits of an identifier are the place in the table.
const INDEX_BITS: u32 = 15;
/// Objects at the most, whatever the limits say (IPCMNI).
pub const INDEX_MAX: u32 = 1 << INDEX_BITS;
/// Identifiers are positive: so often a place is given to another object before they repeat.
const SEQUENCES: u32 = 1 << (31 - INDEX_BITS);

/// An object in the table.
#[derive(Debug)]
pub struct Object<T> {
    /// Its identifier.
    pub id: i32,
    /// Who may use it.
    pub perm: Perm,
    /// When it was made or set last, in seconds since 1970.
    pub changed: i64,
    /// The object itself.
    pub it: T,
}

impl<T> Object<T> {
    /// Which one this is among those that had its place.
    pub fn sequence(&self) -> u16 {
        (self.id as u32 >> INDEX_BITS) as u16
    }
}

/// A table.
#[derive(Debug)]
pub struct Table<T> {
    by_index: BTreeMap<u32, Object<T>>,
    by_key: BTreeMap<i32, u32>,
    /// Places below `high` that are free.
    holes: BTreeSet<u32>,
    /// One more than the highest place that was ever taken.
    high: u32,
    last: Option<u32>,
    sequence: u32,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table {
            by_index: BTreeMap::new(),
            by_key: BTreeMap::new(),
            holes: BTreeSet::new(),
            high: 0,
            last: None,
            sequence: 0,
        }
    }
}

fn index_of(id: i32) -> u32 {
    id as u32 & (INDEX_MAX - 1)
}

impl<T> Table<T> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_index.len()
    }

    /// None.
    pub fn is_empty(&self) -> bool {
        self.by_index.is_empty()
    }

    /// The highest place that is taken.
    pub fn highest(&self) -> u32 {
        let last = self.by_index.last_key_value();
        last.map_or(0, |(index, _)| *index)
    }

    /// The objects from a place on.
    pub fn from(&self, index: u32) -> impl Iterator<Item = (u32, &Object<T>)> {
        self.by_index.range(index..).map(|(index, s)| (*index, s))
    }

    /// The object at a place.
    ///
    /// # Errors
    /// EINVAL.
    pub fn at(&self, index: i32) -> Result<&Object<T>, Errno> {
        let index = u32::try_from(index).map_err(|_| Errno::EINVAL)?;
        self.by_index.get(&index).ok_or(Errno::EINVAL)
    }

    /// The object of an identifier.
    ///
    /// # Errors
    /// EINVAL.
    pub fn get(&self, id: i32) -> Result<&Object<T>, Errno> {
        let found = self.by_index.get(&index_of(id));
        found.filter(|object| object.id == id).ok_or(Errno::EINVAL)
    }

    /// The object of an identifier, to change.
    ///
    /// # Errors
    /// EINVAL.
    pub fn get_mut(&mut self, id: i32) -> Result<&mut Object<T>, Errno> {
        let found = self.by_index.get_mut(&index_of(id));
        found.filter(|object| object.id == id).ok_or(Errno::EINVAL)
    }

    /// The object that a call asks for with a key and IPC_* `flags`, if it passes `check`; `None`
    /// when one is to be made.
    ///
    /// # Errors
    /// ENOENT, EEXIST, EACCES, and those of `check`.
    pub fn find(
        &self,
        key: i32,
        flags: u32,
        access: &Access,
        check: impl FnOnce(&T) -> Result<(), Errno>,
    ) -> Result<Option<i32>, Errno> {
        let index = self.by_key.get(&key).filter(|_| key != PRIVATE);
        let Some(known) = index.and_then(|index| self.by_index.get(index)) else {
            let made = key == PRIVATE || flags & CREAT != 0;
            return made.then_some(None).ok_or(Errno::ENOENT);
        };
        if flags & CREAT != 0 && flags & EXCL != 0 {
            return Err(Errno::EEXIST);
        }
        check(&known.it)?;
        known.perm.permit(access, flags)?;
        Ok(Some(known.id))
    }

    /// The place for one more: behind the last, then from the first on.
    fn place(&mut self) -> Result<u32, Errno> {
        let next = self.last.map_or(0, |last| last + 1);
        let behind = self.holes.range(next..).next().copied();
        let index = match behind {
            Some(hole) => hole,
            None if self.high < INDEX_MAX => {
                self.high += 1;
                return Ok(self.high - 1);
            }
            None => self.holes.first().copied().ok_or(Errno::ENOSPC)?,
        };
        self.holes.remove(&index);
        Ok(index)
    }

    /// Adds an object made `now`; returns its identifier. [`Table::has_room`] was asked.
    ///
    /// # Errors
    /// ENOSPC.
    pub fn insert(&mut self, perm: Perm, now: i64, it: T) -> Result<i32, Errno> {
        let index = self.place()?;
        if self.last.is_some_and(|last| index <= last) {
            self.sequence = (self.sequence + 1) % SEQUENCES;
        }
        self.last = Some(index);
        let id = (self.sequence << INDEX_BITS | index) as i32;
        if perm.key != PRIVATE {
            self.by_key.insert(perm.key, index);
        }
        let object = Object {
            id,
            perm,
            changed: now,
            it,
        };
        self.by_index.insert(index, object);
        Ok(id)
    }

    /// Whether one more is allowed when there may be `most`.
    ///
    /// # Errors
    /// ENOSPC.
    pub fn has_room(&self, most: u32) -> Result<(), Errno> {
        let most = most.min(INDEX_MAX) as usize;
        (self.len() < most).then_some(()).ok_or(Errno::ENOSPC)
    }

    /// Lets no key find an object any more.
    pub fn hide(&mut self, id: i32) {
        let Some(object) = self.by_index.get_mut(&index_of(id)) else {
            return;
        };
        let key = core::mem::replace(&mut object.perm.key, PRIVATE);
        if key != PRIVATE {
            self.by_key.remove(&key);
        }
    }

    /// Takes an object out.
    pub fn remove(&mut self, id: i32) -> Option<Object<T>> {
        self.get(id).ok()?;
        self.hide(id);
        let index = index_of(id);
        self.holes.insert(index);
        self.by_index.remove(&index)
    }

    /// Takes any object out.
    pub fn pop(&mut self) -> Option<Object<T>> {
        let id = self.by_index.first_key_value()?.1.id;
        self.remove(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(table: &mut Table<()>, key: i32) -> i32 {
        let perm = Perm::new(key, &Access::KERNEL, 0o600);
        table.insert(perm, 0, ()).unwrap()
    }

    #[test]
    fn places_are_taken_in_turn_and_identifiers_do_not_repeat() {
        let mut table = Table::default();
        let ids: [i32; 3] = core::array::from_fn(|key| add(&mut table, key as i32));
        assert_eq!(ids, [0, 1, 2]);
        assert!(table.remove(1).is_some());
        assert_eq!(add(&mut table, 9), 3, "behind the last");
        assert_eq!(table.get(1).err(), Some(Errno::EINVAL));
        while table.has_room(INDEX_MAX).is_ok() {
            add(&mut table, PRIVATE);
        }
        assert_eq!(table.len(), INDEX_MAX as usize);
        assert_eq!(table.get(1).err(), Some(Errno::EINVAL), "another's place");
        assert_eq!(table.at(1).unwrap().id, (1 << INDEX_BITS) + 1);
        assert!(table.remove(7).is_some());
        assert_eq!(add(&mut table, 10), (1 << INDEX_BITS) + 7);
        assert_eq!(
            table.insert(Perm::new(0, &Access::KERNEL, 0), 0, ()),
            Err(Errno::ENOSPC)
        );
    }

    #[test]
    fn keys_find_what_is_not_removed() {
        let mut table = Table::default();
        let fine = |_: &()| Ok(());
        let find = |table: &Table<()>, key, flags| table.find(key, flags, &Access::KERNEL, fine);
        assert_eq!(find(&table, 5, 0), Err(Errno::ENOENT));
        assert_eq!(find(&table, 5, CREAT), Ok(None));
        let id = add(&mut table, 5);
        assert_eq!(find(&table, 5, CREAT), Ok(Some(id)));
        assert_eq!(find(&table, 5, CREAT | EXCL), Err(Errno::EEXIST));
        assert_eq!(find(&table, PRIVATE, 0), Ok(None));
        table.hide(id);
        assert_eq!(find(&table, 5, 0), Err(Errno::ENOENT));
        assert!(table.get(id).is_ok());
        assert_eq!(table.pop().map(|object| object.id), Some(id));
        assert!(table.is_empty());
    }
}
