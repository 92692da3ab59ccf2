//! Character devices, by their numbers (major:minor).
//!
//! A device moves bytes to and from kernel buffers; the file layer copies them from and to
//! programs. Which names lead here is a matter of nodes in file systems (mknod(2)).

pub mod kmsg;
mod random;

use crate::error::{Errno, Stop};
use crate::fs::devpts;
use crate::fs::inode::Device as Number;
use crate::machine::Port;
use crate::{Cx, Kernel, tty};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// The most bytes that one call of a device moves.
const PASS: usize = 64 << 10;
/// And of random numbers, which cost some sixty instructions a byte.
pub const RANDOM_PASS: usize = 2048;

/// What devices remember.
#[derive(Default)]
pub struct Devices {
    /// The random number of this boot (/proc/sys/kernel/random/boot_id), once somebody asked.
    pub boot_id: Option<u128>,
    /// The kernel's log and its readers.
    pub log: kmsg::Log,
    /// What programs have stirred into the random numbers.
    random: random::Pool,
}

/// A device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Device {
    /// 1:3, takes everything, gives nothing.
    Null,
    /// 1:5, gives zeros.
    Zero,
    /// 1:7, gives zeros, has no room.
    Full,
    /// 1:8 and 1:9.
    Random,
    /// 1:11, the kernel's log: opened as a file of its own kind, and not known here.
    Kmsg,
    /// 4:65 to 4:67, as mere bytes.
    Serial(Port),
    /// A terminal: opened as a file of its own kind, and not known here.
    Terminal(Terminal),
}

/// The devices that are terminals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Terminal {
    /// 5:0, the controlling terminal of who opens it.
    Own,
    /// 5:1, the console.
    Console,
    /// 4:64, the console's serial line.
    Serial,
    /// 5:2, which makes pseudo-terminals.
    Ptmx,
    /// 136:N, a pseudo-terminal by its number in the devpts that the device is in.
    Pts(u32),
    /// 240:0 (for local use): the port behind it as mere bytes, and no terminal.
    Port,
}

/// A character device's number, as nodes in file systems have it.
const fn character(major: u32, minor: u32) -> Number {
    Number {
        char: true,
        major,
        minor,
    }
}

/// The devices a container gets without being asked for (D-2), with mode 0666: name below /dev
/// and number. /dev/ptmx is a link into devpts.
pub const fn default_nodes() -> &'static [(&'static str, Number)] {
    const NODES: &[(&str, Number)] = &[
        ("null", character(1, 3)),
        ("zero", character(1, 5)),
        ("full", character(1, 7)),
        ("random", character(1, 8)),
        ("urandom", character(1, 9)),
        ("tty", character(5, 0)),
    ];
    NODES
}

/// The symbolic links that belong in every /dev: name and target.
pub const fn default_links() -> &'static [(&'static str, &'static str)] {
    &[
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ]
}

/// The character device of a number; `None` if there is none.
pub fn find(major: u32, minor: u32) -> Option<Device> {
    Some(match (major, minor) {
        (1, 3) => Device::Null,
        (1, 5) => Device::Zero,
        (1, 7) => Device::Full,
        (1, 8 | 9) => Device::Random,
        (1, 11) => Device::Kmsg,
        (5, 0) => Device::Terminal(Terminal::Own),
        (5, 1) => Device::Terminal(Terminal::Console),
        (4, 64) => Device::Terminal(Terminal::Serial),
        (5, 2) => Device::Terminal(Terminal::Ptmx),
        (devpts::MAJOR, number) => Device::Terminal(Terminal::Pts(number)),
        (240, 0) => Device::Terminal(Terminal::Port),
        (4, 65) => Device::Serial(Port::Log),
        (4, 66) => Device::Serial(Port::Control),
        (4, 67) => Device::Serial(Port::Errors),
        _ => return None,
    })
}

/// Whether a device can be opened.
///
/// # Errors
/// ENXIO for what is opened otherwise; EBUSY for the port that the kernel's log goes to.
pub fn open(device: Device) -> Result<(), Errno> {
    match device {
        Device::Terminal(_) | Device::Kmsg => Err(Errno::ENXIO),
        Device::Serial(Port::Log) => Err(Errno::EBUSY),
        _ => Ok(()),
    }
}

/// Takes at most `max` bytes (none: end of file) out of a device. The bytes are gone then: prepare
/// their destination first.
///
/// # Errors
/// EIO from a port, which has no input; no memory.
pub fn read(k: &mut Kernel, cx: &mut Cx, device: Device, max: usize) -> Result<Vec<u8>, Stop> {
    let max = max.min(PASS);
    match device {
        _ if max == 0 => Ok(Vec::new()),
        Device::Null => Ok(Vec::new()),
        Device::Zero | Device::Full => Ok(zeros(max)?),
        Device::Random => {
            let mut bytes = zeros(max.min(RANDOM_PASS))?;
            k.devices.random.fill(cx.m, &mut bytes);
            Ok(bytes)
        }
        Device::Serial(_) | Device::Terminal(_) | Device::Kmsg => Err(Errno::EIO.into()),
    }
}

/// Gives bytes to a device; returns how many it took, at least one of any given. `bytes` are
/// those that are left: the call's own progress ([`crate::wait::Resume`]) is the caller's.
///
/// # Errors
/// ENOSPC from /dev/full; a port that takes nothing now waits with the `done` of `cx.resume` kept,
/// or EAGAIN with O_NONBLOCK.
pub fn write(
    k: &mut Kernel,
    cx: &mut Cx,
    device: Device,
    flags: u32,
    bytes: &[u8],
) -> Result<usize, Stop> {
    match device {
        Device::Null | Device::Zero => Ok(bytes.len()),
        Device::Full if bytes.is_empty() => Ok(0),
        Device::Full => Err(Errno::ENOSPC.into()),
        Device::Random => {
            k.devices.random.stir(bytes);
            Ok(bytes.len())
        }
        Device::Serial(port) => tty::port::write(cx, port, flags & linux::O_NONBLOCK != 0, bytes),
        Device::Terminal(_) | Device::Kmsg => Err(Errno::EIO.into()),
    }
}

/// Whether Linux's driver lets programs wait for a device (epoll(7)): for random numbers
/// it does, though here they are always ready.
pub fn can_wait(device: &Number) -> bool {
    !matches!((device.major, device.minor), (1, 3 | 5 | 7 | 9))
}

/// What a device is ready for, always: POLLIN, POLLOUT.
pub fn poll(device: Device) -> u32 {
    match device {
        Device::Serial(_) => linux::POLLOUT,
        _ => linux::POLLIN | linux::POLLOUT,
    }
}

/// `len` zero bytes, if there is memory for them.
fn zeros(len: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
    bytes.resize(len, 0);
    Ok(bytes)
}

pub use random::{POOL_BITS as RANDOM_POOL_BITS, fill as fill_random};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_nodes_are_devices() {
        for (name, number) in default_nodes() {
            assert!(find(number.major, number.minor).is_some(), "{name}");
        }
        assert_eq!(find(1, 1), None, "there is no /dev/mem");
    }

    #[test]
    fn what_cannot_be_opened_says_why() {
        assert_eq!(open(Device::Kmsg), Err(Errno::ENXIO));
        assert_eq!(open(Device::Null), Ok(()));
        assert_eq!(open(Device::Serial(Port::Log)), Err(Errno::EBUSY));
    }
}
