//! The table of arguments from which wild calls are made has a line for each call of the kernel, and no other.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use berth_kernel::syscall;
use berth_sim::storm::program::TABLE;
use berth_wild::CALLS;

#[test]
fn every_call_has_a_line_that_says_what_its_arguments_are() {
    let named = |number: &u32| CALLS.iter().find(|line| line.0 == *number);
    for number in TABLE.iter() {
        let name = syscall::line(u64::from(*number)).unwrap().1;
        let line = named(number);
        assert_eq!(
            line.map(|line| line.1),
            Some(name),
            "add {number} {name} to kernel/wild/src/table.rs"
        );
    }
    assert_eq!(
        CALLS.len(),
        TABLE.len(),
        "calls that the kernel does not have"
    );
    assert!(CALLS.is_sorted_by_key(|line| line.0));
}
