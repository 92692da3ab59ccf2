//! Typed tables of kernel objects, with generations, reference counts and charges.
//!
//! A key is an index and a generation, so that a stale key finds nothing. Storage grows by chunks
//! that never move. What an object costs is charged to a group when it is inserted and comes back
//! out with it: charging cannot be forgotten. Who keeps an object alive has a [`Held`] token,
//! which must be given back; in test builds a lost token panics.

use crate::cgroup::Charge;
use alloc::vec::Vec;
use core::marker::PhantomData;

/// A key of an [`Arena`].
pub trait Key: Copy + Eq + Ord + core::fmt::Debug {
    /// From its parts.
    fn new(index: u32, generation: u32) -> Self;
    /// The place in the table.
    fn index(self) -> u32;
    /// Which of the objects that were in that place.
    fn generation(self) -> u32;
}

/// Defines key types: `key! { /// doc Name }`.
#[macro_export]
macro_rules! key {
    ($($(#[$meta:meta])* $name:ident)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name { index: u32, generation: u32 }
        impl $crate::arena::Key for $name {
            fn new(index: u32, generation: u32) -> Self { Self { index, generation } }
            fn index(self) -> u32 { self.index }
            fn generation(self) -> u32 { self.generation }
        }
        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "{}({}.{})", stringify!($name), self.index, self.generation)
            }
        }
    )*};
}

/// One reference to an object; give it back with [`Arena::release`].
#[must_use = "a reference must be kept or given back"]
#[derive(PartialEq, Eq, Debug)]
pub struct Held<K: Key>(K);

impl<K: Key> Held<K> {
    /// The object's key.
    pub fn key(&self) -> K {
        self.0
    }

    // A token has a destructor in audit builds only.
    #[cfg_attr(not(feature = "audit"), allow(clippy::forget_non_drop))]
    fn into_key(self) -> K {
        let key = self.0;
        core::mem::forget(self);
        key
    }
}

#[cfg(feature = "audit")]
mod lost {
    extern crate std;
    use core::cell::Cell;
    std::thread_local! { static FORGIVING: Cell<bool> = const { Cell::new(false) }; }

    /// Drops a value without minding the references in it: for the end of a test.
    pub fn forgive<T>(value: T) {
        FORGIVING.with(|f| f.set(true));
        drop(value);
        FORGIVING.with(|f| f.set(false));
    }

    impl<K: super::Key> Drop for super::Held<K> {
        fn drop(&mut self) {
            if !FORGIVING.with(|f| f.get()) && !std::thread::panicking() {
                panic!("a reference to {:?} was lost", self.key());
            }
        }
    }
}
#[cfg(feature = "audit")]
pub use lost::forgive;

/// Drops a value without minding the references in it: for the end of a test.
#[cfg(not(feature = "audit"))]
pub fn forgive<T>(value: T) {
    drop(value);
}

const CHUNK: usize = 32;

struct Slot<V> {
    generation: u32,
    content: Content<V>,
}

enum Content<V> {
    Free { next: Option<u32> },
    Used { refs: u32, value: V, charge: Charge },
}

/// A table of objects of one kind.
pub struct Arena<K: Key, V> {
    chunks: Vec<Vec<Slot<V>>>,
    free: Option<u32>,
    len: usize,
    key: PhantomData<K>,
}

impl<K: Key, V> Default for Arena<K, V> {
    fn default() -> Self {
        Arena {
            chunks: Vec::new(),
            free: None,
            len: 0,
            key: PhantomData,
        }
    }
}

impl<K: Key, V> Arena<K, V> {
    /// Bytes to charge for one object of this table (its slot; what it points to comes extra).
    pub const COST: u32 = core::mem::size_of::<Slot<V>>() as u32;

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn slot(&self, key: K) -> Option<&Slot<V>> {
        let index = key.index() as usize;
        let slot = self.chunks.get(index / CHUNK)?.get(index % CHUNK)?;
        (slot.generation == key.generation()).then_some(slot)
    }

    fn slot_mut(&mut self, key: K) -> Option<&mut Slot<V>> {
        let index = key.index() as usize;
        let slot = self.chunks.get_mut(index / CHUNK)?.get_mut(index % CHUNK)?;
        (slot.generation == key.generation()).then_some(slot)
    }

