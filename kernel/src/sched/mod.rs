//! Who runs: fairness by virtual time, in a tree of groups.
//!
//! Every group has a queue of those in it that want to run: its tasks, and the groups below it in
//! which somebody does ([`crate::cgroup::cpu::Queue`]). Who runs is the first of the first of the
//! first, from the root down; it is not in the queues, nor are its group and those above: they
//! are [`crate::cgroup::cpu::Queue::running`]. A group that is frozen or has used up its quota is
//! not in the queue above it, so that nobody ever comes by what is below.
//!
//! Whoever runs keeps the CPU for a slice and for as long as it, its group and those above have
//! had less than whoever waits beside them. Who wakes gets the CPU at once when it is owed clearly
//! more ([`tree::enter`]): the least virtual time with a bounded credit for sleepers makes a shell
//! answer beside busy loops, needs one ordered map a group and no deadlines besides.
//!
//! What the running task uses is added up where it is used (`Sched::spent`), and goes to the
//! groups and the virtual times only when somebody decides or asks ([`account::settle`]): a trap
//! that changes nothing costs nothing here.

pub mod account;
pub mod aside;
#[cfg(feature = "audit")]
pub mod audit;
pub mod control;
pub mod quota;
pub mod slice;
pub mod tree;

use crate::cgroup::GroupId;
use crate::cgroup::cpu::{Entity, Times};
use crate::mm::MmId;
use crate::task::TaskId;
use alloc::collections::BTreeSet;

pub use crate::cgroup::cpu::Weight;

/// The least that a task of nice 0 runs while others wait, unless one wakes that is owed clearly
/// more: 4 ms.
pub const SLICE: u64 = 4_000_000;

/// How many nanoseconds more of its own a task that wakes must be owed to get the CPU at once.
const ADVANTAGE: u64 = 1_000_000;

/// What the scheduler keeps of a task.
#[derive(Clone, Copy, Debug, Default)]
pub struct Share {
    /// Its place among those of its group, or of the root if it is `doomed`.
    pub entity: Entity,
    /// It has a signal to end by, and gets the CPU for that whatever its group may.
    pub doomed: bool,
    /// It waits until this memory of its is as it should be ([`aside`]).
    pub aside: Option<MmId>,
    /// Since when it waits for the CPU.
    since: u64,
}

/// The scheduler of the one CPU.
#[derive(Default)]
pub struct Sched {
    /// Whose context the CPU has.
    pub current: Option<TaskId>,
    /// In whose queue it runs.
    home: Option<GroupId>,
    /// Whose FPU state the CPU has.
    pub fpu_owner: Option<TaskId>,
    /// When the current task was given the CPU, and until when it keeps it.
    picked: u64,
    until: u64,
    /// Somebody else shall run, as soon as the trap is over.
    preempted: bool,
    /// The current task gives way to the others of its group.
    yields: bool,
    /// Somebody began to wait beside it: its slice may end.
    crowded: bool,
    /// Until when the CPU's time is accounted for.
    pub since: u64,
    /// What the current task has used and nobody was charged for yet.
    spent: Times,
    /// How often the CPU went from one task to another.
    pub switches: u64,
    /// How many wait for the CPU.
    waiting: usize,
    /// Groups that have used up their quota, by when they get more.
    refills: BTreeSet<(u64, GroupId)>,
    aside: aside::Aside,
}

impl Sched {
    /// How many tasks run or want to.
    pub fn active(&self) -> usize {
        self.waiting + usize::from(self.current.is_some())
    }

    /// Lets the others of the current task's group run before it goes on.
    pub fn give_way(&mut self) {
        (self.preempted, self.yields) = (true, true);
    }

    /// The current task has to give the CPU to somebody else.
    pub fn is_lost(&self) -> bool {
        self.preempted
    }

    /// Whether the current task has the CPU for longer, and nobody came that may change that.
    pub fn keeps_cpu(&self, now: u64) -> bool {
        self.current.is_some() && !self.preempted && !self.crowded && now < self.until
    }

    /// When the scheduler has something to do, whoever runs: `u64::MAX` for never.
    pub fn next_deadline(&self) -> u64 {
        if self.aside.is_due() {
            return 0;
        }
        self.refills.first().map_or(u64::MAX, |first| first.0)
    }
}
