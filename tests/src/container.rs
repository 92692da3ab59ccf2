//! Containers, observed from inside and through the command line that callers of runc know.

use crate::case::Case;

/// The cases of this area.
pub fn cases() -> Vec<Case> {
    vec![
        lifecycle(),
        Case {
            name: "container_plan",
            run: |door| {
                let outcome = door
                    .machine()
                    .bundle("hello")
                    .run(&["/bin/sh", "-c", PLAN])?;
                outcome
                    .code(0)?
                    .stdout_line("steps ok")?
                    .stdout_line("refused: process_exec_cpus_initial=0: this kernel does not support CPU affinity of processes added by exec")?
                    .stdout_line("refused: rdt_clos_id=x: this kernel does not support resctrl")?
                    .stdout_line("refused: mount=/n:nfs:h: unknown file system type \"nfs\"")?
                    .stdout_line("json ok")?
                    .stdout_line("none made")?
                    .done()
            },
        },
        Case {
            // Each option beside the same directory without it.
            name: "container_mount_options",
            run: |door| {
                door.machine()
                    .bundle("mounts")
                    .run(&["/bin/sh", "-c", MOUNTS])?
                    .code(0)?
                    .stdout_is(
                        "noatime: no\nplain: yes\nplain: yes\nnosuid: no\nplain: yes\nnodev: no\n\
                         plain: yes\nnoexec: no\nplain: yes\nnosymfollow: no\nplain: yes\nro: no\n\
                         plain: no\nall: yes\n",
                    )?
                    .done()
            },
        },
    ]
}

/// The directory that the bundle binds, with something in it for every option.
const MOUNTS: &str = "mkdir -p /shared/sub; cd /shared; cp /bin/probe /bundles/mounts/look .; \
    chmod 4755 probe; mknod null c 1 3; echo text >file; ln -s file link; chmod 777 . null; \
    mount -t tmpfs inner sub; touch sub/inner; touch -a -d @946684800 file; \
    oci run -b /bundles/mounts c; umount sub; cd /; rm -r /shared";

/// A plan is told, nothing is done; every refusal is there, and the exit code says so.
const PLAN: &str = "set -e; cd /bundles/hello; \
    oci plan --explain . >/tmp/told; grep -q '^create:' /tmp/told; \
    grep -q 'R-1  *find the root rootfs' /tmp/told; grep -q 'undo: let the directory go' /tmp/told; \
    grep -q 'O-start-2 P-5 P-6  *load program' /tmp/told; grep -q 'O-delete-3' /tmp/told; \
    if grep refused /tmp/told; then exit 9; fi; \
    oci plan >/tmp/steps; grep -qx 'create: find the root rootfs' /tmp/steps; \
    grep -qx 'delete: release id' /tmp/steps; echo steps ok; \
    mkdir /tmp/b; printf 'root_path=r\\nnamespace=mount\\nprocess_arg=a\\nprocess_exec_cpus_initial=0\\n\
rdt_clos_id=x\\nmount=/n:nfs:h\\n' >/tmp/b/config.kv; \
    if oci plan --explain /tmp/b >/tmp/told; then exit 9; fi; grep '^refused' /tmp/told; \
    if oci plan --format json /tmp/b >/tmp/json; then exit 9; fi; \
    grep -q '\"key\": \"rdt_clos_id\"' /tmp/json; echo json ok; \
    printf 'nonsense' >/tmp/b/config.kv; if oci plan /tmp/b 2>/tmp/error; then exit 9; fi; \
    grep -q 'line 1: nonsense: expected key=value' /tmp/error; \
    [ -z \"$(oci list -q)\" ]; echo none made";

fn lifecycle() -> Case {
    Case {
        name: "container_lifecycle",
        run: |door| {
            let script = "set -e; cd /bundles/hello; oci create c1; oci state c1 | grep -o '\"status\": *\"[a-z]*\"'; \
                          oci start c1; until oci state c1 | grep -q stopped; do sleep 0.1; done; oci delete c1; \
                          if oci state c1 2>/dev/null; then exit 9; fi; echo done";
            door.machine()
                .bundle("hello")
                .run(&["/bin/sh", "-c", script])?
                .code(0)?
                .stdout_line("hello from inside as pid 1")?
                .stdout_line("done")?
                .done()
        },
    }
}
