//! `memory_*`, `cpu_*` and the other limits of `linux.resources`.

use super::base::{pair, print_pairs};
use super::error::Fault;
use super::key::ResourceKey as K;
use super::linux::interface;
use super::print::Printer;
use super::process::{Pair, cpu_list};
use super::value::{
    Fields, Maybe, Quoted, Read, boolean, limit, named, number, number_u32, number_u64, unquote,
};
use crate::memory::try_push;
use crate::names::names;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// CPU weight of a container that sets none.
pub const CPU_SHARES_DEFAULT: u32 = 1024;
/// CPU period in microseconds of a container that sets none.
pub const CPU_PERIOD_DEFAULT: u64 = 100_000;

/// Limits of a container. A field is `None` when its key is not given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OciResources {
    /// Which device nodes may be made and opened, in the order of application.
    pub devices: Vec<OciDeviceRule>,
    /// Memory.
    pub memory: OciMemory,
    /// CPU time and placement.
    pub cpu: OciCpu,
    /// Most tasks; -1 = unlimited, 0 is a limit.
    pub pids_limit: Option<i64>,
    /// Block devices.
    pub block_io: OciBlockIo,
    /// Huge pages.
    pub hugepage_limits: Vec<OciHugepageLimit>,
    /// Network classes and priorities.
    pub network: OciNetwork,
    /// RDMA devices.
    pub rdma: Vec<OciRdma>,
    /// Files of cgroup v2 and what to write to them.
    pub unified: Vec<(String, String)>,
}

names! {
    /// What a device rule speaks of.
    pub enum DeviceRuleKind { All = "a", Char = "c", Block = "b", }
}

/// One rule of the device controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OciDeviceRule {
    /// Whether the rule allows or denies.
    pub allow: bool,
    /// Which kind of device.
    pub kind: DeviceRuleKind,
    /// Major number; any if absent.
    pub major: Option<u32>,
    /// Minor number; any if absent.
    pub minor: Option<u32>,
    /// Some of `r` (read), `w` (write), `m` (mknod).
    pub access: String,
}

/// Memory limits in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OciMemory {
    /// Most memory; 0 = unlimited.
    pub limit: Option<u64>,
    /// Memory protected from reclaim; -1 = unlimited.
    pub reservation: Option<i64>,
    /// Memory and swap together; -1 = unlimited.
    pub swap: Option<i64>,
    /// Kernel memory; not recommended by the specification.
    pub kernel: Option<i64>,
    /// Kernel memory for TCP buffers; not recommended by the specification.
    pub kernel_tcp: Option<i64>,
    /// How eagerly to swap, 0 to 100.
    pub swappiness: Option<u32>,
    /// Whether processes wait instead of being killed.
    pub disable_oom_killer: bool,
    /// Whether children count; not recommended by the specification.
    pub use_hierarchy: bool,
    /// Whether an update below current use is refused.
    pub check_before_update: bool,
}

/// CPU limits; times in microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OciCpu {
    /// Weight against siblings, 2 to 262144; [`CPU_SHARES_DEFAULT`] if not given.
    pub shares: Option<u32>,
    /// CPU time a period; 0 = unlimited.
    pub quota: Option<u64>,
    /// Unused quota that may be used later.
    pub burst: Option<u64>,
    /// Length of a period; [`CPU_PERIOD_DEFAULT`] if not given.
    pub period: Option<u64>,
    /// Real-time CPU time a period (cgroup v1).
    pub realtime_runtime: Option<i64>,
    /// Length of a real-time period (cgroup v1).
    pub realtime_period: Option<u64>,
    /// CPUs such as `0-3`.
    pub cpus: Option<String>,
    /// Memory nodes such as `0-1`.
    pub mems: Option<String>,
    /// 1: run only when nothing else wants to.
    pub idle: Option<u8>,
}

/// Weights and throttles of block devices.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OciBlockIo {
    /// Weight, 10 to 1000.
    pub weight: Option<u16>,
    /// Weight against child groups, 10 to 1000 (cgroup v1).
    pub leaf_weight: Option<u16>,
    /// Weights by device.
    pub weight_devices: Vec<OciWeightDevice>,
    /// Bytes read a second, by device.
    pub read_bps: Vec<OciThrottleDevice>,
    /// Bytes written a second, by device.
    pub write_bps: Vec<OciThrottleDevice>,
    /// Reads a second, by device.
    pub read_iops: Vec<OciThrottleDevice>,
    /// Writes a second, by device.
    pub write_iops: Vec<OciThrottleDevice>,
}

