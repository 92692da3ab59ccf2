//! Where things are: one place that knows the layout of the source tree and of `target/`.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// The paths of one checkout.
pub struct Paths {
    root: PathBuf,
}

impl Paths {
    /// The checkout this program was compiled in.
    pub fn find() -> Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here
            .ancestors()
            .nth(2)
            .context("tools/xtask has no grandparent directory")?;
        Ok(Self {
            root: root.to_path_buf(),
        })
    }

    /// The top of the source tree.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Everything that is built goes here.
    pub fn target(&self) -> PathBuf {
        self.root.join("target")
    }

    /// The bootable kernel, as `qemu -kernel` takes it.
    pub fn kernel_elf(&self) -> PathBuf {
        self.target().join("berth.elf")
    }

    /// The base initramfs, without what a single run adds.
    pub fn base_initramfs(&self) -> PathBuf {
        self.target().join("initramfs.cpio")
    }

    /// The bundles that the demo shows.
    pub fn demo_bundles(&self) -> PathBuf {
        self.root.join("userland/demo/bundles")
    }

    /// The directory of built programs for the guest.
    pub fn guest_programs(&self) -> PathBuf {
        self.target().join("guest")
    }

    /// Programs of others for the guest, and what they are made from.
    pub fn payloads(&self) -> PathBuf {
        self.target().join("payloads")
    }

    /// One directory for each run of the machine.
    pub fn qemu_runs(&self) -> PathBuf {
        self.target().join("qemu")
    }
}
