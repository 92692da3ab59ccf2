//! What a container cannot do to the outside, tried from inside by root, as its program and as its
//! `startContainer` hook.

use crate::case::Case;

/// The cases of this area.
pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "isolation_of_ipc",
            run: |door| {
                let script = "cd /tmp; \
                with() { mkdir -p $1; sed \"s,namespace=ipc,namespace=$2,; s/VERB/$3/\" /bundles/ipc/config.kv >$1/config.kv; }; \
                probe ipc make 7; with own ipc find; oci run -b own c; \
                with all ipc find; sed -i /namespace=ipc/d all/config.kv; oci run -b all c; \
                with holder ipc hold; oci create -b holder holder; oci start holder; \
                pid=$(oci state holder | sed -n 's/.*\"pid\": \\([0-9]*\\).*/\\1/p'); \
                until nsenter -t $pid -i probe ipc find 7 | grep found; do sleep 0.1; done; \
                probe ipc drop 7; probe ipc find 7; oci run -b own c; \
                with joined ipc:/proc/$pid/ns/ipc find; oci run -b joined c; \
                with bad ipc:/proc/$pid/ns/uts find; oci run -b bad c 2>&1 | sed \"s,.*msg=,,; s,/$pid/,/PID/,\"; \
                with worse ipc:/nowhere find; oci run -b worse c 2>&1 | sed s/.*msg=//; \
                oci kill holder KILL; oci delete -f holder; oci list -q";
                door.machine()
                    .bundle("ipc")
                    .timeout(60)
                    .run(&["/bin/sh", "-c", script])?
                    .code(0)?
                    .stdout_is(APART)?
                    .done()
            },
        },
        Case {
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
        },
    ]
}

/// Containers with ipc namespaces of their own, the system's, one of another container.
const APART: &str = "\
made
nothing
found
made
holding
found
nothing
nothing
found
\"namespace=ipc:/proc/PID/ns/uts: invalid argument\"
\"namespace=ipc:/nowhere: no such file or directory\"
";

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
