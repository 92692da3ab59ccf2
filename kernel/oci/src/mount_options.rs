//! Mount options: the whole table of the specification, as typed flags.

use crate::names::names;
use core::fmt;

bitflags::bitflags! {
    /// Flags of mount(2), with Linux's values.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct MountFlags: u32 {
        /// `ro`: nothing can be written.
        const RDONLY = 1;
        /// `nosuid`: set-user-id bits and file capabilities have no effect.
        const NOSUID = 1 << 1;
        /// `nodev`: device nodes cannot be opened.
        const NODEV = 1 << 2;
        /// `noexec`: nothing can be executed.
        const NOEXEC = 1 << 3;
        /// `sync`: writes wait for the device.
        const SYNCHRONOUS = 1 << 4;
        /// `remount`: change an existing mount.
        const REMOUNT = 1 << 5;
        /// `mand`: mandatory locks.
        const MANDLOCK = 1 << 6;
        /// `dirsync`: changes of directories wait for the device.
        const DIRSYNC = 1 << 7;
        /// `nosymfollow`: symbolic links are not followed.
        const NOSYMFOLLOW = 1 << 8;
        /// `noatime`: access times are not kept.
        const NOATIME = 1 << 10;
        /// `nodiratime`: access times of directories are not kept.
        const NODIRATIME = 1 << 11;
        /// `silent`: the file system does not log.
        const SILENT = 1 << 15;
        /// `relatime`: access times are kept roughly.
        const RELATIME = 1 << 21;
        /// `iversion`: changes of an inode are counted.
        const I_VERSION = 1 << 23;
        /// `strictatime`: access times are kept exactly.
        const STRICTATIME = 1 << 24;
        /// `lazytime`: times are kept in memory for a while.
        const LAZYTIME = 1 << 25;
    }
}

bitflags::bitflags! {
    /// Attributes of mount_setattr(2), with Linux's values, for whole trees of mounts.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct MountAttributes: u32 {
        /// `rro`.
        const RDONLY = 0x1;
        /// `rnosuid`.
        const NOSUID = 0x2;
        /// `rnodev`.
        const NODEV = 0x4;
        /// `rnoexec`.
        const NOEXEC = 0x8;
        /// `rnoatime`. Relative access times are the absence of this and the next.
        const NOATIME = 0x10;
        /// `rstrictatime`.
        const STRICTATIME = 0x20;
        /// `rnodiratime`.
        const NODIRATIME = 0x80;
        /// `rnosymfollow`.
        const NOSYMFOLLOW = 0x20_0000;
    }
}

names! {
    /// How mounts and unmounts below a mount travel (mount_namespaces(7)).
    pub enum Propagation {
        Shared = "shared", Slave = "slave", Private = "private", Unbindable = "unbindable",
    }
}

/// The options of one mount, except data of its file system.
///
/// Options apply from left to right, so the last of `ro,rw` wins, as with mount(8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MountOptions {
    /// Flags that are set.
    pub set: MountFlags,
    /// Flags that were cleared by name: a bind mount loses them.
    pub clear: MountFlags,
    /// Attributes that are set on the mount and all below it.
    pub recursive_set: MountAttributes,
    /// Attributes that are cleared on the mount and all below it.
    pub recursive_clear: MountAttributes,
    /// Propagation, and whether of all mounts below as well.
    pub propagation: Option<(Propagation, bool)>,
    /// A bind mount, and whether of all mounts below the source as well.
    pub bind: Option<bool>,
    /// An id-mapped mount, and whether all below as well (M-8).
    pub idmap: Option<bool>,
    /// Whether a tmpfs starts with a copy of what it covers.
    pub tmpcopyup: bool,
}

/// A list of options that has no meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MountOptionError {
    /// More than one propagation; which one is meant is not clear.
    TwoPropagations,
}

impl fmt::Display for MountOptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TwoPropagations => f.write_str("more than one propagation option"),
        }
    }
}

impl core::error::Error for MountOptionError {}

/// What one option does.
#[derive(Clone, Copy)]
enum Effect {
    Nothing,
    Set(MountFlags),
    Clear(MountFlags),
    RecursiveSet(MountAttributes),
    RecursiveClear(MountAttributes),
    /// Access times have three values: setting one replaces the others.
    RecursiveAtime(MountAttributes),
    Propagation(Propagation, bool),
    Bind(bool),
    Idmap(bool),
    TmpCopyUp,
}

