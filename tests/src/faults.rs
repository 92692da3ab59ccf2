//! A machine that fails must be seen to fail, and a program that faults must not take the machine with it.

use crate::case::Case;
use crate::door::MACHINE_FAILED;

/// The cases of this area.
pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "must_panic",
            run: |door| {
                door.machine()
                    .append("selftest=panic")
                    .run(&["/bin/true"])?
                    .code(MACHINE_FAILED)?
                    .stderr_has("xtask: kernel panic")?
                    .done()
            },
        },
        Case {
            // A page fault in kernel mode.
            name: "must_fault",
            run: |door| {
                door.machine()
                    .append("selftest=fault")
                    .run(&["/bin/true"])?
                    .code(MACHINE_FAILED)?
                    .stderr_has("xtask: kernel panic")?
                    .stderr_has("page fault")?
                    .done()
            },
        },
        Case {
            // A double fault has a stack of its own, so it is reported and not a silent triple fault.
            name: "must_double_fault",
            run: |door| {
                door.machine()
                    .append("selftest=doublefault")
                    .run(&["/bin/true"])?
                    .code(MACHINE_FAILED)?
                    .stderr_has("xtask: kernel panic")?
                    .stderr_has("double fault")?
                    .done()
            },
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
