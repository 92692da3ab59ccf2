//! `cargo xtask test-oracle`: what Linux says to the scripts and cases that the guest must agree with.
//!
//! They run on this machine's Linux, as root in a root directory made from the guest's own archive, with namespaces of their
//! own for mounts, names and processes. What scripts print there must be what `tests/scripts/NAME.out` has, which the tests
//! in QEMU compare with what they print in the guest.

use crate::build;
use crate::initramfs::static_busybox;
use crate::paths::Paths;
use crate::payloads;
use crate::process::output;
use crate::testing;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Makes the root directory and runs a command in it. Arguments: the directory, busybox, the archive, then words for the
/// guest's shell. Files below `files/` beside the root are put into it.
const IN_ROOT: &str = r#"
set -eu
root=$1 busybox=$2 archive=$3
shift 3
"$busybox" mount -t tmpfs berth "$root"
cd "$root"
"$busybox" cpio -i -d <"$archive" 2>/dev/null
"$busybox" cp -R "$root/../files/." .
"$busybox" mount -t proc -o nosuid,nodev proc proc
"$busybox" mount -t sysfs -o nosuid,nodev sysfs sys
"$busybox" mkdir -p dev/pts
"$busybox" mount -t devpts -o nosuid,noexec,gid=5,mode=620,ptmxmode=666 devpts dev/pts
"$busybox" mount -t tmpfs -o nosuid,nodev,mode=755 tmpfs run
"$busybox" mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs tmp
"$busybox" hostname berth
ulimit -n 1024
exec "$busybox" chroot . /bin/env -i PATH=/bin HOME=/root /bin/sh -c '"$@"; exit $?' sh "$@"
"#;

/// Compares Linux with what was written down, or writes it down; then the guest with that.
pub fn all(paths: &Paths, bless: bool) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("test-oracle needs root: it makes a root directory with devices");
    }
    build::all(paths)?;
    let scripts = scripts(paths)?;
    let linux = Linux::prepare(paths, &scripts)?;
    let mut failed = linux.scripts(paths, &scripts, bless)?;
    failed += linux.cases()?;
    println!("{} scripts on Linux, {failed} failures", scripts.len());
    if !bless {
        testing::qemu(paths, Some("script"))?;
    }
    if failed > 0 {
        bail!("{failed} differences from Linux");
    }
    Ok(())
}

/// The scripts by name.
fn scripts(paths: &Paths) -> Result<BTreeMap<String, PathBuf>> {
    let directory = paths.root().join("tests/scripts");
    let mut found = BTreeMap::new();
    for entry in directory.read_dir().context("cannot list tests/scripts")? {
        let path = entry?.path();
        if let (Some(name), Some(kind)) = (path.file_name(), path.extension()) {
            if kind != "out" {
                found.insert(name.to_string_lossy().into_owned(), path.clone());
            }
        }
    }
    Ok(found)
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

/// This machine's system, with a root directory like the guest's.
struct Linux {
    root: PathBuf,
    archive: PathBuf,
    busybox: PathBuf,
}

impl Linux {
    fn prepare(paths: &Paths, scripts: &BTreeMap<String, PathBuf>) -> Result<Self> {
        let place = paths.target().join("oracle");
        let files = place.join("files");
        let _ = std::fs::remove_dir_all(&files);
        for dir in [
            &place.join("root"),
            &files.join("bin"),
            &files.join("scripts"),
        ] {
            std::fs::create_dir_all(dir)?;
        }
        let copy = |from: &Path, to: PathBuf| {
            std::fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))
        };
        copy(
            &paths.root().join("tests/scripts/run"),
            files.join("scripts/run"),
        )?;
        for (name, path) in scripts {
            for payload in needs(name, &std::fs::read_to_string(path)?) {
                let program = payloads::one(paths, &payload)?;
                copy(&program, files.join("bin").join(payload))?;
            }
            copy(path, files.join("scripts").join(name))?;
        }
        Ok(Self {
            root: place.join("root"),
            archive: paths.base_initramfs(),
            busybox: static_busybox()?,
        })
    }

    /// What a command prints.
    fn run(&self, words: &[&str]) -> Result<String> {
        // Whoever starts this may ignore signals, as nohup does.
        let mut unshare = Command::new("env");
        unshare
            .args(["--default-signal", "unshare"])
            .args([
                "--mount",
                "--uts",
                "--ipc",
                "--pid",
                "--fork",
                "--kill-child",
            ])
            .args(["/bin/sh", "-c", IN_ROOT, "oracle"])
            .args([&self.root, &self.busybox, &self.archive])
            .args(words);
        output(&mut unshare)
    }

    /// Runs all scripts; how many differ from what was written down.
    fn scripts(
        &self,
        paths: &Paths,
        scripts: &BTreeMap<String, PathBuf>,
        bless: bool,
    ) -> Result<usize> {
        let files: Vec<String> = scripts
            .keys()
            .map(|name| format!("/scripts/{name}"))
            .collect();
        let mut words = vec!["/bin/sh", "/scripts/run"];
        words.extend(files.iter().map(String::as_str));
        let printed = self.run(&words)?;
        let mut failed = 0;
        for (name, path) in scripts {
            let text = section(&printed, name).with_context(|| format!("{name} did not run"))?;
            let kept = path.with_file_name(format!("{name}.out"));
            if bless {
                std::fs::write(&kept, text)?;
            } else if std::fs::read_to_string(&kept).ok().as_deref() != Some(&text) {
                failed += 1;
                println!("not as Linux has it: {}", kept.display());
                println!("{}", diff(paths, &kept, &text)?);
            }
        }
        Ok(failed)
    }

    /// Runs the cases of the probe, which must all hold; how many do not.
    fn cases(&self) -> Result<usize> {
        let shell = "probe abi all; echo exit $?";
        let printed = self.run(&["/bin/sh", "-c", shell])?;
        let mut failed = usize::from(!printed.ends_with("exit 0\n"));
        for line in printed.lines().filter(|line| line.starts_with("not ok")) {
            failed += 1;
            println!("probe on Linux: {line}");
        }
        Ok(failed)
    }
}

/// What a script printed: from behind its name to its exit code.
fn section(printed: &str, name: &str) -> Option<String> {
    let (_, rest) = printed.split_once(&format!("== {name}\n"))?;
    let (text, after) = rest.split_once("== exit ")?;
    let code = after.lines().next()?;
    Some(format!("{text}== exit {code}\n"))
}

/// The differences of a file and a text, as `diff -u` has them.
fn diff(paths: &Paths, kept: &Path, text: &str) -> Result<String> {
    let now = paths.target().join("oracle/now");
    std::fs::write(&now, text)?;
    let found = Command::new("diff").arg("-uN").arg(kept).arg(&now).output();
    let found = found.context("cannot start diff")?;
    Ok(String::from_utf8_lossy(&found.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_told_apart() {
        let printed = "== a.sh\nx\n== exit 0\n== b.sh\n== exit 3\n";
        assert_eq!(section(printed, "a.sh").as_deref(), Some("x\n== exit 0\n"));
        assert_eq!(section(printed, "b.sh").as_deref(), Some("== exit 3\n"));
        assert_eq!(section(printed, "c.sh"), None);
    }
}
