//! Which limits can be set.

use super::{Planner, Refusal, Step};
use crate::config::{OciBlockIo, OciCpu, OciMemory};
use crate::feature::Feature as F;

impl Planner<'_> {
    /// The cgroup and its limits. A value that means "no limit" needs no support.
    pub(super) fn cgroup(&mut self) -> Result<(), Refusal> {
        let linux = &self.config.linux;
        let resources = &linux.resources;
        self.need_if_some(F::Cgroups, F::Cgroups.key(), linux.cgroups_path.as_ref())?;
        // Without a path the runtime chooses one (C-2), if it has cgroups at all.
        self.push_if(self.features.has(F::Cgroups), Step::CreateCgroup)?;
        let device = resources.devices.first();
        let hugepages = resources.hugepage_limits.first();
        let priority = resources.network.priorities.first();
        let unified = resources.unified.first();
        let given = self.memory(&resources.memory)?
            | self.cpu(&resources.cpu)?
            | self.block_io(&resources.block_io)?
            | self.need_if_some(F::CgroupDevices, "cgroup_device", device)?
            | self.need_if_some(F::PidsLimit, "pids_limit", limited(resources.pids_limit))?
            | self.need_if_some(
                F::HugepageLimits,
                "hugepage_limit",
                hugepages.map(|entry| &entry.page_size),
            )?
            | self.need_if_some(
                F::NetworkClasses,
                "network_class_id",
                resources.network.class_id,
            )?
            | self.need_if_some(
                F::NetworkClasses,
                "network_priority",
                priority.map(|entry| &entry.name),
            )?
            | self.need_if_some(
                F::Rdma,
                "rdma",
                resources.rdma.first().map(|entry| &entry.device),
            )?
            | self.need_if_some(F::Unified, "unified", unified.map(|(file, _)| file))?;
        self.push_if(given, Step::SetResources)
    }

    fn memory(&self, memory: &OciMemory) -> Result<bool, Refusal> {
        let limit = memory.limit.filter(|limit| *limit != 0);
        let update = memory.check_before_update;
        let oom = memory.disable_oom_killer;
        let hierarchy = memory.use_hierarchy;
        Ok(self.need_if_some(F::MemoryLimit, "memory_limit", limit)?
            | self.need_if_some(
                F::MemoryReservation,
                "memory_reservation",
                memory.reservation,
            )?
            | self.need_if_some(F::MemorySwap, "memory_swap", limited(memory.swap))?
            | self.need_if_some(F::MemoryKernel, "memory_kernel", limited(memory.kernel))?
            | self.need_if_some(
                F::MemoryKernel,
                "memory_kernel_tcp",
                limited(memory.kernel_tcp),
            )?
            | self.need_if_some(F::MemorySwappiness, "memory_swappiness", memory.swappiness)?
            | self.switch(F::MemoryOomControl, oom)?
            | self.switch(F::MemoryHierarchy, hierarchy)?
            | self.switch(F::MemoryCheckBeforeUpdate, update)?)
    }

    fn cpu(&self, cpu: &OciCpu) -> Result<bool, Refusal> {
        let quota = cpu.quota.filter(|quota| *quota != 0);
        let burst = cpu.burst.filter(|burst| *burst != 0);
        let idle = cpu.idle.filter(|idle| *idle != 0);
        let realtime = cpu.realtime_runtime;
        Ok(self.need_if_some(F::CpuShares, "cpu_shares", cpu.shares)?
            | self.need_if_some(F::CpuQuota, "cpu_quota", quota)?
            | self.need_if_some(F::CpuQuota, "cpu_period", cpu.period)?
            | self.need_if_some(F::CpuBurst, "cpu_burst", burst)?
            | self.need_if_some(F::CpuRealtime, "cpu_realtime_runtime", realtime)?
            | self.need_if_some(F::CpuRealtime, "cpu_realtime_period", cpu.realtime_period)?
            | self.need_if_some(F::Cpuset, "cpu_cpus", cpu.cpus.as_ref())?
            | self.need_if_some(F::Cpuset, "cpu_mems", cpu.mems.as_ref())?
            | self.need_if_some(F::CpuIdle, "cpu_idle", idle)?)
    }

    fn block_io(&self, io: &OciBlockIo) -> Result<bool, Refusal> {
        let mut given = self.need_if_some(F::BlockIo, "block_io_weight", io.weight)?
            | self.need_if_some(F::BlockIo, "block_io_leaf_weight", io.leaf_weight)?;
        let weights = io.weight_devices.first().map(|entry| entry.number);
        let rate = |list: &[crate::config::OciThrottleDevice]| list.first().map(|e| e.number);
        for (key, device) in [
            ("block_io_weight_device", weights),
            ("block_io_read_bps_device", rate(&io.read_bps)),
            ("block_io_write_bps_device", rate(&io.write_bps)),
            ("block_io_read_iops_device", rate(&io.read_iops)),
            ("block_io_write_iops_device", rate(&io.write_iops)),
        ] {
            let Some((major, minor)) = device else {
                continue;
            };
            self.need_key(F::BlockIo, key, format_args!("{major}:{minor}"))?;
            given = true;
        }
        Ok(given)
    }

    /// A switch that is on.
    fn switch(&self, feature: F, on: bool) -> Result<bool, Refusal> {
        self.need_if_some(feature, feature.key(), on.then_some(true))
    }
}

/// -1 is no limit.
fn limited(limit: Option<i64>) -> Option<i64> {
    limit.filter(|limit| *limit != -1)
}