/// The weight of one device; at least one of the two is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OciWeightDevice {
    /// Major and minor number.
    pub number: (u32, u32),
    /// Weight, 10 to 1000.
    pub weight: Option<u16>,
    /// Weight against child groups, 10 to 1000.
    pub leaf_weight: Option<u16>,
}

/// The throttle of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OciThrottleDevice {
    /// Major and minor number.
    pub number: (u32, u32),
    /// Bytes or operations a second.
    pub rate: u64,
}

/// Most memory in huge pages of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OciHugepageLimit {
    /// Such as `2MB`.
    pub page_size: String,
    /// Bytes.
    pub limit: u64,
}

/// Network classes (cgroup v1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OciNetwork {
    /// Class of the container's packets.
    pub class_id: Option<u32>,
    /// Priorities by interface.
    pub priorities: Vec<OciNetworkPriority>,
}

/// Priority of the packets of one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OciNetworkPriority {
    /// Interface in the runtime's network namespace.
    pub name: String,
    /// Priority.
    pub priority: u32,
}

/// Limits of one RDMA device; at least one is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OciRdma {
    /// Device.
    pub device: String,
    /// Most handles.
    pub hca_handles: Option<u32>,
    /// Most objects.
    pub hca_objects: Option<u32>,
}

impl OciResources {
    pub(super) fn set(&mut self, key: K, value: &str) -> Read<()> {
        match key {
            K::CgroupDevice => try_push(&mut self.devices, OciDeviceRule::read(value)?)?,
            K::PidsLimit => self.pids_limit = Some(limit(value)?),
            K::HugepageLimit => try_push(&mut self.hugepage_limits, hugepage_limit(value)?)?,
            K::NetworkClassId => self.network.class_id = Some(number_u32(value)?),
            K::NetworkPriority => {
                try_push(&mut self.network.priorities, network_priority(value)?)?;
            }
            K::Rdma => try_push(&mut self.rdma, OciRdma::read(value)?)?,
            K::Unified => try_push(&mut self.unified, unified(value)?)?,
            key => {
                let mine = self.memory.set(key, value)?
                    || self.cpu.set(key, value)?
                    || self.block_io.set(key, value)?;
                debug_assert!(mine, "{} has no field", key.as_str());
            }
        }
        Ok(())
    }

    pub(super) fn print(&self, out: &mut Printer<'_, '_>) -> fmt::Result {
        out.each(K::CgroupDevice, &self.devices)?;
        self.memory.print(out)?;
        self.cpu.print(out)?;
        out.maybe(K::PidsLimit, self.pids_limit)?;
        self.block_io.print(out)?;
        for OciHugepageLimit { page_size, limit } in &self.hugepage_limits {
            out.line(K::HugepageLimit, Pair(page_size, limit))?;
        }
        out.maybe(K::NetworkClassId, self.network.class_id)?;
        for OciNetworkPriority { name, priority } in &self.network.priorities {
            out.line(K::NetworkPriority, Pair(name, priority))?;
        }
        for OciRdma {
            device,
            hca_handles,
            hca_objects,
        } in &self.rdma
        {
            let limits = Pair(Maybe(*hca_handles), Maybe(*hca_objects));
            out.line(K::Rdma, Pair(Quoted(device), limits))?;
        }
        print_pairs(K::Unified, &self.unified, out)
    }
}

impl OciDeviceRule {
    fn read(value: &str) -> Read<Self> {
        let form = "allow|deny:type[:major:minor[:access]]";
        let fields = Fields::split(value, 2, 5, form)?;
        let wildcard = |field: &str| match field {
            "*" => Ok(None),
            number => number_u32(number).map(Some),
        };
        let access = fields.optional(4).unwrap_or("rwm");
        if !is_access(access) {
            return Err(Fault::value(
                "expected access as some of r, w, m, each once",
            ));
        }
        Ok(Self {
            allow: match fields.required(0) {
                "allow" => true,
                "deny" => false,
                _ => return Err(Fault::value("the rule must start with allow or deny")),
            },
            kind: named(
                fields.required(1),
                DeviceRuleKind::NAMES,
                DeviceRuleKind::from_name,
            )?,
            major: fields.optional(2).map_or(Ok(None), wildcard)?,
            minor: fields.optional(3).map_or(Ok(None), wildcard)?,
            access: String::from(access),
        })
    }
}

fn is_access(text: &str) -> bool {
    let times = |letter| text.matches(letter).count();
    let (r, w, m) = (times('r'), times('w'), times('m'));
    (1..=3).contains(&text.len()) && r <= 1 && w <= 1 && m <= 1 && text.len() == r + w + m
}

