//! A group's share of the CPU, as the work that is done in it tells. The emulator counts instructions, so that time does not
//! depend on how busy this machine is.

use crate::case::{Case, Failure, ensure};
use crate::door::Door;

/// The cases of this area.
pub fn cases() -> Vec<Case> {
    vec![
        Case {
            // A busy loop has its tenth of the CPU, and one with three times the weight three times the time.
            name: "cpu_quota_and_weights",
            run: quota_and_weights,
        },
        Case {
            // Everything malformed has the error that Linux has for it, and changes nothing.
            name: "cpu_files",
            run: files,
        },
        Case {
            // How long a switch takes does not depend on how many others wait.
            name: "cpu_switches",
            run: switches,
        },
    ]
}

/// Two groups with the controller, and what a test needs to read their files without another process.
const TOOLS: &str = "mkdir -p /tmp/cg; mount -t cgroup2 none /tmp/cg; cd /tmp/cg; echo +cpu >cgroup.subtree_control; mkdir a b; \
    busy() { ( echo 0 >$1/cgroup.procs; while :; do :; done ) & }; \
    usage() { read -r w U <$1/cpu.stat; }; \
    end() { echo 1 >a/cgroup.kill; echo 1 >b/cgroup.kill; wait 2>/dev/null; }; \
    leave() { cd /; rmdir /tmp/cg/a /tmp/cg/b; umount /tmp/cg; rmdir /tmp/cg; }; ";

/// Runs a script after [`TOOLS`], with instructions counted.
fn counted(door: &Door, script: &str) -> Result<String, Failure> {
    let script = format!("{TOOLS} {script}; leave");
    let machine = door.machine().icount().timeout(300);
    let outcome = machine.run(&["/bin/sh", "-c", &script])?;
    outcome.code(0)?;
    Ok(outcome.stdout().to_string())
}

/// The number behind a word.
fn number(text: &str, name: &str) -> Result<u64, Failure> {
    let mut words = text.split_whitespace().skip_while(|word| *word != name);
    let value = words.nth(1).and_then(|word| word.parse().ok());
    value.ok_or_else(|| format!("no number behind {name:?} in {text:?}"))
}

fn within(name: &str, value: u64, least: u64, most: u64) -> Result<(), Failure> {
    ensure((least..=most).contains(&value), || {
        format!("{name} is {value}, not {least} to {most}")
    })
}

fn quota_and_weights(door: &Door) -> Result<(), Failure> {
    let told = counted(
        door,
        "echo 10000 100000 >a/cpu.max; busy a; sleep 0.5; usage a; A=$U; sleep 2; usage a; echo quota $((U-A)); cat a/cpu.stat; end; \
         echo max >a/cpu.max; echo 300 >b/cpu.weight; busy a; busy b; sleep 0.1; usage a; A=$U; usage b; B=$U; sleep 1; \
         usage a; A=$((U-A)); usage b; echo percent $(((U-B)*100/A)); end",
    )?;
    within("quota", number(&told, "quota")?, 195_000, 205_000)?;
    within("nr_periods", number(&told, "nr_periods")?, 24, 26)?;
    within("nr_throttled", number(&told, "nr_throttled")?, 24, 26)?;
    within(
        "throttled_usec",
        number(&told, "throttled_usec")?,
        2_200_000,
        2_300_000,
    )?;
    within("nr_bursts", number(&told, "nr_bursts")?, 0, 0)?;
    within("percent", number(&told, "percent")?, 285, 315)
}

fn files(door: &Door) -> Result<(), Failure> {
    let script = format!(
        "{TOOLS} cd a; all() {{ echo $(cat cpu.weight cpu.weight.nice cpu.idle cpu.max cpu.max.burst); }}; all; \
         write() {{ f=$1; shift; for v in \"$@\"; do case $(echo -en \"$v\" 2>&1 >$f) in '') echo -n .;; *Invalid*) echo -n I;; \
         *range*) echo -n R;; *) echo -n '?';; esac; done; echo \" $f\"; }}; \
         for f in cpu.weight cpu.weight.nice cpu.idle cpu.max cpu.max.burst; do \
         write $f '\n' -1 0 +7x 1.5 '1 2' 99999999999999999999 '\\0001'; done; \
         write cpu.weight 0 10001; write cpu.weight.nice -21 20; write cpu.idle 2; \
         write cpu.max 999 '1000 999' '1000 1000001' maximal '18446744073709551 100000'; all; \
         write cpu.max 5000; write cpu.max.burst 5001 5000; all; \
         write cpu.max '10000 50000'; write cpu.max.burst 0x1388; write cpu.max 4999; write cpu.weight ' 200 '; all; \
         write cpu.weight.nice -5; all; write cpu.idle 1; write cpu.weight 5; all; write cpu.idle 0; all; \
         cd ..; echo -cpu >cgroup.subtree_control; ls a | grep cpu; echo +cpu >cgroup.subtree_control; cd a; all; leave"
    );
    let outcome = door
        .machine()
        .timeout(60)
        .run(&["/bin/sh", "-c", &script])?;
    outcome.code(0)?.stdout_is(FILES)?.done()
}

/// What [`files`] prints: for each value written `.` when it was taken, `I` for EINVAL, `R` for ERANGE; between, all values.
const FILES: &str = "100 0 0 max 100000 0\n\
    IIRIIIRI cpu.weight\nI..IIIRI cpu.weight.nice\nII.IIIRI cpu.idle\nIIIIIIII cpu.max\nII.IIIRI cpu.max.burst\n\
    RR cpu.weight\nRR cpu.weight.nice\nI cpu.idle\nIIIII cpu.max\n100 0 0 max 100000 0\n\
    . cpu.max\nI. cpu.max.burst\n100 0 0 5000 100000 5000\n\
    . cpu.max\n. cpu.max.burst\nI cpu.max\n. cpu.weight\n200 -3 0 10000 50000 5000\n\
    . cpu.weight.nice\n305 -5 0 10000 50000 5000\n. cpu.idle\nI cpu.weight\n1 19 1 10000 50000 5000\n\
    . cpu.idle\n100 0 0 10000 50000 5000\ncpu.stat\n100 0 0 max 100000 0\n";

/// Busy groups below one, so light that each runs for half a millisecond. When all have had their first turn, with its page
/// faults, only switches are left.
fn switches(door: &Door) -> Result<(), Failure> {
    let told = counted(
        door,
        "look() { while read -r w u; do case $w in system_usec) S=$u; break;; esac; done <cpu.stat; \
         while read -r w u; do case $w in ctxt) C=$u;; esac; done </proc/stat; }; \
         for n in 10 1000; do mkdir p; echo 1 >p/cpu.weight; echo +cpu >p/cgroup.subtree_control; \
         i=0; while [ $i -lt $n ]; do mkdir p/$i; echo 1 >p/$i/cpu.weight; busy p/$i; i=$((i+1)); done; \
         sleep 0.8; look; A=$S B=$C; sleep 0.6; look; echo ns-$n $(((S-A)*1000/(C-B))); \
         echo 1 >p/cgroup.kill; wait 2>/dev/null; i=0; while [ $i -lt $n ]; do rmdir p/$i; i=$((i+1)); done; rmdir p; done",
    )?;
    let (few, many) = (number(&told, "ns-10")?, number(&told, "ns-1000")?);
    within("a switch beside 1000", many, 0, few * 3 / 2)
}
