//! What a trap costs: nobody waits for longer than 200,000 instructions, whatever a program asks for. The emulator counts
//! them, so the figures are the same in every run.

use crate::case::{Case, Failure, ensure};
use crate::door::Door;

/// Calls whose traps are still longer, and what they may cost: what they cost today and a third, as compilers differ. To be
/// lowered with every mend; `docs/caveats.md` has them, too.
const LONG: [(&str, u64); 2] = [("container_plan", 330_000), ("munmap", 270_000)];

/// The cases of this area.
pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "costs_of_a_shell",
            run: |door| {
                affordable(
                    door,
                    "seq 1 20000 | sort -n | tail -n 1; for i in 1 2 3 4 5 6 7 8 9 10; do /bin/true; done; \
                     ps >/dev/null; cat /proc/self/maps /proc/mounts /proc/1/status /proc/meminfo >/dev/null; \
                     find / -xdev >/dev/null; sleep 0.1 & wait; kill -0 $$",
                )
            },
        },
        Case {
            name: "costs_of_many_files",
            run: |door| {
                affordable(
                    door,
                    "mkdir /tmp/d; cd /tmp/d; seq 1 3000 | xargs touch; ls | wc -l; ls -l | tail -n 1; cp -r /tmp/d /tmp/e; \
                     rm -r /tmp/d /tmp/e",
                )
            },
        },
        Case {
            name: "costs_of_big_writes",
            run: |door| {
                affordable(
                    door,
                    "cd /tmp; dd if=/dev/zero of=f bs=16M count=2; dd if=f of=/dev/null bs=32M; cp f g; cmp f g; truncate -s 1 f; \
                     rm f g; dd if=/dev/zero bs=8M count=1 | wc -c; dd if=/dev/urandom of=r bs=1M count=2; cat r | md5sum",
                )
            },
        },
        Case {
            name: "costs_of_memory",
            run: |door| affordable(door, "probe abi memory; probe abi processes"),
        },
        Case {
            // Also 65,530 areas, their fork and their end.
            name: "costs_of_mappings",
            run: |door| affordable(door, "probe abi mappings"),
        },
        Case {
            // Arguments of some 100 KiB, handed on through several programs.
            name: "costs_of_arguments",
            run: |door| {
                affordable(
                    door,
                    "a=$(seq 1 20000); sh -c 'sh -c \"echo \\$#\" $@' sh $a; /bin/echo $a | wc -w; \
                     env BIG=\"$(seq 1 20000)\" /bin/true",
                )
            },
        },
        Case {
            name: "costs_of_containers",
            run: |door| affordable(door, "probe cycle 3"),
        },
        Case {
            // As large as they may be: planned, created and forgotten, and with a fault in the last line.
            name: "costs_of_configurations",
            run: |door| affordable(door, CONFIGURATIONS),
        },
    ]
}

/// Two configurations of about 1 MiB: one of lists that are planned, one of what makes up a process; then lines as long as may be.
const CONFIGURATIONS: &str = "mkdir -p /tmp/p/r /tmp/c/r; \
    awk 'BEGIN { print \"root_path=r\\nnamespace=mount\\nprocess_arg=a\"; for (i = 0; i < 1000; i++) { \
        print \"annotation=org.example.\" i \"=a\\\\:\\\\:\\\\:value\\nmount=/mount/\" i \":tmpfs:tmpfs:ro,nosuid,nodev,noexec,size=4k\"; \
        print \"masked_path=/path/\" i \"\\nreadonly_path=/path/\" i \"\\nsysctl=net.\" i \"=1\\nhook_prestart=/hook/\" i; \
        print \"hook_arg=a\\nhook_env=A=b\\ndevice=c:/dev/\" i \":1:3\\nprocess_additional_gid=\" i } }' >/tmp/p/config.kv; \
    awk 'BEGIN { print \"root_path=r\\nnamespace=mount\"; for (i = 0; i < 1000; i++) { \
        print \"annotation=org.example.\" i \"=value\" } for (i = 0; i < 25000; i++) { \
        print \"process_arg=\" i \"\\nprocess_env=N\" i \"=v\" } }' >/tmp/c/config.kv; \
    wc -c /tmp/p/config.kv /tmp/c/config.kv; oci plan --explain /tmp/p; oci plan /tmp/c; \
    for i in 1 2; do oci create -b /tmp/c c; oci delete c; done; echo nonsense >>/tmp/c/config.kv; oci create -b /tmp/c c; \
    x=$(head -c 4000 /dev/zero | tr '\\0' :); y=$(head -c 1000 /dev/zero | tr '\\0' x); w=$(head -c 63 /dev/zero | tr '\\0' x); z=$y$y$y$y$y$y$y$y; \
    ( echo root_path=r; echo namespace=mount; echo \"annotation=a=$(echo $x | sed 's/::/\\\\:/g')\"; echo mount=/a:tmpfs:$x ) >/tmp/p/config.kv; \
    oci plan /tmp/p; ( echo root_path=r; echo namespace=mount; echo process_arg=$z$z$z$z$z$z$z$z$z$z$z$z$z$z$z$z; \
    for i in $(seq 1 200); do echo \"mount=/a:tmpfs:a:ro$(echo $w | sed 's/x/,ro/g')\"; done ) >/tmp/p/config.kv; oci plan /tmp/p";

/// Runs a script and judges its costliest traps.
fn affordable(door: &Door, script: &str) -> Result<(), Failure> {
    let outcome = door.machine().icount().timeout(240).run(&[
        "/bin/sh",
        "-c",
        &format!("({script}) >/dev/null 2>&1"),
    ])?;
    outcome.code(0)?.stderr_has("berth: icount trap_max ")?;
    let over: Vec<&str> = outcome
        .stderr()
        .lines()
        .filter_map(|line| line.strip_prefix("berth: icount over:"))
        .filter(|line| !is_known(&LONG, line))
        .collect();
    ensure(over.is_empty(), || {
        format!(
            "traps of more than 200000 instructions: {}",
            over.join(", ")
        )
    })
}

/// Whether `CALL COST` stays within what that call may cost.
fn is_known(long: &[(&str, u64)], line: &str) -> bool {
    let Some((call, cost)) = line.split_once(' ') else {
        return false;
    };
    let most = long.iter().find(|(name, _)| *name == call);
    most.zip(cost.trim().parse::<u64>().ok())
        .is_some_and(|((_, most), cost)| cost <= *most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_to_be_long_is_too_long() {
        assert!(!is_known(&[("write", 710_000)], "mmap 200001"));
        assert!(is_known(&[("write", 710_000)], "write 529716"));
        assert!(!is_known(&[("write", 710_000)], "write 710001"));
        assert!(!is_known(&LONG, "write") && !is_known(&LONG, "write much"));
    }
}
