//! Calls about memory that are made in turns, so that no trap is long.
//!
//! Between two turns the memory is neither as it was nor as it will be, and nobody may see that:
//! while such a call waits for its next turn, no other task runs in its address space
//! ([`super::Mm::busy`]). It is the lock that Linux holds meanwhile, and cannot be waited for in
//! the wrong order, as nobody waits for it: the others are only not chosen to run.

use super::MmId;
use crate::Kernel;
use crate::error::Stop;
use crate::task::TaskId;
use crate::wait::{Pending, Restart, Resume};

/// What a turn may cost, in about instructions: less than half of what a trap may, as what comes
/// with it costs, too.
const TURN: u32 = 75_000;

/// What the steps of these calls cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// An area is looked at or changed.
    Area,
    /// A page is taken away, protected or shared.
    Page,
    /// A page is filled.
    Fill,
    /// Up to 256 bytes of a string are copied, or the pointer to it.
    Chunk,
}

impl Step {
    fn cost(self) -> u32 {
        match self {
            Step::Area => 4_000,
            Step::Page => 500,
            Step::Fill => 6_000,
            Step::Chunk => 3_000,
        }
    }
}

/// What is left of a turn.
#[derive(Debug)]
pub struct Budget(u32);

impl Budget {
    /// A whole turn.
    pub fn new() -> Budget {
        Budget(TURN)
    }

    /// Takes a step.
    pub fn spend(&mut self, step: Step) {
        self.0 = self.0.saturating_sub(step.cost());
    }

    /// Half of the turn is over: what is long begins in the next one.
    pub fn is_half_spent(&self) -> bool {
        self.0 < TURN / 2
    }

    /// The turn is over: what is not done is for the next one.
    pub fn is_spent(&self) -> bool {
        self.0 == 0
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new()
    }
}

/// Ends a turn of `task`'s call: it is made again with this resume, and no other task runs in the
/// address space until then. Only a signal that ends the process comes between.
pub fn again(k: &mut Kernel, id: MmId, task: TaskId, resume: Resume) -> Stop {
    keep_out_others(k, id, task);
    Stop::Wait(Pending::turn(Restart::Killable).with(resume))
}

/// Ends a turn of a call that is not about the caller's memory: it is made again after the others.
pub fn later(word: u64) -> Stop {
    Stop::Wait(Pending::turn(Restart::NoIntr).with(Resume::at(word)))
}

/// Lets no other task run in an address space until `task`'s call is made again.
pub fn keep_out_others(k: &mut Kernel, id: MmId, task: TaskId) {
    if let Some(mm) = k.spaces.get_mut(id) {
        mm.busy = Some(task);
    }
}

/// The next turn begins, or `task` ends: the others run again.
pub fn let_others_in(k: &mut Kernel, task: TaskId) {
    let mm = k.tasks.tasks.get(task).and_then(|t| t.mm.as_ref());
    let Some(id) = mm.map(|mm| mm.key()) else {
        return;
    };
    if let Some(mm) = k.spaces.get_mut(id) {
        if mm.busy.take_if(|busy| *busy == task).is_some() {
            k.let_in(id);
        }
    }
}

/// Whether a task must not run: another one's call about their memory is between two turns.
pub fn is_kept_out(k: &Kernel, task: TaskId) -> bool {
    let mm = k.tasks.tasks.get(task).and_then(|t| t.mm.as_ref());
    let busy = mm.and_then(|mm| k.spaces.get(mm.key())?.busy);
    busy.is_some_and(|busy| busy != task)
}
