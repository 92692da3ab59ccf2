//! The Linux process boundary, as unmodified static programs see it.

use crate::case::Case;

/// The cases of this area.
pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "abi_pipes_and_children",
            run: |door| {
                door.sh("seq 1 2000 | grep 7 | wc -l; (exit 3) || echo $?")?
                    .code(0)?
                    .stdout_is("542\n3\n")?
                    .done()
            },
        },
        Case {
            name: "abi_files_and_links",
            run: |door| {
                let script = "set -e; cd /tmp; mkdir d; echo text > d/f; ln -s d/f s; ln d/f h; cat s h; \
                              mv d/f d/g; if cat s 2>/dev/null; then exit 9; fi; rm h d/g; rmdir d; ls";
                door.sh(script)?
                    .code(0)?
                    .stdout_is("text\ntext\ns\n")?
                    .done()
            },
        },
        Case {
            name: "abi_logger_and_syslogd",
            run: |door| {
                let script = "syslogd -n -O /tmp/log & until [ -S /dev/log ]; do sleep 0.1; done; \
                              logger -t probe hello; \
                              until grep -q 'probe: hello' /tmp/log; do sleep 0.1; done; \
                              kill $!; wait $!; echo logged";
                door.sh(script)?.code(0)?.stdout_is("logged\n")?.done()
            },
        },
        Case {
            name: "abi_signals_reach_the_trap",
            run: |door| {
                door.sh("trap 'echo caught' TERM; kill -TERM $$; echo after")?
                    .code(0)?
                    .stdout_is("caught\nafter\n")?
                    .done()
            },
        },
    ]
}
