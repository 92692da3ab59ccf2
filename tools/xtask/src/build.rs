//! Building the kernel and the programs that run on it.

use crate::initramfs;
use crate::paths::Paths;
use crate::process::output;
use crate::setup;
use crate::symbols;
use crate::toolchain::{Compilers, KERNEL, Toolchain, USERLAND};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The programs of the initramfs: (package, binary).
pub const PROGRAMS: [(&str, &str); 4] = [
    ("berth-init", "init"),
    ("berth-oci-shim", "oci"),
    ("berth-probe", "probe"),
    CATCHES_PANICS,
];

/// The one of them that is built to unwind.
const CATCHES_PANICS: (&str, &str) = ("berth-threads", "threads");

/// Builds all that a boot needs.
pub fn all(paths: &Paths) -> Result<()> {
    let compilers = setup::for_run(paths)?;
    kernel(paths, &compilers)?;
    userland(paths, &compilers)?;
    initramfs::write_base(paths)
}

/// Builds the kernel; the result is [`Paths::kernel_elf`].
pub fn kernel(paths: &Paths, compilers: &Compilers) -> Result<()> {
    let toolchain = compilers.for_target(KERNEL)?;
    let mut cargo = bare_cargo(paths, &toolchain, "build", KERNEL)?;
    hush(&mut cargo, &paths.kernel_elf());
    cargo.args(["--release", "--package", "berth-x86_64"]);
    let built = executables(&mut cargo)?;
    let [elf] = built.as_slice() else {
        bail!("the kernel build made {} programs, not one", built.len());
    };
    let named = paths.target().join("kernel/berth.named");
    symbols::embed(elf, &named)?;
    install(&named, &paths.kernel_elf())
}

/// `cargo SUBCOMMAND` for a target without an operating system; its own target directory keeps it out of the way of host builds.
pub fn bare_cargo(
    paths: &Paths,
    toolchain: &Toolchain,
    subcommand: &str,
    target: &str,
) -> Result<Command> {
    let mut cargo = toolchain.cargo(subcommand)?;
    cargo
        .current_dir(paths.root())
        .args(["--target", target, "--target-dir"])
        .arg(paths.target().join("kernel"));
    if toolchain.build_std {
        cargo
            .env("CARGO_UNSTABLE_BUILD_STD", "core,alloc,compiler_builtins")
            .env("CARGO_UNSTABLE_BUILD_STD_FEATURES", "compiler-builtins-mem");
        if !toolchain.has_rust_lld() {
            cargo.env("CARGO_TARGET_X86_64_UNKNOWN_NONE_LINKER", "ld");
        }
    }
    Ok(cargo)
}

/// Builds the programs; the results are in [`Paths::guest_programs`].
pub fn userland(paths: &Paths, compilers: &Compilers) -> Result<()> {
    let (unwinding, others): (Vec<_>, Vec<_>) =
        (PROGRAMS.into_iter()).partition(|program| *program == CATCHES_PANICS);
    let mut cargo = musl_cargo(paths, compilers, "static")?;
    cargo.args(["--profile", "small"]);
    programs(paths, cargo, &others)?;
    let mut cargo = musl_cargo(paths, compilers, "static")?;
    cargo.args(["--profile", "unwinding"]);
    if compilers.for_target(USERLAND)?.build_std {
        cargo
            .env("CARGO_UNSTABLE_BUILD_STD", "std,panic_unwind")
            .env("CARGO_UNSTABLE_BUILD_STD_FEATURES", "panic-unwind");
    }
    programs(paths, cargo, &unwinding)
}

/// Builds some of them and puts them where the archive takes them from.
fn programs(paths: &Paths, mut cargo: Command, programs: &[(&str, &str)]) -> Result<()> {
    cargo
        .arg("--target-dir")
        .arg(paths.target().join("userland"));
    hush(&mut cargo, &paths.guest_programs());
    for (package, _) in programs {
        cargo.args(["--package", package]);
    }
    let built = executables(&mut cargo)?;
    for (package, binary) in programs {
        let program = built
            .iter()
            .find(|path| path.file_name().is_some_and(|name| name == *binary))
            .with_context(|| format!("the package {package} made no program {binary}"))?;
        install(program, &paths.guest_programs().join(binary))?;
    }
    Ok(())
}

/// `cargo build` of static programs for the guest; `relocation` is rustc's relocation model.
pub fn musl_cargo(paths: &Paths, compilers: &Compilers, relocation: &str) -> Result<Command> {
    let toolchain = compilers.for_target(USERLAND)?;
    let mut cargo = toolchain.cargo("build")?;
    cargo.current_dir(paths.root()).args(["--target", USERLAND]);
    let mut flags = format!("-C relocation-model={relocation} -C target-feature=+crt-static");
    if toolchain.build_std {
        let unwinder = unwinder_directory(paths)?;
        flags += " -C linker=musl-gcc -C link-self-contained=no -L ";
        flags += unwinder
            .to_str()
            .context("the path of target/ is not UTF-8")?;
        cargo
            .env("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort")
            .env("CARGO_UNSTABLE_BUILD_STD_FEATURES", "");
    }
    cargo.env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS", flags);
    Ok(cargo)
}

/// Builds say nothing unless they fail, except the first, which takes minutes, since the library is built too.
fn hush(cargo: &mut Command, result: &Path) {
    if result.exists() {
        cargo.arg("--quiet");
    }
}

/// A directory in which `-lunwind` finds gcc's unwinder: std's musl port links it by that name even with panic=abort.
fn unwinder_directory(paths: &Paths) -> Result<PathBuf> {
    let found = output(Command::new("gcc").arg("-print-file-name=libgcc_eh.a"))?;
    let library = Path::new(found.trim());
    if !library.is_absolute() {
        bail!("gcc does not know its libgcc_eh.a");
    }
    let dir = paths.target().join("userland/unwind");
    std::fs::create_dir_all(&dir)?;
    let link = dir.join("libunwind.a");
    if std::fs::read_link(&link).ok().as_deref() != Some(library) {
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(library, &link)?;
    }
    Ok(dir)
}

/// Runs a cargo build and returns the programs it made or found fresh.
pub fn executables(cargo: &mut Command) -> Result<Vec<PathBuf>> {
    cargo
        .arg("--message-format=json-render-diagnostics")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    let out = cargo.output().context("cannot start cargo")?;
    if !out.status.success() {
        bail!("cargo build failed");
    }
    let text = String::from_utf8(out.stdout)?;
    Ok(text.lines().filter_map(executable).collect())
}

/// The program a line of cargo's JSON speaks of.
fn executable(line: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    message.get("executable")?.as_str().map(PathBuf::from)
}

/// Puts a copy of `from` at `to` in one step, so that a machine that is just starting sees the old or the new file.
pub fn install(from: &Path, to: &Path) -> Result<()> {
    let dir = to.parent().context("no directory to install into")?;
    std::fs::create_dir_all(dir)?;
    let draft = to.with_extension(format!("new-{}", std::process::id()));
    std::fs::copy(from, &draft).with_context(|| format!("cannot copy {}", from.display()))?;
    std::fs::rename(&draft, to).with_context(|| format!("cannot write {}", to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_artifacts_with_a_program_count() {
        let program = r#"{"reason":"compiler-artifact","executable":"/t/berth.elf"}"#;
        let library = r#"{"reason":"compiler-artifact","executable":null}"#;
        assert_eq!(executable(program), Some(PathBuf::from("/t/berth.elf")));
        assert_eq!(executable(library), None);
        assert_eq!(executable("warning: text"), None);
    }
}
