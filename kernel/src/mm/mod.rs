//! Memory: frames and who pays for them, address spaces, faults, copies to and from programs.
//!
//! Reading order: [`frames`] (physical memory), [`area`] and [`areas`] (what is where),
//! [`mod@fault`] (how pages come), [`range`] (how they go), [`fork`], [`teardown`], [`user`] (the
//! kernel's copies), [`lists`] (strings and vectors), [`arguments`] (those of programs),
//! [`elf`], [`stack`] and [`exec`] (programs).

pub mod advice;
pub mod area;
pub mod areas;
pub mod arguments;
pub mod buffer;
pub mod elf;
pub mod exec;
pub mod fault;
pub mod fork;
pub mod frames;
mod gaps;
pub mod high;
pub mod layout;
pub mod lists;
pub mod lock;
pub mod map;
pub mod oom;
pub mod page;
pub mod range;
pub mod remap;
pub mod room;
pub mod script;
pub mod segments;
pub mod sizes;
pub mod stack;
pub mod teardown;
pub mod turn;
pub mod user;

use crate::arena::{Arena, Held};
use crate::cgroup::{Charge, GroupId};
use crate::error::{Errno, NoMem, Stop};
use crate::fs::InodeId;
use crate::machine::{Frame, Machine, Space};
use crate::task::TaskId;
use crate::{Kernel, key};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use area::{Area, AreaFlags, MAX_AREAS, ObjectId, Source};
use areas::Areas;
use frames::Origin;
use layout::Layout;

pub use fault::fault;
pub use fork::duplicate;
pub use oom::oom_kill;
pub use range::{Lost, truncated, unmap_file_range};
pub use teardown::{Teardown, release, teardown_step};

key! {
    /// An address space with its areas.
    MmId
}

/// All address spaces, and what they share.
#[derive(Default)]
pub struct Spaces {
    spaces: Arena<MmId, Mm>,
    objects: Arena<ObjectId, Object>,
    /// Which files are System V shared memory.
    segments: BTreeMap<InodeId, segments::Owner>,
    /// Which address spaces map a file, for truncation.
    mappings: BTreeMap<InodeId, BTreeSet<MmId>>,
    /// How many address spaces run a file as their program.
    running: BTreeMap<InodeId, u32>,
}

impl Spaces {
    /// An address space.
    pub fn get(&self, id: MmId) -> Option<&Mm> {
        self.spaces.get(id)
    }
    /// An address space, to change.
    pub fn get_mut(&mut self, id: MmId) -> Option<&mut Mm> {
        self.spaces.get_mut(id)
    }
    /// One more reference; `None` if it is gone.
    pub fn hold(&mut self, id: MmId) -> Option<Held<MmId>> {
        self.spaces.hold(id)
    }
    /// One more reference beside the one in hand (CLONE_VM).
    pub fn share(&mut self, held: &Held<MmId>) -> Held<MmId> {
        self.spaces.share(held)
    }
    /// How many references there are.
    pub fn refs(&self, id: MmId) -> u32 {
        self.spaces.refs(id)
    }
    /// How many address spaces there are.
    pub fn len(&self) -> usize {
        self.spaces.len()
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.spaces.is_empty()
    }
    /// Whether a file is the program of somebody: it cannot be written then (ETXTBSY).
    pub fn runs(&self, inode: InodeId) -> bool {
        self.running.contains_key(&inode)
    }
    /// Whether somebody has a file in shared memory that can be written, or could be made so
    /// (mprotect(2)).
    pub fn writes_to(&self, inode: InodeId) -> bool {
        let spaces = self.mappings.get(&inode).into_iter().flatten();
        let mut areas = spaces.filter_map(|id| Some(&self.spaces.get(*id)?.areas));
        areas.any(|areas| areas.writes_to(Source::File(inode)))
    }
    /// How many areas show a file, in all address spaces.
    pub fn attached(&self, inode: InodeId) -> u64 {
        let spaces = self.mappings.get(&inode).into_iter().flatten();
        let areas = spaces.filter_map(|id| Some(&self.spaces.get(*id)?.areas));
        areas
            .map(|areas| areas.count(Source::File(inode)) as u64)
            .sum()
    }
    /// How many objects of shared memory there are.
    pub fn objects(&self) -> usize {
        self.objects.len()
    }
}

/// Memory that is shared without a file; its pages come zeroed at the first touch.
struct Object {
    /// Its size in pages: touching a page behind is an error, as behind the end of a file.
    size: u64,
    pages: BTreeMap<u64, Frame>,
}

/// What keeps a source of pages alive while areas use it.
enum HeldSource {
    File(Held<InodeId>),
    Object(Held<ObjectId>),
}

