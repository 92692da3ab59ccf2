//! System V shared memory (shmget(2)): the segments of an ipc namespace.
//!
//! A segment is a file without a name that only shmat(2) maps. The table holds the file until
//! the segment is removed; then those hold it who are attached, and with the last of them it and
//! its line of the table go. Who is attached stays so when the namespace goes.

use crate::arena::{Held, Key};
use crate::cgroup::Charge;
use crate::error::{Errno, Stop};
use crate::fs::home::{self, Home};
use crate::fs::inode::{self, Kind, What};
use crate::fs::{Actor, InodeId, Node, Store, pages};
use crate::ipc::{INDEX_MAX, Object, Perm, Table};
use crate::machine::PAGE;
use crate::mm::area::Source;
use crate::mm::turn::{self, Budget, Step};
use crate::mm::{MmId, map, range};
use crate::ns::IpcNsId;
use crate::wait::Resume;
use crate::{Cx, Kernel};

/// Of huge pages (SHM_HUGETLB).
const HUGETLB: u32 = 0o4000;
/// May be more than there is memory (SHM_NORESERVE).
const NORESERVE: u32 = 0o10000;
/// In a segment's mode: removed (SHM_DEST).
const DEST: u32 = 0o1000;
/// In a segment's mode: locked in memory (SHM_LOCKED).
const LOCKED: u32 = 0o2000;

/// What a segment costs besides its memory: tree nodes' share of four trees.
const COST: u32 = 512;

/// What there may be at the most (proc(5)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of one segment (kernel.shmmax).
    pub bytes: u64,
    /// Pages of all segments (kernel.shmall).
    pub pages: u64,
    /// Segments (kernel.shmmni), not above [`INDEX_MAX`].
    pub segments: u32,
}

impl Default for Limits {
    /// As on Linux: no limit but memory.
    fn default() -> Self {
        let most = u64::MAX - (1 << 24);
        Limits {
            bytes: most,
            pages: most,
            segments: 4096,
        }
    }
}

const _: () = assert!(4096 <= INDEX_MAX);

/// The segments of a namespace.
#[derive(Debug, Default)]
pub struct Segments {
    /// All of them.
    pub table: Table<Segment>,
    /// Pages of all of them.
    pub pages: u64,
    /// Limits.
    pub limits: Limits,
}

/// A segment (shmctl(2), struct shmid_ds).
#[derive(Debug)]
pub struct Segment {
    /// Its memory; given up when it is removed.
    held: Option<Held<InodeId>>,
    /// Which that is.
    pub inode: InodeId,
    /// Bytes.
    pub size: u64,
    /// Locked in memory (SHM_LOCK); memory never leaves, so that only the mode tells.
    pub locked: bool,
    /// When somebody attached and detached it last, in seconds since 1970.
    pub times: [i64; 2],
    /// The process that made it, as it is numbered for itself.
    pub cpid: u32,
    /// The process that attached or detached it last.
    pub lpid: u32,
}

impl Object<Segment> {
    /// Permissions, and what it is in.
    pub fn mode(&self) -> u32 {
        let removed = if self.it.held.is_none() { DEST } else { 0 };
        let locked = if self.it.locked { LOCKED } else { 0 };
        self.perm.mode | removed | locked
    }
}

/// Whose segment a file is.
#[derive(Debug)]
pub(super) struct Owner {
    ns: IpcNsId,
    id: i32,
    charge: Charge,
}

/// What shmget(2) is asked for.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)] // as there
pub struct Wanted {
    pub key: i32,
    pub size: u64,
    pub flags: u32,
    /// The number of the caller.
    pub pid: u32,
}

/// The segments of a namespace.
///
/// # Errors
/// EINVAL when it is gone.
pub fn of(k: &Kernel, ns: IpcNsId) -> Result<&Segments, Errno> {
    Ok(&k.ns.ipc.get(ns).ok_or(Errno::EINVAL)?.segments)
}

/// The segments of a namespace, to change.
///
/// # Errors
/// EINVAL when it is gone.
pub fn of_mut(k: &mut Kernel, ns: IpcNsId) -> Result<&mut Segments, Errno> {
    Ok(&mut k.ns.ipc.get_mut(ns).ok_or(Errno::EINVAL)?.segments)
}

