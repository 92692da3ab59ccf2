//! Tasks that could run but must not, because another one's call about their memory is between two
//! turns ([`crate::mm::turn`]). They wait here and not in a queue, where everybody would come by.

use super::tree;
use crate::Kernel;
use crate::mm::MmId;
use crate::task::TaskId;
use alloc::collections::BTreeSet;

/// Tasks that go back to their queues in one trap; the others in the next one, which comes at once.
const AT_ONCE: usize = 32;

/// Who waits aside.
#[derive(Default)]
pub struct Aside {
    by_memory: BTreeSet<(MmId, TaskId)>,
    /// Memory that is as it should be again.
    free: BTreeSet<MmId>,
}

impl Aside {
    /// Somebody can go back to a queue.
    pub fn is_due(&self) -> bool {
        !self.free.is_empty()
    }

    /// Those who wait here.
    pub fn waiting(&self) -> impl Iterator<Item = TaskId> + '_ {
        self.by_memory.iter().map(|(_, task)| *task)
    }

    fn first_of(&self, mm: MmId) -> Option<TaskId> {
        let from = (mm, crate::arena::Key::new(0, 0));
        let first = self.by_memory.range(from..).next()?;
        (first.0 == mm).then_some(first.1)
    }
}

/// Puts a task aside that was in a queue.
pub(super) fn put(k: &mut Kernel, task: TaskId) {
    let Some(here) = k.tasks.tasks.get_mut(task) else {
        return;
    };
    here.share.aside = here.mm.as_ref().map(|mm| mm.key());
    if let Some(mm) = here.share.aside {
        k.sched.aside.by_memory.insert((mm, task));
    }
}

/// Takes a task away from here; whether it was here. One that ends has no memory any more.
pub(super) fn withdraw(k: &mut Kernel, task: TaskId) -> bool {
    let share = k.tasks.tasks.get_mut(task).map(|t| &mut t.share);
    let Some(mm) = share.and_then(|share| share.aside.take()) else {
        return false;
    };
    k.sched.aside.by_memory.remove(&(mm, task));
    k.sched.waiting = k.sched.waiting.saturating_sub(1);
    true
}

/// Everybody may run again in an address space.
pub fn let_in(k: &mut Kernel, mm: MmId) {
    if k.sched.aside.first_of(mm).is_some() {
        k.sched.aside.free.insert(mm);
    }
}

/// Brings back to their queues some of those who may run again.
pub fn bring_back(k: &mut Kernel) {
    for _ in 0..AT_ONCE {
        let Some(mm) = k.sched.aside.free.first().copied() else {
            return;
        };
        match k.sched.aside.first_of(mm) {
            Some(task) if withdraw(k, task) => tree::enter(k, task),
            Some(task) => {
                k.sched.aside.by_memory.remove(&(mm, task));
            }
            None => {
                k.sched.aside.free.remove(&mm);
            }
        }
    }
}
