//! Time: the processor's time-stamp counter, and how fast it and the local APIC's timer run.
//!
//! The frequency of the counter is taken from CPUID where that tells it. Otherwise both are
//! measured against the HPET, whose period is exact, or else the 8254 timer.

use super::apic::LocalApic;
use super::io::{Port, Registers};
use crate::cpu::features::cpuid;
use crate::layout::{DEVICES, PAGE};
use crate::mem;
use core::arch::x86_64::_rdtsc;
use core::sync::atomic::{AtomicU64, Ordering};

/// Counter value that is time zero.
static START: AtomicU64 = AtomicU64::new(0);
/// Nanoseconds per count, times 2^32.
static NANOS_PER_COUNT: AtomicU64 = AtomicU64::new(0);
/// Timer ticks per nanosecond, times 2^32.
static TICKS_PER_NANO: AtomicU64 = AtomicU64::new(0);

/// Nanoseconds that a measurement takes with the HPET.
const HPET_WINDOW: u64 = 250_000;
/// Counts of the 8254 timer that a measurement takes without: about 5 ms.
const PIT_WINDOW: u16 = 6000;
const PIT_HERTZ: u64 = 1_193_182;
const SECOND: u64 = 1_000_000_000;

/// The time-stamp counter.
#[allow(unused_unsafe)] // later compilers know the instruction to be safe
pub fn counter() -> u64 {
    // SAFETY: every processor with long mode has the instruction, which only reads.
    unsafe { _rdtsc() }
}

/// Makes this moment time zero.
pub fn start() {
    START.store(counter(), Ordering::Relaxed);
}

/// Counts from [`start`] to a value of the counter.
pub fn since_start(count: u64) -> u64 {
    count.saturating_sub(START.load(Ordering::Relaxed))
}

/// Nanoseconds since [`start`]; zero until [`calibrate`] knows better.
pub fn now() -> u64 {
    scale(
        since_start(counter()),
        NANOS_PER_COUNT.load(Ordering::Relaxed),
    )
}

/// Ticks of the timer for a span of nanoseconds: at least one, at most what the timer holds.
pub fn timer_ticks(nanos: u64) -> u32 {
    let ticks = scale(nanos, TICKS_PER_NANO.load(Ordering::Relaxed));
    u32::try_from(ticks).unwrap_or(u32::MAX).max(1)
}

fn scale(value: u64, factor: u64) -> u64 {
    ((u128::from(value) * u128::from(factor)) >> 32) as u64
}

/// Finds out how fast counter and timer run.
pub fn calibrate(timer: &LocalApic) {
    timer.count_from_top();
    let read = || (counter(), timer.counted());
    let ((counts, ticks), nanos) = match Hpet::find() {
        Some(hpet) => hpet.measure(read),
        None => measure_by_pit(read),
    };
    let nanos = u128::from(nanos.max(1));
    let measured = (u128::from(counts) * u128::from(SECOND) / nanos) as u64;
    let hertz = told_by_cpuid().unwrap_or(measured).max(1);
    let per_count = (u128::from(SECOND) << 32) / u128::from(hertz);
    NANOS_PER_COUNT.store(per_count as u64, Ordering::Relaxed);
    let per_nano = (u128::from(ticks) << 32) / nanos;
    TICKS_PER_NANO.store((per_nano as u64).max(1), Ordering::Relaxed);
    let timer_kilohertz = u128::from(ticks) * 1_000_000 / nanos;
    log::debug!(target: "clock", "counter {} kHz, timer {timer_kilohertz} kHz", hertz / 1000);
}

/// What the counter and the timer advanced by.
fn advance(from: (u64, u32), to: (u64, u32)) -> (u64, u32) {
    (to.0.saturating_sub(from.0), to.1.saturating_sub(from.1))
}

/// The counter's frequency in hertz, from the crystal's (leaf 0x15) or from the hypervisor.
fn told_by_cpuid() -> Option<u64> {
    let crystal = cpuid(0x15, 0);
    if crystal.eax != 0 && crystal.ebx != 0 && crystal.ecx != 0 {
        return Some(u64::from(crystal.ecx) * u64::from(crystal.ebx) / u64::from(crystal.eax));
    }
    const HYPERVISOR: u32 = 1 << 31;
    if cpuid(1, 0).ecx & HYPERVISOR == 0 {
        return None;
    }
    let kilohertz = cpuid(0x4000_0010, 0).eax;
    (kilohertz != 0).then(|| u64::from(kilohertz) * 1000)
}

/// The high precision event timer (IA-PC HPET 1.0a).
struct Hpet {
    registers: Registers,
    /// Femtoseconds per count.
    period: u32,
}

const HPET: u64 = 0xfed0_0000;
const HPET_ID: u16 = 0;
const HPET_PERIOD: u16 = 4;
const HPET_CONFIGURATION: u16 = 0x10;
const HPET_COUNTER: u16 = 0xf0;
/// The longest period that the specification allows: 100 ns.
const LONGEST_PERIOD: u32 = 100_000_000;

impl Hpet {
    /// The timer, if there is one where chipsets have it.
    fn find() -> Option<Self> {
        let page = DEVICES + 2 * PAGE;
        mem::map_device(page, HPET);
        // SAFETY: mapped above for good, uncached; the timer only counts.
        let registers = unsafe { Registers::new(page) };
        let id = registers.read(HPET_ID);
        let period = registers.read(HPET_PERIOD);
        let present = id != 0 && id != u32::MAX && (1..=LONGEST_PERIOD).contains(&period);
        present.then_some(Self { registers, period })
    }

    /// What `read` advances by in about [`HPET_WINDOW`], and the nanoseconds that passed.
    fn measure(&self, read: impl Fn() -> (u64, u32)) -> ((u64, u32), u64) {
        let configuration = self.registers.read(HPET_CONFIGURATION);
        self.registers.write(HPET_CONFIGURATION, configuration | 1);
        let sample = || (self.registers.read(HPET_COUNTER), read());
        sample(); // an emulator translates the code on first use, which takes long
        let (start, first) = sample();
        loop {
            let (count, last) = sample();
            let counts = u64::from(count.wrapping_sub(start));
            let nanos = counts * u64::from(self.period) / 1_000_000;
            if nanos >= HPET_WINDOW {
                return (advance(first, last), nanos);
            }
        }
    }
}

/// What `read` advances by in [`PIT_WINDOW`] counts of the 8254's third channel, and the
/// nanoseconds that these are.
fn measure_by_pit(read: impl Fn() -> (u64, u32)) -> ((u64, u32), u64) {
    // SAFETY: the system control port: bit 0 gates the channel, bit 1 is the speaker.
    let gate = unsafe { Port::new(0x61) };
    // SAFETY: the timer's ports only count.
    let command = unsafe { Port::new(0x43) };
    // SAFETY: the timer's ports only count.
    let channel = unsafe { Port::new(0x42) };
    let [low, high] = PIT_WINDOW.to_le_bytes();
    gate.write(gate.read() & !0b11);
    command.write(0b1011_0000); // channel 2, both bytes, one shot
    channel.write(low);
    channel.write(high);
    const OUTPUT: u8 = 1 << 5;
    gate.write(gate.read() | 1);
    let first = read();
    while gate.read() & OUTPUT == 0 {}
    (
        advance(first, read()),
        u64::from(PIT_WINDOW) * SECOND / PIT_HERTZ,
    )
}
