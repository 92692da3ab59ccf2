//! Who of a group waits for the CPU, in the order in which it is theirs: by virtual time.
//!
//! Each member has a virtual time, which goes on while it runs, the slower the heavier it is. The
//! first is who has the least. The queue's clock follows those that want to run: it says where
//! somebody begins who has not wanted to for a while.

use super::Weight;
use crate::cgroup::GroupId;
use crate::task::TaskId;
use alloc::collections::BTreeMap;

/// How much virtual time who slept may be before the clock: it runs at once, but cannot save up.
pub const CREDIT: u64 = 4_000_000;

/// How many nanoseconds of its own somebody may be behind the clock: what it can run at once, and
/// as much again.
const DEBT: u64 = 2 * CREDIT;

/// What waits in the queue of a group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Member {
    /// A task of the group.
    Task(TaskId),
    /// A group below it, for all in there.
    Group(GroupId),
}

/// A place in a queue: the virtual time, and who came first.
pub type Ticket = (u64, u64);

/// A member's place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Entity {
    /// How much virtual time it has had; `None` while it has never wanted to run.
    pub time: Option<u64>,
    /// Its place in the queue, while it waits there.
    pub ticket: Option<Ticket>,
}

impl Entity {
    /// It ran for so many nanoseconds.
    pub fn run(&mut self, weight: Weight, nanoseconds: u64) {
        let time = self.time.unwrap_or(0);
        self.time = Some(time.saturating_add(weight.virtual_time(nanoseconds)));
    }
}

/// Who of a group wants to run.
#[derive(Default)]
pub struct Queue {
    waiting: BTreeMap<Ticket, Member>,
    /// Who has the CPU, or leads to who has; it does not wait.
    pub running: Option<Member>,
    clock: u64,
    arrivals: u64,
}

impl Queue {
    /// Adds who wants to run. Its virtual time becomes one that is fair beside the others:
    /// neither more than [`CREDIT`] before the clock nor far behind it; who is new begins as if
    /// it had just run for a while, so that the new cannot starve the old.
    pub fn add(&mut self, member: Member, entity: &mut Entity, weight: Weight) {
        debug_assert!(entity.ticket.is_none(), "{member:?} waits in a queue");
        let time = self.fair_time(entity.time, weight);
        self.insert(member, entity, time);
    }

    fn fair_time(&self, time: Option<u64>, weight: Weight) -> u64 {
        let Some(time) = time else {
            return self.clock.saturating_add(weight.virtual_time(CREDIT));
        };
        let latest = self.clock.saturating_add(weight.virtual_time(DEBT));
        time.clamp(self.clock.saturating_sub(CREDIT), latest)
    }

    fn insert(&mut self, member: Member, entity: &mut Entity, time: u64) {
        self.arrivals += 1;
        let ticket = (time, self.arrivals);
        self.waiting.insert(ticket, member);
        *entity = Entity {
            time: Some(time),
            ticket: Some(ticket),
        };
    }

    /// Puts back who ran; if it `yields`, behind the first, and as if it had run for a moment.
    pub fn put_back(&mut self, member: Member, entity: &mut Entity, yields: bool) {
        let mut time = entity.time.unwrap_or(self.clock);
        if yields {
            let first = self.first().map_or(0, |first| first.0);
            time = time.saturating_add(1000).max(first);
        }
        self.insert(member, entity, time);
    }

    /// Takes somebody out who waits; whether it did.
    pub fn remove(&mut self, entity: &mut Entity) -> bool {
        let removed = entity.ticket.take().and_then(|t| self.waiting.remove(&t));
        removed.is_some()
    }

    /// Who is next, with its virtual time.
    pub fn first(&self) -> Option<(u64, Member)> {
        let first = self.waiting.first_key_value();
        first.map(|(ticket, member)| (ticket.0, *member))
    }

    /// Nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Those who wait, in order.
    pub fn waiting(&self) -> impl Iterator<Item = (Ticket, Member)> + '_ {
        self.waiting
            .iter()
            .map(|(ticket, member)| (*ticket, *member))
    }

    /// Lets the clock follow: to the least virtual time of those who want to run, never back.
    pub fn follow(&mut self, running: Option<u64>) {
        let first = self.first().map(|first| first.0);
        let least = match (first, running) {
            (Some(first), Some(running)) => Some(first.min(running)),
            (first, running) => first.or(running),
        };
        self.clock = self.clock.max(least.unwrap_or(0));
    }

    /// What a virtual time in this queue is as an offset from its clock: what `from_here` of
    /// another queue makes a time of.
    pub fn lag(&self, time: u64) -> i64 {
        let lag = i128::from(time) - i128::from(self.clock);
        i64::try_from(lag).unwrap_or(0)
    }

    /// The virtual time that is so far from the clock.
    pub fn at_lag(&self, lag: i64) -> u64 {
        self.clock.saturating_add_signed(lag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::Key;

    fn task(number: u32) -> Member {
        Member::Task(TaskId::new(number, 0))
    }

    #[test]
    fn who_slept_gets_a_bounded_credit_and_who_is_new_waits() {
        let mut queue = Queue::default();
        let weight = Weight::default();
        let (mut busy, mut slept, mut new) =
            (Entity::default(), Entity::default(), Entity::default());
        queue.add(task(1), &mut busy, weight);
        assert!(queue.remove(&mut busy));
        busy.run(weight, 1_000_000_000);
        queue.follow(busy.time);
        let clock = busy.time.unwrap();
        slept.time = Some(5);
        queue.add(task(2), &mut slept, weight);
        queue.put_back(task(1), &mut busy, false);
        queue.add(task(3), &mut new, weight);
        assert_eq!(slept.time, Some(clock - CREDIT));
        assert_eq!(new.time, Some(clock + CREDIT));
        let order: Vec<Member> = queue.waiting().map(|(_, member)| member).collect();
        assert_eq!(order, [task(2), task(1), task(3)]);
    }

    #[test]
    fn who_yields_is_behind_the_first_and_equals_keep_their_order() {
        let mut queue = Queue::default();
        let weight = Weight::default();
        let mut entities = [Entity::default(); 3];
        for (number, entity) in (0..).zip(&mut entities) {
            queue.add(task(number), entity, weight);
        }
        assert_eq!(queue.first().unwrap().1, task(0));
        queue.remove(&mut entities[0]);
        queue.put_back(task(0), &mut entities[0], true);
        assert_eq!(queue.first().unwrap().1, task(1));
        queue.remove(&mut entities[1]);
        queue.put_back(task(1), &mut entities[1], true);
        assert_eq!(queue.first().unwrap().1, task(2));
    }

    extern crate std;
    use std::vec::Vec;
}
