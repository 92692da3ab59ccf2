//! Names that may be given once: those of annotations, kernel parameters and cgroup files.

use super::OciConfig;
use super::error::{ConfigErrorKind, Fault, excerpt};
use super::key::{BaseKey, Key, LinuxKey, ResourceKey};
use super::value::Read;
use crate::memory::try_push;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The lists of pairs, each as the order of its names: with it one more name costs little,
/// however many there are.
#[derive(Debug, Default)]
pub(super) struct Names {
    annotations: Vec<usize>,
    sysctl: Vec<usize>,
    unified: Vec<usize>,
}

impl Names {
    /// Checks the name that a line for `key` has just added to `config`, if it adds names.
    pub(super) fn check(&mut self, key: Key, config: &OciConfig) -> Read<()> {
        match key {
            Key::Base(BaseKey::Annotation) => add(&mut self.annotations, &config.annotations),
            Key::Linux(LinuxKey::Sysctl) => add(&mut self.sysctl, &config.linux.sysctl),
            Key::Resource(ResourceKey::Unified) => {
                add(&mut self.unified, &config.linux.resources.unified)
            }
            _ => Ok(()),
        }
    }
}

/// Puts the last of `pairs` in its place in the order of names.
fn add<V>(order: &mut Vec<usize>, pairs: &[(String, V)]) -> Read<()> {
    let name = |at: usize| pairs.get(at).map_or("", |(name, _)| name.as_str());
    let last = pairs.len().saturating_sub(1);
    match order.binary_search_by(|at| name(*at).cmp(name(last))) {
        Ok(_) => {
            let reason = format!("{:?} is given twice", excerpt(name(last)));
            Err(Fault::new(ConfigErrorKind::Duplicate, reason))
        }
        Err(place) => {
            try_push(order, last)?;
            if let Some(after) = order.get_mut(place..) {
                after.rotate_right(1);
            }
            Ok(())
        }
    }
}
