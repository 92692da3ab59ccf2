//! Berth's bootable kernel for x86-64: boot, paging, traps, timer, serial ports and FPU state.
//!
//! This is the only kernel crate with unsafe code; `docs/unsafe.md` accounts for each block. On
//! the host only the parts that compute without the machine are built, for their tests.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]
#![cfg_attr(not(target_os = "none"), allow(dead_code))]

#[cfg(target_os = "none")]
extern crate alloc;

mod calendar;
mod cmdline;
mod layout;
mod ranges;
mod symbols;

#[cfg(target_os = "none")]
mod boot;
#[cfg(target_os = "none")]
mod cpu;
#[cfg(target_os = "none")]
mod dev;
#[cfg(target_os = "none")]
mod figures;
#[cfg(target_os = "none")]
mod logger;
#[cfg(target_os = "none")]
mod machine;
#[cfg(target_os = "none")]
mod mem;
#[cfg(target_os = "none")]
mod panic;
#[cfg(target_os = "none")]
mod selftest;

/// On the host there is no machine to run on.
#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this is the kernel: build it for x86_64-unknown-none, with `cargo xtask build`");
    std::process::exit(2);
}
