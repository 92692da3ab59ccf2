//! The end of address spaces and of shared memory, in slices.

use super::area::Source;
use super::areas::Areas;
use super::{HeldSource, Mm, MmId, release_source};
use crate::Kernel;
use crate::arena::Held;
use crate::cgroup::{Charge, GroupId};
use crate::machine::{Frame, Machine, Mapped, Space, USER_END};
use crate::work::Job;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Pages, tables, areas or sources that one slice frees.
const SLICE: usize = 64;

/// Something that nobody uses any more, on its way out.
pub enum Teardown {
    /// An address space.
    Space(SpaceTeardown),
    /// The frames of shared memory.
    Frames(BTreeMap<u64, Frame>),
}

/// An address space on its way out.
pub struct SpaceTeardown {
    id: MmId,
    space: Space,
    /// All pages below are gone.
    from: u64,
    group: Held<GroupId>,
    /// What is left of the bookkeeping.
    areas: Areas,
    sources: BTreeMap<Source, HeldSource>,
    charges: Vec<Charge>,
}

/// Gives a reference to an address space back; the last one queues its teardown as a job.
pub fn release(k: &mut Kernel, mm: Held<MmId>) {
    let id = mm.key();
    let Some((mm, charge)) = k.spaces.spaces.release(mm) else {
        return;
    };
    let Mm {
        space,
        group,
        areas,
        mut sources,
        area_charges: mut charges,
        exe,
        ..
    } = mm;
    if let Some(exe) = exe {
        super::stop_running(k, exe);
    }
    charges.push(charge);
    release_sources(k, id, &mut sources);
    k.work.add(Job::Space(Teardown::Space(SpaceTeardown {
        space,
        id,
        from: 0,
        group,
        areas,
        sources,
        charges,
    })));
}

/// Gives the first sources of an address space back; whether there are more.
fn release_sources(k: &mut Kernel, id: MmId, sources: &mut BTreeMap<Source, HeldSource>) -> bool {
    for _ in 0..SLICE {
        let Some((_, held)) = sources.pop_first() else {
            return false;
        };
        release_source(k, id, held);
    }
    !sources.is_empty()
}

/// Queues frames to be freed.
pub(super) fn queue_frames(k: &mut Kernel, frames: BTreeMap<u64, Frame>) {
    if !frames.is_empty() {
        k.work.add(Job::Space(Teardown::Frames(frames)));
    }
}

/// Does a bounded part of a teardown; `None` when it is done.
pub fn teardown_step(k: &mut Kernel, m: &mut dyn Machine, job: Teardown) -> Option<Teardown> {
    match job {
        Teardown::Space(job) => space_step(k, m, job).map(Teardown::Space),
        Teardown::Frames(mut frames) => {
            for _ in 0..SLICE {
                let (_, frame) = frames.pop_first()?;
                k.frames.release(&mut k.groups, frame);
            }
            Some(Teardown::Frames(frames))
        }
    }
}

fn space_step(
    k: &mut Kernel,
    m: &mut dyn Machine,
    mut job: SpaceTeardown,
) -> Option<SpaceTeardown> {
    if release_sources(k, job.id, &mut job.sources) {
        return Some(job);
    }
    let mut left = SLICE;
    while let Some(area) = job.areas.first() {
        left = left.saturating_sub(1);
        job.from = job.from.max(area.start);
        let Kernel { frames, groups, .. } = k;
        let mut taken = 0;
        let mut gone = |_, mapped: Mapped| {
            taken += 1;
            frames.release(groups, mapped.frame);
        };
        if let Some(next) = m.unmap_some(job.space, job.from, area.end, left, &mut gone) {
            job.from = next;
            return Some(job);
        }
        left = left.saturating_sub(taken);
        // At once, while it is known where the tables are.
        if left == 0 || trim(k, m, job.space, (area.start, area.end)) {
            return Some(job);
        }
        job.areas.forget(1);
    }
    if job.areas.forget(SLICE) {
        return Some(job);
    }
    tables_step(k, m, job)
}

/// Frees tables in a range that are empty; whether there are more.
fn trim(k: &mut Kernel, m: &mut dyn Machine, space: Space, (from, end): (u64, u64)) -> bool {
    let Kernel { frames, groups, .. } = k;
    m.trim_tables(space, from, end, SLICE, &mut |table| {
        frames.release(groups, table);
    })
}

fn tables_step(k: &mut Kernel, m: &mut dyn Machine, job: SpaceTeardown) -> Option<SpaceTeardown> {
    if trim(k, m, job.space, (0, USER_END)) {
        return Some(job);
    }
    let Kernel { frames, groups, .. } = k;
    frames.release(groups, job.space.0);
    for charge in job.charges {
        groups.give_back(charge);
    }
    groups.release(job.group);
    None
}
