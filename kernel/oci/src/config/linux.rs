//! `namespace`, id mappings, devices, paths, and the other keys of `linux`.

use super::base::{pair, print_pairs};
use super::error::Fault;
use super::key::LinuxKey as K;
use super::print::Printer;
use super::process::cpu_list;
use super::value::{
    Fields, Maybe, Quoted, Read, absolute_path, boolean, id, named, number, number_u32, octal,
    path, text, unquote,
};
use super::{OciResources, OciSeccomp};
use crate::memory::try_push;
use crate::names::names;
use crate::namespace::OciNamespaceKind;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// The Linux part of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OciLinuxConfig {
    /// Namespaces to create or join; a kind that is not listed is inherited (N-3).
    pub namespaces: Vec<OciNamespace>,
    /// User ids of the container's user namespace (N-5).
    pub uid_mappings: Vec<IdMapping>,
    /// Group ids of the container's user namespace (N-5).
    pub gid_mappings: Vec<IdMapping>,
    /// Offsets of the container's clocks (N-6).
    pub time_offsets: Vec<OciTimeOffset>,
    /// Device nodes besides the default ones (D-1).
    pub devices: Vec<OciDevice>,
    /// Network interfaces to move into the container (ND-1).
    pub net_devices: Vec<OciNetDevice>,
    /// Where in the cgroup tree (C-2).
    pub cgroups_path: Option<String>,
    /// Limits.
    pub resources: OciResources,
    /// System call filter.
    pub seccomp: Option<OciSeccomp>,
    /// Propagation of the root mount (RP-1).
    pub rootfs_propagation: Option<RootfsPropagation>,
    /// Paths that cannot be read inside (MP-1).
    pub masked_paths: Vec<String>,
    /// Paths that cannot be written inside (RO-1).
    pub readonly_paths: Vec<String>,
    /// SELinux label of the mounts (ML-1).
    pub mount_label: Option<String>,
    /// Kernel parameters, in the order given (Y-1).
    pub sysctl: Vec<(String, String)>,
    /// Execution domain (PE-1).
    pub personality: Option<Personality>,
    /// Resource director technology (RDT-1).
    pub intel_rdt: OciIntelRdt,
    /// NUMA policy (NUMA-1).
    pub memory_policy: OciMemoryPolicy,
}

/// A namespace to create, or to join by the path of an existing one (N-2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OciNamespace {
    /// Its kind.
    pub kind: OciNamespaceKind,
    /// Absolute path of a namespace to join; without one a new namespace is made.
    pub path: Option<String>,
}

/// A range of ids: `size` ids from `container_id` are those from `host_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdMapping {
    /// First id inside.
    pub container_id: u32,
    /// First id outside.
    pub host_id: u32,
    /// How many; not 0.
    pub size: u32,
}

names! {
    /// A clock that a time namespace can shift.
    pub enum TimeClock { Monotonic = "monotonic", Boottime = "boottime", }
}

/// A shift of one clock in the container's time namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OciTimeOffset {
    /// The clock.
    pub clock: TimeClock,
    /// Seconds.
    pub secs: i64,
    /// Nanoseconds, below 1,000,000,000.
    pub nanosecs: u32,
}

names! {
    /// The kind of a device node, as in mknod(1).
    pub enum OciDeviceKind { Char = "c", Block = "b", Unbuffered = "u", Fifo = "p", }
}

/// A device node (D-1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OciDevice {
    /// Its kind.
    pub kind: OciDeviceKind,
    /// Absolute path inside the container.
    pub path: String,
    /// Major and minor number; absent for a FIFO only.
    pub number: Option<(u32, u32)>,
    /// Permission bits.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
}

/// A network interface that moves into the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OciNetDevice {
    /// Its name outside.
    pub host_name: String,
    /// Its name inside, if another.
    pub name: Option<String>,
}

