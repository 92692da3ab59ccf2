//! From power-on to the command's end: exit codes, signals and streams.

use crate::case::Case;

/// The cases of this area.
pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "boot_true",
            run: |door| {
                door.run(&["/bin/true"])?
                    .code(0)?
                    .stdout_is("")?
                    .stderr_is("")?
                    .done()
            },
        },
        Case {
            name: "boot_exit_code",
            run: |door| door.sh("exit 7")?.code(7)?.done(),
        },
        Case {
            name: "boot_signal",
            run: |door| door.sh("kill -9 $$")?.code(137)?.done(),
        },
        Case {
            name: "boot_stderr_separate",
            run: |door| {
                door.sh("echo out; echo err >&2; echo out again")?
                    .code(0)?
                    .stdout_is("out\nout again\n")?
                    .stderr_is("err\n")?
                    .done()
            },
        },
        Case {
            name: "boot_missing_command",
            run: |door| door.run(&["/bin/no-such-program"])?.code(127)?.done(),
        },
        Case {
            // Every byte must come out as it went in: no newline translation, no eighth bit lost.
            name: "boot_output_is_transparent",
            run: |door| {
                let script = "printf 'a\\nb\\r\\n\\001\\t\\177'";
                door.sh(script)?
                    .code(0)?
                    .stdout_is("a\nb\r\n\u{1}\t\u{7f}")?
                    .done()
            },
        },
        Case {
            name: "boot_arguments_are_kept",
            run: |door| {
                let script = "for word; do echo \"[$word]\"; done";
                door.run(&[
                    "/bin/sh", "-c", script, "sh", "", "a b", "'\"\\", "--", "$HOME",
                ])?
                .code(0)?
                .stdout_is("[]\n[a b]\n['\"\\]\n[--]\n[$HOME]\n")?
                .done()
            },
        },
        Case {
            // The quietest boot and the loudest must not differ in what the command prints.
            name: "boot_log_stays_out_of_stdout",
            run: |door| {
                door.machine()
                    .append("loglevel=debug")
                    .run(&["/bin/echo", "hi"])?
                    .code(0)?
                    .stdout_is("hi\n")?
                    .stderr_is("")?
                    .done()
            },
        },
        Case {
            // More than fits below the hole that PCs have under 4 GiB.
            name: "boot_large_memory",
            run: |door| {
                door.machine()
                    .memory("3G")
                    .run(&["/bin/true"])?
                    .code(0)?
                    .done()
            },
        },
        Case {
            name: "boot_small_memory",
            run: |door| {
                door.machine()
                    .memory("64M")
                    .run(&["/bin/true"])?
                    .code(0)?
                    .done()
            },
        },
    ]
}
