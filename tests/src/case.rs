//! What a case is.

use crate::door::Door;

/// Why a case failed.
pub type Failure = String;

/// One test.
#[derive(Clone)]
pub struct Case {
    /// Its name: lower case, digits and underscores.
    pub name: &'static str,
    /// Boots through the door as often as it likes, and judges.
    pub run: fn(&Door) -> Result<(), Failure>,
}

/// Fails with `message()` unless `holds`.
pub fn ensure(holds: bool, message: impl FnOnce() -> String) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(message()) }
}