names! {
    /// How mounts and unmounts below the root travel (mount_namespaces(7)).
    pub enum RootfsPropagation {
        Shared = "shared", Rshared = "rshared", Slave = "slave", Rslave = "rslave",
        Private = "private", Rprivate = "rprivate",
        Unbindable = "unbindable", Runbindable = "runbindable",
    }
}

names! {
    /// An execution domain (personality(2)).
    pub enum Personality { Linux = "LINUX", Linux32 = "LINUX32", }
}

/// Cache and memory bandwidth allocation through resctrl.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OciIntelRdt {
    /// Name of the class of service.
    pub clos_id: Option<String>,
    /// Lines for `schemata`.
    pub schemata: Vec<String>,
    /// L3 cache schema.
    pub l3_cache_schema: Option<String>,
    /// Memory bandwidth schema.
    pub mem_bw_schema: Option<String>,
    /// Whether a monitoring group is made.
    pub enable_monitoring: bool,
}

names! {
    /// A mode of set_mempolicy(2).
    pub enum MemoryPolicyMode {
        Default = "MPOL_DEFAULT", Bind = "MPOL_BIND", Interleave = "MPOL_INTERLEAVE",
        WeightedInterleave = "MPOL_WEIGHTED_INTERLEAVE", Preferred = "MPOL_PREFERRED",
        PreferredMany = "MPOL_PREFERRED_MANY", Local = "MPOL_LOCAL",
    }
}

names! {
    /// A flag of set_mempolicy(2).
    pub enum MemoryPolicyFlag {
        NumaBalancing = "MPOL_F_NUMA_BALANCING", RelativeNodes = "MPOL_F_RELATIVE_NODES",
        StaticNodes = "MPOL_F_STATIC_NODES",
    }
}

/// NUMA memory policy; nothing changes without a mode.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OciMemoryPolicy {
    /// The mode.
    pub mode: Option<MemoryPolicyMode>,
    /// Memory nodes such as `0-1`.
    pub nodes: Option<String>,
    /// Flags.
    pub flags: Vec<MemoryPolicyFlag>,
}

impl OciLinuxConfig {
    /// The entry of one kind of namespace, if it is listed.
    #[must_use]
    pub fn namespace(&self, kind: OciNamespaceKind) -> Option<&OciNamespace> {
        self.namespaces.iter().find(|entry| entry.kind == kind)
    }

    pub(super) fn set(&mut self, key: K, value: &str) -> Read<()> {
        match key {
            K::Namespace => self.add_namespace(value)?,
            K::UidMapping => try_push(&mut self.uid_mappings, IdMapping::read(value)?)?,
            K::GidMapping => try_push(&mut self.gid_mappings, IdMapping::read(value)?)?,
            K::TimeOffset => self.add_time_offset(value)?,
            K::Device => try_push(&mut self.devices, OciDevice::read(value)?)?,
            K::NetDevice => try_push(&mut self.net_devices, OciNetDevice::read(value)?)?,
            K::CgroupsPath => self.cgroups_path = Some(path(value)?),
            K::RootfsPropagation => {
                self.rootfs_propagation = Some(named(
                    value,
                    RootfsPropagation::NAMES,
                    RootfsPropagation::from_name,
                )?);
            }
            K::MaskedPath => try_push(&mut self.masked_paths, absolute_path(value)?)?,
            K::ReadonlyPath => try_push(&mut self.readonly_paths, absolute_path(value)?)?,
            K::MountLabel => self.mount_label = Some(text(value)?),
            K::Sysctl => try_push(&mut self.sysctl, pair(value)?)?,
            K::Personality => {
                self.personality = Some(named(value, Personality::NAMES, Personality::from_name)?);
            }
            K::RdtClosId => self.intel_rdt.clos_id = Some(text(value)?),
            K::RdtSchema => try_push(&mut self.intel_rdt.schemata, text(value)?)?,
            K::RdtL3CacheSchema => self.intel_rdt.l3_cache_schema = Some(text(value)?),
            K::RdtMemBwSchema => self.intel_rdt.mem_bw_schema = Some(text(value)?),
            K::RdtMonitoring => self.intel_rdt.enable_monitoring = boolean(value)?,
            K::MemoryPolicyMode | K::MemoryPolicyNodes | K::MemoryPolicyFlag => {
                self.memory_policy.set(key, value)?;
            }
        }
        Ok(())
    }

