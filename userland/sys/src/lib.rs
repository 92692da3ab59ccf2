//! The container calls of Berth for programs, and the few things a program can only do with
//! unsafe code: making a call by number, forking, taking signals, executing an instruction that
//! faults. Everything unsafe of the userland is in this crate, in the modules that
//! allow it below; programs forbid it.
#![deny(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod audit;
#[allow(unsafe_code)]
pub mod caught;
pub mod container;
#[allow(unsafe_code)]
pub mod events;
#[allow(unsafe_code)]
pub mod fault;
#[allow(unsafe_code)]
pub mod files;
#[allow(unsafe_code)]
pub mod forward;
#[allow(unsafe_code)]
pub mod handler;
#[allow(unsafe_code)]
pub mod memory;
#[allow(unsafe_code)]
pub mod messages;
#[allow(unsafe_code)]
pub mod mqueue;
#[allow(unsafe_code)]
pub mod own;
#[allow(unsafe_code)]
pub mod queue;
#[allow(unsafe_code)]
pub mod raw;
#[allow(unsafe_code)]
pub mod records;
#[allow(unsafe_code)]
pub mod session;
#[allow(unsafe_code)]
pub mod shm;
#[allow(unsafe_code)]
pub mod signals;
#[allow(unsafe_code)]
pub mod terminal;
#[allow(unsafe_code)]
pub mod threads;
#[allow(unsafe_code)]
pub mod timers;
#[allow(unsafe_code)]
pub mod wild;

pub use berth_abi as abi;
pub use rustix::io::Errno;
