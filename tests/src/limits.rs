//! Limits that a program inside feels, and nobody outside.

use crate::case::{Case, Failure};
use crate::door::Door;

/// The cases of this area.
pub fn cases() -> Vec<Case> {
    vec![
        Case {
            // Whatever a container takes for ever, it is killed for it: pages, page tables, areas,
            // files, pipes, sockets, processes. Of what is small it must not have more than a MiB:
            // other limits come first else.
            name: "limits_memory_of_every_kind",
            run: |door| {
                script(
                    door,
                    "for kind in memory page-tables areas bytes inodes pipes sockets events tasks; do \
                     case $kind in areas|events) limit=1048576 ;; *) limit=8388608 ;; esac; \
                     sed \"s/=memory$/=$kind/; s/memory_limit=.*/memory_limit=$limit/\" config.kv >/tmp/b/config.kv; \
                     oci run -b /tmp/b c >/run/out 2>&1; echo $kind $? $(grep -c 'ran out of memory' /run/out); \
                     grep then /run/out; done",
                    "memory 137 1\npage-tables 137 1\nareas 137 1\nbytes 137 1\ninodes 137 1\npipes 137 1\n\
                     sockets 137 1\nevents 137 1\ntasks 137 1\n",
                )
            },
        },
        Case {
            // The shell inside is small and lives; its child is what grows, and is killed.
            name: "limits_memory_kills_the_largest",
            run: |door| {
                script(
                    door,
                    "sed '/process_arg/d' config.kv >/tmp/b/config.kv; \
                     printf '%s\\n' process_arg=sh process_arg=-c \
                     'process_arg=probe eat memory; echo child $?; sleep 1000' >>/tmp/b/config.kv; \
                     oci run -d -b /tmp/b c >/run/out; until grep child /run/out; do sleep 0.1; done; \
                     oci events --stats c | grep -o '\"limit\":8388608\\|\"oom_kill\":1'; \
                     oci delete -f c",
                    "child 137\n\"limit\":8388608\n\"oom_kill\":1\n",
                )
            },
        },
        Case {
            // Each time a small program holds 3.5 MiB and a large one wants 5 of 8.
            name: "limits_memory_kills_by_adjustment",
            run: |door| {
                script(
                    door,
                    "sed '/process_arg/d' config.kv >/tmp/b/config.kv; \
                     printf '%s\\n' process_arg=sh process_arg=-c 'process_arg=for adjustment in 1000 0; do \
                     rm -f /tmp/f; mkfifo /tmp/f; exec 3<>/tmp/f; \
                     sh -c \"echo $adjustment >/proc/self/oom_score_adj; exec dd if=/dev/zero bs=3500k count=1\" >/tmp/f & \
                     small=$!; dd bs=1 count=1 <&3 >/dev/null; \
                     dd if=/dev/zero of=/dev/null bs=5M count=1; echo $adjustment: large $?; \
                     kill $small; wait $small; echo small $?; done' >>/tmp/b/config.kv; \
                     oci run -b /tmp/b c 2>/dev/null",
                    "1000: large 0\nsmall 137\n0: large 137\nsmall 143\n",
                )
            },
        },
        Case {
            name: "limits_tasks",
            run: |door| {
                script(
                    door,
                    "sed 's/=memory$/=tasks/; s/memory_limit.*/pids_limit=20/' config.kv >/tmp/b/config.kv; \
                     oci run -b /tmp/b c 2>&1; echo $?; \
                     sed 's/=memory$/=tasks/; s/memory_limit.*/pids_limit=0/' config.kv >/tmp/b/config.kv; \
                     oci run -b /tmp/b c 2>&1; echo $?",
                    "probe: 19 tasks, then Resource temporarily unavailable (os error 11)\n3\n\
                     probe: 0 tasks, then Resource temporarily unavailable (os error 11)\n3\n",
                )
            },
        },
        Case {
            // A fork bomb and an allocation loop: the shell outside answers, and both end at its word.
            name: "limits_leave_the_outside_alone",
            run: |door| {
                script(
                    door,
                    "sed '/process_arg/d; s/memory_limit.*/pids_limit=64/' config.kv >/tmp/b/config.kv; \
                     printf '%s\\n' process_arg=sh process_arg=-c 'process_arg=bomb() { bomb | bomb & }; bomb; \
                     while :; do bomb; sleep 0.01; done' >>/tmp/b/config.kv; \
                     oci run -d -b /tmp/b bomb 2>/dev/null; \
                     sed '/process_arg/d' config.kv >/tmp/b/config.kv; \
                     printf '%s\\n' process_arg=sh process_arg=-c \
                     'process_arg=while :; do probe eat memory; done' >>/tmp/b/config.kv; \
                     oci run -d -b /tmp/b eater 2>/dev/null; \
                     for i in 1 2 3 4 5 6 7 8 9 10; do true | cat; /bin/true; done; echo answers; \
                     until oci events --stats bomb | grep -q '\"refused\":[1-9]'; do sleep 0.1; done; \
                     until oci events --stats eater | grep -q '\"oom_kill\":[1-9]'; do sleep 0.1; done; \
                     oci delete -f bomb; oci delete -f eater; oci list -q; echo over",
                    "answers\nover\n",
                )
            },
        },
    ]
}

/// Runs a script in `/bundles/limits`, with a bundle to be written in `/tmp/b` that has its root:
/// it must print exactly `expected` and leave nothing.
fn script(door: &Door, script: &str, expected: &str) -> Result<(), Failure> {
    door.machine()
        .bundle("limits")
        .timeout(100)
        .run(&[
            "/bin/sh",
            "-c",
            &format!(
                "cd /bundles/limits; mkdir /tmp/b; sed -i s,=rootfs,=/bundles/limits/rootfs, config.kv; {script}; \
                 rm -rf /tmp/b /run/out; true"
            ),
        ])?
        .code(0)?
        .stdout_is(expected)?
        .done()
}
