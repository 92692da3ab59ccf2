//! What a container's control group is set to by its configuration and by update, as seen from
//! inside, in /sys/fs/cgroup, and by what the shim tells.

use crate::case::{Case, Failure};
use crate::door::Door;

/// The cases of this area.
pub fn cases() -> Vec<Case> {
    vec![Case {
        // Of the default devices everything is allowed, of others nothing but what the rules
        // say, in their order; nobody outside is told anything.
        name: "resources_devices",
        run: |door| {
            script(
                door,
                "inside 'mkdir /tmp/d; cd /tmp/d; for d in 1.3 1.5 1.9 5.0 5.2 136.0 1.11 4.64 5.1 240.0; do \
                 mknod $d c ${d%.*} ${d#*.} 2>/dev/null && echo made $d; done; \
                 mknod b b 1 3 2>&1; head -c 1 1.5 | wc -c; mknod f p && echo fifo; \
                 true </dev/kmsg' \
                 \"mount=/dev/kmsg:bind:/dev/kmsg:bind\"; \
                 look='for d in /dev/kmsg /dev/ttyS0; do for way in \"<\" \">\" \"<>\"; do \
                 eval \"true $way $d\" 2>/dev/null && echo \"$way $d\"; done; done; mknod /tmp/k c 1 11 2>/dev/null && echo made; \
                 mknod /tmp/n c 1 3 && echo made null'; \
                 both='mount=/dev/kmsg:bind:/dev/kmsg:bind mount=/dev/ttyS0:bind:/dev/ttyS0:bind'; \
                 for rules in deny:a 'allow:c:1:11:r' 'allow:c:1:*:rw allow:c:4:64' 'allow:a deny:c:1:11:wm deny:c:4'; do \
                 echo $rules:; lines=; for r in $rules; do lines=\"$lines cgroup_device=$r\"; done; \
                 inside \"$look\" $both $lines; done; true </dev/kmsg && echo outside",
                "made 1.3\nmade 1.5\nmade 1.9\nmade 5.0\nmade 5.2\nmade 136.0\n\
                 mknod: b: Operation not permitted\n1\nfifo\n\
                 sh: can't open /dev/kmsg: Operation not permitted\n\
                 deny:a:\nmade null\n\
                 allow:c:1:11:r:\n< /dev/kmsg\nmade null\n\
                 allow:c:1:*:rw allow:c:4:64:\n< /dev/kmsg\n> /dev/kmsg\n<> /dev/kmsg\n\
                 < /dev/ttyS0\n> /dev/ttyS0\n<> /dev/ttyS0\nmade null\n\
                 allow:a deny:c:1:11:wm deny:c:4:\n< /dev/kmsg\nmade null\noutside\n",
            )
        },
    }]
}

/// Runs a script that must print exactly `expected` and leave nothing. In it `inside SCRIPT
/// LINE...` runs a container of the bundle `limits` with a shell script as its program and more
/// lines in its configuration.
fn script(door: &Door, script: &str, expected: &str) -> Result<(), Failure> {
    let tools = "config() { sed '/process_arg/d; /memory_limit/d; s,=rootfs,=/bundles/limits/rootfs,' \
                 /bundles/limits/config.kv; printf '%s\\n' process_arg=sh process_arg=-c \"process_arg=$1\" \
                 process_capability=bounding:CAP_MKNOD,CAP_SYSLOG \
                 process_capability=permitted:CAP_MKNOD,CAP_SYSLOG \
                 process_capability=effective:CAP_MKNOD,CAP_SYSLOG; \
                 shift; for line in \"$@\"; do echo \"$line\"; done; }; \
                 inside() { config \"$@\" >/tmp/b/config.kv; oci run -b /tmp/b c 2>&1; }";
    door.machine()
        .bundle("limits")
        .timeout(100)
        .run(&[
            "/bin/sh",
            "-c",
            &format!("{tools}; mkdir /tmp/b; {script}; rm -rf /tmp/b /run/out; true"),
        ])?
        .code(0)?
        .stdout_is(expected)?
        .done()
}
