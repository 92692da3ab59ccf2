//! Records as bytes: little-endian structures of the Linux ABI, written and read field by field.

use alloc::vec::Vec;

/// Writes a record field by field; alignment is the caller's ([`Writer::pad_to`]).
#[derive(Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// Empty.
    pub fn new() -> Writer {
        Writer(Vec::new())
    }
    /// Appends bytes.
    pub fn bytes(mut self, bytes: &[u8]) -> Writer {
        self.0.extend_from_slice(bytes);
        self
    }
    /// Appends 8 bits.
    pub fn u8(self, value: u8) -> Writer {
        self.bytes(&[value])
    }
    /// Appends 16 bits.
    pub fn u16(self, value: u16) -> Writer {
        self.bytes(&value.to_le_bytes())
    }
    /// Appends 32 bits.
    pub fn u32(self, value: u32) -> Writer {
        self.bytes(&value.to_le_bytes())
    }
    /// Appends 32 bits, signed.
    pub fn i32(self, value: i32) -> Writer {
        self.bytes(&value.to_le_bytes())
    }
    /// Appends 64 bits.
    pub fn u64(self, value: u64) -> Writer {
        self.bytes(&value.to_le_bytes())
    }
    /// Appends 64 bits, signed.
    pub fn i64(self, value: i64) -> Writer {
        self.bytes(&value.to_le_bytes())
    }
    /// Fills with zeros up to a length.
    pub fn pad_to(mut self, len: usize) -> Writer {
        if self.0.len() < len {
            self.0.resize(len, 0);
        }
        self
    }
    /// The record.
    pub fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Reads 64 bits at an offset; 0 when they are not there.
pub fn get_u64(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    if let Some(part) = at.checked_add(8).and_then(|end| bytes.get(at..end)) {
        word.copy_from_slice(part);
    }
    u64::from_le_bytes(word)
}

/// Reads 32 bits at an offset; 0 when they are not there.
pub fn get_u32(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    if let Some(part) = at.checked_add(4).and_then(|end| bytes.get(at..end)) {
        word.copy_from_slice(part);
    }
    u32::from_le_bytes(word)
}
