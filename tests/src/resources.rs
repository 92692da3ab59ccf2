//! What a container's control group is set to by its configuration and by update, as seen from
//! inside, in /sys/fs/cgroup, and by what the shim tells.

use crate::case::{Case, Failure};
use crate::door::Door;

/// The cases of this area.
pub fn cases() -> Vec<Case> {
    vec![devices(), pause(), update(), places(), ps(), events()]
}

fn devices() -> Case {
    Case {
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
    }
}

fn pause() -> Case {
    Case {
        // A loop that counts stands still, counts on, and ends by SIGKILL while it stands still.
        name: "resources_pause",
        run: |door| {
            script(
                door,
                "config 'while :; do echo >>/seen/n; done' mount=/seen:bind:/run/seen:bind >/tmp/b/config.kv; \
                 size() { wc -c </run/seen/n; }; \
                 more() { from=$(size); until [ $(size) -gt $from ]; do sleep 0.1; done; echo more; }; \
                 mkdir /run/seen; : >/run/seen/n; oci create -b /tmp/b c; oci pause c; status; oci start c; \
                 oci resume c; status; oci start c; more; \
                 oci pause c; status; oci list | grep -o paused; from=$(size); sleep 0.5; [ $(size) = $from ] && echo still; \
                 oci pause c; oci delete c; oci kill c TERM; status; \
                 oci resume c; status; oci resume c; more; \
                 oci pause c; oci kill c KILL; until [ $(status) = stopped ]; do sleep 0.1; done; status; \
                 oci pause c; oci resume c; oci update --pids-limit 5 c; oci delete c; \
                 oci run -d -b /tmp/b c; oci pause c; oci delete -f c; oci pause c",
                "paused\ntime=\"...\" level=error msg=\"cannot start a container in the paused state\"\n\
                 created\nmore\npaused\npaused\nstill\n\
                 time=\"...\" level=error msg=\"container not running: it is paused already\"\n\
                 time=\"...\" level=error msg=\"cannot delete container that is not stopped: paused\"\n\
                 paused\nrunning\ntime=\"...\" level=error msg=\"container not paused\"\nmore\nstopped\n\
                 time=\"...\" level=error msg=\"container not running: cannot pause a stopped container\"\n\
                 time=\"...\" level=error msg=\"container not running: cannot resume a stopped container\"\n\
                 time=\"...\" level=error msg=\"container not running: cannot update a stopped container\"\n\
                 time=\"...\" level=error msg=\"container \\\"c\\\" does not exist\"\n",
            )
        },
    }
}

fn update() -> Case {
    Case {
        // Limits that a program inside meets after it has begun; what is refused changes nothing.
        name: "resources_update",
        run: |door| {
            script(
                door,
                "config 'go() { until [ -e /seen/$1 ]; do sleep 0.1; done; }; go pids; probe eat tasks; \
                 go memory; dd if=/dev/zero of=/dev/null bs=6M count=1; echo dd $?; \
                 go cpu; while :; do :; done' mount=/seen:bind:/run/seen:bind >/tmp/b/config.kv; \
                 mkdir /run/seen; oci run -d -b /tmp/b c >/run/seen/out 2>&1; \
                 limits() { oci events --stats c | sed 's/.*\"usage\":{\"limit\":\\([0-9]*\\).*\"pids\":.*\"limit\":\\([0-9]*\\).*/\\1 \\2/'; }; \
                 heard() { until grep \"$1\" /run/seen/out; do sleep 0.1; done; }; \
                 oci update --pids-limit 20 --memory 64M --memory-reservation 1M c; limits; \
                 touch /run/seen/pids; heard 'then Resource'; \
                 oci update --memory 5M --pids-limit 9 --cpuset-cpus 1 c; \
                 oci update --memory 5M --memory-swap 4M c; oci update --memory 5M --memory-swap 6M c; \
                 oci update --memory 5M --cpu-share 1 c; oci update --memory 5M --cpu-burst 5 c; \
                 oci update --memory 5M --blkio-weight 10 c; oci update --memory x c; \
                 echo '{\"pids\":{\"limit\":8},\"memory\":{\"kernel\":5}}' | oci update -r - c; \
                 echo '{\"pids\":{\"limit\":8},\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":1}]}' | oci update -r - c; \
                 echo '{\"memory\":{\"limit\":4096,\"checkBeforeUpdate\":true}}' | oci update -r - c 2>&1 | sed 's/uses .*/uses more\"/'; limits; \
                 echo '{\"pids\":{\"limit\":40},\"memory\":{\"limit\":5242880}}' >/run/seen/r; oci update c -r /run/seen/r; limits; \
                 touch /run/seen/memory; heard '^dd'; \
                 oci update --cpu-quota 5000 --cpu-period 50000 --cpu-burst 1000 c; oci update --cpu-quota 500 c; \
                 oci update --cpu-quota 2000 --cpu-burst 0 --cpu-shares 512 --cpu-idle 0 --cpuset-cpus 0 --cpuset-mems 0-0 c; touch /run/seen/cpu; \
                 until oci events --stats c | grep -q 'throttledPeriods\":[1-9]'; do sleep 0.1; done; echo throttled; \
                 oci update --memory 4k c; until [ $(status) = stopped ]; do sleep 0.1; done; oci delete c; \
                 oci update --pids-limit 3 none",
                "67108864 20\nprobe: 18 tasks, then Resource temporarily unavailable (os error 11)\n\
                 time=\"...\" level=error msg=\"cpu_cpus=1: there is no other CPU than number 0\"\n\
                 time=\"...\" level=error msg=\"memory_swap=4194304: it counts memory and swap together, so it must be at least memory_limit\"\n\
                 time=\"...\" level=error msg=\"memory_swap=6291456: this kernel does not support swap limits\"\n\
                 time=\"...\" level=error msg=\"line 2: cpu_shares=1: expected a decimal number from 2 to 262144\"\n\
                 time=\"...\" level=error msg=\"cpu_burst=5: the burst must not be above cpu_quota\"\n\
                 time=\"...\" level=error msg=\"--blkio-weight: not enforced by this build\"\n\
                 time=\"...\" level=error msg=\"invalid value for memory: \\\"x\\\"\"\n\
                 time=\"...\" level=error msg=\"/linux/resources/memory/kernel: not enforced by this build\"\n\
                 time=\"...\" level=error msg=\"/linux/resources/hugepageLimits/0/limit: not enforced by this build\"\n\
                 time=\"...\" level=error msg=\"memory_limit=4096: the container uses more\"\n\
                 67108864 20\n5242880 40\ndd 137\n\
                 time=\"...\" level=error msg=\"line 1: cpu_quota=500: expected 0 for unlimited, or at least 1000 microseconds\"\n\
                 throttled\n\
                 time=\"...\" level=error msg=\"container \\\"none\\\" does not exist\"\n",
            )
        },
    }
}

