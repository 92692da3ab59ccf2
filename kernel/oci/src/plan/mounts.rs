//! Which mounts can be made.

use super::planning::Planner;
use super::refusal::excerpt;
use super::{MountStep, Refusal, Step};
use crate::config::OciMount;
use crate::feature::Feature;
use crate::mount_options::{MountAttributes, MountFlags, MountOptions, mount_option_names};
use crate::namespace::OciNamespaceKind;
use crate::nearest::nearest;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// What a mount shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MountKind {
    /// Processes.
    Proc,
    /// Devices and the kernel.
    Sysfs,
    /// Files in memory.
    Tmpfs,
    /// Terminals.
    Devpts,
    /// Message queues.
    Mqueue,
    /// Control groups, version 2.
    Cgroup,
    /// Directories over each other.
    Overlay,
    /// A tree that is also somewhere else; options say whether with all mounts in it.
    Bind,
}

impl MountKind {
    /// The kind of an entry: a bind by option (M-3) or by type, else by its type.
    fn of(mount: &OciMount, options: &MountOptions) -> Option<(Self, Feature)> {
        match options.bind {
            Some(true) => return Some((Self::Bind, Feature::MountRecursiveBind)),
            Some(false) => return Some((Self::Bind, Feature::MountBind)),
            None => {}
        }
        Some(match mount.mount_type.as_str() {
            "proc" => (Self::Proc, Feature::MountProc),
            "sysfs" => (Self::Sysfs, Feature::MountSysfs),
            "tmpfs" => (Self::Tmpfs, Feature::MountTmpfs),
            "devpts" => (Self::Devpts, Feature::MountDevpts),
            "mqueue" => (Self::Mqueue, Feature::MountMqueue),
            "cgroup" | "cgroup2" => (Self::Cgroup, Feature::MountCgroup),
            "overlay" => (Self::Overlay, Feature::MountOverlay),
            "bind" => (Self::Bind, Feature::MountBind),
            _ => return None,
        })
    }
}

const KEY: &str = "mount";

/// Binds over these files of proc are usual and harmless.
const PROC_FILES: &[&str] = &[
    "cpuinfo",
    "diskstats",
    "loadavg",
    "meminfo",
    "slabinfo",
    "stat",
    "swaps",
    "sys/crypto/fips_enabled",
    "sys/kernel/ns_last_pid",
    "uptime",
];

impl Planner<'_> {
    pub(super) fn mount(&mut self, i: usize) -> Result<bool, Refusal> {
        /// Options that are as much work as an entry.
        const OPTIONS: usize = 16;
        self.each(&self.config.mounts, i, |p, mount| {
            p.effort = mount.options.len() / OPTIONS;
            let step = p.mount_step(i, mount)?;
            p.push(Step::Mount(step))
        })
    }

    fn mount_step(&mut self, index: usize, mount: &OciMount) -> Result<MountStep, Refusal> {
        let invalid = |reason| Refusal::invalid(KEY, mount, reason);
        let options = MountOptions::parse(mount.options.iter().map(|option| option.as_str()))
            .map_err(|error| invalid(format!("{error}")))?;
        let Some((kind, feature)) = MountKind::of(mount, &options) else {
            let reason = format!("unknown file system type {:?}", excerpt(&mount.mount_type));
            return Err(invalid(reason));
        };
        self.need(feature, mount)?;
        check_place(mount, kind)?;
        check_kind(mount, kind, &options)?;
        self.need_options(mount, &options)?;
        self.check_idmap(mount, kind, &options)?;
        Ok(MountStep {
            index,
            kind,
            options,
        })
    }

    /// Every option must be one that the platform enforces.
    fn need_options(&mut self, mount: &OciMount, options: &MountOptions) -> Result<(), Refusal> {
        use MountFlags as F;
        let atime = F::NOATIME | F::NODIRATIME | F::RELATIME | F::STRICTATIME;
        let sync = F::SYNCHRONOUS | F::DIRSYNC | F::LAZYTIME | F::I_VERSION | F::MANDLOCK;
        let flags = [
            (F::RDONLY, Feature::MountReadonly),
            (F::NOSUID, Feature::MountNosuid),
            (F::NODEV, Feature::MountNodev),
            (F::NOEXEC, Feature::MountNoexec),
            (F::NOSYMFOLLOW, Feature::MountNosymfollow),
            (atime, Feature::MountAtime),
            (sync, Feature::MountSync),
            (F::REMOUNT, Feature::MountRemount),
        ];
        for (flags, feature) in flags {
            if options.set.intersects(flags) {
                self.need(feature, mount)?;
            }
        }
        let attributes = options.recursive_set.union(options.recursive_clear);
        let others = [
            (
                attributes != MountAttributes::empty(),
                Feature::MountRecursiveAttributes,
            ),
            (options.propagation.is_some(), Feature::MountPropagation),
            (options.tmpcopyup, Feature::MountTmpCopyUp),
        ];
        for (asked, feature) in others {
            if asked {
                self.need(feature, mount)?;
            }
        }
        Ok(())
    }

    /// M-7, M-8: mappings of the mount's own, or else those of the user namespace.
    fn check_idmap(
        &mut self,
        mount: &OciMount,
        kind: MountKind,
        options: &MountOptions,
    ) -> Result<(), Refusal> {
        let own = !mount.uid_mappings.is_empty();
        if options.idmap.is_none() && !own {
            return Ok(());
        }
        self.need(Feature::MountIdmap, mount)?;
        let invalid = |reason| Err(Refusal::invalid(KEY, mount, reason));
        let user = self.config.linux.namespace(OciNamespaceKind::User);
        match kind {
            MountKind::Bind if own || user.is_some() => Ok(()),
            MountKind::Bind => invalid("an id-mapped mount needs mappings or a user namespace"),
            _ => invalid("only bind mounts can be id-mapped"),
        }
    }
}

