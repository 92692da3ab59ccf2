//! Configurations of VeridianOS as they are: `docs/veridian.md` shows them and what they do, and is
//! true.

use crate::case::{Case, Failure, ensure};
use crate::door::Door;
use std::path::Path;

/// The cases of this area.
pub fn cases() -> Vec<Case> {
    vec![Case {
        name: "veridian_configurations",
        run: transcripts,
    }]
}

/// The bundles that the page shows.
const BUNDLES: [&str; 3] = ["veridian-names", "veridian-limits", "veridian-mounts"];

/// Types every command of the page, and gets what the page says.
fn transcripts(door: &Door) -> Result<(), Failure> {
    let text = page()?;
    let mut machine = door.machine().timeout(100);
    let (mut script, mut expected) = (String::new(), String::new());
    for bundle in BUNDLES {
        machine = machine.bundle(bundle);
        for line in block(&text, "console", bundle)?.lines() {
            expected += &format!("{line}\n");
            if let Some(command) = line.strip_prefix("$ ") {
                script += &format!("cat <<'END'\n{line}\nEND\n{{ {command}; }} 2>&1\n");
            }
        }
    }
    let outcome = machine.run(&["/bin/sh", "-c", &script])?;
    let printed = outcome.code(0)?.stdout().lines().map(timeless);
    let printed: String = printed.map(|line| line + "\n").collect();
    ensure(printed == expected, || {
        format!("the page says\n{expected}and the machine\n{printed}")
    })
}

/// A line of a log without its time.
fn timeless(line: &str) -> String {
    match line
        .strip_prefix("time=\"")
        .and_then(|rest| rest.split_once('"'))
    {
        Some((_, rest)) => format!("time=\"...\"{rest}"),
        None => line.to_owned(),
    }
}

fn page() -> Result<String, Failure> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/veridian.md");
    std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The text between the fences of a kind and a bundle.
fn block<'a>(text: &'a str, kind: &str, bundle: &str) -> Result<&'a str, Failure> {
    let fence = format!("```{kind} {bundle}\n");
    let found = text.split_once(&fence);
    let inside = found.and_then(|(_, rest)| rest.split_once("```\n"));
    inside
        .map(|(inside, _)| inside)
        .ok_or_else(|| format!("no block {kind} {bundle}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_the_bundles() {
        let text = page().unwrap();
        let bundles = Path::new(env!("CARGO_MANIFEST_DIR")).join("bundles");
        for bundle in BUNDLES {
            let file = bundles.join(bundle).join("config.kv");
            let config = std::fs::read_to_string(file).unwrap();
            assert_eq!(block(&text, "text", bundle).unwrap(), config);
        }
    }

    #[test]
    fn times_are_left_out() {
        assert_eq!(
            timeless("time=\"12:00\" level=error"),
            "time=\"...\" level=error"
        );
        assert_eq!(timeless("x=\"12:00\""), "x=\"12:00\"");
    }
}