fn places() -> Case {
    Case {
        // Where the container's group is; who has it; what is left of it.
        name: "resources_cgroups_path",
        run: |door| {
            script(
                door,
                "tree() { find /sys/fs/cgroup -type d | sed 1d | sort | tr '\\n' ' '; echo; }; \
                 try() { config 'cat /proc/self/cgroup' \"$@\" >/tmp/b/config.kv; oci create -b /tmp/b $name; }; \
                 name=a; try cgroups_path=/x/y; tree; name=b; try cgroups_path=/x/y; try cgroups_path=x//y/; \
                 try cgroups_path=/x/../y; try cgroups_path=//; try cgroups_path=/x/pids.max; try cgroups_path=/x/y/z; \
                 try cgroups_path=/x/z; tree; oci start a; until oci delete a 2>/dev/null; do sleep 0.1; done; tree; oci delete -f b; tree; \
                 name=c; try; tree; oci delete -f c; try cgroups_path=c; tree; oci delete -f c; \
                 mkdir /sys/fs/cgroup/p /sys/fs/cgroup/p/q; echo 77 >/sys/fs/cgroup/p/cgroup.max.depth; \
                 try cgroups_path=/p/q pids_limit=5 process_cwd=/dev/null; try cgroups_path=/p/q/r/s process_cwd=/dev/null; tree; \
                 cat /sys/fs/cgroup/cgroup.subtree_control; \
                 try cgroups_path=/p/q pids_limit=5 cpu_idle=1 unified=cgroup.max.depth=3 unified=pids.max=6; \
                 cat /sys/fs/cgroup/p/q/cpu.idle /sys/fs/cgroup/p/q/pids.max /sys/fs/cgroup/p/q/cgroup.max.depth; wc -l </sys/fs/cgroup/p/q/cgroup.procs; \
                 oci delete -f c; cat /sys/fs/cgroup/p/q/cgroup.max.depth; \
                 try unified=cgroup.max.depth=3 unified=pids.bogus=1; try unified=hugetlb.2MB.max=1; try unified=cgroup.procs=1; \
                 try unified=cgroup.max.depth=-1; try cpu_cpus=0-3; oci list -q; tree; rmdir /sys/fs/cgroup/p/q /sys/fs/cgroup/p; tree",
                "/sys/fs/cgroup/x /sys/fs/cgroup/x/y \n\
                 time=\"...\" level=error msg=\"cgroups_path=/x/y: another container has this cgroup\"\n\
                 time=\"...\" level=error msg=\"cgroups_path=x//y/: another container has this cgroup\"\n\
                 time=\"...\" level=error msg=\"cgroups_path=/x/../y: the path of a cgroup must not have . or .. in it\"\n\
                 time=\"...\" level=error msg=\"cgroups_path=//: the root of the cgroups cannot be a container's\"\n\
                 time=\"...\" level=error msg=\"cgroups_path=/x/pids.max: a file of the cgroups has this name\"\n\
                 time=\"...\" level=error msg=\"cgroups_path=/x/y/z: a cgroup above has processes in it, so it gives no controllers\"\n\
                 /sys/fs/cgroup/x /sys/fs/cgroup/x/y /sys/fs/cgroup/x/z \n\
                 0::/x/y\n/sys/fs/cgroup/x /sys/fs/cgroup/x/z \n\n\
                 /sys/fs/cgroup/c \n/sys/fs/cgroup/c \n\
                 time=\"...\" level=error msg=\"process_cwd=/dev/null: not a directory\"\n\
                 time=\"...\" level=error msg=\"process_cwd=/dev/null: not a directory\"\n\
                 /sys/fs/cgroup/p /sys/fs/cgroup/p/q \ncpuset cpu io memory pids\n\
                 1\n6\n3\n1\nmax\n\
                 time=\"...\" level=error msg=\"unified=pids.bogus: there is no such file in a cgroup\"\n\
                 time=\"...\" level=error msg=\"unified=hugetlb.2MB.max: there is no such file in a cgroup\"\n\
                 time=\"...\" level=error msg=\"unified=cgroup.procs: the file holds no setting\"\n\
                 time=\"...\" level=error msg=\"unified=cgroup.max.depth: ERANGE\"\n\
                 time=\"...\" level=error msg=\"cpu_cpus=0-3: there is no other CPU than number 0\"\n\
                 /sys/fs/cgroup/p /sys/fs/cgroup/p/q \n\n",
            )
        },
    }
}

