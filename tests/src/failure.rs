//! What goes wrong leaves nothing behind, and a verb in the wrong state is refused.

use crate::case::{Case, Failure};
use crate::door::Door;

/// The cases of this area.
pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "failure_missing_root",
            run: |door| {
                script(
                    door,
                    "oci create -b no-root c 2>/dev/null; echo $?; oci list -q",
                    "1\n",
                )
            },
        },
        Case {
            // The message names the mount; the directory that was made for another one is gone.
            name: "failure_bad_mount",
            run: |door| {
                script(
                    door,
                    "mkdir -p /tmp/b/rootfs; printf '%s\\n' root_path=rootfs process_arg=/x \
                     namespace=mount mount=/made:tmpfs:tmpfs mount=/data:bind:/no/such:rbind \
                     >/tmp/b/config.kv; oci create -b /tmp/b c 2>&1 | grep -c 'mount=/data:bind:/no/such'; \
                     oci list -q; ls /tmp/b/rootfs; rm -r /tmp/b",
                    "1\n",
                )
            },
        },
        Case {
            // The specification's order: no container, then its poststop hooks.
            name: "failure_hook_fails",
            run: |door| {
                script(
                    door,
                    "oci create -b hook-fails c 2>/dev/null; echo $?; oci list -q; ls /run/poststop-ran",
                    "1\n/run/poststop-ran\n",
                )
            },
        },
        Case {
            // Steps 7 and 9: the hooks of start, too, take the container along, and say why.
            name: "failure_hook_of_start_fails",
            run: |door| {
                script(
                    door,
                    "for kind in starts posts; do oci create -b hook-$kind c; oci start c 2>&1 | grep -o 'running[^\"]*'; \
                     oci list -q; rm /run/poststop-ran; ps -o args | grep -c '^/bin/sleep 1000'; done",
                    "running startContainer hook #0: exit status 3, output: no luck\n0\n\
                     running poststart hook #0: exit status 3, output: no luck\n0\n",
                )
            },
        },
        Case {
            name: "failure_hook_times_out",
            run: |door| {
                script(
                    door,
                    "oci create -b hook-hangs c 2>/dev/null; echo $?; oci list -q; ps -o args | grep -c '^sleep 2000'",
                    "1\n0\n",
                )
            },
        },
        Case {
            // A fatal signal to the creator undoes the create, and takes the hook along.
            name: "failure_creator_is_killed",
            run: |door| {
                script(
                    door,
                    "oci create -b hook-slow c 2>/dev/null & \
                     until ps -o args | grep -q '^sleep 2000'; do sleep 0.1; done; \
                     kill -9 $!; wait $!; echo $?; \
                     until [ \"$(ps -o args | grep -c '^sleep 2000')\" = 0 ]; do sleep 0.1; done; \
                     oci list -q; echo over",
                    "137\nover\n",
                )
            },
        },
        Case {
            name: "failure_id_is_taken",
            run: |door| {
                script(
                    door,
                    "oci create -b sleeps c; oci create -b sleeps c 2>/dev/null; echo $?; oci list -q; \
                     oci delete -f c; oci create -b sleeps c; echo $?; oci delete -f c; oci list -q",
                    "1\nc\n0\n",
                )
            },
        },
        Case {
            name: "failure_bad_ids",
            run: |door| {
                script(
                    door,
                    "for id in ../c a/b .hidden 'a b' \"$(printf 'x%.0s' $(seq 129))\"; do \
                     oci create -b sleeps -- \"$id\" 2>/dev/null && echo \"accepted $id\"; done; \
                     oci create -b sleeps \"$(printf 'x%.0s' $(seq 128))\" && oci delete -f \"$(printf 'x%.0s' $(seq 128))\"; \
                     oci list -q | wc -c",
                    "0\n",
                )
            },
        },
        Case {
            name: "failure_verbs_in_wrong_states",
            run: |door| {
                script(
                    door,
                    "try() { \"$@\" >/dev/null 2>&1 && echo \"$*: accepted\" || echo \"$*: refused\"; }; \
                     try oci start c; try oci kill c KILL; try oci delete c; \
                     oci create -b sleeps c; \
                     oci start c; try oci start c; try oci delete c; \
                     oci kill c KILL; until oci state c | grep -q stopped; do sleep 0.1; done; \
                     try oci start c; try oci kill c KILL; oci delete c; try oci state c",
                    "oci start c: refused\noci kill c KILL: refused\noci delete c: refused\n\
                     oci start c: refused\noci delete c: refused\n\
                     oci start c: refused\noci kill c KILL: refused\noci state c: refused\n",
                )
            },
        },
        Case {
            // Neither sessions of their own nor parents that have ended save what a hook started.
            name: "failure_hook_does_not_escape_its_time",
            run: |door| {
                script(
                    door,
                    "oci create -b hook-escapes c 2>&1 | grep -o 'timeout of 1s'; oci list -q; ls /run/escaped /run/poststop-ran; \
                     ps -o args | grep -c '^sleep 3000'",
                    "timeout of 1s\n/run/escaped\n/run/poststop-ran\n0\n",
                )
            },
        },
        Case {
            name: "failure_poststop_warns",
            run: |door| {
                script(
                    door,
                    "oci create -b hook-stops c; oci delete c 2>/run/warning; echo $?; oci list -q; \
                     grep -o 'poststop hook.*exit status 4, output: too late' /run/warning; rm /run/warning",
                    "0\npoststop hook #0: exit status 4, output: too late\n",
                )
            },
        },
        Case {
            name: "failure_hook_kills_the_first_task",
            run: |door| {
                script(
                    door,
                    "oci create -b hook-kills c 2>&1 | grep -o 'process was killed'; oci list -q; \
                     oci create -b sleeps c && oci delete c",
                    "process was killed\n",
                )
            },
        },
        Case {
            // Without a pid namespace only delete ends what the program left, with whatever parents.
            name: "failure_nobody_outlives_delete",
            run: |door| {
                script(
                    door,
                    "oci create -b no-pid c; oci start c; until oci state c | grep -q stopped; do sleep 0.1; done; \
                     until [ \"$(ps -o args | grep -c '^sleep 4000')\" = 3 ]; do sleep 0.1; done; \
                     oci delete c; ps -o args | grep -c '^sleep 4000'",
                    "0\n",
                )
            },
        },
        Case {
            name: "failure_one_of_many_wins",
            run: |door| {
                script(
                    door,
                    "mkdir /run/v; race() { told=$1; shift; rm -f /run/v/*; \
                     for i in $(seq 20); do { \"$@\" 2>/run/v/e$i; echo $? >/run/v/r$i; } & done; wait; \
                     echo $(grep -lx 0 /run/v/r* | wc -l) won, $(cat /run/v/e* | grep -c \"$told\") were told; }; \
                     race 'already exists' oci create -b sleeps c; race 'in progress\\|already running' oci start c; \
                     oci kill c KILL; until oci state c | grep -q stopped; do sleep 0.1; done; \
                     race 'in progress\\|does not exist' oci delete c; race . oci delete -f c; rm -r /run/v; oci list -q",
                    "1 won, 19 were told\n1 won, 19 were told\n1 won, 19 were told\n20 won, 0 were told\n",
                )
            },
        },
        Case {
            // Whatever is done at the same time, nothing is left at the end.
            name: "failure_all_verbs_at_once",
            run: |door| {
                script(
                    door,
                    "many() { for i in 1 2 3 4 5 6; do \"$@\" 2>/dev/null; done; }; for round in 1 2 3; do \
                     many oci create -b sleeps c & many oci start c & many oci kill c KILL & many oci delete c & \
                     many oci delete -f c & many oci create -b hook-starts c & many oci create -b hook-stops c & wait; \
                     oci delete -f c 2>/dev/null; oci list -q; done; rm -f /run/poststop-ran; \
                     ps -o args | grep -c '^/bin/sleep 1000'",
                    "0\n",
                )
            },
        },
    ]
}

/// Runs a script in `/bundles/failure`: it must print exactly `expected`, and leave nothing (init's audit fails the run otherwise).
fn script(door: &Door, script: &str, expected: &str) -> Result<(), Failure> {
    door.machine()
        .bundle("failure")
        .timeout(100)
        .run(&[
            "/bin/sh",
            "-c",
            &format!("cd /bundles/failure; {script}; true"),
        ])?
        .code(0)?
        .stdout_is(expected)?
        .done()
}
