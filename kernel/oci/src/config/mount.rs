//! `mount` and its id mappings.

use super::error::Fault;
use super::key::MountKey as K;
use super::linux::IdMapping;
use super::print::Printer;
use super::value::{Fields, Quoted, QuotedList, Read, list, unquote};
use crate::memory::try_push;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// One mount (M-2 to M-8).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OciMount {
    /// Where, inside the container; a relative path starts at the container's `/` (M-2).
    pub destination: String,
    /// File system type, such as `proc`, `tmpfs` or `bind`.
    pub mount_type: String,
    /// What: for a bind a path, absolute or relative to the bundle (M-3).
    pub source: String,
    /// Options in order; see [`MountOptions`](crate::MountOptions).
    pub options: Vec<String>,
    /// User ids of an id-mapped mount (M-7).
    pub uid_mappings: Vec<IdMapping>,
    /// Group ids of an id-mapped mount (M-7).
    pub gid_mappings: Vec<IdMapping>,
}

impl OciMount {
    pub(super) fn set(mounts: &mut Vec<Self>, key: K, value: &str) -> Read<()> {
        if key == K::Mount {
            return Ok(try_push(mounts, Self::read(value)?)?);
        }
        let mapping = IdMapping::read(value)?;
        let Some(mount) = mounts.last_mut() else {
            return Err(Fault::relation("there is no mount line above"));
        };
        let mappings = match key {
            K::UidMapping => &mut mount.uid_mappings,
            _ => &mut mount.gid_mappings,
        };
        Ok(try_push(mappings, mapping)?)
    }

    fn read(value: &str) -> Read<Self> {
        let fields = Fields::split(value, 3, 4, "destination:type:source[:options]")?;
        let mount = Self {
            destination: unquote(fields.required(0))?,
            mount_type: unquote(fields.required(1))?,
            source: unquote(fields.required(2))?,
            options: match fields.has(3) {
                true => list(fields.required(3))?,
                false => Vec::new(),
            },
            ..Self::default()
        };
        if mount.destination.is_empty() {
            return Err(Fault::value("the destination is empty"));
        }
        Ok(mount)
    }

    pub(super) fn print(&self, out: &mut Printer<'_, '_>) -> fmt::Result {
        out.line(K::Mount, self)?;
        out.each(K::UidMapping, &self.uid_mappings)?;
        out.each(K::GidMapping, &self.gid_mappings)
    }
}

/// The value of the `mount` key.
impl fmt::Display for OciMount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}",
            Quoted(&self.destination),
            Quoted(&self.mount_type),
            Quoted(&self.source),
        )?;
        match self.options.as_slice() {
            [] => Ok(()),
            options => write!(f, ":{}", QuotedList(options)),
        }
    }
}
