//! What the control group of a container may have (C-mem, C-pids, C-dev).

use super::steps::group;
use super::{ContainerId, Trouble};
use crate::Kernel;
use crate::cgroup::{DeviceRule, DeviceUse, Limits};
use crate::error::Errno;
use crate::fs::devpts;
use alloc::vec::Vec;
use berth_oci::config::{DeviceRuleKind, OciDeviceRule, OciResources};

/// Sets the limits of the container's group. A memory limit of 0 and a negative number of tasks
/// are none.
pub(super) fn set(k: &mut Kernel, id: ContainerId) -> Result<(), Trouble> {
    let group = group(k, id)?;
    let container = k.containers.get(id).ok_or(Errno::ENOENT)?;
    let asked = &container.config.linux.resources;
    let limits = Limits {
        memory: asked.memory.limit.filter(|n| *n > 0).unwrap_or(u64::MAX),
        tasks: (asked.pids_limit).map_or(u64::MAX, |n| u64::try_from(n).unwrap_or(u64::MAX)),
    };
    let rules = device_rules(asked)?;
    let rules = k.groups.device_rules(group, rules)?;
    let old = k.groups.set_device_rules(group, Some(rules));
    k.groups.drop_device_rules(old);
    k.groups.set_limits(group, limits);
    Ok(())
}

/// The configured rules in their order, then what every container may use (D-2): the default
/// devices and pseudo-terminals, to be made and opened. Everything else is denied (D-3).
fn device_rules(asked: &OciResources) -> Result<Vec<DeviceRule>, Errno> {
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
