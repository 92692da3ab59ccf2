//! Telling people why a machine failed: the end of its log.
//!
//! This reads the log for people only; the verdict is `judge`'s and never depends on a word in a log.

use crate::judge::Reason;
use crate::rundir::RunDir;
use std::path::Path;

/// Log lines shown after a failure.
const TAIL: usize = 12;
/// Log lines shown from a panic on.
const PANIC: usize = 40;

/// Says on stderr why the machine failed, and where to read more.
pub fn explain(reason: &Reason, dir: &RunDir) {
    eprintln!("xtask: {reason}");
    if let Reason::Died(_) = reason {
        print_log(&dir.qemu_log());
    }
    print_log(&dir.kernel_log());
    eprintln!("xtask: logs: {}", dir.path().display());
}

fn print_log(log: &Path) {
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    for (line, times) in folded(interesting(&lines)) {
        eprintln!("  | {line}");
        if times > 1 {
            eprintln!("  | ... {times} times");
        }
    }
}

/// From the last panic on, or the last lines.
fn interesting<'a>(lines: &'a [&'a str]) -> &'a [&'a str] {
    match lines.iter().rposition(|line| line.contains("PANIC")) {
        Some(panic) => {
            let end = lines.len().min(panic.saturating_add(PANIC));
            lines.get(panic..end).unwrap_or_default()
        }
        None => lines
            .get(lines.len().saturating_sub(TAIL)..)
            .unwrap_or_default(),
    }
}

/// Equal lines behind each other become one, with their number.
fn folded<'a>(lines: &[&'a str]) -> Vec<(&'a str, usize)> {
    lines
        .chunk_by(|one, next| one == next)
        .filter_map(|run| Some((*run.first()?, run.len())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_shown_from_its_start() {
        let lines = ["boot", "PANIC kernel: x", "  0x1", "  0x1", "  0x2"];
        assert_eq!(
            folded(interesting(&lines)),
            [("PANIC kernel: x", 1), ("  0x1", 2), ("  0x2", 1)]
        );
        let many: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(interesting(&many).len(), TAIL);
        assert_eq!(interesting(&many).last(), Some(&"99"));
    }
}
