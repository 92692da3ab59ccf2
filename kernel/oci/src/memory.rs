//! Allocation that can fail: everything whose size the input decides goes through here.

use alloc::collections::TryReserveError;
use alloc::string::String;
use alloc::vec::Vec;

/// A copy of `text`.
pub(crate) fn try_string(text: &str) -> Result<String, TryReserveError> {
    let mut copy = String::new();
    copy.try_reserve_exact(text.len())?;
    copy.push_str(text);
    Ok(copy)
}

/// Appends to `list`, growing it fallibly.
pub(crate) fn try_push<T>(list: &mut Vec<T>, item: T) -> Result<(), TryReserveError> {
    list.try_reserve(1)?;
    list.push(item);
    Ok(())
}

/// A text sink whose memory may run out: then writing fails with `fmt::Error`.
#[derive(Default)]
pub(crate) struct TryText(pub(crate) String);

impl core::fmt::Write for TryText {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.0
            .try_reserve(text.len())
            .map_err(|_| core::fmt::Error)?;
        self.0.push_str(text);
        Ok(())
    }
}
