//! Finding what a build and a boot need, and installing what is missing.
//!
//! Nothing is installed when nothing is missing. What will be installed is printed first, and only that needs root.

use crate::initramfs::static_busybox;
use crate::paths::Paths;
use crate::payloads;
use crate::process::{find_program, output, run};
use crate::toolchain::{Compilers, KERNEL, PORTABLE, USERLAND, host_cargo};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;

/// The emulator.
pub const QEMU: &str = "qemu-system-x86_64";

/// Something a boot needs that is not here.
struct Missing {
    what: String,
    packages: &'static [&'static str],
}

/// Installs what is missing for building and booting, and says what was found.
pub fn all(paths: &Paths) -> Result<()> {
    let compilers = for_run(paths)?;
    for target in [KERNEL, USERLAND] {
        let toolchain = compilers.for_target(target)?;
        let library = if toolchain.build_std {
            "built from source"
        } else {
            "precompiled"
        };
        println!(
            "{target}: {} (library {library})",
            toolchain.rustc.display()
        );
        if !toolchain.has_clippy() && target == KERNEL {
            println!(
                "no clippy for the kernel's target: `make check` will install rust-web-clippy"
            );
        }
    }
    for program in [QEMU, "musl-gcc"] {
        if let Some(path) = find_program(program) {
            println!("{program}: {}", path.display());
        }
    }
    println!("busybox: {}", static_busybox()?.display());
    payloads::all(paths)
}

/// Makes sure that everything for building and booting is there.
pub fn for_run(paths: &Paths) -> Result<Compilers> {
    let mut compilers = Compilers::look();
    let mut missing = missing_tools(&compilers);
    if missing.iter().any(|need| need.packages == RUST)
        && add_rustup_targets(paths, &[KERNEL, USERLAND])
    {
        compilers = Compilers::look();
        missing = missing_tools(&compilers);
    }
    if !missing.is_empty() {
        install(&missing)?;
        compilers = Compilers::look();
        missing = missing_tools(&compilers);
    }
    if !missing.is_empty() {
        bail!("still missing after installation: {}", names(&missing));
    }
    Ok(compilers)
}

/// Makes sure that the sources can be formatted and linted: for the host, for the kernel's target, and the portable core for
/// those of other kernels.
pub fn for_check(paths: &Paths) -> Result<()> {
    let mut compilers = for_run(paths)?;
    let lacks = |compilers: &Compilers| PORTABLE.iter().any(|t| compilers.for_target(t).is_err());
    if lacks(&compilers) && add_rustup_targets(paths, &PORTABLE) {
        compilers = Compilers::look();
    }
    let mut missing = Vec::new();
    let mut need = |present: bool, what: &str, packages| {
        if !present {
            missing.push(Missing {
                what: what.to_owned(),
                packages,
            });
        }
    };
    let answers =
        |subcommand: &str| output(host_cargo(paths).args([subcommand, "--version"])).is_ok();
    need(answers("fmt"), "rustfmt", &["rustfmt-web"]);
    need(
        !lacks(&compilers),
        "a compiler for the targets of other kernels",
        RUST,
    );
    need(answers("clippy"), "clippy", &["rust-web-clippy"]);
    need(
        compilers.for_target(KERNEL)?.has_clippy(),
        "clippy for the kernel's target",
        &["rust-web-clippy"],
    );
    install(&missing)
}

const RUST: &[&str] = &["rustc-web", "cargo-web", "rust-web-src"];

fn missing_tools(compilers: &Compilers) -> Vec<Missing> {
    let mut missing = Vec::new();
    let mut need = |present: bool, what: &str, packages| {
        if !present {
            missing.push(Missing {
                what: what.to_owned(),
                packages,
            });
        }
    };
    need(find_program(QEMU).is_some(), QEMU, &["qemu-system-x86"]);
    need(
        static_busybox().is_ok(),
        "a static busybox",
        &["busybox-static"],
    );
    need(find_program("ld").is_some(), "ld", &["binutils"]);
    need(
        compilers.for_target(KERNEL).is_ok(),
        "a compiler for the kernel",
        RUST,
    );
    match compilers.for_target(USERLAND) {
        Err(_) => need(false, "a compiler for the programs", RUST),
        Ok(toolchain) if !toolchain.build_std => {}
        Ok(_) => {
            need(
                find_program("musl-gcc").is_some(),
                "musl-gcc",
                &["musl-tools"],
            );
            need(find_program("gcc").is_some(), "gcc", &["gcc"]);
        }
    }
    missing
}

fn names(missing: &[Missing]) -> String {
    let names: Vec<&str> = missing.iter().map(|need| need.what.as_str()).collect();
    names.join(", ")
}

/// Asks rustup for targets; whether it has them now. After a failure, not again in the life of `target/`.
fn add_rustup_targets(paths: &Paths, targets: &[&str]) -> bool {
    let tried = paths.target().join("setup/rustup-tried");
    if tried.exists() || find_program("rustup").is_none() {
        return false;
    }
    eprintln!("xtask: trying: rustup target add {}", targets.join(" "));
    // A server that cannot be reached must not hold us up for minutes.
    let added = Command::new("timeout")
        .args(["60", "rustup", "target", "add"])
        .args(targets)
        .current_dir(paths.root())
        .status()
        .is_ok_and(|status| status.success());
    if !added {
        eprintln!("xtask: rustup could not add them; going on without");
        let noted = std::fs::create_dir_all(paths.target().join("setup")).and_then(|()| {
            std::fs::write(
                &tried,
                "rustup target add failed; delete this file to try again\n",
            )
        });
        if let Err(error) = noted {
            eprintln!("xtask: cannot write {}: {error}", tried.display());
        }
    }
    added
}

/// Installs Debian packages for what is missing, or says which ones to install.
fn install(missing: &[Missing]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let mut packages: Vec<&str> = missing
        .iter()
        .flat_map(|need| need.packages.iter().copied())
        .collect();
    packages.sort_unstable();
    packages.dedup();
    let list = packages.join(" ");
    let what = names(missing);
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!("missing: {what}. Install them; on Debian 12 the packages are: {list}");
    }
    if !rustix::process::geteuid().is_root() {
        bail!("missing: {what}. As root: apt-get install --no-install-recommends {list}");
    }
    eprintln!("xtask: missing: {what}\nxtask: installing: {list}");
    run(apt().args(["update", "-q"])).context("cannot update the package lists")?;
    run(apt()
        .args(["install", "-q", "-y", "--no-install-recommends"])
        .args(&packages))
}

/// apt-get, which asks nobody anything.
pub fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}
