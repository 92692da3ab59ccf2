//! Interrupts of this CPU: the deadline timer, the console, and idling until one of them.
//!
//! The kernel runs with interrupts off. They arrive in user code, or while the CPU idles.

use super::trap::{CONSOLE, SPURIOUS, TIMER};
use crate::dev::apic::{self, LocalApic};
use crate::dev::{clock, serial};
use berth_kernel::machine::Trap;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use spin::Once;
use x86_64::instructions::{interrupts, nop};

static LOCAL_APIC: Once<LocalApic> = Once::new();
/// The deadline that the timer is set for, in monotonic nanoseconds; `u64::MAX` if it is not.
static DEADLINE: AtomicU64 = AtomicU64::new(u64::MAX);
/// The console has interrupted since the CPU began to idle.
static INPUT: AtomicBool = AtomicBool::new(false);

/// Sets up the controllers.
pub fn init() {
    apic::mask_legacy();
    let local = LOCAL_APIC.call_once(|| LocalApic::new(SPURIOUS));
    clock::calibrate(local);
    apic::route_console(CONSOLE, local.id());
    serial::enable_interrupt();
}

/// Sets the timer to interrupt at `deadline` (monotonic nanoseconds), or a little before when it
/// is far away; not at all for `u64::MAX`.
pub fn set_deadline(deadline: u64) {
    if DEADLINE.swap(deadline, Ordering::Relaxed) == deadline {
        return;
    }
    let Some(local) = LOCAL_APIC.get() else {
        return;
    };
    let ticks = if deadline == u64::MAX {
        0
    } else {
        clock::timer_ticks(deadline.saturating_sub(clock::now()))
    };
    local.start_timer(TIMER, ticks);
}

/// Serves an interrupt.
pub fn acknowledge(vector: u8) {
    match vector {
        TIMER => DEADLINE.store(u64::MAX, Ordering::Relaxed),
        CONSOLE => {
            serial::take_input();
            INPUT.store(true, Ordering::Relaxed);
        }
        // Spurious ones are not in service; so are those of the legacy controller, always masked.
        _ => return,
    }
    if let Some(local) = LOCAL_APIC.get() {
        local.end_of_interrupt();
    }
}

/// Waits until the next interrupt or `deadline`; tells whether bytes arrived at the console. Those
/// that are due come also when the deadline has passed.
pub fn idle(deadline: u64) -> Trap {
    INPUT.store(false, Ordering::Relaxed);
    if clock::now() >= deadline {
        interrupts::enable();
        // They come behind the instruction that follows.
        nop();
    } else {
        set_deadline(deadline);
        interrupts::enable_and_hlt();
    }
    interrupts::disable();
    if INPUT.load(Ordering::Relaxed) {
        Trap::Input
    } else {
        Trap::Idle
    }
}

/// Sends this CPU an interrupt that cannot be held off, for a test.
pub fn non_maskable() {
    if let Some(local) = LOCAL_APIC.get() {
        local.send_nmi_to_self();
    }
}
