//! The kernel's log: lines `[seconds.micros] LEVEL target: message` on the log port.
//!
//! Lines go through a ring, so that a slow reader costs the kernel little: what the port does not
//! take now goes out with the next line or when the CPU idles. When the ring is full, text is
//! dropped and the number of lost bytes is logged. What programs may read of the log is kept
//! besides, whatever the port shows.

use crate::dev::{clock, serial};
use berth_kernel::machine::Port;
use berth_kernel::machine::log::{History, Record as Kept, TEXT_MAX};
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU32, Ordering};
use heapless::Deque;
use log::{Level, LevelFilter, Log, Metadata, Record};
use spin::Mutex;

/// Bytes that wait for the port at most.
const RING: usize = 16 << 10;

/// Lines that are kept for programs, and bytes of their text.
static HISTORY: Mutex<History<512, { 32 << 10 }>> = Mutex::new(History::new());

/// Lines with a level below this one go to the port (syslog(2), console_loglevel).
static SHOWN: AtomicU32 = AtomicU32::new(7);

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

    fn line(&mut self, level: u32, text: fmt::Arguments) {
        if self.lost > 0 && self.bytes.is_empty() {
            let lost = core::mem::take(&mut self.lost);
            let _ = writeln!(
                self,
                "[{}] WARN log: {lost} bytes were lost here",
                Stamp::now()
            );
        }
        let level = match level {
            0..=3 => Level::Error,
            4 => Level::Warn,
            5 | 6 => Level::Info,
            _ => Level::Debug,
        };
        let _ = writeln!(self, "[{}] {level} {text}", Stamp::now());
    }
}

/// A line's text, cut where it gets too long.
struct Text {
    bytes: [u8; TEXT_MAX],
    len: usize,
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.len..).unwrap_or_default();
        for (to, byte) in room.iter_mut().zip(text.as_bytes()) {
            *to = *byte;
            self.len += 1;
        }
        Ok(())
    }
}

/// Text from programs, which cannot forge lines or drive a terminal.
struct Printable<'a>(&'a [u8]);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for part in self.0.utf8_chunks() {
            for c in part.valid().chars() {
                match c.is_control() {
                    true => write!(f, "{}", c.escape_default())?,
                    false => f.write_char(c)?,
                }
            }
            part.invalid()
                .iter()
                .try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        Ok(())
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
            let level = match record.level() {
                Level::Error => 3,
                Level::Warn => 4,
                Level::Info => 6,
                Level::Debug | Level::Trace => 7,
            };
            let (target, args) = (record.target(), record.args());
            let mut text = Text {
                bytes: [0; TEXT_MAX],
                len: 0,
            };
            let _ = write!(text, "{target}: {args}");
            keep(level, text.bytes.get(..text.len).unwrap_or_default());
            show(level, format_args!("{target}: {args}"));
        }
    }

    fn flush(&self) {
        flush();
    }
}

/// Keeps a line for programs.
fn keep(priority: u32, text: &[u8]) {
    HISTORY.lock().add(priority, clock::now() / 1000, text);
}

/// Sends a line to the port, if its level is shown.
fn show(level: u32, text: fmt::Arguments) {
    if level < SHOWN.load(Ordering::Relaxed) {
        let mut ring = RING_OF_LOG.lock();
        ring.line(level, text);
        ring.drain(|bytes| serial::write(port(), bytes));
    }
}

/// Adds a line of a program's.
pub fn add(priority: u32, text: &[u8]) {
    keep(priority, text);
    show(priority & 7, format_args!("user: {}", Printable(text)));
}

/// The numbers of the lines that are kept.
pub fn kept_numbers() -> (u64, u64) {
    HISTORY.lock().kept_numbers()
}

/// A line that is kept.
pub fn read(number: u64, text: &mut [u8]) -> Option<Kept> {
    HISTORY.lock().read(number, text)
}

/// Lines below this level are shown.
pub fn shown_below() -> u32 {
    SHOWN.load(Ordering::Relaxed)
}

/// Shows lines below this level, and makes them.
pub fn show_below(level: u32) {
    SHOWN.store(level, Ordering::Relaxed);
    log::set_max_level(match level {
        0..=7 => LevelFilter::Info,
        _ => LevelFilter::Debug,
    });
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
        Some(Ok(level)) => {
            let shown = match level {
                LevelFilter::Off => 0,
                LevelFilter::Error => 4,
                LevelFilter::Warn => 5,
                LevelFilter::Info => 7,
                LevelFilter::Debug | LevelFilter::Trace => 8,
            };
            show_below(shown);
            log::set_max_level(level.max(LevelFilter::Info));
        }
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
