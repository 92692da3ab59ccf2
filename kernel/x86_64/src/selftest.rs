//! Tests that the kernel runs on itself when its command line says `selftest=NAME`. All but
//! `user` and `restart` must end in a panic that says what happened.

mod user;

use crate::cpu::interrupts;
use crate::cpu::user::User;
use crate::layout::{DIRECT, IMAGE};
use crate::machine::X86;
use berth_kernel::machine::PowerOff;
use core::hint::black_box;
use core::ptr;

/// The tests' names.
const NAMES: &str =
    "panic, fault, wild, null, direct, wx, smap, smep, doublefault, nmi, restart, user";

/// Runs a test; returns how the machine ends, if the test comes back at all.
pub fn run(name: &str, machine: &mut X86, user: &mut User) -> PowerOff {
    log::info!(target: "selftest", "{name}");
    match name {
        "panic" => panic!("selftest: a panic on request"),
        "fault" => write_to(&raw const CONSTANT as u64),
        "wild" => write_to(0xffff_a000_0000_0000),
        "null" => write_to(8),
        "direct" => write_to(DIRECT + (&raw const CONSTANT as u64 - IMAGE)),
        "wx" => execute_data(),
        "smap" => user::touch_as_kernel(machine, read_from),
        "smep" => user::touch_as_kernel(machine, execute),
        "doublefault" => log::error!(target: "selftest", "came back from {}", overflow(1)),
        "nmi" => interrupts::non_maskable(),
        "restart" => return PowerOff::Restart,
        "user" => return user::run(machine, user),
        _ => log::error!(target: "selftest", "selftest={name}: not one of {NAMES}"),
    }
    log::error!(target: "selftest", "{name}: nothing stopped it");
    PowerOff::Clean
}

static CONSTANT: u64 = 0x5e1f;

fn write_to(addr: u64) {
    log::info!(target: "selftest", "writing to {addr:#x}");
    // SAFETY: it must not succeed: the address is not writable, and the fault ends the kernel.
    unsafe { ptr::write_volatile(black_box(addr) as *mut u64, 1) };
}

fn read_from(addr: u64) {
    log::info!(target: "selftest", "reading from {addr:#x}");
    // SAFETY: it must not succeed: the address belongs to user code, and the fault ends the
    // kernel.
    unsafe { ptr::read_volatile(black_box(addr) as *const u64) };
}

fn execute_data() {
    static CODE: spin::Mutex<[u8; 1]> = spin::Mutex::new([0xc3]); // ret
    execute(&raw const *CODE.lock() as u64);
}

fn execute(addr: u64) {
    log::info!(target: "selftest", "calling {addr:#x}");
    // SAFETY: it must not succeed: the address is not executable for the kernel, and the fault
    // ends it.
    let call: extern "C" fn() = unsafe { core::mem::transmute(black_box(addr)) };
    call();
}

/// Uses up the stack.
#[inline(never)]
#[allow(unconditional_recursion)] // that is the point
fn overflow(depth: u64) -> u64 {
    let ballast = black_box([depth; 32]);
    overflow(depth + 1) + ballast[(depth % 32) as usize]
}
