//! A group's share of the CPU: what it may have, what it has had, and who in it waits for it.
//! Who runs is the business of the scheduler ([`crate::sched`]).

pub mod bandwidth;
pub mod queue;
pub mod weight;

pub use bandwidth::Bandwidth;
pub use queue::{Entity, Member, Queue};
pub use weight::Weight;

/// What the CPU did for a group and those below it, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Times {
    /// In programs.
    pub user: u64,
    /// In the kernel on their behalf.
    pub system: u64,
    /// What of the time in programs was that of tasks with a niceness above 0.
    pub nice: u64,
}

impl Times {
    /// All of it.
    pub fn total(self) -> u64 {
        self.user.saturating_add(self.system)
    }

    /// Both together.
    pub fn and(self, other: Times) -> Times {
        Times {
            user: self.user.saturating_add(other.user),
            system: self.system.saturating_add(other.system),
            nice: self.nice.saturating_add(other.nice),
        }
    }
}

/// A group's share of the CPU.
#[derive(Default)]
pub struct Cpu {
    /// Its place among its siblings.
    pub entity: Entity,
    /// How much of the CPU it has beside them.
    pub weight: Weight,
    /// It gets what nobody else wants (`cpu.idle`); its weight counts again afterwards.
    pub idle: bool,
    /// How much it may have at the most.
    pub bandwidth: Bandwidth,
    /// Nobody in it may run (`cgroup.freeze`); nor may they when an ancestor is frozen.
    pub frozen: bool,
    /// What it has had.
    pub times: Times,
    /// Its tasks and child groups that want to run.
    pub queue: Queue,
}

impl Cpu {
    /// What counts beside its siblings.
    pub fn effective_weight(&self) -> Weight {
        match self.idle {
            true => Weight::IDLE,
            false => self.weight,
        }
    }

    /// Nobody in it may run now.
    pub fn is_blocked(&self) -> bool {
        self.frozen || self.bandwidth.is_throttled()
    }
}
