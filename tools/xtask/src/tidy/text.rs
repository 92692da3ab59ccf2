//! Rules for every text file: length, blanks, and words that have no place here.

use super::{Findings, Source};

/// A file with more lines than this is worth a look.
const LONG: usize = 500;
/// A file with more lines than this must be split.
const TOO_LONG: usize = 700;

/// Words that no source may hold: (word, why). This file names them and is exempt.
const WORDS: [(&str, &str); 6] = [
    ("todo!", "unfinished code is an error value or is absent"),
    (
        "unimplemented!",
        "unfinished code is an error value or is absent",
    ),
    ("FIXME", "fix it, or write a line in docs/caveats.md"),
    ("XXX:", "say what is meant"),
    (
        "issue #",
        "explain here; a number means nothing in another place",
    ),
    ("/work/", "a path of somebody's own machine"),
];

/// Everything that is wrong with the texts.
pub fn check(sources: &[Source]) -> Findings {
    let mut findings = Findings::new();
    for source in sources.iter().filter(|source| is_ours(&source.path)) {
        let count = source.text.lines().count();
        if is_code(&source.path) && count > TOO_LONG {
            findings.push(format!(
                "{}: {count} lines, more than {TOO_LONG}",
                source.path
            ));
        }
        if !source.text.is_empty() && !source.text.ends_with('\n') {
            findings.push(format!("{}: no newline at the end", source.path));
        }
        findings.extend(check_lines(source));
    }
    findings
}

/// What may stay as it is, but should be known.
pub fn warnings(sources: &[Source]) -> Findings {
    sources
        .iter()
        .filter(|source| is_code(&source.path))
        .map(|source| (source, source.text.lines().count()))
        .filter(|(_, count)| (LONG..=TOO_LONG).contains(count))
        .map(|(source, count)| format!("{}: {count} lines", source.path))
        .collect()
}

fn check_lines(source: &Source) -> Findings {
    let mut findings = Findings::new();
    let tabs_allowed = source.path.ends_with("Makefile");
    for (line, number) in source.text.lines().zip(1_usize..) {
        let mut found = |what: &str| findings.push(format!("{}:{number}: {what}", source.path));
        // What programs printed stands as it is.
        if source.path.ends_with(".out") {
            continue;
        }
        if line.ends_with([' ', '\t', '\r']) {
            found("blanks at the end of the line");
        }
        if line.contains('\t') && !tabs_allowed {
            found("a tab");
        }
        if source.path != "tools/xtask/src/tidy/text.rs" {
            for (word, why) in WORDS.iter().filter(|(word, _)| line.contains(word)) {
                found(&format!("{word:?}: {why}"));
            }
        }
    }
    findings
}

/// Whether the file is written here, not by a tool or a licence's author.
fn is_ours(path: &str) -> bool {
    path != "Cargo.lock" && !path.starts_with("LICENSE")
}

fn is_code(path: &str) -> bool {
    [".rs", ".sh", ".S", ".ld"]
        .iter()
        .any(|end| path.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    fn findings(path: &str, text: &str) -> Findings {
        check(&[source(path, text)])
    }

    #[test]
    fn blanks_tabs_and_words_are_found_with_their_line() {
        assert_eq!(findings("a.rs", "fine\n\nalso fine\n"), Findings::new());
        assert_eq!(
            findings("a.rs", "a\nb \n"),
            ["a.rs:2: blanks at the end of the line"]
        );
        assert_eq!(findings("a.rs", "\ta\n"), ["a.rs:1: a tab"]);
        assert_eq!(findings("Makefile", "\ta\n"), Findings::new());
        assert_eq!(findings("a.rs", "a"), ["a.rs: no newline at the end"]);
        assert_eq!(findings("a.rs", "fn f() { todo!() }\n").len(), 1);
        assert_eq!(findings("docs/a.md", "see issue #1\n").len(), 1);
        assert_eq!(findings("Cargo.lock", "\tissue #1 "), Findings::new());
    }

    #[test]
    fn long_files_warn_and_longer_ones_fail() {
        let lines = |count: usize| "x\n".repeat(count);
        assert!(warnings(&[source("a.rs", &lines(LONG - 1))]).is_empty());
        assert_eq!(warnings(&[source("a.rs", &lines(LONG))]).len(), 1);
        assert!(findings("a.rs", &lines(TOO_LONG)).is_empty());
        assert_eq!(findings("a.rs", &lines(TOO_LONG + 1)).len(), 1);
        assert!(findings("docs/a.md", &lines(TOO_LONG + 1)).is_empty());
    }
}
