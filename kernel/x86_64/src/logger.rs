//! The kernel's log: lines `[seconds.micros] LEVEL target: message` on the log port.
//!
//! Lines go through a ring, so that a slow reader costs the kernel little: what the port does not
//! take now goes out with the next line or when the CPU idles. When the ring is full, text is
//! dropped and the number of lost bytes is logged.

use crate::dev::{clock, serial};
use berth_kernel::machine::Port;
use core::fmt::{self, Write};
use heapless::Deque;
use log::{LevelFilter, Log, Metadata, Record};
use spin::Mutex;

/// Bytes that wait for the port at most.
const RING: usize = 16 << 10;

struct Ring {
    bytes: Deque<u8, RING>,
    lost: usize,
}

static RING_OF_LOG: Mutex<Ring> = Mutex::new(Ring {
    bytes: Deque::new(),
    lost: 0,
});

impl Write for Ring {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            if self.bytes.push_back(byte).is_err() {
                self.lost += 1;
            }
        }
        Ok(())
    }
}

impl Ring {
    fn drain(&mut self, mut write: impl FnMut(&[u8]) -> usize) {
        loop {
            let (front, _) = self.bytes.as_slices();
            let waiting = front.len();
            let written = write(front);
            for _ in 0..written {
                self.bytes.pop_front();
            }
            if waiting == 0 || written < waiting {
                return;
            }
        }
    }

    fn line(&mut self, record: &Record) {
        if self.lost > 0 && self.bytes.is_empty() {
            let lost = core::mem::take(&mut self.lost);
            let _ = writeln!(
                self,
                "[{}] WARN log: {lost} bytes were lost here",
                Stamp::now()
            );
        }
        let (level, target) = (record.level(), record.target());
        let _ = writeln!(
            self,
            "[{}] {level} {target}: {}",
            Stamp::now(),
            record.args()
        );
    }
}

/// A time as lines start with it.
pub struct Stamp(u64);

impl Stamp {
    /// The present.
    pub fn now() -> Self {
        Self(clock::now() / 1000)
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

struct Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record) {
        if self.enabled(record.metadata()) {
            let mut ring = RING_OF_LOG.lock();
            ring.line(record);
            ring.drain(|bytes| serial::write(port(), bytes));
        }
    }

    fn flush(&self) {
        flush();
    }
}

/// Where the log goes: COM2, or the console on a machine without.
fn port() -> Port {
    if serial::is_present(Port::Log) {
        Port::Log
    } else {
        Port::Console
    }
}

/// Starts logging, at level info.
pub fn init() {
    // Fails only if done twice.
    let _ = log::set_logger(&Logger);
    log::set_max_level(LevelFilter::Info);
}

/// Sets the level that the command line asks for, if it does.
pub fn set_level(name: Option<&str>) {
    match name.map(str::parse::<LevelFilter>) {
        None => {}
        Some(Ok(level)) => log::set_max_level(level),
        Some(Err(_)) => log::warn!(
            target: "log",
            "loglevel={}: not one of off, error, warn, info, debug, trace",
            name.unwrap_or_default()
        ),
    }
}

/// Sends what the port takes now.
pub fn flush() {
    RING_OF_LOG
        .lock()
        .drain(|bytes| serial::write(port(), bytes));
}

/// The log port for a panic: first the lines that still wait, then what is written here. A port
/// that is stuck is given up: the machine shall end.
pub struct LastWords {
    stuck: bool,
}

impl LastWords {
    /// Sends the lines that still wait, unless the panic struck while one was written.
    pub fn begin() -> Self {
        let mut words = Self { stuck: false };
        if let Some(mut ring) = RING_OF_LOG.try_lock() {
            ring.drain(|bytes| {
                words.send(bytes);
                bytes.len()
            });
        }
        words
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stuck = self.stuck || !serial::write_last(port(), bytes);
    }
}

impl Write for LastWords {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.send(text.as_bytes());
        Ok(())
    }
}
