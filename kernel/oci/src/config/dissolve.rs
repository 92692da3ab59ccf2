//! Freeing a large configuration in portions.

use super::{CapabilitySet, OciConfig, OciHook, OciMount, OciSyscallRule};
use crate::hooks::HookKind;
use alloc::vec::Vec;

impl OciConfig {
    /// Frees at most about `most` entries of the lists; says whether there are more.
    ///
    /// A configuration can have a million pieces, and to drop them all at once takes long. A
    /// kernel that does nothing for long calls this until it says no, and then drops the rest.
    pub fn dissolve(&mut self, most: usize) -> bool {
        let mut left = Left(most);
        if let Some(process) = &mut self.process {
            left.cut(&mut process.args);
            left.cut(&mut process.env);
            for set in CapabilitySet::ALL {
                if let Some(capabilities) = &mut process.capabilities {
                    left.cut(capabilities.of_mut(*set));
                }
            }
        }
        left.cut_deep(&mut self.mounts, cut_mount);
        for kind in HookKind::ALL {
            left.cut_deep(self.hooks.of_mut(*kind), cut_hook);
        }
        left.cut(&mut self.annotations);
        let linux = &mut self.linux;
        left.cut(&mut linux.devices);
        left.cut(&mut linux.net_devices);
        left.cut(&mut linux.masked_paths);
        left.cut(&mut linux.readonly_paths);
        left.cut(&mut linux.sysctl);
        left.cut(&mut linux.intel_rdt.schemata);
        let resources = &mut linux.resources;
        left.cut(&mut resources.devices);
        left.cut(&mut resources.hugepage_limits);
        left.cut(&mut resources.network.priorities);
        left.cut(&mut resources.rdma);
        left.cut(&mut resources.unified);
        if let Some(seccomp) = &mut linux.seccomp {
            left.cut_deep(&mut seccomp.syscalls, cut_rule);
        }
        left.0 == 0
    }
}

/// How many entries may still be freed.
struct Left(usize);

impl Left {
    /// Frees entries from the end of a list.
    fn cut<T>(&mut self, list: &mut Vec<T>) {
        let keep = list.len().saturating_sub(self.0);
        self.0 = self.0.saturating_sub(list.len().saturating_sub(keep));
        list.truncate(keep);
    }

    /// The same for entries that have lists of their own, which `inner` cuts.
    fn cut_deep<T>(&mut self, list: &mut Vec<T>, inner: impl Fn(&mut Self, &mut T)) {
        while let Some(last) = list.last_mut() {
            inner(self, last);
            if self.0 == 0 {
                return;
            }
            list.pop();
            self.0 = self.0.saturating_sub(1);
        }
    }
}

fn cut_mount(left: &mut Left, mount: &mut OciMount) {
    left.cut(&mut mount.options);
}

fn cut_hook(left: &mut Left, hook: &mut OciHook) {
    left.cut(&mut hook.args);
    left.cut(&mut hook.env);
}

fn cut_rule(left: &mut Left, rule: &mut OciSyscallRule) {
    left.cut(&mut rule.names);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    #[test]
    fn a_large_configuration_goes_in_portions() {
        let mut text = String::from("root_path=r\nseccomp_default_action=SCMP_ACT_ERRNO\n");
        for _ in 0..100 {
            text.push_str("process_arg=a\nprocess_env=A=b\nmasked_path=/a\n");
            text.push_str("mount=/a:tmpfs:tmpfs:ro,nosuid,nodev\n");
            text.push_str("hook_poststop=/h\nhook_arg=a\nhook_arg=b\nhook_env=A=b\n");
            text.push_str("seccomp_syscall=read,write:SCMP_ACT_ALLOW\n");
        }
        let mut config = OciConfig::parse(&text).unwrap();
        // 3 texts, a mount of 4, a hook of 4, a rule of 3 pieces.
        let pieces = 100 * (3 + 4 + 4 + 3);
        let mut portions = 0;
        while config.dissolve(50) {
            portions += 1;
            assert!(portions <= pieces / 50);
        }
        assert_eq!(portions, pieces / 50);
        assert!(config.mounts.is_empty() && config.hooks.poststop.is_empty());
        assert!(config.process.unwrap().args.is_empty());
        assert!(config.linux.seccomp.unwrap().syscalls.is_empty());
    }
}
