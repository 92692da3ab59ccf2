//! The processor: what it can do, its tables, traps, and the way to user code and back.

pub mod features;
pub mod fpu;
mod idt;
pub mod interrupts;
pub mod run;
mod segments;
pub mod stacks;
pub mod trap;
pub mod user;

use features::Features;

/// Finds out what the processor can do, switches on what protects the kernel, and loads its
/// tables. From here on a fault in the kernel ends in a panic that names it.
pub fn init() -> Features {
    segments::init();
    idt::init();
    let features = Features::detect();
    features.enable();
    features
}
