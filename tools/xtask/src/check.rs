//! `cargo xtask check`: everything that must hold before a change is taken.

use crate::build::bare_cargo;
use crate::package;
use crate::paths::Paths;
use crate::process::run;
use crate::setup;
use crate::testing;
use crate::tidy;
use crate::toolchain::{Compilers, KERNEL, PORTABLE, host_cargo};
use anyhow::{Result, bail};
use std::time::Instant;

type Step = (&'static str, fn(&Paths) -> Result<()>);

/// Cheap steps first.
const STEPS: [Step; 9] = [
    ("formatting", formatting),
    ("tidy", |paths| tidy::all(paths, false)),
    ("lints, host", host_lints),
    ("lints, kernel", kernel_lints),
    ("portable core", portable_core),
    ("package of the core", package::check),
    ("documentation", documentation),
    ("tests, host", testing::host),
    ("tests, QEMU", |paths| testing::qemu(paths, None)),
];

/// Runs every step, even after a failure, and says at the end which ones failed.
pub fn all(paths: &Paths) -> Result<()> {
    setup::for_check(paths)?;
    let mut failed = Vec::new();
    for (name, step) in STEPS {
        println!("== {name}");
        let begun = Instant::now();
        let outcome = step(paths);
        let seconds = begun.elapsed().as_secs();
        match outcome {
            Ok(()) => println!("== {name}: passed in {seconds} s"),
            Err(error) => {
                eprintln!("{error:#}");
                println!("== {name}: FAILED after {seconds} s");
                failed.push(name);
            }
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join("; "));
    }
    Ok(())
}

fn formatting(paths: &Paths) -> Result<()> {
    run(host_cargo(paths).args(["fmt", "--all", "--check"]))
}

fn host_lints(paths: &Paths) -> Result<()> {
    run(host_cargo(paths).args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))
}

/// On the host only a stub of the bootable crate is compiled, so its real code is linted here.
fn kernel_lints(paths: &Paths) -> Result<()> {
    let toolchain = Compilers::look().for_target(KERNEL)?;
    let mut cargo = bare_cargo(paths, &toolchain, "clippy", KERNEL)?;
    run(cargo.args([
        "--quiet",
        "--release",
        "--package",
        "berth-x86_64",
        "--",
        "-D",
        "warnings",
    ]))
}

/// Other kernels take the core to other processors, with and without an allocator.
fn portable_core(paths: &Paths) -> Result<()> {
    for target in PORTABLE {
        let toolchain = Compilers::look().for_target(target)?;
        for features in [&[][..], &["--no-default-features"]] {
            let mut cargo = bare_cargo(paths, &toolchain, "clippy", target)?;
            cargo
                .args(["--quiet", "--package", "berth-oci"])
                .args(features);
            run(cargo.args(["--", "-D", "warnings"]))?;
        }
    }
    Ok(())
}

fn documentation(paths: &Paths) -> Result<()> {
    let mut cargo = host_cargo(paths);
    cargo.args(["doc", "--workspace", "--no-deps"]);
    run(cargo.env("RUSTDOCFLAGS", "-D warnings"))
}