/// Name and effect of every option (oci-spec M-4 to M-8).
const TABLE: &[(&str, Effect)] = {
    use Effect::{
        Bind, Clear, Idmap, Nothing, RecursiveAtime, RecursiveClear, RecursiveSet, Set, TmpCopyUp,
    };
    use MountAttributes as A;
    use MountFlags as F;
    const fn spread(kind: Propagation, below: bool) -> Effect {
        Effect::Propagation(kind, below)
    }
    &[
        ("async", Clear(F::SYNCHRONOUS)),
        ("atime", Clear(F::NOATIME)),
        ("bind", Bind(false)),
        ("defaults", Nothing),
        ("dev", Clear(F::NODEV)),
        ("diratime", Clear(F::NODIRATIME)),
        ("dirsync", Set(F::DIRSYNC)),
        ("exec", Clear(F::NOEXEC)),
        ("idmap", Idmap(false)),
        ("iversion", Set(F::I_VERSION)),
        ("lazytime", Set(F::LAZYTIME)),
        ("loud", Clear(F::SILENT)),
        ("mand", Set(F::MANDLOCK)),
        ("noatime", Set(F::NOATIME)),
        ("nodev", Set(F::NODEV)),
        ("nodiratime", Set(F::NODIRATIME)),
        ("noexec", Set(F::NOEXEC)),
        ("noiversion", Clear(F::I_VERSION)),
        ("nolazytime", Clear(F::LAZYTIME)),
        ("nomand", Clear(F::MANDLOCK)),
        ("norelatime", Clear(F::RELATIME)),
        ("nostrictatime", Clear(F::STRICTATIME)),
        ("nosuid", Set(F::NOSUID)),
        ("nosymfollow", Set(F::NOSYMFOLLOW)),
        ("private", spread(Propagation::Private, false)),
        ("ratime", RecursiveClear(A::NOATIME)),
        ("rbind", Bind(true)),
        ("rdev", RecursiveClear(A::NODEV)),
        ("rdiratime", RecursiveClear(A::NODIRATIME)),
        ("relatime", Set(F::RELATIME)),
        ("remount", Set(F::REMOUNT)),
        ("rexec", RecursiveClear(A::NOEXEC)),
        ("ridmap", Idmap(true)),
        ("rnoatime", RecursiveAtime(A::NOATIME)),
        ("rnodev", RecursiveSet(A::NODEV)),
        ("rnodiratime", RecursiveSet(A::NODIRATIME)),
        ("rnoexec", RecursiveSet(A::NOEXEC)),
        ("rnorelatime", RecursiveClear(A::empty())),
        ("rnostrictatime", RecursiveClear(A::STRICTATIME)),
        ("rnosuid", RecursiveSet(A::NOSUID)),
        ("rnosymfollow", RecursiveSet(A::NOSYMFOLLOW)),
        ("ro", Set(F::RDONLY)),
        ("rprivate", spread(Propagation::Private, true)),
        ("rrelatime", RecursiveAtime(A::empty())),
        ("rro", RecursiveSet(A::RDONLY)),
        ("rrw", RecursiveClear(A::RDONLY)),
        ("rshared", spread(Propagation::Shared, true)),
        ("rslave", spread(Propagation::Slave, true)),
        ("rstrictatime", RecursiveAtime(A::STRICTATIME)),
        ("rsuid", RecursiveClear(A::NOSUID)),
        ("rsymfollow", RecursiveClear(A::NOSYMFOLLOW)),
        ("runbindable", spread(Propagation::Unbindable, true)),
        ("rw", Clear(F::RDONLY)),
        ("shared", spread(Propagation::Shared, false)),
        ("silent", Set(F::SILENT)),
        ("slave", spread(Propagation::Slave, false)),
        ("strictatime", Set(F::STRICTATIME)),
        ("suid", Clear(F::NOSUID)),
        ("symfollow", Clear(F::NOSYMFOLLOW)),
        ("sync", Set(F::SYNCHRONOUS)),
        ("tmpcopyup", TmpCopyUp),
        ("unbindable", spread(Propagation::Unbindable, false)),
    ]
};

/// Every option that is not data of a file system, in alphabetical order.
pub fn mount_option_names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|(name, _)| *name)
}

fn effect(option: &str) -> Option<Effect> {
    let at = TABLE
        .binary_search_by(|(name, _)| (*name).cmp(option))
        .ok()?;
    TABLE.get(at).map(|(_, effect)| *effect)
}

