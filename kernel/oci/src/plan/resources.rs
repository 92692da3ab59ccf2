//! Which limits can be set.

use super::planning::Planner;
use super::update::swap_refused;
use super::{Refusal, Step};
use crate::config::{OciCpu, OciMemory, OciThrottleDevice, Pair};
use crate::feature::Feature as F;

impl Planner<'_> {
    pub(super) fn cgroup(&mut self) -> Result<bool, Refusal> {
        let path = self.config.linux.cgroups_path.as_ref();
        self.need_if_some(F::Cgroups, F::Cgroups.key(), path)?;
        // Without a path the runtime chooses one (C-2), if it has cgroups at all.
        self.push_if(self.has(F::Cgroups), Step::CreateCgroup)?;
        Ok(false)
    }

    /// What `memory_swap` and `memory_limit` say together.
    pub(super) fn swap(&mut self) -> Result<bool, Refusal> {
        match swap_refused(&self.config.linux.resources.memory, self.has(F::MemorySwap)) {
            Some(refusal) => self.refuse(refusal).map(|()| false),
            None => Ok(false),
        }
    }

    pub(super) fn cgroup_device(&mut self, i: usize) -> Result<bool, Refusal> {
        self.each(&self.config.linux.resources.devices, i, |p, rule| {
            p.need(F::CgroupDevices, rule)
        })
    }

    pub(super) fn hugepage_limit(&mut self, i: usize) -> Result<bool, Refusal> {
        let limits = &self.config.linux.resources.hugepage_limits;
        self.each(limits, i, |p, limit| {
            p.need(F::HugepageLimits, &limit.page_size)
        })
    }

    pub(super) fn network_priority(&mut self, i: usize) -> Result<bool, Refusal> {
        let priorities = &self.config.linux.resources.network.priorities;
        self.each(priorities, i, |p, priority| {
            p.need_key(F::NetworkClasses, "network_priority", &priority.name)
        })
    }

    pub(super) fn rdma(&mut self, i: usize) -> Result<bool, Refusal> {
        let limits = &self.config.linux.resources.rdma;
        self.each(limits, i, |p, limit| p.need(F::Rdma, &limit.device))
    }

    pub(super) fn unified(&mut self, i: usize) -> Result<bool, Refusal> {
        let files = &self.config.linux.resources.unified;
        self.each(files, i, |p, (file, _)| p.need(F::Unified, file))
    }

    /// The same entry of each of the five lists.
    pub(super) fn block_io_device(&mut self, i: usize) -> Result<bool, Refusal> {
        let io = &self.config.linux.resources.block_io;
        let rate = |list: &[OciThrottleDevice]| list.get(i).map(|entry| entry.number);
        let mut more = false;
        for (key, device) in [
            (
                "block_io_weight_device",
                io.weight_devices.get(i).map(|entry| entry.number),
            ),
            ("block_io_read_bps_device", rate(&io.read_bps)),
            ("block_io_write_bps_device", rate(&io.write_bps)),
            ("block_io_read_iops_device", rate(&io.read_iops)),
            ("block_io_write_iops_device", rate(&io.write_iops)),
        ] {
            let number = device.map(|(major, minor)| Pair(major, minor));
            more |= self.need_if_some(F::BlockIo, key, number)?;
        }
        Ok(more)
    }

    /// The limits. A value that means "no limit" needs no support.
    pub(super) fn resources(&mut self) -> Result<bool, Refusal> {
        let resources = &self.config.linux.resources;
        let io = &resources.block_io;
        let listed = !resources.devices.is_empty()
            || !resources.hugepage_limits.is_empty()
            || !resources.network.priorities.is_empty()
            || !resources.rdma.is_empty()
            || !resources.unified.is_empty()
            || !io.weight_devices.is_empty()
            || [&io.read_bps, &io.write_bps, &io.read_iops, &io.write_iops]
                .iter()
                .any(|list| !list.is_empty());
        let class = resources.network.class_id;
        let given = self.memory(&resources.memory)?
            | self.cpu(&resources.cpu)?
            | self.need_if_some(F::BlockIo, "block_io_weight", io.weight)?
            | self.need_if_some(F::BlockIo, "block_io_leaf_weight", io.leaf_weight)?
            | self.need_if_some(F::PidsLimit, "pids_limit", limited(resources.pids_limit))?
            | self.need_if_some(F::NetworkClasses, "network_class_id", class)?;
        // Where there are device rules, everybody has some (D-3).
        let devices = self.has(F::CgroupDevices);
        self.push_if(given || listed || devices, Step::SetResources)?;
        Ok(false)
    }

    fn memory(&mut self, memory: &OciMemory) -> Result<bool, Refusal> {
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
            | memory.swap.is_some()
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

    fn cpu(&mut self, cpu: &OciCpu) -> Result<bool, Refusal> {
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

    /// A switch that is on.
    fn switch(&mut self, feature: F, on: bool) -> Result<bool, Refusal> {
        self.need_if_some(feature, feature.key(), on.then_some(true))
    }
}

/// -1 is no limit.
pub(super) fn limited(limit: Option<i64>) -> Option<i64> {
    limit.filter(|limit| *limit != -1)
}
