//! A directory for the logs of one run.

use crate::paths::Paths;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// How many directories of finished runs are kept.
const KEEP: usize = 20;

/// The directory of one run. Runs at the same time have different ones.
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// `wanted`, made if it is not there, or a new directory in `target/qemu`.
    pub fn create(paths: &Paths, wanted: Option<&Path>) -> Result<Self> {
        if let Some(path) = wanted {
            std::fs::create_dir_all(path)
                .with_context(|| format!("cannot make {}", path.display()))?;
            return Ok(Self {
                path: path.to_path_buf(),
            });
        }
        let runs = paths.qemu_runs();
        std::fs::create_dir_all(&runs)
            .with_context(|| format!("cannot make {}", runs.display()))?;
        prune(&runs);
        for number in 1..1000_u32 {
            let path = runs.join(format!("run-{}-{number}", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot make {}", path.display()));
                }
            }
        }
        bail!("too many runs in {}", runs.display())
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The kernel's log.
    pub fn kernel_log(&self) -> PathBuf {
        self.path.join("kernel.log")
    }

    /// What the guest wrote on the control channel.
    pub fn control_log(&self) -> PathBuf {
        self.path.join("control.log")
    }

    /// What QEMU itself wrote.
    pub fn qemu_log(&self) -> PathBuf {
        self.path.join("qemu.log")
    }

    /// The archive that QEMU loads.
    pub fn initramfs(&self) -> PathBuf {
        self.path.join("initramfs.cpio")
    }
}

/// Removes the oldest unnamed directories, except those whose process is alive.
fn prune(runs: &Path) {
    let Ok(entries) = runs.read_dir() else { return };
    let mut old: Vec<_> = entries
        .flatten()
        .filter(|entry| is_finished(&entry.file_name().to_string_lossy()))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    old.sort();
    let surplus = old.len().saturating_sub(KEEP);
    for (_, path) in old.into_iter().take(surplus) {
        // Another run may be removing it too.
        let _ = std::fs::remove_dir_all(path);
    }
}

/// Whether `name` is `run-PID-N` of a process that has ended.
fn is_finished(name: &str) -> bool {
    let Some(pid) = name
        .strip_prefix("run-")
        .and_then(|rest| rest.split('-').next())
    else {
        return false;
    };
    pid.parse::<u32>()
        .is_ok_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unnamed_runs_of_dead_processes_are_finished() {
        assert!(!is_finished(&format!("run-{}-1", std::process::id())));
        assert!(is_finished("run-4294967295-1"));
        assert!(!is_finished("boot_true"));
        assert!(!is_finished("run-x-1"));
    }
}
