//! What the control group of a container may have (C-mem, C-cpu, C-pids, C-dev): set whole or not
//! at all, and put back as it was when the container goes.

use super::steps::{Did, Undo, group};
use super::{ContainerId, Trouble, unified};
use crate::cgroup::cpu::Weight;
use crate::cgroup::cpu::bandwidth::Limit;
use crate::cgroup::{DeviceRule, DeviceRules, DeviceUse, GroupId, Limits, MemoryPolicy};
use crate::error::Errno;
use crate::fs::{ViewNode, devpts};
use crate::sched::control;
use crate::{Cx, Kernel};
use alloc::format;
use alloc::vec::Vec;
use berth_oci::config::{DeviceRuleKind, OciDeviceRule, OciResources};
use berth_oci::{Setting, settings};

/// What a group had before.
pub(super) struct Before {
    group: GroupId,
    limits: Limits,
    policy: MemoryPolicy,
    cpu: Limit,
    weight: Weight,
    idle: bool,
    frozen: bool,
    /// Its device rules, if there are others now.
    devices: Option<Option<DeviceRules>>,
    /// Files that were written, and their content.
    pub(super) files: Vec<(ViewNode, Vec<u8>)>,
}

/// Sets all that the configuration says.
pub(super) fn set(k: &mut Kernel, cx: &mut Cx, id: ContainerId) -> Result<Did, Trouble> {
    let group = group(k, id)?;
    // Put back at once: nobody sees the container without them.
    let mut asked = swap(k, id, OciResources::default())?;
    let rules = device_rules(&asked);
    let done = rules.and_then(|rules| apply(k, cx, group, (&asked, &asked), Some(rules)));
    asked = swap(k, id, asked)?;
    drop(asked);
    Ok(Did::Done(Some(Undo::Resources(done?))))
}

/// The limits of a container's configuration for others.
fn swap(k: &mut Kernel, id: ContainerId, with: OciResources) -> Result<OciResources, Trouble> {
    let container = k.containers.get_mut(id).ok_or(Errno::ENOENT)?;
    let resources = &mut container.config.linux.resources;
    Ok(core::mem::replace(resources, with))
}

/// Sets what is given; with that the container has `all`. When something cannot be set nothing is.
///
/// # Errors
/// Refused, naming key and value; no memory.
pub(super) fn apply(
    k: &mut Kernel,
    cx: &mut Cx,
    group: GroupId,
    (given, all): (&OciResources, &OciResources),
    rules: Option<Vec<DeviceRule>>,
) -> Result<Before, Trouble> {
    let rules = match rules {
        Some(rules) => Some(k.groups.device_rules(group, rules)?),
        None => None,
    };
    let mut before = Before::of(k, group);
    for (key, value, setting) in settings(given, all) {
        let written = match k.containers.fails_here() {
            true => Err(Trouble::refused(Errno::EIO, "made to fail")),
            false => write(k, cx, group, &setting, &mut before),
        };
        if let Err(trouble) = written {
            k.groups.drop_device_rules(rules);
            before.restore(k, cx);
            return Err(trouble.named(&format!("{key}={value}")));
        }
    }
    if rules.is_some() {
        before.devices = Some(k.groups.set_device_rules(group, rules));
    }
    Ok(before)
}

fn write(
    k: &mut Kernel,
    cx: &mut Cx,
    group: GroupId,
    setting: &Setting,
    before: &mut Before,
) -> Result<(), Trouble> {
    let mut limits = k.groups.limits(group);
    let mut policy = k.groups.policy(group);
    match *setting {
        Setting::MemoryMax(most) => limits.memory = most.unwrap_or(u64::MAX),
        Setting::MemoryLow(low) => policy.low = low.unwrap_or(u64::MAX),
        Setting::PidsMax(most) => limits.tasks = most.unwrap_or(u64::MAX),
        Setting::Cpus(list) => return only_the_first(list, "CPU"),
        Setting::Mems(list) => return only_the_first(list, "memory node"),
        Setting::File(name, text) => return unified::write(k, cx, group, (name, text), before),
        Setting::CpuIdle(idle) => {
            control::set_idle(k, group, idle);
            return Ok(());
        }
        Setting::CpuWeight(weight) => {
            let weight = Weight::of_shares(u64::from(weight));
            return Ok(control::set_weight(k, group, weight)?);
        }
        Setting::CpuMax(quota, period) => {
            let quota = quota.map(nanoseconds);
            return Ok(control::set_max(k, group, quota, nanoseconds(period))?);
        }
        Setting::CpuBurst(burst) => {
            return Ok(control::set_burst(k, group, nanoseconds(burst))?);
        }
    }
    k.groups.set_limits(group, limits);
    k.groups.set_policy(group, policy);
    Ok(())
}

