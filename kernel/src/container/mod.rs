//! Containers: drives the portable core's operations over the kernel's objects.

use crate::arena::Arena;
use crate::key;

key! {
    /// A container.
    ContainerId
}

/// A container.
pub struct Container {}

/// All containers.
#[derive(Default)]
pub struct Containers {
    /// By key.
    pub arena: Arena<ContainerId, Container>,
}
