//! A plan of create in the making, item by item.

use super::create::{CREATE, LIMITS};
use super::{CleanupWhen, Plan, Refusal, RefusalKind, Step, push_hooks};
use crate::config::OciConfig;
use crate::feature::{Feature, FeatureSet};
use crate::hooks::HookKind;
use alloc::vec::Vec;
use core::fmt;

/// Most refusals that are listed; the others are counted.
pub const REFUSALS_MAX: usize = 1 << 7;

/// A plan of create that is made in portions.
///
/// For kernels that do nothing for long: each [`advance`](Self::advance) looks at a bounded
/// number of entries of the configuration. [`plan`](crate::plan) looks at all of them at once.
#[derive(Debug)]
pub struct Planning {
    features: FeatureSet,
    /// Whether the first refusal ends it.
    one_refusal: bool,
    sections: &'static [Section],
    steps: Vec<Step>,
    refusals: Vec<Refusal>,
    /// Refusals that are not listed.
    more_refusals: usize,
    /// Which section of the plan is next, and which of its items.
    section: usize,
    item: usize,
}

/// Adds one item of a part of the plan; says whether there may be a next one.
pub(super) type Section = fn(&mut Planner<'_>, usize) -> Result<bool, Refusal>;

impl Planning {
    /// Begins to plan, up to the first refusal.
    #[must_use]
    pub const fn new(features: FeatureSet) -> Self {
        Self {
            features,
            one_refusal: true,
            sections: CREATE,
            steps: Vec::new(),
            refusals: Vec::new(),
            more_refusals: 0,
            section: 0,
            item: 0,
        }
    }

    /// Begins to plan, and goes on after a refusal to find them all.
    #[must_use]
    pub const fn to_the_end(features: FeatureSet) -> Self {
        let mut planning = Self::new(features);
        planning.one_refusal = false;
        planning
    }

    /// Begins to look at the limits alone, for an update.
    #[must_use]
    pub const fn of_limits(features: FeatureSet) -> Self {
        let mut planning = Self::new(features);
        planning.sections = LIMITS;
        planning
    }

    /// Looks at about `items` entries of `config`, the same in every call. Says whether there
    /// are more.
    ///
    /// # Errors
    /// A [`Refusal`] for the first value that cannot be enforced; when all are looked for, only
    /// when memory runs out.
    pub fn advance(&mut self, config: &OciConfig, items: usize) -> Result<bool, Refusal> {
        if self.section == 0 && self.item == 0 {
            self.steps.try_reserve_exact(most_steps(config))?;
        }
        let mut left = items;
        while left > 0 {
            let Some(section) = self.sections.get(self.section) else {
                return Ok(false);
            };
            let item = self.item;
            let mut planner = Planner {
                config,
                made: self,
                effort: 0,
            };
            let added = section(&mut planner, item);
            left = left.saturating_sub(planner.effort);
            let more = match added {
                Ok(more) => more,
                // What is left of the item is not looked at, but the next one is.
                Err(refusal) => {
                    self.refuse(refusal)?;
                    true
                }
            };
            // The end of a section is no entry: there are only so many of them.
            if more {
                left = left.saturating_sub(1);
                self.item = self.item.saturating_add(1);
            } else {
                self.section = self.section.saturating_add(1);
                self.item = 0;
            }
        }
        Ok(true)
    }

    /// How many bytes the steps of `config` take at the most: [`advance`](Self::advance)
    /// allocates them at its first call.
    #[must_use]
    pub fn bytes(config: &OciConfig) -> usize {
        most_steps(config).saturating_mul(size_of::<Step>())
    }

    /// The plan, once there is nothing more to [`advance`](Self::advance).
    ///
    /// # Errors
    /// When memory runs out.
    pub fn into_plan(self, config: &OciConfig) -> Result<Plan, Refusal> {
        let mut cleanup = Vec::new();
        push_hooks(config, HookKind::Poststop, &mut cleanup)?;
        Ok(Plan::new(self.steps, cleanup, CleanupWhen::HookBegun))
    }

    /// The steps, the refusals, and how many more of these there were.
    pub(super) fn into_parts(self) -> (Vec<Step>, Vec<Refusal>, usize) {
        (self.steps, self.refusals, self.more_refusals)
    }

    pub(super) fn refuse(&mut self, refusal: Refusal) -> Result<(), Refusal> {
        if self.one_refusal || refusal.kind == RefusalKind::OutOfMemory {
            return Err(refusal);
        }
        if self.refusals.len() >= REFUSALS_MAX {
            self.more_refusals = self.more_refusals.saturating_add(1);
            return Ok(());
        }
        self.refusals.try_reserve(1)?;
        self.refusals.push(refusal);
        Ok(())
    }
}

/// No list has an entry that is more than one step.
fn most_steps(config: &OciConfig) -> usize {
    /// Steps of one kind of which there can be only one.
    const SINGLE: usize = 64;
    let linux = &config.linux;
    let hooks = HookKind::ALL
        .iter()
        .map(|kind| config.hooks.of(*kind).len());
    [
        config.mounts.len(),
        linux.devices.len(),
        linux.net_devices.len(),
        linux.sysctl.len(),
        linux.masked_paths.len(),
        linux.readonly_paths.len(),
        SINGLE,
    ]
    .into_iter()
    .chain(hooks)
    .fold(0, usize::saturating_add)
}

/// One look at the configuration.
pub(super) struct Planner<'c> {
    pub(super) config: &'c OciConfig,
    made: &'c mut Planning,
    /// How many entries more an item is worth.
    pub(super) effort: usize,
}

