//! sysfs: the one CPU and what else programs look for (sysfs(5)). It can be read only.
//!
//! The directories are branches of the tables of procfs ([`super::procfs`]).

use super::procfs::table::{Dir, Line, dir, file};
use crate::Kernel;
use crate::error::Stop;
use crate::fs::ViewNode;
use crate::machine::Machine;
use alloc::vec::Vec;

/// A file that always says the same.
macro_rules! says {
    ($name:literal $text:literal) => {
        file($name, |_: &mut Kernel, _: &mut dyn Machine, _: ViewNode| {
            says($text)
        })
    };
}

fn says(text: &str) -> Result<Vec<u8>, Stop> {
    Ok(alloc::format!("{text}\n").into_bytes())
}

/// /sys.
pub(super) const LINES: &[Line] = &[
    dir("block", Dir::SysfsBlock),
    dir("class", Dir::SysfsClass),
    dir("devices", Dir::SysfsDevices),
    dir("firmware", Dir::SysfsFirmware),
    dir("fs", Dir::SysfsFs),
    dir("kernel", Dir::SysfsKernel),
];

pub(super) const CLASS_LINES: &[Line] = &[dir("net", Dir::SysfsClassNet)];

pub(super) const DEVICES_LINES: &[Line] = &[dir("system", Dir::SysfsSystem)];

pub(super) const SYSTEM_LINES: &[Line] = &[dir("cpu", Dir::SysfsCpus)];

/// There is one CPU, its number is 0, and there will never be more.
pub(super) const CPUS_LINES: &[Line] = &[
    dir("cpu0", Dir::SysfsCpu),
    says!("kernel_max" "0"),
    says!("offline" ""),
    says!("online" "0"),
    says!("possible" "0"),
    says!("present" "0"),
];

pub(super) const CPU_LINES: &[Line] = &[dir("topology", Dir::SysfsTopology)];

/// Alone in its core, its package and its machine: masks and lists of one.
pub(super) const TOPOLOGY_LINES: &[Line] = &[
    says!("core_cpus" "1"),
    says!("core_cpus_list" "0"),
    says!("core_id" "0"),
    says!("core_siblings" "1"),
    says!("core_siblings_list" "0"),
    says!("package_cpus" "1"),
    says!("package_cpus_list" "0"),
    says!("physical_package_id" "0"),
    says!("thread_siblings" "1"),
    says!("thread_siblings_list" "0"),
];

/// Where control groups are to be mounted.
pub(super) const FS_LINES: &[Line] = &[dir("cgroup", Dir::SysfsCgroup)];

pub(super) const KERNEL_LINES: &[Line] =
    &[dir("cgroup", Dir::SysfsCgroups), dir("mm", Dir::SysfsMm)];

/// What a control group is given away with, and how its tree can be mounted (cgroup v2).
pub(super) const CGROUP_LINES: &[Line] = &[
    says!("delegate" "cgroup.procs\ncgroup.threads\ncgroup.subtree_control"),
    says!("features" "nsdelegate\nmemory_recursiveprot"),
];

pub(super) const MM_LINES: &[Line] = &[dir("transparent_hugepage", Dir::SysfsHugepages)];

/// Every page has 4 KiB; the processor's next size is told for those who align to it.
pub(super) const HUGEPAGE_LINES: &[Line] = &[
    says!("enabled" "always madvise [never]"),
    says!("hpage_pmd_size" "2097152"),
];
