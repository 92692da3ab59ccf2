//! Containers: drives the portable core's operations over the kernel's objects.

use crate::arena::Arena;
use crate::task::{Ended, ProcessId};
use crate::wait::WaitKey;
use crate::{Kernel, key};

key! {
    /// A container.
    ContainerId
}

/// A container.
pub struct Container {}

/// The init of a container has ended, and with it all of its pid namespace.
pub fn init_ended(k: &mut Kernel, container: ContainerId, _ended: Ended) {
    k.waits.wake(WaitKey::Container(container));
}

/// A process that the kernel reaps has ended: a hook, or an orphan of one.
pub fn hook_ended(_k: &mut Kernel, _job: u64, _process: ProcessId, _ended: Ended) {}

/// All containers.
#[derive(Default)]
pub struct Containers {
    /// By key.
    pub arena: Arena<ContainerId, Container>,
}
