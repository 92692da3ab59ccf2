//! `cargo xtask tidy`: rules of the source tree that no compiler checks.

mod coverage;
mod layers;
mod manifests;
mod rows;
mod text;
mod unsafety;

use crate::paths::Paths;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// A text file of the tree.
pub struct Source {
    /// Path from the top of the tree, with forward slashes.
    pub path: String,
    /// Its content.
    pub text: String,
}

/// What is wrong, and where.
pub type Findings = Vec<String>;

/// Checks the whole tree. With `bless` the generated documents are written first.
pub fn all(paths: &Paths, bless: bool) -> Result<()> {
    let mut sources = sources(paths.root())?;
    if bless {
        for (name, document) in [
            (unsafety::DOCUMENT, unsafety::document(&sources)),
            (coverage::DOCUMENT, coverage::document(&sources)),
        ] {
            let file = paths.root().join(name);
            std::fs::create_dir_all(file.parent().context("no docs directory")?)?;
            std::fs::write(&file, document)
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        sources = self::sources(paths.root())?;
    }
    let mut findings = Findings::new();
    findings.extend(layers::check(&sources));
    findings.extend(layers::stale_exceptions(&sources));
    findings.extend(manifests::check(&sources));
    findings.extend(rows::check(&sources));
    findings.extend(text::check(&sources));
    findings.extend(unsafety::check(&sources));
    findings.extend(coverage::check(&sources));
    for warning in text::warnings(&sources) {
        println!("tidy: warning: {warning}");
    }
    for finding in &findings {
        println!("tidy: {finding}");
    }
    match findings.len() {
        0 => Ok(()),
        count => bail!("tidy found {count} faults"),
    }
}

/// Every text file below `root`, sorted by path.
fn sources(root: &Path) -> Result<Vec<Source>> {
    let mut files = Vec::new();
    list(root, &mut files)?;
    files.sort();
    let mut sources = Vec::new();
    for file in files {
        // Binary fixtures have no lines to check.
        if let Ok(text) = String::from_utf8(std::fs::read(&file)?) {
            let path = file.strip_prefix(root)?.to_string_lossy().into_owned();
            sources.push(Source { path, text });
        }
    }
    Ok(sources)
}

fn list(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in dir
        .read_dir()
        .with_context(|| format!("cannot list {}", dir.display()))?
    {
        let entry = entry?;
        let name = entry.file_name();
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if name != "target" && name != ".git" {
                list(&entry.path(), files)?;
            }
        } else if kind.is_file() && name != ".git" {
            files.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
pub fn source(path: &str, text: &str) -> Source {
    Source {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}
