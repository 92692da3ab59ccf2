//! Berth's kernel, above the machine.
//!
//! The kernel is a value ([`Kernel`]) that is given traps and says what to do next
//! ([`Kernel::on_trap`]). It has no statics, no locks and no kernel stacks of its own; the same
//! code runs on hardware and, under `cargo test`, on a simulated machine. `docs/architecture.md`
//! walks through it; `docs/reading-order.md` says where to begin.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod arena;
pub mod audit;
mod boot;
pub mod cgroup;
pub mod container;
pub mod dev;
#[cfg(feature = "audit")]
pub mod disturb;
pub mod error;
pub mod fs;
pub mod io;
pub mod ipc;
mod kernel;
pub mod load;
pub mod machine;
pub mod mm;
pub mod net;
pub mod ns;
pub mod sched;
pub mod syscall;
pub mod task;
pub mod tty;
pub mod views;
pub mod wait;
pub mod wire;
pub mod work;

pub use boot::BootError;
pub use kernel::Kernel;

/// What a call handler knows besides the kernel: the machine, the time of this trap, who calls.
pub struct Cx<'a> {
    /// The machine.
    pub m: &'a mut dyn machine::Machine,
    /// Monotonic nanoseconds, sampled once a trap.
    pub now: u64,
    /// The calling task.
    pub task: task::TaskId,
    /// What the handler remembered when it had to wait; `None` on the first run.
    pub resume: Option<wait::Resume>,
}
