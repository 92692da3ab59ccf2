//! Control groups as a person at the shell has them, and as a container sees them.

use crate::case::Case;

/// The cases of this area.
pub fn cases() -> Vec<Case> {
    vec![
        Case {
            // A group of 16 tasks has never more than that, whatever they do; outside nothing is
            // felt of it, and one write ends it.
            name: "groups_stop_a_bomb",
            run: |door| {
                let script = "cd /sys/fs/cgroup; echo +pids >cgroup.subtree_control; mkdir bomb; \
                echo 16 >bomb/pids.max; \
                (echo 0 >bomb/cgroup.procs; b() { b & b & }; while :; do b; done) 2>/dev/null & \
                until grep -q 'max [1-9]' bomb/pids.events; do sleep 0.1; done; \
                cat bomb/pids.peak; grep populated bomb/cgroup.events; \
                rmdir bomb 2>&1; echo 1 >bomb/cgroup.kill; wait; \
                until rmdir bomb 2>/dev/null; do sleep 0.1; done; \
                echo -pids >cgroup.subtree_control; cat cgroup.subtree_control; grep -c . cgroup.stat";
                door.machine()
                    .timeout(60)
                    .run(&["/bin/sh", "-c", script])?
                    .code(0)?
                    .stdout_is("16\npopulated 1\nrmdir: 'bomb': Device or resource busy\n\n2\n")?
                    .done()
            },
        },
        Case {
            // A container with a namespace of its own is at the root of what it sees of the tree.
            name: "groups_begin_in_a_container",
            run: |door| {
                let script = "mkdir /tmp/b; sed '/process_arg/d; s,=rootfs,=/bundles/limits/rootfs,' /bundles/limits/config.kv \
                >/tmp/b/config.kv; printf '%s\\n' namespace=cgroup process_arg=sh process_arg=-c \
                'process_arg=cat /proc/self/cgroup; readlink /proc/self/ns/cgroup' \
                >>/tmp/b/config.kv; oci run -b /tmp/b c >/run/out; head -1 /run/out; \
                grep -c 'cgroup:\\[' /run/out; grep -c $(readlink /proc/self/ns/cgroup | tr -dc 0-9) /run/out; \
                rm -rf /tmp/b /run/out";
                door.machine()
                    .bundle("limits")
                    .timeout(60)
                    .run(&["/bin/sh", "-c", script])?
                    .code(0)?
                    .stdout_is("0::/\n1\n0\n")?
                    .done()
            },
        },
    ]
}
