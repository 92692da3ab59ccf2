//! Each crate takes the shared lints, and forbids unsafe code unless it is one of the two that need it.

use super::{Findings, Source};

/// The crates that may hold unsafe code: their directories.
pub const UNSAFE_CRATES: [&str; 2] = ["kernel/x86_64", "userland/sys"];

/// Checks every crate's manifest and root file.
pub fn check(sources: &[Source]) -> Findings {
    let mut findings = Findings::new();
    for manifest in sources.iter().filter(|source| is_crate(source)) {
        let dir = manifest
            .path
            .strip_suffix("/Cargo.toml")
            .unwrap_or_default();
        if !takes_workspace_lints(&manifest.text) {
            findings.push(format!(
                "{}: no `[lints]` with `workspace = true`",
                manifest.path
            ));
        }
        let roots = ["src/lib.rs", "src/main.rs"].map(|root| format!("{dir}/{root}"));
        for root in sources.iter().filter(|source| roots.contains(&source.path)) {
            let forbids = root.text.contains("#![forbid(unsafe_code)]");
            if !forbids && !UNSAFE_CRATES.contains(&dir) {
                findings.push(format!("{}: no `#![forbid(unsafe_code)]`", root.path));
            }
        }
    }
    findings
}

/// Whether this is the manifest of a crate, not of the workspace.
pub fn is_crate(source: &Source) -> bool {
    source.path.ends_with("/Cargo.toml") && source.text.contains("[package]")
}

fn takes_workspace_lints(manifest: &str) -> bool {
    let mut lines = manifest.lines().map(str::trim);
    lines.any(|line| line == "[lints]") && lines.next() == Some("workspace = true")
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    const GOOD: &str = "[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n";

    #[test]
    fn a_crate_needs_the_lints_and_the_attribute() {
        let root = "//! A crate.\n#![forbid(unsafe_code)]\n";
        let good = [source("a/Cargo.toml", GOOD), source("a/src/lib.rs", root)];
        assert_eq!(check(&good), Findings::new());
        let bad = [
            source("a/Cargo.toml", "[package]\n"),
            source("a/src/main.rs", "//! A crate.\n"),
        ];
        assert_eq!(check(&bad).len(), 2);
    }

    #[test]
    fn two_crates_may_hold_unsafe_code() {
        let named = [
            source("userland/sys/Cargo.toml", GOOD),
            source("userland/sys/src/lib.rs", "//! Calls.\n"),
        ];
        assert_eq!(check(&named), Findings::new());
    }
}