fn ps() -> Case {
    Case {
        // Three processes in a pid namespace of their own, as the outside numbers them.
        name: "resources_ps",
        run: |door| {
            script(
                door,
                "config 'sleep 1001 & sleep 1002; true' >/tmp/b/config.kv; oci run -d -b /tmp/b c; \
                 until [ \"$(oci ps -f json c | tr -cd , | wc -c)\" = 2 ]; do sleep 0.1; done; \
                 oci ps c -o pid,args | sed 's/^ *[0-9]* *//; s/^sh .*/sh/'; \
                 all=$(oci ps c -o pid | sed '1d; s/ //g' | tr '\\n' ,); [ \"[${all%,}]\" = \"$(oci ps --format json c)\" ] && echo same; \
                 [ \"${all%%,*}\" = \"$(oci state c | sed -n 's/.*\"pid\": \\(.*\\),/\\1/p')\" ] && echo first; \
                 oci ps c | grep -c 'sleep 100[12]'; \
                 oci events --stats c | grep -o '\"pids\":.*'; \
                 oci kill c KILL; until [ $(status) = stopped ]; do sleep 0.1; done; oci ps -f json c; oci delete c; oci ps c",
                "PID   COMMAND\nsh\nsleep 1001\nsleep 1002\nsame\nfirst\n3\n\
                 \"pids\":{\"current\":3,\"refused\":0}}}\n[]\n\
                 time=\"...\" level=error msg=\"container \\\"c\\\" does not exist\"\n",
            )
        },
    }
}

fn events() -> Case {
    Case {
        // Three processes are killed for the container's memory; the watcher is told of each, and
        // ends with the container.
        name: "resources_events",
        run: |door| {
            script(
                door,
                "config 'go() { until [ -e /seen/$1 ]; do sleep 0.1; done; }; go on; for i in 1 2 3; do probe eat memory; done; \
                 go over' mount=/seen:bind:/run/seen:bind memory_limit=8388608 >/tmp/b/config.kv; \
                 mkdir /run/seen; oci run -d -b /tmp/b c 2>/dev/null; \
                 oci events --interval 300ms c >/run/seen/out & until grep -q stats /run/seen/out; do sleep 0.1; done; \
                 touch /run/seen/on; until [ \"$(grep -c oom\\\",.*c /run/seen/out)\" = 3 ]; do sleep 0.1; done; \
                 touch /run/seen/over; wait $!; echo ends $?; grep oom\\\", /run/seen/out; \
                 oci events --stats c; oci delete c",
                "ends 0\n{\"type\":\"oom\",\"id\":\"c\"}\n{\"type\":\"oom\",\"id\":\"c\"}\n{\"type\":\"oom\",\"id\":\"c\"}\n\
                 time=\"...\" level=error msg=\"container with id c is not running\"\n",
            )
        },
    }
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
                 status() { oci state c | sed -n 's/.*\"status\": \"\\(.*\\)\",/\\1/p'; }; \
                 inside() { config \"$@\" >/tmp/b/config.kv; oci run -b /tmp/b c 2>&1; }";
    door.machine()
        .bundle("limits")
        .timeout(100)
        .run(&[
            "/bin/sh",
            "-c",
            &format!(
                "{tools}; mkdir /tmp/b; {{ {script}; }} 2>&1 | sed 's/^time=\"[^\"]*/time=\".../'; \
                 rm -rf /tmp/b /run/seen; true"
            ),
        ])?
        .code(0)?
        .stdout_is(expected)?
        .done()
}
