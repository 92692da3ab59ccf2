//! Running the tests.

use crate::build;
use crate::paths::Paths;
use crate::process::run;
use crate::toolchain::host_cargo;
use anyhow::{Context, Result};

/// All tests; those that boot run even when others fail, so that one call shows everything.
pub fn all(paths: &Paths) -> Result<()> {
    let host = host(paths);
    qemu(paths, None)?;
    host
}

/// The tests that need only a stable compiler, with the examples in the documentation.
pub fn host(paths: &Paths) -> Result<()> {
    run(host_cargo(paths).args(["test", "--workspace"]))
}

/// The tests that boot the kernel. They come in through the same door as everybody: `xtask run`.
pub fn qemu(paths: &Paths, filter: Option<&str>) -> Result<()> {
    build::all(paths)?;
    let door = std::env::current_exe().context("cannot find this program's own file")?;
    let mut cargo = host_cargo(paths);
    cargo
        .args([
            "run",
            "--quiet",
            "--package",
            "berth-tests",
            "--",
            "--xtask",
        ])
        .arg(door)
        .arg("--logs")
        .arg(paths.qemu_runs());
    cargo.args(filter);
    run(&mut cargo)
}
