//! The portable core as a package: it is complete, and builds where nothing of this tree is.

use crate::paths::Paths;
use crate::process::run;
use crate::toolchain::host_cargo;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What others take.
const PACKAGE: &str = "berth-oci";

/// Packages the core, unpacks it outside of the workspace, builds it there with and without its features, and runs its example.
/// Asks no registry: what it depends on was fetched with the rest.
pub fn check(paths: &Paths) -> Result<()> {
    let made = paths.target().join("package");
    run(host_cargo(paths)
        .args([
            "package",
            "--quiet",
            "--offline",
            "--allow-dirty",
            "--no-verify",
            "--package",
            PACKAGE,
            "--target-dir",
        ])
        .arg(paths.target()))?;
    let outside = std::env::temp_dir().join(format!("berth-package-{}", std::process::id()));
    std::fs::create_dir_all(&outside)?;
    let checked = check_outside(paths, &newest(&made)?, &outside);
    std::fs::remove_dir_all(&outside)?;
    checked
}

fn check_outside(paths: &Paths, archive: &Path, outside: &Path) -> Result<()> {
    let mut tar = Command::new("tar");
    run(tar.arg("-xzf").arg(archive).arg("-C").arg(outside))?;
    let name = archive.file_stem().context("a package without a name")?;
    let unpacked = outside.join(name);
    complete(&std::fs::read_to_string(unpacked.join("Cargo.toml"))?)?;
    for work in [
        &["build", "--no-default-features"][..],
        &["run", "--example", "toy"],
    ] {
        let mut cargo = host_cargo(paths);
        cargo.current_dir(&unpacked).args(work);
        // What is built there stays for the next time.
        cargo.args(["--quiet", "--offline", "--target-dir"]);
        cargo.arg(paths.target().join("package-outside"));
        run(cargo.stdout(Stdio::null()))?;
    }
    Ok(())
}

/// The package's archive.
fn newest(made: &Path) -> Result<PathBuf> {
    let mut archives = Vec::new();
    for entry in made.read_dir().context("nothing was packaged")? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(PACKAGE) && name.ends_with(".crate") {
            archives.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    archives.sort();
    let newest = archives.pop().context("no archive was made")?;
    Ok(newest.1)
}

/// Checks the manifest that others see: everything is said, and nothing leads out of the package.
fn complete(manifest: &str) -> Result<()> {
    for key in [
        "description",
        "license",
        "readme",
        "keywords",
        "categories",
        "rust-version",
    ] {
        if !manifest.contains(&format!("\n{key} = ")) {
            bail!("the package says no {key}");
        }
    }
    let sections = manifest.split("\n[");
    let mut dependencies = sections.filter(|section| section.starts_with("dependencies."));
    if let Some(outward) = dependencies.find(|section| section.contains("path = ")) {
        bail!("a dependency leads out of the package: {outward}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_complete_and_leads_nowhere() {
        let good = "[package]\ndescription = 1\nlicense = 1\nreadme = 1\nkeywords = 1\ncategories = 1\nrust-version = 1\n";
        assert!(complete(good).is_ok());
        assert!(complete(&good.replace("\nreadme = 1", "")).is_err());
        let path = format!("{good}\n[dependencies.a]\npath = \"..\"\n\n[example]\npath = 1");
        assert!(complete(&path).is_err());
        assert!(complete(&path.replace("dependencies.a", "lib")).is_ok());
    }
}
