//! What the guest finds in its first file system.
//!
//! The base archive is the same in every run and stays small; what one run adds follows as a second archive.

use crate::args::RunOptions;
use crate::build::PROGRAMS;
use crate::paths::Paths;
use crate::process::output;
use crate::tree::Tree;
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Text files of the base: (guest path, permissions, content).
const TEXTS: [(&str, u32, &str); 7] = [
    (
        "/etc/passwd",
        0o644,
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    ),
    (
        "/etc/group",
        0o644,
        "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n",
    ),
    ("/etc/hostname", 0o644, "berth\n"),
    (
        "/etc/hosts",
        0o644,
        "127.0.0.1 localhost berth\n::1 localhost\n",
    ),
    (
        "/etc/profile",
        0o644,
        "export PATH=/bin:/sbin HOME=/root\nPS1='berth:\\w# '\n",
    ),
    (
        "/etc/demo.sh",
        0o755,
        include_str!("../../../userland/demo/demo.sh"),
    ),
    (
        "/etc/os-release",
        0o644,
        "NAME=Berth\nID=berth\nPRETTY_NAME=\"Berth\"\n",
    ),
];

/// Directories of the base: (path, permissions).
const DIRECTORIES: [(&str, u32); 13] = [
    ("/bin", 0o755),
    ("/bundles", 0o755),
    ("/dev", 0o755),
    ("/dev/pts", 0o755),
    ("/etc", 0o755),
    ("/etc/berth", 0o755),
    ("/mnt", 0o755),
    ("/proc", 0o555),
    ("/root", 0o700),
    ("/run", 0o755),
    ("/sys", 0o555),
    ("/tmp", 0o1777),
    ("/var", 0o755),
];

/// Devices of the base: (path, permissions, major and minor as Linux numbers them).
const DEVICES: [(&str, u32, (u32, u32)); 13] = [
    ("/dev/com1", 0o600, (240, 0)),
    ("/dev/console", 0o600, (5, 1)),
    ("/dev/full", 0o666, (1, 7)),
    ("/dev/kmsg", 0o644, (1, 11)),
    ("/dev/null", 0o666, (1, 3)),
    ("/dev/ptmx", 0o666, (5, 2)),
    ("/dev/random", 0o666, (1, 8)),
    ("/dev/tty", 0o666, (5, 0)),
    ("/dev/ttyS0", 0o620, (4, 64)),
    ("/dev/ttyS2", 0o600, (4, 66)),
    ("/dev/ttyS3", 0o620, (4, 67)),
    ("/dev/urandom", 0o666, (1, 9)),
    ("/dev/zero", 0o666, (1, 5)),
];

/// Links of the base to what the reader of a path has open (D-2 has them in containers, too).
const LINKS: [(&str, &str); 4] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
];

/// Writes the base archive, unless it is there with the same content.
pub fn write_base(paths: &Paths) -> Result<()> {
    let archive = base(paths)?.archive()?;
    let file = paths.base_initramfs();
    if std::fs::read(&file).is_ok_and(|old| old == archive) {
        return Ok(());
    }
    let draft = file.with_extension(format!("new-{}", std::process::id()));
    std::fs::write(&draft, archive).with_context(|| format!("cannot write {}", draft.display()))?;
    std::fs::rename(&draft, &file).with_context(|| format!("cannot write {}", file.display()))
}

/// The base archive, what `options` add to it, and the environment `env` for what runs.
pub fn for_run(paths: &Paths, options: &RunOptions, env: &[OsString]) -> Result<Vec<u8>> {
    let file = paths.base_initramfs();
    let mut archive = std::fs::read(&file)
        .with_context(|| format!("cannot read {}; build first", file.display()))?;
    let mut extra = base(paths)?.overlay();
    for (name, dir) in &options.bundles {
        let place = format!("/bundles/{name}");
        match dir {
            Some(dir) => bundle(paths, &mut extra, &place, dir)?,
            None => bundle(
                paths,
                &mut extra,
                &place,
                &paths.demo_bundles().join("demo"),
            )?,
        }
    }
    for name in &options.rootfs {
        demo_rootfs(paths, &mut extra, &format!("/bundles/{name}/rootfs"))?;
    }
    for (guest, host) in &options.files {
        extra.host_file(guest, host)?;
    }
    if !options.command.is_empty() {
        extra.file("/etc/berth/cmd", 0o644, nul_terminated(&options.command)?)?;
    } else {
        demo_bundles(paths, &mut extra, options)?;
    }
    if !env.is_empty() {
        extra.file("/etc/berth/env", 0o644, nul_terminated(env)?)?;
    }
    archive.extend(extra.archive()?);
    Ok(archive)
}

fn base(paths: &Paths) -> Result<Tree> {
    let mut tree = Tree::default();
    for (path, permissions) in DIRECTORIES {
        tree.directory(path, permissions)?;
    }
    for (path, permissions, device) in DEVICES {
        tree.character(path, permissions, device)?;
    }
    for (path, target) in LINKS {
        tree.symlink(path, target)?;
    }
    for (path, permissions, text) in TEXTS {
        tree.file(path, permissions, text.as_bytes().to_vec())?;
    }
    busybox(&mut tree, "/bin")?;
    for (_, name) in PROGRAMS {
        let place = if name == "init" {
            "/init".to_owned()
        } else {
            format!("/bin/{name}")
        };
        tree.host_file(&place, &paths.guest_programs().join(name))?;
    }
    Ok(tree)
}