impl<'c> Planner<'c> {
    pub(super) fn push(&mut self, step: Step) -> Result<(), Refusal> {
        Ok(crate::memory::try_push(&mut self.made.steps, step)?)
    }

    pub(super) fn push_if(&mut self, wanted: bool, step: Step) -> Result<(), Refusal> {
        match wanted {
            true => self.push(step),
            false => Ok(()),
        }
    }

    /// A section with one step.
    pub(super) fn once(&mut self, step: Step) -> Result<bool, Refusal> {
        self.push(step).map(|()| false)
    }

    /// A section that is a list: one item at a time.
    pub(super) fn each<T>(
        &mut self,
        list: &'c [T],
        item: usize,
        add: impl FnOnce(&mut Self, &'c T) -> Result<(), Refusal>,
    ) -> Result<bool, Refusal> {
        match list.get(item) {
            Some(entry) => add(self, entry).map(|()| true),
            None => Ok(false),
        }
    }

    /// Refuses `value`: the plan ends with it, or goes on to look for more.
    pub(super) fn refuse(&mut self, refusal: Refusal) -> Result<(), Refusal> {
        self.made.refuse(refusal)
    }

    pub(super) fn has(&self, feature: Feature) -> bool {
        self.made.features.has(feature)
    }

    /// Refuses `value` unless the platform has `feature`.
    pub(super) fn need(
        &mut self,
        feature: Feature,
        value: impl fmt::Display,
    ) -> Result<(), Refusal> {
        self.need_key(feature, feature.key(), value)
    }

    /// [`need`](Self::need) for one of several keys that share a feature.
    pub(super) fn need_key(
        &mut self,
        feature: Feature,
        key: &'static str,
        value: impl fmt::Display,
    ) -> Result<(), Refusal> {
        match self.has(feature) {
            true => Ok(()),
            false => self.refuse(Refusal::unsupported(feature, key, value)),
        }
    }

    /// Refuses a value that is given but not supported; says whether it is given.
    pub(super) fn need_if_some(
        &mut self,
        feature: Feature,
        key: &'static str,
        value: Option<impl fmt::Display>,
    ) -> Result<bool, Refusal> {
        match value {
            Some(value) => self.need_key(feature, key, value).map(|()| true),
            None => Ok(false),
        }
    }
}
