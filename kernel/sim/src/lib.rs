//! A machine for host tests: byte-array frames, virtual time, seeded chance, injected faults.
//!
//! The kernel above it is the very code that boots; only [`berth_kernel::machine::Machine`] is
//! implemented differently. Programs are [`Script`]s, and [`Sim`] runs a whole system of them.
//! Everything is reproducible from the seed.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failed expectation is a failed test

pub mod image;
pub mod invariants;
mod machine;
pub mod script;
mod sim;
pub mod storm;

pub use machine::{Config, SimMachine};
pub use script::{Arg, Op, Reg, Script};
pub use sim::{End, Sim};