    /// Puts an object in, with one reference. The heap's reserve covers a chunk.
    pub fn insert(&mut self, value: V, charge: Charge) -> Held<K> {
        let index = match self.free {
            Some(index) => index,
            None => self.add_chunk(),
        };
        let content = Content::Used {
            refs: 1,
            value,
            charge,
        };
        let slot = &mut self.chunks[index as usize / CHUNK][index as usize % CHUNK];
        let old = core::mem::replace(&mut slot.content, content);
        let generation = slot.generation;
        if let Content::Free { next } = old {
            self.free = next;
        }
        self.len += 1;
        Held(K::new(index, generation))
    }

    fn add_chunk(&mut self) -> u32 {
        let first = self.chunks.len() * CHUNK;
        let mut chunk = Vec::with_capacity(CHUNK);
        for i in 1..=CHUNK {
            let next = (i < CHUNK).then_some((first + i) as u32);
            chunk.push(Slot {
                generation: 0,
                content: Content::Free { next },
            });
        }
        self.chunks.push(chunk);
        self.free = Some(first as u32);
        first as u32
    }

    /// The object of a key.
    pub fn get(&self, key: K) -> Option<&V> {
        match &self.slot(key)?.content {
            Content::Used { value, .. } => Some(value),
            Content::Free { .. } => None,
        }
    }

    /// The object of a key, to change.
    pub fn get_mut(&mut self, key: K) -> Option<&mut V> {
        match &mut self.slot_mut(key)?.content {
            Content::Used { value, .. } => Some(value),
            Content::Free { .. } => None,
        }
    }

    /// One more reference; `None` if there is no such object.
    pub fn hold(&mut self, key: K) -> Option<Held<K>> {
        match &mut self.slot_mut(key)?.content {
            Content::Used { refs, .. } => {
                *refs += 1;
                Some(Held(key))
            }
            Content::Free { .. } => None,
        }
    }

    /// One more reference beside the one in hand.
    pub fn share(&mut self, held: &Held<K>) -> Held<K> {
        if let Some(Slot {
            content: Content::Used { refs, .. },
            ..
        }) = self.slot_mut(held.key())
        {
            *refs += 1;
        }
        Held(held.key())
    }

    /// Gives a reference back. With the last one the object comes out, with its charge: the
    /// caller takes the object apart and gives the charge back to the groups.
    #[must_use = "the object of the last reference has to be taken apart"]
    pub fn release(&mut self, held: Held<K>) -> Option<(V, Charge)> {
        let key = held.into_key();
        let free = self.free;
        let slot = self.slot_mut(key)?;
        match &mut slot.content {
            Content::Used { refs, .. } if *refs > 1 => {
                *refs -= 1;
                return None;
            }
            Content::Used { .. } => {}
            Content::Free { .. } => return None,
        }
        let old = core::mem::replace(&mut slot.content, Content::Free { next: free });
        slot.generation = slot.generation.wrapping_add(1);
        self.free = Some(key.index());
        self.len -= 1;
        match old {
            Content::Used { value, charge, .. } => Some((value, charge)),
            Content::Free { .. } => None,
        }
    }

    /// How many references an object has; 0 if there is none.
    pub fn refs(&self, key: K) -> u32 {
        match self.slot(key).map(|s| &s.content) {
            Some(Content::Used { refs, .. }) => *refs,
            _ => 0,
        }
    }

    /// Every object, in the order of their places (deterministic).
    pub fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.chunks
            .iter()
            .flatten()
            .enumerate()
            .filter_map(|(i, slot)| match &slot.content {
                Content::Used { value, .. } => Some((K::new(i as u32, slot.generation), value)),
                Content::Free { .. } => None,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    key! {
        /// A key for the test.
        TestId
    }

    #[test]
    fn a_stale_key_finds_nothing() {
        let mut groups = crate::cgroup::Groups::new();
        let mut arena: Arena<TestId, u32> = Arena::default();
        let root = groups.root();
        let held = arena.insert(7, groups.charge(root, 8).unwrap());
        let key = held.key();
        let second = arena.share(&held);
        assert!(arena.release(held).is_none());
        assert_eq!(arena.get(key), Some(&7));
        let (value, charge) = arena.release(second).unwrap();
        groups.give_back(charge);
        assert_eq!(value, 7);
        assert_eq!(arena.get(key), None);
        let again = arena.insert(8, groups.charge(root, 8).unwrap());
        assert_eq!(again.key().index(), key.index());
        assert_eq!(arena.get(key), None);
        let (_, charge) = arena.release(again).unwrap();
        groups.give_back(charge);
        assert_eq!(groups.usage(root).memory, 0);
        assert!(arena.is_empty());
        forgive(groups);
    }
}
