//! Who may use whom: between crates by their manifests, inside the kernel crate by paths that start with `crate::`.

use super::manifests::is_crate;
use super::{Findings, Source};
use std::collections::{BTreeMap, BTreeSet};

/// Our crates and which of ours each may use. A crate that is not listed is a finding: a new layer needs a decision.
const CRATES: &[(&str, &[&str])] = &[
    ("berth-oci", &[]),
    ("berth-oci-fuzz", &["berth-oci"]),
    ("berth-abi", &[]),
    ("berth-kernel", &["berth-abi", "berth-oci"]),
    ("berth-x86_64", &["berth-abi", "berth-kernel"]),
    ("berth-sim", &["berth-abi", "berth-kernel", "berth-wild"]),
    ("berth-wild", &["berth-abi"]),
    ("berth-sys", &["berth-abi", "berth-wild"]),
    ("berth-init", &["berth-abi", "berth-sys"]),
    ("berth-oci-shim", &["berth-abi", "berth-sys"]),
    ("berth-probe", &["berth-abi", "berth-sys", "berth-wild"]),
    ("berth-programs", &[]),
    ("berth-threads", &[]),
    ("berth-tests", &[]),
    ("xtask", &[]),
];

/// Modules of `kernel/src` from the bottom up; a module may use those of its own row and of the rows before it, without cycles.
///
/// What is not listed is the trunk (`kernel.rs`, `work.rs` and the like), which joins everything and so may use everything. Names
/// that end in `Id` are numbers, not code: anybody may hold the number of a thing of any layer. A name with a slash is a module
/// within a module, with a layer of its own.
///
/// The second row is the ground: objects, who pays, who waits, errors. Its files hold each other up, so cycles count above it.
const KERNEL_LAYERS: [&[&str]; 8] = [
    &["machine"],
    &["arena", "cgroup", "error", "mm/frames", "wait", "wire"],
    &["mm", "fs", "ns"],
    &["task", "sched"],
    &["net", "tty"],
    &["views", "dev", "io"],
    &["container"],
    &["syscall"],
];

/// Uses against the order of the rows, each with its reason. One that no file needs any more is a finding too.
const EXCEPTIONS: [(&str, &str, &str); 9] = [
    ("fs", "tty", "an open file of a terminal keeps it alive"),
    (
        "task",
        "tty",
        "the end of a session is an event of its terminal, and a process has a place at it",
    ),
    (
        "wait",
        "fs",
        "who waits for a lock names the file by its node",
    ),
    (
        "fs",
        "views",
        "an open file of a view keeps alive what it shows",
    ),
    (
        "task",
        "io",
        "the last descriptor of a file closes it, whatever it is",
    ),
    (
        "task",
        "views",
        "execve follows a path, and paths lead through views",
    ),
    (
        "mm",
        "task",
        "whoever runs out of memory needs a process to kill",
    ),
    (
        "ns",
        "task",
        "a pid namespace numbers processes, and its end is theirs",
    ),
    (
        "task",
        "container",
        "the end of a container's first process, or of a hook, is an event of the container",
    ),
];

fn is_exception(from: &str, to: &str) -> bool {
    EXCEPTIONS
        .iter()
        .any(|(one, other, _)| (*one, *other) == (from, to))
}

/// Exceptions that the sources do not need.
pub fn stale_exceptions(sources: &[Source]) -> Findings {
    let edges = kernel_edges(sources);
    EXCEPTIONS
        .iter()
        .filter(|(from, to, _)| !edges.contains_key(&(*from, *to)))
        .map(|(from, to, _)| {
            format!("tidy/layers.rs: `{from}` no longer uses `{to}`; the exception can go")
        })
        .collect()
}

/// The row of the ground.
const GROUND: usize = 1;

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
type Edge = (&'static str, &'static str);

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
                    .entry((from, to))
                    .or_insert_with(|| source.path.clone());
            }
        }
    }
    edges
}

/// The module with a layer that a file of the kernel crate belongs to; files of the trunk have none.
fn kernel_module(path: &str) -> Option<&'static str> {
    let inside = path.strip_prefix("kernel/src/")?.strip_suffix(".rs")?;
    // `cfg(test)` files may look anywhere, as tests do.
    (!inside.ends_with("tests")).then(|| listed(inside.split('/')))?
}

/// The entry of [`KERNEL_LAYERS`] that a path of module names leads to.
fn listed<'a>(mut path: impl Iterator<Item = &'a str>) -> Option<&'static str> {
    let first = path.next()?;
    let inner = path.next().map(|second| format!("{first}/{second}"));
    let mut names = KERNEL_LAYERS.iter().copied().flatten().copied();
    let find = |wanted: &str| names.clone().find(|name| *name == wanted);
    inner
        .and_then(|inner| find(&inner))
        .or_else(|| names.find(|name| *name == first))
}

