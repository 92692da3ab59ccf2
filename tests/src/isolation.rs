//! What a container cannot do to the outside, tried from inside by root, as its program and as its
//! `startContainer` hook.

use crate::case::Case;

/// The cases of this area.
pub fn cases() -> Vec<Case> {
    vec![Case {
        name: "isolation_of_authority",
        run: |door| {
            let script = "cd /bundles/confined; echo secret >/run/outside; mkdir /tmp/b; \
                          sed 's,=rootfs,=/bundles/confined/rootfs,; s/OUTSIDE//' config.kv >/tmp/b/config.kv; \
                          oci create -b /tmp/b victim; sleep 1000 & \
                          embryo=$(oci state victim | sed -n 's/.*\"pid\": \\([0-9]*\\).*/\\1/p'); \
                          sed -i \"s/OUTSIDE/$$ $! $embryo/\" config.kv; oci run c; \
                          hostname; oci state victim | grep -c '\"status\": \"created\"'; oci list -q; kill $! && echo alive; \
                          oci delete victim; rm -r /tmp/b /run/outside";
            door.machine()
                .bundle("confined")
                .timeout(60)
                .run(&["/bin/sh", "-c", script])?
                .code(0)?
                .stdout_is(EXPECTED)?
                .done()
        },
    }]
}

const EXPECTED: &str = "\
container calls: ENOSYS
signals to processes outside: ESRCH
signals to process groups outside: ESRCH
signals to everybody: ESRCH
questions about processes outside: ESRCH
changes of processes outside: ESRCH
calls that reach out: ENOSYS
memory of processes outside: ESRCH
processes in /proc that are not in here: 0
/proc of processes outside: ENOENT
ways to a file outside: ENOENT
open directories: 0
devices of the outside: ENOENT
nodes of devices: EPERM
the kernel log: EPERM
mounts: EPERM
another root: EPERM
namespaces: EPERM
the host name: EPERM
capabilities: EPERM
the machine: EPERM
\"this kernel has no container calls, or none for this process\"
\"this kernel has no container calls, or none for this process\"
\"this kernel has no container calls, or none for this process\"
\"this kernel has no container calls, or none for this process\"
\"this kernel has no container calls, or none for this process\"
berth
1
victim
alive
";