    /// `kind[:path]`; a kind that is not known would leave the container in the host's
    /// namespace, so it is never dropped (P15).
    fn add_namespace(&mut self, value: &str) -> Read<()> {
        let fields = Fields::split(value, 1, 2, "kind[:path]")?;
        let kind = named(
            fields.required(0),
            OciNamespaceKind::NAMES,
            OciNamespaceKind::from_str_kind,
        )?;
        if self.namespace(kind).is_some() {
            return Err(Fault::value("the kind of namespace is given twice"));
        }
        let path = match fields.has(1) {
            true => Some(absolute_path(&unquote(fields.required(1))?)?),
            false => None,
        };
        Ok(try_push(&mut self.namespaces, OciNamespace { kind, path })?)
    }

    fn add_time_offset(&mut self, value: &str) -> Read<()> {
        let fields = Fields::split(value, 3, 3, "clock:seconds:nanoseconds")?;
        let offset = OciTimeOffset {
            clock: named(fields.required(0), TimeClock::NAMES, TimeClock::from_name)?,
            secs: number(fields.required(1), i64::MIN.into(), i64::MAX.into())?,
            nanosecs: number(fields.required(2), 0, 999_999_999)?,
        };
        if self.time_offsets.iter().any(|o| o.clock == offset.clock) {
            return Err(Fault::value("the clock is given twice"));
        }
        Ok(try_push(&mut self.time_offsets, offset)?)
    }

    pub(super) fn print(&self, out: &mut Printer<'_, '_>) -> fmt::Result {
        out.each(K::Namespace, &self.namespaces)?;
        out.each(K::UidMapping, &self.uid_mappings)?;
        out.each(K::GidMapping, &self.gid_mappings)?;
        for OciTimeOffset {
            clock,
            secs,
            nanosecs,
        } in &self.time_offsets
        {
            out.line(K::TimeOffset, format_args!("{clock}:{secs}:{nanosecs}"))?;
        }
        out.each(K::Device, &self.devices)?;
        out.each(K::NetDevice, &self.net_devices)?;
        out.maybe(K::CgroupsPath, self.cgroups_path.as_ref())?;
        self.resources.print(out)?;
        if let Some(seccomp) = &self.seccomp {
            seccomp.print(out)?;
        }
        out.maybe(K::RootfsPropagation, self.rootfs_propagation)?;
        out.each(K::MaskedPath, &self.masked_paths)?;
        out.each(K::ReadonlyPath, &self.readonly_paths)?;
        out.maybe(K::MountLabel, self.mount_label.as_ref())?;
        print_pairs(K::Sysctl, &self.sysctl, out)?;
        out.maybe(K::Personality, self.personality)?;
        self.intel_rdt.print(out)?;
        self.memory_policy.print(out)
    }
}

impl fmt::Display for OciNamespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{}:{}", self.kind, Quoted(path)),
            None => write!(f, "{}", self.kind),
        }
    }
}

impl IdMapping {
    /// `containerID:hostID:size`; neither range may wrap or hold 4294967295.
    pub(super) fn read(value: &str) -> Read<Self> {
        let fields = Fields::split(value, 3, 3, "containerID:hostID:size")?;
        let mapping = Self {
            container_id: id(fields.required(0))?,
            host_id: id(fields.required(1))?,
            size: number(fields.required(2), 1, u32::MAX.into())?,
        };
        let fits = |first: u32| first.checked_add(mapping.size).is_some();
        if fits(mapping.container_id) && fits(mapping.host_id) {
            return Ok(mapping);
        }
        Err(Fault::value("the range goes past the last id, 4294967294"))
    }
}

impl fmt::Display for IdMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.container_id, self.host_id, self.size)
    }
}

