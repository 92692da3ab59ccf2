//! /proc and /sys as the tools of busybox show them.

use crate::case::Case;

/// What the tools print that is the same in every run.
const TOOLS: &str = "ps -o pid,ppid,comm | sed -n 2p; pidof init; nproc; id -u; who | wc -l
mount | grep sysfs; df /tmp | tail -n 1 | awk '{print $1, $6}'; stat -f /sys | grep -o 'Type: .*'
netstat -a | wc -l; route | wc -l; top -bn1 | grep -o '^Load average: '; uptime | grep -o 'load average: '
free | awk '/^Mem/ {print ($2 > $3) (NF)}'; lsmod 2>/dev/null | wc -l
read -r name < /proc/$$/comm; echo $name; tr '\\0' ' ' < /proc/1/cmdline; echo";

const PRINTED: &str = "    1     0 init\n1\n1\n0\n0\n\
    sysfs on /sys type sysfs (rw,nosuid,nodev,relatime)\ntmpfs /tmp\nType: sysfs\n\
    4\n2\nLoad average: \nload average: \n17\n1\nsh\n/init \n";

/// The cases of this area.
pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "procfs_tools",
            run: |door| door.sh(TOOLS)?.code(0)?.stdout_is(PRINTED)?.done(),
        },
        Case {
            name: "procfs_settings",
            run: |door| {
                let script = "sysctl -a > /tmp/all; echo $?; grep -c = /tmp/all > /dev/null && echo some; \
                              sysctl -w kernel.hostname=other; hostname; sysctl -n kernel.hostname; \
                              echo x > /proc/sys/kernel/ostype || sysctl -n kernel.ostype";
                door.sh(script)?
                    .stdout_is("0\nsome\nkernel.hostname = other\nother\nother\nLinux\n")?
                    .stderr_has("/proc/sys/kernel/ostype: Permission denied")?
                    .done()
            },
        },
        Case {
            name: "procfs_in_a_container",
            run: |door| {
                door.machine()
                    .bundle("views")
                    .run(&["/bin/sh", "-c", "oci run -b /bundles/views c1"])?
                    .stdout_is(
                        "sysfs /sys sysfs ro,nosuid,nodev,noexec,relatime 0 0\n\
                         block\nclass\ndevices\nfirmware\nfs\nkernel\n0\n\
                         PID   COMMAND\n    1 sh\n    5 ps\n/bin/busybox\ninside\n3\n",
                    )?
                    .stderr_has("mkdir: can't create directory '/sys/x': Operation not permitted")?
                    .done()
            },
        },
    ]
}