/// The identifier of the segment with this key, or of a new one.
///
/// # Errors
/// shmget(2); no memory.
pub fn get(k: &mut Kernel, ns: IpcNsId, actor: &Actor, wanted: &Wanted) -> Result<i32, Stop> {
    let fits = |segment: &Segment| match wanted.size > segment.size {
        true => Err(Errno::EINVAL),
        false => Ok(()),
    };
    let table = &of(k, ns)?.table;
    match table.find(wanted.key, wanted.flags, &actor.access, fits)? {
        Some(id) => Ok(id),
        None => create(k, ns, actor, wanted),
    }
}

fn create(k: &mut Kernel, ns: IpcNsId, actor: &Actor, wanted: &Wanted) -> Result<i32, Stop> {
    let segments = of(k, ns)?;
    let limits = segments.limits;
    if wanted.size == 0 || wanted.size > limits.bytes || wanted.flags & HUGETLB != 0 {
        return Err(Errno::EINVAL.into());
    }
    let pages = wanted.size.div_ceil(PAGE);
    let all = segments.pages.checked_add(pages);
    if all.is_none_or(|all| all > limits.pages) {
        return Err(Errno::ENOSPC.into());
    }
    if wanted.size > i64::MAX as u64 {
        return Err(Errno::EINVAL.into());
    }
    segments.table.has_room(limits.segments)?;
    if wanted.flags & NORESERVE == 0 {
        map::could_exist(k, wanted.size)?;
    }
    let charge = k.groups.charge(actor.group, COST)?;
    let held = match create_memory(&mut Store::of(k), actor, wanted) {
        Ok(held) => held,
        Err(stop) => {
            k.groups.give_back(charge);
            return Err(stop);
        }
    };
    let inode = held.key();
    let segment = Segment {
        inode,
        held: Some(held),
        size: wanted.size,
        locked: false,
        times: [0; 2],
        cpid: wanted.pid,
        lpid: 0,
    };
    let perm = Perm::new(wanted.key, &actor.access, wanted.flags);
    let segments = of_mut(k, ns)?;
    segments.pages += pages;
    // There is room.
    let id = segments.table.insert(perm, actor.now.sec, segment)?;
    let owner = Owner { ns, id, charge };
    k.spaces.segments.insert(inode, owner);
    Ok(id)
}

/// The file that a segment's memory is.
fn create_memory(st: &mut Store, actor: &Actor, wanted: &Wanted) -> Result<Held<InodeId>, Stop> {
    let mount = home::mount_of(st, actor, Home::Memory)?;
    let sb = st.fs.mount(mount)?.sb.key();
    let Node::Inode(root) = st.fs.root_of(mount)?.node else {
        return Err(Errno::ENOENT.into());
    };
    let name = alloc::format!("SYSV{:08x}", wanted.key).into_bytes();
    let mode = wanted.flags & 0o777;
    let held = inode::create(st, actor, sb, What::Memory(name.into()), mode, Some(root))?;
    pages::grow(st.fs, held.key(), wanted.size);
    Ok(held)
}

/// The segment whose memory is a file, to change; `None` when it or its namespace is gone.
pub fn with_file(k: &mut Kernel, inode: InodeId) -> Option<&mut Segment> {
    let (ns, id) = k.spaces.segments.get(&inode).map(|of| (of.ns, of.id))?;
    let found = of_mut(k, ns).ok()?.table.get_mut(id);
    found.ok().map(|segment| &mut segment.it)
}

/// How often a segment is attached.
pub fn attached(k: &Kernel, inode: InodeId) -> u64 {
    k.spaces.attached(inode)
}

/// How many pages of a segment there are by now.
pub fn resident(k: &Kernel, inode: InodeId) -> u64 {
    match k.fs.inodes.get(inode).map(|inode| &inode.kind) {
        Some(Kind::Regular(pages)) => pages.frames.len() as u64,
        _ => 0,
    }
}

