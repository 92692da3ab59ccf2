//! A person sits down at `make run` and works: the console as a terminal, the shell, its jobs.

use crate::case::{Case, Failure};
use crate::door::Door;
use crate::person::Person;

/// Ctrl with a letter or one of `[\]^_`.
const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const CTRL_U: &str = "\x15";
const CTRL_W: &str = "\x17";
const CTRL_Z: &str = "\x1a";
const CTRL_BACKSLASH: &str = "\x1c";
const ERASE: &str = "\x7f";
const ESCAPE: &str = "\x1b";
const UP: &str = "\x1b[A";
const LEFT: &str = "\x1b[D";
/// The shell's prompt ends with a question for the place of the cursor: it reads keys from then on.
const PROMPT: &str = "# \x1b[6n";

/// The cases of this area.
pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "seat_demo_then_shell",
            run: |door| {
                let mut person = door.machine().person(&[])?;
                person
                    .reads("ok 2 - nothing is left over")?
                    .reads(PROMPT)?
                    .types("tty; stty size; echo $TERM\r")?
                    .reads("/dev/ttyS0\r\n24 80\r\nlinux\r\n")?
                    .types("poweroff\r")?;
                person.leaves(0)
            },
        },
        Case {
            name: "seat_end_of_file_ends_the_shell",
            run: |door| {
                let mut person = shell(door)?;
                person.types(CTRL_D)?;
                person.leaves(0)
            },
        },
        Case {
            name: "seat_exit_code_is_passed_on",
            run: |door| {
                let mut person = shell(door)?;
                person.types("exit 5\r")?;
                person.leaves(5)
            },
        },
        Case {
            // Keys that the kernel handles: `cat` reads lines.
            name: "seat_lines_are_edited",
            run: |door| {
                let mut person = shell(door)?;
                let keys = format!("lost{CTRL_U}one twoo{ERASE} x{CTRL_W}three\r");
                start(&mut person, "cat")?.types(&keys)?;
                person.reads("three\r\none two three\r\n")?;
                person.types(&format!("a{CTRL_D}{CTRL_D}"))?.reads("aa")?;
                person.types("exit\r")?;
                person.leaves(0)
            },
        },
        Case {
            // Keys that the shell handles.
            name: "seat_shell_edits_and_remembers",
            run: |door| {
                let mut person = shell(door)?;
                person.types(&format!("echo $((6*))7{LEFT}{LEFT}{LEFT}7\r"))?;
                // The cursor went back behind the star: the 7 typed last is the factor.
                person.reads("427\r\n")?.reads(PROMPT)?;
                person.types(&format!("{UP}1\r"))?.reads("4271\r\n")?;
                person
                    .types("echo /etc/os-rel\t\r")?
                    .reads("\n/etc/os-release\r\n")?;
                person.types("exit\r")?;
                person.leaves(0)
            },
        },
        Case {
            name: "seat_keys_make_signals",
            run: |door| {
                let mut person = shell(door)?;
                for (key, status) in [(CTRL_C, "code 130"), (CTRL_BACKSLASH, "code 131")] {
                    start(&mut person, "cat")?.types("in\r")?;
                    person.reads("in\r\nin\r\n")?;
                    person.types(key)?.reads(PROMPT)?;
                    person
                        .types("echo code $?\r")?
                        .reads(&format!("\n{status}"))?
                        .reads(PROMPT)?;
                }
                // A program that computes and does not read is interrupted, too.
                person
                    .types("echo go; while :; do :; done\r")?
                    .reads("\ngo")?;
                person.types(CTRL_C)?.reads(PROMPT)?;
                person.types("exit 0\r")?;
                person.leaves(0)
            },
        },
        Case {
            name: "seat_jobs",
            run: |door| {
                let mut person = shell(door)?;
                start(&mut person, "tee /tmp/out")?.types("one\r")?;
                person
                    .reads("one\r\none\r\n")?
                    .types(CTRL_Z)?
                    .reads("[1]+  Stopped")?
                    .reads(PROMPT)?;
                // In the background it is stopped again: it may not read.
                person.types("bg\r")?.reads("tee")?.reads(PROMPT)?;
                person
                    .types("sleep 1; jobs\r")?
                    .reads("[1]+  Stopped (tty input)")?
                    .reads(PROMPT)?;
                person.types("fg\r")?.reads("tee")?.types("two\r")?;
                person
                    .reads("two\r\ntwo\r\n")?
                    .types(CTRL_D)?
                    .reads(PROMPT)?;
                person
                    .types("cat /tmp/out\r")?
                    .reads("\none\r\ntwo\r\n")?
                    .reads(PROMPT)?;
                person.types("sleep 1000 & jobs; sleep 1; kill %1; wait %1; echo code $?\r")?;
                person.reads("Running")?.reads("code 143")?;
                person.types("exit 0\r")?;
                person.leaves(0)
            },
        },
        Case {
            name: "seat_vi",
            run: |door| {
                let mut person = shell(door)?;
                person.types("vi /tmp/text\r")?.sees("1/1 100%")?;
                person
                    .types(&format!("ifirst line\rsecond{ESCAPE}"))?
                    .sees("- /tmp/text [Modified] 2/2")?;
                person
                    .types("ggO")?
                    .types(&format!("top{ESCAPE}"))?
                    .sees("- /tmp/text [Modified] 1/3")?;
                person.types(":wq\r")?.reads(PROMPT)?;
                person.types("wc -l /tmp/text; cat /tmp/text\r")?;
                person.reads("3 /tmp/text\r\ntop\r\nfirst line\r\nsecond\r\n")?;
                person.types("exit\r")?;
                person.leaves(0)
            },
        },
        Case {
            name: "seat_top_and_less",
            run: |door| {
                let mut person = shell(door)?;
                person
                    .types("top\r")?
                    .sees("Load average")?
                    .sees("PID  PPID USER")?;
                person.types("q")?.reads(PROMPT)?;
                person.types("seq 1 100 | less\r")?.sees("23\n")?;
                person
                    .types(" ")?
                    .sees("46\n")?
                    // Between two keys less leaves the terminal as it was, and Enter is a newline then, which it
                    // does not take.
                    .types("/77")?
                    .sees("/77")?
                    .types("\r")?
                    .sees("77\n78\n")?;
                person.types("q")?.reads(PROMPT)?;
                person.types("exit\r")?;
                person.leaves(0)
            },
        },
        Case {
            name: "seat_terminal_settings",
            run: |door| {
                let mut person = shell(door)?;
                person.types("stty -echo; read secret; stty echo; echo [$secret]\r")?;
                person.reads("\r\n")?.types("hidden\r")?.reads("[hidden]")?;
                person
                    .types("stty rows 30 cols 100; stty size\r")?
                    .reads("30 100")?;
                person
                    .types("read -t 1 never; echo code $?\r")?
                    .reads("\ncode 1")?;
                person.types("test -t 0 -a -t 1 -a -t 2 && echo all three\r")?;
                person.reads("\nall three")?;
                person
                    .types("echo to the terminal > /dev/tty\r")?
                    .reads("\nto the terminal")?;
                person.types("exit 0\r")?;
                person.leaves(0)
            },
        },
    ]
}

/// Starts a program in the shell and waits until the shell has handed the terminal over to it: before, keys are the shell's.
fn start<'a>(person: &'a mut Person, program: &str) -> Result<&'a mut Person, Failure> {
    person
        .types(&format!("echo go; {program}\r"))?
        .reads("\ngo\r\n")
}

/// A person at a shell that has shown its prompt.
fn shell(door: &Door) -> Result<Person, Failure> {
    let mut person = door.machine().person(&["sh", "-l"])?;
    person.reads(PROMPT)?;
    Ok(person)
}
