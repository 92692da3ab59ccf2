//! Whatever bytes come in: they are read as a configuration or refused.
#![no_main]

#[path = "../../tests/common/holds.rs"]
mod holds;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let pick = input.iter().fold(1u64, |sum, byte| sum.wrapping_mul(31) + u64::from(*byte));
    holds::check(input, pick);
});
