//! Character devices, by their numbers (major:minor).
//!
//! A device moves bytes to and from kernel buffers; the file layer copies them from and to
//! programs. Which names lead here is a matter of nodes in file systems (mknod(2)).

mod kmsg;
mod random;
mod serial;

pub use serial::Console;

use crate::error::{Errno, Stop};
use crate::fs::inode::Device as Number;
use crate::machine::{Machine, Port};
use crate::wait::WaitKey;
use crate::{Cx, Kernel};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// The most bytes that one call of a device moves.
const PASS: usize = 64 << 10;

/// What devices remember.
#[derive(Default)]
pub struct Devices {
    /// The console's input.
    pub console: Console,
    /// The random number of this boot (/proc/sys/kernel/random/boot_id), once somebody asked.
    pub boot_id: Option<u128>,
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
    /// 1:11, the kernel's log: programs can only write to it.
    Kmsg,
    /// 5:0, the controlling terminal.
    Tty,
    /// 5:1 and 4:64 to 4:67.
    Serial(Port),
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
/// and number. /dev/ptmx comes with devpts.
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
        (5, 0) => Device::Tty,
        (5, 1) | (4, 64) => Device::Serial(Port::Console),
        (4, 65) => Device::Serial(Port::Log),
        (4, 66) => Device::Serial(Port::Control),
        (4, 67) => Device::Serial(Port::Errors),
        _ => return None,
    })
}

/// Whether a device can be opened with these O_* flags.
///
/// # Errors
/// ENXIO for /dev/tty, as no process has a controlling terminal; EPERM for reading the kernel's
/// log; EBUSY for the port that the kernel's log goes to.
pub fn open(device: Device, flags: u32) -> Result<(), Errno> {
    match device {
        Device::Tty => Err(Errno::ENXIO),
        Device::Kmsg if flags & linux::O_ACCMODE != linux::O_WRONLY => Err(Errno::EPERM),
        Device::Serial(Port::Log) => Err(Errno::EBUSY),
        _ => Ok(()),
    }
}

/// Takes at most `max` bytes (fewer than asked for is no end, except none: end of file) out of a
/// device opened with `flags`. The bytes are gone then: prepare their destination first.
///
/// # Errors
/// Waits for console input, or EAGAIN with O_NONBLOCK; EIO from a port that has no input; no
/// memory.
pub fn read(
    k: &mut Kernel,
    cx: &mut Cx,
    device: Device,
    flags: u32,
    max: usize,
) -> Result<Vec<u8>, Stop> {
    let max = max.min(PASS);
    match device {
        _ if max == 0 => Ok(Vec::new()),
        Device::Null => Ok(Vec::new()),
        Device::Zero | Device::Full => Ok(zeros(max)?),
        Device::Random => {
            let mut bytes = zeros(max)?;
            k.devices.random.fill(cx.m, &mut bytes);
            Ok(bytes)
        }
        Device::Serial(Port::Console) => serial::read(k, cx, flags, max),
        Device::Serial(_) => Err(Errno::EIO.into()),
        Device::Kmsg | Device::Tty => Err(Errno::EPERM.into()),
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
        Device::Kmsg => {
            kmsg::write(k, cx, bytes);
            Ok(bytes.len())
        }
        Device::Serial(port) => serial::write(cx, port, flags, bytes),
        Device::Tty => Err(Errno::ENXIO.into()),
    }
}

/// What a device is ready for now: POLLIN, POLLOUT.
pub fn poll(k: &mut Kernel, m: &mut dyn Machine, device: Device) -> u32 {
    match device {
        Device::Serial(Port::Console) => {
            k.devices.console.receive(m);
            if k.devices.console.is_empty() {
                linux::POLLOUT
            } else {
                linux::POLLIN | linux::POLLOUT
            }
        }
        Device::Kmsg | Device::Serial(_) => linux::POLLOUT,
        Device::Null | Device::Zero | Device::Full | Device::Random | Device::Tty => {
            linux::POLLIN | linux::POLLOUT
        }
    }
}

/// What wakes those who wait for a device to become ready; `None` if it always is.
pub fn wait_key(device: Device) -> Option<WaitKey> {
    match device {
        Device::Serial(Port::Console) => Some(WaitKey::Input(Port::Console)),
        _ => None,
    }
}

/// Device control (ioctl(2)).
///
/// # Errors
/// ENOTTY: no device is a terminal yet, and none promises to be one (isatty(3) asks TCGETS).
pub fn ioctl(_device: Device, _request: u32) -> Result<u64, Errno> {
    Err(Errno::ENOTTY)
}

/// `len` zero bytes, if there is memory for them.
fn zeros(len: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
    bytes.resize(len, 0);
    Ok(bytes)
}

pub use random::fill as fill_random;

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
        assert_eq!(open(Device::Tty, 2), Err(Errno::ENXIO));
        assert_eq!(open(Device::Kmsg, linux::O_RDWR), Err(Errno::EPERM));
        assert_eq!(open(Device::Kmsg, linux::O_WRONLY), Ok(()));
        assert_eq!(open(Device::Serial(Port::Log), 1), Err(Errno::EBUSY));
    }
}
