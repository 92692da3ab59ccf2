//! Which devices the tasks of a group may make and open: ordered rules, as the device controller
//! of Linux has them. A group without rules adds none to those above it.

use super::{Charge, GroupId, Groups};
use crate::error::NoMem;
use alloc::vec::Vec;
use bitflags::bitflags;

bitflags! {
    /// What is done with a device.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct DeviceUse: u8 {
        /// Opening it to write.
        const WRITE = 2;
        /// Opening it to read.
        const READ = 4;
        /// Making a node of it (mknod(2)).
        const MAKE = 8;
    }
}

/// A device by its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceNumber {
    /// A character device, not a block device.
    pub char: bool,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
}

/// One rule. `None` matches anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceRule {
    /// Whether it allows or denies.
    pub allow: bool,
    /// Character devices, or block devices.
    pub char: Option<bool>,
    /// Major number.
    pub major: Option<u32>,
    /// Minor number.
    pub minor: Option<u32>,
    /// The uses it speaks of.
    pub uses: DeviceUse,
}

impl DeviceRule {
    fn matches(&self, device: DeviceNumber) -> bool {
        self.char.is_none_or(|char| char == device.char)
            && self.major.is_none_or(|major| major == device.major)
            && self.minor.is_none_or(|minor| minor == device.minor)
    }
}

/// The rules of one group, in their order; what none of them speaks of is denied.
#[derive(Debug)]
pub struct DeviceRules {
    rules: Vec<DeviceRule>,
    /// Paid by the group above, or it could not go while it is paid for.
    charge: Charge,
}

impl DeviceRules {
    /// Of the rules that match a device the last one that speaks of a use decides.
    fn allow(&self, device: DeviceNumber, uses: DeviceUse) -> bool {
        let (mut allowed, mut open) = (DeviceUse::empty(), uses);
        for rule in self.rules.iter().rev().filter(|rule| rule.matches(device)) {
            if rule.allow {
                allowed |= rule.uses & open;
            }
            open -= rule.uses;
        }
        allowed == uses
    }
}

impl Groups {
    /// Rules for a group, charged to the one above it. They must be set, or given back.
    ///
    /// # Errors
    /// [`NoMem`] when that may not have more; the rules are dropped then.
    pub fn device_rules(
        &mut self,
        group: GroupId,
        rules: Vec<DeviceRule>,
    ) -> Result<DeviceRules, NoMem> {
        let payer = self.parent(group).unwrap_or(self.root());
        let bytes = rules.capacity().saturating_mul(size_of::<DeviceRule>());
        let charge = self.charge(payer, u32::try_from(bytes).unwrap_or(u32::MAX))?;
        Ok(DeviceRules { rules, charge })
    }

    /// Sets the rules of a group; gives back those that it had.
    pub fn set_device_rules(
        &mut self,
        group: GroupId,
        rules: Option<DeviceRules>,
    ) -> Option<DeviceRules> {
        match self.arena.get_mut(group) {
            Some(group) => core::mem::replace(&mut group.devices, rules),
            None => rules,
        }
    }

    /// Gives the charge of rules back.
    pub fn drop_device_rules(&mut self, rules: Option<DeviceRules>) {
        if let Some(rules) = rules {
            self.give_back(rules.charge);
        }
    }

