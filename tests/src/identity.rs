//! Who a container's process is, what it may do and what it may use, as it sees it itself.

use crate::case::{Case, Failure};
use crate::door::{Door, Outcome};

/// The cases of this area.
pub fn cases() -> Vec<Case> {
    vec![
        Case {
            // After execve a user without root has the ambient set, whatever was permitted before.
            name: "identity_of_a_container",
            run: |door| {
                script(door, "oci run -b /bundles/identity c; oci list -q")?
                    .stdout_is(
                        "{\"fact\":\"groups\",\"value\":[20,30]}\n\
                         {\"fact\":\"domainname\",\"value\":\"within.example\"}\n\
                         {\"fact\":\"umask\",\"value\":63}\n\
                         CapInh:\t0000000000000020\n\
                         CapPrm:\t0000000000000020\n\
                         CapEff:\t0000000000000020\n\
                         CapBnd:\t0000000000002021\n\
                         CapAmb:\t0000000000000020\n\
                         NoNewPrivs:\t1\n\
                         300\nkept\n\
                         1000000000:2000000000:\n\
                         1000000001:2000000001:\n\
                         1000000002:2000000002:\n\
                         8388611:8388611:\n\
                         4:unlimited:\n\
                         1000000005:2000000005:\n\
                         1000000006:2000000006:\n\
                         107:207:\n\
                         1000000008:2000000008:\n\
                         1000000009:2000000009:\n\
                         1000000010:2000000010:\n\
                         1000000011:2000000011:\n\
                         1000000012:2000000012:\n\
                         1000000013:2000000013:\n\
                         1000000014:2000000014:\n\
                         1000000015:2000000015:\n\
                         ",
                    )?
                    .stderr_has("ignoring unknown or unavailable capabilities: [CAP_UNHEARD_OF]")?
                    .done()
            },
        },
        Case {
            name: "identity_that_cannot_be",
            run: |door| {
                script(
                    door,
                    "mkdir /tmp/b; \
                     try() { printf '%s\\n' oci_version=1.3.0 root_path=/bundles/identity/rootfs namespace=pid \
                     namespace=mount process_arg=true \"$@\" >/tmp/b/config.kv; \
                     oci create -b /tmp/b c 2>&1 | sed 's/.*process_/process_/; s/\"$//'; oci list -q; }; \
                     try process_rlimit=RLIMIT_CPU:2:1; try process_rlimit=RLIMIT_NOFILE:1:1048577; \
                     try process_capability=effective:CAP_KILL; try process_capability=inheritable:CAP_KILL; \
                     try process_capability=permitted:CAP_KILL process_capability=ambient:CAP_KILL; \
                     rm -r /tmp/b",
                )?
                .stdout_is(
                    "process_rlimit=RLIMIT_CPU:2:1: the soft limit is above the hard limit\n\
                     process_rlimit=RLIMIT_NOFILE:1:1048577: operation not permitted\n\
                     process_capability=effective:CAP_KILL: operation not permitted\n\
                     process_capability=inheritable:CAP_KILL: operation not permitted\n\
                     process_capability=ambient:CAP_KILL: operation not permitted\n",
                )?
                .done()
            },
        },
    ]
}

fn script(door: &Door, script: &str) -> Result<Outcome, Failure> {
    door.machine()
        .bundle("identity")
        .run(&["/bin/sh", "-c", script])
}
