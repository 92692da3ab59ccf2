//! The reference of the configuration, held against the parser.
#![cfg(feature = "alloc")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use berth_oci::config::KEYS;
use berth_oci::{OciConfig, mount_option_names};

const PAGE: &str = include_str!("../../../docs/config-format.md");

/// The fenced blocks of one kind, each with the line it starts at.
fn blocks(kind: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut inside = None;
    for (number, line) in (1..).zip(PAGE.lines()) {
        match (&mut inside, line.strip_prefix("```")) {
            (None, Some(fence)) => inside = Some((fence == kind, number, String::new())),
            (Some(_), Some(_)) => {
                let (wanted, start, text) = inside.take().unwrap();
                if wanted {
                    found.push((start, text));
                }
            }
            (Some((_, _, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(inside.is_none(), "a block is not closed");
    assert!(!found.is_empty(), "no {kind} blocks");
    found
}

#[test]
fn complete_examples_are_accepted() {
    for (line, text) in blocks("container") {
        let config = OciConfig::parse(&text).unwrap_or_else(|e| panic!("page {line}: {e}"));
        assert!(config.process.is_some());
    }
}

#[test]
fn example_lines_are_accepted_in_a_minimal_container() {
    for (line, text) in blocks("lines") {
        let text = format!("root_path=rootfs\n{text}");
        let config = OciConfig::parse(&text).unwrap_or_else(|e| panic!("page {line}: {e}"));
        assert_eq!(OciConfig::parse(&config.to_text()), Ok(config));
    }
}

/// The first line of such a block is a comment that tells the error.
#[test]
fn refused_examples_are_refused_as_written() {
    for (line, text) in blocks("refused") {
        let expected = text.lines().next().unwrap().strip_prefix("# ").unwrap();
        let error = OciConfig::parse(&text).expect_err("refused");
        assert_eq!(error.to_string(), expected, "page {line}");
    }
}

/// Names in backquotes in the first column of the tables are keys, and all keys are there.
#[test]
fn the_tables_have_every_key_and_no_other() {
    let mut listed: Vec<&str> = PAGE
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(" |").next())
        .flat_map(|cell| cell.split(", `"))
        .map(|name| name.trim_end_matches('`'))
        .collect();
    let mut keys = KEYS.to_vec();
    listed.sort_unstable();
    keys.sort_unstable();
    assert_eq!(listed, keys);
}

#[test]
fn every_mount_option_is_listed() {
    for option in mount_option_names() {
        assert!(PAGE.contains(&format!("`{option}`")), "{option}");
    }
}
