//! Devices that every PC has: serial ports, clocks, interrupt controllers, power.

pub mod apic;
pub mod clock;
pub mod entropy;
mod io;
pub mod power;
pub mod rtc;
pub mod serial;
