//! What the scheduler keeps of a group.

/// A group's share of the CPU.
#[derive(Default)]
pub struct Cpu {}