/// What only some kinds of mount can have.
fn check_kind(mount: &OciMount, kind: MountKind, options: &MountOptions) -> Result<(), Refusal> {
    let invalid = |reason: String| Err(Refusal::invalid(KEY, mount, reason));
    if options.tmpcopyup && kind != MountKind::Tmpfs {
        return invalid(String::from("tmpcopyup needs a tmpfs"));
    }
    if kind != MountKind::Bind {
        return Ok(());
    }
    if mount.source.is_empty() {
        return invalid(String::from("a bind mount needs a source"));
    }
    let known = mount.options.iter().map(|option| option.as_str());
    match MountOptions::data(known).next() {
        Some(data) => invalid(unknown_option(data)),
        None => Ok(()),
    }
}

/// A bind has no file system of its own that could take the option as data.
fn unknown_option(option: &str) -> String {
    let mut reason = format!("unknown mount option {:?}", excerpt(option));
    if let Some(name) = nearest(option, mount_option_names()) {
        reason.push_str(&format!(" (did you mean {name}?)"));
    }
    reason
}

/// Where nothing may be mounted, as far as names show it. Symbolic links are seen when
/// the mount is made.
fn check_place(mount: &OciMount, kind: MountKind) -> Result<(), Refusal> {
    let invalid = |reason| Err(Refusal::invalid(KEY, mount, reason));
    let place = components(&mount.destination)?;
    let Some((top, below)) = place.split_first() else {
        return invalid("nothing can be mounted over the root");
    };
    if *top != "proc" {
        return Ok(());
    }
    match (below, kind) {
        ([], MountKind::Proc | MountKind::Bind) => Ok(()),
        ([], _) => invalid("only proc can be mounted on /proc"),
        (below, MountKind::Bind) if PROC_FILES.iter().any(|file| is_path(below, file)) => Ok(()),
        _ => invalid("nothing can be mounted inside /proc"),
    }
}

/// Whether `components` are those of the relative path `path`.
fn is_path(components: &[&str], path: &str) -> bool {
    components.iter().copied().eq(path.split('/'))
}

/// The components of a destination seen from `/`, which `..` cannot leave (M-2, P22).
fn components(destination: &str) -> Result<Vec<&str>, Refusal> {
    let mut place = Vec::new();
    for component in destination.split('/') {
        match component {
            "" | "." => {}
            ".." => _ = place.pop(),
            name => crate::memory::try_push(&mut place, name)?,
        }
    }
    Ok(place)
}