impl MountOptions {
    /// Reads the options of the table out of `options`; the others are
    /// [`data`](Self::data) of the file system (M-5).
    ///
    /// # Errors
    /// [`MountOptionError`] when the options contradict each other.
    pub fn parse<'a>(options: impl IntoIterator<Item = &'a str>) -> Result<Self, MountOptionError> {
        let mut parsed = Self::default();
        for effect in options.into_iter().filter_map(effect) {
            parsed.apply(effect)?;
        }
        Ok(parsed)
    }

    /// The options that are not in the table, in order: data of the file system.
    pub fn data<'a>(options: impl IntoIterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
        options
            .into_iter()
            .filter(|option| effect(option).is_none())
    }

    fn apply(&mut self, effect: Effect) -> Result<(), MountOptionError> {
        const ATIME: MountAttributes = MountAttributes::NOATIME.union(MountAttributes::STRICTATIME);
        match effect {
            Effect::Nothing => {}
            Effect::Set(flags) => {
                self.set.insert(flags);
                self.clear.remove(flags);
            }
            Effect::Clear(flags) => {
                self.clear.insert(flags);
                self.set.remove(flags);
            }
            Effect::RecursiveSet(attributes) => {
                self.recursive_set.insert(attributes);
                self.recursive_clear.remove(attributes);
            }
            Effect::RecursiveClear(attributes) => {
                self.recursive_clear.insert(attributes);
                self.recursive_set.remove(attributes);
            }
            Effect::RecursiveAtime(value) => {
                self.recursive_clear.insert(ATIME);
                self.recursive_clear.remove(value);
                self.recursive_set.remove(ATIME);
                self.recursive_set.insert(value);
            }
            Effect::Propagation(kind, below) => {
                if self.propagation.replace((kind, below)).is_some() {
                    return Err(MountOptionError::TwoPropagations);
                }
            }
            Effect::Bind(below) => self.bind = Some(below),
            Effect::Idmap(below) => self.idmap = Some(below),
            Effect::TmpCopyUp => self.tmpcopyup = true,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn parse(options: &str) -> MountOptions {
        MountOptions::parse(options.split(',')).unwrap()
    }

    #[test]
    fn the_table_is_sorted_and_has_every_option_of_the_specification() {
        let names: Vec<_> = mount_option_names().collect();
        assert!(names.is_sorted());
        // MUST, SHOULD and MAY of the table in config.md, plus rnodev.
        let spec = "async atime bind defaults dev diratime dirsync exec iversion lazytime loud \
            noatime nodev nodiratime noexec noiversion nolazytime norelatime nostrictatime nosuid \
            private rbind relatime remount ro rprivate rshared rslave runbindable rw shared silent \
            slave strictatime suid sync unbindable nosymfollow symfollow rro rrw rsuid rnosuid \
            rdev rnodev rexec rnoexec ratime rnoatime rdiratime rnodiratime rrelatime rnorelatime \
            rstrictatime rnostrictatime rsymfollow rnosymfollow idmap ridmap mand nomand tmpcopyup";
        let mut spec: Vec<_> = spec.split_whitespace().collect();
        spec.sort_unstable();
        assert_eq!(names, spec);
    }

    #[test]
    fn the_last_option_wins() {
        let options = parse("ro,nosuid,rw,noexec,exec,noexec");
        assert_eq!(options.set, MountFlags::NOSUID | MountFlags::NOEXEC);
        assert_eq!(options.clear, MountFlags::RDONLY);
        let options = parse("rnoatime,rstrictatime");
        assert_eq!(options.recursive_set, MountAttributes::STRICTATIME);
        assert_eq!(options.recursive_clear, MountAttributes::NOATIME);
    }

    #[test]
    fn p23_an_unknown_option_is_data() {
        let options = ["ro", "readonyl", "size=64m", "nodev"];
        let data: Vec<_> = MountOptions::data(options).collect();
        assert_eq!(data, ["readonyl", "size=64m"]);
        let known = MountOptions::parse(options).unwrap();
        assert_eq!(known.set, MountFlags::RDONLY | MountFlags::NODEV);
    }

    #[test]
    fn binds_propagation_and_the_rest() {
        let options = parse("rbind,rprivate,ridmap,tmpcopyup,defaults");
        assert_eq!(options.bind, Some(true));
        assert_eq!(options.propagation, Some((Propagation::Private, true)));
        assert_eq!(options.idmap, Some(true));
        assert!(options.tmpcopyup);
        assert_eq!(
            MountOptions::parse(["shared", "rslave"]),
            Err(MountOptionError::TwoPropagations)
        );
    }
}
