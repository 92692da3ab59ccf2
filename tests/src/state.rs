//! What `oci state` tells: the whole document, and the status while each hook runs.

use crate::case::{Case, Failure};
use crate::door::Door;

/// The cases of this area.
pub fn cases() -> Vec<Case> {
    vec![
        Case {
            // Created between two looks at the clock; the pid is the outside's, of a process that
            // is inside.
            name: "state_document",
            run: |door| {
                script(
                    door,
                    "for kind in $all; do go $kind; done; before=$(date -u +%Y-%m-%dT%H:%M:%S); \
                     oci create --pid-file /run/observed/pid c; oci state c >/run/observed/state; \
                     after=$(date -u +%Y-%m-%dT%H:%M:%S.z); pid=$(cat /run/observed/pid); \
                     [ \"$(readlink /proc/$pid/ns/pid)\" != \"$(readlink /proc/self/ns/pid)\" ] && echo inside; \
                     created=$(sed -n 's/.*\"created\": \"\\(.*\\)\".*/\\1/p' /run/observed/state); \
                     printf '%s\\n' $before $created $after | sort -c && echo in time; \
                     echo $created | grep -Ecx '[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{9}Z'; \
                     sed \"s/\\\"pid\\\": $pid,/\\\"pid\\\": PID,/; s/$created/CREATED/\" /run/observed/state; \
                     oci start c; oci state c | grep -c \"\\\"pid\\\": $pid,\"; stop; oci state c | grep '\"pid\"'; oci delete c",
                    "inside\nin time\n1\n\
                     {\n  \"ociVersion\": \"1.3.0\",\n  \"id\": \"c\",\n  \"pid\": PID,\n  \"status\": \"created\",\n  \
                     \"bundle\": \"/bundles/observed\",\n  \"rootfs\": \"/bundles/observed/rootfs\",\n  \
                     \"created\": \"CREATED\",\n  \"annotations\": {\n    \"org.example.a\": \"x=y\",\n    \
                     \"org.example.b\": \"two\\nlines\"\n  },\n  \"owner\": \"root\"\n}\n\
                     1\n  \"pid\": 0,\n",
                )
            },
        },
        Case {
            name: "state_while_hooks_run",
            run: |door| {
                script(
                    door,
                    "look() { seen $1; echo $1 $(status); go $1; }; \
                     oci create c & look prestart; look createRuntime; look createContainer; wait $!; \
                     oci start c & look startContainer; look poststart; wait $!; \
                     stop; oci delete c & look poststop; wait $!; oci list -q",
                    "prestart creating\ncreateRuntime creating\ncreateContainer creating\n\
                     startContainer created\npoststart running\npoststop stopped\n",
                )
            },
        },
        Case {
            // A create is undone then, a start and a delete go on; hooks of what is undone are gone.
            name: "state_callers_killed_while_hooks_run",
            run: |door| {
                script(
                    door,
                    "all_but() { rm -f /run/observed/*; for kind in $all; do [ $kind = $1 ] || go $kind; done; }; \
                     killed() { seen $1; kill -9 $2; wait $2 2>/dev/null; echo $1 $?; }; \
                     for hook in prestart createRuntime createContainer; do all_but $hook; \
                     oci create c & killed $hook $!; until [ -z \"$(oci list -q)\" ]; do sleep 0.1; done; \
                     until [ \"$(ps -o args | grep -c '[g]o-$0')\" = 0 ]; do sleep 0.1; done; done; \
                     for hook in startContainer poststart; do all_but $hook; oci create c; \
                     oci start c & killed $hook $!; go $hook; until [ \"$(status)\" = running ]; do sleep 0.1; done; \
                     oci delete -f c; done; \
                     all_but poststop; oci create c; stop; oci delete c & killed poststop $!; status; go poststop; \
                     until [ -z \"$(oci list -q)\" ]; do sleep 0.1; done",
                    "prestart 137\ncreateRuntime 137\ncreateContainer 137\nstartContainer 137\npoststart 137\n\
                     poststop 137\nstopped\n",
                )
            },
        },
    ]
}

/// Runs a script in a bundle whose hooks wait until they may end: it must print exactly `expected`
/// and leave nothing.
fn script(door: &Door, script: &str, expected: &str) -> Result<(), Failure> {
    let tools = "all='prestart createRuntime createContainer startContainer poststart poststop'; \
                 go() { touch /run/observed/go-$1; }; \
                 seen() { until [ -e /run/observed/in-$1 ]; do sleep 0.1; done; }; \
                 status() { oci state c | sed -n 's/.*\"status\": \"\\(.*\\)\",/\\1/p'; }; \
                 stop() { oci kill c KILL; until [ \"$(status)\" = stopped ]; do sleep 0.1; done; }; \
                 mkdir /run/observed; cd /bundles/observed";
    door.machine()
        .bundle("observed")
        .timeout(100)
        .run(&[
            "/bin/sh",
            "-c",
            &format!("{tools}; {script}; rm -r /run/observed"),
        ])?
        .code(0)?
        .stdout_is(expected)?
        .done()
}
