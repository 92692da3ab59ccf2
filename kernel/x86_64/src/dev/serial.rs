//! The four serial ports (16550, COM1 to COM4), at 115,200 baud.
//!
//! Nothing here waits long: a port that does not take its bytes is asked a bounded number of
//! times. A port that the machine does not have takes everything and gives nothing.

use super::io::Port as IoPort;
use berth_kernel::machine::Port;
use core::sync::atomic::{AtomicU8, Ordering};
use heapless::Deque;
use spin::Mutex;

const BASES: [u16; 4] = [0x3f8, 0x2f8, 0x3e8, 0x2e8];
/// Bytes that the transmitter takes when it says that it is empty.
const FIFO: usize = 16;

const INTERRUPT_ENABLE: u16 = 1;
const FIFO_CONTROL: u16 = 2;
const LINE_CONTROL: u16 = 3;
const MODEM_CONTROL: u16 = 4;
const LINE_STATUS: u16 = 5;
const SCRATCH: u16 = 7;

const DATA_READY: u8 = 1;
const TRANSMITTER_EMPTY: u8 = 1 << 5;
const ALL_SENT: u8 = 1 << 6;
const DIVISOR_LATCH: u8 = 1 << 7;

/// Times that a port is asked whether it takes more before a caller gets a partial write.
const PATIENCE: usize = 256;
/// The same for a panic, whose last words are worth waiting for.
const LAST_PATIENCE: usize = 1_000_000;

/// One bit for each port that the machine has.
static PRESENT: AtomicU8 = AtomicU8::new(0);

/// What has arrived at the console and was not read yet. A full queue leaves bytes in the port
/// with its interrupt off, which holds the sender up.
static CONSOLE: Mutex<Deque<u8, 1024>> = Mutex::new(Deque::new());

fn index(port: Port) -> usize {
    match port {
        Port::Console => 0,
        Port::Log => 1,
        Port::Control => 2,
        Port::Errors => 3,
    }
}

fn register(index: usize, offset: u16) -> IoPort {
    // SAFETY: the ports of a PC's UARTs only move bytes; `index` and `offset` name no others.
    unsafe { IoPort::new(BASES[index] + (offset & 7)) }
}

/// Finds and sets up the ports.
pub fn init() {
    for i in 0..BASES.len() {
        register(i, SCRATCH).write(0x5a);
        if register(i, SCRATCH).read() != 0x5a {
            continue;
        }
        register(i, INTERRUPT_ENABLE).write(0);
        register(i, LINE_CONTROL).write(DIVISOR_LATCH);
        register(i, 0).write(1);
        register(i, 1).write(0);
        register(i, LINE_CONTROL).write(0b11); // 8 bits, no parity, 1 stop bit
        register(i, FIFO_CONTROL).write(0b111); // on, both emptied, interrupt from the first byte
        register(i, MODEM_CONTROL).write(0b1011); // DTR, RTS, and OUT2, which lets interrupts out
        PRESENT.fetch_or(1 << i, Ordering::Relaxed);
    }
}

/// Whether the machine has this port.
pub fn is_present(port: Port) -> bool {
    PRESENT.load(Ordering::Relaxed) >> index(port) & 1 != 0
}

/// Writes what the port takes now; returns how many bytes.
pub fn write(port: Port, bytes: &[u8]) -> usize {
    write_patiently(port, bytes, PATIENCE)
}

/// Writes with long patience, for last words; whether the port took them.
pub fn write_last(port: Port, bytes: &[u8]) -> bool {
    write_patiently(port, bytes, LAST_PATIENCE) == bytes.len()
}

fn write_patiently(port: Port, bytes: &[u8], patience: usize) -> usize {
    if !is_present(port) {
        return bytes.len();
    }
    let i = index(port);
    let status = register(i, LINE_STATUS);
    let mut done = 0;
    for chunk in bytes.chunks(FIFO) {
        if !(0..patience).any(|_| status.read() & TRANSMITTER_EMPTY != 0) {
            break;
        }
        chunk.iter().for_each(|&byte| register(i, 0).write(byte));
        done += chunk.len();
    }
    done
}

/// Waits until every port has sent its last byte, within the patience of a panic.
pub fn drain() {
    for i in 0..BASES.len() {
        if PRESENT.load(Ordering::Relaxed) >> i & 1 != 0 {
            let status = register(i, LINE_STATUS);
            let _ = (0..LAST_PATIENCE).any(|_| status.read() & ALL_SENT != 0);
        }
    }
}

/// Reads what has arrived; returns how many bytes.
pub fn read(port: Port, to: &mut [u8]) -> usize {
    if port != Port::Console {
        return to
            .iter_mut()
            .map_while(|slot| receive(port).map(|byte| *slot = byte))
            .count();
    }
    let mut queue = CONSOLE.lock();
    let mut next = || queue.pop_front().or_else(|| receive(port));
    let count = to
        .iter_mut()
        .map_while(|slot| next().map(|byte| *slot = byte))
        .count();
    if is_present(port) {
        register(index(port), INTERRUPT_ENABLE).write(DATA_READY);
    }
    count
}

/// Lets the console's port interrupt when bytes arrive.
pub fn enable_interrupt() {
    if is_present(Port::Console) {
        register(index(Port::Console), INTERRUPT_ENABLE).write(DATA_READY);
    }
}

/// Connects the console's output to its input, for a test.
pub fn loop_back(on: bool) {
    let lines = if on { 0b1_1011 } else { 0b1011 };
    register(index(Port::Console), MODEM_CONTROL).write(lines);
}

/// The console's port has interrupted: empties it into the queue.
pub fn take_input() {
    let mut queue = CONSOLE.lock();
    while !queue.is_full() {
        let Some(byte) = receive(Port::Console) else {
            return;
        };
        let _ = queue.push_back(byte); // there is room
    }
    register(index(Port::Console), INTERRUPT_ENABLE).write(0);
}

fn receive(port: Port) -> Option<u8> {
    let i = index(port);
    let ready = is_present(port) && register(i, LINE_STATUS).read() & DATA_READY != 0;
    ready.then(|| register(i, 0).read())
}