impl OciDevice {
    fn read(value: &str) -> Read<Self> {
        let form = "type:path[:major:minor[:mode[:uid[:gid]]]]";
        let fields = Fields::split(value, 2, 7, form)?;
        let kind = named(
            fields.required(0),
            OciDeviceKind::NAMES,
            OciDeviceKind::from_name,
        )?;
        let numbers = match (fields.optional(2), fields.optional(3)) {
            (Some(major), Some(minor)) => Some((number_u32(major)?, number_u32(minor)?)),
            (None, None) if kind == OciDeviceKind::Fifo => None,
            (None, None) => return Err(Fault::value("the device needs a major and a minor")),
            _ => return Err(Fault::value("a major needs a minor, and a minor a major")),
        };
        Ok(Self {
            kind,
            path: absolute_path(&unquote(fields.required(1))?)?,
            number: numbers,
            mode: fields.optional(4).map(|f| octal(f, 0o777)).transpose()?,
            uid: fields.optional(5).map(id).transpose()?,
            gid: fields.optional(6).map(id).transpose()?,
        })
    }
}

impl fmt::Display for OciDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.number.unzip();
        write!(f, "{}:{}:", self.kind, Quoted(&self.path))?;
        write!(f, "{}:{}:", Maybe(major), Maybe(minor))?;
        if let Some(mode) = self.mode {
            write!(f, "0{mode:o}")?;
        }
        write!(f, ":{}:{}", Maybe(self.uid), Maybe(self.gid))
    }
}

impl OciNetDevice {
    fn read(value: &str) -> Read<Self> {
        let fields = Fields::split(value, 1, 2, "host name[:name]")?;
        Ok(Self {
            host_name: interface(fields.required(0))?,
            name: match fields.has(1) {
                true => Some(interface(fields.required(1))?),
                false => None,
            },
        })
    }
}

impl fmt::Display for OciNetDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.host_name)?;
        match &self.name {
            Some(name) => write!(f, ":{name}"),
            None => Ok(()),
        }
    }
}

/// The name of a network interface by the rules of Linux (ND-4).
pub(super) fn interface(name: &str) -> Read<String> {
    let fits = (1..16).contains(&name.len());
    let odd = |c: char| c == '/' || c == ':' || c == '\\' || c.is_whitespace();
    if fits && name != "." && name != ".." && !name.contains(odd) {
        return text(name);
    }
    Err(Fault::value(
        "expected an interface name: 1 to 15 bytes, no / : \\ or space",
    ))
}

impl OciIntelRdt {
    fn print(&self, out: &mut Printer<'_, '_>) -> fmt::Result {
        out.maybe(K::RdtClosId, self.clos_id.as_ref())?;
        out.each(K::RdtSchema, &self.schemata)?;
        out.maybe(K::RdtL3CacheSchema, self.l3_cache_schema.as_ref())?;
        out.maybe(K::RdtMemBwSchema, self.mem_bw_schema.as_ref())?;
        out.switch(K::RdtMonitoring, self.enable_monitoring)
    }
}

impl OciMemoryPolicy {
    fn set(&mut self, key: K, value: &str) -> Read<()> {
        match key {
            K::MemoryPolicyMode => {
                let mode = named(value, MemoryPolicyMode::NAMES, MemoryPolicyMode::from_name)?;
                self.mode = Some(mode);
            }
            K::MemoryPolicyNodes => self.nodes = Some(cpu_list(value)?),
            _ => {
                let flag = named(value, MemoryPolicyFlag::NAMES, MemoryPolicyFlag::from_name)?;
                try_push(&mut self.flags, flag)?;
            }
        }
        Ok(())
    }

    fn print(&self, out: &mut Printer<'_, '_>) -> fmt::Result {
        out.maybe(K::MemoryPolicyMode, self.mode)?;
        out.maybe(K::MemoryPolicyNodes, self.nodes.as_ref())?;
        out.each(K::MemoryPolicyFlag, &self.flags)
    }
}
