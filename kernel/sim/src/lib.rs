//! A machine for host tests: byte-array frames, virtual time, seeded chance, injected faults.
//!
//! The kernel above it is the very code that boots; only [`berth_kernel::machine::Machine`] is
//! implemented differently. Everything is reproducible from the seed.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failed expectation is a failed test

mod machine;

pub use machine::{Config, SimMachine};