/// Removes a segment: nobody finds it by its key any more, and it ends with the last who is
/// attached.
///
/// # Errors
/// EINVAL when there is none.
pub fn remove(k: &mut Kernel, ns: IpcNsId, id: i32) -> Result<(), Errno> {
    let table = &mut of_mut(k, ns)?.table;
    let segment = &mut table.get_mut(id)?.it;
    let (inode, held) = (segment.inode, segment.held.take());
    table.hide(id);
    if let Some(held) = held {
        Store::of(k).release_inode(held);
    }
    ended(k, inode);
    Ok(())
}

/// Removes one segment of a namespace that is gone; false when there was none.
pub fn abandon_one(k: &mut Kernel, segments: &mut Segments) -> bool {
    let Some(segment) = segments.table.pop() else {
        return false;
    };
    if let Some(held) = segment.it.held {
        Store::of(k).release_inode(held);
    }
    ended(k, segment.it.inode);
    true
}

/// Takes the segment out of its table whose memory is gone, if it was one's.
pub fn ended(k: &mut Kernel, inode: InodeId) {
    if k.fs.inodes.get(inode).is_some() {
        return;
    }
    let Some(owner) = k.spaces.segments.remove(&inode) else {
        return;
    };
    if let Ok(segments) = of_mut(k, owner.ns) {
        if let Some(segment) = segments.table.remove(owner.id) {
            let pages = segment.it.size.div_ceil(PAGE);
            segments.pages = segments.pages.saturating_sub(pages);
        }
    }
    k.groups.give_back(owner.charge);
}

/// The file of a segment, when an area at its start was attached at `addr` and not moved since.
fn attached_at(k: &Kernel, area: &super::area::Area, addr: u64) -> Option<InodeId> {
    let Some(Source::File(inode)) = area.source() else {
        return None;
    };
    let begin = area.start.checked_sub(addr)?;
    let same = begin == area.source_page(area.start).saturating_mul(PAGE);
    (same && area.is_shared() && k.spaces.segments.contains_key(&inode)).then_some(inode)
}

/// Unmaps the segment that was attached at `addr`, with all parts of it that are left; returns
/// its file, which may be gone.
///
/// # Errors
/// EINVAL when nothing was attached there; a wait after a part.
pub fn detach(k: &mut Kernel, cx: &mut Cx, mm: MmId, addr: u64) -> Result<InodeId, Stop> {
    let resume = cx.resume;
    let mut at = resume.map_or(addr, |resume| resume.word);
    let mut found = resume.and_then(unpack);
    let mut budget = Budget::new();
    loop {
        let end = match found {
            None => u64::MAX,
            Some(inode) => match pages::of(&k.fs, inode) {
                Ok(pages) => addr.saturating_add(pages.size.next_multiple_of(PAGE)),
                // The last part is gone, and the segment with it.
                Err(_) => return Ok(inode),
            },
        };
        let areas = &k.spaces.get(mm).ok_or(Errno::EINVAL)?.areas;
        let Some(area) = areas.from(at).filter(|area| area.start < end).copied() else {
            return found.ok_or_else(|| Errno::EINVAL.into());
        };
        if budget.is_spent() {
            let resume = Resume {
                done: found.map_or(0, pack),
                ..Resume::at(at)
            };
            return Err(turn::again(k, mm, cx.task, resume));
        }
        budget.spend(Step::Area);
        at = area.end;
        let Some(inode) = attached_at(k, &area, addr) else {
            continue;
        };
        if found.is_some_and(|found| found != inode) {
            continue;
        }
        found = Some(inode);
        let part = (area.start, area.end);
        if let Some(rest) = range::unmap(k, cx.m, mm, part, &mut budget) {
            // What is left begins there: it is found as another part of the same.
            at = rest;
        }
    }
}

/// A file's key in a [`Resume`], where 0 is none.
fn pack(inode: InodeId) -> u64 {
    (u64::from(inode.generation()) << 32 | u64::from(inode.index())).wrapping_add(1)
}

fn unpack(resume: Resume) -> Option<InodeId> {
    let number = resume.done.checked_sub(1)?;
    Some(InodeId::new(number as u32, (number >> 32) as u32))
}
