//! Watching: who is told every time that something happens (epoll(7)), besides who waits for it
//! once.
//!
//! A key that was woken is noted; its watchers are told afterwards, a bounded number a trap
//! ([`crate::fs::event::spread`]), so that waking is short however many watch.

use super::WaitKey;
use crate::fs::FileId;
use alloc::collections::BTreeSet;
use core::ops::Bound;

/// An item of an epoll.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Watcher {
    /// The epoll.
    pub epoll: FileId,
    /// The number that the watched file was added under.
    pub fd: u32,
    /// The watched file.
    pub file: FileId,
}

/// How an item watches: exclusive ones come behind the others, and not all are told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Watch {
    /// EPOLLEXCLUSIVE.
    pub exclusive: bool,
    /// Who.
    pub watcher: Watcher,
}

/// Who watches what.
#[derive(Default)]
pub struct Watches {
    by_key: BTreeSet<(WaitKey, Watch)>,
    /// Keys that were woken, whose watchers are yet to be told.
    rung: BTreeSet<WaitKey>,
    /// The key whose watchers are being told, and which was the last.
    telling: Option<(WaitKey, Option<Watch>)>,
}

impl Watches {
    /// Adds a watch.
    pub fn add(&mut self, key: WaitKey, watch: Watch) {
        self.by_key.insert((key, watch));
    }

    /// Takes a watch away.
    pub fn remove(&mut self, key: WaitKey, watch: Watch) {
        self.by_key.remove(&(key, watch));
    }

    /// Notes that something happened.
    pub(super) fn ring(&mut self, key: WaitKey) {
        if !self.by_key.is_empty() && self.after(key, None).is_some() {
            self.rung.insert(key);
        }
    }

    /// The next to tell; `None` when all have been told.
    pub fn next_due(&mut self) -> Option<Watch> {
        loop {
            let (key, last) = match self.telling {
                Some(telling) => telling,
                None => (self.rung.pop_first()?, None),
            };
            let next = self.after(key, last);
            self.telling = next.map(|next| (key, Some(next)));
            if next.is_some() {
                return next;
            }
        }
    }

    /// One of those who watch exclusively was told, and somebody was there: that is enough.
    pub fn enough(&mut self) {
        self.telling = None;
    }

    /// Somebody is yet to be told.
    pub fn are_due(&self) -> bool {
        self.telling.is_some() || !self.rung.is_empty()
    }

    /// The watch of `key` behind `last`.
    fn after(&self, key: WaitKey, last: Option<Watch>) -> Option<Watch> {
        let from = match last {
            Some(last) => Bound::Excluded((key, last)),
            None => Bound::Included((key, FIRST)),
        };
        let next = self.by_key.range((from, Bound::Unbounded)).next()?;
        (next.0 == key).then_some(next.1)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

/// Not above any other.
const FIRST: Watch = Watch {
    exclusive: false,
    watcher: Watcher {
        epoll: FileId::LOWEST,
        fd: 0,
        file: FileId::LOWEST,
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::Key;

    fn watch(exclusive: bool, fd: u32) -> Watch {
        let watcher = Watcher {
            epoll: FileId::new(1, 0),
            fd,
            file: FileId::new(2, 0),
        };
        Watch { exclusive, watcher }
    }

    #[test]
    fn each_is_told_once_and_exclusive_ones_last() {
        let mut watches = Watches::default();
        let (one, other) = (FileId::new(8, 0), FileId::new(9, 0));
        let key = WaitKey::FileData(one);
        for w in [watch(true, 1), watch(false, 3), watch(false, 2)] {
            watches.add(key, w);
        }
        watches.add(WaitKey::FileData(other), watch(false, 9));
        watches.ring(WaitKey::FileRoom(one));
        assert!(!watches.are_due(), "nobody watches that");
        watches.ring(key);
        watches.ring(key);
        assert_eq!(watches.next_due(), Some(watch(false, 2)));
        watches.remove(key, watch(false, 2));
        watches.ring(key);
        assert_eq!(watches.next_due(), Some(watch(false, 3)));
        assert_eq!(watches.next_due(), Some(watch(true, 1)));
        // What happened meanwhile is told again.
        assert_eq!(watches.next_due(), Some(watch(false, 3)));
        watches.enough();
        assert_eq!((watches.next_due(), watches.are_due()), (None, false));
    }
}