/// An address space: what is where, and how the pages come.
pub struct Mm {
    /// The page tables.
    pub space: Space,
    /// What may be found where.
    pub areas: Areas,
    /// Mapped pages.
    pub resident: Resident,
    /// The heap (brk(2)): its start and its end.
    pub heap: (u64, u64),
    /// Below this address places are chosen.
    pub base: u64,
    /// What new areas are besides: locked in memory, at once or at their first touch
    /// (mlockall(2), MCL_FUTURE).
    pub new_flags: AreaFlags,
    /// Whose call about this memory is between two turns: only that task may run in it.
    pub busy: Option<TaskId>,
    /// What execve put where.
    pub layout: Layout,
    /// Who pays.
    pub group: Held<GroupId>,
    /// The program.
    exe: Option<InodeId>,
    sources: BTreeMap<Source, HeldSource>,
    /// What the areas cost, in steps of [`AREAS_A_CHARGE`].
    area_charges: Vec<Charge>,
}

/// Mapped pages of an address space, by what is behind them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Resident {
    /// Private memory.
    pub anonymous: u64,
    /// Files and shared memory.
    pub shared: u64,
    /// The most there ever were of both.
    pub peak: u64,
}

impl Resident {
    /// All of them.
    pub fn all(&self) -> u64 {
        self.anonymous.saturating_add(self.shared)
    }

    /// Counts a page in.
    pub fn add(&mut self, origin: Origin) {
        let count = self.of(origin);
        *count = count.saturating_add(1);
        self.peak = self.peak.max(self.all());
    }

    /// Counts a page out.
    pub fn remove(&mut self, origin: Origin) {
        let count = self.of(origin);
        *count = count.saturating_sub(1);
    }

    fn of(&mut self, origin: Origin) -> &mut u64 {
        match origin {
            Origin::File => &mut self.shared,
            _ => &mut self.anonymous,
        }
    }
}

/// Areas that one charge pays for.
const AREAS_A_CHARGE: usize = 64;

/// Bytes that the bookkeeping of one area takes.
const AREA_COST: usize = 160;

/// Why an access of a program cannot be satisfied.
#[derive(Debug)]
pub enum Fault {
    /// No area there (SIGSEGV, SEGV_MAPERR).
    NotMapped,
    /// The area forbids it (SIGSEGV, SEGV_ACCERR).
    Forbidden,
    /// Behind the end of the mapped file (SIGBUS, BUS_ADRERR).
    BehindEnd,
    /// No memory for the page.
    NoMem(NoMem),
}

impl From<NoMem> for Fault {
    fn from(no_mem: NoMem) -> Fault {
        Fault::NoMem(no_mem)
    }
}

/// An empty address space, charged to `group`.
///
/// # Errors
/// [`NoMem`].
pub fn create(k: &mut Kernel, m: &mut dyn Machine, group: GroupId) -> Result<Held<MmId>, NoMem> {
    let charge = k.groups.charge(group, Arena::<MmId, Mm>::COST)?;
    let root = match k.frames.alloc(&mut k.groups, group, Origin::Table) {
        Ok(root) => root,
        Err(no_mem) => {
            k.groups.give_back(charge);
            return Err(no_mem);
        }
    };
    let mm = Mm {
        space: m.new_space(root),
        areas: Areas::default(),
        resident: Resident::default(),
        heap: (0, 0),
        base: crate::machine::USER_END,
        new_flags: AreaFlags::empty(),
        busy: None,
        layout: Layout::default(),
        group: k.groups.hold(group),
        exe: None,
        sources: BTreeMap::new(),
        area_charges: Vec::new(),
    };
    Ok(k.spaces.spaces.insert(mm, charge))
}

/// Makes sure that another area can be made.
///
/// # Errors
/// ENOMEM beyond [`MAX_AREAS`], where Linux lets the last one pass; [`Stop::NoMem`].
pub fn room_to_map(k: &mut Kernel, id: MmId) -> Result<(), Stop> {
    let count = k.spaces.get(id).ok_or(Errno::ENOMEM)?.areas.len();
    room_for_areas(k, id, count <= MAX_AREAS)
}

/// Makes sure that the areas at the borders of a range can be divided.
///
/// # Errors
/// ENOMEM beyond [`MAX_AREAS`]; [`Stop::NoMem`].
pub fn room_to_split(k: &mut Kernel, id: MmId, (start, end): (u64, u64)) -> Result<(), Stop> {
    let areas = &k.spaces.get(id).ok_or(Errno::ENOMEM)?.areas;
    let cuts = areas.cuts(start, end);
    let fits = cuts == 0 || areas.len() + cuts <= MAX_AREAS;
    room_for_areas(k, id, fits)
}

/// Makes sure that a range can be unmapped: only a hole in one area makes more of them.
///
/// # Errors
/// ENOMEM beyond [`MAX_AREAS`]; [`Stop::NoMem`].
pub fn room_to_unmap(k: &mut Kernel, id: MmId, (start, end): (u64, u64)) -> Result<(), Stop> {
    let areas = &k.spaces.get(id).ok_or(Errno::ENOMEM)?.areas;
    let fits = areas.len() < MAX_AREAS || !areas.is_middle(start, end);
    room_for_areas(k, id, fits)
}

