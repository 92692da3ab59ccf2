//! Scripts of `tests/scripts` and programs of others, which must print what they print on Linux (`cargo xtask test-oracle`
//! writes it down). Several run in one machine.

use crate::case::{Case, Failure};
use crate::door::Door;
use std::path::{Path, PathBuf};

/// The scripts of each case.
const GROUPS: [(&str, &[&str]); 7] = [
    (
        "scripts_files",
        &[
            "archives.sh",
            "directories.sh",
            "files.sh",
            "find.sh",
            "links.sh",
            "permissions.sh",
            "renames.sh",
        ],
    ),
    (
        "scripts_streams",
        &["devices.sh", "pipes.sh", "redirections.sh"],
    ),
    (
        "scripts_processes",
        &[
            "environment.sh",
            "limits.sh",
            "processes.sh",
            "procfs.sh",
            "signals.sh",
        ],
    ),
    (
        "scripts_shell",
        &[
            "arithmetic.sh",
            "facts.sh",
            "mounts.sh",
            "shell.sh",
            "text.sh",
            "times.sh",
        ],
    ),
    ("scripts_foreign_shells", &["bash.bash", "zsh.zsh"]),
    ("scripts_inits", &["catatonit.sh", "inits.sh"]),
    ("scripts_compiled", &["c-programs.sh", "rust-programs.sh"]),
];

/// The cases of this area.
pub fn cases() -> Vec<Case> {
    macro_rules! groups {
        ($($index:literal)*) => {
            vec![$(Case {
                name: GROUPS[$index].0,
                run: |door| scripts(door, GROUPS[$index].1),
            }),*]
        };
    }
    groups! { 0 1 2 3 4 5 6 }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts")
}

/// Runs scripts in one machine and compares what each prints.
fn scripts(door: &Door, names: &[&str]) -> Result<(), Failure> {
    let directory = directory();
    let read = |path: PathBuf| {
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let mut machine = door
        .machine()
        .timeout(300)
        .file("/scripts/run", &directory.join("run"));
    let mut words = vec![String::from("/bin/sh"), String::from("/scripts/run")];
    for name in names {
        let path = directory.join(name);
        let guest = format!("/scripts/{name}");
        for payload in needs(name, &read(path.clone())?) {
            machine = machine.file(&format!("/bin/{payload}"), &door.payload(&payload)?);
        }
        machine = machine.file(&guest, &path);
        words.push(guest);
    }
    let outcome = machine.run(&words)?;
    let printed = outcome.code(0)?.stdout();
    let mut failures = Vec::new();
    for name in names {
        let expected = read(directory.join(format!("{name}.out")))?;
        match section(printed, name) {
            None => failures.push(format!("{name}: did not run")),
            Some(got) if got == expected => {}
            Some(got) => failures.push(format!("{name}: {}", difference(&expected, &got))),
        }
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures.join("\n       "))
    }
}

/// The payloads that a script needs: its shell's, and those in a line `# needs: NAME...`.
fn needs(name: &str, text: &str) -> Vec<String> {
    let shell = match name.rsplit_once('.') {
        Some((_, "bash")) => "bash-static",
        Some((_, "zsh")) => "zsh-static",
        _ => "",
    };
    let named = text.lines().find_map(|line| line.strip_prefix("# needs: "));
    let words = shell
        .split_whitespace()
        .chain(named.unwrap_or_default().split_whitespace());
    words.map(String::from).collect()
}

/// What a script printed.
fn section(printed: &str, name: &str) -> Option<String> {
    let mut lines = printed
        .lines()
        .skip_while(|line| *line != format!("== {name}"));
    lines.next()?;
    let mut text = String::new();
    for line in lines {
        text += line;
        text.push('\n');
        if line.contains("== exit ") {
            break;
        }
    }
    Some(text)
}

/// The first lines that differ.
fn difference(expected: &str, got: &str) -> String {
    let mut pairs = (1..).zip(
        expected
            .lines()
            .map(Some)
            .chain(std::iter::repeat(None))
            .zip(got.lines().map(Some).chain(std::iter::repeat(None))),
    );
    let differing = pairs.find(|(_, (expected, got))| expected != got);
    match differing {
        Some((line, (expected, got))) => {
            format!("line {line}: expected {expected:?}, got {got:?}")
        }
        None => String::from("no difference"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A script in no case would never run in the guest.
    #[test]
    fn every_script_is_in_one_case() {
        let mut files: Vec<String> = directory()
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.contains('.') && !name.ends_with(".out"))
            .collect();
        let mut named: Vec<&str> = GROUPS
            .iter()
            .flat_map(|(_, names)| *names)
            .copied()
            .collect();
        files.sort();
        named.sort_unstable();
        assert_eq!(files, named);
    }

    #[test]
    fn outputs_are_told_apart() {
        let printed = "== a.sh\nx\n== exit 0\n== b.sh\n== exit 3\n";
        assert_eq!(section(printed, "a.sh").as_deref(), Some("x\n== exit 0\n"));
        assert_eq!(section(printed, "b.sh").as_deref(), Some("== exit 3\n"));
        assert_eq!(section(printed, "c.sh"), None);
        assert_eq!(
            difference("x\ny\n", "x\nz\n"),
            "line 2: expected Some(\"y\"), got Some(\"z\")"
        );
        assert_eq!(
            difference("x\n", ""),
            "line 1: expected Some(\"x\"), got None"
        );
    }

    #[test]
    fn shells_are_needed_too() {
        assert_eq!(needs("a.bash", "# needs: x y\n"), ["bash-static", "x", "y"]);
        assert_eq!(needs("a.sh", ""), [""; 0]);
    }
}
