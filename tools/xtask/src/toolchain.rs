//! Finding compilers for the two guest targets.
//!
//! A target is built with rustup's precompiled library where that is installed. Otherwise the library is built from
//! source (`-Z build-std`) by any rustc of 1.85 or newer that carries its sources, such as Debian's `rustc-web` with
//! `rust-web-src`; `RUSTC_BOOTSTRAP` lets a stable compiler accept that one flag.

use crate::paths::Paths;
use crate::process::{find_program, is_executable, output};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The target of the kernel.
pub const KERNEL: &str = "x86_64-unknown-none";
/// The target of the programs that run on it.
pub const USERLAND: &str = "x86_64-unknown-linux-musl";

/// Targets of other kernels, for which the portable core is checked.
pub const PORTABLE: [&str; 2] = ["riscv64gc-unknown-none-elf", "aarch64-unknown-none"];

/// The oldest compiler that builds Berth: (major, minor).
const OLDEST: (u32, u32) = (1, 85);

/// A compiler and what it needs to build for one target.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// The `cargo` program.
    pub cargo: PathBuf,
    /// The `rustc` program.
    pub rustc: PathBuf,
    /// The root of its installation (`rustc --print sysroot`).
    pub sysroot: PathBuf,
    /// Whether core, alloc and std are built from source.
    pub build_std: bool,
}

/// The compilers that are installed here. To ask them what they are starts several programs, so it is done once.
pub struct Compilers {
    /// Best first.
    usable: Vec<Compiler>,
    /// Why others are not: for messages.
    unusable: Vec<String>,
}

/// One installation.
struct Compiler {
    cargo: PathBuf,
    rustc: PathBuf,
    sysroot: PathBuf,
}

impl Compilers {
    /// Looks for them.
    pub fn look() -> Self {
        let (mut usable, mut unusable) = (Vec::new(), Vec::new());
        for (cargo, rustc) in candidates() {
            match Compiler::ask(cargo, rustc.clone()) {
                Ok(compiler) => usable.push(compiler),
                Err(error) => unusable.push(format!("  {}: {error:#}", rustc.display())),
            }
        }
        Self { usable, unusable }
    }

    /// The first that can build for `target`, or an error that names the choices.
    pub fn for_target(&self, target: &str) -> Result<Toolchain> {
        if let Some(toolchain) = self
            .usable
            .iter()
            .find_map(|compiler| compiler.for_target(target))
        {
            return Ok(toolchain);
        }
        let without = self.usable.iter().map(|compiler| {
            format!(
                "  {}: has neither {target} nor its own sources",
                compiler.rustc.display()
            )
        });
        let tried: Vec<String> = without.chain(self.unusable.iter().cloned()).collect();
        bail!(
            "no Rust toolchain here can build for {target}; any of these will do:\n\
             \x20 rustup target add {target}\n\
             \x20 rustup component add rust-src\n\
             \x20 apt-get install rustc-web cargo-web rust-web-src   (Debian 12)\n\
             tried:\n{}",
            tried.join("\n")
        )
    }
}

impl Compiler {
    fn ask(cargo: PathBuf, rustc: PathBuf) -> Result<Self> {
        let version = output(plain(&rustc).arg("--version"))?;
        if !is_new_enough(&version) {
            bail!("{} is older than 1.{}", version.trim(), OLDEST.1);
        }
        let sysroot = PathBuf::from(output(plain(&rustc).args(["--print", "sysroot"]))?.trim());
        Ok(Self {
            cargo,
            rustc,
            sysroot,
        })
    }

    fn for_target(&self, target: &str) -> Option<Toolchain> {
        let libraries = self.sysroot.join("lib/rustlib");
        let build_std = !holds_library(&libraries.join(target).join("lib"), "libcore-");
        let has_sources = libraries.join("src/rust/library/core/src/lib.rs").is_file();
        (!build_std || has_sources).then(|| Toolchain {
            cargo: self.cargo.clone(),
            rustc: self.rustc.clone(),
            sysroot: self.sysroot.clone(),
            build_std,
        })
    }
}