fn layer(module: &str) -> Option<usize> {
    KERNEL_LAYERS.iter().position(|row| row.contains(&module))
}

/// The text up to the module of unit tests.
fn before_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod ").next().unwrap_or(text)
}

/// Modules that paths starting with `crate::` lead to, except those that lead to a number only; comments do not count.
fn used_modules(text: &str) -> BTreeSet<&'static str> {
    let lines = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or(line));
    let code: String = lines.flat_map(|line| line.chars().chain([' '])).collect();
    let mut found = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        for path in leaves(after) {
            let is_number = path.last().is_some_and(|name| name.ends_with("Id"));
            let module = listed(path.iter().map(String::as_str));
            found.extend(module.filter(|_| !is_number));
        }
    }
    found
}

/// The paths that the head of `text` spells out: `a::{b, c::D}` is `a::b` and `a::c::D`.
fn leaves(text: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    // What the brackets that are open stand behind, and the path being read.
    let mut prefixes: Vec<Vec<String>> = Vec::new();
    let mut path: Vec<String> = Vec::new();
    let mut rest = text;
    loop {
        let name = word(rest);
        if !name.is_empty() {
            path.push(name.to_owned());
            rest = rest.get(name.len()..).unwrap_or_default();
        }
        if let Some(after) = rest
            .strip_prefix("::")
            .filter(|after| !after.starts_with('<'))
        {
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{').filter(|_| name.is_empty()) {
            prefixes.push(path.clone());
            rest = after.trim_start();
        } else {
            if !path.is_empty() && !name.is_empty() {
                paths.push(std::mem::take(&mut path));
            }
            rest = rest.trim_start();
            let Some(prefix) = prefixes.last() else {
                return paths;
            };
            if let Some(after) = rest.strip_prefix(',') {
                path.clone_from(prefix);
                rest = after.trim_start();
            } else if let Some(after) = rest.strip_prefix('}') {
                prefixes.pop();
                rest = after;
            } else if let Some(after) = rest.strip_prefix(['*', '=']) {
                rest = after;
            } else if rest.starts_with("as ") {
                rest = rest
                    .split_once([',', '}'])
                    .map_or("", |(alias, _)| rest.get(alias.len()..).unwrap_or_default());
            } else {
                return paths;
            }
        }
    }
}

fn word(text: &str) -> &str {
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

fn check_edge((from, to): &Edge, file: &str) -> Option<String> {
    (layer(from) < layer(to) && !is_exception(from, to))
        .then(|| format!("{file}: `{from}` must not use `crate::{to}`"))
}

/// A cycle among the modules, if there is one.
fn cycle<'a>(edges: impl Iterator<Item = &'a Edge>) -> Option<String> {
    let mut left: BTreeSet<(&str, &str)> = edges
        .copied()
        .filter(|(from, to)| layer(to) > Some(GROUND) && !is_exception(from, to))
        .collect();
    // Take away modules that use nothing that is left, or that nothing left uses, until none can go.
    loop {
        let users: BTreeSet<&str> = left.iter().map(|(from, _)| *from).collect();
        let used: BTreeSet<&str> = left.iter().map(|(_, to)| *to).collect();
        let before = left.len();
        left.retain(|(from, to)| users.contains(to) && used.contains(from));
        if left.len() == before {
            break;
        }
    }
    let names: BTreeSet<&str> = left.iter().map(|(from, _)| *from).collect();
    let names: Vec<&str> = names.into_iter().collect();
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
    fn paths_are_taken_apart() {
        let spelled = |text: &str| -> Vec<String> {
            leaves(text).iter().map(|path| path.join("::")).collect()
        };
        assert_eq!(spelled("a::b::C;"), ["a::b::C"]);
        assert_eq!(
            spelled("a::{B, c::{D, E as F}, self};"),
            ["a::B", "a::c::D", "a::c::E", "a::self"]
        );
        assert_eq!(spelled("{ a, b::C };"), ["a", "b::C"]);
        assert_eq!(spelled("a::f::<u8>(x, y)"), ["a::f"]);
        assert_eq!(spelled("A) -> {"), ["A"]);
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
            file(
                "kernel/src/fs/tmpfs.rs",
                "use crate::task::{\n    TaskId,\n    Task,\n};\n"
            )
            .len(),
            1
        );
        assert_eq!(
            file("kernel/src/fs.rs", "use crate::{mm, task};\n").len(),
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
    fn a_number_may_come_from_any_layer() {
        let text = "use crate::task::{ProcessId, TaskId};\npub c: crate::container::ContainerId,\n";
        assert_eq!(
            check(&[source("kernel/src/ns/mod.rs", text)]),
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
