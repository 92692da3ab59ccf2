//! Who may use whom: between crates by their manifests, inside the kernel crate by paths that start with `crate::`.

use super::manifests::is_crate;
use super::{Findings, Source};
use std::collections::{BTreeMap, BTreeSet};

/// Our crates and which of ours each may use. A crate that is not listed is a finding: a new layer needs a decision.
const CRATES: [(&str, &[&str]); 11] = [
    ("berth-oci", &[]),
    ("berth-abi", &[]),
    ("berth-kernel", &["berth-abi", "berth-oci"]),
    ("berth-x86_64", &["berth-abi", "berth-kernel"]),
    ("berth-sim", &["berth-abi", "berth-kernel"]),
    ("berth-sys", &["berth-abi"]),
    ("berth-init", &["berth-abi", "berth-sys"]),
    ("berth-oci-shim", &["berth-abi", "berth-sys"]),
    ("berth-probe", &["berth-abi", "berth-sys"]),
    ("berth-tests", &[]),
    ("xtask", &[]),
];

/// Modules of `kernel/src` from the bottom up; a module may use those before it.
///
/// Modules in one row may use each other as far as they make no cycle. What is not listed is the trunk: the files directly in
/// `kernel/src`, which join everything and so may use everything.
const KERNEL_LAYERS: [&[&str]; 6] = [
    &["machine"],
    &["cred", "cgroup", "ns", "mm", "fs"],
    &["tty", "net", "sched"],
    &["task"],
    &["views", "container"],
    &["syscall"],
];

/// Pairs that no row can express: (module, what it never uses).
const NEVER: [(&str, &str); 5] = [
    ("fs", "task"),
    ("cgroup", "task"),
    ("cgroup", "fs"),
    ("cgroup", "mm"),
    ("cgroup", "ns"),
];

/// Checks both kinds of imports.
pub fn check(sources: &[Source]) -> Findings {
    let mut findings = Findings::new();
    for manifest in sources.iter().filter(|source| is_crate(source)) {
        findings.extend(check_manifest(manifest));
    }
    let edges = kernel_edges(sources);
    findings.extend(
        edges
            .iter()
            .filter_map(|(edge, file)| check_edge(edge, file)),
    );
    findings.extend(cycle(edges.keys()));
    findings
}

fn check_manifest(manifest: &Source) -> Findings {
    let names: BTreeSet<&str> = CRATES.iter().map(|(name, _)| *name).collect();
    let own = manifest
        .text
        .lines()
        .find_map(|line| line.strip_prefix("name = "))
        .map(|name| name.trim_matches('"'))
        .unwrap_or_default();
    let Some((_, allowed)) = CRATES.iter().find(|(name, _)| *name == own) else {
        return vec![format!(
            "{}: the crate {own} has no layer in tidy/layers.rs",
            manifest.path
        )];
    };
    dependencies(&manifest.text)
        .into_iter()
        .filter(|name| names.contains(name) && !allowed.contains(name))
        .map(|name| format!("{}: {own} must not use {name}", manifest.path))
        .collect()
}

/// Names of dependencies; those of tests (`dev-dependencies`) may come from any layer.
fn dependencies(manifest: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut inside = false;
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]") && !line.contains("dev-dependencies");
        } else if inside && !line.starts_with('#') {
            let end = line.find(['.', ' ', '=']).unwrap_or(line.len());
            names.extend(line.get(..end).filter(|name| !name.is_empty()));
        }
    }
    names
}

/// A use of one top-level module of the kernel by another.
type Edge = (String, String);

/// All edges, each with one file that has it.
fn kernel_edges(sources: &[Source]) -> BTreeMap<Edge, String> {
    let mut edges = BTreeMap::new();
    for source in sources {
        let Some(from) = kernel_module(&source.path) else {
            continue;
        };
        for to in used_modules(before_tests(&source.text)) {
            if to != from {
                edges
                    .entry((from.to_owned(), to.to_owned()))
                    .or_insert_with(|| source.path.clone());
            }
        }
    }
    edges
}

/// The top-level module a file of the kernel crate belongs to; files of the trunk have none.
fn kernel_module(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("kernel/src/")?;
    let name = inside.split('/').next()?;
    let name = name.strip_suffix(".rs").unwrap_or(name);
    // `cfg(test)` files may look anywhere, as tests do.
    (!inside.ends_with("tests.rs") && layer(name).is_some()).then_some(name)
}

fn layer(module: &str) -> Option<usize> {
    KERNEL_LAYERS.iter().position(|row| row.contains(&module))
}

/// The text up to the module of unit tests.
fn before_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod ").next().unwrap_or(text)
}