impl fmt::Display for OciDeviceRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.allow { "allow" } else { "deny" };
        write!(f, "{verdict}:{}", self.kind)?;
        for number in [self.major, self.minor] {
            match number {
                Some(number) => write!(f, ":{number}")?,
                None => f.write_str(":*")?,
            }
        }
        write!(f, ":{}", self.access)
    }
}

impl OciMemory {
    /// Sets the field of `key`; false when the key is of another group.
    fn set(&mut self, key: K, value: &str) -> Read<bool> {
        match key {
            K::MemoryLimit => self.limit = Some(number(value, 0, i64::MAX.into())?),
            K::MemoryReservation => self.reservation = Some(limit(value)?),
            K::MemorySwap => self.swap = Some(limit(value)?),
            K::MemoryKernel => self.kernel = Some(limit(value)?),
            K::MemoryKernelTcp => self.kernel_tcp = Some(limit(value)?),
            K::MemorySwappiness => self.swappiness = Some(number(value, 0, 100)?),
            K::MemoryDisableOomKiller => self.disable_oom_killer = boolean(value)?,
            K::MemoryUseHierarchy => self.use_hierarchy = boolean(value)?,
            K::MemoryCheckBeforeUpdate => self.check_before_update = boolean(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn print(&self, out: &mut Printer<'_, '_>) -> fmt::Result {
        out.maybe(K::MemoryLimit, self.limit)?;
        out.maybe(K::MemoryReservation, self.reservation)?;
        out.maybe(K::MemorySwap, self.swap)?;
        out.maybe(K::MemoryKernel, self.kernel)?;
        out.maybe(K::MemoryKernelTcp, self.kernel_tcp)?;
        out.maybe(K::MemorySwappiness, self.swappiness)?;
        out.switch(K::MemoryDisableOomKiller, self.disable_oom_killer)?;
        out.switch(K::MemoryUseHierarchy, self.use_hierarchy)?;
        out.switch(K::MemoryCheckBeforeUpdate, self.check_before_update)
    }
}

impl OciCpu {
    /// Whether the burst is at most the quota (C-cpu).
    pub(crate) fn burst_fits(&self) -> bool {
        match (self.burst, self.quota) {
            (Some(burst), Some(quota)) if quota > 0 => burst <= quota,
            (Some(burst), _) => burst == 0,
            (None, _) => true,
        }
    }

    /// Sets the field of `key`; false when the key is of another group.
    fn set(&mut self, key: K, value: &str) -> Read<bool> {
        match key {
            K::CpuShares => self.shares = Some(number(value, 2, 262_144)?),
            K::CpuQuota => self.quota = Some(quota(value)?),
            K::CpuBurst => self.burst = Some(number(value, 0, i64::MAX.into())?),
            K::CpuPeriod => self.period = Some(number(value, 1_000, 1_000_000)?),
            K::CpuRealtimeRuntime => self.realtime_runtime = Some(limit(value)?),
            K::CpuRealtimePeriod => self.realtime_period = Some(number_u64(value)?),
            K::CpuCpus => self.cpus = Some(cpu_list(value)?),
            K::CpuMems => self.mems = Some(cpu_list(value)?),
            K::CpuIdle => self.idle = Some(number(value, 0, 1)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn print(&self, out: &mut Printer<'_, '_>) -> fmt::Result {
        out.maybe(K::CpuShares, self.shares)?;
        out.maybe(K::CpuQuota, self.quota)?;
        out.maybe(K::CpuBurst, self.burst)?;
        out.maybe(K::CpuPeriod, self.period)?;
        out.maybe(K::CpuRealtimeRuntime, self.realtime_runtime)?;
        out.maybe(K::CpuRealtimePeriod, self.realtime_period)?;
        out.maybe(K::CpuCpus, self.cpus.as_ref())?;
        out.maybe(K::CpuMems, self.mems.as_ref())?;
        out.maybe(K::CpuIdle, self.idle)
    }
}

fn quota(value: &str) -> Read<u64> {
    let quota = number(value, 0, i64::MAX.into())?;
    match quota {
        1..1_000 => Err(Fault::value(
            "expected 0 for unlimited, or at least 1000 microseconds",
        )),
        quota => Ok(quota),
    }
}

impl OciBlockIo {
    /// Sets the field of `key`; false when the key is of another group.
    fn set(&mut self, key: K, value: &str) -> Read<bool> {
        match key {
            K::BlockIoWeight => self.weight = Some(weight(value)?),
            K::BlockIoLeafWeight => self.leaf_weight = Some(weight(value)?),
            K::BlockIoWeightDevice => try_push(&mut self.weight_devices, weight_device(value)?)?,
            K::BlockIoReadBps => try_push(&mut self.read_bps, throttle(value)?)?,
            K::BlockIoWriteBps => try_push(&mut self.write_bps, throttle(value)?)?,
            K::BlockIoReadIops => try_push(&mut self.read_iops, throttle(value)?)?,
            K::BlockIoWriteIops => try_push(&mut self.write_iops, throttle(value)?)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn print(&self, out: &mut Printer<'_, '_>) -> fmt::Result {
        out.maybe(K::BlockIoWeight, self.weight)?;
        out.maybe(K::BlockIoLeafWeight, self.leaf_weight)?;
        for device in &self.weight_devices {
            let number = Pair(device.number.0, device.number.1);
            let weights = Pair(Maybe(device.weight), Maybe(device.leaf_weight));
            out.line(K::BlockIoWeightDevice, Pair(number, weights))?;
        }
        for (key, devices) in [
            (K::BlockIoReadBps, &self.read_bps),
            (K::BlockIoWriteBps, &self.write_bps),
            (K::BlockIoReadIops, &self.read_iops),
            (K::BlockIoWriteIops, &self.write_iops),
        ] {
            for OciThrottleDevice { number, rate } in devices {
                out.line(key, Pair(Pair(number.0, number.1), rate))?;
            }
        }
        Ok(())
    }
}

fn weight(value: &str) -> Read<u16> {
    number(value, 10, 1000)
}

fn weight_device(value: &str) -> Read<OciWeightDevice> {
    let fields = Fields::split(value, 3, 4, "major:minor:weight[:leaf weight]")?;
    let device = OciWeightDevice {
        number: device_number(&fields)?,
        weight: fields.optional(2).map(weight).transpose()?,
        leaf_weight: fields.optional(3).map(weight).transpose()?,
    };
    if device.weight.is_none() && device.leaf_weight.is_none() {
        return Err(Fault::value("neither a weight nor a leaf weight is given"));
    }
    Ok(device)
}

fn throttle(value: &str) -> Read<OciThrottleDevice> {
    let fields = Fields::split(value, 3, 3, "major:minor:rate")?;
    Ok(OciThrottleDevice {
        number: device_number(&fields)?,
        rate: number_u64(fields.required(2))?,
    })
}

fn device_number(fields: &Fields<'_>) -> Read<(u32, u32)> {
    Ok((
        number_u32(fields.required(0))?,
        number_u32(fields.required(1))?,
    ))
}

/// `size:limit`, the size as `<number><K|M|G>B` (C-huge).
fn hugepage_limit(value: &str) -> Read<OciHugepageLimit> {
    let fields = Fields::split(value, 2, 2, "page size:limit")?;
    let size = fields.required(0);
    let count = ["KB", "MB", "GB"]
        .iter()
        .find_map(|unit| size.strip_suffix(unit));
    if count.is_none_or(|count| number::<u32>(count, 1, u32::MAX.into()).is_err()) {
        return Err(Fault::value(
            "expected a page size such as 64KB, 2MB or 1GB",
        ));
    }
    Ok(OciHugepageLimit {
        page_size: unquote(size)?,
        limit: number_u64(fields.required(1))?,
    })
}

fn network_priority(value: &str) -> Read<OciNetworkPriority> {
    let fields = Fields::split(value, 2, 2, "interface:priority")?;
    Ok(OciNetworkPriority {
        name: interface(fields.required(0))?,
        priority: number_u32(fields.required(1))?,
    })
}

impl OciRdma {
    fn read(value: &str) -> Read<Self> {
        let fields = Fields::split(value, 3, 3, "device:handles:objects")?;
        let rdma = Self {
            device: unquote(fields.required(0))?,
            hca_handles: fields.optional(1).map(number_u32).transpose()?,
            hca_objects: fields.optional(2).map(number_u32).transpose()?,
        };
        if rdma.device.is_empty() || rdma.hca_handles.is_none() && rdma.hca_objects.is_none() {
            return Err(Fault::value("a device and at least one limit are needed"));
        }
        Ok(rdma)
    }
}

/// A file of the cgroup, by name: a path would reach other groups (C-uni).
fn unified(value: &str) -> Read<(String, String)> {
    let (file, content) = pair(value)?;
    if file.contains('/') || file == "." || file == ".." {
        return Err(Fault::value("the file must be a name, not a path"));
    }
    Ok((file, content))
}
