//! Instructions that fault.
