//! Hooks: when they run, where, and what they are told.

use crate::case::Case;

/// The cases of this area.
pub fn cases() -> Vec<Case> {
    vec![Case {
        // Each writes a line: its kind, the status it was told, what the pid means to it, the
        // host name, its directory, and a variable.
        name: "hooks_of_all_kinds",
        run: |door| {
            let script = "mkdir /run/hooks; oci create c -b /bundles/hooks && echo created >>/run/hooks/log; \
                          oci start c && echo started >>/run/hooks/log; \
                          until oci state c | grep -q stopped; do sleep 0.1; done; \
                          oci delete c; cat /run/hooks/log; rm -r /run/hooks";
            door.machine()
                .bundle("hooks")
                .timeout(40)
                .run(&["/bin/sh", "-c", script])?
                .code(0)?
                .stdout_is(
                    "prestart: creating inside berth /bundles/hooks A=1\n\
                     createRuntime: creating inside berth /bundles/hooks A=\n\
                     createContainer: creating 1 inside /bundles/hooks/rootfs A=2\n\
                     created\n\
                     startContainer: created 1 inside /tmp A=of-the-process\n\
                     poststart: running inside berth /bundles/hooks A=\n\
                     started\n\
                     poststop: stopped none berth /bundles/hooks A=\n",
                )?
                .done()
        },
    }]
}