/// In a bundle: asks for a root file system with busybox and probe.
const ROOTFS_MARKER: &str = "rootfs.busybox";

/// A bundle of the host, with the root file system it asks for.
fn bundle(paths: &Paths, tree: &mut Tree, place: &str, dir: &Path) -> Result<()> {
    tree.host_directory(place, dir)?;
    if dir.join(ROOTFS_MARKER).exists() {
        demo_rootfs(paths, tree, &format!("{place}/rootfs"))?;
    }
    Ok(())
}

/// The bundles of the demo, except those whose places the caller took.
fn demo_bundles(paths: &Paths, tree: &mut Tree, options: &RunOptions) -> Result<()> {
    let dir = paths.demo_bundles();
    let entries =
        std::fs::read_dir(&dir).with_context(|| format!("cannot list {}", dir.display()))?;
    let mut entries = entries.collect::<std::io::Result<Vec<_>>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_str().context("a bundle whose name is not UTF-8")?;
        if options.bundles.iter().all(|(taken, _)| taken != name) {
            bundle(paths, tree, &format!("/bundles/{name}"), &entry.path())?;
        }
    }
    Ok(())
}

/// A root file system that shares no file with the guest's own.
fn demo_rootfs(paths: &Paths, tree: &mut Tree, root: &str) -> Result<()> {
    tree.directory(root, 0o755)?;
    for (name, permissions) in [
        ("dev", 0o755),
        ("etc", 0o755),
        ("proc", 0o555),
        ("sys", 0o555),
        ("tmp", 0o1777),
    ] {
        tree.directory(&format!("{root}/{name}"), permissions)?;
    }
    tree.file(
        &format!("{root}/etc/passwd"),
        0o644,
        b"root:x:0:0:root:/:/bin/sh\n".to_vec(),
    )?;
    tree.host_file(
        &format!("{root}/bin/probe"),
        &paths.guest_programs().join("probe"),
    )?;
    busybox(tree, &format!("{root}/bin"))
}

/// Busybox and a symbolic link for each of its applets.
fn busybox(tree: &mut Tree, dir: &str) -> Result<()> {
    let busybox = static_busybox()?;
    let applets = output(Command::new(&busybox).arg("--list"))?;
    tree.host_file(&format!("{dir}/busybox"), &busybox)?;
    for applet in applets.lines() {
        // Our own pid 1 is /init; a second program called init would only confuse.
        if !["busybox", "init", "linuxrc"].contains(&applet) {
            tree.symlink(&format!("{dir}/{applet}"), "busybox")?;
        }
    }
    Ok(())
}

/// The busybox of this machine that needs no shared library.
pub fn static_busybox() -> Result<PathBuf> {
    ["/bin/busybox", "/usr/bin/busybox"]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| std::fs::read(path).is_ok_and(|image| is_static(&image)))
        .context("no static busybox; on Debian the package is busybox-static")
}

/// Whether an ELF64 image has no interpreter: no program header of type `PT_INTERP`.
fn is_static(image: &[u8]) -> bool {
    const PT_INTERP: u64 = 3;
    let number = |at: usize, size: usize| {
        let bytes = image.get(at..at.checked_add(size)?)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0_u64, |n, byte| (n << 8) | u64::from(*byte)),
        )
    };
    let headers = || {
        let start = usize::try_from(number(0x20, 8)?).ok()?;
        let size = usize::try_from(number(0x36, 2)?).ok()?;
        let count = usize::try_from(number(0x38, 2)?).ok()?;
        (0..count)
            .map(|n| number(start.checked_add(n.checked_mul(size)?)?, 4))
            .collect::<Option<Vec<u64>>>()
    };
    image.starts_with(b"\x7fELF\x02\x01")
        && headers().is_some_and(|types| !types.contains(&PT_INTERP))
}

/// Words as init reads them: each ends with a NUL.
fn nul_terminated(words: &[OsString]) -> Result<Vec<u8>> {
    use std::os::unix::ffi::OsStrExt;
    let mut bytes = Vec::new();
    for word in words {
        if word.as_bytes().contains(&0) {
            bail!("a NUL in {word:?}");
        }
        bytes.extend_from_slice(word.as_bytes());
        bytes.push(0);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_words_survive() {
        let words = ["sh", "", "x y"].map(OsString::from);
        assert_eq!(nul_terminated(&words).unwrap(), b"sh\0\0x y\0");
    }

    #[test]
    fn an_interpreter_makes_a_program_dynamic() {
        let mut image = vec![0_u8; 0x40 + 2 * 0x38];
        image[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (image[0x20], image[0x36], image[0x38]) = (0x40, 0x38, 2);
        image[0x40] = 1;
        assert!(is_static(&image));
        image[0x40 + 0x38] = 3;
        assert!(!is_static(&image));
        assert!(!is_static(&image[..0x50]));
        assert!(!is_static(b"#!/bin/sh\n"));
    }
}