    /// Whether the tasks of a group may use a device so: the rules of the group must allow it, and
    /// those of every group above.
    pub fn may_use(&self, group: GroupId, device: DeviceNumber, uses: DeviceUse) -> bool {
        let mut next = Some(group);
        while let Some(group) = next.and_then(|id| self.arena.get(id)) {
            if let Some(rules) = &group.devices {
                if !rules.allow(device, uses) {
                    return false;
                }
            }
            next = group.parent;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::forgive;
    use alloc::string::String;

    const NULL: DeviceNumber = DeviceNumber {
        char: true,
        major: 1,
        minor: 3,
    };
    const ZERO: DeviceNumber = DeviceNumber { minor: 5, ..NULL };
    const DISK: DeviceNumber = DeviceNumber {
        char: false,
        ..NULL
    };

    /// As in the configuration's text: `+c 1:3 rw`.
    fn rule(text: &str) -> DeviceRule {
        let mut words = text[1..].split(' ');
        let char = match words.next().unwrap() {
            "c" => Some(true),
            "b" => Some(false),
            _ => None,
        };
        let mut numbers = words.next().unwrap().split(':').map(|n| n.parse().ok());
        let mut uses = DeviceUse::empty();
        for letter in words.next().unwrap().chars() {
            uses |= match letter {
                'r' => DeviceUse::READ,
                'w' => DeviceUse::WRITE,
                _ => DeviceUse::MAKE,
            };
        }
        DeviceRule {
            allow: text.starts_with('+'),
            char,
            major: numbers.next().unwrap(),
            minor: numbers.next().unwrap(),
            uses,
        }
    }

    fn set(groups: &mut Groups, group: GroupId, rules: &[&str]) {
        let rules = rules.iter().map(|text| rule(text)).collect();
        let rules = groups.device_rules(group, rules).unwrap();
        let old = groups.set_device_rules(group, Some(rules));
        groups.drop_device_rules(old);
    }

    /// The uses of a device that are allowed.
    fn may(groups: &Groups, group: GroupId, device: DeviceNumber) -> String {
        let uses = [
            ('r', DeviceUse::READ),
            ('w', DeviceUse::WRITE),
            ('m', DeviceUse::MAKE),
        ];
        let allowed = uses
            .iter()
            .filter(|(_, uses)| groups.may_use(group, device, *uses));
        allowed.map(|(letter, _)| letter).collect()
    }

    #[test]
    fn the_last_rule_that_speaks_of_a_use_decides() {
        let mut groups = Groups::new();
        let root = groups.root();
        let held = groups.create(root).unwrap();
        let group = held.key();
        assert_eq!(may(&groups, group, NULL), "rwm", "no rules, no limit");
        for (rules, null, zero, disk) in [
            (&[][..], "", "", ""),
            (&["+a *:* rwm"], "rwm", "rwm", "rwm"),
            (&["+c 1:3 rw"], "rw", "", ""),
            (&["+c 1:* rwm", "-c 1:5 w"], "rwm", "rm", ""),
            (&["-c 1:5 w", "+c 1:* rwm"], "rwm", "rwm", ""),
            (&["+a *:* rwm", "-b *:* wm"], "rwm", "rwm", "r"),
            (&["+a *:* rwm", "-a *:* rwm", "+b 1:3 r"], "", "", "r"),
            (&["+c 1:3 r", "+c 1:3 w", "-a *:3 r"], "w", "", ""),
            (&["+c *:5 m", "+b 2:3 rwm"], "", "m", ""),
        ] {
            set(&mut groups, group, rules);
            let found = [NULL, ZERO, DISK].map(|device| may(&groups, group, device));
            assert_eq!(found, [null, zero, disk], "{rules:?}");
        }
        // Both uses of an O_RDWR have to be allowed.
        set(&mut groups, group, &["+c 1:3 r"]);
        assert!(!groups.may_use(group, NULL, DeviceUse::READ | DeviceUse::WRITE));
        groups.release(held);
        assert_eq!(groups.usage(root), crate::cgroup::Usage::default());
        forgive(groups);
    }

    #[test]
    fn a_group_has_no_more_than_those_above_it() {
        let mut groups = Groups::new();
        let above = groups.create(groups.root()).unwrap();
        let below = groups.create(above.key()).unwrap();
        set(&mut groups, above.key(), &["+c 1:* rw"]);
        assert_eq!(may(&groups, below.key(), NULL), "rw", "what it inherits");
        set(&mut groups, below.key(), &["+a *:* rwm", "-c 1:5 r"]);
        assert_eq!(may(&groups, below.key(), NULL), "rw");
        assert_eq!(may(&groups, below.key(), ZERO), "w");
        set(&mut groups, above.key(), &["+c 1:3 r"]);
        assert_eq!(may(&groups, below.key(), NULL), "r", "what is taken later");
        assert_eq!(may(&groups, below.key(), ZERO), "");
        groups.release(below);
        groups.release(above);
        forgive(groups);
    }
}