fn nanoseconds(microseconds: u64) -> u64 {
    microseconds.saturating_mul(1000)
}

/// A list of numbers and ranges that has nothing but 0 in it.
fn only_the_first(list: &str, what: &str) -> Result<(), Trouble> {
    let mut ends = list.split([',', '-']);
    match ends.all(|end| end.parse() == Ok(0u32)) {
        true => Ok(()),
        false => {
            let text = format!("there is no other {what} than number 0");
            Err(Trouble::refused(Errno::EINVAL, text))
        }
    }
}

impl Before {
    fn of(k: &Kernel, group: GroupId) -> Before {
        let cpu = k.groups.cpu(group);
        Before {
            group,
            limits: k.groups.limits(group),
            policy: k.groups.policy(group),
            cpu: control::limit(k, group),
            weight: cpu.map_or_else(Weight::default, |cpu| cpu.weight),
            idle: cpu.is_some_and(|cpu| cpu.idle),
            frozen: cpu.is_some_and(|cpu| cpu.frozen),
            devices: None,
            files: Vec::new(),
        }
    }

    /// Puts back what was.
    pub(super) fn restore(self, k: &mut Kernel, cx: &mut Cx) {
        for (node, text) in self.files.into_iter().rev() {
            unified::put_back(k, cx, node, &text);
        }
        k.groups.set_limits(self.group, self.limits);
        k.groups.set_policy(self.group, self.policy);
        control::set_idle(k, self.group, false);
        // What was set before can be set again.
        let _ = control::set_weight(k, self.group, self.weight);
        let _ = control::set_limit(k, self.group, self.cpu);
        control::set_idle(k, self.group, self.idle);
        control::set_frozen(k, self.group, self.frozen);
        if let Some(rules) = self.devices {
            let new = k.groups.set_device_rules(self.group, rules);
            k.groups.drop_device_rules(new);
        }
    }

    /// What was is not needed again.
    pub(super) fn forget(self, k: &mut Kernel) {
        k.groups.drop_device_rules(self.devices.flatten());
    }
}

/// The configured rules in their order, then what every container may use (D-2): the default
/// devices and pseudo-terminals, to be made and opened. Everything else is denied (D-3).
///
/// # Errors
/// ENOMEM.
pub(super) fn device_rules(asked: &OciResources) -> Result<Vec<DeviceRule>, Trouble> {
    let nodes = crate::dev::default_nodes();
    let defaults = nodes
        .iter()
        .map(|(_, number)| (number.major, Some(number.minor)))
        .chain([
            (devpts::PTMX.major, Some(devpts::PTMX.minor)),
            (devpts::MAJOR, None),
        ]);
    let mut rules = Vec::new();
    let most = asked.devices.len().saturating_add(nodes.len() + 2);
    rules.try_reserve_exact(most).map_err(|_| Errno::ENOMEM)?;
    rules.extend(asked.devices.iter().map(device_rule));
    rules.extend(defaults.map(|(major, minor)| DeviceRule {
        allow: true,
        char: Some(true),
        major: Some(major),
        minor,
        uses: DeviceUse::all(),
    }));
    Ok(rules)
}

fn device_rule(rule: &OciDeviceRule) -> DeviceRule {
    let mut uses = DeviceUse::empty();
    uses.set(DeviceUse::READ, rule.access.contains('r'));
    uses.set(DeviceUse::WRITE, rule.access.contains('w'));
    uses.set(DeviceUse::MAKE, rule.access.contains('m'));
    DeviceRule {
        allow: rule.allow,
        char: match rule.kind {
            DeviceRuleKind::Char => Some(true),
            DeviceRuleKind::Block => Some(false),
            _ => None,
        },
        major: rule.major,
        minor: rule.minor,
        uses,
    }
}