impl Toolchain {
    /// `cargo SUBCOMMAND` with this toolchain's own compiler, linter and nothing of the toolchain we run under.
    pub fn cargo(&self, subcommand: &str) -> Result<Command> {
        let mut command = if subcommand == "clippy" {
            // `cargo clippy` would prefer the linter in CARGO_HOME/bin, which belongs to another compiler.
            let linter = self.sibling("cargo-clippy")?;
            let mut command = plain(&linter);
            command.arg("clippy").env("CARGO", &self.cargo);
            command
        } else {
            let mut command = plain(&self.cargo);
            command.arg(subcommand);
            command
        };
        command.env("RUSTC", &self.rustc);
        if let Ok(rustdoc) = self.sibling("rustdoc") {
            command.env("RUSTDOC", rustdoc);
        }
        if self.build_std {
            command.env("RUSTC_BOOTSTRAP", "1");
        }
        Ok(command)
    }

    /// A program of the same installation.
    fn sibling(&self, name: &str) -> Result<PathBuf> {
        let beside_cargo = self.cargo.parent().map(|dir| dir.join(name));
        [Some(self.sysroot.join("bin").join(name)), beside_cargo]
            .into_iter()
            .flatten()
            .find(|file| is_executable(file))
            .with_context(|| format!("{name} is not installed for {}", self.rustc.display()))
    }

    /// Whether this toolchain can lint.
    pub fn has_clippy(&self) -> bool {
        self.sibling("cargo-clippy").is_ok() && self.sibling("clippy-driver").is_ok()
    }

    /// Whether LLVM's linker comes with it; Debian's does not.
    pub fn has_rust_lld(&self) -> bool {
        self.sysroot
            .join("lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld")
            .is_file()
    }
}

/// The cargo that started us, or else the one on `PATH`, for what is built for this machine.
pub fn host_cargo(paths: &Paths) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(paths.root());
    for (name, _) in std::env::vars_os() {
        if is_package_variable(&name.to_string_lossy()) {
            command.env_remove(&name);
        }
    }
    command
}

/// Whether cargo set this variable for the one package it runs.
fn is_package_variable(name: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// Pairs of (cargo, rustc) worth a look, best first.
fn candidates() -> Vec<(PathBuf, PathBuf)> {
    let mut found = Vec::new();
    // The toolchain that `rust-toolchain.toml` selects: with rustup the programs on PATH are proxies, so ask for the sysroot.
    if let Some(rustc) = find_program("rustc") {
        if let Ok(sysroot) = output(plain(&rustc).args(["--print", "sysroot"])) {
            let bin = PathBuf::from(sysroot.trim()).join("bin");
            found.push((bin.join("cargo"), bin.join("rustc")));
        }
    }
    found.push((
        PathBuf::from("/usr/bin/cargo"),
        PathBuf::from("/usr/bin/rustc"),
    ));
    found.retain(|(cargo, rustc)| is_executable(cargo) && is_executable(rustc));
    found.dedup();
    found
}

/// A command free of what the cargo and rustup that started us put in the environment.
fn plain(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let inherited = is_package_variable(&text)
            || text.starts_with("RUSTC")
            || text.starts_with("CARGO_ENCODED_")
            || [
                "CARGO",
                "CARGO_TARGET_DIR",
                "CARGO_BUILD_TARGET",
                "RUSTFLAGS",
                "RUSTDOCFLAGS",
                "RUSTDOC",
                "LD_LIBRARY_PATH",
            ]
            .contains(&&*text);
        if inherited {
            command.env_remove(&name);
        }
    }
    // A missing toolchain is a finding, not a reason to start a download.
    command.env("RUSTUP_AUTO_INSTALL", "0");
    command
}

/// Whether `rustc 1.96.0 (...)` is at least the oldest compiler we support.
fn is_new_enough(version: &str) -> bool {
    let numbers = version.split_whitespace().nth(1).unwrap_or_default();
    let mut parts = numbers
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= OLDEST
}

fn holds_library(dir: &Path, prefix: &str) -> bool {
    dir.read_dir().is_ok_and(|entries| {
        entries
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_compilers_are_told_from_new_ones() {
        assert!(is_new_enough("rustc 1.85.0 (4d91de4e4 2025-02-17)"));
        assert!(is_new_enough(
            "rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)"
        ));
        assert!(is_new_enough("rustc 2.0.0"));
        assert!(!is_new_enough("rustc 1.63.0"));
        assert!(!is_new_enough("rustc 1.84.1"));
        assert!(!is_new_enough(""));
    }
}
