//! The memory of control groups: counters that are true, limits that are felt (cgroup v2).

use crate::case::{Case, Failure};
use crate::door::Door;

/// The cases of this area.
pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "memory_counters_are_those_of_known_work",
            run: |door| {
                script(
                    door,
                    "echo +memory >m/cgroup.subtree_control; /tmp/into m/c probe pages $PWD/m/c 100; \
                     grep -E '^(anon|file|pagetables) ' m/memory.stat; \
                     [ $(cat m/memory.peak) -gt $((100 * 4096)) ] && echo peak",
                    "start anon 0 file 0\nprivate anon 100 file 0\nshared anon 0 file 100\n\
                     file anon 0 file 100\nafter anon 0 file 0\n\
                     anon 0\nfile 0\npagetables 0\npeak\n",
                )
            },
        },
        Case {
            // A limit kills inside the group that has it; so does one set below what is used. What
            // happened is told where it happened and above.
            name: "memory_max_kills_inside",
            run: |door| {
                script(
                    door,
                    "echo +memory >m/cgroup.subtree_control; echo 8M >m/memory.max; /tmp/into m/c probe eat memory; echo $?; \
                     for f in m/memory.events m/memory.events.local m/c/memory.events.local; do \
                     echo $(grep -E '^oom' $f); done; \
                     grep -q '^max [1-9]' m/memory.events.local || echo no max; \
                     /tmp/into m/c dd if=/dev/zero of=/dev/null bs=6M count=1000000 & eater=$!; \
                     /tmp/into n dd if=/dev/zero of=/dev/null bs=6M count=1000000 & other=$!; \
                     until [ $(cat m/memory.current) -gt 6000000 ]; do sleep 0.05; done; \
                     until [ $(cat n/memory.current) -gt 6000000 ]; do sleep 0.05; done; \
                     echo 4M >m/memory.max; [ $(cat m/memory.current) -le 4194304 ] && echo fits; \
                     wait $eater; echo $?; kill $other; wait $other; echo $?",
                    "137\noom 1 oom_kill 1 oom_group_kill 0\noom 1 oom_kill 0 oom_group_kill 0\n\
                     oom 0 oom_kill 1 oom_group_kill 0\nfits\n137\n143\n",
                )
            },
        },
        Case {
            // The last of it at an eighth more than it should have: a second and more. Who is ended
            // meanwhile ends.
            name: "memory_high_slows_down",
            run: |door| {
                script(
                    door,
                    "echo +memory >m/cgroup.subtree_control; echo 8M >m/memory.high; start=$(cut -d. -f1 /proc/uptime); \
                     /tmp/into m/c dd if=/dev/zero of=/dev/null bs=9M count=1 2>/dev/null; echo $?; \
                     [ $(cut -d. -f1 /proc/uptime) -gt $start ] && echo slow; \
                     grep -E '^high [1-9]' m/memory.events.local | cut -c1-4; \
                     grep -E '^(max|oom)' m/memory.events; \
                     /tmp/into m/c sh -c 'while :; do dd if=/dev/zero of=/dev/null bs=64M count=1; done' \
                     2>/dev/null & sleep 0.5; echo 1 >m/cgroup.kill; wait $!; echo $?",
                    "0\nslow\nhigh\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n137\n",
                )
            },
        },
        Case {
            name: "memory_group_is_killed_together",
            run: |door| {
                script(
                    door,
                    "echo 1 >m/memory.oom.group; echo 8M >m/memory.max; \
                     /tmp/into m sleep 1000 & inside=$!; /tmp/into n sleep 1000 & outside=$!; \
                     /tmp/into m sh -c 'echo -1000 >/proc/self/oom_score_adj; exec sleep 1000' & spared=$!; \
                     until [ $(wc -l <m/cgroup.procs) = 2 ]; do sleep 0.05; done; \
                     until grep -q -e -1000 /proc/$spared/oom_score_adj; do sleep 0.05; done; \
                     /tmp/into m probe eat memory; echo $?; wait $inside; echo $?; \
                     echo $(grep -E '^oom' m/memory.events); \
                     kill $outside; wait $outside; echo $?; kill $spared; wait $spared; echo $?",
                    "137\n137\noom 1 oom_kill 2 oom_group_kill 1\n143\n143\n",
                )
            },
        },
        Case {
            // Files take numbers as Linux's do, and what they refuse changes nothing.
            name: "memory_files_refuse",
            run: |door| {
                script(
                    door,
                    "for file in max high low min; do for value in '' -1 1x 1M2 Max 99999999999999999999 16E; do \
                     echo \"$value\" >m/memory.$file && echo took \"$value\"; done; \
                     echo $(cat m/memory.$file); echo 0x4800 >m/memory.$file; cat m/memory.$file; \
                     echo max >m/memory.$file; done; \
                     for value in 2 -1 x ''; do echo $value >m/memory.oom.group && echo took $value; done; \
                     echo 1M >m/memory.swap.max && echo swaps; echo 1M >m/memory.reclaim && echo reclaims; \
                     for file in current peak stat events swap.current; do echo 1 >m/memory.$file && echo $file; done; \
                     cat m/memory.oom.group m/memory.swap.max",
                    "max\n16384\nmax\n16384\n0\n16384\n0\n16384\n0\n0\n",
                )
            },
        },
    ]
}

/// Runs a script among the control groups `m`, `m/c` and `n`, with `/tmp/into GROUP CMD` to run a
/// command in one: it must print exactly `expected` and leave nothing.
fn script(door: &Door, script: &str, expected: &str) -> Result<(), Failure> {
    door.machine()
        .timeout(100)
        .run(&[
            "/bin/sh",
            "-c",
            &format!(
                "cd /sys/fs/cgroup && echo +memory +pids >cgroup.subtree_control && mkdir -p $PWD/m/c $PWD/n || exit 1; \
                 printf '%s\\n' '#!/bin/sh' 'echo $$ >$1/cgroup.procs; shift; exec \"$@\"' >/tmp/into; chmod +x /tmp/into; \
                 {script}; rmdir m/c m n; rm /tmp/into"
            ),
        ])?
        .code(0)?
        .stdout_is(expected)?
        .done()
}
