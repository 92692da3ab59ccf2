//! The real-time clock: what time it is at boot.

use super::io::Port;
use crate::calendar::RtcRegisters;

const UPDATING: u8 = 1 << 7;
/// Tries to read the clock outside its update, which takes at most 2 ms of each second.
const TRIES: usize = 100_000;

/// Seconds since 1970-01-01 UTC; `None` if the clock does not hold still or holds no date.
pub fn read() -> Option<u64> {
    let mut last = None;
    for _ in 0..TRIES {
        if register(0x0a) & UPDATING != 0 {
            continue;
        }
        let now = registers();
        if last == Some(now) {
            return now.unix_seconds();
        }
        last = Some(now);
    }
    None
}

fn registers() -> RtcRegisters {
    RtcRegisters {
        second: register(0x00),
        minute: register(0x02),
        hour: register(0x04),
        day: register(0x07),
        month: register(0x08),
        year: register(0x09),
        century: register(0x32),
        status_b: register(0x0b),
    }
}

fn register(number: u8) -> u8 {
    // SAFETY: the clock's index port; bit 7, which would mask NMIs, stays clear.
    let index = unsafe { Port::new(0x70) };
    // SAFETY: the clock's data port; only read.
    let data = unsafe { Port::new(0x71) };
    index.write(number & 0x7f);
    data.read()
}
