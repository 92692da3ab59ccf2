//! Programs that others wrote or built, for the guest: Debian's static ones, and ours in C and Rust as any compiler of this
//! machine makes them. Each is had when somebody asks for it; all are kept in `target/payloads`.

use crate::build::{executables, install, musl_cargo};
use crate::paths::Paths;
use crate::process::{is_executable, output, run};
use crate::setup::apt;
use crate::toolchain::{Compilers, host_cargo};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Debian's programs: (name, package, file in the package).
const DEBIAN: [(&str, &str, &str); 5] = [
    ("bash-static", "bash-static", "bin/bash-static"),
    ("catatonit", "catatonit", "usr/bin/catatonit"),
    ("sash", "sash", "bin/sash"),
    ("tini-static", "tini", "usr/bin/tini-static"),
    ("zsh-static", "zsh-static", "bin/zsh-static"),
];

/// Ours in C: (name, how it is linked).
const C: [(&str, Libc); 3] = [
    ("c-glibc-static", Libc::Glibc("-static")),
    ("c-glibc-static-pie", Libc::Glibc("-static-pie")),
    ("c-musl-static", Libc::Musl),
];

/// Ours in Rust with its standard library: (name, whether it is linked with musl).
const RUST: [(&str, bool); 2] = [
    ("rust-glibc-static-pie", false),
    ("rust-musl-static-pie", true),
];

/// What a C program is linked with.
#[derive(Clone, Copy)]
enum Libc {
    /// This machine's, by gcc with this flag.
    Glibc(&'static str),
    /// Debian's package musl-dev, without installing it.
    Musl,
}

/// Has every program.
pub fn all(paths: &Paths) -> Result<()> {
    let debian = DEBIAN.iter().map(|(name, ..)| name);
    let c = C.iter().map(|(name, _)| name);
    for name in debian.chain(c).chain(RUST.iter().map(|(name, _)| name)) {
        println!("{name}: {}", one(paths, name)?.display());
    }
    Ok(())
}

/// The file of a program, fetched or built if it is not there.
pub fn one(paths: &Paths, name: &str) -> Result<PathBuf> {
    let to = paths.payloads().join("bin").join(name);
    let debian = DEBIAN.iter().find(|(known, ..)| *known == name);
    let c = C.iter().find(|(known, _)| *known == name);
    let rust = RUST.iter().find(|(known, _)| *known == name);
    match (debian, c, rust) {
        (Some((_, package, file)), ..) => debian_program(paths, package, file, &to)?,
        (_, Some((_, libc)), _) => c_program(paths, *libc, &to)?,
        (.., Some((_, musl))) => rust_program(paths, *musl, &to)?,
        _ => bail!("no payload is called {name:?}"),
    }
    Ok(to)
}

/// A program of a package: the installed one, else the archive's.
fn debian_program(paths: &Paths, package: &str, file: &str, to: &Path) -> Result<()> {
    if is_executable(to) {
        return Ok(());
    }
    let installed = Path::new("/").join(file);
    if is_executable(&installed) {
        return install(&installed, to);
    }
    let tree = unpacked(paths, package)?;
    install(&tree.join(file), to)
}

/// The files of a Debian package, which is downloaded but not installed: nobody has to be root for it.
fn unpacked(paths: &Paths, package: &str) -> Result<PathBuf> {
    let tree = paths.payloads().join("packages").join(package);
    if tree.is_dir() {
        return Ok(tree);
    }
    let draft = tree.with_extension(format!("new-{}", std::process::id()));
    std::fs::create_dir_all(&draft)?;
    let unpacked = unpack(package, &draft);
    if unpacked.is_ok() && std::fs::rename(&draft, &tree).is_err() && !tree.is_dir() {
        bail!("cannot write {}", tree.display());
    }
    // It is left when unpacking failed, or when somebody else was faster.
    let _ = std::fs::remove_dir_all(&draft);
    unpacked.with_context(|| {
        format!(
            "cannot get Debian's package {package}: install it, or let apt-get reach an archive"
        )
    })?;
    Ok(tree)
}

fn unpack(package: &str, into: &Path) -> Result<()> {
    let download = || output(apt().args(["download", "-q", package]).current_dir(into));
    if download().is_err() {
        // The lists may be old or not there; only root may renew them.
        if rustix::process::geteuid().is_root() {
            output(apt().args(["update", "-q"]))?;
        }
        download()?;
    }
    let archive = into
        .read_dir()?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|end| end == "deb"))
        .context("apt-get downloaded nothing")?;
    run(Command::new("dpkg").arg("-x").arg(&archive).arg(into))?;
    std::fs::remove_file(&archive).context("cannot remove the package")
}

/// `tests/programs/unit.c` with a libc.
fn c_program(paths: &Paths, libc: Libc, to: &Path) -> Result<()> {
    let source = paths.root().join("tests/programs/unit.c");
    let draft = to.with_extension(format!("made-{}", std::process::id()));
    std::fs::create_dir_all(paths.payloads().join("bin"))?;
    let mut gcc = Command::new("gcc");
    gcc.args(["-O1", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&draft);
    match libc {
        Libc::Glibc(flag) => {
            gcc.arg(flag).arg(&source).arg("-pthread");
        }
        Libc::Musl => {
            let musl = unpacked(paths, "musl-dev")?.join("usr");
            let include = musl.join("include/x86_64-linux-musl");
            let library = |name: &str| musl.join("lib/x86_64-linux-musl").join(name);
            gcc.args(["-static", "-no-pie", "-nostdinc", "-nostdlib", "-isystem"])
                .arg(include)
                .args(["crt1.o", "crti.o"].map(library))
                .arg(&source)
                .arg(library("libc.a"))
                .args(["-lgcc", "-lgcc_eh"])
                .args(["libc.a", "crtn.o"].map(library));
        }
    }
    let built = run(&mut gcc).context("cannot build tests/programs/unit.c");
    let installed = built.and_then(|()| install(&draft, to));
    let _ = std::fs::remove_file(&draft);
    installed
}

/// The package `berth-programs` as a static program that runs anywhere in memory.
fn rust_program(paths: &Paths, musl: bool, to: &Path) -> Result<()> {
    let mut cargo = if musl {
        musl_cargo(paths, &Compilers::look(), "pic")?
    } else {
        let mut cargo = host_cargo(paths);
        cargo
            .args(["build", "--target", "x86_64-unknown-linux-gnu"])
            .env(
                "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS",
                "-C target-feature=+crt-static",
            );
        cargo
    };
    cargo
        .args([
            "--quiet",
            "--profile",
            "small",
            "--package",
            "berth-programs",
        ])
        .arg("--target-dir")
        .arg(paths.payloads().join("build"));
    let built = executables(&mut cargo)?;
    let [program] = built.as_slice() else {
        bail!("berth-programs made {} programs, not one", built.len());
    };
    install(program, to)
}
