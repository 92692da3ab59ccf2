//! Ports and device registers as values: whoever makes one vouches for the device behind it, who
//! has one uses it safely.

use core::ptr;
use x86_64::instructions::port;

/// One 8-bit I/O port.
#[derive(Clone, Copy)]
pub struct Port(u16);

impl Port {
    /// The port at this address.
    ///
    /// # Safety
    /// No access to the port may change memory or the state of the processor.
    pub const unsafe fn new(address: u16) -> Self {
        Self(address)
    }

    /// Reads.
    pub fn read(self) -> u8 {
        // SAFETY: by the contract of `new`.
        unsafe { port::Port::new(self.0).read() }
    }

    /// Writes.
    pub fn write(self, value: u8) {
        // SAFETY: by the contract of `new`.
        unsafe { port::Port::new(self.0).write(value) }
    }
}

/// A page of 32-bit device registers.
#[derive(Clone, Copy)]
pub struct Registers(u64);

impl Registers {
    /// The registers mapped at this page.
    ///
    /// # Safety
    /// The page must stay mapped, uncached, and be a device whose registers change neither memory
    /// nor the state of the processor in a way that Rust code could notice.
    pub const unsafe fn new(page: u64) -> Self {
        Self(page)
    }

    /// Reads the register at an offset.
    pub fn read(self, offset: u16) -> u32 {
        // SAFETY: inside the page and aligned; by the contract of `new`.
        unsafe { ptr::read_volatile(self.at(offset)) }
    }

    /// Writes the register at an offset.
    pub fn write(self, offset: u16, value: u32) {
        // SAFETY: inside the page and aligned; by the contract of `new`.
        unsafe { ptr::write_volatile(self.at(offset), value) }
    }

    fn at(self, offset: u16) -> *mut u32 {
        assert!(
            offset < 4096 && offset % 4 == 0,
            "no register at offset {offset:#x}"
        );
        (self.0 + u64::from(offset)) as *mut u32
    }
}
