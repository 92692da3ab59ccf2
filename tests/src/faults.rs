//! A machine that fails must be seen to fail, and a program that faults must not take the machine with it.

use crate::case::{Case, Failure};
use crate::door::{Door, MACHINE_FAILED};

/// The cases of this area.
pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "must_panic",
            run: |door| dies(door, "panic", "a panic on request"),
        },
        Case {
            // The kernel's constants are not writable.
            name: "must_fault",
            run: |door| dies(door, "fault", "write to protected address"),
        },
        Case {
            // Nor through the map of all memory, which leaves the kernel's image out.
            name: "must_fault_direct_map",
            run: |door| dies(door, "direct", "write to unmapped address"),
        },
        Case {
            name: "must_fault_wild",
            run: |door| dies(door, "wild", "write to unmapped address"),
        },
        Case {
            name: "must_fault_null",
            run: |door| dies(door, "null", "write to unmapped address"),
        },
        Case {
            // What can be written cannot be executed.
            name: "must_fault_execute_data",
            run: |door| dies(door, "wx", "execution of protected address"),
        },
        Case {
            // The kernel does not touch what user code may touch, nor run it.
            name: "must_fault_read_user_page",
            run: |door| dies(door, "smap", "read of protected address"),
        },
        Case {
            name: "must_fault_execute_user_page",
            run: |door| dies(door, "smep", "execution of protected address"),
        },
        Case {
            // The way to user code and back, without the kernel above: a TAP plan of its own.
            name: "selftest_user_code",
            run: |door| {
                door.machine()
                    .append("selftest=user")
                    .run(&["/bin/true"])?
                    .code(0)?
                    .done()
            },
        },
        Case {
            // A double fault has a stack of its own, so it is reported and not a silent triple fault.
            name: "must_double_fault",
            run: |door| dies(door, "doublefault", "double fault"),
        },
        Case {
            name: "must_time_out",
            run: |door| {
                door.machine()
                    .timeout(3)
                    .run(&["/bin/sleep", "1000"])?
                    .code(MACHINE_FAILED)?
                    .stderr_has("the time ran out after 3 s")?
                    .done()
            },
        },
        Case {
            name: "fault_program_segfault_is_its_own",
            run: |door| {
                door.sh("sh -c 'kill -SEGV $$'; echo status $?")?
                    .code(0)?
                    .stdout_line("status 139")?
                    .done()
            },
        },
    ]
}

/// Boots with `selftest=NAME`: the machine must fail by a panic that says `reason`.
fn dies(door: &Door, selftest: &str, reason: &str) -> Result<(), Failure> {
    door.machine()
        .append(&format!("selftest={selftest}"))
        .run(&["/bin/true"])?
        .code(MACHINE_FAILED)?
        .stderr_has("xtask: kernel panic")?
        .stderr_has(reason)?
        .done()
}