/// Modules named in paths that start with `crate::`, with `use crate::{a, b}` taken apart; comments do not count.
fn used_modules(text: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    for line in text
        .lines()
        .map(|line| line.split("//").next().unwrap_or(line))
    {
        for after in line.split("crate::").skip(1) {
            match after.strip_prefix('{') {
                Some(list) => found.extend(list.split(',').map(|part| word(part.trim()))),
                None => {
                    found.insert(word(after));
                }
            }
        }
    }
    found.retain(|name| layer(name).is_some());
    found
}

fn word(text: &str) -> &str {
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

fn check_edge((from, to): &Edge, file: &str) -> Option<String> {
    let never = NEVER.contains(&(from.as_str(), to.as_str()));
    (never || layer(from) < layer(to))
        .then(|| format!("{file}: `{from}` must not use `crate::{to}`"))
}

/// A cycle among the modules, if there is one.
fn cycle<'a>(edges: impl Iterator<Item = &'a Edge>) -> Option<String> {
    let mut uses: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in edges {
        uses.entry(from).or_default().insert(to);
    }
    // Take away modules that use nothing that is left, until none can go; what stays is in a cycle or above one.
    loop {
        let left: BTreeSet<&str> = uses.keys().copied().collect();
        for targets in uses.values_mut() {
            targets.retain(|to| left.contains(to));
        }
        let before = uses.len();
        uses.retain(|_, targets| !targets.is_empty());
        if uses.len() == before {
            break;
        }
    }
    let names: Vec<&str> = uses.keys().copied().collect();
    (!names.is_empty())
        .then(|| format!("kernel/src: a cycle among the modules {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    #[test]
    fn the_core_uses_nothing_of_ours() {
        let manifest = |dependency: &str| {
            format!(
                "[package]\nname = \"berth-oci\"\n[dependencies]\n{dependency}\n[dev-dependencies]\nberth-sim.workspace = true\n"
            )
        };
        let good = source(
            "kernel/oci/Cargo.toml",
            &manifest("semver.workspace = true"),
        );
        assert_eq!(check_manifest(&good), Findings::new());
        for bad in [
            "berth-abi.workspace = true",
            "berth-kernel = { path = \"..\" }",
        ] {
            let bad = source("kernel/oci/Cargo.toml", &manifest(bad));
            assert_eq!(check_manifest(&bad).len(), 1);
        }
        let target = "[package]\nname = \"berth-abi\"\n[target.'cfg(unix)'.dependencies]\nberth-oci.workspace = true\n";
        assert_eq!(
            check_manifest(&source("kernel/abi/Cargo.toml", target)).len(),
            1
        );
        let new = source("x/Cargo.toml", "[package]\nname = \"berth-new\"\n");
        assert!(
            check_manifest(&new)
                .first()
                .is_some_and(|finding| finding.contains("no layer"))
        );
    }

    #[test]
    fn modules_use_only_what_is_below_them() {
        let file = |path: &str, text: &str| check(&[source(path, text)]);
        assert_eq!(
            file("kernel/src/fs/tmpfs.rs", "use crate::machine::Frame;\n"),
            Findings::new()
        );
        assert_eq!(
            file("kernel/src/fs/tmpfs.rs", "use crate::task::Task;\n").len(),
            1
        );
        assert_eq!(
            file("kernel/src/fs.rs", "use crate::{cred, task};\n").len(),
            1
        );
        assert_eq!(
            file("kernel/src/task/exit.rs", "let x = crate::syscall::f();\n").len(),
            1
        );
        assert_eq!(
            file("kernel/src/cgroup/charge.rs", "use crate::fs::Inode;\n").len(),
            1
        );
        assert_eq!(
            file("kernel/src/kernel.rs", "use crate::syscall::dispatch;\n"),
            Findings::new()
        );
        assert_eq!(
            file(
                "kernel/src/fs/a.rs",
                "// crate::task\n#[cfg(test)]\nmod tests { use crate::task; }\n"
            ),
            Findings::new()
        );
    }

    #[test]
    fn cycles_within_a_layer_are_found() {
        let sources = [
            source("kernel/src/mm/a.rs", "use crate::fs::x;\n"),
            source("kernel/src/fs/a.rs", "use crate::ns::x;\n"),
            source("kernel/src/task/a.rs", "use crate::mm::x;\n"),
        ];
        assert_eq!(check(&sources), Findings::new());
        let mut sources = Vec::from(sources);
        sources.push(source("kernel/src/ns/a.rs", "use crate::mm::x;\n"));
        let findings = check(&sources);
        assert!(
            findings
                .first()
                .is_some_and(|finding| finding.contains("fs, mm, ns")),
            "{findings:?}"
        );
    }
}
