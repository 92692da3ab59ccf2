//! What `probe` finds: the kernel's behaviour, case by case, and a container seen from inside.

use crate::case::{Case, Failure};
use crate::door::Door;

/// The cases of this area.
pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "inside_processes",
            run: |door| tap(door, "probe abi processes"),
        },
        Case {
            name: "inside_cgroup",
            run: |door| tap(door, "probe abi cgroup"),
        },
        Case {
            name: "inside_pipes",
            run: |door| tap(door, "probe abi pipes"),
        },
        Case {
            name: "inside_files",
            run: |door| tap(door, "probe abi files"),
        },
        Case {
            name: "inside_memory",
            run: |door| tap(door, "probe abi memory"),
        },
        Case {
            name: "inside_mappings",
            run: |door| tap(door, "probe abi mappings"),
        },
        Case {
            name: "inside_signals",
            run: |door| tap(door, "probe abi signals"),
        },
        Case {
            name: "inside_sockets",
            run: |door| tap(door, "probe abi sockets"),
        },
        Case {
            name: "inside_limits",
            run: |door| tap(door, "probe abi limits"),
        },
        Case {
            name: "inside_setid",
            run: |door| tap(door, "probe abi setid"),
        },
        Case {
            name: "inside_credentials",
            run: |door| tap(door, "probe abi credentials"),
        },
        Case {
            name: "inside_terminal",
            run: |door| tap(door, "probe abi terminal"),
        },
        Case {
            name: "inside_timers",
            run: |door| tap(door, "probe abi timers"),
        },
        Case {
            name: "inside_threads",
            run: |door| tap(door, "probe abi threads"),
        },
        Case {
            name: "inside_std_threads",
            run: |door| tap(door, "threads"),
        },
        Case {
            name: "inside_children",
            run: |door| tap(door, "probe abi children"),
        },
        Case {
            name: "inside_misc",
            run: |door| tap(door, "probe abi misc"),
        },
        Case {
            name: "inside_descriptors",
            run: |door| tap(door, "probe abi descriptors"),
        },
        Case {
            name: "inside_mounts",
            run: |door| tap(door, "probe abi mounts"),
        },
        Case {
            name: "inside_opening",
            run: |door| tap(door, "probe abi opening"),
        },
        Case {
            name: "inside_resolving",
            run: |door| tap(door, "probe abi resolving"),
        },
        Case {
            name: "inside_attributes",
            run: |door| tap(door, "probe abi attributes"),
        },
        Case {
            name: "inside_names",
            run: |door| tap(door, "probe abi names"),
        },
        Case {
            name: "inside_content",
            run: |door| tap(door, "probe abi content"),
        },
        Case {
            name: "inside_locks",
            run: |door| tap(door, "probe abi locks"),
        },
        Case {
            name: "inside_logs",
            run: |door| tap(door, "probe abi logs"),
        },
        Case {
            name: "inside_dmesg",
            run: |door| {
                let script = "dmesg -c | grep -c 'boot: the initial archive'; echo '<5>one' > /dev/kmsg; dmesg | sed 's/.*] //'; \
                              dmesg -r | cut -c1-5; dmesg -c > /run/all; dmesg | wc -l; dmesg -n 4; \
                              cut -f1 /proc/sys/kernel/printk; echo two > /dev/kmsg; \
                              dmesg | sed 's/.*] //'";
                door.machine()
                    .run(&["/bin/sh", "-c", script])?
                    .code(0)?
                    .stdout_is("1\none\n<13>[\n0\n4\ntwo\n")?
                    .done()
            },
        },
        Case {
            name: "inside_xattrs",
            run: |door| tap(door, "probe abi xattrs"),
        },
        Case {
            name: "inside_ipc",
            run: |door| tap(door, "probe abi ipc"),
        },
        Case {
            name: "inside_events",
            run: |door| tap(door, "probe abi events"),
        },
        Case {
            name: "inside_proc",
            run: |door| tap(door, "probe abi proc"),
        },
        Case {
            name: "inside_faults",
            run: |door| tap(door, "probe fault all"),
        },
        Case {
            name: "inside_wild_calls",
            run: |door| {
                let number = |name, usual: &str| std::env::var(name).unwrap_or(usual.into());
                let seed = number("BERTH_WILD_SEED", "1");
                let count = number("BERTH_WILD_COUNT", "300000");
                tap(door, &format!("probe wild --seed {seed} --count {count}"))
            },
        },
        Case {
            name: "inside_cycle",
            run: |door| tap(door, "probe cycle 100"),
        },
        Case {
            name: "inside_a_container",
            run: |door| {
                door.machine()
                    .bundle("facts")
                    .run(&["/bin/sh", "-c", "oci run -b /bundles/facts c1"])?
                    .code(0)?
                    .stdout_line(r#"{"fact":"pid","value":1}"#)?
                    .stdout_line(r#"{"fact":"ppid","value":0}"#)?
                    .stdout_line(r#"{"fact":"uid","value":[1000,1000]}"#)?
                    .stdout_line(r#"{"fact":"gid","value":[1001,1001]}"#)?
                    .stdout_line(r#"{"fact":"hostname","value":"inside"}"#)?
                    .stdout_line(r#"{"fact":"cwd","value":"/tmp"}"#)?
                    .stdout_line(r#"{"fact":"args","value":["probe","facts"]}"#)?
                    .stdout_line(r#"{"fact":"env","value":[["PATH","/bin"],["A","1 2"]]}"#)?
                    .stdout_line(r#"{"fact":"root-readonly","value":30}"#)?
                    .stdout_line(r#"{"fact":"pids","value":[1]}"#)?
                    .done()
            },
        },
        Case {
            name: "inside_a_containers_terminals",
            run: |door| {
                let script = "oci run -b /bundles/terminal c > /run/out; echo code $?; grep -v ^1..1 /run/out";
                door.machine()
                    .bundle("terminal")
                    .run(&["/bin/sh", "-c", script])?
                    .code(0)?
                    .stdout_is(
                        "code 0\npts/ptmx\n1\nptmx\n\
                         ok 1 - terminal/talks\nok 1 - terminal/names-and-numbers\n\
                         ok 1 - terminal/locked-at-first\nok 1 - terminal/peer\n\
                         ok 1 - terminal/controls-its-session\nok 1 - terminal/background-read\n\
                         ok 1 - terminal/master-closes\n",
                    )?
                    .done()
            },
        },
        Case {
            name: "inside_exit_codes",
            run: |door| {
                let script = "for name in exits faults missing; do \
                              oci run -b /bundles/programs/$name c 2>/dev/null; echo $name $?; done; oci list -q";
                door.machine()
                    .bundle("programs")
                    .run(&["/bin/sh", "-c", script])?
                    .code(0)?
                    .stdout_is("exits 37\nfaults 132\nmissing 1\n")?
                    .done()
            },
        },
        Case {
            name: "inside_signals_are_forwarded",
            run: |door| {
                // The program says "holding" once it waits for the signal.
                let script = "oci run -b /bundles/programs/holds c > /run/out & \
                              until grep -q holding /run/out; do sleep 0.1; done; \
                              kill -TERM $!; wait $!; echo code $?; oci list -q";
                door.machine()
                    .bundle("programs")
                    .run(&["/bin/sh", "-c", script])?
                    .code(0)?
                    .stdout_is("code 9\n")?
                    .done()
            },
        },
        Case {
            name: "inside_refused_by_name",
            run: |door| {
                door.machine()
                    .bundle("refused")
                    .run(&[
                        "/bin/sh",
                        "-c",
                        "oci create -b /bundles/refused c; echo $?; oci list -q",
                    ])?
                    .stdout_is("1\n")?
                    .stderr_has(
                        "config.json: /linux/seccomp/defaultAction: not enforced by this build",
                    )?
                    .done()
            },
        },
    ]
}

/// Runs a program that writes its results to the control channel: its plan must be complete.
fn tap(door: &Door, command: &str) -> Result<(), Failure> {
    door.machine()
        .timeout(240)
        .run(&["/bin/sh", "-c", &format!("{command} > /dev/ttyS2")])?
        .code(0)?
        .done()
}