/// Makes sure that a mapping can be moved, which may divide areas at both places.
///
/// # Errors
/// ENOMEM beyond [`MAX_AREAS`]; [`Stop::NoMem`].
pub fn room_to_move(k: &mut Kernel, id: MmId) -> Result<(), Stop> {
    let count = k.spaces.get(id).ok_or(Errno::ENOMEM)?.areas.len();
    room_for_areas(k, id, count + 3 < MAX_AREAS)
}

/// Pays for a few more areas, if they may be.
fn room_for_areas(k: &mut Kernel, id: MmId, may: bool) -> Result<(), Stop> {
    if !may {
        return Err(Errno::ENOMEM.into());
    }
    let Kernel { groups, spaces, .. } = k;
    let mm = spaces.get_mut(id).ok_or(Errno::ENOMEM)?;
    let wanted = mm.areas.len() + 3;
    while mm.area_charges.len() * AREAS_A_CHARGE < wanted {
        let bytes = (AREAS_A_CHARGE * AREA_COST) as u32;
        mm.area_charges.push(groups.charge(mm.group.key(), bytes)?);
    }
    Ok(())
}

/// Puts an area into an address space; nothing may be there, and [`room_to_map`] was asked.
///
/// # Errors
/// ENOENT when the area's source is gone.
pub fn insert(k: &mut Kernel, id: MmId, area: Area) -> Result<(), Errno> {
    if let Some(source) = area.source() {
        keep_source(k, id, source)?;
    }
    if let Some(mm) = k.spaces.get_mut(id) {
        mm.areas.insert(area);
    }
    Ok(())
}

fn keep_source(k: &mut Kernel, id: MmId, source: Source) -> Result<(), Errno> {
    let mm = k.spaces.get(id).ok_or(Errno::ENOENT)?;
    if mm.sources.contains_key(&source) {
        return Ok(());
    }
    let held = match source {
        Source::File(inode) => {
            let held = k.fs.inodes.hold(inode).ok_or(Errno::ENOENT)?;
            k.spaces.mappings.entry(inode).or_default().insert(id);
            HeldSource::File(held)
        }
        Source::Object(object) => {
            HeldSource::Object(k.spaces.objects.hold(object).ok_or(Errno::ENOENT)?)
        }
    };
    if let Some(mm) = k.spaces.get_mut(id) {
        mm.sources.insert(source, held);
    }
    Ok(())
}

/// Notes which program an address space runs.
pub fn set_program(k: &mut Kernel, id: MmId, program: Option<InodeId>) {
    let Some(mm) = k.spaces.spaces.get_mut(id) else {
        return;
    };
    let old = core::mem::replace(&mut mm.exe, program);
    if let Some(inode) = program {
        *k.spaces.running.entry(inode).or_default() += 1;
    }
    if let Some(inode) = old {
        stop_running(k, inode);
    }
}

fn stop_running(k: &mut Kernel, inode: InodeId) {
    if let Some(count) = k.spaces.running.get_mut(&inode) {
        *count -= 1;
        if *count == 0 {
            k.spaces.running.remove(&inode);
        }
    }
}

/// Gives a source back when no area uses it any more.
fn drop_unused(k: &mut Kernel, id: MmId, source: Source) {
    let Some(mm) = k.spaces.get_mut(id) else {
        return;
    };
    if mm.areas.uses(source) {
        return;
    }
    if let Some(held) = mm.sources.remove(&source) {
        release_source(k, id, held);
    }
}

fn release_source(k: &mut Kernel, id: MmId, held: HeldSource) {
    match held {
        HeldSource::File(held) => {
            if let Some(mms) = k.spaces.mappings.get_mut(&held.key()) {
                mms.remove(&id);
                if mms.is_empty() {
                    k.spaces.mappings.remove(&held.key());
                }
            }
            let inode = held.key();
            crate::fs::Store::of(k).release_inode(held);
            segments::ended(k, inode);
        }
        HeldSource::Object(held) => release_object(k, held),
    }
}

/// Makes shared memory of `pages` pages without a file.
///
/// # Errors
/// [`NoMem`].
pub fn create_object(k: &mut Kernel, group: GroupId, pages: u64) -> Result<Held<ObjectId>, NoMem> {
    let charge = k.groups.charge(group, Arena::<ObjectId, Object>::COST)?;
    let object = Object {
        size: pages,
        pages: BTreeMap::new(),
    };
    Ok(k.spaces.objects.insert(object, charge))
}

/// Gives a reference to shared memory back; the last one queues its frames to be freed.
pub fn release_object(k: &mut Kernel, held: Held<ObjectId>) {
    if let Some((object, charge)) = k.spaces.objects.release(held) {
        k.groups.give_back(charge);
        teardown::queue_frames(k, object.pages);
    }
}
