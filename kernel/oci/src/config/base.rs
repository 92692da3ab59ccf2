//! `oci_version`, `root_*`, `hostname`, `domainname`, `annotation`.

use super::error::Fault;
use super::key::{BaseKey as K, Key};
use super::print::Printer;
use super::value::{
    PATH_MAX, Quoted, QuotedList, Read, assignment, boolean, check_length, path, text, unquote,
};
use super::{OciConfig, OciHooks, OciLinuxConfig};
use crate::memory::{try_push, try_string};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use semver::Version;

/// The version of a configuration that names none.
pub const OCI_VERSION_DEFAULT: &str = "1.0.2";

/// Longest version text in bytes; SemVer sets no limit, so this does.
const VERSION_MAX: usize = 64;
/// Longest host or domain name in bytes (Linux's `__NEW_UTS_LEN`).
const UTS_NAME_MAX: usize = 64;

/// The root file system of a container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OciRoot {
    /// Absolute, or relative to the bundle and inside it.
    pub path: String,
    /// Whether the container cannot write to it.
    pub readonly: bool,
}

impl Default for OciConfig {
    /// The values of keys that are not given. Its root path is empty, so it is not valid.
    fn default() -> Self {
        Self {
            oci_version: String::from(OCI_VERSION_DEFAULT),
            root: OciRoot::default(),
            process: None,
            hostname: None,
            domainname: None,
            mounts: Vec::new(),
            hooks: OciHooks::default(),
            annotations: Vec::new(),
            linux: OciLinuxConfig::default(),
        }
    }
}

impl OciConfig {
    pub(super) fn set_base(&mut self, key: K, value: &str) -> Read<()> {
        match key {
            K::OciVersion => self.oci_version = version(value)?,
            K::RootPath => self.root.path = root_path(value)?,
            K::RootReadonly => self.root.readonly = boolean(value)?,
            K::Hostname => self.hostname = Some(uts_name(value)?),
            K::Domainname => self.domainname = Some(uts_name(value)?),
            K::Annotation => {
                try_push(&mut self.annotations, pair(value)?)?;
            }
        }
        Ok(())
    }

    pub(super) fn print_base(&self, out: &mut Printer<'_, '_>) -> fmt::Result {
        out.line(K::OciVersion, &self.oci_version)?;
        out.line(K::RootPath, &self.root.path)?;
        out.switch(K::RootReadonly, self.root.readonly)?;
        out.maybe(K::Hostname, self.hostname.as_ref())?;
        out.maybe(K::Domainname, self.domainname.as_ref())?;
        print_pairs(K::Annotation, &self.annotations, out)
    }
}

/// `KEY=VALUE`, both quoted; the value may be empty.
pub(super) fn pair(value: &str) -> Read<(String, String)> {
    check_length(value)?;
    let (name, value) = assignment(value)?;
    Ok((unquote(name)?, unquote(value)?))
}

/// Writes pairs so that [`pair`] gives them back.
pub(super) fn print_pairs(
    key: impl Into<Key>,
    pairs: &[(String, String)],
    out: &mut Printer<'_, '_>,
) -> fmt::Result {
    let key = key.into();
    pairs.iter().try_for_each(|(name, value)| {
        out.line(key, format_args!("{}={}", Quoted(name), Quoted(value)))
    })
}

/// A SemVer version from 1.0.0 to 1.3.x (V-1, V-2).
fn version(value: &str) -> Read<String> {
    if value.len() > VERSION_MAX {
        return Err(Fault::value("the version is longer than 64 bytes"));
    }
    let version = Version::parse(value)
        .map_err(|_| Fault::value("expected a SemVer version such as 1.0.2"))?;
    let supported = version.major == 1 && version.minor <= 3 && version >= Version::new(1, 0, 0);
    if !supported {
        return Err(Fault::value("versions 1.0.0 to 1.3.x are supported"));
    }
    Ok(try_string(value)?)
}

/// Absolute, or a path that does not leave the bundle by its own text (P13).
///
/// Symbolic links are followed inside the bundle by whoever resolves the path.
fn root_path(value: &str) -> Read<String> {
    let path = path(value)?;
    if path.starts_with('/') || stays_inside(&path) {
        return Ok(path);
    }
    Err(Fault::value("the path leaves the bundle"))
}

/// Whether no prefix of the relative path `path` is above its start.
fn stays_inside(path: &str) -> bool {
    debug_assert!(path.len() <= PATH_MAX);
    path.split('/')
        .try_fold(0usize, |depth, component| match component {
            "" | "." => Some(depth),
            ".." => depth.checked_sub(1),
            _ => depth.checked_add(1),
        })
        .is_some()
}

fn uts_name(value: &str) -> Read<String> {
    if value.len() > UTS_NAME_MAX {
        return Err(Fault::value("the name is longer than 64 bytes"));
    }
    text(value)
}

/// Writes `head:ELEMENT[,ELEMENT]`.
pub(super) fn print_list(
    key: impl Into<Key>,
    head: impl fmt::Display,
    list: &[String],
    out: &mut Printer<'_, '_>,
) -> fmt::Result {
    out.line(key, format_args!("{head}:{}", QuotedList(list)))
}
